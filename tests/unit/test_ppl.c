/* tests/unit/test_ppl.c — perplexity of a tiny model against the definition written out: all logits of a window,
 * softmax in double by libm, mean and variance in two passes. */
#include "eval/eval.h"

#include "tiny_model.h"

enum { V = 96, TEXT = 331 };

/* ---- a vocabulary of the 94 printable characters, with or without a BOS in front ---- */

static qn_tok *tokenizer(bool adds_bos) {
    static char spelled[V][2];
    qn_str tokens[V] = {QN_STR("<bos>"), QN_STR("<eos>")};
    int32_t types[V] = {QN_TOKEN_CONTROL, QN_TOKEN_CONTROL};
    for (int i = 2; i < V; i++) {
        spelled[i][0] = (char)('!' + i - 2);
        tokens[i] = (qn_str){spelled[i], 1};
        types[i] = QN_TOKEN_NORMAL;
    }
    const qn_tok_gguf_tables tables = {
        .tokens = tokens, .n_tokens = V, .types = types, .n_types = V, .pre = QN_STR("gpt-2"),
        .bos = 0, .eos = 1, .unk = -1, .pad = -1, .add_bos = adds_bos, .add_eos = false,
    };
    qn_tok_spec spec;
    qn_tok *tok;
    CHECK_OK(qn_tok_spec_from_gguf_tables(&spec, &tables));
    CHECK_OK(qn_tok_new(&tok, &spec));
    qn_tok_spec_drop(&spec);
    return tok;
}

/* Characters that the tokenizer makes TEXT tokens of. */
static const char *some_text(void) {
    static char text[TEXT + 1];
    for (int i = 0; i < TEXT; i++)
        text[i] = (char)('!' + (i * 37 + i * i * 11) % 94);
    return text;
}

typedef struct {
    qn_model *m;
    qn_session *s;
    qn_tok *tok;
} rig;

static rig rig_new(bool adds_bos, int64_t context, int64_t sequences) {
    tiny_spec spec = TINY;
    rig r = {.m = tiny_model(&spec, NULL), .tok = tokenizer(adds_bos)};
    const qn_session_options o = {.context = context, .sequences = sequences, .kv = -1};
    CHECK_OK(qn_session_new(&r.s, r.m, qn_kernels_at(qn_test_isa()), NULL, &o));
    return r;
}

static void rig_drop(rig *r) {
    qn_session_free(r->s);
    qn_tok_free(r->tok);
    qn_model_free(r->m);
}

/* ---- the definition ---- */

typedef struct { const int32_t *window; int64_t ctx, first; double loss[4 * TEXT]; int64_t n; } losses;

static int take_loss(void *arg, QN_UNUSED int64_t feed, int64_t i, const float *logits) {
    losses *l = arg;
    double sum = 0;
    if (i < l->first || i + 1 >= l->ctx)
        return 0;
    for (int v = 0; v < V; v++)
        sum += exp((double)logits[v]);
    l->loss[l->n++] = log(sum) - (double)logits[l->window[i + 1]];
    return 0;
}

static void check_against_definition(bool adds_bos, qn_ppl_protocol protocol, int64_t ctx, int64_t sequences) {
    rig r = rig_new(adds_bos, ctx, sequences);
    qn_ppl_result got;
    CHECK_OK(qn_eval_ppl(r.s, r.tok, some_text(), TEXT,
                         &(qn_ppl_options){.protocol = protocol, .ctx = ctx, .sequences = sequences}, &got));

    int32_t ids[TEXT + 1];
    int64_t n = 0;
    if (adds_bos)
        ids[n++] = 0;
    for (int i = 0; i < TEXT; i++)
        ids[n++] = some_text()[i] - '!' + 2;
    losses l = {.ctx = ctx, .first = protocol == QN_PPL_HALF ? ctx / 2 : 0};
    for (int64_t w = 0; w + 1 <= n / ctx; w++) {
        int32_t *window = ids + w * ctx;
        if (adds_bos && protocol == QN_PPL_HALF)
            window[0] = 0;
        l.window = window;
        qn_session_reset(r.s);
        CHECK_OK(qn_session_feed(r.s, &(qn_feed){0, window, ctx, QN_LOGITS_ALL}, 1, take_loss, &l));
    }
    double mean = 0, variance = 0;
    for (int64_t i = 0; i < l.n; i++)
        mean += l.loss[i] / (double)l.n;
    for (int64_t i = 0; i < l.n; i++)
        variance += (l.loss[i] - mean) * (l.loss[i] - mean) / (double)l.n;
    CHECK_INT(got.text_tokens, n);
    CHECK_INT(got.windows, n / ctx);
    CHECK_INT(got.windows_done, n / ctx);
    CHECK_INT(got.tokens, (n / ctx) * (ctx - 1 - l.first));
    CHECK_INT(got.tokens, l.n);
    CHECK_NEAR(got.ppl, exp(mean), 1e-5 * exp(mean), "ctx %d", (int)ctx);
    CHECK_NEAR(got.std_error, exp(mean) * sqrt(variance / (double)(l.n - 1)), 1e-4 * got.std_error);
    CHECK(got.ppl > 2 && got.std_error > 0);
    rig_drop(&r);
}

TEST(agrees_with_the_definition) {
    const int64_t ctxs[] = {2, 3, 16, 33, TEXT};
    for (size_t i = 0; i < QN_LEN(ctxs); i++)
        for (int bos = 0; bos < 2; bos++) {
            if (ctxs[i] > 2)
                check_against_definition(bos, QN_PPL_HALF, ctxs[i], 1);
            check_against_definition(bos, QN_PPL_FULL, ctxs[i], 1);
        }
}

/* Half of the same text scores other tokens than all of it; a BOS in every window changes what is predicted. */
TEST(protocols_differ) {
    qn_ppl_result r[3];
    for (int i = 0; i < 3; i++) {
        rig g = rig_new(i == 2, 32, 1);
        CHECK_OK(qn_eval_ppl(g.s, g.tok, some_text(), TEXT - 1,
                             &(qn_ppl_options){.protocol = i == 1 ? QN_PPL_FULL : QN_PPL_HALF, .ctx = 32}, &r[i]));
        rig_drop(&g);
    }
    CHECK(r[0].ppl != r[1].ppl && r[0].ppl != r[2].ppl);
    CHECK_STR(qn_ppl_protocol_name(QN_PPL_HALF), "half");
    CHECK_STR(qn_ppl_protocol_name(QN_PPL_FULL), "full");
}

TEST(windows_fed_together_give_the_same_bits) {
    qn_ppl_result one, four;
    rig r = rig_new(false, 32, 4);
    CHECK_OK(qn_eval_ppl(r.s, r.tok, some_text(), TEXT, &(qn_ppl_options){.ctx = 32}, &one));
    CHECK_OK(qn_eval_ppl(r.s, r.tok, some_text(), TEXT, &(qn_ppl_options){.ctx = 32, .sequences = 4}, &four));
    CHECK(one.nll == four.nll && one.nll2 == four.nll2 && one.ppl == four.ppl);
    CHECK_INT(four.windows_done, TEXT / 32);
    rig_drop(&r);
    check_against_definition(true, QN_PPL_HALF, 32, 3);
}

static int count_windows(void *arg, const qn_ppl_result *r) {
    int64_t *most = arg;
    return r->windows_done >= *most ? qn_fail(QN_ECANCEL, "enough") : 0;
}

TEST(stops_where_it_is_told) {
    qn_ppl_result two, stopped;
    int64_t most = 2;
    rig r = rig_new(false, 32, 1);
    CHECK_OK(qn_eval_ppl(r.s, r.tok, some_text(), TEXT, &(qn_ppl_options){.ctx = 32, .max_windows = 2}, &two));
    CHECK_INT(two.windows, 2);
    CHECK_INT(two.tokens, 2 * 15);
    CHECK_FAIL(qn_eval_ppl(r.s, r.tok, some_text(), TEXT,
                           &(qn_ppl_options){.ctx = 32, .progress = count_windows, .arg = &most}, &stopped),
               QN_ECANCEL, "enough");
    CHECK_INT(stopped.windows_done, 2);
    CHECK(stopped.nll == two.nll);
    rig_drop(&r);
}

TEST(says_what_is_wrong) {
    qn_ppl_result x;
    rig r = rig_new(false, 32, 1);
    CHECK_FAIL(qn_eval_ppl(r.s, r.tok, some_text(), 31, &(qn_ppl_options){.ctx = 32}, &x), QN_EINVAL, "31 tokens");
    CHECK_FAIL(qn_eval_ppl(r.s, r.tok, "", 0, &(qn_ppl_options){.ctx = 32}, &x), QN_EINVAL, "0 tokens");
    CHECK_FAIL(qn_eval_ppl(r.s, r.tok, some_text(), TEXT, &(qn_ppl_options){.ctx = 34}, &x), QN_ECONTEXT, "34 tokens");
    CHECK_FAIL(qn_eval_ppl(r.s, r.tok, some_text(), TEXT, &(qn_ppl_options){.ctx = 2}, &x), QN_EINVAL, "at least 3");
    CHECK_FAIL(qn_eval_ppl(r.s, r.tok, some_text(), TEXT, &(qn_ppl_options){.protocol = QN_PPL_FULL, .ctx = 1}, &x),
               QN_EINVAL, "at least 2");
    CHECK_FAIL(qn_eval_ppl(r.s, r.tok, "a\xff", 2, &(qn_ppl_options){.ctx = 2}, &x), QN_EUTF8, NULL);
    rig_drop(&r);
}

/* Weights that are no numbers must not become a figure. */
TEST(refuses_what_is_no_number) {
    qn_ppl_result x;
    rig r = rig_new(false, 32, 1);
    float *norm = (float *)qn_model_param(r.m, QN_P_OUT_NORM, 0)->data;
    norm[3] = NAN;
    CHECK_FAIL(qn_eval_ppl(r.s, r.tok, some_text(), TEXT, &(qn_ppl_options){.ctx = 32}, &x), QN_EFORMAT, "window 0");
    rig_drop(&r);
}

TEST(gives_all_memory_back) {
    const int64_t before = qn_mem_stats_get(QN_MEM_SESSION).live_bytes;
    rig r = rig_new(false, 32, 1);
    const int64_t rigged = qn_mem_stats_get(QN_MEM_SESSION).live_bytes;
    qn_ppl_result x;
    int rc = QN_ENOMEM;
    for (int64_t k = 0; rc < 0 && k < 100; k++) {
        qn_mem_fail_after(k);
        rc = qn_eval_ppl(r.s, r.tok, some_text(), TEXT, &(qn_ppl_options){.ctx = 32}, &x);
        qn_mem_fail_after(-1);
        CHECK(rc == 0 || rc == QN_ENOMEM, "after %d allocations", (int)k);
        CHECK_NO_LEAK(QN_MEM_SESSION, rigged);
    }
    CHECK_INT(rc, 0);
    rig_drop(&r);
    CHECK_NO_LEAK(QN_MEM_SESSION, before);
}
