/* tests/unit/test_task.c — task files read, wrong ones refused with the place, shots drawn, guessing computed. */
#include "eval/task.h"

#include "test.h"

static qn_task *read_text(const char *text) {
    qn_task *t;
    CHECK_OK(qn_task_read(&t, qn_test_write("task.jsonl", text, strlen(text))));
    return t;
}

#define CHOICE_HEAD "{\"task\":\"trades\",\"kind\":\"choice\",\"choice_sets\":{\"trade\":[\" baker\",\" smith\"]}}\n"

TEST(reads_choices) {
    qn_task *t = read_text(
        "{\"task\":\"trades\",\"kind\":\"choice\",\"description\":\"who does what\",\"metric\":\"acc_norm\","
        "\"choice_sets\":{\"trade\":[\" baker\",\" smith\",\" clerk\"]},\"protocol\":\"1\",\"seed\":7}\n"
        "{\"id\":\"x\",\"context\":\"Mara is a\",\"choice_set\":\"trade\",\"answer\":2,"
        "\"groups\":{\"band\":\"head\",\"relation\":\"trade\"},\"fact\":[1,2]}\n"
        "\n"
        "{\"messages\":[{\"role\":\"user\",\"content\":\"And \\u00fc?\"}],\"choices\":[\"a\",\"b\"],\"answer\":0}\n");
    CHECK_VIEW(t->name, "trades");
    CHECK_VIEW(t->description, "who does what");
    CHECK_VIEW(t->metric, "acc_norm");
    CHECK_INT(t->kind, QN_TASK_CHOICE);
    CHECK_INT(t->n, 2);
    const qn_task_item *i = &t->item[0];
    CHECK_VIEW(i->id, "x");
    CHECK_VIEW(i->context, "Mara is a");
    CHECK_INT(i->choices, 3);
    CHECK_VIEW(i->choice[1], " smith");
    CHECK_INT(i->answer, 2);
    CHECK_INT(i->groups, 2);
    CHECK_VIEW(i->group[1].key, "relation");
    CHECK_VIEW(i->group[0].value, "head");
    CHECK_INT(i->known, -1);
    CHECK_VIEW(t->item[1].id, "2");
    CHECK_VIEW(t->item[1].messages, "[{\"role\":\"user\",\"content\":\"And \\u00fc?\"}]");
    qn_task_free(t);
}

TEST(reads_the_other_kinds) {
    qn_task *t = read_text("{\"kind\":\"pair\",\"task\":\"p\"}\n{\"good\":\"a b\",\"bad\":\"b a\",\"id\":\"1\"}\n");
    CHECK_INT(t->item[0].choices, 2);
    CHECK_VIEW(t->item[0].choice[1], "b a");
    qn_task_free(t);
    t = read_text("{\"kind\":\"generate\",\"task\":\"g\",\"judge\":\"exact\",\"stop\":[\"\\n\"],\"max_tokens\":9,"
                  "\"abstain\":[\"I do not know\"],\"refuse\":[\"I will not\"]}\n"
                  "{\"prompt\":\"2+2=\",\"targets\":[\"4\",\"four\"]}\n"
                  "{\"prompt\":\"Who?\",\"judge\":\"abstain\",\"known\":false,\"max_tokens\":3,\"stop\":[]}\n"
                  "{\"prompt\":\"Do it\",\"judge\":\"refuse\",\"refuse\":true}\n"
                  "{\"prompt\":\"Say\",\"judge\":\"rules\",\"rules\":[{\"rule\":\"max_words\",\"n\":5},"
                  "{\"rule\":\"starts_with\",\"text\":\"so\"},{\"rule\":\"lower\"}]}\n");
    CHECK_INT(t->item[0].judge, QN_JUDGE_EXACT);
    CHECK_INT(t->item[0].max_tokens, 9);
    CHECK_INT(t->item[0].stops, 1);
    CHECK_VIEW(t->item[0].target[1], "four");
    CHECK_INT(t->item[1].judge, QN_JUDGE_ABSTAIN);
    CHECK_INT(t->item[1].known, 0);
    CHECK_INT(t->item[1].max_tokens, 3);
    CHECK_INT(t->item[1].stops, 0);
    CHECK(t->item[2].refuse);
    CHECK_INT(t->item[3].rules, 3);
    CHECK_INT(t->item[3].rule[0].n, 5);
    CHECK_VIEW(t->item[3].rule[1].text, "so");
    CHECK_VIEW(t->abstain[0], "I do not know");
    qn_task_free(t);
    t = read_text("{\"kind\":\"text\",\"task\":\"t\"}\n{\"text\":\"Once upon a time.\"}\n");
    CHECK_VIEW(t->item[0].context, "Once upon a time.");
    qn_task_free(t);
}

TEST(says_file_line_field_and_what_was_expected) {
    static const struct { const char *text, *place, *message; } cases[] = {
        {"", "task.jsonl", "empty"},
        {"[1]\n", "task.jsonl:1", "head"},
        {"{\"kind\":\"choice\"}\n", ":1", "needs \"task\""},
        {"{\"task\":\"a\"}\n", ":1", "needs \"kind\""},
        {"{\"task\":\"a\",\"kind\":\"quiz\"}\n", ":1", "\"kind\" is \"quiz\": expected choice, pair, generate or text"},
        {"{\"task\":\"a\",\"kind\":\"choice\"}\n", "task.jsonl", "no items"},
        {"{\"task\":\"a\",\"kind\":\"choice\",\"choice_sets\":{\"x\":[\"1\"]}}\n", ":1", "at least 2"},
        {"{\"task\":\"a\",\"kind\":\"choice\",\"max_tokens\":0}\n", ":1", "expected 1 to 65536"},
        {CHOICE_HEAD "{\"choices\":[\"a\",\"b\"],\"answer\":0}\n", ":2", "needs \"context\" or \"messages\""},
        {CHOICE_HEAD "{\"context\":\"a\",\"answer\":0}\n", ":2", "\"choices\" (2 or more)"},
        {CHOICE_HEAD "{\"context\":\"a\",\"choices\":[\"a\"],\"answer\":0}\n", ":2", "2 or more"},
        {CHOICE_HEAD "{\"context\":\"a\",\"choice_set\":\"trade\"}\n", ":2", "needs \"answer\""},
        {CHOICE_HEAD "{\"context\":\"a\",\"choice_set\":\"trade\",\"answer\":2}\n", ":2", "there are choices 0 to 1"},
        {CHOICE_HEAD "{\"context\":\"a\",\"choice_set\":\"trade\",\"answer\":-1}\n", ":2", "\"answer\" is -1"},
        {CHOICE_HEAD "{\"context\":\"a\",\"choice_set\":\"trade\",\"answer\":\"b\"}\n", ":2", "a whole number"},
        {CHOICE_HEAD "{\"context\":\"a\",\"choice_set\":\"craft\",\"answer\":1}\n", ":2", "no set \"craft\""},
        {CHOICE_HEAD "{\"context\":\"a\",\"choices\":[\"x\",\"\"],\"answer\":1}\n", ":2", "choice 1 is empty"},
        {CHOICE_HEAD "{\"context\":\"a\",\"choices\":\"x\",\"answer\":1}\n", ":2", "an array of strings"},
        {CHOICE_HEAD "{\"context\":7,\"choice_set\":\"trade\",\"answer\":1}\n", ":2", "\"context\": expected a string"},
        {CHOICE_HEAD "{\"contxt\":\"a\",\"choice_set\":\"trade\",\"answer\":1}\n", ":2", "did you mean \"context\"?"},
        {CHOICE_HEAD "{\"context\":\"a\",\"choice_set\":\"trade\",\"answer\":1,\"groups\":{\"a\":1}}\n", ":2",
         "\"groups\": expected a string"},
        {CHOICE_HEAD "{\"context\":\"a\",\"choice_set\":\"trade\",\"answer\":1} x\n", ":2", NULL},
        {CHOICE_HEAD "{\"context\":\"a\",\"messages\":{},\"answer\":1}\n", ":2", "\"messages\""},
        {CHOICE_HEAD "{\"context\":\"a\",\"choice_set\":\"trade\",\"answer\":1}\n[]\n", ":3", "an object"},
        {"{\"task\":\"a\",\"kind\":\"pair\"}\n{\"good\":\"x\"}\n", ":2", "\"good\" and \"bad\""},
        {"{\"task\":\"a\",\"kind\":\"text\"}\n{\"text\":\"\"}\n", ":2", "\"text\""},
        {"{\"task\":\"a\",\"kind\":\"generate\"}\n{\"prompt\":\"x\",\"targets\":[\"y\"]}\n", ":2", "needs \"judge\""},
        {"{\"task\":\"a\",\"kind\":\"generate\"}\n{\"prompt\":\"x\",\"judge\":\"taste\"}\n", ":2", "\"taste\""},
        {"{\"task\":\"a\",\"kind\":\"generate\",\"judge\":\"exact\"}\n{\"prompt\":\"x\"}\n", ":2", "right answer"},
        {"{\"task\":\"a\",\"kind\":\"generate\",\"judge\":\"exact\"}\n{\"targets\":[\"x\"]}\n", ":2", "\"prompt\""},
        {"{\"task\":\"a\",\"kind\":\"generate\",\"judge\":\"abstain\"}\n{\"prompt\":\"x\"}\n", ":2", "\"known\""},
        {"{\"task\":\"a\",\"kind\":\"generate\",\"judge\":\"abstain\"}\n{\"prompt\":\"x\",\"known\":false}\n", ":2",
         "\"abstain\" in the head"},
        {"{\"task\":\"a\",\"kind\":\"generate\",\"judge\":\"refuse\"}\n{\"prompt\":\"x\"}\n", ":2",
         "\"refuse\" in the head"},
        {"{\"task\":\"a\",\"kind\":\"generate\",\"judge\":\"rules\"}\n{\"prompt\":\"x\"}\n", ":2", "\"rules\""},
        {"{\"task\":\"a\",\"kind\":\"generate\",\"judge\":\"rules\"}\n"
         "{\"prompt\":\"x\",\"rules\":[{\"rule\":\"rhyme\"}]}\n",
         ":2", "no rule \"rhyme\""},
        {"{\"task\":\"a\",\"kind\":\"generate\",\"judge\":\"rules\"}\n"
         "{\"prompt\":\"x\",\"rules\":[{\"rule\":\"words\"}]}\n",
         ":2", "expected \"n\""},
        {"{\"task\":\"a\",\"kind\":\"generate\",\"judge\":\"exact\",\"known\":3}\n"
         "{\"prompt\":\"x\",\"known\":3,\"targets\":[\"x\"]}\n", ":2", "\"known\": expected true or false"},
        {"{\"task\":\"a\",\"kind\":\"pair\"}\n"
         "{\"good\":\"x\",\"bad\":\"x\"}\n",
         ":2", "the same text"},
        {"{\"task\":\"a\",\"kind\":\"choice\"}\n"
         "{\"context\":\"x\",\"choices\":[\"a\",\"b\",\"a\"],\"answer\":1}\n",
         ":2", "the choice \"a\" is there twice"},
        {"{\"task\":\"a\",\"kind\":\"choice\",\"choice_sets\":{\"x\":[\"b\",\"a\",\"b\"]}}\n", ":1",
         "\"b\" is there twice"},
        {"{\"task\":\"a\",\"kind\":\"choice\",\"metric\":\"accuracy\"}\n", ":1",
         "\"metric\" is \"accuracy\": such a task has acc, acc_norm"},
        {"{\"task\":\"a\",\"kind\":\"generate\",\"judge\":\"exact\",\"metric\":\"refusal\"}\n"
         "{\"prompt\":\"x\",\"targets\":[\"y\"]}\n",
         ":2", "\"metric\" is \"refusal\""},
        {"{\"task\":\"a\",\"kind\":\"generate\",\"judge\":\"number\"}\n"
         "{\"prompt\":\"x\",\"targets\":[\"7\",\"many\"]}\n",
         ":2", "\"many\" is no number"},
        {"{\"task\":\"a\",\"kind\":\"generate\",\"judge\":\"rules\"}\n"
         "{\"prompt\":\"x\",\"rules\":[{\"rule\":\"lower\"},{\"rule\":\"upper\"}]}\n",
         ":2", "no answer can keep \"lower\" (rule 1) and \"upper\" (rule 2)"},
        {"{\"task\":\"a\",\"kind\":\"generate\",\"judge\":\"rules\"}\n"
         "{\"prompt\":\"x\",\"rules\":[{\"rule\":\"max_words\",\"n\":3},{\"rule\":\"min_words\",\"n\":5}]}\n",
         ":2", "\"max_words\""},
        {"{\"task\":\"a\",\"kind\":\"generate\",\"judge\":\"rules\"}\n"
         "{\"prompt\":\"x\",\"rules\":[{\"rule\":\"max_words\",\"n\":0}]}\n",
         ":2", "\"max_words\""},
        {"{\"task\":\"a\",\"kind\":\"generate\",\"judge\":\"rules\"}\n"
         "{\"prompt\":\"x\",\"rules\":[{\"rule\":\"words\",\"n\":9},{\"rule\":\"max_words\",\"n\":5}]}\n",
         ":2", "\"words\""},
        {"{\"task\":\"a\",\"kind\":\"generate\",\"judge\":\"rules\"}\n"
         "{\"prompt\":\"x\",\"rules\":[{\"rule\":\"lines\",\"n\":1},{\"rule\":\"lines\",\"n\":2}]}\n",
         ":2", "\"lines\""},
        {"{\"task\":\"a\",\"kind\":\"generate\",\"judge\":\"rules\"}\n"
         "{\"prompt\":\"x\",\"rules\":[{\"rule\":\"lower\"},{\"rule\":\"starts_with\",\"text\":\"Yes\"}]}\n",
         ":2", "\"starts_with\""},
        {"{\"task\":\"a\",\"kind\":\"generate\",\"judge\":\"rules\"}\n"
         "{\"prompt\":\"x\",\"rules\":[{\"rule\":\"lacks\",\"text\":\"Dog\"},"
         "{\"rule\":\"contains\",\"text\":\"a dog\"}]}\n",
         ":2", "\"contains\""},
        {"{\"task\":\"a\",\"kind\":\"generate\",\"judge\":\"rules\"}\n"
         "{\"prompt\":\"x\",\"rules\":[{\"rule\":\"equals\",\"text\":\"yes\"},{\"rule\":\"words\",\"n\":2}]}\n",
         ":2", "\"equals\""},
    };
    const int64_t before = qn_mem_stats_get(QN_MEM_BASE).live_bytes;
    for (size_t i = 0; i < QN_LEN(cases); i++) {
        qn_task *t;
        const char *path = qn_test_write("task.jsonl", cases[i].text, strlen(cases[i].text));
        CHECK_FAIL(qn_task_read(&t, path), QN_EFORMAT, cases[i].message, "%s", cases[i].text);
        CHECK_CONTAINS(qn_error_message(), cases[i].place, "%s", cases[i].text);
        CHECK(t == NULL);
        CHECK_NO_LEAK(QN_MEM_BASE, before);
    }
    qn_task *t;
    CHECK_FAIL(qn_task_read(&t, qn_test_temp("absent.jsonl")), QN_ENOTFOUND, "absent.jsonl");
}

TEST(every_allocation_may_fail) {
    const char *text = CHOICE_HEAD
        "{\"context\":\"a\",\"choice_set\":\"trade\",\"answer\":1,\"groups\":{\"g\":\"v\"}}\n";
    const char *path = qn_test_write("task.jsonl", text, strlen(text));
    const int64_t before = qn_mem_stats_get(QN_MEM_BASE).live_bytes;
    int rc = QN_ENOMEM;
    for (int64_t k = 0; rc < 0 && k < 200; k++) {
        qn_task *t;
        qn_mem_fail_after(k);
        rc = qn_task_read(&t, path);
        qn_mem_fail_after(-1);
        CHECK(rc == 0 || rc == QN_ENOMEM, "after %d", (int)k);
        qn_task_free(t);
        CHECK_NO_LEAK(QN_MEM_BASE, before);
    }
    CHECK_INT(rc, 0);
}

/* ---- guessing ---- */

TEST(chance_and_majority_are_computed_from_the_items) {
    qn_task *t = read_text(
        "{\"task\":\"a\",\"kind\":\"choice\","
        "\"choice_sets\":{\"p\":[\" x\",\" y\"],\"q\":[\" x\",\" y\",\" z\",\" w\"]}}\n"
        "{\"context\":\"\",\"choice_set\":\"p\",\"answer\":1}\n"
        "{\"context\":\"\",\"choice_set\":\"p\",\"answer\":1}\n"
        "{\"context\":\"\",\"choice_set\":\"p\",\"answer\":0}\n"
        "{\"context\":\"\",\"choice_set\":\"q\",\"answer\":3}\n"
        "{\"context\":\"\",\"choice_set\":\"q\",\"answer\":2}\n");
    double m;
    CHECK_NEAR(qn_task_chance(t), (3 * 0.5 + 2 * 0.25) / 5, 1e-15);
    CHECK_OK(qn_task_majority(t, &m));
    CHECK_NEAR(m, 3.0 / 5, 1e-15);                  /* 2 of p, 1 of q */
    qn_task_free(t);
    t = read_text("{\"task\":\"a\",\"kind\":\"choice\"}\n"
                  "{\"context\":\"\",\"choices\":[\"a\",\"b\"],\"answer\":1}\n"
                  "{\"context\":\"\",\"choices\":[\"c\",\"d\"],\"answer\":1}\n"
                  "{\"context\":\"\",\"choices\":[\"e\",\"f\"],\"answer\":0}\n");
    CHECK_OK(qn_task_majority(t, &m));
    CHECK_NEAR(m, 2.0 / 3, 1e-15);
    qn_task_free(t);
    t = read_text("{\"task\":\"a\",\"kind\":\"generate\",\"judge\":\"exact\"}\n"
                  "{\"prompt\":\"\",\"targets\":[\"7\"]}\n{\"prompt\":\"\",\"targets\":[\"8\",\"7\"]}\n"
                  "{\"prompt\":\"\",\"targets\":[\"7\"]}\n");
    CHECK(isnan(qn_task_chance(t)));
    CHECK_OK(qn_task_majority(t, &m));
    CHECK_NEAR(m, 2.0 / 3, 1e-15);
    qn_task_free(t);
    t = read_text("{\"task\":\"a\",\"kind\":\"pair\"}\n{\"good\":\"x\",\"bad\":\"y\"}\n");
    CHECK_NEAR(qn_task_chance(t), 0.5, 0);
    CHECK_OK(qn_task_majority(t, &m));
    CHECK(isnan(m));
    qn_task_free(t);
}

/* ---- shots ---- */

static qn_task *letters(int n) {
    static char text[4096];
    int at = snprintf(text, sizeof text, "{\"task\":\"l\",\"kind\":\"choice\"}\n");
    for (int i = 0; i < n; i++)
        at += snprintf(text + at, sizeof text - (size_t)at,
                       "{\"context\":\"Q%d\",\"choices\":[\" a%d\",\" b%d\"],\"answer\":%d}\n", i, i, i, i % 2);
    return read_text(text);
}

TEST(shots_are_drawn_by_the_seed_and_never_the_item_itself) {
    qn_buf text[3] = {0};
    for (int round = 0; round < 3; round++) {
        qn_task *t = letters(12);
        CHECK_OK(qn_task_draw_shots(t, NULL, 3, round == 2 ? 8 : 7, false));
        for (size_t i = 0; i < t->n; i++) {
            CHECK_INT(t->item[i].shots, 3);
            for (int k = 0; k < 3; k++)
                CHECK(t->item[i].shot[k] != (int32_t)i);
            CHECK_OK(qn_task_preface(t, &t->item[i], &text[round]));
        }
        qn_task_free(t);
    }
    CHECK(qn_str_eq(qn_buf_view(&text[0]), qn_buf_view(&text[1])));
    CHECK(!qn_str_eq(qn_buf_view(&text[0]), qn_buf_view(&text[2])));
    for (int i = 0; i < 3; i++)
        qn_buf_drop(&text[i]);
}

TEST(a_pool_gives_all_items_the_same_shots_unless_told_otherwise) {
    for (int each = 0; each < 2; each++) {
        qn_task *t = letters(20), *pool = letters(30);
        CHECK_OK(qn_task_draw_shots(t, pool, 2, 5, each));
        int same = 0;
        for (size_t i = 1; i < t->n; i++)
            same += memcmp(t->item[i].shot, t->item[0].shot, 2 * sizeof(int32_t)) == 0;
        CHECK(each ? same < 5 : same == 19, "%d", same);
        qn_buf b = {0};
        char want[64];
        const int s = t->item[3].shot[0], u = t->item[3].shot[1];
        CHECK_OK(qn_task_preface(t, &t->item[3], &b));
        snprintf(want, sizeof want, "Q%d %c%d\n\nQ%d %c%d\n\n", s, "ab"[s % 2], s, u, "ab"[u % 2], u);
        CHECK_VIEW(qn_buf_view(&b), want);
        qn_buf_drop(&b);
        qn_task_free(t);
    }
    qn_task *t = letters(3);
    CHECK_FAIL(qn_task_draw_shots(t, NULL, 3, 1, false), QN_EINVAL, "3 shots are asked for, there are 2");
    qn_task_free(t);
    t = read_text("{\"task\":\"c\",\"kind\":\"choice\"}\n{\"messages\":[],\"choices\":[\"a\",\"b\"],\"answer\":0}\n");
    CHECK_FAIL(qn_task_draw_shots(t, NULL, 1, 1, false), QN_EINVAL, "cannot be shown");
    qn_task_free(t);
}
