// attention_backward_q.cuh for bfloat16 by tensor cores: a block owns 64 queries of a head, a warp 16 of them; 16 keys
// at a time.
extern "C" __global__ void KERNEL(const Pointers at) {
  DYNAMIC_SHARED(raw);
  bf16* qs = (bf16*)raw;
  bf16* dys = qs + 64 * PITCH;
  bf16* ks = dys + 64 * PITCH;
  bf16* vs = ks + 64 * PITCH;
  __shared__ int key_segment[64];
  const int tiles = (TIMES + 63) / 64;
  const int q0 = (tiles - 1 - (int)(blockIdx.x % tiles)) * 64;
  const int h = (int)(blockIdx.x / tiles % HEADS);
  const i64 b = blockIdx.x / ((i64)tiles * HEADS);
  const int kv = h / (HEADS / KV_HEADS);
  const bf16* k = (const bf16*)at.p[1] + b * K_B + (i64)kv * K_H;
  const bf16* v = (const bf16*)at.p[2] + b * V_B + (i64)kv * V_H;
  const int lane = (int)(threadIdx.x & 31), warp = (int)(threadIdx.x >> 5);
  const int row0 = q0 + warp * 16 + lane / 4;  // and row0 + 8
  fill_tile(qs, (const bf16*)at.p[0] + b * Q_B + (i64)h * Q_H, q0, TIMES, Q_T_STRIDE);
  fill_tile(dys, (const bf16*)at.p[3] + b * DY_B + (i64)h * DY_H, q0, TIMES, DY_T_STRIDE);
#if SEGMENTS
  const int* segments = (const int*)at.p[7] + b * TIMES;
  const int own[2] = {row0 < TIMES ? segments[row0] : 0, row0 + 8 < TIMES ? segments[row0 + 8] : 0};
#endif
  float lse[2], delta[2];
  for (int r = 0; r < 2; ++r) {
    const bool inside = row0 + r * 8 < TIMES;
    const i64 n = (b * HEADS + h) * TIMES + row0 + r * 8;
    lse[r] = inside ? ((const float*)at.p[4])[n] * 1.44269504f : 0.0f;
    delta[r] = inside ? ((const float*)at.p[5])[n] : 0.0f;
  }
  float dq[DIM / 8][4];
  clear<DIM / 8>(dq);
  const int end = CAUSAL && q0 + 64 < KEYS ? q0 + 64 : KEYS;
  for (int k0 = 0; k0 < end; k0 += 64) {
    __syncthreads();
    fill_tile(ks, k, k0, KEYS, K_T_STRIDE);
    fill_tile(vs, v, k0, KEYS, V_T_STRIDE);
#if SEGMENTS
    if (threadIdx.x < 64) key_segment[threadIdx.x] = k0 + (int)threadIdx.x < KEYS ? segments[k0 + threadIdx.x] : 0;
#endif
    __syncthreads();
    for (int m = 0; m < 64; m += 16) {
      float p[2][4], ds[2][4];
      scores_and_slopes(p, ds, qs, dys, warp * 16, ks, vs, m);
      for (int n = 0; n < 2; ++n) {
        for (int j = 0; j < 4; ++j) {
          const int row = row0 + j / 2 * 8, at_key = m + n * 8 + lane % 4 * 2 + j % 2;
          bool seen = row < TIMES && k0 + at_key < KEYS && (!CAUSAL || k0 + at_key <= row);
#if SEGMENTS
          seen = seen && own[j / 2] == key_segment[at_key];
#endif
          weigh(&p[n][j], &ds[n][j], seen, lse[j / 2], delta[j / 2]);
        }
      }
      u32 dsa[4];
      results_as_a(dsa, ds[0], ds[1]);
      for (int n = 0; n < DIM / 8; ++n) {
        u32 kb[2];
        channels_as_b(kb, ks, m, n * 8);
        mma_bf16(dq[n], dsa, kb);
      }
    }
  }
  DQ_T* to = (DQ_T*)at.p[6] + (b * TIMES * HEADS + h) * DIM;
  store_rows(to, dq, q0 + warp * 16, TIMES, (i64)HEADS * DIM, 1.0f, 1.0f);
}
