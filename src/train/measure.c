/* train/measure.c — how good the model is on rows that it is not trained on. The rows are the same each time. */
#include <math.h>

#include "train/train_impl.h"

#include "num/math.h"

static int64_t rows_of(const qn_trainer *t) {
    const int64_t all = t->validation ? qn_rows_per_epoch(t->validation) : 0;
    return t->recipe.eval_rows > 0 ? QN_MIN(t->recipe.eval_rows, all) : all;
}

/* The rows of the pass that begins at r, into the first of the batch; how many. */
static int fetch(qn_trainer *t, int64_t r, int64_t *n) {
    *n = QN_MIN(t->pass, rows_of(t) - r);
    for (int64_t i = 0; i < *n; i++)
        QN_TRY(qn_trainer_row(t, t->validation, r + i, i));
    return 0;
}

/* Answers that are judged, as a step judges them. KTO's divergence is that of all of them. */
static int measure_judged(qn_trainer *t, qn_measured *m) {
    double moved = 0;
    int64_t n, answers = 0;
    *m = (qn_measured){.bits_per_byte = NAN};
    for (int64_t r = 0; r < rows_of(t) && t->judge.kind->from == QN_LEARNS_LABELS; r += n) {
        QN_TRY(fetch(t, r, &n));
        moved += qn_preference_mismatch(t, QN_SPLIT_VALIDATION, 0, n, &answers, NULL);
    }
    qn_preference_begin(t, qn_objective_kl(moved, answers));
    for (int64_t r = 0; r < rows_of(t); r += n) {
        QN_TRY(fetch(t, r, &n));
        for (int64_t i = 0; i < n; i++)
            m->tokens += qn_trainer_tokens(t, i);
        qn_preference_pass(t, QN_SPLIT_VALIDATION, 0, n, 0);
    }
    m->judged = qn_preference_end(t);
    m->loss = m->judged.loss;
    return 0;
}

int qn_trainer_measure(qn_trainer *t, qn_measured *m) {
    const uint16_t *bytes = t->s.data ? qn_dataset_token_bytes(t->s.data) : qn_examples_token_bytes(t->s.examples);
    double sum = 0, of_text = 0;
    int64_t text = 0, n;
    if (t->judge.on)
        return measure_judged(t, m);
    *m = (qn_measured){0};
    for (int64_t r = 0; r < rows_of(t); r += n) {
        QN_TRY(fetch(t, r, &n));
        qn_engine_run(t->engine, t->row, n, 1, false);
        const qn_engine_losses l = qn_engine_losses_get(t->engine);
        for (int64_t i = 0; i < l.n; i++) {
            sum += (double)l.loss[i];
            of_text += bytes[l.target[i]] ? (double)l.loss[i] : 0;
            text += bytes[l.target[i]];
        }
        m->tokens += l.n;
    }
    m->loss = m->tokens ? sum / (double)m->tokens : 0;
    m->bits_per_byte = text ? of_text / ((double)text * qn_ln(2)) : NAN;
    return 0;
}
