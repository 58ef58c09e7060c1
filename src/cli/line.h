/* cli/line.h — a line from the user, edited and with history on a terminal, plain otherwise.
 *
 *     qn_line *l; qn_buf text = {0};
 *     QN_TRY(qn_line_open(&l, c, "history"));
 *     while ((rc = qn_line_read(l, "> ", &text)) != 0) {          // 0: end of input
 *         if (rc == QN_ECANCEL) { qn_cancel_reset(); continue; }   // Ctrl-C at the prompt: a fresh line
 *         QN_TRY_OUT(rc);
 *         …
 *     }
 *     qn_line_close(l);                                             // saves the history */
#ifndef QN_CLI_LINE_H
#define QN_CLI_LINE_H

#include "cli/cli.h"

typedef struct qn_line qn_line;

/* history: name of the state file, NULL for none. Without a home directory the history is not kept. */
int qn_line_open(qn_line **out, qn_cli *c, const char *history);
/* Replaces *text by the next line without its newline: 1 a line, 0 no more input, <0 error (QN_ECANCEL: Ctrl-C). */
int qn_line_read(qn_line *l, const char *prompt, qn_buf *text);
void qn_line_close(qn_line *l);

#endif
