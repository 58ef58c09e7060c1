/* chat/jinja_str_methods.c — the methods of str: 'a-b'.split('-'), .strip(), .replace() … */
#include "chat/jinja_run.h"

#include <string.h>

static int give(qn_jrun *r, qn_jv self, qn_jstr s, qn_jv *out) {
    QN_TRY(qn_jv_str(&r->arena, s, out));
    out->markup = self.markup;
    return 0;
}

static int add_part(qn_jrun *r, qn_jlist *l, qn_jstr s) {
    qn_jv v;
    QN_TRY(qn_jv_str(&r->arena, s, &v));
    return qn_jlist_add(&r->arena, l, v);
}

/* ---- letters ------------------------------------------------------------------------------------------------- */

static int recase(qn_jrun *r, qn_jv self, qn_jcase how, qn_jv *out) {
    qn_jsb b;
    qn_jsb_init(&b, &r->arena);
    QN_TRY(qn_jstr_case(&b, self.u.s, how));
    QN_TRY(qn_jtext_value(r, &b, out));
    out->markup = self.markup;
    return 0;
}

#define CASE(name, how)                                                                           \
    static int m_##name(qn_jrun *r, qn_jv self, const qn_jargs *a, qn_jv *out) {                  \
        (void)a;                                                                                  \
        return recase(r, self, how, out);                                                         \
    }
CASE(upper, QN_JUPPER)
CASE(lower, QN_JLOWER)
CASE(title, QN_JTITLE)
CASE(capitalize, QN_JCAPITAL)
CASE(swapcase, QN_JSWAP)
CASE(casefold, QN_JFOLD)

/* Every character is of one of these classes, and there is one. */
static bool all_of(const qn_jstr *s, unsigned classes) {
    uint32_t c;
    for (size_t at = 0; at < s->n;) {
        at += qn_jstr_char(s, at, &c);
        if (!(qn_jchar_class(c) & classes))
            return false;
    }
    return s->n > 0;
}

static bool all_space(const qn_jstr *s) {
    return s->n > 0 && qn_jstr_strip(s, NULL, QN_JLEFT).n == 0;
}

static bool cased(const qn_jstr *s, unsigned want, unsigned other) {
    bool any = false;
    uint32_t c;
    for (size_t at = 0; at < s->n;) {
        at += qn_jstr_char(s, at, &c);
        unsigned k = qn_jchar_class(c);
        if (k & other)
            return false;
        any = any || (k & want);
    }
    return any;
}

static bool ascii(const qn_jstr *s) {
    for (size_t i = 0; i < s->n; i++)
        if ((unsigned char)s->s[i] >= 0x80)
            return false;
    return true;
}

#define IS(name, condition)                                                                       \
    static int m_##name(qn_jrun *r, qn_jv self, const qn_jargs *a, qn_jv *out) {                  \
        const qn_jstr *s = self.u.s;                                                              \
        (void)a;                                                                                  \
        *out = qn_jv_bool(condition);                                                             \
        return qn_jrun_charge(r, s->n);                                                           \
    }
IS(isalpha, all_of(s, QN_JALPHA))
IS(isalnum, all_of(s, QN_JALPHA | QN_JDECIMAL | QN_JDIGIT | QN_JNUMERIC))
IS(isdecimal, all_of(s, QN_JDECIMAL))
IS(isdigit, all_of(s, QN_JDIGIT))
IS(isnumeric, all_of(s, QN_JNUMERIC))
IS(isprintable, s->n == 0 || all_of(s, QN_JPRINT))
IS(isspace, all_space(s))
IS(islower, cased(s, QN_JIS_LOWER, QN_JIS_UPPER))
IS(isupper, cased(s, QN_JIS_UPPER, QN_JIS_LOWER))
IS(isascii, ascii(s))
IS(isidentifier, all_of(s, QN_JWORD) && !(s->s[0] >= '0' && s->s[0] <= '9'))

/* ---- ends ---------------------------------------------------------------------------------------------------- */

static int strip(qn_jrun *r, qn_jv self, const qn_jargs *a, int sides, qn_jv *out) {
    qn_jstr chars;
    bool given = qn_jarg_given(a, 0) && a->v[0].kind != QN_JNONE;
    if (given)
        QN_TRY(qn_jarg_str(r, a, 0, &chars));
    QN_TRY(qn_jrun_charge(r, given ? self.u.s->n : 0));
    return give(r, self, qn_jstr_strip(self.u.s, given ? &chars : NULL, sides), out);
}

static int m_strip(qn_jrun *r, qn_jv self, const qn_jargs *a, qn_jv *out) {
    return strip(r, self, a, QN_JLEFT | QN_JRIGHT, out);
}

static int m_lstrip(qn_jrun *r, qn_jv self, const qn_jargs *a, qn_jv *out) {
    return strip(r, self, a, QN_JLEFT, out);
}

static int m_rstrip(qn_jrun *r, qn_jv self, const qn_jargs *a, qn_jv *out) {
    return strip(r, self, a, QN_JRIGHT, out);
}

static bool at_end(const qn_jstr *s, const qn_jstr *part, bool end) {
    return part->n <= s->n && memcmp(s->s + (end ? s->n - part->n : 0), part->s, part->n) == 0;
}

/* Byte offset of a Python index: negative counts from the end; cut to the text. */
static int offset_of(qn_jrun *r, const qn_jargs *a, size_t i, const qn_jstr *s, int64_t absent, size_t *out) {
    int64_t at, n = qn_jstr_length(s);
    bool none = !qn_jarg_given(a, i) || a->v[i].kind == QN_JNONE;
    at = absent;
    if (!none)
        QN_TRY(qn_jarg_int(r, a, i, absent, &at));
    at = at < 0 ? QN_MAX(at + n, 0) : at;
    *out = at > n ? s->n + 1 : qn_jstr_offset(s, at);
    return 0;
}

/* The part [start:end] that startswith, find, count … look at; false if it starts behind the end. */
static int window(qn_jrun *r, const qn_jargs *a, const qn_jstr *s, size_t *from, size_t *to, bool *inside) {
    QN_TRY(qn_jrun_charge(r, s->n));
    QN_TRY(offset_of(r, a, 1, s, 0, from));
    QN_TRY(offset_of(r, a, 2, s, INT64_MAX, to));
    *inside = *from <= s->n;
    *to = QN_MIN(*to, s->n);
    *inside = *inside && *from <= *to;
    return 0;
}

static int with_end(qn_jrun *r, qn_jv self, const qn_jargs *a, bool end, qn_jv *out) {
    size_t from, to;
    bool inside, hit = false;
    qn_jstr part;
    QN_TRY(window(r, a, self.u.s, &from, &to, &inside));
    qn_jstr s = inside ? qn_jstr_cut(self.u.s, from, to) : QN_JLIT("");
    if (a->v[0].kind == QN_JTUPLE) {
        const qn_jlist *l = a->v[0].u.list;
        for (size_t i = 0; i < l->n; i++) {
            if (l->v[i].kind != QN_JSTR)
                return qn_jrun_fail(r, "expected strings in the tuple, found %s", qn_jv_type(l->v[i]));
            hit = hit || (inside && at_end(&s, l->v[i].u.s, end));
        }
    } else {
        QN_TRY(qn_jarg_str(r, a, 0, &part));
        hit = inside && at_end(&s, &part, end);
    }
    *out = qn_jv_bool(hit);
    return 0;
}

static int m_startswith(qn_jrun *r, qn_jv self, const qn_jargs *a, qn_jv *out) {
    return with_end(r, self, a, false, out);
}

static int m_endswith(qn_jrun *r, qn_jv self, const qn_jargs *a, qn_jv *out) {
    return with_end(r, self, a, true, out);
}

static int m_removeprefix(qn_jrun *r, qn_jv self, const qn_jargs *a, qn_jv *out) {
    qn_jstr part;
    QN_TRY(qn_jarg_str(r, a, 0, &part));
    size_t cut = at_end(self.u.s, &part, false) ? part.n : 0;
    return give(r, self, qn_jstr_cut(self.u.s, cut, self.u.s->n), out);
}

static int m_removesuffix(qn_jrun *r, qn_jv self, const qn_jargs *a, qn_jv *out) {
    qn_jstr part;
    QN_TRY(qn_jarg_str(r, a, 0, &part));
    size_t cut = at_end(self.u.s, &part, true) ? part.n : 0;
    return give(r, self, qn_jstr_cut(self.u.s, 0, self.u.s->n - cut), out);
}

/* ---- searching ----------------------------------------------------------------------------------------------- */

static int search(qn_jrun *r, qn_jv self, const qn_jargs *a, bool last, bool must, qn_jv *out) {
    size_t from, to;
    bool inside;
    qn_jstr what;
    QN_TRY(qn_jarg_str(r, a, 0, &what));
    QN_TRY(window(r, a, self.u.s, &from, &to, &inside));
    int64_t at = -1;
    if (inside)
        at = last ? qn_jstr_rfind(self.u.s, &what, from, to) : qn_jstr_find(self.u.s, &what, from, to);
    if (at < 0 && must)
        return qn_jrun_fail(r, "index: the text does not occur");
    if (at > 0) {
        qn_jstr head = qn_jstr_cut(self.u.s, 0, (size_t)at);
        at = qn_jstr_length(&head);
    }
    *out = qn_jv_int(at);
    return 0;
}

static int m_find(qn_jrun *r, qn_jv self, const qn_jargs *a, qn_jv *out) {
    return search(r, self, a, false, false, out);
}

static int m_rfind(qn_jrun *r, qn_jv self, const qn_jargs *a, qn_jv *out) {
    return search(r, self, a, true, false, out);
}

static int m_index(qn_jrun *r, qn_jv self, const qn_jargs *a, qn_jv *out) {
    return search(r, self, a, false, true, out);
}

static int m_rindex(qn_jrun *r, qn_jv self, const qn_jargs *a, qn_jv *out) {
    return search(r, self, a, true, true, out);
}

static int m_count(qn_jrun *r, qn_jv self, const qn_jargs *a, qn_jv *out) {
    size_t from, to;
    bool inside;
    qn_jstr what;
    int64_t n = 0, at;
    QN_TRY(qn_jarg_str(r, a, 0, &what));
    QN_TRY(window(r, a, self.u.s, &from, &to, &inside));
    if (inside && what.n == 0) {
        qn_jstr part = qn_jstr_cut(self.u.s, from, to);
        n = qn_jstr_length(&part) + 1;
    }
    while (inside && what.n && (at = qn_jstr_find(self.u.s, &what, from, to)) >= 0) {
        n++;
        from = (size_t)at + what.n;
    }
    *out = qn_jv_int(n);
    return 0;
}

/* ---- replacing and joining ----------------------------------------------------------------------------------- */

/* An empty `old` stands before every character and at the end. */
static int m_replace(qn_jrun *r, qn_jv self, const qn_jargs *a, qn_jv *out) {
    const qn_jstr *s = self.u.s;
    qn_jstr old, new;
    int64_t count;
    size_t at = 0;
    qn_jsb b;
    QN_TRY(qn_jarg_str(r, a, 0, &old));
    QN_TRY(qn_jarg_str(r, a, 1, &new));
    QN_TRY(qn_jarg_int(r, a, 2, -1, &count));
    QN_TRY(qn_jrun_charge(r, s->n));
    qn_jsb_init(&b, &r->arena);
    while (count != 0) {
        int64_t hit = qn_jstr_find(s, &old, at, s->n);
        uint32_t c;
        if (hit < 0)
            break;
        size_t after = (size_t)hit + old.n;
        qn_jstr before = qn_jstr_cut(s, at, (size_t)hit);
        QN_TRY(qn_jsb_str(&b, &before));
        QN_TRY(qn_jsb_str(&b, &new));
        at = after;
        count -= count > 0;
        if (old.n == 0) {
            if (at == s->n)
                break;
            qn_jstr one = qn_jstr_cut(s, at, at + qn_jstr_char(s, at, &c));
            QN_TRY(qn_jsb_str(&b, &one));
            at += one.n;
        }
    }
    qn_jstr rest = qn_jstr_cut(s, at, s->n);
    QN_TRY(qn_jsb_str(&b, &rest));
    QN_TRY(qn_jtext_value(r, &b, out));
    out->markup = self.markup;
    return 0;
}

static int m_join(qn_jrun *r, qn_jv self, const qn_jargs *a, qn_jv *out) {
    qn_jlist *l;
    qn_jsb b;
    QN_TRY(qn_jitems(r, a->v[0], &l));
    qn_jsb_init(&b, &r->arena);
    for (size_t i = 0; i < l->n; i++) {
        if (l->v[i].kind != QN_JSTR)
            return qn_jrun_fail(r, "join: item %zu is %s, not a string: use the filter |join", i, qn_jv_type(l->v[i]));
        if (i)
            QN_TRY(qn_jsb_str(&b, self.u.s));
        QN_TRY(qn_jsb_str(&b, l->v[i].u.s));
    }
    return qn_jtext_value(r, &b, out);
}

static int m_format(qn_jrun *r, qn_jv self, const qn_jargs *a, qn_jv *out) {
    return qn_jformat_braces(r, self.u.s, a, out);
}

/* ---- padding ------------------------------------------------------------------------------------------------- */

static int pad(qn_jrun *r, qn_jv self, const qn_jargs *a, int where, qn_jv *out) {
    qn_jstr fill = QN_JLIT(" ");
    const qn_jstr *s = self.u.s;
    int64_t width;
    qn_jsb b;
    QN_TRY(qn_jarg_int(r, a, 0, 0, &width));
    if (qn_jarg_given(a, 1))
        QN_TRY(qn_jarg_str(r, a, 1, &fill));
    if (qn_jstr_length(&fill) != 1)
        return qn_jrun_fail(r, "the fill must be one character");
    int64_t more = width - QN_MIN(width, qn_jstr_length(s));
    int64_t left = where == QN_JLEFT ? 0 : where == QN_JRIGHT ? more : more / 2 + (more & width & 1);
    QN_TRY(qn_jrun_charge(r, more > 0 ? (size_t)more * 16 : 0));
    qn_jsb_init(&b, &r->arena);
    for (int64_t i = 0; i < left; i++)
        QN_TRY(qn_jsb_str(&b, &fill));
    QN_TRY(qn_jsb_str(&b, s));
    for (int64_t i = left; i < more; i++)
        QN_TRY(qn_jsb_str(&b, &fill));
    return qn_jtext_value(r, &b, out);
}

static int m_ljust(qn_jrun *r, qn_jv self, const qn_jargs *a, qn_jv *out) { return pad(r, self, a, QN_JLEFT, out); }
static int m_rjust(qn_jrun *r, qn_jv self, const qn_jargs *a, qn_jv *out) { return pad(r, self, a, QN_JRIGHT, out); }

static int m_center(qn_jrun *r, qn_jv self, const qn_jargs *a, qn_jv *out) {
    return pad(r, self, a, QN_JLEFT | QN_JRIGHT, out);
}

static int m_zfill(qn_jrun *r, qn_jv self, const qn_jargs *a, qn_jv *out) {
    const qn_jstr *s = self.u.s;
    int64_t width;
    qn_jsb b;
    size_t sign = s->n && (s->s[0] == '-' || s->s[0] == '+');
    QN_TRY(qn_jarg_int(r, a, 0, 0, &width));
    qn_jstr head = qn_jstr_cut(s, 0, sign), rest = qn_jstr_cut(s, sign, s->n);
    int64_t more = width - QN_MIN(width, qn_jstr_length(s));
    QN_TRY(qn_jrun_charge(r, (size_t)QN_MAX(more, 0) * 16));
    qn_jsb_init(&b, &r->arena);
    QN_TRY(qn_jsb_str(&b, &head));
    QN_TRY(qn_jsb_fill(&b, '0', more, s->data));
    QN_TRY(qn_jsb_str(&b, &rest));
    return qn_jtext_value(r, &b, out);
}

static int m_expandtabs(qn_jrun *r, qn_jv self, const qn_jargs *a, qn_jv *out) {
    const qn_jstr *s = self.u.s;
    int64_t size, column = 0;
    uint32_t c;
    qn_jsb b;
    QN_TRY(qn_jarg_int(r, a, 0, 8, &size));
    qn_jsb_init(&b, &r->arena);
    for (size_t at = 0, n; at < s->n; at += n) {
        n = qn_jstr_char(s, at, &c);
        if (c == '\t') {
            int64_t more = size > 0 ? size - column % size : 0;
            QN_TRY(qn_jrun_charge(r, (size_t)more));
            QN_TRY(qn_jsb_fill(&b, ' ', more, qn_jstr_mark(s, at)));
            column += more;
        } else {
            QN_TRY(qn_jsb_put(&b, s->s + at, n, qn_jstr_mark(s, at)));
            column = c == '\n' || c == '\r' ? 0 : column + 1;
        }
    }
    return qn_jtext_value(r, &b, out);
}

/* ---- cutting ------------------------------------------------------------------------------------------------- */

/* At runs of white space; what is left after `max` cuts stays whole. */
static int split_space(qn_jrun *r, const qn_jstr *s, int64_t max, qn_jlist *l) {
    qn_jstr rest = qn_jstr_strip(s, NULL, QN_JLEFT);
    uint32_t c;
    while (rest.n) {
        size_t end = 0;
        while (end < rest.n) {
            size_t n = qn_jstr_char(&rest, end, &c);
            if (qn_jchar_space(c))
                break;
            end += n;
        }
        if (max-- == 0)
            return add_part(r, l, rest);
        QN_TRY(add_part(r, l, qn_jstr_cut(&rest, 0, end)));
        rest = qn_jstr_cut(&rest, end, rest.n);
        rest = qn_jstr_strip(&rest, NULL, QN_JLEFT);
    }
    return 0;
}

static int rsplit_space(qn_jrun *r, const qn_jstr *s, int64_t max, qn_jlist *l) {
    qn_jstr rest = qn_jstr_strip(s, NULL, QN_JRIGHT);
    uint32_t c;
    while (rest.n) {
        size_t begin = rest.n;
        if (max-- == 0)
            return add_part(r, l, rest);
        while (begin > 0) {
            size_t at = begin - 1;
            while (((unsigned char)rest.s[at] & 0xC0) == 0x80)
                at--;
            qn_jstr_char(&rest, at, &c);
            if (qn_jchar_space(c))
                break;
            begin = at;
        }
        QN_TRY(add_part(r, l, qn_jstr_cut(&rest, begin, rest.n)));
        rest = qn_jstr_cut(&rest, 0, begin);
        rest = qn_jstr_strip(&rest, NULL, QN_JRIGHT);
    }
    return 0;
}

static int split_at(qn_jrun *r, const qn_jstr *s, const qn_jstr *sep, int64_t max, qn_jlist *l) {
    size_t at = 0;
    for (int64_t hit; max != 0 && (hit = qn_jstr_find(s, sep, at, s->n)) >= 0; max -= max > 0) {
        QN_TRY(add_part(r, l, qn_jstr_cut(s, at, (size_t)hit)));
        at = (size_t)hit + sep->n;
    }
    return add_part(r, l, qn_jstr_cut(s, at, s->n));
}

static int rsplit_at(qn_jrun *r, const qn_jstr *s, const qn_jstr *sep, int64_t max, qn_jlist *l) {
    size_t end = s->n;
    for (int64_t hit; max != 0 && (hit = qn_jstr_rfind(s, sep, 0, end)) >= 0; max -= max > 0) {
        QN_TRY(add_part(r, l, qn_jstr_cut(s, (size_t)hit + sep->n, end)));
        end = (size_t)hit;
    }
    return add_part(r, l, qn_jstr_cut(s, 0, end));
}

static int split(qn_jrun *r, qn_jv self, const qn_jargs *a, bool from_right, qn_jv *out) {
    const qn_jstr *s = self.u.s;
    qn_jstr sep;
    int64_t max;
    QN_TRY(qn_jarg_int(r, a, 1, -1, &max));
    QN_TRY(qn_jrun_charge(r, s->n * 4));
    QN_TRY(qn_jv_list(&r->arena, QN_JLIST, 0, out));
    qn_jlist *l = out->u.list;
    bool space = !qn_jarg_given(a, 0) || a->v[0].kind == QN_JNONE;
    if (!space)
        QN_TRY(qn_jarg_str(r, a, 0, &sep));
    if (!space && sep.n == 0)
        return qn_jrun_fail(r, "split: the separator must not be empty");
    if (space)
        QN_TRY(from_right ? rsplit_space(r, s, max, l) : split_space(r, s, max, l));
    else
        QN_TRY(from_right ? rsplit_at(r, s, &sep, max, l) : split_at(r, s, &sep, max, l));
    for (size_t i = 0, j = l->n; from_right && i + 1 < j; i++) {        /* found from the right: turn round */
        qn_jv v = l->v[i];
        l->v[i] = l->v[--j];
        l->v[j] = v;
    }
    return 0;
}

static int m_split(qn_jrun *r, qn_jv self, const qn_jargs *a, qn_jv *out) { return split(r, self, a, false, out); }
static int m_rsplit(qn_jrun *r, qn_jv self, const qn_jargs *a, qn_jv *out) { return split(r, self, a, true, out); }

static int m_splitlines(qn_jrun *r, qn_jv self, const qn_jargs *a, qn_jv *out) {
    const qn_jstr *s = self.u.s;
    bool keep = qn_jarg_bool(a, 0);
    uint32_t c;
    QN_TRY(qn_jrun_charge(r, s->n));
    QN_TRY(qn_jv_list(&r->arena, QN_JLIST, 0, out));
    for (size_t begin = 0, at = 0, n; at < s->n; begin = at) {
        for (n = 0; at < s->n; at += n) {
            n = qn_jstr_char(s, at, &c);
            if (qn_jchar_line(c))
                break;
        }
        size_t end = at;
        if (at < s->n) {
            at += n;
            at += c == '\r' && at < s->n && s->s[at] == '\n';
        }
        QN_TRY(add_part(r, out->u.list, qn_jstr_cut(s, begin, keep ? at : end)));
    }
    return 0;
}

static int parted(qn_jrun *r, qn_jv self, const qn_jargs *a, bool last, qn_jv *out) {
    const qn_jstr *s = self.u.s;
    qn_jstr sep;
    QN_TRY(qn_jarg_str(r, a, 0, &sep));
    if (sep.n == 0)
        return qn_jrun_fail(r, "partition: the separator must not be empty");
    QN_TRY(qn_jrun_charge(r, s->n));
    int64_t hit = last ? qn_jstr_rfind(s, &sep, 0, s->n) : qn_jstr_find(s, &sep, 0, s->n);
    size_t b = hit >= 0 ? (size_t)hit : last ? 0 : s->n, e = hit >= 0 ? b + sep.n : b;
    QN_TRY(qn_jv_list(&r->arena, QN_JTUPLE, 3, out));
    QN_TRY(add_part(r, out->u.list, qn_jstr_cut(s, 0, b)));
    QN_TRY(add_part(r, out->u.list, qn_jstr_cut(s, b, e)));
    return add_part(r, out->u.list, qn_jstr_cut(s, e, s->n));
}

static int m_partition(qn_jrun *r, qn_jv self, const qn_jargs *a, qn_jv *out) {
    return parted(r, self, a, false, out);
}

static int m_rpartition(qn_jrun *r, qn_jv self, const qn_jargs *a, qn_jv *out) {
    return parted(r, self, a, true, out);
}

static const qn_jbuiltin methods[] = {
    {"capitalize", m_capitalize, "", 0},
    {"casefold", m_casefold, "", 0},
    {"center", m_center, ".width .fillchar", 1},
    {"count", m_count, ".sub .start .end", 1},
    {"endswith", m_endswith, ".suffix .start .end", 1},
    {"expandtabs", m_expandtabs, "tabsize", 0},
    {"find", m_find, ".sub .start .end", 1},
    {"format", m_format, NULL, 0},
    {"index", m_index, ".sub .start .end", 1},
    {"isalnum", m_isalnum, "", 0},
    {"isalpha", m_isalpha, "", 0},
    {"isascii", m_isascii, "", 0},
    {"isdecimal", m_isdecimal, "", 0},
    {"isdigit", m_isdigit, "", 0},
    {"isidentifier", m_isidentifier, "", 0},
    {"islower", m_islower, "", 0},
    {"isnumeric", m_isnumeric, "", 0},
    {"isprintable", m_isprintable, "", 0},
    {"isspace", m_isspace, "", 0},
    {"isupper", m_isupper, "", 0},
    {"join", m_join, ".iterable", 1},
    {"ljust", m_ljust, ".width .fillchar", 1},
    {"lower", m_lower, "", 0},
    {"lstrip", m_lstrip, ".chars", 0},
    {"partition", m_partition, ".sep", 1},
    {"removeprefix", m_removeprefix, ".prefix", 1},
    {"removesuffix", m_removesuffix, ".suffix", 1},
    {"replace", m_replace, ".old .new .count", 2},
    {"rfind", m_rfind, ".sub .start .end", 1},
    {"rindex", m_rindex, ".sub .start .end", 1},
    {"rjust", m_rjust, ".width .fillchar", 1},
    {"rpartition", m_rpartition, ".sep", 1},
    {"rsplit", m_rsplit, "sep maxsplit", 0},
    {"rstrip", m_rstrip, ".chars", 0},
    {"split", m_split, "sep maxsplit", 0},
    {"splitlines", m_splitlines, "keepends", 0},
    {"startswith", m_startswith, ".prefix .start .end", 1},
    {"strip", m_strip, ".chars", 0},
    {"swapcase", m_swapcase, "", 0},
    {"title", m_title, "", 0},
    {"upper", m_upper, "", 0},
    {"zfill", m_zfill, ".width", 1},
};

const qn_jbuiltin *qn_jstr_method_find(const qn_jstr *name) {
    return qn_jbuiltin_find(methods, QN_LEN(methods), name);
}
