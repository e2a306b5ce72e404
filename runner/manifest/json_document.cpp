#include "runner/manifest/json_document.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "runner/manifest/json_scanner.hpp"

namespace caddie::manifest {
namespace {

// Recursive descent; the depth is bounded by kMaxNesting.
class Reader {
 public:
  // Without `fixed` places are in the file `label`.
  Reader(std::string_view text, std::shared_ptr<const std::string> label, std::optional<Place> fixed)
      : scanner_(text), label_(std::move(label)), fixed_(std::move(fixed)) {}

  ParsedDocument read() {
    ParsedDocument parsed;
    if (read_whole(parsed.document)) {
      parsed.issues = std::move(issues_);
      return parsed;
    }
    parsed.issues = std::move(issues_);
    const auto& failure = scanner_.failure();
    parsed.issues.push_back({Issue::Kind::syntax, place_of(failure->mark), "", failure->message});
    return parsed;
  }

 private:
  Place place_of(Scanner::Mark mark) const { return fixed_ ? *fixed_ : Place::in_file(label_, mark.line, mark.column); }

  bool read_whole(Document& out) {
    if (!scanner_.skip_blanks()) return false;
    if (scanner_.at_end()) return scanner_.fail(scanner_.mark(), "the file is empty; a manifest is a JSON object: {}");
    if (!read_value(out.value, out.trace, 0)) return false;
    if (!scanner_.skip_blanks()) return false;
    if (scanner_.at_end()) return true;
    return scanner_.fail(scanner_.mark(),
                         fmt::format("expected the end of the file, found {}", scanner_.describe_next()));
  }

  bool read_value(Json& value, Trace& trace, int depth) {
    const Scanner::Mark start = scanner_.mark();
    trace.place = place_of(start);
    if (++values_ > kMaxDocumentValues) {
      return scanner_.fail(start, fmt::format("more than {} values; a manifest is smaller", kMaxDocumentValues));
    }
    const char next = scanner_.peek();
    if ((next == '{' || next == '[') && depth >= kMaxNesting) {
      return scanner_.fail(start, fmt::format("nested deeper than {} levels; flatten it", kMaxNesting));
    }
    if (next == '{') return read_object(value, trace, depth);
    if (next == '[') return read_array(value, trace, depth);
    if (next == '"') {
      std::string text;
      if (!scanner_.read_string(text)) return false;
      value = std::move(text);
      return true;
    }
    if (next == '-' || (next >= '0' && next <= '9')) return scanner_.read_number(value);
    if (scanner_.take_word("true")) return set(value, true);
    if (scanner_.take_word("false")) return set(value, false);
    if (scanner_.take_word("null")) return set(value, nullptr);
    return scanner_.fail(start, fmt::format("expected a value, found {}; strings are written in double quotes",
                                            scanner_.describe_next()));
  }

  template <class T>
  static bool set(Json& value, T what) {
    value = what;
    return true;
  }

  // After an item: takes the comma, or stops before `close`. `more` says whether another item comes.
  bool separator(char close, bool& more) {
    if (!scanner_.skip_blanks()) return false;
    const bool comma = scanner_.take(',');
    if (!scanner_.skip_blanks()) return false;
    more = false;
    if (scanner_.peek() == close && !scanner_.at_end()) return true;
    more = true;
    if (comma) return true;
    return scanner_.fail(scanner_.mark(),
                         fmt::format("expected ',' or '{}', found {}", close, scanner_.describe_next()));
  }

  bool read_array(Json& value, Trace& trace, int depth) {
    value = Json::array();
    scanner_.advance();
    if (!scanner_.skip_blanks()) return false;
    bool more = scanner_.peek() != ']';
    while (more) {
      Json item;
      Trace item_trace;
      item_trace.order = trace.next_order++;
      if (!read_value(item, item_trace, depth + 1)) return false;
      item_trace.key_place = item_trace.place;
      value.push_back(std::move(item));
      trace.children.push_back(std::move(item_trace));
      if (!separator(']', more)) return false;
    }
    scanner_.advance();
    return true;
  }

  bool read_object(Json& value, Trace& trace, int depth) {
    value = Json::object();
    scanner_.advance();
    if (!scanner_.skip_blanks()) return false;
    bool more = scanner_.peek() != '}';
    while (more) {
      Trace member;
      Json member_value;
      if (!read_key(member)) return false;
      member.order = trace.next_order++;
      if (!read_value(member_value, member, depth + 1)) return false;
      value[member.key] = std::move(member_value);
      trace.children.push_back(std::move(member));
      if (!separator('}', more)) return false;
    }
    scanner_.advance();
    sort_members(trace);
    return true;
  }

  bool read_key(Trace& member) {
    const Scanner::Mark start = scanner_.mark();
    member.key_place = place_of(start);
    if (scanner_.peek() != '"') {
      return scanner_.fail(start, fmt::format("expected a key in double quotes, found {}", scanner_.describe_next()));
    }
    if (!scanner_.read_string(member.key) || !scanner_.skip_blanks()) return false;
    if (!scanner_.take(':')) {
      return scanner_.fail(scanner_.mark(), fmt::format("expected ':' after the key \"{}\", found {}", member.key,
                                                        scanner_.describe_next()));
    }
    return scanner_.skip_blanks();
  }

  // Sorts by key and reports keys that come twice; of those the first stays.
  void sort_members(Trace& trace) {
    auto& members = trace.children;
    std::stable_sort(members.begin(), members.end(), [](const Trace& a, const Trace& b) { return a.key < b.key; });
    const auto same = [this](const Trace& first, const Trace& again) {
      if (first.key != again.key) return false;
      issues_.push_back({Issue::Kind::duplicate_key, again.key_place, "",
                         fmt::format("the key \"{}\" is given twice in one object, first at {}; remove one", again.key,
                                     first.key_place.text())});
      return true;
    };
    members.erase(std::unique(members.begin(), members.end(), same), members.end());
  }

  Scanner scanner_;
  std::shared_ptr<const std::string> label_;
  std::optional<Place> fixed_;
  std::vector<Issue> issues_;
  std::size_t values_ = 0;
};

ParsedDocument parse(std::string_view text, std::string label, std::optional<Place> fixed) {
  auto shared = std::make_shared<const std::string>(std::move(label));
  if (text.size() > kMaxDocumentBytes) {
    ParsedDocument parsed;
    parsed.issues.push_back(
        {Issue::Kind::syntax, fixed ? *fixed : Place::in_file(shared, 1, 1), "",
         fmt::format("{} bytes are more than the {} a manifest may have", text.size(), kMaxDocumentBytes)});
    return parsed;
  }
  return Reader(text, std::move(shared), std::move(fixed)).read();
}

}  // namespace

ParsedDocument parse_document(std::string_view text, std::string label) {
  return parse(text, std::move(label), std::nullopt);
}

ParsedDocument parse_document_at(std::string_view text, const Place& place) { return parse(text, "", place); }

std::vector<std::string> string_list(const Json& object, const char* key) {
  const auto at = object.find(key);
  if (at == object.end()) return {};
  if (at->is_string()) return {at->get<std::string>()};
  return at->get<std::vector<std::string>>();
}

}  // namespace caddie::manifest
