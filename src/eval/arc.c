/* eval/arc.c — ARC (Clark et al. 2018), easy and challenge.
 *
 *     {"id": "…", "question": {"stem": "…", "choices": [{"text": "…", "label": "A"}, …]}, "answerKey": "A"}
 *     {"id": "…", "question": "…", "choices": {"text": […], "label": […]}, "answerKey": "A"}       as on the hub
 *
 *     Question: STEM
 *     Answer: │ CHOICE                 acc, acc_norm */
#include "eval/benchmark.h"

enum { CHOICES_MAX = 8 };

typedef struct {
    qn_str id, stem, key;
    qn_str text[CHOICES_MAX], label[CHOICES_MAX];
    int64_t texts, labels;
} question;

/* [{"text", "label"}, …] */
static int read_list(qn_task *t, qn_json *j, question *q) {
    int more;
    QN_TRY(qn_json_enter(j, '['));
    while ((more = qn_json_item(j)) > 0) {
        if (q->texts == CHOICES_MAX)
            return qn_json_fail(j, QN_EFORMAT, "expected at most %d choices", CHOICES_MAX);
        qn_field f[] = {{.name = "text", .str = &q->text[q->texts++]},
                        {.name = "label", .str = &q->label[q->labels++]}};
        QN_TRY(qn_read_fields(t, j, f, QN_LEN(f)));
    }
    return more;
}

/* {"text": […], "label": […]} */
static int read_columns(qn_task *t, qn_json *j, question *q) {
    qn_strs text = {0}, label = {0};
    qn_field f[] = {{.name = "text", .strs = &text}, {.name = "label", .strs = &label}};
    QN_TRY(qn_read_fields(t, j, f, QN_LEN(f)));
    if (text.n > CHOICES_MAX || text.n != label.n)
        return qn_json_fail(j, QN_EFORMAT, "\"choices\": %lld texts and %lld labels; expected as many, at most %d",
                            (long long)text.n, (long long)label.n, CHOICES_MAX);
    for (int64_t i = 0; i < text.n; i++) {
        q->text[i] = text.v[i];
        q->label[i] = label.v[i];
    }
    q->texts = q->labels = text.n;
    return 0;
}

static int read_choices(qn_task *t, qn_json *j, question *q) {
    return qn_json_peek(j) == '[' ? read_list(t, j, q) : read_columns(t, j, q);
}

static int read_question(qn_task *t, qn_json *j, question *q) {
    qn_str key;
    int more;
    if (qn_json_peek(j) != '{')
        return qn_read_string(t, j, "question", &q->stem);
    QN_TRY(qn_json_enter(j, '{'));
    while ((more = qn_json_key(j, &key)) > 0)
        QN_TRY(qn_str_is(key, "stem") ? qn_read_string(t, j, "stem", &q->stem)
               : qn_str_is(key, "choices") ? read_choices(t, j, q) : qn_json_skip(j));
    return more;
}

static int read_members(qn_task *t, qn_json *j, question *q) {
    qn_str key;
    int more;
    QN_TRY(qn_json_enter(j, '{'));
    while ((more = qn_json_key(j, &key)) > 0)
        QN_TRY(qn_str_is(key, "id") ? qn_read_string(t, j, "id", &q->id)
               : qn_str_is(key, "question") ? read_question(t, j, q)
               : qn_str_is(key, "choices") ? read_choices(t, j, q)
               : qn_str_is(key, "answerKey") ? qn_read_string(t, j, "answerKey", &q->key) : qn_json_skip(j));
    return more;
}

static int read_line(qn_task *t, qn_json *j, void *arg) {
    question q = {0};
    qn_str context;
    qn_task_item *item;
    int64_t answer = -1;
    (void)arg;
    QN_TRY(read_members(t, j, &q));
    for (int64_t i = 0; i < q.labels; i++)
        if (qn_str_eq(q.label[i], q.key))
            answer = i;
    if (!q.stem.s || q.texts < 2 || answer < 0)
        return qn_json_fail(j, QN_EFORMAT, "expected %s", !q.stem.s ? "a \"question\"" : q.texts < 2 ? "\"choices\""
                            : "an \"answerKey\" that is one of the labels");
    QN_TRY(qn_task_print(t, &context, "Question: %.*s\nAnswer:", (int)q.stem.n, q.stem.s));
    return qn_add_choices(t, q.id, context, (qn_strs){q.text, q.texts}, answer, &item);
}

int qn_arc_read(qn_task *t, const char *path, bool examples) {
    (void)examples;
    t->kind = QN_TASK_CHOICE;
    t->metric = QN_STR("acc_norm");
    return qn_each_line(t, path, read_line, NULL);
}
