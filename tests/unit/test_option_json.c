/* tests/unit/test_option_json.c — a command's options into a manifest and back, to the bit. */
#include "test.h"

#include "cli/cli.h"

static const qn_opt opts[] = {
    QN_OPT_INT("n", "tokens", "128", 1, 9.1e18, "how many"),
    QN_OPT_FLOAT("", "rate", NULL, -1, 1, "how fast"),
    QN_OPT_STRING("", "name", NULL, "NAME", "what it is called"),
    QN_OPT_ENUM("", "arch", NULL, "llama|gpt2", "which family"),
    QN_OPT_LIST("", "stop", "TEXT", "where to stop"),
    QN_OPT_COUNT("", "params", "2k", 1, 1e12, "how large"),
    QN_OPT_DURATION("", "time", NULL, 0, 86400, "how long"),
    QN_OPT_FLAG("", "tied", "one matrix for both"),
    QN_OPT_CONFIG,
    QN_OPT_END
};
static int nothing(qn_cli *c) { return c->out_fd < 0 ? QN_EIO : 0; }
static const char *const examples[] = {"quern make", NULL};
static const qn_cmd make = {"make", "", "makes", opts, examples, nothing, NULL};

static void parse(qn_cli *c, int argc, const char *const *argv) {
    qn_cli_init(c, (qn_cli_env){0});
    CHECK_OK(qn_cli_parse_as(c, &make, argc, argv));
}
#define WORDS(...) (int)QN_LEN(((const char *const[]){__VA_ARGS__})), (const char *const[]){__VA_ARGS__}

static char *text_of(const qn_cli *c) {
    static qn_buf b;
    qn_jw w;
    qn_buf_clear(&b);
    qn_jw_init(&w, &b, 0);
    qn_jw_open(&w, '{');
    CHECK_OK(qn_cli_put_options(c, &w));
    qn_jw_close(&w);
    CHECK_OK(qn_jw_end(&w));
    return b.s;
}

TEST(what_nobody_asked_for_is_its_default_or_null) {
    qn_cli c;
    parse(&c, 0, NULL);
    CHECK_STR(text_of(&c), "{\"tokens\":128,\"rate\":null,\"name\":null,\"arch\":null,\"stop\":[],\"params\":2000,"
                           "\"time\":null,\"tied\":false,\"given\":[]}");
    qn_cli_drop(&c);
}

TEST(values_come_back_to_the_bit) {
    const int64_t before = qn_mem_stats_get(QN_MEM_CLI).live_bytes;
    qn_cli c, again;
    size_t n;
    parse(&c, WORDS("--tokens=9007199254740993", "--rate", "-0.1234567890123456789e-7", "--name=a \"b\"\n\xc3\xbc",
                    "--arch=gpt2", "--stop", "x", "--stop=", "--params", "1.3B", "--time=90m", "--tied"));
    char first[1024];
    snprintf(first, sizeof first, "%s", text_of(&c));
    CHECK_CONTAINS(first, "\"time\":5400");
    CHECK_CONTAINS(first, "\"stop\":[\"x\",\"\"]");
    CHECK_CONTAINS(first, "\"given\":[\"tokens\",\"rate\",\"name\",\"arch\",\"stop\",\"params\",\"time\",\"tied\"]");
    parse(&again, 0, NULL);
    CHECK_OK(qn_cli_take_options(&again, qn_str_of(first), "manifest.json"));
    CHECK_STR(text_of(&again), first);
    const double got = qn_cli_float(&again, "rate"), want = qn_cli_float(&c, "rate");
    CHECK(memcmp(&got, &want, sizeof got) == 0);
    CHECK_INT(qn_cli_enum(&again, "arch"), 1);
    CHECK_STR(qn_cli_list(&again, "stop", &n)[1], "");
    CHECK_INT(n, 2);
    CHECK(qn_cli_given(&again, "params") && qn_cli_flag(&again, "tied"));
    qn_cli_drop(&again);
    qn_cli_drop(&c);
    parse(&again, 0, NULL);
    CHECK_OK(qn_cli_take_options(&again, QN_STR("{\"given\": [\"name\"], \"tokens\": 3, \"name\": \"x\"}"), "m"));
    CHECK(qn_cli_given(&again, "name") && !qn_cli_given(&again, "tokens"), "whatever the order");
    CHECK_INT(qn_cli_int(&again, "tokens"), 3);
    CHECK_STR(qn_cli_str(&again, "name"), "x");
    qn_cli_drop(&again);
    CHECK_NO_LEAK(QN_MEM_CLI, before);
}

TEST(the_command_line_wins) {
    qn_cli c;
    parse(&c, WORDS("--tokens", "5", "--stop", "mine"));
    size_t n;
    CHECK_OK(qn_cli_take_options(&c, QN_STR("{\"tokens\":7,\"stop\":[\"a\",\"b\"],\"name\":\"x\",\"given\":[]}"), "m"));
    CHECK_INT(qn_cli_int(&c, "tokens"), 5);
    CHECK_STR(qn_cli_list(&c, "stop", &n)[0], "mine");
    CHECK_INT(n, 1);
    CHECK_STR(qn_cli_str(&c, "name"), "x");
    qn_cli_drop(&c);
}

TEST(what_does_not_fit_is_named) {
    static const struct { const char *text; int code; const char *says; } cases[] = {
        {"{\"toknes\": 1}", QN_EFORMAT, "m.json:1:2: `make` has no option --toknes in this version"},
        {"{\"config\": \"x\"}", QN_EFORMAT, "has no option --config"},
        {"{\n \"tokens\": \"many\"}", QN_EFORMAT, "m.json:2:12: --tokens many: a whole number is needed"},
        {"{\"tokens\": 0}", QN_EFORMAT, "must be from 1"},
        {"{\"tokens\": 1.5}", QN_EFORMAT, "a whole number"},
        {"{\"tokens\": [1, 2]}", QN_EFORMAT, "one value is needed, not a list"},
        {"{\"tokens\": {}}", QN_EFORMAT, "a single value is needed"},
        {"{\"stop\": [[\"a\"]]}", QN_EFORMAT, "a single value is needed"},
        {"{\"name\": \"a\\u0000b\"}", QN_EFORMAT, "a zero byte"},
        {"{\"arch\": \"bert\"}", QN_EFORMAT, "must be one of llama|gpt2"},
        {"{\"tied\": 1}", QN_EFORMAT, "must be true or false"},
        {"[]", QN_EFORMAT, "m.json:1:1"},
        {"{\"tokens\": 1", QN_EFORMAT, "m.json:1:"},
        {"{} x", QN_EFORMAT, "m.json:1:4"},
    };
    const int64_t before = qn_mem_stats_get(QN_MEM_CLI).live_bytes;
    for (size_t i = 0; i < QN_LEN(cases); i++) {
        qn_cli c;
        parse(&c, 0, NULL);
        CHECK_FAIL(qn_cli_take_options(&c, qn_str_of(cases[i].text), "m.json"), cases[i].code, cases[i].says, "%s",
                   cases[i].text);
        qn_cli_drop(&c);
    }
    CHECK_NO_LEAK(QN_MEM_CLI, before);
}

TEST(memory_that_runs_out_is_an_error) {
    const int64_t before = qn_mem_stats_get(QN_MEM_CLI).live_bytes;
    int rc = QN_ENOMEM;
    for (int64_t n = 0; rc < 0; n++) {
        qn_cli c;
        parse(&c, 0, NULL);
        qn_mem_fail_after(n);
        rc = qn_cli_take_options(&c, QN_STR("{\"stop\":[\"a\",\"b\"],\"name\":\"x\",\"given\":[\"stop\"]}"), "m");
        qn_mem_fail_after(-1);
        CHECK(rc == 0 || rc == QN_ENOMEM, "allocation %lld: %s", (long long)n, qn_error_name(rc));
        qn_cli_drop(&c);
        CHECK(n < 100);
    }
    CHECK_NO_LEAK(QN_MEM_CLI, before);
}
