/* tests/unit/test_jsonl.c — lines of JSON: where they end, what a bad one does, how much is held. */
#include "test.h"

#include "format/jsonl.h"

/* Reads {"v": N} of every line; the sum, or the error. */
static int64_t sum(qn_jsonl *r, int *lines) {
    qn_json *j;
    int more;
    int64_t total = 0;
    for (*lines = 0; (more = qn_jsonl_next(r, &j)) > 0; ++*lines) {
        qn_str key;
        int64_t v;
        QN_TRY(qn_json_enter(j, '{'));
        QN_TRY(qn_json_key(j, &key));
        QN_TRY(qn_json_i64(j, &v));
        QN_TRY(qn_json_key(j, &key));
        QN_TRY(qn_json_end(j));
        total += v;
    }
    return more < 0 ? more : total;
}

static void sums_to(const char *text, int64_t want, int want_lines) {
    qn_jsonl *r;
    int lines;
    CHECK_OK(qn_jsonl_open_memory(&r, text, strlen(text), &(qn_jsonl_options){0}));
    CHECK_INT(sum(r, &lines), want, "%s", text);
    CHECK_INT(lines, want_lines, "%s", text);
    qn_jsonl_close(r);
}

TEST(takes_lines_as_they_come) {
    sums_to("", 0, 0);
    sums_to("\n\n", 0, 0);
    sums_to("{\"v\":1}", 1, 1);
    sums_to("{\"v\":1}\n", 1, 1);
    sums_to("{\"v\":1}\r\n{\"v\":2}\r\n", 3, 2);
    sums_to("\xef\xbb\xbf{\"v\":1}\n \t\n{\"v\":2}", 3, 2);
}

TEST(names_file_and_line_of_an_error) {
    const char *path = qn_test_write("data.jsonl", "{\"v\":1}\n\n{\"v\":}\n", 16);
    qn_jsonl *r;
    int lines;
    CHECK_OK(qn_jsonl_open(&r, path, &(qn_jsonl_options){0}));
    CHECK_INT(sum(r, &lines), QN_EFORMAT);
    CHECK_CONTAINS(qn_error_message(), "data.jsonl:3:1:6");
    CHECK_INT(qn_jsonl_line(r), 3);
    CHECK_VIEW(qn_jsonl_text(r), "{\"v\":}");
    qn_jsonl_close(r);
    CHECK_FAIL(qn_jsonl_open(&r, qn_test_temp("none.jsonl"), &(qn_jsonl_options){0}), QN_ENOTFOUND, "none.jsonl");
    CHECK(!r);
}

TEST(passes_over_bad_lines_while_patience_lasts) {
    static const char text[] = "{\"v\":1}\n{\"v\":\n{\"v\":2}\n\"half\n{\"v\":4}\n{} {}\n{\"v\":8}\n";
    qn_jsonl *r;
    int lines;
    CHECK_OK(qn_jsonl_open_memory(&r, text, sizeof text - 1, &(qn_jsonl_options){.bad_max = 3}));
    CHECK_INT(sum(r, &lines), 15);
    CHECK_INT(qn_jsonl_bad(r), 3);
    CHECK_INT(qn_jsonl_line(r), 7);
    qn_jsonl_close(r);
    CHECK_OK(qn_jsonl_open_memory(&r, text, sizeof text - 1, &(qn_jsonl_options){.bad_max = 2}));
    CHECK_INT(sum(r, &lines), QN_EFORMAT);
    CHECK_CONTAINS(qn_error_message(), "after 2 bad lines");
    CHECK_CONTAINS(qn_error_message(), "memory:6");
    CHECK_INT(lines, 3);
    qn_jsonl_close(r);
}

/* Lines longer than a chunk, and lines that end at every place of one. */
TEST(finds_line_ends_across_chunks) {
    qn_buf b = {0};
    int64_t want = 0;
    for (int i = 0; i < 3000; i++) {
        CHECK_OK(qn_buf_printf(&b, "{\"v\":%d%*s}\n", i, i == 7 || i == 2000 ? 200000 : i % 97, ""));
        want += i;
    }
    const char *path = qn_test_write("long.jsonl", b.s, b.n);
    qn_jsonl *r;
    int lines;
    CHECK_OK(qn_jsonl_open(&r, path, &(qn_jsonl_options){0}));
    CHECK_INT(sum(r, &lines), want);
    CHECK_INT(lines, 3000);
    qn_jsonl_close(r);
    qn_buf_drop(&b);
}

TEST(bounds_the_length_of_a_line) {
    qn_buf b = {0};
    CHECK_OK(qn_buf_printf(&b, "{\"v\":1}\n{\"v\":2%*s}\n{\"v\":4}\n", 1 << 22, ""));
    const char *path = qn_test_write("wide.jsonl", b.s, b.n);
    qn_buf_drop(&b);
    const int64_t before = qn_mem_stats_get(QN_MEM_BASE).peak_bytes;
    qn_jsonl *r;
    int lines;
    CHECK_OK(qn_jsonl_open(&r, path, &(qn_jsonl_options){.line_max = 1000}));
    CHECK_INT(sum(r, &lines), QN_ELIMIT);
    CHECK_CONTAINS(qn_error_message(), "wide.jsonl:2");
    CHECK_INT(lines, 1);
    qn_jsonl_close(r);
    CHECK_OK(qn_jsonl_open(&r, path, &(qn_jsonl_options){.line_max = 1000, .bad_max = 1}));
    CHECK_INT(sum(r, &lines), 5, "the long line passed over");
    qn_jsonl_close(r);
    CHECK_INT(qn_mem_stats_get(QN_MEM_BASE).peak_bytes, before, "the long line was not held");
    CHECK_NO_LEAK(QN_MEM_FORMAT, 0);
}
