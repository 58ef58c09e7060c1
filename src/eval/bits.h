/* eval/bits.h — a model's loss on a world's own text, split by kind of choice, beside the least that is possible.
 *
 *     text     Marin Belling |keeps |a goose|, and |she| feeds it.
 *     floor    style 14.2     style  fact 0  style  grammar 0  style …      −log₂ of what the generator chose
 *     tokens   Mar·in Bell·ing· keep·s a· go·ose, and …                     −log₂ p of the model, by token
 *
 * Whoever made the text knows what each choice cost; no model can need fewer bits on average. What it needs more is
 * its excess: of words and their order (grammar, style), of what is to be known (fact), of what stands further up
 * (copy).
 *
 * A token that reaches over several spans is divided among them by bytes. Documents longer than the scorer's context
 * are looked at through windows that overlap by half (baselines.h). Where a scorer knows no text that begins with
 * nothing, the spans that the first token reaches into are left out on both sides, and counted as `unseen`. The end of
 * a document is no part of the text. */
#ifndef QN_EVAL_BITS_H
#define QN_EVAL_BITS_H

#include "eval/scorer.h"

/* Spans cover a document from its first byte to its last without gaps: QN_EFORMAT. kind: an index below
 * QN_BITS_KINDS; group: of a fact, its band; −1: none. */
enum { QN_BITS_KINDS = 16, QN_BITS_GROUPS = 8 };
typedef struct { int64_t begin, end; int kind, group; double floor; } qn_bits_span;

typedef struct { int64_t spans, bytes; double floor, model; } qn_bits_sum;      /* bits */
typedef struct {
    qn_bits_sum kind[QN_BITS_KINDS], group[QN_BITS_GROUPS], all, unseen;
    int64_t documents, tokens;
} qn_bits_result;

/* {0} is empty and may be dropped. The result grows with each document. */
typedef struct {
    const qn_scorer *s;
    qn_bits_result r;
    qn_ids ids;
    double *logprob; size_t cap;
    int64_t *end; size_t cap_end;               /* [tokens] where the bytes of each token end */
} qn_bits_counter;
int qn_bits_init(qn_bits_counter *b, const qn_scorer *s);
void qn_bits_drop(qn_bits_counter *b);
/* Spans against the text that they cover. */
int qn_bits_check(qn_str text, const qn_bits_span *span, int64_t n);
/* One document with its spans. QN_EFORMAT: spans that do not cover the text; tokens that are not the text (a tokenizer
 * that normalizes). */
int qn_bits_add(qn_bits_counter *b, qn_str text, const qn_bits_span *span, int64_t n);

/* The same from the numbers of each byte: where a scorer is not at hand but its losses are (the generator itself).
 * bits [text.n] − log₂ p of each byte. */
void qn_bits_add_bytes(qn_bits_result *r, const double *bits, const qn_bits_span *span, int64_t n);

/* Excess of the model over the floor in bits per byte of that kind; NaN without bytes. */
double qn_bits_excess(const qn_bits_sum *s);

/* ---- a world's folder: bits_world.c ---- */

extern const char *const qn_bits_kind_name[QN_BITS_KINDS];      /* "grammar" …; NULL behind the last */
extern const char *const qn_bits_group_name[QN_BITS_GROUPS];    /* "head", "torso", "tail" */

typedef struct {
    const char *world;              /* the folder */
    const char *data;               /* prepared from it: only documents of its validation split; NULL: all */
    int64_t max_documents;          /* spread evenly over those; 0: all */
    const qn_tok *tok;              /* for data without a tokenizer of their own */
} qn_bits_options;

/* Documents of a world with their spans, in memory: scored again and again while a model learns. {0} is empty. */
typedef struct {
    qn_buf text;
    size_t *begin; size_t n, cap;                   /* of each document in text; end is the next one's begin */
    size_t *first; size_t cap_first;                /* of its spans */
    qn_bits_span *span; size_t spans, cap_span;
} qn_bits_set;
/* QN_ENOTFOUND: no sidecar; QN_EINVAL: no document of it is in the validation split; QN_EFORMAT. */
int qn_bits_set_read(qn_bits_set *s, const qn_bits_options *o);
void qn_bits_set_drop(qn_bits_set *s);
/* progress may be NULL. */
int qn_bits_set_score(const qn_bits_set *s, const qn_scorer *scorer, qn_scorer_progress_fn *progress, void *arg,
                      qn_bits_result *r);

#endif
