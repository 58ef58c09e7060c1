/* format/safetensors_write.c — the header of a safetensors file. */
#include "format/safetensors_write.h"

#include <string.h>

#include "format/safetensors.h"

int qn_safetensors_writer_meta(qn_safetensors_writer *w, qn_str key, qn_str value) {
    QN_TRY(qn_name_set_add(&w->keys, key, "metadata key"));
    if (w->meta.n)
        QN_TRY(qn_buf_putc(&w->meta, ','));
    QN_TRY(qn_json_quote(&w->meta, key));
    QN_TRY(qn_buf_putc(&w->meta, ':'));
    return qn_json_quote(&w->meta, value);
}

static int put_entry(qn_buf *h, const qn_tensor_decl *d) {
    const qn_dtype_info *type = qn_dtype_get(d->dtype);
    if (!type->safetensors)
        return qn_fail(QN_EINVAL, "tensor %s: safetensors has no %s", d->name, type->name);
    if (d->offset % (uint64_t)type->bytes)
        return qn_fail(QN_EINVAL, "tensor %s: its data would begin at byte %llu, no multiple of %d", d->name,
                       (unsigned long long)d->offset, type->bytes);
    QN_TRY(qn_json_quote(h, qn_str_of(d->name)));
    QN_TRY(qn_buf_printf(h, ":{\"dtype\":\"%s\",\"shape\":[", type->safetensors));
    for (int i = 0; i < d->rank; i++)
        QN_TRY(qn_buf_printf(h, "%s%lld", i ? "," : "", (long long)d->dims[i]));
    return qn_buf_printf(h, "],\"data_offsets\":[%llu,%llu]}", (unsigned long long)d->offset,
                         (unsigned long long)(d->offset + d->bytes));
}

static int put_header(qn_safetensors_writer *w, qn_buf *h) {
    uint64_t length = 0;
    QN_TRY(qn_buf_put(h, &length, sizeof length));
    QN_TRY(qn_buf_putc(h, '{'));
    if (w->meta.n)
        QN_TRY(qn_buf_printf(h, "\"__metadata__\":{%s}", w->meta.s));
    for (size_t i = 0; i < w->t.count; i++) {
        if (i || w->meta.n)
            QN_TRY(qn_buf_putc(h, ','));
        QN_TRY(put_entry(h, &w->t.decl[i]));
    }
    QN_TRY(qn_buf_putc(h, '}'));
    while (h->n % 8)
        QN_TRY(qn_buf_putc(h, ' '));
    length = h->n - sizeof length;
    if (length > QN_SAFETENSORS_HEADER_MAX)
        return qn_fail(QN_ELIMIT, "a safetensors header of %llu bytes; readers take up to %zu",
                       (unsigned long long)length, QN_SAFETENSORS_HEADER_MAX);
    memcpy(h->s, &length, sizeof length);
    return 0;
}

int qn_safetensors_writer_begin(qn_safetensors_writer *w, const char *path) {
    qn_buf header = {0};
    int rc;
    QN_TRY_OUT(qn_tensor_writer_layout(&w->t, 1));
    QN_TRY_OUT(put_header(w, &header));
    QN_TRY_OUT(qn_tensor_writer_start(&w->t, path, qn_buf_view(&header)));
out:
    qn_buf_drop(&header);
    return rc;
}

void qn_safetensors_writer_drop(qn_safetensors_writer *w) {
    qn_tensor_writer_drop(&w->t);
    qn_name_set_drop(&w->keys);
    qn_buf_drop(&w->meta);
}
