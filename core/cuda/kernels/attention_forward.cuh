// Softmax attention without the T x S array (Dao et al. 2022, arXiv:2205.14135; Milakov and Gimelshein 2018,
// arXiv:1805.02867): a block owns TILE queries of one head and goes over tiles of keys with a running maximum.
// q [B,TIMES,HEADS,DIM], k and v [B,KEYS,KV_HEADS,DIM], y [B,TIMES,HEADS,DIM], lse [B,HEADS,TIMES].
// 256 threads: eight for a query; a thread keeps every eighth channel of it.
extern "C" __global__ void KERNEL(const Pointers at) {
  DYNAMIC_SHARED(raw);
  float* qs = (float*)raw;              // [TILE][DIM + 1]
  float* ks = qs + TILE * (DIM + 1);    // [TILE][DIM + 1]
  float* vs = ks + TILE * (DIM + 1);    // [TILE][DIM + 1]
  float* ps = vs + TILE * (DIM + 1);    // [TILE][TILE + 1]
  __shared__ int query_segment[TILE], key_segment[TILE];
  const int tiles = (TIMES + TILE - 1) / TILE;
  const int q0 = (tiles - 1 - (int)(blockIdx.x % tiles)) * TILE;  // long rows first
  const int h = (int)(blockIdx.x / tiles % HEADS);
  const i64 b = blockIdx.x / ((i64)tiles * HEADS);
  const int kv = h / (HEADS / KV_HEADS);
  const Q_T* q = (const Q_T*)at.p[0] + b * Q_B + (i64)h * Q_H;
  const K_T* k = (const K_T*)at.p[1] + b * K_B + (i64)kv * K_H;
  const V_T* v = (const V_T*)at.p[2] + b * V_B + (i64)kv * V_H;
  const int row = (int)(threadIdx.x >> 3), part = (int)(threadIdx.x & 7);
  fill_rows(qs, q, q0, TIMES, Q_T_STRIDE);
#if SEGMENTS
  if (threadIdx.x < TILE) {
    query_segment[threadIdx.x] =
        q0 + (int)threadIdx.x < TIMES ? ((const int*)at.p[5])[b * TIMES + q0 + threadIdx.x] : 0;
  }
#endif
  float most = __uint_as_float(0xFF800000u), total = 0.0f;
  float out[(DIM + 7) / 8];
  for (int d = 0; d < (DIM + 7) / 8; ++d) out[d] = 0.0f;
  const int end = CAUSAL && q0 + TILE < KEYS ? q0 + TILE : KEYS;
  for (int k0 = 0; k0 < end; k0 += TILE) {
    __syncthreads();
    fill_rows(ks, k, k0, KEYS, K_T_STRIDE);
    fill_rows(vs, v, k0, KEYS, V_T_STRIDE);
#if SEGMENTS
    if (threadIdx.x < TILE) {
      key_segment[threadIdx.x] = k0 + (int)threadIdx.x < KEYS ? ((const int*)at.p[5])[b * TIMES + k0 + threadIdx.x] : 0;
    }
#endif
    __syncthreads();
    float scores[TILE / 8];
    float largest = most;
    for (int n = 0; n < TILE / 8; ++n) {
      const int s = part + 8 * n;
      float sum = 0.0f;
      for (int d = 0; d < DIM; ++d) sum += qs[row * (DIM + 1) + d] * ks[s * (DIM + 1) + d];
      bool seen = k0 + s < KEYS && (!CAUSAL || k0 + s <= q0 + row);
#if SEGMENTS
      seen = seen && query_segment[row] == key_segment[s];
#endif
      scores[n] = seen ? sum * SCALE : __uint_as_float(0xFF800000u);
      largest = op_max(largest, scores[n]);
    }
    for (int step = 4; step > 0; step >>= 1) largest = op_max(largest, __shfl_xor_sync(0xFFFFFFFFu, largest, step));
    const bool any = largest > __uint_as_float(0xFF800000u) || is_nan(largest);
    const float factor = any ? expf(most - largest) : 1.0f;
    float sum = 0.0f;
    for (int n = 0; n < TILE / 8; ++n) {
      const float p = any ? expf(scores[n] - largest) : 0.0f;
      ps[row * (TILE + 1) + part + 8 * n] = p;
      sum += p;
    }
    for (int step = 4; step > 0; step >>= 1) sum += __shfl_xor_sync(0xFFFFFFFFu, sum, step);
    total = total * factor + sum;
    most = largest;
    __syncthreads();
    for (int d = 0; d < (DIM + 7) / 8; ++d) {
      const int channel = part + 8 * d;
      float add = 0.0f;
      if (channel < DIM) {
        for (int s = 0; s < TILE; ++s) add += ps[row * (TILE + 1) + s] * vs[s * (DIM + 1) + channel];
      }
      out[d] = out[d] * factor + add;
    }
  }
  if (q0 + row >= TIMES) return;
  const float scale = 1.0f / total;
  Y_T* y = (Y_T*)at.p[3] + ((b * TIMES + q0 + row) * HEADS + h) * DIM;
  for (int d = 0; d < (DIM + 7) / 8; ++d) {
    if (part + 8 * d < DIM) store(y + part + 8 * d, out[d] * scale);
  }
  if (part == 0) ((float*)at.p[4])[(b * HEADS + h) * TIMES + q0 + row] = most + logf(total);
}
