/* cli/cmd_embed.c — `quern embed`: texts to vectors. */
#include <string.h>

#include "base/numtext.h"
#include "cli/open_model.h"
#include "infer/embedder.h"

#define POOLINGS "mean|cls|last|max|sqrt|weighted"      /* in the order of qn_pooling */

static const qn_opt opts[] = {
    QN_OPT_LIST("p", "text", "TEXT", "embed TEXT (- for standard input)"),
    QN_OPT_FILE("f", "file", NULL, "embed each line of FILE (- for standard input)"),
    QN_OPT_ENUM("", "pooling", NULL, POOLINGS, "make one vector of the tokens like this; without it as the model says"),
    QN_OPT_ENUM("", "normalize", NULL, "yes|no", "bring vectors to length 1; without it as the model says"),
    QN_OPT_INT("", "max-tokens", NULL, 1, 65536, "longest text; without it what the model says"),
    QN_OPT_FLAG("", "truncate", "cut texts that are too long, and say so; else they are an error"),
    QN_OPT_FLAG("", "parse-special", "special tokens spelled in a text are tokens, not text"),
    QN_OPT_ENUM("", "weights", "as-is", QN_WEIGHTS_CHOICES, "convert the weights while loading"),
    QN_OPT_ENUM("", "kv", NULL, QN_KV_CHOICES, "round keys and values to this; without it what is fastest here"),
    QN_OPT_JSON,
    QN_OPT_END
};

static const char *const examples[] = {
    "quern embed minilm/ -p 'How wide is the brook?' --json",
    "quern embed minilm.gguf -f sentences.txt > vectors.txt",
    "quern embed minilm/ -f paragraphs.txt --truncate --weights bf16 --json > vectors.jsonl",
    NULL
};

enum { BATCH = 1024 };                  /* texts between two looks at Ctrl-C and the reader of the result */

typedef struct {
    qn_cli *c;
    qn_opened m;
    qn_embedder *e;
    bool by_lines;
    qn_text *given;                     /* texts of the command line, or the one file */
    size_t n_given, next;
    qn_str rest;                        /* of the file */
    qn_str text[BATCH];
    qn_embedded told[BATCH];
    float *vector;                      /* [BATCH, width] */
    qn_buf line;
    int64_t done, cut, first_cut;       /* texts; first_cut: its number, from 1 */
    qn_embedded first_cut_told;
} embedding;

/* ---- opening ---- */

static int how(qn_cli *c, const qn_opened *m, qn_embedding *as) {
    const int64_t positions = m->model->cfg.context;
    QN_TRY(qn_source_embedding(m->source, as));
    if (qn_cli_given(c, "pooling"))
        as->pooling = (qn_pooling)qn_cli_enum(c, "pooling");
    if (qn_cli_given(c, "normalize"))
        as->normalize = qn_cli_enum(c, "normalize") == 0;
    if (!qn_cli_given(c, "max-tokens"))
        return 0;
    as->max_tokens = qn_cli_int(c, "max-tokens");
    if (as->max_tokens > positions)
        return qn_fail(QN_ECONTEXT, "--max-tokens %lld: this model knows %lld positions and no more",
                       (long long)as->max_tokens, (long long)positions);
    as->said = true;
    return 0;
}

static int open(embedding *x) {
    qn_cli *c = x->c;
    qn_embedding as;
    const char *kv = qn_cli_str(c, "kv"), *weights = qn_cli_str(c, "weights");
    const int dtype = qn_cli_enum(c, "weights") == 0 ? QN_WEIGHTS_AS_IS : qn_dtype_from_name(qn_str_of(weights));
    QN_TRY(qn_open_model_as(c, qn_cli_arg(c, 0), dtype, &x->m));
    QN_TRY(how(c, &x->m, &as));
    const qn_embed_options o = {
        .truncate = qn_cli_flag(c, "truncate"), .cut_by = "--truncate",
        .parse_special = qn_cli_flag(c, "parse-special"),
        .kv = kv ? qn_dtype_from_name(qn_str_of(kv)) : -1, .cancel = &qn_cancel_flag,
    };
    QN_TRY(qn_embedder_new(&x->e, x->m.model, x->m.tok, &as, x->m.kernels, x->m.pool, &o));
    x->vector = qn_alloc(QN_MEM_CLI, BATCH * (size_t)qn_embedder_width(x->e) * sizeof *x->vector);
    qn_log(QN_LOG_INFO, "%s pooling, %s, texts up to %lld tokens", qn_pooling_name(as.pooling),
           as.normalize ? "length 1" : "not normalized", (long long)qn_embedder_max_tokens(x->e));
    return x->vector ? 0 : QN_ENOMEM;
}

/* ---- texts ---- */

/* The next text; a last line without its end counts, nothing behind the last end does not. */
static bool next_text(embedding *x, qn_str *text) {
    if (x->by_lines)
        return qn_str_take_line(&x->rest, text);
    if (x->next == x->n_given)
        return false;
    const qn_text *t = &x->given[x->next++];
    *text = (qn_str){t->s, t->n};
    return true;
}

/* ---- results ---- */

static int put_numbers(embedding *x, const float *v, const char *between) {
    char text[QN_F64_TEXT];
    for (int64_t d = 0; d < qn_embedder_width(x->e); d++) {
        if (d)
            QN_TRY(qn_buf_puts(&x->line, between));
        const bool finite = v[d] - v[d] == 0;
        QN_TRY(finite ? qn_buf_put(&x->line, text, qn_f32_text(v[d], text)) : qn_buf_puts(&x->line, "null"));
    }
    return 0;
}

static int put_vector(embedding *x, const float *v, const qn_embedded *told) {
    const bool json = qn_cli_json(x->c);
    qn_buf_clear(&x->line);
    if (json)
        QN_TRY(qn_buf_puts(&x->line, "{\"embedding\": ["));
    QN_TRY(put_numbers(x, v, json ? ", " : " "));
    if (json)
        QN_TRY(qn_buf_printf(&x->line, "], \"tokens\": %lld", (long long)told->tokens));
    if (json && told->had > told->tokens)
        QN_TRY(qn_buf_printf(&x->line, ", \"truncated_from\": %lld", (long long)told->had));
    QN_TRY(qn_buf_puts(&x->line, json ? "}\n" : "\n"));
    return qn_out_put(x->c, x->line.s, x->line.n);
}

static int put_batch(embedding *x, int64_t n) {
    QN_TRY(qn_embed(x->e, x->text, n, x->done + 1, x->vector, x->told));
    for (int64_t i = 0; i < n; i++) {
        QN_TRY(put_vector(x, x->vector + i * qn_embedder_width(x->e), &x->told[i]));
        if (x->told[i].had <= x->told[i].tokens)
            continue;
        if (x->cut++ == 0) {
            x->first_cut = x->done + i + 1;
            x->first_cut_told = x->told[i];
        }
    }
    x->done += n;
    return qn_cancel_check();
}

static int put_all(embedding *x) {
    int64_t tokens = 0;
    const double start = qn_now();
    for (int64_t n = 1; n > 0;) {
        for (n = 0; n < BATCH && next_text(x, &x->text[n]);)
            n++;
        QN_TRY(put_batch(x, n));
        for (int64_t i = 0; i < n; i++)
            tokens += x->told[i].tokens;
    }
    const double seconds = qn_now() - start;
    if (x->cut)
        qn_log(QN_LOG_WARN, "%lld of %lld texts were longer than %lld tokens and are cut; the first is text %lld, of "
               "%lld tokens", (long long)x->cut, (long long)x->done, (long long)qn_embedder_max_tokens(x->e),
               (long long)x->first_cut, (long long)x->first_cut_told.had);
    qn_log(QN_LOG_INFO, "%lld texts, %lld tokens in %.2f s: %.0f texts/s", (long long)x->done, (long long)tokens,
           seconds, seconds > 0 ? (double)x->done / seconds : 0);
    return 0;
}

static int read_texts(embedding *x) {
    size_t n, dashes = 0;
    const char *const *words = qn_cli_list(x->c, "text", &n);
    for (size_t i = 0; i < n; i++)
        dashes += strcmp(words[i], "-") == 0;
    if (dashes > 1)
        return qn_fail(QN_EUSAGE, "--text - is there %zu times, and standard input can be read once", dashes);
    x->by_lines = qn_cli_given(x->c, "file");
    x->given = qn_zalloc(QN_MEM_CLI, QN_MAX(n, 1), sizeof *x->given);
    if (!x->given)
        return QN_ENOMEM;
    for (size_t i = 0; i < QN_MAX(n, 1); i++, x->n_given++)
        QN_TRY(qn_cli_text_item(x->c, "text", i, &x->given[i]));
    x->rest = (qn_str){x->given[0].s, x->given[0].n};
    return 0;
}

static int run(qn_cli *c) {
    embedding *x = qn_zalloc(QN_MEM_CLI, 1, sizeof *x);
    int rc = x ? 0 : QN_ENOMEM;
    QN_TRY(rc);
    x->c = c;
    QN_TRY_OUT(read_texts(x));
    QN_TRY_OUT(open(x));
    rc = put_all(x);
out:
    for (size_t i = 0; i < x->n_given; i++)
        qn_text_drop(&x->given[i]);
    qn_free(x->given);
    qn_buf_drop(&x->line);
    qn_embedder_free(x->e);
    qn_free(x->vector);
    qn_opened_drop(&x->m);
    qn_free(x);
    return rc;
}

const qn_cmd qn_cmd_embed = {
    "embed", "MODEL", "texts to vectors", opts, examples, run,
    "MODEL is an encoder (bert), as a directory of sentence-transformers or as a GGUF file; of a model that writes,\n"
    "say --pooling. How tokens become one vector is read from modules.json and what it names, or from the GGUF. A\n"
    "vector is one line: numbers, or with --json {\"embedding\": [...], \"tokens\": N}. A text's vector does not\n"
    "depend on the texts beside it. An empty line is an empty text."
};
