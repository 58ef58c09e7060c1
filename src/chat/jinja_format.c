/* chat/jinja_format.c — Python's two ways to fill in a text: '%s and %d' % (a, b), and '{} and {b:>8}'.format(a, b=1).
 *
 *   %[(key)][flags][width][.precision]type      flags - + 0 # and blank; types s r d i u f F e E g G x X o c %
 *   {[field][!s|!r][:spec]}                     spec [[fill]<>=^][sign][#][0][width][,][.precision][type]
 */
#include "chat/jinja_run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_WIDTH 10000

typedef struct { char align, sign, type; bool alt, comma; int64_t width, precision; uint32_t fill_char; } spec;

/* Text and its padding to the width; `sign` bytes at its head stay in front of zeros. */
static int put_padded(qn_jsb *b, const spec *f, const qn_jstr *text, size_t sign, char align) {
    int64_t pad = f->width - qn_jstr_length(text);
    int64_t left = pad <= 0 ? 0 : align == '>' || align == '=' ? pad : align == '^' ? pad / 2 : 0;
    qn_jstr head = qn_jstr_cut(text, 0, sign), rest = qn_jstr_cut(text, sign, text->n);
    bool data = text->data;
    if (align == '=')
        QN_TRY(qn_jsb_str(b, &head));
    for (int64_t i = 0; i < left; i++)
        QN_TRY(qn_jsb_char(b, f->fill_char, data));
    if (align != '=')
        QN_TRY(qn_jsb_str(b, &head));
    QN_TRY(qn_jsb_str(b, &rest));
    for (int64_t i = left; i < pad; i++)
        QN_TRY(qn_jsb_char(b, f->fill_char, data));
    return 0;
}

static int put_str(qn_jsb *b, const spec *f, qn_jstr text, char align) {
    if (f->precision >= 0)
        text = qn_jstr_cut(&text, 0, qn_jstr_offset(&text, f->precision));
    return put_padded(b, f, &text, 0, f->align ? f->align : align);
}

/* 1234567 → 1,234,567 in place; out has room. */
static void put_commas(char *digits, size_t n, size_t whole) {
    size_t commas = whole ? (whole - 1) / 3 : 0;
    memmove(digits + whole + commas, digits + whole, n - whole + 1);
    for (size_t i = whole, o = whole + commas, k = 0; i-- > 0; k++) {
        if (k && k % 3 == 0)
            digits[--o] = ',';
        digits[--o] = digits[i];
    }
}

static void int_digits(char *out, size_t room, uint64_t v, char type) {
    if (type == 'b') {
        int bits = 1;
        while (bits < 64 && v >> bits)
            bits++;
        for (int i = 0; i < bits; i++)
            out[i] = (char)('0' + (v >> (bits - 1 - i) & 1));
        out[bits] = '\0';
    } else {
        snprintf(out, room, type == 'x' ? "%llx" : type == 'X' ? "%llX" : type == 'o' ? "%llo" : "%llu",
                 (unsigned long long)v);
    }
}

static void float_digits(char *out, size_t room, double v, const spec *f) {
    int precision = f->precision < 0 ? 6 : (int)f->precision;
    char t = f->type == '%' ? 'f' : f->type;
    double x = f->type == '%' ? v * 100 : v;
    char fmt[8] = {'%', '.', '*', t, '\0'};
    if (!t && f->precision < 0)
        qn_jfloat_repr(out, v);
    else
        snprintf(out, room, t ? fmt : "%.*g", precision, x);        /* NOLINT: fmt is one of ours */
    if (!t && f->precision >= 0 && !strpbrk(out, ".en"))
        strcat(out, ".0");
    if (f->type == '%')
        strcat(out, "%");
}

static int put_number(qn_jrun *r, qn_jsb *b, const spec *f, qn_jv v) {
    char text[700] = "", *digits = text + 4;                        /* 1.8e308 with a precision of 100, and commas */
    int64_t i = 0;
    bool whole = qn_jv_integral(v, &i);
    bool real = f->type && strchr("fFeEgG%", f->type);
    double d = whole ? (double)i : qn_jv_double(v);
    if (f->precision > 100)
        return qn_jrun_fail(r, "a precision above 100 in a format");
    bool negative = whole && !real ? i < 0 : d < 0;
    if (whole && !real)
        int_digits(digits, sizeof text - 8, i < 0 ? 0 - (uint64_t)i : (uint64_t)i, f->type);
    else
        float_digits(digits, sizeof text - 220, negative ? -d : d, f);
    if (f->comma)
        put_commas(digits, strlen(digits), strspn(digits, "0123456789"));
    size_t head = 0;
    char *start = digits;
    if (f->alt && f->type && strchr("xXob", f->type)) {
        *--start = f->type;
        *--start = '0';
        head = 2;
    }
    if (negative || f->sign == '+' || f->sign == ' ') {
        *--start = negative ? '-' : f->sign;
        head++;
    }
    qn_jstr s = {start, strlen(start), NULL, v.data};
    return put_padded(b, f, &s, head, f->align ? f->align : '>');
}

/* ---- % ------------------------------------------------------------------------------------------------------- */

typedef struct { qn_jrun *r; qn_jv arg; size_t next; bool mapping; } percent;

static int percent_take(percent *p, qn_jv *out) {
    bool tuple = p->arg.kind == QN_JTUPLE;
    if (p->next >= (tuple ? p->arg.u.list->n : 1))
        return qn_jrun_fail(p->r, "%%: not enough values for the format");
    *out = tuple ? p->arg.u.list->v[p->next] : p->arg;
    p->next++;
    return 0;
}

static int64_t number_at(const qn_jstr *s, size_t *at) {
    int64_t n = 0;
    for (; *at < s->n && s->s[*at] >= '0' && s->s[*at] <= '9'; (*at)++)
        n = QN_MIN(n * 10 + (s->s[*at] - '0'), MAX_WIDTH + 1);
    return n;
}

/* Flags, width, precision, type; `at` stands behind '%' and the key. */
static int percent_spec(percent *p, const qn_jstr *s, size_t *at, spec *f) {
    qn_jv v;
    *f = (spec){.precision = -1, .fill_char = ' '};
    for (; *at < s->n && strchr("-+ 0#", s->s[*at]) && s->s[*at]; (*at)++) {
        char c = s->s[*at];
        f->align = c == '-' ? '<' : c == '0' && f->align != '<' ? '=' : f->align;
        f->sign = c == '+' || (c == ' ' && f->sign != '+') ? c : f->sign;
        f->alt = f->alt || c == '#';
    }
    f->fill_char = f->align == '=' ? '0' : ' ';
    for (int part = 0; part < 2; part++) {
        int64_t n = 0;
        if (part && !(*at < s->n && s->s[*at] == '.' && ++*at))
            break;
        if (*at < s->n && s->s[*at] == '*') {
            QN_TRY(percent_take(p, &v));
            if (!qn_jv_integral(v, &n))
                return qn_jrun_fail(p->r, "%%: '*' wants an integer");
            ++*at;
        } else {
            n = number_at(s, at);
        }
        *(part ? &f->precision : &f->width) = n;
    }
    if (f->width > MAX_WIDTH || f->precision > MAX_WIDTH)
        return qn_jrun_fail(p->r, "%%: a width above %d", MAX_WIDTH);
    while (*at < s->n && s->s[*at] && strchr("hlL", s->s[*at]))
        ++*at;
    if (*at >= s->n)
        return qn_jrun_fail(p->r, "%%: the format ends too early");
    f->type = s->s[(*at)++];
    return 0;
}

static int percent_value(percent *p, qn_jsb *b, spec *f, qn_jv v) {
    qn_jsb t;
    qn_jsb_init(&t, b->a);
    if (f->type == 's' || f->type == 'r' || f->type == 'a') {
        QN_TRY(f->type == 's' ? qn_jv_print(&t, v, 0) : qn_jv_repr(&t, v, 0));
        f->align = f->align == '=' ? '>' : f->align;
        f->fill_char = ' ';
        return put_str(b, f, qn_jsb_done(&t), '>');
    }
    if (f->type == 'c') {
        int64_t c;
        if (v.kind == QN_JSTR && qn_jstr_length(v.u.s) == 1)
            return put_str(b, f, *v.u.s, '>');
        if (!qn_jv_integral(v, &c) || c < 0 || c > 0x10FFFF || (c >= 0xD800 && c < 0xE000))
            return qn_jrun_fail(p->r, "%%c wants a character or its number");
        QN_TRY(qn_jsb_char(&t, (uint32_t)c, v.data));
        return put_str(b, f, qn_jsb_done(&t), '>');
    }
    if (!strchr("diufFeEgGxXo", f->type))
        return qn_jrun_fail(p->r, "%%: the format '%%%c' is not known", f->type);
    if (!qn_jv_number(v) || v.kind == QN_JBIG)
        return qn_jrun_fail(p->r, "%%%c wants a number, not %s", f->type, qn_jv_type(v));
    if (strchr("diuxXo", f->type) && v.kind == QN_JFLOAT) {
        if (strchr("xXo", f->type) || !(v.u.f > -9e18 && v.u.f < 9e18))
            return qn_jrun_fail(p->r, "%%%c wants an integer", f->type);
        v = (qn_jv){.kind = QN_JINT, .data = v.data, .u.i = (int64_t)v.u.f};
    }
    f->type = strchr("diu", f->type) ? 'd' : f->type;
    if (f->type == 'd' && f->precision > 0) {                       /* at least so many digits */
        f->width = QN_MAX(f->width, f->precision);
        f->align = '=';
        f->fill_char = '0';
    }
    f->precision = f->type == 'd' ? -1 : f->precision;
    return put_number(p->r, b, f, v);
}

static int percent_key(percent *p, const qn_jstr *s, size_t *at, qn_jv *out) {
    qn_jstr close = QN_JLIT(")");
    int64_t end = qn_jstr_find(s, &close, *at, s->n);
    if (!p->mapping || end < 0)
        return qn_jrun_fail(p->r, "%%: '%%(' wants a dict on the right and a ')'");
    qn_jstr key = qn_jstr_cut(s, *at + 1, (size_t)end);
    const qn_jv *v = qn_jdict_find(p->arg.u.dict, qn_jstr_view(&key));
    if (!v)
        return qn_jrun_fail(p->r, "%%: no key '%.*s'", QN_STR_ARG(qn_jstr_view(&key)));
    *at = (size_t)end + 1;
    *out = *v;
    return 0;
}

int qn_jformat_percent(qn_jrun *r, const qn_jstr *s, qn_jv arg, qn_jv *out) {
    percent p = {.r = r, .arg = arg, .mapping = arg.kind == QN_JDICT};
    qn_jsb b;
    qn_jsb_init(&b, &r->arena);
    for (size_t at = 0; at < s->n;) {
        if (s->s[at] != '%') {
            QN_TRY(qn_jsb_put(&b, s->s + at, 1, qn_jstr_mark(s, at)));
            at++;
            continue;
        }
        spec f;
        qn_jv v = {.kind = QN_JMISSING};
        bool mark = qn_jstr_mark(s, at);
        if (++at < s->n && s->s[at] == '(')
            QN_TRY(percent_key(&p, s, &at, &v));
        QN_TRY(percent_spec(&p, s, &at, &f));
        if (f.type == '%') {
            QN_TRY(qn_jsb_put(&b, "%", 1, mark));
            continue;
        }
        if (v.kind == QN_JMISSING)
            QN_TRY(percent_take(&p, &v));
        QN_TRY(percent_value(&p, &b, &f, v));
    }
    size_t have = arg.kind == QN_JTUPLE ? arg.u.list->n : 1;
    bool lenient = arg.kind == QN_JDICT || arg.kind == QN_JLIST || arg.kind == QN_JUNDEFINED || arg.kind == QN_JRANGE;
    if (p.next < have && !lenient)
        return qn_jrun_fail(r, "%%: more values than the format takes");
    return qn_jtext_value(r, &b, out);
}

/* ---- str.format ---------------------------------------------------------------------------------------------- */

typedef struct { qn_jrun *r; const qn_jargs *a; int64_t next; } braces;

/* field: [name or number](.attr | [key])* */
static int brace_field(braces *p, const qn_jstr *field, qn_jv *out) {
    size_t at = 0;
    while (at < field->n && field->s[at] != '.' && field->s[at] != '[')
        at++;
    qn_jstr first = qn_jstr_cut(field, 0, at);
    int64_t index = -1;
    if (first.n == 0)
        index = p->next++;
    else if (!qn_parse_i64(qn_jstr_view(&first), &index))
        index = -1;
    bool found = index >= 0 && (size_t)index < p->a->n;
    if (found)
        *out = p->a->v[index];
    for (size_t k = 0; index < 0 && k < p->a->kws && !found; k++) {
        found = qn_jstr_same(p->a->kw[k].name, &first);
        *out = p->a->kw[k].v;
    }
    if (!found)
        return qn_jrun_fail(p->r, "format: no value for '{%.*s}'", QN_STR_ARG(qn_jstr_view(field)));
    while (at < field->n) {
        bool dot = field->s[at++] == '.';
        size_t end = at;
        while (end < field->n && (dot ? field->s[end] != '.' && field->s[end] != '[' : field->s[end] != ']'))
            end++;
        qn_jstr name = qn_jstr_cut(field, at, end);
        qn_jv key;
        QN_TRY(qn_jv_str(&p->r->arena, name, &key));
        if (!dot && qn_parse_i64(qn_jstr_view(&name), &index))
            key = qn_jv_int(index);
        QN_TRY(dot ? qn_jattr(p->r, *out, key.u.s, out) : qn_jitem(p->r, *out, key, out));
        at = dot ? end : end + 1;
    }
    return 0;
}

static int brace_spec(braces *p, const qn_jstr *s, spec *f) {
    size_t at = 0;
    uint32_t c;
    *f = (spec){.precision = -1, .fill_char = ' '};
    size_t first = s->n ? qn_jstr_char(s, 0, &c) : 0;
    if (first && first < s->n && strchr("<>=^", s->s[first])) {
        f->fill_char = c;
        f->align = s->s[first];
        at = first + 1;
    } else if (s->n && strchr("<>=^", s->s[0])) {
        f->align = s->s[at++];
    }
    if (at < s->n && strchr("+- ", s->s[at]))
        f->sign = s->s[at++];
    if (at < s->n && s->s[at] == '#') {
        f->alt = true;
        at++;
    }
    if (at < s->n && s->s[at] == '0') {
        f->align = f->align ? f->align : '=';
        f->fill_char = '0';
        at++;
    }
    f->width = number_at(s, &at);
    if (at < s->n && s->s[at] == ',') {
        f->comma = true;
        at++;
    }
    if (at < s->n && s->s[at] == '.') {
        at++;
        f->precision = number_at(s, &at);
    }
    if (at < s->n)
        f->type = s->s[at++];
    bool known = !f->type || strchr("sdfFeEgGxXobn%", f->type);
    if (at != s->n || f->width > MAX_WIDTH || f->precision > MAX_WIDTH || !known)
        return qn_jrun_fail(p->r, "format: '%.*s' is no format", QN_STR_ARG(qn_jstr_view(s)));
    return 0;
}

static int brace_put(braces *p, qn_jsb *b, const qn_jstr *inside) {
    qn_jstr colon = QN_JLIT(":"), field, how = QN_JLIT("");
    int64_t cut = qn_jstr_find(inside, &colon, 0, inside->n);
    field = cut < 0 ? *inside : qn_jstr_cut(inside, 0, (size_t)cut);
    if (cut >= 0)
        how = qn_jstr_cut(inside, (size_t)cut + 1, inside->n);
    char conversion = '\0';
    if (field.n >= 2 && field.s[field.n - 2] == '!') {
        conversion = field.s[field.n - 1];
        field.n -= 2;
    }
    spec f;
    qn_jv v;
    qn_jsb t;
    QN_TRY(brace_field(p, &field, &v));
    QN_TRY(brace_spec(p, &how, &f));
    qn_jsb_init(&t, b->a);
    bool number = qn_jv_number(v) && v.kind != QN_JBIG && !conversion;
    if (number && (v.kind != QN_JBOOL || how.n) && f.type != 's') {
        f.type = f.type == 'd' || f.type == 'n' ? 'd' : f.type;
        return put_number(p->r, b, &f, v);
    }
    if (f.type && f.type != 's')
        return qn_jrun_fail(p->r, "format: '%c' does not fit a value of type %s", f.type, qn_jv_type(v));
    QN_TRY(conversion == 'r' ? qn_jv_repr(&t, v, 0) : qn_jv_print(&t, v, 0));
    return put_str(b, &f, qn_jsb_done(&t), '<');
}

int qn_jformat_braces(qn_jrun *r, const qn_jstr *s, const qn_jargs *a, qn_jv *out) {
    braces p = {r, a, 0};
    qn_jsb b;
    qn_jsb_init(&b, &r->arena);
    for (size_t at = 0; at < s->n; at++) {
        char c = s->s[at];
        bool twice = at + 1 < s->n && s->s[at + 1] == c;
        if ((c != '{' && c != '}') || twice) {
            QN_TRY(qn_jsb_put(&b, &c, 1, qn_jstr_mark(s, at)));
            at += (c == '{' || c == '}') && twice;
            continue;
        }
        qn_jstr close = QN_JLIT("}");
        int64_t end = c == '{' ? qn_jstr_find(s, &close, at, s->n) : -1;
        if (end < 0)
            return qn_jrun_fail(r, "format: a single '%c' in the text", c);
        qn_jstr inside = qn_jstr_cut(s, at + 1, (size_t)end);
        QN_TRY(brace_put(&p, &b, &inside));
        at = (size_t)end;
    }
    return qn_jtext_value(r, &b, out);
}
