/* eval/verify_ids.c — which tokens both models are fed with, and whether their tokenizers are one.
 *
 *     text 0 │ text 1 │ …       each cut into sequences of ctx tokens; a BOS before each, where the tokenizer adds one
 *     ids drawn by the seed     every id alike: rows of the embedding that no text meets
 */
#include "eval/verify.h"

enum { CTX = 256, TOKENS = 2048, DRAWN = 8, DRAWN_IDS = 32 };

/* ---- tokenizers ---- */

static int differ_at(const qn_verify_side *a, const qn_verify_side *b, int32_t id) {
    const bool in_a = qn_tok_type(a->tok, id) != QN_TOKEN_HOLE, in_b = qn_tok_type(b->tok, id) != QN_TOKEN_HOLE;
    const qn_str x = qn_tok_text(a->tok, id), y = qn_tok_text(b->tok, id);
    if (in_a && in_b && qn_str_eq(x, y))
        return qn_fail(QN_EDIFFER, "different tokenizers: id %d, \"%.*s\", is a special token in %s and text in %s; "
                       "logits are compared of one vocabulary only", id, QN_STR_ARG(x),
                       qn_tok_is_special(a->tok, id) ? a->name : b->name,
                       qn_tok_is_special(a->tok, id) ? b->name : a->name);
    return qn_fail(QN_EDIFFER, "different tokenizers: id %d is %s%.*s%s in %s and %s%.*s%s in %s; logits are compared "
                   "of one vocabulary only", id, in_a ? "\"" : "nothing", QN_STR_ARG(x), in_a ? "\"" : "", a->name,
                   in_b ? "\"" : "nothing", QN_STR_ARG(y), in_b ? "\"" : "", b->name);
}

static bool same_ends(const qn_config *x, const qn_config *y) {
    bool same = x->n_eos == y->n_eos;
    for (int64_t i = 0; i < x->n_eos && same; i++) {
        bool there = false;
        for (int64_t k = 0; k < y->n_eos; k++)
            there = there || x->eos[i] == y->eos[k];
        same = there;
    }
    return same;
}

static bool adds(const qn_verify_side *s, int32_t id) { return id >= 0 && qn_tok_adds(s->tok, id); }

/* The same token in the same places; or one side names one, as config.json does where the tokenizer does not, and puts
 * it nowhere. */
static bool same_token(const qn_verify_side *a, int32_t x, const qn_verify_side *b, int32_t y) {
    return (x == y || x < 0 || y < 0) && adds(a, x) == adds(b, y);
}

/* What differs, or NULL. */
static const char *other_special(const qn_verify_side *a, const qn_verify_side *b) {
    if (!same_token(a, qn_tok_bos(a->tok), b, qn_tok_bos(b->tok)))
        return "BOS";
    if (!same_token(a, qn_tok_eos(a->tok), b, qn_tok_eos(b->tok)))
        return "EOS";
    return same_ends(&qn_session_model(a->session)->cfg, &qn_session_model(b->session)->cfg) ? NULL
                                                                                             : "what ends an answer";
}

int qn_verify_tokenizers(const qn_verify_side *a, const qn_verify_side *b, qn_verify_result *r) {
    const int32_t n = QN_MAX(qn_tok_size(a->tok), qn_tok_size(b->tok));
    const int32_t id = qn_tok_first_other(a->tok, b->tok, n, true);
    if (id >= 0)
        return differ_at(a, b, id);
    r->ids = n;
    r->other_special = other_special(a, b);
    r->specials_equal = !r->other_special;
    r->template_equal = (a->chat_template.s != NULL) == (b->chat_template.s != NULL) &&
                        qn_str_eq(a->chat_template, b->chat_template);
    return 0;
}

/* ---- texts ---- */

/* Vocabularies that are equal may still cut words in other places: merges, pre-tokenizers. */
static int encode(const qn_verify_side *a, const qn_verify_side *b, const char *text, size_t n, qn_ids *ids) {
    qn_ids other = {0};
    int rc;
    qn_ids_clear(ids);
    QN_TRY_OUT(qn_tok_encode(a->tok, text, n, QN_TOK_PLAIN, ids));
    QN_TRY_OUT(qn_tok_encode(b->tok, text, n, QN_TOK_PLAIN, &other));
    size_t at = 0;
    while (at < ids->n && at < other.n && ids->v[at] == other.v[at])
        at++;
    if (at < ids->n || at < other.n) {
        const qn_str x = at < ids->n ? qn_tok_text(a->tok, ids->v[at]) : (qn_str){0};
        const qn_str y = at < other.n ? qn_tok_text(b->tok, other.v[at]) : (qn_str){0};
        rc = qn_fail(QN_EDIFFER, "different tokenizers: token %zu of a text is %d \"%.*s\" in %s and %d \"%.*s\" in %s",
                     at, at < ids->n ? ids->v[at] : -1, QN_STR_ARG(x), a->name, at < other.n ? other.v[at] : -1,
                     QN_STR_ARG(y), b->name);
    }
out:
    qn_ids_drop(&other);
    return rc;
}

static int push_span(qn_verify_ids *v, bool text) {
    QN_TRY(QN_GROW(QN_MEM_BASE, v->span, v->cap, v->n + 1));
    v->span[v->n++] = (qn_verify_span){.begin = (int64_t)v->ids.n, .text = text};
    return 0;
}

static int push(qn_verify_ids *v, int32_t id) {
    QN_TRY(qn_ids_push(&v->ids, id));
    v->span[v->n - 1].n++;
    return 0;
}

/* The first `most` ids as sequences; a last one that predicts nothing is left out. */
static int add_text(qn_verify_ids *v, const qn_verify_side *a, const qn_ids *ids, int64_t most, int64_t ctx) {
    const int32_t bos = qn_tok_bos(a->tok);
    const bool adds = bos >= 0 && qn_tok_adds(a->tok, bos);
    const int64_t n = QN_MIN((int64_t)ids->n, most), each = ctx - adds;
    for (int64_t at = 0; at < n; at += each) {
        const int64_t m = QN_MIN(each, n - at);
        if (m + adds < 2)
            break;
        QN_TRY(push_span(v, true));
        if (adds)
            QN_TRY(push(v, bos));
        for (int64_t i = 0; i < m; i++)
            QN_TRY(push(v, ids->v[at + i]));
    }
    return 0;
}

static int add_texts(qn_verify_ids *v, const qn_verify_side *a, const qn_verify_side *b, const qn_verify_options *o,
                     int64_t ctx) {
    const int64_t most = o->tokens > 0 ? o->tokens : TOKENS;
    qn_ids ids = {0};
    int64_t texts = 0;
    int rc = 0;
    while (qn_verify_texts[texts])
        texts++;
    if (o->text) {
        QN_TRY_OUT(encode(a, b, o->text, o->n, &ids));
        rc = add_text(v, a, &ids, most, ctx);
        goto out;
    }
    for (int64_t i = 0; i < texts; i++) {
        const qn_str text = qn_str_of(qn_verify_texts[i]);
        QN_TRY_OUT(encode(a, b, text.s, text.n, &ids));
        QN_TRY_OUT(add_text(v, a, &ids, QN_MAX(2, most / texts), ctx));
    }
out:
    qn_ids_drop(&ids);
    return rc;
}

/* Ids of the whole vocabulary, holes left out. */
static int add_drawn(qn_verify_ids *v, const qn_verify_side *a, const qn_verify_options *o, int64_t ctx) {
    const int64_t sequences = o->drawn == 0 ? DRAWN : QN_MAX(o->drawn, 0), n = QN_MIN(DRAWN_IDS, ctx);
    const uint64_t size = (uint64_t)qn_tok_size(a->tok);
    for (int64_t s = 0; s < sequences; s++) {
        QN_TRY(push_span(v, false));
        for (int64_t i = 0; i < n; i++) {
            const int32_t id = (int32_t)(qn_rng_u64(o->seed, QN_RNG_SAMPLE, (uint64_t)s, (uint64_t)i) % size);
            QN_TRY(push(v, qn_tok_type(a->tok, id) == QN_TOKEN_HOLE ? 0 : id));
        }
    }
    return 0;
}

static int check_rows(const qn_verify_ids *v, const qn_verify_side *s) {
    const int64_t V = qn_session_vocabulary(s->session);
    for (size_t i = 0; i < v->ids.n; i++)
        if (v->ids.v[i] >= V)
            return qn_fail(QN_ESHAPE, "%s: the tokenizer gives id %d, but the weights have %lld rows", s->name,
                           v->ids.v[i], (long long)V);
    return 0;
}

int qn_verify_ids_make(qn_verify_ids *v, const qn_verify_side *a, const qn_verify_side *b, const qn_verify_options *o,
                       qn_verify_result *r) {
    const int64_t most = QN_MIN(qn_session_context(a->session), qn_session_context(b->session));
    const int64_t ctx = o->ctx > 0 ? o->ctx : QN_MIN(CTX, most);
    if (ctx < 2 || ctx > most)
        return qn_fail(ctx < 2 ? QN_EINVAL : QN_ECONTEXT, "sequences of %lld tokens: 2 to %lld fit into both sessions",
                       (long long)ctx, (long long)most);
    QN_TRY(add_texts(v, a, b, o, ctx));
    if (v->n == 0)
        return qn_fail(QN_EINVAL, "the text has fewer than two tokens: nothing can be predicted in it");
    r->tokens = (int64_t)v->ids.n;
    QN_TRY(add_drawn(v, a, o, ctx));
    QN_TRY(check_rows(v, a));
    QN_TRY(check_rows(v, b));
    r->drawn = (int64_t)v->ids.n - r->tokens;
    r->ctx = ctx;
    r->sequences = (int64_t)v->n;
    r->own_text = o->text != NULL;
    r->seed = o->seed;
    r->fingerprint = qn_hash_bytes(v->ids.v, v->ids.n * sizeof *v->ids.v, (uint64_t)v->n);
    return 0;
}

void qn_verify_ids_drop(qn_verify_ids *v) {
    qn_ids_drop(&v->ids);
    qn_free(v->span);
    *v = (qn_verify_ids){0};
}
