/* world/sidecar.h — what each byte of a corpus cost, a line a document (docs/WORLD.md):
 *
 *     {"document":17,"genre":"story","file":"corpus/part-0000.txt","begin":1234,"end":1567,"bits":88.25,
 *      "bound":"upper","spans":[{"begin":0,"end":31,"kind":"style","bits":14.2},
 *               {"begin":31,"end":36,"kind":"fact","bits":0,"fact":123,"distance":-1,"earlier":12}, …]}
 *
 * All but style says how many bytes before what it follows from stands in the document (-1: nowhere).
 * begin and end of the document are offsets in the file (the line break before the separator is not in it), those of a
 * span are offsets in the document; spans cover it without gaps. */
#ifndef QN_WORLD_SIDECAR_H
#define QN_WORLD_SIDECAR_H

#include "world/gen.h"

typedef struct {
    const char *genre, *file;
    int64_t document, begin;        /* in the file */
    size_t text, end;               /* in g->out */
    size_t first, n;                /* spans */
} qn_sidecar_document;

/* What stating a fact costs: log2 of how many values it might have had the first time, nothing after that. */
double qn_fact_bits(const qn_world *w, int64_t fact);
/* Appends the line and counts the facts in it: said [qn_fact_ids]. Returns the bits of the document. */
int qn_sidecar_put(const qn_gen *g, const qn_sidecar_document *d, int32_t *said, qn_buf *out, double *bits);

#endif
