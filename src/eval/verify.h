/* eval/verify.h — what of a model stayed in another one that was made of it: a statement that can be made again.
 *
 *   verify.c         both models over the same tokens, row beside row         verify_ids.c     which tokens; tokenizers
 *   verify_limits.c  what may differ, by how the two are related; verdicts    verify_texts.c   the texts that it brings
 *   verify_text.c    the statement in words        verify_json.c  … as members of a JSON object
 *
 *     A ──┐ logits [rows, V]  ├─ |Δ|, KL(A‖B), the likeliest token, perplexities, bits       of texts
 *         ├───────────────────┤  |Δ|                                                        of ids that a seed drew
 *     B ──┘ greedy            └─ tokens until both part            tasks: facts that both know
 *
 *     const qn_verify_side a = {"a.gguf", session_a, tok_a, template_a}, b = {…};
 *     qn_verify_options o = {.relation = QN_VERIFY_CONVERT};
 *     qn_verify_result r;
 *     QN_TRY_OUT(qn_verify_run(&a, &b, &o, &r));
 *     QN_TRY_OUT(qn_verify_put_text(&r, &out));
 *     QN_TRY_OUT(qn_verify_verdict(&r));              // QN_EDIFFER, with what is beyond its limit
 *     out: qn_verify_drop(&r);
 *
 * The same two models give the same digits at one level of instructions, whatever the threads: logits do (NUMERICS.md),
 * and all sums are in double, in the order of the tokens. */
#ifndef QN_EVAL_VERIFY_H
#define QN_EVAL_VERIFY_H

#include <math.h>

#include "base/json.h"
#include "eval/result.h"

/* How B came out of A. ANY: no limits, figures alone. */
typedef enum {
    QN_VERIFY_ANY,
    QN_VERIFY_EXACT,            /* another form of the same numbers: the same bits */
    QN_VERIFY_MERGE,            /* an adapter on A, or in B's weights */
    QN_VERIFY_CONVERT,          /* other floats */
    QN_VERIFY_QUANTIZE,         /* blocks of integers on one side */
    QN_VERIFY_RELATIONS
} qn_verify_relation;
#define QN_VERIFY_CHOICES "any|exact|merge|convert|quantize"        /* in that order */
const char *qn_verify_relation_name(qn_verify_relation r);

/* What may differ; NaN: no limit. A figure that equals its limit keeps it. */
typedef struct {
    bool same_bits;             /* every logit */
    double delta;               /* the greatest |Δ| of a logit */
    double kl;                  /* the mean KL(A‖B), nats a token */
    double top1;                /* least share of positions with the same likeliest token */
    double ppl;                 /* |ppl B / ppl A − 1| */
    double facts;               /* share of a task's items that B may lose */
    double kept;                /* least share that B keeps of what A's adapters do (qn_verify_kept) */
} qn_verify_limits;

/* The coarsest dtype of a model's matrices: blocks before 16 bits before F32. */
qn_dtype qn_verify_coarsest(const qn_model *m);
/* The documented defaults (docs/EVALUATION.md), by the coarsest dtype of each model. */
qn_verify_limits qn_verify_limits_of(qn_verify_relation r, qn_dtype a, qn_dtype b);
#define QN_VERIFY_NO_LIMITS ((qn_verify_limits){false, NAN, NAN, NAN, NAN, NAN, NAN})
/* What two models look like: EXACT where their identities are one, QUANTIZE where one has blocks, else CONVERT. */
qn_verify_relation qn_verify_detect(const qn_model *a, const qn_model *b);

/* All borrowed; the two sessions are two. Of each, sequence 0 alone is used, cut to nothing again and again and never
 * reset: what was chosen for it (an adapter) stays. For tasks it is given to a scorer, which takes 2 sequences. */
typedef struct {
    const char *name;           /* for messages: its path */
    qn_session *session;
    const qn_tok *tok;
    qn_str chat_template;       /* s == NULL: it has none */
    const qn_scorer *scorer;    /* for tasks; NULL: one is made of the session */
} qn_verify_side;

typedef int qn_verify_progress_fn(void *arg, int64_t done, int64_t total);      /* tokens; <0 ends with that error */

typedef struct {
    qn_verify_relation relation;
    const qn_verify_limits *limits;     /* in place of the relation's; NULL, or NaN in it: the relation's own */
    const char *text; size_t n;         /* UTF-8, in place of the texts that are built in; NULL: those */
    int64_t ctx;                        /* tokens of a sequence; 0: 256, or what both sessions hold */
    int64_t tokens;                     /* most of the texts; 0: 2048. Texts that are built in share them */
    int64_t drawn;                      /* sequences of drawn ids, 32 each; 0: 8; −1: none */
    uint64_t seed;                      /* of the draws, and of the intervals of tasks */
    const qn_verify_side *bare;         /* A without its adapters, a third session: what they do is the yardstick of
                                         * what B lost; NULL: nothing is measured by it */
    const qn_task *const *tasks; int64_t n_tasks;
    int64_t task_limit;                 /* items of each, spread evenly; 0: all */
    qn_verify_progress_fn *progress; void *arg;
} qn_verify_options;

/* The figures of a row: a limit, and whether it was kept. */
typedef struct { const char *name; double value, limit; bool at_least, kept; } qn_verify_check;
enum { QN_VERIFY_CHECKS = 32 };

typedef struct {
    qn_str name;
    const char *metric;
    int64_t n;
    double a, b;
    qn_comparison d;                    /* b − a, paired */
} qn_verify_fact;

typedef struct {
    const char *a, *b;                  /* names; borrowed from the sides, as the tasks' names are from the tasks */
    qn_verify_relation relation;
    qn_verify_limits limits;
    /* what was fed */
    bool own_text;                      /* the user's, not those that are built in */
    int64_t ctx, sequences, tokens, drawn;      /* tokens: of texts; drawn: ids */
    uint64_t seed, fingerprint;         /* of all ids: equal for statements about the same tokens */
    /* tokenizers: of vocabularies that are equal, else nothing was compared */
    int64_t ids;
    bool specials_equal;                /* BOS, EOS, what is put around texts, what ends an answer … */
    const char *other_special;          /* … or which of them differs */
    bool template_equal;                /* neither has one, or both the same */
    /* logits: of all rows but those that are no numbers */
    int64_t rows, same_rows, not_numbers;
    int64_t V;                          /* ids compared: those that both have rows for */
    double max_delta, mean_delta;
    double spread;                      /* the mean over rows of the standard deviation of A's logits */
    /* of the rows of texts */
    int64_t text_rows, same_top;
    double kl_mean, kl_p99, kl_worst;
    int64_t worst_sequence, worst_position;     /* −1: nothing differs */
    qn_buf worst_text;                  /* what stands before it, its end */
    double top1;                        /* NaN: no rows */
    double effect;                      /* mean KL(A‖A without its adapters); NaN: was not measured */
    int64_t scored, bytes;              /* tokens with a next one, bytes of those */
    double ppl_a, ppl_b, ppl_ratio, bits_a, bits_b;     /* bits per byte */
    /* greedy continuations */
    int64_t prompts, length;            /* so many, of so many tokens at most */
    int64_t together;                   /* that never part */
    double shared_mean;                 /* tokens until they part, or the end */
    int64_t shared_least;
    qn_verify_fact *fact; int64_t facts;
    qn_verify_check check[QN_VERIFY_CHECKS]; int checks, failed;
    double seconds;
} qn_verify_result;

/* Drop the result in any case. QN_EDIFFER: the tokenizers differ (the first id, or first place of a text, is named);
 * QN_EINVAL: options, or a text of one token; QN_ESHAPE: ids beyond a model's rows; QN_ECANCEL, QN_ENOMEM and what
 * sessions and tasks give. Logits that are no numbers are no error: they are counted, and fail the verdict. */
int qn_verify_run(const qn_verify_side *a, const qn_verify_side *b, const qn_verify_options *o, qn_verify_result *r);
void qn_verify_drop(qn_verify_result *r);
/* What B keeps of what A's adapters do to the texts: 1 − KL(A‖B) / KL(A‖A without them). 1: all of it; 0: B is as far
 * from A as if it had none of it, below 0: farther. NaN: not measured, or they do nothing. */
double qn_verify_kept(const qn_verify_result *r);
/* 0, or QN_EDIFFER: the message names each figure that is beyond its limit. */
int qn_verify_verdict(const qn_verify_result *r);

/* The members of an object that is open; and the same for people, appended. */
void qn_verify_json(const qn_verify_result *r, qn_jw *w);
int qn_verify_put_text(const qn_verify_result *r, qn_buf *out);

/* ---- inside: verify_ids.c, verify_limits.c, verify_texts.c ---- */

extern const char *const qn_verify_texts[];     /* NULL behind the last */

typedef struct { int64_t begin, n; bool text; } qn_verify_span;
typedef struct {
    qn_ids ids;
    qn_verify_span *span; size_t n, cap;
} qn_verify_ids;
/* Vocabularies and texts must be the same (QN_EDIFFER); fills what r says of tokenizers and of what is fed. */
int qn_verify_tokenizers(const qn_verify_side *a, const qn_verify_side *b, qn_verify_result *r);
int qn_verify_ids_make(qn_verify_ids *v, const qn_verify_side *a, const qn_verify_side *b, const qn_verify_options *o,
                       qn_verify_result *r);
void qn_verify_ids_drop(qn_verify_ids *v);
void qn_verify_check_all(qn_verify_result *r);

#endif
