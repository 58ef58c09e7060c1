/* eval/row_pair.c — two sessions in step, a few rows at a time. */
#include "eval/row_pair.h"

#include <math.h>
#include <string.h>

#include "num/math.h"

enum { ROWS = 32 };

/* The greatest; false where one of them is no finite number. */
static bool greatest(const float *x, int64_t n, double *out) {
    float top = -INFINITY;
    bool fine = true;
    for (int64_t i = 0; i < n; i++) {
        top = x[i] > top ? x[i] : top;
        fine = fine && isfinite(x[i]);
    }
    *out = (double)top;
    return fine;
}

qn_row_pair qn_row_pair_of(const float *a, const float *b, int64_t n) {
    double top_a, top_b, za = 0, zb = 0, cross = 0;
    qn_row_pair x = {.same = memcmp(a, b, (size_t)n * sizeof *a) == 0};
    const bool fine_a = greatest(a, n, &top_a), fine_b = greatest(b, n, &top_b);
    x.numbers = fine_a && fine_b;
    for (int64_t i = 0; x.numbers && i < n; i++) {
        const double p = (double)a[i], q = (double)b[i], d = p - q, e = qn_exp(p - top_a);
        za += e;
        zb += qn_exp(q - top_b);
        cross += e * d;
        x.delta += fabs(d);
        x.max = fabs(d) > x.max ? fabs(d) : x.max;
        x.sum += p;
        x.squares += p * p;
    }
    if (x.numbers) {
        x.lse_a = top_a + qn_ln(za);
        x.lse_b = top_b + qn_ln(zb);
        x.kl = QN_MAX(0, cross / za - x.lse_a + x.lse_b);
    }
    return x;
}

int qn_row_pairs_init(qn_row_pairs *p, qn_session *a, qn_session *b) {
    *p = (qn_row_pairs){.a = a, .b = b, .Va = qn_session_vocabulary(a), .Vb = qn_session_vocabulary(b)};
    p->V = QN_MIN(p->Va, p->Vb);
    p->rows = qn_alloc(QN_MEM_SCRATCH, (size_t)(ROWS * p->Va) * sizeof *p->rows);
    return p->rows ? 0 : QN_ENOMEM;
}

void qn_row_pairs_drop(qn_row_pairs *p) {
    qn_free(p->rows);
    *p = (qn_row_pairs){0};
}

static int keep_row(void *arg, QN_UNUSED int64_t feed, int64_t i, const float *logits) {
    qn_row_pairs *p = arg;
    memcpy(p->rows + i * p->Va, logits, (size_t)p->Va * sizeof *logits);
    return 0;
}

static int meet_row(void *arg, QN_UNUSED int64_t feed, int64_t i, const float *logits) {
    qn_row_pairs *p = arg;
    return p->fn(p->arg, p->at + i, p->rows + i * p->Va, logits);
}

int qn_row_pairs_feed(qn_row_pairs *p, const int32_t *ids, int64_t n, int64_t from, qn_row_pair_fn *fn, void *arg) {
    qn_session_truncate(p->a, 0, 0);
    qn_session_truncate(p->b, 0, 0);
    p->fn = fn;
    p->arg = arg;
    for (int64_t at = 0; at < n;) {
        const bool wanted = at >= from;
        const int64_t m = wanted ? QN_MIN(ROWS, n - at) : QN_MIN(from, n) - at;
        const qn_feed feed = {.tokens = ids + at, .n = m, .want = wanted ? QN_LOGITS_ALL : QN_LOGITS_NONE};
        p->at = at;
        p->failed = 0;
        QN_TRY(qn_session_feed(p->a, &feed, 1, keep_row, p));
        p->failed = 1;
        QN_TRY(qn_session_feed(p->b, &feed, 1, meet_row, p));
        at += m;
    }
    return 0;
}
