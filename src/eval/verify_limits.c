/* eval/verify_limits.c — how far two models may be apart, by how they are related, and the verdict.
 *
 * EXACT asks for bits. Of the others the coarser dtype decides: floats of 32 bits for the order of sums, such of 16
 * bits for a rounding of every weight, blocks for what four bits lose. These limits do not know how much an adapter
 * did, and a small change drowns within them: where something is rounded, half of what it did must be left.
 * docs/EVALUATION.md has the table. */
#include "eval/verify.h"

#include <math.h>
#include <string.h>

#include "num/num.h"

static const char *const names[QN_VERIFY_RELATIONS] = {"any", "exact", "merge", "convert", "quantize"};

const char *qn_verify_relation_name(qn_verify_relation r) { return names[r]; }

static bool has_blocks(qn_dtype t) { return qn_dtype_get(t)->block > 1; }

qn_verify_relation qn_verify_detect(const qn_model *a, const qn_model *b) {
    if (strcmp(a->identity, b->identity) == 0)
        return QN_VERIFY_EXACT;
    return has_blocks(qn_verify_coarsest(a)) || has_blocks(qn_verify_coarsest(b)) ? QN_VERIFY_QUANTIZE
                                                                                  : QN_VERIFY_CONVERT;
}

static int coarseness(qn_dtype t) { return has_blocks(t) ? 2 : t == QN_F16 || t == QN_BF16; }

qn_dtype qn_verify_coarsest(const qn_model *m) {
    qn_dtype worst = QN_F32;
    for (int64_t layer = 0; layer < m->cfg.layers; layer++)
        for (int id = 0; id < QN_PARAMS; id++) {
            const qn_tensor *t = qn_model_param(m, (qn_param_id)id, layer);
            if (t->rank == 2 && coarseness(t->dtype) > coarseness(worst))
                worst = t->dtype;
        }
    return worst;
}

static const qn_verify_limits
    same = {true, NAN, NAN, NAN, NAN, NAN, NAN},
    converted = {false, 1e-4, 1e-6, 0.99, 1e-4, 0.01, NAN},
    merged = {false, 1e-3, 1e-5, 0.99, 1e-3, 0.01, NAN},
    halved = {false, NAN, 0.005, 0.97, 0.01, 0.02, 0.5},
    quantized = {false, NAN, 0.05, 0.90, 0.05, 0.05, 0.5};

qn_verify_limits qn_verify_limits_of(qn_verify_relation r, qn_dtype a, qn_dtype b) {
    if (r == QN_VERIFY_ANY)
        return QN_VERIFY_NO_LIMITS;
    if (r == QN_VERIFY_EXACT)
        return same;
    if (r == QN_VERIFY_QUANTIZE || has_blocks(a) || has_blocks(b))
        return quantized;
    if (a != QN_F32 || b != QN_F32)
        return halved;
    return r == QN_VERIFY_MERGE ? merged : converted;
}

/* ---- checks ---- */

static void check(qn_verify_result *r, const char *name, double value, double limit, bool at_least) {
    if (isnan(limit) || r->checks == QN_VERIFY_CHECKS)
        return;
    const bool kept = at_least ? value >= limit : value <= limit;       /* NaN keeps none */
    r->check[r->checks++] = (qn_verify_check){name, value, limit, at_least, kept};
    r->failed += !kept;
}

/* What every relation asks for stands first. Of facts the greatest loss counts. */
void qn_verify_check_all(qn_verify_result *r) {
    const qn_verify_limits *l = &r->limits;
    double lost = r->facts > 0 ? 0 : NAN;
    for (int64_t i = 0; i < r->facts; i++)
        lost = QN_MAX(lost, -r->fact[i].d.difference);
    r->checks = r->failed = 0;
    if (r->relation != QN_VERIFY_ANY || r->not_numbers > 0)
        check(r, "rows that are no numbers", (double)r->not_numbers, 0, false);
    if (r->relation != QN_VERIFY_ANY) {
        check(r, "equal special tokens", r->specials_equal, 1, true);
        check(r, "equal chat template", r->template_equal, 1, true);
    }
    if (l->same_bits)
        check(r, "rows of the same bits", (double)r->same_rows / (double)r->rows, 1, true);
    check(r, "greatest difference of a logit", r->max_delta, l->delta, false);
    check(r, "mean KL", r->kl_mean, l->kl, false);
    check(r, "same likeliest token", r->top1, l->top1, true);
    check(r, "change of perplexity", fabs(r->ppl_ratio - 1), l->ppl, false);
    if (r->facts > 0)
        check(r, "facts lost", lost, l->facts, false);
    if (r->effect > 0)
        check(r, "share kept of what the adapters do", qn_verify_kept(r), l->kept, true);
}

int qn_verify_verdict(const qn_verify_result *r) {
    qn_buf why = {0};
    int rc = 0;
    if (r->failed == 0)
        return 0;
    for (int i = 0; i < r->checks && rc >= 0; i++) {
        const qn_verify_check *c = &r->check[i];
        if (!c->kept)
            rc = qn_buf_printf(&why, "%s%s %.4g, %s %.4g", why.n ? "; " : "", c->name, c->value,
                               c->at_least ? "at least" : "at most", c->limit);
    }
    if (rc >= 0)
        rc = qn_fail(QN_EDIFFER, "%s and %s are further apart than \"%s\" allows: %s", r->a, r->b, names[r->relation],
                     why.s);
    qn_buf_drop(&why);
    return rc;
}
