#include "core/data/selection.hpp"

#include <algorithm>
#include <set>

#include "tests/data/support.hpp"

namespace caddie::data {
namespace {

std::vector<Document> documents_of(const std::vector<std::string>& texts) {
  std::vector<Document> documents;
  for (const std::string& text : texts) documents.push_back({fmt::format("d{}", documents.size()), text});
  return documents;
}

std::set<std::string> ids_of(const std::vector<const Document*>& documents) {
  std::set<std::string> ids;
  for (const Document* document : documents) ids.insert(document->id);
  return ids;
}

TEST(Selection, SplitsByContentAndNotBySeedOrPlace) {
  auto documents = documents_of(test::make_documents(1000, 3));
  SelectionOptions options;
  options.validation_fraction = 0.1;
  const auto selection = select_documents(documents, options).value();
  EXPECT_EQ(selection.train.size() + selection.validation.size(), 1000U);
  EXPECT_NEAR(static_cast<double>(selection.validation.size()), 100, 40);
  const auto train = ids_of(selection.train);
  const auto validation = ids_of(selection.validation);

  std::reverse(documents.begin(), documents.end());
  options.seed = 9;
  const auto second = select_documents(documents, options).value();
  EXPECT_EQ(ids_of(second.train), train);
  EXPECT_EQ(ids_of(second.validation), validation);

  // More documents move none to the other side.
  auto more = documents;
  for (auto& document : documents_of(test::make_documents(500, 4))) more.push_back({"n" + document.id, document.text});
  const auto third = ids_of(select_documents(more, options).value().validation);
  for (const auto& id : validation) EXPECT_TRUE(third.contains(id));
  for (const auto& id : train) EXPECT_FALSE(third.contains(id));
}

TEST(Selection, TheOrderDependsOnTheSeedAlone) {
  auto documents = documents_of(test::make_documents(100, 3));
  const auto order = [&](std::uint64_t seed, bool shuffle) {
    SelectionOptions options;
    options.seed = seed;
    options.shuffle = shuffle;
    std::vector<std::string> ids;
    const auto selection = select_documents(documents, options).value();
    for (const Document* document : selection.train) ids.push_back(document->id);
    return ids;
  };
  const auto first = order(1, true);
  const auto in_place = order(1, false);
  EXPECT_NE(first, order(2, true));
  EXPECT_NE(first, in_place);
  std::reverse(documents.begin(), documents.end());
  EXPECT_EQ(first, order(1, true));
}

TEST(Selection, DropsDuplicatesAndEmptyDocuments) {
  const auto documents = documents_of({"one", "two", " one\n", "", " \t\n", "two", "o ne"});
  SelectionOptions options;
  options.validation_documents = 1;
  const auto selection = select_documents(documents, options).value();
  EXPECT_EQ(selection.duplicates, 2);
  EXPECT_EQ(selection.empty, 2);
  EXPECT_EQ(selection.train.size(), 2U);
  EXPECT_EQ(selection.validation.size(), 1U);
}

TEST(Selection, TakesAsManyAsAskedFor) {
  const auto documents = documents_of(test::make_documents(200, 3));
  SelectionOptions options;
  options.validation_documents = 17;
  EXPECT_EQ(select_documents(documents, options).value().validation.size(), 17U);
  options.max_bytes = 5000;
  const auto selection = select_documents(documents, options).value();
  std::size_t bytes = 0;
  for (const auto& side : {selection.train, selection.validation}) {
    for (const Document* document : side) bytes += document->text.size();
  }
  EXPECT_GE(bytes, 5000U);
  EXPECT_LT(bytes, 6000U);
  EXPECT_EQ(static_cast<std::size_t>(selection.unused), 200 - selection.train.size() - selection.validation.size());
}

TEST(Selection, NeedsDocumentsOnBothSides) {
  const auto documents = documents_of({"one", "two", "three"});
  SelectionOptions options;
  options.validation_fraction = 1e-9;
  const auto tiny = select_documents(documents, options).value();
  EXPECT_EQ(tiny.validation.size(), 1U);
  EXPECT_EQ(tiny.train.size(), 2U);
  options.validation_documents = 3;
  EXPECT_ERROR(select_documents(documents, options), "3 distinct documents, which leaves none for training");
  EXPECT_ERROR(select_documents(documents_of({"one"}), {}), "1 distinct document, which");
  for (const double fraction : {0.0, 1.0, -1.0, std::nan("")}) {
    SelectionOptions bad;
    bad.validation_fraction = fraction;
    EXPECT_ERROR(select_documents(documents, bad), "between 0 and 1");
  }
}

TEST(CutLongDocuments, LosesNothingAndKeepsCharactersWhole) {
  const std::string text = "line one\nline two\nééééééé a word 世界世界世界";
  for (std::int64_t limit = 1; limit < 60; ++limit) {
    auto documents = documents_of({text, "short"});
    cut_long_documents(documents, limit);
    std::string joined;
    for (const Document& document : documents) {
      EXPECT_LE(document.text.size(), static_cast<std::size_t>(std::max<std::int64_t>(limit, 4)));
      EXPECT_FALSE(document.text.empty());
      EXPECT_NE(static_cast<unsigned char>(document.text.front()) & 0xC0, 0x80);
      joined += document.text;
    }
    EXPECT_EQ(joined, text + "short");
  }
  auto documents = documents_of({text});
  cut_long_documents(documents, 20);
  EXPECT_EQ(documents[0].text, "line one\nline two\n");
  EXPECT_EQ(documents[0].id, "d0/1");
}

}  // namespace
}  // namespace caddie::data
