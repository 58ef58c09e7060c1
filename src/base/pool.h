/* base/pool.h — one explicit pool of threads. The caller's thread is worker 0 and works too.
 *
 * Three ways in, one region at a time per pool:
 *   qn_parallel(pool, tiles, fn, arg)   fn(arg, tile, worker) for each tile, claimed in ascending order;
 *   qn_pool_run(pool, fn, arg)          fn(arg, worker) once on every worker, which meet at qn_pool_barrier and share
 *                                       out tiles with qn_pool_next or qn_pool_claim;
 *   qn_pool_share(pool, fn, arg)        the same where all work is claimed, or worker 0's: a whole graph is one region.
 * Tiles never depend on the number of threads, so results do not either. Waiting spins shortly, then sleeps.
 *
 * Where others use the CPUs, threads that meet often wait for whichever has none at the moment, and are slower together
 * than one by itself. qn_parallel and qn_pool_share notice it, and leave the work to the caller for a while.
 * Never fork while a pool lives. pool == NULL runs everything on the caller. */
#ifndef QN_BASE_POOL_H
#define QN_BASE_POOL_H

#include "base/err.h"

typedef struct qn_pool qn_pool;
typedef void qn_tile_fn(void *arg, int64_t tile, int worker);
typedef void qn_region_fn(void *arg, int worker);

int qn_pool_new(qn_pool **out, int threads);     /* threads 1…1024; 0 = the CPUs this process may use */
void qn_pool_free(qn_pool *p);
int qn_pool_threads(const qn_pool *p);           /* 1 for NULL */
int qn_cpus_allowed(void);                        /* that this process may use, 1 and more */
/* Worker i stays on the i-th CPU that this process may use, round and round where there are fewer. The caller's thread
 * is left to the system: threads that it makes would inherit its place. QN_EUNSUPPORTED where the system refuses. */
int qn_pool_pin(qn_pool *p);

void qn_parallel(qn_pool *p, int64_t tiles, qn_tile_fn *fn, void *arg);

void qn_pool_run(qn_pool *p, qn_region_fn *fn, void *arg);
void qn_pool_share(qn_pool *p, qn_region_fn *fn, void *arg);    /* perhaps on worker 0 alone */
/* Inside a region: waits for all workers. Everything written before is visible after. Then nothing is claimed. */
void qn_pool_barrier(qn_pool *p, int worker);
/* Inside a region: the next unclaimed tile since the last barrier (0, 1, 2 …; the caller stops at its tile count). */
int64_t qn_pool_claim(qn_pool *p);
/* Inside a region: this worker's next of n tiles since the last barrier, n where none is left; n is the same for all.
 * Each goes through a run of its own, as what lies side by side is read fastest by one; who is done takes from the ends
 * of others' runs. */
int64_t qn_pool_next(qn_pool *p, int worker, int64_t n);

/* Tests: as if the caller had waited so many seconds in the last region; whether the next ones are its own. */
void qn_pool_held_up(qn_pool *p, double seconds);
bool qn_pool_is_alone(const qn_pool *p);

#endif
