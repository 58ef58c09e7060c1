/* kernels/x86/attn_grad_avx512bf16.c — attention's gradient over BF16 keys and values by dot products of pairs. What
 * attn_grad_x86.inc does in five products of floats is done in as many of pairs along what each of them sums over:
 *
 *     kd, vd  [Dh/2][256]      S = q·kd,  dP = dO·vd         pairs of head dims, keys across lanes
 *     kk      [128][Dh]        dq += dS·kk                   pairs of keys
 *     q2, dO2 [rows/2][Dh]     dk += dSᵀ·q2,  dv += Pᵀ·dO2   pairs of rows: P and dS woven, of two rows a word
 *
 * dO, P and dS are rounded to BF16, q is as the forward rounded it. Keys and values of other dtypes go by AVX-512's. */
#include "kernels/attn_common.h"
#include "kernels/pairs.h"

#include "kernels/x86/v16_avx512.h"

#include "kernels/x86/attn_slopes.h"
#include "kernels/x86/attn_step_dot.h"

#define OUTER_R 6
#define OUTER_C 4
#include "kernels/x86/outer_x86.h"

enum { LANES = 16, C = QN_KEY_CHUNK, B = QN_KEY_BLOCK, GROUP = QN_ATTN_GRAD_GROUP };

typedef uint32_t pair;           /* two of BF16, the first low */

/* The scratch of kernels/attn_common.h. */
typedef struct {
    pair *kd, *vd, *kk;
    uint16_t *lines;             /* [64][Dh]: a block's keys or values, one after the other */
    uint16_t *q, *dO;            /* [GROUP][Dh] */
    pair *q2, *dO2;              /* [GROUP/2][Dh] */
    float *s, *dp;               /* [GROUP][256] */
    uint16_t *ds;                /* [GROUP][256] */
    pair *p2, *ds2;              /* [GROUP/2][256] */
} workspace;

static workspace workspace_of(float *at, int64_t Dh) {
    workspace w = {.kd = (pair *)(void *)at};
    w.vd = w.kd + C / 2 * Dh;
    w.kk = w.vd + C / 2 * Dh;
    w.q2 = w.kk + C / 2 * Dh;
    w.dO2 = w.q2 + GROUP / 2 * Dh;
    w.p2 = w.dO2 + GROUP / 2 * Dh;
    w.ds2 = w.p2 + GROUP / 2 * C;
    w.s = (float *)(void *)(w.ds2 + GROUP / 2 * C);
    w.dp = w.s + GROUP * C;
    w.lines = (uint16_t *)(void *)(w.dp + GROUP * C);
    w.q = w.lines + B * Dh;
    w.dO = w.q + GROUP * Dh;
    w.ds = w.dO + GROUP * Dh;
    return w;
}

QN_INLINE h16 rounded(v16 x) { return (h16)_mm512_cvtneps_pbh(x); }
QN_INLINE v16 woven(h16 a, h16 b) {
    return _mm512_castsi512_ps(
        _mm512_or_si512(_mm512_cvtepu16_epi32(a), _mm512_slli_epi32(_mm512_cvtepu16_epi32(b), 16)));
}
QN_INLINE void pairs_store(pair *to, v16 x) { v16_store((float *)(void *)to, x); }

/* ---- keys and values ---- */

/* A block of keys is pairs of head dims, [Dh/2][64]; one of values pairs of keys, [32][Dh]. */
static void gather(const qn_attn_grad_args *a, const workspace *w) {
    const int64_t Dh = a->Dh;
    for (int b = 0; b < QN_CHUNK_BLOCKS; b++) {
        if (!a->k[b])
            continue;
        const pair *k = a->k[b], *v = a->v[b];
        for (int64_t d = 0; d < Dh / 2; d++)
            memcpy(w->kd + d * C + b * B, k + d * B, B * sizeof *k);
        for (int64_t j = 0; j < B; j += 2)
            qn_pairs_unweave(w->lines + j * Dh, w->lines + (j + 1) * Dh, v + j / 2 * Dh, Dh);
        qn_turn_avx2(w->vd + b * B, C, w->lines, Dh / 2, B, Dh / 2);
        if (!a->dq)
            continue;
        qn_turn_avx2(w->lines, Dh / 2, k, B, Dh / 2, B);
        for (int64_t j = 0; j < B; j += 2)
            qn_pairs_weave(w->kk + (b * B + j) / 2 * Dh, w->lines + j * Dh, w->lines + (j + 1) * Dh, Dh);
    }
}

/* ---- one group of rows ---- */

static void round_rows(uint16_t *to, pair *two, const float *from, int64_t ld, int64_t rows, int64_t Dh) {
    for (int64_t r = 0; r < rows; r++)
        qn_act_pack_bf16_avx512(to + r * Dh, from + r * ld, Dh);
    for (int64_t r = 0; r < rows; r += 2)
        qn_pairs_weave(two + r / 2 * Dh, to + r * Dh, r + 1 < rows ? to + (r + 1) * Dh : NULL, Dh);
}

/* S and dP of rows r and r + 1 of the group, where there is one, become P and dS. */
static void slopes(const qn_attn_grad_args *a, const workspace *w, int64_t r0, int64_t r, bool one, int begin,
                   int end) {
    for (int j = begin; j < end; j += LANES) {
        h16 p[2] = {_mm256_setzero_si256(), _mm256_setzero_si256()}, ds[2] = {p[0], p[0]};
        for (int64_t i = 0; i < (one ? 1 : 2); i++) {
            const int64_t at = (r + i) * C + j;
            v16 slope;
            p[i] = rounded(attn_slopes(a, r0 + r + i, v16_load(w->s + at), v16_load(w->dp + at), j, &slope));
            ds[i] = rounded(slope);
            h16_store(w->ds + at, ds[i]);
        }
        pairs_store(w->p2 + r / 2 * C + j, woven(p[0], p[1]));
        pairs_store(w->ds2 + r / 2 * C + j, woven(ds[0], ds[1]));
    }
}

/* Rows [r0, r0 + rows), which together see keys [lo, hi). */
static void group(const qn_attn_grad_args *a, const workspace *w, int64_t r0, int64_t rows, int lo, int hi) {
    const int begin = lo / LANES * LANES, end = (hi + LANES - 1) / LANES * LANES;
    const int64_t Dh = a->Dh, two = (rows + 1) / 2;
    round_rows(w->q, w->q2, (const float *)a->q + r0 * a->ldq, a->ldq, rows, Dh);
    round_rows(w->dO, w->dO2, (const float *)a->dO + r0 * a->lddo, a->lddo, rows, Dh);
    outer_add(&(outer){w->s + begin, C, w->q, Dh / 2, 1, w->kd + begin, C, rows, end - begin, Dh / 2, true});
    outer_add(&(outer){w->dp + begin, C, w->dO, Dh / 2, 1, w->vd + begin, C, rows, end - begin, Dh / 2, true});
    for (int64_t r = 0; r < rows; r += 2)
        slopes(a, w, r0, r, r + 1 == rows, begin, end);
    if (a->dq)
        outer_add(&(outer){(float *)a->dq + r0 * a->lddq, a->lddq, w->ds + lo / 2 * 2, C / 2, 1, w->kk + lo / 2 * Dh,
                           Dh, rows, Dh, (hi + 1) / 2 - lo / 2, false});
    if (a->dk)
        outer_add(&(outer){(float *)a->dk + lo * Dh, Dh, w->ds2 + lo, 1, C, w->q2, Dh, hi - lo, Dh, two, false});
    if (a->dv)
        outer_add(&(outer){(float *)a->dv + lo * Dh, Dh, w->p2 + lo, 1, C, w->dO2, Dh, hi - lo, Dh, two, false});
}

void qn_attn_grad_avx512bf16(const qn_attn_grad_args *a) {
    if (a->t != QN_BF16) {
        qn_attn_grad_avx512(a);
        return;
    }
    const workspace w = workspace_of(a->scratch, a->Dh);
    if (!a->gathered)
        gather(a, &w);
    for (int64_t r = 0; r < a->rows; r += GROUP) {
        const attn_seen seen = attn_seen_by(a, r, QN_MIN(GROUP, a->rows - r));
        if (seen.lo < seen.hi)
            group(a, &w, r, QN_MIN(GROUP, a->rows - r), seen.lo, seen.hi);
    }
}
