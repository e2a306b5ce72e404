// What every kernel starts with: types, the operations of the table, random numbers. Compiled by NVRTC without any
// header, and by tests/cuda/simt as C++ (SIMT_EMULATED), where that defines the words of CUDA itself.

#ifndef SIMT_EMULATED
#define DYNAMIC_SHARED(name) extern __shared__ __align__(16) unsigned char name[]
#define UNROLL _Pragma("unroll")
#endif

typedef unsigned int u32;
typedef unsigned long long u64;
typedef long long i64;

struct Pointers {
  void* p[POINTERS];
};

struct bf16 {
  unsigned short bits;
};
struct alignas(8) bf16x4 {
  bf16 at[4];
};
struct alignas(16) int4x {
  int at[4];
};
struct alignas(16) float4x {
  float at[4];
};

// Nearest, ties to even; not a number stays one.
#ifndef SIMT_EMULATED
__device__ inline bf16 to_bf16(float x) {
  bf16 y;
  asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(y.bits) : "f"(x));
  return y;
}
__device__ inline u32 pack_bf16(float low, float high) {
  u32 y;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(y) : "f"(high), "f"(low));
  return y;
}
// c [16,8] += a [16,16] b [16,8], by a warp; a and b in pairs of bf16 as PTX lays them out for m16n8k16.
__device__ inline void mma_bf16(float* c, const u32* a, const u32* b) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
#else
__device__ inline bf16 to_bf16(float x) {
  const u32 bits = __float_as_uint(x);
  bf16 y;
  if ((bits & 0x7FFFFFFFu) > 0x7F800000u) {
    y.bits = (unsigned short)((bits >> 16) | 0x40u);
  } else {
    y.bits = (unsigned short)((bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16);
  }
  return y;
}
__device__ inline u32 pack_bf16(float low, float high) {
  return (u32)to_bf16(low).bits | ((u32)to_bf16(high).bits << 16);
}
#endif
__device__ inline float to_float(bf16 x) { return __uint_as_float((u32)x.bits << 16); }

__device__ inline float load(const float* p) { return *p; }
__device__ inline float load(const bf16* p) { return to_float(*p); }
__device__ inline int load(const int* p) { return *p; }
__device__ inline void store(float* p, float x) { *p = x; }
__device__ inline void store(bf16* p, float x) { *p = to_bf16(x); }
__device__ inline void store(int* p, int x) { *p = x; }

// Stores and gives back.
template <class T>
__device__ inline float stored(T* p, float x) {
  store(p, x);
  return x;
}

// Four elements side by side; the address is a multiple of the whole.
__device__ inline void load4(float* to, const float* p) {
  const float4x x = *(const float4x*)p;
  for (int j = 0; j < 4; ++j) to[j] = x.at[j];
}
__device__ inline void load4(int* to, const int* p) {
  const int4x x = *(const int4x*)p;
  for (int j = 0; j < 4; ++j) to[j] = x.at[j];
}
__device__ inline void load4(float* to, const bf16* p) {
  const bf16x4 x = *(const bf16x4*)p;
  for (int j = 0; j < 4; ++j) to[j] = to_float(x.at[j]);
}
__device__ inline void store4(float* p, const float* from) {
  float4x x;
  for (int j = 0; j < 4; ++j) x.at[j] = from[j];
  *(float4x*)p = x;
}
__device__ inline void store4(int* p, const int* from) {
  int4x x;
  for (int j = 0; j < 4; ++j) x.at[j] = from[j];
  *(int4x*)p = x;
}
__device__ inline void store4(bf16* p, const float* from) {
  bf16x4 x;
  for (int j = 0; j < 4; ++j) x.at[j] = to_bf16(from[j]);
  *(bf16x4*)p = x;
}

// ---- operations -----------------------------------------------------------------------------------------------------

__device__ inline bool is_nan(float x) { return (__float_as_uint(x) & 0x7FFFFFFFu) > 0x7F800000u; }

// Larger and smaller of both; not a number is never lost.
__device__ inline float op_max(float a, float b) { return b > a || is_nan(b) ? b : a; }
__device__ inline float op_min(float a, float b) { return b < a || is_nan(b) ? b : a; }
__device__ inline int op_max(int a, int b) { return a < b ? b : a; }
__device__ inline int op_min(int a, int b) { return b < a ? b : a; }
__device__ inline float op_add(float a, float b) { return a + b; }
__device__ inline int op_add(int a, int b) { return (int)((u32)a + (u32)b); }
__device__ inline float op_sub(float a, float b) { return a - b; }
__device__ inline int op_sub(int a, int b) { return (int)((u32)a - (u32)b); }
__device__ inline float op_mul(float a, float b) { return a * b; }
__device__ inline int op_mul(int a, int b) { return (int)((u32)a * (u32)b); }
__device__ inline float op_neg(float a) { return -a; }
__device__ inline int op_neg(int a) { return (int)(0u - (u32)a); }
__device__ inline float op_abs(float a) { return fabsf(a); }
__device__ inline int op_abs(int a) { return a < 0 ? op_neg(a) : a; }
__device__ inline float op_sign(float a) { return (float)((a > 0.0f) - (a < 0.0f)); }
__device__ inline int op_sign(int a) { return (a > 0) - (a < 0); }

// GELU in the tanh form.
__device__ inline float op_gelu(float x) {
  return 0.5f * x * (1.0f + tanhf(0.7978845608028654f * (x + 0.044715f * x * x * x)));
}

// Towards zero; beyond 32 bits the nearest end, not a number gives 0.
__device__ inline int op_to_int(float x) {
  if (is_nan(x)) return 0;
  if (x <= -2147483648.0f) return (int)0x80000000u;
  if (x >= 2147483648.0f) return 0x7FFFFFFF;
  return (int)x;
}
__device__ inline int op_int_div(int a, int b) {
  if (b == 0) return 0;
  if (b == -1) return op_neg(a);
  const int q = a / b;
  return q - ((a % b != 0) && ((a < 0) != (b < 0)) ? 1 : 0);
}
__device__ inline int op_int_mod(int a, int b) {
  if (b == 0 || b == -1) return 0;
  const int r = a % b;
  return r != 0 && ((r < 0) != (b < 0)) ? r + b : r;
}
// As op round_bf16 has it: infinities and not a number stay what they are.
__device__ inline float op_round_bf16(float x) {
  const u32 bits = __float_as_uint(x);
  if ((bits & 0x7F800000u) == 0x7F800000u) return x;
  return __uint_as_float((bits + 0x7FFFu + ((bits >> 16) & 1u)) & 0xFFFF0000u);
}

// ---- random numbers (core/graph/random.hpp): the same arithmetic in the same order, never fused ---------------------

__device__ inline u64 spread_bits(u64 x) {
  x += 0x9E3779B97F4A7C15ULL;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ULL;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBULL;
  return x ^ (x >> 31);
}
__device__ inline u64 mix_bits(u64 first, u64 second) { return spread_bits(second ^ spread_bits(first)); }

// run: seed, stream, step.
__device__ inline void philox(u32* w, const u64* run, u64 site, u64 block) {
  const u64 key = mix_bits(run[0], run[1]);
  const u64 high = mix_bits(site, run[2]);
  u32 c0 = (u32)block, c1 = (u32)(block >> 32), c2 = (u32)high, c3 = (u32)(high >> 32);
  u32 k0 = (u32)key, k1 = (u32)(key >> 32);
  for (int round = 0; round < 10; ++round) {
    const u64 left = (u64)0xD2511F53u * c0;
    const u64 right = (u64)0xCD9E8D57u * c2;
    const u32 n0 = (u32)(right >> 32) ^ c1 ^ k0, n2 = (u32)(left >> 32) ^ c3 ^ k1;
    c1 = (u32)right;
    c3 = (u32)left;
    c0 = n0;
    c2 = n2;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  w[0] = c0;
  w[1] = c1;
  w[2] = c2;
  w[3] = c3;
}

__device__ inline double plain_log(double x) {
  const u64 bits = (u64)__double_as_longlong(x);
  int exponent = (int)((bits >> 52) & 0x7FF) - 1023;
  double m = __longlong_as_double((i64)((bits & 0x000FFFFFFFFFFFFFULL) | 0x3FF0000000000000ULL));
  if (m > 1.4142135623730951) {
    m = __dmul_rn(m, 0.5);
    exponent += 1;
  }
  const double t = __ddiv_rn(__dadd_rn(m, -1.0), __dadd_rn(m, 1.0));
  const double square = __dmul_rn(t, t);
  double series = 1.0 / 23.0;
  for (int n = 21; n >= 1; n -= 2) series = __dadd_rn(__dmul_rn(series, square), __ddiv_rn(1.0, (double)n));
  return __dadd_rn(__dmul_rn(__dmul_rn(2.0, t), series), __dmul_rn((double)exponent, 0.6931471805599453));
}

__device__ inline void plain_turn(u32 word, double* cosine_out, double* sine_out) {
  const u32 shifted = word + 0x20000000u;
  const u32 quarter = shifted >> 30;
  const double rest = __dadd_rn((double)(shifted & 0x3FFFFFFFu), -536870912.0);
  const double angle = __dmul_rn(rest, 1.4629180792671596e-09);
  const double square = __dmul_rn(angle, angle);
  double cosine = 1.0, sine = 1.0;
  for (int n = 18; n >= 2; n -= 2) {
    cosine = __dadd_rn(1.0, -__ddiv_rn(__dmul_rn(cosine, square), (double)(n * (n - 1))));
    sine = __dadd_rn(1.0, -__ddiv_rn(__dmul_rn(sine, square), (double)(n * (n + 1))));
  }
  sine = __dmul_rn(sine, angle);
  *cosine_out = quarter == 0 ? cosine : quarter == 1 ? -sine : quarter == 2 ? -cosine : sine;
  *sine_out = quarter == 0 ? sine : quarter == 1 ? cosine : quarter == 2 ? -sine : -cosine;
}

// Elements 4*block .. 4*block+3 of a site's field; `below_high` is the last f32 before high.
__device__ inline void uniform4(float* y, const u64* run, u64 site, u64 block, double low, double span, float high,
                                float below_high, bool clamps) {
  u32 w[4];
  philox(w, run, site, block);
  for (int j = 0; j < 4; ++j) {
    const float unit = (float)(w[j] >> 8) * 5.9604644775390625e-08f;
    const float x = (float)__dadd_rn(low, __dmul_rn(span, (double)unit));
    y[j] = clamps && x >= high ? below_high : x;
  }
}
__device__ inline void normal4(float* y, const u64* run, u64 site, u64 block, double mean, double deviation) {
  u32 w[4];
  philox(w, run, site, block);
  for (int j = 0; j < 4; j += 2) {
    const double unit = __dmul_rn(__dadd_rn((double)w[j], 1.0), 2.3283064365386963e-10);
    const double radius = __dsqrt_rn(__dmul_rn(-2.0, plain_log(unit)));
    double cosine, sine;
    plain_turn(w[j + 1], &cosine, &sine);
    const float a = (float)__dmul_rn(radius, cosine), b = (float)__dmul_rn(radius, sine);
    y[j] = (float)__dadd_rn(mean, __dmul_rn(deviation, (double)a));
    y[j + 1] = (float)__dadd_rn(mean, __dmul_rn(deviation, (double)b));
  }
}

// ---- sums over a block ----------------------------------------------------------------------------------------------

// The combination of one number of each thread, in a fixed tree; every thread gets it. `space` holds a number for each
// warp. BLOCK is the number of threads.
#define BLOCK_REDUCE(name, type, combine)                                                      \
  __device__ inline type name(type x, type* space) {                                           \
    for (int step = 16; step > 0; step >>= 1) {                                                \
      const type other = __shfl_xor_sync(0xFFFFFFFFu, x, step);                                \
      x = (threadIdx.x & step) ? combine(other, x) : combine(x, other);                        \
    }                                                                                          \
    __syncthreads();                                                                           \
    if ((threadIdx.x & 31) == 0) space[threadIdx.x >> 5] = x;                                  \
    __syncthreads();                                                                           \
    type y = space[0];                                                                         \
    for (int w = 1; w < BLOCK / 32; ++w) y = combine(y, space[w]);                             \
    return y;                                                                                  \
  }
#ifdef BLOCK
BLOCK_REDUCE(block_sum, float, op_add)
BLOCK_REDUCE(block_max, float, op_max)
BLOCK_REDUCE(block_min, float, op_min)
BLOCK_REDUCE(block_sum, int, op_add)
BLOCK_REDUCE(block_max, int, op_max)
BLOCK_REDUCE(block_min, int, op_min)
#endif
