static caddie_value number(const Services* host, caddie_graph* graph, double value) {
  return caddie_op_constant(host->ops, graph, &value, 1, NULL, 0, CADDIE_F32);
}

/* A parameter or state of the given shape that starts with zeros. */
static caddie_tensor_spec zeros(const char* name, const char* role, const int64_t* lengths, uint32_t rank) {
  caddie_tensor_spec spec;
  memset(&spec, 0, sizeof spec);
  spec.struct_size = sizeof spec;
  spec.name = name;
  spec.role = role;
  spec.dtype = CADDIE_F32;
  spec.rank = rank;
  spec.lengths = lengths;
  spec.initialiser.struct_size = sizeof spec.initialiser;
  spec.initialiser.kind = CADDIE_INIT_ZEROS;
  return spec;
}

static caddie_shape shape_of(const Services* host, caddie_graph* graph, caddie_value value) {
  caddie_shape shape;
  memset(&shape, 0, sizeof shape);
  shape.struct_size = sizeof shape;
  host->ops->shape(graph, value, &shape);
  return shape;
}
