// Tiles of TILE rows of DIM channels in shared memory, as f32; a channel more keeps rows in different banks.

// Rows [first, first + TILE) of heads with rows `stride` apart; zeros behind `count`.
template <class T>
__device__ inline void fill_rows(float* tile, const T* from, int first, int count, i64 stride) {
  for (int i = threadIdx.x; i < TILE * DIM; i += BLOCK) {
    const int r = i / DIM, d = i % DIM;
    tile[r * (DIM + 1) + d] = first + r < count ? load(from + (i64)(first + r) * stride + d) : 0.0f;
  }
}
