// Prevalence-sorted: windows of common tokens first, rare ones last, then from the front again (the sorting of Geiping &
// Goldstein 2022, "Cramming: Training a Language Model on a Single GPU in One Day", arXiv:2212.14034, section 4.4).
//
//   rarity of a window = sum of -log share(token),  its share among all training tokens;  windows sorted by rarity
//   row r of the run is window r mod (number of windows)
#include <caddie/plugin.hpp>

#include <algorithm>
#include <cmath>

namespace {

using namespace caddie;

struct PrevalenceSorted : Loader {
  static constexpr Identity identity{.id = "prevalence-sorted",
                                     .summary = "windows of common tokens first, rare ones last",
                                     .citation = "Geiping & Goldstein 2022, arXiv:2212.14034",
                                     .reads = CADDIE_READS_TRAIN_TOKENS};
  Flag rare_first{this, "rare_first", false, "the other way round"};

  void open(const Tokens& tokens) override { tokens_ = tokens, context_ = 0; }

  void next(const Batch& batch) override {
    const auto T = static_cast<uint64_t>(batch.context);
    if (context_ != T) sort_windows(T);
    for (uint64_t i = 0; i < static_cast<uint64_t>(batch.rows); ++i) {
      const uint64_t row = next_row_ + static_cast<uint64_t>(batch.rank * batch.rows) + i;
      const Window& window = windows_[row % windows_.size()];
      tokens_.read(window.shard, window.first, T, batch.tokens + i * T);
      tokens_.read(window.shard, window.first + 1, T, batch.targets + i * T);
    }
    next_row_ += static_cast<uint64_t>(batch.rows * batch.ranks);
  }
  void save(StateWriter& writer) const override { writer.number(next_row_); }
  void load(StateReader& reader) override { next_row_ = reader.number<uint64_t>(); }

 private:
  struct Window {
    double rarity;
    uint64_t shard, first;
  };
  void sort_windows(uint64_t T) {  // equals stay in the order of the text
    std::vector<double> count(65536);
    double all = 0;
    std::vector<int32_t> text;
    windows_.clear();
    for (uint64_t s = 0; s < tokens_.shard_count(); ++s) {
      text.resize(tokens_.shard_size(s)), tokens_.read(s, 0, text.size(), text.data());
      for (const int32_t token : text) count.at(static_cast<std::size_t>(token)) += 1, ++all;
      for (uint64_t first = 0; first + T < text.size(); first += T) windows_.push_back({0, s, first});
    }
    text.resize(T);
    for (Window& window : windows_) {
      tokens_.read(window.shard, window.first, T, text.data());
      for (const int32_t token : text) window.rarity -= std::log(count[static_cast<std::size_t>(token)] / all);
      if (rare_first) window.rarity = -window.rarity;
    }
    if (windows_.empty()) throw Failure("no shard holds a window of " + std::to_string(T + 1) + " tokens");
    std::ranges::stable_sort(windows_, {}, &Window::rarity);
    context_ = T;
  }

  Tokens tokens_;
  uint64_t context_ = 0, next_row_ = 0;  // that the windows are sorted for; of the run, over all ranks
  std::vector<Window> windows_;
};

}  // namespace

CADDIE_EXPORT_PLUGIN(PrevalenceSorted)
