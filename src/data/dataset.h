/* data/dataset.h — a corpus made ready for training: token shards on disk, and the rows of training out of them.
 *
 *   prepare.h .c    documents → deduplicated, split, tokenized → shards (quern data prepare)
 *   content.c       which contents were seen before
 *   shard.c         one file of tokens
 *   dataset.c       a prepared folder opened: mapped, checked
 *   dataset_check.c walks over all of it, for `quern data check`
 *   row_plan.c      which documents stand in which row of which epoch: order, cuts
 *   row_pack.c      … which of their pieces side by side
 *
 * A prepared folder:
 *     data.json                 what it is made of: sources and weights, counts, shards with their checksums
 *     tokenizer.json …          the tokenizer whose ids these are, whole
 *     train-00000.tokens …      header, then ids as u16 or u32, little-endian, then where documents end
 *     validation-00000.tokens
 *
 * Rows. A document is BOS (where the tokenizer adds one), its tokens, EOS. All but its last token are read, all but its
 * first are targets. It is cut into pieces of at most `context` tokens (a piece's last target is the next piece's first
 * token: nothing goes untrained), and pieces are packed into rows of `context` by best fit:
 *
 *     row 7    | BOS the mill stands | BOS two stones your own grain … | free |
 *     targets    the mill stands EOS   two stones your own grain … EOS   −1
 *
 * Pieces of one row do not see one another; positions begin at 0 in each. What row r holds is a pure function of the
 * folder, the options and r: resuming at row r needs no other state. */
#ifndef QN_DATA_DATASET_H
#define QN_DATA_DATASET_H

#include "base/base.h"

typedef enum { QN_SPLIT_TRAIN, QN_SPLIT_VALIDATION, QN_SPLITS } qn_split;

typedef struct {
    int64_t documents, tokens;          /* tokens: BOS and EOS included */
    int64_t bytes;                      /* of text */
} qn_split_info;

typedef struct qn_dataset qn_dataset;
/* Maps a prepared folder. QN_ENOTFOUND, QN_EFORMAT (names the shard and what is wrong, or a tokenizer.json that is not
 * the shards' own), QN_EIO. Headers and lengths are checked now, checksums with verify (reads everything). */
int qn_dataset_open(qn_dataset **out, const char *dir);
int qn_dataset_verify(const qn_dataset *d);
int64_t qn_dataset_size(const qn_dataset *d);           /* bytes of all shards: what verify reads */
void qn_dataset_close(qn_dataset *d);
qn_split_info qn_dataset_info(const qn_dataset *d, qn_split split);
/* What data.json says about the sources. name is the first path; weight 0: by its size. */
typedef struct {
    char *name;
    double weight;
    int64_t documents, duplicates, empty, invalid;      /* read; dropped, dropped; broken characters */
    int64_t textless, bad;              /* JSON lines left out: no text in them; no JSON */
    qn_split_info split[QN_SPLITS];
} qn_dataset_source;
size_t qn_dataset_sources(const qn_dataset *d);
const qn_dataset_source *qn_dataset_source_at(const qn_dataset *d, size_t i);
int64_t qn_dataset_vocab(const qn_dataset *d);          /* ids are below it */
const char *qn_dataset_path(const qn_dataset *d);
const char *qn_dataset_fingerprint(const qn_dataset *d); /* hex; changes with any token: a resume compares it */
/* Bytes of text that each id stands for; 0 for special tokens. [vocab] Bits per byte divide by their sum. */
const uint16_t *qn_dataset_token_bytes(const qn_dataset *d);
/* Document i of a split, in the order of the corpus: tokens [from, from + n) of the split's stream. */
void qn_dataset_document(const qn_dataset *d, qn_split split, int64_t i, int64_t *from, int64_t *n);
int64_t qn_dataset_find(const qn_dataset *d, qn_split split, int64_t token);     /* the document it stands in */
/* Tokens [from, from + n) of a split, which must be there. QN_EFORMAT: a damaged shard. */
int qn_dataset_read(const qn_dataset *d, qn_split split, int64_t from, int64_t n, int32_t *out);

/* A walk over everything (dataset_check.c): the longest and shortest document of a split, and how many validation
 * documents are in the training split too, id by id. */
typedef struct { int64_t longest, shortest, longest_tokens, shortest_tokens; } qn_dataset_extremes;
void qn_dataset_extremes_get(const qn_dataset *d, qn_split split, qn_dataset_extremes *out);    /* −1: no document */
int qn_dataset_leaks(const qn_dataset *d, int64_t *leaked);

/* ---- rows ---- */

typedef enum {
    QN_PACK_BEST_FIT,       /* whole documents side by side, blind to one another */
    QN_PACK_STREAM          /* one long stream cut into windows that begin anywhere; documents see those before them */
} qn_packing;

typedef struct {
    qn_split split;
    qn_packing packing;
    int64_t context;        /* tokens of a row */
    uint64_t seed;          /* order, and where long documents are cut, differ from epoch to epoch */
    bool ordered;           /* validation: documents in their order, cut at their start, the same in every epoch */
    bool judged;            /* of examples: both parts of each, to be compared (data/examples.h) */
} qn_rows_options;

/* Tokens [start, start + n) of the row are one piece: positions 0 … n−1, attention within it. */
typedef struct { int64_t start, n; } qn_piece;

typedef struct {
    int32_t *ids, *targets;     /* [context]; targets −1: not supervised */
    qn_piece *piece;            /* [qn_rows_max_pieces] */
    int64_t n, pieces;          /* tokens, pieces; n < context where nothing fitted in */
} qn_row_data;

typedef struct qn_rows qn_rows;
/* Plans an epoch in memory proportional to its documents. QN_EINVAL: a context below 2, a split without tokens. */
int qn_rows_new(qn_rows **out, const qn_dataset *d, const qn_rows_options *o);
void qn_rows_free(qn_rows *r);
int64_t qn_rows_per_epoch(const qn_rows *r);    /* of epoch 0; epochs may differ by a few */
int64_t qn_rows_max_pieces(const qn_rows *r);   /* per row */
/* Row `row` ≥ 0 counted over all epochs. Fills out, whose arrays are the caller's. Plans the next epoch when a row
 * crosses into it, allocating nothing (the plan's memory is for the largest). Going back to an epoch before the last
 * one plans from the first again. QN_EFORMAT: a damaged shard holds an id outside the vocabulary. */
int qn_rows_get(qn_rows *r, int64_t row, qn_row_data *out);
/* Where piece i of the row that was got last begins in the split's stream. */
int64_t qn_rows_piece_from(const qn_rows *r, int64_t i);

typedef struct {
    int64_t rows, pieces, tokens;               /* of the epoch that the last row came from, at first of epoch 0 */
    int64_t documents, cut;                     /* documents in it; such as are longer than a row, and are cut */
    double fill;                                /* tokens / (rows · context) */
} qn_rows_stats;
void qn_rows_stats_get(const qn_rows *r, qn_rows_stats *out);

#endif
