/* cli/cmd_data_prepare.c — `quern data prepare`: from raw text to a folder of token shards. */
#include "cli/cli.h"
#include "cli/data_args.h"
#include "base/json_fields.h"

static const qn_opt opts[] = {
    QN_OPT_FILE("t", "tokenizer", NULL, "tokenizer.json, a folder with one, or a model"),
    QN_OPT_FOLDER("o", "out", NULL, "write the prepared data into this folder"),
    QN_OPTS_DATA,
    QN_OPT_FLAG("", "force", "replace what was prepared there"),
    QN_OPT_JSON,
    QN_OPT_END
};

static const char *const examples[] = {
    "quern data prepare shakespeare.txt --tokenizer tok/ --out data/",
    "quern data prepare web.jsonl.zst books/ --tokenizer model.gguf --validation 1% --out data/",
    "quern data prepare --source web.jsonl=3 --source code/=1 --tokenizer tok/ --out data/ --json",
    NULL
};

static const char notes[] =
    QN_NOTES_CORPUS "\n"
    "Equal documents are kept once, and a document's own content decides whether it is validation: it never changes "
    "sides, whatever else the corpus holds. Where whole documents cannot give the share asked for (one book), the last "
    "part of the largest one becomes it.\n"
    "--source: an epoch is as long as all sources together; a source whose weight asks for more than it holds is "
    "repeated, one that has too much is seen in part, another part each epoch. CORPUS arguments beside it are one "
    "source of weight 1.\n"
    "The folder holds the tokenizer too. data.json is written last: where it is, all is.";

static double per_token(const qn_split_info *s) { return s->tokens ? (double)s->bytes / (double)s->tokens : 0; }

static int put_row(qn_cli *c, const char *name, const qn_split_info *s) {
    return qn_out_printf(c, "%-12s %10lld %13lld %14lld   %11.2f\n", name, (long long)s->documents,
                         (long long)s->tokens, (long long)s->bytes, per_token(s));
}

static int put_text(qn_cli *c, const qn_data_args *a, const qn_data_result *r) {
    const qn_data_count *all = &r->all;
    const int64_t documents = all->split[0].documents + all->split[1].documents;
    QN_TRY(qn_out_printf(c, "%s: %lld document%s out of %lld file%s, in %lld shard%s\n\n", a->o.out,
                         (long long)documents, qn_plural(documents), (long long)all->files, qn_plural(all->files),
                         (long long)r->shards, qn_plural(r->shards)));
    QN_TRY(qn_out_puts(c, "split         documents        tokens          bytes   bytes/token\n"));
    QN_TRY(put_row(c, "train", &all->split[QN_SPLIT_TRAIN]));
    QN_TRY(put_row(c, "validation", &all->split[QN_SPLIT_VALIDATION]));
    for (size_t i = 0; i < r->n_sources && r->n_sources > 1; i++)
        QN_TRY(qn_out_printf(c, "%s%s: %lld + %lld tokens, weight %g\n", i ? "" : "\n", a->source[i].path[0],
                             (long long)r->source[i].split[QN_SPLIT_TRAIN].tokens,
                             (long long)r->source[i].split[QN_SPLIT_VALIDATION].tokens, a->source[i].weight));
    if (all->duplicates + all->empty)
        QN_TRY(qn_out_printf(c, "\nleft out: %lld duplicate%s, %lld empty\n", (long long)all->duplicates,
                             qn_plural(all->duplicates), (long long)all->empty));
    if (all->bad)
        QN_TRY(qn_out_printf(c, "\npassed over: %lld line%s of no JSON\n", (long long)all->bad,
                             qn_plural(all->bad)));
    return 0;
}

static void put_split(qn_jw *w, const char *name, const qn_split_info *s) {
    qn_jw_key(w, name);
    qn_jw_open(w, '{');
    qn_field_i64(w, "documents", s->documents);
    qn_field_i64(w, "tokens", s->tokens);
    qn_field_i64(w, "bytes", s->bytes);
    qn_field_f64(w, "bytes_per_token", per_token(s));
    qn_jw_close(w);
}

static void put_count(qn_jw *w, const qn_data_count *n) {
    qn_field_i64(w, "files", n->files);
    qn_field_i64(w, "files_skipped", n->skipped);
    qn_field_i64(w, "bytes", n->bytes);
    qn_field_i64(w, "documents", n->documents);
    qn_field_i64(w, "duplicates", n->duplicates);
    qn_field_i64(w, "empty", n->empty);
    qn_field_i64(w, "in_parts", n->parted);
    qn_field_i64(w, "invalid_characters", n->invalid);
    qn_field_i64(w, "lines_without_text", n->textless);
    qn_field_i64(w, "bad_lines", n->bad);
    qn_jw_key(w, "largest_cut");
    qn_jw_bool(w, n->cut);
    put_split(w, "train", &n->split[QN_SPLIT_TRAIN]);
    put_split(w, "validation", &n->split[QN_SPLIT_VALIDATION]);
}

static int put_json(qn_cli *c, const qn_data_args *a, const qn_data_result *r) {
    qn_jw *w = qn_out_json(c, 2);
    qn_jw_open(w, '{');
    qn_field_str(w, "data", a->o.out);
    qn_field_i64(w, "shards", r->shards);
    qn_field_i64(w, "vocab", qn_tok_size(a->tok));
    put_count(w, &r->all);
    qn_jw_key(w, "sources");
    qn_jw_open(w, '[');
    for (size_t i = 0; i < r->n_sources; i++) {
        qn_jw_open(w, '{');
        qn_field_str(w, "path", a->source[i].path[0]);
        qn_field_f64(w, "weight", a->source[i].weight);
        put_count(w, &r->source[i]);
        qn_jw_close(w);
    }
    qn_jw_close(w);
    qn_jw_close(w);
    return qn_out_json_end(c);
}

static int run(qn_cli *c) {
    qn_data_args a = {0};
    qn_data_result r = {0};
    int rc;
    const char *out = qn_cli_str(c, "out"), *tokenizer = qn_cli_str(c, "tokenizer");
    if (!out)
        return qn_fail(QN_EUSAGE, "--out DIR is missing: where the prepared data goes");
    if (!tokenizer)
        return qn_fail(QN_EUSAGE, "--tokenizer is missing: tokenizer.json, a folder with one, or a model (`quern train "
                       "tokenizer` makes one out of the same text)");
    QN_TRY_OUT(qn_data_args_read(c, tokenizer, &a));
    a.o.force = qn_cli_flag(c, "force");
    QN_TRY_OUT(qn_data_args_prepare(c, &a, out, &r));
    rc = qn_cli_json(c) ? put_json(c, &a, &r) : put_text(c, &a, &r);
out:
    qn_data_result_drop(&r);
    qn_data_args_drop(&a);
    return rc;
}

const qn_cmd qn_cmd_data_prepare = {
    "data prepare", "[CORPUS...]", "raw text into token shards, ready for training", opts, examples, run, notes
};
