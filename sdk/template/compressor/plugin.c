/* A signed byte n, then for n >= 0 so many plus one bytes as they are, for n < 0 one byte that stands 1 - n times. */
typedef struct Plugin {
  caddie_object object;
  Services services;
  int64_t shortest;
} Plugin;

static caddie_code read_options(Plugin* plugin, const caddie_host_config* options, const caddie_config* config) {
  return options->integer(config, "shortest", &plugin->shortest);
}

static int put(const caddie_stream* out, const void* bytes, uint64_t size) {
  const unsigned char* from = bytes;
  while (size > 0) { /* a stream may take fewer bytes than it is given */
    const int64_t taken = out->write(out, from, size);
    if (taken <= 0) return 0;
    from += taken;
    size -= (uint64_t)taken;
  }
  return 1;
}

static int put_plain(const caddie_stream* out, const unsigned char* bytes, uint64_t size) {
  while (size > 0) {
    const uint64_t count = size < 128 ? size : 128;
    const unsigned char head = (unsigned char)(count - 1);
    if (!put(out, &head, 1) || !put(out, bytes, count)) return 0;
    bytes += count;
    size -= count;
  }
  return 1;
}

static int pack_bytes(const caddie_stream* out, const unsigned char* in, uint64_t size, uint64_t shortest) {
  uint64_t plain = 0;
  uint64_t at = 0;
  while (at < size) {
    uint64_t end = at + 1;
    while (end < size && in[end] == in[at] && end - at < 128) ++end;
    if (end - at >= shortest) {
      const unsigned char run[2] = {(unsigned char)(257 - (end - at)), in[at]};
      if (!put_plain(out, in + plain, at - plain) || !put(out, run, 2)) return 0;
      plain = end;
    }
    at = end;
  }
  return put_plain(out, in + plain, size - plain);
}

/* All streams end to end, as one sequence. */
static caddie_code pack(caddie_object* object, const caddie_bytes* streams, uint32_t count, const caddie_stream* out,
                        caddie_error* error) {
  uint64_t total = 0;
  uint64_t at = 0;
  uint32_t i;
  unsigned char* all;
  int packed;
  for (i = 0; i < count; ++i) total += streams[i].size;
  all = malloc(total > 0 ? total : 1);
  if (all == NULL) return fail(error, CADDIE_ERROR_MEMORY, "out of memory");
  for (i = 0; i < count; ++i) {
    if (streams[i].size > 0) memcpy(all + at, streams[i].data, streams[i].size);
    at += streams[i].size;
  }
  packed = pack_bytes(out, all, total, (uint64_t)((const Plugin*)object->self)->shortest);
  free(all);
  return packed ? CADDIE_OK : fail(error, CADDIE_ERROR_IO, "the packed bytes could not be written");
}

/* The packed bytes may be any at all: nothing is read beyond their end or written beyond a stream's. */
static caddie_code unpack(caddie_object* object, caddie_str packed, const caddie_bytes* streams, uint32_t count,
                          caddie_error* error) {
  const unsigned char* in = (const unsigned char*)packed.data;
  uint64_t at = 0;
  uint64_t left = 0; /* bytes of the piece that is being read */
  int run = 0;       /* whether they are one byte again and again */
  uint32_t i;
  (void)object;
  for (i = 0; i < count; ++i) {
    uint64_t k;
    for (k = 0; k < streams[i].size; ++k) {
      if (left == 0) {
        if (at >= packed.size) return fail(error, CADDIE_ERROR_FORMAT, "the packed bytes end too early");
        run = in[at] >= 128;
        left = run ? 257u - in[at] : in[at] + 1u;
        ++at;
      }
      if (at >= packed.size) return fail(error, CADDIE_ERROR_FORMAT, "the packed bytes end too early");
      streams[i].data[k] = in[at];
      --left;
      if (!run || left == 0) ++at;
    }
  }
  if (left > 0 || at != packed.size)
    return fail(error, CADDIE_ERROR_FORMAT, "there are more packed bytes than streams");
  return CADDIE_OK;
}

static const caddie_compressor table = {sizeof(caddie_compressor), 0, pack, unpack};
#define INTERFACE CADDIE_COMPRESSOR
#define READS 0
#define STATEFUL 0
#define STATE_VERSION 0
#define SAVE NULL
#define LOAD NULL
#define SCHEMA                                                                                                      \
  "{\"type\": \"object\", \"additionalProperties\": false, \"properties\": {\"shortest\": {\"type\": \"integer\", " \
  "\"default\": 3, "                                                                                                \
  "\"minimum\": 2, \"maximum\": 128, \"description\": \"equal bytes from which on they count as a run\"}}}"
static void release(Plugin* plugin) { (void)plugin; }
