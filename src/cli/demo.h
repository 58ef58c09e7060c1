/* cli/demo.h — what `quern demo` is made of: a plan, and stages that are done once.
 *
 *   cmd_demo.c      the options; which stages there are, what they run, what is said of them; the end
 *   demo_plan.c     one table: how large, how long, at which level of instructions within which time
 *   demo_stage.c    a stage: done before? left half done? else run, told, marked as done
 *   demo_told.c     what the evaluation found, in sentences
 *   demo_text.c     a look at the user's own text before anything is made of it; room on the disk
 *   demo_begin.c     beginnings out of that text, for the model to go on with
 *   demo_talk.c     a prompt at the end
 *
 *     DIR/demo.json            what the demo was asked for; other options are refused there, unless forced
 *     DIR/stages/NAME.json     the mark of a stage that is done: its key, its command, its time, what that printed
 *     DIR/stages/NAME.begun    the key of one that was begun
 *     DIR/world tokenizer data run ngram untrained eval sft dpo report.html …     what the stages make
 *
 * A stage's key is a hash of its command line and of the key of the stage before, so a stage is done anew exactly where
 * something before it is another. Whatever a kill leaves: marks are written last and as a whole, what belongs to no
 * mark is removed before it is made again, and a training run that was begun goes on from its last checkpoint. */
#ifndef QN_CLI_DEMO_H
#define QN_CLI_DEMO_H

#include "cli/within.h"

/* ---- the plan ---- */

typedef struct {
    const char *time;           /* as --time takes it */
    qn_isa isa;                 /* from this level on */
    const char *world;          /* small, medium, large */
    int vocab;
    const char *shape;          /* options of `train pretrain`: of the model … */
    int batch, steps;
    const char *optimizer;      /* … of the run */
    int items;                  /* of each task that are asked; 0: all */
    const char *tuning, *preferences;   /* options of `train sft` and `train dpo` */
} qn_demo_plan;
/* The rung of the ladder that takes `seconds` or next to it, at the level that the kernels run at. */
const qn_demo_plan *qn_demo_plan_for(double seconds, qn_isa isa);
double qn_demo_plan_seconds(const qn_demo_plan *p);
/* "10s, 1m, 3m …" of all rungs. */
int qn_demo_plan_ladder(qn_buf *out);

/* ---- the user's own text ---- */

typedef struct {
    int64_t files, documents, bytes, lines, characters;
    int64_t foreign;            /* characters beyond ASCII */
    uint64_t content;           /* a hash of all of it */
} qn_demo_text;
/* Reads all of it once. QN_EINVAL: too little to learn from. */
int qn_demo_text_look(qn_cli *c, const char *path, qn_demo_text *t);
/* QN_EIO where the disk of `dir` has less room than a demo of so many bytes of text takes. */
int qn_demo_room(const char *dir, int64_t text_bytes);

/* ---- stages ---- */

typedef struct qn_demo qn_demo;

typedef struct {
    const char *name;
    const char *before;         /* what happens, and why: said first */
    int (*command)(qn_demo *d, qn_command *w);
    const char *makes;          /* what it makes, in the demo's folder */
    int (*after)(qn_demo *d, qn_str result);    /* what came of it, out of what the command printed as JSON */
    bool (*wanted)(const qn_demo *d);           /* NULL: always */
    bool resumes;               /* a run: what was begun goes on */
    bool shows;                 /* what the command prints is shown, and is no JSON */
} qn_demo_stage;

struct qn_demo {
    qn_cli *c;
    const qn_demo_plan *plan;
    qn_isa isa;                 /* the kernels run at */
    const char *dir, *corpus;   /* corpus: the user's own text, NULL: a world */
    int64_t seed;
    qn_demo_text text;
    uint64_t key;               /* of the last stage; before the first one, of all that was asked for */
    int done, stages;           /* so far; in all */
    double start;
    qn_buf path;                /* of qn_demo_path */
};

/* DIR/name; valid until the next call. NULL where memory has run out. */
const char *qn_demo_path(qn_demo *d, const char *name);
/* Says it on stdout, wrapped, a blank line behind it. */
QN_PRINTF(2, 3) int qn_demo_say(qn_demo *d, const char *fmt, ...);
/* The folder is new, empty, or of a demo that was asked for the same; `force` takes another demo's. */
int qn_demo_open(qn_demo *d, bool force);
int qn_demo_run(qn_demo *d, const qn_demo_stage *stage);
/* What the command of a stage that is done printed: appended to out; 0 where it is not done. */
int qn_demo_result(qn_demo *d, const char *stage, qn_buf *out);
/* What a file of the demo's folder holds: appended. */
int qn_demo_file(qn_demo *d, const char *name, qn_buf *out);

/* What the evaluation found, in a few sentences. */
int qn_demo_tell_tasks(qn_demo *d);
int qn_demo_tell_bits(qn_demo *d);
int qn_demo_tell_alignment(qn_demo *d);

/* How two documents of the validation text begin: the first words of each, appended. */
int qn_demo_beginnings(qn_demo *d, qn_buf out[2]);
/* At a terminal a prompt that the model continues, line by line; elsewhere a few continuations of given beginnings. */
int qn_demo_talk(qn_demo *d, const char *model, const char *const *beginnings, size_t n);

#endif
