/* chat/answer_run.h — inside of the parser of answers: forms, attempts, the scanner of JSON. */
#ifndef QN_CHAT_ANSWER_RUN_H
#define QN_CHAT_ANSWER_RUN_H

#include "chat/answer.h"

enum {
    QN_ANSWER_MARKS = 6,
    QN_ANSWER_NAME = 256,   /* bytes of a function's name at most, and of white space before a call */
    QN_ANSWER_ID = 9,       /* Mistral's templates take no other length: all have it */
    QN_ANSWER_HEAD = 1024,  /* bytes before a call's arguments, beyond which it is told when it is whole */
};

/* ---- JSON while it comes ---- */

/* Where in the held text a value begins, how far it was looked through, what is open there. */
typedef struct {
    size_t from, at;
    int depth;
    bool text, escape;      /* inside a string; behind its backslash */
    char stack[QN_JSON_DEPTH];
} qn_json_scan;

/* What a look at the beginning of something says: it is it, it may become it, it is not; of a call: its name is known
 * and its arguments begin. */
typedef enum { QN_SEEN_WHOLE, QN_SEEN_MORE, QN_SEEN_NOT, QN_SEEN_BEGUN } qn_seen;

/* The object that begins at text.s[from]: where it ends. Goes on where the last look stopped, if that was the same
 * value. Strict only about what tells early that nothing can come of it. */
qn_seen qn_json_scan_object(qn_json_scan *scan, qn_str text, size_t from, size_t *end);
/* The same in two steps, for text that is passed on meanwhile: behind the brace at text.s[from]; on from scan->at,
 * which then is behind what was looked through, up to the end of what is open. */
void qn_json_scan_begin(qn_json_scan *scan, size_t from);
qn_seen qn_json_scan_on(qn_json_scan *scan, qn_str text, size_t *end);

/* ---- forms ---- */

typedef struct {
    qn_str name, id;        /* into buf, or the text */
    qn_str arguments;
    qn_buf name_buf, id_buf, arguments_buf;
} qn_call_found;

typedef struct {
    qn_str text;            /* what is held */
    size_t at;              /* where the attempt begins, behind the mark */
    size_t end;             /* result: behind the call; of one that is BEGUN, the brace of its arguments */
    bool bare;              /* there was no mark */
    bool bracket;           /* result: "[" was passed, "]" will be */
    bool wrapped;           /* result, BEGUN: the arguments stand in an object, which goes on behind them */
    const struct qn_answer_options *o;
    qn_json_scan *scan;
    qn_call_found *call;
} qn_attempt;

/* Looks at what stands behind a mark: QN_SEEN_…, or <0. The more text there is, the more it may say, and never
 * something else. */
typedef int qn_attempt_fn(qn_attempt *t);

struct qn_call_form {
    const char *name;
    const char *signs[3];                   /* a template that says one of these means this form */
    const char *open[QN_ANSWER_MARKS];      /* marks behind which calls stand */
    const char *next[2];                    /* how another call behind the first may begin */
    const char *pass[QN_ANSWER_MARKS];      /* marks behind and between calls, dropped */
    const char *close;                      /* behind the last */
    const char *mute[2];                    /* marks around the words themselves, dropped */
    qn_attempt_fn *attempt;
    bool bare;                              /* a call may stand without a mark where the answer begins */
    bool own_ids;                           /* the model's ids are good ones */
};

struct qn_thought_form { const char *sign, *open, *close; };

qn_attempt_fn qn_attempt_json, qn_attempt_llama, qn_attempt_mistral, qn_attempt_deepseek;

/* A call out of a whole JSON object: QN_SEEN_WHOLE or QN_SEEN_NOT; <0 only without memory. */
int qn_call_from_json(qn_str object, qn_call_found *call);
/* Is this one JSON value, whole and right? QN_SEEN_WHOLE or QN_SEEN_NOT; <0 only without memory. */
int qn_see_json(qn_str text);
/* What stands at text.s[at] is the arguments of a call whose name is known, if it is an object. */
int qn_attempt_arguments(qn_attempt *t, size_t at);
void qn_call_found_drop(qn_call_found *call);

/* ---- looking at text ---- */

size_t qn_skip_white(qn_str text, size_t at);
/* Does `mark` stand at text.s[at]? QN_SEEN_MORE where the text ends within it. */
qn_seen qn_see(qn_str text, size_t at, const char *mark);
/* The same for letters, digits, '_', '-', '.' and ':', at least one: a name; *end behind it. Where the text ends with
 * it, it may go on. */
qn_seen qn_see_name(qn_str text, size_t at, size_t *end);

#endif
