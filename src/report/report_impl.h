/* report/report_impl.h — inside the room: what was read of runs, and how the parts of a page hang together. */
#ifndef QN_REPORT_REPORT_IMPL_H
#define QN_REPORT_REPORT_IMPL_H

#include "record/record.h"
#include "report/report.h"

/* The columns of metrics.jsonl, in this order. */
enum { QN_LOSS, QN_EVAL_LOSS, QN_EVAL_BITS, QN_RATE, QN_NORM, QN_SPEED, QN_FLOPS, QN_SEEN, QN_EPOCH, QN_SKIPPED,
       QN_METRICS };
/* And those of a run over answers that are judged. */
enum { QN_REWARD_CHOSEN, QN_REWARD_REJECTED, QN_MARGIN, QN_ACCURACY, QN_MOVED_CHOSEN, QN_MOVED_REJECTED,
       QN_LENGTH_CHOSEN, QN_LENGTH_REJECTED, QN_KL, QN_EVAL_MARGIN, QN_EVAL_ACCURACY, QN_EVAL_MOVED, QN_JUDGED };
extern const char *const qn_judged_keys[QN_JUDGED];     /* as metrics.jsonl has them */

typedef struct { int64_t step; const char *prompt, *text; } qn_report_sample;
typedef struct { const char *group, *key, *value; } qn_report_fact;     /* "recipe", "batch", "16" */

/* What a baseline, or a group of items, scored; or another figure of the same answers (key ""). */
typedef struct {
    const char *key, *name;             /* "band", "head" */
    const char *who;                    /* the baseline that it is of; "" the model */
    qn_bar bar;
    double n;
} qn_report_score;
typedef struct {
    const char *name, *metric, *description;
    double n, chance, majority;
    qn_bar bar;
    qn_report_score *baseline, *group; size_t baselines, groups, baseline_cap, group_cap;
} qn_report_task;

/* Bits of one kind: the generator's own, the model's at the end, and on the way. */
typedef struct {
    const char *name;
    double floor, model;
    double *at, *bits;                  /* [n]: seconds (or steps), bits; NaN: not told there */
    size_t n, at_cap, bits_cap;
} qn_report_kind;

typedef struct {
    const char *paths;                  /* last parts of its paths */
    double files, documents, duplicates, empty, invalid, bytes, train_tokens, validation_tokens;
} qn_report_source;

/* All text is owned by the report. Numbers that nobody told are NaN, texts "". */
typedef struct {
    const char *path, *name;            /* as it was given; its last part */
    const char *state, *started, *changed, *what, *version, *isa, *cpu, *os, *command, *prompt, *arch, *schedule;
    const char *loss_type;              /* "", "nll": imitation */
    double cores, memory, threads, steps, parameters, memory_planned, peak, seed, clip, warmup;
    double *resumed; size_t resumes, resumed_cap;       /* behind which steps; NaN: nobody wrote it down */
    double layers, width, heads, context, vocab;
    qn_report_fact *fact; size_t facts, fact_cap;
    qn_run_table metrics, judged;       /* judged: without rows where nothing is */
    const char *asked_name[QN_PALETTE], *asked_key[QN_PALETTE]; size_t n_asked;     /* tasks on the way: the first */
    qn_run_table asked;                 /* a column of each */
    qn_report_sample *sample; size_t samples, sample_cap;
    int64_t samples_broken;
    qn_report_task *task; size_t tasks, task_cap;
    qn_report_kind *kind; size_t kinds, kind_cap;
    const char *bits_unit, *bits_along; /* "bits", "seconds" or "step" */
    qn_report_source *source; size_t sources, source_cap;
    bool data_there;
    const char **remark; size_t remarks, remark_cap;    /* what was passed over */
} qn_report_run;

/* A figure of alignment, of one model; tax: its difference to the reference. */
typedef struct {
    const char *name, *part, *about;
    bool headline, lower;
    qn_bar bar, tax;
    double chance;
} qn_report_stand;
typedef struct {
    const char *name, *path, *mix;
    double beta, share;                 /* what its run was asked for; share: pairs that are not of the first kind */
    qn_report_stand *row; size_t rows, row_cap;
    qn_bar wins, kl;
    double bytes, bytes_reference;      /* mean length of an answer */
} qn_report_aligned;

struct qn_report {
    qn_report_run *run; size_t n, cap;
    qn_report_aligned *align; size_t aligned, align_cap;    /* models of all files of hhh, each once */
    const char *reference;              /* what they are set beside; NULL: nothing */
    char **own; size_t owned, own_cap;  /* every text */
};

/* ---- reading ---- */

/* A copy that the report owns; NULL where memory ran out. */
const char *qn_report_keep(qn_report *r, qn_str text);
/* A JSON value's text, kept; "" for none. */
int qn_report_take(qn_report *r, const char **out, qn_str value);
QN_PRINTF(3, 4) int qn_report_remark(qn_report *r, qn_report_run *run, const char *fmt, ...);
int qn_report_read_run(qn_report *r, qn_report_run *run, const char *dir);
int qn_report_read_eval(qn_report *r, qn_report_run *run, const char *dir);
void qn_report_run_drop(qn_report_run *run);
int qn_report_take_alignment(qn_report *r, qn_str text);        /* a file of `eval hhh`; others are passed over */
void qn_report_align_drop(qn_report *r);
const qn_report_stand *qn_report_stand_of(const qn_report_aligned *m, const char *name);       /* NULL: none */

/* ---- what the numbers say ---- */

typedef struct { size_t n, least, most, first, last; double median; } qn_report_summary;   /* indices of values; n 0 */
int qn_report_summarize(const double *v, size_t n, qn_report_summary *s);
double qn_report_seconds(const qn_report_run *run);             /* of all steps; NaN unknown */
double qn_report_last(const qn_report_run *run, int column);    /* the last number of a column; NaN none */
double qn_table_last(const qn_run_table *t, int column);        /* the same of any table */
/* The figure that stands for a model: recall in a form that was not seen, where it was measured; else the first. */
const qn_report_task *qn_report_headline(const qn_report_run *run);
int qn_put_count(qn_buf *out, double n, const char *one, const char *many);     /* "1 step", "1.2M steps" */
int qn_put_duration(qn_buf *out, double seconds);               /* "54 s", "3 min 20 s", "2 h 5 min" */
int qn_put_bytes(qn_buf *out, double bytes);                    /* "80 MB" */
int qn_put_number(qn_buf *out, double v, int digits);
int qn_report_sentence(qn_buf *out, const qn_report_run *run);  /* what the run is, in a sentence or two */

typedef struct { char label[48], value[48]; qn_buf note; } qn_report_tile;
enum { QN_TILES = 10 };
int qn_report_tiles(const qn_report_run *run, qn_report_tile tile[QN_TILES], size_t *n);
void qn_report_tiles_drop(qn_report_tile tile[QN_TILES]);

/* ---- figures: into a page, or onto a terminal ---- */

typedef struct {
    qn_buf *out;
    const qn_text_plot *text;           /* NULL: HTML */
} qn_sink;
/* "Caption. Of this figure." stands below it. Wide ones have a twin for narrow screens. */
int qn_show_lines(qn_sink *s, const qn_lines *p, bool wide, const qn_buf *caption);
int qn_show_bars(qn_sink *s, const qn_bars *p, bool wide, const qn_buf *caption);
int qn_show_heading(qn_sink *s, const char *title);
/* Figures side by side. */
int qn_show_grid(qn_sink *s, bool begin);

/* Curves of one figure, and what it owns of them (figures_run.c). Each adds one in that colour: a column as it is with
 * medians over it, where there are steps enough for them; only these; or what is measured now and then. */
enum { QN_RUNS_DRAWN = QN_PALETTE };
typedef struct {
    qn_series series[3 * QN_RUNS_DRAWN]; size_t n;
    double *owned[4 * QN_RUNS_DRAWN]; size_t owns;
    double median;                      /* the last one that was added */
} qn_curves;
void qn_curves_drop(qn_curves *c);
int qn_curves_smoothed(qn_curves *c, const qn_run_table *t, int column, const char *name, int color);
int qn_curves_medians(qn_curves *c, const qn_run_table *t, int column, const char *name, int color,
                      qn_series_look look);
int qn_curves_measured(qn_curves *c, const qn_run_table *t, int column, const char *name, int color);

int qn_figure_loss(const qn_report *r, qn_sink *s);
int qn_figure_asked(const qn_report *r, qn_sink *s);            /* tasks on the way */
int qn_figures_judged(const qn_report *r, qn_sink *s);          /* margins, rewards, how far answers have moved */
int qn_figures_course(const qn_report *r, qn_sink *s);          /* rate, gradient, speed */
int qn_figure_eval(const qn_report *r, qn_sink *s);
int qn_figures_bits(const qn_report *r, qn_sink *s);
int qn_figure_align(const qn_report *r, qn_sink *s);            /* nothing where no model was aligned */
int qn_figure_sweep(const qn_report *r, qn_sink *s);            /* nothing without two values of beta, or two mixes */
int qn_figures_frontier(const qn_report *r, qn_sink *s);        /* nothing without two models */

/* ---- tables of the page ---- */

int qn_table_runs(const qn_report *r, qn_buf *out);
int qn_table_eval(const qn_report *r, qn_buf *out);
int qn_table_align(const qn_report *r, qn_buf *out);
int qn_table_samples(const qn_report *r, qn_buf *out);
int qn_table_data(const qn_report *r, qn_buf *out);
int qn_table_machine(const qn_report *r, qn_buf *out);
int qn_table_recipe(const qn_report *r, qn_buf *out);
int qn_table_again(const qn_report *r, qn_buf *out);            /* how to make it again */

#endif
