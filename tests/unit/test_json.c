/* tests/unit/test_json.c — what is JSON and what is not; values at the edges; there and back through the writer. */
#include "test.h"

#include "base/json.h"

/* A copy of exactly n bytes, so that the address sanitizer sees the parser look one byte too far. */
typedef struct {
    char *bytes;
    qn_json j;
} doc;

static qn_json *open_doc(doc *d, const char *text, size_t n) {
    d->bytes = qn_alloc(QN_MEM_TEST, n);
    memcpy(d->bytes, text, n);
    qn_json_init(&d->j, d->bytes, n, "doc.json");
    return &d->j;
}

static void close_doc(doc *d) {
    qn_json_drop(&d->j);
    qn_free(d->bytes);
}

/* Reads every value by the function of its kind and writes it again. */
static int copy_value(qn_json *j, qn_jw *w) {
    qn_buf text = {0};
    qn_str key;
    double number;
    bool truth;
    int rc, more, kind = qn_json_peek(j);
    QN_TRY_OUT(kind);
    switch (kind) {
    case '{':
        QN_TRY_OUT(qn_json_enter(j, '{'));
        qn_jw_open(w, '{');
        while ((more = qn_json_key(j, &key)) > 0) {
            qn_buf_clear(&text);
            QN_TRY_OUT(qn_buf_put(&text, key.s, key.n));
            qn_jw_key(w, text.s);
            QN_TRY_OUT(copy_value(j, w));
        }
        QN_TRY_OUT(more);
        qn_jw_close(w);
        break;
    case '[':
        QN_TRY_OUT(qn_json_enter(j, '['));
        qn_jw_open(w, '[');
        while ((more = qn_json_item(j)) > 0)
            QN_TRY_OUT(copy_value(j, w));
        QN_TRY_OUT(more);
        qn_jw_close(w);
        break;
    case '"':
        QN_TRY_OUT(qn_json_string(j, &text));
        qn_jw_str(w, qn_buf_view(&text));
        break;
    case '0':
        QN_TRY_OUT(qn_json_f64(j, &number));
        qn_jw_f64(w, number);
        break;
    case 'n':
        QN_TRY_OUT(qn_json_null(j));
        qn_jw_null(w);
        break;
    default:
        QN_TRY_OUT(qn_json_bool(j, &truth));
        qn_jw_bool(w, truth);
    }
out:
    qn_buf_drop(&text);
    return rc < 0 ? rc : 0;
}

/* The text read value by value and written again, into out. */
static int copy_text(const char *text, size_t n, int indent, qn_buf *out) {
    doc d;
    qn_jw w;
    qn_json *j = open_doc(&d, text, n);
    qn_buf_clear(out);
    qn_jw_init(&w, out, indent);
    int rc = copy_value(j, &w);
    if (rc == 0)
        rc = qn_jw_end(&w);
    if (rc == 0)
        rc = qn_json_end(j);
    close_doc(&d);
    return rc;
}

static int skip_text(const char *text, size_t n) {
    doc d;
    qn_json *j = open_doc(&d, text, n);
    int rc = qn_json_skip(j);
    if (rc == 0)
        rc = qn_json_end(j);
    close_doc(&d);
    return rc;
}

#define TEXT(lit) {lit, sizeof(lit) - 1}

static const qn_str good[] = {
    TEXT("[]"), TEXT("{}"), TEXT("0"), TEXT("-0"), TEXT("\"\""), TEXT("true"), TEXT("false"), TEXT("null"),
    TEXT(" [ ] "),
    TEXT("\t\r\n{ }\n"), TEXT("[1,2 , 3]"), TEXT("{\"a\":1,\"a\":2}"), TEXT("{\"\":0}"), TEXT("{\"a\" : [ {} , [] ] }"),
    TEXT("[123e65]"), TEXT("[0e+1]"), TEXT("[0e1]"), TEXT("[-0.0]"), TEXT("[1E22]"), TEXT("[1E-2]"), TEXT("[1e+2]"),
    TEXT("[123.456e78]"), TEXT("[-0.000000000000000000000000000000000000000000000000001]"),
    TEXT("[\"\\u0060\\u012a\\u12AB\"]"), TEXT("[\"\\uD801\\udc37\"]"), TEXT("[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"]"),
    TEXT("[\"\\u0000\"]"), TEXT("[\"\x7f\"]"), TEXT("[\"€𝄞\"]"), TEXT("[\"\\uDBFF\\uDFFF\"]"), TEXT("[\"a/*b*/c\"]"),
    TEXT("[\"\xef\xbf\xbf\"]"), TEXT("[\"\xe2\x80\xa8\"]"), TEXT("\"\xef\xbb\xbf\""), TEXT("[[[[[[[[]]]]]]]]"),
    TEXT("[null, 1, \"1\", {}]"), TEXT("[1e-400]"), TEXT("{\"k\\u0065y\":\"v\\u00e4l\"}"),
};

static const qn_str bad[] = {
    TEXT(""), TEXT(" "), TEXT("["), TEXT("]"), TEXT("{"), TEXT("}"), TEXT("[1"), TEXT("[1,"), TEXT("[1,]"),
    TEXT("[,1]"),
    TEXT("[,]"), TEXT("[1,,2]"), TEXT("[1 2]"), TEXT("[1:2]"), TEXT("[]]"), TEXT("[]["), TEXT("[1}"), TEXT("{]"),
    TEXT("{\"a\"}"), TEXT("{\"a\":}"), TEXT("{\"a\":1,}"), TEXT("{,\"a\":1}"), TEXT("{\"a\" 1}"), TEXT("{\"a\",1}"),
    TEXT("{a:1}"), TEXT("{'a':1}"), TEXT("{1:1}"), TEXT("{\"a\":1 \"b\":2}"), TEXT("{\"a\":1"), TEXT("{\"a\":"),
    TEXT("{\"a\""),
    TEXT("{\"a"), TEXT("{\"a\":1}}"), TEXT("{\"a\":1}#"), TEXT("{null:1}"), TEXT("{{}:1}"), TEXT("{\"a\"::1}"),
    TEXT("01"), TEXT("-01"), TEXT("00"), TEXT("-"), TEXT("+1"), TEXT(".5"), TEXT("1."), TEXT("1.e1"), TEXT("1e"),
    TEXT("1e+"),
    TEXT("1e-"), TEXT("0x1"), TEXT("1_000"), TEXT("- 1"), TEXT("1 e1"), TEXT("--1"), TEXT("1.2.3"), TEXT("1e1.5"),
    TEXT("-x"),
    TEXT("NaN"), TEXT("Infinity"), TEXT("-Infinity"), TEXT("nan"), TEXT("inf"), TEXT("tru"), TEXT("True"),
    TEXT("truex"),
    TEXT("nul"), TEXT("nulll"), TEXT("fals"), TEXT("TRUE"), TEXT("\""), TEXT("\"a"), TEXT("\"\\\""), TEXT("\"\\x\""),
    TEXT("\"\\"),
    TEXT("\"\\a\""), TEXT("\"\\\0\""), TEXT("\"\\u\""), TEXT("\"\\u12\""), TEXT("\"\\u12G4\""), TEXT("\"\\U0041\""),
    TEXT("\"\\uD800\""), TEXT("\"\\uDC00\""), TEXT("\"\\uD800\\u0041\""), TEXT("\"\\uD800\\uD800\""),
    TEXT("\"\\uD800\\uDBFF\""),
    TEXT("\"\\uD800\\uE000\""), TEXT("\"\\uDC00\\uDC00\""),
    TEXT("\"\\uD800x\""),
    TEXT("\"\\uDC00\\uD800\""), TEXT("\"\\uD800\\"), TEXT("\"\\uD800\\u"), TEXT("\"\\uD800\\uDC0\""), TEXT("'a'"),
    TEXT("\"a\nb\""),
    TEXT("\"a\tb\""), TEXT("\"\x1f\""), TEXT("\"\0\""), TEXT("\"a\" \"b\""), TEXT("1 2"), TEXT("[1]\0"), TEXT("\0"),
    TEXT("// c\n1"), TEXT("/* c */1"), TEXT("[1/**/]"), TEXT("# c\n1"), TEXT("\xef\xbb\xbf{}"), TEXT("[\f1]"),
    TEXT("[\v1]"),
    TEXT("[\xc2\xa0""1]"), TEXT("\"\xff\""), TEXT("\"\xc3\""), TEXT("\"\xc0\x80\""), TEXT("\"\xed\xa0\x80\""),
    TEXT("\"\xf4\x90\x80\x80\""),
    TEXT("\"\xe2\x82\""), TEXT("\"\x80\""), TEXT("[\xe5]"), TEXT("{\"\xff\":1}"), TEXT("\xff"), TEXT("abc"),
    TEXT("undefined"), TEXT("<html>"),
};

TEST(accepts_what_is_json) {
    qn_buf out = {0};
    for (size_t i = 0; i < QN_LEN(good); i++) {
        CHECK_OK(skip_text(good[i].s, good[i].n), "%s", good[i].s);
        CHECK_OK(copy_text(good[i].s, good[i].n, 0, &out), "%s", good[i].s);
    }
    qn_buf_drop(&out);
}

TEST(refuses_what_is_not) {
    qn_buf out = {0};
    for (size_t i = 0; i < QN_LEN(bad); i++) {
        int skipped = skip_text(bad[i].s, bad[i].n);
        CHECK(skipped == QN_EFORMAT || skipped == QN_EUTF8, "case %zu: %s", i, bad[i].s);
        CHECK(strncmp(qn_error_message(), "doc.json:", 9) == 0, "case %zu: %s", i, bad[i].s);
        CHECK_INT(copy_text(bad[i].s, bad[i].n, 0, &out), skipped, "case %zu: %s", i, bad[i].s);
    }
    qn_buf_drop(&out);
}

TEST(every_beginning_of_a_document_is_refused) {
    static const char text[] = "{\"k\\u00e9y\": [1.5e+3, \"ä\\ud83d\\ude00\", true, null, {\"x\": false}], \"€\": -0}";
    qn_buf out = {0};
    CHECK_OK(skip_text(text, sizeof text - 1));
    for (size_t n = 0; n < sizeof text - 1; n++) {
        CHECK(skip_text(text, n) < 0, "%zu bytes", n);
        CHECK(copy_text(text, n, 0, &out) < 0, "%zu bytes", n);
    }
    qn_buf_drop(&out);
}

/* ---- places ---- */

TEST(errors_name_line_column_and_what_was_found) {
    static const struct { const char *text; int code; const char *want; } cases[] = {
        {"", QN_EFORMAT, "doc.json:1:1: expected a value, but the text ends here"},
        {"[1,\n 2,\n  x]", QN_EFORMAT, "doc.json:3:3: expected a value, found 'x'"},
        {"{\"a\": 1,\r\n\"b\" 2}", QN_EFORMAT, "doc.json:2:5: expected ':', found a number"},
        {"[\"äöü€\" 1]", QN_EFORMAT, "doc.json:1:9: expected ',' or ']', found a number"},
        {"[1,]", QN_EFORMAT, "doc.json:1:4: a comma must not stand before ']'"},
        {"{\"a\":1,}", QN_EFORMAT, "doc.json:1:8: a comma must not stand before '}'"},
        {"{\"a\":1", QN_EFORMAT, "doc.json:1:7: expected ',' or '}', but the text ends here"},
        {"{1:2}", QN_EFORMAT, "doc.json:1:2: expected a key in quotes, found a number"},
        {"[\n\"abc", QN_EFORMAT, "doc.json:2:1: a string begins here and never ends"},
        {"[\"ab\\x\"]", QN_EFORMAT, "doc.json:1:5: unknown escape"},
        {"\"ab\\u12z4\"", QN_EFORMAT, "doc.json:1:4: expected four hexadecimal digits"},
        {"\"ab\\udc00\"", QN_EFORMAT, "doc.json:1:4: a surrogate stands alone"},
        {"\"a\nb\"", QN_EFORMAT, "doc.json:1:3: a control character (0x0a) in a string must be escaped"},
        {"\"ab\xff\"", QN_EUTF8, "doc.json:1:4: the byte 0xff is not UTF-8"},
        {"[\xfe]", QN_EUTF8, "doc.json:1:2: expected a value, found the byte 0xfe, which is not UTF-8"},
        {"\xef\xbb\xbf{}", QN_EFORMAT, "doc.json:1:1: expected a value, found a byte order mark"},
        {"[01]", QN_EFORMAT, "doc.json:1:2: a number must not begin with a zero"},
        {"[1.x]", QN_EFORMAT, "doc.json:1:4: expected a digit after the decimal point, found 'x'"},
        {"[-]", QN_EFORMAT, "doc.json:1:3: expected a digit after the minus, found ']'"},
        {"[1e]", QN_EFORMAT, "doc.json:1:4: expected a digit in the exponent, found ']'"},
        {"[nul]", QN_EFORMAT, "doc.json:1:2: expected the word null, found 'n'"},
        {"1 \x01", QN_EFORMAT, "doc.json:1:3: expected the end of the text, found the control character 0x01"},
        {"{} {}", QN_EFORMAT, "doc.json:1:4: expected the end of the text, found an object"},
    };
    for (size_t i = 0; i < QN_LEN(cases); i++)
        CHECK_FAIL(skip_text(cases[i].text, strlen(cases[i].text)), cases[i].code, cases[i].want, "case %zu", i);
}

TEST(a_wrong_kind_says_what_was_expected) {
    qn_json j;
    qn_buf b = {0};
    int64_t i;
    double f;
    bool t;
#define ON(text) (qn_json_init(&j, text, sizeof(text) - 1, "x"), &j)
    CHECK_FAIL(qn_json_enter(ON(" [1]"), '{'), QN_EFORMAT, "x:1:2: expected an object, found an array");
    CHECK_FAIL(qn_json_enter(ON("{}"), '['), QN_EFORMAT, "expected an array, found an object");
    CHECK_FAIL(qn_json_string(ON("12"), &b), QN_EFORMAT, "expected a string, found a number");
    CHECK_FAIL(qn_json_i64(ON("\"1\""), &i), QN_EFORMAT, "expected a number, found a string");
    CHECK_FAIL(qn_json_f64(ON("true"), &f), QN_EFORMAT, "expected a number, found 't'");
    CHECK_FAIL(qn_json_bool(ON("null"), &t), QN_EFORMAT, "expected true or false, found 'n'");
    CHECK_FAIL(qn_json_null(ON("0")), QN_EFORMAT, "expected the word null, found a number");
#undef ON
    qn_buf_drop(&b);
}

TEST(own_errors_stand_at_the_value) {
    static const char text[] = "{\n  \"heads\": 0, \"list\": [1,\n 2]}";
    qn_json j;
    qn_str key;
    int64_t v;
    qn_json_init(&j, text, sizeof text - 1, "config.json");
    CHECK_OK(qn_json_enter(&j, '{'));
    CHECK_INT(qn_json_key(&j, &key), 1);
    CHECK_FAIL(qn_json_fail(&j, QN_EINVAL, "unknown key"), QN_EINVAL, "config.json:2:3: unknown key");
    CHECK_OK(qn_json_i64(&j, &v));
    CHECK_FAIL(qn_json_fail(&j, QN_ESHAPE, "%d heads", 0), QN_ESHAPE, "config.json:2:12: 0 heads");
    CHECK_INT(qn_json_key(&j, &key), 1);
    CHECK_OK(qn_json_skip(&j));
    CHECK_FAIL(qn_json_fail(&j, QN_ESHAPE, "too short"), QN_ESHAPE, "config.json:2:23: too short");
    CHECK_INT(qn_json_key(&j, &key), 0);
    CHECK_OK(qn_json_end(&j));
}

/* ---- depth ---- */

TEST(depth_is_bounded) {
    static char text[100000];
    qn_buf out = {0};
    for (int kind = 0; kind < 2; kind++)
        for (size_t depth = 63; depth <= 66; depth++) {
            size_t n = 0;
            for (size_t i = 0; i < depth; i++)
                n += (size_t)sprintf(text + n, "%s", kind == 0 ? "[" : i + 1 < depth ? "{\"a\":" : "{");
            for (size_t i = 0; i < depth; i++)
                text[n++] = kind == 0 ? ']' : '}';
            int want = depth <= QN_JSON_DEPTH ? 0 : QN_ELIMIT;
            CHECK_INT(skip_text(text, n), want, "kind %d, depth %zu", kind, depth);
            CHECK_INT(copy_text(text, n, 0, &out), want, "kind %d, depth %zu", kind, depth);
        }
    memset(text, '[', sizeof text);
    CHECK_FAIL(skip_text(text, sizeof text), QN_ELIMIT, "doc.json:1:65: nested deeper than 64 levels");
    qn_buf_drop(&out);
}

/* ---- values ---- */

TEST(numbers_at_the_edges) {
    static const struct { const char *text; int code; int64_t v; } cases[] = {
        {"0", 0, 0}, {"-0", 0, 0}, {"-0.0", 0, 0}, {"0e99999999999999999999", 0, 0}, {"0.000e-5", 0, 0},
        {"1e3", 0, 1000},
        {"2.0", 0, 2}, {"1.5e1", 0, 15}, {"1.50e1", 0, 15}, {"1200e-2", 0, 12}, {"-12.5e1", 0, -125},
        {"1e18", 0, 1000000000000000000},
        {"9223372036854775807", 0, INT64_MAX}, {"-9223372036854775808", 0, INT64_MIN},
        {"9223372036854775807.000", 0, INT64_MAX},
        {"922337203685477580700e-2", 0, INT64_MAX}, {"-9.223372036854775808e18", 0, INT64_MIN},
        {"9007199254740993.0", 0, 9007199254740993},
        {"9223372036854775808", QN_EFORMAT, 0}, {"-9223372036854775809", QN_EFORMAT, 0}, {"1e19", QN_EFORMAT, 0},
        {"9223372036854775808.0", QN_EFORMAT, 0}, {"1e999999999999999999999", QN_EFORMAT, 0}, {"1.5", QN_EFORMAT, 0},
        {"15e-1", QN_EFORMAT, 0}, {"1e-1", QN_EFORMAT, 0}, {"1e-99999999999999999999", QN_EFORMAT, 0},
    };
    for (size_t i = 0; i < QN_LEN(cases); i++) {
        qn_json j;
        int64_t v = 4711;
        qn_json_init(&j, cases[i].text, strlen(cases[i].text), "n");
        CHECK_INT(qn_json_i64(&j, &v), cases[i].code, "%s", cases[i].text);
        if (cases[i].code == 0)
            CHECK_INT(v, cases[i].v, "%s", cases[i].text);
        else
            CHECK_CONTAINS(qn_error_message(), cases[i].text);
    }
    qn_json j;
    double v;
    qn_json_init(&j, "-1.7976931348623157e308", 23, "n");
    CHECK_OK(qn_json_f64(&j, &v));
    CHECK(v == -1.7976931348623157e308);
    qn_json_init(&j, "1e309", 5, "n");
    CHECK_FAIL(qn_json_f64(&j, &v), QN_EFORMAT, "1e309 is too large");
}

TEST(strings_are_decoded) {
    static const struct { const char *text, *want; size_t n; } cases[] = {
        {"\"\"", "", 0}, {"\"plain\"", "plain", 5}, {"\"a\\nb\"", "a\nb", 3}, {"\"\\u0041\\u00e4\\u20AC\"", "Aä€", 6},
        {"\"\\ud83d\\uDE00\"", "😀", 4}, {"\"x\\u0000y\"", "x\0y", 3},
        {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t", 8},
        {"\"\\\\u0041\"", "\\u0041", 6}, {"\"Ġthe quick\\tbrown fox\"", "Ġthe quick\tbrown fox", 21},
        {"\"\\ud800\\udc00\\udbff\\udfff\"", "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf", 8},
    };
    for (size_t i = 0; i < QN_LEN(cases); i++) {
        doc d;
        qn_buf b = {0};
        qn_json *j = open_doc(&d, cases[i].text, strlen(cases[i].text));
        CHECK_OK(qn_buf_puts(&b, "<"));
        CHECK_OK(qn_json_string(j, &b), "%s", cases[i].text);
        CHECK_OK(qn_json_end(j));
        CHECK_INT(b.n, cases[i].n + 1, "%s", cases[i].text);
        CHECK(memcmp(b.s + 1, cases[i].want, cases[i].n) == 0, "%s", cases[i].text);
        qn_buf_drop(&b);
        close_doc(&d);
    }
}

/* A special byte at every place of a string, so at every place of the parser's eight-byte steps. */
TEST(strings_of_any_length) {
    static const struct { const char *text, *means; bool ok; } specials[] = {
        {"\\n", "\n", true}, {"\\u00e4", "ä", true}, {"€", "€", true}, {"ä", "ä", true}, {"\x7f", "\x7f", true},
        {"\x80", "", false}, {"\x1f", "", false}, {"\xc3", "", false},
    };
    for (size_t n = 0; n < 20; n++)
        for (size_t at = 0; at <= n; at++)
            for (size_t k = 0; k < QN_LEN(specials); k++) {
                qn_buf text = {0}, want = {0}, got = {0};
                doc d;
                CHECK_OK(qn_buf_printf(&text, "\"%.*s%s%.*s\"", (int)at, "abcdefghijklmnopqrst", specials[k].text,
                                       (int)(n - at), "ABCDEFGHIJKLMNOPQRST"));
                CHECK_OK(qn_buf_printf(&want, "%.*s%s%.*s", (int)at, "abcdefghijklmnopqrst", specials[k].means,
                                       (int)(n - at), "ABCDEFGHIJKLMNOPQRST"));
                int rc = qn_json_string(open_doc(&d, text.s, text.n), &got);
                CHECK_INT(rc == 0, specials[k].ok, "%s", text.s);
                CHECK(rc < 0 || qn_str_eq(qn_buf_view(&got), qn_buf_view(&want)), "%s", text.s);
                close_doc(&d);
                qn_buf_drop(&text);
                qn_buf_drop(&want);
                qn_buf_drop(&got);
            }
}

TEST(raw_gives_the_bytes) {
    static const char text[] = "{\"a\":  {\"x\" : [1, \"]}\"]} , \"b\":-1.5e3 }";
    qn_json j;
    qn_str key, raw;
    qn_json_init(&j, text, sizeof text - 1, "raw");
    CHECK_OK(qn_json_enter(&j, '{'));
    CHECK_INT(qn_json_key(&j, &key), 1);
    CHECK_OK(qn_json_raw(&j, &raw));
    CHECK_VIEW(raw, "{\"x\" : [1, \"]}\"]}");
    CHECK_INT(qn_json_key(&j, &key), 1);
    CHECK_VIEW(key, "b");
    CHECK_OK(qn_json_raw(&j, &raw));
    CHECK_VIEW(raw, "-1.5e3");
    CHECK_INT(qn_json_key(&j, &key), 0);
    CHECK_OK(qn_json_end(&j));
}

TEST(skipping_copies_nothing) {
    static const char text[] = "[{\"plain\": \"text\", \"esc\\n\": \"\\u0041\"}, 1.5, [true, null]]";
    int64_t calls = qn_mem_calls();
    qn_json j;
    qn_json_init(&j, text, sizeof text - 1, "skip");
    CHECK_OK(qn_json_skip(&j));
    CHECK_OK(qn_json_end(&j));
    CHECK_INT(qn_mem_calls(), calls);
    qn_json_drop(&j);
}

/* ---- the writer ---- */

static void write_sample(qn_jw *w) {
    qn_jw_open(w, '{');
    qn_jw_key(w, "name");
    qn_jw_str(w, QN_STR("a \"b\" \\ \n\x01 ä\xff"));
    qn_jw_key(w, "list");
    qn_jw_open(w, '[');
    qn_jw_i64(w, INT64_MIN);
    qn_jw_f64(w, 0.1);
    qn_jw_f64(w, NAN);
    qn_jw_bool(w, true);
    qn_jw_open(w, '[');
    qn_jw_close(w);
    qn_jw_close(w);
    qn_jw_key(w, "empty");
    qn_jw_open(w, '{');
    qn_jw_close(w);
    qn_jw_key(w, "no");
    qn_jw_bool(w, false);
    qn_jw_close(w);
}

TEST(the_writer_places_commas_and_quotes) {
    qn_buf b = {0};
    qn_jw w;
    qn_jw_init(&w, &b, 0);
    write_sample(&w);
    CHECK_OK(qn_jw_end(&w));
    CHECK_STR(b.s, "{\"name\":\"a \\\"b\\\" \\\\ \\n\\u0001 ä\xef\xbf\xbd\","
                   "\"list\":[-9223372036854775808,0.1,null,true,[]],"
                   "\"empty\":{},\"no\":false}");
    CHECK_OK(skip_text(b.s, b.n));
    qn_buf_clear(&b);
    qn_jw_init(&w, &b, 2);
    write_sample(&w);
    CHECK_OK(qn_jw_end(&w));
    CHECK_STR(b.s, "{\n  \"name\": \"a \\\"b\\\" \\\\ \\n\\u0001 ä\xef\xbf\xbd\",\n"
                   "  \"list\": [\n    -9223372036854775808,\n"
                   "    0.1,\n    null,\n    true,\n    []\n  ],\n  \"empty\": {},\n  \"no\": false\n}");
    CHECK_OK(skip_text(b.s, b.n));
    qn_buf_drop(&b);
}

TEST(the_writer_keeps_its_first_error) {
    qn_buf b = {0};
    qn_jw w;
    qn_jw_init(&w, &b, 0);
    for (int i = 0; i < 70; i++)
        qn_jw_open(&w, '[');
    for (int i = 0; i < 70; i++)
        qn_jw_close(&w);
    CHECK_FAIL(qn_jw_end(&w), QN_ELIMIT, "deeper than 64");
    qn_buf_drop(&b);
    for (int n = 0; n < 2; n++) {
        qn_jw_init(&w, &b, 2);
        qn_mem_fail_after(n);
        write_sample(&w);
        CHECK_FAIL(qn_jw_end(&w), QN_ENOMEM, "out of memory");
        qn_buf_drop(&b);
    }
}

/* Any bytes in quotes are JSON; what is UTF-8 comes back as it was. */
TEST(any_string_can_be_quoted) {
    for (uint64_t round = 0; round < 2000; round++) {
        char bytes[64];
        size_t n = round % sizeof bytes;
        for (size_t i = 0; i < n; i++) {
            uint64_t r = qn_rng_u64(5, QN_RNG_TEST, round, i);
            bytes[i] = (char)(round % 2 ? r : r & 0x7f);
        }
        qn_buf quoted = {0}, back = {0};
        doc d;
        CHECK_OK(qn_json_quote(&quoted, (qn_str){bytes, n}));
        CHECK_OK(qn_json_string(open_doc(&d, quoted.s, quoted.n), &back), "%s", quoted.s);
        if (qn_utf8_check(bytes, n) == QN_UTF8_OK)
            CHECK(qn_str_eq(qn_buf_view(&back), (qn_str){bytes, n}), "%s", quoted.s);
        close_doc(&d);
        qn_buf_drop(&quoted);
        qn_buf_drop(&back);
    }
}

TEST(written_text_reads_back_the_same) {
    qn_buf once = {0}, twice = {0};
    for (size_t i = 0; i < QN_LEN(good); i++)
        for (int indent = 0; indent < 4; indent += 2) {
            CHECK_OK(copy_text(good[i].s, good[i].n, indent, &once), "%s", good[i].s);
            CHECK_OK(copy_text(once.s, once.n, indent, &twice), "%s", once.s);
            CHECK_STR(twice.s, once.s);
        }
    qn_buf_drop(&once);
    qn_buf_drop(&twice);
}

TEST(memory_failures_leave_nothing_behind) {
    static const char text[] = "{\"k\\u0065y that is long enough to need room of its own, and more than that\": "
                               "[\"a\\tb and quite some more text, so that the buffer has to grow at least once\"]}";
    int64_t before = qn_mem_stats_get(QN_MEM_BASE).live_bytes;
    int failed = 0;
    for (int n = 0; n < 12; n++) {
        qn_json j;
        qn_jw w;
        qn_buf out = {0};
        qn_json_init(&j, text, sizeof text - 1, "mem");
        qn_jw_init(&w, &out, 0);
        qn_mem_fail_after(n);
        int rc = copy_value(&j, &w);
        rc = rc < 0 ? rc : qn_jw_end(&w);
        qn_mem_fail_after(-1);
        CHECK(rc == 0 || rc == QN_ENOMEM, "allocation %d: %d", n, rc);
        failed += rc < 0;
        qn_json_drop(&j);
        qn_buf_drop(&out);
        CHECK_NO_LEAK(QN_MEM_BASE, before, "allocation %d", n);
    }
    CHECK(failed >= 4 && failed < 12);
}
