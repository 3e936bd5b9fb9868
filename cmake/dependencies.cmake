# Every third-party package. All but llama.cpp come from Debian 12; `./dev` installs them.
find_package(Threads REQUIRED)
find_package(absl REQUIRED)
find_package(Protobuf REQUIRED)
find_package(GTest REQUIRED)
find_package(RocksDB REQUIRED CONFIG)
find_package(Boost 1.81 REQUIRED)  # Headers alone: Asio and Beast.
find_package(OpenSSL REQUIRED)
find_package(spdlog REQUIRED)
find_package(CLI11 REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(GRPCPP REQUIRED IMPORTED_TARGET grpc++)
pkg_check_modules(SODIUM REQUIRED IMPORTED_TARGET libsodium)
pkg_check_modules(RE2 REQUIRED IMPORTED_TARGET re2)
pkg_check_modules(TOMLPLUSPLUS REQUIRED IMPORTED_TARGET tomlplusplus)
pkg_check_modules(HUNSPELL REQUIRED IMPORTED_TARGET hunspell)
pkg_check_modules(LIBEDIT REQUIRED IMPORTED_TARGET libedit)
find_program(PROTOC_PROGRAM protoc REQUIRED)
find_program(GRPC_CPP_PLUGIN grpc_cpp_plugin REQUIRED)
find_package(benchmark QUIET)

# llama.cpp: what the system has, else what scripts/llama.sh has built. Without it there is no LLM
# server, and everything else is as it is.
execute_process(COMMAND "${CMAKE_SOURCE_DIR}/scripts/llama.sh" --find
  OUTPUT_VARIABLE llama_prefix OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
if(llama_prefix)
  # What an earlier configuration found of an earlier recipe of the script is forgotten.
  cmake_path(GET llama_prefix PARENT_PATH llama_cache)
  cmake_path(IS_PREFIX llama_cache "${llama_DIR}" llama_is_ours)
  cmake_path(IS_PREFIX llama_prefix "${llama_DIR}" llama_is_current)
  if(llama_DIR AND llama_is_ours AND NOT llama_is_current)
    foreach(found IN ITEMS llama_DIR llama_LIBRARY ggml_DIR GGML_LIBRARY GGML_BASE_LIBRARY
            GGML_CPU_LIBRARY COTERIE_LLAMA_FITS)
      unset(${found} CACHE)
    endforeach()
  endif()
endif()
find_package(llama CONFIG QUIET)
if(NOT llama_FOUND AND llama_prefix)
  find_package(llama CONFIG QUIET PATHS "${llama_prefix}" NO_DEFAULT_PATH)
endif()
if(llama_FOUND)
  # Its interface moves; a release that lacks a call which is used here counts as none.
  include(CheckCXXSourceCompiles)
  set(CMAKE_REQUIRED_LIBRARIES llama)
  check_cxx_source_compiles("
    #include <ggml-cpu.h>
    #include <gguf.h>
    #include <llama.h>
    int main() {
      llama_context_params context = llama_context_default_params();
      context.kv_unified = false;
      ggml_threadpool_params pool = ggml_threadpool_params_default(1);
      llama_attach_threadpool(nullptr, ggml_threadpool_new(&pool), nullptr);
      llama_memory_seq_cp(llama_get_memory(nullptr), 0, 1, -1, -1);
      return llama_decode(nullptr, llama_batch_init(1, 0, 1)) + llama_model_n_ctx_train(nullptr);
    }" COTERIE_LLAMA_FITS)
  unset(CMAKE_REQUIRED_LIBRARIES)
endif()
if(NOT COTERIE_LLAMA_FITS)
  message(STATUS "llama.cpp is not here: no coterie-llm, and its tests are skipped")
endif()
