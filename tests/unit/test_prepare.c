/* tests/unit/test_prepare.c — documents become shards: what is dropped, what goes where, what is refused. */
#include "data_make.h"

static int64_t equal_lengths(int64_t i) { return 40 + i % 7; }

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
    CHECK_OK(data_prepare("dup", path, (qn_data_options){0}, tok, &r));
    CHECK_INT(r.all.documents, 6);
    CHECK_INT(r.all.duplicates, 2);
    CHECK_INT(r.all.empty, 2);
    CHECK_INT(r.all.split[QN_SPLIT_TRAIN].documents, 2);
    qn_data_result_drop(&r);
    CHECK_OK(data_prepare("dup", path, (qn_data_options){.keep_duplicates = true, .force = true}, tok, &r));
    CHECK_INT(r.all.duplicates, 0);
    CHECK_INT(r.all.split[QN_SPLIT_TRAIN].documents, 4);
    qn_data_result_drop(&r);
    CHECK_FAIL(data_prepare("dup", path, (qn_data_options){0}, tok, &r), QN_EINVAL, "--force");
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

TEST(refuses_what_cannot_be_prepared) {
    qn_data_result r;
    qn_tok *tok = data_tok(true);
    CHECK_FAIL(data_prepare("bad", qn_test_write("blank.txt", " \n", 2), (qn_data_options){0}, tok, &r), QN_EINVAL,
               "empty");
    CHECK_FAIL(data_prepare("bad", "/nowhere/at-all", (qn_data_options){0}, tok, &r), QN_ENOTFOUND, "/nowhere");
    CHECK_FAIL(data_prepare("bad", qn_test_write("bin.txt", "a\0b", 3), (qn_data_options){0}, tok, &r), QN_EFORMAT,
               "no text");
    CHECK_FAIL(data_prepare("bad", qn_test_write("latin.txt", "M\xfchle", 5),
                            (qn_data_options){.invalid = QN_INVALID_REFUSE}, tok, &r), QN_EUTF8, "byte 1");
    CHECK_FAIL(data_prepare("bad", qn_test_write("a.txt", "abc", 3), (qn_data_options){.validation = 0.7}, tok, &r),
               QN_EINVAL, "0.5");
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
        int rc = data_prepare("disk", path, (qn_data_options){.validation = 0.1}, tok, &r);
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
        int rc = data_prepare("memory", path, (qn_data_options){.validation = 0.3}, tok, &r);
        qn_mem_fail_after(-1);
        if (rc >= 0)
            break;
        CHECK_INT(rc, QN_ENOMEM, "allocation %lld", (long long)n);
        CHECK_NO_LEAK(QN_MEM_BASE, before, "allocation %lld", (long long)n);
    }
    qn_data_result_drop(&r);
    qn_tok_free(tok);
}
