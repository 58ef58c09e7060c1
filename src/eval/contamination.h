/* eval/contamination.h — do the items of a task stand in a text that a model was trained on?
 *
 * An item is found where 13 words of it stand in a row in the text, words being runs of letters and digits in small
 * letters (GPT-3's measure: Brown et al. 2020, appendix C). Its words are those of context and right answer together.
 * Items of fewer than 13 words are not looked for. Equal hashes of 64 bits are taken for equal words. */
#ifndef QN_EVAL_CONTAMINATION_H
#define QN_EVAL_CONTAMINATION_H

#include "eval/task.h"

typedef struct qn_contaminated {
    int64_t items, found, too_short;
    bool *hit;                      /* [items], in the order of the task */
} qn_contaminated;

/* All tasks in one pass over the files at `path`; out [n]. Drop them in any case. progress may be NULL. */
int qn_contamination(const qn_task *const *tasks, int64_t n, const char *path, qn_contaminated *out,
                     int (*progress)(void *arg, int64_t bytes), void *arg);
void qn_contaminated_drop(qn_contaminated *c);

#endif
