/* format/gguf_write.c — keys and tables of a GGUF file. */
#include "format/gguf_write.h"

#include "format/gguf.h"

/* ---- keys ---- */

static int put_u32(qn_buf *b, uint32_t v) { return qn_buf_put(b, &v, sizeof v); }
static int put_u64(qn_buf *b, uint64_t v) { return qn_buf_put(b, &v, sizeof v); }

static int put_text(qn_buf *b, qn_str s) {
    QN_TRY(put_u64(b, s.n));
    return qn_buf_put(b, s.s, s.n);
}

static int begin_key(qn_gguf_writer *w, qn_str key, qn_gguf_type type) {
    qn_assert(w->items == 0);
    if (w->names.n >= QN_GGUF_MAX_KEYS)
        return qn_fail(QN_ELIMIT, "more than %d keys", QN_GGUF_MAX_KEYS);
    QN_TRY(qn_name_set_add(&w->names, key, "key"));
    QN_TRY(put_text(&w->keys, key));
    return put_u32(&w->keys, type);
}

static int put_scalar(qn_gguf_writer *w, qn_str key, qn_gguf_type type, const void *v, size_t n) {
    QN_TRY(begin_key(w, key, type));
    return qn_buf_put(&w->keys, v, n);
}

int qn_gguf_put_u32(qn_gguf_writer *w, const char *key, uint32_t v) {
    return put_scalar(w, qn_str_of(key), QN_GGUF_U32, &v, sizeof v);
}

int qn_gguf_put_i32(qn_gguf_writer *w, const char *key, int32_t v) {
    return put_scalar(w, qn_str_of(key), QN_GGUF_I32, &v, sizeof v);
}

int qn_gguf_put_f32(qn_gguf_writer *w, const char *key, float v) {
    return put_scalar(w, qn_str_of(key), QN_GGUF_F32, &v, sizeof v);
}

static int put_flag(qn_gguf_writer *w, qn_str key, bool v) {
    const uint8_t byte = v;
    return put_scalar(w, key, QN_GGUF_BOOL, &byte, sizeof byte);
}

int qn_gguf_put_bool(qn_gguf_writer *w, const char *key, bool v) {
    return put_flag(w, qn_str_of(key), v);
}

int qn_gguf_put_str(qn_gguf_writer *w, const char *key, qn_str v) {
    QN_TRY(begin_key(w, qn_str_of(key), QN_GGUF_STRING));
    return put_text(&w->keys, v);
}

static int put_array(qn_gguf_writer *w, qn_str key, qn_gguf_type type, size_t count) {
    QN_TRY(begin_key(w, key, QN_GGUF_ARRAY));
    QN_TRY(put_u32(&w->keys, type));
    w->items = count;
    return put_u64(&w->keys, count);
}

int qn_gguf_put_array(qn_gguf_writer *w, const char *key, qn_gguf_type type, size_t count) {
    return put_array(w, qn_str_of(key), type, count);
}

static void count_item(qn_gguf_writer *w) {
    qn_assert(w->items > 0);
    w->items--;
}

int qn_gguf_item_str(qn_gguf_writer *w, qn_str v) {
    count_item(w);
    return put_text(&w->keys, v);
}

int qn_gguf_item_i32(qn_gguf_writer *w, int32_t v) {
    count_item(w);
    return qn_buf_put(&w->keys, &v, sizeof v);
}

int qn_gguf_item_f32(qn_gguf_writer *w, float v) {
    count_item(w);
    return qn_buf_put(&w->keys, &v, sizeof v);
}

bool qn_gguf_has_key(const qn_gguf_writer *w, qn_str key) {
    int64_t i;
    return qn_strmap_get(&w->names.map, key, &i);
}

/* ---- values out of another file ---- */

static int put_whole(qn_gguf_writer *w, const qn_meta_value *v) {
    const uint32_t u = (uint32_t)v->as.u;
    const int32_t i = (int32_t)v->as.i;
    if (v->kind == QN_META_UINT)
        return v->as.u == u ? put_scalar(w, v->key, QN_GGUF_U32, &u, sizeof u)
                            : put_scalar(w, v->key, QN_GGUF_U64, &v->as.u, sizeof v->as.u);
    return v->as.i == i ? put_scalar(w, v->key, QN_GGUF_I32, &i, sizeof i)
                        : put_scalar(w, v->key, QN_GGUF_I64, &v->as.i, sizeof v->as.i);
}

static int put_real(qn_gguf_writer *w, const qn_meta_value *v) {
    const float f = (float)v->as.f;
    return (double)f == v->as.f ? put_scalar(w, v->key, QN_GGUF_F32, &f, sizeof f)
                                : put_scalar(w, v->key, QN_GGUF_F64, &v->as.f, sizeof v->as.f);
}

/* Numbers lie in the other file as they shall lie in this one. */
static int put_meta_array(qn_gguf_writer *w, qn_str key, const qn_meta_array *a) {
    static const qn_gguf_type by_width[][9] = {
        [QN_META_BOOL] = {[1] = QN_GGUF_BOOL},
        [QN_META_INT] = {[1] = QN_GGUF_I8, [2] = QN_GGUF_I16, [4] = QN_GGUF_I32, [8] = QN_GGUF_I64},
        [QN_META_UINT] = {[1] = QN_GGUF_U8, [2] = QN_GGUF_U16, [4] = QN_GGUF_U32, [8] = QN_GGUF_U64},
        [QN_META_FLOAT] = {[4] = QN_GGUF_F32, [8] = QN_GGUF_F64},
    };
    if (a->kind == QN_META_STRING || a->kind == QN_META_NULL) {
        QN_TRY(put_array(w, key, QN_GGUF_STRING, a->count));
        for (size_t i = 0; i < a->count; i++)
            QN_TRY(qn_gguf_item_str(w, qn_meta_array_str(a, i)));
        return 0;
    }
    QN_TRY(put_array(w, key, by_width[a->kind][a->width], a->count));
    w->items = 0;
    return qn_buf_put(&w->keys, a->bytes, a->count * (size_t)a->width);
}

int qn_gguf_put_meta(qn_gguf_writer *w, const qn_meta_value *v) {
    switch (v->kind) {
    case QN_META_BOOL:
        return put_flag(w, v->key, v->as.b);
    case QN_META_INT:
    case QN_META_UINT:
        return put_whole(w, v);
    case QN_META_FLOAT:
        return put_real(w, v);
    case QN_META_STRING:
        QN_TRY(begin_key(w, v->key, QN_GGUF_STRING));
        return put_text(&w->keys, v->as.s);
    case QN_META_ARRAY:
        return put_meta_array(w, v->key, &v->as.a);
    default:
        return qn_fail(QN_EINVAL, "key %.*s: GGUF has no %s", QN_STR_ARG(v->key), qn_meta_kind_name(v->kind));
    }
}

/* ---- the file ---- */

static int put_tensor(qn_buf *b, const qn_tensor_decl *d) {
    const int id = qn_dtype_get(d->dtype)->ggml_id;
    if (id < 0)
        return qn_fail(QN_EINVAL, "tensor %s: GGUF has no %s", d->name, qn_dtype_get(d->dtype)->name);
    QN_TRY(put_text(b, qn_str_of(d->name)));
    QN_TRY(put_u32(b, (uint32_t)d->rank));
    for (int i = d->rank; i-- > 0;)
        QN_TRY(put_u64(b, (uint64_t)d->dims[i]));
    QN_TRY(put_u32(b, (uint32_t)id));
    return put_u64(b, d->offset);
}

static int put_header(const qn_gguf_writer *w, qn_buf *b) {
    QN_TRY(qn_buf_puts(b, "GGUF"));
    QN_TRY(put_u32(b, 3));
    QN_TRY(put_u64(b, w->t.count));
    QN_TRY(put_u64(b, w->names.n));
    QN_TRY(qn_buf_put(b, w->keys.s, w->keys.n));
    for (size_t i = 0; i < w->t.count; i++)
        QN_TRY(put_tensor(b, &w->t.decl[i]));
    while (b->n % QN_GGUF_ALIGNMENT)
        QN_TRY(qn_buf_putc(b, 0));
    return 0;
}

int qn_gguf_writer_begin(qn_gguf_writer *w, const char *path) {
    qn_buf header = {0};
    int rc;
    qn_assert(w->items == 0);
    QN_TRY_OUT(qn_tensor_writer_layout(&w->t, QN_GGUF_ALIGNMENT));
    QN_TRY_OUT(put_header(w, &header));
    QN_TRY_OUT(qn_tensor_writer_start(&w->t, path, qn_buf_view(&header)));
out:
    qn_buf_drop(&header);
    return rc;
}

void qn_gguf_writer_drop(qn_gguf_writer *w) {
    qn_tensor_writer_drop(&w->t);
    qn_name_set_drop(&w->names);
    qn_buf_drop(&w->keys);
}
