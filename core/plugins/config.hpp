// The configuration of one object behind the ABI's opaque type. Lives until create() returns.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "caddie/abi.h"

struct caddie_config {
  nlohmann::json values;
  std::string canonical;
};

namespace caddie::plugins {

caddie_config make_config(const nlohmann::json& values);
const caddie_host_config* config_service();

}  // namespace caddie::plugins
