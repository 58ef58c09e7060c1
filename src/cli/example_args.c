/* cli/example_args.c — the command line as qn_examples_options. */
#include "cli/example_args.h"

#include <string.h>

#include "cli/data_args.h"

static int read_where(const qn_cli *c, qn_example_args *a) {
    size_t n;
    const char *const *word = qn_cli_list(c, "where", &n);
    if (n > QN_EXAMPLE_WHERE)
        return qn_fail(QN_EUSAGE, "--where: at most %d are possible", QN_EXAMPLE_WHERE);
    for (size_t i = 0; i < n; i++) {
        const char *equals = strchr(word[i], '=');
        if (!equals || equals == word[i])
            return qn_fail(QN_EUSAGE, "--where %s: expected NAME=VALUE, a member of the rows and what it is", word[i]);
        a->where[i] = (qn_example_where){{word[i], (size_t)(equals - word[i])}, qn_str_of(equals + 1)};
    }
    a->o.where = a->where;
    a->o.n_where = n;
    return 0;
}

int qn_example_args_read(const qn_cli *c, const char *const *path, size_t n, int64_t context, qn_example_args *a) {
    qn_examples_options *o = &a->o;
    *o = (qn_examples_options){.path = path, .n_paths = n, .context = context};
    QN_TRY(qn_data_args_share(qn_cli_str(c, "validation"), &o->validation));
    o->held = qn_cli_list(c, "held", &o->n_held);
    o->too_long = (qn_long)qn_cli_enum(c, "too-long");
    o->skip_bad = qn_cli_enum(c, "bad-lines") == 1;
    o->strict = qn_cli_flag(c, "strict");
    return read_where(c, a);
}

static int progress(void *bar, int64_t rows) {
    qn_progress_set(bar, rows);
    return qn_cancel_check();
}

static int say(const qn_examples *e, const qn_chat_model *chat) {
    qn_examples_stats s;
    qn_buf lost = {0};
    qn_examples_stats_get(e, &s);
    qn_log(QN_LOG_INFO, "data    %s: %lld rows, %lld examples, %.1f k tokens, %.0f %% of them taught; the chat "
           "template is %s", qn_example_form_name(s.form), (long long)s.rows, (long long)s.examples,
           (double)s.tokens / 1e3, 100 * (double)s.taught / (double)QN_MAX(s.tokens, 1),
           chat->prompter.own ? "the model's own" : "ChatML, because the model has none");
    if (s.passed)
        qn_log(QN_LOG_INFO, "where   %lld other rows are not meant and left aside", (long long)s.passed);
    if (chat->n_added)
        qn_log(QN_LOG_INFO, "tokens  %d are new: <|im_start|>, <|im_end|>", chat->n_added);
    if (s.leaked)
        qn_log(QN_LOG_WARN, "held    %lld of %lld examples that are held out have a prompt that is trained on, too: "
               "their loss says little of what is new; --held should name other examples", (long long)s.leaked,
               (long long)qn_examples_count(e, QN_SPLIT_VALIDATION));
    const int rc = qn_examples_losses(e, &lost);
    if (rc >= 0 && lost.n)
        qn_log(QN_LOG_WARN, "of %lld rows: %s", (long long)s.rows, lost.s);
    qn_buf_drop(&lost);
    return rc;
}

int qn_example_args_open(qn_cli *c, const qn_examples_options *o, qn_chat_model *chat, qn_examples **out) {
    qn_examples_options with = *o;
    qn_progress bar;
    qn_progress_init(&bar, c, "reading", 0, "rows");
    with.progress = progress;
    with.arg = &bar;
    const int rc = qn_examples_read(out, &chat->prompter, chat->tok, &with);
    qn_progress_drop(&bar);
    return rc < 0 ? rc : say(*out, chat);
}
