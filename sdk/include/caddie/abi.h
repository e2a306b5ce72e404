/* The plugin ABI of Caddie, major 1. C99, self-contained.
 *
 * Conventions
 *  1. A plugin file exports one function, caddie_entry_v1. Its name carries the major; a break means a new name.
 *  2. Every struct begins with struct_size, set by whoever writes the struct. Structs only grow at their end; a reader
 *     asks CADDIE_HAS before it touches a field that was not in the first release, and never compares sizes for equality.
 *  3. Interfaces and host services are found by id, "caddie.block/1.draft". An unknown id gives NULL, a normal answer.
 *     Ids that end in ".draft" may still change; they are frozen by dropping that ending.
 *  4. Errors are a code, and a record in the caller's memory that may be NULL. Nothing to free. No exception crosses.
 *  5. Strings are borrowed: NUL-terminated where the type is char*, pointer and length where it is caddie_str.
 *  6. The host owns memory, configuration, random numbers, devices, checkpoints and validation tokens. Objects are made
 *     by create() and ended by destroy(), once, never while another call is running.
 *  7. Threads: [setup] one thread, no step running. [step] the step thread, one call at a time for an object. [any] any
 *     thread, possibly several at once. A plugin starts no threads of its own.
 *  8. Plugin files are never unloaded while the process lives.
 *
 * It is one long file on purpose: an author copies or includes this and nothing else.
 */
#ifndef CADDIE_ABI_H_
#define CADDIE_ABI_H_

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CADDIE_ABI_MAJOR 1u
#define CADDIE_ABI_MINOR 0u
#define CADDIE_EXPORT __attribute__((visibility("default")))

/* Does the struct that p points to, as its writer knew it, reach to the end of this field? */
#define CADDIE_HAS(p, Type, field) ((p)->struct_size >= offsetof(Type, field) + sizeof(((Type*)0)->field))

/* ---- scalars, errors -------------------------------------------------------------------------------------- */

typedef int32_t caddie_code; /* an open set; numbers are never used again */
enum {
  CADDIE_OK = 0,
  CADDIE_ERROR_ARGUMENT = 1,
  CADDIE_ERROR_STATE = 2,
  CADDIE_ERROR_SHAPE = 3,
  CADDIE_ERROR_UNSUPPORTED = 4,
  CADDIE_ERROR_MEMORY = 5,
  CADDIE_ERROR_DEVICE = 6,
  CADDIE_ERROR_IO = 7,
  CADDIE_ERROR_FORMAT = 8,
  CADDIE_ERROR_ABI = 9,
  CADDIE_ERROR_CANCELLED = 10,
  CADDIE_ERROR_INTERNAL = 11
};

typedef struct caddie_str {
  const char* data; /* UTF-8, not NUL-terminated */
  uint64_t size;
} caddie_str;

typedef struct caddie_error { /* caller-owned; texts are always NUL-terminated and cut when too long */
  uint32_t struct_size;
  caddie_code code;
  char where[128]; /* "blocks.7.attn", "file:line" */
  char text[896];  /* what is wrong and what to do */
} caddie_error;

typedef int32_t caddie_dtype;
enum { CADDIE_F32 = 1, CADDIE_I32 = 7 };

/* ---- identity --------------------------------------------------------------------------------------------- */

/* What a plugin reads besides its inputs; decides what a stage's address covers and what the audit looks at. */
enum {
  CADDIE_READS_TRAIN_TOKENS = 1u << 0,
  CADDIE_READS_VALIDATION_TOKENS = 1u << 1, /* only tokens whose scores are sealed */
  CADDIE_READS_TIME = 1u << 2,
  CADDIE_READS_RANDOM = 1u << 3
};
enum {
  CADDIE_DETERMINISTIC = 1u << 0, /* same inputs, same bits */
  CADDIE_STATEFUL = 1u << 1       /* has save and load */
};

typedef struct caddie_descriptor { /* constant data, valid until the process ends */
  uint32_t struct_size;
  uint32_t flags;           /* CADDIE_DETERMINISTIC, CADDIE_STATEFUL */
  uint32_t reads;           /* CADDIE_READS_* */
  uint32_t state_version;   /* written with save(); load() is told which version it gets */
  const char* id;           /* "smear-gate": lower-case letters, digits, '-', and '.' for foreign domains */
  const char* interface_id; /* CADDIE_BLOCK ... */
  const char* version;      /* "1.2.0" */
  const char* summary;      /* one line */
  const char* citation;     /* paper, or pull request; may be empty */
  const char* licence;      /* SPDX id */
  const char* schema;       /* JSON Schema of the configuration, an object with defaults inside */
  const char* const* needs; /* ids of host services without which it cannot work, ended by NULL */
} caddie_descriptor;

/* ---- host services ---------------------------------------------------------------------------------------- */

typedef struct caddie_host {
  uint32_t struct_size;
  uint32_t abi_minor;
  void* context;
  const char* name;
  const char* version;
  const void* (*service)(const struct caddie_host*, const char* id);                /* [any] NULL if absent */
  void (*log)(const struct caddie_host*, int32_t level, const char* text);          /* [any] 0 debug .. 3 error */
} caddie_host;

typedef struct caddie_config caddie_config; /* validated against the schema, defaults filled in */

#define CADDIE_HOST_CONFIG "caddie.host.config/1.draft"
typedef struct caddie_host_config { /* all [setup]; keys are of the schema's top level; texts live as long as the config */
  uint32_t struct_size;
  uint32_t reserved;
  int32_t (*has)(const caddie_config*, const char* key);
  caddie_code (*boolean)(const caddie_config*, const char* key, int32_t* out);
  caddie_code (*integer)(const caddie_config*, const char* key, int64_t* out);
  caddie_code (*number)(const caddie_config*, const char* key, double* out);
  caddie_code (*text)(const caddie_config*, const char* key, caddie_str* out);
  /* Lists: *count receives the length; at most capacity entries are written; out may be NULL. */
  caddie_code (*integers)(const caddie_config*, const char* key, int64_t* out, uint64_t capacity, uint64_t* count);
  caddie_code (*numbers)(const caddie_config*, const char* key, double* out, uint64_t capacity, uint64_t* count);
  caddie_str (*json)(const caddie_config*); /* the whole configuration, canonical text */
} caddie_host_config;

/* Bytes in and out; short reads and writes are legal: the return value says how many, negative is an error. */
typedef struct caddie_stream {
  uint32_t struct_size;
  uint32_t reserved;
  void* context;
  int64_t (*read)(const struct caddie_stream*, void* to, uint64_t size);
  int64_t (*write)(const struct caddie_stream*, const void* from, uint64_t size);
} caddie_stream;

#define CADDIE_HOST_RANDOM "caddie.host.random/1.draft"
typedef struct caddie_host_random { /* [any] counter-based: a pure function of the run's seed, the name and the index */
  uint32_t struct_size;
  uint32_t reserved;
  uint64_t (*bits)(const caddie_host*, const char* name, uint64_t index);
} caddie_host_random;

/* ---- graph: service to emit operations -------------------------------------------------------------------- */

typedef uint32_t caddie_value; /* 0 is none; after a mistake every emit gives 0 */
typedef struct caddie_graph caddie_graph;

enum { CADDIE_ATTRIBUTE_INT = 1, CADDIE_ATTRIBUTE_INTS = 2, CADDIE_ATTRIBUTE_FLOAT = 3, CADDIE_ATTRIBUTE_FLOATS = 4 };
typedef struct caddie_attribute {
  const char* key;
  uint32_t type;  /* CADDIE_ATTRIBUTE_* */
  uint32_t count; /* 1 for a single number */
  union {
    const int64_t* ints;
    const double* floats;
  } data;
} caddie_attribute;

typedef struct caddie_shape {
  uint32_t struct_size;
  caddie_dtype dtype;
  uint32_t rank;
  uint32_t reserved;
  int64_t lengths[8];
} caddie_shape;

#define CADDIE_HOST_GRAPH "caddie.host.graph/1.draft"
typedef struct caddie_host_graph { /* all [setup] */
  uint32_t struct_size;
  uint32_t opcode_count;
  /* The first output of a new node; the others are the following numbers. 0 after any mistake, see status. */
  caddie_value (*emit)(caddie_graph*, uint32_t opcode, const caddie_value* inputs, uint32_t input_count,
                       const caddie_attribute* attributes, uint32_t attribute_count);
  int32_t (*supports)(const caddie_graph*, uint32_t opcode);
  caddie_code (*shape)(const caddie_graph*, caddie_value, caddie_shape* out);
  void (*push_scope)(caddie_graph*, const char* name); /* names for errors and profiles */
  void (*pop_scope)(caddie_graph*);
  void (*fail)(caddie_graph*, caddie_code, const char* text); /* the plugin's own complaint, kept like a mistake */
  caddie_code (*status)(const caddie_graph*, caddie_error*);  /* the first mistake: operation, shapes, scope */
} caddie_host_graph;

/* ---- custom kernels: what the table of operations cannot do fast ------------------------------------------- */

/* A kernel is a function for the processor with two duties: the same mathematics in operations of the table, and its
 * gradient. The host checks one against the other, and runs the operations where it cannot run the function. */

typedef struct caddie_kernel_call { /* some parts of one node; tensors are dense, row-major, 4 bytes an element */
  uint32_t struct_size;
  uint32_t input_count;
  uint32_t output_count;
  uint32_t reserved;
  const void* const* inputs;
  void* const* outputs;
  const caddie_shape* const* input_shapes;
  const caddie_shape* const* output_shapes;
  const void* parameters; /* the node's, aligned to 16 bytes */
  int64_t begin, end;     /* the parts to compute: [begin, end) */
  void* scratch;          /* the node's scratch_bytes for this call alone, aligned to 64 bytes; holds anything */
} caddie_kernel_call;

typedef struct caddie_kernel_build { /* what a reference or a gradient is made of; lives while the function runs */
  uint32_t struct_size;
  uint32_t input_count;
  uint32_t output_count;
  uint32_t reserved;
  caddie_graph* graph;
  const struct caddie_host_graph* graph_service;
  const struct caddie_host_kernel* kernel_service;
  const caddie_value* inputs;
  const void* parameters;       /* the node's */
  const caddie_value* outputs;  /* gradient: what the kernel made; else NULL */
  const caddie_value* adjoints; /* gradient: one for each output, 0 for those of CADDIE_I32; else NULL */
  const uint8_t* wanted;        /* gradient: 1 for each input whose gradient is asked for; else NULL */
  caddie_value* results;        /* reference: each output. gradient: the gradient of each input, 0 for none */
} caddie_kernel_build;

typedef struct caddie_kernel { /* constant data, valid until the process ends */
  uint32_t struct_size;
  uint32_t reserved;
  const char* name; /* "decay-scan", for messages and profiles */
  /* Writes every element of the parts [begin, end) and no other. Several threads at once, for different parts; same inputs,
   * same bits, however the parts are cut into calls; allocates nothing, keeps nothing. [step] */
  caddie_code (*compute)(const caddie_kernel_call*, caddie_error*);
  /* The same in operations of the table, without random numbers. A pure function of what it is given. [setup] */
  caddie_code (*reference)(const caddie_kernel_build*, caddie_error*);
  /* The gradients of the inputs, other kernels allowed. NULL: a gradient through it is an error. [setup] */
  caddie_code (*gradient)(const caddie_kernel_build*, caddie_error*);
} caddie_kernel;

typedef struct caddie_kernel_node { /* one use of a kernel */
  uint32_t struct_size;
  uint32_t input_count;                /* at most 16 */
  uint32_t output_count;               /* 1 to 4 */
  uint32_t parameters_size;            /* at most 4096 */
  const caddie_value* inputs;
  const caddie_shape* const* outputs;  /* their types and shapes */
  const void* parameters;              /* copied. Nodes with equal inputs and equal bytes become one: no padding, no pointers */
  int64_t parts;                       /* the outputs fall into so many parts that need nothing of each other, at least 1 */
  uint64_t scratch_bytes;              /* at most 2^26 */
} caddie_kernel_node;

#define CADDIE_HOST_KERNEL "caddie.host.kernel/1.draft"
typedef struct caddie_host_kernel { /* [setup] */
  uint32_t struct_size;
  uint32_t reserved;
  /* The first output of a new node; the others are the following numbers. 0 after any mistake, see status of the graph. */
  caddie_value (*emit)(caddie_graph*, const caddie_kernel*, const caddie_kernel_node*);
} caddie_host_kernel;

/* ---- build: what is known while a graph is made ----------------------------------------------------------- */

typedef struct caddie_build caddie_build;

enum { CADDIE_MODE_TRAIN = 0, CADDIE_MODE_EVALUATE = 1, CADDIE_MODE_CALIBRATE = 2, CADDIE_MODE_ADAPT = 3 };

typedef struct caddie_build_info {
  uint32_t struct_size;
  int32_t mode;           /* CADDIE_MODE_* */
  int64_t batch, context; /* B rows of T tokens */
  int64_t vocab, dim, heads, kv_heads, head_dim;
  int32_t layers;         /* parameters exist for this many layers */
  int32_t visits;         /* layer executions, more than layers with depth recurrence */
  int32_t encoder_visits; /* the first so many visits are the encoder half */
  int32_t visit;          /* of the running hook, -1 outside the layers */
  int32_t layer;          /* of the running hook, -1 outside the layers */
  int32_t bos;            /* id of the token that begins a document */
  const char* part;       /* "attn", "mlp", "embed", "head" for hooks that serve several places, else "" */
  int32_t final_visits;         /* visits and encoder_visits as they are at the end of the run */
  int32_t final_encoder_visits;
} caddie_build_info;

enum { CADDIE_INIT_ZEROS = 0, CADDIE_INIT_CONSTANT = 1, CADDIE_INIT_NORMAL = 2, CADDIE_INIT_UNIFORM = 3, CADDIE_INIT_ORTHOGONAL = 4,
       CADDIE_INIT_VALUES = 5, CADDIE_INIT_COPY = 6 };
typedef struct caddie_initialiser {
  uint32_t struct_size;
  int32_t kind;         /* CADDIE_INIT_* */
  double a, b;          /* constant: value a. normal: mean a, std b. uniform: [a, b). orthogonal: gain a */
  const double* values; /* CADDIE_INIT_VALUES: one for each element, row-major */
  caddie_value copy;    /* CADDIE_INIT_COPY (states only): starts as this parameter's initial value */
  uint32_t reserved;
} caddie_initialiser;

enum { CADDIE_TENSOR_GLOBAL = 1u << 0 }; /* one for the model, not one for each layer */
typedef struct caddie_tensor_spec {
  uint32_t struct_size;
  uint32_t flags;     /* CADDIE_TENSOR_* */
  const char* name;   /* "q.weight"; its path becomes blocks.<layer>.<instance>.<name>, or <instance>.<name> */
  const char* role;   /* "matrix", "embedding", "scalar", "head", "adapter"; unused for states */
  caddie_dtype dtype; /* parameters are CADDIE_F32 */
  uint32_t rank;
  const int64_t* lengths;
  caddie_initialiser initialiser;
} caddie_tensor_spec;

typedef struct caddie_step { /* where a run stands */
  uint32_t struct_size;
  uint32_t reserved;
  int64_t step;  /* counted from 0 */
  int64_t steps; /* of the whole run; 0 when only time limits it */
  double elapsed_seconds, budget_seconds; /* of training; budget 0 when only steps limit it */
  double fraction; /* of the run that is over, in [0, 1] */
  double scale;    /* the schedule's learning-rate scale of this step */
} caddie_step;
typedef double (*caddie_step_function)(void* user, const caddie_step*); /* [step], pure */

#define CADDIE_HOST_BUILD "caddie.host.build/1.draft"
typedef struct caddie_host_build { /* all [setup] */
  uint32_t struct_size;
  uint32_t reserved;
  caddie_graph* (*graph)(caddie_build*);
  caddie_code (*info)(const caddie_build*, caddie_build_info* out);

  /* A trained tensor. Asking again for the same path gives the same tensor. 0 on a mistake. */
  caddie_value (*parameter)(caddie_build*, const caddie_tensor_spec*);
  /* A tensor kept between steps that no optimizer owns; set_state gives it its value after the step. */
  caddie_value (*state)(caddie_build*, const caddie_tensor_spec*);
  void (*set_state)(caddie_build*, caddie_value state, caddie_value next);
  /* A number that changes with the step: an input of the graph, never a reason to build anew. */
  caddie_value (*step_scalar)(caddie_build*, const char* name, caddie_step_function, void* user);

  /* Named values of this build that several hooks need: "tokens", "targets", "x0", "embedding". 0 when not there. */
  caddie_value (*wire)(caddie_build*, const char* name);
  void (*set_wire)(caddie_build*, const char* name, caddie_value);

  /* Runs a hook this plugin opens. A chain transforms the first output_count inputs; the others are context.
   * A provide hook without a provider is a mistake. `part` may be NULL. */
  caddie_code (*run_hook)(caddie_build*, const char* hook, const char* part, const caddie_value* inputs, uint32_t input_count,
                          caddie_value* outputs, uint32_t output_count);
  int32_t (*has_hook)(const caddie_build*, const char* hook); /* is anything attached here, for this layer? */

  /* x [..., I] times a parameter [O, I] through the hooks "weight" and "linear". */
  caddie_value (*linear)(caddie_build*, caddie_value x, const caddie_tensor_spec*);

  /* Has the run passed this fraction, or the learning-rate scale fallen below this? The host builds another program and
   * switches there. In evaluation the answer is that of the end of the run. */
  int32_t (*progress_reached)(caddie_build*, double fraction);
  int32_t (*scale_below)(caddie_build*, double scale);

  /* A fact about what is built, for `caddie plan`: `json` is a JSON value. It belongs to the running hook's visit; said
   * again for the same visit, the last word holds. */
  void (*note)(caddie_build*, const char* key, const char* json);
} caddie_host_build;

/* ---- objects, factory, entry ------------------------------------------------------------------------------ */

typedef struct caddie_object {
  uint32_t struct_size;
  uint32_t reserved;
  void* self;
  const void* (*query)(const struct caddie_object*, const char* interface_id); /* [any] NULL if absent */
  void (*destroy)(struct caddie_object*);                                      /* [setup] */
  /* NULL unless CADDIE_STATEFUL. Same state, same bytes; load refuses what it does not understand. [setup] */
  caddie_code (*save)(const struct caddie_object*, const caddie_stream*, caddie_error*);
  caddie_code (*load)(struct caddie_object*, const caddie_stream*, uint32_t version, caddie_error*);
} caddie_object;

#define CADDIE_FACTORY "caddie.factory/1"
typedef struct caddie_factory {
  uint32_t struct_size;
  uint32_t count;
  const caddie_descriptor* (*descriptor)(uint32_t index); /* [any] NULL beyond count */
  caddie_code (*create)(const caddie_host*, const char* id, const caddie_config*, caddie_object** out, caddie_error*); /* [setup] */
} caddie_factory;

typedef struct caddie_entry {
  uint32_t struct_size;
  uint32_t abi_minor;
  const void* (*get_factory)(const char* factory_id); /* [any] */
  const char* build_info;                             /* compiler and flags, one line */
} caddie_entry;

CADDIE_EXPORT const caddie_entry* caddie_entry_v1(void); /* the only exported symbol */

/* ---- Block ------------------------------------------------------------------------------------------------ */

typedef struct caddie_hooks caddie_hooks;
typedef caddie_code (*caddie_hook_function)(void* user, caddie_build*, const caddie_value* inputs, uint32_t input_count,
                                            caddie_value* outputs, uint32_t output_count, caddie_error*);

enum { CADDIE_MAX_VISITS = 256 };
typedef struct caddie_visit_plan { /* which layer runs when */
  uint32_t struct_size;
  uint32_t count;
  uint32_t encoder; /* the first so many are the encoder half */
  uint32_t reserved;
  int32_t layers[CADDIE_MAX_VISITS];
} caddie_visit_plan;
typedef caddie_code (*caddie_plan_function)(void* user, caddie_build*, caddie_visit_plan* plan, caddie_error*);

/* How a parameter starts: `start` is what its block, and the functions before this one, decided. */
typedef caddie_code (*caddie_init_function)(void* user, caddie_build*, const caddie_tensor_spec* parameter,
                                            caddie_initialiser* start, caddie_error*);

#define CADDIE_HOST_HOOKS "caddie.host.hooks/1.draft"
typedef struct caddie_host_hooks { /* [setup], while attach runs; user must live as long as the object */
  uint32_t struct_size;
  uint32_t reserved;
  caddie_code (*provide)(caddie_hooks*, const char* hook, caddie_hook_function, void* user);
  caddie_code (*chain)(caddie_hooks*, const char* hook, int32_t phase, caddie_hook_function, void* user); /* low phases first */
  caddie_code (*plan)(caddie_hooks*, const char* hook, caddie_plan_function, void* user);
  caddie_code (*init)(caddie_hooks*, const char* hook, caddie_init_function, void* user);
} caddie_host_hooks;

#define CADDIE_BLOCK "caddie.block/1.draft"
typedef struct caddie_block {
  uint32_t struct_size;
  uint32_t reserved;
  caddie_code (*attach)(caddie_object*, const caddie_host_hooks*, caddie_hooks*, caddie_error*); /* [setup] */
} caddie_block;

/* ---- Optimizer -------------------------------------------------------------------------------------------- */

typedef struct caddie_update { /* one bank: N tensors of one shape, stacked on a leading axis */
  uint32_t struct_size;
  caddie_value parameter; /* [N, ...] */
  caddie_value gradient;  /* [N, ...], after clipping */
  caddie_value scale;     /* f32 scalar: the schedule's scale of this step */
  const char* bank;       /* name of the bank, for states and messages */
  const char* role;
} caddie_update;

#define CADDIE_OPTIMIZER "caddie.optimizer/1.draft"
typedef struct caddie_optimizer {
  uint32_t struct_size;
  uint32_t reserved;
  /* Builds the new parameter; states and step scalars through the build service. [setup] */
  caddie_code (*update)(caddie_object*, caddie_build*, const caddie_update*, caddie_value* parameter, caddie_error*);
} caddie_optimizer;

/* ---- Schedule --------------------------------------------------------------------------------------------- */

#define CADDIE_SCHEDULE "caddie.schedule/1.draft"
typedef struct caddie_schedule {
  uint32_t struct_size;
  uint32_t reserved;
  double (*scale)(const caddie_object*, const caddie_step*); /* [any], pure; step->scale is not set */
} caddie_schedule;

/* ---- Averager --------------------------------------------------------------------------------------------- */

#define CADDIE_AVERAGER "caddie.averager/1.draft"
typedef struct caddie_averager {
  uint32_t struct_size;
  uint32_t reserved;
  /* Once a step after the optimizers: updates its states from the parameter [N, ...] of one bank. [setup] */
  caddie_code (*accumulate)(caddie_object*, caddie_build*, const char* bank, caddie_value parameter, caddie_error*);
  /* At the end: the weights to use. `current` is what the averager before this one made, or the parameter. [setup] */
  caddie_code (*finish)(caddie_object*, caddie_build*, const char* bank, caddie_value parameter, caddie_value current,
                        caddie_value* out, caddie_error*);
} caddie_averager;

/* ---- Loader ----------------------------------------------------------------------------------------------- */

typedef struct caddie_tokens caddie_tokens;
#define CADDIE_HOST_TOKENS "caddie.host.tokens/1.draft"
typedef struct caddie_host_tokens { /* the training shards, in order; [step] */
  uint32_t struct_size;
  int32_t bos;
  uint64_t (*shard_count)(const caddie_tokens*);
  uint64_t (*shard_size)(const caddie_tokens*, uint64_t shard); /* tokens */
  const char* (*shard_name)(const caddie_tokens*, uint64_t shard);
  caddie_code (*read)(const caddie_tokens*, uint64_t shard, uint64_t first, uint64_t count, int32_t* out);
} caddie_host_tokens;

typedef struct caddie_batch { /* host memory of the caller, [rows, context] each */
  uint32_t struct_size;
  uint32_t reserved;
  int64_t rows, context;
  int64_t rank, ranks; /* this process takes the share `rank` of `ranks` of a global batch of rows * ranks */
  int32_t* tokens;
  int32_t* targets;  /* targets[i] follows tokens[i] */
  int32_t* segments; /* NULL, or to be filled: equal numbers may see each other in attention */
} caddie_batch;

#define CADDIE_LOADER "caddie.loader/1.draft"
typedef struct caddie_loader {
  uint32_t struct_size;
  uint32_t reserved;
  /* tokens and its table stay valid until destroy. [setup] */
  caddie_code (*open)(caddie_object*, const caddie_host_tokens*, const caddie_tokens*, caddie_error*);
  caddie_code (*next)(caddie_object*, const caddie_batch*, caddie_error*); /* [step] */
  /* 1 when it fills segments. [any] */
  int32_t (*has_segments)(const caddie_object*);
} caddie_loader;

/* ---- Quantizer -------------------------------------------------------------------------------------------- */

typedef struct caddie_tensor_info {
  uint32_t struct_size;
  int32_t layer; /* -1 outside the layers */
  const char* name;
  const char* role;
  uint32_t rank;
  uint32_t reserved;
  const int64_t* lengths;
} caddie_tensor_info;

typedef struct caddie_parts caddie_parts; /* the named byte arrays one tensor is stored as */
#define CADDIE_HOST_PARTS "caddie.host.parts/1.draft"
typedef struct caddie_host_parts { /* [setup] */
  uint32_t struct_size;
  uint32_t reserved;
  /* Parts of one name become one stream over all tensors, in tensor order. The bytes are copied. */
  caddie_code (*put)(caddie_parts*, const char* name, const void* bytes, uint64_t size);
  /* NULL data when absent. */
  caddie_str (*get)(const caddie_parts*, const char* name);
} caddie_host_parts;

typedef struct caddie_quantize_input {
  uint32_t struct_size;
  uint32_t reserved;
  const float* weights;      /* row-major */
  const float* decoded;      /* decorators: what the quantizer below makes of the weights; else NULL */
  const float* moments;      /* sum of x x^T over the inputs of the matrix, [n, n]; NULL when nothing was calibrated */
  uint64_t moments_size;     /* n */
} caddie_quantize_input;

#define CADDIE_QUANTIZER "caddie.quantizer/1.draft"
typedef struct caddie_quantizer {
  uint32_t struct_size;
  uint32_t decorator; /* 1: corrects what other quantizers made, and has choose */
  caddie_code (*encode)(caddie_object*, const caddie_tensor_info*, const caddie_quantize_input*, const caddie_host_parts*,
                        caddie_parts*, caddie_error*);
  /* Writes every element of out; a decorator adds to what is there. Parts come from files: trust no size. */
  caddie_code (*decode)(caddie_object*, const caddie_tensor_info*, const caddie_host_parts*, const caddie_parts*, float* out,
                        caddie_error*);
  /* Decorators: sets chosen[i] to 1 for the tensors to correct; error_norms[i] is ||W - decoded||_F. */
  caddie_code (*choose)(caddie_object*, uint32_t count, const caddie_tensor_info* tensors, const double* error_norms,
                        uint8_t* chosen, caddie_error*);
} caddie_quantizer;

/* ---- Compressor ------------------------------------------------------------------------------------------- */

typedef struct caddie_bytes {
  const char* name; /* of the stream, "matrices.codes" */
  uint8_t* data;
  uint64_t size;
} caddie_bytes;

#define CADDIE_COMPRESSOR "caddie.compressor/1.draft"
typedef struct caddie_compressor { /* [any] */
  uint32_t struct_size;
  uint32_t reserved;
  caddie_code (*pack)(caddie_object*, const caddie_bytes* streams, uint32_t count, const caddie_stream* out, caddie_error*);
  /* Fills every stream to exactly its size from `packed`, which may be any bytes at all. */
  caddie_code (*unpack)(caddie_object*, caddie_str packed, const caddie_bytes* streams, uint32_t count, caddie_error*);
} caddie_compressor;

/* ---- Evaluator -------------------------------------------------------------------------------------------- */

typedef struct caddie_eval_info {
  uint32_t struct_size;
  uint32_t reserved;
  int64_t targets; /* target j is token j+1; j in [0, targets) */
  int64_t context; /* longest window */
} caddie_eval_info;

typedef struct caddie_windows caddie_windows;
typedef struct caddie_host_windows {
  uint32_t struct_size;
  uint32_t reserved;
  /* A window with inputs [first, first+length) whose targets [score_first, score_first+score_count) are scored. */
  caddie_code (*add)(caddie_windows*, int64_t first, int64_t length, int64_t score_first, int64_t score_count);
} caddie_host_windows;

#define CADDIE_EVALUATOR "caddie.evaluator/1.draft"
typedef struct caddie_evaluator {
  uint32_t struct_size;
  uint32_t reserved;
  /* Plans every window in the order of scoring. [setup] */
  caddie_code (*plan)(caddie_object*, const caddie_eval_info*, const caddie_host_windows*, caddie_windows*, caddie_error*);
} caddie_evaluator;

/* ---- TTTStrategy ------------------------------------------------------------------------------------------ */

typedef struct caddie_ttt_plan {
  uint32_t struct_size;
  uint32_t reserved;
  int64_t chunk_targets; /* targets scored between two adaptations */
  int64_t rows, context; /* of one gradient step */
  double clip_norm;      /* 0: no clipping */
} caddie_ttt_plan;

typedef struct caddie_chunk {
  uint32_t struct_size;
  uint32_t reserved;
  int64_t index, count;          /* of chunks */
  int64_t first_target, targets; /* scored and sealed just now */
} caddie_chunk;

typedef struct caddie_adapt caddie_adapt;
#define CADDIE_HOST_ADAPT "caddie.host.adapt/1.draft"
typedef struct caddie_host_adapt { /* [step] knows only tokens whose scores are sealed */
  uint32_t struct_size;
  uint32_t reserved;
  /* One gradient step on row_count rows (at most the plan's) of `context` targets each, row i beginning at target first[i]:
   * the loss is the mean over all rows. A row with an unscored target is refused. */
  caddie_code (*step)(caddie_adapt*, const int64_t* first, int64_t row_count, double scale, caddie_error*);
  caddie_code (*read)(const caddie_adapt*, int64_t first_target, int64_t count, int32_t* out, caddie_error*);
  caddie_code (*reset)(caddie_adapt*, caddie_error*); /* weights and states as before the first step */
} caddie_host_adapt;

#define CADDIE_TTT "caddie.ttt/1.draft"
typedef struct caddie_ttt {
  uint32_t struct_size;
  uint32_t reserved;
  caddie_code (*plan)(caddie_object*, const caddie_eval_info*, caddie_ttt_plan*, caddie_error*); /* [setup] */
  int32_t (*adapts)(const caddie_object*, const caddie_tensor_info*);                            /* [setup] 1: trained */
  /* As an optimizer's update, for one bank of adapted tensors. [setup] */
  caddie_code (*update)(caddie_object*, caddie_build*, const caddie_update*, caddie_value* parameter, caddie_error*);
  caddie_code (*adapt)(caddie_object*, const caddie_chunk*, const caddie_host_adapt*, caddie_adapt*, caddie_error*); /* [step] */
} caddie_ttt;

#ifdef __cplusplus
}
#endif
#endif /* CADDIE_ABI_H_ */
