// The ABI's service for custom kernels: a plugin's kernel as a node of the graph.
#pragma once

#include "caddie/abi.h"

namespace caddie::plugins {

const caddie_host_kernel* kernel_service();

}  // namespace caddie::plugins
