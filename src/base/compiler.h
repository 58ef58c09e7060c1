/* base/compiler.h — the only place, ISA files apart, where compiler extensions are spelled. */
#ifndef QN_BASE_COMPILER_H
#define QN_BASE_COMPILER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define QN_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define QN_MIN(a, b) ((a) < (b) ? (a) : (b))
#define QN_MAX(a, b) ((a) > (b) ? (a) : (b))

#if defined(__GNUC__)
#define QN_PRINTF(fmt, first) __attribute__((format(printf, fmt, first)))
#define QN_MUST_USE __attribute__((warn_unused_result))
#define QN_LIKELY(x) __builtin_expect(!!(x), 1)
#define QN_UNLIKELY(x) __builtin_expect(!!(x), 0)
#define QN_ALIGNED(n) __attribute__((aligned(n)))
#define QN_INLINE static inline __attribute__((always_inline))
#define QN_NOINLINE __attribute__((noinline))
#define QN_UNUSED __attribute__((unused))
#define QN_MUL_OVERFLOW(a, b, r) __builtin_mul_overflow((a), (b), (r))
#define QN_ADD_OVERFLOW(a, b, r) __builtin_add_overflow((a), (b), (r))
#define QN_PREFETCH(p) __builtin_prefetch(p)    /* a hint: *p is going to be read soon */
#define QN_CTZ64(x) __builtin_ctzll(x)          /* zeros below the lowest one of x; x != 0 */
#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "quern maps files whose numbers are little-endian, so the machine has to be"
#endif
/* Tells the CPU that this thread is only looking at a word until another one changes it. */
#if defined(__x86_64__) || defined(__i386__)
#define QN_CPU_RELAX() __builtin_ia32_pause()
#elif defined(__aarch64__)
#define QN_CPU_RELAX() __asm__ volatile("yield")
#else
#define QN_CPU_RELAX() ((void)0)
#endif
#else
#error "quern needs gcc >= 12 or clang >= 14"
#endif

/* Bytes rounded up to a cache line: how every block of memory that kernels read is laid out. */
static inline size_t qn_round64(size_t n) { return (n + 63) & ~(size_t)63; }

/* Our own bugs only, never input. Prints file:line and aborts. Stays on in release builds. */
#define qn_assert(cond) ((cond) ? (void)0 : qn_assert_failed(#cond, __FILE__, __LINE__))
_Noreturn void qn_assert_failed(const char *cond, const char *file, int line);

#endif
