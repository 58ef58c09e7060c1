/* cli/cli.h — storey 9: what a command sees of the command line.
 *
 *   main.c          first and last lines of the process; reads the environment
 *   commands.c      the table of verbs (cmd_list.inc), looking one up
 *   options.c       argv against a command's option table; the values by name
 *   config_file.c   the same options from FILE.yaml     option_json.c   … and from a manifest, and into one
 *   option_values.c one value, checked and set: options.h, for these three
 *   help.c          help texts out of the same tables
 *   output.c        stdout (text and JSON), reading a TEXT argument
 *   progress.c      stderr: remarks of the library, bar with rate and ETA
 *   cancel.c        Ctrl-C as a flag
 *   state.c         files of ours that outlive a command
 *   line.c          line editing with history for `chat`
 *   open_model.c    MODEL and the options around it as tokenizer, weights, session
 *   model_facts.c   … as facts, without loading it
 *   prompt.c        a conversation as ids: chat template, trusted spans, tokenizer
 *   sampling.c      how answers are sampled, what they have to fit, and what they cost
 *   draft_args.c    who guesses ahead for them
 *   talk.c          the turns of a conversation
 *   hhh_show.c      helpful, honest, harmless as tables
 *   verify_args.c   two models opened and set side by side
 *   training.c      a training run from its recipe to its last line; training_plan.c what it is going to be,
 *                   training_memory.c and training_disk.c what it takes, training_end.c what it came to
 *   tuning.c        one that begins with a model and learns from examples, up to its first step
 *   counting.c      n-grams out of prepared data
 *   within.c        a command run by another one
 *   demo.h          what `demo` is made of: demo_plan.c, demo_stage.c, demo_text.c
 *   world_report.c  what `data world` made, in figures
 *   house_checks.c  what `selftest all` looks at beside the kernels
 *   fields.h peaks.h  members of JSON results; the machine's peaks among them
 *   bench_text.h    what tables of `bench` write alike
 *   cmd_<verb>.c    one command each
 *
 * A command is one file and one row of cmd_list.inc. Its file is a table of options, some examples, a run function and
 * a qn_cmd; out of the table come parsing, --help, shell completion and the manual page:
 *
 *     static const qn_opt opts[] = {
 *         QN_OPT_FILE("f", "file", NULL, "read the text from FILE (- for standard input)"),
 *         QN_OPT_FLAG("", "count", "print how many"),
 *         QN_OPT_INT("n", "tokens", "128", 1, 1e6, "stop after N tokens"),
 *         QN_OPT_JSON,
 *         QN_OPT_END
 *     };
 *     static int run(qn_cli *c) { … qn_cli_arg(c, 0) … qn_cli_int(c, "tokens") … }
 *     const qn_cmd qn_cmd_tokenize = {"tokenize", "MODEL [TEXT]", "text to tokens", opts, examples, run};
 *
 * run returns 0 or a negative QN_E*; main prints the message and exits with the code of the error list. The result goes
 * to stdout through qn_out_*, remarks go through qn_log to stderr. Asking for an option that is not in the table, or by
 * the wrong kind, is our own bug (qn_assert). */
#ifndef QN_CLI_CLI_H
#define QN_CLI_CLI_H

#include <stdatomic.h>

#include "base/base.h"
#include "base/json.h"
#include "base/pool.h"
#include "kernels/kernels.h"

typedef struct qn_cli qn_cli;

/* ---- tables --------------------------------------------------------------------------------------------------- */

typedef enum {
    QN_KIND_NONE, QN_KIND_FLAG, QN_KIND_INT, QN_KIND_FLOAT, QN_KIND_STRING, QN_KIND_FILE, QN_KIND_ENUM, QN_KIND_LIST,
    QN_KIND_COUNT, QN_KIND_DURATION
} qn_opt_kind;

typedef struct {
    qn_opt_kind kind;
    const char *brief;      /* one letter, or "" */
    const char *name;       /* without the dashes */
    const char *def;        /* the default as a user would write it; NULL: none */
    double lo, hi;          /* numbers: inclusive range */
    const char *value;      /* what stands for the value in the help; an enum's choices, "f32|bf16" */
    const char *help;
} qn_opt;

#define QN_NO_LIMIT (1.0 / 0.0)     /* as hi; as lo with a minus */
#define QN_OPT_FLAG(brief, name, help) {QN_KIND_FLAG, brief, name, NULL, 0, 0, NULL, help}
#define QN_OPT_INT(brief, name, def, lo, hi, help) {QN_KIND_INT, brief, name, def, lo, hi, "N", help}
#define QN_OPT_FLOAT(brief, name, def, lo, hi, help) {QN_KIND_FLOAT, brief, name, def, lo, hi, "X", help}
#define QN_OPT_STRING(brief, name, def, value, help) {QN_KIND_STRING, brief, name, def, 0, 0, value, help}
#define QN_OPT_FILE(brief, name, def, help) {QN_KIND_FILE, brief, name, def, 0, 0, "FILE", help}
#define QN_OPT_FOLDER(brief, name, def, help) {QN_KIND_FILE, brief, name, def, 0, 0, "FOLDER", help}
#define QN_OPT_ENUM(brief, name, def, choices, help) {QN_KIND_ENUM, brief, name, def, 0, 0, choices, help}
#define QN_OPT_LIST(brief, name, value, help) {QN_KIND_LIST, brief, name, NULL, 0, 0, value, help}    /* repeatable */
/* "900", "64k", "0.9M", "1.3B"; "90s", "3m", "1h30m" in seconds. */
#define QN_OPT_COUNT(brief, name, def, lo, hi, help) {QN_KIND_COUNT, brief, name, def, lo, hi, "COUNT", help}
#define QN_OPT_DURATION(brief, name, def, lo, hi, help) {QN_KIND_DURATION, brief, name, def, lo, hi, "TIME", help}
/* A command with this one reads any of its options from a file as well: main does that, before it runs. */
#define QN_OPT_CONFIG QN_OPT_FILE("", "config", NULL, "take options from FILE.yaml; those on the command line win")
#define QN_OPT_JSON QN_OPT_FLAG("", "json", "print the result as JSON")
#define QN_OPT_END {QN_KIND_NONE, NULL, NULL, NULL, 0, 0, NULL, NULL}

typedef struct {
    const char *name;                   /* "tokenize", or two words: "eval ppl" */
    const char *args;                   /* "MODEL [TEXT]": optional ones in brackets, "FILE..." for one or more */
    const char *about;                  /* one line, no full stop */
    const qn_opt *opts;                 /* NULL: none of its own */
    const char *const *examples;        /* whole command lines, NULL-terminated */
    int (*run)(qn_cli *c);
    const char *notes;                  /* optional paragraphs at the end of the help */
} qn_cmd;

extern const qn_cmd *const qn_commands[];           /* in the order of cmd_list.inc, NULL-terminated */
extern const qn_opt qn_global_opts[];               /* understood before and after every verb */
#define QN_CMD(name) extern const qn_cmd qn_cmd_##name;
#include "cli/cmd_list.inc"
#undef QN_CMD

/* ---- what the user asked for ----------------------------------------------------------------------------------- */

/* What main read from the environment; NULL where unset. Borrowed. */
typedef struct { const char *cpu, *state_home, *home; } qn_cli_env;

typedef struct {
    bool given, filed;          /* filed: it stood in the --config file */
    int64_t i;                  /* INT, COUNT; FLAG 0 or 1; ENUM the index of the choice */
    double f;                   /* FLOAT; DURATION in seconds */
    const char *s;              /* STRING, FILE, ENUM */
    const char **list;          /* LIST */
    size_t n, cap;
} qn_cli_value;

struct qn_cli {
    const qn_cmd *cmd;
    qn_cli_value *value;        /* one per option of cmd */
    qn_cli_value *global;       /* one per global option */
    int argc;                   /* the words as they were typed, without the program's name; borrowed */
    const char *const *argv;
    const char **arg;           /* what is no option; borrowed from argv */
    size_t n_args, arg_cap;
    char **kept;                /* texts of values that came from a file; owned */
    size_t n_kept, kept_cap;
    bool help, version;         /* --help, --version were seen: nothing else is checked */
    const char *group;          /* help is wanted for all verbs that begin with this word; borrowed */
    qn_cli_env env;
    qn_pool *pool;
    qn_buf out;                 /* stdout, not written yet */
    int out_fd;
    bool out_closed;            /* the reader went away: nothing more is written, the work is cancelled */
    bool out_kept;              /* all of it stays in `out`, for the command that this one runs within */
    qn_buf json;
    qn_jw jw;
    bool err_tty, bar;          /* stderr is a terminal; a progress bar stands on its last line */
};

/* Options by name. `given` means that the user wrote it; without that and without a default INT is 0, FLOAT 0, strings
 * NULL. Strings are borrowed for the life of the command. */
bool qn_cli_given(const qn_cli *c, const char *name);
bool qn_cli_flag(const qn_cli *c, const char *name);
int64_t qn_cli_int(const qn_cli *c, const char *name);                          /* INT, COUNT */
double qn_cli_float(const qn_cli *c, const char *name);                         /* FLOAT, DURATION */
const char *qn_cli_str(const qn_cli *c, const char *name);                      /* STRING, FILE, ENUM */
int qn_cli_enum(const qn_cli *c, const char *name);                             /* index of the choice; -1 unset */
const char *const *qn_cli_list(const qn_cli *c, const char *name, size_t *n);
/* STRING as bytes in powers of 1024: "512M", "2G". QN_EUSAGE: no size, or below `least`. */
int qn_cli_size(const qn_cli *c, const char *name, int64_t least, int64_t *out);
bool qn_cli_json(const qn_cli *c);                                              /* false without QN_OPT_JSON */

/* The command's options with their values, given or default, as members of the open object, for a manifest: null where
 * there is neither; and "given", the names of those that the user wrote. `config` is left out: its effect is there.
 * The values come back bit for bit. */
int qn_cli_put_options(const qn_cli *c, qn_jw *w);
/* Such an object again (whole, with its braces), for a command that was parsed already: what its command line gives
 * wins. QN_EFORMAT: not of that form, an option that the command does not have, a value that it does not take; the
 * message begins with `name`. */
int qn_cli_take_options(qn_cli *c, qn_str json, const char *name);

/* Arguments: the i-th, or NULL where an optional one was left out. */
const char *qn_cli_arg(const qn_cli *c, size_t i);
size_t qn_cli_args(const qn_cli *c);
/* Where on the command line a text stands that came from it (an argument, a value, the end of one): which word, from 0;
 * −1: it came from elsewhere. */
int qn_cli_place(const qn_cli *c, const char *text);
/* One of several words as the i-th argument: its index; QN_EUSAGE with a suggestion; -1 stands for "left out". */
int qn_cli_word(const qn_cli *c, size_t i, const char *const *words, size_t n, int *index);

/* --threads, as a pool of this process: created at the first call, freed after the command. */
int qn_cli_pool(qn_cli *c, qn_pool **pool);
/* --isa or QUERN_CPU: the highest level that kernels may use. */
qn_isa qn_cli_isa(const qn_cli *c);
/* A file of ours that outlives the command, e.g. "history": $XDG_STATE_HOME/quern or ~/.local/state/quern, made when
 * needed. QN_ENOTFOUND where there is no home. */
int qn_cli_state_path(const qn_cli *c, const char *name, qn_buf *path);

/* A text: checked UTF-8, without a promise of a NUL behind it. */
typedef struct { const char *s; size_t n; qn_buf own; } qn_text;
/* The i-th argument, or --file (with - as either: standard input). Exactly one of them must be there: QN_EUSAGE;
 * QN_EUTF8 names the byte. */
int qn_cli_text(const qn_cli *c, size_t i, qn_text *t);
/* The same where the text itself is an option (-p TEXT | -f FILE). */
int qn_cli_text_opt(const qn_cli *c, const char *text_option, qn_text *t);
/* … of an option that may be repeated, its i-th (where there is none at all: 0). */
int qn_cli_text_item(const qn_cli *c, const char *list_option, size_t i, qn_text *t);
void qn_text_drop(qn_text *t);

/* ---- the result: stdout ------------------------------------------------------------------------------------------
 * Buffered. An error stays until qn_out_flush, which main calls last: a command need not look at each of them, only a
 * loop that prints for long does well to. A reader that goes away (`| head`) cancels the command quietly. */
int qn_out_put(qn_cli *c, const char *bytes, size_t n);
int qn_out_puts(qn_cli *c, const char *z);
/* A stranger's words, safe on a terminal: control codes, but for those in `but`, and what is not UTF-8 become '?'. */
int qn_clean(qn_buf *out, qn_str s, const char *but);
/* … on stdout, without any of them. */
int qn_out_clean(qn_cli *c, qn_str s);
QN_PRINTF(2, 3) int qn_out_printf(qn_cli *c, const char *fmt, ...);
int qn_out_flush(qn_cli *c);                        /* now: after each token of a stream */
/* One JSON value: take the writer, fill it, end it. `indent` 0 puts it on one line, for streams of lines. */
qn_jw *qn_out_json(qn_cli *c, int indent);
int qn_out_json_end(qn_cli *c);

/* ---- progress: stderr --------------------------------------------------------------------------------------------
 * A bar with rate and ETA on a terminal, a plain line every few seconds otherwise, nothing with --quiet. */
typedef struct {
    qn_cli *c;
    const char *what, *unit;        /* "scoring", "tokens"; borrowed */
    int64_t total, done;            /* total 0: not known */
    int64_t from;                   /* what was done before it began: no part of the rate */
    double start, shown;            /* seconds */
    char note[96];                  /* behind the bar: "ppl 23.5" */
} qn_progress;
void qn_progress_init(qn_progress *p, qn_cli *c, const char *what, int64_t total, const char *unit);
void qn_progress_set(qn_progress *p, int64_t done);
int qn_progress_reach(qn_progress *p, int64_t done, int64_t total);      /* the same; QN_ECANCEL after Ctrl-C */
QN_PRINTF(2, 3) void qn_progress_note(qn_progress *p, const char *fmt, ...);
void qn_progress_drop(qn_progress *p);              /* wipes the bar and says how long it took */
/* "1:02:03" or "2:03", into out, which is returned. */
const char *qn_clock_text(double seconds, char out[32]);
int64_t qn_cli_peak_bytes(void);                    /* peak resident memory of this process (VmHWM); 0 unknown */

/* ---- Ctrl-C --------------------------------------------------------------------------------------------------------
 * The first one sets a flag that long work looks at (and returns QN_ECANCEL); a second one ends the process. */
extern atomic_bool qn_cancel_flag;
bool qn_cancelled(void);
int qn_cancel_check(void);                          /* 0, or QN_ECANCEL with its message */
void qn_cancel_reset(void);                         /* `chat`: the answer was stopped, the talk goes on */

/* ---- for main and the tests ------------------------------------------------------------------------------------ */
void qn_cli_init(qn_cli *c, qn_cli_env env);
void qn_cli_drop(qn_cli *c);
int qn_cli_parse(qn_cli *c, int argc, const char *const *argv);     /* argv without the program's name */
int qn_cli_parse_as(qn_cli *c, const qn_cmd *cmd, int argc, const char *const *argv);   /* the same behind a verb */
int qn_cli_config(qn_cli *c);                                       /* then --config, where it is given */
int qn_cli_config_text(qn_cli *c, const char *path, qn_str text);   /* … its text; `path` is for messages */
const qn_cmd *qn_cmd_find(const char *first, const char *second, int *words);
bool qn_cmd_is_group(const char *first);                            /* the first word of verbs of two */
int qn_cmd_unknown(const char *name, const char *second);           /* QN_EUSAGE with a suggestion */
void qn_cmd_arity(const qn_cmd *cmd, size_t *least, size_t *most);
void qn_cancel_install(void);
void qn_progress_log(void *cli, qn_log_level level, const char *message);       /* the log sink */
/* A bound of an option's range as a user would write it, into out. */
const char *qn_opt_bound(const qn_opt *o, double v, char out[32]);
int qn_help_overview(qn_buf *b);
int qn_help_group(qn_buf *b, const char *first);
int qn_help_command(qn_buf *b, const qn_cmd *cmd);
/* "-f, --file FILE" and "read … (default 1)" of one option: the two columns of the help. */
int qn_help_left(qn_buf *b, const qn_opt *o);
int qn_help_right(qn_buf *b, const qn_opt *o);

#endif
