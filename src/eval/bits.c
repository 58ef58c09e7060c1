/* eval/bits.c — losses of tokens divided among the spans of a text. */
#include "eval/bits.h"

#include <math.h>

#include "eval/baselines.h"
#include "num/math.h"

int qn_bits_init(qn_bits_counter *b, const qn_scorer *s) {
    *b = (qn_bits_counter){.s = s};
    if (!s->each)
        return qn_fail(QN_EUNSUPPORTED, "%s gives texts no probability: bits cannot be counted of it", s->name);
    return 0;
}

void qn_bits_drop(qn_bits_counter *b) {
    qn_ids_drop(&b->ids);
    qn_free(b->logprob);
    qn_free(b->end);
    *b = (qn_bits_counter){0};
}

double qn_bits_excess(const qn_bits_sum *s) {
    return s->bytes > 0 ? (s->model - s->floor) / (double)s->bytes : NAN;
}

int qn_bits_check(qn_str text, const qn_bits_span *span, int64_t n) {
    int64_t at = 0;
    for (int64_t i = 0; i < n; i++) {
        const qn_bits_span *s = &span[i];
        if (s->begin != at || s->end < at || s->kind < 0 || s->kind >= QN_BITS_KINDS || s->group >= QN_BITS_GROUPS)
            return qn_fail(QN_EFORMAT, "span %lld is of bytes %lld … %lld, and %lld is where it should begin",
                           (long long)i, (long long)s->begin, (long long)s->end, (long long)at);
        at = s->end;
    }
    return at == (int64_t)text.n ? 0 : qn_fail(QN_EFORMAT, "the spans end at byte %lld, the text at %zu",
                                               (long long)at, text.n);
}

/* ---- sums ---- */

static void add_to(qn_bits_sum *sum, const qn_bits_span *s, double model) {
    sum->spans++;
    sum->bytes += s->end - s->begin;
    sum->floor += s->floor;
    sum->model += model;
}

static void add_span(qn_bits_result *r, const qn_bits_span *s, double model) {
    add_to(&r->kind[s->kind], s, model);
    if (s->group >= 0)
        add_to(&r->group[s->group], s, model);
    add_to(&r->all, s, model);
}

void qn_bits_add_bytes(qn_bits_result *r, const double *bits, const qn_bits_span *span, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        double model = 0;
        for (int64_t at = span[i].begin; at < span[i].end; at++)
            model += bits[at];
        add_span(r, &span[i], model);
    }
    r->documents++;
}

/* ---- tokens ---- */

/* Where the bytes of each token end. Tokens without bytes (BOS) stand where they are. */
static int place_tokens(qn_bits_counter *b, qn_str text) {
    int64_t at = 0;
    QN_TRY(QN_GROW(QN_MEM_SCRATCH, b->end, b->cap_end, b->ids.n));
    for (size_t i = 0; i < b->ids.n; i++) {
        if (!qn_tok_is_special(b->s->tok, b->ids.v[i]))
            at += (int64_t)qn_tok_piece(b->s->tok, b->ids.v[i]).n;
        b->end[i] = at;
    }
    return at == (int64_t)text.n ? 0 : qn_fail(QN_EFORMAT, "the tokens of a text are %lld bytes, the text has %zu: a "
                                               "tokenizer that normalizes cannot say what each byte costs",
                                               (long long)at, text.n);
}

/* How many tokens at the start the scorer does not know, and where their bytes end. */
static int64_t unknown_bytes(const qn_bits_counter *b) {
    return b->ids.n > 0 && b->logprob[0] == 0 ? b->end[0] : 0;
}

/* Each span's share of the tokens that reach into it. */
static void divide(qn_bits_counter *b, const qn_bits_span *span, int64_t n) {
    const int64_t skip = unknown_bytes(b);
    size_t token = 0;
    for (int64_t i = 0; i < n; i++) {
        const qn_bits_span *s = &span[i];
        double model = 0;
        while (token < b->ids.n && b->end[token] <= s->begin)
            token++;
        for (size_t t = token; t < b->ids.n; t++) {
            const int64_t from = t ? b->end[t - 1] : 0, to = b->end[t];
            const int64_t shared = QN_MIN(to, s->end) - QN_MAX(from, s->begin);
            if (from >= s->end)
                break;
            if (shared > 0)
                model -= b->logprob[t] * (double)shared / (double)(to - from);
        }
        if (s->begin < skip)
            add_to(&b->r.unseen, s, 0);
        else
            add_span(&b->r, s, model / qn_ln(2));
    }
}

int qn_bits_add(qn_bits_counter *b, qn_str text, const qn_bits_span *span, int64_t n) {
    QN_TRY(qn_bits_check(text, span, n));
    qn_ids_clear(&b->ids);
    QN_TRY(qn_tok_encode(b->s->tok, text.s, text.n, QN_TOK_ADD_SPECIAL, &b->ids));
    while (b->ids.n > 0 && b->ids.v[b->ids.n - 1] == qn_tok_eos(b->s->tok))
        b->ids.n--;
    if (b->ids.n == 0)
        return 0;
    QN_TRY(place_tokens(b, text));
    QN_TRY(QN_GROW(QN_MEM_SCRATCH, b->logprob, b->cap, b->ids.n));
    QN_TRY(qn_scorer_each(b->s, b->ids.v, (int64_t)b->ids.n, b->logprob));
    divide(b, span, n);
    b->r.tokens += (int64_t)b->ids.n;
    b->r.documents++;
    return 0;
}
