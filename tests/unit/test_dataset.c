/* tests/unit/test_dataset.c — prepared folders and their shards, whole and damaged. */
#include "data/shard.h"
#include "data_make.h"

static int64_t lengths(int64_t i) { return 20 + i % 11; }

static qn_dataset *some(const char *name) {
    return data_open(name, data_lines("some.jsonl", 60, lengths), (qn_data_options){.validation = 0.2, .force = true},
                     true);
}

/* ---- one shard --------------------------------------------------------------------------------------------------- */

static const char *write_shard(const char *name, int64_t vocab, const int32_t *ids, int64_t n, int64_t per_document) {
    qn_shard_writer w;
    uint64_t sum;
    const char *path = qn_test_temp(name);
    CHECK_OK(qn_shard_writer_open(&w, path, vocab, QN_SHARD_BYTES));
    for (int64_t i = 0; i < n; i += per_document) {
        CHECK_OK(qn_shard_writer_put(&w, ids + i, QN_MIN(per_document, n - i)));
        CHECK_OK(qn_shard_writer_end(&w));
    }
    CHECK_OK(qn_shard_writer_commit(&w, &sum));
    qn_shard_writer_drop(&w);
    return path;
}

TEST(keeps_ids_of_either_width) {
    static const int64_t vocabs[] = {256, 65536, 65537, 200000};
    int32_t ids[1001], back[1001];
    for (size_t v = 0; v < QN_LEN(vocabs); v++) {
        for (int64_t i = 0; i < 1001; i++)
            ids[i] = (int32_t)(qn_rng_u64(3, QN_RNG_TEST, v, (uint64_t)i) % (uint64_t)vocabs[v]);
        ids[500] = (int32_t)vocabs[v] - 1;
        qn_shard s;
        CHECK_OK(qn_shard_open(&s, write_shard("width", vocabs[v], ids, 1001, 100)));
        CHECK_INT(s.width, vocabs[v] > 65536 ? 4 : 2);
        CHECK_INT(s.tokens, 1001);
        CHECK_INT(s.ends, 11);
        CHECK_INT(s.end[10], 1001);
        CHECK_OK(qn_shard_verify(&s));
        CHECK_OK(qn_shards_read(&s, 1, 3, 998, back));
        CHECK(memcmp(back, ids + 3, 998 * sizeof *ids) == 0);
        qn_shard_close(&s);
    }
}

/* Every byte changed, every length cut: an error when it is opened, or when it is verified. */
TEST(sees_any_damage) {
    int32_t ids[20] = {5, 4, 3, 2, 1};
    qn_buf whole = {0};
    CHECK_OK(qn_read_file(&whole, write_shard("damage", 8, ids, 20, 7), 1 << 20));
    for (size_t i = 0; i <= whole.n; i++) {
        qn_shard s = {0};
        if (i < whole.n) {
            whole.s[i] ^= 0x41;
            bool fine = qn_shard_parse(&s, whole.s, whole.n, "damage") >= 0 && qn_shard_verify(&s) >= 0;
            CHECK(!fine, "byte %zu", i);
            whole.s[i] ^= 0x41;
        }
        CHECK_INT(qn_shard_parse(&s, whole.s, i, "damage") >= 0, i == whole.n, "%zu bytes", i);
    }
    qn_buf_drop(&whole);
}

TEST(says_what_is_wrong_with_a_shard) {
    int32_t ids[20] = {0};
    qn_shard s = {0};
    qn_buf whole = {0};
    CHECK_OK(qn_read_file(&whole, write_shard("wrong", 8, ids, 20, 7), 1 << 20));
    CHECK_FAIL(qn_shard_parse(&s, "GGUF", 4, "x"), QN_ETRUNC, "too few");
    CHECK_FAIL(qn_shard_parse(&s, whole.s, whole.n - 1, "wrong"), QN_ETRUNC, "announces");
    whole.s[QN_SHARD_HEADER] = 7;
    CHECK_OK(qn_shard_parse(&s, whole.s, whole.n, "wrong"));
    CHECK_FAIL(qn_shard_verify(&s), QN_EFORMAT, "checksum");
    whole.s[QN_SHARD_HEADER] = 9;
    int32_t id;
    CHECK_FAIL(qn_shards_read(&s, 1, 0, 1, &id), QN_EFORMAT, "token 0 is 9, but ids are below 8");
    whole.s[8] = 2;
    CHECK_FAIL(qn_shard_parse(&s, whole.s, whole.n, "wrong"), QN_EUNSUPPORTED, "version 2");
    whole.s[0] = 'q';
    CHECK_FAIL(qn_shard_parse(&s, whole.s, whole.n, "wrong"), QN_EFORMAT, "QNTOKENS");
    qn_buf_drop(&whole);
}

/* ---- a folder ---------------------------------------------------------------------------------------------------- */

/* data.json of a good folder with `from` replaced by `to` once. */
static void check_json(const char *from, const char *to, int code, const char *says) {
    qn_buf text = {0};
    qn_dataset *d = some("json");
    qn_dataset_close(d);
    char path[1024], folder[1024];
    snprintf(folder, sizeof folder, "%s", qn_test_temp("json"));
    snprintf(path, sizeof path, "%s", qn_test_temp("json/data.json"));
    CHECK_OK(qn_read_file(&text, path, 1 << 20));
    char *at = strstr(text.s, from);
    CHECK(at, "%s", from);
    FILE *f = fopen(path, "wb");
    CHECK(f && fwrite(text.s, 1, (size_t)(at - text.s), f) == (size_t)(at - text.s) && fputs(to, f) >= 0 &&
          fputs(at + strlen(from), f) >= 0 && fclose(f) == 0);
    CHECK_FAIL(qn_dataset_open(&d, folder), code, says, "%s → %s", from, to);
    qn_buf_drop(&text);
}

TEST(refuses_a_folder_that_disagrees_with_itself) {
    check_json("\"version\": 1", "\"version\": 2", QN_EUNSUPPORTED, "version 2");
    check_json("\"vocab\": 258", "\"vocab\": 259", QN_EFORMAT, "vocabulary");
    check_json("\"train-00000.tokens\"", "\"train-00009.tokens\"", QN_ENOTFOUND, "train-00009");
    check_json("\"train-00000.tokens\"", "\"../x\"", QN_EFORMAT, "a file of this folder");
    check_json("\"checksum\": \"", "\"checksum\": \"0", QN_EFORMAT, "something else");
    check_json("\"split\": \"train\"", "\"split\": \"test\"", QN_EFORMAT, "train or validation");
    check_json("\"source\": 0", "\"source\": 1", QN_EFORMAT, "no source 1");
    check_json("\"weight\": 0", "\"weight\": -1", QN_EFORMAT, "weight");
    check_json("\"token_bytes\": [", "\"token_bytes\": [1,", QN_EFORMAT, "token_bytes");
}

/* Ids mean something with their own tokenizer only; a folder without one is opened all the same. */
TEST(refuses_another_tokenizer) {
    qn_data_options o = {.tokenizer_json = QN_STR("{\"a\": 1}")};
    const char *text = "{\"text\": \"ab\"}\n";
    qn_dataset *d = data_open("swapped", qn_test_write("swapped.jsonl", text, strlen(text)), o, true);
    qn_dataset_close(d);
    char folder[1024];
    snprintf(folder, sizeof folder, "%s", qn_test_temp("swapped"));
    qn_test_write("swapped/tokenizer.json", "{\"a\": 2}", 8);
    CHECK_FAIL(qn_dataset_open(&d, folder), QN_EFORMAT, "swapped/tokenizer.json is not the tokenizer that the shards");
    CHECK_INT(unlink(qn_test_temp("swapped/tokenizer.json")), 0);
    CHECK_OK(qn_dataset_open(&d, folder));
    qn_dataset_close(d);
}

TEST(opens_no_folder_without_the_marker) {
    qn_dataset *d;
    CHECK_FAIL(qn_dataset_open(&d, qn_test_temp_dir()), QN_ENOTFOUND, "no data.json");
}

TEST(remembers_what_was_left_out) {
    const char *text = "{\"text\": \"a\xff\"}\n{\"text\": \"b\"}\n{\"text\": \"b\"}\n{\"text\": \"\"}\n{}\n{}\ntorn\n";
    qn_dataset *d = data_open("counts", qn_test_write("counts.jsonl", text, strlen(text)),
                              (qn_data_options){.skip_bad = true}, true);
    CHECK_INT(qn_dataset_sources(d), 1);
    const qn_dataset_source *s = qn_dataset_source_at(d, 0);
    CHECK_INT(s->documents, 4);
    CHECK_INT(s->duplicates, 1);
    CHECK_INT(s->empty, 1);
    CHECK_INT(s->invalid, 1);
    CHECK_INT(s->textless, 2);
    CHECK_INT(s->bad, 1);
    CHECK_CONTAINS(s->name, "counts.jsonl");
    CHECK_INT(s->split[QN_SPLIT_TRAIN].documents, 2);
    qn_dataset_close(d);
}

TEST(finds_leaks_and_extremes) {
    qn_dataset *d = some("extremes");
    qn_dataset_extremes e;
    int64_t leaked, from, n;
    CHECK_OK(qn_dataset_leaks(d, &leaked));
    CHECK_INT(leaked, 0);
    qn_dataset_extremes_get(d, QN_SPLIT_TRAIN, &e);
    qn_dataset_document(d, QN_SPLIT_TRAIN, e.longest, &from, &n);
    CHECK_INT(n, e.longest_tokens);
    CHECK(e.longest_tokens > e.shortest_tokens);
    qn_dataset_close(d);
    /* Validation's shard under training's name. */
    qn_buf text = {0};
    char path[1024];
    snprintf(path, sizeof path, "%s", qn_test_temp("extremes/data.json"));
    CHECK_OK(qn_read_file(&text, path, 1 << 20));
    char *at = strstr(text.s, "\"split\": \"validation\"");
    CHECK(at);
    qn_buf changed = {0};
    CHECK_OK(qn_buf_put(&changed, text.s, (size_t)(at - text.s)));
    CHECK_OK(qn_buf_puts(&changed, "\"split\": \"train\",      "));
    CHECK_OK(qn_buf_puts(&changed, at + strlen("\"split\": \"validation\",")));
    char *shards = strstr(changed.s, "\"shards\": [");
    char *row = strrchr(changed.s, '{');            /* the validation shard's row, as it was, once more */
    CHECK(shards && row);
    qn_buf both = {0};
    CHECK_OK(qn_buf_put(&both, changed.s, (size_t)(row - changed.s)));
    char *original = strrchr(text.s, '{'), *end = strchr(original, '}');
    CHECK_OK(qn_buf_put(&both, original, (size_t)(end - original) + 1));
    CHECK_OK(qn_buf_putc(&both, ','));
    CHECK_OK(qn_buf_puts(&both, row));
    qn_test_write("extremes/data.json", both.s, both.n);
    CHECK_OK(qn_dataset_open(&d, qn_test_temp("extremes")));
    CHECK_OK(qn_dataset_leaks(d, &leaked));
    CHECK_INT(leaked, qn_dataset_info(d, QN_SPLIT_VALIDATION).documents);
    qn_dataset_close(d);
    qn_buf_drop(&text);
    qn_buf_drop(&changed);
    qn_buf_drop(&both);
}

TEST(survives_a_lack_of_memory) {
    qn_dataset *d = some("memory");
    qn_dataset_close(d);
    char folder[1024];
    snprintf(folder, sizeof folder, "%s", qn_test_temp("memory"));
    int64_t before = qn_mem_stats_get(QN_MEM_BASE).live_bytes;
    for (int64_t n = 0;; n++) {
        qn_rows *r;
        qn_mem_fail_after(n);
        int rc = qn_dataset_open(&d, folder);
        if (rc >= 0) {
            rc = qn_rows_new(&r, d, &(qn_rows_options){.context = 16});
            if (rc >= 0)
                qn_rows_free(r);
            qn_dataset_close(d);
        }
        qn_mem_fail_after(-1);
        CHECK_NO_LEAK(QN_MEM_BASE, before, "allocation %lld", (long long)n);
        if (rc >= 0)
            break;
        CHECK_INT(rc, QN_ENOMEM, "allocation %lld", (long long)n);
    }
}
