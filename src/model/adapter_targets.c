/* model/adapter_targets.c — which modules adapter_config.json asks for, found as PEFT finds them.
 *
 *     target_modules          ["q_proj", "mlp.down_proj"]     the module's name, or the end of it behind a dot
 *                             ".*\\.(q|v)_proj"               a regular expression: all of the name
 *                             "all-linear"                    every product
 *     exclude_modules         the same two forms: what is left out all the same
 *     layers_to_transform     [0, 3], or one: of what an end names, these layers alone
 */
#include <string.h>
#include <strings.h>

#include "model/adapter_impl.h"
#include "tok/regex.h"

enum { LAYERS = 4096 };

static void drop_set(qn_adapter_modules *s) {
    qn_regex_free(s->regex);
    qn_regex_work_free(s->work);
    *s = (qn_adapter_modules){0};
}

/* One that cannot be read here is no reason to refuse what may be fine. */
static int read_pattern(qn_adapter_modules *s, const qn_meta *m, const char *key, qn_str pattern) {
    qn_buf whole = {0};
    int rc;
    QN_TRY_OUT(qn_buf_printf(&whole, "\\A(?:%.*s)\\z", QN_STR_ARG(pattern)));
    rc = qn_regex_new(&s->regex, qn_buf_view(&whole));
    if (rc < 0 && rc != QN_ENOMEM) {
        qn_log(QN_LOG_WARN, "%s: %s is a regular expression that is not understood here: \"%.*s\"; it is not checked "
               "which modules it names", qn_meta_name(m), key, QN_STR_ARG(pattern));
        s->form = QN_MODULES_UNSAID;
        rc = 0;
        goto out;
    }
    if (rc >= 0)
        rc = qn_regex_work_new(&s->work);
out:
    qn_buf_drop(&whole);
    return rc;
}

/* all: what stands for every product; NULL: nothing does. */
static int read_set(qn_adapter_modules *s, const qn_meta *m, const char *key, const char *all) {
    const qn_meta_value *v = qn_meta_find(m, key);
    if (!v || v->kind == QN_META_NULL)
        return 0;
    if (v->kind != QN_META_STRING) {
        s->form = QN_MODULES_LIST;
        const int rc = qn_meta_get_array(m, key, QN_META_STRING, &s->list);
        return rc < 0 ? rc : 0;
    }
    s->form = all && v->as.s.n == strlen(all) && strncasecmp(v->as.s.s, all, v->as.s.n) == 0 ? QN_MODULES_ALL
                                                                                             : QN_MODULES_PATTERN;
    return s->form == QN_MODULES_ALL ? 0 : read_pattern(s, m, key, v->as.s);
}

int qn_adapter_targets_read(qn_adapter_targets *t, const qn_meta *m) {
    *t = (qn_adapter_targets){0};
    if (!m)
        return 0;
    QN_TRY(read_set(&t->target, m, "target_modules", "all-linear"));
    QN_TRY(read_set(&t->exclude, m, "exclude_modules", NULL));
    if (!qn_meta_find(m, "layers_to_transform"))
        return 0;
    t->layer = qn_alloc(QN_MEM_MODEL, LAYERS * sizeof *t->layer);
    if (!t->layer)
        return QN_ENOMEM;
    const int rc = qn_meta_get_i64s(m, "layers_to_transform", t->layer, LAYERS, &t->n_layers);
    return rc < 0 ? rc : 0;
}

void qn_adapter_targets_drop(qn_adapter_targets *t) {
    drop_set(&t->target);
    drop_set(&t->exclude);
    qn_free(t->layer);
    *t = (qn_adapter_targets){0};
}

/* ---- asked ---- */

/* *whole: the entry is all of the name. */
static int in_set(const qn_adapter_modules *s, qn_str module, bool *whole) {
    size_t begin, end;
    *whole = s->form != QN_MODULES_LIST;
    if (s->form != QN_MODULES_LIST)
        return s->form == QN_MODULES_PATTERN ? qn_regex_find(s->regex, s->work, module.s, module.n, 0, &begin, &end)
                                             : s->form == QN_MODULES_ALL;
    bool any = false;
    for (size_t i = 0; i < s->list.count && !*whole; i++) {
        const qn_str entry = qn_meta_array_str(&s->list, i);
        *whole = qn_str_eq(entry, module);
        any = any || *whole || (module.n > entry.n && module.s[module.n - entry.n - 1] == '.' &&
                                memcmp(module.s + module.n - entry.n, entry.s, entry.n) == 0);
    }
    return any;
}

static bool has_layer(const qn_adapter_targets *t, int64_t layer) {
    for (size_t i = 0; i < t->n_layers; i++)
        if (t->layer[i] == layer)
            return true;
    return t->n_layers == 0;
}

int qn_adapter_targets_has(const qn_adapter_targets *t, qn_str module, int64_t layer, const char **by) {
    bool whole;
    *by = "exclude_modules";
    int rc = in_set(&t->exclude, module, &whole);
    if (rc != 0)
        return rc < 0 ? rc : 0;
    *by = "target_modules";
    if (t->target.form == QN_MODULES_UNSAID)
        return 1;
    rc = in_set(&t->target, module, &whole);
    if (rc <= 0 || whole || has_layer(t, layer))
        return rc;
    *by = "layers_to_transform";
    return 0;
}
