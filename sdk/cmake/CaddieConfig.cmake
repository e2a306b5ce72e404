# find_package(Caddie): the target caddie::sdk and the functions caddie_add_plugin() and caddie_check_plugin().
include("${CMAKE_CURRENT_LIST_DIR}/CaddieTargets.cmake")
include("${CMAKE_CURRENT_LIST_DIR}/CaddiePlugin.cmake")
find_program(CADDIE_PROGRAM caddie HINTS "${CMAKE_CURRENT_LIST_DIR}/../../../bin" "${CMAKE_CURRENT_LIST_DIR}/../../../../bin")
