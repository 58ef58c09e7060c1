/* model/adapter.c — the list of an adapter's pairs in one arena; fresh ones; does it fit; the lengths of DoRA.
 *
 *     arena     │ A₀ panels │ B₀ panels │ m₀ │ ‖·‖₀ │ A₁ panels │ …          each at a multiple of 64 bytes
 *
 * Lengths are made without W + s·B·A, which would be as large as the model:
 *
 *     ‖W_n + s·B_n·A‖² = ‖W_n‖² + 2s·B_n·(A·W_nᵀ) + s²·B_n·(A·Aᵀ)·B_nᵀ */
#include "model/adapter_impl.h"

#include <math.h>
#include <string.h>

enum { RANK_MOST = 1024, TILE = QN_PANEL };

/* ---- the list ---- */

static size_t panels_bytes(int64_t rows, int64_t cols) {
    return (size_t)qn_panels(rows) * qn_panel_bytes(QN_F32, cols);
}

static size_t vector_bytes(const qn_lora *l) { return qn_round64((size_t)l->rows * sizeof(float)); }

static qn_tensor matrix(int64_t rows, int64_t cols, void *data) {
    return (qn_tensor){.dtype = QN_F32, .layout = QN_LAYOUT_PANELS, .rank = 2, .dim = {rows, cols}, .stride = cols,
                       .data = data};
}

/* Places pair l at `at` bytes of the arena (NULL: only counts); how many bytes there are behind it. */
static size_t place(qn_lora *l, char *arena, size_t at, bool dora) {
    const size_t a = at, b = a + panels_bytes(l->rank, l->cols), m = b + panels_bytes(l->rows, l->rank);
    const size_t length = m + vector_bytes(l), end = length + vector_bytes(l);
    if (!arena)
        return dora ? end : m;
    l->a = matrix(l->rank, l->cols, arena + a);
    l->b = matrix(l->rows, l->rank, arena + b);
    l->magnitude = dora ? (float *)(void *)(arena + m) : NULL;
    l->length = dora ? (float *)(void *)(arena + length) : NULL;
    return dora ? end : m;
}

static int32_t *index_of(const qn_adapter *a, qn_param_id id, int64_t layer) { return &a->at[layer * QN_PARAMS + id]; }

/* Puts the pairs into the order of the table, layer by layer. */
static int list(qn_adapter *a, const qn_lora *pairs, size_t n) {
    for (int64_t i = 0; i < a->layers * QN_PARAMS; i++)
        a->at[i] = -1;
    for (size_t i = 0; i < n; i++) {
        qn_assert(pairs[i].layer >= 0 && pairs[i].layer < a->layers && pairs[i].rank > 0);
        int32_t *at = index_of(a, pairs[i].p->id, pairs[i].layer);
        if (*at >= 0)
            return qn_fail(QN_EFORMAT, "adapter: there are two pairs for %s of layer %lld", pairs[i].p->gguf,
                           (long long)pairs[i].layer);
        *at = (int32_t)i;
    }
    for (int64_t layer = 0; layer < a->layers; layer++)
        for (size_t k = 0; k < a->arch->n_params; k++) {
            int32_t *at = index_of(a, a->arch->params[k].id, layer);
            if (*at < 0)
                continue;
            a->lora[a->n] = pairs[*at];
            *at = (int32_t)a->n++;
        }
    return 0;
}

static int make(qn_adapter *a, const qn_lora *pairs, size_t n) {
    a->lora = qn_zalloc(QN_MEM_MODEL, n, sizeof *a->lora);
    a->at = qn_alloc(QN_MEM_MODEL, (size_t)a->layers * QN_PARAMS * sizeof *a->at);
    a->name = qn_str_dup(QN_MEM_MODEL, QN_STR("adapter"));
    if (!a->lora || !a->at || !a->name)
        return QN_ENOMEM;
    QN_TRY(list(a, pairs, n));
    for (size_t i = 0; i < a->n; i++)
        a->arena_bytes = place(&a->lora[i], NULL, a->arena_bytes, a->dora);
    a->arena = qn_arena_map(QN_MEM_WEIGHTS, a->arena_bytes);
    if (!a->arena)
        return QN_ENOMEM;
    size_t at = 0;
    for (size_t i = 0; i < a->n; i++)
        at = place(&a->lora[i], a->arena, at, a->dora);
    return 0;
}

int qn_adapter_new(qn_adapter **out, const qn_arch *arch, int64_t layers, const qn_lora *pairs, size_t n, bool dora) {
    *out = NULL;
    if (n == 0)
        return qn_fail(QN_EINVAL, "adapter: there is no pair in it");
    qn_adapter *a = qn_zalloc(QN_MEM_MODEL, 1, sizeof *a);
    if (!a)
        return QN_ENOMEM;
    a->arch = arch;
    a->layers = layers;
    a->dora = dora;
    const int rc = make(a, pairs, n);
    if (rc < 0) {
        qn_adapter_free(a);
        return rc;
    }
    *out = a;
    return 0;
}

void qn_adapter_free(qn_adapter *a) {
    if (!a)
        return;
    qn_arena_unmap(QN_MEM_WEIGHTS, a->arena, a->arena_bytes);
    qn_arena_unmap(QN_MEM_WEIGHTS, a->token_arena, a->token_bytes);
    qn_free(a->token);
    qn_free(a->lora);
    qn_free(a->at);
    qn_free(a->name);
    qn_free(a);
}

const qn_lora *qn_adapter_find(const qn_adapter *a, qn_param_id id, int64_t layer) {
    if (layer < 0 || layer >= a->layers)
        return NULL;
    const int32_t at = *index_of(a, id, layer);
    return at < 0 ? NULL : &a->lora[at];
}

/* ---- does it fit ---- */

static int check_pair(const qn_adapter *a, const qn_model *m, const qn_lora *l) {
    const qn_tensor *w = qn_model_param(m, l->p->id, l->layer);
    qn_buf name = {0};
    if (w->rank == 2 && w->dim[0] == l->rows && w->dim[1] == l->cols)
        return 0;
    int rc = qn_param_name(l->p, false, l->layer, &name);
    if (rc >= 0 && w->rank != 2)
        rc = qn_fail(QN_ESHAPE, "%s: has a pair for %s, which this model has not", a->name, name.s);
    else if (rc >= 0)
        rc = qn_fail(QN_ESHAPE, "%s: its pair for %s is [%lld,%lld]·[%lld,%lld], the model's weight [%lld,%lld]; it "
                     "was made for another model", a->name, name.s, (long long)l->rows, (long long)l->rank,
                     (long long)l->rank, (long long)l->cols, (long long)w->dim[0], (long long)w->dim[1]);
    qn_buf_drop(&name);
    return rc;
}

int qn_adapter_check(const qn_adapter *a, const qn_model *m) {
    if (a->arch != m->arch)
        return qn_fail(QN_ESHAPE, "%s: an adapter for models of the family %s; this one is %s", a->name, a->arch->name,
                       m->arch->name);
    for (size_t i = 0; i < a->n; i++) {
        if (a->lora[i].layer >= m->cfg.layers)
            return qn_fail(QN_ESHAPE, "%s: has a pair for layer %lld; the model has %lld layers", a->name,
                           (long long)a->lora[i].layer, (long long)m->cfg.layers);
        QN_TRY(check_pair(a, m, &a->lora[i]));
    }
    return a->n_tokens ? qn_adapter_check_tokens(a, m) : 0;
}

/* ---- in and out of panels ---- */

int qn_lora_name(const qn_lora *l, const char *part, qn_buf *out) {
    QN_TRY(qn_param_name(l->p, true, l->layer, out));
    return qn_buf_printf(out, ".%s", part);
}

void qn_lora_unpack(const qn_tensor *t, float *out) {
    qn_unpack_rows(out, QN_F32, t->data, 0, t->dim[0], t->dim[1]);
}

void qn_lora_pack(const qn_tensor *t, const float *from) {
    qn_pack_panels(&(qn_pack_args){.from = QN_F32, .to = QN_F32, .src = from, .dst = t->data, .rows = t->dim[0],
                                   .K = t->dim[1]});
}

/* ---- which weights ---- */

/* Whether `word` names the module of a tensor's name: "q_proj", "self_attn.q_proj" that of "….self_attn.q_proj.weight";
 * whole components count. */
static bool names(const char *tensor, qn_str word) {
    qn_str module = qn_str_of(tensor);
    if (qn_str_ends(module, ".weight"))
        module.n -= strlen(".weight");
    if (word.n == 0 || word.n > module.n)
        return false;
    const size_t at = module.n - word.n;
    return memcmp(module.s + at, word.s, word.n) == 0 && (at == 0 || module.s[at - 1] == '.');
}

static bool is_meant(const qn_arch *a, const qn_param *p, qn_str word) {
    const qn_joint *j = qn_arch_joint(a, p->id);
    return qn_str_is(word, "all-linear") || names(p->gguf, word) || names(p->hf, word) ||
           (j && (names(j->gguf, word) || names(j->hf, word)));
}

/* The last component of a name in front of ".weight". */
static qn_str short_name(const char *tensor) {
    qn_str s = qn_str_of(tensor);
    s.n -= qn_str_ends(s, ".weight") ? strlen(".weight") : 0;
    for (size_t i = s.n; i > 0; i--)
        if (s.s[i - 1] == '.')
            return (qn_str){s.s + i, s.n - i};
    return s;
}

static int unknown_target(const qn_arch *a, qn_str word) {
    qn_buf known = {0};
    int rc = 0;
    for (size_t i = 0; i < a->n_params && rc >= 0; i++) {
        const qn_str ours = short_name(a->params[i].gguf), theirs = short_name(a->params[i].hf);
        if (a->params[i].flags & QN_LORA)
            rc = qn_buf_printf(&known, ", %.*s (%.*s)", QN_STR_ARG(ours), QN_STR_ARG(theirs));
    }
    if (rc >= 0)
        rc = qn_fail(QN_EINVAL, "\"%.*s\" is no weight of the %s family that adapters can sit on: all-linear%s",
                     QN_STR_ARG(word), a->name, known.s ? known.s : "");
    qn_buf_drop(&known);
    return rc;
}

/* meant: [n_params] of the family. */
static int read_targets(const qn_arch *a, const char *targets, bool *meant) {
    const char *at = targets && *targets ? targets : "all-linear";
    for (;;) {
        const size_t end = strcspn(at, ",");
        qn_str word = {at + strspn(at, " "), end - QN_MIN(strspn(at, " "), end)};
        bool found = false;
        while (word.n > 0 && word.s[word.n - 1] == ' ')
            word.n--;
        for (size_t i = 0; i < a->n_params; i++)
            if ((a->params[i].flags & QN_LORA) && is_meant(a, &a->params[i], word))
                meant[i] = found = true;
        if (!found)
            return unknown_target(a, word);
        if (!at[end])
            return 0;
        at += end + 1;
    }
}

/* ---- fresh ones ---- */

static void fresh_a(const qn_lora *l, uint64_t seed, float *room) {
    const double bound = 1 / sqrt((double)l->cols);
    const uint64_t pair = (uint64_t)(l->layer * QN_DRAWN_PARAMS + l->p->id);
    for (int64_t i = 0; i < l->rank * l->cols; i++)
        room[i] = (float)(bound * (2 * qn_rng_uniform(seed, QN_RNG_INIT, pair, (uint64_t)i) - 1));
    qn_lora_pack(&l->a, room);
}

static int fill_fresh(qn_adapter *a, const qn_model *m, uint64_t seed, qn_pool *pool) {
    int64_t most = 0;
    for (size_t i = 0; i < a->n; i++)
        most = QN_MAX(most, a->lora[i].rank * a->lora[i].cols);
    float *room = qn_alloc(QN_MEM_SCRATCH, (size_t)most * sizeof *room);
    if (!room)
        return QN_ENOMEM;
    for (size_t i = 0; i < a->n; i++)
        fresh_a(&a->lora[i], seed, room);
    qn_free(room);
    QN_TRY(qn_adapter_lengths(a, m, pool));
    for (size_t i = 0; i < a->n && a->dora; i++)        /* B is zero: they are the lengths of W's rows */
        memcpy(a->lora[i].magnitude, a->lora[i].length, (size_t)a->lora[i].rows * sizeof(float));
    return 0;
}

static int check_options(const qn_lora_options *o) {
    if (o->rank < 1 || o->rank > RANK_MOST)
        return qn_fail(QN_EINVAL, "adapter: its rank is %lld; expected 1 to %d", (long long)o->rank, RANK_MOST);
    if (!(o->alpha > 0) || !isfinite(o->alpha))
        return qn_fail(QN_EINVAL, "adapter: alpha is %g; expected a number above 0", o->alpha);
    return 0;
}

/* pairs: room for one of each weight. */
static size_t list_fresh(const qn_model *m, const qn_lora_options *o, const bool *meant, qn_lora *pairs) {
    const double scale = o->alpha / (o->rslora ? sqrt((double)o->rank) : (double)o->rank);
    size_t n = 0;
    for (int64_t layer = 0; layer < m->cfg.layers; layer++)
        for (size_t i = 0; i < m->arch->n_params; i++) {
            const qn_param *p = &m->arch->params[i];
            const qn_tensor *w = qn_model_param(m, p->id, layer);
            if (meant[i] && w->rank == 2)
                pairs[n++] = (qn_lora){.p = p, .layer = layer, .rank = o->rank, .rows = w->dim[0], .cols = w->dim[1],
                                       .alpha = o->alpha, .scale = scale};
        }
    return n;
}

int qn_adapter_fresh(qn_adapter **out, const qn_model *m, const qn_lora_options *o, qn_pool *pool) {
    *out = NULL;
    QN_TRY(check_options(o));
    const size_t most = (size_t)m->cfg.layers * m->arch->n_params;
    bool *meant = qn_zalloc(QN_MEM_SCRATCH, m->arch->n_params, sizeof *meant);
    qn_lora *pairs = qn_zalloc(QN_MEM_SCRATCH, most, sizeof *pairs);
    int rc = meant && pairs ? read_targets(m->arch, o->targets, meant) : QN_ENOMEM;
    if (rc >= 0)
        rc = qn_adapter_new(out, m->arch, m->cfg.layers, pairs, list_fresh(m, o, meant, pairs), o->dora);
    if (rc >= 0) {
        (*out)->rslora = o->rslora;
        qn_model_pedigree(m, (*out)->pedigree);
        rc = fill_fresh(*out, m, o->seed, pool);
    }
    if (rc < 0) {
        qn_adapter_free(*out);
        *out = NULL;
    }
    qn_free(pairs);
    qn_free(meant);
    return rc;
}

/* ---- DoRA: lengths ---- */

/* Of one pair; everything of a worker's own lies in its room. */
typedef struct {
    const qn_lora *l;
    const qn_tensor *w;
    const qn_kernels *k;
    float *a;                           /* [rank,cols] row by row */
    float *gram;                        /* [rank,rank] A·Aᵀ */
    float *room;                        /* [workers][room_floats] */
    size_t room_floats;                 /* W's rows [32,cols], their products with A and B's rows [32,rank] */
} lengths;

static size_t room_floats(const qn_lora *l) { return (size_t)(TILE * (l->cols + 2 * l->rank)); }

/* y [m,rank] = x [m,cols] · Aᵀ */
static void times_a(const lengths *j, const float *x, int64_t m, float *y) {
    const qn_linear_args args = {.y = y, .ldy = j->l->rank, .x = x, .ldx = (size_t)j->l->cols * sizeof *x,
                                 .w = j->l->a.data, .m = m, .n = j->l->rank, .K = j->l->cols};
    qn_linear_pick(j->k, QN_F32, m)(&args);
}

static void lengths_tile(void *arg, int64_t tile, int worker) {
    const lengths *j = arg;
    const qn_lora *l = j->l;
    const qn_span rows = qn_tile_span(l->rows, TILE, tile);
    const int64_t n = rows.end - rows.begin, R = l->rank;
    float *w = j->room + (size_t)worker * j->room_floats, *wa = w + TILE * l->cols, *b = wa + TILE * R;
    qn_unpack_rows(w, j->w->dtype, j->w->data, rows.begin, n, l->cols);
    qn_unpack_rows(b, QN_F32, l->b.data, rows.begin, n, R);
    times_a(j, w, n, wa);
    for (int64_t i = 0; i < n; i++) {
        double cross = 0, own = 0;
        for (int64_t r = 0; r < R; r++) {
            double sum = 0;
            for (int64_t c = 0; c < R; c++)
                sum += (double)j->gram[r * R + c] * (double)b[i * R + c];
            cross += (double)b[i * R + r] * (double)wa[i * R + r];
            own += (double)b[i * R + r] * sum;
        }
        const double square = j->k->sum_squares(w + i * l->cols, l->cols) + 2 * l->scale * cross +
                              l->scale * l->scale * own;
        l->length[rows.begin + i] = (float)sqrt(QN_MAX(square, 0));
    }
}

/* The widest pair's A and its Gram matrix, and what each worker needs. */
size_t qn_adapter_room(const qn_adapter *a, int workers) {
    size_t most = 0;
    for (size_t i = 0; a->dora && i < a->n; i++) {
        const qn_lora *l = &a->lora[i];
        most = QN_MAX(most, (size_t)(l->rank * (l->cols + l->rank)) + (size_t)workers * room_floats(l));
    }
    return most;
}

/* Products of plain numbers have the same bits at every level that has an instruction for them: the level is left out
 * of this. */
void qn_adapter_lengths_in(qn_adapter *a, const qn_model *m, qn_pool *pool, float *room) {
    if (a->dora)
        qn_model_settle(m, pool);
    for (size_t i = 0; a->dora && i < a->n; i++) {
        const qn_lora *l = &a->lora[i];
        lengths j = {.l = l, .w = qn_model_param(m, l->p->id, l->layer), .k = qn_kernels_at(QN_ISA_AVX2), .a = room,
                     .gram = room + l->rank * l->cols, .room_floats = room_floats(l)};
        j.room = j.gram + l->rank * l->rank;
        qn_lora_unpack(&l->a, j.a);
        times_a(&j, j.a, l->rank, j.gram);
        qn_parallel(pool, qn_tiles(l->rows, TILE), lengths_tile, &j);
    }
}

int qn_adapter_lengths(qn_adapter *a, const qn_model *m, qn_pool *pool) {
    float *room = qn_alloc(QN_MEM_SCRATCH, qn_adapter_room(a, qn_pool_threads(pool)) * sizeof *room);
    if (!room)
        return QN_ENOMEM;
    qn_adapter_lengths_in(a, m, pool, room);
    qn_free(room);
    return 0;
}
