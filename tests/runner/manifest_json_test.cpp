#include <gtest/gtest.h>

#include <limits>
#include <string>

#include "runner/manifest/json_document.hpp"

namespace caddie::manifest {
namespace {

std::string error_of(const std::string& text) {
  const ParsedDocument parsed = parse_document(text, "f");
  return parsed.ok() ? "fine" : format_issues(parsed.issues);
}

TEST(ManifestJson, ReadsValuesWithTheirPlaces) {
  const ParsedDocument parsed = parse_document(
      "{ // comment\n  \"a\": [1, -2.5e1, \"\\u00e9\\n\",],\n"
      "  /* é\n */ \"b\": {\"c\": true, \"d/~\": null}, }\n",
      "f");
  ASSERT_TRUE(parsed.ok()) << format_issues(parsed.issues);
  const Json expected = {{"a", {1, -25.0, "\xC3\xA9\n"}}, {"b", {{"c", true}, {"d/~", nullptr}}}};
  EXPECT_EQ(parsed.document.value, expected);
  const Trace& root = parsed.document.trace;
  EXPECT_EQ(root.place.text(), "f:1:1");
  EXPECT_EQ(find_trace(root, "/a")->key_place.text(), "f:2:3");
  EXPECT_EQ(find_trace(root, "/a")->place.text(), "f:2:8");
  EXPECT_EQ(find_trace(root, "/a/2")->place.text(), "f:2:20");
  EXPECT_EQ(find_trace(root, "/b")->key_place.text(), "f:4:5");
  EXPECT_EQ(find_trace(root, "/b/d~1~0")->key_place.text(), "f:4:22");
  EXPECT_EQ(find_trace(root, "/b/d~1~0")->place.text(), "f:4:29");
  EXPECT_EQ(find_trace(root, "/b/x"), nullptr);
  EXPECT_EQ(find_trace(root, "/a/3"), nullptr);
}

TEST(ManifestJson, ColumnsCountCharactersNotBytes) {
  const ParsedDocument parsed = parse_document("{\"\xC3\xA9\xE2\x82\xAC\": 1, \"x\": 2}", "f");
  ASSERT_TRUE(parsed.ok());
  EXPECT_EQ(find_trace(parsed.document.trace, "/x")->key_place.text(), "f:1:11");
}

TEST(ManifestJson, KeepsTheWrittenOrder) {
  const ParsedDocument parsed = parse_document(R"({"z":1,"a":2,"m":3})", "f");
  std::string order;
  for (const Trace* member : parsed.document.trace.in_written_order()) order += member->key;
  EXPECT_EQ(order, "zam");
}

TEST(ManifestJson, NumbersKeepTheirKind) {
  const Json value =
      parse_document("[0, -7, 9223372036854775807, 9223372036854775808, 1.0, 1e2, -0.5]", "f").document.value;
  EXPECT_TRUE(value[0].is_number_integer());
  EXPECT_EQ(value[2].get<std::int64_t>(), std::numeric_limits<std::int64_t>::max());
  EXPECT_TRUE(value[3].is_number_float());
  EXPECT_TRUE(value[4].is_number_float());
  EXPECT_EQ(value[5].get<double>(), 100.0);
}

TEST(ManifestJson, SurrogatePairsBecomeOneCharacter) {
  EXPECT_EQ(parse_document(R"("\ud83d\ude00")", "f").document.value, "\xF0\x9F\x98\x80");
}

TEST(ManifestJson, AByteOrderMarkIsSkipped) {
  EXPECT_EQ(parse_document("\xEF\xBB\xBF[1]", "f").document.value, Json({1}));
}

TEST(ManifestJson, DuplicateKeysAreReportedWithBothPlaces) {
  const std::string text = error_of("{\"a\": 1,\n \"b\": {\"c\": 1, \"c\": 2},\n \"a\": 3}");
  EXPECT_EQ(text,
            "f:2:16: the key \"c\" is given twice in one object, first at f:2:8; remove one\n"
            "f:3:2: the key \"a\" is given twice in one object, first at f:1:2; remove one\n");
}

TEST(ManifestJson, SyntaxErrorsSayWhereAndWhat) {
  EXPECT_EQ(error_of(""), "f:1:1: the file is empty; a manifest is a JSON object: {}\n");
  EXPECT_EQ(error_of("{\"a\" 1}"), "f:1:6: expected ':' after the key \"a\", found '1'\n");
  EXPECT_EQ(error_of("[1\n 2]"), "f:2:2: expected ',' or ']', found '2'\n");
  EXPECT_EQ(error_of("[1,,]"), "f:1:4: expected a value, found ','; strings are written in double quotes\n");
  EXPECT_EQ(error_of("{a: 1}"), "f:1:2: expected a key in double quotes, found 'a'\n");
  EXPECT_EQ(error_of("[1"), "f:1:3: expected ',' or ']', found the end of the file\n");
  EXPECT_EQ(error_of("[] x"), "f:1:4: expected the end of the file, found 'x'\n");
  EXPECT_EQ(error_of("[600s]"), "f:1:2: \"600\" is followed by 's'; a number with a unit is a string: \"600s\"\n");
  EXPECT_EQ(error_of("[01]"), "f:1:2: a number must not begin with 0; remove the leading zeros\n");
  EXPECT_EQ(error_of("[1e999]"),
            "f:1:2: this number does not fit a 64-bit floating-point value; write a smaller one\n");
  EXPECT_EQ(error_of("[/* x"), "f:1:2: this comment does not end; close it with */\n");
  EXPECT_NE(error_of("[\"abc\n\"]").find("f:1:2: this string does not end on its line"), std::string::npos);
  EXPECT_NE(error_of("[\"\\q\"]").find("f:1:3: unknown escape"), std::string::npos);
  EXPECT_NE(error_of("[\"\\ud800\"]").find("f:1:3: half of a surrogate pair"), std::string::npos);
  EXPECT_NE(error_of("[\"\\u0000\"]").find("f:1:3: strings must not hold NUL"), std::string::npos);
  EXPECT_NE(error_of("[\"\xC0\xAF\"]").find("f:1:3: the byte 0xc0 is not UTF-8"), std::string::npos);
  EXPECT_NE(error_of("[\"\x01\"]").find("f:1:3: a string holds the control character 0x01"), std::string::npos);
  for (const char* text :
       {"-",       "[-]", "[1.]", "[1e]", "[tru]", "[truex]", "nul",   "{\"a\":}",          "{",   "[",  "\"", "\"\\",
        "\"\\u12", "/",   "//",   "\xFF", "[.5]",  "[+1]",    "['a']", "{\"a\":1 \"b\":2}", "{,}", "[,]"}) {
    EXPECT_NE(error_of(text), "fine") << text;
  }
}

TEST(ManifestJson, DepthValuesAndBytesAreBounded) {
  const auto nested = [](int depth) {
    return std::string(static_cast<std::size_t>(depth), '[') + std::string(static_cast<std::size_t>(depth), ']');
  };
  EXPECT_EQ(error_of(nested(kMaxNesting)), "fine");
  EXPECT_EQ(error_of(nested(kMaxNesting + 1)), "f:1:65: nested deeper than 64 levels; flatten it\n");
  EXPECT_NE(error_of(nested(1'000'000)), "fine");
  std::string many = "[0";
  for (std::size_t i = 0; i < kMaxDocumentValues; ++i) many += ",0";
  EXPECT_NE(error_of(many + "]").find("more than 250000 values"), std::string::npos);
  EXPECT_NE(error_of(std::string(kMaxDocumentBytes + 1, ' ')).find("bytes are more than"), std::string::npos);
}

}  // namespace
}  // namespace caddie::manifest
