/* cli/option_json.c — a command's options as members of a JSON object, and back: a run's manifest keeps what it was
 * asked for, and resuming it asks for the same. */
#include <stdio.h>
#include <string.h>

#include "base/json_fields.h"
#include "cli/options.h"

static bool is_recorded(const qn_opt *o) { return strcmp(o->name, "config") != 0; }

/* ---- out --------------------------------------------------------------------------------------------------------- */

static bool is_set(const qn_opt *o, const qn_cli_value *v) {
    return v->given || o->def || o->kind == QN_KIND_FLAG || o->kind == QN_KIND_LIST;
}

static void put_value(qn_jw *w, const qn_opt *o, const qn_cli_value *v) {
    switch (o->kind) {
    case QN_KIND_FLAG: qn_jw_bool(w, v->i != 0); break;
    case QN_KIND_INT: case QN_KIND_COUNT: qn_jw_i64(w, v->i); break;
    case QN_KIND_FLOAT: case QN_KIND_DURATION: qn_jw_f64(w, v->f); break;
    case QN_KIND_LIST:
        qn_jw_open(w, '[');
        for (size_t i = 0; i < v->n; i++)
            qn_jw_str(w, qn_str_of(v->list[i]));
        qn_jw_close(w);
        break;
    default: qn_jw_str(w, qn_str_of(v->s)); break;
    }
}

int qn_cli_put_options(const qn_cli *c, qn_jw *w) {
    const size_t n = qn_opt_count(c->cmd->opts);
    for (size_t i = 0; i < n; i++) {
        const qn_opt *o = &c->cmd->opts[i];
        if (!is_recorded(o))
            continue;
        qn_jw_key(w, o->name);
        if (is_set(o, &c->value[i]))
            put_value(w, o, &c->value[i]);
        else
            qn_jw_null(w);
    }
    qn_jw_key(w, "given");
    qn_jw_open(w, '[');
    for (size_t i = 0; i < n; i++)
        if (is_recorded(&c->cmd->opts[i]) && c->value[i].given)
            qn_jw_str(w, qn_str_of(c->cmd->opts[i].name));
    qn_jw_close(w);
    return w->rc;
}

/* ---- and back ---------------------------------------------------------------------------------------------------- */

/* Texts with a NUL behind each, and where they begin. */
typedef struct { qn_buf text; size_t *start; const char **at; size_t n, cap, at_cap; } texts;

static void texts_drop(texts *t) {
    qn_buf_drop(&t->text);
    qn_free(t->start);
    qn_free(t->at);
}

/* A scalar as a user would write it. */
static int take_scalar(qn_json *j, texts *t) {
    qn_str raw;
    const int kind = qn_json_peek(j);
    QN_TRY(kind);
    if (kind == '{' || kind == '[')
        return qn_json_fail(j, QN_EFORMAT, "a single value is needed");
    QN_TRY(QN_GROW(QN_MEM_CLI, t->start, t->cap, t->n + 1));
    t->start[t->n++] = t->text.n;
    if (kind == '"') {
        QN_TRY(qn_json_string(j, &t->text));
        if (memchr(t->text.s + t->start[t->n - 1], '\0', t->text.n - t->start[t->n - 1]))
            return qn_json_fail(j, QN_EFORMAT, "a value with a zero byte");
    } else {
        QN_TRY(qn_json_raw(j, &raw));
        QN_TRY(qn_buf_put(&t->text, raw.s, raw.n));
    }
    return qn_buf_putc(&t->text, '\0');
}

static int take_texts(qn_json *j, texts *t) {
    int more;
    if (qn_json_peek(j) != '[') {
        QN_TRY(take_scalar(j, t));
    } else {
        QN_TRY(qn_json_enter(j, '['));
        while ((more = qn_json_item(j)) > 0)
            QN_TRY(take_scalar(j, t));
        QN_TRY(more);
    }
    QN_TRY(QN_GROW(QN_MEM_CLI, t->at, t->at_cap, t->n + 1));
    for (size_t i = 0; i < t->n; i++)
        t->at[i] = t->text.s + t->start[i];
    return 0;
}

/* What the table does not take comes from another version or another hand: the file is at fault, not the user. */
static int at_place(qn_json *j, int rc) {
    if (rc != QN_EUSAGE)
        return rc;
    char message[512];
    snprintf(message, sizeof message, "%s", qn_error_message());
    return qn_json_fail(j, QN_EFORMAT, "%s", message);
}

static int take_option(qn_cli *c, qn_json *j, qn_str key) {
    texts t = {0};
    int rc;
    qn_opt_found f = qn_opt_find(c, key.s, key.n);
    if (!f.opt || !is_recorded(f.opt) || memchr(key.s, '\0', key.n))
        return qn_json_fail(j, QN_EFORMAT, "`%s` has no option --%.*s in this version", c->cmd->name, QN_STR_ARG(key));
    if (qn_json_peek(j) == 'n')
        return qn_json_null(j);
    QN_TRY_OUT(take_texts(j, &t));
    QN_TRY_OUT(at_place(j, qn_opt_give(c, f, t.at, t.n, false)));
out:
    texts_drop(&t);
    return rc;
}

/* Only noted: the members that follow may be those that it is about. */
static int take_given(qn_cli *c, qn_json *j) {
    texts t = {0};
    int rc;
    QN_TRY_OUT(take_texts(j, &t));
    for (size_t i = 0; i < t.n; i++) {
        qn_opt_found f = qn_opt_find(c, t.at[i], strlen(t.at[i]));
        if (f.opt)
            f.value->filed = true;
    }
out:
    texts_drop(&t);
    return rc;
}

int qn_cli_take_options(qn_cli *c, qn_str json, const char *name) {
    qn_json j;
    qn_str key;
    int rc, more;
    qn_json_init(&j, json.s, json.n, name);
    QN_TRY_OUT(qn_json_enter(&j, '{'));
    while ((more = qn_json_key(&j, &key)) > 0)
        QN_TRY_OUT(qn_str_is(key, "given") ? take_given(c, &j) : take_option(c, &j, key));
    QN_TRY_OUT(more);
    rc = qn_json_end(&j);
    for (size_t i = 0, n = qn_opt_count(c->cmd->opts); i < n; i++)
        c->value[i].given = c->value[i].given || c->value[i].filed;
out:
    qn_json_drop(&j);
    return rc;
}
