/* kernels/cpu.c — which instruction sets this CPU has and this OS saves.
 *
 * A level is a set of instructions that kernels of that level may use, besides those that it includes (isa.h):
 *
 *   avx2         AVX2, FMA, F16C, BMI1, BMI2                  state: XMM, YMM
 *   avxvnni      + AVX-VNNI       int8 dot products of 256 bits; no part of the levels below
 *   avx512       AVX-512 F, BW, DQ, VL                        state: opmask, ZMM
 *   avx512vnni   + AVX512_VNNI    int8 dot products
 *   avx512bf16   + AVX512_BF16    bf16 dot products
 *   amx          + AMX_TILE, AMX_BF16, AMX_INT8               state: TILECFG, TILEDATA, by the kernel's leave
 */
#include "kernels/kernels.h"

#include <stdatomic.h>

#ifdef QN_KERNELS_X86
#include <cpuid.h>

#include "kernels/x86/trial.h"
#endif

static const char *const names[QN_ISA_LEVELS] = {"scalar",     "avx2",       "avxvnni", "avx512",
                                                 "avx512vnni", "avx512bf16", "amx"};

const char *qn_isa_name(qn_isa isa) {
    return (unsigned)isa < QN_ISA_LEVELS ? names[isa] : "?";
}

int qn_isa_from_name(const char *name) {
    for (int i = 0; i < QN_ISA_LEVELS; i++)
        if (strcmp(names[i], name) == 0)
            return i;
    return qn_fail(QN_EINVAL, "unknown instruction set \"%s\"; known: scalar, avx2, avxvnni, avx512, avx512vnni, "
                   "avx512bf16, amx", name);
}

/* Sets of levels: bit i for level i. */
enum { SCALAR = 1 << QN_ISA_SCALAR, AVX2 = 1 << QN_ISA_AVX2, AVXVNNI = 1 << QN_ISA_AVXVNNI, AVX512 = 1 << QN_ISA_AVX512,
       AVX512VNNI = 1 << QN_ISA_AVX512VNNI, AVX512BF16 = 1 << QN_ISA_AVX512BF16, AMX = 1 << QN_ISA_AMX };

#if defined(QN_KERNELS_X86) && !defined(QN_EMULATE)
static bool bits(uint32_t value, uint32_t wanted) { return (value & wanted) == wanted; }

/* XCR0: the register states that the OS saves at a context switch. */
static uint32_t saved_states(void) {
    uint32_t lo, hi;
    __asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
    return lo;
}

/* What CPU and OS have, before anything is tried. */
static unsigned levels_of_cpu(void) {
    enum { XMM_YMM = 0x6, OPMASK_ZMM = 0xe0, TILES = 0x60000 };
    const uint32_t avx_vnni = 1u << 4, avx512_bf16 = 1u << 5;           /* leaf 7, subleaf 1, EAX */
    const uint32_t amx_bf16 = 1u << 22, amx_tile = 1u << 24, amx_int8 = 1u << 25;               /* leaf 7, EDX */
    uint32_t a, b, c, d, a1 = 0, b1, c1, d1;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !bits(c, bit_OSXSAVE | bit_AVX | bit_FMA | bit_F16C))
        return SCALAR;
    const uint32_t states = saved_states();
    if (!bits(states, XMM_YMM) || !__get_cpuid_count(7, 0, &a, &b, &c, &d) || !bits(b, bit_AVX2 | bit_BMI | bit_BMI2))
        return SCALAR;
    if (a < 1 || !__get_cpuid_count(7, 1, &a1, &b1, &c1, &d1))          /* a counts the subleaves */
        a1 = 0;
    unsigned have = SCALAR | AVX2 | (bits(a1, avx_vnni) ? AVXVNNI : 0u);
    if (!bits(states, OPMASK_ZMM) || !bits(b, bit_AVX512F | bit_AVX512BW | bit_AVX512DQ | bit_AVX512VL))
        return have;
    have |= AVX512;
    if (!bits(c, bit_AVX512VNNI))
        return have;
    have |= AVX512VNNI;
    if (!bits(a1, avx512_bf16))
        return have;
    have |= AVX512BF16;
    return bits(states, TILES) && bits(d, amx_tile | amx_bf16 | amx_int8) ? have | AMX : have;
}
#elif defined(QN_KERNELS_X86)
static unsigned levels_of_cpu(void) {
    return SCALAR | AVX2 | AVXVNNI | AVX512 | AVX512VNNI | AVX512BF16 | AMX;
}
#else
static unsigned levels_of_cpu(void) { return SCALAR; }
#endif

/* Tiles are tried when their level is first asked for: a lower cap leaves them alone. Whoever asks at the same time
 * tries for himself, and finds the same. */
static bool tiles_work(void) {
#ifdef QN_KERNELS_X86
    enum { UNKNOWN, NO, YES };
    static atomic_int tried = UNKNOWN;
    if (atomic_load(&tried) == UNKNOWN)
        atomic_store(&tried, qn_tiles_work() ? YES : NO);
    return atomic_load(&tried) == YES;
#else
    return false;
#endif
}

bool qn_isa_has(qn_isa isa) {
    static atomic_uint known;
    unsigned levels = atomic_load(&known);
    if (!levels) {
        levels = levels_of_cpu();
        atomic_store(&known, levels);
    }
    return (levels >> isa & 1) && (isa != QN_ISA_AMX || tiles_work());
}

qn_isa qn_isa_fit(qn_isa cap) {
    int level = (int)cap;
    while (level > QN_ISA_SCALAR && !qn_isa_has((qn_isa)level))
        level--;
    return (qn_isa)level;
}

qn_isa qn_isa_detect(void) { return qn_isa_fit(QN_ISA_LEVELS - 1); }
