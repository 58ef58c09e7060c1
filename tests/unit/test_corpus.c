/* tests/unit/test_corpus.c — files and folders as a stream of documents, and what becomes of what is no UTF-8. */
#include <zlib.h>
#include <zstd.h>

#include "data/corpus.h"
#include "test.h"

/* All documents, each followed by '|'; QN_E* where reading fails. */
static int read_all(const qn_corpus_options *o, qn_buf *out, qn_corpus_stats *stats) {
    qn_corpus *c;
    qn_corpus_piece piece;
    int more;
    qn_buf_clear(out);
    QN_TRY(qn_corpus_open(&c, o));
    while ((more = qn_corpus_next(c, &piece)) > 0) {
        CHECK(qn_utf8_check(piece.text.s, piece.text.n) == QN_UTF8_OK);
        CHECK_OK(qn_buf_put(out, piece.text.s, piece.text.n));
        if (piece.ends)
            CHECK_OK(qn_buf_putc(out, '|'));
    }
    if (stats)
        qn_corpus_stats_get(c, stats);
    qn_corpus_close(c);
    return more;
}

static void check_documents(const char *text, size_t n, const char *want) {
    const char *path = qn_test_write("parted.txt", text, n);
    qn_buf out = {0};
    CHECK_OK(read_all(&(qn_corpus_options){.path = &path, .n_paths = 1, .separator = "<|end|>"}, &out, NULL));
    CHECK_VIEW(qn_buf_view(&out), want, "%.80s", text);
    qn_buf_drop(&out);
}

static void check_text(const char *path, qn_invalid invalid, const char *want) {
    qn_buf out = {0};
    CHECK_OK(read_all(&(qn_corpus_options){.path = &path, .n_paths = 1, .invalid = invalid}, &out, NULL), "%s", path);
    CHECK_VIEW(qn_buf_view(&out), want, "%s", path);
    qn_buf_drop(&out);
}

static void check_refused(const char *path, qn_invalid invalid, int code, const char *says) {
    qn_buf out = {0};
    CHECK_FAIL(read_all(&(qn_corpus_options){.path = &path, .n_paths = 1, .invalid = invalid}, &out, NULL), code, says,
               "%s", path);
    qn_buf_drop(&out);
}

static const char *write_text(const char *name, const char *text) { return qn_test_write(name, text, strlen(text)); }

static void make_folder(const char *name) { CHECK(mkdir(qn_test_temp(name), 0777) == 0, "%s", name); }

static const char *write_gzip(const char *name, const char *text, size_t cut) {
    const char *path = qn_test_temp(name);
    gzFile f = gzopen(path, "wb");
    CHECK(f != NULL && gzwrite(f, text, (unsigned)strlen(text)) == (int)strlen(text) && gzclose(f) == Z_OK);
    if (cut) {
        struct stat st;
        CHECK(stat(path, &st) == 0 && truncate(path, st.st_size - (off_t)cut) == 0);
    }
    return path;
}

/* One frame per half of the text, at this level, without its last `cut` bytes. */
static const char *write_zstd(const char *name, const char *text, size_t n, int window_log, size_t cut) {
    size_t room = ZSTD_compressBound(n) + 64, at = 0;
    char *packed = qn_alloc(QN_MEM_TEST, room);
    ZSTD_CCtx *z = ZSTD_createCCtx();
    CHECK(packed && z && !ZSTD_isError(ZSTD_CCtx_setParameter(z, ZSTD_c_windowLog, window_log)));
    for (int half = 0; half < 2; half++) {
        ZSTD_inBuffer in = {text + (half ? n / 2 : 0), half ? n - n / 2 : n / 2, 0};
        ZSTD_outBuffer out = {packed, room, at};
        while (ZSTD_compressStream2(z, &out, &in, ZSTD_e_flush) != 0)
            ;
        CHECK_INT(ZSTD_compressStream2(z, &out, &in, ZSTD_e_end), 0);
        at = out.pos;
    }
    ZSTD_freeCCtx(z);
    const char *path = qn_test_write(name, packed, at - cut);
    qn_free(packed);
    return path;
}

TEST(reads_zstd) {
    check_text(write_zstd("z.txt.zst", "packed\n and more", 16, 10, 0), QN_INVALID_REFUSE, "packed\n and more|");
    check_text(write_zstd("z", "told by its first bytes", 23, 10, 0), QN_INVALID_REFUSE, "told by its first bytes|");
    const char *two = "{\"text\": \"one\"}\n{\"text\": \"two\"}\n";
    check_text(write_zstd("z.jsonl.zst", two, strlen(two), 10, 0), QN_INVALID_REFUSE, "one|two|");
    check_text(write_text("z.txt", "\x28\xb5/"), QN_INVALID_REPLACE, "(\xef\xbf\xbd/|");
    for (size_t cut = 1; cut < 12; cut++)
        check_refused(write_zstd("cut.zst", "packed, and then cut off", 24, 10, cut), QN_INVALID_REFUSE, QN_ETRUNC,
                      "zstd file ends too early");
    check_refused(write_text("bad.zst", "\x28\xb5\x2f\xfd\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"),
                  QN_INVALID_REFUSE, QN_EFORMAT, "damaged");
    check_refused(write_zstd("wide.zst", "packed", 6, 28, 0), QN_INVALID_REFUSE, QN_ELIMIT, "without --long");
}

/* Larger than every buffer on the way, and read at once. */
TEST(reads_a_long_zstd_file) {
    qn_buf text = {0}, out = {0};
    for (int i = 0; i < 200000; i++)
        CHECK_OK(qn_buf_printf(&text, "%d ", i));
    const char *path = write_zstd("long.zst", text.s, text.n, 17, 0);
    CHECK_OK(read_all(&(qn_corpus_options){.path = &path, .n_paths = 1}, &out, NULL));
    CHECK(out.n == text.n + 1 && memcmp(out.s, text.s, text.n) == 0);
    qn_buf_drop(&text);
    qn_buf_drop(&out);
}

TEST(reads_plain_text_and_gzip) {
    check_text(write_text("a.txt", "Hello\nthere"), QN_INVALID_REFUSE, "Hello\nthere|");
    check_text(write_text("bom.txt", "\xef\xbb\xbfHello"), QN_INVALID_REFUSE, "Hello|");
    check_text(write_text("empty.txt", ""), QN_INVALID_REFUSE, "|");
    check_text(write_gzip("b.txt.gz", "packed\n", 0), QN_INVALID_REFUSE, "packed\n|");
    check_refused(write_gzip("cut.txt.gz", "packed, and then cut off", 6), QN_INVALID_REFUSE, QN_ETRUNC, "too early");
}

TEST(reads_the_text_of_json_lines) {
    const char *two = "{\"id\": 1, \"text\": \"one\\u00fc\"}\n\n{\"text\": \"two\", \"text2\": \"no\"}\n";
    check_text(write_text("c.jsonl", two), QN_INVALID_REFUSE, "oneü|two|");
    check_text(write_gzip("c.ndjson.gz", two, 0), QN_INVALID_REFUSE, "oneü|two|");
    check_text(write_text("bad.jsonl", "{\"text\": \"a\xff\"}\n"), QN_INVALID_REPLACE, "a\xef\xbf\xbd|");
    check_refused(write_text("bad.jsonl", "{\"text\": \"a\"}\n{\"text\": \"a\xff\"}\n"), QN_INVALID_REFUSE, QN_EUTF8,
                  "bad.jsonl:2: byte 11 (0xff)");
    check_refused(write_text("behind.jsonl", "{\"text\": \"\"} x\n"), QN_INVALID_REFUSE, QN_EFORMAT,
                  "behind.jsonl:1:14");
    check_refused(write_text("broken.jsonl", "{\"text\": \"\"}\n\n{\"text\": "), QN_INVALID_REPLACE, QN_EFORMAT,
                  "broken.jsonl:3:10: ");
}

/* Half a pair of surrogates is a broken character like any other. */
TEST(treats_lone_surrogates_as_asked) {
    static const char lone[] = "{\"text\": \"a\\ud83d\"}\n{\"text\": \"\\ude00b\\ud83d\\ude00\", \"c\": \"\\ud83d\"}\n";
    qn_buf out = {0};
    qn_corpus_stats stats;
    const char *path = write_text("lone.jsonl", lone);
    check_text(path, QN_INVALID_REPLACE, "a\xef\xbf\xbd|\xef\xbf\xbd" "b\xf0\x9f\x98\x80|");
    check_text(path, QN_INVALID_DROP, "a|b\xf0\x9f\x98\x80|");
    check_refused(path, QN_INVALID_REFUSE, QN_EFORMAT, "lone.jsonl:1:12: a surrogate stands alone");
    CHECK_OK(read_all(&(qn_corpus_options){.path = &path, .n_paths = 1}, &out, &stats));
    CHECK_INT(stats.invalid, 2);
    qn_buf_drop(&out);
}

static char said[512];
static void hear(QN_UNUSED void *arg, qn_log_level level, const char *message) {
    if (level == QN_LOG_WARN)
        snprintf(said + strlen(said), sizeof said - strlen(said), "%s\n", message);
}

/* Lines without the field, with something else in it, or that are no object: left out and said once. */
TEST(leaves_lines_without_a_text_out) {
    static const char some[] = "{\"text\": \"a\"}\n{\"content\": \"x\"}\n{\"text\": null}\n[1]\n"
                               "{\"text\": {\"deep\": 1}}\n{\"text\": 5, \"text\": \"b\"}\n";
    qn_buf out = {0};
    qn_corpus_stats stats;
    const char *path = write_text("some.jsonl", some);
    said[0] = '\0';
    qn_log_set(hear, NULL);
    CHECK_OK(read_all(&(qn_corpus_options){.path = &path, .n_paths = 1, .invalid = QN_INVALID_REFUSE}, &out, &stats));
    qn_log_set(NULL, NULL);
    CHECK_VIEW(qn_buf_view(&out), "a|b|");
    CHECK_INT(stats.textless, 4);
    CHECK_INT(stats.documents, 2);
    CHECK_CONTAINS(said, "4 JSON values without a text as \"text\" were left out, the first of them");
    CHECK_CONTAINS(said, "some.jsonl:2\n");
    qn_buf_drop(&out);
    path = write_text("none.jsonl", "\n{\"content\": \"a\", \"id\": 1}\n{\"text\": 1}\n");
    check_refused(path, QN_INVALID_REPLACE, QN_EFORMAT, "none.jsonl:2: none of 2 JSON values has a text as \"text\"");
    check_refused(path, QN_INVALID_REPLACE, QN_EFORMAT, "--field");
    check_refused(path, QN_INVALID_REPLACE, QN_EFORMAT, "\"content\", \"id\"");
    check_refused(write_text("array.jsonl", "[]"), QN_INVALID_REPLACE, QN_EFORMAT, "no fields");
}

/* Data without a zero byte, or letters of another encoding; a few accents of Latin-1 are a text with broken letters. */
TEST(knows_what_is_no_text_without_a_zero) {
    char noise[4000];
    qn_corpus_stats stats;
    qn_buf out = {0};
    for (size_t i = 0; i < sizeof noise; i++)
        noise[i] = (char)(i * 2654435761u >> 7 | 1);
    const char *path = qn_test_write("noise.bin", noise, sizeof noise);
    check_refused(path, QN_INVALID_REPLACE, QN_EFORMAT, "noise.bin is no text in UTF-8: ");
    check_refused(path, QN_INVALID_DROP, QN_EFORMAT, " broken characters in its first 4000 bytes (other encodings can");
    check_refused(path, QN_INVALID_REFUSE, QN_EUTF8, "is not UTF-8");
    memset(noise, 'a', sizeof noise);
    for (size_t i = 0; i < 399; i++)
        noise[10 * i] = '\xe9';
    path = qn_test_write("latin.txt", noise, sizeof noise);
    CHECK_OK(read_all(&(qn_corpus_options){.path = &path, .n_paths = 1}, &out, &stats));
    CHECK_INT(stats.invalid, 399);
    noise[1] = '\xe9';
    path = qn_test_write("more.txt", noise, sizeof noise);
    check_refused(path, QN_INVALID_REPLACE, QN_EFORMAT, "400 broken characters in its first 4000 bytes");
    qn_buf_drop(&out);
}

/* What a search passes over is said by whoever reads, and not by whoever only looks what is there. */
TEST(remarks_on_folders_wait_for_a_reader) {
    qn_corpus *c;
    qn_corpus_piece piece;
    make_folder("odd");
    write_text("odd/a.txt", "A");
    CHECK(symlink("nowhere", qn_test_temp("odd/dangling")) == 0);
    const char *path = qn_test_temp("odd");
    said[0] = '\0';
    qn_log_set(hear, NULL);
    CHECK_OK(qn_corpus_open(&c, &(qn_corpus_options){.path = &path, .n_paths = 1}));
    CHECK_STR(said, "");
    CHECK_INT(qn_corpus_next(c, &piece), 1);
    CHECK_CONTAINS(said, "odd/dangling is passed over: No such file");
    said[0] = '\0';
    CHECK_INT(qn_corpus_next(c, &piece), 0);
    qn_log_set(NULL, NULL);
    CHECK_STR(said, "");
    qn_corpus_close(c);
}

/* Lines that are no JSON: an error that names the way on, or passed over, said once with where they are. */
TEST(passes_over_bad_lines_as_asked) {
    static const char bad[] = "{\"text\": \"a\"}\n{\"text\": \"b\"\nno JSON\n{\"text\": \"c\"} behind\n\"\xff\n[\n"
                              "{\"text\": \"d\xff\"}\n}\n{\"text\": \"e\"";
    qn_buf out = {0};
    qn_corpus_stats stats;
    const char *path = write_text("bad.jsonl", bad);
    qn_corpus_options o = {.path = &path, .n_paths = 1, .skip_bad = true};
    check_refused(path, QN_INVALID_REPLACE, QN_EFORMAT, "bad.jsonl:2:");
    check_refused(path, QN_INVALID_REPLACE, QN_EFORMAT, "; --bad-lines skip passes over such lines");
    said[0] = '\0';
    qn_log_set(hear, NULL);
    CHECK_OK(read_all(&o, &out, &stats));
    qn_log_set(NULL, NULL);
    CHECK_VIEW(qn_buf_view(&out), "a|d\xef\xbf\xbd|");
    CHECK(stats.bad == 7 && stats.documents == 2 && stats.invalid == 1, "%d %d %d", (int)stats.bad,
          (int)stats.documents, (int)stats.invalid);
    CHECK_CONTAINS(said, "7 lines were passed over, no JSON: ");
    CHECK_CONTAINS(said, "bad.jsonl:2, ");
    CHECK_CONTAINS(said, "bad.jsonl:6 …\n");
    CHECK(strstr(said, "bad.jsonl:8") == NULL);
    qn_buf_drop(&out);
}

/* What is no UTF-8, or half a character, is another question. */
TEST(bad_lines_are_not_broken_characters) {
    qn_buf out = {0};
    qn_corpus_stats stats;
    const char *path = write_text("half.jsonl", "{\"text\": \"a\\ud83d\"}\n");
    qn_corpus_options o = {.path = &path, .n_paths = 1, .skip_bad = true, .invalid = QN_INVALID_REFUSE};
    CHECK_FAIL(read_all(&o, &out, &stats), QN_EFORMAT, "a surrogate stands alone");
    CHECK(strstr(qn_error_message(), "--bad-lines") == NULL);
    path = write_text("half.jsonl", "{\"text\": \"\xff\"}\n");
    CHECK_FAIL(read_all(&o, &out, &stats), QN_EUTF8, "0xff");
    path = write_text("none.jsonl", "a\nb\n");
    CHECK_FAIL(read_all(&o, &out, &stats), QN_EFORMAT, "2 lines were passed over because they are no JSON");
    path = write_text("bad.json", "[\"a\", tru]");
    CHECK_FAIL(read_all(&o, &out, &stats), QN_EFORMAT, "byte 6");
    CHECK(strstr(qn_error_message(), "--bad-lines") == NULL, "an array has no lines");
    qn_buf_drop(&out);
}

TEST(reads_the_items_of_an_array) {
    static const char three[] =
        "[\n \"one \\u00fc\",\n {\"id\": [{}], \"text\": \"t]wo\"}, {\"text\": \"\"}\n]\n";
    check_text(write_text("three.json", three), QN_INVALID_REFUSE, "one ü|t]wo||");
    check_text(write_gzip("three.json.gz", three, 0), QN_INVALID_REFUSE, "one ü|t]wo||");
    check_text(write_text("none.json", "[]"), QN_INVALID_REFUSE, "");
    check_text(write_text("bad.json", "[\"a\xff\", \"\\ud83d\"]"), QN_INVALID_REPLACE, "a\xef\xbf\xbd|\xef\xbf\xbd|");
}

/* Anything else is told with its file and byte. */
TEST(refuses_other_json_than_an_array_of_texts) {
    static const struct { const char *text, *says; } cases[] = {
        {"{\"text\": \"a\"}\n{\"text\": \"b\"}\n",
         "x.json: byte 0: expected '[', an array of texts or of objects (a file with an object on each line is named "
         ".jsonl)"},
        {"plain text", "x.json: byte 0: expected '['"},
        {"[\"a\", 12]", "x.json: byte 6: expected a text or an object"},
        {"[\"a\", {\"text\": tru}]", "x.json, item at byte 6:1:10: "},
        {"[\"a\", \"b\\x\"]", "x.json, item at byte 6:1:3: unknown escape"},
        {"[{\"a\": 1}, {\"text\": 5}]",
         "x.json, item at byte 1: none of 2 JSON values has a text as \"text\"; --field names where it stands: this "
         "one has \"a\""},
    };
    for (size_t i = 0; i < QN_LEN(cases); i++)
        check_refused(write_text("x.json", cases[i].text), QN_INVALID_REPLACE, QN_EFORMAT, cases[i].says);
    check_refused(write_text("x.json", "[\"a\", \"b"), QN_INVALID_REPLACE, QN_ETRUNC, "x.json: byte 8: the text ends");
    check_refused(write_text("x.json", "[\"a\", \"b\xff\"]"), QN_INVALID_REFUSE, QN_EUTF8, "x.json: byte 8 (0xff)");
}

/* What Python's bytes.decode("utf-8", "replace") makes of it, and "ignore" (checked with CPython 3.11). */
TEST(replaces_or_drops_broken_characters) {
    static const struct { const char *in, *replaced, *dropped; } cases[] = {
        {"a\xff\xfe" "b", "a\xef\xbf\xbd\xef\xbf\xbd" "b", "ab"},
        {"a\xe2\x82" "b", "a\xef\xbf\xbd" "b", "ab"},
        {"\xf0\x9f\x98", "\xef\xbf\xbd", ""},
        {"\xf0\x9f\x98x\xf0\x9f\x98\x80", "\xef\xbf\xbdx\xf0\x9f\x98\x80", "x\xf0\x9f\x98\x80"},
        {"\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd", ""},
        {"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd", ""},
        {"\xf4\x90\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd", ""},
        {"\x80ok\xc3", "\xef\xbf\xbdok\xef\xbf\xbd", "ok"},
    };
    qn_buf own = {0};
    for (size_t i = 0; i < QN_LEN(cases); i++) {
        int64_t bad = 0, dropped = 0;
        size_t at;
        qn_str clean, in = qn_str_of(cases[i].in);
        CHECK_OK(qn_utf8_clean(in, QN_INVALID_REPLACE, &own, &clean, &bad, &at));
        CHECK_VIEW(clean, cases[i].replaced, "case %zu", i);
        CHECK(bad > 0);
        CHECK_OK(qn_utf8_clean(in, QN_INVALID_DROP, &own, &clean, &dropped, &at));
        CHECK_VIEW(clean, cases[i].dropped, "case %zu", i);
        CHECK_INT(dropped, bad);
        CHECK_INT(qn_utf8_clean(in, QN_INVALID_REFUSE, &own, &clean, &bad, &at), QN_EUTF8);
        CHECK_INT(at, qn_utf8_check(in.s, in.n));
    }
    qn_buf_drop(&own);
}

/* Characters of four bytes and a bad byte over many blocks: nothing is lost where blocks meet. */
TEST(joins_characters_over_blocks) {
    qn_buf text = {0}, out = {0};
    qn_corpus_stats stats;
    CHECK_OK(qn_buf_putc(&text, 'x'));
    while (text.n < 900000)
        CHECK_OK(qn_buf_puts(&text, "\xf0\x9f\x98\x80"));
    size_t bad = text.n;
    CHECK_OK(qn_buf_puts(&text, "\xf0\x9f\x98"));
    const char *path = qn_test_write("blocks.txt", text.s, text.n);
    CHECK_OK(read_all(&(qn_corpus_options){.path = &path, .n_paths = 1, .invalid = QN_INVALID_DROP}, &out, &stats));
    CHECK_INT(out.n, bad + 1);
    CHECK(memcmp(out.s, text.s, bad) == 0);
    CHECK_INT(stats.invalid, 1);
    CHECK_INT(stats.bytes, bad);
    CHECK_INT(stats.documents, 1);
    char says[64];
    snprintf(says, sizeof says, "byte %zu (0xf0)", bad);
    check_refused(path, QN_INVALID_REFUSE, QN_EUTF8, says);
    qn_buf_drop(&text);
    qn_buf_drop(&out);
}

TEST(walks_folders_in_the_order_of_paths) {
    qn_buf out = {0};
    qn_corpus_stats stats;
    make_folder("folder");
    make_folder("folder/b");
    make_folder("folder/.git");
    make_folder("hollow");
    write_text("folder/c.txt", "C");
    write_text("folder/b/2.txt", "B2");
    write_text("folder/b/1.jsonl", "{\"text\": \"B1\"}\n{\"text\": \"B1b\"}");
    write_text("folder/.git/x", "hidden");
    write_text("folder/config.json", "{\"text\": \"no text\"}");
    write_text("folder/d.json", "[\"D\"]");
    write_zstd("folder/a.txt.zst", "AA", 2, 10, 0);
    qn_test_write("folder/image", "PNG\0\0", 5);
    CHECK(symlink(".", qn_test_temp("folder/b/loop")) == 0);
    char folder[512], file[512];
    snprintf(folder, sizeof folder, "%s", qn_test_temp("folder"));
    snprintf(file, sizeof file, "%s", write_text("first.txt", "first"));
    const char *paths[] = {file, folder};
    CHECK_OK(read_all(&(qn_corpus_options){.path = paths, .n_paths = 2}, &out, &stats));
    CHECK_VIEW(qn_buf_view(&out), "first|AA|B1|B1b|B2|C|D|");
    CHECK_INT(stats.files, 6);
    CHECK_INT(stats.skipped, 2);
    CHECK_INT(stats.documents, 7);
    check_refused(qn_test_temp("hollow"), QN_INVALID_REPLACE, QN_EINVAL, "no files");
    check_refused(qn_test_temp("folder/image"), QN_INVALID_REPLACE, QN_EFORMAT, "is no text: byte 3 is 0");
    check_refused(qn_test_temp("folder/nothing"), QN_INVALID_REPLACE, QN_ENOTFOUND, "nothing");
    qn_buf_drop(&out);
}

TEST(knows_sizes_where_they_mean_something) {
    qn_corpus *c;
    char plain[512], packed[512];
    snprintf(plain, sizeof plain, "%s", write_text("size.txt", "12345"));
    snprintf(packed, sizeof packed, "%s", write_gzip("size.txt.gz", "12345", 0));
    const char *paths[] = {plain, plain, packed};
    for (size_t n = 2; n <= 3; n++) {
        CHECK_OK(qn_corpus_open(&c, &(qn_corpus_options){.path = paths, .n_paths = n}));
        CHECK_INT(qn_corpus_size(c), n == 2 ? 10 : 0);
        qn_corpus_close(c);
    }
}

TEST(gives_all_memory_back_when_it_runs_out) {
    const int64_t before = qn_mem_stats_get(QN_MEM_BASE).live_bytes;
    const int64_t format = qn_mem_stats_get(QN_MEM_FORMAT).live_bytes;
    char text[512], lines[512], items[512];
    qn_buf out = {0};
    snprintf(text, sizeof text, "%s", write_text("memory.txt", "a\xff"));
    snprintf(lines, sizeof lines, "%s", write_text("memory.jsonl", "{\"text\": \"b\"}\n{\"c\": 1}\n"));
    snprintf(items, sizeof items, "%s", write_text("memory.json", "[\"b\", {\"c\": 1}]"));
    const char *paths[] = {text, lines, items};
    const qn_corpus_options o = {.path = paths, .n_paths = 3};
    int64_t calls = qn_mem_calls();
    CHECK_OK(read_all(&o, &out, NULL));
    calls = qn_mem_calls() - calls;
    CHECK(calls > 5);
    qn_buf_drop(&out);
    for (int64_t n = 0; n < calls; n++) {
        qn_corpus *c = NULL;
        qn_corpus_piece piece;
        qn_mem_fail_after(n);
        int rc = qn_corpus_open(&c, &o);
        while (rc >= 0 && (rc = qn_corpus_next(c, &piece)) > 0)
            ;
        qn_mem_fail_after(-1);
        qn_corpus_close(c);
        CHECK(rc == 0 || rc == QN_ENOMEM, "allocation %lld: %s", (long long)n, qn_error_name(rc));
        CHECK_NO_LEAK(QN_MEM_BASE, before, "allocation %lld", (long long)n);
        CHECK_NO_LEAK(QN_MEM_FORMAT, format, "allocation %lld", (long long)n);
    }
}

/* ---- several documents in a file --------------------------------------------------------------------------------- */

TEST(lines_between_documents) {
    static const struct { const char *text, *want; } cases[] = {
        {"one\n<|end|>\ntwo\n<|end|>\n", "one|two|"},
        {"one\n<|end|>\ntwo\nmore\n", "one|two\nmore\n|"},
        {"one\n<|end|>\ntwo", "one|two|"},
        {"one\r\n<|end|>\r\ntwo\r\n<|end|>", "one|two|"},
        {"<|end|>\none", "|one|"},
        {"one\n\n<|end|>\n\ntwo", "one\n|\ntwo|"},
        {"one\n<|end|>\n<|end|>\ntwo", "one||two|"},
        {"one <|end|> still\n<|end|>one\n <|end|>\n", "one <|end|> still\n<|end|>one\n <|end|>\n|"},
        {"", "|"},
    };
    for (size_t i = 0; i < QN_LEN(cases); i++)
        check_documents(cases[i].text, strlen(cases[i].text), cases[i].want);
}

/* Wherever a block of 256 KB ends, before, in and behind a separator. */
TEST(separators_across_blocks) {
    const size_t block = (size_t)256 << 10;
    char *text = malloc(2 * block), *want = malloc(2 * block);
    for (size_t at = block - 14; at < block + 4; at++) {
        memset(text, 'x', at);
        memset(want, 'x', at);
        strcpy(text + at, "\n<|end|>\ny\n<|en\n");
        strcpy(want + at, "|y\n<|en\n|");
        check_documents(text, strlen(text), want);
    }
    free(text);
    free(want);
}

TEST(a_separator_is_a_line) {
    qn_corpus *c;
    const char *path = qn_test_write("a.txt", "a", 1);
    CHECK_FAIL(qn_corpus_open(&c, &(qn_corpus_options){.path = &path, .n_paths = 1, .separator = ""}), QN_EINVAL,
               "without a line break");
    CHECK_FAIL(qn_corpus_open(&c, &(qn_corpus_options){.path = &path, .n_paths = 1, .separator = "a\nb"}), QN_EINVAL,
               "without a line break");
}
