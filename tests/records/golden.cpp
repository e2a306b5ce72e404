#include "tests/records/golden.hpp"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "test_paths.hpp"
#include "tests/records/pseudo_random.hpp"

namespace caddie::records {
namespace {

using Json = nlohmann::json;

Fingerprint read_fingerprint(const Json& json) {
  Fingerprint made;
  made.norm = json.at("norm");
  made.projections = json.at("projections").get<std::vector<double>>();
  for (const auto& [index, value] : json.at("elements").items()) made.elements[std::stoul(index)] = value;
  return made;
}

double largest(const std::vector<double>& values) {
  double size = 0;
  for (const double value : values) size = std::max(size, std::abs(value));
  return size;
}

}  // namespace

Golden read_golden(const std::string& run, bool small) {
  const std::string folder = std::string(CADDIE_SOURCE_DIR) + "/tests/golden/records/" + (small ? "small/" : "");
  std::ifstream file(folder + run + ".json");
  if (!file)
    throw std::runtime_error("cannot open " + folder + run + ".json; tests/golden/records/generate.py makes it");
  const Json json = Json::parse(file);
  Golden golden;
  golden.dims = json.at("dims").get<std::map<std::string, std::int64_t>>();
  golden.parameter_count = json.at("parameter_count");
  golden.tokens = json.at("tokens").get<std::vector<std::int32_t>>();
  golden.targets = json.at("targets").get<std::vector<std::int32_t>>();
  golden.loss = json.at("loss");
  golden.nll = json.at("nll").get<std::vector<double>>();
  golden.logit_norms = json.at("logits").at("norms").get<std::vector<double>>();
  golden.logits = read_fingerprint(json.at("logits"));
  for (const auto& [path, entry] : json.at("parameters").items()) {
    golden.parameters[path] = {entry.at("shape").get<std::vector<std::int64_t>>(), entry.at("centre"),
                               entry.at("scale"), read_fingerprint(entry.at("gradient"))};
  }
  return golden;
}

std::vector<double> values_of(const std::string& path, const GoldenParameter& parameter) {
  std::size_t count = 1;
  for (const std::int64_t size : parameter.shape) count *= static_cast<std::size_t>(size);
  const PseudoRandom random(path);
  std::vector<double> values(count);
  for (std::size_t i = 0; i < count; ++i) {
    values[i] = static_cast<double>(static_cast<float>(parameter.centre + parameter.scale * random.number(i)));
  }
  return values;
}

double distance(const std::string& name, const std::vector<double>& values, const Fingerprint& golden) {
  const auto relative = [](double error, double size) {
    const double ratio = error / size;
    return std::isfinite(ratio) ? ratio : std::numeric_limits<double>::infinity();
  };
  double square = 0;
  for (const double value : values) square += value * value;
  double worst = relative(std::abs(std::sqrt(square) - golden.norm), golden.norm);

  double error = 0;
  for (std::size_t k = 0; k < golden.projections.size(); ++k) {
    const PseudoRandom random(name + "#" + std::to_string(k));
    double projection = 0;
    for (std::size_t i = 0; i < values.size(); ++i) projection += values[i] * random.number(i);
    error += (projection - golden.projections[k]) * (projection - golden.projections[k]);
  }
  // A vector of uniform numbers in (-1, 1) projects an error of norm e to e / sqrt(3) in the mean square.
  const double count = static_cast<double>(golden.projections.size());
  worst = std::max(worst, relative(std::sqrt(3 * error / count), golden.norm));

  double size = 0;
  for (const auto& [index, value] : golden.elements) size = std::max(size, std::abs(value));
  for (const auto& [index, value] : golden.elements) {
    if (index >= values.size()) return std::numeric_limits<double>::infinity();
    worst = std::max(worst, relative(std::abs(values[index] - value), size));
  }
  return worst;
}

double distance(const std::vector<double>& values, const std::vector<double>& golden) {
  if (values.size() != golden.size()) return std::numeric_limits<double>::infinity();
  double error = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!std::isfinite(values[i])) return std::numeric_limits<double>::infinity();
    error = std::max(error, std::abs(values[i] - golden[i]));
  }
  return error / largest(golden);
}

}  // namespace caddie::records
