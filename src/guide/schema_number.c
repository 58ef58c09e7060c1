/* guide/schema_number.c — numbers as JSON spells them; between two bounds, digit by digit.
 *
 *     317 … 582     3 (1 [7-9] | [2-9] .) | 4 . . | 5 ([0-7] . | 8 [0-2])        the same number of digits; else
 *     9 … 1204      9 | [1-9] . | [1-9] . . | 1000 … 1204                        one piece for each number of digits
 *
 * Whole bounds only: a number that is not whole between them is a whole one less than the bound, and a fraction.
 * Nothing is written with an exponent there, so that its size shows in its digits. */
#include "guide/schema.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define LARGEST 999999999999999 /* 15 digits: exact as a double */

static int32_t text(qn_schema *s, const char *z) { return qn_tree_text(&s->t, qn_str_of(z)); }
static int32_t never(qn_schema *s) { return qn_tree_alt(&s->t, NULL, 0); }
static int32_t digits(qn_schema *s, char lo, char hi, int64_t least, int64_t most) {
    return qn_tree_repeat(&s->t, qn_tree_range(&s->t, (uint32_t)lo, (uint32_t)hi), least, most);
}

static int32_t pair(qn_schema *s, int32_t a, int32_t b) {
    const int32_t part[] = {a, b};
    return qn_tree_seq(&s->t, part, 2);
}

/* As many digits as `lo` has: from lo on (`up`), or up to it. */
static int32_t one_sided(qn_schema *s, const char *lo, bool up) {
    const int64_t behind = (int64_t)strlen(lo) - 1;
    int32_t way[2];
    size_t n = 0;
    if (behind < 0)
        return 0;
    const char end = up ? '9' : '0';
    const char digit[2] = {lo[0], '\0'};
    if (lo[0] != end)
        way[n++] = pair(s, up ? digits(s, (char)(lo[0] + 1), '9', 1, 1) : digits(s, '0', (char)(lo[0] - 1), 1, 1),
                        digits(s, '0', '9', behind, behind));
    way[n++] = pair(s, text(s, digit), one_sided(s, lo + 1, up));
    return qn_tree_alt(&s->t, way, n);
}

/* Two numbers of the same number of digits, lo ≤ hi. */
static int32_t same_length(qn_schema *s, const char *lo, const char *hi) {
    const int64_t behind = (int64_t)strlen(lo) - 1;
    int32_t way[3];
    size_t n = 0;
    if (behind < 0)
        return 0;
    const char first[2] = {lo[0], '\0'}, last[2] = {hi[0], '\0'};
    if (lo[0] == hi[0])
        return pair(s, text(s, first), same_length(s, lo + 1, hi + 1));
    way[n++] = pair(s, text(s, first), one_sided(s, lo + 1, true));
    if (hi[0] - lo[0] > 1)
        way[n++] = pair(s, digits(s, (char)(lo[0] + 1), (char)(hi[0] - 1), 1, 1), digits(s, '0', '9', behind, behind));
    way[n++] = pair(s, text(s, last), one_sided(s, hi + 1, false));
    return qn_tree_alt(&s->t, way, n);
}

/* Whole numbers lo … hi, neither negative; none where lo > hi. */
static int32_t between(qn_schema *s, int64_t lo, int64_t hi) {
    int32_t way[20];
    size_t n = 0;
    for (int64_t from = 0, to = 9; from <= LARGEST && from <= hi; from = to + 1, to = to * 10 + 9) {
        char a[24], b[24];
        if (QN_MAX(lo, from) > QN_MIN(hi, to))
            continue;
        snprintf(a, sizeof a, "%lld", (long long)QN_MAX(lo, from));
        snprintf(b, sizeof b, "%lld", (long long)QN_MIN(hi, to));
        way[n++] = same_length(s, a, b);
    }
    return qn_tree_alt(&s->t, way, n);
}

/* ---- with bounds ---- */

typedef struct { int64_t at; bool open; } bound;

/* Not negative, between two whole bounds of which either may be out; with or without a fraction. */
static int32_t not_negative(qn_schema *s, bound lo, bound hi, bool fraction) {
    qn_rule_tree *t = &s->t;
    const int32_t any = qn_tree_repeat(t, pair(s, text(s, "."), digits(s, '0', '9', 1, QN_SCHEMA_DIGITS)), 0, 1);
    int32_t way[4];
    size_t n = 0;
    if (!fraction)
        return between(s, lo.at + lo.open, hi.at - hi.open);
    if (lo.open && lo.at < hi.at) {                         /* the bound itself, and then something */
        const int32_t some[] = {between(s, lo.at, lo.at), text(s, "."), digits(s, '0', '9', 0, QN_SCHEMA_DIGITS - 1),
                                qn_tree_range(t, '1', '9')};
        way[n++] = qn_tree_seq(t, some, 4);
    }
    way[n++] = pair(s, between(s, lo.at + lo.open, hi.at - 1), any);
    if (!hi.open && (lo.at < hi.at || !lo.open)) {
        const int32_t zeros = qn_tree_repeat(t, pair(s, text(s, "."), digits(s, '0', '0', 1, QN_SCHEMA_DIGITS)), 0, 1);
        way[n++] = pair(s, between(s, hi.at, hi.at), zeros);
    }
    return qn_tree_alt(t, way, n);
}

static int32_t bounded(qn_schema *s, bound lo, bound hi, bool fraction) {
    const bound zero = {0, false}, above = {0, true};
    int32_t way[2];
    size_t n = 0;
    if (hi.at > 0 || (hi.at == 0 && !hi.open))
        way[n++] = not_negative(s, lo.at >= 0 ? lo : zero, hi, fraction);
    if (lo.at < 0) {                                        /* −b … −a, without −0 */
        const bound a = hi.at < 0 ? (bound){-hi.at, hi.open} : above, b = {-lo.at, lo.open};
        way[n++] = pair(s, text(s, "-"), not_negative(s, a, b, fraction));
    }
    return n ? qn_tree_alt(&s->t, way, n) : never(s);
}

/* ---- without ---- */

static int32_t unbounded(qn_schema *s, bool fraction) {
    qn_rule_tree *t = &s->t;
    int32_t *rule = fraction ? &s->any_number : &s->any_whole;
    if (*rule < 0) {
        qn_char_range e[] = {{'e', 'e'}, {'E', 'E'}}, sign[] = {{'+', '+'}, {'-', '-'}};
        const int32_t behind = digits(s, '0', '9', 0, QN_SCHEMA_DIGITS - 1);
        const int32_t ways[] = {text(s, "0"), pair(s, qn_tree_range(t, '1', '9'), behind)};
        const int32_t whole = pair(s, qn_tree_repeat(t, text(s, "-"), 0, 1), qn_tree_alt(t, ways, 2));
        const int32_t point = pair(s, text(s, "."), digits(s, '0', '9', 1, QN_SCHEMA_DIGITS));
        const int32_t part[] = {qn_tree_class(t, e, 2, false),
                                qn_tree_repeat(t, qn_tree_class(t, sign, 2, false), 0, 1), digits(s, '0', '9', 1, 2)};
        const int32_t all[] = {whole, qn_tree_repeat(t, point, 0, 1),
                               qn_tree_repeat(t, qn_tree_seq(t, part, 3), 0, 1)};
        *rule = qn_tree_rule_add(t, QN_STR("number"));
        if (t->rc == 0)
            t->rule[*rule].body = fraction ? qn_tree_seq(t, all, 3) : whole;
    }
    return qn_tree_call(t, *rule);
}

/* A bound of whole numbers, or one that happens to be whole. */
static int whole_bound(qn_schema *s, const qn_schema_facts *f, bool low, bool fraction, bound *out) {
    const qn_schema_bound *b = low ? &f->low : &f->high;
    const double at = b->at, inside = low ? ceil(at) : floor(at);
    if (!b->is) {
        *out = (bound){low ? -LARGEST : LARGEST, false};
        return 0;
    }
    if (inside != at && fraction)
        return qn_schema_fail(s, QN_EUNSUPPORTED, f->bound_at, "a bound of %g for numbers that need not be whole; "
                              "whole bounds are understood, and any for integers", at);
    if (fabs(inside) > LARGEST) {
        const bool wide = low ? inside < 0 : inside > 0;    /* beyond what is written here anyway */
        *out = (bound){inside < 0 ? -LARGEST : LARGEST, !wide};
        return 0;
    }
    *out = (bound){(int64_t)inside, b->open && inside == at};
    return 0;
}

int qn_schema_number(qn_schema *s, const qn_schema_facts *f, int32_t *expr) {
    const bool fraction = f->types & QN_IS_FRACTION;
    bound lo, hi;
    if (!f->low.is && !f->high.is) {
        *expr = unbounded(s, fraction);
        return s->t.rc;
    }
    QN_TRY(whole_bound(s, f, true, fraction, &lo));
    QN_TRY(whole_bound(s, f, false, fraction, &hi));
    const bool none = lo.at > hi.at || (lo.at == hi.at && (lo.open || hi.open));
    *expr = none ? never(s) : bounded(s, lo, hi, fraction);
    return s->t.rc;
}
