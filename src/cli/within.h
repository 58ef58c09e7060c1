/* cli/within.h — a command run by another one, in this process: what the demo is made of.
 *
 *     qn_command w = {0};   QN_TRY_OUT(qn_command_add_words(&w, "train tokenizer --vocab %d --json", vocab));
 *     QN_TRY_OUT(qn_command_add(&w, path));
 *     QN_TRY_OUT(qn_within_run(c, &w, &json));
 *
 * Just what a shell would run, with the caller's --threads, --isa, --quiet and --verbose; so a person can type every
 * step again, and what a step writes is what that command writes. */
#ifndef QN_CLI_WITHIN_H
#define QN_CLI_WITHIN_H

#include "cli/cli.h"

/* A command line without the program's name. {0} is empty. */
typedef struct { char **word; size_t n, cap; } qn_command;
int qn_command_add(qn_command *w, const char *word);
/* Several words, cut at blanks (not inside of what %s brings: QN_EINVAL where that is more than 4000 bytes in all). */
QN_PRINTF(2, 3) int qn_command_add_words(qn_command *w, const char *fmt, ...);
/* "quern train tokenizer 'my texts/' --vocab 1024", as a shell takes it: appended. */
int qn_command_text(const qn_command *w, qn_buf *out);
void qn_command_drop(qn_command *w);

/* out: what it prints is appended there; NULL: it goes to stdout. The log sink is the inner command's while it runs. */
int qn_within_run(qn_cli *c, const qn_command *w, qn_buf *out);

/* A path or a word as a shell takes it: as it is, or in quotes. */
int qn_put_quoted(qn_buf *b, const char *word);

#endif
