// Moving average before attention: every channel of the normalised input is mixed with its own damped exponential
// moving average over time (Mega, Ma et al. 2022, arXiv:2209.10655; one dimension a channel).
//
//   y_t = a x_t + (1 - a d) y_{t-1},   a = sigmoid(alpha), d = sigmoid(delta) for each channel
//   x_t <- omega x_t + eta y_t
//
// The recurrence is a custom kernel: one pass over time. In operations it takes log2(T) passes of doubling.
#include <caddie/plugin.hpp>

#include <algorithm>
#include <cmath>

namespace {

using namespace caddie;

// y_t = p y_{t-1} + u_t along time, for each channel; backwards in time: y_t = p y_{t+1} + u_t.
// u [B,T,D], p [D] -> y [B,T,D]
struct DecayScan {
  static constexpr const char* name = "decay-scan";
  static constexpr int64_t kChannels = 64;  // of one part: a part is one row of the batch and 64 channels
  struct Parameters {
    int64_t backwards;
  };

  static Value emit(const Graph& g, Value u, Value p, bool backwards) {
    const auto [B, T, D] = u.dims<3>();
    const int64_t parts = B * ((D + kChannels - 1) / kChannels);
    return emit_kernel<DecayScan>(g, {.inputs = {u, p}, .outputs = {{B, T, D}}, .parts = parts},
                                  Parameters{backwards})[0];
  }

  static void compute(const KernelRange& at) {
    const int64_t D = at.in_dim(0, 2);
    const int64_t blocks = (D + kChannels - 1) / kChannels;
    for (int64_t part = at.begin(); part < at.end(); ++part) {
      const int64_t first = part % blocks * kChannels;
      const int64_t row = part / blocks * at.in_dim(0, 1) * D;
      if (D - first >= kChannels) {
        scan<kChannels>(at, row + first, first, kChannels);
      } else {
        scan<0>(at, row + first, first, D - first);
      }
    }
  }

  // `offset`: of the part's first element at time 0. A width known to the compiler gives vector instructions.
  template <int64_t Width>
  static void scan(const KernelRange& at, int64_t offset, int64_t first, int64_t given_width) {
    const int64_t width = Width > 0 ? Width : given_width;
    const int64_t T = at.in_dim(0, 1);
    const int64_t D = at.in_dim(0, 2);
    const int64_t step = at.parameters<Parameters>().backwards != 0 ? -D : D;
    const float* u = at.in(0) + offset + (step < 0 ? (T - 1) * D : 0);
    float* y = at.out() + offset + (step < 0 ? (T - 1) * D : 0);
    float decay[kChannels];
    float last[kChannels] = {};
    std::copy_n(at.in(1) + first, width, decay);
    for (int64_t t = 0; t < T; ++t, u += step, y += step) {
      for (int64_t i = 0; i < width; ++i) last[i] = decay[i] * last[i] + u[i];
      std::copy_n(last, width, y);
    }
  }

  // y moved by s places along time, zeros coming in: y_{t-s}, or y_{t+s} backwards.
  static Value moved(const Graph& g, Value y, int64_t s, bool backwards) {
    const int64_t T = y.dim(1);
    return backwards ? g.pad(y, {0, 0, 0}, {0, s, 0}).slice(1, s, T + s)
                     : g.pad(y, {0, s, 0}, {0, 0, 0}).slice(1, 0, T);
  }

  // The sum of the last 2s terms from sums of the last s: y_t <- y_t + p^s y_{t-s}.
  static std::vector<Value> reference(Graph& g, const KernelInputs& in) {
    const bool backwards = in.parameters<Parameters>().backwards != 0;
    Value y = in[0];
    Value power = in[1];
    for (int64_t s = 1; s < in[0].dim(1); s *= 2) {
      y = y + power * moved(g, y, s, backwards);
      power = power * power;
    }
    return {y};
  }

  // du is the same scan the other way, of dy; dp_c = sum of du_t y_{t-1} over rows and time.
  static std::vector<Value> gradient(Graph& g, const KernelGradient& at) {
    const bool backwards = at.inputs.parameters<Parameters>().backwards != 0;
    const Value du = emit(g, at.adjoints[0], at.inputs[1], !backwards);
    return {du, g.sum(du * moved(g, at.outputs[0], 1, backwards), {0, 1})};
  }
};

struct MegaEma : Block {
  static constexpr Identity identity{.id = "mega-ema",
                                     .summary = "each channel mixed with its damped moving average over time",
                                     .citation = "Ma et al. 2022, arXiv:2209.10655",
                                     .kernels = true};

  Number alpha{this, "alpha", 0.3, "weight of the present token where training starts", range(0.001, 0.999)};
  Number delta{this, "delta", 0.9, "damping where training starts", range(0.001, 0.999)};
  Number eta{this, "eta", 0.1, "how much of the average is added where training starts", range(-10, 10)};

  void attach(Hooks& hooks) override { hooks.chain("attn.in", &MegaEma::mix); }

  Value mix(Graph& g, Value x) const {  // x [B, T, D]
    const int64_t D = x.dim(-1);
    const Value a = g.sigmoid(g.parameter("alpha", "scalar", {D}, Init::constant(logit(alpha))));
    const Value d = g.sigmoid(g.parameter("delta", "scalar", {D}, Init::constant(logit(delta))));
    const Value omega = g.parameter("omega", "scalar", {D}, Init::ones());
    const Value strength = g.parameter("eta", "scalar", {D}, Init::constant(eta));
    return omega * x + strength * DecayScan::emit(g, a * x, 1.0 - a * d, false);
  }

 private:
  static double logit(double p) { return std::log(p / (1 - p)); }
};

}  // namespace

CADDIE_EXPORT_PLUGIN(MegaEma)
