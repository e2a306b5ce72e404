// A copy in bfloat16 for products.
extern "C" __global__ void KERNEL(const Pointers at) {
  const u64 t = (u64)blockIdx.x * BLOCK + threadIdx.x;
  const u64 e = t * LANES;
  if (e >= ELEMENTS) return;
#if LANES == 4
  float x[4];
  load4(x, (const float*)at.p[0] + e);
  store4((bf16*)at.p[1] + e, x);
#else
  store((bf16*)at.p[1] + e, load((const float*)at.p[0] + e));
#endif
}
