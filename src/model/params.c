/* model/params.c — the list of what is trained, tiles in and out of panels, fresh and loaded numbers. */
#include "model/params.h"

#include "model/stored.h"
#include "num/math.h"

#include <math.h>
#include <string.h>

/* ---- the list ---- */

enum { SLOT_NUMBERS = 16 };             /* every slot begins at a multiple of it in the flat arrays: 64 bytes */

/* `name` is taken over. */
static int push_slot(qn_params *p, size_t *cap, const qn_slot *like, const qn_tensor *t, qn_buf *name) {
    const bool matrix = t->rank == 2;
    int rc = QN_GROW(QN_MEM_MODEL, p->slot, *cap, p->n + 1);
    if (rc >= 0) {
        qn_slot *s = &p->slot[p->n];
        *s = *like;
        s->name = qn_str_dup(QN_MEM_MODEL, qn_buf_view(name));
        s->rows = matrix ? t->dim[0] : 1;
        s->cols = t->dim[matrix];
        s->matrix = matrix;
        s->at = p->numbers;
        s->packed = *t;
        s->tile = p->tiles;
        p->numbers += ((size_t)(s->rows * s->cols) + SLOT_NUMBERS - 1) / SLOT_NUMBERS * SLOT_NUMBERS;
        p->tiles += qn_slot_tiles(s);
        p->widest = QN_MAX(p->widest, QN_MIN(s->rows, QN_SLOT_ROWS) * s->cols);
        rc = s->name ? 0 : QN_ENOMEM;
        p->n++;
    }
    qn_buf_drop(name);
    return rc;
}

static int add_slot(qn_params *p, size_t *cap, const qn_param *param, int64_t layer) {
    const qn_slot like = {.p = param, .layer = layer, .flags = param->flags, .rate = 1};
    qn_buf name = {0};
    const qn_tensor *t = qn_model_param(p->m, param->id, layer);
    if (t->rank == 0)
        return 0;
    const bool matrix = t->rank == 2;
    if (matrix && t->dtype != QN_F32 && t->dtype != QN_BF16)
        return qn_fail(QN_EINVAL, "params: a matrix of the model is packed as %s; what is trained must be f32 or bf16",
                       qn_dtype_get(t->dtype)->name);
    if (matrix && t->dtype != p->m->main_dtype)
        return qn_fail(QN_EINVAL, "params: the model's matrices are partly %s, partly %s; load it with one of them",
                       qn_dtype_get(p->m->main_dtype)->name, qn_dtype_get(t->dtype)->name);
    int rc = qn_param_name(param, true, layer, &name);
    if (rc < 0)
        qn_buf_drop(&name);
    return rc < 0 ? rc : push_slot(p, cap, &like, t, &name);
}

/* The table's rows in their order; a run of rows that stand in every layer is gone through once per layer. */
static int list_slots(qn_params *p) {
    const qn_arch *a = p->m->arch;
    size_t cap = 0, end;
    for (size_t i = 0; i < a->n_params; i = end) {
        const bool many = qn_param_per_layer(&a->params[i]);
        for (end = i + 1; end < a->n_params && qn_param_per_layer(&a->params[end]) == many; end++)
            ;
        for (int64_t layer = many ? 0 : -1; layer < (many ? p->m->cfg.layers : 0); layer++)
            for (size_t k = i; k < end; k++)
                QN_TRY(add_slot(p, &cap, &a->params[k], layer));
    }
    return 0;
}

int qn_params_init(qn_params *p, qn_model *m) {
    *p = (qn_params){.m = m};
    int rc = list_slots(p);
    if (rc >= 0 && m->main_dtype == QN_BF16) {
        p->master = qn_arena_map(QN_MEM_WEIGHTS, p->numbers * sizeof *p->master);
        rc = p->master ? 0 : QN_ENOMEM;
    }
    if (rc < 0)
        qn_params_drop(p);
    return rc;
}

static int add_part(qn_params *p, size_t *cap, const qn_lora *l, const char *part, const qn_tensor *t, double rate) {
    const qn_slot like = {.p = l->p, .layer = l->layer, .rate = rate};
    qn_buf name = {0};
    const int rc = qn_lora_name(l, part, &name);
    if (rc < 0)
        qn_buf_drop(&name);
    return rc < 0 ? rc : push_slot(p, cap, &like, t, &name);
}

/* Rows of embedding and head, as optimizers treat these. */
static int list_tokens(qn_params *p, size_t *cap, const qn_adapter *a) {
    const qn_tensor *const rows[] = {&a->embed, &a->head};
    for (int head = 0; head < 2; head++) {
        const qn_param *param = qn_arch_param(a->arch, head ? QN_P_HEAD : QN_P_EMBED);
        const qn_slot like = {.p = param, .layer = -1, .flags = QN_EMBEDDING, .rate = 1};
        qn_buf name = {0};
        if (!rows[head]->rank)
            continue;
        const int rc = qn_tokens_name(a, head, &name);
        if (rc < 0)
            qn_buf_drop(&name);
        QN_TRY(rc < 0 ? rc : push_slot(p, cap, &like, rows[head], &name));
    }
    return 0;
}

static int list_pairs(qn_params *p, const qn_adapter *a, double b_rate) {
    size_t cap = 0;
    for (size_t i = 0; i < a->n; i++) {
        const qn_lora *l = &a->lora[i];
        const qn_tensor m = {.dtype = QN_F32, .rank = 1, .dim = {l->rows}, .stride = 1, .data = l->magnitude};
        QN_TRY(add_part(p, &cap, l, "lora_a", &l->a, 1));
        QN_TRY(add_part(p, &cap, l, "lora_b", &l->b, b_rate));
        if (a->dora)
            QN_TRY(add_part(p, &cap, l, "lora_m", &m, 1));
    }
    return a->n_tokens ? list_tokens(p, &cap, a) : 0;
}

int qn_params_of_adapter(qn_params *p, qn_model *m, qn_adapter *a, double b_rate, int workers) {
    *p = (qn_params){.m = m, .adapter = a};
    int rc = qn_adapter_check(a, m);
    if (rc >= 0)
        rc = list_pairs(p, a, b_rate);
    if (rc >= 0 && a->dora) {
        p->room = qn_alloc(QN_MEM_SCRATCH, qn_adapter_room(a, workers) * sizeof *p->room);
        rc = p->room ? 0 : QN_ENOMEM;
    }
    if (rc < 0)
        qn_params_drop(p);
    return rc;
}

void qn_params_changed(qn_params *p, qn_pool *pool) {
    if (p->room)
        qn_adapter_lengths_in(p->adapter, p->m, pool, p->room);
    p->m->epoch++;
}

int64_t qn_params_vocabulary(const qn_params *p) {
    const qn_adapter *const a[] = {p->adapter};
    return qn_adapters_rows(p->m, a, a[0] != NULL);
}

void qn_params_drop(qn_params *p) {
    for (size_t i = 0; i < p->n; i++)
        qn_free(p->slot[i].name);
    qn_free(p->room);
    if (p->master)
        qn_arena_unmap(QN_MEM_WEIGHTS, p->master, p->numbers * sizeof *p->master);
    qn_free(p->slot);
    *p = (qn_params){0};
}

const qn_slot *qn_params_tile(const qn_params *p, int64_t tile, int64_t *row) {
    size_t low = 0, high = p->n;
    while (high - low > 1) {
        const size_t middle = low + (high - low) / 2;
        if (p->slot[middle].tile <= tile)
            low = middle;
        else
            high = middle;
    }
    *row = (tile - p->slot[low].tile) * QN_SLOT_ROWS;
    return &p->slot[low];
}

/* ---- a tile out of its panel and back ---- */

static float *panel_at(const qn_slot *s, int64_t row) {
    char *panels = s->packed.data;
    return (float *)(void *)(panels + (size_t)(row / QN_PANEL) * qn_panel_bytes(QN_F32, s->cols));
}

float *qn_params_take(const qn_params *p, const qn_slot *s, int64_t row, float *room) {
    qn_assert(row % QN_SLOT_ROWS == 0);
    if (!s->matrix)
        return s->packed.data;
    if (p->master)
        return p->master + s->at + row * s->cols;
    /* a panel [K][32] turned around; the level changes nothing, since words only move */
    const qn_kernels *k = qn_kernels_at(QN_ISA_LEVELS - 1);
    k->turn(room, s->cols, panel_at(s, row), QN_PANEL, s->cols, qn_slot_tile_rows(s, row));
    return room;
}

void qn_params_put(const qn_params *p, const qn_slot *s, int64_t row, const float *w) {
    const int64_t rows = qn_slot_tile_rows(s, row);
    float *master = s->matrix ? p->master ? p->master + s->at + row * s->cols : NULL : s->packed.data;
    if (master && master != w)
        memcpy(master, w, (size_t)(rows * s->cols) * sizeof *w);
    if (!s->matrix)
        return;
    qn_pack_panels(&(qn_pack_args){.from = QN_F32, .to = s->packed.dtype, .src = w, .dst = s->packed.data,
                                   .n0 = row, .rows = rows, .K = s->cols});
}

/* ---- filling all tiles ---- */

typedef struct {
    qn_params *p;
    float *room;                        /* [workers][widest] */
    uint64_t seed;
    double deviation;
    const qn_stored *from;              /* [slots], or NULL: fresh */
    char *raw;                          /* [workers][widest] numbers as they are stored */
    float *mean;                        /* [slots][D] of the rows of a table that grows */
} filling;

/* Two normal numbers (Marsaglia 1964): a point of the unit disc, stretched. A point of the square around it misses the
 * disc in one of five tries; each try has a counter of its own. */
static void normal_pair(uint64_t seed, uint64_t slot, uint64_t pair, float out[2]) {
    for (uint64_t tries = 0;; tries++) {
        const qn_rng_block b = qn_rng(seed, QN_RNG_INIT, slot | tries << 32, pair);
        for (int i = 0; i < 4; i += 2) {
            const float x = (float)((int32_t)b.v[i] >> 8) * 0x1p-23f, y = (float)((int32_t)b.v[i + 1] >> 8) * 0x1p-23f;
            const float s = x * x + y * y;
            if (s >= 1 || s == 0)
                continue;
            const float stretch = sqrtf(-2 * qn_logf(s) / s);
            out[0] = x * stretch;
            out[1] = y * stretch;
            return;
        }
    }
}

/* What writes into the residual stream is divided by √(2·layers), so that the stream's variance does not grow with
 * depth (Radford et al. 2019, §2.3). */
static void fresh_matrix(const filling *f, const qn_slot *s, int64_t row, float *w) {
    const double residual = f->deviation / sqrt(2 * (double)f->p->m->cfg.layers);
    const float deviation = (float)(s->flags & QN_RESIDUAL_OUT ? residual : f->deviation);
    const int64_t begin = row * s->cols, end = begin + qn_slot_tile_rows(s, row) * s->cols;
    float pair[2] = {0, 0};
    for (int64_t i = begin; i < end; i++) {
        if (i == begin || i % 2 == 0)
            normal_pair(f->seed, (uint64_t)(s - f->p->slot), (uint64_t)(i / 2), pair);
        w[i - begin] = deviation * pair[i % 2];
    }
}

static size_t raw_bytes(const filling *f) { return (size_t)f->p->widest * sizeof(double); }     /* F64 is the widest */

static void decode(const filling *f, const qn_stored *st, int64_t row, int64_t n, int worker, float *w) {
    const char *rows = qn_stored_rows(st, row, n, f->raw + (size_t)worker * raw_bytes(f));
    qn_dtype_get((qn_dtype)st->info->dtype)->decode_row(w, rows, n * st->dim[1]);
}

/* Rows of a table that the file has not begin as the mean of those that it has (Hewitt 2021): they are as likely as the
 * others taken together, and no more. */
static void fill_stored(const filling *f, const qn_slot *s, int64_t row, int64_t rows, int worker, float *w) {
    const qn_stored *st = &f->from[s - f->p->slot];
    const int64_t there = s->matrix ? QN_MIN(rows, QN_MAX(0, st->dim[0] - row)) : s->cols;
    if (there > 0)
        decode(f, st, row, there, worker, w);
    for (int64_t r = there; s->matrix && r < rows; r++)
        memcpy(w + r * s->cols, f->mean + (s - f->p->slot) * f->p->m->cfg.D, (size_t)s->cols * sizeof *w);
}

/* The means of all tables that grow, row after row. */
static int find_means(filling *f) {
    const qn_params *p = f->p;
    const int64_t D = p->m->cfg.D;
    f->mean = qn_zalloc(QN_MEM_SCRATCH, p->n * (size_t)D, sizeof *f->mean);
    double *sum = qn_zalloc(QN_MEM_SCRATCH, (size_t)D, sizeof *sum);
    for (size_t i = 0; f->mean && sum && i < p->n; i++) {
        const int64_t stored = f->from[i].dim[0];
        if (!p->slot[i].matrix || stored >= p->slot[i].rows)
            continue;
        memset(sum, 0, (size_t)D * sizeof *sum);
        for (int64_t row = 0; row < stored; row++) {
            decode(f, &f->from[i], row, 1, 0, f->room);
            for (int64_t k = 0; k < D; k++)
                sum[k] += (double)f->room[k];
        }
        for (int64_t k = 0; k < D; k++)
            f->mean[(int64_t)i * D + k] = (float)(sum[k] / (double)QN_MAX(stored, 1));
    }
    qn_free(sum);
    return f->mean && sum ? 0 : QN_ENOMEM;
}

static void fill_tile(void *arg, int64_t tile, int worker) {
    const filling *f = arg;
    int64_t row;
    const qn_slot *s = qn_params_tile(f->p, tile, &row);
    float *w = f->room + (size_t)worker * (size_t)f->p->widest;
    const int64_t rows = qn_slot_tile_rows(s, row);
    if (f->from)
        fill_stored(f, s, row, rows, worker, w);
    else if (s->matrix)
        fresh_matrix(f, s, row, w);
    else
        for (int64_t i = 0; i < s->cols; i++)
            w[i] = qn_str_ends(qn_str_of(s->p->gguf), ".bias") ? 0.0f : 1.0f;
    qn_params_put(f->p, s, row, w);
}

static int fill_all(filling *f, qn_pool *pool) {
    f->room = qn_alloc(QN_MEM_SCRATCH, (size_t)qn_pool_threads(pool) * (size_t)f->p->widest * sizeof *f->room);
    if (f->from)
        f->raw = qn_alloc(QN_MEM_SCRATCH, (size_t)qn_pool_threads(pool) * raw_bytes(f));
    int rc = f->room && (f->raw || !f->from) ? 0 : QN_ENOMEM;
    if (rc >= 0 && f->from && f->p->grow)
        rc = find_means(f);
    if (rc >= 0)
        qn_parallel(pool, f->p->tiles, fill_tile, f);
    qn_free(f->mean);
    qn_free(f->room);
    qn_free(f->raw);
    return rc;
}

int qn_params_fresh(qn_params *p, uint64_t seed, double deviation, qn_pool *pool) {
    const double small = sqrt(2 / (5 * (double)p->m->cfg.D));
    return fill_all(&(filling){.p = p, .seed = seed, .deviation = deviation > 0 ? deviation : small}, pool);
}

/* ---- from a file ---- */

static int check_config(const qn_params *p, const qn_source *s, qn_config *c) {
    const qn_config *own = &p->m->cfg;
    const qn_arch *arch;
    QN_TRY(qn_source_config(s, &arch, c));
    if (arch != p->m->arch)
        return qn_fail(QN_ESHAPE, "%s: a model of the family %s; what is trained is %s", qn_source_path(s), arch->name,
                       p->m->arch->name);
    if (c->layers != own->layers || c->heads != own->heads || c->kv_heads != own->kv_heads || c->Dh != own->Dh)
        return qn_fail(QN_ESHAPE, "%s: %lld layers, %lld heads over %lld, %lld wide; what is trained has %lld, %lld "
                       "over %lld, %lld wide", qn_source_path(s), (long long)c->layers, (long long)c->heads,
                       (long long)c->kv_heads, (long long)c->Dh, (long long)own->layers, (long long)own->heads,
                       (long long)own->kv_heads, (long long)own->Dh);
    return 0;
}

/* A parameter that the file has and the model has not would be lost without a word. */
static int check_absent(const qn_params *p, const qn_source *s, const qn_config *c, const qn_param *param) {
    const int64_t layer = qn_param_per_layer(param) ? 0 : -1;
    qn_stored st;
    if (qn_model_param(p->m, param->id, layer)->rank > 0)
        return 0;
    if ((param->flags & QN_TIED) && c->tied)            /* a file may repeat the embedding */
        return 0;
    QN_TRY(qn_stored_find(&st, s, p->m->arch, c, param, layer));
    return st.info ? qn_fail(QN_ESHAPE, "%s: tensor %.*s has no place in the model that is trained", qn_source_path(s),
                             QN_STR_ARG(st.info->name)) : 0;
}

static int bind_slot(const qn_params *p, const qn_source *s, const qn_config *c, const qn_slot *slot, qn_stored *st) {
    QN_TRY(qn_stored_find(st, s, p->m->arch, c, slot->p, slot->layer));
    QN_TRY(qn_stored_check(st, s));
    const int64_t rows = slot->matrix ? slot->rows : slot->cols, cols = slot->matrix ? slot->cols : 1;
    const bool table = slot->p->id == QN_P_EMBED || slot->p->id == QN_P_HEAD;
    if (st->dim[1] == cols && (st->dim[0] == rows || (p->grow && table && st->dim[0] < rows)))
        return 0;
    return qn_fail(QN_ESHAPE, "%s: tensor %.*s is %lld by %lld; what is trained is %lld by %lld", qn_source_path(s),
                   QN_STR_ARG(st->info->name), (long long)st->dim[0], (long long)st->dim[1], (long long)rows,
                   (long long)cols);
}

static int bind_slots(const qn_params *p, const qn_source *s, qn_stored *from) {
    qn_config c;
    QN_TRY(check_config(p, s, &c));
    if (!qn_source_tensors(s))
        return qn_fail(QN_ENOTFOUND, "%s: no weights are there", qn_source_path(s));
    QN_TRY(qn_tensor_check_size(qn_source_tensors(s)));
    for (size_t i = 0; i < p->m->arch->n_params; i++)
        QN_TRY(check_absent(p, s, &c, &p->m->arch->params[i]));
    for (size_t i = 0; i < p->n; i++)
        QN_TRY(bind_slot(p, s, &c, &p->slot[i], &from[i]));
    return 0;
}

int qn_params_load(qn_params *p, const qn_source *s, qn_pool *pool) {
    qn_stored *from = qn_zalloc(QN_MEM_SCRATCH, p->n, sizeof *from);
    if (!from)
        return QN_ENOMEM;
    int rc = bind_slots(p, s, from);
    if (rc >= 0)
        rc = fill_all(&(filling){.p = p, .from = from}, pool);
    qn_free(from);
    return rc;
}
