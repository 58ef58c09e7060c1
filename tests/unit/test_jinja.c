/* tests/unit/test_jinja.c — the template language against Python's Jinja2 (tools/fixtures/jinja.py), construct by
 * construct: the same text, and an error wherever Jinja2 raises. Then what only we promise: places in errors, limits,
 * failures of memory. */
#include "chat_load.h"

static void next_case(qn_json *j, qn_buf *template, qn_buf *want, bool *fails) {
    qn_str key;
    int more;
    qn_buf_clear(template);
    qn_buf_clear(want);
    CHECK_OK(qn_json_enter(j, '{'));
    while ((more = qn_json_key(j, &key)) > 0) {
        bool is_want = qn_str_is(key, "want");
        *fails = is_want && qn_json_peek(j) == 'n';
        if (*fails)
            CHECK_OK(qn_json_null(j));
        else
            CHECK_OK(qn_json_string(j, is_want ? want : template));
    }
    CHECK_OK(more);
}

static void check_group(const char *fixture) {
    qn_buf context = {0}, cases = {0}, template = {0}, want = {0};
    qn_chat_output out = {0};
    qn_json j;
    size_t n = 0;
    load_fixture("jinja_context.json", &context);
    load_fixture(fixture, &cases);
    qn_str chat = {strchr(context.s, '{'), (size_t)(strrchr(context.s, '}') - strchr(context.s, '{')) + 1};
    qn_json_init(&j, cases.s, cases.n, fixture);
    CHECK_OK(qn_json_enter(&j, '['));
    int64_t before = qn_mem_stats_get(QN_MEM_CHAT).live_bytes;
    for (bool fails = false; qn_json_item(&j) > 0; n++) {
        next_case(&j, &template, &want, &fails);
        const char *text = template.n ? template.s : "";
        int rc = chat_render(qn_buf_view(&template), chat, true, &out);
        if (fails) {
            CHECK_INT(rc, strstr(text, "200000") ? QN_ELIMIT : QN_ETEMPLATE, "%s", text);
            CHECK_CONTAINS(qn_error_message(), "template:", "%s", text);
            CHECK_INT(out.text.n, 0, "%s", text);
        } else {
            CHECK_OK(rc, "%s", text);
            CHECK_VIEW(qn_buf_view(&out.text), want.n ? want.s : "", "%s", text);
        }
        qn_chat_output_drop(&out);
    }
    CHECK_NO_LEAK(QN_MEM_CHAT, before);
    CHECK(n >= 10, "%s holds %zu cases only", fixture, n);
    qn_json_drop(&j);
    qn_buf_drop(&context);
    qn_buf_drop(&cases);
    qn_buf_drop(&template);
    qn_buf_drop(&want);
}

TEST(white_space_control) { check_group("jinja_space.json"); }
TEST(literals) { check_group("jinja_literals.json"); }
TEST(operators) { check_group("jinja_operators.json"); }
TEST(look_ups) { check_group("jinja_lookup.json"); }
TEST(statements) { check_group("jinja_statements.json"); }
TEST(macros) { check_group("jinja_macros.json"); }
TEST(filters) { check_group("jinja_filters.json"); }
TEST(json) { check_group("jinja_json.json"); }
TEST(tests) { check_group("jinja_tests.json"); }
TEST(methods) { check_group("jinja_methods.json"); }
TEST(functions) { check_group("jinja_functions.json"); }
TEST(printing) { check_group("jinja_printing.json"); }

/* ---- errors name the place and what was expected -------------------------------------------------------------- */

static const struct { const char *template, *says; } bad[] = {
    {"a\nb {{ messages[0].x.y }}", "template:2:19: a dict has no attribute 'x'"},
    {"{{ nobody + 1 }}", "template:1:11: 'nobody' is undefined"},
    {"{% if x %}\nyes", "expected '{% elif %}'"},
    {"\n\n  {{ 'open }}", "template:3:6: this string is not closed: expected '"},
    {"{% for x of y %}{% endfor %}", "template:1:10: expected 'in'"},
    {"é{{ 1 | tojsn }}", "template:1:9: there is no filter named 'tojsn'"},
    {"{{ 1 is stringy }}", "there is no test named 'stringy'"},
    {"{{ raise_exception('only users may speak') }}", "refuses this conversation: only users may speak"},
    {"{{ (1, 2] }}", "template:1:9: unexpected ']', expected ')'"},
    {"{% frob %}", "unknown tag 'frob'"},
    {"{{ 'a' + 1 }}", "template:1:8: '+' does not go between str and int"},
    {"{{ [1] < 2 }}", "template:1:8: 'list' and 'int' have no order"},
    {"{{ messages | tojson(ident=2) }}", "tojson has no argument named 'ident'"},
    {"{{ messages.append(1) }}", "'append' of a list may not be used"},
    {"{% set x.y = 1 %}", "'x' is no namespace"},
    {"{{ '\\ud800' }}", "is no character"},
    {"{{ 'x'.strip(1, 2) }}", "strip takes at most 1 arguments"},
    {"{% include 'other' %}", "'include' reaches for another template"},
    {"{# never closed", "expected '#}'"},
};

TEST(errors_name_the_place) {
    qn_chat_output out = {0};
    for (size_t i = 0; i < QN_LEN(bad); i++) {
        CHECK_INT(chat_say(bad[i].template, "hi", &out), QN_ETEMPLATE, "%s", bad[i].template);
        CHECK_CONTAINS(qn_error_message(), bad[i].says, "%s", bad[i].template);
    }
    CHECK_INT(chat_say("\xff", "hi", &out), QN_EUTF8);
    qn_chat_output_drop(&out);
}

/* Numbers wider than ours are said, never rounded. */
TEST(integers_beyond_64_bits_are_an_error) {
    qn_chat_output out = {0};
    CHECK_FAIL(chat_say("{{ 9223372036854775807 + 1 }}", "", &out), QN_ELIMIT, "64 bits");
    CHECK_FAIL(chat_say("{{ 2 ** 64 }}", "", &out), QN_ELIMIT, "64 bits");
    CHECK_FAIL(chat_say("{{ 123456789012345678901234567890 * 2 }}", "", &out), QN_ELIMIT, "64 bits");
    CHECK_FAIL(chat_say("{{ 'a' * 10000000000 }}", "", &out), QN_ELIMIT, "what is repeated would be longer");
    CHECK_OK(chat_say("{{ -9223372036854775807 - 1 }}", "", &out));
    CHECK_VIEW(qn_buf_view(&out.text), "-9223372036854775808");
    qn_chat_output_drop(&out);
}

/* ---- limits --------------------------------------------------------------------------------------------------- */

static const struct { const char *why, *template; } endless[] = {
    {"loops in loops", "{% for a in range(90000) %}{% for b in range(90000) %}{% endfor %}{% endfor %}"},
    {"filters in loops", "{% for a in range(90000) %}{{ range(90000)|list|sum }}{% endfor %}"},
    {"a macro that calls itself", "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}"},
    {"two macros", "{% macro f() %}{{ g() }}{% endmacro %}{% macro g() %}{{ f() }}{% endmacro %}{{ f() }}"},
    {"a caller", "{% macro f() %}{% call f() %}{{ caller() }}{% endcall %}{% endmacro %}{{ f() }}"},
    {"a recursive loop", "{% for a in [1] recursive %}{{ loop([1]) }}{% endfor %}"},
    {"a huge range", "{{ range(1000000000) }}"},
    {"a range that wraps", "{{ range(-9223372036854775807, 9223372036854775807) }}"},
    {"a long string", "{{ 'x' * 100000000000 }}"},
    {"a long list", "{{ [0] * 100000000000 }}"},
    {"doubling", "{% set n = namespace(s='x') %}{% for i in range(99) %}{% set n.s = n.s ~ n.s %}{% endfor %}"},
    {"doubling lists", "{% set n = namespace(s=[1]) %}{% for i in range(99) %}{% set n.s = n.s + n.s %}"
                       "{% endfor %}"},
    {"replacing", "{% set n = namespace(s='xx') %}{% for i in range(99) %}{% set n.s = n.s|replace('x', 'xx') %}"
                  "{% endfor %}"},
    {"nested lists", "{% set n = namespace(l=[]) %}{% for i in range(9999) %}{% set n.l = [n.l] %}{% endfor %}"
                     "{{ n.l }}"},
    {"nested lists compared", "{% set n = namespace(l=[], m=[]) %}{% for i in range(9999) %}{% set n.l = [n.l] %}"
                              "{% set n.m = [n.m] %}{% endfor %}{{ n.l == n.m }}"},
    {"nested lists as JSON", "{% set n = namespace(l=[]) %}{% for i in range(9999) %}{% set n.l = [n.l] %}{% endfor %}"
                             "{{ n.l|tojson }}"},
    {"a namespace in itself", "{% set n = namespace() %}{% set n.n = n %}{{ n }}"},
    {"padding", "{{ 'x'.center(100000000000) }}"},
    {"output", "{% for a in range(90000) %}{{ 'x' * 10000 }}{% endfor %}"},
    {"splitting", "{% for a in range(90000) %}{% set x = ('ab ' * 1000).split() %}{% endfor %}"},
};

TEST(nothing_runs_without_end) {
    qn_chat_output out = {0};
    int64_t before = qn_mem_stats_get(QN_MEM_CHAT).live_bytes;
    for (size_t i = 0; i < QN_LEN(endless); i++) {
        CHECK_INT(chat_say(endless[i].template, "hi", &out), QN_ELIMIT, "%s", endless[i].why);
        CHECK_CONTAINS(qn_error_message(), "template:1:", "%s", endless[i].why);
        CHECK_INT(out.text.n, 0, "%s", endless[i].why);
    }
    CHECK_NO_LEAK(QN_MEM_CHAT, before);
    qn_chat_output_drop(&out);
}

/* `open` n times, then `close` n times. */
static int nested(const char *open, const char *middle, const char *close, size_t n) {
    qn_buf b = {0};
    qn_chat_output out = {0};
    for (size_t i = 0; i < n; i++)
        CHECK_OK(qn_buf_puts(&b, open));
    CHECK_OK(qn_buf_puts(&b, middle));
    for (size_t i = 0; i < n; i++)
        CHECK_OK(qn_buf_puts(&b, close));
    int rc = chat_say(b.s, "hi", &out);
    qn_chat_output_drop(&out);
    qn_buf_drop(&b);
    return rc;
}

TEST(deep_templates_are_refused) {
    CHECK_OK(nested("{% if true %}", "x", "{% endif %}", 50));
    CHECK_INT(nested("{% if true %}", "x", "{% endif %}", 5000), QN_ELIMIT);
    CHECK_INT(nested("{% for i in [1] %}", "x", "{% endfor %}", 5000), QN_ELIMIT);
    CHECK_OK(nested("", "{{ ((((((1)))))) }}", "", 1));
    CHECK_INT(nested("{{ (", "", "", 5000), QN_ELIMIT);
    CHECK_INT(nested("{{ not ", "", "", 1), QN_ETEMPLATE);
    CHECK_INT(nested("{% if a %}{% elif b %}", "", "", 300), QN_ELIMIT);
}

TEST(long_chains_are_refused_not_crashed_on) {
    static const struct { const char *head, *link, *tail; } chains[] = {
        {"{{ 1", "+1", " }}"}, {"{{ -", "-", "1 }}"}, {"{{ ", "not ", "1 }}"}, {"{{ 'x'", "|trim", " }}"},
        {"{{ messages", ".x", " }}"}, {"{{ 1", " if 1 else 1", " }}"}, {"{{ 1", " and 1", " }}"},
        {"{% if 0 %}", "{% elif 0 %}", "{% endif %}"}, {"{{ x", "()", " }}"}, {"{{ x", "[0]", " }}"},
    };
    for (size_t i = 0; i < QN_LEN(chains); i++) {
        qn_buf b = {0};
        qn_chat_output out = {0};
        CHECK_OK(qn_buf_puts(&b, chains[i].head));
        for (int k = 0; k < 20000; k++)
            CHECK_OK(qn_buf_puts(&b, chains[i].link));
        CHECK_OK(qn_buf_puts(&b, chains[i].tail));
        CHECK_INT(chat_say(b.s, "hi", &out), QN_ELIMIT, "%s", chains[i].link);
        qn_chat_output_drop(&out);
        qn_buf_drop(&b);
    }
}

TEST(limits_are_the_callers) {
    static const char text[] = "{% for i in range(1000) %}{{ 'xxxxxxxxxx' ~ i }}{% endfor %}";
    qn_chat_template *t;
    qn_chat_messages *m;
    qn_chat_output out = {0};
    CHECK_OK(qn_chat_template_compile(&t, text, strlen(text), "template"));
    CHECK_OK(qn_chat_messages_new(&m));
    qn_chat_input in = chat_input(m, true);
    CHECK_OK(qn_chat_render(t, &in, &out));
    CHECK_INT(out.text.n, 12890);
    in.limits = (qn_chat_limits){.output = 12890};
    CHECK_OK(qn_chat_render(t, &in, &out));
    in.limits = (qn_chat_limits){.output = 12889};
    CHECK_FAIL(qn_chat_render(t, &in, &out), QN_ELIMIT, "12889");
    in.limits = (qn_chat_limits){.steps = 1000};
    CHECK_FAIL(qn_chat_render(t, &in, &out), QN_ELIMIT, "work");
    in.limits = (qn_chat_limits){.memory = 70000};
    CHECK_FAIL(qn_chat_render(t, &in, &out), QN_ELIMIT, "memory");
    in.limits = (qn_chat_limits){.depth = 3};
    CHECK_FAIL(qn_chat_render(t, &in, &out), QN_ELIMIT, "nested");
    in.limits = (qn_chat_limits){.depth = 10};
    CHECK_OK(qn_chat_render(t, &in, &out));
    qn_chat_output_drop(&out);
    qn_chat_messages_free(m);
    qn_chat_template_free(t);
}

/* Every allocation may fail: an error, nothing lost. */
TEST(survives_any_failed_allocation) {
    static const char text[] = "{% macro f(x) %}{{ x ~ messages|tojson }}{% endmacro %}{% for m in messages %}"
                               "{% generation %}{{ f(m.content * 20000) }}{% endgeneration %}{% endfor %}";
    static const char chat[] = "{\"messages\": [{\"role\": \"user\", \"content\": \"abc\"}],"
                               " \"tools\": [1, {\"a\": 2}]}";
    int64_t before = qn_mem_stats_get(QN_MEM_CHAT).live_bytes;
    int64_t n = 0;
    for (int rc = QN_ENOMEM; rc != 0; n++) {
        qn_chat_output out = {0};
        CHECK(n < 1000);
        qn_mem_fail_after(n);
        rc = chat_render(QN_STR(text), QN_STR(chat), true, &out);
        qn_mem_fail_after(-1);
        CHECK(rc == 0 || rc == QN_ENOMEM, "allocation %lld: %s", (long long)n, qn_error_name(rc));
        qn_chat_output_drop(&out);
        CHECK_NO_LEAK(QN_MEM_CHAT, before, "allocation %lld", (long long)n);
    }
    CHECK(n > 5);
}
