/* format/tensors_write.h — the data of both weight containers on their way out: tensors are declared first, so that all
 * sizes are known; then their bytes follow in that order, row by row, gathered into large writes. Memory stays small
 * whatever the model, and nothing stands under the target's name before commit.
 *
 *     qn_tensor_writer_add(t, "blk.0.attn_q.weight", QN_F16, 2, (int64_t[]){N, K});        // each tensor
 *     qn_gguf_writer_begin(g, path);                           // or qn_safetensors_writer_begin: header, offsets
 *     for each tensor, each row:  qn_tensor_writer_put(t, row, bytes);
 *     qn_tensor_writer_commit(t);
 *
 * The writers of format/ embed it as `t`. A struct of {0} is empty and may be dropped. */
#ifndef QN_FORMAT_TENSORS_WRITE_H
#define QN_FORMAT_TENSORS_WRITE_H

#include "base/file.h"
#include "num/num.h"

#define QN_TENSOR_WRITE_RANK 4          /* as GGUF has it */

/* Copies of names, none twice. */
typedef struct {
    char **name;                        /* [n] */
    size_t n, cap;
    qn_strmap map;
} qn_name_set;
int qn_name_set_add(qn_name_set *s, qn_str name, const char *what);     /* QN_EINVAL: "WHAT \"x\" is there twice" */
void qn_name_set_drop(qn_name_set *s);

typedef struct {
    const char *name;                   /* owned by the writer's set */
    qn_dtype dtype;
    int rank;
    int64_t dims[QN_TENSOR_WRITE_RANK]; /* outermost first */
    uint64_t bytes, offset;             /* of its data; from the first byte of all data */
} qn_tensor_decl;

typedef struct {
    qn_out_file file;
    qn_tensor_decl *decl;               /* [count] */
    size_t count, cap;
    qn_name_set names;
    uint64_t data_bytes;                /* of all tensors, padding included */
    qn_buf gather;                      /* written when it is full */
    size_t at;                          /* the tensor whose bytes come next */
    uint64_t left;                      /* bytes that it still lacks */
} qn_tensor_writer;

/* The name is copied; the last dimension is a whole number of the dtype's blocks. QN_EINVAL, QN_ELIMIT. */
int qn_tensor_writer_add(qn_tensor_writer *t, const char *name, qn_dtype dtype, int rank, const int64_t *dims);
/* The next bytes of the current tensor, never beyond its end; the first bytes of the next one follow its last. */
int qn_tensor_writer_put(qn_tensor_writer *t, const void *bytes, size_t n);
/* The whole file under its name; every declared byte must have been put. */
int qn_tensor_writer_commit(qn_tensor_writer *t);
void qn_tensor_writer_drop(qn_tensor_writer *t);

/* ---- for the containers ---- */

/* Places the tensors one after the other, each at a multiple of `alignment`, and the end too. */
int qn_tensor_writer_layout(qn_tensor_writer *t, size_t alignment);
/* Opens the file and writes what stands in front of the data. */
int qn_tensor_writer_start(qn_tensor_writer *t, const char *path, qn_str header);

#endif
