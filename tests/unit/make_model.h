/* tests/unit/make_model.h — writes tiny GGUF and safetensors files in memory, for tests only: the reader's mirror
 * image, kept apart from it so that a misunderstanding in one shows against the other.
 *
 *     test_gguf g = {0};
 *     test_gguf_str(&g, "general.architecture", "llama");
 *     test_gguf_u32(&g, "llama.block_count", 2);
 *     test_gguf_fill(&g, "output_norm.weight", QN_F32, 1, (int64_t[]){64}, "model.norm.weight", 0.1f);
 *     qn_buf file = test_gguf_bytes(&g);               // test_gguf_drop(&g); qn_buf_drop(&file);
 *
 * Dims are outermost first, as everywhere in quern. A filled tensor holds qn_fill_value(salt of its safetensors name,
 * i, scale): what the Python fixture generators fill in too. Anything that goes wrong is an assertion: the test is
 * broken. */
#ifndef QN_TESTS_UNIT_MAKE_MODEL_H
#define QN_TESTS_UNIT_MAKE_MODEL_H

#include <stdio.h>
#include <string.h>

#include "base/base.h"
#include "num/num.h"

#define TEST_MUST(expr) qn_assert((expr) >= 0)

QN_UNUSED static void test_put(qn_buf *b, const void *bytes, size_t n) {
    TEST_MUST(qn_buf_put(b, bytes, n));
}

QN_UNUSED static void test_put_u32(qn_buf *b, uint32_t v) {
    test_put(b, &v, sizeof v);
}

QN_UNUSED static void test_put_u64(qn_buf *b, uint64_t v) {
    test_put(b, &v, sizeof v);
}

QN_UNUSED static void test_put_pad(qn_buf *b, size_t alignment, char with) {
    while (b->n % alignment)
        test_put(b, &with, 1);
}

QN_UNUSED static int64_t test_product(int rank, const int64_t *dims) {
    int64_t n = 1;
    for (int i = 0; i < rank; i++)
        n *= dims[i];
    return n;
}

/* The values of a filled parameter, to be freed with qn_free. */
QN_UNUSED static float *test_fill_values(const char *safetensors_name, int64_t n, float scale) {
    float *v = qn_alloc(QN_MEM_TEST, (size_t)n * sizeof *v);
    qn_assert(v);
    const uint32_t salt = qn_fill_salt(safetensors_name);
    for (int64_t i = 0; i < n; i++)
        v[i] = qn_fill_value(salt, (uint64_t)i, scale);
    return v;
}

/* Appends n values in their stored form; of a dtype that nothing encodes, other values of that size. */
QN_UNUSED static void test_put_values(qn_buf *b, qn_dtype dtype, const float *values, int64_t n) {
    const size_t bytes = qn_dtype_row_bytes(dtype, n);
    float most = 0;
    TEST_MUST(qn_buf_reserve(b, bytes));
    for (int64_t i = 0; i < n; i++)
        most = QN_MAX(most, values[i] < 0 ? -values[i] : values[i]);
    if (qn_dtype_get(dtype)->encode_row)
        qn_dtype_get(dtype)->encode_row(b->s + b->n, values, n);
    else
        qn_fill_row(dtype, b->s + b->n, n, qn_f32_bits(values[0]) ^ (uint32_t)n, 0, most);
    b->n += bytes;
    b->s[b->n] = 0;
}

/* ---- GGUF ---- */

/* {0} is an empty version 3 file. Version and alignment may be set before the first tensor; the key general.alignment
 * is written by the caller. */
typedef struct {
    uint32_t version;               /* 0 = 3 */
    size_t alignment;               /* 0 = 32 */
    uint64_t keys, tensors;
    qn_buf key_bytes, tensor_bytes, data;
} test_gguf;

enum { TEST_U8, TEST_I8, TEST_U16, TEST_I16, TEST_U32, TEST_I32, TEST_F32, TEST_BOOL, TEST_STRING, TEST_ARRAY, TEST_U64,
       TEST_I64, TEST_F64 };

QN_UNUSED static void test_gguf_drop(test_gguf *g) {
    qn_buf_drop(&g->key_bytes);
    qn_buf_drop(&g->tensor_bytes);
    qn_buf_drop(&g->data);
    *g = (test_gguf){0};
}

QN_UNUSED static void test_put_string(qn_buf *b, const char *s) {
    test_put_u64(b, strlen(s));
    test_put(b, s, strlen(s));
}

/* A key of any type with its value as raw little-endian bytes. */
QN_UNUSED static void test_gguf_key(test_gguf *g, const char *key, uint32_t type, const void *value, size_t n) {
    test_put_string(&g->key_bytes, key);
    test_put_u32(&g->key_bytes, type);
    test_put(&g->key_bytes, value, n);
    g->keys++;
}

#define TEST_GGUF_SCALAR(suffix, ctype, type)                                                             \
    QN_UNUSED static void test_gguf_##suffix(test_gguf *g, const char *key, ctype v) {                    \
        test_gguf_key(g, key, type, &v, sizeof v);                                                        \
    }                                                                                                     \
    QN_UNUSED static void test_gguf_##suffix##s(test_gguf *g, const char *key, const ctype *v, size_t n) { \
        test_gguf_key(g, key, TEST_ARRAY, "", 0);                                                         \
        test_put_u32(&g->key_bytes, type);                                                                \
        test_put_u64(&g->key_bytes, n);                                                                   \
        test_put(&g->key_bytes, v, n * sizeof *v);                                                        \
    }
TEST_GGUF_SCALAR(u8, uint8_t, TEST_U8)      /* test_gguf_u8(g, key, value), test_gguf_u8s(g, key, values, n), … */
TEST_GGUF_SCALAR(i8, int8_t, TEST_I8)
TEST_GGUF_SCALAR(u16, uint16_t, TEST_U16)
TEST_GGUF_SCALAR(i16, int16_t, TEST_I16)
TEST_GGUF_SCALAR(u32, uint32_t, TEST_U32)
TEST_GGUF_SCALAR(i32, int32_t, TEST_I32)
TEST_GGUF_SCALAR(u64, uint64_t, TEST_U64)
TEST_GGUF_SCALAR(i64, int64_t, TEST_I64)
TEST_GGUF_SCALAR(f32, float, TEST_F32)
TEST_GGUF_SCALAR(f64, double, TEST_F64)
TEST_GGUF_SCALAR(bool, bool, TEST_BOOL)
#undef TEST_GGUF_SCALAR

QN_UNUSED static void test_gguf_str(test_gguf *g, const char *key, const char *v) {
    test_gguf_key(g, key, TEST_STRING, "", 0);
    test_put_string(&g->key_bytes, v);
}

QN_UNUSED static void test_gguf_strs(test_gguf *g, const char *key, const char *const *v, size_t n) {
    test_gguf_key(g, key, TEST_ARRAY, "", 0);
    test_put_u32(&g->key_bytes, TEST_STRING);
    test_put_u64(&g->key_bytes, n);
    for (size_t i = 0; i < n; i++)
        test_put_string(&g->key_bytes, v[i]);
}

/* The tensor's entry alone, saying whatever the test wants. */
QN_UNUSED static void test_gguf_entry(test_gguf *g, const char *name, uint32_t type, int rank, const int64_t *dims,
                                      uint64_t offset) {
    test_put_string(&g->tensor_bytes, name);
    test_put_u32(&g->tensor_bytes, (uint32_t)rank);
    for (int i = rank; i-- > 0;)                        /* GGUF: fastest first */
        test_put_u64(&g->tensor_bytes, (uint64_t)dims[i]);
    test_put_u32(&g->tensor_bytes, type);
    test_put_u64(&g->tensor_bytes, offset);
    g->tensors++;
}

/* A tensor of any ggml type with its stored bytes. */
QN_UNUSED static void test_gguf_raw(test_gguf *g, const char *name, uint32_t type, int rank, const int64_t *dims,
                                    const void *bytes, size_t n) {
    test_put_pad(&g->data, g->alignment ? g->alignment : 32, 0);
    test_gguf_entry(g, name, type, rank, dims, g->data.n);
    test_put(&g->data, bytes, n);
}

QN_UNUSED static void test_gguf_tensor(test_gguf *g, const char *name, qn_dtype dtype, int rank, const int64_t *dims,
                                       const float *values) {
    test_gguf_raw(g, name, (uint32_t)qn_dtype_get(dtype)->ggml_id, rank, dims, "", 0);
    test_put_values(&g->data, dtype, values, test_product(rank, dims));
}

QN_UNUSED static void test_gguf_fill(test_gguf *g, const char *name, qn_dtype dtype, int rank, const int64_t *dims,
                                     const char *safetensors_name, float scale) {
    float *values = test_fill_values(safetensors_name, test_product(rank, dims), scale);
    test_gguf_tensor(g, name, dtype, rank, dims, values);
    qn_free(values);
}

/* The whole file. */
QN_UNUSED static qn_buf test_gguf_bytes(const test_gguf *g) {
    qn_buf b = {0};
    test_put(&b, "GGUF", 4);
    test_put_u32(&b, g->version ? g->version : 3);
    test_put_u64(&b, g->tensors);
    test_put_u64(&b, g->keys);
    test_put(&b, g->key_bytes.s, g->key_bytes.n);
    test_put(&b, g->tensor_bytes.s, g->tensor_bytes.n);
    test_put_pad(&b, g->alignment ? g->alignment : 32, 0);
    test_put(&b, g->data.s, g->data.n);
    return b;
}

/* ---- safetensors ---- */

/* {0} is an empty file. */
typedef struct { qn_buf header, data; } test_st;

QN_UNUSED static void test_st_drop(test_st *s) {
    qn_buf_drop(&s->header);
    qn_buf_drop(&s->data);
}

/* Appends `"name":body` to the header's object. Names are plain. */
QN_UNUSED static void test_st_member(test_st *s, const char *name, const char *body) {
    TEST_MUST(qn_buf_printf(&s->header, "%s\"%s\":%s", s->header.n ? "," : "", name, body));
}

/* A tensor of any type with its stored bytes. */
QN_UNUSED static void test_st_raw(test_st *s, const char *name, const char *type, int rank, const int64_t *dims,
                                  const void *bytes, size_t n) {
    qn_buf body = {0};
    TEST_MUST(qn_buf_printf(&body, "{\"dtype\":\"%s\",\"shape\":[", type));
    for (int i = 0; i < rank; i++)
        TEST_MUST(qn_buf_printf(&body, "%s%lld", i ? "," : "", (long long)dims[i]));
    TEST_MUST(qn_buf_printf(&body, "],\"data_offsets\":[%zu,%zu]}", s->data.n, s->data.n + n));
    test_st_member(s, name, body.s);
    qn_buf_drop(&body);
    test_put(&s->data, bytes, n);
}

/* F64, F32, F16 or BF16. */
QN_UNUSED static void test_st_tensor(test_st *s, const char *name, qn_dtype dtype, int rank, const int64_t *dims,
                                     const float *values) {
    qn_buf stored = {0};
    qn_assert(qn_dtype_get(dtype)->safetensors);
    test_put_values(&stored, dtype, values, test_product(rank, dims));
    test_st_raw(s, name, qn_dtype_get(dtype)->safetensors, rank, dims, stored.s, stored.n);
    qn_buf_drop(&stored);
}

QN_UNUSED static void test_st_fill(test_st *s, const char *name, qn_dtype dtype, int rank, const int64_t *dims,
                                   float scale) {
    float *values = test_fill_values(name, test_product(rank, dims), scale);
    test_st_tensor(s, name, dtype, rank, dims, values);
    qn_free(values);
}

/* The whole file; the header is padded so that the data begin at a multiple of 8, as the format's own writer does. */
QN_UNUSED static qn_buf test_st_bytes(const test_st *s) {
    qn_buf header = {0}, b = {0};
    TEST_MUST(qn_buf_printf(&header, "{%s}", s->header.s ? s->header.s : ""));
    test_put_pad(&header, 8, ' ');
    test_put_u64(&b, header.n);
    test_put(&b, header.s, header.n);
    test_put(&b, s->data.s, s->data.n);
    qn_buf_drop(&header);
    return b;
}

#endif
