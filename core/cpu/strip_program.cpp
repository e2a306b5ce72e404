#include "core/cpu/strip_program.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <optional>

#include "core/cpu/random_strips.hpp"

namespace caddie::cpu {

using graph::DType;
using graph::FusedGroup;
using graph::GroupOperand;
using graph::Node;
using graph::Op;

namespace {

constexpr std::int64_t kLongestStrip = 2048;
constexpr std::int64_t kShortestStrip = 128;
constexpr std::int64_t kLeastRun = 256;  // that a strip is cut for, so that nothing has to be copied
constexpr std::int64_t kRegisterFloats =
    8192;  // all registers of a strip program together: most of the first-level cache

constexpr std::size_t kMostPlaces = 64;  // that machine code reads and writes

std::size_t strip_floats(std::int64_t length) {
  return round_to_line(static_cast<std::size_t>(length) * sizeof(float)) / sizeof(float);
}

bool is_source(Op op) { return op == Op::iota || op == Op::random_uniform || op == Op::random_normal; }

}  // namespace

StripOp strip_op(const graph::Graph& graph, const Node& node) {
  const bool real = graph.dtype(node.inputs[0]) == DType::f32;
  switch (node.op) {
    case Op::neg: return real ? StripOp::neg : StripOp::neg_i32;
    case Op::abs: return real ? StripOp::abs : StripOp::abs_i32;
    case Op::sign: return real ? StripOp::sign : StripOp::sign_i32;
    case Op::exp: return StripOp::exp;
    case Op::log: return StripOp::log;
    case Op::sin: return StripOp::sin;
    case Op::cos: return StripOp::cos;
    case Op::tanh: return StripOp::tanh;
    case Op::sqrt: return StripOp::sqrt;
    case Op::rsqrt: return StripOp::rsqrt;
    case Op::recip: return StripOp::recip;
    case Op::floor: return StripOp::floor;
    case Op::round: return StripOp::round;
    case Op::sigmoid: return StripOp::sigmoid;
    case Op::round_bf16: return StripOp::round_bf16;
    case Op::cast:
      if (graph.dtype(node.first_output) == graph.dtype(node.inputs[0])) return StripOp::copy;
      return real ? StripOp::to_i32 : StripOp::to_f32;
    case Op::add: return real ? StripOp::add : StripOp::add_i32;
    case Op::sub: return real ? StripOp::sub : StripOp::sub_i32;
    case Op::mul: return real ? StripOp::mul : StripOp::mul_i32;
    case Op::div: return StripOp::div;
    case Op::max: return real ? StripOp::max : StripOp::max_i32;
    case Op::min: return real ? StripOp::min : StripOp::min_i32;
    case Op::pow: return StripOp::pow;
    case Op::lt: return real ? StripOp::lt : StripOp::lt_i32;
    case Op::le: return real ? StripOp::le : StripOp::le_i32;
    case Op::eq: return real ? StripOp::eq : StripOp::eq_i32;
    case Op::bit_and: return StripOp::bit_and;
    case Op::bit_or: return StripOp::bit_or;
    case Op::bit_xor: return StripOp::bit_xor;
    case Op::shift_left: return StripOp::shift_left;
    case Op::shift_right: return StripOp::shift_right;
    case Op::int_div: return StripOp::int_div;
    case Op::int_mod: return StripOp::int_mod;
    case Op::where: return real ? StripOp::where : StripOp::where_i32;
    default: return StripOp::copy;  // movement
  }
}

// ---- making ---------------------------------------------------------------------------------------------------------

StripProgram::StripProgram(const CompileInput& input, const FusedGroup& group)
    : member_count_(group.members.size()), elements_(group.elements) {
  for (const graph::View& view : group.inputs) {
    inputs_.emplace_back(view, input.graph.dtype(view.base));
    narrow_inputs_.push_back(input.narrow[view.base]);
  }
  for (std::uint32_t member = 0; member < group.members.size(); ++member) add_member(input, group, member);
  for (std::uint32_t member = 0; member < group.members.size(); ++member) {
    if (!must_wait(input, group, member)) continue;
    const graph::Value value = input.graph.nodes()[group.members[member].node].first_output;
    stores_.push_back({number({true, member}), value, input.narrow[value]});
    kept_.push_back(stores_.back().operand);
  }
  join_multiply_adds();
  place_loads();
  assign_registers();
  choose_strip_length(group.elements);
  make_code(group);
}

std::uint16_t StripProgram::number(const GroupOperand& operand) const {
  return static_cast<std::uint16_t>(operand.is_member ? inputs_.size() + operand.index : operand.index);
}

void StripProgram::add_member(const CompileInput& input, const FusedGroup& group, std::uint32_t member) {
  const graph::GroupMember& from = group.members[member];
  const Node& node = input.graph.nodes()[from.node];
  if (graph::is_reduction(node.op)) {
    kept_.push_back(number(from.operands[0]));
    folded_.push_back(kept_.back());
    return;
  }
  Instruction made;
  made.out = number({true, member});
  made.operand_count = static_cast<std::uint8_t>(from.operands.size());
  for (std::size_t i = 0; i < from.operands.size(); ++i) made.in[i] = number(from.operands[i]);
  if (from.stored && !must_wait(input, group, member)) made.memory = node.first_output;
  if (is_source(node.op)) {
    add_source(input.graph, node, made);
  } else {
    made.op = strip_op(input.graph, node);
    made.function = strip_function(made.op);
  }
  instructions_.push_back(made);
}

// A later member reads the input in whose memory this one is stored, or it is made in f32 and stored in bfloat16.
bool StripProgram::must_wait(const CompileInput& input, const FusedGroup& group, std::uint32_t member) const {
  const Node& node = input.graph.nodes()[group.members[member].node];
  if (!group.members[member].stored || graph::is_reduction(node.op)) return false;
  if (input.narrow[node.first_output]) return true;
  for (std::uint32_t later = 0; later < group.members.size(); ++later) {
    const bool is_later = later > member || graph::is_reduction(input.graph.nodes()[group.members[later].node].op);
    if (!is_later) continue;
    for (const GroupOperand& operand : group.members[later].operands) {
      if (!operand.is_member && input.share_memory(group.inputs[operand.index].base, node.first_output)) return true;
    }
  }
  return false;
}

void StripProgram::add_source(const graph::Graph& graph, const Node& node, Instruction& made) {
  if (node.op == Op::iota) {
    const graph::Shape& shape = graph.shape(node.first_output);
    const auto axis = node.attributes.integer("axis");
    Counting counting{.inner = 1, .length = shape.rank() > 0 ? shape[static_cast<int>(axis)] : 1,
                      .is_real = graph.dtype(node.first_output) == DType::f32};
    for (int i = static_cast<int>(axis) + 1; i < shape.rank(); ++i) counting.inner *= shape[i];
    made.kind = Kind::iota;
    made.detail = static_cast<std::uint32_t>(countings_.size());
    countings_.push_back(counting);
    return;
  }
  const bool uniform = node.op == Op::random_uniform;
  made.kind = uniform ? Kind::uniform : Kind::normal;
  made.detail = static_cast<std::uint32_t>(drawings_.size());
  drawings_.push_back(
      {node.site, node.attributes.real(uniform ? "low" : "mean"), node.attributes.real(uniform ? "high" : "std")});
}

// A product that only one sum or difference reads becomes part of it. What the product reads is then read later: not
// where something has been written to memory in between.
void StripProgram::join_multiply_adds() {
  constexpr std::size_t kNone = ~std::size_t{0};
  std::vector<int> readers(inputs_.size() + member_count_, 0);
  std::vector<std::size_t> maker(readers.size(), kNone);
  for (const Instruction& made : instructions_) {
    for (std::size_t i = 0; i < made.operand_count; ++i) ++readers[made.in[i]];
  }
  for (const std::uint16_t operand : kept_) ++readers[operand];
  std::vector<bool> joined(instructions_.size(), false);
  std::size_t last_write = 0;  // behind the last instruction that writes to memory
  for (std::size_t i = 0; i < instructions_.size(); ++i) {
    Instruction& made = instructions_[i];
    maker[made.out] = i;
    const bool sums = made.kind == Kind::compute && (made.op == StripOp::add || made.op == StripOp::sub);
    for (const unsigned side : {1U, 0U}) {
      const std::size_t from = sums && made.operand_count == 2 ? maker[made.in[side]] : kNone;
      if (from == kNone || from < last_write || readers[made.in[side]] != 1) continue;
      const Instruction& product = instructions_[from];
      if (product.kind != Kind::compute || product.op != StripOp::mul || product.memory != 0) continue;
      const std::uint16_t other = made.in[1 - side];
      made.op = made.op == StripOp::add ? StripOp::mul_add : side == 0 ? StripOp::mul_sub : StripOp::sub_mul;
      made.function = strip_function(made.op);
      made.operand_count = 3;
      made.in[0] = product.in[0];
      made.in[1] = product.in[1];
      made.in[2] = other;
      joined[from] = true;
    }
    if (made.memory != 0) last_write = i + 1;
  }
  std::size_t kept = 0;
  for (std::size_t i = 0; i < instructions_.size(); ++i) {
    if (!joined[i]) instructions_[kept++] = instructions_[i];
  }
  instructions_.resize(kept);
}

// Every input is read just before its first use.
void StripProgram::place_loads() {
  std::vector<bool> loaded(inputs_.size(), false);
  std::vector<Instruction> all;
  const auto need = [&](std::uint16_t operand) {
    if (operand >= inputs_.size() || loaded[operand]) return;
    loaded[operand] = true;
    Instruction load{.kind = Kind::load};
    load.out = operand;
    all.push_back(load);
  };
  for (const Instruction& instruction : instructions_) {
    for (std::size_t i = 0; i < instruction.operand_count; ++i) need(instruction.in[i]);
    all.push_back(instruction);
  }
  for (const std::uint16_t operand : kept_) need(operand);
  instructions_ = std::move(all);
}

void StripProgram::assign_registers() {
  constexpr std::size_t kForever = ~std::size_t{0};
  std::vector<std::size_t> last_use(inputs_.size() + member_count_, 0);
  for (std::size_t i = 0; i < instructions_.size(); ++i) {
    for (std::size_t k = 0; k < instructions_[i].operand_count; ++k) last_use[instructions_[i].in[k]] = i;
  }
  for (const std::uint16_t operand : kept_) last_use[operand] = kForever;
  std::vector<std::uint16_t> free_slots;
  std::vector<std::pair<std::uint16_t, std::uint16_t>> busy;  // operand, slot
  for (std::size_t i = 0; i < instructions_.size(); ++i) {
    Instruction& made = instructions_[i];
    // Operands that end here give their register to the result: every strip function may write over an operand.
    std::erase_if(busy, [&](const auto& held) {
      const bool ends = last_use[held.first] <= i;
      if (ends) free_slots.push_back(held.second);
      return ends;
    });
    const bool needs_none = (made.kind == Kind::load && is_in_place(made.out)) ||
                            (made.kind != Kind::load && made.memory != 0);
    if (needs_none) continue;
    if (free_slots.empty()) free_slots.push_back(static_cast<std::uint16_t>(slots_++));
    made.slot = free_slots.back();
    free_slots.pop_back();
    busy.emplace_back(made.out, made.slot);
  }
}

void StripProgram::choose_strip_length(std::int64_t elements) {
  const auto slots = static_cast<std::int64_t>(std::max<std::size_t>(slots_, 1));
  std::int64_t longest = std::clamp<std::int64_t>(kRegisterFloats / slots / 64 * 64, kShortestStrip, kLongestStrip);
  std::int64_t run = 0;  // the shortest long run of an input that is not dense
  for (const StridedReader& reader : inputs_) {
    if (reader.always_in_place() || reader.run_length() < kLeastRun) continue;
    const std::int64_t length = reader.part_length() < kLeastRun ? reader.run_length() : reader.part_length();
    run = run == 0 ? length : std::min(run, length);
  }
  strip_length_ = longest;
  if (run > 0) {
    const std::int64_t parts = (run + longest - 1) / longest;
    if (run % parts == 0 && run / parts >= kShortestStrip) strip_length_ = run / parts;
  }
  strip_length_ = std::min(strip_length_, std::max<std::int64_t>(elements, 1));
}

// ---- machine code ---------------------------------------------------------------------------------------------------

StripProgram::Place StripProgram::place_of_input(std::uint16_t input, bool has_map, std::size_t& slots) const {
  const StridedReader& reader = inputs_[input];
  Place place{.value = reader.base(), .offset = reader.offset(), .operand = input};
  place.width = narrow_inputs_[input] ? 2 : 4;
  if (reader.is_dense()) return place;
  place.kind = is_in_place(input) ? Place::Kind::scalar
               : has_map          ? Place::Kind::mapped
                                  : Place::Kind::input_strip;
  if (place.kind == Place::Kind::input_strip) place.slot = static_cast<std::uint16_t>(slots++);
  return place;
}

// Not where inputs have much padding: whole strips of it are one number, which the instructions know to use.
void StripProgram::make_code(const FusedGroup& group) {
  const auto skips = [](const StridedReader& r) { return r.has_padding() && r.run_length() >= kLeastRun; };
  if (std::ranges::any_of(inputs_, skips)) return;
  if (std::ranges::none_of(instructions_, [](const Instruction& made) { return made.kind == Kind::compute; })) return;
  ElementProgram program;
  std::vector<Place> results;
  std::size_t slots = 0;
  // Whatever is walked begins at whole vectors.
  const bool may_map = strip_length_ % ElementMap::kVector == 0 &&
                       (group.reduction.empty() || group.reduction.back().length % ElementMap::kVector == 0);
  const auto add_result = [&](std::uint16_t operand, bool is_narrow, const Place& place) {
    program.results.push_back({operand, is_narrow});
    results.push_back(place);
  };
  for (const Instruction& made : instructions_) {
    ElementOperation operation{.op = made.op, .operand_count = made.operand_count, .out = made.out};
    std::ranges::copy(made.in, operation.in);
    if (made.kind == Kind::load) {
      const std::optional<ElementMap> map = may_map ? inputs_[made.out].map() : std::nullopt;
      const Place place = place_of_input(made.out, map.has_value(), slots);
      const bool reads_narrow = place.kind != Place::Kind::input_strip && place.width == 2;
      operation.kind = reads_narrow ? ElementOperation::Kind::read_narrow
                       : place.kind == Place::Kind::scalar ? ElementOperation::Kind::read_scalar
                                                           : ElementOperation::Kind::read;
      if (place.kind == Place::Kind::mapped) operation.map = *map;
      places_.push_back(place);
    } else if (made.kind != Kind::compute) {
      return places_.clear();
    }
    program.operations.push_back(operation);
    if (made.memory != 0) add_result(made.out, false, {.value = made.memory});
  }
  for (const Store& store : stores_) {
    add_result(store.operand, store.is_narrow, {.value = store.memory, .width = store.is_narrow ? 2 : 4});
  }
  for (const std::uint16_t operand : folded_) {
    add_result(operand, false,
               {.kind = Place::Kind::result_strip, .operand = operand, .slot = static_cast<std::uint16_t>(slots++)});
  }
  places_.insert(places_.end(), results.begin(), results.end());
  if (places_.size() <= kMostPlaces) code_ = StripCode::make(program);
  if (code_ != nullptr) slots_ = std::max(slots_, slots);
}

void StripProgram::evaluate_by_code(const RunContext& context, std::byte* space, std::int64_t first,
                                    std::int64_t n) const {
  const std::size_t stride = strip_floats(strip_length_);
  auto* registers = reinterpret_cast<float*>(space);
  auto* strips = reinterpret_cast<Strip*>(space + (slots_ + 1) * stride * sizeof(float));
  fetch_next(context, first, n);
  std::array<void*, kMostPlaces> places;
  for (std::size_t i = 0; i < places_.size(); ++i) {
    const Place& place = places_[i];
    float* slot = registers + place.slot * stride;
    switch (place.kind) {
      case Place::Kind::memory:
      case Place::Kind::mapped:
      case Place::Kind::scalar: {
        const std::int64_t element = place.offset + (place.kind == Place::Kind::memory ? first : 0);
        places[i] = static_cast<std::byte*>(context.memory[place.value]) + element * place.width;
        break;
      }
      case Place::Kind::input_strip: {
        const Strip strip = read(context, place.operand, first, n, slot);
        if (strip.is_scalar) fill_strip(slot, *strip.data, n);
        places[i] = strip.is_scalar ? slot : const_cast<float*>(strip.data);  // read only
        break;
      }
      case Place::Kind::result_strip:
        strips[place.operand] = {slot, false};
        places[i] = slot;
        break;
    }
  }
  code_->run(places.data(), first, n);
}

// ---- running --------------------------------------------------------------------------------------------------------

std::size_t StripProgram::space_bytes() const {
  const std::size_t strip = round_to_line(static_cast<std::size_t>(strip_length_) * sizeof(float));
  return (slots_ + 1) * strip + round_to_line((inputs_.size() + member_count_) * sizeof(Strip));
}

float* StripProgram::spare(std::byte* space) const {
  return reinterpret_cast<float*>(space) + slots_ * strip_floats(strip_length_);
}

Strip StripProgram::result(const std::byte* space, const GroupOperand& operand) const {
  const auto* strips =
      reinterpret_cast<const Strip*>(space + (slots_ + 1) * strip_floats(strip_length_) * sizeof(float));
  return strips[number(operand)];
}

void StripProgram::count(const Counting& counting, std::int64_t first, std::int64_t n, float* out) const {
  std::int64_t inner = first % counting.inner;
  std::int64_t index = first / counting.inner % counting.length;
  for (std::int64_t i = 0; i < n; ++i) {
    out[i] = counting.is_real ? static_cast<float>(index) : std::bit_cast<float>(static_cast<std::int32_t>(index));
    if (++inner == counting.inner) {
      inner = 0;
      if (++index == counting.length) index = 0;
    }
  }
}

// Into the second-level cache, with the right to write where results go: the machine's own prefetching stops at pages.
void StripProgram::fetch_next(const RunContext& context, std::int64_t first, std::int64_t n) const {
  const std::int64_t next = first + n;
  const std::int64_t count = std::min(n, elements_ - next);
  if (count <= 0) return;
  const auto lines = [&](graph::Value value, std::int64_t offset, bool is_narrow, auto fetch) {
    const std::int64_t width = is_narrow ? 2 : 4;
    const auto* from = static_cast<const char*>(context.memory[value]) + (offset + next) * width;
    for (std::int64_t at = 0; at < count * width; at += 64) fetch(from + at);
  };
  for (std::size_t i = 0; i < inputs_.size(); ++i) {
    if (!inputs_[i].is_dense()) continue;
    lines(inputs_[i].base(), inputs_[i].offset(), narrow_inputs_[i],
          [](const char* p) { __builtin_prefetch(p, 0, 2); });
  }
  const auto for_writing = [](const char* p) { __builtin_prefetch(p, 1, 2); };
  for (const Instruction& made : instructions_) {
    if (made.memory != 0) lines(made.memory, 0, false, for_writing);
  }
  for (const Store& store : stores_) lines(store.memory, 0, store.is_narrow, for_writing);
}

Strip StripProgram::read(const RunContext& context, std::uint16_t input, std::int64_t first, std::int64_t n,
                         float* out) const {
  const StridedReader& reader = inputs_[input];
  return narrow_inputs_[input] ? reader.read_narrow(context.read_narrow(reader.base()), first, n, out)
                               : reader.read(context.read(reader.base()), first, n, out);
}

void StripProgram::evaluate(const RunContext& context, std::byte* space, std::int64_t first, std::int64_t n) const {
  if (code_ != nullptr) return evaluate_by_code(context, space, first, n);
  const std::size_t stride = strip_floats(strip_length_);
  auto* registers = reinterpret_cast<float*>(space);
  auto* strips = reinterpret_cast<Strip*>(space + (slots_ + 1) * stride * sizeof(float));
  fetch_next(context, first, n);
  for (const Instruction& made : instructions_) {
    float* out = made.memory != 0 ? context.write(made.memory) + first : registers + made.slot * stride;
    switch (made.kind) {
      case Kind::load: strips[made.out] = read(context, made.out, first, n, out); continue;
      case Kind::compute: {
        const Strip* operand[3] = {&strips[made.in[0]], &strips[made.in[1]], &strips[made.in[2]]};
        unsigned scalars = 0;
        for (unsigned i = 0; i < made.operand_count; ++i) scalars |= operand[i]->is_scalar ? 1U << i : 0U;
        made.function(out, operand[0]->data, operand[1]->data, operand[2]->data, n, scalars);
        break;
      }
      case Kind::iota: count(countings_[made.detail], first, n, out); break;
      case Kind::uniform:
      case Kind::normal: {
        const Drawing& drawing = drawings_[made.detail];
        const RandomField field{context.key, drawing.site, drawing.first, drawing.second};
        const std::int64_t at = context.slab * elements_ + first;  // in the field of the whole batch
        if (made.kind == Kind::uniform) {
          draw_uniform(field, at, n, out);
        } else {
          draw_normal(field, at, n, out);
        }
        break;
      }
    }
    strips[made.out] = {out, false};
  }
}

void StripProgram::store(const RunContext& context, std::byte* space, std::int64_t first, std::int64_t n) const {
  if (code_ != nullptr) return;
  for (const Store& store : stores_) {
    const float* strip = reinterpret_cast<const Strip*>(space + (slots_ + 1) * strip_floats(strip_length_) *
                                                                    sizeof(float))[store.operand]
                             .data;
    if (store.is_narrow) {
      narrow_strip(context.write_narrow(store.memory) + first, strip, n);
    } else {
      std::memcpy(context.write(store.memory) + first, strip, static_cast<std::size_t>(n) * sizeof(float));
    }
  }
}

}  // namespace caddie::cpu
