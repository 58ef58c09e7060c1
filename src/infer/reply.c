/* infer/reply.c — sampling, detokenizer and stop strings of one answer, put together. */
#include "infer/reply.h"

#include <math.h>

/* A tokenizer may know more tokens than the model: its ids are strangers here. */
int qn_reply_check(const qn_session *s, const qn_ids *prompt, const qn_generate_options *o) {
    const int64_t V = qn_session_vocabulary(s), context = qn_session_context(s);
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
    if ((int64_t)prompt->n > context)
        return qn_fail(QN_ECONTEXT,
                       "the prompt has %lld tokens, the context holds %lld; shorten it or ask for a longer context",
                       (long long)prompt->n, (long long)context);
    return 0;
}

int qn_reply_init(qn_reply *a, const qn_session *s, const qn_tok *tok, const qn_generate_options *o, qn_token_fn *fn,
                   void *arg) {
    *a = (qn_reply){
        .tok = tok, .cfg = &qn_session_model(s)->cfg, .k = qn_session_kernels(s), .V = qn_session_vocabulary(s),
        .o = o, .fn = fn, .arg = arg, .reason = QN_STOP_LENGTH,
    };
    qn_detok_init(&a->detok, tok, o->special ? 0 : QN_TOK_SKIP_SPECIAL);
    qn_stopper_init(&a->stopper, o->stop, o->n_stop);
    return qn_sampler_new(&a->sampler, a->k, a->V, &o->sampler);
}

void qn_reply_drop(qn_reply *a) {
    qn_sampler_free(a->sampler);
    qn_stopper_drop(&a->stopper);
    qn_buf_drop(&a->text);
    *a = (qn_reply){0};
}

int qn_reply_prompt(qn_reply *a, const qn_ids *prompt) {
    for (size_t i = 0; i < prompt->n; i++)
        QN_TRY(qn_sampler_accept(a->sampler, prompt->v[i]));
    return 0;
}

int qn_reply_sample(qn_reply *a, const float *logits, qn_sampled *t) {
    QN_TRY(qn_sampler_next(a->sampler, logits, &t->id));
    t->whole = qn_sampler_ended(a->sampler);
    QN_TRY(qn_sampler_accept(a->sampler, t->id));
    if (!a->o->logprobs)
        return 0;
    t->logprob = qn_logprob_of(a->k, logits, a->V, t->id);
    if (a->o->n_top > 0)
        qn_logprobs_top(a->k, logits, a->V, t->top, a->o->n_top);
    return 0;
}

bool qn_reply_full(const qn_reply *a) { return a->o->max_new >= 0 && a->tokens >= a->o->max_new; }

static bool is_eos(const qn_reply *a, int32_t id) {
    for (int64_t i = 0; i < a->cfg->n_eos && !a->o->ignore_eos; i++)
        if (a->cfg->eos[i] == id)
            return true;
    return false;
}

/* Hands the first n bytes of the held text to the listener, with the token that made them certain. 1: it wants no more.
 * Behind the last token (NULL) id is −1. */
static int give(qn_reply *a, const qn_sampled *t, size_t n) {
    const bool told = t && a->o->logprobs;
    const qn_token_event e = {
        .id = t ? t->id : -1, .text = {a->stopper.held.s, n}, .logprob = told ? t->logprob : NAN,
        .top = told ? t->top : NULL, .n_top = told ? a->o->n_top : 0,
    };
    const int rc = a->fn ? a->fn(a->arg, &e) : 0;
    qn_stopper_give(&a->stopper, n);
    return rc;
}

/* One token's text through detokenizer and stop strings. 1: the answer ends, and the reason is set. */
static int emit(qn_reply *a, const qn_sampled *t) {
    size_t ready;
    qn_buf_clear(&a->text);
    QN_TRY(qn_detok_push(&a->detok, t->id, &a->text));
    const int stopped = qn_stopper_push(&a->stopper, qn_buf_view(&a->text), &ready);
    if (stopped < 0)
        return stopped;
    const int rc = give(a, t, ready);
    if (rc < 0)
        return rc;
    if (stopped || rc)
        a->reason = stopped ? QN_STOP_STRING : QN_STOP_CALLER;
    a->silent = rc != 0;
    return stopped || rc;
}

int qn_reply_take(qn_reply *a, const qn_sampled *t) {
    a->tokens++;
    if (is_eos(a, t->id)) {
        a->reason = QN_STOP_EOS;
        return 1;
    }
    const int ended = emit(a, t);
    if (!ended && t->whole) {
        a->reason = QN_STOP_EOS;
        return 1;
    }
    return ended ? ended : qn_reply_full(a);
}

/* The rest of a character that was begun would have come with the next token: it is left out. Behind an answer that the
 * model ended nothing would have come, and what is no character is shown as such. */
static bool is_cut(const qn_reply *a) {
    return a->reason == QN_STOP_LENGTH || a->reason == QN_STOP_CONTEXT || a->reason == QN_STOP_CALLER;
}

int qn_reply_end(qn_reply *a) {
    size_t ready;
    if (a->reason == QN_STOP_STRING || a->silent)
        return 0;
    qn_buf_clear(&a->text);
    if (!is_cut(a))
        QN_TRY(qn_detok_flush(&a->detok, &a->text));
    const int stopped = qn_stopper_push(&a->stopper, qn_buf_view(&a->text), &ready);
    if (stopped < 0)
        return stopped;
    if (stopped)
        a->reason = QN_STOP_STRING;
    else
        ready = a->stopper.held.n;
    const int rc = ready > 0 ? give(a, NULL, ready) : 0;
    return rc < 0 ? rc : 0;
}
