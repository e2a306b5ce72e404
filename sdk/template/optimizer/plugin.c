/* p <- p - lr (sign(b1 m + (1 - b1) g) + decay p);  m <- b2 m + (1 - b2) g */
typedef struct Plugin {
  caddie_object object;
  Services services;
  double lr, beta1, beta2, decay;
} Plugin;

static caddie_code read_options(Plugin* plugin, const caddie_host_config* options, const caddie_config* config) {
  caddie_code code = options->number(config, "lr", &plugin->lr);
  if (code == CADDIE_OK) code = options->number(config, "beta1", &plugin->beta1);
  if (code == CADDIE_OK) code = options->number(config, "beta2", &plugin->beta2);
  if (code == CADDIE_OK) code = options->number(config, "decay", &plugin->decay);
  return code;
}

/* a x + b y */
static caddie_value mix(const Services* host, caddie_graph* graph, double a, caddie_value x, double b, caddie_value y) {
  const caddie_value left = caddie_op_mul(host->ops, graph, number(host, graph, a), x);
  return caddie_op_add(host->ops, graph, left, caddie_op_mul(host->ops, graph, number(host, graph, b), y));
}

static caddie_code update(caddie_object* object, caddie_build* build, const caddie_update* bank,
                          caddie_value* parameter, caddie_error* error) {
  const Plugin* plugin = object->self;
  const Services* host = &plugin->services;
  caddie_graph* graph = host->build->graph(build);
  const caddie_shape shape = shape_of(host, graph, bank->gradient);
  const caddie_tensor_spec spec = zeros("momentum", NULL, shape.lengths, shape.rank);
  const caddie_value m = host->build->state(build, &spec);
  const caddie_value g = bank->gradient;
  caddie_value step = caddie_op_sign(host->ops, graph, mix(host, graph, plugin->beta1, m, 1 - plugin->beta1, g));
  (void)error;
  host->build->set_state(build, m, mix(host, graph, plugin->beta2, m, 1 - plugin->beta2, g));
  step = mix(host, graph, 1, step, plugin->decay, bank->parameter);
  step = caddie_op_mul(host->ops, graph, step,
                       caddie_op_mul(host->ops, graph, number(host, graph, plugin->lr), bank->scale));
  *parameter = caddie_op_sub(host->ops, graph, bank->parameter, step);
  return CADDIE_OK;
}

static const caddie_optimizer table = {sizeof(caddie_optimizer), 0, update};
#define INTERFACE CADDIE_OPTIMIZER
#define READS 0
#define STATEFUL 0
#define STATE_VERSION 0
#define SAVE NULL
#define LOAD NULL
#define OPTION(name, initial, most, text)                                                             \
  "\"" name "\": {\"type\": \"number\", \"default\": " initial ", \"minimum\": 0, \"maximum\": " most \
  ", \"description\": \"" text "\"}"
#define SCHEMA \
  "{\"type\": \"object\", \"additionalProperties\": false, \"properties\": {" \
  OPTION("lr", "0.001", "1000", "learning rate: how far every element moves") ", " \
  OPTION("beta1", "0.9", "1", "share of the momentum in the direction") ", " \
  OPTION("beta2", "0.99", "1", "share of the momentum that a step keeps") ", " \
  OPTION("decay", "0", "100", "decoupled weight decay") "}}"
static void release(Plugin* plugin) { (void)plugin; }
