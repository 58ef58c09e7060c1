/* world/set_syntax.c — what a model has learned of the corpus's grammar and sums.
 *
 *     agreement     The keys near the old barn are heavy.   /   The keys near the old barn is heavy.
 *     arithmetic    two sums with their results, and a third without:   14 - 9 =│ 5
 */
#include "world/set_list.h"

#include "world/grammar.h"

#include <stdio.h>
#include <string.h>

enum { PAIRS = 400, SUMS = 300, GREATEST = 81 };

#define AGREEMENT_DOC ((uint64_t)1 << 43)
#define SUMS_DOC ((uint64_t)3 << 41)

/* ---- agreement --------------------------------------------------------------------------------------------------- */

/* The sentence of a document, with the agreement number `flip` wrong; 0: none. */
static int say_far(qn_gen *g, uint64_t doc, int flip, qn_buf *out) {
    qn_buf_clear(&g->out);
    qn_gen_begin(g, doc);
    g->agreed = 0;
    g->flip = flip;
    qn_gen_say(g, "far");
    g->flip = 0;
    qn_buf_clear(out);
    QN_TRY(g->rc);
    return qn_buf_put(out, g->out.s, g->out.n);
}

static void agreement_row(qn_sets *s, qn_gen *g, int64_t n) {
    static const char *const number[] = {"singular", "plural"};
    qn_sets_keep(s, say_far(g, AGREEMENT_DOC + (uint64_t)n, 0, &s->a));
    qn_sets_keep(s, say_far(g, AGREEMENT_DOC + (uint64_t)n, g->agreed, &s->b));
    /* By turns singular and plural: neither is the safe answer. */
    if (s->rc < 0 || g->plural[1] != (s->rows & 1) || qn_str_eq(qn_buf_view(&s->a), qn_buf_view(&s->b)) ||
        !qn_set_fresh(s, qn_buf_view(&s->a)))
        return;
    /* Noun 1 is the subject, noun 2 stands between it and its verb. */
    const char *tags[] = {"subject", number[g->plural[1]],
                          "noun between", g->plural[1] == g->plural[2] ? "same number" : "other number", NULL};
    qn_row_open(s);
    qn_row_id(s);
    qn_row_text(s, "good", qn_buf_view(&s->a));
    qn_row_text(s, "bad", qn_buf_view(&s->b));
    qn_row_tags(s, tags);
    qn_row_close(s);
}

int qn_set_agreement(qn_sets *s) {
    qn_gen g;
    qn_set_begin(s, "eval/agreement", false);
    qn_set_head(s, &(qn_head){.kind = "pair", .about = "A verb that agrees with its subject, beside one that does not; "
                                                       "other nouns stand between"});
    qn_sets_keep(s, qn_gen_init(&g, s->w));
    for (int64_t n = 0; s->rows < PAIRS && s->rc == 0; n++)
        agreement_row(s, &g, n);
    qn_gen_drop(&g);
    return qn_set_end(s);
}

/* ---- sums -------------------------------------------------------------------------------------------------------- */

typedef struct { const char *name, *form; int op; } sum_row;
static const sum_row sum[] = {
    {"plus", "%d + %d =", '+'}, {"minus", "%d - %d =", '-'}, {"times", "%d * %d =", '*'},
    {"plus", "What is %d plus %d?", '+'}, {"minus", "What is %d minus %d?", '-'}, {"plus", "%d and %d make", '+'},
};

static void arithmetic_row(qn_sets *s, qn_gen *g, int64_t n) {
    const sum_row *k = &sum[n % (int64_t)QN_LEN(sum)];
    const int most = k->op == '*' ? 9 : 20;
    int x = 1 + (int)qn_draw_below(&s->draw, most), y = 1 + (int)qn_draw_below(&s->draw, most);
    int result = k->op == '+' ? x + y : k->op == '*' ? x * y : x;
    x = k->op == '-' ? x + y : x;
    qn_buf_clear(&g->out);
    qn_gen_begin(g, SUMS_DOC + (uint64_t)n);
    for (int i = 0; i < 2; i++) {
        qn_gen_say(g, "sum.line");
        qn_gen_puts(g, "\n");
    }
    qn_sets_keep(s, g->rc);
    qn_buf_clear(&s->a);
    qn_sets_keep(s, qn_buf_put(&s->a, g->out.s, g->out.n));
    qn_sets_keep(s, qn_buf_printf(&s->a, k->form, x, y));
    if (s->rc < 0 || !qn_set_fresh(s, qn_buf_view(&s->a)))
        return;
    const char *tags[] = {"sum", k->name, "written", k->form[0] == '%' && k->form[3] != 'a' ? "signs" : "words", NULL};
    qn_row_open(s);
    qn_row_id(s);
    qn_row_text(s, "context", qn_buf_view(&s->a));
    qn_row_text(s, "choice_set", QN_STR("number"));
    qn_jw_key(&s->j, "answer");
    qn_jw_i64(&s->j, result - 1);
    qn_row_tags(s, tags);
    qn_row_close(s);
}

int qn_set_arithmetic(qn_sets *s) {
    qn_gen g;
    qn_set_begin(s, "eval/arithmetic", false);
    qn_set_head(s, &(qn_head){.kind = "choice", .numbers = GREATEST,
                              .about = "Sums, differences and products behind two others; all results that occur to "
                                       "choose from"});
    qn_sets_keep(s, qn_gen_init(&g, s->w));
    for (int64_t n = 0; s->rows < SUMS && s->rc == 0; n++)
        arithmetic_row(s, &g, n);
    qn_gen_drop(&g);
    return qn_set_end(s);
}
