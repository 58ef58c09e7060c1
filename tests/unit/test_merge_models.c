/* tests/unit/test_merge_models.c — whole models into one: every method against its definition in double, weight by
 * weight, vectors too; what nothing is added to keeps its bits; forms; what is refused. */
#include <stdlib.h>

#include "base/pool.h"
#include "model/merge.h"
#include "model/merge_impl.h"
#include "model/stored.h"
#include "tiny_model.h"

typedef struct { char s[1024]; } path;
static path temp(const char *name) {
    path p;
    snprintf(p.s, sizeof p.s, "%s", qn_test_temp(name));
    return p;
}

/* The tiny model of these numbers; of another salt than 0, with every number moved. */
static path tiny(const tiny_spec *spec, const char *name, uint32_t salt) {
    const path p = temp(name);
    qn_buf bytes = tiny_bytes(spec);
    qn_source *s;
    qn_test_write(name, bytes.s, bytes.n);
    CHECK_OK(qn_source_open(&s, p.s));
    const qn_tensor_file *f = qn_source_tensors(s);
    for (size_t i = 0; salt && i < qn_tensor_count(f); i++) {
        const qn_tensor_info *t = qn_tensor_at(f, i);
        const qn_dtype_info *d = qn_dtype_get((qn_dtype)t->dtype);
        const int64_t n = qn_tensor_elements(t);
        float *x = qn_alloc(QN_MEM_TEST, (size_t)n * sizeof *x);
        d->decode_row(x, t->data, n);
        for (int64_t k = 0; k < n; k++)
            x[k] += 0.2f * qn_fill_value(salt + (uint32_t)i, (uint64_t)k, 1);
        d->encode_row(bytes.s + (t->data - f->map[t->map].s), x, n);
        qn_free(x);
    }
    qn_source_close(s);
    qn_test_write(name, bytes.s, bytes.n);
    qn_buf_drop(&bytes);
    return p;
}

/* Opened for reading single weights. */
typedef struct { qn_source *s; const qn_arch *arch; qn_config c; } opened;
static opened open_at(const char *at) {
    opened o;
    CHECK_OK(qn_source_open(&o.s, at));
    CHECK_OK(qn_source_config(o.s, &o.arch, &o.c));
    return o;
}

/* Its numbers in the order of use, to be freed; NULL: it is not there. */
static float *weight(const opened *o, const qn_param *p, int64_t layer, int64_t *n) {
    qn_stored st;
    CHECK_OK(qn_stored_find(&st, o->s, o->arch, &o->c, p, layer));
    if (!st.info)
        return NULL;
    CHECK_OK(qn_stored_check(&st, o->s));
    *n = st.dim[0] * st.dim[1];
    float *w = qn_alloc(QN_MEM_TEST, (size_t)*n * sizeof *w);
    void *room = qn_alloc(QN_MEM_TEST, (size_t)st.dim[0] * qn_stored_row_bytes(&st));
    qn_dtype_get((qn_dtype)st.info->dtype)->decode_row(w, qn_stored_rows(&st, 0, st.dim[0], room), *n);
    qn_free(room);
    return w;
}

/* ---- the definitions --------------------------------------------------------------------------------------------- */

enum { MOST = 4 };
typedef struct {
    size_t n;                       /* models, the base not counted */
    bool base;
    double w[MOST];
    qn_merge_options o;
} merge_case;

static int by_size(const void *a, const void *b) {
    const double x = fabs(*(const double *)a), y = fabs(*(const double *)b);
    return (x < y) - (x > y);
}

/* Only the k largest by size; ties among sizes do not occur in these numbers. */
static void keep_largest(double *d, int64_t n, double density) {
    const int64_t k = QN_MAX((int64_t)(density * (double)n), 1);
    double *sorted = qn_alloc(QN_MEM_TEST, (size_t)n * sizeof *sorted);
    memcpy(sorted, d, (size_t)n * sizeof *d);
    qsort(sorted, (size_t)n, sizeof *d, by_size);
    const double least = fabs(sorted[k - 1]);
    for (int64_t i = 0; i < n; i++)
        d[i] = fabs(d[i]) < least ? 0 : d[i];
    qn_free(sorted);
}

static void judge_mean(const merge_case *m, float *const *x, int64_t n, double *out) {
    double sum = 0;
    for (size_t i = 0; i < m->n; i++)
        sum += m->w[i];
    for (int64_t k = 0; k < n; k++) {
        out[k] = 0;
        for (size_t i = 0; i < m->n; i++)
            out[k] += m->w[i] / sum * (double)x[i][k];
    }
}

static void judge_base(const merge_case *m, float *const *x, int64_t n, double *out) {
    double *d[MOST];
    for (size_t i = 0; i < m->n; i++) {
        d[i] = qn_alloc(QN_MEM_TEST, (size_t)n * sizeof *d[i]);
        for (int64_t k = 0; k < n; k++)
            d[i][k] = (double)(float)((double)x[i][k] - (double)x[m->n][k]);
        if (m->o.method == QN_MERGE_TIES)
            keep_largest(d[i], n, m->o.density);
    }
    for (int64_t k = 0; k < n; k++) {
        double all = 0, sum = 0, share = 0;
        for (size_t i = 0; i < m->n; i++)
            all += m->w[i] * d[i][k];
        for (size_t i = 0; i < m->n; i++) {
            const double v = m->w[i] * d[i][k];
            const bool counts = m->o.method == QN_MERGE_LINEAR || (all >= 0 ? v > 0 : v < 0);
            sum += counts ? v : 0;
            share += counts ? m->w[i] : 0;
        }
        if (m->o.method == QN_MERGE_TIES)
            sum /= share == 0 ? 1 : share;
        out[k] = (double)x[m->n][k] + sum;
    }
    for (size_t i = 0; i < m->n; i++)
        qn_free(d[i]);
}

static void judge_slerp(const merge_case *m, float *const *x, int64_t n, double *out) {
    const double t = m->w[1] / (m->w[0] + m->w[1]);
    double aa = 0, bb = 0, ab = 0;
    for (int64_t k = 0; k < n; k++) {
        aa += (double)x[0][k] * (double)x[0][k];
        bb += (double)x[1][k] * (double)x[1][k];
        ab += (double)x[0][k] * (double)x[1][k];
    }
    const double c = ab / sqrt(aa * bb), angle = acos(c);
    const bool circle = fabs(c) <= 0.9995;
    for (int64_t k = 0; k < n; k++)
        out[k] = (circle ? sin((1 - t) * angle) / sin(angle) : 1 - t) * (double)x[0][k] +
                 (circle ? sin(t * angle) / sin(angle) : t) * (double)x[1][k];
}

/* One weight of what came out, beside the definition; whether it is there. */
static bool judge_weight(const merge_case *m, const opened *o, const opened *got, const qn_param *p, int64_t layer) {
    const size_t sides = m->n + m->base;
    int64_t n = 0;
    float *x[MOST + 1], *y = weight(got, p, layer, &n);
    if (!y)
        return false;
    double *want = qn_alloc(QN_MEM_TEST, (size_t)n * sizeof *want);
    for (size_t i = 0; i < sides; i++)
        x[i] = weight(&o[i], p, layer, &n);
    (m->o.method == QN_MERGE_SLERP ? judge_slerp : m->base ? judge_base : judge_mean)(m, x, n, want);
    for (int64_t e = 0; e < n; e++)
        CHECK_NEAR(y[e], want[e], 2e-7 * (1 + fabs(want[e])), "%s of layer %lld, %lld", p->gguf, (long long)layer,
                   (long long)e);
    for (size_t i = 0; i < sides; i++)
        qn_free(x[i]);
    qn_free(y);
    qn_free(want);
    return true;
}

static void judge(const merge_case *m, const path *in, const path *out) {
    opened o[MOST + 1], got = open_at(out->s);
    const size_t sides = m->n + m->base;
    int64_t seen = 0;
    for (size_t i = 0; i < sides; i++)
        o[i] = open_at(in[i].s);
    for (size_t k = 0; k < got.arch->n_params; k++) {
        const qn_param *p = &got.arch->params[k];
        const bool per_layer = qn_param_per_layer(p);
        for (int64_t layer = per_layer ? 0 : -1; layer < (per_layer ? got.c.layers : 0); layer++)
            seen += judge_weight(m, o, &got, p, layer);
    }
    CHECK(seen > 15, "%lld weights", (long long)seen);
    for (size_t i = 0; i < sides; i++)
        qn_source_close(o[i].s);
    qn_source_close(got.s);
}

static int run(const merge_case *m, const path *in, const path *out, qn_pool *pool, qn_convert_result *r) {
    qn_merge_model model[MOST];
    qn_merge_options o = m->o;
    for (size_t i = 0; i < m->n; i++)
        model[i] = (qn_merge_model){in[i].s, m->w[i]};
    o.out.force = true;
    return qn_merge_models(model, m->n, m->base ? in[m->n].s : NULL, out->s, &o, pool, r);
}

static const merge_case cases[] = {
    {3, false, {1, 2, 0.5}, {.method = QN_MERGE_LINEAR, .out = {.dtype = QN_DTYPE_KEEP}}},
    {2, false, {1.5, -0.5}, {.method = QN_MERGE_LINEAR, .out = {.dtype = QN_DTYPE_KEEP}}},
    {3, true, {1, 0.3, -0.7}, {.method = QN_MERGE_LINEAR, .out = {.dtype = QN_DTYPE_KEEP}}},
    {3, true, {1, 0.3, 2}, {.method = QN_MERGE_TIES, .density = 0.3, .out = {.dtype = QN_DTYPE_KEEP}}},
    {2, true, {1, 1}, {.method = QN_MERGE_TIES, .density = 1, .out = {.dtype = QN_DTYPE_KEEP}}},
    {2, false, {1, 3}, {.method = QN_MERGE_SLERP, .out = {.dtype = QN_DTYPE_KEEP}}},
};

TEST(methods_are_their_definitions) {
    for (int family = 0; family < 2; family++) {
        tiny_spec s = TINY;
        s.gpt2 = family == 1;
        const path in[] = {tiny(&s, "a.gguf", 1), tiny(&s, "b.gguf", 20), tiny(&s, "c.gguf", 300),
                           tiny(&s, "d.gguf", 0)};
        const path out = temp("out.gguf");
        qn_convert_result r;
        for (size_t i = 0; i < QN_LEN(cases); i++) {
            const merge_case *m = &cases[i];
            const path some[] = {in[0], in[1], m->n > 2 ? in[2] : in[3], in[3]};
            CHECK_OK(run(m, some, &out, NULL, &r), "case %zu", i);
            CHECK(r.changed > 15 && r.rounded == 0, "case %zu: %lld, %lld", i, (long long)r.changed,
                  (long long)r.rounded);
            judge(m, some, &out);
        }
    }
}

TEST(angles_are_those_of_their_cosines) {
    for (int i = -9994; i <= 9994; i += 7)
        CHECK_NEAR(qn_merge_angle(i / 1e4), acos(i / 1e4), 4e-15 / sqrt(1 - i / 1e4 * (i / 1e4)), "%d", i);
}

/* Each number is the base's, moved by none, one or both of the others' doubled differences; about half of them are. */
TEST(dare_drops_and_rescales) {
    const path in[] = {tiny(&TINY, "a.gguf", 1), tiny(&TINY, "b.gguf", 20), tiny(&TINY, "c.gguf", 0)};
    const path out = temp("dare.gguf");
    const merge_case m = {2, true, {1, 0.5}, {.method = QN_MERGE_DARE, .density = 0.5, .seed = 3,
                                              .out = {.dtype = QN_DTYPE_KEEP}}};
    qn_convert_result r;
    CHECK_OK(run(&m, in, &out, NULL, &r));
    opened o[4] = {open_at(in[0].s), open_at(in[1].s), open_at(in[2].s), open_at(out.s)};
    const qn_param *p = qn_arch_param(o[0].arch, QN_P_Q);
    int64_t n = 0, kept[2] = {0, 0};
    float *x[4];
    for (int i = 0; i < 4; i++)
        x[i] = weight(&o[i], p, 1, &n);
    for (int64_t k = 0; k < n; k++) {
        const double base = (double)x[2][k], a = 2 * ((double)x[0][k] - base), b = (double)x[1][k] - base;
        int found = -1;
        for (int which = 0; which < 4; which++)
            if (fabs((double)x[3][k] - (base + (which & 1 ? a : 0) + (which & 2 ? b : 0))) < 1e-6)
                found = which;
        CHECK(found >= 0, "%lld", (long long)k);
        kept[0] += found & 1;
        kept[1] += found >> 1;
    }
    CHECK_NEAR((double)kept[0] / (double)n, 0.5, 0.04);
    CHECK_NEAR((double)kept[1] / (double)n, 0.5, 0.04);
    for (int i = 0; i < 4; i++) {
        qn_free(x[i]);
        qn_source_close(o[i].s);
    }
}

/* ---- bits -------------------------------------------------------------------------------------------------------- */

static void check_same(const path *a, const path *b, const char *what) {
    qn_model *m = tiny_load(a->s, NULL), *n = tiny_load(b->s, NULL);
    CHECK(m->arena_bytes == n->arena_bytes && memcmp(m->arena, n->arena, m->arena_bytes) == 0, "%s", what);
    qn_model_free(m);
    qn_model_free(n);
}

/* All of the first and nothing of the second: the first's bits, blocks included; and the other way round. */
TEST(all_of_one_is_that_one) {
    static const qn_dtype dtype[] = {QN_F32, QN_BF16, QN_Q4_1};
    for (size_t i = 0; i < QN_LEN(dtype); i++) {
        tiny_spec s = TINY;
        s.dtype = dtype[i];
        const path in[] = {tiny(&s, "a.gguf", 1), tiny(&s, "b.gguf", 20)}, out = temp("one.gguf");
        merge_case m = {2, false, {1, 0}, {.out = {.dtype = QN_DTYPE_KEEP}}};
        qn_convert_result r;
        CHECK_OK(run(&m, in, &out, NULL, &r));
        CHECK_INT(r.changed, 0);
        check_same(&in[0], &out, "first");
        m.o.method = QN_MERGE_SLERP;
        CHECK_OK(run(&m, in, &out, NULL, &r));
        check_same(&in[0], &out, "first, slerp");
        m = (merge_case){2, false, {0, 1}, {.out = {.dtype = QN_DTYPE_KEEP}}};
        CHECK_OK(run(&m, in, &out, NULL, &r));
        if (dtype[i] != QN_Q4_1)                    /* blocks are made anew */
            check_same(&in[1], &out, "second");
    }
}

TEST(threads_change_no_bit) {
    const path in[] = {tiny(&TINY, "a.gguf", 1), tiny(&TINY, "b.gguf", 20), tiny(&TINY, "c.gguf", 0), temp("c.gguf")};
    const path one = temp("one.gguf"), three = temp("three.gguf");
    qn_convert_result r;
    qn_pool *pool;
    CHECK_OK(qn_pool_new(&pool, 3));
    for (size_t i = 1; i < QN_LEN(cases); i++) {
        CHECK_OK(run(&cases[i], in, &one, NULL, &r));
        CHECK_OK(run(&cases[i], in, &three, pool, &r));
        check_same(&one, &three, "threads");
    }
    qn_pool_free(pool);
}

/* Rows that one form keeps in another order, or on their side, or together with others. */
TEST(forms_may_differ) {
    tiny_spec specs[2] = {TINY, TINY};
    specs[1].gpt2 = true;
    for (int i = 0; i < 2; i++) {
        const path in[] = {tiny(&specs[i], "a.gguf", 1), tiny(&specs[i], "b.gguf", 20)};
        const path dir[] = {temp("a_dir"), temp("b_dir")}, want = temp("want.gguf"), got = temp("got.gguf"),
                   other = temp("got_dir");
        const merge_case m = {2, false, {1, 2}, {.out = {.dtype = QN_DTYPE_KEEP}}};
        const qn_convert_options o = {.dtype = QN_DTYPE_KEEP, .force = true};
        qn_convert_result r;
        for (int k = 0; k < 2; k++)
            CHECK_OK(qn_convert(in[k].s, dir[k].s, &o, &r));
        CHECK_OK(run(&m, in, &want, NULL, &r));
        CHECK_OK(run(&m, (path[]){in[0], dir[1]}, &got, NULL, &r));
        check_same(&want, &got, "a directory beside a GGUF");
        CHECK_OK(run(&m, dir, &got, NULL, &r));
        check_same(&want, &got, "directories into a GGUF");
        CHECK_OK(run(&m, (path[]){dir[0], in[1]}, &other, NULL, &r));
        check_same(&want, &other, "into a directory");
    }
}

/* A mean of norms is not rounded to what the matrices are stored as. */
TEST(vectors_are_not_rounded) {
    tiny_spec s = TINY;
    s.dtype = QN_BF16;
    const path in[] = {tiny(&s, "a.gguf", 1), tiny(&s, "b.gguf", 20)}, out = temp("half_dir");
    const merge_case m = {2, false, {1, 2}, {.out = {.dtype = QN_DTYPE_KEEP}}};
    qn_convert_result r;
    CHECK_OK(run(&m, in, &out, NULL, &r));
    CHECK(r.dtype == QN_BF16 && r.rounded > 10, "%lld", (long long)r.rounded);
    opened o[3] = {open_at(in[0].s), open_at(in[1].s), open_at(out.s)};
    const qn_param *p = qn_arch_param(o[0].arch, QN_P_OUT_NORM);
    int64_t n = 0;
    float *x[3];
    for (int i = 0; i < 3; i++)
        x[i] = weight(&o[i], p, -1, &n);
    for (int64_t k = 0; k < n; k++)
        CHECK_NEAR(x[2][k], ((double)x[0][k] + 2 * (double)x[1][k]) / 3, 1e-7, "%lld", (long long)k);
    for (int i = 0; i < 3; i++) {
        qn_free(x[i]);
        qn_source_close(o[i].s);
    }
}

/* ---- what is refused --------------------------------------------------------------------------------------------- */

typedef struct { const char *names[96]; int32_t types[96]; char spelled[96][4]; } words;

static void make_words(words *w, int other) {
    for (int i = 0; i < 96; i++) {
        snprintf(w->spelled[i], sizeof w->spelled[i], "%c", i == other ? '~' : '!' + i % 90);
        if (i >= 90)
            snprintf(w->spelled[i], sizeof w->spelled[i], "a%d", i - 90);
        w->names[i] = w->spelled[i];
        w->types[i] = QN_TOKEN_NORMAL;
    }
}

static void refuse(const path *a, const path *b, int code, const char *message) {
    const merge_case m = {2, false, {1, 1}, {.out = {.dtype = QN_DTYPE_KEEP}}};
    const path out = temp("refused.gguf"), both[] = {*a, *b};
    qn_convert_result r;
    CHECK_FAIL(run(&m, both, &out, NULL, &r), code, message);
    CHECK(!qn_is_file(out.s), "nothing is left behind: %s", message);
}

TEST(models_that_do_not_go_together) {
    const path a = tiny(&TINY, "a.gguf", 1);
    tiny_spec s = TINY;
    path b;
    s.layers = 3;
    b = tiny(&s, "b.gguf", 0);
    refuse(&a, &b, QN_ESHAPE, "has 3 layers");
    s = TINY;
    s.gpt2 = true;
    b = tiny(&s, "b.gguf", 0);
    refuse(&a, &b, QN_ESHAPE, "is a gpt2");
    s = TINY;
    s.F = 128;
    b = tiny(&s, "b.gguf", 0);
    refuse(&a, &b, QN_ESHAPE, "tensor blk.0.ffn_gate.weight is for a weight of [128,64]");
    s = TINY;
    s.V = 97;
    b = tiny(&s, "b.gguf", 0);
    refuse(&a, &b, QN_ESHAPE, "tensor token_embd.weight is for a weight of [97,64]");
    s = TINY;
    s.heads = 2;
    s.kv_heads = 1;
    s.Dh = 32;
    b = tiny(&s, "b.gguf", 0);
    refuse(&a, &b, QN_ESHAPE, "has 2 heads");
    s = TINY;
    s.untied = true;
    b = tiny(&s, "b.gguf", 0);
    refuse(&a, &b, QN_ESHAPE, "has no tensor output.weight of its own");
    refuse(&b, &a, QN_ESHAPE, "has no tensor output.weight of its own");
    s = TINY;
    s.twist.without = "blk.1.attn_k.weight";
    b = tiny(&s, "b.gguf", 0);
    refuse(&a, &b, QN_ENOTFOUND, "blk.1.attn_k.weight");
}

TEST(tokenizers_that_differ) {
    static words one, two;
    tiny_spec s = TINY, t = TINY;
    make_words(&one, -1);
    make_words(&two, 7);
    s.tokens = one.names;
    s.types = one.types;
    t.tokens = two.names;
    t.types = two.types;
    const path a = tiny(&s, "a.gguf", 1), b = tiny(&t, "b.gguf", 20), none = tiny(&TINY, "c.gguf", 20);
    const path out = temp("o.gguf");
    const merge_case m = {2, false, {1, 1}, {.out = {.dtype = QN_DTYPE_KEEP}}};
    qn_convert_result r;
    refuse(&a, &b, QN_EINVAL, "id 7 is \"(\" there and \"~\" here");
    CHECK_OK(run(&m, (path[]){a, none}, &out, NULL, &r), "one without a tokenizer");
    qn_tok *tok;
    qn_model_free(tiny_load(out.s, &tok));
    CHECK(qn_str_is(qn_tok_text(tok, 7), "("), "the first's goes along");
    qn_tok_free(tok);
}

TEST(options_that_are_refused) {
    const path in[] = {tiny(&TINY, "a.gguf", 1), tiny(&TINY, "b.gguf", 20), tiny(&TINY, "c.gguf", 0)};
    const path out = temp("no.gguf");
    merge_case m = {1, false, {1, 1}, {.out = {.dtype = QN_DTYPE_KEEP}}};
    qn_convert_result r;
    CHECK_FAIL(run(&m, in, &out, NULL, &r), QN_EINVAL, "1 models; expected 2 to 8");
    m.n = 2;
    m.w[1] = -1;
    CHECK_FAIL(run(&m, in, &out, NULL, &r), QN_EINVAL, "the weights sum to 0");
    m.w[1] = NAN;
    CHECK_FAIL(run(&m, in, &out, NULL, &r), QN_EINVAL, "is no number");
    m.w[1] = 1;
    m.o.method = QN_MERGE_TIES;
    CHECK_FAIL(run(&m, in, &out, NULL, &r), QN_EINVAL, "name the model that all come from");
    m.base = true;
    CHECK_FAIL(run(&m, in, &out, NULL, &r), QN_EINVAL, "the density is 0");
    m.o.method = QN_MERGE_SLERP;
    CHECK_FAIL(run(&m, in, &out, NULL, &r), QN_EINVAL, "slerp goes between two models");
    m.base = false;
    m.w[0] = -1;
    CHECK_FAIL(run(&m, in, &out, NULL, &r), QN_EINVAL, "not beyond them");
    m.w[0] = 1;
    CHECK_FAIL(run(&m, in, &in[1], NULL, &r), QN_EINVAL, "the same");
    CHECK_FAIL(run(&m, in, &in[0], NULL, &r), QN_EINVAL, "the same");
    CHECK(!qn_is_file(out.s), "nothing is left behind");
}

TEST(any_allocation_may_fail) {
    const path in[] = {tiny(&TINY, "a.gguf", 1), tiny(&TINY, "b.gguf", 20), tiny(&TINY, "c.gguf", 0)};
    const path out = temp("memory_dir");
    const merge_case m[] = {
        {2, true, {1, 1}, {.method = QN_MERGE_TIES, .density = 0.5, .out = {.dtype = QN_BF16}}},
        {2, false, {1, 1}, {.method = QN_MERGE_SLERP, .out = {.dtype = QN_BF16}}},
    };
    for (size_t i = 0; i < QN_LEN(m); i++) {
        qn_convert_result r;
        int rc = QN_ENOMEM;
        for (int64_t n = 0; rc == QN_ENOMEM; n += 1 + n / 6) {
            qn_mem_fail_after(n);
            rc = run(&m[i], in, &out, NULL, &r);
            qn_mem_fail_after(-1);
            CHECK(rc == 0 || rc == QN_ENOMEM, "allocation %lld: %s", (long long)n, qn_error_message());
        }
    }
}
