/* tok/spec_gguf.c — tables out of the arrays of a GGUF file: byte-level BPE as "gpt2", WordPiece as "bert".
 *
 * llama.cpp spells a WordPiece vocabulary as SentencePiece would, and quern turns it back:
 *
 *     vocab.txt    hello    ##ing    [CLS]          GGUF    ▁hello    ing    [CLS] */
#include "tok/tok_internal.h"

#define MARK "\xe2\x96\x81"

static int gguf_token(qn_tok_spec *s, const qn_tok_gguf_tables *in, size_t id) {
    int32_t type = in->types ? in->types[id] : QN_TOKEN_NORMAL;
    if (type < QN_TOKEN_NORMAL || type > QN_TOKEN_BYTE)
        type = QN_TOKEN_NORMAL;
    s->vocab[s->n_vocab++] = (qn_tok_entry){in->tokens[id], (qn_token_type)type};
    bool special = type == QN_TOKEN_CONTROL || type == QN_TOKEN_UNKNOWN;
    if ((!special && type != QN_TOKEN_USER) || in->tokens[id].n == 0)
        return 0;
    return qn_tok_spec_added(s, &(qn_tok_added){.id = (int32_t)id, .text = in->tokens[id], .special = special});
}

static int gguf_merge(qn_tok_spec *s, qn_str m, size_t rank) {
    const char *space = m.n > 1 ? memchr(m.s + 1, ' ', m.n - 1) : NULL;
    if (!space || space + 1 == m.s + m.n)
        return qn_fail(QN_EFORMAT, "tokenizer.ggml.merges: entry %zu, \"%.*s\", is not two tokens with a space between",
                       rank, QN_STR_ARG(m));
    size_t n = (size_t)(space - m.s);
    s->merges[s->n_merges++] = (qn_tok_merge){{m.s, n}, {space + 1, m.n - n - 1}};
    return 0;
}

static int gguf_special_id(int64_t id, const char *what, size_t n_tokens, int32_t *out) {
    if (id >= (int64_t)n_tokens)
        return qn_fail(QN_EFORMAT, "tokenizer.ggml.%s_token_id is %lld, but there are only %zu tokens", what,
                       (long long)id, n_tokens);
    *out = id < 0 ? -1 : (int32_t)id;
    return 0;
}

static int gguf_ends(qn_tok_spec *s, const qn_tok_gguf_tables *in) {
    QN_TRY(gguf_special_id(in->bos, "bos", in->n_tokens, &s->bos));
    QN_TRY(gguf_special_id(in->eos, "eos", in->n_tokens, &s->eos));
    QN_TRY(gguf_special_id(in->unk, "unknown", in->n_tokens, &s->unk));
    QN_TRY(gguf_special_id(in->pad, "padding", in->n_tokens, &s->pad));
    bool bos = in->add_bos < 0 ? qn_pretok_name_adds_bos(in->pre) : in->add_bos > 0;
    if (bos && s->bos < 0 && in->add_bos > 0)
        return qn_fail(QN_EFORMAT, "tokenizer.ggml.add_bos_token is true, but there is no bos_token_id");
    if (in->add_eos > 0 && s->eos < 0)
        return qn_fail(QN_EFORMAT, "tokenizer.ggml.add_eos_token is true, but there is no eos_token_id");
    if (bos && s->bos >= 0)
        QN_TRY(qn_tok_spec_prefix(s, s->bos));
    if (in->add_eos > 0)
        QN_TRY(qn_tok_spec_suffix(s, s->eos));
    return 0;
}

int qn_tok_spec_from_gguf_tables(qn_tok_spec *out, const qn_tok_gguf_tables *in) {
    int rc = 0;
    qn_tok_spec_init(out);
    out->model = QN_TOK_BPE;
    out->skip_bad_merges = true;
    if (in->types && in->n_types != in->n_tokens) {
        rc = qn_fail(QN_EFORMAT, "tokenizer.ggml: %zu tokens, but %zu token types", in->n_tokens, in->n_types);
        goto out;
    }
    if (in->n_tokens)
        QN_TRY_OUT(qn_tok_check_id((int64_t)in->n_tokens - 1));
    QN_TRY_OUT(QN_GROW(QN_MEM_TOK, out->vocab, out->cap_vocab, in->n_tokens));
    QN_TRY_OUT(QN_GROW(QN_MEM_TOK, out->merges, out->cap_merges, in->n_merges));
    for (size_t i = 0; i < in->n_tokens; i++)
        QN_TRY_OUT(gguf_token(out, in, i));
    for (size_t i = 0; i < in->n_merges; i++)
        QN_TRY_OUT(gguf_merge(out, in->merges[i], i));
    QN_TRY_OUT(qn_tok_spec_pre_name(out, in->pre));
    QN_TRY_OUT(qn_tok_spec_decoder(out, &(qn_tok_decoder){.kind = QN_DECODE_BYTE_LEVEL}));
    QN_TRY_OUT(gguf_ends(out, in));
out:
    if (rc < 0)
        qn_tok_spec_drop(out);
    return rc;
}

/* ---- WordPiece --------------------------------------------------------------------------------------------------- */

static bool in_brackets(qn_str t) { return t.n > 2 && t.s[0] == '[' && t.s[t.n - 1] == ']'; }

static int wordpiece_token(qn_tok_spec *s, const qn_tok_gguf_tables *in, size_t id, qn_buf *text) {
    const int32_t type = in->types ? in->types[id] : QN_TOKEN_NORMAL;
    const bool special = type == QN_TOKEN_CONTROL || type == QN_TOKEN_UNKNOWN, user = type == QN_TOKEN_USER;
    qn_str t = in->tokens[id];
    qn_buf_clear(text);
    if (qn_str_starts(t, MARK))
        t = (qn_str){t.s + strlen(MARK), t.n - strlen(MARK)};
    else if (!special && !in_brackets(t))
        QN_TRY(qn_buf_puts(text, "##"));
    QN_TRY(qn_buf_put(text, t.s, t.n));
    t = qn_buf_view(text);
    const qn_token_type known = type < QN_TOKEN_NORMAL || type > QN_TOKEN_BYTE ? QN_TOKEN_NORMAL : (qn_token_type)type;
    QN_TRY(qn_tok_spec_token(s, (int64_t)id, t, known));
    if ((!special && !user) || t.n == 0)
        return 0;
    return qn_tok_spec_added(s, &(qn_tok_added){.id = (int32_t)id, .text = t, .special = special});
}

/* [CLS] begins a text and [SEP] ends it; files older than those keys say BOS and EOS, or nothing: then by name. */
static int wordpiece_ends(qn_tok_spec *s, const qn_tok_gguf_tables *in) {
    int32_t cls = -1, sep = -1;
    QN_TRY(gguf_special_id(in->cls >= 0 ? in->cls : in->bos, "cls", in->n_tokens, &cls));
    QN_TRY(gguf_special_id(in->sep >= 0 ? in->sep : in->eos, "seperator", in->n_tokens, &sep));
    QN_TRY(gguf_special_id(in->unk, "unknown", in->n_tokens, &s->unk));
    QN_TRY(gguf_special_id(in->pad, "padding", in->n_tokens, &s->pad));
    cls = cls >= 0 ? cls : qn_tok_spec_find(s, QN_STR("[CLS]"));
    sep = sep >= 0 ? sep : qn_tok_spec_find(s, QN_STR("[SEP]"));
    s->unk = s->unk >= 0 ? s->unk : qn_tok_spec_find(s, QN_STR("[UNK]"));
    s->use_unk = s->unk >= 0;
    s->bos = cls;
    s->eos = sep;
    if (cls >= 0 && in->add_bos != 0)
        QN_TRY(qn_tok_spec_prefix(s, cls));
    return sep >= 0 && in->add_eos != 0 ? qn_tok_spec_suffix(s, sep) : 0;
}

static int wordpiece_pipeline(qn_tok_spec *s, const qn_tok_gguf_tables *in) {
    const bool lower = in->lowercase != 0, accents = in->accents >= 0 ? in->accents : lower;
    s->model = QN_TOK_WORDPIECE;
    s->max_word = 100;
    QN_TRY(qn_tok_spec_copy(s, QN_STR("##"), &s->continuing_prefix));
    QN_TRY(qn_tok_spec_norm(s, &(qn_tok_norm){.kind = QN_NORM_BERT, .bert = {true, true, accents, lower}}));
    QN_TRY(qn_tok_spec_pretok(s, &(qn_tok_pretok){.kind = QN_PRETOK_BERT}));
    return qn_tok_spec_decoder(s, &(qn_tok_decoder){.kind = QN_DECODE_WORDPIECE, .pattern = QN_STR("##"),
                                                    .cleanup = true});
}

int qn_tok_spec_from_gguf_wordpiece(qn_tok_spec *out, const qn_tok_gguf_tables *in) {
    qn_buf text = {0};
    int rc = 0;
    qn_tok_spec_init(out);
    if (in->types && in->n_types != in->n_tokens) {
        rc = qn_fail(QN_EFORMAT, "tokenizer.ggml: %zu tokens, but %zu token types", in->n_tokens, in->n_types);
        goto out;
    }
    if (in->n_tokens)
        QN_TRY_OUT(qn_tok_check_id((int64_t)in->n_tokens - 1));
    for (size_t i = 0; i < in->n_tokens; i++)
        QN_TRY_OUT(wordpiece_token(out, in, i, &text));
    QN_TRY_OUT(wordpiece_pipeline(out, in));
    QN_TRY_OUT(wordpiece_ends(out, in));
out:
    qn_buf_drop(&text);
    if (rc < 0)
        qn_tok_spec_drop(out);
    return rc;
}
