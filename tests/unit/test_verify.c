/* tests/unit/test_verify.c — two tiny models side by side, against the definitions written out with libm; a model and
 * itself; limits and verdicts; tokenizers that differ; logits that are no numbers. */
#include "eval/verify.h"

#include "eval_rig.h"

static const char text[] =
    "It was the best of times, it was the worst of times; 12 + 30 = 42, and (so they say) nobody knew which of both.";

typedef struct { qn_model *m; qn_session *s; qn_tok *tok; } side;

static side side_of(tiny_spec spec, bool bos, int64_t context) {
    spec.V = RIG_V;
    side x = {.m = tiny_model(&spec, NULL), .tok = rig_tokenizer(bos)};
    const qn_session_options o = {.context = context, .sequences = 4, .kv = -1};
    CHECK_OK(qn_session_new(&x.s, x.m, qn_kernels_at(qn_test_isa()), NULL, &o));
    return x;
}

static void side_drop(side *x) {
    qn_session_free(x->s);
    qn_tok_free(x->tok);
    qn_model_free(x->m);
}

static int run(const side *a, const side *b, const qn_verify_options *o, qn_verify_result *r) {
    const qn_verify_side x = {.name = "a.gguf", .session = a->s, .tok = a->tok};
    const qn_verify_side y = {.name = "b.gguf", .session = b->s, .tok = b->tok};
    return qn_verify_run(&x, &y, o, r);
}

static tiny_spec of_dtype(qn_dtype t) {
    tiny_spec s = TINY;
    s.dtype = t;
    return s;
}

/* ---- the definition ---- */

typedef struct { double rows[256][RIG_V]; int64_t n; } all_rows;

static int keep(void *arg, QN_UNUSED int64_t feed, QN_UNUSED int64_t i, const float *logits) {
    all_rows *a = arg;
    for (int v = 0; v < RIG_V; v++)
        a->rows[a->n][v] = (double)logits[v];
    a->n++;
    return 0;
}

static double lse(const double *x) {
    double sum = 0;
    for (int v = 0; v < RIG_V; v++)
        sum += exp(x[v]);
    return log(sum);
}

static int top(const double *x) {
    int best = 0;
    for (int v = 1; v < RIG_V; v++)
        best = x[v] > x[best] ? v : best;
    return best;
}

TEST(figures_are_those_of_the_definition) {
    side a = side_of(TINY, false, 512), b = side_of(of_dtype(QN_Q4_0), false, 512);
    static all_rows x, y;
    qn_ids ids = {0};
    qn_verify_result r;
    x.n = y.n = 0;
    CHECK_OK(qn_tok_encode(a.tok, text, sizeof text - 1, QN_TOK_PLAIN, &ids));
    const qn_feed feed = {.tokens = ids.v, .n = (int64_t)ids.n, .want = QN_LOGITS_ALL};
    CHECK_OK(qn_session_feed(a.s, &feed, 1, keep, &x));
    CHECK_OK(qn_session_feed(b.s, &feed, 1, keep, &y));
    double max = 0, kl = 0, worst = 0, nll_a = 0, nll_b = 0, bytes = 0;
    int64_t same = 0, at = -1;
    for (int64_t i = 0; i < x.n; i++) {
        double one = 0;
        for (int v = 0; v < RIG_V; v++) {
            max = fmax(max, fabs(x.rows[i][v] - y.rows[i][v]));
            one += exp(x.rows[i][v] - lse(x.rows[i])) *
                   (x.rows[i][v] - lse(x.rows[i]) - y.rows[i][v] + lse(y.rows[i]));
        }
        kl += one;
        at = one > worst ? i : at;
        worst = fmax(worst, one);
        same += top(x.rows[i]) == top(y.rows[i]);
        if (i + 1 == x.n)
            continue;
        nll_a += lse(x.rows[i]) - x.rows[i][ids.v[i + 1]];
        nll_b += lse(y.rows[i]) - y.rows[i][ids.v[i + 1]];
        bytes++;
    }
    CHECK_OK(run(&a, &b, &(qn_verify_options){.text = text, .n = sizeof text - 1, .drawn = -1}, &r));
    CHECK_INT(r.rows, x.n);
    CHECK_INT(r.text_rows, x.n);
    CHECK_INT(r.sequences, 1);
    CHECK_INT(r.same_top, same);
    CHECK_INT(r.worst_position, at);
    CHECK(r.worst_text.n > 0 && memmem(text, sizeof text, r.worst_text.s, r.worst_text.n), "%s", r.worst_text.s);
    CHECK_NEAR(r.max_delta, max, 1e-12);
    CHECK_NEAR(r.kl_mean, kl / (double)x.n, 1e-9);
    CHECK_NEAR(r.kl_worst, worst, 1e-9);
    CHECK(r.kl_p99 <= r.kl_worst && r.kl_p99 > r.kl_mean);
    CHECK_NEAR(r.ppl_a, exp(nll_a / (double)(x.n - 1)), 1e-7);
    CHECK_NEAR(r.ppl_b, exp(nll_b / (double)(x.n - 1)), 1e-7);
    CHECK_NEAR(r.ppl_ratio, r.ppl_b / r.ppl_a, 1e-10);
    CHECK_NEAR(r.bits_b, nll_b / log(2) / bytes, 1e-9);
    CHECK(r.max_delta > 0 && r.kl_mean > 0 && r.same_rows == 0);
    qn_verify_drop(&r);
    qn_ids_drop(&ids);
    side_drop(&a);
    side_drop(&b);
}

/* ---- the same ---- */

static void check_same(const qn_verify_result *r) {
    CHECK_INT(r->same_rows, r->rows);
    CHECK_INT(r->rows, r->tokens + r->drawn);
    CHECK(r->max_delta == 0 && r->kl_mean == 0 && r->kl_worst == 0 && r->ppl_ratio == 1 && r->top1 == 1);
    CHECK_INT(r->together, r->prompts);
    CHECK(r->prompts > 0);
    CHECK_INT(r->shared_least, r->length);
    CHECK_INT(r->worst_sequence, -1);
    CHECK_INT(r->failed, 0);
    CHECK_OK(qn_verify_verdict(r));
}

TEST(a_model_is_itself) {
    for (int bos = 0; bos < 2; bos++) {
        side a = side_of(TINY, bos, 128), b = side_of(TINY, bos, 512);
        qn_verify_result r;
        CHECK_INT(qn_verify_detect(a.m, b.m), QN_VERIFY_EXACT);
        CHECK_OK(run(&a, &b, &(qn_verify_options){.relation = QN_VERIFY_EXACT}, &r), "bos %d", bos);
        check_same(&r);
        CHECK_INT(r.ctx, 128);
        CHECK(r.specials_equal && r.template_equal && !r.own_text);
        CHECK(r.drawn == 8 * 32 && r.tokens > 1000 && r.tokens <= 2048 + 8 * 2);
        qn_verify_drop(&r);
        side_drop(&a);
        side_drop(&b);
    }
}

/* The same statement again: no digit depends on what the sessions did before, or on sequences of another length. */
TEST(a_statement_can_be_made_again) {
    side a = side_of(TINY, false, 128), b = side_of(of_dtype(QN_Q8_0), false, 128);
    qn_verify_result r, again, other;
    CHECK_OK(run(&a, &b, &(qn_verify_options){.relation = QN_VERIFY_QUANTIZE, .seed = 7}, &r));
    CHECK_OK(run(&a, &b, &(qn_verify_options){.relation = QN_VERIFY_QUANTIZE, .seed = 7}, &again));
    CHECK_OK(run(&a, &b, &(qn_verify_options){.relation = QN_VERIFY_QUANTIZE, .seed = 8}, &other));
    CHECK(r.kl_mean == again.kl_mean && r.max_delta == again.max_delta && r.mean_delta == again.mean_delta &&
          r.ppl_ratio == again.ppl_ratio && r.fingerprint == again.fingerprint);
    CHECK(r.fingerprint != other.fingerprint);
    CHECK(r.kl_mean == other.kl_mean);              /* what is drawn counts for logits only */
    qn_verify_drop(&r);
    qn_verify_drop(&again);
    qn_verify_drop(&other);
    side_drop(&a);
    side_drop(&b);
}

/* ---- a yardstick: what was lost beside what there was to lose ---- */

static int run_beside(const side *a, const side *b, const side *bare, qn_verify_result *r) {
    const qn_verify_side z = {.name = "bare.gguf", .session = bare->s, .tok = bare->tok};
    return run(a, b, &(qn_verify_options){.relation = QN_VERIFY_MERGE, .bare = &z}, r);
}

TEST(what_is_kept_is_measured_by_what_there_was) {
    side a = side_of(TINY, false, 128), near = side_of(of_dtype(QN_Q8_0), false, 128);
    side far = side_of(of_dtype(QN_Q4_0), false, 128), same = side_of(TINY, false, 128);
    qn_verify_result plain, r;
    CHECK_OK(run(&a, &far, &(qn_verify_options){.relation = QN_VERIFY_ANY}, &plain));
    CHECK(isnan(plain.effect) && isnan(qn_verify_kept(&plain)));
    CHECK_OK(run_beside(&a, &near, &far, &r));
    CHECK(r.effect == plain.kl_mean && r.effect > 0);
    CHECK_NEAR(qn_verify_kept(&r), 1 - r.kl_mean / plain.kl_mean, 1e-15);
    CHECK(qn_verify_kept(&r) > 0.5 && r.kl_mean > 0);
    CHECK_OK(qn_verify_verdict(&r), "KL %g of %g", r.kl_mean, r.effect);
    qn_verify_drop(&r);
    /* A smaller effect and the same loss: all of it is gone, though that is within all other limits. */
    CHECK_OK(run_beside(&a, &near, &near, &r));
    CHECK(qn_verify_kept(&r) == 0);
    CHECK_FAIL(qn_verify_verdict(&r), QN_EDIFFER, "share kept of what the adapters do 0, at least 0.5");
    CHECK_INT(r.failed, 1);
    qn_verify_drop(&r);
    /* Nothing was there to lose. */
    CHECK_OK(run_beside(&a, &near, &same, &r));
    CHECK(r.effect == 0 && isnan(qn_verify_kept(&r)));
    CHECK_OK(qn_verify_verdict(&r));
    qn_verify_drop(&r);
    qn_verify_drop(&plain);
    side_drop(&a);
    side_drop(&near);
    side_drop(&far);
    side_drop(&same);
}

/* ---- limits ---- */

TEST(limits_follow_the_relation_and_the_coarser_dtype) {
    CHECK(qn_verify_limits_of(QN_VERIFY_EXACT, QN_Q4_0, QN_Q4_0).same_bits);
    CHECK(qn_verify_limits_of(QN_VERIFY_CONVERT, QN_F32, QN_F32).delta == 1e-4);
    CHECK(qn_verify_limits_of(QN_VERIFY_MERGE, QN_F32, QN_F32).delta == 1e-3);
    CHECK(isnan(qn_verify_limits_of(QN_VERIFY_MERGE, QN_F32, QN_BF16).delta));
    CHECK(qn_verify_limits_of(QN_VERIFY_CONVERT, QN_F32, QN_F16).kl == 0.005);
    CHECK(qn_verify_limits_of(QN_VERIFY_MERGE, QN_Q4_1, QN_F32).kl == 0.05);
    CHECK(qn_verify_limits_of(QN_VERIFY_MERGE, QN_Q4_1, QN_F32).kept == 0.5);
    CHECK(isnan(qn_verify_limits_of(QN_VERIFY_MERGE, QN_F32, QN_F32).kept));
    CHECK(qn_verify_limits_of(QN_VERIFY_QUANTIZE, QN_F32, QN_Q8_0).top1 == 0.9);
    CHECK(isnan(qn_verify_limits_of(QN_VERIFY_ANY, QN_F32, QN_F32).kl));
    side a = side_of(TINY, false, 64), b = side_of(of_dtype(QN_Q8_0), false, 64);
    side c = side_of(of_dtype(QN_F16), false, 64);
    CHECK_INT(qn_verify_detect(a.m, b.m), QN_VERIFY_QUANTIZE);
    CHECK_INT(qn_verify_detect(b.m, a.m), QN_VERIFY_QUANTIZE);
    CHECK_INT(qn_verify_detect(a.m, c.m), QN_VERIFY_CONVERT);
    side_drop(&a);
    side_drop(&b);
    side_drop(&c);
}

TEST(what_is_quantized_passes_and_another_model_does_not) {
    tiny_spec fewer = TINY;
    fewer.layers = 1;
    side a = side_of(TINY, false, 128), b = side_of(of_dtype(QN_Q8_0), false, 128), c = side_of(fewer, false, 128);
    qn_verify_result r;
    CHECK_OK(run(&a, &b, &(qn_verify_options){.relation = QN_VERIFY_QUANTIZE}, &r));
    CHECK_OK(qn_verify_verdict(&r), "KL %g, top-1 %g, ratio %g", r.kl_mean, r.top1, r.ppl_ratio);
    CHECK_INT(r.checks, 6);
    qn_verify_drop(&r);
    CHECK_OK(run(&a, &b, &(qn_verify_options){.relation = QN_VERIFY_EXACT}, &r));
    CHECK_FAIL(qn_verify_verdict(&r), QN_EDIFFER, "rows of the same bits 0, at least 1");
    qn_verify_drop(&r);
    CHECK_OK(run(&a, &c, &(qn_verify_options){.relation = QN_VERIFY_QUANTIZE}, &r));
    CHECK_FAIL(qn_verify_verdict(&r), QN_EDIFFER, "a.gguf and b.gguf are further apart than \"quantize\" allows");
    CHECK(r.together < r.prompts && r.shared_mean < (double)r.length);
    qn_verify_drop(&r);
    CHECK_OK(run(&a, &c, &(qn_verify_options){.relation = QN_VERIFY_ANY}, &r));
    CHECK_INT(r.checks, 0);
    CHECK_OK(qn_verify_verdict(&r));
    qn_verify_drop(&r);

    qn_verify_limits mine = QN_VERIFY_NO_LIMITS;
    mine.kl = 1e-12;
    CHECK_OK(run(&a, &b, &(qn_verify_options){.relation = QN_VERIFY_QUANTIZE, .limits = &mine}, &r));
    CHECK_FAIL(qn_verify_verdict(&r), QN_EDIFFER, "at most 1e-12");
    CHECK_INT(r.failed, 1);
    qn_verify_drop(&r);
    side_drop(&a);
    side_drop(&b);
    side_drop(&c);
}

/* A weight that is no number makes rows that are none: counted, never an error, and no verdict lets them pass. */
TEST(what_is_no_number_fails_every_verdict) {
    side a = side_of(TINY, false, 64), b = side_of(TINY, false, 64);
    const qn_tensor *norm = qn_model_param(b.m, QN_P_OUT_NORM, 0);
    qn_verify_result r;
    ((float *)norm->data)[3] = NAN;
    for (int relation = 0; relation < QN_VERIFY_RELATIONS; relation++) {
        CHECK_OK(run(&a, &b, &(qn_verify_options){.relation = (qn_verify_relation)relation}, &r));
        CHECK_INT(r.not_numbers, r.tokens + r.drawn);
        CHECK_INT(r.rows, 0);
        CHECK_FAIL(qn_verify_verdict(&r), QN_EDIFFER, "rows that are no numbers");
        qn_verify_drop(&r);
    }
    side_drop(&a);
    side_drop(&b);
}

/* ---- tokenizers ---- */

static qn_tok *three_tokens(const char *third, qn_token_type type) {
    const qn_str tokens[] = {QN_STR("<bos>"), QN_STR("a"), qn_str_of(third)};
    const int32_t types[] = {QN_TOKEN_CONTROL, QN_TOKEN_NORMAL, type};
    const qn_tok_gguf_tables tables = {
        .tokens = tokens, .n_tokens = third ? 3 : 2, .types = types, .n_types = third ? 3 : 2, .pre = QN_STR("gpt-2"),
        .bos = 0, .eos = -1, .unk = -1, .pad = -1, .add_bos = false, .add_eos = false,
    };
    qn_tok_spec spec;
    qn_tok *tok;
    CHECK_OK(qn_tok_spec_from_gguf_tables(&spec, &tables));
    CHECK_OK(qn_tok_new(&tok, &spec));
    qn_tok_spec_drop(&spec);
    return tok;
}

TEST(tokenizers_that_differ_are_refused_with_the_first_id) {
    side a = side_of(TINY, false, 64), b = side_of(TINY, false, 64);
    static const struct { const char *third; qn_token_type type; const char *message; } other[] = {
        {"c", QN_TOKEN_NORMAL, "id 2 is \"b\" in a.gguf and \"c\" in b.gguf"},
        {NULL, QN_TOKEN_NORMAL, "id 2 is \"b\" in a.gguf and nothing in b.gguf"},
        {"b", QN_TOKEN_CONTROL, "id 2, \"b\", is a special token in b.gguf and text in a.gguf"},
    };
    qn_verify_result r;
    qn_tok_free(a.tok);
    a.tok = three_tokens("b", QN_TOKEN_NORMAL);
    for (size_t i = 0; i < QN_LEN(other); i++) {
        qn_tok_free(b.tok);
        b.tok = three_tokens(other[i].third, other[i].type);
        CHECK_FAIL(run(&a, &b, &(qn_verify_options){0}, &r), QN_EDIFFER, other[i].message);
        qn_verify_drop(&r);
    }
    side_drop(&a);
    side_drop(&b);
}

TEST(a_special_token_that_is_put_in_front_by_one_is_told) {
    side a = side_of(TINY, false, 64), b = side_of(TINY, true, 64);
    qn_verify_result r;
    CHECK_OK(run(&a, &b, &(qn_verify_options){.relation = QN_VERIFY_CONVERT}, &r));
    CHECK(!r.specials_equal);
    CHECK_FAIL(qn_verify_verdict(&r), QN_EDIFFER, "equal special tokens 0, at least 1");
    qn_verify_drop(&r);
    side_drop(&a);
    side_drop(&b);
}

/* ---- what cannot be done, what is written ---- */

TEST(options_out_of_range_are_refused) {
    side a = side_of(TINY, false, 64);
    qn_verify_result r;
    CHECK_FAIL(run(&a, &a, &(qn_verify_options){.text = "x", .n = 1}, &r), QN_EINVAL, "fewer than two tokens");
    qn_verify_drop(&r);
    CHECK_FAIL(run(&a, &a, &(qn_verify_options){.ctx = 65}, &r), QN_ECONTEXT, "2 to 64");
    qn_verify_drop(&r);
    side_drop(&a);
}

static int stop_at(void *arg, int64_t done, QN_UNUSED int64_t total) {
    return done > *(int64_t *)arg ? qn_fail(QN_ECANCEL, "enough") : 0;
}

TEST(progress_may_end_it) {
    side a = side_of(TINY, false, 64), b = side_of(TINY, false, 64);
    qn_verify_result r;
    int64_t most = 100;
    CHECK_FAIL(run(&a, &b, &(qn_verify_options){.progress = stop_at, .arg = &most}, &r), QN_ECANCEL, "enough");
    qn_verify_drop(&r);
    side_drop(&a);
    side_drop(&b);
}

TEST(json_and_text_say_the_same) {
    side a = side_of(TINY, false, 64), b = side_of(of_dtype(QN_Q8_0), false, 64);
    qn_verify_result r;
    qn_buf out = {0}, words = {0};
    qn_jw w;
    qn_json j;
    CHECK_OK(run(&a, &b, &(qn_verify_options){.relation = QN_VERIFY_QUANTIZE}, &r));
    qn_jw_init(&w, &out, 2);
    qn_jw_open(&w, '{');
    qn_verify_json(&r, &w);
    qn_jw_close(&w);
    CHECK_OK(qn_jw_end(&w));
    qn_json_init(&j, out.s, out.n, "verify");
    CHECK_OK(qn_json_skip(&j));
    CHECK_OK(qn_json_end(&j));
    qn_json_drop(&j);
    CHECK_CONTAINS(out.s, "\"verdict\": \"within the limits\"");
    CHECK_CONTAINS(out.s, "\"expect\": \"quantize\"");
    CHECK_CONTAINS(out.s, "\"at_least\": 0.9");
    CHECK_OK(qn_verify_put_text(&r, &words));
    CHECK(strstr(words.s, "quantize: within the limits") && strstr(words.s, "perplexity"), "%s", words.s);
    qn_buf_drop(&out);
    qn_buf_drop(&words);
    qn_verify_drop(&r);
    side_drop(&a);
    side_drop(&b);
}
