/* data/dataset_check.c — what is worth knowing about a prepared folder and takes a walk over all of it. */
#include "data/content.h"
#include "data/dataset_impl.h"

void qn_dataset_extremes_get(const qn_dataset *d, qn_split split, qn_dataset_extremes *out) {
    *out = (qn_dataset_extremes){.longest = -1, .shortest = -1};
    for (int64_t i = 0; i < d->split[split].documents; i++) {
        int64_t from, n;
        qn_dataset_document(d, split, i, &from, &n);
        if (out->longest < 0 || n > out->longest_tokens) {
            out->longest = i;
            out->longest_tokens = n;
        }
        if (out->shortest < 0 || n < out->shortest_tokens) {
            out->shortest = i;
            out->shortest_tokens = n;
        }
    }
}

/* Its ids, a few thousand at a time: a document may be larger than memory. */
static int content_of(const qn_dataset *d, qn_split split, int64_t i, qn_content *out) {
    int32_t ids[4096];
    int64_t from, left;
    *out = (qn_content){1, 2};
    for (qn_dataset_document(d, split, i, &from, &left); left > 0;) {
        int64_t n = QN_MIN(left, (int64_t)QN_LEN(ids));
        QN_TRY(qn_dataset_read(d, split, from, n, ids));
        out->a = qn_hash_bytes(ids, (size_t)n * sizeof *ids, out->a);
        out->b = qn_hash_bytes(ids, (size_t)n * sizeof *ids, out->b);
        from += n;
        left -= n;
    }
    return 0;
}

int qn_dataset_leaks(const qn_dataset *d, int64_t *leaked) {
    qn_content_set held = {.max_bytes = INT64_MAX}, found = {.max_bytes = INT64_MAX};
    qn_content c;
    int rc = 0;
    *leaked = 0;
    for (int64_t i = 0; i < d->split[QN_SPLIT_VALIDATION].documents; i++) {
        QN_TRY_OUT(content_of(d, QN_SPLIT_VALIDATION, i, &c));
        QN_TRY_OUT(qn_content_add(&held, c));
    }
    for (int64_t i = 0; i < d->split[QN_SPLIT_TRAIN].documents && held.n; i++) {
        QN_TRY_OUT(content_of(d, QN_SPLIT_TRAIN, i, &c));
        if (!qn_content_has(&held, c))
            continue;
        QN_TRY_OUT(qn_content_add(&found, c));
        *leaked += rc;
    }
    rc = 0;
out:
    qn_content_drop(&held);
    qn_content_drop(&found);
    return rc;
}
