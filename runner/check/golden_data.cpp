// Golden cases of what is no graph: schedules, loaders, quantizers, compressors, evaluators.
#include <fmt/format.h>

#include "core/artifact/parts.hpp"
#include "core/artifact/tensor.hpp"
#include "core/plugins/stream.hpp"
#include "core/score/plan.hpp"
#include "runner/check/failure.hpp"
#include "runner/check/golden.hpp"
#include "runner/check/memory_shards.hpp"

namespace caddie::check {

using nlohmann::json;

void golden_schedule(Subject& subject, GoldenCase& test, const json& config) {
  const plugins::Object object = subject.make_or_fail(config);
  const auto steps = test.value("steps", 0).get<std::int64_t>();
  const auto seconds = test.value("seconds", 0).get<double>();
  for (const json& point : test.at("at")) {
    caddie_step at{};
    at.struct_size = sizeof at;
    at.step = point.at("step").get<std::int64_t>();
    at.steps = steps;
    at.budget_seconds = seconds;
    const double by_steps = steps > 0 ? static_cast<double>(at.step) / static_cast<double>(steps) : 0;
    at.elapsed_seconds = point.value("elapsed", seconds * by_steps);
    at.fraction = point.value("fraction", seconds > 0 ? std::max(by_steps, at.elapsed_seconds / seconds) : by_steps);
    double scale = 0;
    (void)subject.calls().hook("scale()", [&] {
      scale = object.table<caddie_schedule>().scale(object.abi(), &at);
      return caddie_code{CADDIE_OK};
    });
    test.expect(fmt::format("the scale at step {}", at.step), real({}, {scale}), point.at("scale"));
  }
}

void golden_loader(Subject& subject, GoldenCase& test, const json& config) {
  const MemoryShards shards(test.at("shards").get<std::vector<std::vector<std::int32_t>>>());
  const plugins::Object object = subject.make_or_fail(config);
  const auto& table = object.table<caddie_loader>();
  must(subject.calls().run(
      "open()", [&](caddie_error* error) { return table.open(object.abi(), shards.table(), shards.abi(), error); }));
  const auto rows = test.at("rows").get<std::int64_t>();
  const auto context = test.at("context").get<std::int64_t>();
  if (rows < 1 || context < 1 || rows * context > (1 << 24))
    test.fail("\"rows\" and \"context\" must be positive, and not beyond reason");
  std::size_t number = 0;
  for (const json& expected : test.at("batches")) {
    const auto cells = static_cast<std::size_t>(rows * context);
    std::vector<std::int32_t> tokens(cells), targets(cells), segments(cells);
    const bool has_segments = table.has_segments(object.abi()) != 0;
    const caddie_batch batch = {
        sizeof batch, 0, rows, context, 0, 1, tokens.data(), targets.data(), has_segments ? segments.data() : nullptr};
    must(subject.calls().run("next()", [&](caddie_error* error) { return table.next(object.abi(), &batch, error); }));
    const auto nested = [&](const std::vector<std::int32_t>& list) {
      return to_json(whole({rows, context}, {list.begin(), list.end()}));
    };
    test.expect_equal(fmt::format("\"tokens\" of batch {}", number), nested(tokens), expected.at("tokens"));
    test.expect_equal(fmt::format("\"targets\" of batch {}", number), nested(targets), expected.at("targets"));
    ++number;
  }
}

void golden_quantizer(Subject& subject, GoldenCase& test, const json& config) {
  const plugins::Object object = subject.make_or_fail(config);
  const auto& table = object.table<caddie_quantizer>();
  const Array weights = test.array("weights");
  const artifact::TensorId id{test.value("tensor", "blocks.0.attn.q.weight").get<std::string>(),
                              test.value("role", "matrix").get<std::string>(), 0, weights.shape};
  const caddie_tensor_info info = artifact::info_of(id);
  const std::vector<float> values(weights.values.begin(), weights.values.end());
  std::vector<float> out(values.size(), 12345.0f);
  if (table.decorator != 0) {
    const Array below = test.array("below");
    if (below.shape != weights.shape) test.fail("\"below\" must have the shape of \"weights\"");
    out.assign(below.values.begin(), below.values.end());
  }
  std::vector<float> moments;
  if (test.has("moments")) {
    const Array given = test.array("moments");
    moments.assign(given.values.begin(), given.values.end());
  }
  const std::vector<float> decoded = out;
  caddie_quantize_input input{};
  input.struct_size = sizeof input;
  input.weights = values.data();
  input.decoded = table.decorator != 0 ? decoded.data() : nullptr;
  input.moments = moments.empty() ? nullptr : moments.data();
  input.moments_size = moments.empty() ? 0 : static_cast<std::uint64_t>(weights.shape[weights.shape.rank() - 1]);
  caddie_parts parts;
  parts.room = artifact::max_parts_bytes(weights.shape.elements());
  must(subject.calls().run("encode()", [&](caddie_error* error) {
    return table.encode(object.abi(), &info, &input, artifact::parts_service(), &parts, error);
  }));
  must(subject.calls().run("decode()", [&](caddie_error* error) {
    return table.decode(object.abi(), &info, artifact::parts_service(), &parts, out.data(), error);
  }));
  if (test.has("parts")) {
    json stored = json::object();
    for (const artifact::Part& part : parts.list) stored[part.name] = part.bytes;
    test.expect_equal("\"parts\"", stored, test.at("parts"));
  }
  test.expect("the decoded tensor", real(weights.shape, {out.begin(), out.end()}), test.at("decoded"));
}

void golden_compressor(Subject& subject, GoldenCase& test, const json& config) {
  const plugins::Object object = subject.make_or_fail(config);
  auto streams = test.at("streams").get<std::vector<std::vector<std::uint8_t>>>();
  std::vector<caddie_bytes> list;
  for (std::vector<std::uint8_t>& stream : streams) list.push_back({"codes", stream.data(), stream.size()});
  plugins::StreamSink sink(std::size_t{1} << 28);
  must(subject.calls().run("pack()", [&](caddie_error* error) {
    return object.table<caddie_compressor>().pack(object.abi(), list.data(), static_cast<std::uint32_t>(list.size()),
                                                  sink.abi(), error);
  }));
  test.expect_equal("\"packed\"", json(sink.take()), test.at("packed"));
}

void golden_evaluator(Subject& subject, GoldenCase& test, const json& config) {
  const plugins::Object object = subject.make_or_fail(config);
  Result<score::Plan> plan = Error{};
  const auto targets = test.at("targets").get<std::int64_t>();
  const auto context = test.at("context").get<std::int64_t>();
  (void)subject.calls().hook("plan()", [&] {
    plan = score::make_plan(object, targets, context);
    return caddie_code{CADDIE_OK};
  });
  json windows = json::array();
  const score::Plan made = value_or_fail(std::move(plan));
  for (const score::Window& window : made.windows)
    windows.push_back({window.first, window.length, window.score_first, window.score_count});
  test.expect_equal("\"windows\"", windows, test.at("windows"));
}

}  // namespace caddie::check
