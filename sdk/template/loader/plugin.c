/* Row r of the run begins at token bits("row", r) mod (shard size - T) of the shard that holds the drawn token. */
typedef struct Plugin {
  caddie_object object;
  Services services;
  const caddie_host_tokens* shards;
  const caddie_tokens* tokens;
  uint64_t total;    /* tokens of all shards */
  uint64_t next_row; /* of the run, over all ranks */
} Plugin;

static caddie_code read_options(Plugin* plugin, const caddie_host_config* options, const caddie_config* config) {
  (void)plugin;
  (void)options;
  (void)config;
  return CADDIE_OK;
}

static caddie_code open_shards(caddie_object* object, const caddie_host_tokens* shards, const caddie_tokens* tokens,
                               caddie_error* error) {
  Plugin* plugin = object->self;
  uint64_t shard;
  (void)error;
  plugin->shards = shards;
  plugin->tokens = tokens;
  plugin->total = 0;
  for (shard = 0; shard < shards->shard_count(tokens); ++shard) plugin->total += shards->shard_size(tokens, shard);
  return CADDIE_OK;
}

/* One row, and 1; or 0 when no shard holds a window. Shards too short for one are left out by drawing again. */
static int draw(const Plugin* plugin, uint64_t row, uint64_t context, int32_t* tokens, int32_t* targets) {
  uint64_t attempt;
  for (attempt = 0; attempt < 1000 && plugin->total > 0; ++attempt) {
    const uint64_t bits = plugin->services.random->bits(plugin->services.host, "row", row * 1000 + attempt);
    uint64_t place = bits % plugin->total;
    uint64_t shard = 0;
    uint64_t size;
    while (place >= plugin->shards->shard_size(plugin->tokens, shard))
      place -= plugin->shards->shard_size(plugin->tokens, shard++);
    size = plugin->shards->shard_size(plugin->tokens, shard);
    if (size < context + 1) continue;
    place %= size - context;
    return plugin->shards->read(plugin->tokens, shard, place, context, tokens) == CADDIE_OK &&
           plugin->shards->read(plugin->tokens, shard, place + 1, context, targets) == CADDIE_OK;
  }
  return 0;
}

static caddie_code next(caddie_object* object, const caddie_batch* batch, caddie_error* error) {
  Plugin* plugin = object->self;
  const uint64_t rows = (uint64_t)batch->rows;
  const uint64_t context = (uint64_t)batch->context;
  uint64_t i;
  for (i = 0; i < rows; ++i) {
    const uint64_t row = plugin->next_row + (uint64_t)batch->rank * rows + i;
    if (!draw(plugin, row, context, batch->tokens + i * context, batch->targets + i * context))
      return fail(error, CADDIE_ERROR_ARGUMENT, "no shard holds a window of so many tokens; take a shorter context");
  }
  plugin->next_row += rows * (uint64_t)batch->ranks;
  return CADDIE_OK;
}

static int32_t has_segments(const caddie_object* object) {
  (void)object;
  return 0;
}

/* Streams may take and give fewer bytes than they are asked for. */
static caddie_code save(const caddie_object* object, const caddie_stream* stream, caddie_error* error) {
  const unsigned char* from = (const unsigned char*)&((const Plugin*)object->self)->next_row;
  uint64_t done = 0;
  while (done < sizeof(uint64_t)) {
    const int64_t put = stream->write(stream, from + done, sizeof(uint64_t) - done);
    if (put <= 0) return fail(error, CADDIE_ERROR_IO, "the state could not be written");
    done += (uint64_t)put;
  }
  return CADDIE_OK;
}

static caddie_code load(caddie_object* object, const caddie_stream* stream, uint32_t version, caddie_error* error) {
  uint64_t row = 0;
  uint64_t done = 0;
  if (version != 1)
    return fail(error, CADDIE_ERROR_FORMAT, "the saved state is of a version that this plugin does not know");
  while (done < sizeof row) {
    const int64_t got = stream->read(stream, (unsigned char*)&row + done, sizeof row - done);
    if (got <= 0) return fail(error, CADDIE_ERROR_FORMAT, "the saved state ends too early");
    done += (uint64_t)got;
  }
  ((Plugin*)object->self)->next_row = row;
  return CADDIE_OK;
}

static const caddie_loader table = {sizeof(caddie_loader), 0, open_shards, next, has_segments};
#define INTERFACE CADDIE_LOADER
#define READS (CADDIE_READS_TRAIN_TOKENS | CADDIE_READS_RANDOM)
#define STATEFUL CADDIE_STATEFUL
#define STATE_VERSION 1
#define SAVE save
#define LOAD load
#define SCHEMA "{\"type\": \"object\", \"additionalProperties\": false, \"properties\": {}}"
static void release(Plugin* plugin) { (void)plugin; }
