/* From the share start of the run on: sum <- sum + weights, count <- count + 1. At the end: sum / count. */
typedef struct Plugin {
  caddie_object object;
  Services services;
  double start;
} Plugin;

static caddie_code read_options(Plugin* plugin, const caddie_host_config* options, const caddie_config* config) {
  return options->number(config, "start", &plugin->start);
}

static double on(void* user, const caddie_step* step) { return step->fraction >= ((const Plugin*)user)->start ? 1 : 0; }

static caddie_value sum_state(const Services* host, caddie_build* build, caddie_value parameter) {
  const caddie_shape shape = shape_of(host, host->build->graph(build), parameter);
  const caddie_tensor_spec spec = zeros("sum", NULL, shape.lengths, shape.rank);
  return host->build->state(build, &spec);
}

static caddie_value count_state(const Services* host, caddie_build* build) {
  const int64_t none = 0;
  const caddie_tensor_spec spec = zeros("count", NULL, &none, 0);
  return host->build->state(build, &spec);
}

static caddie_code accumulate(caddie_object* object, caddie_build* build, const char* bank, caddie_value parameter,
                              caddie_error* error) {
  Plugin* plugin = object->self;
  const Services* host = &plugin->services;
  caddie_graph* graph = host->build->graph(build);
  const caddie_value taken = host->build->step_scalar(build, "on", on, plugin);
  const caddie_value sum = sum_state(host, build, parameter);
  const caddie_value count = count_state(host, build);
  (void)bank;
  (void)error;
  host->build->set_state(build, sum,
                         caddie_op_add(host->ops, graph, sum, caddie_op_mul(host->ops, graph, taken, parameter)));
  host->build->set_state(build, count, caddie_op_add(host->ops, graph, count, taken));
  return CADDIE_OK;
}

static caddie_code finish(caddie_object* object, caddie_build* build, const char* bank, caddie_value parameter,
                          caddie_value current, caddie_value* out, caddie_error* error) {
  const Services* host = &((Plugin*)object->self)->services;
  caddie_graph* graph = host->build->graph(build);
  const caddie_value count = count_state(host, build);
  const caddie_value most = caddie_op_max(host->ops, graph, count, number(host, graph, 1));
  const caddie_value mean = caddie_op_div(host->ops, graph, sum_state(host, build, parameter), most);
  (void)bank;
  (void)error;
  *out =
      caddie_op_where(host->ops, graph, caddie_op_lt(host->ops, graph, number(host, graph, 0), count), mean, current);
  return CADDIE_OK;
}

static const caddie_averager table = {sizeof(caddie_averager), 0, accumulate, finish};
#define INTERFACE CADDIE_AVERAGER
#define READS 0
#define STATEFUL 0
#define STATE_VERSION 0
#define SAVE NULL
#define LOAD NULL
#define SCHEMA                                                                                                  \
  "{\"type\": \"object\", \"additionalProperties\": false, \"properties\": {\"start\": {\"type\": \"number\", " \
  "\"default\": 0.8, "                                                                                          \
  "\"minimum\": 0, \"maximum\": 0.999, \"description\": \"share of the run that is over when averaging begins\"}}}"
static void release(Plugin* plugin) { (void)plugin; }
