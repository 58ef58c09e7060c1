/* model/merge_slerp.c — between two weights along the great circle: as vectors that keep their length on the way where
 * both have one (Shoemake, "Animating rotation with quaternion curves", 1985; on weights, taken whole, as mergekit
 * does it).
 *
 *     θ = ∠(W, X)      W' = (sin((1 − t)·θ)·W + sin(t·θ)·X) / sin θ;      nearly parallel: (1 − t)·W + t·X
 *
 * Sums run tile by tile, and tiles are added in order: threads change no bit. */
#include <math.h>

#include "model/merge_impl.h"
#include "num/math.h"

#define PARALLEL 0.9995                     /* cosines beyond it have no circle to follow */

typedef struct { double ww, xx, wx; } sums;
typedef struct {
    qn_merging *m;
    sums *tile;                             /* [tiles] */
    double a, b;                            /* W' = a·W + b·X */
} slerp;

static const double *difference(slerp *s, int64_t tile, int worker, float **w, int64_t *n) {
    const qn_merging *m = s->m;
    const qn_span rows = qn_tile_span(m->rows, QN_MERGE_TILE, tile);
    double *d = m->room + (size_t)worker * QN_MERGE_TILE * (size_t)m->cols;
    m->delta(m->arg, 0, rows, worker, d);
    *w = m->w + rows.begin * m->cols;
    *n = (rows.end - rows.begin) * m->cols;
    return d;
}

static void measure_tile(void *arg, int64_t tile, int worker) {
    slerp *s = arg;
    float *w;
    int64_t n;
    sums t = {0};
    const double *d = difference(s, tile, worker, &w, &n);
    for (int64_t k = 0; k < n; k++) {
        const double v = (double)w[k], x = v + d[k];
        t.ww += v * v;
        t.xx += x * x;
        t.wx += v * x;
    }
    s->tile[tile] = t;
}

static void mix_tile(void *arg, int64_t tile, int worker) {
    slerp *s = arg;
    float *w;
    int64_t n;
    const double *d = difference(s, tile, worker, &w, &n);
    for (int64_t k = 0; k < n; k++)
        w[k] = (float)(s->a * (double)w[k] + s->b * ((double)w[k] + d[k]));
}

/* Abramowitz and Stegun 4.4.45 (5e-5), then Newton's steps on cos θ = c. */
double qn_merge_angle(double c) {
    static const double p[] = {1.5707288, -0.2121144, 0.0742610, -0.0187293};
    const double x = fabs(c), pi = 3.14159265358979323846;
    double angle = sqrt(1 - x) * (p[0] + x * (p[1] + x * (p[2] + x * p[3])));
    angle = c < 0 ? pi - angle : angle;
    for (int i = 0; i < 3; i++)
        angle += (qn_cos(angle) - c) / qn_sin(angle);
    return angle;
}

static void choose(slerp *s, const sums *all) {
    const double t = s->m->weight[0], c = all->wx / (sqrt(all->ww) * sqrt(all->xx));
    s->a = 1 - t;
    s->b = t;
    if (!(all->ww > 0 && all->xx > 0 && fabs(c) <= PARALLEL))
        return;
    const double angle = qn_merge_angle(c);
    s->a = qn_sin((1 - t) * angle) / qn_sin(angle);
    s->b = qn_sin(t * angle) / qn_sin(angle);
}

int qn_merge_slerp(qn_merging *m, qn_pool *pool) {
    const int64_t tiles = qn_tiles(m->rows, QN_MERGE_TILE);
    const size_t workers = (size_t)qn_pool_threads(pool);
    slerp s = {.m = m, .tile = qn_alloc(QN_MEM_SCRATCH, (size_t)tiles * sizeof(sums))};
    sums all = {0};
    m->room = qn_alloc(QN_MEM_SCRATCH, workers * QN_MERGE_TILE * (size_t)m->cols * sizeof *m->room);
    const bool fine = s.tile && m->room;
    if (fine)
        qn_parallel(pool, tiles, measure_tile, &s);
    for (int64_t i = 0; fine && i < tiles; i++) {
        all.ww += s.tile[i].ww;
        all.xx += s.tile[i].xx;
        all.wx += s.tile[i].wx;
    }
    choose(&s, &all);
    if (fine)
        qn_parallel(pool, tiles, mix_tile, &s);
    qn_free(s.tile);
    qn_free(m->room);
    m->room = NULL;
    return fine ? 0 : QN_ENOMEM;
}
