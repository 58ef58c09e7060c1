/* chat/chat.h — storey 2: conversations into prompts, by the model's own chat template.
 *
 *   chat_template.c    this front door: compile, render, the built-in ChatML template
 *   chat_messages.c    MESSAGES.json into values
 *   prompt.h .c        a conversation as the ids that a model gets, in serving and in training
 *   prompt_turns.c     … and which of them the assistant wrote
 *   answer.h .c        what the model says: thoughts, words and calls told apart, piece by piece; answer_*.c
 *   -- the template language: Jinja as Hugging Face models use it --
 *   jinja_lex.c        text to tokens, white-space control        jinja_ast.h    tokens, nodes, program
 *   jinja_parse.c      statements          jinja_parse_expr.c     expressions
 *   jinja_eval.c       runs statements     jinja_expr.c           runs expressions    jinja_run.h
 *   jinja_call.c       arguments, macros   jinja_loop.c           the loop and its `loop` variable
 *   jinja_math.c       arithmetic, slices, ranges
 *   jinja_filters.c    on sequences; jinja_filters_value.c, jinja_filters_text.c          jinja_tests.c
 *   jinja_methods.c    of dicts and lists; jinja_str_methods.c
 *   jinja_globals.c    what templates call by name
 *   -- Python's values --
 *   jinja_value.h      jinja_value.c       lists, dicts, equality, order
 *   jinja_string.c     strings whose bytes know where they came from; jinja_case.c their letters
 *   jinja_print.c      str(), repr(), json.dumps()                jinja_format.c    '%' and str.format
 *   jinja_arena.c      one bump arena per program and per render, freed at once
 *
 * CONTENT NEVER BECOMES A CONTROL TOKEN. Every byte of a string carries one mark: written by the template (trusted), or
 * derived from the conversation (data). Concatenation, slices, trim, replace, tojson … keep the marks, and the renderer
 * returns the prompt with the spans in which the tokenizer may look for special tokens:
 *
 *     <|im_start|>user\n I am <|im_end|> <|im_end|>\n
 *     TTTTTTTTTTTTTTTTTT.................TTTTTTTTTTTT        T = trusted, `.` = data
 *
 * A special token counts only where all its bytes lie in one trusted span; the text between two special tokens is then
 * tokenized as one piece, whatever its marks. */
#ifndef QN_CHAT_CHAT_H
#define QN_CHAT_CHAT_H

#include "base/base.h"

/* What one rendering may cost; QN_ELIMIT beyond. {0} means the defaults. */
typedef struct {
    int64_t steps;          /* evaluated nodes, plus one per 16 bytes copied; default 50 million */
    int64_t memory;         /* bytes of the render's arena; default 48 MiB */
    int64_t output;         /* bytes of the prompt; default 16 MiB */
    int depth;              /* nested evaluation: blocks, expressions, macro calls; default 1000, at most 4000 */
} qn_chat_limits;

/* A compiled template: immutable, may be rendered by several threads at once. `name` is for messages only. */
typedef struct qn_chat_template qn_chat_template;
int qn_chat_template_compile(qn_chat_template **out, const char *text, size_t n, const char *name);
void qn_chat_template_free(qn_chat_template *t);
/* ChatML: what to compile for a model that has no template of its own. Static. */
qn_str qn_chat_template_default(void);

/* A conversation. From JSON: an array of messages, or an object with `messages` and perhaps `tools`; every other member
 * (`documents`, `enable_thinking`, …) becomes a variable of the template. Objects keep the order of their keys. All
 * strings are data, but for the `role` of a message when it is one of the usual roles ("user", "assistant", …): some
 * templates build the control token from it. */
typedef struct qn_chat_messages qn_chat_messages;
int qn_chat_messages_new(qn_chat_messages **out);
int qn_chat_messages_parse(qn_chat_messages **out, const char *json, size_t n, const char *name);
void qn_chat_messages_free(qn_chat_messages *m);
int qn_chat_messages_add(qn_chat_messages *m, const char *role, qn_str content);     /* copies both */
size_t qn_chat_messages_count(const qn_chat_messages *m);
void qn_chat_messages_cut(qn_chat_messages *m, size_t count);        /* keeps the first `count` messages */
qn_str qn_chat_messages_role(const qn_chat_messages *m, size_t i);   /* borrowed; empty where there is none */

typedef struct {
    const qn_chat_messages *messages;
    size_t first;                      /* > 0: only so many messages from the start … */
    bool none;                         /* … or, where `first` is 0, not one */
    bool add_generation_prompt;
    qn_str bos_token, eos_token;       /* trusted; s == NULL leaves the name undefined */
    qn_str unk_token, pad_token;
    const char *date;                  /* what the template sees as now: "YYYY-MM-DD"; NULL: the wall clock */
    qn_chat_limits limits;
} qn_chat_input;

/* Bytes [begin, end) of the prompt. */
typedef struct { size_t begin, end; bool trusted; } qn_chat_span;

/* {0} is empty and ready; a second render reuses the memory. */
typedef struct {
    qn_buf text;
    qn_chat_span *span;                /* cover the text in order, trusted and not in turn */
    size_t spans, span_cap;
    qn_chat_span *answer;              /* what stood inside {% generation %}: the assistant's words, for training */
    size_t answers, answer_cap;
} qn_chat_output;

/* QN_ETEMPLATE with "name:line:column: …" where the template or the conversation is at fault, QN_ELIMIT beyond the
 * limits. On failure the output is empty. */
int qn_chat_render(const qn_chat_template *t, const qn_chat_input *in, qn_chat_output *out);
void qn_chat_output_drop(qn_chat_output *out);

#endif
