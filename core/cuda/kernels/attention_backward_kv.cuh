// dk and dv: a block owns TILE keys of one key head and goes over all queries of its group of heads that see them, in
// order; nobody else adds to its rows. dv = p^T dy, dk = SCALE ds^T q, ds = p (dy v^T - delta). Eight threads a key.
extern "C" __global__ void KERNEL(const Pointers at) {
  DYNAMIC_SHARED(raw);
  float* ks = (float*)raw;               // [TILE][DIM + 1]
  float* vs = ks + TILE * (DIM + 1);
  float* qs = vs + TILE * (DIM + 1);
  float* dys = qs + TILE * (DIM + 1);
  float* ps = dys + TILE * (DIM + 1);    // [key][query]
  float* dss = ps + TILE * (TILE + 1);
  __shared__ int query_segment[TILE], key_segment[TILE];
  __shared__ float lses[TILE], deltas[TILE];
  const int tiles = (KEYS + TILE - 1) / TILE;
  const int k0 = (int)(blockIdx.x % tiles) * TILE;
  const int kv = (int)(blockIdx.x / tiles % KV_HEADS);
  const i64 b = blockIdx.x / ((i64)tiles * KV_HEADS);
  const K_T* k = (const K_T*)at.p[1] + b * K_B + (i64)kv * K_H;
  const V_T* v = (const V_T*)at.p[2] + b * V_B + (i64)kv * V_H;
  const int row = (int)(threadIdx.x >> 3), part = (int)(threadIdx.x & 7);
  fill_rows(ks, k, k0, KEYS, K_T_STRIDE);
  fill_rows(vs, v, k0, KEYS, V_T_STRIDE);
#if SEGMENTS
  if (threadIdx.x < TILE) {
    key_segment[threadIdx.x] = k0 + (int)threadIdx.x < KEYS ? ((const int*)at.p[8])[b * TIMES + k0 + threadIdx.x] : 0;
  }
#endif
  float dk[(DIM + 7) / 8], dv[(DIM + 7) / 8];
  for (int d = 0; d < (DIM + 7) / 8; ++d) dk[d] = dv[d] = 0.0f;
  const int begin = CAUSAL ? k0 / TILE * TILE : 0;
  for (int g = 0; g < HEADS / KV_HEADS; ++g) {
    const int h = kv * (HEADS / KV_HEADS) + g;
    const Q_T* q = (const Q_T*)at.p[0] + b * Q_B + (i64)h * Q_H;
    const DY_T* dy = (const DY_T*)at.p[3] + b * DY_B + (i64)h * DY_H;
    for (int q0 = begin; q0 < TIMES; q0 += TILE) {
      __syncthreads();
      fill_rows(qs, q, q0, TIMES, Q_T_STRIDE);
      fill_rows(dys, dy, q0, TIMES, DY_T_STRIDE);
      if (threadIdx.x < TILE) {
        const bool inside = q0 + (int)threadIdx.x < TIMES;
        const i64 n = (b * HEADS + h) * TIMES + q0 + threadIdx.x;
        lses[threadIdx.x] = inside ? ((const float*)at.p[4])[n] : 0.0f;
        deltas[threadIdx.x] = inside ? ((const float*)at.p[5])[n] : 0.0f;
#if SEGMENTS
        query_segment[threadIdx.x] = inside ? ((const int*)at.p[8])[b * TIMES + q0 + threadIdx.x] : 0;
#endif
      }
      __syncthreads();
      for (int n = 0; n < TILE / 8; ++n) {
        const int r = part + 8 * n;  // the query
        float score = 0.0f, dp = 0.0f;
        for (int d = 0; d < DIM; ++d) {
          score += qs[r * (DIM + 1) + d] * ks[row * (DIM + 1) + d];
          dp += dys[r * (DIM + 1) + d] * vs[row * (DIM + 1) + d];
        }
        bool seen = q0 + r < TIMES && k0 + row < KEYS && (!CAUSAL || k0 + row <= q0 + r);
#if SEGMENTS
        seen = seen && query_segment[r] == key_segment[row];
#endif
        const float p = seen ? expf(score * SCALE - lses[r]) : 0.0f;
        ps[row * (TILE + 1) + r] = p;
        dss[row * (TILE + 1) + r] = seen ? p * (dp - deltas[r]) * SCALE : 0.0f;
      }
      __syncthreads();
      for (int d = 0; d < (DIM + 7) / 8; ++d) {
        const int channel = part + 8 * d;
        if (channel >= DIM) continue;
        for (int r = 0; r < TILE; ++r) {
          dv[d] += ps[row * (TILE + 1) + r] * dys[r * (DIM + 1) + channel];
          dk[d] += dss[row * (TILE + 1) + r] * qs[r * (DIM + 1) + channel];
        }
      }
    }
  }
  if (k0 + row >= KEYS) return;
  const i64 to = ((b * KEYS + k0 + row) * KV_HEADS + kv) * DIM;
  for (int d = 0; d < (DIM + 7) / 8; ++d) {
    const int channel = part + 8 * d;
    if (channel >= DIM) continue;
    store((DK_T*)at.p[6] + to + channel, dk[d]);
    store((DV_T*)at.p[7] + to + channel, dv[d]);
  }
}
