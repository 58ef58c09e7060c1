/* record/record.h — storey 1: a run's folder: what was asked for, what happened at each step. Front door.
 *
 *   run.c        the folder, its lock, its manifest   metrics.c   metrics.jsonl, a line a step
 *   machine.c    what machine this is                 list.c      the runs below a folder
 *                                                     curve.c     the curves of one
 *
 *     RUN/manifest.json     argv, options, seed, version, machine, ISA level, threads, plan; state: running | done | …
 *     RUN/metrics.jsonl     {"step":1,"loss":…,"learning_rate":…,"grad_norm":…,"tokens_per_second":…}
 *     RUN/checkpoints/      step-00000100/ … each a model directory (train/checkpoint.h)
 *     RUN/last, RUN/best    links to the newest and the best of them
 *     RUN/samples.jsonl     what the model wrote on the way
 *     RUN/.lock             held by the process that works on the run; the system frees it however that ends
 *
 * The manifest is replaced as a whole (written beside, fsync, rename). Metrics are appended line by line, each in one
 * write; a line that a kill cut short is dropped when the run is taken up again, and so are lines behind the step that
 * it is taken up from: no step stands there twice.
 *
 *     qn_run *r; QN_TRY(qn_run_create(&r, "runs/a"));
 *     QN_TRY_OUT(qn_run_manifest(r, &work, "running", put_plan, &plan));
 *     for (…) { qn_jw *w = qn_run_metrics(r); qn_jw_key(w, "step"); …  QN_TRY_OUT(qn_run_metrics_end(r)); }
 *     QN_TRY_OUT(qn_run_state(r, "done"));
 *     out: qn_run_close(r);
 *
 * A run is used by one thread. */
#ifndef QN_RECORD_RECORD_H
#define QN_RECORD_RECORD_H

#include "base/base.h"
#include "base/json.h"

typedef struct qn_run qn_run;

/* Makes the folder (and those above it) and locks it. QN_EINVAL if it holds a run already or anything else: the message
 * says `quern train resume`. QN_EIO: not writable. Closed before its first manifest it leaves nothing behind. */
int qn_run_create(qn_run **out, const char *dir);
/* Takes one up. QN_ENOTFOUND: no manifest there; QN_EFORMAT: not ours, or broken; QN_EIO. A run that another living
 * process works on is QN_EINVAL. */
int qn_run_open(qn_run **out, const char *dir);
void qn_run_close(qn_run *r);                                   /* NULL is fine; releases the lock */
const char *qn_run_path(const qn_run *r);
/* "RUN/name", borrowed until the next call; NULL where memory ran out. */
const char *qn_run_file(qn_run *r, const char *name);

/* ---- manifest ---- */

/* Who works on the run. Everything is borrowed for the call. */
typedef struct {
    const char *what;                       /* "train pretrain" */
    int argc;
    const char *const *argv;                /* the whole command line */
    const char *isa;                        /* "avx2": the level that the kernels run at */
    int threads;
} qn_run_work;

/* The run itself puts: format, state, started, changed, what, argv, version, isa, threads, machine, resumed. `fill`
 * (NULL: none) adds members of its own to the open object; "steps", the steps in all, is shown by `quern runs`. Called
 * again it replaces the manifest but for `started` and `resumed`.
 * state: "running", "done", "stopped" (early, as asked), "failed". */
typedef int qn_manifest_fn(void *arg, qn_jw *w);
int qn_run_manifest(qn_run *r, const qn_run_work *work, const char *state, qn_manifest_fn *fill, void *arg);
/* Only the state (and when); the rest as it stands. What was appended so far is on the disk before it. */
int qn_run_state(qn_run *r, const char *state);
/* The same, and `seconds_taken`: by all processes that worked on the run so far, as a number, or null for a NaN. */
int qn_run_ended(qn_run *r, const char *state, double seconds);
/* "running" again, and one more row of `resumed`: when, behind which `step`, with which command line, version, machine,
 * level, threads. The rest as it stands. */
int qn_run_resumed(qn_run *r, const qn_run_work *work, int64_t step);
/* Text of the manifest as it stands on disk: for qn_json. Empty before the first. */
qn_str qn_run_manifest_text(const qn_run *r);

/* ---- metrics and samples ---- */

/* One line: begin (the object is open), put members, end. The writer is the run's own. "step" is a member of every
 * line; NaN and infinities become null. Without a failure nothing is allocated for lines up to 8 KB. */
qn_jw *qn_run_metrics(qn_run *r);
int qn_run_metrics_end(qn_run *r);
qn_jw *qn_run_sample(qn_run *r);
int qn_run_sample_end(qn_run *r);
/* metrics.jsonl and samples.jsonl as they were after `step`: later lines and broken ones are dropped, the latter with a
 * remark; each file is replaced as a whole. */
int qn_run_rewind(qn_run *r, int64_t step);

/* ---- the machine ---- */

typedef struct {
    char cpu[128];                      /* "AMD EPYC 7763 64-Core Processor"; "" unknown */
    char os[128];                       /* "Linux 6.1.0 x86_64" */
    int cores;                          /* that this process may use */
    int64_t memory;                     /* bytes, of the machine or of the container around us; 0 unknown */
} qn_machine;
void qn_machine_get(qn_machine *m);

/* ---- looking: needs no lock and changes nothing ---- */

typedef struct {
    char *path, *state, *started;       /* owned by the list; state "interrupted": said to run, but nobody does */
    char *what;                         /* "train pretrain" */
    int64_t step, steps;                /* last step recorded; steps in all, 0 unknown */
    double loss, eval_loss;             /* the last ones; NaN: none */
    double tokens_per_second;           /* the median of the steps, of a long run of its last ones; NaN: none */
} qn_run_row;
typedef struct { qn_run_row *row; size_t n, cap; } qn_run_list;
/* Runs in and below `dir`, three levels deep, newest first. What cannot be read is passed over aloud; only for `dir`
 * itself it is an error. Folders that begin with a dot, links and the insides of a run are not looked into. */
int qn_run_list_read(qn_run_list *l, const char *dir);
/* One run: `dir` itself. The manifest's text is appended to `manifest` (NULL: not wanted). Errors as qn_run_open. */
int qn_run_list_one(qn_run_list *l, const char *dir, qn_buf *manifest);
void qn_run_list_drop(qn_run_list *l);

/* metrics.jsonl as columns, one pass over the file: the members `keys` (at most 16) of all lines, in the order of the
 * file; NaN: absent, or no number; true is 1, false 0. Lines without a step, broken and unended ones are passed over
 * and counted. No such file: no rows. */
typedef struct {
    double *step, *column[16];          /* [n] each */
    size_t keys, n, step_cap, cap[16];
    int64_t broken;
} qn_run_table;
int qn_run_table_read(qn_run_table *t, const char *dir, const char *const *keys, size_t n);
void qn_run_table_drop(qn_run_table *t);

/* All values of one member of metrics.jsonl, in the order of the file; broken lines and others' are passed over. */
typedef struct { int64_t *step; double *value; size_t n, cap, value_cap; } qn_run_curve;
int qn_run_curve_read(qn_run_curve *curve, const char *dir, const char *key);
void qn_run_curve_drop(qn_run_curve *curve);

/* The median of n numbers, which are put into another order; NaN of none. One step by itself says how busy the machine
 * was at that moment. */
double qn_run_median(double *v, size_t n);

#endif
