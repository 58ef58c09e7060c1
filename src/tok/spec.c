/* tok/spec.c — the plain tables of a tokenizer: who reads a file fills them, qn_tok_new checks and compiles them.
 * Strings are copied into chunks that live and die with the spec, so a reader may drop its text at once; only the
 * arrays of a GGUF file, which stays mapped, are borrowed. */
#include "tok/tok_internal.h"

#define CHUNK_BYTES 65536

struct qn_tok_chunk { struct qn_tok_chunk *next; size_t used, cap; char bytes[]; };

void qn_tok_spec_init(qn_tok_spec *s) {
    *s = (qn_tok_spec){.bos = -1, .eos = -1, .unk = -1, .pad = -1};
}

void qn_tok_spec_drop(qn_tok_spec *s) {
    qn_free(s->vocab);
    qn_free(s->merges);
    qn_free(s->added);
    qn_free(s->norms);
    qn_free(s->pretoks);
    qn_free(s->decoders);
    qn_free(s->prefix);
    qn_free(s->suffix);
    while (s->chunks) {
        struct qn_tok_chunk *next = s->chunks->next;
        qn_free(s->chunks);
        s->chunks = next;
    }
    qn_tok_spec_init(s);
}

int qn_tok_spec_copy(qn_tok_spec *s, qn_str text, qn_str *out) {
    struct qn_tok_chunk *c = s->chunks;
    if (!c || c->cap - c->used < text.n) {
        size_t cap = QN_MAX(text.n, (size_t)CHUNK_BYTES), bytes;
        if (QN_ADD_OVERFLOW(cap, sizeof *c, &bytes))
            return qn_fail(QN_ELIMIT, "tokenizer: a string of %zu bytes", text.n);
        c = qn_alloc(QN_MEM_TOK, bytes);
        if (!c)
            return QN_ENOMEM;
        *c = (struct qn_tok_chunk){.next = s->chunks, .cap = cap};
        s->chunks = c;
    }
    char *p = c->bytes + c->used;
    if (text.n)
        memcpy(p, text.s, text.n);
    c->used += text.n;
    *out = (qn_str){p, text.n};
    return 0;
}

static int check_id(int64_t id) {
    if (id < 0 || id >= QN_TOK_MAX_ID)
        return qn_fail(QN_EFORMAT, "tokenizer: token id %lld is not in 0…%d", (long long)id, QN_TOK_MAX_ID - 1);
    return 0;
}

int qn_tok_spec_token(qn_tok_spec *s, int64_t id, qn_str text, qn_token_type type) {
    QN_TRY(check_id(id));
    size_t need = (size_t)id + 1;
    QN_TRY(QN_GROW(QN_MEM_TOK, s->vocab, s->cap_vocab, need));
    for (; s->n_vocab < need; s->n_vocab++)
        s->vocab[s->n_vocab] = (qn_tok_entry){.type = QN_TOKEN_HOLE};
    s->vocab[id].type = type;
    return qn_tok_spec_copy(s, text, &s->vocab[id].text);
}

int qn_tok_spec_merge(qn_tok_spec *s, qn_str left, qn_str right) {
    QN_TRY(QN_GROW(QN_MEM_TOK, s->merges, s->cap_merges, s->n_merges + 1));
    qn_tok_merge *m = &s->merges[s->n_merges];
    QN_TRY(qn_tok_spec_copy(s, left, &m->left));
    QN_TRY(qn_tok_spec_copy(s, right, &m->right));
    s->n_merges++;
    return 0;
}

int qn_tok_spec_added(qn_tok_spec *s, const qn_tok_added *a) {
    QN_TRY(check_id(a->id));
    if (a->text.n > QN_TOK_MAX_ADDED)
        return qn_fail(QN_EUNSUPPORTED, "tokenizer: added token %d has %zu bytes; at most %d are supported", a->id,
                       a->text.n, QN_TOK_MAX_ADDED);
    QN_TRY(QN_GROW(QN_MEM_TOK, s->added, s->cap_added, s->n_added + 1));
    qn_tok_added copy = *a;
    QN_TRY(qn_tok_spec_copy(s, a->text, &copy.text));
    s->added[s->n_added++] = copy;
    return 0;
}

int qn_tok_spec_norm(qn_tok_spec *s, const qn_tok_norm *n) {
    QN_TRY(QN_GROW(QN_MEM_TOK, s->norms, s->cap_norms, s->n_norms + 1));
    qn_tok_norm copy = *n;
    QN_TRY(qn_tok_spec_copy(s, n->pattern, &copy.pattern));
    QN_TRY(qn_tok_spec_copy(s, n->content, &copy.content));
    s->norms[s->n_norms++] = copy;
    return 0;
}

int qn_tok_spec_pretok(qn_tok_spec *s, const qn_tok_pretok *p) {
    QN_TRY(QN_GROW(QN_MEM_TOK, s->pretoks, s->cap_pretoks, s->n_pretoks + 1));
    qn_tok_pretok copy = *p;
    QN_TRY(qn_tok_spec_copy(s, p->pattern, &copy.pattern));
    s->pretoks[s->n_pretoks++] = copy;
    return 0;
}

int qn_tok_spec_decoder(qn_tok_spec *s, const qn_tok_decoder *d) {
    QN_TRY(QN_GROW(QN_MEM_TOK, s->decoders, s->cap_decoders, s->n_decoders + 1));
    qn_tok_decoder copy = *d;
    QN_TRY(qn_tok_spec_copy(s, d->pattern, &copy.pattern));
    QN_TRY(qn_tok_spec_copy(s, d->content, &copy.content));
    s->decoders[s->n_decoders++] = copy;
    return 0;
}

int qn_tok_spec_prefix(qn_tok_spec *s, int64_t id) {
    QN_TRY(check_id(id));
    QN_TRY(QN_GROW(QN_MEM_TOK, s->prefix, s->cap_prefix, s->n_prefix + 1));
    s->prefix[s->n_prefix++] = (int32_t)id;
    return 0;
}

int qn_tok_spec_suffix(qn_tok_spec *s, int64_t id) {
    QN_TRY(check_id(id));
    QN_TRY(QN_GROW(QN_MEM_TOK, s->suffix, s->cap_suffix, s->n_suffix + 1));
    s->suffix[s->n_suffix++] = (int32_t)id;
    return 0;
}

int32_t qn_tok_spec_find(const qn_tok_spec *s, qn_str text) {
    for (size_t i = 0; i < s->n_added; i++)
        if (qn_str_eq(s->added[i].text, text))
            return s->added[i].id;
    for (size_t i = 0; i < s->n_vocab; i++)
        if (s->vocab[i].type != QN_TOKEN_HOLE && qn_str_eq(s->vocab[i].text, text))
            return (int32_t)i;
    return -1;
}

/* ---- from the arrays of a GGUF file ----------------------------------------------------------------------------- */

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
        QN_TRY_OUT(check_id((int64_t)in->n_tokens - 1));
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
