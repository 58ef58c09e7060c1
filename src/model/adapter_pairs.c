/* model/adapter_pairs.c — the tensors of an adapter's file into pairs: found by the family's table, held against the
 * model's shapes, each number looked at.
 *
 * Every weight that may have a pair is asked for by its name; what nobody asked for is an error, because it would
 * change what the adapter means. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "model/adapter_impl.h"
#include "model/stored.h"

/* One pair of the file, of one weight or of several. */
typedef struct {
    const qn_param *part[4];
    int parts;
    int64_t layer, rank, rows, cols;
    double scale;
    const qn_tensor_info *t[QN_LORA_TENSORS];       /* NULL: not there */
} entry;

typedef struct {
    const qn_adapter_said *said;
    const qn_arch *arch;
    const qn_config *c;
    const char *name;
    qn_adapter_targets targets;
    bool *used;                         /* [tensors of the file] */
    entry *e;                           /* [n] */
    size_t n, cap;
    qn_lora *lora;                      /* [n_lora] */
    size_t n_lora, lora_cap;
    int32_t *column;                    /* [rank]: the columns of B that a part needs */
    qn_adapter *a;
} reading;

static const char *tensor_text(const qn_tensor_info *t, char out[240]) {
    qn_shape s = {QN_MIN(t->rank, QN_MAX_RANK), {0}};
    memcpy(s.dim, t->dims, (size_t)s.rank * sizeof *s.dim);
    snprintf(out, 240, "%.*s is %s", QN_STR_ARG(t->name), qn_shape_text(&s));
    return out;
}

/* ---- found ---- */

/* Some directories leave the family's prefix out of their names. */
static int look_up(reading *r, entry *e, const char *module, qn_lora_tensor which, qn_buf *name) {
    const qn_tensor_file *f = r->said->tensors;
    const size_t prefix = r->arch->hf_prefix && !r->said->is_gguf ? strlen(r->arch->hf_prefix) : 0;
    QN_TRY(qn_adapter_tensor_name(module, r->said->is_gguf, which, name));
    e->t[which] = qn_tensor_find(f, name->s);
    if (!e->t[which] && prefix && strncmp(module, r->arch->hf_prefix, prefix) == 0) {
        QN_TRY(qn_adapter_tensor_name(module + prefix, false, which, name));
        e->t[which] = qn_tensor_find(f, name->s);
    }
    if (e->t[which])
        r->used[e->t[which] - qn_tensor_at(f, 0)] = true;
    return 0;
}

/* The pair of p's tensor in a layer, if the file has any of it. */
static int find(reading *r, const qn_param *p, int64_t layer) {
    entry e = {.layer = layer};
    qn_buf module = {0}, name = {0};
    int rc;
    e.parts = qn_adapter_parts(r->arch, p, e.part);
    if (e.part[0] != p)
        return 0;
    QN_TRY_OUT(qn_adapter_module(r->arch, p, r->said->is_gguf, layer, &module));
    for (int i = 0; i < QN_LORA_TENSORS; i++)
        QN_TRY_OUT(look_up(r, &e, module.s, (qn_lora_tensor)i, &name));
    for (int i = 0; i < e.parts; i++) {
        int64_t dim[2];
        qn_param_shape(e.part[i], r->c, dim);
        e.rows += dim[0];
        e.cols = dim[1];
    }
    if (e.t[QN_LORA_A] || e.t[QN_LORA_B] || e.t[QN_LORA_MAGNITUDE]) {
        QN_TRY_OUT(QN_GROW(QN_MEM_MODEL, r->e, r->cap, r->n + 1));
        r->e[r->n++] = e;
    }
out:
    qn_buf_drop(&module);
    qn_buf_drop(&name);
    return rc;
}

static int find_all(reading *r) {
    r->used = qn_zalloc(QN_MEM_MODEL, qn_tensor_count(r->said->tensors), sizeof *r->used);
    if (!r->used)
        return QN_ENOMEM;
    for (int64_t layer = 0; layer < r->c->layers; layer++)
        for (size_t i = 0; i < r->arch->n_params; i++) {
            const qn_param *p = &r->arch->params[i];
            if ((p->flags & QN_LORA) && qn_param_per_layer(p))
                QN_TRY(find(r, p, layer));
        }
    return 0;
}

/* ---- what nobody asked for ---- */

/* The modules that may have pairs, as this form calls them in layer 0. */
static int known_modules(const reading *r, qn_buf *out) {
    qn_buf module = {0};
    int rc = 0;
    for (size_t i = 0; i < r->arch->n_params; i++) {
        const qn_param *p = &r->arch->params[i], *part[4];
        if (!(p->flags & QN_LORA) || !qn_adapter_parts(r->arch, p, part) || part[0] != p)
            continue;
        QN_TRY_OUT(qn_adapter_module(r->arch, p, r->said->is_gguf, 0, &module));
        QN_TRY_OUT(qn_buf_printf(out, "%s%s", out->n ? ", " : "", module.s));
    }
out:
    qn_buf_drop(&module);
    return rc;
}

static int refuse_leftover(const reading *r, const qn_tensor_info *t) {
    qn_buf known = {0};
    int rc;
    if (memmem(t->name.s, t->name.n, "lora_", 5) == NULL)
        return qn_fail(QN_EUNSUPPORTED, "%s: tensor %.*s is a whole weight (modules_to_save, biases); pairs and rows "
                       "of single tokens are read. PEFT's merge_and_unload makes a whole model of it", r->said->path,
                       QN_STR_ARG(t->name));
    if (memmem(t->name.s, t->name.n, "lora_embedding", 14) != NULL)
        return qn_fail(QN_EUNSUPPORTED, "%s: tensor %.*s adapts an embedding; only products have adapters here",
                       r->said->path, QN_STR_ARG(t->name));
    QN_TRY_OUT(known_modules(r, &known));
    rc = qn_fail(QN_ESHAPE, "%s: tensor %.*s belongs to no weight of this model, a %s of %lld layers; adapters sit on "
                 "%s and their like in the other layers", r->said->path, QN_STR_ARG(t->name), r->arch->name,
                 (long long)r->c->layers, known.s);
out:
    qn_buf_drop(&known);
    return rc;
}

static int check_leftovers(const reading *r) {
    for (size_t i = 0; i < qn_tensor_count(r->said->tensors); i++)
        if (!r->used[i])
            return refuse_leftover(r, qn_tensor_at(r->said->tensors, i));
    if (r->n == 0)
        return qn_fail(QN_EFORMAT, "%s: holds no tensors", r->said->path);
    return 0;
}

/* ---- what the configuration asks for ---- */

/* The module of a tensor as the file has it: some directories leave the family's prefix out. */
static int module_in_file(const entry *e, qn_str *module) {
    for (int i = 0; i < QN_LORA_TENSORS; i++) {
        if (!e->t[i])
            continue;
        const qn_str name = e->t[i]->name;
        const char *end = memmem(name.s, name.n, ".lora_", strlen(".lora_"));
        const size_t prefix = strlen(QN_PEFT_PREFIX);
        *module = (qn_str){name.s + prefix, (size_t)(end - name.s) - prefix};
        return i;
    }
    return -1;
}

/* PEFT would leave the pair out, so that one adapter meant two things. */
static int check_targeted(const reading *r, const entry *e) {
    const char *by;
    qn_str module;
    const int which = module_in_file(e, &module);
    const int has = qn_adapter_targets_has(&r->targets, module, e->layer, &by);
    if (has != 0)
        return has;
    return qn_fail(QN_EFORMAT, "%s: %s leaves out the module %.*s, but tensor %.*s is there; PEFT would pass over it. "
                   "Put the module into %s, or take its tensors out of adapter_model.safetensors",
                   qn_meta_name(r->said->config), by, QN_STR_ARG(module), QN_STR_ARG(e->t[which]->name), by);
}

/* What the configuration asks for and the file has not: PEFT begins it anew, which adds nothing. */
static int count_missing(const reading *r, int64_t *n, qn_buf *first) {
    qn_buf module = {0};
    size_t at = 0;
    int rc = 0;
    for (int64_t layer = 0; layer < r->c->layers; layer++)
        for (size_t i = 0; i < r->arch->n_params; i++) {
            const qn_param *p = &r->arch->params[i], *part[4];
            const char *by;
            if (!(p->flags & QN_LORA) || !qn_param_per_layer(p) || !qn_adapter_parts(r->arch, p, part) || part[0] != p)
                continue;
            if (at < r->n && r->e[at].layer == layer && r->e[at].part[0] == p) {
                at++;
                continue;
            }
            QN_TRY_OUT(qn_adapter_module(r->arch, p, false, layer, &module));
            QN_TRY_OUT(qn_adapter_targets_has(&r->targets, qn_buf_view(&module), layer, &by));
            if (rc > 0 && ++*n == 1)
                QN_TRY_OUT(qn_buf_puts(first, module.s));
        }
    rc = 0;
out:
    qn_buf_drop(&module);
    return rc;
}

static int check_targets(reading *r) {
    qn_buf first = {0};
    int64_t missing = 0;
    QN_TRY(qn_adapter_targets_read(&r->targets, r->said->config));
    if (r->targets.target.form == QN_MODULES_UNSAID && r->targets.exclude.form == QN_MODULES_UNSAID)
        return 0;
    for (size_t i = 0; i < r->n; i++)
        QN_TRY(check_targeted(r, &r->e[i]));
    const int rc = r->targets.target.form == QN_MODULES_UNSAID ? 0 : count_missing(r, &missing, &first);
    if (rc >= 0 && missing > 0)
        qn_log(QN_LOG_WARN, "%s: target_modules names modules that have no tensors beside it, %lld of them, the first "
               "is %s; nothing is added there", qn_meta_name(r->said->config), (long long)missing, first.s);
    qn_buf_drop(&first);
    return rc;
}

/* ---- checked ---- */

/* All that a pair needs is there, and nothing more. */
static int check_whole(const reading *r, const entry *e) {
    qn_buf module = {0}, name = {0};
    int rc = 0;
    for (int i = 0; i < QN_LORA_TENSORS; i++) {
        const bool want = i != QN_LORA_MAGNITUDE || r->said->dora;
        const qn_tensor_info *other = e->t[i == QN_LORA_A ? QN_LORA_B : QN_LORA_A];
        if ((e->t[i] != NULL) == want)
            continue;
        if (!want) {
            rc = qn_fail(QN_EFORMAT, "%s: tensor %.*s is there, but use_dora is not said", r->said->path,
                         QN_STR_ARG(e->t[i]->name));
            goto out;
        }
        QN_TRY_OUT(qn_adapter_module(r->arch, e->part[0], r->said->is_gguf, e->layer, &module));
        QN_TRY_OUT(qn_adapter_tensor_name(module.s, r->said->is_gguf, (qn_lora_tensor)i, &name));
        rc = qn_fail(QN_ENOTFOUND, "%s: tensor %s is missing%s%.*s", r->said->path, name.s,
                     other ? "; it belongs to " : "", other ? (int)QN_MIN(other->name.n, 200) : 0,
                     other ? other->name.s : "");
        goto out;
    }
out:
    qn_buf_drop(&module);
    qn_buf_drop(&name);
    return rc;
}

static int check_shapes(const reading *r, const entry *e) {
    const qn_tensor_info *a = e->t[QN_LORA_A], *b = e->t[QN_LORA_B], *m = e->t[QN_LORA_MAGNITUDE];
    char x[240], y[240];
    for (int i = 0; i < QN_LORA_TENSORS; i++)
        if (e->t[i])
            QN_TRY(qn_tensor_need_dtype(r->said->tensors, e->t[i]));
    if (a->rank != 2 || a->dims[1] != e->cols || a->dims[0] < 1)
        return qn_fail(QN_ESHAPE, "%s: tensor %s; this model asks for [rank,%lld]: the adapter was made for another "
                       "one", r->said->path, tensor_text(a, x), (long long)e->cols);
    if (b->rank != 2 || b->dims[0] != e->rows || b->dims[1] < 1)
        return qn_fail(QN_ESHAPE, "%s: tensor %s; this model asks for [%lld,rank]: the adapter was made for another "
                       "one", r->said->path, tensor_text(b, x), (long long)e->rows);
    if (a->dims[0] != b->dims[1])
        return qn_fail(QN_ESHAPE, "%s: tensor %s, but %s: ranks %lld and %lld disagree", r->said->path,
                       tensor_text(a, x), tensor_text(b, y), (long long)a->dims[0], (long long)b->dims[1]);
    if (m && !(qn_tensor_elements(m) == e->rows && (m->rank == 1 || m->rank == 2)))
        return qn_fail(QN_ESHAPE, "%s: tensor %s; this model asks for [%lld]", r->said->path, tensor_text(m, x),
                       (long long)e->rows);
    return 0;
}

/* Rank and alpha as the configuration has them for this module; the tensors' rank must be that. */
static int scale_of(const reading *r, entry *e) {
    const qn_adapter_said *s = r->said;
    double rank = (double)s->rank, alpha = s->alpha;
    qn_buf module = {0};
    int rc;
    e->rank = e->t[QN_LORA_A]->dims[0];
    QN_TRY_OUT(qn_adapter_module(r->arch, e->part[0], s->is_gguf, e->layer, &module));
    if (s->config) {
        QN_TRY_OUT(qn_adapter_pattern(s->config, "rank_pattern", qn_buf_view(&module), &rank));
        QN_TRY_OUT(qn_adapter_pattern(s->config, "alpha_pattern", qn_buf_view(&module), &alpha));
    }
    rc = 0;
    if (s->rank && rank != (double)e->rank)
        rc = qn_fail(QN_ESHAPE, "%s: tensor %.*s has rank %lld; adapter_config.json says %g", s->path,
                     QN_STR_ARG(e->t[QN_LORA_A]->name), (long long)e->rank, rank);
    e->scale = alpha / (s->rslora ? sqrt((double)e->rank) : (double)e->rank);
out:
    qn_buf_drop(&module);
    return rc;
}

static int check_all(reading *r) {
    for (size_t i = 0; i < r->n; i++) {
        QN_TRY(check_whole(r, &r->e[i]));
        QN_TRY(check_shapes(r, &r->e[i]));
        QN_TRY(scale_of(r, &r->e[i]));
    }
    return qn_tensor_check_size(r->said->tensors);
}

/* ---- decoded ---- */

/* One matrix of the file, or some rows of one, in the order of memory. */
static qn_stored stored_of(const reading *r, const entry *e, qn_lora_tensor which, int part) {
    const qn_tensor_info *t = e->t[which];
    qn_stored st = {.arch = r->arch, .p = e->part[part], .layer = e->layer, .info = t, .rank = 2,
                    .dim = {t->dims[0], t->dims[1]}, .total = t->dims[0], .Dh = r->c->Dh};
    for (int i = 0; which == QN_LORA_B && i <= part; i++) {
        int64_t dim[2];
        qn_param_shape(e->part[i], r->c, dim);
        st.first += i < part ? dim[0] : 0;
        st.dim[0] = dim[0];
    }
    if (which == QN_LORA_B && r->said->is_gguf && (e->part[part]->flags & QN_ROPE_PERMUTED))
        st.rot = r->c->rope.rot;
    return st;
}

/* Its numbers, row by row; to be freed. QN_EFORMAT for one that is none. */
static int decode(const reading *r, const qn_stored *st, float **out) {
    const int64_t K = st->dim[1];
    const size_t bytes = qn_stored_row_bytes(st);
    float *x = qn_alloc(QN_MEM_SCRATCH, (size_t)(st->dim[0] * K) * sizeof *x);
    void *room = qn_alloc(QN_MEM_SCRATCH, bytes);
    int rc = x && room ? 0 : QN_ENOMEM;
    for (int64_t row = 0; rc >= 0 && row < st->dim[0]; row++) {
        float *to = x + row * K;
        qn_dtype_get((qn_dtype)st->info->dtype)->decode_row(to, qn_stored_rows(st, row, 1, room), K);
        for (int64_t k = 0; k < K && rc >= 0; k++)
            if (!isfinite(to[k]))
                rc = qn_fail(QN_EFORMAT, "%s: tensor %.*s, row %lld, column %lld is %s; expected a number",
                             r->said->path, QN_STR_ARG(st->info->name), (long long)(st->first + row), (long long)k,
                             isnan(to[k]) ? "NaN" : "infinite");
    }
    qn_free(room);
    if (rc < 0) {
        qn_free(x);
        x = NULL;
    }
    *out = x;
    return rc;
}

/* Which columns of B a part needs: those with a number in its rows. One pair for several weights leaves others out. */
static int64_t needed_columns(const float *b, int64_t rows, int64_t rank, int32_t *column) {
    int64_t n = 0;
    for (int64_t k = 0; k < rank; k++) {
        bool any = false;
        for (int64_t row = 0; row < rows && !any; row++)
            any = b[row * rank + k] != 0;
        if (any)
            column[n++] = (int32_t)k;
    }
    return n;
}

static int64_t all_columns(int64_t rank, int32_t *column) {
    for (int64_t k = 0; k < rank; k++)
        column[k] = (int32_t)k;
    return rank;
}

/* The columns of B for one part of an entry, into r->column; 0: no pair is needed. *b stays the caller's. */
static int columns_of(const reading *r, const entry *e, int part, float **b, int64_t *n) {
    const qn_stored st = stored_of(r, e, QN_LORA_B, part);
    QN_TRY(decode(r, &st, b));
    *n = e->parts > 1 ? needed_columns(*b, st.dim[0], e->rank, r->column) : all_columns(e->rank, r->column);
    return 0;
}

static int push(reading *r, const entry *e, int part, int64_t rank) {
    int64_t dim[2];
    qn_param_shape(e->part[part], r->c, dim);
    QN_TRY(QN_GROW(QN_MEM_MODEL, r->lora, r->lora_cap, r->n_lora + 1));
    r->lora[r->n_lora++] = (qn_lora){
        .p = e->part[part], .layer = e->layer, .rank = rank, .rows = dim[0], .cols = dim[1], .scale = e->scale,
        .alpha = e->scale * (r->said->rslora ? sqrt((double)rank) : (double)rank)};
    return 0;
}

/* How many parts of an entry need a pair, and the ranks. B without any number (a fresh adapter) needs all, and so does
 * a part without any where there are magnitudes. */
static int list_parts(reading *r, const entry *e) {
    int64_t rank[4], most = 0;
    for (int i = 0; i < e->parts; i++) {
        float *b = NULL;
        QN_TRY(columns_of(r, e, i, &b, &rank[i]));
        qn_free(b);
        most = QN_MAX(most, rank[i]);
    }
    for (int i = 0; i < e->parts; i++)
        if (rank[i] > 0 || most == 0 || r->said->dora)
            QN_TRY(push(r, e, i, most == 0 ? e->rank : QN_MAX(rank[i], 1)));
    return 0;
}

static int list_all(reading *r) {
    int64_t most = 0;
    for (size_t i = 0; i < r->n; i++)
        most = QN_MAX(most, r->e[i].rank);
    r->column = qn_alloc(QN_MEM_SCRATCH, (size_t)most * sizeof *r->column);
    if (!r->column)
        return QN_ENOMEM;
    for (size_t i = 0; i < r->n; i++)
        QN_TRY(list_parts(r, &r->e[i]));
    return qn_adapter_new(&r->a, r->arch, r->c->layers, r->lora, r->n_lora, r->said->dora);
}

/* ---- packed ---- */

static int fill_magnitude(const reading *r, const entry *e, int part, const qn_lora *l) {
    qn_stored st = stored_of(r, e, QN_LORA_B, part);    /* the same rows, one number each */
    float *m;
    if (!l->magnitude)
        return 0;
    st.info = e->t[QN_LORA_MAGNITUDE];
    st.dim[1] = 1;
    QN_TRY(decode(r, &st, &m));
    memcpy(l->magnitude, m, (size_t)l->rows * sizeof *m);
    qn_free(m);
    return 0;
}

/* A's rows and B's columns that the pair has; both are gathered in place. */
static void pack(const reading *r, const entry *e, const qn_lora *l, float *a, float *b) {
    for (int64_t k = 0; k < l->rank; k++)
        memmove(a + k * e->cols, a + r->column[k] * e->cols, (size_t)e->cols * sizeof *a);
    for (int64_t row = 0; row < l->rows; row++)
        for (int64_t k = 0; k < l->rank; k++)
            b[row * l->rank + k] = b[row * e->rank + r->column[k]];
    qn_lora_pack(&l->a, a);
    qn_lora_pack(&l->b, b);
}

static int fill_part(const reading *r, const entry *e, int part) {
    const qn_lora *l = qn_adapter_find(r->a, e->part[part]->id, e->layer);
    const qn_stored st = stored_of(r, e, QN_LORA_A, part);
    float *a = NULL, *b = NULL;
    int64_t n = 0;
    int rc;
    if (!l)
        return 0;
    QN_TRY_OUT(decode(r, &st, &a));
    QN_TRY_OUT(columns_of(r, e, part, &b, &n));
    if (n != l->rank)
        all_columns(l->rank, r->column);                /* no number in its B at all */
    pack(r, e, l, a, b);
    rc = fill_magnitude(r, e, part, l);
out:
    qn_free(a);
    qn_free(b);
    return rc;
}

static int read_pairs(reading *r) {
    QN_TRY(find_all(r));
    QN_TRY(qn_adapter_tokens_read(r->said, NULL, r->arch, r->c, r->used));
    QN_TRY(check_leftovers(r));
    QN_TRY(check_targets(r));
    QN_TRY(check_all(r));
    QN_TRY(list_all(r));
    for (size_t i = 0; i < r->n; i++)
        for (int part = 0; part < r->e[i].parts; part++)
            QN_TRY(fill_part(r, &r->e[i], part));
    qn_free(r->a->name);
    r->a->name = qn_str_dup(QN_MEM_MODEL, qn_str_of(r->name));
    r->a->rslora = r->said->rslora;
    if (!r->a->name)
        return QN_ENOMEM;
    return qn_adapter_tokens_read(r->said, r->a, r->arch, r->c, r->used);
}

int qn_adapter_pairs(qn_adapter **out, const qn_adapter_said *said, const char *name, const qn_arch *arch,
                     const qn_config *c) {
    reading r = {.said = said, .arch = arch, .c = c, .name = name};
    const int rc = read_pairs(&r);
    qn_adapter_targets_drop(&r.targets);
    qn_free(r.used);
    qn_free(r.e);
    qn_free(r.lora);
    qn_free(r.column);
    if (rc < 0) {
        qn_adapter_free(r.a);
        r.a = NULL;
    }
    *out = r.a;
    return rc;
}
