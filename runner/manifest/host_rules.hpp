// What the host's schema cannot say: values that follow from others, and values that do not go together. One thread.
#pragma once

#include "runner/manifest/schema.hpp"

namespace caddie::manifest {

// Fills model.kv_heads, model.head_dim, model.vocab and train.context where they are left out, and checks that the
// values fit each other. Skips what is not valid by itself.
void apply_host_rules(Document& document, Findings& findings);

}  // namespace caddie::manifest
