/* guide/pattern.c — regular expressions, read from left to right. */
#include "guide/pattern.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "guide/automaton.h"

#define LAST_CHARACTER 0x10ffffu

typedef struct {
    qn_rule_tree *t;
    qn_str text;
    size_t at;
    bool quoted, looking;               /* looking: within (?=…) */
    int depth;
    qn_regular look[QN_PATTERN_LOOKS];
    size_t looks;
    int alternatives;                   /* of the whole */
    qn_ids parts;                       /* of what is open, the innermost last */
    qn_char_range *range; size_t n_ranges, cap_ranges;      /* of one class */
} reader;

QN_PRINTF(3, 4) static int fail(const reader *r, int code, const char *fmt, ...) {
    char message[300];
    va_list args;
    va_start(args, fmt);
    vsnprintf(message, sizeof message, fmt, args);
    va_end(args);
    return qn_fail(code, "pattern \"%.*s\", byte %zu: %s", QN_STR_ARG(r->text), r->at, message);
}

static bool here(const reader *r, char c) { return r->at < r->text.n && r->text.s[r->at] == c; }
static char look(const reader *r) { return r->at < r->text.n ? r->text.s[r->at] : '\0'; }
static bool is_digit(char c) { return c >= '0' && c <= '9'; }

/* ---- sets of characters ---- */

static int put_range(reader *r, uint32_t lo, uint32_t hi) {
    QN_TRY(QN_GROW(QN_MEM_SESSION, r->range, r->cap_ranges, r->n_ranges + 5));
    r->range[r->n_ranges++] = (qn_char_range){lo, hi};
    return 0;
}

/* The set of \d, \w, \s or their complements. Dialects differ in what other scripts have of them: where the set is what
 * may come, the least that any of them means is taken, where it is what may not, the most. */
static int put_set(reader *r, char which, bool excluded) {
    static const qn_char_range digit[] = {{'0', '9'}, {0x80, LAST_CHARACTER}};
    static const qn_char_range word[] = {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}, {0x80, LAST_CHARACTER}};
    static const qn_char_range space[] = {{9, 10}, {12, 13}, {' ', ' '}, {11, 11}, {28, 31}, {0x80, LAST_CHARACTER}};
    static const struct { char name; const qn_char_range *r; int sure, all; } sets[] = {
        {'d', digit, 1, 2}, {'w', word, 4, 5}, {'s', space, 3, 6},
    };
    const bool not = which < 'a';
    uint32_t from = 0;
    for (size_t i = 0; i < QN_LEN(sets); i++) {
        const int n = not != excluded ? sets[i].all : sets[i].sure;
        qn_char_range sorted[6];
        if (sets[i].name != (which | 32))
            continue;
        for (int k = 0; k < n; k++) {                   /* by their beginning; they do not overlap */
            int at = k;
            for (; at > 0 && sorted[at - 1].lo > sets[i].r[k].lo; at--)
                sorted[at] = sorted[at - 1];
            sorted[at] = sets[i].r[k];
        }
        for (int k = 0; k < n; k++) {
            if (!not)
                QN_TRY(put_range(r, sorted[k].lo, sorted[k].hi));
            else if (sorted[k].lo > from)
                QN_TRY(put_range(r, from, sorted[k].lo - 1));
            from = sorted[k].hi + 1;
        }
    }
    return not && from <= LAST_CHARACTER ? put_range(r, from, LAST_CHARACTER) : 0;
}

int32_t qn_pattern_quoted(qn_rule_tree *t, const qn_char_range *range, size_t ranges) {
    static const struct { uint32_t c; const char *escape; } special[] = {
        {8, "\\b"}, {9, "\\t"}, {10, "\\n"}, {12, "\\f"}, {13, "\\r"}, {'"', "\\\""}, {'\\', "\\\\"},
    };
    int32_t way[QN_LEN(special) + 1];
    size_t n = 0, n_plain = 0;
    qn_char_range *plain = qn_alloc(QN_MEM_SESSION, (ranges + 1) * 4 * sizeof *plain);
    if (!plain)
        t->rc = t->rc < 0 ? t->rc : QN_ENOMEM;
    for (size_t i = 0; i < ranges && t->rc == 0; i++) {
        uint32_t lo = QN_MAX(range[i].lo, 32u);
        const uint32_t hi = range[i].hi, out[] = {'"', '\\', 127};
        for (size_t k = 0; k < QN_LEN(special); k++)
            if (special[k].c >= range[i].lo && special[k].c <= hi)
                way[n++] = qn_tree_text(t, qn_str_of(special[k].escape));
        for (size_t k = 0; k <= QN_LEN(out); k++) {
            const uint32_t end = k < QN_LEN(out) && out[k] <= hi ? out[k] : hi + 1;
            if (lo < end)
                plain[n_plain++] = (qn_char_range){lo, end - 1};
            lo = QN_MAX(lo, end + 1);
        }
    }
    way[n++] = t->rc == 0 ? qn_tree_class(t, plain, n_plain, false) : 0;
    qn_free(plain);
    return qn_tree_alt(t, way, n);
}

/* The set of an expression, which is a class, between quotes. */
static int32_t quote_class(reader *r, int32_t class) {
    const qn_expr e = r->t->expr[class];
    r->n_ranges = 0;
    for (int32_t i = e.a; i < e.a + e.n; i++)
        if (put_range(r, r->t->range[i].lo, r->t->range[i].hi) < 0)
            r->t->rc = QN_ENOMEM;
    return qn_pattern_quoted(r->t, r->range, r->n_ranges);
}

static int finish_class(reader *r, bool not, qn_pattern *out) {
    const int32_t class = qn_tree_class(r->t, r->range, r->n_ranges, not);
    QN_TRY(r->t->rc);
    *out = (qn_pattern){.expr = r->quoted ? quote_class(r, class) : class, .least = 1, .most = 1};
    return r->t->rc;
}

static int one_char(reader *r, uint32_t c, qn_pattern *out) {
    r->n_ranges = 0;
    QN_TRY(put_range(r, c, c));
    return finish_class(r, false, out);
}

/* Any character that no line ends with ('.'), or any at all. */
static int any_char(reader *r, bool lines, qn_pattern *out) {
    static const uint32_t ends[] = {'\n', '\r', 0x2028, 0x2029};
    r->n_ranges = 0;
    for (size_t i = 0; !lines && i < QN_LEN(ends); i++)
        QN_TRY(put_range(r, ends[i], ends[i]));
    return finish_class(r, true, out);
}

/* ---- escapes ---- */

static int hex_digits(reader *r, int least, int most, uint32_t *cp) {
    int n = 0;
    for (*cp = 0; n < most && r->at < r->text.n; n++, r->at++) {
        const char c = look(r);
        const int v = is_digit(c) ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
        if (v < 0)
            break;
        *cp = *cp << 4 | (uint32_t)v;
    }
    return n >= least ? 0 : fail(r, QN_EFORMAT, "%d hexadecimal digits are expected", least);
}

/* Behind \u: HHHH, a pair of them, or {H…}. */
static int unicode_escape(reader *r, uint32_t *cp) {
    uint32_t low;
    if (here(r, '{')) {
        r->at++;
        QN_TRY(hex_digits(r, 1, 6, cp));
        if (!here(r, '}'))
            return fail(r, QN_EFORMAT, "'}' is expected");
        r->at++;
    } else {
        QN_TRY(hex_digits(r, 4, 4, cp));
        if (*cp >= 0xd800 && *cp < 0xdc00 && here(r, '\\') && r->at + 1 < r->text.n && r->text.s[r->at + 1] == 'u') {
            r->at += 2;
            QN_TRY(hex_digits(r, 4, 4, &low));
            if (low >= 0xdc00 && low < 0xe000)
                *cp = 0x10000 + ((*cp - 0xd800) << 10) + (low - 0xdc00);
        }
    }
    return *cp <= LAST_CHARACTER && (*cp < 0xd800 || *cp > 0xdfff) ? 0 : fail(r, QN_EFORMAT, "no character");
}

/* What \ stands before, if it is one character; 1: it is a set, whose letter is *cp. */
static int read_escape(reader *r, uint32_t *cp) {
    static const char letters[] = "tnrfv0", means[] = "\t\n\r\f\v";
    const char c = look(r);
    const char *known = c ? strchr(letters, c) : NULL;
    if (r->at >= r->text.n)
        return fail(r, QN_EFORMAT, "nothing stands behind \\");
    if (c && strchr("dwsDWS", c)) {
        *cp = (uint32_t)c;
        r->at++;
        return 1;
    }
    if (c == 'x' || c == 'u') {
        r->at++;
        return c == 'x' ? hex_digits(r, 2, 2, cp) : unicode_escape(r, cp);
    }
    if (known) {
        *cp = (uint32_t)means[known - letters];
        r->at++;
        return 0;
    }
    if ((c >= '1' && c <= '9') || c == 'k')
        return fail(r, QN_EUNSUPPORTED, "a back reference is not understood");
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))
        return fail(r, QN_EUNSUPPORTED, "\\%c is not understood", c);
    r->at += (size_t)qn_utf8_decode(r->text.s + r->at, r->text.n - r->at, cp);
    return 0;
}

/* ---- atoms ---- */

/* A character of a class, or a set, which is added at once: 1. */
static int class_char(reader *r, bool not, uint32_t *cp) {
    if (!here(r, '\\')) {
        r->at += (size_t)qn_utf8_decode(r->text.s + r->at, r->text.n - r->at, cp);
        return 0;
    }
    r->at++;
    if (here(r, 'b')) {
        *cp = 8;
        r->at++;
        return 0;
    }
    const int set = read_escape(r, cp);
    if (set > 0)
        QN_TRY(put_set(r, (char)*cp, not));
    return set;
}

static int read_class(reader *r, qn_pattern *out) {
    const size_t open = r->at++;
    const bool not = here(r, '^');
    r->at += not;
    r->n_ranges = 0;
    while (!here(r, ']')) {
        uint32_t lo = 0, hi = 0;
        if (r->at >= r->text.n) {
            r->at = open;
            return fail(r, QN_EFORMAT, "a class is not ended by ']'");
        }
        const int set = class_char(r, not, &lo);
        QN_TRY(set);
        hi = lo;
        if (here(r, '-') && r->at + 1 < r->text.n && r->text.s[r->at + 1] != ']') {
            r->at++;
            const int other = class_char(r, not, &hi);
            QN_TRY(other);
            if (set || other || hi < lo)
                return fail(r, QN_EFORMAT, "a range needs two characters, the first one first");
        }
        if (!set)
            QN_TRY(put_range(r, lo, hi));
    }
    r->at++;
    return finish_class(r, not, out);
}

static int read_alternatives(reader *r, bool outermost, bool search, qn_pattern *out);

static int read_group(reader *r, qn_pattern *out) {
    const size_t open = r->at++;
    if (++r->depth > QN_TREE_DEPTH / 2)
        return fail(r, QN_ELIMIT, "groups within one another, more than %d deep", QN_TREE_DEPTH / 2);
    if (here(r, '?')) {
        const char *s = r->text.s + r->at + 1, *end = r->text.s + r->text.n;
        const bool named = end - s > 1 && (*s == '<' || (*s == 'P' && s[1] == '<'));
        const char *name = named ? s + (*s == 'P') + 1 : NULL;
        if (named && name < end && *name != '=' && *name != '!') {
            const char *close = memchr(name, '>', (size_t)(end - name));
            if (!close)
                return fail(r, QN_EFORMAT, "the name of a group is not ended by '>'");
            r->at = (size_t)(close + 1 - r->text.s);
        } else if (s < end && *s == ':') {
            r->at += 2;
        } else {
            return fail(r, QN_EUNSUPPORTED, "(?%c is not understood here: flags are not, looking around only ahead, "
                        "behind the ^ of a pattern without alternatives", s < end ? *s : ' ');
        }
    }
    QN_TRY(read_alternatives(r, false, false, out));
    if (!here(r, ')')) {
        r->at = open;
        return fail(r, QN_EFORMAT, "a group is not ended by ')'");
    }
    r->at++;
    r->depth--;
    return 0;
}

/* 1: there was an atom. */
static int read_atom(reader *r, qn_pattern *out) {
    uint32_t cp;
    const char c = look(r);
    if (r->at >= r->text.n || c == '|' || c == ')')
        return 0;
    if (c == '^' || c == '$')
        return fail(r, QN_EUNSUPPORTED, "'%c' is understood at the ends of the whole pattern only", c);
    if (c == '*' || c == '+' || c == '?')
        return fail(r, QN_EFORMAT, "'%c' has nothing in front of it to repeat", c);
    if (c == '(')
        QN_TRY(read_group(r, out));
    else if (c == '[')
        QN_TRY(read_class(r, out));
    else if (c == '.') {
        r->at++;
        QN_TRY(any_char(r, false, out));
    } else if (c == '\\') {
        r->at++;
        const int set = read_escape(r, &cp);
        QN_TRY(set);
        r->n_ranges = 0;
        if (set)
            QN_TRY(put_set(r, (char)cp, false));
        QN_TRY(set ? finish_class(r, false, out) : one_char(r, cp, out));
    } else {
        r->at += (size_t)qn_utf8_decode(r->text.s + r->at, r->text.n - r->at, &cp);
        QN_TRY(one_char(r, cp, out));
    }
    return 1;
}

/* ---- repetitions ---- */

static int read_number(reader *r, int64_t *out) {
    for (*out = 0; is_digit(look(r)); r->at++)
        if ((*out = *out * 10 + (look(r) - '0')) > QN_SYNTAX_COUNT_MAX)
            return fail(r, QN_ELIMIT, "a count of more than %d", QN_SYNTAX_COUNT_MAX);
    return 0;
}

/* {m}, {m,}, {m,n}; 0: the brace is none of these, and stands for itself. */
static int read_counts(reader *r, int64_t *least, int64_t *most) {
    const size_t open = r->at++;
    if (!is_digit(look(r))) {
        r->at = open;
        return 0;
    }
    QN_TRY(read_number(r, least));
    *most = *least;
    if (here(r, ',')) {
        r->at++;
        *most = -1;
        if (is_digit(look(r)))
            QN_TRY(read_number(r, most));
    }
    if (!here(r, '}')) {
        r->at = open;
        return 0;
    }
    r->at++;
    return *most >= 0 && *most < *least ? fail(r, QN_EFORMAT, "at least %lld and at most %lld times", (long long)*least,
                                               (long long)*most) : 1;
}

static int64_t product(int64_t a, int64_t b) {
    int64_t p;
    if (a < 0 || b < 0)
        return a == 0 || b == 0 ? 0 : -1;
    return QN_MUL_OVERFLOW(a, b, &p) || p > INT64_MAX / 4 ? INT64_MAX / 4 : p;
}

static int64_t sum(int64_t a, int64_t b) { return a < 0 || b < 0 ? -1 : QN_MIN(a + b, INT64_MAX / 4); }

static int read_repeat(reader *r, qn_pattern *p) {
    int64_t least = 0, most = -1;
    const char c = look(r);
    if (c == '{') {
        const int counts = read_counts(r, &least, &most);
        if (counts <= 0)
            return counts;
    } else if (c == '*' || c == '+' || c == '?') {
        least = c == '+';
        most = c == '?' ? 1 : -1;
        r->at++;
    } else {
        return 0;
    }
    if (here(r, '?'))                           /* lazy: which match is found first does not matter here */
        r->at++;
    if (here(r, '*') || here(r, '+') || here(r, '?'))
        return fail(r, QN_EFORMAT, "a repetition of a repetition; put parentheses around the first");
    p->expr = qn_tree_repeat(r->t, p->expr, least, most);
    p->least = product(p->least, least);
    p->most = product(p->most, most);
    return r->t->rc;
}

/* (?=…) or (?!…), where the text begins: what is in it holds of the text's beginning, or does not. */
static int read_look(reader *r) {
    qn_pattern p;
    const size_t open = r->at;
    const bool not = r->text.s[r->at + 2] == '!';
    if (r->looks == QN_PATTERN_LOOKS)
        return fail(r, QN_ELIMIT, "it looks ahead more than %d times", QN_PATTERN_LOOKS);
    r->at += 3;
    r->looking = true;
    QN_TRY(read_alternatives(r, true, true, &p));
    r->looking = false;
    if (!here(r, ')')) {
        r->at = open;
        return fail(r, QN_EFORMAT, "a group is not ended by ')'");
    }
    r->at++;
    r->look[r->looks++] = (qn_regular){p.expr, not};
    return 0;
}

static bool looks_here(const reader *r) {
    return !r->looking && r->at + 2 < r->text.n && r->text.s[r->at] == '(' && r->text.s[r->at + 1] == '?' &&
           (r->text.s[r->at + 2] == '=' || r->text.s[r->at + 2] == '!');
}

/* '$' where the whole ends, or one of its alternatives, or what is looked for. */
static bool ends_here(const reader *r) {
    const char next = r->at + 1 < r->text.n ? r->text.s[r->at + 1] : '|';
    return here(r, '$') && (next == '|' || (r->looking && next == ')'));
}

/* A brace that is no repetition is an atom like any other: read_repeat leaves it, read_atom takes it. */
static int read_sequence(reader *r, bool outermost, bool search, qn_pattern *out) {
    const size_t first = r->parts.n;
    qn_pattern p, any = {0};
    int more;
    *out = (qn_pattern){0};
    const bool from_start = outermost && here(r, '^');
    r->at += from_start;
    while (outermost && (from_start || !search) && looks_here(r))
        QN_TRY(read_look(r));
    if (search) {
        QN_TRY(any_char(r, true, &any));
        any.expr = qn_tree_repeat(r->t, any.expr, 0, -1);
    }
    if (search && !from_start && !r->looking) {
        QN_TRY(qn_ids_push(&r->parts, any.expr));
        out->most = -1;
    }
    bool to_end = false;
    while (!(to_end = outermost && ends_here(r)) && (more = read_atom(r, &p)) != 0) {
        QN_TRY(more);
        QN_TRY(read_repeat(r, &p));
        QN_TRY(qn_ids_push(&r->parts, p.expr));
        out->least = sum(out->least, p.least);
        out->most = sum(out->most, p.most);
    }
    r->at += to_end;
    if (search && !to_end) {
        QN_TRY(qn_ids_push(&r->parts, any.expr));
        out->most = -1;
    }
    out->expr = r->parts.n > first ? qn_tree_seq(r->t, r->parts.v + first, r->parts.n - first) : 0;
    r->parts.n = first;
    return r->t->rc;
}

static int read_alternatives(reader *r, bool outermost, bool search, qn_pattern *out) {
    const size_t first = r->parts.n;
    for (bool begun = false;; begun = true) {
        qn_pattern p;
        QN_TRY(read_sequence(r, outermost, search, &p));
        r->alternatives += outermost && !r->looking;
        QN_TRY(qn_ids_push(&r->parts, p.expr));
        if (!begun)
            *out = p;
        out->least = QN_MIN(out->least, p.least);
        out->most = out->most < 0 || p.most < 0 ? -1 : QN_MAX(out->most, p.most);
        if (!here(r, '|'))
            break;
        r->at++;
    }
    out->expr = qn_tree_alt(r->t, r->parts.v + first, r->parts.n - first);
    r->parts.n = first;
    return r->t->rc;
}

int qn_pattern_read(qn_rule_tree *t, qn_str pattern, unsigned how, qn_pattern *out) {
    reader r = {.t = t, .text = pattern, .quoted = how & QN_PATTERN_QUOTED};
    const size_t bad = qn_utf8_check(pattern.s, pattern.n);
    int rc = bad == QN_UTF8_OK ? t->rc : qn_fail(QN_EUTF8, "pattern: byte %zu is not UTF-8", bad);
    if (rc >= 0)
        rc = read_alternatives(&r, true, how & QN_PATTERN_SEARCH, out);
    if (rc >= 0 && r.at < pattern.n)
        rc = fail(&r, QN_EFORMAT, "a ')' without '('");
    if (rc >= 0 && r.looks > 0 && r.alternatives > 1) {
        r.at = 0;
        rc = fail(&r, QN_EUNSUPPORTED, "it looks ahead in one of several alternatives; put parentheses around them");
    }
    memcpy(out->look, r.look, sizeof r.look);
    out->looks = r.looks;
    qn_ids_drop(&r.parts);
    qn_free(r.range);
    return rc;
}

int qn_syntax_pattern(qn_syntax **out, qn_str pattern, const char *name) {
    qn_rule_tree t = {0};
    qn_pattern p;
    int rc;
    *out = NULL;
    if (pattern.n > QN_SYNTAX_TEXT_MAX)
        return qn_fail(QN_ELIMIT, "%s: %zu bytes; a pattern has at most %d", name, pattern.n, QN_SYNTAX_TEXT_MAX);
    QN_TRY_OUT(qn_tree_init(&t));
    QN_TRY_OUT(qn_pattern_read(&t, pattern, 0, &p));
    if (p.looks > 0)
        QN_TRY_OUT(qn_fail(QN_EUNSUPPORTED, "%s: a pattern of its own cannot look ahead; a schema's can", name));
    t.rule[0].body = p.expr;
    QN_TRY_OUT(qn_tree_check(&t, name));
    rc = qn_syntax_compile(out, &t, name);
out:
    qn_tree_drop(&t);
    return rc;
}
