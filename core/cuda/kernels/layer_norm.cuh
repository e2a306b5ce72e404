// y = (x - mean(x)) / sqrt(var(x) + EPS) * weight + bias, a row a block, LANES elements of a thread at a time. x: X_T,
// rows X_STRIDE apart.
extern "C" __global__ void KERNEL(const Pointers at) {
  const i64 row = blockIdx.x;
  const X_T* x = (const X_T*)at.p[0] + row * X_STRIDE;
  const WEIGHT_T* weight = (const WEIGHT_T*)at.p[1];
  const BIAS_T* bias = (const BIAS_T*)at.p[2];
  Y_T* y = (Y_T*)at.p[3] + row * COLUMNS;
  __shared__ float space[BLOCK / 32];
  float held[EACH][LANES];  // the row is read once
  float sum = 0.0f;
  UNROLL
  for (int n = 0; n < EACH; ++n) {
    const int c = (n * BLOCK + (int)threadIdx.x) * LANES;
    for (int j = 0; j < LANES; ++j) held[n][j] = 0.0f;
    if (c < COLUMNS) load_lanes(held[n], x + c);
    for (int j = 0; j < LANES; ++j) sum += held[n][j];
  }
  const float mean = block_sum(sum, space) / COLUMNS;
  float squares = 0.0f;
  UNROLL
  for (int n = 0; n < EACH; ++n) {
    const int c = (n * BLOCK + (int)threadIdx.x) * LANES;
    for (int j = 0; j < LANES; ++j) {
      held[n][j] -= mean;
      if (c < COLUMNS) squares += held[n][j] * held[n][j];
    }
  }
  const float scale = 1.0f / sqrtf(block_sum(squares, space) / COLUMNS + EPS);
  UNROLL
  for (int n = 0; n < EACH; ++n) {
    const int c = (n * BLOCK + (int)threadIdx.x) * LANES;
    if (c >= COLUMNS) continue;
    float w[LANES], b[LANES];
    load_lanes(w, weight + c);
    load_lanes(b, bias + c);
    for (int j = 0; j < LANES; ++j) held[n][j] = held[n][j] * scale * w[j] + b[j];
    store_lanes(y + c, held[n]);
  }
}
