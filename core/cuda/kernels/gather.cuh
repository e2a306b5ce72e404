// Rows of a table [ROWS, LENGTH]; an index outside gives zeros. A thread an element of y.
extern "C" __global__ void KERNEL(const Pointers at) {
  const INDEX e = (INDEX)blockIdx.x * BLOCK + threadIdx.x;
  if (e >= ELEMENTS) return;
  const int row = ((const int*)at.p[1])[e / LENGTH];
  const bool inside = row >= 0 && row < ROWS;
  const NUMBER value = inside ? load((const X_T*)at.p[0] + (i64)row * LENGTH + e % LENGTH) : (NUMBER)0;
  store((Y_T*)at.p[2] + e, value);
}
