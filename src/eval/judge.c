/* eval/judge.c — one function per way of judging an answer. */
#include "eval/judge.h"

#include <string.h>

/* ---- pieces of text ---- */

static bool is_digit(char c) { return c >= '0' && c <= '9'; }
static char lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c; }
static bool is_word(char c) {
    return is_digit(c) || (lower(c) >= 'a' && lower(c) <= 'z') || (unsigned char)c >= 0x80;
}

qn_str qn_trimmed(qn_str s) {
    while (s.n > 0 && qn_is_space(s.s[0]))
        s = (qn_str){s.s + 1, s.n - 1};
    while (s.n > 0 && qn_is_space(s.s[s.n - 1]))
        s.n--;
    return s;
}

static bool same_here(const char *a, const char *b, size_t n, bool fold) {
    for (size_t i = 0; i < n; i++)
        if (fold ? lower(a[i]) != lower(b[i]) : a[i] != b[i])
            return false;
    return true;
}

/* Does a word end between s[at − 1] and s[at]? Always, where one of the two belongs to no word. */
static bool border(qn_str s, size_t at) {
    return at == 0 || at >= s.n || !is_word(s.s[at - 1]) || !is_word(s.s[at]);
}

int64_t qn_find_words(qn_str s, qn_str needle, bool fold) {
    if (needle.n == 0)
        return -1;
    for (size_t i = 0; i + needle.n <= s.n; i++)
        if (same_here(s.s + i, needle.s, needle.n, fold) && border(s, i) && border(s, i + needle.n))
            return (int64_t)i;
    return -1;
}

static bool has_phrase(qn_str s, const qn_str *phrase, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        if (qn_find_words(s, qn_trimmed(phrase[i]), true) >= 0)
            return true;
    return false;
}

/* ---- numbers ---- */

/* A number that begins at s[i]: its length, or 0. Digits with separators between digits; a sign where no word or number
 * ends before it. */
static size_t number_at(qn_str s, size_t i) {
    size_t at = i;
    if (s.s[at] == '-' && (at == 0 || !is_word(s.s[at - 1])))
        at++;
    if (at >= s.n || !is_digit(s.s[at]) || (at == i && i > 0 && is_digit(s.s[i - 1])))
        return 0;
    for (at++; at < s.n; at++)
        if (!is_digit(s.s[at]) && !((s.s[at] == ',' || s.s[at] == '.') && at + 1 < s.n && is_digit(s.s[at + 1])))
            break;
    return at - i;
}

qn_str qn_last_number(qn_str s) {
    qn_str last = {0};
    for (size_t i = 0; i < s.n; i++) {
        const size_t n = number_at(s, i);
        if (n == 0)
            continue;
        last = (qn_str){s.s + i, n};
        i += n - 1;
    }
    return last;
}

/* Digits, sign and point alone, into out; false: too long to be a number. */
static bool plain_number(qn_str s, char out[64], qn_str *view) {
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) {
        if (s.s[i] == ',' || s.s[i] == '$' || qn_is_space(s.s[i]))
            continue;
        if (n == 63)
            return false;
        out[n++] = s.s[i];
    }
    *view = (qn_str){out, n};
    return n > 0;
}

bool qn_same_number(qn_str a, qn_str b) {
    char x[64], y[64];
    qn_str u, v;
    double p, q;
    return plain_number(a, x, &u) && plain_number(b, y, &v) && qn_parse_f64(u, &p) && qn_parse_f64(v, &q) && p == q;
}

/* ---- GSM8K, as lm-evaluation-harness reads it ---- */

/* `#### (\-?[0-9\.\,]+)`, the first. */
qn_str qn_gsm8k_strict(qn_str s) {
    for (size_t i = 0; i + 5 < s.n; i++) {
        if (memcmp(s.s + i, "#### ", 5) != 0)
            continue;
        const size_t begin = i + 5;
        size_t at = begin + (s.s[begin] == '-');
        const size_t digits = at;
        while (at < s.n && (is_digit(s.s[at]) || s.s[at] == '.' || s.s[at] == ','))
            at++;
        if (at > digits)
            return (qn_str){s.s + begin, at - begin};
    }
    return (qn_str){0};
}

/* `(-?[$0-9.,]{2,})|(-?[0-9]+)`, the last. */
qn_str qn_gsm8k_flexible(qn_str s) {
    qn_str last = {0};
    for (size_t i = 0; i < s.n; i++) {
        const size_t begin = i, digits = i + (s.s[i] == '-');
        size_t at = digits;
        while (at < s.n && (is_digit(s.s[at]) || s.s[at] == '.' || s.s[at] == ',' || s.s[at] == '$'))
            at++;
        if (at - digits < 2 && !(at - digits == 1 && is_digit(s.s[digits])))
            continue;
        last = (qn_str){s.s + begin, at - begin};
        i = at - 1;
    }
    return last;
}

/* Equal once "," and "$" and a full stop at the end are gone. */
bool qn_gsm8k_same(qn_str a, qn_str b) {
    char x[64], y[64];
    qn_str u, v;
    if (!plain_number(a, x, &u) || !plain_number(b, y, &v))
        return false;
    u.n -= u.s[u.n - 1] == '.';
    v.n -= v.s[v.n - 1] == '.';
    return qn_str_eq(u, v);
}

/* ---- judges ---- */

static bool is_exact(qn_str answer, qn_str target) {
    const qn_str t = qn_trimmed(target);
    if (qn_str_eq(answer, t))
        return true;
    return answer.n > 0 && answer.s[answer.n - 1] == '.' && qn_str_eq((qn_str){answer.s, answer.n - 1}, t);
}

static bool is_prefix(qn_str answer, qn_str target) {
    const qn_str t = qn_trimmed(target);
    return t.n > 0 && answer.n >= t.n && memcmp(answer.s, t.s, t.n) == 0 && border(answer, t.n);
}

static bool meets(qn_judge judge, qn_str answer, qn_str target) {
    switch (judge) {
    case QN_JUDGE_EXACT:
        return is_exact(answer, target);
    case QN_JUDGE_PREFIX:
        return is_prefix(answer, target);
    case QN_JUDGE_NUMBER:
        return qn_same_number(qn_last_number(answer), qn_trimmed(target));
    case QN_JUDGE_GSM8K:
        return qn_gsm8k_same(qn_gsm8k_strict(answer), target);
    default:
        return qn_find_words(answer, qn_trimmed(target), false) >= 0;
    }
}

static bool meets_one(qn_judge judge, const qn_task_item *item, qn_str answer) {
    for (int64_t i = 0; i < item->targets; i++)
        if (meets(judge, answer, item->target[i]))
            return true;
    return false;
}

static bool rules_hold(const qn_task_item *item, qn_str answer) {
    for (int64_t i = 0; i < item->rules; i++)
        if (!qn_rule_holds(&item->rule[i], answer))
            return false;
    return true;
}

static bool is_right(const qn_task_item *item, qn_str answer, const qn_verdict *v) {
    switch (item->judge) {
    case QN_JUDGE_ABSTAIN:
        return item->known == 1 ? !v->abstained && meets_one(item->judge, item, answer) : v->abstained;
    case QN_JUDGE_REFUSE:
        return v->refused == item->refuse;
    case QN_JUDGE_CORRECT_PREMISE:
        return !v->abstained && meets_one(item->judge, item, answer);
    case QN_JUDGE_RULES:
        return rules_hold(item, answer);
    default:
        return meets_one(item->judge, item, answer);
    }
}

qn_verdict qn_judge_answer(const qn_task *t, const qn_task_item *item, qn_str answer) {
    answer = qn_trimmed(answer);
    qn_verdict v = {
        .abstained = has_phrase(answer, t->abstain, t->abstains), .refused = has_phrase(answer, t->refuse, t->refuses)};
    v.right = v.flexible = is_right(item, answer, &v);
    if (item->judge == QN_JUDGE_GSM8K && item->targets > 0)
        v.flexible = qn_gsm8k_same(qn_gsm8k_flexible(answer), item->target[0]);
    return v;
}
