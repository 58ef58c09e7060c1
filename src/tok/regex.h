/* tok/regex.h — PCRE2 behind four functions, for patterns of Hugging Face's files (regex.c says what they mean). */
#ifndef QN_TOK_REGEX_H
#define QN_TOK_REGEX_H

#include "base/str.h"

typedef struct qn_regex qn_regex;
typedef struct qn_regex_work qn_regex_work;                             /* match data and JIT stack: one per thread */
int qn_regex_new(qn_regex **out, qn_str pattern);                       /* QN_EUNSUPPORTED says what is not known */
void qn_regex_free(qn_regex *re);
int qn_regex_work_new(qn_regex_work **out);
void qn_regex_work_free(qn_regex_work *w);
/* The first match in s (valid UTF-8) from offset `from`, at a character's border: 1 and its range, 0, or <0. */
int qn_regex_find(const qn_regex *re, qn_regex_work *w, const char *s, size_t n, size_t from, size_t *begin,
                  size_t *end);

#endif
