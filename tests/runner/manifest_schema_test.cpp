#include <gtest/gtest.h>

#include "runner/manifest/host_schema.hpp"
#include "runner/manifest/layers.hpp"
#include "runner/manifest/schema.hpp"
#include "runner/manifest/units.hpp"
#include "tests/runner/manifest_support.hpp"

namespace caddie::manifest {
namespace {

// Validates `text` and returns the issues, one a line; the completed value goes to `out`.
std::string check(const std::string& schema, const std::string& text, Json* out = nullptr) {
  const Json rules = Json::parse(schema);
  EXPECT_TRUE(check_schema(rules).empty()) << format_issues(check_schema(rules));
  ParsedDocument parsed = parse_document(text, "f");
  EXPECT_TRUE(parsed.ok());
  Findings findings;
  validate(rules, parsed.document.value, parsed.document.trace, "", Place::of(Place::Kind::plugin_default, "p"),
           findings);
  if (out != nullptr) *out = parsed.document.value;
  return format_issues(findings.issues);
}

TEST(ManifestSchema, NumbersAndTheirLimits) {
  EXPECT_EQ(check(R"({"type":"number","minimum":0,"maximum":1})", "0.5"), "");
  EXPECT_EQ(check(R"({"type":"number","minimum":0})", "-1"), "f:1:1: must be at least 0, is -1.0\n");
  EXPECT_EQ(check(R"({"type":"number","maximum":1})", "1.5"), "f:1:1: must be at most 1, is 1.5\n");
  EXPECT_EQ(check(R"({"type":"number","exclusiveMinimum":0})", "0"), "f:1:1: must be more than 0, is 0.0\n");
  EXPECT_EQ(check(R"({"type":"number","exclusiveMaximum":1})", "1"), "f:1:1: must be less than 1, is 1.0\n");
  EXPECT_EQ(check(R"({"type":"integer","multipleOf":16})", "50"), "f:1:1: must be a multiple of 16, is 50\n");
  EXPECT_EQ(check(R"({"type":"number","multipleOf":0.1})", "0.3"), "");
  EXPECT_EQ(check(R"({"type":"integer"})", "2.5"), "f:1:1: must be a whole number, is 2.5\n");
  EXPECT_EQ(check(R"({"type":"integer"})", "1e300"), "f:1:1: must be a whole number, is 1e+300\n");
  EXPECT_EQ(check(R"({"type":"number"})", "\"3\""), "f:1:1: must be a number, is \"3\"; write it without quotes\n");
}

TEST(ManifestSchema, NumbersAreNormalisedByType) {
  Json value;
  check(R"({"type":"integer"})", "3.0", &value);
  EXPECT_TRUE(value.is_number_integer());
  check(R"({"type":"number"})", "3", &value);
  EXPECT_TRUE(value.is_number_float());
  check(R"({"type":"number"})", "-0.0", &value);
  EXPECT_EQ(value.dump(), "0.0");
}

TEST(ManifestSchema, ChoicesTypesAndLengths) {
  EXPECT_EQ(check(R"({"enum":["single","double"]})", "\"singel\""),
            "f:1:1: must be one of \"single\", \"double\"; is \"singel\"; did you mean \"single\"?\n");
  EXPECT_EQ(check(R"({"const":3})", "4"), "f:1:1: must be 3, is 4\n");
  EXPECT_EQ(check(R"({"type":["string","null"]})", "null"), "");
  EXPECT_EQ(check(R"({"type":["string","array"]})", "true"), "f:1:1: must be a string or a list, is true\n");
  const std::string pair = R"({"type":"array","items":{"type":"integer"},"minItems":2,"maxItems":2})";
  EXPECT_EQ(check(pair, "[1]"), "f:1:1: must have at least 2 items, has 1\n");
  EXPECT_EQ(check(pair, "[1,2,3]"), "f:1:1: must have at most 2 items, has 3\n");
  EXPECT_EQ(check(pair, "[1,\n\"x\"]"), "f:2:1: /1: must be a whole number, is \"x\"; write it without quotes\n");
  EXPECT_EQ(check(R"({"type":"string","minLength":1})", "\"\""), "f:1:1: must have at least 1 character, has 0\n");
}

TEST(ManifestSchema, ObjectsAreStrictAndFilled) {
  const std::string schema = R"({"type":"object","required":["a"],"properties":{
    "a":{"type":"integer"},"b":{"type":"object","default":{},"properties":{"c":{"type":"number","default":2}}}}})";
  Json value;
  EXPECT_EQ(check(schema, R"({"a":1})", &value), "");
  EXPECT_EQ(value, Json::parse(R"({"a":1,"b":{"c":2}})"));
  EXPECT_EQ(check(schema, "{\n\"bb\": 1,\n\"b\":{\"d\":2}}"),
            "f:1:1: the key \"a\" is missing; add it\n"
            "f:2:1: /bb: unknown key \"bb\"; did you mean \"b\"?\n"
            "f:3:6: /b/d: unknown key \"d\"; did you mean \"c\"?\n");
}

TEST(ManifestSchema, OpenKeysHaveASchema) {
  const std::string schema = R"({"type":"object","additionalProperties":{"type":"integer"}})";
  EXPECT_EQ(check(schema, R"({"x":1,"y":2})"), "");
  EXPECT_EQ(check(schema, R"({"x":1,"y":"z"})"),
            "f:1:12: /y: must be a whole number, is \"z\"; write it without quotes\n");
}

TEST(ManifestSchema, AlternativesReportTheNearestForm) {
  const std::string schema = R"({"oneOf":[{"title":"a number","type":"number","maximum":1},
    {"title":"a ramp","type":"object","required":["from"],"properties":{"from":{"type":"number"},
     "to":{"type":"number","default":1}}}]})";
  Json value;
  EXPECT_EQ(check(schema, "0.5"), "");
  EXPECT_EQ(check(schema, R"({"from":0})", &value), "");
  EXPECT_EQ(value.at("to"), 1.0);
  EXPECT_EQ(check(schema, "2"), "f:1:1: must be at most 1, is 2.0\n");
  EXPECT_EQ(check(schema, R"({"form":0})"),
            "f:1:1: the key \"from\" is missing; add it\n"
            "f:1:2: /form: unknown key \"form\"; known are from, to\n");
  EXPECT_EQ(check(schema, "\"x\""), "f:1:1: \"x\" fits none of the allowed forms: a number; a ramp\n");
  EXPECT_EQ(check(R"({"oneOf":[{"type":"integer"},{"type":"number"}]})", "1"),
            "f:1:1: 1 fits 2 of the allowed forms; it must fit one\n");
  EXPECT_EQ(check(R"({"anyOf":[{"type":"integer"},{"type":"number"}]})", "1"), "");
}

TEST(ManifestSchema, UnitsBecomeNumbers) {
  Json value;
  EXPECT_EQ(check(R"({"type":"number","unit":"seconds"})", "\"10min\"", &value), "");
  EXPECT_EQ(value, 600.0);
  EXPECT_EQ(check(R"({"type":"integer","unit":"bytes"})", "\"15.9MB\"", &value), "");
  EXPECT_EQ(value, 15900000);
  EXPECT_EQ(check(R"({"type":"integer","unit":"bytes","maximum":1000})", "\"1KiB\""),
            "f:1:1: must be at most 1000 bytes, is 1024\n");
  EXPECT_EQ(check(R"({"type":"number","unit":"seconds"})", "\"10 parsecs\""),
            "f:1:1: \"10 parsecs\" is not a time; write \"600s\", \"10min\", \"1.5h\" or \"250ms\"\n");
}

TEST(ManifestUnits, Times) {
  EXPECT_EQ(parse_seconds("600s").value(), 600);
  EXPECT_EQ(parse_seconds("600").value(), 600);
  EXPECT_EQ(parse_seconds("1.5 h").value(), 5400);
  EXPECT_EQ(parse_seconds("250ms").value(), 0.25);
  EXPECT_EQ(parse_seconds("2d").value(), 172800);
  for (const char* text : {"", "s", "-1s", "1.s", ".5s", "1e3s", "1..2s", "1 2s", "10mins", "99999999999999999999s"}) {
    EXPECT_FALSE(parse_seconds(text).ok()) << text;
  }
}

TEST(ManifestUnits, SizesAreExact) {
  EXPECT_EQ(parse_byte_count("16000000B").value(), 16000000);
  EXPECT_EQ(parse_byte_count("16MB").value(), 16000000);
  EXPECT_EQ(parse_byte_count("16MiB").value(), 16777216);
  EXPECT_EQ(parse_byte_count("512Ki").value(), 524288);
  EXPECT_EQ(parse_byte_count("0.5KiB").value(), 512);
  EXPECT_EQ(parse_byte_count("15.897259MB").value(), 15897259);
  for (const char* text : {"15.8972591MB", "1.5B", "1TB", "mb", "9223372036854775807KB", "-1B"}) {
    EXPECT_FALSE(parse_byte_count(text).ok()) << text;
  }
}

TEST(ManifestLayers, EveryFormAndEveryMistake) {
  const auto layers = [](const char* text) {
    const auto result = expand_layers(Json::parse(text), 8);
    return result.ok() ? Json(*result).dump() : "error: " + result.error().text;
  };
  EXPECT_EQ(layers("3"), "[3]");
  EXPECT_EQ(layers("\"3\""), "[3]");
  EXPECT_EQ(layers("\"all\""), "[0,1,2,3,4,5,6,7]");
  EXPECT_EQ(layers("\"6:\""), "[6,7]");
  EXPECT_EQ(layers("\":2\""), "[0,1]");
  EXPECT_EQ(layers("\"2:5\""), "[2,3,4]");
  EXPECT_EQ(layers("\"last:3\""), "[5,6,7]");
  EXPECT_EQ(layers("[7, 0, \"2:4\"]"), "[0,2,3,7]");
  EXPECT_EQ(layers("8"), "error: there is no layer 8; the model has layers 0 to 7");
  EXPECT_EQ(layers("\"8:\""), "error: \"8:\" names no layer of the 8 the model has");
  EXPECT_EQ(layers("\"5:9\""), "error: \"5:9\" reaches beyond the 8 layers of the model");
  EXPECT_EQ(layers("\"last:9\""), "error: \"last:9\" reaches beyond the 8 layers of the model");
  EXPECT_EQ(layers("[1, \"0:2\"]"), "error: layer 1 is named twice; name it once");
  for (const char* text : {"-1", "\"-1\"", "\":\"", "\"a:b\"", "\"5:2\"", "\"last:0\"", "\"first:2\"", "[]", "[[1]]",
                           "1.5", "true", "{}", "\"\"", "\"1:2:3\"", "99999999999", "\"99999999999:\""}) {
    EXPECT_EQ(layers(text).substr(0, 6), "error:") << text;
  }
}

TEST(ManifestSchemaCheck, TheHostsOwnSchemaIsSound) {
  EXPECT_TRUE(check_schema(host_schema()).empty()) << format_issues(check_schema(host_schema()));
}

TEST(ManifestSchemaCheck, FindsEveryMistake) {
  const auto problems = [](const char* schema) { return format_issues(check_schema(Json::parse(schema))); };
  EXPECT_EQ(
      problems(R"({"type":"object","properties":{"a":{"type":"nummber"}}})"),
      "manifest: /properties/a/type: must be null, boolean, integer, number, string, array or object, or a list of "
      "these\n");
  EXPECT_EQ(problems(R"({"type":"number","maximun":3})"),
            "manifest: /maximun: the keyword \"maximun\" is not supported; did you mean \"maximum\"?\n");
  EXPECT_EQ(problems(R"({"type":"number","maximum":3,"default":4})"),
            "manifest: /default: the default does not fit: must be at most 3, is 4.0\n");
  EXPECT_EQ(problems(R"({"type":"number","minimum":3,"maximum":2})"), "manifest: minimum is above maximum\n");
  EXPECT_EQ(problems(R"({"description":"x"})"), "manifest: takes any value; give it a type\n");
  EXPECT_NE(problems(R"({"type":"object"})"), "");
  EXPECT_NE(problems(R"({"type":"object","properties":{},"additionalProperties":true})"), "");
  EXPECT_NE(problems(R"({"type":"object","properties":{},"required":["a"]})"), "");
  for (const char* schema : {"3", R"({"type":7})", R"({"type":[]})", R"({"type":"array","items":3})", R"({"enum":[]})",
                             R"({"oneOf":[]})", R"({"oneOf":{}})", R"({"type":"number","multipleOf":0})",
                             R"({"type":"array","minItems":-1})", R"({"type":"number","minimum":"1"})",
                             R"({"type":"object","required":"a"})", R"({"type":"object","properties":[]})"}) {
    EXPECT_NE(problems(schema), "") << schema;
  }
  Json deep = {{"type", "integer"}};
  for (int i = 0; i < 100; ++i) deep = {{"type", "array"}, {"items", deep}};
  EXPECT_FALSE(check_schema(deep).empty());
}

TEST(ManifestSchemaCheck, PluginSchemasAreObjects) {
  EXPECT_FALSE(check_plugin_schema(Json::parse(R"({"type":"number"})")).empty());
  EXPECT_TRUE(check_plugin_schema(Json::parse(R"({"type":"object","properties":{}})")).empty());
}

}  // namespace
}  // namespace caddie::manifest
