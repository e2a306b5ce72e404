#include "runner/manifest/host_schema.hpp"

#include "runner/manifest/sections.hpp"

namespace caddie::manifest {
namespace {

constexpr std::string_view kText = R"json({
"$schema": "http://json-schema.org/draft-07/schema#",
"title": "Caddie manifest",
"description": "One run: data, model, plugins, budgets.",
"type": "object",
"required": ["data", "model", "train", "blocks", "optimizers", "loader"],
"properties": {
  "name": { "type": "string", "minLength": 1,
    "description": "Name of the run; by default the name of its file. Not inherited." },
  "notes": { "type": ["string", "array"], "items": { "type": "string" },
    "description": "Words for readers. Not inherited." },
  "data": {
    "description": "Text, tokenizer and token shards.",
    "type": "object",
    "properties": {
      "text": { "type": "string", "minLength": 1,
        "description": "Text to prepare into the folder first: a file, a folder, or a dictd dictionary." },
      "folder": { "type": "string", "minLength": 1,
        "description": "Folder of the prepared data, relative to where caddie is started; with `text` it may be left out and is then made under data/." },
      "train": { "type": ["string", "array"], "items": { "type": "string", "minLength": 1 }, "minLength": 1,
        "minItems": 1, "description": "Patterns of training shards in the folder that were made elsewhere." },
      "validation": {
        "type": "object", "default": {}, "description": "The part that is only ever scored.",
        "properties": {
          "files": { "type": ["string", "array"], "items": { "type": "string", "minLength": 1 }, "minLength": 1,
            "minItems": 1, "description": "Patterns of validation shards in the folder that were made elsewhere." },
          "fraction": { "type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1, "default": 0.01,
            "description": "Share of the documents set aside when text is prepared." },
          "documents": { "type": "integer", "minimum": 0, "default": 0,
            "description": "Above 0, in place of the fraction: so many documents." }
        } },
      "tokenizer": {
        "type": "object", "default": {}, "description": "How text becomes tokens.",
        "properties": {
          "model": { "type": "string", "minLength": 1,
            "description": "SentencePiece model; without one, preparing text trains one of `vocab` pieces." },
          "vocab": { "type": "integer", "minimum": 2, "maximum": 65536, "description": "Number of tokens." }
        } },
      "max_bytes": { "type": "integer", "unit": "bytes", "minimum": 0, "default": 0,
        "description": "Prepare at most so much text; 0 is all." },
      "max_document_bytes": { "type": "integer", "unit": "bytes", "minimum": 0, "default": 0,
        "description": "Cut longer documents when text is prepared; 0 never cuts." },
      "shuffle": { "type": "boolean", "default": true,
        "description": "Prepare documents in random order; false keeps that of the source." },
      "seed": { "type": "integer", "minimum": 0, "default": 1337, "description": "Seed of that order." }
    } },
  "model": {
    "description": "Dimensions. What is built with them is said by the blocks.",
    "type": "object", "required": ["layers", "dim", "heads", "context"],
    "properties": {
      "layers": { "type": "integer", "minimum": 1, "maximum": 4096, "description": "Number of layers (L)." },
      "dim": { "type": "integer", "minimum": 1, "maximum": 1048576, "description": "Width of the stream (D)." },
      "heads": { "type": "integer", "minimum": 1, "maximum": 65536, "description": "Attention heads (H)." },
      "kv_heads": { "type": "integer", "minimum": 1, "maximum": 65536,
        "description": "Key and value heads (K); by default `heads`." },
      "head_dim": { "type": "integer", "minimum": 1, "maximum": 65536,
        "description": "Width of a head; by default `dim` / `heads`." },
      "context": { "type": "integer", "minimum": 1, "maximum": 16777216, "description": "Tokens in a window (T)." },
      "vocab": { "type": "integer", "minimum": 2, "maximum": 65536,
        "description": "Rows of the embedding (V); by default `data.tokenizer.vocab`." }
    } },
  "train": {
    "description": "Length and form of training.",
    "type": "object", "required": ["batch"],
    "properties": {
      "batch": { "type": "integer", "minimum": 1, "maximum": 1048576,
        "description": "Windows in one step (B), over all accumulated parts." },
      "context": { "type": "integer", "minimum": 1, "maximum": 16777216,
        "description": "Tokens in a training window; by default `model.context`." },
      "accumulate": { "type": "integer", "minimum": 1, "default": 1,
        "description": "Parts into which a step's batch is split to save memory; divides `batch`." },
      "steps": { "type": "integer", "minimum": 1, "default": 20000,
        "description": "Most steps; training ends earlier when `budget.train_seconds` is used up." },
      "clip": {
        "type": "object", "default": {}, "description": "Clipping of the gradient.",
        "properties": {
          "norm": { "type": "number", "minimum": 0, "default": 0, "description": "Largest norm; 0 does not clip." },
          "scope": { "type": "string", "enum": ["global", "local"], "default": "global",
            "description": "The norm over all ranks, or each rank's own before gradients are averaged." }
        } },
      "log_every": { "type": "integer", "minimum": 1, "default": 50, "description": "Steps between lines of metrics." },
      "checkpoint_every": { "type": "integer", "minimum": 0, "default": 0,
        "description": "Steps between checkpoints; 0 writes one at the end." }
    } },
  "blocks": {
    "description": "What the model is made of and what is attached to it, by name.",
    "type": "object",
    "additionalProperties": {
      "type": "object", "required": ["use"],
      "properties": {
        "use": { "type": "string", "minLength": 1, "description": "Plugin." },
        "layers": { "type": ["integer", "string", "array"], "items": { "type": ["integer", "string"] },
          "description": "Layers: 7, \"all\", \"8:\", \"2:5\", \"last:4\" or a list; by default the plugin's." },
        "at": { "type": "string", "minLength": 1, "description": "Another hook of the same type to attach to." },
        "order": { "type": "integer", "minimum": -1000000, "maximum": 1000000,
          "description": "Entries act by rising order (0 where none is given), equals as written." },
        "phases": { "type": "array", "minItems": 1,
          "items": { "type": "string", "enum": ["train", "evaluate", "calibrate", "adapt"] },
          "description": "Only in these modes; by default in all that the plugin knows." }
      } } },
  "optimizers": {
    "description": "Who updates which parameters, by name. Each parameter has one owner.",
    "type": "object",
    "additionalProperties": {
      "type": "object", "required": ["use"],
      "properties": {
        "use": { "type": "string", "minLength": 1, "description": "Plugin." },
        "claims": { "$ref": "claims", "description": "The parameters it owns; by default all." }
      } } },
  "schedule": {
    "description": "Scale of the learning rates over time; none leaves them constant.",
    "type": "object", "required": ["use"],
    "properties": { "use": { "type": "string", "minLength": 1, "description": "Plugin." } } },
  "averagers": {
    "description": "Running averages of the weights, by name.",
    "type": "object", "default": {},
    "additionalProperties": {
      "type": "object", "required": ["use"],
      "properties": { "use": { "type": "string", "minLength": 1, "description": "Plugin." } } } },
  "loader": {
    "description": "How shards become batches.",
    "type": "object", "required": ["use"],
    "properties": { "use": { "type": "string", "minLength": 1, "description": "Plugin." } } },
  "quantize": {
    "description": "How tensors become codes, by name. Each tensor has one owner.",
    "type": "object", "default": {},
    "additionalProperties": {
      "type": "object", "required": ["use"],
      "properties": {
        "use": { "type": "string", "minLength": 1, "description": "Plugin." },
        "claims": { "$ref": "claims", "description": "The tensors it takes; by default all that are left." },
        "over": { "type": "array", "minItems": 1, "items": { "type": "string", "minLength": 1 },
          "description": "For decorators: names of the entries whose work it refines." },
        "order": { "type": "integer", "minimum": -1000000, "maximum": 1000000,
          "description": "Entries act by rising order (0 where none is given), equals as written." }
      } } },
  "compress": {
    "description": "How byte streams become smaller, by name. Each stream has one owner.",
    "type": "object", "default": {},
    "additionalProperties": {
      "type": "object", "required": ["use"],
      "properties": {
        "use": { "type": "string", "minLength": 1, "description": "Plugin." },
        "streams": { "type": ["string", "array"], "items": { "type": "string", "minLength": 1 }, "minLength": 1,
          "minItems": 1, "default": "*", "description": "Patterns of stream names." },
        "order": { "type": "integer", "minimum": -1000000, "maximum": 1000000,
          "description": "Entries act by rising order (0 where none is given), equals as written." }
      } } },
  "ttt": {
    "description": "Training at test time; none leaves the weights as they are.",
    "type": "object", "required": ["use"],
    "properties": { "use": { "type": "string", "minLength": 1, "description": "Plugin." } } },
  "evaluators": {
    "description": "How validation text is scored, by name.",
    "type": "object", "default": {},
    "additionalProperties": {
      "type": "object", "required": ["use"],
      "properties": { "use": { "type": "string", "minLength": 1, "description": "Plugin." } } } },
  "budget": {
    "description": "Caps of time and size.",
    "type": "object", "default": {},
    "properties": {
      "train_seconds": { "type": "number", "unit": "seconds", "minimum": 0, "default": 0,
        "description": "Wall clock of training, calibration included; 0 sets no limit, and the run is the same bits each time." },
      "reserve_seconds": { "type": "number", "unit": "seconds", "minimum": 0, "default": 0,
        "description": "Part of it kept for what follows the last step." },
      "evaluate_seconds": { "type": "number", "unit": "seconds", "exclusiveMinimum": 0, "default": 600,
        "description": "Wall clock of evaluation, training at test time included." },
      "artifact_bytes": { "type": "integer", "unit": "bytes", "minimum": 1, "default": 16000000,
        "description": "Most bytes of the artifact." }
    } },
  "seed": { "type": "integer", "minimum": 0, "default": 0, "description": "Seed of every random number of the run." },
  "compute": {
    "description": "Where it runs.",
    "type": "object", "default": {},
    "properties": {
      "backend": { "type": "string", "enum": ["cpu", "cuda", "reference"], "default": "cpu",
        "description": "Executor; `reference` is the slow, plain one that the others are tested against." },
      "threads": { "type": "integer", "minimum": 0, "maximum": 4096, "default": 0,
        "description": "Threads on the CPU; 0 is all, or of several processes on a machine the share of each. Does not change results." },
      "precision": { "type": "string", "enum": ["fp32", "bf16"], "default": "fp32",
        "description": "Of products and attention. bf16: factors are rounded to bfloat16, sums are in fp32; on the cpu only where the processor multiplies those faster (Intel's with AMX, AMD's from Zen 4 on; `caddie doctor` tells), elsewhere it computes in fp32. On cuda activations are kept in bfloat16 too." }
    } },
  "rules": { "type": "array", "items": { "type": "string", "minLength": 1 }, "default": [],
    "description": "Rule profiles the run is audited against." },
  "allow_inert": {
    "description": "What may have no effect without being an error.",
    "type": "array", "default": [],
    "items": {
      "type": "object", "required": ["what", "why"],
      "properties": {
        "what": { "type": "string", "minLength": 1, "description": "Entry, parameter or key, as the error names it." },
        "why": { "type": "string", "minLength": 1, "description": "The reason, for readers." }
      } } },
  "allow_draft": { "type": "boolean", "default": false,
    "description": "Accept plugins whose interface is still a draft." },
  "plugin_path": { "type": "array", "items": { "type": "string", "minLength": 1 }, "default": [],
    "description": "Further folders of plugins, searched first." }
}
})json";

// The one schema used twice.
constexpr std::string_view kClaims = R"json({
  "type": "object",
  "properties": {
    "role": {
      "description": "matrix, embedding, scalar, head, adapter, or a list of these.",
      "anyOf": [
        { "title": "a role", "type": "string", "enum": ["matrix", "embedding", "scalar", "head", "adapter"] },
        { "title": "a list of roles", "type": "array", "minItems": 1,
          "items": { "type": "string", "enum": ["matrix", "embedding", "scalar", "head", "adapter"] } } ] },
    "layers": { "type": ["integer", "string", "array"], "items": { "type": ["integer", "string"] },
      "description": "Only in these layers: 7, \"all\", \"8:\", \"2:5\", \"last:4\" or a list." },
    "name": { "type": ["string", "array"], "items": { "type": "string", "minLength": 1 }, "minLength": 1, "minItems": 1,
      "description": "Patterns of names, `*` for anything." },
    "except": { "type": ["string", "array"], "items": { "type": "string", "minLength": 1 }, "minLength": 1, "minItems": 1,
      "description": "Patterns of names that it does not take." },
    "min_elements": { "type": "integer", "minimum": 0, "default": 0, "description": "Only tensors with at least so many elements." },
    "max_elements": { "type": "integer", "minimum": 1, "default": 9007199254740992,
      "description": "Only tensors with at most so many elements." }
  }
})json";

Json build() {
  Json schema = Json::parse(kText);
  for (const Section& section : plugin_sections()) {
    Json& entry = schema["properties"][std::string(section.name)];
    Json& properties = section.keyed ? entry["additionalProperties"]["properties"] : entry["properties"];
    if (!properties.contains("claims")) continue;
    const Json description = properties["claims"]["description"];
    properties["claims"] = Json::parse(kClaims);
    properties["claims"]["description"] = description;
  }
  return schema;
}

}  // namespace

std::string_view host_schema_text() { return kText; }

const Json& host_schema() {
  static const Json schema = build();
  return schema;
}

const Json& entry_schema(std::string_view section) {
  const Json& schema = host_schema().at("properties").at(std::string(section));
  return find_section(section)->keyed ? schema.at("additionalProperties") : schema;
}

}  // namespace caddie::manifest
