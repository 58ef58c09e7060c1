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

int qn_run_args_check(const qn_cli *c) {
    for (size_t i = 0; i < QN_LEN(needs); i++)
        if (qn_cli_given(c, needs[i].name) && !(needs[i].choices >> qn_cli_enum(c, needs[i].by) & 1))
            return qn_fail(QN_EUSAGE, "--%s: %s", needs[i].name, needs[i].why);
    if (qn_cli_int(c, "patience") > 0 && qn_run_args_int(c, "eval-every") == 0)
        return qn_fail(QN_EUSAGE, "--patience counts evaluations; it needs an --eval-every above 0");
    const int64_t batch = qn_run_args_int(c, "batch"), micro = qn_run_args_int(c, "micro-batch");
    if (batch > 0 && micro > batch)
        return qn_fail(QN_EUSAGE, "--micro-batch %lld: a pass is a part of the --batch, which has %lld row%s; leave it "
                       "out, or make it smaller", (long long)micro, (long long)batch, qn_plural(batch));
    return 0;
}

int qn_run_args_patience(const qn_training *t) {
    const bool measures = qn_train_has_validation(t->data, t->examples);
    return measures || t->recipe.patience == 0 ? 0 : qn_fail(QN_EUSAGE, "--patience counts evaluations, and these data "
           "have no validation split; it needs one (--validation 5%% where they are prepared)");
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
