// Weights on disk in the safetensors format (huggingface/safetensors): an 8-byte little-endian header length, a JSON
// header with type, shape and offsets of each tensor, then the bytes. Readable by the tools people have. Any thread.
//
// Role and layer of each tensor stand in the header's "__metadata__" as "role:<path>" and "layer:<path>".
#pragma once

#include <filesystem>
#include <span>
#include <vector>

#include "core/base/result.hpp"
#include "core/train/banks.hpp"

namespace caddie::train {

std::vector<std::uint8_t> encode_safetensors(const std::vector<HostTensor>& tensors);
// Any bytes; only type F32. Checks lengths, overlaps and shapes. In the order of their bytes.
Result<std::vector<HostTensor>> decode_safetensors(std::span<const std::uint8_t> bytes, const std::string& where);

Result<void> write_safetensors(const std::filesystem::path& path, const std::vector<HostTensor>& tensors);
Result<std::vector<HostTensor>> read_safetensors(const std::filesystem::path& path);

}  // namespace caddie::train
