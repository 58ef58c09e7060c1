/* tests/unit/test_gguf.c — the GGUF reader gives what was written and believes nothing. */
#include "test.h"

#include "format/ggml_types.h"
#include "format/gguf.h"
#include "make_model.h"

#define DIMS(...) ((int64_t[]){__VA_ARGS__})

enum { IQ2_XXS = 16 };

/* A small file with a key of every shape and three tensors. */
static test_gguf good(void) {
    test_gguf g = {0};
    test_gguf_str(&g, "general.architecture", "llama");
    test_gguf_u32(&g, "llama.block_count", 2);
    test_gguf_f32(&g, "llama.rope.freq_base", 1e5f);
    test_gguf_bool(&g, "tokenizer.ggml.add_bos_token", false);
    test_gguf_strs(&g, "tokenizer.ggml.tokens", (const char *const[]){"a", "", "bc"}, 3);
    test_gguf_i32s(&g, "tokenizer.ggml.token_type", (int32_t[]){1, 1, -3}, 3);
    test_gguf_fill(&g, "token_embd.weight", QN_F32, 2, DIMS(3, 5), "embed", 1);
    test_gguf_fill(&g, "output.weight", QN_Q8_0, 2, DIMS(2, 64), "head", 1);
    test_gguf_fill(&g, "output_norm.weight", QN_BF16, 1, DIMS(7), "norm", 1);
    return g;
}

/* The file must be refused with this code and word. */
static void refused(test_gguf *g, int code, const char *says) {
    qn_buf b = test_gguf_bytes(g);
    qn_gguf *got = (qn_gguf *)&b;
    CHECK_FAIL(qn_gguf_open_memory(&got, b.s, b.n), code, says, "%s", says);
    CHECK(!got, "%s", says);
    qn_buf_drop(&b);
    test_gguf_drop(g);
}

static void refused_bytes(const void *bytes, size_t n, int code, const char *says) {
    qn_gguf *got = NULL;
    CHECK_FAIL(qn_gguf_open_memory(&got, bytes, n), code, says, "%s", says);
    CHECK(!got, "%s", says);
}

/* Opens and closes; the result's code. */
static int try_open(const void *bytes, size_t n) {
    qn_gguf *g;
    const int rc = qn_gguf_open_memory(&g, bytes, n);
    qn_gguf_close(g);
    return rc;
}

TEST(gives_keys_and_tensors_as_written) {
    test_gguf made = good();
    qn_buf b = test_gguf_bytes(&made);
    qn_gguf *g;
    CHECK_OK(qn_gguf_open_memory(&g, b.s, b.n));
    const qn_meta *m = qn_gguf_meta(g);
    const qn_tensor_file *f = qn_gguf_tensors(g);
    CHECK_INT(qn_gguf_version(g), 3);
    CHECK_INT(qn_meta_count(m), 6);

    qn_str arch;
    int64_t blocks;
    qn_meta_array tokens;
    CHECK_INT(qn_meta_get_str(m, "general.architecture", &arch), 1);
    CHECK_VIEW(arch, "llama");
    CHECK_INT(qn_meta_get_i64(m, "llama.block_count", &blocks), 1);
    CHECK_INT(blocks, 2);
    CHECK_INT(qn_meta_get_array(m, "tokenizer.ggml.tokens", QN_META_STRING, &tokens), 1);
    CHECK_INT(tokens.count, 3);
    CHECK_VIEW(qn_meta_array_str(&tokens, 1), "");
    CHECK_VIEW(qn_meta_array_str(&tokens, 2), "bc");

    CHECK_INT(qn_tensor_count(f), 3);
    const qn_tensor_info *t = qn_tensor_find(f, "output.weight");
    CHECK(t == qn_tensor_at(f, 1));
    CHECK_INT(t->dtype, QN_Q8_0);
    CHECK_STR(t->type, "Q8_0");
    CHECK_INT(t->rank, 2);
    CHECK_INT(t->dims[0], 2);
    CHECK_INT(t->dims[1], 64);
    CHECK_INT(t->dims[2], 1);
    CHECK_INT(t->bytes, 2 * 2 * 34);
    t = qn_tensor_find(f, "token_embd.weight");
    float first;
    memcpy(&first, t->data + 4 * 4, 4);
    CHECK_NEAR(first, qn_fill_value(qn_fill_salt("embed"), 4, 1), 0);
    CHECK(!qn_tensor_find(f, "token_embd"));
    CHECK_FAIL(qn_tensor_need(f, "blk.9.attn_q.weight", &t), QN_ENOTFOUND, "blk.9.attn_q.weight");
    CHECK_INT(qn_tensor_total_bytes(f), 60 + 136 + 14);
    qn_gguf_close(g);
    qn_buf_drop(&b);
    test_gguf_drop(&made);
}

TEST(refuses_what_is_no_gguf_of_today) {
    refused_bytes("", 0, QN_ETRUNC, "header");
    refused_bytes("GGU", 3, QN_ETRUNC, "header");
    refused_bytes("GGUF\3\0\0\0\0\0", 10, QN_ETRUNC, "header");
    refused_bytes("PK\3\4 and so on", 14, QN_EFORMAT, "does not begin with");
    refused_bytes("GGUF\1\0\0\0\0\0\0\0\0\0\0\0", 16, QN_EUNSUPPORTED, "version 1");
    refused_bytes("GGUF\0\0\0\3\0\0\0\0\0\0\0\0", 16, QN_EUNSUPPORTED, "big-endian");
    refused_bytes("GGUF\4\0\0\0\0\0\0\0\0\0\0\0", 16, QN_EUNSUPPORTED, "version 4");
}

TEST(believes_counts_only_as_far_as_the_bytes_reach) {
    static const struct { uint64_t tensors, keys; int code; const char *says; } counts[] = {
        {0, 5, QN_ETRUNC, "5 keys"},                {5, 0, QN_ETRUNC, "5 tensors"},
        {0, 1u << 20, QN_ELIMIT, "1048576 keys"},   {UINT64_MAX, 0, QN_ELIMIT, "tensors"},
    };
    for (size_t i = 0; i < QN_LEN(counts); i++) {
        qn_buf b = {0};
        test_put(&b, "GGUF\3\0\0\0", 8);
        test_put_u64(&b, counts[i].tensors);
        test_put_u64(&b, counts[i].keys);
        test_put(&b, "\1\0\0\0\0\0\0\0a\4\0\0\0\1\0\0\0\0\0\0\0\0\0", 23);
        refused_bytes(b.s, b.n, counts[i].code, counts[i].says);
        qn_buf_drop(&b);
    }
}

TEST(refuses_bad_keys) {
    test_gguf g = {0};
    test_gguf_u32(&g, "general.name", 1);
    test_gguf_u32(&g, "general.name", 2);
    refused(&g, QN_EFORMAT, "\"general.name\" is there twice");
    test_gguf_u32(&g, "", 1);
    refused(&g, QN_EFORMAT, "a key");
    test_gguf_u32(&g, "new\nline", 1);
    refused(&g, QN_EFORMAT, "control character");
    test_gguf_u32(&g, "caf\xe9", 1);
    refused(&g, QN_EFORMAT, "UTF-8");
    test_gguf_key(&g, "strange", 13, "", 0);
    refused(&g, QN_EFORMAT, "value type 13");
    test_gguf_key(&g, "perhaps", TEST_BOOL, "\2", 1);
    refused(&g, QN_EFORMAT, "perhaps");
    test_gguf_u8s(&g, "perhaps", (uint8_t[]){0, 1, 7}, 3);
    g.key_bytes.s[8 + 7 + 4] = TEST_BOOL;
    refused(&g, QN_EFORMAT, "a bool of value 7");
    test_gguf_key(&g, "long", TEST_STRING, "\xff\xff\xff\xff\xff\xff\xff\xff", 8);
    refused(&g, QN_ETRUNC, "remain");
    test_gguf_key(&g, "nested", TEST_ARRAY, "\x9\0\0\0\1\0\0\0\0\0\0\0", 12);
    refused(&g, QN_EUNSUPPORTED, "nested");
    test_gguf_key(&g, "unknown", TEST_ARRAY, "\x63\0\0\0\1\0\0\0\0\0\0\0", 12);
    refused(&g, QN_EFORMAT, "type 99");
    test_gguf_key(&g, "many", TEST_ARRAY, "\xa\0\0\0\0\0\0\0\0\0\0\x20", 12);      /* 8 × 2^61 is 0 in 64 bits */
    refused(&g, QN_ETRUNC, "many");
    test_gguf_key(&g, "words", TEST_ARRAY, "\x8\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff", 12);
    refused(&g, QN_ETRUNC, "words");
}

TEST(refuses_bad_alignment) {
    static const uint32_t bad[] = {0, 1, 4, 24, 33, 1u << 21, 1u << 31};
    for (size_t i = 0; i < QN_LEN(bad); i++) {
        test_gguf g = {0};
        test_gguf_u32(&g, "general.alignment", bad[i]);
        refused(&g, QN_EFORMAT, "power of two");
    }
    test_gguf g = {0};
    test_gguf_str(&g, "general.alignment", "32");
    refused(&g, QN_EFORMAT, "general.alignment");
}

TEST(takes_another_alignment) {
    test_gguf g = {.alignment = 64};
    test_gguf_u64(&g, "general.alignment", 64);
    test_gguf_fill(&g, "a", QN_F32, 1, DIMS(1), "a", 1);
    test_gguf_fill(&g, "b", QN_F32, 1, DIMS(1), "b", 1);
    qn_buf b = test_gguf_bytes(&g);
    qn_gguf *got;
    CHECK_OK(qn_gguf_open_memory(&got, b.s, b.n));
    CHECK_INT(qn_tensor_at(qn_gguf_tensors(got), 1)->data - qn_tensor_at(qn_gguf_tensors(got), 0)->data, 64);
    float x;
    memcpy(&x, qn_tensor_at(qn_gguf_tensors(got), 1)->data, 4);
    CHECK_NEAR(x, qn_fill_value(qn_fill_salt("b"), 0, 1), 0);
    qn_gguf_close(got);
    qn_buf_drop(&b);
    test_gguf_drop(&g);
}

TEST(refuses_bad_tensors) {
    static const char zeros[256];
    test_gguf g = {0};
    test_gguf_fill(&g, "w", QN_F32, 1, DIMS(4), "w", 1);
    test_gguf_fill(&g, "w", QN_F32, 1, DIMS(4), "w", 1);
    refused(&g, QN_EFORMAT, "\"w\" is there twice");
    test_gguf_raw(&g, "", 0, 1, DIMS(4), zeros, 16);
    refused(&g, QN_EFORMAT, "a tensor's name");
    test_gguf_raw(&g, "w", 0, 0, DIMS(0), zeros, 16);
    refused(&g, QN_EFORMAT, "rank 0");
    test_gguf_raw(&g, "w", 0, 5, DIMS(1, 1, 1, 1, 1), zeros, 16);
    refused(&g, QN_EFORMAT, "rank 5");
    test_gguf_raw(&g, "w", 0, 2, DIMS(4, 0), zeros, 16);
    refused(&g, QN_EFORMAT, "shape is zero");
    test_gguf_raw(&g, "w", 0, 1, DIMS(-4), zeros, 16);
    refused(&g, QN_EFORMAT, "overflows");
    test_gguf_raw(&g, "w", 0, 3, DIMS(1 << 30, 1 << 30, 1 << 30), zeros, 16);
    refused(&g, QN_EFORMAT, "overflows");
    test_gguf_raw(&g, "w", 28, 2, DIMS((int64_t)1 << 31, (int64_t)1 << 31), zeros, 16);       /* 2^62 × 8 bytes */
    refused(&g, QN_EFORMAT, "size overflows");
    test_gguf_raw(&g, "w", 8, 2, DIMS(32, 33), zeros, 34);
    refused(&g, QN_EFORMAT, "33 elements are no whole blocks of 32");
    test_gguf_raw(&g, "w", 4, 1, DIMS(32), zeros, 34);
    refused(&g, QN_EUNSUPPORTED, "removed");
    test_gguf_raw(&g, "w", 139, 1, DIMS(256), zeros, 34);
    refused(&g, QN_EUNSUPPORTED, "ik_llama.cpp");
    test_gguf_raw(&g, "w", 139, 1, DIMS(256), zeros, 34);
    refused(&g, QN_EUNSUPPORTED, qn_ggml_type_advice());
    test_gguf_raw(&g, "w", 0xffffffff, 1, DIMS(256), zeros, 34);
    refused(&g, QN_EUNSUPPORTED, "4294967295");
    test_gguf_entry(&g, "w", 0, 1, DIMS(4), 8);
    test_put(&g.data, zeros, 64);
    refused(&g, QN_EFORMAT, "multiple of the alignment");
    test_gguf_raw(&g, "w", 0, 1, DIMS(4), zeros, 15);
    refused(&g, QN_ETRUNC, "only 15 bytes of data");
    test_gguf_entry(&g, "w", 0, 1, DIMS(4), UINT64_MAX - 31);
    test_put(&g.data, zeros, 64);
    refused(&g, QN_ETRUNC, "\"w\"");
}

TEST(refuses_tensors_that_share_bytes) {
    static const char zeros[256];
    test_gguf g = {0};
    test_gguf_entry(&g, "last", 0, 1, DIMS(8), 64);         /* in any order */
    test_gguf_entry(&g, "first", 0, 1, DIMS(9), 0);
    test_gguf_entry(&g, "second", 0, 1, DIMS(1), 32);
    test_put(&g.data, zeros, sizeof zeros);
    refused(&g, QN_EFORMAT, "overlap");
    test_gguf_entry(&g, "last", 0, 1, DIMS(8), 64);
    test_gguf_entry(&g, "first", 0, 1, DIMS(8), 0);
    test_gguf_entry(&g, "second", 0, 1, DIMS(8), 32);
    test_put(&g.data, zeros, sizeof zeros);
    qn_buf b = test_gguf_bytes(&g);
    CHECK_OK(try_open(b.s, b.n), "out of order, but apart");
    qn_buf_drop(&b);
    test_gguf_drop(&g);
}

TEST(opens_what_it_cannot_compute_and_says_so_on_use) {
    static const char zeros[2 * 66];
    test_gguf made = {0};
    test_gguf_raw(&made, "blk.0.ffn_down.weight", IQ2_XXS, 2, DIMS(2, 256), zeros, sizeof zeros);
    test_gguf_fill(&made, "fine", QN_F16, 1, DIMS(4), "fine", 1);
    qn_buf b = test_gguf_bytes(&made);
    qn_gguf *g;
    CHECK_OK(qn_gguf_open_memory(&g, b.s, b.n));
    const qn_tensor_file *f = qn_gguf_tensors(g);
    const qn_tensor_info *t = qn_tensor_at(f, 0);
    CHECK_STR(t->type, "IQ2_XXS");
    CHECK_INT(t->bytes, 2 * 66);
    CHECK_FAIL(qn_tensor_need_dtype(f, t), QN_EUNSUPPORTED, "blk.0.ffn_down.weight");
    CHECK_CONTAINS(qn_error_message(), "IQ2_XXS");
    CHECK_CONTAINS(qn_error_message(), "Q8_0");
    CHECK_CONTAINS(qn_error_message(), qn_ggml_type_advice());
    CHECK_OK(qn_tensor_need_dtype(f, qn_tensor_at(f, 1)));
    qn_gguf_close(g);
    qn_buf_drop(&b);
    test_gguf_drop(&made);
}

/* Whatever byte the download stopped at. The copy has no byte to spare, so that the sanitizer sees a read beyond. */
TEST(every_truncation_is_an_error) {
    test_gguf made = good();
    qn_buf b = test_gguf_bytes(&made);
    for (size_t n = 0; n < b.n; n++) {
        char *cut = malloc(n ? n : 1);
        memcpy(cut, b.s, n);
        const int rc = try_open(cut, n);
        CHECK(rc == QN_ETRUNC || rc == QN_ELIMIT || rc == QN_EFORMAT, "cut at byte %zu gave %d", n, rc);
        free(cut);
    }
    CHECK_OK(try_open(b.s, b.n));
    qn_buf_drop(&b);
    test_gguf_drop(&made);
}

/* One byte changed, every place and several values: an error or a file, never a crash and never much memory. */
TEST(every_changed_byte_is_survived) {
    static const unsigned char to[] = {0x00, 0x01, 0x7f, 0x80, 0xff};
    test_gguf made = good();
    qn_buf b = test_gguf_bytes(&made);
    int opened = 0, refusals = 0;
    for (size_t i = 0; i < b.n; i++) {
        const char was = b.s[i];
        for (size_t k = 0; k < QN_LEN(to); k++) {
            b.s[i] = (char)to[k];
            const int rc = try_open(b.s, b.n);
            CHECK(rc <= 0 && (rc == 0 || *qn_error_message()), "byte %zu to %u", i, to[k]);
            rc == 0 ? opened++ : refusals++;
        }
        b.s[i] = was;
    }
    CHECK(opened > 100 && refusals > 100, "%d opened, %d refused", opened, refusals);
    qn_buf_drop(&b);
    test_gguf_drop(&made);
}

TEST(reports_failed_allocations) {
    test_gguf made = good();
    qn_buf b = test_gguf_bytes(&made);
    const qn_mem_stats before = qn_mem_stats_get(QN_MEM_FORMAT);
    int rc = QN_ENOMEM;
    for (int64_t n = 0; rc == QN_ENOMEM; n++) {
        qn_mem_fail_after(n);
        rc = try_open(b.s, b.n);
        qn_mem_fail_after(-1);
        CHECK(rc == 0 || rc == QN_ENOMEM, "allocation %lld", (long long)n);
        CHECK_NO_LEAK(QN_MEM_FORMAT, before.live_bytes);
    }
    CHECK_OK(rc);
    qn_buf_drop(&b);
    test_gguf_drop(&made);
}

/* ---- on disk ---- */

static const char *write_shard(const char *name, int no, int count, int tensors, const char *tensor) {
    test_gguf g = {0};
    test_gguf_u16(&g, "split.no", (uint16_t)no);
    test_gguf_u16(&g, "split.count", (uint16_t)count);
    test_gguf_i32(&g, "split.tensors.count", tensors);
    test_gguf_fill(&g, tensor, QN_F32, 1, DIMS(4), tensor, 1);
    qn_buf b = test_gguf_bytes(&g);
    const char *path = qn_test_write(name, b.s, b.n);
    qn_buf_drop(&b);
    test_gguf_drop(&g);
    return path;
}

TEST(joins_the_shards_of_a_split_model) {
    qn_gguf *g;
    write_shard("m-00002-of-00002.gguf", 1, 2, 2, "b");
    CHECK_OK(qn_gguf_open(&g, write_shard("m-00001-of-00002.gguf", 0, 2, 2, "a")));
    CHECK_INT(qn_tensor_count(qn_gguf_tensors(g)), 2);
    const qn_tensor_info *t = qn_tensor_find(qn_gguf_tensors(g), "b");
    float x;
    memcpy(&x, t->data, 4);
    CHECK_NEAR(x, qn_fill_value(qn_fill_salt("b"), 0, 1), 0);
    qn_tensor_drop_pages(qn_gguf_tensors(g), t);
    memcpy(&x, t->data + 4, 4);
    CHECK_NEAR(x, qn_fill_value(qn_fill_salt("b"), 1, 1), 0, "pages come back");
    qn_tensor_drop_part(qn_gguf_tensors(g), t, 4, t->bytes - 4);
    qn_tensor_fetch(qn_gguf_tensors(g), t, 4, t->bytes - 4);
    memcpy(&x, t->data + 8, 4);
    CHECK_NEAR(x, qn_fill_value(qn_fill_salt("b"), 2, 1), 0, "and are fetched again");
    CHECK_OK(qn_tensor_check_size(qn_gguf_tensors(g)));
    qn_gguf_close(g);
}

TEST(says_what_is_wrong_with_shards) {
    qn_gguf *g;
    CHECK_FAIL(qn_gguf_open(&g, write_shard("n-00002-of-00003.gguf", 1, 3, 3, "b")), QN_EUNSUPPORTED, "open the first");
    CHECK_FAIL(qn_gguf_open(&g, write_shard("n-00001-of-00003.gguf", 0, 3, 3, "a")), QN_ENOTFOUND, "n-00003-of-00003");
    write_shard("n-00003-of-00003.gguf", 1, 3, 3, "c");
    CHECK_FAIL(qn_gguf_open(&g, qn_test_temp("n-00001-of-00003.gguf")), QN_EFORMAT, "shard 2 of 3");
    write_shard("n-00003-of-00003.gguf", 2, 3, 3, "a");
    CHECK_FAIL(qn_gguf_open(&g, qn_test_temp("n-00001-of-00003.gguf")), QN_EFORMAT, "there twice");
    CHECK_FAIL(qn_gguf_open(&g, write_shard("odd.gguf", 0, 3, 3, "a")), QN_EFORMAT, "-00001-of-00003.gguf");
    write_shard("o-00002-of-00002.gguf", 1, 2, 2, "b");
    CHECK_FAIL(qn_gguf_open(&g, write_shard("o-00001-of-00002.gguf", 0, 2, 9, "a")), QN_EFORMAT, "split.tensors.count");
    CHECK(!g);
    test_gguf one = {0};
    test_gguf_u16(&one, "split.count", 2);
    refused(&one, QN_EUNSUPPORTED, "first shard");
}

TEST(notices_a_file_that_became_shorter) {
    test_gguf made = good();
    qn_buf b = test_gguf_bytes(&made);
    const char *path = qn_test_write("shrinks.gguf", b.s, b.n);
    qn_gguf *g;
    CHECK_OK(qn_gguf_open(&g, path));
    CHECK_INT(truncate(path, (off_t)b.n - 1), 0);
    CHECK_FAIL(qn_tensor_check_size(qn_gguf_tensors(g)), QN_EIO, "shrinks.gguf");
    qn_gguf_close(g);
    CHECK_FAIL(qn_gguf_open(&g, path), QN_ETRUNC, "shrinks.gguf");
    CHECK_FAIL(qn_gguf_open(&g, qn_test_temp("nowhere.gguf")), QN_ENOTFOUND, "nowhere.gguf");
    CHECK_FAIL(qn_gguf_open(&g, qn_test_temp_dir()), QN_EIO, "directory");
    qn_buf_drop(&b);
    test_gguf_drop(&made);
}

TEST(block_sizes_agree_with_num) {
    int elements, bytes, known = 0;
    for (uint32_t id = 0; id < 1000; id++) {
        const int dtype = qn_dtype_from_ggml((int)id);
        if (dtype >= 0) {
            CHECK(qn_ggml_type_block(id, &elements, &bytes), "type %u", id);
            CHECK_INT(elements, qn_dtype_get((qn_dtype)dtype)->block, "type %u", id);
            CHECK_INT(bytes, qn_dtype_get((qn_dtype)dtype)->bytes, "type %u", id);
        }
        if (qn_ggml_type_block(id, &elements, &bytes)) {
            known++;
            CHECK(qn_ggml_type_name((int)id) != NULL, "type %u", id);
        }
    }
    CHECK_INT(known, 35);
}

/* Of all the files above, the damaged ones included: none is larger than 2 KB. Stands behind them. */
TEST(memory_stays_near_the_size_of_the_file) {
    CHECK(qn_mem_stats_get(QN_MEM_FORMAT).peak_bytes + qn_mem_stats_get(QN_MEM_BASE).peak_bytes < 1 << 20);
    CHECK_NO_LEAK(QN_MEM_FORMAT, 0);
}

/* A well-formed file of nothing but entries, each as short as can be: the tables stay within the file and 64 MB. */
TEST(memory_stays_bounded_for_the_most_entries) {
    test_gguf g = {.alignment = 8};
    test_gguf_u32(&g, "general.alignment", 8);
    char name[8];
    for (int i = 1; i < QN_GGUF_MAX_KEYS; i++) {
        snprintf(name, sizeof name, "%x", i);
        test_gguf_u8(&g, name, 1);
    }
    for (int i = 0; i < QN_TENSORS_MAX; i++) {
        snprintf(name, sizeof name, "%x", i);
        test_gguf_raw(&g, name, 24, 1, DIMS(1), "x", 1);
    }
    qn_buf b = test_gguf_bytes(&g);
    test_gguf_drop(&g);
    const int64_t base = qn_mem_stats_get(QN_MEM_BASE).peak_bytes;      /* the builder's own buffers */
    CHECK_OK(try_open(b.s, b.n));
    const int64_t more = qn_mem_stats_get(QN_MEM_BASE).peak_bytes - base;
    CHECK(qn_mem_stats_get(QN_MEM_FORMAT).peak_bytes + more < (int64_t)b.n + (64 << 20));
    qn_buf_drop(&b);
    test_put_u64(&g.key_bytes, 0);
    g.tensors = QN_TENSORS_MAX + 1;
    refused(&g, QN_ELIMIT, "131073 tensors");
}
