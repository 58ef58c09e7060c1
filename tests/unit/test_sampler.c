/* tests/unit/test_sampler.c — the sampler against its definition written out in double: which tokens may come, and how
 * often, by χ² over many seeds. Seeds are fixed, so nothing here is left to chance. */
/* full: WHOLE=1 */
#include "test.h"

#include "infer/sampler.h"

enum { MAX_V = 2000 };

static const qn_kernels *kernels(void) { return qn_kernels_at(qn_test_isa()); }

/* ---- the definition ---- */

typedef struct { double p; int id; } ranked;

static int by_rank(const void *a, const void *b) {
    const ranked *x = a, *y = b;
    return x->p != y->p ? (x->p < y->p ? 1 : -1) : x->id - y->id;
}

/* Probabilities of all tokens: temperature, top-k, then top-p on what is left, renormalized, then min-p. */
static void define(double *p, const double *logit, int V, const qn_sampler_options *o) {
    static ranked r[MAX_V];
    double sum = 0, running = 0;
    int n = V;
    for (int i = 0; i < V; i++)
        r[i] = (ranked){logit[i] / o->temperature, i};
    qsort(r, (size_t)V, sizeof *r, by_rank);
    const double top = r[0].p;
    if (o->top_k > 0)
        n = (int)QN_MIN(n, o->top_k);
    for (int i = 0; i < n; i++)
        sum += r[i].p = exp(r[i].p - top);
    for (int i = 0; i < n && o->top_p < 1; i++)
        if ((running += r[i].p) >= o->top_p * sum)
            n = i + 1;
    while (n > 1 && r[n - 1].p < o->min_p * r[0].p)
        n--;
    sum = 0;
    for (int i = 0; i < n; i++)
        sum += r[i].p;
    memset(p, 0, (size_t)V * sizeof *p);
    for (int i = 0; i < n; i++)
        p[r[i].id] = r[i].p / sum;
}

/* Hugging Face's repetition penalty, then OpenAI's two, by how often a token occurs. */
static void penalise(double *logit, const float *from, int V, const int *count, const qn_sampler_options *o) {
    for (int i = 0; i < V; i++) {
        const double x = (double)from[i];
        logit[i] = x;
        if (count && count[i] > 0)
            logit[i] = (x < 0 ? x * o->repetition_penalty : x / o->repetition_penalty) -
                       o->frequency_penalty * count[i] - o->presence_penalty;
    }
}

/* ---- many draws ---- */

static qn_sampler *sampler(int V, const qn_sampler_options *o) {
    qn_sampler *s;
    CHECK_OK(qn_sampler_new(&s, kernels(), V, o));
    return s;
}

static int32_t next(qn_sampler *s, const float *logits) {
    int32_t id = -1;
    CHECK_OK(qn_sampler_next(s, logits, &id));
    return id;
}

/* Draws with a new seed each, or of one seed at successive positions; held to p by χ² over tokens expected often. */
static void compare(const char *what, const float *logits, int V, const double *p, qn_sampler_options o,
                    const int32_t *seen, int n_seen, bool one_seed) {
    static int hits[MAX_V];
    const int draws = qn_test_whole() ? (V > 100 ? 1000 : 5000) : (V > 100 ? 300 : 2000);
    double chi = 0, rest = draws, other = draws;       /* expected and found among the rare */
    int cells = -1;
    qn_sampler *s = one_seed ? sampler(V, &o) : NULL;
    memset(hits, 0, sizeof hits);
    for (int d = 0; d < draws; d++) {
        o.seed = (uint64_t)d;
        if (!one_seed)
            s = sampler(V, &o);
        for (int i = 0; i < n_seen && (!one_seed || d == 0); i++)
            CHECK_OK(qn_sampler_accept(s, seen[i]));
        const int32_t id = next(s, logits);
        CHECK(p[id] > 0, "%s: token %d cannot come", what, id);
        hits[id]++;
        if (!one_seed)
            qn_sampler_free(s);
    }
    if (one_seed)
        qn_sampler_free(s);
    for (int i = 0; i < V; i++) {
        const double want = p[i] * draws;
        if (want < 8)
            continue;
        chi += (hits[i] - want) * (hits[i] - want) / want;
        rest -= want;
        other -= hits[i];
        cells++;
    }
    if (rest >= 8) {                                    /* all the others are one cell */
        chi += (other - rest) * (other - rest) / rest;
        cells++;
    }
    /* mean = cells, deviation = √(2·cells); six of them, and a little for few cells */
    CHECK(chi <= cells + 6 * sqrt(2.0 * (cells + 1)) + 1, "%s: χ² is %.1f over %d degrees of freedom", what, chi,
          cells);
    CHECK(cells >= 0, "%s", what);
}

static void distribution(const char *what, const float *logits, int V, qn_sampler_options o) {
    static double p[MAX_V], logit[MAX_V];
    penalise(logit, logits, V, NULL, &o);
    define(p, logit, V, &o);
    compare(what, logits, V, p, o, NULL, 0, true);
    if (o.top_k == 0 && o.top_p == 1)                   /* a sampler for each seed */
        compare(what, logits, V, p, o, NULL, 0, false);
}

static qn_sampler_options warm(double temperature) {
    qn_sampler_options o = qn_sampler_options_default();
    o.temperature = temperature;
    return o;
}

static const float twelve[12] = {1.5f, -0.5f, 3, 2.9f, 0, -4, 2.2f, 1.5f, 0.3f, -1, 2.5f, -60};

TEST(temperature) {
    distribution("T = 1", twelve, 12, warm(1));
    distribution("T = 0.3", twelve, 12, warm(0.3));
    distribution("T = 5", twelve, 12, warm(5));
}

TEST(top_k_top_p_min_p) {
    static const struct { double T; int64_t k; double p, min_p;
    } cases[] = {
        {1, 3, 1, 0},    {1, 1, 1, 0},   {1, 12, 1, 0},     {1, 100, 1, 0},     {1, 0, 0.5, 0},
        {1, 0, 0.95, 0}, {1, 0, 0, 0},   {2, 0, 0.8, 0},    {1, 0, 1, 0.1},     {1, 0, 1, 1},
        {1, 0, 1, 0.9},  {1, 5, 0.7, 0}, {1, 5, 0.99, 0.4}, {0.7, 4, 0.9, 0.2}, {3, 8, 0.6, 0.05},
    };
    for (size_t i = 0; i < QN_LEN(cases); i++) {
        char what[80];
        qn_sampler_options o = warm(cases[i].T);
        o.top_k = cases[i].k;
        o.top_p = cases[i].p;
        o.min_p = cases[i].min_p;
        snprintf(what, sizeof what, "T %g, top-k %d, top-p %g, min-p %g", o.temperature, (int)o.top_k, o.top_p,
                 o.min_p);
        distribution(what, twelve, 12, o);
    }
}

/* Two strong tokens above thousands of weak ones that together weigh as much: top-p's share is of what top-k leaves. */
TEST(large_vocabulary) {
    static float logits[MAX_V];
    for (int i = 0; i < MAX_V; i++)
        logits[i] = (float)log(0.45 / (MAX_V - 2));
    logits[7] = (float)log(0.30);
    logits[5] = (float)log(0.25);
    static const struct { int64_t k; double p; } cases[] = {
        {1998, 0.5}, {0, 0.5}, {0, 0.56}, {1000, 0.5}, {2, 0.5}, {100, 0.56}, {100, 1}, {0, 0.2}, {900, 0.999},
    };
    for (size_t i = 0; i < QN_LEN(cases); i++) {
        char what[80];
        qn_sampler_options o = warm(1);
        o.top_k = cases[i].k;
        o.top_p = cases[i].p;
        snprintf(what, sizeof what, "large, top-k %d, top-p %g", (int)o.top_k, o.top_p);
        distribution(what, logits, MAX_V, o);
    }
}

/* ---- greedy ---- */

TEST(greedy_takes_the_first_of_equals) {
    float logits[40] = {0};
    int32_t id;
    const qn_sampler_options o = qn_sampler_options_default();
    qn_sampler *s = sampler(40, &o);
    logits[33] = logits[17] = logits[34] = 2;
    CHECK_INT(next(s, logits), 17);
    logits[16] = -INFINITY;
    logits[3] = NAN;
    CHECK_INT(next(s, logits), 17, "NaN never wins");
    for (int i = 0; i < 40; i++)
        logits[i] = i % 2 ? NAN : -INFINITY;
    CHECK_FAIL(qn_sampler_next(s, logits, &id), QN_EFORMAT, "no numbers");
    logits[8] = INFINITY;
    CHECK_FAIL(qn_sampler_next(s, logits, &id), QN_EFORMAT, "no numbers");
    qn_sampler_free(s);
}

TEST(very_cold_is_greedy) {
    static const double cold[] = {1e-300, 1e-40, 1e-9, 9.9e-6, 1e-5, 1e-4};
    for (size_t i = 0; i < QN_LEN(cold); i++) {
        const qn_sampler_options o = warm(cold[i]);
        qn_sampler *s = sampler(12, &o);
        for (int d = 0; d < 100; d++)
            CHECK_INT(next(s, twelve), 2, "temperature %g", cold[i]);
        qn_sampler_free(s);
    }
}

TEST(a_nan_cannot_be_drawn_from) {
    float logits[12];
    int32_t id;
    qn_sampler_options o = warm(1);
    memcpy(logits, twelve, sizeof logits);
    logits[4] = NAN;
    for (int mode = 0; mode < 4; mode++) {
        o.top_k = mode & 1 ? 3 : 0;
        o.top_p = mode & 2 ? 0.9 : 1;
        qn_sampler *s = sampler(12, &o);
        CHECK_FAIL(qn_sampler_next(s, logits, &id), QN_EFORMAT, "no numbers", "mode %d", mode);
        qn_sampler_free(s);
    }
}

TEST(forbidden_tokens_never_come) {
    float logits[12];
    memcpy(logits, twelve, sizeof logits);
    logits[2] = logits[3] = -INFINITY;
    distribution("two forbidden", logits, 12, warm(1));
}

/* ---- penalties ---- */

static const int32_t seen[] = {2, 3, 3, 5, 3, 11, 6, 2};

static void penalty_case(const char *what, qn_sampler_options o) {
    double p[12], logit[12];
    int count[12] = {0};
    for (size_t i = 0; i < QN_LEN(seen); i++)
        count[seen[i]] += o.penalty_last < 0 || i + (size_t)o.penalty_last >= QN_LEN(seen);
    penalise(logit, twelve, 12, count, &o);
    define(p, logit, 12, &o);
    compare(what, twelve, 12, p, o, seen, QN_LEN(seen), true);
    o.temperature = 0;
    qn_sampler *s = sampler(12, &o);
    int best = 0;
    for (size_t i = 0; i < QN_LEN(seen); i++)
        CHECK_OK(qn_sampler_accept(s, seen[i]));
    for (int i = 1; i < 12; i++)
        best = logit[i] > logit[best] ? i : best;
    CHECK_INT(next(s, twelve), best, "%s", what);
    qn_sampler_reset(s);
    CHECK_INT(next(s, twelve), 2, "%s: a reset forgets", what);
    qn_sampler_free(s);
}

TEST(penalties_by_formula) {
    static const int64_t windows[] = {-1, 0, 1, 3, 8, 64};
    for (size_t w = 0; w < QN_LEN(windows); w++)
        for (int kind = 0; kind < 5; kind++) {
            char what[64];
            qn_sampler_options o = warm(1);
            o.penalty_last = windows[w];
            o.repetition_penalty = kind == 0 || kind == 4 ? 1.3 : kind == 3 ? 0.7 : 1;
            o.frequency_penalty = kind == 1 || kind == 4 ? 0.4 : 0;
            o.presence_penalty = kind == 2 || kind == 4 ? 0.9 : kind == 3 ? -0.5 : 0;
            snprintf(what, sizeof what, "penalties %d, window %d", kind, (int)windows[w]);
            penalty_case(what, o);
        }
}

/* ---- draws depend on seed and position, memory is not touched ---- */

TEST(a_draw_depends_on_seed_and_position_only) {
    qn_sampler_options o = warm(1.5);
    float other[12] = {0};
    int32_t first[50];
    int differ = 0;
    o.seed = 42;
    qn_sampler *a = sampler(12, &o), *b = sampler(12, &o);
    for (int i = 0; i < 50; i++)
        first[i] = next(a, twelve);
    for (int i = 0; i < 50; i++) {                      /* other logits at other positions make no difference */
        const int32_t id = next(b, i % 3 ? other : twelve);
        CHECK(i % 3 || id == first[i], "draw %d", i);
    }
    qn_sampler_reset(a);
    for (int i = 0; i < 50; i++)
        CHECK_INT(next(a, twelve), first[i], "after a reset, draw %d", i);
    o.seed = 43;
    qn_sampler *c = sampler(12, &o);
    for (int i = 0; i < 50; i++)
        differ += next(c, twelve) != first[i];
    CHECK(differ > 20, "another seed draws otherwise");
    qn_sampler_free(a);
    qn_sampler_free(b);
    qn_sampler_free(c);
}

TEST(sampling_allocates_nothing) {
    qn_sampler_options o = warm(1);
    float logits[12];
    o.top_k = 5;
    o.top_p = 0.9;
    o.repetition_penalty = 1.2;
    qn_sampler *s = sampler(12, &o);
    memcpy(logits, twelve, sizeof logits);
    const int64_t calls = qn_mem_calls();
    for (int i = 0; i < 1000; i++)
        CHECK_OK(qn_sampler_accept(s, next(s, logits)));
    CHECK_INT(qn_mem_calls() - calls, 0);
    CHECK(memcmp(logits, twelve, sizeof logits) == 0, "the logits are the caller's");
    qn_sampler_free(s);
}

TEST(options_out_of_range) {
    const qn_sampler_options fine = qn_sampler_options_default();
    qn_sampler *s;
    CHECK_OK(qn_sampler_options_check(&fine));
#define BAD(field, value, says)                                                                \
    do {                                                                                       \
        qn_sampler_options o = fine;                                                           \
        o.field = value;                                                                       \
        CHECK_FAIL(qn_sampler_new(&s, kernels(), 12, &o), QN_EINVAL, says, "%s", #field " " #value); \
        CHECK(s == NULL);                                                                      \
    } while (0)
    BAD(temperature, -0.1, "temperature");
    BAD(temperature, NAN, "temperature");
    BAD(temperature, INFINITY, "temperature");
    BAD(top_k, -1, "top-k");
    BAD(top_p, 1.01, "top-p");
    BAD(top_p, NAN, "top-p");
    BAD(min_p, -0.5, "min-p");
    BAD(repetition_penalty, 0, "repetition penalty");
    BAD(frequency_penalty, 1e9, "frequency penalty");
    BAD(presence_penalty, NAN, "presence penalty");
    BAD(penalty_last, -2, "penalty window");
#undef BAD
}

/* ---- log-probabilities ---- */

TEST(logprobs_are_the_softmax) {
    enum { V = 3001, N = 20 };
    static float logits[V];
    qn_logprob top[N];
    double sum = 0, total = 0;
    for (int i = 0; i < V; i++)
        logits[i] = qn_fill_value(9, (uint64_t)i, 12);
    logits[100] = logits[2000] = logits[50] = 13;               /* the best, thrice */
    for (int i = 0; i < V; i++)
        sum += exp((double)logits[i]);
    for (int i = 0; i < V; i++) {
        const float lp = qn_logprob_of(kernels(), logits, V, i);
        CHECK_NEAR(lp, (double)logits[i] - log(sum), 4e-6, "token %d", i);
        total += exp((double)lp);
    }
    CHECK_NEAR(total, 1, 1e-5);
    for (int n = 1; n <= N; n += 19) {
        qn_logprobs_top(kernels(), logits, V, top, n);
        CHECK(top[0].id == 50 && (n == 1 || (top[1].id == 100 && top[2].id == 2000)), "equals by id");
        for (int i = 0; i < n; i++) {
            int better = 0;
            for (int j = 0; j < V; j++)
                better += logits[j] > logits[top[i].id] || (logits[j] == logits[top[i].id] && j < top[i].id);
            CHECK_INT(better, i, "rank of token %d", top[i].id);
            CHECK(top[i].logprob == qn_logprob_of(kernels(), logits, V, top[i].id));
        }
    }
}
