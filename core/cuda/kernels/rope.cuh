// x [B,T,H,D], cos and sin [T,PAIRS]: (a, b) -> (a cos + b sin, b cos - a sin) for channels j and j + PAIRS. A thread
// an element of y.
extern "C" __global__ void KERNEL(const Pointers at) {
  const INDEX e = (INDEX)blockIdx.x * BLOCK + threadIdx.x;
  if (e >= ELEMENTS) return;
  const int j = (int)(e % DIM);
  const INDEX row = e / DIM;
  const i64 h = row % HEADS, t = row / HEADS % TIMES, b = row / HEADS / TIMES;
  const X_T* x = (const X_T*)at.p[0] + b * X_B + t * X_T_STRIDE + h * X_H;
  float y = load(x + j);
  if (j < 2 * PAIRS) {
    const int pair = j < PAIRS ? j : j - PAIRS;
    const float c = load((const COS_T*)at.p[1] + t * PAIRS + pair);
    const float s = load((const SIN_T*)at.p[2] + t * PAIRS + pair);
    y = j < PAIRS ? y * c + load(x + j + PAIRS) * s : y * c - load(x + j - PAIRS) * s;
  }
  store((Y_T*)at.p[3] + e, y);
}
