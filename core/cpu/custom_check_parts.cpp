#include "core/cpu/custom_check_parts.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "core/cpu/host_memory.hpp"

namespace caddie::cpu {
namespace {

using Words = std::vector<std::uint32_t>;

constexpr std::int64_t kMostCalls = 4096;                     // of one cut into parts
constexpr std::int64_t kOverlapWork = std::int64_t{1} << 26;  // elements looked at to find who writes what
constexpr std::uint32_t kFills[] = {0x7FC0DEAD, 0x00A5A5A5};  // what stands in outputs before

class PartsCheck {
 public:
  PartsCheck(const graph::CustomKernel& kernel, std::span<const graph::CustomOutput> types,
             std::span<const std::vector<double>> inputs)
      : kernel_(kernel), types_(types), inputs_(inputs) {}

  std::string run() {
    const std::int64_t parts = kernel_.form().parts;
    const Words whole = computed(0, parts, 1, kFills[0]);
    const Words again = computed(0, parts, 1, kFills[1]);
    const Words pieces = computed(0, parts, std::min(parts, kMostCalls), kFills[0]);
    if (!failed_.empty()) return failed_;
    std::size_t outside = 0;  // the words behind each output
    for (std::size_t i = 0; i < whole.size(); ++i) {
      const bool untouched = whole[i] == kFills[0] && again[i] == kFills[1];
      outside += untouched ? 1 : 0;
      if (!untouched && whole[i] != again[i])
        return "it gives other bits from the same inputs the second time, or reads what stands in its outputs";
    }
    if (outside > kernel_.form().outputs.size()) {
      return fmt::format("{} elements of its outputs are never written", outside - kernel_.form().outputs.size());
    }
    if (whole != pieces) return "its bits depend on how its parts are cut into calls";
    return overlap(parts, static_cast<std::int64_t>(whole.size()));
  }

 private:
  // All outputs behind one another after computing [begin, end) in so many calls, the last first.
  Words computed(std::int64_t begin, std::int64_t end, std::int64_t calls, std::uint32_t fill) {
    std::vector<Words> inputs;
    std::vector<const void*> input_pointers;
    for (std::size_t i = 0; i < inputs_.size(); ++i) {
      Words& words = inputs.emplace_back();
      for (const double number : inputs_[i]) words.push_back(word_of(number, types_[i].dtype));
    }
    for (const Words& words : inputs) input_pointers.push_back(words.data());
    std::size_t total = 0;
    std::vector<std::size_t> starts;
    for (const graph::CustomOutput& output : kernel_.form().outputs) {
      starts.push_back(total);
      total += static_cast<std::size_t>(output.shape.elements()) + 1;  // and a word that nobody may write
    }
    Words outputs(total, fill);
    std::vector<void*> output_pointers;
    for (const std::size_t start : starts) output_pointers.push_back(outputs.data() + start);
    const auto scratch = HostMemory::allocate(kernel_.form().scratch_bytes, "scratch");
    const std::vector<Words> before = inputs;
    for (std::int64_t call = calls; scratch && call-- > 0;) {
      const auto done = kernel_.compute({.inputs = input_pointers,
                                         .outputs = output_pointers,
                                         .begin = begin + (end - begin) * call / calls,
                                         .end = begin + (end - begin) * (call + 1) / calls,
                                         .scratch = scratch->data()});
      if (!done) failed_ = done.error().text;
    }
    if (inputs != before) failed_ = "it writes to its inputs, which belong to others";
    for (std::size_t i = 0; i < starts.size(); ++i) {
      const std::size_t after = (i + 1 < starts.size() ? starts[i + 1] : total) - 1;
      if (outputs[after] != fill) failed_ = fmt::format("it writes behind the end of output {}", i);
    }
    return outputs;
  }

  std::string overlap(std::int64_t parts, std::int64_t elements) {
    if (parts * elements > kOverlapWork) return "";
    std::vector<std::int64_t> writer(static_cast<std::size_t>(elements), -1);
    for (std::int64_t part = 0; part < parts; ++part) {
      const Words first = computed(part, part + 1, 1, kFills[0]);
      const Words second = computed(part, part + 1, 1, kFills[1]);
      for (std::size_t i = 0; i < writer.size(); ++i) {
        if (first[i] == kFills[0] && second[i] == kFills[1]) continue;
        if (writer[i] >= 0)
          return fmt::format("its parts {} and {} write the same element; two threads would", writer[i], part);
        writer[i] = part;
      }
    }
    return "";
  }

  const graph::CustomKernel& kernel_;
  std::span<const graph::CustomOutput> types_;
  std::span<const std::vector<double>> inputs_;
  std::string failed_;  // what a call of compute() did wrong
};

}  // namespace

std::uint32_t word_of(double number, graph::DType dtype) {
  std::uint32_t word = 0;
  const auto real = static_cast<float>(number);
  const auto whole = dtype == graph::DType::i32 ? static_cast<std::int32_t>(number) : 0;
  std::memcpy(&word, dtype == graph::DType::f32 ? static_cast<const void*>(&real) : &whole, sizeof word);
  return word;
}

std::string wrong_with_parts(const graph::CustomKernel& kernel, std::span<const graph::CustomOutput> types,
                             std::span<const std::vector<double>> inputs) {
  return PartsCheck(kernel, types, inputs).run();
}

}  // namespace caddie::cpu
