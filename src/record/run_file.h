/* record/run_file.h — inside the room: a run's struct, and what its files have in common. */
#ifndef QN_RECORD_RUN_FILE_H
#define QN_RECORD_RUN_FILE_H

#include "base/file.h"
#include "record/record.h"

#define QN_RUN_FORMAT "quern run 1"
#define QN_RUN_MANIFEST "manifest.json"
#define QN_RUN_METRICS "metrics.jsonl"
#define QN_RUN_SAMPLES "samples.jsonl"
#define QN_RUN_LOCK ".lock"
#define QN_RUN_MANIFEST_MAX ((size_t)16 << 20)

/* A file of JSON lines that grows. */
typedef struct {
    const char *name;           /* in the run's folder */
    qn_append_file file;        /* opened at the first line */
    qn_buf line;
    qn_jw w;
} qn_run_stream;

struct qn_run {
    char *dir;
    int lock;                   /* fd of RUN/.lock */
    bool made;                  /* the folder is ours: nobody had it before */
    bool began;                 /* it has a manifest */
    char started[32];
    qn_buf manifest, path;
    qn_run_stream metrics, samples;
};

int qn_run_stream_init(qn_run_stream *s, const char *name);
void qn_run_stream_drop(qn_run_stream *s);

/* The members `keys` of a line as numbers (true 1, false 0); NaN: absent, or none. False if it is no whole object. */
bool qn_run_line(qn_str line, const char *const *keys, size_t n, double *value);
/* A "step" as it was read; false if it is none. */
bool qn_run_step(double value, int64_t *step);
/* Calls each(arg, key, raw value) for the members of an object; `path` is for messages. */
typedef int qn_run_member_fn(void *arg, qn_str key, qn_str value);
int qn_run_members(qn_str text, const char *path, qn_run_member_fn *each, void *arg);
/* 1: a manifest of ours; 0: of somebody else's; <0: no JSON object. */
int qn_run_manifest_ours(qn_str text, const char *path);
/* Appends the text of a manifest that must be ours: else QN_EFORMAT. */
int qn_run_manifest_read(qn_buf *text, const char *path);
/* QN_ENOTFOUND where a folder has no manifest. */
int qn_run_look(const char *dir, const char *manifest);
void qn_machine_put(qn_jw *w);
/* Does a living process hold the lock of this run? False also where nobody can tell. */
bool qn_run_is_locked(const char *dir);

#endif
