// A block in small models: which dimensions suit it, the graphs it makes in every mode and phase. One thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/plugins/model.hpp"
#include "runner/check/builds.hpp"
#include "runner/check/subject.hpp"

namespace caddie::check {

// One way of asking for a graph.
struct Variation {
  std::string name;  // "train", "evaluate", "train at the end"
  plugins::BuildRequest request;
};

class ModelBench {
 public:
  // Tries dimensions from small to large until the block builds for training. Skip when the block refuses these options
  // itself; Failure when it builds nowhere.
  explicit ModelBench(Subject& subject, const nlohmann::json& config, std::size_t smallest = 0);
  // How many dimensions there are to try.
  static std::size_t size_count();
  // With these dimensions.
  ModelBench(Subject& subject, const nlohmann::json& config, const plugins::Dims& dims, std::int64_t batch,
             std::int64_t context);

  [[nodiscard]] const plugins::Model& model() const { return *model_; }
  [[nodiscard]] const plugins::BlockInstance& block() const { return model_->blocks().back(); }
  [[nodiscard]] const plugins::Dims& dims() const { return model_->dims(); }
  // Every mode; with document segments; and, where the block asks how far the run is, the last phase.
  [[nodiscard]] std::vector<Variation> variations() const;
  [[nodiscard]] plugins::BuildRequest request(int mode) const;
  [[nodiscard]] plugins::BuildResult build(const plugins::BuildRequest& request) const;

  // A session with irregular tokens, targets and segments, and irregular parameters around their initial values.
  [[nodiscard]] Session session(const plugins::BuildRequest& request, const Machine& machine = kReference) const;

 private:
  void attach(Subject& subject, const nlohmann::json& config, const plugins::Dims& dims);

  std::optional<plugins::Object> object_;
  std::optional<plugins::Model> model_;
  std::int64_t batch_ = 2, context_ = 6;
};

// Fills inputs and parameters of a model's session so; the same for every machine.
void fill_irregular(Session& session, const plugins::Dims& dims);

}  // namespace caddie::check
