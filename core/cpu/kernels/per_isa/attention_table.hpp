#pragma once

#include "core/cpu/kernels/per_isa/attention_backward.hpp"
#include "core/cpu/kernels/per_isa/attention_forward.hpp"
#include "core/cpu/kernels/tables.hpp"

namespace caddie::cpu::CADDIE_ISA::attention {

template <class Word>
constexpr AttentionTable table_of() {
  return {.forward_floats = forward_floats<Word>,
          .backward_floats = backward_floats<Word>,
          .query_panels = query_panels,
          .forward = forward<Word>,
          .backward = backward<Word>};
}

}  // namespace caddie::cpu::CADDIE_ISA::attention
