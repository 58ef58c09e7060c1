/* eval/held_out.c — the loss of any scorer over a split of prepared data.
 *
 *     document   ├──────────── window ────────────┤            tokens that count in each window: ═
 *                 ════════════════════════════════
 *                                ├──────────── window ────────────┤
 *                                                  ════════════════
 */
#include "eval/baselines.h"

#include <math.h>

#include "num/math.h"

typedef struct {
    const qn_scorer *s;
    const qn_dataset *d;
    qn_split split;
    int32_t *ids;                       /* [room] */
    double *logprob;                    /* [room] */
    double sum, of_text;
    int64_t room;
} walker;

/* Takes the tokens from `from` on of the window that begins at `at`; `told`: the scorer knows the first one too. */
static void add_up(walker *w, int64_t n, int64_t from, qn_held_out *out) {
    const uint16_t *bytes = qn_dataset_token_bytes(w->d);
    for (int64_t i = from; i < n; i++) {
        w->sum -= w->logprob[i];
        w->of_text -= bytes[w->ids[i]] ? w->logprob[i] : 0;
        out->bytes += bytes[w->ids[i]];
        out->tokens++;
    }
}

/* The first token counts where the scorer says something of it; elsewhere neither it nor its bytes do. */
static int add_document(walker *w, int64_t first, int64_t n, qn_held_out *out) {
    for (int64_t at = 0, done = 0; done < n;) {
        const int64_t part = QN_MIN(n - at, w->room);
        QN_TRY(qn_dataset_read(w->d, w->split, first + at, part, w->ids));
        QN_TRY(w->s->each(w->s->self, w->ids, part, w->logprob));
        add_up(w, part, done == 0 ? w->logprob[0] == 0 : done - at, out);
        done = at + part;
        at = QN_MAX(at + 1, done - w->room / 2);
    }
    return 0;
}

static int walk(walker *w, int64_t most, qn_scorer_progress_fn *progress, void *arg, qn_held_out *out) {
    const qn_split_info info = qn_dataset_info(w->d, w->split);
    const int64_t all = most > 0 ? QN_MIN(most, info.tokens) : info.tokens;
    for (int64_t i = 0, seen = 0; i < info.documents && seen < all; i++) {
        int64_t from, n;
        qn_dataset_document(w->d, w->split, i, &from, &n);
        QN_TRY(add_document(w, from, n, out));
        seen += n;
        if (progress)
            QN_TRY(progress(arg, QN_MIN(seen, all), all));
    }
    out->loss = out->tokens ? w->sum / (double)out->tokens : 0;
    out->bits_per_byte = out->bytes ? w->of_text / ((double)out->bytes * qn_ln(2)) : NAN;
    return 0;
}

int qn_eval_held_out(const qn_scorer *s, const qn_dataset *d, qn_split split, int64_t max_tokens,
                     qn_scorer_progress_fn *progress, void *arg, qn_held_out *out) {
    walker w = {.s = s, .d = d, .split = split, .room = QN_MIN(s->context + 1, 4096)};
    int rc = QN_ENOMEM;
    *out = (qn_held_out){.bits_per_byte = NAN};
    w.ids = qn_alloc(QN_MEM_SCRATCH, (size_t)w.room * sizeof *w.ids);
    w.logprob = qn_alloc(QN_MEM_SCRATCH, (size_t)w.room * sizeof *w.logprob);
    if (w.ids && w.logprob)
        rc = walk(&w, max_tokens, progress, arg, out);
    qn_free(w.ids);
    qn_free(w.logprob);
    return rc;
}
