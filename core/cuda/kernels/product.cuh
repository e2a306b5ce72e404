// c [batch, M, N] = a [batch, M, K] b [batch, K, N] for operands of any strides: tiles of 32 x 32, two columns a row
// of threads apart. For products that cuBLASLt does not take or that are too small for it. EPILOGUE(x, e, n) is what
// becomes of the sum x of element e, counted from c, in column n.
extern "C" __global__ void KERNEL(const Pointers at) {
  const int tiles_n = (N + 31) / 32, tiles_m = (M + 31) / 32;
  const int tile = (int)(blockIdx.x % (tiles_n * tiles_m));
  const i64 batch = blockIdx.x / (tiles_n * tiles_m);
  const i64 b0 = batch / (BATCH_1 * BATCH_2), b1 = batch / BATCH_2 % BATCH_1, b2 = batch % BATCH_2;
  const A_T* a = (const A_T*)at.p[0] + b0 * A_BATCH_0 + b1 * A_BATCH_1 + b2 * A_BATCH_2;
  const B_T* b = (const B_T*)at.p[1] + b0 * B_BATCH_0 + b1 * B_BATCH_1 + b2 * B_BATCH_2;
  C_T* c = (C_T*)at.p[2];
  const int row0 = tile / tiles_n * 32, column0 = tile % tiles_n * 32;
  const int x = (int)(threadIdx.x & 31), y = (int)(threadIdx.x >> 5);
  __shared__ float left[32][33], right[32][33];
  float sum[4] = {0.0f, 0.0f, 0.0f, 0.0f};
  for (int k0 = 0; k0 < K; k0 += 32) {
    for (int n = 0; n < 4; ++n) {
      // Threads side by side read along the axis that runs fastest in memory.
      const int ar = A_COLUMN == 1 ? y + 8 * n : x, ac = A_COLUMN == 1 ? x : y + 8 * n;
      const int br = B_COLUMN == 1 ? y + 8 * n : x, bc = B_COLUMN == 1 ? x : y + 8 * n;
      const A_T* from_a = a + (i64)(row0 + ar) * A_ROW + (i64)(k0 + ac) * A_COLUMN;
      const B_T* from_b = b + (i64)(k0 + br) * B_ROW + (i64)(column0 + bc) * B_COLUMN;
      left[ar][ac] = row0 + ar < M && k0 + ac < K ? load(from_a) : 0.0f;
      right[br][bc] = k0 + br < K && column0 + bc < N ? load(from_b) : 0.0f;
    }
    __syncthreads();
    for (int k = 0; k < 32; ++k) {
      for (int n = 0; n < 4; ++n) sum[n] += left[y + 8 * n][k] * right[k][x];
    }
    __syncthreads();
  }
  for (int n = 0; n < 4; ++n) {
    const int row = row0 + y + 8 * n, column = column0 + x;
    const i64 e = batch * M * N + (i64)row * N + column;
    if (row < M && column < N) store(c + e, EPILOGUE(sum[n], e, column));
  }
}
