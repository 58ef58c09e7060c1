/* world/set_write.h — the files of sets, row by row. The first error stays and silences the rest, as in qn_jw: rows
 * are written without looking, qn_set_end tells how it went. */
#ifndef QN_WORLD_SET_WRITE_H
#define QN_WORLD_SET_WRITE_H

#include "base/json.h"
#include "base/rng.h"
#include "world/sets.h"

/* A stream of draws: (seed, which) picks it. */
typedef struct { uint64_t seed, step, index; } qn_draw;
qn_draw qn_draw_new(uint64_t seed, const char *which);
int64_t qn_draw_below(qn_draw *d, int64_t n);               /* 0 … n−1 */
void qn_draw_shuffle(qn_draw *d, int32_t *v, int64_t n);

/* Contexts by their hashes: who used which, so that no file has one twice and no side has one of the other. */
typedef struct { uint64_t hash; int32_t file; bool training; } qn_used;

typedef struct {
    const qn_world *w;
    const qn_sets_options *o;
    const char *dir;
    qn_sets_report *report;
    qn_buf out;                 /* the file that is being written */
    qn_jw j;
    const char *name;
    int64_t rows;
    int32_t file;
    bool training;
    qn_used *used; size_t n_used, cap_used;     /* open addressing, a power of two; hash 0: free */
    qn_buf a, b, c;             /* scratch of whoever writes a row */
    qn_draw draw;               /* of this file */
    int rc;
} qn_sets;

void qn_sets_drop(qn_sets *s);
void qn_sets_keep(qn_sets *s, int rc);                      /* remembers the first error */

/* ---- files ---- */

void qn_set_begin(qn_sets *s, const char *name, bool training);     /* "eval/recall_seen", "sft" */
int qn_set_end(qn_sets *s);
/* May a row have this context? Marks it as used; false: another row has it. */
bool qn_set_fresh(qn_sets *s, qn_str context);
/* Was it used on this side only, if at all? */
bool qn_set_ours(const qn_sets *s, qn_str context);

/* ---- rows ---- */

qn_jw *qn_row_open(qn_sets *s);
void qn_row_close(qn_sets *s);
void qn_row_text(qn_sets *s, const char *key, qn_str value);
void qn_row_list(qn_sets *s, const char *key, const char *const *v);        /* ends with NULL */
void qn_row_tags(qn_sets *s, const char *const *pairs);                     /* "groups": key, value, …, NULL */
void qn_row_messages(qn_sets *s, qn_str user, qn_str answer);               /* answer.s NULL: only the question */
void qn_row_id(qn_sets *s);                                                 /* "id": name and number */

typedef struct {
    const char *kind, *about;
    const char *const *abstain, *const *refuse;         /* phrases, NULL at the end; may be NULL */
    bool values;                                        /* choice sets of all relations: "home", "trade" … */
    bool properties;                                    /* "river", "tool", "food", "season" */
    int numbers;                                        /* "number": 1 … numbers */
} qn_head;
void qn_set_head(qn_sets *s, const qn_head *h);

/* A rule that an answer can be held against (docs/EVALUATION.md). */
typedef struct { const char *rule; int64_t n; char text[48]; } qn_answer_rule;     /* n < 0 and "": not part of it */
void qn_row_rules(qn_sets *s, const qn_answer_rule *r, int n);

#endif
