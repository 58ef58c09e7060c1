/* tests/unit/test_peak.c — the machine's peaks and the row benchmarks run, give figures, and give their memory back. No
 * figure is compared with anything: the machine may be busy. */
/* label: full */
#include "test.h"

#include "kernels/bench_rows.h"
#include "kernels/peak.h"

static void measure(int threads, qn_isa cap) {
    const int64_t before = qn_mem_stats_get(QN_MEM_SCRATCH).live_bytes;
    qn_pool *pool = NULL;
    qn_peak peak;
    CHECK_OK(qn_pool_new(&pool, threads));
    CHECK_OK(qn_peak_measure(pool, cap, &peak));
    qn_pool_free(pool);
    CHECK_INT(peak.threads, threads);
    CHECK_INT(peak.isa, qn_isa_fit(cap));
    CHECK(peak.f32 > 0 && isfinite(peak.f32), "%g", peak.f32);
    CHECK_INT(peak.bf16 > 0, peak.isa >= QN_ISA_AVX512BF16);
    CHECK_INT(peak.int8 > 0, peak.isa >= QN_ISA_AVX2);
    CHECK(peak.l2_bytes > 0 && peak.l3_bytes > 0, "%lld %lld", (long long)peak.l2_bytes, (long long)peak.l3_bytes);
    CHECK(peak.memory > 0 && peak.l3 > 0 && peak.l2 > 0, "%g %g %g", peak.memory, peak.l3, peak.l2);
    CHECK_NO_LEAK(QN_MEM_SCRATCH, before);
}

TEST(one_thread) { measure(1, QN_ISA_LEVELS - 1); }
TEST(two_threads) { measure(2, QN_ISA_LEVELS - 1); }
TEST(more_threads_than_cpus) { measure(2 * qn_cpus_allowed() + 1, QN_ISA_SCALAR); }

/* What no row up to the cap can use is no limit of it. */
TEST(no_level_above_the_cap) {
    for (int cap = 0; cap < QN_ISA_LEVELS; cap++) {
        qn_peak peak;
        CHECK_OK(qn_peak_arithmetic(NULL, (qn_isa)cap, &peak));
        CHECK_INT(peak.isa, qn_isa_fit((qn_isa)cap));
        CHECK_INT(peak.bf16 > 0, peak.isa >= QN_ISA_AVX512BF16, "%s", qn_isa_name((qn_isa)cap));
        CHECK_INT(peak.int8 > 0, peak.isa >= QN_ISA_AVX2, "%s", qn_isa_name((qn_isa)cap));
        CHECK_OK(qn_peak_floats(NULL, (qn_isa)cap, &peak));
        CHECK(peak.f32 > 0 && peak.int8 == 0 && peak.memory == 0, "%s", qn_isa_name((qn_isa)cap));
    }
}

/* ---- a folder as the kernel's ---- */

/* A new one for each call. */
static const char *folder_new(void) {
    static char name[32];
    static int made;
    snprintf(name, sizeof name, "cache%d", made++);
    const char *path = qn_test_temp(name);
    CHECK(qn_dir_make(path) >= 0, "%s", path);
    return path;
}

static void put_line(const char *folder, int index, const char *name, const char *line) {
    char path[1200];
    snprintf(path, sizeof path, "%s/index%d", folder, index);
    CHECK(qn_dir_make(path) >= 0);
    snprintf(path, sizeof path, "%s/index%d/%s", folder, index, name);
    CHECK_OK(qn_write_file(path, line, strlen(line)));
}

static void put_cache(const char *folder, int index, const char *level, const char *size, const char *cpus) {
    put_line(folder, index, "level", level);
    put_line(folder, index, "size", size);
    if (cpus)
        put_line(folder, index, "shared_cpu_list", cpus);
}

TEST(a_cache_is_shared_by_its_cpus) {
    const char *folder = folder_new();
    CHECK_INT(qn_cache_part(folder, 2), 0, "nothing is told");
    put_cache(folder, 0, "1\n", "32K\n", "0\n");
    put_cache(folder, 1, "2\n", "1024K\n", "0,4\n");
    put_cache(folder, 2, "3\n", "32M\n", "0-3,8-11\n");
    CHECK_INT(qn_cache_part(folder, 1), 32 << 10);
    CHECK_INT(qn_cache_part(folder, 2), 512 << 10);
    CHECK_INT(qn_cache_part(folder, 3), 4 << 20);
    CHECK_INT(qn_cache_part(folder, 4), 0);
}

TEST(what_is_told_in_other_ways_counts_as_not_told) {
    static const struct { const char *size, *cpus; } cases[] = {
        {"", "0\n"}, {"large\n", "0\n"}, {"-4K\n", "0\n"}, {"0K\n", "0\n"}, {"99999999999K\n", "0\n"},
        {"512K\n", NULL}, {"512K\n", "all\n"}, {"512K\n", ""},
    };
    for (size_t i = 0; i < QN_LEN(cases); i++) {
        const char *folder = folder_new();
        put_cache(folder, 0, "2\n", cases[i].size, cases[i].cpus);
        CHECK_INT(qn_cache_part(folder, 2), 0, "case %zu", i);
    }
}

/* Wherever it is, and what was taken before is given back; a cache that cannot be read is not one of unknown size. */
TEST(no_memory_is_an_error) {
    const int64_t before = qn_mem_stats_get(QN_MEM_SCRATCH).live_bytes, base = qn_mem_stats_get(QN_MEM_BASE).live_bytes;
    qn_peak peak;
    int rc = QN_ENOMEM, failed = 0;
    for (; rc == QN_ENOMEM; failed++) {
        qn_mem_fail_after(failed);
        rc = qn_peak_measure(NULL, QN_ISA_LEVELS - 1, &peak);
        CHECK_NO_LEAK(QN_MEM_SCRATCH, before);
        CHECK_NO_LEAK(QN_MEM_BASE, base);
    }
    qn_mem_fail_after(-1);
    CHECK_INT(rc, 0);
    CHECK(failed > 3, "spans twice and the memory to read: %d", failed);
}

TEST(no_memory_is_not_an_unknown_cache) {
    const char *folder = folder_new();
    put_cache(folder, 0, "2\n", "512K\n", "0\n");
    qn_mem_fail_after(0);
    CHECK_INT(qn_cache_part(folder, 2), QN_ENOMEM);
    CHECK_INT(qn_cache_part(folder, 2), 512 << 10);
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
