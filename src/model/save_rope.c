/* model/save_rope.c — llama3's RoPE scaling on its way between the spellings.
 *
 * config.json names the rule: factor s, original context C, low and high. GGUF holds its outcome, one divisor per pair
 * i of frequency f_i (waves over the original context: t_i = C·f_i / 2π):
 *
 *     keep_i = clamp((t_i − low) / (high − low), 0, 1)        d_i = 1 / ((1 − keep_i)/s + keep_i)
 *
 * The way back tries the contexts that models were published with and takes the one whose divisors are these. */
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

int qn_rope_from_divisors(qn_rope_config *r) {
    qn_rope_config try = *r;
    try.scaling = QN_ROPE_LLAMA3;
    try.factor = 1;
    try.low_freq_factor = 1;
    try.high_freq_factor = 4;
    for (int64_t i = 0; i < r->rot / 2; i++)
        try.factor = QN_MAX(try.factor, (double)r->divisor[i]);
    const double said = r->original_context;
    for (double context = 32; context <= 1 << 20; context *= 2) {
        try.original_context = context == 32 ? said : context;          /* what the file says comes first */
        if (!gives(&try, r->divisor))
            continue;
        for (int i = 0; i < QN_ROPE_PAIRS; i++)
            try.divisor[i] = 0;
        *r = try;
        return 0;
    }
    return qn_fail(QN_EUNSUPPORTED, "tensor rope_freqs.weight: its divisors follow no published setting of llama3's "
                   "RoPE scaling, so config.json cannot name them");
}
