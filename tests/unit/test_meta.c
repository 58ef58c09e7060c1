/* tests/unit/test_meta.c — the table of typed values: look-ups over GGUF and JSON, wrong kinds, JSON laid flat. */
#include "test.h"

#include "format/gguf.h"
#include "format/meta.h"
#include "make_model.h"

static qn_meta *from_json(const char *text) {
    qn_meta *m;
    CHECK_OK(qn_meta_from_json(&m, text, strlen(text), "config.json"), "%s", text);
    return m;
}

static int64_t i64_of(const qn_meta *m, const char *key) {
    int64_t v = -12345;
    CHECK_INT(qn_meta_get_i64(m, key, &v), 1, "%s", key);
    return v;
}

static void refused(const char *text, int code, const char *says) {
    qn_meta *m;
    CHECK_FAIL(qn_meta_from_json(&m, text, strlen(text), "config.json"), code, says, "%s", text);
    CHECK(!m, "%s", text);
}

TEST(gives_each_scalar_as_written) {
    qn_meta *m = from_json("{\"b\": true, \"i\": -7, \"f\": 1e-5, \"s\": \"\\u00e4b\", \"n\": null, \"w\": 4096.0}");
    bool b = false;
    double f;
    qn_str s;
    int64_t i = 3;
    CHECK_INT(qn_meta_get_bool(m, "b", &b), 1);
    CHECK(b);
    CHECK_INT(i64_of(m, "i"), -7);
    CHECK_INT(i64_of(m, "w"), 4096, "a float without fraction");
    CHECK_INT(qn_meta_get_f64(m, "f", &f), 1);
    CHECK_NEAR(f, 1e-5, 0);
    CHECK_INT(qn_meta_get_f64(m, "i", &f), 1);
    CHECK_NEAR(f, -7, 0);
    CHECK_INT(qn_meta_get_str(m, "s", &s), 1);
    CHECK_VIEW(s, "äb");
    CHECK_INT(qn_meta_get_i64(m, "n", &i), 0, "null is absent");
    CHECK_INT(qn_meta_get_i64(m, "nowhere", &i), 0);
    CHECK_INT(i, 3, "untouched");
    CHECK_INT(qn_meta_find(m, "n")->kind, QN_META_NULL);
    qn_meta_free(m);
}

TEST(names_file_and_key_when_the_kind_is_wrong) {
    qn_meta *m = from_json("{\"a\": \"x\", \"f\": 0.5, \"l\": [1, 2.5], \"i\": 1, \"big\": 1e30}");
    int64_t i;
    double f;
    bool b;
    qn_str s;
    qn_meta_array l;
    CHECK_FAIL(qn_meta_get_i64(m, "a", &i), QN_EFORMAT, "config.json: key \"a\" holds a string; expected an integer");
    CHECK_FAIL(qn_meta_get_i64(m, "f", &i), QN_EFORMAT, "0.5");
    CHECK_FAIL(qn_meta_get_i64(m, "big", &i), QN_EFORMAT, "1e+30");
    CHECK_FAIL(qn_meta_get_f64(m, "a", &f), QN_EFORMAT, "expected a number");
    CHECK_FAIL(qn_meta_get_bool(m, "i", &b), QN_EFORMAT, "expected true or false");
    CHECK_FAIL(qn_meta_get_str(m, "l", &s), QN_EFORMAT, "holds an array; expected a string");
    CHECK_FAIL(qn_meta_get_array(m, "l", QN_META_INT, &l), QN_EFORMAT, "expected an array of integers");
    CHECK_FAIL(qn_meta_get_array(m, "i", QN_META_STRING, &l), QN_EFORMAT, "expected an array of strings");
    qn_meta_free(m);
}

TEST(lays_nested_json_flat) {
    qn_meta *m = from_json("{\"rope_parameters\": {\"rope_theta\": 100000, \"x\": {\"y\": 1}}, \"empty\": {},"
                           " \"a\": [{\"name\": \"n0\"}, [5, 6], \"s\", null]}");
    qn_meta_array l;
    qn_str s;
    CHECK_INT(i64_of(m, "rope_parameters.rope_theta"), 100000);
    CHECK_INT(i64_of(m, "rope_parameters.x.y"), 1);
    CHECK(!qn_meta_find(m, "rope_parameters") && !qn_meta_find(m, "empty"));
    CHECK_INT(qn_meta_find(m, "a")->kind, QN_META_MIXED);
    CHECK_INT(qn_meta_find(m, "a")->as.a.count, 4);
    CHECK_INT(qn_meta_get_str(m, "a.0.name", &s), 1);
    CHECK_VIEW(s, "n0");
    CHECK_INT(qn_meta_get_array(m, "a.1", QN_META_INT, &l), 1);
    CHECK_INT(qn_meta_array_i64(&l, 1), 6);
    CHECK_INT(qn_meta_get_str(m, "a.2", &s), 1);
    CHECK_INT(qn_meta_find(m, "a.3")->kind, QN_META_NULL);
    CHECK_FAIL(qn_meta_get_array(m, "a", QN_META_INT, &l), QN_EFORMAT, "mixed");
    qn_meta_free(m);
}

TEST(keeps_arrays_of_one_kind_together) {
    qn_meta *m = from_json("{\"i\": [3, -4], \"f\": [1, 2.5], \"b\": [true, false], \"s\": [\"\", \"\\n\", \"abc\"],"
                           " \"e\": []}");
    qn_meta_array a;
    CHECK_INT(qn_meta_get_array(m, "i", QN_META_INT, &a), 1);
    CHECK_INT(a.count, 2);
    CHECK_INT(qn_meta_array_i64(&a, 1), -4);
    CHECK_INT(qn_meta_get_array(m, "i", QN_META_FLOAT, &a), 1);
    CHECK_NEAR(qn_meta_array_f64(&a, 0), 3, 0);
    CHECK_INT(qn_meta_get_array(m, "f", QN_META_FLOAT, &a), 1);
    CHECK_NEAR(qn_meta_array_f64(&a, 0), 1, 0);
    CHECK_NEAR(qn_meta_array_f64(&a, 1), 2.5, 0);
    CHECK_INT(qn_meta_get_array(m, "b", QN_META_BOOL, &a), 1);
    CHECK(qn_meta_array_bool(&a, 0) && !qn_meta_array_bool(&a, 1));
    CHECK_INT(qn_meta_get_array(m, "s", QN_META_STRING, &a), 1);
    CHECK_VIEW(qn_meta_array_str(&a, 0), "");
    CHECK_VIEW(qn_meta_array_str(&a, 1), "\n");
    CHECK_VIEW(qn_meta_array_str(&a, 2), "abc");
    CHECK_INT(qn_meta_get_array(m, "e", QN_META_STRING, &a), 1);
    CHECK_INT(a.count, 0, "an empty array is of any kind");
    CHECK_INT(qn_meta_get_array(m, "e", QN_META_INT, &a), 1);
    qn_meta_free(m);
}

TEST(takes_one_number_or_a_list) {
    qn_meta *m = from_json("{\"one\": 2, \"list\": [2, 7, 9], \"text\": \"x\", \"mixed\": [1, \"a\"], \"none\": null}");
    int64_t ids[3];
    size_t n = 99;
    CHECK_INT(qn_meta_get_i64s(m, "one", ids, 3, &n), 1);
    CHECK(n == 1 && ids[0] == 2);
    CHECK_INT(qn_meta_get_i64s(m, "list", ids, 3, &n), 1);
    CHECK(n == 3 && ids[2] == 9);
    CHECK_FAIL(qn_meta_get_i64s(m, "list", ids, 2, &n), QN_ELIMIT, "at most 2");
    CHECK_FAIL(qn_meta_get_i64s(m, "text", ids, 3, &n), QN_EFORMAT, "text");
    CHECK_FAIL(qn_meta_get_i64s(m, "mixed", ids, 3, &n), QN_EFORMAT, "mixed");
    CHECK_INT(qn_meta_get_i64s(m, "none", ids, 3, &n), 0);
    qn_meta_free(m);
}

/* What transformers writes for "no limit" must not spoil the file. */
TEST(reads_integers_beyond_64_bits_as_floats) {
    qn_meta *m = from_json("{\"model_max_length\": 1000000000000000019884624838656}");
    double f;
    CHECK_INT(qn_meta_get_f64(m, "model_max_length", &f), 1);
    CHECK_NEAR(f, 1e30, 0);
    qn_meta_free(m);
}

TEST(refuses_json_that_is_no_table) {
    refused("", QN_EFORMAT, "config.json");
    refused("[1]", QN_EFORMAT, "object");
    refused("{\"a\": 1, \"a\": 2}", QN_EFORMAT, "\"a\" is there twice");
    refused("{\"a\": {\"b\": 1}, \"a.b\": 2}", QN_EFORMAT, "\"a.b\" is there twice");
    refused("{\"a\": 1} x", QN_EFORMAT, "config.json:1:10");
    refused("{\"a\": [1, 2", QN_EFORMAT, "config.json");
    refused("{\"a\": [1, }", QN_EFORMAT, "config.json");
    refused("{\"a\": 1e999}", QN_EFORMAT, "1e999");
    refused("{\"a\": [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", QN_ELIMIT, "config.json");
}

/* 20,000 members under a key of 4000 bytes would be 80 MB of keys from 200 KB: the file is refused, not obeyed. */
TEST(bounds_the_memory_that_json_may_take) {
    qn_buf b = {0};
    TEST_MUST(qn_buf_puts(&b, "{\""));
    test_put_pad(&b, 4000, 'k');
    TEST_MUST(qn_buf_puts(&b, "\": {\"x\": 0"));
    for (int i = 0; i < 20000; i++)
        TEST_MUST(qn_buf_printf(&b, ", \"%d\": 0", i));
    TEST_MUST(qn_buf_puts(&b, "}}"));
    qn_meta *m;
    CHECK_FAIL(qn_meta_from_json(&m, b.s, b.n, "wide.json"), QN_ELIMIT, "memory");
    CHECK(qn_mem_stats_get(QN_MEM_FORMAT).peak_bytes < (int64_t)b.n + (33 << 20));
    qn_buf_clear(&b);
    TEST_MUST(qn_buf_puts(&b, "{\""));
    test_put_pad(&b, 5000, 'k');
    TEST_MUST(qn_buf_puts(&b, "\": 0}"));
    CHECK_FAIL(qn_meta_from_json(&m, b.s, b.n, "deep.json"), QN_ELIMIT, "4096");
    qn_buf_drop(&b);
    CHECK_NO_LEAK(QN_MEM_FORMAT, 0);
}

TEST(refuses_unsigned_values_that_do_not_fit) {
    test_gguf g = {0};
    test_gguf_u64(&g, "big", UINT64_MAX);
    test_gguf_u64s(&g, "bigs", (uint64_t[]){1, (uint64_t)1 << 63}, 2);
    test_gguf_u64s(&g, "smalls", (uint64_t[]){1, INT64_MAX}, 2);
    test_gguf_i8s(&g, "bytes", (int8_t[]){-128, 127}, 2);
    test_gguf_u16s(&g, "shorts", (uint16_t[]){65535}, 1);
    qn_buf b = test_gguf_bytes(&g);
    qn_gguf *file;
    CHECK_OK(qn_gguf_open_memory(&file, b.s, b.n));
    const qn_meta *m = qn_gguf_meta(file);
    int64_t i;
    double f;
    qn_meta_array a;
    CHECK_FAIL(qn_meta_get_i64(m, "big", &i), QN_EFORMAT, "18446744073709551615");
    CHECK_INT(qn_meta_get_f64(m, "big", &f), 1);
    CHECK_NEAR(f, 0x1p64, 0);
    CHECK_FAIL(qn_meta_get_array(m, "bigs", QN_META_INT, &a), QN_EFORMAT, "beyond 2^63");
    CHECK_INT(qn_meta_get_array(m, "bigs", QN_META_FLOAT, &a), 1);
    CHECK_NEAR(qn_meta_array_f64(&a, 1), 0x1p63, 0);
    CHECK_INT(qn_meta_get_array(m, "smalls", QN_META_INT, &a), 1);
    CHECK_INT(qn_meta_array_i64(&a, 1), INT64_MAX);
    CHECK_INT(qn_meta_get_array(m, "bytes", QN_META_INT, &a), 1);
    CHECK_INT(qn_meta_array_i64(&a, 0), -128);
    CHECK_INT(qn_meta_get_array(m, "shorts", QN_META_INT, &a), 1);
    CHECK_INT(qn_meta_array_i64(&a, 0), 65535);
    qn_gguf_close(file);
    qn_buf_drop(&b);
    test_gguf_drop(&g);
}

TEST(writes_values_as_json) {
    qn_meta *m = from_json("{\"a\": [1, 2, 3], \"b\": null, \"c\": [\"x\"], \"d\": -0.5, \"e\": [1, {}]}");
    qn_buf out = {0};
    qn_jw w;
    qn_jw_init(&w, &out, 0);
    qn_jw_open(&w, '[');
    for (size_t i = 0; i < qn_meta_count(m); i++)
        qn_meta_write(qn_meta_at(m, i), 2, &w);
    qn_jw_close(&w);
    CHECK_OK(qn_jw_end(&w));
    CHECK_STR(out.s, "[[1,2,\"… 1 more\"],null,[\"x\"],-0.5,1,[\"… 2 under this key and their number\"]]");
    qn_buf_drop(&out);
    qn_meta_free(m);
}
