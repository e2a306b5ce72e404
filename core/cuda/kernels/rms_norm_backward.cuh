// dx = r dy - x r^3 mean(x dy) with r = 1 / sqrt(mean(x^2) + EPS), a row a block.
extern "C" __global__ void KERNEL(const Pointers at) {
  const i64 row = blockIdx.x;
  const X_T* x = (const X_T*)at.p[0] + row * X_STRIDE;
  const DY_T* dy = (const DY_T*)at.p[1] + row * DY_STRIDE;
  Y_T* dx = (Y_T*)at.p[2] + row * COLUMNS;
  __shared__ float space[BLOCK / 32];
  float squares = 0.0f, both = 0.0f;
  for (int c = threadIdx.x; c < COLUMNS; c += BLOCK) {
    const float v = load(x + c);
    squares += v * v;
    both += v * load(dy + c);
  }
  const float r = 1.0f / sqrtf(block_sum(squares, space) / COLUMNS + EPS);
  const float pull = block_sum(both, space) / COLUMNS * r * r;
  for (int c = threadIdx.x; c < COLUMNS; c += BLOCK) store(dx + c, r * (load(dy + c) - load(x + c) * pull));
}
