/* data/example_where.c — which rows of a file are meant: those with a member of a given value. */
#include "data/example_file.h"

#include "base/json.h"

/* "VALUE" or 12 or true, as it stands; of a string what it says. */
static int is_value(qn_json *j, qn_str want, bool *is) {
    qn_buf text = {0};
    qn_str raw;
    int rc;
    if (qn_json_peek(j) == '"') {
        rc = qn_json_string(j, &text);
        raw = qn_buf_view(&text);
    } else {
        rc = qn_json_raw(j, &raw);
    }
    *is = rc >= 0 && qn_str_eq(raw, want);
    qn_buf_drop(&text);
    return rc;
}

/* The value, or one of the list. */
static int has_value(qn_json *j, qn_str want, bool *has) {
    bool is;
    int more;
    if (qn_json_peek(j) != '[')
        return is_value(j, want, has);
    QN_TRY(qn_json_enter(j, '['));
    while ((more = qn_json_item(j)) > 0) {
        QN_TRY(is_value(j, want, &is));
        *has = *has || is;
    }
    return more;
}

static int look(qn_json *j, const qn_example_where *w) {
    qn_str key;
    bool there = false;
    int more;
    if (qn_json_peek(j) != '{')
        return 0;
    QN_TRY(qn_json_enter(j, '{'));
    while ((more = qn_json_key(j, &key)) > 0)
        QN_TRY(qn_str_eq(key, w->member) ? has_value(j, w->value, &there) : qn_json_skip(j));
    QN_TRY(more);
    return there;
}

int qn_example_where_holds(const qn_example_where *w, size_t n, qn_str json, const char *place) {
    for (size_t i = 0; i < n; i++) {
        qn_json j;
        qn_json_init(&j, json.s, json.n, place);
        const int rc = look(&j, &w[i]);
        qn_json_drop(&j);
        if (rc <= 0)
            return rc;
    }
    return 1;
}
