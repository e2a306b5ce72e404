#include "core/artifact/quantize.hpp"

#include <limits>

#include "tests/artifact/support.hpp"

namespace caddie::artifact::test {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

std::string refused(const Bench& bench, const std::vector<NamedTensor>& weights = small_model(),
                    const Moments& moments = {}) {
  return refusal(quantize(weights, bench.quantizers, moments));
}

TEST(Quantize, EachTensorByItsOwnerAndCorrectionsOnTop) {
  Bench bench;
  standard_stack(bench);
  const auto weights = small_model();
  const Quantized coded = quantized(bench, weights);
  ASSERT_EQ(coded.tensors.size(), weights.size());
  std::size_t corrected = 0;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    const auto& encodings = coded.tensors[i].encodings;
    const std::string& role = weights[i].id.role;
    EXPECT_EQ(encodings.front().quantizer, role == "matrix" ? 0u : role == "embedding" ? 1u : 2u) << weights[i].id.name;
    if (encodings.size() == 2) {
      EXPECT_EQ(role, "matrix");
      EXPECT_EQ(encodings.back().quantizer, 3u);
      ++corrected;
    }
    double norm = 0;
    for (std::size_t k = 0; k < weights[i].data.size(); ++k)
      norm += std::pow(double(weights[i].data[k]) - double(coded.decoded[i].data[k]), 2);
    EXPECT_NEAR(coded.error_norms[i], std::sqrt(norm), 1e-12);
    EXPECT_LT(coded.error_norms[i], 0.03 * std::sqrt(static_cast<double>(weights[i].data.size())));
  }
  EXPECT_EQ(corrected, 3u);
}

TEST(Quantize, CorrectionsLowerTheError) {
  Bench with;
  standard_stack(with);
  Bench without;
  standard_stack(without);
  without.quantizers.pop_back();
  const Quantized corrected = quantized(with, small_model());
  const Quantized plain = quantized(without, small_model());
  for (std::size_t i = 0; i < plain.error_norms.size(); ++i) EXPECT_LE(corrected.error_norms[i], plain.error_norms[i]);
}

TEST(Quantize, RoutingMistakesNameTheirTensors) {
  Bench bench;
  bench.quantizer("int-row", "matrices", {}, R"({"role": "matrix"})");
  bench.quantizer("int-row", "queries", {}, R"({"name": "*.q.weight"})");
  bench.quantizer("passthrough", "tables", {}, R"({"role": "table"})");
  EXPECT_THAT(
      refused(bench),
      AllOf(HasSubstr("blocks.0.attn.q.weight is claimed by matrices and queries"),
            HasSubstr("blocks.1.attn.q.weight is claimed by matrices and queries"),
            HasSubstr("no quantizer claims embed.weight, blocks.0.attn.gain, blocks.1.attn.gain, skip, temperature"),
            HasSubstr("tables takes nothing")));
}

TEST(Quantize, DecoratorsStandOverWhatExistsAndDoSomething) {
  Bench unknown;
  standard_stack(unknown);
  unknown.quantizers.back().over = {"matrixes"};
  EXPECT_THAT(refused(unknown), HasSubstr("did you mean \"matrices\""));

  Bench itself;
  standard_stack(itself);
  itself.quantizers.back().over = {"fix"};
  EXPECT_THAT(refused(itself), HasSubstr("none of the quantizers"));

  Bench base;
  standard_stack(base);
  base.quantizers[0].over = {"tables"};
  EXPECT_THAT(refused(base), HasSubstr("no decorator"));

  Bench inert;
  standard_stack(inert);
  inert.quantizers.back().claims.names = {"nowhere*"};
  EXPECT_THAT(refused(inert), HasSubstr("corrects nothing"));
  inert.quantizers.back().allow_inert = true;
  EXPECT_EQ(refused(inert), "");

  Bench claims;
  standard_stack(claims);
  claims.quantizers.back().claims.names = {"*.up.weight"};
  const Quantized coded = quantized(claims, small_model());
  for (const QuantizedTensor& tensor : coded.tensors) {
    EXPECT_EQ(tensor.encodings.size() == 2, tensor.id.name.ends_with(".up.weight")) << tensor.id.name;
  }
}

TEST(Quantize, RefusesBadWeights) {
  Bench bench;
  bench.quantizer("passthrough", "all", {});
  auto nan = small_model();
  nan[3].data[5] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THAT(refused(bench, nan), AllOf(HasSubstr(nan[3].id.name), HasSubstr("value 5 is nan")));
  auto twice = small_model();
  twice.push_back(twice.front());
  EXPECT_THAT(refused(bench, twice), HasSubstr("two tensors"));
  auto shape = small_model();
  shape[0].data.pop_back();
  EXPECT_THAT(refused(bench, shape), HasSubstr("639 values"));
  auto empty = small_model();
  empty[0].id.shape = {0, 4};
  empty[0].data.clear();
  EXPECT_THAT(refused(bench, empty), HasSubstr("no length"));
  EXPECT_THAT(refused(bench, {}), HasSubstr("no tensors"));
  auto large = small_model();
  large[1].data[0] = 70000;
  EXPECT_THAT(refused(bench, large),
              AllOf(HasSubstr("all on blocks.0.attn.q.weight"), HasSubstr("beyond half precision")));
}

TEST(Quantize, RefusesTwoQuantizersOfOneName) {
  Bench bench;
  bench.quantizer("passthrough", "all", {}, R"({"role": "matrix"})");
  bench.quantizer("passthrough", "all", {});
  EXPECT_THAT(refused(bench), HasSubstr("two quantizers"));
}

TEST(Quantize, MomentsMustFitTheColumns) {
  Bench bench;
  bench.quantizer("odd-quantizer", "odd", {{"mode", "moments"}});
  const std::vector<NamedTensor> weights = {tensor("a", "matrix", 0, {4, 3}, 1)};
  EXPECT_THAT(refused(bench, weights), HasSubstr("needs second moments"));
  EXPECT_EQ(refused(bench, weights, {{"a", std::vector<float>(9)}}), "");
  EXPECT_THAT(refused(bench, weights, {{"a", std::vector<float>(16)}}), HasSubstr("its 3 columns need 9"));
}

TEST(Quantize, MisbehavingPluginsAreNamed) {
  const std::vector<NamedTensor> weights = {tensor("a", "matrix", 0, {4, 3}, 1)};
  for (const auto& [mode, message] :
       {std::pair{"twice", "stored twice"}, std::pair{"name", "no name for a part"},
        std::pair{"large", "larger than a tensor"}, std::pair{"nan", "decodes to nan at value 11"},
        std::pair{"throw", "not to my taste"}}) {
    Bench bench;
    bench.quantizer("odd-quantizer", "odd", {{"mode", mode}});
    EXPECT_THAT(refused(bench, weights), AllOf(HasSubstr("odd on a"), HasSubstr(message)));
  }
}

}  // namespace
}  // namespace caddie::artifact::test
