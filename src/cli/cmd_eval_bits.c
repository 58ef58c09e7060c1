/* cli/cmd_eval_bits.c — `quern eval bits`: what a model still has to learn of a world, kind by kind. */
#include <math.h>
#include <stdio.h>

#include "base/file.h"
#include "cli/bits_show.h"
#include "cli/eval_args.h"
#include "eval/baselines.h"

static const qn_opt opts[] = {
    QN_OPT_FILE("", "data", NULL, "prepared from the world: only documents of its validation split"),
    QN_OPT_COUNT("", "documents", NULL, 1, 1e9, "score N documents, spread evenly (without: all)"),
    QN_OPT_FILE("", "run", NULL, "the run of the model: its way there stands in the result too"),
    QN_OPT_FILE("", "out", NULL, "write the result as JSON to FILE, for reports"),
    QN_OPT_REPLACE,
    QN_OPTS_MODEL, QN_OPTS_SESSION,
    QN_OPT_JSON,
    QN_OPT_END
};

static const char *const examples[] = {
    "quern eval bits run/best world/ --data prepared/",
    "quern eval bits run/best world/ --data prepared/ --documents 200 --run run --out run/bits.json",
    "quern eval bits 5gram/ world/ --data prepared/ --json",
    NULL
};

static const char notes[] =
    "WORLD is a folder of `quern data world --sidecar`. The generator knows what each choice in a text cost: that is "
    "the floor, below which nobody comes. A model's bits above it are what it did not learn: of words and their order "
    "(grammar, style), of facts, by how often they were told (head, torso, tail), of what stands further up (copy), of "
    "sums (arithmetic).\n"
    "A token that reaches over several kinds is divided by bytes. MODEL may be a folder of `quern train ngram`.";

typedef struct {
    qn_cli *c;
    qn_ngram_model ngram;
    qn_scorer counted;
    qn_model_scorer model;
    const qn_scorer *s;
    qn_progress bar;
    qn_bits_set set;
    qn_bits_result r;
    qn_bits_curve curve;
} job;

static int open_scorer(job *j, const char *path) {
    if (!qn_ngram_model_is(path)) {
        QN_TRY(qn_model_scorer_open(j->c, &j->model, path, "model"));
        j->s = &j->model.scorer;
        return 0;
    }
    QN_TRY(qn_ngram_model_open(&j->ngram, path));
    QN_TRY(qn_ngram_scorer_init(&j->counted, "n-gram", j->ngram.g, j->ngram.tok));
    j->s = &j->counted;
    return 0;
}

static int on_document(void *arg, int64_t done, int64_t n) {
    job *j = arg;
    return qn_progress_reach(&j->bar, done, n);
}

static int write_file(const job *j, const char *path) {
    qn_buf text = {0};
    qn_jw w;
    qn_jw_init(&w, &text, 2);
    qn_bits_put(&j->r, &j->curve, &w);
    const int rc = qn_jw_write(&w, path);
    qn_buf_drop(&text);
    return rc;
}

static int show(job *j) {
    if (!qn_cli_json(j->c))
        return qn_bits_show(j->c, &j->r, qn_cli_arg(j->c, 0));
    qn_bits_put(&j->r, &j->curve, qn_out_json(j->c, 2));
    return qn_out_json_end(j->c);
}

static int evaluate(job *j) {
    qn_cli *c = j->c;
    qn_bits_options o = {.world = qn_cli_arg(c, 1), .data = qn_cli_str(c, "data"),
                         .max_documents = qn_cli_given(c, "documents") ? qn_cli_int(c, "documents") : 0};
    QN_TRY(qn_result_file_check(qn_cli_str(c, "out"), "a result of eval bits", qn_is_bits_file,
                                qn_cli_flag(c, "force")));
    QN_TRY(open_scorer(j, qn_cli_arg(c, 0)));
    o.tok = j->s->tok;
    QN_TRY(qn_bits_set_read(&j->set, &o));
    qn_progress_init(&j->bar, c, "scoring", 0, "documents");
    const int rc = qn_bits_set_score(&j->set, j->s, on_document, j, &j->r);
    qn_progress_drop(&j->bar);
    QN_TRY(rc);
    if (qn_cli_str(c, "run"))
        QN_TRY(qn_bits_curve_read(&j->curve, qn_cli_str(c, "run")));
    QN_TRY(show(j));
    return qn_cli_str(c, "out") ? write_file(j, qn_cli_str(c, "out")) : 0;
}

static int run(qn_cli *c) {
    job j = {.c = c};
    const int rc = evaluate(&j);
    qn_bits_curve_drop(&j.curve);
    qn_bits_set_drop(&j.set);
    qn_ngram_scorer_drop(&j.counted);
    qn_ngram_model_drop(&j.ngram);
    qn_model_scorer_drop(&j.model);
    return rc;
}

const qn_cmd qn_cmd_eval_bits = {
    "eval bits", "MODEL WORLD", "a model's loss by kind of choice, beside the least possible", opts, examples, run,
    notes
};
