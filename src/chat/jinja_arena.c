/* chat/jinja_arena.c — bump allocation: a render takes small pieces by the thousand and gives all back at once. */
#include "chat/jinja_value.h"

#include <string.h>

#define CHUNK_BYTES ((size_t)64 << 10)
#define ALIGN 16u

struct qn_jchunk {
    qn_jchunk *next;
    size_t used, cap;       /* of the bytes behind this header */
    char pad[8];            /* keeps them aligned */
};

void qn_jarena_init(qn_jarena *a, size_t limit) {
    *a = (qn_jarena){.limit = limit};
}

void qn_jarena_drop(qn_jarena *a) {
    while (a->chunk) {
        qn_jchunk *next = a->chunk->next;
        qn_free(a->chunk);
        a->chunk = next;
    }
    a->used = 0;
}

static void *chunk_add(qn_jarena *a, size_t bytes) {
    size_t cap = QN_MAX(bytes, CHUNK_BYTES - sizeof(qn_jchunk));
    if (bytes > a->limit || a->used > a->limit - bytes) {
        a->rc = qn_fail(QN_ELIMIT, "the chat template needs more than %zu bytes of memory", a->limit);
        return NULL;
    }
    qn_jchunk *c = qn_alloc(QN_MEM_CHAT, sizeof *c + cap);
    if (!c) {
        a->rc = QN_ENOMEM;
        return NULL;
    }
    *c = (qn_jchunk){.used = bytes, .cap = cap};
    a->used += cap;
    /* A large block gets its own chunk behind the current one, which keeps its free room. */
    if (a->chunk && bytes > CHUNK_BYTES / 4 && a->chunk->cap - a->chunk->used > CHUNK_BYTES / 8) {
        c->next = a->chunk->next;
        a->chunk->next = c;
    } else {
        c->next = a->chunk;
        a->chunk = c;
    }
    return c + 1;
}

void *qn_jarena_alloc(qn_jarena *a, size_t count, size_t size) {
    size_t bytes;
    if (QN_MUL_OVERFLOW(count, size, &bytes) || bytes > SIZE_MAX / 4) {
        a->rc = qn_fail(QN_ELIMIT, "the chat template asks for %zu × %zu bytes", count, size);
        return NULL;
    }
    bytes = (bytes + ALIGN - 1) / ALIGN * ALIGN;
    qn_jchunk *c = a->chunk;
    if (!c || c->cap - c->used < bytes)
        return chunk_add(a, bytes);
    void *p = (char *)(c + 1) + c->used;
    c->used += bytes;
    return p;
}

void *qn_jarena_grow(qn_jarena *a, void *p, size_t old_bytes, size_t new_bytes) {
    qn_jchunk *c = a->chunk;
    size_t old_up = (old_bytes + ALIGN - 1) / ALIGN * ALIGN;
    size_t more = (new_bytes + ALIGN - 1) / ALIGN * ALIGN - old_up;
    if (p && c && (char *)p + old_up == (char *)(c + 1) + c->used && c->cap - c->used >= more) {
        c->used += more;
        return p;
    }
    void *q = qn_jarena_alloc(a, new_bytes, 1);
    if (q && old_bytes)
        memcpy(q, p, old_bytes);
    return q;
}
