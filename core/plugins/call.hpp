// Calls into plugins: codes and records become Errors, and a C++ exception that a plugin lets escape does too.
//
// An exception out of a plugin is a mistake of that plugin (the SDK's base classes let none out); where its run-time
// library allows it, it is caught here.
#pragma once

#include <cstdio>
#include <exception>
#include <string>
#include <string_view>

#include "caddie/abi.h"
#include "core/base/result.hpp"
#include "core/plugins/object.hpp"

namespace caddie::plugins {

// Runs `call() -> caddie_code`; what escapes becomes CADDIE_ERROR_ABI and the record's text.
template <class Call>
caddie_code guarded(caddie_error& record, Call&& call) {
  try {
    return call();
  } catch (const std::exception& exception) {
    std::snprintf(record.text, sizeof record.text, "the plugin let a C++ exception escape: %s", exception.what());
  } catch (...) {
    std::snprintf(record.text, sizeof record.text, "the plugin let a C++ exception of unknown type escape");
  }
  record.where[0] = '\0';
  return CADDIE_ERROR_ABI;
}

// Runs `call(caddie_error*) -> caddie_code`. `where` names the instance.
template <class Call>
Result<void> call_plugin(std::string_view where, Call&& call) {
  caddie_error record = fresh_error();
  const caddie_code code = guarded(record, [&] { return call(&record); });
  if (code != CADDIE_OK) return to_error(code, record, where);
  return {};
}

}  // namespace caddie::plugins
