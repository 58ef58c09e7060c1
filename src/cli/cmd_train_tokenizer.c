/* cli/cmd_train_tokenizer.c — `quern train tokenizer`: from a corpus to DIR/tokenizer.json. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "chat/chat.h"
#include "cli/cli.h"
#include "cli/data_args.h"
#include "base/json_fields.h"
#include "data/corpus.h"
#include "format/tokenizer_json_write.h"
#include "tok/train_tokenizer.h"

#define END_OF_TEXT "<|endoftext|>"

static const qn_opt opts[] = {
    QN_OPT_FOLDER("o", "out", NULL, "write tokenizer.json and tokenizer_config.json into this folder"),
    QN_OPT_ENUM("", "kind", "bpe", "bpe|byte|char", "merged bytes, the 256 bytes, or characters"),
    QN_OPT_INT("", "vocab", "8192", 1, 2097152, "tokens in all, special ones included"),
    QN_OPT_LIST("", "special", "TOKEN", "a special token; may be repeated, takes the ids from 0 on (without: "
                END_OF_TEXT ")"),
    QN_OPT_FLAG("", "no-special", "no special tokens at all"),
    QN_OPT_STRING("", "bos", NULL, "TOKEN", "the special token that begins a text: it is put in front of each"),
    QN_OPT_STRING("", "eos", NULL, "TOKEN", "the special token that ends a text (without: " END_OF_TEXT
                  " or the first one)"),
    QN_OPT_STRING("", "pad", NULL, "TOKEN", "the special token that fills up batches"),
    QN_OPT_FILE("", "chat-template", NULL, "how conversations are written, as Jinja: kept beside the tokens"),
    QN_OPT_INT("", "min-frequency", "0", 0, 1e15, "merge no pair, take no character that is rarer"),
    QN_OPT_ENUM("", "pre", "gpt2", "gpt2|llama3|qwen2|smollm", "how text is split into words first"),
    QN_OPT_ENUM("", "split", "line", "line|document", "what is split at once"),
    QN_OPT_ENUM("", "fallback", "byte", "byte|unk", "char: what other characters become"),
    QN_OPT_ENUM("", "invalid", "replace", "replace|drop|refuse", "what becomes of bytes that are not UTF-8"),
    QN_OPT_BAD_LINES,
    QN_OPT_STRING("", "field", "text", "NAME", "where JSON lines hold their text"),
    QN_OPT_SEPARATOR,
    QN_OPT_STRING("", "max-memory", "2G", "SIZE", "give up the rarest words rather than take more (64M or more)"),
    QN_OPT_FLAG("", "force", "replace a tokenizer that is there"),
    QN_OPT_CONFIG,
    QN_OPT_JSON,
    QN_OPT_END
};

static const char *const examples[] = {
    "quern train tokenizer books/ --vocab 16384 --out my-model",
    "quern train tokenizer a.txt b.jsonl.gz --special '<|endoftext|>' --special '<|user|>' --out my-model --json",
    "quern train tokenizer shakespeare.txt --kind char --fallback unk --vocab 100 --out chars",
    NULL
};

static const char notes[] =
    "A CORPUS is a text file, JSON lines (.jsonl, .ndjson) or an array (.json), packed (.gz, .zst) or not, a folder of "
    "them, or - for standard input. bpe gives the merges of Hugging Face's BpeTrainer on the same files, the 256 "
    "bytes its alphabet; of equally frequent pairs the smaller pair of ids comes first. --threads changes nothing but "
    "the time.\n"
    "--split line: each line is split alone and keeps its end, as Hugging Face does with files. document: a file, or "
    "the text of a JSON line, is split whole, so that runs of line ends become tokens.\n"
    "--special takes the place of " END_OF_TEXT "; name that too to keep it.\n"
    "--invalid replace puts U+FFFD for each broken character, drop leaves it out, refuse names the first one. Files "
    "that hold a zero byte at the start are no text: refused when named, passed over in a folder.\n"
    "char: a vocabulary as SentencePiece writes it, where a blank is spelled \"▁\"; llama.cpp knows it with --fallback "
    "byte only.";

/* llama.cpp's name for what --pre names, in its order. */
static const char *const ggml_pre[] = {"gpt-2", "llama-bpe", "qwen2", "smollm"};

typedef struct {
    qn_cli *c;
    const char *out;
    bool made_folder;
    qn_buf path, config_path;           /* of tokenizer.json and tokenizer_config.json */
    qn_buf chat_template;               /* empty: none */
    qn_str *special; size_t n_special, cap_special;
    const char *bos, *eos, *pad;
    int64_t max_memory;
    qn_corpus *corpus;
    qn_words *words;
    qn_tok_train_options o;
    qn_tok_spec spec;
    qn_tok_train_result r;
    qn_corpus_stats read;
    qn_words_stats counted;
    qn_tok_report report;
    qn_progress bar;
} job;

/* ---- what was asked for ------------------------------------------------------------------------------------------ */

static bool is_special(const job *j, const char *text) {
    for (size_t i = 0; i < j->n_special; i++)
        if (qn_str_is(j->special[i], text))
            return true;
    return false;
}

static int add_special(job *j, const char *text) {
    if (is_special(j, text))
        return 0;
    QN_TRY(QN_GROW(QN_MEM_CLI, j->special, j->cap_special, j->n_special + 1));
    j->special[j->n_special++] = qn_str_of(text);
    return 0;
}

/* --bos, --eos and --pad are special tokens too, whether they are listed or not. */
static int choose_special(job *j) {
    size_t n = 0;
    const char *const *list = qn_cli_list(j->c, "special", &n);
    j->bos = qn_cli_str(j->c, "bos");
    j->eos = qn_cli_str(j->c, "eos");
    j->pad = qn_cli_str(j->c, "pad");
    if (qn_cli_flag(j->c, "no-special")) {
        if (n || j->bos || j->eos || j->pad)
            return qn_fail(QN_EUSAGE, "--no-special leaves no room for --special, --bos, --eos and --pad");
        return 0;
    }
    for (size_t i = 0; i < n; i++)
        QN_TRY(add_special(j, list[i]));
    if (n == 0 && !j->eos)
        QN_TRY(add_special(j, END_OF_TEXT));
    if (!j->eos)
        j->eos = is_special(j, END_OF_TEXT) ? END_OF_TEXT : list[0];
    const char *const named[] = {j->eos, j->bos, j->pad};
    for (size_t i = 0; i < QN_LEN(named); i++)
        if (named[i])
            QN_TRY(add_special(j, named[i]));
    return 0;
}

static int progress(void *arg, int64_t done, int64_t total) {
    job *j = arg;
    return qn_progress_reach(&j->bar, done, total);
}

static int choose(job *j) {
    qn_cli *c = j->c;
    j->out = qn_cli_str(c, "out");
    if (!j->out)
        return qn_fail(QN_EUSAGE, "--out DIR is missing: where the tokenizer goes");
    QN_TRY(qn_cli_size(c, "max-memory", QN_WORDS_MIN_MEMORY, &j->max_memory));
    QN_TRY(choose_special(j));
    j->o = (qn_tok_train_options){
        .kind = (qn_train_kind)qn_cli_enum(c, "kind"), .vocab = qn_cli_int(c, "vocab"),
        .min_count = qn_cli_int(c, "min-frequency"), .special = j->special, .n_special = j->n_special,
        .fallback = (qn_train_fallback)qn_cli_enum(c, "fallback"), .progress = progress, .progress_arg = j};
    if (j->o.kind == QN_TRAIN_BYTE && qn_cli_given(c, "vocab"))
        return qn_fail(QN_EUSAGE, "--kind byte has 256 tokens and the special ones; --vocab cannot be chosen");
    if (j->o.kind == QN_TRAIN_BPE && j->o.vocab < 256 + (int64_t)j->n_special)
        return qn_fail(QN_EUSAGE, "--vocab %lld is too small: 256 bytes and %zu special tokens come first",
                       (long long)j->o.vocab, j->n_special);
    return 0;
}

/* One that cannot be compiled would be found out when a conversation is first to be written. */
static int read_template(job *j) {
    const char *path = qn_cli_str(j->c, "chat-template");
    qn_chat_template *t = NULL;
    if (!path)
        return 0;
    QN_TRY(qn_read_file(&j->chat_template, path, (size_t)1 << 20));
    QN_TRY(qn_chat_template_compile(&t, j->chat_template.s ? j->chat_template.s : "", j->chat_template.n, path));
    qn_chat_template_free(t);
    return 0;
}

/* A folder that can be written, before any work. */
static int prepare_folder(job *j) {
    QN_TRY(qn_path_join(&j->config_path, j->out, "tokenizer_config.json"));
    QN_TRY(qn_path_join(&j->path, j->out, "tokenizer.json"));
    if (mkdir(j->out, 0777) == 0)
        j->made_folder = true;
    else if (errno != EEXIST || !qn_is_dir(j->out))
        return qn_fail(QN_EIO, "%s: the folder cannot be made: %s", j->out, strerror(errno));
    if (access(j->out, W_OK) != 0)
        return qn_fail(QN_EIO, "%s cannot be written to: %s", j->out, strerror(errno));
    if (qn_is_file(j->path.s) && !qn_cli_flag(j->c, "force"))
        return qn_fail(QN_EINVAL, "%s is there already; --force replaces it", j->path.s);
    return 0;
}

/* ---- the work ---------------------------------------------------------------------------------------------------- */

static int read_corpus(job *j) {
    qn_corpus_piece piece;
    int more;
    qn_corpus_options o = {
        .path = j->c->arg, .n_paths = qn_cli_args(j->c), .field = qn_cli_str(j->c, "field"),
        .invalid = (qn_invalid)qn_cli_enum(j->c, "invalid"), .separator = qn_cli_str(j->c, "separator"),
        .skip_bad = qn_cli_enum(j->c, "bad-lines") == 1};
    QN_TRY(qn_corpus_open(&j->corpus, &o));
    qn_progress_init(&j->bar, j->c, "counting words", qn_corpus_size(j->corpus), "bytes");
    while ((more = qn_corpus_next(j->corpus, &piece)) > 0) {
        QN_TRY(qn_cancel_check());
        QN_TRY(qn_words_add(j->words, piece.text.s, piece.text.n));
        if (piece.ends)
            QN_TRY(qn_words_end(j->words));
        qn_corpus_stats_get(j->corpus, &j->read);
        qn_progress_set(&j->bar, j->read.bytes);
    }
    QN_TRY(more);
    QN_TRY(qn_words_finish(j->words));
    qn_progress_drop(&j->bar);
    qn_corpus_stats_get(j->corpus, &j->read);
    qn_words_stats_get(j->words, &j->counted);
    return j->read.bytes ? 0 : qn_fail(QN_EINVAL, "the corpus is empty: %lld file%s without a byte of text",
                                       (long long)j->read.files, qn_plural(j->read.files));
}

/* What the user should know although nothing failed. */
static void remark(const job *j) {
    if (qn_cli_given(j->c, "special") && !qn_cli_given(j->c, "eos") && !is_special(j, END_OF_TEXT))
        qn_log(QN_LOG_WARN, "--special without " END_OF_TEXT " leaves that out, and %s ends a text; --special '"
               END_OF_TEXT "' beside it keeps it, --eos names another", j->eos);
    if (j->read.invalid)
        qn_log(QN_LOG_WARN, "%lld broken characters were %s", (long long)j->read.invalid,
               qn_cli_enum(j->c, "invalid") == QN_INVALID_DROP ? "dropped" : "replaced by U+FFFD");
    if (j->counted.pruned)
        qn_log(QN_LOG_WARN, "%lld rare words, %.2f %% of all, were given up to stay within --max-memory",
               (long long)j->counted.pruned,
               100.0 * (double)j->counted.pruned_total / (double)(j->counted.total + j->counted.pruned_total));
    if (j->counted.cut)
        qn_log(QN_LOG_WARN, "%lld times a text without blanks was cut inside a word", (long long)j->counted.cut);
    if (j->o.kind != QN_TRAIN_BYTE && j->r.vocab < j->o.vocab)
        qn_log(QN_LOG_WARN, "the corpus supports %lld tokens, not the %lld asked for", (long long)j->r.vocab,
               (long long)j->o.vocab);
    if (j->r.left_out)
        qn_log(QN_LOG_WARN, "%lld characters found no place and become %s", (long long)j->r.left_out,
               j->o.fallback == QN_FALLBACK_UNK ? "<unk>" : "bytes");
}

static int learn(job *j) {
    qn_tok *tok = NULL;
    qn_progress_init(&j->bar, j->c, "learning", 0, "tokens");
    QN_TRY(qn_tok_train(&j->spec, j->words, &j->o, &j->r));
    qn_progress_drop(&j->bar);
    if (j->bos)
        QN_TRY(qn_tok_spec_prefix(&j->spec, qn_tok_spec_find(&j->spec, qn_str_of(j->bos))));
    remark(j);
    QN_TRY(qn_tok_new(&tok, &j->spec));
    int rc = qn_tok_report_words(j->words, tok, &j->report);
    qn_tok_free(tok);
    return rc;
}

/* ---- files ------------------------------------------------------------------------------------------------------- */

static void put_token(qn_jw *w, const char *key, const char *text) {
    if (text)
        qn_field_str(w, key, text);
}

static void put_ggml(const job *j, qn_jw *w) {
    bool chars = j->o.kind == QN_TRAIN_CHAR;
    qn_field_str(w, "ggml_model", chars ? "llama" : "gpt2");
    if (!chars)
        qn_field_str(w, "ggml_pre", ggml_pre[qn_cli_enum(j->c, "pre")]);
}

static int write_config(const job *j) {
    qn_buf text = {0};
    qn_jw w;
    qn_jw_init(&w, &text, 2);
    qn_jw_open(&w, '{');
    qn_field_str(&w, "tokenizer_class", "PreTrainedTokenizerFast");
    put_token(&w, "bos_token", j->bos);
    put_token(&w, "eos_token", j->eos);
    put_token(&w, "unk_token", j->spec.unk >= 0 ? "<unk>" : NULL);
    put_token(&w, "pad_token", j->pad);
    if (j->chat_template.n)
        qn_field_text(&w, "chat_template", qn_buf_view(&j->chat_template));
    qn_jw_key(&w, "clean_up_tokenization_spaces");
    qn_jw_bool(&w, false);
    qn_jw_key(&w, "quern");
    qn_jw_open(&w, '{');
    put_ggml(j, &w);
    qn_jw_close(&w);
    qn_jw_close(&w);
    const int rc = qn_jw_write(&w, j->config_path.s);
    qn_buf_drop(&text);
    return rc;
}

/* tokenizer.json comes last: where it is, all is. */
static int write_files(const job *j) {
    qn_buf text = {0};
    QN_TRY(qn_cancel_check());
    QN_TRY(write_config(j));
    int rc = qn_tokenizer_json_write(&j->spec, &text);
    if (rc >= 0)
        rc = qn_write_file(j->path.s, text.s, text.n);
    qn_buf_drop(&text);
    return rc;
}

/* ---- the report -------------------------------------------------------------------------------------------------- */

static double per_token(const qn_part_sum *s) { return s->tokens ? (double)s->bytes / (double)s->tokens : 0; }

static int put_text(const job *j) {
    const qn_part_sum *all = &j->report.all;
    qn_cli *c = j->c;
    QN_TRY(qn_out_printf(c, "%s: %lld tokens, %zu of them special, %lld merges\n", j->path.s, (long long)j->r.vocab,
                         j->spec.n_added, (long long)j->r.merges));
    QN_TRY(qn_out_printf(c, "corpus: %lld document%s, %lld bytes, %lld words, %lld of them different\n\n",
                         (long long)j->read.documents, qn_plural(j->read.documents), (long long)j->read.bytes,
                         (long long)j->counted.total, (long long)j->counted.distinct));
    QN_TRY(qn_out_puts(c, "part              bytes    share   bytes/token\n"));
    for (int p = 0; p < QN_PARTS; p++) {
        const qn_part_sum *s = &j->report.part[p];
        if (s->words)
            QN_TRY(qn_out_printf(c, "%-14s %8lld  %5.1f %%   %11.2f\n", qn_part_name((qn_part)p), (long long)s->bytes,
                                 100.0 * (double)s->bytes / (double)all->bytes, per_token(s)));
    }
    return qn_out_printf(c, "%-14s %8lld  %5.1f %%   %11.2f\n", "all", (long long)all->bytes, 100.0, per_token(all));
}

static void put_part(qn_jw *w, const char *name, const qn_part_sum *s) {
    qn_jw_key(w, name);
    qn_jw_open(w, '{');
    qn_field_i64(w, "words", s->words);
    qn_field_i64(w, "bytes", s->bytes);
    qn_field_i64(w, "tokens", s->tokens);
    qn_field_f64(w, "bytes_per_token", per_token(s));
    qn_jw_close(w);
}

static int put_json(const job *j) {
    qn_jw *w = qn_out_json(j->c, 2);
    qn_jw_open(w, '{');
    qn_field_str(w, "tokenizer", j->path.s);
    qn_field_str(w, "kind", qn_cli_str(j->c, "kind"));
    put_ggml(j, w);
    qn_field_i64(w, "vocab", j->r.vocab);
    qn_field_i64(w, "merges", j->r.merges);
    qn_field_i64(w, "special", (int64_t)j->spec.n_added);
    qn_field_i64(w, "least_frequency", j->r.least);
    qn_field_i64(w, "characters_left_out", j->r.left_out);
    qn_field_i64(w, "files", j->read.files);
    qn_field_i64(w, "files_skipped", j->read.skipped);
    qn_field_i64(w, "documents", j->read.documents);
    qn_field_i64(w, "bytes", j->read.bytes);
    qn_field_i64(w, "invalid_characters", j->read.invalid);
    qn_field_i64(w, "lines_without_text", j->read.textless);
    qn_field_i64(w, "bad_lines", j->read.bad);
    qn_field_i64(w, "words", j->counted.total);
    qn_field_i64(w, "distinct_words", j->counted.distinct);
    qn_field_i64(w, "pruned_words", j->counted.pruned);
    qn_field_f64(w, "bytes_per_token", per_token(&j->report.all));
    qn_jw_key(w, "parts");
    qn_jw_open(w, '{');
    for (int p = 0; p < QN_PARTS; p++)
        if (j->report.part[p].words)
            put_part(w, qn_part_name((qn_part)p), &j->report.part[p]);
    qn_jw_close(w);
    qn_jw_close(w);
    return qn_out_json_end(j->c);
}

/* ---- all of it --------------------------------------------------------------------------------------------------- */

static int work(job *j) {
    qn_pool *pool;
    QN_TRY(choose(j));
    QN_TRY(read_template(j));
    QN_TRY(prepare_folder(j));
    QN_TRY(qn_cli_pool(j->c, &pool));
    qn_words_options o = {.pre = ggml_pre[qn_cli_enum(j->c, "pre")], .whole = qn_cli_enum(j->c, "split") == 1,
                          .max_memory = j->max_memory, .pool = pool};
    QN_TRY(qn_words_new(&j->words, &o));
    QN_TRY(read_corpus(j));
    QN_TRY(learn(j));
    QN_TRY(write_files(j));
    return qn_cli_json(j->c) ? put_json(j) : put_text(j);
}

static int run(qn_cli *c) {
    job j = {.c = c};
    qn_tok_spec_init(&j.spec);
    int rc = work(&j);
    if (rc < 0 && j.made_folder)
        rmdir(j.out);                   /* only if it is empty */
    qn_corpus_close(j.corpus);
    qn_words_free(j.words);
    qn_tok_spec_drop(&j.spec);
    qn_free(j.special);
    qn_buf_drop(&j.path);
    qn_buf_drop(&j.config_path);
    qn_buf_drop(&j.chat_template);
    return rc;
}

const qn_cmd qn_cmd_train_tokenizer = {
    "train tokenizer", "CORPUS...", "a vocabulary out of your own text", opts, examples, run, notes
};
