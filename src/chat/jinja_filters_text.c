/* chat/jinja_filters_text.c — filters on texts. What is not a string is turned into one first, as Jinja does. */
#include "chat/jinja_run.h"

#include <stdio.h>
#include <string.h>

static int as_text(qn_jrun *r, qn_jv v, qn_jstr *out) {
    QN_TRY(qn_jtext(r, v, out));
    return qn_jrun_charge(r, out->n);
}

static int cut_value(qn_jrun *r, qn_jv like, qn_jstr s, qn_jv *out) {
    QN_TRY(qn_jv_str(&r->arena, s, out));
    out->markup = like.markup;
    return 0;
}

static int recase(qn_jrun *r, qn_jv self, qn_jcase how, qn_jv *out) {
    qn_jstr s;
    qn_jsb b;
    QN_TRY(as_text(r, self, &s));
    qn_jsb_init(&b, &r->arena);
    QN_TRY(qn_jstr_case(&b, &s, how));
    QN_TRY(qn_jtext_value(r, &b, out));
    out->markup = self.markup;
    return 0;
}

static int f_upper(qn_jrun *r, qn_jv self, const qn_jargs *a, qn_jv *out) {
    (void)a;
    return recase(r, self, QN_JUPPER, out);
}

static int f_lower(qn_jrun *r, qn_jv self, const qn_jargs *a, qn_jv *out) {
    (void)a;
    return recase(r, self, QN_JLOWER, out);
}

static int f_capitalize(qn_jrun *r, qn_jv self, const qn_jargs *a, qn_jv *out) {
    (void)a;
    return recase(r, self, QN_JCAPITAL, out);
}

/* Words begin after blanks, dashes and opening brackets; unlike str.title, apostrophes do not end them. */
static int f_title(qn_jrun *r, qn_jv self, const qn_jargs *a, qn_jv *out) {
    qn_jstr s;
    qn_jsb b;
    uint32_t c;
    (void)a;
    QN_TRY(as_text(r, self, &s));
    qn_jsb_init(&b, &r->arena);
    for (size_t at = 0, n; at < s.n; at += n) {
        size_t end = at;
        while (end < s.n) {
            n = qn_jstr_char(&s, end, &c);
            if (qn_jchar_space(c) || (c < 0x80 && c && strchr("-({[<", (int)c)))
                break;
            end += n;
        }
        if (end > at) {
            n = qn_jstr_char(&s, at, &c);
            qn_jstr head = qn_jstr_cut(&s, at, at + n), tail = qn_jstr_cut(&s, at + n, end);
            QN_TRY(qn_jstr_case(&b, &head, QN_JUPPER));
            QN_TRY(qn_jstr_case(&b, &tail, QN_JLOWER));
            at = end;
        }
        n = at < s.n ? qn_jstr_char(&s, at, &c) : 0;
        qn_jstr between = qn_jstr_cut(&s, at, at + n);
        QN_TRY(qn_jsb_str(&b, &between));
    }
    return qn_jtext_value(r, &b, out);
}

static int f_trim(qn_jrun *r, qn_jv self, const qn_jargs *a, qn_jv *out) {
    qn_jstr s, chars;
    bool given = qn_jarg_given(a, 0) && a->v[0].kind != QN_JNONE;
    QN_TRY(as_text(r, self, &s));
    if (given)
        QN_TRY(qn_jarg_str(r, a, 0, &chars));
    return cut_value(r, self, qn_jstr_strip(&s, given ? &chars : NULL, QN_JLEFT | QN_JRIGHT), out);
}

static int f_string(qn_jrun *r, qn_jv self, const qn_jargs *a, qn_jv *out) {
    qn_jstr s;
    (void)a;
    QN_TRY(qn_jtext(r, self, &s));
    return cut_value(r, self, s, out);
}

static int f_replace(qn_jrun *r, qn_jv self, const qn_jargs *a, qn_jv *out) {
    qn_jstr s, old, new;
    qn_jv v[3], text;
    QN_TRY(as_text(r, self, &s));
    QN_TRY(qn_jtext(r, a->v[0], &old));
    QN_TRY(qn_jtext(r, a->v[1], &new));
    QN_TRY(qn_jv_str(&r->arena, s, &text));
    QN_TRY(qn_jv_str(&r->arena, old, &v[0]));
    QN_TRY(qn_jv_str(&r->arena, new, &v[1]));
    v[2] = qn_jarg_given(a, 2) && a->v[2].kind != QN_JNONE ? a->v[2] : qn_jv_int(-1);
    qn_jargs args = {v, 3, NULL, 0};
    return qn_jcall_builtin(r, qn_jstr_method_find(&QN_JLIT("replace")), text, &args, out);
}

static int f_join(qn_jrun *r, qn_jv self, const qn_jargs *a, qn_jv *out) {
    qn_jlist *l;
    qn_jstr sep = QN_JLIT("");
    qn_jsb b;
    QN_TRY(qn_jitems(r, self, &l));
    if (qn_jarg_given(a, 0))
        QN_TRY(qn_jtext(r, a->v[0], &sep));
    qn_jsb_init(&b, &r->arena);
    for (size_t i = 0; i < l->n; i++) {
        qn_jv v = l->v[i];
        if (qn_jarg_given(a, 1) && a->v[1].kind != QN_JNONE) {
            qn_jv one, list, args[1] = {a->v[1]};       /* through map: one look-up of attribute paths */
            qn_jkw kw = {&QN_JLIT("attribute"), args[0]};
            QN_TRY(qn_jv_list(&r->arena, QN_JLIST, 1, &list));
            QN_TRY(qn_jlist_add(&r->arena, list.u.list, v));
            qn_jargs by = {NULL, 0, &kw, 1};
            QN_TRY(qn_jcall_builtin(r, qn_jfilter_find(&QN_JLIT("map")), list, &by, &one));
            v = one.u.list->v[0];
        }
        if (i)
            QN_TRY(qn_jsb_str(&b, &sep));
        QN_TRY(qn_jv_print(&b, v, 0));
    }
    return qn_jtext_value(r, &b, out);
}

/* The next line of s from *at on, without its end; *at moves behind it. As str.splitlines cuts. */
static qn_jstr line_take(const qn_jstr *s, size_t *at) {
    size_t begin = *at, end = begin, n = 0;
    uint32_t c = 0;
    while (end < s->n) {
        n = qn_jstr_char(s, end, &c);
        if (qn_jchar_line(c))
            break;
        end += n;
    }
    *at = end < s->n ? end + n : end;
    if (end < s->n && c == '\r' && *at < s->n && s->s[*at] == '\n')
        ++*at;
    return qn_jstr_cut(s, begin, end);
}

static int f_indent(qn_jrun *r, qn_jv self, const qn_jargs *a, qn_jv *out) {
    qn_jstr s, pad = QN_JLIT("");
    qn_jsb b, blanks;
    int64_t width;
    if (self.kind != QN_JSTR)
        return self.kind == QN_JUNDEFINED ? qn_jrun_undefined(r, self)
                                          : qn_jrun_fail(r, "indent needs a string, not %s", qn_jv_type(self));
    s = *self.u.s;
    qn_jsb_init(&b, &r->arena);
    qn_jsb_init(&blanks, &r->arena);
    if (qn_jarg_given(a, 0) && a->v[0].kind == QN_JSTR) {
        pad = *a->v[0].u.s;
    } else {
        QN_TRY(qn_jarg_int(r, a, 0, 4, &width));
        QN_TRY(qn_jsb_fill(&blanks, ' ', QN_MIN(width, 10000), s.data));
        pad = qn_jsb_done(&blanks);
    }
    bool first = qn_jarg_bool(a, 1), blank = qn_jarg_bool(a, 2);
    if (first)
        QN_TRY(qn_jsb_str(&b, &pad));
    /* A line end at the end of the text is followed by an empty line. */
    size_t at = 0;
    for (bool more = true, next = false; more; next = true) {
        size_t begin = at;
        qn_jstr line = line_take(&s, &at);
        more = at > begin + line.n;
        if (next)
            QN_TRY(qn_jsb_put(&b, "\n", 1, s.data));
        if (next && (line.n || blank))
            QN_TRY(qn_jsb_str(&b, &pad));
        QN_TRY(qn_jsb_str(&b, &line));
    }
    return qn_jtext_value(r, &b, out);
}

static int f_truncate(qn_jrun *r, qn_jv self, const qn_jargs *a, qn_jv *out) {
    qn_jstr end = QN_JLIT("..."), s;
    int64_t length, leeway;
    qn_jsb b;
    QN_TRY(qn_jarg_int(r, a, 0, 255, &length));
    if (qn_jarg_given(a, 2))
        QN_TRY(qn_jarg_str(r, a, 2, &end));
    if (qn_jarg_given(a, 3) && a->v[3].kind == QN_JNONE)
        leeway = 5;
    else
        QN_TRY(qn_jarg_int(r, a, 3, 5, &leeway));
    int64_t tail = qn_jstr_length(&end);
    if (length < tail || leeway < 0 || leeway > INT64_MAX / 2 || length > INT64_MAX / 2)
        return qn_jrun_fail(r, "truncate: the length must not be below that of the end, nor the leeway below 0");
    QN_TRY(qn_jcall_builtin(r, qn_jfilter_find(&QN_JLIT("length")), self, &(qn_jargs){0}, out));
    bool fits = out->u.i <= length + leeway;
    *out = self;
    if (fits)
        return 0;
    if (self.kind != QN_JSTR)
        return qn_jrun_fail(r, "truncate needs a string, not %s", qn_jv_type(self));
    s = *self.u.s;
    qn_jstr head = qn_jstr_cut(&s, 0, qn_jstr_offset(&s, length - tail)), blank = QN_JLIT(" ");
    int64_t cut = qn_jarg_bool(a, 1) ? -1 : qn_jstr_rfind(&head, &blank, 0, head.n);
    if (cut >= 0)
        head = qn_jstr_cut(&head, 0, (size_t)cut);
    qn_jsb_init(&b, &r->arena);
    QN_TRY(qn_jsb_str(&b, &head));
    QN_TRY(qn_jsb_str(&b, &end));
    return qn_jtext_value(r, &b, out);
}

static int f_center(qn_jrun *r, qn_jv self, const qn_jargs *a, qn_jv *out) {
    qn_jstr s;
    qn_jv text, width;
    int64_t w;
    QN_TRY(as_text(r, self, &s));
    QN_TRY(qn_jv_str(&r->arena, s, &text));
    QN_TRY(qn_jarg_int(r, a, 0, 80, &w));
    width = qn_jv_int(w);
    qn_jargs args = {&width, 1, NULL, 0};
    return qn_jcall_builtin(r, qn_jstr_method_find(&QN_JLIT("center")), text, &args, out);
}

static int f_wordcount(qn_jrun *r, qn_jv self, const qn_jargs *a, qn_jv *out) {
    qn_jstr s;
    int64_t words = 0;
    bool inside = false;
    uint32_t c;
    (void)a;
    QN_TRY(as_text(r, self, &s));
    for (size_t at = 0; at < s.n;) {
        at += qn_jstr_char(&s, at, &c);
        bool word = (qn_jchar_class(c) & QN_JWORD) != 0;
        words += word && !inside;
        inside = word;
    }
    *out = qn_jv_int(words);
    return 0;
}

int qn_jescape(qn_jsb *b, const qn_jstr *s) {
    static const char plain[] = "&<>'\"";
    static const char *const escaped[] = {"&amp;", "&lt;", "&gt;", "&#39;", "&#34;"};
    for (size_t at = 0; at < s->n; at++) {
        const char *p = s->s[at] ? strchr(plain, s->s[at]) : NULL;
        bool data = qn_jstr_mark(s, at);
        QN_TRY(p ? qn_jsb_puts(b, escaped[p - plain], data) : qn_jsb_put(b, s->s + at, 1, data));
    }
    return 0;
}

static int f_escape(qn_jrun *r, qn_jv self, const qn_jargs *a, qn_jv *out) {
    qn_jstr s;
    qn_jsb b;
    (void)a;
    *out = self;
    if (self.markup)
        return 0;
    QN_TRY(as_text(r, self, &s));
    qn_jsb_init(&b, &r->arena);
    QN_TRY(qn_jescape(&b, &s));
    QN_TRY(qn_jtext_value(r, &b, out));
    out->markup = true;
    return 0;
}

static int f_forceescape(qn_jrun *r, qn_jv self, const qn_jargs *a, qn_jv *out) {
    self.markup = false;
    return f_escape(r, self, a, out);
}

static int f_safe(qn_jrun *r, qn_jv self, const qn_jargs *a, qn_jv *out) {
    QN_TRY(f_string(r, self, a, out));
    out->markup = true;
    return 0;
}

static int f_format(qn_jrun *r, qn_jv self, const qn_jargs *a, qn_jv *out) {
    qn_jstr s;
    qn_jv arg;
    QN_TRY(as_text(r, self, &s));
    if (a->n && a->kws)
        return qn_jrun_fail(r, "format takes values by position or by name, not both");
    if (!a->kws) {
        QN_TRY(qn_jv_list(&r->arena, QN_JTUPLE, 0, &arg));
        for (size_t i = 0; i < a->n; i++)
            QN_TRY(qn_jlist_add(&r->arena, arg.u.list, a->v[i]));
        return qn_jformat_percent(r, &s, arg, out);
    }
    QN_TRY(qn_jv_dict(&r->arena, a->kws, &arg));
    for (size_t k = 0; k < a->kws; k++) {
        qn_jv key;
        QN_TRY(qn_jv_str(&r->arena, *a->kw[k].name, &key));
        QN_TRY(qn_jdict_put(&r->arena, arg.u.dict, key, a->kw[k].v));
    }
    return qn_jformat_percent(r, &s, arg, out);
}

static int f_pprint(qn_jrun *r, qn_jv self, const qn_jargs *a, qn_jv *out) {
    qn_jsb b;
    (void)a;
    qn_jsb_init(&b, &r->arena);
    QN_TRY(qn_jv_repr(&b, self, 0));
    return qn_jtext_value(r, &b, out);
}

static int quote_url(qn_jrun *r, qn_jsb *b, qn_jv v, bool query) {
    qn_jstr s;
    char hex[4];
    QN_TRY(qn_jtext(r, v, &s));
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.s[i], low = c | 0x20;
        bool data = qn_jstr_mark(&s, i);
        bool letter = (low >= 'a' && low <= 'z') || (c >= '0' && c <= '9');
        bool plain = letter || (c && strchr("_.-~", c)) || (c == '/' && !query);
        if (plain || (c == ' ' && query)) {
            QN_TRY(qn_jsb_put(b, plain ? s.s + i : "+", 1, data));
        } else {
            snprintf(hex, sizeof hex, "%%%02X", c);
            QN_TRY(qn_jsb_puts(b, hex, data));
        }
    }
    return 0;
}

static int f_urlencode(qn_jrun *r, qn_jv self, const qn_jargs *a, qn_jv *out) {
    qn_jsb b;
    qn_jlist *l;
    (void)a;
    qn_jsb_init(&b, &r->arena);
    if (self.kind == QN_JSTR || !qn_jv_iterable(self)) {
        QN_TRY(quote_url(r, &b, self, false));
        return qn_jtext_value(r, &b, out);
    }
    if (self.kind == QN_JDICT)
        QN_TRY(qn_jcall_builtin(r, qn_jfilter_find(&QN_JLIT("items")), self, &(qn_jargs){0}, &self));
    QN_TRY(qn_jitems(r, self, &l));
    for (size_t i = 0; i < l->n; i++) {
        qn_jlist *pair;
        QN_TRY(qn_jitems(r, l->v[i], &pair));
        if (pair->n != 2)
            return qn_jrun_fail(r, "urlencode needs pairs of a key and a value");
        if (i)
            QN_TRY(qn_jsb_puts(&b, "&", false));
        QN_TRY(quote_url(r, &b, pair->v[0], true));
        QN_TRY(qn_jsb_puts(&b, "=", false));
        QN_TRY(quote_url(r, &b, pair->v[1], true));
    }
    return qn_jtext_value(r, &b, out);
}

static const qn_jbuiltin filters[] = {
    {"capitalize", f_capitalize, "", 0},
    {"center", f_center, "width", 0},
    {"e", f_escape, "", 0},
    {"escape", f_escape, "", 0},
    {"forceescape", f_forceescape, "", 0},
    {"format", f_format, NULL, 0},
    {"indent", f_indent, "width first blank", 0},
    {"join", f_join, "d attribute", 0},
    {"lower", f_lower, "", 0},
    {"pprint", f_pprint, "", 0},
    {"replace", f_replace, "old new count", 2},
    {"safe", f_safe, "", 0},
    {"string", f_string, "", 0},
    {"title", f_title, "", 0},
    {"trim", f_trim, "chars", 0},
    {"truncate", f_truncate, "length killwords end leeway", 0},
    {"upper", f_upper, "", 0},
    {"urlencode", f_urlencode, "", 0},
    {"wordcount", f_wordcount, "", 0},
};

const qn_jbuiltin *qn_jfilter_text_find(const qn_jstr *name) {
    return qn_jbuiltin_find(filters, QN_LEN(filters), name);
}
