/* tests/unit/test_eval_task.c — whole tasks on a tiny model: requests as they should be encoded, results against the
 * scorer asked by hand, figures, groups, comparison, JSON. */
#include "eval/encode.h"
#include "eval/result.h"

#include "eval_rig.h"

static qn_task *task(const char *text) {
    qn_task *t;
    CHECK_OK(qn_task_read(&t, qn_test_write("task.jsonl", text, strlen(text))));
    return t;
}

static void check_ids(const rig *r, const qn_encoder *e, const qn_encoded *enc, const char *context,
                      const char *scored) {
    qn_buf text = {0};
    CHECK_OK(qn_tok_decode(r->tok, e->ids.v + enc->begin, (size_t)enc->from, 0, &text));
    CHECK_VIEW(qn_buf_view(&text), context);
    qn_buf_clear(&text);
    CHECK_OK(qn_tok_decode(r->tok, e->ids.v + enc->begin + enc->from, (size_t)(enc->n - enc->from), 0, &text));
    CHECK_VIEW(qn_buf_view(&text), scored);
    qn_buf_drop(&text);
}

/* ---- encoding ---- */

TEST(white_space_moves_to_the_choice) {
    static const struct { const char *context, *choice, *before, *scored; } cases[] = {
        {"The sky is", " blue", "The sky is", " blue"}, {"The sky is ", "blue", "The sky is", " blue"},
        {"Say:\n", "x", "Say:", "\nx"},                 {"Say: \n ", " x", "Say:", " \n  x"},
        {"", "blue", "<bos>", "blue"},                  {" \n", "blue", "<bos>", " \nblue"},
    };
    for (int bos = 0; bos < 2; bos++) {
        rig r = rig_new(64, 2, bos);
        for (size_t i = 0; i < QN_LEN(cases); i++) {
            qn_encoder e = {0};
            qn_encoded enc;
            qn_buf before = {0};
            CHECK_OK(qn_encode_choice(&e, &r.scorer, qn_str_of(cases[i].context), qn_str_of(cases[i].choice), &enc));
            CHECK_OK(qn_buf_printf(&before, "%s%s", bos && cases[i].before[0] != '<' ? "<bos>" : "", cases[i].before));
            check_ids(&r, &e, &enc, before.s, cases[i].scored);
            CHECK(!enc.cut);
            qn_buf_drop(&before);
            qn_encoder_drop(&e);
        }
        rig_drop(&r);
    }
}

TEST(what_is_too_long_is_cut_at_the_left) {
    rig r = rig_new(16, 2, false);
    qn_encoder e = {0};
    qn_encoded enc;
    CHECK_OK(qn_encode_choice(&e, &r.scorer, QN_STR("0123456789abcdefghij"), QN_STR(" klm"), &enc));
    CHECK(enc.cut);
    CHECK_INT(enc.n, 17);                           /* the last one is not fed */
    check_ids(&r, &e, &enc, "789abcdefghij", " klm");
    CHECK_OK(qn_encode_choice(&e, &r.scorer, QN_STR("0123456789abc"), QN_STR(" klm"), &enc));
    CHECK(!enc.cut);
    check_ids(&r, &e, &enc, "0123456789abc", " klm");
    CHECK_FAIL(qn_encode_choice(&e, &r.scorer, QN_STR("a"), QN_STR(" 0123456789abcdefghij"), &enc), QN_ECONTEXT,
               "21 tokens to score");
    CHECK_FAIL(qn_encode_choice(&e, &r.scorer, QN_STR(""), QN_STR(""), &enc), QN_EINVAL, "no token");
    CHECK_OK(qn_encode_prompt(&e, &r.scorer, QN_STR("0123456789abcdef"), 4, &enc));
    CHECK(enc.cut);
    CHECK_INT(enc.n, 12);                           /* room for 4 */
    CHECK_INT(e.ids.v[enc.begin], '4' - '!' + 2);
    CHECK_OK(qn_encode_prompt(&e, &r.scorer, QN_STR(""), 4, &enc));
    CHECK_INT(enc.n, 1);
    qn_encoder_drop(&e);
    rig_drop(&r);
}

/* ---- choices ---- */

#define CHOICES                                                                                              \
    "{\"task\":\"letters\",\"kind\":\"choice\",\"choice_sets\":{\"s\":[\" a\",\" bcd\",\" e\"]}}\n"              \
    "{\"id\":\"p\",\"context\":\"Once upon a\",\"choice_set\":\"s\",\"answer\":0,\"groups\":{\"g\":\"x\"}}\n"  \
    "{\"id\":\"q\",\"context\":\"Twice upon a \",\"choice_set\":\"s\",\"answer\":1,\"groups\":{\"g\":\"y\"}}\n" \
    "{\"id\":\"r\",\"context\":\"\",\"choices\":[\"zzz\",\"q\"],\"answer\":1,\"groups\":{\"g\":\"x\",\"h\":\"1\"}}\n" \
    "{\"id\":\"s\",\"context\":\"Thrice\",\"choice_set\":\"s\",\"answer\":2}\n"

static double by_hand(rig *r, const char *context, const char *scored, bool *greedy) {
    qn_ids ids = {0};
    qn_score s;
    if (!*context)
        CHECK_OK(qn_ids_push(&ids, 0));
    CHECK_OK(qn_tok_encode(r->tok, context, strlen(context), QN_TOK_PLAIN, &ids));
    const int64_t from = (int64_t)ids.n;
    CHECK_OK(qn_tok_encode(r->tok, scored, strlen(scored), QN_TOK_PLAIN, &ids));
    CHECK_OK(r->scorer.score(r->scorer.self, &(qn_score_request){ids.v, (int64_t)ids.n, from}, 1, &s));
    *greedy = s.greedy;
    qn_ids_drop(&ids);
    return s.logprob;
}

TEST(choices_are_ranked_by_sum_and_per_byte) {
    static const struct { const char *context, *scored[3]; int n; int64_t bytes[3]; } want[] = {
        {"Once upon a", {" a", " bcd", " e"}, 3, {1, 3, 1}}, {"Twice upon a", {"  a", "  bcd", "  e"}, 3, {1, 3, 1}},
        {"", {"zzz", "q"}, 2, {3, 1}}, {"Thrice", {" a", " bcd", " e"}, 3, {1, 3, 1}}};
    rig r = rig_new(64, 8, false);
    qn_task *t = task(CHOICES);
    qn_task_result x;
    CHECK_OK(qn_eval_task(t, &r.scorer, &(qn_eval_options){0}, &x));
    CHECK_INT(x.n, 4);
    int right = 0, right_norm = 0, greedy = 0, right_x = 0;
    for (int i = 0; i < 4; i++) {
        int best = 0, best_norm = 0;
        double v[3];
        for (int c = 0; c < want[i].n; c++) {
            bool likeliest;
            v[c] = by_hand(&r, want[i].context, want[i].scored[c], &likeliest);
            CHECK(x.item[i].logprob[c] == v[c], "item %d, choice %d: %.9g, not %.9g", i, c, x.item[i].logprob[c], v[c]);
            best = v[c] > v[best] ? c : best;
            best_norm = v[c] / (double)want[i].bytes[c] > v[best_norm] / (double)want[i].bytes[best_norm] ? c
                                                                                                          : best_norm;
            greedy += c == t->item[i].answer && likeliest;
        }
        CHECK_INT(x.item[i].pick, best, "item %d", i);
        CHECK_INT(x.item[i].pick_norm, best_norm, "item %d", i);
        right += best == t->item[i].answer;
        right_norm += best_norm == t->item[i].answer;
        right_x += (i == 0 || i == 2) && best == t->item[i].answer;
    }
    CHECK_STR(x.figure[0].name, "acc");
    CHECK_NEAR(x.figure[0].value, right / 4.0, 1e-15);
    CHECK_STR(x.figure[1].name, "acc_norm");
    CHECK_NEAR(x.figure[1].value, right_norm / 4.0, 1e-15);
    CHECK_NEAR(x.figure[2].value, greedy / 4.0, 1e-15);
    CHECK_NEAR(x.chance, (3 / 3.0 + 0.5) / 4, 1e-15);
    CHECK_NEAR(x.majority, 2 / 4.0, 1e-15);
    CHECK_INT(x.groups, 3);
    CHECK_VIEW(x.group[0].value, "x");
    CHECK_INT(x.group[0].figure.n, 2);
    CHECK_NEAR(x.group[0].figure.value, right_x / 2.0, 1e-15);
    CHECK_VIEW(x.group[2].key, "h");
    qn_task_result_drop(&x);
    qn_task_free(t);
    rig_drop(&r);
}

TEST(the_head_says_which_figure_stands_for_the_task) {
    rig r = rig_new(64, 4, false);
    qn_task *t = task("{\"task\":\"a\",\"kind\":\"choice\",\"metric\":\"acc_norm\"}\n"
                      "{\"context\":\"a\",\"choices\":[\"b\",\"c\"],\"answer\":0}\n");
    qn_task_result x;
    CHECK_OK(qn_eval_task(t, &r.scorer, &(qn_eval_options){0}, &x));
    CHECK_STR(x.figure[0].name, "acc_norm");
    CHECK_STR(x.figure[1].name, "acc");
    CHECK_INT(x.figures, 3);
    qn_task_result_drop(&x);
    qn_task_free(t);
    rig_drop(&r);
}

/* ---- other kinds ---- */

TEST(texts_are_cut_into_windows_that_touch) {
    const char *text = "It was a bright cold day in April, and the clocks were striking thirteen.";
    rig r = rig_new(16, 4, false);
    qn_task *t = task("{\"task\":\"t\",\"kind\":\"text\"}\n"
                      "{\"text\":\"It was a bright cold day in April, and the clocks were striking thirteen.\"}\n");
    qn_task_result x;
    qn_ids ids = {0};
    double nats = 0;
    int64_t tokens = 0;
    CHECK_OK(qn_eval_task(t, &r.scorer, &(qn_eval_options){0}, &x));
    CHECK_OK(qn_ids_push(&ids, 0));
    CHECK_OK(qn_tok_encode(r.tok, text, strlen(text), QN_TOK_PLAIN, &ids));
    for (int64_t i = 0; i + 1 < (int64_t)ids.n; i += 16) {
        qn_score s;
        const int64_t n = QN_MIN(17, (int64_t)ids.n - i);
        CHECK_OK(r.scorer.score(r.scorer.self, &(qn_score_request){ids.v + i, n, 1}, 1, &s));
        nats -= s.logprob;
        tokens += n - 1;
    }
    CHECK(x.item[0].nats == nats);
    CHECK_INT(x.item[0].tokens, tokens);
    CHECK_INT(tokens, strlen(text));
    CHECK_NEAR(x.figure[0].value, nats / log(2) / (double)strlen(text), 1e-12);
    CHECK_NEAR(x.figure[1].value, exp(nats / (double)tokens), 1e-9 * x.figure[1].value);
    CHECK_NEAR(x.figure[2].value, exp(nats / 14), 1e-9 * x.figure[2].value);
    CHECK(isnan(x.chance) && isnan(x.majority));
    qn_ids_drop(&ids);
    qn_task_result_drop(&x);
    qn_task_free(t);
    rig_drop(&r);
}

/* A scorer that says what it is told: the figures of abstention can be counted by hand. */
static const char *const said[] = {"a baker", "a smith", "I do not know", "I do not know", "a clerk", "a baker"};
static const double sure[] = {-0.1, -1.2, -0.9, -2.0, -1.0, -0.2};
static int say(void *self, const qn_generate_request *q, int64_t n, qn_generated *out) {
    (void)self;
    (void)q;
    for (int64_t i = 0; i < n; i++) {
        CHECK_OK(qn_buf_puts(&out[i].text, said[i]));
        out[i].tokens = 2;
        out[i].logprob = 2 * sure[i];
    }
    return 0;
}

TEST(abstention_is_counted_on_known_and_unknown) {
    rig r = rig_new(64, 4, false);
    qn_task *t = task("{\"task\":\"t\",\"kind\":\"generate\",\"judge\":\"abstain\",\"abstain\":[\"I do not know\"]}\n"
                      "{\"prompt\":\"1\",\"known\":true,\"targets\":[\"baker\"]}\n"
                      "{\"prompt\":\"2\",\"known\":true,\"targets\":[\"baker\"]}\n"
                      "{\"prompt\":\"3\",\"known\":true,\"targets\":[\"baker\"]}\n"
                      "{\"prompt\":\"4\",\"known\":false}\n{\"prompt\":\"5\",\"known\":false}\n"
                      "{\"prompt\":\"6\",\"known\":true,\"targets\":[\"baker\"]}\n");
    static const struct { const char *name; double value; int n; } want[] = {
        {"acc", 3.0 / 6, 6}, {"correct_known", 2.0 / 4, 4}, {"wrong_known", 1.0 / 4, 4},
        {"abstained_known", 1.0 / 4, 4}, {"abstained_unknown", 1.0 / 2, 2}, {"wrong_unknown", 1.0 / 2, 2},
        {"auroc_known", 7.0 / 8, 6}, {"auroc_right", 6.0 / 9, 6}};
    qn_scorer teller = r.scorer;
    qn_task_result x;
    teller.generate = say;
    CHECK_OK(qn_eval_task(t, &teller, &(qn_eval_options){0}, &x));
    CHECK_INT(x.figures, QN_LEN(want));
    for (size_t i = 0; i < QN_LEN(want); i++) {
        CHECK_STR(x.figure[i].name, want[i].name);
        CHECK_NEAR(x.figure[i].value, want[i].value, 1e-12, "%s", want[i].name);
        CHECK_INT(x.figure[i].n, want[i].n, "%s", want[i].name);
    }
    qn_task_result_drop(&x);
    /* One that does not write is left out; so are conversations without a template. */
    teller.generate = NULL;
    CHECK_OK(qn_eval_task(t, &teller, &(qn_eval_options){0}, &x));
    CHECK(x.left_out && x.n == 0);
    qn_task_result_drop(&x);
    qn_task_free(t);
    t = task("{\"task\":\"t\",\"kind\":\"choice\"}\n{\"messages\":[],\"choices\":[\"a\",\"b\"],\"answer\":0}\n");
    CHECK_OK(qn_eval_task(t, &r.scorer, &(qn_eval_options){0}, &x));
    CHECK(x.left_out);
    qn_task_result_drop(&x);
    qn_task_free(t);
    rig_drop(&r);
}

/* "user asks" before the answer, as a template might write it. */
static int render(void *chat, qn_str messages, qn_ids *ids) {
    return qn_tok_encode(chat, messages.s + 1, messages.n - 2, QN_TOK_PLAIN, ids);
}

TEST(conversations_go_through_the_template) {
    rig r = rig_new(64, 4, false);
    qn_task *t = task("{\"task\":\"t\",\"kind\":\"choice\"}\n"
                      "{\"messages\":[7],\"choices\":[\" a\",\"b\"],\"answer\":0}\n");
    qn_task_result x;
    bool greedy;
    r.scorer.render = render;
    r.scorer.chat = r.tok;
    CHECK_OK(qn_eval_task(t, &r.scorer, &(qn_eval_options){0}, &x));
    const double a = x.item[0].logprob[0], b = x.item[0].logprob[1];
    CHECK(a == by_hand(&r, "7", "a", &greedy) && b == by_hand(&r, "7", "b", &greedy), "without the blank");
    qn_task_result_drop(&x);
    qn_task_free(t);
    rig_drop(&r);
}

/* ---- all of it ---- */

/* Each item once, in their order, both sides of what takes turns alike. */
TEST(items_spread_over_both_sides) {
    for (int64_t all = 1; all < 40; all++)
        for (int64_t n = 1; n <= all; n++) {
            int64_t odd = 0, before = -1;
            for (int64_t i = 0; i < n; i++) {
                const int64_t at = qn_spread(i, n, all);
                CHECK(at > before && at < all, "%lld of %lld: %lld behind %lld", (long long)i, (long long)all,
                      (long long)at, (long long)before);
                before = at;
                odd += at & 1;
            }
            CHECK(odd == n / 2 || 2 * n > all, "%lld of %lld: %lld are odd", (long long)n, (long long)all,
                  (long long)odd);
        }
    CHECK_INT(qn_spread(0, 2, 600), 0);
    CHECK_INT(qn_spread(1, 2, 600), 301);
}

TEST(limits_spread_and_suites_compare) {
    rig r = rig_new(64, 8, false);
    qn_task *t = task(CHOICES);
    qn_suite s;
    qn_comparison d;
    const qn_task *const tasks[] = {t, t};
    const qn_scorer *const scorers[] = {&r.scorer, &r.scorer};
    CHECK_OK(qn_eval_suite(tasks, 2, scorers, 2, &(qn_eval_options){.limit = 2, .seed = 3}, &s));
    const qn_task_result *x = qn_suite_at(&s, 1, 0);
    CHECK_INT(x->n, 2);
    CHECK_VIEW(x->item[0].item->id, "p");
    CHECK_VIEW(x->item[1].item->id, "s");
    CHECK_OK(qn_compare(x, qn_suite_at(&s, 1, 1), &(qn_eval_options){0}, &d));
    CHECK(d.difference == 0 && d.better == 0 && d.worse == 0 && d.p == 1 && d.in.lo == 0 && d.in.hi == 0);
    CHECK_FAIL(qn_compare(x, &(qn_task_result){.task = t, .n = 1}, &(qn_eval_options){0}, &d), QN_EINVAL, "same items");

    qn_buf text = {0};
    qn_jw w;
    qn_jw_init(&w, &text, 0);
    qn_jw_open(&w, '{');
    qn_suite_json(&w, &s);
    qn_jw_close(&w);
    CHECK_OK(qn_jw_end(&w));
    CHECK_CONTAINS(text.s, "{\"tasks\":[{\"name\":\"letters\",\"kind\":\"choice\",\"n\":2,\"metric\":\"acc\",");
    CHECK_CONTAINS(text.s, "\"groups\":{\"g\":{\"x\":{\"value\":");
    CHECK_CONTAINS(text.s, "\"baselines\":{\"model\":{\"value\":");
    qn_json j;
    qn_json_init(&j, text.s, text.n, "result");
    CHECK_OK(qn_json_skip(&j));
    CHECK_OK(qn_json_end(&j));
    qn_json_drop(&j);
    qn_buf_clear(&text);
    qn_jw_init(&w, &text, 0);
    qn_item_json(&w, x, &x->item[1]);
    CHECK_OK(qn_jw_end(&w));
    CHECK_CONTAINS(text.s, "{\"task\":\"letters\",\"id\":\"s\",\"acc\":");
    CHECK_CONTAINS(text.s, "\"logprobs\":[-");
    qn_buf_drop(&text);
    qn_suite_drop(&s);
    qn_task_free(t);
    rig_drop(&r);
}

TEST(errors_name_task_and_item) {
    rig r = rig_new(8, 2, false);
    qn_task *t = task("{\"task\":\"long\",\"kind\":\"choice\"}\n"
                      "{\"id\":\"i7\",\"context\":\"a\",\"choices\":[\"b\",\" 0123456789\"],\"answer\":0}\n");
    qn_task_result x;
    CHECK_FAIL(qn_eval_task(t, &r.scorer, &(qn_eval_options){0}, &x), QN_ECONTEXT, "long, item i7: 11 tokens to score");
    qn_task_result_drop(&x);
    qn_task_free(t);
    rig_drop(&r);
}

TEST(every_allocation_may_fail) {
    rig r = rig_new(64, 8, false);
    qn_task *t = task(CHOICES);
    const qn_scorer *const scorers[] = {&r.scorer};
    const qn_task *const tasks[] = {t};
    const int64_t before = qn_mem_stats_get(QN_MEM_BASE).live_bytes;
    int rc = QN_ENOMEM;
    for (int64_t k = 0; rc < 0 && k < 400; k++) {
        qn_suite s;
        qn_mem_fail_after(k);
        rc = qn_eval_suite(tasks, 1, scorers, 1, &(qn_eval_options){.draws = 10}, &s);
        qn_mem_fail_after(-1);
        CHECK(rc == 0 || rc == QN_ENOMEM, "after %d", (int)k);
        qn_suite_drop(&s);
        CHECK_NO_LEAK(QN_MEM_BASE, before);
    }
    CHECK_INT(rc, 0);
    qn_task_free(t);
    rig_drop(&r);
}

TEST(a_folder_is_its_task_files_by_name) {
    char dir[1024];
    qn_task **tasks;
    int64_t n;
    snprintf(dir, sizeof dir, "%s", qn_test_temp("tasks"));
    CHECK_OK(qn_dir_make(dir));
    CHECK_FAIL(qn_tasks_read(&tasks, &n, dir), QN_EINVAL, "no task files");
    const char *text = "{\"task\":\"b\",\"kind\":\"text\"}\n{\"text\":\"x\"}\n";
    qn_test_write("tasks/b.jsonl", text, strlen(text));
    qn_test_write("tasks/note.txt", "x", 1);
    text = "{\"task\":\"a\",\"kind\":\"text\"}\n{\"text\":\"x\"}\n";
    qn_test_write("tasks/a.jsonl", text, strlen(text));
    CHECK_OK(qn_tasks_read(&tasks, &n, dir));
    CHECK_INT(n, 2);
    CHECK_VIEW(tasks[0]->name, "a");
    qn_tasks_free(tasks, n);
    qn_test_write("tasks/c.jsonl", "[]", 2);
    CHECK_FAIL(qn_tasks_read(&tasks, &n, dir), QN_EFORMAT, "c.jsonl:1");
    CHECK_INT(n, 0);
}
