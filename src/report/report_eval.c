/* report/report_eval.c — what was measured of a model, in files beside its run.
 *
 *     hhh….json                         helpful, honest, harmless: report_align.c
 *     evaluation….json, eval/….json     {"tasks":[{"name","n","metric","value","lo","hi","chance","majority",
 *                                                  "baselines":{name: 0.4 or {"value","lo","hi"}},
 *                                                  "groups":{key:{value:{"value","lo","hi","n"}}}}]}
 *     bits….json                        {"floor":{kind:bits},"model":{kind:bits},
 *                                        "steps":[{"step","seconds","kinds":{kind:bits}}]}
 *
 * A later file's task takes the place of an earlier one's of the same name. Files without these members are passed
 * over; files that are no JSON are too, and that is said. */
#include <math.h>
#include <string.h>

#include "base/dir.h"
#include "base/file.h"
#include "report/members.h"
#include "report/report_impl.h"

#define FILE_MOST ((size_t)64 << 20)

/* key: of the groups that are read now; who: the baseline that they are of. */
typedef struct { qn_report *r; qn_report_run *run; qn_report_task *task; const char *key, *who; } reading;

/* ---- tasks ------------------------------------------------------------------------------------------------------- */

/* A number, or an object with "value", "lo", "hi". */
static qn_bar bar_of(qn_str value) {
    const double plain = qn_value_number(value);
    if (!isnan(plain))
        return (qn_bar){plain, NAN, NAN};
    const double bits = qn_member_number(value, "bits");        /* what bits files may say */
    const double v = qn_member_number(value, "value");
    return (qn_bar){isnan(v) ? bits : v, qn_member_number(value, "lo"), qn_member_number(value, "hi")};
}

static int take_group(void *arg, qn_str key, qn_str value) {
    const reading *f = arg;
    qn_report_task *t = f->task;
    QN_TRY(QN_GROW(QN_MEM_BASE, t->group, t->group_cap, t->groups + 1));
    qn_report_score *s = &t->group[t->groups];
    *s = (qn_report_score){.key = f->key, .name = qn_report_keep(f->r, key), .who = f->who, .bar = bar_of(value),
                           .n = qn_member_number(value, "n")};
    t->groups += s->name && !isnan(s->bar.value);
    return s->name ? 0 : QN_ENOMEM;
}

static int take_groups(void *arg, qn_str key, qn_str value) {
    reading f = *(const reading *)arg;
    f.key = qn_report_keep(f.r, key);
    return f.key ? qn_members_each(value, take_group, &f) : QN_ENOMEM;
}

static int take_baseline(void *arg, qn_str key, qn_str value) {
    reading f = *(const reading *)arg;
    qn_report_task *t = f.task;
    QN_TRY(QN_GROW(QN_MEM_BASE, t->baseline, t->baseline_cap, t->baselines + 1));
    qn_report_score *s = &t->baseline[t->baselines];
    *s = (qn_report_score){.key = "", .name = qn_report_keep(f.r, key), .who = "", .bar = bar_of(value),
                           .n = qn_member_number(value, "n")};
    if (!s->name)
        return QN_ENOMEM;
    f.who = s->name;
    t->baselines += !isnan(s->bar.value);
    return qn_members_each(qn_member(value, "groups"), take_groups, &f);
}

/* Other figures of the same answers: all but the one that stands for the task. */
static int take_metric(void *arg, qn_str key, qn_str value) {
    const reading *f = arg;
    return qn_str_is(key, f->task->metric) ? 0 : take_group(arg, key, value);
}

static void task_drop(qn_report_task *t) {
    qn_free(t->baseline);
    qn_free(t->group);
}

/* Room for a task: one of the same name gives its own. */
static int task_row(qn_report_run *run, const char *name, qn_report_task **out) {
    size_t i = 0;
    while (i < run->tasks && strcmp(run->task[i].name, name) != 0)
        i++;
    QN_TRY(QN_GROW(QN_MEM_BASE, run->task, run->task_cap, i + 1));
    if (i < run->tasks)
        task_drop(&run->task[i]);
    run->tasks = QN_MAX(run->tasks, i + 1);
    *out = &run->task[i];
    **out = (qn_report_task){.name = name, .metric = "", .description = ""};
    return 0;
}

static int take_task(void *arg, qn_str key, qn_str value) {
    reading f = *(const reading *)arg;
    const char *name;
    (void)key;
    const qn_bar bar = bar_of(value);
    QN_TRY(qn_report_take(f.r, &name, qn_member(value, "name")));
    if (!*name || isnan(bar.value))
        return 0;
    QN_TRY(task_row(f.run, name, &f.task));
    f.task->bar = bar;
    f.task->n = qn_member_number(value, "n");
    f.task->chance = qn_member_number(value, "chance");
    f.task->majority = qn_member_number(value, "majority");
    QN_TRY(qn_report_take(f.r, &f.task->metric, qn_member(value, "metric")));
    QN_TRY(qn_report_take(f.r, &f.task->description, qn_member(value, "description")));
    f.key = f.who = "";
    QN_TRY(qn_members_each(qn_member(value, "metrics"), take_metric, &f));
    QN_TRY(qn_members_each(qn_member(value, "groups"), take_groups, &f));
    return qn_members_each(qn_member(value, "baselines"), take_baseline, &f);
}

/* ---- bits -------------------------------------------------------------------------------------------------------- */

static int kind_row(const reading *f, qn_str name, qn_report_kind **out) {
    qn_report_run *run = f->run;
    for (size_t i = 0; i < run->kinds; i++)
        if (qn_str_is(name, run->kind[i].name)) {
            *out = &run->kind[i];
            return 0;
        }
    QN_TRY(QN_GROW(QN_MEM_BASE, run->kind, run->kind_cap, run->kinds + 1));
    *out = &run->kind[run->kinds];
    **out = (qn_report_kind){.name = qn_report_keep(f->r, name), .floor = NAN, .model = NAN};
    run->kinds += (*out)->name != NULL;
    return (*out)->name ? 0 : QN_ENOMEM;
}

static int take_floor(void *arg, qn_str key, qn_str value) {
    qn_report_kind *k;
    QN_TRY(kind_row(arg, key, &k));
    k->floor = bar_of(value).value;
    return 0;
}

static int take_model(void *arg, qn_str key, qn_str value) {
    qn_report_kind *k;
    QN_TRY(kind_row(arg, key, &k));
    k->model = bar_of(value).value;
    return 0;
}

typedef struct { reading f; double at; } step_reading;

static int take_step_kind(void *arg, qn_str key, qn_str value) {
    const step_reading *s = arg;
    qn_report_kind *k;
    QN_TRY(kind_row(&s->f, key, &k));
    QN_TRY(QN_GROW(QN_MEM_BASE, k->at, k->at_cap, k->n + 1));
    QN_TRY(QN_GROW(QN_MEM_BASE, k->bits, k->bits_cap, k->n + 1));
    k->at[k->n] = s->at;
    k->bits[k->n++] = bar_of(value).value;
    return 0;
}

static int take_step(void *arg, qn_str key, qn_str value) {
    const reading *f = arg;
    step_reading s = {.f = *f, .at = qn_member_number(value, f->run->bits_along)};
    (void)key;
    return isnan(s.at) ? 0 : qn_members_each(qn_member(value, "kinds"), take_step_kind, &s);
}

/* Along seconds where the first step tells them. */
static int see_seconds(void *arg, qn_str key, qn_str value) {
    (void)key;
    *(bool *)arg = !isnan(qn_member_number(value, "seconds"));
    return QN_ENOTFOUND;
}

static int take_bits(reading *f, qn_str text) {
    bool seconds = false;
    QN_TRY(qn_members_each(qn_member(text, "steps"), see_seconds, &seconds));
    f->run->bits_along = seconds ? "seconds" : "step";
    QN_TRY(qn_report_take(f->r, &f->run->bits_unit, qn_member(text, "unit")));
    if (!f->run->bits_unit[0])
        f->run->bits_unit = "bits";
    QN_TRY(qn_members_each(qn_member(text, "floor"), take_floor, f));
    QN_TRY(qn_members_each(qn_member(text, "model"), take_model, f));
    return qn_members_each(qn_member(text, "steps"), take_step, f);
}

/* ---- files ------------------------------------------------------------------------------------------------------- */

/* Is all of it JSON? The forgiving walks would take what stands before a broken place. */
static bool is_json(qn_str text) {
    qn_json j;
    qn_json_init(&j, text.s, text.n, "");
    const bool whole = qn_json_skip(&j) >= 0 && qn_json_end(&j) >= 0;
    qn_json_drop(&j);
    return whole;
}

static void drop_kinds(qn_report_run *run) {
    for (size_t i = 0; i < run->kinds; i++) {
        qn_free(run->kind[i].at);
        qn_free(run->kind[i].bits);
    }
    run->kinds = 0;
}

static int take_text(reading *f, qn_str text, const char *path) {
    if (!text.n || !is_json(text))
        return qn_report_remark(f->r, f->run, "%s is no whole JSON, and was passed over.", path);
    QN_TRY(qn_members_each(qn_member(text, "tasks"), take_task, f));
    QN_TRY(qn_report_take_alignment(f->r, text));
    if (!qn_member(text, "floor").n || !qn_member(text, "model").n)
        return 0;
    drop_kinds(f->run);
    return take_bits(f, text);
}

static int read_one(reading *f, const char *dir, const char *name) {
    qn_buf path = {0}, text = {0};
    int rc;
    QN_TRY_OUT(qn_path_join(&path, dir, name));
    rc = qn_is_file(path.s) ? qn_read_file(&text, path.s, FILE_MOST) : 0;
    if (rc < 0 && rc != QN_ENOMEM)
        rc = qn_report_remark(f->r, f->run, "%s", qn_error_message());
    else if (rc >= 0 && text.n)
        rc = take_text(f, qn_buf_view(&text), path.s);
out:
    qn_buf_drop(&path);
    qn_buf_drop(&text);
    return rc;
}

/* Names that begin with one of `begin` and end in .json, in their order. */
static int read_folder(reading *f, const char *dir, const char *const *begin, size_t n) {
    qn_dir_names l;
    int rc = qn_dir_list(&l, dir);
    if (rc < 0)
        return rc == QN_ENOMEM ? rc : 0;
    for (size_t i = 0; i < l.n && rc >= 0; i++) {
        const qn_str name = qn_str_of(l.name[i]);
        bool wanted = false;
        for (size_t k = 0; k < n; k++)
            wanted |= qn_str_starts(name, begin[k]);
        if (wanted && qn_str_ends(name, ".json"))
            rc = read_one(f, dir, l.name[i]);
    }
    qn_dir_names_drop(&l);
    return rc;
}

int qn_report_read_eval(qn_report *r, qn_report_run *run, const char *dir) {
    static const char *const beside[] = {"evaluation", "bits", "hhh"}, *const any[] = {""};
    reading f = {.r = r, .run = run};
    qn_buf inner = {0};
    int rc;
    QN_TRY_OUT(qn_path_join(&inner, dir, "eval"));
    if (qn_is_dir(inner.s))
        QN_TRY_OUT(read_folder(&f, inner.s, any, 1));
    rc = read_folder(&f, dir, beside, QN_LEN(beside));
out:
    qn_buf_drop(&inner);
    return rc;
}

/* ---- the report as a whole --------------------------------------------------------------------------------------- */

void qn_report_run_drop(qn_report_run *run) {
    for (size_t i = 0; i < run->tasks; i++)
        task_drop(&run->task[i]);
    drop_kinds(run);
    qn_run_table_drop(&run->metrics);
    qn_run_table_drop(&run->judged);
    qn_run_table_drop(&run->asked);
    qn_free(run->fact);
    qn_free(run->sample);
    qn_free(run->task);
    qn_free(run->kind);
    qn_free(run->source);
    qn_free(run->remark);
    qn_free(run->resumed);
}

int qn_report_new(qn_report **out) {
    *out = qn_zalloc(QN_MEM_BASE, 1, sizeof **out);
    return *out ? 0 : QN_ENOMEM;
}

void qn_report_free(qn_report *r) {
    if (!r)
        return;
    for (size_t i = 0; i < r->n; i++)
        qn_report_run_drop(&r->run[i]);
    for (size_t i = 0; i < r->owned; i++)
        qn_free(r->own[i]);
    qn_report_align_drop(r);
    qn_free(r->run);
    qn_free(r->own);
    qn_free(r);
}

int qn_report_add(qn_report *r, const char *dir) {
    QN_TRY(QN_GROW(QN_MEM_BASE, r->run, r->cap, r->n + 1));
    qn_report_run *run = &r->run[r->n];
    *run = (qn_report_run){.bits_unit = "bits", .bits_along = "step"};
    int rc = qn_report_read_run(r, run, dir);
    if (rc >= 0)
        rc = qn_report_read_eval(r, run, dir);
    if (rc < 0)
        qn_report_run_drop(run);
    else
        r->n++;
    return rc;
}
