// From weights to parts: which quantizer takes which tensor, what it stores, and what comes back when it is decoded.
//
// Every tensor has exactly one base quantizer. Decorators follow in the manifest's order: each looks at the tensors of
// the quantizers it stands over, sees their weights and what is decoded so far, chooses some, and adds a correction to
// them. Deterministic when the plugins are. One thread.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "core/artifact/parts.hpp"
#include "core/artifact/tensor.hpp"
#include "core/base/result.hpp"
#include "core/plugins/claims.hpp"
#include "core/plugins/object.hpp"

namespace caddie::artifact {

// One quantizer of the manifest. The object outlives the entry.
struct QuantizerEntry {
  const plugins::Object* object = nullptr;
  nlohmann::json config = nlohmann::json::object();  // what the object was made with; the artifact records it
  plugins::Claims claims;                            // decorators: only these of the tensors they stand over
  std::vector<std::string> over;                     // decorators: instances of base quantizers; empty: all of them
  bool allow_inert = false;                          // may take nothing
};

// What one quantizer stored of one tensor.
struct Encoding {
  std::size_t quantizer = 0;  // index into the entries
  std::vector<Part> parts;    // by name, rising
};

struct QuantizedTensor {
  TensorId id;
  std::vector<Encoding> encodings;  // the base quantizer's, then the decorators' in order
};

struct Quantized {
  std::vector<QuantizedTensor> tensors;  // in the order of the weights
  std::vector<NamedTensor> decoded;      // the same tensors, bit by bit as the artifact gives them back
  std::vector<double> error_norms;       // ||W - decoded||_F of each
};

// Sum of x x^T over the inputs of a matrix, [n, n] with n its columns, by tensor name.
using Moments = std::map<std::string, std::vector<float>, std::less<>>;

// Errors (all of the routing at once): tensors nobody or several claim, quantizers that take nothing, weights or
// decoded values that are not finite, what plugins report. `weights` must have unique names.
Result<Quantized> quantize(std::span<const NamedTensor> weights, std::span<const QuantizerEntry> entries,
                           const Moments& moments);

// The values of one tensor from its encodings. `objects` are indexed as Encoding::quantizer is; none of them is
// nullptr.
Result<NamedTensor> decode_tensor(const QuantizedTensor& tensor, std::span<const plugins::Object* const> objects);

}  // namespace caddie::artifact
