/* eval/mmlu.c — MMLU (Hendrycks et al. 2021): test/SUBJECT_test.csv, five examples each in dev/SUBJECT_dev.csv.
 *
 *     question,A,B,C,D,answer letter          no header
 *
 *     The following are multiple choice questions (with answers) about SUBJECT.
 *
 *     QUESTION
 *     A. …
 *     B. …
 *     C. …
 *     D. …
 *     Answer: │ B                  the letter is scored; examples are the first of the subject, in order      acc */
#include <string.h>

#include "base/dir.h"
#include "base/file.h"
#include "eval/benchmark.h"
#include "format/csv.h"

static const qn_str letters[4] = {{"A", 1}, {"B", 1}, {"C", 1}, {"D", 1}};

static qn_str trimmed(qn_str s) {
    while (s.n > 0 && (s.s[0] == ' ' || s.s[0] == '\n'))
        s = (qn_str){s.s + 1, s.n - 1};
    while (s.n > 0 && (s.s[s.n - 1] == ' ' || s.s[s.n - 1] == '\n'))
        s.n--;
    return s;
}

static int add_row(qn_task *t, const qn_csv *c, qn_str subject, qn_str preamble) {
    const qn_str *f = c->field;
    qn_str context;
    qn_task_item *item;
    if (c->fields != 6)
        return qn_fail(QN_EFORMAT, "%s:%lld: %zu fields; expected 6: question, A, B, C, D, answer", c->name,
                       (long long)c->line, c->fields);
    const qn_str q = trimmed(f[0]), answer = trimmed(f[5]);
    if (answer.n != 1 || answer.s[0] < 'A' || answer.s[0] > 'D')
        return qn_fail(QN_EFORMAT, "%s:%lld: the answer is \"%.*s\"; expected A, B, C or D", c->name,
                       (long long)c->line, QN_STR_ARG(answer));
    QN_TRY(qn_task_print(t, &context, "%.*s\nA. %.*s\nB. %.*s\nC. %.*s\nD. %.*s\nAnswer:", (int)q.n, q.s, (int)f[1].n,
                         f[1].s, (int)f[2].n, f[2].s, (int)f[3].n, f[3].s, (int)f[4].n, f[4].s));
    QN_TRY(qn_add_choices(t, (qn_str){0}, context, (qn_strs){letters, 4}, answer.s[0] - 'A', &item));
    item->kin = subject;
    item->preamble = preamble;
    return qn_task_add_group(t, item, "subject", subject);
}

static int read_rows(qn_task *t, const char *path, qn_str subject, qn_str preamble) {
    qn_buf text = {0};
    qn_csv c;
    int rc = qn_read_file(&text, path, (size_t)64 << 20), more;
    if (rc < 0) {
        qn_buf_drop(&text);
        return rc;
    }
    const size_t bad = qn_utf8_check(text.n ? text.s : "", text.n);
    qn_csv_init(&c, text.n ? text.s : "", text.n, path);
    if (bad != QN_UTF8_OK)
        rc = qn_fail(QN_EUTF8, "%s: byte %zu is not UTF-8", path, bad);
    while (rc >= 0 && (more = qn_csv_next(&c)) != 0)
        rc = more < 0 ? more : add_row(t, &c, subject, preamble);
    qn_csv_drop(&c);
    qn_buf_drop(&text);
    return rc;
}

/* "…/abstract_algebra_test.csv": the subject is what stands before the last "_". */
static int read_file(qn_task *t, const char *path) {
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path, *end = strrchr(name, '_');
    qn_str subject, spaced, preamble;
    QN_TRY(qn_task_copy(t, (qn_str){name, end ? (size_t)(end - name) : strlen(name)}, &subject));
    QN_TRY(qn_task_copy(t, subject, &spaced));
    for (size_t i = 0; i < spaced.n; i++)
        if (spaced.s[i] == '_')
            ((char *)spaced.s)[i] = ' ';
    QN_TRY(qn_task_print(t, &preamble, "The following are multiple choice questions (with answers) about %.*s.\n\n",
                         (int)spaced.n, spaced.s));
    return read_rows(t, path, subject, preamble);
}

static int read_folder(qn_task *t, const char *dir) {
    qn_dir_names names = {0};
    qn_buf path = {0};
    int rc = qn_dir_list(&names, dir);
    for (size_t i = 0; rc >= 0 && i < names.n; i++) {
        if (!qn_str_ends(qn_str_of(names.name[i]), ".csv"))
            continue;
        rc = qn_path_join(&path, dir, names.name[i]);
        if (rc >= 0)
            rc = read_file(t, path.s);
    }
    qn_buf_drop(&path);
    qn_dir_names_drop(&names);
    return rc;
}

/* The dev file that belongs to a test file: "_test.csv" at the end and "test/" before the name become "dev". */
static int dev_of(qn_buf *out, const char *path) {
    const qn_str p = qn_str_of(path);
    const char *slash = strrchr(path, '/');
    const size_t folder = slash ? (size_t)(slash + 1 - path) : 0;
    if (!qn_str_ends(p, "_test.csv"))
        return qn_buf_puts(out, path);
    if (folder >= 5 && memcmp(path + folder - 5, "test/", 5) == 0) {
        QN_TRY(qn_buf_put(out, path, folder - 5));
        QN_TRY(qn_buf_puts(out, "dev/"));
    } else {
        QN_TRY(qn_buf_put(out, path, folder));
    }
    QN_TRY(qn_buf_put(out, path + folder, p.n - 9 - folder));
    return qn_buf_puts(out, "_dev.csv");
}

int qn_mmlu_read(qn_task *t, const char *path, bool examples) {
    qn_buf at = {0};
    const bool folder = qn_is_dir(path);
    t->kind = QN_TASK_CHOICE;
    t->metric = QN_STR("acc");
    t->first_shots = true;
    int rc = folder ? qn_path_join(&at, path, examples ? "dev" : "test") : examples ? dev_of(&at, path)
                    : qn_buf_puts(&at, path);
    if (rc >= 0)
        rc = folder ? read_folder(t, at.s) : read_file(t, at.s);
    qn_buf_drop(&at);
    return rc;
}
