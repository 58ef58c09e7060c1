/* model/arch.c — the registry of families, and reading their parameter tables. */
#include "model/arch.h"

#include <string.h>

static const qn_arch *const archs[] = {
#define QN_ARCH(name) &qn_arch_##name,
#include "model/arch_list.inc"
#undef QN_ARCH
};

static bool among(const char *const *names, qn_str s) {
    for (int i = 0; i < 4 && names[i]; i++)
        if (qn_str_is(s, names[i]))
            return true;
    return false;
}

const qn_arch *qn_arch_by_gguf(qn_str name) {
    for (size_t i = 0; i < QN_LEN(archs); i++)
        if (qn_str_is(name, archs[i]->name))
            return archs[i];
    return NULL;
}

const qn_arch *qn_arch_by_hf(qn_str class_name, qn_str model_type) {
    for (size_t i = 0; i < QN_LEN(archs); i++)
        if (class_name.n ? among(archs[i]->hf_class, class_name) : among(archs[i]->hf_type, model_type))
            return archs[i];
    return NULL;
}

const char *qn_arch_names(void) {
    static const char names[] = ""
#define QN_ARCH(name) " " #name
#include "model/arch_list.inc"
#undef QN_ARCH
        ;
    return names + 1;
}

const qn_param *qn_arch_param(const qn_arch *a, qn_param_id id) {
    for (size_t i = 0; i < a->n_params; i++)
        if (a->params[i].id == id)
            return &a->params[i];
    return NULL;
}

bool qn_param_per_layer(const qn_param *p) { return strstr(p->gguf, "%d") != NULL; }

/* One factor of a shape: a symbol or a number. */
static int64_t factor(const qn_config *c, qn_str f) {
    const struct { const char *symbol; int64_t value; } known[] = {
        {"V", c->V}, {"D", c->D}, {"F", c->F}, {"H", c->heads}, {"Hkv", c->kv_heads}, {"Dh", c->Dh},
        {"C", c->context}, {"Ty", c->types},
    };
    int64_t v = 0;
    for (size_t i = 0; i < QN_LEN(known); i++)
        if (qn_str_is(f, known[i].symbol))
            return known[i].value;
    qn_assert(qn_parse_i64(f, &v));
    return v;
}

int qn_param_shape(const qn_param *p, const qn_config *c, int64_t dim[2]) {
    int rank = 0;
    for (const char *at = p->shape; *at; rank++) {
        qn_assert(rank < 2);
        dim[rank] = 1;
        while (*at && *at != ' ') {
            const size_t n = strcspn(at, "* ");
            dim[rank] *= factor(c, (qn_str){at, n});
            at += n + (at[n] == '*');
        }
        at += *at == ' ';
    }
    return rank;
}

static int fill_in(const char *name, int64_t layer, qn_buf *out) {
    const char *d = strstr(name, "%d");
    qn_buf_clear(out);
    if (!d)
        return qn_buf_puts(out, name);
    return qn_buf_printf(out, "%.*s%lld%s", (int)(d - name), name, (long long)layer, d + 2);
}

int qn_param_name(const qn_param *p, bool is_gguf, int64_t layer, qn_buf *out) {
    return fill_in(is_gguf ? p->gguf : p->hf, layer, out);
}

const qn_joint *qn_arch_joint(const qn_arch *a, qn_param_id id) {
    for (size_t i = 0; i < a->n_joints; i++)
        for (int k = 0; k < a->joints[i].parts; k++)
            if (a->joints[i].part[k] == id)
                return &a->joints[i];
    return NULL;
}

int qn_param_stored_name(const qn_arch *a, const qn_param *p, bool is_gguf, int64_t layer, qn_buf *out) {
    const qn_joint *j = qn_arch_joint(a, p->id);
    return j ? fill_in(is_gguf ? j->gguf : j->hf, layer, out) : qn_param_name(p, is_gguf, layer, out);
}

bool qn_arch_is_encoder(const qn_arch *a, const qn_config *c) {
    qn_stack_spec s;
    a->spec(c, &s);
    return s.mask == QN_MASK_BOTH;
}

int qn_arch_continues(const qn_arch *a, const qn_config *c, const char *what) {
    if (!qn_arch_is_encoder(a, c))
        return 0;
    return qn_fail(QN_EUNSUPPORTED, "%s%sa %s model reads a text whole and continues none, so it cannot write, chat, "
                   "be scored or trained; `quern embed` turns texts into vectors with it", what ? what : "",
                   what ? ": " : "", a->name);
}

bool qn_arch_leaves_out(const qn_arch *a, qn_str tensor) {
    for (size_t i = 0; i < QN_LEN(a->unused) && a->unused[i]; i++)
        if (qn_str_ends(tensor, a->unused[i]))
            return true;
    return false;
}
