/* chat/jinja_parse_expr.c — tokens to nodes: the expressions, loosest binding first:
 *
 *   a if b else c   or   and   not   == != < <= > >= in   + -   ~   * / // %   **   unary - +   .a [i] (…)   | is
 *
 * A unary minus takes no filter: -x|abs is (-x)|abs. */
#include "chat/jinja_run.h"

#include <string.h>

static int parse_unary(qn_jparser *s, bool filters, qn_jnode **out);
static int parse_postfix(qn_jparser *s, qn_jnode **node);

static int binary(qn_jparser *s, qn_jnode_kind kind, uint32_t pos, qn_jnode *a, qn_jnode *b, qn_jnode **out) {
    QN_TRY(qn_jparse_new(s, kind, pos, out));
    (*out)->a = a;
    (*out)->b = b;
    return 0;
}

/* One level of left-associative operators: `next` between tokens of `ops`. */
typedef struct { int token; qn_jnode_kind kind; } binop;
static int parse_level(qn_jparser *s, const binop *ops, int (*next)(qn_jparser *, qn_jnode **), qn_jnode **out) {
    QN_TRY(next(s, out));
    for (;;) {
        const binop *op = ops;
        while (op->token && op->token != s->tok->kind)
            op++;
        if (!op->token)
            return 0;
        uint32_t pos = s->tok++->pos;
        qn_jnode *right;
        QN_TRY(next(s, &right));
        QN_TRY(binary(s, op->kind, pos, *out, right, out));
    }
}

static int parse_operand(qn_jparser *s, qn_jnode **out) {
    return parse_unary(s, true, out);
}

static int parse_pow(qn_jparser *s, qn_jnode **out) {
    static const binop ops[] = {{QN_TPOW, QN_NPOW}, {0, QN_NPOW}};
    return parse_level(s, ops, parse_operand, out);
}

static int parse_product(qn_jparser *s, qn_jnode **out) {
    static const binop ops[] = {{'*', QN_NMUL}, {'/', QN_NDIV}, {QN_TFLOORDIV, QN_NFLOORDIV}, {'%', QN_NMOD},
                                {0, QN_NMUL}};
    return parse_level(s, ops, parse_pow, out);
}

static int parse_concat(qn_jparser *s, qn_jnode **out) {
    QN_TRY(parse_product(s, out));
    if (s->tok->kind != '~')
        return 0;
    qn_jnode *all, *one = *out;
    QN_TRY(qn_jparse_new(s, QN_NCONCAT, s->tok->pos, &all));
    QN_TRY(qn_jparse_add(s, &all->list, one));
    while (qn_jparse_skip(s, '~')) {
        QN_TRY(parse_product(s, &one));
        QN_TRY(qn_jparse_add(s, &all->list, one));
    }
    *out = all;
    return 0;
}

static int parse_sum(qn_jparser *s, qn_jnode **out) {
    static const binop ops[] = {{'+', QN_NADD}, {'-', QN_NSUB}, {0, QN_NADD}};
    return parse_level(s, ops, parse_concat, out);
}

/* Takes a comparison operator: its qn_jcmp, or -1. */
static int take_comparison(qn_jparser *s) {
    static const struct { int token; qn_jcmp how; } ops[] = {
        {QN_TEQ, QN_CMP_EQ}, {QN_TNE, QN_CMP_NE}, {'<', QN_CMP_LT}, {QN_TLE, QN_CMP_LE}, {'>', QN_CMP_GT},
        {QN_TGE, QN_CMP_GE},
    };
    for (size_t i = 0; i < QN_LEN(ops); i++)
        if (qn_jparse_skip(s, ops[i].token))
            return (int)ops[i].how;
    if (qn_jparse_skip_name(s, "in"))
        return QN_CMP_IN;
    if (qn_jparse_is(s, "not") && s->tok[1].kind == QN_TNAME && qn_jstr_is(&s->tok[1].s, "in")) {
        s->tok += 2;
        return QN_CMP_NOT_IN;
    }
    return -1;
}

static int parse_compare(qn_jparser *s, qn_jnode **out) {
    QN_TRY(parse_sum(s, out));
    qn_jnode *all = NULL, *right;
    size_t cap = 0;
    for (;;) {
        uint32_t pos = s->tok->pos;
        int how = take_comparison(s);
        if (how < 0)
            break;
        if (!all) {
            QN_TRY(qn_jparse_new(s, QN_NCOMPARE, pos, &all));
            all->a = *out;
        }
        QN_TRY(parse_sum(s, &right));
        QN_TRY(qn_jparse_add(s, &all->list, right));
        if (all->list.n > cap) {
            uint8_t *op = qn_jarena_grow(&s->p->arena, all->op, cap, cap + 8);
            if (!op)
                return s->p->arena.rc;
            all->op = op;
            cap += 8;
        }
        all->op[all->list.n - 1] = (uint8_t)how;
    }
    *out = all ? all : *out;
    return 0;
}

static int parse_not(qn_jparser *s, qn_jnode **out) {
    uint32_t pos = s->tok->pos;
    if (!qn_jparse_skip_name(s, "not"))
        return parse_compare(s, out);
    qn_jnode *operand;
    if (++s->depth > QN_JPARSE_DEPTH)
        return qn_jprogram_fail(s->p, pos, QN_ELIMIT, "expressions nested more than %d deep", QN_JPARSE_DEPTH);
    QN_TRY(parse_not(s, &operand));
    s->depth--;
    return binary(s, QN_NNOT, pos, operand, NULL, out);
}

static int parse_and(qn_jparser *s, qn_jnode **out) {
    QN_TRY(parse_not(s, out));
    for (uint32_t pos = s->tok->pos; qn_jparse_skip_name(s, "and"); pos = s->tok->pos) {
        qn_jnode *right;
        QN_TRY(parse_not(s, &right));
        QN_TRY(binary(s, QN_NAND, pos, *out, right, out));
    }
    return 0;
}

int qn_jparse_expr_plain(qn_jparser *s, qn_jnode **out) {
    QN_TRY(parse_and(s, out));
    for (uint32_t pos = s->tok->pos; qn_jparse_skip_name(s, "or"); pos = s->tok->pos) {
        qn_jnode *right;
        QN_TRY(parse_and(s, &right));
        QN_TRY(binary(s, QN_NOR, pos, *out, right, out));
    }
    return 0;
}

static int parse_conditional(qn_jparser *s, qn_jnode **out) {
    const qn_jnode *unknown = s->unknown;
    bool soft = s->soft;
    QN_TRY(qn_jparse_expr_plain(s, out));
    for (uint32_t pos = s->tok->pos; qn_jparse_skip_name(s, "if"); pos = s->tok->pos) {
        qn_jnode *n;
        s->soft = true;
        s->unknown = unknown;           /* what stood before the `if` was inside a conditional after all */
        QN_TRY(qn_jparse_new(s, QN_NIFELSE, pos, &n));
        n->a = *out;
        QN_TRY(qn_jparse_expr_plain(s, &n->b));
        if (qn_jparse_skip_name(s, "else"))
            QN_TRY(qn_jparse_expr(s, &n->c));
        s->soft = soft;
        *out = n;
    }
    return 0;
}

int qn_jparse_expr(qn_jparser *s, qn_jnode **out) {
    if (++s->depth > QN_JPARSE_DEPTH)
        return qn_jprogram_fail(s->p, s->tok->pos, QN_ELIMIT, "expressions nested more than %d deep",
                                QN_JPARSE_DEPTH);
    int rc = parse_conditional(s, out);
    s->depth--;
    return rc;
}

/* ---- primaries ----------------------------------------------------------------------------------------------- */

static int parse_const(qn_jparser *s, qn_jv v, qn_jnode **out) {
    QN_TRY(qn_jparse_new(s, QN_NCONST, s->tok->pos, out));
    (*out)->v = v;
    s->tok++;
    return 0;
}

static int parse_name(qn_jparser *s, qn_jnode **out) {
    const qn_jstr *name = &s->tok->s;
    bool t = qn_jstr_is(name, "true") || qn_jstr_is(name, "True");
    if (t || qn_jstr_is(name, "false") || qn_jstr_is(name, "False"))
        return parse_const(s, qn_jv_bool(t), out);
    if (qn_jstr_is(name, "none") || qn_jstr_is(name, "None"))
        return parse_const(s, qn_jv_none(), out);
    QN_TRY(qn_jparse_new(s, QN_NNAME, s->tok->pos, out));
    (*out)->name = name;
    s->uses_kwargs = s->uses_kwargs || qn_jstr_is(name, "kwargs");
    s->uses_varargs = s->uses_varargs || qn_jstr_is(name, "varargs");
    s->uses_caller = s->uses_caller || qn_jstr_is(name, "caller");
    return qn_jparse_id(s, s->tok++, &(*out)->id);
}

/* Strings that stand side by side are one. */
static int parse_string(qn_jparser *s, qn_jnode **out) {
    qn_jstr text = s->tok->s;
    const qn_jtok *first = s->tok;
    if (s->tok[1].kind == QN_TSTRING) {
        qn_jsb b;
        qn_jsb_init(&b, &s->p->arena);
        for (; s->tok[1].kind == QN_TSTRING; s->tok++)
            QN_TRY(qn_jsb_str(&b, &s->tok->s));
        QN_TRY(qn_jsb_str(&b, &s->tok->s));
        text = qn_jsb_done(&b);
    }
    qn_jv v;
    QN_TRY(qn_jv_str(&s->p->arena, text, &v));
    QN_TRY(parse_const(s, v, out));
    (*out)->pos = first->pos;
    return 0;
}

static int parse_list(qn_jparser *s, qn_jnode **out) {
    QN_TRY(qn_jparse_new(s, QN_NLIST, s->tok++->pos, out));
    while (!qn_jparse_skip(s, ']')) {
        qn_jnode *item;
        if ((*out)->list.n) {
            QN_TRY(qn_jparse_expect(s, ',', NULL));
            if (qn_jparse_skip(s, ']'))
                break;
        }
        QN_TRY(qn_jparse_expr(s, &item));
        QN_TRY(qn_jparse_add(s, &(*out)->list, item));
    }
    return 0;
}

static int parse_dict(qn_jparser *s, qn_jnode **out) {
    QN_TRY(qn_jparse_new(s, QN_NDICT, s->tok++->pos, out));
    while (!qn_jparse_skip(s, '}')) {
        qn_jnode *key, *value;
        if ((*out)->list.n) {
            QN_TRY(qn_jparse_expect(s, ',', NULL));
            if (qn_jparse_skip(s, '}'))
                break;
        }
        QN_TRY(qn_jparse_expr(s, &key));
        QN_TRY(qn_jparse_expect(s, ':', NULL));
        QN_TRY(qn_jparse_expr(s, &value));
        QN_TRY(qn_jparse_add(s, &(*out)->list, key));
        QN_TRY(qn_jparse_add(s, &(*out)->list, value));
    }
    return 0;
}

/* `one` parses an item; a comma makes it a tuple. */
static int parse_items(qn_jparser *s, int (*one)(qn_jparser *, qn_jnode **), const char *stop, bool parens,
                       qn_jnode **out) {
    qn_jnode *all, *item = NULL;
    bool tuple = false;
    char text[80];
    QN_TRY(qn_jparse_new(s, QN_NTUPLE, s->tok->pos, &all));
    for (;;) {
        int k = s->tok->kind;
        if (all->list.n && !qn_jparse_skip(s, ','))
            break;
        tuple = tuple || all->list.n;
        k = s->tok->kind;
        if (k == QN_TPRINT_END || k == QN_TBLOCK_END || k == ')' || (stop && qn_jparse_is(s, stop)))
            break;
        QN_TRY(one(s, &item));
        QN_TRY(qn_jparse_add(s, &all->list, item));
    }
    if (!tuple && !item && !parens)
        return qn_jparse_fail(s, "expected an expression, found %s", qn_jtok_text(s->tok, text));
    *out = tuple || !item ? all : item;
    return 0;
}

int qn_jparse_tuple(qn_jparser *s, bool conditional, const char *stop, qn_jnode **out) {
    return parse_items(s, conditional ? qn_jparse_expr : qn_jparse_expr_plain, stop, false, out);
}

static int parse_primary(qn_jparser *s, qn_jnode **out) {
    char text[80];
    switch (s->tok->kind) {
    case QN_TNAME: return parse_name(s, out);
    case QN_TSTRING: return parse_string(s, out);
    case QN_TNUMBER: return parse_const(s, s->tok->v, out);
    case '(':
        s->tok++;
        QN_TRY(parse_items(s, qn_jparse_expr, NULL, true, out));
        return qn_jparse_expect(s, ')', NULL);
    case '[': return parse_list(s, out);
    case '{': return parse_dict(s, out);
    default: return qn_jparse_fail(s, "expected an expression, found %s", qn_jtok_text(s->tok, text));
    }
}

/* ---- targets of assignments ---------------------------------------------------------------------------------- */

static int parse_target(qn_jparser *s, bool with_namespace, qn_jnode **out) {
    if (s->tok->kind == '(') {
        s->tok++;
        QN_TRY(qn_jparse_target(s, with_namespace, NULL, out));
        return qn_jparse_expect(s, ')', NULL);
    }
    const qn_jtok *name = s->tok;
    if (name->kind != QN_TNAME)
        return qn_jparse_fail(s, "expected a name to assign to");
    QN_TRY(parse_name(s, out));
    if ((*out)->kind != QN_NNAME)
        return qn_jparse_fail(s, "a constant cannot be assigned to");
    if (with_namespace && qn_jparse_skip(s, '.')) {
        const qn_jtok *attr;
        QN_TRY(qn_jparse_expect(s, QN_TNAME, &attr));
        (*out)->kind = QN_NNSREF;
        return qn_jv_str(&s->p->arena, attr->s, &(*out)->v);
    }
    if (s->loops && qn_jstr_is(&name->s, "loop"))
        return qn_jparse_fail(s, "'loop' belongs to the loop and cannot be assigned to");
    return 0;
}

static int target_plain(qn_jparser *s, qn_jnode **out) { return parse_target(s, false, out); }
static int target_namespace(qn_jparser *s, qn_jnode **out) { return parse_target(s, true, out); }

int qn_jparse_target(qn_jparser *s, bool with_namespace, const char *stop, qn_jnode **out) {
    if (++s->depth > QN_JPARSE_DEPTH)
        return qn_jprogram_fail(s->p, s->tok->pos, QN_ELIMIT, "targets nested more than %d deep", QN_JPARSE_DEPTH);
    int rc = parse_items(s, with_namespace ? target_namespace : target_plain, stop, false, out);
    s->depth--;
    return rc;
}

/* ---- what follows a primary ---------------------------------------------------------------------------------- */

static int keyword_add(qn_jparser *s, qn_jnode *call, const qn_jtok *name) {
    qn_jnode *value;
    qn_jname *old = call->param;
    QN_TRY(qn_jparse_expr(s, &value));
    QN_TRY(QN_JNEW(&s->p->arena, call->param, call->kw.n + 1));
    if (call->kw.n)
        memcpy(call->param, old, call->kw.n * sizeof *old);
    call->param[call->kw.n] = (qn_jname){.name = &name->s};
    return qn_jparse_add(s, &call->kw, value);
}

/* (a, b, *c, d=e, **f) into list, b, kw, c of the call, filter or test. */
static int parse_args(qn_jparser *s, qn_jnode *call) {
    QN_TRY(qn_jparse_expect(s, '(', NULL));
    for (bool comma = false; !qn_jparse_skip(s, ')'); comma = true) {
        if (comma) {
            QN_TRY(qn_jparse_expect(s, ',', NULL));
            if (qn_jparse_skip(s, ')'))
                break;
        }
        const qn_jtok *t = s->tok;
        qn_jnode *arg;
        if (t->kind == '*' && !call->b && !call->c) {
            s->tok++;
            QN_TRY(qn_jparse_expr(s, &call->b));
        } else if (t->kind == QN_TPOW && !call->c) {
            s->tok++;
            QN_TRY(qn_jparse_expr(s, &call->c));
        } else if (t->kind == QN_TNAME && t[1].kind == '=' && !call->c) {
            s->tok += 2;
            QN_TRY(keyword_add(s, call, t));
        } else if (!call->b && !call->c && !call->kw.n) {
            QN_TRY(qn_jparse_expr(s, &arg));
            QN_TRY(qn_jparse_add(s, &call->list, arg));
        } else {
            return qn_jparse_fail(s, "a positional argument must stand before the named ones");
        }
    }
    return 0;
}

/* a[i], a[i:j], a[i:j:k], a[i, j] */
static int parse_subscript(qn_jparser *s, uint32_t pos, qn_jnode **node) {
    qn_jnode *n, *part[3] = {NULL, NULL, NULL};
    int parts = 1;
    QN_TRY(qn_jparse_new(s, QN_NITEM, pos, &n));
    n->a = *node;
    for (int i = 0; i < 3; i++) {
        int k = s->tok->kind;
        if (k != ':' && k != ']' && k != ',')
            QN_TRY(qn_jparse_expr(s, &part[i]));
        if (i == 2 || !qn_jparse_skip(s, ':'))
            break;
        parts = 2;
    }
    *node = n;
    if (parts == 1) {
        n->b = part[0];
        if (!n->b)
            return qn_jparse_fail(s, "expected an index");
        if (s->tok->kind == ',') {
            QN_TRY(qn_jparse_new(s, QN_NTUPLE, pos, &n->b));
            QN_TRY(qn_jparse_add(s, &n->b->list, part[0]));
            while (qn_jparse_skip(s, ',')) {
                QN_TRY(qn_jparse_expr(s, &part[1]));
                QN_TRY(qn_jparse_add(s, &n->b->list, part[1]));
            }
        }
        return qn_jparse_expect(s, ']', NULL);
    }
    n->kind = QN_NSLICE;
    for (int i = 0; i < 3; i++)
        QN_TRY(qn_jparse_add(s, &n->list, part[i]));
    return qn_jparse_expect(s, ']', NULL);
}

static int parse_dot(qn_jparser *s, uint32_t pos, qn_jnode **node) {
    qn_jnode *n;
    QN_TRY(qn_jparse_new(s, QN_NATTR, pos, &n));
    n->a = *node;
    *node = n;
    if (s->tok->kind == QN_TNAME) {
        n->name = &s->tok++->s;
        return 0;
    }
    if (s->tok->kind != QN_TNUMBER || s->tok->v.kind != QN_JINT)
        return qn_jparse_fail(s, "expected a name or a number after '.'");
    n->kind = QN_NITEM;
    return parse_const(s, s->tok->v, &n->b);
}

static int parse_call(qn_jparser *s, qn_jnode **node) {
    qn_jnode *n;
    QN_TRY(qn_jparse_new(s, QN_NCALL, s->tok->pos, &n));
    n->a = *node;
    *node = n;
    return parse_args(s, n);
}

static int parse_postfix(qn_jparser *s, qn_jnode **node) {
    for (;;) {
        uint32_t pos = s->tok->pos;
        if (qn_jparse_skip(s, '.'))
            QN_TRY(parse_dot(s, pos, node));
        else if (qn_jparse_skip(s, '['))
            QN_TRY(parse_subscript(s, pos, node));
        else if (s->tok->kind == '(')
            QN_TRY(parse_call(s, node));
        else
            return 0;
    }
}

static void note_unknown(qn_jparser *s, const qn_jnode *n) {
    if (!n->func && !s->soft && !s->unknown)
        s->unknown = n;
}

/* A chain |f|g(x) on *out; with `inline_first` the first name stands without its bar. *out NULL: a block's text. */
int qn_jparse_filters(qn_jparser *s, bool inline_first, qn_jnode **out) {
    while (inline_first || qn_jparse_skip(s, '|')) {
        const qn_jtok *name;
        qn_jnode *n;
        inline_first = false;
        QN_TRY(qn_jparse_expect(s, QN_TNAME, &name));
        QN_TRY(qn_jparse_new(s, QN_NFILTER, name->pos, &n));
        n->a = *out;
        n->name = &name->s;
        n->func = qn_jfilter_find(n->name);
        note_unknown(s, n);
        if (s->tok->kind == '(')
            QN_TRY(parse_args(s, n));
        *out = n;
    }
    return 0;
}

static bool begins_argument(const qn_jparser *s) {
    int k = s->tok->kind;
    if (k == QN_TNAME)
        return !qn_jparse_is(s, "else") && !qn_jparse_is(s, "or") && !qn_jparse_is(s, "and");
    return k == QN_TSTRING || k == QN_TNUMBER || k == '[' || k == '{';
}

/* `is [not] name`, with its arguments in parentheses or one bare. */
static int parse_test(qn_jparser *s, qn_jnode **node) {
    const qn_jtok *name;
    qn_jnode *n, *arg;
    bool negated = qn_jparse_skip_name(s, "not");
    QN_TRY(qn_jparse_expect(s, QN_TNAME, &name));
    QN_TRY(qn_jparse_new(s, QN_NTEST, name->pos, &n));
    n->a = *node;
    n->name = &name->s;
    n->func = qn_jtest_find(n->name);
    note_unknown(s, n);
    if (s->tok->kind == '(') {
        QN_TRY(parse_args(s, n));
    } else if (begins_argument(s)) {
        if (qn_jparse_is(s, "is"))
            return qn_jparse_fail(s, "tests cannot be chained with 'is'");
        QN_TRY(parse_primary(s, &arg));
        QN_TRY(parse_postfix(s, &arg));
        QN_TRY(qn_jparse_add(s, &n->list, arg));
    }
    *node = n;
    return negated ? binary(s, QN_NNOT, name->pos, n, NULL, node) : 0;
}

static int parse_signed(qn_jparser *s, qn_jnode_kind kind, qn_jnode **out) {
    uint32_t pos = s->tok++->pos;
    qn_jnode *operand;
    if (++s->depth > QN_JPARSE_DEPTH)
        return qn_jprogram_fail(s->p, pos, QN_ELIMIT, "expressions nested more than %d deep", QN_JPARSE_DEPTH);
    QN_TRY(parse_unary(s, false, &operand));
    s->depth--;
    return binary(s, kind, pos, operand, NULL, out);
}

static int parse_unary(qn_jparser *s, bool filters, qn_jnode **out) {
    if (s->tok->kind == '-')
        QN_TRY(parse_signed(s, QN_NNEG, out));
    else if (s->tok->kind == '+')
        QN_TRY(parse_signed(s, QN_NPOS, out));
    else
        QN_TRY(parse_primary(s, out));
    QN_TRY(parse_postfix(s, out));
    while (filters) {
        if (s->tok->kind == '|')
            QN_TRY(qn_jparse_filters(s, false, out));
        else if (qn_jparse_skip_name(s, "is"))
            QN_TRY(parse_test(s, out));
        else if (s->tok->kind == '(')
            QN_TRY(parse_call(s, out));
        else
            break;
    }
    return 0;
}
