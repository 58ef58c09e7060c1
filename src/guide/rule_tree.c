/* guide/rule_tree.c — expressions made out of expressions. */
#include "guide/rule_tree.h"

#include <stdlib.h>
#include <string.h>

#define LAST_CHARACTER 0x10ffffu

int qn_tree_init(qn_rule_tree *t) {
    *t = (qn_rule_tree){0};
    qn_tree_text(t, (qn_str){"", 0});
    qn_tree_rule_add(t, QN_STR("root"));
    return t->rc;
}

void qn_tree_drop(qn_rule_tree *t) {
    qn_free(t->expr);
    qn_free(t->part);
    qn_free(t->range);
    qn_free(t->rule);
    qn_buf_drop(&t->text);
    *t = (qn_rule_tree){0};
}

static int too_large(void) {
    return qn_fail(QN_ELIMIT, "the grammar is too large: more than %d expressions", QN_TREE_MAX);
}

static int32_t add(qn_rule_tree *t, qn_expr e, int64_t size) {
    if (t->rc == 0 && t->n >= QN_TREE_MAX)
        t->rc = too_large();
    if (t->rc == 0)
        t->rc = QN_GROW(QN_MEM_SESSION, t->expr, t->cap, t->n + 1);
    if (t->rc < 0)
        return 0;
    e.size = (int32_t)QN_MIN(size, QN_TREE_MAX);
    t->expr[t->n] = e;
    return (int32_t)t->n++;
}

int32_t qn_tree_rule_add(qn_rule_tree *t, qn_str name) {
    if (t->rc == 0 && t->n_rules >= QN_TREE_MAX)
        t->rc = too_large();
    if (t->rc == 0)
        t->rc = QN_GROW(QN_MEM_SESSION, t->rule, t->cap_rules, t->n_rules + 1);
    if (t->rc < 0)
        return 0;
    t->rule[t->n_rules] = (qn_tree_rule){.body = -1, .name = name};
    return (int32_t)t->n_rules++;
}

int32_t qn_tree_text(qn_rule_tree *t, qn_str bytes) {
    const size_t at = t->text.n;
    if (t->rc == 0)
        t->rc = qn_buf_put(&t->text, bytes.s, bytes.n);
    if (t->rc == 0 && t->text.n > INT32_MAX)
        t->rc = too_large();
    return add(t, (qn_expr){.kind = QN_EXPR_TEXT, .a = (int32_t)at, .n = (int32_t)bytes.n}, (int64_t)bytes.n);
}

int32_t qn_tree_range(qn_rule_tree *t, uint32_t lo, uint32_t hi) {
    qn_char_range r = {lo, hi};
    return qn_tree_class(t, &r, 1, false);
}

/* ---- classes ---- */

static int by_low(const void *a, const void *b) {
    const qn_char_range *x = a, *y = b;
    return x->lo != y->lo ? (x->lo < y->lo ? -1 : 1) : 0;
}

static void put_range(qn_rule_tree *t, uint32_t lo, uint32_t hi) {
    if (t->rc == 0 && t->n_ranges >= QN_TREE_MAX)
        t->rc = too_large();
    if (t->rc == 0)
        t->rc = QN_GROW(QN_MEM_SESSION, t->range, t->cap_ranges, t->n_ranges + 1);
    if (t->rc == 0)
        t->range[t->n_ranges++] = (qn_char_range){lo, hi};
}

int32_t qn_tree_class(qn_rule_tree *t, qn_char_range *r, size_t n, bool not) {
    const size_t first = t->n_ranges;
    size_t kept = 0;
    uint32_t from = 0;
    if (n > 1)
        qsort(r, n, sizeof *r, by_low);
    for (size_t i = 0; i < n; i++) {                    /* those that touch become one */
        if (kept > 0 && r[i].lo <= r[kept - 1].hi + 1)
            r[kept - 1].hi = QN_MAX(r[kept - 1].hi, r[i].hi);
        else
            r[kept++] = r[i];
    }
    for (size_t i = 0; i < kept && !not; i++)
        put_range(t, r[i].lo, r[i].hi);
    for (size_t i = 0; i < kept && not; i++) {
        if (r[i].lo > from)
            put_range(t, from, r[i].lo - 1);
        from = r[i].hi + 1;
    }
    if (not && from <= LAST_CHARACTER)
        put_range(t, from, LAST_CHARACTER);
    const int32_t count = (int32_t)(t->n_ranges - first);
    return add(t, (qn_expr){.kind = QN_EXPR_CLASS, .a = (int32_t)first, .n = count}, 1 + count / 8);
}

/* ---- out of others ---- */

static int32_t join(qn_rule_tree *t, qn_expr_kind kind, const int32_t *part, size_t n) {
    const size_t first = t->n_parts;
    int64_t size = kind == QN_EXPR_ALT;
    if (n == 1 && t->rc == 0)
        return part[0];
    if (t->rc == 0 && t->n_parts + n > QN_TREE_MAX)
        t->rc = too_large();
    if (t->rc == 0)
        t->rc = QN_GROW(QN_MEM_SESSION, t->part, t->cap_parts, t->n_parts + n);
    if (t->rc < 0)
        return 0;
    for (size_t i = 0; i < n; i++)
        size += t->expr[part[i]].size;
    if (n > 0)
        memcpy(t->part + first, part, n * sizeof *part);
    t->n_parts += n;
    return add(t, (qn_expr){.kind = kind, .a = (int32_t)first, .n = (int32_t)n}, size);
}

int32_t qn_tree_seq(qn_rule_tree *t, const int32_t *part, size_t n) { return join(t, QN_EXPR_SEQ, part, n); }

int32_t qn_tree_alt(qn_rule_tree *t, const int32_t *part, size_t n) {
    return n == 0 ? qn_tree_class(t, NULL, 0, false) : join(t, QN_EXPR_ALT, part, n);
}

int32_t qn_tree_repeat(qn_rule_tree *t, int32_t what, int64_t least, int64_t most) {
    if (t->rc < 0)
        return 0;
    if (most == 0)
        return 0;
    if (least == 1 && most == 1)
        return what;
    const int64_t one = t->expr[what].size, times = most < 0 ? least + 1 : most, copies = one * times;
    const bool copied = times <= QN_TREE_UNROLL && copies <= QN_TREE_UNROLL;
    return add(t, (qn_expr){.kind = QN_EXPR_REPEAT, .a = what, .least = (int32_t)least, .most = (int32_t)most},
               copied ? copies + 1 : one + 2);
}

int32_t qn_tree_call(qn_rule_tree *t, int32_t rule) { return add(t, (qn_expr){.kind = QN_EXPR_RULE, .a = rule}, 1); }
