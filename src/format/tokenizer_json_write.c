/* format/tokenizer_json_write.c — tokenizer.json, part by part: the mirror image of tokenizer_json.c. */
#include "format/tokenizer_json_write.h"

#include <stdlib.h>
#include <string.h>

#include "base/json_fields.h"

typedef struct {
    const qn_tok_spec *spec;
    qn_jw w;
    qn_strmap id;               /* text → id, as encoding sees it */
} writer;

/* ---- members ----------------------------------------------------------------------------------------------------- */

static void put_text_or_null(qn_jw *w, const char *key, qn_str v) {
    qn_jw_key(w, key);
    if (v.n)
        qn_jw_str(w, v);
    else
        qn_jw_null(w);
}

static void put_pattern(qn_jw *w, qn_str pattern, bool regex) {
    qn_jw_key(w, "pattern");
    qn_jw_open(w, '{');
    qn_field_text(w, regex ? "Regex" : "String", pattern);
    qn_jw_close(w);
}

/* {…}, or a Sequence of them under `children`, or null. */
static void open_parts(qn_jw *w, const char *part, const char *children, size_t n) {
    qn_jw_key(w, part);
    if (n == 0)
        qn_jw_null(w);
    if (n < 2)
        return;
    qn_jw_open(w, '{');
    qn_field_str(w, "type", "Sequence");
    qn_jw_key(w, children);
    qn_jw_open(w, '[');
}

static void close_parts(qn_jw *w, size_t n) {
    if (n < 2)
        return;
    qn_jw_close(w);
    qn_jw_close(w);
}

/* ---- components -------------------------------------------------------------------------------------------------- */

static void put_norm(qn_jw *w, const qn_tok_norm *n) {
    static const char *const types[] = {
        [QN_NORM_NFC] = "NFC", [QN_NORM_NFD] = "NFD", [QN_NORM_NFKC] = "NFKC", [QN_NORM_NFKD] = "NFKD",
        [QN_NORM_LOWERCASE] = "Lowercase", [QN_NORM_STRIP_ACCENTS] = "StripAccents", [QN_NORM_NMT] = "Nmt",
        [QN_NORM_STRIP] = "Strip", [QN_NORM_PREPEND] = "Prepend", [QN_NORM_REPLACE] = "Replace",
        [QN_NORM_BYTE_LEVEL] = "ByteLevel", [QN_NORM_BERT] = "BertNormalizer",
    };
    qn_jw_open(w, '{');
    qn_field_str(w, "type", types[n->kind]);
    if (n->kind == QN_NORM_BERT) {
        qn_field_bool(w, "clean_text", n->bert.clean);
        qn_field_bool(w, "handle_chinese_chars", n->bert.ideographs);
        if (n->bert.accents == n->bert.lowercase)       /* as BERT's own files say it */
            qn_field_null(w, "strip_accents");
        else
            qn_field_bool(w, "strip_accents", n->bert.accents);
        qn_field_bool(w, "lowercase", n->bert.lowercase);
    }
    if (n->kind == QN_NORM_STRIP) {
        qn_field_bool(w, "strip_left", n->left);
        qn_field_bool(w, "strip_right", n->right);
    }
    if (n->kind == QN_NORM_PREPEND)
        qn_field_text(w, "prepend", n->content);
    if (n->kind == QN_NORM_REPLACE) {
        put_pattern(w, n->pattern, n->regex);
        qn_field_text(w, "content", n->content);
    }
    qn_jw_close(w);
}

static void put_norms(qn_jw *w, const qn_tok_spec *s) {
    open_parts(w, "normalizer", "normalizers", s->n_norms);
    for (size_t i = 0; i < s->n_norms; i++)
        put_norm(w, &s->norms[i]);
    close_parts(w, s->n_norms);
}

static const char *behavior(qn_split_behavior b) {
    static const char *const names[] = {
        [QN_SPLIT_ISOLATED] = "Isolated", [QN_SPLIT_REMOVED] = "Removed", [QN_SPLIT_CONTIGUOUS] = "Contiguous",
        [QN_SPLIT_MERGED_PREVIOUS] = "MergedWithPrevious", [QN_SPLIT_MERGED_NEXT] = "MergedWithNext",
    };
    return names[b];
}

static const char *scheme(qn_prepend_scheme p) {
    return p == QN_PREPEND_FIRST ? "first" : p == QN_PREPEND_NEVER ? "never" : "always";
}

static void put_byte_level(qn_jw *w, bool add_prefix_space, bool use_regex) {
    qn_field_bool(w, "add_prefix_space", add_prefix_space);
    qn_field_bool(w, "trim_offsets", true);
    qn_field_bool(w, "use_regex", use_regex);
}

static void put_pretok(qn_jw *w, const qn_tok_pretok *p) {
    static const char *const types[] = {
        [QN_PRETOK_SPLIT] = "Split", [QN_PRETOK_BYTE_LEVEL] = "ByteLevel", [QN_PRETOK_DIGITS] = "Digits",
        [QN_PRETOK_PUNCTUATION] = "Punctuation", [QN_PRETOK_WHITESPACE] = "Whitespace",
        [QN_PRETOK_WHITESPACE_SPLIT] = "WhitespaceSplit", [QN_PRETOK_METASPACE] = "Metaspace",
        [QN_PRETOK_BERT] = "BertPreTokenizer",
    };
    qn_jw_open(w, '{');
    qn_field_str(w, "type", types[p->kind]);
    switch (p->kind) {
    case QN_PRETOK_SPLIT:
        put_pattern(w, p->pattern, p->regex);
        qn_field_str(w, "behavior", behavior(p->behavior));
        qn_field_bool(w, "invert", p->invert);
        break;
    case QN_PRETOK_BYTE_LEVEL:
        put_byte_level(w, p->add_prefix_space, p->use_regex);
        break;
    case QN_PRETOK_DIGITS:
        qn_field_bool(w, "individual_digits", p->behavior == QN_SPLIT_ISOLATED);
        break;
    case QN_PRETOK_PUNCTUATION:
        qn_field_str(w, "behavior", behavior(p->behavior));
        break;
    case QN_PRETOK_METASPACE:
        qn_field_text(w, "replacement", p->pattern);
        qn_field_str(w, "prepend_scheme", scheme(p->prepend));
        qn_field_bool(w, "split", p->split);
        break;
    default:
        break;
    }
    qn_jw_close(w);
}

static void put_pretoks(qn_jw *w, const qn_tok_spec *s) {
    open_parts(w, "pre_tokenizer", "pretokenizers", s->n_pretoks);
    for (size_t i = 0; i < s->n_pretoks; i++)
        put_pretok(w, &s->pretoks[i]);
    close_parts(w, s->n_pretoks);
}

static void put_decoder(qn_jw *w, const qn_tok_decoder *d) {
    static const char *const types[] = {
        [QN_DECODE_BYTE_LEVEL] = "ByteLevel", [QN_DECODE_REPLACE] = "Replace",
        [QN_DECODE_BYTE_FALLBACK] = "ByteFallback", [QN_DECODE_FUSE] = "Fuse", [QN_DECODE_STRIP] = "Strip",
        [QN_DECODE_METASPACE] = "Metaspace", [QN_DECODE_WORDPIECE] = "WordPiece",
    };
    qn_jw_open(w, '{');
    qn_field_str(w, "type", types[d->kind]);
    switch (d->kind) {
    case QN_DECODE_BYTE_LEVEL:
        put_byte_level(w, true, true);                  /* none of them matters for decoding */
        break;
    case QN_DECODE_REPLACE:
        put_pattern(w, d->pattern, false);
        qn_field_text(w, "content", d->content);
        break;
    case QN_DECODE_STRIP:
        qn_field_text(w, "content", d->content);
        qn_field_i64(w, "start", d->start);
        qn_field_i64(w, "stop", d->stop);
        break;
    case QN_DECODE_WORDPIECE:
        qn_field_text(w, "prefix", d->pattern);
        qn_field_bool(w, "cleanup", d->cleanup);
        break;
    case QN_DECODE_METASPACE:
        qn_field_text(w, "replacement", d->pattern);
        qn_field_str(w, "prepend_scheme", scheme(d->prepend));
        qn_field_bool(w, "split", true);
        break;
    default:
        break;
    }
    qn_jw_close(w);
}

static void put_decoders(qn_jw *w, const qn_tok_spec *s) {
    open_parts(w, "decoder", "decoders", s->n_decoders);
    for (size_t i = 0; i < s->n_decoders; i++)
        put_decoder(w, &s->decoders[i]);
    close_parts(w, s->n_decoders);
}

/* ---- what is put around a text ----------------------------------------------------------------------------------- */

static qn_str text_of(const qn_tok_spec *s, int32_t id) {
    for (size_t i = 0; i < s->n_added; i++)
        if (s->added[i].id == id)
            return s->added[i].text;
    return (size_t)id < s->n_vocab ? s->vocab[id].text : (qn_str){"", 0};
}

static void put_piece(qn_jw *w, const char *kind, qn_str id, int type) {
    qn_jw_open(w, '{');
    qn_jw_key(w, kind);
    qn_jw_open(w, '{');
    qn_field_text(w, "id", id);
    qn_field_i64(w, "type_id", type);
    qn_jw_close(w);
    qn_jw_close(w);
}

static void put_around(writer *x, const char *text, int type) {
    const qn_tok_spec *s = x->spec;
    for (size_t i = 0; i < s->n_prefix; i++)
        put_piece(&x->w, "SpecialToken", text_of(s, s->prefix[i]), type);
    put_piece(&x->w, "Sequence", qn_str_of(text), type);
    for (size_t i = 0; i < s->n_suffix; i++)
        put_piece(&x->w, "SpecialToken", text_of(s, s->suffix[i]), type);
}

static int32_t around_at(const qn_tok_spec *s, size_t i) {
    return i < s->n_prefix ? s->prefix[i] : s->suffix[i - s->n_prefix];
}

static void put_around_ids(writer *x) {
    const qn_tok_spec *s = x->spec;
    qn_jw_key(&x->w, "special_tokens");
    qn_jw_open(&x->w, '{');
    for (size_t i = 0; i < s->n_prefix + s->n_suffix; i++) {
        const int32_t id = around_at(s, i);
        bool seen = false;
        for (size_t k = 0; k < i; k++)
            seen = seen || around_at(s, k) == id;
        if (seen)
            continue;
        qn_jw_key_str(&x->w, text_of(s, id));
        qn_jw_open(&x->w, '{');
        qn_field_text(&x->w, "id", text_of(s, id));
        qn_jw_key(&x->w, "ids");
        qn_jw_open(&x->w, '[');
        qn_jw_i64(&x->w, id);
        qn_jw_close(&x->w);
        qn_jw_key(&x->w, "tokens");
        qn_jw_open(&x->w, '[');
        qn_jw_str(&x->w, text_of(s, id));
        qn_jw_close(&x->w);
        qn_jw_close(&x->w);
    }
    qn_jw_close(&x->w);
}

static void put_processor(writer *x) {
    if (x->spec->n_prefix + x->spec->n_suffix == 0) {
        qn_field_null(&x->w, "post_processor");
        return;
    }
    qn_jw_key(&x->w, "post_processor");
    qn_jw_open(&x->w, '{');
    qn_field_str(&x->w, "type", "TemplateProcessing");
    qn_jw_key(&x->w, "single");
    qn_jw_open(&x->w, '[');
    put_around(x, "A", 0);
    qn_jw_close(&x->w);
    qn_jw_key(&x->w, "pair");
    qn_jw_open(&x->w, '[');
    put_around(x, "A", 0);
    put_around(x, "B", 1);
    qn_jw_close(&x->w);
    put_around_ids(x);
    qn_jw_close(&x->w);
}

/* ---- tokens ------------------------------------------------------------------------------------------------------ */

static int by_id(const void *a, const void *b) {
    const qn_tok_added *x = *(const qn_tok_added *const *)a, *y = *(const qn_tok_added *const *)b;
    return (x->id > y->id) - (x->id < y->id);
}

static void put_added(qn_jw *w, const qn_tok_added *a) {
    qn_jw_open(w, '{');
    qn_field_i64(w, "id", a->id);
    qn_field_text(w, "content", a->text);
    qn_field_bool(w, "single_word", a->single_word);
    qn_field_bool(w, "lstrip", a->lstrip);
    qn_field_bool(w, "rstrip", a->rstrip);
    qn_field_bool(w, "normalized", a->normalized);
    qn_field_bool(w, "special", a->special);
    qn_jw_close(w);
}

/* By ascending id, as transformers wants them. */
static int put_added_tokens(writer *x) {
    const qn_tok_spec *s = x->spec;
    const qn_tok_added **sorted = qn_alloc(QN_MEM_FORMAT, s->n_added * sizeof *sorted);
    if (!sorted)
        return QN_ENOMEM;
    for (size_t i = 0; i < s->n_added; i++)
        sorted[i] = &s->added[i];
    if (s->n_added)
        qsort(sorted, s->n_added, sizeof *sorted, by_id);
    qn_jw_key(&x->w, "added_tokens");
    qn_jw_open(&x->w, '[');
    for (size_t i = 0; i < s->n_added; i++)
        put_added(&x->w, sorted[i]);
    qn_jw_close(&x->w);
    qn_free(sorted);
    return 0;
}

static bool in_vocab(const qn_tok_spec *s, int32_t id) {
    return (size_t)id < s->n_vocab && s->vocab[id].type != QN_TOKEN_HOLE;
}

/* Which id a text has: an added token's, else the lowest. */
static int map_texts(writer *x) {
    const qn_tok_spec *s = x->spec;
    QN_TRY(qn_strmap_reserve(&x->id, s->n_vocab + s->n_added));
    for (size_t i = s->n_vocab; i-- > 0;) {
        const qn_tok_entry *e = &s->vocab[i];
        if (e->type == QN_TOKEN_HOLE)
            continue;
        if (qn_utf8_check(e->text.s, e->text.n) != QN_UTF8_OK)
            return qn_fail(QN_EUTF8, "token %zu is not UTF-8; tokenizer.json cannot hold it", i);
        QN_TRY(qn_strmap_put(&x->id, e->text, (int64_t)i));
    }
    for (size_t i = 0; i < s->n_added; i++) {
        const qn_tok_added *a = &s->added[i];
        if (in_vocab(s, a->id) && !qn_str_eq(s->vocab[a->id].text, a->text))
            return qn_fail(QN_EFORMAT, "tokenizer: id %d is \"%.*s\" in the vocabulary, \"%.*s\" as an added token",
                           a->id, QN_STR_ARG(s->vocab[a->id].text), QN_STR_ARG(a->text));
        QN_TRY(qn_strmap_put(&x->id, a->text, a->id));
    }
    return 0;
}

/* Added tokens stand in the vocabulary too: readers number those that do not by their own count. */
static void put_vocab(writer *x) {
    const qn_tok_spec *s = x->spec;
    int64_t id;
    qn_jw_key(&x->w, "vocab");
    qn_jw_open(&x->w, '{');
    for (size_t i = 0; i < s->n_vocab; i++) {
        const qn_tok_entry *e = &s->vocab[i];
        if (e->type == QN_TOKEN_HOLE || !qn_strmap_get(&x->id, e->text, &id) || id != (int64_t)i)
            continue;
        qn_jw_key_str(&x->w, e->text);
        qn_jw_i64(&x->w, id);
    }
    for (size_t i = 0; i < s->n_added; i++) {
        const qn_tok_added *a = &s->added[i];
        if (in_vocab(s, a->id))
            continue;
        qn_jw_key_str(&x->w, a->text);
        qn_jw_i64(&x->w, a->id);
    }
    qn_jw_close(&x->w);
}

/* 1: both halves and the whole are tokens; 0: not, and it may be left out. The second half leaves its prefix behind. */
static int merge_holds(const writer *x, const qn_tok_merge *m, qn_buf *whole) {
    int64_t id;
    const size_t prefix = x->spec->continuing_prefix.n, cut = m->right.n >= prefix ? prefix : 0;
    qn_buf_clear(whole);
    QN_TRY(qn_buf_put(whole, m->left.s, m->left.n));
    QN_TRY(qn_buf_put(whole, m->right.s + cut, m->right.n - cut));
    if (qn_strmap_get(&x->id, m->left, &id) && qn_strmap_get(&x->id, m->right, &id) &&
        qn_strmap_get(&x->id, qn_buf_view(whole), &id))
        return 1;
    if (x->spec->skip_bad_merges)
        return 0;
    return qn_fail(QN_EFORMAT, "tokenizer: the merge of \"%.*s\" and \"%.*s\" is not made of tokens",
                   QN_STR_ARG(m->left), QN_STR_ARG(m->right));
}

/* "a b", which every version of transformers reads, unless a text could be misread. */
static bool merges_need_pairs(const qn_tok_spec *s) {
    for (size_t i = 0; i < s->n_merges; i++) {
        const qn_tok_merge *m = &s->merges[i];
        if (memchr(m->left.s, ' ', m->left.n) || memchr(m->right.s, ' ', m->right.n) ||
            qn_str_starts(m->left, "#version"))
            return true;
    }
    return false;
}

static int put_merge(writer *x, const qn_tok_merge *m, bool pairs, qn_buf *text) {
    if (pairs) {
        qn_jw_open(&x->w, '[');
        qn_jw_str(&x->w, m->left);
        qn_jw_str(&x->w, m->right);
        qn_jw_close(&x->w);
        return 0;
    }
    qn_buf_clear(text);
    QN_TRY(qn_buf_put(text, m->left.s, m->left.n));
    QN_TRY(qn_buf_putc(text, ' '));
    QN_TRY(qn_buf_put(text, m->right.s, m->right.n));
    qn_jw_str(&x->w, qn_buf_view(text));
    return 0;
}

static int put_merges(writer *x) {
    const qn_tok_spec *s = x->spec;
    const bool pairs = merges_need_pairs(s);
    qn_buf text = {0};
    int rc = 0;
    qn_jw_key(&x->w, "merges");
    qn_jw_open(&x->w, '[');
    for (size_t i = 0; i < s->n_merges; i++) {
        const int holds = merge_holds(x, &s->merges[i], &text);
        QN_TRY_OUT(holds);
        if (holds)
            QN_TRY_OUT(put_merge(x, &s->merges[i], pairs, &text));
    }
    qn_jw_close(&x->w);
    rc = 0;
out:
    qn_buf_drop(&text);
    return rc;
}

static void put_wordpiece(writer *x) {
    const qn_tok_spec *s = x->spec;
    qn_field_str(&x->w, "type", "WordPiece");
    put_text_or_null(&x->w, "unk_token", text_of(s, s->unk));
    qn_field_text(&x->w, "continuing_subword_prefix", s->continuing_prefix);
    qn_field_i64(&x->w, "max_input_chars_per_word", s->max_word);
    put_vocab(x);
    qn_jw_close(&x->w);
}

static int put_model(writer *x) {
    const qn_tok_spec *s = x->spec;
    qn_jw_key(&x->w, "model");
    qn_jw_open(&x->w, '{');
    if (s->model == QN_TOK_WORDPIECE) {
        put_wordpiece(x);
        return 0;
    }
    qn_field_str(&x->w, "type", "BPE");
    qn_field_null(&x->w, "dropout");
    put_text_or_null(&x->w, "unk_token", s->use_unk && s->unk >= 0 ? text_of(s, s->unk) : (qn_str){"", 0});
    put_text_or_null(&x->w, "continuing_subword_prefix", s->continuing_prefix);
    put_text_or_null(&x->w, "end_of_word_suffix", s->end_suffix);
    qn_field_bool(&x->w, "fuse_unk", s->fuse_unk);
    qn_field_bool(&x->w, "byte_fallback", s->byte_fallback);
    qn_field_bool(&x->w, "ignore_merges", s->ignore_merges);
    put_vocab(x);
    QN_TRY(put_merges(x));
    qn_jw_close(&x->w);
    return 0;
}

/* ---- the document ------------------------------------------------------------------------------------------------ */

static int put_document(writer *x) {
    QN_TRY(map_texts(x));
    qn_jw_open(&x->w, '{');
    qn_field_str(&x->w, "version", "1.0");
    qn_field_null(&x->w, "truncation");
    qn_field_null(&x->w, "padding");
    QN_TRY(put_added_tokens(x));
    put_norms(&x->w, x->spec);
    put_pretoks(&x->w, x->spec);
    put_processor(x);
    put_decoders(&x->w, x->spec);
    QN_TRY(put_model(x));
    qn_jw_close(&x->w);
    QN_TRY(qn_jw_end(&x->w));
    return qn_buf_putc(x->w.out, '\n');
}

int qn_tokenizer_json_write(const qn_tok_spec *spec, qn_buf *out) {
    writer x = {.spec = spec};
    if (spec->model != QN_TOK_BPE && spec->model != QN_TOK_WORDPIECE)
        return qn_fail(QN_EUNSUPPORTED, "tokenizer: only BPE and WordPiece are written as tokenizer.json");
    qn_jw_init(&x.w, out, 2);
    const int rc = put_document(&x);
    qn_strmap_drop(&x.id);
    return rc;
}
