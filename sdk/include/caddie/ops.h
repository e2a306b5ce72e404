/* Typed wrappers of the graph service's emit, one for each operation. Generated from ops.def by caddie_generate_ops;
 * do not edit. C99. A list is a pointer and a count. After a mistake every wrapper gives 0, see the service. */
#ifndef CADDIE_OPS_H_
#define CADDIE_OPS_H_

#include <caddie/abi.h>

#ifdef __cplusplus
extern "C" {
#endif

static inline caddie_attribute caddie_attribute_of_ints(const char* key, uint32_t type, const int64_t* data,
    uint32_t count) {
  caddie_attribute attribute;
  attribute.key = key;
  attribute.type = type;
  attribute.count = count;
  attribute.data.ints = data;
  return attribute;
}

static inline caddie_attribute caddie_attribute_of_floats(const char* key, uint32_t type, const double* data,
    uint32_t count) {
  caddie_attribute attribute;
  attribute.key = key;
  attribute.type = type;
  attribute.count = count;
  attribute.data.floats = data;
  return attribute;
}

/* constant: tensor of the given values; one value fills the whole shape. dtype: usually 1. */
static inline caddie_value caddie_op_constant(const caddie_host_graph* host, caddie_graph* graph, const double* values,
    uint32_t values_count, const int64_t* shape, uint32_t shape_count, int64_t dtype) {
  caddie_attribute attributes[3];
  attributes[0] = caddie_attribute_of_floats("values", CADDIE_ATTRIBUTE_FLOATS, values, values_count);
  attributes[1] = caddie_attribute_of_ints("shape", CADDIE_ATTRIBUTE_INTS, shape, shape_count);
  attributes[2] = caddie_attribute_of_ints("dtype", CADDIE_ATTRIBUTE_INT, &dtype, 1);
  return host->emit(graph, 1, 0, 0, attributes, 3);
}

/* iota: 0, 1, 2, ... along one axis. dtype: usually 1. */
static inline caddie_value caddie_op_iota(const caddie_host_graph* host, caddie_graph* graph, const int64_t* shape,
    uint32_t shape_count, int64_t axis, int64_t dtype) {
  caddie_attribute attributes[3];
  attributes[0] = caddie_attribute_of_ints("shape", CADDIE_ATTRIBUTE_INTS, shape, shape_count);
  attributes[1] = caddie_attribute_of_ints("axis", CADDIE_ATTRIBUTE_INT, &axis, 1);
  attributes[2] = caddie_attribute_of_ints("dtype", CADDIE_ATTRIBUTE_INT, &dtype, 1);
  return host->emit(graph, 2, 0, 0, attributes, 3);
}

/* random_uniform: uniform in [low, high); the same bits for the same seed, stream, step and site on every device.
   low: usually 0. high: usually 1. */
static inline caddie_value caddie_op_random_uniform(const caddie_host_graph* host, caddie_graph* graph,
    const int64_t* shape, uint32_t shape_count, double low, double high) {
  caddie_attribute attributes[3];
  attributes[0] = caddie_attribute_of_ints("shape", CADDIE_ATTRIBUTE_INTS, shape, shape_count);
  attributes[1] = caddie_attribute_of_floats("low", CADDIE_ATTRIBUTE_FLOAT, &low, 1);
  attributes[2] = caddie_attribute_of_floats("high", CADDIE_ATTRIBUTE_FLOAT, &high, 1);
  return host->emit(graph, 3, 0, 0, attributes, 3);
}

/* random_normal: normal; the same bits for the same seed, stream, step and site on every device. mean: usually 0.
   std: usually 1. */
static inline caddie_value caddie_op_random_normal(const caddie_host_graph* host, caddie_graph* graph,
    const int64_t* shape, uint32_t shape_count, double mean, double std) {
  caddie_attribute attributes[3];
  attributes[0] = caddie_attribute_of_ints("shape", CADDIE_ATTRIBUTE_INTS, shape, shape_count);
  attributes[1] = caddie_attribute_of_floats("mean", CADDIE_ATTRIBUTE_FLOAT, &mean, 1);
  attributes[2] = caddie_attribute_of_floats("std", CADDIE_ATTRIBUTE_FLOAT, &std, 1);
  return host->emit(graph, 4, 0, 0, attributes, 3);
}

/* neg: -x. */
static inline caddie_value caddie_op_neg(const caddie_host_graph* host, caddie_graph* graph, caddie_value x) {
  caddie_value inputs[1];
  inputs[0] = x;
  return host->emit(graph, 10, inputs, 1, 0, 0);
}

/* abs: |x|; gradient sign(x). */
static inline caddie_value caddie_op_abs(const caddie_host_graph* host, caddie_graph* graph, caddie_value x) {
  caddie_value inputs[1];
  inputs[0] = x;
  return host->emit(graph, 11, inputs, 1, 0, 0);
}

/* sign: -1, 0 or 1; zero gradient. */
static inline caddie_value caddie_op_sign(const caddie_host_graph* host, caddie_graph* graph, caddie_value x) {
  caddie_value inputs[1];
  inputs[0] = x;
  return host->emit(graph, 12, inputs, 1, 0, 0);
}

/* exp: e^x. */
static inline caddie_value caddie_op_exp(const caddie_host_graph* host, caddie_graph* graph, caddie_value x) {
  caddie_value inputs[1];
  inputs[0] = x;
  return host->emit(graph, 13, inputs, 1, 0, 0);
}

/* log: natural logarithm. */
static inline caddie_value caddie_op_log(const caddie_host_graph* host, caddie_graph* graph, caddie_value x) {
  caddie_value inputs[1];
  inputs[0] = x;
  return host->emit(graph, 14, inputs, 1, 0, 0);
}

/* sin: sine, radians. */
static inline caddie_value caddie_op_sin(const caddie_host_graph* host, caddie_graph* graph, caddie_value x) {
  caddie_value inputs[1];
  inputs[0] = x;
  return host->emit(graph, 15, inputs, 1, 0, 0);
}

/* cos: cosine, radians. */
static inline caddie_value caddie_op_cos(const caddie_host_graph* host, caddie_graph* graph, caddie_value x) {
  caddie_value inputs[1];
  inputs[0] = x;
  return host->emit(graph, 16, inputs, 1, 0, 0);
}

/* tanh: hyperbolic tangent. */
static inline caddie_value caddie_op_tanh(const caddie_host_graph* host, caddie_graph* graph, caddie_value x) {
  caddie_value inputs[1];
  inputs[0] = x;
  return host->emit(graph, 17, inputs, 1, 0, 0);
}

/* sqrt: square root. */
static inline caddie_value caddie_op_sqrt(const caddie_host_graph* host, caddie_graph* graph, caddie_value x) {
  caddie_value inputs[1];
  inputs[0] = x;
  return host->emit(graph, 18, inputs, 1, 0, 0);
}

/* rsqrt: 1 / sqrt(x). */
static inline caddie_value caddie_op_rsqrt(const caddie_host_graph* host, caddie_graph* graph, caddie_value x) {
  caddie_value inputs[1];
  inputs[0] = x;
  return host->emit(graph, 19, inputs, 1, 0, 0);
}

/* recip: 1 / x. */
static inline caddie_value caddie_op_recip(const caddie_host_graph* host, caddie_graph* graph, caddie_value x) {
  caddie_value inputs[1];
  inputs[0] = x;
  return host->emit(graph, 20, inputs, 1, 0, 0);
}

/* floor: largest whole number <= x; zero gradient. */
static inline caddie_value caddie_op_floor(const caddie_host_graph* host, caddie_graph* graph, caddie_value x) {
  caddie_value inputs[1];
  inputs[0] = x;
  return host->emit(graph, 21, inputs, 1, 0, 0);
}

/* round: nearest whole number, halves to even; zero gradient. */
static inline caddie_value caddie_op_round(const caddie_host_graph* host, caddie_graph* graph, caddie_value x) {
  caddie_value inputs[1];
  inputs[0] = x;
  return host->emit(graph, 22, inputs, 1, 0, 0);
}

/* sigmoid: 1 / (1 + e^-x). */
static inline caddie_value caddie_op_sigmoid(const caddie_host_graph* host, caddie_graph* graph, caddie_value x) {
  caddie_value inputs[1];
  inputs[0] = x;
  return host->emit(graph, 23, inputs, 1, 0, 0);
}

/* cast: f32 (1) or i32 (7); to i32 truncates towards zero; gradient passes between float types only. */
static inline caddie_value caddie_op_cast(const caddie_host_graph* host, caddie_graph* graph, caddie_value x,
    int64_t dtype) {
  caddie_value inputs[1];
  inputs[0] = x;
  caddie_attribute attributes[1];
  attributes[0] = caddie_attribute_of_ints("dtype", CADDIE_ATTRIBUTE_INT, &dtype, 1);
  return host->emit(graph, 24, inputs, 1, attributes, 1);
}

/* round_bf16: nearest bfloat16 value, kept as f32; gradient is the identity. */
static inline caddie_value caddie_op_round_bf16(const caddie_host_graph* host, caddie_graph* graph, caddie_value x) {
  caddie_value inputs[1];
  inputs[0] = x;
  return host->emit(graph, 25, inputs, 1, 0, 0);
}

/* stop_gradient: x; zero gradient. */
static inline caddie_value caddie_op_stop_gradient(const caddie_host_graph* host, caddie_graph* graph, caddie_value x) {
  caddie_value inputs[1];
  inputs[0] = x;
  return host->emit(graph, 26, inputs, 1, 0, 0);
}

/* add: a + b. */
static inline caddie_value caddie_op_add(const caddie_host_graph* host, caddie_graph* graph, caddie_value a,
    caddie_value b) {
  caddie_value inputs[2];
  inputs[0] = a;
  inputs[1] = b;
  return host->emit(graph, 40, inputs, 2, 0, 0);
}

/* sub: a - b. */
static inline caddie_value caddie_op_sub(const caddie_host_graph* host, caddie_graph* graph, caddie_value a,
    caddie_value b) {
  caddie_value inputs[2];
  inputs[0] = a;
  inputs[1] = b;
  return host->emit(graph, 41, inputs, 2, 0, 0);
}

/* mul: a * b. */
static inline caddie_value caddie_op_mul(const caddie_host_graph* host, caddie_graph* graph, caddie_value a,
    caddie_value b) {
  caddie_value inputs[2];
  inputs[0] = a;
  inputs[1] = b;
  return host->emit(graph, 42, inputs, 2, 0, 0);
}

/* div: a / b, f32. */
static inline caddie_value caddie_op_div(const caddie_host_graph* host, caddie_graph* graph, caddie_value a,
    caddie_value b) {
  caddie_value inputs[2];
  inputs[0] = a;
  inputs[1] = b;
  return host->emit(graph, 43, inputs, 2, 0, 0);
}

/* max: larger of both; where equal the gradient goes to a. */
static inline caddie_value caddie_op_max(const caddie_host_graph* host, caddie_graph* graph, caddie_value a,
    caddie_value b) {
  caddie_value inputs[2];
  inputs[0] = a;
  inputs[1] = b;
  return host->emit(graph, 44, inputs, 2, 0, 0);
}

/* min: smaller of both; where equal the gradient goes to a. */
static inline caddie_value caddie_op_min(const caddie_host_graph* host, caddie_graph* graph, caddie_value a,
    caddie_value b) {
  caddie_value inputs[2];
  inputs[0] = a;
  inputs[1] = b;
  return host->emit(graph, 45, inputs, 2, 0, 0);
}

/* pow: a^b, f32; the gradient to b needs a > 0. */
static inline caddie_value caddie_op_pow(const caddie_host_graph* host, caddie_graph* graph, caddie_value a,
    caddie_value b) {
  caddie_value inputs[2];
  inputs[0] = a;
  inputs[1] = b;
  return host->emit(graph, 46, inputs, 2, 0, 0);
}

/* lt: 1 where a < b, else 0; zero gradient. */
static inline caddie_value caddie_op_lt(const caddie_host_graph* host, caddie_graph* graph, caddie_value a,
    caddie_value b) {
  caddie_value inputs[2];
  inputs[0] = a;
  inputs[1] = b;
  return host->emit(graph, 47, inputs, 2, 0, 0);
}

/* le: 1 where a <= b, else 0; zero gradient. */
static inline caddie_value caddie_op_le(const caddie_host_graph* host, caddie_graph* graph, caddie_value a,
    caddie_value b) {
  caddie_value inputs[2];
  inputs[0] = a;
  inputs[1] = b;
  return host->emit(graph, 48, inputs, 2, 0, 0);
}

/* eq: 1 where a == b, else 0; zero gradient. */
static inline caddie_value caddie_op_eq(const caddie_host_graph* host, caddie_graph* graph, caddie_value a,
    caddie_value b) {
  caddie_value inputs[2];
  inputs[0] = a;
  inputs[1] = b;
  return host->emit(graph, 49, inputs, 2, 0, 0);
}

/* bit_and: bitwise and of i32. */
static inline caddie_value caddie_op_bit_and(const caddie_host_graph* host, caddie_graph* graph, caddie_value a,
    caddie_value b) {
  caddie_value inputs[2];
  inputs[0] = a;
  inputs[1] = b;
  return host->emit(graph, 50, inputs, 2, 0, 0);
}

/* bit_or: bitwise or of i32. */
static inline caddie_value caddie_op_bit_or(const caddie_host_graph* host, caddie_graph* graph, caddie_value a,
    caddie_value b) {
  caddie_value inputs[2];
  inputs[0] = a;
  inputs[1] = b;
  return host->emit(graph, 51, inputs, 2, 0, 0);
}

/* bit_xor: bitwise exclusive or of i32. */
static inline caddie_value caddie_op_bit_xor(const caddie_host_graph* host, caddie_graph* graph, caddie_value a,
    caddie_value b) {
  caddie_value inputs[2];
  inputs[0] = a;
  inputs[1] = b;
  return host->emit(graph, 52, inputs, 2, 0, 0);
}

/* shift_left: a << b of i32, b in [0, 31]. */
static inline caddie_value caddie_op_shift_left(const caddie_host_graph* host, caddie_graph* graph, caddie_value a,
    caddie_value b) {
  caddie_value inputs[2];
  inputs[0] = a;
  inputs[1] = b;
  return host->emit(graph, 53, inputs, 2, 0, 0);
}

/* shift_right: a >> b of i32, arithmetic, b in [0, 31]. */
static inline caddie_value caddie_op_shift_right(const caddie_host_graph* host, caddie_graph* graph, caddie_value a,
    caddie_value b) {
  caddie_value inputs[2];
  inputs[0] = a;
  inputs[1] = b;
  return host->emit(graph, 54, inputs, 2, 0, 0);
}

/* int_div: floor(a / b) of i32; 0 where b is 0. */
static inline caddie_value caddie_op_int_div(const caddie_host_graph* host, caddie_graph* graph, caddie_value a,
    caddie_value b) {
  caddie_value inputs[2];
  inputs[0] = a;
  inputs[1] = b;
  return host->emit(graph, 55, inputs, 2, 0, 0);
}

/* int_mod: a - b*floor(a / b) of i32; 0 where b is 0. */
static inline caddie_value caddie_op_int_mod(const caddie_host_graph* host, caddie_graph* graph, caddie_value a,
    caddie_value b) {
  caddie_value inputs[2];
  inputs[0] = a;
  inputs[1] = b;
  return host->emit(graph, 56, inputs, 2, 0, 0);
}

/* where: a where mask is not 0, else b; broadcasting; no gradient to mask. */
static inline caddie_value caddie_op_where(const caddie_host_graph* host, caddie_graph* graph, caddie_value mask,
    caddie_value a, caddie_value b) {
  caddie_value inputs[3];
  inputs[0] = mask;
  inputs[1] = a;
  inputs[2] = b;
  return host->emit(graph, 60, inputs, 3, 0, 0);
}

/* reduce_sum: sum over axes; no axes means all. keep: usually 0. */
static inline caddie_value caddie_op_reduce_sum(const caddie_host_graph* host, caddie_graph* graph, caddie_value x,
    const int64_t* axes, uint32_t axes_count, int64_t keep) {
  caddie_value inputs[1];
  inputs[0] = x;
  caddie_attribute attributes[2];
  attributes[0] = caddie_attribute_of_ints("axes", CADDIE_ATTRIBUTE_INTS, axes, axes_count);
  attributes[1] = caddie_attribute_of_ints("keep", CADDIE_ATTRIBUTE_INT, &keep, 1);
  return host->emit(graph, 70, inputs, 1, attributes, 2);
}

/* reduce_max: largest over axes; gradient is shared equally by all that are largest. keep: usually 0. */
static inline caddie_value caddie_op_reduce_max(const caddie_host_graph* host, caddie_graph* graph, caddie_value x,
    const int64_t* axes, uint32_t axes_count, int64_t keep) {
  caddie_value inputs[1];
  inputs[0] = x;
  caddie_attribute attributes[2];
  attributes[0] = caddie_attribute_of_ints("axes", CADDIE_ATTRIBUTE_INTS, axes, axes_count);
  attributes[1] = caddie_attribute_of_ints("keep", CADDIE_ATTRIBUTE_INT, &keep, 1);
  return host->emit(graph, 71, inputs, 1, attributes, 2);
}

/* reduce_min: smallest over axes; gradient is shared equally by all that are smallest. keep: usually 0. */
static inline caddie_value caddie_op_reduce_min(const caddie_host_graph* host, caddie_graph* graph, caddie_value x,
    const int64_t* axes, uint32_t axes_count, int64_t keep) {
  caddie_value inputs[1];
  inputs[0] = x;
  caddie_attribute attributes[2];
  attributes[0] = caddie_attribute_of_ints("axes", CADDIE_ATTRIBUTE_INTS, axes, axes_count);
  attributes[1] = caddie_attribute_of_ints("keep", CADDIE_ATTRIBUTE_INT, &keep, 1);
  return host->emit(graph, 72, inputs, 1, attributes, 2);
}

/* cumsum: running sum along an axis, inclusive. reverse: usually 0. */
static inline caddie_value caddie_op_cumsum(const caddie_host_graph* host, caddie_graph* graph, caddie_value x,
    int64_t axis, int64_t reverse) {
  caddie_value inputs[1];
  inputs[0] = x;
  caddie_attribute attributes[2];
  attributes[0] = caddie_attribute_of_ints("axis", CADDIE_ATTRIBUTE_INT, &axis, 1);
  attributes[1] = caddie_attribute_of_ints("reverse", CADDIE_ATTRIBUTE_INT, &reverse, 1);
  return host->emit(graph, 73, inputs, 1, attributes, 2);
}

/* reshape: same elements in row-major order; one length may be -1. */
static inline caddie_value caddie_op_reshape(const caddie_host_graph* host, caddie_graph* graph, caddie_value x,
    const int64_t* shape, uint32_t shape_count) {
  caddie_value inputs[1];
  inputs[0] = x;
  caddie_attribute attributes[1];
  attributes[0] = caddie_attribute_of_ints("shape", CADDIE_ATTRIBUTE_INTS, shape, shape_count);
  return host->emit(graph, 80, inputs, 1, attributes, 1);
}

/* transpose: axis i of y is axis axes[i] of x. */
static inline caddie_value caddie_op_transpose(const caddie_host_graph* host, caddie_graph* graph, caddie_value x,
    const int64_t* axes, uint32_t axes_count) {
  caddie_value inputs[1];
  inputs[0] = x;
  caddie_attribute attributes[1];
  attributes[0] = caddie_attribute_of_ints("axes", CADDIE_ATTRIBUTE_INTS, axes, axes_count);
  return host->emit(graph, 81, inputs, 1, attributes, 1);
}

/* broadcast: x stretched to shape as NumPy's broadcast_to. */
static inline caddie_value caddie_op_broadcast(const caddie_host_graph* host, caddie_graph* graph, caddie_value x,
    const int64_t* shape, uint32_t shape_count) {
  caddie_value inputs[1];
  inputs[0] = x;
  caddie_attribute attributes[1];
  attributes[0] = caddie_attribute_of_ints("shape", CADDIE_ATTRIBUTE_INTS, shape, shape_count);
  return host->emit(graph, 82, inputs, 1, attributes, 1);
}

/* slice: the box at starts with the given sizes, every axis named. */
static inline caddie_value caddie_op_slice(const caddie_host_graph* host, caddie_graph* graph, caddie_value x,
    const int64_t* starts, uint32_t starts_count, const int64_t* sizes, uint32_t sizes_count) {
  caddie_value inputs[1];
  inputs[0] = x;
  caddie_attribute attributes[2];
  attributes[0] = caddie_attribute_of_ints("starts", CADDIE_ATTRIBUTE_INTS, starts, starts_count);
  attributes[1] = caddie_attribute_of_ints("sizes", CADDIE_ATTRIBUTE_INTS, sizes, sizes_count);
  return host->emit(graph, 83, inputs, 1, attributes, 2);
}

/* pad: value added before and after, every axis named. value: usually 0. */
static inline caddie_value caddie_op_pad(const caddie_host_graph* host, caddie_graph* graph, caddie_value x,
    const int64_t* low, uint32_t low_count, const int64_t* high, uint32_t high_count, double value) {
  caddie_value inputs[1];
  inputs[0] = x;
  caddie_attribute attributes[3];
  attributes[0] = caddie_attribute_of_ints("low", CADDIE_ATTRIBUTE_INTS, low, low_count);
  attributes[1] = caddie_attribute_of_ints("high", CADDIE_ATTRIBUTE_INTS, high, high_count);
  attributes[2] = caddie_attribute_of_floats("value", CADDIE_ATTRIBUTE_FLOAT, &value, 1);
  return host->emit(graph, 84, inputs, 1, attributes, 3);
}

/* concat: end to end along one axis. */
static inline caddie_value caddie_op_concat(const caddie_host_graph* host, caddie_graph* graph, const caddie_value* x,
    uint32_t x_count, int64_t axis) {
  caddie_attribute attributes[1];
  attributes[0] = caddie_attribute_of_ints("axis", CADDIE_ATTRIBUTE_INT, &axis, 1);
  return host->emit(graph, 85, x, x_count, attributes, 1);
}

/* reverse: order reversed along axes. */
static inline caddie_value caddie_op_reverse(const caddie_host_graph* host, caddie_graph* graph, caddie_value x,
    const int64_t* axes, uint32_t axes_count) {
  caddie_value inputs[1];
  inputs[0] = x;
  caddie_attribute attributes[1];
  attributes[0] = caddie_attribute_of_ints("axes", CADDIE_ATTRIBUTE_INTS, axes, axes_count);
  return host->emit(graph, 86, inputs, 1, attributes, 1);
}

/* dot: sum of products over the contracted axes; y has the batch axes, the rest of a, the rest of b. */
static inline caddie_value caddie_op_dot(const caddie_host_graph* host, caddie_graph* graph, caddie_value a,
    caddie_value b, const int64_t* batch_a, uint32_t batch_a_count, const int64_t* batch_b, uint32_t batch_b_count,
    const int64_t* contract_a, uint32_t contract_a_count, const int64_t* contract_b, uint32_t contract_b_count) {
  caddie_value inputs[2];
  inputs[0] = a;
  inputs[1] = b;
  caddie_attribute attributes[4];
  attributes[0] = caddie_attribute_of_ints("batch_a", CADDIE_ATTRIBUTE_INTS, batch_a, batch_a_count);
  attributes[1] = caddie_attribute_of_ints("batch_b", CADDIE_ATTRIBUTE_INTS, batch_b, batch_b_count);
  attributes[2] = caddie_attribute_of_ints("contract_a", CADDIE_ATTRIBUTE_INTS, contract_a, contract_a_count);
  attributes[3] = caddie_attribute_of_ints("contract_b", CADDIE_ATTRIBUTE_INTS, contract_b, contract_b_count);
  return host->emit(graph, 90, inputs, 2, attributes, 4);
}

/* gather: rows of table [R, ...] by i32 index of any shape; y is index.shape + table.shape[1:]; an index outside
   [0, R) gives zeros. */
static inline caddie_value caddie_op_gather(const caddie_host_graph* host, caddie_graph* graph, caddie_value table,
    caddie_value index) {
  caddie_value inputs[2];
  inputs[0] = table;
  inputs[1] = index;
  return host->emit(graph, 100, inputs, 2, 0, 0);
}

/* scatter_add: base [R, ...] with updates (shaped index.shape + base.shape[1:]) added to rows index, in index
   order. */
static inline caddie_value caddie_op_scatter_add(const caddie_host_graph* host, caddie_graph* graph, caddie_value base,
    caddie_value index, caddie_value updates) {
  caddie_value inputs[3];
  inputs[0] = base;
  inputs[1] = index;
  inputs[2] = updates;
  return host->emit(graph, 101, inputs, 3, 0, 0);
}

/* pick: x [..., N] and i32 index [...] give x[..., index]; outside [0, N) gives 0. */
static inline caddie_value caddie_op_pick(const caddie_host_graph* host, caddie_graph* graph, caddie_value x,
    caddie_value index) {
  caddie_value inputs[2];
  inputs[0] = x;
  inputs[1] = index;
  return host->emit(graph, 102, inputs, 2, 0, 0);
}

/* place: values [...] and i32 index [...] give [..., size], zero but for values at index. */
static inline caddie_value caddie_op_place(const caddie_host_graph* host, caddie_graph* graph, caddie_value values,
    caddie_value index, int64_t size) {
  caddie_value inputs[2];
  inputs[0] = values;
  inputs[1] = index;
  caddie_attribute attributes[1];
  attributes[0] = caddie_attribute_of_ints("size", CADDIE_ATTRIBUTE_INT, &size, 1);
  return host->emit(graph, 103, inputs, 2, attributes, 1);
}

/* softmax: over the last axis. */
static inline caddie_value caddie_op_softmax(const caddie_host_graph* host, caddie_graph* graph, caddie_value x) {
  caddie_value inputs[1];
  inputs[0] = x;
  return host->emit(graph, 200, inputs, 1, 0, 0);
}

/* log_sum_exp: log of the sum of e^x over the last axis, which goes away. */
static inline caddie_value caddie_op_log_sum_exp(const caddie_host_graph* host, caddie_graph* graph, caddie_value x) {
  caddie_value inputs[1];
  inputs[0] = x;
  return host->emit(graph, 201, inputs, 1, 0, 0);
}

/* rms_norm: x / sqrt(mean(x^2) + eps) over the last axis. eps: usually 1.1920928955078125e-07. */
static inline caddie_value caddie_op_rms_norm(const caddie_host_graph* host, caddie_graph* graph, caddie_value x,
    double eps) {
  caddie_value inputs[1];
  inputs[0] = x;
  caddie_attribute attributes[1];
  attributes[0] = caddie_attribute_of_floats("eps", CADDIE_ATTRIBUTE_FLOAT, &eps, 1);
  return host->emit(graph, 202, inputs, 1, attributes, 1);
}

/* rope: rotary embedding of the first 2P channels of x [B,T,H,D] with cos, sin [T,P]: channels j and j+P turn
   clockwise. */
static inline caddie_value caddie_op_rope(const caddie_host_graph* host, caddie_graph* graph, caddie_value x,
    caddie_value cos, caddie_value sin) {
  caddie_value inputs[3];
  inputs[0] = x;
  inputs[1] = cos;
  inputs[2] = sin;
  return host->emit(graph, 203, inputs, 3, 0, 0);
}

/* attention: softmax attention, q [B,T,H,D], k and v [B,S,K,D], query head i reads head i/(H/K); causal 1: query t
   sees keys s <= t; 2: s <= t + S - T; segments i32 [B,T]: only equal segments see each other; y [B,T,H,D], lse
   [B,H,T]; no gradient through lse. Gives y, lse: the value returned and those after it. segments may be 0, none.
   causal: usually 1. */
static inline caddie_value caddie_op_attention(const caddie_host_graph* host, caddie_graph* graph, caddie_value q,
    caddie_value k, caddie_value v, caddie_value segments, double scale, int64_t causal) {
  caddie_value inputs[4];
  inputs[0] = q;
  inputs[1] = k;
  inputs[2] = v;
  inputs[3] = segments;
  caddie_attribute attributes[2];
  attributes[0] = caddie_attribute_of_floats("scale", CADDIE_ATTRIBUTE_FLOAT, &scale, 1);
  attributes[1] = caddie_attribute_of_ints("causal", CADDIE_ATTRIBUTE_INT, &causal, 1);
  return host->emit(graph, 204, inputs, 4, attributes, 2);
}

/* linear: x [..., I], w [O, I]: y [..., O] = x w^T. */
static inline caddie_value caddie_op_linear(const caddie_host_graph* host, caddie_graph* graph, caddie_value x,
    caddie_value w) {
  caddie_value inputs[2];
  inputs[0] = x;
  inputs[1] = w;
  return host->emit(graph, 205, inputs, 2, 0, 0);
}

/* cross_entropy: per row of logits [..., V] and i32 targets [...]: -log p(target), log-sum-exp, entropy in nats.
   Gives nll, lse, entropy: the value returned and those after it. */
static inline caddie_value caddie_op_cross_entropy(const caddie_host_graph* host, caddie_graph* graph,
    caddie_value logits, caddie_value targets) {
  caddie_value inputs[2];
  inputs[0] = logits;
  inputs[1] = targets;
  return host->emit(graph, 206, inputs, 2, 0, 0);
}

/* linear_cross_entropy: cross_entropy of u = x w^T, or of cap*tanh(u/cap) where cap > 0, without keeping the
   logits. Gives nll, lse, entropy: the value returned and those after it. cap: usually 0. */
static inline caddie_value caddie_op_linear_cross_entropy(const caddie_host_graph* host, caddie_graph* graph,
    caddie_value x, caddie_value w, caddie_value targets, double cap) {
  caddie_value inputs[3];
  inputs[0] = x;
  inputs[1] = w;
  inputs[2] = targets;
  caddie_attribute attributes[1];
  attributes[0] = caddie_attribute_of_floats("cap", CADDIE_ATTRIBUTE_FLOAT, &cap, 1);
  return host->emit(graph, 207, inputs, 3, attributes, 1);
}

/* layer_norm: (x - mean(x)) / sqrt(var(x) + eps) * weight + bias over the last axis [C], var the mean squared
   deviation; weight, bias [C]. eps: usually 1e-5. */
static inline caddie_value caddie_op_layer_norm(const caddie_host_graph* host, caddie_graph* graph, caddie_value x,
    caddie_value weight, caddie_value bias, double eps) {
  caddie_value inputs[3];
  inputs[0] = x;
  inputs[1] = weight;
  inputs[2] = bias;
  caddie_attribute attributes[1];
  attributes[0] = caddie_attribute_of_floats("eps", CADDIE_ATTRIBUTE_FLOAT, &eps, 1);
  return host->emit(graph, 208, inputs, 3, attributes, 1);
}

/* rms_norm_backward: gradient of rms_norm. eps: usually 1.1920928955078125e-07. */
static inline caddie_value caddie_op_rms_norm_backward(const caddie_host_graph* host, caddie_graph* graph,
    caddie_value x, caddie_value dy, double eps) {
  caddie_value inputs[2];
  inputs[0] = x;
  inputs[1] = dy;
  caddie_attribute attributes[1];
  attributes[0] = caddie_attribute_of_floats("eps", CADDIE_ATTRIBUTE_FLOAT, &eps, 1);
  return host->emit(graph, 220, inputs, 2, attributes, 1);
}

/* attention_backward: gradient of attention's y. Gives dq, dk, dv: the value returned and those after it. segments
   may be 0, none. causal: usually 1. */
static inline caddie_value caddie_op_attention_backward(const caddie_host_graph* host, caddie_graph* graph,
    caddie_value q, caddie_value k, caddie_value v, caddie_value y, caddie_value lse, caddie_value dy,
    caddie_value segments, double scale, int64_t causal) {
  caddie_value inputs[7];
  inputs[0] = q;
  inputs[1] = k;
  inputs[2] = v;
  inputs[3] = y;
  inputs[4] = lse;
  inputs[5] = dy;
  inputs[6] = segments;
  caddie_attribute attributes[2];
  attributes[0] = caddie_attribute_of_floats("scale", CADDIE_ATTRIBUTE_FLOAT, &scale, 1);
  attributes[1] = caddie_attribute_of_ints("causal", CADDIE_ATTRIBUTE_INT, &causal, 1);
  return host->emit(graph, 221, inputs, 7, attributes, 2);
}

/* cross_entropy_backward: gradient of cross_entropy. */
static inline caddie_value caddie_op_cross_entropy_backward(const caddie_host_graph* host, caddie_graph* graph,
    caddie_value logits, caddie_value targets, caddie_value lse, caddie_value entropy, caddie_value d_nll,
    caddie_value d_lse, caddie_value d_entropy) {
  caddie_value inputs[7];
  inputs[0] = logits;
  inputs[1] = targets;
  inputs[2] = lse;
  inputs[3] = entropy;
  inputs[4] = d_nll;
  inputs[5] = d_lse;
  inputs[6] = d_entropy;
  return host->emit(graph, 222, inputs, 7, 0, 0);
}

/* linear_cross_entropy_backward: gradient of linear_cross_entropy. Gives dx, dw: the value returned and those after
   it. cap: usually 0. */
static inline caddie_value caddie_op_linear_cross_entropy_backward(const caddie_host_graph* host, caddie_graph* graph,
    caddie_value x, caddie_value w, caddie_value targets, caddie_value lse, caddie_value entropy, caddie_value d_nll,
    caddie_value d_lse, caddie_value d_entropy, double cap) {
  caddie_value inputs[8];
  inputs[0] = x;
  inputs[1] = w;
  inputs[2] = targets;
  inputs[3] = lse;
  inputs[4] = entropy;
  inputs[5] = d_nll;
  inputs[6] = d_lse;
  inputs[7] = d_entropy;
  caddie_attribute attributes[1];
  attributes[0] = caddie_attribute_of_floats("cap", CADDIE_ATTRIBUTE_FLOAT, &cap, 1);
  return host->emit(graph, 223, inputs, 8, attributes, 1);
}

/* layer_norm_backward: gradient of layer_norm. Gives dx, dweight, dbias: the value returned and those after it.
   eps: usually 1e-5. */
static inline caddie_value caddie_op_layer_norm_backward(const caddie_host_graph* host, caddie_graph* graph,
    caddie_value x, caddie_value weight, caddie_value dy, double eps) {
  caddie_value inputs[3];
  inputs[0] = x;
  inputs[1] = weight;
  inputs[2] = dy;
  caddie_attribute attributes[1];
  attributes[0] = caddie_attribute_of_floats("eps", CADDIE_ATTRIBUTE_FLOAT, &eps, 1);
  return host->emit(graph, 224, inputs, 3, attributes, 1);
}

#ifdef __cplusplus
}
#endif
#endif
