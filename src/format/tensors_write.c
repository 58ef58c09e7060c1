/* format/tensors_write.c — declared tensors and the stream of their bytes, behind tensors_write.h. */
#include "format/tensors_write.h"

#include "format/tensors.h"

enum { GATHER = 1 << 20 };              /* bytes per write */

/* ---- names ---- */

int qn_name_set_add(qn_name_set *s, qn_str name, const char *what) {
    QN_TRY(QN_GROW(QN_MEM_FORMAT, s->name, s->cap, s->n + 1));
    char *copy = qn_str_dup(QN_MEM_FORMAT, name);
    if (!copy)
        return QN_ENOMEM;
    const int added = qn_strmap_put(&s->map, (qn_str){copy, name.n}, (int64_t)s->n);
    if (added <= 0) {
        qn_free(copy);
        return added < 0 ? added : qn_fail(QN_EINVAL, "%s \"%.*s\" is there twice", what, QN_STR_ARG(name));
    }
    s->name[s->n++] = copy;
    return 0;
}

void qn_name_set_drop(qn_name_set *s) {
    for (size_t i = 0; i < s->n; i++)
        qn_free(s->name[i]);
    qn_free(s->name);
    qn_strmap_drop(&s->map);
    *s = (qn_name_set){0};
}

/* ---- declaring ---- */

/* Bytes of the tensor, and its shape's plausibility: dimensions come from configurations. */
static int size_of(qn_tensor_decl *d) {
    const qn_dtype_info *type = qn_dtype_get(d->dtype);
    uint64_t n = 1;
    for (int i = 0; i < d->rank; i++)
        if (d->dims[i] < 0 || QN_MUL_OVERFLOW(n, (uint64_t)d->dims[i], &n) || n > INT64_MAX / 16)
            return qn_fail(QN_ELIMIT, "tensor %s: more numbers than a file can hold", d->name);
    if (d->dims[d->rank - 1] % type->block)
        return qn_fail(QN_EINVAL, "tensor %s: rows of %lld numbers are no whole blocks of %d for %s", d->name,
                       (long long)d->dims[d->rank - 1], type->block, type->name);
    d->bytes = n / (uint64_t)type->block * (uint64_t)type->bytes;
    return 0;
}

int qn_tensor_writer_add(qn_tensor_writer *t, const char *name, qn_dtype dtype, int rank, const int64_t *dims) {
    qn_assert(rank >= 1 && rank <= QN_TENSOR_WRITE_RANK && t->gather.s == NULL);
    if (t->count >= QN_TENSORS_MAX)
        return qn_fail(QN_ELIMIT, "more than %d tensors", QN_TENSORS_MAX);
    QN_TRY(QN_GROW(QN_MEM_FORMAT, t->decl, t->cap, t->count + 1));
    qn_tensor_decl d = {.name = name, .dtype = dtype, .rank = rank};
    for (int i = 0; i < rank; i++)
        d.dims[i] = dims[i];
    QN_TRY(size_of(&d));
    QN_TRY(qn_name_set_add(&t->names, qn_str_of(name), "tensor"));
    d.name = t->names.name[t->names.n - 1];
    t->decl[t->count++] = d;
    return 0;
}

static uint64_t round_up(uint64_t n, size_t alignment) { return (n + alignment - 1) / alignment * alignment; }

int qn_tensor_writer_layout(qn_tensor_writer *t, size_t alignment) {
    uint64_t at = 0;
    for (size_t i = 0; i < t->count; i++) {
        t->decl[i].offset = at;
        if (QN_ADD_OVERFLOW(at, t->decl[i].bytes, &at) || at > INT64_MAX / 2)
            return qn_fail(QN_ELIMIT, "the tensors are larger than a file can be");
        at = round_up(at, alignment);
    }
    t->data_bytes = at;
    return 0;
}

/* ---- writing ---- */

static int flush(qn_tensor_writer *t) {
    QN_TRY(qn_out_write(&t->file, t->gather.s, t->gather.n));
    qn_buf_clear(&t->gather);
    return 0;
}

/* Puts zeros up to the next tensor that has bytes, or to the end. */
static int go_on(qn_tensor_writer *t) {
    static const char zeros[64];
    while (t->left == 0 && t->at < t->count) {
        const qn_tensor_decl *d = &t->decl[t->at++];
        const uint64_t next = t->at < t->count ? t->decl[t->at].offset : t->data_bytes;
        for (uint64_t pad = next - d->offset - d->bytes; pad > 0;) {
            const size_t n = (size_t)QN_MIN(pad, sizeof zeros);
            QN_TRY(qn_buf_put(&t->gather, zeros, n));
            pad -= n;
        }
        t->left = t->at < t->count ? t->decl[t->at].bytes : 0;
    }
    return 0;
}

int qn_tensor_writer_start(qn_tensor_writer *t, const char *path, qn_str header) {
    QN_TRY(qn_out_open(&t->file, path));
    QN_TRY(qn_buf_reserve(&t->gather, GATHER));
    QN_TRY(qn_out_write(&t->file, header.s, header.n));
    t->at = 0;
    t->left = t->count ? t->decl[0].bytes : 0;
    return go_on(t);
}

int qn_tensor_writer_put(qn_tensor_writer *t, const void *bytes, size_t n) {
    qn_assert(n <= t->left);
    t->left -= n;
    if (t->gather.n + n > GATHER)
        QN_TRY(flush(t));
    if (n >= GATHER)                                    /* large already: no need to copy */
        QN_TRY(qn_out_write(&t->file, bytes, n));
    else
        QN_TRY(qn_buf_put(&t->gather, bytes, n));
    return go_on(t);
}

int qn_tensor_writer_commit(qn_tensor_writer *t) {
    qn_assert(t->left == 0 && t->at == t->count);
    if (t->gather.n)
        QN_TRY(flush(t));
    return qn_out_commit(&t->file);
}

void qn_tensor_writer_drop(qn_tensor_writer *t) {
    if (t->file.path)                                   /* {0} holds no file */
        qn_out_drop(&t->file);
    qn_buf_drop(&t->gather);
    qn_name_set_drop(&t->names);
    qn_free(t->decl);
    *t = (qn_tensor_writer){0};
}
