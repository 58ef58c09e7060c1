/* infer/generate.c — the loop of one answer. After warm-up a decode step allocates nothing.
 *
 * How many guesses a pass takes follows how many were right before: each that was all right doubles them, a wrong one
 * leaves one more than were right. */
#include "infer/reply.h"

#include <string.h>

typedef struct {
    qn_session *s;
    int64_t seq;
    qn_ids *held;
    const qn_generate_options *o;
    qn_generate_result *r;
    qn_reply answer;
    /* of the last pass: guesses fed; tokens sampled, the place of the one that comes next */
    int32_t guess[QN_DRAFT_MAX];
    int64_t guesses, sampled, at;
    bool off;                       /* rows behind are not those of the answer */
    qn_sampled token[QN_DRAFT_MAX + 1];
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
    const int64_t row = g->sampled;
    (void)feed;
    (void)i;
    if (g->off)
        return 0;
    const int rc = qn_reply_sample(&g->answer, logits, &g->token[row]);
    g->off = rc < 0 || g->token[row].whole || row == g->guesses || g->token[row].id != g->guess[row];
    if (rc < 0)
        return row > 0 ? 0 : rc;
    g->sampled++;
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
    g->held->n = same;
    qn_session_truncate(g->s, g->seq, (int64_t)same);
    g->r->prompt_tokens = (int64_t)prompt->n;
    g->r->cached_tokens = (int64_t)same;
    QN_TRY(qn_reply_prompt(&g->answer, prompt));
    const int rc = pass(g, prompt->v + same, (int64_t)(prompt->n - same), QN_LOGITS_LAST);
    for (int64_t i = (int64_t)same; i < qn_session_length(g->s, g->seq); i++)
        QN_TRY(qn_ids_push(g->held, prompt->v[i]));
    return rc;
}

/* ---- decoding ---- */

/* Guesses behind the held text, no more than can become tokens of the answer: the pass yields one more. */
static int make_guesses(run *g) {
    const int64_t context = qn_session_context(g->s), V = qn_session_vocabulary(g->s);
    int64_t most = QN_MIN(QN_MIN(g->reach, g->o->guesses), context - (int64_t)g->held->n);
    if (g->o->max_new >= 0)
        most = QN_MIN(most, g->o->max_new - g->answer.tokens - 1);
    g->guesses = 0;
    if (!g->o->drafter || most < 1)
        return 0;
    const int n = g->o->drafter->guess(g->o->drafter, g->held, g->answer.sampler, most, g->guess);
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

static int decode(run *g) {
    const int64_t context = qn_session_context(g->s);
    while (!qn_reply_full(&g->answer)) {
        const qn_sampled *t = &g->token[g->at];
        const int ended = qn_reply_take(&g->answer, t);
        if (ended)
            return QN_MIN(ended, 0);
        if (g->at + 1 < g->sampled) {                   /* it was guessed, and is in the sequence already */
            g->at++;
            QN_TRY(qn_ids_push(g->held, t->id));
            continue;
        }
        if (qn_session_length(g->s, g->seq) == context) {
            g->answer.reason = QN_STOP_CONTEXT;
            return 0;
        }
        const int rc = step(g, t->id);
        if (rc == QN_ECANCEL)
            g->answer.reason = QN_STOP_CALLER;
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

/* Room for the alternatives of every row that a pass may sample. */
static int make_tops(run *g) {
    const int64_t rows = g->o->drafter ? QN_DRAFT_MAX + 1 : 1, n = g->o->n_top;
    if (!g->o->logprobs || n == 0)
        return 0;
    g->top = qn_alloc(QN_MEM_SESSION, (size_t)(rows * n) * sizeof *g->top);
    for (int64_t i = 0; g->top && i < rows; i++)
        g->token[i].top = g->top + i * n;
    return g->top ? 0 : QN_ENOMEM;
}

int qn_generate(qn_session *s, const qn_tok *tok, int64_t seq, qn_ids *held, const qn_ids *prompt,
                const qn_generate_options *o, qn_token_fn *fn, void *arg, qn_generate_result *r) {
    run g = {.s = s, .seq = seq, .held = held, .o = o, .r = r, .reach = 4};
    int rc;
    *r = (qn_generate_result){0};
    QN_TRY(qn_reply_check(s, prompt, o));
    QN_TRY_OUT(qn_reply_init(&g.answer, s, tok, o, fn, arg));
    QN_TRY_OUT(make_tops(&g));
    qn_session_settle(s, (int64_t)prompt->n);           /* part of the start, not of the prefill that is timed */
    const double start = qn_now();
    QN_TRY_OUT(prefill(&g, prompt));
    const double prefilled = qn_now();
    r->prefill_seconds = prefilled - start;
    rc = decode(&g);
    settle(&g);
    r->decode_seconds = qn_now() - prefilled;
    if (rc >= 0)
        rc = qn_reply_end(&g.answer);
    r->reason = g.answer.reason;
    r->new_tokens = g.answer.tokens;
out:
    qn_reply_drop(&g.answer);
    qn_free(g.top);
    return rc;
}
