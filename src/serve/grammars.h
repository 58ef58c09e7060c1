/* serve/grammars.h — what answers are held to, kept: a schema that comes a second time is not read a second time, and
 * what was found out about it while answers were made is known already.
 *
 *     HTTP threads    take, by its text ……………………………………… give back, when the request has gone
 *     scheduler's            a guide of its masks for an answer      (masks are one thread's at a time)
 *
 * Those that nobody holds are bounded, by number and by memory: what was used the longest ago goes first. */
#ifndef QN_SERVE_GRAMMARS_H
#define QN_SERVE_GRAMMARS_H

#include "guide/guide.h"

enum { QN_GRAMMARS_IDLE = 64, QN_GRAMMARS_BYTES = 128 << 20 };

typedef struct qn_grammars qn_grammars;
typedef struct qn_grammar qn_grammar;

int qn_grammars_new(qn_grammars **out);
void qn_grammars_free(qn_grammars *g);                /* NULL is fine; all must have been given back */

/* What a text means. */
typedef int qn_grammar_fn(qn_syntax **out, qn_str text);
/* 1: it was read now; 0: it was there. The trie must stay until all are freed. */
int qn_grammars_take(qn_grammars *g, qn_str text, qn_grammar_fn *read, const qn_token_trie *trie, const int64_t *eos,
                     int64_t n_eos, qn_grammar **out);
void qn_grammars_give_back(qn_grammars *g, qn_grammar *one);
qn_masks *qn_grammar_masks(qn_grammar *one);
int64_t qn_grammars_idle(qn_grammars *g);

#endif
