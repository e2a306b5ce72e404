// Blocks: in a small model in every mode and phase, with every choice of their options.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "core/train/inert.hpp"
#include "runner/check/checks.hpp"
#include "runner/check/compare.hpp"
#include "runner/check/kernel_duties.hpp"
#include "runner/check/memory.hpp"
#include "runner/check/model_bench.hpp"
#include "runner/check/plain_model.hpp"

namespace caddie::check {
namespace {

using plugins::BuildResult;

constexpr double kGradientTolerance = 1e-6;

// For every configuration that the block does not refuse itself.
template <class Body>
std::size_t for_each_configuration(Subject& subject, Body&& body) {
  std::size_t count = 0;
  const std::vector<Configuration> all = subject.configurations();
  for (const Configuration& configuration : all) {
    if (&configuration != &all.front() && !subject.make(configuration.values)) continue;
    try {
      body(configuration, ModelBench(subject, configuration.values));
      ++count;
    } catch (const Skip& refused) {
      if (&configuration == &all.front()) throw Failure(std::string("refuses its defaults: ") + refused.what());
    } catch (const Failure& failure) {
      if (&configuration == &all.front()) throw;
      throw Failure(fmt::format("with {}: {}", configuration.name, failure.what()));
    }
  }
  return count;
}

std::string kind_name(plugins::HookKind kind) {
  static constexpr const char* names[] = {"plan", "provide", "chain", "init"};
  return names[static_cast<int>(kind)];
}

std::string attach(Subject& subject) {
  const ModelBench bench(subject, subject.defaults());
  if (bench.block().attachments.empty()) throw Failure("attaches to no hook, so it can have no effect");
  std::vector<std::string> names;
  for (const plugins::Attachment& attachment : bench.block().attachments)
    names.push_back(fmt::format("{} ({})", attachment.hook, kind_name(attachment.kind)));
  return fmt::format("{}", fmt::join(names, ", "));
}

// Everything builds, and twice the same.
std::string builds(Subject& subject) {
  std::size_t graphs = 0;
  const std::size_t configurations =
      for_each_configuration(subject, [&](const Configuration& configuration, const ModelBench& bench) {
        const ModelBench again(subject, configuration.values);
        for (const Variation& variation : bench.variations()) {
          const auto built = bench.model().build(variation.request);
          if (!built) throw Failure(fmt::format("{}: {}", variation.name, built.error().message()));
          if (built->graph.text() != again.build(variation.request).graph.text()) {
            throw Failure(fmt::format("{}: two objects with the same options build different graphs", variation.name));
          }
          ++graphs;
        }
      });
  return fmt::format("{} graphs in {} configuration{}, each twice the same", graphs, configurations,
                     configurations == 1 ? "" : "s");
}

// The first failure of a body over models from small to large; nothing when it passes in one of them: what a block does
// may begin at some width or depth.
template <class Body>
std::string in_some_model(Subject& subject, Body&& body) {
  std::optional<Failure> first;
  for (std::size_t size = 0; size < ModelBench::size_count(); ++size) {
    try {
      return body(ModelBench(subject, subject.defaults(), size));
    } catch (const Failure& failure) {
      if (!first) first = failure;
    }
  }
  throw Failure(*first);
}

// Every function that was attached runs in some mode.
std::string hooks_of(const ModelBench& bench) {
  std::set<std::string> ran;
  for (const Variation& variation : bench.variations()) {
    const BuildResult built = bench.build(variation.request);
    for (const plugins::HookCall& call : built.calls) {
      if (call.instance == bench.block().name) ran.insert(call.hook);
    }
  }
  std::vector<std::string> silent;
  std::size_t count = 0;
  for (const plugins::Attachment& attachment : bench.block().attachments) {
    if (attachment.function == nullptr) continue;
    ++count;
    if (!ran.contains(attachment.hook)) silent.push_back(attachment.hook);
  }
  if (count == 0) throw Skip("changes plans or initial values only, which \"inert\" looks at");
  if (silent.empty()) return fmt::format("{} of {} run", count, count);
  const std::string list = fmt::format("{}", fmt::join(silent, ", "));
  const bool known = std::ranges::any_of(silent, [](const std::string& hook) { return plugins::find_hook(hook); });
  if (known) throw Failure(fmt::format("its functions at {} never run in a whole model", list));
  throw Skip(fmt::format("{}: opened by other blocks only, so not tried here", list));
}
std::string hooks(Subject& subject) { return in_some_model(subject, hooks_of); }

// The largest slope of the loss for each parameter of the block, over all modes that have a loss.
std::map<std::string, double> slopes(const ModelBench& bench) {
  std::map<std::string, double> largest;
  for (const Variation& variation : bench.variations()) {
    if (bench.build(variation.request).wire("loss") == 0) continue;
    Session session = bench.session(variation.request);
    session.run(0);
    for (const plugins::TensorDeclaration& tensor : session.built().parameters) {
      if (tensor.instance != bench.block().name) continue;
      double& size = largest.try_emplace(tensor.path, 0).first->second;
      if (!session.has_gradient(tensor.path)) continue;
      for (const double slope : session.gradient(tensor.path)) size = std::max(size, std::abs(slope));
    }
  }
  return largest;
}

std::string inert(Subject& subject) {
  return in_some_model(subject, [](const ModelBench& bench) {
    std::vector<BuildResult> built;
    for (const Variation& variation : bench.variations()) built.push_back(bench.build(variation.request));
    std::vector<const BuildResult*> views;
    for (const BuildResult& build : built) views.push_back(&build);
    const auto changes = train::check_blocks({bench.block().name}, views, {});
    if (!changes) {
      const std::string& text = changes.error().text;
      throw Failure(text.substr(0, text.find(';')) + ", in no mode, phase or size of model that was tried");
    }
    const std::map<std::string, double> largest = slopes(bench);
    std::vector<std::string> without;
    for (const auto& [path, size] : largest) {
      if (size == 0) without.push_back(path);
    }
    if (!without.empty())
      throw Failure(fmt::format("parameters that the loss does not feel: {}", fmt::join(without, ", ")));
    if (largest.empty()) return std::string("changes the model; no parameters of its own");
    return fmt::format("changes the model; {} parameters, each with a gradient", largest.size());
  });
}

std::string gradients(Subject& subject) {
  GradientComparison sum;
  for_each_configuration(subject, [&](const Configuration&, const ModelBench& bench) {
    for (const Variation& variation : bench.variations()) {
      if (variation.request.mode != CADDIE_MODE_TRAIN) continue;
      Session session = bench.session(variation.request);
      session.run(0);
      expect_finite(session, "(" + variation.name + ")");
      const GradientComparison made = session.compare_gradients(kGradientTolerance, 0);
      if (!made.mismatches.empty()) {
        const GradientMismatch& worst = made.mismatches.front();
        throw Failure(
            fmt::format("{}: the gradient of {} says the loss has slope {:.8g} where finite differences in "
                        "float64 measure {:.8g}",
                        variation.name, worst.leaf, worst.expected, worst.measured));
      }
      sum.slopes += made.slopes;
      sum.largest_error = std::max(sum.largest_error, made.largest_error);
    }
  });
  return fmt::format("{} slopes by finite differences, at most {:.0e} off", sum.slopes, sum.largest_error);
}

std::string executors(Subject& subject) {
  const ModelBench bench(subject, subject.defaults());
  std::vector<std::string> texts;
  std::string last;
  for (const Variation& variation : bench.variations())
    last = expect_executors_agree([&](const Machine& machine) { return bench.session(variation.request, machine); });
  return last;
}

std::string threads(Subject& subject) {
  plugins::Dims dims = ModelBench(subject, subject.defaults()).dims();
  if (dims.dim < 64) {
    dims.vocab = 300;
    dims.dim = 64;
    dims.heads = 4;
    dims.kv_heads = 2;
    dims.head_dim = 16;
  }
  const ModelBench bench(subject, subject.defaults(), dims, 4, 48);
  return expect_threads_agree(
      [&](const Machine& machine) { return bench.session(bench.request(CADDIE_MODE_TRAIN), machine); }, 2);
}

std::string kernels(Subject& subject) {
  KernelDuties duties;
  for_each_configuration(subject, [&](const Configuration&, const ModelBench& bench) {
    for (const Variation& variation : bench.variations()) duties.expect(bench.build(variation.request).graph);
  });
  return duties.sentence();
}

// In evaluation: what is said at a position depends on no later token, on no target, and on no other row.
std::string causality(Subject& subject) {
  const ModelBench bench(subject, subject.defaults());
  const plugins::BuildRequest request = bench.request(CADDIE_MODE_EVALUATE);
  const auto context = static_cast<std::size_t>(request.context);
  const auto batch = static_cast<std::size_t>(request.batch);
  const auto vocab = static_cast<std::size_t>(bench.dims().vocab);
  Session session = bench.session(request);
  const std::vector<double> tokens = session.get("tokens");
  const std::vector<double> targets = session.get("targets");
  const auto other = [&](double token) { return static_cast<double>((static_cast<std::size_t>(token) + 1) % vocab); };
  session.run(0);
  const std::vector<double> logits = session.get("logits");
  const std::vector<double> nll = session.get("nll");
  const auto expect_same = [&](std::size_t row, std::size_t position, const char* what) {
    const std::size_t at = row * context + position;
    const std::vector<double> now = session.get("logits");
    const auto from = static_cast<std::ptrdiff_t>(at * vocab);
    if (!std::equal(now.begin() + from, now.begin() + from + static_cast<std::ptrdiff_t>(vocab), logits.begin() + from))
      throw Failure(fmt::format("in evaluation the logits at position {} change with {}", position, what));
  };

  for (std::size_t cut = 1; cut < context; ++cut) {
    std::vector<double> changed = tokens;
    for (std::size_t row = 0; row < batch; ++row)
      for (std::size_t i = cut; i < context; ++i) changed[row * context + i] = other(tokens[row * context + i]);
    session.set("tokens", changed);
    session.run(0);
    for (std::size_t row = 0; row < batch; ++row) {
      for (std::size_t i = 0; i < cut; ++i) {
        expect_same(row, i, "tokens after it");
        if (session.get("nll")[row * context + i] != nll[row * context + i])
          throw Failure(fmt::format("in evaluation the score at position {} changes with tokens after it", i));
      }
    }
  }
  std::vector<double> changed = targets;
  for (double& target : changed) target = other(target);
  session.set("tokens", tokens);
  session.set("targets", changed);
  session.run(0);
  for (std::size_t i = 0; i < context; ++i) expect_same(0, i, "the targets");
  if (batch > 1) {
    changed = tokens;
    for (std::size_t i = 0; i < context; ++i) changed[context + i] = other(changed[context + i]);
    session.set("tokens", changed);
    session.set("targets", targets);
    session.run(0);
    for (std::size_t i = 0; i < context; ++i) expect_same(0, i, "another row of the batch");
  }
  return "no logits depend on later tokens, on targets or on other rows";
}

// Objects may keep what they built with until they are destroyed; afterwards nothing is left.
std::string growth(Subject& subject) {
  const ModelBench bench(subject, subject.defaults());
  const plugins::BuildRequest request = bench.request(CADDIE_MODE_TRAIN);
  const int count = std::clamp(subject.effort().cycles / 100, 20, 100);
  return subject.calls().many("lives of create(), attach(), its functions and destroy()", [&] {
    return repeat_without_growth("a life from create() over a model to destroy()", count, [&] {
      const plugins::Object object = subject.make_unwatched(subject.defaults());
      const plugins::Model own = value_or_fail(plugins::Model::attach(bench.dims(), {{&object, {}, "", {}}}));
      (void)value_or_fail(plugins::Model::of(bench.dims(), with_plain_blocks(own.blocks())).build(request));
    });
  });
}

}  // namespace

std::span<const Check> block_checks() {
  static constexpr Check checks[] = {{"attach", attach},   {"builds", builds},       {"hooks", hooks},
                                     {"inert", inert},     {"gradients", gradients}, {"executors", executors},
                                     {"threads", threads}, {"kernels", kernels},     {"causality", causality},
                                     {"growth", growth}};
  return checks;
}

}  // namespace caddie::check
