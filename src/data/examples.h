/* data/examples.h — examples to tune with, in memory: conversations, preference pairs, labelled answers as ids, and
 * which of them are taught.
 *
 *   example_file.c     files into rows: JSON arrays, JSON lines, text; packed or not   example_where.c  which are meant
 *   example_row.c      a row of any form into conversations            example_turns.c   … message by message
 *   examples.c         conversations into ids by the one way that serving has (chat/prompt.h); faults, cuts, the split
 *   examples_store.c   all of it on disk, so that a run goes on without files and template
 *   row_plan.c         as rows of training: qn_rows_of_examples
 *
 *     row 17: prompt … chosen … rejected        one example of two parts, which begin with the same `prompt` ids
 *
 * An example that is longer than context + 1 tokens (the last one is only a target) loses its end, or is left out; a
 * text is cut into several. What cannot be used is left out with a count and the numbers of the first rows, or refused
 * (strict). Which examples are held out hangs on their prompt alone, so that no prompt stands on both sides. */
#ifndef QN_DATA_EXAMPLES_H
#define QN_DATA_EXAMPLES_H

#include "chat/prompt.h"
#include "data/dataset.h"
#include "data/example_file.h"

typedef enum { QN_LONG_CUT, QN_LONG_DROP } qn_long;
#define QN_LONG_CHOICES "cut|drop"

typedef struct {
    const char *const *path; size_t n_paths;
    const char *const *held; size_t n_held;     /* files of the validation split; without, a share of the others */
    const qn_example_where *where; size_t n_where;      /* take only rows for which all of these hold; of any file */
    double validation;                          /* the share: 0 … 0.5 */
    int64_t context;
    qn_teach_options teach;                     /* `from` is not looked at */
    qn_long too_long;
    bool strict;                                /* the first fault is an error */
    bool skip_bad;                              /* a row that is no JSON, malformed, or of another form is a fault, not
                                                 * the end */
    int (*progress)(void *arg, int64_t rows);   /* <0 ends the work; NULL is fine */
    void *arg;
} qn_examples_options;

/* What an example is made of: ids and which are taught, borrowed. */
typedef struct {
    const int32_t *ids;
    const uint8_t *taught;
    int64_t n, prompt;                          /* tokens; of them in front of the first that is taught */
} qn_example_part;

typedef struct {
    qn_example_part part[2];                    /* pairs: chosen, rejected */
    int parts;
    bool good;                                  /* of a labelled answer */
    int64_t file, row;                          /* where it stood: index of its file (held ones behind), row from 1 */
} qn_example;

enum { QN_FAULT_ROWS = 5 };
/* How many, and where the first of them stand. */
typedef struct { int64_t n, row[QN_FAULT_ROWS], file[QN_FAULT_ROWS]; } qn_fault_count;
enum { QN_FAULT_WHY = 480, QN_REASONS = 6 };
/* What was said of rows with that fault, and of which first. */
typedef struct { qn_example_fault fault; int64_t n, row, file; char text[QN_FAULT_WHY]; } qn_fault_reason;
typedef struct {
    qn_example_form form;                       /* of the first file */
    int64_t passed;                             /* rows that are not meant: not among the others */
    int64_t rows, examples, tokens, taught;     /* read; what became of them, both splits and parts */
    int64_t longest;                            /* tokens of a part, before it was cut */
    int64_t cut, turnwise;                      /* lost their end; rows taught turn by turn */
    int64_t leaked;                             /* held out, with a prompt that is trained on, too */
    int64_t calls_written, tools_lost;          /* rows: calls as text, tools unsaid: the template knows none */
    qn_fault_count rendered;                    /* rows with special tokens of the template among their words */
    qn_fault_count fault[QN_FAULTS];
    qn_fault_reason reason[QN_REASONS];         /* … where the fault alone does not say it: the first that differ in
                                                 * more than numbers */
    int64_t reasons, unsaid;                    /* how many of them; rows with yet another */
} qn_examples_stats;

typedef struct qn_examples qn_examples;
/* QN_EFORMAT: a row that is no JSON or of another form than the first of its file; QN_EINVAL: a fault where strict, or
 * nothing is left; QN_ENOTFOUND, QN_ENOMEM … */
int qn_examples_read(qn_examples **out, qn_prompter *p, const qn_tok *tok, const qn_examples_options *o);
void qn_examples_free(qn_examples *e);          /* NULL is fine */
void qn_examples_stats_get(const qn_examples *e, qn_examples_stats *out);
/* "2 × an empty answer (rows 4, 9); 3 × cut …", of several files "(rows a.jsonl:4, b.jsonl:9)"; "" for none. */
int qn_examples_losses(const qn_examples *e, qn_buf *out);
/* What file i of those that were read is called in that; "" where it is the only one, or nobody knows. */
const char *qn_examples_file(const qn_examples *e, int64_t i);

qn_example_form qn_examples_form(const qn_examples *e);         /* of the first file */
int64_t qn_examples_count(const qn_examples *e, qn_split split);
void qn_examples_get(const qn_examples *e, qn_split split, int64_t i, qn_example *out);
int64_t qn_examples_vocab(const qn_examples *e);
int64_t qn_examples_context(const qn_examples *e);
const char *qn_examples_fingerprint(const qn_examples *e);      /* hex; changes with any token, mask or split */
const uint16_t *qn_examples_token_bytes(const qn_examples *e);  /* as qn_dataset_token_bytes */

/* examples_store.c: in one file. QN_EFORMAT, QN_ETRUNC: damaged. */
int qn_examples_save(const qn_examples *e, const char *path);
int qn_examples_open(qn_examples **out, const char *path);

/* Another prompt's answer to the prompt of labelled answer i: that of the next example of its split that begins
 * otherwise. What a policy makes of such answers tells how far it has come from where it began (train/objective.h).
 * ids, taught: [context + 1], filled; how many tokens. Where no other prompt is near, the next answer. */
int64_t qn_examples_mismatch(const qn_examples *e, qn_split split, int64_t i, int32_t *ids, uint8_t *taught);

/* row_plan.c: rows of training as those of a prepared folder (data/dataset.h), whole examples side by side; targets
 * that are not taught are −1. Of pairs the chosen part, of labelled answers the good ones. Examples are borrowed.
 *
 * Judged rows hold twice the context, and of every example two pieces, one behind the other: chosen and rejected; of a
 * labelled answer itself and its mismatch. Piece i is of example qn_rows_piece_from(r, i):
 *
 *     row 3    | prompt chosen | prompt rejected | prompt chosen | prompt rejected | free | */
int qn_rows_of_examples(qn_rows **out, const qn_examples *e, const qn_rows_options *o);

#endif
