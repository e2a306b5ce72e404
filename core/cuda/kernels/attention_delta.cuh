// delta [B,HEADS,TIMES] = the sum over channels of y dy. A warp a query of a head.
extern "C" __global__ void KERNEL(const Pointers at) {
  const i64 n = (i64)blockIdx.x * (BLOCK / 32) + (threadIdx.x >> 5);  // of [B,TIMES,HEADS]
  const bool inside = n < ROWS;
  const i64 h = n % HEADS, t = n / HEADS % TIMES, b = n / ((i64)HEADS * TIMES);
  float sum = 0.0f;
  if (inside) {
    const Y_T* y = (const Y_T*)at.p[0] + b * Y_B + t * Y_T_STRIDE + h * Y_H;
    const DY_T* dy = (const DY_T*)at.p[1] + b * DY_B + t * DY_T_STRIDE + (i64)h * DY_H;
    for (int d = threadIdx.x & 31; d < DIM; d += 32) sum += load(y + d) * load(dy + d);
  }
  for (int step = 16; step > 0; step >>= 1) sum += __shfl_xor_sync(0xFFFFFFFFu, sum, step);
  if (inside && (threadIdx.x & 31) == 0) ((float*)at.p[2])[(b * HEADS + h) * TIMES + t] = sum;
}
