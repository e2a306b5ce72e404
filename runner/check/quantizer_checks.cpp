// Quantizers and decorators: tensors there and back, and parts that nobody stored.
#include <fmt/format.h>

#include <cmath>
#include <random>
#include <vector>

#include "core/artifact/parts.hpp"
#include "core/artifact/tensor.hpp"
#include "core/base/text.hpp"
#include "runner/check/checks.hpp"
#include "runner/check/session.hpp"

namespace caddie::check {
namespace {

using artifact::NamedTensor;

NamedTensor tensor(const std::string& name, const std::string& role, graph::Shape shape, double size) {
  NamedTensor made{{name, role, role == "matrix" ? 0 : -1, shape}, {}};
  for (const double value : wave(shape, 3, size).values) made.data.push_back(static_cast<float>(value));
  return made;
}

std::vector<NamedTensor> tensors() {
  return {tensor("blocks.0.attn.q.weight", "matrix", {48, 64}, 0.3),
          tensor("blocks.0.mlp.up.weight", "matrix", {64, 33}, 2),
          tensor("embed.weight", "embedding", {50, 16}, 0.01),
          tensor("skips.weight", "scalar", {7}, 1),
          tensor("one", "scalar", {}, 1),
          tensor("row", "matrix", {1, 128}, 1),
          tensor("column", "matrix", {128, 1}, 1),
          tensor("zeros", "matrix", {32, 32}, 0),
          tensor("large", "matrix", {16, 16}, 1000),
          tensor("tiny", "matrix", {16, 16}, 1e-6)};
}

// Sum of x x^T over irregular inputs.
std::vector<float> moments_of(const NamedTensor& tensor) {
  const auto columns = static_cast<std::size_t>(
      tensor.id.shape.rank() < 2 ? tensor.id.shape.elements() : tensor.id.shape.elements() / tensor.id.shape[0]);
  std::vector<double> sums(columns * columns, 0);
  for (int sample = 0; sample < 40; ++sample) {
    const std::vector<double> x = wave({static_cast<std::int64_t>(columns)}, sample * 31, 1).values;
    for (std::size_t i = 0; i < columns; ++i)
      for (std::size_t k = 0; k < columns; ++k) sums[i * columns + k] += x[i] * x[k];
  }
  return {sums.begin(), sums.end()};
}

// What a decorator stands on: the weights on a coarse grid.
std::vector<float> coarse(const NamedTensor& tensor) {
  float largest = 0;
  for (const float value : tensor.data) largest = std::max(largest, std::fabs(value));
  const float step = largest / 4 + 1e-30f;
  std::vector<float> made;
  for (const float value : tensor.data) made.push_back(std::round(value / step) * step);
  return made;
}

double distance(const std::vector<float>& a, const std::vector<float>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += std::pow(static_cast<double>(a[i]) - static_cast<double>(b[i]), 2);
  return std::sqrt(sum);
}

class Bench {
 public:
  Bench(Subject& subject, plugins::Object object) : subject_(&subject), object_(std::move(object)) {}

  [[nodiscard]] const caddie_quantizer& table() const { return object_.table<caddie_quantizer>(); }
  [[nodiscard]] bool decorates() const { return table().decorator != 0; }

  Result<caddie_parts> encode(const NamedTensor& tensor, bool with_moments) const {
    const caddie_tensor_info info = artifact::info_of(tensor.id);
    const std::vector<float> below = decorates() ? coarse(tensor) : std::vector<float>();
    const std::vector<float> moments = with_moments ? moments_of(tensor) : std::vector<float>();
    caddie_quantize_input input{};
    input.struct_size = sizeof input;
    input.weights = tensor.data.data();
    input.decoded = decorates() ? below.data() : nullptr;
    input.moments = with_moments ? moments.data() : nullptr;
    input.moments_size =
        with_moments ? static_cast<std::uint64_t>(std::lround(std::sqrt(static_cast<double>(moments.size())))) : 0;
    caddie_parts parts;
    parts.room = artifact::max_parts_bytes(tensor.id.shape.elements());
    auto encoded = subject_->calls().run("encode() of " + tensor.id.name, [&](caddie_error* error) {
      return table().encode(object_.abi(), &info, &input, artifact::parts_service(), &parts, error);
    });
    if (!encoded) return encoded.error();
    if (!parts.problem.empty()) throw Failure("encode() of " + tensor.id.name + ": " + parts.problem);
    return parts;
  }

  // Elements beyond the end that were written are found.
  Result<std::vector<float>> decode(const NamedTensor& tensor, const caddie_parts& parts) const {
    constexpr float guard = -54321.0f;
    const caddie_tensor_info info = artifact::info_of(tensor.id);
    std::vector<float> out = decorates() ? coarse(tensor) : std::vector<float>(tensor.data.size(), 12345.0f);
    out.insert(out.end(), 16, guard);
    auto decoded = subject_->calls().run("decode() of " + tensor.id.name, [&](caddie_error* error) {
      return table().decode(object_.abi(), &info, artifact::parts_service(), &parts, out.data(), error);
    });
    for (std::size_t i = tensor.data.size(); i < out.size(); ++i)
      if (out[i] != guard) throw Failure("decode() of " + tensor.id.name + " writes beyond the end of the tensor");
    if (!decoded) return decoded.error();
    out.resize(tensor.data.size());
    return out;
  }

  [[nodiscard]] std::vector<bool> choose(const std::vector<NamedTensor>& list) const {
    std::vector<caddie_tensor_info> infos;
    std::vector<double> norms;
    for (const NamedTensor& tensor : list) {
      infos.push_back(artifact::info_of(tensor.id));
      norms.push_back(distance(tensor.data, coarse(tensor)));
    }
    std::vector<std::uint8_t> chosen(list.size(), 0);
    must(subject_->calls().run("choose()", [&](caddie_error* error) {
      return table().choose(object_.abi(), static_cast<std::uint32_t>(infos.size()), infos.data(), norms.data(),
                            chosen.data(), error);
    }));
    std::vector<bool> flags;
    for (const std::uint8_t flag : chosen) {
      if (flag > 1) throw Failure("choose() sets a flag that is neither 0 nor 1");
      flags.push_back(flag == 1);
    }
    return flags;
  }

  // Those the object is to work on.
  [[nodiscard]] std::vector<NamedTensor> work() const {
    std::vector<NamedTensor> list = tensors();
    if (!decorates()) return list;
    const std::vector<bool> chosen = choose(list);
    std::vector<NamedTensor> taken;
    for (std::size_t i = 0; i < list.size(); ++i)
      if (chosen[i]) taken.push_back(std::move(list[i]));
    return taken;
  }

 private:
  Subject* subject_;
  plugins::Object object_;
};

std::string round_trip(Subject& subject) {
  std::size_t count = 0;
  double worst = 0;
  const std::vector<Configuration> all = subject.configurations();
  for (const Configuration& configuration : all) {
    if (!subject.make(configuration.values)) continue;
    const Bench bench(subject, subject.make_or_fail(configuration.values));
    const Bench other(subject, subject.make_or_fail(configuration.values));
    for (const NamedTensor& tensor : bench.work()) {
      for (const bool with_moments : {false, true}) {
        const std::string what = fmt::format("{} {} (with {}{})", tensor.id.name, tensor.id.shape.text(),
                                             configuration.name, with_moments ? ", calibrated" : "");
        const auto parts = bench.encode(tensor, with_moments);
        if (!parts) {
          if (&configuration == &all.front() && !with_moments)
            throw Failure(fmt::format("refuses {}: {}", what, parts.error().text));
          continue;  // some methods need calibration, or a form of tensor
        }
        if (value_or_fail(bench.encode(tensor, with_moments)).list != parts->list)
          throw Failure(what + ": encodes to other bytes the second time");
        const std::vector<float> decoded = value_or_fail(bench.decode(tensor, *parts));
        if (value_or_fail(other.decode(tensor, *parts)) != decoded)
          throw Failure(what + ": another object decodes the same parts to other values");
        double size = 0;
        for (const float value : decoded) {
          if (!std::isfinite(value)) throw Failure(what + ": decodes to numbers that are not finite");
        }
        for (const float value : tensor.data) size += static_cast<double>(value) * static_cast<double>(value);
        const double error = distance(decoded, tensor.data);
        const double base = bench.decorates() ? distance(coarse(tensor), tensor.data) : std::sqrt(size);
        if (error > base * 1.000001 + 1e-30)
          throw Failure(fmt::format("{}: the error {:.3g} is larger than {} ({:.3g})", what, error,
                                    bench.decorates() ? "without the correction" : "of a tensor of zeros", base));
        if (base > 0) worst = std::max(worst, error / base);
        ++count;
      }
    }
  }
  if (count == 0) throw Failure("takes none of the tensors that were tried");
  return fmt::format("{} round trips, finite, the same twice; relative error at most {:.2g}", count, worst);
}

// Parts come from files: missing, short, long and damaged ones are refused or harmless.
std::string corruption(Subject& subject) {
  const Bench bench(subject, subject.make_or_fail(subject.defaults()));
  const std::vector<NamedTensor> work = bench.work();
  if (work.empty()) throw Skip("takes none of the tensors that were tried");
  const NamedTensor& tensor = work.front();
  const auto encoded = bench.encode(tensor, false);
  const caddie_parts good = encoded ? *encoded : value_or_fail(bench.encode(tensor, true));
  if (good.list.empty()) throw Skip("stores no parts");
  std::size_t tried = 0;
  std::size_t refused = 0;
  const auto attempt = [&](const caddie_parts& parts) {
    ++tried;
    if (!bench.decode(tensor, parts)) ++refused;
  };
  for (std::size_t part = 0; part < good.list.size(); ++part) {
    caddie_parts bad = good;
    bad.list.erase(bad.list.begin() + static_cast<std::ptrdiff_t>(part));
    attempt(bad);
    for (const std::size_t size : {std::size_t{0}, good.list[part].bytes.size() / 2, good.list[part].bytes.size() + 1,
                                   good.list[part].bytes.size() * 3}) {
      bad = good;
      bad.list[part].bytes.resize(size, 0xEE);
      attempt(bad);
    }
  }
  std::mt19937 random(3);
  for (int i = 0; i < 300; ++i) {
    caddie_parts bad = good;
    std::vector<std::uint8_t>& bytes = bad.list[random() % bad.list.size()].bytes;
    if (bytes.empty()) continue;
    for (unsigned change = 0; change <= random() % 4; ++change)
      bytes[random() % bytes.size()] = static_cast<std::uint8_t>(random());
    attempt(bad);
  }
  if (refused == 0) throw Failure("decode() accepts parts that are missing or of a wrong size");
  return fmt::format("{} damaged inputs, {} refused, none harmful", tried, refused);
}

}  // namespace

std::span<const Check> quantizer_checks() {
  static constexpr Check checks[] = {{"round-trip", round_trip}, {"corruption", corruption}};
  return checks;
}

}  // namespace caddie::check
