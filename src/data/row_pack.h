/* data/row_pack.h — pieces into rows by best fit: the longest first, each into the fullest row that still has room.
 * Private to src/data. */
#ifndef QN_DATA_ROW_PACK_H
#define QN_DATA_ROW_PACK_H

#include "base/base.h"

/* Memory for up to `max` pieces in rows of `context`; all arrays once, nothing later. */
typedef struct {
    int64_t max, context;
    int32_t cap;                /* pieces of a row */
    int32_t *row;               /* [max]: the row of each piece — what packing finds out */
    int32_t *room, *count;      /* [max]: of each row */
    int32_t *next;              /* [max]: rows with the same room, one behind the other */
    int32_t *head;              /* [context + 1]: the first row with that room, −1 none */
    int32_t *start;             /* [context + 2]: counting sort by length */
    int32_t *sorted;            /* [max] */
    uint64_t *bits[4];          /* which rooms there are, in 64s, 64s of these … */
} qn_row_packer;

int qn_row_packer_init(qn_row_packer *p, int64_t max, int64_t context, int64_t pieces_per_row);
void qn_row_packer_drop(qn_row_packer *p);
/* n pieces of 1 … context tokens, looked at in the order `order` where they are equally long: fills p->row, returns the
 * number of rows. */
int64_t qn_row_pack(qn_row_packer *p, int64_t n, const int32_t *length, const int32_t *order);

#endif
