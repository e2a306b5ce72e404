// dx = r dy - x r^3 mean(x dy) with r = 1 / sqrt(mean(x^2) + EPS), a row a block, LANES elements of a thread at a time.
extern "C" __global__ void KERNEL(const Pointers at) {
  const i64 row = blockIdx.x;
  const X_T* x = (const X_T*)at.p[0] + row * X_STRIDE;
  const DY_T* dy = (const DY_T*)at.p[1] + row * DY_STRIDE;
  Y_T* dx = (Y_T*)at.p[2] + row * COLUMNS;
  __shared__ float space[BLOCK / 32];
  float xs[EACH][LANES], dys[EACH][LANES];  // rows are read once
  float squares = 0.0f, both = 0.0f;
  UNROLL
  for (int n = 0; n < EACH; ++n) {
    const int c = (n * BLOCK + (int)threadIdx.x) * LANES;
    for (int j = 0; j < LANES; ++j) xs[n][j] = dys[n][j] = 0.0f;
    if (c < COLUMNS) {
      load_lanes(xs[n], x + c);
      load_lanes(dys[n], dy + c);
    }
    for (int j = 0; j < LANES; ++j) {
      squares += xs[n][j] * xs[n][j];
      both += xs[n][j] * dys[n][j];
    }
  }
  const float r = 1.0f / sqrtf(block_sum(squares, space) / COLUMNS + EPS);
  const float pull = block_sum(both, space) / COLUMNS * r * r;
  UNROLL
  for (int n = 0; n < EACH; ++n) {
    const int c = (n * BLOCK + (int)threadIdx.x) * LANES;
    for (int j = 0; j < LANES; ++j) xs[n][j] = r * (dys[n][j] - xs[n][j] * pull);
    if (c < COLUMNS) store_lanes(dx + c, xs[n]);
  }
}
