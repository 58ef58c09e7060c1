/* eval/task_file.c — quern's own task files: the first line is the head, every further one an item.
 *
 *     {"task": "trades", "kind": "choice", "choice_sets": {"trade": [" baker", " smith"]}}
 *     {"id": "t1", "context": "Mara is a", "choice_set": "trade", "answer": 1, "groups": {"band": "head"}}
 *
 * A field that is not known is passed over, unless it looks like a known one that was misspelled. */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "eval/judge.h"
#include "format/jsonl.h"

typedef struct {
    qn_task *t;
    qn_json *j;                 /* the line */
    qn_buf text;
    qn_strmap sets;             /* name to index */
    qn_str *list;               /* scratch of one array of strings */
    size_t list_cap;
    /* what the head says for items that do not */
    int judge;
    int64_t max_tokens;
    const qn_str *stop;
    int64_t stops;
    const char *path;
} reader;

/* What one item's line has, beside what fits into the item at once. */
typedef struct {
    qn_task_item *item;
    qn_str good, bad, prompt, text, set;
    bool has_answer, has_context, has_choices;
    int judge;
} line;

/* ---- values ---- */

static int want(reader *r, const char *field, int kind, const char *what) {
    const int found = qn_json_peek(r->j);
    QN_TRY(found);
    return found == kind ? 0 : qn_json_fail(r->j, QN_EFORMAT, "\"%s\": expected %s", field, what);
}

static int get_str(reader *r, const char *field, qn_str *out) {
    QN_TRY(want(r, field, '"', "a string"));
    qn_buf_clear(&r->text);
    QN_TRY(qn_json_string(r->j, &r->text));
    return qn_task_copy(r->t, qn_buf_view(&r->text), out);
}

static int get_i64(reader *r, const char *field, int64_t lo, int64_t hi, int64_t *out) {
    QN_TRY(want(r, field, '0', "a whole number"));
    QN_TRY(qn_json_i64(r->j, out));
    if (*out < lo || *out > hi)
        return qn_json_fail(r->j, QN_EFORMAT, "\"%s\" is %lld: expected %lld to %lld", field, (long long)*out,
                            (long long)lo, (long long)hi);
    return 0;
}

static int get_bool(reader *r, const char *field, bool *out) {
    const int found = qn_json_peek(r->j);
    QN_TRY(found);
    if (found != 't' && found != 'f')
        return qn_json_fail(r->j, QN_EFORMAT, "\"%s\": expected true or false", field);
    return qn_json_bool(r->j, out);
}

static int get_strs(reader *r, const char *field, const qn_str **out, int64_t *n) {
    int more;
    size_t count = 0;
    QN_TRY(want(r, field, '[', "an array of strings"));
    QN_TRY(qn_json_enter(r->j, '['));
    while ((more = qn_json_item(r->j)) > 0) {
        QN_TRY(QN_GROW(QN_MEM_BASE, r->list, r->list_cap, count + 1));
        QN_TRY(get_str(r, field, &r->list[count++]));
    }
    QN_TRY(more);
    qn_str *v = qn_task_alloc(r->t, QN_MAX(count, 1) * sizeof *v);
    if (!v)
        return QN_ENOMEM;
    if (count > 0)
        memcpy(v, r->list, count * sizeof *v);
    *out = v;
    *n = (int64_t)count;
    return 0;
}

static int get_judge(reader *r, int *out) {
    qn_str name;
    QN_TRY(get_str(r, "judge", &name));
    *out = qn_judge_from_name(name);
    if (*out < 0)
        return qn_json_fail(r->j, QN_EFORMAT, "\"judge\" is \"%.*s\": expected exact, prefix, contains, number, "
                            "abstain, refuse, correct_premise or rules", QN_STR_ARG(name));
    return 0;
}

/* A field that nobody asked for is fine, unless it is one of ours with a letter wrong. */
static int pass_over(reader *r, qn_str key, const char *const *known, size_t n) {
    char word[64];
    if (key.n < sizeof word) {
        memcpy(word, key.s, key.n);
        word[key.n] = 0;
        const char *near = qn_nearest(word, known, n);
        if (near && key.n > 3)
            return qn_json_fail(r->j, QN_EFORMAT, "unknown field \"%s\"; did you mean \"%s\"?", word, near);
    }
    return qn_json_skip(r->j);
}

static int by_bytes(const void *a, const void *b) {
    const qn_str *x = a, *y = b;
    const int d = memcmp(x->s, y->s, QN_MIN(x->n, y->n));
    return d != 0 ? d : (x->n > y->n) - (x->n < y->n);
}

/* Of two choices alike only one would be right. Sorted in the scratch list, for sets may be large. */
static int check_differ(reader *r, const qn_str *choice, int64_t n) {
    QN_TRY(QN_GROW(QN_MEM_BASE, r->list, r->list_cap, (size_t)n));
    memcpy(r->list, choice, (size_t)n * sizeof *choice);
    qsort(r->list, (size_t)n, sizeof *r->list, by_bytes);
    for (int64_t i = 1; i < n; i++)
        if (qn_str_eq(r->list[i], r->list[i - 1]))
            return qn_json_fail(r->j, QN_EFORMAT, "the choice \"%.*s\" is there twice", QN_STR_ARG(r->list[i]));
    return 0;
}

/* ---- the head ---- */

static int get_sets(reader *r) {
    qn_str key;
    int more;
    QN_TRY(want(r, "choice_sets", '{', "an object of arrays"));
    QN_TRY(qn_json_enter(r->j, '{'));
    while ((more = qn_json_key(r->j, &key)) > 0) {
        QN_TRY(QN_GROW(QN_MEM_BASE, r->t->set, r->t->set_cap, r->t->n_sets + 1));
        qn_choice_set *s = &r->t->set[r->t->n_sets];
        *s = (qn_choice_set){0};
        QN_TRY(qn_task_copy(r->t, key, &s->name));
        QN_TRY(get_strs(r, "choice_sets", &s->choice, &s->choices));
        if (s->choices < 2)
            return qn_json_fail(r->j, QN_EFORMAT, "choice set \"%.*s\": expected at least 2 choices",
                                QN_STR_ARG(s->name));
        QN_TRY(check_differ(r, s->choice, s->choices));
        QN_TRY(qn_strmap_put(&r->sets, s->name, (int64_t)r->t->n_sets++));
    }
    return more;
}

static int get_kind(reader *r) {
    qn_str name;
    QN_TRY(get_str(r, "kind", &name));
    for (int k = QN_TASK_CHOICE; k <= QN_TASK_TEXT; k++)
        if (qn_str_is(name, qn_task_kind_name((qn_task_kind)k))) {
            r->t->kind = (qn_task_kind)k;
            return 0;
        }
    return qn_json_fail(r->j, QN_EFORMAT, "\"kind\" is \"%.*s\": expected choice, pair, generate or text",
                        QN_STR_ARG(name));
}

/* A figure that is not there would leave another one standing for the task. */
static int check_metric(reader *r, qn_judge judge) {
    qn_buf all = {0};
    int rc = 0;
    if (r->t->metric.s && !qn_task_has_metric(r->t->kind, judge, r->t->metric, &all))
        rc = qn_json_fail(r->j, QN_EFORMAT, "the head's \"metric\" is \"%.*s\": such a task has %s",
                          QN_STR_ARG(r->t->metric), all.s ? all.s : "others");
    qn_buf_drop(&all);
    return rc;
}

static const char *const head_fields[] = {
    "task", "kind", "description", "metric", "protocol", "choice_sets", "abstain", "refuse", "judge", "stop",
    "max_tokens"};

static int head_field(reader *r, qn_str key, bool *kind) {
    qn_task *t = r->t;
    if (qn_str_is(key, "task"))
        return get_str(r, "task", &t->name);
    if (qn_str_is(key, "kind"))
        return *kind = true, get_kind(r);
    if (qn_str_is(key, "description"))
        return get_str(r, "description", &t->description);
    if (qn_str_is(key, "metric"))
        return get_str(r, "metric", &t->metric);
    if (qn_str_is(key, "protocol"))
        return get_str(r, "protocol", &t->protocol);
    if (qn_str_is(key, "choice_sets"))
        return get_sets(r);
    if (qn_str_is(key, "abstain"))
        return get_strs(r, "abstain", &t->abstain, &t->abstains);
    if (qn_str_is(key, "refuse"))
        return get_strs(r, "refuse", &t->refuse, &t->refuses);
    if (qn_str_is(key, "judge"))
        return get_judge(r, &r->judge);
    if (qn_str_is(key, "stop"))
        return get_strs(r, "stop", &r->stop, &r->stops);
    if (qn_str_is(key, "max_tokens"))
        return get_i64(r, "max_tokens", 1, 65536, &r->max_tokens);
    return pass_over(r, key, head_fields, QN_LEN(head_fields));
}

static int read_head(reader *r) {
    qn_str key;
    int more;
    bool kind = false;
    if (qn_json_peek(r->j) != '{')
        return qn_json_fail(r->j, QN_EFORMAT, "the first line must be the task's head: an object with \"task\" and "
                            "\"kind\"");
    QN_TRY(qn_json_enter(r->j, '{'));
    while ((more = qn_json_key(r->j, &key)) > 0)
        QN_TRY(head_field(r, key, &kind));
    QN_TRY(more);
    QN_TRY(qn_json_end(r->j));
    if (!r->t->name.n || !kind)
        return qn_json_fail(r->j, QN_EFORMAT, "the head of a task file (its first line) needs \"%s\"",
                            kind ? "task" : "kind");
    return r->t->kind == QN_TASK_GENERATE ? 0 : check_metric(r, QN_JUDGE_EXACT);
}

/* ---- items ---- */

static int get_groups(reader *r, qn_task_item *item) {
    qn_str key, value;
    char name[64];
    int more;
    QN_TRY(want(r, "groups", '{', "an object of strings"));
    QN_TRY(qn_json_enter(r->j, '{'));
    while ((more = qn_json_key(r->j, &key)) > 0) {
        if (key.n == 0 || key.n >= sizeof name)
            return qn_json_fail(r->j, QN_EFORMAT, "\"groups\": a name of %zu bytes, expected 1 to 63", key.n);
        qn_str kept;
        QN_TRY(qn_task_copy(r->t, key, &kept));
        QN_TRY(get_str(r, "groups", &value));
        QN_TRY(qn_task_add_group(r->t, item, kept.s, value));
    }
    return more;
}

static int get_rule(reader *r, qn_task_rule *rule) {
    qn_str key, name = {0};
    int more, kind = -1;
    bool n = false, text = false;
    QN_TRY(want(r, "rules", '{', "an array of objects"));
    QN_TRY(qn_json_enter(r->j, '{'));
    while ((more = qn_json_key(r->j, &key)) > 0)
        if (qn_str_is(key, "rule")) {
            QN_TRY(get_str(r, "rule", &name));
            kind = qn_rule_from_name(name);
        } else if (qn_str_is(key, "n")) {
            n = true;
            QN_TRY(get_i64(r, "n", 0, 1000000, &rule->n));
        } else if (qn_str_is(key, "text")) {
            text = true;
            QN_TRY(get_str(r, "text", &rule->text));
        } else {
            QN_TRY(qn_json_skip(r->j));
        }
    QN_TRY(more);
    if (kind < 0)
        return qn_json_fail(r->j, QN_EFORMAT, "there is no rule \"%.*s\"; docs/EVALUATION.md lists them",
                            QN_STR_ARG(name));
    rule->kind = (qn_rule_kind)kind;
    if ((qn_rule_has_n(rule->kind) && !n) || (qn_rule_has_text(rule->kind) && !text))
        return qn_json_fail(r->j, QN_EFORMAT, "rule \"%.*s\": expected \"%s\"", QN_STR_ARG(name),
                            qn_rule_has_n(rule->kind) ? "n" : "text");
    return 0;
}

static int get_rules(reader *r, qn_task_item *item) {
    enum { MOST = 32 };
    qn_task_rule rule[MOST] = {0};
    int more;
    QN_TRY(want(r, "rules", '[', "an array of objects"));
    QN_TRY(qn_json_enter(r->j, '['));
    while ((more = qn_json_item(r->j)) > 0) {
        if (item->rules == MOST)
            return qn_json_fail(r->j, QN_EFORMAT, "\"rules\": expected at most %d", MOST);
        QN_TRY(get_rule(r, &rule[item->rules++]));
    }
    QN_TRY(more);
    qn_task_rule *v = qn_task_alloc(r->t, (size_t)item->rules * sizeof *v);
    if (!v)
        return QN_ENOMEM;
    memcpy(v, rule, (size_t)item->rules * sizeof *v);
    item->rule = v;
    return 0;
}

static int get_messages(reader *r, qn_task_item *item) {
    qn_str raw;
    QN_TRY(want(r, "messages", '[', "an array of {\"role\", \"content\"}"));
    QN_TRY(qn_json_raw(r->j, &raw));
    return qn_task_copy(r->t, raw, &item->messages);
}

static int get_known(reader *r, qn_task_item *item) {
    bool known;
    QN_TRY(get_bool(r, "known", &known));
    item->known = known;
    return 0;
}

static const char *const item_fields[] = {
    "id", "context", "prompt", "messages", "choices", "choice_set", "answer", "good", "bad", "targets", "judge",
    "stop", "max_tokens", "known", "refuse", "rules", "groups", "text"};

static int answer_field(reader *r, qn_str key, line *l) {
    qn_task_item *item = l->item;
    if (qn_str_is(key, "targets"))
        return get_strs(r, "targets", &item->target, &item->targets);
    if (qn_str_is(key, "judge"))
        return get_judge(r, &l->judge);
    if (qn_str_is(key, "stop"))
        return get_strs(r, "stop", &item->stop, &item->stops);
    if (qn_str_is(key, "max_tokens"))
        return get_i64(r, "max_tokens", 1, 65536, &item->max_tokens);
    if (qn_str_is(key, "known"))
        return get_known(r, item);
    if (qn_str_is(key, "refuse"))
        return get_bool(r, "refuse", &item->refuse);
    if (qn_str_is(key, "rules"))
        return get_rules(r, item);
    if (qn_str_is(key, "groups"))
        return get_groups(r, item);
    return pass_over(r, key, item_fields, QN_LEN(item_fields));
}

static int item_field(reader *r, qn_str key, line *l) {
    qn_task_item *item = l->item;
    if (qn_str_is(key, "id"))
        return get_str(r, "id", &item->id);
    if (qn_str_is(key, "context"))
        return l->has_context = true, get_str(r, "context", &item->context);
    if (qn_str_is(key, "messages"))
        return get_messages(r, item);
    if (qn_str_is(key, "choices"))
        return l->has_choices = true, get_strs(r, "choices", &item->choice, &item->choices);
    if (qn_str_is(key, "choice_set"))
        return get_str(r, "choice_set", &l->set);
    if (qn_str_is(key, "answer"))
        return l->has_answer = true, get_i64(r, "answer", 0, INT32_MAX, &item->answer);
    if (qn_str_is(key, "good"))
        return get_str(r, "good", &l->good);
    if (qn_str_is(key, "bad"))
        return get_str(r, "bad", &l->bad);
    if (qn_str_is(key, "prompt"))
        return get_str(r, "prompt", &l->prompt);
    if (qn_str_is(key, "text"))
        return get_str(r, "text", &l->text);
    return answer_field(r, key, l);
}

/* ---- what must be there ---- */

static int lacks(reader *r, const char *what) {
    return qn_json_fail(r->j, QN_EFORMAT, "an item of kind \"%s\" needs %s", qn_task_kind_name(r->t->kind), what);
}

static int check_choice(reader *r, line *l) {
    qn_task_item *item = l->item;
    if (!l->has_context && !item->messages.s)
        return lacks(r, "\"context\" or \"messages\"");
    if (l->set.s) {
        if (!qn_strmap_get(&r->sets, l->set, &item->set))
            return qn_json_fail(r->j, QN_EFORMAT, "\"choice_set\": the head has no set \"%.*s\"", QN_STR_ARG(l->set));
        item->choice = r->t->set[item->set].choice;
        item->choices = r->t->set[item->set].choices;
    }
    if (item->choices < 2)
        return lacks(r, "\"choices\" (2 or more) or \"choice_set\"");
    if (!l->has_answer)
        return lacks(r, "\"answer\", the number of the right choice from 0");
    if (item->answer >= item->choices)
        return qn_json_fail(r->j, QN_EFORMAT, "\"answer\" is %lld: there are choices 0 to %lld",
                            (long long)item->answer, (long long)item->choices - 1);
    for (int64_t c = 0; c < item->choices; c++)
        if (item->choice[c].n == 0)
            return qn_json_fail(r->j, QN_EFORMAT, "choice %lld is empty", (long long)c);
    return l->set.s ? 0 : check_differ(r, item->choice, item->choices);
}

static int check_pair(reader *r, line *l) {
    if (!l->good.n || !l->bad.n)
        return lacks(r, "\"good\" and \"bad\", texts that are not empty");
    if (qn_str_eq(l->good, l->bad))
        return qn_json_fail(r->j, QN_EFORMAT, "\"good\" and \"bad\" are the same text: neither can be the likelier");
    qn_str *both = qn_task_alloc(r->t, 2 * sizeof *both);
    if (!both)
        return QN_ENOMEM;
    both[0] = l->good;
    both[1] = l->bad;
    l->item->choice = both;
    l->item->choices = 2;
    return 0;
}

/* An answer must be possible that this judge calls right. */
static int check_possible(reader *r, const qn_task_item *item) {
    for (int64_t i = 0; i < item->targets && item->judge == QN_JUDGE_NUMBER; i++) {
        const qn_str t = qn_trimmed(item->target[i]);
        if (!qn_same_number(t, t))
            return qn_json_fail(r->j, QN_EFORMAT, "\"targets\": \"%.*s\" is no number, which is what this judge "
                                "compares", QN_STR_ARG(t));
    }
    for (int64_t i = 0; i < item->rules && item->judge == QN_JUDGE_RULES; i++)
        for (int64_t k = 0; k <= i; k++)
            if (qn_rules_clash(&item->rule[k], &item->rule[i]))
                return qn_json_fail(r->j, QN_EFORMAT, "\"rules\": no answer can keep \"%s\" (rule %lld) and \"%s\" "
                                    "(rule %lld)", qn_rule_name(item->rule[k].kind), (long long)k + 1,
                                    qn_rule_name(item->rule[i].kind), (long long)i + 1);
    return r->t->n == 1 ? check_metric(r, item->judge) : 0;
}

static int check_generate(reader *r, line *l) {
    qn_task_item *item = l->item;
    if (l->judge < 0)
        return lacks(r, "\"judge\", in the item or in the head");
    item->judge = (qn_judge)l->judge;
    if (!l->prompt.s && !item->messages.s)
        return lacks(r, "\"prompt\" or \"messages\"");
    item->context = l->prompt;
    const bool by_target = item->judge <= QN_JUDGE_NUMBER || item->judge == QN_JUDGE_CORRECT_PREMISE ||
                           (item->judge == QN_JUDGE_ABSTAIN && item->known == 1);
    if (by_target && item->targets == 0)
        return lacks(r, "\"targets\", at least one right answer");
    if (item->judge == QN_JUDGE_ABSTAIN && item->known < 0)
        return lacks(r, "\"known\", true or false, for this judge");
    if (item->judge == QN_JUDGE_ABSTAIN && r->t->abstains == 0)
        return lacks(r, "\"abstain\" in the head: the phrases that mean it");
    if (item->judge == QN_JUDGE_REFUSE && r->t->refuses == 0)
        return lacks(r, "\"refuse\" in the head: the phrases that mean it");
    if (item->judge == QN_JUDGE_RULES && item->rules == 0)
        return lacks(r, "\"rules\" for this judge");
    return check_possible(r, item);
}

static int check_item(reader *r, line *l) {
    if (!l->item->id.n)
        QN_TRY(qn_task_print(r->t, &l->item->id, "%zu", r->t->n));
    switch (r->t->kind) {
    case QN_TASK_CHOICE:
        return check_choice(r, l);
    case QN_TASK_PAIR:
        return check_pair(r, l);
    case QN_TASK_GENERATE:
        return check_generate(r, l);
    case QN_TASK_TEXT:
        if (!l->text.n)
            return lacks(r, "\"text\" that is not empty");
        l->item->context = l->text;
    }
    return 0;
}

static int read_item(reader *r) {
    line l = {.judge = r->judge};
    qn_str key;
    int more;
    QN_TRY(qn_task_add(r->t, &l.item));
    l.item->stop = r->stop;
    l.item->stops = r->stops;
    if (r->max_tokens > 0)
        l.item->max_tokens = r->max_tokens;
    if (qn_json_peek(r->j) != '{')
        return qn_json_fail(r->j, QN_EFORMAT, "expected an item: an object");
    QN_TRY(qn_json_enter(r->j, '{'));
    while ((more = qn_json_key(r->j, &key)) > 0)
        QN_TRY(item_field(r, key, &l));
    QN_TRY(more);
    QN_TRY(qn_json_end(r->j));
    return check_item(r, &l);
}

static int read_lines(reader *r, qn_jsonl *lines) {
    int more = qn_jsonl_next(lines, &r->j);
    QN_TRY(more);
    if (!more)
        return qn_fail(QN_EFORMAT, "%s: the file is empty; the first line must be the task's head", r->path);
    QN_TRY(read_head(r));
    while ((more = qn_jsonl_next(lines, &r->j)) > 0)
        QN_TRY(read_item(r));
    QN_TRY(more);
    if (r->t->n == 0)
        return qn_fail(QN_EFORMAT, "%s: the task has no items", r->path);
    return 0;
}

int qn_task_read(qn_task **out, const char *path) {
    reader r = {.judge = -1, .path = path};
    qn_jsonl *lines = NULL;
    *out = NULL;
    int rc = qn_task_new(&r.t);
    if (rc >= 0)
        rc = qn_jsonl_open(&lines, path, &(qn_jsonl_options){0});
    if (rc >= 0)
        rc = read_lines(&r, lines);
    qn_jsonl_close(lines);
    qn_buf_drop(&r.text);
    qn_strmap_drop(&r.sets);
    qn_free(r.list);
    if (rc < 0)
        qn_task_free(r.t);
    else
        *out = r.t;
    return rc;
}
