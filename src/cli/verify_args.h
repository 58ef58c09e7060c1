/* cli/verify_args.h — what `verify` and every `--verify` have in common: two models opened, set side by side, shown.
 *
 *     qn_verify_job j = {.c = c, .weights = QN_WEIGHTS_AS_IS, .o = {.relation = QN_VERIFY_QUANTIZE}, .detect = false};
 *     rc = qn_verify_job_run(&j, "a.gguf", "b.gguf");     0: j.r is there, whatever it says
 *     … qn_verify_job_put_text(&j), or members with qn_verify_json(&j.r, w) …
 *     rc = qn_verify_verdict(&j.r);                       QN_EDIFFER: the command's exit code
 *     qn_verify_job_drop(&j); */
#ifndef QN_CLI_VERIFY_ARGS_H
#define QN_CLI_VERIFY_ARGS_H

#include "cli/open_model.h"
#include "eval/verify.h"

#define QN_OPT_VERIFY QN_OPT_FLAG("", "verify", "set the result beside what it was made of, as `quern verify` does")

typedef struct {
    qn_cli *c;
    int weights;                    /* both are loaded like this */
    int kv;                         /* qn_dtype of both caches; −1: what fits each */
    bool detect;                    /* the relation out of what both look like */
    qn_model_word word[2];          /* of A and B: their adapters (open_model.h); the run sets the paths */
    qn_verify_options o;
    /* filled by the run */
    qn_opened a, b, bare;           /* bare: A without its adapters, where B has none: what they do is measured, too */
    qn_verify_result r;
    qn_progress bar;
} qn_verify_job;

/* Opens both, runs, shows progress. */
int qn_verify_job_run(qn_verify_job *j, const char *a, const char *b);
/* What both are, and the statement, on stdout. */
int qn_verify_job_put_text(qn_verify_job *j);
void qn_verify_job_drop(qn_verify_job *j);

/* For a command that has the file that it read and the one that it wrote: run, say, judge. With `w` the statement is a
 * member "verify" of the object that is open, else text. QN_EDIFFER: beyond the limits; both files stay. */
int qn_verify_files(qn_cli *c, const char *a, const char *b, int weights, qn_verify_relation relation, qn_jw *w);

#endif
