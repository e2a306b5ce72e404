// Options of a plugin: a member declares name, default, meaning and range once; the JSON Schema, the documentation and the
// typed value come from it.
//
//   caddie::Number alpha{this, "alpha", 5.0, "noise strength", caddie::range(0, 100)};
//   caddie::Text   mode{this, "mode", "add", "how a skip joins", {"add", "gate"}};
//
// An option belongs to the plugin object that contains it. Values are set once, before the plugin runs; reading them
// afterwards is safe from any thread.
#pragma once

#include <caddie/abi.h>
#include <caddie/json_text.hpp>

#include <cmath>
#include <initializer_list>
#include <string>
#include <vector>

namespace caddie {

class Options;

// Inclusive bounds of a number.
struct Range {
  double low = -HUGE_VAL;
  double high = HUGE_VAL;
};
constexpr Range range(double low, double high) { return {low, high}; }
constexpr Range at_least(double low) { return {low, HUGE_VAL}; }

// One option: writes its part of the schema and reads its value.
class Option {
 public:
  Option(Options* owner, const char* name, const char* meaning);
  Option(const Option&) = delete;
  Option& operator=(const Option&) = delete;
  virtual ~Option() = default;

  [[nodiscard]] const char* name() const { return name_; }
  [[nodiscard]] virtual std::string schema() const = 0;
  virtual caddie_code read(const caddie_host_config& table, const caddie_config* config) = 0;

 protected:
  // `"description": "..."` with JSON escapes.
  [[nodiscard]] std::string description() const;
  const char* name_;
  const char* meaning_;
};

// The options of one plugin object, in order of declaration.
class Options {
 public:
  Options() = default;
  Options(const Options&) = delete;
  Options& operator=(const Options&) = delete;

  void add(Option* option) { list_.push_back(option); }
  // JSON Schema of an object with these properties; unknown keys are refused.
  [[nodiscard]] std::string schema() const;
  // The first failing option's name, or nullptr.
  const char* read(const caddie_host_config& table, const caddie_config* config);

 private:
  std::vector<Option*> list_;
};

namespace detail {

inline std::string bounds(Range range) {
  std::string out;
  if (range.low != -HUGE_VAL) out += ", \"minimum\": " + number_text(range.low);
  if (range.high != HUGE_VAL) out += ", \"maximum\": " + number_text(range.high);
  return out;
}

}  // namespace detail

inline Option::Option(Options* owner, const char* name, const char* meaning) : name_(name), meaning_(meaning) { owner->add(this); }

inline std::string Option::description() const { return "\"description\": " + detail::quoted(meaning_); }

inline std::string Options::schema() const {
  std::string out = "{\"type\": \"object\", \"additionalProperties\": false, \"properties\": {";
  bool first = true;
  for (const Option* option : list_) {
    if (!first) out += ", ";
    first = false;
    out += detail::quoted(option->name()) + ": {" + option->schema() + "}";
  }
  return out + "}}";
}

inline const char* Options::read(const caddie_host_config& table, const caddie_config* config) {
  for (Option* option : list_) {
    if (option->read(table, config) != CADDIE_OK) return option->name();
  }
  return nullptr;
}

// A real number.
class Number final : public Option {
 public:
  Number(Options* owner, const char* name, double initial, const char* meaning, Range range = {})
      : Option(owner, name, meaning), value_(initial), range_(range) {}
  operator double() const { return value_; }  // NOLINT: an option stands for its value
  [[nodiscard]] double value() const { return value_; }
  [[nodiscard]] std::string schema() const override {
    return "\"type\": \"number\", \"default\": " + detail::number_text(value_) + detail::bounds(range_) + ", " + description();
  }
  caddie_code read(const caddie_host_config& table, const caddie_config* config) override {
    return table.number(config, name_, &value_);
  }

 private:
  double value_;
  Range range_;
};

// A whole number.
class Integer final : public Option {
 public:
  Integer(Options* owner, const char* name, int64_t initial, const char* meaning, Range range = {})
      : Option(owner, name, meaning), value_(initial), range_(range) {}
  operator int64_t() const { return value_; }  // NOLINT
  [[nodiscard]] int64_t value() const { return value_; }
  [[nodiscard]] std::string schema() const override {
    return "\"type\": \"integer\", \"default\": " + std::to_string(value_) + detail::bounds(range_) + ", " + description();
  }
  caddie_code read(const caddie_host_config& table, const caddie_config* config) override {
    return table.integer(config, name_, &value_);
  }

 private:
  int64_t value_;
  Range range_;
};

// true or false.
class Flag final : public Option {
 public:
  Flag(Options* owner, const char* name, bool initial, const char* meaning) : Option(owner, name, meaning), value_(initial) {}
  operator bool() const { return value_; }  // NOLINT
  [[nodiscard]] bool value() const { return value_; }
  [[nodiscard]] std::string schema() const override {
    return std::string("\"type\": \"boolean\", \"default\": ") + (value_ ? "true" : "false") + ", " + description();
  }
  caddie_code read(const caddie_host_config& table, const caddie_config* config) override {
    int32_t value = 0;
    const caddie_code code = table.boolean(config, name_, &value);
    value_ = value != 0;
    return code;
  }

 private:
  bool value_;
};

// A text, free or one of a few.
class Text final : public Option {
 public:
  Text(Options* owner, const char* name, const char* initial, const char* meaning, std::initializer_list<const char*> choices = {})
      : Option(owner, name, meaning), value_(initial), choices_(choices) {}
  operator const std::string&() const { return value_; }  // NOLINT
  [[nodiscard]] const std::string& value() const { return value_; }
  bool operator==(const char* text) const { return value_ == text; }
  [[nodiscard]] std::string schema() const override {
    std::string out = "\"type\": \"string\", \"default\": " + detail::quoted(value_.c_str());
    if (!choices_.empty()) {
      out += ", \"enum\": [";
      for (std::size_t i = 0; i < choices_.size(); ++i) out += (i > 0 ? ", " : "") + detail::quoted(choices_[i]);
      out += "]";
    }
    return out + ", " + description();
  }
  caddie_code read(const caddie_host_config& table, const caddie_config* config) override {
    caddie_str text = {nullptr, 0};
    const caddie_code code = table.text(config, name_, &text);
    if (code == CADDIE_OK) value_.assign(text.data, static_cast<std::size_t>(text.size));
    return code;
  }

 private:
  std::string value_;
  std::vector<const char*> choices_;
};

// A list of whole numbers.
class Integers final : public Option {
 public:
  Integers(Options* owner, const char* name, std::initializer_list<int64_t> initial, const char* meaning, Range range = {})
      : Option(owner, name, meaning), value_(initial), range_(range) {}
  [[nodiscard]] const std::vector<int64_t>& value() const { return value_; }
  [[nodiscard]] std::string schema() const override {
    return "\"type\": \"array\", \"items\": {\"type\": \"integer\"" + detail::bounds(range_) +
           "}, \"default\": " + detail::list_text(value_) + ", " + description();
  }
  caddie_code read(const caddie_host_config& table, const caddie_config* config) override {
    uint64_t count = 0;
    caddie_code code = table.integers(config, name_, nullptr, 0, &count);
    if (code != CADDIE_OK) return code;
    value_.resize(static_cast<std::size_t>(count));
    return table.integers(config, name_, value_.data(), count, &count);
  }

 private:
  std::vector<int64_t> value_;
  Range range_;
};

// A list of real numbers.
class Numbers final : public Option {
 public:
  Numbers(Options* owner, const char* name, std::initializer_list<double> initial, const char* meaning, Range range = {})
      : Option(owner, name, meaning), value_(initial), range_(range) {}
  [[nodiscard]] const std::vector<double>& value() const { return value_; }
  [[nodiscard]] std::string schema() const override {
    return "\"type\": \"array\", \"items\": {\"type\": \"number\"" + detail::bounds(range_) +
           "}, \"default\": " + detail::list_text(value_) + ", " + description();
  }
  caddie_code read(const caddie_host_config& table, const caddie_config* config) override {
    uint64_t count = 0;
    caddie_code code = table.numbers(config, name_, nullptr, 0, &count);
    if (code != CADDIE_OK) return code;
    value_.resize(static_cast<std::size_t>(count));
    return table.numbers(config, name_, value_.data(), count, &count);
  }

 private:
  std::vector<double> value_;
  Range range_;
};

}  // namespace caddie
