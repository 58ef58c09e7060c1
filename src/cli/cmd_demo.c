/* cli/cmd_demo.c — `quern demo`: a model made from nothing, step by step, each of which a person could type. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "cli/demo.h"
#include "kernels/kernels.h"
#include "report/members.h"
#include "world/world.h"

static const qn_opt opts[] = {
    QN_OPT_FOLDER("o", "out", "quern-demo", "everything goes into this folder; the same command goes on with it"),
    QN_OPT_DURATION("", "time", "3m", 1, 1e6, "the rung of the ladder next to this time: 5s, 1m, 3m, 10m, 1h"),
    QN_OPT_FILE("", "corpus", NULL, "your own text instead of the built-in world"),
    QN_OPT_INT("", "seed", "1", 0, 9e15, "of the world, the weights and the order"),
    QN_OPT_FLAG("", "force", "replace another demo that stands in the folder"),
    QN_OPT_FLAG("", "no-talk", "end behind the report"),
    QN_OPT_END
};

static const char *const examples[] = {
    "quern demo",
    "quern demo --time 10m --out long-demo",
    "quern demo --corpus books/ --out my-demo",
    NULL
};

static const char notes[] =
    "Each stage is a command of its own, which is shown: what the demo does, you can do. Ctrl-C stops it anywhere, and "
    "the same command goes on; stages that are done are not done again. Steps are fixed for each level of "
    "instructions, so the same seed gives the same model on each run, with any number of threads; --time is what two "
    "cores take.";

/* ---- stages ---- */

static int of_world(const qn_demo *d) { return d->corpus == NULL; }
static bool with_world(const qn_demo *d) { return of_world(d); }

static int add_path(qn_demo *d, qn_command *w, const char *option, const char *name) {
    if (option)
        QN_TRY(qn_command_add(w, option));
    const char *path = qn_demo_path(d, name);
    return path ? qn_command_add(w, path) : QN_ENOMEM;
}

/* Where the text lies. */
static int add_text(qn_demo *d, qn_command *w) {
    if (!d->corpus)
        QN_TRY(qn_command_add_words(w, "--separator <|endoftext|>"));
    return d->corpus ? qn_command_add(w, d->corpus) : add_path(d, w, NULL, "world/corpus");
}

static int world_command(qn_demo *d, qn_command *w) {
    QN_TRY(qn_command_add_words(w, "data world --seed %lld --size %s --sidecar --json", (long long)d->seed,
                                d->plan->world));
    return add_path(d, w, "--out", "world");
}

static int world_after(qn_demo *d, qn_str r) {
    return qn_demo_say(d, "%.0f people with %.0f facts, told %.0f times in %.1f MB of text; questions about them are "
                       "kept apart.", qn_member_number(r, "people"), qn_member_number(r, "facts"),
                       qn_member_number(r, "corpus.mentions"), qn_member_number(r, "corpus.bytes") / 1e6);
}

static int tokenizer_command(qn_demo *d, qn_command *w) {
    QN_TRY(qn_command_add_words(w, "train tokenizer --vocab %d --bos <|endoftext|> --json", d->plan->vocab));
    QN_TRY(add_path(d, w, "--out", "tokenizer"));
    if (!d->corpus)
        QN_TRY(add_path(d, w, "--chat-template", "world/chat_template.jinja"));
    return add_text(d, w);
}

static int tokenizer_after(qn_demo *d, qn_str r) {
    return qn_demo_say(d, "%.0f tokens, each of which stands for %.2f bytes of this text on average.",
                       qn_member_number(r, "vocab"), qn_member_number(r, "bytes_per_token"));
}

static int data_command(qn_demo *d, qn_command *w) {
    QN_TRY(qn_command_add_words(w, "data prepare --validation %s --json", d->corpus ? "5%" : "1%"));
    QN_TRY(add_path(d, w, "--tokenizer", "tokenizer"));
    QN_TRY(add_path(d, w, "--out", "data"));
    return add_text(d, w);
}

static int data_after(qn_demo *d, qn_str r) {
    return qn_demo_say(d, "%.2f million tokens to learn from, %.3f million kept apart to judge by.",
                       qn_member_number(r, "train.tokens") / 1e6, qn_member_number(r, "validation.tokens") / 1e6);
}

static int run_command(qn_demo *d, qn_command *w) {
    QN_TRY(qn_command_add_words(w, "train pretrain --seed %lld %s --batch %d --steps %d %s --json", (long long)d->seed,
                                d->plan->shape, d->plan->batch, d->plan->steps, d->plan->optimizer));
    if (!d->corpus)
        QN_TRY(add_path(d, w, "--bits", "world"));
    QN_TRY(add_path(d, w, "--data", "data"));
    return add_path(d, w, "--out", "run");
}

static int run_after(qn_demo *d, qn_str r) {
    return qn_demo_say(d, "%.0f steps over %.2f million tokens in %.0f s. On text that it never saw the model now "
                       "needs %.3f bits for each byte; a file takes 8.", qn_member_number(r, "step"),
                       qn_member_number(r, "tokens") / 1e6, qn_member_number(r, "seconds"),
                       qn_member_number(r, "eval_bits_per_byte"));
}

static int ngram_command(qn_demo *d, qn_command *w) {
    QN_TRY(qn_command_add_words(w, "train ngram --order 5 --max-tokens 20M --json"));
    QN_TRY(add_path(d, w, "--out", "ngram"));
    return add_path(d, w, NULL, "data");
}

static int ngram_after(qn_demo *d, qn_str r) {
    qn_buf run = {0};
    int rc = qn_demo_result(d, "run", &run);
    const double own = rc > 0 ? qn_member_number(qn_buf_view(&run), "eval_bits_per_byte") : NAN;
    const double bits = qn_member_number(r, "eval_bits_per_byte");
    if (rc >= 0)
        rc = qn_demo_say(d, "Counting alone needs %.3f bits for each byte; the model %.3f.", bits, own);
    qn_buf_drop(&run);
    return rc;
}

static int untrained_command(qn_demo *d, qn_command *w) {
    QN_TRY(qn_command_add_words(w, "train pretrain --seed %lld %s --batch 1 --steps 1 --lr 0 --sample-every 0 --json",
                                (long long)d->seed, d->plan->shape));
    QN_TRY(add_path(d, w, "--data", "data"));
    return add_path(d, w, "--out", "untrained");
}

static int suite_command(qn_demo *d, qn_command *w) {
    QN_TRY(qn_command_add_words(w, "eval suite --json"));
    if (d->plan->items)
        QN_TRY(qn_command_add_words(w, "--limit %d", d->plan->items));
    QN_TRY(add_path(d, w, NULL, "run/best"));
    QN_TRY(add_path(d, w, "--tasks", "world/eval"));
    QN_TRY(add_path(d, w, "--baseline", "ngram"));
    QN_TRY(add_path(d, w, "--baseline", "data"));
    QN_TRY(add_path(d, w, "--baseline", "untrained/last"));
    return add_path(d, w, "--out", "run/evaluation.json");
}

static int suite_after(qn_demo *d, qn_str r) {
    (void)r;
    return qn_demo_tell_tasks(d);
}

static int bits_command(qn_demo *d, qn_command *w) {
    QN_TRY(qn_command_add_words(w, "eval bits --documents 100 --json"));
    QN_TRY(add_path(d, w, NULL, "run/best"));
    QN_TRY(add_path(d, w, NULL, "world"));
    QN_TRY(add_path(d, w, "--data", "data"));
    QN_TRY(add_path(d, w, "--run", "run"));
    return add_path(d, w, "--out", "run/bits.json");
}

static int bits_after(qn_demo *d, qn_str r) {
    (void)r;
    return qn_demo_tell_bits(d);
}

static int sft_command(qn_demo *d, qn_command *w) {
    QN_TRY(qn_command_add_words(w, "train sft --seed %lld %s --json", (long long)d->seed, d->plan->tuning));
    QN_TRY(add_path(d, w, "--replay", "data"));
    QN_TRY(add_path(d, w, "--data", "world/sft.jsonl"));
    QN_TRY(add_path(d, w, "--out", "sft"));
    return add_path(d, w, NULL, "run/best");
}

static int sft_after(qn_demo *d, qn_str r) {
    return qn_demo_say(d, "%.0f steps in %.0f s. Answers that it was not shown cost it %.2f bits for each byte.",
                       qn_member_number(r, "step"), qn_member_number(r, "seconds"),
                       qn_member_number(r, "eval_bits_per_byte"));
}

static int dpo_command(qn_demo *d, qn_command *w) {
    QN_TRY(qn_command_add_words(w, "train dpo --seed %lld %s --where mixes=20/40/40 --where length=matched --json",
                                (long long)d->seed, d->plan->preferences));
    QN_TRY(add_path(d, w, "--replay", "data"));
    QN_TRY(add_path(d, w, "--data", "world/preferences.jsonl"));
    QN_TRY(add_path(d, w, "--out", "dpo"));
    return add_path(d, w, NULL, "sft/best");
}

static int dpo_after(qn_demo *d, qn_str r) {
    return qn_demo_say(d, "%.0f steps in %.0f s. Of pairs that it was not shown it ranks %.0f %% rightly, by how far "
                       "it has moved from where it began.", qn_member_number(r, "step"),
                       qn_member_number(r, "seconds"), 100 * qn_member_number(r, "eval_rewards/accuracies"));
}

static int hhh_command(qn_demo *d, qn_command *w) {
    QN_TRY(qn_command_add_words(w, "eval hhh --json"));
    if (d->plan->items)
        QN_TRY(qn_command_add_words(w, "--limit %d", d->plan->items));
    QN_TRY(add_path(d, w, NULL, "run/best"));
    QN_TRY(add_path(d, w, NULL, "sft/best"));
    QN_TRY(add_path(d, w, NULL, "dpo/best"));
    QN_TRY(add_path(d, w, "--world", "world"));
    QN_TRY(add_path(d, w, "--data", "data"));
    return add_path(d, w, "--out", "dpo/hhh.json");
}

static int hhh_after(qn_demo *d, qn_str r) {
    (void)r;
    return qn_demo_tell_alignment(d);
}

static int report_command(qn_demo *d, qn_command *w) {
    QN_TRY(qn_command_add(w, "report"));
    QN_TRY(add_path(d, w, NULL, "run"));
    if (!d->corpus) {
        QN_TRY(add_path(d, w, NULL, "sft"));
        QN_TRY(add_path(d, w, NULL, "dpo"));
    }
    return add_path(d, w, "--out", "report.html");
}

static const qn_demo_stage stages[] = {
    {.name = "world", .command = world_command, .makes = "world", .after = world_after, .wanted = with_world,
     .before = "A small closed world is made up out of a seed: people, where they live, what they do, and texts that "
               "tell of them. Whoever makes the text knows every fact in it and every choice behind it, so what the "
               "model learned can be measured exactly."},
    {.name = "tokenizer", .command = tokenizer_command, .makes = "tokenizer", .after = tokenizer_after,
     .before = "A model reads pieces of words, not letters. Which pieces, the text decides: the pair that stands side "
               "by side most often becomes one piece, again and again."},
    {.name = "data", .command = data_command, .makes = "data", .after = data_after,
     .before = "The text becomes numbers, once, so that training only has to read them. A part is kept apart: what a "
               "model says of text that it was trained on tells nothing."},
    {.name = "run", .command = run_command, .makes = "run", .after = run_after, .resumes = true,
     .before = "Now the model itself: numbers at random, which are shown one row of text after the other and moved, a "
               "little each time, so that they would have guessed each next piece better. This takes nearly all of the "
               "time."},
    {.name = "ngram", .command = ngram_command, .makes = "ngram", .after = ngram_after,
     .before = "What is that worth? Less than it seems, unless it beats something simple: a table of which piece "
               "follows which four pieces how often, smoothed as well as is known."},
    {.name = "untrained", .command = untrained_command, .makes = "untrained", .wanted = with_world,
     .before = "And the same model as it was before its first step: what shows there comes out of the test, not out of "
               "learning."},
    {.name = "evaluation", .command = suite_command, .makes = "run/evaluation.json", .after = suite_after,
     .wanted = with_world,
     .before = "Now the questions: who lives where, in words that were seen and in such that were not; which verb goes "
               "with which noun; what stood in the text; two and two. Beside the model answer the table, mere "
               "co-occurrence (which choice stands near the name most often) and the untrained model."},
    {.name = "bits", .command = bits_command, .makes = "run/bits.json", .after = bits_after, .wanted = with_world,
     .before = "Where are the bits that the model still needs? The generator knows what each of its choices cost; what "
               "the model needs beyond that is what it did not learn."},
    {.name = "sft", .command = sft_command, .makes = "sft", .after = sft_after, .wanted = with_world, .resumes = true,
     .before = "So far it goes on with whatever it is given; asked something, it rambles. Now it is shown questions "
               "with their answers, and learns the answers alone. In between it reads some of the old text again, "
               "because what is not read is forgotten."},
    {.name = "dpo", .command = dpo_command, .makes = "dpo", .after = dpo_after, .wanted = with_world, .resumes = true,
     .before = "And which of two answers is the better one: to say that one does not know rather than guess, to "
               "correct a false premise, to refuse what does harm, and nothing that does not. No reward, no judge: "
               "the better answer is made more probable than the other, measured from the model as it was (DPO)."},
    {.name = "alignment", .command = hhh_command, .makes = "dpo/hhh.json", .after = hhh_after, .wanted = with_world,
     .before = "Helpful, honest, harmless? All three models are asked what none of them was tuned with; and what they "
               "knew before is asked again, for that is what it cost."},
    {.name = "report", .command = report_command, .makes = "report.html", .shows = true,
     .before = "All of it on one page, to be opened in a browser; and in short here."},
};

/* ---- from the first to the last ---- */

static int begin(qn_demo *d) {
    char text[32];
    if (d->corpus)
        QN_TRY(qn_demo_say(d, "A language model out of %s: %.2f MB in %lld line%s, %.0f %% of its characters beyond "
                           "ASCII.", d->corpus, (double)d->text.bytes / 1e6, (long long)d->text.lines,
                           d->text.lines == 1 ? "" : "s",
                           100 * (double)d->text.foreign / (double)QN_MAX(1, d->text.characters)));
    else
        QN_TRY(qn_demo_say(d, "A language model from nothing: this machine, no network, no data but what is made on "
                           "the way."));
    return qn_demo_say(d, "Plan: the %s rung for level %s, about %s on two cores, into %s/. Ctrl-C stops it, the same "
                       "command goes on.", d->plan->time, qn_isa_name(d->isa),
                       qn_clock_text(qn_demo_plan_seconds(d->plan), text), d->dir);
}

/* What the model shall go on with: of the world, or of the user's own text. */
static int begin_with(qn_demo *d, qn_buf beginning[2]) {
    if (d->corpus)
        return qn_demo_beginnings(d, beginning);
    QN_TRY(qn_buf_puts(&beginning[0], "Once"));
    return qn_buf_puts(&beginning[1], "The town of");
}

static int end(qn_demo *d, const char *beginning) {
    qn_buf model = {0}, quoted = {0};
    char text[32];
    int rc = qn_path_join(&model, d->dir, "run/best");
    if (rc >= 0)
        rc = qn_put_quoted(&quoted, beginning);
    if (rc >= 0)
        rc = qn_demo_say(d, "\nDone, in %s this time. The model is %s: every command takes it, and so does the "
                         "transformers library. The report is %s/report.html. Next: `quern generate %s -p %s`; %s"
                         "longer with `--time 10m --out another`; docs/TRAINING.md has the rest.",
                         qn_clock_text(qn_now() - d->start, text), model.s, d->dir, model.s, quoted.s,
                         d->corpus ? "" : "the same on your own text with `quern demo --corpus FILE`; ");
    if (rc >= 0 && !d->corpus)
        rc = qn_demo_tell_tasks(d);
    if (rc >= 0 && !d->corpus)
        rc = qn_demo_tell_alignment(d);
    if (rc >= 0 && !d->corpus)
        rc = qn_demo_say(d, "`quern chat %s/dpo/best` asks the tuned one.", d->dir);
    qn_buf_drop(&model);
    qn_buf_drop(&quoted);
    return rc;
}

static int talk(qn_demo *d, const qn_buf beginning[2]) {
    const char *const both[] = {beginning[0].s, beginning[1].s};
    qn_buf model = {0};
    int rc = 0;
    if (!qn_cli_flag(d->c, "no-talk"))
        rc = qn_path_join(&model, d->dir, "run/best");
    if (rc >= 0 && model.n)
        rc = qn_demo_talk(d, model.s, both, 2);
    qn_buf_drop(&model);
    return rc;
}

static int tell_the_end(qn_demo *d) {
    qn_buf beginning[2] = {{0}, {0}};
    int rc = begin_with(d, beginning);
    if (rc >= 0)
        rc = end(d, beginning[0].s);
    if (rc >= 0)
        rc = talk(d, beginning);
    qn_buf_drop(&beginning[0]);
    qn_buf_drop(&beginning[1]);
    return rc;
}

static int choose(qn_demo *d) {
    const qn_cli *c = d->c;
    d->dir = qn_cli_str(c, "out");
    d->corpus = qn_cli_str(c, "corpus");
    d->seed = qn_cli_int(c, "seed");
    d->start = qn_now();
    d->isa = qn_kernels_at(qn_cli_isa(c))->isa;
    d->plan = qn_demo_plan_for(qn_cli_float(c, "time"), d->isa);
    if (d->corpus)
        QN_TRY(qn_demo_text_look(d->c, d->corpus, &d->text));
    for (size_t i = 0; i < QN_LEN(stages); i++)
        d->stages += !stages[i].wanted || stages[i].wanted(d);
    return 0;
}

static int demo(qn_demo *d) {
    QN_TRY(choose(d));
    const qn_world_size size = (qn_world_size)qn_world_size_named(d->plan->world);
    QN_TRY(qn_demo_room(d->dir, d->corpus ? d->text.bytes : qn_world_size_bytes(size)));
    QN_TRY(qn_demo_open(d, qn_cli_flag(d->c, "force")));
    QN_TRY(begin(d));
    for (size_t i = 0; i < QN_LEN(stages); i++)
        QN_TRY(qn_demo_run(d, &stages[i]));
    return tell_the_end(d);
}

static int run(qn_cli *c) {
    qn_demo d = {.c = c};
    const int rc = demo(&d);
    qn_buf_drop(&d.path);
    return rc;
}

const qn_cmd qn_cmd_demo = {
    "demo", "", "a model from nothing in some minutes", opts, examples, run, notes
};
