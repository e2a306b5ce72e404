/* After chunk c is scored: one pass over its rows, p <- p - lr g, on the scalars alone. */
typedef struct Plugin {
  caddie_object object;
  Services services;
  double lr;
  int64_t chunk, rows;
  int64_t context, step_rows; /* known once the plan is made */
} Plugin;

static caddie_code read_options(Plugin* plugin, const caddie_host_config* options, const caddie_config* config) {
  caddie_code code = options->number(config, "lr", &plugin->lr);
  if (code == CADDIE_OK) code = options->integer(config, "chunk", &plugin->chunk);
  if (code == CADDIE_OK) code = options->integer(config, "rows", &plugin->rows);
  return code;
}

static caddie_code plan(caddie_object* object, const caddie_eval_info* info, caddie_ttt_plan* out,
                        caddie_error* error) {
  Plugin* plugin = object->self;
  (void)error;
  out->chunk_targets = plugin->chunk > info->context ? plugin->chunk : info->context;
  out->context = info->context;
  out->rows = out->chunk_targets / info->context;
  if (out->rows > plugin->rows) out->rows = plugin->rows;
  out->clip_norm = 1;
  plugin->context = out->context;
  plugin->step_rows = out->rows;
  return CADDIE_OK;
}

static int32_t adapts(const caddie_object* object, const caddie_tensor_info* tensor) {
  (void)object;
  return strcmp(tensor->role, "scalar") == 0;
}

static caddie_code update(caddie_object* object, caddie_build* build, const caddie_update* bank,
                          caddie_value* parameter, caddie_error* error) {
  const Plugin* plugin = object->self;
  const Services* host = &plugin->services;
  caddie_graph* graph = host->build->graph(build);
  const caddie_value rate = caddie_op_mul(host->ops, graph, number(host, graph, plugin->lr), bank->scale);
  (void)error;
  *parameter = caddie_op_sub(host->ops, graph, bank->parameter, caddie_op_mul(host->ops, graph, rate, bank->gradient));
  return CADDIE_OK;
}

/* Only targets of chunks that are scored; after the last one there is nothing left to score. */
static caddie_code adapt(caddie_object* object, const caddie_chunk* scored, const caddie_host_adapt* host,
                         caddie_adapt* adaptation, caddie_error* error) {
  const Plugin* plugin = object->self;
  const int64_t rows = scored->targets / plugin->context;
  int64_t* first = malloc((size_t)(plugin->step_rows > 0 ? plugin->step_rows : 1) * sizeof *first);
  caddie_code code = CADDIE_OK;
  int64_t row = 0;
  if (first == NULL) return fail(error, CADDIE_ERROR_MEMORY, "out of memory");
  while (code == CADDIE_OK && scored->index + 1 < scored->count && row < rows) {
    int64_t count = 0;
    while (count < plugin->step_rows && row < rows) first[count++] = scored->first_target + plugin->context * row++;
    code = host->step(adaptation, first, count, 1, error);
  }
  free(first);
  return code;
}

static const caddie_ttt table = {sizeof(caddie_ttt), 0, plan, adapts, update, adapt};
#define INTERFACE CADDIE_TTT
#define READS CADDIE_READS_VALIDATION_TOKENS
#define STATEFUL 0
#define STATE_VERSION 0
#define SAVE NULL
#define LOAD NULL
#define SCHEMA                                                                                                         \
  "{\"type\": \"object\", \"additionalProperties\": false, \"properties\": {"                                          \
  "\"lr\": {\"type\": \"number\", \"default\": 0.01, \"minimum\": 0, \"maximum\": 1000, \"description\": \"learning "  \
  "rate\"}, "                                                                                                          \
  "\"chunk\": {\"type\": \"integer\", \"default\": 16384, \"minimum\": 1, \"description\": \"targets of a chunk\"}, "  \
  "\"rows\": {\"type\": \"integer\", \"default\": 16, \"minimum\": 1, \"maximum\": 65536, \"description\": \"rows of " \
  "a gradient step\"}}}"
static void release(Plugin* plugin) { (void)plugin; }
