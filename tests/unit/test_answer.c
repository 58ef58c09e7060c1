/* Answers taken apart: every form, whole and in any pieces; what is no call stays words, byte by byte. */
#include "chat/answer.h"
#include "test.h"

/* What is expected: events put together, as one line.  w words, t thoughts, c name(arguments) */
typedef struct { const char *form, *text, *want; int how; } example;
enum { IN_THOUGHT = 1, NO_TOOLS };

static const char *const offered[] = {"weather", "say", "now", "brave_search"};

typedef struct { qn_buf line; int last, calls; bool open; } heard;

static int hear(void *to, const qn_answer_event *e) {
    heard *h = to;
    const bool goes_on = h->last == (int)e->kind && (e->kind == QN_ANSWER_CONTENT || e->kind == QN_ANSWER_REASONING);
    CHECK(e->text.n > 0 || e->kind == QN_ANSWER_CALL || e->kind == QN_ANSWER_CALL_END);
    CHECK(qn_utf8_check(e->text.s ? e->text.s : "", e->text.n) == QN_UTF8_OK);
    CHECK(h->open == (e->kind == QN_ANSWER_ARGUMENTS || e->kind == QN_ANSWER_CALL_END));
    if (e->kind == QN_ANSWER_CALL) {
        CHECK_INT(e->call, h->calls);
        CHECK_INT((int)e->id.n, 9);
        QN_TRY(qn_buf_printf(&h->line, "|c %.*s(", QN_STR_ARG(e->name)));
    } else if (!goes_on && e->kind <= QN_ANSWER_REASONING) {
        QN_TRY(qn_buf_puts(&h->line, e->kind == QN_ANSWER_CONTENT ? "|w " : "|t "));
    } else if (e->kind == QN_ANSWER_CALL_END) {
        h->calls++;
        QN_TRY(qn_buf_putc(&h->line, ')'));
    }
    h->open = e->kind == QN_ANSWER_CALL || e->kind == QN_ANSWER_ARGUMENTS;
    h->last = (int)e->kind;
    return e->text.n ? qn_buf_put(&h->line, e->text.s, e->text.n) : 0;
}

static qn_answer_options options_of(const example *x, qn_str tool[]) {
    qn_answer_options o = {.in_thought = x->how == IN_THOUGHT, .calls = x->how != NO_TOOLS, .tool = tool,
                           .tools = QN_LEN(offered), .id_seed = 7, .take = hear};
    for (size_t i = 0; i < QN_LEN(offered); i++)
        tool[i] = qn_str_of(offered[i]);
    CHECK_OK(qn_answer_form_named(&o.form, x->form));
    return o;
}

/* The text in pieces that end at the given places. */
static void listen(const example *x, const size_t *cut, size_t cuts, heard *h) {
    qn_str tool[QN_LEN(offered)];
    qn_answer_options o = options_of(x, tool);
    qn_answer *a;
    size_t at = 0;
    const size_t n = strlen(x->text);
    qn_buf_clear(&h->line);
    h->last = -1;
    h->calls = 0;
    h->open = false;
    o.to = h;
    CHECK_OK(qn_answer_new(&a, &o));
    for (size_t i = 0; i <= cuts; i++) {
        const size_t end = i < cuts ? cut[i] : n;
        char *piece = malloc(end - at + 1);         /* of its own, so that looking behind its end is seen */
        memcpy(piece, x->text + at, end - at);
        CHECK_OK(qn_answer_feed(a, (qn_str){piece, end - at}));
        free(piece);
        at = end;
    }
    CHECK_OK(qn_answer_end(a));
    qn_answer_free(a);
    CHECK(!h->open, "a call that was begun ends");
}

/* Whole, all cuts into two, one byte a time, and random cuts into many. */
static void check(const example *x) {
    heard h = {0};
    const size_t n = strlen(x->text);
    size_t *cut = malloc((n + 1) * sizeof *cut);
    listen(x, NULL, 0, &h);
    CHECK_STR(h.line.n ? h.line.s : "", x->want, "%s: %s", x->form, x->text);
    for (size_t i = 0; i <= n; i++) {
        cut[0] = i;
        listen(x, cut, 1, &h);
        CHECK_STR(h.line.n ? h.line.s : "", x->want, "%s: %s, cut at %zu", x->form, x->text, i);
    }
    for (uint64_t round = 0; round < 30; round++) {
        size_t cuts = 0;
        for (size_t i = 1; i < n; i++)
            if (round == 0 || qn_rng_u64(round, QN_RNG_TEST, 0, i) % (1 + round % 7) == 0)
                cut[cuts++] = i;
        listen(x, cut, cuts, &h);
        CHECK_STR(h.line.n ? h.line.s : "", x->want, "%s: %s, %zu cuts", x->form, x->text, cuts);
    }
    free(cut);
    qn_buf_drop(&h.line);
}

static void check_all(const example *x, size_t n) {
    for (size_t i = 0; i < n; i++)
        check(&x[i]);
}

TEST(words_stay_words) {
    static const example x[] = {
        {"hermes", "", "", 0},
        {"hermes", "Hello, Mühlbach! 🌊\n\n", "|w Hello, Mühlbach! 🌊\n\n", 0},
        {"hermes", "  \n", "|w   \n", 0},
        {"hermes", "  lead", "|w   lead", 0},
        {"hermes", "a < b <tool", "|w a < b <tool", 0},
        {"hermes", "a <tool_calls> b", "|w a <tool_calls> b", 0},
        {"hermes", "<thin", "|w <thin", 0},
        {"none", "<think>a</think><tool_call>{\"name\":\"now\"}</tool_call>",
         "|w <think>a</think><tool_call>{\"name\":\"now\"}</tool_call>", 0},
        {"hermes", "<tool_call>{\"name\":\"now\"}</tool_call>", "|w <tool_call>{\"name\":\"now\"}</tool_call>",
         NO_TOOLS},
        {"llama3", "{\"name\": \"now\", \"parameters\": {}}", "|w {\"name\": \"now\", \"parameters\": {}}",
         NO_TOOLS},
    };
    check_all(x, QN_LEN(x));
}

TEST(thoughts) {
    static const example x[] = {
        {"hermes", "<think>\nHm.\n\nWell.\n</think>\n\nYes.", "|t Hm.\n\nWell.|w Yes.", 0},
        {"hermes", "\n<think>Hm", "|t Hm", 0},
        {"hermes", "<think>\n\n</think>\n\nYes.", "|w Yes.", 0},
        {"hermes", "<think></think>", "", 0},
        {"hermes", "<think> a </thin", "|t a </thin", 0},
        {"hermes", "<think>a<think>b</think>c</think>", "|t a<think>b|w c</think>", 0},
        {"hermes", "The tag <think> opens </think>.", "|w The tag <think> opens </think>.", 0},
        {"deepseek", "Hm.\n</think>\n\nYes.", "|t Hm.|w Yes.", IN_THOUGHT},
        {"deepseek", "<think>\nHm.\n</think>\n\nYes.", "|t Hm.|w Yes.", IN_THOUGHT},
        {"deepseek", "Hm, cut", "|t Hm, cut", IN_THOUGHT},
        {"deepseek", "</think>Yes.", "|w Yes.", IN_THOUGHT},
        {"hermes", "<think>\nCall <tool_call>{\"name\":\"now\"}</tool_call>?\n</think>\n<tool_call>\n{\"name\":\"now\"}"
         "\n</tool_call>", "|t Call <tool_call>{\"name\":\"now\"}</tool_call>?|c now({})", 0},
        {"llama3", "<think>x</think>\n\n{\"name\": \"now\", \"parameters\": {}}", "|t x|c now({})", 0},
        {"cohere", "<|START_THINKING|>Plan.<|END_THINKING|><|START_ACTION|>[\n    {\"tool_call_id\": \"0\", \"to"
         "ol_name\":"
         " \"weather\", \"parameters\": {\"city\": \"Ulm\"}}\n]<|END_ACTION|>", "|t Plan.|c weather({\"city\": "
         "\"Ulm\"})", 0},
        {"cohere", "<|START_RESPONSE|>Sunny.<|END_RESPONSE|>", "|w Sunny.", 0},
    };
    check_all(x, QN_LEN(x));
}

TEST(hermes) {
    static const example x[] = {
        {"hermes", "<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": \"Ulm\"}}\n</tool_call>",
         "|c weather({\"city\": \"Ulm\"})", 0},
        {"hermes", "Let me see.\n\n<tool_call>\n{\"name\": \"now\", \"arguments\": {}}\n</tool_call>\n<tool_call>\n"
         "{\"name\": \"say\", \"arguments\": {\"t\": [1, {\"a\": null}]}}\n</tool_call>\nDone.\n",
         "|w Let me see.|c now({})|c say({\"t\": [1, {\"a\": null}]})|w Done.\n", 0},
        {"hermes", "<tool_call>{\"arguments\": {\"t\": \"</tool_call> } \\\" <tool_call>{\"}, \"name\": \"say\"}"
         "</tool_call>",
         "|c say({\"t\": \"</tool_call> } \\\" <tool_call>{\"})", 0},
        {"hermes", "<tool_call>{\"name\": \"no_such\", \"arguments\": {}}</tool_call>", "|c no_such({})", 0},
        {"hermes", "<tool_call>{\"name\": \"now\", \"arguments\": {}}", "|c now({})", 0},
        {"hermes", "<tool_call>{\"name\": \"now\"}<tool_call>{\"name\": \"now\", \"arguments\": null}",
         "|c now({})|c now({})", 0},
        {"hermes", "<tool_call>\n{\"name\": \"now\"}\n{\"name\": \"say\", \"arguments\": {}}\n</tool_call>!",
         "|c now({})|c say({})|w !", 0},
        {"hermes", "<tool_call>[{\"name\": \"now\"}, {\"name\": \"say\"}]</tool_call>", "|c now({})|c say({})", 0},
        {"hermes", "<tool_call>{\"type\": \"function\", \"function\": {\"name\": \"say\", \"arguments\": \"{"
         "\\\"t\\\": 1}\"}}"
         "</tool_call>", "|c say({\"t\": 1})", 0},
        {"hermes", "<tool_call>{\"name\":\"s\\u00fc\",\"arguments\":{}}</tool_call>", "|c sü({})", 0},
        {"hermes", "<tool_call>{\"name\":\"say\",\"arguments\":{\"t\":\"\\ud800\"}}</tool_call>",
         "|c say({\"t\":\"\\ud800\"})", 0},
    };
    check_all(x, QN_LEN(x));
}

/* Once its arguments have begun a call is one, whatever becomes of them. */
TEST(calls_that_break_off) {
    static const example x[] = {
        {"hermes", "<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": \"U",
         "|c weather({\"city\": \"U)", 0},
        {"hermes", "a <tool_call>{\"name\": \"say\", \"arguments\": {", "|w a|c say({)", 0},
        {"hermes", "<tool_call>{\"name\": \"say\", \"arguments\": {\"t\": nul'}}</tool_call>",
         "|c say({\"t\": nul)|w '}}</tool_call>", 0},
        {"hermes", "<tool_call>{\"name\": \"say\", \"arguments\": {\"é🌊\": [}]}}</tool_call>",
         "|c say({\"é🌊\": [)|w }]}}</tool_call>", 0},
        {"hermes", "<tool_call>{\"name\": \"now\", \"arguments\": {}]</tool_call>!", "|c now({})|w ]</tool_call>!", 0},
        {"hermes", "<tool_call>{\"name\": \"now\", \"arguments\": {}, \"id", "|c now({})|w , \"id", 0},
        {"hermes", "<tool_call>{\"name\": \"now\", \"arguments\": {}, \"x\": [{}, \"}\"], \"n\": 7} </tool_call>So.",
         "|c now({})|w So.", 0},
        {"llama3", "{\"name\": \"weather\", \"parameters\": {\"city\": \"Ulm", "|c weather({\"city\": \"Ulm)", 0},
        {"llama3", "{\"name\": \"other\", \"parameters\": {\"city\": \"Ulm",
         "|w {\"name\": \"other\", \"parameters\": {\"city\": \"Ulm", 0},
        {"mistral", "[TOOL_CALLS]say[ARGS]{\"t\": ", "|c say({\"t\": )", 0},
        {"mistral", "[TOOL_CALLS][{\"name\": \"now\", \"arguments\": {}}, {\"name\": \"say\", \"arguments\": {\"t\"",
         "|c now({})|c say({\"t\")", 0},
        {"deepseek", "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>now\n```json\n{\"a",
         "|c now({\"a)", 0},
    };
    check_all(x, QN_LEN(x));
}

/* What a client sees of arguments grows with what the model says: at each byte all is told but half a character. */
TEST(arguments_come_as_they_are_said) {
    static const struct { const char *form, *before, *arguments, *after; } x[] = {
        {"hermes", "<tool_call>\n{\"name\": \"say\", \"arguments\": ", "{\"t\": [1, \"}é\"]}", "}\n</tool_call>"},
        {"hermes", "<tool_call>{\"id\": \"1\", \"name\": \"s\\u0061y\", \"args\": ", "{\"t\": {}}", "}"},
        {"llama3", "{\"name\": \"say\", \"parameters\": ", "{\"t\": \"\\\"}\"}", "}"},
        {"mistral", "[TOOL_CALLS]say[CALL_ID]a1b2c3d4e[ARGS]", "{\"t\": 1}", ""},
        {"mistral", "[TOOL_CALLS][{\"name\": \"say\", \"arguments\": ", "{\"t\": 1}", ", \"id\": \"a1b2c3d4e\"}]"},
        {"deepseek", "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>say\n```json\n", "{\"t\": 1}",
         "\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>"},
    };
    for (size_t i = 0; i < QN_LEN(x); i++) {
        const example e = {x[i].form, "", "", 0};
        qn_str tool[QN_LEN(offered)];
        qn_answer_options o = options_of(&e, tool);
        qn_answer_parts p = {0};
        qn_answer *a;
        o.take = qn_answer_collect;
        o.to = &p;
        CHECK_OK(qn_answer_new(&a, &o));
        CHECK_OK(qn_answer_feed(a, qn_str_of(x[i].before)));
        CHECK_INT((int)p.calls, 0);
        for (size_t k = 0; x[i].arguments[k]; k++) {
            CHECK_OK(qn_answer_feed(a, (qn_str){x[i].arguments + k, 1}));
            const size_t whole = k + 1 - qn_utf8_pending(x[i].arguments, k + 1);
            CHECK_INT((int)p.calls, 1, "%s", x[i].before);
            CHECK_STR(p.call[0].name.s, "say");
            CHECK(p.call[0].arguments.n == whole && memcmp(p.call[0].arguments.s, x[i].arguments, whole) == 0,
                  "%s: %.*s after %.*s", x[i].before, QN_STR_ARG(qn_buf_view(&p.call[0].arguments)), (int)k + 1,
                  x[i].arguments);
        }
        CHECK_OK(qn_answer_feed(a, qn_str_of(x[i].after)));
        CHECK_OK(qn_answer_end(a));
        CHECK(p.calls == 1 && p.content.n == 0, "%s", x[i].before);
        CHECK_STR(p.call[0].arguments.s, x[i].arguments);
        qn_answer_free(a);
        qn_answer_parts_drop(&p);
    }
}

TEST(what_is_no_call_is_words) {
    static const example x[] = {
        {"hermes", "a <tool_call>not JSON</tool_call> b", "|w a <tool_call>not JSON</tool_call> b", 0},
        {"hermes", "<tool_call>{\"name\": \"now\",}</tool_call>", "|w <tool_call>{\"name\": \"now\",}</tool_call>", 0},
        {"hermes", "<tool_call>{\"arguments\": {}}</tool_call>", "|w <tool_call>{\"arguments\": {}}</tool_call>", 0},
        {"hermes", "<tool_call>{\"name\": \"\"}</tool_call>", "|w <tool_call>{\"name\": \"\"}</tool_call>", 0},
        {"hermes", "<tool_call>{\"name\": \"say\", \"arguments\": 3}</tool_call>",
         "|w <tool_call>{\"name\": \"say\", \"arguments\": 3}</tool_call>", 0},
        {"hermes", "<tool_call>{\"name\": \"say\", \"arguments\": \"x\"}</tool_call>",
         "|w <tool_call>{\"name\": \"say\", \"arguments\": \"x\"}</tool_call>", 0},
        {"hermes", "<tool_call>{\"name\": \"say\n\"}</tool_call>",
         "|w <tool_call>{\"name\": \"say\n\"}</tool_call>", 0},
        {"hermes", "<tool_call>{\"name\": [}]}</tool_call>", "|w <tool_call>{\"name\": [}]}</tool_call>", 0},
        {"hermes", "x\n\n<tool_call>", "|w x\n\n<tool_call>", 0},
        {"hermes", "<tool_call>  ", "|w <tool_call>  ", 0},
        {"hermes", "<tool_call><tool_call>{\"name\":\"now\"}</tool_call>", "|w <tool_call>|c now({})", 0},
        {"hermes", "<tool_call>{\"name\": \"<tool_call>{\"name\":\"now\"}</tool_call>",
         "|w <tool_call>{\"name\": \"|c now({})", 0},
        {"hermes", "<tool_call>{\"name\":\"now\"}}</tool_call>", "|c now({})|w }</tool_call>", 0},
        {"hermes", "<tool_call>{\"name\":\"now\"}, {\"nam", "|c now({})|w , {\"nam", 0},
        {"hermes", "<tool_call>{\"name\":\"now\"}</tool_ca", "|c now({})|w </tool_ca", 0},
        {"mistral", "[TOOL_CALLS][]", "|w [TOOL_CALLS][]", 0},
        {"mistral", "[TOOL_CALLS]two words", "|w [TOOL_CALLS]two words", 0},
        {"mistral", "[TOOL_CALLS]say[ARGS]", "|w [TOOL_CALLS]say[ARGS]", 0},
        {"mistral", "[TOOL_CALLS]say[ARG", "|w [TOOL_CALLS]say[ARG", 0},
        {"mistral", "[TOOL_CALLS]say[CALL_ID]a", "|w [TOOL_CALLS]say[CALL_ID]a", 0},
        {"llama3", "{\"name\": \"unknown\", \"parameters\": {}}", "|w {\"name\": \"unknown\", \"parameters\": {}}", 0},
        {"llama3", "{\"name\": \"now\"}", "|w {\"name\": \"now\"}", 0},
        {"llama3", "{\"city\": \"Ulm\"}", "|w {\"city\": \"Ulm\"}", 0},
        {"llama3", "{}", "|w {}", 0},
        {"llama3", "{", "|w {", 0},
        {"llama3", "<|python_tag|>print(1)\n", "|w <|python_tag|>print(1)\n", 0},
        {"llama3", "<|python_tag|>brave_search.call(query=\"a", "|w <|python_tag|>brave_search.call(query=\"a", 0},
        {"llama3", "<|python_tag|>brave_search.call(query=a b)", "|w <|python_tag|>brave_search.call(query=a b)", 0},
        {"llama3", "<|python_tag|>.call(query=1)", "|w <|python_tag|>.call(query=1)", 0},
        {"deepseek", "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>now\n```json\n",
         "|w <｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>now\n```json\n", 0},
        {"deepseek", "<｜tool▁calls▁end｜>", "|w <｜tool▁calls▁end｜>", 0},
    };
    check_all(x, QN_LEN(x));
}

TEST(llama) {
    static const example x[] = {
        {"llama3", "{\"name\": \"weather\", \"parameters\": {\"city\": \"Ulm\"}}",
         "|c weather({\"city\": \"Ulm\"})", 0},
        {"llama3", "\n {\"type\": \"function\", \"name\": \"now\", \"parameters\": {}}\n", "|c now({})", 0},
        {"llama3", "<|python_tag|>{\"name\": \"other\", \"parameters\": {}}", "|c other({})", 0},
        {"llama3", "{\"name\": \"now\", \"parameters\": {}}; {\"name\": \"say\", \"arguments\": {\"t\": 1}}",
         "|c now({})|c say({\"t\": 1})", 0},
        {"llama3", "{\"name\": \"now\", \"parameters\": {}}; {\"name\": \"oh\", \"arguments\": {}}",
         "|c now({})|w ; {\"name\": \"oh\", \"arguments\": {}}", 0},
        {"llama3", "<|python_tag|>brave_search.call(query=\"a \\\" )\", n=3, deep=true)",
         "|c brave_search({\"query\":\"a \\\" )\",\"n\":3,\"deep\":true})", 0},
        {"llama3", "<|python_tag|>now.call()", "|c now({})", 0},
        {"llama3", "Text. {\"name\": \"now\", \"parameters\": {}}",
         "|w Text. {\"name\": \"now\", \"parameters\": {}}", 0},
        {"llama3", "{\"name\": \"now\", \"parameters\": {}}\n\nThere.", "|c now({})|w There.", 0},
    };
    check_all(x, QN_LEN(x));
}

TEST(mistral) {
    static const example x[] = {
        {"mistral", "[TOOL_CALLS][{\"name\": \"weather\", \"arguments\": {\"city\": \"Ulm\"}, \"id\": \"abcDEF123\"}]",
         "|c weather({\"city\": \"Ulm\"})", 0},
        {"mistral", "Well. [TOOL_CALLS] [ {\"name\": \"now\", \"arguments\": {}} , {\"name\": \"say\", \"arguments\": "
         "{\"t\": \"]\"}} ] So.", "|w Well.|c now({})|c say({\"t\": \"]\"})|w So.", 0},
        {"mistral", "[TOOL_CALLS]weather[ARGS]{\"city\": \"Ulm\"}[TOOL_CALLS]now[ARGS]{}",
         "|c weather({\"city\": \"Ulm\"})|c now({})", 0},
        {"mistral", "[TOOL_CALLS]now{}", "|c now({})", 0},
        {"mistral", "[TOOL_CALLS]now[CALL_ID]a1b2c3d4e[ARGS]{}", "|c now({})", 0},
        {"mistral", "[TOOL_CALLS][{\"name\": \"now\", \"arguments\": {}}, {\"name\": \"sa",
         "|c now({})|w , {\"name\": \"sa", 0},
        {"mistral", "An [ARRAY] [TOOL]", "|w An [ARRAY] [TOOL]", 0},
    };
    check_all(x, QN_LEN(x));
}

TEST(deepseek) {
    static const example x[] = {
        {"deepseek", "<think>\nHm.\n</think>\n\nSee:\n<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>"
         "weather\n```json\n{\"city\": \"Ulm\", \"t\": \"```\"}\n```<｜tool▁call▁end｜>\n<｜tool▁call▁begin｜>function"
         "<｜tool▁sep｜>now\n```json\n{}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
         "|t Hm.|w See:|c weather({\"city\": \"Ulm\", \"t\": \"```\"})|c now({})", 0},
        {"deepseek", "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>now<｜tool▁sep｜>{\"a\": 1}<｜tool▁call▁end｜>"
         "<｜tool▁calls▁end｜>x", "|c now({\"a\": 1})|w x", 0},
        {"deepseek", "<｜tool▁call▁begin｜>function<｜tool▁sep｜>now\n```\n{}\n```<｜tool▁call▁end｜>", "|c now({})", 0},
        {"deepseek", "<｜tool calls begin｜>function<｜tool▁sep｜>now\n```json\n{}", "|c now({})", 0},
    };
    check_all(x, QN_LEN(x));
}

TEST(granite) {
    static const example x[] = {
        {"granite", "<|tool_call|>[{\"name\": \"now\", \"arguments\": {}}, {\"name\": \"say\", \"arguments\": {"
         "\"t\":1}}]",
         "|c now({})|c say({\"t\":1})", 0},
    };
    check_all(x, QN_LEN(x));
}

TEST(ids) {
    qn_answer_parts p = {0}, q = {0};
    qn_answer_options o = {.calls = true, .id_seed = 1};
    CHECK_OK(qn_answer_form_named(&o.form, "mistral"));
    CHECK_OK(qn_answer_parse(&o, QN_STR("[TOOL_CALLS][{\"id\":\"abcDEF123\",\"name\":\"a\",\"arguments\":{}},"
                                        "{\"id\":\"1\",\"name\":\"b\",\"arguments\":{}}]"), &p));
    CHECK_INT((int)p.calls, 2);
    CHECK_STR(p.call[0].id.s, "abcDEF123");
    CHECK_INT((int)p.call[1].id.n, 9);
    o.id_seed = 2;
    CHECK_OK(qn_answer_parse(&o, QN_STR("[TOOL_CALLS]a[ARGS]{}[TOOL_CALLS]b[ARGS]{}"), &q));
    CHECK_INT((int)q.calls, 2);
    CHECK(strcmp(q.call[0].id.s, q.call[1].id.s) != 0);
    CHECK(strcmp(q.call[1].id.s, p.call[1].id.s) != 0);
    qn_answer_parts_drop(&p);
    qn_answer_parts_drop(&q);
}

TEST(members_of_a_message) {
    static const struct { const char *text, *want; } x[] = {
        {"", "{\"content\":\"\"}"},
        {"Hi", "{\"content\":\"Hi\"}"},
        {"<think>a</think>Hi", "{\"content\":\"Hi\",\"reasoning_content\":\"a\"}"},
        {"<tool_call>{\"name\":\"f\",\"arguments\":{\"q\":\"\\\"\"}}</tool_call>",
         "{\"content\":null,\"tool_calls\":[{\"id\":\"ID\",\"type\":\"function\",\"function\":{\"name\":\"f\","
         "\"arguments\":\"{\\\"q\\\":\\\"\\\\\\\"\\\"}\"}}]}"},
    };
    for (size_t i = 0; i < QN_LEN(x); i++) {
        qn_answer_parts p = {0};
        qn_answer_options o = {.calls = true};
        qn_buf b = {0};
        qn_jw w;
        CHECK_OK(qn_answer_form_named(&o.form, "hermes"));
        CHECK_OK(qn_answer_parse(&o, qn_str_of(x[i].text), &p));
        if (p.calls) {
            qn_buf_clear(&p.call[0].id);
            CHECK_OK(qn_buf_puts(&p.call[0].id, "ID"));
        }
        qn_jw_init(&w, &b, 0);
        qn_jw_open(&w, '{');
        qn_answer_parts_write(&p, &w);
        qn_jw_close(&w);
        CHECK_OK(qn_jw_end(&w));
        CHECK_STR(b.s, x[i].want, "%s", x[i].text);
        qn_answer_parts_drop(&p);
        qn_buf_drop(&b);
    }
}

TEST(forms_from_templates) {
    static const struct { const char *text, *calls; } x[] = {
        {"{{ messages }}", "hermes"},
        {"<tool_call>{\"name\": …}</tool_call>", "hermes"},
        {"[TOOL_CALLS][", "mistral"},
        {"<|python_tag|>", "llama3"},
        {"Respond in the format {\"name\": function name, \"parameters\": dictionary}", "llama3"},
        {"<｜tool▁calls▁begin｜>", "deepseek"},
        {"<|tool_call|>", "granite"},
        {"<|START_ACTION|>", "cohere"},
    };
    for (size_t i = 0; i < QN_LEN(x); i++) {
        const qn_answer_form f = qn_answer_form_of(qn_str_of(x[i].text));
        CHECK_STR(qn_answer_form_name(&f), x[i].calls, "%s", x[i].text);
    }
    qn_answer_form f = qn_answer_form_of(QN_STR("x"));
    CHECK(qn_answer_begins_in_thought(&f, QN_STR("<|im_start|>assistant\n<think>\n")));
    CHECK(!qn_answer_begins_in_thought(&f, QN_STR("<|im_start|>assistant\n<think>\n\n</think>\n\n")));
    CHECK(!qn_answer_begins_in_thought(&f, QN_STR("")));
    f = qn_answer_form_of(QN_STR("<|START_THINKING|>"));
    CHECK(qn_answer_begins_in_thought(&f, QN_STR("<|START_THINKING|>")));
    qn_answer_options free_one = {.form = f}, held = {.form = f};
    qn_answer_expect(&free_one, QN_STR("<|START_THINKING|>"), false);
    CHECK(free_one.in_thought && free_one.form.thoughts);
    qn_answer_expect(&held, QN_STR("<|START_THINKING|>"), true);        /* JSON that was asked for is no thought */
    CHECK(!held.in_thought && !held.form.thoughts);
    CHECK_FAIL(qn_answer_form_named(&f, "xml"), QN_EINVAL, "hermes|llama3");
}

static int refuse(void *to, const qn_answer_event *e) {
    (void)e;
    return --*(int *)to < 0 ? QN_ECANCEL : 0;
}

TEST(the_listener_may_stop_it) {
    for (int after = 0; after < 5; after++) {
        qn_answer *a;
        int left = after;
        qn_answer_options o = {.calls = true, .take = refuse, .to = &left};
        CHECK_OK(qn_answer_form_named(&o.form, "hermes"));
        CHECK_OK(qn_answer_new(&a, &o));
        int rc = qn_answer_feed(a, QN_STR("<think>t</think>w<tool_call>{\"name\":\"f\"}</tool_call>"));
        CHECK_INT(rc, QN_ECANCEL, "after %d", after);
        qn_answer_free(a);
    }
}

/* Fifty thousand bytes of beginnings, one at a time: the work must stay in proportion, or this test never ends. */
TEST(hostile_floods) {
    static const struct { const char *form, *piece; } x[] = {
        {"hermes", "<tool_call>"}, {"hermes", "<tool_call>{\""}, {"hermes", " "}, {"hermes", "<tool_call>{\"a\":"},
        {"hermes", "<"}, {"llama3", "{\"name\""}, {"llama3", "<|python_tag|>a.call(b="}, {"mistral", "[TOOL_CALLS]a"},
        {"mistral", "[TOOL_CALLS]["}, {"deepseek", "<｜tool▁call▁begin｜>a<｜tool▁sep｜>\n"}, {"hermes", "<think>"},
        {"hermes", "<tool_call>{\"name\":\"a\"},"}, {"hermes", "<tool_call>{\"name\":\"\\"},
        {"hermes", "<tool_call>{\"name\":\"a\",\"arguments\":{},"}, {"mistral", "[TOOL_CALLS]a[ARGS]{\"é"},
    };
    for (size_t i = 0; i < QN_LEN(x); i++) {
        qn_answer *a;
        qn_answer_parts p = {0};
        qn_answer_options o = {.calls = true, .take = qn_answer_collect, .to = &p};
        const size_t n = strlen(x[i].piece);
        CHECK_OK(qn_answer_form_named(&o.form, x[i].form));
        CHECK_OK(qn_answer_new(&a, &o));
        for (size_t k = 0; k < 50000; k++)
            CHECK_OK(qn_answer_feed(a, (qn_str){x[i].piece + k % n, 1}));
        CHECK_OK(qn_answer_end(a));
        qn_answer_free(a);
        qn_answer_parts_drop(&p);
    }
}

TEST(survives_any_failed_allocation) {
    static const struct { const char *form, *text; } x[] = {
        {"hermes", "<think>a</think>b<tool_call>{\"name\":\"f\",\"arguments\":\"{\\\"k\\\":1}\"}</tool_call>"},
        {"mistral", "[TOOL_CALLS]f[ARGS]{\"k\":1}"},
        {"llama3", "<|python_tag|>f.call(k=1)"},
    };
    for (size_t i = 0; i < QN_LEN(x); i++) {
        const int64_t before = qn_mem_stats_get(QN_MEM_CHAT).live_bytes;
        qn_answer_options o = {.calls = true};
        int64_t n = 0;
        CHECK_OK(qn_answer_form_named(&o.form, x[i].form));
        for (int rc = QN_ENOMEM; rc != 0; n++) {
            qn_answer_parts p = {0};
            CHECK(n < 1000);
            qn_mem_fail_after(n);
            rc = qn_answer_parse(&o, qn_str_of(x[i].text), &p);
            qn_mem_fail_after(-1);
            CHECK(rc == 0 || rc == QN_ENOMEM, "%s, allocation %lld: %s", x[i].form, (long long)n, qn_error_name(rc));
            CHECK(rc != 0 || p.calls == 1, "%s, allocation %lld", x[i].form, (long long)n);
            qn_answer_parts_drop(&p);
            CHECK_NO_LEAK(QN_MEM_CHAT, before, "%s, allocation %lld", x[i].form, (long long)n);
        }
        CHECK(n > 3);
    }
}
