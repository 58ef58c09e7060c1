/* model/convert_tensors.c — the weights of a conversion: planned in one pass over the family's parameter table, then
 * streamed row by row.
 *
 * Rows of Q and K lie in another order in GGUF, as llama.cpp turns neighbouring elements: of a head with 2m rows,
 *
 *     directory   a0 a1 … am−1 b0 b1 … bm−1          GGUF   a0 b0 a1 b1 … am−1 bm−1
 *
 * Matrices that lie on their side in directories (stored.h) are turned over, 32 rows at a time. */
#include <stdlib.h>
#include <string.h>

#include "model/convert_impl.h"

enum {
    STEP = 4 << 20,                     /* bytes between two reports of progress */
    TURNED = 32                         /* rows that are turned at once: a whole block of columns */
};

/* ---- what is changed on the way ---------------------------------------------------------------------------------- */

/* The parameters of an item: one, or those of a joint tensor in the order of their rows. */
static int parts_of(const qn_conversion *c, const qn_convert_item *it, const qn_param *part[4]) {
    const qn_joint *j = qn_arch_joint(c->model.arch, it->st.p->id);
    part[0] = it->st.p;
    for (int i = 0; j && i < j->parts; i++)
        part[i] = qn_arch_param(c->model.arch, j->part[i]);
    return j ? j->parts : 1;
}

/* How many of them are changed. */
static int64_t changes(const qn_conversion *c, const qn_convert_item *it) {
    const qn_convert_change *ch = c->o->change;
    const qn_param *part[4];
    int64_t changed = 0;
    for (int i = 0, n = ch ? parts_of(c, it, part) : 0; i < n; i++)
        changed += ch->wants(ch->arg, part[i], it->st.layer);
    return changed;
}

/* The rows of one parameter as floats, in the order of memory. */
static int decode_part(const qn_conversion *c, const qn_param *p, int64_t layer, float *w, int64_t *rows) {
    qn_stored st;
    QN_TRY(qn_stored_find(&st, c->s, c->model.arch, &c->cfg, p, layer));
    QN_TRY(qn_stored_check(&st, c->s));
    const qn_dtype dtype = (qn_dtype)st.info->dtype;
    void *room = qn_alloc(QN_MEM_SCRATCH, TURNED * qn_stored_row_bytes(&st));
    if (!room)
        return QN_ENOMEM;
    for (int64_t row = 0; row < st.dim[0]; row += TURNED) {
        const int64_t n = QN_MIN(TURNED, st.dim[0] - row);
        qn_dtype_get(dtype)->decode_row(w + row * st.dim[1], qn_stored_rows(&st, row, n, room), n * st.dim[1]);
    }
    qn_free(room);
    *rows = st.dim[0];
    return 0;
}

/* Rows of the tensor that is written: more, where tokens come along that the model did not know. */
static int64_t whole_rows(const qn_conversion *c, const qn_stored *st) {
    const bool table = st->p->id == QN_P_EMBED || st->p->id == QN_P_HEAD;
    return table ? QN_MAX(st->total, c->o->rows) : st->total;
}

/* All rows of an item as floats, changed; w is zero where rows are new. */
static int change_parts(const qn_conversion *c, const qn_convert_item *it, float *w) {
    const qn_convert_change *ch = c->o->change;
    const qn_param *part[4];
    const int n = parts_of(c, it, part);
    for (int i = 0; i < n; i++) {
        int64_t rows;
        QN_TRY(decode_part(c, part[i], it->st.layer, w, &rows));
        if (n == 1)
            rows = whole_rows(c, &it->st);
        if (ch->wants(ch->arg, part[i], it->st.layer))
            QN_TRY(ch->change(ch->arg, part[i], it->st.layer, w, rows, it->st.dim[1]));
        w += rows * it->st.dim[1];
    }
    return 0;
}

/* ---- plan -------------------------------------------------------------------------------------------------------- */

static bool is_plain(int dtype) { return qn_dtype_get((qn_dtype)dtype)->block == 1; }

static qn_dtype matrix_dtype(qn_conversion *c, const qn_convert_item *it) {
    int stored = it->st.info->dtype == QN_F64 ? QN_F32 : it->st.info->dtype;
    const bool no_blocks = !c->to_gguf || (it->st.p->flags & QN_NO_BLOCKS);
    if (c->to_gguf && (it->st.p->flags & QN_F32_IN_GGUF))
        return QN_F32;
    if (no_blocks && !is_plain(stored))
        stored = QN_F32;
    int want = c->o->dtype == QN_DTYPE_KEEP ? stored : c->o->dtype;
    if (no_blocks && !is_plain(want))
        want = stored;
    if (want == stored && it->st.rank == 2 && changes(c, it) > 0 && !qn_dtype_get((qn_dtype)want)->encode_row)
        want = QN_Q8_0;                                 /* nothing here writes the blocks that it had */
    if (it->dim[1] % qn_dtype_get((qn_dtype)want)->block == 0)
        return (qn_dtype)want;
    c->r->kept++;
    return (qn_dtype)stored;
}

static int push(qn_conversion *c, qn_convert_item it) {
    const qn_stored *st = &it.st;
    const bool matrix = st->rank == 2;
    QN_TRY(qn_stored_check(st, c->s));
    if (!matrix && !is_plain(st->info->dtype))
        return qn_fail(QN_EUNSUPPORTED, "%s: tensor %.*s, a vector, is stored as %s", qn_source_path(c->s),
                       QN_STR_ARG(st->info->name), st->info->type);
    const bool on_its_side = matrix && !c->to_gguf && (st->p->flags & QN_HF_TRANSPOSED);
    it.turned = matrix && st->transposed != on_its_side;
    it.dim[0] = on_its_side ? st->dim[1] : whole_rows(c, st);
    it.dim[1] = on_its_side ? st->total : st->dim[1];
    it.to = matrix ? matrix_dtype(c, &it) : QN_F32;
    c->r->matrices += matrix;
    c->r->numbers += it.dim[0] * it.dim[1];
    QN_TRY(QN_GROW(QN_MEM_MODEL, c->item, c->cap, c->n + 1));
    it.order = c->n;
    c->item[c->n++] = it;
    return 0;
}

static int plan_param(qn_conversion *c, const qn_param *p, int64_t layer) {
    qn_convert_item it = {0};
    QN_TRY(qn_stored_find(&it.st, c->s, c->model.arch, &c->cfg, p, layer));
    if (p->flags & QN_TIED) {
        c->cfg.tied = c->cfg.tied || (!it.st.info && qn_source_is_gguf(c->s));
        if (c->cfg.tied)
            return 0;
    }
    if (!it.st.info && (p->flags & QN_OPTIONAL))
        return 0;
    c->model.has[p->id] = true;
    return it.st.first == 0 ? push(c, it) : 0;          /* the others of a joint tensor go along with the first */
}

/* GGUF holds llama3's scaling as divisors, config.json as a rule. */
static int plan_divisors(qn_conversion *c) {
    const qn_tensor_info *t = qn_tensor_find(qn_source_tensors(c->s), "rope_freqs.weight");
    qn_rope_config *r = &c->cfg.rope;
    if (!qn_source_is_gguf(c->s) || !t) {
        c->has_divisors = c->to_gguf && r->scaling == QN_ROPE_LLAMA3;
        if (c->has_divisors)
            qn_rope_divisors(r, c->divisor);
        return 0;
    }
    if (t->dtype != QN_F32 || t->rank != 1 || t->dims[0] != r->rot / 2)
        return qn_fail(QN_ESHAPE, "%s: tensor rope_freqs.weight must hold %lld F32 numbers", qn_source_path(c->s),
                       (long long)(r->rot / 2));
    memcpy(c->divisor, t->data, t->bytes);
    memcpy(r->divisor, t->data, t->bytes);
    c->has_divisors = c->to_gguf;
    return c->to_gguf ? 0 : qn_rope_from_divisors(r);
}

/* ---- the main dtype, and the vectors in it ---- */

static qn_dtype main_dtype(const qn_conversion *c) {
    int64_t numbers[QN_DTYPES] = {0};
    int best = QN_F32;
    for (size_t i = 0; i < c->n; i++)
        if (c->item[i].st.rank == 2)
            numbers[c->item[i].to] += c->item[i].dim[0] * c->item[i].dim[1];
    for (int t = 0; t < QN_DTYPES; t++)
        best = numbers[t] > numbers[best] ? t : best;
    return (qn_dtype)best;
}

/* Whether n values survive the way into `to` and back. `packed` and `again` have room for them. */
static bool survives(qn_dtype to, const float *x, int64_t n, void *packed, float *again) {
    const qn_dtype_info *t = qn_dtype_get(to);
    t->encode_row(packed, x, n);
    t->decode_row(again, packed, n);
    return memcmp(x, again, (size_t)n * sizeof *x) == 0;
}

static int vector_values(const qn_conversion *c, const qn_convert_item *it, float *x) {
    if (changes(c, it))
        return change_parts(c, it, x);
    qn_dtype_get((qn_dtype)it->st.info->dtype)->decode_row(x, it->st.info->data, it->dim[0]);
    return 0;
}

/* A half-precision directory holds its vectors in half precision too, where that changes nothing. */
static int choose_vectors(qn_conversion *c) {
    const qn_dtype to = c->r->dtype;
    int64_t longest = 0, stay = 0;
    int rc = 0;
    if (c->to_gguf || to == QN_F32)
        return 0;
    for (size_t i = 0; i < c->n; i++)
        longest = c->item[i].st.rank == 1 ? QN_MAX(longest, c->item[i].dim[0]) : longest;
    float *x = qn_alloc(QN_MEM_SCRATCH, 3 * (size_t)longest * sizeof *x);
    if (!x)
        return QN_ENOMEM;
    for (size_t i = 0; i < c->n; i++) {
        qn_convert_item *it = &c->item[i];
        if (it->st.rank == 2)
            continue;
        QN_TRY_OUT(vector_values(c, it, x));
        if (survives(to, x, it->dim[0], x + longest, x + 2 * longest))
            it->to = to;
        else
            stay++;
    }
    if (stay)
        qn_log(QN_LOG_INFO, "%lld vectors (norms, biases) stay F32: %s would round them", (long long)stay,
               qn_dtype_get(to)->name);
out:
    qn_free(x);
    return rc;
}

/* ---- what is left out ---- */

static bool is_known_leftover(const qn_conversion *c, const qn_tensor_info *t) {
    return qn_str_is(t->name, "rope_freqs.weight") || qn_arch_leaves_out(c->model.arch, t->name) ||
           (c->cfg.tied && qn_str_is(t->name, "lm_head.weight"));
}

static int say_left_out(const qn_conversion *c) {
    const qn_tensor_file *f = qn_source_tensors(c->s);
    const size_t count = qn_tensor_count(f);
    size_t left = 0, first = 0;
    bool *used = qn_zalloc(QN_MEM_SCRATCH, count, sizeof *used);
    if (!used)
        return QN_ENOMEM;
    for (size_t i = 0; i < c->n; i++)
        used[c->item[i].st.info - qn_tensor_at(f, 0)] = true;
    for (size_t i = 0; i < count; i++) {
        if (used[i] || is_known_leftover(c, qn_tensor_at(f, i)))
            continue;
        first = left++ ? first : i;
    }
    if (left)
        qn_log(QN_LOG_WARN, "%zu tensors have no place in the family %s and are left out, the first is %.*s", left,
               c->model.arch->name, QN_STR_ARG(qn_tensor_at(f, first)->name));
    qn_free(used);
    return 0;
}

/* Wider elements first, as safetensors wants them; otherwise the order of the table. */
static int by_width(const void *a, const void *b) {
    const qn_convert_item *x = a, *y = b;
    const int wide = qn_dtype_get(y->to)->bytes - qn_dtype_get(x->to)->bytes;
    return wide ? wide : (x->order > y->order) - (x->order < y->order);
}

/* The table's order, but layer by layer, as a model is run. */
static int plan_all(qn_conversion *c) {
    const qn_arch *a = c->model.arch;
    for (size_t i = 0, end; i < a->n_params; i = end) {
        const bool per_layer = qn_param_per_layer(&a->params[i]);
        for (end = i + 1; per_layer && end < a->n_params && qn_param_per_layer(&a->params[end]);)
            end++;
        for (int64_t layer = 0; layer < (per_layer ? c->cfg.layers : 1); layer++)
            for (size_t k = i; k < end; k++)
                QN_TRY(plan_param(c, &a->params[k], per_layer ? layer : -1));
    }
    return 0;
}

int qn_convert_plan(qn_conversion *c) {
    if (!qn_source_tensors(c->s))
        return qn_fail(QN_ENOTFOUND, "%s: neither model.safetensors nor model.safetensors.index.json is there",
                       qn_source_path(c->s));
    QN_TRY(qn_tensor_check_size(qn_source_tensors(c->s)));
    QN_TRY(plan_all(c));
    QN_TRY(plan_divisors(c));
    c->r->dtype = c->model.dtype = main_dtype(c);
    QN_TRY(choose_vectors(c));
    QN_TRY(say_left_out(c));
    if (!c->to_gguf)
        qsort(c->item, c->n, sizeof *c->item, by_width);
    return 0;
}

void qn_convert_plan_drop(qn_conversion *c) {
    qn_free(c->item);
    c->item = NULL;
}

int qn_convert_declare(const qn_conversion *c, qn_tensor_writer *t) {
    qn_buf name = {0};
    int rc = 0;
    for (size_t i = 0; i < c->n; i++) {
        const qn_convert_item *it = &c->item[i];
        QN_TRY_OUT(qn_param_stored_name(c->model.arch, it->st.p, c->to_gguf, it->st.layer, &name));
        QN_TRY_OUT(qn_tensor_writer_add(t, name.s, it->to, it->st.rank, it->dim));
    }
    if (c->has_divisors)
        QN_TRY_OUT(qn_tensor_writer_add(t, "rope_freqs.weight", QN_F32, 1, (int64_t[]){c->cfg.rope.rot / 2}));
out:
    qn_buf_drop(&name);
    return rc;
}

/* ---- stream ------------------------------------------------------------------------------------------------------ */

/* One tensor's rows under way. A vector whose elements change places has rows of one element. */
typedef struct {
    qn_conversion *c;
    qn_tensor_writer *t;
    const qn_convert_item *it;
    qn_dtype from;                      /* of the rows at hand: as stored, or floats where blocks were turned */
    int64_t rows, K;
    size_t from_bytes, to_bytes;        /* of a row */
    bool permuted, rounded;
    float *x, *again;                   /* [K] */
    const float *whole;                 /* changed: the tensor as its parameters' rows, one below the other; or NULL */
    char *packed;                       /* [to_bytes] */
    char *strip;                        /* [TURNED][from_bytes], where the tensor is turned */
} streaming;

/* The stored row that becomes row r of the output. */
static int64_t source_row(const streaming *s, int64_t r) {
    const int64_t rot = s->c->cfg.rope.rot, half = rot / 2, in_head = r % s->c->cfg.Dh;
    if (!s->permuted || in_head >= rot)
        return r;
    return r - in_head + (s->c->to_gguf ? in_head % 2 * half + in_head / 2 : 2 * (in_head % half) + in_head / half);
}

/* Row r of the output out of a changed tensor. */
static const char *changed_row(const streaming *s, int64_t r) {
    const int64_t columns = s->it->st.dim[1];
    if (s->c->to_gguf || s->it->st.rank == 1 || !(s->it->st.p->flags & QN_HF_TRANSPOSED))
        return (const char *)(s->whole + source_row(s, r) * columns);
    for (int64_t k = 0; k < s->K; k++)                  /* on its side: the column r */
        ((float *)(void *)s->strip)[k] = s->whole[k * columns + r];
    return s->strip;
}

/* Row r of the output in dtype `from`. What is turned comes a strip at a time. */
static const char *row_at(streaming *s, int64_t r) {
    if (s->whole)
        return changed_row(s, r);
    if (!s->it->turned)
        return s->it->st.info->data + (size_t)source_row(s, r) * s->from_bytes;
    if (r % TURNED == 0)
        qn_stored_turn(s->it->st.info, r, QN_MIN(TURNED, s->rows - r), s->strip);
    return s->strip + (size_t)(r % TURNED) * s->from_bytes;
}

static int report(qn_conversion *c, size_t bytes) {
    const int64_t before = c->done / STEP;
    c->done += (int64_t)bytes;
    return c->o->progress && c->done / STEP != before ? c->o->progress(c->o->arg, c->done, c->total) : 0;
}

/* A finite number that F16 would make infinite is not rounding any more. */
static int check_f16(const streaming *s) {
    for (int64_t i = 0; i < s->K; i++)
        if ((s->x[i] >= 65520 && s->x[i] <= 3.4028235e38f) || (s->x[i] <= -65520 && s->x[i] >= -3.4028235e38f))
            return qn_fail(QN_EUNSUPPORTED, "%s: tensor %.*s holds %g, beyond what F16 can; choose bf16 or f32",
                           qn_source_path(s->c->s), QN_STR_ARG(s->it->st.info->name), (double)s->x[i]);
    return 0;
}

static int put_row(streaming *s, const char *src) {
    const qn_dtype_info *from = qn_dtype_get(s->from), *to = qn_dtype_get(s->it->to);
    if (from == to)
        return qn_tensor_writer_put(s->t, src, s->from_bytes);
    from->decode_row(s->x, src, s->K);
    if (s->it->to == QN_F16)
        QN_TRY(check_f16(s));
    if (s->it->to == QN_F32)
        return qn_tensor_writer_put(s->t, s->x, s->to_bytes);
    to->encode_row(s->packed, s->x, s->K);
    if (!s->rounded) {
        to->decode_row(s->again, s->packed, s->K);
        s->rounded = memcmp(s->x, s->again, (size_t)s->K * sizeof *s->x) != 0;
    }
    return qn_tensor_writer_put(s->t, s->packed, s->to_bytes);
}

/* A row that is changed by nobody is not made of new blocks. */
static bool stays(const streaming *s, int64_t r) {
    const qn_convert_change *ch = s->c->o->change;
    const qn_stored *st = &s->it->st;
    return s->whole && ch->touches && !ch->touches(ch->arg, st->p, r) && r < st->total && !s->permuted &&
           (int)s->it->to == st->info->dtype;
}

static int put_rows(streaming *s) {
    for (int64_t r = 0; r < s->rows; r++) {
        if (stays(s, r))
            QN_TRY(qn_tensor_writer_put(s->t, s->it->st.info->data + (size_t)r * s->to_bytes, s->to_bytes));
        else
            QN_TRY(put_row(s, row_at(s, r)));
        QN_TRY(report(s->c, s->to_bytes));
    }
    return 0;
}

static int stream_rows(qn_conversion *c, qn_tensor_writer *t, const qn_convert_item *it, const float *whole) {
    streaming s = {.c = c, .t = t, .it = it, .from = whole ? QN_F32 : (qn_dtype)it->st.info->dtype, .whole = whole};
    const bool matrix = it->st.rank == 2;
    s.permuted = (it->st.p->flags & QN_ROPE_PERMUTED) && (!whole && qn_source_is_gguf(c->s)) != c->to_gguf;
    s.rows = matrix || s.permuted ? it->dim[0] : 1;
    s.K = matrix ? it->dim[1] : s.permuted ? 1 : it->dim[0];
    s.rounded = s.from == QN_F64;                       /* an f64 may hold more than is looked at here */
    if (it->turned && !is_plain(s.from))
        s.from = QN_F32;
    s.from_bytes = qn_dtype_row_bytes(s.from, s.K);
    s.to_bytes = qn_dtype_row_bytes(it->to, s.K);
    s.x = qn_alloc(QN_MEM_SCRATCH, 2 * (size_t)s.K * sizeof *s.x);
    s.packed = qn_alloc(QN_MEM_SCRATCH, s.to_bytes);
    s.strip = qn_alloc(QN_MEM_SCRATCH, it->turned || whole ? TURNED * s.from_bytes : 1);
    s.again = s.x + s.K;
    const int rc = s.x && s.packed && s.strip ? put_rows(&s) : QN_ENOMEM;
    qn_free(s.x);
    qn_free(s.packed);
    qn_free(s.strip);
    c->r->rounded += matrix && s.rounded;
    c->r->recast += matrix && (qn_dtype)it->st.info->dtype != it->to;
    qn_tensor_drop_pages(qn_source_tensors(c->s), it->st.info);
    return rc;
}

static int stream_changed(qn_conversion *c, qn_tensor_writer *t, const qn_convert_item *it) {
    float *whole = qn_zalloc(QN_MEM_SCRATCH, (size_t)(whole_rows(c, &it->st) * it->st.dim[1]), sizeof *whole);
    int rc = whole ? change_parts(c, it, whole) : QN_ENOMEM;
    c->r->changed += changes(c, it);
    if (rc >= 0)
        rc = stream_rows(c, t, it, whole);
    qn_free(whole);
    return rc;
}

static int stream_item(qn_conversion *c, qn_tensor_writer *t, const qn_convert_item *it) {
    return changes(c, it) ? stream_changed(c, t, it) : stream_rows(c, t, it, NULL);
}

int qn_convert_stream(qn_conversion *c, qn_tensor_writer *t) {
    for (size_t i = 0; i < t->count; i++)
        c->total += (int64_t)t->decl[i].bytes;
    for (size_t i = 0; i < c->n; i++)
        QN_TRY(stream_item(c, t, &c->item[i]));
    if (c->has_divisors)
        QN_TRY(qn_tensor_writer_put(t, c->divisor, (size_t)c->cfg.rope.rot / 2 * sizeof(float)));
    c->r->tensors = (int64_t)t->count;
    c->r->bytes = (uint64_t)c->total;
    return 0;
}
