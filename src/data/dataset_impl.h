/* data/dataset_impl.h — the inside of a prepared folder, for dataset.c and row_plan.c. */
#ifndef QN_DATA_DATASET_IMPL_H
#define QN_DATA_DATASET_IMPL_H

#include "data/dataset.h"
#include "data/shard.h"

/* One split: its shards make one stream of tokens; document i is [end[i − 1], end[i]) of it. */
typedef struct {
    qn_shard *shard;        size_t n, cap;
    int *source;            size_t cap_source;      /* [n]: whose shard it is */
    int64_t *end;           /* [documents] */
    int64_t documents, tokens, bytes;
    int64_t *source_token, *source_document;        /* [sources + 1]: where each source begins */
} qn_dataset_split;

struct qn_dataset {
    char *path;
    int64_t vocab;
    qn_dataset_source *source;  size_t sources, cap_sources;
    qn_dataset_split split[QN_SPLITS];
    uint16_t *token_bytes;  size_t n_token_bytes, cap_token_bytes;
    char fingerprint[33];
    char tokenizer_sum[17];             /* of the tokenizer.json beside it; "" unknown */
};

/* What data.json says of the text of tokenizer.json. */
uint64_t qn_dataset_tokenizer_sum(qn_str text);

/* How often the tokens of each source are seen in an epoch, on the average: 1 without weights. */
double qn_dataset_repeat(const qn_dataset *d, qn_split split, size_t source);

#endif
