#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <memory>

#include "core/base/text.hpp"
#include "runner/cli/commands.hpp"
#include "runner/cli/terminal.hpp"
#include "runner/pipeline/model_plan.hpp"

namespace caddie::cli {
namespace {

using pipeline::ModelPlan;
using pipeline::PlannedPhase;

std::string phase_name(const PlannedPhase& phase) {
  if (phase.below_scale) return fmt::format("lr < {:g}", *phase.below_scale);
  return phase.from_progress == 0 ? "start" : fmt::format("from {:g} %", 100 * phase.from_progress);
}

bool same_visits(const PlannedPhase& a, const PlannedPhase& b) {
  return a.visits == b.visits && a.encoder_visits == b.encoder_visits;
}

void print_visits(const ModelPlan& plan) {
  for (std::size_t i = 0; i < plan.phases.size(); ++i) {
    const PlannedPhase& phase = plan.phases[i];
    if (i > 0 && same_visits(phase, plan.phases[i - 1])) continue;
    const auto middle = phase.visits.begin() + phase.encoder_visits;
    const std::string text = fmt::format("{} | {}", fmt::join(phase.visits.begin(), middle, " "), fmt::join(middle, phase.visits.end(), " "));
    fmt::print("  {} {}\n", pad_right(i == 0 && plan.phases.size() == 1 ? "all" : phase_name(phase), 12), wrap(text, 80, 15));
  }
}

void print_notes(const ModelPlan& plan) {
  for (std::size_t i = 0; i < plan.phases.size(); ++i) {
    for (const auto& [instance, keys] : plan.phases[i].notes) {
      if (i > 0) {
        const auto before = plan.phases[i - 1].notes.find(instance);
        if (before != plan.phases[i - 1].notes.end() && before->second == keys) continue;
      }
      std::string text;
      for (const auto& [key, value] : keys) {
        std::vector<std::string> parts;
        if (value.is_object()) {
          for (const auto& [visit, entry] : value.items()) parts.push_back(entry.dump());
        } else {
          parts.push_back(value.dump());
        }
        text += fmt::format("{}{} {}", text.empty() ? "" : "; ", key, fmt::join(parts, " "));
      }
      const std::string when = plan.phases.size() > 1 && i > 0 ? " (" + phase_name(plan.phases[i]) + ")" : "";
      fmt::print("  {} {}\n", pad_right(instance, 12), wrap(text + when, 80, 15));
    }
  }
}

void print_plan(const std::string& name, const ModelPlan& plan) {
  const bool colours = colours_on(1);
  fmt::print("{}  {} parameters in {} tensors\n", styled(name, Style::bold, colours), with_separators(plan.parameter_count), plan.parameters.size());
  fmt::print("{}\n", styled(fmt::format("  {} {} {:>8} {:>14}", pad_right("optimizer", 16), pad_right("plugin", 12), "tensors", "parameters"), Style::dim, colours));
  for (const pipeline::PlannedOptimizer& optimizer : plan.optimizers) {
    fmt::print("  {} {} {:>8} {:>14}\n", pad_right(optimizer.name, 16), pad_right(optimizer.use, 12), optimizer.tensors, with_separators(optimizer.parameters));
  }
  if (plan.unowned_count > 0) {
    fmt::print("  {} {:>8} {:>14}\n", pad_right("none, as allowed", 29), std::ranges::count(plan.owner, -1), with_separators(plan.unowned_count));
  }
  fmt::print("{}\n", styled("  visits: encoder half | decoder half", Style::dim, colours));
  print_visits(plan);
  const bool noted = std::ranges::any_of(plan.phases, [](const PlannedPhase& phase) { return !phase.notes.empty(); });
  if (!noted) return;
  fmt::print("{}\n", styled("  notes of the blocks", Style::dim, colours));
  print_notes(plan);
}

}  // namespace

void add_plan_command(CLI::App& app, Context& context) {
  CLI::App* command = app.add_subcommand("plan", "what a manifest builds: parameters, their optimizers, visits of layers");
  auto arguments = std::make_shared<ManifestArguments>();
  add_manifest_arguments(command, arguments.get());
  command->callback([arguments, &context] {
    const auto resolved = resolve_manifest(*arguments, context, false);
    if (!resolved) return;
    const auto plan = pipeline::plan_model(resolved->resolution.manifest, resolved->registry);
    if (!plan) {
      report(plan.error(), context);
      return;
    }
    context.exit_code = kOk;  // plugins of later stages may be missing
    if (context.json) {
      nlohmann::json json = pipeline::to_json(*plan);
      json["name"] = resolved->resolution.manifest.name;
      fmt::print("{}\n", json.dump(2));
    } else {
      print_plan(resolved->resolution.manifest.name, *plan);
    }
  });
}

}  // namespace caddie::cli
