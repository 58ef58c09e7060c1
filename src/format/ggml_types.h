/* format/ggml_types.h — how many bytes a tensor of each ggml type has. Which types can be decoded is num/'s business;
 * the sizes are known for all, so that a file's offsets can be checked whatever it holds. Names: qn_ggml_type_name in
 * num/. */
#ifndef QN_FORMAT_GGML_TYPES_H
#define QN_FORMAT_GGML_TYPES_H

#include "base/compiler.h"

/* Elements and bytes per block; false for a number that no current ggml type has. */
bool qn_ggml_type_block(uint32_t id, int *elements, int *bytes);
/* What a number without block is, for messages: "removed from ggml …", "a type of ik_llama.cpp …". */
const char *qn_ggml_type_hint(uint32_t id);
/* What to do about weights of a GGUF that cannot be computed with, for messages. */
const char *qn_ggml_type_advice(void);

#endif
