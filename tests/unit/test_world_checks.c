/* tests/unit/test_world_checks.c — the tests that the generator holds itself to can themselves fail. */
/* full: WHOLE=1 */
#include "test.h"

#include "world/bow.h"
#include "world/corpus_write.h"
#include "world/forbidden.h"
#include "world/ks.h"
#include "world/name_check.h"
#include "world/sets.h"

TEST(kolmogorovs_series) {
    /* Smirnov's table, and scipy.stats.kstwobign.sf */
    CHECK_NEAR(qn_ks_series(0), 1, 0);
    CHECK_NEAR(qn_ks_series(0.5), 0.963945243664875, 1e-13);
    CHECK_NEAR(qn_ks_series(1), 0.269999671677355, 1e-13);
    CHECK_NEAR(qn_ks_series(1.5), 0.022217962616525, 1e-13);
    CHECK_NEAR(qn_ks_series(3), 3.04599594894253e-8, 1e-20);
    CHECK_NEAR(qn_ks_series(0.2000001), 1, 1e-9);
}

TEST(unlike_samples_are_told_apart) {
    int32_t a[200], b[300];
    qn_ks ks;
    for (int i = 0; i < 200; i++)
        a[i] = i % 4;
    for (int i = 0; i < 300; i++)
        b[i] = i % 4;
    CHECK_OK(qn_ks_test(a, 200, b, 300, &ks));
    CHECK_NEAR(ks.d, 0, 1e-12);
    CHECK_NEAR(ks.p, 1, 0);
    for (int i = 0; i < 300; i++)
        b[i] = i % 4 + (i % 3 == 0);        /* a third of them one longer: 1/12 of all pass from 0 to 1 … */
    CHECK_OK(qn_ks_test(a, 200, b, 300, &ks));
    CHECK_NEAR(ks.d, 1 / 12.0, 1e-12);
    CHECK_NEAR(ks.p, qn_ks_series(sqrt(120) / 12), 1e-12);
    for (int i = 0; i < 300; i++)
        b[i] = 9;
    CHECK_OK(qn_ks_test(a, 200, b, 300, &ks));
    CHECK_NEAR(ks.d, 1, 0);
    CHECK(ks.p < 1e-50);
}

static qn_bow_result told(const char *yes, const char *no, int pairs) {
    qn_bow_text t[200];
    char text[200][96];
    qn_bow_result r;
    for (int i = 0; i < 2 * pairs; i++) {
        snprintf(text[i], sizeof text[i], "%s %c%c", i & 1 ? yes : no, 'a' + i / 2 % 26, 'a' + i / 52);
        t[i] = (qn_bow_text){qn_str_of(text[i]), i & 1, i / 2};
    }
    CHECK_OK(qn_bow_test(t, 2 * pairs, &r));
    return r;
}

TEST(a_word_that_tells_is_found) {
    qn_bow_result r = told("Poison the well", "Clean the well", 50);
    CHECK_NEAR(r.bayes, 1, 0);
    CHECK_NEAR(r.logistic, 1, 0);
    r = told("I want to poison the well, not you", "You want to poison the well, not I", 50);
    CHECK_NEAR(r.bayes, 0.5, 0);
    CHECK_NEAR(r.logistic, 0.5, 0);
}

/* Both sides of a pair are the same words in another order. */
TEST(look_alikes_are_made_of_the_same_words) {
    qn_world *w;
    int cells = 0;
    CHECK_OK(qn_world_new(&w, 1, QN_WORLD_SMALL));
    for (int k = 0; k < QN_ACTS * QN_OBJECTS * QN_FRAMES; k++) {
        qn_buf side[2] = {{0}};
        int count[2][256] = {{0}};
        qn_forbidden f = qn_forbidden_at(k);
        f.place = k % w->values;
        f.trade = k / 3 % w->values;
        cells += f.frame == 0 && qn_forbidden_possible(f.act, f.object, f.frame);
        for (int i = 0; i < 2; i++) {
            CHECK_OK(qn_forbidden_ask(w, &f, i, &side[i]));
            for (size_t b = 0; b < side[i].n; b++)
                count[i][(unsigned char)side[i].s[b] | 0x20]++;
        }
        CHECK(side[0].n == side[1].n && strcmp(side[0].s, side[1].s) != 0, "%s | %s", side[0].s, side[1].s);
        CHECK(memcmp(count[0], count[1], sizeof count[0]) == 0, "%s | %s", side[0].s, side[1].s);
        qn_buf_drop(&side[0]);
        qn_buf_drop(&side[1]);
    }
    CHECK(cells >= 40, "%d of 96 cells", cells);
    qn_world_free(w);
}

/* ---- one world, its corpus and its sets ---- */

static qn_world *world;
static qn_pool *pool;

static const char *path_of(const char *name) {
    static char path[700];
    snprintf(path, sizeof path, "%s/%s", qn_test_temp_dir(), name);
    return path;
}

static void need_world(void) {
    qn_plan *plan;
    qn_corpus_written r;
    qn_sets_report sets;
    if (world)
        return;
    CHECK_OK(qn_world_new(&world, 1, QN_WORLD_SMALL));
    CHECK_OK(qn_plan_new(&plan, world));
    CHECK_OK(qn_pool_new(&pool, 2));
    CHECK_OK(qn_corpus_write(world, plan, pool, &(qn_corpus_write_options){.out = qn_test_temp_dir()}, &r));
    CHECK_OK(qn_sets_write(world, &(qn_sets_options){0}, qn_test_temp_dir(), &sets));
    qn_corpus_written_drop(&r);
    qn_plan_free(plan);
}

/* Tasks for base models ask as the corpus does: where a genre changes, they have to follow. */
TEST(tasks_speak_as_the_corpus_does) {
    static const char *const said[] = {
        "\nQuestion: What does ", " have now?\nAnswer: ", "\nQuestion: Who has ", "\nThe same again: ",
        "Those who came to the ", "\nTeacher: Say ", "\nPupil: ", " + ", "What is 1", " make ", " lies on the river ",
        "he tool of a ",
    };
    qn_buf text = {0};
    need_world();
    CHECK_OK(qn_read_file(&text, path_of("corpus/part-0000.txt"), (size_t)1 << 30));
    for (size_t i = 0; i < QN_LEN(said); i++)
        CHECK(strstr(text.s, said[i]) != NULL, "%s", said[i]);
    qn_buf_drop(&text);
}

TEST(names_of_strangers_are_as_long_as_others) {
    qn_name_check names;
    need_world();
    for (int64_t vocab = 512; vocab <= 8192; vocab *= 4) {
        CHECK_OK(qn_name_check_corpus(world, path_of("corpus"), vocab, pool, &names));
        CHECK(names.alike.p > QN_NAME_CHECK_P, "%lld tokens: %.2f and %.2f, p = %.3f", (long long)vocab, names.known,
              names.unknown, names.alike.p);
        CHECK(names.known >= 2 && names.n_known == world->people && names.n_unknown > 500);
    }
}

/* Names of evaluation's strangers, and how many of them a file has. "Marin Belling": two words with capitals. */
static size_t count_strangers(const qn_strmap *names, const char *file) {
    qn_buf text = {0};
    size_t n = 0;
    CHECK_OK(qn_read_file(&text, path_of(file), (size_t)1 << 30), "%s", file);
    for (const char *p = text.s; *p; p++) {
        if (*p < 'A' || *p > 'Z')
            continue;
        const char *end = p + 1;
        while (*end >= 'a' && *end <= 'z')
            end++;
        if (*end != ' ' || end[1] < 'A' || end[1] > 'Z')
            continue;
        for (end += 2; *end >= 'a' && *end <= 'z'; end++) {}
        int64_t found;
        n += qn_strmap_get(names, (qn_str){p, (size_t)(end - p)}, &found);
    }
    qn_buf_drop(&text);
    return n;
}

TEST(strangers_of_evaluation_are_in_no_training_file) {
    static const char *const training[] = {
        "corpus/part-0000.txt", "sft.jsonl", "preferences.jsonl", "prompts.jsonl", "passages.jsonl"
    };
    need_world();
    qn_strmap names = {0};
    size_t n = 0, cap = 0;
    char **own = NULL;
    for (int kind = 0; kind < 2; kind++)
        for (int64_t i = 0; i < qn_world_unknowns(world, (qn_unknown)kind); i++) {
            qn_buf b = {0};
            CHECK_OK(qn_name_put(world, qn_world_unknown(world, (qn_unknown)kind, true, i), &b));
            CHECK_OK(QN_GROW(QN_MEM_TEST, own, cap, n + 1));
            own[n++] = b.s;
            CHECK(qn_strmap_put(&names, qn_buf_view(&b), i) >= 0);
        }
    CHECK(count_strangers(&names, "eval/abstention.jsonl") >= 300);
    CHECK(count_strangers(&names, "eval/reading.jsonl") >= 300);
    for (size_t i = 0; i < QN_LEN(training); i++)
        CHECK_INT(count_strangers(&names, training[i]), 0, "%s", training[i]);
    for (size_t i = 0; i < n; i++)
        qn_free(own[i]);
    qn_free(own);
    qn_strmap_drop(&names);
}

/* Whichever allocation fails, that is said and nothing is lost. */
TEST(sets_survive_the_lack_of_memory) {
    qn_sets_report r;
    need_world();
    const int64_t scratch = qn_mem_stats_get(QN_MEM_SCRATCH).live_bytes;
    const int64_t base = qn_mem_stats_get(QN_MEM_BASE).live_bytes;
    int failed = 0;
    for (int64_t k = 0; k < (qn_test_whole() ? 40 : 24); k++) {
        qn_mem_fail_after(k < 12 ? k : k * k * k);
        const int rc = qn_sets_write(world, &(qn_sets_options){0}, path_of("short"), &r);
        qn_mem_fail_after(-1);
        CHECK(rc == 0 || rc == QN_ENOMEM, "allocation %lld: %s", (long long)k, qn_error_message());
        failed += rc < 0;
        CHECK_NO_LEAK(QN_MEM_SCRATCH, scratch, "allocation %lld", (long long)k);
        CHECK_NO_LEAK(QN_MEM_BASE, base, "allocation %lld", (long long)k);
    }
    CHECK(failed >= 20, "%d", failed);
}
