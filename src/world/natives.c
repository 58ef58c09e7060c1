/* world/natives.c — slots that are functions: the facts that the plan gave to a document, sums.
 *
 *     {!tell} one sentence about the topic (A, then B … after {!next}); {!tellall} all that is left to tell of it
 *
 * A sentence states one to three facts. One alone takes any form that belongs here, with words before or behind it;
 * several are the verbs of one subject: "Marin Belling, who lives in Aldford, keeps a goose and owns a silver bell." */
#include <string.h>

#include "world/forms.h"
#include "world/grammar.h"

#define SAY(g, rule) qn_gen_say(g, rule)

static void fail(qn_gen *g, int rc) { g->rc = g->rc < 0 ? g->rc : QN_MIN(rc, 0); }

/* ---- one fact ---------------------------------------------------------------------------------------------------- */

static qn_say say_of(const qn_gen *g, qn_relation r, int form, bool pronoun) {
    const qn_actor *a = &g->actor[g->topic];
    return (qn_say){.relation = r, .form = form, .value = g->w->person[a->person].value[r], .she = a->she,
                    .name = {a->name, a->name_n}, .pronoun = pronoun, .lower = true};
}

static void put_part(qn_gen *g, size_t from, size_t to) { qn_gen_put(g, g->scratch.s + from, to - from); }

static void put_value(qn_gen *g, const qn_say *s, const qn_said *at) {
    qn_gen_mark_fact(g, qn_fact_id(g->w, g->actor[g->topic].person, s->relation), s->form);
    put_part(g, at->value, at->value_end);
    qn_gen_mark(g, QN_SPAN_STYLE);
}

/* What stands in `scratch`, name and value with spans of their own. at->name == SIZE_MAX: no name in it. */
static void put_said(qn_gen *g, const qn_say *s, const qn_said *at) {
    const bool name_first = at->name < at->value, nameless = at->name == SIZE_MAX;
    size_t from = 0;
    if (!name_first) {
        put_part(g, from, at->value);
        put_value(g, s, at);
        from = at->value_end;
    }
    if (!nameless) {
        put_part(g, from, at->name);
        if (s->pronoun) {
            qn_gen_mark_from(g, QN_SPAN_GRAMMAR, g->actor[g->topic].last);
            put_part(g, at->name, at->name_end);
            qn_gen_mark(g, QN_SPAN_STYLE);
        } else {
            qn_gen_name(g, g->topic, false);
        }
        from = at->name_end;
    }
    if (name_first) {
        put_part(g, from, at->value);
        put_value(g, s, at);
        from = at->value_end;
    }
    put_part(g, from, g->scratch.n);
}

static void say_form(qn_gen *g, qn_relation r, int form, bool pronoun) {
    const qn_say s = say_of(g, r, form, pronoun);
    qn_said at;
    qn_buf_clear(&g->scratch);
    fail(g, qn_world_say(g->w, &s, &g->scratch, &at));
    if (g->rc == 0)
        put_said(g, &s, &at);
}

/* "keeps a goose": the verb and what follows, of a form that can do without its subject. */
static void say_verb(qn_gen *g, qn_relation r) {
    const int form = (int)qn_choose(g, 3);
    const qn_say s = say_of(g, r, form, true);
    qn_said at = {.name = SIZE_MAX};
    qn_buf_clear(&g->scratch);
    fail(g, qn_form_put(g->w, &s, strchr(qn_form_get(r, form)->text, '|') + 1, &g->scratch, &at));
    if (g->rc == 0)
        put_said(g, &s, &at);
}

static qn_relation take_relation(qn_gen *g) {
    qn_actor *a = &g->actor[g->topic];
    uint32_t skip = qn_choose(g, (uint32_t)__builtin_popcount(a->facts));
    for (int r = 0;; r++)
        if (a->facts >> r & 1 && skip-- == 0) {
            a->facts &= ~(1u << r);
            return (qn_relation)r;
        }
}

/* Forms of this register count three times; those of others not at all. */
static int choose_form(qn_gen *g, qn_relation r, bool pronoun) {
    uint16_t weight[QN_FORMS_TRAINED];
    uint32_t total = 0;
    for (int f = 0; f < QN_FORMS_TRAINED; f++) {
        const qn_form *form = qn_form_get(r, f);
        const bool any = form->place == QN_REGISTER_ANY || (form->place == QN_REGISTER_NAME && !pronoun);
        const int home = form->place == QN_REGISTER_REQUEST ? QN_REGISTER_LETTER : form->place;
        const bool here = home == g->place && !(pronoun && g->place == QN_REGISTER_TALK);
        weight[f] = here && form->place > QN_REGISTER_NAME ? 4 : any && g->place != QN_REGISTER_LEDGER;
        if (form->kind == QN_FORM_TRANSFER)
            weight[f] = g->w->person[g->actor[g->topic].person].taught ? weight[f] * 5 : 0;
        total += weight[f];
    }
    return (int)qn_choose_weighted(g, weight, QN_FORMS_TRAINED, total);
}

static void tell_one(qn_gen *g, bool pronoun) {
    const qn_relation r = take_relation(g);
    const int form = choose_form(g, r, pronoun);
    const bool talk = qn_form_get(r, form)->place == QN_REGISTER_TALK;
    const bool request = qn_form_get(r, form)->place == QN_REGISTER_REQUEST;
    const bool behind = talk || (!request && qn_choose(g, 2));
    g->big = true;
    if (talk || !behind)
        SAY(g, talk ? "fact.ask" : request ? "fact.beg" : "fact.before");
    say_form(g, r, form, pronoun);
    if (behind)
        SAY(g, "fact.after");
    qn_gen_puts(g, ".");
}

/* ---- several facts ----------------------------------------------------------------------------------------------- */

static void put_subject(qn_gen *g, bool pronoun) {
    if (!pronoun) {
        qn_gen_name(g, g->topic, false);
        return;
    }
    qn_gen_mark_from(g, QN_SPAN_GRAMMAR, g->actor[g->topic].last);
    qn_gen_puts(g, g->actor[g->topic].she ? "she" : "he");
    qn_gen_mark(g, QN_SPAN_STYLE);
}

static void tell_some(qn_gen *g, int n, bool pronoun) {
    qn_relation r[3];
    for (int i = 0; i < n; i++)
        r[i] = take_relation(g);
    const bool who = !pronoun && qn_choose(g, 2);           /* the first verbs in between */
    const uint32_t wrap = qn_choose(g, 6);
    g->big = true;
    if (wrap == 0)
        SAY(g, "fact.before");
    put_subject(g, pronoun);
    qn_gen_puts(g, who ? ", who " : " ");
    say_verb(g, r[0]);
    qn_gen_puts(g, who ? ", " : n == 2 ? " and " : ", ");
    say_verb(g, r[1]);
    if (n == 3) {
        qn_gen_puts(g, " and ");
        say_verb(g, r[2]);
    }
    if (wrap == 1 && n == 2)
        SAY(g, "fact.after");
    qn_gen_puts(g, ".");
}

static void tell(qn_gen *g) {
    static const uint16_t of_two[2] = {1, 3}, of_more[3] = {3, 3, 8};
    const int left = __builtin_popcount(g->actor[g->topic].facts);
    if (left == 0)
        return;
    const qn_class before = qn_gen_class(g, QN_CLASS_FACTS);
    const bool single = left == 1 || g->place == QN_REGISTER_LEDGER;
    const bool two = left == 2;
    const int n = single ? 1 : 1 + (int)qn_choose_weighted(g, two ? of_two : of_more, two ? 2 : 3, two ? 4 : 14);
    const bool pronoun = g->named && qn_choose(g, 5) < 3;
    qn_gen_puts(g, " ");
    if (n == 1)
        tell_one(g, pronoun);
    else
        tell_some(g, n, pronoun);
    g->named = true;
    qn_gen_class(g, before);
}

static void tell_all(qn_gen *g) {
    while (g->actor[g->topic].facts && g->rc == 0)
        tell(g);
}

/* A line of a book: no words around the form. */
static void entry_line(qn_gen *g) {
    while (g->actor[g->topic].facts && g->rc == 0) {
        const qn_class before = qn_gen_class(g, QN_CLASS_FACTS);
        const qn_relation r = take_relation(g);
        g->big = true;
        SAY(g, "ledger.before");
        g->big = false;
        say_form(g, r, 9, false);
        SAY(g, "ledger.after");
        qn_gen_puts(g, ".\n");
        qn_gen_class(g, before);
    }
}

static void next(qn_gen *g) {
    g->topic++;
    g->named = false;
}

static void again(qn_gen *g) {      /* another sentence stood in between: the name is due again */
    g->named = false;
}

static void same(qn_gen *g) {       /* the text has just spoken of the topic and of nobody else */
    g->named = true;
}

/* ---- what is true of values -------------------------------------------------------------------------------------- */

static void property(qn_gen *g) {
    const qn_class before = qn_gen_class(g, QN_CLASS_FACTS);
    const qn_relation r = (qn_relation)qn_choose(g, QN_REL_FEAST + 1);
    const int value = (int)qn_choose(g, (uint32_t)g->w->values), form = (int)qn_choose(g, QN_PROPERTY_FORMS);
    size_t at[2];
    qn_buf_clear(&g->scratch);
    fail(g, qn_world_say_property(g->w, r, value, form, &g->scratch, at));
    if (g->rc == 0) {
        const bool name_first = (r == QN_REL_HOME || r == QN_REL_FEAST) && form == 0, behind = qn_choose(g, 2);
        qn_gen_puts(g, " ");
        g->big = true;
        if (!behind)
            SAY(g, "fact.before");
        if (!name_first && !g->big)
            g->scratch.s[0] |= 32;
        put_part(g, 0, at[0]);
        qn_gen_mark_fact(g, qn_property_id(g->w, r, value), -1);
        put_part(g, at[0], at[1]);
        qn_gen_mark(g, QN_SPAN_STYLE);
        put_part(g, at[1], g->scratch.n);
        if (behind)
            SAY(g, "fact.after");
        qn_gen_puts(g, ".");
    }
    qn_gen_class(g, before);
}

/* ---- kinship ----------------------------------------------------------------------------------------------------- */

/* "Marin Belling is the brother of Taria Pemble." */
static void kin(qn_gen *g) {
    const qn_actor *a = &g->actor[g->topic];
    const qn_class before = qn_gen_class(g, QN_CLASS_FACTS);
    const int which = (int)qn_choose(g, 2);
    const bool pronoun = g->named && qn_choose(g, 2);
    const qn_person *p = &g->w->person[a->person], *other = &g->w->person[which ? p->teacher : p->sibling];
    qn_gen_puts(g, " ");
    g->big = true;
    if (qn_choose(g, 2))
        SAY(g, "fact.before");
    put_subject(g, pronoun);
    SAY(g, which ? "kin.teacher" : a->she ? "kin.sister" : "kin.brother");
    qn_gen_mark_fact(g, qn_kin_id(g->w, a->person, which), -1);
    qn_gen_put(g, other->name.s, other->name.n);
    qn_gen_mark(g, QN_SPAN_STYLE);
    if (qn_choose(g, 2))
        SAY(g, "fact.after");
    qn_gen_puts(g, ".");
    g->named = false;                       /* two people now: a pronoun might mean either */
    qn_gen_class(g, before);
}

/* ---- sums -------------------------------------------------------------------------------------------------------- */

static void put_number(qn_gen *g, int64_t v) {
    char text[24];
    size_t n = sizeof text;
    do
        text[--n] = (char)('0' + v % 10);
    while ((v /= 10) > 0);
    qn_gen_put(g, text + n, sizeof text - n);
}

/* The first operand of a sum, what its result follows from. */
static void put_operand(qn_gen *g, int64_t v) {
    g->operand_at = (int64_t)g->out.n;
    put_number(g, v);
}

/* least … most; of things that are counted in words there are two at least: "1 eggs" would be wrong. */
static void number(qn_gen *g, int reg, uint32_t least, uint32_t most) {
    g->number[reg] = least + qn_choose(g, most - least + 1);
    (reg == 1 ? put_operand : put_number)(g, g->number[reg]);
}

static void result(qn_gen *g, int64_t v) {
    qn_gen_mark_from(g, QN_SPAN_ARITHMETIC, g->operand_at);
    put_number(g, v);
    qn_gen_mark(g, QN_SPAN_STYLE);
}

static void number_1(qn_gen *g) { number(g, 1, 1, 20); }
static void number_2(qn_gen *g) { number(g, 2, 1, 20); }
static void many_1(qn_gen *g) { number(g, 1, 2, 20); }
static void many_2(qn_gen *g) { number(g, 2, 2, 20); }
static void digit_1(qn_gen *g) { number(g, 1, 2, 9); }
static void digit_2(qn_gen *g) { number(g, 2, 2, 9); }
static void digit_3(qn_gen *g) { number(g, 3, 2, 9); }
static void sum_12(qn_gen *g) { result(g, g->number[1] + g->number[2]); }
static void sum_123(qn_gen *g) { result(g, g->number[1] + g->number[2] + g->number[3]); }
static void product_12(qn_gen *g) { result(g, g->number[1] * g->number[2]); }
static void difference_12(qn_gen *g) { result(g, g->number[1]); }

/* What is left is drawn first, so that what is taken away is never more. */
static void minuend(qn_gen *g) {
    g->number[1] = 2 + qn_choose(g, 19);
    g->number[2] = 2 + qn_choose(g, 19);
    put_operand(g, g->number[1] + g->number[2]);
}
static void subtrahend(qn_gen *g) { put_number(g, g->number[2]); }

/* A ledger counts its lines, which leave some out, and what was paid. */
enum { ROW = QN_REGISTERS - 2, TOTAL };

static void row(qn_gen *g) {
    g->number[ROW] += 1 + qn_choose(g, 4);
    put_number(g, g->number[ROW]);
}

static void pence(qn_gen *g) {
    const int64_t paid = 2 + qn_choose(g, 11);
    (g->number[TOTAL] ? put_number : put_operand)(g, paid);
    g->number[TOTAL] += paid;
}

static void total(qn_gen *g) { result(g, g->number[TOTAL]); }

/* The other way round: "sold 3 of 12". */
static void subtrahend_first(qn_gen *g) {
    g->number[1] = 2 + qn_choose(g, 19);
    g->operand_at = (int64_t)g->out.n;
    number(g, 2, 2, 20);
}
static void minuend_last(qn_gen *g) { put_number(g, g->number[1] + g->number[2]); }

const qn_native qn_natives[] = {
    {"tell", tell}, {"tellall", tell_all}, {"line", entry_line}, {"next", next}, {"again", again}, {"same", same},
    {"property", property}, {"kin", kin}, {"n1", number_1}, {"n2", number_2}, {"m1", many_1}, {"m2", many_2},
    {"d1", digit_1}, {"d2", digit_2}, {"d3", digit_3}, {"sum", sum_12}, {"sum3", sum_123}, {"product", product_12},
    {"difference", difference_12}, {"minuend", minuend}, {"subtrahend", subtrahend},
    {"subtrahend2", subtrahend_first}, {"minuend2", minuend_last}, {"row", row},
    {"pence", pence}, {"total", total}, {NULL, NULL},
};
