/* eval/task.h — a task: items with what stands before, what is asked for, and what is right.
 *
 *   task.c        memory, few-shot draws, chance and majority       task_file.c   quern's own JSON lines
 *   benchmark.h   standard benchmarks as they are distributed, one file each
 *
 *   kind       an item is                          it is right when
 *   choice     context, choices, the right one     the right choice is the likeliest (also: per byte; greedy)
 *   pair       two whole texts, good and bad       the good one is the likelier
 *   generate   prompt, targets, a judge            the judge says so of the greedy answer
 *   text       a text                              — (bits per byte)
 *
 * All strings live in the task's arena. A task is filled by a reader, then constant. docs/EVALUATION.md describes the
 * file and what each field means. */
#ifndef QN_EVAL_TASK_H
#define QN_EVAL_TASK_H

#include "base/base.h"

typedef enum { QN_TASK_CHOICE, QN_TASK_PAIR, QN_TASK_GENERATE, QN_TASK_TEXT } qn_task_kind;
const char *qn_task_kind_name(qn_task_kind k);

typedef enum {
    QN_JUDGE_EXACT,             /* the whole answer, but for white space around it and one full stop at its end */
    QN_JUDGE_PREFIX,            /* its beginning, up to a word's end */
    QN_JUDGE_CONTAINS,          /* anywhere in it, as whole words */
    QN_JUDGE_NUMBER,            /* the last number in it */
    QN_JUDGE_ABSTAIN,           /* known: contains a target and no abstention; unknown: abstains */
    QN_JUDGE_REFUSE,            /* refuses where it shall, does not where it shall not */
    QN_JUDGE_CORRECT_PREMISE,   /* contains the right value and does not abstain */
    QN_JUDGE_RULES,             /* every rule of the item holds */
    QN_JUDGE_GSM8K,             /* the number behind "####"; beside it the last one anywhere */
    QN_JUDGES
} qn_judge;
const char *qn_judge_name(qn_judge j);
int qn_judge_from_name(qn_str name);            /* −1: none; GSM8K has no name */

typedef enum {
    QN_RULE_MAX_WORDS, QN_RULE_MIN_WORDS, QN_RULE_WORDS, QN_RULE_SENTENCES, QN_RULE_LINES, QN_RULE_STARTS_WITH,
    QN_RULE_ENDS_WITH, QN_RULE_CONTAINS, QN_RULE_LACKS, QN_RULE_LOWER, QN_RULE_UPPER, QN_RULE_EQUALS,
    QN_RULES
} qn_rule_kind;
typedef struct { qn_rule_kind kind; int64_t n; qn_str text; } qn_task_rule;
const char *qn_rule_name(qn_rule_kind k);
int qn_rule_from_name(qn_str name);             /* −1: none */
bool qn_rule_has_n(qn_rule_kind k);             /* "n" or "text" or neither is its argument */
bool qn_rule_has_text(qn_rule_kind k);

typedef struct { qn_str key, value; } qn_task_group;

typedef struct {
    qn_str id;
    qn_str context;             /* choice, generate: what stands before; text: the text itself */
    qn_str messages;            /* JSON, in place of context; s == NULL: none */
    const qn_str *choice;       /* [choices]; pair: good, bad. With the blank in front that belongs to them */
    const qn_str *before;       /* [choices] contexts of their own in place of `context`; NULL: none (WinoGrande) */
    int64_t choices, answer;
    int64_t set;                /* the choice set of the task that `choice` is; −1: its own */
    const qn_str *target;       /* [targets] */
    int64_t targets;
    qn_str shown;               /* what a shot shows as the answer, where that is not the right choice or target */
    qn_judge judge;
    const qn_str *stop;         /* [stops] */
    int64_t stops, max_tokens;
    int known;                  /* 1, 0; −1: not said */
    bool refuse;
    const qn_task_rule *rule;   /* [rules] */
    int64_t rules;
    const qn_task_group *group; /* [groups] */
    int64_t groups;
    qn_str preamble;            /* in front of the shots */
    qn_str kin;                 /* shots come from items with the same */
    const int32_t *shot;        /* [shots] items of the task's pool, shown before this one */
    int64_t shots;
} qn_task_item;

typedef struct { qn_str name; const qn_str *choice; int64_t choices; } qn_choice_set;

typedef struct qn_task {
    qn_str name, description, protocol;
    qn_str metric;              /* the figure that stands for the task */
    qn_task_kind kind;
    qn_task_item *item;
    size_t n, cap;
    qn_choice_set *set;
    size_t n_sets, set_cap;
    const qn_str *abstain, *refuse;     /* phrases that mean it */
    int64_t abstains, refuses;
    bool first_shots;           /* shots are the first of their kin, not drawn (MMLU) */
    struct qn_task *pool;       /* where shots come from; NULL: no shots, or the task itself */
    struct qn_task_block *blocks;
} qn_task;

int qn_task_new(qn_task **out);
void qn_task_free(qn_task *t);                  /* its pool too; NULL is fine */

/* ---- for readers ---- */

void *qn_task_alloc(qn_task *t, size_t bytes);              /* cleared, as long as t; NULL: QN_ENOMEM was set */
int qn_task_copy(qn_task *t, qn_str s, qn_str *out);        /* NUL-terminated */
QN_PRINTF(3, 4) int qn_task_print(qn_task *t, qn_str *out, const char *fmt, ...);
/* A new item at the end, with what is usual: its own choices, not said to be known, 64 tokens. */
int qn_task_add(qn_task *t, qn_task_item **out);
int qn_task_add_group(qn_task *t, qn_task_item *item, const char *key, qn_str value);
/* " " in front of a copy of s. */
int qn_task_spaced(qn_task *t, qn_str s, qn_str *out);

/* ---- after reading ---- */

/* Gives each item `shots` of the pool's (taken over; NULL: its own, and never the item itself): drawn once for the
 * whole task and each kin by the seed, or anew for every item; the first ones where the task says so. QN_EINVAL: the
 * pool has too few, or items cannot be shown (conversations). */
int qn_task_draw_shots(qn_task *t, qn_task *pool, int64_t shots, uint64_t seed, bool each);
/* What stands in front of the item's own context: its preamble and shots, appended. */
int qn_task_preface(const qn_task *t, const qn_task_item *item, qn_buf *out);

/* What guessing gives; NaN where that means nothing. chance: the mean of 1/choices. majority: always the answer that is
 * most frequent: among items of one choice set, by its text; among items with choices of their own, by its place; of
 * generated answers, the most frequent first target. */
double qn_task_chance(const qn_task *t);
int qn_task_majority(const qn_task *t, double *out);

/* Does a task of this kind, with this judge in its first item, have a figure of that name? Their names into `all`
 * (NULL: not wanted), for messages. */
bool qn_task_has_metric(qn_task_kind kind, qn_judge judge, qn_str metric, qn_buf *all);

/* ---- quern's own files ---- */

/* Every fault is an error that names file, line, field and what was expected (QN_EFORMAT); a task without items is one
 * too. */
int qn_task_read(qn_task **out, const char *path);

#endif
