# find_package(Caddie): the target caddie::sdk and the function caddie_add_plugin().
include("${CMAKE_CURRENT_LIST_DIR}/CaddieTargets.cmake")
include("${CMAKE_CURRENT_LIST_DIR}/CaddiePlugin.cmake")
