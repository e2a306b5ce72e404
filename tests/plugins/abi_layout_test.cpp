// The layout of what is frozen. There is nothing to run: where this file compiles, nothing moved. Structs may grow at their
// end; then a new line is added here and no line is changed.
#include <cstddef>

#include "caddie/abi.h"

namespace {

#define CADDIE_AT(Type, field, offset) static_assert(offsetof(Type, field) == (offset))

static_assert(sizeof(caddie_str) == 16);
CADDIE_AT(caddie_str, data, 0);
CADDIE_AT(caddie_str, size, 8);

static_assert(sizeof(caddie_error) == 1032);
CADDIE_AT(caddie_error, struct_size, 0);
CADDIE_AT(caddie_error, code, 4);
CADDIE_AT(caddie_error, where, 8);
CADDIE_AT(caddie_error, text, 136);

CADDIE_AT(caddie_descriptor, struct_size, 0);
CADDIE_AT(caddie_descriptor, flags, 4);
CADDIE_AT(caddie_descriptor, reads, 8);
CADDIE_AT(caddie_descriptor, state_version, 12);
CADDIE_AT(caddie_descriptor, id, 16);
CADDIE_AT(caddie_descriptor, interface_id, 24);
CADDIE_AT(caddie_descriptor, version, 32);
CADDIE_AT(caddie_descriptor, summary, 40);
CADDIE_AT(caddie_descriptor, citation, 48);
CADDIE_AT(caddie_descriptor, licence, 56);
CADDIE_AT(caddie_descriptor, schema, 64);
CADDIE_AT(caddie_descriptor, needs, 72);

CADDIE_AT(caddie_host, struct_size, 0);
CADDIE_AT(caddie_host, abi_minor, 4);
CADDIE_AT(caddie_host, context, 8);
CADDIE_AT(caddie_host, name, 16);
CADDIE_AT(caddie_host, version, 24);
CADDIE_AT(caddie_host, service, 32);
CADDIE_AT(caddie_host, log, 40);

CADDIE_AT(caddie_stream, context, 8);
CADDIE_AT(caddie_stream, read, 16);
CADDIE_AT(caddie_stream, write, 24);

CADDIE_AT(caddie_object, struct_size, 0);
CADDIE_AT(caddie_object, self, 8);
CADDIE_AT(caddie_object, query, 16);
CADDIE_AT(caddie_object, destroy, 24);
CADDIE_AT(caddie_object, save, 32);
CADDIE_AT(caddie_object, load, 40);

CADDIE_AT(caddie_factory, struct_size, 0);
CADDIE_AT(caddie_factory, count, 4);
CADDIE_AT(caddie_factory, descriptor, 8);
CADDIE_AT(caddie_factory, create, 16);

CADDIE_AT(caddie_entry, struct_size, 0);
CADDIE_AT(caddie_entry, abi_minor, 4);
CADDIE_AT(caddie_entry, get_factory, 8);
CADDIE_AT(caddie_entry, build_info, 16);

// Numbers that are written into files and plugins.
static_assert(CADDIE_OK == 0 && CADDIE_ERROR_ARGUMENT == 1 && CADDIE_ERROR_STATE == 2 && CADDIE_ERROR_SHAPE == 3);
static_assert(CADDIE_ERROR_UNSUPPORTED == 4 && CADDIE_ERROR_MEMORY == 5 && CADDIE_ERROR_DEVICE == 6 && CADDIE_ERROR_IO == 7);
static_assert(CADDIE_ERROR_FORMAT == 8 && CADDIE_ERROR_ABI == 9 && CADDIE_ERROR_CANCELLED == 10 && CADDIE_ERROR_INTERNAL == 11);
static_assert(CADDIE_F32 == 1 && CADDIE_I32 == 7);
static_assert(CADDIE_ATTRIBUTE_INT == 1 && CADDIE_ATTRIBUTE_INTS == 2 && CADDIE_ATTRIBUTE_FLOAT == 3 && CADDIE_ATTRIBUTE_FLOATS == 4);
static_assert(CADDIE_READS_TRAIN_TOKENS == 1 && CADDIE_READS_VALIDATION_TOKENS == 2 && CADDIE_READS_TIME == 4 && CADDIE_READS_RANDOM == 8);
static_assert(CADDIE_DETERMINISTIC == 1 && CADDIE_STATEFUL == 2);

}  // namespace
