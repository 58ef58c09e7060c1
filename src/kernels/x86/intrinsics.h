/* kernels/x86/intrinsics.h — the compiler's intrinsics. In a build that emulates (cmake -DQUERN_EMULATE=ON) the files
 * of levels above avx2 are compiled for AVX2 and find ours (emulate.h; tiles.h has those of AMX) in the place of those
 * that a machine may lack: so every row is run on any machine with AVX2, slowly, with the bits that the manual gives.
 *
 * X86_DOTS is 1 where four bytes meet four bytes in one instruction. X86_UNROLLS is 0 where loops over rows and vectors
 * stay loops: with a sanitizer's check at every access, or two registers for each one, sums live in memory anyway, and
 * a compiler would take minutes over them. */
#ifndef QN_KERNELS_X86_INTRINSICS_H
#define QN_KERNELS_X86_INTRINSICS_H

#include <immintrin.h>

#ifdef X86_EMULATED
#include "kernels/x86/emulate.h"
#endif

#if defined(__AVX512VNNI__) || defined(__AVXVNNI__) || defined(X86_EMULATED_DOTS)
#define X86_DOTS 1
#else
#define X86_DOTS 0
#endif

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || defined(X86_EMULATED)
#define X86_UNROLLS 0
#elif !defined(__clang__)
#define X86_UNROLLS 1
#elif __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(undefined_behavior_sanitizer)
#define X86_UNROLLS 0
#else
#define X86_UNROLLS 1
#endif

#endif
