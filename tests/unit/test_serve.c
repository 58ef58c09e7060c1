/* tests/unit/test_serve.c — parts of the server without a socket: who is let in, which path is what, events on their
 * way, figures. tests/cli/serve_http.py asks a whole one. */
#include "test.h"

#include "serve/serve_impl.h"

static const char *const keys[] = {"right-key-1", "k"}, *const hosts[] = {"mill.local"};
static const char *const origins[] = {"https://good.example"};

static qn_server_options options(void) {
    return (qn_server_options){.host = "0.0.0.0", .keys = keys, .n_keys = 2, .hosts = hosts, .n_hosts = 1,
                               .origins = origins, .n_origins = 1};
}

TEST(names_in_host_must_be_ours) {
    static const struct { const char *host; bool fine; } cases[] = {
        {NULL, true}, {"localhost", true}, {"LocalHost:8080", true}, {"127.0.0.1", true}, {"10.0.0.7:80", true},
        {"[::1]:8080", true}, {"[2001:db8::1]", true}, {"mill.local", true}, {"MILL.local:1", true}, {"", false},
        {"evil.example", false}, {"127.0.0.1.evil.example", false}, {"localhost.evil.example", false},
        {"[evil]", false}, {"mill.local.evil", false}, {":80", false},
    };
    const qn_server_options o = options();
    for (size_t i = 0; i < QN_LEN(cases); i++)
        CHECK_INT(qn_gate_host(&o, cases[i].host), cases[i].fine, "%s", cases[i].host ? cases[i].host : "none");
    char longest[600];
    memset(longest, 'x', sizeof longest);
    longest[sizeof longest - 1] = '\0';
    CHECK(!qn_gate_host(&o, longest));
}

TEST(pages_of_others_must_be_allowed) {
    static const struct { const char *origin, *host; int verdict; } cases[] = {
        {NULL, "localhost", 1}, {"http://localhost:8080", "localhost:8080", 1}, {"http://localhost:81", "localhost", 0},
        {"https://evil.example", "localhost", 0}, {"null", "localhost", 0}, {"", "localhost", 0},
        {"https://good.example", "localhost", 2}, {"https://good.example.evil", "localhost", 0},
        {"http://localhost", NULL, 0},
    };
    static const char *const all[] = {"*"};
    qn_server_options o = options();
    for (size_t i = 0; i < QN_LEN(cases); i++)
        CHECK_INT(qn_gate_origin(&o, cases[i].origin, cases[i].host), cases[i].verdict, "case %zu", i);
    o.origins = all;
    CHECK_INT(qn_gate_origin(&o, "https://evil.example", "localhost"), 2);
}

TEST(keys_are_compared_whole) {
    qn_server_options o = options();
    CHECK(qn_gate_key(&o, "Bearer right-key-1", NULL) && qn_gate_key(&o, "bearer   k", NULL));
    CHECK(qn_gate_key(&o, NULL, "right-key-1") && qn_gate_key(&o, "Basic x", "k"));
    CHECK(!qn_gate_key(&o, NULL, NULL) && !qn_gate_key(&o, "", "") && !qn_gate_key(&o, "Bearer ", NULL));
    CHECK(!qn_gate_key(&o, "Bearer right-key-", NULL) && !qn_gate_key(&o, "Bearer right-key-1k", NULL));
    CHECK(!qn_gate_key(&o, "right-key-1", NULL) && !qn_gate_key(&o, "Bearer kk", NULL));
    CHECK(!qn_gate_key(&o, "Bearer wrong", "k"), "the first header counts");
    o.n_keys = 0;
    CHECK(qn_gate_key(&o, NULL, NULL), "none is asked for");
    CHECK(qn_gate_is_loopback("127.3.2.1") && qn_gate_is_loopback("::1") && qn_gate_is_loopback("localhost"));
    CHECK(!qn_gate_is_loopback("0.0.0.0") && !qn_gate_is_loopback("::") && !qn_gate_is_loopback("mill.local"));
}

TEST(paths_with_and_without_the_version) {
    static const struct { const char *method, *path; int status; } cases[] = {
        {"POST", "/v1/chat/completions", 0}, {"POST", "/chat/completions", 0}, {"POST", "/v1/tokenize", 0},
        {"GET", "/v1/models", 0}, {"GET", "/models/any:thing", 0}, {"HEAD", "/health", 0}, {"GET", "/", 0},
        {"GET", "/page/x.js", 0}, {"GET", "/v1/models/", 404}, {"GET", "/v2/models", 404}, {"GET", "", 404},
        {"GET", "/v1/v1/models", 404}, {"GET", "/v1/", 0}, {"GET", "/page/", 404}, {"GET", "/tokenize", 405},
        {"PUT", "/health", 405},
        {"POST", "/v1/models", 405}, {"OPTIONS", "/health", 405},
    };
    for (size_t i = 0; i < QN_LEN(cases); i++) {
        int status = -1;
        const char *allow = NULL;
        const qn_route *r = qn_route_find(cases[i].method, cases[i].path, &status, &allow);
        CHECK_INT(r ? 0 : status, cases[i].status, "%s %s", cases[i].method, cases[i].path);
        CHECK(r || status == 404 || allow);
    }
}

/* Events one behind the other, of odd lengths: none need be aligned. */
TEST(events_come_as_they_were_said) {
    qn_server s = {0};
    const qn_logprob tops[2] = {{7, -0.5f}, {9, -1.5f}};
    qn_exchange *x = qn_exchange_new(&s);
    qn_event e;
    size_t at = 0;
    CHECK(x != NULL);
    qn_exchange_hold(x, 1);
    for (int i = 0; i < 5; i++) {
        const qn_token_event t = {.id = i, .text = {"abcdef", (size_t)i}, .logprob = -i, .top = tops, .n_top = i % 3};
        CHECK_OK(qn_exchange_said(x, 10 + i, &t));
    }
    qn_fail(QN_ECONTEXT, "too long");
    qn_exchange_ended(x, 3, QN_ECONTEXT, NULL);
    for (int i = 0; i < 5; i++) {
        CHECK(qn_event_next(&x->events, &at, &e));
        CHECK(e.head.kind == QN_HEARD_TOKEN && e.head.id == i && e.head.index == 10 + i && e.head.logprob == -i);
        CHECK_INT(e.text.n, i);
        CHECK(memcmp(e.text.s, "abcdef", e.text.n) == 0);
        for (size_t k = 0; k < e.head.tops; k++)
            CHECK(qn_event_top(&e, k).id == tops[k].id && qn_event_top(&e, k).logprob == tops[k].logprob);
    }
    CHECK(qn_event_next(&x->events, &at, &e) && e.head.kind == QN_HEARD_END && e.head.rc == QN_ECONTEXT);
    CHECK_VIEW(e.text, "too long");
    CHECK(!qn_event_next(&x->events, &at, &e));
    x->param = "messages";
    qn_fail(QN_ECONTEXT, "the \"prompt\" is long");
    qn_exchange_refuse(x, QN_ECONTEXT);
    CHECK_INT(x->status, 400);
    CHECK_VIEW(qn_buf_view(&x->out), "{\"error\":{\"message\":\"the \\\"prompt\\\" is long\",\"type\":"
               "\"invalid_request_error\",\"param\":\"messages\",\"code\":\"context_length_exceeded\"}}");
    CHECK_INT(qn_exchange_status_of(QN_ENOMEM), 500);
    qn_exchange_let_go(x);
}

TEST(figures_for_prometheus) {
    qn_gauges g = {0};
    const qn_scheduler_stats s = {.waiting = 3, .slots = 8, .total = {.new_tokens = 42}};
    qn_buf out = {0};
    qn_gauges_status(&g, 200);
    qn_gauges_status(&g, 418);
    qn_gauges_seconds(&g.whole, 0.02);
    qn_gauges_seconds(&g.whole, 100);
    CHECK_OK(qn_gauges_write(&g, &s, &out));
    static const char *const lines[] = {
        "quern_new_tokens_total 42\n", "quern_queue_waiting 3\n", "quern_http_responses_total{status=\"200\"} 1\n",
        "quern_http_responses_total{status=\"other\"} 1\n", "# TYPE quern_slots gauge\n",
        "quern_answer_seconds_bucket{le=\"0.01\"} 0\n", "quern_answer_seconds_bucket{le=\"0.025\"} 1\n",
        "quern_answer_seconds_bucket{le=\"30\"} 1\n", "quern_answer_seconds_bucket{le=\"+Inf\"} 2\n",
        "quern_answer_seconds_count 2\n",
    };
    for (size_t i = 0; i < QN_LEN(lines); i++)
        CHECK_CONTAINS(out.s, lines[i]);
    qn_buf_drop(&out);
}
