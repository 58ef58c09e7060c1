/* tests/unit/test_csv.c — rows and fields, in quotes and without, and what is no table. */
#include "format/csv.h"

#include "test.h"

/* All rows as text: fields in [] with |, rows in lines with the number of the line where each begins. */
static int rows(const char *text, qn_buf *out) {
    qn_csv c;
    int more;
    qn_buf_clear(out);
    CHECK_OK(qn_buf_puts(out, ""));
    qn_csv_init(&c, text, strlen(text), "t.csv");
    while ((more = qn_csv_next(&c)) > 0) {
        CHECK_OK(qn_buf_printf(out, "%d", (int)c.line));
        for (size_t i = 0; i < c.fields; i++)
            CHECK_OK(qn_buf_printf(out, "[%.*s]", (int)c.field[i].n, c.field[i].s));
        CHECK_OK(qn_buf_puts(out, " "));
    }
    qn_csv_drop(&c);
    return more;
}

TEST(reads_rows) {
    static const struct { const char *text, *want; } cases[] = {
        {"", ""},
        {"a", "1[a] "},
        {"a,b\nc,d\n", "1[a][b] 2[c][d] "},
        {"a,b\r\nc,d", "1[a][b] 2[c][d] "},
        {"a,,\n", "1[a][][] "},
        {"\n\r\n\na\n\n", "4[a] "},
        {"\"a,b\",c\n", "1[a,b][c] "},
        {"\"a\n\"\"b\"\"\",c\nd,e\n", "1[a\n\"b\"][c] 3[d][e] "},
        {"\"\",x\n", "1[][x] "},
        {"5\" wide,\"x\"\r\n", "1[5\" wide][x] "},
        {"a\rb,c\n", "1[a\rb][c] "},
        {"\xef\xbb\xbf" "a\n", "1[a] "},
        {"a,", "1[a][] "},
    };
    qn_buf out = {0};
    for (size_t i = 0; i < QN_LEN(cases); i++) {
        CHECK_INT(rows(cases[i].text, &out), 0, "case %d", (int)i);
        CHECK_STR(out.s, cases[i].want, "case %d", (int)i);
    }
    qn_buf_drop(&out);
}

TEST(refuses_quotes_that_do_not_end) {
    qn_buf out = {0};
    CHECK_FAIL(rows("a,b\nc,\"d\n\n", &out), QN_EFORMAT, "t.csv:2: a quote is opened and never closed");
    CHECK_FAIL(rows("\"a\"b,c\n", &out), QN_EFORMAT, "t.csv:1: text behind a closing quote");
    qn_buf_drop(&out);
}
