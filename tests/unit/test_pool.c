/* tests/unit/test_pool.c — regions, barriers, claims; results that do not depend on the number of threads. */
#include "test.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>

#include "base/pool.h"

static qn_pool *open_pool(int threads) {
    qn_pool *p = NULL;
    CHECK_OK(qn_pool_new(&p, threads), "%d threads", threads);
    CHECK_INT(qn_pool_threads(p), threads);
    return p;
}

/* ---- tiles ---- */

#define TILES 1000

typedef struct {
    _Atomic int runs[TILES];
    _Atomic int workers[16];
} tile_count;

static void count_tile(void *arg, int64_t tile, int worker) {
    tile_count *c = arg;
    c->runs[tile]++;
    c->workers[worker]++;
}

TEST(each_tile_runs_once) {
    for (int threads = 0; threads <= 8; threads++) {
        qn_pool *p = threads ? open_pool(threads) : NULL;        /* 0: no pool at all */
        for (int64_t tiles = 0; tiles <= TILES; tiles = tiles * 3 + 1) {
            tile_count c = {0};
            qn_parallel(p, tiles, count_tile, &c);
            for (int64_t i = 0; i < TILES; i++)
                CHECK_INT(c.runs[i], i < tiles, "tile %d of %d, %d threads", (int)i, (int)tiles, threads);
            for (int w = qn_pool_threads(p); w < 16; w++)
                CHECK_INT(c.workers[w], 0, "worker %d of %d", w, threads);
        }
        qn_pool_free(p);
    }
}

TEST(no_pool_runs_in_order_on_the_caller) {
    tile_count c = {0};
    CHECK_INT(qn_pool_threads(NULL), 1);
    qn_parallel(NULL, 10, count_tile, &c);
    CHECK_INT(c.workers[0], 10);
}

/* ---- an ordered reduction ---- */

#define PARTS 64

typedef struct {
    double part[PARTS];
} sum_job;

static void sum_part(void *arg, int64_t tile, int worker) {
    sum_job *job = arg;
    (void)worker;
    double sum = 0;
    for (uint64_t i = 0; i < 500; i++)
        sum += qn_rng_uniform(1, QN_RNG_TEST, (uint64_t)tile, i) * 1e-3 * (double)(i + 1);
    job->part[tile] = sum;
}

static double sum_with(int threads) {
    qn_pool *p = open_pool(threads);
    sum_job job;
    double sum = 0;
    qn_parallel(p, PARTS, sum_part, &job);
    for (int i = 0; i < PARTS; i++)
        sum += job.part[i];
    qn_pool_free(p);
    return sum;
}

TEST(a_reduction_in_tile_order_is_the_same_for_any_threads) {
    double one = sum_with(1);
    CHECK(one > 0);
    for (int threads = 2; threads <= 8; threads++) {
        double many = sum_with(threads);
        CHECK(memcmp(&one, &many, sizeof one) == 0, "%d threads: %.17g and %.17g", threads, one, many);
    }
}

/* ---- regions and barriers ---- */

#define ROUNDS 100

typedef struct {
    qn_pool *pool;
    int threads;
    int64_t cell[16];               /* plain memory: only the barriers order it */
    _Atomic int64_t wrong;
} barrier_job;

/* Each round every worker sets its cell, then sees all the others' — written before the barrier, or not at all. */
static void meet(void *arg, int worker) {
    barrier_job *job = arg;
    for (int64_t round = 1; round <= ROUNDS; round++) {
        job->cell[worker] = round * (worker + 1);
        qn_pool_barrier(job->pool, worker);
        for (int w = 0; w < job->threads; w++)
            job->wrong += job->cell[w] != round * (w + 1);
        qn_pool_barrier(job->pool, worker);
    }
}

TEST(barriers_order_plain_memory) {
    for (int threads = 1; threads <= 8; threads++) {
        barrier_job job = {.pool = open_pool(threads), .threads = threads};
        for (int region = 0; region < 2; region++)
            qn_pool_run(job.pool, meet, &job);
        CHECK_INT(job.wrong, 0, "%d threads", threads);
        CHECK_INT(job.cell[threads - 1], (int64_t)ROUNDS * threads);
        qn_pool_free(job.pool);
    }
}

typedef struct {
    qn_pool *pool;
    _Atomic int claims[ROUNDS][40];
    _Atomic int beyond;
    bool in_runs;
} claim_job;

static int64_t claim(claim_job *job, int worker, int64_t tiles) {
    return job->in_runs ? qn_pool_next(job->pool, worker, tiles) : qn_pool_claim(job->pool);
}

/* Every barrier begins the count anew; the number of tiles differs from round to round. */
static void claim_rounds(void *arg, int worker) {
    claim_job *job = arg;
    for (int round = 0; round < ROUNDS; round++) {
        int64_t tile, tiles = round % 40;
        while ((tile = claim(job, worker, tiles)) < tiles)
            job->claims[round][tile]++;
        job->beyond += tile >= tiles + (job->in_runs ? 1 : qn_pool_threads(job->pool));
        qn_pool_barrier(job->pool, worker);
    }
}

TEST(each_barrier_resets_the_claims) {
    static claim_job job;
    for (int i = 0; i < 18; i++) {
        const int threads = i / 2;
        memset(&job, 0, sizeof job);
        job.in_runs = i % 2;
        job.pool = threads ? open_pool(threads) : NULL;
        qn_pool_run(job.pool, claim_rounds, &job);
        for (int round = 0; round < ROUNDS; round++)
            for (int tile = 0; tile < 40; tile++)
                CHECK_INT(job.claims[round][tile], tile < round % 40, "%d threads, round %d, tile %d", threads, round,
                          tile);
        CHECK_INT(job.beyond, 0, "%d threads", threads);
        qn_pool_free(job.pool);
    }
}

typedef struct { qn_pool *pool; int64_t got[4][20]; bool first_alone; } run_job;
enum { RUN_TILES = 10 };

/* Everybody takes as many tiles as his run has; or the first worker takes all. */
static void take_runs(void *arg, int worker) {
    run_job *job = arg;
    const int64_t own = RUN_TILES * (worker + 1) / 4 - RUN_TILES * worker / 4;
    const int64_t n = !job->first_alone ? own : worker == 0 ? RUN_TILES + 1 : 0;
    for (int64_t i = 0; i < n; i++)
        job->got[worker][i] = qn_pool_next(job->pool, worker, RUN_TILES);
}

TEST(each_worker_goes_through_a_run_of_tiles) {
    static const int64_t runs[4][3] = {{0, 1}, {2, 3, 4}, {5, 6}, {7, 8, 9}};
    static const int64_t all[RUN_TILES + 1] = {0, 1, 4, 3, 2, 6, 5, 9, 8, 7, RUN_TILES};     /* others' from the end */
    run_job job = {.pool = open_pool(4)};
    qn_pool_run(job.pool, take_runs, &job);
    for (int w = 0; w < 4; w++)
        for (int i = 0; i < 2 + w % 2; i++)
            CHECK_INT(job.got[w][i], runs[w][i], "worker %d", w);
    job.first_alone = true;
    qn_pool_run(job.pool, take_runs, &job);
    for (int i = 0; i <= RUN_TILES; i++)
        CHECK_INT(job.got[0][i], all[i], "tile %d", i);
    qn_pool_free(job.pool);
}

static void claim_three(void *arg, int worker) {
    (void)worker;
    for (int i = 0; i < 3; i++)
        *(int64_t *)arg = qn_pool_claim(NULL);
}

static void claim_around_another_region(void *arg, int worker) {
    int64_t *got = arg;
    (void)worker;
    got[0] = qn_pool_claim(NULL);
    qn_pool_run(NULL, claim_three, &got[1]);
    got[2] = qn_pool_claim(NULL);
}

TEST(regions_without_a_pool_may_nest) {
    int64_t got[3];
    qn_pool_run(NULL, claim_around_another_region, got);
    CHECK_INT(got[0], 0);
    CHECK_INT(got[1], 2);
    CHECK_INT(got[2], 1);
}

static void *run_alone(void *arg) {
    qn_pool_run(NULL, claim_rounds, arg);
    return NULL;
}

TEST(threads_without_a_pool_do_not_share_claims) {
    static claim_job jobs[2];
    pthread_t t;
    memset(jobs, 0, sizeof jobs);
    CHECK(pthread_create(&t, NULL, run_alone, &jobs[0]) == 0);
    run_alone(&jobs[1]);
    pthread_join(t, NULL);
    for (int i = 0; i < 2; i++)
        for (int round = 0; round < ROUNDS; round++)
            for (int tile = 0; tile < round % 40; tile++)
                CHECK_INT(jobs[i].claims[round][tile], 1, "job %d, round %d, tile %d", i, round, tile);
}

/* ---- waking and sleeping ---- */

static void add_worker(void *arg, int worker) {
    *(_Atomic int *)arg += worker + 1;
}

TEST(workers_wake_from_sleep) {
    qn_pool *p = open_pool(4);
    _Atomic int sum = 0;
    for (int i = 1; i <= 20; i++) {
        usleep(1000);                                     /* far beyond the time that workers keep looking */
        qn_pool_run(p, add_worker, &sum);
        CHECK_INT(sum, 10 * i);
    }
    qn_pool_free(p);
}

static void sleep_unevenly(void *arg, int worker) {
    barrier_job *job = arg;
    for (int64_t round = 1; round <= 8; round++) {
        if (round % job->threads == worker)
            usleep(500);                                  /* the others fall asleep at the barrier */
        job->cell[worker] = round;
        qn_pool_barrier(job->pool, worker);
        for (int w = 0; w < job->threads; w++)
            job->wrong += job->cell[w] != round;
        qn_pool_barrier(job->pool, worker);
    }
}

TEST(late_workers_wake_those_who_sleep_at_the_barrier) {
    barrier_job job = {.pool = open_pool(4), .threads = 4};
    for (int region = 0; region < 5; region++)
        qn_pool_run(job.pool, sleep_unevenly, &job);
    CHECK_INT(job.wrong, 0);
    qn_pool_free(job.pool);
}

TEST(many_short_regions) {
    qn_pool *p = open_pool(3);
    _Atomic int sum = 0;
    for (int i = 0; i < 1000; i++)
        qn_pool_run(p, add_worker, &sum);
    CHECK_INT(sum, 1000 * 6);
    qn_pool_free(p);
}

static void note_mask(void *arg, int worker) {
    sigset_t mask;
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    ((int *)arg)[worker] = sigismember(&mask, SIGINT);
}

TEST(only_the_caller_takes_signals) {
    qn_pool *p = open_pool(2);
    int blocked[2] = {-1, -1};
    qn_pool_run(p, note_mask, blocked);
    CHECK_INT(blocked[0], 0);
    CHECK_INT(blocked[1], 1);
    qn_pool_free(p);
}

/* ---- alone ---- */

static void note_worker(void *arg, QN_UNUSED int64_t tile, int worker) { ((_Atomic int *)arg)[worker]++; }

static void claim_and_meet(void *arg, int worker) { claim_rounds(arg, worker); }

/* Where the caller waits longer than it works, it goes on by itself; each tile runs once all the same. */
TEST(a_caller_who_is_held_up_goes_on_alone) {
    static claim_job job;
    _Atomic int runs[3] = {0};
    memset(&job, 0, sizeof job);
    job.pool = open_pool(3);
    qn_pool_held_up(job.pool, 0);
    CHECK(!qn_pool_is_alone(job.pool));
    for (int i = 0; i < 6; i++)                           /* long enough for what follows, on a busy machine too */
        qn_pool_held_up(job.pool, 1);
    CHECK(qn_pool_is_alone(job.pool));
    qn_parallel(job.pool, 1000, note_worker, runs);
    CHECK(runs[0] == 1000 && runs[1] + runs[2] == 0, "%d %d %d", runs[0], runs[1], runs[2]);
    qn_pool_share(job.pool, claim_and_meet, &job);
    for (int round = 0; round < ROUNDS; round++)
        for (int tile = 0; tile < round % 40; tile++)
            CHECK_INT(job.claims[round][tile], 1, "round %d, tile %d", round, tile);
    _Atomic int sum = 0;
    qn_pool_run(job.pool, add_worker, &sum);
    CHECK_INT(sum, 6, "every worker, where every worker is asked for");
    qn_pool_free(job.pool);
}

static void come_late(void *arg, int64_t tile, int worker) {
    (void)arg;
    if (worker != 0)
        usleep(30000);                                    /* as if another process had its CPU */
    else if (tile == 0)
        usleep(100);
}

TEST(waiting_is_noticed) {
    qn_pool *p = open_pool(2);
    bool alone = false;
    for (int i = 0; i < 50 && !alone; i++) {
        qn_parallel(p, 2, come_late, NULL);
        alone = qn_pool_is_alone(p);
    }
    CHECK(alone);
    qn_pool_free(p);
}

/* ---- making and freeing ---- */

TEST(zero_threads_means_all_cpus) {
    qn_pool *p = NULL;
    CHECK_OK(qn_pool_new(&p, 0));
    CHECK(qn_pool_threads(p) >= 1);
    qn_pool_free(p);
    qn_pool_free(NULL);
}

static void count_cpus(void *arg, int worker) {
    cpu_set_t set;
    int *cpus = arg;
    cpus[worker] = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : -1;
}

TEST(pinned_workers_have_one_cpu_each) {
    int cpus[3] = {0}, before[3] = {0};
    qn_pool *p = open_pool(3);
    qn_pool_run(p, count_cpus, before);
    CHECK_OK(qn_pool_pin(p));
    qn_pool_run(p, count_cpus, cpus);
    CHECK_INT(cpus[0], before[0], "the caller's thread is left alone");
    CHECK_INT(cpus[1], 1);
    CHECK_INT(cpus[2], 1);
    qn_pool_free(p);
    CHECK_OK(qn_pool_pin(NULL));
}

TEST(refuses_impossible_counts) {
    qn_pool *p = NULL;
    CHECK_FAIL(qn_pool_new(&p, -1), QN_EINVAL, "-1 threads");
    CHECK_FAIL(qn_pool_new(&p, 1025), QN_EINVAL, "1 to 1024");
    CHECK(p == NULL);
}

TEST(a_pool_that_cannot_be_made_leaves_nothing) {
    int64_t before = qn_mem_stats_get(QN_MEM_BASE).live_bytes;
    for (int i = 0; i < 2; i++) {
        qn_pool *p = NULL;
        qn_mem_fail_after(i);
        CHECK_FAIL(qn_pool_new(&p, 3), QN_ENOMEM, "out of memory", "allocation %d", i);
        CHECK(p == NULL);
        CHECK_NO_LEAK(QN_MEM_BASE, before);
    }
}

TEST(regions_allocate_nothing) {
    qn_pool *p = open_pool(2);
    _Atomic int sum = 0;
    int64_t calls = qn_mem_calls();
    qn_pool_run(p, add_worker, &sum);
    CHECK_INT(qn_mem_calls(), calls);
    qn_pool_free(p);
}
