// attention_backward_kv.cuh for bfloat16 by tensor cores: a block owns 64 keys of a key head, a warp 16 of them; 16
// queries at a time their weights and slopes are made as [16 keys, 16 queries] in registers.
extern "C" __global__ void KERNEL(const Pointers at) {
  DYNAMIC_SHARED(raw);
  bf16* ks = (bf16*)raw;
  bf16* vs = ks + 64 * PITCH;
  bf16* qs = vs + 64 * PITCH;
  bf16* dys = qs + 64 * PITCH;
  __shared__ int query_segment[64];
  __shared__ float lses[64], deltas[64];
  const int tiles = (KEYS + 63) / 64;
  const int k0 = (int)(blockIdx.x % tiles) * 64;
  const int kv = (int)(blockIdx.x / tiles % KV_HEADS);
  const i64 b = blockIdx.x / ((i64)tiles * KV_HEADS);
  const int lane = (int)(threadIdx.x & 31), warp = (int)(threadIdx.x >> 5);
  const int key0 = k0 + warp * 16 + lane / 4;  // and key0 + 8
  fill_tile(ks, (const bf16*)at.p[1] + b * K_B + (i64)kv * K_H, k0, KEYS, K_T_STRIDE);
  fill_tile(vs, (const bf16*)at.p[2] + b * V_B + (i64)kv * V_H, k0, KEYS, V_T_STRIDE);
#if SEGMENTS
  const int* segments = (const int*)at.p[8] + b * TIMES;
  const int own[2] = {key0 < KEYS ? segments[key0] : 0, key0 + 8 < KEYS ? segments[key0 + 8] : 0};
#endif
  float dk[DIM / 8][4], dv[DIM / 8][4];
  clear<DIM / 8>(dk);
  clear<DIM / 8>(dv);
  for (int group = 0; group < HEADS / KV_HEADS; ++group) {
    const int h = kv * (HEADS / KV_HEADS) + group;
    const bf16* q = (const bf16*)at.p[0] + b * Q_B + (i64)h * Q_H;
    const bf16* dy = (const bf16*)at.p[3] + b * DY_B + (i64)h * DY_H;
    for (int q0 = CAUSAL ? k0 : 0; q0 < TIMES; q0 += 64) {
      __syncthreads();
      fill_tile(qs, q, q0, TIMES, Q_T_STRIDE);
      fill_tile(dys, dy, q0, TIMES, DY_T_STRIDE);
      if (threadIdx.x < 64) {
        const bool inside = q0 + (int)threadIdx.x < TIMES;
        const i64 n = (b * HEADS + h) * TIMES + q0 + threadIdx.x;
        lses[threadIdx.x] = inside ? ((const float*)at.p[4])[n] * 1.44269504f : 0.0f;
        deltas[threadIdx.x] = inside ? ((const float*)at.p[5])[n] : 0.0f;
#if SEGMENTS
        query_segment[threadIdx.x] = inside ? segments[q0 + threadIdx.x] : 0;
#endif
      }
      __syncthreads();
      for (int m = 0; m < 64; m += 16) {
        float p[2][4], ds[2][4];
        scores_and_slopes(p, ds, ks, vs, warp * 16, qs, dys, m);
        for (int n = 0; n < 2; ++n) {
          for (int j = 0; j < 4; ++j) {
            const int key = key0 + j / 2 * 8, at_query = m + n * 8 + lane % 4 * 2 + j % 2;
            bool seen = key < KEYS && q0 + at_query < TIMES && (!CAUSAL || key <= q0 + at_query);
#if SEGMENTS
            seen = seen && own[j / 2] == query_segment[at_query];
#endif
            weigh(&p[n][j], &ds[n][j], seen, lses[at_query], deltas[at_query]);
          }
        }
        u32 pa[4], dsa[4];
        results_as_a(pa, p[0], p[1]);
        results_as_a(dsa, ds[0], ds[1]);
        for (int n = 0; n < DIM / 8; ++n) {
          u32 dyb[2], qb[2];
          channels_as_b(dyb, dys, m, n * 8);
          channels_as_b(qb, qs, m, n * 8);
          mma_bf16(dv[n], pa, dyb);
          mma_bf16(dk[n], dsa, qb);
        }
      }
    }
  }
  const i64 to = (b * KEYS * KV_HEADS + kv) * DIM;
  store_rows((DK_T*)at.p[6] + to, dk, k0 + warp * 16, KEYS, (i64)KV_HEADS * DIM, 1.0f, 1.0f);
  store_rows((DV_T*)at.p[7] + to, dv, k0 + warp * 16, KEYS, (i64)KV_HEADS * DIM, 1.0f, 1.0f);
}
