/* @ID@ in C99: @SUMMARY@
 * (@CITATION@).
 *
 * The technique comes first; what every plugin in C has stands below it. */
#include <caddie/abi.h>
#include <caddie/ops.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct Services {
  const caddie_host* host;
  const caddie_host_config* config;
  const caddie_host_graph* ops;
  const caddie_host_build* build;
  const caddie_host_random* random;
} Services;

static caddie_code fail(caddie_error* error, caddie_code code, const char* text) {
  if (error != NULL && CADDIE_HAS(error, caddie_error, text)) {
    error->code = code;
    strncpy(error->text, text, sizeof error->text - 1);
    error->text[sizeof error->text - 1] = '\0';
  }
  return code;
}

