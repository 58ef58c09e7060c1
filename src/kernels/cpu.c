/* kernels/cpu.c — which instruction sets this CPU has and this OS saves.
 *
 * A level is a set of instructions that kernels of that level may use, each including the one below:
 *
 *   avx2         AVX2, FMA, F16C, BMI1, BMI2                  state: XMM, YMM
 *   avx512       AVX-512 F, BW, DQ, VL                        state: opmask, ZMM
 *   avx512vnni   + AVX512_VNNI    int8 dot products
 *   avx512bf16   + AVX512_BF16    bf16 dot products
 */
#include "kernels/kernels.h"

#ifdef QN_KERNELS_X86
#include <cpuid.h>
#endif

static const char *const names[QN_ISA_LEVELS] = {"scalar", "avx2", "avx512", "avx512vnni", "avx512bf16"};

const char *qn_isa_name(qn_isa isa) {
    return (unsigned)isa < QN_ISA_LEVELS ? names[isa] : "?";
}

int qn_isa_from_name(const char *name) {
    for (int i = 0; i < QN_ISA_LEVELS; i++)
        if (strcmp(names[i], name) == 0)
            return i;
    return qn_fail(QN_EINVAL, "unknown instruction set \"%s\"; known: scalar, avx2, avx512, avx512vnni, avx512bf16",
                   name);
}

#ifdef QN_KERNELS_X86
static bool bits(uint32_t value, uint32_t wanted) { return (value & wanted) == wanted; }

/* XCR0: the register states that the OS saves at a context switch. */
static uint32_t saved_states(void) {
    uint32_t lo, hi;
    __asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
    return lo;
}

qn_isa qn_isa_detect(void) {
    enum { XMM_YMM = 0x6, OPMASK_ZMM = 0xe0 };
    uint32_t a, b, c, d, a1, b1, c1, d1;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !bits(c, bit_OSXSAVE | bit_AVX | bit_FMA | bit_F16C))
        return QN_ISA_SCALAR;
    const uint32_t states = saved_states();
    if (!bits(states, XMM_YMM) || !__get_cpuid_count(7, 0, &a, &b, &c, &d) || !bits(b, bit_AVX2 | bit_BMI | bit_BMI2))
        return QN_ISA_SCALAR;
    if (!bits(states, OPMASK_ZMM) || !bits(b, bit_AVX512F | bit_AVX512BW | bit_AVX512DQ | bit_AVX512VL))
        return QN_ISA_AVX2;
    if (!bits(c, bit_AVX512VNNI))
        return QN_ISA_AVX512;
    const uint32_t avx512_bf16 = 1u << 5;               /* leaf 7, subleaf 1, EAX; a counts the subleaves */
    if (a < 1 || !__get_cpuid_count(7, 1, &a1, &b1, &c1, &d1) || !bits(a1, avx512_bf16))
        return QN_ISA_AVX512VNNI;
    return QN_ISA_AVX512BF16;
}
#else
qn_isa qn_isa_detect(void) { return QN_ISA_SCALAR; }
#endif

bool qn_isa_has(qn_isa isa) { return isa <= qn_isa_detect(); }
