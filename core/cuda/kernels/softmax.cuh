// Softmax (LSE 0) or log-sum-exp (LSE 1) over a row, a row a block.
extern "C" __global__ void KERNEL(const Pointers at) {
  const i64 row = blockIdx.x;
  const X_T* x = (const X_T*)at.p[0] + row * X_STRIDE;
  __shared__ float space[BLOCK / 32];
  float most = __uint_as_float(0xFF800000u);
  for (int c = threadIdx.x; c < COLUMNS; c += BLOCK) most = op_max(most, load(x + c));
  most = block_max(most, space);
  float sum = 0.0f;
  for (int c = threadIdx.x; c < COLUMNS; c += BLOCK) sum += expf(load(x + c) - most);
  sum = block_sum(sum, space);
#if LSE
  if (threadIdx.x == 0) store((Y_T*)at.p[1] + row, most + logf(sum));
#else
  Y_T* y = (Y_T*)at.p[1] + row * COLUMNS;
  const float scale = 1.0f / sum;
  for (int c = threadIdx.x; c < COLUMNS; c += BLOCK) store(y + c, expf(load(x + c) - most) * scale);
#endif
}
