/* data/prepare_split.h — the shards of a split while they are written. Private to src/data. */
#ifndef QN_DATA_PREPARE_SPLIT_H
#define QN_DATA_PREPARE_SPLIT_H

#include "data/dataset.h"
#include "data/shard.h"
#include "tok/tok.h"

typedef struct { char *file; qn_split split; int source; int64_t tokens, documents; uint64_t checksum; } qn_shard_entry;

/* All shards of a folder: those that stand, and one per split that is being written. */
typedef struct {
    const char *folder;
    int64_t vocab, bytes_max;                       /* of a shard */
    qn_shard_entry *entry;      size_t n, cap;
    int64_t made[QN_SPLITS];                        /* the numbers of the next shards */
    int source;
    qn_shard_writer writer[QN_SPLITS];              /* width 0: none open */
    qn_buf path[QN_SPLITS];
    /* of this source and split: */
    qn_split_info info[QN_SPLITS];
    int64_t document[QN_SPLITS];                    /* tokens of the document that is being written */
    int64_t longest[QN_SPLITS], longest_at[QN_SPLITS];  /* in the split's stream of this source */
} qn_shard_set;

void qn_shard_set_source(qn_shard_set *s, int source);
int qn_shard_set_put(qn_shard_set *s, qn_split split, const int32_t *ids, int64_t n);
int qn_shard_set_end(qn_shard_set *s, qn_split split, int64_t bytes);   /* a document of so many bytes of text */
int qn_shard_set_finish(qn_shard_set *s);                               /* commits what is open */
void qn_shard_set_drop(qn_shard_set *s, bool keep);                     /* without keep the files go too */

/* Behind finish, for one source: if validation is far from `share` of its tokens, moves a part of the largest document
 * over. 1 if it did. */
int qn_shard_set_balance(qn_shard_set *s, double share, const qn_tok *tok, const uint16_t *token_bytes);

#endif
