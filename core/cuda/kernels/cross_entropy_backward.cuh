// dz = p (d_nll + d_lse + d_entropy (-log p - entropy)) - d_nll at the target, and through the cap where CAPPED. A row
// a block. Numbers of rows stand LSE_STRIDE ... apart (0: one for all).
extern "C" __global__ void KERNEL(const Pointers at) {
  const i64 row = blockIdx.x;
  const X_T* z = (const X_T*)at.p[0] + row * VOCAB;
  Y_T* dz = (Y_T*)at.p[7] + row * VOCAB;
  const int target = ((const int*)at.p[1])[row];
  const float lse = load((const float*)at.p[2] + row * LSE_STRIDE);
  const float entropy = load((const float*)at.p[3] + row * ENTROPY_STRIDE);
  const float d_nll = load((const float*)at.p[4] + row * D_NLL_STRIDE);
  const float d_lse = load((const float*)at.p[5] + row * D_LSE_STRIDE);
  const float d_entropy = load((const float*)at.p[6] + row * D_ENTROPY_STRIDE);
  for (int c = threadIdx.x; c < VOCAB; c += BLOCK) {
    const float u = load(z + c);
    const float x = SOFTCAP(u);
    const float surprise = lse - x;
    float d = expf(-surprise) * (d_nll + d_lse + d_entropy * (surprise - entropy));
    if (c == target) d -= d_nll;
    store(dz + c, d * SOFTCAP_SLOPE(u));
  }
}
