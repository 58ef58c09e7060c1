/* model/adapter_gguf.c — adapters as GGUF files: the keys that llama.cpp asks for, read and written.
 *
 * There is one alpha for all pairs, and s = alpha/rank of each. Where pairs want another s, B is multiplied instead. */
#include <math.h>

#include "format/gguf_write.h"
#include "model/adapter_impl.h"

/* ---- read ---- */

static int need(const qn_meta *m, const char *key, const char *want) {
    qn_str v = {0};
    const int rc = qn_meta_get_str(m, key, &v);
    if (rc < 0 || qn_str_is(v, want))
        return rc < 0 ? rc : 0;
    return qn_fail(QN_EFORMAT, "%s: %s is \"%.*s\"; an adapter's is \"%s\"", qn_meta_name(m), key, QN_STR_ARG(v), want);
}

int qn_adapter_gguf_said(qn_adapter_said *said, const qn_meta *m, const qn_arch *arch) {
    qn_str family = {0};
    QN_TRY(need(m, "general.type", "adapter"));
    QN_TRY(need(m, "adapter.type", "lora"));
    QN_TRY(qn_meta_get_str(m, "general.architecture", &family));
    if (!qn_str_is(family, arch->name))
        return qn_fail(QN_ESHAPE, "%s: an adapter for models of the family \"%.*s\"; this one is %s", qn_meta_name(m),
                       QN_STR_ARG(family), arch->name);
    if (qn_meta_find(m, "adapter.alora.invocation_tokens"))
        return qn_fail(QN_EUNSUPPORTED, "%s: adapters that begin with a token (aLoRA) are not supported",
                       qn_meta_name(m));
    const int rc = qn_meta_get_f64(m, "adapter.lora.alpha", &said->alpha);
    if (rc == 0)
        return qn_fail(QN_EFORMAT, "%s: adapter.lora.alpha is missing", qn_meta_name(m));
    if (rc > 0 && !(said->alpha > 0 && said->alpha < 1e9))
        return qn_fail(QN_EFORMAT, "%s: adapter.lora.alpha is %g; expected a number above 0", qn_meta_name(m),
                       said->alpha);
    return rc < 0 ? rc : 0;
}

/* ---- written ---- */

static int put_keys(qn_gguf_writer *w, const qn_adapter *a, const char *base, double alpha) {
    QN_TRY(qn_gguf_put_str(w, "general.architecture", qn_str_of(a->arch->name)));
    QN_TRY(qn_gguf_put_str(w, "general.type", QN_STR("adapter")));
    QN_TRY(qn_gguf_put_str(w, "adapter.type", QN_STR("lora")));
    QN_TRY(qn_gguf_put_f32(w, "adapter.lora.alpha", (float)alpha));
    QN_TRY(qn_gguf_put_u32(w, "general.file_type", 0));
    if (*a->pedigree)
        QN_TRY(qn_gguf_put_str(w, QN_ADAPTER_PEDIGREE, qn_str_of(a->pedigree)));
    if (!base)
        return 0;
    QN_TRY(qn_gguf_put_u32(w, "general.base_model.count", 1));
    return qn_gguf_put_str(w, "general.base_model.0.name", qn_str_of(base));
}

static int declare(const qn_adapter *a, qn_tensor_writer *t, const qn_adapter_group *g) {
    qn_buf module = {0}, name = {0};
    int rc;
    QN_TRY_OUT(qn_adapter_module(a->arch, g->part[0], true, g->layer, &module));
    QN_TRY_OUT(qn_adapter_tensor_name(module.s, true, QN_LORA_A, &name));
    QN_TRY_OUT(qn_tensor_writer_add(t, name.s, QN_F32, 2, (int64_t[]){g->rank, g->cols}));
    QN_TRY_OUT(qn_adapter_tensor_name(module.s, true, QN_LORA_B, &name));
    QN_TRY_OUT(qn_tensor_writer_add(t, name.s, QN_F32, 2, (int64_t[]){g->rows, g->rank}));
out:
    qn_buf_drop(&module);
    qn_buf_drop(&name);
    return rc;
}

static int stream(const qn_config *c, qn_tensor_writer *t, const qn_adapter_group *g, double factor) {
    const size_t na = (size_t)(g->rank * g->cols), nb = (size_t)(g->rows * g->rank);
    float *a = qn_alloc(QN_MEM_SCRATCH, na * sizeof *a), *b = qn_alloc(QN_MEM_SCRATCH, 2 * nb * sizeof *b);
    int rc = a && b ? 0 : QN_ENOMEM;
    if (rc >= 0) {
        qn_adapter_group_a(g, a);
        qn_adapter_group_b(g, c, factor, true, b, b + nb);
        rc = qn_tensor_writer_put(t, a, na * sizeof *a);
    }
    if (rc >= 0)
        rc = qn_tensor_writer_put(t, b, nb * sizeof *b);
    qn_free(a);
    qn_free(b);
    return rc;
}

/* The alpha that is right for most pairs as they are. */
static double choose_alpha(const qn_adapter_group *g, size_t n) {
    size_t best = 0;
    double alpha = 1;
    for (size_t i = 0; i < n; i++) {
        size_t same = 0;
        for (size_t k = i; k < n; k++)
            same += g[k].scale * (double)g[k].rank == g[i].scale * (double)g[i].rank;
        if (same > best) {
            best = same;
            alpha = g[i].scale * (double)g[i].rank;
        }
    }
    return alpha;
}

static int write_groups(const qn_adapter *a, const qn_config *c, const qn_adapter_group *g, size_t n, const char *base,
                        const char *path) {
    const double alpha = choose_alpha(g, n);
    qn_gguf_writer w = {0};
    int rc;
    QN_TRY_OUT(put_keys(&w, a, base, alpha));
    for (size_t i = 0; i < n; i++)
        QN_TRY_OUT(declare(a, &w.t, &g[i]));
    QN_TRY_OUT(qn_gguf_writer_begin(&w, path));
    for (size_t i = 0; i < n; i++)
        QN_TRY_OUT(stream(c, &w.t, &g[i], g[i].scale * (double)g[i].rank / alpha));
    QN_TRY_OUT(qn_tensor_writer_commit(&w.t));
out:
    qn_gguf_writer_drop(&w);
    return rc;
}

int qn_adapter_write_gguf(const qn_adapter *a, const qn_config *c, const char *base, const char *path) {
    if (a->dora)
        return qn_fail(QN_EUNSUPPORTED, "%s: has magnitudes (DoRA), which a GGUF adapter has no place for; merge it "
                       "into its model (quern merge)", a->name);
    if (a->n_tokens)
        return qn_fail(QN_EUNSUPPORTED, "%s: has rows of %lld tokens of its own, which a GGUF adapter has no place "
                       "for: llama.cpp reads pairs, beside a model that knows all tokens. Merge it into its model "
                       "(quern merge)", a->name, (long long)a->n_tokens);
    qn_adapter_group *g = qn_alloc(QN_MEM_SCRATCH, a->n * sizeof *g);
    if (!g)
        return QN_ENOMEM;
    const int rc = write_groups(a, c, g, qn_adapter_groups(a, c, g), base, path);
    qn_free(g);
    return rc;
}
