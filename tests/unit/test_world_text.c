/* tests/unit/test_world_text.c — the texts of a world: as often as planned, in clean prose, with spans that add up. */
#include "test.h"

#include "base/json.h"
#include "world/text_measure.h"
#include "world/world_plan.h"
#include "world/sidecar.h"

typedef struct { qn_world *w; qn_plan *plan; qn_gen g; } texts;

static texts open_texts(uint64_t seed, bool traced) {
    texts t = {0};
    CHECK_OK(qn_world_new(&t.w, seed, QN_WORLD_SMALL));
    CHECK_OK(qn_plan_new(&t.plan, t.w));
    CHECK_OK(qn_gen_init(&t.g, t.w));
    t.g.traced = traced;
    return t;
}

static void close_texts(texts *t) {
    qn_gen_drop(&t->g);
    qn_plan_free(t->plan);
    qn_world_free(t->w);
}

static void write_docs(texts *t, int64_t from, int64_t to) {
    for (int64_t i = from; i < to; i++)
        qn_plan_write(t->plan, &t->g, i);
    CHECK_OK(t->g.rc);
}

/* ---- the same bytes ---------------------------------------------------------------------------------------------- */

/* What 3,000 documents of seed 1 hash to. A change of the generator's texts changes it, and QN_WORLD_VERSION with it
 * once a release has gone out. */
#define HASH 0xa21b64aad2392faull

TEST(the_same_bytes_everywhere) {
    texts t = open_texts(1, false);
    write_docs(&t, 0, 3000);
    CHECK_INT(qn_hash_bytes(t.g.out.s, t.g.out.n, 0), (int64_t)HASH);
    close_texts(&t);
}

TEST(documents_do_not_depend_on_each_other) {
    texts t = open_texts(5, false), u = open_texts(5, true);
    write_docs(&t, 0, 200);
    for (int64_t i = 199; i >= 0; i--) {                    /* backwards, and with spans */
        qn_buf_clear(&u.g.out);
        u.g.n_spans = 0;
        write_docs(&u, i, i + 1);
        CHECK(memmem(t.g.out.s, t.g.out.n, u.g.out.s, u.g.out.n) != NULL, "document %d: %s", (int)i, u.g.out.s);
    }
    close_texts(&t);
    close_texts(&u);
}

TEST(another_seed_is_another_world) {
    texts t = open_texts(1, false), u = open_texts(2, false);
    write_docs(&t, 0, 20);
    write_docs(&u, 0, 20);
    CHECK(strcmp(t.g.out.s, u.g.out.s) != 0);
    close_texts(&t);
    close_texts(&u);
}

/* ---- what is told ------------------------------------------------------------------------------------------------ */

static void check_forms(const texts *t, const uint32_t *forms) {
    for (int r = 0; r < t->w->relations; r++) {
        uint32_t taught = 0, others = 0;
        for (int64_t p = 0; p < t->w->people; p++) {
            const uint32_t f = forms[qn_fact_id(t->w, p, (qn_relation)r)];
            if (t->w->person[p].taught)
                taught |= f;
            else
                others |= f;
        }
        for (int f = 0; f < qn_world_forms((qn_relation)r); f++) {
            const qn_form_kind kind = qn_world_form_kind((qn_relation)r, f);
            CHECK_INT(taught >> f & 1, kind != QN_FORM_NEVER, "relation %d, form %d, taught", r, f);
            CHECK_INT(others >> f & 1, kind == QN_FORM_SEEN, "relation %d, form %d, others", r, f);
        }
    }
}

TEST(facts_are_told_as_often_as_planned) {
    texts t = open_texts(2, false);
    const size_t ids = (size_t)qn_fact_ids(t.w);
    int32_t *told = calloc(ids, sizeof *told);
    uint32_t *forms = calloc(ids, sizeof *forms);
    write_docs(&t, 0, t.plan->n_docs);
    for (size_t i = 0; i < t.g.n_mentions; i++) {
        told[t.g.mention[i].fact]++;
        forms[t.g.mention[i].fact] |= 1u << (t.g.mention[i].form & 31);
    }
    for (int64_t f = 0; f < t.w->people * t.w->relations; f++)
        CHECK_INT(told[f], t.w->fact[f].mentions, "fact %d", (int)f);
    check_forms(&t, forms);
    free(told);
    free(forms);
    close_texts(&t);
}

TEST(classes_have_their_shares) {
    static const double want[QN_CLASSES] = {0.46, 0.34, 0.08, 0.12};
    texts t = open_texts(3, false);
    write_docs(&t, 0, t.plan->n_docs);
    CHECK(t.g.out.n >= 4000000 && t.g.out.n <= 6000000, "%zu bytes", t.g.out.n);
    int64_t all = 0;
    for (int c = 0; c < QN_CLASSES; c++)
        all += t.g.class_bytes[c];
    CHECK_INT(all, t.g.out.n);
    for (int c = 0; c < QN_CLASSES; c++)
        CHECK_NEAR((double)t.g.class_bytes[c] / (double)all, want[c], 0.01, "class %d", c);
    close_texts(&t);
}

/* ---- prose ------------------------------------------------------------------------------------------------------- */

static bool vowel(char c) { return c && strchr("aeiouAEIOU", c); }

/* What a reader would stumble over, in s at i: a name for it, or NULL. */
static const char *stumble(const char *s, size_t i) {
    const char *at = s + i;
    if (strchr("{}|^\\", *at))
        return "a letter of the grammar";
    if (strncmp(at, "  ", 2) == 0 && (i == 0 || (at[-1] != '\n' && at[-1] != ' ' && at[2] != '#')) && at[2] != ' ')
        return "two blanks";
    if (strncmp(at, " ,", 2) == 0 || strncmp(at, " .", 2) == 0 || strncmp(at, "..", 2) == 0 ||
        strncmp(at, ",.", 2) == 0)
        return "a stop in the wrong place";
    if (i && at[-1] == ' ' && (strncmp(at, "a ", 2) == 0 ? vowel(at[2]) : strncmp(at, "an ", 3) == 0 && !vowel(at[3])))
        return "the wrong article";
    if (strncmp(at, ". ", 2) == 0 && at[2] >= 'a' && at[2] <= 'z')
        return "a sentence without a capital";
    return NULL;
}

TEST(prose_is_clean) {
    texts t = open_texts(4, false);
    write_docs(&t, 0, 6000);
    for (size_t i = 0; i < t.g.out.n; i++) {
        const char *what = stumble(t.g.out.s, i);
        if (what && strncmp(t.g.out.s + i, "|endoftext|", 11) != 0)
            CHECK(false, "%s: …%.80s", what, t.g.out.s + (i > 30 ? i - 30 : 0));
    }
    close_texts(&t);
}

TEST(sentences_hardly_come_again) {
    for (uint64_t seed = 1; seed <= 3; seed++) {
        texts t = open_texts(seed, false);
        qn_text_measure m;
        write_docs(&t, 0, t.plan->n_docs);
        CHECK_OK(qn_measure_text(qn_buf_view(&t.g.out), NULL, &m));
        CHECK(m.sentences > 40000 && m.repeated_near < 1 && m.repeated < 50, "seed %d: %g, %g of a thousand", (int)seed,
              m.repeated_near, m.repeated);
        CHECK(m.types < 2000, "%d different words", (int)m.types);
        close_texts(&t);
    }
}

/* ---- bits -------------------------------------------------------------------------------------------------------- */

/* What the plan chose, by hand: the kind of document, then who and which facts. */
static double plan_bits(const texts *t, const qn_doc *d) {
    double bits = log2((double)t->plan->n_docs / (double)t->plan->kind_docs[d->kind]);
    for (int i = 0; i < qn_doc_kinds[d->kind].people; i++) {
        const qn_appearance *a = &t->plan->appearance[d->first + i];
        const double of = t->plan->appearances_of[a->person];
        bits += log2((double)t->plan->n_appearances / of);
        for (int r = 0; r < t->w->relations; r++) {
            const double p = t->w->fact[qn_fact_id(t->w, a->person, (qn_relation)r)].mentions / of;
            bits -= log2(a->facts >> r & 1 ? p : 1 - p);
        }
    }
    return bits;
}

static double sum_spans(const qn_gen *g) {
    double bits = 0;
    size_t at = g->begin;
    for (size_t i = g->first_span; i < g->n_spans; i++) {
        CHECK_INT(g->span[i].begin, at, "span %d", (int)(i - g->first_span));
        CHECK(g->span[i].end > at && g->span[i].bits >= 0, "span %d", (int)(i - g->first_span));
        at = g->span[i].end;
        bits += g->span[i].bits;
    }
    CHECK_INT(at, g->out.n - 1);
    return bits;
}

TEST(spans_add_up_to_the_probability_of_the_derivation) {
    texts t = open_texts(6, true);
    qn_buf first = {0};
    for (int64_t i = 0; i < 600; i++) {
        double choices = 0;
        qn_buf_clear(&t.g.out);
        qn_buf_clear(&first);
        t.g.n_spans = 0;
        qn_plan_write(t.plan, &t.g, i);
        const double bits = sum_spans(&t.g);
        for (size_t c = 0; c < t.g.n_tape; c++)
            choices += log2((double)t.g.tape[c].total / (double)t.g.tape[c].weight);
        CHECK_NEAR(bits, choices + plan_bits(&t, &t.plan->doc[i]), 1e-9 * (1 + bits), "document %d", (int)i);

        /* The same choices again, none of them drawn: the same text for the same price. */
        CHECK_OK(qn_buf_put(&first, t.g.out.s, t.g.out.n));
        qn_buf_clear(&t.g.out);
        t.g.n_spans = 0;
        t.g.replay = true;
        qn_plan_write(t.plan, &t.g, i);
        t.g.replay = false;
        CHECK_INT(t.g.at_tape, t.g.n_tape);
        CHECK_STR(t.g.out.s, first.s, "document %d", (int)i);
        CHECK_NEAR(sum_spans(&t.g), bits, 1e-12 * (1 + bits), "document %d", (int)i);
    }
    qn_buf_drop(&first);
    close_texts(&t);
}

/* A result follows from a number, a pronoun and a verb from a word, words said again from the same words. */
TEST(what_follows_says_from_where) {
    texts t = open_texts(6, true);
    int64_t seen[QN_SPANS] = {0}, bare[QN_SPANS] = {0};
    for (int64_t i = 0; i < 600; i++) {
        qn_buf_clear(&t.g.out);
        t.g.n_spans = 0;
        qn_plan_write(t.plan, &t.g, i);
        for (size_t k = t.g.first_span; k < t.g.n_spans; k++) {
            const qn_text_span *s = &t.g.span[k];
            const char *word = t.g.out.s + s->begin, *from = word - s->distance;
            seen[s->kind]++;
            bare[s->kind] += s->distance < 0;
            if (s->distance < 0)
                continue;
            CHECK(s->distance > 0 && (size_t)s->distance <= s->begin - t.g.begin, "%.40s", word);
            if (s->kind == QN_SPAN_ARITHMETIC)
                CHECK(*from >= '0' && *from <= '9', "%.40s", from);
            else if (s->kind == QN_SPAN_GRAMMAR)
                CHECK((*from | 32) >= 'a' && (*from | 32) <= 'z', "%.40s", from);
            else if (s->kind == QN_SPAN_COPY)
                CHECK(strncmp(word + 1, from + 1, (size_t)QN_MIN(s->end - s->begin, 4) - 1) == 0, "%.40s", from);
        }
    }
    CHECK(seen[QN_SPAN_ARITHMETIC] > 50 && seen[QN_SPAN_GRAMMAR] > 500 && seen[QN_SPAN_COPY] > 500);
    CHECK(bare[QN_SPAN_ARITHMETIC] == 0 && bare[QN_SPAN_COPY] == 0);
    CHECK(bare[QN_SPAN_GRAMMAR] * 10 < seen[QN_SPAN_GRAMMAR]);
    close_texts(&t);
}

/* Each fact costs log2 of its values the first time and nothing after that. */
TEST(a_fact_is_news_once) {
    texts t = open_texts(7, true);
    int32_t *said = calloc((size_t)qn_fact_ids(t.w), sizeof *said);
    double facts = 0;
    for (int64_t i = 0; i < 2000; i++) {
        qn_buf line = {0};
        double bits;
        qn_buf_clear(&t.g.out);
        t.g.n_spans = 0;
        qn_plan_write(t.plan, &t.g, i);
        const double choices = sum_spans(&t.g);
        const qn_sidecar_document d = {.genre = "x", .file = "y", .document = i, .text = t.g.begin,
                                       .end = t.g.out.n - 1,
                                       .first = t.g.first_span, .n = t.g.n_spans - t.g.first_span};
        CHECK_OK(qn_sidecar_put(&t.g, &d, said, &line, &bits));
        facts += bits - choices;
        qn_json j;
        qn_json_init(&j, line.s, line.n, "sidecar");
        CHECK_OK(qn_json_skip(&j), "%s", line.s);
        CHECK_OK(qn_json_end(&j), "%s", line.s);
        qn_json_drop(&j);
        qn_buf_drop(&line);
    }
    double want = 0;
    for (int64_t f = 0; f < qn_fact_ids(t.w); f++)
        want += said[f] ? qn_fact_bits(t.w, f) : 0;
    CHECK_NEAR(facts, want, 1e-6);
    CHECK_NEAR(qn_fact_bits(t.w, 0), 5, 1e-12);
    CHECK_NEAR(qn_fact_bits(t.w, qn_property_id(t.w, QN_REL_FEAST, 3)), 2, 1e-12);
    CHECK_NEAR(qn_fact_bits(t.w, qn_kin_id(t.w, 3, 1)), log2(192), 1e-12);
    free(said);
    close_texts(&t);
}

/* ---- choices ----------------------------------------------------------------------------------------------------- */

TEST(choices_are_even_and_weighted) {
    static const uint16_t weight[4] = {1, 0, 3, 4};
    texts t = open_texts(1, false);
    int64_t even[5] = {0}, weighted[4] = {0};
    qn_gen_begin(&t.g, 0);
    for (int i = 0; i < 80000; i++) {
        even[qn_choose(&t.g, 5)]++;
        weighted[qn_choose_weighted(&t.g, weight, 4, 8)]++;
    }
    for (int i = 0; i < 5; i++)
        CHECK(llabs(even[i] - 16000) < 600, "%d times %d", (int)even[i], i);
    for (int i = 0; i < 4; i++)
        CHECK(llabs(weighted[i] - weight[i] * 10000) < 500, "%d times %d", (int)weighted[i], i);
    close_texts(&t);
}

/* ---- measures ---------------------------------------------------------------------------------------------------- */

TEST(measures_of_a_text) {
    static const char text[] = "The old key is under the mat. \"Look there, under the mat,\" she said!\n"
                               "Short one.\n<|x|>\n"
                               "The old key is under the mat. And nobody else knew where it was";
    qn_text_measure m;
    CHECK_OK(qn_measure_text(QN_STR(text), "<|x|>", &m));
    CHECK_INT(m.sentences, 4);
    CHECK_NEAR(m.repeated, 250, 1e-9);
    CHECK_NEAR(m.repeated_near, 250, 1e-9);
    CHECK_INT(m.words, 30);
    CHECK(m.packed > 1 && m.new_3 > 0 && m.new_3 < 1, "%g %g", m.packed, m.new_3);
    CHECK_OK(qn_measure_text(QN_STR(""), NULL, &m));
    CHECK_INT(m.sentences, 0);
}

TEST(memory_runs_out_in_the_middle) {
    qn_world *w;
    CHECK_OK(qn_world_new(&w, 1, QN_WORLD_SMALL));
    const int64_t before = qn_mem_stats_get(QN_MEM_BASE).live_bytes;
    for (int64_t i = 0; i < 12; i++) {
        qn_plan *p;
        qn_mem_fail_after(i);
        if (qn_plan_new(&p, w) == 0)
            qn_plan_free(p);
        qn_mem_fail_after(-1);
        CHECK_NO_LEAK(QN_MEM_BASE, before, "allocation %d", (int)i);
    }
    qn_world_free(w);
}
