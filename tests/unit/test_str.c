/* tests/unit/test_str.c — views, buffers, names that are near. */
#include "test.h"

TEST(views_compare) {
    qn_str v = QN_STR("model.safetensors");
    CHECK_INT(v.n, 17);
    CHECK(qn_str_is(v, "model.safetensors"));
    CHECK(!qn_str_is(v, "model"));
    CHECK(!qn_str_is(QN_STR("model"), "model.safetensors"));
    CHECK(qn_str_starts(v, "model."));
    CHECK(qn_str_starts(v, ""));
    CHECK(!qn_str_starts(QN_STR("mo"), "model"));
    CHECK(qn_str_ends(v, ".safetensors"));
    CHECK(!qn_str_ends(QN_STR("rs"), "tensors"));
    CHECK(qn_str_eq(qn_str_of(NULL), QN_STR("")));
    CHECK(qn_str_eq((qn_str){NULL, 0}, QN_STR("")));
    CHECK(!qn_str_eq(QN_STR("a\0b"), QN_STR("a\0c")), "a NUL ends nothing");
}

TEST(lines_are_taken_one_by_one) {
    static const char *const want[] = {"one", "", "two\rx", "three"};
    qn_str rest = QN_STR("one\r\n\ntwo\rx\nthree"), line;
    for (size_t i = 0; i < QN_LEN(want); i++) {
        CHECK(qn_str_take_line(&rest, &line));
        CHECK(qn_str_is(line, want[i]), "%.*s", QN_STR_ARG(line));
    }
    CHECK(!qn_str_take_line(&rest, &line));
}

TEST(dup_copies_and_terminates) {
    char *z = qn_str_dup(QN_MEM_TEST, (qn_str){"abcdef", 3});
    CHECK_STR(z, "abc");
    qn_free(z);
    z = qn_str_dup(QN_MEM_TEST, (qn_str){NULL, 0});
    CHECK_STR(z, "");
    qn_free(z);
    qn_mem_fail_after(0);
    CHECK(qn_str_dup(QN_MEM_TEST, QN_STR("x")) == NULL);
}

TEST(buffers_grow_and_stay_terminated) {
    int64_t before = qn_mem_stats_get(QN_MEM_BASE).live_bytes;
    qn_buf b = {0};
    CHECK_VIEW(qn_buf_view(&b), "");
    CHECK_OK(qn_buf_put(&b, NULL, 0));
    CHECK_STR(b.s, "");
    for (int i = 0; i < 1000; i++) {
        CHECK_OK(qn_buf_putc(&b, (char)('a' + i % 26)));
        CHECK_INT(strlen(b.s), i + 1);
    }
    for (int i = 0; i < 1000; i++)
        CHECK_INT(b.s[i], 'a' + i % 26, "byte %d", i);
    qn_buf_clear(&b);
    CHECK_STR(b.s, "");
    CHECK_OK(qn_buf_puts(&b, "x"));
    CHECK_OK(qn_buf_utf8(&b, 0x20ac));
    CHECK_OK(qn_buf_put(&b, "\0y", 2));
    CHECK_INT(b.n, 6);
    CHECK(memcmp(b.s, "x\xe2\x82\xac\0y", 7) == 0);
    CHECK_FAIL(qn_buf_utf8(&b, 0xd800), QN_EUTF8, "U+D800");
    CHECK_FAIL(qn_buf_reserve(&b, SIZE_MAX - 2), QN_ENOMEM, "out of memory");
    CHECK_INT(b.n, 6);
    qn_buf_drop(&b);
    qn_buf_drop(&b);
    CHECK_NO_LEAK(QN_MEM_BASE, before);
}

TEST(printf_of_any_length) {
    static char big[3000];
    memset(big, 'z', sizeof big - 1);
    for (size_t n = 0; n < sizeof big; n += n < 200 ? 1 : 199) {
        qn_buf b = {0};
        CHECK_OK(qn_buf_printf(&b, "%d:", 7));
        CHECK_OK(qn_buf_printf(&b, "%.*s|", (int)n, big));
        CHECK_INT(b.n, n + 3);
        CHECK_INT(b.s[b.n - 1], '|');
        CHECK_INT(strlen(b.s), b.n);
        qn_buf_drop(&b);
    }
}

TEST(failed_growth_keeps_the_buffer) {
    qn_buf b = {0};
    CHECK_OK(qn_buf_puts(&b, "before"));
    while (b.n + 1 < b.cap)
        CHECK_OK(qn_buf_putc(&b, '.'));
    size_t n = b.n;
    static char big[500];
    memset(big, 'q', sizeof big - 1);
    for (int way = 0; way < 3; way++) {
        qn_mem_fail_after(0);
        int rc = way == 0 ? qn_buf_putc(&b, 'x') : way == 1 ? qn_buf_puts(&b, big) : qn_buf_printf(&b, "%s", big);
        CHECK_INT(rc, QN_ENOMEM, "way %d", way);
        CHECK_INT(b.n, n);
        CHECK_INT(strlen(b.s), n);
    }
    CHECK(qn_str_starts(qn_buf_view(&b), "before..."));
    qn_buf_drop(&b);
}

TEST(finds_the_nearest_name) {
    static const char *const names[] = {"generate", "tokenize", "render", "chat", "bench", "info", "eval", "version"};
    static const struct { const char *word, *want; } cases[] = {
        {"genrate", "generate"}, {"tokneize", "tokenize"}, {"chta", "chat"}, {"inof", "info"}, {"rendre", "render"},
        {"vresion", "version"}, {"generate", "generate"}, {"bnech", "bench"}, {"evaluate", NULL}, {"x", NULL},
        {"", NULL}, {"completely-different", NULL},
    };
    for (size_t i = 0; i < QN_LEN(cases); i++)
        CHECK_STR(qn_nearest(cases[i].word, names, QN_LEN(names)), cases[i].want, "%s", cases[i].word);
    char longer[500];
    memset(longer, 'a', sizeof longer - 1);
    longer[499] = 0;
    CHECK(qn_nearest(longer, names, QN_LEN(names)) == NULL);
    CHECK(qn_nearest("chat", names, 0) == NULL);
}
