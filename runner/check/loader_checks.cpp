// Loaders: batches from shards in memory whose pairs of neighbours are known.
#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <set>
#include <unordered_set>
#include <vector>

#include "core/base/text.hpp"
#include "runner/check/checks.hpp"
#include "runner/check/memory_shards.hpp"
#include "runner/check/state_check.hpp"

namespace caddie::check {
namespace {

constexpr std::int64_t kRows = 4;
constexpr std::int64_t kContext = 32;
constexpr int kBatches = 30;

plugins::Object open_loader(Subject& subject, const nlohmann::json& config, const MemoryShards& shards) {
  plugins::Object object = subject.make_or_fail(config);
  must(subject.calls().run("open()", [&](caddie_error* error) {
    return object.table<caddie_loader>().open(object.abi(), shards.table(), shards.abi(), error);
  }));
  return object;
}

struct Rows {
  std::vector<std::int32_t> tokens, targets, segments;
  bool operator==(const Rows&) const = default;
};

Result<Rows> next_batch(Subject& subject, const plugins::Object& loader, std::int64_t rows = kRows,
                        std::int64_t rank = 0, std::int64_t ranks = 1) {
  const auto cells = static_cast<std::size_t>(rows * kContext);
  constexpr std::size_t guard = 16;
  constexpr std::int32_t untouched = -77;
  Rows batch{std::vector<std::int32_t>(cells + guard, untouched), std::vector<std::int32_t>(cells + guard, untouched),
             std::vector<std::int32_t>(cells + guard, untouched)};
  const auto& table = loader.table<caddie_loader>();
  const bool segments = table.has_segments(loader.abi()) != 0;
  const caddie_batch request = {sizeof request,
                                0,
                                rows,
                                kContext,
                                rank,
                                ranks,
                                batch.tokens.data(),
                                batch.targets.data(),
                                segments ? batch.segments.data() : nullptr};
  const auto made =
      subject.calls().run("next()", [&](caddie_error* error) { return table.next(loader.abi(), &request, error); });
  if (!made) return made.error();
  for (std::vector<std::int32_t>* list : {&batch.tokens, &batch.targets, &batch.segments}) {
    if (std::any_of(list->begin() + static_cast<std::ptrdiff_t>(cells), list->end(),
                    [](std::int32_t value) { return value != untouched; }))
      throw Failure("next() writes beyond the end of the batch");
    list->resize(cells);
  }
  const bool filled = std::ranges::find(batch.tokens, untouched) == batch.tokens.end() &&
                      std::ranges::find(batch.targets, untouched) == batch.targets.end() &&
                      (!segments || std::ranges::find(batch.segments, untouched) == batch.segments.end());
  if (!filled) throw Failure("next() leaves a part of the batch unfilled");
  if (!segments) batch.segments.clear();
  return batch;
}

void expect_windows(const MemoryShards& shards, const Rows& batch, const std::string& where) {
  for (std::size_t i = 0; i < batch.tokens.size(); ++i) {
    if (!shards.has_token(batch.tokens[i]) || !shards.has_token(batch.targets[i]))
      throw Failure(fmt::format("{}: the token {} stands in no shard", where,
                                shards.has_token(batch.tokens[i]) ? batch.targets[i] : batch.tokens[i]));
    if (!shards.follows(batch.tokens[i], batch.targets[i]))
      throw Failure(fmt::format("{}: the target {} does not follow its token {} in the shards", where, batch.targets[i],
                                batch.tokens[i]));
  }
}

std::string batches(Subject& subject) {
  std::size_t tokens = 0;
  std::size_t used = 0;
  const std::vector<Configuration> all = subject.configurations();
  for (const Configuration& configuration : all) {
    if (!subject.make(configuration.values)) continue;
    const MemoryShards shards = MemoryShards::telling({5000, 3000, 4001});
    const plugins::Object loader = open_loader(subject, configuration.values, shards);
    for (int batch = 0; batch < kBatches; ++batch) {
      const Rows rows = value_or_fail(next_batch(subject, loader));
      expect_windows(shards, rows, fmt::format("batch {} with {}", batch, configuration.name));
      tokens += rows.tokens.size();
    }
    ++used;
  }
  return fmt::format("{} tokens in {} configuration{}, each target after its token",
                     with_separators(static_cast<std::int64_t>(tokens)), used, used == 1 ? "" : "s");
}

// The same objects give the same batches.
std::string deterministic(Subject& subject) {
  const MemoryShards shards = MemoryShards::telling({5000, 3000, 4001});
  const plugins::Object one = open_loader(subject, subject.defaults(), shards);
  const plugins::Object two = open_loader(subject, subject.defaults(), shards);
  std::set<std::vector<std::int32_t>> different;
  for (int batch = 0; batch < kBatches; ++batch) {
    const Rows rows = value_or_fail(next_batch(subject, one));
    if (rows != value_or_fail(next_batch(subject, two)))
      throw Failure(fmt::format("batch {} of two loaders with the same seed differs", batch));
    different.insert(rows.tokens);
  }
  if (different.size() < 2) throw Failure("gives the same batch again and again");
  return fmt::format("{} batches, the same from two objects", kBatches);
}

std::string resumes(Subject& subject) {
  const MemoryShards shards = MemoryShards::telling({5000, 3000, 4001});
  const plugins::Object whole = open_loader(subject, subject.defaults(), shards);
  for (int batch = 0; batch < kBatches; ++batch) {
    const std::vector<std::uint8_t> saved = value_or_fail(save_state(subject, whole));
    const plugins::Object resumed = open_loader(subject, subject.defaults(), shards);
    must(load_state(subject, resumed, saved, subject.descriptor().state_version));
    if (value_or_fail(next_batch(subject, resumed)) != value_or_fail(next_batch(subject, whole)))
      throw Failure(fmt::format("after its position was saved and loaded, batch {} is another", batch));
  }
  return fmt::format("saved and loaded before each of {} batches, which stay the same", kBatches);
}

// What ranks take together is what one rank takes, up to the order of rows.
std::string ranks(Subject& subject) {
  constexpr std::int64_t kRanks = 2;
  const MemoryShards shards = MemoryShards::telling({5000, 3000, 4001});
  const plugins::Object one = open_loader(subject, subject.defaults(), shards);
  std::vector<plugins::Object> several;
  for (std::int64_t rank = 0; rank < kRanks; ++rank)
    several.push_back(open_loader(subject, subject.defaults(), shards));
  const auto rows_of = [](const Rows& batch, std::multiset<std::vector<std::int32_t>>& rows) {
    for (std::size_t at = 0; at < batch.tokens.size(); at += kContext) {
      const auto from = static_cast<std::ptrdiff_t>(at);
      rows.insert({batch.tokens.begin() + from, batch.tokens.begin() + from + kContext});
    }
  };
  for (int batch = 0; batch < kBatches / 2; ++batch) {
    std::multiset<std::vector<std::int32_t>> expected;
    std::multiset<std::vector<std::int32_t>> together;
    rows_of(value_or_fail(next_batch(subject, one, kRows * kRanks)), expected);
    for (std::int64_t rank = 0; rank < kRanks; ++rank)
      rows_of(value_or_fail(next_batch(subject, several[static_cast<std::size_t>(rank)], kRows, rank, kRanks)),
              together);
    if (expected != together)
      throw Failure(
          fmt::format("two ranks together take other rows than one rank does (batch {}); a run's result must not "
                      "depend on the ranks",
                      batch));
  }
  return "two ranks take the rows that one would";
}

std::string state(Subject& subject) {
  const MemoryShards shards = MemoryShards::telling({5000, 3000, 4001});
  return check_state(
      subject,
      [&] {
        plugins::Object loader = open_loader(subject, subject.defaults(), shards);
        for (int batch = 0; batch < 3; ++batch) (void)value_or_fail(next_batch(subject, loader));
        return loader;
      },
      [&] { return open_loader(subject, subject.defaults(), shards); },
      [&](const plugins::Object& loader) {
        const auto rows = next_batch(subject, loader);
        if (rows) expect_windows(shards, *rows, "after a damaged state");
      });
}

// Shards that hold too little are refused, or served.
std::string small(Subject& subject) {
  std::size_t refused = 0;
  const std::vector<std::vector<std::size_t>> sizes = {{}, {1}, {2}, {20}, {33}, {34}, {1, 1, 200}};
  for (const std::vector<std::size_t>& shard_sizes : sizes) {
    const MemoryShards shards = MemoryShards::telling(shard_sizes);
    plugins::Object object = subject.make_or_fail(subject.defaults());
    const auto opened = subject.calls().run("open() of tiny shards", [&](caddie_error* error) {
      return object.table<caddie_loader>().open(object.abi(), shards.table(), shards.abi(), error);
    });
    if (!opened) {
      ++refused;
      continue;
    }
    for (int batch = 0; batch < 3; ++batch) {
      const auto rows = next_batch(subject, object);
      if (rows) expect_windows(shards, *rows, "from tiny shards");
    }
  }
  return fmt::format("{} of {} sets of tiny shards refused at once, none harmful", refused, sizes.size());
}

}  // namespace

std::span<const Check> loader_checks() {
  static constexpr Check checks[] = {{"batches", batches}, {"repeatable", deterministic},
                                     {"resumes", resumes}, {"ranks", ranks},
                                     {"state", state},     {"small", small}};
  return checks;
}

}  // namespace caddie::check
