/* train/held.c — the best model so far, held in memory until a checkpoint is due.
 *
 * Where a step takes milliseconds, writing each best model as it is found takes longer than the training. Such a run
 * keeps a copy of masters, moments and counters instead:
 *
 *     an evaluation, the best so far      ─►  copied                                        (nothing is written)
 *     a checkpoint is due, stop, end, error ─►  exchanged, written as the best, exchanged back; then what is due
 *
 * A kill loses the copy and nothing else: taken up from the checkpoint before it, the run comes by the same evaluation
 * and finds the same model again. */
#include "train/train_impl.h"

#include <string.h>

#include "train/dial.h"

#define HELD_MOST ((size_t)64 << 20)    /* bytes; larger models have steps that are worth it */

/* Does writing every best model take a part of the time that counts? By recipe and size, not by the clock. */
static bool is_worth_it(const qn_trainer *t, size_t bytes) {
    const qn_recipe *r = &t->recipe;
    return t->s.run && t->validation && r->checkpoint_every > 0 && r->eval_every > 0 && bytes <= HELD_MOST &&
           r->eval_every < qn_dial_worth_saving(r, t->s.params->m->n_params);
}

int qn_held_new(qn_trainer *t) {
    qn_optimizer_state state[2];
    const size_t arrays = 1 + (size_t)qn_optimizer_states(t->optimizer, state);
    const size_t bytes = arrays * t->s.params->numbers * sizeof(float);
    if (!is_worth_it(t, bytes))
        return 0;
    t->held.numbers = qn_alloc(QN_MEM_GRADS, bytes);
    t->held.room = qn_alloc(QN_MEM_SCRATCH, 2 * (size_t)t->s.params->widest * sizeof(float));
    return t->held.numbers && t->held.room ? 0 : QN_ENOMEM;
}

void qn_held_free(qn_trainer *t) {
    qn_free(t->held.numbers);
    qn_free(t->held.room);
    t->held = (qn_held){0};
}

/* ---- parameters and copy ---- */

/* The masters of a tile into the copy; with `back` those of the copy into the model too. */
static void pass_tile(qn_trainer *t, int64_t tile, bool back) {
    const qn_params *p = t->s.params;
    int64_t row;
    const qn_slot *s = qn_params_tile(p, tile, &row);
    const size_t n = (size_t)(qn_slot_tile_rows(s, row) * s->cols);
    float *held = t->held.numbers + s->at + row * s->cols, *was = t->held.room, *room = was + p->widest;
    memcpy(was, qn_params_take(p, s, row, room), n * sizeof *was);
    if (back) {
        memcpy(room, held, n * sizeof *room);
        qn_params_put(p, s, row, room);
    }
    memcpy(held, was, n * sizeof *held);
}

static void pass_state(float *held, float *state, size_t n, bool back) {
    for (size_t i = 0; i < n; i++) {
        const float was = state[i];
        state[i] = back ? held[i] : was;
        held[i] = was;
    }
}

static void pass(qn_trainer *t, bool back) {
    const size_t n = t->s.params->numbers;
    qn_optimizer_state state[2];
    const int states = qn_optimizer_states(t->optimizer, state);
    for (int64_t tile = 0; tile < t->s.params->tiles; tile++)
        pass_tile(t, tile, back);
    for (int k = 0; k < states; k++)
        pass_state(t->held.numbers + n * (size_t)(1 + k), state[k].data, n, back);
}

void qn_held_take(qn_trainer *t) {
    pass(t, false);
    t->held.state = t->state;
    t->held.waits = true;
}

void qn_held_exchange(qn_trainer *t) {
    const qn_train_state state = t->state;
    pass(t, true);
    t->state = t->held.state;
    t->held.state = state;
}
