/* world/sets.c — all files of one world, and the checks that the generator holds itself to. */
#include "world/sets.h"

#include "base/file.h"
#include "world/bow.h"
#include "world/forbidden.h"
#include "world/set_list.h"

/* What words alone may give away of a refusal. */
#define BLIND 0.6

static qn_rng_block side_of(const qn_world *w, int64_t person) {
    return qn_rng(w->seed, QN_RNG_WORLD, (uint64_t)1 << 54, (uint64_t)person);
}

bool qn_sets_unasked(const qn_world *w, int64_t person) { return side_of(w, person).v[1] % 8 == 0; }

/* One bit a relation; the last one is the opposite of the first, so that nobody is on one side only. */
bool qn_sets_tuned(const qn_world *w, int64_t fact) {
    const int64_t person = qn_fact_person(w, fact);
    const int relation = (int)qn_fact_relation(w, fact);
    const uint64_t bits = side_of(w, person).v[0];
    if (qn_sets_unasked(w, person))
        return false;
    return relation == w->relations - 1 ? !(bits & 1) : bits >> relation & 1;
}

bool qn_sets_known(const qn_sets *s, int64_t fact) {
    return !s->o->known || s->o->known(s->o->known_arg, fact);
}

/* ---- do words give a refusal away? ------------------------------------------------------------------------------- */

static int add_text(qn_buf *text, size_t *end, const qn_world *w, const qn_forbidden *f, bool forbidden) {
    QN_TRY(qn_forbidden_ask(w, f, forbidden, text));
    *end = text->n;
    return 0;
}

/* Every cell in every frame, once, both sides. */
static int all_pairs(const qn_world *w, qn_buf *text, size_t *end, qn_bow_text *t, int64_t *n) {
    qn_draw d = qn_draw_new(w->seed, "pairs");
    *n = 0;
    for (int k = 0; k < QN_ACTS * QN_OBJECTS * QN_FRAMES; k++) {
        qn_forbidden f = qn_forbidden_at(k);
        if (!qn_forbidden_possible(f.act, f.object, f.frame))
            continue;
        f.place = (int)qn_draw_below(&d, w->values);
        f.trade = (int)qn_draw_below(&d, w->values);
        for (int side = 0; side < 2; side++, ++*n) {
            QN_TRY(add_text(text, &end[*n], w, &f, side == 0));
            t[*n] = (qn_bow_text){.label = side == 0, .group = *n / 2};
        }
    }
    return 0;
}

static int check_words(const qn_world *w, qn_sets_report *r) {
    const size_t most = 2 * QN_ACTS * QN_OBJECTS * QN_FRAMES;
    qn_buf text = {0};
    size_t *end = qn_zalloc(QN_MEM_SCRATCH, most, sizeof *end);
    qn_bow_text *t = qn_zalloc(QN_MEM_SCRATCH, most, sizeof *t);
    int rc = end && t ? 0 : QN_ENOMEM;
    int64_t n = 0;
    qn_bow_result told = {0};
    if (rc == 0)
        rc = all_pairs(w, &text, end, t, &n);
    for (int64_t i = 0; i < n && rc == 0; i++) {
        size_t from = i ? end[i - 1] : 0;
        t[i].text = (qn_str){text.s + from, end[i] - from};
    }
    if (rc == 0)
        rc = qn_bow_test(t, n, &told);
    qn_free(end);
    qn_free(t);
    qn_buf_drop(&text);
    QN_TRY(rc);
    r->pairs = n / 2;
    r->bayes = told.bayes;
    r->logistic = told.logistic;
    if (told.bayes > BLIND || told.logistic > BLIND)
        return qn_fail(QN_ETEST, "the words alone tell %.1f %% (naive Bayes) and %.1f %% (logistic) of the forbidden "
                       "requests from their look-alikes; at most %.0f %% may be", 100 * told.bayes, 100 * told.logistic,
                       100 * BLIND);
    return 0;
}

/* ---- all files --------------------------------------------------------------------------------------------------- */

static int count_known(qn_sets *s) {
    const int64_t all = s->w->people * s->w->relations;
    s->report->facts = s->report->facts_known = 0;
    for (int64_t f = 0; f < all; f++) {
        if (!qn_sets_tuned(s->w, f))
            continue;
        s->report->facts++;
        s->report->facts_known += qn_sets_known(s, f);
    }
    if (s->report->facts_known < s->report->facts / 20 + 1)
        return qn_fail(QN_EINVAL, "%lld of %lld facts are known, too few to ask for in tuning; give a model that has "
                       "learned more of this world", (long long)s->report->facts_known, (long long)s->report->facts);
    return 0;
}

/* Evaluation first: what it uses, training may not. */
static int write_all(qn_sets *s) {
    QN_TRY(qn_set_recall(s, "eval/recall_seen", QN_FORM_SEEN, false));
    QN_TRY(qn_set_recall(s, "eval/recall_transfer", QN_FORM_TRANSFER, false));
    QN_TRY(qn_set_recall(s, "eval/recall_tail", QN_FORM_TRANSFER, true));
    QN_TRY(qn_set_recall(s, "eval/recall_unseen", QN_FORM_NEVER, false));
    QN_TRY(qn_set_two_hop(s, "eval/two_hop", false));
    QN_TRY(qn_set_two_hop(s, "eval/two_hop_steps", true));
    QN_TRY(qn_set_reading(s));
    QN_TRY(qn_set_long_range(s));
    QN_TRY(qn_set_agreement(s));
    QN_TRY(qn_set_arithmetic(s));
    QN_TRY(qn_set_instructions(s));
    QN_TRY(qn_set_instructions_chat(s));
    QN_TRY(qn_set_abstention(s));
    QN_TRY(qn_set_abstention_edge(s));
    QN_TRY(qn_set_false_premise(s));
    QN_TRY(qn_set_refusal(s));
    QN_TRY(qn_set_sft(s));
    QN_TRY(qn_set_preferences(s));
    QN_TRY(qn_set_prompts(s));
    return qn_set_passages(s);
}

/* Chats as the corpus writes its lessons, so that tuning can build on what a model knows of them. */
static const char chat_template[] =
    "{{- bos_token }}\n"
    "{%- for message in messages %}\n"
    "{%- if message.role == 'user' %}{{ 'Teacher: ' + message.content + '\\n' }}\n"
    "{%- elif message.role == 'assistant' %}{{ 'Pupil: ' + message.content + eos_token }}\n"
    "{%- else %}{{ message.content + '\\n' }}\n"
    "{%- endif %}\n"
    "{%- endfor %}\n"
    "{%- if add_generation_prompt %}{{ 'Pupil:' }}{% endif %}\n";

static int write_template(const char *dir) {
    qn_buf path = {0};
    int rc = qn_path_join(&path, dir, "chat_template.jinja");
    if (rc >= 0)
        rc = qn_write_file(path.s, chat_template, sizeof chat_template - 1);
    qn_buf_drop(&path);
    return rc;
}

int qn_sets_write(const qn_world *w, const qn_sets_options *o, const char *dir, qn_sets_report *report) {
    qn_sets s = {.w = w, .o = o, .dir = dir, .report = report};
    qn_buf path = {0};
    *report = (qn_sets_report){0};
    int rc = qn_path_join(&path, dir, "eval");
    if (rc >= 0)
        rc = qn_dir_make(path.s);
    qn_buf_drop(&path);
    if (rc >= 0)
        rc = count_known(&s);
    if (rc >= 0)
        rc = check_words(w, report);
    if (rc >= 0)
        rc = write_all(&s);
    if (rc >= 0)
        rc = write_template(dir);
    qn_sets_drop(&s);
    return QN_MIN(rc, 0);
}
