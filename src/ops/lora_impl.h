/* ops/lora_impl.h — what the two ops of adapters (lora.c, dora.c) share: scales of rows, and s·u·Bᵀ as a product. */
#ifndef QN_OPS_LORA_IMPL_H
#define QN_OPS_LORA_IMPL_H

#include "ops/ops.h"

/* What the run says of row t for this adapter; 1 where it says nothing. */
double qn_lora_run_scale(const qn_op_ctx *c, int adapter, int64_t t);

/* One second product: u [T,R], B [N,R], the pair's own scale; half: its gradients are products of BF16. */
typedef struct { const qn_tensor *u, *b; double scale; int adapter; bool half; } qn_lora_term;

/* The first row from t on, before `end`, that the adapter is off for, or (off) on for. */
int64_t qn_lora_until(const qn_op_ctx *c, int adapter, int64_t t, int64_t end, bool off);
/* Rows [t, end), none of them off: y = s·u·Bᵀ, or y += where `more`. scratch: QN_OP_ROWS rows of R; no more rows. */
void qn_lora_multiply(const qn_op_ctx *c, const qn_lora_term *m, int64_t t, int64_t end, void *y, int64_t ldy,
                      bool more, void *scratch);

/* Its gradients are those of a linear node whose x is s·u. at: where its partials begin among the op's.
 *
 *     partials   │ s·u [T,R] │ dL/d(s·u) [T,R] │ what linear_grad.c needs │ */
typedef struct {
    qn_op_ctx c;                        /* as linear sees it */
    qn_tensor dout, din[2];
} qn_lora_grad;
/* dy: the gradient of s·u·Bᵀ; du, db: those of u and B as the op has them, data NULL where nobody wants one, or NULL
 * where it is not known yet. c points into g. */
void qn_lora_grad_init(qn_lora_grad *g, const qn_op_ctx *c, const qn_lora_term *m, char *at, const qn_tensor *dy,
                       const qn_tensor *du, const qn_tensor *db);
size_t qn_lora_grad_partials(const qn_lora_grad *g);
void qn_lora_grad_scale(const qn_lora_grad *g, const qn_op_ctx *c, const qn_lora_term *m, int64_t t);   /* row of s·u */
/* Row t of du out of that of s·u; born: written, not added. scratch: R reals. */
void qn_lora_grad_u(const qn_lora_grad *g, const qn_op_ctx *c, const qn_lora_term *m, const qn_tensor *du, bool born,
                    int64_t t, void *scratch);

#endif
