#include "runner/pipeline/profile_report.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "core/cpu/cpu_executor.hpp"
#include "core/graph/emitter.hpp"

namespace caddie::pipeline {
namespace {

// A program of one product in the scope of two layers, run twice.
graph::ProfileSink profiled() {
  const auto sink = std::make_shared<graph::ProfileSink>();
  const auto executor = graph::make_profiling_executor(cpu::make_cpu_executor({.threads = 2, .profile = true}), sink);
  graph::Graph graph;
  const graph::Emitter e{graph};
  graph::Value x = graph.leaf(graph::LeafKind::input, "x", graph::DType::f32, {64, 64});
  for (const char* scope : {"blocks.0", "blocks.13"}) {
    graph.push_scope(scope);
    x = e.dot(x, x, {}, {}, {1}, {0});
    graph.pop_scope();
  }
  graph.output("y", x);
  auto program = executor->compile(graph);
  EXPECT_TRUE(program);
  for (const char* name : {"x", "y"}) {
    const auto buffer = executor->allocate(64 * 64 * 4);
    EXPECT_TRUE((*program)->bind(name, {*buffer, 0}));
  }
  for (int i = 0; i < 2; ++i) EXPECT_TRUE((*program)->run({}));
  program->reset();
  return *sink;
}

TEST(ProfileReport, TableHasGroupsAndHooksWithoutLayers) {
  const std::string table = profile_table(profiled(), 100);
  EXPECT_NE(table.find("gemm"), std::string::npos) << table;
  EXPECT_NE(table.find("blocks.*"), std::string::npos) << table;
  EXPECT_EQ(table.find("blocks.13"), std::string::npos) << table;
  EXPECT_NE(table.find("100.0%"), std::string::npos) << table;
}

TEST(ProfileReport, TraceIsOneCompleteEventForEachStepOfEachRun) {
  const auto trace = nlohmann::json::parse(profile_trace(profiled()));
  ASSERT_EQ(trace["traceEvents"].size(), 4U);
  double last = 0;
  for (const auto& event : trace["traceEvents"]) {
    EXPECT_EQ(event["ph"], "X");
    EXPECT_EQ(event["name"], "dot");
    EXPECT_EQ(event["cat"], "gemm");
    EXPECT_GE(event["ts"].get<double>(), last);
    last = event["ts"].get<double>() + event["dur"].get<double>();
  }
}

TEST(ProfileReport, NothingTimed) { EXPECT_EQ(profile_table({}, 0), "no step was timed\n"); }

}  // namespace
}  // namespace caddie::pipeline
