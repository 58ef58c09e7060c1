/* cli/known_facts.c — a task in memory, an item for each fact and form, and who got enough of them right. */
#include "cli/known_facts.h"

#include "cli/eval_args.h"

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

static int make_task(const qn_world *w, qn_task **out) {
    qn_buf text = {0};
    int rc = qn_task_new(out);
    if (rc < 0)
        return rc;
    (*out)->name = QN_STR("known facts");
    for (int r = 0; rc >= 0 && r < w->relations; r++)
        rc = add_values(*out, w, (qn_relation)r);
    for (int64_t f = 0; rc >= 0 && f < w->people * w->relations; f++)
        for (int k = 0; rc >= 0 && k < QN_PROBES && qn_sets_tuned(w, qn_fact_person(w, f)); k++)
            rc = add_probe(*out, w, f, k, &text);
    qn_buf_drop(&text);
    return rc;
}

/* Items follow each other by facts, QN_PROBES each. */
static void count_right(const qn_world *w, const qn_task_result *r, qn_known_facts *out) {
    int64_t at = 0;
    for (int64_t f = 0; f < w->people * w->relations; f++) {
        int right = 0;
        if (!qn_sets_tuned(w, qn_fact_person(w, f)))
            continue;
        for (int k = 0; k < QN_PROBES; k++, at++)
            right += r->item[at].pick == r->item[at].item->answer;
        out->known[f] = right >= QN_PROBES_RIGHT;
        out->asked++;
        out->right += out->known[f];
    }
}

static int on_requests(void *arg, int64_t done, int64_t n) {
    qn_progress *bar = arg;
    bar->total = n;
    qn_progress_set(bar, done);
    return qn_cancel_check();
}

int qn_known_facts_find(qn_cli *c, const qn_world *w, const char *model, qn_known_facts *out) {
    qn_task *t = NULL;
    qn_model_scorer s = {0};
    qn_task_result r = {0};
    qn_progress bar;
    int rc;
    *out = (qn_known_facts){.known = qn_zalloc(QN_MEM_CLI, (size_t)(w->people * w->relations), sizeof *out->known)};
    if (!out->known)
        return QN_ENOMEM;
    qn_progress_init(&bar, c, "asking what is known", 0, "requests");
    QN_TRY_OUT(qn_model_scorer_open(c, &s, model, "model"));
    qn_session_scorer_progress(&s.scorer, on_requests, &bar);
    QN_TRY_OUT(make_task(w, &t));
    QN_TRY_OUT(qn_eval_task(t, &s.scorer, &(qn_eval_options){.draws = 1}, &r));
    count_right(w, &r, out);
out:
    qn_progress_drop(&bar);
    qn_task_result_drop(&r);
    qn_task_free(t);
    qn_model_scorer_drop(&s);
    return rc;
}

bool qn_known_facts_has(void *facts, int64_t fact) { return ((qn_known_facts *)facts)->known[fact]; }

void qn_known_facts_drop(qn_known_facts *k) {
    qn_free(k->known);
    *k = (qn_known_facts){0};
}
