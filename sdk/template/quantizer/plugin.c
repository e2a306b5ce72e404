/* s_r = max |w_r| / limit, code = round(w / s_r), w ~ code s_r; codes of 8 bits, scales in single precision. */
typedef struct Plugin {
  caddie_object object;
  Services services;
  int64_t limit;
} Plugin;

static caddie_code read_options(Plugin* plugin, const caddie_host_config* options, const caddie_config* config) {
  return options->integer(config, "limit", &plugin->limit);
}

/* A matrix view: the first axis as rows; a vector or scalar is one row. */
static void sizes(const caddie_tensor_info* tensor, uint64_t* rows, uint64_t* columns) {
  uint64_t elements = 1;
  uint32_t axis;
  for (axis = 0; axis < tensor->rank; ++axis) elements *= (uint64_t)tensor->lengths[axis];
  *rows = tensor->rank < 2 ? 1 : (uint64_t)tensor->lengths[0];
  *columns = elements / *rows;
}

static caddie_code encode(caddie_object* object, const caddie_tensor_info* tensor, const caddie_quantize_input* input,
                          const caddie_host_parts* out, caddie_parts* parts, caddie_error* error) {
  const double limit = (double)((const Plugin*)object->self)->limit;
  uint64_t rows, columns, row, i;
  signed char* codes;
  float* scales;
  caddie_code code;
  sizes(tensor, &rows, &columns);
  codes = malloc(rows * columns);
  scales = malloc(rows * sizeof *scales);
  if (codes == NULL || scales == NULL) {
    free(codes);
    free(scales);
    return fail(error, CADDIE_ERROR_MEMORY, "out of memory");
  }
  for (row = 0; row < rows; ++row) {
    const float* w = input->weights + row * columns;
    double largest = 0;
    for (i = 0; i < columns; ++i) largest = fmax(largest, fabs((double)w[i]));
    scales[row] = (float)(largest / limit);
    for (i = 0; i < columns; ++i) {
      const double whole = scales[row] > 0 ? nearbyint((double)w[i] / (double)scales[row]) : 0;
      codes[row * columns + i] = (signed char)fmax(-limit, fmin(limit, whole));
    }
  }
  code = out->put(parts, "codes", codes, rows * columns);
  if (code == CADDIE_OK) code = out->put(parts, "scales", scales, rows * sizeof *scales);
  free(codes);
  free(scales);
  return code == CADDIE_OK ? code : fail(error, code, "the parts could not be stored");
}

/* Parts come from a file: trust no size, no alignment, and no number. */
static caddie_code decode(caddie_object* object, const caddie_tensor_info* tensor, const caddie_host_parts* in,
                          const caddie_parts* parts, float* out, caddie_error* error) {
  const caddie_str codes = in->get(parts, "codes");
  const caddie_str scales = in->get(parts, "scales");
  uint64_t rows, columns, i;
  (void)object;
  sizes(tensor, &rows, &columns);
  if (codes.data == NULL || scales.data == NULL || codes.size != rows * columns || scales.size != rows * sizeof(float))
    return fail(error, CADDIE_ERROR_FORMAT, "a part is missing or has the wrong size");
  for (i = 0; i < rows * columns; ++i) {
    float scale;
    memcpy(&scale, scales.data + i / columns * sizeof scale, sizeof scale);
    out[i] = (float)(signed char)codes.data[i] * scale;
  }
  return CADDIE_OK;
}

static const caddie_quantizer table = {sizeof(caddie_quantizer), 0, encode, decode, NULL};
#define INTERFACE CADDIE_QUANTIZER
#define READS 0
#define STATEFUL 0
#define STATE_VERSION 0
#define SAVE NULL
#define LOAD NULL
#define SCHEMA                                                                                                   \
  "{\"type\": \"object\", \"additionalProperties\": false, \"properties\": {\"limit\": {\"type\": \"integer\", " \
  "\"default\": 127, "                                                                                           \
  "\"minimum\": 1, \"maximum\": 127, \"description\": \"largest code; fewer codes compress better\"}}}"
static void release(Plugin* plugin) { (void)plugin; }
