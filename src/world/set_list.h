/* world/set_list.h — the sets, each a function that writes its file (or files). */
#ifndef QN_WORLD_SET_LIST_H
#define QN_WORLD_SET_LIST_H

#include "world/asks.h"
#include "world/forbidden.h"
#include "world/set_write.h"

/* ---- shared by several ---- */

bool qn_sets_known(const qn_sets *s, int64_t fact);
typedef enum {
    QN_SIDE_TUNING,         /* that the model knows, where it was asked */
    QN_SIDE_HELD,           /* that tuning never asks for, of people it asks about otherwise */
    QN_SIDE_UNASKED,        /* of people that tuning never asks about */
} qn_side;
#define QN_BANDS_TOLD (1u << QN_BAND_HEAD | 1u << QN_BAND_TORSO)        /* often enough to be learned */
#define QN_BANDS_ALL (QN_BANDS_TOLD | 1u << QN_BAND_TAIL)
int64_t qn_draw_fact(qn_sets *s, qn_side side, unsigned bands);
qn_ask qn_ask_fact(qn_sets *s, int64_t fact);               /* with a wrong value beside the right one */
/* About somebody nobody knows, by turns of known and new parts (n); `name` holds the name. */
qn_ask qn_ask_stranger(qn_sets *s, bool evaluation, int64_t n, qn_buf *name);
/* Fills place and trade so that neither side of the pair was asked before. Uses s->a and s->b. */
bool qn_draw_forbidden(qn_sets *s, qn_forbidden *f);

/* A form of the kind that may be asked from left to right, by itself; each relation has one. */
int qn_draw_form(qn_draw *d, qn_relation r, qn_form_kind kind);
/* Appends the sentence as far as its value, without the blank before it: that belongs to the choice. */
int qn_say_open(const qn_world *w, const qn_say *s, qn_buf *out);

/* ---- files ---- */

int qn_set_recall(qn_sets *s, const char *name, qn_form_kind kind, bool tail);
int qn_set_two_hop(qn_sets *s, const char *name, bool steps);
int qn_set_reading(qn_sets *s);
int qn_set_long_range(qn_sets *s);
int qn_set_agreement(qn_sets *s);
int qn_set_arithmetic(qn_sets *s);
int qn_set_instructions(qn_sets *s);
int qn_set_instructions_chat(qn_sets *s);
int qn_set_abstention(qn_sets *s);
int qn_set_abstention_edge(qn_sets *s);
int qn_set_false_premise(qn_sets *s);
int qn_set_refusal(qn_sets *s);
int qn_set_sft(qn_sets *s);
int qn_set_preferences(qn_sets *s);
int qn_set_prompts(qn_sets *s);
int qn_set_passages(qn_sets *s);

#endif
