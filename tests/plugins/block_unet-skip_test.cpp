#include <gtest/gtest.h>

#include "tests/plugins/harness.hpp"

namespace caddie::plugins::test {
namespace {

// One channel; the first decoder visit takes the output of the only encoder visit.
HookCase first_decoder_visit(const nlohmann::json& config) {
  return {.blocks = {{"unet-skip", config}},
          .hook = "layer.in",
          .inputs = {real({1, 1, 4}, {1, -2, 0.5, 3})},
          .wires = {{"skip.0", real({1, 1, 4}, {0.2, 0.4, -1, 2})}},
          .dims = {.dim = 4, .layers = 2},
          .visits = {0, 1},
          .encoder = 1,
          .visit = 1};
}

TEST(UnetSkip, Adds) {  // G14
  Session session = build_hook(first_decoder_visit({{"mode", "add"}}));
  session.set("unet-skip.weight", {1, 0.5, 2, 1});
  session.run();
  expect_near(session.get("out0"), {1.2, -1.8, -1.5, 5});
  session.expect_gradients();
}

TEST(UnetSkip, Gates) {  // G14
  Session session = build_hook(first_decoder_visit({{"mode", "gate"}}));
  session.run();
  expect_near(session.get("out0"), {0.6, -0.8, -0.25, 2.5});  // at the start: the mean of stream and skip
  session.set("unet-skip.weight", {1, 0.5, 2, 1});
  session.set("unet-skip.gate", {0, 1, -1, 0.5});
  session.run();
  expect_near(session.get("out0"), {0.6, -1.408328873, -1.327646447, 2.622459331});
  session.expect_gradients();
}

// Which encoder position every decoder position reads, -1 for none. The output of encoder visit v is the number v + 1.
std::vector<int> pairs(const std::vector<int>& visits, int encoder) {
  Dims dims = {.dim = 1, .layers = 11};
  const Blocks blocks(dims, {{"unet-skip"}});
  Build build(dims, {}, &blocks.model->blocks());
  build.set_visits(visits, encoder);
  std::map<std::string, graph::Value> outputs;
  for (int visit = 0; visit < static_cast<int>(visits.size()); ++visit) {
    const std::string name = std::to_string(visit);
    build.enter_visit(visit);
    const graph::Value in = build.graph().leaf(graph::LeafKind::input, "in" + name, graph::DType::f32, {1, 1, 1});
    outputs["seen" + name] = build.run_hook("layer.in", "", {in}, 1)[0];
    const graph::Value out = build.graph().leaf(graph::LeafKind::input, "out" + name, graph::DType::f32, {1, 1, 1});
    build.run_hook("layer.out", "", {out}, 1);
  }
  if (auto status = build.status(); !status) throw std::runtime_error(status.error().message());
  Session session(build.take(), outputs, 0);
  for (std::size_t visit = 0; visit < visits.size(); ++visit)
    session.set("out" + std::to_string(visit), {static_cast<double>(visit + 1)});
  session.run();
  std::vector<int> read;
  for (std::size_t visit = 0; visit < visits.size(); ++visit) {
    const int seen = static_cast<int>(session.get("seen" + std::to_string(visit))[0]) - 1;
    if (static_cast<int>(visit) >= encoder) {
      read.push_back(seen);
    } else {
      EXPECT_EQ(seen, -1) << "an encoder visit reads nothing";
    }
  }
  return read;
}

TEST(UnetSkip, PairsLastInFirstOut) {  // G13
  EXPECT_EQ(pairs({0, 1, 2, 3, 4, 5, 6, 7, 8}, 4), (std::vector<int>{3, 2, 1, 0, -1}));
  EXPECT_EQ(pairs({0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, 5), (std::vector<int>{4, 3, 2, 1, 0, -1}));
  EXPECT_EQ(pairs({0, 1, 2, 3, 4, 5, 3, 4, 5, 3, 4, 5, 6, 7, 8, 9, 10}, 8),
            (std::vector<int>{7, 6, 5, 4, 3, 2, 1, 0, -1}));
  EXPECT_EQ(pairs({0, 1, 2, 3, 4, 5, 4, 5, 4, 5, 6, 7, 8, 9, 10}, 7), (std::vector<int>{6, 5, 4, 3, 2, 1, 0, -1}));
}

TEST(UnetSkip, ImmediateRepeatsAreOneStep) {
  // PR #1033: only the last run of layer 4 is kept, only the first of layer 5 takes.
  EXPECT_EQ(pairs({0, 1, 2, 3, 4, 4, 5, 5, 6, 7, 8, 9, 10}, 6), (std::vector<int>{5, -1, 3, 2, 1, 0, -1}));
  EXPECT_EQ(pairs({0, 0, 1, 2, 2, 3, 3, 3}, 4), (std::vector<int>{3, 2, -1, -1}));  // a repeat across the split is none
  EXPECT_EQ(pairs({0, 1, 0, 1, 0, 1}, 3), (std::vector<int>{2, 1, 0}));
}

// The rows of the weights in a whole model with two layers, of which layer 0 comes twice more from half of the run on.
std::vector<std::int64_t> rows(double progress, const nlohmann::json& config, std::vector<Note>* notes = nullptr) {
  const Dims dims = {.vocab = 8, .dim = 4, .heads = 2, .kv_heads = 2, .head_dim = 2, .layers = 2};
  BuildRequest request;
  request.context = 2;
  request.progress = progress;
  const Session session = build_model(dims,
                                      {{"token-embedding"},
                                       {"rms-norm"},
                                       {"depth-recurrence", {{"start", 0}, {"end", 1}, {"enable_at", 0.5}}},
                                       {"sequential-layer"},
                                       {"gqa"},
                                       {"mlp"},
                                       {"act-relu2"},
                                       {"plain-residual"},
                                       {"unet-skip", config},
                                       {"tied-head"},
                                       {"cross-entropy"}},
                                      request);
  if (notes != nullptr) *notes = session.built().notes;
  std::vector<std::int64_t> found;
  for (const TensorDeclaration& tensor : session.built().parameters) {
    if (tensor.instance == "unet-skip") found.push_back(tensor.shape[0]);
  }
  return found;
}

TEST(UnetSkip, RowsAreThoseOfThePlanAtTheEnd) {
  EXPECT_EQ(rows(0, {}), (std::vector<std::int64_t>{3}));
  EXPECT_EQ(rows(0.6, {{"mode", "gate"}}), (std::vector<std::int64_t>{3, 3}));
  EXPECT_EQ(rows(0.6, {{"rows", 8}}), (std::vector<std::int64_t>{8}));
  EXPECT_EQ(rows(0, {{"rows", 2}}), (std::vector<std::int64_t>{2}));
  const std::string message = message_of([] { rows(0.6, {{"rows", 2}}); });
  EXPECT_NE(message.find("\"rows\" is 2, but this plan of visits has more skips"), std::string::npos) << message;
}

TEST(UnetSkip, NotesItsPairs) {
  std::vector<Note> notes;
  rows(0.6, {}, &notes);
  std::vector<std::string> found;
  for (const Note& note : notes) found.push_back(std::to_string(note.visit) + " " + note.key + " " + note.json);
  EXPECT_EQ(found, (std::vector<std::string>{"3 skip [0, 2]", "4 skip [1, 1]", "5 skip [2, 0]"}));
}

}  // namespace
}  // namespace caddie::plugins::test
