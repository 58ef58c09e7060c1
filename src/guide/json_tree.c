/* guide/json_tree.c — the pull parser's values as nodes. */
#include "guide/json_tree.h"

#include <string.h>

static int read_value(qn_json_tree *t, qn_json *j, int32_t parent, int32_t *out);

static int add_node(qn_json_tree *t, int32_t parent, char kind, int32_t *out) {
    QN_TRY(QN_GROW(QN_MEM_SESSION, t->node, t->cap, t->n + 1));
    *out = (int32_t)t->n++;
    t->node[*out] = (qn_json_node){.kind = kind, .parent = parent, .child = -1, .next = -1};
    return 0;
}

static void link_child(qn_json_tree *t, int32_t parent, int32_t *last, int32_t child) {
    if (*last < 0)
        t->node[parent].child = child;
    else
        t->node[*last].next = child;
    *last = child;
    t->node[parent].n++;
}

/* Keys are put into the text at once: the parser's view of them lives for one call. The map's keys are places in a text
 * that may move, so doubles are looked for when all are there. */
static int read_object(qn_json_tree *t, qn_json *j, int32_t node) {
    qn_str key;
    int more;
    int32_t last = -1, child;
    QN_TRY(qn_json_enter(j, '{'));
    while ((more = qn_json_key(j, &key)) > 0) {
        const size_t at = t->text.n;
        QN_TRY(qn_buf_put(&t->text, key.s, key.n));
        const size_t n = t->text.n - at;
        QN_TRY(read_value(t, j, node, &child));
        t->node[child].key = at;
        t->node[child].key_n = n;
        link_child(t, node, &last, child);
    }
    return more;
}

static int read_array(qn_json_tree *t, qn_json *j, int32_t node) {
    int more;
    int32_t last = -1, child;
    QN_TRY(qn_json_enter(j, '['));
    while ((more = qn_json_item(j)) > 0) {
        QN_TRY(read_value(t, j, node, &child));
        link_child(t, node, &last, child);
    }
    return more;
}

static int read_value(qn_json_tree *t, qn_json *j, int32_t parent, int32_t *out) {
    const int kind = qn_json_peek(j);
    qn_str raw = {0};
    double number = 0;
    QN_TRY(kind);
    QN_TRY(add_node(t, parent, (char)kind, out));
    const size_t at = t->text.n;
    if (kind == '{')
        return read_object(t, j, *out);
    if (kind == '[')
        return read_array(t, j, *out);
    if (kind == '"') {
        QN_TRY(qn_json_string(j, &t->text));
    } else {
        QN_TRY(qn_json_raw(j, &raw));
        QN_TRY(qn_buf_put(&t->text, raw.s, raw.n));
    }
    if (kind == '0' && !qn_parse_f64(raw, &number))
        return qn_json_fail(j, QN_EFORMAT, "a number that is too large");
    t->node[*out].number = number;
    t->node[*out].at = at;
    t->node[*out].at_n = t->text.n - at;
    return 0;
}

static int check_doubles(const qn_json_tree *t, const char *name) {
    qn_strmap seen = {0};
    int rc = 0;
    for (size_t i = 0; i < t->n && rc >= 0; i++) {
        if (t->node[i].kind != '{')
            continue;
        for (int32_t k = t->node[i].child; k >= 0 && rc >= 0; k = t->node[k].next) {
            rc = qn_strmap_put(&seen, qn_json_tree_key(t, k), k);
            if (rc == 0)
                rc = qn_fail(QN_EFORMAT, "%s: the key \"%.*s\" stands twice in one object", name,
                             QN_STR_ARG(qn_json_tree_key(t, k)));
        }
        qn_strmap_drop(&seen);
    }
    return QN_MIN(rc, 0);
}

int qn_json_tree_read(qn_json_tree *t, qn_str text, const char *name) {
    qn_json j;
    int32_t root;
    *t = (qn_json_tree){0};
    qn_json_init(&j, text.s, text.n, name);
    int rc = qn_buf_reserve(&t->text, text.n + 1);
    if (rc >= 0)
        rc = read_value(t, &j, -1, &root);
    if (rc >= 0)
        rc = qn_json_end(&j);
    if (rc >= 0)
        rc = check_doubles(t, name);
    qn_json_drop(&j);
    if (rc < 0)
        qn_json_tree_drop(t);
    return rc;
}

void qn_json_tree_drop(qn_json_tree *t) {
    qn_free(t->node);
    qn_buf_drop(&t->text);
    *t = (qn_json_tree){0};
}

qn_str qn_json_tree_key(const qn_json_tree *t, int32_t node) {
    return (qn_str){t->text.s + t->node[node].key, t->node[node].key_n};
}

qn_str qn_json_tree_str(const qn_json_tree *t, int32_t node) {
    return (qn_str){t->text.s + t->node[node].at, t->node[node].at_n};
}

int32_t qn_json_tree_find(const qn_json_tree *t, int32_t node, qn_str key) {
    if (node < 0 || t->node[node].kind != '{')
        return -1;
    for (int32_t k = t->node[node].child; k >= 0; k = t->node[k].next)
        if (qn_str_eq(qn_json_tree_key(t, k), key))
            return k;
    return -1;
}

int32_t qn_json_tree_get(const qn_json_tree *t, int32_t node, const char *key) {
    return qn_json_tree_find(t, node, qn_str_of(key));
}

bool qn_json_tree_same(const qn_json_tree *t, int32_t a, int32_t b) {
    const qn_json_node *x = &t->node[a], *y = &t->node[b];
    if (x->kind != y->kind || x->n != y->n)
        return false;
    if (x->kind == '0')
        return x->number == y->number;
    if (x->kind == '"')
        return qn_str_eq(qn_json_tree_str(t, a), qn_json_tree_str(t, b));
    for (int32_t k = x->child, l = y->child; k >= 0; k = t->node[k].next, l = l >= 0 ? t->node[l].next : l) {
        const int32_t other = x->kind == '[' ? l : qn_json_tree_find(t, b, qn_json_tree_key(t, k));
        if (other < 0 || !qn_json_tree_same(t, k, other))
            return false;
    }
    return true;
}

/* ---- places ---- */

int qn_json_tree_place(const qn_json_tree *t, int32_t root, int32_t node, qn_buf *out) {
    const int32_t parent = t->node[node].parent;
    if (parent < 0 || node == root)
        return 0;
    QN_TRY(qn_json_tree_place(t, root, parent, out));         /* no deeper than the parser lets nest */
    if (t->node[parent].kind == '[') {
        int32_t i = 0;
        for (int32_t k = t->node[parent].child; k != node; k = t->node[k].next)
            i++;
        return qn_buf_printf(out, "/%d", i);
    }
    const qn_str key = qn_json_tree_key(t, node);
    QN_TRY(qn_buf_putc(out, '/'));
    for (size_t i = 0; i < key.n; i++)
        QN_TRY(key.s[i] == '~' ? qn_buf_puts(out, "~0") : key.s[i] == '/' ? qn_buf_puts(out, "~1")
                                                                          : qn_buf_putc(out, key.s[i]));
    return 0;
}

static int hex(char c) {
    return c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
}

/* One step of a pointer, from *at to the next slash, into out; false where it does not fit. */
static bool read_step(qn_str p, size_t *at, char *out, size_t cap, size_t *n) {
    for (*n = 0; *at < p.n && p.s[*at] != '/'; ++*at) {
        char c = p.s[*at];
        if (c == '%' && *at + 2 < p.n && hex(p.s[*at + 1]) >= 0 && hex(p.s[*at + 2]) >= 0) {
            c = (char)(hex(p.s[*at + 1]) * 16 + hex(p.s[*at + 2]));
            *at += 2;
        } else if (c == '~' && *at + 1 < p.n) {
            c = p.s[++*at] == '1' ? '/' : '~';
        }
        if (*n == cap)
            return false;
        out[(*n)++] = c;
    }
    return true;
}

int32_t qn_json_tree_point(const qn_json_tree *t, int32_t root, qn_str pointer) {
    int32_t node = root;
    char step[512];
    size_t at = 0, n;
    while (at < pointer.n && node >= 0) {
        int64_t i;
        if (pointer.s[at++] != '/' || !read_step(pointer, &at, step, sizeof step, &n))
            return -1;
        if (t->node[node].kind == '{') {
            node = qn_json_tree_find(t, node, (qn_str){step, n});
        } else if (t->node[node].kind == '[' && qn_parse_i64((qn_str){step, n}, &i) && i >= 0) {
            for (node = t->node[node].child; node >= 0 && i > 0; i--)
                node = t->node[node].next;
        } else {
            return -1;
        }
    }
    return node;
}

static void write_node(const qn_json_tree *t, int32_t node, qn_jw *w) {
    const qn_json_node *x = &t->node[node];
    if (x->kind == '"') {
        qn_jw_str(w, qn_json_tree_str(t, node));
    } else if (x->kind != '{' && x->kind != '[') {
        qn_jw_raw(w, qn_json_tree_str(t, node));
    } else {
        qn_jw_open(w, x->kind);
        for (int32_t k = x->child; k >= 0; k = t->node[k].next) {
            if (x->kind == '{')
                qn_jw_key_str(w, qn_json_tree_key(t, k));
            write_node(t, k, w);
        }
        qn_jw_close(w);
    }
}

int qn_json_tree_write(const qn_json_tree *t, int32_t node, qn_buf *out) {
    qn_jw w;
    qn_jw_init(&w, out, 0);
    write_node(t, node, &w);
    return qn_jw_end(&w);
}
