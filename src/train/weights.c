/* train/weights.c — the masters of a model in training on their way to a file in Hugging Face's form.
 *
 * Most parameters are a tensor each and stream 32 rows at a time. Where the form joins several (GPT-2's q, k and v) or
 * lays them on their side, the tensor is put together first. */
#include "train/checkpoint.h"

/* One tensor of the file: the slots that make it up. */
typedef struct {
    const qn_params *p;
    const qn_slot *slot[4];
    int n;
    int64_t rows, cols;                 /* of all of them, as they are used */
    bool turned;
} group;

static const qn_slot *slot_of(const qn_params *p, qn_param_id id, int64_t layer) {
    for (size_t i = 0; i < p->n; i++)
        if (p->slot[i].p->id == id && p->slot[i].layer == layer)
            return &p->slot[i];
    return NULL;
}

static void add_slot(group *g, const qn_slot *s) {
    g->slot[g->n++] = s;
    g->rows += s->matrix ? s->rows : s->cols;
    g->cols = s->matrix ? s->cols : 1;
}

/* The tensor that slot i begins; false where it is a later part of another. */
static bool group_at(const qn_params *p, size_t i, group *g) {
    const qn_slot *s = &p->slot[i];
    const qn_joint *j = qn_arch_joint(p->m->arch, s->p->id);
    *g = (group){.p = p, .turned = s->matrix && (s->p->flags & QN_HF_TRANSPOSED)};
    if (!j) {
        add_slot(g, s);
        return true;
    }
    for (int k = 0; k < j->parts; k++)
        add_slot(g, slot_of(p, j->part[k], s->layer));
    return j->part[0] == s->p->id;
}

/* ---- declaring ---- */

static int declare(const group *g, qn_tensor_writer *t) {
    const int64_t dims[] = {g->turned ? g->cols : g->rows, g->turned ? g->rows : g->cols};
    qn_buf name = {0};
    int rc = qn_param_stored_name(g->p->m->arch, g->slot[0]->p, false, g->slot[0]->layer, &name);
    if (rc >= 0)
        rc = qn_tensor_writer_add(t, name.s, QN_F32, g->slot[0]->matrix ? 2 : 1, dims);
    qn_buf_drop(&name);
    return rc;
}

int qn_weights_declare(const qn_params *p, qn_tensor_writer *t) {
    group g;
    for (size_t i = 0; i < p->n; i++)
        if (group_at(p, i, &g))
            QN_TRY(declare(&g, t));
    return 0;
}

/* ---- streaming ---- */

/* Rows of a slot, 32 at a time, to where they lie in the tensor; row0: rows of the slots before it. */
static void gather(const group *g, const qn_slot *s, int64_t row0, float *room, float *out) {
    for (int64_t row = 0; row < s->rows; row += QN_SLOT_ROWS) {
        const float *w = qn_params_take(g->p, s, row, room);
        for (int64_t r = 0; r < qn_slot_tile_rows(s, row); r++)
            for (int64_t k = 0; k < s->cols; k++) {
                const int64_t line = s->matrix ? row0 + row + r : row0 + k, column = s->matrix ? k : 0;
                out[g->turned ? column * g->rows + line : line * g->cols + column] = w[r * s->cols + k];
            }
    }
}

static int stream_whole(const group *g, float *room, qn_tensor_writer *t) {
    float *all = qn_alloc(QN_MEM_SCRATCH, (size_t)(g->rows * g->cols) * sizeof *all);
    int64_t row0 = 0;
    if (!all)
        return QN_ENOMEM;
    for (int i = 0; i < g->n; i++) {
        gather(g, g->slot[i], row0, room, all);
        row0 += g->slot[i]->matrix ? g->slot[i]->rows : g->slot[i]->cols;
    }
    const int rc = qn_tensor_writer_put(t, all, (size_t)(g->rows * g->cols) * sizeof *all);
    qn_free(all);
    return rc;
}

static int stream(const group *g, float *room, qn_tensor_writer *t) {
    const qn_slot *s = g->slot[0];
    if (g->n > 1 || g->turned)
        return stream_whole(g, room, t);
    for (int64_t row = 0; row < s->rows; row += QN_SLOT_ROWS) {
        const float *w = qn_params_take(g->p, s, row, room);
        QN_TRY(qn_tensor_writer_put(t, w, (size_t)(qn_slot_tile_rows(s, row) * s->cols) * sizeof *w));
    }
    return 0;
}

int qn_weights_stream(const qn_params *p, qn_tensor_writer *t) {
    float *room = qn_alloc(QN_MEM_SCRATCH, (size_t)p->widest * sizeof *room);
    int rc = room ? 0 : QN_ENOMEM;
    group g;
    for (size_t i = 0; rc >= 0 && i < p->n; i++)
        if (group_at(p, i, &g))
            rc = stream(&g, room, t);
    qn_free(room);
    return rc;
}
