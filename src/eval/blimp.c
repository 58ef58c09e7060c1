/* eval/blimp.c — BLiMP (Warstadt et al. 2020): 67 files of 1000 minimal pairs.
 *
 *     {"sentence_good": "…", "sentence_bad": "…", "field": "syntax", "linguistics_term": "…", "UID": "…", …}
 *
 *     │ SENTENCE       whole sentences behind the token that begins a text, a blank in front as the harness has it
 *                      acc, by field, phenomenon and file */
#include "base/dir.h"
#include "base/file.h"
#include "eval/benchmark.h"

static int read_line(qn_task *t, qn_json *j, void *arg) {
    qn_str both[2], field = {0}, term = {0}, uid = {0};
    qn_task_item *item;
    (void)arg;
    qn_field f[] = {{.name = "sentence_good", .str = &both[0]}, {.name = "sentence_bad", .str = &both[1]},
                    {.name = "field", .str = &field, .optional = true},
                    {.name = "linguistics_term", .str = &term, .optional = true},
                    {.name = "UID", .str = &uid, .optional = true}};
    QN_TRY(qn_read_fields(t, j, f, QN_LEN(f)));
    QN_TRY(qn_add_choices(t, (qn_str){0}, (qn_str){0}, (qn_strs){both, 2}, 0, &item));
    if (field.n)
        QN_TRY(qn_task_add_group(t, item, "field", field));
    if (term.n)
        QN_TRY(qn_task_add_group(t, item, "phenomenon", term));
    return uid.n ? qn_task_add_group(t, item, "uid", uid) : 0;
}

static int read_folder(qn_task *t, const char *dir) {
    qn_dir_names names = {0};
    qn_buf path = {0};
    int rc = qn_dir_list(&names, dir);
    for (size_t i = 0; rc >= 0 && i < names.n; i++) {
        if (!qn_str_ends(qn_str_of(names.name[i]), ".jsonl"))
            continue;
        rc = qn_path_join(&path, dir, names.name[i]);
        if (rc >= 0)
            rc = qn_each_line(t, path.s, read_line, NULL);
    }
    qn_buf_drop(&path);
    qn_dir_names_drop(&names);
    return rc;
}

int qn_blimp_read(qn_task *t, const char *path, bool examples) {
    (void)examples;
    t->kind = QN_TASK_PAIR;
    t->metric = QN_STR("acc");
    return qn_is_dir(path) ? read_folder(t, path) : qn_each_line(t, path, read_line, NULL);
}
