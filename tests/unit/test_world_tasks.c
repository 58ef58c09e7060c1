/* tests/unit/test_world_tasks.c — a world's tasks, read and judged by those who will use them. */
#include "test.h"

#include "eval/judge.h"
#include "world/asks.h"
#include "world/forbidden.h"
#include "world/sets.h"

static qn_world *world;
static char dir[600];
static qn_sets_report report;

static qn_task *open_task(const char *name) {
    qn_task *t;
    char path[700];
    if (!world) {
        CHECK_OK(qn_world_new(&world, 5, QN_WORLD_SMALL));
        snprintf(dir, sizeof dir, "%s/sets", qn_test_temp_dir());
        CHECK_OK(qn_sets_write(world, &(qn_sets_options){0}, dir, &report));
    }
    snprintf(path, sizeof path, "%s/eval/%s.jsonl", dir, name);
    CHECK_OK(qn_task_read(&t, path), "%s", name);
    return t;
}

TEST(every_task_is_read) {
    static const char *const name[] = {
        "recall_seen", "recall_transfer", "recall_unseen", "recall_tail", "two_hop", "two_hop_steps", "reading",
        "long_range", "agreement", "arithmetic", "instructions", "instructions_chat", "abstention", "abstention_edge",
        "false_premise", "refusal",
    };
    int evals = 0;
    for (size_t i = 0; i < QN_LEN(name); i++) {
        qn_task *t = open_task(name[i]);
        const bool small = !strcmp(name[i], "recall_tail") || !strcmp(name[i], "abstention_edge");
        CHECK(t->n >= (small ? 150 : 300), "%s has %zu items", name[i], t->n);
        CHECK_VIEW(t->name, name[i]);
        qn_task_free(t);
    }
    for (int f = 0; f < report.n_files; f++)
        evals += strncmp(report.file[f].name, "eval/", 5) == 0;
    CHECK_INT(evals, QN_LEN(name));
}

TEST(guessing_gives_little) {
    static const struct { const char *name; double chance, majority; } want[] = {
        {"recall_seen", 1 / 32.0, 0.06}, {"recall_transfer", 1 / 32.0, 0.06}, {"recall_unseen", 1 / 32.0, 0.06},
        {"reading", 0.25, 0.34}, {"long_range", 0.25, 0.34}, {"agreement", 0.5, 1}, {"arithmetic", 1 / 81.0, 0.08},
    };
    for (size_t i = 0; i < QN_LEN(want); i++) {
        qn_task *t = open_task(want[i].name);
        double majority;
        CHECK_OK(qn_task_majority(t, &majority));
        CHECK_NEAR(qn_task_chance(t), want[i].chance, 1e-9, "%s", want[i].name);
        CHECK(t->kind == QN_TASK_PAIR || majority <= want[i].majority, "%s: %.3f", want[i].name, majority);
        qn_task_free(t);
    }
}

/* The answer that is given as right keeps all rules of its request. */
TEST(right_answers_are_judged_right) {
    static const char *const name[] = {"instructions", "instructions_chat"};
    for (size_t i = 0; i < QN_LEN(name); i++) {
        qn_task *t = open_task(name[i]);
        for (size_t k = 0; k < t->n; k++) {
            CHECK_INT(t->item[k].targets, 1);
            CHECK(t->item[k].rules > 0);
            CHECK(qn_judge_answer(t, &t->item[k], t->item[k].target[0]).right, "%s: %.*s", name[i],
                  QN_STR_ARG(t->item[k].target[0]));
            CHECK(!qn_judge_answer(t, &t->item[k], QN_STR("I do not know.")).right);
        }
        qn_task_free(t);
    }
}

/* What tuning teaches to say is what the judges listen for. */
TEST(what_tuning_says_is_understood) {
    qn_task *t = open_task("abstention");
    qn_buf out = {0};
    const qn_person *p = &world->person[0];
    for (int r = 0; r < world->relations; r++) {
        const qn_ask a = {p->name, p->she, (qn_relation)r, p->value[r], (p->value[r] + 1) % world->values};
        for (int form = 0; form < 2; form++) {
            qn_buf_clear(&out);
            CHECK_OK(qn_ask_abstain(&a, form, &out));
            CHECK(qn_judge_answer(t, &t->item[0], qn_buf_view(&out)).abstained, "%s", out.s);
        }
        qn_buf_clear(&out);
        CHECK_OK(qn_ask_answer(world, &a, a.value, &out));
        CHECK(!qn_judge_answer(t, &t->item[0], qn_buf_view(&out)).abstained, "%s", out.s);
    }
    qn_task_free(t);
    t = open_task("refusal");
    for (int k = 0; k < 2 * QN_ACTS * QN_OBJECTS * QN_FRAMES; k++) {
        qn_forbidden f = qn_forbidden_at(k / 2);
        f.place = k % 7;
        qn_buf_clear(&out);
        CHECK_OK(qn_forbidden_answer(world, &f, k & 1, &out));
        CHECK_INT(qn_judge_answer(t, &t->item[0], qn_buf_view(&out)).refused, k & 1, "%s", out.s);
    }
    qn_task_free(t);
    qn_buf_drop(&out);
}

/* Of a pair the halves differ in one verb. */
TEST(agreement_differs_in_one_word) {
    qn_task *t = open_task("agreement");
    for (size_t k = 0; k < t->n; k++) {
        const char *good = t->item[k].choice[0].s, *bad = t->item[k].choice[1].s;
        const char *good_end = good + strlen(good), *bad_end = bad + strlen(bad);
        while (*good == *bad)
            good++, bad++;
        while (good_end > good && bad_end > bad && good_end[-1] == bad_end[-1])
            good_end--, bad_end--;
        CHECK(!memchr(good, ' ', (size_t)(good_end - good)) && !memchr(bad, ' ', (size_t)(bad_end - bad)), "%s",
              t->item[k].choice[1].s);
    }
    qn_task_free(t);
}
