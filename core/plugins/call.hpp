// Calls into plugins: codes and records become Errors, and a C++ exception that a plugin lets escape does too.
#pragma once

#include <exception>
#include <string>
#include <string_view>

#include "caddie/abi.h"
#include "core/base/result.hpp"
#include "core/plugins/object.hpp"

namespace caddie::plugins {

// Runs `call(caddie_error*) -> caddie_code`. An exception out of a plugin is a mistake of that plugin (the SDK's base
// classes let none out); where its run-time library allows it, it is caught here. `where` names the instance.
template <class Call>
Result<void> call_plugin(std::string_view where, Call&& call) {
  caddie_error record = fresh_error();
  caddie_code code = CADDIE_OK;
  try {
    code = call(&record);
  } catch (const std::exception& exception) {
    return Error{Code::abi, std::string(where),
                 std::string("the plugin let a C++ exception escape: ") + exception.what()};
  } catch (...) {
    return Error{Code::abi, std::string(where), "the plugin let a C++ exception of unknown type escape"};
  }
  if (code != CADDIE_OK) return to_error(code, record, where);
  return {};
}

}  // namespace caddie::plugins
