#include "core/data/text_source.hpp"

#include "core/data/dictd.hpp"
#include "tests/data/support.hpp"

namespace caddie::data {
namespace {

using test::gzip;
using test::TemporaryFolder;

Result<Corpus> read(const test::fs::path& source, const TextOptions& options = {}) {
  auto files = list_source(source);
  if (!files) return files.error();
  return read_corpus(source, *files, options);
}

std::vector<std::string> texts_of(const Corpus& corpus) {
  std::vector<std::string> texts;
  for (const Document& document : corpus.documents) texts.push_back(document.text);
  return texts;
}

using Texts = std::vector<std::string>;

TEST(SplitDocuments, CutsAtTwoBlankLines) {
  const auto split = [](std::string_view text) {
    const auto parts = split_documents(text);
    return Texts(parts.begin(), parts.end());
  };
  EXPECT_EQ(split(""), Texts{});
  EXPECT_EQ(split("\n \n\t\n"), Texts{});
  EXPECT_EQ(split("one"), Texts{"one"});
  EXPECT_EQ(split("one\n\nstill one\n"), Texts{"one\n\nstill one\n"});
  EXPECT_EQ(split("one\n\n\ntwo"), (Texts{"one\n", "two"}));
  EXPECT_EQ(split("\n\n\none\r\n \t\r\n\r\n\r\n\r\ntwo\nlines\n\n\n"), (Texts{"one\r\n", "two\nlines\n"}));
}

TEST(TextSource, ReadsATextFile) {
  TemporaryFolder folder;
  const auto corpus = read(folder.write("a.txt", "\xEF\xBB\xBFone\n\n\ntwo\n"));
  ASSERT_TRUE(corpus.ok());
  EXPECT_EQ(texts_of(*corpus), (Texts{"one\n", "two\n"}));
  EXPECT_EQ(corpus->documents[1].id, "a.txt#2");
}

TEST(TextSource, ReadsAFolderInOrder) {
  TemporaryFolder folder;
  folder.write("b.txt", "bee\n\n\nstill bee");
  folder.write("a/z.txt", "zed");
  folder.write("c.jsonl", "{\"text\":\"sea\"}\n");
  folder.write(".hidden", "no\xff");
  folder.write(".git/config", "no");
  const auto corpus = read(folder.path());
  ASSERT_TRUE(corpus.ok());
  EXPECT_EQ(texts_of(*corpus), (Texts{"zed", "bee\n\n\nstill bee", "sea"}));
  EXPECT_EQ(corpus->documents[0].id, "a/z.txt");
}

TEST(TextSource, ReadsJsonLines) {
  TemporaryFolder folder;
  const auto corpus = read(folder.write("a.jsonl", "{\"text\":\"caf\\u00e9\\n\\n\\nx\",\"id\":7}\n\n{\"text\":\"\"}\r\n"));
  ASSERT_TRUE(corpus.ok());
  EXPECT_EQ(texts_of(*corpus), (Texts{"café\n\n\nx", ""}));
  EXPECT_ERROR(read(folder.write("b.jsonl", "{\"text\":\"x\"}\n{\"text\":")), "b.jsonl:2: the line is not valid JSON");
  EXPECT_ERROR(read(folder.write("b.jsonl", "[1]")), "b.jsonl:1: the line is not a JSON object");
  EXPECT_ERROR(read(folder.write("b.jsonl", "{\"txt\":\"x\"}")), "no \"text\"");
  EXPECT_ERROR(read(folder.write("b.jsonl", "{\"text\":3}")), "no \"text\"");
  EXPECT_ERROR(read(folder.write("b.jsonl", std::string(200000, '['))), "not valid JSON");
}

TEST(TextSource, RefusesWhatIsNotText) {
  TemporaryFolder folder;
  EXPECT_ERROR(read(folder / "none.txt"), "no such file or folder");
  EXPECT_ERROR(read(folder.write("a.txt", "")), "holds no text");
  EXPECT_ERROR(read(folder.write("a.txt", " \n\n\n \t")), "holds no text");
  EXPECT_ERROR(read(folder.write("a.txt", "good\n\xe7 bad")), "a.txt: is not UTF-8 at byte 5 (0xe7)");
  EXPECT_ERROR(read(folder.write("a.txt", std::string_view("\xff\xfeh\0i\0", 6))), "looks like UTF-16");
  const auto replaced = read(folder.write("a.txt", "good\n\xe7 bad"), {InvalidUtf8::replace});
  ASSERT_TRUE(replaced.ok());
  EXPECT_EQ(replaced->replaced_bytes, 1);
  EXPECT_EQ(replaced->documents[0].text, "good\n\xEF\xBF\xBD bad");
  EXPECT_ERROR(read(folder.write("a.txt", "0123456789"), {InvalidUtf8::error, 9}), "10 bytes, more than the 9 allowed");
  test::fs::create_directories(folder / "empty");
  EXPECT_ERROR(read(folder / "empty"), "no text files");
  if (::geteuid() != 0) {
    test::fs::permissions(folder.write("a.txt", "text"), test::fs::perms::none);
    EXPECT_ERROR(read(folder / "a.txt"), "Permission denied");
  }
}

TEST(DictdIndex, DecodesNumbersAndDropsDuplicates) {
  // B = 1, BA = 64, Kj = 675, uk = 2980, /// = 262143.
  const auto entries = parse_dictd_index(
      "00-database-info\tKj\tuk\nb\tBA\tC\na\tB\tD\nA\tB\tD\nlast\t///\tB\tLast\nempty\tB\tA\n", 262144, "x.index");
  ASSERT_TRUE(entries.ok());
  EXPECT_EQ(*entries, (std::vector<DictdEntry>{{1, 3}, {64, 2}, {262143, 1}}));
}

TEST(DictdIndex, RefusesBadLines) {
  const auto parse = [](std::string_view index) { return parse_dictd_index(index, 100, "x.index"); };
  EXPECT_ERROR(parse("a\tB\tB\nbroken line\n"), "x.index:2: expected a headword");
  EXPECT_ERROR(parse("a\tB"), "x.index:1: expected a headword");
  EXPECT_ERROR(parse("a\tB*\tB"), "not a number in dictd's base 64");
  EXPECT_ERROR(parse("a\tB\t"), "not a number");
  EXPECT_ERROR(parse("a\tAAAAAAAAAAB\tB"), "not a number");
  EXPECT_ERROR(parse("a\tBk\tB"), "the entry at byte 100 with 1 bytes lies outside the dictionary's 100 bytes");
  EXPECT_ERROR(parse("a\tB\tBk"), "outside");
  EXPECT_ERROR(parse("a\t//////////\t//////////"), "outside");
}

TEST(Dictd, ReadsADictionary) {
  TemporaryFolder folder;
  const std::string data = "header textfirst\nsecond fa\xe7" "ade\n";
  folder.write("d.dict.dz", gzip(data));
  folder.write("d.index", "00-database-info\tA\tL\nfirst\tL\tG\nsecond\tR\tO\nother\tL\tG\n");
  const auto corpus = read(folder / "d.dict.dz");
  ASSERT_TRUE(corpus.ok());
  EXPECT_EQ(texts_of(*corpus), (Texts{"first\n", "second fa\xEF\xBF\xBD" "ade\n"}));
  EXPECT_EQ(corpus->replaced_bytes, 1);
  EXPECT_ERROR(read(folder / "d.dict.dz", {InvalidUtf8::error}), "(entry at 17): is not UTF-8 at byte 9");

  folder.write("d.dict", data);
  const auto plain = read(folder / "d.dict");
  ASSERT_TRUE(plain.ok());
  EXPECT_EQ(texts_of(*plain), texts_of(*corpus));
}

TEST(Dictd, RefusesDamagedDictionaries) {
  TemporaryFolder folder;
  const std::string data(100000, 'x');
  const std::string good = gzip(data);
  folder.write("d.index", "a\tA\tB\n");
  const auto with = [&](std::string_view bytes) { return read(folder.write("d.dict.dz", bytes)); };
  ASSERT_TRUE(with(good).ok());
  EXPECT_ERROR(with(good.substr(0, good.size() / 2)), "damaged or truncated");
  EXPECT_ERROR(with(good.substr(0, good.size() - 3)), "damaged or truncated");
  std::string flipped = good;
  flipped[flipped.size() - 6] = static_cast<char>(flipped[flipped.size() - 6] ^ 1);  // the checksum
  EXPECT_ERROR(with(flipped), "damaged or truncated");
  EXPECT_ERROR(with(data), "is not gzip data");
  EXPECT_ERROR(with(""), "is not gzip data");
  folder.write("d.dict.dz", good);
  EXPECT_ERROR(read_gzip(folder / "d.dict.dz", 99999), "more than the 99,999 bytes");
  folder.write("d.index", "a\tA\tB\nb\tZZZZ\tB\n");
  EXPECT_ERROR(read(folder / "d.dict.dz"), "d.index:2: the entry at byte");
  test::fs::remove(folder / "d.index");
  EXPECT_ERROR(read(folder / "d.dict.dz"), "the index of the dictionary is missing");
}

TEST(Dictd, ReadsTheDefaultCorpus) {
  if (!test::fs::exists(kDefaultCorpus)) GTEST_SKIP() << "the Debian package dict-gcide is not installed";
  const auto corpus = read(kDefaultCorpus);
  ASSERT_TRUE(corpus.ok()) << corpus.error().message();
  EXPECT_GT(corpus->documents.size(), 100000U);
  std::size_t bytes = 0;
  for (const Document& document : corpus->documents) bytes += document.text.size();
  EXPECT_GT(bytes, 35'000'000U);
  EXPECT_LT(corpus->replaced_bytes, 10);
  EXPECT_EQ(corpus->documents.front().text.find("00-database"), std::string::npos);
}

}  // namespace
}  // namespace caddie::data
