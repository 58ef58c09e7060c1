/* model/save_rope.c — llama3's RoPE scaling on its way between the spellings.
 *
 * config.json names the rule: factor s, original context C, low and high. GGUF holds its outcome, one divisor per pair
 * i of frequency f_i (waves over the original context: t_i = C·f_i / 2π):
 *
 *     keep_i = clamp((t_i − low) / (high − low), 0, 1)        d_i = 1 / ((1 − keep_i)/s + keep_i)
 *
 * On the way back s is the largest divisor. All published models have low = 1 and high = 4, so any pair with
 * 0 < keep < 1 gives C; the rule so found counts only if it gives all the divisors. */
#include "model/save.h"
#include "num/math.h"

static const double TWO_PI = 6.283185307179586476925;

void qn_rope_divisors(const qn_rope_config *r, float *divisor) {
    for (int64_t i = 0; i < r->rot / 2; i++) {
        const double f = qn_pow(r->base, -2.0 * (double)i / (double)r->rot);
        const double waves = r->original_context * f / TWO_PI;
        double keep = (waves - r->low_freq_factor) / (r->high_freq_factor - r->low_freq_factor);
        keep = keep < 0 ? 0 : keep > 1 ? 1 : keep;
        divisor[i] = (float)(1 / ((1 - keep) / r->factor + keep));
    }
}

/* Whoever wrote the divisors may have computed frequencies in f32: a few units of the sixth digit. */
static bool gives(const qn_rope_config *r, const float *divisor) {
    float mine[QN_ROPE_PAIRS];
    qn_rope_divisors(r, mine);
    for (int64_t i = 0; i < r->rot / 2; i++) {
        const double off = (double)mine[i] / (double)divisor[i] - 1;
        if (!(off > -1e-5 && off < 1e-5))
            return false;
    }
    return true;
}

/* C out of the first pair that is neither kept nor fully stretched; without one, what the file says. */
static double context_of(const qn_rope_config *r, double factor) {
    for (int64_t i = 0; i < r->rot / 2; i++) {
        const double keep = (1 / (double)r->divisor[i] - 1 / factor) / (1 - 1 / factor);
        if (keep > 1e-4 && keep < 1 - 1e-4)
            return (double)(int64_t)((1 + 3 * keep) * TWO_PI * qn_pow(r->base, 2.0 * (double)i / (double)r->rot) + 0.5);
    }
    return r->original_context;
}

int qn_rope_from_divisors(qn_rope_config *r) {
    qn_rope_config rule = *r;
    rule.scaling = QN_ROPE_LLAMA3;
    rule.factor = 1;
    rule.low_freq_factor = 1;
    rule.high_freq_factor = 4;
    for (int64_t i = 0; i < r->rot / 2; i++) {
        rule.factor = QN_MAX(rule.factor, (double)r->divisor[i]);
        rule.divisor[i] = 0;
    }
    if (rule.factor > 1 && rule.factor <= 1e6)
        rule.original_context = context_of(r, rule.factor);
    if (!gives(&rule, r->divisor))
        return qn_fail(QN_EUNSUPPORTED, "tensor rope_freqs.weight: its divisors are not those of llama3's scaling, "
                       "so config.json cannot name them");
    *r = rule;
    return 0;
}
