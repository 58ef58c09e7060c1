/* data/prepare.h — raw text into a prepared folder (data/dataset.h draws it).
 *
 *   prepare.c         documents, a batch at a time: content hash, split, ids → shards; data.json last
 *   prepare_split.c   the sets of shards as they grow; a validation split where whole documents give none
 *
 * Documents are told apart by their content: equal ones are kept once, in the first source that has them, and the same
 * hash decides the split, so that a document never moves to the other split when the corpus grows or changes its order.
 * Where whole documents cannot give the share asked for — one book, or one document larger than all others — the last
 * part of a source's largest document becomes its validation, cut at the end of a line where there is one. */
#ifndef QN_DATA_PREPARE_H
#define QN_DATA_PREPARE_H

#include "base/pool.h"
#include "data/corpus.h"
#include "data/dataset.h"
#include "tok/tok.h"

#define QN_DATA_MIN_MEMORY ((int64_t)64 << 20)

/* A source is cut, shuffled and weighted on its own. weight 0: its share is its size; if any source has a weight, such
 * without one have weight 1. */
typedef struct { const char *const *path; size_t n_paths; double weight; } qn_data_source;

typedef struct {
    const qn_data_source *source; size_t n_sources;
    const char *field;                      /* of JSON lines; NULL: "text" */
    const char *separator;                  /* of documents in text files: corpus.h; NULL: none */
    qn_invalid invalid;
    bool skip_bad;                          /* JSON lines that are no JSON are passed over: corpus.h */
    const char *out;                        /* the folder; made if need be */
    double validation;                      /* share of the tokens, 0 … 0.5 */
    bool keep_duplicates;
    int64_t max_memory;                     /* 0: 2 GiB */
    int64_t shard_bytes;                    /* how large shards become; 0: 256 MiB */
    bool force;                             /* replace what was prepared there */
    qn_str tokenizer_json, tokenizer_config_json;       /* written beside the shards; empty: not */
    int (*progress)(void *arg, int64_t bytes);          /* of text so far; <0 ends the work; NULL is fine */
    void *arg;
} qn_data_options;

typedef struct {
    int64_t files, skipped, bytes;          /* as read */
    int64_t documents, duplicates, empty;   /* read; dropped as seen before; without a visible character */
    int64_t parted;                         /* so long that they were taken in parts */
    int64_t invalid;                        /* broken characters replaced or dropped */
    int64_t textless;                       /* JSON lines left out: no text under the field */
    int64_t bad;                            /* JSON lines passed over: no JSON */
    qn_split_info split[QN_SPLITS];         /* what became of it */
    bool cut;                               /* the largest document was cut to give a validation */
} qn_data_count;

typedef struct {
    qn_data_count *source;                  /* [n_sources] */
    size_t n_sources;
    qn_data_count all;
    int64_t shards, unhashed;               /* documents behind the point where memory for hashes ended */
} qn_data_result;

/* Prepares all of it, or fails and leaves nothing new behind; what `force` replaces is gone then. QN_EINVAL: a corpus
 * without text, a folder that is prepared already or holds anything else; QN_EIO and what reading the corpus gives.
 * What is odd is warned of. Memory: 16 … 40 bytes per document for hashes, some 10 bytes per byte of the longest
 * document; one longer than max_memory / 16 is taken in parts, cut at a line end. The result does not depend on the
 * pool. */
int qn_data_prepare(const qn_data_options *o, const qn_tok *tok, qn_pool *pool, qn_data_result *r);
void qn_data_result_drop(qn_data_result *r);

#endif
