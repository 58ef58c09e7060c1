/* cli/demo_told.c — what the evaluation found, in sentences: out of the files that the report draws. */
#include <math.h>
#include <stdio.h>

#include "base/file.h"
#include "cli/demo.h"
#include "report/members.h"

#define FILE_MAX_BYTES ((size_t)64 << 20)

int qn_demo_file(qn_demo *d, const char *name, qn_buf *out) {
    const char *path = qn_demo_path(d, name);
    return path ? qn_read_file(out, path, FILE_MAX_BYTES) : QN_ENOMEM;
}

/* Which of n entries an object is by its member "name"; n: none of them. An entry has `size` bytes, its name first. */
static int find_named(qn_str object, const void *list, size_t n, size_t size, size_t *at) {
    qn_buf name = {0};
    const int rc = qn_value_text(&name, qn_member(object, "name"));
    for (*at = 0; rc >= 0 && *at < n; ++*at)
        if (qn_str_is(qn_buf_view(&name), *(const char *const *)((const char *)list + *at * size)))
            break;
    qn_buf_drop(&name);
    return rc;
}

/* ---- tasks ---- */

typedef struct {
    const char *name;
    double value, lo, ngram, ngram_hi, cooc, untrained, head, torso;
} found;

/* All that is wanted of the tasks; above: such as lie above the 5-gram with intervals apart, of those that both did. */
typedef struct { found *task; size_t n; int above, both; } search;

static void take(found *f, qn_str task) {
    f->value = qn_member_number(task, "value");
    f->lo = qn_member_number(task, "lo");
    f->ngram = qn_member_number(task, "baselines.5-gram.value");
    f->ngram_hi = qn_member_number(task, "baselines.5-gram.hi");
    f->cooc = qn_member_number(task, "baselines.co-occur.value");
    f->untrained = qn_member_number(task, "baselines.untrained.value");
    f->head = qn_member_number(task, "groups.band.head.value");
    f->torso = qn_member_number(task, "groups.band.torso.value");
}

static int see_task(void *arg, qn_str key, qn_str task) {
    search *s = arg;
    found f = {0};
    size_t at;
    (void)key;
    take(&f, task);
    s->both += !isnan(f.ngram);
    s->above += f.lo > f.ngram_hi;
    QN_TRY(find_named(task, s->task, s->n, sizeof *s->task, &at));
    if (at < s->n) {
        f.name = s->task[at].name;
        s->task[at] = f;
    }
    return 0;
}

/* "81 %", or "?" where nothing of the kind was asked; into out, which is returned. */
static const char *percent(double share, char out[16]) {
    if (isnan(share))
        snprintf(out, 16, "?");
    else
        snprintf(out, 16, "%.0f %%", 100 * share);
    return out;
}

/* seldom: the task of facts that were told a few times only. */
static int tell_facts(qn_demo *d, const found *f, const found *seldom) {
    char text[7][16];
    if (isnan(f->value))
        return 0;
    return qn_demo_say(d, "Facts, asked in words that training never used for them: %s right (told often %s, sometimes "
                       "%s, seldom %s). The 5-gram gets %s, the untrained model %s; mere co-occurrence, which looks "
                       "the name up in the whole text, %s.", percent(f->value, text[0]), percent(f->head, text[1]),
                       percent(f->torso, text[2]), percent(seldom->value, text[3]), percent(f->ngram, text[4]),
                       percent(f->untrained, text[5]), percent(f->cooc, text[6]));
}

int qn_demo_tell_tasks(qn_demo *d) {
    found wanted[] = {{.name = "recall_transfer", .value = NAN}, {.name = "agreement", .value = NAN},
                      {.name = "reading", .value = NAN}, {.name = "recall_tail", .value = NAN}};
    search s = {.task = wanted, .n = QN_LEN(wanted)};
    qn_buf text = {0};
    int rc = qn_demo_file(d, "run/evaluation.json", &text);
    if (rc >= 0)
        rc = qn_members_each(qn_member(qn_buf_view(&text), "tasks"), see_task, &s);
    if (rc >= 0)
        rc = tell_facts(d, &wanted[0], &wanted[3]);
    if (rc >= 0)
        rc = qn_demo_say(d, "Verbs that agree with their subject: %.0f %% (5-gram %.0f %%). What stands in a text just "
                         "read: %.0f %% (5-gram %.0f %%). On %d of %d sets the model lies above the 5-gram, with the "
                         "intervals of both apart.", 100 * wanted[1].value, 100 * wanted[1].ngram,
                         100 * wanted[2].value, 100 * wanted[2].ngram, s.above, s.both);
    qn_buf_drop(&text);
    return rc;
}

/* ---- alignment ---- */

enum { STAGES = 3 };                    /* as it was, shown answers, shown preferences */
typedef struct { const char *name; double value[STAGES]; } row;
typedef struct { row *rows; size_t n; int model; } rows_of;

static int see_row(void *arg, qn_str key, qn_str of) {
    rows_of *s = arg;
    size_t at;
    (void)key;
    QN_TRY(find_named(of, s->rows, s->n, sizeof *s->rows, &at));
    if (at < s->n)
        s->rows[at].value[s->model] = qn_member_number(of, "value");
    return 0;
}

static int see_model(void *arg, qn_str key, qn_str model) {
    rows_of *s = arg;
    (void)key;
    const int rc = s->model < STAGES ? qn_members_each(qn_member(model, "rows"), see_row, s) : 0;
    s->model++;
    return rc;
}

/* "3 %, 91 %, 90 %" */
static const char *three(const row *r, char out[64]) {
    char text[STAGES][16];
    snprintf(out, 64, "%s, %s, %s", percent(r->value[0], text[0]), percent(r->value[1], text[1]),
             percent(r->value[2], text[2]));
    return out;
}

int qn_demo_tell_alignment(qn_demo *d) {
    row rows[] = {{"refusal", {NAN, NAN, NAN}}, {"over_refusal", {NAN, NAN, NAN}},
                  {"true_abstention", {NAN, NAN, NAN}}, {"false_abstention", {NAN, NAN, NAN}},
                  {"false_premise", {NAN, NAN, NAN}}, {"recall_transfer", {NAN, NAN, NAN}},
                  {"agreement", {NAN, NAN, NAN}}};
    rows_of s = {.rows = rows, .n = QN_LEN(rows)};
    qn_buf text = {0};
    char t[QN_LEN(rows)][64];
    int rc = qn_demo_file(d, "dpo/hhh.json", &text);
    if (rc >= 0)
        rc = qn_members_each(qn_member(qn_buf_view(&text), "models"), see_model, &s);
    if (rc >= 0)
        rc = qn_demo_say(d, "As it was, shown answers, shown preferences: refuses what does harm %s (and what does "
                         "none %s); says of strangers that it does not know %s (and of people it could know %s); "
                         "corrects a false premise %s. What it cost: facts in new words %s; agreement %s.",
                         three(&rows[0], t[0]), three(&rows[1], t[1]), three(&rows[2], t[2]),
                         three(&rows[3], t[3]), three(&rows[4], t[4]),
                         three(&rows[5], t[5]), three(&rows[6], t[6]));
    qn_buf_drop(&text);
    return rc;
}

/* ---- bits ---- */

int qn_demo_tell_bits(qn_demo *d) {
    static const char *const kinds[] = {"grammar", "style", "fact", "copy", "arithmetic"};
    qn_buf text = {0}, words = {0};
    int rc;
    QN_TRY_OUT(qn_demo_file(d, "run/bits.json", &text));
    for (size_t i = 0; i < QN_LEN(kinds); i++) {
        char path[64];
        snprintf(path, sizeof path, "kinds.%s.excess_per_byte", kinds[i]);
        const double excess = qn_member_number(qn_buf_view(&text), path);
        if (!isnan(excess))
            QN_TRY_OUT(qn_buf_printf(&words, "%s%s %.2f", words.n ? ", " : "", kinds[i], excess));
    }
    rc = qn_demo_say(d, "Bits for each byte above what is possible at all: %s.", words.n ? words.s : "none known");
out:
    qn_buf_drop(&text);
    qn_buf_drop(&words);
    return rc;
}
