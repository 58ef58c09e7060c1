/* model/save_tokenizer.c — a tokenizer beside the weights: tokenizer_config.json, and the keys that llama.cpp reads.
 *
 * A GGUF carries tokenizer.json whole, which quern reads first; tokenizer.ggml.* say the same in llama.cpp's terms:
 * tokens and their types by id, merges, and the pre-tokenizer by name. What they cannot say is said aloud. */
#include <stdio.h>
#include <string.h>

#include "model/save.h"

#define MARK "\xe2\x96\x81"            /* ▁, which stands for a blank in SentencePiece's vocabularies */

/* One row per id below V. */
typedef struct {
    const qn_tok_spec *spec;
    int64_t V;
    qn_str *text;                   /* empty: no token has this id */
    int32_t *type;
} table;

/* ---- special tokens ---- */

static qn_str text_of(const qn_tok_spec *s, int64_t id) {
    for (size_t i = 0; i < s->n_added; i++)
        if (s->added[i].id == id)
            return s->added[i].text;
    return id >= 0 && (size_t)id < s->n_vocab ? s->vocab[id].text : (qn_str){"", 0};
}

static int64_t first_of(int64_t a, int64_t b) { return a >= 0 ? a : b; }

/* All ids that end an answer; the tokenizer's own first, as templates and llama.cpp take the first for eos_token. */
static int64_t ends_of(const qn_tok_spec *s, const qn_config *c, int64_t ids[QN_MAX_EOS + 1]) {
    int64_t n = 0;
    bool listed = c->n_eos == 0;
    for (int64_t i = 0; i < c->n_eos; i++)
        listed = listed || c->eos[i] == s->eos;
    if (s->eos >= 0 && listed)
        ids[n++] = s->eos;
    for (int64_t i = 0; i < c->n_eos; i++)
        if (n == 0 || c->eos[i] != ids[0])
            ids[n++] = c->eos[i];
    return n;
}

/* ---- tokenizer_config.json ---- */

/* BERT's own names for what stands around a text and for a word that is to be guessed. */
static int64_t around(const qn_tok_spec *s, bool behind) {
    const size_t n = behind ? s->n_suffix : s->n_prefix;
    return s->model == QN_TOK_WORDPIECE && n == 1 ? (behind ? s->suffix : s->prefix)[0] : -1;
}

static int64_t mask_of(const qn_tok_spec *s) {
    return s->model == QN_TOK_WORDPIECE ? qn_tok_spec_find(s, QN_STR("[MASK]")) : -1;
}

int qn_save_tokenizer_config_json(const qn_tok_spec *spec, const qn_config *c, qn_str chat_template, qn_buf *out) {
    int64_t ends[QN_MAX_EOS + 1];
    const int64_t n_ends = ends_of(spec, c, ends);
    const struct { const char *key; int64_t id; } special[] = {
        {"bos_token", around(spec, false) >= 0 ? -1 : first_of(spec->bos, c->bos)},
        {"eos_token", around(spec, true) < 0 && n_ends ? ends[0] : -1}, {"unk_token", spec->unk},
        {"pad_token", first_of(spec->pad, c->pad)}, {"cls_token", around(spec, false)},
        {"sep_token", around(spec, true)}, {"mask_token", mask_of(spec)},
    };
    qn_jw w;
    qn_jw_init(&w, out, 2);
    qn_jw_open(&w, '{');
    qn_jw_key(&w, "tokenizer_class");               /* the class that takes tokenizer.json as it is */
    qn_jw_str(&w, QN_STR("PreTrainedTokenizerFast"));
    qn_jw_key(&w, "clean_up_tokenization_spaces");
    qn_jw_bool(&w, false);
    qn_jw_key(&w, "model_max_length");
    qn_jw_i64(&w, c->context);
    for (size_t i = 0; i < QN_LEN(special); i++) {
        const qn_str text = text_of(spec, special[i].id);
        if (text.n == 0)
            continue;
        qn_jw_key(&w, special[i].key);
        qn_jw_str(&w, text);
    }
    if (chat_template.n) {
        qn_jw_key(&w, "chat_template");
        qn_jw_str(&w, chat_template);
    }
    qn_jw_close(&w);
    QN_TRY(qn_jw_end(&w));
    return qn_buf_putc(out, '\n');
}

/* ---- tokens by id ---- */

static void table_drop(table *t) {
    qn_free(t->text);
    qn_free(t->type);
}

/* "<0x0A>", of a tokenizer that spells with bytes what it has no token for. */
static bool is_byte(const qn_tok_spec *s, qn_str text) {
    static const char digits[] = "0123456789ABCDEF";
    return s->byte_fallback && text.n == 6 && qn_str_starts(text, "<0x") && text.s[5] == '>' &&
           memchr(digits, text.s[3], 16) && memchr(digits, text.s[4], 16);
}

static int fill_table(table *t, qn_strmap *seen) {
    const qn_tok_spec *s = t->spec;
    for (size_t i = 0; i < s->n_added; i++) {
        const qn_tok_added *a = &s->added[i];
        t->text[a->id] = a->text;
        t->type[a->id] = a->special ? QN_TOKEN_CONTROL : QN_TOKEN_USER;
        QN_TRY(qn_strmap_put(seen, a->text, a->id));
    }
    for (size_t i = 0; i < s->n_vocab; i++) {
        int64_t id;
        const qn_tok_entry *e = &s->vocab[i];
        if (e->type == QN_TOKEN_HOLE || t->text[i].n || qn_strmap_get(seen, e->text, &id))
            continue;                                   /* of two equal texts one is never reached */
        t->text[i] = e->text;
        t->type[i] = is_byte(s, e->text) ? QN_TOKEN_BYTE : e->type;
        QN_TRY(qn_strmap_put(seen, e->text, (int64_t)i));
    }
    return 0;
}

static int table_init(table *t) {
    const qn_tok_spec *s = t->spec;
    size_t n = s->n_vocab;
    qn_strmap seen = {0};
    for (size_t i = 0; i < s->n_added; i++)
        n = QN_MAX(n, (size_t)s->added[i].id + 1);
    if (n > (size_t)t->V)
        return qn_fail(QN_EFORMAT, "the tokenizer has ids up to %zu, the weights only %lld rows; tokenizer and weights "
                       "do not belong together", n - 1, (long long)t->V);
    t->text = qn_zalloc(QN_MEM_TOK, (size_t)t->V, sizeof *t->text);
    t->type = qn_zalloc(QN_MEM_TOK, (size_t)t->V, sizeof *t->type);
    const int rc = t->text && t->type ? fill_table(t, &seen) : QN_ENOMEM;
    qn_strmap_drop(&seen);
    return rc;
}

/* Ids without a token get a text of their own, as llama.cpp's converter has it: no two may be equal. */
static int put_tokens(const table *t, qn_gguf_writer *w) {
    QN_TRY(qn_gguf_put_array(w, "tokenizer.ggml.tokens", QN_GGUF_STRING, (size_t)t->V));
    for (int64_t i = 0; i < t->V; i++) {
        char hole[32];
        snprintf(hole, sizeof hole, "[PAD%lld]", (long long)i);
        QN_TRY(qn_gguf_item_str(w, t->text[i].n ? t->text[i] : qn_str_of(hole)));
    }
    QN_TRY(qn_gguf_put_array(w, "tokenizer.ggml.token_type", QN_GGUF_I32, (size_t)t->V));
    for (int64_t i = 0; i < t->V; i++)
        QN_TRY(qn_gguf_item_i32(w, t->text[i].n ? t->type[i] : QN_TOKEN_UNUSED));
    return 0;
}

static int put_merges(const qn_tok_spec *s, qn_gguf_writer *w) {
    qn_buf text = {0};
    int rc;
    QN_TRY_OUT(qn_gguf_put_array(w, "tokenizer.ggml.merges", QN_GGUF_STRING, s->n_merges));
    for (size_t i = 0; i < s->n_merges; i++) {
        qn_buf_clear(&text);
        QN_TRY_OUT(qn_buf_put(&text, s->merges[i].left.s, s->merges[i].left.n));
        QN_TRY_OUT(qn_buf_putc(&text, ' '));
        QN_TRY_OUT(qn_buf_put(&text, s->merges[i].right.s, s->merges[i].right.n));
        QN_TRY_OUT(qn_gguf_item_str(w, qn_buf_view(&text)));
    }
out:
    qn_buf_drop(&text);
    return rc;
}

/* ---- what llama.cpp can say ---- */

/* Byte-level BPE whose pipeline has a name; else NULL. A blank inside a token would read as the border of a merge. */
static const char *pre_name(const qn_tok_spec *s) {
    if (s->byte_fallback || s->continuing_prefix.n || s->end_suffix.n || s->n_decoders != 1 ||
        s->decoders[0].kind != QN_DECODE_BYTE_LEVEL)
        return NULL;
    for (size_t i = 0; i < s->n_merges; i++)
        if (memchr(s->merges[i].left.s, ' ', s->merges[i].left.n) ||
            memchr(s->merges[i].right.s, ' ', s->merges[i].right.n))
            return NULL;
    return qn_tok_spec_pre_find(s);
}

/* Characters with bytes to fall back on, a blank spelled "▁": what llama.cpp makes of a SentencePiece vocabulary in
 * which no two tokens join to a third. */
static bool is_characters(const table *t) {
    const qn_tok_spec *s = t->spec;
    static const qn_decode_kind decoders[] = {QN_DECODE_REPLACE, QN_DECODE_BYTE_FALLBACK, QN_DECODE_FUSE};
    int64_t bytes = 0;
    bool ok = s->byte_fallback && s->n_merges == 0 && s->n_pretoks == 0 && s->n_norms == 1 && s->n_decoders == 3 &&
              !s->continuing_prefix.n && !s->end_suffix.n;
    for (size_t i = 0; i < QN_LEN(decoders) && ok; i++)
        ok = s->decoders[i].kind == decoders[i];
    ok = ok && s->norms[0].kind == QN_NORM_REPLACE && !s->norms[0].regex && qn_str_is(s->norms[0].pattern, " ") &&
         qn_str_is(s->norms[0].content, MARK) && qn_str_is(s->decoders[0].pattern, MARK) &&
         qn_str_is(s->decoders[0].content, " ");
    for (int64_t i = 0; i < t->V && ok; i++) {
        uint32_t c;
        bytes += t->type[i] == QN_TOKEN_BYTE;
        if (t->type[i] == QN_TOKEN_NORMAL && t->text[i].n)
            ok = (size_t)qn_utf8_decode(t->text[i].s, t->text[i].n, &c) == t->text[i].n;
    }
    return ok && bytes == 256;
}

/* Scores rank joins, of which there are none. Nothing is put in front: llama.cpp would put a blank. */
static int put_characters(const table *t, qn_gguf_writer *w) {
    QN_TRY(qn_gguf_put_str(w, "tokenizer.ggml.pre", QN_STR("default")));
    QN_TRY(put_tokens(t, w));
    QN_TRY(qn_gguf_put_array(w, "tokenizer.ggml.scores", QN_GGUF_F32, (size_t)t->V));
    for (int64_t i = 0; i < t->V; i++)
        QN_TRY(qn_gguf_item_f32(w, 0));
    return qn_gguf_put_bool(w, "tokenizer.ggml.add_space_prefix", false);
}

/* ---- WordPiece ---- */

/* BERT's pipeline and no other; llama.cpp knows the two switches of its normalizer. */
static bool is_bert(const qn_tok_spec *s) {
    return s->model == QN_TOK_WORDPIECE && s->n_norms == 1 && s->norms[0].kind == QN_NORM_BERT &&
           s->norms[0].bert.clean && s->norms[0].bert.ideographs && s->n_pretoks == 1 &&
           s->pretoks[0].kind == QN_PRETOK_BERT && qn_str_is(s->continuing_prefix, "##") && around(s, false) >= 0 &&
           around(s, true) >= 0;
}

/* "hello" is written "▁hello", "##ing" "ing": as SentencePiece would spell them. */
static int put_phantom(const table *t, qn_gguf_writer *w) {
    qn_buf text = {0};
    int rc;
    QN_TRY_OUT(qn_gguf_put_array(w, "tokenizer.ggml.tokens", QN_GGUF_STRING, (size_t)t->V));
    for (int64_t i = 0; i < t->V; i++) {
        const qn_str s = t->text[i];
        qn_buf_clear(&text);
        if (s.n == 0)
            QN_TRY_OUT(qn_buf_printf(&text, "[PAD%lld]", (long long)i));
        else if (t->type[i] != QN_TOKEN_NORMAL)
            QN_TRY_OUT(qn_buf_put(&text, s.s, s.n));
        else if (qn_str_starts(s, "##"))
            QN_TRY_OUT(qn_buf_put(&text, s.s + 2, s.n - 2));
        else
            QN_TRY_OUT(qn_buf_printf(&text, MARK "%.*s", (int)s.n, s.s));
        QN_TRY_OUT(qn_gguf_item_str(w, qn_buf_view(&text)));
    }
    QN_TRY_OUT(qn_gguf_put_array(w, "tokenizer.ggml.token_type", QN_GGUF_I32, (size_t)t->V));
    for (int64_t i = 0; i < t->V; i++)
        QN_TRY_OUT(qn_gguf_item_i32(w, t->text[i].n ? t->type[i] : QN_TOKEN_UNUSED));
out:
    qn_buf_drop(&text);
    return rc;
}

static int put_bert(const table *t, qn_gguf_writer *w) {
    const qn_tok_spec *s = t->spec;
    const struct { const char *key; int64_t id; } ids[] = {
        {"tokenizer.ggml.bos_token_id", around(s, false)}, {"tokenizer.ggml.cls_token_id", around(s, false)},
        {"tokenizer.ggml.seperator_token_id", around(s, true)}, {"tokenizer.ggml.unknown_token_id", s->unk},
        {"tokenizer.ggml.padding_token_id", first_of(s->pad, qn_tok_spec_find(s, QN_STR("[PAD]")))},
        {"tokenizer.ggml.mask_token_id", mask_of(s)},
    };
    QN_TRY(qn_gguf_put_str(w, "tokenizer.ggml.pre", QN_STR("bert-bge")));
    QN_TRY(put_phantom(t, w));
    for (size_t i = 0; i < QN_LEN(ids); i++)
        if (ids[i].id >= 0)
            QN_TRY(qn_gguf_put_u32(w, ids[i].key, (uint32_t)ids[i].id));
    QN_TRY(qn_gguf_put_bool(w, "tokenizer.ggml.normalizer.lowercase", s->norms[0].bert.lowercase));
    return qn_gguf_put_bool(w, "tokenizer.ggml.normalizer.strip_accents", s->norms[0].bert.accents);
}

static bool is_only(const int32_t *ids, size_t n, int64_t id) { return n == 0 || (n == 1 && ids[0] == id); }

static void say_what_differs(const qn_tok_spec *s, bool characters, int64_t bos, int64_t eos) {
    size_t hungry = 0;
    for (size_t i = 0; i < s->n_added; i++)
        hungry += s->added[i].lstrip || s->added[i].rstrip || s->added[i].single_word;
    if (s->n_norms && !characters)
        qn_log(QN_LOG_WARN, "the tokenizer normalizes texts; llama.cpp does not, and gives other tokens where that "
               "matters");
    if (hungry)
        qn_log(QN_LOG_WARN, "%zu added tokens take blanks along or want word borders; llama.cpp knows neither", hungry);
    if (!is_only(s->prefix, s->n_prefix, bos) || !is_only(s->suffix, s->n_suffix, eos))
        qn_log(QN_LOG_WARN, "the tokenizer puts more around a text than BOS and EOS; llama.cpp does not");
}

static int put_special(const qn_tok_spec *s, bool characters, const qn_config *c, qn_gguf_writer *w) {
    static const char *const end_keys[] = {
        "tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"};
    int64_t ends[QN_MAX_EOS + 1];
    const int64_t n_ends = ends_of(s, c, ends), bos = first_of(s->bos, c->bos), pad = first_of(s->pad, c->pad);
    if (bos >= 0)
        QN_TRY(qn_gguf_put_u32(w, "tokenizer.ggml.bos_token_id", (uint32_t)bos));
    for (int64_t i = 0; i < QN_MIN(n_ends, (int64_t)QN_LEN(end_keys)); i++)
        QN_TRY(qn_gguf_put_u32(w, end_keys[i], (uint32_t)ends[i]));
    if (n_ends > (int64_t)QN_LEN(end_keys))
        qn_log(QN_LOG_WARN, "%lld tokens end an answer; GGUF names the first %zu", (long long)n_ends, QN_LEN(end_keys));
    if (s->unk >= 0)
        QN_TRY(qn_gguf_put_u32(w, "tokenizer.ggml.unknown_token_id", (uint32_t)s->unk));
    if (pad >= 0)
        QN_TRY(qn_gguf_put_u32(w, "tokenizer.ggml.padding_token_id", (uint32_t)pad));
    QN_TRY(qn_gguf_put_bool(w, "tokenizer.ggml.add_bos_token", bos >= 0 && s->n_prefix && s->prefix[0] == bos));
    const int64_t eos = n_ends ? ends[0] : -1;
    say_what_differs(s, characters, bos, eos);
    return qn_gguf_put_bool(w, "tokenizer.ggml.add_eos_token", eos >= 0 && s->n_suffix && s->suffix[0] == eos);
}

int qn_save_tokenizer_gguf(const qn_tok_spec *spec, const qn_config *c, qn_str json, qn_str chat_template,
                           qn_gguf_writer *w) {
    table t = {.spec = spec, .V = c->V};
    const bool there = spec->model != QN_TOK_MODEL_NONE, bert = is_bert(spec);
    const char *pre = spec->model == QN_TOK_BPE ? pre_name(spec) : NULL;
    int rc;
    QN_TRY_OUT(table_init(&t));
    const bool characters = spec->model == QN_TOK_BPE && is_characters(&t);
    const char *model = pre ? "gpt2" : characters ? "llama" : bert ? "bert" : "none";
    if (there && !pre && !characters && !bert)
        qn_log(QN_LOG_WARN, "llama.cpp has no name for this tokenizer's pipeline: the file holds tokenizer.json for "
               "quern, but llama.cpp will load the weights without a tokenizer");
    QN_TRY_OUT(qn_gguf_put_str(w, "tokenizer.ggml.model", qn_str_of(model)));
    if (characters)
        QN_TRY_OUT(put_characters(&t, w));
    if (pre) {
        QN_TRY_OUT(qn_gguf_put_str(w, "tokenizer.ggml.pre", qn_str_of(pre)));
        QN_TRY_OUT(put_tokens(&t, w));
        QN_TRY_OUT(put_merges(spec, w));
    }
    QN_TRY_OUT(bert ? put_bert(&t, w) : put_special(spec, characters, c, w));
    if (json.n)
        QN_TRY_OUT(qn_gguf_put_str(w, "tokenizer.huggingface.json", json));
    if (chat_template.n)
        QN_TRY_OUT(qn_gguf_put_str(w, "tokenizer.chat_template", chat_template));
out:
    table_drop(&t);
    return rc;
}
