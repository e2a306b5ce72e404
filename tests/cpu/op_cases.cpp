#include "tests/cpu/op_cases.hpp"

#include <algorithm>

namespace caddie::cpu::testing {
namespace {

using List = std::vector<std::int64_t>;

const std::vector<Shape> kShapes = {{}, {1}, {7}, {33, 5}, {2, 3, 4}, {3, 1030}, {40, 700}};

std::vector<Maker> unary(Op op, float low = -4, float high = 4, double tolerance = 1e-5) {
  std::vector<Maker> out;
  for (const Shape& shape : kShapes) {
    out.push_back([=](Case& c) {
      c.tolerance = tolerance;
      c.emit(op, {c.real(shape, low, high)});
    });
  }
  return out;
}

std::vector<Maker> unary_whole(Op op) {
  return {[=](Case& c) { c.emit(op, {c.whole({5, 67})}); }, [=](Case& c) { c.emit(op, {c.whole({}, -2, 2)}); }};
}

std::vector<Maker> operator+(std::vector<Maker> a, const std::vector<Maker>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

// Equal shapes, scalars, rows, columns, and both stretched.
const std::vector<std::pair<Shape, Shape>> kPairs = {
    {{}, {}},          {{19}, {19}},       {{4, 300}, {4, 300}},   {{4, 300}, {}},       {{}, {40, 600}},
    {{6, 257}, {257}}, {{6, 257}, {6, 1}}, {{5, 1, 3}, {1, 7, 1}}, {{2, 3, 64}, {3, 1}}, {{9, 2048}, {2048}},
    {{64, 1}, {1, 64}}};

std::vector<Maker> binary(Op op, float low = -3, float high = 3) {
  std::vector<Maker> out;
  for (const auto& [a, b] : kPairs)
    out.push_back([=, a = a, b = b](Case& c) { c.emit(op, {c.real(a, low, high), c.real(b, low, high)}); });
  return out;
}

std::vector<Maker> binary_whole(Op op, std::int32_t low = -9, std::int32_t high = 9) {
  std::vector<Maker> out;
  for (const auto& [a, b] : kPairs) {
    out.push_back([=, a = a, b = b](Case& c) { c.emit(op, {c.whole(a, -100000, 100000), c.whole(b, low, high)}); });
  }
  return out;
}

std::vector<Maker> reductions(Op op) {
  std::vector<Maker> out;
  const std::vector<std::pair<Shape, List>> cases = {{{5}, {0}},
                                                     {{40, 700}, {1}},
                                                     {{40, 700}, {0}},
                                                     {{40, 700}, {}},
                                                     {{3, 4, 5}, {1}},
                                                     {{3, 4, 5}, {0, 2}},
                                                     {{70000}, {}},
                                                     {{2, 50000}, {1}},
                                                     {{3, 30000}, {0}},
                                                     {{9, 8, 64}, {0, 1}},
                                                     {{9, 8, 64}, {2}},
                                                     {{4, 5, 6, 7}, {0, 2}},
                                                     {{4, 5, 6, 7}, {1, 3}},
                                                     {{1, 5, 1}, {0}},
                                                     {{16, 4000}, {0}},
                                                     {{2, 3, 5000}, {0, 2}},
                                                     {{6, 3, 2100}, {1}},
                                                     {{300, 4, 32}, {0, 2}},  // few results, many short rows
                                                     {{70, 3, 40}, {0, 2}},
                                                     {{6, 100, 4, 20}, {1, 3}},
                                                     {{300, 2, 32}, {1}},  // short planes
                                                     {{5, 2, 3, 2, 36}, {1, 3}},
                                                     {{4, 7, 50, 2, 33}, {1, 3}},
                                                     {{1, 1}, {}}};
  for (const auto& [shape, axes] : cases) {
    for (const std::int64_t keep : {0, 1}) {
      out.push_back([=, shape = shape, axes = axes](Case& c) {
        c.tolerance = 1e-4;
        c.emit(op, {c.real(shape)}, Attributes().set("axes", axes).set("keep", keep));
      });
    }
    out.push_back([=, shape = shape, axes = axes](Case& c) {
      c.emit(op, {c.whole(shape)}, Attributes().set("axes", axes));
    });
  }
  return out;
}

Maker dot_case(Shape a, Shape b, List batch_a, List batch_b, List contract_a, List contract_b) {
  return [=](Case& c) {
    c.tolerance = 1e-4;
    c.emit(Op::dot, {c.real(a), c.real(b)}, Attributes().set("batch_a", batch_a).set("batch_b", batch_b)
                                                .set("contract_a", contract_a).set("contract_b", contract_b));
  };
}

Maker attention_case(std::int64_t B, std::int64_t T, std::int64_t S, std::int64_t H, std::int64_t K, std::int64_t D,
                     std::int64_t causal, bool segments, bool backward) {
  return [=](Case& c) {
    c.tolerance = 2e-4;
    const Value q = c.real({B, T, H, D});
    const Value k = c.real({B, S, K, D});
    const Value v = c.real({B, S, K, D});
    const Value seg = segments ? c.whole({B, T}, 0, 2) : 0;
    const Attributes attributes = Attributes().set("scale", 0.3).set("causal", causal);
    if (!backward) return c.emit(Op::attention, {q, k, v, seg}, attributes);
    const Value y = c.graph.emit(Op::attention, {q, k, v, seg}, attributes);
    c.emit(Op::attention_backward, {q, k, v, y, y + 1, c.real({B, T, H, D}), seg}, attributes);
  };
}

std::vector<Maker> attention_cases(bool backward) {
  return {attention_case(2, 9, 9, 4, 2, 8, 1, false, backward),
          attention_case(1, 70, 70, 2, 2, 16, 1, true, backward),
          attention_case(2, 5, 11, 2, 1, 8, 0, false, backward),
          attention_case(1, 5, 11, 2, 1, 8, 1, false, backward),
          attention_case(2, 64, 130, 4, 2, 16, 2, false, backward),
          attention_case(1, 3, 70, 2, 1, 8, 2, false, backward),
          attention_case(1, 11, 5, 2, 1, 8, 1, false, backward),
          attention_case(1, 33, 33, 3, 3, 24, 0, true, backward)};
}

Maker loss_case(Op op, std::int64_t rows, std::int64_t vocab, double cap, std::int32_t low, std::int32_t high) {
  return [=](Case& c) {
    c.tolerance = 2e-4;
    const bool fused = op == Op::linear_cross_entropy || op == Op::linear_cross_entropy_backward;
    const bool backward = op == Op::cross_entropy_backward || op == Op::linear_cross_entropy_backward;
    const Attributes attributes = fused ? Attributes().set("cap", cap) : Attributes();
    std::vector<Value> inputs{fused ? c.real({rows, 24}, -1, 1) : c.real({rows, vocab})};
    if (fused) inputs.push_back(c.real({vocab, 24}, -1, 1));
    inputs.push_back(c.whole({rows}, low, high));
    const auto emit = [&](Op what) {
      const Value first = c.graph.emit(what, std::span<const Value>(inputs), attributes);
      ASSERT_TRUE(c.graph.status()) << c.graph.status().error().message();
      for (std::uint32_t i = 0; i < c.graph.node_of(first).output_count; ++i) {
        if (what == op) c.graph.output("y" + std::to_string(i), first + i);
      }
      if (what != op) {
        inputs.push_back(first + 1);
        inputs.push_back(first + 2);
      }
    };
    if (backward) {
      emit(fused ? Op::linear_cross_entropy : Op::cross_entropy);
      for (int i = 0; i < 3; ++i) inputs.push_back(c.real({rows}, -1, 1));
    }
    emit(op);
  };
}

std::vector<Maker> loss_cases(Op op) {
  return {loss_case(op, 5, 11, 0, 0, 10), loss_case(op, 37, 300, 0, 0, 299), loss_case(op, 16, 50, 15, 0, 49),
          loss_case(op, 20, 11, 0, -2, 14), loss_case(op, 20, 11, 4, -2, 14)};
}

Maker rows_case(Op op, Shape shape) {
  return [=](Case& c) {
    c.tolerance = 1e-4;
    if (op == Op::rms_norm_backward) {
      c.emit(op, {c.real(shape), c.real(shape)}, Attributes().set("eps", 1e-5));
    } else {
      c.emit(op, {c.real(shape)});
    }
  };
}

Maker layer_norm_case(bool backward, Shape shape) {
  return [=](Case& c) {
    c.tolerance = 1e-4;
    const Shape channels{shape[shape.rank() - 1]};
    const Value x = c.real(shape, -1, 4);
    const Value weight = c.real(channels);
    if (backward) {
      c.emit(Op::layer_norm_backward, {x, weight, c.real(shape)});
    } else {
      c.emit(Op::layer_norm, {x, weight, c.real(channels)});
    }
  };
}

std::vector<Maker> layer_norm_cases(bool backward) {
  return {layer_norm_case(backward, {5}), layer_norm_case(backward, {3, 64}), layer_norm_case(backward, {2, 40, 129}),
          layer_norm_case(backward, {300, 512})};
}

std::vector<Maker> row_cases(Op op) {
  return {rows_case(op, {5}), rows_case(op, {3, 64}), rows_case(op, {2, 40, 129}), rows_case(op, {70, 512})};
}

Maker with(Op op, Shape shape, Attributes attributes, bool whole = false) {
  return [=](Case& c) { c.emit(op, {whole ? c.whole(shape) : c.real(shape)}, attributes); };
}

Maker made(Op op, Attributes attributes) {
  return [=](Case& c) { c.emit(op, {}, attributes); };
}

}  // namespace

std::vector<OpCases> all_cases() {
  const auto ints = [](const char* key, List list) { return Attributes().set(key, std::move(list)); };
  std::vector<OpCases> all;
  const auto add = [&](Op op, std::vector<Maker> cases) { all.push_back({op, std::move(cases)}); };
  add(Op::constant, {made(Op::constant, Attributes().set("values", std::vector<double>{2.5}).set("shape", List{3, 4})),
                     made(Op::constant, Attributes()
                                            .set("values", std::vector<double>{1, -2, 3})
                                            .set("shape", List{3})
                                            .set("dtype", std::int64_t{7}))});
  add(Op::iota,
      {made(Op::iota, Attributes().set("shape", List{4, 5}).set("axis", std::int64_t{0})),
       made(Op::iota,
            Attributes().set("shape", List{4, 3, 2}).set("axis", std::int64_t{1}).set("dtype", std::int64_t{7})),
       made(Op::iota, Attributes().set("shape", List{3000, 1500}).set("axis", std::int64_t{0}))});
  add(Op::random_uniform,
      {made(Op::random_uniform, Attributes().set("shape", List{7, 11}).set("low", -1.0).set("high", 3.0)),
       made(Op::random_uniform, Attributes().set("shape", List{30, 4001}))});
  add(Op::random_normal, {made(Op::random_normal, Attributes().set("shape", List{7, 11}).set("mean", 2.0)),
                          made(Op::random_normal, Attributes().set("shape", List{30, 4001}).set("std", 0.1))});
  for (const Op op : {Op::neg, Op::abs, Op::sign, Op::stop_gradient}) add(op, unary(op) + unary_whole(op));
  for (const Op op : {Op::exp, Op::sin, Op::cos, Op::tanh, Op::floor, Op::round, Op::sigmoid, Op::round_bf16})
    add(op, unary(op));
  for (const Op op : {Op::log, Op::sqrt, Op::rsqrt, Op::recip}) add(op, unary(op, 0.05F, 5));
  all.back().cases.push_back([](Case& c) { c.emit(Op::recip, {c.real({9}, -3, -1)}); });
  for (Maker& maker : unary(Op::sin, -90000, 90000, 1e-4))
    std::ranges::find(all, Op::sin, &OpCases::op)->cases.push_back(maker);
  for (Maker& maker : unary(Op::floor, -9e6F, 9e6F))
    std::ranges::find(all, Op::floor, &OpCases::op)->cases.push_back(maker);
  for (Maker& maker : unary(Op::round, -5, 5)) std::ranges::find(all, Op::round, &OpCases::op)->cases.push_back(maker);
  const Attributes to_i32 = Attributes().set("dtype", std::int64_t{7});
  const Attributes to_f32 = Attributes().set("dtype", std::int64_t{1});
  add(Op::cast,
      {with(Op::cast, {31, 9}, to_i32), with(Op::cast, {31, 9}, to_f32, true), with(Op::cast, {31, 9}, to_f32),
       with(Op::cast, {5}, to_i32, true), [=](Case& c) { c.emit(Op::cast, {c.real({100}, -9e9F, 9e9F)}, to_i32); }});
  for (const Op op : {Op::add, Op::sub, Op::mul, Op::max, Op::min, Op::lt, Op::le, Op::eq})
    add(op, binary(op) + binary_whole(op));
  for (const auto& [a, b] : std::vector<std::pair<Shape, Shape>>{  // factors of whole vectors, and of rows that repeat
           {{100, 4, 32}, {4, 1}}, {{100, 4, 32}, {100, 4, 1}}, {{90, 2, 2, 32}, {90, 2, 1, 32}},
           {{100, 4, 64}, {64}}, {{3, 50, 4, 16}, {3, 1, 4, 1}}, {{100, 3, 48}, {3, 1}}}) {
    std::ranges::find(all, Op::mul, &OpCases::op)->cases.push_back([=, a = a, b = b](Case& c) {
      c.emit(Op::mul, {c.real(a), c.real(b)});
    });
  }
  add(Op::div, binary(Op::div, 0.2F, 3));
  add(Op::pow, binary(Op::pow, 0.2F, 3));
  for (const Op op : {Op::bit_and, Op::bit_or, Op::bit_xor, Op::int_div, Op::int_mod}) add(op, binary_whole(op));
  for (const Op op : {Op::shift_left, Op::shift_right}) add(op, binary_whole(op, 0, 31));
  add(Op::where, {[](Case& c) { c.emit(Op::where, {c.whole({4, 1}, 0, 1), c.real({300}), c.real({4, 300})}); },
                  [](Case& c) { c.emit(Op::where, {c.real({5, 5}), c.whole({5, 5}), c.whole({})}); },
                  [](Case& c) { c.emit(Op::where, {c.whole({}, 1, 1), c.real({}), c.real({600})}); }});
  for (const Op op : {Op::reduce_sum, Op::reduce_max, Op::reduce_min}) add(op, reductions(op));
  std::vector<Maker> sums;
  for (const std::int64_t axis : {0, 1, 2}) {
    for (const std::int64_t reverse : {0, 1}) {
      const Attributes attributes = Attributes().set("axis", axis).set("reverse", reverse);
      sums.push_back(with(Op::cumsum, {5, 40, 300}, attributes));
      sums.push_back(with(Op::cumsum, {5, 4, 3}, attributes, true));
    }
  }
  add(Op::cumsum, sums);
  add(Op::reshape,
      {with(Op::reshape, {4, 6}, ints("shape", {3, 8})), with(Op::reshape, {}, ints("shape", {1, 1}), true)});
  add(Op::transpose, {with(Op::transpose, {40, 70}, ints("axes", {1, 0})),
                      with(Op::transpose, {2, 3, 4, 5}, ints("axes", {3, 1, 0, 2})),
                      with(Op::transpose, {3, 65, 100}, ints("axes", {0, 2, 1})),
                      with(Op::transpose, {33, 2, 64}, ints("axes", {2, 1, 0}), true)});
  add(Op::broadcast,
      {with(Op::broadcast, {3, 1}, ints("shape", {2, 3, 700})), with(Op::broadcast, {}, ints("shape", {5}), true)});
  add(Op::slice, {with(Op::slice, {9, 9}, Attributes().set("starts", List{2, 3}).set("sizes", List{5, 4})),
                  with(Op::slice, {3, 600}, Attributes().set("starts", List{0, 1}).set("sizes", List{3, 599}), true)});
  add(Op::pad,
      {with(Op::pad, {3, 4}, Attributes().set("low", List{1, 0}).set("high", List{0, 2}).set("value", 7.0)),
       with(Op::pad, {3, 400}, Attributes().set("low", List{0, 3}).set("high", List{2, 0}).set("value", -1.0), true)});
  add(Op::concat, {[](Case& c) {
                     c.emit(Op::concat, {c.real({2, 3}), c.real({2, 1}), c.real({2, 600})},
                            Attributes().set("axis", std::int64_t{1}));
                   },
                   [](Case& c) {
                     c.emit(Op::concat, {c.whole({2, 3}), c.whole({4, 3})}, Attributes().set("axis", std::int64_t{0}));
                   },
                   [](Case& c) {
                     c.emit(Op::concat, {c.real({2, 3})}, Attributes().set("axis", std::int64_t{0}));
                   }});
  add(Op::reverse,
      {with(Op::reverse, {5, 6}, ints("axes", {1})), with(Op::reverse, {2, 3, 700}, ints("axes", {0, 2}), true)});
  add(Op::dot,
      {dot_case({5, 7}, {7, 3}, {}, {}, {1}, {0}), dot_case({40, 65}, {33, 65}, {}, {}, {1}, {1}),
       dot_case({65, 40}, {65, 33}, {}, {}, {0}, {0}), dot_case({2, 3, 8, 4}, {2, 3, 4, 9}, {0, 1}, {0, 1}, {3}, {2}),
       dot_case({2, 8, 3, 4}, {2, 9, 3, 4}, {0, 2}, {0, 2}, {3}, {3}), dot_case({4}, {4}, {}, {}, {0}, {0}),
       dot_case({4}, {5}, {}, {}, {}, {}), dot_case({3, 4, 5}, {5, 4, 2}, {}, {}, {1, 2}, {1, 0}),
       dot_case({3, 4, 5}, {6, 3, 5, 4}, {2}, {2}, {0, 1}, {1, 3}), dot_case({1, 4, 1}, {4, 1}, {}, {}, {1}, {0}),
       dot_case({2, 30, 4, 6}, {2, 30, 4, 6}, {0, 2}, {0, 2}, {1}, {1}),
       dot_case({7, 3000}, {3000, 5}, {}, {}, {1}, {0})});
  add(Op::gather, {[](Case& c) { c.emit(Op::gather, {c.real({11, 5}), c.whole({3, 4}, -2, 13)}); },
                   [](Case& c) { c.emit(Op::gather, {c.whole({50, 2, 300}), c.whole({200}, 0, 49)}); },
                   [](Case& c) { c.emit(Op::gather, {c.real({6}), c.whole({}, 0, 5)}); }});
  const auto scatter = [](std::int64_t rows, std::int64_t length, std::int64_t count, bool whole) {
    return [=](Case& c) {
      c.tolerance = 1e-4;
      const auto value = [&](const Shape& shape) { return whole ? c.whole(shape) : c.real(shape); };
      c.emit(Op::scatter_add,
             {value({rows, length}), c.whole({count}, -1, static_cast<std::int32_t>(rows)), value({count, length})});
    };
  };
  add(Op::scatter_add, {scatter(5, 3, 20, false), scatter(7, 300, 90, false), scatter(300, 64, 500, false),
                        scatter(5, 300, 20, true), scatter(50, 1, 900, true)});
  add(Op::pick, {[](Case& c) { c.emit(Op::pick, {c.real({4, 5, 6}), c.whole({4, 5}, -1, 6)}); },
                 [](Case& c) { c.emit(Op::pick, {c.whole({6}), c.whole({}, 0, 5)}); }});
  add(Op::place,
      {[](Case& c) {
         c.emit(Op::place, {c.real({4, 5}), c.whole({4, 5}, -1, 6)}, Attributes().set("size", std::int64_t{6}));
       },
       [](Case& c) {
         c.emit(Op::place, {c.whole({}), c.whole({}, 0, 5)}, Attributes().set("size", std::int64_t{6}));
       }});
  for (const Op op : {Op::softmax, Op::log_sum_exp, Op::rms_norm, Op::rms_norm_backward}) add(op, row_cases(op));
  add(Op::layer_norm, layer_norm_cases(false));
  add(Op::layer_norm_backward, layer_norm_cases(true));
  const auto rope = [](Shape x, Shape table) {
    return [=](Case& c) { c.emit(Op::rope, {c.real(x), c.real(table), c.real(table)}); };
  };
  add(Op::rope, {rope({2, 5, 3, 8}, {5, 4}), rope({2, 5, 3, 10}, {5, 3}), rope({1, 1, 1, 2}, {1, 1}),
                 // Pairs that stay in a vector, just and not quite.
                 rope({2, 7, 3, 32}, {7, 4}), rope({2, 5, 2, 16}, {5, 8}), rope({1, 9, 4, 40}, {9, 2}),
                 rope({2, 5, 3, 64}, {5, 32}), rope({2, 5, 3, 32}, {5, 12}), rope({3, 4, 2, 20}, {4, 1})});
  add(Op::attention, attention_cases(false));
  add(Op::attention_backward, attention_cases(true));
  const auto linear = [](Shape x, Shape w) {
    return [=](Case& c) {
      c.tolerance = 1e-4;
      c.emit(Op::linear, {c.real(x), c.real(w)});
    };
  };
  add(Op::linear, {linear({5, 7}, {3, 7}), linear({2, 3, 65}, {130, 65}), linear({9}, {4, 9}), linear({1, 1}, {1, 1})});
  for (const Op op :
       {Op::cross_entropy, Op::linear_cross_entropy, Op::cross_entropy_backward, Op::linear_cross_entropy_backward}) {
    add(op, loss_cases(op));
  }
  return all;
}

}  // namespace caddie::cpu::testing
