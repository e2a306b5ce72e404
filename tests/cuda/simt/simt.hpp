// The words of CUDA C++ that Caddie's kernels use, for compiling them as C++: each thread of a block is run by
// scheduler.cpp, which says through SimtHooks which thread that is and takes over where threads wait for each other.
// Included once at the top of a translation unit of kernels.
#pragma once

#define SIMT_EMULATED
#define UNROLL
#define __global__
#define __device__ static
#define __shared__ static
#define __align__(n) alignas(n)

#include <math.h>
#include <string.h>

struct SimtIndex {
  unsigned int x, y, z;
};

struct SimtHooks {
  SimtIndex thread, block;
  unsigned long long* slots;  // kSimtSlots for each thread of the warp
  void (*wait_block)();
  void (*wait_warp)();
  unsigned char* dynamic_shared;
};

static const int kSimtSlots = 4;

static SimtHooks* simt_hooks;
extern "C" __attribute__((visibility("default"))) void simt_attach(SimtHooks* hooks) { simt_hooks = hooks; }

#define threadIdx (simt_hooks->thread)
#define blockIdx (simt_hooks->block)
#define DYNAMIC_SHARED(name) unsigned char* name = simt_hooks->dynamic_shared

static inline void __syncthreads() { simt_hooks->wait_block(); }
static inline void __syncwarp() { simt_hooks->wait_warp(); }

template <class T>
static inline T simt_read_lane(T x, unsigned lane) {
  memcpy(simt_hooks->slots + (threadIdx.x & 31) * kSimtSlots, &x, sizeof x);
  simt_hooks->wait_warp();
  T y;
  memcpy(&y, simt_hooks->slots + (lane & 31) * kSimtSlots, sizeof y);
  simt_hooks->wait_warp();
  return y;
}
template <class T>
static inline T __shfl_xor_sync(unsigned, T x, int step) {
  return simt_read_lane(x, (threadIdx.x & 31) ^ (unsigned)step);
}

static inline int atomicAdd(int* at, int x) {
  const int old = *at;
  *at += x;
  return old;
}

static inline unsigned __float_as_uint(float x) {
  unsigned y;
  memcpy(&y, &x, sizeof y);
  return y;
}
static inline float __uint_as_float(unsigned x) {
  float y;
  memcpy(&y, &x, sizeof y);
  return y;
}
static inline long long __double_as_longlong(double x) {
  long long y;
  memcpy(&y, &x, sizeof y);
  return y;
}
static inline double __longlong_as_double(long long x) {
  double y;
  memcpy(&y, &x, sizeof y);
  return y;
}
static inline double __dadd_rn(double a, double b) { return a + b; }
static inline double __dmul_rn(double a, double b) { return a * b; }
static inline double __ddiv_rn(double a, double b) { return a / b; }
static inline double __dsqrt_rn(double a) { return sqrt(a); }
static inline float rsqrtf(float x) { return 1.0f / sqrtf(x); }

static inline float simt_half(unsigned pair, int which) {
  return __uint_as_float(which ? pair & 0xFFFF0000u : pair << 16);
}

// mma.sync m16n8k16, row by column, bf16 to f32, as the PTX manual lays out its fragments.
static inline void mma_bf16(float* c, const unsigned* a, const unsigned* b) {
  const int lane = (int)(threadIdx.x & 31);
  unsigned own[6] = {a[0], a[1], a[2], a[3], b[0], b[1]};
  memcpy(simt_hooks->slots + lane * kSimtSlots, own, sizeof own);
  simt_hooks->wait_warp();
  for (int j = 0; j < 4; ++j) {
    const int row = lane / 4 + (j / 2) * 8, column = lane % 4 * 2 + j % 2;
    float sum = c[j];
    for (int k = 0; k < 16; ++k) {
      unsigned of_a[6], of_b[6];
      memcpy(of_a, simt_hooks->slots + (row % 8 * 4 + k % 8 / 2) * kSimtSlots, sizeof of_a);
      memcpy(of_b, simt_hooks->slots + (column * 4 + k % 8 / 2) * kSimtSlots, sizeof of_b);
      sum += simt_half(of_a[row / 8 + k / 8 * 2], k % 2) * simt_half(of_b[4 + k / 8], k % 2);
    }
    c[j] = sum;
  }
  simt_hooks->wait_warp();
}
