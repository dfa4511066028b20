# oneDNN of the folder that `npm run gpu -- pack` makes, in place of the configuration that it was installed with: that one asks
# for OpenCL's headers and names absolute paths.
get_filename_component(folder "${CMAKE_CURRENT_LIST_DIR}" ABSOLUTE)
add_library(DNNL::dnnl SHARED IMPORTED)
set_target_properties(DNNL::dnnl PROPERTIES
  IMPORTED_LOCATION "${folder}/lib/libdnnl.so.2"
  INTERFACE_INCLUDE_DIRECTORIES "${folder}/include")
