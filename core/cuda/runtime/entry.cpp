// The library's symbols.
#include "core/cuda/cuda_executor.hpp"
#include "core/cuda/library.hpp"
#include "core/cuda/runtime/cuda_device.hpp"

extern "C" {

__attribute__((visibility("default"))) extern const char* const caddie_cuda_build;
const char* const caddie_cuda_build = CADDIE_VERSION;

__attribute__((visibility("default"))) void caddie_cuda_make_executor(caddie::cuda::LibraryRequest& request) {
  auto device = caddie::cuda::make_cuda_device({request.cache_folder, request.options.threads, request.options.device});
  if (!device) {
    request.made = device.error();
    return;
  }
  request.made = caddie::cuda::make_cuda_executor(std::move(*device), request.options);
}
}
