/* report/report_align.c — what `quern eval hhh` measured, in files beside a run: hhh….json.
 *
 *     {"suite":"hhh","reference":0,"models":[{"name","path","recipe":{"beta","mix"},
 *       "rows":[{"name","part","about","headline","lower_is_better","value","lo","hi","chance","difference":{…}}],
 *       "wins":{"all":{"rate","lo","hi"}},"length":{"bytes","bytes_reference"},"kl":{"value","lo","hi"}}]}
 *
 * The models of all files of all runs of a report stand in one list, each once: a sweep is several runs. */
#include <math.h>
#include <string.h>

#include "report/members.h"
#include "report/report_impl.h"

typedef struct { qn_report *r; qn_report_aligned *model; const char *reference; int64_t which, at; } reading;

static qn_bar bar_of(qn_str object, const char *value) {
    return (qn_bar){qn_member_number(object, value), qn_member_number(object, "lo"), qn_member_number(object, "hi")};
}

static int take_row(void *arg, qn_str key, qn_str value) {
    const reading *f = arg;
    qn_report_aligned *m = f->model;
    (void)key;
    QN_TRY(QN_GROW(QN_MEM_BASE, m->row, m->row_cap, m->rows + 1));
    qn_report_stand *s = &m->row[m->rows];
    *s = (qn_report_stand){
        .headline = qn_member_number(value, "headline") == 1, .lower = qn_member_number(value, "lower_is_better") == 1,
        .bar = bar_of(value, "value"), .tax = bar_of(qn_member(value, "difference"), "value"),
        .chance = qn_member_number(value, "chance"),
    };
    QN_TRY(qn_report_take(f->r, &s->name, qn_member(value, "name")));
    QN_TRY(qn_report_take(f->r, &s->part, qn_member(value, "part")));
    QN_TRY(qn_report_take(f->r, &s->about, qn_member(value, "about")));
    m->rows += *s->name && !isnan(s->bar.value);
    return 0;
}

static bool is_there(const qn_report *r, const char *name, const char *path) {
    for (size_t i = 0; i < r->aligned; i++)
        if (strcmp(r->align[i].name, name) == 0 && strcmp(r->align[i].path, path) == 0)
            return true;
    return false;
}

/* "60/20/20": pairs of helpful, honest, harmless in a hundred; how many of them are not of the first kind. */
static double share_of_mix(const char *mix) {
    double helpful;
    const char *slash = strchr(mix, '/');
    return slash && qn_parse_f64((qn_str){mix, (size_t)(slash - mix)}, &helpful) ? 100 - helpful : NAN;
}

static int take_model(void *arg, qn_str key, qn_str value) {
    reading f = *(const reading *)arg;
    qn_report *r = f.r;
    const char *name, *path;
    (void)key;
    QN_TRY(qn_report_take(r, &name, qn_member(value, "name")));
    QN_TRY(qn_report_take(r, &path, qn_member(value, "path")));
    if (!*name || is_there(r, name, path))
        return 0;
    QN_TRY(QN_GROW(QN_MEM_BASE, r->align, r->align_cap, r->aligned + 1));
    qn_report_aligned *m = f.model = &r->align[r->aligned++];
    *m = (qn_report_aligned){.name = name, .path = path, .beta = qn_member_number(value, "recipe.beta")};
    QN_TRY(qn_report_take(r, &m->mix, qn_member(value, "recipe.mix")));
    m->share = share_of_mix(m->mix);
    m->wins = bar_of(qn_member(value, "wins.all"), "rate");
    m->kl = bar_of(qn_member(value, "kl"), "value");
    m->bytes = qn_member_number(value, "length.bytes");
    m->bytes_reference = qn_member_number(value, "length.bytes_reference");
    return qn_members_each(qn_member(value, "rows"), take_row, &f);
}

/* The name of model number `reference`. */
static int find_reference(void *arg, qn_str key, qn_str value) {
    reading *f = arg;
    (void)key;
    return f->at++ == f->which ? qn_report_take(f->r, &f->reference, qn_member(value, "name")) : 0;
}

int qn_report_take_alignment(qn_report *r, qn_str text) {
    const double which = qn_member_number(text, "reference");
    reading f = {.r = r, .which = which >= 0 ? (int64_t)which : -1};
    qn_buf suite = {0};
    int rc = qn_value_text(&suite, qn_member(text, "suite"));
    const bool ours = suite.n && strcmp(suite.s, "hhh") == 0;
    qn_buf_drop(&suite);
    if (rc < 0 || !ours)
        return rc;
    QN_TRY(qn_members_each(qn_member(text, "models"), find_reference, &f));
    if (!r->reference && f.reference)
        r->reference = f.reference;
    return qn_members_each(qn_member(text, "models"), take_model, &f);
}

void qn_report_align_drop(qn_report *r) {
    for (size_t i = 0; i < r->aligned; i++)
        qn_free(r->align[i].row);
    qn_free(r->align);
}

const qn_report_stand *qn_report_stand_of(const qn_report_aligned *m, const char *name) {
    for (size_t i = 0; i < m->rows; i++)
        if (strcmp(m->row[i].name, name) == 0)
            return &m->row[i];
    return NULL;
}
