// y = x / sqrt(mean(x^2) + EPS), a row a block. x: X_T, rows X_STRIDE apart; y: Y_T.
extern "C" __global__ void KERNEL(const Pointers at) {
  const i64 row = blockIdx.x;
  const X_T* x = (const X_T*)at.p[0] + row * X_STRIDE;
  Y_T* y = (Y_T*)at.p[1] + row * COLUMNS;
  __shared__ float space[BLOCK / 32];
  float sum = 0.0f;
  for (int c = threadIdx.x; c < COLUMNS; c += BLOCK) {
    const float v = load(x + c);
    sum += v * v;
  }
  const float scale = 1.0f / sqrtf(block_sum(sum, space) / COLUMNS + EPS);
  for (int c = threadIdx.x; c < COLUMNS; c += BLOCK) store(y + c, load(x + c) * scale);
}
