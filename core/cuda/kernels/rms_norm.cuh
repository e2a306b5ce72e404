// y = x / sqrt(mean(x^2) + EPS), a row a block, LANES elements of a thread at a time. x: X_T, rows X_STRIDE apart.
extern "C" __global__ void KERNEL(const Pointers at) {
  const i64 row = blockIdx.x;
  const X_T* x = (const X_T*)at.p[0] + row * X_STRIDE;
  Y_T* y = (Y_T*)at.p[1] + row * COLUMNS;
  __shared__ float space[BLOCK / 32];
  float held[EACH][LANES];  // the row is read once
  float sum = 0.0f;
  UNROLL
  for (int n = 0; n < EACH; ++n) {
    const int c = (n * BLOCK + (int)threadIdx.x) * LANES;
    for (int j = 0; j < LANES; ++j) held[n][j] = 0.0f;
    if (c < COLUMNS) load_lanes(held[n], x + c);
    for (int j = 0; j < LANES; ++j) sum += held[n][j] * held[n][j];
  }
  const float scale = 1.0f / sqrtf(block_sum(sum, space) / COLUMNS + EPS);
  UNROLL
  for (int n = 0; n < EACH; ++n) {
    const int c = (n * BLOCK + (int)threadIdx.x) * LANES;
    for (int j = 0; j < LANES; ++j) held[n][j] *= scale;
    if (c < COLUMNS) store_lanes(y + c, held[n]);
  }
}
