/* train/train_impl.h — a trainer's insides, shared by step.c, measure.c and loop.c. */
#ifndef QN_TRAIN_TRAIN_IMPL_H
#define QN_TRAIN_TRAIN_IMPL_H

#include "train/train.h"

enum { QN_SHARD_LEVELS = 11 };          /* 1024 shards */

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
    int64_t pass;                       /* rows of a pass at most */
};

/* step.c */
int qn_trainer_shards_new(qn_trainer *t);
void qn_trainer_shards_free(qn_trainer *t);

#endif
