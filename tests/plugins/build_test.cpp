// What a Build keeps beside the graph: plans of now and of the end, notes, initial values, effects that show in no value.
#include <gtest/gtest.h>

#include "core/plugins/model.hpp"

namespace caddie::plugins {
namespace {

// A block of plain functions.
BlockInstance block(std::string name, std::vector<Attachment> attachments) {
  BlockInstance made;
  made.name = std::move(name);
  made.attachments = std::move(attachments);
  return made;
}

const Attachment kDoubleFromHalf{
    .hook = "plan.visits",
    .kind = HookKind::plan,
    .plan = [](void*, caddie_build* build, caddie_visit_plan* plan, caddie_error*) -> caddie_code {
      if (build_service()->progress_reached(build, 0.5) == 0) return CADDIE_OK;
      for (uint32_t i = 0; i < plan->count; ++i) plan->layers[plan->count + i] = plan->layers[i];
      plan->encoder = plan->count;
      plan->count *= 2;
      return CADDIE_OK;
    }};

const Attachment kHalves{
    .hook = "parameter.init",
    .kind = HookKind::init,
    .init = [](void*, caddie_build*, const caddie_tensor_spec*, caddie_initialiser* start, caddie_error*) -> caddie_code {
      start->kind = CADDIE_INIT_CONSTANT;
      start->a = 0.5;
      return CADDIE_OK;
    }};

caddie_tensor_spec two_numbers() {
  static constexpr std::int64_t lengths[] = {2};
  caddie_tensor_spec spec = {};
  spec.struct_size = sizeof spec;
  spec.name = "weight";
  spec.role = "scalar";
  spec.dtype = CADDIE_F32;
  spec.rank = 1;
  spec.lengths = lengths;
  spec.initialiser.struct_size = sizeof spec.initialiser;
  return spec;
}

caddie_visit_plan one_layer() {
  caddie_visit_plan plan = {};
  plan.struct_size = sizeof plan;
  plan.count = 1;
  return plan;
}

TEST(Build, KnowsThePlanOfTheEnd) {
  const std::vector<BlockInstance> blocks = {block("double", {kDoubleFromHalf})};
  Build build({.layers = 1}, {.progress = 0}, &blocks);
  EXPECT_EQ(build.run_plan("plan.visits", one_layer())->count, 1u);
  EXPECT_TRUE(build.take().effects.empty());

  Build later({.layers = 1}, {.progress = 0}, &blocks);
  const auto last = later.run_final_plan("plan.visits", one_layer());
  ASSERT_TRUE(last.ok());
  EXPECT_EQ(last->count, 2u);
  later.set_final_visits({last->layers, last->layers + last->count}, static_cast<int>(last->encoder));
  later.set_visits({0}, 0);
  EXPECT_EQ(later.info().visits, 1);
  EXPECT_EQ(later.info().final_visits, 2);
  EXPECT_EQ(later.info().final_encoder_visits, 1);
  EXPECT_TRUE(later.take().effects.contains("double"));
}

TEST(Build, ABlockMayChangeHowParametersStart) {
  const std::vector<BlockInstance> blocks = {block("halves", {kHalves})};
  Build build({.layers = 1}, {}, &blocks);
  build.set_instance("owner");
  ASSERT_NE(build.declare_parameter(two_numbers()), 0u);
  ASSERT_NE(build.declare_state(two_numbers()), 0u);
  const BuildResult result = build.take();
  EXPECT_EQ(result.parameters.at(0).initialiser.kind, CADDIE_INIT_CONSTANT);
  EXPECT_EQ(result.parameters.at(0).initialiser.a, 0.5);
  EXPECT_EQ(result.states.at(0).initialiser.kind, CADDIE_INIT_ZEROS);  // states are their block's own affair
  EXPECT_TRUE(result.effects.contains("halves"));
}

TEST(Build, AStateStartsAsAParameterOfItsShapeAndType) {
  const std::vector<BlockInstance> blocks;
  Build build({.layers = 1}, {}, &blocks);
  build.set_instance("owner");
  const graph::Value weight = build.declare_parameter(two_numbers());
  caddie_tensor_spec state = two_numbers();
  state.initialiser.kind = CADDIE_INIT_COPY;
  state.initialiser.copy = weight;
  EXPECT_NE(build.declare_state(state), 0u);
  state.name = "whole";
  state.dtype = CADDIE_I32;
  EXPECT_EQ(build.declare_state(state), 0u);
  EXPECT_NE(build.status().error().message().find("of a parameter of its shape and type"), std::string::npos);
}

TEST(Build, KeepsTheLastNoteOfAVisit) {
  const std::vector<BlockInstance> blocks;
  Build build({.layers = 1}, {}, &blocks);
  build.set_instance("rope");
  build.set_visits({0, 0}, 0);
  build.note("base", "1");
  build.note("base", "2");
  build.enter_visit(1);
  build.note("base", "3");
  const BuildResult result = build.take();
  ASSERT_EQ(result.notes.size(), 2u);
  EXPECT_EQ(result.notes[0].json, "2");
  EXPECT_EQ(result.notes[0].visit, -1);
  EXPECT_EQ(result.notes[1].json, "3");
  EXPECT_EQ(result.notes[1].visit, 1);
}

TEST(Build, AWireThatAnotherReadsIsAnEffect) {
  const std::vector<BlockInstance> blocks;
  Build build({.layers = 1}, {}, &blocks);
  const graph::Value value = build.graph().leaf(graph::LeafKind::input, "x", graph::DType::f32, {1});
  build.set_instance("giver");
  build.set_wire("x", value);
  build.set_wire("unread", value);
  EXPECT_EQ(build.wire("x"), value);
  EXPECT_TRUE(build.take().effects.empty());  // nobody else has read it

  Build second({.layers = 1}, {}, &blocks);
  second.set_instance("giver");
  second.set_wire("x", second.graph().leaf(graph::LeafKind::input, "x", graph::DType::f32, {1}));
  second.set_instance("taker");
  second.wire("x");
  EXPECT_EQ(second.take().effects, std::set<std::string>{"giver"});
}

}  // namespace
}  // namespace caddie::plugins
