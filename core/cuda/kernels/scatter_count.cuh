// First part of scatter_add by lists: how often each row stands in each chunk of indices.
// index [COUNT] -> counts [CHUNKS, ROWS]. A block a chunk; counts are whole numbers, so their order does not matter.
extern "C" __global__ void KERNEL(const Pointers at) {
  int* counts = (int*)at.p[1] + (i64)blockIdx.x * ROWS;
  for (int row = threadIdx.x; row < ROWS; row += BLOCK) counts[row] = 0;
  __syncthreads();
  for (int n = threadIdx.x; n < CHUNK; n += BLOCK) {
    const i64 i = (i64)blockIdx.x * CHUNK + n;
    const int row = i < COUNT ? ((const int*)at.p[0])[i] : -1;
    if (row >= 0 && row < ROWS) atomicAdd(counts + row, 1);
  }
}
