/* model/merge_models.c — whole models into one: what must be alike is looked at first, then each weight is read out of
 * all files, some rows at a time, beside what is written of the first.
 *
 *     first ── as quern convert reads it ──► W ──┐                  with a base, W is the base's, and the first is one
 *     others ── rows, decoded ──► X − W = Δ ─────┴──► W'            of those that differ from it */
#include <math.h>
#include <string.h>

#include "model/merge_impl.h"
#include "model/stored.h"

enum { SIDES = QN_ADAPTERS + 1 };

typedef struct {
    const char *path;
    qn_source *s;
    const qn_arch *arch;
    qn_config c;
    qn_tok *tok;                        /* NULL: it has none */
} side;

typedef struct {
    const qn_merge_options *o;
    qn_pool *pool;
    side side[SIDES];                   /* the models, then the base */
    size_t n, sides;
    double share[QN_ADAPTERS];
    /* the weight at hand */
    qn_stored st[SIDES];
    float *w;
    int64_t rows, cols;
    char *stored;                       /* [workers][stored_bytes] rows that lie scattered in a file */
    size_t stored_bytes;
    float *plain;                       /* [workers][TILE·cols] */
} joining;

static bool has_base(const joining *j) { return j->sides > j->n; }

/* ---- opening, and what must be alike ----------------------------------------------------------------------------- */

static int open_side(side *s, const char *path) {
    s->path = path;
    QN_TRY(qn_source_open(&s->s, path));
    QN_TRY(qn_source_config(s->s, &s->arch, &s->c));
    if (!qn_source_tensors(s->s))
        return qn_fail(QN_ENOTFOUND, "%s: has no weights", path);
    const int rc = qn_source_tokenizer(s->s, &s->tok);
    return rc == QN_ENOTFOUND ? 0 : rc;
}

typedef struct { const char *name; double a, b; } number;

/* What no tensor's shape tells: the same numbers would mean something else. What one of the forms spells in another way
 * (RoPE's scaling) is compared within a form only. */
static int check_numbers(const side *a, const side *b) {
    const qn_rope_config *x = &a->c.rope, *y = &b->c.rope;
    const bool one_form = qn_source_is_gguf(a->s) == qn_source_is_gguf(b->s);
    const number all[] = {
        {"layers", (double)a->c.layers, (double)b->c.layers}, {"heads", (double)a->c.heads, (double)b->c.heads},
        {"heads of keys", (double)a->c.kv_heads, (double)b->c.kv_heads},
        {"elements of a head", (double)a->c.Dh, (double)b->c.Dh},
        {"tokens in its window", (double)a->c.window, (double)b->c.window}, {"as activation", a->c.act, b->c.act},
        {"as epsilon of norms", a->c.norm_eps, b->c.norm_eps}, {"as base of RoPE", x->base, y->base},
        {"rotated elements", (double)x->rot, (double)y->rot},
        {"as scaling of RoPE", x->scaling, one_form ? y->scaling : x->scaling},
        {"as factor of RoPE", x->factor, one_form ? y->factor : x->factor},
    };
    for (size_t i = 0; i < QN_LEN(all); i++)
        if (fabs(all[i].a - all[i].b) > 1e-6 * fabs(all[i].a))
            return qn_fail(QN_ESHAPE, "%s: has %g %s, %s has %g; only models of one make can become one", b->path,
                           all[i].b, all[i].name, a->path, all[i].a);
    return 0;
}

static int check_words(const side *a, const side *b) {
    if (!a->tok || !b->tok) {
        if (a->tok || b->tok)
            qn_log(QN_LOG_INFO, "%s: has no tokenizer; that of %s is taken for its own", a->tok ? b->path : a->path,
                   a->tok ? a->path : b->path);
        return 0;
    }
    const int32_t id = qn_tok_first_other(a->tok, b->tok, QN_MAX(qn_tok_size(a->tok), qn_tok_size(b->tok)), false);
    if (id < 0)
        return 0;
    const qn_str x = qn_tok_text(a->tok, id), y = qn_tok_text(b->tok, id);
    return qn_fail(QN_EINVAL, "%s: has another tokenizer than %s: id %d is %s%.*s%s there and %s%.*s%s here; rows of "
                   "the embedding would be mixed that mean different tokens", b->path, a->path, (int)id,
                   x.n ? "\"" : "no token", QN_STR_ARG(x), x.n ? "\"" : "", y.n ? "\"" : "no token", QN_STR_ARG(y),
                   y.n ? "\"" : "");
}

/* A head that stands in the file beside a tied embedding counts for nothing. */
static bool is_there(const side *s, const qn_stored *st) {
    return st->info && !((st->p->flags & QN_TIED) && s->c.tied);
}

static int lacks(const side *has, const side *not, const qn_stored *st) {
    return qn_fail(QN_ESHAPE, "%s: has no tensor %.*s of its own, %s has", not->path, QN_STR_ARG(st->info->name),
                   has->path);
}

static int check_param(const side *a, const side *b, const qn_param *p, int64_t layer) {
    qn_stored x, y;
    QN_TRY(qn_stored_find(&x, a->s, a->arch, &a->c, p, layer));
    QN_TRY(qn_stored_find(&y, b->s, b->arch, &b->c, p, layer));
    const bool may_lack = p->flags & (QN_OPTIONAL | QN_TIED);
    if (!may_lack) {
        QN_TRY(qn_stored_check(&x, a->s));
        QN_TRY(qn_stored_check(&y, b->s));
    }
    if (is_there(a, &x) != is_there(b, &y))
        return is_there(a, &x) ? lacks(a, b, &x) : lacks(b, a, &y);
    if (!is_there(a, &x))
        return 0;
    QN_TRY(qn_stored_check(&x, a->s));
    QN_TRY(qn_stored_check(&y, b->s));
    if (x.dim[0] == y.dim[0] && x.dim[1] == y.dim[1])
        return 0;
    return qn_fail(QN_ESHAPE, "%s: tensor %.*s is for a weight of [%lld,%lld], that of %s is [%lld,%lld]", b->path,
                   QN_STR_ARG(y.info->name), (long long)y.dim[0], (long long)y.dim[1], a->path, (long long)x.dim[0],
                   (long long)x.dim[1]);
}

static int check_side(const side *a, const side *b) {
    if (a->arch != b->arch)
        return qn_fail(QN_ESHAPE, "%s: is a %s, %s a %s; only models of one family can become one", b->path,
                       b->arch->name, a->path, a->arch->name);
    QN_TRY(check_numbers(a, b));
    for (size_t i = 0; i < a->arch->n_params; i++) {
        const qn_param *p = &a->arch->params[i];
        const bool per_layer = qn_param_per_layer(p);
        for (int64_t layer = per_layer ? 0 : -1; layer < (per_layer ? a->c.layers : 0); layer++)
            QN_TRY(check_param(a, b, p, layer));
    }
    return check_words(a, b);
}

static int open_all(joining *j, const qn_merge_model *model, const char *base, const char *out) {
    bool to_gguf;
    for (size_t i = 0; i < j->sides; i++) {
        const char *path = i < j->n ? model[i].path : base;
        QN_TRY(open_side(&j->side[i], path));
        if (i > 0) {
            QN_TRY(qn_convert_check_out(path, out, true, &to_gguf));
            QN_TRY(check_side(&j->side[0], &j->side[i]));
        }
    }
    return 0;
}

static void close_all(joining *j) {
    for (size_t i = 0; i < j->sides; i++) {
        qn_tok_free(j->side[i].tok);
        qn_source_close(j->side[i].s);
    }
}

/* ---- one weight -------------------------------------------------------------------------------------------------- */

static void read_rows(const joining *j, size_t k, qn_span rows, int worker, float *out) {
    const qn_stored *st = &j->st[k];
    const int64_t n = rows.end - rows.begin;
    const char *src = qn_stored_rows(st, rows.begin, n, j->stored + (size_t)worker * j->stored_bytes);
    qn_dtype_get((qn_dtype)st->info->dtype)->decode_row(out, src, n * j->cols);
}

static void base_tile(void *arg, int64_t tile, int worker) {
    const joining *j = arg;
    const qn_span rows = qn_tile_span(j->rows, QN_MERGE_TILE, tile);
    read_rows(j, j->n, rows, worker, j->w + rows.begin * j->cols);
}

/* Part i is model i beside a base, else the model behind it. */
static void delta_rows(void *arg, size_t i, qn_span rows, int worker, double *d) {
    const joining *j = arg;
    const int64_t n = (rows.end - rows.begin) * j->cols;
    const float *w = j->w + rows.begin * j->cols;
    float *x = j->plain + (size_t)worker * QN_MERGE_TILE * (size_t)j->cols;
    read_rows(j, has_base(j) ? i : i + 1, rows, worker, x);
    for (int64_t k = 0; k < n; k++)
        d[k] = (double)x[k] - (double)w[k];
}

static int make_room(joining *j, const qn_param *p, int64_t layer) {
    const size_t workers = (size_t)qn_pool_threads(j->pool);
    j->stored_bytes = 0;
    for (size_t k = 0; k < j->sides; k++) {
        QN_TRY(qn_stored_find(&j->st[k], j->side[k].s, j->side[k].arch, &j->side[k].c, p, layer));
        j->stored_bytes = QN_MAX(j->stored_bytes, QN_MERGE_TILE * qn_stored_row_bytes(&j->st[k]));
    }
    j->stored = qn_alloc(QN_MEM_SCRATCH, workers * j->stored_bytes);
    j->plain = qn_alloc(QN_MEM_SCRATCH, workers * QN_MERGE_TILE * (size_t)j->cols * sizeof *j->plain);
    return j->stored && j->plain ? 0 : QN_ENOMEM;
}

static int merge_weight(joining *j, const qn_param *p, int64_t layer) {
    const size_t skip = !has_base(j);
    qn_merging m = {.o = j->o, .n = j->n - skip, .weighed = true, .w = j->w, .rows = j->rows, .cols = j->cols,
                    .number = (uint64_t)(layer + 1) * QN_PARAMS + (uint64_t)p->id, .delta = delta_rows, .arg = j};
    for (size_t i = 0; i < m.n; i++) {
        m.weight[i] = j->share[i + skip];
        m.has[i] = m.weight[i] != 0;
    }
    if (has_base(j))
        qn_parallel(j->pool, qn_tiles(j->rows, QN_MERGE_TILE), base_tile, j);
    return j->o->method == QN_MERGE_SLERP ? qn_merge_slerp(&m, j->pool) : qn_merge_deltas(&m, j->pool);
}

static int change(void *arg, const qn_param *p, int64_t layer, float *w, int64_t rows, int64_t cols) {
    joining *j = arg;
    j->w = w;
    j->rows = rows;
    j->cols = cols;
    int rc = make_room(j, p, layer);
    if (rc >= 0)
        rc = merge_weight(j, p, layer);
    for (size_t k = 1; rc >= 0 && k < j->sides; k++)
        qn_tensor_drop_pages(qn_source_tensors(j->side[k].s), j->st[k].info);
    qn_free(j->stored);
    qn_free(j->plain);
    j->stored = NULL;
    j->plain = NULL;
    return rc;
}

/* All of the first and nothing of the others: what is stored goes along as it is. */
static bool wants(void *arg, const qn_param *p, int64_t layer) {
    const joining *j = arg;
    bool others = j->share[0] != 1 || j->o->method == QN_MERGE_TIES || j->o->method == QN_MERGE_DARE;
    (void)p;
    (void)layer;
    for (size_t i = 1; i < j->n; i++)
        others = others || j->share[i] != 0;
    return others;
}

/* ---- the whole --------------------------------------------------------------------------------------------------- */

static int check(size_t n, const char *base, const qn_merge_options *o) {
    const bool differences = o->method == QN_MERGE_TIES || o->method == QN_MERGE_DARE;
    if (n < 2 || n > QN_ADAPTERS)
        return qn_fail(QN_EINVAL, "%zu models; expected 2 to %d", n, QN_ADAPTERS);
    if (differences && !base)
        return qn_fail(QN_EINVAL, "ties and dare look at what training changed: name the model that all come "
                       "from as the base");
    if (o->method == QN_MERGE_SLERP && (n != 2 || base))
        return qn_fail(QN_EINVAL, "slerp goes between two models, without a base");
    return qn_merge_check(o);
}

int qn_merge_shares(const qn_merge_model *model, size_t n, const char *base, const qn_merge_options *o,
                    double share[QN_ADAPTERS]) {
    double sum = 0, size = 0;
    QN_TRY(check(n, base, o));
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(model[i].weight))
            return qn_fail(QN_EINVAL, "the weight of %s is no number", model[i].path);
        if (o->method == QN_MERGE_SLERP && model[i].weight < 0)
            return qn_fail(QN_EINVAL, "the weight of %s is %g; slerp goes between models, not beyond them",
                           model[i].path, model[i].weight);
        sum += model[i].weight;
        size += fabs(model[i].weight);
    }
    if (!base && !(fabs(sum) > 1e-8 * size))
        return qn_fail(QN_EINVAL, "the weights sum to %g: there is no mean of that; beside a base (--base) they "
                       "need not sum to anything", sum);
    for (size_t i = 0; i < n; i++)
        share[i] = base ? model[i].weight : model[i].weight / sum;
    return 0;
}

int qn_merge_models(const qn_merge_model *model, size_t n, const char *base, const char *out, const qn_merge_options *o,
                    qn_pool *pool, qn_convert_result *result) {
    joining j = {.o = o, .pool = pool, .n = n, .sides = n + (base != NULL)};
    const qn_convert_change ours = {.wants = wants, .change = change, .arg = &j};
    qn_convert_options options = o->out;
    options.change = &ours;
    QN_TRY(qn_merge_shares(model, n, base, o, j.share));
    int rc = open_all(&j, model, base, out);
    if (rc >= 0)
        rc = qn_convert(model[0].path, out, &options, result);
    close_all(&j);
    return rc;
}
