/* g = 2 sigmoid(n . w + b);  out <- g out.  n [B,T,D] is attention's input; w [D] and b start at 0. */
typedef struct Plugin {
  caddie_object object;
  Services services;
  int32_t bias;
} Plugin;

static caddie_code read_options(Plugin* plugin, const caddie_host_config* options, const caddie_config* config) {
  return options->boolean(config, "bias", &plugin->bias);
}

static caddie_code gate(void* user, caddie_build* build, const caddie_value* inputs, uint32_t input_count,
                        caddie_value* outputs, uint32_t output_count, caddie_error* error) {
  const Plugin* plugin = user;
  const Services* host = &plugin->services;
  caddie_graph* graph = host->build->graph(build);
  const int64_t last[] = {-1};
  const int64_t one[] = {1};
  caddie_tensor_spec spec;
  caddie_value logit;
  if (input_count < 2 || output_count != 1) return fail(error, CADDIE_ERROR_ARGUMENT, "attn.out has out and n");
  {
    const caddie_shape shape = shape_of(host, graph, inputs[1]);
    const int64_t width[] = {shape.rank > 0 ? shape.lengths[shape.rank - 1] : 1};
    spec = zeros("gate.weight", "scalar", width, 1);
    logit = caddie_op_mul(host->ops, graph, inputs[1], host->build->parameter(build, &spec));
  }
  logit = caddie_op_reduce_sum(host->ops, graph, logit, last, 1, 1); /* [B,T,1] */
  if (plugin->bias) {
    spec = zeros("gate.bias", "scalar", one, 1);
    logit = caddie_op_add(host->ops, graph, logit, host->build->parameter(build, &spec));
  }
  logit = caddie_op_mul(host->ops, graph, caddie_op_sigmoid(host->ops, graph, logit), number(host, graph, 2));
  outputs[0] = caddie_op_mul(host->ops, graph, logit, inputs[0]);
  return CADDIE_OK;
}

static caddie_code attach(caddie_object* object, const caddie_host_hooks* at, caddie_hooks* hooks,
                          caddie_error* error) {
  (void)error;
  return at->chain(hooks, "attn.out", 0, gate, object->self);
}

static const caddie_block table = {sizeof(caddie_block), 0, attach};
#define INTERFACE CADDIE_BLOCK
#define READS 0
#define STATEFUL 0
#define STATE_VERSION 0
#define SAVE NULL
#define LOAD NULL
#define SCHEMA                                                                                                  \
  "{\"type\": \"object\", \"additionalProperties\": false, \"properties\": {\"bias\": {\"type\": \"boolean\", " \
  "\"default\": true, "                                                                                         \
  "\"description\": \"whether the gate has a number of its own beside what it reads\"}}}"
static void release(Plugin* plugin) { (void)plugin; }
