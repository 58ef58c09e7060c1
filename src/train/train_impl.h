/* train/train_impl.h — a trainer's insides, shared by step.c, measure.c, held.c and loop.c. */
#ifndef QN_TRAIN_TRAIN_IMPL_H
#define QN_TRAIN_TRAIN_IMPL_H

#include "train/train.h"

enum { QN_SHARD_LEVELS = 11 };          /* 1024 shards */

/* The best model so far, where it waits to be written (held.c). */
typedef struct {
    float *numbers;                     /* [(1 + states) · params.numbers] masters, moments; NULL: nothing ever waits */
    float *room;                        /* [2 · params.widest] */
    qn_train_state state;
    bool waits;
} qn_held;

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
};

/* step.c */
int qn_trainer_shards_new(qn_trainer *t);
void qn_trainer_shards_free(qn_trainer *t);

/* held.c: memory, where this run is to hold its best model; a copy of what is; what is and the copy in each other's
 * place. */
int qn_held_new(qn_trainer *t);
void qn_held_free(qn_trainer *t);
void qn_held_take(qn_trainer *t);
void qn_held_exchange(qn_trainer *t);

#endif
