// Depth recurrence: layers run more than once with the same weights, so that the model is deeper than its parameters
// (Dehghani et al. 2018, "Universal Transformers", arXiv:1807.03819; openai/parameter-golf PR #1394, #1716).
//
//   segment:  0 .. end, then `loops` times start .. end, then the rest; the first half of the visits is the encoder
//             3 .. 5 twice more of 11:  0 1 2 3 4 5 3 4 | 5 3 4 5 6 7 8 9 10
//   repeat:   every visit of a layer in `repeated` is followed at once by `repeats` more, on the same side of the split
//             4 and 5 once more of 11:  0 1 2 3 4 4 | 5 5 6 7 8 9 10                                       (PR #1033)
//
// It begins once the share enable_at of the run is over, and then stays on; evaluation always has it.
#include <caddie/plugin.hpp>

#include <algorithm>
#include <string>
#include <vector>

namespace {

using namespace caddie;

struct DepthRecurrence : Block {
  static constexpr Identity identity{
      .id = "depth-recurrence",
      .summary = "layers run more than once with the same weights",
      .citation = "Dehghani et al. 2018, arXiv:1807.03819; openai/parameter-golf PR #1394"};

  Text mode{
      this, "mode", "segment", "a run of layers over and over, or single layers again at once", {"segment", "repeat"}};
  Integer start{this, "start", 3, "segment: first layer of the run", range(0, CADDIE_MAX_VISITS - 1)};
  Integer end{this, "end", 5, "segment: last layer of the run", range(0, CADDIE_MAX_VISITS - 1)};
  Integer loops{this, "loops", 2, "segment: how often the run comes again", range(1, CADDIE_MAX_VISITS)};
  Integers repeated{this, "repeated", {}, "repeat: the layers that come again", range(0, CADDIE_MAX_VISITS - 1)};
  Integer repeats{this, "repeats", 1, "repeat: how often each of them comes again", range(1, CADDIE_MAX_VISITS)};
  Number enable_at{this, "enable_at", 0.35, "share of the run after which it begins; 0: from the start", range(0, 1)};

  void configure() override {
    if (mode == "segment" && end < start) {
      throw Failure("\"end\" is " + std::to_string(end.value()) + ", before \"start\", " +
                    std::to_string(start.value()) + ": a segment has at least one layer");
    }
    if (mode == "repeat" && repeated.value().empty()) {
      throw Failure("the mode \"repeat\" needs \"repeated\", the list of layers that come again, such as [4, 5]");
    }
  }

  void attach(Hooks& hooks) override { hooks.plan("plan.visits", &DepthRecurrence::change); }

  void change(Graph& g, VisitPlan& plan) const {
    if (enable_at > 0 && !g.progress_reached(enable_at)) return;
    const std::vector<int32_t> before(plan.layers, plan.layers + plan.count);
    if (mode == "segment") {
      const std::vector<int32_t> visits = with_segment(g, before);
      write(plan, visits, visits.size() / 2);
    } else {
      for (const int64_t layer : repeated.value()) check_layer(g, "repeated", layer);
      const auto half = before.begin() + plan.encoder;
      std::vector<int32_t> visits = with_repeats({before.begin(), half});
      const std::size_t encoder = visits.size();
      const std::vector<int32_t> decoder = with_repeats({half, before.end()});
      visits.insert(visits.end(), decoder.begin(), decoder.end());
      write(plan, visits, encoder);
    }
  }

 private:
  [[nodiscard]] std::vector<int32_t> with_segment(const Graph& g, const std::vector<int32_t>& before) const {
    check_layer(g, "end", end);
    for (int32_t layer = 0; layer < g.layers(); ++layer) {
      if (before.size() != static_cast<std::size_t>(g.layers()) || before[static_cast<std::size_t>(layer)] != layer) {
        throw Failure(
            "the mode \"segment\" needs a plan in which every layer comes once, in order, but another block "
            "has changed it: give this one a lower \"order\"");
      }
    }
    const auto after = before.begin() + end + 1;
    std::vector<int32_t> visits(before.begin(), after);
    for (int64_t loop = 0; loop < loops; ++loop) visits.insert(visits.end(), before.begin() + start, after);
    visits.insert(visits.end(), after, before.end());
    return visits;
  }

  [[nodiscard]] std::vector<int32_t> with_repeats(const std::vector<int32_t>& before) const {
    std::vector<int32_t> visits;
    for (const int32_t layer : before) {
      const bool again = std::find(repeated.value().begin(), repeated.value().end(), layer) != repeated.value().end();
      visits.insert(visits.end(), again ? static_cast<std::size_t>(repeats + 1) : 1, layer);
    }
    return visits;
  }

  static void check_layer(const Graph& g, const char* option, int64_t layer) {
    if (layer < g.layers()) return;
    throw Failure("\"" + std::string(option) + "\" names layer " + std::to_string(layer) +
                  ", but the last of the model's " + std::to_string(g.layers()) + " layers is " +
                  std::to_string(g.layers() - 1));
  }

  static void write(VisitPlan& plan, const std::vector<int32_t>& visits, std::size_t encoder) {
    if (visits.size() > CADDIE_MAX_VISITS) {
      throw Failure("this makes " + std::to_string(visits.size()) + " visits of layers; at most " +
                    std::to_string(CADDIE_MAX_VISITS) + " are possible");
    }
    std::copy(visits.begin(), visits.end(), plan.layers);
    plan.count = static_cast<uint32_t>(visits.size());
    plan.encoder = static_cast<uint32_t>(encoder);
  }
};

}  // namespace

CADDIE_EXPORT_PLUGIN(DepthRecurrence)
