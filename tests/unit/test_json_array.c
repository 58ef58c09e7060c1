/* tests/unit/test_json_array.c — items of an array: where they end, across reads, and what a wrong one says. */
#include "test.h"

#include "format/json_array.h"

/* All items, each followed by '|'; the error where there is one. */
static int items(qn_json_array *r, qn_buf *out) {
    qn_str item;
    int more;
    qn_buf_clear(out);
    while ((more = qn_json_array_next(r, &item)) > 0) {
        CHECK_OK(qn_buf_put(out, item.s, item.n));
        CHECK_OK(qn_buf_putc(out, '|'));
    }
    return more;
}

static void gives(const char *text, const char *want) {
    qn_json_array *r;
    qn_buf out = {0};
    CHECK_OK(qn_json_array_open_memory(&r, text, strlen(text), 0));
    CHECK_OK(items(r, &out), "%s", text);
    CHECK_VIEW(qn_buf_view(&out), want, "%s", text);
    CHECK(qn_json_array_begun(r));
    qn_json_array_close(r);
    qn_buf_drop(&out);
}

TEST(finds_where_items_end) {
    gives("[]", "");
    gives(" [ ] \n", "");
    gives("[\"a\",\"\",\"b c\"]", "\"a\"|\"\"|\"b c\"|");
    gives("\xef\xbb\xbf[\"bom\"]", "\"bom\"|");
    gives("[\"a\\\"]\\\\\" , \"\\\\\"]", "\"a\\\"]\\\\\"|\"\\\\\"|");
    gives("[{}, {\"a\": [1, {\"}\": \"]\"}]}\r\n]", "{}|{\"a\": [1, {\"}\": \"]\"}]}|");
}

static void refuses(const char *text, int code, const char *says) {
    qn_json_array *r;
    qn_buf out = {0};
    CHECK_OK(qn_json_array_open_memory(&r, text, strlen(text), 16));
    CHECK_FAIL(items(r, &out), code, says, "%s", text);
    qn_json_array_close(r);
    qn_buf_drop(&out);
}

TEST(names_the_byte_of_an_error) {
    refuses("", QN_EFORMAT, "memory: byte 0: expected an array of texts or of objects, but the file is empty");
    refuses(" {\"text\": 1}", QN_EFORMAT, "byte 1: expected '[', an array of texts or of objects (a file with an "
                                          "object on each line is named .jsonl), found '{'");
    refuses("\x01", QN_EFORMAT, "byte 0: expected '[', an array of texts or of objects, found the byte 0x01");
    refuses("[\"a\" \"b\"]", QN_EFORMAT, "byte 5: expected ',' or ']' behind an item, found '\"'");
    refuses("[\"a\", 5]", QN_EFORMAT, "byte 6: expected a text or an object as the next item, found '5'");
    refuses("[\"a\",]", QN_EFORMAT, "byte 5: expected a text or an object as the next item, found ']'");
    refuses("[[\"a\"]]", QN_EFORMAT, "byte 1: expected a text or an object");
    refuses("[\"a\"] x", QN_EFORMAT, "byte 6: expected nothing behind the array, found 'x'");
    refuses("[\"a\"", QN_ETRUNC, "byte 4: the text ends here, inside its array");
    refuses("[\"a\",", QN_ETRUNC, "byte 5: ");
    refuses("[{\"a\": \"", QN_ETRUNC, "byte 8: ");
    refuses("[\"a\", \"0123456789abcdef\"]", QN_ELIMIT, "byte 6: an item of more than 16 bytes");
}

/* Items that begin and end anywhere in the chunks that are read, one of them longer than several. */
TEST(reads_files_in_chunks) {
    qn_buf text = {0}, want = {0}, out = {0};
    qn_json_array *r;
    CHECK_OK(qn_buf_putc(&text, '['));
    for (int i = 0; i < 3000; i++) {
        const size_t from = text.n + (i > 0);
        CHECK_OK(qn_buf_printf(&text, "%s\"%d \\\" %*s\"", i ? "," : "", i, i == 1500 ? 300000 : i % 97, ""));
        CHECK_OK(qn_buf_put(&want, text.s + from, text.n - from));
        CHECK_OK(qn_buf_putc(&want, '|'));
    }
    CHECK_OK(qn_buf_putc(&text, ']'));
    CHECK_OK(qn_json_array_open(&r, qn_test_write("long.json", text.s, text.n), 0));
    CHECK_OK(items(r, &out));
    CHECK_INT(out.n, want.n);
    CHECK(memcmp(out.s, want.s, want.n) == 0);
    qn_json_array_close(r);
    CHECK_FAIL(qn_json_array_open(&r, qn_test_temp("none.json"), 0), QN_ENOTFOUND, "none.json");
    CHECK(!r);
    qn_buf_drop(&text);
    qn_buf_drop(&want);
    qn_buf_drop(&out);
}
