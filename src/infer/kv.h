/* infer/kv.h — KV memory: a pool of pages of 64 positions, and sequences as lists of pages.
 *
 * Pages are counted: sequences that share a prefix share its pages, and a page is copied before the second owner writes
 * to it. The pool's address space is reserved once and touched page by page, so memory grows with what is used.
 *
 * One thread at a time; it belongs to one session. Sequences are numbered from 0. Numbers out of range are our own bugs
 * (qn_assert): the session checks what comes from outside. */
#ifndef QN_INFER_KV_H
#define QN_INFER_KV_H

#include "ops/attention.h"

typedef struct {
    int32_t *page;              /* [pages_max] */
    int64_t pages, length;      /* pages held; positions stored */
} qn_kv_sequence;

typedef struct {
    qn_kv_pool pool;
    int64_t n_pages, pages_max; /* of the pool; of one sequence */
    size_t bytes;
    int32_t *free_page, *owners, *lists;      /* lists: the memory of all sequences' page lists */
    int64_t n_free;
    qn_kv_sequence *seq;
    int64_t n_seq;
    int64_t used_peak;          /* pages */
} qn_kv;

/* Room for `sequences` of `context` positions each. QN_ENOMEM. On failure drop it all the same. */
int qn_kv_init(qn_kv *kv, qn_dtype t, int64_t layers, int64_t heads, int64_t Dh, int64_t sequences, int64_t context);
void qn_kv_drop(qn_kv *kv);
/* Makes positions [length, length + n) of a sequence writable: takes pages, copies the shared last one. `length` stays.
 * QN_ECONTEXT where no page is free; pages taken before that stay the sequence's until it is cut. No allocation. */
int qn_kv_reserve(qn_kv *kv, int64_t seq, int64_t n);
/* Keeps the first `length` positions and gives back the pages behind them. */
void qn_kv_truncate(qn_kv *kv, int64_t seq, int64_t length);
/* seq `to` becomes the first n positions of `from`; whole pages are shared. */
int qn_kv_share(qn_kv *kv, int64_t from, int64_t to, int64_t n);

#endif
