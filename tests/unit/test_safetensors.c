/* tests/unit/test_safetensors.c — the header parser believes nothing. */
#include "test.h"

#include "format/safetensors.h"
#include "make_model.h"

#define DIMS(...) ((int64_t[]){__VA_ARGS__})

/* A header that is parsed with `data` bytes behind it, the error it must give and a word that its message must contain:
 * a user reads that message. */
static const struct { const char *header; size_t data; int err; const char *says; } bad[] = {
    {"", 0, QN_EFORMAT, "expected"},
    {"[]", 0, QN_EFORMAT, "object"},
    {"{}x", 0, QN_EFORMAT, ":1:3"},
    {"{\"w\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,16]}}", 8, QN_EFORMAT, "\"w\""},
    {"{\"w\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,16]}}", 16, QN_EFORMAT, "shape"},
    {"{\"w\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,0]}}", 0, QN_EFORMAT, "overflow"},
    {"{\"w\":{\"dtype\":\"F64\",\"shape\":[2305843009213693952],\"data_offsets\":[0,0]}}", 0, QN_EFORMAT, "overflow"},
    {"{\"w\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]}}", 4, QN_EFORMAT, "negative"},
    {"{\"w\":{\"dtype\":\"F32\",\"shape\":[1.5],\"data_offsets\":[0,4]}}", 4, QN_EFORMAT, "memory:1"},
    {"{\"w\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,0]}}", 4, QN_EFORMAT, "ascend"},
    {"{\"w\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[-4,0]}}", 4, QN_EFORMAT, "ascend"},
    {"{\"w\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0]}}", 4, QN_EFORMAT, "two numbers"},
    {"{\"w\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4,8]}}", 8, QN_EFORMAT, "two numbers"},
    {"{\"w\":{\"dtype\":\"F4\",\"shape\":[3],\"data_offsets\":[0,1]}}", 1, QN_EFORMAT, "12 bits"},
    {"{\"w\":{\"dtype\":\"F99\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, QN_EUNSUPPORTED,
     "\"F99\" is not known: convert the tensor to F32, F16 or BF16"},
    {"{\"w\":{\"dtype\":\"U8\",\"shape\":[1,1,1,1,1,1,1,1,1],\"data_offsets\":[0,1]}}", 1, QN_EUNSUPPORTED, "8 dim"},
    {"{\"w\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, QN_EFORMAT, "expected \"dtype\", \"shape\" and"},
    {"{\"w\":{}}", 4, QN_EFORMAT, "expected \"dtype\", \"shape\" and"},
    {"{\"w\":{\"dtype\":\"F32\",\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, QN_EFORMAT, "twice"},
    {"{\"w\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4],\"x\":0}}", 4, QN_EFORMAT, "\"x\""},
    {"{\"\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1, QN_EFORMAT, "without name"},
    {"{\"a\\u0000\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1, QN_EFORMAT, "control character"},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
     "\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1,2]}}", 2, QN_EFORMAT, "\"a\" is there twice"},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[8],\"data_offsets\":[0,8]},"
     "\"b\":{\"dtype\":\"U8\",\"shape\":[8],\"data_offsets\":[4,12]}}", 12, QN_EFORMAT, "overlap"},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[8],\"data_offsets\":[0,8]},"
     "\"b\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[2,4]}}", 12, QN_EFORMAT, "overlap"},
    {"{\"__metadata__\":{\"a\":1}}", 0, QN_EFORMAT, "string"},
    {"{\"__metadata__\":{\"a\":\"1\",\"a\":\"2\"}}", 0, QN_EFORMAT, "\"a\" is there twice"},
    {"{\"__metadata__\":{},\"__metadata__\":{}}", 0, QN_EFORMAT, "twice"},
};

static qn_buf with_length(const char *header, size_t data) {
    qn_buf b = {0};
    test_put_u64(&b, strlen(header));
    test_put(&b, header, strlen(header));
    for (size_t i = 0; i < data; i++)
        test_put(&b, "", 1);
    return b;
}

TEST(rejects_with_a_helpful_message) {
    for (size_t i = 0; i < QN_LEN(bad); i++) {
        qn_buf b = with_length(bad[i].header, bad[i].data);
        qn_safetensors *st = (qn_safetensors *)&b;
        CHECK_FAIL(qn_safetensors_open_memory(&st, b.s, b.n), bad[i].err, bad[i].says, "%s", bad[i].header);
        CHECK(!st, "%s", bad[i].header);
        qn_buf_drop(&b);
    }
}

TEST(rejects_what_is_no_safetensors_file) {
    qn_safetensors *st;
    CHECK_FAIL(qn_safetensors_open_memory(&st, "", 0), QN_ETRUNC, "8 bytes");
    CHECK_FAIL(qn_safetensors_open_memory(&st, "1234567", 7), QN_ETRUNC, "8 bytes");
    CHECK_FAIL(qn_safetensors_open_memory(&st, "\xff\xff\xff\xff\xff\xff\xff\x7f{}", 10), QN_EFORMAT, "header length");
    CHECK_FAIL(qn_safetensors_open_memory(&st, "\xff\xff\xff\xff\xff\xff\xff\xff{}", 10), QN_EFORMAT, "header length");
    CHECK_FAIL(qn_safetensors_open_memory(&st, "\3\0\0\0\0\0\0\0{}", 10), QN_EFORMAT, "header length");
}

static test_st good(void) {
    test_st s = {0};
    test_st_member(&s, "__metadata__", "{\"format\":\"pt\",\"by\":\"\\u00e4\"}");
    test_st_fill(&s, "w", QN_BF16, 2, DIMS(3, 5), 1);
    test_st_fill(&s, "b", QN_F32, 1, DIMS(3), 1);
    test_st_raw(&s, "ids", "I64", 1, DIMS(2), "0123456789abcdef", 16);
    test_st_raw(&s, "none", "F32", 2, DIMS(0, 7), "", 0);
    test_st_raw(&s, "scalar", "U8", 0, DIMS(0), "x", 1);
    return s;
}

TEST(gives_tensors_and_metadata_as_written) {
    test_st made = good();
    qn_buf b = test_st_bytes(&made);
    qn_safetensors *st;
    CHECK_OK(qn_safetensors_open_memory(&st, b.s, b.n));
    const qn_tensor_file *f = qn_safetensors_tensors(st);
    qn_str by;
    CHECK_INT(qn_meta_count(qn_safetensors_meta(st)), 2);
    CHECK_INT(qn_meta_get_str(qn_safetensors_meta(st), "by", &by), 1);
    CHECK_VIEW(by, "ä");
    CHECK_INT(qn_tensor_count(f), 5);
    const qn_tensor_info *t = qn_tensor_find(f, "b");
    CHECK_INT(t->dtype, QN_F32);
    CHECK_INT(t->rank, 1);
    CHECK_INT(t->dims[0], 3);
    float x;
    memcpy(&x, t->data + 8, 4);
    CHECK_NEAR(x, qn_fill_value(qn_fill_salt("b"), 2, 1), 0);
    t = qn_tensor_find(f, "w");
    CHECK_INT(t->dtype, QN_BF16);
    CHECK(t->dims[0] == 3 && t->dims[1] == 5 && t->bytes == 30);
    t = qn_tensor_find(f, "ids");
    CHECK_INT(t->dtype, -1);
    CHECK_FAIL(qn_tensor_need_dtype(f, t), QN_EUNSUPPORTED, "I64");
    CHECK_FAIL(qn_tensor_need_dtype(f, t), QN_EUNSUPPORTED, "convert the tensor to F32, F16 or BF16");
    t = qn_tensor_find(f, "none");
    CHECK(t->bytes == 0 && qn_tensor_elements(t) == 0);
    t = qn_tensor_find(f, "scalar");
    CHECK(t->rank == 0 && qn_tensor_elements(t) == 1 && t->data[0] == 'x');
    qn_safetensors_close(st);
    qn_buf_drop(&b);
    test_st_drop(&made);
}

static int try_open(const void *bytes, size_t n) {
    qn_safetensors *st;
    const int rc = qn_safetensors_open_memory(&st, bytes, n);
    qn_safetensors_close(st);
    return rc;
}

TEST(every_truncation_is_an_error) {
    test_st made = good();
    qn_buf b = test_st_bytes(&made);
    for (size_t n = 0; n < b.n; n++) {
        char *cut = malloc(n ? n : 1);
        memcpy(cut, b.s, n);
        CHECK(try_open(cut, n) < 0, "cut at byte %zu", n);
        free(cut);
    }
    CHECK_OK(try_open(b.s, b.n));
    qn_buf_drop(&b);
    test_st_drop(&made);
}

TEST(every_changed_byte_is_survived) {
    static const char to[] = "\x00\x09\"0:]}9\xff";
    test_st made = good();
    qn_buf b = test_st_bytes(&made);
    int opened = 0, refusals = 0;
    for (size_t i = 0; i < b.n; i++) {
        const char was = b.s[i];
        for (size_t k = 0; k < sizeof to - 1; k++) {
            b.s[i] = to[k];
            try_open(b.s, b.n) == 0 ? opened++ : refusals++;
        }
        b.s[i] = was;
    }
    CHECK(opened > 100 && refusals > 1000, "%d opened, %d refused", opened, refusals);
    qn_buf_drop(&b);
    test_st_drop(&made);
}

TEST(reports_failed_allocations) {
    test_st made = good();
    qn_buf b = test_st_bytes(&made);
    const qn_mem_stats format = qn_mem_stats_get(QN_MEM_FORMAT), base = qn_mem_stats_get(QN_MEM_BASE);
    int rc = QN_ENOMEM;
    for (int64_t n = 0; rc == QN_ENOMEM; n++) {
        qn_mem_fail_after(n);
        rc = try_open(b.s, b.n);
        qn_mem_fail_after(-1);
        CHECK_NO_LEAK(QN_MEM_FORMAT, format.live_bytes, "allocation %lld", (long long)n);
        CHECK_NO_LEAK(QN_MEM_BASE, base.live_bytes, "allocation %lld", (long long)n);
    }
    CHECK_OK(rc);
    qn_buf_drop(&b);
    test_st_drop(&made);
}

/* ---- shards ---- */

static void write_shard(const char *name, const char *tensor) {
    test_st s = {0};
    test_st_fill(&s, tensor, QN_F32, 1, DIMS(4), 1);
    qn_buf b = test_st_bytes(&s);
    qn_test_write(name, b.s, b.n);
    qn_buf_drop(&b);
    test_st_drop(&s);
}

static int open_with_index(qn_safetensors **st, const char *index) {
    qn_test_write("model.safetensors.index.json", index, strlen(index));
    return qn_safetensors_open_dir(st, qn_test_temp_dir());
}

TEST(joins_the_shards_of_an_index) {
    qn_safetensors *st;
    CHECK_FAIL(qn_safetensors_open_dir(&st, qn_test_temp_dir()), QN_ENOTFOUND, "model.safetensors");
    write_shard("one.safetensors", "a");
    write_shard("two.safetensors", "b");
    CHECK_OK(open_with_index(&st, "{\"metadata\": {\"total_size\": 32}, \"weight_map\": {\"b\": \"two.safetensors\","
                                  " \"a\": \"one.safetensors\"}}"));
    const qn_tensor_file *f = qn_safetensors_tensors(st);
    CHECK_INT(qn_tensor_count(f), 2);
    float x;
    memcpy(&x, qn_tensor_find(f, "a")->data, 4);
    CHECK_NEAR(x, qn_fill_value(qn_fill_salt("a"), 0, 1), 0);
    memcpy(&x, qn_tensor_find(f, "b")->data, 4);
    CHECK_NEAR(x, qn_fill_value(qn_fill_salt("b"), 0, 1), 0);
    qn_safetensors_close(st);
}

TEST(holds_the_index_against_the_shards) {
    static const struct { const char *index; int err; const char *says; } wrong[] = {
        {"{\"weight_map\": {\"a\": \"three.safetensors\"}}", QN_ENOTFOUND, "three.safetensors"},
        {"{\"weight_map\": {\"a\": \"../one.safetensors\"}}", QN_EFORMAT, "same directory"},
        {"{\"weight_map\": {\"a\": \"/etc/passwd\"}}", QN_EFORMAT, "same directory"},
        {"{\"weight_map\": {\"a\": \"one.safetensors\", \"c\": \"one.safetensors\"}}", QN_EFORMAT, "\"c\" is not"},
        {"{\"weight_map\": {\"a\": \"one.safetensors\", \"b\": \"one.safetensors\"}}", QN_EFORMAT, "\"b\" is not"},
        {"{\"weight_map\": {\"a\": \"one.safetensors\", \"x\": \"same.safetensors\"}}", QN_EFORMAT, "there twice"},
        {"{\"weight_map\": {\"a\": \"one.safetensors\", \"b\": \"two.safetensors\", \"a\": \"two.safetensors\"}}",
         QN_EFORMAT, "\"a\" is not in two"},
        {"{\"metadata\": {}}", QN_EFORMAT, "weight_map"},
        {"{\"weight_map\": {\"a\": 1}}", QN_EFORMAT, "index.json:1"},
    };
    write_shard("one.safetensors", "a");
    write_shard("two.safetensors", "b");
    write_shard("same.safetensors", "a");
    for (size_t i = 0; i < QN_LEN(wrong); i++) {
        qn_safetensors *st;
        CHECK_FAIL(open_with_index(&st, wrong[i].index), wrong[i].err, wrong[i].says, "%s", wrong[i].index);
        CHECK(!st, "%s", wrong[i].index);
    }
}

/* None of the files above is larger than 2 KB. Stands last. */
TEST(memory_stays_near_the_size_of_the_file) {
    CHECK(qn_mem_stats_get(QN_MEM_FORMAT).peak_bytes + qn_mem_stats_get(QN_MEM_BASE).peak_bytes < 1 << 20);
    CHECK_NO_LEAK(QN_MEM_FORMAT, 0);
}
