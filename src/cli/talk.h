/* cli/talk.h — a conversation with a model: its turns, and answers to them.
 *
 * Each turn renders the whole conversation; the session reuses the common prefix of what it holds, so only what is new
 * is computed. A turn that fails (too long for the context, refused by the template) leaves the conversation as it was:
 * nothing is dropped or shortened silently. */
#ifndef QN_CLI_TALK_H
#define QN_CLI_TALK_H

#include "model/prompter.h"
#include "cli/draft_args.h"
#include "cli/sampling.h"

typedef struct {
    const char *role;           /* "system", "user", "assistant" */
    qn_buf text;
    qn_buf thought;             /* what the assistant thought before it said that; later turns do without it */
} qn_turn;

/* {0} is empty and may be dropped. */
typedef struct {
    qn_opened m;
    qn_prompter prompter;
    qn_sampling sampling;
    qn_draft draft;
    qn_turn *turn;              /* the system message, if there is one, is turn 0 */
    size_t turns, cap;
    qn_ids held, ids;
    uint64_t seed;              /* of the first answer; each further one counts it up: /regen says something new */
    int64_t answers;
    qn_generate_result last;    /* of the last answer */
    double prefill_seconds, decode_seconds;     /* of all answers, with the tokens computed in them */
    int64_t prefilled, decoded;
} qn_talk;

/* MODEL with the options of chat. */
int qn_talk_open(qn_talk *t, qn_cli *c, const char *path);
void qn_talk_drop(qn_talk *t);

/* The text of an answer as it comes, and the thoughts before it; a negative return ends it with that error. */
typedef int qn_talk_fn(void *arg, bool thought, qn_str text);
/* A user's turn and the answer to it. */
int qn_talk_say(qn_talk *t, qn_str text, qn_talk_fn *fn, void *arg);
/* Another answer to the last user's turn; QN_EINVAL if nothing was said yet. */
int qn_talk_again(qn_talk *t, qn_talk_fn *fn, void *arg);
/* Sets the system message; an empty one removes it. */
int qn_talk_system(qn_talk *t, qn_str text);
/* Forgets all but the system message. */
void qn_talk_reset(qn_talk *t);
/* The messages as a JSON array, in the form that `render -f` reads. */
int qn_talk_save(const qn_talk *t, const char *path);
/* The answer of the last turn, and the thoughts before it; empty if there is none. */
qn_str qn_talk_answer(const qn_talk *t);
qn_str qn_talk_thought(const qn_talk *t);

#endif
