/* data/example_row.h — one row of a data set for tuning, whatever its form, as conversations.
 *
 *     messages           messages [{role, content, tool_calls …}], perhaps tools              → chat
 *     sharegpt           conversations [{from, value}], perhaps system, tools                 → chat
 *     alpaca             instruction, input, output, perhaps system, history                  → chat
 *     completion         prompt, completion (or question, answer …): text, or messages        → chat
 *     pairs              a prompt (any of these), chosen, rejected: text, or messages         → chat, rejected
 *     pairs, shared      chosen, rejected: whole conversations that begin alike               → chat, rejected
 *     pairs, dialogues   the same as text: "\n\nHuman: … \n\nAssistant: …"                    → chat, rejected
 *     pairs, texts       chosen, rejected: any other texts that begin alike                   → chat, rejected
 *     labels             any of the first four, and label: is the last answer good?           → chat
 *     text               text                                                                 → text
 *
 * A prompt may be such a dialogue, too, whose last heading is that of the answer. What other texts have in common is
 * the prompt, but for a word of which it is only the beginning, and the white space behind it is nobody's. `chat` and
 * `rejected` are what qn_chat_messages_parse reads. A row says by its members which form it has. What is wrong with the
 * content of a row, not with its form, is a fault: the caller leaves the row out, counted, or refuses the file. */
#ifndef QN_DATA_EXAMPLE_ROW_H
#define QN_DATA_EXAMPLE_ROW_H

#include "base/str.h"

typedef enum {
    QN_FORM_NONE, QN_FORM_MESSAGES, QN_FORM_SHAREGPT, QN_FORM_ALPACA, QN_FORM_COMPLETION, QN_FORM_PAIRS,
    QN_FORM_PAIRS_SHARED, QN_FORM_PAIRS_DIALOGUES, QN_FORM_LABELS, QN_FORM_TEXT, QN_FORM_PAIRS_TEXTS, QN_FORMS
} qn_example_form;
const char *qn_example_form_name(qn_example_form f);    /* "chat messages", … */
bool qn_example_form_is_pair(qn_example_form f);

typedef enum {
    QN_FAULT_NONE,
    QN_FAULT_ROLE,              /* a message without a role, or one that nobody knows */
    QN_FAULT_CONTENT,           /* a message, a prompt without content */
    QN_FAULT_EMPTY,             /* an answer without a visible character */
    QN_FAULT_NO_ANSWER,         /* nothing of it is the assistant's */
    QN_FAULT_SAME,              /* chosen and rejected are equal */
    QN_FAULT_APART,             /* … have no prompt in common */
    QN_FAULT_TEMPLATE,          /* the chat template cannot render it */
    QN_FAULT_PROMPT,            /* the prompt alone is longer than the context */
    QN_FAULT_LONG,              /* all of it is, and such are to be left out */
    QN_FAULT_UNTAUGHT,          /* no token of it is taught */
    QN_FAULT_MEMBER,            /* a member that all other rows have is not there, or null */
    QN_FAULT_JSON,              /* it is no JSON, and such rows are to be left out */
    QN_FAULT_CALL,              /* a call of a tool names none, or its arguments are no JSON */
    QN_FAULT_MALFORMED,         /* it is no object, or members are not what they must be; such are to be left out */
    QN_FAULT_FORM,              /* its form is none, or not that of the rows before; such are to be left out */
    QN_FAULTS
} qn_example_fault;
const char *qn_example_fault_name(qn_example_fault f);  /* "a message without a role", … */

/* {0} is empty; reading again reuses the memory. */
typedef struct {
    qn_example_form form;
    qn_example_fault fault;
    qn_buf chat, rejected;      /* {"messages": […], "tools": […]} */
    qn_buf text;
    size_t prompt;              /* messages of the prompt: only what stands behind them is taught */
    qn_buf mute;                /* a byte for each message of chat, 1: it is not to be taught; empty: none is such */
    bool good;                  /* labels */
    bool calls;                 /* there are calls of tools in it */
    bool whole;                 /* it is an object of JSON, whatever its form */
} qn_example_row;

/* json: an object, the row. calls_as_text: calls are written into the content, for a template that knows none.
 * QN_EFORMAT, naming the place, where it is no JSON or has none of the forms (QN_FORM_NONE, then). */
int qn_example_row_read(qn_example_row *r, qn_str json, const char *place, bool calls_as_text);
void qn_example_row_drop(qn_example_row *r);

#endif
