/* eval/hellaswag.c — HellaSwag (Zellers et al. 2019).
 *
 *     {"ind": 4, "activity_label": "…", "ctx_a": "…", "ctx_b": "…", "endings": ["…", …], "label": 3, …}
 *
 *     ACTIVITY: CTX_A CTX_B │ ENDING       each cleaned; ctx_b begins with a capital, the rest small
 *                                          acc, acc_norm */
#include <string.h>

#include "eval/benchmark.h"

/* s with what `from` spells replaced, the leftmost first. */
static int replace(qn_buf *out, qn_str s, qn_str from, qn_str to) {
    qn_buf_clear(out);
    for (size_t i = 0; i < s.n;) {
        if (i + from.n <= s.n && memcmp(s.s + i, from.s, from.n) == 0) {
            QN_TRY(qn_buf_put(out, to.s, to.n));
            i += from.n;
        } else {
            QN_TRY(qn_buf_putc(out, s.s[i++]));
        }
    }
    return 0;
}

/* Without [.*?]: from each bracket to the next that closes, unless a line ends between them. */
static int drop_brackets(qn_buf *out, qn_str s) {
    qn_buf_clear(out);
    for (size_t i = 0; i < s.n; i++) {
        size_t end = i;
        if (s.s[i] == '[')
            while (end < s.n && s.s[end] != ']' && s.s[end] != '\n')
                end++;
        if (end > i && end < s.n && s.s[end] == ']')
            i = end;
        else
            QN_TRY(qn_buf_putc(out, s.s[i]));
    }
    return 0;
}

int qn_hellaswag_clean(qn_task *t, qn_str s, qn_str *out) {
    qn_buf a = {0}, b = {0};
    while (s.n > 0 && qn_is_space(s.s[0]))
        s = (qn_str){s.s + 1, s.n - 1};
    while (s.n > 0 && qn_is_space(s.s[s.n - 1]))
        s.n--;
    int rc = replace(&a, s, QN_STR(" [title]"), QN_STR(". "));
    if (rc >= 0)
        rc = drop_brackets(&b, qn_buf_view(&a));
    if (rc >= 0)
        rc = replace(&a, qn_buf_view(&b), QN_STR("  "), QN_STR(" "));
    if (rc >= 0)
        rc = qn_task_copy(t, qn_buf_view(&a), out);
    qn_buf_drop(&a);
    qn_buf_drop(&b);
    return rc;
}

/* Python's capitalize, for ASCII: the first letter a capital, all others small. */
static void capitalize(qn_str s) {
    char *p = (char *)s.s;                      /* the task's own copy */
    for (size_t i = 0; i < s.n; i++)
        if (i == 0 && p[i] >= 'a' && p[i] <= 'z')
            p[i] = (char)(p[i] - 32);
        else if (i > 0 && p[i] >= 'A' && p[i] <= 'Z')
            p[i] = (char)(p[i] + 32);
}

static int read_line(qn_task *t, qn_json *j, void *arg) {
    qn_str id = {0}, activity, a, b = {0}, label, context;
    qn_strs endings;
    int64_t answer;
    qn_task_item *item;
    (void)arg;
    qn_field f[] = {
        {.name = "ind", .str = &id, .optional = true}, {.name = "activity_label", .str = &activity},
        {.name = "ctx_a", .str = &a}, {.name = "ctx_b", .str = &b}, {.name = "label", .str = &label},
        {.name = "endings", .strs = &endings}};
    QN_TRY(qn_read_fields(t, j, f, QN_LEN(f)));
    if (!qn_parse_i64(label, &answer) || answer < 0 || answer >= endings.n)
        return qn_json_fail(j, QN_EFORMAT, "\"label\" is \"%.*s\": expected the number of one of the %lld endings "
                            "(the test split has none)", QN_STR_ARG(label), (long long)endings.n);
    capitalize(b);
    QN_TRY(qn_task_print(t, &context, "%.*s: %.*s %.*s", (int)activity.n, activity.s, (int)a.n, a.s, (int)b.n, b.s));
    QN_TRY(qn_hellaswag_clean(t, context, &context));
    for (int64_t i = 0; i < endings.n; i++)
        QN_TRY(qn_hellaswag_clean(t, endings.v[i], (qn_str *)&endings.v[i]));
    return qn_add_choices(t, id, context, endings, answer, &item);
}

int qn_hellaswag_read(qn_task *t, const char *path, bool examples) {
    (void)examples;
    t->kind = QN_TASK_CHOICE;
    t->metric = QN_STR("acc_norm");
    return qn_each_line(t, path, read_line, NULL);
}
