
/* ---- what every plugin in C has --------------------------------------------------------------------------- */

static const void* query(const caddie_object* object, const char* id) {
  (void)object;
  return strcmp(id, INTERFACE) == 0 ? &table : NULL;
}

static void destroy(caddie_object* object) {
  release(object->self);
  free(object->self);
}

static const char* const needs[] = {CADDIE_HOST_CONFIG, CADDIE_HOST_GRAPH, CADDIE_HOST_BUILD, CADDIE_HOST_RANDOM, NULL};
static const caddie_descriptor descriptor = {
    sizeof(caddie_descriptor), CADDIE_DETERMINISTIC | STATEFUL, READS, STATE_VERSION, "@ID@", INTERFACE, "0.1.0",
    "@SUMMARY@", "@CITATION@", "MIT", SCHEMA, needs};

static const caddie_descriptor* descriptor_at(uint32_t index) { return index == 0 ? &descriptor : NULL; }

static caddie_code create(const caddie_host* host, const char* id, const caddie_config* config, caddie_object** out,
                          caddie_error* error) {
  Plugin* plugin;
  if (strcmp(id, "@ID@") != 0) return fail(error, CADDIE_ERROR_ARGUMENT, "this file has no plugin of that id");
  plugin = calloc(1, sizeof *plugin);
  if (plugin == NULL) return fail(error, CADDIE_ERROR_MEMORY, "out of memory");
  plugin->services.host = host;
  plugin->services.config = host->service(host, CADDIE_HOST_CONFIG);
  plugin->services.ops = host->service(host, CADDIE_HOST_GRAPH);
  plugin->services.build = host->service(host, CADDIE_HOST_BUILD);
  plugin->services.random = host->service(host, CADDIE_HOST_RANDOM);
  if (read_options(plugin, plugin->services.config, config) != CADDIE_OK) {
    free(plugin);
    return fail(error, CADDIE_ERROR_ARGUMENT, "an option could not be read");
  }
  plugin->object.struct_size = sizeof plugin->object;
  plugin->object.self = plugin;
  plugin->object.query = query;
  plugin->object.destroy = destroy;
  plugin->object.save = SAVE;
  plugin->object.load = LOAD;
  *out = &plugin->object;
  return CADDIE_OK;
}

static const caddie_factory factory = {sizeof(caddie_factory), 1, descriptor_at, create};
static const void* get_factory(const char* id) { return strcmp(id, CADDIE_FACTORY) == 0 ? &factory : NULL; }
static const caddie_entry entry = {sizeof(caddie_entry), CADDIE_ABI_MINOR, get_factory, CADDIE_BUILD_INFO};

const caddie_entry* caddie_entry_v1(void) { return &entry; }
