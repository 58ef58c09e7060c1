/* kernels/peak_loops.h — the loops that peak.c times: `rounds` rounds of independent chains in registers, or reading
 * once. */
#ifndef QN_KERNELS_PEAK_LOOPS_H
#define QN_KERNELS_PEAK_LOOPS_H

#include "kernels/kernels.h"

typedef double qn_peak_ops_fn(int64_t rounds);                           /* returns the operations of one round */
typedef uint64_t qn_peak_read_fn(const void *p, size_t bytes);           /* any bit of it; bytes is a multiple of 512 */

qn_peak_ops_fn qn_peak_f32_scalar, qn_peak_f32_avx2, qn_peak_f32_avx512;
qn_peak_ops_fn qn_peak_int8_avx2, qn_peak_int8_avxvnni, qn_peak_int8_avx512, qn_peak_int8_avx512vnni;
qn_peak_ops_fn qn_peak_bf16_avx512bf16, qn_peak_bf16_amx, qn_peak_int8_amx;
qn_peak_read_fn qn_peak_read_scalar, qn_peak_read_avx2, qn_peak_read_avx512;

#endif
