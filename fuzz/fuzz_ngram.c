/* fuzz/fuzz_ngram.c — a file of n-grams of any bytes; what opens gives probabilities that are numbers. */
#include "ngram/ngram.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

enum { VOCAB_MOST = 4096 };
static uint64_t aligned[1 << 14];
static double p[VOCAB_MOST];

static void look(const qn_ngram *g) {
    qn_ngram_info info;
    int32_t ids[QN_NGRAM_MAX_ORDER];
    qn_ngram_info_get(g, &info);
    if (info.vocab > VOCAB_MOST)
        return;
    for (int64_t n = 0; n <= info.order && n < QN_NGRAM_MAX_ORDER; n++) {
        qn_ngram_distribution(g, ids, n, p);
        for (int64_t w = 0; w < info.vocab; w++)
            qn_assert(p[w] >= 0 && p[w] <= 1.001);
        ids[n] = (int32_t)((5 * n + 1) % info.vocab);
        qn_assert(fabs(qn_ngram_prob(g, ids, n, ids[n]) - p[ids[n]]) == 0);
    }
}

static void parse(size_t size) {
    qn_ngram *g;
    if (qn_ngram_parse(&g, (const char *)aligned, size, "fuzz") < 0) {
        qn_assert(*qn_error_message());
        return;
    }
    look(g);
    qn_ngram_free(g);
}

/* As it is, and with checksums that fit: behind them nothing may be trusted either. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const size_t block = (size_t)64 << 10;
    if (size > sizeof aligned)
        return 0;
    memcpy(aligned, data, size);
    parse(size);
    if (size < 64)
        return 0;
    aligned[5] = 0;
    for (size_t at = 64; at < size; at += block)
        aligned[5] = qn_hash_bytes((const char *)aligned + at, QN_MIN(block, size - at), aligned[5]);
    aligned[7] = qn_hash_bytes(aligned, 56, 0);
    parse(size);
    return 0;
}
