/* eval/benchmark.c — the list of standard benchmarks, and what their readers share. */
#include "eval/benchmark.h"

#include <string.h>

#include "format/jsonl.h"

const qn_benchmark qn_benchmarks[] = {
    {"arc", "ARC, easy or challenge: school science, 3 to 5 choices", "a .jsonl file", 0, qn_arc_read, false},
    {"hellaswag", "HellaSwag: which of 4 endings", "a .jsonl file", 0, qn_hellaswag_read, false},
    {"piqa", "PIQA: which of 2 ways to do something", "a .jsonl file, its -labels.lst beside it", 0, qn_piqa_read,
     false},
    {"winogrande", "WinoGrande: whom a pronoun means", "a .jsonl file", 0, qn_winogrande_read, false},
    {"mmlu", "MMLU: 57 subjects, 4 choices", "the folder with test/ and dev/, or one .csv file", 5, qn_mmlu_read, true},
    {"gsm8k", "GSM8K: grade-school arithmetic, written out", "a .jsonl file", 5, qn_gsm8k_read, false},
    {"blimp", "BLiMP: minimal pairs of grammar", "a .jsonl file, or a folder of them", 0, qn_blimp_read, false},
    {0},
};

const qn_benchmark *qn_benchmark_find(const char *name) {
    for (const qn_benchmark *b = qn_benchmarks; b->name; b++)
        if (strcmp(b->name, name) == 0)
            return b;
    return NULL;
}

static int read_one(qn_task **out, const qn_benchmark *b, const char *path, bool examples) {
    QN_TRY(qn_task_new(out));
    (*out)->name = qn_str_of(b->name);
    (*out)->description = qn_str_of(b->about);
    (*out)->protocol = QN_STR("lm-evaluation-harness 0.4.9");
    QN_TRY(b->read(*out, path, examples));
    return (*out)->n > 0 ? 0 : qn_fail(QN_EFORMAT, "%s: no items; %s is %s", path, b->name, b->form);
}

int qn_benchmark_read(qn_task **out, const qn_benchmark *b, const char *path, const qn_shot_options *o) {
    const int64_t shots = o->shots < 0 ? b->shots : o->shots;
    const char *examples = o->examples ? o->examples : b->own_examples ? path : NULL;
    qn_task *pool = NULL;
    int rc = read_one(out, b, path, false);
    if (rc >= 0 && shots > 0 && examples)
        rc = read_one(&pool, b, examples, true);
    if (rc >= 0) {
        rc = qn_task_draw_shots(*out, pool, shots, o->seed, o->each);
        pool = NULL;                            /* the task's now */
    }
    qn_task_free(pool);
    if (rc < 0) {
        qn_task_free(*out);
        *out = NULL;
    }
    return rc;
}

/* ---- lines ---- */

int qn_each_line(qn_task *t, const char *path, qn_line_fn *fn, void *arg) {
    qn_jsonl *lines;
    qn_json *j;
    int more, rc = 0;
    QN_TRY(qn_jsonl_open(&lines, path, &(qn_jsonl_options){0}));
    while (rc >= 0 && (more = qn_jsonl_next(lines, &j)) != 0)
        rc = more < 0 ? more : fn(t, j, arg);
    qn_jsonl_close(lines);
    return rc;
}

int qn_read_string(qn_task *t, qn_json *j, const char *name, qn_str *out) {
    qn_buf text = {0};
    if (qn_json_peek(j) != '"')
        return qn_json_fail(j, QN_EFORMAT, "\"%s\": expected a string", name);
    int rc = qn_json_string(j, &text);
    if (rc >= 0)
        rc = qn_task_copy(t, qn_buf_view(&text), out);
    qn_buf_drop(&text);
    return rc;
}

static int get_one(qn_task *t, qn_json *j, const char *name, qn_str *out) {
    qn_str raw;
    const int kind = qn_json_peek(j);
    QN_TRY(kind);
    if (kind != '0')
        return qn_read_string(t, j, name, out);
    QN_TRY(qn_json_raw(j, &raw));
    return qn_task_copy(t, raw, out);
}

static int get_many(qn_task *t, qn_json *j, const char *name, qn_strs *out) {
    enum { MOST = 64 };
    qn_str v[MOST];
    int more;
    if (qn_json_peek(j) != '[')
        return qn_json_fail(j, QN_EFORMAT, "\"%s\": expected an array of strings", name);
    QN_TRY(qn_json_enter(j, '['));
    out->n = 0;
    while ((more = qn_json_item(j)) > 0) {
        if (out->n == MOST)
            return qn_json_fail(j, QN_EFORMAT, "\"%s\": expected at most %d strings", name, MOST);
        QN_TRY(get_one(t, j, name, &v[out->n++]));
    }
    QN_TRY(more);
    qn_str *kept = qn_task_alloc(t, (size_t)(out->n + 1) * sizeof *kept);
    if (!kept)
        return QN_ENOMEM;
    if (out->n > 0)
        memcpy(kept, v, (size_t)out->n * sizeof *v);
    out->v = kept;
    return 0;
}

static qn_field *find_field(qn_field *f, size_t n, qn_str key) {
    for (size_t i = 0; i < n; i++)
        if (qn_str_is(key, f[i].name))
            return &f[i];
    return NULL;
}

int qn_read_fields(qn_task *t, qn_json *j, qn_field *f, size_t n) {
    qn_str key;
    int more;
    QN_TRY(qn_json_enter(j, '{'));
    while ((more = qn_json_key(j, &key)) > 0) {
        qn_field *x = find_field(f, n, key);
        QN_TRY(!x ? qn_json_skip(j) : x->str ? get_one(t, j, x->name, x->str) : get_many(t, j, x->name, x->strs));
        if (x)
            x->seen = true;
    }
    QN_TRY(more);
    for (size_t i = 0; i < n; i++)
        if (!f[i].seen && !f[i].optional)
            return qn_json_fail(j, QN_EFORMAT, "expected a field \"%s\"", f[i].name);
    return 0;
}

int qn_add_choices(qn_task *t, qn_str id, qn_str context, qn_strs choices, int64_t answer, qn_task_item **out) {
    QN_TRY(qn_task_add(t, out));
    qn_task_item *item = *out;
    qn_str *spaced = qn_task_alloc(t, (size_t)choices.n * sizeof *spaced);
    if (!spaced)
        return QN_ENOMEM;
    for (int64_t c = 0; c < choices.n; c++)
        QN_TRY(qn_task_spaced(t, choices.v[c], &spaced[c]));
    item->id = id;
    if (id.n == 0)
        QN_TRY(qn_task_print(t, &item->id, "%zu", t->n - 1));
    item->context = context;
    item->choice = spaced;
    item->choices = choices.n;
    item->answer = answer;
    return 0;
}
