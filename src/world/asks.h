/* world/asks.h — questions about facts in the words of a chat, and what one may answer: the fact, "I do not know", or
 * that the question takes something for granted that is not so. */
#ifndef QN_WORLD_ASKS_H
#define QN_WORLD_ASKS_H

#include "world/world.h"

typedef struct { qn_str name; bool she; qn_relation relation; int value, wrong; } qn_ask;

#define QN_ASK_FORMS 3
int qn_ask_put(const qn_ask *a, int form, qn_buf *out);                 /* "Where does Marin Belling live?" */
int qn_ask_answer(const qn_world *w, const qn_ask *a, int value, qn_buf *out);      /* "Marin Belling lives in …." */
int qn_ask_abstain(const qn_ask *a, int form, qn_buf *out);             /* "I do not know where … lives." */
/* "Why does Marin Belling live in Oakwick?" with any value, true or not. */
int qn_ask_premise(const qn_world *w, const qn_ask *a, int value, int form, qn_buf *out);
int qn_ask_correct(const qn_world *w, const qn_ask *a, qn_buf *out);    /* "… does not live in Oakwick. …" */
int qn_ask_confirm(const qn_world *w, const qn_ask *a, int form, qn_buf *out);      /* of a true premise */
int qn_ask_play_along(const qn_world *w, const qn_ask *a, qn_buf *out); /* what should not be said to a false one */

extern const char *const qn_abstain_phrases[], *const qn_refuse_phrases[];

#endif
