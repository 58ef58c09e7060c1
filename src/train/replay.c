/* train/replay.c — text that is read again while a model is tuned, so that it forgets less of it.
 *
 *     loss of a step = loss of its batch + weight · mean −ln p over `rows` rows of the text
 *
 * (Rehearsal: Robins 1995; Ouyang et al. 2022, "PPO-ptx".) The rows are those of a prepared folder in an order of their
 * own; they run behind the batch, and their gradients are added last: with shards, to those of the last one. */
#include <math.h>

#include "train/train_impl.h"

int qn_replay_new(qn_trainer *t) {
    qn_replay *a = &t->again;
    const qn_recipe *r = &t->recipe;
    const qn_rows_options o = {.context = r->context, .seed = r->seed};
    if ((a->n = r->replay_rows) == 0)
        return 0;
    if (!t->s.replay)
        return qn_fail(QN_EINVAL, "replay_rows is %lld, and no text is there to be read again", (long long)a->n);
    if (qn_dataset_vocab(t->s.replay) > qn_params_vocabulary(t->s.params))
        return qn_fail(QN_EINVAL, "%s: its tokenizer has %lld ids, the model's embedding %lld rows; the text that is "
                       "read again is prepared with the model's own tokenizer", qn_dataset_path(t->s.replay),
                       (long long)qn_dataset_vocab(t->s.replay), (long long)qn_params_vocabulary(t->s.params));
    QN_TRY(qn_rows_new(&a->rows, t->s.replay, &o));
    return qn_trainer_rows_new(a->n, r->context, qn_rows_max_pieces(a->rows), &a->row, &a->ids, &a->piece);
}

void qn_replay_free(qn_trainer *t) {
    qn_rows_free(t->again.rows);
    qn_free(t->again.row);
    qn_free(t->again.ids);
    qn_free(t->again.piece);
}

int64_t qn_replay_pieces(const qn_trainer *t) { return t->again.rows ? qn_rows_max_pieces(t->again.rows) : 0; }

int qn_replay_fetch(qn_trainer *t, int64_t step) {
    qn_replay *a = &t->again;
    a->tokens = 0;
    for (int64_t i = 0; i < a->n; i++) {
        QN_TRY(qn_rows_get(a->rows, step * a->n + i, &a->row[i]));
        for (int64_t k = 0; k < a->row[i].n; k++)
            a->tokens += a->row[i].targets[k] >= 0;
    }
    return 0;
}

double qn_replay_passes(qn_trainer *t, int64_t *flops) {
    const qn_replay *a = &t->again;
    double loss = 0;
    if (a->tokens == 0)
        return NAN;
    const double weight = t->recipe.replay_weight / (double)a->tokens;
    for (int64_t r = 0; r < a->n; r += t->pass) {
        qn_engine_drops(t->engine, t->state.step, t->recipe.batch + r);
        loss += qn_engine_run(t->engine, a->row + r, QN_MIN(t->pass, a->n - r), weight, true);
        *flops += qn_engine_info_get(t->engine).flops;
    }
    return loss / t->recipe.replay_weight;
}
