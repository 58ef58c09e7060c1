/* train/train_impl.h — a trainer's insides, shared by step.c, replay.c, preference.c, measure.c, held.c, loop.c. */
#ifndef QN_TRAIN_TRAIN_IMPL_H
#define QN_TRAIN_TRAIN_IMPL_H

#include "train/reference.h"
#include "train/train.h"

enum { QN_SHARD_LEVELS = 11 };          /* 1024 shards */

/* Sums over what was judged so far. The mean loss is taken from the first one on: equal losses have their own bits as
 * their mean, so that it is ln 2 exactly where each of them is. */
typedef struct {
    int64_t n, of[2], won;
    double first, beyond;               /* the first loss; Σ loss − first */
    double reward[2], logp[2], moved[2], tokens[2];
    double kl;
} qn_judged_sum;

/* What a trainer has where answers are judged. */
typedef struct {
    bool on;
    const qn_objective_info *kind;
    qn_reference reference;             /* sums NULL: not there yet, or not asked for */
    int64_t pieces;                     /* of a row, at most */
    int64_t *example;                   /* [batch][pieces]: whose part a piece is */
    qn_row_data *view;                  /* [rows of a pass]: rows of which only some pieces are run */
    qn_piece *piece;                    /* [rows of a pass][pieces]: those */
    qn_judged_sum sum;
    bool fell;                          /* it was said that chosen answers lose, too */
} qn_preference;

/* The best model so far, where it waits to be written (held.c). */
typedef struct {
    float *numbers;                     /* [(1 + states) · params.numbers] masters, moments; NULL: nothing ever waits */
    float *room;                        /* [2 · params.widest] */
    qn_train_state state;
    bool waits;
} qn_held;

/* Rows of text that a step reads again. */
typedef struct {
    qn_rows *rows;                      /* NULL: nothing is */
    qn_row_data *row;                   /* [n] */
    int32_t *ids;
    qn_piece *piece;
    int64_t n, tokens;                  /* supervised tokens of those that were fetched */
} qn_replay;

struct qn_trainer {
    qn_train_setup s;
    qn_recipe recipe;
    qn_engine *engine;
    qn_optimizer *optimizer;
    qn_rows *rows, *validation;         /* validation NULL: there is none */
    qn_row_data *row;                   /* [batch] */
    int32_t *ids;                       /* memory of all rows' ids and targets */
    qn_piece *piece;
    float *sum[QN_SHARD_LEVELS];        /* more than one shard: sums of 2^level shards that wait for a neighbour */
    qn_train_state state;
    qn_held held;
    int64_t pass;                       /* rows of a pass at most */
    qn_preference judge;
    qn_replay again;
};

/* loop.c: memory for n rows of `context` tokens, of so many pieces at most each; the caller frees all three. */
int qn_trainer_rows_new(int64_t n, int64_t context, int64_t pieces, qn_row_data **row, int32_t **ids,
                        qn_piece **piece);

/* step.c */
int qn_trainer_shards_new(qn_trainer *t);
void qn_trainer_shards_free(qn_trainer *t);

/* replay.c */
int qn_replay_new(qn_trainer *t);
void qn_replay_free(qn_trainer *t);
int64_t qn_replay_pieces(const qn_trainer *t);          /* of a row, at most */
int qn_replay_fetch(qn_trainer *t, int64_t step);
/* Runs what was fetched forward and back; its mean loss, NaN where there is none. */
double qn_replay_passes(qn_trainer *t, int64_t *flops);

/* preference.c */
int qn_preference_new(qn_trainer *t, int64_t batch, int64_t pieces);
void qn_preference_free(qn_trainer *t);
/* Row `number` of rows, into row i of the batch. */
int qn_trainer_row(qn_trainer *t, qn_rows *rows, int64_t number, int64_t i);
/* How many tokens of row i count; how many pairs or answers are judged in it. */
int64_t qn_trainer_tokens(const qn_trainer *t, int64_t i);
int64_t qn_preference_answers(const qn_trainer *t, int64_t i);
/* KTO: how far the policy has moved from the reference, summed up over the mismatches of a pass: n rows of the batch
 * from `first` on. Adds to how many they were, and to the operations that it took (NULL: nobody asks). */
double qn_preference_mismatch(qn_trainer *t, qn_split split, int64_t first, int64_t n, int64_t *answers,
                              int64_t *flops);
/* Nothing is judged yet; kl: the divergence by the mismatches of everything that will be. */
void qn_preference_begin(qn_trainer *t, double kl);
/* n rows forward, judged; where share > 0 (one over all that is judged in the batch) weighed with it, and back. */
void qn_preference_pass(qn_trainer *t, qn_split split, int64_t first, int64_t n, double share);
qn_judged qn_preference_end(qn_trainer *t);

/* held.c: memory, where this run is to hold its best model; a copy of what is; what is and the copy in each other's
 * place. */
int qn_held_new(qn_trainer *t);
void qn_held_free(qn_trainer *t);
void qn_held_take(qn_trainer *t);
void qn_held_exchange(qn_trainer *t);

#endif
