/* model/adapter_token_file.c — rows of single tokens as PEFT has them, read and written.
 *
 *     adapter_config.json     trainable_token_indices: [300, 301]         of the embedding, and of a head tied to it
 *                             … {"embed_tokens": […], "lm_head": […]}     each by itself
 *     tensors                 base_model.model.<module>.token_adapter.trainable_tokens_delta [n,D]: whole rows, in that
 *                             order, whatever their name says
 *
 * Where PEFT has made the embedding longer it puts the base's own rows beside them; nobody needs these. */
#include <math.h>
#include <string.h>

#include "model/adapter_impl.h"

#define KEY "trainable_token_indices"
#define DELTA ".token_adapter.trainable_tokens_delta"

/* "model.embed_tokens", "lm_head" */
static int module_of(const qn_arch *a, bool head, qn_buf *out) {
    const qn_param *p = qn_arch_param(a, head ? QN_P_HEAD : QN_P_EMBED);
    qn_buf_clear(out);
    return p ? qn_adapter_module(a, p, false, -1, out) : 0;
}

int qn_adapter_tokens_tensor(const qn_arch *a, bool head, qn_buf *out) {
    qn_buf module = {0};
    int rc = module_of(a, head, &module);
    qn_buf_clear(out);
    if (rc >= 0)
        rc = qn_buf_printf(out, QN_PEFT_PREFIX "%s" DELTA, module.s);
    qn_buf_drop(&module);
    return rc;
}

/* Its last part, as target_modules have it. */
static qn_str last_of(const qn_buf *module) {
    const char *dot = module->n ? strrchr(module->s, '.') : NULL;
    return dot ? qn_str_of(dot + 1) : qn_buf_view(module);
}

/* ---- read ---- */

typedef struct {
    const qn_adapter_said *said;
    const qn_arch *arch;
    qn_meta_array ids[2];               /* of the embedding, of the head; count 0: not said */
    const qn_tensor_info *t[2];
    qn_buf module[2];
} reading;

/* "embed_tokens", or more of the module's name. */
static bool is_module(const qn_buf *module, qn_str word) {
    if (module->n == 0 || word.n == 0 || word.n > module->n)
        return false;
    const size_t at = module->n - word.n;
    return memcmp(module->s + at, word.s, word.n) == 0 && (at == 0 || module->s[at - 1] == '.');
}

/* A member of the object, if the i-th entry is one. */
static int take_member(reading *r, size_t i) {
    const qn_meta *m = r->said->config;
    const qn_str key = qn_meta_at(m, i)->key;
    char name[256];
    if (!qn_str_starts(key, KEY ".") || key.n >= sizeof name)
        return 0;
    const qn_str module = {key.s + sizeof KEY, key.n - sizeof KEY};
    const int head = is_module(&r->module[1], module);
    if (!head && !is_module(&r->module[0], module))
        return qn_fail(QN_EUNSUPPORTED, "%s: %.*s: rows of tokens are supported for the embedding and the head, which "
                       "are %s and %s", qn_meta_name(m), QN_STR_ARG(key), r->module[0].s,
                       r->module[1].n ? r->module[1].s : "no module of its own");
    memcpy(name, key.s, key.n);
    name[key.n] = '\0';
    const int rc = qn_meta_get_array(m, name, QN_META_INT, &r->ids[head]);
    return rc < 0 ? rc : 0;
}

static int read_ids(reading *r) {
    const qn_meta *m = r->said->config;
    const qn_meta_value *v = m ? qn_meta_find(m, KEY) : NULL;
    for (int head = 0; head < 2; head++)
        QN_TRY(module_of(r->arch, head, &r->module[head]));
    if (v && v->kind == QN_META_NULL)
        return 0;
    if (v) {
        const int rc = qn_meta_get_array(m, KEY, QN_META_INT, &r->ids[0]);
        return rc < 0 ? rc : 0;
    }
    for (size_t i = 0; m && i < qn_meta_count(m); i++)
        QN_TRY(take_member(r, i));
    return 0;
}

static bool same_ids(const qn_meta_array *a, const qn_meta_array *b) {
    for (size_t i = 0; a->count == b->count && i < a->count; i++)
        if (qn_meta_array_i64(a, i) != qn_meta_array_i64(b, i))
            return false;
    return a->count == b->count;
}

/* The tensors of both, and what belongs to them. */
static int find(reading *r, bool *used) {
    const qn_tensor_file *f = r->said->tensors;
    qn_buf name = {0};
    int rc = 0;
    for (int head = 0; head < 2; head++) {
        if (r->module[head].n == 0)
            continue;
        QN_TRY_OUT(qn_adapter_tokens_tensor(r->arch, head, &name));
        r->t[head] = qn_tensor_find(f, name.s);
        qn_buf_clear(&name);
        QN_TRY_OUT(qn_buf_printf(&name, QN_PEFT_PREFIX "%s.", r->module[head].s));
        for (size_t i = 0; i < qn_tensor_count(f); i++)
            used[i] = used[i] || qn_str_starts(qn_tensor_at(f, i)->name, name.s);
    }
out:
    qn_buf_drop(&name);
    return rc;
}

static int check(const reading *r, const qn_config *c) {
    const char *path = r->said->path;
    if (r->ids[0].count == 0)
        return qn_fail(QN_EUNSUPPORTED, "%s: has rows of tokens for the head alone; the embedding's must be there too",
                       path);
    if (!r->t[0])
        return qn_fail(QN_ENOTFOUND, "%s: tensor " QN_PEFT_PREFIX "%s" DELTA " is missing, of which "
                       "adapter_config.json lists %zu rows", path, r->module[0].s, r->ids[0].count);
    if (r->t[1] && !same_ids(&r->ids[0], &r->ids[1]))
        return qn_fail(QN_EUNSUPPORTED, "%s: has rows of other tokens for the head than for the embedding", path);
    for (int head = 0; head < 2; head++) {
        const qn_tensor_info *t = r->t[head];
        if (!t)
            continue;
        QN_TRY(qn_tensor_need_dtype(r->said->tensors, t));
        if (t->rank != 2 || t->dims[0] != (int64_t)r->ids[0].count || t->dims[1] != c->D)
            return qn_fail(QN_ESHAPE, "%s: tensor %.*s is [%lld,%lld]; %zu tokens are listed, and this model is %lld "
                           "wide", path, QN_STR_ARG(t->name), (long long)t->dims[0], (long long)t->dims[1],
                           r->ids[0].count, (long long)c->D);
    }
    return 0;
}

/* Rows of the file, each to where its token stands. */
static int decode(const reading *r, const qn_tensor_info *t, const int64_t *row, const qn_tensor *to) {
    const int64_t n = to->dim[0], D = to->dim[1];
    const qn_dtype_info *d = qn_dtype_get((qn_dtype)t->dtype);
    float *all = qn_alloc(QN_MEM_SCRATCH, (size_t)(n * D) * sizeof *all);
    int rc = all ? 0 : QN_ENOMEM;
    for (int64_t i = 0; i < n && rc >= 0; i++) {
        float *x = all + row[i] * D;
        d->decode_row(x, t->data + (size_t)i * qn_dtype_row_bytes((qn_dtype)t->dtype, D), D);
        for (int64_t k = 0; k < D && rc >= 0; k++)
            if (!isfinite(x[k]))
                rc = qn_fail(QN_EFORMAT, "%s: tensor %.*s, row %lld, column %lld is %s; expected a number",
                             r->said->path, QN_STR_ARG(t->name), (long long)i, (long long)k,
                             isnan(x[k]) ? "NaN" : "infinite");
    }
    if (rc >= 0)
        qn_lora_pack(to, all);
    qn_free(all);
    return rc;
}

static int fill(const reading *r, qn_adapter *a, const qn_config *c) {
    const size_t n = r->ids[0].count;
    int64_t *id = qn_alloc(QN_MEM_SCRATCH, 2 * n * sizeof *id);
    if (!id)
        return QN_ENOMEM;
    for (size_t i = 0; i < n; i++)
        id[i] = qn_meta_array_i64(&r->ids[0], i);
    int rc = qn_adapter_add_tokens(a, id, n, c->D, r->t[1] != NULL, id + n);
    if (rc >= 0)
        rc = decode(r, r->t[0], id + n, &a->embed);
    if (rc >= 0 && r->t[1])
        rc = decode(r, r->t[1], id + n, &a->head);
    qn_free(id);
    return rc;
}

static int read_into(reading *r, qn_adapter *a, const qn_config *c, bool *used) {
    QN_TRY(read_ids(r));
    if (r->ids[0].count + r->ids[1].count == 0)
        return 0;
    QN_TRY(find(r, used));
    if (!a)
        return 1;
    QN_TRY(check(r, c));
    return fill(r, a, c);
}

int qn_adapter_tokens_read(const qn_adapter_said *said, qn_adapter *a, const qn_arch *arch, const qn_config *c,
                           bool *used) {
    reading r = {.said = said, .arch = arch};
    const int rc = said->is_gguf ? 0 : read_into(&r, a, c, used);
    qn_buf_drop(&r.module[0]);
    qn_buf_drop(&r.module[1]);
    return rc;
}

/* ---- written ---- */

static void put_ids(const qn_adapter *a, qn_jw *j) {
    qn_jw_open(j, '[');
    for (int64_t i = 0; i < a->n_tokens; i++)
        qn_jw_i64(j, a->token[i]);
    qn_jw_close(j);
}

int qn_adapter_tokens_config(const qn_adapter *a, qn_jw *j) {
    qn_buf module = {0};
    int rc = 0;
    qn_jw_key(j, KEY);
    if (a->n_tokens == 0) {
        qn_jw_null(j);
        return 0;
    }
    if (!a->head.rank) {
        put_ids(a, j);
        return 0;
    }
    qn_jw_open(j, '{');
    for (int head = 0; head < 2; head++) {
        QN_TRY_OUT(module_of(a->arch, head, &module));
        qn_jw_key_str(j, last_of(&module));
        put_ids(a, j);
    }
    qn_jw_close(j);
out:
    qn_buf_drop(&module);
    return rc;
}

int qn_adapter_tokens_declare(const qn_adapter *a, qn_tensor_writer *t) {
    const qn_tensor *const rows[] = {&a->embed, &a->head};
    qn_buf name = {0};
    int rc = 0;
    for (int head = 0; head < 2; head++) {
        if (!rows[head]->rank)
            continue;
        QN_TRY_OUT(qn_adapter_tokens_tensor(a->arch, head, &name));
        QN_TRY_OUT(qn_tensor_writer_add(t, name.s, QN_F32, 2, rows[head]->dim));
    }
out:
    qn_buf_drop(&name);
    return rc;
}

int qn_adapter_tokens_stream(const qn_adapter *a, qn_tensor_writer *t) {
    const qn_tensor *const rows[] = {&a->embed, &a->head};
    const size_t n = a->n_tokens ? (size_t)(a->embed.dim[0] * a->embed.dim[1]) : 0;
    float *all = n ? qn_alloc(QN_MEM_SCRATCH, n * sizeof *all) : NULL;
    int rc = n && !all ? QN_ENOMEM : 0;
    for (int head = 0; head < 2 && rc >= 0; head++) {
        if (!rows[head]->rank)
            continue;
        qn_lora_unpack(rows[head], all);
        rc = qn_tensor_writer_put(t, all, n * sizeof *all);
    }
    qn_free(all);
    return rc;
}
