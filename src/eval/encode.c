/* eval/encode.c — texts to requests. */
#include "eval/encode.h"

#include <string.h>

void qn_encoder_drop(qn_encoder *e) {
    qn_ids_drop(&e->ids);
    qn_buf_drop(&e->text);
}

/* BOS where texts of this model begin with one. */
static int begin(qn_encoder *e, const qn_scorer *s) {
    const int32_t bos = qn_tok_bos(s->tok);
    return bos >= 0 && qn_tok_adds(s->tok, bos) ? qn_ids_push(&e->ids, bos) : 0;
}

static int encode(qn_encoder *e, const qn_scorer *s, qn_str text) {
    return text.n > 0 ? qn_tok_encode(s->tok, text.s, text.n, QN_TOK_PLAIN, &e->ids) : 0;
}

/* Cuts the request at the left to what the scorer takes: `most` tokens. */
static int fit(qn_encoder *e, int64_t most, qn_encoded *out) {
    out->n = (int64_t)e->ids.n - out->begin;
    const int64_t over = out->n - most;
    if (over <= 0)
        return 0;
    if (over >= out->from)
        return qn_fail(QN_ECONTEXT, "%lld tokens to score do not fit into the model's context",
                       (long long)(out->n - out->from));
    int32_t *ids = e->ids.v + out->begin;
    memmove(ids, ids + over, (size_t)most * sizeof *ids);
    e->ids.n -= (size_t)over;
    out->n = most;
    out->from -= over;
    out->cut = true;
    return 0;
}

static int nothing(void) { return qn_fail(QN_EINVAL, "there is no token to score"); }

/* A text behind nothing. */
static int encode_alone(qn_encoder *e, const qn_scorer *s, qn_str text, qn_encoded *out) {
    *out = (qn_encoded){.begin = (int64_t)e->ids.n, .from = 1};
    if (s->prefix >= 0)
        QN_TRY(qn_ids_push(&e->ids, s->prefix));
    QN_TRY(encode(e, s, text));
    out->n = (int64_t)e->ids.n - out->begin;
    return out->n < 2 ? nothing() : 0;
}

int qn_encode_text(qn_encoder *e, const qn_scorer *s, qn_str text, qn_encoded *out) {
    return encode_alone(e, s, text, out);
}

int qn_encode_choice(qn_encoder *e, const qn_scorer *s, qn_str context, qn_str choice, qn_encoded *out) {
    size_t kept = context.n;
    while (kept > 0 && qn_is_space(context.s[kept - 1]))
        kept--;
    qn_buf_clear(&e->text);
    QN_TRY(qn_buf_put(&e->text, context.s, context.n));
    QN_TRY(qn_buf_put(&e->text, choice.s, choice.n));
    const qn_str whole = qn_buf_view(&e->text);
    if (kept == 0) {
        QN_TRY(encode_alone(e, s, whole, out));
        return fit(e, s->context + 1, out);
    }
    *out = (qn_encoded){.begin = (int64_t)e->ids.n};
    QN_TRY(begin(e, s));
    QN_TRY(encode(e, s, (qn_str){whole.s, kept}));
    out->from = (int64_t)e->ids.n - out->begin;
    e->ids.n = (size_t)out->begin;
    QN_TRY(begin(e, s));
    QN_TRY(encode(e, s, whole));
    out->n = (int64_t)e->ids.n - out->begin;
    if (out->n < 2)
        return nothing();
    out->from = QN_MAX(1, QN_MIN(out->from, out->n - 1));      /* a merge over the border may leave it no token */
    return fit(e, s->context + 1, out);
}

int qn_encode_chat_choice(qn_encoder *e, const qn_scorer *s, qn_str messages, qn_str choice, qn_encoded *out) {
    *out = (qn_encoded){.begin = (int64_t)e->ids.n};
    QN_TRY(s->render(s->chat, messages, &e->ids));
    out->from = (int64_t)e->ids.n - out->begin;
    while (choice.n > 0 && qn_is_space(choice.s[0]))
        choice = (qn_str){choice.s + 1, choice.n - 1};
    QN_TRY(encode(e, s, choice));
    if (out->from < 1 || (int64_t)e->ids.n - out->begin == out->from)
        return nothing();
    return fit(e, s->context + 1, out);
}

static int fit_prompt(qn_encoder *e, const qn_scorer *s, int64_t max, qn_encoded *out) {
    out->from = (int64_t)e->ids.n - out->begin;
    if (out->from < 1)
        return qn_fail(QN_EINVAL, "the prompt is empty, and no token begins a text of this model");
    QN_TRY(fit(e, QN_MAX(1, s->context - max), out));
    out->from = out->n;
    return 0;
}

int qn_encode_prompt(qn_encoder *e, const qn_scorer *s, qn_str prompt, int64_t max, qn_encoded *out) {
    *out = (qn_encoded){.begin = (int64_t)e->ids.n};
    if (prompt.n == 0 && s->prefix >= 0)
        QN_TRY(qn_ids_push(&e->ids, s->prefix));
    else
        QN_TRY(begin(e, s));
    QN_TRY(encode(e, s, prompt));
    return fit_prompt(e, s, max, out);
}

int qn_encode_chat_prompt(qn_encoder *e, const qn_scorer *s, qn_str messages, int64_t max, qn_encoded *out) {
    *out = (qn_encoded){.begin = (int64_t)e->ids.n};
    QN_TRY(s->render(s->chat, messages, &e->ids));
    return fit_prompt(e, s, max, out);
}
