// attention_forward.cuh for bfloat16 by tensor cores: a block owns 64 queries of a head, a warp 16 of them; scores and
// weights of 64 keys stay in registers. Scores are kept times log2(e).
extern "C" __global__ void KERNEL(const Pointers at) {
  DYNAMIC_SHARED(raw);
  bf16* ks = (bf16*)raw;
  bf16* vs = ks + 64 * PITCH;
  __shared__ int key_segment[64];
  const int tiles = (TIMES + 63) / 64;
  const int q0 = (tiles - 1 - (int)(blockIdx.x % tiles)) * 64;  // long rows first
  const int h = (int)(blockIdx.x / tiles % HEADS);
  const i64 b = blockIdx.x / ((i64)tiles * HEADS);
  const int kv = h / (HEADS / KV_HEADS);
  const bf16* q = (const bf16*)at.p[0] + b * Q_B + (i64)h * Q_H;
  const bf16* k = (const bf16*)at.p[1] + b * K_B + (i64)kv * K_H;
  const bf16* v = (const bf16*)at.p[2] + b * V_B + (i64)kv * V_H;
  const int lane = (int)(threadIdx.x & 31), warp = (int)(threadIdx.x >> 5);
  const int row0 = q0 + warp * 16 + lane / 4;  // and row0 + 8
  fill_tile(ks, q, q0, TIMES, Q_T_STRIDE);
  __syncthreads();
  u32 qa[DIM / 16][4];
  for (int i = 0; i < DIM / 16; ++i) rows_as_a(qa[i], ks, warp * 16, i * 16);
#if SEGMENTS
  const int* segments = (const int*)at.p[5] + b * TIMES;
  const int own[2] = {row0 < TIMES ? segments[row0] : 0, row0 + 8 < TIMES ? segments[row0 + 8] : 0};
#endif
  const float hidden = __uint_as_float(0xFF800000u);
  float out[DIM / 8][4];
  clear<DIM / 8>(out);
  float most[2] = {hidden, hidden}, total[2] = {0.0f, 0.0f};
  const int end = CAUSAL && q0 + 64 < KEYS ? q0 + 64 : KEYS;
  for (int k0 = 0; k0 < end; k0 += 64) {
    __syncthreads();
    fill_tile(ks, k, k0, KEYS, K_T_STRIDE);
    fill_tile(vs, v, k0, KEYS, V_T_STRIDE);
#if SEGMENTS
    if (threadIdx.x < 64) key_segment[threadIdx.x] = k0 + (int)threadIdx.x < KEYS ? segments[k0 + threadIdx.x] : 0;
#endif
    __syncthreads();
    float s[8][4];
    clear<8>(s);
    for (int n = 0; n < 8; ++n) {
      for (int i = 0; i < DIM / 16; ++i) {
        u32 kb[2];
        rows_as_b(kb, ks, n * 8, i * 16);
        mma_bf16(s[n], qa[i], kb);
      }
    }
    const bool whole = !SEGMENTS && k0 + 64 <= KEYS && (!CAUSAL || k0 + 63 <= q0 + warp * 16);
    float largest[2] = {most[0], most[1]};
    for (int n = 0; n < 8; ++n) {
      for (int j = 0; j < 4; ++j) {
        const int row = row0 + j / 2 * 8, key = k0 + n * 8 + lane % 4 * 2 + j % 2;
        bool seen = whole || (key < KEYS && (!CAUSAL || key <= row));
#if SEGMENTS
        seen = seen && own[j / 2] == key_segment[key - k0];
#endif
        s[n][j] = seen ? s[n][j] * (SCALE * 1.44269504f) : hidden;
        largest[j / 2] = op_max(largest[j / 2], s[n][j]);
      }
    }
    float sums[2] = {0.0f, 0.0f};
    for (int r = 0; r < 2; ++r) {
      largest[r] = op_max(largest[r], __shfl_xor_sync(0xFFFFFFFFu, largest[r], 1));
      largest[r] = op_max(largest[r], __shfl_xor_sync(0xFFFFFFFFu, largest[r], 2));
    }
    const float base[2] = {largest[0] == hidden ? 0.0f : largest[0], largest[1] == hidden ? 0.0f : largest[1]};
    const float factor[2] = {exp2f(most[0] - base[0]), exp2f(most[1] - base[1])};
    for (int n = 0; n < 8; ++n) {
      for (int j = 0; j < 4; ++j) {
        s[n][j] = exp2f(s[n][j] - base[j / 2]);
        sums[j / 2] += s[n][j];
      }
    }
    for (int r = 0; r < 2; ++r) {
      total[r] = total[r] * factor[r] + sums[r];
      most[r] = largest[r];
    }
    for (int n = 0; n < DIM / 8; ++n) {
      for (int j = 0; j < 4; ++j) out[n][j] *= factor[j / 2];
    }
    for (int i = 0; i < 4; ++i) {
      u32 pa[4];
      results_as_a(pa, s[2 * i], s[2 * i + 1]);
      for (int n = 0; n < DIM / 8; ++n) {
        u32 vb[2];
        channels_as_b(vb, vs, i * 16, n * 8);
        mma_bf16(out[n], pa, vb);
      }
    }
  }
  for (int r = 0; r < 2; ++r) {
    total[r] += __shfl_xor_sync(0xFFFFFFFFu, total[r], 1);
    total[r] += __shfl_xor_sync(0xFFFFFFFFu, total[r], 2);
  }
  Y_T* y = (Y_T*)at.p[3] + (b * TIMES * HEADS + h) * DIM;
  store_rows(y, out, q0 + warp * 16, TIMES, (i64)HEADS * DIM, 1.0f / total[0], 1.0f / total[1]);
  if (lane % 4 != 0) return;
  for (int r = 0; r < 2; ++r) {
    const int row = row0 + r * 8;
    if (row < TIMES) ((float*)at.p[4])[(b * HEADS + h) * TIMES + row] = (most[r] + log2f(total[r])) * 0.693147181f;
  }
}
