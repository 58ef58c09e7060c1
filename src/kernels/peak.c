/* kernels/peak.c — the machine's peaks: loops that do one thing, timed between two barriers, best of several.
 *
 * The loops themselves are in x86/peak_*.c (register-only arithmetic, reading); portable ones stand below. */
#include "kernels/peak.h"
#include "kernels/peak_loops.h"

#include "base/file.h"

#include <stdio.h>

#ifdef QN_EMULATE
enum { REPEATS = 1, OPS_ROUNDS = 50 };              /* rates of an emulation say nothing */
#else
enum { REPEATS = 7, OPS_ROUNDS = 400000 };
#endif
static const size_t MEMORY_BYTES = (size_t)256 << 20;
static const int64_t L3_BYTES = 4 << 20, L2_BYTES = 512 << 10;         /* a thread's part, where the kernel says none */
static const int64_t L3_MOST = 16 << 20;            /* of it: what a virtual machine sees, others use as well */

/* The loop over chains must vanish, or they would live in memory. */
#ifdef __clang__
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 48")
#endif

/* So many chains that no sum is waited for, in so many registers as any CPU of 64 bits has: twelve of four floats. */
double qn_peak_f32_scalar(int64_t rounds) {
    enum { CHAINS = 48 };
    float sum[CHAINS] = {0};
    for (int64_t i = 0; i < rounds; i++) {
        UNROLL
        for (int k = 0; k < CHAINS; k++)
            sum[k] = sum[k] * 0.5f + 1.0f;
    }
    volatile float sink = 0;
    for (int k = 0; k < CHAINS; k++)
        sink = sink + sum[k];
    return CHAINS * 2;
}

uint64_t qn_peak_read_scalar(const void *p, size_t bytes) {
    const uint64_t *x = p;
    uint64_t any[4] = {0};
    for (size_t i = 0; i < bytes / 32; i++)
        for (int k = 0; k < 4; k++)
            any[k] |= x[4 * i + (size_t)k];
    return any[0] | any[1] | any[2] | any[3];
}

/* ---- which loops this machine can run ---- */

typedef struct {
    qn_peak_ops_fn *f32, *bf16, *int8;
    qn_peak_read_fn *read;
} loops;

static loops loops_pick(qn_isa isa) {
    loops l = {.f32 = qn_peak_f32_scalar, .read = qn_peak_read_scalar};
#ifdef QN_KERNELS_X86
    if (isa >= QN_ISA_AVX2)
        l = (loops){qn_peak_f32_avx2, NULL, qn_peak_int8_avx2, qn_peak_read_avx2};
    if (isa == QN_ISA_AVXVNNI)
        l.int8 = qn_peak_int8_avxvnni;
    if (isa >= QN_ISA_AVX512)
        l = (loops){qn_peak_f32_avx512, NULL, qn_peak_int8_avx512, qn_peak_read_avx512};
    if (isa >= QN_ISA_AVX512VNNI)
        l.int8 = qn_peak_int8_avx512vnni;
    if (isa >= QN_ISA_AVX512BF16)
        l.bf16 = qn_peak_bf16_avx512bf16;
    if (isa >= QN_ISA_AMX)
        l.bf16 = qn_peak_bf16_amx, l.int8 = qn_peak_int8_amx;
#endif
    (void)isa;
    return l;
}

/* ---- timing ---- */

/* When one thread began and ended its share. */
typedef struct { double start, end; char pad[48]; } span;

/* One measurement on all threads: either arithmetic or reading. */
typedef struct {
    qn_pool *pool;
    qn_peak_ops_fn *ops;
    qn_peak_read_fn *read;
    int64_t rounds;                  /* of the loop, per timing */
    uint8_t *memory;
    size_t bytes;                    /* per thread */
    span *spans;                     /* [threads] */
    double best;                     /* 10⁹ operations or bytes per second, all threads */
} measurement;

/* From the first thread's start to the last one's end: a thread that is kept waiting counts as slow, never as fast. */
static double seconds_of_all(const measurement *m) {
    double start = m->spans[0].start, end = m->spans[0].end;
    for (int i = 1; i < qn_pool_threads(m->pool); i++) {
        start = QN_MIN(start, m->spans[i].start);
        end = QN_MAX(end, m->spans[i].end);
    }
    return end - start;
}

static void measure_on(void *arg, int worker) {
    measurement *m = arg;
    const uint8_t *mine = m->memory ? m->memory + (size_t)worker * m->bytes : NULL;
    for (int repeat = 0; repeat <= REPEATS; repeat++) {      /* the first one warms up */
        double work = (double)m->rounds * (double)m->bytes;
        qn_pool_barrier(m->pool, worker);
        m->spans[worker].start = qn_now();
        if (m->ops)
            work = (double)m->rounds * m->ops(m->rounds);
        for (int64_t i = 0; m->read && i < m->rounds; i++)
            (void)m->read(mine, m->bytes);
        m->spans[worker].end = qn_now();
        qn_pool_barrier(m->pool, worker);
        if (worker == 0 && repeat > 0)
            m->best = QN_MAX(m->best, work * qn_pool_threads(m->pool) / seconds_of_all(m) * 1e-9);
    }
}

static double rate(measurement m, qn_peak_ops_fn *ops, qn_peak_read_fn *read) {
    m.ops = ops;
    m.read = read;
    if (ops || read)
        qn_pool_run(m.pool, measure_on, &m);
    return m.best;
}

static int arithmetic(qn_pool *pool, qn_isa cap, bool integers, qn_peak *out) {
    const qn_isa isa = qn_isa_fit(cap);
    const loops l = loops_pick(isa);
    span *spans = qn_zalloc(QN_MEM_SCRATCH, (size_t)qn_pool_threads(pool), sizeof *spans);
    const measurement m = {.pool = pool, .spans = spans, .rounds = OPS_ROUNDS};
    *out = (qn_peak){.threads = qn_pool_threads(pool), .isa = isa};
    if (!spans)
        return QN_ENOMEM;
    out->f32 = rate(m, l.f32, NULL);
    out->bf16 = rate(m, l.bf16, NULL);
    if (integers)
        out->int8 = rate(m, l.int8, NULL);
    qn_free(spans);
    return 0;
}

int qn_peak_arithmetic(qn_pool *pool, qn_isa cap, qn_peak *out) { return arithmetic(pool, cap, true, out); }
int qn_peak_floats(qn_pool *pool, qn_isa cap, qn_peak *out) { return arithmetic(pool, cap, false, out); }

/* ---- caches ---- */

/* A file of the kernel's: 1 with its text, 0 where it cannot be had, QN_ENOMEM. */
static int cache_file(const char *folder, int index, const char *name, qn_buf *text) {
    char path[256];
    snprintf(path, sizeof path, "%s/index%d/%s", folder, index, name);
    qn_buf_clear(text);
    const int rc = qn_is_file(path) ? qn_read_file(text, path, 4096) : 0;
    return rc == QN_ENOMEM ? rc : rc >= 0 && text->n > 0;
}

/* "1024K" */
static int64_t size_of(const char *text) {
    long long n = 0;
    char unit = 0;
    if (sscanf(text, "%lld%c", &n, &unit) < 1 || n <= 0 || n > 1 << 30)
        return 0;
    return (int64_t)n << (unit == 'M' ? 20 : unit == 'K' ? 10 : 0);
}

/* "0-3,8-11": eight */
static int64_t cpus_of(const char *text) {
    int64_t n = 0;
    int first, last, used;
    while (sscanf(text, "%d%n", &first, &used) == 1) {
        last = first;
        text += used;
        if (*text == '-' && sscanf(text + 1, "%d%n", &last, &used) == 1)
            text += 1 + used;
        n += QN_MAX(last - first, 0) + 1;
        text += *text == ',';
    }
    return n;
}

/* Of the index's cache, if it is of that level; 0 otherwise. */
static int64_t part_of(const char *folder, int index, int level, qn_buf *text) {
    int rc = 0;
    if (text->s[0] != '0' + level || (rc = cache_file(folder, index, "size", text)) <= 0)
        return rc;
    const int64_t bytes = size_of(text->s);
    if ((rc = cache_file(folder, index, "shared_cpu_list", text)) <= 0)
        return rc;
    const int64_t cpus = cpus_of(text->s);
    return cpus > 0 ? bytes / cpus : 0;
}

int64_t qn_cache_part(const char *folder, int level) {
    qn_buf text = {0};
    int64_t part = 0;
    for (int i = 0; part == 0; i++) {
        const int rc = cache_file(folder, i, "level", &text);
        if (rc == 0)
            break;
        part = rc < 0 ? rc : part_of(folder, i, level, &text);
    }
    qn_buf_drop(&text);
    return part;
}

/* A thread's part: where there are more of them than CPUs, several share a CPU's, `most` of it. */
static int thread_part(int level, int64_t otherwise, int64_t most, int threads, int64_t *part) {
    const int cpus = QN_MIN(threads, qn_cpus_allowed()), sharers = (threads + cpus - 1) / cpus;
    const int64_t told = qn_cache_part(QN_CACHE_FOLDER, level);
    *part = QN_MIN(told > 0 ? told : otherwise, most) / sharers;
    return (int)QN_MIN(told, (int64_t)0);
}

/* How many bytes are read, again and again, that lie in the L2 for sure; in the L3 and not in the L2. */
static size_t in_l2(const qn_peak *p) { return (size_t)QN_MAX(p->l2_bytes / 2, (int64_t)4096) & ~(size_t)4095; }
static size_t in_l3(const qn_peak *p) {
    const int64_t bytes = QN_MAX(QN_MIN(p->l3_bytes, L3_BYTES), 2 * p->l2_bytes);
    return (size_t)QN_MAX(bytes, (int64_t)4096) & ~(size_t)4095;
}

/* … of each thread's memory: twice its part of the L3 at least, or caches would hold it. */
static size_t in_memory(const qn_peak *p) {
    const size_t least = QN_MAX(2 * (size_t)p->l3_bytes, 2 * in_l3(p));
    return QN_MAX(MEMORY_BYTES / (size_t)p->threads, least) & ~(size_t)4095;
}

static double rate_of(measurement m, qn_peak_read_fn *read, size_t bytes, int64_t rounds) {
    m.bytes = bytes;
    m.rounds = rounds;
    return rate(m, NULL, read);
}

int qn_peak_measure(qn_pool *pool, qn_isa cap, qn_peak *out) {
    enum { CACHE_BYTES = 96 << 20 };            /* read from a cache for one timing */
    const size_t threads = (size_t)qn_pool_threads(pool);
    QN_TRY(qn_peak_arithmetic(pool, cap, out));
    QN_TRY(thread_part(2, L2_BYTES, INT64_MAX, out->threads, &out->l2_bytes));
    QN_TRY(thread_part(3, L3_BYTES, L3_MOST, out->threads, &out->l3_bytes));
    const size_t l2 = in_l2(out), l3 = in_l3(out), each = in_memory(out);
    qn_peak_read_fn *const read = loops_pick(out->isa).read;
    span *spans = qn_zalloc(QN_MEM_SCRATCH, threads, sizeof *spans);
    uint8_t *memory = spans ? qn_arena_map(QN_MEM_SCRATCH, each * threads) : NULL;
    if (!memory) {
        qn_free(spans);
        return QN_ENOMEM;
    }
    for (size_t i = 0; i < each * threads; i += 4096)   /* pages that were never written would all be one zero page */
        memory[i] = 1;
    const measurement m = {.pool = pool, .spans = spans, .memory = memory};
    out->memory = rate_of(m, read, each, 1);
    out->l3 = rate_of(m, read, l3, (int64_t)(CACHE_BYTES / l3) + 1);
    out->l2 = rate_of(m, read, l2, (int64_t)(CACHE_BYTES / l2) + 1);
    qn_arena_unmap(QN_MEM_SCRATCH, memory, each * threads);
    qn_free(spans);
    return 0;
}
