/* cli/draft_args.c — a word behind --draft as something that guesses. */
#include "cli/draft_args.h"

#include <string.h>
#include <sys/stat.h>

#include "base/json_fields.h"

enum { SUFFIX = 8 };            /* `ngram` alone */

static bool same_file(const char *a, const char *b) {
    struct stat x, y;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* Ids must mean the same, or guesses would be another text. */
static int same_vocabulary(const qn_opened *draft, const qn_opened *m) {
    const char *here = qn_source_path(draft->source), *there = qn_source_path(m->source);
    const int32_t n = qn_tok_size(m->tok);
    if (qn_tok_size(draft->tok) != n)
        return qn_fail(QN_EUNSUPPORTED, "--draft: %s has %d tokens, %s has %d; a model can only draft for one with the "
                       "same vocabulary", here, (int)qn_tok_size(draft->tok), there, (int)n);
    for (int32_t id = 0; id < n; id++) {
        const qn_str x = qn_tok_text(draft->tok, id), y = qn_tok_text(m->tok, id);
        if (x.n != y.n || memcmp(x.s ? x.s : "", y.s ? y.s : "", x.n) != 0)
            return qn_fail(QN_EUNSUPPORTED, "--draft: token %d is \"%.*s\" in %s and \"%.*s\" in %s; a model can only "
                           "draft for one with the same vocabulary", (int)id, (int)x.n, x.s ? x.s : "", here, (int)y.n,
                           y.s ? y.s : "", there);
    }
    return 0;
}

static int open_model(qn_cli *c, const char *path, const qn_opened *m, qn_draft *d) {
    if (same_file(path, qn_source_path(m->source)))
        return qn_fail(QN_EUSAGE, "--draft %s: is the model itself; give a smaller one, or ngram", path);
    QN_TRY(qn_open_model_as(c, path, QN_WEIGHTS_AS_IS, &d->model));
    QN_TRY(same_vocabulary(&d->model, m));
    const int64_t context = QN_MIN(qn_session_context(m->session), d->model.model->cfg.context);
    QN_TRY(qn_open_session_of(c, &d->model, 1, context));
    return qn_draft_model_new(&d->drafter, d->model.session, qn_session_vocabulary(m->session));
}

static int open_ngram(const char *word, qn_draft *d) {
    int64_t longest = SUFFIX;
    const char *number = word + strlen("ngram");
    if (*number && (!qn_parse_i64(qn_str_of(number + 1), &longest) || longest < 1 || longest > QN_DRAFT_NGRAM_MAX))
        return qn_fail(QN_EUSAGE, "--draft %s: behind the colon stands how many tokens of a suffix are compared, 1 to "
                       "%d", word, QN_DRAFT_NGRAM_MAX);
    return qn_draft_ngram_new(&d->drafter, longest);
}

int qn_draft_open(qn_cli *c, const qn_opened *m, qn_draft *d, qn_generate_options *o) {
    const char *word = qn_cli_str(c, "draft");
    if (!word && qn_cli_given(c, "draft-tokens"))
        return qn_fail(QN_EUSAGE, "--draft-tokens needs --draft");
    if (!word)
        return 0;
    const bool ngram = strncmp(word, "ngram", 5) == 0 && (word[5] == '\0' || word[5] == ':');
    QN_TRY(ngram ? open_ngram(word, d) : open_model(c, word, m, d));
    o->drafter = d->drafter;
    o->guesses = qn_cli_int(c, "draft-tokens");
    return 0;
}

void qn_draft_drop(qn_draft *d) {
    qn_drafter_free(d->drafter);
    qn_opened_drop(&d->model);
    *d = (qn_draft){0};
}

/* ---- what came of it ---- */

static double share_kept(const qn_generate_result *r) {
    return r->guessed > 0 ? (double)r->kept / (double)r->guessed : 0;
}

static double tokens_per_pass(const qn_generate_result *r) {
    return r->passes > 0 ? (double)(r->new_tokens - 1) / (double)r->passes : 0;
}

void qn_draft_put_json(qn_jw *w, const qn_draft *d, const qn_generate_result *r) {
    if (!d->drafter)
        return;
    qn_jw_key(w, "draft");
    qn_jw_open(w, '{');
    qn_field_i64(w, "passes", r->passes);
    qn_field_i64(w, "guessed", r->guessed);
    qn_field_i64(w, "kept", r->kept);
    qn_field_f64(w, "acceptance", share_kept(r));
    qn_field_f64(w, "tokens_per_pass", tokens_per_pass(r));
    qn_jw_close(w);
}

void qn_draft_say(const qn_draft *d, const qn_generate_result *r, qn_log_level level) {
    if (d->drafter)
        qn_log(level, "draft: %.2f tokens per pass; %lld of %lld guesses kept (%.0f %%)", tokens_per_pass(r),
               (long long)r->kept, (long long)r->guessed, 100 * share_kept(r));
}
