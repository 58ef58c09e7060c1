/* chat/jinja_filters_value.c — filters on one value: default, numbers, JSON. */
#include "chat/jinja_run.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int f_default(qn_jrun *r, qn_jv self, const qn_jargs *a, qn_jv *out) {
    *out = self;
    if (self.kind != QN_JUNDEFINED && !(qn_jarg_bool(a, 1) && !qn_jv_truth(self)))
        return 0;
    if (!qn_jarg_given(a, 0))
        return qn_jv_str(&r->arena, QN_JLIT(""), out);
    *out = a->v[0];
    return 0;
}

static int f_attr(qn_jrun *r, qn_jv self, const qn_jargs *a, qn_jv *out) {
    qn_jstr name;
    QN_TRY(qn_jarg_str(r, a, 0, &name));
    if (self.kind == QN_JDICT && !qn_jmethod_find(self, &name))        /* attributes only, no items */
        return qn_jv_undefined(&r->arena, a->v[0].u.s, "dict", NULL, out);
    return qn_jattr(r, self, a->v[0].u.s, out);
}

static int f_abs(qn_jrun *r, qn_jv self, const qn_jargs *a, qn_jv *out) {
    (void)a;
    if (self.kind != QN_JUNDEFINED && !qn_jv_number(self))
        return qn_jrun_fail(r, "abs needs a number, not %s", qn_jv_type(self));
    bool negative = self.kind == QN_JFLOAT ? signbit(self.u.f) : self.kind == QN_JINT && self.u.i < 0;
    return qn_jmath_sign(r, negative, self, out);
}

/* int('…', base) and float('…') as Python reads them: blanks around, underscores between digits. */
static bool clean_number(const qn_jstr *s, char buf[64], qn_str *out) {
    qn_jstr t = qn_jstr_strip(s, NULL, QN_JLEFT | QN_JRIGHT);
    size_t n = 0;
    if (t.n >= 64)
        return false;
    for (size_t i = 0; i < t.n; i++) {
        bool between = i > 0 && i + 1 < t.n && t.s[i - 1] != '_' && t.s[i + 1] != '_' && t.s[i - 1] >= '0';
        if (t.s[i] == '_' && !between)
            return false;
        if (t.s[i] != '_')
            buf[n++] = t.s[i];
    }
    buf[n] = '\0';
    *out = (qn_str){buf + (n && buf[0] == '+'), n - (n && buf[0] == '+')};
    return out->n > 0 && !(buf[0] == '+' && (buf[1] == '-' || buf[1] == '+'));
}

static bool text_to_float(const qn_jstr *s, double *out) {
    char buf[64];
    qn_str t;
    if (!clean_number(s, buf, &t))
        return false;
    if (qn_parse_f64(t, out))
        return true;
    char *end;                                   /* inf, nan, 1e999, "5." */
    *out = strtod(t.s, &end);
    return *end == '\0' && !memchr(t.s, 'x', t.n) && !memchr(t.s, 'X', t.n) && !memchr(t.s, '(', t.n);
}

static bool text_to_int(const qn_jstr *s, int64_t base, int64_t *out) {
    char buf[64];
    qn_str t;
    if (!clean_number(s, buf, &t))
        return false;
    if (base == 10)
        return qn_parse_i64(t, out);
    bool negative = t.s[0] == '-';
    size_t i = negative;
    char x = base == 16 ? 'x' : base == 8 ? 'o' : base == 2 ? 'b' : '\0';
    i += x && t.n > i + 2 && t.s[i] == '0' && (t.s[i + 1] | 0x20) == x ? 2 : 0;
    *out = 0;
    for (bool any = false;; any = true, i++) {
        if (i == t.n) {
            *out = negative ? -*out : *out;
            return any;
        }
        char low = t.s[i] | 0x20;
        int d = t.s[i] >= '0' && t.s[i] <= '9' ? t.s[i] - '0' : low >= 'a' && low <= 'z' ? low - 'a' + 10 : 99;
        if (d >= base || QN_MUL_OVERFLOW(*out, base, out) || QN_ADD_OVERFLOW(*out, d, out))
            return false;
    }
}

static int f_int(qn_jrun *r, qn_jv self, const qn_jargs *a, qn_jv *out) {
    int64_t base, i;
    double f = NAN;
    QN_TRY(qn_jarg_int(r, a, 1, 10, &base));
    if (self.kind == QN_JUNDEFINED)
        return qn_jrun_undefined(r, self);
    *out = qn_jarg_given(a, 0) ? a->v[0] : qn_jv_int(0);
    if (qn_jv_integral(self, &i) || (self.kind == QN_JSTR && text_to_int(self.u.s, base, &i))) {
        *out = qn_jv_int(i);
        out->data = self.data;
        return 0;
    }
    if (self.kind == QN_JFLOAT)
        f = self.u.f;
    else if (self.kind == QN_JBIG || (self.kind == QN_JSTR && !text_to_float(self.u.s, &f))) {
        *out = self.kind == QN_JBIG ? self : *out;
        return 0;
    }
    if (isfinite(f) && !(fabs(f) < 9.2e18))
        return qn_fail(QN_ELIMIT, "int: the number does not fit 64 bits");
    if (isfinite(f))
        *out = qn_jv_int((int64_t)f);
    out->data = self.data;
    return 0;
}

static int f_float(qn_jrun *r, qn_jv self, const qn_jargs *a, qn_jv *out) {
    double f;
    if (self.kind == QN_JUNDEFINED)
        return qn_jrun_undefined(r, self);
    *out = qn_jarg_given(a, 0) ? a->v[0] : qn_jv_float(0);
    if (qn_jv_number(self) || (self.kind == QN_JSTR && text_to_float(self.u.s, &f))) {
        *out = qn_jv_float(qn_jv_number(self) ? qn_jv_double(self) : f);
        out->data = self.data;
    }
    return 0;
}

/* round(x, n): the decimal that is nearest to the exact value, ties to even. */
static void round_common(qn_jv self, int64_t digits, qn_jv *out) {
    char text[700];
    int64_t i;
    *out = self;
    if (qn_jv_integral(self, &i)) {
        double unit = digits < -18 ? 0 : pow(10, (double)-digits);
        if (digits >= 0)
            *out = qn_jv_int(i);
        else
            *out = qn_jv_int(unit == 0 ? 0 : (int64_t)(nearbyint((double)i / unit) * unit));
        return;
    }
    if (!isfinite(self.u.f) || digits > 300)
        return;
    if (digits >= 0) {
        snprintf(text, sizeof text, "%.*f", (int)digits, self.u.f);
        *out = qn_jv_float(strtod(text, NULL));
    } else {
        double unit = pow(10, (double)QN_MIN(-digits, 400));
        *out = qn_jv_float(isinf(unit) ? 0.0 : nearbyint(self.u.f / unit) * unit);
    }
}

static int f_round(qn_jrun *r, qn_jv self, const qn_jargs *a, qn_jv *out) {
    int64_t digits;
    qn_jstr method = QN_JLIT("common");
    QN_TRY(qn_jarg_int(r, a, 0, 0, &digits));
    if (qn_jarg_given(a, 1))
        QN_TRY(qn_jarg_str(r, a, 1, &method));
    if (self.kind == QN_JUNDEFINED)
        return qn_jrun_undefined(r, self);
    if (!qn_jv_number(self) || self.kind == QN_JBIG)
        return qn_jrun_fail(r, "round needs a number, not %s", qn_jv_type(self));
    bool up = qn_jstr_is(&method, "ceil");
    if (qn_jstr_is(&method, "common")) {
        round_common(self, digits, out);
    } else if (up || qn_jstr_is(&method, "floor")) {
        double unit = pow(10, (double)digits), x = qn_jv_double(self) * unit;
        *out = qn_jv_float((up ? ceil(x) : floor(x)) / unit);
    } else {
        return qn_jrun_fail(r, "round: the method is 'common', 'ceil' or 'floor'");
    }
    out->data = self.data;
    return 0;
}

static int f_tojson(qn_jrun *r, qn_jv self, const qn_jargs *a, qn_jv *out) {
    qn_jjson o = {.ascii = qn_jarg_bool(a, 0), .sort = qn_jarg_bool(a, 3)};
    qn_jsb b, blanks;
    int64_t width;
    o.pretty = qn_jarg_given(a, 1) && a->v[1].kind != QN_JNONE;
    o.item = o.pretty ? QN_JLIT(",") : QN_JLIT(", ");
    o.key = QN_JLIT(": ");
    if (o.pretty && a->v[1].kind == QN_JSTR) {
        o.indent = *a->v[1].u.s;
    } else if (o.pretty) {
        QN_TRY(qn_jarg_int(r, a, 1, 0, &width));
        qn_jsb_init(&blanks, &r->arena);
        QN_TRY(qn_jsb_fill(&blanks, ' ', QN_MIN(width, 1000), false));
        o.indent = qn_jsb_done(&blanks);
    }
    if (qn_jarg_given(a, 2) && a->v[2].kind != QN_JNONE) {
        if (!qn_jv_sequence(a->v[2]) || a->v[2].u.list->n != 2 || a->v[2].u.list->v[0].kind != QN_JSTR ||
            a->v[2].u.list->v[1].kind != QN_JSTR)
            return qn_jrun_fail(r, "tojson: separators are two strings");
        o.item = *a->v[2].u.list->v[0].u.s;
        o.key = *a->v[2].u.list->v[1].u.s;
    }
    qn_jsb_init(&b, &r->arena);
    QN_TRY(qn_jv_json(&b, self, &o, 0));
    return qn_jtext_value(r, &b, out);
}

static const qn_jbuiltin filters[] = {
    {"abs", f_abs, "", 0},
    {"attr", f_attr, "name", 1},
    {"d", f_default, "default_value boolean", 0},
    {"default", f_default, "default_value boolean", 0},
    {"float", f_float, "default", 0},
    {"int", f_int, "default base", 0},
    {"round", f_round, "precision method", 0},
    {"tojson", f_tojson, "ensure_ascii indent separators sort_keys", 0},
};

const qn_jbuiltin *qn_jfilter_value_find(const qn_jstr *name) {
    return qn_jbuiltin_find(filters, QN_LEN(filters), name);
}
