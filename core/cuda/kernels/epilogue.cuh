// What cuBLASLt left of an epilogue, in place: EPILOGUE(x, e, n) of element e in column n.
extern "C" __global__ void KERNEL(const Pointers at) {
  const INDEX e = (INDEX)blockIdx.x * BLOCK + threadIdx.x;
  if (e >= ELEMENTS) return;
  C_T* c = (C_T*)at.p[0];
  store(c + e, EPILOGUE(load(c + e), e, e % N));
}
