# The Debian package: `./dev package`. The programs, the writer's page if it is built, systemd units
# that are off until somebody has set them up, and the documentation.
if(NOT TARGET coterie OR NOT TARGET coterie-node)
  return()
endif()
set(doc share/doc/coterie)
install(TARGETS coterie coterie-node RUNTIME DESTINATION bin)
install(FILES packaging/coterie-node.service DESTINATION lib/systemd/system)
install(FILES packaging/node.toml packaging/prometheus/alerts.yml DESTINATION ${doc})
if(TARGET coterie-llm)
  install(TARGETS coterie-llm RUNTIME DESTINATION bin)
  install(FILES packaging/coterie-llm.service DESTINATION lib/systemd/system)
  install(FILES packaging/llm.toml DESTINATION ${doc})
endif()
install(DIRECTORY web/dist/ DESTINATION share/coterie/web OPTIONAL)
install(PROGRAMS scripts/certificates.sh DESTINATION share/coterie)
install(DIRECTORY docs/ DESTINATION ${doc} FILES_MATCHING PATTERN "*.md" PATTERN "*.svg")
install(DIRECTORY proto/coterie/v1 DESTINATION share/coterie/proto/coterie)
install(FILES LICENSE DESTINATION ${doc} RENAME copyright)
install(CODE [[
  set(prefix "$ENV{DESTDIR}${CMAKE_INSTALL_PREFIX}")
  set(completions "${prefix}/share/bash-completion/completions")
  file(MAKE_DIRECTORY "${completions}")
  execute_process(COMMAND "${prefix}/bin/coterie" completion bash
    OUTPUT_FILE "${completions}/coterie" COMMAND_ERROR_IS_FATAL ANY)]])

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_PACKAGE_NAME coterie)
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "documents written together, on a fault-tolerant cluster")
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_MAINTAINER "Coterie's maintainers <root@localhost>")
set(CPACK_DEBIAN_PACKAGE_SECTION net)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS hunspell-en-us)
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION "Several people write documents at once, with any Yjs editor;
 what one of them has seen is on the disks of a majority. Any node may die.")
include(CPack)
if(NOT COTERIE_SANITIZE)
  add_test(NAME package_test COMMAND "${CMAKE_SOURCE_DIR}/tests/package_test.sh"
    "${CMAKE_BINARY_DIR}" "${CMAKE_SOURCE_DIR}")
  set_tests_properties(package_test PROPERTIES LABELS cluster RUN_SERIAL TRUE TIMEOUT 240)
endif()

# What Prometheus is told to wake somebody for, where its own tester is.
find_program(PROMTOOL_PROGRAM promtool)
if(PROMTOOL_PROGRAM)
  add_test(NAME alerts_test COMMAND "${PROMTOOL_PROGRAM}" test rules alerts_test.yml
    WORKING_DIRECTORY "${CMAKE_SOURCE_DIR}/packaging/prometheus")
  set_tests_properties(alerts_test PROPERTIES LABELS quick TIMEOUT 60)
endif()
