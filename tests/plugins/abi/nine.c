/* Nine plugins in C99, one for each interface, with nothing but the header: the smallest of their kind that works.
 *
 *   abi-block      logits * gain, a trained number            abi-quantizer   the bytes of the floats
 *   abi-optimizer  SGD with momentum and a decaying rate      abi-compressor  streams behind one another
 *   abi-schedule   1 - fraction                               abi-evaluator   windows side by side
 *   abi-averager   0.75 average + 0.25 parameter              abi-ttt         one step of SGD a chunk
 *   abi-loader     the first shard from its beginning
 *
 * Built once for each release and kept as a file (tests/plugins/binaries): later hosts run it as it is. Uses no numbers
 * of the mathematical library, so that only the host decides the bits.
 */
#include <caddie/abi.h>
#include <stdlib.h>
#include <string.h>

enum {
#define CADDIE_OP(name, code, inputs, outputs, attributes, kind, text) OP_##name = code,
#include <caddie/ops.def>
#undef CADDIE_OP
  OP_END
};

typedef struct Plugin {
  caddie_object object;
  const caddie_host* host;
  const caddie_host_graph* graph;
  const caddie_host_build* build;
  double number; /* the option */
  const caddie_host_tokens* tokens_table;
  const caddie_tokens* tokens;
  int64_t position, context;
  int64_t offer; /* which of them it is */
} Plugin;

static Plugin* self(const caddie_object* object) { return object->self; }

static caddie_code fail(caddie_error* error, caddie_code code, const char* text) {
  if (error != NULL && CADDIE_HAS(error, caddie_error, text)) {
    error->code = code;
    strncpy(error->text, text, sizeof error->text - 1);
  }
  return code;
}

/* ---- graph ---- */

static caddie_value constant(const Plugin* p, caddie_graph* g, double number) {
  static const int64_t none = 0;
  caddie_attribute attributes[2];
  memset(attributes, 0, sizeof attributes);
  attributes[0].key = "values";
  attributes[0].type = CADDIE_ATTRIBUTE_FLOATS;
  attributes[0].count = 1;
  attributes[0].data.floats = &number;
  attributes[1].key = "shape";
  attributes[1].type = CADDIE_ATTRIBUTE_INTS;
  attributes[1].count = 0;
  attributes[1].data.ints = &none;
  return p->graph->emit(g, OP_constant, NULL, 0, attributes, 2);
}

static caddie_value two(const Plugin* p, caddie_graph* g, uint32_t op, caddie_value a, caddie_value b) {
  caddie_value inputs[2];
  inputs[0] = a;
  inputs[1] = b;
  return p->graph->emit(g, op, inputs, 2, NULL, 0);
}

static caddie_value state_like(const Plugin* p, caddie_build* build, const char* name, caddie_value like, int copy) {
  caddie_shape shape;
  caddie_tensor_spec spec;
  memset(&shape, 0, sizeof shape);
  shape.struct_size = sizeof shape;
  p->graph->shape(p->build->graph(build), like, &shape);
  memset(&spec, 0, sizeof spec);
  spec.struct_size = sizeof spec;
  spec.name = name;
  spec.role = "";
  spec.dtype = CADDIE_F32;
  spec.rank = shape.rank;
  spec.lengths = shape.lengths;
  spec.initialiser.struct_size = sizeof spec.initialiser;
  spec.initialiser.kind = copy ? CADDIE_INIT_COPY : CADDIE_INIT_ZEROS;
  spec.initialiser.copy = copy ? like : 0;
  return p->build->state(build, &spec);
}

/* ---- block ---- */

static caddie_code scale_logits(void* user, caddie_build* build, const caddie_value* inputs, uint32_t input_count,
                                caddie_value* outputs, uint32_t output_count, caddie_error* error) {
  const Plugin* p = user;
  const int64_t length = 1;
  caddie_build_info info;
  caddie_tensor_spec spec;
  if (input_count < 1 || output_count != 1) return fail(error, CADDIE_ERROR_ARGUMENT, "one value in, one out");
  memset(&info, 0, sizeof info);
  info.struct_size = sizeof info;
  p->build->info(build, &info);
  if (info.layer != -1) return fail(error, CADDIE_ERROR_STATE, "logits belong to no layer");
  memset(&spec, 0, sizeof spec);
  spec.struct_size = sizeof spec;
  spec.name = "gain";
  spec.role = "scalar";
  spec.dtype = CADDIE_F32;
  spec.rank = 1;
  spec.lengths = &length;
  spec.initialiser.struct_size = sizeof spec.initialiser;
  spec.initialiser.kind = CADDIE_INIT_CONSTANT;
  spec.initialiser.a = p->number;
  outputs[0] = two(p, p->build->graph(build), OP_mul, inputs[0], p->build->parameter(build, &spec));
  return CADDIE_OK;
}

static caddie_code attach(caddie_object* object, const caddie_host_hooks* table, caddie_hooks* hooks,
                          caddie_error* error) {
  (void)error;
  return table->chain(hooks, "logits", 0, scale_logits, self(object));
}
static const caddie_block block = {sizeof(caddie_block), 0, attach};

/* ---- optimizer ---- */

static double decay(void* user, const caddie_step* step) {
  const Plugin* p = user;
  return p->number / (1.0 + 0.125 * (double)step->step);
}

static caddie_code update(caddie_object* object, caddie_build* build, const caddie_update* given,
                          caddie_value* parameter, caddie_error* error) {
  const Plugin* p = self(object);
  caddie_graph* g = p->build->graph(build);
  const caddie_value momentum = state_like(p, build, "momentum", given->parameter, 0);
  const caddie_value next = two(p, g, OP_add, two(p, g, OP_mul, momentum, constant(p, g, 0.5)), given->gradient);
  const caddie_value rate = p->build->step_scalar(build, "rate", decay, self(object));
  (void)error;
  p->build->set_state(build, momentum, next);
  *parameter = two(p, g, OP_sub, given->parameter, two(p, g, OP_mul, two(p, g, OP_mul, rate, given->scale), next));
  return CADDIE_OK;
}
static const caddie_optimizer optimizer = {sizeof(caddie_optimizer), 0, update};

/* ---- schedule, averager ---- */

static double scale(const caddie_object* object, const caddie_step* step) {
  (void)object;
  return 1.0 - step->fraction;
}
static const caddie_schedule schedule = {sizeof(caddie_schedule), 0, scale};

static caddie_code accumulate(caddie_object* object, caddie_build* build, const char* bank, caddie_value parameter,
                              caddie_error* error) {
  const Plugin* p = self(object);
  caddie_graph* g = p->build->graph(build);
  const caddie_value average = state_like(p, build, "average", parameter, 1);
  (void)bank, (void)error;
  p->build->set_state(build, average,
                      two(p, g, OP_add, two(p, g, OP_mul, average, constant(p, g, 0.75)),
                          two(p, g, OP_mul, parameter, constant(p, g, 0.25))));
  return CADDIE_OK;
}

static caddie_code finish(caddie_object* object, caddie_build* build, const char* bank, caddie_value parameter,
                          caddie_value current, caddie_value* out, caddie_error* error) {
  (void)bank, (void)current, (void)error;
  *out = state_like(self(object), build, "average", parameter, 1);
  return CADDIE_OK;
}
static const caddie_averager averager = {sizeof(caddie_averager), 0, accumulate, finish};

/* ---- loader ---- */

static caddie_code open_tokens(caddie_object* object, const caddie_host_tokens* table, const caddie_tokens* tokens,
                               caddie_error* error) {
  if (table->shard_count(tokens) < 1) return fail(error, CADDIE_ERROR_ARGUMENT, "no shards");
  self(object)->tokens_table = table;
  self(object)->tokens = tokens;
  return CADDIE_OK;
}

static caddie_code next(caddie_object* object, const caddie_batch* batch, caddie_error* error) {
  Plugin* p = self(object);
  const int64_t size = (int64_t)p->tokens_table->shard_size(p->tokens, 0);
  int64_t row;
  for (row = 0; row < batch->rows; ++row) {
    int32_t* tokens = batch->tokens + row * batch->context;
    int32_t* targets = batch->targets + row * batch->context;
    if (size < batch->context + 1) return fail(error, CADDIE_ERROR_ARGUMENT, "the shard is shorter than a row");
    if (p->position + batch->context + 1 > size) p->position = 0;
    if (p->tokens_table->read(p->tokens, 0, (uint64_t)p->position, (uint64_t)batch->context, tokens) != CADDIE_OK ||
        p->tokens_table->read(p->tokens, 0, (uint64_t)p->position + 1, (uint64_t)batch->context, targets) !=
            CADDIE_OK) {
      return fail(error, CADDIE_ERROR_IO, "the shard could not be read");
    }
    p->position += batch->context;
  }
  return CADDIE_OK;
}
static int32_t has_segments(const caddie_object* object) {
  (void)object;
  return 0;
}
static const caddie_loader loader = {sizeof(caddie_loader), 0, open_tokens, next, has_segments};

static caddie_code save(const caddie_object* object, const caddie_stream* stream, caddie_error* error) {
  const char* at = (const char*)&self(object)->position;
  uint64_t left = sizeof(int64_t);
  while (left > 0) {
    const int64_t put = stream->write(stream, at, left);
    if (put <= 0) return fail(error, CADDIE_ERROR_IO, "the state could not be written");
    at += put;
    left -= (uint64_t)put;
  }
  return CADDIE_OK;
}

static caddie_code load(caddie_object* object, const caddie_stream* stream, uint32_t version, caddie_error* error) {
  int64_t position = 0;
  char* at = (char*)&position;
  uint64_t left = sizeof position;
  if (version != 1) return fail(error, CADDIE_ERROR_FORMAT, "unknown version");
  while (left > 0) {
    const int64_t got = stream->read(stream, at, left);
    if (got <= 0) return fail(error, CADDIE_ERROR_FORMAT, "the state ends too early");
    at += got;
    left -= (uint64_t)got;
  }
  if (position < 0) return fail(error, CADDIE_ERROR_FORMAT, "a position before the beginning");
  self(object)->position = position;
  return CADDIE_OK;
}

/* ---- quantizer, compressor ---- */

static uint64_t bytes_of(const caddie_tensor_info* info) {
  uint64_t bytes = sizeof(float);
  uint32_t axis;
  for (axis = 0; axis < info->rank; ++axis) bytes *= (uint64_t)info->lengths[axis];
  return bytes;
}

static caddie_code encode(caddie_object* object, const caddie_tensor_info* info, const caddie_quantize_input* input,
                          const caddie_host_parts* table, caddie_parts* parts, caddie_error* error) {
  (void)object, (void)error;
  return table->put(parts, "raw", input->weights, bytes_of(info));
}

static caddie_code decode(caddie_object* object, const caddie_tensor_info* info, const caddie_host_parts* table,
                          const caddie_parts* parts, float* out, caddie_error* error) {
  const caddie_str raw = table->get(parts, "raw");
  (void)object;
  if (raw.data == NULL || raw.size != bytes_of(info))
    return fail(error, CADDIE_ERROR_FORMAT, "other bytes than the tensor has");
  memcpy(out, raw.data, raw.size);
  return CADDIE_OK;
}
static const caddie_quantizer quantizer = {sizeof(caddie_quantizer), 0, encode, decode, NULL};

static caddie_code pack(caddie_object* object, const caddie_bytes* streams, uint32_t count, const caddie_stream* out,
                        caddie_error* error) {
  uint32_t i;
  (void)object;
  for (i = 0; i < count; ++i) {
    uint64_t at = 0;
    while (at < streams[i].size) {
      const int64_t put = out->write(out, streams[i].data + at, streams[i].size - at);
      if (put <= 0) return fail(error, CADDIE_ERROR_IO, "the bytes could not be written");
      at += (uint64_t)put;
    }
  }
  return CADDIE_OK;
}

static caddie_code unpack(caddie_object* object, caddie_str packed, const caddie_bytes* streams, uint32_t count,
                          caddie_error* error) {
  uint64_t at = 0;
  uint32_t i;
  (void)object;
  for (i = 0; i < count; ++i) {
    if (packed.size - at < streams[i].size) return fail(error, CADDIE_ERROR_FORMAT, "too few bytes");
    memcpy(streams[i].data, packed.data + at, streams[i].size);
    at += streams[i].size;
  }
  return at == packed.size ? CADDIE_OK : fail(error, CADDIE_ERROR_FORMAT, "too many bytes");
}
static const caddie_compressor compressor = {sizeof(caddie_compressor), 0, pack, unpack};

/* ---- evaluator, ttt ---- */

static caddie_code plan_windows(caddie_object* object, const caddie_eval_info* info, const caddie_host_windows* table,
                                caddie_windows* windows, caddie_error* error) {
  int64_t first;
  (void)object, (void)error;
  for (first = 0; first < info->targets; first += info->context) {
    const int64_t length = info->targets - first < info->context ? info->targets - first : info->context;
    const caddie_code code = table->add(windows, first, length, first, length);
    if (code != CADDIE_OK) return code;
  }
  return CADDIE_OK;
}
static const caddie_evaluator evaluator = {sizeof(caddie_evaluator), 0, plan_windows};

static caddie_code plan_ttt(caddie_object* object, const caddie_eval_info* info, caddie_ttt_plan* plan,
                            caddie_error* error) {
  Plugin* p = self(object);
  (void)error;
  p->context = info->context;
  plan->chunk_targets = 2 * info->context;
  plan->rows = 2;
  plan->context = info->context;
  plan->clip_norm = 0;
  return CADDIE_OK;
}
static int32_t adapts(const caddie_object* object, const caddie_tensor_info* info) {
  (void)object;
  return info->rank >= 2;
}
static caddie_code adapt(caddie_object* object, const caddie_chunk* chunk, const caddie_host_adapt* table,
                         caddie_adapt* adapt, caddie_error* error) {
  const Plugin* p = self(object);
  int64_t first[2];
  if (chunk->targets < 2 * p->context) return CADDIE_OK;
  first[0] = chunk->first_target;
  first[1] = chunk->first_target + p->context;
  return table->step(adapt, first, 2, 1.0, error);
}
static const caddie_ttt ttt = {sizeof(caddie_ttt), 0, plan_ttt, adapts, update, adapt};

/* ---- what the file offers ---- */

typedef struct Offer {
  const char* interface_id;
  const void* table;
  caddie_descriptor descriptor;
} Offer;

static const char* const needs[] = {CADDIE_HOST_CONFIG, CADDIE_HOST_GRAPH, CADDIE_HOST_BUILD, NULL};

#define SCHEMA(text)                                                                                             \
  "{\"type\": \"object\", \"additionalProperties\": false, \"properties\": {\"number\": {\"type\": \"number\", " \
  "\"default\": " text "}}}"
#define OFFER(ID, INTERFACE, TABLE, FLAGS, STATE, READS, DEFAULT)                                    \
  {                                                                                                  \
    INTERFACE, &TABLE, {                                                                             \
      sizeof(caddie_descriptor), CADDIE_DETERMINISTIC | FLAGS, READS, STATE, ID, INTERFACE, "1.0.0", \
          "smallest of its kind", "", "MIT", SCHEMA(DEFAULT), needs                                  \
    }                                                                                                \
  }
static const Offer offers[] = {
    OFFER("abi-block", CADDIE_BLOCK, block, 0u, 0, 0, "1.25"),
    OFFER("abi-optimizer", CADDIE_OPTIMIZER, optimizer, 0u, 0, 0, "0.0625"),
    OFFER("abi-schedule", CADDIE_SCHEDULE, schedule, 0u, 0, 0, "0"),
    OFFER("abi-averager", CADDIE_AVERAGER, averager, 0u, 0, 0, "0"),
    OFFER("abi-loader", CADDIE_LOADER, loader, CADDIE_STATEFUL, 1, CADDIE_READS_TRAIN_TOKENS, "0"),
    OFFER("abi-quantizer", CADDIE_QUANTIZER, quantizer, 0u, 0, 0, "0"),
    OFFER("abi-compressor", CADDIE_COMPRESSOR, compressor, 0u, 0, 0, "0"),
    OFFER("abi-evaluator", CADDIE_EVALUATOR, evaluator, 0u, 0, 0, "0"),
    OFFER("abi-ttt", CADDIE_TTT, ttt, 0u, 0, CADDIE_READS_VALIDATION_TOKENS, "0.0625"),
};
enum { OFFER_COUNT = sizeof offers / sizeof offers[0] };

static const void* query(const caddie_object* object, const char* id) {
  const Plugin* p = self(object);
  const Offer* offer = &offers[p->offer];
  return strcmp(id, offer->interface_id) == 0 ? offer->table : NULL;
}
static void destroy(caddie_object* object) { free(self(object)); }

static const caddie_descriptor* descriptor_at(uint32_t index) {
  return index < OFFER_COUNT ? &offers[index].descriptor : NULL;
}

static caddie_code create(const caddie_host* host, const char* id, const caddie_config* config, caddie_object** out,
                          caddie_error* error) {
  const caddie_host_config* getters;
  Plugin* p;
  int64_t i = 0;
  while (i < OFFER_COUNT && strcmp(id, offers[i].descriptor.id) != 0) ++i;
  if (i == OFFER_COUNT) return fail(error, CADDIE_ERROR_ARGUMENT, "no such plugin here");
  p = calloc(1, sizeof *p);
  if (p == NULL) return fail(error, CADDIE_ERROR_MEMORY, "out of memory");
#ifdef CADDIE_NEWER /* built with a header of the future: the host of today must not seem to have its field */
  if (CADDIE_HAS(host, caddie_host, newer_function)) {
    free(p);
    return fail(error, CADDIE_ERROR_INTERNAL, "the host claims a field that it never wrote");
  }
#endif
  getters = host->service(host, CADDIE_HOST_CONFIG);
  if (getters->number(config, "number", &p->number) != CADDIE_OK) {
    free(p);
    return fail(error, CADDIE_ERROR_ARGUMENT, "no number");
  }
  p->offer = i;
  p->host = host;
  p->graph = host->service(host, CADDIE_HOST_GRAPH);
  p->build = host->service(host, CADDIE_HOST_BUILD);
  p->object.struct_size = sizeof p->object;
  p->object.self = p;
  p->object.query = query;
  p->object.destroy = destroy;
  p->object.save = (offers[i].descriptor.flags & CADDIE_STATEFUL) != 0 ? save : NULL;
  p->object.load = (offers[i].descriptor.flags & CADDIE_STATEFUL) != 0 ? load : NULL;
  *out = &p->object;
  return CADDIE_OK;
}

static const caddie_factory factory = {sizeof(caddie_factory), OFFER_COUNT, descriptor_at, create};
static const void* get_factory(const char* id) { return strcmp(id, CADDIE_FACTORY) == 0 ? &factory : NULL; }
#ifndef CADDIE_BUILD_INFO
#define CADDIE_BUILD_INFO "nine"
#endif
static const caddie_entry entry = {sizeof(caddie_entry), CADDIE_ABI_MINOR, get_factory, CADDIE_BUILD_INFO};

const caddie_entry* caddie_entry_v1(void) { return &entry; }
