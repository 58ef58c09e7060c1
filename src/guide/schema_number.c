/* guide/schema_number.c — numbers as JSON spells them; between two bounds, digit by digit.
 *
 *     317 … 582     3 (1 [7-9] | [2-9] .) | 4 . . | 5 ([0-7] . | 8 [0-2])        the same number of digits; else
 *     9 … 1204      9 | [1-9] . | [1-9] . . | 1000 … 1204                        one piece for each number of digits
 *     0.25 … 3      0.25 … below 1 | 1 … 2 with any fraction | 3, 3.0            digits behind the point from the left
 *
 * Nothing is written with an exponent there, so that its size shows in its digits. */
#include "guide/regular.h"
#include "guide/schema.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define LARGEST 999999999999999 /* 15 digits: exact as a double */

static int32_t text(qn_rule_tree *t, const char *z) { return qn_tree_text(t, qn_str_of(z)); }
static int32_t never(qn_rule_tree *t) { return qn_tree_alt(t, NULL, 0); }
static int32_t digits(qn_rule_tree *t, char lo, char hi, int64_t least, int64_t most) {
    return qn_tree_repeat(t, qn_tree_range(t, (uint32_t)lo, (uint32_t)hi), least, most);
}

static int32_t pair(qn_rule_tree *t, int32_t a, int32_t b) {
    const int32_t part[] = {a, b};
    return qn_tree_seq(t, part, 2);
}

/* As many digits as `lo` has: from lo on (`up`), or up to it. */
static int32_t one_sided(qn_rule_tree *t, const char *lo, bool up) {
    const int64_t behind = (int64_t)strlen(lo) - 1;
    int32_t way[2];
    size_t n = 0;
    if (behind < 0)
        return 0;
    const char end = up ? '9' : '0';
    const char digit[2] = {lo[0], '\0'};
    if (lo[0] != end)
        way[n++] = pair(t, up ? digits(t, (char)(lo[0] + 1), '9', 1, 1) : digits(t, '0', (char)(lo[0] - 1), 1, 1),
                        digits(t, '0', '9', behind, behind));
    way[n++] = pair(t, text(t, digit), one_sided(t, lo + 1, up));
    return qn_tree_alt(t, way, n);
}

/* Two numbers of the same number of digits, lo ≤ hi. */
static int32_t same_length(qn_rule_tree *t, const char *lo, const char *hi) {
    const int64_t behind = (int64_t)strlen(lo) - 1;
    int32_t way[3];
    size_t n = 0;
    if (behind < 0)
        return 0;
    const char first[2] = {lo[0], '\0'}, last[2] = {hi[0], '\0'};
    if (lo[0] == hi[0])
        return pair(t, text(t, first), same_length(t, lo + 1, hi + 1));
    way[n++] = pair(t, text(t, first), one_sided(t, lo + 1, true));
    if (hi[0] - lo[0] > 1)
        way[n++] = pair(t, digits(t, (char)(lo[0] + 1), (char)(hi[0] - 1), 1, 1), digits(t, '0', '9', behind, behind));
    way[n++] = pair(t, text(t, last), one_sided(t, hi + 1, false));
    return qn_tree_alt(t, way, n);
}

/* Whole numbers lo … hi, neither negative; none where lo > hi. */
static int32_t between(qn_rule_tree *t, int64_t lo, int64_t hi) {
    int32_t way[20];
    size_t n = 0;
    for (int64_t from = 0, to = 9; from <= LARGEST && from <= hi; from = to + 1, to = to * 10 + 9) {
        char a[24], b[24];
        if (QN_MAX(lo, from) > QN_MIN(hi, to))
            continue;
        snprintf(a, sizeof a, "%lld", (long long)QN_MAX(lo, from));
        snprintf(b, sizeof b, "%lld", (long long)QN_MIN(hi, to));
        way[n++] = same_length(t, a, b);
    }
    return qn_tree_alt(t, way, n);
}

/* ---- behind the point ---- */

/* A number without its sign: whole part, digits behind the point without zeros at the end; open: itself is out. */
typedef struct { bool negative, open; int64_t at; char frac[QN_SCHEMA_DIGITS + 1]; } bound;

static int32_t one(qn_rule_tree *t, char c) { return qn_tree_range(t, (uint32_t)c, (uint32_t)c); }
static int32_t any_digits(qn_rule_tree *t, int64_t least, int64_t most) { return digits(t, '0', '9', least, most); }

/* Nothing, or a point and digits. */
static int32_t any_fraction(qn_rule_tree *t) {
    return qn_tree_repeat(t, pair(t, one(t, '.'), any_digits(t, 1, QN_SCHEMA_DIGITS)), 0, 1);
}

/* More than nothing: the last digit is none. */
static int32_t some_fraction(qn_rule_tree *t, int64_t room) {
    return pair(t, any_digits(t, 0, room - 1), digits(t, '1', '9', 1, 1));
}

/* Digits that are lo or more; `room` for so many. */
static int32_t digits_from(qn_rule_tree *t, const char *lo, bool open, int64_t room) {
    int32_t way[2];
    size_t n = 0;
    if (!lo[0])
        return open ? some_fraction(t, room) : any_digits(t, 0, room);
    if (lo[0] < '9')
        way[n++] = pair(t, digits(t, (char)(lo[0] + 1), '9', 1, 1), any_digits(t, 0, room - 1));
    way[n++] = pair(t, one(t, lo[0]), digits_from(t, lo + 1, open, room - 1));
    return qn_tree_alt(t, way, n);
}

/* One digit at least, and no more than hi, which does not end with a zero. */
static int32_t digits_to(qn_rule_tree *t, const char *hi, bool open, int64_t room) {
    int32_t way[2];
    size_t n = 0;
    if (hi[0] > '0')
        way[n++] = pair(t, digits(t, '0', (char)(hi[0] - 1), 1, 1), any_digits(t, 0, room - 1));
    if (hi[1])
        way[n++] = pair(t, one(t, hi[0]), qn_tree_repeat(t, digits_to(t, hi + 1, open, room - 1), 0, 1));
    else if (!open)
        way[n++] = pair(t, one(t, hi[0]), digits(t, '0', '0', 0, room - 1));
    return qn_tree_alt(t, way, n);
}

/* What may stand behind the whole part of the lower bound. */
static int32_t fraction_from(qn_rule_tree *t, const bound *lo) {
    if (!lo->frac[0] && !lo->open)
        return any_fraction(t);
    return pair(t, one(t, '.'), digits_from(t, lo->frac, lo->open, QN_SCHEMA_DIGITS));
}

/* … of the upper one. */
static int32_t fraction_to(qn_rule_tree *t, const bound *hi) {
    if (!hi->frac[0] && hi->open)
        return never(t);
    const int32_t some = hi->frac[0] ? digits_to(t, hi->frac, hi->open, QN_SCHEMA_DIGITS)
                                     : digits(t, '0', '0', 1, QN_SCHEMA_DIGITS);
    return qn_tree_repeat(t, pair(t, one(t, '.'), some), 0, 1);
}

/* … of both, where they have the same. */
static int32_t fraction_between(qn_rule_tree *t, const bound *lo, const bound *hi) {
    qn_rule_tree plain;
    int32_t expr = 0;
    int rc = qn_tree_init(&plain);
    if (rc >= 0) {
        const qn_regular both[] = {{fraction_from(&plain, lo), false},
                                   {fraction_to(&plain, hi), false}};
        rc = plain.rc < 0 ? plain.rc : qn_regular_all(t, &plain, both, 2, &expr);
    }
    qn_tree_drop(&plain);
    t->rc = t->rc < 0 ? t->rc : QN_MIN(rc, 0);
    return expr;
}

/* ---- with bounds ---- */

/* Not negative, between two bounds of which either may be out; with or without a fraction. */
static int32_t not_negative(qn_rule_tree *t, const bound *lo, const bound *hi, bool fraction) {
    if (!fraction)
        return between(t, lo->at + lo->open, hi->at - hi->open);
    if (lo->at == hi->at)
        return pair(t, between(t, lo->at, lo->at), fraction_between(t, lo, hi));
    const int32_t way[] = {pair(t, between(t, lo->at, lo->at), fraction_from(t, lo)),
                           pair(t, between(t, lo->at + 1, hi->at - 1), any_fraction(t)),
                           pair(t, between(t, hi->at, hi->at), fraction_to(t, hi))};
    return qn_tree_alt(t, way, 3);
}

static bool is_zero(const bound *b) { return b->at == 0 && !b->frac[0]; }

static int32_t bounded(qn_rule_tree *t, const bound *lo, const bound *hi, bool fraction) {
    const bound zero = {0}, above = {.open = true};
    int32_t way[2];
    size_t n = 0;
    if (!hi->negative && !(is_zero(hi) && hi->open))
        way[n++] = not_negative(t, lo->negative ? &zero : lo, hi, fraction);
    if (lo->negative)                                       /* −b … −a, without −0 */
        way[n++] = pair(t, text(t, "-"), not_negative(t, hi->negative ? hi : &above, lo, fraction));
    return n ? qn_tree_alt(t, way, n) : never(t);
}

/* ---- without ---- */

static int32_t unbounded(qn_schema *s, bool fraction) {
    qn_rule_tree *t = &s->t;
    int32_t *rule = fraction ? &s->any_number : &s->any_whole;
    if (*rule < 0) {
        qn_char_range e[] = {{'e', 'e'}, {'E', 'E'}}, sign[] = {{'+', '+'}, {'-', '-'}};
        const int32_t behind = digits(t, '0', '9', 0, QN_SCHEMA_DIGITS - 1);
        const int32_t ways[] = {text(t, "0"), pair(t, qn_tree_range(t, '1', '9'), behind)};
        const int32_t whole = pair(t, qn_tree_repeat(t, text(t, "-"), 0, 1), qn_tree_alt(t, ways, 2));
        const int32_t point = pair(t, text(t, "."), digits(t, '0', '9', 1, QN_SCHEMA_DIGITS));
        const int32_t part[] = {qn_tree_class(t, e, 2, false),
                                qn_tree_repeat(t, qn_tree_class(t, sign, 2, false), 0, 1), digits(t, '0', '9', 1, 2)};
        const int32_t all[] = {whole, qn_tree_repeat(t, point, 0, 1),
                               qn_tree_repeat(t, qn_tree_seq(t, part, 3), 0, 1)};
        *rule = qn_tree_rule_add(t, QN_STR("number"));
        if (t->rc == 0)
            t->rule[*rule].body = fraction ? qn_tree_seq(t, all, 3) : whole;
    }
    return qn_tree_call(t, *rule);
}

/* A bound of whole numbers is a whole one; of others, as it is written. Beyond what is written here anyway is as good
 * as none. */
static int read_bound(qn_schema *s, const qn_schema_facts *f, bool low, bool fraction, bound *out) {
    const qn_schema_bound *b = low ? &f->low : &f->high;
    const double edge = low ? -LARGEST : LARGEST, inside = low ? ceil(b->at) : floor(b->at);
    const double at = !b->is ? edge : fraction ? b->at : inside;
    const bool wide = low ? at <= -LARGEST : at >= LARGEST;
    char digit[QN_F64_TEXT];
    *out = (bound){.negative = at < 0, .open = b->is && b->open && at == b->at && !wide};
    if (fabs(at) >= LARGEST) {
        out->at = LARGEST;
        out->open = !wide;                                  /* such a number cannot be written here */
        return 0;
    }
    out->at = (int64_t)fabs(at);
    qn_f64_text(fabs(at), digit);
    const char *point = strchr(digit, '.');
    if (strchr(digit, 'e') || (point && strlen(point + 1) >= QN_SCHEMA_DIGITS))
        return at == trunc(at) ? 0 : qn_schema_fail(s, QN_EUNSUPPORTED, f->bound_at, "a bound of %g; up to %d digits "
                                                    "behind the point are understood", at, QN_SCHEMA_DIGITS - 1);
    if (point && at != trunc(at))
        memcpy(out->frac, point + 1, strlen(point + 1) + 1);
    return 0;
}

int qn_schema_number(qn_schema *s, const qn_schema_facts *f, int32_t *expr) {
    const bool fraction = f->types & QN_IS_FRACTION;
    bound lo, hi;
    if (!f->low.is && !f->high.is) {
        *expr = unbounded(s, fraction);
        return s->t.rc;
    }
    const bool none = f->low.is && f->high.is &&
                      (f->low.at > f->high.at || (f->low.at == f->high.at && (f->low.open || f->high.open)));
    QN_TRY(read_bound(s, f, true, fraction, &lo));
    QN_TRY(read_bound(s, f, false, fraction, &hi));
    *expr = none ? never(&s->t) : bounded(&s->t, &lo, &hi, fraction);
    return s->t.rc;
}
