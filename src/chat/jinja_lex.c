/* chat/jinja_lex.c — template text to tokens, with Jinja's rules for white space.
 *
 *   {%- -%} {{- -}} {#- -#}   a minus takes all white space on its side
 *   lstrip_blocks             blanks before {% and {# are dropped where nothing else stands before them on the line;
 *                             {%+ keeps them
 *   trim_blocks               one newline behind %} and #} is dropped; +%} keeps it
 *
 * Both options are on: model templates are written for that. */
#include "chat/jinja_ast.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define MAX_NESTING 200

typedef struct {
    qn_jprogram *p;
    const char *s;
    size_t n, at;
    qn_jtok *tok;
    size_t n_tok, cap_tok;
    bool line_start;                /* the text before `at` ended with a newline */
    char closing[MAX_NESTING];      /* brackets that are open */
    int open;
} lexer;

QN_PRINTF(3, 4) static int lex_fail(lexer *l, size_t pos, const char *fmt, ...) {
    char text[300];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return qn_jprogram_fail(l->p, (uint32_t)pos, QN_ETEMPLATE, "%s", text);
}

static int tok_add(lexer *l, qn_jtok t) {
    if (l->n_tok == l->cap_tok) {
        size_t cap = l->cap_tok ? l->cap_tok * 2 : 64;
        qn_jtok *p = qn_jarena_grow(&l->p->arena, l->tok, l->cap_tok * sizeof t, cap * sizeof t);
        if (!p)
            return l->p->arena.rc;
        l->tok = p;
        l->cap_tok = cap;
    }
    l->tok[l->n_tok++] = t;
    return 0;
}

static int tok_text(lexer *l, int kind, size_t begin, size_t end) {
    return tok_add(l, (qn_jtok){.kind = kind, .pos = (uint32_t)begin, .s = {l->s + begin, end - begin, NULL, false}});
}

static bool looking_at(const lexer *l, size_t at, const char *z) {
    size_t n = strlen(z);
    return l->n - at >= n && memcmp(l->s + at, z, n) == 0;
}

static size_t skip_space(const lexer *l, size_t at) {
    uint32_t c;
    for (int n; at < l->n && (n = qn_utf8_decode(l->s + at, l->n - at, &c)) > 0 && qn_jchar_space(c);)
        at += (size_t)n;
    return at;
}

/* The text in front of a tag, after white-space control. */
static int put_data(lexer *l, size_t end, char sign, bool variable) {
    qn_jstr text = {l->s + l->at, end - l->at, NULL, false};
    if (sign == '-') {
        text = qn_jstr_strip(&text, NULL, QN_JRIGHT);
    } else if (sign != '+' && !variable) {
        size_t line = text.n;
        while (line > 0 && text.s[line - 1] != '\n')
            line--;
        qn_jstr rest = qn_jstr_cut(&text, line, text.n);
        if ((line > 0 || l->line_start) && qn_jstr_strip(&rest, NULL, QN_JRIGHT).n == 0)
            text.n = line;
    }
    return text.n ? tok_text(l, QN_TDATA, l->at, l->at + text.n) : 0;
}

/* Behind the end of a tag: `at` stands on "-%}", "+%}", "%}" … Returns 0 if it does not. */
static size_t tag_end(const lexer *l, size_t at, char close, bool trim) {
    char plain[3] = {close, '}', 0}, minus[4] = {'-', close, '}', 0}, plus[4] = {'+', close, '}', 0};
    if (looking_at(l, at, minus))
        return skip_space(l, at + 3);
    if (trim && looking_at(l, at, plus))
        return at + 3;
    if (!looking_at(l, at, plain))
        return 0;
    at += 2;
    return trim && at < l->n && l->s[at] == '\n' ? at + 1 : at;
}

static void go_to(lexer *l, size_t at) {
    l->line_start = at > 0 && l->s[at - 1] == '\n';
    l->at = at;
}

static size_t digits_end(const lexer *l, size_t at) {
    while (at < l->n && l->s[at] >= '0' && l->s[at] <= '9') {
        at++;
        if (at + 1 < l->n && l->s[at] == '_' && l->s[at + 1] >= '0' && l->s[at + 1] <= '9')
            at++;
    }
    return at;
}

static bool is_digit(const lexer *l, size_t at) {
    return at < l->n && l->s[at] >= '0' && l->s[at] <= '9';
}

static size_t exponent_end(const lexer *l, size_t at) {
    if (at >= l->n || (l->s[at] != 'e' && l->s[at] != 'E'))
        return at;
    size_t d = at + 1;
    if (d < l->n && (l->s[d] == '+' || l->s[d] == '-'))
        d++;
    return is_digit(l, d) ? digits_end(l, d) : at;
}

/* 0x1F, 0b1, 0o7; 0 if it is none of these. */
static size_t radix_end(const lexer *l, int *base) {
    if (l->s[l->at] != '0' || l->n - l->at < 3)
        return 0;
    char x = l->s[l->at + 1] | 0x20;
    *base = x == 'x' ? 16 : x == 'o' ? 8 : x == 'b' ? 2 : 0;
    size_t at = l->at + 2;
    for (; *base && at < l->n; at++) {
        char c = l->s[at], low = c | 0x20;
        int d = c >= '0' && c <= '9' ? c - '0' : low >= 'a' && low <= 'f' ? low - 'a' + 10 : 99;
        if (c != '_' && d >= *base)
            break;
    }
    return *base && at > l->at + 2 ? at : 0;
}

static int lex_number(lexer *l) {
    int base = 10;
    size_t begin = l->at, end = radix_end(l, &base);
    bool real = false;
    if (!end) {
        base = 10;
        size_t whole = digits_end(l, begin);
        end = whole < l->n && l->s[whole] == '.' && is_digit(l, whole + 1) ? digits_end(l, whole + 1) : whole;
        size_t exp = exponent_end(l, end);
        real = (end > whole || exp > end) && (begin == 0 || l->s[begin - 1] != '.');
        end = real ? exp : whole;
        if (!real && l->s[begin] == '0' && end > begin + 1 && strspn(l->s + begin, "0_") < end - begin)
            return lex_fail(l, begin, "a decimal number must not begin with 0");
    }
    char *digits;
    size_t n = 0;
    QN_TRY(QN_JNEW(&l->p->arena, digits, end - begin + 1));
    for (size_t i = begin + (base == 10 ? 0 : 2); i < end; i++)
        if (l->s[i] != '_')
            digits[n++] = l->s[i];
    qn_jtok t = {.kind = QN_TNUMBER, .pos = (uint32_t)begin};
    int64_t v = 0;
    if (real) {
        double f = 0;
        t.v = qn_jv_float(qn_parse_f64((qn_str){digits, n}, &f) ? f : INFINITY);
    } else if (base == 10 && !qn_parse_i64((qn_str){digits, n}, &v)) {
        qn_jv big;
        QN_TRY(qn_jv_str(&l->p->arena, (qn_jstr){digits, n, NULL, false}, &big));
        big.kind = QN_JBIG;
        t.v = big;
    } else {
        for (size_t i = 0; base != 10 && i < n; i++) {
            char low = digits[i] | 0x20;
            if (QN_MUL_OVERFLOW(v, base, &v) || QN_ADD_OVERFLOW(v, low >= 'a' ? low - 'a' + 10 : digits[i] - '0', &v))
                return lex_fail(l, begin, "the number does not fit 64 bits");
        }
        t.v = qn_jv_int(v);
    }
    l->at = end;
    return tok_add(l, t);
}

/* Python's escapes: \n \t … \x41 \u0041 \U00000041 \101; an unknown one keeps its backslash. Returns the bytes used. */
static int put_escape(lexer *l, qn_jsb *b, size_t at, size_t end, size_t *used) {
    static const char letter[] = "\\'\"abfnrtv", meaning[] = "\\'\"\a\b\f\n\r\t\v";
    char c = l->s[at + 1];
    const char *p = strchr(letter, c);
    *used = 2;
    if (c == '\n')
        return 0;
    if (p)
        return qn_jsb_put(b, &meaning[p - letter], 1, false);
    uint32_t cp = 0;
    size_t want = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0, i = at + 2;
    for (; want && i < end && i < at + 2 + want; i++) {
        char low = l->s[i] | 0x20;
        if (!is_digit(l, i) && !(low >= 'a' && low <= 'f'))
            break;
        cp = cp * 16 + (uint32_t)(is_digit(l, i) ? l->s[i] - '0' : low - 'a' + 10);
    }
    if (want && i != at + 2 + want)
        return lex_fail(l, at, "the escape \\%c needs %zu hexadecimal digits", c, want);
    if (!want && c >= '0' && c <= '7')
        for (i = at + 1; i < end && i < at + 4 && l->s[i] >= '0' && l->s[i] <= '7'; i++)
            cp = cp * 8 + (uint32_t)(l->s[i] - '0');
    else if (c == 'N')
        return lex_fail(l, at, "characters by name (\\N{…}) are not supported: write \\u and the number");
    else if (!want) {
        *used = 1;
        return qn_jsb_put(b, l->s + at, 1, false);
    }
    *used = i - at;
    char out[4];
    int n = qn_utf8_encode(cp, out);
    return n ? qn_jsb_put(b, out, (size_t)n, false) : lex_fail(l, at, "\\%c%x is no character", c, cp);
}

static int lex_string(lexer *l) {
    char quote = l->s[l->at];
    size_t begin = l->at, end = begin + 1;
    bool plain = true;
    while (end < l->n && l->s[end] != quote) {
        plain = plain && l->s[end] != '\\';
        end += l->s[end] == '\\' ? 2 : 1;
    }
    if (end >= l->n)
        return lex_fail(l, begin, "this string is not closed: expected %c", quote);
    l->at = end + 1;
    if (plain)
        return tok_add(l, (qn_jtok){.kind = QN_TSTRING, .pos = (uint32_t)begin,
                                    .s = {l->s + begin + 1, end - begin - 1, NULL, false}});
    qn_jsb b;
    qn_jsb_init(&b, &l->p->arena);
    for (size_t at = begin + 1, used; at < end; at += used) {
        if (l->s[at] == '\\') {
            QN_TRY(put_escape(l, &b, at, end, &used));
        } else {
            used = 1;
            QN_TRY(qn_jsb_put(&b, l->s + at, 1, false));
        }
    }
    return tok_add(l, (qn_jtok){.kind = QN_TSTRING, .pos = (uint32_t)begin, .s = qn_jsb_done(&b)});
}

static size_t name_end(const lexer *l, size_t at) {
    while (at < l->n) {
        char c = l->s[at], low = c | 0x20;
        if (c == '_' || (low >= 'a' && low <= 'z') || is_digit(l, at)) {
            at++;
            continue;
        }
        uint32_t cp;
        int n = qn_utf8_decode(l->s + at, l->n - at, &cp);
        if (cp < 0x80 || n <= 0 || !(qn_jchar_class(cp) & QN_JWORD))
            break;
        at += (size_t)n;
    }
    return at;
}

static int lex_operator(lexer *l) {
    static const struct { const char *z; int kind; } two[] = {
        {"**", QN_TPOW}, {"//", QN_TFLOORDIV}, {"==", QN_TEQ}, {"!=", QN_TNE}, {"<=", QN_TLE}, {">=", QN_TGE},
    };
    char c = l->s[l->at];
    qn_jtok t = {.kind = c, .pos = (uint32_t)l->at, .s = {l->s + l->at, 1, NULL, false}};
    for (size_t i = 0; i < QN_LEN(two); i++)
        if (looking_at(l, l->at, two[i].z)) {
            t.kind = two[i].kind;
            t.s.n = 2;
        }
    if (t.s.n == 1 && (!c || !strchr("+-/*%~[](){}<>=.:|,;", c)))
        return lex_fail(l, l->at, "unexpected character '%.*s'", (unsigned char)c < 0x80 ? 1 : 0, &c);
    if (c == '(' || c == '[' || c == '{') {
        if (l->open == MAX_NESTING)
            return qn_jprogram_fail(l->p, t.pos, QN_ELIMIT, "more than %d brackets inside one another", MAX_NESTING);
        l->closing[l->open++] = c == '(' ? ')' : c == '[' ? ']' : '}';
    } else if (c == ')' || c == ']' || c == '}') {
        if (l->open == 0)
            return lex_fail(l, l->at, "unexpected '%c': no bracket is open", c);
        if (l->closing[--l->open] != c)
            return lex_fail(l, l->at, "unexpected '%c', expected '%c'", c, l->closing[l->open]);
    }
    l->at += t.s.n;
    return tok_add(l, t);
}

/* Tokens up to the tag's end; `at` stands behind "{{" or "{%" and the sign. */
static int lex_tag(lexer *l, char close) {
    bool block = close == '%';
    size_t begin = l->at;
    QN_TRY(tok_text(l, block ? QN_TBLOCK : QN_TPRINT, begin, begin));
    for (l->open = 0;;) {
        size_t end = l->open == 0 ? tag_end(l, l->at, close, block) : 0;
        if (end) {
            QN_TRY(tok_text(l, block ? QN_TBLOCK_END : QN_TPRINT_END, l->at, l->at));
            go_to(l, end);
            return 0;
        }
        l->at = skip_space(l, l->at);
        if (l->at >= l->n)
            return lex_fail(l, begin, "this tag is not closed: expected '%c}'", close);
        if (l->open == 0 && tag_end(l, l->at, close, block))
            continue;
        size_t name = name_end(l, l->at);
        if (is_digit(l, l->at)) {
            QN_TRY(lex_number(l));
        } else if (name > l->at) {
            QN_TRY(tok_text(l, QN_TNAME, l->at, name));
            l->at = name;
        } else if (l->s[l->at] == '\'' || l->s[l->at] == '"') {
            QN_TRY(lex_string(l));
        } else {
            QN_TRY(lex_operator(l));
        }
    }
}

static int lex_comment(lexer *l, size_t begin) {
    for (size_t at = l->at; at < l->n; at++) {
        size_t end = tag_end(l, at, '#', true);
        if (end) {
            go_to(l, end);
            return 0;
        }
    }
    return lex_fail(l, begin, "this comment is not closed: expected '#}'");
}

/* "{% raw %}" at `at` (on its "{%"): the place behind it, or 0. */
static size_t raw_tag(const lexer *l, size_t at, const char *word, bool trim, char *sign) {
    if (!looking_at(l, at, "{%"))
        return 0;
    at += 2;
    *sign = at < l->n && (l->s[at] == '-' || l->s[at] == '+') ? l->s[at++] : '\0';
    at = skip_space(l, at);
    if (!looking_at(l, at, word))
        return 0;
    at = skip_space(l, at + strlen(word));
    return tag_end(l, at, '%', trim);            /* the opening tag keeps the newline behind it */
}

static int lex_raw(lexer *l, size_t begin, size_t end) {
    char sign;
    go_to(l, end);
    for (size_t at = l->at; at < l->n; at++) {
        size_t after = raw_tag(l, at, "endraw", true, &sign);
        if (after) {
            QN_TRY(put_data(l, at, sign, false));
            go_to(l, after);
            return 0;
        }
    }
    return lex_fail(l, begin, "this raw block is not closed: expected '{%% endraw %%}'");
}

int qn_jlex(qn_jprogram *p, qn_jtok **out, size_t *n) {
    lexer l = {.p = p, .s = p->text.s, .n = p->text.n, .line_start = true};
    while (l.at < l.n) {
        size_t q = l.at;
        while (q + 1 < l.n && !(l.s[q] == '{' && (l.s[q + 1] == '{' || l.s[q + 1] == '%' || l.s[q + 1] == '#')))
            q++;
        if (q + 1 >= l.n) {
            QN_TRY(tok_text(&l, QN_TDATA, l.at, l.n));
            break;
        }
        char sign = '\0', kind = l.s[q + 1];
        size_t raw = raw_tag(&l, q, "raw", false, &sign), inside = q + 2;
        if (!raw)
            sign = inside < l.n && (l.s[inside] == '-' || l.s[inside] == '+') ? l.s[inside++] : '\0';
        QN_TRY(put_data(&l, q, sign, kind == '{'));
        if (raw) {
            QN_TRY(lex_raw(&l, q, raw));
            continue;
        }
        l.at = inside;
        QN_TRY(kind == '#' ? lex_comment(&l, q) : lex_tag(&l, kind == '{' ? '}' : '%'));
    }
    QN_TRY(tok_text(&l, QN_TEOF, l.n, l.n));
    *out = l.tok;
    *n = l.n_tok;
    return 0;
}
