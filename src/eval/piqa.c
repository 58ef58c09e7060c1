/* eval/piqa.c — PIQA (Bisk et al. 2020): items in valid.jsonl, right answers in valid-labels.lst, a 0 or 1 per line.
 *
 *     {"goal": "…", "sol1": "…", "sol2": "…"}           and perhaps "label": then no other file is needed
 *
 *     Question: GOAL
 *     Answer: │ SOLUTION               acc, acc_norm */
#include <string.h>

#include "base/file.h"
#include "eval/benchmark.h"

typedef struct { qn_buf text; size_t at; bool there; const char *path; } labels;

static int open_labels(labels *l, qn_buf *path, const char *data) {
    const size_t n = strlen(data), end = qn_str_ends(qn_str_of(data), ".jsonl") ? n - 6 : n;
    QN_TRY(qn_buf_put(path, data, end));
    QN_TRY(qn_buf_puts(path, "-labels.lst"));
    l->path = path->s;
    l->there = qn_is_file(path->s);
    return l->there ? qn_read_file(&l->text, path->s, (size_t)64 << 20) : 0;
}

/* The next line's number, or −1. */
static int64_t next_label(labels *l) {
    while (l->at < l->text.n && (l->text.s[l->at] == '\n' || l->text.s[l->at] == '\r'))
        l->at++;
    if (l->at == l->text.n)
        return -1;
    const char c = l->text.s[l->at++];
    return c == '0' || c == '1' ? c - '0' : -1;
}

static int read_line(qn_task *t, qn_json *j, void *arg) {
    labels *l = arg;
    qn_str goal, sol[2], label = {0}, context;
    int64_t answer = -1;
    qn_task_item *item;
    qn_field f[] = {{.name = "goal", .str = &goal}, {.name = "sol1", .str = &sol[0]}, {.name = "sol2", .str = &sol[1]},
                    {.name = "label", .str = &label, .optional = true}};
    QN_TRY(qn_read_fields(t, j, f, QN_LEN(f)));
    if (l->there)
        answer = next_label(l);
    else if (!qn_parse_i64(label, &answer))
        answer = -1;
    if (answer != 0 && answer != 1)
        return qn_json_fail(j, QN_EFORMAT, "no right answer: expected a line with 0 or 1 in %s, or a field \"label\"",
                            l->path);
    QN_TRY(qn_task_print(t, &context, "Question: %.*s\nAnswer:", (int)goal.n, goal.s));
    return qn_add_choices(t, (qn_str){0}, context, (qn_strs){sol, 2}, answer, &item);
}

int qn_piqa_read(qn_task *t, const char *path, bool examples) {
    labels l = {0};
    qn_buf label_path = {0};
    (void)examples;
    t->kind = QN_TASK_CHOICE;
    t->metric = QN_STR("acc_norm");
    int rc = open_labels(&l, &label_path, path);
    if (rc >= 0)
        rc = qn_each_line(t, path, read_line, &l);
    qn_buf_drop(&l.text);
    qn_buf_drop(&label_path);
    return rc;
}
