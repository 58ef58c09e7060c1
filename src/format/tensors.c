/* format/tensors.c — the table of tensors behind tensors.h. */
#include "format/tensors.h"

#include "num/num.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

int qn_tensor_file_init(qn_tensor_file *f, const char *name, const char *advice) {
    *f = (qn_tensor_file){.advice = advice};
    f->name = qn_str_dup(QN_MEM_FORMAT, qn_str_of(name));
    return f->name ? 0 : QN_ENOMEM;
}

void qn_tensor_file_drop(qn_tensor_file *f) {
    for (size_t i = 0; i < f->maps; i++)
        qn_map_close(&f->map[i]);
    qn_free(f->map);
    qn_strmap_drop(&f->by_name);
    qn_free(f->info);
    qn_free(f->name);
    *f = (qn_tensor_file){0};
}

int qn_tensor_file_map(qn_tensor_file *f, const char *path, const qn_map_file **out) {
    QN_TRY(QN_GROW(QN_MEM_FORMAT, f->map, f->map_cap, f->maps + 1));
    QN_TRY(qn_map_open(&f->map[f->maps], path));
    *out = &f->map[f->maps++];
    return 0;
}

int qn_tensor_file_add(qn_tensor_file *f, const qn_tensor_info *t) {
    if (f->count >= QN_TENSORS_MAX)
        return qn_fail(QN_ELIMIT, "%s: more than %d tensors", f->name, QN_TENSORS_MAX);
    QN_TRY(QN_GROW(QN_MEM_FORMAT, f->info, f->cap, f->count + 1));
    const int added = qn_strmap_put(&f->by_name, t->name, (int64_t)f->count);
    if (added < 0)
        return added;
    if (!added)
        return qn_fail(QN_EFORMAT, "%s: tensor \"%.*s\" is there twice", f->name, QN_STR_ARG(t->name));
    f->info[f->count++] = *t;
    return 0;
}

/* ---- overlap ---- */

static int by_data(const void *a, const void *b) {
    const qn_tensor_info *x = *(const qn_tensor_info *const *)a, *y = *(const qn_tensor_info *const *)b;
    return (x->data > y->data) - (x->data < y->data);
}

static int report_overlap(const qn_tensor_file *f, const qn_tensor_info *a, const qn_tensor_info *b) {
    return qn_fail(QN_EFORMAT, "%s: the data of tensors \"%.*s\" and \"%.*s\" overlap", f->name, QN_STR_ARG(a->name),
                   QN_STR_ARG(b->name));
}

/* Files usually hold the data in the order of the table, which needs no sorting. */
static bool in_order(const qn_tensor_file *f, size_t from) {
    for (size_t i = from + 1; i < f->count; i++)
        if (f->info[i].data < f->info[i - 1].data + f->info[i - 1].bytes)
            return false;
    return true;
}

int qn_tensor_file_check_overlap(const qn_tensor_file *f, size_t from) {
    if (in_order(f, from))
        return 0;
    const qn_tensor_info **sorted = qn_zalloc(QN_MEM_FORMAT, f->count - from, sizeof *sorted);
    if (!sorted)
        return QN_ENOMEM;
    size_t n = 0;
    for (size_t i = from; i < f->count; i++)
        if (f->info[i].bytes > 0)                       /* an empty tensor overlaps nothing, wherever it lies */
            sorted[n++] = &f->info[i];
    qsort(sorted, n, sizeof *sorted, by_data);
    int rc = 0;
    for (size_t i = 1; i < n && rc == 0; i++)
        if (sorted[i]->data < sorted[i - 1]->data + sorted[i - 1]->bytes)
            rc = report_overlap(f, sorted[i - 1], sorted[i]);
    qn_free(sorted);
    return rc;
}

/* ---- what model/ asks ---- */

size_t qn_tensor_count(const qn_tensor_file *f) {
    return f->count;
}

const qn_tensor_info *qn_tensor_at(const qn_tensor_file *f, size_t i) {
    qn_assert(i < f->count);
    return &f->info[i];
}

const qn_tensor_info *qn_tensor_find(const qn_tensor_file *f, const char *name) {
    int64_t i;
    return qn_strmap_get(&f->by_name, qn_str_of(name), &i) ? &f->info[i] : NULL;
}

int qn_tensor_need(const qn_tensor_file *f, const char *name, const qn_tensor_info **out) {
    *out = qn_tensor_find(f, name);
    if (!*out)
        return qn_fail(QN_ENOTFOUND, "%s: tensor \"%s\" is missing (the file holds %zu tensors)", f->name, name,
                       f->count);
    return 0;
}

int qn_tensor_need_dtype(const qn_tensor_file *f, const qn_tensor_info *t) {
    if (t->dtype >= 0)
        return 0;
    return qn_fail(QN_EUNSUPPORTED, "%s: tensor \"%.*s\" has type %s, which quern cannot compute with (it can with "
                   "%s): %s", f->name, QN_STR_ARG(t->name), t->type, qn_dtypes_supported(), f->advice);
}

int64_t qn_tensor_elements(const qn_tensor_info *t) {
    int64_t n = 1;
    for (int i = 0; i < t->rank; i++)
        n *= t->dims[i];                                /* the reader has checked the product */
    return n;
}

uint64_t qn_tensor_total_bytes(const qn_tensor_file *f) {
    uint64_t sum = 0;
    for (size_t i = 0; i < f->count; i++)
        sum += f->info[i].bytes;
    return sum;
}

void qn_tensor_drop_pages(const qn_tensor_file *f, const qn_tensor_info *t) {
    if (f->maps == 0)
        return;
    const qn_map_file *m = &f->map[t->map];
    qn_map_drop_pages(m, (size_t)(t->data - m->s), t->bytes);
}

void qn_tensor_fetch(const qn_tensor_file *f, const qn_tensor_info *t, size_t from, size_t bytes) {
    if (f->maps > 0)
        qn_map_fetch(&f->map[t->map], (size_t)(t->data - f->map[t->map].s) + from, bytes);
}

void qn_tensor_drop_part(const qn_tensor_file *f, const qn_tensor_info *t, size_t from, size_t bytes) {
    if (f->maps == 0)
        return;
    const qn_map_file *m = &f->map[t->map];
    const size_t begin = (size_t)(t->data - m->s) + from, front = begin % (size_t)sysconf(_SC_PAGESIZE);
    qn_map_drop_pages(m, begin - front, bytes + front);
}

int qn_tensor_check_size(const qn_tensor_file *f) {
    for (size_t i = 0; i < f->maps; i++) {
        const qn_map_file *m = &f->map[i];
        struct stat st;
        if (fstat(m->fd, &st) != 0 || (uint64_t)st.st_size < m->n)
            return qn_fail(QN_EIO, "%s: the file became shorter while it was open; restore it and start again",
                           m->path);
    }
    return 0;
}
