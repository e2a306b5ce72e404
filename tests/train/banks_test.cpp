#include "core/train/banks.hpp"

#include <gtest/gtest.h>

#include <numeric>

#include "core/train/states.hpp"
#include "tests/train/support.hpp"

namespace caddie::train {
namespace {

using test::error_of;
using test::must;
using test::value_of;

plugins::TensorDeclaration tensor(const std::string& path, const std::string& role, const graph::Shape& shape,
                                  double value = 0) {
  plugins::TensorDeclaration made;
  made.path = path;
  made.role = role;
  made.shape = shape;
  made.initialiser.kind = CADDIE_INIT_CONSTANT;
  made.initialiser.a = value;
  return made;
}

const std::vector<plugins::TensorDeclaration> kTensors = {
    tensor("a", "matrix", {2, 3}, 1), tensor("b", "matrix", {3, 2}, 2), tensor("c", "matrix", {2, 3}, 3),
    tensor("d", "head", {2, 3}, 4),   tensor("e", "matrix", {2, 3}, 5), tensor("f", "scalar", {}, 6)};

class Banks : public testing::Test {
 protected:
  std::unique_ptr<graph::Executor> executor = test::reference();
  // a, c: first; e: second; the others: first, f frozen.
  ParameterStore store =
      value_of(ParameterStore::make(*executor, kTensors, {0, 0, 0, 0, 1, kNoOwner}, {"muon", "adam"}));
};

TEST_F(Banks, AreOfOneOwnerRoleAndShape) {
  std::vector<std::string> names;
  for (const Bank& bank : store.banks()) names.push_back(bank.name);
  EXPECT_EQ(names, (std::vector<std::string>{"muon.matrix.2x3", "muon.matrix.3x2", "muon.head.2x3", "adam.matrix.2x3",
                                             "frozen.scalar.scalar"}));
  EXPECT_EQ(store.banks()[0].members, (std::vector<std::string>{"a", "c"}));
  EXPECT_EQ(store.banks()[0].shape(), (graph::Shape{2, 2, 3}));
  EXPECT_EQ(store.banks()[4].shape(), graph::Shape{1});
  EXPECT_EQ(store.banks()[4].gradients, nullptr);
  EXPECT_TRUE(store.is_owned("e"));
  EXPECT_FALSE(store.is_owned("f"));
  EXPECT_FALSE(store.contains("g"));
  EXPECT_EQ(store.parameter_count(), 5 * 6 + 1);
}

TEST_F(Banks, MembersLieOneAfterAnother) {
  must(store.initialise(1));
  std::vector<float> bank(12);
  must(executor->download(std::as_writable_bytes(std::span(bank)), {store.banks()[0].values, 0}));
  EXPECT_EQ(bank, (std::vector<float>{1, 1, 1, 1, 1, 1, 3, 3, 3, 3, 3, 3}));
  EXPECT_EQ(store.values("c").offset_bytes, 24u);
  EXPECT_EQ(store.gradient("c").offset_bytes, 24u);
  const auto tensors = value_of(store.download());
  ASSERT_EQ(tensors.size(), 6u);
  for (std::size_t i = 0; i < 6; ++i) {  // in the model's order
    EXPECT_EQ(tensors[i].path, kTensors[i].path);
    EXPECT_EQ(tensors[i].values, std::vector<float>(i < 5 ? 6 : 1, static_cast<float>(i + 1)));
  }
}

TEST_F(Banks, LoadByPath) {
  must(store.initialise(1));
  std::vector<HostTensor> tensors = value_of(store.download());
  std::ranges::reverse(tensors);
  for (HostTensor& tensor : tensors) std::iota(tensor.values.begin(), tensor.values.end(), 10.0f);
  tensors.push_back({"unknown", "", -1, {1}, {1}});
  must(store.load(tensors));
  EXPECT_EQ(value_of(store.download())[2].values, (std::vector<float>{10, 11, 12, 13, 14, 15}));

  std::vector<HostTensor> missing = value_of(store.download());
  missing.erase(missing.begin() + 2);
  EXPECT_NE(error_of(store.load(missing)).find("c: the model has this parameter"), std::string::npos);
  std::vector<HostTensor> other_shape = value_of(store.download());
  other_shape[1].shape = {2, 3};
  EXPECT_NE(error_of(store.load(other_shape)).find("b: has shape"), std::string::npos);
}

TEST_F(Banks, StatesStartAsCopiesAndGoBack) {
  must(store.initialise(1));
  StateStore states(*executor);
  plugins::TensorDeclaration copy = tensor("state/average", "", {2, 2, 3});
  copy.initialiser.kind = CADDIE_INIT_COPY;
  copy.initialiser.copy = "muon.matrix.2x3";
  plugins::TensorDeclaration count = tensor("state/count", "", {}, 3);
  count.dtype = graph::DType::i32;
  must(states.add({copy, count}, store, 1));
  must(states.add({copy}, store, 1));  // known: left alone
  ASSERT_EQ(states.entries().size(), 2u);
  const auto average = [&] {
    std::vector<float> values(12);
    must(executor->download(std::as_writable_bytes(std::span(values)),
                            {states.entries().at("state/average").buffer, 0}));
    return values;
  };
  EXPECT_EQ(average(), (std::vector<float>{1, 1, 1, 1, 1, 1, 3, 3, 3, 3, 3, 3}));
  std::int32_t number = 0;
  must(executor->download(std::as_writable_bytes(std::span(&number, 1)),
                          {states.entries().at("state/count").buffer, 0}));
  EXPECT_EQ(number, 3);

  const std::vector<float> other(12, 9.0f);
  must(executor->upload({states.entries().at("state/average").buffer, 0}, std::as_bytes(std::span(other))));
  must(states.reset(store, 1));
  EXPECT_EQ(average()[0], 1.0f);

  copy.path = "state/lost";
  copy.initialiser.copy = "nobody";
  EXPECT_NE(error_of(states.add({copy}, store, 1)).find("nobody"), std::string::npos);
}

TEST(ParameterStore, AnAxisIsKeptForTheBank) {
  const auto executor = test::reference();
  const auto made =
      ParameterStore::make(*executor, {tensor("deep", "matrix", {1, 1, 1, 1, 1, 1, 1, 1})}, {0}, {"owner"});
  EXPECT_NE(error_of(made).find("at most seven axes"), std::string::npos);
}

}  // namespace
}  // namespace caddie::train
