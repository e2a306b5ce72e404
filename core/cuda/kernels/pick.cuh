// x [ELEMENTS, LENGTH] at one index a row; outside gives 0.
extern "C" __global__ void KERNEL(const Pointers at) {
  const INDEX e = (INDEX)blockIdx.x * BLOCK + threadIdx.x;
  if (e >= ELEMENTS) return;
  const int column = ((const int*)at.p[1])[e];
  const bool inside = column >= 0 && column < LENGTH;
  store((Y_T*)at.p[2] + e, inside ? load((const X_T*)at.p[0] + (i64)e * LENGTH + column) : (NUMBER)0);
}
