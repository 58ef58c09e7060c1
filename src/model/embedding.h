/* model/embedding.h — how hidden states become one vector per text: which of them are taken together, whether the
 * vector is brought to length 1, how long a text may be.
 *
 *   directory   modules.json: Transformer, Pooling, perhaps Normalize; N_Pooling/config.json;
 *               sentence_bert_config.json: max_seq_length      (sentence-transformers' files)
 *   GGUF        <arch>.pooling_type; quern.embedding.normalize, .max_tokens, .pooling of files written here
 *
 * What a tokenizer.json says of truncation and padding is how its author once ran it, and does not count. */
#ifndef QN_MODEL_EMBEDDING_H
#define QN_MODEL_EMBEDDING_H

#include "model/model.h"

typedef enum {
    QN_POOL_UNSAID = -1,
    QN_POOL_MEAN,               /* of all tokens, those around the text included */
    QN_POOL_CLS,                /* the first token */
    QN_POOL_LAST,               /* the last one */
    QN_POOL_MAX,                /* the greatest of each dimension */
    QN_POOL_SQRT,               /* sum/√n */
    QN_POOL_WEIGHTED,           /* mean, token i (from 1) counting i times (Muennighoff 2022) */
    QN_POOLINGS
} qn_pooling;
const char *qn_pooling_name(qn_pooling p);      /* "mean" …; "none said" */

typedef struct {
    qn_pooling pooling;         /* UNSAID: a model that writes, and nobody made vectors of it */
    bool normalize;             /* to length 1 (L2) */
    bool said;                  /* the model's files say so; else it is what holds where nothing is said */
    int64_t max_tokens;         /* of a text, with the tokens around it; never more than the model has positions */
} qn_embedding;

/* Reads it. An encoder of which nothing is said: mean; not normalized in a directory, as sentence-transformers has it,
 * normalized in a GGUF, as llama.cpp has it. QN_ENOTFOUND: a file that modules.json names; QN_EUNSUPPORTED: a module or
 * a pooling that is not done here; QN_EFORMAT. */
int qn_source_embedding(const qn_source *s, qn_embedding *e);

#endif
