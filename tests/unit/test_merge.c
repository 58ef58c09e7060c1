/* tests/unit/test_merge.c — adapters into weights: what each method makes of a matrix, against the plain sum; draws and
 * ties that depend on nothing but their arguments; quantized bases; what is refused. (test_adapter_peft.c holds merged
 * models to PEFT's logits.) */
#include "base/pool.h"
#include "make_adapter.h"
#include "model/adapter_file.h"
#include "model/merge.h"
#include "tiny_model.h"

enum { ROWS = 64, COLS = 64 };

static qn_adapter *one(const qn_model *m, const char *salt, bool dora) {
    const qn_lora_options o = {.rank = 3, .alpha = 6, .dora = dora, .targets = "all-linear", .seed = 5};
    return make_adapter(m, &o, salt);
}

/* W + Δ of the plain definition, in double; to be freed. */
static double *plain(const float *w, const qn_lora *l, double scale) {
    double *d = qn_zalloc(QN_MEM_TEST, (size_t)(l->rows * l->cols), sizeof *d);
    float *a = lora_values(&l->a), *b = lora_values(&l->b);
    for (int64_t r = 0; r < l->rows; r++) {
        double square = 0;
        for (int64_t k = 0; k < l->cols; k++) {
            double sum = (double)w[r * l->cols + k];
            for (int64_t i = 0; i < l->rank; i++)
                sum += l->scale * (double)b[r * l->rank + i] * (double)a[i * l->cols + k];
            d[r * l->cols + k] = sum;
            square += sum * sum;
        }
        for (int64_t k = 0; k < l->cols; k++) {
            double *x = &d[r * l->cols + k];
            *x *= l->magnitude ? (double)l->magnitude[r] / sqrt(square) : 1;
            *x = scale * (*x - (double)w[r * l->cols + k]);
        }
    }
    qn_free(a);
    qn_free(b);
    return d;
}

static float *weights(void) { return test_fill_values("weights", (int64_t)ROWS * COLS, 0.3f); }

/* ---- methods ---- */

TEST(linear_is_the_sum) {
    qn_model *m = tiny_model(&TINY, NULL);
    for (int dora = 0; dora < 2; dora++) {
        qn_adapter *a = one(m, "one", dora), *b = one(m, "two", false);
        const qn_merge_part part[] = {{a, 0.5}, {b, -2}};
        const qn_merge_options o = {0};
        const qn_lora *x = qn_adapter_find(a, QN_P_Q, 1), *y = qn_adapter_find(b, QN_P_Q, 1);
        float *w = weights(), *v = weights();
        double *dx = plain(w, x, 0.5), *dy = plain(w, y, -2);
        CHECK_OK(qn_merge_matrix(v, x->p, 1, part, 2, &o, NULL));
        for (int64_t k = 0; k < ROWS * COLS; k++)
            CHECK_NEAR(v[k], (double)w[k] + dx[k] + dy[k], 1e-7, "%lld, dora %d", (long long)k, dora);
        qn_free(w);
        qn_free(v);
        qn_free(dx);
        qn_free(dy);
        qn_adapter_free(a);
        qn_adapter_free(b);
    }
    qn_model_free(m);
}

/* Kept elements are as they were, or larger by 1/density; how many, and on which the draws depend. */
TEST(dare_drops_and_rescales) {
    qn_model *m = tiny_model(&TINY, NULL);
    qn_adapter *a = one(m, "one", false);
    const qn_lora *l = qn_adapter_find(a, QN_P_O, 0);
    qn_merge_options o = {.method = QN_MERGE_DARE, .density = 0.25, .seed = 7};
    float *zero = qn_zalloc(QN_MEM_TEST, ROWS * COLS, sizeof *zero), *w[3];
    double *d = plain(zero, l, 1);
    int64_t kept = 0, same = 0;
    for (int i = 0; i < 3; i++) {
        w[i] = qn_zalloc(QN_MEM_TEST, ROWS * COLS, sizeof *w[i]);
        o.seed = i < 2 ? 7 : 8;
        CHECK_OK(qn_merge_matrix(w[i], l->p, 0, &(qn_merge_part){a, 1}, 1, &o, NULL));
    }
    for (int64_t k = 0; k < ROWS * COLS; k++) {
        CHECK(w[0][k] == 0 || fabs((double)w[0][k] - 4 * d[k]) < 1e-6, "%lld", (long long)k);
        kept += w[0][k] != 0;
        same += (w[0][k] != 0) == (w[2][k] != 0);
    }
    CHECK_NEAR((double)kept / (ROWS * COLS), 0.25, 0.03);
    CHECK_NEAR((double)same / (ROWS * COLS), 0.625, 0.03, "another seed, other draws");
    CHECK(memcmp(w[0], w[1], ROWS * COLS * sizeof *zero) == 0);
    for (int i = 0; i < 3; i++)
        qn_free(w[i]);
    qn_free(zero);
    qn_free(d);
    qn_adapter_free(a);
    qn_model_free(m);
}

/* By hand: of {4,−3,2,−1} and {−5,3,1,1} the larger half stays, {4,−3,0,0} and {−5,3,0,0}; −1 of the first element is
 * negative, 0 of the second counts as positive. */
TEST(ties_by_hand) {
    tiny_spec s = TINY;
    qn_model *m = tiny_model(&s, NULL);
    const qn_param *q = qn_arch_param(m->arch, QN_P_Q);
    static const float numbers[2][4] = {{4, -3, 2, -1}, {-5, 3, 1, 1}}, want[4] = {-5, 3, 0, 0};
    const float one_row[1] = {1};
    qn_adapter *a[2];
    qn_merge_part part[2];
    float w[4] = {0};
    for (int i = 0; i < 2; i++) {
        const qn_lora pair = {.p = q, .rank = 1, .rows = 1, .cols = 4, .alpha = 1, .scale = 1};
        CHECK_OK(qn_adapter_new(&a[i], m->arch, 2, &pair, 1, false));
        qn_lora_pack(&a[i]->lora[0].a, numbers[i]);
        qn_lora_pack(&a[i]->lora[0].b, one_row);
        part[i] = (qn_merge_part){a[i], 1};
    }
    const qn_merge_options o = {.method = QN_MERGE_TIES, .density = 0.5};
    CHECK_OK(qn_merge_matrix(w, q, 0, part, 2, &o, NULL));
    for (int k = 0; k < 4; k++)
        CHECK_NEAR(w[k], want[k], 0, "element %d", k);
    qn_adapter_free(a[0]);
    qn_adapter_free(a[1]);
    qn_model_free(m);
}

TEST(threads_change_no_bit) {
    qn_model *m = tiny_model(&TINY, NULL);
    qn_adapter *a = one(m, "one", true), *b = one(m, "two", false);
    const qn_merge_part part[] = {{a, 1}, {b, 0.3}};
    qn_pool *pool;
    CHECK_OK(qn_pool_new(&pool, 3));
    for (int method = 0; method < 3; method++) {
        const qn_merge_options o = {.method = (qn_merge_method)method, .density = 0.4, .seed = 1};
        float *w = weights(), *v = weights();
        CHECK_OK(qn_merge_matrix(w, a->lora[0].p, 0, part, 2, &o, NULL));
        CHECK_OK(qn_merge_matrix(v, a->lora[0].p, 0, part, 2, &o, pool));
        CHECK(memcmp(w, v, ROWS * COLS * sizeof *w) == 0, "method %d", method);
        qn_free(w);
        qn_free(v);
    }
    qn_pool_free(pool);
    qn_adapter_free(a);
    qn_adapter_free(b);
    qn_model_free(m);
}

/* ---- whole models ------------------------------------------------------------------------------------------------ */

typedef struct { char s[1024]; } path;
static path temp(const char *name) {
    path p;
    snprintf(p.s, sizeof p.s, "%s", qn_test_temp(name));
    return p;
}

static path tiny(const tiny_spec *s, const char *name) {
    const path p = temp(name);
    qn_buf bytes = tiny_bytes(s);
    qn_test_write(name, bytes.s, bytes.n);
    qn_buf_drop(&bytes);
    return p;
}

/* What adapters do not touch is what it was, to the bit; what they do is quantized anew from W + Δ. */
TEST(a_quantized_base_is_quantized_again) {
    tiny_spec s = TINY;
    s.dtype = QN_Q8_0;
    const path in = tiny(&s, "q8.gguf"), out = temp("merged.gguf");
    qn_model *m = tiny_load(in.s, NULL), *n;
    const qn_lora_options lo = {.rank = 2, .alpha = 4, .targets = "attn_q,ffn_down", .seed = 1};
    qn_adapter *a = make_adapter(m, &lo, "quantized");
    const qn_merge_options o = {.out = {.dtype = QN_DTYPE_KEEP}};
    qn_convert_result r;
    CHECK_OK(qn_merge(in.s, out.s, &(qn_merge_part){a, 1}, 1, &o, NULL, &r));
    CHECK(r.dtype == QN_Q8_0 && r.changed == 4 && r.rounded == 4, "%lld, %lld", (long long)r.changed,
          (long long)r.rounded);
    n = tiny_load(out.s, NULL);
    for (int id = 0; id < QN_PARAMS; id++) {
        const qn_tensor *x = qn_model_param(m, (qn_param_id)id, 0), *y = qn_model_param(n, (qn_param_id)id, 0);
        if (x->rank != 2)
            continue;
        float *v = qn_alloc(QN_MEM_TEST, (size_t)(x->dim[0] * x->dim[1]) * sizeof *v);
        float *w = qn_alloc(QN_MEM_TEST, (size_t)(x->dim[0] * x->dim[1]) * sizeof *w);
        const qn_lora *l = qn_adapter_find(a, (qn_param_id)id, 0);
        CHECK_INT(y->dtype, QN_Q8_0);
        qn_unpack_rows(v, x->dtype, x->data, 0, x->dim[0], x->dim[1]);
        qn_unpack_rows(w, y->dtype, y->data, 0, x->dim[0], x->dim[1]);
        double *d = l ? plain(v, l, 1) : NULL;
        for (int64_t k = 0; k < x->dim[0] * x->dim[1]; k++)
            CHECK_NEAR(w[k], (double)v[k] + (d ? d[k] : 0), d ? 0.004 : 0, "%d, %lld", id, (long long)k);
        qn_free(d);
        qn_free(v);
        qn_free(w);
    }
    qn_adapter_free(a);
    qn_model_free(m);
    qn_model_free(n);
}

/* A weight of 0 leaves every number in its place, in each family and where RoPE turns a part of a head only. */
TEST(nothing_added_is_nothing_changed) {
    tiny_spec specs[3] = {TINY, TINY, TINY};
    specs[1].rot = 8;
    specs[2].gpt2 = true;
    for (int i = 0; i < 3; i++) {
        const path in = tiny(&specs[i], "zero.gguf"), out = temp("zero_merged.gguf");
        qn_model *m = tiny_load(in.s, NULL), *n;
        qn_adapter *a = one(m, "one", false);
        const qn_merge_options o = {.out = {.dtype = QN_DTYPE_KEEP, .force = true}};
        qn_convert_result r;
        CHECK_OK(qn_merge(in.s, out.s, &(qn_merge_part){a, 0}, 1, &o, NULL, &r), "%d", i);
        n = tiny_load(out.s, NULL);
        CHECK(m->arena_bytes == n->arena_bytes && memcmp(m->arena, n->arena, m->arena_bytes) == 0, "%d", i);
        qn_adapter_free(a);
        qn_model_free(m);
        qn_model_free(n);
    }
}

TEST(merges_that_are_refused) {
    tiny_spec deep = TINY, other = TINY;
    deep.layers = 3;
    other.gpt2 = true;
    const path base = tiny(&TINY, "base.gguf"), three = tiny(&deep, "three.gguf"), gpt2 = tiny(&other, "gpt2.gguf");
    const path out = temp("refused.gguf");
    qn_model *m = tiny_load(base.s, NULL);
    qn_adapter *a = one(m, "one", false);
    qn_merge_options o = {.out = {.dtype = QN_DTYPE_KEEP}};
    qn_merge_part part = {a, 1};
    qn_convert_result r;
    CHECK_FAIL(qn_merge(three.s, out.s, &part, 1, &o, NULL, &r), QN_ESHAPE, "an adapter for a llama of 2 layers");
    CHECK_FAIL(qn_merge(gpt2.s, out.s, &part, 1, &o, NULL, &r), QN_ESHAPE, "is a gpt2 of 2");
    CHECK_FAIL(qn_merge(base.s, out.s, &part, 0, &o, NULL, &r), QN_EINVAL, "0 adapters; expected 1 to 8");
    part.scale = NAN;
    CHECK_FAIL(qn_merge(base.s, out.s, &part, 1, &o, NULL, &r), QN_EINVAL, "is no number");
    part.scale = 1;
    o.method = QN_MERGE_DARE;
    o.density = 1.5;
    CHECK_FAIL(qn_merge(base.s, out.s, &part, 1, &o, NULL, &r), QN_EINVAL, "the density is 1.5");
    o.method = QN_MERGE_LINEAR;
    CHECK_FAIL(qn_merge("/no/model", out.s, &part, 1, &o, NULL, &r), QN_ENOTFOUND, "/no/model");
    tiny_spec wide = TINY;
    wide.F = 128;
    const path wider = tiny(&wide, "wide.gguf");
    CHECK_FAIL(qn_merge(wider.s, out.s, &part, 1, &o, NULL, &r), QN_ESHAPE,
               "is for [96,64], the model's weight is [128");
    CHECK(!qn_is_file(out.s), "nothing is left behind");
    qn_adapter_free(a);
    qn_model_free(m);
}

TEST(any_allocation_may_fail) {
    const path base = tiny(&TINY, "base.gguf"), out = temp("memory.gguf");
    qn_model *m = tiny_load(base.s, NULL);
    qn_adapter *a = one(m, "one", false);
    const qn_merge_options o = {
        .method = QN_MERGE_TIES, .density = 0.5, .out = {.dtype = QN_DTYPE_KEEP, .force = true}};
    qn_convert_result r;
    int rc = QN_ENOMEM;
    for (int64_t n = 0; rc == QN_ENOMEM; n += 1 + n / 8) {
        qn_mem_fail_after(n);
        rc = qn_merge(base.s, out.s, &(qn_merge_part){a, 1}, 1, &o, NULL, &r);
        qn_mem_fail_after(-1);
        CHECK(rc == 0 || rc == QN_ENOMEM, "allocation %lld: %s", (long long)n, qn_error_message());
    }
    qn_adapter_free(a);
    qn_model_free(m);
}
