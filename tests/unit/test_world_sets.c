/* tests/unit/test_world_sets.c — the files beside the corpus: every row valid, the halves even, the sides apart. */
#include "test.h"

#include "base/json.h"
#include "world/forbidden.h"
#include "world/sets.h"

/* ---- rows, read back ---- */

typedef struct {
    qn_buf id, ask, choice_set, judge, kind, chosen, rejected, aspect, length, mixes, answer;
    char *choice[16];
    int choices;
    int64_t right, questions;
    int known, refuse;                      /* -1: not there */
} row;

typedef struct { row *v; size_t n, cap; } rows;

static void read_string(qn_json *j, qn_buf *out) {
    qn_buf_clear(out);
    CHECK_OK(qn_json_string(j, out));
}

static void read_messages(qn_json *j, row *r) {
    qn_str key;
    CHECK_OK(qn_json_enter(j, '['));
    for (int i = 0; qn_json_item(j) > 0; i++) {
        CHECK_OK(qn_json_enter(j, '{'));
        while (qn_json_key(j, &key) > 0)
            if (qn_str_is(key, "content"))
                read_string(j, i ? &r->answer : &r->ask);
            else
                CHECK_OK(qn_json_skip(j));
    }
}

static void read_choices(qn_json *j, row *r) {
    CHECK_OK(qn_json_enter(j, '['));
    while (qn_json_item(j) > 0) {
        qn_buf b = {0};
        CHECK_OK(qn_json_string(j, &b));
        CHECK(r->choices < 16);
        r->choice[r->choices++] = b.s;
    }
}

static void read_mixes(qn_json *j, row *r) {
    CHECK_OK(qn_json_enter(j, '['));
    while (qn_json_item(j) > 0) {
        CHECK_OK(qn_json_string(j, &r->mixes));
        CHECK_OK(qn_buf_putc(&r->mixes, ' '));
    }
}

static bool read_text(qn_json *j, qn_str key, row *r) {
    const struct { const char *key; qn_buf *to; } field[] = {
        {"id", &r->id}, {"context", &r->ask}, {"prompt", &r->ask}, {"choice_set", &r->choice_set}, {"judge", &r->judge},
        {"kind", &r->kind}, {"chosen", &r->chosen}, {"rejected", &r->rejected}, {"aspect", &r->aspect},
        {"length", &r->length}, {"text", &r->answer}, {"good", &r->chosen}, {"bad", &r->rejected},
    };
    for (size_t i = 0; i < QN_LEN(field); i++)
        if (qn_str_is(key, field[i].key)) {
            read_string(j, field[i].to);
            return true;
        }
    return false;
}

static void read_row(const char *line, size_t n, row *r) {
    qn_json j;
    qn_str key;
    bool b;
    *r = (row){.right = -1, .known = -1, .refuse = -1};
    qn_json_init(&j, line, n, "row");
    CHECK_OK(qn_json_enter(&j, '{'));
    while (qn_json_key(&j, &key) > 0) {
        if (qn_str_is(key, "messages"))
            read_messages(&j, r);
        else if (qn_str_is(key, "choices"))
            read_choices(&j, r);
        else if (qn_str_is(key, "mixes"))
            read_mixes(&j, r);
        else if (qn_str_is(key, "answer"))
            CHECK_OK(qn_json_i64(&j, &r->right));
        else if (qn_str_is(key, "known") || qn_str_is(key, "refuse")) {
            bool known = qn_str_is(key, "known");
            CHECK_OK(qn_json_bool(&j, &b));
            *(known ? &r->known : &r->refuse) = b;
        } else if (!read_text(&j, key, r))
            CHECK_OK(qn_json_skip(&j));
    }
    CHECK_OK(qn_json_end(&j));
    qn_json_drop(&j);
}

static const char *path_of(const char *dir, const char *name) {
    static char path[1024];
    snprintf(path, sizeof path, "%s/%s.jsonl", dir, name);
    return path;
}

static rows read_rows(const char *dir, const char *name) {
    rows out = {0};
    qn_buf file = {0};
    CHECK_OK(qn_read_file(&file, path_of(dir, name), (size_t)1 << 30), "%s", name);
    char *at = file.s, *end;
    if (strncmp(name, "eval/", 5) == 0)
        at = strchr(at, '\n') + 1;
    for (; (end = strchr(at, '\n')) != NULL; at = end + 1) {
        CHECK_OK(QN_GROW(QN_MEM_TEST, out.v, out.cap, out.n + 1));
        read_row(at, (size_t)(end - at), &out.v[out.n++]);
    }
    CHECK_INT(*at, 0);
    qn_buf_drop(&file);
    return out;
}

static void drop_rows(rows *r) {
    for (size_t i = 0; i < r->n; i++) {
        row *v = &r->v[i];
        qn_buf *all[] = {&v->id, &v->ask, &v->choice_set, &v->judge, &v->kind, &v->chosen, &v->rejected, &v->aspect,
                         &v->length, &v->mixes, &v->answer};
        for (size_t k = 0; k < QN_LEN(all); k++)
            qn_buf_drop(all[k]);
        for (int k = 0; k < v->choices; k++)
            qn_free(v->choice[k]);
    }
    qn_free(r->v);
}

/* ---- one small world for all tests ---- */

static qn_world *world;
static char dir[600];
static qn_sets_report report;

static void need_sets(void) {
    if (world)
        return;
    CHECK_OK(qn_world_new(&world, 1, QN_WORLD_SMALL));
    snprintf(dir, sizeof dir, "%s/sets", qn_test_temp_dir());
    CHECK_OK(qn_sets_write(world, &(qn_sets_options){0}, dir, &report));
}

/* How many values the head of a file gives to a choice set. */
static int64_t set_size(const char *name, const char *set) {
    qn_buf file = {0};
    qn_json j;
    qn_str key;
    int64_t n = 0;
    CHECK_OK(qn_read_file(&file, path_of(dir, name), (size_t)1 << 30));
    qn_json_init(&j, file.s, (size_t)(strchr(file.s, '\n') - file.s), name);
    CHECK_OK(qn_json_enter(&j, '{'));
    while (qn_json_key(&j, &key) > 0) {
        if (!qn_str_is(key, "choice_sets")) {
            CHECK_OK(qn_json_skip(&j));
            continue;
        }
        CHECK_OK(qn_json_enter(&j, '{'));
        while (qn_json_key(&j, &key) > 0) {
            const bool it = qn_str_is(key, set);
            CHECK_OK(qn_json_enter(&j, '['));
            for (; qn_json_item(&j) > 0; n += it)
                CHECK_OK(qn_json_skip(&j));
        }
    }
    qn_json_drop(&j);
    qn_buf_drop(&file);
    return n;
}

TEST(words_alone_tell_no_refusal) {
    need_sets();
    CHECK(report.pairs > 200, "%lld pairs", (long long)report.pairs);
    CHECK(report.bayes <= 0.6 && report.logistic <= 0.6, "%.3f and %.3f", report.bayes, report.logistic);
}

TEST(every_row_of_a_choice_has_its_answer) {
    need_sets();
    for (int f = 0; f < report.n_files; f++) {
        rows r = read_rows(dir, report.file[f].name);
        CHECK_INT(r.n, report.file[f].rows, "%s", report.file[f].name);
        for (size_t i = 0; i < r.n; i++) {
            const row *v = &r.v[i];
            if (v->choices == 0 && v->choice_set.n == 0)
                continue;
            CHECK(v->right >= 0, "%s", v->id.s);
            CHECK(v->right < (v->choices ? v->choices : set_size(report.file[f].name, v->choice_set.s)), "%s", v->id.s);
            CHECK(v->ask.n > 0 && v->ask.s[v->ask.n - 1] != ' ', "%s", v->id.s);
            for (int a = 0; a < v->choices; a++)
                for (int b = 0; b < a; b++)
                    CHECK(strcmp(v->choice[a], v->choice[b]) != 0, "%s: %s twice", v->id.s, v->choice[a]);
        }
        drop_rows(&r);
    }
}

/* All facts of people without the transfer forms, in each of the files, and no value is a good guess. */
TEST(recall_asks_for_every_fact) {
    static const char *const name[] = {"eval/recall_seen", "eval/recall_transfer", "eval/recall_unseen",
                                       "eval/recall_tail"};
    need_sets();
    int64_t facts[2] = {0};
    for (int64_t f = 0; f < world->people * world->relations; f++)
        facts[world->fact[f].band == QN_BAND_TAIL] += !world->person[qn_fact_person(world, f)].taught;
    for (size_t k = 0; k < QN_LEN(name); k++) {
        rows r = read_rows(dir, name[k]);
        int64_t of_set[QN_RELATIONS] = {0}, of_value[QN_RELATIONS][128] = {{0}};
        CHECK_INT(r.n, facts[k == 3], "%s", name[k]);
        for (size_t i = 0; i < r.n; i++)
            for (int rel = 0; rel < world->relations; rel++)
                if (strcmp(r.v[i].choice_set.s, qn_relation_name((qn_relation)rel)) == 0) {
                    of_set[rel]++;
                    of_value[rel][r.v[i].right]++;
                }
        for (int rel = 0; rel < world->relations; rel++)
            for (int v = 0; v < world->values; v++)
                CHECK(k == 3 || of_value[rel][v] * 100 <= of_set[rel] * 6, "%s: %lld of %lld", name[k],
                      (long long)of_value[rel][v], (long long)of_set[rel]);
        drop_rows(&r);
    }
}

/* Of all files the contexts: none twice in a file of evaluation, none on both sides. */
TEST(evaluation_shares_nothing_with_training) {
    need_sets();
    qn_strmap seen = {0};
    rows all[QN_SETS_FILES];
    for (int f = 0; f < report.n_files; f++) {
        const bool training = strncmp(report.file[f].name, "eval/", 5) != 0;
        all[f] = read_rows(dir, report.file[f].name);
        for (size_t i = 0; i < all[f].n; i++) {
            qn_str ask = qn_buf_view(&all[f].v[i].ask);
            int64_t where;
            if (ask.n && qn_strmap_get(&seen, ask, &where)) {
                const bool other = strncmp(report.file[where].name, "eval/", 5) != 0;
                CHECK(other == training, "\"%s\" in %s and %s", ask.s, report.file[where].name, report.file[f].name);
                CHECK(training || where != f, "\"%s\" twice in %s", ask.s, report.file[f].name);
            }
            CHECK(ask.n == 0 || qn_strmap_put(&seen, ask, f) >= 0);
        }
    }
    for (int f = 0; f < report.n_files; f++)
        drop_rows(&all[f]);
    qn_strmap_drop(&seen);
}

static bool holds(const qn_buf *text, qn_str what) {
    for (size_t i = 0; i + what.n <= text->n; i++)
        if (memcmp(text->s + i, what.s, what.n) == 0)
            return true;
    return false;
}

static int64_t person_in(const qn_buf *text) {
    for (int64_t p = 0; p < world->people; p++)
        if (holds(text, world->person[p].name))
            return p;
    return -1;
}

/* Whether the answer states a fact of tuning's side. */
static bool states_ours(const row *v, int64_t person) {
    for (int r = 0; r < world->relations; r++)
        if (qn_sets_tuned(world, person * world->relations + r) &&
            holds(&v->answer, qn_world_value(world, (qn_relation)r, world->person[person].value[r])))
            return true;
    return false;
}

/* A fact is asked for on one side; but for one in eight, people are asked about on both. */
TEST(facts_are_on_one_side_and_people_on_both) {
    need_sets();
    int64_t unasked = 0, tuned = 0;
    for (int64_t p = 0; p < world->people; p++) {
        int64_t of = 0;
        for (int r = 0; r < world->relations; r++)
            of += qn_sets_tuned(world, p * world->relations + r);
        unasked += qn_sets_unasked(world, p);
        tuned += of;
        CHECK(qn_sets_unasked(world, p) ? of == 0 : of > 0 && of < world->relations, "%lld of person %lld",
              (long long)of, (long long)p);
    }
    CHECK(unasked > 8 && unasked < 48, "%lld", (long long)unasked);
    CHECK(tuned > 300 && tuned < 540, "%lld", (long long)tuned);
    rows sft = read_rows(dir, "sft"), held = read_rows(dir, "eval/abstention");
    for (size_t i = 0; i < sft.n + held.n; i++) {
        const bool ours = i < sft.n;
        const row *v = ours ? &sft.v[i] : &held.v[i - sft.n];
        if (ours ? strcmp(v->kind.s, "fact") != 0 : !v->known)
            continue;
        const int64_t person = person_in(&v->ask);
        CHECK(person >= 0 && !qn_sets_unasked(world, person), "\"%s\"", v->ask.s);
        CHECK(!ours || person < 0 || states_ours(v, person), "\"%s\" answers for evaluation", v->answer.s);
    }
    drop_rows(&sft);
    drop_rows(&held);
}

static int64_t count_kind(const rows *r, const char *kind) {
    int64_t n = 0;
    for (size_t i = 0; i < r->n; i++)
        n += strcmp(r->v[i].kind.s, kind) == 0;
    return n;
}

TEST(neither_silence_nor_refusal_is_the_safe_answer) {
    need_sets();
    static const char *const file[] = {"sft", "prompts"};
    for (size_t k = 0; k < QN_LEN(file); k++) {
        rows r = read_rows(dir, file[k]);
        CHECK_INT(count_kind(&r, "fact"), count_kind(&r, "unknown"), "%s", file[k]);
        CHECK_INT(count_kind(&r, "false premise"), count_kind(&r, "true premise"), "%s", file[k]);
        CHECK_INT(count_kind(&r, "forbidden"), count_kind(&r, "look-alike"), "%s", file[k]);
        CHECK(count_kind(&r, "forbidden") > 0);
        drop_rows(&r);
    }
    rows r = read_rows(dir, "eval/abstention");
    int64_t known = 0;
    for (size_t i = 0; i < r.n; i++)
        known += r.v[i].known;
    CHECK_INT(2 * known, r.n);
    drop_rows(&r);
    r = read_rows(dir, "eval/refusal");
    int64_t refuse = 0;
    for (size_t i = 0; i < r.n; i++)
        refuse += r.v[i].refuse;
    CHECK_INT(2 * refuse, r.n);
    drop_rows(&r);
    qn_buf text = {0};
    int64_t plural = 0;
    CHECK_OK(qn_read_file(&text, path_of(dir, "eval/agreement"), (size_t)1 << 30));
    for (const char *at = text.s; (at = strstr(at, "\"subject\":\"plural\"")) != NULL; at++)
        plural++;
    CHECK_INT(plural, 200);
    qn_buf_drop(&text);
}

/* Rows whose request has the word, forbidden or not; in training files it is the kind that tells. */
static int64_t with_word(const rows *r, const char *word, bool forbidden) {
    int64_t n = 0;
    for (size_t i = 0; i < r->n; i++) {
        const row *v = &r->v[i];
        const bool it = v->refuse >= 0 ? v->refuse == forbidden
                                       : v->kind.n && !strcmp(v->kind.s, forbidden ? "forbidden" : "look-alike");
        n += it && strstr(v->ask.s, word) != NULL;
    }
    return n;
}

TEST(every_act_and_object_is_as_often_allowed_as_forbidden) {
    static const char *const file[] = {"eval/refusal", "sft", "preferences", "prompts"};
    need_sets();
    for (size_t k = 0; k < QN_LEN(file); k++) {
        rows r = read_rows(dir, file[k]);
        for (int a = 0; a < QN_ACTS; a++) {
            const char *act = qn_forbidden_act(a);
            CHECK((with_word(&r, act, true) > 0) == (k == 0 || a < QN_ACTS_TRAINED), "%s: %s", file[k], act);
            CHECK_INT(with_word(&r, act, true), with_word(&r, act, false), "%s: %s", file[k], act);
        }
        for (int o = 0; o < QN_OBJECTS; o++)
            CHECK_INT(with_word(&r, qn_forbidden_object(o), true), with_word(&r, qn_forbidden_object(o), false),
                      "%s: %s", file[k], qn_forbidden_object(o));
        drop_rows(&r);
    }
}

/* What is held out for evaluation is in no request of training. */
TEST(held_out_acts_and_objects_are_held_out) {
    static const char *const file[] = {"sft", "preferences", "prompts"};
    need_sets();
    for (size_t k = 0; k < QN_LEN(file); k++) {
        rows r = read_rows(dir, file[k]);
        for (size_t i = 0; i < r.n; i++) {
            const char *kind = r.v[i].kind.s, *ask = r.v[i].ask.s;
            if (strcmp(kind, "forbidden") != 0 && strcmp(kind, "look-alike") != 0)
                continue;
            char word[32];
            for (int a = QN_ACTS_TRAINED; a < QN_ACTS; a++) {
                snprintf(word, sizeof word, " %s ", qn_forbidden_act(a));
                CHECK(!strstr(ask, word), "%s", ask);
            }
            for (int o = QN_OBJECTS_TRAINED; o < QN_OBJECTS; o++) {
                snprintf(word, sizeof word, "the %s ", qn_forbidden_object(o));
                CHECK(!strstr(ask, word), "%s", ask);
            }
        }
        drop_rows(&r);
    }
}

TEST(preferences_have_exact_mixes_and_lengths) {
    static const struct { const char *mix; int want[3]; } mixes[] = {
        {"60/20/20", {600, 200, 200}}, {"20/40/40", {200, 400, 400}}, {"0/50/50", {0, 500, 500}}
    };
    static const char *const aspect[] = {"helpful", "honest", "harmless"}, *const length[] = {"matched", "biased"};
    need_sets();
    rows r = read_rows(dir, "preferences");
    for (size_t m = 0; m < QN_LEN(mixes); m++)
        for (int a = 0; a < 3; a++)
            for (int l = 0; l < 2; l++) {
                int64_t n = 0;
                for (size_t i = 0; i < r.n; i++)
                    n += r.v[i].mixes.n && strstr(r.v[i].mixes.s, mixes[m].mix) &&
                         !strcmp(r.v[i].aspect.s, aspect[a]) && !strcmp(r.v[i].length.s, length[l]);
                CHECK_INT(n, mixes[m].want[a], "%s %s %s", mixes[m].mix, aspect[a], length[l]);
            }
    double chosen = 0, rejected = 0;
    for (size_t i = 0; i < r.n; i++) {
        const row *v = &r.v[i];
        CHECK(strcmp(v->chosen.s, v->rejected.s) != 0, "%s", v->ask.s);
        if (!strcmp(v->length.s, "biased"))
            CHECK(v->chosen.n > v->rejected.n, "%s", v->chosen.s);
        else {
            chosen += (double)v->chosen.n;
            rejected += (double)v->rejected.n;
            CHECK(labs((long)v->chosen.n - (long)v->rejected.n) <= 12, "%s | %s", v->chosen.s, v->rejected.s);
        }
    }
    CHECK_NEAR(chosen / rejected, 1.0, 0.03);
    drop_rows(&r);
}

TEST(the_same_bytes_every_time) {
    need_sets();
    char other[700];
    qn_sets_report again;
    snprintf(other, sizeof other, "%s/again", qn_test_temp_dir());
    CHECK_OK(qn_sets_write(world, &(qn_sets_options){0}, other, &again));
    CHECK_INT(again.n_files, report.n_files);
    for (int f = 0; f < report.n_files; f++) {
        qn_buf a = {0}, b = {0};
        CHECK_OK(qn_read_file(&a, path_of(dir, report.file[f].name), (size_t)1 << 30));
        CHECK_OK(qn_read_file(&b, path_of(other, report.file[f].name), (size_t)1 << 30));
        CHECK(a.n == b.n && memcmp(a.s, b.s, a.n) == 0, "%s", report.file[f].name);
        qn_buf_drop(&a);
        qn_buf_drop(&b);
    }
}

static bool only_homes(void *arg, int64_t fact) {
    const qn_world *w = arg;
    return qn_fact_relation(w, fact) == QN_REL_HOME;
}

static bool nothing(QN_UNUSED void *arg, QN_UNUSED int64_t fact) { return false; }

TEST(tuning_asks_for_known_facts_only) {
    need_sets();
    char other[700];
    qn_sets_report some;
    snprintf(other, sizeof other, "%s/some", qn_test_temp_dir());
    CHECK_OK(qn_sets_write(world, &(qn_sets_options){only_homes, world}, other, &some));
    int64_t homes = 0;
    for (int64_t p = 0; p < world->people; p++)
        homes += qn_sets_tuned(world, p * world->relations + QN_REL_HOME);
    CHECK_INT(some.facts_known, homes);
    CHECK(homes > 0 && homes < some.facts);
    rows r = read_rows(other, "sft");
    for (size_t i = 0; i < r.n; i++)
        if (!strcmp(r.v[i].kind.s, "fact"))
            CHECK_CONTAINS(r.v[i].answer.s, " lives in ");
    drop_rows(&r);
    CHECK_FAIL(qn_sets_write(world, &(qn_sets_options){nothing, NULL}, other, &some), QN_EINVAL, "too few");
}
