// Counter-based random numbers (Philox 4x32-10, Salmon et al. 2011): a pure function of key, site and element, so every
// device and rank layout draws the same bits. Any thread.
//
// Same bits everywhere needs the same arithmetic everywhere: what follows the integer rounds uses only IEEE additions,
// multiplications, divisions and square roots of doubles in the order written, never fused, and no library function.
#pragma once

#include <array>
#include <cstdint>

namespace caddie::graph {

// The bare generator: ten rounds on a counter under a key.
std::array<std::uint32_t, 4> philox4x32_10(std::array<std::uint32_t, 4> counter, std::array<std::uint32_t, 2> key);

// Four 32-bit words for one block of four elements. Key: seed and stream mixed; counter: the block in the low half,
// step and site mixed in the high half.
std::array<std::uint32_t, 4> philox(std::uint64_t seed, std::uint64_t stream, std::uint64_t step, std::uint64_t site,
                                    std::uint64_t block);

// Elements 4*block ... 4*block+3 of a site's field: uniform in [0, 1) with 24 bits, and standard normal (Box-Muller on
// pairs of words, 32 bits each).
std::array<float, 4> uniform_block(const std::array<std::uint32_t, 4>& words);
std::array<float, 4> normal_block(const std::array<std::uint32_t, 4>& words);

// One element of a site's field.
float uniform_at(std::uint64_t seed, std::uint64_t stream, std::uint64_t step, std::uint64_t site,
                 std::uint64_t element);
float normal_at(std::uint64_t seed, std::uint64_t stream, std::uint64_t step, std::uint64_t site,
                std::uint64_t element);

// What random_uniform and random_normal make of a unit number; never `high` itself unless low equals it.
float scaled_uniform(float unit, double low, double high);
float scaled_normal(float unit, double mean, double std);

}  // namespace caddie::graph
