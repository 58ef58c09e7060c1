/* tests/unit/test_options.c — argv against option tables: what is understood, what is refused and in which words. */
#include "test.h"

#include "cli/open_model.h"

static const qn_opt opts[] = {
    QN_OPT_INT("n", "tokens", "128", 1, 1e6, "stop after N tokens"),
    QN_OPT_FLOAT("", "temp", "0.8", 0, QN_NO_LIMIT, "temperature"),
    QN_OPT_STRING("p", "prompt", NULL, "TEXT", "the prompt"),
    QN_OPT_FILE("f", "file", NULL, "read the prompt from FILE"),
    QN_OPT_ENUM("", "weights", NULL, "f32|bf16|as-is", "convert at load"),
    QN_OPT_LIST("", "stop", "TEXT", "stop at TEXT"),
    QN_OPT_FLAG("x", "extra", "more of it"),
    QN_OPT_END
};
static int no_run(qn_cli *c) { return (int)qn_cli_args(c); }
static const qn_cmd sample = {"sample", "MODEL [TEXT]", "a command of this test", opts, NULL, no_run, NULL};

#define WORDS(...) (const char *const[]){__VA_ARGS__, NULL}

/* Parses for the command above, as main does after it has found the verb. */
static int parse(qn_cli *c, const qn_cmd *cmd, const char *const *argv) {
    int argc = 0;
    while (argv[argc])
        argc++;
    qn_cli_init(c, (qn_cli_env){0});
    return cmd ? qn_cli_parse_as(c, cmd, argc, argv) : qn_cli_parse(c, argc, argv);
}

TEST(defaults_and_absence) {
    qn_cli c;
    size_t n;
    CHECK_OK(parse(&c, &sample, WORDS("model.gguf")));
    CHECK_INT(qn_cli_int(&c, "tokens"), 128);
    CHECK_NEAR(qn_cli_float(&c, "temp"), 0.8, 0);
    CHECK(qn_cli_str(&c, "prompt") == NULL);
    CHECK_INT(qn_cli_enum(&c, "weights"), -1);
    CHECK(qn_cli_list(&c, "stop", &n) == NULL);
    CHECK_INT(n, 0);
    CHECK(!qn_cli_flag(&c, "extra") && !qn_cli_given(&c, "tokens") && !qn_cli_json(&c));
    CHECK_STR(qn_cli_arg(&c, 0), "model.gguf");
    CHECK(qn_cli_arg(&c, 1) == NULL);
    CHECK_INT(qn_cli_isa(&c), QN_ISA_LEVELS - 1, "no cap");
    qn_cli_drop(&c);
}

TEST(every_spelling_of_a_value) {
    const char *const *const spellings[] = {
        WORDS("m", "--tokens", "7"), WORDS("--tokens=7", "m"), WORDS("-n", "7", "m"), WORDS("m", "-n7"),
        WORDS("-xn7", "m"), WORDS("m", "-n", "3", "-n", "7")
    };
    for (size_t i = 0; i < QN_LEN(spellings); i++) {
        qn_cli c;
        CHECK_OK(parse(&c, &sample, spellings[i]), "spelling %zu", i);
        CHECK_INT(qn_cli_int(&c, "tokens"), 7, "spelling %zu", i);
        CHECK(qn_cli_given(&c, "tokens"), "spelling %zu", i);
        CHECK_INT(qn_cli_args(&c), 1, "spelling %zu", i);
        qn_cli_drop(&c);
    }
}

TEST(values_of_each_kind) {
    qn_cli c;
    size_t n;
    CHECK_OK(parse(&c, &sample, WORDS("m", "--temp", "1e-3", "-p", "-v", "--weights=as-is", "--stop", "a", "--stop=",
                                      "-q", "--isa", "avx2", "--", "--text")));
    CHECK_NEAR(qn_cli_float(&c, "temp"), 1e-3, 0);
    CHECK_STR(qn_cli_str(&c, "prompt"), "-v", "a value may begin with a dash");
    CHECK_INT(qn_cli_enum(&c, "weights"), 2);
    CHECK_STR(qn_cli_str(&c, "weights"), "as-is");
    const char *const *stop = qn_cli_list(&c, "stop", &n);
    CHECK_INT(n, 2);
    CHECK_STR(stop[0], "a");
    CHECK_STR(stop[1], "");
    CHECK(qn_cli_flag(&c, "quiet") && !qn_cli_flag(&c, "verbose"));
    CHECK_STR(qn_cli_arg(&c, 1), "--text", "what follows -- is no option");
    CHECK_INT(qn_cli_isa(&c), QN_ISA_AVX2);
    qn_cli_drop(&c);
}

TEST(refusals_say_what_to_do) {
    const struct { const char *says; const char *const *argv; } bad[] = {
        {"no option --tokns; did you mean --tokens?", WORDS("m", "--tokns", "3")},
        {"no option --tokns=3; did you mean --tokens?", WORDS("m", "--tokns=3")},
        {"no option --zzzzzzzz", WORDS("m", "--zzzzzzzz")},
        {"no option -z", WORDS("m", "-z")},
        {"--tokens needs a value: N", WORDS("m", "--tokens")},
        {"--tokens 0: must be from 1 to 1000000", WORDS("m", "-n", "0")},
        {"--tokens 12x: a whole number is needed", WORDS("m", "-n", "12x")},
        {"--tokens : a whole number is needed", WORDS("m", "--tokens=")},
        {"a whole number is needed", WORDS("m", "-n", "99999999999999999999")},
        {"--temp -1: must be at least 0", WORDS("m", "--temp", "-1")},
        {"--temp nan", WORDS("m", "--temp", "nan")},
        {"--weights f16: must be one of f32|bf16|as-is", WORDS("m", "--weights", "f16")},
        {"--weights f3: must be one of", WORDS("m", "--weights", "f3")},
        {"--extra takes no value", WORDS("m", "--extra=1")},
        {"the argument is missing; needed: quern sample MODEL [TEXT]", WORDS("-x")},
        {"\"c\" is one argument too many", WORDS("a", "b", "c")},
    };
    for (size_t i = 0; i < QN_LEN(bad); i++) {
        qn_cli c;
        CHECK_FAIL(parse(&c, &sample, bad[i].argv), QN_EUSAGE, bad[i].says, "%s", bad[i].says);
        qn_cli_drop(&c);
    }
}

/* ---- numbers with a unit ----------------------------------------------------------------------------------------- */

static const qn_opt unit_opts[] = {
    QN_OPT_COUNT("", "params", "0.5M", -1e12, 1e15, "how large"),
    QN_OPT_DURATION("t", "time", "3m", 0.5, 1e6, "how long"),
    QN_OPT_END
};
static const qn_cmd units = {"units", "", "a command of this test", unit_opts, NULL, no_run, NULL};

TEST(counts_in_thousands) {
    static const struct { const char *text; int64_t n; } good[] = {
        {"900", 900}, {"2k", 2000}, {"2K", 2000}, {"0.9M", 900000}, {"124M", 124000000}, {"1.3B", 1300000000},
        {"1.3G", 1300000000}, {"0.7k", 700}, {"0.07k", 70}, {"2T", 2000000000000}, {"-1k", -1000}, {"1e3k", 1000000},
        {"0.000123M", 123}, {"999999999999999", 999999999999999}, {"1e12", 1000000000000}
    };
    static const char *const bad[] = {"", "k", "M", "1.5", "0.0005k", "1m", "1kk", "1 k", "k1", "0x1k", "1e30T", "1M5",
                                      "99999999999999999999", "nank", "1.23456k", "-"};
    qn_cli c;
    CHECK_OK(parse(&c, &units, WORDS("--")));
    CHECK_INT(qn_cli_int(&c, "params"), 500000);
    CHECK_NEAR(qn_cli_float(&c, "time"), 180, 0);
    qn_cli_drop(&c);
    for (size_t i = 0; i < QN_LEN(good); i++) {
        CHECK_OK(parse(&c, &units, WORDS("--params", good[i].text)), "%s", good[i].text);
        CHECK_INT(qn_cli_int(&c, "params"), good[i].n, "%s", good[i].text);
        qn_cli_drop(&c);
    }
    for (size_t i = 0; i < QN_LEN(bad); i++) {
        CHECK_FAIL(parse(&c, &units, WORDS("--params", bad[i])), QN_EUSAGE, "a count is needed, such as 900, 64k",
                   "\"%s\"", bad[i]);
        qn_cli_drop(&c);
    }
    CHECK_FAIL(parse(&c, &units, WORDS("--params=-2T")), QN_EUSAGE, "--params -2T: must be from -1T to 1000T");
    qn_cli_drop(&c);
}

TEST(times_in_days_to_seconds) {
    static const struct { const char *text; double seconds; } good[] = {
        {"90s", 90}, {"3m", 180}, {"1h30m", 5400}, {"1h0m1.5s", 3601.5}, {"2d", 172800}, {"1d1s", 86401},
        {"1.5h", 5400}, {"45", 45}, {"0.5", 0.5}, {"1e3", 1000}
    };
    static const char *const bad[] = {"", "m", "3x", "1m1h", "1m1m", "1h 30m", "-3m", "-5", "3m5", "1..5h", "h3",
                                      "1:30", "3min", ".s"};
    qn_cli c;
    for (size_t i = 0; i < QN_LEN(good); i++) {
        CHECK_OK(parse(&c, &units, WORDS("-t", good[i].text)), "%s", good[i].text);
        CHECK_NEAR(qn_cli_float(&c, "time"), good[i].seconds, 0, "%s", good[i].text);
        qn_cli_drop(&c);
    }
    for (size_t i = 0; i < QN_LEN(bad); i++) {
        CHECK_FAIL(parse(&c, &units, WORDS("-t", bad[i])), QN_EUSAGE, "a time is needed, such as 90s, 3m, 1h30m",
                   "\"%s\"", bad[i]);
        qn_cli_drop(&c);
    }
    CHECK_FAIL(parse(&c, &units, WORDS("--time=0s")), QN_EUSAGE, "--time 0s: must be from 0.5 to 1000000 seconds");
    qn_cli_drop(&c);
    qn_buf b = {0};
    CHECK_OK(qn_help_command(&b, &units));
    CHECK_CONTAINS(b.s, "--params COUNT");
    CHECK_CONTAINS(b.s, "how long (0.5 to 1000000 s; default 3m)");
    qn_buf_drop(&b);
}

TEST(verbs_are_found_or_suggested) {
    qn_cli c;
    CHECK_OK(parse(&c, NULL, WORDS("-q", "version", "--json")));
    CHECK_STR(c.cmd->name, "version");
    CHECK(qn_cli_json(&c) && qn_cli_flag(&c, "quiet"));
    qn_cli_drop(&c);
    CHECK_OK(parse(&c, NULL, WORDS("help", "completion")));
    CHECK_STR(c.cmd->name, "completion");
    CHECK(c.help);
    qn_cli_drop(&c);
    CHECK_FAIL(parse(&c, NULL, WORDS("versoin")), QN_EUSAGE, "did you mean `quern version`?");
    qn_cli_drop(&c);
    CHECK_FAIL(parse(&c, NULL, WORDS("-q")), QN_EUSAGE, "which command");
    qn_cli_drop(&c);
}

TEST(the_environment_caps_the_level_and_is_checked) {
    qn_cli c;
    qn_cli_init(&c, (qn_cli_env){.cpu = "scalar"});
    CHECK_OK(qn_cli_parse(&c, 1, WORDS("version")));
    CHECK_INT(qn_cli_isa(&c), QN_ISA_SCALAR);
    qn_cli_drop(&c);
    qn_cli_init(&c, (qn_cli_env){.cpu = "scalar"});
    CHECK_OK(qn_cli_parse(&c, 2, WORDS("version", "--isa=avx512")));
    CHECK_INT(qn_cli_isa(&c), QN_ISA_AVX512, "the option wins");
    qn_cli_drop(&c);
    qn_cli_init(&c, (qn_cli_env){.cpu = "sse9"});
    CHECK_FAIL(qn_cli_parse(&c, 1, WORDS("version")), QN_EUSAGE, "QUERN_CPU=sse9");
    qn_cli_drop(&c);
}

TEST(level_names_are_those_of_the_kernels) {
    for (int level = 0; level < QN_ISA_LEVELS; level++) {
        qn_cli c;
        qn_cli_init(&c, (qn_cli_env){0});
        CHECK_OK(qn_cli_parse(&c, 3, WORDS("version", "--isa", qn_isa_name((qn_isa)level))));
        CHECK_INT(qn_cli_isa(&c), level);
        qn_cli_drop(&c);
    }
}

TEST(arity_of_usage_lines) {
    static const struct { const char *args; size_t least, most; } cases[] = {
        {"", 0, 0}, {"MODEL", 1, 1}, {"MODEL [TEXT]", 1, 2}, {"MODEL|FILE", 1, 1}, {"[WORD]", 0, 1},
        {"FILE...", 1, SIZE_MAX}, {"MODEL [FILE...]", 1, SIZE_MAX}
    };
    for (size_t i = 0; i < QN_LEN(cases); i++) {
        qn_cmd cmd = sample;
        size_t least, most;
        cmd.args = cases[i].args;
        qn_cmd_arity(&cmd, &least, &most);
        CHECK_INT(least, cases[i].least, "%s", cases[i].args);
        CHECK(most == cases[i].most, "%s", cases[i].args);
    }
}

TEST(memory_that_runs_out_is_an_error) {
    qn_cli c;
    for (int64_t n = 0; n < 3; n++) {
        qn_mem_fail_after(n);
        CHECK_INT(parse(&c, &sample, WORDS("m", "--stop", "a")), QN_ENOMEM, "allocation %lld", (long long)n);
        qn_mem_fail_after(-1);
        qn_cli_drop(&c);
    }
}

/* ---- the real tables ------------------------------------------------------------------------------------------- */

static void check_table(const char *verb, const qn_opt *table) {
    for (const qn_opt *o = table; o && o->kind != QN_KIND_NONE; o++) {
        CHECK(strlen(o->brief) <= 1 && strlen(o->name) >= 2, "%s --%s", verb, o->name);
        CHECK(strcmp(o->name, "given"), "%s: a manifest keeps something else under --given", verb);
        CHECK(o->help[0] && o->help[strlen(o->help) - 1] != '.', "%s --%s", verb, o->name);
        for (const qn_opt *other = table; other < o; other++)
            CHECK(strcmp(o->name, other->name) && (!o->brief[0] || strcmp(o->brief, other->brief)), "%s --%s twice",
                  verb, o->name);
        for (const qn_opt *g = qn_global_opts; table != qn_global_opts && g->kind != QN_KIND_NONE; g++)
            CHECK(strcmp(o->name, g->name) && (!o->brief[0] || strcmp(o->brief, g->brief)), "%s --%s is global", verb,
                  o->name);
    }
}

TEST(option_tables_are_in_order) {
    check_table("quern", qn_global_opts);
    for (const qn_cmd *const *at = qn_commands; *at; at++) {
        qn_cli c;
        check_table((*at)->name, (*at)->opts);
        qn_cli_init(&c, (qn_cli_env){0});
        CHECK_OK(qn_cli_parse_as(&c, *at, 1, WORDS("--help")), "defaults of %s", (*at)->name);
        qn_cli_drop(&c);
    }
}

/* Splits an example as a shell would, as far as examples go: blanks, two kinds of quotes; ends at |, < and >. */
static int split(char *line, const char **words, int most) {
    int n = 0;
    char *to = line;
    for (char *at = line; *at && !strchr("|<>", *at) && n < most;) {
        words[n++] = to;
        for (char quote = 0; *at && (quote || *at != ' '); at++) {
            if (quote ? *at == quote : *at == '\'' || *at == '"')
                quote = quote ? 0 : *at;
            else
                *to++ = *at;
        }
        at += strspn(at, " ");
        *to++ = '\0';
        to = QN_MIN(to, at);
    }
    return n;
}

TEST(every_example_parses) {
    for (const qn_cmd *const *at = qn_commands; *at; at++) {
        CHECK((*at)->examples && (*at)->examples[0], "%s has no example", (*at)->name);
        for (const char *const *example = (*at)->examples; *example; example++) {
            char line[512];
            const char *words[64];
            qn_cli c;
            const char *piped = strstr(*example, "| quern ");
            snprintf(line, sizeof line, "%s", piped ? piped + 2 : *example);
            int n = split(line, words, (int)QN_LEN(words));
            CHECK_STR(words[0], "quern", "%s", *example);
            qn_cli_init(&c, (qn_cli_env){0});
            CHECK_OK(qn_cli_parse(&c, n - 1, words + 1), "%s", *example);
            CHECK(c.cmd == *at, "%s", *example);
            qn_cli_drop(&c);
        }
    }
}

TEST(help_names_every_option) {
    for (const qn_cmd *const *at = qn_commands; *at; at++) {
        qn_buf b = {0};
        CHECK_OK(qn_help_command(&b, *at));
        for (const qn_opt *o = (*at)->opts; o && o->kind != QN_KIND_NONE; o++) {
            char name[64];
            snprintf(name, sizeof name, "--%s", o->name);
            CHECK_CONTAINS(b.s, name, "%s", (*at)->name);
        }
        qn_buf_drop(&b);
    }
}

/* ---- several models ---- */

static const qn_opt model_opts[] = {QN_OPTS_MODEL, QN_OPT_FILE("", "vs", NULL, "another one"), QN_OPT_END};
static const qn_cmd models = {"models", "MODEL [MODEL]", "a command of this test", model_opts, NULL, no_run, NULL};

TEST(an_adapter_belongs_to_the_model_that_it_stands_behind) {
    qn_cli c;
    CHECK_OK(parse(&c, &models, WORDS("m0", "--adapter", "a0", "--vs=m2", "--adapter=a2", "m1", "--adapter", "a1:0.5",
                                      "--adapter", "b1")));
    CHECK_INT(qn_cli_place(&c, qn_cli_arg(&c, 0)), 0);
    CHECK_INT(qn_cli_place(&c, qn_cli_str(&c, "vs")), 3, "within its word");
    CHECK_INT(qn_cli_place(&c, "elsewhere"), -1);
    qn_model_word w[3] = {{.path = qn_cli_arg(&c, 0)}, {.path = qn_cli_arg(&c, 1)}, {.path = qn_cli_str(&c, "vs")}};
    CHECK_OK(qn_share_adapters(&c, w, 3));
    CHECK(w[0].n_adapters == 1 && w[1].n_adapters == 2 && w[2].n_adapters == 1);
    CHECK_STR(w[0].adapter[0], "a0");
    CHECK_STR(w[1].adapter[0], "a1:0.5");
    CHECK_STR(w[1].adapter[1], "b1");
    CHECK_STR(w[2].adapter[0], "a2");
    qn_cli_drop(&c);

    CHECK_OK(parse(&c, &models, WORDS("--adapter", "a", "m0")));
    qn_model_word one = {.path = qn_cli_arg(&c, 0)};
    CHECK_OK(qn_share_adapters(&c, &one, 1), "the only one has it, wherever it stands");
    CHECK_STR(one.adapter[0], "a");
    qn_cli_drop(&c);

    CHECK_OK(parse(&c, &models, WORDS("--adapter", "a", "m0", "m1")));
    qn_model_word two[2] = {{.path = qn_cli_arg(&c, 0)}, {.path = qn_cli_arg(&c, 1)}};
    CHECK_FAIL(qn_share_adapters(&c, two, 2), QN_EUSAGE, "--adapter a stands in front of all models");
    qn_cli_drop(&c);
}
