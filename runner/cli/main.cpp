// caddie: runs experiments on small language models from manifests. `caddie --help` lists the commands.
#include <fmt/format.h>

#include <cstdio>
#include <exception>

#include "runner/cli/commands.hpp"
#include "runner/cli/mute.hpp"

namespace {

int run(int argc, char** argv) {
  using namespace caddie::cli;
  CLI::App app("Experiments on small language models, composed from plugins by a JSON manifest.", "caddie");
  app.set_version_flag("--version", std::string("caddie ") + CADDIE_VERSION);
  app.require_subcommand(1);
  app.fallthrough();
  Context context;
  app.add_flag("--json", context.json, "print results as JSON");
  app.add_flag("-q,--quiet", context.quiet, "no progress");
  app.footer("Exit codes: 0 fine, 2 usage, 3 manifest, 4 plugin, 5 run failed, 6 artifact over the cap,\n"
             "7 a check failed, 8 over time, 9 data not sound, 130/143 interrupted. docs/cli.md has more.");
  add_run_command(app, context);
  add_resume_command(app, context);
  add_plan_command(app, context);
  add_results_command(app, context);
  add_validate_command(app, context);
  add_show_command(app, context);
  add_schema_command(app, context);
  add_plugins_command(app, context);
  add_data_command(app, context);
  add_doctor_command(app, context);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int code = app.exit(error);
    return code == 0 ? kOk : kUsage;
  }
  if (context.exit_code != kOk) speak_after_all("");
  return context.exit_code;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::bad_alloc&) {
    std::fputs("caddie: out of memory; use a smaller model, batch or context\n", stderr);
    return caddie::cli::kRunFailed;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "caddie: internal error: %s\n", error.what());
    return caddie::cli::kInternal;
  }
}
