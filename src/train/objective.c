/* train/objective.c — losses of preferences, their slopes, rewards: one row of the table each. */
#include "train/objective.h"

#include "num/math.h"

/* ---- elements ---- */

static double sigmoid(double x) { return x >= 0 ? 1 / (1 + qn_exp(-x)) : qn_exp(x) / (1 + qn_exp(x)); }

/* −ln σ(x); ln 2 at 0, to the bit. */
static double softplus(double x) { return x >= 0 ? qn_log1p(qn_exp(-x)) : qn_log1p(qn_exp(x)) - x; }

/* ln(1 − eˣ), x < 0; whichever half keeps its digits. */
static double log1mexp(double x) { return x > -0.7 ? qn_ln(-qn_expm1(x)) : qn_log1p(-qn_exp(x)); }

static double mean(const qn_scored *a) { return a->policy / (double)a->n; }
static double ratio(const qn_scored *a) { return a->policy - a->reference; }

/* −(1−ε)·ln σ(x) − ε·ln σ(−x), and its slope. */
static double smoothed(const qn_objective *o, double x, double *slope) {
    const double e = o->smoothing;
    *slope = e * sigmoid(x) - (1 - e) * sigmoid(-x);
    return e > 0 ? (1 - e) * softplus(x) + e * softplus(-x) : softplus(x);
}

/* ---- pairs ---- */

typedef void pair_fn(const qn_objective *o, const qn_scored *c, const qn_scored *r, qn_judgement *out);

/* Losses of Δ alone. */
static void put_difference(qn_judgement *out, double loss, double slope) {
    out->loss = loss;
    out->slope[0] = slope;
    out->slope[1] = -slope;
}

static void pair_sigmoid(const qn_objective *o, const qn_scored *c, const qn_scored *r, qn_judgement *out) {
    double slope;
    const double loss = smoothed(o, o->beta * (ratio(c) - ratio(r)), &slope);
    put_difference(out, loss, o->beta * slope);
}

static void pair_hinge(const qn_objective *o, const qn_scored *c, const qn_scored *r, qn_judgement *out) {
    const double short_by = 1 - o->beta * (ratio(c) - ratio(r));
    put_difference(out, short_by > 0 ? short_by : 0, short_by > 0 ? -o->beta : 0);
}

static void pair_ipo(const qn_objective *o, const qn_scored *c, const qn_scored *r, qn_judgement *out) {
    const double off = ratio(c) / (double)c->n - ratio(r) / (double)r->n - 1 / (2 * o->beta);
    out->loss = off * off;
    out->slope[0] = 2 * off / (double)c->n;
    out->slope[1] = -2 * off / (double)r->n;
}

/* An answer of probability 1 has no odds. */
static double logit(const qn_scored *a, double *slope) {
    const double p = QN_MIN(mean(a), -1e-12);
    *slope = -1 / (qn_expm1(p) * (double)a->n);
    return p - log1mexp(p);
}

static void pair_orpo(const qn_objective *o, const qn_scored *c, const qn_scored *r, qn_judgement *out) {
    double to_chosen, to_rejected;
    const double odds = logit(c, &to_chosen) - logit(r, &to_rejected), slope = -o->beta * sigmoid(-odds);
    out->loss = o->beta * softplus(odds) - mean(c);
    out->slope[0] = slope * to_chosen - 1 / (double)c->n;
    out->slope[1] = -slope * to_rejected;
}

static void pair_simpo(const qn_objective *o, const qn_scored *c, const qn_scored *r, qn_judgement *out) {
    double slope;
    out->loss = smoothed(o, o->beta * (mean(c) - mean(r)) - o->margin, &slope);
    out->slope[0] = o->beta * slope / (double)c->n;
    out->slope[1] = -o->beta * slope / (double)r->n;
}

/* ---- the table ---- */

enum { BOTH = QN_USES_SMOOTHING | QN_USES_ANCHOR };
static const struct { qn_objective_info info; pair_fn *pair; } kinds[QN_OBJECTIVES] = {
    {{"nll", QN_LEARNS_TOKENS, false, false, 0, 0, 0, 0}, NULL},
    {{"sigmoid", QN_LEARNS_PAIRS, true, false, BOTH, 0.1, 0, 5e-7}, pair_sigmoid},
    {{"hinge", QN_LEARNS_PAIRS, true, false, QN_USES_ANCHOR, 0.1, 0, 5e-7}, pair_hinge},
    {{"ipo", QN_LEARNS_PAIRS, true, true, QN_USES_ANCHOR, 0.1, 0, 5e-7}, pair_ipo},
    {{"kto", QN_LEARNS_LABELS, true, false, QN_USES_WEIGHTS, 0.1, 0, 5e-7}, NULL},
    {{"orpo", QN_LEARNS_PAIRS, false, true, 0, 0.1, 0, 5e-6}, pair_orpo},
    {{"simpo", QN_LEARNS_PAIRS, false, true, BOTH | QN_USES_MARGIN, 2, 1, 5e-7}, pair_simpo},
};

const qn_objective_info *qn_objective_get(int kind) {
    qn_assert(kind >= 0 && kind < QN_OBJECTIVES);
    return &kinds[kind].info;
}

int qn_objective_check(const qn_objective *o) {
    if (o->kind == QN_OBJECTIVE_NLL)
        return 0;
    if (!(o->beta > 0))
        return qn_fail(QN_EINVAL, "beta is %g; a preference needs one above 0", o->beta);
    if (!(o->smoothing >= 0 && o->smoothing <= 0.5))
        return qn_fail(QN_EINVAL, "label_smoothing is %g; expected 0 to 0.5: beyond that the labels are the wrong way "
                       "round", o->smoothing);
    if (o->kind == QN_OBJECTIVE_KTO && !(o->good >= 0 && o->bad >= 0 && o->good + o->bad > 0))
        return qn_fail(QN_EINVAL, "the weights of good and bad answers are %g and %g; expected none below 0, and one "
                       "above", o->good, o->bad);
    return 0;
}

/* ---- what is judged ---- */

static double reward(const qn_objective *o, const qn_scored *a) {
    const qn_objective_info *k = qn_objective_get(o->kind);
    const double v = k->reference ? ratio(a) : a->policy;
    return o->beta * (k->per_token ? v / (double)a->n : v);
}

void qn_objective_pair(const qn_objective *o, const qn_scored *chosen, const qn_scored *rejected, qn_judgement *out) {
    qn_assert(kinds[o->kind].pair && chosen->n > 0 && rejected->n > 0);
    kinds[o->kind].pair(o, chosen, rejected, out);
    out->reward[0] = reward(o, chosen);
    out->reward[1] = reward(o, rejected);
    if (o->anchor > 0) {
        out->loss -= o->anchor * mean(chosen);
        out->slope[0] -= o->anchor / (double)chosen->n;
    }
}

void qn_objective_label(const qn_objective *o, const qn_scored *a, bool good, double kl, qn_judgement *out) {
    const double sign = good ? 1 : -1, weight = good ? o->good : o->bad, x = sign * o->beta * (ratio(a) - kl);
    const double left = sigmoid(-x);
    *out = (qn_judgement){.loss = weight * left, .reward = {reward(o, a)}};
    out->slope[0] = -sign * weight * o->beta * left * sigmoid(x);
}

double qn_objective_kl(double sum, int64_t n) {
    const double kl = n > 0 ? sum / (double)n : 0;
    return kl > 0 ? kl : 0;
}
