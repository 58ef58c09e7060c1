/* world/bow.h — how much do the words alone give away? Two classifiers that see a text as a bag of words.
 *
 * The generator asks them whether requests that must be refused can be told from their look-alikes without reading:
 * a naive Bayes with add-one smoothing, and a logistic regression by gradient descent. Cross-validated over `folds`:
 * texts of one group (the two sides of a pair) are in the same fold, so neither is learned from the other. A text on
 * which a classifier is undecided counts half. */
#ifndef QN_WORLD_BOW_H
#define QN_WORLD_BOW_H

#include "base/base.h"

typedef struct { qn_str text; bool label; int64_t group; } qn_bow_text;
typedef struct { double bayes, logistic; } qn_bow_result;               /* share of texts told rightly, 0 … 1 */

#define QN_BOW_FOLDS 5
/* n ≥ QN_BOW_FOLDS texts. The words are runs of letters, case folded (ASCII). QN_ENOMEM. */
int qn_bow_test(const qn_bow_text *t, int64_t n, qn_bow_result *out);

#endif
