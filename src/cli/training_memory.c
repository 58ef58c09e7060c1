/* cli/training_memory.c — what memory a run takes, before step 1.
 *
 *     reserved    parameters, gradients, moments, activations, pages of keys, examples, tokenizer: as they stand by now
 *     passing     the most of what comes and goes on the way: the session of a sample, that of bits by kind and tasks,
 *                 a tensor that is turned on its way into a checkpoint
 *     program     the command itself, its libraries and the stacks of its threads
 *     data        the pages of the shards, which are mapped: the system takes them back where it needs them
 *
 * Activations that no token comes to are reserved and never touched, so a run of rows with gaps takes less. */
#include "cli/training.h"

#include <stdio.h>

#include "train/dial.h"

enum { PROGRAM_BYTES = 6 << 20, THREAD_BYTES = 256 << 10 };

static int64_t reserved(void) {
    int64_t sum = 0;
    for (int tag = 0; tag < QN_MEM_TAGS; tag++)
        sum += qn_mem_stats_get((qn_mem_tag)tag).live_bytes;
    return sum;
}

static int check_bytes(const qn_training *t, double bytes) {
    const qn_config *c = &t->cfg;
    const int64_t rows = QN_MIN(t->recipe.rows, t->recipe.batch);
    char vocab[48] = "";                /* not known before the data are open */
    qn_machine m;
    qn_machine_get(&m);
    if (m.memory <= 0 || bytes <= (double)m.memory)
        return 0;
    if (c->V > 0)
        snprintf(vocab, sizeof vocab, ", vocabulary %lld", (long long)c->V);
    return qn_fail(QN_ENOMEM, "this plan (%lld layer%s of width %lld%s; passes of %lld row%s of %lld tokens) takes "
                   "%.1f GB, the machine has %.1f; " QN_TRAINING_LESS, (long long)c->layers, qn_plural(c->layers),
                   (long long)c->D, vocab, (long long)rows, qn_plural(rows), (long long)qn_recipe_row(&t->recipe),
                   bytes / 1e9, (double)m.memory / 1e9);
}

/* What a session reserves: made, weighed, and let go before anything of it is touched. */
static int weigh_session(const qn_training *t, const qn_session_options *o, int64_t *most) {
    const int64_t before = reserved();
    qn_session *s;
    QN_TRY(qn_session_new(&s, t->model, t->kernels, t->pool, o));
    *most = QN_MAX(*most, reserved() - before);
    qn_session_free(s);
    return 0;
}

/* The largest tensor that a checkpoint may have to put together: one of a layer, query, key and value at once. */
static int64_t largest_turned(const qn_config *c) {
    return 4 * c->D * QN_MAX(c->F, (c->heads + 2 * c->kv_heads) * c->Dh);
}

int qn_training_weigh(qn_training *t) {
    const int64_t most = qn_training_prompt_most(t) + QN_TRAINING_SAMPLE;
    const qn_session_options sample = qn_training_session(t, most, 1);
    const qn_session_options asked = qn_training_session(t, t->recipe.context, QN_TRAINING_BITS_SEQUENCES);
    t->passing = largest_turned(&t->cfg);
    if (t->recipe.sample_every > 0)
        QN_TRY(weigh_session(t, &sample, &t->passing));
    if (t->world || t->asked.n)
        QN_TRY(weigh_session(t, &asked, &t->passing));
    const qn_training_memory m = qn_training_memory_get(t);
    return check_bytes(t, (double)(m.all - m.data));
}

qn_training_memory qn_training_memory_get(const qn_training *t) {
    qn_training_memory m = {
        .reserved = reserved(), .passing = t->passing,
        .program = PROGRAM_BYTES + (int64_t)THREAD_BYTES * qn_pool_threads(t->pool),
        .data = t->data ? qn_dataset_size(t->data) : 0,
    };
    m.all = m.reserved + m.passing + m.program + m.data;
    return m;
}

/* Each parameter with its gradient and moments, and what a pass keeps for the way back: rather less than it will be. */
int qn_training_fits(const qn_training *t) {
    const qn_config *c = &t->cfg;
    const qn_recipe *r = &t->recipe;
    const double tables = (double)c->V * (double)c->D * (c->tied ? 1 : 2);
    const double each = (r->compute == QN_BF16 ? 10 : 8) + (r->optimizer.kind == QN_OPTIMIZER_ADAMW ? 8 : 4);
    const double tokens = (double)QN_MIN(r->rows, r->batch / r->shards) * (double)qn_recipe_row(r);
    const double kept = r->recompute == QN_RECOMPUTE_LAYERS ? 1 : 8;
    if (r->lora.rank > 0)               /* the model is counted when it is there */
        return check_bytes(t, 4 * kept * tokens * (double)c->layers * (double)c->D);
    return check_bytes(t, each * ((double)qn_dial_numbers(c, t->gated) + tables) +
                          4 * kept * tokens * (double)c->layers * (double)c->D);
}
