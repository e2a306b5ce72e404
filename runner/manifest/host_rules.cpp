#include "runner/manifest/host_rules.hpp"

#include <fmt/format.h>

#include <optional>
#include <string>
#include <utility>

#include "runner/manifest/host_schema.hpp"

namespace caddie::manifest {
namespace {

using Kind = Issue::Kind;

class HostRules {
 public:
  HostRules(Document& document, Findings& findings) : document_(document), findings_(findings) {}

  void apply() {
    heads();
    vocabulary();
    training();
    sources();
    sections();
  }

 private:
  // The value at a pointer, or null.
  const Json* at(const std::string& pointer) const {
    const Json* value = &document_.value;
    for (const std::string& step : pointer_steps(pointer)) {
      if (!value->is_object() || !value->contains(step)) return nullptr;
      value = &value->at(step);
    }
    return value;
  }

  // A valid positive number at a pointer.
  std::optional<std::int64_t> count(const std::string& pointer) const {
    const Json* value = at(pointer);
    if (value == nullptr || !value->is_number_integer() || *value < 1) return std::nullopt;
    return value->get<std::int64_t>();
  }

  void derive(const char* section, const char* key, std::int64_t number, const char* source) {
    document_.value[section][key] = number;
    document_.trace.member(section)->put_member(trace_at(number, key, Place::of(Place::Kind::derived, source)));
  }

  void conflict(const std::string& pointer, std::string message, Kind kind = Kind::conflict) {
    const Trace* trace = find_trace(document_.trace, pointer);
    findings_.issues.push_back(
        {kind, trace != nullptr ? trace->place : document_.trace.place, pointer, std::move(message)});
  }

  void heads() {
    const auto dim = count("/model/dim");
    const auto heads = count("/model/heads");
    if (!dim || !heads) return;
    if (at("/model/kv_heads") == nullptr) derive("model", "kv_heads", *heads, "model.heads");
    const auto kv_heads = count("/model/kv_heads");
    if (kv_heads && *heads % *kv_heads != 0) {
      conflict("/model/kv_heads",
               fmt::format("{} heads cannot share {} key and value heads evenly; choose a divisor of {}", *heads,
                           *kv_heads, *heads));
    }
    if (at("/model/head_dim") != nullptr) return;
    if (*dim % *heads != 0) {
      return conflict(
          "/model/heads",
          fmt::format("dim {} is not a multiple of {} heads; change one or give \"head_dim\"", *dim, *heads));
    }
    derive("model", "head_dim", *dim / *heads, "model.dim and model.heads");
  }

  void vocabulary() {
    const auto tokens = count("/data/tokenizer/vocab");
    if (at("/model") == nullptr || !at("/model")->is_object()) return;
    if (at("/model/vocab") == nullptr) {
      if (tokens) return derive("model", "vocab", *tokens, "data.tokenizer.vocab");
      if (at("/data/tokenizer/vocab") == nullptr) {
        conflict("/model", "the vocabulary is not known; give \"data\": {\"tokenizer\": {\"vocab\": ...}}",
                 Kind::missing_key);
      }
      return;
    }
    const auto rows = count("/model/vocab");
    if (rows && tokens && *rows < *tokens) {
      conflict("/model/vocab", fmt::format("{} rows are fewer than the {} tokens of the tokenizer", *rows, *tokens));
    }
  }

  void training() {
    const auto context = count("/model/context");
    if (context && at("/train") != nullptr && at("/train")->is_object() && at("/train/context") == nullptr) {
      derive("train", "context", *context, "model.context");
    }
    const auto batch = count("/train/batch");
    const auto parts = count("/train/accumulate");
    if (batch && parts && *batch % *parts != 0) {
      conflict("/train/accumulate", fmt::format("a batch of {} cannot be split into {} equal parts", *batch, *parts));
    }
    const Json* whole = at("/budget/train_seconds");
    const Json* reserve = at("/budget/reserve_seconds");
    if (whole == nullptr || reserve == nullptr || !whole->is_number() || !reserve->is_number()) return;
    if (*whole == 0 && *reserve > 0) {
      conflict("/budget/reserve_seconds", "is not read, for training has no \"train_seconds\" to keep it from; give them");
    } else if (*whole > 0 && *reserve >= *whole) {
      conflict("/budget/reserve_seconds",
               fmt::format("{} s reserved leave nothing of {} s to train", reserve->dump(), whole->dump()));
    }
  }

  void sources() {
    const Json* data = at("/data");
    if (data == nullptr || !data->is_object()) return;
    const bool text = at("/data/text") != nullptr;
    const bool train = at("/data/train") != nullptr;
    const bool validation = at("/data/validation/files") != nullptr;
    if (text && train)
      conflict("/data/train", "is not read, for the text is prepared; keep one of \"text\" and \"train\"");
    if (text && validation) {
      conflict("/data/validation/files", "is not read, for the text is prepared; keep one of \"text\" and \"files\"");
    }
    if (text) return;
    if (at("/data/folder") == nullptr) {
      conflict("/data", "names no data; give \"text\" to prepare or the \"folder\" of prepared data", Kind::missing_key);
    }
    if (train != validation) {
      const char* message = train ? "\"train\" needs \"validation\": {\"files\": ...} beside it"
                                  : "\"validation.files\" needs \"train\" beside it";
      conflict("/data", message, Kind::missing_key);
    } else if (train && at("/data/tokenizer/model") == nullptr) {
      conflict("/data", "shards made elsewhere need the model they were made with: \"tokenizer\": {\"model\": ...}",
               Kind::missing_key);
    }
    for (const char* pointer : {"/data/validation/fraction", "/data/validation/documents", "/data/max_bytes",
                                "/data/max_document_bytes", "/data/shuffle", "/data/seed"}) {
      only_with_text(pointer);
    }
  }

  // A setting of the preparation that is not its default needs text to prepare.
  void only_with_text(const std::string& pointer) {
    const Json* schema = &host_schema();
    for (const std::string& step : pointer_steps(pointer)) schema = &schema->at("properties").at(step);
    const Json* value = at(pointer);
    if (value == nullptr || *value == schema->at("default")) return;
    conflict(pointer, "is not read, for there is no \"text\" to prepare; add it, or remove this key");
  }

  void sections() {
    for (const char* name : {"blocks", "optimizers"}) {
      const Json* section = at(std::string("/") + name);
      if (section != nullptr && section->is_object() && section->empty()) {
        conflict(std::string("/") + name, "is empty; a run needs at least one entry", Kind::missing_key);
      }
    }
  }

  Document& document_;
  Findings& findings_;
};

}  // namespace

void apply_host_rules(Document& document, Findings& findings) { HostRules(document, findings).apply(); }

}  // namespace caddie::manifest
