/* chat/jinja_parse.c — tokens to nodes: the statements. Recursive descent, one function per tag. */
#include "chat/jinja_ast.h"
#include "chat/jinja_run.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ---- what both halves of the parser use ---------------------------------------------------------------------- */

int qn_jparse_fail(qn_jparser *s, const char *fmt, ...) {
    char text[400];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return qn_jprogram_fail(s->p, s->tok->pos, QN_ETEMPLATE, "%s", text);
}

int qn_jparse_new(qn_jparser *s, qn_jnode_kind kind, uint32_t pos, qn_jnode **out) {
    QN_TRY(QN_JNEW(&s->p->arena, *out, 1));
    **out = (qn_jnode){.kind = (uint8_t)kind, .pos = pos};
    return 0;
}

int qn_jparse_add(qn_jparser *s, qn_jnodes *list, qn_jnode *n) {
    if (list->n == list->cap) {
        size_t cap = list->cap ? list->cap * 2 : 4;
        qn_jnode **v = qn_jarena_grow(&s->p->arena, list->v, list->cap * sizeof *v, cap * sizeof *v);
        if (!v)
            return s->p->arena.rc;
        list->v = v;
        list->cap = cap;
    }
    list->v[list->n++] = n;
    return 0;
}

int qn_jparse_id(qn_jparser *s, const qn_jtok *name, uint32_t *id) {
    qn_jprogram *p = s->p;
    int64_t have;
    if (qn_strmap_get(&p->name_ids, qn_jstr_view(&name->s), &have)) {
        *id = (uint32_t)have;
        return 0;
    }
    QN_TRY(QN_GROW(QN_MEM_CHAT, p->names, p->cap_names, p->n_names + 1));
    QN_TRY(qn_strmap_put(&p->name_ids, qn_jstr_view(&name->s), (int64_t)p->n_names));
    p->names[p->n_names] = &name->s;
    *id = (uint32_t)p->n_names++;
    return 0;
}

bool qn_jparse_is(const qn_jparser *s, const char *name) {
    return s->tok->kind == QN_TNAME && qn_jstr_is(&s->tok->s, name);
}

bool qn_jparse_skip(qn_jparser *s, int kind) {
    bool hit = s->tok->kind == kind;
    s->tok += hit;
    return hit;
}

bool qn_jparse_skip_name(qn_jparser *s, const char *name) {
    bool hit = qn_jparse_is(s, name);
    s->tok += hit;
    return hit;
}

const char *qn_jtok_text(const qn_jtok *t, char buf[80]) {
    static const char *const names[] = {
        "text", "'{{'", "'}}'", "'{%'", "'%}'", "a name", "a string", "a number", "'**'", "'//'", "'=='", "'!='",
        "'<='", "'>='", "the end of the template",
    };
    if (t->kind == QN_TNAME)
        snprintf(buf, 80, "'%.*s'", (int)QN_MIN(t->s.n, (size_t)60), t->s.s);
    else if (t->kind >= QN_TDATA && t->kind <= QN_TEOF)
        snprintf(buf, 80, "%s", names[t->kind - QN_TDATA]);
    else
        snprintf(buf, 80, "'%c'", t->kind);
    return buf;
}

int qn_jparse_expect(qn_jparser *s, int kind, const qn_jtok **out) {
    char want[80], got[80];
    qn_jtok wanted = {.kind = kind};
    if (s->tok->kind != kind)
        return qn_jparse_fail(s, "expected %s, found %s", kind == QN_TNAME ? "a name" : qn_jtok_text(&wanted, want),
                              qn_jtok_text(s->tok, got));
    if (out)
        *out = s->tok;
    s->tok += kind != QN_TEOF;
    return 0;
}

/* ---- statements ---------------------------------------------------------------------------------------------- */

static int statements(qn_jparser *s, const char *const *ends, qn_jnodes *body);

/* "%}", then statements up to one of `ends` (NULL-terminated), which becomes the current token. */
static int block_until(qn_jparser *s, const char *const *ends, qn_jnodes *body) {
    qn_jparse_skip(s, ':');
    QN_TRY(qn_jparse_expect(s, QN_TBLOCK_END, NULL));
    return statements(s, ends, body);
}

/* The same for blocks with one end, which is taken; they are frames of their own. */
static int frame_until(qn_jparser *s, const char *end, qn_jnodes *body) {
    const char *const ends[] = {end, NULL};
    bool soft = s->soft;
    s->soft = false;
    QN_TRY(block_until(s, ends, body));
    s->soft = soft;
    s->tok++;
    return 0;
}

static int parse_for(qn_jparser *s, qn_jnode *n) {
    static const char *const ends[] = {"endfor", "else", NULL};
    bool loops = s->loops, soft = s->soft;
    n->kind = QN_NFOR;
    s->loops = true;
    qn_jnode *target;
    QN_TRY(qn_jparse_target(s, false, "in", &target));
    QN_TRY(qn_jparse_add(s, &n->list, target));
    if (!qn_jparse_skip_name(s, "in"))
        return qn_jparse_fail(s, "expected 'in' after the loop's variable");
    QN_TRY(qn_jparse_tuple(s, false, "recursive", &n->a));
    s->soft = false;
    if (qn_jparse_skip_name(s, "if"))
        QN_TRY(qn_jparse_expr(s, &n->b));
    n->flag = qn_jparse_skip_name(s, "recursive");
    QN_TRY(block_until(s, ends, &n->body));
    s->loops = loops;
    bool has_else = qn_jparse_is(s, "else");
    s->tok++;
    if (has_else)
        QN_TRY(frame_until(s, "endfor", &n->other));
    s->soft = soft;
    return 0;
}

static int parse_if(qn_jparser *s, qn_jnode *n) {
    static const char *const ends[] = {"elif", "else", "endif", NULL}, *const last[] = {"endif", NULL};
    bool soft = s->soft;
    s->soft = true;
    for (;;) {
        n->kind = QN_NIF;
        QN_TRY(qn_jparse_tuple(s, false, NULL, &n->a));
        QN_TRY(block_until(s, ends, &n->body));
        uint32_t pos = s->tok->pos;
        if (!qn_jparse_skip_name(s, "elif"))
            break;
        qn_jnode *inner;
        QN_TRY(qn_jparse_new(s, QN_NIF, pos, &inner));
        QN_TRY(qn_jparse_add(s, &n->other, inner));
        n = inner;
    }
    if (qn_jparse_skip_name(s, "else"))
        QN_TRY(block_until(s, last, &n->other));
    s->tok++;
    s->soft = soft;
    return 0;
}

static int parse_set(qn_jparser *s, qn_jnode *n) {
    qn_jnode *target;
    n->kind = QN_NSET;
    QN_TRY(qn_jparse_target(s, true, NULL, &target));
    QN_TRY(qn_jparse_add(s, &n->list, target));
    if (qn_jparse_skip(s, '='))
        return qn_jparse_tuple(s, true, NULL, &n->a);
    n->kind = QN_NSETBLOCK;
    QN_TRY(qn_jparse_filters(s, false, &n->a));
    return frame_until(s, "endset", &n->body);
}

static int parse_with(qn_jparser *s, qn_jnode *n) {
    n->kind = QN_NWITH;
    while (s->tok->kind != QN_TBLOCK_END) {
        qn_jnode *target, *value;
        if (n->list.n)
            QN_TRY(qn_jparse_expect(s, ',', NULL));
        QN_TRY(qn_jparse_target(s, false, NULL, &target));
        QN_TRY(qn_jparse_expect(s, '=', NULL));
        QN_TRY(qn_jparse_expr(s, &value));
        QN_TRY(qn_jparse_add(s, &n->list, target));
        QN_TRY(qn_jparse_add(s, &n->list, value));
    }
    return frame_until(s, "endwith", &n->body);
}

/* (a, b=1): names to n->param, defaults to n->list, NULL where there is none. */
static int parse_signature(qn_jparser *s, qn_jnode *n) {
    size_t cap = 0;
    bool optional = false;
    QN_TRY(qn_jparse_expect(s, '(', NULL));
    while (s->tok->kind != ')') {
        const qn_jtok *name;
        qn_jnode *value = NULL;
        if (n->list.n)
            QN_TRY(qn_jparse_expect(s, ',', NULL));
        QN_TRY(qn_jparse_expect(s, QN_TNAME, &name));
        if (qn_jparse_skip(s, '='))
            QN_TRY(qn_jparse_expr(s, &value));
        else if (optional)
            return qn_jparse_fail(s, "a parameter without a default follows one with a default");
        optional = optional || value;
        if (n->list.n == cap) {
            qn_jname *old = n->param;
            cap = cap ? cap * 2 : 4;
            QN_TRY(QN_JNEW(&s->p->arena, n->param, cap));
            if (n->list.n)
                memcpy(n->param, old, n->list.n * sizeof *old);
        }
        qn_jname *param = &n->param[n->list.n];
        QN_TRY(qn_jparse_id(s, name, &param->id));
        param->name = &name->s;
        QN_TRY(qn_jparse_add(s, &n->list, value));
    }
    s->tok++;
    return 0;
}

/* The body of a macro or call block; notes which of the special variables it names. */
static int parse_macro_body(qn_jparser *s, qn_jnode *n, const char *end) {
    bool kwargs = s->uses_kwargs, varargs = s->uses_varargs, caller = s->uses_caller, loops = s->loops;
    s->uses_kwargs = s->uses_varargs = s->uses_caller = s->loops = false;
    QN_TRY(frame_until(s, end, &n->body));
    n->flag = s->uses_kwargs;
    n->flag2 = s->uses_varargs;
    n->flag3 = s->uses_caller;
    s->uses_kwargs = s->uses_kwargs || kwargs;      /* a macro inside counts for the one around it, as in Jinja */
    s->uses_varargs = s->uses_varargs || varargs;
    s->uses_caller = s->uses_caller || caller;
    s->loops = loops;
    return 0;
}

static int parse_macro(qn_jparser *s, qn_jnode *n) {
    const qn_jtok *name;
    n->kind = QN_NMACRO;
    QN_TRY(qn_jparse_expect(s, QN_TNAME, &name));
    QN_TRY(qn_jparse_id(s, name, &n->id));
    n->name = &name->s;
    QN_TRY(parse_signature(s, n));
    return parse_macro_body(s, n, "endmacro");
}

static int parse_call(qn_jparser *s, qn_jnode *n) {
    n->kind = QN_NCALL_BLOCK;
    if (s->tok->kind == '(')
        QN_TRY(parse_signature(s, n));
    QN_TRY(qn_jparse_expr(s, &n->a));
    if (n->a->kind != QN_NCALL)
        return qn_jparse_fail(s, "a call block needs a call, such as {%% call name(…) %%}");
    return parse_macro_body(s, n, "endcall");
}

static int parse_filter_block(qn_jparser *s, qn_jnode *n) {
    n->kind = QN_NFILTER_BLOCK;
    QN_TRY(qn_jparse_filters(s, true, &n->a));
    return frame_until(s, "endfilter", &n->body);
}

static int parse_block(qn_jparser *s, qn_jnode *n) {
    const qn_jtok *name;
    n->kind = QN_NBLOCK;
    QN_TRY(qn_jparse_expect(s, QN_TNAME, &name));
    n->flag = qn_jparse_skip_name(s, "scoped");
    qn_jparse_skip_name(s, "required");
    QN_TRY(frame_until(s, "endblock", &n->body));
    if (s->tok->kind == QN_TNAME && qn_jstr_same(&s->tok->s, &name->s))
        s->tok++;
    return 0;
}

static int parse_generation(qn_jparser *s, qn_jnode *n) {
    n->kind = QN_NGENERATION;
    return frame_until(s, "endgeneration", &n->body);
}

static int parse_jump(qn_jparser *s, qn_jnode *n) {
    n->kind = qn_jstr_is(n->name, "break") ? QN_NBREAK : QN_NCONTINUE;
    return s->loops ? 0 : qn_jparse_fail(s, "'%s' outside a loop", n->kind == QN_NBREAK ? "break" : "continue");
}

/* {% print a, b %} */
static int parse_print(qn_jparser *s, qn_jnode *n) {
    n->kind = QN_NPRINT;
    QN_TRY(qn_jparse_new(s, QN_NCONCAT, s->tok->pos, &n->a));
    while (s->tok->kind != QN_TBLOCK_END) {
        qn_jnode *value;
        if (n->a->list.n)
            QN_TRY(qn_jparse_expect(s, ',', NULL));
        QN_TRY(qn_jparse_expr(s, &value));
        QN_TRY(qn_jparse_add(s, &n->a->list, value));
    }
    return 0;
}

/* Nothing is escaped here anyhow; a template that wants it is not one for chats. */
static int parse_autoescape(qn_jparser *s, qn_jnode *n) {
    qn_jnode *on;
    n->kind = QN_NWITH;
    QN_TRY(qn_jparse_expr(s, &on));
    if (on->kind != QN_NCONST || qn_jv_truth(on->v))
        return qn_jparse_fail(s, "autoescape is not supported in chat templates, but for 'false'");
    return frame_until(s, "endautoescape", &n->body);
}

/* Other templates cannot be reached from a chat template: Jinja fails too, when it comes there. */
static int parse_elsewhere(qn_jparser *s, qn_jnode *n) {
    n->kind = QN_NUNSUPPORTED;
    while (s->tok->kind != QN_TBLOCK_END)
        s->tok++;
    return 0;
}

static const struct { const char *tag; int (*parse)(qn_jparser *, qn_jnode *); } tags[] = {
    {"if", parse_if}, {"for", parse_for}, {"set", parse_set}, {"macro", parse_macro}, {"call", parse_call},
    {"filter", parse_filter_block}, {"with", parse_with}, {"block", parse_block}, {"generation", parse_generation},
    {"break", parse_jump}, {"continue", parse_jump}, {"print", parse_print}, {"autoescape", parse_autoescape},
    {"include", parse_elsewhere}, {"import", parse_elsewhere}, {"from", parse_elsewhere}, {"extends", parse_elsewhere},
};

static int statement(qn_jparser *s, qn_jnode **out) {
    const qn_jtok *tag = s->tok;
    char text[80];
    if (tag->kind != QN_TNAME)
        return qn_jparse_fail(s, "expected a tag's name, found %s", qn_jtok_text(tag, text));
    QN_TRY(qn_jparse_new(s, QN_NCONST, tag->pos, out));
    (*out)->name = &tag->s;
    for (size_t i = 0; i < QN_LEN(tags); i++)
        if (qn_jstr_is(&tag->s, tags[i].tag)) {
            s->tok++;
            return tags[i].parse(s, *out);
        }
    return qn_jparse_fail(s, "unknown tag %s: expected if, for, set, macro … or the end of the block that is open",
                          qn_jtok_text(tag, text));
}

static bool at_end(const qn_jparser *s, const char *const *ends) {
    for (; ends && *ends; ends++)
        if (qn_jparse_is(s, *ends))
            return true;
    return false;
}

static int statements_inner(qn_jparser *s, const char *const *ends, qn_jnodes *body) {
    qn_jnode *n = NULL;
    while (s->tok->kind != QN_TEOF) {
        const qn_jtok *t = s->tok++;
        if (t->kind == QN_TDATA) {
            QN_TRY(qn_jparse_new(s, QN_NDATA, t->pos, &n));
            QN_TRY(qn_jv_str(&s->p->arena, t->s, &n->v));
        } else if (t->kind == QN_TPRINT) {
            QN_TRY(qn_jparse_new(s, QN_NPRINT, t->pos, &n));
            QN_TRY(qn_jparse_tuple(s, true, NULL, &n->a));
            QN_TRY(qn_jparse_expect(s, QN_TPRINT_END, NULL));
        } else {
            qn_assert(t->kind == QN_TBLOCK);
            if (at_end(s, ends))
                return 0;
            QN_TRY(statement(s, &n));
            QN_TRY(qn_jparse_expect(s, QN_TBLOCK_END, NULL));
        }
        QN_TRY(qn_jparse_add(s, body, n));
    }
    return ends ? qn_jparse_fail(s, "the template ends inside a block: expected '{%% %s %%}'", ends[0]) : 0;
}

static int statements(qn_jparser *s, const char *const *ends, qn_jnodes *body) {
    if (++s->depth > QN_JPARSE_DEPTH)
        return qn_jprogram_fail(s->p, s->tok->pos, QN_ELIMIT, "blocks nested more than %d deep", QN_JPARSE_DEPTH);
    int rc = statements_inner(s, ends, body);
    s->depth--;
    return rc;
}

int qn_jparse(qn_jprogram *p) {
    qn_jtok *tok;
    size_t n;
    QN_TRY(qn_jlex(p, &tok, &n));
    qn_jparser s = {.p = p, .tok = tok};
    QN_TRY(statements(&s, NULL, &p->root));
    const qn_jnode *u = s.unknown;
    if (u)
        return qn_jprogram_fail(p, u->pos, QN_ETEMPLATE, "there is no %s named '%.*s'",
                                u->kind == QN_NFILTER ? "filter" : "test", QN_STR_ARG(qn_jstr_view(u->name)));
    return 0;
}

/* ---- the program --------------------------------------------------------------------------------------------- */

void qn_jprogram_drop(qn_jprogram *p) {
    qn_free(p->names);
    qn_strmap_drop(&p->name_ids);
    qn_jarena_drop(&p->arena);
    qn_free(p->label);
}

int64_t qn_jprogram_name(const qn_jprogram *p, const char *name) {
    int64_t id;
    return qn_strmap_get(&p->name_ids, qn_str_of(name), &id) ? id : -1;
}

void qn_jprogram_place(const qn_jprogram *p, uint32_t pos, int *line, int *column) {
    *line = *column = 1;
    for (size_t i = 0; i < pos && i < p->text.n; i++) {
        if (p->text.s[i] == '\n') {
            (*line)++;
            *column = 1;
        } else {
            *column += ((unsigned char)p->text.s[i] & 0xC0) != 0x80;
        }
    }
}

int qn_jprogram_fail(const qn_jprogram *p, uint32_t pos, int code, const char *fmt, ...) {
    char text[700];
    int line, column;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    qn_jprogram_place(p, pos, &line, &column);
    return qn_fail(code, "%s:%d:%d: %s", p->label, line, column, text);
}
