/* infer/sampler.c — bias, grammar and penalties on a copy of the logits, probabilities by the level's softmax. */
#include "infer/sampler_impl.h"

#include <math.h>
#include <string.h>

/* Colder than this is greedy: dividing by it could overflow, and no second token would have a chance. */
#define COLDEST 1e-5

qn_sampler_options qn_sampler_options_default(void) {
    return (qn_sampler_options){
        .typical = 1, .top_p = 1, .xtc_threshold = 0.1, .repetition_penalty = 1, .penalty_last = 64, .dry_base = 1.75,
        .dry_allowed = 2, .dry_last = -1, .mirostat_tau = 5, .mirostat_eta = 0.1,
    };
}

int qn_sampler_options_check(const qn_sampler_options *o) {
    const struct { const char *name; double v, lo, hi; } range[] = {
        {"temperature", o->temperature, 0, 100}, {"top-k", (double)o->top_k, 0, 1e9},
        {"typical", o->typical, 1e-6, 1}, {"top-p", o->top_p, 0, 1}, {"min-p", o->min_p, 0, 1},
        {"XTC's probability", o->xtc_probability, 0, 1}, {"XTC's threshold", o->xtc_threshold, 0, 1},
        {"repetition penalty", o->repetition_penalty, 0.01, 100},
        {"frequency penalty", o->frequency_penalty, -100, 100}, {"presence penalty", o->presence_penalty, -100, 100},
        {"penalty window", (double)o->penalty_last, -1, 1e9}, {"DRY's multiplier", o->dry_multiplier, 0, 100},
        {"DRY's base", o->dry_base, 1, 100}, {"DRY's allowed length", (double)o->dry_allowed, 1, 1e9},
        {"DRY's window", (double)o->dry_last, -1, 1e9}, {"mirostat", o->mirostat, 0, 2},
        {"Mirostat's tau", o->mirostat_tau, 0, 100}, {"Mirostat's eta", o->mirostat_eta, 0, 10},
    };
    for (size_t i = 0; i < QN_LEN(range); i++)
        if (!(range[i].v >= range[i].lo && range[i].v <= range[i].hi))
            return qn_fail(QN_EINVAL, "%s is %g; expected %g to %g", range[i].name, range[i].v, range[i].lo,
                           range[i].hi);
    return 0;
}

static int check_bias(const qn_sampler_options *o, int64_t V) {
    for (int64_t i = 0; i < o->n_bias; i++) {
        const qn_logit_bias *b = &o->bias[i];
        if (b->id < 0 || b->id >= V)
            return qn_fail(QN_EINVAL, "logit bias for token %d; the vocabulary has %lld", b->id, (long long)V);
        if (isnan(b->add) || b->add > 1e6f)
            return qn_fail(QN_EINVAL, "logit bias of token %d is %g; expected a number, or -inf", b->id,
                           (double)b->add);
    }
    return 0;
}

int qn_sampler_new(qn_sampler **out, const qn_kernels *k, int64_t V, const qn_sampler_options *o) {
    *out = NULL;
    QN_TRY(qn_sampler_options_check(o));
    QN_TRY(check_bias(o, V));
    qn_sampler *s = qn_zalloc(QN_MEM_SESSION, 1, sizeof *s);
    if (!s)
        return QN_ENOMEM;
    s->k = k;
    s->V = V;
    s->o = *o;
    s->p = qn_alloc(QN_MEM_SESSION, (size_t)V * sizeof *s->p);
    s->c = qn_alloc(QN_MEM_SESSION, (size_t)V * sizeof *s->c);
    s->count = qn_zalloc(QN_MEM_SESSION, (size_t)V, sizeof *s->count);
    s->repeat = qn_zalloc(QN_MEM_SESSION, o->dry_multiplier > 0 ? (size_t)V : 1, sizeof *s->repeat);
    if (!s->p || !s->c || !s->count || !s->repeat || QN_GROW(QN_MEM_SESSION, s->seen, s->cap_seen, 4096) < 0 ||
        (o->dry_multiplier > 0 && QN_GROW(QN_MEM_SESSION, s->z, s->cap_z, 4096) < 0)) {
        qn_sampler_free(s);
        return QN_ENOMEM;
    }
    qn_sampler_reset(s);
    *out = s;
    return 0;
}

void qn_sampler_free(qn_sampler *s) {
    if (!s)
        return;
    qn_free(s->p);
    qn_free(s->c);
    qn_free(s->count);
    qn_free(s->seen);
    qn_free(s->z);
    qn_free(s->repeat);
    qn_free(s);
}

void qn_sampler_reset(qn_sampler *s) {
    memset(s->count, 0, (size_t)s->V * sizeof *s->count);
    s->n_seen = s->window_from = 0;
    s->drawn = 0;
    s->mu = 2 * s->o.mirostat_tau;
    if (s->o.guide)
        qn_guide_reset(s->o.guide);
}

int qn_sampler_accept(qn_sampler *s, int32_t id) {
    qn_assert(id >= 0 && id < s->V);
    QN_TRY(QN_GROW(QN_MEM_SESSION, s->seen, s->cap_seen, s->n_seen + 1));
    if (s->o.dry_multiplier > 0)
        QN_TRY(QN_GROW(QN_MEM_SESSION, s->z, s->cap_z, s->n_seen + 1));
    s->seen[s->n_seen++] = id;
    s->count[id]++;
    while (s->o.penalty_last >= 0 && s->n_seen - s->window_from > (size_t)s->o.penalty_last)
        s->count[s->seen[s->window_from++]]--;
    return 0;
}

bool qn_sampler_ended(const qn_sampler *s) { return s->o.guide && qn_guide_must_end(s->o.guide); }

/* ---- what changes logits ---- */

static float penalised(const qn_sampler_options *o, float logit, int32_t count) {
    const double repeated = logit > 0 ? logit / o->repetition_penalty : logit * o->repetition_penalty;
    return (float)(repeated - o->frequency_penalty * count - o->presence_penalty);
}

/* A token that occurs several times in the window is met several times: its count is negative once it is done. */
static void penalise(qn_sampler *s) {
    const qn_sampler_options *o = &s->o;
    if (o->repetition_penalty == 1 && o->frequency_penalty == 0 && o->presence_penalty == 0)
        return;
    for (size_t i = s->window_from; i < s->n_seen; i++) {
        const int32_t id = s->seen[i], count = s->count[id];
        if (count < 0)
            continue;
        s->p[id] = penalised(o, s->p[id], count);
        s->count[id] = -count;
    }
    for (size_t i = s->window_from; i < s->n_seen; i++)
        if (s->count[s->seen[i]] < 0)
            s->count[s->seen[i]] *= -1;
}

static void change(qn_sampler *s, const float *logits) {
    memcpy(s->p, logits, (size_t)s->V * sizeof *s->p);
    for (int64_t i = 0; i < s->o.n_bias; i++)
        s->p[s->o.bias[i].id] += s->o.bias[i].add;
    if (s->o.dry_multiplier > 0)
        qn_sampler_dry(s);
    penalise(s);
}

/* What the grammar forbids has no chance. It changes no other logit, so it may as well come last. */
static int forbid(qn_sampler *s) {
    const uint64_t *bits;
    QN_TRY(qn_guide_mask(s->o.guide, &bits));
    for (int64_t w = 0; w * 64 < s->V; w++) {
        const int64_t end = QN_MIN(s->V, (w + 1) * 64);
        if (bits[w] == UINT64_MAX)
            continue;
        for (int64_t i = w * 64; i < end; i++)
            if (!(bits[w] >> (i & 63) & 1))
                s->p[i] = -INFINITY;
    }
    return 0;
}

/* ---- the next token ---- */

static int no_number(const qn_sampler *s, float best) {
    if (best == -INFINITY && (s->o.guide || s->o.n_bias > 0))
        return qn_fail(QN_EINVAL, "no token is left: logit bias, or the model itself, forbids all that %s",
                       s->o.guide ? "the grammar allows" : "there is");
    return qn_fail(QN_EFORMAT, "the logits are no numbers: the weights are damaged, or the arithmetic overflowed");
}

/* The likeliest token is mostly one that the grammar allows: to ask for it costs less than to make a mask. */
static int greedy(qn_sampler *s, bool guided, int32_t *id) {
    int64_t best = s->k->argmax(s->p, s->V);
    if (guided && isfinite(s->p[best])) {
        const int fits = qn_guide_allows(s->o.guide, (int32_t)best);
        QN_TRY(fits);
        if (!fits) {
            QN_TRY(forbid(s));
            best = s->k->argmax(s->p, s->V);
        }
    }
    *id = (int32_t)best;
    return isfinite(s->p[best]) ? 0 : no_number(s, s->p[best]);
}

static int sample(qn_sampler *s, const float *logits, int64_t ahead, int32_t *id) {
    const bool guided = s->o.guide && ahead == 0;
    change(s, logits);
    if (s->o.temperature < COLDEST)
        return greedy(s, guided, id);
    if (guided)
        QN_TRY(forbid(s));
    const int64_t best = s->k->argmax(s->p, s->V);
    const float most = s->p[best];
    if (!isfinite(most))
        return no_number(s, most);
    s->k->scale(s->p, s->p, 1 / s->o.temperature, s->V);
    s->k->softmax(s->p, s->p, s->V);
    if (isnan(s->p[best]))                              /* one NaN makes every probability one */
        return no_number(s, NAN);
    *id = qn_sampler_draw(s, s->drawn + (uint64_t)ahead, s->p[best]);
    return 0;
}

int qn_sampler_guess(qn_sampler *s, const float *logits, int64_t ahead, int32_t *id) {
    return sample(s, logits, ahead, id);
}

int qn_sampler_next(qn_sampler *s, const float *logits, int32_t *id) {
    QN_TRY(sample(s, logits, 0, id));
    if (s->o.guide)
        QN_TRY(qn_guide_take(s->o.guide, *id));
    if (s->o.mirostat && s->o.temperature >= COLDEST)
        s->mu -= s->o.mirostat_eta * (s->surprise - s->o.mirostat_tau);
    s->drawn++;
    return 0;
}

/* ---- log-probabilities ---- */

float qn_logprob_of(const qn_kernels *k, const float *logits, int64_t V, int32_t id) {
    return (float)((double)logits[id] - k->logsumexp(logits, V));
}

void qn_logprobs_top(const qn_kernels *k, const float *logits, int64_t V, qn_logprob *out, int64_t n) {
    const double norm = k->logsumexp(logits, V);
    int64_t have = 0;
    for (int64_t i = 0; i < V; i++) {
        const float lp = (float)((double)logits[i] - norm);
        if (have == n && !(lp > out[n - 1].logprob))
            continue;
        int64_t at = have < n ? have++ : n - 1;
        for (; at > 0 && out[at - 1].logprob < lp; at--)
            out[at] = out[at - 1];
        out[at] = (qn_logprob){(int32_t)i, lp};
    }
}
