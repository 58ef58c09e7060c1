/* model/stored.c — parameters found in files, and their rows in the order of use. */
#include "model/stored.h"

#include <stdio.h>
#include <string.h>

/* ---- finding ---- */

/* The name, or, in a directory, the name with or without the family's prefix: whichever way the table spells it. */
static const qn_tensor_info *find_prefixed(const qn_source *s, const qn_arch *a, const char *name) {
    const qn_tensor_file *f = qn_source_tensors(s);
    const qn_tensor_info *t = qn_tensor_find(f, name);
    const size_t prefix = a->hf_prefix && !qn_source_is_gguf(s) ? strlen(a->hf_prefix) : 0;
    char longer[192];
    if (t || prefix == 0)
        return t;
    if (strncmp(name, a->hf_prefix, prefix) == 0)
        return qn_tensor_find(f, name + prefix);
    snprintf(longer, sizeof longer, "%s%s", a->hf_prefix, name);
    return qn_tensor_find(f, longer);
}

static const qn_tensor_info *find_named(const qn_source *s, const qn_arch *a, const char *name) {
    const qn_tensor_info *t = find_prefixed(s, a, name);
    char other[192];
    for (size_t i = 0; !t && i < QN_LEN(a->alias) && a->alias[i][0] && !qn_source_is_gguf(s); i++) {
        if (!qn_str_ends(qn_str_of(name), a->alias[i][0]))
            continue;
        snprintf(other, sizeof other, "%.*s%s", (int)(strlen(name) - strlen(a->alias[i][0])), name, a->alias[i][1]);
        t = find_prefixed(s, a, other);
    }
    return t;
}

static void place_among(qn_stored *st, const qn_arch *a, const qn_config *c) {
    const qn_joint *j = qn_arch_joint(a, st->p->id);
    st->total = j ? 0 : st->dim[0];
    for (int i = 0; j && i < j->parts; i++) {
        int64_t dim[2];
        if (j->part[i] == st->p->id)
            st->first = st->total;
        qn_param_shape(qn_arch_param(a, j->part[i]), c, dim);
        st->total += dim[0];
    }
}

int qn_stored_find(qn_stored *st, const qn_source *s, const qn_arch *a, const qn_config *c, const qn_param *p,
                   int64_t layer) {
    const bool is_gguf = qn_source_is_gguf(s);
    qn_buf name = {0};
    int rc;
    *st = (qn_stored){.arch = a, .p = p, .layer = layer, .dim = {1, 1}};
    st->rank = qn_param_shape(p, c, st->dim);
    st->transposed = !is_gguf && (p->flags & QN_HF_TRANSPOSED);
    st->Dh = c->Dh;
    st->rot = is_gguf && (p->flags & QN_ROPE_PERMUTED) ? c->rope.rot : 0;
    place_among(st, a, c);
    QN_TRY_OUT(qn_param_stored_name(a, p, is_gguf, layer, &name));
    st->info = find_named(s, a, name.s);
out:
    qn_buf_drop(&name);
    return rc;
}

/* ---- checking ---- */

static int missing(const qn_stored *st, const qn_source *s) {
    const qn_tensor_info *t;
    qn_buf name = {0};
    int rc;
    QN_TRY_OUT(qn_param_stored_name(st->arch, st->p, qn_source_is_gguf(s), st->layer, &name));
    rc = qn_tensor_need(qn_source_tensors(s), name.s, &t);
out:
    qn_buf_drop(&name);
    return rc;
}

int qn_stored_check(const qn_stored *st, const qn_source *s) {
    const qn_tensor_info *t = st->info;
    qn_shape want = {st->rank, {st->total, st->dim[1]}};
    if (!t)
        return missing(st, s);
    QN_TRY(qn_tensor_need_dtype(qn_source_tensors(s), t));
    if (st->transposed && st->rank == 2)
        want = (qn_shape){2, {st->dim[1], st->total}};
    bool same = t->rank == want.rank;
    for (int i = 0; same && i < want.rank; i++)
        same = t->dims[i] == want.dim[i];
    if (same)
        return 0;
    qn_shape got = {QN_MIN(t->rank, QN_MAX_RANK), {0}};
    char wanted[64];
    memcpy(got.dim, t->dims, (size_t)got.rank * sizeof *got.dim);
    snprintf(wanted, sizeof wanted, "%s", qn_shape_text(&want));
    return qn_fail(QN_ESHAPE, "%s: tensor %.*s is %s; the configuration asks for %s", qn_source_path(s),
                   QN_STR_ARG(t->name), qn_shape_text(&got), wanted);
}

/* ---- rows ---- */

size_t qn_stored_row_bytes(const qn_stored *st) {
    return qn_dtype_row_bytes((qn_dtype)st->info->dtype, st->dim[1]);
}

/* n numbers of `width` bytes to places `stride` bytes apart. */
static void scatter(char *to, size_t stride, const char *from, int64_t n, size_t width) {
    if (width == 2)
        for (int64_t i = 0; i < n; i++)
            memcpy(to + (size_t)i * stride, from + i * 2, 2);
    else if (width == 4)
        for (int64_t i = 0; i < n; i++)
            memcpy(to + (size_t)i * stride, from + i * 4, 4);
    else
        for (int64_t i = 0; i < n; i++)
            memcpy(to + (size_t)i * stride, from + (size_t)i * width, width);
}

void qn_stored_turn(const qn_tensor_info *t, int64_t column, int64_t n, void *out) {
    enum { SOME = 256 };                                        /* a multiple of every block */
    const qn_dtype dtype = (qn_dtype)t->dtype;
    const qn_dtype_info *d = qn_dtype_get(dtype);
    const size_t row_bytes = qn_dtype_row_bytes(dtype, t->dims[1]);
    const size_t width = d->block > 1 ? sizeof(float) : (size_t)d->bytes, stride = (size_t)t->dims[0] * width;
    float some[SOME];
    for (int64_t from = 0, m; from < n; from += m) {
        const int64_t skip = (column + from) % d->block, first = column + from - skip;
        m = QN_MIN(n - from, SOME - skip);
        const char *x = t->data + qn_dtype_row_bytes(dtype, first);
        char *to = (char *)out + (size_t)from * stride;
        for (int64_t r = 0; r < t->dims[0]; r++, x += row_bytes, to += width) {
            if (d->block > 1)
                d->decode_row(some, x, (skip + m + d->block - 1) / d->block * d->block);
            scatter(to, stride, d->block > 1 ? (const char *)(some + skip) : x, m, width);
        }
    }
}

const char *qn_stored_rows(const qn_stored *st, int64_t row, int64_t n, void *room) {
    const size_t bytes = qn_stored_row_bytes(st);
    if (st->transposed && st->rank == 2) {
        qn_stored_turn(st->info, st->first + row, n, room);
        return room;
    }
    const char *src = st->info->data + (size_t)st->first * bytes;
    if (st->rot == 0)
        return src + (size_t)row * bytes;
    for (int64_t r = 0; r < n; r++)
        memcpy((char *)room + (size_t)r * bytes,
               src + (size_t)qn_interleaved_row(row + r, st->Dh, st->rot) * bytes, bytes);
    return room;
}

bool qn_stored_panel(const qn_stored *st, int64_t panel, qn_panel_rows *out) {
    if (st->rank != 2 || st->transposed || !qn_interleaves_by_panels(st->Dh, st->rot))
        return false;
    const size_t bytes = qn_stored_row_bytes(st);
    *out = qn_panel_rows_at(st->info->data + (size_t)st->first * bytes, bytes, st->Dh, st->rot, panel);
    return true;
}
