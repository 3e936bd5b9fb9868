set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/bin")
set(CMAKE_POSITION_INDEPENDENT_CODE ON)

add_compile_options(-Wall -Wextra -Wno-missing-field-initializers -fno-omit-frame-pointer)
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  add_compile_options(-Wthread-safety)
endif()

# "", "address,undefined" or "thread".
set(COTERIE_SANITIZE "" CACHE STRING "Sanitizers to build with")
if(COTERIE_SANITIZE)
  add_compile_options("-fsanitize=${COTERIE_SANITIZE}" -fno-sanitize-recover=all)
  add_link_options("-fsanitize=${COTERIE_SANITIZE}")
endif()

# libFuzzer's counters in all of our code; its main() comes with the targets of fuzz/.
option(COTERIE_FUZZ "Build the fuzz targets" OFF)
if(COTERIE_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()

find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  # Precompiled headers need the two sloppiness flags (ccache manual, "Precompiled headers").
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env
      CCACHE_SLOPPINESS=pch_defines,time_macros ${CCACHE_PROGRAM})
  add_compile_options($<$<CXX_COMPILER_ID:GNU>:-fpch-preprocess>)
endif()
find_program(MOLD_PROGRAM mold)
if(MOLD_PROGRAM)
  add_link_options(-fuse-ld=mold)
endif()

# Faults that can be turned on, for `./dev sim --mutants`: see src/base/mutant.h.
option(COTERIE_MUTANTS "Compile known faults in, to be turned on one at a time" OFF)
if(COTERIE_MUTANTS)
  add_compile_definitions(COTERIE_MUTANTS)
endif()
