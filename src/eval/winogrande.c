/* eval/winogrande.c — WinoGrande (Sakaguchi et al. 2020): what is scored is what both readings have in common.
 *
 *     {"qID": "…", "sentence": "The cup did not fit in the case as the _ was small.", "option1": "cup",
 *      "option2": "case", "answer": "2"}
 *
 *     The cup did not fit in the case as the cup  │ was small.
 *     The cup did not fit in the case as the case │ was small.       the likelier ending wins        acc */
#include <string.h>

#include "eval/benchmark.h"

static qn_str trimmed(qn_str s) {
    while (s.n > 0 && (s.s[0] == ' ' || s.s[0] == '\n' || s.s[0] == '\t'))
        s = (qn_str){s.s + 1, s.n - 1};
    while (s.n > 0 && (s.s[s.n - 1] == ' ' || s.s[s.n - 1] == '\n' || s.s[s.n - 1] == '\t'))
        s.n--;
    return s;
}

static int read_line(qn_task *t, qn_json *j, void *arg) {
    qn_str id = {0}, sentence, option[2], answer;
    qn_task_item *item;
    (void)arg;
    qn_field f[] = {{.name = "qID", .str = &id, .optional = true}, {.name = "sentence", .str = &sentence},
                    {.name = "option1", .str = &option[0]}, {.name = "option2", .str = &option[1]},
                    {.name = "answer", .str = &answer}};
    QN_TRY(qn_read_fields(t, j, f, QN_LEN(f)));
    const char *gap = sentence.n > 0 ? memchr(sentence.s, '_', sentence.n) : NULL;
    if (!gap)
        return qn_json_fail(j, QN_EFORMAT, "\"sentence\": expected a gap, \"_\"");
    if (!qn_str_is(answer, "1") && !qn_str_is(answer, "2"))
        return qn_json_fail(j, QN_EFORMAT, "\"answer\" is \"%.*s\": expected 1 or 2 (the test split has none)",
                            QN_STR_ARG(answer));
    const qn_str before = {sentence.s, (size_t)(gap - sentence.s)};
    const qn_str after = trimmed((qn_str){gap + 1, sentence.n - before.n - 1});
    const qn_str ends[2] = {after, after};
    if (after.n == 0)
        return qn_json_fail(j, QN_EFORMAT, "\"sentence\": expected text behind the gap");
    QN_TRY(qn_add_choices(t, id, (qn_str){0}, (qn_strs){ends, 2}, answer.s[0] - '1', &item));
    qn_str *contexts = qn_task_alloc(t, 2 * sizeof *contexts);
    if (!contexts)
        return QN_ENOMEM;
    for (int i = 0; i < 2; i++)
        QN_TRY(qn_task_print(t, &contexts[i], "%.*s%.*s", (int)before.n, before.s, (int)option[i].n, option[i].s));
    item->before = contexts;
    return 0;
}

int qn_winogrande_read(qn_task *t, const char *path, bool examples) {
    (void)examples;
    t->kind = QN_TASK_CHOICE;
    t->metric = QN_STR("acc");
    return qn_each_line(t, path, read_line, NULL);
}
