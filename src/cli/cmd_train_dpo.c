/* cli/cmd_train_dpo.c — `quern train dpo`: a model that learns which answers are preferred. */
#include "cli/tuning.h"

static const qn_opt opts[] = {
    QN_OPT_LIST("d", "data", "FILE", "pairs: a prompt, chosen, rejected; for --loss kto answers with a label"),
    QN_OPT_ENUM("", "loss", "sigmoid", QN_PREFERENCE_CHOICES, "what is made of them (docs/ALIGNMENT.md)"),
    QN_OPT_FLOAT("", "beta", NULL, 1e-6, 1000, "how dear distance from the reference is (default 0.1, simpo 2)"),
    QN_OPT_FLOAT("", "label-smoothing", "0", 0, 0.5, "sigmoid, simpo: share of pairs that are taken for swapped"),
    QN_OPT_FLOAT("", "rpo-alpha", "0", 0, 1000, "weight of the chosen answers' mean -ln p, which holds them; 0: none"),
    QN_OPT_FLOAT("", "simpo-gamma", NULL, 0, 1000, "simpo: the margin that is asked for (default 1)"),
    QN_OPT_FLOAT("", "desirable-weight", "1", 0, 1000, "kto: weight of good answers"),
    QN_OPT_FLOAT("", "undesirable-weight", "1", 0, 1000, "kto: weight of the others"),
    QN_OPT_FILE("", "reference", NULL, "a run on the same weights and examples: what it took of the reference serves"),
    QN_OPTS_TUNING("1"),
    QN_OPT_END
};

static const char *const examples[] = {
    "quern train dpo tuned/best --data pairs.jsonl --out aligned",
    "quern train dpo tuned/best --data pairs.jsonl --beta 0.3 --rpo-alpha 1 --out aligned",
    "quern train dpo model.gguf --lora --data pairs.jsonl --out aligned",
    "quern train dpo model.gguf --adapter tuned/best --data pairs.jsonl --out aligned",
    "quern train dpo model.gguf --weights f32 --data labels.jsonl --loss kto --out aligned",
    NULL
};

static const char notes[] =
    "Both answers of a pair stand side by side; --context is the room of one of them with its prompt. What the model, "
    "with the adapter that goes on, gives them before the first step is the reference, kept in "
    "RUN/data/reference.bin.\n"
    "Where --lr is not given it is 5e-7, for orpo 5e-6, and of adapters (--lora) ten times that. Small models bear "
    "more. Look at rewards/margins and rewards/accuracies, and whether logps/chosen falls: docs/ALIGNMENT.md.\n"
    "RUN is a run as `train sft` makes it, and `quern train resume RUN` goes on to the same bits.";

/* Which kinds an option means something for. */
static const struct { const char *name; int use; const char *why; } own[] = {
    {"label-smoothing", QN_USES_SMOOTHING, "it needs --loss sigmoid or simpo"},
    {"rpo-alpha", QN_USES_ANCHOR, "orpo has the mean -ln p of the chosen in it, and kto knows no pairs"},
    {"simpo-gamma", QN_USES_MARGIN, "it needs --loss simpo"},
    {"desirable-weight", QN_USES_WEIGHTS, "it needs --loss kto"},
    {"undesirable-weight", QN_USES_WEIGHTS, "it needs --loss kto"},
};

static int kind_of(const qn_cli *c) { return QN_OBJECTIVE_SIGMOID + qn_cli_enum(c, "loss"); }

static int recipe(qn_training *t) {
    const qn_cli *c = t->c;
    const qn_objective_info *k = qn_objective_get(kind_of(c));
    for (size_t i = 0; i < QN_LEN(own); i++)
        if (qn_cli_given(c, own[i].name) && !(k->uses & own[i].use))
            return qn_fail(QN_EUSAGE, "--%s: means nothing to --loss %s: %s", own[i].name, k->name, own[i].why);
    if (t->recipe.dropout > 0 || t->recipe.lora.dropout > 0)
        return qn_fail(QN_EUSAGE, "--dropout, --lora-dropout: what is dropped would be a difference between policy and "
                       "reference that nobody prefers; leave it out");
    t->reference_of = qn_cli_str(c, "reference");
    if (t->reference_of && !k->reference)
        return qn_fail(QN_EUSAGE, "--reference: means nothing to --loss %s: it has no reference", k->name);
    t->recipe.objective = (qn_objective){
        .kind = kind_of(c), .beta = qn_cli_given(c, "beta") ? qn_cli_float(c, "beta") : k->beta,
        .smoothing = qn_cli_float(c, "label-smoothing"), .anchor = qn_cli_float(c, "rpo-alpha"),
        .margin = qn_cli_given(c, "simpo-gamma") ? qn_cli_float(c, "simpo-gamma") : k->margin,
        .good = qn_cli_float(c, "desirable-weight"), .bad = qn_cli_float(c, "undesirable-weight"),
    };
    return 0;
}

/* Good and bad answers, and what one side alone, or one that hardly counts, comes to. */
static void say_labels(const qn_training *t) {
    const int64_t all = qn_examples_count(t->examples, QN_SPLIT_TRAIN);
    const qn_objective *o = &t->recipe.objective;
    int64_t good = 0;
    for (int64_t i = 0; i < all; i++) {
        qn_example e;
        qn_examples_get(t->examples, QN_SPLIT_TRAIN, i, &e);
        good += e.good;
    }
    const double up = o->good * (double)good, down = o->bad * (double)(all - good);
    qn_log(QN_LOG_INFO, "labels  %lld good, %lld bad", (long long)good, (long long)(all - good));
    if (good == 0 || good == all)
        qn_log(QN_LOG_WARN, "all answers are %s: there is nothing to tell them from, and what is learned is to say "
               "such things %s often", good ? "good" : "bad", good ? "more" : "less");
    else if (up > 2 * down && down > 0)
        qn_log(QN_LOG_INFO, "labels  with --undesirable-weight %.3g both sides would count alike", o->bad * up / down);
    else if (down > 2 * up && up > 0)
        qn_log(QN_LOG_INFO, "labels  with --desirable-weight %.3g both sides would count alike", o->good * down / up);
}

/* The examples are of one kind: data/examples.c saw to it. */
static int fits(const qn_training *t) {
    const qn_objective_info *k = qn_objective_get(kind_of(t->c));
    const qn_example_form form = qn_examples_form(t->examples);
    size_t n;
    const char *path = qn_cli_list(t->c, "data", &n)[0];
    if (k->from == QN_LEARNS_PAIRS && !qn_example_form_is_pair(form))
        return qn_fail(QN_EINVAL, "%s: holds %s, and --loss %s compares pairs (chosen and rejected)%s", path,
                       qn_example_form_name(form), k->name, form == QN_FORM_LABELS
                       ? "; --loss kto learns from answers with a label" : "; `quern train sft` learns from these");
    if (k->from == QN_LEARNS_LABELS && form != QN_FORM_LABELS)
        return qn_fail(QN_EINVAL, "%s: holds %s, and --loss kto learns from answers with a label, true or "
                       "false%s", path, qn_example_form_name(form), qn_example_form_is_pair(form)
                       ? "; --loss sigmoid compares pairs" : "; `quern train sft` learns from these");
    if (k->from == QN_LEARNS_LABELS)
        say_labels(t);
    return 0;
}

static int start(qn_training *t) {
    const qn_tuning how = {.recipe = recipe, .examples = fits, .teach = QN_TEACH_ANSWERS,
                           .rate = qn_objective_get(kind_of(t->c))->rate};
    return qn_tuning_start(t, &how);
}

static int run(qn_cli *c) { return qn_training_command(c, start); }

const qn_cmd qn_cmd_train_dpo = {
    "train dpo", "MODEL", "a model that learns from preferences: DPO and its relatives", opts, examples, run, notes
};
