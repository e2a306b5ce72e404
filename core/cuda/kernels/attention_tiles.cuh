// Tiles of bfloat16 in shared memory for products by tensor cores, 64 rows of DIM channels; a row and 8 channels more
// keep rows in different banks. Four warps; each owns 16 rows of what the block makes.
#define PITCH (DIM + 8)

// Rows [first, first + 64) of heads with rows `stride` apart; zeros behind `count`.
__device__ inline void fill_tile(bf16* tile, const bf16* from, int first, int count, i64 stride) {
  struct alignas(16) Eight {
    u32 at[4];
  };
  for (int i = threadIdx.x; i < 64 * (DIM / 8); i += BLOCK) {
    const int row = i / (DIM / 8), channel = i % (DIM / 8) * 8;
    Eight x = {{0, 0, 0, 0}};
    if (first + row < count) x = *(const Eight*)(from + (i64)(first + row) * stride + channel);
    *(Eight*)(tile + row * PITCH + channel) = x;
  }
}

// Operand a: rows row .. row+15, channels k .. k+15 of a tile.
__device__ inline void rows_as_a(u32* a, const bf16* tile, int row, int k) {
  const int lane = (int)(threadIdx.x & 31);
  const bf16* at = tile + (row + lane / 4) * PITCH + k + lane % 4 * 2;
  a[0] = *(const u32*)at;
  a[1] = *(const u32*)(at + 8 * PITCH);
  a[2] = *(const u32*)(at + 8);
  a[3] = *(const u32*)(at + 8 * PITCH + 8);
}
// Operand b: its columns are rows n .. n+7 of a tile, summed over channels k .. k+15.
__device__ inline void rows_as_b(u32* b, const bf16* tile, int n, int k) {
  const int lane = (int)(threadIdx.x & 31);
  const bf16* at = tile + (n + lane / 4) * PITCH + k + lane % 4 * 2;
  b[0] = *(const u32*)at;
  b[1] = *(const u32*)(at + 8);
}
// Operand b: its columns are channels n .. n+7 of a tile, summed over rows k .. k+15.
__device__ inline void channels_as_b(u32* b, const bf16* tile, int k, int n) {
  const int lane = (int)(threadIdx.x & 31);
  const bf16* at = tile + (k + lane % 4 * 2) * PITCH + n + lane / 4;
  b[0] = (u32)at[0].bits | ((u32)at[PITCH].bits << 16);
  b[1] = (u32)at[8 * PITCH].bits | ((u32)at[9 * PITCH].bits << 16);
}
// Two results [16,8] side by side as operand a [16,16].
__device__ inline void results_as_a(u32* a, const float* left, const float* right) {
  a[0] = pack_bf16(left[0], left[1]);
  a[1] = pack_bf16(left[2], left[3]);
  a[2] = pack_bf16(right[0], right[1]);
  a[3] = pack_bf16(right[2], right[3]);
}

// COUNT results [16, 8] side by side.
template <int COUNT>
__device__ inline void clear(float (*sums)[4]) {
  for (int n = 0; n < COUNT; ++n) {
    for (int j = 0; j < 4; ++j) sums[n][j] = 0.0f;
  }
}

// Products of rows row .. row+15 of one tile with rows column .. column+15 of another, over all channels, of two pairs
// of tiles: scores from queries and keys, and from gradients and values what their weights' slopes are made of.
__device__ inline void scores_and_slopes(float (*scores)[4], float (*slopes)[4], const bf16* of_scores,
                                         const bf16* of_slopes, int row, const bf16* with_scores,
                                         const bf16* with_slopes, int column) {
  clear<2>(scores);
  clear<2>(slopes);
  for (int i = 0; i < DIM / 16; ++i) {
    u32 a[4], da[4];
    rows_as_a(a, of_scores, row, i * 16);
    rows_as_a(da, of_slopes, row, i * 16);
    for (int n = 0; n < 2; ++n) {
      u32 b[2], db[2];
      rows_as_b(b, with_scores, column + n * 8, i * 16);
      rows_as_b(db, with_slopes, column + n * 8, i * 16);
      mma_bf16(scores[n], a, b);
      mma_bf16(slopes[n], da, db);
    }
  }
}
// Of a score: its weight, and the slope of the loss in the score. lse is times log2(e).
__device__ inline void weigh(float* score, float* slope, bool seen, float lse, float delta) {
  *score = seen ? exp2f(*score * (SCALE * 1.44269504f) - lse) : 0.0f;
  *slope = *score * (*slope - delta) * SCALE;
}

// A result [16, DIM] to rows first + 0 .. 15 (below `count`) that are `stride` apart.
template <class Out>
__device__ inline void store_rows(Out* to, const float (*sums)[4], int first, int count, i64 stride, float upper,
                                  float lower) {
  const int lane = (int)(threadIdx.x & 31);
  for (int n = 0; n < DIM / 8; ++n) {
    for (int j = 0; j < 4; ++j) {
      const int row = first + lane / 4 + j / 2 * 8;
      if (row < count) store(to + row * stride + n * 8 + lane % 4 * 2 + j % 2, sums[n][j] * (j < 2 ? upper : lower));
    }
  }
}
