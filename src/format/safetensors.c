/* format/safetensors.c — reads one safetensors file:
 *
 *     u64 header length   header: JSON   data
 *
 *     {"__metadata__": {"format": "pt"},
 *      "model.norm.weight": {"dtype": "BF16", "shape": [576], "data_offsets": [0, 1152]}, …}
 *
 * Offsets count from the first byte of data. Shards and their index: safetensors_index.c. */
#include "format/safetensors.h"

#include "format/cursor.h"
#include "format/safetensors_file.h"
#include "num/num.h"

#include <string.h>

#define ADVICE "convert the tensor to F32, F16 or BF16 with the tool that wrote it"

/* Every type of the format; which of them are numbers for us is num/'s business. */
static const struct { const char *name; int bits; } dtypes[] = {
    {"BOOL", 8},    {"F4", 4},          {"F6_E2M3", 6},     {"F6_E3M2", 6}, {"U8", 8},   {"I8", 8},
    {"F8_E5M2", 8}, {"F8_E4M3", 8},     {"F8_E8M0", 8},     {"I16", 16},    {"U16", 16}, {"F16", 16},
    {"BF16", 16},   {"F8_E4M3FNUZ", 8}, {"F8_E5M2FNUZ", 8}, {"I32", 32},    {"U32", 32}, {"F32", 32},
    {"C64", 64},    {"F64", 64},        {"I64", 64},        {"U64", 64},
};

/* One file on its way in. */
typedef struct {
    qn_json j;
    qn_safetensors *st;
    int map;
    const char *data;           /* [data_n] */
    size_t data_n;
    qn_buf text;                /* a decoded string */
} reader;

static int tensor_fail(reader *r, const qn_tensor_info *t, const char *what) {
    return qn_json_fail(&r->j, QN_EFORMAT, "tensor \"%.*s\": %s", QN_STR_ARG(t->name), what);
}

/* ---- the members of one tensor ---- */

static int read_dtype(reader *r, qn_tensor_info *t, int *bits) {
    qn_buf_clear(&r->text);
    QN_TRY(qn_json_string(&r->j, &r->text));
    const qn_str name = qn_buf_view(&r->text);
    for (size_t i = 0; i < QN_LEN(dtypes); i++) {
        if (!qn_str_is(name, dtypes[i].name))
            continue;
        t->type = dtypes[i].name;
        t->dtype = qn_dtype_from_safetensors(name);
        *bits = dtypes[i].bits;
        return 0;
    }
    return qn_json_fail(&r->j, QN_EUNSUPPORTED, "tensor \"%.*s\": dtype \"%.*s\" is not known: %s", QN_STR_ARG(t->name),
                        QN_STR_ARG(name), ADVICE);
}

static int read_shape(reader *r, qn_tensor_info *t) {
    int more;
    t->rank = 0;
    QN_TRY(qn_json_enter(&r->j, '['));
    while ((more = qn_json_item(&r->j)) > 0) {
        int64_t dim;
        if (t->rank == QN_TENSOR_RANK)
            return qn_json_fail(&r->j, QN_EUNSUPPORTED, "tensor \"%.*s\": a shape of more than %d dimensions",
                                QN_STR_ARG(t->name), QN_TENSOR_RANK);
        QN_TRY(qn_json_i64(&r->j, &dim));
        if (dim < 0)
            return tensor_fail(r, t, "a negative number in its shape");
        t->dims[t->rank++] = dim;
    }
    return more;
}

static int read_offsets(reader *r, qn_tensor_info *t) {
    int64_t at[2];
    QN_TRY(qn_json_enter(&r->j, '['));
    for (int i = 0; i < 2; i++) {
        const int more = qn_json_item(&r->j);
        QN_TRY(more);
        if (!more)
            return tensor_fail(r, t, "\"data_offsets\" must hold two numbers");
        QN_TRY(qn_json_i64(&r->j, &at[i]));
    }
    const int more = qn_json_item(&r->j);
    QN_TRY(more);
    if (more)
        return tensor_fail(r, t, "\"data_offsets\" must hold two numbers");
    if (at[0] < 0 || at[1] < at[0])
        return tensor_fail(r, t, "\"data_offsets\" do not ascend");
    if ((uint64_t)at[1] > r->data_n)
        return qn_json_fail(&r->j, QN_EFORMAT, "tensor \"%.*s\": its data end at byte %lld, but the file holds %zu "
                            "bytes of data; fetch it again", QN_STR_ARG(t->name), (long long)at[1], r->data_n);
    t->data = r->data + at[0];
    t->bytes = (size_t)(at[1] - at[0]);
    return 0;
}

/* bytes = Π shape × bits / 8, which must be the span of the offsets. */
static int check_span(reader *r, const qn_tensor_info *t, int bits) {
    int64_t total = 1, all_bits;
    bool empty = false;
    for (int i = 0; i < t->rank; i++)
        empty = empty || t->dims[i] == 0;
    for (int i = 0; i < t->rank && !empty; i++)
        if (QN_MUL_OVERFLOW(total, t->dims[i], &total))
            return tensor_fail(r, t, "the product of its shape overflows");
    if (empty)
        total = 0;
    if (QN_MUL_OVERFLOW(total, (int64_t)bits, &all_bits))
        return tensor_fail(r, t, "its size overflows");
    if (all_bits % 8 != 0 || (uint64_t)(all_bits / 8) != t->bytes)
        return qn_json_fail(&r->j, QN_EFORMAT, "tensor \"%.*s\": shape and dtype %s need %lld bits, but "
                            "\"data_offsets\" span %zu bytes", QN_STR_ARG(t->name), t->type, (long long)all_bits,
                            t->bytes);
    return 0;
}

/* What is printed and looked up: clean text. The parser has checked that it is UTF-8. */
static int check_name(reader *r, qn_str name) {
    if (name.n == 0)
        return qn_json_fail(&r->j, QN_EFORMAT, "a tensor without name");
    for (size_t i = 0; i < name.n; i++)
        if ((unsigned char)name.s[i] < ' ' || name.s[i] == 0x7f)
            return qn_json_fail(&r->j, QN_EFORMAT, "a tensor's name contains the control character 0x%02x",
                                (unsigned char)name.s[i]);
    return 0;
}

static int read_tensor(reader *r, qn_str name) {
    enum { DTYPE = 1, SHAPE = 2, OFFSETS = 4, ALL = 7 };
    qn_tensor_info t = {.dtype = -1, .map = r->map, .dims = {1, 1, 1, 1, 1, 1, 1, 1}};
    qn_str key;
    int more, bits = 0, seen = 0;
    QN_TRY(qn_meta_intern(r->st->meta, name, &t.name));
    QN_TRY(check_name(r, t.name));
    QN_TRY(qn_json_enter(&r->j, '{'));
    while ((more = qn_json_key(&r->j, &key)) > 0) {
        const int member = qn_str_is(key, "dtype") ? DTYPE : qn_str_is(key, "shape") ? SHAPE
                         : qn_str_is(key, "data_offsets") ? OFFSETS : 0;
        if (member == 0 || (seen & member))
            return qn_json_fail(&r->j, QN_EFORMAT, "tensor \"%.*s\": member \"%.*s\" is %s", QN_STR_ARG(t.name),
                                QN_STR_ARG(key), member ? "there twice" : "not known");
        seen |= member;
        QN_TRY(member == DTYPE ? read_dtype(r, &t, &bits) : member == SHAPE ? read_shape(r, &t) : read_offsets(r, &t));
    }
    QN_TRY(more);
    if (seen != ALL)
        return tensor_fail(r, &t, "expected \"dtype\", \"shape\" and \"data_offsets\"");
    QN_TRY(check_span(r, &t, bits));
    return qn_tensor_file_add(&r->st->tensors, &t);
}

/* ---- the header ---- */

/* Strings by name. Of several shards the first one's stand. */
static int read_metadata(reader *r) {
    qn_str key;
    int more;
    QN_TRY(qn_json_enter(&r->j, '{'));
    while ((more = qn_json_key(&r->j, &key)) > 0) {
        qn_meta_value v = {.kind = QN_META_STRING};
        if (r->map > 0) {
            QN_TRY(qn_json_skip(&r->j));
            continue;
        }
        if (qn_meta_count(r->st->meta) >= QN_SAFETENSORS_KEYS_MAX)
            return qn_json_fail(&r->j, QN_ELIMIT, "more than %d entries in \"__metadata__\"", QN_SAFETENSORS_KEYS_MAX);
        QN_TRY(qn_meta_intern(r->st->meta, key, &v.key));
        qn_buf_clear(&r->text);
        QN_TRY(qn_json_string(&r->j, &r->text));
        QN_TRY(qn_meta_intern(r->st->meta, qn_buf_view(&r->text), &v.as.s));
        QN_TRY(qn_meta_put(r->st->meta, &v));
    }
    return more;
}

static int read_header(reader *r) {
    const size_t before = r->st->tensors.count;
    bool has_metadata = false;
    qn_str key;
    int more;
    QN_TRY(qn_json_enter(&r->j, '{'));
    while ((more = qn_json_key(&r->j, &key)) > 0) {
        if (!qn_str_is(key, "__metadata__")) {
            QN_TRY(read_tensor(r, key));
            continue;
        }
        if (has_metadata)
            return qn_json_fail(&r->j, QN_EFORMAT, "\"__metadata__\" is there twice");
        has_metadata = true;
        QN_TRY(read_metadata(r));
    }
    QN_TRY(more);
    QN_TRY(qn_json_end(&r->j));
    return qn_tensor_file_check_overlap(&r->st->tensors, before);
}

int qn_safetensors_read(qn_safetensors *st, const char *name, int map, const char *bytes, size_t n) {
    if (n < 8)
        return qn_fail(QN_ETRUNC, "%s: a safetensors file begins with 8 bytes that tell its header's length; it has "
                       "%zu", name, n);
    const uint64_t header = qn_le_load(bytes, 8);
    if (header > n - 8)
        return qn_fail(QN_EFORMAT, "%s: header length %llu, but only %zu bytes follow; not a safetensors file, or cut "
                       "short", name, (unsigned long long)header, n - 8);
    if (header > QN_SAFETENSORS_HEADER_MAX)
        return qn_fail(QN_ELIMIT, "%s: header length %llu; at most %zu are read", name, (unsigned long long)header,
                       QN_SAFETENSORS_HEADER_MAX);
    reader r = {.st = st, .map = map, .data = bytes + 8 + header, .data_n = n - 8 - (size_t)header};
    qn_json_init(&r.j, bytes + 8, (size_t)header, name);
    const int rc = read_header(&r);
    qn_json_drop(&r.j);
    qn_buf_drop(&r.text);
    return rc;
}

/* ---- open ---- */

int qn_safetensors_new(qn_safetensors **out, const char *name) {
    int rc;
    *out = NULL;
    qn_safetensors *st = qn_zalloc(QN_MEM_FORMAT, 1, sizeof *st);
    if (!st)
        return QN_ENOMEM;
    QN_TRY_OUT(qn_tensor_file_init(&st->tensors, name, ADVICE));
    QN_TRY_OUT(qn_meta_new(&st->meta, name));
    *out = st;
    return 0;
out:
    qn_safetensors_close(st);
    return rc;
}

int qn_safetensors_add(qn_safetensors *st, const char *path) {
    const int map = (int)st->tensors.maps;
    const qn_map_file *m;
    QN_TRY(qn_tensor_file_map(&st->tensors, path, &m));
    return qn_safetensors_read(st, path, map, m->s, m->n);
}

int qn_safetensors_open(qn_safetensors **out, const char *path) {
    QN_TRY(qn_safetensors_new(out, path));
    const int rc = qn_safetensors_add(*out, path);
    if (rc < 0) {
        qn_safetensors_close(*out);
        *out = NULL;
    }
    return rc;
}

int qn_safetensors_open_memory(qn_safetensors **out, const void *bytes, size_t n) {
    QN_TRY(qn_safetensors_new(out, "memory"));
    const int rc = qn_safetensors_read(*out, "memory", 0, n > 0 ? bytes : "", n);
    if (rc < 0) {
        qn_safetensors_close(*out);
        *out = NULL;
    }
    return rc;
}

void qn_safetensors_close(qn_safetensors *st) {
    if (!st)
        return;
    qn_tensor_file_drop(&st->tensors);
    qn_meta_free(st->meta);
    qn_free(st);
}

const qn_meta *qn_safetensors_meta(const qn_safetensors *st) {
    return st->meta;
}

const qn_tensor_file *qn_safetensors_tensors(const qn_safetensors *st) {
    return &st->tensors;
}
