/* cli/cmd_train_sft.c — `quern train sft`: a model taught by examples. */
#include <math.h>
#include <string.h>

#include "base/file.h"
#include "cli/data_args.h"
#include "cli/example_args.h"
#include "cli/run_args.h"
#include "num/math.h"
#include "train/dial.h"

#define QN_OPTS_LORA                                                                                                 \
    QN_OPT_FLAG("", "lora", "train an adapter beside the model, quantized or not, which stays as it is"),            \
    QN_OPT_INT("", "rank", "16", 1, 1024, "--lora: rank of its pairs"),                                              \
    QN_OPT_FLOAT("", "alpha", "32", 0, 1e6, "--lora: its scale is alpha/rank"),                                      \
    QN_OPT_STRING("", "targets", "all-linear", "NAMES", "--lora: weights with a pair: q_proj,v_proj or attn_q …"),   \
    QN_OPT_FLOAT("", "lora-dropout", "0", 0, 0.99, "--lora: share of what the pairs read that is dropped"),          \
    QN_OPT_FLAG("", "rslora", "--lora: the scale is alpha/√rank"),                                                   \
    QN_OPT_FLAG("", "dora", "--lora: magnitudes beside the pairs"),                                                  \
    QN_OPT_FLOAT("", "lora-plus", "1", 0.001, 1e4, "--lora: the rate of B is X times that of A; 16 is usual (LoRA+)")

static const qn_opt opts[] = {
    QN_OPT_LIST("d", "data", "FILE", "examples: chat messages, ShareGPT, Alpaca, prompts with completions, text …"),
    QN_OPT_FOLDER("o", "out", NULL, "the run's folder, new or empty"),
    QN_OPTS_EXAMPLES,
    QN_OPT_STRING("", "validation", "0.05", "SHARE", "hold this share of the examples out: 0.05, or 5%"),
    QN_OPT_FLOAT("", "epochs", "3", 0.01, 10000, "times that each example is seen; decides the steps where --steps "
                 "does not"),
    QN_OPT_FLOAT("", "neftune", "0", 0, 1000, "noise on the embedding while training (NEFTune); 5 is usual, 0: none"),
    QN_OPTS_LORA,
    QN_OPT_ENUM("", "weights", "as-is", "as-is|f32", "f32: take what quantized weights stand for as numbers"),
    QN_OPTS_RUN,
    QN_OPT_FLAG("", "dry-run", "print the plan and stop; with --json, on stdout"),
    QN_OPT_CONFIG,
    QN_OPT_JSON,
    QN_OPT_END
};

static const char *const examples[] = {
    "quern train sft run/best --data sft.jsonl --out tuned",
    "quern train sft model/ --data alpaca.json --epochs 2 --neftune 5 --out tuned",
    "quern train sft model.gguf --lora --data alpaca.json --rank 8 --out tuned",
    "quern train sft model.gguf --weights f32 --data chats.jsonl.zst --held test.jsonl --out tuned",
    NULL
};

static const char notes[] =
    "Every answer of the assistant is taught, with the token that ends it; the rest is only read (--teach). The ids "
    "are those that chat and generate make of the same messages. `quern data check --model MODEL FILE` shows them. "
    "Whole examples are packed side by side and do not see one another.\n"
    "--lora trains an adapter: a model.gguf that is quantized stays so, and RUN/best is what `--adapter` of generate, "
    "chat and eval takes, and what PEFT loads.\n"
    "Where --lr is not given it is a thirtieth of what pre-training takes for that width; where --weight-decay is not, "
    "0; with --lora it is a third. A model without a chat template gets ChatML and its tokens.\n"
    "RUN is a run as `train pretrain` makes it, and `quern train resume RUN` goes on to the same bits; what the "
    "examples became stands in RUN/data.";

enum { CONTEXT_MOST = 1024, BATCH_MOST = 16, STEPS_LEAST = 10 };

static int check_names(const qn_cli *c) {
    size_t n;
    qn_cli_list(c, "data", &n);
    if (n == 0 || (!qn_cli_given(c, "out") && !qn_cli_flag(c, "dry-run")))
        return qn_fail(QN_EUSAGE, "needed: --data with a file of examples, and --out with a new folder");
    return 0;
}

static int take_lora(const qn_cli *c, qn_recipe_lora *l) {
    static const char *const parts[] = {"rank", "alpha", "targets", "lora-dropout", "rslora", "dora", "lora-plus"};
    const char *targets = qn_cli_str(c, "targets");
    for (size_t i = 0; i < QN_LEN(parts) && !qn_cli_flag(c, "lora"); i++)
        if (qn_cli_given(c, parts[i]))
            return qn_fail(QN_EUSAGE, "--%s is of adapters: it needs --lora", parts[i]);
    if (!qn_cli_flag(c, "lora"))
        return 0;
    if (qn_cli_enum(c, "weights") == 1)
        return qn_fail(QN_EUSAGE, "--weights f32: an adapter sits on the weights as they are; leave it out");
    if (strlen(targets) >= QN_TARGETS)
        return qn_fail(QN_EUSAGE, "--targets: %zu bytes of names; at most %d are expected", strlen(targets),
                       QN_TARGETS - 1);
    *l = (qn_recipe_lora){.rank = qn_cli_int(c, "rank"), .alpha = qn_cli_float(c, "alpha"),
                          .dropout = qn_cli_float(c, "lora-dropout"), .plus = qn_cli_float(c, "lora-plus"),
                          .rslora = qn_cli_flag(c, "rslora"), .dora = qn_cli_flag(c, "dora")};
    memcpy(l->targets, targets, strlen(targets) + 1);
    return 0;
}

/* Steps of a gradient are far below the steps of a quantized number: it would be trained in vain, or not be that model
 * any more. */
static int check_weights(const qn_cli *c, const qn_source *s) {
    const qn_tensor_file *f = qn_source_tensors(s);
    if (qn_cli_enum(c, "weights") == 1 || qn_cli_flag(c, "lora") || !f)
        return 0;
    for (size_t i = 0; i < qn_tensor_count(f); i++) {
        const qn_tensor_info *t = qn_tensor_at(f, i);
        if (t->dtype >= 0 && qn_dtype_get((qn_dtype)t->dtype)->block == 1)
            continue;
        return qn_fail(QN_EINVAL, "%s: its weights are quantized (%.*s is %s), and full fine-tuning trains numbers: "
                       "--lora trains an adapter beside them, --weights f32 begins with what they stand for, or `quern "
                       "convert --weights f32` makes such a model", qn_source_path(s), QN_STR_ARG(t->name), t->type);
    }
    return 0;
}

/* ---- examples ---- */

static int decide_context(qn_training *t) {
    const int64_t asked = qn_run_args_int(t->c, "context");
    t->recipe.context = asked > 0 ? asked : QN_MIN(t->cfg.context, (int64_t)CONTEXT_MOST);
    if (t->recipe.context > t->cfg.context)
        return qn_fail(QN_EINVAL, "rows of %lld tokens do not fit into the model's context of %lld; a smaller "
                       "--context does", (long long)t->recipe.context, (long long)t->cfg.context);
    return 0;
}

static int read_examples(qn_training *t, const qn_source *s) {
    qn_examples_options o;
    size_t n;
    const char *const *data = qn_cli_list(t->c, "data", &n);
    QN_TRY(qn_chat_model_open(&t->chat, s));
    QN_TRY(qn_example_args_read(t->c, data, n, t->recipe.context, &o));
    QN_TRY(qn_example_args_open(t->c, &o, &t->chat, &t->examples));
    qn_training_tuned(t, t->chat.rows, t->chat.eos, t->chat.n_eos);
    QN_TRY(qn_buf_put(&t->tokenizer_json, t->chat.json.s, t->chat.json.n));
    QN_TRY(qn_buf_put(&t->tokenizer_config_json, t->chat.config.s, t->chat.config.n));
    t->tok = t->chat.tok;
    t->chat.tok = NULL;
    return 0;
}

/* In RUN/data, for a resume. */
static int keep_examples(qn_training *t) {
    qn_buf dir = {0};
    int rc = qn_path_join(&dir, qn_run_path(t->run), "data");
    if (rc >= 0)
        rc = qn_training_save_examples(t, dir.s);
    if (rc >= 0 && !(t->data_path = qn_str_dup(QN_MEM_CLI, qn_buf_view(&dir))))
        rc = QN_ENOMEM;
    qn_buf_drop(&dir);
    return rc;
}

/* ---- the plan ---- */

static int count_rows(qn_training *t) {
    const qn_rows_options o = {.context = t->recipe.context, .seed = t->recipe.seed};
    qn_rows *rows;
    QN_TRY(qn_rows_of_examples(&rows, t->examples, &o));
    t->epoch_rows = qn_rows_per_epoch(rows);
    qn_rows_free(rows);
    return 0;
}

/* Rows of a step: as many as leave an epoch some steps, a power of two, 16 at most. */
static int64_t batch_for(int64_t rows) {
    int64_t batch = 1;
    while (batch < BATCH_MOST && rows / (2 * batch) >= STEPS_LEAST)
        batch *= 2;
    return batch;
}

/* The rules of the dial for what is not said; a rate, a batch and steps of our own. */
static int plan_run(qn_training *t) {
    const qn_cli *c = t->c;
    qn_recipe *r = &t->recipe;
    qn_dial d;
    qn_dial_init(&d);
    d.context = r->context;
    d.batch = qn_run_args_int(c, "batch");
    d.micro = qn_run_args_int(c, "micro-batch");
    d.steps = qn_run_args_int(c, "steps");
    d.warmup = qn_run_args_int(c, "warmup");
    if (d.batch < 0)
        d.batch = (batch_for(t->epoch_rows) + r->shards - 1) / r->shards * r->shards;
    if (d.steps < 0)
        d.steps = QN_MAX(1, (int64_t)ceil(qn_cli_float(c, "epochs") * (double)t->epoch_rows / (double)d.batch));
    if (qn_cli_given(c, "lr"))
        d.rate = qn_cli_float(c, "lr");
    if (!qn_cli_given(c, "weight-decay"))
        r->optimizer.weight_decay = 0;
    r->neftune = qn_cli_float(c, "neftune");
    qn_run_args_intervals(c, r);
    QN_TRY(qn_dial_run(&d, &t->cfg, t->gated, 1, r));
    if (!qn_cli_given(c, "lr"))
        r->schedule.peak /= r->lora.rank > 0 ? 3 : 30;
    if (r->lora.rank > 0 && d.micro < 0)        /* activations are most of what it holds */
        r->rows = QN_MAX(1, r->rows / 2);
    return qn_recipe_check(r);
}

static int keep_words(qn_training *t) {
    const char *prompt = qn_cli_str(t->c, "prompt");
    t->from = qn_str_dup(QN_MEM_CLI, qn_str_of(qn_cli_arg(t->c, 0)));
    if (prompt)
        t->prompt = qn_str_dup(QN_MEM_CLI, qn_str_of(prompt));
    return t->from && (t->prompt || !prompt) ? 0 : QN_ENOMEM;
}

static int begin(qn_training *t, const qn_source *s) {
    const char *model = qn_cli_arg(t->c, 0);
    QN_TRY(check_weights(t->c, s));
    QN_TRY(qn_training_look(t, model));
    QN_TRY(qn_dial_family(t->arch, &(qn_config){0}, &t->gated));
    QN_TRY(decide_context(t));
    QN_TRY(read_examples(t, s));
    QN_TRY(qn_run_args_patience(t));
    QN_TRY(count_rows(t));
    QN_TRY(plan_run(t));
    if (!qn_cli_flag(t->c, "dry-run")) {
        QN_TRY(qn_run_create(&t->run, qn_cli_str(t->c, "out")));
        QN_TRY(keep_examples(t));
    }
    QN_TRY(qn_training_open_model(t, model));
    return qn_training_build(t);
}

static int sft(qn_training *t) {
    qn_source *s = NULL;
    QN_TRY(check_names(t->c));
    QN_TRY(qn_run_args_check(t->c));
    QN_TRY(qn_cli_pool(t->c, &t->pool));
    t->kernels = qn_kernels_at(qn_cli_isa(t->c));
    QN_TRY(qn_peak_arithmetic(t->pool, &t->peak));
    qn_run_args_recipe(t);
    QN_TRY(take_lora(t->c, &t->recipe.lora));
    QN_TRY(keep_words(t));
    QN_TRY(qn_source_open(&s, qn_cli_arg(t->c, 0)));
    const int rc = begin(t, s);
    qn_source_close(s);
    QN_TRY(rc);
    qn_training_plan(t);
    if (qn_cli_flag(t->c, "dry-run"))
        return qn_cli_json(t->c) ? qn_training_plan_json(t) : 0;
    QN_TRY(qn_training_manifest(t, "running"));
    return qn_training_go(t);
}

static int run(qn_cli *c) { return qn_training_command(c, sft); }

const qn_cmd qn_cmd_train_sft = {
    "train sft", "MODEL", "a model taught by examples: chats, instructions", opts, examples, run, notes
};
