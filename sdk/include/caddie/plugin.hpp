// Everything a plugin needs, in one include. A plugin is one class and one line:
//
//   #include <caddie/plugin.hpp>
//
//   struct Softcap : caddie::Block {
//     static constexpr caddie::Identity identity{.id = "softcap", .summary = "c * tanh(x / c) on the logits"};
//     caddie::Number cap{this, "cap", 30.0, "largest logit", caddie::range(1, 1000)};
//
//     void attach(caddie::Hooks& hooks) override { hooks.chain("logits", &Softcap::apply); }
//     caddie::Value apply(caddie::Graph& g, caddie::Value logits) const { return cap * g.tanh(logits / cap); }
//   };
//   CADDIE_EXPORT_PLUGIN(Softcap)
//
// The base classes are one header each: block, optimizer, schedule, averager, loader, quantizer, compressor, ttt, evaluator.
// kernel.hpp is the way out where operations are too slow.
#pragma once

#include <caddie/averager.hpp>
#include <caddie/block.hpp>
#include <caddie/compressor.hpp>
#include <caddie/evaluator.hpp>
#include <caddie/export.hpp>
#include <caddie/graph.hpp>
#include <caddie/kernel.hpp>
#include <caddie/loader.hpp>
#include <caddie/optimizer.hpp>
#include <caddie/options.hpp>
#include <caddie/quantizer.hpp>
#include <caddie/schedule.hpp>
#include <caddie/ttt.hpp>
