/* model/fingerprint.c — what a model in memory is, in sixteen digits: a hash of its arena, a megabyte at a time so that
 * threads can share it out, of the hashes in order, and of the numbers that say what is done with the weights. Panels
 * are the same bytes at every level (decision 004). The same of an adapter, which is small, and of vectors alone. */
#include "model/adapter.h"

#include <stdio.h>
#include <string.h>

enum { CHUNK = 1 << 20 };

typedef struct { const qn_model *m; uint64_t *hash; } job;

static void hash_chunk(void *arg, int64_t tile, QN_UNUSED int worker) {
    const job *j = arg;
    const qn_span s = qn_tile_span((int64_t)j->m->arena_bytes, CHUNK, tile);
    j->hash[tile] = qn_hash_bytes(j->m->arena + s.begin, (size_t)(s.end - s.begin), (uint64_t)tile);
}

/* Heads, epsilon, window, the frequencies of RoPE: the same weights mean something else under others. Both forms spell
 * some of them with a few digits only, so only these count. */
static uint64_t hash_numbers(const qn_config *c, uint64_t h) {
    double freq[QN_ROPE_PAIRS] = {0}, factor = 1;
    char text[24];
    qn_rope_frequencies(&c->rope, freq, &factor);
    const double number[] = {(double)c->heads, (double)c->kv_heads, (double)c->Dh, (double)c->window, c->norm_eps,
                             (double)c->act, (double)c->rope.rot, factor};
    for (size_t i = 0; i < QN_LEN(number) + QN_ROPE_PAIRS; i++) {
        snprintf(text, sizeof text, "%.4e", i < QN_LEN(number) ? number[i] : freq[i - QN_LEN(number)]);
        h = qn_hash_bytes(text, strlen(text), h);
    }
    return h;
}

int qn_model_fingerprint(const qn_model *m, qn_pool *pool, char out[17]) {
    const int64_t n = qn_tiles((int64_t)m->arena_bytes, CHUNK);
    job j = {m, qn_alloc(QN_MEM_SCRATCH, (size_t)n * sizeof *j.hash)};
    if (!j.hash)
        return QN_ENOMEM;
    qn_model_settle(m, pool);
    qn_parallel(pool, n, hash_chunk, &j);
    uint64_t h = qn_hash_bytes(j.hash, (size_t)n * sizeof *j.hash, 0);
    qn_free(j.hash);
    for (int64_t i = 0; i < (m->cfg.layers + 1) * QN_PARAMS; i++) {
        const qn_tensor *t = &m->param[i];
        const int64_t shape[] = {i, t->rank, t->dim[0], t->dim[1], t->dtype};
        h = t->rank ? qn_hash_bytes(shape, sizeof shape, h) : h;
    }
    snprintf(out, 17, "%016llx", (unsigned long long)hash_numbers(&m->cfg, h));
    return 0;
}

void qn_model_pedigree(const qn_model *m, char out[17]) {
    uint64_t h = 1;
    for (int64_t i = 0; i < (m->cfg.layers + 1) * QN_PARAMS; i++) {
        const qn_tensor *t = &m->param[i];
        if (t->rank == 1)
            h = qn_hash_bytes(t->data, (size_t)t->dim[0] * sizeof(float), h + (uint64_t)i);
    }
    snprintf(out, 17, "%016llx", (unsigned long long)h);
}

static uint64_t hash_matrix(const qn_tensor *t, uint64_t h) {
    return qn_hash_bytes(t->data, (size_t)qn_panels(t->dim[0]) * qn_panel_bytes(QN_F32, t->dim[1]), h);
}

void qn_adapter_fingerprint(const qn_adapter *a, char out[17]) {
    uint64_t h = qn_hash_bytes(&a->layers, sizeof a->layers, a->dora);
    for (size_t i = 0; i < a->n; i++) {
        const qn_lora *l = &a->lora[i];
        const int64_t where[] = {l->p->id, l->layer, l->rank, l->rows, l->cols};
        h = qn_hash_bytes(where, sizeof where, h);
        h = qn_hash_bytes(&l->scale, sizeof l->scale, h);
        h = hash_matrix(&l->b, hash_matrix(&l->a, h));
        h = l->magnitude ? qn_hash_bytes(l->magnitude, (size_t)l->rows * sizeof *l->magnitude, h) : h;
    }
    if (a->n_tokens) {
        h = qn_hash_bytes(a->token, (size_t)a->n_tokens * sizeof *a->token, h);
        h = hash_matrix(&a->embed, h);
    }
    h = a->head.rank ? hash_matrix(&a->head, h) : h;
    snprintf(out, 17, "%016llx", (unsigned long long)h);
}
