/* cli/run_args.c — the command line as a recipe. */
#include "cli/run_args.h"

int64_t qn_run_args_int(const qn_cli *c, const char *name) { return qn_cli_given(c, name) ? qn_cli_int(c, name) : -1; }

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
