/* format/safetensors_file.h — what safetensors.c (one file) and safetensors_index.c (shards) share. */
#ifndef QN_FORMAT_SAFETENSORS_FILE_H
#define QN_FORMAT_SAFETENSORS_FILE_H

#include "format/safetensors.h"

#define QN_SAFETENSORS_KEYS_MAX 4096    /* in "__metadata__" */
#define QN_SAFETENSORS_SHARDS_MAX 1024

struct qn_safetensors {
    qn_meta *meta;                      /* also keeps the tensors' names */
    qn_tensor_file tensors;
};

int qn_safetensors_new(qn_safetensors **out, const char *name);
/* Adds the tensors of one more file, which is bytes[n] or mapped as number `map`. */
int qn_safetensors_read(qn_safetensors *st, const char *name, int map, const char *bytes, size_t n);
int qn_safetensors_add(qn_safetensors *st, const char *path);

#endif
