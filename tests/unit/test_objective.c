/* tests/unit/test_objective.c — losses of preferences as pure functions: against torch (tools/fixtures/objectives.py),
 * against finite differences, against numbers worked out by hand. Gradients of whole models: test_preference.c. */
#include "test.h"

#include "base/json.h"
#include "train/objective.h"

#define TOLERANCE 1e-6
#define LN2 0x1.62e42fefa39efp-1

static int kind_of(qn_str name) {
    for (int k = 0; k < QN_OBJECTIVES; k++)
        if (qn_str_is(name, qn_objective_get(k)->name))
            return k;
    CHECK(false, "no loss is called %.*s", QN_STR_ARG(name));
    return 0;
}

static qn_objective usual(int kind) {
    const qn_objective_info *k = qn_objective_get(kind);
    return (qn_objective){.kind = kind, .beta = k->beta, .margin = k->margin, .good = 1, .bad = 1};
}

/* ---- against torch ---- */

typedef struct { qn_objective o; qn_scored answer[2]; bool good; double kl, loss, slope[2], reward[2]; } example;

static void read_numbers(qn_json *j, double *v, int n) {
    CHECK_OK(qn_json_enter(j, '['));
    for (int i = 0; i < n; i++)
        CHECK(qn_json_item(j) > 0 && qn_json_f64(j, &v[i]) == 0);
    CHECK_INT(qn_json_item(j), 0);
}

static void read_answer(qn_json *j, qn_scored *a) {
    double v[3];
    read_numbers(j, v, 3);
    *a = (qn_scored){v[0], v[1], (int64_t)v[2]};
}

static void read_member(qn_json *j, qn_str key, example *x) {
    const struct { const char *key; double *at; } numbers[] = {
        {"beta", &x->o.beta}, {"label_smoothing", &x->o.smoothing}, {"rpo_alpha", &x->o.anchor},
        {"simpo_gamma", &x->o.margin}, {"desirable_weight", &x->o.good}, {"undesirable_weight", &x->o.bad},
        {"kl", &x->kl}, {"loss", &x->loss}, {"slope", &x->slope[0]}, {"reward", &x->reward[0]},
    };
    qn_buf name = {0};
    for (size_t i = 0; i < QN_LEN(numbers); i++)
        if (qn_str_is(key, numbers[i].key)) {
            CHECK_OK(qn_json_f64(j, numbers[i].at));
            return;
        }
    if (qn_str_is(key, "chosen") || qn_str_is(key, "answer"))
        read_answer(j, &x->answer[0]);
    else if (qn_str_is(key, "rejected"))
        read_answer(j, &x->answer[1]);
    else if (qn_str_is(key, "slopes"))
        read_numbers(j, x->slope, 2);
    else if (qn_str_is(key, "rewards"))
        read_numbers(j, x->reward, 2);
    else if (qn_str_is(key, "good"))
        CHECK_OK(qn_json_bool(j, &x->good));
    else {
        CHECK_OK(qn_json_string(j, &name));
        x->o.kind = kind_of(qn_buf_view(&name));
    }
    qn_buf_drop(&name);
}

/* torch takes KTO's 1 − σ as it stands: what is left of it near 0 is its rounding. */
static void near(double got, double want, const example *x, const char *what) {
    CHECK_NEAR(got, want, TOLERANCE * fabs(want) + 1e-15, "%s: %s of %g, %g", qn_objective_get(x->o.kind)->name, what,
               x->answer[0].policy, x->answer[1].policy);
}

static void judge(const example *x) {
    qn_judgement got;
    if (x->o.kind == QN_OBJECTIVE_KTO)
        qn_objective_label(&x->o, &x->answer[0], x->good, x->kl, &got);
    else
        qn_objective_pair(&x->o, &x->answer[0], &x->answer[1], &got);
    near(got.loss, x->loss, x, "loss");
    for (int i = 0; i < 1 + (x->o.kind != QN_OBJECTIVE_KTO); i++) {
        near(got.slope[i], x->slope[i], x, "slope");
        near(got.reward[i], x->reward[i], x, "reward");
    }
}

static int judge_list(qn_json *j, int kind) {
    qn_str key;
    int n = 0;
    for (CHECK_OK(qn_json_enter(j, '[')); qn_json_item(j) > 0; n++) {
        example x = {.o.kind = kind};
        CHECK_OK(qn_json_enter(j, '{'));
        while (qn_json_key(j, &key) > 0)
            read_member(j, key, &x);
        judge(&x);
    }
    return n;
}

TEST(they_are_what_torch_makes_of_them) {
    qn_buf text = {0};
    qn_json j;
    qn_str key;
    CHECK_OK(qn_read_file(&text, qn_test_fixture("objectives.json"), 1 << 20));
    qn_json_init(&j, text.s, text.n, "objectives.json");
    CHECK_OK(qn_json_enter(&j, '{'));
    while (qn_json_key(&j, &key) > 0)
        CHECK(judge_list(&j, qn_str_is(key, "labels") ? QN_OBJECTIVE_KTO : 0) >= 20);
    CHECK_OK(qn_json_end(&j));
    qn_json_drop(&j);
    qn_buf_drop(&text);
}

/* ---- by hand ---- */

/* A vocabulary of three; "a b" is the prompt, the answer is "c a": p(c) = 1/2, p(a) = 1/4 under the policy, 1/4 and
 * 1/4 under the reference; the rejected one "b": 1/4 and 1/2. The prompt's own tokens are in no sum: with them, or
 * shifted by one, it would be another one. */
static const qn_scored chosen = {-3 * LN2, -4 * LN2, 2}, rejected = {-2 * LN2, -LN2, 1};

TEST(three_tokens_by_hand) {
    qn_judgement j;
    qn_objective o = usual(QN_OBJECTIVE_SIGMOID);
    o.beta = 0.5;
    qn_objective_pair(&o, &chosen, &rejected, &j);
    CHECK_NEAR(j.loss, log(1.5), 1e-15, "Δ = 2 ln 2, so σ(ln 2) = 2/3");
    CHECK_NEAR(j.slope[0], -0.5 / 3, 1e-15);
    CHECK_NEAR(j.reward[0], 0.5 * LN2, 1e-15);
    CHECK_NEAR(j.reward[1], -0.5 * LN2, 1e-15);
    o = usual(QN_OBJECTIVE_IPO);
    o.beta = 1 / (3 * LN2);
    qn_objective_pair(&o, &chosen, &rejected, &j);
    CHECK_NEAR(j.loss, 0, 1e-15, "ln 2 / 2 + ln 2 a token is 1/(2β)");
    o = usual(QN_OBJECTIVE_SIMPO);
    o.beta = 2;
    o.margin = LN2;
    qn_objective_pair(&o, &chosen, &rejected, &j);
    CHECK_NEAR(j.loss, LN2, 1e-15, "means: −1.5 ln 2 and −2 ln 2, twice their difference is γ");
    o = usual(QN_OBJECTIVE_ORPO);
    o.beta = 1;
    qn_objective_pair(&o, &chosen, &rejected, &j);
    const double p = pow(2, -1.5), odds = p / (1 - p) / (1.0 / 3);
    CHECK_NEAR(j.loss, 1.5 * LN2 + log(1 + 1 / odds), 1e-14);
    o = usual(QN_OBJECTIVE_SIGMOID);
    o.beta = 0.5;
    o.anchor = 2;
    qn_objective_pair(&o, &chosen, &rejected, &j);
    CHECK_NEAR(j.loss, log(1.5) + 3 * LN2, 1e-14, "and twice the mean −ln p of the chosen");
}

TEST(before_step_0_the_loss_is_ln_2) {
    static const double sums[] = {-1e-3, -7.25, -130, -1e4};
    for (size_t i = 0; i < QN_LEN(sums); i++)
        for (double beta = 0.01; beta < 10; beta *= 3) {
            const qn_scored c = {sums[i], sums[i], 4}, r = {3 * sums[i], 3 * sums[i], 9};
            qn_objective o = usual(QN_OBJECTIVE_SIGMOID);
            qn_judgement j;
            o.beta = beta;
            qn_objective_pair(&o, &c, &r, &j);
            CHECK(j.loss == LN2, "%.17g", j.loss);
            CHECK(j.reward[0] == 0 && j.reward[1] == 0);
            CHECK(j.slope[0] == -beta / 2 && j.slope[1] == beta / 2);
        }
}

/* ---- properties ---- */

TEST(swapped_answers_swap_the_rewards) {
    for (int kind = 1; kind < QN_OBJECTIVES; kind++) {
        const qn_objective o = usual(kind);
        qn_judgement a, b;
        if (qn_objective_get(kind)->from != QN_LEARNS_PAIRS)
            continue;
        qn_objective_pair(&o, &chosen, &rejected, &a);
        qn_objective_pair(&o, &rejected, &chosen, &b);
        CHECK(a.reward[0] - a.reward[1] == -(b.reward[0] - b.reward[1]), "%s", qn_objective_get(kind)->name);
    }
}

static double loss_at(const qn_objective *o, const qn_scored *a, int which, double by) {
    qn_scored moved[2] = {a[0], a[1]};
    qn_judgement j;
    moved[which].policy += by;
    if (o->kind == QN_OBJECTIVE_KTO)
        qn_objective_label(o, &moved[0], a[1].n > 5, 0.5, &j);
    else
        qn_objective_pair(o, &moved[0], &moved[1], &j);
    return j.loss;
}

/* Fourth-order differences. */
static void check_slopes(const qn_objective *o, const qn_scored *a) {
    const double h = 1e-3;
    qn_judgement j;
    if (o->kind == QN_OBJECTIVE_KTO)
        qn_objective_label(o, &a[0], a[1].n > 5, 0.5, &j);
    else
        qn_objective_pair(o, &a[0], &a[1], &j);
    for (int which = 0; which < 1 + (o->kind != QN_OBJECTIVE_KTO); which++) {
        const double beside = loss_at(o, a, which, h) - loss_at(o, a, which, -h);
        const double far = loss_at(o, a, which, 2 * h) - loss_at(o, a, which, -2 * h);
        CHECK_NEAR(j.slope[which], (8 * beside - far) / (12 * h), 1e-9 * (1 + fabs(j.slope[which])), "%s of %g, %g",
                   qn_objective_get(o->kind)->name, a[0].policy, a[1].policy);
    }
}

TEST(slopes_are_slopes) {
    static const qn_scored pairs[][2] = {{{-9, -10, 5}, {-14, -13, 8}}, {{-3, -20, 2}, {-2, -1, 1}},
                                         {{-60, -55, 30}, {-61, -80, 25}}};
    for (int kind = 1; kind < QN_OBJECTIVES; kind++)
        for (size_t i = 0; i < QN_LEN(pairs); i++) {
            qn_objective o = usual(kind);
            o.good = 1.25;
            o.bad = 0.5;
            o.smoothing = qn_objective_get(kind)->uses & QN_USES_SMOOTHING ? 0.15 : 0;
            o.anchor = qn_objective_get(kind)->uses & QN_USES_ANCHOR ? 0.3 : 0;
            check_slopes(&o, pairs[i]);
        }
}

/* Probabilities of 1 and of nothing: numbers all the same. */
TEST(extremes_stay_numbers) {
    static const double sums[] = {0, -1e-300, -1e-9, -1e3, -1e6};
    for (int kind = 1; kind < QN_OBJECTIVES; kind++)
        for (size_t a = 0; a < QN_LEN(sums); a++)
            for (size_t b = 0; b < QN_LEN(sums); b++) {
                const qn_scored c = {sums[a], -5, 3}, r = {sums[b], -5, 3};
                const qn_objective o = usual(kind);
                qn_judgement j = {0};
                if (kind == QN_OBJECTIVE_KTO)
                    qn_objective_label(&o, &c, b % 2, 1, &j);
                else
                    qn_objective_pair(&o, &c, &r, &j);
                CHECK(isfinite(j.loss) && j.loss >= 0 && isfinite(j.slope[0]) && isfinite(j.slope[1]), "%s of %g, %g",
                      qn_objective_get(kind)->name, sums[a], sums[b]);
            }
}

TEST(the_divergence_is_never_below_0) {
    CHECK(qn_objective_kl(3, 4) == 0.75);
    CHECK(qn_objective_kl(-3, 4) == 0);
    CHECK(qn_objective_kl(0, 0) == 0);
}

TEST(ranges_are_checked) {
    qn_objective o = usual(QN_OBJECTIVE_SIGMOID);
    CHECK_OK(qn_objective_check(&o));
    o.smoothing = 0.6;
    CHECK_FAIL(qn_objective_check(&o), QN_EINVAL, "label_smoothing is 0.6");
    o = usual(QN_OBJECTIVE_SIGMOID);
    o.beta = 0;
    CHECK_FAIL(qn_objective_check(&o), QN_EINVAL, "beta is 0");
    o = usual(QN_OBJECTIVE_KTO);
    o.good = o.bad = 0;
    CHECK_FAIL(qn_objective_check(&o), QN_EINVAL, "weights of good and bad answers");
}
