/* model/stored.h — where a parameter lies in a file: in a tensor of its own or among neighbours, as it is used or
 * transposed, its rows in order or interleaved.
 *
 *     used         q [N,K]   k [N,K]   v [N,K]         rows are outputs
 *     GGUF         attn_qkv [3N,K]                     rows of q, then of k, then of v
 *     directory    c_attn [K,3N]                       the same lying on its side: rows of a Conv1D are inputs
 *
 *     QN_TRY(qn_stored_find(&st, s, arch, cfg, p, layer));     // st.info NULL: not there
 *     QN_TRY(qn_stored_check(&st, s));                         // there, readable, of the right shape
 *     const char *rows = qn_stored_rows(&st, 32, 32, room);    // as stored: num/ decodes them
 *
 * Loading, converting and training all read parameters through here. */
#ifndef QN_MODEL_STORED_H
#define QN_MODEL_STORED_H

#include "graph/unpacked.h"
#include "model/model.h"

typedef struct {
    const qn_arch *arch;
    const qn_param *p;
    int64_t layer;                      /* −1: stands once */
    const qn_tensor_info *info;         /* borrowed from the source; NULL: absent */
    int rank;
    int64_t dim[2];                     /* of the parameter, as it is used; a vector is [N,1] */
    int64_t first, total;               /* its first row in the tensor, and the rows of all parameters there */
    bool transposed;
    int64_t Dh, rot;                    /* rot > 0: rows 2i and 2i + 1 of a head are rows i and rot/2 + i */
} qn_stored;

/* Looks the parameter up by the names of the source's form. QN_ENOMEM. */
int qn_stored_find(qn_stored *st, const qn_source *s, const qn_arch *a, const qn_config *c, const qn_param *p,
                   int64_t layer);
/* QN_ENOTFOUND, QN_EUNSUPPORTED (a type that cannot be read), QN_ESHAPE: the tensor is named, and what it should be. */
int qn_stored_check(const qn_stored *st, const qn_source *s);

/* Bytes of a row of the parameter, in the stored dtype. */
size_t qn_stored_row_bytes(const qn_stored *st);
/* Rows [row, row + n) in the order of use, one after the other, in the stored dtype: the file itself where they lie so,
 * otherwise gathered into room, n rows wide. */
const char *qn_stored_rows(const qn_stored *st, int64_t row, int64_t n, void *room);

/* The rows of a matrix that become one panel, where they lie in the file at equal distances; false: they have to be
 * gathered. Of one parameter the answer is the same for all panels. */
bool qn_stored_panel(const qn_stored *st, int64_t panel, qn_panel_rows *out);

/* Columns [column, column + n) of a matrix [R,C] as n rows of R numbers: in the stored dtype, or as floats where that
 * has blocks (column and n are whole ones then). */
void qn_stored_turn(const qn_tensor_info *t, int64_t column, int64_t n, void *out);

#endif
