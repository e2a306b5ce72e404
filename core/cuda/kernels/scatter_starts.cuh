// Third part: where each row's list begins. totals [ROWS] -> starts [ROWS + 1]. One block; each thread sums a range of
// rows, then the ranges are put behind each other.
extern "C" __global__ void KERNEL(const Pointers at) {
  const int* totals = (const int*)at.p[0];
  int* starts = (int*)at.p[1];
  const int each = (ROWS + BLOCK - 1) / BLOCK;
  const int first = (int)threadIdx.x * each;
  __shared__ int sums[BLOCK];
  int sum = 0;
  for (int row = first; row < first + each && row < ROWS; ++row) sum += totals[row];
  sums[threadIdx.x] = sum;
  __syncthreads();
  int before = 0;
  for (int t = 0; t < (int)threadIdx.x; ++t) before += sums[t];
  for (int row = first; row < first + each && row < ROWS; ++row) {
    starts[row] = before;
    before += totals[row];
  }
  if (threadIdx.x == BLOCK - 1) starts[ROWS] = before;
}
