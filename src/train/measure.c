/* train/measure.c — how good the model is on rows that it is not trained on. The rows are the same each time. */
#include <math.h>

#include "train/train_impl.h"

#include "num/math.h"

int qn_trainer_measure(qn_trainer *t, qn_measured *m) {
    const uint16_t *bytes = t->s.data ? qn_dataset_token_bytes(t->s.data) : qn_examples_token_bytes(t->s.examples);
    const int64_t all = t->validation ? qn_rows_per_epoch(t->validation) : 0;
    const int64_t rows = t->recipe.eval_rows > 0 ? QN_MIN(t->recipe.eval_rows, all) : all;
    double sum = 0, of_text = 0;
    int64_t text = 0;
    *m = (qn_measured){0};
    for (int64_t r = 0; r < rows; r += t->pass) {
        const int64_t n = QN_MIN(t->pass, rows - r);
        for (int64_t i = 0; i < n; i++)
            QN_TRY(qn_rows_get(t->validation, r + i, &t->row[i]));
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
