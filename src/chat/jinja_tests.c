/* chat/jinja_tests.c — `x is defined`, `x is string` and the other tests. */
#include "chat/jinja_run.h"

#define TEST(name, condition)                                                                     \
    static int t_##name(qn_jrun *r, qn_jv self, const qn_jargs *a, qn_jv *out) {                  \
        (void)r;                                                                                  \
        (void)a;                                                                                  \
        *out = qn_jv_bool(condition);                                                             \
        return 0;                                                                                 \
    }

TEST(defined, self.kind != QN_JUNDEFINED)
TEST(undefined, self.kind == QN_JUNDEFINED)
TEST(none, self.kind == QN_JNONE)
TEST(boolean, self.kind == QN_JBOOL)
TEST(true, self.kind == QN_JBOOL && self.u.b)
TEST(false, self.kind == QN_JBOOL && !self.u.b)
TEST(integer, self.kind == QN_JINT || self.kind == QN_JBIG)
TEST(float, self.kind == QN_JFLOAT)
TEST(number, qn_jv_number(self))
TEST(string, self.kind == QN_JSTR)
TEST(mapping, self.kind == QN_JDICT)
TEST(iterable, qn_jv_iterable(self))
TEST(sequence, qn_jv_sequence(self) || self.kind == QN_JSTR || self.kind == QN_JDICT || self.kind == QN_JUNDEFINED)
TEST(callable, self.kind == QN_JMACRO || self.kind == QN_JFUNC || self.kind == QN_JMETHOD || self.kind == QN_JJOINER ||
               self.kind == QN_JLOOP || self.kind == QN_JUNDEFINED)
TEST(escaped, self.kind == QN_JSTR && self.markup)
TEST(filter, self.kind == QN_JSTR && qn_jfilter_find(self.u.s))
TEST(test, self.kind == QN_JSTR && qn_jtest_find(self.u.s))

static int remainder_of(qn_jrun *r, qn_jv self, qn_jv by, int64_t is, qn_jv *out) {
    qn_jv rest;
    bool same;
    if (self.kind == QN_JSTR)
        return qn_jrun_fail(r, "this test needs a number, not a string");
    QN_TRY(qn_jmath(r, QN_NMOD, self, by, &rest));
    QN_TRY(qn_jv_equal(rest, qn_jv_int(is), 0, &same));
    *out = qn_jv_bool(same);
    return 0;
}

static int t_odd(qn_jrun *r, qn_jv self, const qn_jargs *a, qn_jv *out) {
    (void)a;
    return remainder_of(r, self, qn_jv_int(2), 1, out);
}

static int t_even(qn_jrun *r, qn_jv self, const qn_jargs *a, qn_jv *out) {
    (void)a;
    return remainder_of(r, self, qn_jv_int(2), 0, out);
}

static int t_divisibleby(qn_jrun *r, qn_jv self, const qn_jargs *a, qn_jv *out) {
    return remainder_of(r, self, a->v[0], 0, out);
}

/* At least one letter with two cases, and all of them in this one. */
static int one_case(qn_jrun *r, qn_jv self, unsigned want, unsigned other, qn_jv *out) {
    qn_jstr s;
    bool any = false, wrong = false;
    uint32_t c;
    QN_TRY(qn_jtext(r, self, &s));
    for (size_t at = 0; at < s.n;) {
        at += qn_jstr_char(&s, at, &c);
        unsigned k = qn_jchar_class(c);
        any = any || (k & want);
        wrong = wrong || (k & other);
    }
    *out = qn_jv_bool(any && !wrong);
    return 0;
}

static int t_lower(qn_jrun *r, qn_jv self, const qn_jargs *a, qn_jv *out) {
    (void)a;
    return one_case(r, self, QN_JIS_LOWER, QN_JIS_UPPER, out);
}

static int t_upper(qn_jrun *r, qn_jv self, const qn_jargs *a, qn_jv *out) {
    (void)a;
    return one_case(r, self, QN_JIS_UPPER, QN_JIS_LOWER, out);
}

static int compared(qn_jrun *r, qn_jcmp how, qn_jv self, const qn_jargs *a, qn_jv *out) {
    bool yes;
    QN_TRY(qn_jcompare(r, how, self, a->v[0], &yes));
    *out = qn_jv_bool(yes);
    return 0;
}

static int t_eq(qn_jrun *r, qn_jv s, const qn_jargs *a, qn_jv *out) { return compared(r, QN_CMP_EQ, s, a, out); }
static int t_ne(qn_jrun *r, qn_jv s, const qn_jargs *a, qn_jv *out) { return compared(r, QN_CMP_NE, s, a, out); }
static int t_lt(qn_jrun *r, qn_jv s, const qn_jargs *a, qn_jv *out) { return compared(r, QN_CMP_LT, s, a, out); }
static int t_le(qn_jrun *r, qn_jv s, const qn_jargs *a, qn_jv *out) { return compared(r, QN_CMP_LE, s, a, out); }
static int t_gt(qn_jrun *r, qn_jv s, const qn_jargs *a, qn_jv *out) { return compared(r, QN_CMP_GT, s, a, out); }
static int t_ge(qn_jrun *r, qn_jv s, const qn_jargs *a, qn_jv *out) { return compared(r, QN_CMP_GE, s, a, out); }
static int t_in(qn_jrun *r, qn_jv s, const qn_jargs *a, qn_jv *out) { return compared(r, QN_CMP_IN, s, a, out); }

/* Identity: exact for none, booleans and objects; small numbers and equal strings count as the same. */
static int t_sameas(qn_jrun *r, qn_jv self, const qn_jargs *a, qn_jv *out) {
    qn_jv other = a->v[0];
    bool same = self.kind == other.kind;
    (void)r;
    if (same && (qn_jv_number(self) || self.kind == QN_JSTR))
        QN_TRY(qn_jv_equal(self, other, 0, &same));
    else if (same && self.kind != QN_JNONE)
        same = self.u.dict == other.u.dict;
    *out = qn_jv_bool(same);
    return 0;
}

static const qn_jbuiltin tests[] = {
    {"!=", t_ne, "other", 1},
    {"<", t_lt, "other", 1},
    {"<=", t_le, "other", 1},
    {"==", t_eq, "other", 1},
    {">", t_gt, "other", 1},
    {">=", t_ge, "other", 1},
    {"boolean", t_boolean, "", 0},
    {"callable", t_callable, "", 0},
    {"defined", t_defined, "", 0},
    {"divisibleby", t_divisibleby, "num", 1},
    {"eq", t_eq, "other", 1},
    {"equalto", t_eq, "other", 1},
    {"escaped", t_escaped, "", 0},
    {"even", t_even, "", 0},
    {"false", t_false, "", 0},
    {"filter", t_filter, "", 0},
    {"float", t_float, "", 0},
    {"ge", t_ge, "other", 1},
    {"greaterthan", t_gt, "other", 1},
    {"gt", t_gt, "other", 1},
    {"in", t_in, "seq", 1},
    {"integer", t_integer, "", 0},
    {"iterable", t_iterable, "", 0},
    {"le", t_le, "other", 1},
    {"lessthan", t_lt, "other", 1},
    {"lower", t_lower, "", 0},
    {"lt", t_lt, "other", 1},
    {"mapping", t_mapping, "", 0},
    {"ne", t_ne, "other", 1},
    {"none", t_none, "", 0},
    {"number", t_number, "", 0},
    {"odd", t_odd, "", 0},
    {"sameas", t_sameas, "other", 1},
    {"sequence", t_sequence, "", 0},
    {"string", t_string, "", 0},
    {"test", t_test, "", 0},
    {"true", t_true, "", 0},
    {"undefined", t_undefined, "", 0},
    {"upper", t_upper, "", 0},
};

const qn_jbuiltin *qn_jtest_find(const qn_jstr *name) {
    return qn_jbuiltin_find(tests, QN_LEN(tests), name);
}
