/* eval/judge.h — what a written answer is worth.
 *
 * Answers are compared without the white space around them. Words are runs of letters, digits and bytes above ASCII;
 * phrases that mean abstaining or refusing are found anywhere, in any case of ASCII letters. */
#ifndef QN_EVAL_JUDGE_H
#define QN_EVAL_JUDGE_H

#include "eval/task.h"

typedef struct {
    bool right;
    bool flexible;              /* GSM8K: by the last number, whatever stands before it; otherwise = right */
    bool abstained, refused;    /* a phrase of the task's was there */
} qn_verdict;

qn_verdict qn_judge_answer(const qn_task *t, const qn_task_item *item, qn_str answer);
bool qn_rule_holds(const qn_task_rule *rule, qn_str answer);
/* No answer keeps both (they may be one and the same: then none keeps it). Says so only where that is certain. */
bool qn_rules_clash(const qn_task_rule *a, const qn_task_rule *b);

/* ---- for both files and their tests ---- */
qn_str qn_trimmed(qn_str s);                                /* without white space at both ends */
/* `needle` in s where no word continues at either end; its offset, or −1. Empty needles are nowhere. */
int64_t qn_find_words(qn_str s, qn_str needle, bool fold);
/* The last number in s, "-1,234.50", or an empty view. */
qn_str qn_last_number(qn_str s);
bool qn_same_number(qn_str a, qn_str b);                    /* "$1,234.0" and "1234" are */
/* GSM8K's two extractions; empty where there is nothing to extract. */
qn_str qn_gsm8k_strict(qn_str s);
qn_str qn_gsm8k_flexible(qn_str s);
bool qn_gsm8k_same(qn_str a, qn_str b);

#endif
