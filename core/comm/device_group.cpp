#include "core/comm/device_group.hpp"

#include "core/comm/nccl/entry.hpp"
#include "core/comm/on_demand.hpp"

namespace caddie::comm {

Result<std::unique_ptr<DeviceGroup>> open_device_group(ProcessGroup& processes, const std::filesystem::path& program) {
  const auto open = function_of(program, kNcclLibrary, kOpenNcclGroup);
  // All or none: whoever has no library would leave the others waiting.
  std::vector<char> everybody(static_cast<std::size_t>(processes.size()));
  const char own = open ? 1 : 0;
  const auto all = std::as_writable_bytes(std::span(everybody));
  if (auto done = processes.all_gather(std::as_bytes(std::span(&own, 1)), all); !done) return done.error();
  if (!open) return open.error();
  for (const char has : everybody)
    if (has == 0) return Error{Code::unsupported, "", "another process has no NCCL"};
  Result<std::unique_ptr<DeviceGroup>> made = Error{};
  reinterpret_cast<OpenNcclGroup*>(*open)(processes, made);
  return made;
}

}  // namespace caddie::comm
