/* kernels/isa.h — levels of instructions. A run is at one level; rows of the kernel list name the one that they need.
 *
 *     scalar ── avx2 ── avx512 ── avx512vnni ── avx512bf16 ── amx        each uses the rows of all before it
 *                 └──── avxvnni                                          clients have it without AVX-512, most servers
 *                                                                        with AVX-512 have no AVX-VNNI */
#ifndef QN_KERNELS_ISA_H
#define QN_KERNELS_ISA_H

#include "base/base.h"

/* x86-64 builds have the rows of kernel_list_x86.inc unless the build asks for the scalar engine alone. */
#if defined(__x86_64__) && !defined(QN_SCALAR_ONLY)
#define QN_KERNELS_X86 1
#endif

/* In ascending order: a cap is the highest level up to it that the machine has. */
typedef enum {
    QN_ISA_SCALAR, QN_ISA_AVX2, QN_ISA_AVXVNNI, QN_ISA_AVX512, QN_ISA_AVX512VNNI, QN_ISA_AVX512BF16, QN_ISA_AMX,
    QN_ISA_LEVELS
} qn_isa;

const char *qn_isa_name(qn_isa isa);             /* "avx512bf16" */
int qn_isa_from_name(const char *name);          /* <0 unknown; message lists the names */
/* By CPUID and XCR0. AVX512BF16 without VNNI does not exist for us. Of AMX also the kernel's leave is asked, and a
 * product is tried, both once. */
bool qn_isa_has(qn_isa isa);
qn_isa qn_isa_fit(qn_isa cap);                   /* what a cap comes to on this machine */
qn_isa qn_isa_detect(void);                      /* the highest level that it has */

/* Whether a run at `level` uses rows of level `row`. */
QN_INLINE bool qn_isa_uses(qn_isa level, qn_isa row) {
    return row <= level && (row != QN_ISA_AVXVNNI || level == QN_ISA_AVXVNNI);
}

#endif
