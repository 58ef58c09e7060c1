/* guide/gbnf.c — GBNF, the language of llama.cpp's grammars, to a tree of rules.
 *
 *     grammar   rules "name ::= alternatives", one behind the other, each ended by a line break
 *     seq | seq     a sequence goes on over line breaks within parentheses and behind a |
 *     "text"  [a-z]  [^"\\]  .  name  ( … )        and behind any of these  *  +  ?  {m}  {m,}  {m,n}
 *     \n \r \t \\ \" \[ \] \xHH \uHHHH \UHHHHHHHH     # a comment ends with its line
 *
 * More than llama.cpp takes: an underscore in a name, a | at the beginning of a line. Less: two rules of one name, of
 * which it would forget the first; a rule behind whose ::= nothing stands; tokens by number (<[1000]>), which belong to
 * one model. */
#include "guide/automaton.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

typedef struct {
    const char *name, *text, *at, *end;
    qn_rule_tree t;
    qn_strmap rules;
    qn_ids parts;               /* of the expressions that are open, the innermost last */
    int64_t *used;              /* per rule: where it was used first, as an offset */
    size_t cap_used;
    int depth;
} reader;

#define FAIL(r, ...) fail_at((r), QN_EFORMAT, (r)->at, __VA_ARGS__)

static int line_of(const reader *r, const char *where) {
    int line = 1;
    for (const char *p = r->text; p < where; p++)
        line += *p == '\n';
    return line;
}

/* "name:3:17: …" */
QN_PRINTF(4, 5) static int fail_at(const reader *r, int code, const char *where, const char *fmt, ...) {
    char message[400];
    int column = 1;
    va_list args;
    va_start(args, fmt);
    vsnprintf(message, sizeof message, fmt, args);
    va_end(args);
    for (const char *p = r->text; p < where; p++)
        column = *p == '\n' ? 1 : column + (((unsigned char)*p & 0xc0) != 0x80);
    return qn_fail(code, "%s:%d:%d: %s", r->name, line_of(r, where), column, message);
}

/* What stands here, for messages. */
static const char *found(const reader *r, char out[32]) {
    uint32_t cp;
    if (r->at >= r->end)
        return "the end";
    if (*r->at == '\n' || *r->at == '\r')
        return "the end of the line";
    const int n = qn_utf8_decode(r->at, (size_t)(r->end - r->at), &cp);
    snprintf(out, 32, "'%.*s'", n, r->at);
    return out;
}

static bool here(const reader *r, char c) { return r->at < r->end && *r->at == c; }

static void skip_space(reader *r, bool lines) {
    while (r->at < r->end) {
        if (*r->at == '#')
            while (r->at < r->end && *r->at != '\n' && *r->at != '\r')
                r->at++;
        else if (*r->at == ' ' || *r->at == '\t' || (lines && (*r->at == '\n' || *r->at == '\r')))
            r->at++;
        else
            return;
    }
}

static bool is_digit(char c) { return c >= '0' && c <= '9'; }
static bool is_word(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) || c == '-' || c == '_';
}

/* ---- characters ---- */

static int hex_char(reader *r, int digits, uint32_t *cp) {
    const char *start = r->at;
    *cp = 0;
    for (int i = 0; i < digits; i++, r->at++) {
        const char c = r->at < r->end ? *r->at : ' ';
        const int v = is_digit(c) ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
        if (v < 0)
            return FAIL(r, "%d hexadecimal digits are expected behind \\%c", digits, start[-1]);
        *cp = *cp << 4 | (uint32_t)v;
    }
    if (*cp > 0x10ffff || (*cp >= 0xd800 && *cp <= 0xdfff))
        return fail_at(r, QN_EFORMAT, start, "U+%04X is no character", *cp);
    return 0;
}

/* One character of a text or class, an escape undone. */
static int read_char(reader *r, uint32_t *cp) {
    static const char escape[] = "nrt\\\"[]", means[] = "\n\r\t\\\"[]";
    if (!here(r, '\\')) {
        r->at += qn_utf8_decode(r->at, (size_t)(r->end - r->at), cp);
        return 0;
    }
    r->at++;
    const char c = r->at < r->end ? *r->at : ' ';
    const char *known = c ? strchr(escape, c) : NULL;
    if (known) {
        *cp = (uint32_t)means[known - escape];
        r->at++;
        return 0;
    }
    if (c != 'x' && c != 'u' && c != 'U')
        return FAIL(r, "an escape is expected (\\n \\r \\t \\\\ \\\" \\[ \\] \\xHH \\uHHHH \\UHHHHHHHH)");
    r->at++;
    return hex_char(r, c == 'x' ? 2 : c == 'u' ? 4 : 8, cp);
}

static int read_text(reader *r, int32_t *out) {
    const char *open = r->at++;
    qn_buf text = {0};
    uint32_t cp;
    int rc = 0;
    while (!here(r, '"')) {
        if (r->at >= r->end || *r->at == '\n') {
            rc = fail_at(r, QN_EFORMAT, open, "a text that begins here is not ended by '\"' in its line");
            goto out;
        }
        QN_TRY_OUT(read_char(r, &cp));
        QN_TRY_OUT(qn_buf_utf8(&text, cp));
    }
    r->at++;
    *out = qn_tree_text(&r->t, qn_buf_view(&text));
out:
    qn_buf_drop(&text);
    return rc;
}

static int read_range(reader *r, qn_char_range *c) {
    const char *start = r->at;
    QN_TRY(read_char(r, &c->lo));
    c->hi = c->lo;
    if (!here(r, '-') || (r->at + 1 < r->end && r->at[1] == ']'))
        return 0;
    r->at++;
    if (r->at >= r->end)
        return FAIL(r, "a character is expected behind '-'");
    QN_TRY(read_char(r, &c->hi));
    if (c->hi < c->lo)
        return fail_at(r, QN_EFORMAT, start, "a range that ends before it begins");
    return 0;
}

static int read_class(reader *r, int32_t *out) {
    const char *open = r->at++;
    qn_char_range *range = NULL;
    size_t n = 0, cap = 0;
    int rc = 0;
    const bool not = here(r, '^');
    r->at += not;
    while (!here(r, ']')) {
        if (r->at >= r->end || *r->at == '\n') {
            rc = fail_at(r, QN_EFORMAT, open, "a class that begins here is not ended by ']' in its line");
            goto out;
        }
        QN_TRY_OUT(QN_GROW(QN_MEM_SESSION, range, cap, n + 1));
        QN_TRY_OUT(read_range(r, &range[n++]));
    }
    r->at++;
    *out = qn_tree_class(&r->t, range, n, not);
out:
    qn_free(range);
    return rc;
}

/* ---- rules by name ---- */

static int rule_of(reader *r, qn_str name, int32_t *out) {
    int64_t known;
    if (qn_strmap_get(&r->rules, name, &known)) {
        *out = (int32_t)known;
        return 0;
    }
    *out = qn_tree_rule_add(&r->t, name);
    QN_TRY(r->t.rc);
    QN_TRY(QN_GROW(QN_MEM_SESSION, r->used, r->cap_used, r->t.n_rules));
    r->used[*out] = name.s - r->text;
    const int rc = qn_strmap_put(&r->rules, name, *out);
    return QN_MIN(rc, 0);
}

static qn_str read_name(reader *r) {
    const char *start = r->at;
    while (r->at < r->end && is_word(*r->at))
        r->at++;
    return (qn_str){start, (size_t)(r->at - start)};
}

static int read_call(reader *r, int32_t *out) {
    int32_t rule;
    const qn_str name = read_name(r);
    QN_TRY(rule_of(r, name, &rule));
    *out = qn_tree_call(&r->t, rule);
    return 0;
}

/* ---- expressions ---- */

static int read_alternatives(reader *r, bool nested, int32_t *out);

static int read_group(reader *r, int32_t *out) {
    const char *open = r->at++;
    char what[32];
    if (++r->depth > QN_TREE_DEPTH)
        return fail_at(r, QN_ELIMIT, open, "parentheses within one another, more than %d deep", QN_TREE_DEPTH);
    skip_space(r, true);
    QN_TRY(read_alternatives(r, true, out));
    if (!here(r, ')'))
        return FAIL(r, "')' is expected, for the '(' in line %d; found %s", line_of(r, open), found(r, what));
    r->at++;
    r->depth--;
    return 0;
}

/* *out stays −1 where no item begins. */
static int read_item(reader *r, int32_t *out) {
    const char c = r->at < r->end ? *r->at : '\n';
    switch (c) {
    case '"': return read_text(r, out);
    case '[': return read_class(r, out);
    case '(': return read_group(r, out);
    case '.':
        r->at++;
        *out = qn_tree_class(&r->t, NULL, 0, true);
        return 0;
    case '<': case '!':
        return fail_at(r, QN_EUNSUPPORTED, r->at, "tokens by number or name (<[…]>, <…>) are not understood: they "
                       "belong to one vocabulary; spell the text");
    default: return is_word(c) ? read_call(r, out) : 0;
    }
}

static int read_number(reader *r, int64_t *out) {
    const char *start = r->at;
    char what[32];
    *out = 0;
    if (r->at >= r->end || !is_digit(*r->at))
        return FAIL(r, "a number is expected, found %s", found(r, what));
    for (; r->at < r->end && is_digit(*r->at); r->at++)
        if ((*out = *out * 10 + (*r->at - '0')) > QN_SYNTAX_COUNT_MAX)
            return fail_at(r, QN_ELIMIT, start, "a count of more than %d", QN_SYNTAX_COUNT_MAX);
    return 0;
}

/* {m}, {m,}, {m,n} */
static int read_counts(reader *r, int64_t *least, int64_t *most) {
    const char *open = r->at++;
    char what[32];
    skip_space(r, false);
    QN_TRY(read_number(r, least));
    skip_space(r, false);
    *most = *least;
    if (here(r, ',')) {
        r->at++;
        skip_space(r, false);
        *most = -1;
        if (!here(r, '}'))
            QN_TRY(read_number(r, most));
        skip_space(r, false);
    }
    if (!here(r, '}'))
        return FAIL(r, "'}' is expected, found %s", found(r, what));
    r->at++;
    if (*most >= 0 && *most < *least)
        return fail_at(r, QN_EFORMAT, open, "{%lld,%lld}: at least more than at most", (long long)*least,
                       (long long)*most);
    return 0;
}

/* An item with whatever repeats it. */
static int read_repeats(reader *r, bool nested, int32_t *item) {
    for (int n = 0;; n++) {
        int64_t least = 0, most = -1;
        skip_space(r, nested);
        const char c = r->at < r->end ? *r->at : ' ';
        if (c != '*' && c != '+' && c != '?' && c != '{')
            return 0;
        if (*item < 0)
            return FAIL(r, "'%c' has nothing in front of it to repeat", c);
        if (n > QN_TREE_DEPTH)
            return fail_at(r, QN_ELIMIT, r->at, "more than %d repetitions of one thing", QN_TREE_DEPTH);
        if (c == '{') {
            QN_TRY(read_counts(r, &least, &most));
        } else {
            least = c == '+';
            most = c == '?' ? 1 : -1;
            r->at++;
        }
        *item = qn_tree_repeat(&r->t, *item, least, most);
    }
}

static int read_sequence(reader *r, bool nested, int32_t *out) {
    const size_t first = r->parts.n;
    for (;;) {
        int32_t item = -1;
        QN_TRY(read_item(r, &item));
        QN_TRY(read_repeats(r, nested, &item));
        if (item < 0)
            break;
        QN_TRY(qn_ids_push(&r->parts, item));
    }
    *out = r->parts.n > first ? qn_tree_seq(&r->t, r->parts.v + first, r->parts.n - first) : 0;
    r->parts.n = first;
    return r->t.rc;
}

/* Is the next line one that goes on with a | ? */
static bool goes_on(reader *r) {
    const char *before = r->at;
    skip_space(r, true);
    if (here(r, '|'))
        return true;
    r->at = before;
    return false;
}

static int read_alternatives(reader *r, bool nested, int32_t *out) {
    const size_t first = r->parts.n;
    for (;;) {
        int32_t seq = 0;
        QN_TRY(read_sequence(r, nested, &seq));
        QN_TRY(qn_ids_push(&r->parts, seq));
        if (!goes_on(r))
            break;
        r->at++;
        skip_space(r, true);
    }
    *out = qn_tree_alt(&r->t, r->parts.v + first, r->parts.n - first);
    r->parts.n = first;
    return r->t.rc;
}

/* ---- the whole ---- */

static int read_rule(reader *r) {
    int32_t rule, body;
    char what[32];
    const char *start = r->at;
    const qn_str name = read_name(r);
    if (name.n == 0)
        return FAIL(r, "the name of a rule is expected, found %s", found(r, what));
    skip_space(r, false);
    if (r->end - r->at < 3 || memcmp(r->at, "::=", 3) != 0)
        return FAIL(r, "'::=' is expected behind the name of a rule, found %s", found(r, what));
    r->at += 3;
    QN_TRY(rule_of(r, name, &rule));
    if (r->t.rule[rule].body >= 0)
        return fail_at(r, QN_EFORMAT, start, "a second rule \"%.*s\"", QN_STR_ARG(name));
    skip_space(r, true);
    const char *first = r->at;
    QN_TRY(read_alternatives(r, false, &body));
    if (r->at == first)
        return FAIL(r, "the rule \"%.*s\" says nothing: a text, a class or a name is expected, found %s (an empty text "
                    "is \"\")", QN_STR_ARG(name), found(r, what));
    if (r->at < r->end && *r->at != '\n' && *r->at != '\r')
        return FAIL(r, "something else is expected than %s", found(r, what));
    r->t.rule[rule].body = body;
    skip_space(r, true);
    return 0;
}

static int read_rules(reader *r) {
    skip_space(r, true);
    while (r->at < r->end)
        QN_TRY(read_rule(r));
    for (size_t i = 0; i < r->t.n_rules; i++)
        if (r->t.rule[i].body < 0 && i > 0)
            return fail_at(r, QN_EFORMAT, r->text + r->used[i], "there is no rule \"%.*s\"",
                           QN_STR_ARG(r->t.rule[i].name));
    if (r->t.rule[0].body < 0)
        return qn_fail(QN_EFORMAT, "%s: there is no rule \"root\", with which an answer begins", r->name);
    return 0;
}

static int read_grammar(reader *r, qn_str text) {
    const size_t bad = qn_utf8_check(text.s, text.n);
    if (text.n > QN_SYNTAX_TEXT_MAX)
        return qn_fail(QN_ELIMIT, "%s: %zu bytes; a grammar has at most %d", r->name, text.n, QN_SYNTAX_TEXT_MAX);
    if (bad != QN_UTF8_OK)
        return qn_fail(QN_EUTF8, "%s: byte %zu is not UTF-8", r->name, bad);
    QN_TRY(qn_tree_init(&r->t));
    QN_TRY(QN_GROW(QN_MEM_SESSION, r->used, r->cap_used, 1));
    r->used[0] = 0;
    const int rc = qn_strmap_put(&r->rules, QN_STR("root"), 0);
    return rc < 0 ? rc : read_rules(r);
}

int qn_syntax_gbnf(qn_syntax **out, qn_str text, const char *name) {
    reader r = {.name = name, .text = text.s, .at = text.s, .end = text.s + text.n};
    int rc;
    *out = NULL;
    QN_TRY_OUT(read_grammar(&r, text));
    QN_TRY_OUT(qn_tree_check(&r.t, name));
    rc = qn_syntax_compile(out, &r.t, name);
out:
    qn_tree_drop(&r.t);
    qn_strmap_drop(&r.rules);
    qn_ids_drop(&r.parts);
    qn_free(r.used);
    return rc;
}
