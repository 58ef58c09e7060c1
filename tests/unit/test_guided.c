/* tests/unit/test_guided.c — answers that are held to a grammar, with guesses and without; texts scored token by token,
 * to the bits of what generation says. */
#include "desk.h"

#include "guide/guide.h"
#include "infer/draft.h"
#include "infer/score.h"

typedef struct { qn_syntax *g; qn_token_trie *trie; qn_masks *masks; qn_guide guide; } guided;

static void bind(guided *x, const desk *d, const char *gbnf, int64_t eos) {
    CHECK_OK(qn_syntax_gbnf(&x->g, qn_str_of(gbnf), "g"));
    CHECK_OK(qn_token_trie_new(&x->trie, d->tok, V));
    CHECK_OK(qn_masks_new(&x->masks, x->g, x->trie, &eos, eos >= 0));
    CHECK_OK(qn_guide_init(&x->guide, x->masks));
}

static void unbind(guided *x) {
    qn_guide_drop(&x->guide);
    qn_masks_free(x->masks);
    qn_token_trie_free(x->trie);
    qn_syntax_free(x->g);
}

static const char *const grammars[] = {
    "root ::= [a-z]{3,9} \" \" [0-9]{2} \"!\"",
    "root ::= \"(\" (root | [a-z]) \")\"",
    "root ::= (\"é\" | [A-C]){20} \".\"",
    "root ::= \"abcabcabcabcabcabc\" [x-z]+ \"é\"",
};

/* Everything that an answer is, alike. */
static void same(const answer *a, const answer *b, const char *what) {
    CHECK_INT(a->n, b->n, "%s", what);
    CHECK_STR(a->text, b->text, "%s", what);
    CHECK_INT(a->r.reason, b->r.reason, "%s", what);
    CHECK(memcmp(a->id, b->id, (size_t)a->n * sizeof *a->id) == 0, "%s", what);
    CHECK(memcmp(a->logprob, b->logprob, (size_t)a->n * sizeof *a->logprob) == 0, "%s", what);
}

TEST(answers_fit_and_guesses_change_nothing) {
    desk d;
    init(&d, 400, NULL);
    for (size_t k = 0; k < QN_LEN(grammars); k++)
        for (int warm = 0; warm < 2; warm++) {
            guided x;
            answer a = {0}, b = {0};
            qn_generate_options o = options(100);
            bind(&x, &d, grammars[k], -1);
            o.sampler.guide = &x.guide;
            o.sampler.temperature = warm;
            o.sampler.seed = 5;
            o.logprobs = true;
            CHECK_OK(generate(&d, &o, &a), "%s", grammars[k]);
            CHECK(a.r.reason == QN_STOP_EOS || a.n == 100, "%s: %s", grammars[k], a.text);
            qn_guide_reset(&x.guide);
            CHECK_INT(qn_guide_take_text(&x.guide, qn_str_of(a.text)), 1, "%s: %s", grammars[k], a.text);
            CHECK(a.n == 100 || qn_guide_must_end(&x.guide), "%s: %s", grammars[k], a.text);
            qn_session_truncate(d.s, 0, 0);
            qn_ids_clear(&d.held);
            CHECK_OK(qn_draft_ngram_new(&o.drafter, 3));
            o.guesses = 8;
            CHECK_OK(generate(&d, &o, &b), "%s", grammars[k]);
            same(&a, &b, grammars[k]);
            qn_drafter_free(o.drafter);
            unbind(&x);
        }
    drop(&d);
}

TEST(an_end_of_sequence_ends_what_could_go_on) {
    desk d;
    guided x;
    answer a = {0};
    qn_generate_options o = options(100);
    const qn_logit_bias wish = {1, 1000};
    init(&d, 400, NULL);
    d.m->cfg.n_eos = 1;
    d.m->cfg.eos[0] = 1;
    bind(&x, &d, "root ::= [a-z]{4,}", 1);
    o.sampler.guide = &x.guide;
    o.sampler.bias = &wish;                     /* the end is what it wants most, from the beginning */
    o.sampler.n_bias = 1;
    CHECK_OK(generate(&d, &o, &a));
    CHECK_INT(a.n, 4, "%s", a.text);
    CHECK_INT(a.r.new_tokens, 5);
    CHECK_INT(a.r.reason, QN_STOP_EOS);
    unbind(&x);
    drop(&d);
}

TEST(what_cannot_be_spelled_is_said) {
    desk d;
    guided x;
    answer a = {0};
    qn_generate_options o = options(100);
    init(&d, 400, NULL);
    bind(&x, &d, "root ::= \"a日\"", -1);        /* no byte of it is in the vocabulary */
    o.sampler.guide = &x.guide;
    CHECK_FAIL(generate(&d, &o, &a), QN_EINVAL, "no token of this model can spell");
    CHECK_STR(a.text, "a");
    unbind(&x);
    drop(&d);
}

/* ---- scores ---- */

TEST(a_score_is_what_generation_says) {
    desk d;
    answer a = {0};
    float logprob[PROMPT + 40], other[50];
    qn_logprob top[PROMPT + 40][4];
    qn_generate_options o = options(40);
    init(&d, 400, NULL);
    o.sampler.temperature = 1.2;
    o.logprobs = true;
    o.n_top = 4;
    CHECK_OK(generate(&d, &o, &a));
    CHECK_INT(a.n, 40);
    for (int i = 0; i < a.n; i++)
        CHECK_OK(qn_ids_push(&d.prompt, a.id[i]));
    qn_score_text texts[2] = {{d.prompt.v, (int64_t)d.prompt.n, logprob, top[0]}, {d.prompt.v + 3, 50, other, NULL}};
    for (int n = 1; n <= 2; n++) {              /* alone, and beside another text */
        memset(logprob, 0, sizeof logprob);
        CHECK_OK(qn_score(d.s, texts, n, 4));
        CHECK(isnan(logprob[0]));
        CHECK(memcmp(logprob + PROMPT, a.logprob, 40 * sizeof *logprob) == 0, "the same bits");
        CHECK(memcmp(top[PROMPT], a.top, 40 * sizeof top[0]) == 0, "the same likeliest");
        CHECK_INT(qn_session_length(d.s, 0), PROMPT + 39);
    }
    drop(&d);
}

TEST(texts_that_cannot_be_scored) {
    desk d;
    float logprob[40];
    int32_t ids[40] = {5, 6, 7};
    init(&d, 20, NULL);
    qn_score_text t = {ids, 21, logprob, NULL};
    CHECK_OK(qn_score(d.s, &t, 1, 0), "the last token is not fed");
    t.n = 22;
    CHECK_FAIL(qn_score(d.s, &t, 1, 0), QN_ECONTEXT, "the text has 22 tokens, and the context holds 20");
    t.n = 3;
    ids[1] = V;
    CHECK_FAIL(qn_score(d.s, &t, 1, 0), QN_EINVAL, "token id 96 is outside");
    for (t.n = 0; t.n < 2; t.n++)
        CHECK_OK(qn_score(d.s, &t, 1, 0), "nothing to say");
    drop(&d);
}
