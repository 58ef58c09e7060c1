/* tests/unit/test_kernels_linear.c — products: every row of the list against the judge, and the judge against plain
 * sums. */
/* full: WHOLE=1 */
#include "test.h"

#include "kernels/selftest.h"
#include "num/num.h"

static void say(QN_UNUSED void *arg, const char *line, bool ok) {
    if (!ok)
        fprintf(stderr, "%s\n", line);
}

/* Under the highest cap every row runs; lower caps leave rows out, as is seen below, and are run where all is, as are
 * all kinds of inputs in all shapes. */
TEST(every_row_at_every_level_that_this_machine_has) {
    for (int i = qn_test_whole() ? 0 : (int)qn_isa_detect(); i <= (int)qn_isa_detect(); i++) {
        qn_selftest_report r = {.say = say, .brief = !qn_test_whole()};
        CHECK_OK(qn_selftest_linear((qn_isa)i, &r), "at %s", qn_isa_name((qn_isa)i));
        CHECK_INT(r.failures, 0);
        CHECK(r.rows > 0 && r.cases > (r.brief ? 300 : 1000), "%lld rows, %lld cases", (long long)r.rows,
              (long long)r.cases);
        CHECK(r.worst > 0 && r.worst <= 1, "%f", r.worst);
    }
}

TEST(a_cap_is_obeyed) {
    for (int i = 0; i < QN_ISA_LEVELS; i++) {
        const qn_kernels *k = qn_kernels_at((qn_isa)i);
        CHECK_INT(k->isa, qn_isa_fit((qn_isa)i));
        CHECK(k->isa <= (qn_isa)i && qn_isa_has(k->isa));
        for (int t = 0; t < QN_DTYPES; t++)
            for (int r = 0; r < QN_LINEAR_ROWS && k->linear[t][r].fn; r++) {
                CHECK(qn_isa_uses(k->isa, k->linear[t][r].isa), "%s", k->linear[t][r].name);
                CHECK_INT(k->linear[t][r].isa, k->linear[t][0].isa, "levels never mix");
            }
    }
}

TEST(every_row_count_has_a_row) {
    for (int i = 0; i < QN_ISA_LEVELS; i++)
        for (int t = QN_F32; t < QN_I32; t++)
            for (int64_t m = 1; m < 100; m++)
                CHECK(qn_linear_pick(qn_kernels_at((qn_isa)i), (qn_dtype)t, m) != NULL);
    CHECK(qn_linear_pick(qn_kernels_judge(), QN_F64, 3) != NULL);
}

TEST(names_of_levels) {
    for (int i = 0; i < QN_ISA_LEVELS; i++)
        CHECK_INT(qn_isa_from_name(qn_isa_name((qn_isa)i)), i);
    CHECK_FAIL(qn_isa_from_name("sse9"), QN_EINVAL, "avx512vnni");
}

/* ---- the judge itself, from the file's side: stored rows decoded by num, rows of activations as floats ---- */

enum { M = 3, N = 37, K = 256 };

/* What the form keeps of x. */
static double kept(const uint8_t *row, qn_act_form form, int64_t k) {
    float d;
    uint16_t h;
    switch (form) {
    case QN_ACT_BF16: memcpy(&h, row + k * 2, 2); return qn_bf16_to_f32(h);
    case QN_ACT_Q8B32: memcpy(&d, row + K + k / 32 * 4, 4); return (double)(int8_t)row[k] * d;
    default: memcpy(&d, row + k * 4, 4); return d;
    }
}

static void judge_one(qn_dtype t) {
    static float w[N][K], x[K];
    static uint8_t stored[N * K * 4], QN_ALIGNED(64) panels[2 * 32 * K * 4], QN_ALIGNED(64) rows[M][1024];
    static double y[M][N];
    const qn_act_form form = qn_act_form_of(t);
    const size_t row_bytes = qn_dtype_row_bytes(t, K);
    for (int n = 0; n < N; n++) {
        qn_fill_row(t, stored + (size_t)n * row_bytes, K, 5, (uint64_t)(n * K), 2.0f);
        qn_dtype_get(t)->decode_row(w[n], stored + (size_t)n * row_bytes, K);
    }
    qn_pack_panels(&(qn_pack_args){t, t, stored, panels, 0, N, K});
    for (int r = 0; r < M; r++) {
        for (int k = 0; k < K; k++)
            x[k] = qn_fill_value(6, (uint64_t)(r * K + k), 3.0f);
        qn_act_pack_fn *pack = qn_kernels_at(QN_ISA_SCALAR)->act_pack[form];
        if (pack)
            pack(rows[r], x, K);
        else
            memcpy(rows[r], x, sizeof x);
    }
    qn_linear_pick(qn_kernels_judge(), t, M)(&(qn_linear_args){y, N, rows, sizeof rows[0], panels, M, N, K, false});
    for (int r = 0; r < M; r++)
        for (int n = 0; n < N; n++) {
            double sum = 0, reach = 0;
            for (int k = 0; k < K; k++) {
                sum += w[n][k] * kept(rows[r], form, k);
                reach += fabs(w[n][k] * kept(rows[r], form, k));
            }
            CHECK_NEAR(y[r][n], sum, 0x1p-22 * reach, "%s row %d column %d", qn_dtype_get(t)->name, r, n);
        }
}

TEST(judge_is_the_plain_sum_of_decoded_weights) {
    for (int t = QN_F32; t < QN_I32; t++)
        judge_one((qn_dtype)t);
}

/* ---- activation rows ---- */

TEST(q8b32_rounds_half_to_even_and_counts) {
    float x[32] = {127.0f, 0.5f, 1.5f, 2.5f, -0.5f, -1.5f, -2.5f, 126.5f, -127.0f, [20] = 3};
    const int want[9] = {127, 0, 2, 2, 0, -2, -2, 126, -127};
    QN_ALIGNED(64) uint8_t row[64];
    for (int i = 0; i < QN_ISA_LEVELS; i++) {
        qn_kernels_at((qn_isa)i)->act_pack[QN_ACT_Q8B32](row, x, 32);
        int sum[2] = {0, 0};
        for (int k = 0; k < 32; k++) {
            CHECK_INT((int8_t)row[k], k < 9 ? want[k] : k == 20 ? 3 : 0, "element %d", k);
            sum[k / 16] += (int8_t)row[k];
        }
        float d;
        int16_t s[2];
        memcpy(&d, row + 32, 4);
        memcpy(s, row + 36, 4);
        CHECK(d == 1.0f);
        CHECK(s[0] == sum[0] && s[1] == sum[1] && s[1] == 3, "%d %d", s[0], s[1]);
    }
}

TEST(q8b32_of_zeros_and_of_broken_numbers) {
    static const float hostile[] = {NAN, INFINITY, -INFINITY};
    QN_ALIGNED(64) uint8_t row[128];
    for (int i = 0; i < QN_ISA_LEVELS; i++)
        for (size_t h = 0; h < QN_LEN(hostile); h++) {
            float x[64] = {[40] = hostile[h], [41] = 1};
            float d[2];
            int16_t s[4];
            qn_kernels_at((qn_isa)i)->act_pack[QN_ACT_Q8B32](row, x, 64);
            memcpy(d, row + 64, 8);
            memcpy(s, row + 72, 8);
            CHECK(d[0] == 0 && isnan(d[1]), "what is broken stays visible");
            CHECK(s[0] == 0 && s[1] == 0 && s[2] == 0 && s[3] == 0);
            for (int k = 0; k < 64; k++)
                CHECK_INT(row[k], 0);
        }
}

