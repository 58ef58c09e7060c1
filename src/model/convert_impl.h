/* model/convert_impl.h — a conversion at work, shared by convert.c (forms, files) and convert_tensors.c (weights). */
#ifndef QN_MODEL_CONVERT_IMPL_H
#define QN_MODEL_CONVERT_IMPL_H

#include "format/gguf_write.h"
#include "format/safetensors_write.h"
#include "model/convert.h"
#include "model/save.h"
#include "model/stored.h"

/* One tensor on its way: a parameter, or several that both forms keep in one. */
typedef struct {
    qn_stored st;                   /* the parameter, or the first of them */
    int64_t dim[2];                 /* of the tensor that is written */
    bool turned;                    /* it is the stored one on its side */
    qn_dtype to;
    size_t order;                   /* of the parameter table */
} qn_convert_item;

typedef struct {
    const qn_source *s;
    const qn_convert_options *o;
    qn_convert_result *r;
    bool to_gguf;
    qn_config cfg, out;             /* as it is read; as it is written */
    qn_save_model model;            /* borrows out */
    qn_embedding embedding;
    qn_convert_item *item;          /* [n] in the order of the file */
    size_t n, cap;
    float divisor[QN_ROPE_PAIRS];
    bool has_divisors;              /* GGUF: rope_freqs.weight is written */
    int64_t done, total;            /* bytes written, to write */
} qn_conversion;

/* Finds every tensor, checks shapes, chooses dtypes; the numbers of the model and its main dtype are known then. */
int qn_convert_plan(qn_conversion *c);
void qn_convert_plan_drop(qn_conversion *c);
int qn_convert_declare(const qn_conversion *c, qn_tensor_writer *t);
/* All rows, in the order declared. */
int qn_convert_stream(qn_conversion *c, qn_tensor_writer *t);

#endif
