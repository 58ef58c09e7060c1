/* infer/score.c — a row of logits per token, all but the last one's. */
#include "infer/score.h"

#include <math.h>

typedef struct { qn_session *s; const qn_score_text *text; int64_t n_top; } scoring;

static int on_row(void *arg, int64_t feed, int64_t i, const float *logits) {
    const scoring *x = arg;
    const qn_score_text *t = &x->text[feed];
    const qn_kernels *k = qn_session_kernels(x->s);
    const int64_t V = qn_session_vocabulary(x->s);
    t->logprob[i + 1] = qn_logprob_of(k, logits, V, t->ids[i + 1]);
    if (isnan(t->logprob[i + 1]))
        return qn_fail(QN_EFORMAT, "token %lld: the logits are no numbers: the weights are damaged, or the arithmetic "
                       "overflowed", (long long)i + 1);
    if (t->top)
        qn_logprobs_top(k, logits, V, t->top + (i + 1) * x->n_top, x->n_top);
    return 0;
}

static int check(const qn_session *s, const qn_score_text *t) {
    const int64_t V = qn_session_vocabulary(s), context = qn_session_context(s);
    if (t->n - 1 > context)
        return qn_fail(QN_ECONTEXT, "the text has %lld tokens, and the context holds %lld; ask for a longer one, or "
                       "for the perplexity of windows (eval ppl)", (long long)t->n, (long long)context);
    for (int64_t i = 0; i < t->n; i++)
        if (t->ids[i] < 0 || t->ids[i] >= V)
            return qn_fail(QN_EINVAL, "token id %d is outside the model's vocabulary of %lld: tokenizer and weights do "
                           "not belong together", t->ids[i], (long long)V);
    return 0;
}

int qn_score(qn_session *s, const qn_score_text *text, int64_t n, int64_t n_top) {
    scoring x = {s, text, n_top};
    qn_assert(n <= qn_session_sequences(s) && n_top <= qn_session_vocabulary(s));
    qn_feed *feed = qn_alloc(QN_MEM_SESSION, (size_t)n * sizeof *feed);
    if (!feed)
        return QN_ENOMEM;
    int rc = 0;
    for (int64_t i = 0; i < n && rc >= 0; i++) {
        rc = check(s, &text[i]);
        qn_session_truncate(s, i, 0);
        feed[i] = (qn_feed){i, text[i].ids, QN_MAX(text[i].n - 1, 0), QN_LOGITS_ALL};
        if (text[i].n > 0)
            text[i].logprob[0] = NAN;
    }
    if (rc >= 0)
        rc = qn_session_feed(s, feed, n, on_row, &x);
    qn_free(feed);
    return rc;
}
