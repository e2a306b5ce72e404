/* f < w: f / w, else floor + (1 - floor) (1 + cos(pi (f - w) / (1 - w))) / 2;  f: the share of the run that is over */
typedef struct Plugin {
  caddie_object object;
  Services services;
  double warmup, floor;
} Plugin;

static caddie_code read_options(Plugin* plugin, const caddie_host_config* options, const caddie_config* config) {
  const caddie_code code = options->number(config, "warmup", &plugin->warmup);
  return code != CADDIE_OK ? code : options->number(config, "floor", &plugin->floor);
}

static double scale(const caddie_object* object, const caddie_step* step) {
  const Plugin* plugin = object->self;
  const double f = step->fraction;
  if (f < plugin->warmup) return f / plugin->warmup;
  return plugin->floor +
         (1 - plugin->floor) * (1 + cos(3.14159265358979323846 * (f - plugin->warmup) / (1 - plugin->warmup))) / 2;
}

static const caddie_schedule table = {sizeof(caddie_schedule), 0, scale};
#define INTERFACE CADDIE_SCHEDULE
#define READS CADDIE_READS_TIME
#define STATEFUL 0
#define STATE_VERSION 0
#define SAVE NULL
#define LOAD NULL
#define SCHEMA                                                                                                         \
  "{\"type\": \"object\", \"additionalProperties\": false, \"properties\": {"                                          \
  "\"warmup\": {\"type\": \"number\", \"default\": 0.02, \"minimum\": 0, \"maximum\": 0.9, "                           \
  "\"description\": \"share of the run in which the rate rises\"}, "                                                   \
  "\"floor\": {\"type\": \"number\", \"default\": 0, \"minimum\": 0, \"maximum\": 1, \"description\": \"scale at the " \
  "end\"}}}"
static void release(Plugin* plugin) { (void)plugin; }
