/* chat/jinja_math.c — Python's arithmetic on values, slices and ranges. Integers are 64 bits wide; what leaves them is
 * an error, never a wrong number. */
#include "chat/jinja_run.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define MAX_RANGE 100000        /* as Jinja's sandbox */

static int overflow(qn_jrun *r) {
    r->placed = true;
    return qn_jprogram_fail(r->p, r->pos, QN_ELIMIT, "an integer beyond 64 bits");
}

static int too_long(qn_jrun *r) {
    r->placed = true;
    return qn_jprogram_fail(r->p, r->pos, QN_ELIMIT, "what is repeated would be longer than a template may make it");
}

static const char *op_text(qn_jnode_kind op) {
    static const char *const text[] = {"+", "-", "*", "/", "//", "%", "**"};
    return op >= QN_NADD && op <= QN_NPOW ? text[op - QN_NADD] : "?";
}

static int no_such(qn_jrun *r, qn_jnode_kind op, qn_jv a, qn_jv b) {
    if (a.kind == QN_JUNDEFINED || b.kind == QN_JUNDEFINED)
        return qn_jrun_undefined(r, a.kind == QN_JUNDEFINED ? a : b);
    return qn_jrun_fail(r, "'%s' does not go between %s and %s", op_text(op), qn_jv_type(a), qn_jv_type(b));
}

/* ---- integers ------------------------------------------------------------------------------------------------ */

static int64_t floor_div(int64_t a, int64_t b) {
    int64_t q = a / b;
    return q - (a % b != 0 && (a < 0) != (b < 0));
}

static int64_t floor_mod(int64_t a, int64_t b) {
    int64_t m = b == -1 ? 0 : a % b;
    return m + (m != 0 && (m < 0) != (b < 0) ? b : 0);
}

static int int_pow(qn_jrun *r, int64_t base, int64_t exp, int64_t *out) {
    *out = 1;
    for (; exp > 0; exp >>= 1) {
        if ((exp & 1) && QN_MUL_OVERFLOW(*out, base, out))
            return overflow(r);
        if (exp > 1 && QN_MUL_OVERFLOW(base, base, &base))
            return overflow(r);
    }
    return 0;
}

static int int_math(qn_jrun *r, qn_jnode_kind op, int64_t a, int64_t b, qn_jv *out) {
    int64_t v = 0;
    if (b == 0 && (op == QN_NDIV || op == QN_NFLOORDIV || op == QN_NMOD))
        return qn_jrun_fail(r, "division by zero");
    switch (op) {
    case QN_NADD: if (QN_ADD_OVERFLOW(a, b, &v)) return overflow(r); break;
    case QN_NSUB: if (b == INT64_MIN || QN_ADD_OVERFLOW(a, -b, &v)) return overflow(r); break;
    case QN_NMUL: if (QN_MUL_OVERFLOW(a, b, &v)) return overflow(r); break;
    case QN_NDIV: *out = qn_jv_float((double)a / (double)b); return 0;
    case QN_NFLOORDIV: if (a == INT64_MIN && b == -1) return overflow(r); v = floor_div(a, b); break;
    case QN_NMOD: v = floor_mod(a, b); break;
    default: QN_TRY(int_pow(r, a, b, &v)); break;
    }
    *out = qn_jv_int(v);
    return 0;
}

/* ---- floats -------------------------------------------------------------------------------------------------- */

static double float_mod(double a, double b) {
    double m = fmod(a, b);
    return m != 0 ? ((m < 0) != (b < 0) ? m + b : m) : copysign(0, b);
}

/* As Python: exact multiples stay exact, rounding never moves the quotient by one. */
static double float_floor_div(double a, double b) {
    double m = fmod(a, b), q = (a - m) / b;
    if (m != 0 && (m < 0) != (b < 0))
        q -= 1;
    double f = floor(q);
    return q == 0 ? copysign(0, a / b) : q - f > 0.5 ? f + 1 : f;
}

static int float_math(qn_jrun *r, qn_jnode_kind op, double a, double b, qn_jv *out) {
    double v;
    if (b == 0 && (op == QN_NDIV || op == QN_NFLOORDIV || op == QN_NMOD))
        return qn_jrun_fail(r, "division by zero");
    switch (op) {
    case QN_NADD: v = a + b; break;
    case QN_NSUB: v = a - b; break;
    case QN_NMUL: v = a * b; break;
    case QN_NDIV: v = a / b; break;
    case QN_NFLOORDIV: v = float_floor_div(a, b); break;
    case QN_NMOD: v = float_mod(a, b); break;
    default:
        if ((a == 0 && b < 0) || (a < 0 && isfinite(b) && b != floor(b)))
            return qn_jrun_fail(r, "this power is no real number");
        v = pow(a, b);
        if (isinf(v) && isfinite(a) && isfinite(b))
            return qn_jrun_fail(r, "this power is too large");
    }
    *out = qn_jv_float(v);
    return 0;
}

/* ---- sequences ----------------------------------------------------------------------------------------------- */

static int repeat_str(qn_jrun *r, qn_jv s, int64_t times, qn_jv *out) {
    qn_jsb b;
    int64_t bytes;
    qn_jsb_init(&b, &r->arena);
    if (QN_MUL_OVERFLOW((int64_t)s.u.s->n, QN_MAX(times, 0), &bytes) || (size_t)bytes > r->arena.limit)
        return too_long(r);
    QN_TRY(qn_jrun_charge(r, (size_t)bytes));
    for (int64_t i = 0; i < times && s.u.s->n; i++)
        QN_TRY(qn_jsb_str(&b, s.u.s));
    QN_TRY(qn_jtext_value(r, &b, out));
    out->markup = s.markup;
    return 0;
}

static int repeat_list(qn_jrun *r, qn_jv l, int64_t times, qn_jv *out) {
    size_t n = l.u.list->n, room;
    times = QN_MAX(times, 0);
    if (QN_MUL_OVERFLOW(n, (size_t)times, &room) || room > r->arena.limit / sizeof(qn_jv))
        return too_long(r);
    QN_TRY(qn_jrun_charge(r, room * sizeof(qn_jv)));
    QN_TRY(qn_jv_list(&r->arena, (qn_jkind)l.kind, room, out));
    for (size_t i = 0; i < room; i++)
        out->u.list->v[out->u.list->n++] = l.u.list->v[i % n];
    out->data = l.data;
    return 0;
}

static int join_lists(qn_jrun *r, qn_jv a, qn_jv b, qn_jv *out) {
    const qn_jlist *x = a.u.list, *y = b.u.list;
    QN_TRY(qn_jrun_charge(r, (x->n + y->n) * sizeof(qn_jv)));
    QN_TRY(qn_jv_list(&r->arena, (qn_jkind)a.kind, x->n + y->n, out));
    if (x->n)
        memcpy(out->u.list->v, x->v, x->n * sizeof *x->v);
    if (y->n)
        memcpy(out->u.list->v + x->n, y->v, y->n * sizeof *y->v);
    out->u.list->n = x->n + y->n;
    out->data = a.data || b.data;
    return 0;
}

/* Strings one behind the other; a markup one escapes the other. */
static int join_strs(qn_jrun *r, qn_jv a, qn_jv b, qn_jv *out) {
    qn_jsb s;
    qn_jsb_init(&s, &r->arena);
    bool markup = a.markup || b.markup;
    QN_TRY(markup && !a.markup ? qn_jescape(&s, a.u.s) : qn_jsb_str(&s, a.u.s));
    QN_TRY(markup && !b.markup ? qn_jescape(&s, b.u.s) : qn_jsb_str(&s, b.u.s));
    QN_TRY(qn_jtext_value(r, &s, out));
    out->markup = markup;
    return 0;
}

/* ---- the doors ----------------------------------------------------------------------------------------------- */

static int number_math(qn_jrun *r, qn_jnode_kind op, qn_jv a, qn_jv b, qn_jv *out) {
    int64_t i, j;
    if (a.kind == QN_JBIG || b.kind == QN_JBIG)
        return overflow(r);
    bool whole = qn_jv_integral(a, &i) && qn_jv_integral(b, &j);
    if (whole && !(op == QN_NPOW && j < 0))
        QN_TRY(int_math(r, op, i, j, out));
    else
        QN_TRY(float_math(r, op, qn_jv_double(a), qn_jv_double(b), out));
    out->data = a.data || b.data;
    return 0;
}

int qn_jadd(qn_jrun *r, qn_jv a, qn_jv b, qn_jv *out) {
    if (a.kind == QN_JSTR && b.kind == QN_JSTR)
        return join_strs(r, a, b, out);
    if (qn_jv_number(a) && qn_jv_number(b))
        return number_math(r, QN_NADD, a, b, out);
    if (a.kind == b.kind && (a.kind == QN_JLIST || a.kind == QN_JTUPLE))
        return join_lists(r, a, b, out);
    return no_such(r, QN_NADD, a, b);
}

int qn_jmath(qn_jrun *r, qn_jnode_kind op, qn_jv a, qn_jv b, qn_jv *out) {
    int64_t times;
    if (qn_jv_number(a) && qn_jv_number(b))
        return number_math(r, op, a, b, out);
    if (op == QN_NMOD && a.kind == QN_JSTR)
        return qn_jformat_percent(r, a.u.s, b, out);
    if (op == QN_NMUL && qn_jv_integral(a, &times) && b.kind != QN_JINT) {
        qn_jv swap = a;
        a = b;
        b = swap;
    }
    if (op == QN_NMUL && qn_jv_integral(b, &times)) {
        if (a.kind == QN_JSTR)
            return repeat_str(r, a, times, out);
        if (a.kind == QN_JLIST || a.kind == QN_JTUPLE)
            return repeat_list(r, a, times, out);
    }
    return no_such(r, op, a, b);
}

int qn_jmath_sign(qn_jrun *r, bool negative, qn_jv a, qn_jv *out) {
    int64_t i;
    if (a.kind == QN_JUNDEFINED)
        return qn_jrun_undefined(r, a);
    if (!qn_jv_number(a))
        return qn_jrun_fail(r, "a sign does not go before %s", qn_jv_type(a));
    if (a.kind == QN_JBIG || (qn_jv_integral(a, &i) && negative && i == INT64_MIN))
        return overflow(r);
    *out = a.kind == QN_JFLOAT ? qn_jv_float(negative ? -a.u.f : a.u.f) : qn_jv_int(negative ? -i : i);
    out->data = a.data;
    return 0;
}

/* Python's slice.indices. */
static void slice_bounds(int64_t n, const int64_t *start, const int64_t *stop, int64_t step, int64_t *from,
                         int64_t *to) {
    int64_t low = step > 0 ? 0 : -1, high = step > 0 ? n : n - 1;
    int64_t a = start ? *start : step > 0 ? low : high, b = stop ? *stop : step > 0 ? high : low;
    if (start)
        a = a < 0 ? QN_MAX(a + n, low) : QN_MIN(a, high);
    if (stop)
        b = b < 0 ? QN_MAX(b + n, low) : QN_MIN(b, high);
    *from = a;
    *to = b;
}

static int slice_str(qn_jrun *r, qn_jv obj, int64_t from, int64_t to, int64_t step, qn_jv *out) {
    const qn_jstr *s = obj.u.s;
    qn_jsb b;
    if (step == 1) {
        size_t begin = qn_jstr_offset(s, from), end = qn_jstr_offset(s, QN_MAX(from, to));
        QN_TRY(qn_jv_str(&r->arena, qn_jstr_cut(s, begin, end), out));
        out->markup = obj.markup;
        return 0;
    }
    /* Any other step: characters one by one, by a table of where they begin. */
    size_t *at, n = 0;
    QN_TRY(QN_JNEW(&r->arena, at, s->n + 1));
    for (size_t i = 0; i < s->n; i++)
        if (((unsigned char)s->s[i] & 0xC0) != 0x80)
            at[n++] = i;
    at[n] = s->n;
    qn_jsb_init(&b, &r->arena);
    for (int64_t i = from; step > 0 ? i < to : i > to;) {
        qn_jstr c = qn_jstr_cut(s, at[i], at[i + 1]);
        QN_TRY(qn_jsb_str(&b, &c));
        if (QN_ADD_OVERFLOW(i, step, &i))
            break;
    }
    return qn_jtext_value(r, &b, out);
}

static int slice_list(qn_jrun *r, qn_jv obj, int64_t from, int64_t to, int64_t step, qn_jv *out) {
    QN_TRY(qn_jv_list(&r->arena, (qn_jkind)obj.kind, 0, out));
    for (int64_t i = from; step > 0 ? i < to : i > to;) {
        QN_TRY(qn_jlist_add(&r->arena, out->u.list, obj.u.list->v[i]));
        if (QN_ADD_OVERFLOW(i, step, &i))
            break;
    }
    out->data = obj.data;
    if (obj.kind == QN_JRANGE) {
        const qn_jlist *old = obj.u.list;
        out->u.list->start = old->start + from * old->step;
        out->u.list->stop = old->start + to * old->step;
        out->u.list->step = old->step * step;
    }
    return qn_jrun_charge(r, out->u.list->n * sizeof(qn_jv));
}

int qn_jslice(qn_jrun *r, qn_jv obj, const qn_jv at[3], qn_jv *out) {
    int64_t v[3] = {0, 0, 1}, from, to;
    bool given[3];
    if (obj.kind == QN_JUNDEFINED)
        return qn_jrun_undefined(r, obj);
    if (obj.kind != QN_JSTR && !qn_jv_sequence(obj))
        return qn_jrun_fail(r, "a %s cannot be sliced", qn_jv_type(obj));
    for (int i = 0; i < 3; i++) {
        given[i] = at[i].kind != QN_JNONE;
        if (given[i] && !qn_jv_integral(at[i], &v[i]))
            return qn_jrun_fail(r, "the parts of a slice must be integers or none, not %s", qn_jv_type(at[i]));
    }
    if (v[2] == 0)
        return qn_jrun_fail(r, "the step of a slice must not be 0");
    int64_t n = obj.kind == QN_JSTR ? qn_jstr_length(obj.u.s) : (int64_t)obj.u.list->n;
    if (obj.kind == QN_JSTR)
        QN_TRY(qn_jrun_charge(r, obj.u.s->n));
    slice_bounds(n, given[0] ? &v[0] : NULL, given[1] ? &v[1] : NULL, v[2], &from, &to);
    return obj.kind == QN_JSTR ? slice_str(r, obj, from, to, v[2], out) : slice_list(r, obj, from, to, v[2], out);
}

int qn_jrange(qn_jrun *r, int64_t start, int64_t stop, int64_t step, qn_jv *out) {
    if (step == 0)
        return qn_jrun_fail(r, "range: the step must not be 0");
    uint64_t span = step > 0 ? (start < stop ? (uint64_t)stop - (uint64_t)start : 0)
                             : (start > stop ? (uint64_t)start - (uint64_t)stop : 0);
    uint64_t stride = step > 0 ? (uint64_t)step : 0 - (uint64_t)step;
    uint64_t n = span / stride + (span % stride != 0);
    if (n > MAX_RANGE) {
        r->placed = true;
        return qn_jprogram_fail(r->p, r->pos, QN_ELIMIT, "range: more than %d items", MAX_RANGE);
    }
    QN_TRY(qn_jrun_charge(r, (size_t)n * sizeof(qn_jv)));
    QN_TRY(qn_jv_list(&r->arena, QN_JRANGE, (size_t)n, out));
    qn_jlist *l = out->u.list;
    l->start = start;
    l->stop = stop;
    l->step = step;
    for (; l->n < n; l->n++)
        l->v[l->n] = qn_jv_int((int64_t)((uint64_t)start + (uint64_t)l->n * (uint64_t)step));
    return 0;
}

static int chars_of(qn_jrun *r, const qn_jstr *s, qn_jlist *l) {
    uint32_t c;
    QN_TRY(qn_jrun_charge(r, s->n * sizeof(qn_jv)));
    for (size_t at = 0, n; at < s->n; at += n) {
        qn_jv v;
        n = qn_jstr_char(s, at, &c);
        QN_TRY(qn_jv_str(&r->arena, qn_jstr_cut(s, at, at + n), &v));
        QN_TRY(qn_jlist_add(&r->arena, l, v));
    }
    return 0;
}

int qn_jiter_defer(qn_jrun *r, int rc, qn_jv it) {
    if (rc != QN_ETEMPLATE)
        return rc;
    const char *message = qn_error_message();
    char place[160], *copy;
    int line, column;
    qn_jprogram_place(r->p, r->pos, &line, &column);
    int n = snprintf(place, sizeof place, "%s:%d:%d: ", r->p->label, line, column);
    /* The place is put in front again when it fails. */
    size_t skip = n > 0 && strncmp(message, place, (size_t)n) == 0 ? (size_t)n : 0;
    QN_TRY(QN_JNEW(&r->arena, copy, strlen(message + skip) + 1));
    it.u.list->error = strcpy(copy, message + skip);
    r->placed = false;
    return 0;
}

int qn_jitems(qn_jrun *r, qn_jv v, qn_jlist **out) {
    qn_jv list;
    if (qn_jv_sequence(v) || v.kind == QN_JVIEW) {
        *out = v.u.list;
        return 0;
    }
    QN_TRY(qn_jv_list(&r->arena, QN_JLIST, 0, &list));
    *out = list.u.list;
    if (v.kind == QN_JUNDEFINED)
        return 0;
    if (v.kind == QN_JSTR)
        return chars_of(r, v.u.s, *out);
    if (v.kind == QN_JITER) {
        qn_jlist *src = v.u.list;
        if (src->error)
            return qn_jrun_fail(r, "%s", src->error);
        (*out)->v = src->n ? src->v + src->at : NULL;
        (*out)->n = (*out)->cap = src->n - src->at;
        src->at = src->n;
        return 0;
    }
    if (v.kind != QN_JDICT)
        return qn_jrun_fail(r, "a %s cannot be iterated: expected a list, a dict or a string", qn_jv_type(v));
    for (size_t i = 0; i < v.u.dict->n; i++)
        QN_TRY(qn_jlist_add(&r->arena, *out, v.u.dict->e[i].key));
    return 0;
}
