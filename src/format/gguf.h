/* format/gguf.h — GGUF, the single-file model: metadata, tensor table and data of llama.cpp (versions 2 and 3). */
#ifndef QN_FORMAT_GGUF_H
#define QN_FORMAT_GGUF_H

#include "format/meta.h"
#include "format/tensors.h"

#define QN_GGUF_MAX_KEYS 65536

typedef struct qn_gguf qn_gguf;

/* Maps the file and checks all of it but the numbers themselves. The first shard of a split model opens the others
 * beside it. QN_ENOTFOUND, QN_EIO, QN_ETRUNC, QN_EFORMAT, QN_EUNSUPPORTED, QN_ELIMIT; *out is NULL then. */
int qn_gguf_open(qn_gguf **out, const char *path);
/* The same from bytes that outlive the reader (tests, fuzzing). */
int qn_gguf_open_memory(qn_gguf **out, const void *bytes, size_t n);
void qn_gguf_close(qn_gguf *g);                         /* NULL is fine */

int qn_gguf_version(const qn_gguf *g);
const qn_meta *qn_gguf_meta(const qn_gguf *g);
const qn_tensor_file *qn_gguf_tensors(const qn_gguf *g);

#endif
