/* tests/unit/test_world.c — the people of a world, their names, facts, bands and the forms that state them. */
#include "test.h"

#include "world/world.h"

static qn_world *make(uint64_t seed, qn_world_size size) {
    qn_world *w;
    CHECK_OK(qn_world_new(&w, seed, size));
    return w;
}

static int by_text(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static void check_distinct(char **name, size_t n) {
    qsort(name, n, sizeof *name, by_text);
    for (size_t i = 1; i < n; i++)
        CHECK(strcmp(name[i - 1], name[i]) != 0, "%s twice", name[i]);
    for (size_t i = 0; i < n; i++)
        free(name[i]);
    free(name);
}

TEST(everybody_has_another_name) {
    for (int size = 0; size < 3; size++) {
        qn_world *w = make(7, (qn_world_size)size);
        const int64_t unknown = QN_MIN(qn_world_unknowns(w, QN_UNKNOWN_NEW), 500);
        char **name = calloc((size_t)(w->people + 4 * unknown), sizeof *name);
        size_t n = 0;
        for (int64_t i = 0; i < w->people; i++)
            name[n++] = strndup(w->person[i].name.s, w->person[i].name.n);
        for (int64_t i = 0; i < 4 * unknown; i++) {
            qn_buf b = {0};
            const qn_name u = qn_world_unknown(w, i & 1 ? QN_UNKNOWN_NEW : QN_UNKNOWN_MIXED, i & 2, i / 4);
            CHECK_OK(qn_name_put(w, u, &b));
            name[n++] = strdup(b.s);
            qn_buf_drop(&b);
        }
        check_distinct(name, n);
        qn_world_free(w);
    }
}

TEST(bands_and_values_are_even) {
    static const struct { int64_t people, relations, values; } want[] = {{192, 5, 32}, {2000, 6, 64}, {20000, 6, 128}};
    for (int size = 0; size < 3; size++) {
        qn_world *w = make(3, (qn_world_size)size);
        CHECK_INT(w->people, want[size].people);
        CHECK_INT(w->relations, want[size].relations);
        CHECK_INT(w->values, want[size].values);
        for (int r = 0; r < w->relations; r++) {
            int64_t band[3] = {0}, count[128] = {0};
            for (int64_t i = 0; i < w->people; i++) {
                const qn_fact f = w->fact[qn_fact_id(w, i, (qn_relation)r)];
                static const int lo[] = {100, 40, 2}, hi[] = {1000, 60, 8};
                static const int shares[] = {100, 60, 52};
                const int share = shares[size];
                CHECK(f.mentions * 100 >= lo[f.band] * share - 50 && f.mentions * 100 <= hi[f.band] * share + 50,
                      "%d mentions in band %d", f.mentions, f.band);
                band[f.band]++;
                count[w->person[i].value[r]]++;
            }
            CHECK_INT(band[QN_BAND_HEAD], w->people / 4);
            CHECK_INT(band[QN_BAND_TAIL], w->people / 4);
            for (int v = 0; v < w->values; v++)
                CHECK(count[v] * 100 <= 6 * w->people && llabs(count[v] - w->people / w->values) <= 1, "value %d", v);
        }
        qn_world_free(w);
    }
}

TEST(kin_and_the_taught_quarter) {
    qn_world *w = make(1, QN_WORLD_SMALL);
    int64_t taught = 0;
    for (int64_t i = 0; i < w->people; i++) {
        CHECK_INT(w->person[w->person[i].sibling].sibling, i);
        CHECK(w->person[i].sibling != i && w->person[i].teacher != i, "person %d", (int)i);
        taught += w->person[i].taught;
    }
    CHECK_INT(taught, w->people / 4);
    qn_world_free(w);
}

TEST(forms_say_the_value) {
    qn_world *w = make(1, QN_WORLD_MEDIUM);
    qn_buf b = {0};
    for (int r = 0; r < w->relations; r++) {
        int kinds[3] = {0}, last = 0;
        for (int f = 0; f < qn_world_forms((qn_relation)r); f++) {
            for (int v = 0; v < w->values; v++) {
                qn_said at;
                const qn_say say = {.relation = (qn_relation)r, .form = f, .value = v, .name = QN_STR("Nora Quill")};
                const qn_str word = qn_world_value(w, (qn_relation)r, v);
                qn_buf_clear(&b);
                CHECK_OK(qn_world_say(w, &say, &b, &at));
                CHECK(qn_str_eq((qn_str){b.s + at.value, at.value_end - at.value}, word), "%s", b.s);
                CHECK_VIEW(((qn_str){b.s + at.name, at.name_end - at.name}), "Nora Quill", "%s", b.s);
                CHECK(!strpbrk(b.s, "{}|^") && b.s[0] >= 'A' && b.s[0] <= 'Z', "%s", b.s);
                CHECK_INT(at.name < at.value, qn_world_form_value_last((qn_relation)r, f), "%s", b.s);
            }
            kinds[qn_world_form_kind((qn_relation)r, f)]++;
            last += qn_world_form_value_last((qn_relation)r, f);
        }
        CHECK(kinds[QN_FORM_SEEN] + kinds[QN_FORM_TRANSFER] >= 12 && kinds[QN_FORM_TRANSFER] == 2 &&
              kinds[QN_FORM_NEVER] >= 1 && last >= 8, "relation %d", r);
    }
    qn_buf_drop(&b);
    qn_world_free(w);
}

TEST(articles_and_pronouns) {
    qn_world *w = make(1, QN_WORLD_MEDIUM);
    qn_buf b = {0};
    for (int v = 0; v < w->values; v++)
        if (qn_str_is(qn_world_value(w, QN_REL_ANIMAL, v), "owl")) {
            const qn_say say = {.relation = QN_REL_ANIMAL, .form = 2, .value = v, .she = true, .pronoun = true};
            CHECK_OK(qn_world_say(w, &say, &b, NULL));
        }
    CHECK_STR(b.s, "She shares her home with an owl");
    qn_buf_drop(&b);
    qn_world_free(w);
}

TEST(properties_have_sentences) {
    qn_world *w = make(1, QN_WORLD_LARGE);
    for (int r = 0; r < w->relations; r++)
        for (int v = 0; v < w->values && qn_world_properties(w, (qn_relation)r); v++)
            for (int f = 0; f < QN_PROPERTY_FORMS; f++) {
                size_t at[2];
                qn_buf b = {0};
                const int p = qn_world_property(w, (qn_relation)r, v);
                CHECK(p >= 0 && p < qn_world_properties(w, (qn_relation)r), "value %d", v);
                CHECK_OK(qn_world_say_property(w, (qn_relation)r, v, f, &b, at));
                CHECK(qn_str_is((qn_str){b.s + at[0], at[1] - at[0]}, qn_world_property_word((qn_relation)r, p)),
                      "%s", b.s);
                qn_buf_drop(&b);
            }
    qn_world_free(w);
}

TEST(a_world_costs_nothing_when_it_is_gone) {
    const int64_t before = qn_mem_stats_get(QN_MEM_BASE).live_bytes;
    qn_world_free(make(1, QN_WORLD_SMALL));
    CHECK_NO_LEAK(QN_MEM_BASE, before);
    for (int64_t i = 0; i < 40; i++) {
        qn_world *w;
        qn_mem_fail_after(i);
        if (qn_world_new(&w, 1, QN_WORLD_SMALL) == 0)
            qn_world_free(w);
        qn_mem_fail_after(-1);
        CHECK_NO_LEAK(QN_MEM_BASE, before, "allocation %d", (int)i);
    }
}
