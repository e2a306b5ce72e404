// Counter-based random numbers (Philox 4x32-10, Salmon et al. 2011): a pure function of key, site and element, so every
// device and rank layout draws the same bits. Any thread.
#pragma once

#include <array>
#include <cstdint>

namespace caddie::graph {

// Four 32-bit words for one counter. Key: seed and stream mixed; counter: step, site, element / 4.
std::array<std::uint32_t, 4> philox(std::uint64_t seed, std::uint64_t stream, std::uint64_t step, std::uint64_t site,
                                    std::uint64_t block);

// Element number `element` of a site's field: uniform in [0, 1) with 24 bits, and standard normal (Box-Muller).
float uniform_at(std::uint64_t seed, std::uint64_t stream, std::uint64_t step, std::uint64_t site, std::uint64_t element);
float normal_at(std::uint64_t seed, std::uint64_t stream, std::uint64_t step, std::uint64_t site, std::uint64_t element);

}  // namespace caddie::graph
