// Golden numbers: what a plugin must give for inputs that its author worked out elsewhere (by hand, from a paper, from
// the code of a paper), as a JSON file. docs/golden.md describes the form for every interface.
//
//   { "plugin": "my-gate", "cases": [ { "name": "...", "config": {...}, "hook": "attn.out", "inputs": [...],
//                                       "outputs": [...] } ] }
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "runner/check/session.hpp"
#include "runner/check/subject.hpp"

namespace caddie::check {

// Runs every case for the subject. A sentence for the report; Failure names the case, the element, and what was
// computed; Skip when the file is about another plugin.
std::string run_golden(Subject& subject, const std::filesystem::path& file);

// ---- for the cases of one interface --------------------------------------------------------------------------------

// One case with readers of its keys; a key that nobody read is a mistake.
class GoldenCase {
 public:
  GoldenCase(const nlohmann::json& json, std::string name);

  // Fails when it is not there.
  const nlohmann::json& at(const std::string& key);
  [[nodiscard]] bool has(const std::string& key) const { return json_.contains(key); }
  nlohmann::json value(const std::string& key, const nlohmann::json& otherwise);
  Array array(const std::string& key);
  void expect_all_read() const;

  // |actual - expected| <= tolerance * max(1, |expected|), element by element; shapes too.
  void expect(const std::string& what, const Array& actual, const nlohmann::json& expected);
  void expect_equal(const std::string& what, const nlohmann::json& actual, const nlohmann::json& expected) const;
  [[noreturn]] void fail(const std::string& text) const;

 private:
  const nlohmann::json& json_;
  std::string name_;
  double tolerance_ = 1e-9;
  std::vector<std::string> read_;
};

// Nested lists of numbers; {"i32": lists} for whole numbers. Fails when the nesting is not a tensor's.
Array array_from_json(const nlohmann::json& json);
nlohmann::json to_json(const Array& array);

void golden_block(Subject& subject, GoldenCase& test, const nlohmann::json& config);
void golden_bank(Subject& subject, GoldenCase& test, const nlohmann::json& config);  // optimizer, ttt
void golden_averager(Subject& subject, GoldenCase& test, const nlohmann::json& config);
void golden_schedule(Subject& subject, GoldenCase& test, const nlohmann::json& config);
void golden_loader(Subject& subject, GoldenCase& test, const nlohmann::json& config);
void golden_quantizer(Subject& subject, GoldenCase& test, const nlohmann::json& config);
void golden_compressor(Subject& subject, GoldenCase& test, const nlohmann::json& config);
void golden_evaluator(Subject& subject, GoldenCase& test, const nlohmann::json& config);

}  // namespace caddie::check
