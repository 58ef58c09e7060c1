/* world/set_facts.c — what a model remembers of the corpus, asked in the corpus's own words: a sentence up to its value,
 * and all values of the relation to choose from.
 *
 *     recall      The road to the door of Marin Belling leads to │ Aldford
 *     two_hop     The house of Marin Belling lies on the river │ Ambel             … with Aldford in between: _steps
 *     reading     three strangers and what is said of them; then one of them is asked for
 */
#include "world/set_list.h"

#include "world/forms.h"

#include <stdio.h>
#include <string.h>

enum { FACTS_MOST = 1024, READING = 300 };

static const char *band_of(const qn_world *w, int64_t fact) {
    return qn_band_name((qn_band)w->fact[fact].band);
}

/* ---- recall ------------------------------------------------------------------------------------------------------ */

/* May this form be asked from left to right, by itself? Not a line of a ledger, not half of a dialogue. */
static bool asked(qn_relation r, int form, qn_form_kind kind) {
    const int place = qn_form_get(r, form)->place;
    return qn_world_form_kind(r, form) == kind && qn_world_form_value_last(r, form) && !qn_world_form_whole(r, form) &&
           (place == QN_REGISTER_ANY || place == QN_REGISTER_NAME);
}

/* One of the forms of a kind; there is at least one for each relation. */
static int draw_form(qn_draw *d, qn_relation r, qn_form_kind kind) {
    int fit[32], n = 0;
    for (int f = 0; f < qn_world_forms(r); f++)
        if (asked(r, f, kind))
            fit[n++] = f;
    qn_assert(n > 0);
    return fit[qn_draw_below(d, n)];
}

static qn_say say_fact(const qn_world *w, int64_t fact, int form) {
    const qn_person *p = &w->person[qn_fact_person(w, fact)];
    const qn_relation r = qn_fact_relation(w, fact);
    return (qn_say){.relation = r, .form = form, .value = p->value[r], .name = p->name, .she = p->she};
}

/* Appends the sentence as far as the value, without the blank before it: that belongs to the choice. */
static int put_open(const qn_world *w, const qn_say *s, qn_buf *out) {
    qn_said said;
    QN_TRY(qn_world_say(w, s, out, &said));
    out->n = said.phrase;
    while (out->n && out->s[out->n - 1] == ' ')
        out->n--;
    out->s[out->n] = 0;
    return 0;
}

static void choice_of_set(qn_sets *s, qn_str context, const char *set, int64_t answer) {
    qn_row_text(s, "context", context);
    qn_row_text(s, "choice_set", qn_str_of(set));
    qn_jw_key(&s->j, "answer");
    qn_jw_i64(&s->j, answer);
}

static void recall_row(qn_sets *s, int64_t fact, qn_form_kind kind) {
    const qn_relation r = qn_fact_relation(s->w, fact);
    const qn_say say = say_fact(s->w, fact, draw_form(&s->draw, r, kind));
    qn_buf_clear(&s->a);
    qn_sets_keep(s, put_open(s->w, &say, &s->a));
    if (s->rc < 0 || !qn_set_fresh(s, qn_buf_view(&s->a)))
        return;
    char form[8];
    snprintf(form, sizeof form, "%d", say.form);
    const char *tags[] = {"band", band_of(s->w, fact), "relation", qn_relation_name(r), "form", form, NULL};
    qn_row_open(s);
    qn_row_id(s);
    choice_of_set(s, qn_buf_view(&s->a), qn_relation_name(r), say.value);
    qn_jw_key(&s->j, "fact");
    qn_jw_i64(&s->j, fact);
    qn_row_tags(s, tags);
    qn_row_close(s);
}

/* Facts of people who were never taught the transfer forms: the same ones in all three files. */
static int32_t *scored_facts(qn_sets *s, int64_t *n) {
    const qn_world *w = s->w;
    int64_t all = w->people * w->relations;
    int32_t *fact = qn_alloc(QN_MEM_SCRATCH, (size_t)all * sizeof *fact);
    *n = 0;
    if (!fact)
        qn_sets_keep(s, QN_ENOMEM);
    for (int64_t f = 0; fact && f < all; f++)
        if (!w->person[qn_fact_person(w, f)].taught)
            fact[(*n)++] = (int32_t)f;
    qn_draw d = qn_draw_new(w->seed, "facts");
    if (fact && *n > FACTS_MOST) {
        qn_draw_shuffle(&d, fact, *n);
        *n = FACTS_MOST;
    }
    return fact;
}

int qn_set_recall(qn_sets *s, const char *name, qn_form_kind kind) {
    static const char *const about[] = {
        "Facts in forms that training uses for everybody; all values of the relation to choose from",
        "Facts in forms that training uses for other people only (the headline)",
        "Facts in forms that training never uses",
    };
    int64_t n;
    int32_t *fact = scored_facts(s, &n);
    qn_set_begin(s, name, false);
    qn_set_head(s, &(qn_head){.kind = "choice", .about = about[kind], .values = true});
    for (int64_t i = 0; i < n && s->rc == 0; i++)
        recall_row(s, fact[i], kind);
    qn_free(fact);
    return qn_set_end(s);
}

/* ---- two steps --------------------------------------------------------------------------------------------------- */

static const char *const direct[QN_RELATIONS] = {
    "The house of %.*s lies on the river", "The tool of %.*s is the", "The animal of %.*s likes to eat",
    "The season of the birthday of %.*s is",
};

/* "Marin Belling lives in Aldford. Aldford lies on the river": the step between is said. */
static int put_steps(qn_sets *s, int64_t fact, qn_buf *out) {
    const qn_relation r = qn_fact_relation(s->w, fact);
    const qn_say say = say_fact(s->w, fact, draw_form(&s->draw, r, QN_FORM_SEEN));
    size_t at[2];
    QN_TRY(qn_world_say(s->w, &say, out, NULL));
    QN_TRY(qn_buf_puts(out, ". "));
    QN_TRY(qn_world_say_property(s->w, r, say.value, (int)qn_draw_below(&s->draw, QN_PROPERTY_FORMS), out, at));
    out->n = at[0] - 1;
    out->s[out->n] = 0;
    return 0;
}

static void two_hop_row(qn_sets *s, int64_t fact, bool steps) {
    const qn_relation r = qn_fact_relation(s->w, fact);
    const qn_person *p = &s->w->person[qn_fact_person(s->w, fact)];
    if (!qn_relation_property(r) || s->w->fact[fact].band == QN_BAND_TAIL)
        return;
    qn_buf_clear(&s->a);
    qn_sets_keep(s, steps ? put_steps(s, fact, &s->a) : qn_buf_printf(&s->a, direct[r], QN_STR_ARG(p->name)));
    if (s->rc < 0 || !qn_set_fresh(s, qn_buf_view(&s->a)))
        return;
    const char *tags[] = {"band", band_of(s->w, fact), "relation", qn_relation_name(r), NULL};
    qn_row_open(s);
    qn_row_id(s);
    choice_of_set(s, qn_buf_view(&s->a), qn_relation_property(r), qn_world_property(s->w, r, p->value[r]));
    qn_row_tags(s, tags);
    qn_row_close(s);
}

int qn_set_two_hop(qn_sets *s, const char *name, bool steps) {
    int64_t n;
    int32_t *fact = scored_facts(s, &n);
    qn_set_begin(s, name, false);
    qn_set_head(s, &(qn_head){.kind = "choice", .properties = true,
                              .about = steps ? "Two facts in a chain, the one in the middle written out"
                                             : "Two facts in a chain, the one in the middle left out"});
    for (int64_t i = 0; i < n && s->rc == 0; i++)
        two_hop_row(s, fact[i], steps);
    qn_free(fact);
    return qn_set_end(s);
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

typedef struct { qn_buf name; bool she; int value; } stranger;

static void draw_stranger(qn_sets *s, stranger *p, int k) {
    const qn_unknown kind = k & 1 ? QN_UNKNOWN_NEW : QN_UNKNOWN_MIXED;
    const qn_name n = qn_world_unknown(s->w, kind, true, qn_draw_below(&s->draw, qn_world_unknowns(s->w, kind)));
    qn_buf_clear(&p->name);
    qn_sets_keep(s, qn_name_put(s->w, n, &p->name));
    p->she = n.she;
}

static int put_sentence(qn_sets *s, const stranger *p, qn_relation r, int value, bool pronoun) {
    const qn_say say = {.relation = r, .form = draw_form(&s->draw, r, QN_FORM_SEEN), .value = value,
                        .name = qn_buf_view(&p->name), .she = p->she,
                        .pronoun = pronoun};
    QN_TRY(qn_world_say(s->w, &say, &s->a, NULL));
    return qn_buf_puts(&s->a, ". ");
}

/* Is the pronoun possible in some form that draw_form may give? Those of QN_REGISTER_NAME need the name. */
static bool may_be_pronoun(qn_relation r) {
    for (int f = 0; f < qn_world_forms(r); f++)
        if (asked(r, f, QN_FORM_SEEN) && qn_form_get(r, f)->place == QN_REGISTER_NAME)
            return false;
    return true;
}

static void reading_row(qn_sets *s, stranger p[3], int n) {
    const qn_world *w = s->w;
    const qn_relation r = (qn_relation)(n % w->relations), other = (qn_relation)((n + 1 + n / 7 % (w->relations - 1)) % w->relations);
    int32_t value[64];
    for (int i = 0; i < 64; i++)
        value[i] = i;
    qn_draw_shuffle(&s->draw, value, QN_MIN(w->values, 64));
    qn_buf_clear(&s->a);
    for (int k = 0; k < 3; k++) {
        draw_stranger(s, &p[k], n + k);
        p[k].value = value[k];
        qn_sets_keep(s, put_sentence(s, &p[k], r, value[k], false));
        qn_sets_keep(s, put_sentence(s, &p[k], other, (int)qn_draw_below(&s->draw, w->values), may_be_pronoun(other)));
    }
    int who = (int)qn_draw_below(&s->draw, 3);
    const qn_say ask = {.relation = r, .form = draw_form(&s->draw, r, QN_FORM_SEEN), .value = p[who].value,
                        .name = qn_buf_view(&p[who].name), .she = p[who].she};
    qn_sets_keep(s, put_open(w, &ask, &s->a));
    if (s->rc < 0 || !qn_set_fresh(s, qn_buf_view(&s->a)))
        return;
    static const char *const place[] = {"first", "middle", "last"};
    const char *tags[] = {"relation", qn_relation_name(r), "place", place[who], NULL};
    qn_draw_shuffle(&s->draw, value, 4);
    qn_row_open(s);
    qn_row_id(s);
    qn_row_text(s, "context", qn_buf_view(&s->a));
    qn_jw_key(&s->j, "choices");
    qn_jw_open(&s->j, '[');
    int answer = 0;
    for (int k = 0; k < 4; k++) {
        qn_str word = qn_world_value(w, r, value[k]);
        qn_buf_clear(&s->b);
        qn_sets_keep(s, qn_buf_printf(&s->b, " %s%.*s", qn_world_article(w, r, value[k]), QN_STR_ARG(word)));
        qn_jw_str(&s->j, qn_buf_view(&s->b));
        answer = value[k] == p[who].value ? k : answer;
    }
    qn_jw_close(&s->j);
    qn_jw_key(&s->j, "answer");
    qn_jw_i64(&s->j, answer);
    qn_row_tags(s, tags);
    qn_row_close(s);
}

int qn_set_reading(qn_sets *s) {
    stranger p[3] = {0};
    qn_set_begin(s, "eval/reading", false);
    qn_set_head(s, &(qn_head){.kind = "choice", .about = "Three people nobody knows, and what is said of them just before; "
                                                         "one of four values, three of which were said"});
    for (int n = 0; n < READING && s->rc == 0; n++)
        reading_row(s, p, n);
    for (int k = 0; k < 3; k++)
        qn_buf_drop(&p[k].name);
    return qn_set_end(s);
}
