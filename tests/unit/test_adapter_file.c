/* tests/unit/test_adapter_file.c — adapters there and back again in both forms; joint tensors; what PEFT's
 * configuration may say; and that everything else is refused with words that help. (test_adapter_peft.c holds them to
 * PEFT's own logits.) */
#include <unistd.h>

#include "base/json.h"
#include "make_adapter.h"
#include "model/adapter_file.h"
#include "tiny_model.h"

static qn_model *model_of(bool gpt2) {
    tiny_spec s = TINY;
    s.gpt2 = gpt2;
    return tiny_model(&s, NULL);
}

static qn_lora_options options(int64_t rank, const char *targets) {
    return (qn_lora_options){.rank = rank, .alpha = 16, .targets = targets, .seed = 3};
}

/* The same pairs with the same numbers; s within `tolerance`. */
static void check_same(const qn_adapter *a, const qn_adapter *b, double tolerance, const char *what) {
    CHECK(a->n == b->n && a->layers == b->layers && a->dora == b->dora && a->arch == b->arch, "%s", what);
    CHECK_STR(a->pedigree, b->pedigree, "%s", what);
    for (size_t i = 0; i < a->n; i++) {
        const qn_lora *x = &a->lora[i], *y = &b->lora[i];
        CHECK(x->p == y->p && x->layer == y->layer, "%s, pair %zu", what, i);
        CHECK(x->rank == y->rank && x->rows == y->rows && x->cols == y->cols, "%s, pair %zu", what, i);
        CHECK_NEAR(x->scale, y->scale, tolerance * x->scale, "%s, pair %zu", what, i);
        float *v[4] = {lora_values(&x->a), lora_values(&y->a), lora_values(&x->b), lora_values(&y->b)};
        CHECK(memcmp(v[0], v[1], (size_t)(x->rank * x->cols) * sizeof(float)) == 0, "%s, A of pair %zu", what, i);
        CHECK(memcmp(v[2], v[3], (size_t)(x->rank * x->rows) * sizeof(float)) == 0, "%s, B of pair %zu", what, i);
        if (x->magnitude)
            CHECK(memcmp(x->magnitude, y->magnitude, (size_t)x->rows * sizeof(float)) == 0, "%s, pair %zu", what, i);
        for (int k = 0; k < 4; k++)
            qn_free(v[k]);
    }
}

/* s·B·A of a pair, [rows,cols]; to be freed. */
static float *product(const qn_lora *l) {
    float *a = lora_values(&l->a), *b = lora_values(&l->b);
    float *d = qn_zalloc(QN_MEM_TEST, (size_t)(l->rows * l->cols), sizeof *d);
    for (int64_t n = 0; n < l->rows; n++)
        for (int64_t k = 0; k < l->cols; k++) {
            double sum = 0;
            for (int64_t r = 0; r < l->rank; r++)
                sum += (double)b[n * l->rank + r] * (double)a[r * l->cols + k];
            d[n * l->cols + k] = (float)(l->scale * sum);
        }
    qn_free(a);
    qn_free(b);
    return d;
}

static void check_same_products(const qn_adapter *a, const qn_adapter *b, double tolerance, const char *what) {
    CHECK_INT(a->n, b->n, "%s", what);
    for (size_t i = 0; i < a->n; i++) {
        float *x = product(&a->lora[i]), *y = product(&b->lora[i]);
        for (int64_t k = 0; k < a->lora[i].rows * a->lora[i].cols; k++)
            CHECK_NEAR(x[k], y[k], tolerance, "%s, pair %zu, %lld", what, i, (long long)k);
        qn_free(x);
        qn_free(y);
    }
}

static qn_adapter *read_adapter(const char *path, const qn_model *m) {
    qn_adapter *a;
    CHECK_OK(qn_adapter_read(&a, path, m), "%s", path);
    CHECK_STR(a->name, path);
    return a;
}

static const char *config_of(const char *dir) {
    static char text[8192];
    char path[1024];
    qn_buf b = {0};
    snprintf(path, sizeof path, "%s/adapter_config.json", dir);
    CHECK_OK(qn_read_file(&b, path, sizeof text - 1));
    snprintf(text, sizeof text, "%s", b.s);
    qn_buf_drop(&b);
    return text;
}

/* ---- there and back ---------------------------------------------------------------------------------------------- */

TEST(peft_comes_back_to_the_bit) {
    static const struct { const char *targets; bool rslora, dora; } cases[] = {
        {"all-linear", false, false}, {"attn_q,attn_v", true, false}, {"ffn_down,attn_k", false, true},
    };
    qn_model *m = model_of(false);
    for (size_t i = 0; i < QN_LEN(cases); i++) {
        char dir[1024], what[64];
        qn_lora_options o = options(5, cases[i].targets);
        o.rslora = cases[i].rslora;
        o.dora = cases[i].dora;
        qn_adapter *a = make_adapter(m, &o, "peft");
        snprintf(dir, sizeof dir, "%s", qn_test_temp("peft/one"));
        snprintf(what, sizeof what, "case %zu", i);
        CHECK_OK(qn_adapter_write_peft(a, &m->cfg, "some/model", dir), "%s", what);
        qn_adapter *b = read_adapter(dir, m);
        check_same(a, b, 1e-15, what);
        CHECK(b->rslora == o.rslora, "%s", what);
        for (size_t k = 0; k < a->n && o.dora; k++)
            CHECK(memcmp(a->lora[k].length, b->lora[k].length, (size_t)a->lora[k].rows * sizeof(float)) == 0, "%s",
                  what);
        qn_adapter_free(a);
        qn_adapter_free(b);
    }
    qn_model_free(m);
}

TEST(the_configuration_says_what_peft_asks_for) {
    qn_model *m = model_of(false), *g = model_of(true);
    const qn_lora_options o = options(8, "attn_q,ffn_down"), all = options(8, "all-linear");
    qn_adapter *a = make_adapter(m, &o, "config"), *b = make_adapter(g, &all, "config");
    char dir[1024];
    snprintf(dir, sizeof dir, "%s", qn_test_temp("config"));
    CHECK_OK(qn_adapter_write_peft(a, &m->cfg, "some/model", dir));
    const char *text = config_of(dir);
    CHECK_CONTAINS(text, "\"peft_type\": \"LORA\"");
    CHECK_CONTAINS(text, "\"base_model_name_or_path\": \"some/model\"");
    CHECK_CONTAINS(text, "\"r\": 8");
    CHECK_CONTAINS(text, "\"lora_alpha\": 16");
    CHECK_CONTAINS(text, "\"target_modules\": [\n    \"q_proj\",\n    \"down_proj\"\n  ]");
    CHECK_CONTAINS(text, "\"rank_pattern\": {}");
    CHECK_CONTAINS(text, "\"fan_in_fan_out\": false");
    CHECK_OK(qn_adapter_write_peft(b, &g->cfg, NULL, dir));
    text = config_of(dir);
    CHECK_CONTAINS(text, "\"base_model_name_or_path\": null");
    CHECK_CONTAINS(text, "\"r\": 8");
    CHECK_CONTAINS(text, "\"c_attn\",\n    \"attn.c_proj\",\n    \"c_fc\",\n    \"mlp.c_proj\"");
    CHECK_CONTAINS(text, "\"rank_pattern\": {\n    \"c_attn\": 24\n  }");
    CHECK_CONTAINS(text, "\"alpha_pattern\": {\n    \"c_attn\": 48\n  }");
    CHECK_CONTAINS(text, "\"fan_in_fan_out\": true");
    qn_adapter_free(a);
    qn_adapter_free(b);
    qn_model_free(m);
    qn_model_free(g);
}

TEST(gguf_comes_back_to_the_bit) {
    qn_model *m = model_of(false);
    for (int rslora = 0; rslora < 2; rslora++) {
        qn_lora_options o = options(6, "all-linear");
        qn_buf base = {0};
        char path[1024];
        o.rslora = rslora;
        qn_adapter *a = make_adapter(m, &o, "gguf");
        snprintf(path, sizeof path, "%s", qn_test_temp("a.gguf"));
        CHECK_OK(qn_adapter_write_gguf(a, &m->cfg, "some/model", path));
        qn_adapter *b = read_adapter(path, m);
        check_same(a, b, rslora ? 1e-7 : 0, "gguf");
        CHECK_INT(qn_adapter_form_of(path, NULL), QN_ADAPTER_GGUF);
        CHECK_INT(qn_adapter_base(path, &base), 1);
        CHECK_STR(base.s, "some/model");
        qn_buf_drop(&base);
        qn_adapter_free(a);
        qn_adapter_free(b);
    }
    qn_model_free(m);
}

/* Row 2i + j of a head of Q in a GGUF is row i + j·Dh/2 in memory, as of the weights. */
TEST(rows_of_q_change_places_in_a_gguf) {
    qn_model *m = model_of(false);
    const qn_lora_options o = options(3, "attn_q,attn_v");
    qn_adapter *a = make_adapter(m, &o, "rows");
    const char *path = qn_test_temp("rows.gguf");
    const qn_tensor_info *q, *v;
    qn_gguf *g;
    CHECK_OK(qn_adapter_write_gguf(a, &m->cfg, NULL, path));
    CHECK_OK(qn_gguf_open(&g, path));
    CHECK_OK(qn_tensor_need(qn_gguf_tensors(g), "blk.1.attn_q.weight.lora_b", &q));
    CHECK_OK(qn_tensor_need(qn_gguf_tensors(g), "blk.1.attn_v.weight.lora_b", &v));
    float *mine[2] = {lora_values(&qn_adapter_find(a, QN_P_Q, 1)->b), lora_values(&qn_adapter_find(a, QN_P_V, 1)->b)};
    for (int64_t r = 0; r < q->dims[0]; r++) {
        const int64_t in_head = r % 16, to = r - in_head + in_head / 2 + in_head % 2 * 8;
        CHECK(memcmp(q->data + r * 12, mine[0] + to * 3, 12) == 0, "row %lld", (long long)r);
    }
    CHECK(memcmp(v->data, mine[1], v->bytes) == 0);
    qn_free(mine[0]);
    qn_free(mine[1]);
    qn_gguf_close(g);
    qn_adapter_free(a);
    qn_model_free(m);
}

/* Ranks and scales of their own: in PEFT by patterns, in GGUF by B. */
TEST(pairs_may_differ) {
    qn_model *m = model_of(false);
    const qn_param *q = qn_arch_param(m->arch, QN_P_Q), *down = qn_arch_param(m->arch, QN_P_DOWN);
    const qn_lora pairs[] = {
        {.p = q, .layer = 0, .rank = 4, .rows = 64, .cols = 64, .alpha = 8, .scale = 2},
        {.p = q, .layer = 1, .rank = 2, .rows = 64, .cols = 64, .alpha = 5, .scale = 2.5},
        {.p = down, .layer = 1, .rank = 4, .rows = 64, .cols = 96, .alpha = 2, .scale = 0.5},
    };
    char dir[1024], path[1024];
    qn_adapter *a;
    CHECK_OK(qn_adapter_new(&a, m->arch, 2, pairs, 3, false));
    for (size_t i = 0; i < a->n; i++) {
        float *v = test_fill_values("differ", a->lora[i].rank * a->lora[i].cols, 0.5f);
        qn_lora_pack(&a->lora[i].a, v);
        qn_free(v);
    }
    fill_adapter(a, "differ");
    snprintf(dir, sizeof dir, "%s", qn_test_temp("differ"));
    CHECK_OK(qn_adapter_write_peft(a, &m->cfg, NULL, dir));
    CHECK_CONTAINS(config_of(dir), "\"r\": 4");
    CHECK_CONTAINS(config_of(dir), "\"rank_pattern\": {\n    \"model.layers.1.self_attn.q_proj\": 2\n  }");
    CHECK_CONTAINS(config_of(dir), "\"model.layers.1.mlp.down_proj\": 2");
    CHECK_CONTAINS(config_of(dir), "\"target_modules\": [\n    \"q_proj\",\n    \"model.layers.1.mlp.down_proj\"\n  ]");
    qn_adapter *b = read_adapter(dir, m);
    check_same(a, b, 1e-15, "peft");
    snprintf(path, sizeof path, "%s", qn_test_temp("differ.gguf"));
    CHECK_OK(qn_adapter_write_gguf(a, &m->cfg, NULL, path));
    qn_adapter *c = read_adapter(path, m);
    check_same_products(a, c, 1e-8, "gguf");
    qn_adapter_free(a);
    qn_adapter_free(b);
    qn_adapter_free(c);
    qn_model_free(m);
}

/* ---- joint tensors ----------------------------------------------------------------------------------------------- */

TEST(joint_tensors_come_back_as_they_were) {
    qn_model *m = model_of(true);
    for (int dora = 0; dora < 2; dora++) {
        qn_lora_options o = options(4, "all-linear");
        char dir[1024];
        o.dora = dora;
        qn_adapter *a = make_adapter(m, &o, "joint");
        CHECK_INT(a->n, 12);
        snprintf(dir, sizeof dir, "%s", qn_test_temp("joint"));
        CHECK_OK(qn_adapter_write_peft(a, &m->cfg, NULL, dir));
        qn_adapter *b = read_adapter(dir, m);
        check_same(a, b, 1e-15, dora ? "dora" : "lora");
        qn_adapter_free(a);
        qn_adapter_free(b);
    }
    qn_model_free(m);
}

TEST(joint_tensors_of_a_gguf) {
    qn_model *m = model_of(true);
    const qn_lora_options o = options(4, "attn_q,attn_v,ffn_up");
    char path[1024];
    qn_adapter *a = make_adapter(m, &o, "joint");
    snprintf(path, sizeof path, "%s", qn_test_temp("joint.gguf"));
    CHECK_OK(qn_adapter_write_gguf(a, &m->cfg, NULL, path));
    qn_adapter *b = read_adapter(path, m);
    CHECK_INT(b->n, 6, "k has no pair, and gets none");
    check_same_products(a, b, 1e-8, "gguf");
    qn_adapter_free(a);
    qn_adapter_free(b);
    qn_model_free(m);
}

/* What PEFT makes of c_attn: one A for q, k and v. It is written again as it was. */
TEST(one_a_for_three_stays_one) {
    qn_model *m = model_of(true);
    const int64_t D = 64, r = 4;
    float *a = test_fill_values("a", r * D, 1), *b = test_fill_values("b", 3 * D * r, 1);
    test_st st = {0};
    char dir[1024], again[1024];
    snprintf(dir, sizeof dir, "%s", qn_test_temp("shared"));
    snprintf(again, sizeof again, "%s", qn_test_temp("shared2"));
    mkdir(dir, 0700);
    for (int layer = 0; layer < 2; layer++) {
        char name[128];
        snprintf(name, sizeof name, "base_model.model.transformer.h.%d.attn.c_attn.lora_A.weight", layer);
        test_st_tensor(&st, name, QN_F32, 2, (int64_t[]){r, D}, a);
        snprintf(name, sizeof name, "base_model.model.transformer.h.%d.attn.c_attn.lora_B.weight", layer);
        test_st_tensor(&st, name, QN_F32, 2, (int64_t[]){3 * D, r}, b);
    }
    qn_buf bytes = test_st_bytes(&st);
    const char config[] = "{\"peft_type\": \"LORA\", \"r\": 4, \"lora_alpha\": 8, \"fan_in_fan_out\": true}";
    qn_test_write("shared/adapter_config.json", config, sizeof config - 1);
    qn_test_write("shared/adapter_model.safetensors", bytes.s, bytes.n);
    qn_adapter *x = read_adapter(dir, m);
    CHECK_INT(x->n, 6);
    for (size_t i = 0; i < x->n; i++) {
        float *v[2] = {lora_values(&x->lora[i].a), lora_values(&x->lora[i].b)};
        CHECK(memcmp(v[0], a, (size_t)(r * D) * sizeof *a) == 0);
        CHECK(memcmp(v[1], b + (int64_t)(i % 3) * D * r, (size_t)(r * D) * sizeof *b) == 0, "%zu", i);
        CHECK_NEAR(x->lora[i].scale, 2, 0);
        qn_free(v[0]);
        qn_free(v[1]);
    }
    CHECK_OK(qn_adapter_write_peft(x, &m->cfg, NULL, again));
    CHECK_CONTAINS(config_of(again), "\"rank_pattern\": {}");
    qn_adapter *y = read_adapter(again, m);
    check_same(x, y, 0, "again");
    qn_adapter_free(x);
    qn_adapter_free(y);
    qn_buf_drop(&bytes);
    test_st_drop(&st);
    qn_free(a);
    qn_free(b);
    qn_model_free(m);
}

/* A fresh adapter has no number in B: it stays what it is all the same. */
TEST(fresh_ones_come_back) {
    for (int gpt2 = 0; gpt2 < 2; gpt2++) {
        qn_model *m = model_of(gpt2);
        const qn_lora_options o = options(4, "all-linear");
        char dir[1024];
        qn_adapter *a, *b;
        CHECK_OK(qn_adapter_fresh(&a, m, &o, NULL));
        snprintf(dir, sizeof dir, "%s", qn_test_temp("fresh"));
        CHECK_OK(qn_adapter_write_peft(a, &m->cfg, NULL, dir));
        b = read_adapter(dir, m);
        CHECK_INT(a->n, b->n);
        check_same_products(a, b, 0, "fresh");
        if (!gpt2)
            check_same(a, b, 0, "fresh");
        qn_adapter_free(a);
        qn_adapter_free(b);
        qn_model_free(m);
    }
}

/* What a checkpoint keeps comes back to the bit, where pairs are known: also of those that GPT-2's files put together,
 * with one A for all of them and without. */
TEST(numbers_go_back_to_where_they_came_from) {
    for (int kind = 0; kind < 6; kind++) {
        qn_model *m = model_of(kind % 2);
        qn_lora_options o = options(3, kind < 4 ? "all-linear" : kind % 2 ? "attn_k,attn_v" : "attn_k");
        o.dora = kind < 2;
        char dir[1024];
        qn_adapter *a = make_adapter(m, &o, "there"), *b;
        if (kind == 3)
            for (size_t i = 0; i + 2 < a->n; i++)
                if (a->lora[i].p->id == QN_P_Q)
                    for (int j = 1; j < 3; j++)
                        memcpy(a->lora[i + (size_t)j].a.data, a->lora[i].a.data,
                               qn_panel_bytes(QN_F32, a->lora[i].cols));
        snprintf(dir, sizeof dir, "%s", qn_test_temp("there"));
        CHECK_OK(qn_adapter_write_peft(a, &m->cfg, NULL, dir));
        CHECK_OK(qn_adapter_fresh(&b, m, &o, NULL));
        CHECK_OK(qn_adapter_load(b, &m->cfg, dir));
        check_same(a, b, 0, "there");
        char print[2][17];
        qn_adapter_fingerprint(a, print[0]);
        qn_adapter_fingerprint(b, print[1]);
        CHECK(strcmp(print[0], print[1]) == 0, "%d", kind);
        qn_adapter_free(b);
        o.rank = 5;
        CHECK_OK(qn_adapter_fresh(&b, m, &o, NULL));
        qn_adapter_fingerprint(b, print[1]);
        CHECK(strcmp(print[0], print[1]) != 0, "%d", kind);
        CHECK_FAIL(qn_adapter_load(b, &m->cfg, dir), QN_ESHAPE, "this run's adapter has");
        qn_adapter_free(b);
        qn_adapter_free(a);
        qn_model_free(m);
    }
}

/* ---- what files may say ------------------------------------------------------------------------------------------ */

/* A PEFT directory with one pair on q_proj of layer 0, unless told otherwise. */
typedef struct {
    const char *config;                 /* members behind peft_type */
    const char *names[4];               /* of tensors, behind base_model.model.model.layers. */
    int64_t dim[4][2];                  /* [1]: 0 is a vector */
    qn_dtype dtype;
    float value;                        /* of the last number of the last tensor; 0: as it is */
} peft_spec;
#define A_Q "0.self_attn.q_proj.lora_A.weight"
#define B_Q "0.self_attn.q_proj.lora_B.weight"
#define ONE_PAIR                                                                     \
    (peft_spec){.config = "\"r\": 4, \"lora_alpha\": 8", .names = {A_Q, B_Q},          \
                .dim = {{4, 64}, {64, 4}}, .dtype = QN_F32}

static const char *put_peft(const peft_spec *s) {
    static char dir[1024];
    char config[1024];
    test_st st = {0};
    snprintf(dir, sizeof dir, "%s", qn_test_temp("said"));
    mkdir(dir, 0700);
    snprintf(config, sizeof config, "{\"peft_type\": \"LORA\", %s}", s->config);
    for (int i = 0; i < 4 && s->names[i]; i++) {
        const int64_t n = s->dim[i][0] * QN_MAX(s->dim[i][1], 1);
        const bool last = i == 3 || !s->names[i + 1];
        char name[128];
        float *v = test_fill_values(s->names[i], n, 1);
        snprintf(name, sizeof name, "base_model.model.model.layers.%s", s->names[i]);
        v[n - 1] = last && s->value != 0 ? s->value : v[n - 1];
        test_st_tensor(&st, name, s->dtype, s->dim[i][1] ? 2 : 1, s->dim[i], v);
        qn_free(v);
    }
    qn_buf bytes = test_st_bytes(&st);
    qn_test_write("said/adapter_config.json", config, strlen(config));
    qn_test_write("said/adapter_model.safetensors", bytes.s, bytes.n);
    qn_buf_drop(&bytes);
    test_st_drop(&st);
    return dir;
}

static double scale_said(const qn_model *m, const char *config) {
    peft_spec s = ONE_PAIR;
    s.config = config;
    qn_adapter *a = read_adapter(put_peft(&s), m);
    const double scale = a->lora[0].scale;
    qn_adapter_free(a);
    return scale;
}

TEST(scales_as_peft_has_them) {
    qn_model *m = model_of(false);
    CHECK_NEAR(scale_said(m, "\"r\": 4, \"lora_alpha\": 8"), 2, 0);
    CHECK_NEAR(scale_said(m, "\"r\": 4, \"lora_alpha\": 8, \"use_rslora\": true"), 4, 0);
    CHECK_NEAR(scale_said(m, "\"r\": 9, \"lora_alpha\": 8, \"rank_pattern\": {\"q_proj\": 4}"), 2, 0);
    CHECK_NEAR(scale_said(m, "\"r\": 4, \"lora_alpha\": 8, \"alpha_pattern\": {\"k_proj\": 1, \"attn.q_proj\": 2, "
                             "\"self_attn.q_proj\": 40}"), 10, 0);
    CHECK_NEAR(scale_said(m, "\"r\": 4, \"lora_alpha\": 8, \"alpha_pattern\": {\"^model.layers.0.self_attn.q_proj$\": "
                             "12}"), 3, 0);
    CHECK_NEAR(scale_said(m, "\"r\": 4, \"lora_alpha\": 8, \"alpha_pattern\": {\"model\\\\.layers\\\\.0\\\\.self_attn"
                             "\\\\.q_proj\": 12}"), 3, 0);
    CHECK_NEAR(scale_said(m, "\"r\": 4, \"lora_alpha\": 8.5, \"bias\": \"none\", \"modules_to_save\": null, "
                             "\"target_modules\": [\"q_proj\"], \"loftq_config\": {}, \"layer_replication\": null, "
                             "\"init_lora_weights\": \"gaussian\""), 2.125, 0);
    qn_model_free(m);
}

/* PEFT applies pairs to the modules that are named; what else lies there is a contradiction. */
TEST(targets_are_found_as_peft_finds_them) {
    static const char *const fine[] = {
        "[\"q_proj\"]", "[\"v_proj\", \"self_attn.q_proj\"]", "[\"model.layers.0.self_attn.q_proj\"]", "\"all-linear\"",
        "\"All-Linear\"", "\".*\\\\.(q|v)_proj\"", "null",
        "\"(?:.*?(?:layers).*?(?:self_attn|mlp).*?(?:q_proj|v_proj).*?)\"",
        "\"model\\\\.layers\\\\.\\\\d+\\\\.self_attn\\\\.q_proj$\"", "[\"q_proj\"], \"layers_to_transform\": [3, 0]",
        "[\"q_proj\"], \"layers_to_transform\": 0", "[\"q_proj\"], \"layers_to_transform\": null",
        "[\"q_proj\"], \"layers_to_transform\": []",
        "[\"model.layers.0.self_attn.q_proj\"], \"layers_to_transform\": 1",
        "[\"q_proj\"], \"exclude_modules\": [\"k_proj\", \"proj\"]", "\".*(\"",
    };
    static const struct { const char *targets, *by; } bad[] = {
        {"[\"v_proj\"]", "target_modules"}, {"[\"proj\"]", "target_modules"}, {"[]", "target_modules"},
        {"[\"layers.0.self_attn.q_proj.x\"]", "target_modules"}, {"[\"\"]", "target_modules"},
        {"\"q_proj\"", "target_modules"}, {"\".*\\\\.(k|v)_proj\"", "target_modules"},
        {"\"model.*\\\\.q_pro\"", "target_modules"},
        {"[\"q_proj\"], \"layers_to_transform\": [1]", "layers_to_transform"},
        {"[\"q_proj\"], \"layers_to_transform\": 1", "layers_to_transform"},
        {"[\"q_proj\"], \"exclude_modules\": [\"self_attn.q_proj\"]", "exclude_modules"},
        {"\"all-linear\", \"exclude_modules\": \".*q_proj\"", "exclude_modules"},
    };
    qn_model *m = model_of(false);
    char config[256], want[128];
    qn_adapter *a;
    for (size_t i = 0; i < QN_LEN(fine); i++) {
        snprintf(config, sizeof config, "\"r\": 4, \"lora_alpha\": 8, \"target_modules\": %s", fine[i]);
        CHECK_NEAR(scale_said(m, config), 2, 0, "%s", fine[i]);
    }
    for (size_t i = 0; i < QN_LEN(bad); i++) {
        peft_spec s = ONE_PAIR;
        snprintf(config, sizeof config, "\"r\": 4, \"lora_alpha\": 8, \"target_modules\": %s", bad[i].targets);
        snprintf(want, sizeof want, "adapter_config.json: %s leaves out the module model.layers.0.self_attn.q_proj",
                 bad[i].by);
        s.config = config;
        CHECK_FAIL(qn_adapter_read(&a, put_peft(&s), m), QN_EFORMAT, want);
    }
    peft_spec s = ONE_PAIR;
    s.config = "\"r\": 4, \"lora_alpha\": 8, \"target_modules\": 7";
    CHECK_FAIL(qn_adapter_read(&a, put_peft(&s), m), QN_EFORMAT, "target_modules");
    qn_model_free(m);
}

TEST(half_precision_is_read) {
    qn_model *m = model_of(false);
    static const qn_dtype dtypes[] = {QN_F16, QN_BF16};
    for (size_t i = 0; i < QN_LEN(dtypes); i++) {
        peft_spec s = ONE_PAIR;
        s.dtype = dtypes[i];
        qn_adapter *a = read_adapter(put_peft(&s), m);
        float *v = lora_values(&a->lora[0].b);
        CHECK_NEAR(v[5], qn_fill_value(qn_fill_salt(B_Q), 5, 1), 0.01);
        qn_free(v);
        qn_adapter_free(a);
    }
    qn_model_free(m);
}

TEST(a_run_leads_to_its_adapter) {
    qn_model *m = model_of(false);
    const qn_lora_options o = options(2, "attn_q");
    qn_adapter *a = make_adapter(m, &o, "run");
    char run[1024], last[1024];
    snprintf(run, sizeof run, "%s", qn_test_temp("run"));
    snprintf(last, sizeof last, "%s", qn_test_temp("run/last"));
    CHECK_OK(qn_adapter_write_peft(a, &m->cfg, NULL, last));
    qn_adapter *b = read_adapter(run, m);
    check_same(a, b, 0, "run");
    qn_adapter_free(a);
    qn_adapter_free(b);
    qn_model_free(m);
}

/* ---- what is refused --------------------------------------------------------------------------------------------- */

static void refuse(const qn_model *m, const peft_spec *s, int code, const char *needle) {
    qn_adapter *a = (qn_adapter *)1;
    CHECK_FAIL(qn_adapter_read(&a, put_peft(s), m), code, needle);
    CHECK(a == NULL);
}

static void refuse_config(const qn_model *m, const char *config, int code, const char *needle) {
    peft_spec s = ONE_PAIR;
    s.config = config;
    refuse(m, &s, code, needle);
}

#define R4 "\"r\": 4, \"lora_alpha\": 8, "
TEST(configurations_that_are_refused) {
    qn_model *m = model_of(false);
    refuse_config(m, "\"r\": 4", QN_EFORMAT, "adapter_config.json: lora_alpha is missing");
    refuse_config(m, "\"lora_alpha\": 4", QN_EFORMAT, "adapter_config.json: r is missing");
    refuse_config(m, "\"r\": 2.5, \"lora_alpha\": 4", QN_EFORMAT, "r is 2.5; expected a whole number");
    refuse_config(m, "\"r\": 4, \"lora_alpha\": 0", QN_EFORMAT, "lora_alpha is 0; expected a number above 0");
    refuse_config(m, "\"r\": 8, \"lora_alpha\": 8", QN_ESHAPE,
                  "q_proj.lora_A.weight has rank 4; adapter_config.json says 8");
    refuse_config(m, "\"r\": 4, \"lora_alpha\": 8, \"rank_pattern\": {\"q_proj\": 2}", QN_ESHAPE,
                  "has rank 4; adapter_config.json says 2");
    refuse_config(m, R4 "\"bias\": \"all\"", QN_EUNSUPPORTED, "bias is \"all\"; only \"none\" is supported");
    refuse_config(m, R4 "\"modules_to_save\": [\"lm_head\"]", QN_EUNSUPPORTED,
                  "modules_to_save is there; whole modules beside the pairs are not supported");
    refuse_config(m, R4 "\"modules_to_save\": [\"embed_tokens\"]", QN_EUNSUPPORTED,
                  "PEFT's merge_and_unload makes a model");
    refuse_config(m, R4 "\"trainable_token_indices\": [5, 6]", QN_ENOTFOUND, "embed_tokens.token_adapter."
                  "trainable_tokens_delta is missing, of which adapter_config.json lists 2 rows");
    refuse_config(m, R4 "\"trainable_token_indices\": {\"k_proj\": [5]}", QN_EUNSUPPORTED,
                  "supported for the embedding and the head, which are model.embed_tokens and lm_head");
    refuse_config(m, R4 "\"trainable_token_indices\": {\"lm_head\": [5]}", QN_EUNSUPPORTED, "for the head alone");
    refuse_config(m, R4 "\"trainable_token_indices\": \"5\"", QN_EFORMAT, "trainable_token_indices");
    refuse_config(m, R4 "\"init_lora_weights\": \"pissa\"", QN_EUNSUPPORTED, "init_lora_weights is \"pissa\"");
    refuse_config(m, R4 "\"alpha_pattern\": {\".*q_proj\": 2}", QN_EUNSUPPORTED, "is a regular expression");
    refuse_config(m, R4 "\"alpha_pattern\": {\"q_proj\": -2}", QN_EFORMAT, "alpha_pattern.q_proj is no number above 0");
    refuse_config(m, R4 "\"use_dora\": true", QN_ENOTFOUND,
                  "q_proj.lora_magnitude_vector is missing; it belongs to base_model.model.model.layers.0");
    refuse_config(m, "\"r\": 4,, ", QN_EFORMAT, "adapter_config.json:1:");
    qn_adapter *a;
    qn_test_write("said/adapter_config.json", "{\"peft_type\": \"IA3\"}", 20);
    CHECK_FAIL(qn_adapter_read(&a, qn_test_temp("said"), m), QN_EUNSUPPORTED, "peft_type is \"IA3\"; only \"LORA\"");
    qn_test_write("said/adapter_config.json", "{}", 2);
    CHECK_FAIL(qn_adapter_read(&a, qn_test_temp("said"), m), QN_EFORMAT, "peft_type is missing; expected \"LORA\"");
    qn_model_free(m);
}

TEST(tensors_that_are_refused) {
    qn_model *m = model_of(false);
    peft_spec s = ONE_PAIR;
    s.dim[1][1] = 2;
    refuse(m, &s, QN_ESHAPE, "q_proj.lora_A.weight is [4,64], but base_model.model.model.layers.0.self_attn.q_proj."
           "lora_B.weight is [64,2]: ranks 4 and 2 disagree");
    s = ONE_PAIR;
    s.dim[0][1] = 90;
    refuse(m, &s, QN_ESHAPE, "q_proj.lora_A.weight is [4,90]; this model asks for [rank,64]: the adapter was made for "
           "another one");
    s = ONE_PAIR;
    s.dim[1][0] = 32;
    refuse(m, &s, QN_ESHAPE, "q_proj.lora_B.weight is [32,4]; this model asks for [64,rank]");
    s = ONE_PAIR;
    s.names[1] = NULL;
    refuse(m, &s, QN_ENOTFOUND, "q_proj.lora_B.weight is missing; it belongs to base_model.model.model.layers.0."
           "self_attn.q_proj.lora_A.weight");
    s = ONE_PAIR;
    s.names[0] = B_Q;
    s.dim[0][0] = 64;
    s.dim[0][1] = 4;
    s.names[1] = NULL;
    refuse(m, &s, QN_ENOTFOUND, "q_proj.lora_A.weight is missing");
    s = ONE_PAIR;
    s.names[0] = NULL;
    refuse(m, &s, QN_EFORMAT, "holds no tensors");
    s = ONE_PAIR;
    s.value = (float)NAN;
    refuse(m, &s, QN_EFORMAT, "q_proj.lora_B.weight, row 63, column 3 is NaN; expected a number");
    s.value = -(float)INFINITY;
    refuse(m, &s, QN_EFORMAT, "row 63, column 3 is infinite");
    s = ONE_PAIR;
    s.names[2] = "0.self_attn.qkv_proj.lora_A.weight";
    s.dim[2][0] = s.dim[2][1] = 4;
    refuse(m, &s, QN_ESHAPE, "qkv_proj.lora_A.weight belongs to no weight of this model, a llama of 2 layers; adapters "
           "sit on model.layers.0.self_attn.q_proj, ");
    s.names[2] = "7.self_attn.q_proj.lora_A.weight";
    refuse(m, &s, QN_ESHAPE, "model.layers.7.self_attn.q_proj.lora_A.weight belongs to no weight of this model");
    s.names[2] = "0.input_layernorm.weight";
    refuse(m, &s, QN_EUNSUPPORTED, "input_layernorm.weight is a whole weight (modules_to_save, biases)");
    s.names[2] = "embed_tokens.lora_embedding_A";
    refuse(m, &s, QN_EUNSUPPORTED, "adapts an embedding");
    s.names[2] = "0.self_attn.q_proj.lora_magnitude_vector";
    s.dim[2][0] = 64;
    s.dim[2][1] = 0;
    refuse(m, &s, QN_EFORMAT, "lora_magnitude_vector is there, but use_dora is not said");
    s.config = "\"r\": 4, \"lora_alpha\": 8, \"use_dora\": true";
    s.dim[2][0] = 60;
    refuse(m, &s, QN_ESHAPE, "lora_magnitude_vector is [60]; this model asks for [64]");
    qn_model_free(m);
}

TEST(files_that_are_refused) {
    qn_model *m = model_of(false);
    peft_spec s = ONE_PAIR;
    char dir[1024], path[1100];
    qn_adapter *a;
    qn_buf bytes = {0};
    snprintf(dir, sizeof dir, "%s", put_peft(&s));
    snprintf(path, sizeof path, "%s/adapter_model.safetensors", dir);
    CHECK_OK(qn_read_file(&bytes, path, 1 << 20));
    for (size_t n = 0; n < bytes.n; n += 1 + bytes.n / 40) {
        qn_test_write("said/adapter_model.safetensors", bytes.s, n);
        CHECK(qn_adapter_read(&a, dir, m) < 0 && !a, "cut at %zu", n);
        CHECK_CONTAINS(qn_error_message(), "adapter_model.safetensors", "cut at %zu", n);
    }
    qn_buf_drop(&bytes);
    unlink(path);
    CHECK_FAIL(qn_adapter_read(&a, dir, m), QN_ENOTFOUND, "adapter_model.safetensors is missing beside");
    qn_test_write("said/adapter_model.bin", "x", 1);
    CHECK_FAIL(qn_adapter_read(&a, dir, m), QN_EUNSUPPORTED, "adapter_model.bin: a pickle");
    CHECK_FAIL(qn_adapter_read(&a, qn_test_write("a.safetensors", "x", 1), m), QN_EINVAL, "pairs alone are not an");
    CHECK_FAIL(qn_adapter_read(&a, "/no/such/adapter", m), QN_ENOTFOUND, "no such file or directory");
    mkdir(qn_test_temp("empty"), 0700);
    CHECK_FAIL(qn_adapter_read(&a, qn_test_temp("empty"), m), QN_ENOTFOUND, "neither adapter_config.json nor a run");
    const tiny_spec tiny = TINY;
    CHECK_FAIL(qn_adapter_read(&a, tiny_file(&tiny), m), QN_EFORMAT,
               "general.type is \"\"; an adapter's is \"adapter\"");
    qn_model_free(m);
}

/* ---- GGUF adapters that are refused ---- */

typedef struct {
    const char *type, *kind, *arch;
    float alpha;
    int64_t rank_a, rank_b, cols;
    const char *extra;              /* one tensor more */
} gguf_spec;
#define ONE_GGUF (gguf_spec){"adapter", "lora", "llama", 8, 4, 4, 64, NULL}

static const char *put_gguf(const gguf_spec *s) {
    test_gguf g = {0};
    test_gguf_str(&g, "general.type", s->type);
    test_gguf_str(&g, "adapter.type", s->kind);
    test_gguf_str(&g, "general.architecture", s->arch);
    if (s->alpha >= 0)
        test_gguf_f32(&g, "adapter.lora.alpha", s->alpha);
    test_gguf_fill(&g, "blk.0.attn_q.weight.lora_a", QN_F32, 2, (int64_t[]){s->rank_a, s->cols}, "a", 1);
    test_gguf_fill(&g, "blk.0.attn_q.weight.lora_b", QN_F32, 2, (int64_t[]){64, s->rank_b}, "b", 1);
    if (s->extra)
        test_gguf_fill(&g, s->extra, QN_F32, 1, (int64_t[]){64}, "c", 1);
    qn_buf bytes = test_gguf_bytes(&g);
    const char *path = qn_test_write("spec.gguf", bytes.s, bytes.n);
    qn_buf_drop(&bytes);
    test_gguf_drop(&g);
    return path;
}

TEST(gguf_adapters_that_are_refused) {
    qn_model *m = model_of(false);
    qn_adapter *a;
    gguf_spec s = ONE_GGUF;
    a = read_adapter(put_gguf(&s), m);
    CHECK_NEAR(a->lora[0].scale, 2, 0);
    qn_adapter_free(a);
    s.kind = "control_vector";
    CHECK_FAIL(qn_adapter_read(&a, put_gguf(&s), m), QN_EFORMAT, "adapter.type is \"control_vector\"");
    s = ONE_GGUF;
    s.arch = "gpt2";
    CHECK_FAIL(qn_adapter_read(&a, put_gguf(&s), m), QN_ESHAPE, "of the family \"gpt2\"; this one is llama");
    s = ONE_GGUF;
    s.alpha = -1;
    CHECK_FAIL(qn_adapter_read(&a, put_gguf(&s), m), QN_EFORMAT, "adapter.lora.alpha is missing");
    s.alpha = 0;
    CHECK_FAIL(qn_adapter_read(&a, put_gguf(&s), m), QN_EFORMAT, "adapter.lora.alpha is 0");
    s = ONE_GGUF;
    s.rank_b = 3;
    CHECK_FAIL(qn_adapter_read(&a, put_gguf(&s), m), QN_ESHAPE, "blk.0.attn_q.weight.lora_a is [4,64], but "
               "blk.0.attn_q.weight.lora_b is [64,3]: ranks 4 and 3 disagree");
    s = ONE_GGUF;
    s.cols = 90;
    CHECK_FAIL(qn_adapter_read(&a, put_gguf(&s), m), QN_ESHAPE, "lora_a is [4,90]; this model asks for [rank,64]");
    s = ONE_GGUF;
    s.extra = "output_norm.weight";
    CHECK_FAIL(qn_adapter_read(&a, put_gguf(&s), m), QN_EUNSUPPORTED, "output_norm.weight is a whole weight");
    s.extra = "blk.0.ffn_down.weight.lora_a";
    CHECK_FAIL(qn_adapter_read(&a, put_gguf(&s), m), QN_ENOTFOUND, "blk.0.ffn_down.weight.lora_b is missing");
    qn_model_free(m);
}

TEST(dora_has_no_form_in_gguf) {
    qn_model *m = model_of(false);
    qn_lora_options o = options(2, "attn_q");
    o.dora = true;
    qn_adapter *a = make_adapter(m, &o, "dora");
    CHECK_FAIL(qn_adapter_write_gguf(a, &m->cfg, NULL, qn_test_temp("dora.gguf")), QN_EUNSUPPORTED, "quern merge");
    CHECK(!qn_is_file(qn_test_temp("dora.gguf")));
    qn_adapter_free(a);
    qn_model_free(m);
}

/* A full disk, and each allocation that fails, leaves what was there. */
TEST(a_failure_leaves_the_old_one) {
    qn_model *m = model_of(false);
    const qn_lora_options o = options(2, "attn_q");
    qn_adapter *a = make_adapter(m, &o, "old"), *b = make_adapter(m, &o, "new");
    char dir[1024], path[1024];
    snprintf(dir, sizeof dir, "%s", qn_test_temp("full"));
    snprintf(path, sizeof path, "%s", qn_test_temp("full.gguf"));
    CHECK_OK(qn_adapter_write_peft(a, &m->cfg, NULL, dir));
    CHECK_OK(qn_adapter_write_gguf(a, &m->cfg, NULL, path));
    for (int64_t n = 0; n < 3; n++) {
        qn_file_fail_after(n);
        const int peft = qn_adapter_write_peft(b, &m->cfg, NULL, dir);
        qn_file_fail_after(n);
        const int gguf = qn_adapter_write_gguf(b, &m->cfg, NULL, path);
        qn_file_fail_after(-1);
        CHECK(peft == QN_EIO || n > 2, "write %lld", (long long)n);
        CHECK(gguf == QN_EIO || n > 1, "write %lld", (long long)n);
    }
    qn_adapter *c = read_adapter(dir, m);
    check_same(a, c, 0, "after a full disk");
    qn_adapter_free(a);
    qn_adapter_free(b);
    qn_adapter_free(c);
    qn_model_free(m);
}

TEST(any_allocation_may_fail) {
    qn_model *m = model_of(true);
    const qn_lora_options o = options(2, "attn_q,ffn_up");
    qn_adapter *a = make_adapter(m, &o, "memory"), *b;
    char dir[1024];
    int rc = QN_ENOMEM;
    snprintf(dir, sizeof dir, "%s", qn_test_temp("memory"));
    for (int64_t n = 0; rc == QN_ENOMEM; n++) {
        qn_mem_fail_after(n);
        rc = qn_adapter_write_peft(a, &m->cfg, NULL, dir);
        qn_mem_fail_after(-1);
        CHECK(rc == 0 || rc == QN_ENOMEM, "allocation %lld: %s", (long long)n, qn_error_message());
    }
    rc = QN_ENOMEM;
    for (int64_t n = 0; rc == QN_ENOMEM; n++) {
        qn_mem_fail_after(n);
        rc = qn_adapter_read(&b, dir, m);
        qn_mem_fail_after(-1);
        CHECK(rc == 0 || (rc == QN_ENOMEM && !b), "allocation %lld: %s", (long long)n, qn_error_message());
    }
    check_same(a, b, 0, "memory");
    qn_adapter_free(a);
    qn_adapter_free(b);
    qn_model_free(m);
}
