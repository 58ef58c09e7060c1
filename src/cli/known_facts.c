/* cli/known_facts.c — tasks in memory, an item for each fact and form, and who got enough of them right.
 *
 *     facts that are asked    0 … 15 │ 16 … 31 │ …         a task each; behind each a line of OUT.known
 *
 *     quern known facts 1 5f0c…                            of which model, world and arithmetic
 *     0110100…                                           a digit a fact, 16 a line; what was cut off is asked anew */
#include "cli/known_facts.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/eval_args.h"

#define HEAD "quern known facts 1 "
enum { CHUNK = 16, KEY = 16 };          /* facts of a task; digits of a key */
#define FILE_MAX ((size_t)64 << 20)

typedef struct {
    qn_cli *c;
    const qn_world *w;
    qn_known_facts *out;
    int64_t *fact, facts;               /* all that are asked, in order */
    int64_t done;
    qn_model_scorer s;
    qn_append_file file;
    qn_progress bar;
    double start;
} asking;

/* All values of a relation as choices: the set with its number. */
static int add_values(qn_task *t, const qn_world *w, qn_relation r) {
    QN_TRY(QN_GROW(QN_MEM_BASE, t->set, t->set_cap, t->n_sets + 1));
    qn_str *v = qn_task_alloc(t, (size_t)w->values * sizeof *v);
    if (!v)
        return QN_ENOMEM;
    for (int i = 0; i < w->values; i++)
        QN_TRY(qn_task_print(t, &v[i], " %s%.*s", qn_world_article(w, r, i), QN_STR_ARG(qn_world_value(w, r, i))));
    t->set[t->n_sets++] = (qn_choice_set){qn_str_of(qn_relation_name(r)), v, w->values};
    return 0;
}

static int add_probe(qn_task *t, const qn_world *w, int64_t fact, int which, qn_buf *text) {
    const qn_relation r = qn_fact_relation(w, fact);
    qn_task_item *item;
    QN_TRY(qn_task_add(t, &item));
    qn_buf_clear(text);
    QN_TRY(qn_sets_probe(w, fact, which, text));
    QN_TRY(qn_task_copy(t, qn_buf_view(text), &item->context));
    QN_TRY(qn_task_print(t, &item->id, "%lld.%d", (long long)fact, which));
    item->choice = t->set[r].choice;
    item->choices = t->set[r].choices;
    item->set = r;
    item->answer = w->person[qn_fact_person(w, fact)].value[r];
    return 0;
}

/* The next n facts. */
static int make_task(const asking *a, int64_t n, qn_task **out) {
    const qn_world *w = a->w;
    qn_buf text = {0};
    int rc = qn_task_new(out);
    if (rc < 0)
        return rc;
    (*out)->name = QN_STR("known facts");
    for (int r = 0; rc >= 0 && r < w->relations; r++)
        rc = add_values(*out, w, (qn_relation)r);
    for (int64_t i = 0; rc >= 0 && i < n; i++)
        for (int k = 0; rc >= 0 && k < QN_PROBES; k++)
            rc = add_probe(*out, w, a->fact[a->done + i], k, &text);
    qn_buf_drop(&text);
    return rc;
}

/* ---- what was asked before --------------------------------------------------------------------------------------- */

static void take(asking *a, bool known) {
    a->out->known[a->fact[a->done++]] = known;
    a->out->asked++;
    a->out->right += known;
}

/* Model, world and what else an answer hangs on, as digits. */
static void key_of(const asking *a, char key[KEY + 1]) {
    const qn_tensor_file *f = qn_source_tensors(a->s.m.source);
    char rest[200];
    uint64_t h = 0;
    for (size_t i = 0; f && i < qn_tensor_count(f); i++) {
        const qn_tensor_info *t = qn_tensor_at(f, i);
        h = qn_hash_bytes(t->name.s, t->name.n, h);
        h = qn_hash_bytes(t->data, t->bytes, h);
    }
    snprintf(rest, sizeof rest, "%s %lld %d %s %d %d %lld", QN_WORLD_VERSION, (long long)a->w->seed, (int)a->w->size,
             qn_isa_name(a->s.m.kernels->isa), qn_cli_enum(a->c, "weights"), (int)qn_session_kv_dtype(a->s.m.session),
             (long long)a->facts);
    snprintf(key, KEY + 1, "%016llx", (unsigned long long)qn_hash_bytes(rest, strlen(rest), h));
}

/* Whole lines of digits behind the head; *good: bytes of the file up to the last of them. */
static void take_lines(asking *a, qn_str text, size_t *good) {
    for (size_t at = *good; at < text.n;) {
        const char *lf = memchr(text.s + at, '\n', text.n - at);
        const size_t n = lf ? (size_t)(lf - text.s) - at : 0;
        if (!lf || (int64_t)n != QN_MIN(CHUNK, a->facts - a->done) || n == 0 || strspn(text.s + at, "01") < n)
            return;
        for (size_t i = 0; i < n; i++)
            take(a, text.s[at + i] == '1');
        at += n + 1;
        *good = at;
    }
}

/* Goes on with what is there of the same model and world; anything else of ours begins anew. */
static int open_answers(asking *a, const char *path) {
    char head[sizeof HEAD + KEY + 1], key[KEY + 1];
    qn_buf text = {0};
    size_t good = sizeof HEAD + KEY;
    int rc = 0;
    key_of(a, key);
    snprintf(head, sizeof head, HEAD "%s\n", key);
    if (qn_is_file(path))
        QN_TRY_OUT(qn_read_file(&text, path, FILE_MAX));
    QN_TRY_OUT(qn_buf_puts(&text, ""));
    if (text.n && !qn_str_starts(qn_buf_view(&text), HEAD)) {
        rc = qn_fail(QN_EINVAL, "%s: stands where the answers would be kept until the world is whole, and quern did "
                     "not write it; move it elsewhere, or choose another name for --out", path);
        goto out;
    }
    if (qn_str_starts(qn_buf_view(&text), head)) {
        take_lines(a, qn_buf_view(&text), &good);
        QN_TRY_OUT(qn_write_file(path, text.s, good));              /* without what a kill cut off */
        qn_log(QN_LOG_INFO, "%s: goes on behind %lld of %lld facts", path, (long long)a->done, (long long)a->facts);
    } else {
        QN_TRY_OUT(qn_write_file(path, head, strlen(head)));
    }
    rc = qn_append_open(&a->file, path);
out:
    qn_buf_drop(&text);
    return rc;
}

/* ---- asking ------------------------------------------------------------------------------------------------------ */

static int on_requests(void *arg, int64_t done, int64_t n) {
    asking *a = arg;
    const int64_t chunk = QN_MIN(CHUNK, a->facts - a->done);
    qn_progress_set(&a->bar, a->done + chunk * done / QN_MAX(n, 1));
    return qn_cancel_check();
}

/* Items follow each other by facts, QN_PROBES each. */
static int keep_right(asking *a, const qn_task_result *r, int64_t n) {
    char line[CHUNK + 1];
    for (int64_t i = 0; i < n; i++) {
        int right = 0;
        for (int k = 0; k < QN_PROBES; k++)
            right += r->item[i * QN_PROBES + k].pick == r->item[i * QN_PROBES + k].item->answer;
        line[i] = right >= QN_PROBES_RIGHT ? '1' : '0';
    }
    line[n] = '\n';
    QN_TRY(qn_append_write(&a->file, line, (size_t)n + 1));
    for (int64_t i = 0; i < n; i++)
        take(a, line[i] == '1');
    return 0;
}

static int ask_some(asking *a) {
    const int64_t n = QN_MIN(CHUNK, a->facts - a->done);
    qn_task_result r = {0};
    qn_task *t = NULL;
    int rc;
    QN_TRY_OUT(make_task(a, n, &t));
    QN_TRY_OUT(qn_eval_task(t, &a->s.scorer, &(qn_eval_options){.draws = 1}, &r));
    rc = keep_right(a, &r, n);
out:
    qn_task_result_drop(&r);
    qn_task_free(t);
    return rc;
}

/* Said once, when the first facts have told how long they take. */
static void say_how_long(const asking *a, int64_t before) {
    char clock[32];
    const double each = (qn_now() - a->start) / (double)(a->done - before);
    qn_log(QN_LOG_INFO, "%lld facts in %d forms with all values of each: about %s; Ctrl-C stops, and the same command "
           "goes on", (long long)a->facts, QN_PROBES, qn_clock_text(each * (double)(a->facts - before), clock));
}

static int ask_all(asking *a, const char *path) {
    const int64_t before = a->done;
    int rc = 0;
    qn_progress_init(&a->bar, a->c, "asking what is known", a->facts, "facts");
    a->bar.from = before;
    a->start = qn_now();
    qn_session_scorer_progress(&a->s.scorer, on_requests, a);
    while (rc >= 0 && a->done < a->facts) {
        const bool first = a->done == before;
        rc = ask_some(a);
        if (rc >= 0 && first && a->done < a->facts)
            say_how_long(a, before);
    }
    qn_progress_drop(&a->bar);
    if (rc == QN_ECANCEL)
        return qn_fail(rc, "interrupted behind %lld of %lld facts; the same command goes on there (%s)",
                       (long long)a->done, (long long)a->facts, path);
    return rc;
}

static int find_facts(asking *a) {
    const qn_world *w = a->w;
    a->fact = qn_zalloc(QN_MEM_CLI, (size_t)(w->people * w->relations), sizeof *a->fact);
    if (!a->fact)
        return QN_ENOMEM;
    for (int64_t f = 0; f < w->people * w->relations; f++)
        if (qn_sets_tuned(w, f))
            a->fact[a->facts++] = f;
    return 0;
}

int qn_known_facts_find(qn_cli *c, const qn_world *w, const char *model, const char *path, qn_known_facts *out) {
    asking a = {.c = c, .w = w, .out = out};
    int rc;
    *out = (qn_known_facts){.known = qn_zalloc(QN_MEM_CLI, (size_t)(w->people * w->relations), sizeof *out->known)};
    if (!out->known)
        return QN_ENOMEM;
    QN_TRY_OUT(find_facts(&a));
    QN_TRY_OUT(qn_model_scorer_open(c, &a.s, model, "model"));
    QN_TRY_OUT(open_answers(&a, path));
    rc = ask_all(&a, path);
out:
    qn_append_close(&a.file);
    qn_model_scorer_drop(&a.s);
    qn_free(a.fact);
    return rc;
}

bool qn_known_facts_has(void *facts, int64_t fact) { return ((qn_known_facts *)facts)->known[fact]; }

void qn_known_facts_drop(qn_known_facts *k) {
    qn_free(k->known);
    *k = (qn_known_facts){0};
}
