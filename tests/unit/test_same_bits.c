/* tests/unit/test_same_bits.c — the promise of docs/NUMERICS.md: the logits of a token do not depend on the pieces that
 * its sequence was fed in, on threads, on neighbours in a batch, on a shared prefix, on what was forgotten. Compared as
 * bits, for every stored dtype and every level, over several chunks of 256 keys. */
/* full: WHOLE=1 */
#include "same_bits.h"

/* brief: each kind of regime once. */
static void regimes_of(const tiny_spec *spec, const char *what, bool brief) {
    qn_model *m = tiny_model(spec, NULL);
    for (int threads = 1; threads <= 3; threads++)
        CHECK_OK(qn_pool_new(&pool[threads], threads));
    every_regime(m, qn_test_isa(), what, brief && !qn_test_whole());
    for (int threads = 1; threads <= 3; threads++)
        qn_pool_free(pool[threads]);
    qn_model_free(m);
}

/* Where time is short, of one stored dtype only, and not where it would be slow: dtypes differ in their products. */
static void every_regime_of(const tiny_spec *spec, const char *what) {
    regimes_of(spec, what, spec->dtype != QN_BF16 || qn_test_isa() == QN_ISA_SCALAR);
}

static void stored_as(qn_dtype t) {
    tiny_spec s = TINY;
    s.dtype = t;
    every_regime_of(&s, qn_dtype_get(t)->name);
}

TEST(f32) { stored_as(QN_F32); }
TEST(f16) { stored_as(QN_F16); }
TEST(bf16) { stored_as(QN_BF16); }
TEST(q8_0) { stored_as(QN_Q8_0); }
TEST(q4_0) { stored_as(QN_Q4_0); }
TEST(q4_1) { stored_as(QN_Q4_1); }

/* Keys and values in Q8_0: heads of half a group, and of two and a half. */
TEST(kv_in_q8_0) {
    tiny_spec s = TINY;
    stored_keys = QN_Q8_0;
    regimes_of(&s, "KV in q8_0", true);
    s.heads = 3;
    s.kv_heads = 1;
    s.Dh = 80;
    s.dtype = QN_F16;
    regimes_of(&s, "KV in q8_0, heads of 80", true);
    stored_keys = -1;
}

/* Blocks of 32 codes, and K-quants: every product 256 deep. Each kind of regime once: products differ, nothing else. */
TEST(codes) {
    static const qn_dtype stored[] = {QN_Q5_1, QN_IQ4_NL, QN_Q4_K, QN_Q6_K, QN_Q5_0, QN_MXFP4, QN_Q2_K, QN_Q3_K,
                                      QN_Q5_K, QN_IQ4_XS};
    for (size_t i = 0; i < (qn_test_whole() ? QN_LEN(stored) : qn_test_isa() == QN_ISA_SCALAR ? 1 : 4); i++) {
        tiny_spec s = TINY;
        s.dtype = stored[i];
        if (qn_dtype_get(s.dtype)->block > 32) {
            s.V = 64;
            s.D = s.F = 256;
            s.layers = 1;
            s.Dh = 64;
        }
        regimes_of(&s, qn_dtype_get(s.dtype)->name, true);
    }
}

/* A window that ends inside a chunk, and one of several chunks. */
TEST(sliding_windows) {
    tiny_spec s = TINY;
    s.window = 100;
    every_regime_of(&s, "window of 100");
    s.window = 300;
    s.dtype = QN_F16;
    every_regime_of(&s, "window of 300");
}

/* Layernorm, learned positions, a plain feed-forward; Q, K and V out of one tensor. */
TEST(gpt2) {
    static const qn_dtype stored[] = {QN_F32, QN_F16, QN_BF16, QN_Q8_0, QN_Q4_0};
    tiny_spec s = TINY;
    s.gpt2 = true;
    for (size_t i = 0; i < QN_LEN(stored); i += qn_test_whole() ? 1 : 3) {     /* F32 and Q8_0 where time is short */
        char what[32];
        s.dtype = stored[i];
        snprintf(what, sizeof what, "gpt2 in %s", qn_dtype_get(s.dtype)->name);
        regimes_of(&s, what, stored[i] != QN_F32);      /* the dtypes went through all of them above */
    }
}

TEST(wide_heads_in_a_group_of_three) {
    tiny_spec s = TINY;
    s.heads = 3;
    s.kv_heads = 1;
    s.Dh = 64;
    s.dtype = QN_Q8_0;
    every_regime_of(&s, "three heads of 64 over one");
}
