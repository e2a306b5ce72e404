// Nine interfaces without the SDK's wrapper, each function of which lets an exception escape.
#include <caddie/abi.h>

#include <cstring>
#include <stdexcept>
#include <string>

namespace {

[[noreturn]] void thrown(const char* where) { throw std::runtime_error(std::string("thrown from ") + where); }

caddie_code in_hook(void*, caddie_build*, const caddie_value*, uint32_t, caddie_value*, uint32_t, caddie_error*) {
  thrown("hook");
}
caddie_code in_plan(void*, caddie_build*, caddie_visit_plan*, caddie_error*) { thrown("plan"); }
caddie_code in_init(void*, caddie_build*, const caddie_tensor_spec*, caddie_initialiser*, caddie_error*) {
  thrown("init");
}

const caddie_block kAttach = {
    sizeof(caddie_block), 0,
    [](caddie_object*, const caddie_host_hooks*, caddie_hooks*, caddie_error*) -> caddie_code { thrown("attach"); }};
const caddie_block kHook = {sizeof(caddie_block), 0,
                            [](caddie_object*, const caddie_host_hooks* table, caddie_hooks* hooks, caddie_error*) {
                              return table->chain(hooks, "logits", 0, in_hook, nullptr);
                            }};
const caddie_block kPlan = {sizeof(caddie_block), 0,
                            [](caddie_object*, const caddie_host_hooks* table, caddie_hooks* hooks, caddie_error*) {
                              return table->plan(hooks, "plan.visits", in_plan, nullptr);
                            }};
const caddie_block kInit = {sizeof(caddie_block), 0,
                            [](caddie_object*, const caddie_host_hooks* table, caddie_hooks* hooks, caddie_error*) {
                              return table->init(hooks, "parameter.init", in_init, nullptr);
                            }};
const caddie_optimizer kUpdate = {sizeof(caddie_optimizer), 0,
                                  [](caddie_object*, caddie_build*, const caddie_update*, caddie_value*,
                                     caddie_error*) -> caddie_code { thrown("update"); }};
const caddie_averager kAverager = {sizeof(caddie_averager), 0,
                                   [](caddie_object*, caddie_build*, const char*, caddie_value,
                                      caddie_error*) -> caddie_code { thrown("accumulate"); },
                                   [](caddie_object*, caddie_build*, const char*, caddie_value, caddie_value,
                                      caddie_value*, caddie_error*) -> caddie_code { thrown("finish"); }};
const caddie_loader kOpen = {sizeof(caddie_loader), 0,
                             [](caddie_object*, const caddie_host_tokens*, const caddie_tokens*,
                                caddie_error*) -> caddie_code { thrown("open"); },
                             [](caddie_object*, const caddie_batch*, caddie_error*) -> caddie_code { thrown("next"); },
                             [](const caddie_object*) { return 0; }};
const caddie_loader kNext = {sizeof(caddie_loader), 0,
                             [](caddie_object*, const caddie_host_tokens*, const caddie_tokens*,
                                caddie_error*) -> caddie_code { return CADDIE_OK; },
                             [](caddie_object*, const caddie_batch*, caddie_error*) -> caddie_code { thrown("next"); },
                             [](const caddie_object*) { return 0; }};
const caddie_quantizer kEncode = {
    sizeof(caddie_quantizer), 0,
    [](caddie_object*, const caddie_tensor_info*, const caddie_quantize_input*, const caddie_host_parts*, caddie_parts*,
       caddie_error*) -> caddie_code { thrown("encode"); },
    [](caddie_object*, const caddie_tensor_info*, const caddie_host_parts*, const caddie_parts*, float*,
       caddie_error*) -> caddie_code { thrown("decode"); },
    nullptr};
const caddie_compressor kPack = {
    sizeof(caddie_compressor), 0,
    [](caddie_object*, const caddie_bytes*, uint32_t, const caddie_stream*, caddie_error*) -> caddie_code {
      thrown("pack");
    },
    [](caddie_object*, caddie_str, const caddie_bytes*, uint32_t, caddie_error*) -> caddie_code { thrown("unpack"); }};
const caddie_evaluator kWindows = {sizeof(caddie_evaluator), 0,
                                   [](caddie_object*, const caddie_eval_info*, const caddie_host_windows*,
                                      caddie_windows*, caddie_error*) -> caddie_code { thrown("windows"); }};
const caddie_ttt kTtt = {
    sizeof(caddie_ttt),
    0,
    [](caddie_object*, const caddie_eval_info*, caddie_ttt_plan*, caddie_error*) -> caddie_code { thrown("ttt plan"); },
    [](const caddie_object*, const caddie_tensor_info*) { return 1; },
    [](caddie_object*, caddie_build*, const caddie_update*, caddie_value*, caddie_error*) -> caddie_code {
      thrown("ttt update");
    },
    [](caddie_object*, const caddie_chunk*, const caddie_host_adapt*, caddie_adapt*, caddie_error*) -> caddie_code {
      thrown("adapt");
    }};

struct Offer {
  const char* id;
  const char* interface_id;
  const void* table;
};
const Offer kOffers[] = {
    {"throws-attach", CADDIE_BLOCK, &kAttach},       {"throws-hook", CADDIE_BLOCK, &kHook},
    {"throws-plan", CADDIE_BLOCK, &kPlan},           {"throws-init", CADDIE_BLOCK, &kInit},
    {"throws-update", CADDIE_OPTIMIZER, &kUpdate},   {"throws-averager", CADDIE_AVERAGER, &kAverager},
    {"throws-open", CADDIE_LOADER, &kOpen},          {"throws-next", CADDIE_LOADER, &kNext},
    {"throws-encode", CADDIE_QUANTIZER, &kEncode},   {"throws-pack", CADDIE_COMPRESSOR, &kPack},
    {"throws-windows", CADDIE_EVALUATOR, &kWindows}, {"throws-ttt", CADDIE_TTT, &kTtt}};
constexpr uint32_t kCount = sizeof kOffers / sizeof kOffers[0];

const void* query(const caddie_object* object, const char* id) {
  const auto* offer = static_cast<const Offer*>(object->self);
  return std::strcmp(id, offer->interface_id) == 0 ? offer->table : nullptr;
}
void destroy(caddie_object* object) { delete object; }

const caddie_descriptor* descriptor(uint32_t index) {
  static const char* const needs[] = {nullptr};
  static caddie_descriptor descriptors[kCount];
  if (index >= kCount) return nullptr;
  descriptors[index] = {sizeof(caddie_descriptor),
                        0,
                        0,
                        0,
                        kOffers[index].id,
                        kOffers[index].interface_id,
                        "1.0.0",
                        "throws",
                        "",
                        "MIT",
                        R"({"type": "object", "properties": {}})",
                        needs};
  return &descriptors[index];
}

caddie_code create(const caddie_host*, const char* id, const caddie_config*, caddie_object** out, caddie_error*) {
  for (const Offer& offer : kOffers) {
    if (std::strcmp(offer.id, id) == 0)
      *out = new caddie_object{sizeof(caddie_object), 0, const_cast<Offer*>(&offer), query, destroy, nullptr, nullptr};
  }
  return CADDIE_OK;
}

const void* get_factory(const char* id) {
  static const caddie_factory factory = {sizeof(caddie_factory), kCount, descriptor, create};
  return std::strcmp(id, CADDIE_FACTORY) == 0 ? &factory : nullptr;
}

}  // namespace

extern "C" const caddie_entry* caddie_entry_v1(void) {
  static const caddie_entry entry = {sizeof(caddie_entry), 0, get_factory, "by hand"};
  return &entry;
}
