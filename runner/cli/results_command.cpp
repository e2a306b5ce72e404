#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>

#include "core/base/file.hpp"
#include "core/base/text.hpp"
#include "runner/cli/commands.hpp"
#include "runner/pipeline/run.hpp"

namespace caddie::cli {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

std::vector<fs::path> complete_runs(const fs::path& folder) {
  std::vector<fs::path> runs;
  std::error_code code;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, code)) {
    if (fs::exists(entry.path() / pipeline::kResultFile, code)) runs.push_back(entry.path());
  }
  std::ranges::sort(runs);
  return runs;
}

Result<Json> read_result(const fs::path& run) {
  const fs::path file = run / pipeline::kResultFile;
  const auto text = read_text(file);
  if (!text) return Error{Code::io, run.string(), "is no complete run: it has no readable result.json"};
  Json json = Json::parse(*text, nullptr, false);
  if (!json.is_object()) return Error{Code::format, file.string(), "is no JSON object"};
  return json;
}

// Bits per byte after a stage, "-" where it was not measured.
std::string after(const Json& result, const std::string& stage) {
  for (const Json& entry : result.value("stages", Json::array())) {
    if (entry.value("name", "") != stage || !entry.contains("bits_per_byte") || !entry["bits_per_byte"].is_number()) continue;
    return fmt::format("{:.4f}{}", entry["bits_per_byte"].get<double>(), entry.value("partial", false) ? "*" : "");
  }
  return "-";
}

void print_row(const Json& result) {
  const Json score = result.value("bits_per_byte", Json());
  const Json bytes = result.value("artifact", Json::object()).value("bytes", Json());
  fmt::print("| {} | {} | {} | {} | {:.0f} | {} | {} | {} | {} | {} |{}\n", result.value("name", "?"), result.value("seed", std::int64_t{0}),
             with_separators(result.value("parameters", std::int64_t{0})), with_separators(result.value("steps", std::int64_t{0})),
             result.value("train_seconds", 0.0), with_separators(static_cast<std::int64_t>(result.value("tokens_per_second", 0.0))),
             after(result, "train"), after(result, "compress"),
             bytes.is_number_integer() ? with_separators(bytes.get<std::int64_t>()) : "-",
             score.is_number() ? fmt::format("{:.4f}", score.get<double>()) : "-", result.value("valid", false) ? "" : " invalid");
}

}  // namespace

void add_results_command(CLI::App& app, Context& context) {
  CLI::App* command = app.add_subcommand("results", "a table of complete runs, in Markdown");
  auto runs = std::make_shared<std::vector<fs::path>>();
  auto folder = std::make_shared<fs::path>("runs");
  command->add_option("run", *runs, "folders of runs; by default all that are complete");
  command->add_option("--runs", *folder, "where runs are")->capture_default_str();
  command->callback([runs, folder, &context] {
    const std::vector<fs::path> chosen = runs->empty() ? complete_runs(*folder) : *runs;
    Json list = Json::array();
    for (const fs::path& run : chosen) {
      auto result = read_result(run);
      if (!result) return report(result.error(), context);
      list.push_back(std::move(*result));
    }
    if (context.json) {
      fmt::print("{}\n", list.dump(2));
      return;
    }
    fmt::print("| run | seed | parameters | steps | train s | tokens/s | bpb trained | bpb packed | artifact B | bpb |\n"
               "|---|---|---|---|---|---|---|---|---|---|\n");
    for (std::size_t i = 0; i < list.size(); ++i) {
      try {
        print_row(list[i]);
      } catch (const Json::exception& error) {
        return report({Code::format, (chosen[i] / pipeline::kResultFile).string(), fmt::format("is not as Caddie writes it: {}", error.what())}, context);
      }
    }
  });
}

}  // namespace caddie::cli
