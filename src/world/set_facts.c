/* world/set_facts.c — what a model remembers of the corpus, asked in the corpus's own words: a sentence up to its
 * value, and all values of the relation to choose from.
 *
 *     recall      The road to the door of Marin Belling leads to │ Aldford
 *     two_hop     The house of Marin Belling lies on the river │ Ambel        … with Aldford in between: _steps */
#include "world/set_list.h"

#include "world/forms.h"

#include <stdio.h>
#include <string.h>

enum { FACTS_MOST = 1024 };

static const char *band_of(const qn_world *w, int64_t fact) {
    return qn_band_name((qn_band)w->fact[fact].band);
}

/* ---- recall ------------------------------------------------------------------------------------------------------ */

/* May this form be asked from left to right, by itself? Not a line of a ledger, not half of a dialogue, and the value
 * as the choices have it, with its article ("the best baker they know" is without). */
static bool asked(qn_relation r, int form, qn_form_kind kind) {
    const qn_form *f = qn_form_get(r, form);
    const bool bare = r != QN_REL_HOME && r != QN_REL_FEAST && strstr(f->text, "{v}");
    return f->kind == kind && !bare && qn_world_form_value_last(r, form) && !qn_world_form_whole(r, form) &&
           (f->place == QN_REGISTER_ANY || f->place == QN_REGISTER_NAME);
}

static qn_say say_fact(const qn_world *w, int64_t fact, int form) {
    const qn_person *p = &w->person[qn_fact_person(w, fact)];
    const qn_relation r = qn_fact_relation(w, fact);
    return (qn_say){.relation = r, .form = form, .value = p->value[r], .name = p->name, .she = p->she};
}

int qn_sets_probe(const qn_world *w, int64_t fact, int which, qn_buf *context) {
    const qn_relation r = qn_fact_relation(w, fact);
    int form = 0;
    for (int left = which; !asked(r, form, QN_FORM_SEEN) || left-- > 0; form++)
        qn_assert(form + 1 < qn_world_forms(r));
    const qn_say say = say_fact(w, fact, form);
    return qn_say_open(w, &say, context);
}

int qn_draw_form(qn_draw *d, qn_relation r, qn_form_kind kind) {
    int fit[32], n = 0;
    for (int f = 0; f < qn_world_forms(r); f++)
        if (asked(r, f, kind))
            fit[n++] = f;
    qn_assert(n > 0);
    return fit[qn_draw_below(d, n)];
}

int qn_say_open(const qn_world *w, const qn_say *s, qn_buf *out) {
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
    const qn_say say = say_fact(s->w, fact, qn_draw_form(&s->draw, r, kind));
    qn_buf_clear(&s->a);
    qn_sets_keep(s, qn_say_open(s->w, &say, &s->a));
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

/* Facts of people who were never taught the transfer forms: the same ones in all files. Facts of the tail, which a
 * corpus mentions a few times only, are a set of their own. */
static int32_t *scored_facts(qn_sets *s, bool tail, int64_t *n) {
    const qn_world *w = s->w;
    int64_t all = w->people * w->relations;
    int32_t *fact = qn_alloc(QN_MEM_SCRATCH, (size_t)all * sizeof *fact);
    *n = 0;
    if (!fact)
        qn_sets_keep(s, QN_ENOMEM);
    for (int64_t f = 0; fact && f < all; f++)
        if (!w->person[qn_fact_person(w, f)].taught && (w->fact[f].band == QN_BAND_TAIL) == tail)
            fact[(*n)++] = (int32_t)f;
    qn_draw d = qn_draw_new(w->seed, "facts");
    if (fact && *n > FACTS_MOST) {
        qn_draw_shuffle(&d, fact, *n);
        *n = FACTS_MOST;
    }
    return fact;
}

int qn_set_recall(qn_sets *s, const char *name, qn_form_kind kind, bool tail) {
    static const char *const about[] = {
        "Facts in forms that training uses for everybody; all values of the relation to choose from",
        "Facts in forms that training uses for other people only (the headline)",
        "Facts in forms that training never uses",
        "Facts that training states a few times, in forms that it uses for other people only",
    };
    int64_t n;
    int32_t *fact = scored_facts(s, tail, &n);
    qn_set_begin(s, name, false);
    qn_set_head(s, &(qn_head){.kind = "choice", .about = about[tail ? 3 : kind], .values = true});
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
    const qn_say say = say_fact(s->w, fact, qn_draw_form(&s->draw, r, QN_FORM_SEEN));
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
    if (!qn_relation_property(r))
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
    int32_t *fact = scored_facts(s, false, &n);
    qn_set_begin(s, name, false);
    qn_set_head(s, &(qn_head){.kind = "choice", .properties = true,
                              .about = steps ? "Two facts in a chain, the one in the middle written out"
                                             : "Two facts in a chain, the one in the middle left out"});
    for (int64_t i = 0; i < n && s->rc == 0; i++)
        two_hop_row(s, fact[i], steps);
    qn_free(fact);
    return qn_set_end(s);
}
