/* tests/unit/test_sampler_more.c — typical, XTC, DRY, Mirostat, bias and grammars: each against its definition written
 * out in double, draws by χ² over fixed seeds; three times as many, and over larger vocabularies, where all is run. */
/* full: WHOLE=1 */
#include "test.h"

#include "guide_rig.h"
#include "infer/sampler.h"

enum { N = 12 };

static int draws(void) { return qn_test_whole() ? 6000 : 2000; }

static const qn_kernels *kernels(void) { return qn_kernels_at(qn_test_isa()); }

static const float twelve[N] = {1.5f, -0.5f, 3, 2.9f, 0, -4, 2.2f, 1.5f, 0.3f, -1, 2.5f, -60};

static qn_sampler_options warm(void) {
    qn_sampler_options o = qn_sampler_options_default();
    o.temperature = 1;
    return o;
}

/* One seed, successive positions. `reset` forgets Mirostat's state between draws. */
static void compare(const char *what, const float *logits, int V, const double *p, const qn_sampler_options *o) {
    const int n = draws();
    int hits[64] = {0};
    double chi = 0;
    int cells = -1;
    qn_sampler *s;
    CHECK_OK(qn_sampler_new(&s, kernels(), V, o));
    for (int d = 0; d < n; d++) {
        int32_t id = -1;
        CHECK_OK(qn_sampler_next(s, logits, &id), "%s", what);
        CHECK(p[id] > 0, "%s: token %d cannot come", what, id);
        hits[id]++;
    }
    qn_sampler_free(s);
    for (int i = 0; i < V; i++) {
        const double want = p[i] * n;
        if (want < 5)
            continue;
        chi += (hits[i] - want) * (hits[i] - want) / want;
        cells++;
    }
    CHECK(chi <= cells + 6 * sqrt(2.0 * (cells + 1)) + 1, "%s: χ² is %.1f over %d", what, chi, cells);
}

static void softmax(const float *logits, int V, double *p) {
    double sum = 0;
    for (int i = 0; i < V; i++)
        sum += p[i] = exp((double)logits[i]);
    for (int i = 0; i < V; i++)
        p[i] /= sum;
}

static void renormalise(double *p, int V) {
    double sum = 0;
    for (int i = 0; i < V; i++)
        sum += p[i];
    for (int i = 0; i < V; i++)
        p[i] /= sum;
}

/* ---- typical ---- */

/* Keeps the tokens whose information is nearest to the entropy, up to this mass. */
static void define_typical(double *p, int V, double mass) {
    double entropy = 0, sum = 0, kept[64] = {0};
    for (int i = 0; i < V; i++)
        entropy -= p[i] > 0 ? p[i] * log(p[i]) : 0;
    while (sum < mass) {
        int best = -1;
        for (int i = 0; i < V; i++)
            if (kept[i] == 0 && (best < 0 || fabs(-log(p[i]) - entropy) < fabs(-log(p[best]) - entropy)))
                best = i;
        kept[best] = p[best];
        sum += p[best];
    }
    memcpy(p, kept, (size_t)V * sizeof *p);
    renormalise(p, V);
}

TEST(typical_tokens) {
    static const double masses[] = {0.05, 0.2, 0.5, 0.9, 0.99};
    for (size_t m = 0; m < QN_LEN(masses); m++) {
        double p[N];
        qn_sampler_options o = warm();
        o.typical = masses[m];
        softmax(twelve, N, p);
        define_typical(p, N, masses[m]);
        compare("typical", twelve, N, p, &o);
    }
}

TEST(typical_of_many_is_what_sorting_says) {
    enum { MOST = 3000 };
    static float logits[MOST];
    static double p[MOST], key[MOST];
    const int V = qn_test_whole() ? MOST : 700;
    double entropy = 0, sum = 0;
    int32_t id;
    bool may[MOST] = {false};
    qn_sampler *s;
    qn_sampler_options o = warm();
    o.typical = 0.3;
    for (int i = 0; i < V; i++)
        logits[i] = qn_fill_value(3, (uint64_t)i, 4);
    softmax(logits, V, p);
    for (int i = 0; i < V; i++)
        entropy -= p[i] * log(p[i]);
    for (int i = 0; i < V; i++)
        key[i] = fabs(-log(p[i]) - entropy);
    while (sum < 0.3) {
        int best = -1;
        for (int i = 0; i < V; i++)
            if (!may[i] && (best < 0 || key[i] < key[best]))
                best = i;
        may[best] = true;
        sum += p[best];
    }
    CHECK_OK(qn_sampler_new(&s, kernels(), V, &o));
    for (int d = 0; d < (qn_test_whole() ? 4000 : 1000); d++) {
        CHECK_OK(qn_sampler_next(s, logits, &id));
        CHECK(may[id], "token %d", id);
    }
    qn_sampler_free(s);
}

TEST(typical_then_top_p_then_min_p) {
    double p[N], sum = 0;
    qn_sampler_options o = warm();
    o.typical = 0.9;
    o.top_p = 0.8;
    o.min_p = 0.2;
    softmax(twelve, N, p);
    define_typical(p, N, 0.9);
    for (double most = 2, running = 0; running < 0.8;) {        /* the most probable of what is left, one by one */
        int best = -1;
        for (int i = 0; i < N; i++)
            if (p[i] < most && p[i] > 0 && (best < 0 || p[i] > p[best]))
                best = i;
        most = p[best];
        for (int i = 0; i < N; i++)
            running += p[i] == most ? p[i] : 0;
        sum = most;
    }
    double best = 0;
    for (int i = 0; i < N; i++)
        best = fmax(best, p[i]);
    for (int i = 0; i < N; i++)
        p[i] = p[i] >= sum && p[i] >= 0.2 * best ? p[i] : 0;
    renormalise(p, N);
    compare("three cuts", twelve, N, p, &o);
}

/* ---- XTC ---- */

TEST(top_choices_are_excluded_now_and_then) {
    static const double often[] = {0.5, 1}, thresholds[] = {0.1, 0.2, 0.6};
    for (size_t k = 0; k < 6; k++) {
        double p[N], all[N], out[N];
        int last = -1;
        qn_sampler_options o = warm();
        o.xtc_probability = often[k % 2];
        o.xtc_threshold = thresholds[k / 2];
        softmax(twelve, N, all);
        memcpy(out, all, sizeof out);
        for (int i = 0; i < N; i++)             /* of those above the least probable stays, of equals the last */
            if (all[i] >= o.xtc_threshold && (last < 0 || all[i] <= all[last]))
                last = i;
        for (int i = 0; i < N; i++)
            if (all[i] >= o.xtc_threshold && i != last)
                out[i] = 0;
        renormalise(out, N);
        for (int i = 0; i < N; i++)
            p[i] = o.xtc_probability * out[i] + (1 - o.xtc_probability) * all[i];
        compare("XTC", twelve, N, p, &o);
    }
}

/* ---- DRY ---- */

/* By its words: for each earlier place, how many tokens before it are those at the end. */
static void define_dry(double *logit, const int32_t *t, int n, const qn_sampler_options *o, const bool *breaks) {
    int longest[64] = {0};
    const int from = o->dry_last < 0 ? 0 : (int)QN_MAX(0, n - o->dry_last);
    for (int i = from + 1; i < n; i++) {
        int len = 0;
        while (len < i - from && t[i - 1 - len] == t[n - 1 - len] && !breaks[t[n - 1 - len]])
            len++;
        longest[t[i]] = QN_MAX(longest[t[i]], len);
    }
    for (int id = 0; id < N; id++)
        if (longest[id] >= o->dry_allowed)
            logit[id] -= o->dry_multiplier * pow(o->dry_base, longest[id] - (double)o->dry_allowed);
}

TEST(what_goes_on_as_before_is_punished) {
    for (uint64_t seed = 0; seed < 40; seed++) {
        int32_t t[60], id;
        double logit[N];
        bool breaks[N] = {false};
        uint64_t bits = seed % 3 == 0 ? 1u << 7 : 0;
        int best = 0;
        qn_sampler *s;
        qn_sampler_options o = qn_sampler_options_default();
        breaks[7] = bits != 0;
        o.dry_multiplier = 0.8;
        o.dry_base = 1.5 + (double)(seed % 4) / 4;
        o.dry_allowed = 1 + (int64_t)(seed % 3);
        o.dry_last = seed % 5 ? -1 : 20;
        o.dry_breaks = bits ? &bits : NULL;
        CHECK_OK(qn_sampler_new(&s, kernels(), N, &o));
        for (int i = 0; i < 60; i++) {
            t[i] = i % 13 < 9 ? (int32_t)((uint64_t)i % 13 % (2 + seed % 5) + seed % 4)
                              : (int32_t)(qn_rng_u64(seed, QN_RNG_TEST, (uint64_t)i, 0) % 9);
            CHECK_OK(qn_sampler_accept(s, t[i]));
        }
        for (int i = 0; i < N; i++)
            logit[i] = (double)twelve[i];
        define_dry(logit, t, 60, &o, breaks);
        for (int i = 1; i < N; i++)
            best = (float)logit[i] > (float)logit[best] ? i : best;
        CHECK_OK(qn_sampler_next(s, twelve, &id));
        CHECK_INT(id, best, "seed %d", (int)seed);
        CHECK_OK(qn_sampler_next(s, twelve, &id));          /* it leaves nothing behind */
        CHECK_INT(id, best, "seed %d, again", (int)seed);
        qn_sampler_free(s);
    }
}

TEST(tokens_that_hold_a_breaker) {
    qn_tok *tok = rig_tok();
    uint64_t bits[(RIG_V + 63) / 64];
    const qn_str texts[] = {QN_STR("\n"), QN_STR(": ")};
    qn_dry_breaks(tok, RIG_V, texts, 2, bits);
    for (int32_t id = 0; id < RIG_V; id++) {
        const qn_str piece = qn_tok_piece(tok, id);
        const bool want = memmem(piece.s, piece.n, "\n", 1) || memmem(piece.s, piece.n, ": ", 2);
        CHECK_INT(bits[id / 64] >> (id % 64) & 1, want, "token %d", id);
    }
    uint64_t *usual;
    CHECK_OK(qn_dry_breaks_new(&usual, tok, RIG_V, NULL, 0));
    for (int32_t id = 0; id < RIG_V; id++) {
        const qn_str piece = qn_tok_piece(tok, id);
        bool want = false;
        for (size_t i = 0; i < piece.n; i++)
            want = want || memchr("\n:\"*", piece.s[i], 4);
        CHECK_INT(usual[id / 64] >> (id % 64) & 1, want, "token %d, what is usual", id);
    }
    qn_free(usual);
    qn_tok_free(tok);
}

/* ---- Mirostat ---- */

/* Of n draws behind the first 500, in which mu finds its place. */
static double mean_surprise(int version, double tau, const float *logits, int V, int n) {
    double sum = 0, p[2000];
    int32_t id;
    qn_sampler *s;
    qn_sampler_options o = warm();
    o.mirostat = version;
    o.mirostat_tau = tau;
    softmax(logits, V, p);
    CHECK_OK(qn_sampler_new(&s, kernels(), V, &o));
    for (int d = -500; d < n; d++) {
        CHECK_OK(qn_sampler_next(s, logits, &id));
        sum -= d >= 0 ? log2(p[id]) : 0;
    }
    qn_sampler_free(s);
    return sum / n;
}

/* Version 2 cut by hand: all below mu bits, the draw, mu learns from its surprise. */
TEST(mirostat_2_step_by_step) {
    double p[N], mu;
    qn_sampler *s;
    qn_sampler_options o = warm();
    o.mirostat = 2;
    o.mirostat_tau = 1.5;
    o.mirostat_eta = 0.3;
    mu = 2 * o.mirostat_tau;
    softmax(twelve, N, p);
    CHECK_OK(qn_sampler_new(&s, kernels(), N, &o));
    for (int d = 0; d < 300; d++) {
        int32_t id;
        double best = 0;
        for (int i = 0; i < N; i++)
            best = fmax(best, p[i]);
        CHECK_OK(qn_sampler_next(s, twelve, &id));
        CHECK(p[id] >= pow(2, -mu) * (1 - 1e-5) || p[id] == best, "draw %d: token %d of %g bits, mu %g", d, id,
              -log2(p[id]), mu);
        mu -= o.mirostat_eta * (-log2(p[id]) - o.mirostat_tau);
    }
    qn_sampler_free(s);
}

TEST(mirostat_keeps_the_surprise) {
    enum { MOST = 2000 };
    static float zipf[MOST];
    const int V = qn_test_whole() ? MOST : 500, n = qn_test_whole() ? 3500 : 700;
    for (int i = 0; i < V; i++)
        zipf[i] = (float)(-1.1 * log(i + 1.0));         /* Zipf's law, which version 1 assumes */
    for (int version = 1; version <= 2; version++)
        for (double tau = 3; tau <= 6; tau += 1.5) {
            const double mean = mean_surprise(version, tau, zipf, V, n);
            CHECK(fabs(mean - tau) < 1.0, "version %d aims at %g bits: %g", version, tau, mean);
        }
}

/* ---- bias ---- */

TEST(a_bias_is_added) {
    const qn_logit_bias bias[] = {{2, -INFINITY}, {5, 6}, {0, -1}, {0, 0.5f}};
    float logits[N];
    double p[N];
    int32_t id;
    qn_sampler *s;
    qn_sampler_options o = warm();
    o.bias = bias;
    o.n_bias = 4;
    memcpy(logits, twelve, sizeof logits);
    logits[2] = -INFINITY;
    logits[5] += 6;
    logits[0] -= 0.5f;
    softmax(logits, N, p);
    compare("bias", twelve, N, p, &o);
    o.temperature = 0;
    CHECK_OK(qn_sampler_new(&s, kernels(), N, &o));
    CHECK_OK(qn_sampler_next(s, twelve, &id));
    CHECK_INT(id, 3);
    qn_sampler_free(s);
    const qn_logit_bias outside = {N, 1}, wrong = {1, NAN};
    o.n_bias = 1;
    o.bias = &outside;
    CHECK_FAIL(qn_sampler_new(&s, kernels(), N, &o), QN_EINVAL, "logit bias for token 12; the vocabulary has 12");
    o.bias = &wrong;
    CHECK_FAIL(qn_sampler_new(&s, kernels(), N, &o), QN_EINVAL, "logit bias of token 1 is");
}

/* ---- grammars ---- */

TEST(a_grammar_leaves_what_fits_with_its_shares) {
    static float logits[RIG_V];
    static double p[RIG_V];
    const int n = draws();
    rig r;
    int32_t id = -1;
    double sum = 0;
    int hits[RIG_V] = {0}, best = -1;
    qn_sampler_options o = warm();
    rig_gbnf(&r, "root ::= [a-c] | \"hello\"");
    for (int i = 0; i < RIG_V; i++)
        logits[i] = qn_fill_value(17, (uint64_t)i, 2);
    for (int32_t i = 0; i < RIG_V; i++) {
        const int fits = qn_guide_allows(&r.guide, i);
        CHECK_OK(fits);
        sum += p[i] = fits ? exp((double)logits[i]) : 0;
        best = fits && (best < 0 || logits[i] > logits[best]) ? i : best;
    }
    qn_sampler *s;
    o.guide = &r.guide;
    for (int d = 0; d < n; d++) {
        o.seed = (uint64_t)d;
        CHECK_OK(qn_sampler_new(&s, kernels(), RIG_V, &o));
        CHECK_OK(qn_sampler_next(s, logits, &id));
        CHECK(p[id] > 0, "token %d", id);
        hits[id]++;
        qn_sampler_free(s);
    }
    for (int i = 0; i < RIG_V; i++)
        CHECK(fabs(hits[i] - p[i] / sum * n) <= 5 * sqrt(n * 0.25), "token %d: %d", i, hits[i]);
    o.temperature = 0;
    CHECK_OK(qn_sampler_new(&s, kernels(), RIG_V, &o));
    CHECK_OK(qn_sampler_guess(s, logits, 0, &id));
    CHECK_INT(id, best, "a guess of the next token");
    CHECK_OK(qn_sampler_next(s, logits, &id));
    CHECK_INT(id, best, "the best of what fits");
    qn_sampler_free(s);
    rig_drop(&r);
}

TEST(a_whole_answer_ends) {
    rig r;
    float logits[RIG_V] = {0};
    int32_t id;
    qn_sampler *s;
    qn_sampler_options o = qn_sampler_options_default();
    rig_gbnf(&r, "root ::= \"ab\"");
    o.guide = &r.guide;
    CHECK_OK(qn_sampler_new(&s, kernels(), RIG_V, &o));
    while (!qn_sampler_ended(s))
        CHECK_OK(qn_sampler_next(s, logits, &id));
    CHECK_OK(qn_sampler_next(s, logits, &id));
    CHECK_INT(id, RIG_EOS, "who asks on is told so");
    CHECK_FAIL(qn_sampler_next(s, logits, &id), QN_EINVAL, "has ended");
    qn_sampler_reset(s);
    CHECK(!qn_sampler_ended(s));
    CHECK_OK(qn_sampler_next(s, logits, &id));
    qn_sampler_free(s);
    const qn_logit_bias never[] = {{'a', -INFINITY}, {RIG_FIRST, -INFINITY}, {RIG_FIRST + 2, -INFINITY}};
    o.bias = never;
    o.n_bias = 3;
    for (int warmly = 0; warmly < 2; warmly++) {
        o.temperature = warmly;
        CHECK_OK(qn_sampler_new(&s, kernels(), RIG_V, &o));
        CHECK_FAIL(qn_sampler_next(s, logits, &id), QN_EINVAL, "no token is left");
        qn_sampler_free(s);
    }
    rig_drop(&r);
}

/* ---- draws depend on seed and position; no memory is asked for ---- */

TEST(nothing_is_allocated_once_states_are_known) {
    rig r;
    int32_t id;
    uint64_t breaks[(RIG_V + 63) / 64] = {0};
    static float logits[RIG_V];
    qn_sampler *s;
    qn_sampler_options o = warm();
    rig_gbnf(&r, "root ::= (\"a\" | \"b\" | \"ab\")*");
    o.guide = &r.guide;
    o.typical = 0.9;
    o.top_k = 40;
    o.xtc_probability = 0.5;
    o.dry_multiplier = 0.5;
    o.dry_breaks = breaks;
    CHECK_OK(qn_sampler_new(&s, kernels(), RIG_V, &o));
    for (int i = 0; i < 500; i++) {
        const int64_t calls = qn_mem_calls();
        CHECK_OK(qn_sampler_next(s, logits, &id));
        if (id == RIG_EOS) {
            qn_guide_reset(&r.guide);
            continue;
        }
        CHECK_OK(qn_sampler_accept(s, id));
        CHECK(i < 100 || qn_mem_calls() == calls, "draw %d", i);
    }
    qn_sampler_free(s);
    rig_drop(&r);
}

TEST(draws_depend_on_seed_and_position) {
    qn_sampler_options o = warm();
    int32_t first[60], id;
    qn_sampler *a, *b;
    o.typical = 0.95;
    o.xtc_probability = 0.5;
    o.seed = 9;
    CHECK_OK(qn_sampler_new(&a, kernels(), N, &o));
    CHECK_OK(qn_sampler_new(&b, kernels(), N, &o));
    for (int i = 0; i < 60; i++)
        CHECK_OK(qn_sampler_next(a, twelve, &first[i]));
    for (int i = 0; i < 60; i++) {
        CHECK_OK(qn_sampler_guess(b, twelve, 0, &id));
        CHECK_INT(id, first[i], "guess %d", i);
        CHECK_OK(qn_sampler_next(b, twelve, &id));
        CHECK_INT(id, first[i], "draw %d", i);
    }
    qn_sampler_free(a);
    qn_sampler_free(b);
}

TEST(new_options_out_of_range) {
    qn_sampler *s;
#define BAD(field, value, says)                                                                       \
    do {                                                                                              \
        qn_sampler_options o = qn_sampler_options_default();                                          \
        o.field = value;                                                                              \
        CHECK_FAIL(qn_sampler_new(&s, kernels(), N, &o), QN_EINVAL, says, "%s", #field " " #value);   \
    } while (0)
    BAD(typical, 0, "typical");
    BAD(typical, 1.1, "typical");
    BAD(xtc_probability, -0.1, "XTC's probability");
    BAD(xtc_threshold, NAN, "XTC's threshold");
    BAD(dry_multiplier, -1, "DRY's multiplier");
    BAD(dry_base, 0.5, "DRY's base");
    BAD(dry_allowed, 0, "DRY's allowed length");
    BAD(dry_last, -2, "DRY's window");
    BAD(mirostat, 3, "mirostat");
    BAD(mirostat_tau, -1, "Mirostat's tau");
    BAD(mirostat_eta, 11, "Mirostat's eta");
#undef BAD
}
