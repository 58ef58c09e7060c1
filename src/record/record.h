/* record/record.h — storey 1: a run's folder: what was asked for, what happened at each step. Front door.
 *
 *   run.c        the folder and its manifest         metrics.c   metrics.jsonl, a line a step
 *   machine.c    what machine this is                list.c      the runs below a folder
 *
 *     RUN/manifest.json     argv, options, seed, version, machine, ISA level, threads, plan; state: running | done | …
 *     RUN/metrics.jsonl     {"step": 1, "loss": …, "learning_rate": …, "grad_norm": …, "tokens_per_second": …}
 *     RUN/checkpoints/      step-00000100/ … each a model directory (train/checkpoint.h)
 *     RUN/last, RUN/best    links to the newest and the best of them
 *     RUN/samples.jsonl     what the model wrote on the way
 *
 * The manifest is replaced as a whole (written beside, fsync, rename). Metrics are appended line by line, each in one
 * write; a line that a kill cut short is dropped when the run is taken up again, and so are lines behind the step that
 * it is taken up from: no step stands there twice. */
#ifndef QN_RECORD_RECORD_H
#define QN_RECORD_RECORD_H

#include "base/base.h"
#include "base/json.h"

typedef struct qn_run qn_run;

/* Makes the folder (and those above it). QN_EINVAL if it holds a run already or is not empty: the message says
 * `quern train resume`. QN_EIO: not writable. */
int qn_run_create(qn_run **out, const char *dir);
/* Takes one up. QN_ENOTFOUND: no manifest there; QN_EFORMAT. A run that another living process works on (lock on the
 * manifest) is QN_EINVAL. */
int qn_run_open(qn_run **out, const char *dir);
void qn_run_close(qn_run *r);                                   /* NULL is fine; releases the lock */
const char *qn_run_path(const qn_run *r);
/* "RUN/name", borrowed until the next call. */
const char *qn_run_file(qn_run *r, const char *name);

/* ---- manifest ---- */

/* The command line, the version and the machine are put by the run itself; `fill` adds members of its own (config, seed,
 * plan …) to the open object. Called again it replaces the manifest. state: "running", "done", "stopped", "failed". */
typedef int qn_manifest_fn(void *arg, qn_jw *w);
int qn_run_manifest(qn_run *r, int argc, const char *const *argv, const char *state, qn_manifest_fn *fill, void *arg);
/* Only the state (and when): the rest as it stands. */
int qn_run_state(qn_run *r, const char *state);
/* Text of the manifest as read at open: for qn_json. */
qn_str qn_run_manifest_text(const qn_run *r);

/* ---- metrics ---- */

/* One line: begin, put members, end. The writer is the run's own. */
qn_jw *qn_run_metrics(qn_run *r);
int qn_run_metrics_end(qn_run *r);
/* Drops what stands behind `step` and a broken last line. */
int qn_run_metrics_rewind(qn_run *r, int64_t step);
/* The same two for samples.jsonl. */
qn_jw *qn_run_sample(qn_run *r);
int qn_run_sample_end(qn_run *r);

/* ---- looking ---- */

typedef struct {
    char *path, *state, *started;       /* owned by the list */
    char *what;                         /* "train pretrain" */
    int64_t step, steps;
    double loss, eval_loss, tokens_per_second;      /* the last ones; NaN: none */
} qn_run_row;
typedef struct { qn_run_row *row; size_t n; } qn_run_list;
/* Runs in and below `dir`, three levels deep, newest first. A folder that cannot be read is passed over aloud. */
int qn_run_list_read(qn_run_list *l, const char *dir);
void qn_run_list_drop(qn_run_list *l);

#endif
