/* format/gguf_write.h — one GGUF file, version 3: typed keys, the table of tensors, then their data.
 *
 *     "GGUF", version, number of tensors, number of keys
 *     keys       name, type, value                     gathered in memory: a vocabulary is a few megabytes
 *     tensors    name, shape (fastest first), type, offset
 *     data       each tensor at a multiple of 32, zeros between
 *
 *     qn_gguf_writer g = {0};
 *     QN_TRY_OUT(qn_gguf_put_str(&g, "general.architecture", QN_STR("llama")));
 *     QN_TRY_OUT(qn_gguf_put_array(&g, "tokenizer.ggml.tokens", QN_GGUF_STRING, n));
 *     for each token:  QN_TRY_OUT(qn_gguf_item_str(&g, text));
 *     … qn_tensor_writer_add(&g.t, …), qn_gguf_writer_begin, qn_tensor_writer_put, qn_tensor_writer_commit …
 *     out: qn_gguf_writer_drop(&g);
 *
 * A key put twice is QN_EINVAL. */
#ifndef QN_FORMAT_GGUF_WRITE_H
#define QN_FORMAT_GGUF_WRITE_H

#include "format/meta.h"
#include "format/tensors_write.h"

#define QN_GGUF_ALIGNMENT 32

/* The numbers of value types in the file. */
typedef enum {
    QN_GGUF_U8, QN_GGUF_I8, QN_GGUF_U16, QN_GGUF_I16, QN_GGUF_U32, QN_GGUF_I32, QN_GGUF_F32, QN_GGUF_BOOL,
    QN_GGUF_STRING, QN_GGUF_ARRAY, QN_GGUF_U64, QN_GGUF_I64, QN_GGUF_F64
} qn_gguf_type;

typedef struct {
    qn_tensor_writer t;
    qn_name_set names;                  /* of keys */
    qn_buf keys;                        /* as they will stand in the file */
    uint64_t items;                     /* elements that the open array still lacks */
} qn_gguf_writer;

int qn_gguf_put_u32(qn_gguf_writer *w, const char *key, uint32_t v);
int qn_gguf_put_i32(qn_gguf_writer *w, const char *key, int32_t v);
int qn_gguf_put_f32(qn_gguf_writer *w, const char *key, float v);
int qn_gguf_put_bool(qn_gguf_writer *w, const char *key, bool v);
int qn_gguf_put_str(qn_gguf_writer *w, const char *key, qn_str v);
/* An array, of which exactly `count` items of this type must follow. */
int qn_gguf_put_array(qn_gguf_writer *w, const char *key, qn_gguf_type type, size_t count);
int qn_gguf_item_str(qn_gguf_writer *w, qn_str v);
int qn_gguf_item_i32(qn_gguf_writer *w, int32_t v);
int qn_gguf_item_f32(qn_gguf_writer *w, float v);
/* A value that another file held; whole numbers in 32 bits where they fit. Null, mixed arrays: QN_EINVAL. */
int qn_gguf_put_meta(qn_gguf_writer *w, const qn_meta_value *v);
bool qn_gguf_has_key(const qn_gguf_writer *w, qn_str key);

/* All keys put and all tensors declared in w->t: writes everything up to the data. */
int qn_gguf_writer_begin(qn_gguf_writer *w, const char *path);
void qn_gguf_writer_drop(qn_gguf_writer *w);

#endif
