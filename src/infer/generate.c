/* infer/generate.c — the loop of one answer. After warm-up a decode step allocates nothing. */
#include "infer/generate.h"
#include "infer/stop.h"

#include <math.h>
#include <string.h>

typedef struct {
    qn_session *s;
    const qn_tok *tok;
    int64_t seq;
    qn_ids *held;
    const qn_generate_options *o;
    qn_token_fn *fn;
    void *arg;
    qn_generate_result *r;
    qn_sampler *sampler;
    qn_detok detok;
    qn_stopper stopper;
    qn_buf text;
    bool silent;                    /* the callback wants to hear no more */
    /* of the last logits */
    int32_t next;
    float logprob;
    qn_logprob top[QN_TOP_MAX];
} run;

const char *qn_stop_reason_name(qn_stop_reason r) {
    static const char *const names[] = {"eos", "stop", "length", "context", "cancelled"};
    return names[r];
}

qn_generate_options qn_generate_options_default(void) {
    return (qn_generate_options){.max_new = 128, .sampler = qn_sampler_options_default()};
}

/* Logits are only valid during the callback, so the sampling happens here. */
static int on_logits(void *arg, int64_t feed, int64_t i, const float *logits) {
    run *g = arg;
    const int64_t V = qn_session_vocabulary(g->s);
    (void)feed;
    (void)i;
    QN_TRY(qn_sampler_next(g->sampler, logits, &g->next));
    if (!g->o->logprobs)
        return 0;
    g->logprob = qn_logprob_of(qn_session_kernels(g->s), logits, V, g->next);
    if (g->o->n_top > 0)
        qn_logprobs_top(qn_session_kernels(g->s), logits, V, g->top, g->o->n_top);
    return 0;
}

/* Makes the sequence hold the prompt but for what must be fed: at least its last token, whose logits are wanted. */
static int prefill(run *g, const qn_ids *prompt) {
    size_t same = 0;
    const size_t most = QN_MIN(QN_MIN(g->held->n, (size_t)qn_session_length(g->s, g->seq)), prompt->n - 1);
    while (same < most && g->held->v[same] == prompt->v[same])
        same++;
    const int64_t total = (int64_t)prompt->n, context = qn_session_context(g->s);
    if (total > context)
        return qn_fail(QN_ECONTEXT,
                       "the prompt has %lld tokens, the context holds %lld; shorten it or ask for a longer context",
                       (long long)total, (long long)context);
    g->held->n = same;
    qn_session_truncate(g->s, g->seq, (int64_t)same);
    g->r->prompt_tokens = total;
    g->r->cached_tokens = (int64_t)same;
    for (size_t i = 0; i < prompt->n; i++)
        QN_TRY(qn_sampler_accept(g->sampler, prompt->v[i]));
    const qn_feed f = {g->seq, prompt->v + same, total - (int64_t)same, QN_LOGITS_LAST};
    const int rc = qn_session_feed(g->s, &f, 1, on_logits, g);
    for (int64_t i = (int64_t)same; i < qn_session_length(g->s, g->seq); i++)
        QN_TRY(qn_ids_push(g->held, prompt->v[i]));
    return rc;
}

static bool is_eos(const run *g, int32_t id) {
    const qn_config *c = &qn_session_model(g->s)->cfg;
    for (int64_t i = 0; i < c->n_eos && !g->o->ignore_eos; i++)
        if (c->eos[i] == id)
            return true;
    return false;
}

/* Hands the first n bytes of the held text to the caller, with the token that made them certain. 1: the caller stops.
 * */
static int give(run *g, int32_t id, size_t n) {
    const qn_token_event e = {
        .id = id, .text = {g->stopper.held.s, n}, .logprob = g->o->logprobs ? g->logprob : NAN,
        .top = g->top, .n_top = g->o->logprobs ? g->o->n_top : 0,
    };
    const int rc = g->fn ? g->fn(g->arg, &e) : 0;
    qn_stopper_give(&g->stopper, n);
    return rc;
}

/* One token's text through detokenizer and stop strings. 1: the answer ends, and the reason is set. */
static int emit(run *g, int32_t id) {
    size_t ready;
    qn_buf_clear(&g->text);
    QN_TRY(qn_detok_push(&g->detok, id, &g->text));
    const int stopped = qn_stopper_push(&g->stopper, qn_buf_view(&g->text), &ready);
    if (stopped < 0)
        return stopped;
    const int rc = give(g, id, ready);
    if (rc < 0)
        return rc;
    if (stopped || rc)
        g->r->reason = stopped ? QN_STOP_STRING : QN_STOP_CALLER;
    g->silent = rc != 0;
    return stopped || rc;
}

/* What was held back at the end: it became no stop string. */
static int flush(run *g) {
    size_t ready;
    if (g->r->reason == QN_STOP_STRING || g->silent)
        return 0;
    qn_buf_clear(&g->text);
    QN_TRY(qn_detok_flush(&g->detok, &g->text));
    const int stopped = qn_stopper_push(&g->stopper, qn_buf_view(&g->text), &ready);
    if (stopped < 0)
        return stopped;
    if (stopped)
        g->r->reason = QN_STOP_STRING;
    else
        ready = g->stopper.held.n;
    const int rc = ready > 0 ? give(g, -1, ready) : 0;
    return rc < 0 ? rc : 0;
}

static int decode(run *g) {
    const int64_t context = qn_session_context(g->s);
    for (g->r->reason = QN_STOP_LENGTH; g->o->max_new < 0 || g->r->new_tokens < g->o->max_new;) {
        const int32_t id = g->next;
        g->r->new_tokens++;
        QN_TRY(qn_sampler_accept(g->sampler, id));
        if (is_eos(g, id)) {
            g->r->reason = QN_STOP_EOS;
            return 0;
        }
        const int ended = emit(g, id);
        if (ended)
            return ended < 0 ? ended : 0;
        if (g->r->new_tokens == g->o->max_new)
            return 0;
        if (qn_session_length(g->s, g->seq) == context) {
            g->r->reason = QN_STOP_CONTEXT;
            return 0;
        }
        const qn_feed f = {g->seq, &id, 1, QN_LOGITS_LAST};
        const int rc = qn_session_feed(g->s, &f, 1, on_logits, g);
        if (rc == QN_ECANCEL)
            g->r->reason = QN_STOP_CALLER;
        if (rc < 0)
            return rc == QN_ECANCEL ? 0 : rc;
        QN_TRY(qn_ids_push(g->held, id));
    }
    return 0;
}

/* A tokenizer may know more tokens than the model: its ids are strangers here. */
static int check(const qn_session *s, const qn_ids *prompt, const qn_generate_options *o) {
    const int64_t V = qn_session_vocabulary(s);
    if (prompt->n == 0)
        return qn_fail(QN_EINVAL, "the prompt is empty and the tokenizer adds no token in front; give some text");
    for (size_t i = 0; i < prompt->n; i++)
        if (prompt->v[i] < 0 || prompt->v[i] >= V)
            return qn_fail(QN_EINVAL, "token id %d of the prompt is outside the model's vocabulary of %lld: tokenizer "
                           "and weights do not belong together", prompt->v[i], (long long)V);
    if (o->n_top < 0 || o->n_top > QN_MIN(QN_TOP_MAX, V))
        return qn_fail(QN_EINVAL, "%lld alternatives per token; at most %d are given", (long long)o->n_top, QN_TOP_MAX);
    return 0;
}

int qn_generate(qn_session *s, const qn_tok *tok, int64_t seq, qn_ids *held, const qn_ids *prompt,
                const qn_generate_options *o, qn_token_fn *fn, void *arg, qn_generate_result *r) {
    run g = {.s = s, .tok = tok, .seq = seq, .held = held, .o = o, .fn = fn, .arg = arg, .r = r};
    int rc;
    *r = (qn_generate_result){0};
    QN_TRY(check(s, prompt, o));
    qn_detok_init(&g.detok, tok, o->special ? 0 : QN_TOK_SKIP_SPECIAL);
    qn_stopper_init(&g.stopper, o->stop, o->n_stop);
    QN_TRY_OUT(qn_sampler_new(&g.sampler, qn_session_kernels(s), qn_session_vocabulary(s), &o->sampler));
    const double start = qn_now();
    QN_TRY_OUT(prefill(&g, prompt));
    const double prefilled = qn_now();
    r->prefill_seconds = prefilled - start;
    rc = decode(&g);
    r->decode_seconds = qn_now() - prefilled;
    if (rc >= 0)
        rc = flush(&g);
out:
    qn_sampler_free(g.sampler);
    qn_stopper_drop(&g.stopper);
    qn_buf_drop(&g.text);
    return rc;
}
