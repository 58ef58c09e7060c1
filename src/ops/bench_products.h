/* ops/bench_products.h — how fast the gradients of products run on the shapes of training, as operations: all their
 * phases on one thread, laying operands out included. The figures come as those of kernels/bench_rows.h do. */
#ifndef QN_OPS_BENCH_PRODUCTS_H
#define QN_OPS_BENCH_PRODUCTS_H

#include "kernels/bench_rows.h"

/* Families "linear_dx", "linear_dw", "linear_grad" (both), "xent_grad" (three products: logits again, dx, dW), each
 * with "_f32", "_bf16", "_q8_0" …. 0, QN_ENOMEM, or what `figure` returned. Takes up to 100 MB. */
int qn_bench_products(const qn_bench_rows_options *o);

#endif
