/* cli/open_model.h — a MODEL argument as everything that a command needs to run it.
 *
 *     static const qn_opt opts[] = {…, QN_OPTS_MODEL, QN_OPTS_SESSION, QN_OPT_JSON, QN_OPT_END};
 *     qn_opened m = {0};
 *     QN_TRY_OUT(qn_open_model(c, qn_cli_arg(c, 0), &m));         // source, tokenizer, weights
 *     QN_TRY_OUT(qn_open_session(c, &m, 1));                      // + KV cache
 *     …
 *     out: qn_opened_drop(&m);
 *
 * Of several models each has the adapters that stand behind it, and weights that two of them have in common are loaded
 * once:
 *
 *     base                     base --adapter a          base --adapter b:0.5
 *     qn_model_word w[3] = {{.path = …}, …};
 *     QN_TRY(qn_share_adapters(c, w, 3));
 *     QN_TRY(qn_open_word(c, &w[1], weights, &first, &m)); */
#ifndef QN_CLI_OPEN_MODEL_H
#define QN_CLI_OPEN_MODEL_H

#include "cli/cli.h"
#include "infer/session.h"
#include "model/model.h"

#define QN_WEIGHTS_CHOICES "as-is|f32|bf16|f16|q8_0|q4_0|q4_1"
#define QN_KV_CHOICES "f32|f16|bf16|q8_0"
#define QN_CONTEXT_CAP 8192         /* without --ctx no more than this, whatever the model could do */

#define QN_OPTS_MODEL                                                                                           \
    QN_OPT_ENUM("", "weights", "as-is", QN_WEIGHTS_CHOICES, "convert the weights while loading"),               \
    QN_OPT_LIST("", "adapter", "FILE[:X]", "an adapter beside it (PEFT, GGUF, RUN/best), at X times its scale")
#define QN_OPTS_SESSION                                                                                         \
    QN_OPT_INT("", "ctx", NULL, 1, 16777216, "hold at most N tokens; without it the model's, up to 8192"),      \
    QN_OPT_ENUM("", "kv", NULL, QN_KV_CHOICES, "store keys and values like this; without it what is fastest here")

/* {0} is empty and may be dropped. The pool belongs to the command line. */
typedef struct {
    qn_source *source;
    qn_source *words;                   /* of tokenizer and template, where an adapter brings tokens; else NULL */
    qn_tok *tok;                        /* that of words */
    qn_model *model;                    /* with words, the file's weights and their ends of answers */
    struct { qn_tok *tok; qn_model *model; } file;      /* what the file gave: without words, the same two */
    qn_pool *pool;
    const qn_kernels *kernels;
    qn_session *session;
    qn_adapter *adapter[QN_ADAPTERS];   /* in the order of the command line */
    float scale[QN_ADAPTERS];
    int n_adapters;
    struct qn_packer *packer;       /* qn_opened_pack_beside */
    bool behind;                    /* set before opening: weights may be packed behind the first tokens */
    bool shared;                    /* source and file are another one's, which outlives this */
    double open_seconds;            /* mapping and checking the file */
    double tok_seconds;             /* building the tokenizer, and what is packed beside it */
    double load_seconds;            /* everything up to the session, both of these included */
} qn_opened;

/* Loads with --weights, --adapter, --threads, --isa. QN_EFORMAT if the tokenizer has ids that the weights have not. */
int qn_open_model(qn_cli *c, const char *path, qn_opened *m);
/* The same for a command that knows what the weights are to become: a qn_dtype, or QN_WEIGHTS_AS_IS. */
int qn_open_model_as(qn_cli *c, const char *path, int weights, qn_opened *m);
/* "tuned/best:0.5" as a path, to be freed, and a scale: 1 where none is said. What exists under the whole name is a
 * path. QN_ENOMEM. */
int qn_adapter_word(const char *word, char **path, double *scale);
/* One adapter more for what is open, so called, for the sessions that are opened afterwards. */
int qn_open_adapter(qn_opened *m, const char *word);
/* Where tokenizer and template come from: the model, or an adapter that brings tokens of its own. */
const qn_source *qn_opened_words(const qn_opened *m);
/* A model among several: its path, as it stands on the command line, and its adapters as --adapter names them. */
typedef struct { const char *path, *adapter[QN_ADAPTERS]; size_t n_adapters; } qn_model_word;
/* Each --adapter to the model that it stands behind; to the only one, wherever it stands. QN_EUSAGE: it stands in front
 * of several; more than one model can have. */
int qn_share_adapters(const qn_cli *c, qn_model_word *w, size_t n);
/* The model and its adapters; the weights are those of `beside` (NULL: nothing there) where that is the same file. */
int qn_open_word(qn_cli *c, const qn_model_word *w, int weights, const qn_opened *beside, qn_opened *m);
int qn_cli_weights(const qn_cli *c);            /* --weights: a qn_dtype, or QN_WEIGHTS_AS_IS */
/* Packs on a thread beside, until qn_opened_drop, what is not packed yet: while somebody thinks of what to ask. */
void qn_opened_pack_beside(qn_opened *m);
/* The session with --ctx and --kv; Ctrl-C cancels what it does. Says where the context differs from the model's. */
int qn_open_session(qn_cli *c, qn_opened *m, int64_t sequences);
/* The same, but Ctrl-C does not cancel what it does: a server ends in order. */
int qn_open_session_unbroken(qn_cli *c, qn_opened *m, int64_t sequences);
/* The same for a command that knows what context it needs. */
int qn_open_session_of(qn_cli *c, qn_opened *m, int64_t sequences, int64_t context);
void qn_opened_drop(qn_opened *m);

/* "llama, 134.5 M parameters, q4_1+q8_0 as stored; avx512bf16, 2 threads, KV bf16, context 8192" */
int qn_opened_describe(const qn_opened *m, qn_buf *out);
/* The same as a line of the log, behind a name where there is one. */
int qn_opened_log(const qn_opened *m, qn_log_level level, const char *name);
/* "adapters": [{"file", "scale"}] of the object that is open; nothing where there are none. */
void qn_opened_put_adapters(const qn_opened *m, qn_jw *w);

#endif
