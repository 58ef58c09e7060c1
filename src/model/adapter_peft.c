/* model/adapter_peft.c — adapter_config.json: what of it counts here, what is refused, and how it is written. */
#include <math.h>
#include <string.h>

#include "base/json_fields.h"
#include "format/safetensors_write.h"
#include "model/adapter_impl.h"

/* ---- read -------------------------------------------------------------------------------------------------------- */

static int need_text(const qn_meta *m, const char *key, const char *want, const char *otherwise) {
    qn_str v = qn_str_of(otherwise);
    QN_TRY(qn_meta_get_str(m, key, &v));
    if (qn_str_is(v, want))
        return 0;
    if (v.n == 0)
        return qn_fail(QN_EFORMAT, "%s: %s is missing; expected \"%s\"", qn_meta_name(m), key, want);
    return qn_fail(QN_EUNSUPPORTED, "%s: %s is \"%.*s\"; only \"%s\" is supported", qn_meta_name(m), key, QN_STR_ARG(v),
                   want);
}

/* A member that must not say anything: absent, null, false, empty. */
static int need_nothing(const qn_meta *m, const char *key, const char *what) {
    const qn_meta_value *v = qn_meta_find(m, key);
    const size_t n = strlen(key);
    bool said = v && v->kind != QN_META_NULL && !(v->kind == QN_META_BOOL && !v->as.b) &&
                !((v->kind == QN_META_ARRAY || v->kind == QN_META_MIXED) && v->as.a.count == 0);
    for (size_t i = 0; i < qn_meta_count(m) && !said; i++) {        /* an object's members */
        const qn_str k = qn_meta_at(m, i)->key;
        said = k.n > n && k.s[n] == '.' && memcmp(k.s, key, n) == 0;
    }
    return said ? qn_fail(QN_EUNSUPPORTED, "%s: %s is there; %s not supported%s", qn_meta_name(m), key, what,
                          strcmp(key, "modules_to_save") ? "" : ". Rows of new tokens are, as trainable_token_indices; "
                          "with whole modules, PEFT's merge_and_unload makes a model that needs no adapter") : 0;
}

/* Methods that change the base's weights: B·A is added to what is left of them. */
static int check_start(const qn_meta *m) {
    static const char *const fine[] = {"gaussian", "eva", "orthogonal"};
    const qn_meta_value *v = qn_meta_find(m, "init_lora_weights");
    if (!v || v->kind != QN_META_STRING)
        return 0;
    for (size_t i = 0; i < QN_LEN(fine); i++)
        if (qn_str_is(v->as.s, fine[i]))
            return 0;
    return qn_fail(QN_EUNSUPPORTED, "%s: init_lora_weights is \"%.*s\", which changes the base's weights; convert the "
                   "adapter to plain LoRA with PEFT first", qn_meta_name(m), QN_STR_ARG(v->as.s));
}

static int refuse_others(const qn_meta *m) {
    static const struct { const char *key, *what; } others[] = {
        {"modules_to_save", "whole modules beside the pairs are"},
        {"target_parameters", "pairs on parameters without a module are"},
        {"layer_replication", "layers that stand twice are"},
        {"alora_invocation_tokens", "adapters that begin with a token (aLoRA) are"},
        {"lora_bias", "biases of B are"},
        {"use_qalora", "QALoRA is"},
    };
    QN_TRY(need_text(m, "peft_type", "LORA", ""));
    QN_TRY(need_text(m, "bias", "none", "none"));
    for (size_t i = 0; i < QN_LEN(others); i++)
        QN_TRY(need_nothing(m, others[i].key, others[i].what));
    return check_start(m);
}

static int need_number(const qn_meta *m, const char *key, double *v) {
    const int rc = qn_meta_get_f64(m, key, v);
    if (rc == 0)
        return qn_fail(QN_EFORMAT, "%s: %s is missing", qn_meta_name(m), key);
    if (rc > 0 && !(*v > 0 && *v < 1e9))
        return qn_fail(QN_EFORMAT, "%s: %s is %g; expected a number above 0", qn_meta_name(m), key, *v);
    return rc;
}

int qn_adapter_peft_said(qn_adapter_said *said, const qn_meta *m) {
    double rank;
    QN_TRY(refuse_others(m));
    QN_TRY(need_number(m, "r", &rank));
    QN_TRY(need_number(m, "lora_alpha", &said->alpha));
    if (rank != floor(rank))
        return qn_fail(QN_EFORMAT, "%s: r is %g; expected a whole number", qn_meta_name(m), rank);
    said->rank = (int64_t)rank;
    QN_TRY(qn_meta_get_bool(m, "use_rslora", &said->rslora));
    QN_TRY(qn_meta_get_bool(m, "use_dora", &said->dora));
    said->config = m;
    return 0;
}

/* PEFT takes the first key that, as a regular expression, is the module's name or the end of it behind a dot. A name is
 * one that means itself; other expressions are refused, where they could matter. */
static int pattern_fits(const qn_meta *m, qn_str key, qn_str pattern, qn_str module) {
    char plain[256];
    size_t n = 0;
    const bool whole = qn_str_starts(pattern, "^");
    for (size_t i = whole; i < pattern.n; i++) {
        char c = pattern.s[i];
        if (c == '$' && i + 1 == pattern.n)
            break;
        if (c == '\\' && i + 1 < pattern.n && pattern.s[i + 1] == '.')
            c = pattern.s[++i];
        else if (strchr("\\*+?()[]{}|^$", c) || n + 1 == sizeof plain)
            return qn_fail(QN_EUNSUPPORTED, "%s: %.*s is a regular expression; only names of modules are supported",
                           qn_meta_name(m), QN_STR_ARG(key));
        plain[n++] = c;
    }
    if (n == 0 || n > module.n || memcmp(module.s + module.n - n, plain, n) != 0)
        return 0;
    return n == module.n || (!whole && module.s[module.n - n - 1] == '.');
}

int qn_adapter_pattern(const qn_meta *m, const char *table, qn_str module, double *out) {
    const size_t n = strlen(table);
    for (size_t i = 0; i < qn_meta_count(m); i++) {
        const qn_meta_value *v = qn_meta_at(m, i);
        if (v->key.n <= n + 1 || v->key.s[n] != '.' || memcmp(v->key.s, table, n) != 0)
            continue;
        const int fits = pattern_fits(m, v->key, (qn_str){v->key.s + n + 1, v->key.n - n - 1}, module);
        QN_TRY(fits);
        if (!fits)
            continue;
        const double x = v->kind == QN_META_INT ? (double)v->as.i : v->kind == QN_META_FLOAT ? v->as.f : 0;
        if (!(x > 0 && x < 1e9))
            return qn_fail(QN_EFORMAT, "%s: %.*s is no number above 0", qn_meta_name(m), QN_STR_ARG(v->key));
        *out = x;
        return 1;
    }
    return 0;
}

/* ---- written ----------------------------------------------------------------------------------------------------- */

typedef struct {
    const qn_adapter *a;
    const qn_config *c;
    qn_adapter_group *g;                /* [n] */
    size_t n;
    int64_t rank;                       /* that most groups have */
    double alpha;                       /* theirs */
    qn_buf name, module;
} writing;

/* What PEFT must divide to come to s again. */
static double alpha_of(const writing *w, const qn_adapter_group *g) {
    return g->scale * (w->a->rslora ? sqrt((double)g->rank) : (double)g->rank);
}

/* The rank of most groups, and alpha of the first that has it. */
static void choose_rank(writing *w) {
    size_t best = 0;
    for (size_t i = 0; i < w->n; i++) {
        size_t same = 0;
        for (size_t k = i; k < w->n; k++)
            same += w->g[k].rank == w->g[i].rank;
        if (same > best) {
            best = same;
            w->rank = w->g[i].rank;
            w->alpha = alpha_of(w, &w->g[i]);
        }
    }
}

/* How many layers have a group at p. */
static size_t layers_with(const writing *w, const qn_param *p) {
    size_t n = 0;
    for (size_t i = 0; i < w->n; i++)
        n += w->g[i].part[0] == p;
    return n;
}

/* "q_proj" where that names one module of a layer; "attn.c_proj" where another one ends so. */
static qn_str module_end(const writing *w, qn_str module) {
    size_t at = module.n, ends = 0;
    while (at > 0 && module.s[at - 1] != '.')
        at--;
    for (size_t i = 0; i < w->a->arch->n_params; i++) {
        const qn_param *other = &w->a->arch->params[i];
        const qn_joint *j = qn_arch_joint(w->a->arch, other->id);
        qn_str name = qn_str_of(j ? j->hf : other->hf);
        name.n -= qn_str_ends(name, ".weight") ? strlen(".weight") : 0;
        if ((other->flags & QN_LORA) && (!j || other->id == j->part[0]) && name.n >= module.n - at &&
            memcmp(name.s + name.n - (module.n - at), module.s + at, module.n - at) == 0)
            ends++;
    }
    if (ends > 1)
        for (at--; at > 0 && module.s[at - 1] != '.';)
            at--;
    return (qn_str){module.s + at, module.n - at};
}

/* What target_modules and the patterns call a group: the module's end where all layers have one, else all of it. */
static int group_name(writing *w, const qn_adapter_group *g, bool all_layers, qn_str *out) {
    QN_TRY(qn_adapter_module(w->a->arch, g->part[0], false, g->layer, &w->module));
    *out = qn_buf_view(&w->module);
    if (all_layers)
        *out = module_end(w, *out);
    return 0;
}

static int put_targets(writing *w, qn_jw *j) {
    qn_jw_key(j, "target_modules");
    qn_jw_open(j, '[');
    for (size_t i = 0; i < w->n; i++) {
        const bool all = layers_with(w, w->g[i].part[0]) == (size_t)w->c->layers;
        qn_str name;
        if (all && w->g[i].layer > 0)
            continue;
        QN_TRY(group_name(w, &w->g[i], all, &name));
        qn_jw_str(j, name);
    }
    qn_jw_close(j);
    return 0;
}

/* Does every group at p, in all layers, say this of itself? */
static bool uniform(const writing *w, const qn_adapter_group *g, bool of_alpha) {
    if (layers_with(w, g->part[0]) != (size_t)w->c->layers)
        return false;
    for (size_t i = 0; i < w->n; i++)
        if (w->g[i].part[0] == g->part[0] &&
            (of_alpha ? alpha_of(w, &w->g[i]) != alpha_of(w, g) : w->g[i].rank != g->rank))
            return false;
    return true;
}

static int put_pattern(writing *w, qn_jw *j, bool of_alpha) {
    qn_jw_key(j, of_alpha ? "alpha_pattern" : "rank_pattern");
    qn_jw_open(j, '{');
    for (size_t i = 0; i < w->n; i++) {
        const qn_adapter_group *g = &w->g[i];
        const bool all = uniform(w, g, of_alpha);
        qn_str name;
        if ((of_alpha ? alpha_of(w, g) == w->alpha : g->rank == w->rank) || (all && g->layer > 0))
            continue;
        QN_TRY(group_name(w, g, all, &name));
        qn_jw_key_str(j, name);
        if (of_alpha)
            qn_jw_f64(j, alpha_of(w, g));
        else
            qn_jw_i64(j, g->rank);
    }
    qn_jw_close(j);
    return 0;
}

static void put_nulls(qn_jw *j) {
    static const char *const keys[] = {"layers_pattern", "layers_to_transform", "modules_to_save", "revision"};
    for (size_t i = 0; i < QN_LEN(keys); i++) {
        qn_jw_key(j, keys[i]);
        qn_jw_null(j);
    }
}

static void put_flag(qn_jw *j, const char *key, bool v) {
    qn_jw_key(j, key);
    qn_jw_bool(j, v);
}

static int config_text(writing *w, const char *base, qn_buf *out) {
    qn_jw j;
    qn_jw_init(&j, out, 2);
    qn_jw_open(&j, '{');
    qn_field_str(&j, "peft_type", "LORA");
    qn_field_str(&j, "task_type", "CAUSAL_LM");
    qn_jw_key(&j, "base_model_name_or_path");
    if (base)
        qn_jw_str(&j, qn_str_of(base));
    else
        qn_jw_null(&j);
    qn_field_i64(&j, "r", w->rank);
    qn_field_f64(&j, "lora_alpha", w->alpha);
    qn_field_f64(&j, "lora_dropout", 0);
    qn_field_str(&j, "bias", "none");
    put_flag(&j, "use_rslora", w->a->rslora);
    put_flag(&j, "use_dora", w->a->dora);
    put_flag(&j, "fan_in_fan_out", (w->g[0].part[0]->flags & QN_HF_TRANSPOSED) != 0);
    put_flag(&j, "init_lora_weights", true);
    put_flag(&j, "inference_mode", true);
    QN_TRY(put_targets(w, &j));
    QN_TRY(put_pattern(w, &j, false));
    QN_TRY(put_pattern(w, &j, true));
    QN_TRY(qn_adapter_tokens_config(w->a, &j));
    put_nulls(&j);
    qn_jw_close(&j);
    QN_TRY(qn_jw_end(&j));
    return qn_buf_putc(out, '\n');
}

/* ---- tensors ---- */

static int declare(writing *w, qn_tensor_writer *t, const qn_adapter_group *g) {
    QN_TRY(qn_adapter_module(w->a->arch, g->part[0], false, g->layer, &w->module));
    QN_TRY(qn_adapter_tensor_name(w->module.s, false, QN_LORA_A, &w->name));
    QN_TRY(qn_tensor_writer_add(t, w->name.s, QN_F32, 2, (int64_t[]){g->rank, g->cols}));
    QN_TRY(qn_adapter_tensor_name(w->module.s, false, QN_LORA_B, &w->name));
    QN_TRY(qn_tensor_writer_add(t, w->name.s, QN_F32, 2, (int64_t[]){g->rows, g->rank}));
    if (!w->a->dora)
        return 0;
    for (int i = 0; i < g->parts; i++)
        if (!g->pair[i])
            return qn_fail(QN_EUNSUPPORTED, "%s: %s holds several weights of which only some have magnitudes; PEFT "
                           "has no form for that", w->a->name, w->module.s);
    QN_TRY(qn_adapter_tensor_name(w->module.s, false, QN_LORA_MAGNITUDE, &w->name));
    return qn_tensor_writer_add(t, w->name.s, QN_F32, 1, (int64_t[]){g->rows});
}

static int stream(const writing *w, qn_tensor_writer *t, const qn_adapter_group *g) {
    const size_t na = (size_t)(g->rank * g->cols), nb = (size_t)(g->rows * g->rank);
    float *a = qn_alloc(QN_MEM_SCRATCH, na * sizeof *a), *b = qn_alloc(QN_MEM_SCRATCH, nb * sizeof *b);
    float *room = qn_alloc(QN_MEM_SCRATCH, nb * sizeof *b);
    int rc = a && b && room ? 0 : QN_ENOMEM;
    if (rc >= 0) {
        qn_adapter_group_a(g, a);
        qn_adapter_group_b(g, w->c, 1, false, b, room);
        rc = qn_tensor_writer_put(t, a, na * sizeof *a);
    }
    if (rc >= 0)
        rc = qn_tensor_writer_put(t, b, nb * sizeof *b);
    if (rc >= 0 && w->a->dora) {
        qn_adapter_group_magnitude(g, room);
        rc = qn_tensor_writer_put(t, room, (size_t)g->rows * sizeof *room);
    }
    qn_free(a);
    qn_free(b);
    qn_free(room);
    return rc;
}

/* Both files whole under other names, then one after the other under their own, the configuration last. */
static int write_files(writing *w, const char *base, const char *dir) {
    qn_safetensors_writer st = {0};
    qn_out_file config = {0};
    qn_buf path = {0}, text = {0};
    int rc;
    QN_TRY_OUT(config_text(w, base, &text));
    for (size_t i = 0; i < w->n; i++)
        QN_TRY_OUT(declare(w, &st.t, &w->g[i]));
    QN_TRY_OUT(qn_adapter_tokens_declare(w->a, &st.t));
    QN_TRY_OUT(qn_dir_make(dir));
    QN_TRY_OUT(qn_path_join(&path, dir, QN_PEFT_CONFIG));
    QN_TRY_OUT(qn_out_open(&config, path.s));
    QN_TRY_OUT(qn_out_write(&config, text.s, text.n));
    QN_TRY_OUT(qn_safetensors_writer_meta(&st, QN_STR("format"), QN_STR("pt")));
    if (*w->a->pedigree)
        QN_TRY_OUT(qn_safetensors_writer_meta(&st, QN_STR(QN_ADAPTER_PEDIGREE), qn_str_of(w->a->pedigree)));
    QN_TRY_OUT(qn_path_join(&path, dir, QN_PEFT_WEIGHTS));
    QN_TRY_OUT(qn_safetensors_writer_begin(&st, path.s));
    for (size_t i = 0; i < w->n; i++)
        QN_TRY_OUT(stream(w, &st.t, &w->g[i]));
    QN_TRY_OUT(qn_adapter_tokens_stream(w->a, &st.t));
    QN_TRY_OUT(qn_tensor_writer_commit(&st.t));
    rc = qn_out_commit(&config);
out:
    qn_safetensors_writer_drop(&st);
    qn_out_drop(&config);
    qn_buf_drop(&path);
    qn_buf_drop(&text);
    return rc;
}

int qn_adapter_write_peft(const qn_adapter *a, const qn_config *c, const char *base, const char *dir) {
    writing w = {.a = a, .c = c};
    w.g = qn_alloc(QN_MEM_SCRATCH, a->n * sizeof *w.g);
    if (!w.g)
        return QN_ENOMEM;
    w.n = qn_adapter_groups(a, c, w.g);
    choose_rank(&w);
    const int rc = write_files(&w, base, dir);
    qn_free(w.g);
    qn_buf_drop(&w.name);
    qn_buf_drop(&w.module);
    return rc;
}
