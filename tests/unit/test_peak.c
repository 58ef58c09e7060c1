/* tests/unit/test_peak.c — the machine's peaks and the row benchmarks run, give figures, and give their memory back. No
 * figure is compared with anything: the machine may be busy. */
/* label: full */
#include "test.h"

#include "kernels/bench_rows.h"
#include "kernels/peak.h"

static void measure(int threads) {
    const int64_t before = qn_mem_stats_get(QN_MEM_SCRATCH).live_bytes;
    qn_pool *pool = NULL;
    qn_peak peak;
    CHECK_OK(qn_pool_new(&pool, threads));
    CHECK_OK(qn_peak_measure(pool, &peak));
    qn_pool_free(pool);
    CHECK_INT(peak.threads, threads);
    CHECK_INT(peak.isa, qn_isa_detect());
    CHECK(peak.f32 > 0 && isfinite(peak.f32), "%g", peak.f32);
    CHECK_INT(peak.bf16 > 0, qn_isa_has(QN_ISA_AVX512BF16));
    CHECK_INT(peak.int8 > 0, qn_isa_has(QN_ISA_AVX2));
    CHECK(peak.memory > 0 && peak.l3 > 0 && peak.l2 > 0, "%g %g %g", peak.memory, peak.l3, peak.l2);
    CHECK_NO_LEAK(QN_MEM_SCRATCH, before);
}

TEST(one_thread) { measure(1); }
TEST(two_threads) { measure(2); }

TEST(no_memory_is_an_error) {
    qn_peak peak;
    for (int n = 0; n < 2; n++) {
        qn_mem_fail_after(n);
        CHECK_FAIL(qn_peak_measure(NULL, &peak), QN_ENOMEM, "");
    }
}

static int count(void *arg, const qn_bench_row *f) {
    int *figures = arg;
    CHECK(f->seconds > 0 && f->elements > 0 && f->gbytes > 0, "%s, %s", f->family, f->shape);
    const bool product = strncmp(f->family, "attn", 4) == 0 || strncmp(f->family, "linear", 6) == 0;
    CHECK_INT(f->gops > 0, product, "%s", f->family);
    return --*figures == 0 ? QN_ECANCEL : 0;
}

TEST(every_level_gives_figures) {
    const int64_t before = qn_mem_stats_get(QN_MEM_SCRATCH).live_bytes;
    int one = 0, all = 0;
    qn_bench_rows_options o = {.cap = QN_ISA_SCALAR, .seconds = 1e-6, .figure = count, .arg = &one};
    CHECK_OK(qn_bench_rows(&o));
    o.cap = qn_isa_detect();
    o.all_levels = true;
    o.arg = &all;
    CHECK_OK(qn_bench_rows(&o));
    int levels = 0;
    for (int i = 0; i < QN_ISA_LEVELS; i++)
        levels += qn_isa_has((qn_isa)i);
    CHECK_INT(all, one * levels);
    CHECK_NO_LEAK(QN_MEM_SCRATCH, before);
}

TEST(the_callback_can_stop) {
    int figures = 3;
    const qn_bench_rows_options o = {.cap = QN_ISA_SCALAR, .seconds = 1e-6, .figure = count, .arg = &figures};
    CHECK_INT(qn_bench_rows(&o), QN_ECANCEL);
    CHECK_INT(figures, 0);
}
