/* cli/cmd_train_sft.c — `quern train sft`: a model taught by examples. */
#include "cli/tuning.h"

static const qn_opt opts[] = {
    QN_OPT_LIST("d", "data", "FILE", "examples: chat messages, ShareGPT, Alpaca, prompts with completions, text …"),
    QN_OPT_TEACH,
    QN_OPT_FLOAT("", "neftune", "0", 0, 1000, "noise on the embedding while training (NEFTune); 5 is usual, 0: none"),
    QN_OPTS_TUNING("3"),
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
    "chat and eval takes, and what PEFT loads. --adapter goes on with one: rank, alpha and targets are its own.\n"
    "Where --lr is not given it is a thirtieth of what pre-training takes for that width; where --weight-decay is not, "
    "0; with --lora it is a third. A model without a chat template gets ChatML and its tokens; rows for "
    "these are part of an adapter.\n"
    "RUN is a run as `train pretrain` makes it, and `quern train resume RUN` goes on to the same bits; what the "
    "examples became stands in RUN/data.";

static int recipe(qn_training *t) {
    t->recipe.neftune = qn_cli_float(t->c, "neftune");
    return 0;
}

/* Of answers that are judged the good ones are imitated, and the others are not used at all. */
static int say_used(const qn_training *t) {
    const qn_example_form form = qn_examples_form(t->examples);
    if (qn_example_form_is_pair(form))
        qn_log(QN_LOG_INFO, "pairs   only the chosen answers are taught; `quern train dpo` learns from both");
    if (form == QN_FORM_LABELS)
        qn_log(QN_LOG_INFO, "labels  only the good answers are taught; `quern train dpo --loss kto` learns from all");
    return 0;
}

static int start(qn_training *t) {
    const qn_tuning how = {.recipe = recipe, .examples = say_used, .teach = (qn_teach)qn_cli_enum(t->c, "teach")};
    return qn_tuning_start(t, &how);
}

static int run(qn_cli *c) { return qn_training_command(c, start); }

const qn_cmd qn_cmd_train_sft = {
    "train sft", "MODEL", "a model taught by examples: chats, instructions", opts, examples, run, notes
};
