/* eval/verify_text.c — the statement in words: a line per figure, then what was asked for and whether it was kept. */
#include "eval/verify.h"

#include <math.h>

static int put_logits(const qn_verify_result *r, qn_buf *out) {
    QN_TRY(qn_buf_printf(out, "tokenizer       %lld ids, equal; special tokens %s%s, chat template %s\n",
                         (long long)r->ids, r->specials_equal ? "equal" : "DIFFERENT: ",
                         r->specials_equal ? "" : r->other_special,
                         r->template_equal ? "equal" : "DIFFERENT"));
    if (r->not_numbers > 0)
        QN_TRY(qn_buf_printf(out, "no numbers      in %lld rows of logits\n", (long long)r->not_numbers));
    if (r->rows > 0 && r->same_rows == r->rows)
        return qn_buf_printf(out, "logits          the same bits in all %lld rows\n", (long long)r->rows);
    return qn_buf_printf(out, "logits          |Δ| at most %.3g, %.3g on average, of a spread of %.3g; %lld of %lld "
                         "rows have the same bits\n", r->max_delta, r->mean_delta, r->spread, (long long)r->same_rows,
                         (long long)r->rows);
}

/* White space that breaks lines would break this one. */
static int put_behind(const qn_verify_result *r, qn_buf *out) {
    if (r->worst_sequence < 0)
        return qn_buf_puts(out, "\n");
    QN_TRY(qn_buf_printf(out, " (sequence %lld, token %lld, behind \"", (long long)r->worst_sequence,
                         (long long)r->worst_position));
    for (size_t i = 0; i < r->worst_text.n; i++) {
        const unsigned char c = (unsigned char)r->worst_text.s[i];
        QN_TRY(qn_buf_putc(out, c < 0x20 || c == 0x7f ? ' ' : (char)c));
    }
    return qn_buf_puts(out, "\")\n");
}

static int put_texts(const qn_verify_result *r, qn_buf *out) {
    QN_TRY(qn_buf_printf(out, "KL              %.3g nats a token, 99 %% below %.3g, worst %.3g", r->kl_mean, r->kl_p99,
                         r->kl_worst));
    QN_TRY(put_behind(r, out));
    QN_TRY(qn_buf_printf(out, "likeliest       the same at %.2f %% of %lld positions\n", 100 * r->top1,
                         (long long)r->text_rows));
    QN_TRY(qn_buf_printf(out, "perplexity      %.4f and %.4f: × %.5f, of %lld tokens\n", r->ppl_a, r->ppl_b,
                         r->ppl_ratio, (long long)r->scored));
    QN_TRY(qn_buf_printf(out, "bits per byte   %.5f and %.5f\n", r->bits_a, r->bits_b));
    if (r->together == r->prompts)
        return qn_buf_printf(out, "continuations   all %lld go the same way for %lld tokens, or to their end\n",
                             (long long)r->prompts, (long long)r->length);
    return qn_buf_printf(out, "continuations   %lld of %lld go the same way for %lld tokens, or to their end; the "
                         "first to part does so behind %lld, on average they share %.1f\n", (long long)r->together,
                         (long long)r->prompts, (long long)r->length, (long long)r->shared_least, r->shared_mean);
}

/* What was lost beside what there was to lose. */
static int put_kept(const qn_verify_result *r, qn_buf *out) {
    const double kept = qn_verify_kept(r);
    if (isnan(r->effect))
        return 0;
    if (isnan(kept))
        return qn_buf_puts(out, "kept            the adapters do nothing to these texts\n");
    QN_TRY(qn_buf_puts(out, "kept            "));
    if (kept > 0)
        QN_TRY(qn_buf_printf(out, "%.1f %% of what the adapters do", 100 * kept));
    else
        QN_TRY(qn_buf_puts(out, "nothing of what the adapters do"));
    return qn_buf_printf(out, ": KL from A is %.3g to B, %.3g to A without them\n", r->kl_mean, r->effect);
}

static int put_facts(const qn_verify_result *r, qn_buf *out) {
    for (int64_t i = 0; i < r->facts; i++) {
        const qn_verify_fact *f = &r->fact[i];
        QN_TRY(qn_buf_printf(out, "%-15.*s %.1f and %.1f %% of %lld: %+.1f, 95 %% %+.1f to %+.1f\n",
                             QN_STR_ARG(f->name), 100 * f->a, 100 * f->b, (long long)f->n, 100 * f->d.difference,
                             100 * f->d.in.lo, 100 * f->d.in.hi));
    }
    return 0;
}

int qn_verify_put_text(const qn_verify_result *r, qn_buf *out) {
    QN_TRY(put_logits(r, out));
    QN_TRY(put_texts(r, out));
    QN_TRY(put_kept(r, out));
    QN_TRY(put_facts(r, out));
    QN_TRY(qn_buf_printf(out, "fed             %s, %lld tokens, and %lld drawn by seed %llu; fingerprint %016llx; "
                         "%.1f s\n", r->own_text ? "the text that was given" : "texts that are built in",
                         (long long)r->tokens, (long long)r->drawn, (unsigned long long)r->seed,
                         (unsigned long long)r->fingerprint, r->seconds));
    if (r->checks == 0)
        return 0;
    QN_TRY(qn_buf_printf(out, "%s: ", qn_verify_relation_name(r->relation)));
    if (r->failed == 0)
        return qn_buf_puts(out, "within the limits\n");
    QN_TRY(qn_buf_puts(out, "BEYOND the limits\n"));
    for (int i = 0; i < r->checks; i++)
        if (!r->check[i].kept)
            QN_TRY(qn_buf_printf(out, "  %s: %.4g, %s %.4g\n", r->check[i].name, r->check[i].value,
                                 r->check[i].at_least ? "at least" : "at most", r->check[i].limit));
    return 0;
}
