/* infer/draft_ngram.c — the text repeats itself: guesses by the longest suffix that was there before.
 *
 *     … the quick brown fox … says the quick ▏          the end in common: "the quick"; guesses: brown fox … says …
 *         └───────┘└──────────┘
 *
 * What is guessed may run into the end of the text: it then goes on with itself, so that a period is followed. */
#include "infer/draft.h"

typedef struct { qn_drafter base; int64_t longest; } ngram_drafter;

/* How many tokens text[… end) and text[… n) end in alike. */
static int64_t alike(const int32_t *text, int64_t end, int64_t n, int64_t longest) {
    const int64_t most = QN_MIN(longest, end);
    int64_t same = 0;
    while (same < most && text[end - 1 - same] == text[n - 1 - same])
        same++;
    return same;
}

static int guess(qn_drafter *d, const qn_ids *text, qn_sampler *sampler, int64_t most, int32_t *out) {
    const int64_t longest = ((const ngram_drafter *)d)->longest, n = (int64_t)text->n;
    int64_t best = QN_MIN(longest, 2) - 1, at = 0;
    (void)sampler;
    for (int64_t end = n - 1; end > 0 && best < longest; end--) {
        const int64_t same = alike(text->v, end, n, longest);
        if (same > best) {
            best = same;
            at = end;
        }
    }
    if (at == 0)
        return 0;
    for (int64_t i = 0; i < most; i++)
        out[i] = at + i < n ? text->v[at + i] : out[at + i - n];
    return (int)most;
}

int qn_draft_ngram_new(qn_drafter **out, int64_t longest) {
    *out = NULL;
    if (longest < 1 || longest > QN_DRAFT_NGRAM_MAX)
        return qn_fail(QN_EINVAL, "a suffix of %lld tokens to look for; expected 1 to %d", (long long)longest,
                       QN_DRAFT_NGRAM_MAX);
    ngram_drafter *d = qn_zalloc(QN_MEM_SESSION, 1, sizeof *d);
    if (!d)
        return QN_ENOMEM;
    d->base.guess = guess;
    d->longest = longest;
    *out = &d->base;
    return 0;
}

void qn_drafter_free(qn_drafter *d) {
    if (d && d->drop)
        d->drop(d);
    qn_free(d);
}
