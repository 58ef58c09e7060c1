/* tok/normalize.c — the normalizers: each step maps a text to a text. A step that changes nothing hands its input on
 * without copying, which is the common case (NFC over text that is composed already).
 *
 * Unicode normal forms: utf8proc decomposes one character and composes a sequence; the reordering of combining marks
 * between is ours, a counting sort per run of marks, because utf8proc's is quadratic in the length of the run. */
#include <utf8proc.h>

#include "tok/tok_internal.h"

#define MAX_DECOMPOSED 32       /* code points that one character may decompose into (18 is the longest known) */

void qn_norm_work_drop(qn_norm_work *w) {
    qn_buf_drop(&w->text[0]);
    qn_buf_drop(&w->text[1]);
    qn_buf_drop(&w->bert[0]);
    qn_buf_drop(&w->bert[1]);
    qn_free(w->cps);
    *w = (qn_norm_work){0};
}

/* ---- normal forms ----------------------------------------------------------------------------------------------- */

static bool all_below(qn_str s, unsigned char limit) {
    unsigned char high = 0;
    for (size_t i = 0; i < s.n; i++)
        high = QN_MAX(high, (unsigned char)s.s[i]);
    return high < limit;
}

static int ccc(int32_t cp) {
    return (int)utf8proc_get_property(cp)->combining_class;
}

/* Sorts the run cps[0…n) by combining class, keeping the order of equals; tmp has room for n. */
static void sort_marks(int32_t *cps, size_t n, int32_t *tmp) {
    size_t at[256] = {0};
    for (size_t i = 0; i < n; i++)
        at[ccc(cps[i])]++;
    for (size_t k = 0, sum = 0; k < 256; k++) {
        size_t count = at[k];
        at[k] = sum;
        sum += count;
    }
    for (size_t i = 0; i < n; i++)
        tmp[at[ccc(cps[i])]++] = cps[i];
    memcpy(cps, tmp, n * sizeof *cps);
}

/* Canonical ordering: every run of characters with a combining class other than 0. */
static void order_marks(int32_t *cps, size_t n, int32_t *tmp) {
    for (size_t i = 0; i < n;) {
        if (cps[i] < 0x300 || ccc(cps[i]) == 0) {
            i++;
            continue;
        }
        size_t end = i + 1;
        bool sorted = true;
        for (; end < n && ccc(cps[end]) != 0; end++)
            sorted = sorted && ccc(cps[end - 1]) <= ccc(cps[end]);
        if (!sorted)
            sort_marks(cps + i, end - i, tmp);
        i = end;
    }
}

static int decompose(qn_norm_work *w, qn_str in, utf8proc_option_t options, size_t *count) {
    size_t n = 0;
    for (size_t i = 0; i < in.n;) {
        uint32_t c;
        i += (size_t)qn_utf8_decode(in.s + i, in.n - i, &c);
        QN_TRY(QN_GROW(QN_MEM_TOK, w->cps, w->cap_cps, n + MAX_DECOMPOSED));
        if (c < 0xa0) {
            w->cps[n++] = (int32_t)c;
            continue;
        }
        int bound = 0;
        utf8proc_ssize_t k = utf8proc_decompose_char((int32_t)c, w->cps + n, MAX_DECOMPOSED, options, &bound);
        if (k < 0 || k > MAX_DECOMPOSED)
            return qn_fail(QN_EINVAL, "tokenizer: U+%04X does not decompose", c);
        n += (size_t)k;
    }
    *count = n;
    return 0;
}

int qn_norm_form(qn_norm_kind kind, qn_norm_work *w, qn_str in, qn_buf *out) {
    bool compat = kind == QN_NORM_NFKC || kind == QN_NORM_NFKD;
    bool compose = kind == QN_NORM_NFC || kind == QN_NORM_NFKC;
    utf8proc_option_t options = UTF8PROC_STABLE | UTF8PROC_DECOMPOSE | (compat ? UTF8PROC_COMPAT : 0);
    size_t n = 0;
    QN_TRY(decompose(w, in, options, &n));
    QN_TRY(QN_GROW(QN_MEM_TOK, w->cps, w->cap_cps, 2 * n));         /* the upper half is scratch for sorting */
    order_marks(w->cps, n, w->cps + n);
    if (compose) {
        utf8proc_ssize_t k = utf8proc_normalize_utf32(w->cps, (utf8proc_ssize_t)n, UTF8PROC_STABLE | UTF8PROC_COMPOSE);
        if (k < 0)
            return qn_fail(QN_EINVAL, "tokenizer: %s", utf8proc_errmsg(k));
        n = (size_t)k;
    }
    QN_TRY(qn_buf_reserve(out, in.n));
    for (size_t i = 0; i < n; i++)
        QN_TRY(qn_buf_utf8(out, (uint32_t)w->cps[i]));
    return 0;
}

/* Below U+0300 every character is its own NFC and nothing combines; the other forms are safe for ASCII only. */
static bool normal_already(qn_norm_kind kind, qn_str in) {
    return all_below(in, kind == QN_NORM_NFC ? 0xcc : 0x80);
}

/* ---- maps over characters --------------------------------------------------------------------------------------- */

/* What a character becomes: 0 is nothing, else the code point; *extra follows it if not 0. */
uint32_t qn_norm_lower(uint32_t c, uint32_t *extra) {
    if (c == 0x130)                             /* İ, the one letter whose lower case is two characters */
        *extra = 0x307;
    return c == 0x130 ? 'i' : (uint32_t)utf8proc_tolower((int32_t)c);
}

static uint32_t nmt_char(uint32_t c) {
    if ((c >= 1 && c <= 8) || c == 0x0b || (c >= 0x0e && c <= 0x1f) || c == 0x7f || c == 0x8f || c == 0x9f)
        return UINT32_MAX;
    bool space = c == '\t' || c == '\n' || c == '\f' || c == '\r' || c == 0x1680 || (c >= 0x200b && c <= 0x200f) ||
                 c == 0x2028 || c == 0x2029 || c == 0x2581 || c == 0xfeff || c == 0xfffd;
    return space ? ' ' : c;
}

static int map_chars(qn_norm_kind kind, qn_str in, qn_buf *out) {
    QN_TRY(qn_buf_reserve(out, in.n));
    for (size_t i = 0; i < in.n;) {
        uint32_t c, extra = 0;
        i += (size_t)qn_utf8_decode(in.s + i, in.n - i, &c);
        if (kind == QN_NORM_LOWERCASE)
            c = qn_norm_lower(c, &extra);
        else if (kind == QN_NORM_NMT)
            c = nmt_char(c);
        else if (qn_char_is_mark(c))
            c = UINT32_MAX;
        if (c != UINT32_MAX)
            QN_TRY(qn_buf_utf8(out, c));
        if (extra)
            QN_TRY(qn_buf_utf8(out, extra));
    }
    return 0;
}

static qn_str strip(qn_str s, bool left, bool right) {
    uint32_t c;
    while (left && s.n) {
        int len = qn_utf8_decode(s.s, s.n, &c);
        if (!qn_char_is_space(c))
            break;
        s.s += len;
        s.n -= (size_t)len;
    }
    while (right && s.n) {
        size_t i = s.n - 1;
        while (i > 0 && ((unsigned char)s.s[i] & 0xc0) == 0x80)
            i--;
        qn_utf8_decode(s.s + i, s.n - i, &c);
        if (!qn_char_is_space(c))
            break;
        s.n = i;
    }
    return s;
}

/* ---- replace ---------------------------------------------------------------------------------------------------- */

static int find(const qn_norm_step *st, qn_regex_work *rw, qn_str in, size_t from, size_t *begin, size_t *end) {
    if (st->regex)
        return qn_regex_find(st->regex, rw, in.s, in.n, from, begin, end);
    const char *p = memmem(in.s + from, in.n - from, st->pattern.s, st->pattern.n);
    if (!p)
        return 0;
    *begin = (size_t)(p - in.s);
    *end = *begin + st->pattern.n;
    return 1;
}

static int replace(const qn_norm_step *st, qn_regex_work *rw, qn_str in, qn_buf *out, bool *changed) {
    size_t at = 0, from = 0, begin, end;
    bool after_match = false;
    while (from <= in.n) {
        int found = find(st, rw, in, from, &begin, &end);
        QN_TRY(found);
        if (!found)
            break;
        bool empty_again = begin == end && after_match && begin == at;      /* right behind a match: not one more */
        if (!empty_again) {
            QN_TRY(qn_buf_put(out, in.s + at, begin - at));
            QN_TRY(qn_buf_put(out, st->content.s, st->content.n));
            at = end;
            *changed = after_match = true;
        }
        uint32_t c;
        int step = begin == end && end < in.n ? qn_utf8_decode(in.s + end, in.n - end, &c) : begin == end;
        from = end + (size_t)step;
    }
    return *changed ? qn_buf_put(out, in.s + at, in.n - at) : 0;
}

/* ---- the pipeline ----------------------------------------------------------------------------------------------- */

static int run_step(const qn_norm_step *st, qn_norm_work *w, qn_regex_work *rw, qn_str in, qn_buf *out, qn_str *view) {
    bool changed = true;
    qn_buf_clear(out);
    switch (st->kind) {
    case QN_NORM_NFC: case QN_NORM_NFD: case QN_NORM_NFKC: case QN_NORM_NFKD:
        changed = !normal_already(st->kind, in);
        if (changed)
            QN_TRY(qn_norm_form(st->kind, w, in, out));
        break;
    case QN_NORM_LOWERCASE: case QN_NORM_STRIP_ACCENTS: case QN_NORM_NMT:
        QN_TRY(map_chars(st->kind, in, out));
        break;
    case QN_NORM_STRIP:
        *view = strip(in, st->left, st->right);
        return 0;
    case QN_NORM_PREPEND:
        changed = in.n > 0 && !w->goes_on;
        if (changed) {
            QN_TRY(qn_buf_put(out, st->content.s, st->content.n));
            QN_TRY(qn_buf_put(out, in.s, in.n));
        }
        break;
    case QN_NORM_REPLACE:
        changed = false;
        QN_TRY(replace(st, rw, in, out, &changed));
        break;
    case QN_NORM_BYTE_LEVEL:
        QN_TRY(qn_bytelevel_spell(out, in));
        break;
    case QN_NORM_BERT:
        QN_TRY(qn_norm_bert(st->bert, w, in, out));
        break;
    }
    *view = changed ? qn_buf_view(out) : in;
    return 0;
}

int qn_norm_run(const qn_norm_step *steps, size_t n_steps, qn_norm_work *w, qn_regex_work *rw, qn_str in, qn_str *out) {
    int free_text = 0;                          /* the buffer that does not hold the current text */
    for (size_t i = 0; i < n_steps; i++) {
        qn_str view;
        qn_buf *into = &w->text[free_text];
        QN_TRY(run_step(&steps[i], w, rw, in, into, &view));
        if (into->s && view.s >= into->s && view.s <= into->s + into->n)
            free_text = 1 - free_text;
        in = view;
    }
    *out = in;
    return 0;
}
