/* report/members.c — members of JSON objects by name. */
#include "report/members.h"

#include <math.h>
#include <string.h>

static int walk(qn_json *j, bool object, qn_member_fn *each, void *arg) {
    qn_str key = {0}, value;
    int more;
    QN_TRY(qn_json_enter(j, object ? '{' : '['));
    while ((more = object ? qn_json_key(j, &key) : qn_json_item(j)) > 0) {
        QN_TRY(qn_json_raw(j, &value));
        const int rc = each(arg, key, value);
        if (rc < 0)
            return rc == QN_ENOMEM ? QN_ENOMEM : 1;
    }
    return more;
}

int qn_members_each(qn_str text, qn_member_fn *each, void *arg) {
    qn_json j;
    qn_json_init(&j, text.s ? text.s : "", text.n, "");
    const int kind = text.n ? qn_json_peek(&j) : 0;
    const int rc = kind == '{' || kind == '[' ? walk(&j, kind == '{', each, arg) : 0;
    qn_json_drop(&j);
    return rc == QN_ENOMEM ? rc : 0;
}

typedef struct { qn_str name, value; } looking;

static int look(void *arg, qn_str key, qn_str value) {
    looking *l = arg;
    if (!qn_str_eq(key, l->name))
        return 0;
    l->value = value;
    return QN_ENOTFOUND;                                /* ends the walk */
}

qn_str qn_member(qn_str object, const char *path) {
    for (;;) {
        const size_t n = strcspn(path, ".");
        looking l = {.name = {path, n}};
        if (qn_members_each(object, look, &l) < 0 || !path[n])
            return l.value;
        object = l.value;
        path += n + 1;
    }
}

double qn_value_number(qn_str value) {
    double v;
    if (qn_str_is(value, "true"))
        return 1;
    return qn_parse_f64(value, &v) ? v : NAN;
}

double qn_member_number(qn_str object, const char *path) { return qn_value_number(qn_member(object, path)); }

int qn_value_text(qn_buf *out, qn_str value) {
    qn_json j;
    if (!value.n || value.s[0] != '"')
        return qn_buf_put(out, value.s ? value.s : "", value.n);
    qn_json_init(&j, value.s, value.n, "");
    j.lone = QN_LONE_REPLACE;
    const int rc = qn_json_string(&j, out);
    qn_json_drop(&j);
    return rc == QN_ENOMEM ? rc : 0;
}
