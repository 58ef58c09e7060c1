/* cli/training_end.c — what a run came to: its last lines for a person, or one object of JSON. */
#include <math.h>
#include <stdio.h>

#include "base/file.h"
#include "base/json_fields.h"
#include "cli/tuning.h"
#include "cli/within.h"

#define SHARE_FROM 5.0              /* seconds: of less, some per cent say nothing */

double qn_training_taken(const qn_training *t) { return t->before + (qn_now() - t->start); }

/* Where it went: of a run that no other process had a part in. */
static int put_spent(const qn_training *t, double took, qn_buf *b) {
    const double known = t->work.seconds + t->spent.measuring + t->spent.sampling + t->spent.saving;
    const struct { const char *what; double seconds; } part[] = {
        {"steps", t->work.seconds}, {"evaluations", t->spent.measuring}, {"samples", t->spent.sampling},
        {"checkpoints", t->spent.saving}, {"the rest", took - known},
    };
    char clock[32];
    if (t->began_at > 0 || t->before > 0)
        return 0;
    for (size_t i = 0; i < QN_LEN(part); i++)
        QN_TRY(qn_buf_printf(b, "%s%s %s", i ? ", " : ": ", part[i].what,
                             qn_clock_text(QN_MAX(part[i].seconds, 0), clock)));
    return 0;
}

/* What --time promised, beside what it took. */
static int put_promise(const qn_training *t, qn_buf *b) {
    const double took = qn_training_taken(t);
    char promise[32], fact[32];
    if (isnan(t->promised))
        return 0;
    qn_clock_text(t->promised, promise);
    if (isnan(took))
        return qn_buf_printf(b, "; --time promised %s, and how long it took nobody knows, because it was killed",
                             promise);
    const double more = 100 * (took / t->promised - 1);
    QN_TRY(qn_buf_printf(b, "; --time promised %s, it took %s", promise, qn_clock_text(took, fact)));
    if (t->promised >= SHARE_FROM)
        QN_TRY(qn_buf_printf(b, " (%.0f %% %s)", fabs(more), more < 0 ? "less" : "more"));
    return put_spent(t, took, b);
}

static int put_json(qn_training *t, qn_run_end end) {
    static const char *const ends[] = {"done", "stopped", "early"};
    const qn_train_state *s = qn_trainer_state(t->trainer);
    qn_jw *w = qn_out_json(t->c, 2);
    qn_jw_open(w, '{');
    qn_field_str(w, "run", qn_run_path(t->run));
    qn_field_str(w, "state", ends[end]);
    qn_field_i64(w, "step", s->step);
    qn_field_i64(w, "steps", t->recipe.steps);
    qn_field_f64(w, "eval_loss", t->measured.tokens ? t->measured.loss : NAN);
    qn_field_f64(w, "eval_bits_per_byte", t->measured.tokens ? t->measured.bits_per_byte : NAN);
    qn_field_f64(w, "best_eval_loss", s->best_loss);
    if (t->work.judged > 0)
        qn_field_f64(w, "judged_per_second", t->work.judged / t->work.seconds);
    if (t->measured.judged.n) {
        qn_field_f64(w, "eval_rewards/margins", t->measured.judged.margin);
        qn_field_f64(w, "eval_rewards/accuracies", t->measured.judged.accuracy);
    }
    qn_field_i64(w, "best_step", s->best_step);
    qn_field_i64(w, "tokens", s->tokens);
    qn_field_f64(w, "tokens_per_second", t->work.seconds > 0 ? t->work.tokens / t->work.seconds : NAN);
    qn_field_f64(w, "read_per_second", t->work.seconds > 0 ? t->work.read / t->work.seconds : NAN);
    qn_field_i64(w, "skipped", s->skipped);
    qn_field_f64(w, "seconds", qn_now() - t->start);
    qn_field_f64(w, "seconds_steps", t->work.seconds);
    qn_field_f64(w, "seconds_evaluations", t->spent.measuring);
    qn_field_f64(w, "seconds_samples", t->spent.sampling);
    qn_field_f64(w, "seconds_checkpoints", t->spent.saving);
    qn_field_f64(w, "seconds_taken", qn_training_taken(t));
    qn_field_f64(w, "seconds_promised", t->promised);
    qn_field_i64(w, "peak_memory_bytes", qn_cli_peak_bytes());
    qn_jw_close(w);
    return qn_out_json_end(t->c);
}

/* "16 steps, 30720 tokens in 0:01, 41200 tokens/s, 12 MB at most"; of a run that was taken up, what this time took. */
static int put_work(const qn_training *t, qn_buf *b) {
    const qn_train_state *s = qn_trainer_state(t->trainer);
    char text[64], tokens[32];
    qn_clock_text(qn_now() - t->start, text);
    QN_TRY(qn_buf_printf(b, "%lld step%s, %s tokens%s", (long long)s->step, qn_plural(s->step),
                         qn_count_text((double)s->tokens, tokens), t->examples ? " taught" : ""));
    if (t->began_at == 0)
        QN_TRY(qn_buf_printf(b, " in %s", text));
    else if (s->step > t->began_at)
        QN_TRY(qn_buf_printf(b, ", the last %lld now in %s", (long long)(s->step - t->began_at), text));
    if (t->work.seconds > 0)
        QN_TRY(qn_buf_printf(b, ", %s", qn_training_speed_text(t, &t->work, text)));
    const bool pairs = qn_objective_get(t->recipe.objective.kind)->from == QN_LEARNS_PAIRS;
    if (t->work.judged > 0)
        QN_TRY(qn_buf_printf(b, ", %.2f %s/s", t->work.judged / t->work.seconds, pairs ? "pairs" : "answers"));
    return qn_buf_printf(b, ", %.0f MB at most", (double)qn_cli_peak_bytes() / 1e6);
}

static int put_end(qn_training *t, qn_run_end end, qn_buf *b) {
    const qn_train_state *s = qn_trainer_state(t->trainer);
    char text[64];
    if (end == QN_RUN_STOPPED) {
        QN_TRY(qn_buf_printf(b, "stopped at step %lld of %lld; `quern train resume ", (long long)s->step,
                             (long long)t->recipe.steps));
        QN_TRY(qn_put_quoted(b, qn_run_path(t->run)));
        return qn_buf_puts(b, "` goes on");
    }
    QN_TRY(put_work(t, b));
    if (!isnan(s->best_loss))
        QN_TRY(qn_buf_printf(b, "; best validation loss %.4f at step %lld", s->best_loss, (long long)s->best_step));
    if (*qn_judged_text(&t->measured.judged, text))
        QN_TRY(qn_buf_printf(b, "; at the end %s", text));
    QN_TRY(qn_buf_puts(b, end == QN_RUN_EARLY ? "; ended early, because it no longer got better" : ""));
    if (end == QN_RUN_DONE && qn_trainer_state(t->trainer)->step > t->began_at)
        QN_TRY(put_promise(t, b));
    const char *best = qn_run_file(t->run, "best");
    const char *model = best && qn_is_dir(best) ? best : qn_run_file(t->run, "last");
    if (t->adapter)
        return qn_training_adapter_use(t, model ? model : "", b);
    QN_TRY(qn_buf_puts(b, t->examples ? "\n`quern chat " : "\n`quern generate "));
    QN_TRY(qn_put_quoted(b, model ? model : ""));
    return qn_buf_puts(b, t->examples ? "` talks with it" : " -p 'Once'` writes with it");
}

int qn_training_tell_end(qn_training *t, qn_run_end end) {
    qn_buf b = {0};
    if (qn_cli_json(t->c))
        return put_json(t, end);
    int rc = put_end(t, end, &b);
    if (rc >= 0)
        rc = qn_out_printf(t->c, "%s: %s\n", qn_run_path(t->run), b.s);
    qn_buf_drop(&b);
    return rc;
}
