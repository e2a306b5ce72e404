// nll, log-sum-exp and entropy of a row of logits z [VOCAB], or of CAP tanh(z / CAP) where CAPPED. A row a block; the
// largest logit, the sum and the sum weighted with the logits are kept together in one pass.
extern "C" __global__ void KERNEL(const Pointers at) {
  const i64 row = blockIdx.x;
  const X_T* z = (const X_T*)at.p[0] + row * VOCAB;
  const int target = ((const int*)at.p[1])[row];
  __shared__ float space[BLOCK / 32];
  float most = __uint_as_float(0xFF800000u);
  float sum = 0.0f, weighted = 0.0f;  // of e^(z - most), and of e^(z - most) (z - most)
  for (int c = threadIdx.x; c < VOCAB; c += BLOCK) {
    const float x = SOFTCAP(load(z + c));
    if (x > most) {
      const float down = sum > 0.0f ? most - x : 0.0f;
      const float factor = expf(down);
      weighted = (weighted + down * sum) * factor;
      sum *= factor;
      most = x;
    }
    const float gap = x - most;
    const float weight = expf(gap);
    sum += weight;
    weighted += weight * gap;
  }
  const float all = block_max(most, space);
  const float down = sum > 0.0f ? most - all : 0.0f;
  const float factor = expf(down);
  weighted = block_sum((weighted + down * sum) * factor, space);
  sum = block_sum(sum * factor, space);
  if (threadIdx.x != 0) return;
  const float lse = all + logf(sum);
  const bool inside = target >= 0 && target < VOCAB;
  ((float*)at.p[2])[row] = lse - (inside ? SOFTCAP(load(z + target)) : 0.0f);
  ((float*)at.p[3])[row] = lse;
  ((float*)at.p[4])[row] = logf(sum) - weighted / sum;
}
