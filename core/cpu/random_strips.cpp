#include "core/cpu/random_strips.hpp"

#include <algorithm>

#include "core/graph/random.hpp"

namespace caddie::cpu {
namespace {

// Blocks of four, cut at both ends.
template <class Block, class Scale>
void draw(const RandomField& field, std::int64_t first, std::int64_t n, float* out, Block block, Scale scale) {
  const std::int64_t end = first + n;
  for (std::int64_t e = first; e < end;) {
    const std::int64_t number = e / 4;
    const auto unit = block(graph::philox(field.key.seed, field.key.stream, field.key.step, field.site,
                                          static_cast<std::uint64_t>(number)));
    for (const std::int64_t stop = std::min(end, 4 * number + 4); e < stop; ++e) {
      *out++ = scale(unit[static_cast<std::size_t>(e - 4 * number)], field.first, field.second);
    }
  }
}

}  // namespace

void draw_uniform(const RandomField& field, std::int64_t first, std::int64_t n, float* out) {
  draw(field, first, n, out, graph::uniform_block, graph::scaled_uniform);
}

void draw_normal(const RandomField& field, std::int64_t first, std::int64_t n, float* out) {
  draw(field, first, n, out, graph::normal_block, graph::scaled_normal);
}

}  // namespace caddie::cpu
