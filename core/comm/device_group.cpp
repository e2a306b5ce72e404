#include "core/comm/device_group.hpp"

#include "core/comm/nccl/entry.hpp"
#include "core/comm/on_demand.hpp"

namespace caddie::comm {

Result<std::unique_ptr<DeviceGroup>> open_device_group(ProcessGroup& processes, const std::filesystem::path& program) {
  const auto open = function_of(program, kNcclLibrary, kOpenNcclGroup);
  // All or none: whoever has no library would leave the others waiting.
  const auto everybody = everybodys(processes, static_cast<char>(open ? 1 : 0));
  if (!everybody) return everybody.error();
  if (!open) return open.error();
  for (const char has : *everybody)
    if (has == 0) return Error{Code::unsupported, "", "another process has no NCCL"};
  Result<std::unique_ptr<DeviceGroup>> made = Error{};
  reinterpret_cast<OpenNcclGroup*>(*open)(processes, made);
  return made;
}

}  // namespace caddie::comm
