/* cli/example_args.h — examples on the command line: which files, what of them is taught, what becomes of the rest.
 *
 *     static const qn_opt opts[] = {…, QN_OPTS_EXAMPLES, …};
 *     qn_examples_options o;
 *     QN_TRY_OUT(qn_example_args_read(c, paths, n, context, &o));
 *     QN_TRY_OUT(qn_example_args_open(c, &o, &chat, &examples));      // with a bar, and a word about what was lost */
#ifndef QN_CLI_EXAMPLE_ARGS_H
#define QN_CLI_EXAMPLE_ARGS_H

#include "cli/cli.h"
#include "data/examples.h"
#include "model/chat_model.h"

#define QN_EXAMPLES_SHARE "0.05"                /* of examples, held out where nobody says */

#define QN_OPT_TEACH                                                                                                   \
    QN_OPT_ENUM("", "teach", "answers", QN_TEACH_CHOICES, "all answers of the assistant, the last, or all tokens")

#define QN_OPTS_EXAMPLES                                                                                               \
    QN_OPT_LIST("", "where", "NAME=VALUE", "only rows whose member NAME is VALUE, or a list with it; repeatable"),     \
    QN_OPT_LIST("", "held", "FILE", "examples of the validation split; without, a share of the others is held out"),   \
    QN_OPT_ENUM("", "too-long", "cut", QN_LONG_CHOICES, "what becomes of examples longer than a row: their end goes, " \
                "or all of it"),                                                                                       \
    QN_OPT_FLAG("", "strict", "a row that cannot be used is an error")

enum { QN_EXAMPLE_WHERE = 8 };
/* Options, and what they borrow. */
typedef struct { qn_examples_options o; qn_example_where where[QN_EXAMPLE_WHERE]; } qn_example_args;
/* The options above but --teach; --validation and --bad-lines. Paths are borrowed; *a must not move. QN_EUSAGE. */
int qn_example_args_read(const qn_cli *c, const char *const *path, size_t n, int64_t context, qn_example_args *a);
/* Reads them with the model's own template and tokenizer; says their form and what was left out. */
int qn_example_args_open(qn_cli *c, const qn_examples_options *o, qn_chat_model *chat, qn_examples **out);

#endif
