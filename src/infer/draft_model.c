/* infer/draft_model.c — guesses of a smaller model, token by token, on a session of its own.
 *
 * It draws with the sampling and the random numbers of the answer: where both models say nearly the same, so do the
 * draws, at any temperature. Penalties count the tokens of the text, not those guessed since. */
#include "infer/draft.h"

#include <math.h>
#include <string.h>

typedef struct {
    qn_drafter base;
    qn_session *s;
    int64_t V, own_V;               /* of the model drafted for, of this one */
    float *wide;                    /* [V] its logits, −inf behind them; NULL where they are as many or more */
    qn_ids held;                    /* what sequence 0 holds */
    /* of one guess */
    qn_sampler *sampler;
    int64_t ahead;
    int32_t id;
} model_drafter;

static int on_logits(void *arg, int64_t feed, int64_t i, const float *logits) {
    model_drafter *d = arg;
    (void)feed, (void)i;
    if (d->wide)
        memcpy(d->wide, logits, (size_t)d->own_V * sizeof *logits);
    return qn_sampler_guess(d->sampler, d->wide ? d->wide : logits, d->ahead, &d->id);
}

static int feed(model_drafter *d, const int32_t *tokens, int64_t n) {
    const qn_feed f = {0, tokens, n, QN_LOGITS_LAST};
    QN_TRY(qn_session_feed(d->s, &f, 1, on_logits, d));
    for (int64_t i = 0; i < n; i++)
        QN_TRY(qn_ids_push(&d->held, tokens[i]));
    return 0;
}

/* Keeps what the session and the text have in common, without the text's last token: its logits are wanted. False where
 * the rest cannot be fed. */
static bool follow(model_drafter *d, const qn_ids *text) {
    size_t same = 0;
    while (same < QN_MIN(d->held.n, text->n - 1) && d->held.v[same] == text->v[same])
        same++;
    for (size_t i = same; i < text->n; i++)
        if (text->v[i] >= d->own_V)
            return false;
    d->held.n = same;
    qn_session_truncate(d->s, 0, (int64_t)same);
    return (int64_t)text->n <= qn_session_context(d->s);
}

static int guess(qn_drafter *base, const qn_ids *text, qn_sampler *sampler, int64_t most, int32_t *out) {
    model_drafter *d = (model_drafter *)base;
    d->sampler = sampler;
    d->ahead = 0;
    if (most < 1 || !follow(d, text))
        return 0;
    const int64_t room = qn_session_context(d->s) - (int64_t)text->n + 1;
    QN_TRY(feed(d, text->v + d->held.n, (int64_t)(text->n - d->held.n)));
    for (;;) {
        out[d->ahead++] = d->id;
        if (d->ahead == QN_MIN(most, room) || d->id >= d->own_V)
            return (int)d->ahead;
        QN_TRY(feed(d, &out[d->ahead - 1], 1));
    }
}

static void drop(qn_drafter *base) {
    model_drafter *d = (model_drafter *)base;
    qn_free(d->wide);
    qn_ids_drop(&d->held);
}

int qn_draft_model_new(qn_drafter **out, qn_session *s, int64_t V) {
    *out = NULL;
    model_drafter *d = qn_zalloc(QN_MEM_SESSION, 1, sizeof *d);
    if (!d)
        return QN_ENOMEM;
    *d = (model_drafter){.base = {guess, drop}, .s = s, .V = V, .own_V = qn_session_vocabulary(s)};
    if (d->own_V < V) {
        d->wide = qn_alloc(QN_MEM_SESSION, (size_t)V * sizeof *d->wide);
        if (!d->wide) {
            qn_free(d);
            return QN_ENOMEM;
        }
        for (int64_t i = d->own_V; i < V; i++)
            d->wide[i] = -INFINITY;
    }
    *out = &d->base;
    return 0;
}
