/* kernels/peak.c — the machine's peaks: loops that do one thing, timed between two barriers, best of several.
 *
 * The loops themselves are in x86/peak_*.c (register-only arithmetic, reading); portable ones stand below. */
#include "kernels/peak.h"
#include "kernels/peak_loops.h"

#ifdef QN_EMULATE
enum { REPEATS = 1, OPS_ROUNDS = 50 };              /* rates of an emulation say nothing */
#else
enum { REPEATS = 7, OPS_ROUNDS = 400000 };
#endif
static const size_t MEMORY_BYTES = (size_t)256 << 20, L3_BYTES = (size_t)4 << 20, L2_BYTES = (size_t)512 << 10;

double qn_peak_f32_scalar(int64_t rounds) {
    float sum[8] = {0};
    for (int64_t i = 0; i < rounds; i++)
        for (int k = 0; k < 8; k++)
            sum[k] = sum[k] * 0.5f + 1.0f;
    volatile float sink = 0;
    for (int k = 0; k < 8; k++)
        sink = sink + sum[k];
    return 8 * 2;
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

static int arithmetic(qn_pool *pool, bool integers, qn_peak *out) {
    const loops l = loops_pick(qn_isa_detect());
    span *spans = qn_zalloc(QN_MEM_SCRATCH, (size_t)qn_pool_threads(pool), sizeof *spans);
    const measurement m = {.pool = pool, .spans = spans, .rounds = OPS_ROUNDS};
    *out = (qn_peak){.threads = qn_pool_threads(pool), .isa = qn_isa_detect()};
    if (!spans)
        return QN_ENOMEM;
    out->f32 = rate(m, l.f32, NULL);
    out->bf16 = rate(m, l.bf16, NULL);
    if (integers)
        out->int8 = rate(m, l.int8, NULL);
    qn_free(spans);
    return 0;
}

int qn_peak_arithmetic(qn_pool *pool, qn_peak *out) { return arithmetic(pool, true, out); }
int qn_peak_floats(qn_pool *pool, qn_peak *out) { return arithmetic(pool, false, out); }

int qn_peak_measure(qn_pool *pool, qn_peak *out) {
    const int threads = qn_pool_threads(pool);
    const size_t each = QN_MAX(MEMORY_BYTES / (size_t)threads, L3_BYTES) & ~(size_t)4095, all = each * (size_t)threads;
    const loops l = loops_pick(qn_isa_detect());
    QN_TRY(qn_peak_arithmetic(pool, out));
    span *spans = qn_zalloc(QN_MEM_SCRATCH, (size_t)threads, sizeof *spans);
    uint8_t *memory = spans ? qn_arena_map(QN_MEM_SCRATCH, all) : NULL;
    if (!memory) {
        qn_free(spans);
        return QN_ENOMEM;
    }
    for (size_t i = 0; i < all; i += 4096)      /* pages that were never written would all be one zero page */
        memory[i] = 1;
    measurement m = {.pool = pool, .spans = spans, .rounds = 1, .memory = memory, .bytes = each};
    out->memory = rate(m, NULL, l.read);
    m.bytes = L3_BYTES, m.rounds = 20;
    out->l3 = rate(m, NULL, l.read);
    m.bytes = L2_BYTES, m.rounds = 200;
    out->l2 = rate(m, NULL, l.read);
    qn_arena_unmap(QN_MEM_SCRATCH, memory, all);
    qn_free(spans);
    return 0;
}
