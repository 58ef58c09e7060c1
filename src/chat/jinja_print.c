/* chat/jinja_print.c — values to text: str() and repr() as Python prints them, json.dumps as transformers calls it.
 *
 * Punctuation has the mark of its container, a string's characters their own: what a tool's description says stays data
 * after `tojson` too. */
#include "chat/jinja_run.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Shortest digits that read back equal, then Python's choice of form: exponent below 1e-4 and from 1e16 on. */
int qn_jfloat_repr(char out[40], double f) {
    char raw[40], digits[24];
    if (isnan(f) || isinf(f))
        return snprintf(out, 40, "%s", isnan(f) ? "nan" : f < 0 ? "-inf" : "inf");
    int prec = 0;
    do
        snprintf(raw, sizeof raw, "%.*e", prec, f);
    while (strtod(raw, NULL) != f && ++prec < 17);
    int n = 0, exponent = atoi(strchr(raw, 'e') + 1);
    for (const char *p = raw; *p != 'e'; p++)           /* skips the sign and the locale's decimal point */
        if (*p >= '0' && *p <= '9')
            digits[n++] = *p;
    while (n > 1 && digits[n - 1] == '0')
        n--;
    char *o = out;
    if (signbit(f))
        *o++ = '-';
    if (exponent < -4 || exponent >= 16) {
        *o++ = digits[0];
        if (n > 1) {
            *o++ = '.';
            memcpy(o, digits + 1, (size_t)n - 1);
            o += n - 1;
        }
        o += sprintf(o, "e%c%02d", exponent < 0 ? '-' : '+', abs(exponent));
        return (int)(o - out);
    }
    int point = exponent + 1;                            /* digits before the point */
    if (point <= 0)
        *o++ = '0';
    for (int i = 0; i < QN_MAX(point, 0); i++)
        *o++ = i < n ? digits[i] : '0';
    *o++ = '.';
    for (int i = point; i < 0; i++)
        *o++ = '0';
    for (int i = QN_MAX(point, 0); i < n; i++)
        *o++ = digits[i];
    if (point >= n)
        *o++ = '0';
    *o = '\0';
    return (int)(o - out);
}

static int put_int(qn_jsb *b, qn_jv v) {
    char text[24];
    int n = snprintf(text, sizeof text, "%lld", (long long)v.u.i);
    return qn_jsb_put(b, text, (size_t)n, v.data);
}

static int put_float(qn_jsb *b, qn_jv v) {
    char text[40];
    int n = qn_jfloat_repr(text, v.u.f);
    return qn_jsb_put(b, text, (size_t)n, v.data);
}

static int repr_escape(qn_jsb *b, uint32_t c, bool data) {
    char text[12];
    char letter = c == '\t' ? 't' : c == '\n' ? 'n' : c == '\r' ? 'r' : '\0';
    int n = letter      ? snprintf(text, sizeof text, "\\%c", letter)
          : c < 0x100   ? snprintf(text, sizeof text, "\\x%02x", c)
          : c < 0x10000 ? snprintf(text, sizeof text, "\\u%04x", c)
                        : snprintf(text, sizeof text, "\\U%08x", c);
    return qn_jsb_put(b, text, (size_t)n, data);
}

/* 'it' or, with an apostrophe and no double quote inside, "it's". */
static int repr_str(qn_jsb *b, qn_jv v) {
    const qn_jstr *s = v.u.s;
    char quote = memchr(s->s, '\'', s->n) && !memchr(s->s, '"', s->n) ? '"' : '\'';
    QN_TRY(qn_jsb_put(b, &quote, 1, v.data));
    uint32_t c;
    for (size_t at = 0, n; at < s->n; at += n) {
        n = qn_jstr_char(s, at, &c);
        bool data = qn_jstr_mark(s, at);
        if (c == (unsigned char)quote || c == '\\') {
            QN_TRY(qn_jsb_puts(b, "\\", data));
            QN_TRY(qn_jsb_char(b, c, data));
        } else if (c != ' ' && !(qn_jchar_class(c) & QN_JPRINT)) {
            QN_TRY(repr_escape(b, c, data));
        } else {
            QN_TRY(qn_jsb_char(b, c, data));
        }
    }
    return qn_jsb_put(b, &quote, 1, v.data);
}

static int repr_items(qn_jsb *b, qn_jv v, const char *open, const char *close, int depth) {
    const qn_jlist *l = v.u.list;
    QN_TRY(qn_jsb_puts(b, open, v.data));
    for (size_t i = 0; i < l->n; i++) {
        if (i)
            QN_TRY(qn_jsb_puts(b, ", ", v.data));
        QN_TRY(qn_jv_repr(b, l->v[i], depth));
    }
    if (v.kind == QN_JTUPLE && l->n == 1)
        QN_TRY(qn_jsb_puts(b, ",", v.data));
    return qn_jsb_puts(b, close, v.data);
}

static int repr_dict(qn_jsb *b, qn_jv v, int depth) {
    QN_TRY(qn_jsb_puts(b, "{", v.data));
    for (size_t i = 0; i < v.u.dict->n; i++) {
        if (i)
            QN_TRY(qn_jsb_puts(b, ", ", v.data));
        QN_TRY(qn_jv_repr(b, v.u.dict->e[i].key, depth));
        QN_TRY(qn_jsb_puts(b, ": ", v.data));
        QN_TRY(qn_jv_repr(b, v.u.dict->e[i].value, depth));
    }
    return qn_jsb_puts(b, "}", v.data);
}

static int repr_range(qn_jsb *b, qn_jv v) {
    char text[80];
    const qn_jlist *l = v.u.list;
    snprintf(text, sizeof text, "range(%lld, %lld", (long long)l->start, (long long)l->stop);
    QN_TRY(qn_jsb_puts(b, text, v.data));
    if (l->step != 1) {
        snprintf(text, sizeof text, ", %lld", (long long)l->step);
        QN_TRY(qn_jsb_puts(b, text, v.data));
    }
    return qn_jsb_puts(b, ")", v.data);
}

static int repr_view(qn_jsb *b, qn_jv v, int depth) {
    QN_TRY(qn_jsb_puts(b, v.u.list->view, v.data));
    return repr_items(b, v, "([", "])", depth);
}

static int repr_named(qn_jsb *b, qn_jv v) {
    QN_TRY(qn_jsb_puts(b, "<", false));
    QN_TRY(qn_jsb_puts(b, qn_jv_type(v), false));
    if (v.kind == QN_JMACRO && v.u.macro->name) {
        QN_TRY(qn_jsb_puts(b, " '", false));
        QN_TRY(qn_jsb_str(b, v.u.macro->name));
        QN_TRY(qn_jsb_puts(b, "'", false));
    }
    return qn_jsb_puts(b, ">", false);
}

int qn_jv_repr(qn_jsb *b, qn_jv v, int depth) {
    if (depth > QN_JDEPTH)
        return qn_fail(QN_ELIMIT, "values nested more than %d deep", QN_JDEPTH);
    switch ((qn_jkind)v.kind) {
    case QN_JUNDEFINED: return qn_jsb_puts(b, "Undefined", false);
    case QN_JNONE: return qn_jsb_puts(b, "None", v.data);
    case QN_JBOOL: return qn_jsb_puts(b, v.u.b ? "True" : "False", v.data);
    case QN_JINT: return put_int(b, v);
    case QN_JBIG: return qn_jsb_str(b, v.u.s);
    case QN_JFLOAT: return put_float(b, v);
    case QN_JSTR: return repr_str(b, v);
    case QN_JLIST: return repr_items(b, v, "[", "]", depth + 1);
    case QN_JTUPLE: return repr_items(b, v, "(", ")", depth + 1);
    case QN_JDICT: return repr_dict(b, v, depth + 1);
    case QN_JRANGE: return repr_range(b, v);
    case QN_JVIEW: return repr_view(b, v, depth + 1);
    case QN_JNAMESPACE:
        QN_TRY(qn_jsb_puts(b, "<Namespace ", false));
        QN_TRY(repr_dict(b, v, depth + 1));
        return qn_jsb_puts(b, ">", false);
    default: return repr_named(b, v);
    }
}

int qn_jv_print(qn_jsb *b, qn_jv v, int depth) {
    if (v.kind == QN_JSTR)
        return qn_jsb_str(b, v.u.s);
    return v.kind == QN_JUNDEFINED ? 0 : qn_jv_repr(b, v, depth);
}

/* ---- json.dumps ---------------------------------------------------------------------------------------------- */

static int json_u(qn_jsb *b, uint32_t c, bool data) {
    char text[16];
    if (c >= 0x10000)
        snprintf(text, sizeof text, "\\u%04x\\u%04x", 0xD800 + ((c - 0x10000) >> 10), 0xDC00 + ((c - 0x10000) & 0x3FF));
    else
        snprintf(text, sizeof text, "\\u%04x", c);
    return qn_jsb_puts(b, text, data);
}

static int json_str(qn_jsb *b, const qn_jstr *s, bool quote_mark, bool ascii) {
    static const char plain[] = "\"\\\n\r\t\f\b", letter[] = "\"\\nrtfb";
    QN_TRY(qn_jsb_puts(b, "\"", quote_mark));
    uint32_t c;
    for (size_t at = 0, n; at < s->n; at += n) {
        n = qn_jstr_char(s, at, &c);
        bool data = qn_jstr_mark(s, at);
        const char *p = c && c < 0x80 ? strchr(plain, (int)c) : NULL;
        if (p) {
            char two[2] = {'\\', letter[p - plain]};
            QN_TRY(qn_jsb_put(b, two, 2, data));
        } else if (c < 0x20 || (ascii && c >= 0x7F)) {
            QN_TRY(c == 0x7F ? qn_jsb_char(b, c, data) : json_u(b, c, data));
        } else {
            QN_TRY(qn_jsb_put(b, s->s + at, n, data));
        }
    }
    return qn_jsb_puts(b, "\"", quote_mark);
}

static int json_newline(qn_jsb *b, const qn_jjson *o, int level, bool data) {
    if (!o->pretty)
        return 0;
    QN_TRY(qn_jsb_puts(b, "\n", data));
    for (int i = 0; i < level; i++)
        QN_TRY(qn_jsb_put(b, o->indent.s, o->indent.n, data));
    return 0;
}

static int json_list(qn_jsb *b, qn_jv v, const qn_jjson *o, int level) {
    const qn_jlist *l = v.u.list;
    QN_TRY(qn_jsb_puts(b, "[", v.data));
    for (size_t i = 0; i < l->n; i++) {
        if (i)
            QN_TRY(qn_jsb_put(b, o->item.s, o->item.n, v.data));
        QN_TRY(json_newline(b, o, level + 1, v.data));
        QN_TRY(qn_jv_json(b, l->v[i], o, level + 1));
    }
    if (l->n)
        QN_TRY(json_newline(b, o, level, v.data));
    return qn_jsb_puts(b, "]", v.data);
}

static int json_scalar(qn_jsb *b, qn_jv v);

static int json_key(qn_jsb *b, qn_jv key, const qn_jjson *o) {
    if (key.kind == QN_JSTR)
        return json_str(b, key.u.s, key.data, o->ascii);
    if (key.kind != QN_JNONE && !qn_jv_number(key))
        return qn_fail(QN_ETEMPLATE, "tojson: keys must be str, int, float, bool or None, not %s", qn_jv_type(key));
    QN_TRY(qn_jsb_puts(b, "\"", key.data));
    QN_TRY(json_scalar(b, key));
    return qn_jsb_puts(b, "\"", key.data);
}

/* sort_keys sorts by key: insertion sort keeps it stable, and objects are small. */
static int json_sorted(qn_jsb *b, const qn_jdict *d, qn_jpair **out) {
    QN_TRY(QN_JNEW(b->a, *out, d->n + 1));
    for (size_t i = 0; i < d->n; i++) {
        size_t at = i;
        for (int order; at > 0; at--) {
            QN_TRY(qn_jv_order((*out)[at - 1].key, d->e[i].key, 0, &order));
            if (order <= 0)
                break;
            (*out)[at] = (*out)[at - 1];
        }
        (*out)[at] = d->e[i];
    }
    return 0;
}

static int json_dict(qn_jsb *b, qn_jv v, const qn_jjson *o, int level) {
    const qn_jdict *d = v.u.dict;
    qn_jpair *e = d->e;
    if (o->sort)
        QN_TRY(json_sorted(b, d, &e));
    QN_TRY(qn_jsb_puts(b, "{", v.data));
    for (size_t i = 0; i < d->n; i++) {
        if (i)
            QN_TRY(qn_jsb_put(b, o->item.s, o->item.n, v.data));
        QN_TRY(json_newline(b, o, level + 1, v.data));
        QN_TRY(json_key(b, e[i].key, o));
        QN_TRY(qn_jsb_put(b, o->key.s, o->key.n, v.data));
        QN_TRY(qn_jv_json(b, e[i].value, o, level + 1));
    }
    if (d->n)
        QN_TRY(json_newline(b, o, level, v.data));
    return qn_jsb_puts(b, "}", v.data);
}

static int json_scalar(qn_jsb *b, qn_jv v) {
    if (v.kind == QN_JNONE)
        return qn_jsb_puts(b, "null", v.data);
    if (v.kind == QN_JBOOL)
        return qn_jsb_puts(b, v.u.b ? "true" : "false", v.data);
    if (v.kind == QN_JFLOAT && !isfinite(v.u.f))
        return qn_jsb_puts(b, isnan(v.u.f) ? "NaN" : v.u.f < 0 ? "-Infinity" : "Infinity", v.data);
    return qn_jv_repr(b, v, 0);
}

int qn_jv_json(qn_jsb *b, qn_jv v, const qn_jjson *o, int level) {
    if (level > QN_JDEPTH)
        return qn_fail(QN_ELIMIT, "tojson: values nested more than %d deep", QN_JDEPTH);
    switch ((qn_jkind)v.kind) {
    case QN_JSTR: return json_str(b, v.u.s, v.data, o->ascii);
    case QN_JLIST: case QN_JTUPLE: return json_list(b, v, o, level);
    case QN_JDICT: return json_dict(b, v, o, level);
    case QN_JNONE: case QN_JBOOL: case QN_JINT: case QN_JBIG: case QN_JFLOAT: return json_scalar(b, v);
    default: return qn_fail(QN_ETEMPLATE, "tojson: an object of type %s is not JSON", qn_jv_type(v));
    }
}
