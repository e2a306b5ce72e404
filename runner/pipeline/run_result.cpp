#include "runner/pipeline/run_result.hpp"

#include <algorithm>

namespace caddie::pipeline {
namespace {

using Json = nlohmann::json;

Json rows_json(const std::vector<artifact::SizeRow>& rows) {
  Json list = Json::array();
  for (const artifact::SizeRow& row : rows) list.push_back({{"name", row.name}, {"raw_bytes", row.raw_bytes}, {"bytes", row.bytes}});
  return list;
}

Json optional_json(const std::optional<double>& value) { return value ? Json(*value) : Json(nullptr); }

Json stage_json(const StageResult& stage) {
  return {{"name", stage.name},
          {"seconds", stage.seconds},
          {"budget_seconds", optional_json(stage.budget_seconds)},
          {"reused", stage.reused},
          {"bits_per_byte", optional_json(stage.bits_per_byte)},
          {"partial", stage.partial},
          {"remark", stage.remark}};
}

}  // namespace

bool RunResult::valid() const { return std::ranges::all_of(checks, &Check::passed); }

Json to_json(const RunResult& result) {
  Json stages = Json::array();
  for (const StageResult& stage : result.stages) stages.push_back(stage_json(stage));
  Json checks = Json::array();
  for (const Check& check : result.checks) checks.push_back({{"name", check.name}, {"passed", check.passed}, {"text", check.text}});
  return {{"format", 1},
          {"name", result.name},
          {"digest", result.digest},
          {"seed", result.seed},
          {"valid", result.valid()},
          {"bits_per_byte", optional_json(result.bits_per_byte)},
          {"nats_per_token", optional_json(result.nats_per_token)},
          {"targets", result.targets},
          {"target_bytes", result.target_bytes},
          {"stages", std::move(stages)},
          {"parameters", result.parameters},
          {"steps", result.steps},
          {"train_seconds", result.train_seconds},
          {"tokens_per_second", result.tokens_per_second},
          {"final_loss", result.final_loss},
          {"arena_bytes", result.arena_bytes},
          {"activity", train::to_json(result.activity)},
          {"artifact",
           {{"bytes", result.sizes.total},
            {"cap", result.artifact_cap},
            {"digest", result.artifact_digest},
            {"groups", rows_json(result.sizes.groups)},
            {"streams", rows_json(result.sizes.streams)},
            {"tensors", rows_json(result.sizes.tensors)}}},
          {"ledger_digest", result.ledger_digest},
          {"checks", std::move(checks)},
          {"remarks", result.remarks}};
}

}  // namespace caddie::pipeline
