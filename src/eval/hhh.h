/* eval/hhh.h — helpful, honest, harmless: what alignment gained and what it cost, on the held-out sets of a world.
 *
 *   hhh.c        the sets, a model's answers to them, its figures     hhh_pairs.c  beside a reference: who wins, how
 *   hhh_rows.c   the table of figures                                              long answers are
 *   hhh_json.c   all of it as members of a JSON object                hhh_kl.c     … and KL
 *
 *     sets ──► every model ──► answers ──► rows: instructions │ abstains, corrects │ refuses     with intervals
 *                                 │              recall, two steps, arithmetic, bits by kind     (none is trained for)
 *                                 └──── reference's answers ──► differences (the tax), win rate, lengths, KL
 *
 *     QN_TRY(qn_hhh_sets_read(&sets, &(qn_hhh_options){.world = "world"}));
 *     QN_TRY(qn_hhh_answer(&sets, &scorer, &o, &answers));                    … for each model
 *     QN_TRY(qn_hhh_figures(&answers, &reference, &o, cells));         cells [QN_HHH_ROWS + kinds]
 *
 * The sets are those of `quern data world` (docs/WORLD_SETS.md): people, strangers, acts, objects and ways of asking
 * that no file of tuning has. Every figure is by rule; nobody's taste is in it. */
#ifndef QN_EVAL_HHH_H
#define QN_EVAL_HHH_H

#include "eval/bits.h"
#include "eval/result.h"

typedef enum { QN_HHH_HELPFUL, QN_HHH_HONEST, QN_HHH_HARMLESS, QN_HHH_CAPABILITY, QN_HHH_BITS, QN_HHH_PARTS }
    qn_hhh_part;
const char *qn_hhh_part_name(qn_hhh_part p);        /* "helpful" … "capability", "bits" */

/* The tasks, by the names of their files; the first QN_HHH_ASKED are chats, and must be there. */
enum { QN_HHH_INSTRUCTIONS, QN_HHH_ABSTENTION, QN_HHH_PREMISE, QN_HHH_REFUSAL, QN_HHH_ASKED,
       QN_HHH_EDGE = QN_HHH_ASKED, QN_HHH_RECALL, QN_HHH_TWO_HOP, QN_HHH_ARITHMETIC, QN_HHH_READING, QN_HHH_AGREEMENT,
       QN_HHH_TASKS };
extern const char *const qn_hhh_task_name[QN_HHH_TASKS];

/* One figure. `headline`: the one that stands for its part. */
typedef struct {
    const char *key, *title;        /* "over_refusal", "… refuses a look-alike" */
    qn_hhh_part part;
    int task;
    const char *figure;             /* of the task (figures.c), or "decided" */
    const char *group, *value;      /* only items of this group; NULL: all */
    bool lower, headline;           /* lower is better */
    double chance;                  /* of a coin; NaN: the task's own */
} qn_hhh_row;
extern const qn_hhh_row qn_hhh_rows[];      /* ends with a key of NULL */
enum { QN_HHH_ROWS = 28, QN_HHH_CELLS = QN_HHH_ROWS + QN_BITS_KINDS };

/* ---- the sets ---- */

typedef struct {
    const char *world;
    const char *data;               /* prepared from it: bits of its validation split only; NULL: of all documents */
    int64_t documents;              /* for bits, spread evenly; 0: 100; −1: no bits */
    const qn_tok *tok;              /* for data without a tokenizer of their own */
} qn_hhh_options;

/* How often the words alone tell one side from the other (naive Bayes, cross-validated): 0.5 is blind. */
typedef struct { double refusal, abstention, premise; } qn_hhh_words;

typedef struct {
    qn_task *task[QN_HHH_TASKS];    /* NULL: the world has none (of those behind QN_HHH_ASKED) */
    qn_bits_set bits;               /* empty: the world has no sidecar */
    qn_hhh_words words;
} qn_hhh_sets;
/* Drop the sets in any case. QN_ENOTFOUND: no world, or one of the four chats is not there. */
int qn_hhh_sets_read(qn_hhh_sets *s, const qn_hhh_options *o);
void qn_hhh_sets_drop(qn_hhh_sets *s);

/* ---- a model ---- */

typedef struct {
    qn_task_result task[QN_HHH_TASKS];
    double *bits, *bytes;           /* [documents][QN_BITS_KINDS] */
    int64_t documents;
} qn_hhh_answers;
int qn_hhh_answer(const qn_hhh_sets *s, const qn_scorer *scorer, const qn_eval_options *o, qn_hhh_answers *out);
void qn_hhh_answers_drop(qn_hhh_answers *a);

/* A figure, and its difference to the reference over the same items (NaN without one). n 0: there is none. */
typedef struct { double value; qn_interval in; int64_t n; double difference; qn_interval d; } qn_hhh_cell;
/* cell[row], in the order of qn_hhh_rows; then the kinds of bits at QN_HHH_ROWS. reference may be NULL. */
int qn_hhh_figures(const qn_hhh_answers *a, const qn_hhh_answers *reference, const qn_eval_options *o,
                   qn_hhh_cell cell[QN_HHH_CELLS]);
double qn_hhh_chance(const qn_hhh_sets *s, const qn_hhh_row *row);

/* ---- beside a reference: hhh_pairs.c, hhh_kl.c ---- */

/* Per item by its rules: better 1, equal 1/2, worse 0. Of rules of an item the share that is kept counts. */
typedef struct { double rate; qn_interval in; int64_t n, better, equal, worse; } qn_hhh_win;
enum { QN_HHH_ALIKE = 12 };         /* bytes: answers of like length differ by no more */
typedef struct {
    qn_hhh_win all, part[QN_HHH_CAPABILITY], alike;     /* alike: answers of like length */
    double bytes, bytes_reference;                      /* mean length of an answer */
    double tokens, tokens_reference;
    double longer;                                      /* share of answers that are longer than the reference's */
} qn_hhh_pairs;
int qn_hhh_compare(const qn_hhh_answers *a, const qn_hhh_answers *reference, const qn_eval_options *o,
                   qn_hhh_pairs *out);

/* KL(model ‖ reference), nats a token, whole distributions, along the reference's own (greedy) answers to the four
 * chats: the same contexts for every model. items: of each chat, spread evenly; 0: all. Sequence 0 of both sessions is
 * used, with the adapters that it has.
 *
 * Where vocabularies differ it is of both distributions over the ids that both spell alike, each made to sum to 1, and
 * `outside` says how much of each lay elsewhere, on average. An answer is followed up to the first id that only one of
 * them knows; of a conversation whose question has one nothing is left. n 0: of all of them (or nothing renders), and
 * there is no KL. */
typedef struct {
    double mean; qn_interval in;
    int64_t n, tokens;                              /* conversations, positions */
    int64_t ids, ids_model, ids_reference;          /* compared; rows of each */
    double outside, outside_reference;              /* shares of probability */
    int64_t left_out;                               /* conversations */
} qn_hhh_kl;
int qn_hhh_kl_run(const qn_scorer *reference, qn_session *reference_session, const qn_hhh_answers *reference_answers,
                  const qn_tok *tok, qn_session *session, int64_t items, const qn_eval_options *o, qn_hhh_kl *out);

/* ---- all models: hhh_json.c ---- */

typedef struct {
    const char *name, *path, *identity;
    const char *const *adapter; size_t n_adapters;      /* as they were named */
    qn_str recipe;                  /* JSON, what its run was asked for; s == NULL: not known */
    qn_hhh_cell cell[QN_HHH_CELLS];
    qn_hhh_pairs pairs;             /* of all but the reference */
    qn_hhh_kl kl;
} qn_hhh_model;
typedef struct {
    const qn_hhh_sets *sets;
    qn_hhh_model *model; int64_t n;
    int64_t reference;              /* −1: none */
    uint64_t seed;
} qn_hhh_result;
/* The members of an object that is open; docs/EVALUATION.md. */
void qn_hhh_json(const qn_hhh_result *r, qn_jw *w);

#endif
