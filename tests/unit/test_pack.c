/* tests/unit/test_pack.c — panels: what goes in comes out, element by element at the place that kernels.h draws. */
#include "test.h"

#include "kernels/kernels.h"
#include "num/num.h"

enum { N = 70, K = 288, ODD = 77 };          /* two panels and six columns; one chunk of the packer and a bit */

static const qn_dtype plain[] = {QN_F64, QN_F32, QN_F16, QN_BF16}, blocks[] = {QN_Q8_0, QN_Q4_0, QN_Q4_1};

static float values[N][K];
static uint8_t stored[N * K * 8], QN_ALIGNED(64) packed[3 * 32 * 768 * 8];

static size_t row_bytes(qn_dtype t, int64_t k) { return qn_dtype_row_bytes(t, k); }

static void store_rows(qn_dtype t, int64_t k) {
    for (int n = 0; n < N; n++) {
        for (int64_t i = 0; i < k; i++)
            values[n][i] = qn_fill_value((uint32_t)t, (uint64_t)(n * k + i), 4.0f);
        qn_dtype_get(t)->encode_row(stored + (size_t)n * row_bytes(t, k), values[n], k);
        qn_dtype_get(t)->decode_row(values[n], stored + (size_t)n * row_bytes(t, k), k);
    }
}

/* Rows in two calls, the first ending at a panel. */
static void pack(qn_dtype from, qn_dtype to, int64_t k) {
    memset(packed, 0xa5, sizeof packed);
    qn_pack_panels(&(qn_pack_args){from, to, stored, packed, 0, 32, k});
    qn_pack_panels(&(qn_pack_args){from, to, stored + 32 * row_bytes(from, k), packed, 32, N - 32, k});
}

static void check_same(qn_dtype t, int64_t k) {
    static float row[K], all[N * K];
    store_rows(t, k);
    pack(t, t, k);
    qn_unpack_rows(all, t, packed, 0, 32, k);
    qn_unpack_rows(all + 32 * k, t, packed, 32, N - 32, k);
    for (int n = 0; n < N; n++)
        CHECK(memcmp(all + n * k, values[n], (size_t)k * sizeof *all) == 0, "%s rows at once, row %d of K %d",
              qn_dtype_get(t)->name, n, (int)k);
    for (int n = 0; n < N; n++) {
        qn_unpack_row(row, t, packed, n, k);
        CHECK(memcmp(row, values[n], (size_t)k * sizeof *row) == 0, "%s row %d of K %d", qn_dtype_get(t)->name, n,
              (int)k);
    }
}

TEST(what_goes_in_comes_out) {
    for (size_t i = 0; i < QN_LEN(plain); i++) {
        check_same(plain[i], K);
        check_same(plain[i], ODD);
        check_same(plain[i], 1);
    }
    for (size_t i = 0; i < QN_LEN(blocks); i++) {
        check_same(blocks[i], K);
        check_same(blocks[i], 32);
    }
}

/* Every second row, as heads lie whose halves are interleaved. */
static void check_apart(qn_dtype t) {
    static uint8_t QN_ALIGNED(64) got[sizeof packed];
    const size_t bytes = row_bytes(t, K), panel = qn_panel_bytes(t, K);
    store_rows(t, K);
    qn_pack_panels_apart(&(qn_pack_args){t, t, stored + bytes, got, 0, 32, K}, 2 * bytes);
    for (int n = 0; n < 32; n++)
        memmove(stored + (size_t)n * bytes, stored + (size_t)(2 * n + 1) * bytes, bytes);
    qn_pack_panels(&(qn_pack_args){t, t, stored, packed, 0, 32, K});
    CHECK(memcmp(got, packed, panel) == 0, "%s", qn_dtype_get(t)->name);
}

TEST(rows_may_lie_apart) {
    for (size_t i = 0; i < QN_LEN(plain); i++)
        check_apart(plain[i]);
    for (size_t i = 0; i < QN_LEN(blocks); i++)
        check_apart(blocks[i]);
}

/* The packed matrix of a conversion is the packed matrix of the converted rows. */
static void check_conversion(qn_dtype from, qn_dtype to) {
    static uint8_t QN_ALIGNED(64) got[sizeof packed];
    const size_t bytes = qn_panel_bytes(to, K) * (size_t)qn_panels(N);
    store_rows(from, K);
    pack(from, to, K);
    memcpy(got, packed, bytes);
    for (int n = 0; n < N; n++)
        qn_dtype_get(to)->encode_row(stored + (size_t)n * row_bytes(to, K), values[n], K);
    pack(to, to, K);
    CHECK(memcmp(got, packed, bytes) == 0, "%s to %s", qn_dtype_get(from)->name, qn_dtype_get(to)->name);
}

static bool coded(qn_dtype t) { return !qn_dtype_get(t)->encode_row; }

TEST(conversions_go_through_the_encoder) {
    for (int from = 0; from < QN_I32; from++)
        for (int to = 0; to < QN_I32; to++)
            if (!coded((qn_dtype)from) && !coded((qn_dtype)to))
                check_conversion((qn_dtype)from, (qn_dtype)to);
}

/* ---- codes: rows of any bytes, three blocks of 256 deep; scales that are no numbers among them ---- */

enum { DEEP = 768 };
static float deep[N][DEEP];

static void store_codes(qn_dtype t) {
    const size_t bytes = row_bytes(t, DEEP);
    qn_fill_row(t, stored, N * DEEP, 3, 0, 4.0f);
    for (int n = 0; n < N; n++)
        qn_dtype_get(t)->decode_row(deep[n], stored + (size_t)n * bytes, DEEP);
}

static bool same_row(const float *a, const float *b) { return memcmp(a, b, DEEP * sizeof *a) == 0; }

static void check_codes(qn_dtype t) {
    static float row[DEEP], all[N * DEEP];
    const char *name = qn_dtype_get(t)->name;
    store_codes(t);
    pack(t, t, DEEP);
    qn_unpack_rows(all, t, packed, 0, 32, DEEP);
    qn_unpack_rows(all + 32 * DEEP, t, packed, 32, N - 32, DEEP);
    for (int n = 0; n < N; n++) {
        qn_unpack_row(row, t, packed, n, DEEP);
        CHECK(same_row(row, deep[n]), "%s row %d", name, n);
        CHECK(same_row(all + n * DEEP, deep[n]), "%s rows at once, row %d", name, n);
    }
    for (int n = N; n < 96; n++) {
        qn_unpack_row(row, t, packed, n, DEEP);
        for (int k = 0; k < DEEP; k++)
            CHECK(row[k] == 0, "%s column %d", name, n);
    }
}

/* To numbers exactly, and to the blocks that their encoder makes of those. */
static void check_codes_to(qn_dtype from, qn_dtype to) {
    static float row[DEEP], want[DEEP];
    static uint8_t again[DEEP * 8];
    store_codes(from);
    pack(from, to, DEEP);
    for (int n = 0; n < N; n++) {
        qn_dtype_get(to)->encode_row(again, deep[n], DEEP);
        qn_dtype_get(to)->decode_row(want, again, DEEP);
        qn_unpack_row(row, to, packed, n, DEEP);
        CHECK(same_row(row, want), "%s to %s, row %d", qn_dtype_get(from)->name, qn_dtype_get(to)->name, n);
    }
}

TEST(codes_come_out_and_become_other_dtypes) {
    static const qn_dtype to[] = {QN_F64, QN_F32, QN_F16, QN_BF16, QN_Q8_0, QN_Q4_1};
    for (int t = 0; t < QN_I32; t++) {
        if (!coded((qn_dtype)t))
            continue;
        check_codes((qn_dtype)t);
        for (size_t i = 0; i < QN_LEN(to); i++)
            check_codes_to((qn_dtype)t, to[i]);
    }
}

/* No panel takes more than 1.06 times the file. */
TEST(codes_stay_small) {
    for (int t = 0; t < QN_I32; t++)
        if (coded((qn_dtype)t)) {
            const double bytes = 32.0 * (double)row_bytes((qn_dtype)t, DEEP);
            const double share = (double)qn_panel_bytes((qn_dtype)t, DEEP) / bytes;
            CHECK(share >= 1 && share < 1.06, "%s: %g", qn_dtype_get((qn_dtype)t)->name, share);
        }
    CHECK_INT(qn_panel_bytes(QN_Q6_K, 512), 2 * 210 * 32);
    CHECK_INT(qn_panel_bytes(QN_Q4_K, 512), 2 * 148 * 32);
    CHECK_INT(qn_panel_bytes(QN_MXFP4, 96), 26 * 64, "rounded up to 64");
}

TEST(layout_of_plain_numbers) {
    store_rows(QN_F32, ODD);
    pack(QN_F32, QN_F32, ODD);
    const size_t panel = qn_panel_bytes(QN_F32, ODD) / sizeof(float);
    CHECK(((float *)(void *)packed)[panel + 7 * 32 + 5] == values[37][7]);
    pack(QN_F32, QN_BF16, ODD);
    const uint16_t *h = (const uint16_t *)(const void *)(packed + qn_panel_bytes(QN_BF16, ODD));
    CHECK_INT(h[(7 / 2 * 32 + 5) * 2 + 1], qn_f32_to_bf16(values[37][7]), "the odd one of a pair");
    CHECK_INT(h[(ODD / 2 * 32 + 5) * 2], qn_f32_to_bf16(values[37][ODD - 1]), "the last of an odd K");
    CHECK_INT(h[(ODD / 2 * 32 + 5) * 2 + 1], 0, "and its pad");
}

TEST(layout_of_blocks) {
    store_rows(QN_Q8_0, K);
    pack(QN_Q8_0, QN_Q8_0, K);
    const uint8_t *at = packed + qn_panel_bytes(QN_Q8_0, K) + 1088 * 2;      /* columns 32…, block 2 */
    const uint8_t *in = stored + 37 * row_bytes(QN_Q8_0, K) + 34 * 2;
    CHECK(memcmp(at + 5 * 2, in, 2) == 0, "the scale");
    CHECK_INT(at[64 + (13 / 4 * 32 + 5) * 4 + 13 % 4], (int8_t)in[2 + 13] + 128);

    store_rows(QN_Q4_1, K);
    pack(QN_Q4_1, QN_Q4_1, K);
    at = packed + qn_panel_bytes(QN_Q4_1, K) + 640 * 2;
    in = stored + 37 * row_bytes(QN_Q4_1, K) + 20 * 2;
    CHECK(memcmp(at + 5 * 2, in, 2) == 0, "the scale");
    CHECK(memcmp(at + 64 + 5 * 2, in + 2, 2) == 0, "the minimum");
    CHECK_INT(at[128 + (13 / 4 * 32 + 5) * 4 + 13 % 4], in[4 + 13], "elements 13 and 29");
}

TEST(columns_beyond_the_last_are_zero) {
    static float row[K];
    for (int t = 0; t < QN_I32 && !coded((qn_dtype)t); t++) {
        store_rows((qn_dtype)t, K);
        pack((qn_dtype)t, (qn_dtype)t, K);
        for (int n = N; n < 96; n++) {
            qn_unpack_row(row, (qn_dtype)t, packed, n, K);
            for (int k = 0; k < K; k++)
                CHECK(row[k] == 0, "%s column %d", qn_dtype_get((qn_dtype)t)->name, n);
        }
    }
}

TEST(sizes) {
    CHECK_INT(qn_panel_bytes(QN_F32, 3), 3 * 128);
    CHECK_INT(qn_panel_bytes(QN_F16, 3), 3 * 64);
    CHECK_INT(qn_panel_bytes(QN_BF16, 3), 2 * 128);
    CHECK_INT(qn_panel_bytes(QN_Q8_0, 64), 2 * 1088);
    CHECK_INT(qn_panel_bytes(QN_Q4_0, 64), 2 * 576);
    CHECK_INT(qn_panel_bytes(QN_Q4_1, 64), 2 * 640);
    CHECK_INT(qn_act_row_bytes(QN_ACT_F32, 17), 128);
    CHECK_INT(qn_act_row_bytes(QN_ACT_BF16, 33), 128);
    CHECK_INT(qn_act_row_bytes(QN_ACT_Q8B32, 64), 128);
    CHECK_INT(qn_act_row_bytes(QN_ACT_F64, 8), 64);
}
