#include "runner/cli/summary.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "core/base/text.hpp"
#include "runner/cli/terminal.hpp"

namespace caddie::cli {
namespace {

using pipeline::Check;
using pipeline::RunResult;
using pipeline::StageResult;

constexpr std::size_t kWidth = 80;

std::string stage_row(const StageResult& stage, std::optional<double> before) {
  const std::string budget = stage.budget_seconds ? fmt::format("/ {:.0f}", *stage.budget_seconds) : "";
  const std::string bpb = stage.bits_per_byte ? fmt::format("{:.4f}{}", *stage.bits_per_byte, stage.partial ? "*" : " ") : "";
  const std::string delta = stage.bits_per_byte && before ? fmt::format("{:+.4f}", *stage.bits_per_byte - *before) : "";
  return fmt::format("  {}{}{} {}{}{}  {}", pad_right(stage.name, 18), pad_left(fmt::format("{:.1f}", stage.seconds), 8),
                     pad_right(" " + budget, 8), pad_right(stage.reused ? "reused" : "", 7), pad_left(bpb, 9), pad_left(delta, 9),
                     stage.remark);
}

std::string stages(const RunResult& result, bool colours) {
  std::string out = styled(fmt::format("  {}{}{} {}{}{}", pad_right("stage", 18), pad_left("seconds", 8), pad_right(" budget", 8),
                                       pad_right("", 7), pad_left("bpb ", 9), pad_left("change", 9)),
                           Style::dim, colours) + "\n";
  std::optional<double> before;
  bool partial = false;
  for (const StageResult& stage : result.stages) {
    out += stage_row(stage, before) + "\n";
    if (stage.bits_per_byte) before = stage.bits_per_byte;
    partial = partial || stage.partial;
  }
  if (partial) out += styled("  * on the first part of the validation text", Style::dim, colours) + "\n";
  return out;
}

// "codes 81.2%, scales 10.1%, ...": the streams that weigh most.
std::string byte_shares(const artifact::SizeTable& sizes) {
  std::vector<artifact::SizeRow> rows = sizes.streams;
  std::ranges::stable_sort(rows, std::greater<>(), &artifact::SizeRow::bytes);
  std::vector<std::string> shares;
  for (std::size_t i = 0; i < std::min<std::size_t>(rows.size(), 5); ++i) {
    shares.push_back(fmt::format("{} {:.1f}%", rows[i].name, 100.0 * static_cast<double>(rows[i].bytes) / static_cast<double>(sizes.total)));
  }
  std::string out;
  for (const std::string& share : shares) out += (out.empty() ? "" : ", ") + share;
  return out;
}

std::string artifact_lines(const RunResult& result) {
  if (result.sizes.total == 0) return "";
  std::string out = fmt::format("  {}{} B, {} B under the cap of {} B\n", pad_right("artifact", 12), with_separators(result.sizes.total),
                                with_separators(result.artifact_cap - result.sizes.total), with_separators(result.artifact_cap));
  out += "  " + pad_right("bytes", 12) + wrap(byte_shares(result.sizes), kWidth - 14, 14) + "\n";
  return out;
}

std::string check_lines(const RunResult& result, bool colours) {
  std::string out;
  for (const Check& check : result.checks) {
    const std::string mark = check.passed ? styled("pass", Style::good, colours) : styled("FAIL", Style::bad, colours);
    out += fmt::format("  {}  {}\n", mark, wrap(fmt::format("{}: {}", check.name, check.text), kWidth - 8, 8));
  }
  for (const std::string& remark : result.remarks) out += "  note  " + wrap(remark, kWidth - 8, 8) + "\n";
  return out;
}

std::string change_text(const train::BlockActivity& block) {
  std::string text;
  for (const auto& [hook, change] : block.change) text += fmt::format("{}{} {:.2g}", text.empty() ? "" : ", ", hook, change);
  return text;
}

// Blocks whose hooks give values of another kind than they are given (embed, head) have no change to tell of.
std::string activity_lines(const RunResult& result, bool colours) {
  if (result.activity.empty()) return "";
  constexpr std::size_t kName = 15;
  constexpr std::size_t kGradient = 9;
  constexpr std::size_t kIndent = 2 + kName + kGradient + 2;
  std::string out = styled(fmt::format("  {}{}  {}", pad_right("block", kName), pad_left("gradient", kGradient),
                                       "|out - in| / |in| at its hooks, first steps"), Style::dim, colours) + "\n";
  for (const train::BlockActivity& block : result.activity) {
    const std::string gradient = block.parameters > 0 ? fmt::format("{:.1e}", block.gradient_norm) : "-";
    out += fmt::format("  {}{}  {}\n", pad_right(block.block, kName), pad_left(gradient, kGradient), hanging(change_text(block), kIndent));
  }
  return out;
}

std::string sentence(const RunResult& result) {
  std::string out = fmt::format("The model of {} parameters trained {} steps at {} tokens/s", with_separators(result.parameters),
                                with_separators(result.steps), with_separators(static_cast<std::int64_t>(result.tokens_per_second)));
  if (result.sizes.total > 0) out += fmt::format(", packed into {} bytes", with_separators(result.sizes.total));
  if (result.bits_per_byte) {
    out += fmt::format(", and needs {:.4f} bits per byte on {} bytes of unseen text", *result.bits_per_byte, with_separators(result.target_bytes));
  }
  return out + ".";
}

}  // namespace

std::string summary(const RunResult& result, const std::string& folder, bool colours) {
  const std::string verdict = result.valid() ? styled("VALID", Style::good, colours) : styled("INVALID", Style::bad, colours);
  std::string out = fmt::format("\n{}  seed {}  {}  {}\n", styled(result.name, Style::bold, colours), result.seed, verdict,
                                styled(result.digest.substr(0, 8), Style::dim, colours));
  out += stages(result, colours);
  out += activity_lines(result, colours);
  out += artifact_lines(result);
  out += check_lines(result, colours);
  out += fmt::format("  {}{}\n\n", pad_right("folder", 12), folder);
  out += wrap(sentence(result), kWidth, 0) + "\n";
  return out;
}

}  // namespace caddie::cli
