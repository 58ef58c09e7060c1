/* kernels/x86/peak_unroll.h — the loop over accumulators must vanish, or they would live in memory. (Emulated ones do,
 * and measure nothing.) */
#ifndef QN_KERNELS_X86_PEAK_UNROLL_H
#define QN_KERNELS_X86_PEAK_UNROLL_H

#ifdef X86_EMULATED
#define PEAK_UNROLL
#elif defined(__clang__)
#define PEAK_UNROLL _Pragma("clang loop unroll(full)")
#else
#define PEAK_UNROLL _Pragma("GCC unroll 32")
#endif

#ifdef X86_EMULATED
#define PEAK_ZMM "m"
#else
#define PEAK_ZMM "v"
#endif

#endif
