/* cli/house_checks.c — elementary functions against libm's long double, stored formats against their own grid, a small
 * tokenizer there and back, a file written and read, tiles over threads. */
#include "cli/house_checks.h"

#include <math.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/base.h"
#include "base/file.h"
#include "num/math.h"
#include "num/num.h"
#include "tok/tok.h"

QN_PRINTF(3, 4) static void expect(qn_house_report *r, bool ok, const char *fmt, ...) {
    va_list args;
    r->cases++;
    if (ok || r->failures++ > 0)
        return;
    va_start(args, fmt);
    vsnprintf(r->first, sizeof r->first, fmt, args);
    va_end(args);
}

/* ---- elementary functions ---- */

static const struct {
    const char *name;
    double (*ours)(double x);
    long double (*theirs)(long double x);
    double lo, hi;
} functions[] = {
    {"exp", qn_exp, expl, -700, 700}, {"expm1", qn_expm1, expm1l, -30, 700}, {"ln", qn_ln, logl, 1e-300, 1e6},
    {"log1p", qn_log1p, log1pl, -0.999, 1e6}, {"tanh", qn_tanh, tanhl, -20, 20}, {"erf", qn_erf, erfl, -6, 6},
    {"sin", qn_sin, sinl, -1e4, 1e4}, {"cos", qn_cos, cosl, -1e4, 1e4},
};

/* num/math.h promises less than one unit in the last place; the long double may take a little of it. */
static int check_functions(qn_house_report *r, QN_UNUSED qn_pool *pool) {
    for (size_t f = 0; f < QN_LEN(functions); f++)
        for (uint64_t i = 0; i < 4000; i++) {
            const double u = qn_rng_uniform(1, QN_RNG_TEST, f, i);
            const double x = functions[f].lo + (functions[f].hi - functions[f].lo) * (i % 2 ? u : u * u * u);
            const long double exact = functions[f].theirs((long double)x);
            const double got = functions[f].ours(x), near = (double)exact;
            const double ulp = nextafter(fabs(near), INFINITY) - fabs(near);
            expect(r, fabsl((long double)got - exact) <= 1.01L * (long double)ulp, "%s(%.17g) = %.17g, expected %.17g",
                   functions[f].name, x, got, near);
        }
    return 0;
}

/* ---- stored formats ---- */

/* Every F16 and BF16 number comes back from f32 as it was; infinities and quiet NaNs too. */
static void check_halves(qn_house_report *r) {
    for (uint32_t h = 0; h < 65536; h++) {
        const uint16_t f16 = qn_f32_to_f16(qn_f16_to_f32((uint16_t)h));
        const uint16_t bf16 = qn_f32_to_bf16(qn_bf16_to_f32((uint16_t)h));
        const bool nan16 = (h & 0x7fff) > 0x7c00, nanb = (h & 0x7fff) > 0x7f80;
        expect(r, nan16 ? (f16 & 0x7fff) > 0x7c00 : f16 == h, "f16 %04x comes back as %04x", h, f16);
        expect(r, nanb ? (bf16 & 0x7fff) > 0x7f80 : bf16 == h, "bf16 %04x comes back as %04x", h, bf16);
    }
}

/* No element of a block may be off by more than the format's step, in units of the block's largest magnitude. */
static int check_formats(qn_house_report *r, QN_UNUSED qn_pool *pool) {
    static const struct { qn_dtype t; float step; } formats[] = {
        {QN_F32, 0}, {QN_F16, 0x1p-11f}, {QN_BF16, 0x1p-8f}, {QN_Q8_0, 1 / 200.0f}, {QN_Q4_0, 1 / 6.0f},
        {QN_Q4_1, 1 / 10.0f},
    };
    float x[32], back[32];
    uint8_t stored[32 * 4];
    check_halves(r);
    for (size_t f = 0; f < QN_LEN(formats); f++)
        for (uint32_t block = 0; block < 500; block++) {
            float largest = 0, worst = 0;
            for (uint64_t i = 0; i < 32; i++) {
                x[i] = qn_fill_value(block, i, 1 + (float)(block % 7));
                largest = QN_MAX(largest, fabsf(x[i]));
            }
            qn_dtype_get(formats[f].t)->encode_row(stored, x, 32);
            qn_dtype_get(formats[f].t)->decode_row(back, stored, 32);
            for (int i = 0; i < 32; i++)
                worst = QN_MAX(worst, fabsf(back[i] - x[i]));
            expect(r, worst <= formats[f].step * largest, "%s block %u is off by %g of %g",
                   qn_dtype_get(formats[f].t)->name, block, (double)worst, (double)largest);
        }
    return 0;
}

/* ---- tokenizer ---- */

/* GPT-2's alphabet: printable Latin-1 stands for itself, the other bytes for U+0100 … in order. */
static void spell_byte(int byte, qn_buf *out, int *beyond) {
    const bool plain = (byte >= '!' && byte <= '~') || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
    qn_buf_clear(out);
    qn_buf_utf8(out, plain ? (uint32_t)byte : 0x100 + (uint32_t)(*beyond)++);
}

/* 256 bytes and two merges: "th", "the". */
static int small_tokenizer(qn_tok **tok) {
    static const char *const merged[] = {"th", "the"};
    qn_tok_spec spec;
    qn_buf spelled = {0};
    int beyond = 0, rc;
    qn_tok_spec_init(&spec);
    spec.model = QN_TOK_BPE;
    QN_TRY_OUT(qn_tok_spec_pre_name(&spec, QN_STR("gpt-2")));
    for (int byte = 0; byte < 256; byte++) {
        spell_byte(byte, &spelled, &beyond);
        QN_TRY_OUT(qn_tok_spec_token(&spec, byte, qn_buf_view(&spelled), QN_TOKEN_NORMAL));
    }
    for (int i = 0; i < 2; i++)
        QN_TRY_OUT(qn_tok_spec_token(&spec, 256 + i, qn_str_of(merged[i]), QN_TOKEN_NORMAL));
    QN_TRY_OUT(qn_tok_spec_merge(&spec, QN_STR("t"), QN_STR("h")));
    QN_TRY_OUT(qn_tok_spec_merge(&spec, QN_STR("th"), QN_STR("e")));
    QN_TRY_OUT(qn_tok_spec_decoder(&spec, &(qn_tok_decoder){.kind = QN_DECODE_BYTE_LEVEL}));
    QN_TRY_OUT(qn_tok_new(tok, &spec));
out:
    qn_buf_drop(&spelled);
    qn_tok_spec_drop(&spec);
    return rc;
}

static int check_tokenizer(qn_house_report *r, QN_UNUSED qn_pool *pool) {
    static const char *const texts[] = {
        "", "the theory of the thing", "  two  spaces\n\ttabs\r\n", "Größe, naïve, œuvre", "数学 и язык", "fine 😀",
        "x\xcc\x81y 123'll",
    };
    qn_tok *tok = NULL;
    qn_ids ids = {0};
    qn_buf back = {0};
    int rc;
    QN_TRY_OUT(small_tokenizer(&tok));
    for (size_t i = 0; i < QN_LEN(texts); i++) {
        qn_ids_clear(&ids);
        qn_buf_clear(&back);
        QN_TRY_OUT(qn_tok_encode(tok, texts[i], strlen(texts[i]), QN_TOK_PLAIN, &ids));
        QN_TRY_OUT(qn_tok_decode(tok, ids.v, ids.n, QN_TOK_PLAIN, &back));
        expect(r, qn_str_eq(qn_buf_view(&back), qn_str_of(texts[i])), "\"%s\" comes back as \"%s\"", texts[i],
               back.s ? back.s : "");
    }
    qn_ids_clear(&ids);
    QN_TRY_OUT(qn_tok_encode(tok, "then", 4, QN_TOK_PLAIN, &ids));
    expect(r, ids.n == 2 && ids.v[0] == 257, "\"then\" is %zu tokens, the first %d", ids.n, ids.n ? ids.v[0] : -1);
out:
    qn_buf_drop(&back);
    qn_ids_drop(&ids);
    qn_tok_free(tok);
    return rc;
}

/* ---- files ---- */

/* Written, mapped and compared; nothing is seen under the name before the commit. */
static int check_file_at(qn_house_report *r, const char *path) {
    enum { SIZE = 100000 };
    qn_out_file f = {0};
    qn_map_file m = {0};
    uint8_t *bytes = qn_alloc(QN_MEM_CLI, SIZE);
    int rc = bytes ? 0 : QN_ENOMEM;
    for (size_t i = 0; bytes && i < SIZE; i++)
        bytes[i] = (uint8_t)qn_rng_u64(2, QN_RNG_TEST, 0, i);
    if (rc < 0)
        goto out;
    QN_TRY_OUT(qn_out_open(&f, path));
    QN_TRY_OUT(qn_out_write(&f, bytes, SIZE));
    expect(r, !qn_is_file(path), "%s is there before it is complete", path);
    QN_TRY_OUT(qn_out_commit(&f));
    QN_TRY_OUT(qn_map_open(&m, path));
    expect(r, m.n == SIZE && memcmp(m.s, bytes, SIZE) == 0, "%s: %zu bytes read, not the %d written", path, m.n, SIZE);
    qn_map_close(&m);
out:
    qn_out_drop(&f);
    qn_free(bytes);
    return rc;
}

static int check_files(qn_house_report *r, QN_UNUSED qn_pool *pool) {
    char path[128];
    snprintf(path, sizeof path, "%s/quern-selftest-%ld", P_tmpdir, (long)getpid());
    const int rc = check_file_at(r, path);
    unlink(path);
    return rc;
}

/* ---- threads ---- */

typedef struct { _Atomic int64_t sum; int64_t part[1000]; } tiles;

static void one_tile(void *arg, int64_t tile, QN_UNUSED int worker) {
    tiles *t = arg;
    t->part[tile] = tile * tile;
    atomic_fetch_add(&t->sum, tile + 1);
}

/* Each tile runs once, whatever the number of threads. */
static int check_threads(qn_house_report *r, qn_pool *pool) {
    tiles *t = qn_zalloc(QN_MEM_CLI, 1, sizeof *t);
    if (!t)
        return QN_ENOMEM;
    for (int64_t round = 0; round < 200; round++) {
        const int64_t n = 1 + round * 5;
        atomic_store(&t->sum, 0);
        memset(t->part, 0, sizeof t->part);
        qn_parallel(pool, n, one_tile, t);
        bool all = atomic_load(&t->sum) == n * (n + 1) / 2;
        for (int64_t i = 0; i < n; i++)
            all = all && t->part[i] == i * i;
        expect(r, all, "%lld tiles on %d threads did not each run once", (long long)n, qn_pool_threads(pool));
    }
    qn_free(t);
    return 0;
}

const qn_house_check qn_house_checks[] = {
    {"functions", "exp, ln, tanh, erf, sin, cos … against libm in long double", check_functions},
    {"formats", "stored numbers, there and back", check_formats},
    {"tokenizer", "a small byte-level vocabulary, text to ids and back", check_tokenizer},
    {"files", "a file written whole, mapped, compared", check_files},
    {"threads", "tiles shared out, each done once", check_threads},
    {0}
};
