/* world/world_impl.h — what the files of the room share and nobody else sees. */
#ifndef QN_WORLD_WORLD_IMPL_H
#define QN_WORLD_WORLD_IMPL_H

#include "world/world.h"

/* Streams of random numbers: each its own, so that a change in one moves nothing in the others. Those of documents
 * are keyed by QN_DRAW_TEXT and the document's number. */
enum {
    QN_DRAW_SHE, QN_DRAW_HE, QN_DRAW_SURNAME, QN_DRAW_PERSON, QN_DRAW_TAUGHT, QN_DRAW_SIBLING, QN_DRAW_TEACHER,
    QN_DRAW_VALUE, QN_DRAW_BAND = QN_DRAW_VALUE + QN_RELATIONS, QN_DRAW_PLAN = QN_DRAW_BAND + QN_RELATIONS,
    QN_DRAW_SLOTS, QN_DRAW_DOCS, QN_DRAW_ORDER, QN_DRAW_TEXT = 64
};

/* Draw i of a stream: uniform in [0, n), exactly. */
uint64_t qn_world_draw(const qn_world *w, uint64_t stream, uint64_t i, uint64_t n);
/* 0 … n − 1 in random order; to be freed; NULL on ENOMEM. */
int32_t *qn_world_order(const qn_world *w, uint64_t stream, int64_t n);

int qn_world_draw_names(qn_world *w);           /* names.c: parts, and each person's pair */

#endif
