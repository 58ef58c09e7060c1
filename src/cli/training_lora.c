/* cli/training_lora.c — a run that trains an adapter: the model it sits on, loaded as it is; what is said of it. */
#include "cli/training.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "cli/open_model.h"
#include "cli/within.h"
#include "model/adapter_file.h"

enum { QUANTIZED = 1, HALF = 2 };       /* what a file's tensors are stored as: bits of a mask */

static int stored_as(const qn_source *s) {
    const qn_tensor_file *f = qn_source_tensors(s);
    int mask = 0;
    for (size_t i = 0; i < qn_tensor_count(f); i++) {
        const int t = qn_tensor_at(f, i)->dtype;
        mask |= t >= 0 && qn_dtype_get((qn_dtype)t)->block > 1 ? QUANTIZED : 0;
        mask |= t == QN_BF16 ? HALF : 0;
    }
    return mask;
}

/* Quantized weights stay what they are: there the recipe says how gradients pass them. Plain ones multiply as it says,
 * or where nobody said as they are stored; a run that is taken up finds the same by its recipe. */
static qn_model_options options_of(qn_training *t, const qn_source *s, const qn_config *c) {
    const int stored = stored_as(s);
    if (t->compute_free && !(stored & QUANTIZED))
        t->recipe.compute = c->compute >= 0 ? c->compute : stored & HALF ? QN_BF16 : QN_F32;
    if (stored & QUANTIZED || (t->recipe.compute == QN_F32 && !(stored & HALF)))
        return (qn_model_options){.weights = QN_WEIGHTS_AS_IS};
    return (qn_model_options){.weights = t->recipe.compute};
}

/* ---- the pairs that the run begins with ---- */

static int make_fresh(qn_training *t) {
    const qn_recipe_lora *l = &t->recipe.lora;
    const qn_lora_options lora = {.rank = l->rank, .alpha = l->alpha, .rslora = l->rslora, .dora = l->dora,
                                  .targets = l->targets, .seed = t->recipe.seed};
    return qn_adapter_fresh(&t->adapter, t->model, &lora, t->pool);
}

/* Whoever made it, from here on it belongs to this model; where it named another one, that was said. */
static int read_begun(qn_training *t) {
    QN_TRY(qn_adapter_read(&t->adapter, t->begun, t->model));
    qn_model_pedigree(t->model, t->adapter->pedigree);
    qn_adapter_fingerprint(t->adapter, t->begun_print);
    return 0;
}

/* The widest pair: what the plan, the recipe and the rates speak of. */
static const qn_lora *widest(const qn_adapter *a) {
    const qn_lora *w = &a->lora[0];
    for (size_t i = 1; i < a->n; i++)
        w = a->lora[i].rank > w->rank ? &a->lora[i] : w;
    return w;
}

/* An option may repeat what the adapter is, and say nothing else. */
static int check_options(const qn_cli *c, const qn_adapter *a) {
    const qn_lora *w = widest(a);
    if (qn_cli_given(c, "targets"))
        return qn_fail(QN_EUSAGE, "--targets: %s says itself where it sits; leave it out, or begin a fresh adapter "
                       "without --adapter", a->name);
    if (qn_cli_given(c, "rank") && qn_cli_int(c, "rank") != w->rank)
        return qn_fail(QN_EUSAGE, "--rank %lld: %s has rank %lld, which a run that goes on with it keeps; leave it out",
                       (long long)qn_cli_int(c, "rank"), a->name, (long long)w->rank);
    if (qn_cli_given(c, "alpha") && qn_cli_float(c, "alpha") != w->alpha)
        return qn_fail(QN_EUSAGE, "--alpha %g: %s has alpha %g, which a run that goes on with it keeps; leave it out",
                       qn_cli_float(c, "alpha"), a->name, w->alpha);
    if ((qn_cli_flag(c, "rslora") && !a->rslora) || (qn_cli_flag(c, "dora") && !a->dora))
        return qn_fail(QN_EUSAGE, "--%s: %s is none; leave it out, or begin a fresh adapter without --adapter",
                       qn_cli_flag(c, "rslora") && !a->rslora ? "rslora" : "dora", a->name);
    return 0;
}

int qn_training_adapter_words(const qn_training *t, qn_source **out) {
    *out = NULL;
    if (!t->first || t->first->n_tokens == 0)
        return 0;
    return qn_adapter_words(out, t->first, qn_cli_str(t->c, "adapter"), t->cfg.V);
}

int qn_training_check_words(const qn_training *t) {
    if (!t->first || t->first->n_tokens > 0)
        return 0;
    return qn_adapter_check_words(t->first, qn_cli_str(t->c, "adapter"), t->chat.tok, t->from);
}

int qn_training_take_adapter(qn_training *t) {
    const char *path = qn_cli_str(t->c, "adapter");
    qn_recipe_lora *l = &t->recipe.lora;
    if (!path)
        return 0;
    QN_TRY(qn_adapter_open(&t->first, path, t->arch, &t->cfg));
    QN_TRY(check_options(t->c, t->first));
    l->rank = widest(t->first)->rank;
    l->alpha = widest(t->first)->alpha;
    l->rslora = t->first->rslora;
    l->dora = t->first->dora;
    snprintf(l->targets, sizeof l->targets, "what it sat on");
    t->begun = qn_str_dup(QN_MEM_CLI, qn_str_of(path));
    return t->begun ? 0 : QN_ENOMEM;
}

/* Written anew, and read from there from then on: so pairs lie in the same way whenever the run is taken up. */
int qn_training_keep_adapter(qn_training *t) {
    qn_buf dir = {0};
    int rc = 0;
    if (!t->first)
        return 0;
    QN_TRY_OUT(qn_path_join(&dir, qn_run_path(t->run), "data"));
    QN_TRY_OUT(qn_dir_make(dir.s));
    QN_TRY_OUT(qn_path_join(&dir, qn_run_path(t->run), QN_BEGUN_FOLDER));
    QN_TRY_OUT(qn_adapter_write_peft(t->first, &t->cfg, t->from, dir.s));
    qn_free(t->begun);
    t->begun = qn_str_dup(QN_MEM_CLI, qn_buf_view(&dir));
    rc = t->begun ? 0 : QN_ENOMEM;
out:
    qn_buf_drop(&dir);
    return rc;
}

/* ---- on its model ---- */

/* What ends an answer may be a token that is new to the model. */
static void take_ends(qn_training *t) {
    if (!t->examples || t->n_eos == 0)
        return;
    memcpy(t->model->cfg.eos, t->eos, sizeof t->eos);
    t->model->cfg.n_eos = t->n_eos;
}

static int load(qn_training *t, const qn_source *s) {
    qn_config c;
    const qn_recipe_lora *l = &t->recipe.lora;
    QN_TRY(qn_source_config(s, &t->arch, &c));
    const qn_model_options o = options_of(t, s, &c);
    QN_TRY(qn_training_fits(t));
    QN_TRY(qn_model_load(&t->model, s, &o, t->pool));
    take_ends(t);
    t->cfg = t->model->cfg;
    QN_TRY(qn_model_fingerprint(t->model, t->pool, t->base_print));
    QN_TRY(t->begun ? read_begun(t) : make_fresh(t));
    if (t->n_added)
        QN_TRY(qn_adapter_fresh_tokens(t->adapter, t->model, t->added, (size_t)t->n_added));
    return qn_params_of_adapter(&t->params, t->model, t->adapter, l->plus > 0 ? l->plus : 1,
                                qn_pool_threads(t->pool));
}

static int keep_base(qn_training *t, const char *from) {
    char real[PATH_MAX];
    t->base = qn_str_dup(QN_MEM_CLI, qn_str_of(realpath(from, real) ? real : from));
    return t->base ? 0 : QN_ENOMEM;
}

int qn_training_open_adapter(qn_training *t, const char *from) {
    qn_source *s = NULL;
    if (!from)
        return qn_fail(QN_EINVAL, "an adapter needs a model to sit on");
    int rc = qn_source_open(&s, from);
    if (rc >= 0)
        rc = keep_base(t, from);
    if (rc >= 0 && !qn_source_tensors(s))
        rc = qn_fail(QN_ENOTFOUND, "%s: has no weights to begin with", from);
    if (rc >= 0)
        rc = load(t, s);
    qn_source_close(s);
    return rc;
}

void qn_training_adapter_plan(const qn_training *t) {
    const qn_recipe_lora *l = &t->recipe.lora;
    int64_t numbers = 0;
    char text[32], plus[48] = "";
    for (size_t i = 0; i < t->params.n; i++)
        numbers += t->params.slot[i].rows * t->params.slot[i].cols;
    if (l->plus > 0 && l->plus != 1)
        snprintf(plus, sizeof plus, ", B at %g times the rate", l->plus);
    if (t->begun)
        qn_log(QN_LOG_INFO, "adapter goes on with %s", qn_cli_str(t->c, "adapter"));
    qn_log(QN_LOG_INFO, "adapter rank %lld, alpha %g%s%s on %s: %zu pairs, %s numbers are trained%s; the model stays "
           "%s", (long long)l->rank, l->alpha, l->rslora ? " over the root of the rank" : "",
           l->dora ? ", magnitudes" : "", l->targets, t->adapter->n, qn_count_text((double)numbers, text), plus,
           t->model->identity);
    if (t->adapter->n_tokens)
        qn_log(QN_LOG_INFO, "tokens  %lld have rows of the adapter's own, which are trained: embedding%s",
               (long long)t->adapter->n_tokens, t->adapter->head.rank ? " and head" : ", which is the head, too");
}

int qn_training_adapter_use(const qn_training *t, const char *best, qn_buf *b) {
    QN_TRY(qn_buf_puts(b, "\n`quern chat "));
    QN_TRY(qn_put_quoted(b, t->from));
    QN_TRY(qn_buf_puts(b, " --adapter "));
    QN_TRY(qn_put_quoted(b, best));
    return qn_buf_puts(b, "` talks with it");
}
