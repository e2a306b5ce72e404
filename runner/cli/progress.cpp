#include "runner/cli/progress.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "core/base/text.hpp"
#include "runner/cli/terminal.hpp"

namespace caddie::cli {
namespace {

std::string bar(double fraction, std::size_t width) {
  const auto full = static_cast<std::size_t>(std::clamp(fraction, 0.0, 1.0) * static_cast<double>(width) + 0.5);
  std::string out;
  for (std::size_t i = 0; i < width; ++i) out += i < full ? "█" : "░";
  return out;
}

// Leaves out fields from the right until the line fits.
std::string fit(const std::vector<std::string>& fields, std::size_t width) {
  std::string line;
  for (const std::string& field : fields) {
    const std::string longer = line.empty() ? field : line + "  " + field;
    if (visible_width(longer) > width) break;
    line = longer;
  }
  return line;
}

double remaining_seconds(const pipeline::TrainProgress& progress) {
  if (progress.fraction <= 0) return 0;
  return progress.elapsed_seconds * (1 - progress.fraction) / progress.fraction;
}

}  // namespace

Progress::Progress(bool quiet) : quiet_(quiet), live_(is_terminal(STDERR_FILENO)), colours_(colours_on(STDERR_FILENO)) {}

Progress::~Progress() { clear(); }

void Progress::clear() {
  if (drawn_) std::fputs("\r\x1b[K", stderr);
  drawn_ = false;
}

bool Progress::due() {
  const auto interval = live_ ? std::chrono::milliseconds(100) : std::chrono::milliseconds(10000);
  const Clock::time_point now = Clock::now();
  if (now - last_ < interval) return false;
  last_ = now;
  return true;
}

void Progress::draw(const std::string& line, bool always) {
  if (quiet_) return;
  if (!live_) {
    std::fprintf(stderr, "%s\n", line.c_str());
    return;
  }
  std::fprintf(stderr, "\r\x1b[K%s", line.c_str());
  drawn_ = !always;
  if (always) std::fputc('\n', stderr);
  std::fflush(stderr);
}

void Progress::begin_stage(std::string_view stage) {
  smoothed_rate_ = 0;
  last_ = live_ ? Clock::time_point() : Clock::now();
  if (live_) draw(styled(stage, Style::bold, colours_) + " ...");
}

void Progress::end_stage(std::string_view stage, double seconds, bool reused) {
  clear();
  draw(fmt::format("{} {}", pad_right(std::string(stage), 18), reused ? "reused" : duration(seconds)), true);
}

void Progress::prepare(const data::Progress& progress) {
  if (!due()) return;
  std::vector<std::string> fields = {"prepare", std::string(progress.stage)};
  if (progress.total > 0) {
    const double fraction = static_cast<double>(progress.done) / static_cast<double>(progress.total);
    fields.push_back(bar(fraction, 20));
    fields.push_back(fmt::format("{:3.0f}%", 100 * fraction));
  }
  draw(fit(fields, static_cast<std::size_t>(terminal_width() - 1)));
}

void Progress::train(const pipeline::TrainProgress& progress) {
  const double rate = static_cast<double>(progress.last.tokens) / std::max(progress.last.seconds, 1e-9);
  smoothed_rate_ = smoothed_rate_ == 0 ? rate : 0.95 * smoothed_rate_ + 0.05 * rate;
  if (!due()) return;
  const std::string steps = progress.steps > 0 ? fmt::format("{}/{}", with_separators(progress.last.step + 1), with_separators(progress.steps))
                                               : with_separators(progress.last.step + 1);
  std::vector<std::string> fields = {"train", bar(progress.fraction, 12), steps,
                                     fmt::format("loss {:.4f}", progress.last.loss.nll),
                                     fmt::format("{} tok/s", with_separators(static_cast<std::int64_t>(smoothed_rate_))),
                                     "ETA " + duration(remaining_seconds(progress))};
  if (progress.budget_seconds > 0) fields.push_back(fmt::format("budget {:.0f}/{:.0f} s", progress.elapsed_seconds, progress.budget_seconds));
  fields.push_back(fmt::format("lr x{:.3f}", progress.last.scale));
  draw(fit(fields, static_cast<std::size_t>(terminal_width() - 1)));
}

void Progress::evaluate(std::string_view what, const score::EvaluationProgress& progress) {
  if (!due()) return;
  const double fraction = static_cast<double>(progress.scored) / static_cast<double>(std::max<std::int64_t>(progress.targets, 1));
  draw(fit({fmt::format("evaluate {}", what), bar(fraction, 16), fmt::format("{:3.0f}%", 100 * fraction),
            fmt::format("{:.4f} bpb so far", progress.totals.bits_per_byte())},
           static_cast<std::size_t>(terminal_width() - 1)));
}

void Progress::note(std::string_view text) {
  clear();
  std::fprintf(stderr, "%s %s\n", styled("note:", Style::warn, colours_).c_str(), std::string(text).c_str());
}

}  // namespace caddie::cli
