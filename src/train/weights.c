/* train/weights.c — the masters of a model in training on their way to a file in Hugging Face's form. */
#include "train/checkpoint.h"

static int declare(const qn_slot *s, qn_tensor_writer *t) {
    const int64_t vector[] = {s->cols}, matrix[] = {s->rows, s->cols};
    qn_buf name = {0};
    int rc = qn_param_name(s->p, false, s->layer, &name);
    if (rc >= 0)
        rc = qn_tensor_writer_add(t, name.s, QN_F32, s->matrix ? 2 : 1, s->matrix ? matrix : vector);
    qn_buf_drop(&name);
    return rc;
}

int qn_weights_declare(const qn_params *p, qn_tensor_writer *t) {
    for (size_t i = 0; i < p->n; i++)
        QN_TRY(declare(&p->slot[i], t));
    return 0;
}

int qn_weights_stream(const qn_params *p, qn_tensor_writer *t) {
    float *room = qn_alloc(QN_MEM_SCRATCH, (size_t)p->widest * sizeof *room);
    int rc = room ? 0 : QN_ENOMEM;
    for (int64_t tile = 0; rc >= 0 && tile < p->tiles; tile++) {
        int64_t row;
        const qn_slot *s = qn_params_tile(p, tile, &row);
        const float *w = qn_params_take(p, s, row, room);
        rc = qn_tensor_writer_put(t, w, (size_t)(qn_slot_tile_rows(s, row) * s->cols) * sizeof *w);
    }
    qn_free(room);
    return rc;
}
