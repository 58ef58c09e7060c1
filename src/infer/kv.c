/* infer/kv.c — pages: taken from a stack of free ones, counted by owner, copied on the second owner's write. */
#include "infer/kv.h"

#include <string.h>

static int64_t pages_for(int64_t positions) { return (positions + QN_KEY_BLOCK - 1) / QN_KEY_BLOCK; }

int qn_kv_init(qn_kv *kv, qn_dtype t, int64_t layers, int64_t heads, int64_t Dh, int64_t sequences, int64_t context) {
    *kv = (qn_kv){.pool = {t, layers, heads, Dh, qn_kv_block_bytes(t, Dh), NULL}, .n_seq = sequences,
                  .pages_max = pages_for(context)};
    kv->n_pages = kv->pages_max * sequences;
    if (kv->n_pages > INT32_MAX || QN_MUL_OVERFLOW((size_t)kv->n_pages, qn_kv_page_bytes(&kv->pool), &kv->bytes))
        return qn_fail(QN_ENOMEM,
                       "KV cache: %lld sequences of %lld positions cannot be addressed; ask for a shorter --ctx",
                       (long long)sequences, (long long)context);
    kv->free_page = qn_alloc(QN_MEM_KV, (size_t)kv->n_pages * sizeof *kv->free_page);
    kv->owners = qn_zalloc(QN_MEM_KV, (size_t)kv->n_pages, sizeof *kv->owners);
    kv->seq = qn_zalloc(QN_MEM_KV, (size_t)sequences, sizeof *kv->seq);
    kv->lists = qn_alloc(QN_MEM_KV, (size_t)kv->n_pages * sizeof *kv->lists);
    if (!kv->free_page || !kv->owners || !kv->seq || !kv->lists)
        return QN_ENOMEM;
    for (int64_t s = 0; s < sequences; s++)
        kv->seq[s].page = kv->lists + s * kv->pages_max;
    for (int64_t i = 0; i < kv->n_pages; i++)
        kv->free_page[kv->n_free++] = (int32_t)(kv->n_pages - 1 - i);
    kv->pool.data = qn_arena_map(QN_MEM_KV, kv->bytes);
    return kv->pool.data ? 0 : QN_ENOMEM;
}

void qn_kv_drop(qn_kv *kv) {
    qn_arena_unmap(QN_MEM_KV, kv->pool.data, kv->bytes);
    qn_free(kv->lists);
    qn_free(kv->seq);
    qn_free(kv->owners);
    qn_free(kv->free_page);
    *kv = (qn_kv){0};
}

static int take_page(qn_kv *kv, int32_t *page) {
    if (kv->n_free == 0)
        return qn_fail(QN_ECONTEXT, "KV cache: all %lld pages of %d positions are in use", (long long)kv->n_pages,
                       QN_KEY_BLOCK);
    *page = kv->free_page[--kv->n_free];
    kv->owners[*page] = 1;
    kv->used_peak = QN_MAX(kv->used_peak, kv->n_pages - kv->n_free);
    return 0;
}

static void release_page(qn_kv *kv, int32_t page) {
    if (--kv->owners[page] == 0)
        kv->free_page[kv->n_free++] = page;
}

/* The sequence's last page becomes its own. */
static int own_page(qn_kv *kv, qn_kv_sequence *s, int64_t i) {
    const int32_t shared = s->page[i];
    int32_t own = -1;
    if (kv->owners[shared] == 1)
        return 0;
    QN_TRY(take_page(kv, &own));
    const size_t bytes = qn_kv_page_bytes(&kv->pool);
    memcpy(kv->pool.data + (size_t)own * bytes, kv->pool.data + (size_t)shared * bytes, bytes);
    s->page[i] = own;
    release_page(kv, shared);
    return 0;
}

int qn_kv_reserve(qn_kv *kv, int64_t seq, int64_t n) {
    qn_kv_sequence *s = &kv->seq[seq];
    const int64_t need = pages_for(s->length + n);
    qn_assert(n >= 0 && need <= kv->pages_max);
    if (s->length % QN_KEY_BLOCK)
        QN_TRY(own_page(kv, s, s->length / QN_KEY_BLOCK));
    while (s->pages < need) {
        QN_TRY(take_page(kv, &s->page[s->pages]));
        s->pages++;
    }
    return 0;
}

void qn_kv_truncate(qn_kv *kv, int64_t seq, int64_t length) {
    qn_kv_sequence *s = &kv->seq[seq];
    qn_assert(length >= 0 && length <= s->length);
    s->length = length;
    while (s->pages > pages_for(length))
        release_page(kv, s->page[--s->pages]);
}

int qn_kv_share(qn_kv *kv, int64_t from, int64_t to, int64_t n) {
    const qn_kv_sequence *a = &kv->seq[from];
    qn_kv_sequence *b = &kv->seq[to];
    qn_assert(from != to && n >= 0 && n <= a->length);
    qn_kv_truncate(kv, to, 0);
    for (; b->pages < pages_for(n); b->pages++) {
        b->page[b->pages] = a->page[b->pages];
        kv->owners[b->page[b->pages]]++;
    }
    b->length = n;
    return 0;
}
