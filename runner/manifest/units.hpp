// Numbers with a unit, as manifests write them: "600s", "10min", "15.9MB", "512KiB". Any thread.
#pragma once

#include <cstdint>
#include <string_view>

#include "core/base/result.hpp"

namespace caddie::manifest {

// Units: us, ms, s, sec, min, h, d; a number without a unit is in seconds.
Result<double> parse_seconds(std::string_view text);

// Units: B, kB/KB, MB, GB (powers of 1000), KiB, MiB, GiB or Ki, Mi, Gi (powers of 1024); without a unit bytes.
// Exact: a value that is not a whole number of bytes is an error.
Result<std::int64_t> parse_byte_count(std::string_view text);

}  // namespace caddie::manifest
