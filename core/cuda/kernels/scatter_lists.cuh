// Fourth part: the positions of every row in the list of indices, in order. A block a chunk: an index stands behind
// those of earlier chunks and behind the equal ones before it in the chunk.
extern "C" __global__ void KERNEL(const Pointers at) {
  const int* offsets = (const int*)at.p[1] + (i64)blockIdx.x * ROWS;
  const int* starts = (const int*)at.p[2];
  int* list = (int*)at.p[3];
  __shared__ int rows[CHUNK];
  for (int n = threadIdx.x; n < CHUNK; n += BLOCK) {
    const i64 i = (i64)blockIdx.x * CHUNK + n;
    rows[n] = i < COUNT ? ((const int*)at.p[0])[i] : -1;
  }
  __syncthreads();
  for (int n = threadIdx.x; n < CHUNK; n += BLOCK) {
    const int row = rows[n];
    if (row < 0 || row >= ROWS) continue;
    int rank = 0;
    for (int m = 0; m < n; ++m) rank += rows[m] == row ? 1 : 0;
    list[starts[row] + offsets[row] + rank] = (int)((i64)blockIdx.x * CHUNK + n);
  }
}
