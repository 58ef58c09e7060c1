/* train/opt_adamw.c — Adam with decoupled weight decay (Loshchilov & Hutter 2019, algorithm 2), as PyTorch writes it.
 *
 *     w ← w·(1 − η·λ)
 *     m ← m + (1 − β₁)(g − m)        v ← v + (1 − β₂)(g² − v)
 *     w ← w − η/(1 − β₁ᵗ) · m / (√v/√(1 − β₂ᵗ) + ε)
 *
 * Corrections and factors are worked out in double and rounded once. */
#include "train/optimizer_impl.h"

#include "num/math.h"

#include <math.h>

void qn_adamw_tile(const qn_step *s, const qn_slot *slot, const qn_step_tile *t) {
    const qn_optimizer_options *o = &s->o->o;
    const double steps = (double)s->step, rate = s->rate * slot->rate;
    const qn_adamw_args a = {
        .scale = s->scale, .beta1 = o->beta1, .beta2 = o->beta2, .eps = o->eps,
        .keep = 1 - rate * qn_slot_decay(s->o, slot),
        .step = rate / (1 - qn_pow(o->beta1, steps)),
        .inverse = 1 / sqrt(1 - qn_pow(o->beta2, steps)),
    };
    s->o->k->adamw(t->w, t->state[0], t->state[1], t->g, t->n, &a);
}
