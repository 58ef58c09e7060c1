/* base/json.c — the pull parser. One pass over the text, nothing allocated but room for decoded strings.
 *
 * `at` always stands behind what was read. Between two items the separator is still to come, so key and item begin by
 * looking for "," or the closing bracket. Each scan_… checks one piece of grammar and moves `at`; decoding is apart, so
 * that skipping checks everything and copies nothing. */
#include "base/json.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void qn_json_init(qn_json *j, const char *text, size_t n, const char *name) {
    *j = (qn_json){.text = n ? text : "", .name = name, .line = 1};
    j->at = j->last = j->text;
    j->end = j->text + n;
}

void qn_json_drop(qn_json *j) {
    qn_buf_drop(&j->key);
}

/* ---- errors ---- */

QN_PRINTF(4, 0) static int fail_va(const qn_json *j, const char *place, int code, const char *fmt, va_list args) {
    int64_t line = j->line, column = 1;
    for (const char *p = j->text; p < place; p++) {
        if (*p == '\n') {
            line++;
            column = 1;
        } else if (((unsigned char)*p & 0xc0) != 0x80) {
            column++;                                     /* a character, however many bytes it has */
        }
    }
    char text[800];
    vsnprintf(text, sizeof text, fmt, args);
    return qn_fail(code, "%.200s:%lld:%lld: %s", j->name, (long long)line, (long long)column, text);
}

QN_PRINTF(4, 5) static int fail_at(const qn_json *j, const char *place, int code, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    int rc = fail_va(j, place, code, fmt, args);
    va_end(args);
    return rc;
}

int qn_json_fail(qn_json *j, int code, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    int rc = fail_va(j, j->last, code, fmt, args);
    va_end(args);
    return rc;
}

/* "expected …, found …" */
static int fail_expected(const qn_json *j, const char *expected) {
    const char *p = j->at;
    if (p == j->end)
        return fail_at(j, p, QN_EFORMAT, "expected %s, but the text ends here", expected);
    unsigned char c = (unsigned char)*p;
    uint32_t cp;
    int n = qn_utf8_decode(p, (size_t)(j->end - p), &cp);
    if (n == 0)
        return fail_at(j, p, QN_EUTF8, "expected %s, found the byte 0x%02x, which is not UTF-8", expected, c);
    const char *found = c == '{' ? "an object" : c == '[' ? "an array" : c == '"' ? "a string" : NULL;
    if (c == '-' || (c >= '0' && c <= '9'))
        found = "a number";
    if (cp == 0xfeff)
        found = "a byte order mark (store the text without it)";
    if (found)
        return fail_at(j, p, QN_EFORMAT, "expected %s, found %s", expected, found);
    if (c < 0x20 || c == 0x7f)
        return fail_at(j, p, QN_EFORMAT, "expected %s, found the control character 0x%02x", expected, c);
    return fail_at(j, p, QN_EFORMAT, "expected %s, found '%.*s'", expected, n, p);
}

/* ---- scanning: grammar only ---- */

static void skip_space(qn_json *j) {
    const char *p = j->at;
    while (p < j->end && (unsigned char)*p <= ' ' && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t'))
        p++;
    j->at = p;
}

/* Skips white space to where a value must begin, and remembers the place. */
static void begin_value(qn_json *j) {
    skip_space(j);
    j->last = j->at;
}

static bool at_char(const qn_json *j, char c) {
    return j->at < j->end && *j->at == c;
}

static int hex_digit(char c) {
    int letter = (c | 0x20) - 'a';                        /* of either case */
    return c >= '0' && c <= '9' ? c - '0' : letter >= 0 && letter < 6 ? letter + 10 : -1;
}

/* The four digits of \uXXXX at p, or -1. */
static int32_t hex4(const char *p, const char *end) {
    if (end - p < 4)
        return -1;
    int32_t v = 0;
    for (int i = 0; i < 4; i++) {
        int d = hex_digit(p[i]);
        if (d < 0)
            return -1;
        v = v << 4 | d;
    }
    return v;
}

static bool is_surrogate(uint32_t cp) { return cp >= 0xd800 && cp <= 0xdfff; }

/* What one escape at p (on the backslash) stands for: sets *cp and returns its length in the text, or 0 with *why. A
 * surrogate that stands alone is itself where such are allowed. */
static int read_escape(const char *p, const char *end, bool lone, uint32_t *cp, const char **why) {
    static const char letters[] = "\"\\/bfnrt", meaning[] = "\"\\/\b\f\n\r\t";
    const char *letter = end - p >= 2 && p[1] ? strchr(letters, p[1]) : NULL;
    if (letter) {
        *cp = (unsigned char)meaning[letter - letters];
        return 2;
    }
    if (end - p < 2 || p[1] != 'u') {
        *why = "unknown escape: expected one of \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\uXXXX";
        return 0;
    }
    int32_t high = hex4(p + 2, end);
    if (high < 0) {
        *why = "expected four hexadecimal digits after \\u";
        return 0;
    }
    *cp = (uint32_t)high;
    if (!is_surrogate(*cp))
        return 6;
    int32_t low = end - p >= 8 && p[6] == '\\' && p[7] == 'u' ? hex4(p + 8, end) : -1;
    if (high > 0xdbff || low < 0xdc00 || low > 0xdfff) {
        if (lone)
            return 6;
        *why = "a surrogate stands alone: expected a pair \\uD800…\\uDBFF \\uDC00…\\uDFFF";
        return 0;
    }
    *cp = 0x10000 + ((uint32_t)(high - 0xd800) << 10) + (uint32_t)(low - 0xdc00);
    return 12;
}

/* What ends a run of plain ASCII: control codes, the quote, the backslash, anything beyond ASCII. */
static bool is_special(char c) {
    return (unsigned char)c < 0x20 || c == '"' || c == '\\' || (unsigned char)c >= 0x80;
}

#define EACH(byte) (0x0101010101010101u * (byte))

/* The first special byte at p or behind, or end: eight bytes a step, without a branch for each. In w − 0x20… the top
 * bit of a byte below 0x20 comes up, in w − 0x01… that of a byte which was 0, i.e. equal to what was xored. A borrow
 * may run on into bytes above such a one, so only the lowest bit that is up counts. */
static const char *find_special(const char *p, const char *end) {
    for (; end - p >= 8; p += 8) {
        uint64_t w, quote, slash, up;
        memcpy(&w, p, 8);
        quote = w ^ EACH('"');
        slash = w ^ EACH('\\');
        up = ((w - EACH(0x20)) | (quote - EACH(0x01)) | (slash - EACH(0x01)) | w) & EACH(0x80);
        if (up)
            return p + QN_CTZ64(up) / 8;
    }
    while (p < end && !is_special(*p))
        p++;
    return p;
}

/* qn_utf8_decode's length, with the most frequent case — two bytes — at hand. */
static int utf8_length(const char *p, const char *end) {
    const unsigned char *u = (const unsigned char *)p;
    uint32_t cp;
    if (end - p >= 2 && u[0] >= 0xc2 && u[0] <= 0xdf && (u[1] & 0xc0) == 0x80)
        return 2;
    return qn_utf8_decode(p, (size_t)(end - p), &cp);
}

/* A string whose opening quote is at `at`. *body is what stands between the quotes, as it stands there. */
static int scan_string(qn_json *j, qn_str *body, bool *escaped) {
    const char *start = j->at + 1, *p = start, *end = j->end, *why = NULL;
    uint32_t cp;
    *escaped = false;
    for (;;) {
        p = find_special(p, end);
        if (p == end)
            return fail_at(j, j->at, QN_EFORMAT, "a string begins here and never ends");
        if (*p == '"')
            break;
        int n;
        if (*p == '\\') {
            n = read_escape(p, end, j->lone != QN_LONE_REFUSE, &cp, &why);
            *escaped = true;
        } else if ((unsigned char)*p < 0x20) {
            return fail_at(j, p, QN_EFORMAT, "a control character (0x%02x) in a string must be escaped", (unsigned)*p);
        } else {
            n = utf8_length(p, end);
        }
        if (n == 0 && why)
            return fail_at(j, p, QN_EFORMAT, "%s", why);
        if (n == 0)
            return fail_at(j, p, QN_EUTF8, "the byte 0x%02x is not UTF-8", (unsigned)(unsigned char)*p);
        p += n;
    }
    *body = (qn_str){start, (size_t)(p - start)};
    j->at = p + 1;
    return 0;
}

/* What an escape stood for. */
static int put_escape(qn_json *j, qn_buf *out, uint32_t cp) {
    if (!is_surrogate(cp))
        return qn_buf_utf8(out, cp);
    j->n_lone++;
    return j->lone == QN_LONE_DROP ? 0 : qn_buf_utf8(out, 0xfffd);
}

/* Appends a scanned body with its escapes resolved. */
static int decode_string(qn_json *j, qn_buf *out, qn_str body) {
    const char *p = body.s, *end = body.s + body.n, *why;
    QN_TRY(qn_buf_reserve(out, body.n));                  /* an escape is never shorter than what it means */
    while (p < end) {
        const char *run = memchr(p, '\\', (size_t)(end - p));
        run = run ? run : end;
        QN_TRY(qn_buf_put(out, p, (size_t)(run - p)));
        p = run;
        if (p < end) {
            uint32_t cp = 0;
            p += read_escape(p, end, j->lone != QN_LONE_REFUSE, &cp, &why);
            QN_TRY(put_escape(j, out, cp));
        }
    }
    return 0;
}

static size_t count_digits(const char *p, const char *end) {
    const char *start = p;
    while (p < end && *p >= '0' && *p <= '9')
        p++;
    return (size_t)(p - start);
}

/* -?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)? */
static int scan_number(qn_json *j, qn_str *span) {
    const char *start = j->at, *p = start, *end = j->end;
    p += p < end && *p == '-';
    size_t n = count_digits(p, end);
    if (n == 0) {
        j->at = p;
        return fail_expected(j, p > start ? "a digit after the minus" : "a number");
    }
    if (n > 1 && *p == '0')
        return fail_at(j, p, QN_EFORMAT, "a number must not begin with a zero that is followed by digits");
    p += n;
    if (p < end && *p == '.') {
        n = count_digits(++p, end);
        if (n == 0) {
            j->at = p;
            return fail_expected(j, "a digit after the decimal point");
        }
        p += n;
    }
    if (p < end && (*p == 'e' || *p == 'E')) {
        p++;
        p += p < end && (*p == '+' || *p == '-');
        n = count_digits(p, end);
        if (n == 0) {
            j->at = p;
            return fail_expected(j, "a digit in the exponent");
        }
        p += n;
    }
    *span = (qn_str){start, (size_t)(p - start)};
    j->at = p;
    return 0;
}

static int scan_word(qn_json *j, const char *word) {
    size_t n = strlen(word);
    if ((size_t)(j->end - j->at) < n || memcmp(j->at, word, n) != 0) {
        char expected[32];
        snprintf(expected, sizeof expected, "the word %s", word);
        return fail_expected(j, expected);
    }
    j->at += n;
    return 0;
}

/* ---- structure ---- */

int qn_json_peek(qn_json *j) {
    begin_value(j);
    char c = j->at < j->end ? *j->at : 0;
    switch (c) {
    case '{': case '[': case '"': case 't': case 'f': case 'n':
        return c;
    case '-': case '0': case '1': case '2': case '3': case '4': case '5': case '6': case '7': case '8': case '9':
        return '0';
    default:
        return fail_expected(j, "a value");
    }
}

int qn_json_enter(qn_json *j, char open) {
    qn_assert(open == '{' || open == '[');
    begin_value(j);
    if (!at_char(j, open))
        return fail_expected(j, open == '{' ? "an object" : "an array");
    if (j->depth == QN_JSON_DEPTH)
        return fail_at(j, j->at, QN_ELIMIT, "nested deeper than %d levels", QN_JSON_DEPTH);
    j->stack[j->depth] = open;
    j->first[j->depth++] = true;
    j->at++;
    return 0;
}

/* Moves to the next item of the innermost object or array: 1, or 0 when `close` was read. */
static int next_item(qn_json *j, char close, const char *first, const char *later) {
    bool *is_first = &j->first[j->depth - 1];
    skip_space(j);
    if (at_char(j, close)) {
        j->at++;
        j->depth--;
        return 0;
    }
    if (*is_first) {
        *is_first = false;
        return j->at < j->end ? 1 : fail_expected(j, first);
    }
    if (!at_char(j, ','))
        return fail_expected(j, later);
    j->at++;
    skip_space(j);
    if (at_char(j, close))
        return fail_at(j, j->at, QN_EFORMAT, "a comma must not stand before '%c'", close);
    return 1;
}

/* Up to the member's value; *body and *escaped are the key as it stands in the text. */
static int next_member(qn_json *j, qn_str *body, bool *escaped) {
    int more = next_item(j, '}', "a key or '}'", "',' or '}'");
    if (more <= 0)
        return more;
    j->last = j->at;
    if (!at_char(j, '"'))
        return fail_expected(j, "a key in quotes");
    QN_TRY(scan_string(j, body, escaped));
    skip_space(j);
    if (!at_char(j, ':'))
        return fail_expected(j, "':'");
    j->at++;
    return 1;
}

int qn_json_key(qn_json *j, qn_str *key) {
    qn_assert(j->depth > 0 && j->stack[j->depth - 1] == '{');
    bool escaped;
    int more = next_member(j, key, &escaped);
    if (more <= 0 || !escaped)
        return more;
    qn_buf_clear(&j->key);
    QN_TRY(decode_string(j, &j->key, *key));
    *key = qn_buf_view(&j->key);
    return 1;
}

int qn_json_item(qn_json *j) {
    qn_assert(j->depth > 0 && j->stack[j->depth - 1] == '[');
    return next_item(j, ']', "a value or ']'", "',' or ']'");
}

static int skip_scalar(qn_json *j, int kind) {
    qn_str ignored;
    bool escaped;
    switch (kind) {
    case '"': return scan_string(j, &ignored, &escaped);
    case '0': return scan_number(j, &ignored);
    case 't': return scan_word(j, "true");
    case 'f': return scan_word(j, "false");
    default: return scan_word(j, "null");
    }
}

int qn_json_skip(qn_json *j) {
    int bottom = j->depth;
    begin_value(j);
    const char *start = j->at;
    for (;;) {
        int kind = qn_json_peek(j);
        QN_TRY(kind);
        QN_TRY(kind == '{' || kind == '[' ? qn_json_enter(j, (char)kind) : skip_scalar(j, kind));
        int more = 0;
        while (j->depth > bottom && more == 0) {          /* to the next value, closing what is complete */
            qn_str key;
            bool escaped;
            more = j->stack[j->depth - 1] == '{' ? next_member(j, &key, &escaped) : qn_json_item(j);
            QN_TRY(more);
        }
        if (more == 0)
            break;
    }
    j->last = start;
    return 0;
}

int qn_json_raw(qn_json *j, qn_str *out) {
    QN_TRY(qn_json_skip(j));
    *out = (qn_str){j->last, (size_t)(j->at - j->last)};
    return 0;
}

int qn_json_end(qn_json *j) {
    qn_assert(j->depth == 0);
    skip_space(j);
    return j->at == j->end ? 0 : fail_expected(j, "the end of the text");
}

bool qn_json_is_whole(qn_str text) {
    qn_json j;
    qn_json_init(&j, text.s, text.n, "");
    j.lone = QN_LONE_REPLACE;
    const bool whole = qn_json_skip(&j) >= 0 && qn_json_end(&j) >= 0;
    qn_json_drop(&j);
    return whole;
}

/* ---- values ---- */

int qn_json_string(qn_json *j, qn_buf *out) {
    qn_str body;
    bool escaped;
    begin_value(j);
    if (!at_char(j, '"'))
        return fail_expected(j, "a string");
    QN_TRY(scan_string(j, &body, &escaped));
    return escaped ? decode_string(j, out, body) : qn_buf_put(out, body.s, body.n);
}

/* v · 10^times, or false where that overflows. Zero stays zero at once. */
static bool scale_by_ten(int64_t *v, int64_t times) {
    for (; times > 0 && *v != 0; times--)
        if (QN_MUL_OVERFLOW(*v, (int64_t)10, v))
            return false;
    return true;
}

typedef enum { EXACT, FRACTION, TOO_LARGE } integer_kind;

/* A number's text (already checked) as an integer, exactly: 12e2, 1.50e1. Built downwards, since −2⁶³ has no positive
 * twin. Zeros wait until a digit follows: those at the end may cancel against the exponent. */
static integer_kind exact_integer(qn_str span, int64_t *out) {
    const char *p = span.s, *end = span.s + span.n;
    bool negative = *p == '-';
    bool point = false;
    int64_t v = 0, zeros = 0, shift = 0, e = 0;
    for (p += negative; p < end && *p != 'e' && *p != 'E'; p++) {
        if (*p == '.') {
            point = true;
            continue;
        }
        shift -= point;
        zeros++;
        if (*p == '0')
            continue;
        if (!scale_by_ten(&v, zeros) || QN_ADD_OVERFLOW(v, (int64_t)('0' - *p), &v))
            return TOO_LARGE;
        zeros = 0;
    }
    if (p < end) {
        bool minus = *++p == '-';
        for (p += *p == '-' || *p == '+'; p < end; p++)
            e = QN_MIN(e * 10 + (*p - '0'), (int64_t)1 << 56);
        shift += minus ? -e : e;
    }
    shift += zeros;
    if (v != 0 && shift < 0)
        return FRACTION;
    if (!scale_by_ten(&v, shift) || (!negative && QN_MUL_OVERFLOW(v, (int64_t)-1, &v)))
        return TOO_LARGE;
    *out = v;
    return EXACT;
}

int qn_json_i64(qn_json *j, int64_t *out) {
    qn_str span;
    begin_value(j);
    QN_TRY(scan_number(j, &span));
    if (qn_parse_i64(span, out))
        return 0;
    switch (exact_integer(span, out)) {
    case EXACT: return 0;
    case FRACTION: return qn_json_fail(j, QN_EFORMAT, "expected an integer, found %.*s", QN_STR_ARG(span));
    default: return qn_json_fail(j, QN_EFORMAT, "%.*s does not fit in 64 bits", QN_STR_ARG(span));
    }
}

int qn_json_f64(qn_json *j, double *out) {
    qn_str span;
    begin_value(j);
    QN_TRY(scan_number(j, &span));
    if (!qn_parse_f64(span, out))
        return qn_json_fail(j, QN_EFORMAT, "%.*s is too large for a number", QN_STR_ARG(span));
    return 0;
}

int qn_json_bool(qn_json *j, bool *out) {
    begin_value(j);
    if (!at_char(j, 't') && !at_char(j, 'f'))
        return fail_expected(j, "true or false");
    bool value = *j->at == 't';
    QN_TRY(scan_word(j, value ? "true" : "false"));
    *out = value;
    return 0;
}

int qn_json_null(qn_json *j) {
    begin_value(j);
    return scan_word(j, "null");
}
