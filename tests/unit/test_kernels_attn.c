/* tests/unit/test_kernels_attn.c — attention: every row of the list against the judge and against itself (self-test),
 * and the judge against softmax written out over all keys at once. */
/* full: WHOLE=1 */
#include "test.h"

#include "kernels/selftest.h"

static void say(QN_UNUSED void *arg, const char *line, bool ok) {
    if (!ok)
        fprintf(stderr, "%s\n", line);
}

TEST(every_level) {
    qn_selftest_report r = {.say = say, .brief = !qn_test_whole()};
    CHECK_OK(qn_selftest_attn(qn_isa_detect(), &r));
    CHECK_INT(r.failures, 0);
    CHECK(r.rows >= 6 && r.cases > (r.brief ? 5000 : 10000), "%lld rows, %lld cases", (long long)r.rows,
          (long long)r.cases);
    CHECK(r.worst > 0 && r.worst <= 1, "%f", r.worst);
}

enum { DH = 6, KEYS = 300, CHUNKS = 2 };

/* softmax(cap·tanh(scale·q·k/cap) + slope·(j − position))·v over keys [lo, hi). */
static void written_out(double *o, const double *q, const double *k, const double *v, int lo, int hi, double slope,
                        double position, double cap, double scale) {
    double s[KEYS], m = -INFINITY, sum = 0;
    for (int j = lo; j < hi; j++) {
        s[j] = 0;
        for (int d = 0; d < DH; d++)
            s[j] += scale * q[d] * k[j * DH + d];
        s[j] = cap * tanh(s[j] / cap) + slope * (j - position);
        m = fmax(m, s[j]);
    }
    memset(o, 0, DH * sizeof *o);
    for (int j = lo; j < hi; j++) {
        sum += exp(s[j] - m);
        for (int d = 0; d < DH; d++)
            o[d] += exp(s[j] - m) * v[j * DH + d];
    }
    for (int d = 0; d < DH; d++)
        o[d] /= sum;
}

/* F64 keys over two chunks: the running state, divided by L, is plain softmax attention. */
TEST(the_judge_is_softmax_attention) {
    static double k[KEYS * DH], v[KEYS * DH], kb[CHUNKS * 4][64 * DH], vb[CHUNKS * 4][64 * DH];
    const qn_kernels *judge = qn_kernels_judge();
    const double position = 280;
    const float slope = 0.03125f;
    double q[DH], M, L, O[DH], want[DH];
    double *scratch = qn_alloc(QN_MEM_TEST, qn_attn_scratch(1, DH) * sizeof(double));
    CHECK(scratch != NULL);
    for (int d = 0; d < DH; d++)
        q[d] = (double)qn_fill_value(1, (uint64_t)d, 4.0f);
    for (int j = 0; j < KEYS; j++) {
        for (int d = 0; d < DH; d++) {
            k[j * DH + d] = (double)qn_fill_value(2, (uint64_t)(j * DH + d), 4.0f);
            v[j * DH + d] = (double)qn_fill_value(3, (uint64_t)(j * DH + d), 4.0f);
        }
        judge->kv_store_k(kb[j / 64], QN_F64, j % 64, k + j * DH, DH);
        judge->kv_store_v(vb[j / 64], QN_F64, j % 64, v + j * DH, DH);
    }
    for (int chunk = 0; chunk < CHUNKS; chunk++) {
        const int32_t lo = chunk ? 0 : 70, hi = chunk ? 281 - 256 : 256;
        const float rel = (float)(position - 256 * chunk);
        const bool merge = chunk > 0;
        qn_attn_args a = {.q = q, .ldq = sizeof q, .lo = &lo, .hi = &hi, .slope = &slope, .rel = &rel, .M = &M, .L = &L,
                          .O = O, .merge = &merge, .scratch = scratch, .rows = 1, .Dh = DH, .scale = 0.25f, .cap = 6};
        for (int b = 0; b < 4; b++) {
            a.k[b] = kb[chunk * 4 + b];
            a.v[b] = vb[chunk * 4 + b];
        }
        judge->attn[QN_F64](&a);
    }
    written_out(want, q, k, v, 70, 281, (double)slope, position, 6, 0.25);
    for (int d = 0; d < DH; d++)
        CHECK_NEAR(O[d] / L, want[d], 1e-13, "element %d", d);
    qn_free(scratch);
}

TEST(sizes) {
    CHECK_INT(qn_kv_block_bytes(QN_BF16, 64), 64 * 64 * 2);
    CHECK_INT(qn_kv_block_bytes(QN_F32, 6), 64 * 6 * 4);
    CHECK_INT(qn_kv_block_bytes(QN_Q8_0, 64), 64 * 2 * 34, "as many bytes as blocks of Q8_0 in a file");
    CHECK_INT(qn_kv_block_bytes(QN_Q8_0, 80), 64 * (80 + 3 * 2), "the last group is shorter");
    CHECK_INT(qn_attn_scratch(1, 18) * sizeof(float) % 64, 0, "scratch of several threads stays aligned");
}
