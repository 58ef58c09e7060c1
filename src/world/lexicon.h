/* world/lexicon.h — the values of each relation, and what is true of them. */
#ifndef QN_WORLD_LEXICON_H
#define QN_WORLD_LEXICON_H

#include "world/world.h"

/* The value's words, appended; how many values a lexicon holds is QN_WORLD_VALUES_MAX for each relation. */
int qn_lexicon_value(qn_world_size size, qn_relation r, int value, qn_buf *out);
int qn_lexicon_property(qn_world_size size, qn_relation r, int value);      /* -1: none */
int qn_lexicon_properties(qn_world_size size, qn_relation r);

/* Syllables of names. A given name is head + tail or head + middle + tail, so is a surname. */
extern const char *const qn_name_head[24];
extern const char *const qn_name_middle[8];
extern const char *const qn_name_she[10];
extern const char *const qn_name_he[10];
extern const char *const qn_name_surname[16];

#endif
