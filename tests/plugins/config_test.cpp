// The host's getters, and the options of the C++ wrapper that read through them.
#include "core/plugins/config.hpp"

#include <gmock/gmock.h>

#include <caddie/options.hpp>

namespace caddie::plugins {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

const caddie_host_config& getters() { return *config_service(); }

TEST(Config, Scalars) {
  const caddie_config config =
      make_config(json::parse(R"({"flag": true, "off": false, "count": -7, "ratio": 0.25, "whole": 3.0,
    "large": 9223372036854775808, "text": "h\u00e9 \u0000 llo", "nothing": null, "list": [1], "object": {"a": 1}})"));
  std::int32_t flag = 9;
  EXPECT_EQ(getters().boolean(&config, "flag", &flag), CADDIE_OK);
  EXPECT_EQ(flag, 1);
  EXPECT_EQ(getters().boolean(&config, "off", &flag), CADDIE_OK);
  EXPECT_EQ(flag, 0);
  std::int64_t count = 0;
  EXPECT_EQ(getters().integer(&config, "count", &count), CADDIE_OK);
  EXPECT_EQ(count, -7);
  EXPECT_EQ(getters().integer(&config, "whole", &count), CADDIE_OK);
  EXPECT_EQ(count, 3);
  double number = 0;
  EXPECT_EQ(getters().number(&config, "ratio", &number), CADDIE_OK);
  EXPECT_EQ(number, 0.25);
  EXPECT_EQ(getters().number(&config, "count", &number), CADDIE_OK);
  EXPECT_EQ(number, -7);
  caddie_str text{};
  EXPECT_EQ(getters().text(&config, "text", &text), CADDIE_OK);
  EXPECT_EQ(std::string(text.data, text.size), std::string("h\xC3\xA9 \0 llo", 9));
  EXPECT_EQ(getters().has(&config, "nothing"), 1);
  EXPECT_EQ(getters().has(&config, "missing"), 0);
}

TEST(Config, MissingKeysAndWrongTypesLeaveTheOutputAlone) {
  const caddie_config config = make_config({{"flag", true},
                                            {"count", 5},
                                            {"ratio", 0.5},
                                            {"text", "5"},
                                            {"nothing", nullptr},
                                            {"large", 9223372036854775808u},
                                            {"far", 1e300}});
  std::int32_t flag = 42;
  for (const char* key : {"missing", "count", "text", "nothing", ""})
    EXPECT_EQ(getters().boolean(&config, key, &flag), CADDIE_ERROR_ARGUMENT) << key;
  EXPECT_EQ(flag, 42);
  std::int64_t count = 42;
  for (const char* key : {"missing", "ratio", "text", "flag", "nothing", "large", "far"}) {
    EXPECT_EQ(getters().integer(&config, key, &count), CADDIE_ERROR_ARGUMENT) << key;
  }
  EXPECT_EQ(count, 42);
  double number = 42;
  for (const char* key : {"missing", "text", "flag", "nothing"})
    EXPECT_EQ(getters().number(&config, key, &number), CADDIE_ERROR_ARGUMENT) << key;
  EXPECT_EQ(number, 42);
  caddie_str text{nullptr, 42};
  for (const char* key : {"missing", "count", "flag"})
    EXPECT_EQ(getters().text(&config, key, &text), CADDIE_ERROR_ARGUMENT) << key;
  EXPECT_EQ(text.size, 42u);
  EXPECT_EQ(getters().number(&config, nullptr, &number), CADDIE_ERROR_ARGUMENT);
  EXPECT_EQ(getters().number(nullptr, "ratio", &number), CADDIE_ERROR_ARGUMENT);
  EXPECT_EQ(getters().number(&config, "ratio", nullptr), CADDIE_ERROR_ARGUMENT);
}

TEST(Config, Lists) {
  const caddie_config config =
      make_config({{"ints", {1, 2, 3}}, {"mixed", {1, 2.5}}, {"empty", json::array()}, {"bad", {1, "2"}}, {"one", 1}});
  std::uint64_t count = 0;
  std::int64_t ints[3] = {-1, -1, -1};
  EXPECT_EQ(getters().integers(&config, "ints", nullptr, 0, &count), CADDIE_OK);
  EXPECT_EQ(count, 3u);
  EXPECT_EQ(getters().integers(&config, "ints", ints, 2, &count), CADDIE_OK);
  EXPECT_EQ(count, 3u);
  EXPECT_THAT(ints, ElementsAre(1, 2, -1));
  EXPECT_EQ(getters().integers(&config, "ints", ints, 100, &count), CADDIE_OK);
  EXPECT_THAT(ints, ElementsAre(1, 2, 3));
  double numbers[2] = {};
  EXPECT_EQ(getters().numbers(&config, "mixed", numbers, 2, &count), CADDIE_OK);
  EXPECT_THAT(numbers, ElementsAre(1, 2.5));
  EXPECT_EQ(getters().integers(&config, "empty", ints, 3, &count), CADDIE_OK);
  EXPECT_EQ(count, 0u);
  count = 42;
  for (const char* key : {"mixed", "bad", "one", "missing"})
    EXPECT_EQ(getters().integers(&config, key, ints, 3, &count), CADDIE_ERROR_ARGUMENT) << key;
  for (const char* key : {"bad", "one", "missing"})
    EXPECT_EQ(getters().numbers(&config, key, numbers, 2, &count), CADDIE_ERROR_ARGUMENT) << key;
  EXPECT_EQ(count, 42u);
  EXPECT_EQ(getters().integers(&config, "ints", ints, 3, nullptr), CADDIE_ERROR_ARGUMENT);
}

TEST(Config, TheWholeTextIsCanonical) {
  const auto text = [](const char* source) {
    const caddie_config config = make_config(json::parse(source));
    const caddie_str whole = getters().json(&config);
    return std::string(whole.data, whole.size);
  };
  EXPECT_EQ(text(R"({ "b" : 1.50, "a": [true, null] })"), R"({"a":[true,null],"b":1.5})");
  EXPECT_EQ(text(R"({"a":[true,null],"b":1.5})"), text(R"({"b":1.5,"a":[true,null]})"));
}

struct Some : Options {
  Number number{this, "number", 0.1, "a \"number\" with a \\", range(-1, 2.5)};
  Number open{this, "open", 1e-8, "no bounds"};
  Integer integer{this, "integer", -3, "an integer", at_least(-5)};
  Flag flag{this, "flag", true, "a flag"};
  Text text{this, "text", "some", "free"};
  Text choice{this, "choice", "b", "of three", {"a", "b", "c"}};
  Integers integers{this, "integers", {1, -2}, "integers", range(-10, 10)};
  Numbers numbers{this, "numbers", {0.5, 1e30}, "numbers", at_least(0)};
  Numbers none{this, "none", {}, "none"};
};

TEST(Options, TheSchemaSaysDefaultsAndRanges) {
  const json expected = json::parse(R"({
    "type": "object", "additionalProperties": false,
    "properties": {
      "number": {"type": "number", "default": 0.1, "minimum": -1, "maximum": 2.5, "description": "a \"number\" with a \\"},
      "open": {"type": "number", "default": 1e-8, "description": "no bounds"},
      "integer": {"type": "integer", "default": -3, "minimum": -5, "description": "an integer"},
      "flag": {"type": "boolean", "default": true, "description": "a flag"},
      "text": {"type": "string", "default": "some", "description": "free"},
      "choice": {"type": "string", "default": "b", "enum": ["a", "b", "c"], "description": "of three"},
      "integers": {"type": "array", "items": {"type": "integer", "minimum": -10, "maximum": 10}, "default": [1, -2], "description": "integers"},
      "numbers": {"type": "array", "items": {"type": "number", "minimum": 0}, "default": [0.5, 1e30], "description": "numbers"},
      "none": {"type": "array", "items": {"type": "number"}, "default": [], "description": "none"}
    }})");
  EXPECT_EQ(json::parse(Some().schema()), expected);
}

TEST(Options, AreReadThroughTheGetters) {
  Some some;
  json values = {{"number", 2},     {"open", 0.1},   {"integer", 9},          {"flag", false},
                 {"text", "other"}, {"choice", "c"}, {"integers", {4, 5, 6}}, {"numbers", json::array()},
                 {"none", {1.5}}};
  const caddie_config config = make_config(values);
  EXPECT_EQ(some.read(getters(), &config), nullptr);
  EXPECT_EQ(some.number, 2.0);
  EXPECT_EQ(some.open, 0.1);
  EXPECT_EQ(some.integer, 9);
  EXPECT_FALSE(some.flag);
  EXPECT_EQ(some.text.value(), "other");
  EXPECT_TRUE(some.choice == "c");
  EXPECT_THAT(some.integers.value(), ElementsAre(4, 5, 6));
  EXPECT_THAT(some.numbers.value(), IsEmpty());
  EXPECT_THAT(some.none.value(), ElementsAre(1.5));

  values.erase("flag");
  const caddie_config lacking = make_config(values);
  EXPECT_STREQ(some.read(getters(), &lacking), "flag");
}

}  // namespace
}  // namespace caddie::plugins
