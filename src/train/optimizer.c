/* train/optimizer.c — which rule for which parameter, the state that rules keep, the norm of the gradient, a step.
 *
 * A step is one pass over memory: a tile of 32 rows is taken out of its panel, changed by its rule beside its gradient
 * and its moments, and put back. */
#include "train/optimizer_impl.h"

#include <math.h>

qn_optimizer_options qn_optimizer_options_default(qn_optimizer_kind kind) {
    return (qn_optimizer_options){
        .kind = kind, .beta1 = 0.9, .beta2 = 0.95, .eps = 1e-8, .weight_decay = kind == QN_OPTIMIZER_SGD ? 0 : 0.1,
        .momentum = kind == QN_OPTIMIZER_SGD ? 0.9 : 0.95, .nesterov = kind == QN_OPTIMIZER_MUON, .muon_rate = 1,
        .muon_match_rms = true,
    };
}

/* ---- a new one ---- */

static bool is_share(double x) { return x >= 0 && x < 1; }
static bool is_factor(double x) { return x >= 0 && isfinite(x); }

int qn_optimizer_options_check(const qn_optimizer_options *o) {
    if (o->kind < QN_OPTIMIZER_ADAMW || o->kind > QN_OPTIMIZER_SGD)
        return qn_fail(QN_EINVAL, "optimizer: the kind must be one of " QN_OPTIMIZER_CHOICES);
    if (!is_share(o->beta1) || !is_share(o->beta2))
        return qn_fail(QN_EINVAL, "optimizer: beta1 %g, beta2 %g; both must be from 0 up, below 1", o->beta1, o->beta2);
    if (!is_share(o->momentum))
        return qn_fail(QN_EINVAL, "optimizer: momentum %g; it must be from 0 up, below 1", o->momentum);
    if (!is_factor(o->eps) || o->eps == 0)
        return qn_fail(QN_EINVAL, "optimizer: eps %g; it must be a number above 0", o->eps);
    if (!is_factor(o->weight_decay) || !is_factor(o->muon_rate))
        return qn_fail(QN_EINVAL, "optimizer: weight decay %g, rate of Muon %g; both must be numbers from 0 up",
                       o->weight_decay, o->muon_rate);
    return 0;
}

static int make(qn_optimizer *o) {
    const size_t bytes = o->p->numbers * sizeof **o->state;
    for (int i = 0; i < (o->o.kind == QN_OPTIMIZER_SGD ? 1 : 2); i++)
        if (!(o->state[i] = qn_arena_map(QN_MEM_GRADS, bytes)))
            return QN_ENOMEM;
    o->room = qn_alloc(QN_MEM_SCRATCH, (size_t)o->workers * (size_t)o->p->widest * sizeof *o->room);
    o->partial = qn_zalloc(QN_MEM_SCRATCH, (size_t)o->p->tiles, sizeof *o->partial);
    if (!o->room || !o->partial)
        return QN_ENOMEM;
    return o->o.kind == QN_OPTIMIZER_MUON ? qn_muon_init(o) : 0;
}

int qn_optimizer_new(qn_optimizer **out, qn_params *p, const qn_kernels *k, const qn_optimizer_options *options,
                     int workers) {
    *out = NULL;
    QN_TRY(qn_optimizer_options_check(options));
    qn_optimizer *o = qn_zalloc(QN_MEM_SCRATCH, 1, sizeof *o);
    if (!o)
        return QN_ENOMEM;
    o->p = p;
    o->k = k;
    o->o = *options;
    o->workers = workers;
    const int rc = make(o);
    if (rc < 0) {
        qn_optimizer_free(o);
        return rc;
    }
    *out = o;
    return 0;
}

void qn_optimizer_free(qn_optimizer *o) {
    if (!o)
        return;
    for (int i = 0; i < 2; i++)
        if (o->state[i])
            qn_arena_unmap(QN_MEM_GRADS, o->state[i], o->p->numbers * sizeof **o->state);
    qn_muon_drop(o);
    qn_free(o->room);
    qn_free(o->partial);
    qn_free(o);
}

int qn_optimizer_states(qn_optimizer *o, qn_optimizer_state out[2]) {
    const bool adamw = o->o.kind == QN_OPTIMIZER_ADAMW;
    out[0] = (qn_optimizer_state){adamw ? "exp_avg" : "momentum_buffer", o->state[0]};
    out[1] = (qn_optimizer_state){"exp_avg_sq", o->state[1]};
    return o->state[1] ? 2 : 1;
}

/* ---- the norm ---- */

typedef struct { qn_optimizer *o; const float *grad; } norm_job;

static void norm_tile(void *arg, int64_t tile, QN_UNUSED int worker) {
    const norm_job *j = arg;
    int64_t row;
    const qn_slot *s = qn_params_tile(j->o->p, tile, &row);
    const float *g = j->grad + s->at + row * s->cols;
    j->o->partial[tile] = j->o->k->sum_squares(g, qn_slot_tile_rows(s, row) * s->cols);
}

double qn_optimizer_grad_norm(qn_optimizer *o, const float *grad, qn_pool *pool) {
    double sum = 0;
    qn_parallel(pool, o->p->tiles, norm_tile, &(norm_job){o, grad});
    for (int64_t i = 0; i < o->p->tiles; i++)
        sum += o->partial[i];
    return sqrt(sum);
}

/* ---- a step ---- */

double qn_slot_decay(const qn_optimizer *o, const qn_slot *s) {
    return s->matrix && !(s->flags & QN_NO_DECAY) ? o->o.weight_decay : 0;
}

static void step_tile(void *arg, int64_t tile, int worker) {
    const qn_step *s = arg;
    const qn_optimizer *o = s->o;
    int64_t row;
    const qn_slot *slot = qn_params_tile(o->p, tile, &row);
    if (qn_muon_takes(o, slot))
        return;
    const size_t at = slot->at + (size_t)(row * slot->cols);
    const qn_step_tile t = {
        .w = qn_params_take(o->p, slot, row, o->room + (size_t)worker * (size_t)o->p->widest),
        .state = {o->state[0] + at, o->state[1] ? o->state[1] + at : NULL},
        .g = s->grad + at, .n = qn_slot_tile_rows(slot, row) * slot->cols,
    };
    if (o->o.kind == QN_OPTIMIZER_SGD)
        qn_sgd_tile(s, slot, &t);
    else
        qn_adamw_tile(s, slot, &t);
    qn_params_put(o->p, slot, row, t.w);
}

void qn_optimizer_step(qn_optimizer *o, const float *grad, double scale, double rate, int64_t step, qn_pool *pool) {
    qn_step s = {.o = o, .grad = grad, .scale = scale, .rate = rate, .step = step};
    qn_assert(step >= 1 && qn_pool_threads(pool) <= o->workers);
    if (o->muon)
        qn_muon_step(&s, pool);
    qn_parallel(pool, o->p->tiles, step_tile, &s);
}
