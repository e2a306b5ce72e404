// Document-isolated attention: in rows that hold several documents, tokens see only their own, and of a long document
// only their own piece (Krell et al. 2021, "Efficient Sequence Packing without Cross-contamination", arXiv:2107.02027;
// openai/parameter-golf PR #1530, #2163).
//
//   a segment begins at the start of a row, at every BOS, and every max_segment tokens after the start of a document
//   segments [B, T]: equal numbers see each other
//
// The numbers go to attention as the wire "segments". Where the loader gives segments already, both hold: tokens see
// each other where they are of one run of the loader's numbers and of one of these. All in time linear in T: a
// document's number is the count of its beginnings so far, and its start is looked up under that number.
#include <caddie/plugin.hpp>

namespace {

using namespace caddie;

struct VarlenAttention : Block {
  static constexpr Identity identity{.id = "varlen-attention",
                                     .summary = "attention does not cross documents, nor pieces of long ones",
                                     .citation = "Krell et al. 2021, arXiv:2107.02027; openai/parameter-golf PR #2163"};

  Integer max_segment{this, "max_segment", 2048, "longest segment, in tokens", range(1, 1 << 24)};
  Flag in_evaluation{this, "in_evaluation", false, "also where text is scored, which otherwise sees the whole window"};

  void attach(Hooks& hooks) override { hooks.chain("embed.out", &VarlenAttention::mark); }

  Value mark(Graph& g, Value e) const {
    const bool scores = g.mode() == Mode::evaluate || g.mode() == Mode::calibrate;
    if (!scores || in_evaluation) g.set_wire("segments", segments(g, beginnings(g)));
    return e;
  }

 private:
  // 1 where a document begins, and where the loader's segment is another than that of the token before.
  static Value beginnings(Graph& g) {  // i32 [B, T]
    const Value documents = g.to_integer(g.eq(g.wire("tokens"), g.integer(g.info().bos)));
    const Value given = g.wire_or_none("segments");
    if (!given) return documents;
    return g.max(documents, g.to_integer(1 - g.eq(given, given.shift(1))));
  }

  [[nodiscard]] Value segments(Graph& g, Value begins) const {  // i32 [B, T]
    const auto [B, T] = begins.dims<2>();
    const Value position = g.iota({B, T}, 1, CADDIE_I32);
    // Where the document began: the largest beginning so far, by doubling steps. Rows stay apart from one another.
    Value start = position * begins;
    for (int64_t step = 1; step < T; step *= 2) {
      start = g.max(start, g.pad(start.slice(1, 0, T - step), {0, step}, {0, 0}));
    }
    const Value cut = g.eq(g.int_mod(position - start, g.integer(max_segment)), g.integer(0));
    return running_sum(g, g.to_integer(cut));
  }

  static Value running_sum(Graph& g, Value x) {  // over T
    const int64_t time = 1;
    return g.emit(Op::cumsum, {x}, {detail::integer("axis", time)});
  }
};

}  // namespace

CADDIE_EXPORT_PLUGIN(VarlenAttention)
