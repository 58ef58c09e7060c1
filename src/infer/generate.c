/* infer/generate.c — the loop of one answer. After warm-up a decode step allocates nothing.
 *
 * How many guesses a pass takes follows how many were right before: each that was all right doubles them, a wrong one
 * leaves one more than were right. */
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
    /* of the last pass: guesses fed; tokens sampled, the place of the one that comes next */
    int32_t guess[QN_DRAFT_MAX];
    int64_t guesses, sampled, at;
    bool off;                       /* rows behind are not those of the answer */
    bool whole;                     /* a grammar lets nothing follow the last token sampled */
    int32_t token[QN_DRAFT_MAX + 1];
    float logprob[QN_DRAFT_MAX + 1];
    qn_logprob *top;                /* [QN_DRAFT_MAX + 1 or, without drafter, 1][n_top] */
    int64_t reach;                  /* guesses that the next pass may take */
} run;

const char *qn_stop_reason_name(qn_stop_reason r) {
    static const char *const names[] = {"eos", "stop", "length", "context", "cancelled"};
    return names[r];
}

qn_generate_options qn_generate_options_default(void) {
    return (qn_generate_options){.max_new = 128, .sampler = qn_sampler_options_default()};
}

/* Logits are only valid during the callback, so the sampling happens here. Those behind a guess that cannot be sampled
 * are left: the token before them is fed once more, and fails in its turn. */
static int on_logits(void *arg, int64_t feed, int64_t i, const float *logits) {
    run *g = arg;
    const qn_kernels *k = qn_session_kernels(g->s);
    const int64_t V = qn_session_vocabulary(g->s), row = g->sampled;
    (void)feed;
    (void)i;
    if (g->off)
        return 0;
    const int rc = qn_sampler_next(g->sampler, logits, &g->token[row]);
    g->off = rc < 0 || row == g->guesses || g->token[row] != g->guess[row];
    if (rc < 0)
        return row > 0 ? 0 : rc;
    g->sampled++;
    g->whole = qn_sampler_ended(g->sampler);
    g->off = g->off || g->whole;
    QN_TRY(qn_sampler_accept(g->sampler, g->token[row]));
    if (!g->o->logprobs)
        return 0;
    g->logprob[row] = qn_logprob_of(k, logits, V, g->token[row]);
    if (g->o->n_top > 0)
        qn_logprobs_top(k, logits, V, g->top + row * g->o->n_top, g->o->n_top);
    return 0;
}

/* Feeds tokens, the first of them right and the others guesses, and samples what comes of their logits. */
static int pass(run *g, const int32_t *tokens, int64_t n, qn_logits_want want) {
    const qn_feed f = {g->seq, tokens, n, want};
    g->sampled = g->at = 0;
    g->off = false;
    return qn_session_feed(g->s, &f, 1, on_logits, g);
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
    const int rc = pass(g, prompt->v + same, total - (int64_t)same, QN_LOGITS_LAST);
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
        .id = id, .text = {g->stopper.held.s, n}, .logprob = g->o->logprobs ? g->logprob[g->at] : NAN,
        .top = g->top ? g->top + g->at * g->o->n_top : NULL, .n_top = g->o->logprobs ? g->o->n_top : 0,
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

/* ---- decoding ---- */

/* Guesses behind the held text, no more than can become tokens of the answer: the pass yields one more. */
static int make_guesses(run *g) {
    const int64_t context = qn_session_context(g->s), V = qn_session_vocabulary(g->s);
    int64_t most = QN_MIN(QN_MIN(g->reach, g->o->guesses), context - (int64_t)g->held->n);
    if (g->o->max_new >= 0)
        most = QN_MIN(most, g->o->max_new - g->r->new_tokens - 1);
    g->guesses = 0;
    if (!g->o->drafter || most < 1)
        return 0;
    const int n = g->o->drafter->guess(g->o->drafter, g->held, g->sampler, most, g->guess);
    while (g->guesses < n && g->guess[g->guesses] >= 0 && g->guess[g->guesses] < V)
        g->guesses++;
    return n;
}

static void count_guesses(run *g) {
    const int64_t kept = g->sampled - 1;                /* the rows that were looked at, but for the first */
    g->r->passes++;
    g->r->guessed += g->guesses;
    g->r->kept += kept;
    if (g->guesses > 0)
        g->reach = kept == g->guesses ? QN_MIN(2 * g->reach, QN_DRAFT_MAX) : kept + 1;
}

/* Feeds the last token, which `held` lists then, with guesses; the sequence keeps those that were right. */
static int step(run *g, int32_t id) {
    int32_t tokens[QN_DRAFT_MAX + 1] = {id};
    QN_TRY(qn_ids_push(g->held, id));
    int rc = make_guesses(g);
    if (rc >= 0) {
        memcpy(tokens + 1, g->guess, (size_t)g->guesses * sizeof *tokens);
        rc = pass(g, tokens, g->guesses + 1, QN_LOGITS_ALL);
    }
    if (rc < 0) {
        g->held->n--;
        return rc;
    }
    count_guesses(g);
    qn_session_truncate(g->s, g->seq, (int64_t)g->held->n + g->sampled - 1);
    return 0;
}

/* One token of the answer. 1: it was the last, and the reason is set. */
static int take(run *g, int32_t id) {
    g->r->new_tokens++;
    if (is_eos(g, id)) {
        g->r->reason = QN_STOP_EOS;
        return 1;
    }
    const int ended = emit(g, id);
    if (!ended && g->whole && g->at + 1 == g->sampled) {
        g->r->reason = QN_STOP_EOS;
        return 1;
    }
    return ended ? ended : g->r->new_tokens == g->o->max_new;
}

static int decode(run *g) {
    const int64_t context = qn_session_context(g->s);
    for (g->r->reason = QN_STOP_LENGTH; g->o->max_new < 0 || g->r->new_tokens < g->o->max_new;) {
        const int32_t id = g->token[g->at];
        const int ended = take(g, id);
        if (ended)
            return QN_MIN(ended, 0);
        if (g->at + 1 < g->sampled) {                   /* it was guessed, and is in the sequence already */
            g->at++;
            QN_TRY(qn_ids_push(g->held, id));
            continue;
        }
        if (qn_session_length(g->s, g->seq) == context) {
            g->r->reason = QN_STOP_CONTEXT;
            return 0;
        }
        const int rc = step(g, id);
        if (rc == QN_ECANCEL)
            g->r->reason = QN_STOP_CALLER;
        if (rc < 0)
            return rc == QN_ECANCEL ? 0 : rc;
    }
    return 0;
}

/* What was guessed right beyond the end of the answer goes, and what an error left. */
static void settle(const run *g) {
    if (qn_session_length(g->s, g->seq) > (int64_t)g->held->n)
        qn_session_truncate(g->s, g->seq, (int64_t)g->held->n);
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
    if (o->drafter && (o->guesses < 1 || o->guesses > QN_DRAFT_MAX))
        return qn_fail(QN_EINVAL, "%lld guesses per pass; expected 1 to %d", (long long)o->guesses, QN_DRAFT_MAX);
    return 0;
}

int qn_generate(qn_session *s, const qn_tok *tok, int64_t seq, qn_ids *held, const qn_ids *prompt,
                const qn_generate_options *o, qn_token_fn *fn, void *arg, qn_generate_result *r) {
    run g = {.s = s, .tok = tok, .seq = seq, .held = held, .o = o, .fn = fn, .arg = arg, .r = r, .reach = 4};
    int rc;
    *r = (qn_generate_result){0};
    QN_TRY(check(s, prompt, o));
    qn_detok_init(&g.detok, tok, o->special ? 0 : QN_TOK_SKIP_SPECIAL);
    qn_stopper_init(&g.stopper, o->stop, o->n_stop);
    QN_TRY_OUT(qn_sampler_new(&g.sampler, qn_session_kernels(s), qn_session_vocabulary(s), &o->sampler));
    if (o->logprobs && o->n_top > 0) {
        g.top = qn_alloc(QN_MEM_SESSION, (size_t)((o->drafter ? QN_DRAFT_MAX + 1 : 1) * o->n_top) * sizeof *g.top);
        rc = g.top ? 0 : QN_ENOMEM;
        if (rc < 0)
            goto out;
    }
    const double start = qn_now();
    QN_TRY_OUT(prefill(&g, prompt));
    const double prefilled = qn_now();
    r->prefill_seconds = prefilled - start;
    rc = decode(&g);
    settle(&g);
    r->decode_seconds = qn_now() - prefilled;
    if (rc >= 0)
        rc = flush(&g);
out:
    qn_sampler_free(g.sampler);
    qn_free(g.top);
    qn_stopper_drop(&g.stopper);
    qn_buf_drop(&g.text);
    return rc;
}
