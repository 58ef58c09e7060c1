/* world/requests.h — what one may be asked to do with words, and the rules that tell whether it was done.
 *
 *     Say ring, lamp, saw in reverse order.                    saw, lamp, ring     equals "saw, lamp, ring"
 *     Make a sentence of at most 5 words with a lamp in it.    I see a lamp.       max_words 5, contains "lamp"
 *
 * A request needs no knowledge of the world. The corpus knows the game as lessons, chat asks it outright. */
#ifndef QN_WORLD_REQUESTS_H
#define QN_WORLD_REQUESTS_H

#include "world/set_write.h"

/* The things that requests are about: the corpus has them all, its lessons only these. All begin with a consonant. They
 * are many, so that it is easier to learn to copy than to learn what can be done with each. */
#define QN_REQUEST_WORDS                                                                                            \
    "bell", "key", "cup", "ring", "comb", "box", "spoon", "bowl", "lamp", "chain", "coin", "mirror", "clasp",       \
    "plate", "whistle", "loom", "wheel", "mallet", "needle", "saw", "trowel", "net", "crook", "spade", "hive",      \
    "kettle", "brush", "ladder", "quill", "mortar", "cart", "bow", "basket", "hat", "coat", "rope", "book",         \
    "letter", "candle", "bucket", "knife", "chair", "clock", "bottle", "drum", "kite", "map", "blanket", "ribbon",  \
    "pillow", "shop", "wall", "bench", "shed", "fence", "hut", "hall", "store", "house", "rose", "bean", "tulip",   \
    "vine", "hedge", "cabbage", "pumpkin", "goose", "cat", "dog", "goat", "donkey", "pony", "hen", "duck",          \
    "rabbit", "pig", "lamb", "raven", "fox", "swan", "mouse", "badger", "kitten", "hound", "mule", "calf",          \
    "pigeon", "frog", "deer", "parrot", "tower", "barn", "garden", "school", "flute", "fiddle"
#define QN_REQUEST_WORDS_NEW "press", "razor", "cleaver", "scraper", "vat", "strap", "wick", "file"

#define QN_REQUEST_RULES 3
typedef struct {
    const char *kind;                   /* "repeat", "reverse" … */
    const char *words;                  /* "common"; "new": words that tuning never uses in requests */
    qn_answer_rule rule[QN_REQUEST_RULES];
    int rules;
} qn_request;

#define QN_REQUEST_KINDS 10
/* Appends the request and a right answer. */
int qn_request_draw(qn_draw *d, int kind, bool new_words, qn_buf *ask, qn_buf *answer, qn_request *r);

/* What breaks a rule, for pairs; appended. answer ends with NUL, as buffers do.
 * spoil: one thing is another one, of the same length where there is one.   cut: only the first word. */
int qn_request_spoil(qn_draw *d, qn_str answer, qn_buf *out);
int qn_request_cut(qn_str answer, qn_buf *out);
/* Requests for a single word, which cannot be answered more shortly. */
static inline bool qn_request_is_short(int kind) { return kind == 2 || kind == 3; }

#endif
