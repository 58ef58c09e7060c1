/* tests/unit/test_config_file.c — options from a YAML file: what they mean, what is refused and where, and what a
 * hostile file may try. */
#include "test.h"

#include "cli/cli.h"

static const qn_opt opts[] = {
    QN_OPT_INT("n", "tokens", "128", 1, 1e6, "how many"),
    QN_OPT_FLOAT("", "learning-rate", NULL, 0, 1, "how fast"),
    QN_OPT_STRING("", "name", NULL, "NAME", "what it is called"),
    QN_OPT_FILE("o", "out", NULL, "where it goes"),
    QN_OPT_ENUM("", "arch", "llama", "llama|gpt2", "which family"),
    QN_OPT_LIST("", "stop", "TEXT", "where to stop"),
    QN_OPT_COUNT("", "params", NULL, 1, 1e12, "how large"),
    QN_OPT_DURATION("", "time", NULL, 1, 86400, "how long"),
    QN_OPT_FLAG("", "tied", "one matrix for both"),
    QN_OPT_CONFIG,
    QN_OPT_JSON,
    QN_OPT_END
};
static int nothing(qn_cli *c) { return c->out_fd < 0 ? QN_EIO : 0; }
static const char *const examples[] = {"quern make", NULL};
static const qn_cmd make = {"make", "[TEXT]", "makes", opts, examples, nothing, NULL};

/* The command line before --config FILE with this text; the command is the caller's to drop. */
static int config(qn_cli *c, const char *text, size_t n, int argc, const char *const *argv) {
    const char *words[16];
    const char *path = qn_test_write("run.yaml", text, n);
    for (int i = 0; i < argc; i++)
        words[i] = argv[i];
    words[argc] = "--config";
    words[argc + 1] = path;
    qn_cli_init(c, (qn_cli_env){0});
    CHECK_OK(qn_cli_parse_as(c, &make, argc + 2, words));
    return qn_cli_config(c);
}

static int read_text(qn_cli *c, const char *text) { return config(c, text, strlen(text), 0, NULL); }

TEST(all_kinds_of_values) {
    const int64_t before = qn_mem_stats_get(QN_MEM_CLI).live_bytes;
    qn_cli c;
    size_t n;
    CHECK_OK(read_text(&c, "# how it shall be\n---\ntokens: 7\nlearning_rate: 3e-4\nname: 'a: b'\nout: \"x\\ty\"\n"
                           "arch: gpt2\nstop: [one, \"two\", 3]\nparams: 0.9M\ntime: 1h30m\ntied: true\njson: false\n"
                           "threads: 3\n"));
    CHECK_INT(qn_cli_int(&c, "tokens"), 7);
    CHECK_NEAR(qn_cli_float(&c, "learning-rate"), 3e-4, 0);
    CHECK_STR(qn_cli_str(&c, "name"), "a: b");
    CHECK_STR(qn_cli_str(&c, "out"), "x\ty");
    CHECK_STR(qn_cli_str(&c, "arch"), "gpt2");
    CHECK_INT(qn_cli_enum(&c, "arch"), 1);
    const char *const *stop = qn_cli_list(&c, "stop", &n);
    CHECK_INT(n, 3);
    CHECK_STR(stop[1], "two");
    CHECK_STR(stop[2], "3");
    CHECK_INT(qn_cli_int(&c, "params"), 900000);
    CHECK_NEAR(qn_cli_float(&c, "time"), 5400, 0);
    CHECK(qn_cli_flag(&c, "tied") && !qn_cli_flag(&c, "json"));
    CHECK_INT(qn_cli_int(&c, "threads"), 3, "options of every command too");
    CHECK(qn_cli_given(&c, "tokens"));
    qn_cli_drop(&c);
    CHECK_NO_LEAK(QN_MEM_CLI, before);
}

TEST(the_command_line_wins) {
    const int64_t before = qn_mem_stats_get(QN_MEM_CLI).live_bytes;
    const char *const argv[] = {"-n", "9", "--stop", "mine", "--tied"};
    static const char text[] = "tokens: 7\nstop: [a, b]\ntied: false\nname: file\n";
    qn_cli c;
    size_t n;
    CHECK_OK(config(&c, text, strlen(text), 5, argv));
    CHECK_INT(qn_cli_int(&c, "tokens"), 9);
    CHECK_STR(qn_cli_list(&c, "stop", &n)[0], "mine");
    CHECK_INT(n, 1);
    CHECK(qn_cli_flag(&c, "tied"));
    CHECK_STR(qn_cli_str(&c, "name"), "file");
    qn_cli_drop(&c);
    CHECK_FAIL(config(&c, "tokens: many\n", 13, 5, argv), QN_EUSAGE, "run.yaml:1:1: --tokens many: a whole number",
               "what is not used is checked all the same");
    qn_cli_drop(&c);
    CHECK_NO_LEAK(QN_MEM_CLI, before);
}

TEST(files_without_an_option) {
    static const char *const texts[] = {"", "\n\n", "# nothing\n", "---\n", "---\n...\n", "{}\n", "~\n",
                                        "\xef\xbb\xbf# a mark\n"};
    for (size_t i = 0; i < QN_LEN(texts); i++) {
        qn_cli c;
        CHECK_OK(read_text(&c, texts[i]), "%s", texts[i]);
        CHECK_INT(qn_cli_int(&c, "tokens"), 128);
        CHECK(!qn_cli_given(&c, "tokens"));
        qn_cli_drop(&c);
    }
}

TEST(one_value_serves_an_option_that_repeats) {
    qn_cli c;
    size_t n;
    CHECK_OK(read_text(&c, "{stop: end, name: \"null\"}"));
    CHECK_STR(qn_cli_list(&c, "stop", &n)[0], "end");
    CHECK_STR(qn_cli_str(&c, "name"), "null", "in quotes it is a word");
    qn_cli_drop(&c);
    CHECK_OK(read_text(&c, "stop: []\n"));
    qn_cli_list(&c, "stop", &n);
    CHECK_INT(n, 0);
    qn_cli_drop(&c);
}

/* ---- mistakes ---------------------------------------------------------------------------------------------------- */

static const struct { const char *text; int code; const char *says; } mistakes[] = {
    {"tokens: 7\n\n  \nstpo: x\n", QN_EUSAGE, "run.yaml:4:1: no option --stpo; did you mean --stop?"},
    {"learning_rte: 1", QN_EUSAGE, "run.yaml:1:1: no option --learning-rte; did you mean --learning-rate?"},
    {"zzzzzzzz: 1", QN_EUSAGE, "run.yaml:1:1: no option --zzzzzzzz"},
    {"n: 1", QN_EUSAGE, "run.yaml:1:1: no option --n"},
    {"--tokens: 1", QN_EUSAGE, "run.yaml:1:1: no option"},
    {"\"\": 1", QN_EUSAGE, "run.yaml:1:1: no option"},
    {"\"tokens\\0\": 1", QN_EUSAGE, "run.yaml:1:1: no option"},
    {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa: 1", QN_EUSAGE,
     "no option --aaaa"},
    {"name: a\ntokens: 7.5", QN_EUSAGE, "run.yaml:2:1: --tokens 7.5: a whole number is needed"},
    {"tokens: 0", QN_EUSAGE, "run.yaml:1:1: --tokens 0: must be from 1 to 1000000"},
    {"tokens: 0x10", QN_EUSAGE, "--tokens 0x10: a whole number"},
    {"learning-rate: .inf", QN_EUSAGE, "--learning-rate .inf: a number is needed"},
    {"arch: bert", QN_EUSAGE, "run.yaml:1:1: --arch bert: must be one of llama|gpt2"},
    {"params: 0.5", QN_EUSAGE, "--params 0.5: a count is needed"},
    {"time: 3x", QN_EUSAGE, "--time 3x: a time is needed"},
    {"tied: yes", QN_EUSAGE, "run.yaml:1:1: --tied yes: must be true or false"},
    {"tied: 1", QN_EUSAGE, "must be true or false"},
    {"tokens:\n", QN_EUSAGE, "run.yaml:1:8: --tokens has no value; leave the line out"},
    {"name: ~", QN_EUSAGE, "run.yaml:1:7: --name has no value"},
    {"stop: [a, null]", QN_EUSAGE, "run.yaml:1:11: --stop has no value"},
    {"tokens: [1, 2]", QN_EUSAGE, "run.yaml:1:9: --tokens: one value is needed, not a list"},
    {"tokens: {a: 1}", QN_EUSAGE, "run.yaml:1:9: --tokens: nested values"},
    {"name:\n  first: x\n", QN_EUSAGE, "run.yaml:2:3: --name: nested values; options are flat"},
    {"stop: [a, [b]]", QN_EUSAGE, "run.yaml:1:11: --stop: nested values"},
    {"stop:\n- a\n- {b: c}\n", QN_EUSAGE, "run.yaml:3:3: --stop: nested values"},
    {"tokens: 1\nname: x\ntokens: 2\n", QN_EUSAGE, "run.yaml:3:1: --tokens stands here for the second time"},
    {"learning-rate: 1\nlearning_rate: 1", QN_EUSAGE, "run.yaml:2:1: --learning-rate stands here for the second time"},
    {"config: other.yaml", QN_EUSAGE, "run.yaml:1:1: --config belongs on the command line"},
    {"help: true", QN_EUSAGE, "--help belongs on the command line"},
    {"- tokens\n", QN_EUSAGE, "run.yaml:1:1: options are needed"},
    {"tokens", QN_EUSAGE, "run.yaml:1:1: options are needed"},
    {"? [a]\n: 1\n", QN_EUSAGE, "run.yaml:1:3: the name of an option is needed here"},
    {"tokens: 1\n---\ntokens: 2\n", QN_EUSAGE, "run.yaml:2:1: a second document"},
    {"name: &a x", QN_EUSAGE, "run.yaml:1:7: anchors and aliases (&a, *a) are not taken"},
    {"name: x\nstop: *a", QN_EUSAGE, "run.yaml:2:7: anchors and aliases"},
    {"<<: *a", QN_EUSAGE, "no option --<<"},
    {"stop: &l [x]", QN_EUSAGE, "anchors and aliases (&l, *l)"},
    {"&m {name: x}", QN_EUSAGE, "anchors and aliases (&m, *m)"},
    {"tokens: !!str 1", QN_EUSAGE, "run.yaml:1:9: tags (tag:yaml.org,2002:str) are not taken"},
    {"name: !python/object:os.system x", QN_EUSAGE, "tags ("},
    {"name: \"a\\0b\"", QN_EUSAGE, "run.yaml:1:7: --name: a value with a zero byte"},
    {"name: 'open\n", QN_EFORMAT, "run.yaml:2:1: no YAML: "},
    {"name: a: b\n", QN_EFORMAT, "run.yaml:1:8: no YAML: "},
    {"{tokens: 1", QN_EFORMAT, "no YAML: "},
    {"\ttokens: 1", QN_EFORMAT, "no YAML: "},
    {"%YAML 9.9\n---\ntokens: 1", QN_EFORMAT, "no YAML: "},
    {"tokens: @1", QN_EFORMAT, "no YAML: "},
    {"name: \xff\xfe", QN_EUTF8, "run.yaml: byte "},
    {"name: \x01", QN_EUTF8, "run.yaml: byte "},
};

TEST(mistakes_are_named_with_their_place) {
    const int64_t before = qn_mem_stats_get(QN_MEM_CLI).live_bytes;
    for (size_t i = 0; i < QN_LEN(mistakes); i++) {
        qn_cli c;
        CHECK_FAIL(read_text(&c, mistakes[i].text), mistakes[i].code, mistakes[i].says, "%s", mistakes[i].text);
        qn_cli_drop(&c);
    }
    CHECK_NO_LEAK(QN_MEM_CLI, before);
}

TEST(files_that_cannot_be_read) {
    qn_cli c;
    qn_cli_init(&c, (qn_cli_env){0});
    CHECK_OK(qn_cli_parse_as(&c, &make, 2, (const char *const[]){"--config", qn_test_temp("none.yaml")}));
    CHECK_FAIL(qn_cli_config(&c), QN_ENOTFOUND, "none.yaml: cannot open");
    qn_cli_drop(&c);
    qn_cli_init(&c, (qn_cli_env){0});
    CHECK_OK(qn_cli_parse_as(&c, &make, 2, (const char *const[]){"--config", qn_test_temp_dir()}));
    CHECK_FAIL(qn_cli_config(&c), QN_EIO, "is a directory");
    qn_cli_drop(&c);
    static char large[(256 << 10) + 1];
    memset(large, '#', sizeof large);
    CHECK_FAIL(config(&c, large, sizeof large, 0, NULL), QN_ELIMIT, "longer than the limit");
    qn_cli_drop(&c);
}

TEST(no_config_asked_for_or_no_such_option) {
    qn_cli c;
    qn_cli_init(&c, (qn_cli_env){0});
    CHECK_OK(qn_cli_parse_as(&c, &make, 0, NULL));
    CHECK_OK(qn_cli_config(&c));
    qn_cli_drop(&c);
    qn_cli_init(&c, (qn_cli_env){0});
    CHECK_OK(qn_cli_parse_as(&c, &qn_cmd_version, 0, NULL));
    CHECK_OK(qn_cli_config(&c));
    qn_cli_drop(&c);
}

/* ---- hostile files ----------------------------------------------------------------------------------------------- */

/* Deep nesting in each way that YAML has; a reader that recurses or looks far ahead would show. */
TEST(deep_nesting_is_refused_at_once) {
    static const char *const openers[] = {"[", "{", "- ", "? ", "{a: ", "[[{", "!a [", "&a [", "\"\\u0041"};
    for (size_t i = 0; i < QN_LEN(openers); i++) {
        qn_buf b = {0};
        qn_cli c;
        CHECK_OK(qn_buf_puts(&b, "stop: "));
        while (b.n + 16 < (256 << 10))
            CHECK_OK(qn_buf_puts(&b, openers[i]));
        const int rc = config(&c, b.s, b.n, 0, NULL);
        CHECK(rc == QN_EUSAGE || rc == QN_EFORMAT, "%s: %s", openers[i], qn_error_name(rc));
        qn_cli_drop(&c);
        CHECK(config(&c, b.s + 6, b.n - 6, 0, NULL) < 0, "%s as the document", openers[i]);
        qn_cli_drop(&c);
        qn_buf_drop(&b);
    }
}

TEST(a_billion_laughs_stay_unheard) {
    static const char text[] = "a: &a [x, x, x, x, x, x, x, x, x]\nb: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a]\n";
    static const char known[] = "stop: &a [x, x]\nname: *a\n";
    qn_cli c;
    CHECK_FAIL(config(&c, text, strlen(text), 0, NULL), QN_EUSAGE, "no option --a");
    qn_cli_drop(&c);
    CHECK_FAIL(config(&c, known, strlen(known), 0, NULL), QN_EUSAGE, "anchors");
    qn_cli_drop(&c);
}

/* Every prefix and every one-byte change of a file: an error or not, but nothing else. */
TEST(broken_in_every_place) {
    static const char good[] = "# x\ntokens: 7\nstop: [one, \"t\\tw\", 'o']\nname: >-\n  folded\n  text\ntied: true\n";
    static const char bytes[] = {0, '\n', ':', '[', '{', '&', '*', '!', '|', '%', '"', (char)0x80, (char)0xff, ' '};
    const int64_t before = qn_mem_stats_get(QN_MEM_CLI).live_bytes;
    char text[sizeof good];
    qn_cli c;
    for (size_t n = 0; n < sizeof good; n++) {
        config(&c, good, n, 0, NULL);
        qn_cli_drop(&c);
    }
    for (size_t at = 0; at + 1 < sizeof good; at++)
        for (size_t b = 0; b < QN_LEN(bytes); b++) {
            memcpy(text, good, sizeof good);
            text[at] = bytes[b];
            config(&c, text, sizeof good - 1, 0, NULL);
            qn_cli_drop(&c);
        }
    CHECK_NO_LEAK(QN_MEM_CLI, before);
}

TEST(memory_that_runs_out_is_an_error) {
    static const char text[] = "tokens: 7\nstop: [a, b]\nname: x\n";
    const int64_t before = qn_mem_stats_get(QN_MEM_CLI).live_bytes;
    const char *argv[] = {"--config", qn_test_write("run.yaml", text, strlen(text))};
    int rc = QN_ENOMEM;
    for (int64_t n = 0; rc < 0; n++) {
        qn_cli c;
        qn_cli_init(&c, (qn_cli_env){0});
        CHECK_OK(qn_cli_parse_as(&c, &make, 2, argv));
        qn_mem_fail_after(n);
        rc = qn_cli_config(&c);
        qn_mem_fail_after(-1);
        CHECK(rc == 0 || rc == QN_ENOMEM, "allocation %lld: %s", (long long)n, qn_error_name(rc));
        qn_cli_drop(&c);
        CHECK(n < 100);
    }
    CHECK_NO_LEAK(QN_MEM_CLI, before);
}
