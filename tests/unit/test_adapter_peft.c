/* tests/unit/test_adapter_peft.c — adapters against PEFT: those of tests/fixtures (adapters.py says how they were
 * made), beside their model in each form and at every level of the machine; merged into its weights; and what TIES
 * leaves of two of them. */
#include "fixture_model.h"

#include "model/adapter_file.h"
#include "model/merge.h"

static const struct { const char *file, *base; } cases[] = {
    {"adapter_llama.json", "llama_gqa.json"}, {"adapter_llama_patterns.json", "llama_gqa.json"},
    {"adapter_llama_dora.json", "llama_gqa.json"}, {"adapter_gpt2.json", "gpt2_tied.json"},
    {"adapter_gpt2_dora.json", "gpt2_tied.json"}, {"adapter_llama_tokens.json", "llama_gqa.json"},
    {"adapter_gpt2_tokens.json", "gpt2_tied.json"},
};

/* The adapter as PEFT writes it; f->config is adapter_config.json. */
static const char *as_peft(const fixture *f) {
    static char dir[1024];
    test_st st = {0};
    put_tensors(f, &st, "");
    qn_buf bytes = test_st_bytes(&st);
    snprintf(dir, sizeof dir, "%s", qn_test_temp("peft"));
    mkdir(dir, 0700);
    qn_test_write("peft/adapter_config.json", f->config.s, f->config.n);
    qn_test_write("peft/adapter_model.safetensors", bytes.s, bytes.n);
    qn_buf_drop(&bytes);
    test_st_drop(&st);
    return dir;
}

/* Twice the latitude of a model alone: two products where there was one. */
static void judge_adapted(const fixture *f, const qn_model *m, const qn_adapter *a, const char *what, double *worst) {
    for (int isa = 0; isa < QN_ISA_LEVELS; isa++) {
        if (!qn_isa_has((qn_isa)isa))
            continue;
        const qn_session_options o = {.context = MAX_IDS, .kv = QN_F32, .adapter = &a, .n_adapters = 1};
        const qn_feed feed = {0, f->ids, f->n_ids, QN_LOGITS_ALL};
        judging g = {.f = f, .what = what, .tolerance = 8 * f->f32_logits + 1e-6};
        qn_session *s;
        CHECK_OK(qn_session_new(&s, m, qn_kernels_at((qn_isa)isa), NULL, &o));
        g.V = qn_session_vocabulary(s);
        CHECK_OK(qn_session_feed(s, &feed, 1, judge, &g));
        CHECK_INT(g.seen, f->n_at, "%s at %s", what, qn_isa_name((qn_isa)isa));
        *worst = fmax(*worst, g.worst / f->f32_logits);
        qn_session_free(s);
    }
}

/* An adapter as it was read, and as it comes back from what quern writes. */
static void judge_forms(const fixture *f, const qn_model *m, const char *label, double *worst) {
    char dir[1024], again[1024], gguf[1024];
    qn_adapter *a, *b;
    snprintf(dir, sizeof dir, "%s", as_peft(f));
    snprintf(again, sizeof again, "%s", qn_test_temp("again"));
    snprintf(gguf, sizeof gguf, "%s", qn_test_temp("again.gguf"));
    CHECK_OK(qn_adapter_read(&a, dir, m), "%s", label);
    judge_adapted(f, m, a, label, worst);
    CHECK_OK(qn_adapter_write_peft(a, &m->cfg, NULL, again), "%s", label);
    CHECK_OK(qn_adapter_read(&b, again, m), "%s", label);
    judge_adapted(f, m, b, "written again as PEFT", worst);
    qn_adapter_free(b);
    if (a->n_tokens) {
        CHECK_FAIL(qn_adapter_write_gguf(a, &m->cfg, NULL, gguf), QN_EUNSUPPORTED, "llama.cpp reads pairs");
    } else if (!a->dora) {
        CHECK_OK(qn_adapter_write_gguf(a, &m->cfg, NULL, gguf), "%s", label);
        CHECK_OK(qn_adapter_read(&b, gguf, m), "%s", label);
        judge_adapted(f, m, b, "written as GGUF", worst);
        qn_adapter_free(b);
    }
    qn_adapter_free(a);
}

static const char *base_directory(const char *base) {
    static char path[1024];
    fixture b;
    read_fixture(base, &b);
    snprintf(path, sizeof path, "%s", as_directory(&b, &b.config));
    drop_fixture(&b);
    return path;
}

TEST(logits_of_peft) {
    for (size_t i = 0; i < QN_LEN(cases); i++) {
        double worst = 0;
        fixture f;
        read_fixture(cases[i].file, &f);
        qn_model *m = load_model(base_directory(cases[i].base), QN_WEIGHTS_AS_IS);
        judge_forms(&f, m, cases[i].file, &worst);
        print_message("%s: off by %.2f times what a float32 run of PEFT is\n", cases[i].file, worst);
        qn_model_free(m);
        drop_fixture(&f);
    }
}

/* The base in each form, merged into each form. */
static void judge_merged(const fixture *f, const char *base, const char *label, double *worst) {
    static const char *const outs[] = {"merged", "merged.gguf"};
    const qn_convert_options keep = {.dtype = QN_DTYPE_KEEP, .force = true};
    const qn_merge_options o = {.out = keep};
    char from[2][1024], out[1024], dir[1024];
    qn_convert_result r;
    snprintf(from[0], sizeof from[0], "%s", base_directory(base));
    snprintf(from[1], sizeof from[1], "%s", qn_test_temp("base.gguf"));
    CHECK_OK(qn_convert(from[0], from[1], &keep, &r));
    snprintf(dir, sizeof dir, "%s", as_peft(f));
    for (int form = 0; form < 4; form++) {
        qn_model *m = load_model(from[form / 2], QN_WEIGHTS_AS_IS);
        qn_adapter *a;
        CHECK_OK(qn_adapter_open(&a, dir, m->arch, &m->cfg), "%s", label);
        snprintf(out, sizeof out, "%s", qn_test_temp(outs[form % 2]));
        CHECK_OK(qn_merge(from[form / 2], out, &(qn_merge_part){a, 1}, 1, &o, NULL, &r), "%s", label);
        CHECK(r.rounded == 0 && r.changed == (int64_t)a->n + (a->n_tokens > 0) + (a->head.rank > 0), "%s", label);
        qn_adapter_free(a);
        qn_model_free(m);
        judge_model(f, out, label, worst);
    }
}

TEST(merged_into_the_weights) {
    for (size_t i = 0; i < QN_LEN(cases); i++) {
        double worst = 0;
        fixture f;
        read_fixture(cases[i].file, &f);
        judge_merged(&f, cases[i].base, cases[i].file, &worst);
        print_message("%s, merged: off by %.2f times what a float32 run of PEFT is\n", cases[i].file, worst);
        drop_fixture(&f);
    }
}

/* ---- TIES -------------------------------------------------------------------------------------------------------- */

typedef struct { double delta[ENTRIES]; int64_t n, zeros; } ties_fixture;

static void read_ties(ties_fixture *t) {
    qn_buf text = {0};
    qn_json j;
    qn_str key;
    CHECK_OK(qn_read_file(&text, qn_test_fixture("adapter_ties.json"), 1 << 20));
    qn_json_init(&j, text.s, text.n, "adapter_ties.json");
    CHECK_OK(qn_json_enter(&j, '{'));
    while (qn_json_key(&j, &key) > 0)
        if (qn_str_is(key, "delta"))
            t->n = read_numbers(&j, t->delta, ENTRIES);
        else if (qn_str_is(key, "zeros"))
            CHECK_OK(qn_json_i64(&j, &t->zeros));
        else
            CHECK_OK(qn_json_skip(&j));
    qn_json_drop(&j);
    qn_buf_drop(&text);
    CHECK_INT(t->n, ENTRIES);
}

TEST(ties_as_peft_has_it) {
    const qn_merge_options o = {.method = QN_MERGE_TIES, .density = 0.3};
    ties_fixture t = {0};
    qn_merge_part part[2] = {{NULL, 1}, {NULL, 0.7}};
    qn_adapter *a[2];
    qn_model *m = load_model(base_directory("llama_gqa.json"), QN_WEIGHTS_AS_IS);
    int64_t zeros = 0;
    read_ties(&t);
    for (int i = 0; i < 2; i++) {
        fixture f;
        read_fixture(cases[i].file, &f);
        CHECK_OK(qn_adapter_read(&a[i], as_peft(&f), m));
        part[i].a = a[i];
        drop_fixture(&f);
    }
    const qn_lora *l = qn_adapter_find(a[0], QN_P_DOWN, 2);
    const int64_t n = l->rows * l->cols;
    float *w = qn_zalloc(QN_MEM_TEST, (size_t)n, sizeof *w);
    CHECK_OK(qn_merge_matrix(w, l->p, 2, part, 2, &o, NULL));
    for (int64_t k = 0; k < n; k++)
        zeros += w[k] == 0;
    CHECK_INT(zeros, t.zeros);
    for (int64_t j = 0; j < ENTRIES; j++)
        CHECK_NEAR(w[j * 2654435761 % n], t.delta[j], 1e-6, "entry %lld", (long long)j);
    qn_free(w);
    qn_adapter_free(a[0]);
    qn_adapter_free(a[1]);
    qn_model_free(m);
}
