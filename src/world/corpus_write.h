/* world/corpus_write.h — a world's corpus as files:
 *
 *     OUT/corpus/part-0000.txt …   documents, each followed by a line "<|endoftext|>"; a few MB a file
 *     OUT/sidecar/part-0000.jsonl  with `sidecar`: beside each, a line a document (docs/WORLD.md)
 *     OUT/facts.jsonl              a line a fact
 *
 * world.json is the caller's, who knows what else there is; written last: where it is, all is. */
#ifndef QN_WORLD_CORPUS_WRITE_H
#define QN_WORLD_CORPUS_WRITE_H

#include "base/pool.h"
#include "world/world_plan.h"

#define QN_WORLD_SEPARATOR "<|endoftext|>"

typedef struct {
    const char *out;            /* the folder; its contents are replaced */
    bool sidecar;
    int (*progress)(void *arg, int64_t done, int64_t all);      /* documents; <0 ends the work */
    void *arg;
} qn_corpus_write_options;

typedef struct {
    int64_t documents, files, bytes;
    int64_t class_bytes[QN_CLASSES];
    int64_t mentions;           /* of people's facts; those of each, below */
    int32_t *mentions_of;       /* [qn_fact_ids] */
    uint16_t *forms_of;         /* [qn_fact_ids]: bit f: form f was among them */
    double bits;                /* with a sidecar */
} qn_corpus_written;

int qn_corpus_write(const qn_world *w, const qn_plan *plan, qn_pool *pool, const qn_corpus_write_options *o,
                    qn_corpus_written *r);
void qn_corpus_written_drop(qn_corpus_written *r);

#endif
