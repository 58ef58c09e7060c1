/* eval/held_out.c — the loss of any scorer over documents of any length.
 *
 *     document   ├──────────── window ────────────┤            tokens that count in each window: ═
 *                 ════════════════════════════════
 *                                ├──────────── window ────────────┤
 *                                                  ════════════════
 */
#include "eval/baselines.h"

#include <math.h>
#include <string.h>

#include "num/math.h"

enum { WINDOW_MOST = 4096, DOCUMENT_MOST = 1 << 20 };

int qn_scorer_each(const qn_scorer *s, const int32_t *ids, int64_t n, double *logprob) {
    const int64_t room = QN_MIN(s->context + 1, WINDOW_MOST);
    double window[WINDOW_MOST];
    if (n <= room)
        return n > 0 ? s->each(s->self, ids, n, logprob) : 0;
    for (int64_t at = 0, done = 0; done < n;) {
        const int64_t part = QN_MIN(n - at, room);
        QN_TRY(s->each(s->self, ids + at, part, window));
        memcpy(logprob + done, window + (done - at), (size_t)(at + part - done) * sizeof *window);
        done = at + part;
        at = QN_MAX(at + 1, done - room / 2);
    }
    return 0;
}

typedef struct {
    const qn_scorer *s;
    const qn_dataset *d;
    qn_split split;
    int32_t *ids; size_t cap;
    double *logprob; size_t cap_logprob;
    double sum, of_text;
} walker;

/* The first token counts where the scorer says something of it; elsewhere neither it nor its bytes do. */
static void add_up(walker *w, int64_t n, qn_held_out *out) {
    const uint16_t *bytes = qn_dataset_token_bytes(w->d);
    for (int64_t i = n > 0 && w->logprob[0] == 0; i < n; i++) {
        w->sum -= w->logprob[i];
        w->of_text -= bytes[w->ids[i]] ? w->logprob[i] : 0;
        out->bytes += bytes[w->ids[i]];
        out->tokens++;
    }
}

static int add_document(walker *w, int64_t first, int64_t n, qn_held_out *out) {
    for (int64_t at = 0; at < n; at += DOCUMENT_MOST) {
        const int64_t part = QN_MIN(n - at, DOCUMENT_MOST);
        QN_TRY(QN_GROW(QN_MEM_SCRATCH, w->ids, w->cap, (size_t)part));
        QN_TRY(QN_GROW(QN_MEM_SCRATCH, w->logprob, w->cap_logprob, (size_t)part));
        QN_TRY(qn_dataset_read(w->d, w->split, first + at, part, w->ids));
        QN_TRY(qn_scorer_each(w->s, w->ids, part, w->logprob));
        add_up(w, part, out);
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
    walker w = {.s = s, .d = d, .split = split};
    *out = (qn_held_out){.bits_per_byte = NAN};
    const int rc = walk(&w, max_tokens, progress, arg, out);
    qn_free(w.ids);
    qn_free(w.logprob);
    return rc;
}
