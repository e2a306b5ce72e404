#include "runner/cli/exit_codes.hpp"

#include "runner/pipeline/interrupt.hpp"

namespace caddie::cli {

int exit_code_of(const Error& error) {
  switch (error.code) {
    case Code::abi:
      return kPlugin;
    case Code::cancelled:
      return 128 + pipeline::interrupt_signal();
    case Code::internal:
      return kInternal;
    default:
      return kRunFailed;
  }
}

}  // namespace caddie::cli
