// What a plugin does wrong stays with it.
#include <gmock/gmock.h>

#include <fstream>

#include "core/artifact/compress.hpp"
#include "core/artifact/quantize.hpp"
#include "core/plugins/library.hpp"
#include "core/score/adaptation.hpp"
#include "core/score/plan.hpp"
#include "test_paths.hpp"
#include "tests/plugins/abi/trace.hpp"
#include "tests/train/trainer_support.hpp"

namespace caddie::abi_test {
namespace {

namespace tt = train::test;
using ::testing::AllOf;
using ::testing::HasSubstr;

// One run of the tiny model with plugins that throw from what they are named after.
class Throwing : public ::testing::Test {
 protected:
  std::string training(const char* interface, const char* id) {
    return tt::message_of([&] {
      plugins::Object object = files_.make(interface, id);
      const std::string kind = interface;
      const plugins::Object sgd = tt::make_plugin("optimizer", "sgd", {{"lr", 0.1}});
      plugins::Object loader = tt::make_plugin("loader", "sequential-loader");
      const tt::TinyModel tiny;
      const tt::Stream stream({tt::learnable_tokens(300)});
      const auto executor = tt::reference();
      train::TrainerParts parts;
      parts.model = &*tiny;
      parts.optimizers = {{kind == "optimizer" ? &object : &sgd, {}}};
      if (kind == "averager") parts.averagers = {&object};
      parts.loader = kind == "loader" ? &object : &loader;
      parts.tokens = &*stream;
      train::TrainerOptions options;
      options.batch = 2;
      options.context = 8;
      options.steps = 2;
      const auto trainer = tt::value_of(train::Trainer::make(*executor, parts, options));
      (void)tt::value_of(trainer->step());
    });
  }
  std::string building(const char* id) {
    return tt::message_of([&] {
      const plugins::Object object = files_.make("block", id);
      const std::vector<plugins::BlockEntry> entries{{&object, {}, "", {}}};
      plugins::Dims dims;
      dims.vocab = 32;
      dims.dim = 8;
      dims.layers = 1;
      const plugins::Model model = tt::value_of(plugins::Model::attach(dims, entries));
      const std::vector<plugins::BlockInstance>& blocks = model.blocks();
      plugins::Build build(dims, {}, &blocks);
      const graph::Value logits = build.graph().leaf(graph::LeafKind::input, "x", graph::DType::f32, {1, 1, 32});
      (void)build.run_hook("logits", "", {logits}, 1);
      tt::must(build.status());
      (void)tt::value_of(model.build({}));
    });
  }
  const Files files_{{CADDIE_BUILD_DIR "/tests/plugins/fixtures/throwing-everywhere.so"}};
};

std::string escaped(const std::string& where) { return "let a C++ exception escape: thrown from " + where; }

TEST_F(Throwing, WhileTheModelIsBuilt) {
  EXPECT_THAT(building("throws-attach"), AllOf(HasSubstr("throws-attach"), HasSubstr(escaped("attach"))));
  EXPECT_THAT(building("throws-hook"), AllOf(HasSubstr("throws-hook"), HasSubstr(escaped("hook"))));
  EXPECT_THAT(building("throws-plan"), AllOf(HasSubstr("throws-plan"), HasSubstr(escaped("plan"))));
}

TEST_F(Throwing, WhileTraining) {
  EXPECT_THAT(training("optimizer", "throws-update"), AllOf(HasSubstr("throws-update"), HasSubstr(escaped("update"))));
  EXPECT_THAT(training("averager", "throws-averager"),
              AllOf(HasSubstr("throws-averager"), HasSubstr(escaped("accumulate"))));
  EXPECT_THAT(training("loader", "throws-open"), AllOf(HasSubstr("throws-open"), HasSubstr(escaped("open"))));
  EXPECT_THAT(training("loader", "throws-next"), AllOf(HasSubstr("throws-next"), HasSubstr(escaped("next"))));
}

TEST_F(Throwing, WhileParametersGetTheirStart) {
  EXPECT_THAT(tt::message_of([&] {
                const plugins::Object object = files_.make("block", "throws-init");
                const plugins::Object embedding = tt::make_plugin("block", "token-embedding");
                const std::vector<plugins::BlockEntry> entries{{&embedding, {}, "", {}}, {&object, {}, "", {}}};
                plugins::Dims dims;
                dims.vocab = 32;
                dims.dim = 8;
                dims.layers = 1;
                const plugins::Model model = tt::value_of(plugins::Model::attach(dims, entries));
                (void)tt::value_of(model.build({}));
              }),
              AllOf(HasSubstr("throws-init"), HasSubstr(escaped("init"))));
}

TEST_F(Throwing, WhileAnArtifactIsMade) {
  const plugins::Object quantizer = files_.make("quantizer", "throws-encode");
  const std::vector<artifact::QuantizerEntry> entries(1, {&quantizer, nlohmann::json::object(), {}, {}, false});
  const std::vector<artifact::NamedTensor> weights{{{"w", "matrix", -1, {2, 2}}, {1, 2, 3, 4}}};
  const auto quantized = artifact::quantize(weights, entries, {});
  ASSERT_FALSE(quantized.ok());
  EXPECT_THAT(quantized.error().message(), HasSubstr(escaped("encode")));
  const plugins::Object compressor = files_.make("compressor", "throws-pack");
  std::vector<artifact::StreamBytes> streams{{"s", {1, 2, 3}}};
  EXPECT_THAT(artifact::pack_group(compressor, streams).error().message(), HasSubstr(escaped("pack")));
  EXPECT_THAT(artifact::unpack_group(&compressor, streams[0].bytes, streams).error().message(),
              HasSubstr(escaped("unpack")));
}

TEST_F(Throwing, WhileScoring) {
  const plugins::Object evaluator = files_.make("evaluator", "throws-windows");
  EXPECT_THAT(score::make_plan(evaluator, 10, 4).error().message(), HasSubstr(escaped("windows")));
  plugins::Object strategy = files_.make("ttt", "throws-ttt");
  const tt::TinyModel model;
  const auto executor = tt::reference();
  const tt::Stream text({tt::learnable_tokens(50)});
  const auto weights = model.weights();
  const score::Vault vault = tt::value_of(score::Vault::make(*text, text->size() - 1));
  const auto adaptation = score::Adaptation::make(*executor, *model, strategy, weights, vault, 8, 1);
  ASSERT_FALSE(adaptation.ok());
  EXPECT_THAT(adaptation.error().message(), HasSubstr(escaped("ttt plan")));
}

bool is_mapped(const std::string& path) {
  std::ifstream maps("/proc/self/maps");
  std::string line;
  while (std::getline(maps, line)) {
    if (line.find(path) != std::string::npos) return true;
  }
  return false;
}

TEST(Unloading, NeverHappens) {
  std::string path;
  {
    const Files files({CADDIE_BUILD_DIR "/tests/plugins/fixtures/nine.so"});
    path = (files.folder() / "nine.so").string();
    EXPECT_FALSE(is_mapped(path)) << "a scan loads nothing here";
    { const plugins::Object block = files.make("block", "abi-block"); }
    EXPECT_TRUE(is_mapped(path));
  }
  EXPECT_TRUE(is_mapped(path));  // the file is deleted, its code stays
}

}  // namespace
}  // namespace caddie::abi_test
