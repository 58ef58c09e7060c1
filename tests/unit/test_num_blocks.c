/* tests/unit/test_num_blocks.c — every stored dtype against fixtures made by the PyPI package gguf
 * (tools/fixtures/num_blocks.py, which documents the layout). Bits are compared; a NaN equals any NaN, because the sign
 * of the NaN that inf·0 makes belongs to the machine. */
#include "test.h"

#include "num/num.h"

static bool same_bits(float a, float b) {
    return qn_f32_bits(a) == qn_f32_bits(b) || (a != a && b != b);
}

typedef struct {
    qn_buf file;
    uint32_t n, m;                                          /* elements to decode, to encode */
    const char *stored, *decoded, *values, *encoded;        /* into file */
    size_t encoded_bytes;
} fixture;

static void fixture_open(fixture *f, qn_dtype t) {
    char name[64];
    snprintf(name, sizeof name, "num_%s.bin", qn_dtype_get(t)->name);
    memset(f, 0, sizeof *f);
    CHECK_OK(qn_read_file(&f->file, qn_test_fixture(name), 1 << 20));
    CHECK(f->file.n >= 8);
    memcpy(&f->n, f->file.s, 4);
    memcpy(&f->m, f->file.s + 4, 4);
    f->encoded_bytes = qn_dtype_row_bytes(t, f->m);
    CHECK_INT(f->file.n, 8 + qn_dtype_row_bytes(t, f->n) + 4 * (size_t)f->n + 4 * (size_t)f->m + f->encoded_bytes);
    CHECK(f->n >= 768 && (f->m >= 1024 || !qn_dtype_get(t)->encode_row), "the fixture holds too little");
    f->stored = f->file.s + 8;
    f->decoded = f->stored + qn_dtype_row_bytes(t, f->n);
    f->values = f->decoded + 4 * (size_t)f->n;
    f->encoded = f->values + 4 * (size_t)f->m;
}

static void fixture_drop(fixture *f) { qn_buf_drop(&f->file); }

/* Stored bytes start at an odd address: rows in files have no alignment. */
static void check_decode(qn_dtype t) {
    fixture f;
    fixture_open(&f, t);
    const size_t bytes = qn_dtype_row_bytes(t, f.n);
    char *odd = malloc(bytes + 1);
    float *got = malloc(sizeof(float) * f.n);
    CHECK(odd && got);
    memcpy(odd + 1, f.stored, bytes);
    qn_dtype_get(t)->decode_row(got, odd + 1, f.n);
    for (uint32_t i = 0; i < f.n; i++) {
        float want;
        memcpy(&want, f.decoded + 4 * (size_t)i, 4);
        CHECK(same_bits(got[i], want), "%s element %u: got %a, gguf %a", qn_dtype_get(t)->name, i, (double)got[i],
              (double)want);
    }
    free(got);
    free(odd);
    fixture_drop(&f);
}

static void check_encode(qn_dtype t) {
    fixture f;
    fixture_open(&f, t);
    float *values = malloc(sizeof(float) * f.m);
    unsigned char *got = malloc(f.encoded_bytes + 1);
    CHECK(values && got);
    memcpy(values, f.values, sizeof(float) * f.m);
    qn_dtype_get(t)->encode_row(got + 1, values, f.m);
    const int size = qn_dtype_get(t)->bytes;
    for (size_t i = 0; i < f.encoded_bytes; i++)
        CHECK_INT(got[i + 1], (unsigned char)f.encoded[i], "%s block %zu, byte %zu of it", qn_dtype_get(t)->name,
                  i / (size_t)size, i % (size_t)size);
    free(got);
    free(values);
    fixture_drop(&f);
}

static const qn_dtype dtypes[] = {QN_F16, QN_BF16, QN_Q8_0, QN_Q4_0, QN_Q4_1};

TEST(decodes_as_gguf_does) {
    for (int t = 0; t < QN_I32; t++)
        if (t != QN_F64 && t != QN_F32)
            check_decode((qn_dtype)t);
}

/* What measures and tests are made of: rows of the size that was asked for, of any part of the stream the same bytes,
 * about zero. */
TEST(filled_rows) {
    enum { N = 1024 };
    static float x[N];
    static unsigned char whole[N * 8], half[N * 8];
    for (int t = 0; t < QN_I32; t++) {
        const size_t bytes = qn_dtype_row_bytes((qn_dtype)t, N);
        double sum = 0, most = 0;
        qn_fill_row((qn_dtype)t, whole, N, 7, 0, 2.0f);
        qn_fill_row((qn_dtype)t, half, N / 2, 7, N / 2, 2.0f);
        CHECK(memcmp(whole + bytes / 2, half, bytes / 2) == 0, "%s", qn_dtype_get((qn_dtype)t)->name);
        qn_dtype_get((qn_dtype)t)->decode_row(x, whole, N);
        for (int i = 0; i < N; i++) {
            sum += (double)x[i];
            most = fmax(most, fabs((double)x[i]));
        }
        CHECK(most > 0.8 && most < 4.1, "%s: %g", qn_dtype_get((qn_dtype)t)->name, most);
        CHECK(fabs(sum / N) < 0.3, "%s: %g", qn_dtype_get((qn_dtype)t)->name, sum / N);
    }
}

TEST(encodes_as_gguf_does) {
    for (size_t i = 0; i < QN_LEN(dtypes); i++)
        check_encode(dtypes[i]);
}

TEST(a_decoded_block_encodes_to_itself) {
    /* q8_0 with the full code ±127 in the block, q4_0 with −8, q4_1 with 0 and 15: the scale is found again exactly. */
    float row[32], again[32];
    unsigned char block[34];
    for (int j = 0; j < 32; j++)
        row[j] = (float)(j * 8 - 127) * 0.25f;
    row[31] = 127 * 0.25f;
    qn_q8_0_encode(block, row, 32);
    qn_q8_0_decode(again, block, 32);
    CHECK(memcmp(row, again, sizeof row) == 0, "q8_0");
    for (int j = 0; j < 32; j++)
        row[j] = (float)(j % 16 - 8) * 0.5f;
    qn_q4_0_encode(block, row, 32);
    qn_q4_0_decode(again, block, 32);
    CHECK(memcmp(row, again, sizeof row) == 0, "q4_0");
    for (int j = 0; j < 32; j++)
        row[j] = (float)(j % 16) * 0.125f + 3;
    qn_q4_1_encode(block, row, 32);
    qn_q4_1_decode(again, block, 32);
    CHECK(memcmp(row, again, sizeof row) == 0, "q4_1");
}

/* Which bits come out is ggml's business where C leaves them undefined; here the sanitizers watch. */
TEST(hostile_rows_encode_without_undefined_behaviour) {
    static const float hostile[] = {NAN, INFINITY, -INFINITY, 1e-45f, -1e-45f, 1e-38f, 3.4e38f, -3.4e38f, 0, 1};
    const size_t n = QN_LEN(hostile);
    float row[64], back[64];
    unsigned char out[sizeof row];
    for (size_t pair = 0; pair < n * n; pair++) {
        for (size_t j = 0; j < 64; j++)
            row[j] = hostile[j % 3 ? pair / n : pair % n];
        for (size_t t = 0; t < QN_LEN(dtypes); t++) {
            qn_dtype_get(dtypes[t])->encode_row(out, row, 64);
            qn_dtype_get(dtypes[t])->decode_row(back, out, 64);
        }
        qn_f16_encode(out, row, 64);
        qn_f16_decode(back, out, 64);
        for (size_t j = 0; j < 64; j++)
            CHECK(isnan(row[j]) == isnan(back[j]), "NaN and nothing else gives NaN in f16: %g", (double)row[j]);
    }
}

TEST(zeros_of_either_sign_stay_zero) {
    float row[32], back[32];
    unsigned char out[sizeof row];
    for (int sign = 0; sign < 2; sign++)
        for (size_t t = 0; t < QN_LEN(dtypes); t++) {
            for (int j = 0; j < 32; j++)
                row[j] = sign ? -0.0f : 0.0f;
            memset(out, 0xff, sizeof out);
            qn_dtype_get(dtypes[t])->encode_row(out, row, 32);
            qn_dtype_get(dtypes[t])->decode_row(back, out, 32);
            for (int j = 0; j < 32; j++)
                CHECK(back[j] == 0, "%s", qn_dtype_get(dtypes[t])->name);
        }
}

TEST(f32_and_f64_rows) {
    const float row[3] = {1.5f, -0.0f, 3.0e38f};
    char bytes[25];
    float back[3];
    qn_f32_encode(bytes + 1, row, 3);
    qn_f32_decode(back, bytes + 1, 3);
    CHECK(memcmp(row, back, sizeof row) == 0);
    qn_f64_encode(bytes + 1, row, 3);
    qn_f64_decode(back, bytes + 1, 3);
    CHECK(memcmp(row, back, sizeof row) == 0);
    const double third = 1.0 / 3;
    memcpy(bytes + 1, &third, 8);
    qn_f64_decode(back, bytes + 1, 1);
    CHECK(back[0] == 1.0f / 3, "f64 rounds to the nearest float");
    qn_f32_decode(back, bytes, 0);
    qn_q4_1_decode(back, bytes, 0);
}
