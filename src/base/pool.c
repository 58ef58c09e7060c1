/* base/pool.c — the threads.
 *
 * One region at a time. The caller publishes it by raising `epoch`; each worker runs it and lowers `busy`; the caller,
 * having done its own share as worker 0, waits until `busy` is 0. Inside a region the workers meet at a sense-reversing
 * barrier: whoever arrives last resets what is shared and then turns `phase`, which lets the others go.
 *
 *     caller    publish ── fn(arg, 0) ───┬─────────┬── wait for busy = 0
 *     worker 1     └────── fn(arg, 1) ───┤ barrier ├── busy − 1, wait for the next epoch
 *     worker 2     └────── fn(arg, 2) ───┴─────────┴── busy − 1, wait for the next epoch
 *
 * All three waits are the same: for a 32-bit word to leave a value — by looking for some tens of microseconds, then
 * asleep in the kernel (futex). Who changes a word makes a system call only if somebody sleeps on it. A waiting thread
 * does not offer its turn (sched_yield) on the way: where others want the CPU they get it for milliseconds, and the one
 * that it waits for is there after microseconds.
 *
 * Alone. Waking a thread that sleeps costs microseconds on an idle machine; where others hold its CPU it gets its turn
 * milliseconds later, at every barrier. So the caller adds up what it waits in regions whose work is all claimed.
 * Together they take what the caller works and what it waits; alone it would work at most `threads` times as long.
 * Where waiting is the larger part by that measure it goes on alone, a tenth of a second at first, then looks again for
 * some hundredths, and stays alone twice as long each time, three seconds at most. */
#include "base/pool.h"
#include "base/log.h"
#include "base/mem.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define THREADS_MAX 1024
#define LINE 64
#define SPIN_SECONDS 40e-6
#define LOOKS 32                    /* between two readings of the clock */
#define TRIAL_SECONDS 20e-3         /* of regions, before it is judged whether the caller waits too long */
#define ALONE_LEAST 0.1
#define ALONE_MOST 3.2

/* A word to wait on, alone on its cache line. */
typedef struct {
    QN_ALIGNED(LINE) _Atomic uint32_t value;
    _Atomic uint32_t sleepers;
} gate;

typedef struct {
    qn_pool *pool;
    pthread_t id;
    int index;
} thread;

/* Tiles of one worker's run: how many were taken from its front, and, in the upper half, from its end. */
typedef struct { QN_ALIGNED(LINE) _Atomic uint64_t taken; } run;

/* What is written often stands apart, each on a cache line of its own. */
struct qn_pool {
    int threads, started;       /* workers, the caller included; threads that really run */
    thread *workers;            /* [threads], the first unused */
    run *runs;                  /* [threads] */
    qn_region_fn *fn;           /* published by epoch, with the two below */
    void *arg;
    int present;                /* workers of this region: all, or the caller by itself */
    bool stop;
    _Atomic bool running;       /* a region is: only to catch a second one */
    double waited, ran;         /* seconds of the caller in shared regions since it was last judged */
    double alone_for, until;    /* the last time alone, and its end; 0: none */
    gate epoch;                 /* counts regions; worker threads wait for the next one */
    gate busy;                  /* worker threads still in the region; the caller waits for 0 */
    gate phase;                 /* counts barriers; those who arrived wait for the next one */
    QN_ALIGNED(LINE) _Atomic int64_t claimed;
    QN_ALIGNED(LINE) _Atomic int arrived;
};

/* Tiles claimed where there is no pool; a region without one never leaves its thread. */
static _Thread_local int64_t claimed_alone;

/* ---- waiting ---- */

/* Sleeps unless the word has changed meanwhile. Spurious returns are fine: callers look again. */
static void futex_sleep(_Atomic uint32_t *word, uint32_t seen) {
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
}

static void futex_wake_all(_Atomic uint32_t *word) {
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0);
}

static bool gate_look(gate *g, uint32_t seen) {
    for (int i = 0; i < LOOKS; i++) {
        if (atomic_load_explicit(&g->value, memory_order_acquire) != seen)
            return true;
        QN_CPU_RELAX();
    }
    return false;
}

/* Looks at the word for a while: whether it left `seen`. */
static bool gate_spin(gate *g, uint32_t seen) {
    if (gate_look(g, seen))
        return true;
    for (double deadline = qn_now() + SPIN_SECONDS; qn_now() < deadline;)
        if (gate_look(g, seen))
            return true;
    return false;
}

/* Waits until the word is no longer `seen`; what its writer did before is visible then. */
static void gate_wait(gate *g, uint32_t seen) {
    if (gate_spin(g, seen))
        return;
    /* Here: announce, look, sleep. There: change, look for sleepers, wake. All of it sequentially consistent, so one of
     * the two sees the other and no waking is lost. */
    atomic_fetch_add(&g->sleepers, 1);
    while (atomic_load(&g->value) == seen)
        futex_sleep(&g->value, seen);
    atomic_fetch_sub(&g->sleepers, 1);
}

/* The caller's waiting is timed, but for that which ends at once. */
static void wait_as(qn_pool *p, gate *g, uint32_t seen, int worker) {
    if (worker != 0) {
        gate_wait(g, seen);
        return;
    }
    if (gate_look(g, seen))
        return;
    const double from = qn_now();
    gate_wait(g, seen);
    p->waited += qn_now() - from;
}

/* After a change of the word by a sequentially consistent operation. */
static void gate_wake(gate *g) {
    if (atomic_load(&g->sleepers) != 0)
        futex_wake_all(&g->value);
}

/* ---- workers ---- */

static void *worker_main(void *arg) {
    thread *t = arg;
    qn_pool *p = t->pool;
    uint32_t epoch = 0;
    for (;;) {
        gate_wait(&p->epoch, epoch);
        epoch++;                                          /* never more than one region ahead: it waits for us */
        if (p->stop)
            return NULL;
        p->fn(p->arg, t->index);
        if (atomic_fetch_sub(&p->busy.value, 1) == 1)
            gate_wake(&p->busy);
    }
}

static void publish(qn_pool *p) {
    atomic_fetch_add(&p->epoch.value, 1);
    gate_wake(&p->epoch);
}

int qn_cpus_allowed(void) {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0)
        return QN_MAX(CPU_COUNT(&set), 1);
    long n = sysconf(_SC_NPROCESSORS_ONLN);               /* more CPUs than a cpu_set_t holds */
    return n < 1 ? 1 : (int)QN_MIN(n, (long)THREADS_MAX);
}

/* Signals are the program's business: worker threads take none but those of their own faults. */
static int start_thread(thread *t) {
    static const int own[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGPROF};
    sigset_t block, before;
    sigfillset(&block);
    for (size_t i = 0; i < QN_LEN(own); i++)
        sigdelset(&block, own[i]);
    pthread_sigmask(SIG_SETMASK, &block, &before);
    int e = pthread_create(&t->id, NULL, worker_main, t);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (e == 0)
        return 0;
    char text[128];
    return qn_fail(QN_ELIMIT, "thread %d of %d cannot be started (%s); ask for fewer", t->index + 1, t->pool->threads,
                   strerror_r(e, text, sizeof text));
}

int qn_pool_new(qn_pool **out, int threads) {
    int rc;
    *out = NULL;
    if (threads < 0 || threads > THREADS_MAX)
        return qn_fail(QN_EINVAL, "%d threads: expected 1 to %d, or 0 for all CPUs", threads, THREADS_MAX);
    qn_pool *p = qn_zalloc(QN_MEM_BASE, 1, sizeof *p);
    if (!p)
        return QN_ENOMEM;
    p->threads = threads ? threads : QN_MIN(qn_cpus_allowed(), THREADS_MAX);
    p->workers = qn_zalloc(QN_MEM_BASE, (size_t)p->threads, sizeof *p->workers);
    p->runs = qn_zalloc(QN_MEM_BASE, (size_t)p->threads, sizeof *p->runs);
    rc = p->workers && p->runs ? 0 : QN_ENOMEM;
    QN_TRY_OUT(rc);
    for (p->started = 1; p->started < p->threads; p->started++) {
        thread *t = &p->workers[p->started];
        *t = (thread){.pool = p, .index = p->started};
        QN_TRY_OUT(start_thread(t));
    }
    *out = p;
    return 0;
out:
    qn_pool_free(p);
    return rc;
}

void qn_pool_free(qn_pool *p) {
    if (!p)
        return;
    qn_assert(!atomic_load(&p->running));
    p->stop = true;
    publish(p);
    for (int i = 1; i < p->started; i++)
        pthread_join(p->workers[i].id, NULL);
    qn_free(p->workers);
    qn_free(p->runs);
    qn_free(p);
}

int qn_pool_threads(const qn_pool *p) {
    return p ? p->threads : 1;
}

/* The i-th CPU of the set, which has more. */
static int cpu_of(const cpu_set_t *set, int i) {
    int cpu = 0;
    while (!CPU_ISSET(cpu, set) || i-- > 0)
        cpu++;
    return cpu;
}

int qn_pool_pin(qn_pool *p) {
    cpu_set_t all, one;
    char text[128];
    int e = sched_getaffinity(0, sizeof all, &all) == 0 ? 0 : errno;
    for (int i = 1; p && i < p->threads && e == 0; i++) {
        CPU_ZERO(&one);
        CPU_SET(cpu_of(&all, i % CPU_COUNT(&all)), &one);
        e = pthread_setaffinity_np(p->workers[i].id, sizeof one, &one);
    }
    return e == 0 ? 0 : qn_fail(QN_EUNSUPPORTED, "threads cannot be kept on their CPUs (%s)",
                                strerror_r(e, text, sizeof text));
}

/* ---- regions ---- */

static void claim_nothing(qn_pool *p) {
    atomic_store_explicit(&p->claimed, 0, memory_order_relaxed);
    for (int i = 0; i < p->present; i++)
        atomic_store_explicit(&p->runs[i].taken, 0, memory_order_relaxed);
}

static void run_region(qn_pool *p, qn_region_fn *fn, void *arg, int present) {
    qn_assert(!atomic_exchange(&p->running, true));
    p->fn = fn;
    p->arg = arg;
    p->present = present;
    claim_nothing(p);
    if (present > 1) {
        atomic_store_explicit(&p->busy.value, (uint32_t)(present - 1), memory_order_relaxed);
        publish(p);
    }
    fn(arg, 0);
    uint32_t busy;
    while ((busy = atomic_load_explicit(&p->busy.value, memory_order_acquire)) != 0)
        wait_as(p, &p->busy, busy, 0);
    atomic_store(&p->running, false);
}

static void run_without(qn_region_fn *fn, void *arg) {
    int64_t outer = claimed_alone;                        /* of a region around this one, on this thread */
    claimed_alone = 0;
    fn(arg, 0);
    claimed_alone = outer;
}

void qn_pool_run(qn_pool *p, qn_region_fn *fn, void *arg) {
    if (!p) {
        run_without(fn, arg);
        return;
    }
    const double waited = p->waited;                      /* such regions cannot be the caller's alone: not counted */
    run_region(p, fn, arg, p->threads);
    p->waited = waited;
}

/* Would the caller be faster by itself? Its part of the work is a share of all, or more where the others come late. */
static void judge(qn_pool *p, double now) {
    const bool held_up = p->waited > p->ran * (p->threads - 1) / p->threads;
    p->alone_for = held_up ? QN_MIN(QN_MAX(2 * p->alone_for, ALONE_LEAST), ALONE_MOST) : 0;
    p->until = held_up ? now + p->alone_for : 0;
    p->waited = p->ran = 0;
}

void qn_pool_share(qn_pool *p, qn_region_fn *fn, void *arg) {
    if (!p || p->threads == 1) {
        qn_pool_run(p, fn, arg);
        return;
    }
    const double start = qn_now();
    if (start < p->until) {
        run_region(p, fn, arg, 1);
        return;
    }
    run_region(p, fn, arg, p->threads);
    const double now = qn_now();
    p->ran += now - start;
    if (p->ran >= TRIAL_SECONDS)
        judge(p, now);
}

void qn_pool_held_up(qn_pool *p, double seconds) {
    p->waited += seconds;
    p->ran += seconds;
    judge(p, qn_now());
}

bool qn_pool_is_alone(const qn_pool *p) { return qn_now() < p->until; }

void qn_pool_barrier(qn_pool *p, int worker) {
    qn_assert(worker >= 0 && worker < qn_pool_threads(p));
    if (!p) {
        claimed_alone = 0;
        return;
    }
    uint32_t phase = atomic_load_explicit(&p->phase.value, memory_order_relaxed);     /* cannot turn without us */
    if (atomic_fetch_add_explicit(&p->arrived, 1, memory_order_acq_rel) + 1 < p->present) {
        wait_as(p, &p->phase, phase, worker);
        return;
    }
    atomic_store_explicit(&p->arrived, 0, memory_order_relaxed);
    claim_nothing(p);
    atomic_fetch_add(&p->phase.value, 1);                 /* everybody still waits until here */
    gate_wake(&p->phase);
}

int64_t qn_pool_claim(qn_pool *p) {
    return p ? atomic_fetch_add_explicit(&p->claimed, 1, memory_order_relaxed) : claimed_alone++;
}

int64_t qn_pool_next(qn_pool *p, int worker, int64_t n) {
    const uint64_t from_end = UINT64_C(1) << 32;
    if (!p)
        return claimed_alone < n ? claimed_alone++ : n;
    for (int i = 0; i < p->present; i++) {
        const int at = (worker + i) % p->present;
        const int64_t begin = n * at / p->present, end = n * (at + 1) / p->present;
        run *r = &p->runs[at];
        const uint64_t seen = i == 0 ? 0 : atomic_load_explicit(&r->taken, memory_order_relaxed);
        if ((int64_t)(seen & UINT32_MAX) + (int64_t)(seen >> 32) >= end - begin)
            continue;
        const uint64_t was = atomic_fetch_add_explicit(&r->taken, i == 0 ? 1 : from_end, memory_order_relaxed);
        const int64_t front = (int64_t)(was & UINT32_MAX), back = (int64_t)(was >> 32);
        if (front + back < end - begin)
            return i == 0 ? begin + front : end - 1 - back;
    }
    return n;
}

typedef struct {
    qn_tile_fn *fn;
    void *arg;
    int64_t tiles;
    qn_pool *pool;
} tile_job;

static void claim_tiles(void *arg, int worker) {
    const tile_job *job = arg;
    int64_t tile;
    while ((tile = qn_pool_claim(job->pool)) < job->tiles)
        job->fn(job->arg, tile, worker);
}

void qn_parallel(qn_pool *p, int64_t tiles, qn_tile_fn *fn, void *arg) {
    tile_job job = {fn, arg, tiles, p};
    if (tiles > 1 && qn_pool_threads(p) > 1) {
        qn_pool_share(p, claim_tiles, &job);
        return;
    }
    for (int64_t tile = 0; tile < tiles; tile++)          /* nobody to share with */
        fn(arg, tile, 0);
}
