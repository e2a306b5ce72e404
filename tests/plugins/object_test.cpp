#include "core/plugins/object.hpp"

#include <gmock/gmock.h>

#include <cstdio>
#include <cstring>
#include <set>

#include "core/base/hash.hpp"
#include "core/graph/random.hpp"
#include "core/plugins/build.hpp"
#include "core/plugins/call.hpp"
#include "core/plugins/stream.hpp"
#include "tests/plugins/fixtures.hpp"

namespace caddie::plugins {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::scan_fixtures;
using testing::TemporaryFolder;

const json kGoodBlock = {{"factor", 3.0}, {"times", 2},       {"enabled", true},
                         {"mode", "add"}, {"layers", {0, 5}}, {"scales", {0.25}}};

// One registry for all tests of this file.
class Objects : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new TemporaryFolder;
    registry_ = new Registry(scan_fixtures(
        *folder_,
        {"good-block", "c-block", "counting-loader", "throwing", "throwing-raw", "twin-a", "twin-b", "needs-absent",
         "needs-argument", "object-null", "object-size-1", "object-no-query", "object-no-destroy", "object-no-state",
         "object-no-table", "table-size-1", "table-no-attach", "create-fails", "id-bad"}));
  }
  static void TearDownTestSuite() {
    delete registry_;
    delete folder_;
  }
  Result<Object> create(std::string_view interface, std::string_view id, const json& config = json::object()) {
    return Object::create(*registry_, interface, id, "mine", config, host_);
  }
  Error refusal(std::string_view interface, std::string_view id, const json& config = json::object()) {
    const auto object = create(interface, id, config);
    EXPECT_FALSE(object.ok()) << id;
    return object.ok() ? Error{} : object.error();
  }

  Host host_{42};
  inline static TemporaryFolder* folder_ = nullptr;
  inline static Registry* registry_ = nullptr;
};

// What attach() asked for, through a table of the test's own.
struct Seen {
  std::string hook;
  std::int32_t phase = 0;
  caddie_hook_function function = nullptr;
  void* user = nullptr;
};
const caddie_host_hooks kHooks = {
    sizeof(caddie_host_hooks), 0,
    [](caddie_hooks*, const char*, caddie_hook_function, void*) -> caddie_code { return CADDIE_ERROR_ARGUMENT; },
    [](caddie_hooks* hooks, const char* hook, std::int32_t phase, caddie_hook_function function,
       void* user) -> caddie_code {
      *reinterpret_cast<Seen*>(hooks) = {hook, phase, function, user};
      return CADDIE_OK;
    },
    [](caddie_hooks*, const char*, caddie_plan_function, void*) -> caddie_code { return CADDIE_ERROR_ARGUMENT; },
    [](caddie_hooks*, const char*, caddie_init_function, void*) -> caddie_code { return CADDIE_ERROR_ARGUMENT; }};

Seen attach(const Object& object) {
  Seen seen;
  caddie_error error = fresh_error();
  EXPECT_EQ(object.table<caddie_block>().attach(object.abi(), &kHooks, reinterpret_cast<caddie_hooks*>(&seen), &error),
            CADDIE_OK)
      << error.text;
  return seen;
}

TEST_F(Objects, ABlockOfTheSdk) {
  auto object = create("block", "good-block", kGoodBlock);
  ASSERT_TRUE(object.ok()) << object.error().message();
  EXPECT_EQ(object->instance(), "mine");
  EXPECT_EQ(object->description().id, "good-block");
  const Seen seen = attach(*object);
  EXPECT_EQ(seen.hook, "logits");
  EXPECT_EQ(seen.phase, 3);
  EXPECT_EQ(object->abi()->query(object->abi(), "caddie.block/1.draftx"), nullptr);
  EXPECT_EQ(object->abi()->query(object->abi(), CADDIE_LOADER), nullptr);
  EXPECT_EQ(object->abi()->query(object->abi(), ""), nullptr);
}

// Both blocks build the same way; the one in C without a line of ours in it.
TEST_F(Objects, BlocksOfBothLanguagesEmitOperations) {
  struct Case {
    const char* id;
    json config;
  };
  const Case cases[] = {{"good-block",
                         {{"factor", 3.0},
                          {"times", 1},
                          {"enabled", true},
                          {"mode", "multiply"},
                          {"layers", json::array()},
                          {"scales", json::array()}}},
                        {"c-block", {{"factor", 3}}}};
  for (const Case& test : cases) {
    auto object = create("block", test.id, test.config);
    ASSERT_TRUE(object.ok()) << object.error().message();
    const Seen seen = attach(*object);
    const std::vector<BlockInstance> none;
    Build build(Dims{}, BuildRequest{}, &none);
    const graph::Value logits =
        build.graph().leaf(graph::LeafKind::input, "logits", graph::DType::f32, graph::Shape{2, 3});
    caddie_value out = 0;
    caddie_error error = fresh_error();
    EXPECT_EQ(seen.function(seen.user, to_abi(&build), &logits, 1, &out, 1, &error), CADDIE_OK) << error.text;
    ASSERT_TRUE(build.status().ok()) << build.status().error().message();
    ASSERT_NE(out, 0u);
    EXPECT_EQ(build.graph().shape(out), (graph::Shape{2, 3})) << test.id;
    EXPECT_EQ(build.graph().nodes()[build.graph().info(out).node].op, graph::Op::mul) << test.id;
  }
}

TEST_F(Objects, WhatDoesNotExist) {
  EXPECT_THAT(refusal("block", "good-blok").text,
              AllOf(HasSubstr("no block plugin \"good-blok\""), HasSubstr("did you mean \"good-block\"")));
  EXPECT_THAT(refusal("optimizer", "good-block").text,
              HasSubstr("is a plugin of the interface block, it cannot be used as optimizer"));
  EXPECT_THAT(refusal("block", "id-bad").text, AllOf(HasSubstr("cannot be used"), HasSubstr("Bad_Id")));
  EXPECT_EQ(refusal("block", "good-blok").where, "mine");
}

TEST_F(Objects, NeedsAreChecked) {
  const Error error = refusal("block", "needs-absent");
  EXPECT_EQ(error.code, Code::unsupported);
  EXPECT_THAT(error.text, HasSubstr("caddie.host.teleport/1"));
  EXPECT_TRUE(create("block", "needs-argument").ok());  // a table that attach() is given
}

TEST_F(Objects, EveryBrokenObjectHasItsOwnSentence) {
  EXPECT_THAT(refusal("block", "object-null").text, HasSubstr("reports success and gives no object"));
  EXPECT_THAT(refusal("block", "object-size-1").text, HasSubstr("caddie_object struct_size 1, less than"));
  EXPECT_THAT(refusal("block", "object-no-query").text, HasSubstr("no function query"));
  EXPECT_THAT(refusal("block", "object-no-destroy").text, HasSubstr("no function destroy"));
  EXPECT_THAT(refusal("block", "object-no-state").text, HasSubstr("no save and load"));
  EXPECT_THAT(refusal("block", "object-no-table").text, HasSubstr("does not have it (query gives NULL)"));
  EXPECT_THAT(refusal("block", "table-size-1").text, HasSubstr("caddie_block struct_size 1, less than"));
  EXPECT_THAT(refusal("block", "table-no-attach").text, HasSubstr("caddie_block has no function attach"));
  const Error error = refusal("block", "create-fails");
  EXPECT_EQ(error.code, Code::device);
  EXPECT_THAT(error.text, HasSubstr("fails with code 6"));
  EXPECT_EQ(error.where, "mine");
}

TEST_F(Objects, ExceptionsBecomeErrors) {
  const auto thrown = [&](const char* what) {
    return refusal("block", "throwing", {{"what", what}, {"in_attach", false}});
  };
  EXPECT_EQ(thrown("failure").text, "factor must not be 7");
  EXPECT_EQ(thrown("failure").code, Code::argument);
  EXPECT_EQ(thrown("runtime").text, "something broke");
  EXPECT_EQ(thrown("runtime").code, Code::internal);
  EXPECT_EQ(thrown("memory").code, Code::memory);
  EXPECT_THAT(thrown("int").text, HasSubstr("no std::exception"));

  auto object = create("block", "throwing", {{"what", "runtime"}, {"in_attach", true}});
  ASSERT_TRUE(object.ok()) << object.error().message();
  Seen seen;
  caddie_error error = fresh_error();
  EXPECT_EQ(
      object->table<caddie_block>().attach(object->abi(), &kHooks, reinterpret_cast<caddie_hooks*>(&seen), &error),
      CADDIE_ERROR_INTERNAL);
  EXPECT_STREQ(error.text, "something broke");
}

TEST_F(Objects, ExceptionsThatEscapeAreCaught) {
  EXPECT_THAT(refusal("schedule", "throws-create").text,
              AllOf(HasSubstr("let a C++ exception escape"), HasSubstr("thrown from create")));
  EXPECT_THAT(refusal("schedule", "throws-query").text, HasSubstr("thrown from query"));
  auto saving = create("schedule", "throws-save");
  ASSERT_TRUE(saving.ok());
  EXPECT_THAT(saving->save().error().text, HasSubstr("unknown type"));
  auto loading = create("schedule", "throws-load");
  ASSERT_TRUE(loading.ok());
  EXPECT_THAT(loading->load({1, 0, 0, 0}).error().text, HasSubstr("thrown from load"));
}

void advance(const Object& loader, std::int64_t tokens) {
  std::vector<std::int32_t> out(static_cast<std::size_t>(2 * tokens));
  const caddie_batch batch = {sizeof(caddie_batch), 0, 1, tokens, 0, 1, out.data(), out.data() + tokens, nullptr};
  caddie_error error = fresh_error();
  ASSERT_EQ(loader.table<caddie_loader>().next(loader.abi(), &batch, &error), CADDIE_OK);
}

TEST_F(Objects, StateGoesThereAndBack) {
  auto first = create("loader", "counting-loader", {{"random_start", false}});
  auto second = create("loader", "counting-loader", {{"random_start", false}});
  ASSERT_TRUE(first.ok() && second.ok());
  advance(*first, 1234);
  const auto state = first->save();
  ASSERT_TRUE(state.ok());
  EXPECT_EQ(state->size(), 4u + 16u);
  EXPECT_EQ((*state)[0], 1);  // the version
  EXPECT_EQ((*state)[4] + 256 * (*state)[5], 1234);
  EXPECT_NE(*second->save(), *state);
  ASSERT_TRUE(second->load(*state).ok());
  EXPECT_EQ(*second->save(), *state);
  EXPECT_EQ(*first->save(), *state);
}

TEST_F(Objects, DamagedStatesAreRefused) {
  auto loader = create("loader", "counting-loader", {{"random_start", false}});
  ASSERT_TRUE(loader.ok());
  advance(*loader, 99);
  const std::vector<std::uint8_t> state = *loader->save();
  for (std::size_t size = 0; size < state.size(); ++size) {
    EXPECT_FALSE(loader->load({state.begin(), state.begin() + static_cast<std::ptrdiff_t>(size)}).ok()) << size;
  }
  for (std::size_t bit = 0; bit < 8 * state.size(); ++bit) {
    auto flipped = state;
    flipped[bit / 8] = static_cast<std::uint8_t>(flipped[bit / 8] ^ (1u << (bit % 8)));
    EXPECT_FALSE(loader->load(flipped).ok()) << bit;
  }
  auto longer = state;
  longer.push_back(0);
  EXPECT_THAT(loader->load(longer).error().text, HasSubstr("longer than expected"));
  auto newer = state;
  newer[0] = 2;
  EXPECT_THAT(loader->load(newer).error().text, HasSubstr("saved in version 2, this plugin knows versions up to 1"));
  EXPECT_TRUE(loader->load(state).ok());

  auto counting = create("block", "c-block", {{"factor", 1}});
  ASSERT_TRUE(counting.ok());
  EXPECT_THAT(counting->load({3, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9, 9}).error().text,
              HasSubstr("2 bytes of its saved state were left over"));
  EXPECT_THAT(counting->load({2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0}).error().text, HasSubstr("unknown version"));
  EXPECT_EQ(*counting->save(), (std::vector<std::uint8_t>{3, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0}));
}

TEST_F(Objects, AStreamMayGiveLittleAtATime) {
  auto loader = create("loader", "counting-loader", {{"random_start", false}});
  ASSERT_TRUE(loader.ok());
  struct Slow {
    std::vector<std::uint8_t> bytes;
    std::size_t at = 0;
  } slow;
  const std::uint64_t position = 77777;
  const std::uint64_t words[2] = {position, ~position};
  slow.bytes.resize(sizeof words);
  std::memcpy(slow.bytes.data(), words, sizeof words);
  const caddie_stream stream = {
      sizeof(caddie_stream), 0, &slow,
      [](const caddie_stream* self, void* to, std::uint64_t size) -> std::int64_t {
        auto& from = *static_cast<Slow*>(self->context);
        const auto count = std::min<std::size_t>({static_cast<std::size_t>(size), 7, from.bytes.size() - from.at});
        std::memcpy(to, from.bytes.data() + from.at, count);
        from.at += count;
        return static_cast<std::int64_t>(count);
      },
      nullptr};
  caddie_error error = fresh_error();
  EXPECT_EQ(loader->abi()->load(loader->abi(), &stream, 1, &error), CADDIE_OK) << error.text;
  const auto saved = *loader->save();
  EXPECT_EQ(std::vector<std::uint8_t>(saved.begin() + 4, saved.end()), slow.bytes);
}

TEST_F(Objects, AnObjectWithoutStateHasNone) {
  auto object = create("block", "good-block", kGoodBlock);
  ASSERT_TRUE(object.ok());
  EXPECT_TRUE(object->save()->empty());
  EXPECT_TRUE(object->load({}).ok());
  EXPECT_THAT(object->load({1, 2}).error().text, HasSubstr("2 bytes of state were saved for it, and it keeps none"));
}

TEST_F(Objects, TwoFilesFromOneSourceKeepApart) {
  auto a = create("schedule", "twin-a");
  auto b = create("schedule", "twin-b");
  ASSERT_TRUE(a.ok() && b.ok());
  const caddie_step step{};
  const auto ask = [&](const Object& object) { return object.table<caddie_schedule>().scale(object.abi(), &step); };
  EXPECT_EQ(ask(*a), 101);
  EXPECT_EQ(ask(*a), 102);
  EXPECT_EQ(ask(*b), 201);
  EXPECT_EQ(ask(*a), 103);
  EXPECT_EQ(ask(*b), 202);
}

TEST_F(Objects, MovingKeepsOneOwner) {
  auto made = create("block", "c-block", {{"factor", 1}});
  ASSERT_TRUE(made.ok());
  Object first = std::move(*made);
  caddie_object* const address = first.abi();
  Object second;
  second = std::move(first);
  EXPECT_EQ(second.abi(), address);
  EXPECT_EQ(second.instance(), "mine");
  EXPECT_EQ(first.abi(), nullptr);  // NOLINT: moved from, and that is the point
}

std::size_t resident_pages() {
  std::size_t total = 0, resident = 0;
  std::FILE* file = std::fopen("/proc/self/statm", "r");
  if (file == nullptr || std::fscanf(file, "%zu %zu", &total, &resident) != 2) ADD_FAILURE() << "no /proc/self/statm";
  if (file != nullptr) std::fclose(file);
  return resident;
}

TEST_F(Objects, MakingAndEndingLeavesNothingBehind) {
  const auto cycle = [&](int count) {
    for (int i = 0; i < count; ++i) ASSERT_TRUE(create("block", "good-block", kGoodBlock).ok());
  };
  cycle(200);
  const std::size_t before = resident_pages();
  cycle(10000);
  EXPECT_LT(resident_pages(), before + (std::size_t{1} << 20) / 4096);
}

TEST(HostServices, AreFoundById) {
  const Host host(1);
  const caddie_host* abi = host.abi();
  EXPECT_STREQ(abi->name, "caddie");
  EXPECT_EQ(abi->service(abi, CADDIE_HOST_GRAPH), graph_service());
  EXPECT_EQ(abi->service(abi, CADDIE_HOST_BUILD), build_service());
  EXPECT_NE(abi->service(abi, CADDIE_HOST_CONFIG), nullptr);
  EXPECT_NE(abi->service(abi, CADDIE_HOST_RANDOM), nullptr);
  for (const char* id :
       {"", "caddie.host.graph", "caddie.host.graph/1.draftx", "caddie.host.graph/2", "caddie.host.teleport/1"}) {
    EXPECT_EQ(abi->service(abi, id), nullptr) << id;
  }
  EXPECT_EQ(abi->service(abi, nullptr), nullptr);
}

TEST(HostServices, RandomNumbersAreAPureFunction) {
  const Host host(7), same(7), other(8);
  const auto bits = [](const Host& from, const char* name, std::uint64_t index) {
    const auto* random = static_cast<const caddie_host_random*>(from.abi()->service(from.abi(), CADDIE_HOST_RANDOM));
    return random->bits(from.abi(), name, index);
  };
  std::set<std::uint64_t> seen;
  for (std::uint64_t index = 0; index < 1000; ++index) {
    EXPECT_EQ(bits(host, "a", index), bits(same, "a", index));
    for (const std::uint64_t value : {bits(host, "a", index), bits(host, "b", index), bits(other, "a", index)})
      seen.insert(value);
  }
  EXPECT_EQ(seen.size(), 3000u);
  EXPECT_EQ(bits(host, "a", 5), bits(host, "a", 5));  // calls in between do not matter
  const auto words = graph::philox(7, hash_text("a"), 0, 0, 3);
  EXPECT_EQ(bits(host, "a", 3), words[0] + (std::uint64_t{words[1]} << 32));
  EXPECT_NE(bits(host, "a", UINT64_MAX), bits(host, "a", UINT64_MAX - 1));
  // Half of the bits are set, within five standard deviations of 64000 fair ones.
  int set = 0;
  for (std::uint64_t index = 0; index < 1000; ++index) set += __builtin_popcountll(bits(host, "bits", index));
  EXPECT_NEAR(set, 32000, 5 * 126.5);
}

TEST(Streams, KeepTheirLimits) {
  StreamSink sink(10);
  EXPECT_EQ(sink.abi()->write(sink.abi(), "12345678", 8), 8);
  EXPECT_EQ(sink.abi()->write(sink.abi(), "123", 3), -1);
  EXPECT_TRUE(sink.overflowed());
  EXPECT_EQ(sink.abi()->write(sink.abi(), "12", UINT64_MAX), -1);
  EXPECT_EQ(sink.abi()->write(sink.abi(), "12", 2), 2);
  EXPECT_EQ(sink.abi()->write(sink.abi(), nullptr, 0), 0);
  char byte = 0;
  EXPECT_EQ(sink.abi()->read(sink.abi(), &byte, 1), -1);
  const auto bytes = sink.take();
  EXPECT_EQ(std::string(bytes.begin(), bytes.end()), "1234567812");

  StreamSource source(bytes);
  char text[8] = {};
  EXPECT_EQ(source.abi()->read(source.abi(), text, 7), 7);
  EXPECT_EQ(source.left(), 3u);
  EXPECT_EQ(source.abi()->read(source.abi(), text, 8), 3);
  EXPECT_EQ(std::string(text, 3), "812");
  EXPECT_EQ(source.abi()->read(source.abi(), text, 8), 0);
  EXPECT_EQ(source.abi()->write(source.abi(), text, 1), -1);
}

TEST(Errors, ArePluginsWordsWithinBounds) {
  caddie_error record = fresh_error();
  EXPECT_EQ(record.struct_size, sizeof(caddie_error));
  std::memset(record.text, 'x', sizeof record.text);  // a plugin forgot the end
  std::memset(record.where, 'y', sizeof record.where);
  const Error error = to_error(CADDIE_ERROR_SHAPE, record, "mine");
  EXPECT_EQ(error.code, Code::shape);
  EXPECT_EQ(error.text, std::string(sizeof record.text, 'x'));
  EXPECT_EQ(error.where, std::string(sizeof record.where, 'y'));
  EXPECT_EQ(to_error(CADDIE_ERROR_IO, fresh_error(), "mine").where, "mine");
  EXPECT_EQ(to_error(1000, fresh_error(), "mine").code, Code::internal);
  EXPECT_EQ(to_error(-3, fresh_error(), "mine").code, Code::internal);
  EXPECT_THAT(to_error(1000, fresh_error(), "mine").text, HasSubstr("code 1000"));
}

}  // namespace
}  // namespace caddie::plugins
