/* format/safetensors.h — safetensors, the weights of a Hugging Face directory: one file, or shards and an index. */
#ifndef QN_FORMAT_SAFETENSORS_H
#define QN_FORMAT_SAFETENSORS_H

#include "format/meta.h"
#include "format/tensors.h"

#define QN_SAFETENSORS_HEADER_MAX ((size_t)100 << 20)

typedef struct qn_safetensors qn_safetensors;

/* QN_ENOTFOUND, QN_EIO, QN_ETRUNC, QN_EFORMAT, QN_EUNSUPPORTED, QN_ELIMIT; *out is NULL then. */
int qn_safetensors_open(qn_safetensors **out, const char *path);
/* From bytes that outlive the reader (tests, fuzzing). */
int qn_safetensors_open_memory(qn_safetensors **out, const void *bytes, size_t n);
/* Every shard that dir/model.safetensors.index.json names, as one table. */
int qn_safetensors_open_index(qn_safetensors **out, const char *dir);
/* dir/model.safetensors, or else the index. */
int qn_safetensors_open_dir(qn_safetensors **out, const char *dir);
void qn_safetensors_close(qn_safetensors *st);          /* NULL is fine */

const qn_meta *qn_safetensors_meta(const qn_safetensors *st);           /* "__metadata__": strings; first shard's */
const qn_tensor_file *qn_safetensors_tensors(const qn_safetensors *st);

#endif
