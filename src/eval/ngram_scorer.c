/* eval/ngram_scorer.c — an n-gram table as a scorer. */
#include "eval/baselines.h"

#include <string.h>

#include "base/file.h"
#include "infer/stop.h"
#include "model/model.h"
#include "num/math.h"

enum { CONTEXT = 1 << 16 };             /* more than any task has; a table looks back over a few tokens only */

typedef struct {
    const qn_ngram *g;
    const qn_tok *tok;
    int64_t vocab;
    double *p;                          /* [vocab] */
    qn_ids ids;                         /* of an answer that grows */
    qn_buf text;
} scorer;

/* ---- a folder ---- */

bool qn_ngram_model_is(const char *dir) {
    qn_buf path = {0};
    const bool there = qn_path_join(&path, dir, QN_NGRAM_FILE) >= 0 && qn_is_file(path.s);
    qn_buf_drop(&path);
    return there;
}

int qn_ngram_model_open(qn_ngram_model *m, const char *dir) {
    qn_buf path = {0};
    qn_ngram_info info;
    int rc;
    *m = (qn_ngram_model){0};
    QN_TRY_OUT(qn_path_join(&path, dir, QN_NGRAM_FILE));
    QN_TRY_OUT(qn_ngram_open(&m->g, path.s));
    QN_TRY_OUT(qn_path_join(&path, dir, "tokenizer.json"));
    QN_TRY_OUT(qn_model_tokenizer(&m->tok, path.s));
    qn_ngram_info_get(m->g, &info);
    if (qn_tok_size(m->tok) != info.vocab)
        rc = qn_fail(QN_EFORMAT, "%s: its tokenizer has %d ids, " QN_NGRAM_FILE " was counted with %lld; count again "
                     "with `quern train ngram`", dir, (int)qn_tok_size(m->tok), (long long)info.vocab);
out:
    qn_buf_drop(&path);
    if (rc < 0)
        qn_ngram_model_drop(m);
    return rc;
}

void qn_ngram_model_drop(qn_ngram_model *m) {
    qn_ngram_free(m->g);
    qn_tok_free(m->tok);
    *m = (qn_ngram_model){0};
}

/* ---- requests ---- */

static int check(const scorer *s, const int32_t *ids, int64_t n) {
    if (n < 1 || n > CONTEXT + 1)
        return qn_fail(n < 1 ? QN_EINVAL : QN_ECONTEXT, "a request of %lld tokens, 1 … %d are possible", (long long)n,
                       CONTEXT + 1);
    for (int64_t i = 0; i < n; i++)
        if (ids[i] < 0 || ids[i] >= s->vocab)
            return qn_fail(QN_EINVAL, "token id %d is outside the vocabulary of %lld", (int)ids[i],
                           (long long)s->vocab);
    return 0;
}

/* Tokens in front that only say that a text begins: the table knows that without them. */
static int64_t in_front(const scorer *s, const int32_t *ids) {
    const bool mark = ids[0] == qn_tok_bos(s->tok) || ids[0] == qn_tok_eos(s->tok);
    return mark && !qn_tok_adds(s->tok, ids[0]);
}

/* The likeliest next token, the lowest id among equals. */
static int32_t likeliest(const scorer *s, const int32_t *ids, int64_t n) {
    int64_t best = 0;
    qn_ngram_distribution(s->g, ids, n, s->p);
    for (int64_t w = 1; w < s->vocab; w++)
        best = s->p[w] > s->p[best] ? w : best;
    return (int32_t)best;
}

static int score(void *self, const qn_score_request *r, int64_t n, qn_score *out) {
    scorer *s = self;
    for (int64_t i = 0; i < n; i++) {
        QN_TRY(check(s, r[i].ids, r[i].n));
        if (r[i].from < 1 || r[i].from >= r[i].n)
            return qn_fail(QN_EINVAL, "a request of %lld tokens, of which those from %lld on are asked for",
                           (long long)r[i].n, (long long)r[i].from);
        const int64_t front = in_front(s, r[i].ids);
        const int32_t *ids = r[i].ids + front;
        out[i] = (qn_score){.greedy = true};
        for (int64_t k = r[i].from - front; k < r[i].n - front; k++) {
            out[i].greedy = out[i].greedy && likeliest(s, ids, k) == ids[k];
            out[i].logprob += qn_ln(qn_ngram_prob(s->g, ids, k, ids[k]));
        }
    }
    return 0;
}

static int each(void *self, const int32_t *ids, int64_t n, double *logprob) {
    const scorer *s = self;
    QN_TRY(check(s, ids, n));
    const int64_t front = in_front(s, ids);
    logprob[0] = 0;
    for (int64_t k = front; k < n; k++)
        logprob[k] = qn_ln(qn_ngram_prob(s->g, ids + front, k - front, ids[k]));
    return 0;
}

/* ---- writing ---- */

/* Puts what became certain behind the answer. 1: a stop string begins there. */
static int add_text(scorer *s, qn_stopper *stopper, qn_generated *out) {
    size_t ready;
    const int stopped = qn_stopper_push(stopper, qn_buf_view(&s->text), &ready);
    QN_TRY(stopped);
    QN_TRY(qn_buf_put(&out->text, stopper->held.s, ready));
    qn_stopper_give(stopper, ready);
    return stopped;
}

static int write_tokens(scorer *s, const qn_generate_request *r, qn_stopper *stopper, qn_generated *out) {
    qn_detok detok;
    int stopped = 0;
    qn_detok_init(&detok, s->tok, QN_TOK_SKIP_SPECIAL);
    while (out->tokens < r->max && (int64_t)s->ids.n <= CONTEXT && !out->ended) {
        const int64_t n = (int64_t)s->ids.n, front = in_front(s, s->ids.v);
        const int32_t next = likeliest(s, s->ids.v + front, n - front);
        out->tokens++;
        out->logprob += qn_ln(s->p[next]);
        out->ended = next == qn_tok_eos(s->tok);
        if (out->ended)
            break;
        QN_TRY(qn_ids_push(&s->ids, next));
        qn_buf_clear(&s->text);
        QN_TRY(qn_detok_push(&detok, next, &s->text));
        stopped = add_text(s, stopper, out);
        QN_TRY(stopped);
        out->ended = stopped != 0;
    }
    if (stopped)
        return 0;
    qn_buf_clear(&s->text);
    QN_TRY(qn_detok_flush(&detok, &s->text));
    stopped = add_text(s, stopper, out);
    QN_TRY(stopped);
    out->ended = out->ended || stopped;
    return stopped ? 0 : qn_buf_put(&out->text, stopper->held.s, stopper->held.n);
}

static int generate(void *self, const qn_generate_request *r, int64_t n, qn_generated *out) {
    scorer *s = self;
    for (int64_t i = 0; i < n; i++) {
        qn_stopper stopper;
        QN_TRY(check(s, r[i].ids, r[i].n));
        qn_ids_clear(&s->ids);
        for (int64_t k = 0; k < r[i].n; k++)
            QN_TRY(qn_ids_push(&s->ids, r[i].ids[k]));
        qn_buf_clear(&out[i].text);
        out[i] = (qn_generated){.text = out[i].text};
        qn_stopper_init(&stopper, r[i].stop, r[i].stops);
        const int rc = write_tokens(s, &r[i], &stopper, &out[i]);
        qn_stopper_drop(&stopper);
        QN_TRY(rc);
    }
    return 0;
}

/* ---- life ---- */

void qn_ngram_scorer_drop(qn_scorer *out) {
    scorer *s = out->self;
    if (s) {
        qn_free(s->p);
        qn_ids_drop(&s->ids);
        qn_buf_drop(&s->text);
        qn_free(s);
    }
    *out = (qn_scorer){0};
}

int qn_ngram_scorer_init(qn_scorer *out, const char *name, const qn_ngram *g, const qn_tok *tok) {
    qn_ngram_info info;
    scorer *s = qn_zalloc(QN_MEM_SESSION, 1, sizeof *s);
    *out = (qn_scorer){0};
    if (!s)
        return QN_ENOMEM;
    qn_ngram_info_get(g, &info);
    *out = (qn_scorer){
        .name = name, .tok = tok, .context = CONTEXT, .self = s,
        .prefix = qn_tok_bos(tok) >= 0 ? qn_tok_bos(tok) : qn_tok_eos(tok),
        .score = score, .generate = generate, .each = each,
    };
    *s = (scorer){.g = g, .tok = tok, .vocab = info.vocab};
    s->p = qn_alloc(QN_MEM_SESSION, (size_t)info.vocab * sizeof *s->p);
    if (!s->p) {
        qn_ngram_scorer_drop(out);
        return QN_ENOMEM;
    }
    return 0;
}
