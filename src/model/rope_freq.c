/* model/rope_freq.c — inverse frequencies of rotary embeddings and their scalings. */
#include "model/config.h"
#include "num/math.h"

static const double TWO_PI = 6.283185307179586476925;

/* Pair index at which a wave turns `turns` times over the original context (YaRN, eq. 17 solved for the dimension). */
static double pair_of_turns(const qn_rope_config *r, double turns) {
    return (double)r->rot * qn_ln(r->original_context / (turns * TWO_PI)) / (2 * qn_ln(r->base));
}

static double clamp(double x, double lo, double hi) { return x < lo ? lo : x > hi ? hi : x; }
static double floor_of(double x) { return (double)((int64_t)x - ((double)(int64_t)x > x)); }

/* Fast pairs keep their frequency, slow ones are interpolated, a linear ramp lies between. */
static void yarn(const qn_rope_config *r, double *freq) {
    const double last = (double)r->rot - 1;
    const double low = clamp(floor_of(pair_of_turns(r, r->beta_fast)), 0, last);
    double high = clamp(-floor_of(-pair_of_turns(r, r->beta_slow)), 0, last);
    if (high == low)
        high += 0.001;
    for (int64_t i = 0; i < r->rot / 2; i++) {
        const double slow = clamp(((double)i - low) / (high - low), 0, 1);
        freq[i] = freq[i] / r->factor * slow + freq[i] * (1 - slow);
    }
}

/* Wavelengths beyond original/low are stretched by factor, below original/high kept, in between mixed. */
static void llama3(const qn_rope_config *r, double *freq) {
    for (int64_t i = 0; i < r->rot / 2; i++) {
        const double turns = r->original_context * freq[i] / TWO_PI;
        const double keep = clamp((turns - r->low_freq_factor) / (r->high_freq_factor - r->low_freq_factor), 0, 1);
        freq[i] = (1 - keep) * freq[i] / r->factor + keep * freq[i];
    }
}

void qn_rope_frequencies(const qn_rope_config *r, double *freq, double *factor) {
    *factor = 1;
    for (int64_t i = 0; i < r->rot / 2; i++)
        freq[i] = qn_pow(r->base, -2.0 * (double)i / (double)r->rot) / (r->divisor[i] > 0 ? (double)r->divisor[i] : 1);
    switch (r->scaling) {
    case QN_ROPE_PLAIN:
        break;
    case QN_ROPE_LINEAR:
        for (int64_t i = 0; i < r->rot / 2; i++)
            freq[i] /= r->factor;
        break;
    case QN_ROPE_LLAMA3:
        llama3(r, freq);
        break;
    case QN_ROPE_YARN:
        yarn(r, freq);
        *factor = r->attention_factor > 0 ? r->attention_factor : r->factor > 1 ? 0.1 * qn_ln(r->factor) + 1 : 1;
        break;
    }
}
