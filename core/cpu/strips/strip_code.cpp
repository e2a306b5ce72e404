#include "core/cpu/strips/strip_code.hpp"

#include <algorithm>
#include <mutex>
#include <utility>

#include "core/cpu/kernels/isa.hpp"

#if defined(CADDIE_X86)
#include <xbyak/xbyak.h>
#endif

namespace caddie::cpu {

#if defined(CADDIE_X86)
namespace {

using Kind = ElementOperation::Kind;
using Xbyak::Reg64;
using Xbyak::Ymm;
using Xbyak::Zmm;

constexpr int kLanes = 16;
constexpr int kRegisters = 31;  // for values; the last one is for what is only needed for a moment
constexpr std::size_t kCodeBytes = 4096;

bool is_simple(StripOp op) {
  switch (op) {
    case StripOp::copy:
    case StripOp::neg:
    case StripOp::sqrt:
    case StripOp::add:
    case StripOp::sub:
    case StripOp::mul:
    case StripOp::div:
    case StripOp::mul_add:
    case StripOp::mul_sub:
    case StripOp::sub_mul: return true;
    default: return false;
  }
}

bool is_read(const ElementOperation& operation) { return operation.kind != Kind::compute; }

// Which register holds each value while an element is computed: straight code, so the first free one from where a value
// is made to where it is read last. Scalars keep theirs.
class Registers {
 public:
  explicit Registers(const ElementProgram& program) {
    std::size_t values = 0;
    for (const ElementOperation& made : program.operations) values = std::max<std::size_t>(values, made.out + 1);
    last_use_.assign(values, 0);
    register_.assign(values, -1);
    for (std::size_t i = 0; i < program.operations.size(); ++i) {
      const ElementOperation& operation = program.operations[i];
      for (int k = 0; k < operation.operand_count; ++k) last_use_[operation.in[k]] = i;
    }
    for (const ElementResult& result : program.results) last_use_[result.value] = kForever;
    for (const ElementOperation& operation : program.operations) {
      if (operation.kind == Kind::read_scalar) last_use_[operation.out] = kForever;
    }
    for (int r = kRegisters; r-- > 0;) free_.push_back(r);
    for (const ElementOperation& operation : program.operations) {
      if (operation.kind == Kind::read_scalar) take(operation.out);
    }
    for (std::size_t i = 0; i < program.operations.size(); ++i) assign(program.operations[i], i);
  }

  [[nodiscard]] bool enough() const { return enough_; }
  [[nodiscard]] Zmm of(std::uint16_t value) const { return Zmm(register_[value]); }

 private:
  static constexpr std::size_t kForever = ~std::size_t{0};

  void take(std::uint16_t value) {
    if (free_.empty()) {
      enough_ = false;
      return;
    }
    register_[value] = free_.back();
    free_.pop_back();
  }

  // The sum of a product may stand where its addend ends; else it must not stand where an operand does.
  void assign(const ElementOperation& operation, std::size_t i) {
    if (operation.kind == Kind::read_scalar || !enough_) return;
    const bool fused = operation.operand_count == 3;
    if (fused && last_use_[operation.in[2]] == i) {
      register_[operation.out] = register_[operation.in[2]];
      release(operation, i, operation.in[2]);
      return;
    }
    if (!fused) release(operation, i, kNone);
    take(operation.out);
    if (fused) release(operation, i, kNone);
  }

  static constexpr int kNone = -1;
  void release(const ElementOperation& operation, std::size_t i, int but) {
    for (int k = 0; k < operation.operand_count; ++k) {
      const std::uint16_t value = operation.in[k];
      if (last_use_[value] != i || value == but) continue;
      free_.push_back(register_[value]);
      last_use_[value] = kForever;  // once only, if it is read twice here
    }
  }

  std::vector<std::size_t> last_use_;
  std::vector<int> register_;
  std::vector<int> free_;
  bool enough_ = true;
};

class Avx512Code final : public StripCode, private Xbyak::CodeGenerator {
 public:
  Avx512Code(const ElementProgram& program, const Registers& registers)
      : Xbyak::CodeGenerator(kCodeBytes), program_(program), registers_(registers) {
    generate();
    setProtectModeRE();
    function_ = getCode<Function>();
  }

 private:
  // As the System V calling convention has it; only registers that a function may change are used.
  const Reg64& places_ = rdi;
  const Reg64& count_ = rsi;
  const Reg64& first_ = rdx;
  const Reg64& index_ = rcx;
  const Reg64& spare_ = r11;
  static constexpr std::size_t kHeldPointers = 3;  // r8 to r10

  void generate() {
    Xbyak::Label loop, tail, done;
    for (std::size_t place = 0; place < kHeldPointers; ++place) {
      if (place < place_count()) mov(held_pointer(place), ptr[places_ + 8 * place]);
    }
    std::size_t place = 0;
    for (const ElementOperation& operation : program_.operations) {
      if (operation.kind == Kind::read_scalar) vbroadcastss(registers_.of(operation.out), ptr[pointer(place)]);
      if (is_read(operation)) ++place;
    }
    xor_(ecx, ecx);
    L(loop);
    lea(rax, ptr[index_ + kLanes]);
    cmp(rax, count_);
    jg(tail, T_NEAR);
    element(false);
    add(index_, kLanes);
    jmp(loop, T_NEAR);
    L(tail);
    mov(rax, count_);
    sub(rax, index_);
    jle(done, T_NEAR);
    mov(spare_.cvt32(), ~0U);
    bzhi(eax, spare_.cvt32(), eax);
    kmovd(k1, eax);
    element(true);
    L(done);
    vzeroupper();
    ret();
  }

  [[nodiscard]] std::size_t place_count() const {
    return static_cast<std::size_t>(std::ranges::count_if(program_.operations, is_read)) + program_.results.size();
  }
  [[nodiscard]] Reg64 held_pointer(std::size_t place) const { return Reg64(static_cast<int>(8 + place)); }
  Reg64 pointer(std::size_t place) {
    if (place < kHeldPointers) return held_pointer(place);
    mov(spare_, ptr[places_ + 8 * place]);
    return spare_;
  }

  // rax = where the map puts element index_.
  void locate(const ElementMap& map) {
    if (map.axes.empty()) xor_(eax, eax);
    for (const ElementMap::Axis& axis : map.axes) {
      const Reg64& part = &axis == &map.axes.front() ? rax : spare_;
      lea(part, ptr[first_ + index_]);
      if (axis.shift > 0) shr(part, axis.shift);
      if (axis.mask != ~0U) and_(part, axis.mask);
      if (axis.stride != 1) imul(part, part, axis.stride);
      if (&part != &rax) add(rax, part);
    }
  }

  // kLanes elements at index_, or those of k1.
  void element(bool masked) {
    std::size_t place = 0;
    for (const ElementOperation& operation : program_.operations) {
      if (operation.kind == Kind::read || operation.kind == Kind::read_narrow) read(operation, place, masked);
      if (operation.kind == Kind::compute) compute(operation);
      if (is_read(operation)) ++place;
    }
    for (const ElementResult& result : program_.results) write(result, place++, masked);
  }

  void read(const ElementOperation& operation, std::size_t place, bool masked) {
    const Zmm out = registers_.of(operation.out);
    const Zmm to = masked ? out | k1 | T_z : out;
    const bool is_narrow = operation.kind == Kind::read_narrow;
    const bool is_mapped = operation.map.is_given();
    if (is_mapped) locate(operation.map);
    const Reg64 from = pointer(place);
    const Reg64& index = is_mapped ? rax : index_;
    if (operation.map.repeats && is_narrow) {
      movzx(eax, word[from + index * 2]);
      shl(eax, 16);
      vpbroadcastd(out, eax);
    } else if (operation.map.repeats) {
      vbroadcastss(out, ptr[from + index * 4]);
    } else if (is_narrow) {
      vpmovzxwd(to, ptr[from + index * 2]);
      vpslld(out, out, 16);
    } else {
      vmovups(to, ptr[from + index * 4]);
    }
  }

  void write(const ElementResult& result, std::size_t place, bool masked) {
    const Zmm from = registers_.of(result.value);
    const Reg64 to = pointer(place);
    if (!result.is_narrow) {
      vmovups(masked ? ptr[to + index_ * 4] | k1 : ptr[to + index_ * 4], from);
      return;
    }
    const Ymm rounded(kRegisters);
    vcvtneps2bf16(rounded, from);
    if (masked) {
      vmovdqu16(ptr[to + index_ * 2] | k1, rounded);
    } else {
      vmovups(ptr[to + index_ * 2], rounded);
    }
  }

  void compute(const ElementOperation& operation) {
    const Zmm out = registers_.of(operation.out);
    const Zmm a = registers_.of(operation.in[0]);
    const Zmm b = operation.operand_count > 1 ? registers_.of(operation.in[1]) : a;
    if (operation.operand_count == 3) {
      const Zmm c = registers_.of(operation.in[2]);
      if (out.getIdx() != c.getIdx()) vmovaps(out, c);
    }
    switch (operation.op) {
      case StripOp::neg: {
        const Zmm sign(kRegisters);
        mov(eax, static_cast<std::uint32_t>(INT32_MIN));
        vpbroadcastd(sign, eax);
        vpxord(out, a, sign);
        break;
      }
      case StripOp::sqrt: vsqrtps(out, a); break;
      case StripOp::add: vaddps(out, a, b); break;
      case StripOp::sub: vsubps(out, a, b); break;
      case StripOp::mul: vmulps(out, a, b); break;
      case StripOp::div: vdivps(out, a, b); break;
      case StripOp::mul_add: vfmadd231ps(out, a, b); break;
      case StripOp::mul_sub: vfmsub231ps(out, a, b); break;
      case StripOp::sub_mul: vfnmadd231ps(out, a, b); break;
      default: vmovaps(out, a); break;  // copy
    }
  }

  ElementProgram program_;
  Registers registers_;
};

std::shared_ptr<const StripCode> generate(const ElementProgram& program) {
  const Registers registers(program);
  if (!registers.enough()) return nullptr;
  try {
    return std::make_shared<Avx512Code>(program, registers);
  } catch (const Xbyak::Error&) {  // no memory that may be executed, or too much code
    return nullptr;
  }
}

bool can_run(const ElementProgram& program) {
  if (active_isa() < Isa::avx512) return false;
  const bool narrow = std::ranges::any_of(program.results, &ElementResult::is_narrow);
  if (narrow && active_isa() < Isa::avx512_bf16) return false;
  return std::ranges::all_of(program.operations, [](const ElementOperation& operation) {
    return is_read(operation) || is_simple(operation.op);
  });
}

}  // namespace

std::shared_ptr<const StripCode> StripCode::make(const ElementProgram& program) {
  if (!can_run(program)) return nullptr;
  static std::mutex mutex;
  static std::vector<std::pair<ElementProgram, std::weak_ptr<const StripCode>>> known;
  const std::scoped_lock lock(mutex);
  std::erase_if(known, [](const auto& entry) { return entry.second.expired(); });
  for (const auto& [one, code] : known) {
    if (one != program) continue;
    if (auto shared = code.lock()) return shared;
  }
  std::shared_ptr<const StripCode> made = generate(program);
  if (made != nullptr) known.emplace_back(program, made);
  return made;
}

#else

std::shared_ptr<const StripCode> StripCode::make(const ElementProgram&) { return nullptr; }

#endif

}  // namespace caddie::cpu
