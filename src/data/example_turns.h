/* data/example_turns.h — messages in any spelling as messages of one spelling. Private to src/data.
 *
 *     {"from": "gpt", "value": "Hi"}            {"role": "assistant", "content": "Hi"}
 *     {"from": "function_call", "value": "{…}"}  {"role": "assistant", "content": "", "tool_calls": [{…}]} */
#ifndef QN_DATA_EXAMPLE_TURNS_H
#define QN_DATA_EXAMPLE_TURNS_H

#include "base/json.h"
#include "data/example_row.h"

typedef struct {
    qn_buf json;
    bool answer;                    /* it is the assistant's */
    bool mute;                      /* … and not to be taught: "weight": 0 */
} qn_turn_text;
typedef struct {
    qn_turn_text *m; size_t n, cap;
    bool calls_as_text;             /* the caller's: calls are written into the content */
    bool trim;                      /* the caller's: a string loses the white space around it */
    bool calls;                     /* there were some */
    qn_example_fault fault;         /* the first one that was found */
} qn_turns;
void qn_turns_drop(qn_turns *t);

/* Adds what a JSON value says: a string is what `role` says, an object a message, an array several. */
int qn_turns_add(qn_turns *t, qn_str json, const char *role, const char *place);
int qn_turns_add_words(qn_turns *t, qn_str words, const char *role, const char *place);
/* [[question, answer], …] */
int qn_turns_add_history(qn_turns *t, qn_str json, const char *place);
/* A string "\n\nHuman: … \n\nAssistant: …". open: where nothing stands behind its last "Assistant:", that is where an
 * answer is to come. */
int qn_turns_add_dialogue(qn_turns *t, qn_str json, bool open, const char *place);

bool qn_turns_is_dialogue(qn_str json);                         /* does a string begin with "\n\nHuman:"? */
bool qn_turns_begin_with_answer(qn_str json);                   /* of an array: is its first message the assistant's? */
int qn_turns_text(qn_str json, const char *place, qn_buf *out); /* a JSON string, decoded, appended */
/* Tools as templates expect them: an array of {"type": "function", "function": {…}}. Nothing where it is empty. */
int qn_turns_tools(qn_str json, const char *place, qn_buf *out);
bool qn_turns_is_blank(qn_str s);

#endif
