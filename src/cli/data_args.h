/* cli/data_args.h — a corpus on the command line: which texts, which tokenizer, how they are prepared.
 *
 *     static const qn_opt opts[] = {…, QN_OPTS_DATA, QN_OPT_JSON, QN_OPT_END};
 *     qn_data_args a = {0};
 *     QN_TRY_OUT(qn_data_args_read(c, tokenizer, &a));
 *     QN_TRY_OUT(qn_data_args_prepare(c, &a, folder, &result));       // with a bar; Ctrl-C ends it
 *     out: qn_data_args_drop(&a); */
#ifndef QN_CLI_DATA_ARGS_H
#define QN_CLI_DATA_ARGS_H

#include "cli/cli.h"
#include "data/prepare.h"
#include "model/model.h"

#define QN_OPT_SEPARATOR                                                                                               \
    QN_OPT_STRING("", "separator", NULL, "LINE", "a line of text files that stands between documents: '<|endoftext|>'")

#define QN_OPT_BAD_LINES                                                                                               \
    QN_OPT_ENUM("", "bad-lines", "refuse", "refuse|skip", "what becomes of lines that are not JSON, and of "           \
                "malformed examples")

#define QN_OPTS_DATA                                                                                                   \
    QN_OPT_STRING("", "validation", "0.01", "SHARE", "keep this share of the tokens for validation: 0.01, or 1%"),    \
    QN_OPT_LIST("", "source", "PATH=WEIGHT", "a corpus with its share of an epoch's tokens; may be repeated"),        \
    QN_OPT_ENUM("", "dedup", "exact", "exact|none", "what becomes of documents that are there already"),              \
    QN_OPT_ENUM("", "invalid", "replace", "replace|drop|refuse", "what becomes of bytes that are not UTF-8"),         \
    QN_OPT_BAD_LINES,                                                                                                  \
    QN_OPT_STRING("", "field", "text", "NAME", "where JSON lines hold their text"),                                   \
    QN_OPT_SEPARATOR,                                                                                                  \
    QN_OPT_STRING("", "max-memory", "2G", "SIZE", "longer documents are taken in parts (64M or more)")

#define QN_NOTES_CORPUS                                                                                                \
    "A CORPUS is a text file, JSON lines (.jsonl, .ndjson) or an array (.json), packed (.gz, .zst) or not, a folder "  \
    "of them, or - for standard input. A file is one document, unless --separator says what stands between several; "  \
    "of JSON each line, or each item of the array, is one."

/* {0} is empty and may be dropped. */
typedef struct {
    qn_tok *tok;
    qn_buf json, config;            /* the tokenizer's files */
    const char **path;              /* corpora that are arguments: one source */
    qn_data_source *source; size_t n;
    char **own;                     /* [n]: the paths in front of =WEIGHT */
    qn_data_options o;
} qn_data_args;

/* Arguments from the first one on, and QN_OPTS_DATA. QN_EUSAGE: no corpus, a share or weight that is none. */
int qn_data_args_read(qn_cli *c, const char *tokenizer, qn_data_args *a);
/* The same for texts that are named by an option. Borrowed for the life of *a. */
int qn_data_args_read_paths(qn_cli *c, const char *const *path, size_t n, const char *tokenizer, qn_data_args *a);
/* QN_EUSAGE: one of them is no text but a folder that was prepared, or that of a run. */
int qn_data_args_texts(const char *const *path, size_t n);
/* "0.01" or "1%": the share that --validation names. QN_EUSAGE. */
int qn_data_args_share(const char *text, double *out);
bool qn_data_args_is_prepared(const char *dir);
int qn_data_args_prepare(qn_cli *c, qn_data_args *a, const char *folder, qn_data_result *r);
void qn_data_args_drop(qn_data_args *a);

#endif
