/* chat/answer.h — what a model says, taken apart while it is said: thoughts, words, calls of functions.
 *
 *   Let me see.⏎<tool_call>⏎{"name": "weather", "arguments": {"city": "Ulm"}}⏎</tool_call>
 *   └ CONTENT ┘                   └ CALL ┘               └ ARGUMENTS ─┘└ CALL_END
 *
 *     QN_TRY(qn_answer_new(&a, &(qn_answer_options){.form = prompter.form, .take = take, .to = me, …}));
 *     QN_TRY(qn_answer_feed(a, piece)); …                   // as often as text comes, cut anywhere
 *     QN_TRY(qn_answer_end(a));                             // the answer is over: what was held back is told
 *     qn_answer_free(a);
 *
 *   answer.c           this: the way from thoughts to words to calls and back      answer_run.h   shared inside
 *   answer_forms.c     how models write calls and thoughts; which of it a template means
 *   answer_json.c      where a JSON value ends, while it comes; a call out of a whole one
 *   answer_named.c     calls whose name stands before the JSON: Mistral's, DeepSeek's, Llama's `name.call(…)`
 *   answer_parts.c     events put together again
 *
 * However the text is cut, the events say the same: those of one kind in a row, put together, are equal. They hold
 * whole characters where the text is UTF-8. A call is told as soon as its name is known and the object of its arguments
 * begins, and those as they come: if they break off, or are no JSON, they end there, and what follows is CONTENT. Where
 * the name comes behind the arguments, or these are a text that holds JSON, a call is told when it is whole and right.
 * Whatever turns out to be no call — unfinished, broken JSON, an unknown mark — is CONTENT, byte by byte as it stands.
 * Lost is only the mark-up of what was understood, and the white space that touches it.
 *
 * Feed what the model said with its special tokens written out (`<think>`, `[TOOL_CALLS]`, `<|python_tag|>` are such in
 * many vocabularies), but for the one that ended the answer. */
#ifndef QN_CHAT_ANSWER_H
#define QN_CHAT_ANSWER_H

#include "base/json.h"

/* How calls are written, and thoughts. NULL: there are none, all of it is content. Rows of answer_forms.c. */
typedef struct {
    const struct qn_call_form *calls;
    const struct qn_thought_form *thoughts;
} qn_answer_form;

#define QN_ANSWER_FORMS "hermes|llama3|mistral|deepseek|granite|cohere|none"
/* What a chat template says of it: the marks that it writes itself. Calls as Hermes has them where it says nothing. */
qn_answer_form qn_answer_form_of(qn_str chat_template);
int qn_answer_form_named(qn_answer_form *f, const char *name);       /* QN_EINVAL with the names that there are */
const char *qn_answer_form_name(const qn_answer_form *f);            /* of the calls */
bool qn_answer_form_is_bare(const qn_answer_form *f);    /* a call is an object and needs no mark: Llama 3's */
/* The marks that it looks for, one after the other; NULL behind the last. */
const char *qn_answer_form_mark(const qn_answer_form *f, size_t i);
/* Does this prompt open the thoughts itself ("…<think>⏎"), so that the answer begins within them? */
bool qn_answer_begins_in_thought(const qn_answer_form *f, qn_str prompt);

typedef enum {
    QN_ANSWER_CONTENT,      /* more words: text */
    QN_ANSWER_REASONING,    /* more thoughts: text */
    QN_ANSWER_CALL,         /* a call begins: call, name, id */
    QN_ANSWER_ARGUMENTS,    /* more of its arguments: call, text (JSON as the model wrote it) */
    QN_ANSWER_CALL_END,     /* it is whole: call */
} qn_answer_kind;

/* Borrowed: good while take() runs. */
typedef struct {
    qn_answer_kind kind;
    qn_str text;
    int call;               /* which call of this answer, from 0 */
    qn_str name, id;        /* of CALL: the model's own id, if it stands before the arguments and is a good one; else
                             * nine letters and digits made from id_seed */
} qn_answer_event;

typedef struct qn_answer_options {
    qn_answer_form form;
    bool in_thought;        /* the answer begins within thoughts: qn_answer_expect */
    bool calls;             /* functions were offered. false: what looks like a call is content */
    const qn_str *tool;     /* their names, borrowed: a call without a mark counts only for one of these. Calls with */
    size_t tools;           /* a mark are told whatever they name: who offered the functions knows which there are */
    uint64_t id_seed;       /* other for each answer of a conversation, else ids come twice */
    int (*take)(void *to, const qn_answer_event *e);     /* <0 ends feed() with that */
    void *to;
} qn_answer_options;
/* Thoughts of an answer to this prompt: does it begin within them? One that is held to what the client asked for (a
 * schema, a call) has none. o->form is set. */
void qn_answer_expect(qn_answer_options *o, qn_str prompt, bool held);

typedef struct qn_answer qn_answer;
int qn_answer_new(qn_answer **out, const qn_answer_options *o);
int qn_answer_feed(qn_answer *a, qn_str piece);
int qn_answer_end(qn_answer *a);
void qn_answer_free(qn_answer *a);                       /* NULL is fine */

/* ---- whole ---- */

typedef struct { qn_buf id, name, arguments; } qn_answer_call;

/* {0} is empty. qn_answer_collect is a take() that fills it (`to` is the parts). */
typedef struct {
    qn_buf content, reasoning;
    qn_answer_call *call;
    size_t calls, cap;
} qn_answer_parts;
int qn_answer_collect(void *parts, const qn_answer_event *e);
/* All at once; o->take and o->to are not used. Empties the parts before. */
int qn_answer_parse(const qn_answer_options *o, qn_str text, qn_answer_parts *out);
void qn_answer_parts_drop(qn_answer_parts *p);
/* {"content": …|null, "reasoning_content": … (if any), "tool_calls": [{"id","type":"function","function":{"name",
 * "arguments":"…"}}] (if any)}: the members of an assistant message, into an open object. */
void qn_answer_parts_write(const qn_answer_parts *p, qn_jw *w);

#endif
