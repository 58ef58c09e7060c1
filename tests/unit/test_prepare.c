/* tests/unit/test_prepare.c — documents become shards: what is dropped, what goes where, what is refused. */
#include "data_make.h"

static int64_t equal_lengths(int64_t i) { return 40 + i % 7; }

static int stop(QN_UNUSED void *arg, QN_UNUSED int64_t bytes) { return qn_fail(QN_ECANCEL, "stopped"); }

TEST(puts_documents_between_bos_and_eos) {
    int32_t ids[7];
    const char *two = "{\"text\": \"ab\"}\n{\"text\": \"c\"}\n";
    qn_dataset *d = data_open("bos", qn_test_write("two.jsonl", two, strlen(two)), (qn_data_options){0}, true);
    qn_split_info info = qn_dataset_info(d, QN_SPLIT_TRAIN);
    CHECK_INT(info.documents, 2);
    CHECK_INT(info.tokens, 7);
    CHECK_INT(info.bytes, 3);
    CHECK_INT(qn_dataset_vocab(d), 258);
    CHECK_OK(qn_dataset_read(d, QN_SPLIT_TRAIN, 0, 7, ids));
    CHECK_INT(ids[0], 1);
    CHECK_INT(ids[3], 0);
    CHECK_INT(ids[4], 1);
    CHECK_INT(ids[6], 0);
    CHECK(ids[1] + 1 == ids[2] && ids[2] + 1 == ids[5]);
    CHECK_INT(qn_dataset_token_bytes(d)[0], 0, "a special token stands for no text");
    CHECK_INT(qn_dataset_token_bytes(d)[ids[1]], 1);
    qn_dataset_close(d);
}

TEST(drops_duplicates_and_blank_documents) {
    const char *text = "{\"text\": \"one\"}\n{\"text\": \" \\n\"}\n{\"text\": \"two\"}\n{\"text\": \"one\"}\n"
                       "{\"text\": \"\"}\n{\"text\": \"one\"}\n";
    char path[1024];
    qn_tok *tok = data_tok(true);
    qn_data_result r;
    snprintf(path, sizeof path, "%s", qn_test_write("dup.jsonl", text, strlen(text)));
    CHECK_OK(data_prepare("dup", path, (qn_data_options){0}, tok, NULL, &r));
    CHECK_INT(r.all.documents, 6);
    CHECK_INT(r.all.duplicates, 2);
    CHECK_INT(r.all.empty, 2);
    CHECK_INT(r.all.split[QN_SPLIT_TRAIN].documents, 2);
    qn_data_result_drop(&r);
    CHECK_OK(data_prepare("dup", path, (qn_data_options){.keep_duplicates = true, .force = true}, tok, NULL, &r));
    CHECK_INT(r.all.duplicates, 0);
    CHECK_INT(r.all.split[QN_SPLIT_TRAIN].documents, 4);
    qn_data_result_drop(&r);
    CHECK_FAIL(data_prepare("dup", path, (qn_data_options){0}, tok, NULL, &r), QN_EINVAL, "--force");
    qn_tok_free(tok);
}

TEST(splits_by_content) {
    qn_dataset *d = data_open("split", data_lines("many.jsonl", 2000, equal_lengths),
                              (qn_data_options){.validation = 0.1}, true);
    qn_split_info train = qn_dataset_info(d, QN_SPLIT_TRAIN), held = qn_dataset_info(d, QN_SPLIT_VALIDATION);
    CHECK_INT(train.documents + held.documents, 2000);
    CHECK(held.documents > 150 && held.documents < 250, "%lld", (long long)held.documents);
    qn_dataset_close(d);
    /* Half of the documents: those that are left are where they were. */
    d = data_open("half", data_lines("half.jsonl", 1000, equal_lengths), (qn_data_options){.validation = 0.1}, true);
    CHECK(qn_dataset_info(d, QN_SPLIT_VALIDATION).documents < held.documents);
    qn_dataset_close(d);
}

/* One text: its end is held back, cut behind a line, and nothing is lost. */
TEST(cuts_the_only_document) {
    qn_buf text = {0};
    for (int i = 0; i < 1000; i++)
        CHECK_OK(qn_buf_printf(&text, "line %d of a book\n", i));
    qn_dataset *d = data_open("book", qn_test_write("book.txt", text.s, text.n), (qn_data_options){.validation = 0.05},
                              true);
    qn_split_info train = qn_dataset_info(d, QN_SPLIT_TRAIN), held = qn_dataset_info(d, QN_SPLIT_VALIDATION);
    CHECK_INT(train.documents, 1);
    CHECK_INT(held.documents, 1);
    CHECK_INT(train.tokens + held.tokens, (int64_t)text.n + 2);
    CHECK_INT(train.bytes + held.bytes, text.n);
    CHECK_NEAR((double)held.tokens / (double)text.n, 0.05, 0.005);
    int32_t *ids = qn_zalloc(QN_MEM_TEST, text.n + 2, sizeof *ids);
    CHECK_OK(qn_dataset_read(d, QN_SPLIT_TRAIN, 0, train.tokens, ids));
    CHECK_OK(qn_dataset_read(d, QN_SPLIT_VALIDATION, 0, held.tokens, ids + train.tokens));
    CHECK(text.s[train.tokens - 2] == '\n', "cut behind a line");
    CHECK_INT(ids[0], 1);
    CHECK_INT(ids[text.n + 1], 0);
    qn_free(ids);
    qn_buf_drop(&text);
    qn_dataset_close(d);
}

/* Of two documents the large one may fall into the validation split: then its beginning is trained on. */
TEST(cuts_a_document_that_is_too_large_a_validation) {
    qn_buf text = {0};
    for (int seed = 0; seed < 20; seed++) {
        qn_buf_clear(&text);
        CHECK_OK(qn_buf_printf(&text, "{\"text\": \"small %d\"}\n{\"text\": \"", seed));
        for (int i = 0; i < 500; i++)
            CHECK_OK(qn_buf_printf(&text, "word%d ", i * seed));
        CHECK_OK(qn_buf_puts(&text, "\"}\n"));
        qn_dataset *d = data_open("large", qn_test_write("large.jsonl", text.s, text.n),
                                  (qn_data_options){.validation = 0.4, .force = true}, true);
        qn_split_info train = qn_dataset_info(d, QN_SPLIT_TRAIN), held = qn_dataset_info(d, QN_SPLIT_VALIDATION);
        CHECK_NEAR((double)held.tokens / (double)(train.tokens + held.tokens), 0.4, 0.1, "seed %d", seed);
        CHECK_INT(train.documents + held.documents, 3, "seed %d", seed);
        int64_t leaked;
        CHECK_OK(qn_dataset_leaks(d, &leaked));
        CHECK_INT(leaked, 0);
        qn_dataset_close(d);
    }
    qn_buf_drop(&text);
}

TEST(leaves_something_to_train_on) {
    for (int n = 1; n < 8; n++) {
        qn_dataset *d = data_open("tiny", qn_test_write("tiny.txt", "abcdefgh", (size_t)n),
                                  (qn_data_options){.validation = 0.5, .force = true}, n % 2);
        CHECK(qn_dataset_info(d, QN_SPLIT_TRAIN).tokens > 0, "%d", n);
        CHECK_INT(qn_dataset_info(d, QN_SPLIT_TRAIN).tokens + qn_dataset_info(d, QN_SPLIT_VALIDATION).tokens,
                  n + 2 * (n % 2));
        qn_dataset_close(d);
    }
}

static int64_t stream_of(const qn_dataset *d, qn_split split, int32_t **out) {
    int64_t n = qn_dataset_info(d, split).tokens;
    *out = qn_zalloc(QN_MEM_TEST, (size_t)n + 1, sizeof **out);
    CHECK(*out);
    CHECK_OK(qn_dataset_read(d, split, 0, n, *out));
    return n;
}

static void check_same_data(const qn_dataset *a, const qn_dataset *b) {
    for (int k = 0; k < QN_SPLITS; k++) {
        int32_t *x, *y;
        int64_t n = stream_of(a, (qn_split)k, &x), m = stream_of(b, (qn_split)k, &y);
        CHECK_INT(n, m);
        CHECK(memcmp(x, y, (size_t)n * sizeof *x) == 0);
        CHECK_INT(qn_dataset_info(a, (qn_split)k).documents, qn_dataset_info(b, (qn_split)k).documents);
        for (int64_t i = 0; i < qn_dataset_info(a, (qn_split)k).documents; i++) {
            int64_t from_a, n_a, from_b, n_b;
            qn_dataset_document(a, (qn_split)k, i, &from_a, &n_a);
            qn_dataset_document(b, (qn_split)k, i, &from_b, &n_b);
            CHECK(from_a == from_b && n_a == n_b, "document %lld", (long long)i);
            CHECK_INT(qn_dataset_find(a, (qn_split)k, from_a), i);
            CHECK_INT(qn_dataset_find(a, (qn_split)k, from_a + n_a - 1), i);
        }
        qn_free(x);
        qn_free(y);
    }
}

/* Documents run on from shard to shard, and nobody can tell. */
TEST(gives_the_same_from_many_small_shards) {
    char path[1024];
    snprintf(path, sizeof path, "%s", data_lines("shards.jsonl", 300, equal_lengths));
    qn_dataset *a = data_open("whole", path, (qn_data_options){.validation = 0.1}, true);
    qn_dataset *b = data_open("pieces", path, (qn_data_options){.validation = 0.1, .shard_bytes = 300}, true);
    check_same_data(a, b);
    CHECK(qn_is_file(qn_test_temp("pieces/train-00100.tokens")));
    CHECK(strcmp(qn_dataset_fingerprint(a), qn_dataset_fingerprint(b)) != 0);
    qn_dataset_close(b);
    b = data_open("pieces", path, (qn_data_options){.validation = 0.1, .force = true}, true);
    check_same_data(a, b);
    CHECK_STR(qn_dataset_fingerprint(a), qn_dataset_fingerprint(b));
    CHECK(!qn_is_file(qn_test_temp("pieces/train-00100.tokens")), "what was replaced is gone");
    qn_dataset_close(a);
    qn_dataset_close(b);
}

TEST(cuts_a_document_across_small_shards) {
    qn_buf text = {0};
    for (int i = 0; i < 300; i++)
        CHECK_OK(qn_buf_printf(&text, "line %d\n", i));
    char path[1024];
    snprintf(path, sizeof path, "%s", qn_test_write("lines.txt", text.s, text.n));
    qn_dataset *a = data_open("one", path, (qn_data_options){.validation = 0.2}, true);
    qn_dataset *b = data_open("several", path, (qn_data_options){.validation = 0.2, .shard_bytes = 400}, true);
    check_same_data(a, b);
    qn_dataset_close(a);
    qn_dataset_close(b);
    qn_buf_drop(&text);
}

TEST(does_not_depend_on_threads) {
    char path[1024], folder[2][1100];
    qn_tok *tok = data_tok(true);
    snprintf(path, sizeof path, "%s", data_lines("threads.jsonl", 5000, equal_lengths));
    for (int i = 0; i < 2; i++) {
        qn_pool *pool;
        qn_data_result r;
        CHECK_OK(qn_pool_new(&pool, i ? 4 : 1));
        CHECK_OK(data_prepare(i ? "threads4" : "threads1", path, (qn_data_options){.validation = 0.1}, tok, pool, &r));
        qn_data_result_drop(&r);
        qn_pool_free(pool);
        snprintf(folder[i], sizeof folder[i], "%s", qn_test_temp(i ? "threads4" : "threads1"));
    }
    qn_dataset *a, *b;
    CHECK_OK(qn_dataset_open(&a, folder[0]));
    CHECK_OK(qn_dataset_open(&b, folder[1]));
    CHECK_STR(qn_dataset_fingerprint(a), qn_dataset_fingerprint(b));
    qn_dataset_close(a);
    qn_dataset_close(b);
    qn_tok_free(tok);
}

/* Longer than memory allows: parts one behind the other give the text, begun once and ended once. */
TEST(takes_a_long_document_in_parts) {
    qn_buf text = {0};
    for (int i = 0; i < 900000; i++)
        CHECK_OK(qn_buf_printf(&text, "%d\n", i));
    qn_data_result r;
    qn_tok *tok = data_tok(true);
    CHECK_OK(data_prepare("parts", qn_test_write("long.txt", text.s, text.n),
                          (qn_data_options){.max_memory = QN_DATA_MIN_MEMORY}, tok, NULL, &r));
    CHECK_INT(r.all.parted, 1);
    CHECK_INT(r.all.documents, 1);
    CHECK_INT(r.all.split[QN_SPLIT_TRAIN].documents, 2);
    CHECK_INT(r.all.split[QN_SPLIT_TRAIN].tokens, (int64_t)text.n + 2);
    CHECK_INT(r.all.split[QN_SPLIT_TRAIN].bytes, text.n);
    qn_data_result_drop(&r);
    qn_tok_free(tok);
    qn_buf_drop(&text);
}

TEST(replaces_nothing_of_others) {
    qn_data_result r;
    qn_tok *tok = data_tok(true);
    char path[1024];
    snprintf(path, sizeof path, "%s", qn_test_write("other.txt", "text", 4));
    CHECK(mkdir(qn_test_temp("other"), 0777) == 0);
    qn_test_write("other/data.json", "{}", 2);
    CHECK_FAIL(data_prepare("other", path, (qn_data_options){.force = true}, tok, NULL, &r), QN_EINVAL, "not of quern");
    CHECK(qn_is_file(qn_test_temp("other/data.json")));
    CHECK(mkdir(qn_test_temp("theirs"), 0777) == 0);
    qn_test_write("theirs/tokenizer.json", "{}", 2);
    CHECK_FAIL(data_prepare("theirs", path, (qn_data_options){.force = true}, tok, NULL, &r), QN_EINVAL,
               "theirs: is not empty (it holds tokenizer.json)");
    qn_tok_free(tok);
}

TEST(stops_when_asked_to) {
    qn_data_result r;
    qn_tok *tok = data_tok(true);
    char path[1024];
    snprintf(path, sizeof path, "%s", data_lines("stop.jsonl", 20, equal_lengths));
    CHECK_INT(data_prepare("stop", path, (qn_data_options){.progress = stop}, tok, NULL, &r), QN_ECANCEL);
    CHECK(!qn_is_dir(qn_test_temp("stop")));
    qn_tok_free(tok);
}

TEST(refuses_what_cannot_be_prepared) {
    qn_data_result r;
    qn_tok *tok = data_tok(true);
    CHECK_FAIL(data_prepare("bad", qn_test_write("blank.txt", " \n", 2), (qn_data_options){0}, tok, NULL, &r),
               QN_EINVAL, "empty");
    CHECK_FAIL(data_prepare("bad", "/nowhere/at-all", (qn_data_options){0}, tok, NULL, &r), QN_ENOTFOUND, "/nowhere");
    CHECK_FAIL(data_prepare("bad", qn_test_write("bin.txt", "a\0b", 3), (qn_data_options){0}, tok, NULL, &r),
               QN_EFORMAT, "no text");
    CHECK_FAIL(data_prepare("bad", qn_test_write("latin.txt", "M\xfchle", 5),
                            (qn_data_options){.invalid = QN_INVALID_REFUSE}, tok, NULL, &r), QN_EUTF8, "byte 1");
    CHECK_FAIL(data_prepare("bad", qn_test_write("a.txt", "abc", 3), (qn_data_options){.validation = 0.7}, tok, NULL,
                            &r), QN_EINVAL, "0.5");
    CHECK(!qn_is_dir(qn_test_temp("bad")), "nothing is left behind");
    qn_tok_free(tok);
}

/* A full disk at any write: an error, and no folder that claims to be prepared. */
TEST(survives_a_full_disk) {
    qn_data_result r;
    qn_tok *tok = data_tok(true);
    char path[1024];
    snprintf(path, sizeof path, "%s", data_lines("disk.jsonl", 200, equal_lengths));
    for (int64_t n = 0;; n++) {
        qn_file_fail_after(n);
        int rc = data_prepare("disk", path, (qn_data_options){.validation = 0.1, .tokenizer_json = QN_STR("{}"),
                                                                 .tokenizer_config_json = QN_STR("{}")},
                              tok, NULL, &r);
        qn_file_fail_after(-1);
        if (rc >= 0)
            break;
        CHECK_INT(rc, QN_EIO, "write %lld", (long long)n);
        CHECK(!qn_is_dir(qn_test_temp("disk")), "write %lld", (long long)n);
    }
    qn_data_result_drop(&r);
    qn_tok_free(tok);
}

TEST(survives_a_lack_of_memory) {
    qn_data_result r;
    qn_tok *tok = data_tok(true);
    char path[1024];
    snprintf(path, sizeof path, "%s", data_lines("memory.jsonl", 20, equal_lengths));
    int64_t before = qn_mem_stats_get(QN_MEM_BASE).live_bytes;
    for (int64_t n = 0;; n++) {
        qn_mem_fail_after(n);
        int rc = data_prepare("memory", path, (qn_data_options){.validation = 0.3}, tok, NULL, &r);
        qn_mem_fail_after(-1);
        if (rc >= 0)
            break;
        CHECK_INT(rc, QN_ENOMEM, "allocation %lld", (long long)n);
        CHECK_NO_LEAK(QN_MEM_BASE, before, "allocation %lld", (long long)n);
    }
    qn_data_result_drop(&r);
    qn_tok_free(tok);
}
