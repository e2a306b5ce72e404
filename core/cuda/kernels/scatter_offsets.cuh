// Second part: counts become the places of each chunk's entries in the row's list, and each row's number of entries.
// counts [CHUNKS, ROWS] in place, totals [ROWS]. A thread a row.
extern "C" __global__ void KERNEL(const Pointers at) {
  const int row = (int)(blockIdx.x * BLOCK + threadIdx.x);
  if (row >= ROWS) return;
  int sum = 0;
  for (int chunk = 0; chunk < CHUNKS; ++chunk) {
    int* count = (int*)at.p[0] + (i64)chunk * ROWS + row;
    const int here = *count;
    *count = sum;
    sum += here;
  }
  ((int*)at.p[1])[row] = sum;
}
