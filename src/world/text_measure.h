/* world/text_measure.h — how much a text repeats itself: a made one is held against one that people wrote. */
#ifndef QN_WORLD_TEXT_MEASURE_H
#define QN_WORLD_TEXT_MEASURE_H

#include "base/str.h"

#define QN_MEASURE_SAMPLE ((size_t)1 << 20)     /* for novelty and packing: the same of every text */
#define QN_MEASURE_NEAR 1000                    /* sentences */

typedef struct {
    int64_t bytes, words, types;    /* types: different words, letters only, as they are written */
    int64_t sentences;              /* of six words or more */
    double repeated;                /* of a thousand sentences: how many stood anywhere before … */
    double repeated_near;           /* … among the last thousand */
    int64_t sample;                 /* bytes that the figures below are of */
    double new_3, new_5;            /* share of the word n-grams of its second half that its first half does not have */
    double packed;                  /* bytes of the sample over bytes after deflate */
} qn_text_measure;

/* Lines that are `separator` (NULL: none) are passed over. */
int qn_measure_text(qn_str text, const char *separator, qn_text_measure *m);

#endif
