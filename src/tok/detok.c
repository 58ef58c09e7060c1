/* tok/detok.c — the streaming detokenizer: bytes of pieces in, whole characters out.
 *
 * A token may end in the middle of a character. Its bytes wait in `pending` (at most three) until the rest comes or
 * it is certain that none will; what is no UTF-8 becomes U+FFFD, one per maximal part of a character (Unicode 15,
 * §3.9). */
#include "tok/tok_internal.h"

#define REPLACEMENT "\xef\xbf\xbd"

void qn_detok_init(qn_detok *d, const qn_tok *t, unsigned flags) {
    *d = (qn_detok){.tok = t, .flags = flags, .strip = t->decode.strip};
}

/* The bytes at s that begin a character as far as they go: 0 where s[0] begins none. */
static size_t partial_length(const unsigned char *s, size_t n) {
    unsigned char c = s[0];
    size_t need = c >= 0xc2 && c < 0xe0 ? 2 : (c & 0xf0) == 0xe0 ? 3 : c >= 0xf0 && c < 0xf5 ? 4 : 0;
    unsigned char low = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80, high = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
    if (!need)
        return 0;
    size_t i = 1;
    for (; i < need && i < n && s[i] >= low && s[i] <= high; i++) {
        low = 0x80;
        high = 0xbf;
    }
    return i;
}

/* Puts out what is complete or hopeless at the front of s; returns how many bytes wait for more (all of the rest). */
static int put_valid(const char *s, size_t n, bool final, qn_buf *out, size_t *left) {
    size_t i = 0;
    while (i < n) {
        size_t ok = qn_utf8_check(s + i, n - i);
        if (ok == QN_UTF8_OK)
            ok = n - i;
        QN_TRY(qn_buf_put(out, s + i, ok));
        i += ok;
        if (i == n)
            break;
        size_t part = partial_length((const unsigned char *)s + i, n - i);
        if (i + part == n && part > 0 && !final)
            break;
        QN_TRY(qn_buf_put(out, REPLACEMENT, 3));
        i += QN_MAX(part, (size_t)1);
    }
    *left = n - i;
    return 0;
}

static int put_bytes(qn_detok *d, qn_str s, qn_buf *out) {
    size_t left;
    if (d->flags & QN_TOK_RAW_BYTES)
        return qn_buf_put(out, s.s, s.n);
    while (d->n_pending && s.n) {               /* one byte at a time until the waiting character is settled */
        char joined[5];
        size_t n = d->n_pending;
        memcpy(joined, d->pending, n);
        joined[n] = *s.s++;
        s.n--;
        QN_TRY(put_valid(joined, n + 1, false, out, &left));
        memcpy(d->pending, joined + n + 1 - left, left);
        d->n_pending = left;
    }
    QN_TRY(put_valid(s.s, s.n, false, out, &left));
    if (s.n) {
        memcpy(d->pending, s.s + s.n - left, left);
        d->n_pending = left;
    }
    return 0;
}

/* Characters that the decoder strips from the start of the text, as long as nothing else has come. */
static qn_str strip_start(qn_detok *d, qn_str s) {
    const qn_decode_plan *p = &d->tok->decode;
    while (d->strip > 0 && s.n >= p->strip_len && p->strip_len && memcmp(s.s, p->strip_char, p->strip_len) == 0) {
        s.s += p->strip_len;
        s.n -= p->strip_len;
        d->strip--;
    }
    if (s.n)
        d->strip = 0;
    return s;
}

/* The first piece without the marks that stand for a space in front of the text. */
static int put_first(qn_detok *d, int32_t id, qn_buf *out) {
    const qn_decode_plan *p = &d->tok->decode;
    qn_str text = d->tok->vocab[id].text;
    while (text.n) {
        const char *mark = memmem(text.s, text.n, p->drop_first.s, p->drop_first.n);
        size_t before = mark ? (size_t)(mark - text.s) : text.n;
        QN_TRY(put_bytes(d, (qn_str){text.s, before}, out));
        text.s += before + (mark ? p->drop_first.n : 0);
        text.n -= before + (mark ? p->drop_first.n : 0);
    }
    return 0;
}

int qn_detok_push(qn_detok *d, int32_t id, qn_buf *out) {
    const qn_tok *t = d->tok;
    if (id < 0 || id >= t->n || t->vocab[id].type == QN_TOKEN_HOLE)
        return 0;
    if ((d->flags & QN_TOK_SKIP_SPECIAL) && t->special[id])
        return 0;
    bool first = !d->started;
    d->started = true;
    qn_str mark = t->decode.drop_first, text = t->vocab[id].text;
    if (first && mark.n && text.n && memmem(text.s, text.n, mark.s, mark.n))
        return put_first(d, id, out);
    if (first && t->decode.first_as_is)
        return put_bytes(d, text, out);
    if (!first && t->decode.join_spaces)
        QN_TRY(put_bytes(d, QN_STR(" "), out));
    qn_str piece = qn_tok_piece(t, id);
    return put_bytes(d, d->strip ? strip_start(d, piece) : piece, out);
}

int qn_detok_flush(qn_detok *d, qn_buf *out) {
    size_t left, n = d->n_pending;
    d->n_pending = 0;
    return put_valid(d->pending, n, true, out, &left);
}
