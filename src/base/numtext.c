/* base/numtext.c — numbers from and to text, the same in every locale.
 *
 * The C library does the hard decimal rounding, but reads and writes the decimal sign of the host program's locale. So
 * it never sees one here: it is given an integer and an exponent (12.5 → "125e-1"), and of what it prints only the
 * digits and the exponent are taken. */
#include "base/numtext.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

bool qn_parse_i64(qn_str s, int64_t *out) {
    size_t i = s.n && (s.s[0] == '-' || s.s[0] == '+');
    bool negative = i && s.s[0] == '-';
    int64_t v = 0;
    if (i == s.n)
        return false;
    for (; i < s.n; i++) {
        int digit = s.s[i] - '0';
        if (digit < 0 || digit > 9 || QN_MUL_OVERFLOW(v, (int64_t)10, &v) ||
            QN_ADD_OVERFLOW(v, (int64_t)(negative ? -digit : digit), &v))
            return false;
    }
    *out = v;
    return true;
}

/* A decimal number as the digits that matter: value = ±(digits as an integer) · 10^exp. No double has more than 767
 * significant digits half way to its neighbour, so after 800 a single 1 stands for all that follow. */
#define DIGITS_MAX 800
typedef struct {
    bool negative;
    int n;                          /* significant digits seen, at most DIGITS_MAX + 1 are kept */
    uint64_t head;                  /* the first 19 of them as a number */
    int64_t exp;
    char digits[DIGITS_MAX + 32];   /* room for the exponent that follows */
} decimal;

static void add_digit(decimal *d, char c) {
    if (d->n == 0 && c == '0')
        return;                                           /* leading zeros carry nothing */
    if (d->n < 19)
        d->head = d->head * 10 + (uint64_t)(c - '0');
    if (d->n < DIGITS_MAX) {
        d->digits[d->n++] = c;
        return;
    }
    d->exp++;                                             /* dropped, so the rest weighs ten times more */
    if (c != '0' && d->n == DIGITS_MAX) {
        d->digits[d->n++] = '1';
        d->exp--;
    }
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

/* [sign] digits [. digits] [e [sign] digits], with at least one digit in front of the exponent. */
static bool scan_decimal(qn_str s, decimal *d) {
    const char *p = s.s, *end = s.s + s.n;
    d->negative = false;
    d->n = 0;
    d->head = 0;
    d->exp = 0;
    if (p < end && (*p == '-' || *p == '+'))
        d->negative = *p++ == '-';
    const char *start = p;
    for (; p < end && is_digit(*p); p++)
        add_digit(d, *p);
    int64_t seen = p - start;
    if (p < end && *p == '.') {
        const char *point = ++p;
        for (; p < end && is_digit(*p); p++)
            add_digit(d, *p);
        d->exp -= p - point;
        seen += p - point;
    }
    if (seen == 0)
        return false;
    if (p == end)
        return true;
    if (*p != 'e' && *p != 'E')
        return false;
    p++;
    bool minus = p < end && *p == '-';
    if (p < end && (*p == '-' || *p == '+'))
        p++;
    if (p == end)
        return false;
    int64_t e = 0;
    for (; p < end && is_digit(*p); p++)
        e = QN_MIN(e * 10 + (*p - '0'), (int64_t)1 << 56);    /* beyond any text's length: stays beyond */
    d->exp += minus ? -e : e;
    return p == end;
}

/* Completes the digits to "…e±ddddd". By hand: printf would take as long as strtod. */
static void end_with_exponent(decimal *d) {
    int64_t e = QN_MAX(QN_MIN(d->exp, (int64_t)99999), (int64_t)-99999);
    char *p = d->digits + d->n;
    *p++ = 'e';
    *p++ = e < 0 ? '-' : '+';
    e = e < 0 ? -e : e;
    for (int64_t unit = 10000; unit > 0; unit /= 10)
        *p++ = (char)('0' + e / unit % 10);
    *p = 0;
}

static const double ten_to[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

bool qn_parse_f64(qn_str s, double *out) {
    decimal d;
    if (s.n == 0 || !scan_decimal(s, &d))
        return false;
    double v;
    if (d.n == 0) {
        v = 0;
    } else if (d.n <= 19 && d.head <= (uint64_t)1 << 53 && d.exp >= -22 && d.exp <= 22) {
        /* Both factors are exact, so one operation rounds once (Clinger 1990). */
        v = d.exp < 0 ? (double)d.head / ten_to[-d.exp] : (double)d.head * ten_to[d.exp];
    } else {
        end_with_exponent(&d);
        v = strtod(d.digits, NULL);
        if (v > DBL_MAX)
            return false;
    }
    *out = d.negative ? -v : v;
    return true;
}

/* Digits of v > 0 without trailing zeros, as few as read back to v: v = 0.d₁d₂d₃… · 10^point. Returns how many. */
static int shortest_digits(double v, char digits[20], int *point) {
    /* Up to 15 digits survive the way to a normal double and back, so a shorter text only adds zeros to 15. Subnormal
     * numbers have fewer bits, and there every length has to be tried. */
    for (int n = v < DBL_MIN ? 1 : 15;; n++) {
        char text[48], number[48];
        snprintf(text, sizeof text, "%.*e", n - 1, v);
        int k = 0;
        const char *p = text;
        for (; *p != 'e'; p++)
            if (is_digit(*p))
                digits[k++] = *p;                         /* whatever else stands there is the locale's point */
        *point = atoi(p + 1) + 1;
        while (k > 1 && digits[k - 1] == '0')
            k--;
        int m = snprintf(number, sizeof number, "%.*se%d", k, digits, *point - k);
        double back;
        if (n == 17 || (qn_parse_f64((qn_str){number, (size_t)m}, &back) && back == v))
            return k;
    }
}

/* 0.d₁d₂… · 10^point as people write it. */
static size_t put_digits(const char *sign, const char *d, int n, int point, char out[QN_F64_TEXT]) {
    if (point > -4 && point <= 0)                         /* 0.00123 */
        return (size_t)snprintf(out, QN_F64_TEXT, "%s0.%.*s%.*s", sign, -point, "000", n, d);
    if (point > 0 && point < n)                           /* 12.3 */
        return (size_t)snprintf(out, QN_F64_TEXT, "%s%.*s.%.*s", sign, point, d, n - point, d + point);
    if (point >= n && point <= 17)                        /* 123000 */
        return (size_t)snprintf(out, QN_F64_TEXT, "%s%.*s%.*s", sign, n, d, point - n, "0000000000000000");
    if (n == 1)                                           /* 1e-7 */
        return (size_t)snprintf(out, QN_F64_TEXT, "%s%ce%d", sign, d[0], point - 1);
    return (size_t)snprintf(out, QN_F64_TEXT, "%s%c.%.*se%d", sign, d[0], n - 1, d + 1, point - 1);
}

size_t qn_f64_text(double v, char out[QN_F64_TEXT]) {
    if (isnan(v) || isinf(v))
        return (size_t)snprintf(out, QN_F64_TEXT, "%s", isnan(v) ? "nan" : v < 0 ? "-inf" : "inf");
    if (fabs(v) < 1e15 && v == (double)(int64_t)v && !(v == 0 && signbit(v)))
        return (size_t)snprintf(out, QN_F64_TEXT, "%lld", (long long)v);
    const char *sign = signbit(v) ? "-" : "";
    if (v == 0)
        return (size_t)snprintf(out, QN_F64_TEXT, "%s0", sign);
    char d[20];
    int point, n = shortest_digits(fabs(v), d, &point);
    return put_digits(sign, d, n, point, out);
}

/* Nine digits bring every float back. Scaling by an exact power of ten rounds once, like the reader, so what reads back
 * here reads back there; outside of those powers, and for whole numbers, the way of doubles serves. */
size_t qn_f32_text(float v, char out[QN_F64_TEXT]) {
    const double a = fabs((double)v);
    int point = 1;
    if (!(a > 1e-13 && a < 1e13) || a == (double)(int64_t)a)
        return qn_f64_text((double)v, out);
    while (point < 13 && a >= ten_to[point])
        point++;
    while (a < 1 && a * ten_to[1 - point] < 1)
        point--;
    for (int n = 6;; n++) {
        const int shift = n - point;
        uint64_t whole = (uint64_t)((shift < 0 ? a / ten_to[-shift] : a * ten_to[shift]) + 0.5);
        const double back = shift < 0 ? (double)whole * ten_to[-shift] : (double)whole / ten_to[shift];
        if (n < 9 && (float)back != (float)a)
            continue;
        char d[20];
        const int grown = whole >= (uint64_t)ten_to[n];   /* 0.9999996 became 1 */
        int k = n + grown;
        for (int i = k; i-- > 0; whole /= 10)
            d[i] = (char)('0' + whole % 10);
        while (k > 1 && d[k - 1] == '0')
            k--;
        return put_digits(v < 0 ? "-" : "", d, k, point + grown, out);
    }
}
