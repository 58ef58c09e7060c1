/* format/gguf.c — reads GGUF:
 *
 *     "GGUF"  u32 version  u64 tensors  u64 keys
 *     keys    × { string key, u32 type, value }
 *     tensors × { string name, u32 rank, u64 dims[rank], u32 type, u64 offset }           dims[0] is the fastest
 *     padding to the alignment
 *     data    each tensor at its offset from here
 *
 * A string is u64 length and its bytes; an array is u32 type, u64 n and its elements. All little-endian. Counts and
 * lengths are believed only as far as the bytes that remain could hold them. */
#include "format/gguf.h"

#include "format/cursor.h"
#include "format/ggml_types.h"
#include "num/num.h"

#include <stdio.h>
#include <string.h>

enum {
    KEY_BYTES_MAX = 65535,      /* by the specification */
    NAME_BYTES_MAX = 1024,      /* the specification says 64; merged models go beyond */
    KEY_ENTRY_MIN = 8 + 1 + 4 + 1,
    TENSOR_ENTRY_MIN = 8 + 1 + 4 + 8 + 4 + 8,
    RANK_MAX = 4,
    ALIGNMENT_DEFAULT = 32,
    ALIGNMENT_MIN = 8,
    ALIGNMENT_MAX = 1 << 20,
    SHARDS_MAX = 1024
};

/* Value types. */
enum { T_U8, T_I8, T_U16, T_I16, T_U32, T_I32, T_F32, T_BOOL, T_STRING, T_ARRAY, T_U64, T_I64, T_F64, T_COUNT };

static const struct { qn_meta_kind kind; int width; } types[T_COUNT] = {
    [T_U8] = {QN_META_UINT, 1},     [T_I8] = {QN_META_INT, 1},       [T_U16] = {QN_META_UINT, 2},
    [T_I16] = {QN_META_INT, 2},     [T_U32] = {QN_META_UINT, 4},     [T_I32] = {QN_META_INT, 4},
    [T_F32] = {QN_META_FLOAT, 4},   [T_BOOL] = {QN_META_BOOL, 1},    [T_STRING] = {QN_META_STRING, 0},
    [T_ARRAY] = {QN_META_ARRAY, 0}, [T_U64] = {QN_META_UINT, 8},     [T_I64] = {QN_META_INT, 8},
    [T_F64] = {QN_META_FLOAT, 8},
};

struct qn_gguf {
    int version;
    qn_meta *meta;
    qn_tensor_file tensors;
};

/* One file on its way in. */
typedef struct {
    const char *name;           /* for messages */
    qn_cursor c;
    uint64_t keys, count;       /* as the header says; count of tensors */
    size_t alignment, data;     /* data: offset of the first tensor's bytes */
    int version;
    int map;                    /* of the tensor file */
    qn_meta *meta;
} reader;

static int ends(const reader *r, const char *inside) {
    return qn_fail(QN_ETRUNC, "%s: the file ends at byte %zu, in the middle of %s (byte %zu); fetch it again", r->name,
                   (size_t)(r->c.end - r->c.start), inside, qn_cursor_offset(&r->c));
}

/* ---- header ---- */

static uint32_t swap32(uint32_t v) {
    return v >> 24 | (v >> 8 & 0xff00) | (v << 8 & 0xff0000) | v << 24;
}

static int check_version(const reader *r, uint32_t version) {
    const uint32_t swapped = swap32(version);
    if (version == 2 || version == 3)
        return 0;
    if (swapped >= 1 && swapped <= 3)
        return qn_fail(QN_EUNSUPPORTED, "%s: a big-endian GGUF (version %u); quern reads little-endian files, convert "
                       "it with gguf_convert_endian.py", r->name, swapped);
    if (version == 1)
        return qn_fail(QN_EUNSUPPORTED, "%s: GGUF version 1 of 2023; quern reads versions 2 and 3, convert the model "
                       "again", r->name);
    return qn_fail(QN_EUNSUPPORTED, "%s: GGUF version %u; quern reads versions 2 and 3", r->name, version);
}

static int read_header(reader *r) {
    static const char magic[4] = {'G', 'G', 'U', 'F'};
    uint32_t version;
    const size_t left = qn_cursor_left(&r->c);
    if (memcmp(r->c.at, magic, QN_MIN(left, sizeof magic)) != 0)
        return qn_fail(QN_EFORMAT, "%s: not a GGUF file: it does not begin with \"GGUF\"", r->name);
    if (!qn_cursor_skip(&r->c, sizeof magic) || !qn_cursor_u32(&r->c, &version))
        return ends(r, "the header");
    QN_TRY(check_version(r, version));
    r->version = (int)version;
    if (!qn_cursor_u64(&r->c, &r->count) || !qn_cursor_u64(&r->c, &r->keys))
        return ends(r, "the header");
    if (r->keys > QN_GGUF_MAX_KEYS)
        return qn_fail(QN_ELIMIT, "%s: the header counts %llu keys; at most %d are read", r->name,
                       (unsigned long long)r->keys, QN_GGUF_MAX_KEYS);
    if (r->keys > qn_cursor_left(&r->c) / KEY_ENTRY_MIN)
        return qn_fail(QN_ETRUNC, "%s: the header counts %llu keys, more than the file could hold", r->name,
                       (unsigned long long)r->keys);
    if (r->count > QN_TENSORS_MAX)
        return qn_fail(QN_ELIMIT, "%s: the header counts %llu tensors; at most %d are read", r->name,
                       (unsigned long long)r->count, QN_TENSORS_MAX);
    if (r->count > qn_cursor_left(&r->c) / TENSOR_ENTRY_MIN)
        return qn_fail(QN_ETRUNC, "%s: the header counts %llu tensors, more than the file could hold", r->name,
                       (unsigned long long)r->count);
    return 0;
}

/* ---- strings ---- */

/* u64 length and bytes; what they are is the caller's business. */
static int read_string(reader *r, qn_str *out, const char *inside) {
    uint64_t n;
    if (!qn_cursor_u64(&r->c, &n))
        return ends(r, inside);
    if (n > qn_cursor_left(&r->c))
        return qn_fail(QN_ETRUNC, "%s: %s at byte %zu says that it has %llu bytes; only %zu remain in the file",
                       r->name, inside, qn_cursor_offset(&r->c), (unsigned long long)n, qn_cursor_left(&r->c));
    *out = (qn_str){r->c.at, (size_t)n};
    r->c.at += n;
    return 0;
}

/* A key or a tensor's name: what is printed, compared and looked up, hence clean text. */
static int read_label(reader *r, qn_str *out, size_t max, const char *what) {
    const size_t at = qn_cursor_offset(&r->c);
    QN_TRY(read_string(r, out, what));
    if (out->n == 0 || out->n > max)
        return qn_fail(QN_EFORMAT, "%s: %s at byte %zu has %zu bytes; expected 1 to %zu", r->name, what, at, out->n,
                       max);
    for (size_t i = 0; i < out->n; i++)
        if ((unsigned char)out->s[i] < ' ' || out->s[i] == 0x7f)
            return qn_fail(QN_EFORMAT, "%s: %s at byte %zu contains the control character 0x%02x", r->name, what, at,
                           (unsigned char)out->s[i]);
    if (qn_utf8_check(out->s, out->n) != QN_UTF8_OK)
        return qn_fail(QN_EFORMAT, "%s: %s at byte %zu is not UTF-8", r->name, what, at);
    return 0;
}

/* ---- metadata ---- */

static int bad_bool(const reader *r, qn_str key, unsigned char byte) {
    return qn_fail(QN_EFORMAT, "%s: key \"%.*s\": a bool of value %u; expected 0 or 1", r->name, QN_STR_ARG(key), byte);
}

static int read_scalar(reader *r, uint32_t type, qn_meta_value *v) {
    const int width = types[type].width;
    const char *p = r->c.at;
    if (!qn_cursor_skip(&r->c, (uint64_t)width))
        return ends(r, "a value");
    v->kind = types[type].kind;
    switch (v->kind) {
    case QN_META_BOOL:
        if ((unsigned char)*p > 1)
            return bad_bool(r, v->key, (unsigned char)*p);
        v->as.b = *p == 1;
        break;
    case QN_META_INT:
        v->as.i = qn_le_load_signed(p, width);
        break;
    case QN_META_UINT:
        v->as.u = qn_le_load(p, width);
        break;
    default:
        v->as.f = qn_le_load_float(p, width);
        break;
    }
    return 0;
}

/* Strings have lengths of their own: an index of where each begins is all that is kept. */
static int index_strings(reader *r, uint64_t n, qn_meta_value *v) {
    if (n > qn_cursor_left(&r->c) / 8)
        return qn_fail(QN_ETRUNC, "%s: key \"%.*s\" counts %llu strings, more than the file could hold", r->name,
                       QN_STR_ARG(v->key), (unsigned long long)n);
    size_t *offset = qn_meta_alloc(r->meta, ((size_t)n + 1) * sizeof *offset);
    if (!offset)
        return QN_ENOMEM;
    const char *start = r->c.at;
    for (uint64_t i = 0; i < n; i++) {
        qn_str ignored;
        offset[i] = (size_t)(r->c.at - start);
        QN_TRY(read_string(r, &ignored, "a string of an array"));
    }
    offset[n] = (size_t)(r->c.at - start);
    v->as.a = (qn_meta_array){.kind = QN_META_STRING, .count = (size_t)n, .prefix = 8, .bytes = start,
                              .offset = offset};
    return 0;
}

static int read_array(reader *r, qn_meta_value *v) {
    uint32_t type;
    uint64_t n;
    if (!qn_cursor_u32(&r->c, &type) || !qn_cursor_u64(&r->c, &n))
        return ends(r, "an array");
    if (type >= T_COUNT)
        return qn_fail(QN_EFORMAT, "%s: key \"%.*s\": array elements of unknown type %u", r->name, QN_STR_ARG(v->key),
                       type);
    if (type == T_ARRAY)
        return qn_fail(QN_EUNSUPPORTED, "%s: key \"%.*s\": an array of arrays, which no known model uses", r->name,
                       QN_STR_ARG(v->key));
    v->kind = QN_META_ARRAY;
    if (type == T_STRING)
        return index_strings(r, n, v);
    const size_t width = (size_t)types[type].width;
    if (n > qn_cursor_left(&r->c) / width)
        return qn_fail(QN_ETRUNC, "%s: key \"%.*s\" counts %llu elements, more than the file could hold", r->name,
                       QN_STR_ARG(v->key), (unsigned long long)n);
    v->as.a = (qn_meta_array){.kind = types[type].kind, .count = (size_t)n, .width = (int)width, .bytes = r->c.at};
    r->c.at += n * width;
    for (uint64_t i = 0; type == T_BOOL && i < n; i++)
        if ((unsigned char)v->as.a.bytes[i] > 1)
            return bad_bool(r, v->key, (unsigned char)v->as.a.bytes[i]);
    return 0;
}

static int read_key(reader *r) {
    qn_meta_value v = {0};
    uint32_t type;
    QN_TRY(read_label(r, &v.key, KEY_BYTES_MAX, "a key"));
    if (!qn_cursor_u32(&r->c, &type))
        return ends(r, "a key's type");
    if (type >= T_COUNT)
        return qn_fail(QN_EFORMAT, "%s: key \"%.*s\" has unknown value type %u", r->name, QN_STR_ARG(v.key), type);
    if (type == T_ARRAY) {
        QN_TRY(read_array(r, &v));
    } else if (type == T_STRING) {
        v.kind = QN_META_STRING;
        QN_TRY(read_string(r, &v.as.s, "a value"));
    } else {
        QN_TRY(read_scalar(r, type, &v));
    }
    return qn_meta_put(r->meta, &v);
}

/* ---- tensors ---- */

typedef struct { qn_str name; uint32_t rank, type; uint64_t dims[RANK_MAX], offset; } entry;

static int read_entry(reader *r, entry *e) {
    QN_TRY(read_label(r, &e->name, NAME_BYTES_MAX, "a tensor's name"));
    if (!qn_cursor_u32(&r->c, &e->rank))
        return ends(r, "a tensor's entry");
    if (e->rank < 1 || e->rank > RANK_MAX)
        return qn_fail(QN_EFORMAT, "%s: tensor \"%.*s\" has rank %u; expected 1 to %d", r->name, QN_STR_ARG(e->name),
                       e->rank, RANK_MAX);
    for (uint32_t i = 0; i < e->rank; i++)
        if (!qn_cursor_u64(&r->c, &e->dims[i]))
            return ends(r, "a tensor's shape");
    if (!qn_cursor_u32(&r->c, &e->type) || !qn_cursor_u64(&r->c, &e->offset))
        return ends(r, "a tensor's entry");
    return 0;
}

/* Shape and type to bytes:  bytes = Π dims / elements per block × bytes per block. */
static int measure(const reader *r, const entry *e, qn_tensor_info *t) {
    int elements, bytes;
    int64_t total = 1;
    if (!qn_ggml_type_block(e->type, &elements, &bytes))
        return qn_fail(QN_EUNSUPPORTED, "%s: tensor \"%.*s\" has type number %u, %s: %s", r->name,
                       QN_STR_ARG(e->name), e->type, qn_ggml_type_hint(e->type), qn_ggml_type_advice());
    const char *type = qn_ggml_type_name((int)e->type);
    *t = (qn_tensor_info){.name = e->name, .type = type ? type : "unknown", .dtype = qn_dtype_from_ggml((int)e->type),
                          .rank = (int)e->rank, .map = r->map, .dims = {1, 1, 1, 1, 1, 1, 1, 1}};
    for (uint32_t i = 0; i < e->rank; i++) {
        if (e->dims[i] == 0 || e->dims[i] > INT64_MAX || QN_MUL_OVERFLOW(total, (int64_t)e->dims[i], &total))
            return qn_fail(QN_EFORMAT, "%s: tensor \"%.*s\": the product of its shape is zero or overflows", r->name,
                           QN_STR_ARG(e->name));
        t->dims[e->rank - 1 - i] = (int64_t)e->dims[i];
    }
    if (e->dims[0] % (uint64_t)elements != 0)
        return qn_fail(QN_EFORMAT, "%s: tensor \"%.*s\": rows of %llu elements are no whole blocks of %d (%s)", r->name,
                       QN_STR_ARG(e->name), (unsigned long long)e->dims[0], elements, t->type);
    if (QN_MUL_OVERFLOW((size_t)(total / elements), (size_t)bytes, &t->bytes))
        return qn_fail(QN_EFORMAT, "%s: tensor \"%.*s\": its size overflows", r->name, QN_STR_ARG(e->name));
    return 0;
}

/* Finds the tensor's bytes in the file. */
static int place(const reader *r, const entry *e, qn_tensor_info *t) {
    const size_t size = (size_t)(r->c.end - r->c.start);
    const size_t room = size > r->data ? size - r->data : 0;
    if (e->offset % r->alignment != 0)
        return qn_fail(QN_EFORMAT, "%s: tensor \"%.*s\": offset %llu is no multiple of the alignment %zu", r->name,
                       QN_STR_ARG(e->name), (unsigned long long)e->offset, r->alignment);
    if (e->offset > room || t->bytes > room - e->offset)
        return qn_fail(QN_ETRUNC, "%s: tensor \"%.*s\" needs %zu bytes from byte %llu of the data, but only %zu bytes "
                       "of data are in the file; fetch it again", r->name, QN_STR_ARG(e->name), t->bytes,
                       (unsigned long long)e->offset, room);
    t->data = r->c.start + r->data + e->offset;
    return 0;
}

static int read_alignment(reader *r) {
    int64_t alignment = ALIGNMENT_DEFAULT;
    QN_TRY(qn_meta_get_i64(r->meta, "general.alignment", &alignment));
    if (alignment < ALIGNMENT_MIN || alignment > ALIGNMENT_MAX || (alignment & (alignment - 1)) != 0)
        return qn_fail(QN_EFORMAT, "%s: key \"general.alignment\" is %lld; expected a power of two from %d to %d",
                       r->name, (long long)alignment, ALIGNMENT_MIN, ALIGNMENT_MAX);
    r->alignment = (size_t)alignment;
    return 0;
}

/* The entries are walked twice: where the data begin, which places every tensor, is known only behind the last one. */
static int read_tensors(reader *r, qn_tensor_file *f) {
    const size_t before = f->count;
    const char *first = r->c.at;
    entry e = {0};
    for (uint64_t i = 0; i < r->count; i++)
        QN_TRY(read_entry(r, &e));
    r->data = (qn_cursor_offset(&r->c) + r->alignment - 1) & ~(r->alignment - 1);
    r->c.at = first;
    for (uint64_t i = 0; i < r->count; i++) {
        qn_tensor_info t;
        QN_TRY(read_entry(r, &e));
        QN_TRY(measure(r, &e, &t));
        QN_TRY(place(r, &e, &t));
        QN_TRY(qn_tensor_file_add(f, &t));
    }
    return qn_tensor_file_check_overlap(f, before);
}

/* One whole file. Its metadata go to r->meta, its tensors join those in f. */
static int read_file(reader *r, qn_tensor_file *f) {
    QN_TRY(read_header(r));
    for (uint64_t i = 0; i < r->keys; i++)
        QN_TRY(read_key(r));
    QN_TRY(read_alignment(r));
    return read_tensors(r, f);
}

/* ---- split models: NAME-00001-of-0000N.gguf ---- */

/* 0 without the key, as in a file that stands alone. */
static int split_number(const reader *r, const char *key, int64_t *out) {
    *out = 0;
    QN_TRY(qn_meta_get_i64(r->meta, key, out));
    if (*out < 0 || *out > SHARDS_MAX)
        return qn_fail(QN_EFORMAT, "%s: key \"%s\" is %lld; expected 0 to %d", r->name, key, (long long)*out,
                       SHARDS_MAX);
    return 0;
}

static int open_shard(qn_gguf *g, const char *path, int64_t no, int64_t count) {
    reader r = {.name = path, .map = (int)g->tensors.maps};
    const qn_map_file *map;
    int64_t has_no, has_count;
    int rc;
    QN_TRY(qn_tensor_file_map(&g->tensors, path, &map));
    r.c = (qn_cursor){map->s, map->s, map->s + map->n};
    QN_TRY(qn_meta_new(&r.meta, path));
    QN_TRY_OUT(read_file(&r, &g->tensors));
    QN_TRY_OUT(split_number(&r, "split.no", &has_no));
    QN_TRY_OUT(split_number(&r, "split.count", &has_count));
    if (has_no != no || has_count != count)
        rc = qn_fail(QN_EFORMAT, "%s: says that it is shard %lld of %lld; expected %lld of %lld", path,
                     (long long)has_no + 1, (long long)has_count, (long long)no + 1, (long long)count);
out:
    qn_meta_free(r.meta);
    return rc;
}

static int open_other_shards(qn_gguf *g, const char *path, int64_t count) {
    char tail[40];
    int rc = 0;
    qn_buf name = {0};
    const size_t tail_n = (size_t)snprintf(tail, sizeof tail, "-00001-of-%05lld.gguf", (long long)count);
    if (!qn_str_ends(qn_str_of(path), tail))
        return qn_fail(QN_EFORMAT, "%s: the first of %lld shards must be called NAME%s, to find the others", path,
                       (long long)count, tail);
    for (int64_t no = 1; no < count; no++) {
        qn_buf_clear(&name);
        QN_TRY_OUT(qn_buf_put(&name, path, strlen(path) - tail_n));
        QN_TRY_OUT(qn_buf_printf(&name, "-%05lld-of-%05lld.gguf", (long long)no + 1, (long long)count));
        QN_TRY_OUT(open_shard(g, name.s, no, count));
    }
out:
    qn_buf_drop(&name);
    return rc;
}

/* `path` is NULL for bytes in memory, which have no siblings. */
static int complete_split(qn_gguf *g, const reader *r, const char *path) {
    int64_t no, count, tensors = -1;
    QN_TRY(split_number(r, "split.no", &no));
    QN_TRY(split_number(r, "split.count", &count));
    if (count <= 1)
        return 0;
    if (!path)
        return qn_fail(QN_EUNSUPPORTED, "%s: one of %lld shards; a split model is opened by its first shard's path",
                       r->name, (long long)count);
    if (no != 0)
        return qn_fail(QN_EUNSUPPORTED, "%s: shard %lld of %lld; open the first one, NAME-00001-of-%05lld.gguf", path,
                       (long long)no + 1, (long long)count, (long long)count);
    QN_TRY(open_other_shards(g, path, count));
    QN_TRY(qn_meta_get_i64(r->meta, "split.tensors.count", &tensors));
    if (tensors >= 0 && (uint64_t)tensors != g->tensors.count)
        return qn_fail(QN_EFORMAT, "%s: the shards hold %zu tensors; \"split.tensors.count\" says %lld", path,
                       g->tensors.count, (long long)tensors);
    return 0;
}

/* ---- open ---- */

/* The bytes come from `path`, or from memory when it is NULL. */
static int open_gguf(qn_gguf **out, const char *path, const char *bytes, size_t n) {
    reader r = {.name = path ? path : "memory", .c = {bytes, bytes, bytes + n}};
    int rc;
    *out = NULL;
    qn_gguf *g = qn_zalloc(QN_MEM_FORMAT, 1, sizeof *g);
    if (!g)
        return QN_ENOMEM;
    QN_TRY_OUT(qn_tensor_file_init(&g->tensors, r.name, qn_ggml_type_advice()));
    QN_TRY_OUT(qn_meta_new(&g->meta, r.name));
    r.meta = g->meta;
    if (path) {
        const qn_map_file *map;
        QN_TRY_OUT(qn_tensor_file_map(&g->tensors, path, &map));
        r.c = (qn_cursor){map->s, map->s, map->s + map->n};
    }
    QN_TRY_OUT(read_file(&r, &g->tensors));
    QN_TRY_OUT(complete_split(g, &r, path));
    g->version = r.version;
    *out = g;
    g = NULL;
out:
    qn_gguf_close(g);
    return rc;
}

int qn_gguf_open(qn_gguf **out, const char *path) {
    return open_gguf(out, path, "", 0);
}

int qn_gguf_open_memory(qn_gguf **out, const void *bytes, size_t n) {
    return open_gguf(out, NULL, n > 0 ? bytes : "", n);
}

void qn_gguf_close(qn_gguf *g) {
    if (!g)
        return;
    qn_meta_free(g->meta);
    qn_tensor_file_drop(&g->tensors);
    qn_free(g);
}

int qn_gguf_version(const qn_gguf *g) {
    return g->version;
}

const qn_meta *qn_gguf_meta(const qn_gguf *g) {
    return g->meta;
}

const qn_tensor_file *qn_gguf_tensors(const qn_gguf *g) {
    return &g->tensors;
}
