/* base/rng.h — counter-based random numbers: a draw depends on (seed, purpose, step, index), never on the order of
 * calls. Philox-4x32-10 (Salmon, Moraes, Dror, Shaw, "Parallel Random Numbers: As Easy as 1, 2, 3", SC 2011). */
#ifndef QN_BASE_RNG_H
#define QN_BASE_RNG_H

#include "base/compiler.h"

typedef enum { QN_RNG_SAMPLE = 1, QN_RNG_INIT, QN_RNG_DROPOUT, QN_RNG_ORDER, QN_RNG_DATA, QN_RNG_TEST, QN_RNG_WORLD,
               QN_RNG_NOISE, QN_RNG_MERGE }
    qn_rng_purpose;

/* Key = seed; counter words = index low, index high, step low, step high ^ rotl(purpose, 24). Draws with different
 * arguments are different blocks as long as step < 2^56 (and step < 2^32 where a purpose is 256 or more). */
typedef struct { uint32_t v[4]; } qn_rng_block;
qn_rng_block qn_rng(uint64_t seed, uint32_t purpose, uint64_t step, uint64_t index);
uint64_t qn_rng_u64(uint64_t seed, uint32_t purpose, uint64_t step, uint64_t index);
double qn_rng_uniform(uint64_t seed, uint32_t purpose, uint64_t step, uint64_t index);   /* [0,1), 53 bits */

/* The parameter fill that C and the Python fixture generators share (tests/fixtures, tools/fixtures):
 *   h = (i + 1)·0x9E3779B1 ^ salt                                                                   (all of it uint32)
 *   h ^= h >> 16;  h *= 0x85EBCA6B;  h ^= h >> 13;  h *= 0xC2B2AE35;  h ^= h >> 16
 *   value = scale · ((h >> 8) − 2²³) / 2²³      exactly representable steps, in [−scale, scale)
 * salt = FNV-1a 32 of the parameter's safetensors name. */
uint32_t qn_fill_salt(const char *name);
float qn_fill_value(uint32_t salt, uint64_t i, float scale);

#endif
