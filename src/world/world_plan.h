/* world/world_plan.h — which document tells which facts.
 *
 *     a person with 3, 2, 1 mentions of three facts        appearances     {1,2} {1} {1,2,3}      a random subset each
 *     all appearances of everybody, shuffled               documents       entry, letter, letter, ledger …
 *
 * A document of a genre takes the next appearances off the pile, as many as the genre needs; so each fact is mentioned
 * exactly as often as it shall be, and neighbours on the pile have nothing to do with each other. Documents without
 * facts are mixed in until each class of text has its share of the bytes. */
#ifndef QN_WORLD_WORLD_PLAN_H
#define QN_WORLD_WORLD_PLAN_H

#include "world/gen.h"

typedef struct { int32_t person; uint32_t facts; } qn_appearance;       /* bits: relations */
typedef struct { uint8_t kind; int64_t first; } qn_doc;                 /* its appearances begin there */

typedef struct {
    const qn_world *w;
    qn_appearance *appearance; int64_t n_appearances;
    int32_t *appearances_of;            /* [people] */
    qn_doc *doc; int64_t n_docs;
    int64_t kind_docs[32];              /* documents of each kind */
} qn_plan;

/* A kind of document: its rule, what it begins as, how many appearances it takes. */
typedef struct { const char *rule; uint8_t klass, place, people, weight; } qn_doc_kind;
extern const qn_doc_kind qn_doc_kinds[];
extern const int qn_doc_kinds_n;

int qn_plan_new(qn_plan **out, const qn_world *w);
void qn_plan_free(qn_plan *p);
/* Appends document i to g->out, with a newline at its end; its spans are those of g->span from g->first_span on. */
void qn_plan_write(const qn_plan *p, qn_gen *g, int64_t i);

#endif
