/* model/blank.c — a model without a file: the family's parameters laid out for training, all zero. */
#include "model/model.h"

/* What the parameter is as a tensor of the model, without its data: a matrix in panels, a vector as rows of F32. */
static qn_tensor tensor_of(const qn_param *p, const qn_config *c, qn_dtype matrices) {
    qn_tensor t = {.dtype = QN_F32, .layout = QN_LAYOUT_ROWS, .stride = 1};
    t.rank = qn_param_shape(p, c, t.dim);
    if (t.rank == 2) {
        t.dtype = matrices;
        t.layout = QN_LAYOUT_PANELS;
        t.stride = t.dim[1];
    }
    return t;
}

static size_t bytes_of(const qn_tensor *t) {
    return t->rank == 1 ? qn_round64((size_t)t->dim[0] * sizeof(float))
                        : (size_t)qn_panels(t->dim[0]) * qn_panel_bytes(t->dtype, t->dim[1]);
}

static bool belongs(const qn_param *p, const qn_config *c, const bool *has) {
    if (p->flags & QN_TIED)
        return !c->tied;
    return !(p->flags & QN_OPTIONAL) || (has && has[p->id]);
}

/* Fills m->param; data are offsets into an arena that is still to be made: its size comes back. */
static size_t lay_out(qn_model *m, const bool *has, qn_dtype matrices) {
    size_t at = 0;
    for (size_t i = 0; i < m->arch->n_params; i++) {
        const qn_param *p = &m->arch->params[i];
        const bool many = qn_param_per_layer(p);
        for (int64_t layer = 0; layer < (many ? m->cfg.layers : 1) && belongs(p, &m->cfg, has); layer++) {
            qn_tensor *t = &m->param[(many ? layer + 1 : 0) * QN_PARAMS + p->id];
            *t = tensor_of(p, &m->cfg, matrices);
            t->data = m->arena ? m->arena + at : NULL;
            at += bytes_of(t);
            m->n_params += m->arena ? qn_tensor_numel(t) : 0;
        }
    }
    return at;
}

static int make(qn_model *m, const bool *has, qn_dtype matrices) {
    qn_buf text = {0};
    int rc;
    m->param = qn_zalloc(QN_MEM_MODEL, (size_t)(m->cfg.layers + 1) * QN_PARAMS, sizeof *m->param);
    if (!m->param)
        return QN_ENOMEM;
    m->arena_bytes = lay_out(m, has, matrices);
    m->arena = qn_arena_map(QN_MEM_WEIGHTS, m->arena_bytes);
    if (!m->arena)
        return QN_ENOMEM;
    lay_out(m, has, matrices);
    rc = qn_buf_printf(&text, "%s, %.1f M parameters, %s in training", m->arch->name, (double)m->n_params / 1e6,
                       qn_dtype_get(matrices)->name);
    if (rc >= 0 && !(m->identity = qn_str_dup(QN_MEM_MODEL, qn_buf_view(&text))))
        rc = QN_ENOMEM;
    qn_buf_drop(&text);
    return rc;
}

int qn_model_blank(qn_model **out, const qn_arch *arch, const qn_config *c, const bool *has, qn_dtype matrices) {
    *out = NULL;
    if (matrices != QN_F32 && matrices != QN_BF16)
        return qn_fail(QN_EINVAL, "model: what is trained multiplies in f32 or bf16");
    qn_model *m = qn_zalloc(QN_MEM_MODEL, 1, sizeof *m);
    if (!m)
        return QN_ENOMEM;
    m->arch = arch;
    m->cfg = *c;
    m->weights = QN_WEIGHTS_AS_IS;
    m->main_dtype = matrices;
    arch->spec(&m->cfg, &m->spec);
    const int rc = make(m, has, matrices);
    if (rc < 0) {
        qn_model_free(m);
        return rc;
    }
    *out = m;
    return 0;
}
