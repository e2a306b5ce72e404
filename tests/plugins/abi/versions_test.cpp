// Old and new SDKs and hosts beside each other.
#include <gmock/gmock.h>

#include <cstring>

#include "core/plugins/build.hpp"
#include "core/plugins/library.hpp"
#include "core/plugins/tables_check.hpp"
#include "test_paths.hpp"
#include "tests/plugins/abi/toolchain.hpp"
#include "tests/plugins/abi/trace.hpp"

namespace caddie::abi_test {
namespace {

using ::testing::HasSubstr;

const std::string kFixtures = CADDIE_BUILD_DIR "/tests/plugins/fixtures/";

// Built with a header whose descriptor, block and host have a field more.
TEST(Versions, APluginOfALaterSdkWorksHere) {
  const auto library = plugins::load_library(kFixtures + "nine-newer.so");
  ASSERT_TRUE(library.ok()) << library.error().message();
  EXPECT_EQ((*library)->entry->abi_minor, 7u);
  EXPECT_GT((*library)->descriptors[0]->struct_size, sizeof(caddie_descriptor));
  EXPECT_TRUE(trace_of(kFixtures + "nine-newer.so") == trace_of(kFixtures + "nine.so"));
}

TEST(Versions, APluginThatNeedsWhatIsNotThereIsRefusedByName) {
  const Files files({kFixtures + "needs-absent.so"});
  try {
    (void)files.make("block", "needs-absent");
    ADD_FAILURE() << "it was made";
  } catch (const std::exception& error) {
    EXPECT_THAT(error.what(),
                HasSubstr("needs the service \"caddie.host.teleport/1\", which this program does not have"));
  }
}

TEST(Versions, AnOperationOfTheFutureIsRefusedByNumber) {
  graph::Graph graph;
  auto* handle = reinterpret_cast<caddie_graph*>(&graph);
  const caddie_host_graph* service = plugins::graph_service();
  for (const std::uint32_t opcode : {60000u, 0u, 0xFFFFFFFFu}) {
    EXPECT_EQ(service->supports(handle, opcode), 0);
  }
  EXPECT_EQ(service->emit(handle, 60000, nullptr, 0, nullptr, 0), 0u);
  EXPECT_THAT(graph.status().error().text, HasSubstr("no operation with number 60000"));
}

// The host writes into structs of older plugins no further than those reach.
TEST(Versions, AnOlderPluginGetsTheFrontOfTheBuildInfo) {
  const std::vector<plugins::BlockInstance> none;
  plugins::Build build({.vocab = 77}, {.batch = 3, .context = 5}, &none);
  struct {
    caddie_build_info info;
  } memory;
  std::memset(&memory, 0xAB, sizeof memory);
  const std::uint32_t old_size = offsetof(caddie_build_info, dim);
  memory.info.struct_size = old_size;
  EXPECT_EQ(plugins::build_service()->info(plugins::to_abi(&build), &memory.info), CADDIE_OK);
  EXPECT_EQ(memory.info.struct_size, old_size);
  EXPECT_EQ(memory.info.batch, 3);
  EXPECT_EQ(memory.info.vocab, 77);
  const auto* bytes = reinterpret_cast<const unsigned char*>(&memory);
  for (std::size_t i = old_size; i < sizeof memory; ++i) ASSERT_EQ(bytes[i], 0xAB) << i;
}

TEST(Versions, AnOlderErrorRecordIsNotWrittenBeyondItsEnd) {
  graph::Graph graph;
  graph.fail({Code::argument, "here", "wrong"});
  caddie_error error;
  std::memset(&error, 0xAB, sizeof error);
  error.struct_size = 8;
  EXPECT_EQ(plugins::graph_service()->status(reinterpret_cast<caddie_graph*>(&graph), &error), CADDIE_ERROR_ARGUMENT);
  EXPECT_EQ(static_cast<unsigned char>(error.where[0]), 0xAB);
  EXPECT_EQ(plugins::graph_service()->status(reinterpret_cast<caddie_graph*>(&graph), nullptr), CADDIE_ERROR_ARGUMENT);
}

// A struct as long as in the first release is taken; sizes are never compared for equality.
TEST(Versions, TablesOfTheFirstReleaseAndLongerOnesAreTaken) {
  const auto attach = [](caddie_object*, const caddie_host_hooks*, caddie_hooks*, caddie_error*) -> caddie_code {
    return CADDIE_OK;
  };
  struct {
    caddie_block block;
    void* more[4];
  } table = {{sizeof(caddie_block), 0, attach}, {}};
  EXPECT_TRUE(plugins::check_table(CADDIE_BLOCK, &table).ok());
  table.block.struct_size = sizeof table;
  EXPECT_TRUE(plugins::check_table(CADDIE_BLOCK, &table).ok());
  table.block.struct_size = offsetof(caddie_block, attach);
  EXPECT_THAT(plugins::check_table(CADDIE_BLOCK, &table).error().text, HasSubstr("less than"));
}

}  // namespace
}  // namespace caddie::abi_test
