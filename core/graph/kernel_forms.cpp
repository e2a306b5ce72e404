#include "core/graph/kernel_forms.hpp"

#include "core/graph/lower.hpp"
#include "core/graph/passes.hpp"

namespace caddie::graph {

Result<Graph> composites_for_kernels(const Graph& graph, KernelForms forms) {
  Result<Graph> made = lower(graph, [forms](const Graph& whole, const Node& node) {
    const KernelForm* form = forms(node.op);
    return form != nullptr && (form->fits == nullptr || form->fits(whole, node));
  });
  if (made) made = simplify(*made);
  return made;
}

Result<Graph> prepared_for_kernels(const Graph& graph, KernelForms forms) {
  Result<Graph> made = composites_for_kernels(graph, forms);
  if (made) made = plain_dots(*made);
  return made;
}

FusionRules fusion_rules(const Graph& graph, KernelForms forms) {
  FusionRules rules;
  rules.reads_view = [&graph, forms](const Node& node, std::size_t input, const View& view) {
    const KernelForm* form = forms(node.op);
    if (form == nullptr || form->reads_view == nullptr) return view.is_dense();
    return form->reads_view(graph, node, input, view);
  };
  return rules;
}

bool writes_in_place(const Node& node, std::size_t input, KernelForms forms) {
  const KernelForm* form = forms(node.op);
  return form != nullptr && form->in_place_input == static_cast<int>(input);
}

}  // namespace caddie::graph
