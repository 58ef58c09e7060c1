/* cli/bits_show.h — bits by kind, as a table, as JSON, and along a run.
 *
 * A run with `--bits WORLD` has members bits_grammar, bits_fact … (bits for each byte of that kind) in those lines of
 * metrics.jsonl that an evaluation belongs to. */
#ifndef QN_CLI_BITS_SHOW_H
#define QN_CLI_BITS_SHOW_H

#include "cli/cli.h"
#include "eval/bits.h"

/* Rows: the kinds, then the groups of facts ("fact head" …); those without bytes are left out of what is shown. */
enum { QN_BITS_ROWS = QN_BITS_KINDS + QN_BITS_GROUPS };
/* The name of a row ("grammar", "fact head"), or "" where there is none; and its sum. */
const char *qn_bits_row_name(int row);
const qn_bits_sum *qn_bits_row(const qn_bits_result *r, int row);
/* "bits_grammar", "bits_fact_head" into out, which is returned. */
const char *qn_bits_row_key(int row, char out[48]);

typedef struct { int64_t step; double seconds, bits[QN_BITS_ROWS]; } qn_bits_step;      /* NaN: not told */
typedef struct { qn_bits_step *step; size_t n, cap; } qn_bits_curve;                    /* {0} is empty */
/* Out of a run's metrics; no steps where it was not asked for bits. seconds: of training up to there. */
int qn_bits_curve_read(qn_bits_curve *c, const char *run);
void qn_bits_curve_drop(qn_bits_curve *c);

int qn_bits_show(qn_cli *c, const qn_bits_result *r, const char *model);
/* A whole object: {"unit", "documents", "tokens", "floor": {kind: bits}, "model": …, "kinds": {…}, "steps": […]}. */
void qn_bits_put(const qn_bits_result *r, const qn_bits_curve *curve, qn_jw *w);

#endif
