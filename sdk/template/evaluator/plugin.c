/* Window q has inputs [q S, q S + L) and scores its last S targets, the first one all; S = L - floor(overlap L). */
typedef struct Plugin {
  caddie_object object;
  Services services;
  double overlap;
} Plugin;

static caddie_code read_options(Plugin* plugin, const caddie_host_config* options, const caddie_config* config) {
  return options->number(config, "overlap", &plugin->overlap);
}

static caddie_code plan(caddie_object* object, const caddie_eval_info* info, const caddie_host_windows* host,
                        caddie_windows* windows, caddie_error* error) {
  const int64_t length = info->context;
  const int64_t kept = (int64_t)floor(((const Plugin*)object->self)->overlap * (double)length);
  const int64_t stride = kept < length ? length - kept : 1;
  int64_t scored = 0;
  int64_t first;
  for (first = 0; scored < info->targets; first += stride) {
    const int64_t end = first + length < info->targets ? first + length : info->targets;
    if (host->add(windows, first, end - first, scored, end - scored) != CADDIE_OK)
      return fail(error, CADDIE_ERROR_ARGUMENT, "the host refuses a window");
    scored = end;
  }
  return CADDIE_OK;
}

static const caddie_evaluator table = {sizeof(caddie_evaluator), 0, plan};
#define INTERFACE CADDIE_EVALUATOR
#define READS CADDIE_READS_VALIDATION_TOKENS
#define STATEFUL 0
#define STATE_VERSION 0
#define SAVE NULL
#define LOAD NULL
#define SCHEMA                                                                                                    \
  "{\"type\": \"object\", \"additionalProperties\": false, \"properties\": {\"overlap\": {\"type\": \"number\", " \
  "\"default\": 0.5, "                                                                                            \
  "\"minimum\": 0, \"maximum\": 0.99, \"description\": \"share of a window that only serves as context\"}}}"
static void release(Plugin* plugin) { (void)plugin; }
