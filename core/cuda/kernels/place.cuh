// Zeros [.., LENGTH] but for one value a row, at its index; values X_STRIDE apart (0: one for all).
extern "C" __global__ void KERNEL(const Pointers at) {
  const INDEX e = (INDEX)blockIdx.x * BLOCK + threadIdx.x;
  if (e >= ELEMENTS) return;
  const i64 row = e / LENGTH;
  const bool here = ((const int*)at.p[1])[row] == (int)(e % LENGTH);
  store((Y_T*)at.p[2] + e, here ? load((const X_T*)at.p[0] + row * X_STRIDE) : (NUMBER)0);
}
