/* base/rng.c — Philox-4x32-10: ten rounds of two 32×32→64 products that scramble a counter under a key. */
#include "base/rng.h"

/* One round: (v0, v1, v2, v3) → (hi(M1·v2) ^ v1 ^ k0, lo(M1·v2), hi(M0·v0) ^ v3 ^ k1, lo(M0·v0)) */
static qn_rng_block scramble(qn_rng_block c, uint32_t k0, uint32_t k1) {
    uint64_t a = (uint64_t)0xd2511f53u * c.v[0], b = (uint64_t)0xcd9e8d57u * c.v[2];
    return (qn_rng_block){{(uint32_t)(b >> 32) ^ c.v[1] ^ k0, (uint32_t)b, (uint32_t)(a >> 32) ^ c.v[3] ^ k1,
                           (uint32_t)a}};
}

qn_rng_block qn_rng(uint64_t seed, uint32_t purpose, uint64_t step, uint64_t index) {
    uint32_t high = (uint32_t)(step >> 32) ^ (purpose << 24 | purpose >> 8);
    qn_rng_block c = {{(uint32_t)index, (uint32_t)(index >> 32), (uint32_t)step, high}};
    uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
    for (int round = 0; round < 10; round++) {
        c = scramble(c, k0, k1);
        k0 += 0x9e3779b9u;                                /* Weyl sequences: golden ratio, √3 − 1 */
        k1 += 0xbb67ae85u;
    }
    return c;
}

uint64_t qn_rng_u64(uint64_t seed, uint32_t purpose, uint64_t step, uint64_t index) {
    qn_rng_block b = qn_rng(seed, purpose, step, index);
    return (uint64_t)b.v[1] << 32 | b.v[0];
}

double qn_rng_uniform(uint64_t seed, uint32_t purpose, uint64_t step, uint64_t index) {
    return (double)(qn_rng_u64(seed, purpose, step, index) >> 11) * 0x1p-53;
}

uint32_t qn_fill_salt(const char *name) {
    uint32_t h = 0x811c9dc5u;
    for (; *name; name++)
        h = (h ^ (unsigned char)*name) * 0x01000193u;
    return h;
}

float qn_fill_value(uint32_t salt, uint64_t i, float scale) {
    uint32_t h = (uint32_t)(i + 1) * 0x9e3779b1u ^ salt;
    h ^= h >> 16;
    h *= 0x85ebca6bu;
    h ^= h >> 13;
    h *= 0xc2b2ae35u;
    h ^= h >> 16;
    return scale * ((float)((int32_t)(h >> 8) - (1 << 23)) * 0x1p-23f);
}
