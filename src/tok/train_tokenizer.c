/* tok/train_tokenizer.c — the tables of a new tokenizer: special tokens first, then the alphabet, then what was learnt.
 *
 *   BPE    special │ 256 bytes, in the order of their spelling │ merged tokens, the most frequent first
 *   BYTE   special │ 256 bytes
 *   CHAR   special │ <0x00>…<0xFF> or <unk> │ characters, the most frequent first; a blank is spelled '▁'
 *
 * CHAR is written the way SentencePiece models are, because that is how other programs know characters with a fallback
 * to bytes: '▁' stands for the blank, so a '▁' of the text comes back as a blank. */
#include <stdlib.h>

#include "tok/train_internal.h"

#define CODE_POINTS 0x110000
#define SPACE_MARK 0x2581u
#define SPACE_MARK_TEXT "\xe2\x96\x81"
#define UNK "<unk>"

/* ---- special tokens --------------------------------------------------------------------------------------------- */

static int check_special(const qn_tok_train_options *o) {
    for (size_t i = 0; i < o->n_special; i++) {
        qn_str s = o->special[i];
        if (s.n == 0 || s.n > QN_TOK_MAX_ADDED)
            return qn_fail(QN_EINVAL, "a special token of %zu bytes; 1 to %d are possible", s.n, QN_TOK_MAX_ADDED);
        if (qn_utf8_check(s.s, s.n) != QN_UTF8_OK)
            return qn_fail(QN_EUTF8, "the special token \"%.*s\" is not valid UTF-8", QN_STR_ARG(s));
        for (size_t k = 0; k < i; k++)
            if (qn_str_eq(s, o->special[k]))
                return qn_fail(QN_EINVAL, "the special token \"%.*s\" is given twice", QN_STR_ARG(s));
    }
    return 0;
}

static int add_special(qn_tok_spec *spec, qn_str text, qn_token_type type) {
    int32_t id = (int32_t)spec->n_vocab;
    QN_TRY(qn_tok_spec_token(spec, id, text, type));
    return qn_tok_spec_added(spec, &(qn_tok_added){.id = id, .text = text, .special = true});
}

static int add_all_special(qn_tok_spec *spec, const qn_tok_train_options *o) {
    bool unk = o->kind == QN_TRAIN_CHAR && o->fallback == QN_FALLBACK_UNK;
    for (size_t i = 0; i < o->n_special; i++)
        QN_TRY(add_special(spec, o->special[i], unk && qn_str_is(o->special[i], UNK) ? QN_TOKEN_UNKNOWN
                                                                                     : QN_TOKEN_CONTROL));
    if (!unk)
        return 0;
    spec->unk = qn_tok_spec_find(spec, QN_STR(UNK));
    if (spec->unk < 0) {
        spec->unk = (int32_t)spec->n_vocab;
        QN_TRY(add_special(spec, QN_STR(UNK), QN_TOKEN_UNKNOWN));
    }
    spec->use_unk = true;
    return 0;
}

static int too_small(const qn_tok_train_options *o, int64_t least, const char *what) {
    return qn_fail(QN_EINVAL, "a vocabulary of %lld cannot hold %s; at least %lld", (long long)o->vocab, what,
                   (long long)least);
}

/* ---- bytes and what is merged of them --------------------------------------------------------------------------- */

/* A byte that is spelled like a special token has that one's id, as in Hugging Face's trainer. */
static int add_alphabet(qn_tok_spec *spec, int32_t byte_id[256]) {
    for (uint32_t c = 0; c <= 0x143; c++) {
        char text[4];
        int byte = qn_bytelevel_byte(c);
        if (byte < 0)
            continue;
        qn_str spelled = {text, (size_t)qn_utf8_encode(c, text)};
        byte_id[byte] = qn_tok_spec_find(spec, spelled);
        if (byte_id[byte] >= 0)
            continue;
        byte_id[byte] = (int32_t)spec->n_vocab;
        QN_TRY(qn_tok_spec_token(spec, byte_id[byte], spelled, QN_TOKEN_NORMAL));
    }
    return 0;
}

/* The bytes that each token so far stands for. */
static int first_tokens(qn_train_vocab *v, const qn_tok_spec *spec) {
    char bytes[QN_TOK_MAX_ADDED];
    for (size_t i = 0; i < spec->n_vocab; i++) {
        size_t n = 0;
        bool spelled = qn_bytelevel_unspell(spec->vocab[i].text, bytes, &n);
        QN_TRY(qn_train_vocab_add(v, bytes, spelled ? n : 0));
    }
    return 0;
}

static int add_learnt(qn_tok_spec *spec, const qn_train_vocab *v) {
    int rc = 0;
    qn_buf text = {0};
    for (size_t i = spec->n_vocab; i < v->n && rc >= 0; i++) {
        qn_buf_clear(&text);
        rc = qn_bytelevel_spell(&text, (qn_str){v->text + v->at[i], v->at[i + 1] - v->at[i]});
        if (rc >= 0)
            rc = qn_tok_spec_token(spec, (int64_t)i, qn_buf_view(&text), QN_TOKEN_NORMAL);
    }
    for (size_t i = 0; i < v->n_merges && rc >= 0; i++)
        rc = qn_tok_spec_merge(spec, spec->vocab[v->merge[i].left].text, spec->vocab[v->merge[i].right].text);
    qn_buf_drop(&text);
    return rc;
}

static int train_bytes(qn_tok_spec *spec, const qn_words *w, const qn_tok_train_options *o,
                       qn_tok_train_result *result) {
    int rc = 0;
    int32_t byte_id[256];
    qn_train_vocab v = {0};
    QN_TRY_OUT(add_alphabet(spec, byte_id));
    if (o->kind == QN_TRAIN_BPE) {
        if (o->vocab < (int64_t)spec->n_vocab) {
            rc = too_small(o, (int64_t)spec->n_vocab, "256 bytes and the special tokens");
            goto out;
        }
        QN_TRY_OUT(first_tokens(&v, spec));
        QN_TRY_OUT(qn_train_merges(&v, w, byte_id, o));
        QN_TRY_OUT(add_learnt(spec, &v));
        result->merges = (int64_t)v.n_merges;
        result->least = v.least;
    }
    QN_TRY_OUT(qn_train_pre(spec, qn_str_of(w->o.pre)));
    QN_TRY_OUT(qn_tok_spec_decoder(spec, &(qn_tok_decoder){.kind = QN_DECODE_BYTE_LEVEL}));
out:
    qn_train_vocab_drop(&v);
    return rc;
}

/* ---- characters ------------------------------------------------------------------------------------------------- */

typedef struct { int64_t count; uint32_t c; } char_count;

static int more_frequent(const void *a, const void *b) {
    const char_count *x = a, *y = b;
    if (x->count != y->count)
        return x->count > y->count ? -1 : 1;
    return (x->c > y->c) - (x->c < y->c);
}

/* Characters counted and the seen ones sorted to the front; *n is how many. */
static char_count *count_chars(const qn_words *w, size_t *n) {
    char_count *chars = qn_zalloc(QN_MEM_TOK, CODE_POINTS, sizeof *chars);
    for (int s = 0; chars && s < QN_WORD_SHARDS; s++) {
        const qn_word_table *t = &w->shard[s];
        for (size_t i = 0; i < t->n; i++) {
            const char *text = t->text + t->word[i].at;
            for (size_t k = 0; k < t->word[i].n;) {
                uint32_t c;
                k += (size_t)qn_utf8_decode(text + k, t->word[i].n - k, &c);
                chars[c == ' ' ? SPACE_MARK : c].count += t->word[i].count;
            }
        }
    }
    *n = 0;
    for (uint32_t c = 0; chars && c < CODE_POINTS; c++)
        if (chars[c].count)
            chars[(*n)++] = (char_count){chars[c].count, c};
    if (chars)
        qsort(chars, *n, sizeof *chars, more_frequent);
    return chars;
}

static int char_pipeline(qn_tok_spec *spec) {
    const qn_str mark = QN_STR(SPACE_MARK_TEXT), blank = QN_STR(" ");
    QN_TRY(qn_tok_spec_norm(spec, &(qn_tok_norm){.kind = QN_NORM_REPLACE, .pattern = blank, .content = mark}));
    QN_TRY(qn_tok_spec_decoder(spec, &(qn_tok_decoder){.kind = QN_DECODE_REPLACE, .pattern = mark,
                                                       .content = blank}));
    QN_TRY(qn_tok_spec_decoder(spec, &(qn_tok_decoder){.kind = QN_DECODE_BYTE_FALLBACK}));
    return qn_tok_spec_decoder(spec, &(qn_tok_decoder){.kind = QN_DECODE_FUSE});
}

static int train_chars(qn_tok_spec *spec, const qn_words *w, const qn_tok_train_options *o,
                       qn_tok_train_result *result) {
    size_t n = 0, taken = 0;
    QN_TRY(o->fallback == QN_FALLBACK_BYTE ? qn_tok_spec_bytes(spec) : 0);
    if (o->vocab <= (int64_t)spec->n_vocab)
        return too_small(o, (int64_t)spec->n_vocab + 1, "the special tokens, the fallback and a character");
    char_count *chars = count_chars(w, &n);
    int rc = chars ? 0 : QN_ENOMEM;
    for (; taken < n && rc >= 0; taken++) {
        char text[4];
        qn_str one = {text, (size_t)qn_utf8_encode(chars[taken].c, text)};
        if (chars[taken].count < o->min_count || (int64_t)spec->n_vocab >= o->vocab)
            break;
        if (qn_tok_spec_find(spec, one) < 0)
            rc = qn_tok_spec_token(spec, (int64_t)spec->n_vocab, one, QN_TOKEN_NORMAL);
        result->least = chars[taken].count;
    }
    result->left_out = (int64_t)(n - taken);
    qn_free(chars);
    return rc < 0 ? rc : char_pipeline(spec);
}

int qn_tok_train(qn_tok_spec *spec, const qn_words *w, const qn_tok_train_options *o, qn_tok_train_result *result) {
    qn_assert(w->finished);
    *result = (qn_tok_train_result){0};
    if (w->stats.total == 0)
        return qn_fail(QN_EINVAL, "there is no text to train a tokenizer on");
    if (o->kind != QN_TRAIN_BYTE && (o->vocab < 1 || o->vocab > QN_TOK_MAX_ID))
        return qn_fail(QN_EINVAL, "a vocabulary of %lld; 1 to %d are possible", (long long)o->vocab, QN_TOK_MAX_ID);
    QN_TRY(check_special(o));
    spec->model = QN_TOK_BPE;
    QN_TRY(add_all_special(spec, o));
    QN_TRY(o->kind == QN_TRAIN_CHAR ? train_chars(spec, w, o, result) : train_bytes(spec, w, o, result));
    result->vocab = (int64_t)spec->n_vocab;
    return 0;
}
