/* eval/judge_rules.c — rules that an answer can be held against by counting and comparing. */
#include <string.h>

#include "eval/judge.h"

static const struct { const char *name; bool n, text; } table[QN_RULES] = {
    [QN_RULE_MAX_WORDS] = {"max_words", true, false},     [QN_RULE_MIN_WORDS] = {"min_words", true, false},
    [QN_RULE_WORDS] = {"words", true, false},             [QN_RULE_SENTENCES] = {"sentences", true, false},
    [QN_RULE_LINES] = {"lines", true, false},             [QN_RULE_STARTS_WITH] = {"starts_with", false, true},
    [QN_RULE_ENDS_WITH] = {"ends_with", false, true},     [QN_RULE_CONTAINS] = {"contains", false, true},
    [QN_RULE_LACKS] = {"lacks", false, true},             [QN_RULE_LOWER] = {"lower", false, false},
    [QN_RULE_UPPER] = {"upper", false, false},            [QN_RULE_EQUALS] = {"equals", false, true},
};

const char *qn_rule_name(qn_rule_kind k) { return table[k].name; }
bool qn_rule_has_n(qn_rule_kind k) { return table[k].n; }
bool qn_rule_has_text(qn_rule_kind k) { return table[k].text; }

int qn_rule_from_name(qn_str name) {
    for (int i = 0; i < QN_RULES; i++)
        if (qn_str_is(name, table[i].name))
            return i;
    return -1;
}

/* Words here are what stands between white space. */
static int64_t words(qn_str s) {
    int64_t n = 0;
    for (size_t i = 0; i < s.n; i++)
        n += !qn_is_space(s.s[i]) && (i == 0 || qn_is_space(s.s[i - 1]));
    return n;
}

/* A sentence ends with . ! or ? (several count once); what stands behind the last of them is one more. */
static int64_t sentences(qn_str s) {
    int64_t n = 0;
    bool open = false;
    for (size_t i = 0; i < s.n; i++) {
        const bool end = s.s[i] == '.' || s.s[i] == '!' || s.s[i] == '?';
        n += end && open;
        open = end ? false : open || !qn_is_space(s.s[i]);
    }
    return n + open;
}

static int64_t lines(qn_str s) {
    int64_t n = s.n > 0;
    for (size_t i = 0; i < s.n; i++)
        n += s.s[i] == '\n';
    return n;
}

static bool has_between(qn_str s, char lo, char hi) {
    for (size_t i = 0; i < s.n; i++)
        if (s.s[i] >= lo && s.s[i] <= hi)
            return true;
    return false;
}

static bool ends_with(qn_str s, qn_str end) { return s.n >= end.n && memcmp(s.s + s.n - end.n, end.s, end.n) == 0; }

static bool starts_with(qn_str s, qn_str t) { return s.n >= t.n && memcmp(s.s, t.s, t.n) == 0; }

bool qn_rule_holds(const qn_task_rule *r, qn_str answer) {
    const qn_str s = qn_trimmed(answer), t = qn_trimmed(r->text);
    switch (r->kind) {
    case QN_RULE_MAX_WORDS:
        return words(s) >= 1 && words(s) <= r->n;
    case QN_RULE_MIN_WORDS:
        return words(s) >= r->n;
    case QN_RULE_WORDS:
        return words(s) == r->n;
    case QN_RULE_SENTENCES:
        return sentences(s) == r->n;
    case QN_RULE_LINES:
        return lines(s) == r->n;
    case QN_RULE_STARTS_WITH:
        return starts_with(s, t);
    case QN_RULE_ENDS_WITH:
        return ends_with(s, t);
    case QN_RULE_CONTAINS:
        return qn_find_words(s, t, false) >= 0;
    case QN_RULE_LACKS:
        return s.n > 0 && qn_find_words(s, t, true) < 0;
    case QN_RULE_LOWER:
        return s.n > 0 && !has_between(s, 'A', 'Z');
    case QN_RULE_UPPER:
        return s.n > 0 && !has_between(s, 'a', 'z');
    case QN_RULE_EQUALS:
        return qn_str_eq(s, t);
    case QN_RULES:
        break;
    }
    return false;
}

/* ---- rules that no answer keeps together ---- */

/* Counts: the fewest and the most words that a rule allows. */
static void words_allowed(const qn_task_rule *r, int64_t *lo, int64_t *hi) {
    *lo = r->kind == QN_RULE_MIN_WORDS || r->kind == QN_RULE_WORDS ? r->n : r->kind == QN_RULE_MAX_WORDS;
    *hi = r->kind == QN_RULE_MAX_WORDS || r->kind == QN_RULE_WORDS ? r->n : INT64_MAX;
}

/* What a demands cannot stand beside b; looked at in both directions. */
static bool forbids(const qn_task_rule *a, const qn_task_rule *b) {
    const qn_str s = qn_trimmed(a->text), t = qn_trimmed(b->text);
    const bool demands_text = a->kind == QN_RULE_STARTS_WITH || a->kind == QN_RULE_ENDS_WITH ||
                              a->kind == QN_RULE_CONTAINS;
    if (a->kind == QN_RULE_EQUALS)
        return !qn_rule_holds(b, s);
    if (demands_text && s.n > 0 && (b->kind == QN_RULE_LOWER || b->kind == QN_RULE_UPPER))
        return !qn_rule_holds(b, s);
    if (a->kind == QN_RULE_CONTAINS && b->kind == QN_RULE_LACKS)
        return qn_find_words(s, t, true) >= 0;
    if (a->kind == QN_RULE_STARTS_WITH && b->kind == QN_RULE_STARTS_WITH)
        return !starts_with(s, t) && !starts_with(t, s);
    if (a->kind == QN_RULE_ENDS_WITH && b->kind == QN_RULE_ENDS_WITH)
        return !ends_with(s, t) && !ends_with(t, s);
    return a->kind == QN_RULE_LOWER && b->kind == QN_RULE_UPPER;
}

bool qn_rules_clash(const qn_task_rule *a, const qn_task_rule *b) {
    int64_t lo_a, hi_a, lo_b, hi_b;
    words_allowed(a, &lo_a, &hi_a);
    words_allowed(b, &lo_b, &hi_b);
    const bool counts = (a->kind == QN_RULE_SENTENCES || a->kind == QN_RULE_LINES) && a->kind == b->kind;
    return QN_MAX(lo_a, lo_b) > QN_MIN(hi_a, hi_b) || (counts && a->n != b->n) || forbids(a, b) || forbids(b, a);
}
