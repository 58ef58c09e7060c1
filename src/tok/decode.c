/* tok/decode.c — what each id stands for. The decoder pipeline of a tokenizer is compiled, when the tokenizer is made,
 * into a table of pieces and at most two rules for the start of a text:
 *
 *     ByteLevel                          undo the spelling
 *     Replace, ByteFallback, Metaspace   act on one token at a time, so they act on the table
 *     Fuse                               joins; what follows it acts on the whole text
 *     Strip before Fuse                  on the table; behind it: `strip` characters from the start of the text
 *     Metaspace                          drops its marks from the first piece (`drop_first`)
 *     WordPiece                          a blank before each piece that begins a word; the first piece stays as it is
 *
 * So decoding, whole or streamed, is copying. Added tokens are not spelled in the byte-level alphabet. */
#include "tok/tok_internal.h"

/* ---- compiling --------------------------------------------------------------------------------------------------- */

/* Everything in `text` that equals `from` becomes `to`, appended to out. */
static int replace(qn_str text, qn_str from, qn_str to, qn_buf *out) {
    while (text.n) {
        const char *p = from.n ? memmem(text.s, text.n, from.s, from.n) : NULL;
        size_t before = p ? (size_t)(p - text.s) : text.n;
        QN_TRY(qn_buf_put(out, text.s, before));
        if (p)
            QN_TRY(qn_buf_put(out, to.s, to.n));
        text.s += before + (p ? from.n : 0);
        text.n -= before + (p ? from.n : 0);
    }
    return 0;
}

static int hex(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* "<0x0A>" is the byte 10. */
static int byte_token(qn_str t) {
    bool shape = t.n == 6 && memcmp(t.s, "<0x", 3) == 0 && t.s[5] == '>' && hex(t.s[3]) >= 0 && hex(t.s[4]) >= 0;
    return shape ? hex(t.s[3]) * 16 + hex(t.s[4]) : -1;
}

static qn_str strip(qn_str t, const qn_tok_decoder *d) {
    size_t k = d->content.n;
    for (int64_t i = 0; i < d->start && t.n >= k && memcmp(t.s, d->content.s, k) == 0; i++) {
        t.s += k;
        t.n -= k;
    }
    for (int64_t i = 0; i < d->stop && t.n >= k && memcmp(t.s + t.n - k, d->content.s, k) == 0; i++)
        t.n -= k;
    return t;
}

/* "##ing" goes on where the piece before ends; what begins a word has a blank before it, but for signs and the ends of
 * English words. */
static int wordpiece(const qn_tok_decoder *d, qn_str in, qn_buf *out) {
    static const char *const close[] = {".", "?", "!", ",", "n't", "'m", "'s", "'ve", "'re"};
    bool blank = true;
    if (in.n >= d->pattern.n && memcmp(in.s, d->pattern.s, d->pattern.n) == 0)
        return qn_buf_put(out, in.s + d->pattern.n, in.n - d->pattern.n);
    for (size_t i = 0; i < QN_LEN(close) && d->cleanup; i++)
        blank = blank && !qn_str_starts(in, close[i]);
    if (blank)
        QN_TRY(qn_buf_putc(out, ' '));
    return qn_buf_put(out, in.s, in.n);
}

static int decode_step(const qn_tok_decoder *d, qn_str in, qn_buf *out) {
    int byte;
    switch (d->kind) {
    case QN_DECODE_BYTE_LEVEL: {
        QN_TRY(qn_buf_reserve(out, in.n));
        size_t n;
        if (!qn_bytelevel_unspell(in, out->s + out->n, &n))
            return qn_buf_put(out, in.s, in.n);
        out->n += n;
        return 0;
    }
    case QN_DECODE_REPLACE: return replace(in, d->pattern, d->content, out);
    case QN_DECODE_METASPACE: return replace(in, d->pattern, QN_STR(" "), out);
    case QN_DECODE_BYTE_FALLBACK:
        byte = byte_token(in);
        return byte < 0 ? qn_buf_put(out, in.s, in.n) : qn_buf_putc(out, (char)byte);
    case QN_DECODE_WORDPIECE: return wordpiece(d, in, out);
    case QN_DECODE_STRIP: in = strip(in, d); break;
    case QN_DECODE_FUSE: break;
    }
    return qn_buf_put(out, in.s, in.n);
}

/* Rules that hold for the start of the text only. Returns how many decoders make the table. */
static int text_rules(qn_decode_plan *p, const qn_tok_spec *spec, size_t *n_table) {
    size_t n = spec->n_decoders;
    bool fused = false;
    *n_table = n;
    for (size_t i = 0; i < n; i++) {
        const qn_tok_decoder *d = &spec->decoders[i];
        p->first_as_is = p->first_as_is || d->kind == QN_DECODE_WORDPIECE;
        if (d->kind == QN_DECODE_FUSE || d->kind == QN_DECODE_BYTE_LEVEL) {
            *n_table = fused ? *n_table : i + 1;
            fused = true;
        } else if (d->kind == QN_DECODE_METASPACE && !fused && d->prepend != QN_PREPEND_NEVER) {
            QN_TRY(qn_buf_put(&p->bytes, d->pattern.s, d->pattern.n));
            p->drop_first.n = d->pattern.n;
        } else if (fused && d->kind == QN_DECODE_STRIP && d->stop == 0 && p->strip == 0) {
            p->strip = d->start;
            p->strip_len = d->content.n;
            memcpy(p->strip_char, d->content.s, QN_MIN(d->content.n, sizeof p->strip_char));
        } else if (fused) {
            return qn_fail(QN_EUNSUPPORTED, "tokenizer: a decoder behind Fuse or ByteLevel, not Strip at the start");
        }
    }
    return 0;
}

static int put_piece(qn_decode_plan *p, const qn_tok_spec *spec, size_t n_table, qn_str text, bool spelled,
                     qn_buf tmp[2]) {
    if (n_table == 1 && spelled && spec->decoders[0].kind == QN_DECODE_BYTE_LEVEL)
        return decode_step(&spec->decoders[0], text, &p->bytes);
    for (size_t i = 0; i < n_table; i++) {
        if (spec->decoders[i].kind == QN_DECODE_BYTE_LEVEL && !spelled)
            continue;
        qn_buf *out = text.s == tmp[0].s ? &tmp[1] : &tmp[0];
        qn_buf_clear(out);
        QN_TRY(decode_step(&spec->decoders[i], text, out));
        text = qn_buf_view(out);
    }
    return qn_buf_put(&p->bytes, text.s, text.n);
}

int qn_decode_plan_init(qn_decode_plan *p, const qn_tok *t, const qn_tok_spec *spec) {
    int rc = 0;
    size_t n_table;
    qn_buf tmp[2] = {{0}, {0}};
    p->end = qn_alloc(QN_MEM_TOK, ((size_t)t->n + 1) * sizeof *p->end);
    QN_TRY_OUT(p->end ? 0 : QN_ENOMEM);
    p->join_spaces = spec->n_decoders == 0;
    QN_TRY_OUT(text_rules(p, spec, &n_table));
    QN_TRY_OUT(qn_buf_reserve(&p->bytes, t->text.n));
    p->end[0] = (uint32_t)p->bytes.n;           /* behind drop_first */
    for (int32_t i = 0; i < t->n; i++) {
        const qn_tok_entry *e = &t->vocab[i];
        bool spelled = !t->special[i] && e->type != QN_TOKEN_USER;
        QN_TRY_OUT(put_piece(p, spec, n_table, e->text, spelled, tmp));
        if (p->bytes.n > UINT32_MAX) {
            rc = qn_fail(QN_ELIMIT, "tokenizer: the tokens stand for more than 4 GB of text");
            goto out;
        }
        p->end[i + 1] = (uint32_t)p->bytes.n;
    }
    p->drop_first.s = p->bytes.s;               /* only now does the buffer stand still */
out:
    qn_buf_drop(&tmp[0]);
    qn_buf_drop(&tmp[1]);
    return rc;
}

void qn_decode_plan_drop(qn_decode_plan *p) {
    qn_free(p->end);
    qn_buf_drop(&p->bytes);
}

/* ---- whole texts ------------------------------------------------------------------------------------------------- */

qn_str qn_tok_piece(const qn_tok *t, int32_t id) {
    const qn_decode_plan *p = &t->decode;
    if (id < 0 || id >= t->n)
        return (qn_str){"", 0};
    return (qn_str){p->bytes.s + p->end[id], p->end[id + 1] - p->end[id]};
}

int qn_tok_decode(const qn_tok *t, const int32_t *ids, size_t n, unsigned flags, qn_buf *out) {
    qn_detok d;
    qn_detok_init(&d, t, flags);
    for (size_t i = 0; i < n; i++)
        QN_TRY(qn_detok_push(&d, ids[i], out));
    return qn_detok_flush(&d, out);
}
