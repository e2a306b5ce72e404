// Last part: y = base + the updates of the row's list. A block owns a row and 32 columns; eight lines of threads sum
// equal parts of the list in its order, then the lines are added from the first to the last.
extern "C" __global__ void KERNEL(const Pointers at) {
  const int tiles = (LENGTH + 31) / 32;
  const int row = (int)(blockIdx.x / tiles);
  const int column = (int)(blockIdx.x % tiles) * 32 + (int)(threadIdx.x & 31);
  const int line = (int)(threadIdx.x >> 5);
  const int* starts = (const int*)at.p[1];
  const int* list = (const int*)at.p[2];
  const int begin = starts[row], length = starts[row + 1] - begin;
  const int part = (length + BLOCK / 32 - 1) / (BLOCK / 32);
  const int last = (line + 1) * part < length ? (line + 1) * part : length;
  __shared__ NUMBER sums[BLOCK / 32][32];
  NUMBER sum = 0;
  if (column < LENGTH) {
    for (int n = line * part; n < last; ++n) {
      sum = op_add(sum, load((const U_T*)at.p[3] + (i64)list[begin + n] * LENGTH + column));
    }
  }
  sums[line][threadIdx.x & 31] = sum;
  __syncthreads();
  if (line > 0 || column >= LENGTH) return;
  const i64 e = (i64)row * LENGTH + column;
  sum = load((const X_T*)at.p[0] + e * X_STRIDE);
  for (int n = 0; n < BLOCK / 32; ++n) sum = op_add(sum, sums[n][threadIdx.x & 31]);
  store((Y_T*)at.p[4] + e, sum);
}
