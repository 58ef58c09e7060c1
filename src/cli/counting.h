/* cli/counting.h — n-grams counted out of prepared data into a folder, shown on the way: for `train ngram` and the
 * demo. */
#ifndef QN_CLI_COUNTING_H
#define QN_CLI_COUNTING_H

#include "cli/cli.h"
#include "eval/baselines.h"

typedef struct {
    qn_ngram_info info;
    qn_held_out held;               /* over the validation split; tokens 0: there is none */
    double seconds;                 /* of counting and writing */
} qn_counted;

/* Counts the training split of a prepared folder, whole documents of it until max_tokens are reached (0: all), writes OUT/model.ngram last and the tokenizer's files before it, and
 * measures the validation split. QN_ENOMEM where the machine has less memory than that takes. */
int qn_count_ngrams(qn_cli *c, const char *data, int order, int64_t max_tokens, const char *out, qn_counted *r);
/* As members of the open object. */
void qn_counted_put(const qn_counted *r, qn_jw *w);

#endif
