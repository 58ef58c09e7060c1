/* eval/ppl.c — perplexity: exp of the mean negative log-likelihood of each scored token given those before it.
 *
 *     −ln p(t | before) = ln Σ exp(logit) − logit_t                   one row of logits, through the kernel table
 *
 * Losses are added in double in the order of the text, so the figure is the same for any batch and any threads. */
#include "eval/eval.h"

#include <math.h>
#include <string.h>

#include "num/math.h"

typedef struct {
    qn_session *s;
    const qn_ppl_options *o;
    qn_ppl_result *r;
    int64_t ctx, first;             /* window length; the first position whose prediction is scored */
    int64_t together;               /* windows per call */
    qn_ids ids;
    int32_t bos;                    /* in place of each window's first token; −1: none */
    int32_t *window;                /* [together, ctx] */
    qn_feed *feeds;                 /* [together, 2]: what is only context, what is scored */
} ppl;

const char *qn_ppl_protocol_name(qn_ppl_protocol p) { return p == QN_PPL_FULL ? "full" : "half"; }

/* ---- from text to windows ---- */

static int encode(ppl *p, const qn_tok *tok, const char *text, size_t n) {
    const int32_t bos = qn_tok_bos(tok);
    const bool adds = bos >= 0 && qn_tok_adds(tok, bos);
    if (adds)
        QN_TRY(qn_ids_push(&p->ids, bos));
    QN_TRY(qn_tok_encode(tok, text, n, QN_TOK_PLAIN, &p->ids));
    p->bos = adds && p->o->protocol == QN_PPL_HALF ? bos : -1;
    return 0;
}

static int plan(ppl *p) {
    const qn_ppl_options *o = p->o;
    p->ctx = o->ctx > 0 ? o->ctx : qn_session_context(p->s);
    p->first = o->protocol == QN_PPL_HALF ? p->ctx / 2 : 0;
    if (p->ctx - 1 - p->first < 1 || o->max_windows < 0 || o->sequences < 0)
        return qn_fail(QN_EINVAL, "perplexity needs windows of at least %d tokens",
                       o->protocol == QN_PPL_HALF ? 3 : 2);
    /* The last token of a window is a target only: it is never fed. */
    if (p->ctx - 1 > qn_session_context(p->s))
        return qn_fail(QN_ECONTEXT, "windows of %lld tokens do not fit into a session of %lld", (long long)p->ctx,
                       (long long)qn_session_context(p->s));
    p->r->text_tokens = (int64_t)p->ids.n;
    p->r->windows = p->r->text_tokens / p->ctx;
    if (p->r->windows == 0)
        return qn_fail(QN_EINVAL, "the text has %lld tokens, one window %lld: take a longer text or shorter windows",
                       (long long)p->r->text_tokens, (long long)p->ctx);
    if (o->max_windows > 0)
        p->r->windows = QN_MIN(p->r->windows, o->max_windows);
    p->together = QN_MIN(o->sequences > 0 ? o->sequences : 1, p->r->windows);
    p->window = qn_alloc(QN_MEM_SESSION, (size_t)(p->together * p->ctx) * sizeof *p->window);
    p->feeds = qn_zalloc(QN_MEM_SESSION, (size_t)p->together * 2, sizeof *p->feeds);
    return p->window && p->feeds ? 0 : QN_ENOMEM;
}

/* ---- scoring ---- */

/* Logits of one scored position. Feed 2w is the context of window w and wants none, feed 2w + 1 begins at `first`. */
static int score_row(void *arg, int64_t feed, int64_t i, const float *logits) {
    ppl *p = arg;
    const int64_t w = feed / 2, at = p->first + i;
    const int32_t target = p->window[w * p->ctx + at + 1];
    const int64_t V = qn_session_vocabulary(p->s);
    const double loss = qn_session_kernels(p->s)->logsumexp(logits, V) - (double)logits[target];
    if (!isfinite(loss))
        return qn_fail(QN_EFORMAT, "window %lld, position %lld: the model's logits are no finite numbers",
                       (long long)(p->r->windows_done + w), (long long)at);
    p->r->nll += loss;
    p->r->nll2 += loss * loss;
    p->r->tokens++;
    return 0;
}

static int check_targets(const ppl *p, int64_t n) {
    const int64_t V = qn_session_vocabulary(p->s);
    for (int64_t i = 0; i < n * p->ctx; i++)
        if (p->window[i] >= V)
            return qn_fail(QN_ESHAPE, "the tokenizer gives id %d, but the model's vocabulary has %lld", p->window[i],
                           (long long)V);
    return 0;
}

/* The next n windows at once, each in a sequence of its own. */
static int score_windows(ppl *p, int64_t n) {
    memcpy(p->window, p->ids.v + p->r->windows_done * p->ctx, (size_t)(n * p->ctx) * sizeof *p->window);
    for (int64_t w = 0; w < n; w++) {
        int32_t *tokens = p->window + w * p->ctx;
        if (p->bos >= 0)
            tokens[0] = p->bos;
        qn_session_truncate(p->s, w, 0);
        p->feeds[2 * w] = (qn_feed){.seq = w, .tokens = tokens, .n = p->first, .want = QN_LOGITS_NONE};
        p->feeds[2 * w + 1] = (qn_feed){
            .seq = w, .tokens = tokens + p->first, .n = p->ctx - 1 - p->first, .want = QN_LOGITS_ALL};
    }
    QN_TRY(check_targets(p, n));
    QN_TRY(qn_session_feed(p->s, p->feeds, 2 * n, score_row, p));
    p->r->windows_done += n;
    p->r->fed += n * (p->ctx - 1);
    return 0;
}

static void sum_up(qn_ppl_result *r, double start) {
    const double n = (double)r->tokens, mean = r->nll / n, variance = r->nll2 / n - mean * mean;
    r->ppl = qn_exp(mean);
    r->std_error = r->tokens > 1 && variance > 0 ? r->ppl * sqrt(variance / (n - 1)) : 0;
    r->seconds = qn_now() - start;
}

static int score(ppl *p) {
    const double start = qn_now();
    while (p->r->windows_done < p->r->windows) {
        QN_TRY(score_windows(p, QN_MIN(p->together, p->r->windows - p->r->windows_done)));
        sum_up(p->r, start);
        if (p->o->progress)
            QN_TRY(p->o->progress(p->o->arg, p->r));
    }
    return 0;
}

int qn_eval_ppl(qn_session *s, const qn_tok *tok, const char *text, size_t n, const qn_ppl_options *o,
                qn_ppl_result *r) {
    ppl p = {.s = s, .o = o, .r = r, .bos = -1};
    int rc;
    *r = (qn_ppl_result){0};
    QN_TRY_OUT(encode(&p, tok, text, n));
    QN_TRY_OUT(plan(&p));
    QN_TRY_OUT(score(&p));
out:
    qn_ids_drop(&p.ids);
    qn_free(p.window);
    qn_free(p.feeds);
    return rc;
}
