/* world/requests.c — ten things to do with words. Each writes the request, a right answer, and its rules. */
#include "world/requests.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const noun[] = {QN_REQUEST_WORDS, QN_REQUEST_WORDS_NEW};
enum { NEW = QN_LEN(((const char *[]){QN_REQUEST_WORDS_NEW})), COMMON = QN_LEN(noun) - NEW };
static const char *const number[6] = {"", "one", "two", "three", "four", "five"};

typedef struct { const char *a, *b, *c, *d; int n; } words;

static words draw_words(qn_draw *d, bool fresh) {
    int64_t base = fresh ? COMMON : 0, all = fresh ? NEW : COMMON, at[4];
    for (int i = 0; i < 4; i++) {
        bool again;
        do {
            at[i] = base + qn_draw_below(d, all);
            again = false;
            for (int k = 0; k < i; k++)
                again |= at[k] == at[i];
        } while (again);
    }
    return (words){noun[at[0]], noun[at[1]], noun[at[2]], noun[at[3]], (int)(2 + qn_draw_below(d, 3))};
}

static qn_answer_rule rule(const char *name, int64_t n, const char *text) {
    qn_answer_rule r = {name, n, ""};
    snprintf(r.text, sizeof r.text, "%s", text);
    return r;
}

static int both(qn_buf *ask, qn_buf *answer, const char *question, const char *reply) {
    QN_TRY(qn_buf_puts(ask, question));
    return qn_buf_puts(answer, reply);
}

/* Requests with one right answer, in two wordings each. */
static int draw_exact(int kind, const words *w, bool other, qn_buf *ask, qn_buf *answer, qn_request *r) {
    static const char *const name[8] = {
        "repeat", "reverse", "first", "last", "between", "instead", "without", "before"
    };
    char q[128], a[48] = "";
    const char *n = number[w->n];
    r->kind = name[kind];
    switch (kind) {
    case 0:
        for (int i = 0; i < w->n; i++)
            snprintf(a + strlen(a), sizeof a - strlen(a), "%s%s", i ? " " : "", w->a);
        snprintf(q, sizeof q, other ? "Write %s %s times." : "Say %s %s times.", w->a, n);
        break;
    case 1:
        snprintf(a, sizeof a, "%s, %s, %s", w->c, w->b, w->a);
        snprintf(q, sizeof q, other ? "Turn these around: %s, %s, %s." : "Say %s, %s, %s in reverse order.", w->a, w->b,
                 w->c);
        break;
    case 2:
    case 3:
        snprintf(a, sizeof a, "%s", kind == 2 ? w->a : w->c);
        snprintf(q, sizeof q, other ? "Of %s, %s, %s say the %s." : "Here are %s, %s, %s. Say only the %s.", w->a, w->b,
                 w->c, name[kind]);
        break;
    case 4:
        snprintf(a, sizeof a, "%s, %s, %s", w->a, w->c, w->b);
        snprintf(q, sizeof q, other ? "Between %s and %s say %s." : "Take %s and %s and put %s between.", w->a, w->b,
                 w->c);
        break;
    case 5:
        snprintf(a, sizeof a, "%s, %s, %s", w->a, w->d, w->c);
        if (other)
            snprintf(q, sizeof q, "In %s, %s, %s put %s for %s.", w->a, w->b, w->c, w->d, w->b);
        else
            snprintf(q, sizeof q, "Say %s, %s, %s with %s instead of %s.", w->a, w->b, w->c, w->d, w->b);
        break;
    case 6:
        snprintf(a, sizeof a, "%s, %s", w->a, w->c);
        snprintf(q, sizeof q, other ? "From %s, %s, %s leave out %s." : "Say %s, %s, %s without %s.", w->a, w->b, w->c,
                 w->b);
        break;
    default:
        snprintf(a, sizeof a, "%s, %s", w->b, w->a);
        snprintf(q, sizeof q, other ? "Before you say %s, say %s." : "Say %s, but before it say %s.", w->a, w->b);
    }
    r->rule[r->rules++] = rule("equals", -1, a);
    return both(ask, answer, q, a);
}

static int draw_free(int kind, const words *w, bool other, int64_t pick, qn_buf *ask, qn_buf *answer,
                     qn_request *r) {
    static const char *const start[4] = {"Yesterday", "Today", "Once", "Perhaps"};
    static const char *const middle[4] = {"I lost my", "she found her", "we saw a", "he sold the"};
    static const char *const few[4] = {"Here is my %s.", "I see a %s.", "She has a %s here.", "This %s is old."};
    char q[128], a[64], end[48];
    if (kind == 8) {
        int64_t most = 5 + pick % 4;
        r->kind = "at most";
        snprintf(q, sizeof q, other ? "With no more than %d words, say something about a %s."
                                    : "Make a sentence of at most %d words with a %s in it.", (int)most, w->a);
        snprintf(a, sizeof a, few[pick / 4 % 4], w->a);
        r->rule[r->rules++] = rule("max_words", most, "");
        r->rule[r->rules++] = rule("contains", -1, w->a);
    } else {
        const char *s = start[pick % 4];
        r->kind = "begin and end";
        snprintf(q, sizeof q, other ? "Begin with %s and end with %s: make a sentence."
                                    : "Make a sentence that begins with %s and ends with %s.", s, w->a);
        snprintf(a, sizeof a, "%s %s %s.", s, middle[pick / 4 % 4], w->a);
        snprintf(end, sizeof end, "%s.", w->a);
        r->rule[r->rules++] = rule("starts_with", -1, s);
        r->rule[r->rules++] = rule("ends_with", -1, end);
        r->rule[r->rules++] = rule("min_words", 4, "");
    }
    return both(ask, answer, q, a);
}

int qn_request_draw(qn_draw *d, int kind, bool fresh, qn_buf *ask, qn_buf *answer, qn_request *r) {
    const words w = draw_words(d, fresh);
    const bool other = qn_draw_below(d, 2) == 1;
    const int64_t pick = qn_draw_below(d, 16);
    *r = (qn_request){.words = fresh ? "new" : "common"};
    return kind < 8 ? draw_exact(kind, &w, other, ask, answer, r) : draw_free(kind, &w, other, pick, ask, answer, r);
}

static bool word_goes_on(qn_str s, size_t at) { return at < s.n && s.s[at] >= 'a' && s.s[at] <= 'z'; }

/* The place of the first word of `answer` that is one of the nouns, and its length; false: none. */
static bool find_noun(qn_str answer, size_t *at, size_t *len) {
    for (size_t i = 0; i < answer.n; i++) {
        if (i && answer.s[i - 1] != ' ')
            continue;
        for (size_t k = 0; k < QN_LEN(noun); k++) {
            const size_t n = strlen(noun[k]);
            if (i + n > answer.n || memcmp(answer.s + i, noun[k], n) != 0 ||
                word_goes_on(answer, i + n))
                continue;
            *at = i;
            *len = n;
            return true;
        }
    }
    return false;
}

int qn_request_spoil(qn_draw *d, qn_str answer, qn_buf *out) {
    size_t at, len;
    const bool found = find_noun(answer, &at, &len);
    qn_assert(found);
    const char *other;
    int again = 0;
    do                                              /* of the same length, if there is one */
        other = noun[qn_draw_below(d, COMMON)];
    while (strstr(answer.s, other) || (strlen(other) != len && again++ < 200));
    QN_TRY(qn_buf_put(out, answer.s, at));
    QN_TRY(qn_buf_puts(out, other));
    return qn_buf_put(out, answer.s + at + len, answer.n - at - len);
}

int qn_request_cut(qn_str answer, qn_buf *out) {
    size_t n = 0;
    while (n < answer.n && answer.s[n] != ' ' && answer.s[n] != ',')
        n++;
    return qn_buf_put(out, answer.s, n);
}
