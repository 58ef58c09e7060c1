/* tok/spec.c — the plain tables of a tokenizer: who reads a file fills them, qn_tok_new checks and compiles them.
 * Strings are copied into chunks that live and die with the spec, so a reader may drop its text at once; only the
 * arrays of a GGUF file, which stays mapped, are borrowed (spec_gguf.c). */
#include <stdio.h>

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

int qn_tok_check_id(int64_t id) {
    if (id < 0 || id >= QN_TOK_MAX_ID)
        return qn_fail(QN_EFORMAT, "tokenizer: token id %lld is not in 0…%d", (long long)id, QN_TOK_MAX_ID - 1);
    return 0;
}

int qn_tok_spec_token(qn_tok_spec *s, int64_t id, qn_str text, qn_token_type type) {
    QN_TRY(qn_tok_check_id(id));
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
    QN_TRY(qn_tok_check_id(a->id));
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
    QN_TRY(qn_tok_check_id(id));
    QN_TRY(QN_GROW(QN_MEM_TOK, s->prefix, s->cap_prefix, s->n_prefix + 1));
    s->prefix[s->n_prefix++] = (int32_t)id;
    return 0;
}

int qn_tok_spec_suffix(qn_tok_spec *s, int64_t id) {
    QN_TRY(qn_tok_check_id(id));
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

int qn_tok_spec_bytes(qn_tok_spec *s) {
    char text[8];
    for (int b = 0; b < 256; b++) {
        int n = snprintf(text, sizeof text, "<0x%02X>", (unsigned)b);
        qn_str name = {text, (size_t)n};
        if (qn_tok_spec_find(s, name) >= 0)
            return qn_fail(QN_EINVAL, "the special token %s is the name of a byte", text);
        QN_TRY(qn_tok_spec_token(s, (int64_t)s->n_vocab, name, QN_TOKEN_BYTE));
    }
    s->byte_fallback = true;
    return 0;
}
