/* tests/unit/fixture_model.h — a model of tests/fixtures as tools/fixtures/llama.py and its neighbours write it: read,
 * filled, laid out as a directory, judged by its logits at every level of the machine.
 *
 *     read_fixture("llama_gqa.json", &f);
 *     judge_model(&f, as_directory(&f, &f.config), "gqa as a directory", &worst);      // drop_fixture(&f)
 *
 * Weights F32, KV F32. How the family's GGUF files look is the business of each test. */
#ifndef QN_TESTS_UNIT_FIXTURE_MODEL_H
#define QN_TESTS_UNIT_FIXTURE_MODEL_H

#include "test.h"

#include "infer/session.h"
#include "make_model.h"

enum { MAX_IDS = 64, MAX_AT = 8, FIRST = 32, MAX_PARAMS = 64, ENTRIES = 64, MAX_DOCUMENTS = 4, CURVE = 11 };

typedef struct { int64_t pos, argmax; double lse, first[FIRST]; } expected;
typedef struct {
    char name[96];
    int rank;
    int64_t dim[2];
    double offset, scale, grad_norm, grad[ENTRIES];
    int64_t n_grad;
} parameter;
typedef struct {
    qn_buf config, config_v4;
    int32_t ids[MAX_IDS];
    int64_t n_ids;
    int32_t target[MAX_IDS];                /* where there are documents; −1: not supervised */
    int64_t length[MAX_DOCUMENTS], n_documents;
    double loss, f32_logits, curve[CURVE];
    expected at[MAX_AT];
    int64_t n_at;
    parameter param[MAX_PARAMS];
    size_t n_params;
} fixture;

/* ---- reading a fixture ---- */

static void read_expected(qn_json *j, expected *e) {
    qn_str key;
    int64_t n = 0;
    CHECK_OK(qn_json_enter(j, '{'));
    while (qn_json_key(j, &key) > 0)
        if (qn_str_is(key, "pos"))
            CHECK_OK(qn_json_i64(j, &e->pos));
        else if (qn_str_is(key, "argmax"))
            CHECK_OK(qn_json_i64(j, &e->argmax));
        else if (qn_str_is(key, "lse"))
            CHECK_OK(qn_json_f64(j, &e->lse));
        else if (qn_str_is(key, "first"))
            for (CHECK_OK(qn_json_enter(j, '[')); qn_json_item(j) > 0 && n < FIRST;)
                CHECK_OK(qn_json_f64(j, &e->first[n++]));
        else
            CHECK_OK(qn_json_skip(j));
    CHECK_INT(n, FIRST);
}

static int64_t read_numbers(qn_json *j, double *v, int64_t cap) {
    int64_t n = 0;
    for (CHECK_OK(qn_json_enter(j, '[')); qn_json_item(j) > 0; n++)
        CHECK(n < cap && qn_json_f64(j, &v[n]) == 0);
    return n;
}

static int64_t read_ids(qn_json *j, int32_t *ids, int64_t cap) {
    int64_t id, n = 0;
    for (CHECK_OK(qn_json_enter(j, '[')); qn_json_item(j) > 0; ids[n++] = (int32_t)id)
        CHECK(n < cap && qn_json_i64(j, &id) == 0);
    return n;
}

/* One after the other, as they stand in a run. */
static void read_document(qn_json *j, fixture *f) {
    qn_str key;
    int64_t n = 0, targets = 0;
    CHECK(f->n_documents < MAX_DOCUMENTS);
    CHECK_OK(qn_json_enter(j, '{'));
    while (qn_json_key(j, &key) > 0)
        if (qn_str_is(key, "ids"))
            n = read_ids(j, f->ids + f->n_ids, MAX_IDS - f->n_ids);
        else if (qn_str_is(key, "targets"))
            targets = read_ids(j, f->target + f->n_ids, MAX_IDS - f->n_ids);
    CHECK(n > 0 && n == targets);
    f->length[f->n_documents++] = n;
    f->n_ids += n;
}

static void read_parameter(qn_json *j, parameter *p) {
    qn_str key;
    qn_buf name = {0};
    CHECK_OK(qn_json_enter(j, '{'));
    while (qn_json_key(j, &key) > 0)
        if (qn_str_is(key, "name"))
            CHECK_OK(qn_json_string(j, &name));
        else if (qn_str_is(key, "shape"))
            for (CHECK_OK(qn_json_enter(j, '[')); qn_json_item(j) > 0;)
                CHECK_OK(qn_json_i64(j, &p->dim[p->rank++]));
        else if (qn_str_is(key, "offset"))
            CHECK_OK(qn_json_f64(j, &p->offset));
        else if (qn_str_is(key, "scale"))
            CHECK_OK(qn_json_f64(j, &p->scale));
        else if (qn_str_is(key, "grad_norm"))
            CHECK_OK(qn_json_f64(j, &p->grad_norm));
        else if (qn_str_is(key, "grad"))
            p->n_grad = read_numbers(j, p->grad, ENTRIES);
        else
            CHECK_OK(qn_json_skip(j));
    snprintf(p->name, sizeof p->name, "%s", name.s);
    qn_buf_drop(&name);
}

static void read_member(qn_json *j, qn_str key, fixture *f) {
    if (qn_str_is(key, "config"))
        CHECK_OK(qn_json_string(j, &f->config));
    else if (qn_str_is(key, "config_v4"))
        CHECK_OK(qn_json_string(j, &f->config_v4));
    else if (qn_str_is(key, "f32_logits"))
        CHECK_OK(qn_json_f64(j, &f->f32_logits));
    else if (qn_str_is(key, "ids"))
        f->n_ids = read_ids(j, f->ids, MAX_IDS);
    else if (qn_str_is(key, "documents"))
        for (CHECK_OK(qn_json_enter(j, '[')); qn_json_item(j) > 0;)
            read_document(j, f);
    else if (qn_str_is(key, "loss"))
        CHECK_OK(qn_json_f64(j, &f->loss));
    else if (qn_str_is(key, "curve"))
        CHECK_INT(read_numbers(j, f->curve, CURVE), CURVE);
    else if (qn_str_is(key, "logits"))
        for (CHECK_OK(qn_json_enter(j, '[')); qn_json_item(j) > 0; f->n_at++)
            read_expected(j, &f->at[f->n_at]);
    else if (qn_str_is(key, "parameters"))
        for (CHECK_OK(qn_json_enter(j, '[')); qn_json_item(j) > 0; f->n_params++)
            read_parameter(j, &f->param[f->n_params]);
    else
        CHECK_OK(qn_json_skip(j));
}

static void read_fixture(const char *file, fixture *f) {
    qn_buf text = {0};
    qn_json j;
    qn_str key;
    memset(f, 0, sizeof *f);
    CHECK_OK(qn_read_file(&text, qn_test_fixture(file), 1 << 20));
    qn_json_init(&j, text.s, text.n, file);
    CHECK_OK(qn_json_enter(&j, '{'));
    while (qn_json_key(&j, &key) > 0)
        read_member(&j, key, f);
    CHECK_OK(qn_json_end(&j), "%s", file);
    CHECK(f->n_ids > 0 && f->n_at + f->n_documents > 0 && f->n_params > 0, "%s", file);
    qn_json_drop(&j);
    qn_buf_drop(&text);
}

static void drop_fixture(fixture *f) {
    qn_buf_drop(&f->config);
    qn_buf_drop(&f->config_v4);
}

static float *values_of(const parameter *p) {
    const int64_t n = test_product(p->rank, p->dim);
    float *v = test_fill_values(p->name, n, (float)p->scale);
    for (int64_t i = 0; i < n; i++)
        v[i] = (float)p->offset + v[i];
    return v;
}

/* ---- as a directory ---- */

/* Names without `prefix` where they begin with it; "": as they are. */
static void put_tensors(const fixture *f, test_st *st, const char *prefix) {
    const size_t n = strlen(prefix);
    for (size_t i = 0; i < f->n_params; i++) {
        const parameter *p = &f->param[i];
        float *v = values_of(p);
        test_st_tensor(st, p->name + (strncmp(p->name, prefix, n) == 0 ? n : 0), QN_F32, p->rank, p->dim, v);
        qn_free(v);
    }
}

/* Writes what is in st, which is empty then. */
static const char *write_directory(test_st *st, const qn_buf *config) {
    static char dir[1024];
    qn_buf bytes = test_st_bytes(st);
    snprintf(dir, sizeof dir, "%s", qn_test_temp("hf"));
    mkdir(dir, 0700);
    qn_test_write("hf/config.json", config->s, config->n);
    qn_test_write("hf/model.safetensors", bytes.s, bytes.n);
    qn_buf_drop(&bytes);
    test_st_drop(st);
    return dir;
}

QN_UNUSED static const char *as_directory(const fixture *f, const qn_buf *config) {
    test_st st = {0};
    put_tensors(f, &st, "");
    return write_directory(&st, config);
}

/* ---- judging ---- */

typedef struct { const fixture *f; const char *what; int64_t V, seen; double tolerance, worst; } judging;

static int judge(void *arg, QN_UNUSED int64_t feed, int64_t pos, const float *logits) {
    judging *g = arg;
    for (int64_t a = 0; a < g->f->n_at; a++) {
        const expected *e = &g->f->at[a];
        double sum = 0;
        int64_t best = 0;
        if (e->pos != pos)
            continue;
        for (int64_t i = 0; i < g->V; i++) {
            sum += exp((double)logits[i]);
            best = logits[i] > logits[best] ? i : best;
        }
        for (int64_t i = 0; i < FIRST; i++) {
            CHECK_NEAR(logits[i], e->first[i], g->tolerance, "%s, position %lld, logit %lld", g->what, (long long)pos,
                       (long long)i);
            g->worst = fmax(g->worst, fabs((double)logits[i] - e->first[i]));
        }
        CHECK_NEAR(log(sum), e->lse, g->tolerance, "%s, position %lld", g->what, (long long)pos);
        CHECK_INT(best, e->argmax, "%s, position %lld", g->what, (long long)pos);
        g->seen++;
    }
    return 0;
}

/* The float32 run of transformers is off by f32_logits; ours, in another order, may be off by a few times that. */
static void judge_level(const fixture *f, const qn_model *m, const char *what, qn_isa isa, double *worst) {
    const qn_session_options o = {.context = QN_MIN(MAX_IDS, m->cfg.context), .kv = QN_F32};
    const qn_feed feed = {0, f->ids, f->n_ids, QN_LOGITS_ALL};
    qn_session *s;
    char label[160];
    snprintf(label, sizeof label, "%s at %s", what, qn_isa_name(isa));
    judging g = {.f = f, .what = label, .V = m->cfg.V, .tolerance = 4 * f->f32_logits + 1e-6};
    CHECK_OK(qn_session_new(&s, m, qn_kernels_at(isa), NULL, &o));
    CHECK_OK(qn_session_feed(s, &feed, 1, judge, &g));
    CHECK_INT(g.seen, f->n_at, "%s", label);
    *worst = fmax(*worst, g.worst / f->f32_logits);
    qn_session_free(s);
}

QN_UNUSED static qn_model *load_model(const char *path, int weights) {
    const qn_model_options o = {.weights = weights, .keep_pages = true};
    qn_source *s;
    qn_model *m;
    CHECK_OK(qn_source_open(&s, path), "%s", path);
    CHECK_OK(qn_model_load(&m, s, &o, NULL), "%s", path);
    qn_source_close(s);
    return m;
}

QN_UNUSED static void judge_model(const fixture *f, const char *path, const char *what, double *worst) {
    qn_model *m = load_model(path, QN_WEIGHTS_AS_IS);
    CHECK_INT(m->main_dtype, QN_F32);
    for (int isa = 0; isa < QN_ISA_LEVELS; isa++)
        if (qn_isa_has((qn_isa)isa))
            judge_level(f, m, what, (qn_isa)isa, worst);
    qn_model_free(m);
}

#endif
