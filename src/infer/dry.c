/* infer/dry.c — DRY: a token that would go on as the text did before is less likely, the more so the longer that has
 * been going on.
 *
 *     text   … a b c X … a b c ?      the end stood there before: X loses multiplier · base^(3 − allowed)
 *
 * How long the end of the text agrees with what ends at each earlier place is the Z function of the text read
 * backwards: r[0] is the last token, z[k] how far r and r[k …] agree, and r[k − 1] is the token that came then. Time is
 * linear in the text, as in llama.cpp. */
#include "infer/sampler_impl.h"

#include "num/math.h"

static void z_function(const int32_t *last, int64_t n, int32_t *z) {
    int64_t from = 0, to = 0;                   /* r[from … to) agrees with r[0 … to − from) */
    for (int64_t k = 1; k < n; k++) {
        int64_t len = k < to ? QN_MIN(to - k, z[k - from]) : 0;
        while (k + len < n && last[-len] == last[-(k + len)])
            len++;
        z[k] = (int32_t)len;
        if (k + len > to) {
            from = k;
            to = k + len;
        }
    }
}

static bool breaks(const qn_sampler *s, int32_t id) {
    return s->o.dry_breaks && s->o.dry_breaks[id / 64] >> (id % 64) & 1;
}

void qn_sampler_dry(qn_sampler *s) {
    const qn_sampler_options *o = &s->o;
    const int64_t n = o->dry_last < 0 ? (int64_t)s->n_seen : QN_MIN(o->dry_last, (int64_t)s->n_seen);
    if (n < 2)
        return;
    const int32_t *last = s->seen + s->n_seen - 1;
    int64_t longest = 0;                        /* no repetition runs across a token that breaks it */
    while (longest < n && !breaks(s, last[-longest]))
        longest++;
    if (longest < o->dry_allowed)
        return;
    z_function(last, n, s->z);
    for (int64_t k = 1; k < n; k++) {
        int32_t *repeat = &s->repeat[last[1 - k]];
        *repeat = (int32_t)QN_MAX(*repeat, QN_MIN(s->z[k], longest));
    }
    for (int64_t k = 1; k < n; k++) {
        const int32_t id = last[1 - k], repeat = s->repeat[id];
        s->repeat[id] = 0;
        if (repeat >= o->dry_allowed)           /* no more than a float can hold, for it would become no number */
            s->p[id] -= (float)QN_MIN(o->dry_multiplier * qn_pow(o->dry_base, (double)(repeat - o->dry_allowed)),
                                      1e30);
    }
}

static bool holds(qn_str text, const qn_str *texts, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        for (size_t at = 0; texts[i].n > 0 && at + texts[i].n <= text.n; at++)
            if (qn_str_eq((qn_str){text.s + at, texts[i].n}, texts[i]))
                return true;
    return false;
}

void qn_dry_breaks(const qn_tok *t, int64_t V, const qn_str *texts, int64_t n, uint64_t *bits) {
    static const qn_str usual[] = {{"\n", 1}, {":", 1}, {"\"", 1}, {"*", 1}};
    if (n == 0) {
        texts = usual;
        n = (int64_t)QN_LEN(usual);
    }
    for (int64_t w = 0; w * 64 < V; w++)
        bits[w] = 0;
    for (int32_t id = 0; id < V; id++)
        if (holds(qn_tok_piece(t, id), texts, n))
            bits[id / 64] |= (uint64_t)1 << (id % 64);
}

int qn_dry_breaks_new(uint64_t **out, const qn_tok *t, int64_t V, const qn_str *texts, int64_t n) {
    *out = qn_alloc(QN_MEM_SESSION, ((size_t)V + 63) / 64 * sizeof **out);
    if (!*out)
        return QN_ENOMEM;
    qn_dry_breaks(t, V, texts, n, *out);
    return 0;
}
