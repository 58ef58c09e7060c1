/* tests/unit/test_benchmarks.c — each benchmark's files in the shape in which they are distributed, and the prompts
 * that lm-evaluation-harness 0.4.9 makes of them, written out by hand. */
#include "eval/benchmark.h"

#include <sys/stat.h>

#include "test.h"

static const char *file(const char *name, const char *text) { return qn_test_write(name, text, strlen(text)); }

static qn_task *read_shots(const char *name, const char *path, int64_t shots, const char *from) {
    qn_task *t;
    CHECK_OK(qn_benchmark_read(&t, qn_benchmark_find(name), path,
                               &(qn_shot_options){.shots = shots, .examples = from, .seed = 1}));
    return t;
}

static void refuses(const char *name, const char *text, const char *needle) {
    qn_task *t;
    const int64_t before = qn_mem_stats_get(QN_MEM_BASE).live_bytes;
    CHECK_FAIL(qn_benchmark_read(&t, qn_benchmark_find(name), file("bad.jsonl", text), &(qn_shot_options){0}),
               QN_EFORMAT, needle, "%s: %s", name, text);
    CHECK(t == NULL);
    CHECK_NO_LEAK(QN_MEM_BASE, before);
}

TEST(arc_in_both_spellings) {
    qn_task *t = read_shots("arc", file("arc.jsonl",
        "{\"id\":\"M_1\",\"question\":{\"stem\":\"Which is a metal?\",\"choices\":[{\"text\":\"iron\",\"label\":\"A\"},"
        "{\"text\":\"wood\",\"label\":\"B\"},{\"text\":\"glass\",\"label\":\"C\"}]},\"answerKey\":\"A\"}\n"
        "{\"id\":\"M_2\",\"question\":\"Which floats?\",\"choices\":{\"text\":[\"stone\",\"cork\"],"
        "\"label\":[\"1\",\"2\"]},\"answerKey\":\"2\"}\n"), 0, NULL);
    CHECK_INT(t->n, 2);
    CHECK_VIEW(t->item[0].id, "M_1");
    CHECK_VIEW(t->item[0].context, "Question: Which is a metal?\nAnswer:");
    CHECK_INT(t->item[0].choices, 3);
    CHECK_VIEW(t->item[0].choice[2], " glass");
    CHECK_INT(t->item[0].answer, 0);
    CHECK_VIEW(t->item[1].choice[1], " cork");
    CHECK_INT(t->item[1].answer, 1);
    qn_task_free(t);
    refuses("arc", "{\"id\":\"a\",\"question\":\"x\",\"choices\":{\"text\":[\"a\",\"b\"],\"label\":[\"A\",\"B\"]},"
            "\"answerKey\":\"C\"}\n", "bad.jsonl:1");
    refuses("arc", "{\"id\":\"a\",\"answerKey\":\"C\"}\n", "a \"question\"");
    refuses("arc", "{\"question\":\"x\",\"choices\":{\"text\":[\"a\"],\"label\":[\"A\",\"B\"]},\"answerKey\":\"A\"}\n",
            "1 texts and 2 labels");
    refuses("arc", "", "no items");
}

TEST(hellaswag_is_cleaned) {
    qn_task *t = read_shots("hellaswag", file("hs.jsonl",
        "{\"ind\":24,\"activity_label\":\"Removing ice\",\"ctx_a\":\"A man [header] scrapes [step] ice .\","
        "\"ctx_b\":\"the Man then\",\"ctx\":\"unused\",\"split\":\"val\",\"label\":\"1\",\"source_id\":\"x\","
        "\"endings\":[\" goes  home. \",\"stops [title] Then [a]sings.\",\"[b\",\"x]\"]}\n"), 0, NULL);
    CHECK_VIEW(t->item[0].context, "Removing ice: A man scrapes ice . The man then");
    CHECK_VIEW(t->item[0].choice[0], " goes home.");
    CHECK_VIEW(t->item[0].choice[1], " stops. Then sings.");
    CHECK_VIEW(t->item[0].choice[2], " [b");
    CHECK_INT(t->item[0].answer, 1);
    CHECK_VIEW(t->metric, "acc_norm");
    qn_task_free(t);
    refuses("hellaswag",
            "{\"activity_label\":\"a\",\"ctx_a\":\"b\",\"ctx_b\":\"\",\"label\":\"\",\"endings\":[\"c\"]}\n",
            "the test split has none");
    refuses("hellaswag", "{\"activity_label\":\"a\",\"ctx_a\":\"b\",\"ctx_b\":\"\",\"label\":0}\n", "\"endings\"");
}

TEST(piqa_takes_its_labels_from_the_other_file) {
    const char *items = "{\"goal\":\"open a jar\",\"sol1\":\"twist\",\"sol2\":\"sing\"}\n"
                        "{\"goal\":\"dry hands\",\"sol1\":\"swim\",\"sol2\":\"use a towel\"}\n";
    file("valid-labels.lst", "0\n1\n");
    qn_task *t = read_shots("piqa", file("valid.jsonl", items), 0, NULL);
    CHECK_VIEW(t->item[1].context, "Question: dry hands\nAnswer:");
    CHECK_VIEW(t->item[1].choice[1], " use a towel");
    CHECK_INT(t->item[0].answer, 0);
    CHECK_INT(t->item[1].answer, 1);
    qn_task_free(t);
    t = read_shots("piqa", file("hub.jsonl", "{\"goal\":\"g\",\"sol1\":\"a\",\"sol2\":\"b\",\"label\":1}\n"), 0, NULL);
    CHECK_INT(t->item[0].answer, 1);
    qn_task_free(t);
    refuses("piqa", items, "bad-labels.lst");
}

TEST(winogrande_scores_what_both_have_in_common) {
    qn_task *t = read_shots("winogrande", file("wg.jsonl",
        "{\"qID\":\"q-1\",\"sentence\":\"The cup did not fit in the case as the _ was small.\",\"option1\":\"cup\","
        "\"option2\":\"case\",\"answer\":\"2\"}\n"
        "{\"qID\":\"q-2\",\"sentence\":\"Ann fed Eve, so _ was full.\",\"option1\":\"Ann\",\"option2\":\"Eve\","
        "\"answer\":\"2\"}\n"), 1, NULL);
    CHECK_VIEW(t->item[0].before[0], "The cup did not fit in the case as the cup");
    CHECK_VIEW(t->item[0].before[1], "The cup did not fit in the case as the case");
    CHECK_VIEW(t->item[0].choice[0], " was small.");
    CHECK_VIEW(t->item[0].choice[1], " was small.");
    CHECK_INT(t->item[0].answer, 1);
    qn_buf b = {0};
    CHECK_OK(qn_task_preface(t, &t->item[0], &b));
    CHECK_VIEW(qn_buf_view(&b), "Ann fed Eve, so Eve was full.\n\n");
    qn_buf_drop(&b);
    qn_task_free(t);
    refuses("winogrande", "{\"sentence\":\"no gap\",\"option1\":\"a\",\"option2\":\"b\",\"answer\":\"1\"}\n", "a gap");
    refuses("winogrande", "{\"sentence\":\"a _ b\",\"option1\":\"a\",\"option2\":\"b\",\"answer\":\"\"}\n", "1 or 2");
}

TEST(mmlu_reads_a_folder_with_its_examples) {
    char dir[1024];
    snprintf(dir, sizeof dir, "%s", qn_test_temp("mmlu"));
    CHECK_OK(qn_dir_make(dir));
    CHECK_OK(qn_dir_make(qn_test_temp("mmlu/test")));
    CHECK_OK(qn_dir_make(qn_test_temp("mmlu/dev")));
    file("mmlu/test/world_history_test.csv",
         "\"Who, \"\"he\"\" said,\nwas it?\",Ann,Ben,Cid,Dan,C\r\nWhen? ,1,2,3,4,A\r\n");
    file("mmlu/test/anatomy_test.csv", "Where?,a,b,c,d,D\n");
    file("mmlu/dev/world_history_dev.csv", "First?,p,q,r,s,B\nSecond?,p,q,r,s,A\nThird?,p,q,r,s,A\n");
    file("mmlu/dev/anatomy_dev.csv", "Bone?,w,x,y,z,D\nSkin?,w,x,y,z,C\n");
    qn_task *t = read_shots("mmlu", dir, 2, NULL);
    CHECK_INT(t->n, 3);
    CHECK_VIEW(t->item[0].context, "Where?\nA. a\nB. b\nC. c\nD. d\nAnswer:");
    CHECK_VIEW(t->item[1].context, "Who, \"he\" said,\nwas it?\nA. Ann\nB. Ben\nC. Cid\nD. Dan\nAnswer:");
    CHECK_VIEW(t->item[2].context, "When?\nA. 1\nB. 2\nC. 3\nD. 4\nAnswer:");
    CHECK_VIEW(t->item[1].choice[2], " C");
    CHECK_INT(t->item[1].answer, 2);
    CHECK_VIEW(t->item[1].group[0].value, "world_history");
    qn_buf b = {0};
    CHECK_OK(qn_task_preface(t, &t->item[2], &b));
    CHECK_VIEW(qn_buf_view(&b),
               "The following are multiple choice questions (with answers) about world history.\n\n"
               "First?\nA. p\nB. q\nC. r\nD. s\nAnswer: B\n\nSecond?\nA. p\nB. q\nC. r\nD. s\nAnswer: A\n\n");
    qn_buf_drop(&b);
    qn_task_free(t);
    /* One file finds its examples as well. */
    char one[1024];
    snprintf(one, sizeof one, "%s", qn_test_temp("mmlu/test/anatomy_test.csv"));
    t = read_shots("mmlu", one, 1, NULL);
    CHECK_INT(t->n, 1);
    CHECK_INT(t->item[0].shots, 1);
    CHECK_VIEW(t->pool->item[0].context, "Bone?\nA. w\nB. x\nC. y\nD. z\nAnswer:");
    qn_task_free(t);
    CHECK_FAIL(qn_benchmark_read(&t, qn_benchmark_find("mmlu"), file("x_test.csv", "a,b,c\n"), &(qn_shot_options){0}),
               QN_EFORMAT, "x_test.csv:1: 3 fields");
    CHECK_FAIL(qn_benchmark_read(&t, qn_benchmark_find("mmlu"), file("x_test.csv", "a,b,c,d,e,A\na,b,c,d,e,F\n"),
                                 &(qn_shot_options){0}), QN_EFORMAT, "x_test.csv:2: the answer is \"F\"");
}

TEST(gsm8k_shows_worked_answers) {
    char path[1024];
    snprintf(path, sizeof path, "%s", file("gsm.jsonl",
        "{\"question\":\"A robe takes 2 bolts?\",\"answer\":\"2/2=<<2/2=1>>1\\nSo 3.\\n#### 3\"}\n"
        "{\"question\":\"And #?\",\"answer\":\"many\\n#### 1,234\"}\n"));
    qn_task *t = read_shots("gsm8k", path, 1, NULL);
    CHECK_VIEW(t->item[0].context, "Question: A robe takes 2 bolts?\nAnswer:");
    CHECK_VIEW(t->item[1].target[0], "1,234");
    CHECK_INT(t->item[0].max_tokens, 256);
    CHECK_VIEW(t->item[0].stop[0], "Question:");
    CHECK_INT(t->item[0].judge, QN_JUDGE_GSM8K);
    qn_buf b = {0};
    CHECK_OK(qn_task_preface(t, &t->item[1], &b));
    CHECK_VIEW(qn_buf_view(&b), "Question: A robe takes 2 bolts?\nAnswer: 2/2=<<2/2=1>>1\nSo 3.\n#### 3\n\n");
    qn_buf_drop(&b);
    qn_task_free(t);
    refuses("gsm8k", "{\"question\":\"a\",\"answer\":\"b\"}\n", "#### NUMBER");
    CHECK_FAIL(qn_benchmark_read(&t, qn_benchmark_find("gsm8k"), path, &(qn_shot_options){.shots = -1}), QN_EINVAL,
               "5 shots are asked for");
}

TEST(gsm8k_as_distributed) {
    const char *path = qn_test_shared("data/gsm8k_test.jsonl");
    if (!path)
        SKIP("the shared data is not here");
    qn_task *t = read_shots("gsm8k", path, -1, NULL);
    CHECK_INT(t->n, 1319);
    CHECK_INT(t->item[700].shots, 5);
    CHECK_VIEW(t->item[0].target[0], "18");
    qn_task_free(t);
}

TEST(blimp_takes_whole_sentences) {
    qn_task *t = read_shots("blimp", file("blimp.jsonl",
        "{\"sentence_good\":\"The cats sleep.\",\"sentence_bad\":\"The cats sleeps.\",\"field\":\"morphology\","
        "\"linguistics_term\":\"agreement\",\"UID\":\"regular_plural\",\"simple_LM_method\":true,\"pairID\":\"0\"}\n"),
        0, NULL);
    CHECK_INT(t->kind, QN_TASK_PAIR);
    CHECK_VIEW(t->item[0].context, "");
    CHECK_VIEW(t->item[0].choice[0], " The cats sleep.");
    CHECK_VIEW(t->item[0].choice[1], " The cats sleeps.");
    CHECK_INT(t->item[0].groups, 3);
    CHECK_VIEW(t->item[0].group[1].value, "agreement");
    qn_task_free(t);
    refuses("blimp", "{\"sentence_good\":\"a\"}\n", "expected a field \"sentence_bad\"");
    refuses("blimp", "{\"sentence_good\":[],\"sentence_bad\":\"a\"}\n", "\"sentence_good\": expected a string");
    CHECK(qn_benchmark_find("glue") == NULL);
}
