/* kernels/x86/trial_amx.c — before tiles are used at all: the kernel's leave, one product of bf16 held to plain C and
 * one of bytes held to dots of bytes.
 *
 * Linux gives a process the 8 KB of tile registers when it asks (arch_prctl, once, for all its threads), and the first
 * use without leave is a signal. A machine that does not give what the manual says (a hypervisor that hides half of it,
 * an emulator) must not give wrong answers: then the level below is used. */
#include "kernels/x86/trial.h"

#include "kernels/x86/tile_product.h"

#if defined(__linux__) && !defined(X86_EMULATED)
#include <sys/syscall.h>
#include <unistd.h>

static bool leave(void) {
    enum { ASK = 0x1023, TILE_DATA = 18 };          /* ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA */
    return syscall(SYS_arch_prctl, ASK, TILE_DATA) == 0;
}
#elif defined(X86_EMULATED)
static bool leave(void) { return true; }
#else
static bool leave(void) { return false; }
#endif

/* Two tiles of rows, the lower one short; two steps, the second short. */
enum { ROWS = 19, PAIRS = 21, DEPTH = 2 * PAIRS };

static uint32_t pair_at(uint32_t salt, int64_t i) {
    const uint16_t even = qn_f32_to_bf16(qn_fill_value(salt, (uint64_t)(2 * i), 1.0f));
    const uint16_t odd = qn_f32_to_bf16(qn_fill_value(salt, (uint64_t)(2 * i + 1), 1.0f));
    return even | (uint32_t)odd << 16;
}

static bool floats_work(void) {
    uint32_t x[ROWS * PAIRS], w[PAIRS * QN_PANEL];
    float got[ROWS * QN_PANEL], want[ROWS * QN_PANEL] = {0};
    for (int i = 0; i < ROWS * PAIRS; i++)
        x[i] = pair_at(1, i);
    for (int i = 0; i < PAIRS * QN_PANEL; i++)
        w[i] = pair_at(2, i);
    for (int k = 0; k < PAIRS; k += TILE_DEEP / 2)
        for (int r = 0; r < ROWS; r += TILE_ROWS)
            for (int n = 0; n < QN_PANEL; n += TILE_COLUMNS)
                tile_product_add(&(tile_product){
                    x + r * PAIRS + k, w + k * QN_PANEL + n, want + r * QN_PANEL + n, PAIRS, QN_PANEL, QN_PANEL,
                    QN_MIN(ROWS - r, TILE_ROWS), TILE_COLUMNS, QN_MIN(PAIRS - k, TILE_DEEP / 2)});
    qn_linear_bf16_amx(&(qn_linear_args){got, QN_PANEL, x, PAIRS * sizeof *x, w, ROWS, QN_PANEL, DEPTH, false});
    return memcmp(got, want, sizeof got) == 0;
}

/* Q8_0, one tile of rows, three parts: any bytes will do, but their scales are 1. */
static bool bytes_work(void) {
    enum { PARTS = 3, K = 32 * PARTS, BLOCK_BYTES = QN_PANEL * 34, ROW_BYTES = 128 };
    uint8_t w[PARTS * BLOCK_BYTES], x[TILE_ROWS * ROW_BYTES];
    float got[TILE_ROWS * QN_PANEL], want[TILE_ROWS * QN_PANEL], row[K];
    const uint16_t one = 0x3c00;
    for (size_t i = 0; i < sizeof w; i++)
        w[i] = (uint8_t)(i * 37 >> 2);
    for (int i = 0; i < PARTS * QN_PANEL; i++)
        memcpy(w + i / QN_PANEL * BLOCK_BYTES + i % QN_PANEL * 2, &one, sizeof one);
    for (int r = 0; r < TILE_ROWS; r++) {
        for (int k = 0; k < K; k++)
            row[k] = qn_fill_value(3, (uint64_t)(r * K + k), 1.0f);
        qn_act_pack_q8b32_scalar(x + r * ROW_BYTES, row, K);
    }
    qn_linear_args a = {got, QN_PANEL, x, ROW_BYTES, w, TILE_ROWS, QN_PANEL, K, false};
    qn_linear_q8_0_amx(&a);
    a.y = want;
    qn_linear_q8_0_avx512vnni(&a);
    return memcmp(got, want, sizeof got) == 0;
}

bool qn_tiles_work(void) { return leave() && floats_work() && bytes_work(); }
