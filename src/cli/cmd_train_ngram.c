/* cli/cmd_train_ngram.c — `quern train ngram`: the strongest model that merely counts, to hold others against. */
#include <stdio.h>
#include <sys/stat.h>

#include "base/file.h"
#include "cli/counting.h"
#include "cli/data_args.h"
#include "base/json_fields.h"

static const qn_opt opts[] = {
    QN_OPT_FOLDER("o", "out", NULL, "write model.ngram and its tokenizer into this folder"),
    QN_OPT_INT("", "order", "5", 1, QN_NGRAM_MAX_ORDER, "tokens of the longest n-gram"),
    QN_OPT_FILE("", "tokenizer", NULL, "tokenizer.json, a folder or a model that has one, for data that are texts"),
    QN_OPT_COUNT("", "max-tokens", NULL, 1, 4e9, "count the first N tokens only"),
    QN_OPT_FLAG("", "force", "replace a table that is there"),
    QN_OPTS_DATA,
    QN_OPT_JSON,
    QN_OPT_END
};

static const char *const examples[] = {
    "quern train ngram prepared/ --out 5gram",
    "quern train ngram books/ --tokenizer my-tokenizer/ --order 3 --out 3gram --json",
    NULL
};

static const char notes[] =
    "DATA is a folder of `quern data prepare`, or texts, which are prepared into OUT/data first. The training split is "
    "counted, the validation split says how good the table is.\n"
    "Interpolated modified Kneser-Ney (Chen and Goodman 1998). `quern eval` takes OUT as a model, so that what a "
    "trained one is worth shows beside it.";

/* Texts into OUT/data; a prepared folder as it is. */
static int find_data(qn_cli *c, const char *out, qn_buf *dir) {
    const char *tokenizer = qn_cli_str(c, "tokenizer"), *first = qn_cli_arg(c, 0);
    qn_data_args a = {0};
    qn_data_result r = {0};
    int rc;
    if (qn_cli_args(c) == 1 && qn_data_args_is_prepared(first)) {
        if (tokenizer)
            return qn_fail(QN_EUSAGE, "--tokenizer is for texts; %s is prepared already", first);
        return qn_buf_puts(dir, first);
    }
    if (!tokenizer)
        return qn_fail(QN_EUSAGE, "%s holds texts, which need a tokenizer: `quern train tokenizer %s --out tokenizer` "
                       "makes one, then add --tokenizer tokenizer", first, first);
    QN_TRY_OUT(qn_data_args_read(c, tokenizer, &a));
    a.o.force = qn_cli_flag(c, "force");
    QN_TRY_OUT(qn_path_join(dir, out, "data"));
    rc = qn_data_args_prepare(c, &a, dir->s, &r);
out:
    qn_data_args_drop(&a);
    qn_data_result_drop(&r);
    return rc;
}

static int check_out(qn_cli *c, const char *out) {
    qn_buf path = {0};
    int rc = qn_path_join(&path, out, QN_NGRAM_FILE);
    if (rc >= 0 && qn_is_file(path.s) && !qn_cli_flag(c, "force"))
        rc = qn_fail(QN_EINVAL, "%s is there already; --force replaces it", path.s);
    qn_buf_drop(&path);
    return rc;
}

static int put_text(qn_cli *c, const char *out, const qn_counted *r) {
    QN_TRY(qn_out_printf(c, "%s: %d-grams of %lld tokens in %lld documents, %.1f MB, %.1f s\n\n", out, r->info.order,
                         (long long)r->info.tokens, (long long)r->info.documents, (double)r->info.bytes / 1e6,
                         r->seconds));
    QN_TRY(qn_out_puts(c, "length     different   discounts\n"));
    for (int n = 0; n < r->info.order; n++)
        QN_TRY(qn_out_printf(c, "%6d %13lld   %.3f %.3f %.3f\n", n + 1, (long long)r->info.grams[n],
                             r->info.discount[n][0], r->info.discount[n][1], r->info.discount[n][2]));
    if (r->held.tokens)
        QN_TRY(qn_out_printf(c, "\nvalidation: loss %.4f, %.4f bits per byte over %lld tokens\n", r->held.loss,
                             r->held.bits_per_byte, (long long)r->held.tokens));
    return 0;
}

static int put_json(qn_cli *c, const char *out, const qn_counted *r) {
    qn_jw *w = qn_out_json(c, 2);
    qn_jw_open(w, '{');
    qn_field_str(w, "ngram", out);
    qn_counted_put(r, w);
    qn_jw_close(w);
    return qn_out_json_end(c);
}

static int run(qn_cli *c) {
    const char *out = qn_cli_str(c, "out");
    qn_buf dir = {0};
    qn_counted r = {0};
    int rc;
    if (!out)
        return qn_fail(QN_EUSAGE, "--out DIR is missing: where the table goes");
    QN_TRY_OUT(check_out(c, out));
    QN_TRY_OUT(find_data(c, out, &dir));
    QN_TRY_OUT(qn_count_ngrams(c, dir.s, (int)qn_cli_int(c, "order"), qn_cli_int(c, "max-tokens"), out, &r));
    rc = qn_cli_json(c) ? put_json(c, out, &r) : put_text(c, out, &r);
out:
    qn_buf_drop(&dir);
    return rc;
}

const qn_cmd qn_cmd_train_ngram = {
    "train ngram", "DATA...", "an n-gram table, the baseline that merely counts", opts, examples, run, notes
};
