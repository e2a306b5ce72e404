// The golden values of one run, tests/golden/records/[small/]<run>.json, and how far computed values are from them.
// Plain values; one thread.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace caddie::records {

// What tells a tensor from any other: its norm, projections on pseudo-random vectors, single elements.
struct Fingerprint {
  double norm = 0;
  std::vector<double> projections;
  std::map<std::size_t, double> elements;
};

struct GoldenParameter {
  std::vector<std::int64_t> shape;
  double centre = 0, scale = 0;  // values are float32(centre + scale * number)
  Fingerprint gradient;
};

struct Golden {
  std::map<std::string, std::int64_t> dims;
  std::int64_t parameter_count = 0;
  std::vector<std::int32_t> tokens, targets;
  double loss = 0;
  std::vector<double> nll;          // [T]
  std::vector<double> logit_norms;  // [T], over the vocabulary
  Fingerprint logits;               // [T, V]
  std::map<std::string, GoldenParameter> parameters;
};

Golden read_golden(const std::string& run, bool small);

// The parameter's values.
std::vector<double> values_of(const std::string& path, const GoldenParameter& parameter);

// An estimate of |values - golden| / |golden|: the largest of what the norm, the projections and the elements say.
// `name` chooses the projections' vectors.
double distance(const std::string& name, const std::vector<double>& values, const Fingerprint& golden);
// max |values - golden| / max |golden|.
double distance(const std::vector<double>& values, const std::vector<double>& golden);

}  // namespace caddie::records
