/* world/requests.h — what one may be asked to do with words, and the rules that tell whether it was done.
 *
 *     Say rope, lamp and salt in reverse order.      salt, lamp, rope         equals "salt, lamp, rope"
 *     Say something of at most 5 words with lamp.    I see a lamp here.       max_words 5, contains "lamp"
 *
 * A request needs no knowledge of the world. The corpus knows the game as lessons in a school, chat asks it outright. */
#ifndef QN_WORLD_REQUESTS_H
#define QN_WORLD_REQUESTS_H

#include "world/set_write.h"

#define QN_REQUEST_RULES 3
typedef struct {
    const char *kind;                   /* "repeat", "reverse" … */
    const char *words;                  /* "common"; "new": words that tuning never uses in requests */
    bool exact;                         /* only one answer is right */
    qn_rule rule[QN_REQUEST_RULES];
    int rules;
} qn_request;

#define QN_REQUEST_KINDS 10
/* Appends the request and a right answer. */
int qn_request_draw(qn_draw *d, int kind, bool new_words, qn_buf *ask, qn_buf *answer, qn_request *r);

/* Appends an answer that breaks a rule, for pairs: the words right, the order or the number wrong. */
int qn_request_spoil(qn_draw *d, const qn_request *r, qn_str answer, qn_buf *out);

#endif
