// scatter_add for few rows and indices: a thread owns an element of y and goes through all indices in order.
extern "C" __global__ void KERNEL(const Pointers at) {
  const INDEX e = (INDEX)blockIdx.x * BLOCK + threadIdx.x;
  if (e >= ELEMENTS) return;
  const int row = (int)(e / LENGTH);
  const i64 column = e % LENGTH;
  NUMBER sum = load((const X_T*)at.p[0] + e * X_STRIDE);
  for (int n = 0; n < COUNT; ++n) {
    if (((const int*)at.p[1])[n] == row) sum = op_add(sum, load((const U_T*)at.p[2] + (i64)n * LENGTH + column));
  }
  store((Y_T*)at.p[3] + e, sum);
}
