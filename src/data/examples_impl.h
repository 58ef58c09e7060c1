/* data/examples_impl.h — the inside of examples: what stands in memory stands in their file. Private to src/data. */
#ifndef QN_DATA_EXAMPLES_IMPL_H
#define QN_DATA_EXAMPLES_IMPL_H

#include "data/examples.h"

/* Tokens [from, from + n) of all. */
typedef struct { int64_t from, n, prompt; } qn_example_at;
typedef struct {
    qn_example_at part[2];
    int64_t parts, good, split, file, row;
} qn_example_item;

struct qn_examples {
    qn_example_item *item;      size_t n, cap;
    int32_t *ids;               size_t tokens, cap_ids;
    uint8_t *taught;            size_t cap_taught;
    uint16_t *token_bytes;      /* [vocab] */
    int64_t vocab, context;
    int32_t *order[QN_SPLITS];  /* indices of its items */
    int64_t count[QN_SPLITS];
    qn_examples_stats stats;
    char **file;                size_t n_files;     /* last parts of their paths; none of what is read from the store */
    char fingerprint[33];
};

/* Lists the items of each split, and takes the fingerprint. */
int qn_examples_settle(qn_examples *e);

#endif
