/* model/convert.h — a model from one form to another: GGUF file or Hugging Face directory, either way, and with other
 * dtypes.
 *
 *     qn_convert_options o = {.dtype = QN_DTYPE_KEEP};
 *     QN_TRY(qn_convert("model.gguf", "model/", &o, &result));
 *
 * A matrix keeps its dtype unless another is asked for; a quantized one becomes F32 in a directory, which has no
 * blocks. Vectors are F32 in GGUF and are never rounded: in a directory they take the matrices' dtype only where that
 * is exact. Rows stream through small buffers; nothing stands under its name before all of it is written. */
#ifndef QN_MODEL_CONVERT_H
#define QN_MODEL_CONVERT_H

#include "model/model.h"

enum { QN_DTYPE_KEEP = -1 };

/* Parameters that are changed on their way (merge.h): as F32 and a whole one at a time, rows as in memory, a vector as
 * one column, whatever both forms look like. Matrices are stored in the dtype that they would have had. A vector may be
 * asked for twice, and must come out the same. */
typedef struct {
    bool (*wants)(void *arg, const qn_param *p, int64_t layer);
    int (*change)(void *arg, const qn_param *p, int64_t layer, float *w, int64_t rows, int64_t cols);   /* <0: error */
    bool (*touches)(void *arg, const qn_param *p, int64_t row);     /* the others stay as they are stored, to the bit;
                                                                     * NULL: all rows are changed */
    void *arg;
} qn_convert_change;

typedef struct {
    int dtype;                      /* of the matrices: a qn_dtype, or QN_DTYPE_KEEP */
    bool force;                     /* replace what is there: a file, or the model in a directory */
    int (*progress)(void *arg, int64_t done, int64_t total);    /* bytes; may be NULL; <0 is an error that ends it */
    void *arg;
    const qn_convert_change *change;                            /* NULL: none is changed */
    int64_t rows;                   /* of embedding and head, where that is more than there are: `change` fills them */
    const qn_source *words;         /* of tokenizer, template, ends of answers; NULL: what is converted */
} qn_convert_options;

typedef struct {
    bool is_gguf;                   /* what was written */
    const char *arch;               /* static */
    qn_dtype dtype;                 /* that holds most numbers of the matrices */
    int64_t tensors, numbers;
    uint64_t bytes;                 /* of the weights */
    int64_t matrices, rounded;      /* … of which so many hold other numbers than before */
    int64_t changed;                /* parameters that were changed */
    int64_t recast;                 /* matrices of another dtype than before */
    int64_t kept;                   /* matrices that kept their dtype, having rows of no whole blocks */
} qn_convert_result;

/* `in` as every MODEL; `out` ends in .gguf or names a directory. QN_EINVAL: both are the same, or out exists (without
 * force), or names neither; QN_EUNSUPPORTED: the form cannot say what the model is. On error what was there is as it
 * was, and nothing new is left behind. */
int qn_convert(const char *in, const char *out, const qn_convert_options *o, qn_convert_result *result);

/* The first of these checks: may `out` be written, and is it to be a GGUF? For whoever writes in these two forms. */
int qn_convert_check_out(const char *in, const char *out, bool force, bool *to_gguf);

#endif
