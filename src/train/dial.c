/* train/dial.c — the rules of dial.h. */
#include "train/dial.h"

#include <math.h>

#include "num/math.h"

enum { HEAD = 64, WIDEST = 8192, DEEPEST = 256 };
enum { EVAL_ROWS = 32, EVAL_PART = 4 };         /* rows of an evaluation at least; one row for so many of training */

void qn_dial_init(qn_dial *d) {
    *d = (qn_dial){.depth = -1, .params = -1, .dim = -1, .layers = -1, .heads = -1, .kv_heads = -1, .ff = -1,
                   .context = -1, .batch = -1, .micro = -1, .steps = -1, .tokens = -1, .warmup = -1, .rate = NAN};
}

static int64_t round_up(int64_t n, int64_t to) { return (n + to - 1) / to * to; }

static int64_t ff_of(int64_t D, bool gated) { return gated ? round_up((8 * D + 2) / 3, 32) : 4 * D; }

static int64_t numbers(int64_t layers, int64_t D, int64_t kv_share, int64_t F, bool gated) {
    return layers * (2 * D * D + 2 * D * D / kv_share + (gated ? 3 : 2) * D * F);
}

int64_t qn_dial_numbers(const qn_config *c, bool gated) {
    const int64_t q = c->heads * c->Dh, kv = c->kv_heads * c->Dh;
    return c->layers * (2 * c->D * q + 2 * c->D * kv + (gated ? 3 : 2) * c->D * c->F);
}

/* ---- family ---- */

int qn_dial_family(const qn_arch *arch, qn_config *c, bool *gated) {
    static const struct { const char *name; bool gated; qn_act act; } known[] = {
        {"llama", true, QN_ACT_SILU}, {"gpt2", false, QN_ACT_GELU_TANH},
    };
    for (size_t i = 0; i < QN_LEN(known); i++)
        if (qn_str_is(qn_str_of(arch->name), known[i].name)) {
            *gated = known[i].gated;
            c->act = known[i].act;
            c->norm_eps = 1e-5;
            c->rope = (qn_rope_config){.base = 10000, .factor = 1, .low_freq_factor = 1, .high_freq_factor = 4,
                                       .beta_fast = 32, .beta_slow = 1};
            return 0;
        }
    return qn_fail(QN_EUNSUPPORTED, "a fresh model of family %s cannot be made; llama and gpt2 can", arch->name);
}

/* ---- shape ---- */

static int64_t step_of(int64_t n) { return n < 1000000 ? 64 : n < 3000000 ? 128 : 256; }

/* The largest that nearest() can find. */
static int64_t most_numbers(bool gated) { return numbers(DEEPEST, WIDEST, 1, ff_of(WIDEST, gated), gated); }

/* How far a shape is from what is wanted: its size first, then its form. */
static double distance(int64_t layers, int64_t D, double want, bool gated) {
    const double size = qn_ln((double)numbers(layers, D, 1, ff_of(D, gated), gated) / want);
    const double form = qn_ln((double)D / (double)(HEAD * layers));
    return 16 * size * size + form * form;
}

/* The shape nearest to `want` numbers; depth > 0: with so many layers. */
static void nearest(double want, int64_t depth, bool gated, int64_t *layers, int64_t *D) {
    double best = INFINITY;
    for (int64_t d = HEAD; d <= WIDEST; d += HEAD)
        for (int64_t l = depth > 0 ? depth : 1; l <= (depth > 0 ? depth : DEEPEST); l++) {
            const double far = distance(l, d, want, gated);
            if (d % step_of(numbers(l, d, 1, ff_of(d, gated), gated)) || far >= best)
                continue;
            best = far;
            *layers = l;
            *D = d;
        }
}

static int fit(const qn_config *c) {
    if (c->D % 2 || c->D < 2 || c->D > WIDEST * 4)
        return qn_fail(QN_EINVAL, "--dim %lld: a width is even and at most %d", (long long)c->D, WIDEST * 4);
    if (c->heads < 1 || c->D % c->heads || (c->D / c->heads) % 2)
        return qn_fail(QN_EINVAL, "--heads %lld: a width of %lld cannot be cut into so many even parts",
                       (long long)c->heads, (long long)c->D);
    if (c->kv_heads < 1 || c->heads % c->kv_heads)
        return qn_fail(QN_EINVAL, "--kv-heads %lld: it must divide the %lld heads", (long long)c->kv_heads,
                       (long long)c->heads);
    if (c->layers < 1 || c->layers > 1024 || c->F < 1 || c->context < 2)
        return qn_fail(QN_EINVAL, "%lld layers, feed-forward %lld, context %lld: out of range", (long long)c->layers,
                       (long long)c->F, (long long)c->context);
    return 0;
}

int qn_dial_shape(const qn_dial *d, bool gated, qn_config *c) {
    int64_t layers = 0, D = 0;
    if (d->depth > 0 && d->params > 0)
        return qn_fail(QN_EINVAL, "--depth and --params both say how large the model is; give one of them");
    if (d->params > most_numbers(gated))
        return qn_fail(QN_EINVAL, "--params: the dial ends at %d layers of width %d, which is %.0f G; --layers and "
                       "--dim make larger ones", DEEPEST, WIDEST, (double)most_numbers(gated) / 1e9);
    if (d->depth > 0) {
        const double D0 = (double)(HEAD * d->depth);
        nearest(12 * D0 * D0 * (double)d->depth, d->depth, gated, &layers, &D);
    } else {
        nearest(d->params > 0 ? (double)d->params : 1e6, 0, gated, &layers, &D);
    }
    c->layers = d->layers > 0 ? d->layers : layers;
    c->D = d->dim > 0 ? d->dim : D;
    c->heads = d->heads > 0 ? d->heads : QN_MAX(1, c->D / HEAD);
    c->kv_heads = d->kv_heads > 0 ? d->kv_heads : c->heads;
    c->F = d->ff > 0 ? d->ff : ff_of(c->D, gated);
    c->Dh = c->heads > 0 ? c->D / c->heads : 0;
    const int64_t n = qn_dial_numbers(c, gated);
    c->rope.rot = c->Dh;
    c->context = d->context > 0 ? d->context : n < 3000000 ? 256 : n < 30000000 ? 512 : 1024;
    c->rope.original_context = (double)c->context;
    return fit(c);
}

/* ---- run ---- */

/* The power of two next to x, by its logarithm. */
static int64_t power_of_two(double x) {
    int64_t p = 1;
    while ((double)p * 1.4142135623730951 < x)
        p *= 2;
    return p;
}

int64_t qn_dial_worth_saving(const qn_recipe *r, int64_t parameters) {
    const double numbers = (double)QN_MAX(parameters, 1);
    const double writing = 0.1 + 12 * numbers / 2e8;
    const double step = 6 * numbers * (double)r->batch * (double)r->context / 1e11;
    return (int64_t)QN_MIN(1e12, ceil(20 * writing / step));
}

/* Every twentieth part of the run, but not before so many rows were trained on that looking at EVAL_ROWS costs little:
 * that would be most of the time where steps are few and small. */
static int64_t eval_every(const qn_recipe *r) {
    const int64_t worth = (EVAL_PART * EVAL_ROWS + r->batch - 1) / r->batch, quarter = (r->steps + 3) / 4;
    return QN_MAX(1, QN_MAX(r->steps / 20, r->eval_rows < 0 ? QN_MIN(worth, quarter) : 0));
}

void qn_dial_intervals(const qn_dial *d, int64_t parameters, qn_recipe *r) {
    const int64_t n = r->steps;
    if (r->eval_every < 0)
        r->eval_every = eval_every(r);
    if (r->eval_rows < 0)
        r->eval_rows = QN_MAX(EVAL_ROWS, r->eval_every * r->batch / EVAL_PART);
    if (r->checkpoint_every < 0)
        r->checkpoint_every = QN_MIN(n, QN_MAX(QN_MAX(1, n / 10), qn_dial_worth_saving(r, parameters)));
    if (r->sample_every < 0)
        r->sample_every = QN_MAX(1, n / 5);
    r->schedule.steps = n;
    r->schedule.warmup = d->warmup >= 0 ? d->warmup : QN_MIN(n / 10, QN_MAX(10, n / 50));
    if (r->schedule.kind == QN_LR_WSD && r->schedule.decay == 0)
        r->schedule.decay = n / 5;
}

/* Four times over the data. */
static int64_t most_tokens(int64_t corpus_tokens) {
    return corpus_tokens > INT64_MAX / 4 ? corpus_tokens : 4 * corpus_tokens;
}

int64_t qn_dial_most_steps(const qn_recipe *r, int64_t corpus_tokens) {
    return QN_MAX(1, most_tokens(corpus_tokens) / (r->batch * r->context));
}

int qn_dial_run(const qn_dial *d, const qn_config *c, bool gated, int64_t corpus_tokens, qn_recipe *r) {
    const int64_t pass = c->D <= 512 ? 4096 : c->D <= 1024 ? 2048 : 1024;
    const int64_t most = most_tokens(corpus_tokens);
    const int64_t tokens = d->tokens > 0 ? d->tokens : QN_MAX(1, QN_MIN(20 * qn_dial_numbers(c, gated), most));
    r->context = d->context > 0 ? d->context : c->context;
    r->batch = d->batch > 0 ? d->batch
                            : QN_MAX(1, QN_MAX(512, power_of_two(1.2 * sqrt((double)tokens))) / r->context);
    r->batch = d->batch > 0 ? r->batch : round_up(r->batch, r->shards);
    r->rows = d->micro > 0 ? d->micro : QN_MAX(1, QN_MIN(r->batch / r->shards, pass / r->context));
    r->steps = d->steps > 0 ? d->steps : QN_MAX(1, tokens / (r->batch * r->context));
    const double rate = r->optimizer.kind == QN_OPTIMIZER_SGD ? 6e-2 : 3e-3;
    r->schedule.peak = isnan(d->rate) ? rate * qn_pow(128.0 / (double)c->D, 0.75) : d->rate;
    qn_dial_intervals(d, qn_dial_numbers(c, gated) + c->V * c->D, r);
    return 0;
}
