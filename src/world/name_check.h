/* world/name_check.h — would a tokenizer give strangers away?
 *
 * "I do not know" must not be learned from the length of a name: the numbers of tokens of names with facts and of names
 * without are held against each other by the test of Kolmogorov and Smirnov. */
#ifndef QN_WORLD_NAME_CHECK_H
#define QN_WORLD_NAME_CHECK_H

#include "base/pool.h"
#include "tok/tok.h"
#include "world/ks.h"
#include "world/world.h"

#define QN_NAME_CHECK_P 0.2             /* below it names are not alike enough */
#define QN_NAME_CHECK_VOCAB 4096

typedef struct {
    qn_ks alike;                        /* known against unknown */
    double known, unknown;              /* tokens of a name, on average */
    int64_t n_known, n_unknown;
} qn_name_check;

/* Under a tokenizer that is given. */
int qn_name_check_with(const qn_world *w, const qn_tok *tok, qn_name_check *out);
/* Under one trained on the texts of a folder (OUT/corpus), on some megabytes of them. pool may be NULL. */
int qn_name_check_corpus(const qn_world *w, const char *folder, int64_t vocab, qn_pool *pool, qn_name_check *out);

#endif
