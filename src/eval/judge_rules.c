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

static bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

/* Words here are what stands between white space. */
static int64_t words(qn_str s) {
    int64_t n = 0;
    for (size_t i = 0; i < s.n; i++)
        n += !is_space(s.s[i]) && (i == 0 || is_space(s.s[i - 1]));
    return n;
}

/* A sentence ends with . ! or ? (several count once); what stands behind the last of them is one more. */
static int64_t sentences(qn_str s) {
    int64_t n = 0;
    bool open = false;
    for (size_t i = 0; i < s.n; i++) {
        const bool end = s.s[i] == '.' || s.s[i] == '!' || s.s[i] == '?';
        n += end && open;
        open = end ? false : open || !is_space(s.s[i]);
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
        return s.n >= t.n && memcmp(s.s, t.s, t.n) == 0;
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
