/* train/opt_sgd.c — gradient descent with momentum, as PyTorch writes it: decay is part of the gradient.
 *
 *     d = g + λ·w        m ← μ·m + d        w ← w − η·m        Nesterov: w ← w − η·(d + μ·m)
 *
 * The first step's momentum is d itself, which is what zeros give. */
#include "train/optimizer_impl.h"

void qn_sgd_tile(const qn_step *s, const qn_slot *slot, const qn_step_tile *t) {
    const qn_optimizer_options *o = &s->o->o;
    const qn_sgd_args a = {.scale = s->scale, .momentum = o->momentum, .decay = qn_slot_decay(s->o, slot),
                           .rate = s->rate * slot->rate, .nesterov = o->nesterov};
    s->o->k->sgd(t->w, t->state[0], t->g, t->n, &a);
}
