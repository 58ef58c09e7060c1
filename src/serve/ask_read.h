/* serve/ask_read.h — readers of members that have a shape of their own: the files of ask.c among themselves. */
#ifndef QN_SERVE_ASK_READ_H
#define QN_SERVE_ASK_READ_H

#include "serve/ask.h"

/* x->param is the member's name. */
typedef int qn_ask_read_fn(qn_exchange *x, qn_json *j, qn_ask *a);

/* A name out of a fixed list; its index. */
int qn_ask_read_word(qn_json *j, const char *const *words, size_t n, int *out);

/* ---- ask_forms.c: what the answer is held to; one of them in a request ---- */
qn_ask_read_fn qn_ask_read_response_format, qn_ask_read_structured;
qn_ask_read_fn qn_ask_read_schema;          /* llama.cpp's and vLLM's: a schema, as JSON or as a text that holds it */
qn_ask_read_fn qn_ask_read_grammar;         /* an empty one is none */
qn_ask_read_fn qn_ask_read_regex;
qn_ask_read_fn qn_ask_read_choice;          /* ["yes", "no"]: one of these, as a grammar */

/* ---- ask_refused.c ---- */
/* Members that would change the answer and are not done: 1 if `key` is one, whose value says nothing or "off"; 0 if it
 * is none of them; an error names it. */
int qn_ask_refuse(qn_json *j, qn_str key);

#endif
