/* tok/regex.c — PCRE2 behind two functions, and the translation of patterns into its dialect.
 *
 * Patterns come from files written for Oniguruma (Hugging Face) and mean what they mean there: `^` and `$` at every
 * line, \s the Unicode property White_Space, \w and \b with marks and connectors. PCRE2's \s has U+180E besides and its
 * \w lacks marks, so these escapes are written out as classes; what PCRE2 would silently take for something else (class
 * intersection, nested classes, \h) is refused by name.
 *
 * A match may cost time linear in the text: the limits let 10 MB of one character pass and stop what explodes. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "tok/tok_internal.h"

#define MATCH_LIMIT 200000000u      /* steps in one match */
#define HEAP_LIMIT_KIB (256 * 1024)
#define JIT_STACK_START (32 * 1024)
#define JIT_STACK_MAX (8 * 1024 * 1024)

#define SPACE_CLASS "\\x{9}-\\x{d} \\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}" \
    "\\x{205f}\\x{3000}"
#define NOT_SPACE_CLASS \
    "\\x{0}-\\x{8}\\x{e}-\\x{1f}!-\\x{84}\\x{86}-\\x{9f}\\x{a1}-\\x{167f}\\x{1681}-\\x{1fff}\\x{200b}-\\x{2027}" \
    "\\x{202a}-\\x{202e}\\x{2030}-\\x{205e}\\x{2060}-\\x{2fff}\\x{3001}-\\x{10ffff}"
/* Alphabetic is L, Nl, most of M and the circled letters; \w adds the rest of M, Nd and Pc. */
#define WORD_CLASS "\\p{L}\\p{M}\\p{Nl}\\p{Nd}\\p{Pc}\\x{24b6}-\\x{24e9}\\x{1f130}-\\x{1f149}\\x{1f150}-\\x{1f169}" \
    "\\x{1f170}-\\x{1f189}"
#define BOUNDARY "(?:(?<=[" WORD_CLASS "])(?![" WORD_CLASS "])|(?<![" WORD_CLASS "])(?=[" WORD_CLASS "]))"
#define NOT_BOUNDARY "(?:(?<=[" WORD_CLASS "])(?=[" WORD_CLASS "])|(?<![" WORD_CLASS "])(?![" WORD_CLASS "]))"

struct qn_regex { pcre2_general_context *general; pcre2_code *code; bool jit; };
struct qn_regex_work {
    pcre2_general_context *general;
    pcre2_match_context *context;
    pcre2_match_data *data;
    pcre2_jit_stack *stack;
};

static void *pcre_alloc(size_t n, void *arg) {
    (void)arg;
    return qn_alloc(QN_MEM_TOK, n);
}

static void pcre_free(void *p, void *arg) {
    (void)arg;
    qn_free(p);
}

/* ---- translation ------------------------------------------------------------------------------------------------ */

typedef struct { qn_str in; size_t at; qn_buf *out; bool in_class; } translator;

static int refuse(const translator *t, const char *what) {
    return qn_fail(QN_EUNSUPPORTED, "tokenizer: %s at byte %zu of the regular expression \"%.*s\" is not supported",
                   what, t->at, QN_STR_ARG(t->in));
}

/* \uHHHH is \x{HHHH} here. */
static int translate_u(translator *t) {
    if (t->in.n - t->at < 6)
        return refuse(t, "a short \\u escape");
    for (size_t i = 2; i < 6; i++)
        if (!strchr("0123456789abcdefABCDEF", t->in.s[t->at + i]) || t->in.s[t->at + i] == '\0')
            return refuse(t, "a \\u escape without four digits");
    QN_TRY(qn_buf_puts(t->out, "\\x{"));
    QN_TRY(qn_buf_put(t->out, t->in.s + t->at + 2, 4));
    t->at += 6;
    return qn_buf_putc(t->out, '}');
}

static int translate_escape(translator *t) {
    if (t->at + 1 >= t->in.n)
        return refuse(t, "a backslash at the end");
    char c = t->in.s[t->at + 1];
    const char *with = NULL;
    switch (c) {
    case 's': with = t->in_class ? SPACE_CLASS : "[" SPACE_CLASS "]"; break;
    case 'S': with = t->in_class ? NOT_SPACE_CLASS : "[^" SPACE_CLASS "]"; break;
    case 'w': with = t->in_class ? WORD_CLASS : "[" WORD_CLASS "]"; break;
    case 'W':
        if (t->in_class)
            return refuse(t, "\\W inside a class");
        with = "[^" WORD_CLASS "]";
        break;
    case 'b': with = t->in_class ? "\\x{8}" : BOUNDARY; break;
    case 'B': with = NOT_BOUNDARY; break;
    case 'h': case 'H': case 'R': case 'X': case 'K': case 'G': case 'O': case 'N': case 'y': case 'Y': case 'C':
        return refuse(t, (const char[]){'\\', c, '\0'});
    case 'u': return translate_u(t);
    default: break;
    }
    t->at += 2;
    return with ? qn_buf_puts(t->out, with) : qn_buf_put(t->out, (const char[]){'\\', c}, 2);
}

/* One step inside a class; t->at is not at its end. */
static int translate_class_char(translator *t, size_t class_start) {
    char c = t->in.s[t->at];
    if (c == '[') {
        bool posix = t->at + 1 < t->in.n && t->in.s[t->at + 1] == ':';
        return refuse(t, posix ? "a POSIX class" : "a class inside a class");
    }
    if (c == '&' && t->at + 1 < t->in.n && t->in.s[t->at + 1] == '&')
        return refuse(t, "the intersection of classes");
    if (c == ']' && t->at > class_start)
        t->in_class = false;
    t->at++;
    return qn_buf_putc(t->out, c);
}

static int translate(qn_str in, qn_buf *out) {
    translator t = {.in = in, .out = out};
    size_t class_start = 0;
    while (t.at < in.n) {
        char c = in.s[t.at];
        if (c == '\\') {
            QN_TRY(translate_escape(&t));
        } else if (t.in_class) {
            QN_TRY(translate_class_char(&t, class_start));
        } else {
            t.at++;
            QN_TRY(qn_buf_putc(out, c));
            t.in_class = c == '[';
            if (t.in_class && t.at < in.n && in.s[t.at] == '^') {
                t.at++;
                QN_TRY(qn_buf_putc(out, '^'));
            }
            class_start = t.at;         /* a ']' here is literal */
        }
    }
    return 0;
}

/* ---- compile and match ------------------------------------------------------------------------------------------ */

static int compile(qn_regex *re, qn_str pattern, const qn_buf *translated) {
    int error;
    PCRE2_SIZE offset;
    pcre2_compile_context *cc = pcre2_compile_context_create(re->general);
    if (!cc)
        return QN_ENOMEM;
    pcre2_set_newline(cc, PCRE2_NEWLINE_LF);
    re->code = pcre2_compile((PCRE2_SPTR)(translated->s ? translated->s : ""), translated->n,
                             PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE, &error, &offset, cc);
    pcre2_compile_context_free(cc);
    if (!re->code && error == PCRE2_ERROR_HEAP_FAILED)
        return QN_ENOMEM;
    if (!re->code) {
        PCRE2_UCHAR text[128] = "";
        pcre2_get_error_message(error, text, sizeof text);
        return qn_fail(QN_EUNSUPPORTED, "tokenizer: the regular expression \"%.*s\" does not compile: %s",
                       QN_STR_ARG(pattern), (const char *)text);
    }
    re->jit = pcre2_jit_compile(re->code, PCRE2_JIT_COMPLETE) == 0;     /* else the interpreter, with the same result */
    return 0;
}

int qn_regex_new(qn_regex **out, qn_str pattern) {
    int rc = 0;
    qn_buf translated = {0};
    qn_regex *re = qn_zalloc(QN_MEM_TOK, 1, sizeof *re);
    if (!re)
        return QN_ENOMEM;
    size_t bad = qn_utf8_check(pattern.s, pattern.n);
    if (bad != QN_UTF8_OK) {
        rc = qn_fail(QN_EUTF8, "tokenizer: a regular expression is no UTF-8 at byte %zu", bad);
        goto out;
    }
    re->general = pcre2_general_context_create(pcre_alloc, pcre_free, NULL);
    QN_TRY_OUT(re->general ? 0 : QN_ENOMEM);
    QN_TRY_OUT(translate(pattern, &translated));
    QN_TRY_OUT(compile(re, pattern, &translated));
    *out = re;
    re = NULL;
out:
    qn_buf_drop(&translated);
    qn_regex_free(re);
    return rc;
}

void qn_regex_free(qn_regex *re) {
    if (!re)
        return;
    pcre2_code_free(re->code);
    pcre2_general_context_free(re->general);
    qn_free(re);
}

int qn_regex_work_new(qn_regex_work **out) {
    qn_regex_work *w = qn_zalloc(QN_MEM_TOK, 1, sizeof *w);
    if (!w)
        return QN_ENOMEM;
    w->general = pcre2_general_context_create(pcre_alloc, pcre_free, NULL);
    w->context = w->general ? pcre2_match_context_create(w->general) : NULL;
    w->data = w->context ? pcre2_match_data_create(8, w->general) : NULL;
    if (!w->data) {
        qn_regex_work_free(w);
        return QN_ENOMEM;
    }
    w->stack = pcre2_jit_stack_create(JIT_STACK_START, JIT_STACK_MAX, w->general);
    if (w->stack)                                   /* NULL: no JIT here, or PCRE2's own small stack */
        pcre2_jit_stack_assign(w->context, NULL, w->stack);
    pcre2_set_match_limit(w->context, MATCH_LIMIT);
    pcre2_set_heap_limit(w->context, HEAP_LIMIT_KIB);
    *out = w;
    return 0;
}

void qn_regex_work_free(qn_regex_work *w) {
    if (!w)
        return;
    pcre2_jit_stack_free(w->stack);
    pcre2_match_data_free(w->data);
    pcre2_match_context_free(w->context);
    pcre2_general_context_free(w->general);
    qn_free(w);
}

int qn_regex_find(const qn_regex *re, qn_regex_work *w, const char *s, size_t n, size_t from, size_t *begin,
                  size_t *end) {
    PCRE2_SPTR text = (PCRE2_SPTR)s;
    int rc = re->jit ? pcre2_jit_match(re->code, text, n, from, PCRE2_NO_UTF_CHECK, w->data, w->context)
                     : pcre2_match(re->code, text, n, from, PCRE2_NO_UTF_CHECK, w->data, w->context);
    if (rc == PCRE2_ERROR_JIT_STACKLIMIT)
        rc = pcre2_match(re->code, text, n, from, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, w->data, w->context);
    if (rc == PCRE2_ERROR_NOMATCH)
        return 0;
    if (rc == PCRE2_ERROR_NOMEMORY)
        return QN_ENOMEM;
    if (rc < 0)
        return qn_fail(QN_ELIMIT, "tokenizer: a regular expression gave up %zu bytes into a text of %zu bytes (PCRE2 "
                       "error %d); split the text", from, n, rc);
    const PCRE2_SIZE *v = pcre2_get_ovector_pointer(w->data);
    *begin = v[0];
    *end = v[1];
    return 1;
}
