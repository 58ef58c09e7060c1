/* cli/cmd_data_check.c — `quern data check`: what a model will see of a corpus, before hours are spent on it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/dir.h"
#include "base/file.h"
#include "cli/check_examples.h"
#include "cli/cli.h"
#include "cli/data_args.h"
#include "cli/example_args.h"
#include "base/json_fields.h"
#include "cli/show_tokens.h"

static const qn_opt opts[] = {
    QN_OPT_FILE("t", "tokenizer", NULL, "tokenizer.json, a folder with one, or a model; prepared data have their own"),
    QN_OPT_FILE("m", "model", NULL, "the same: the tokenizer of this model; of examples the chat template too"),
    QN_OPT_INT("", "context", "1024", 2, 16777216, "tokens of a row"),
    QN_OPT_INT("", "rows", "2", 0, 1e6, "show the first N rows, or examples"),
    QN_OPT_ENUM("", "split", "train", "train|validation", "of this split"),
    QN_OPT_ENUM("", "packing", "best-fit", "best-fit|stream", "documents side by side, or windows of one long stream"),
    QN_OPT_INT("", "seed", "0", 0, QN_NO_LIMIT, "of the order"),
    QN_OPT_ENUM("", "color", "auto", "auto|always|never", "mark tokens by colour; auto: at a terminal"),
    QN_OPTS_DATA,
    QN_OPT_TEACH,
    QN_OPTS_EXAMPLES,
    QN_OPT_JSON,
    QN_OPT_END
};

static const char *const examples[] = {
    "quern data check data/",
    "quern data check corpus.jsonl --tokenizer tok/ --context 512 --rows 4",
    "quern data check data/ --split validation --rows 0 --json",
    "quern data check --model model.gguf alpaca.json --rows 5",
    NULL
};

static const char notes[] =
    "A PATH is a prepared folder, or a CORPUS, which is then prepared in a temporary folder with the options given; or "
    "examples to tune with (chat messages, ShareGPT, Alpaca, prompts with completions, preference pairs, labelled "
    "answers; JSON, JSON lines, packed or not), shown as the model's chat template writes them.\n"
    "Rows are shown as they are packed: each piece under a line that says which part of which document it is, and "
    "behind it the token that is its last target. Special tokens stand in ⟦⟧ or in colour, tokens that are read and "
    "not predicted in ‹› or dim; control and invisible characters are spelled out.\n"
    "The exit code is 0 unless the data cannot be read: a strange corpus is for you to judge.";

typedef struct {
    qn_cli *c;
    qn_data_args args;              /* of a corpus */
    char temp[4096];                /* the folder that it was prepared in; "" none */
    qn_dataset *d;
    qn_tok *own_tok;
    const qn_tok *tok;
    qn_rows *rows;
    qn_rows_options o;
    int32_t *ids, *targets, *shown;
    bool *taught;
    qn_piece *piece;
    bool color;
    qn_dataset_extremes extremes[QN_SPLITS];
    qn_dataset_source all;
    qn_rows_stats stats;
    int64_t leaked;
} job;

/* ---- the data ---------------------------------------------------------------------------------------------------- */

static const char *tokenizer_option(const qn_cli *c) {
    const char *t = qn_cli_str(c, "tokenizer");
    return t ? t : qn_cli_str(c, "model");
}

static int open_prepared(job *j, const char *path) {
    qn_buf file = {0};
    const char *given = tokenizer_option(j->c);
    int rc;
    if (qn_cli_args(j->c) > 1)
        return qn_fail(QN_EUSAGE, "%s is prepared data; look at one folder at a time", path);
    QN_TRY_OUT(qn_dataset_open(&j->d, path));
    QN_TRY_OUT(qn_dataset_verify(j->d));
    QN_TRY_OUT(qn_path_join(&file, path, "tokenizer.json"));
    if (!given && !qn_is_file(file.s)) {
        rc = qn_fail(QN_ENOTFOUND, "%s holds no tokenizer; name it with --tokenizer", path);
        goto out;
    }
    QN_TRY_OUT(qn_model_tokenizer(&j->own_tok, given ? given : file.s));
    j->tok = j->own_tok;
    if (qn_tok_size(j->tok) > qn_dataset_vocab(j->d))
        qn_log(QN_LOG_WARN, "the tokenizer has %d tokens, the data were prepared with %lld", qn_tok_size(j->tok),
               (long long)qn_dataset_vocab(j->d));
out:
    qn_buf_drop(&file);
    return rc;
}

static int open_corpus(job *j) {
    const char *base = getenv("TMPDIR"), *tokenizer = tokenizer_option(j->c);
    qn_data_result r;
    QN_TRY(qn_data_args_texts(j->c->arg, qn_cli_args(j->c)));
    if (!tokenizer)
        return qn_fail(QN_EUSAGE, "--tokenizer is missing: this is no prepared folder, so its text has to be tokenized "
                       "first");
    QN_TRY(qn_data_args_read(j->c, tokenizer, &j->args));
    int n = snprintf(j->temp, sizeof j->temp, "%s/quern-check-XXXXXX", base && *base ? base : "/tmp");
    if (n < 0 || (size_t)n >= sizeof j->temp || !mkdtemp(j->temp)) {
        j->temp[0] = '\0';
        return qn_fail(QN_EIO, "no temporary folder: %s", strerror(errno));
    }
    QN_TRY(qn_data_args_prepare(j->c, &j->args, j->temp, &r));
    qn_data_result_drop(&r);
    j->tok = j->args.tok;
    return qn_dataset_open(&j->d, j->temp);
}

static bool has_file(const char *folder, const char *name) {
    qn_buf file = {0};
    bool there = qn_path_join(&file, folder, name) >= 0 && qn_is_file(file.s);
    qn_buf_drop(&file);
    return there;
}

static int open_data(job *j) {
    const char *path = qn_cli_args(j->c) ? qn_cli_arg(j->c, 0) : NULL;
    if (path && has_file(path, "data.json"))
        return open_prepared(j, path);
    if (path && has_file(path, "train-00000.tokens"))
        return qn_fail(QN_EINVAL, "%s was not prepared to the end: it has shards and no data.json; prepare it again",
                       path);
    return open_corpus(j);
}

static int open_rows(job *j) {
    size_t context = (size_t)qn_cli_int(j->c, "context");
    j->o = (qn_rows_options){.split = (qn_split)qn_cli_enum(j->c, "split"), .context = (int64_t)context,
                             .packing = (qn_packing)qn_cli_enum(j->c, "packing"),
                             .seed = (uint64_t)qn_cli_int(j->c, "seed")};
    j->o.ordered = j->o.split == QN_SPLIT_VALIDATION;
    QN_TRY(qn_rows_new(&j->rows, j->d, &j->o));
    qn_rows_stats_get(j->rows, &j->stats);
    j->ids = qn_zalloc(QN_MEM_CLI, context, sizeof *j->ids);
    j->targets = qn_zalloc(QN_MEM_CLI, context, sizeof *j->targets);
    j->shown = qn_zalloc(QN_MEM_CLI, context + 1, sizeof *j->shown);
    j->taught = qn_zalloc(QN_MEM_CLI, context + 1, sizeof *j->taught);
    j->piece = qn_zalloc(QN_MEM_CLI, (size_t)qn_rows_max_pieces(j->rows), sizeof *j->piece);
    return j->ids && j->targets && j->shown && j->taught && j->piece ? 0 : QN_ENOMEM;
}

static int count(job *j) {
    for (size_t i = 0; i < qn_dataset_sources(j->d); i++) {
        const qn_dataset_source *s = qn_dataset_source_at(j->d, i);
        j->all.documents += s->documents;
        j->all.duplicates += s->duplicates;
        j->all.empty += s->empty;
        j->all.invalid += s->invalid;
        j->all.textless += s->textless;
        j->all.bad += s->bad;
    }
    for (int k = 0; k < QN_SPLITS; k++)
        qn_dataset_extremes_get(j->d, (qn_split)k, &j->extremes[k]);
    return qn_dataset_leaks(j->d, &j->leaked);
}

/* ---- rows -------------------------------------------------------------------------------------------------------- */

/* The tokens of a piece and behind them its last target: what is read, and which of it is predicted. How many. */
static size_t spread(job *j, const qn_row_data *row, const qn_piece *p) {
    size_t n = 0;
    j->shown[n] = row->ids[p->start];
    j->taught[n++] = false;
    for (int64_t i = p->start; i < p->start + p->n; i++) {
        bool last = i + 1 == p->start + p->n, taught = row->targets[i] >= 0;
        if (last && !taught)
            break;
        j->shown[n] = last ? row->targets[i] : row->ids[i + 1];
        j->taught[n++] = taught;
    }
    return n;
}

/* Where a piece stands: its first token and its last target, each in its document. */
typedef struct { int64_t first, from, n, last, to, last_n; } span;

static span span_of(const job *j, const qn_row_data *row, int64_t index) {
    const int64_t from = qn_rows_piece_from(j->rows, index), to = from + row->piece[index].n;
    span s = {.first = qn_dataset_find(j->d, j->o.split, from), .last = qn_dataset_find(j->d, j->o.split, to)};
    int64_t begin;
    qn_dataset_document(j->d, j->o.split, s.first, &begin, &s.n);
    s.from = from - begin;
    qn_dataset_document(j->d, j->o.split, s.last, &begin, &s.last_n);
    s.to = to - begin;
    return s;
}

/* A piece stays within a document but for windows of a stream. */
static int put_place(job *j, const span *s) {
    QN_TRY(qn_out_puts(j->c, j->color ? "\033[33m" : ""));
    if (s->first == s->last)
        QN_TRY(qn_out_printf(j->c, "── document %lld, tokens %lld to %lld of %lld ──", (long long)s->first,
                             (long long)s->from, (long long)s->to, (long long)s->n));
    else
        QN_TRY(qn_out_printf(j->c, "── document %lld, token %lld of %lld, to document %lld, token %lld of %lld ──",
                             (long long)s->first, (long long)s->from, (long long)s->n, (long long)s->last,
                             (long long)s->to, (long long)s->last_n));
    return qn_out_puts(j->c, j->color ? "\033[0m\n" : "\n");
}

static int put_piece(job *j, const qn_row_data *row, int64_t index, qn_buf *text) {
    const span s = span_of(j, row, index);
    QN_TRY(put_place(j, &s));
    qn_buf_clear(text);
    QN_TRY(qn_show_tokens(text, j->tok, j->shown, j->taught, spread(j, row, &row->piece[index]), j->color));
    QN_TRY(qn_out_put(j->c, text->s ? text->s : "", text->n));
    return qn_out_puts(j->c, "\n");
}

static int put_row(job *j, int64_t index, const qn_row_data *row, qn_buf *text) {
    QN_TRY(qn_out_printf(j->c, "row %lld: %lld piece%s, %lld of %lld tokens\n", (long long)index,
                         (long long)row->pieces, qn_plural(row->pieces), (long long)row->n,
                         (long long)j->o.context));
    for (int64_t i = 0; i < row->pieces; i++)
        QN_TRY(put_piece(j, row, i, text));
    return qn_out_puts(j->c, "\n");
}

static int put_row_json(job *j, qn_jw *w, const qn_row_data *row, qn_buf *text) {
    qn_jw_open(w, '{');
    qn_field_i64(w, "tokens", row->n);
    qn_jw_key(w, "pieces");
    qn_jw_open(w, '[');
    for (int64_t i = 0; i < row->pieces; i++) {
        const span s = span_of(j, row, i);
        size_t shown = spread(j, row, &row->piece[i]);
        int64_t taught = 0;
        for (size_t k = 0; k < shown; k++)
            taught += j->taught[k];
        qn_buf_clear(text);
        QN_TRY(qn_tok_decode(j->tok, j->shown, shown, QN_TOK_PLAIN, text));
        qn_jw_open(w, '{');
        qn_field_i64(w, "document", s.first);
        qn_field_i64(w, "last_document", s.last);
        qn_field_i64(w, "from", s.from);
        qn_field_i64(w, "tokens", row->piece[i].n);
        qn_field_i64(w, "targets", taught);
        qn_jw_key(w, "text");
        qn_jw_str(w, qn_buf_view(text));
        qn_jw_close(w);
    }
    qn_jw_close(w);
    qn_jw_close(w);
    return 0;
}

/* The first rows, into the JSON writer where there is one. */
static int put_rows(job *j, qn_jw *w) {
    qn_row_data row = {.ids = j->ids, .targets = j->targets, .piece = j->piece};
    qn_buf text = {0};
    int rc = 0;
    int64_t n = QN_MIN(qn_cli_int(j->c, "rows"), qn_rows_per_epoch(j->rows));
    for (int64_t i = 0; i < n && rc >= 0; i++) {
        rc = qn_rows_get(j->rows, i, &row);
        if (rc >= 0)
            rc = w ? put_row_json(j, w, &row, &text) : put_row(j, i, &row, &text);
    }
    qn_buf_drop(&text);
    return rc;
}

/* ---- counts ------------------------------------------------------------------------------------------------------ */

static double per_token(const qn_split_info *s) { return s->tokens ? (double)s->bytes / (double)s->tokens : 0; }

static int put_split(const job *j, const char *name, qn_split split) {
    qn_split_info s = qn_dataset_info(j->d, split);
    const qn_dataset_extremes *e = &j->extremes[split];
    if (s.documents == 0)
        return qn_out_printf(j->c, "%-13s nothing\n", name);
    return qn_out_printf(j->c, "%-13s %lld document%s, %lld tokens, %.2f bytes/token; longest %lld tokens (document "
                         "%lld), shortest %lld (document %lld)\n", name, (long long)s.documents,
                         qn_plural(s.documents), (long long)s.tokens, per_token(&s), (long long)e->longest_tokens,
                         (long long)e->longest,
                         (long long)e->shortest_tokens, (long long)e->shortest);
}

static int put_text(job *j) {
    QN_TRY(put_rows(j, NULL));
    QN_TRY(qn_out_printf(j->c, "documents     %lld read; left out: %lld duplicate%s, %lld empty; broken characters: "
                         "%lld\n", (long long)j->all.documents, (long long)j->all.duplicates,
                         qn_plural(j->all.duplicates), (long long)j->all.empty, (long long)j->all.invalid));
    if (j->all.textless + j->all.bad)
        QN_TRY(qn_out_printf(j->c, "lines         left out: %lld without a text, %lld of no JSON\n",
                             (long long)j->all.textless, (long long)j->all.bad));
    QN_TRY(put_split(j, "train", QN_SPLIT_TRAIN));
    QN_TRY(put_split(j, "validation", QN_SPLIT_VALIDATION));
    QN_TRY(qn_out_printf(j->c, "rows          %lld of %lld tokens, %.1f %% full; %lld piece%s of %lld document%s, %lld "
                         "of them cut\n", (long long)j->stats.rows, (long long)j->o.context, 100 * j->stats.fill,
                         (long long)j->stats.pieces, qn_plural(j->stats.pieces), (long long)j->stats.documents,
                         qn_plural(j->stats.documents), (long long)j->stats.cut));
    return qn_out_printf(j->c, "leaked        %lld validation documents stand in the training split too\n",
                         (long long)j->leaked);
}

static void put_split_json(const job *j, qn_jw *w, const char *name, qn_split split) {
    qn_split_info s = qn_dataset_info(j->d, split);
    const qn_dataset_extremes *e = &j->extremes[split];
    qn_jw_key(w, name);
    qn_jw_open(w, '{');
    qn_field_i64(w, "documents", s.documents);
    qn_field_i64(w, "tokens", s.tokens);
    qn_field_i64(w, "bytes", s.bytes);
    qn_field_f64(w, "bytes_per_token", per_token(&s));
    qn_field_i64(w, "longest_document", e->longest);
    qn_field_i64(w, "longest_tokens", e->longest_tokens);
    qn_field_i64(w, "shortest_document", e->shortest);
    qn_field_i64(w, "shortest_tokens", e->shortest_tokens);
    qn_jw_close(w);
}

static void put_packing_json(const job *j, qn_jw *w) {
    qn_jw_key(w, "packing");
    qn_jw_open(w, '{');
    qn_field_i64(w, "context", j->o.context);
    qn_field_i64(w, "rows", j->stats.rows);
    qn_field_i64(w, "pieces", j->stats.pieces);
    qn_field_i64(w, "documents", j->stats.documents);
    qn_field_i64(w, "documents_cut", j->stats.cut);
    qn_field_f64(w, "fill", j->stats.fill);
    qn_jw_close(w);
}

static int put_json(job *j) {
    qn_jw *w = qn_out_json(j->c, 2);
    qn_jw_open(w, '{');
    qn_field_i64(w, "documents", j->all.documents);
    qn_field_i64(w, "duplicates", j->all.duplicates);
    qn_field_i64(w, "empty", j->all.empty);
    qn_field_i64(w, "invalid_characters", j->all.invalid);
    qn_field_i64(w, "lines_without_text", j->all.textless);
    qn_field_i64(w, "bad_lines", j->all.bad);
    put_split_json(j, w, "train", QN_SPLIT_TRAIN);
    put_split_json(j, w, "validation", QN_SPLIT_VALIDATION);
    qn_field_i64(w, "leaked", j->leaked);
    put_packing_json(j, w);
    qn_field_str(w, "fingerprint", qn_dataset_fingerprint(j->d));
    qn_jw_key(w, "rows");
    qn_jw_open(w, '[');
    QN_TRY(put_rows(j, w));
    qn_jw_close(w);
    qn_jw_close(w);
    return qn_out_json_end(j->c);
}

static int run(qn_cli *c) {
    job j = {.c = c};
    int rc, color = qn_cli_enum(c, "color");
    bool tuned = false;
    j.color = color == 1 || (color == 0 && isatty(c->out_fd) == 1 && !qn_cli_json(c));
    if (!qn_cli_given(c, "field"))
        QN_TRY(qn_check_is_examples(c->arg, qn_cli_args(c), qn_cli_given(c, "model"), &tuned));
    if (tuned)
        return qn_check_examples(c, c->arg, qn_cli_args(c), tokenizer_option(c), j.color);
    QN_TRY_OUT(open_data(&j));
    QN_TRY_OUT(open_rows(&j));
    QN_TRY_OUT(count(&j));
    rc = qn_cli_json(c) ? put_json(&j) : put_text(&j);
out:
    qn_rows_free(j.rows);
    qn_dataset_close(j.d);
    if (j.temp[0])
        qn_dir_remove(j.temp);
    qn_data_args_drop(&j.args);
    qn_tok_free(j.own_tok);
    qn_free(j.ids);
    qn_free(j.targets);
    qn_free(j.shown);
    qn_free(j.taught);
    qn_free(j.piece);
    return rc;
}

const qn_cmd qn_cmd_data_check = {
    "data check", "[PATH...]", "what a model will see of a corpus, as packed", opts, examples, run, notes
};
