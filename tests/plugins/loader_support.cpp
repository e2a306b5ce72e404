#include "tests/plugins/loader_support.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <stdexcept>

#include "core/plugins/config.hpp"
#include "test_paths.hpp"

namespace caddie::plugins::test {

using nlohmann::json;

std::vector<std::vector<std::int32_t>> telling_shards(const std::vector<std::size_t>& sizes) {
  std::vector<std::vector<std::int32_t>> shards;
  for (std::size_t shard = 0; shard < sizes.size(); ++shard) {
    std::vector<std::int32_t> tokens(sizes[shard]);
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      tokens[i] = static_cast<std::int32_t>(shard) * kShardStep + static_cast<std::int32_t>(i);
    }
    shards.push_back(std::move(tokens));
  }
  return shards;
}

std::uint64_t bits_for(std::uint64_t value, std::uint64_t n) {
  __extension__ using Wide = unsigned __int128;
  return static_cast<std::uint64_t>((static_cast<Wide>(value) << 64) / n + (value > 0 ? 1 : 0));
}

// A host whose random numbers are the test's; all other services are the real host's.
struct OpenLoader::Injected {
  explicit Injected(Bits given) : bits(std::move(given)), real(1) {
    random = {sizeof random, 0, [](const caddie_host* at, const char* name, uint64_t index) -> uint64_t {
                return static_cast<Injected*>(at->context)->bits(name, index);
              }};
    host = *real.abi();
    host.context = this;
    host.service = [](const caddie_host* at, const char* id) -> const void* {
      auto& self = *static_cast<Injected*>(at->context);
      if (std::string_view(id) == CADDIE_HOST_RANDOM) return &self.random;
      return self.real.abi()->service(self.real.abi(), id);
    };
  }
  Bits bits;
  Host real;
  caddie_host_random random{};
  caddie_host host{};
};

OpenLoader::OpenLoader(std::string_view id, const MemoryShards& shards, const json& config)
    : object_(make_plugin("loader", id, config)) {
  abi_ = object_->abi();
  table_ = &object_->table<caddie_loader>();
  open(shards);
}

OpenLoader::OpenLoader(std::string_view id, const MemoryShards& shards, const json& config, Bits bits)
    : injected_(std::make_unique<Injected>(std::move(bits))) {
  ScanOptions options;
  options.folders = {std::string(CADDIE_BUILD_DIR) + "/lib/caddie/plugins"};
  static const Registry registry = Registry::scan(options);
  const Description* plugin = registry.find("loader", id);
  if (plugin == nullptr) throw std::runtime_error("there is no loader " + std::string(id));
  const auto library = registry.load(*plugin);
  if (!library) throw std::runtime_error(library.error().message());
  json full = json::object();
  for (const auto& [key, schema] : plugin->schema.at("properties").items()) full[key] = schema.at("default");
  for (const auto& [key, value] : config.items()) full[key] = value;
  const caddie_config values = make_config(full);
  caddie_error error = fresh_error();
  if ((*library)->factory->create(&injected_->host, plugin->id.c_str(), &values, &abi_, &error) != CADDIE_OK) {
    throw std::runtime_error(error.text);
  }
  table_ = static_cast<const caddie_loader*>(abi_->query(abi_, CADDIE_LOADER));
  open(shards);
}

OpenLoader::~OpenLoader() {
  if (!object_ && abi_ != nullptr) abi_->destroy(abi_);
}

void OpenLoader::open(const MemoryShards& shards) {
  caddie_error error = fresh_error();
  if (table_->open(abi_, shards.table(), shards.abi(), &error) != CADDIE_OK) throw std::runtime_error(error.text);
}

Rows OpenLoader::next(std::int64_t rows, std::int64_t context, std::int64_t rank, std::int64_t ranks) {
  const auto cells = static_cast<std::size_t>(rows * context);
  std::vector<std::int32_t> tokens(cells, -1);
  std::vector<std::int32_t> targets(cells, -1);
  const bool marks = table_->has_segments(abi_) != 0;
  std::vector<std::int32_t> segments(marks ? cells : 0, -1);
  const caddie_batch batch = {
      sizeof batch, 0, rows, context, rank, ranks, tokens.data(), targets.data(), marks ? segments.data() : nullptr};
  caddie_error error = fresh_error();
  if (table_->next(abi_, &batch, &error) != CADDIE_OK) throw std::runtime_error(error.text);
  Rows made;
  for (std::size_t at = 0; at < cells; at += static_cast<std::size_t>(context)) {
    const auto from = static_cast<std::ptrdiff_t>(at);
    made.tokens.emplace_back(tokens.begin() + from, tokens.begin() + from + context);
    made.targets.emplace_back(targets.begin() + from, targets.begin() + from + context);
    if (marks) made.segments.emplace_back(segments.begin() + from, segments.begin() + from + context);
  }
  return made;
}

std::vector<std::uint8_t> OpenLoader::save() const {
  const auto bytes = object_->save();
  if (!bytes) throw std::runtime_error(bytes.error().message());
  return *bytes;
}

void OpenLoader::load(const std::vector<std::uint8_t>& bytes) {
  if (auto done = object_->load(bytes); !done) throw std::runtime_error(done.error().message());
}

void expect_windows(const Rows& rows) {
  for (std::size_t row = 0; row < rows.tokens.size(); ++row) {
    for (std::size_t i = 0; i < rows.tokens[row].size(); ++i) {
      EXPECT_EQ(rows.targets[row][i], rows.tokens[row][0] + static_cast<std::int32_t>(i) + 1) << "row " << row;
      EXPECT_EQ(rows.tokens[row][i], rows.tokens[row][0] + static_cast<std::int32_t>(i)) << "row " << row;
    }
  }
}

void expect_resumes(std::string_view id, const MemoryShards& shards, const json& config, std::int64_t rows,
                    std::int64_t context) {
  OpenLoader whole(id, shards, config);
  std::vector<std::uint8_t> saved = whole.save();
  for (int batch = 0; batch < 40; ++batch) {
    const Rows expected = whole.next(rows, context);
    OpenLoader fresh(id, shards, config);
    fresh.load(saved);
    EXPECT_EQ(fresh.next(rows, context), expected) << "batch " << batch;
    saved = whole.save();
    EXPECT_EQ(fresh.save(), saved) << "batch " << batch;
  }
}

void expect_same_for_ranks(std::string_view id, const MemoryShards& shards, const json& config) {
  constexpr std::int64_t kRanks = 4;
  constexpr std::int64_t kRows = 2;
  constexpr std::int64_t kContext = 8;
  OpenLoader one(id, shards, config);
  std::vector<std::unique_ptr<OpenLoader>> ranks;
  for (std::int64_t rank = 0; rank < kRanks; ++rank) ranks.push_back(std::make_unique<OpenLoader>(id, shards, config));
  for (int batch = 0; batch < 30; ++batch) {
    Rows expected = one.next(kRows * kRanks, kContext);
    Rows together;
    for (std::int64_t rank = 0; rank < kRanks; ++rank) {
      const Rows part = ranks[static_cast<std::size_t>(rank)]->next(kRows, kContext, rank, kRanks);
      together.tokens.insert(together.tokens.end(), part.tokens.begin(), part.tokens.end());
      together.targets.insert(together.targets.end(), part.targets.begin(), part.targets.end());
      together.segments.insert(together.segments.end(), part.segments.begin(), part.segments.end());
    }
    for (auto* side : {&expected.tokens, &expected.targets, &expected.segments, &together.tokens, &together.targets,
                       &together.segments}) {
      std::ranges::sort(*side);
    }
    EXPECT_EQ(together, expected) << "batch " << batch;
  }
}

void expect_survives_damage(std::string_view id, const MemoryShards& shards, std::int64_t rows, std::int64_t context) {
  OpenLoader whole(id, shards);
  for (int batch = 0; batch < 3; ++batch) whole.next(rows, context);
  const std::vector<std::uint8_t> good = whole.save();
  for (std::size_t length = 0; length < good.size(); ++length) {
    OpenLoader fresh(id, shards);
    EXPECT_NE(message_of([&] { fresh.load({good.begin(), good.begin() + static_cast<std::ptrdiff_t>(length)}); }), "");
  }
  std::mt19937 random(7);
  int refused = 0;
  for (int trial = 0; trial < 2000; ++trial) {
    std::vector<std::uint8_t> bad = good;
    for (unsigned change = 0; change <= random() % 3; ++change) {
      bad[random() % bad.size()] = static_cast<std::uint8_t>(random());
    }
    OpenLoader fresh(id, shards);
    const std::string message = message_of([&] {
      fresh.load(bad);
      expect_windows(fresh.next(rows, context));
    });
    refused += message.empty() ? 0 : 1;
    EXPECT_EQ(message.find("outside the shard"), std::string::npos) << message;
  }
  EXPECT_GT(refused, 0);
}

}  // namespace caddie::plugins::test
