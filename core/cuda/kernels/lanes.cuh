// LANES elements, one or four.
template <class T>
__device__ inline void load_lanes(float* to, const T* p) {
  if (LANES == 4) load4(to, p);
  else *to = load(p);
}
template <class T>
__device__ inline void store_lanes(T* p, const float* from) {
  if (LANES == 4) store4(p, from);
  else store(p, *from);
}
