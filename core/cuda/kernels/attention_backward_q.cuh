// dq = SCALE ds k: a block owns TILE queries of one head and goes over the keys they see, in order. Eight threads a
// query.
extern "C" __global__ void KERNEL(const Pointers at) {
  DYNAMIC_SHARED(raw);
  float* qs = (float*)raw;               // [TILE][DIM + 1]
  float* dys = qs + TILE * (DIM + 1);
  float* ks = dys + TILE * (DIM + 1);
  float* vs = ks + TILE * (DIM + 1);
  float* dss = vs + TILE * (DIM + 1);    // [TILE][TILE + 1]
  __shared__ int query_segment[TILE], key_segment[TILE];
  const int tiles = (TIMES + TILE - 1) / TILE;
  const int q0 = (tiles - 1 - (int)(blockIdx.x % tiles)) * TILE;
  const int h = (int)(blockIdx.x / tiles % HEADS);
  const i64 b = blockIdx.x / ((i64)tiles * HEADS);
  const int kv = h / (HEADS / KV_HEADS);
  const Q_T* q = (const Q_T*)at.p[0] + b * Q_B + (i64)h * Q_H;
  const K_T* k = (const K_T*)at.p[1] + b * K_B + (i64)kv * K_H;
  const V_T* v = (const V_T*)at.p[2] + b * V_B + (i64)kv * V_H;
  const DY_T* dy = (const DY_T*)at.p[3] + b * DY_B + (i64)h * DY_H;
  const int row = (int)(threadIdx.x >> 3), part = (int)(threadIdx.x & 7);
  fill_rows(qs, q, q0, TIMES, Q_T_STRIDE);
  fill_rows(dys, dy, q0, TIMES, DY_T_STRIDE);
#if SEGMENTS
  if (threadIdx.x < TILE) {
    query_segment[threadIdx.x] =
        q0 + (int)threadIdx.x < TIMES ? ((const int*)at.p[7])[b * TIMES + q0 + threadIdx.x] : 0;
  }
#endif
  const i64 n = (b * HEADS + h) * TIMES + q0 + row;
  const float lse = q0 + row < TIMES ? ((const float*)at.p[4])[n] : 0.0f;
  const float delta = q0 + row < TIMES ? ((const float*)at.p[5])[n] : 0.0f;
  float dq[(DIM + 7) / 8];
  for (int d = 0; d < (DIM + 7) / 8; ++d) dq[d] = 0.0f;
  const int end = CAUSAL && q0 + TILE < KEYS ? q0 + TILE : KEYS;
  for (int k0 = 0; k0 < end; k0 += TILE) {
    __syncthreads();
    fill_rows(ks, k, k0, KEYS, K_T_STRIDE);
    fill_rows(vs, v, k0, KEYS, V_T_STRIDE);
#if SEGMENTS
    if (threadIdx.x < TILE) {
      key_segment[threadIdx.x] = k0 + (int)threadIdx.x < KEYS ? ((const int*)at.p[7])[b * TIMES + k0 + threadIdx.x] : 0;
    }
#endif
    __syncthreads();
    for (int m = 0; m < TILE / 8; ++m) {
      const int s = part + 8 * m;
      float score = 0.0f, dp = 0.0f;
      for (int d = 0; d < DIM; ++d) {
        score += qs[row * (DIM + 1) + d] * ks[s * (DIM + 1) + d];
        dp += dys[row * (DIM + 1) + d] * vs[s * (DIM + 1) + d];
      }
      bool seen = q0 + row < TIMES && k0 + s < KEYS && (!CAUSAL || k0 + s <= q0 + row);
#if SEGMENTS
      seen = seen && query_segment[row] == key_segment[s];
#endif
      dss[row * (TILE + 1) + s] = seen ? expf(score * SCALE - lse) * (dp - delta) * SCALE : 0.0f;
    }
    __syncthreads();
    for (int d = 0; d < (DIM + 7) / 8; ++d) {
      const int channel = part + 8 * d;
      if (channel >= DIM) continue;
      for (int s = 0; s < TILE; ++s) dq[d] += dss[row * (TILE + 1) + s] * ks[s * (DIM + 1) + channel];
    }
  }
  if (q0 + row >= TIMES) return;
  DQ_T* to = (DQ_T*)at.p[6] + ((b * TIMES + q0 + row) * HEADS + h) * DIM;
  for (int d = 0; d < (DIM + 7) / 8; ++d) {
    if (part + 8 * d < DIM) store(to + part + 8 * d, dq[d]);
  }
}
