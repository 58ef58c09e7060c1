/* eval/gsm8k.c — GSM8K (Cobbe et al. 2021).
 *
 *     {"question": "…", "answer": "It takes 2/2=<<2/2=1>>1 bolt …\n#### 3"}
 *
 *     Question: …
 *     Answer: the worked answer of a shot
 *
 *     Question: QUESTION
 *     Answer: │ written until "Question:"      strict: the number behind "####"; flexible: the last number */
#include <string.h>

#include "eval/benchmark.h"

static const qn_str stop[3] = {{"Question:", 9}, {"</s>", 4}, {"<|im_end|>", 10}};

/* What stands behind the last "#### ". */
static qn_str final_number(qn_str answer) {
    qn_str found = {0};
    for (size_t i = 0; i + 5 <= answer.n; i++)
        if (memcmp(answer.s + i, "#### ", 5) == 0)
            found = (qn_str){answer.s + i + 5, answer.n - i - 5};
    while (found.n > 0 && (found.s[found.n - 1] == '\n' || found.s[found.n - 1] == ' '))
        found.n--;
    return found;
}

static int read_line(qn_task *t, qn_json *j, void *arg) {
    qn_str question, answer, context;
    qn_task_item *item;
    qn_field f[] = {{.name = "question", .str = &question}, {.name = "answer", .str = &answer}};
    (void)arg;
    QN_TRY(qn_read_fields(t, j, f, QN_LEN(f)));
    qn_str *target = qn_task_alloc(t, sizeof *target);
    if (!target)
        return QN_ENOMEM;
    *target = final_number(answer);
    if (target->n == 0)
        return qn_json_fail(j, QN_EFORMAT, "\"answer\": expected \"#### NUMBER\" at its end");
    QN_TRY(qn_task_print(t, &context, "Question: %.*s\nAnswer:", (int)question.n, question.s));
    QN_TRY(qn_task_add(t, &item));
    QN_TRY(qn_task_print(t, &item->id, "%zu", t->n - 1));
    QN_TRY(qn_task_spaced(t, answer, &item->shown));
    item->context = context;
    item->target = target;
    item->targets = 1;
    item->judge = QN_JUDGE_GSM8K;
    item->stop = stop;
    item->stops = QN_LEN(stop);
    item->max_tokens = 256;
    return 0;
}

int qn_gsm8k_read(qn_task *t, const char *path, bool examples) {
    (void)examples;
    t->kind = QN_TASK_GENERATE;
    t->metric = QN_STR("strict");
    return qn_each_line(t, path, read_line, NULL);
}
