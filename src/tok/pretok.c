/* tok/pretok.c — pre-tokenizers: a pipeline of steps that split a text into the words which the model sees.
 *
 * Depth first: a step hands each piece to the next step as soon as it is found, the last one hands it to the model. So
 * 10 MB of text need no list of pieces, and a word is tokenized while its bytes are in the cache. What a step's pattern
 * sees is the piece it was given and nothing around it, as in Hugging Face's tokenizers.
 *
 * For the commonest pipelines scan.c does the work of all steps at once. */
#include "tok/tok_internal.h"

/* `|\s+` last: what is left of a run of spaces before a word. */
#define GPT2_PATTERN "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"

int qn_pretok_step_init(qn_pretok_step *step, const qn_tok_pretok *p, bool last, bool scanned) {
    *step = (qn_pretok_step){.p = *p};
    if (scanned)
        return 0;
    if (p->kind == QN_PRETOK_BYTE_LEVEL) {
        step->spell = !last;
        return p->use_regex ? qn_regex_new(&step->regex, QN_STR(GPT2_PATTERN)) : 0;
    }
    if (p->kind != QN_PRETOK_SPLIT && p->kind != QN_PRETOK_METASPACE)
        return 0;
    if (p->pattern.n == 0)
        return qn_fail(QN_EUNSUPPORTED, "tokenizer: a pre-tokenizer with an empty pattern");
    return p->regex ? qn_regex_new(&step->regex, p->pattern) : 0;
}

void qn_pretok_step_drop(qn_pretok_step *step) {
    qn_regex_free(step->regex);
}

/* ---- where the next match of a step's pattern is ----------------------------------------------------------------- */

static bool char_matches(const qn_pretok_step *st, uint32_t c) {
    switch (st->p.kind) {
    case QN_PRETOK_DIGITS: return qn_char_is_number(c);
    case QN_PRETOK_PUNCTUATION: return qn_char_is_punctuation(c);
    default: return qn_char_is_space(c);
    }
}

static int find_char(const qn_pretok_step *st, const char *s, size_t n, size_t from, size_t *begin, size_t *end) {
    for (size_t i = from; i < n;) {
        uint32_t c = (unsigned char)s[i];
        int len = c < 0x80 ? 1 : qn_utf8_decode(s + i, n - i, &c);
        if (char_matches(st, c)) {
            *begin = i;
            *end = i + (size_t)len;
            return 1;
        }
        i += (size_t)len;
    }
    return 0;
}

static int find_literal(qn_str pattern, const char *s, size_t n, size_t from, size_t *begin, size_t *end) {
    const char *p = memmem(s + from, n - from, pattern.s, pattern.n);
    if (!p)
        return 0;
    *begin = (size_t)(p - s);
    *end = *begin + pattern.n;
    return 1;
}

/* WHITESPACE is `\w+|[^\w\s]+`: the longest run of one kind that is no white space. */
static int find_run(const char *s, size_t n, size_t from, size_t *begin, size_t *end) {
    bool found = false, word = false;
    size_t i = from;
    while (i < n) {
        uint32_t c;
        int len = qn_utf8_decode(s + i, n - i, &c);
        bool is_word = qn_char_is_word(c), stop = qn_char_is_space(c) || is_word != word;
        if (found && stop)
            break;
        if (!found && !qn_char_is_space(c)) {
            found = true;
            word = is_word;
            *begin = i;
        }
        i += (size_t)len;
    }
    *end = i;
    return found;
}

static int find(const qn_pretok_step *st, qn_regex_work *rw, const char *s, size_t n, size_t from, size_t *begin,
                size_t *end) {
    if (st->regex)
        return qn_regex_find(st->regex, rw, s, n, from, begin, end);
    if (st->p.kind == QN_PRETOK_SPLIT || st->p.kind == QN_PRETOK_METASPACE)
        return find_literal(st->p.pattern, s, n, from, begin, end);
    if (st->p.kind == QN_PRETOK_WHITESPACE)
        return find_run(s, n, from, begin, end);
    return find_char(st, s, n, from, begin, end);
}

/* ---- pieces and what becomes of them ----------------------------------------------------------------------------- */

/* Pieces arrive from left to right, matches and what lies between them; a piece may have to wait for the next. */
typedef struct {
    qn_tok_work *w;
    size_t step;
    const char *s;
    bool first;
    qn_split_behavior behavior;
    bool waiting, was_match;
    size_t begin, end;
} splitter;

static int feed(qn_tok_work *w, size_t step, const char *s, size_t n, bool first);

/* A piece leaves its step: respelled on the way where the step says so. */
static int pass(qn_tok_work *w, size_t step, const char *s, size_t n, bool first) {
    if (!w->tok->steps[step].spell)
        return feed(w, step + 1, s, n, first);
    qn_buf *text = &w->spelled[step];
    qn_buf_clear(text);
    QN_TRY(qn_bytelevel_spell(text, (qn_str){s, n}));
    return feed(w, step + 1, text->s, text->n, first);
}

static int hand_on(splitter *sp, size_t begin, size_t end) {
    return begin == end ? 0 : pass(sp->w, sp->step, sp->s + begin, end - begin, sp->first && begin == 0);
}

static int settle(splitter *sp) {
    bool waiting = sp->waiting;
    sp->waiting = false;
    return waiting ? hand_on(sp, sp->begin, sp->end) : 0;
}

/* Does the piece that has just come belong to the one that waits? */
static bool joins(const splitter *sp, bool match) {
    switch (sp->behavior) {
    case QN_SPLIT_CONTIGUOUS: return match == sp->was_match;
    case QN_SPLIT_MERGED_PREVIOUS: return match && !sp->was_match;
    case QN_SPLIT_MERGED_NEXT: return !match && sp->was_match;
    default: return false;
    }
}

static int piece(splitter *sp, size_t begin, size_t end, bool match) {
    if (sp->behavior == QN_SPLIT_ISOLATED)
        return hand_on(sp, begin, end);
    if (sp->behavior == QN_SPLIT_REMOVED)
        return match ? 0 : hand_on(sp, begin, end);
    if (!sp->waiting || !joins(sp, match)) {
        QN_TRY(settle(sp));
        sp->begin = begin;
    }
    sp->waiting = true;
    sp->was_match = match;
    sp->end = end;
    return 0;
}

static int split(qn_tok_work *w, size_t step, const char *s, size_t n, bool first, qn_split_behavior behavior,
                 bool invert) {
    const qn_pretok_step *st = &w->tok->steps[step];
    splitter sp = {.w = w, .step = step, .s = s, .first = first, .behavior = behavior};
    size_t at = 0, from = 0, begin = 0, end = 0;
    bool after_match = false;
    while (from <= n) {
        int found = find(st, w->regex, s, n, from, &begin, &end);
        QN_TRY(found);
        if (!found)
            break;
        if (begin < end || begin != at || !after_match) {       /* an empty match right behind a match is none */
            if (begin > at)
                QN_TRY(piece(&sp, at, begin, invert));
            QN_TRY(piece(&sp, begin, end, !invert));
            at = end;
            after_match = true;
        }
        uint32_t c;
        from = end;
        if (begin == end)
            from += end < n ? (size_t)qn_utf8_decode(s + end, n - end, &c) : 1;
    }
    if (at < n)
        QN_TRY(piece(&sp, at, n, invert));
    return settle(&sp);
}

/* ---- steps that write the text anew ------------------------------------------------------------------------------ */

static int feed_byte_level(qn_tok_work *w, size_t step, const char *s, size_t n, bool first) {
    const qn_pretok_step *st = &w->tok->steps[step];
    if (st->p.add_prefix_space && !w->goes_on && s[0] != ' ') {
        qn_buf *text = &w->step_text[step];
        qn_buf_clear(text);
        QN_TRY(qn_buf_putc(text, ' '));
        QN_TRY(qn_buf_put(text, s, n));
        s = text->s;
        n = text->n;
    }
    return st->regex ? split(w, step, s, n, first, QN_SPLIT_ISOLATED, false) : pass(w, step, s, n, first);
}

static int feed_metaspace(qn_tok_work *w, size_t step, const char *s, size_t n, bool first) {
    const qn_tok_pretok *p = &w->tok->steps[step].p;
    qn_buf *text = &w->step_text[step];
    bool starts = n >= p->pattern.n && memcmp(s, p->pattern.s, p->pattern.n) == 0;
    bool prepend = p->prepend == QN_PREPEND_ALWAYS || (p->prepend == QN_PREPEND_FIRST && first);
    prepend = prepend && !w->goes_on;
    qn_buf_clear(text);
    if (prepend && !starts && s[0] != ' ')
        QN_TRY(qn_buf_put(text, p->pattern.s, p->pattern.n));
    for (size_t i = 0; i < n;) {
        const char *space = memchr(s + i, ' ', n - i);
        size_t end = space ? (size_t)(space - s) : n;
        QN_TRY(qn_buf_put(text, s + i, end - i));
        if (space)
            QN_TRY(qn_buf_put(text, p->pattern.s, p->pattern.n));
        i = end + (space != NULL);
    }
    if (p->split)
        return split(w, step, text->s, text->n, first, QN_SPLIT_MERGED_NEXT, false);
    return pass(w, step, text->s, text->n, first);
}

/* White space separates, each sign of punctuation is a word of its own. */
static int feed_bert(qn_tok_work *w, size_t step, const char *s, size_t n, bool first) {
    size_t begin = 0;
    for (size_t i = 0; i < n;) {
        uint32_t c = (unsigned char)s[i];
        const size_t end = i + (c < 0x80 ? 1 : (size_t)qn_utf8_decode(s + i, n - i, &c));
        const bool space = qn_char_is_space(c), sign = !space && qn_char_is_punctuation(c);
        if ((space || sign) && i > begin)
            QN_TRY(pass(w, step, s + begin, i - begin, first && begin == 0));
        if (sign)
            QN_TRY(pass(w, step, s + i, end - i, first && i == 0));
        i = end;
        begin = space || sign ? end : begin;
    }
    return begin < n ? pass(w, step, s + begin, n - begin, first && begin == 0) : 0;
}

static int model_word(qn_tok_work *w, const char *s, size_t n) {
    const qn_tok *t = w->tok;
    if (t->wordpiece)
        return qn_wordpiece_word(t->wordpiece, w->wordpiece, s, n, w->ids);
    return qn_bpe_words(t->bpe, w->bpe, &(qn_str){s, n}, 1, s + n, w->ids);
}

static int feed(qn_tok_work *w, size_t step, const char *s, size_t n, bool first) {
    const qn_tok *t = w->tok;
    if (step == t->n_steps)
        return w->take ? w->take(w->take_arg, s, n) : model_word(w, s, n);
    const qn_tok_pretok *p = &t->steps[step].p;
    switch (p->kind) {
    case QN_PRETOK_BYTE_LEVEL: return feed_byte_level(w, step, s, n, first);
    case QN_PRETOK_METASPACE: return feed_metaspace(w, step, s, n, first);
    case QN_PRETOK_BERT: return feed_bert(w, step, s, n, first);
    case QN_PRETOK_WHITESPACE_SPLIT: return split(w, step, s, n, first, QN_SPLIT_REMOVED, false);
    case QN_PRETOK_WHITESPACE: return split(w, step, s, n, first, QN_SPLIT_REMOVED, true);
    default: return split(w, step, s, n, first, p->behavior, p->invert);
    }
}

int qn_pretok_run(qn_tok_work *w, const char *s, size_t n, bool first) {
    if (w->tok->scan != QN_SCAN_NONE)
        return qn_scan_run(w, w->tok->scan, s, n);
    return n ? feed(w, 0, s, n, first) : 0;
}
