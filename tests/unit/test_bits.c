/* tests/unit/test_bits.c — losses divided among spans: the generator itself scores exactly the floor. */
#include "data_make.h"

#include "eval/baselines.h"
#include "eval/bits.h"
#include "num/math.h"

/* A text with what each choice behind it cost. */
static const char text[] = "Marin Bell keeps a goose, and she feeds it. Marin Bell keeps a goose.";
enum { TEXT = sizeof text - 1, GRAMMAR = 0, FACT = 1, COPY = 2, STYLE = 4 };
static const qn_bits_span spans[] = {
    {0, 10, STYLE, -1, 14.25},  {10, 16, STYLE, -1, 2.5},  {16, 24, FACT, 0, 5}, {24, 29, STYLE, -1, 1},
    {29, 33, GRAMMAR, -1, 0},   {33, 44, STYLE, -1, 3.125}, {44, 54, COPY, -1, 1}, {54, 60, STYLE, -1, 0.5},
    {60, 68, FACT, 2, 0},       {68, 69, GRAMMAR, -1, 0.25},
};

/* ---- scorers of our own ---- */

/* What the generator would say: a span's bits at its first byte, nothing at the others. Byte tokens only. */
static int each_as_made(void *self, const int32_t *ids, int64_t n, double *logprob) {
    const int64_t bos = ids[0] == *(const int32_t *)self;
    for (int64_t i = 0; i < n; i++)
        logprob[i] = 0;
    for (size_t i = 0; i < QN_LEN(spans); i++)
        logprob[spans[i].begin + bos] = -spans[i].floor * qn_ln(2);
    return 0;
}

/* Every token costs one bit more than the one before, from two on. */
static int each_rising(void *self, const int32_t *ids, int64_t n, double *logprob) {
    (void)self, (void)ids;
    for (int64_t i = 0; i < n; i++)
        logprob[i] = -(double)(i + 2) * qn_ln(2);
    return 0;
}

TEST(the_generator_itself_scores_the_floor) {
    qn_tok *tok = data_tok(true);               /* a BOS stands in front: every byte is predicted */
    int32_t bos = qn_tok_bos(tok);
    const qn_scorer s = {.name = "generator", .tok = tok, .context = 1000, .self = &bos, .each = each_as_made};
    qn_bits_counter b;
    CHECK_OK(qn_bits_init(&b, &s));
    for (int times = 0; times < 3; times++)
        CHECK_OK(qn_bits_add(&b, (qn_str){text, TEXT}, spans, QN_LEN(spans)));
    CHECK_INT(b.r.documents, 3);
    CHECK_INT(b.r.all.bytes, 3 * TEXT);
    CHECK_INT(b.r.unseen.bytes, 0);
    CHECK_NEAR(b.r.all.floor, 3 * 27.625, 1e-12);
    CHECK_NEAR(b.r.all.model, 3 * 27.625, 1e-9);
    for (int kind = 0; kind < QN_BITS_KINDS; kind++)
        CHECK_NEAR(b.r.kind[kind].model, b.r.kind[kind].floor, 1e-9, "kind %d", kind);
    CHECK_NEAR(b.r.kind[FACT].floor, 15, 1e-12);
    CHECK_NEAR(b.r.group[0].model, 15, 1e-9);
    CHECK_INT(b.r.group[2].bytes, 3 * 8);
    CHECK_NEAR(b.r.group[2].model, 0, 1e-9);
    CHECK_NEAR(qn_bits_excess(&b.r.all), 0, 1e-9);
    CHECK(isnan(qn_bits_excess(&b.r.kind[7])));
    qn_bits_drop(&b);
    qn_tok_free(tok);
}

TEST(the_floor_of_bytes_is_the_floor_of_spans) {
    double bits[TEXT] = {0};
    qn_bits_result r = {0};
    for (size_t i = 0; i < QN_LEN(spans); i++)
        for (int64_t at = spans[i].begin; at < spans[i].end; at++)
            bits[at] = spans[i].floor / (double)(spans[i].end - spans[i].begin);
    qn_bits_add_bytes(&r, bits, spans, QN_LEN(spans));
    for (int kind = 0; kind < QN_BITS_KINDS; kind++)
        CHECK_NEAR(r.kind[kind].model, r.kind[kind].floor, 1e-12, "kind %d", kind);
    CHECK_INT(r.kind[STYLE].spans, 5);
}

/* A tokenizer whose tokens know nothing of spans. */
static qn_tok *merging_tok(void) {
    qn_words *w;
    qn_tok_spec spec;
    qn_tok_train_result r;
    qn_tok *tok;
    qn_tok_spec_init(&spec);
    CHECK_OK(qn_words_new(&w, &(qn_words_options){.pre = "gpt-2"}));
    for (int i = 0; i < 20; i++)
        CHECK_OK(qn_words_add(w, text, TEXT));
    CHECK_OK(qn_words_end(w));
    CHECK_OK(qn_words_finish(w));
    CHECK_OK(qn_tok_train(&spec, w, &(qn_tok_train_options){.kind = QN_TRAIN_BPE, .vocab = 290}, &r));
    CHECK_OK(qn_tok_new(&tok, &spec));
    qn_tok_spec_drop(&spec);
    qn_words_free(w);
    return tok;
}

TEST(a_token_is_divided_by_bytes) {
    qn_tok *tok = merging_tok();
    const qn_scorer s = {.name = "rising", .tok = tok, .context = 1000, .each = each_rising};
    qn_ids ids = {0};
    qn_bits_counter b;
    double of_byte[TEXT], want = 0;
    int64_t at = 0;
    CHECK_OK(qn_tok_encode(tok, text, TEXT, QN_TOK_PLAIN, &ids));
    CHECK(ids.n < TEXT - 20, "%zu tokens", ids.n);
    for (size_t t = 0; t < ids.n; t++) {
        const int64_t n = (int64_t)qn_tok_piece(tok, ids.v[t]).n;
        for (int64_t k = 0; k < n; k++)
            of_byte[at++] = (double)(t + 2) / (double)n;
    }
    CHECK_OK(qn_bits_init(&b, &s));
    /* Spans of three bytes: they cut through tokens, and tokens through them. */
    qn_bits_span cut[TEXT / 3];
    for (int64_t i = 0; i < TEXT / 3; i++)
        cut[i] = (qn_bits_span){3 * i, 3 * i + 3, (int)(i % 5), (int)(i % 4) - 1, 0};
    CHECK_OK(qn_bits_add(&b, (qn_str){text, TEXT}, cut, TEXT / 3));
    for (int kind = 0; kind < 5; kind++) {
        want = 0;
        for (int64_t i = kind; i < TEXT / 3; i += 5)
            want += of_byte[3 * i] + of_byte[3 * i + 1] + of_byte[3 * i + 2];
        CHECK_NEAR(b.r.kind[kind].model, want, 1e-9, "kind %d", kind);
    }
    CHECK_NEAR(b.r.all.model, (double)(ids.n * (ids.n + 3)) / 2, 1e-9);
    CHECK_INT(b.r.tokens, ids.n);
    qn_bits_drop(&b);
    qn_ids_drop(&ids);
    qn_tok_free(tok);
}

/* A scorer that says nothing of the first token. */
static int each_but_first(void *self, const int32_t *ids, int64_t n, double *logprob) {
    QN_TRY(each_rising(self, ids, n, logprob));
    logprob[0] = 0;
    return 0;
}

TEST(what_the_first_token_reaches_is_left_out_where_it_is_unknown) {
    qn_tok *tok = merging_tok();
    const qn_scorer s = {.name = "no BOS", .tok = tok, .context = 1000, .each = each_but_first};
    qn_bits_counter b;
    CHECK_OK(qn_bits_init(&b, &s));
    CHECK_OK(qn_bits_add(&b, (qn_str){text, TEXT}, spans, QN_LEN(spans)));
    CHECK_INT(b.r.unseen.spans, 1);
    CHECK_INT(b.r.unseen.bytes, 10);
    CHECK_NEAR(b.r.unseen.floor, 14.25, 1e-12);
    CHECK_INT(b.r.all.bytes, TEXT - 10);
    CHECK_NEAR(b.r.all.floor, 27.625 - 14.25, 1e-12);
    qn_bits_drop(&b);
    qn_tok_free(tok);
}

TEST(says_what_does_not_fit) {
    qn_tok *tok = data_tok(true);
    qn_scorer s = {.name = "rising", .tok = tok, .context = 1000, .each = each_rising};
    qn_bits_counter b;
    CHECK_OK(qn_bits_init(&b, &s));
    CHECK_FAIL(qn_bits_add(&b, (qn_str){text, TEXT}, spans, 3), QN_EFORMAT, "the spans end at byte 24, the text at 69");
    CHECK_FAIL(qn_bits_add(&b, (qn_str){text, TEXT}, spans + 1, 3), QN_EFORMAT, "span 0 is of bytes 10 … 16");
    CHECK_INT(b.r.documents, 0);
    s.each = NULL;
    CHECK_FAIL(qn_bits_init(&b, &s), QN_EUNSUPPORTED, "rising gives texts no probability");
    qn_tok_free(tok);
}

/* A document longer than the scorer's context: each token once, with at least half a window before it. */
TEST(windows_give_every_token_once) {
    qn_tok *tok = data_tok(true);
    qn_scorer s = {.name = "rising", .tok = tok, .context = 29, .each = each_rising};
    int32_t ids[200] = {0};
    double logprob[200];
    CHECK_OK(qn_scorer_each(&s, ids, 200, logprob));
    for (int i = 0; i < 200; i++) {
        const double before = -logprob[i] / qn_ln(2) - 2;       /* tokens in its window */
        CHECK(before > QN_MIN(i, 15) - 0.5 && before < 29.5, "token %d: %g", i, before);
    }
    qn_tok_free(tok);
}
