/* tok/scan.c — the commonest pre-tokenizers by hand: GPT-2's pattern, that with numbers cut apart first (SmolLM,
 * StarCoder), and GPT-4's shape with numbers of up to three digits (Llama 3) or of one (Qwen 2).
 *
 *     "Hello  World's 12\n x"      letters, eight bytes at a time
 *      ^^^^^ ^ ^^^^^^ …            one word after the other, by the class of its first characters
 *
 * A general regular expression costs more per word than all the rest of an encoding does. What stands here decides by
 * one or two characters which of a pattern's alternatives it is, as these never have to be tried in turn. regex.c with
 * the same pattern is the judge: test_scan.c holds both side by side.
 *
 * Which characters are letters and numbers is PCRE2's to say, whose version of Unicode counts: it is asked for 256 code
 * points at once, when the first of them is met. */
#include "tok/tok_internal.h"

/* LINE: \r, \n; ALONE: cut out before the pattern is looked at. */
enum { OTHER, LETTER, NUMBER, SPACE, LINE, ALONE };
enum { PAGE = 256, PAGES = 0x110000 / PAGE };

struct qn_scan_work {
    uint8_t *page[PAGES];           /* [PAGE] classes each, or NULL */
    qn_regex *letters, *numbers;
    char text[PAGE * 4];            /* a page's characters, while they are asked for */
};

/* One text on its way. */
typedef struct {
    qn_tok_work *w;
    const char *s;
    size_t n;
    qn_scan_kind kind;
    uint8_t ascii[128];
    int rc;                         /* of asking for classes */
} scan;

/* ---- classes ----------------------------------------------------------------------------------------------------- */

static void ascii_classes(scan *x) {
    for (unsigned c = 0; c < 128; c++) {
        const bool letter = (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
        x->ascii[c] = letter ? LETTER : qn_char_is_space(c) ? SPACE : OTHER;
    }
    x->ascii['\r'] = x->ascii['\n'] = LINE;
    for (unsigned c = '0'; c <= '9'; c++)
        x->ascii[c] = x->kind == QN_SCAN_DIGITS_GPT2 || x->kind == QN_SCAN_NUMBERS_GPT2 ? ALONE : NUMBER;
}

/* Enters `class` for what the pattern matches of a page's text, whose characters have `len` bytes each. */
static int mark(qn_tok_work *w, const qn_regex *re, size_t n, size_t len, uint8_t *page, uint8_t class) {
    size_t begin, end = 0;
    int found;
    while ((found = qn_regex_find(re, w->regex, w->scan->text, n, end, &begin, &end)) > 0)
        memset(page + begin / len, class, (end - begin) / len);
    return found;
}

static int fill(const scan *x, uint32_t first, uint8_t *page) {
    qn_scan_work *sw = x->w->scan;
    const uint32_t begin = QN_MAX(first, 0x80u);        /* the first page is asked for its upper half only */
    size_t n = 0;
    for (uint32_t c = begin; c < first + PAGE; c++)
        n += (size_t)qn_utf8_encode(c, sw->text + n);
    const size_t len = n / (first + PAGE - begin);
    page += begin - first;
    QN_TRY(mark(x->w, sw->letters, n, len, page, LETTER));
    QN_TRY(mark(x->w, sw->numbers, n, len, page, x->kind == QN_SCAN_NUMBERS_GPT2 ? ALONE : NUMBER));
    for (uint32_t c = begin; c < first + PAGE; c++) {
        if (qn_char_is_space(c))
            page[c - begin] = SPACE;
        if (x->kind == QN_SCAN_DIGITS_GPT2 && qn_char_is_number(c))
            page[c - begin] = ALONE;
    }
    return 0;
}

static int begin_work(qn_tok_work *w) {
    if (!w->scan)
        w->scan = qn_zalloc(QN_MEM_TOK, 1, sizeof *w->scan);
    if (!w->scan)
        return QN_ENOMEM;
    if (!w->scan->letters)
        QN_TRY(qn_regex_new(&w->scan->letters, QN_STR("\\p{L}+")));
    return w->scan->numbers ? 0 : qn_regex_new(&w->scan->numbers, QN_STR("\\p{N}+"));
}

/* The page of a code point that was not met before. NULL, and x->rc: there is no memory for it. */
static QN_NOINLINE const uint8_t *new_page(scan *x, uint32_t c) {
    uint8_t *page = NULL;
    x->rc = begin_work(x->w);
    if (x->rc >= 0 && !(page = qn_zalloc(QN_MEM_TOK, PAGE, 1)))
        x->rc = QN_ENOMEM;
    if (x->rc >= 0)
        x->rc = fill(x, c / PAGE * PAGE, page);
    if (x->rc < 0) {
        qn_free(page);
        return NULL;
    }
    return x->w->scan->page[c / PAGE] = page;
}

void qn_scan_work_free(qn_scan_work *w) {
    if (!w)
        return;
    for (size_t i = 0; i < PAGES; i++)
        qn_free(w->page[i]);
    qn_regex_free(w->letters);
    qn_regex_free(w->numbers);
    qn_free(w);
}

/* The class of the character at i, which is not ASCII; the text was checked. */
static unsigned wide_class(scan *x, size_t i, size_t *len) {
    const uint8_t *s = (const uint8_t *)x->s + i;
    uint32_t c;
    if (s[0] < 0xe0) {
        c = (s[0] & 0x1fu) << 6 | (s[1] & 0x3f);
        *len = 2;
    } else if (s[0] < 0xf0) {
        c = (s[0] & 0xfu) << 12 | (s[1] & 0x3fu) << 6 | (s[2] & 0x3f);
        *len = 3;
    } else {
        c = (s[0] & 7u) << 18 | (s[1] & 0x3fu) << 12 | (s[2] & 0x3fu) << 6 | (s[3] & 0x3f);
        *len = 4;
    }
    const uint8_t *page = x->w->scan ? x->w->scan->page[c / PAGE] : NULL;
    if (QN_UNLIKELY(!page) && !(page = new_page(x, c)))
        return OTHER;
    return page[c % PAGE];
}

QN_INLINE unsigned class_at(scan *x, size_t i, size_t *len) {
    const uint8_t c = (uint8_t)x->s[i];
    if (QN_UNLIKELY(c >= 0x80))
        return wide_class(x, i, len);
    *len = 1;
    return x->ascii[c];
}

/* ---- runs -------------------------------------------------------------------------------------------------------- */

#define EACH(byte) ((byte) * UINT64_C(0x0101010101010101))

/* The top bit of each byte that is an ASCII letter. No carry leaves a byte: all that is added to is below 0x80. */
QN_INLINE uint64_t letters_of(uint64_t v) {
    const uint64_t low = (v | EACH(0x20)) & EACH(0x7f);
    return (low + EACH(0x80 - 'a')) & ~(low + EACH(0x80 - 'z' - 1)) & ~v & EACH(0x80);
}

QN_INLINE size_t ascii_letters_end(const scan *x, size_t i) {
    while (x->n - i >= 8) {
        uint64_t v;
        memcpy(&v, x->s + i, sizeof v);
        const uint64_t others = letters_of(v) ^ EACH(0x80);
        if (others)
            return i + (size_t)QN_CTZ64(others) / 8;
        i += 8;
    }
    while (i < x->n && x->ascii[(uint8_t)x->s[i] & 0x7f] == LETTER && (uint8_t)x->s[i] < 0x80)
        i++;
    return i;
}

QN_INLINE size_t letters_end(scan *x, size_t i) {
    for (size_t len;; i += len) {
        i = ascii_letters_end(x, i);
        if (QN_LIKELY(i == x->n || (uint8_t)x->s[i] < 0x80 || wide_class(x, i, &len) != LETTER))
            return i;
    }
}

QN_INLINE size_t run_end(scan *x, size_t i, unsigned class, size_t most) {
    size_t len;
    while (most-- && i < x->n && class_at(x, i, &len) == class)
        i += len;
    return i;
}

/* White space, of which one character stays with the word behind it: `\s+(?!\S)|\s+`. With `lines` it ends with its
 * last line, if it has one: `\s*[\r\n]+` before these. */
static size_t spaces_end(scan *x, size_t from, bool lines) {
    size_t i = from, last = from, line = from, len;
    unsigned class = SPACE;
    while (i < x->n && ((class = class_at(x, i, &len)) == SPACE || class == LINE)) {
        last = i;
        i += len;
        line = class == LINE ? i : line;
    }
    if (lines && line > from)
        return line;
    return i == x->n || class == ALONE || last == from ? i : last;
}

/* How long the contraction is that begins with the apostrophe at i; 0: none. `fold`: in letters of any case, where the
 * long s is an s. */
static size_t contraction(const scan *x, size_t i, bool fold) {
    const unsigned char bit = fold ? 0x20 : 0;
    const size_t left = x->n - i - 1;
    const unsigned char *s = (const unsigned char *)x->s + i + 1;
    if (left >= 2 && fold && s[0] == 0xc5 && s[1] == 0xbf)
        return 3;
    const unsigned a = left >= 1 ? s[0] | bit : 0, b = left >= 2 ? s[1] | bit : 0;
    if (a == 's' || a == 't' || a == 'm' || a == 'd')
        return 2;
    return (a == 'r' && b == 'e') || (a == 'v' && b == 'e') || (a == 'l' && b == 'l') ? 3 : 0;
}

/* ---- words: where the one ends that begins at i ------------------------------------------------------------------ */

QN_INLINE size_t gpt2_word(scan *x, size_t i) {
    size_t len, behind, at = i;
    unsigned class = class_at(x, i, &len);
    if (x->s[i] == '\'' && (behind = contraction(x, i, false)) > 0)
        return i + behind;
    if (x->s[i] == ' ' && i + 1 < x->n) {           /* ` ?` in front of a run */
        const unsigned next = class_at(x, i + 1, &behind);
        if (next == LETTER || next == NUMBER || next == OTHER) {
            class = next;
            at = i + 1;
            len = behind;
        }
    }
    switch (class) {
    case LETTER: return letters_end(x, at + len);
    case NUMBER:
    case OTHER: return run_end(x, at + len, class, SIZE_MAX);
    case ALONE: return at + len;
    default: return spaces_end(x, at, false);
    }
}

QN_INLINE size_t gpt4_word(scan *x, size_t i, size_t numbers) {
    size_t len, behind;
    unsigned class = class_at(x, i, &len), next = SPACE;
    if (x->s[i] == '\'' && (behind = contraction(x, i, true)) > 0)
        return i + behind;
    if (class == LETTER)
        return letters_end(x, i + len);
    if (class == NUMBER)
        return run_end(x, i + len, NUMBER, numbers - 1);
    if (i + len < x->n)
        next = class_at(x, i + len, &behind);
    if (class != LINE && i + len < x->n && next == LETTER)      /* one sign, or blank, in front of letters */
        return letters_end(x, i + len + behind);
    if (class != OTHER && !(x->s[i] == ' ' && i + len < x->n && next == OTHER))
        return spaces_end(x, i, true);
    return run_end(x, run_end(x, i + len, OTHER, SIZE_MAX), LINE, SIZE_MAX);
}

/* ---- texts ------------------------------------------------------------------------------------------------------- */

/* Words leave in batches: to the model, or to who takes them instead. */
static int hand_on(const scan *x, const qn_str *word, size_t n) {
    const qn_tok_work *w = x->w;
    QN_TRY(x->rc);
    if (!w->take)
        return qn_bpe_words(w->tok->bpe, w->bpe, word, n, x->s + x->n, w->ids);
    for (size_t i = 0; i < n; i++)
        QN_TRY(w->take(w->take_arg, word[i].s, word[i].n));
    return 0;
}

/* The loop over a text, once for each kind: with the expression `end_of_word` inlined into it. */
#define SCAN(x, end_of_word)                                      \
    qn_str word[QN_BPE_WORDS];                                    \
    size_t n = 0;                                                 \
    for (size_t at = 0, end; at < (x)->n; at = end) {             \
        end = (end_of_word);                                      \
        word[n++] = (qn_str){(x)->s + at, end - at};              \
        if (n == QN_BPE_WORDS) {                                  \
            QN_TRY(hand_on((x), word, n));                        \
            n = 0;                                                \
        }                                                         \
    }                                                             \
    return hand_on((x), word, n)

static int scan_gpt2(scan *x) {
    SCAN(x, gpt2_word(x, at));
}

static int scan_llama3(scan *x) {
    SCAN(x, gpt4_word(x, at, 3));
}

static int scan_qwen2(scan *x) {
    SCAN(x, gpt4_word(x, at, 1));
}

int qn_scan_run(qn_tok_work *w, qn_scan_kind kind, const char *s, size_t n) {
    scan x = {.w = w, .s = s, .n = n, .kind = kind};
    ascii_classes(&x);
    switch (kind) {
    case QN_SCAN_LLAMA3: return scan_llama3(&x);
    case QN_SCAN_QWEN2: return scan_qwen2(&x);
    default: return scan_gpt2(&x);
    }
}

/* In front of a blank behind an ASCII letter or digit every one of these patterns begins a word, whatever stands before
 * and behind: no word has a blank behind anything but blanks, and no pattern looks back. */
size_t qn_scan_cut(const char *s, size_t from, size_t n) {
    for (size_t i = QN_MAX(from, (size_t)1); i < n; i++) {
        const unsigned char before = (unsigned char)s[i - 1], letter = before | 0x20;
        if (s[i] == ' ' && ((letter >= 'a' && letter <= 'z') || (before >= '0' && before <= '9')))
            return i;
    }
    return n;
}
