/* cli/run_args.c — the command line as a recipe, and what of it nothing would come of. */
#include "cli/run_args.h"

int64_t qn_run_args_int(const qn_cli *c, const char *name) { return qn_cli_given(c, name) ? qn_cli_int(c, name) : -1; }

/* ---- options without effect ---- */

#define BIT(choice) (1u << (choice))
#define HAS_MOMENTUM (BIT(QN_OPTIMIZER_MUON) | BIT(QN_OPTIMIZER_SGD))
#define HAS_SQUARES (BIT(QN_OPTIMIZER_ADAMW) | BIT(QN_OPTIMIZER_MUON))
#define FALLS (BIT(QN_LR_COSINE) | BIT(QN_LR_LINEAR) | BIT(QN_LR_WSD))

/* An option and the choices of another that it means something beside. */
static const struct { const char *name, *by; unsigned choices; const char *why; } needs[] = {
    {"momentum", "optimizer", HAS_MOMENTUM,
     "AdamW has --beta1 in its place; it needs --optimizer muon or sgd"},
    {"nesterov", "optimizer", HAS_MOMENTUM,
     "AdamW looks ahead along no momentum; it needs --optimizer sgd"},
    {"beta1", "optimizer", HAS_SQUARES,
     "SGD has --momentum in its place; it needs --optimizer adamw or muon"},
    {"beta2", "optimizer", HAS_SQUARES,
     "SGD keeps no squares of gradients; it needs --optimizer adamw or muon"},
    {"epsilon", "optimizer", HAS_SQUARES,
     "SGD divides by no squares of gradients; it needs --optimizer adamw or muon"},
    {"decay-steps", "schedule", BIT(QN_LR_WSD),
     "the other curves fall from warm-up on; it needs --schedule wsd"},
    {"min-lr-ratio", "schedule", FALLS,
     "a constant rate does not fall; it needs --schedule cosine, linear or wsd"},
};
#undef HAS_MOMENTUM
#undef HAS_SQUARES
#undef FALLS
#undef BIT

/* Options that mean something where a run evaluates; the first of them that was given, −1: none. */
static const struct { const char *name, *what; } at_evaluations[] = {
    {"patience", "counts evaluations"}, {"bits", "is measured at evaluations"}, {"task", "is asked at evaluations"},
};

static int asks_evaluations(const qn_cli *c) {
    for (size_t i = 0; i < QN_LEN(at_evaluations); i++)
        if (qn_cli_given(c, at_evaluations[i].name) && (i > 0 || qn_cli_int(c, "patience") > 0))
            return (int)i;
    return -1;
}

int qn_run_args_check(const qn_cli *c) {
    for (size_t i = 0; i < QN_LEN(needs); i++)
        if (qn_cli_given(c, needs[i].name) && !(needs[i].choices >> qn_cli_enum(c, needs[i].by) & 1))
            return qn_fail(QN_EUSAGE, "--%s: %s", needs[i].name, needs[i].why);
    const int asks = asks_evaluations(c);
    if (asks >= 0 && qn_run_args_int(c, "eval-every") == 0)
        return qn_fail(QN_EUSAGE, "--%s %s; it needs an --eval-every above 0", at_evaluations[asks].name,
                       at_evaluations[asks].what);
    if (qn_cli_given(c, "task-items") && !qn_cli_given(c, "task"))
        return qn_fail(QN_EUSAGE, "--task-items is of tasks: it needs --task");
    const int64_t batch = qn_run_args_int(c, "batch"), micro = qn_run_args_int(c, "micro-batch");
    if (batch > 0 && micro > batch)
        return qn_fail(QN_EUSAGE, "--micro-batch %lld: a pass is a part of the --batch, which has %lld row%s; leave it "
                       "out, or make it smaller", (long long)micro, (long long)batch, qn_plural(batch));
    return 0;
}

int qn_run_args_evaluates(const qn_training *t) {
    const int asks = asks_evaluations(t->c);
    if (asks < 0 || qn_train_has_validation(t->data, t->examples))
        return 0;
    return qn_fail(QN_EUSAGE, "--%s %s, and these data have no validation split; it needs one (--validation 5%%%s)",
                   at_evaluations[asks].name, at_evaluations[asks].what, t->data ? " where they are prepared" : "");
}

/* ---- what is asked on the way ---- */

static int keep_word(const qn_cli *c, const char *name, char **to) {
    const char *word = qn_cli_str(c, name);
    return !word || (*to = qn_str_dup(QN_MEM_CLI, qn_str_of(word))) ? 0 : QN_ENOMEM;
}

int qn_run_args_asks(qn_training *t) {
    size_t n;
    const char *const *task = qn_cli_list(t->c, "task", &n);
    QN_TRY(keep_word(t->c, "prompt", &t->prompt));
    QN_TRY(keep_word(t->c, "bits", &t->world));
    return qn_training_ask(t, task, n, qn_cli_int(t->c, "task-items"), false);
}

/* ---- the recipe ---- */

void qn_run_args_recipe(qn_training *t) {
    const qn_cli *c = t->c;
    const qn_kernels *k = t->kernels;
    qn_recipe *r = &t->recipe;
    qn_recipe_init(r, (qn_optimizer_kind)qn_cli_enum(c, "optimizer"));
    const int compute = qn_cli_enum(c, "compute");
    t->compute_free = compute < 0;
    r->compute = compute >= 0 ? (compute ? QN_BF16 : QN_F32) : k->isa >= QN_ISA_AVX512BF16 ? QN_BF16 : QN_F32;
    r->seed = (uint64_t)qn_cli_int(c, "seed");
    r->shards = qn_cli_int(c, "shards");
    r->recompute = qn_cli_enum(c, "recompute");
    r->schedule.kind = (qn_lr_kind)qn_cli_enum(c, "schedule");
    r->schedule.floor = qn_cli_float(c, "min-lr-ratio");
    r->optimizer.nesterov |= qn_cli_flag(c, "nesterov");
    r->dropout = qn_cli_float(c, "dropout");
    r->clip = qn_cli_float(c, "clip");
    r->guard = (qn_guard)qn_cli_enum(c, "guard");
    r->spike = qn_cli_float(c, "spike");
    r->keep = qn_cli_int(c, "keep");
    r->patience = qn_cli_int(c, "patience");
    const struct { const char *name; double *at; } reals[] = {
        {"weight-decay", &r->optimizer.weight_decay}, {"beta1", &r->optimizer.beta1}, {"beta2", &r->optimizer.beta2},
        {"epsilon", &r->optimizer.eps}, {"momentum", &r->optimizer.momentum},
    };
    for (size_t i = 0; i < QN_LEN(reals); i++)
        if (qn_cli_given(c, reals[i].name))
            *reals[i].at = qn_cli_float(c, reals[i].name);
}

void qn_run_args_intervals(const qn_cli *c, qn_recipe *r) {
    r->eval_every = qn_run_args_int(c, "eval-every");
    r->checkpoint_every = qn_run_args_int(c, "checkpoint-every");
    r->sample_every = qn_run_args_int(c, "sample-every");
    r->eval_rows = qn_run_args_int(c, "eval-rows");
    r->schedule.decay = QN_MAX(0, qn_run_args_int(c, "decay-steps"));
}
