// Running sums along an axis: a thread a line; f32 sums are carried in double.
extern "C" __global__ void KERNEL(const Pointers at) {
  const INDEX line = (INDEX)blockIdx.x * BLOCK + threadIdx.x;
  if (line >= LINES) return;
  const i64 start = line / INNER * LENGTH * INNER + line % INNER;
  const X_T* x = (const X_T*)at.p[0] + start;
  Y_T* y = (Y_T*)at.p[1] + start;
  SUM sum = 0;
  for (int n = 0; n < LENGTH; ++n) {
    const i64 i = (i64)(REVERSE ? LENGTH - 1 - n : n) * INNER;
    sum += (SUM)load(x + i);
    store(y + i, (NUMBER)sum);
  }
}
