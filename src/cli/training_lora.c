/* cli/training_lora.c — a run that trains an adapter: the model it sits on, loaded as it is; what is said of it. */
#include "cli/training.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/within.h"

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

/* Rows of an embedding are no adapter's business. */
static int check_tokens(const qn_training *t, const char *from) {
    if (t->examples == NULL || t->chat.n_added == 0)
        return 0;
    return qn_fail(QN_EUNSUPPORTED, "%s: has no chat template, and the tokens of ChatML would be new to it: their rows "
                   "are no part of an adapter. Tune it as a whole (without --lora) first", from);
}

static int load(qn_training *t, const char *from, const qn_source *s) {
    qn_config c;
    const qn_recipe_lora *l = &t->recipe.lora;
    QN_TRY(qn_source_config(s, &t->arch, &c));
    const qn_model_options o = options_of(t, s, &c);
    QN_TRY(check_tokens(t, from));
    QN_TRY(qn_training_fits(t));
    QN_TRY(qn_model_load(&t->model, s, &o, t->pool));
    t->cfg = t->model->cfg;
    QN_TRY(qn_model_fingerprint(t->model, t->pool, t->base_print));
    const qn_lora_options lora = {.rank = l->rank, .alpha = l->alpha, .rslora = l->rslora, .dora = l->dora,
                                  .targets = l->targets, .seed = t->recipe.seed};
    QN_TRY(qn_adapter_fresh(&t->adapter, t->model, &lora, t->pool));
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
        rc = load(t, from, s);
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
    qn_log(QN_LOG_INFO, "adapter rank %lld, alpha %g%s%s on %s: %zu pairs, %s numbers are trained%s; the model stays "
           "%s", (long long)l->rank, l->alpha, l->rslora ? " over the root of the rank" : "",
           l->dora ? ", magnitudes" : "", l->targets, t->adapter->n, qn_count_text((double)numbers, text), plus,
           t->model->identity);
}

int qn_training_adapter_use(const qn_training *t, const char *best, qn_buf *b) {
    QN_TRY(qn_buf_puts(b, "\n`quern chat "));
    QN_TRY(qn_put_quoted(b, t->from));
    QN_TRY(qn_buf_puts(b, " --adapter "));
    QN_TRY(qn_put_quoted(b, best));
    return qn_buf_puts(b, "` talks with it");
}
