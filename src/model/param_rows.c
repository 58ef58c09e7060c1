/* model/param_rows.c — rows of a parameter out of a file, in Hugging Face's order whatever the file's own. */
#include "model/param_rows.h"

#include <stdio.h>
#include <string.h>

static int check_shape(const qn_source *s, const qn_tensor_info *t, int rank, const int64_t *dim) {
    bool same = t->rank == rank;
    for (int i = 0; same && i < rank; i++)
        same = t->dims[i] == dim[i];
    if (same)
        return 0;
    qn_shape want = {rank, {dim[0], dim[1]}}, got = {QN_MIN(t->rank, QN_MAX_RANK), {0}};
    char wanted[64];
    memcpy(got.dim, t->dims, (size_t)got.rank * sizeof *got.dim);
    snprintf(wanted, sizeof wanted, "%s", qn_shape_text(&want));
    return qn_fail(QN_ESHAPE, "%s: tensor %.*s is %s; the configuration asks for %s", qn_source_path(s),
                   QN_STR_ARG(t->name), qn_shape_text(&got), wanted);
}

int qn_param_rows_bind(qn_param_rows *r, const qn_source *s, const qn_config *c, const qn_param *p,
                       const qn_tensor_info *info) {
    int64_t dim[2] = {0, 1};
    const int rank = qn_param_shape(p, c, dim);
    QN_TRY(qn_tensor_need_dtype(qn_source_tensors(s), info));
    QN_TRY(check_shape(s, info, rank, dim));
    if (rank == 1 && qn_dtype_get((qn_dtype)info->dtype)->block > 1)
        return qn_fail(QN_EUNSUPPORTED, "%s: tensor %.*s is a vector in %s; vectors must be F64, F32, F16 or BF16",
                       qn_source_path(s), QN_STR_ARG(info->name), info->type);
    *r = (qn_param_rows){
        .info = info, .rows = dim[0], .cols = rank == 2 ? dim[1] : 1, .Dh = c->Dh,
        .rot = (p->flags & QN_ROPE_PERMUTED) && qn_source_is_gguf(s) ? c->rope.rot : 0,
    };
    r->row_bytes = qn_dtype_row_bytes((qn_dtype)info->dtype, r->cols);
    return 0;
}

/* Stored row that is row i: the halves of what a head rotates are interleaved (row 2i + j is half j, pair i). */
static int64_t stored_row(const qn_param_rows *r, int64_t i) {
    const int64_t half = r->rot / 2, in_head = i % r->Dh;
    return in_head >= r->rot ? i : i - in_head + 2 * (in_head % half) + in_head / half;
}

static const char *row_at(const qn_param_rows *r, int64_t stored) {
    return r->info->data + (size_t)stored * r->row_bytes;
}

void qn_param_rows_f32(const qn_param_rows *r, int64_t r0, int64_t n, float *to) {
    const qn_dtype_info *t = qn_dtype_get((qn_dtype)r->info->dtype);
    if (!r->rot) {
        t->decode_row(to, row_at(r, r0), n * r->cols);
        return;
    }
    for (int64_t i = 0; i < n; i++)
        t->decode_row(to + i * r->cols, row_at(r, stored_row(r, r0 + i)), r->cols);
}

const char *qn_param_rows_stored(const qn_param_rows *r, int64_t r0, int64_t n, char *room) {
    if (!r->rot)
        return row_at(r, r0);
    for (int64_t i = 0; i < n; i++)
        memcpy(room + (size_t)i * r->row_bytes, row_at(r, stored_row(r, r0 + i)), r->row_bytes);
    return room;
}

qn_tensor qn_param_tensor(const qn_param *p, const qn_config *c, qn_dtype matrices) {
    qn_tensor t = {.dtype = QN_F32, .layout = QN_LAYOUT_ROWS, .stride = 1};
    t.rank = qn_param_shape(p, c, t.dim);
    if (t.rank == 2) {
        t.dtype = matrices;
        t.layout = QN_LAYOUT_PANELS;
        t.stride = t.dim[1];
    }
    return t;
}

size_t qn_param_bytes(const qn_tensor *t) {
    return t->rank == 1 ? qn_round64((size_t)t->dim[0] * sizeof(float))
                        : (size_t)qn_panels(t->dim[0]) * qn_panel_bytes(t->dtype, t->dim[1]);
}
