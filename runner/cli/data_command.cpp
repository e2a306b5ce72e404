#include <fmt/format.h>

#include <cstdio>
#include <memory>

#include "core/base/text.hpp"
#include "core/data/check.hpp"
#include "core/data/prepare.hpp"
#include "runner/cli/commands.hpp"
#include "runner/cli/progress.hpp"

namespace caddie::cli {
namespace {

using Json = nlohmann::json;

void print_split(const char* name, const data::SplitRecord& split) {
  fmt::print("  {:<12}{:>10} documents {:>14} tokens {:>14} bytes\n", name, with_separators(split.documents), with_separators(split.tokens),
             with_separators(split.text_bytes));
}

struct PrepareArguments {
  data::PrepareSettings settings;
  std::filesystem::path output;
};

void run_prepare(PrepareArguments arguments, Context& context) {
  Progress progress(context.quiet);
  arguments.settings.progress = [&](const data::Progress& now) { progress.prepare(now); };
  progress.begin_stage("prepare");
  const auto prepared = data::prepare(arguments.settings, arguments.output);
  if (!prepared) return report(prepared.error(), context);
  const data::Card& card = prepared->card;
  if (context.json) {
    fmt::print("{}", data::format_card(card));
    return;
  }
  fmt::print("{}{}\n", arguments.output.string(), prepared->reused ? " (was there already)" : "");
  print_split("train", card.train);
  print_split("validation", card.validation);
  fmt::print("  vocabulary {} ({}); {} empty, {} duplicate documents left out\n", card.vocab_size, card.tokenizer_trained ? "trained" : "given",
             card.documents_empty, card.documents_duplicate);
}

void add_prepare(CLI::App* data_command, Context& context) {
  CLI::App* command = data_command->add_subcommand("prepare", "text to documents, tokenizer, shards and a data card");
  auto arguments = std::make_shared<PrepareArguments>();
  data::PrepareSettings& settings = arguments->settings;
  command->add_option("source", settings.source, "a text file, a folder, .jsonl, or a dictd dictionary")->required();
  command->add_option("output", arguments->output, "folder for shards, tokenizer.model and card.json")->required();
  command->add_option("--vocab", settings.vocab_size, "tokens of the tokenizer to train")->capture_default_str();
  command->add_option("--tokenizer", settings.tokenizer_model, "a SentencePiece model to use instead");
  command->add_option("--validation-fraction", settings.selection.validation_fraction, "share of the documents to score")->capture_default_str();
  command->add_option("--validation-documents", settings.selection.validation_documents, "or so many documents");
  command->add_option("--max-bytes", settings.selection.max_bytes, "use at most so much text; 0 is all");
  command->add_option("--max-document-bytes", settings.max_document_bytes, "cut longer documents; 0 never cuts");
  command->add_option("--shard-tokens", settings.shard_tokens, "tokens of a shard")->capture_default_str();
  command->add_option("--seed", settings.selection.seed, "of the documents' order")->capture_default_str();
  command->add_flag("--overwrite", settings.overwrite, "replace a folder prepared with other settings");
  command->callback([arguments, &context] { run_prepare(*arguments, context); });
}

void print_totals(const char* name, const data::SplitTotals& totals) {
  fmt::print("  {:<12}{:>10} documents {:>14} tokens {:>14} bytes in {} shards\n", name, with_separators(totals.documents),
             with_separators(totals.tokens), with_separators(totals.text_bytes), totals.shards);
}

Json totals_json(const data::SplitTotals& totals) {
  return {{"shards", totals.shards}, {"documents", totals.documents}, {"tokens", totals.tokens}, {"text_bytes", totals.text_bytes}};
}

void run_check(const std::filesystem::path& folder, Context& context) {
  const data::CheckReport report = data::check_folder(folder);
  if (!report.sound()) context.exit_code = kDataInvalid;
  if (context.json) {
    Json findings = Json::array();
    for (const data::Finding& finding : report.findings) findings.push_back({{"file", finding.file}, {"text", finding.text}});
    fmt::print("{}\n", Json({{"sound", report.sound()}, {"findings", findings}, {"train", totals_json(report.train)},
                             {"validation", totals_json(report.validation)}, {"vocab", report.vocab_size}}).dump(2));
    return;
  }
  for (const data::Finding& finding : report.findings) fmt::print("{}: {}\n", finding.file, finding.text);
  fmt::print("{}: {}\n", folder.string(), report.sound() ? "sound" : fmt::format("{} findings", report.findings.size()));
  print_totals("train", report.train);
  print_totals("validation", report.validation);
}

}  // namespace

void add_data_command(CLI::App& app, Context& context) {
  CLI::App* command = app.add_subcommand("data", "prepare text, check shards");
  command->require_subcommand(1);
  add_prepare(command, context);
  auto folder = std::make_shared<std::filesystem::path>();
  CLI::App* check = command->add_subcommand("check", "headers, sizes, ids, digests, split and byte counts of a prepared folder");
  check->add_option("folder", *folder, "a folder with card.json")->required();
  check->callback([folder, &context] { run_check(*folder, context); });
}

}  // namespace caddie::cli
