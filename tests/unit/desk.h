/* tests/unit/desk.h — a tiny model with a tiny tokenizer, a session, a prompt, and an answer that is kept: for tests of
 * generation. */
#ifndef QN_TESTS_UNIT_DESK_H
#define QN_TESTS_UNIT_DESK_H

#include "infer/generate.h"
#include "tiny_model.h"

enum { V = 96, MAX_ANSWER = 128, PROMPT = 30 };

/* ---- a vocabulary: <s>, </s>, <unk>, a blank, '!' … '{', and the two bytes of é ---- */

static const char *const *vocabulary(void) {
    static char text[V][8];
    static const char *token[V];
    for (int i = 0; i < V; i++) {
        snprintf(text[i], sizeof text[i], "%c", i < 4 ? '-' : i + 29);
        token[i] = text[i];
    }
    token[0] = "<s>";
    token[1] = "</s>";
    token[2] = "<unk>";
    token[3] = "\xc4\xa0";                      /* how byte-level BPE spells a blank */
    token[V - 2] = "\xc3\x83";                  /* byte c3 */
    token[V - 1] = "\xc2\xa9";                  /* byte a9 */
    return token;
}

static int32_t types[V];

typedef struct { qn_model *m; qn_tok *tok; qn_session *s; qn_ids held, prompt; } desk;

/* The vocabulary is put into the spec. */
QN_UNUSED static tiny_spec with_words(tiny_spec spec) {
    for (int i = 0; i < V; i++)
        types[i] = i < 2 ? QN_TOKEN_CONTROL : i == 2 ? QN_TOKEN_UNKNOWN : types[i] ? types[i] : QN_TOKEN_NORMAL;
    spec.tokens = vocabulary();
    spec.types = types;
    return spec;
}

QN_UNUSED static void init(desk *d, int64_t context, const atomic_bool *cancel) {
    const tiny_spec spec = with_words(TINY);
    const qn_session_options o = {.context = context, .sequences = 2, .kv = -1, .cancel = cancel};
    *d = (desk){0};
    d->m = tiny_model(&spec, &d->tok);
    d->m->cfg.n_eos = 0;                        /* tests that want an end say which */
    CHECK_OK(qn_session_new(&d->s, d->m, qn_kernels_at(qn_test_isa()), NULL, &o));
    for (int i = 0; i < PROMPT; i++)
        CHECK_OK(qn_ids_push(&d->prompt, 3 + (i * 37 + 5) % 91));
}

QN_UNUSED static void drop(desk *d) {
    qn_session_free(d->s);
    qn_tok_free(d->tok);
    qn_model_free(d->m);
    qn_ids_drop(&d->held);
    qn_ids_drop(&d->prompt);
    memset(types, 0, sizeof types);
}

/* ---- one answer, kept ---- */

typedef struct {
    qn_generate_result r;
    int32_t id[MAX_ANSWER];
    float logprob[MAX_ANSWER];
    qn_logprob top[MAX_ANSWER][4];
    int n;                                      /* events with a token */
    int events;
    char text[4096];
    size_t length;
    int stop_at, code;                          /* at this event the callback returns code */
    atomic_bool *cancel;                        /* … or sets this */
} answer;

QN_UNUSED static int on_token(void *arg, const qn_token_event *e) {
    answer *a = arg;
    CHECK(a->length + e->text.n < sizeof a->text && a->n < MAX_ANSWER);
    CHECK(qn_utf8_check(e->text.s ? e->text.s : "", e->text.n) == QN_UTF8_OK, "an event holds whole characters");
    memcpy(a->text + a->length, e->text.s ? e->text.s : "", e->text.n);
    a->text[a->length += e->text.n] = 0;
    if (e->id >= 0) {
        a->logprob[a->n] = e->logprob;
        for (int64_t i = 0; i < e->n_top && i < 4; i++)
            a->top[a->n][i] = e->top[i];
        a->id[a->n++] = e->id;
    }
    if (++a->events != a->stop_at)
        return 0;
    if (a->cancel)
        atomic_store(a->cancel, true);
    return a->code;
}

QN_UNUSED static qn_generate_options options(int64_t max_new) {
    qn_generate_options o = qn_generate_options_default();
    o.max_new = max_new;
    return o;
}

QN_UNUSED static int generate(desk *d, const qn_generate_options *o, answer *a) {
    const int rc = qn_generate(d->s, d->tok, 0, &d->held, &d->prompt, o, on_token, a, &a->r);
    CHECK_INT(d->held.n, qn_session_length(d->s, 0), "held is what the sequence holds");
    return rc;
}

#endif
