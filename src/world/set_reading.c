/* world/set_reading.c — what was said just before, and what was said long before.
 *
 *     reading       one to three people and what each has, sentences about other things; then one of them is asked for,
 *                   as passages of the corpus do. With one of them it is enough to have read; with more, who has what
 *                   must be told apart. Or, which the corpus does not do: facts of strangers, and one of them
 *                   in another form.
 *     long_range    a list of names, sentences about other things, and the list again: whose turn is it?
 *
 * The people are strangers that evaluation has to itself. */
#include "world/set_list.h"

#include "world/grammar.h"

#include <stdio.h>
#include <string.h>

enum { PASSAGES = 360, FACTS = 120, ROLLS = 60, DISTANCES = 5, PEOPLE = 4, BYTES_A_TOKEN = 4 };

/* Documents of these sets, far behind those of any corpus. */
#define READING_DOC ((uint64_t)1 << 41)
#define ROLL_DOC ((uint64_t)1 << 42)

/* Evaluation's strangers for actors 0 … n−1, no two with the same given name. */
static void cast(qn_sets *s, qn_gen *g, int n, qn_name name[PEOPLE]) {
    for (int i = 0; i < n; i++) {
        bool again;
        do {
            const qn_unknown kind = qn_draw_below(&s->draw, 2) ? QN_UNKNOWN_NEW : QN_UNKNOWN_MIXED;
            name[i] = qn_world_unknown(s->w, kind, true, qn_draw_below(&s->draw, qn_world_unknowns(s->w, kind)));
            again = false;
            for (int k = 0; k < i; k++)
                again |= name[k].given == name[i].given;
        } while (again);
        qn_gen_set_stranger(g, i, name[i]);
    }
}

static void begin(qn_gen *g, uint64_t doc) {
    qn_buf_clear(&g->out);
    qn_gen_begin(g, doc);
    qn_gen_class(g, QN_CLASS_COPY);
}

static qn_str actor_name(const qn_gen *g, int i) { return (qn_str){g->actor[i].name, g->actor[i].name_n}; }
static qn_str saved(const qn_gen *g, int reg) { return (qn_str){g->out.s + g->saved[reg].at, g->saved[reg].n}; }

/* Choices in a random order; the right one is choice[0]. */
static void choice_row(qn_sets *s, qn_str context, const qn_str *choice, int n, const char *const *tags) {
    int32_t order[8];
    int answer = 0;
    for (int i = 0; i < n; i++)
        order[i] = i;
    qn_draw_shuffle(&s->draw, order, n);
    qn_row_open(s);
    qn_row_id(s);
    qn_row_text(s, "context", context);
    qn_jw_key(&s->j, "choices");
    qn_jw_open(&s->j, '[');
    for (int i = 0; i < n; i++) {
        qn_buf_clear(&s->b);
        qn_sets_keep(s, qn_buf_printf(&s->b, " %.*s", QN_STR_ARG(choice[order[i]])));
        qn_jw_str(&s->j, qn_buf_view(&s->b));
        answer = order[i] == 0 ? i : answer;
    }
    qn_jw_close(&s->j);
    qn_jw_key(&s->j, "answer");
    qn_jw_i64(&s->j, answer);
    qn_row_tags(s, tags);
    qn_row_close(s);
}

/* ---- passages ---------------------------------------------------------------------------------------------------- */

typedef struct { int people, who; bool what; } passage;     /* who of them is asked for; what, or by what they have */

/* What nobody in the passage has: one thing's words but the last, and the last of another. "a red" + "cup" */
static int put_absent(qn_str a, qn_str b, qn_buf *out) {
    size_t head = a.n, tail = b.n;
    while (head && a.s[head - 1] != ' ')
        head--;
    while (tail && b.s[tail - 1] != ' ')
        tail--;
    QN_TRY(qn_buf_put(out, a.s, head));
    return qn_buf_put(out, b.s + tail, b.n - tail);
}

static bool all_differ(const qn_str *v, int n) {
    for (int i = 0; i < n; i++)
        for (int k = 0; k < i; k++)
            if (qn_str_eq(v[i], v[k]))
                return false;
    return true;
}

/* What somebody has, or who has something. Of the choices `people` were said, the right one first; the next up to the
 * third were not, and neither was the fourth, which is made of two of them. They are views into g->out, spare->out and
 * s->c. */
static int ask_passage(qn_sets *s, qn_gen *g, qn_gen *spare, const passage *p, qn_str choice[4]) {
    for (int i = 0; i < 3; i++) {
        const int k = i < p->people ? (p->who + i) % p->people : i;
        choice[i] = p->what ? saved(i < p->people ? g : spare, 1 + k) : actor_name(g, k);
    }
    const qn_str thing = saved(g, 1 + p->who), name = actor_name(g, p->who);
    qn_buf_clear(&s->c);
    QN_TRY(put_absent(choice[1], choice[0], &s->c));
    choice[3] = qn_buf_view(&s->c);
    return p->what ? qn_buf_printf(&s->a, "\nQuestion: What does %.*s have now?\nAnswer: %.*s has", QN_STR_ARG(name),
                                   QN_STR_ARG(name))
                   : qn_buf_printf(&s->a, "\nQuestion: Who has %.*s now?\nAnswer:", QN_STR_ARG(thing));
}

/* spare tells of the same three what is said of none of them: things of the kinds that the passage leaves out. */
static void passage_row(qn_sets *s, qn_gen *g, qn_gen *spare, int64_t n) {
    static const char *const said[] = {"pass.one.has", "pass.two", "pass.three"}, *const counted[] = {"1", "2", "3"},
                      *const place[3][3] = {{"only"}, {"first", "last"}, {"first", "middle", "last"}};
    qn_name name[PEOPLE];
    qn_str choice[4];
    passage p = {.people = 1 + (int)(n % 3), .what = n / 12 % 2 == 0};
    const int fillers = (int)(n / 3 % 4);
    p.who = (int)qn_draw_below(&s->draw, (uint32_t)p.people);
    begin(g, READING_DOC + 2 * (uint64_t)n);
    cast(s, g, 3, name);
    qn_gen_say(g, said[p.people - 1]);
    for (int i = 0; i < fillers; i++)
        qn_gen_say(g, "filler");
    begin(spare, READING_DOC + 2 * (uint64_t)n + 1);
    for (int i = 0; i < 3; i++)
        qn_gen_set_stranger(spare, i, name[i]);
    qn_gen_say(spare, said[2]);
    qn_buf_clear(&s->a);
    qn_sets_keep(s, g->rc);
    qn_sets_keep(s, spare->rc);
    qn_sets_keep(s, qn_buf_put(&s->a, g->out.s, g->out.n));
    if (s->rc < 0)
        return;
    qn_sets_keep(s, ask_passage(s, g, spare, &p, choice));
    char between[4];
    snprintf(between, sizeof between, "%d", fillers);
    const char *tags[] = {"text", "passage", "people", counted[p.people - 1], "asked", p.what ? "what" : "who", "place",
                          place[p.people - 1][p.who], "sentences between", between, NULL};
    if (s->rc == 0 && all_differ(choice, 4) && qn_set_fresh(s, qn_buf_view(&s->a)))
        choice_row(s, qn_buf_view(&s->a), choice, 4, tags);
}

/* ---- facts of strangers ------------------------------------------------------------------------------------------ */

static void say_fact(qn_sets *s, const qn_gen *g, int who, qn_relation r, int value) {
    const qn_say say = {.relation = r, .form = qn_draw_form(&s->draw, r, QN_FORM_SEEN), .value = value,
                        .name = actor_name(g, who), .she = g->actor[who].she};
    qn_sets_keep(s, qn_world_say(s->w, &say, &s->a, NULL));
    qn_sets_keep(s, qn_buf_puts(&s->a, ". "));
}

/* Values as they are said, with their article, in s->c one behind the other. */
static void put_values(qn_sets *s, qn_relation r, const int32_t value[4], qn_str choice[4]) {
    size_t end[5] = {0};
    qn_buf_clear(&s->c);
    for (int i = 0; i < 4; i++) {
        const qn_str word = qn_world_value(s->w, r, value[i]);
        qn_sets_keep(s, qn_buf_printf(&s->c, "%s%.*s", qn_world_article(s->w, r, value[i]), QN_STR_ARG(word)));
        end[i + 1] = s->c.n;
    }
    for (int i = 0; i < 4; i++)
        choice[i] = (qn_str){s->c.s + end[i], end[i + 1] - end[i]};
}

static void fact_row(qn_sets *s, qn_gen *g, int64_t n) {
    static const char *const place[] = {"first", "middle", "last"};
    const qn_world *w = s->w;
    const int R = w->relations, who = (int)qn_draw_below(&s->draw, 3);
    const qn_relation r = (qn_relation)(n % R), other = (qn_relation)((n + 1 + qn_draw_below(&s->draw, R - 1)) % R);
    int32_t value[QN_WORLD_VALUES_MAX];
    qn_name name[PEOPLE];
    qn_str choice[4];
    for (int i = 0; i < w->values; i++)
        value[i] = i;
    qn_draw_shuffle(&s->draw, value, w->values);
    begin(g, READING_DOC);
    cast(s, g, 3, name);
    qn_buf_clear(&s->a);
    for (int k = 0; k < 3; k++) {                           /* who is asked for has value[0] */
        say_fact(s, g, k, r, value[(k - who + 3) % 3]);
        say_fact(s, g, k, other, (int)qn_draw_below(&s->draw, w->values));
    }
    const qn_say ask = {.relation = r, .form = qn_draw_form(&s->draw, r, QN_FORM_SEEN), .value = value[0],
                        .name = actor_name(g, who), .she = g->actor[who].she};
    qn_sets_keep(s, qn_say_open(w, &ask, &s->a));
    put_values(s, r, value, choice);
    const char *tags[] = {"text", "facts", "people", "3", "asked", "value", "place", place[who],
                          "sentences between", "-", NULL};
    if (s->rc == 0 && qn_set_fresh(s, qn_buf_view(&s->a)))
        choice_row(s, qn_buf_view(&s->a), choice, 4, tags);
}

int qn_set_reading(qn_sets *s) {
    qn_gen g, spare;
    qn_set_begin(s, "eval/reading", false);
    qn_set_head(s, &(qn_head){.kind = "choice", .about = "One to three people nobody knows and what is said of "
                                                         "them just before; one of four answers"});
    qn_sets_keep(s, qn_gen_init(&g, s->w));
    qn_sets_keep(s, qn_gen_init(&spare, s->w));
    for (int64_t n = 0; s->rows < PASSAGES && s->rc == 0; n++)
        passage_row(s, &g, &spare, n);
    for (int64_t n = 0; s->rows < PASSAGES + FACTS && s->rc == 0; n++)
        fact_row(s, &g, n);
    qn_gen_drop(&g);
    qn_gen_drop(&spare);
    return qn_set_end(s);
}

/* ---- long range -------------------------------------------------------------------------------------------------- */

static void put_list(qn_buf *out, const qn_gen *g, int n, int *rc) {
    for (int i = 0; i < n && *rc >= 0; i++)
        *rc = qn_buf_printf(out, " %.*s,", QN_STR_ARG(actor_name(g, i)));
}

/* The list, sentences until `distance` tokens lie between, and the list again as far as the one who is asked for. */
static void roll_row(qn_sets *s, qn_gen *g, int64_t n, int distance) {
    qn_name name[PEOPLE];
    const int who = (int)(n % PEOPLE);
    int rc = 0;
    begin(g, ROLL_DOC + (uint64_t)s->rows);
    cast(s, g, PEOPLE, name);
    qn_gen_puts(g, "Those who came to ");
    qn_gen_say(g, "place");
    qn_gen_puts(g, ":");
    put_list(&g->out, g, PEOPLE, &rc);
    qn_sets_keep(s, rc);
    if (s->rc < 0)
        return;
    g->out.s[g->out.n - 1] = '.';
    const size_t list = g->out.n;
    size_t list_bytes = 0;
    for (int i = 0; i < PEOPLE; i++)
        list_bytes += g->actor[i].name_n + 2;
    do
        qn_gen_say(g, "filler");
    while (g->rc == 0 && g->out.n - list + list_bytes < (size_t)(distance * BYTES_A_TOKEN));
    qn_sets_keep(s, g->rc);
    qn_buf_clear(&s->a);
    qn_sets_keep(s, qn_buf_put(&s->a, g->out.s, g->out.n));
    qn_sets_keep(s, rc = qn_buf_puts(&s->a, "\nThe same again:"));
    put_list(&s->a, g, who, &rc);
    qn_sets_keep(s, rc);
    qn_str choice[PEOPLE];
    for (int i = 0; i < PEOPLE; i++)
        choice[i] = actor_name(g, (who + i) % PEOPLE);
    char far[8], turn[4];
    snprintf(far, sizeof far, "%d", distance);
    snprintf(turn, sizeof turn, "%d", who + 1);
    const char *tags[] = {"distance", far, "turn", turn, NULL};
    if (s->rc == 0 && qn_set_fresh(s, qn_buf_view(&s->a)))
        choice_row(s, qn_buf_view(&s->a), choice, PEOPLE, tags);
}

int qn_set_long_range(qn_sets *s) {
    qn_gen g;
    qn_set_begin(s, "eval/long_range", false);
    qn_set_head(s, &(qn_head){.kind = "choice", .about = "A list of four names, other sentences, and the list again: "
                                                         "the next name, by how many tokens (about) lie between"});
    qn_sets_keep(s, qn_gen_init(&g, s->w));
    for (int d = 0; d < DISTANCES && s->rc == 0; d++)
        for (int64_t n = 0; n < ROLLS && s->rc == 0; n++)
            roll_row(s, &g, n, 32 << d);
    qn_gen_drop(&g);
    return qn_set_end(s);
}
