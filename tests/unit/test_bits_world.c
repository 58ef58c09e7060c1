/* tests/unit/test_bits_world.c — a world's folder walked: the generator's own numbers give the floor, kind by kind. */
#include "data_make.h"

#include "eval/bits.h"
#include "num/math.h"
#include "world/corpus_write.h"

/* ---- a world of three documents, written by hand ---- */

static const char *const texts[] = {"Marin Bell keeps a goose.", "Two and two are four.", "So said Tavo. Tavo!"};
static const char *const lines[] = {
    "{\"document\":0,\"bits\":10.5,\"spans\":[{\"begin\":0,\"end\":17,\"kind\":\"style\",\"bits\":5.5},"
    "{\"begin\":17,\"end\":24,\"kind\":\"fact\",\"bits\":5,\"fact\":1,\"distance\":-1,\"earlier\":0},"
    "{\"begin\":24,\"end\":25,\"kind\":\"grammar\",\"bits\":0}]}",
    "{\"spans\":[{\"begin\":0,\"end\":16,\"kind\":\"style\",\"bits\":9},"
    "{\"begin\":16,\"end\":20,\"kind\":\"arithmetic\",\"bits\":0},"
    "{\"begin\":20,\"end\":21,\"kind\":\"style\",\"bits\":0}]}",
    "{\"spans\":[{\"begin\":0,\"end\":14,\"kind\":\"style\",\"bits\":7.25},"
    "{\"begin\":14,\"end\":18,\"kind\":\"copy\",\"bits\":1,\"distance\":6},"
    "{\"begin\":18,\"end\":19,\"kind\":\"grammar\",\"bits\":0.5}]}",
};
/* The same by byte: what the generator says of the first byte of each span. */
static const struct { int document; int64_t at; double bits; } costs[] = {
    {0, 0, 5.5}, {0, 17, 5}, {1, 0, 9}, {2, 0, 7.25}, {2, 14, 1}, {2, 18, 0.5},
};

static void put(const char *dir, const char *name, const char *text) {
    qn_buf path = {0};
    CHECK_OK(qn_path_join(&path, dir, name));
    CHECK_OK(qn_write_file(path.s, text, strlen(text)));
    qn_buf_drop(&path);
}

static const char *by_hand(const char *name, const char *last) {
    static char dir[1100];
    qn_buf path = {0}, text = {0}, side = {0};
    snprintf(dir, sizeof dir, "%s", qn_test_temp(name));
    CHECK_OK(qn_path_join(&path, dir, "corpus"));
    CHECK_OK(qn_dir_make(path.s));
    CHECK_OK(qn_path_join(&path, dir, "sidecar"));
    CHECK_OK(qn_dir_make(path.s));
    for (int i = 0; i < 3; i++) {
        CHECK_OK(qn_buf_printf(&text, "%s\n<|endoftext|>\n", texts[i]));
        CHECK_OK(qn_buf_puts(&side, i == 2 && last ? last : lines[i]));
        CHECK_OK(qn_buf_putc(&side, '\n'));
    }
    put(dir, "corpus/part-0000.txt", text.s);
    put(dir, "sidecar/part-0000.jsonl", side.s);
    put(dir, "facts.jsonl", "{\"id\":0,\"band\":\"head\"}\n"
                             "{\"id\":1,\"band\":\"torso\",\"value\":\"goose\"}\n{\"id\":2}\n");
    qn_buf_drop(&path);
    qn_buf_drop(&text);
    qn_buf_drop(&side);
    return dir;
}

/* Byte tokens behind a BOS: looks up which of the documents it is. */
static int each_as_made(void *self, const int32_t *ids, int64_t n, double *logprob) {
    for (int64_t i = 0; i < n; i++)
        logprob[i] = 0;
    for (size_t k = 0; k < QN_LEN(costs); k++) {
        qn_ids own = {0};
        const char *text = texts[costs[k].document];
        QN_TRY(qn_tok_encode(self, text, strlen(text), QN_TOK_ADD_SPECIAL, &own));
        if ((int64_t)own.n == n && memcmp(own.v, ids, (size_t)n * sizeof *ids) == 0)
            logprob[costs[k].at + 1] = -costs[k].bits * qn_ln(2);
        qn_ids_drop(&own);
    }
    return 0;
}

static int score(const qn_scorer *s, const qn_bits_options *o, qn_bits_result *r) {
    qn_bits_options with = *o;
    qn_bits_set set = {0};
    with.tok = s->tok;
    int rc = qn_bits_set_read(&set, &with);
    if (rc >= 0)
        rc = qn_bits_set_score(&set, s, NULL, NULL, r);
    qn_bits_set_drop(&set);
    return rc;
}

static int kind_of(const char *name) {
    for (int i = 0; qn_bits_kind_name[i]; i++)
        if (strcmp(qn_bits_kind_name[i], name) == 0)
            return i;
    return -1;
}

TEST(the_generators_own_numbers_are_the_floor) {
    qn_tok *tok = data_tok(true);
    const qn_scorer s = {.name = "generator", .tok = tok, .context = 1000, .self = tok, .each = each_as_made};
    qn_bits_result r;
    CHECK_OK(score(&s, &(qn_bits_options){.world = by_hand("hand", NULL)}, &r));
    CHECK_INT(r.documents, 3);
    CHECK_NEAR(r.all.floor, 28.25, 1e-12);
    CHECK_NEAR(r.all.model, 28.25, 1e-9);
    for (int kind = 0; kind < QN_BITS_KINDS; kind++)
        CHECK_NEAR(r.kind[kind].model, r.kind[kind].floor, 1e-9, "kind %d", kind);
    CHECK_NEAR(r.kind[kind_of("style")].floor, 21.75, 1e-12);
    CHECK_NEAR(r.kind[kind_of("copy")].floor, 1, 1e-12);
    CHECK_INT(r.kind[kind_of("arithmetic")].bytes, 4);
    CHECK_INT(r.group[1].spans, 1);
    CHECK_NEAR(r.group[1].model, 5, 1e-9);
    CHECK_INT(r.group[0].spans, 0);
    /* Fewer documents, evenly. */
    CHECK_OK(score(&s, &(qn_bits_options){.world = by_hand("hand", NULL), .max_documents = 2}, &r));
    CHECK_INT(r.documents, 2);
    qn_tok_free(tok);
}

TEST(only_documents_that_were_kept_apart) {
    qn_tok *tok = data_tok(true);
    const qn_scorer s = {.name = "generator", .tok = tok, .context = 1000, .self = tok, .each = each_as_made};
    char world[1000], corpus[1050];
    qn_bits_result r;
    snprintf(world, sizeof world, "%s", by_hand("split", NULL));
    CHECK((size_t)snprintf(corpus, sizeof corpus, "%s/corpus/part-0000.txt", world) < sizeof corpus);
    qn_dataset *d = data_open("split-data", corpus,
                              (qn_data_options){.validation = 0.4, .separator = "<|endoftext|>", .force = true}, true);
    const int64_t held = qn_dataset_info(d, QN_SPLIT_VALIDATION).documents;
    char *data = qn_str_dup(QN_MEM_TEST, qn_str_of(qn_dataset_path(d)));
    qn_dataset_close(d);
    CHECK(held == 1 || held == 2, "%d", (int)held);
    CHECK_OK(score(&s, &(qn_bits_options){.world = world, .data = data}, &r));
    CHECK(r.documents >= 1 && r.documents <= held, "%d of %d", (int)r.documents, (int)held);  /* whole ones */
    CHECK_NEAR(r.kind[kind_of("fact")].floor, 0, 0);            /* told elsewhere */
    qn_free(data);
    qn_tok_free(tok);
}

TEST(numbers_that_no_generator_wrote) {
    static const struct { const char *line, *message; } cases[] = {
        {"{\"spans\":[{\"begin\":0,\"end\":19,\"kind\":\"style\",\"bits\":-7.25}]}", "\"bits\" is -7.25"},
        {"{\"bits\":8,\"spans\":[{\"begin\":0,\"end\":19,\"kind\":\"style\",\"bits\":7.25}]}",
         "\"bits\" of the document is 8, its spans make 7.25"},
        {"{\"spans\":[{\"begin\":0,\"end\":19,\"kind\":\"fact\",\"bits\":0,\"fact\":3}]}",
         "has no fact of this number"},
        {"{\"spans\":[{\"begin\":0,\"end\":19,\"kind\":\"fact\",\"bits\":0,\"fact\":-2}]}",
         "has no fact of this number"},
        {"{\"file\":\"corpus/part-0001.txt\",\"spans\":[{\"begin\":0,\"end\":19,\"kind\":\"style\",\"bits\":1}]}",
         "this line stands beside corpus/part-0000.txt"},
    };
    for (size_t i = 0; i < QN_LEN(cases); i++) {
        qn_bits_set set = {0};
        const qn_bits_options o = {.world = by_hand("wrong", cases[i].line)};
        CHECK_FAIL(qn_bits_set_read(&set, &o), QN_EFORMAT, cases[i].message, "%s", cases[i].line);
        CHECK_CONTAINS(qn_error_message(), "corpus/part-0000.txt, document 3", "%s", cases[i].line);
        CHECK_CONTAINS(qn_error_message(), "part-0000.jsonl:3", "%s", cases[i].line);
        qn_bits_set_drop(&set);
    }
}

TEST(says_what_is_wrong_with_a_world) {
    qn_tok *tok = data_tok(true);
    const qn_scorer s = {.name = "generator", .tok = tok, .context = 1000, .self = tok, .each = each_as_made};
    qn_bits_result r;
    char dir[1100];
    CHECK_FAIL(score(&s, &(qn_bits_options){.world = qn_test_temp("nowhere")}, &r), QN_ENOTFOUND, "--sidecar");
    snprintf(dir, sizeof dir, "%s", by_hand("odd",
             "{\"spans\":[{\"begin\":0,\"end\":9,\"kind\":\"style\",\"bits\":1}]}"));
    CHECK_FAIL(score(&s, &(qn_bits_options){.world = dir}, &r), QN_EFORMAT,
               "part-0000.txt, document 3: the spans end at byte 9, the text at 19");
    snprintf(dir, sizeof dir, "%s", by_hand("kind",
             "{\"spans\":[{\"begin\":0,\"end\":19,\"kind\":\"song\",\"bits\":1}]}"));
    CHECK_FAIL(score(&s, &(qn_bits_options){.world = dir}, &r), QN_EFORMAT, "\"song\" is not known");
    snprintf(dir, sizeof dir, "%s", by_hand("more",
             "{\"spans\":[{\"begin\":0,\"end\":19,\"kind\":\"copy\",\"bits\":1}]}\n{}"));
    CHECK_FAIL(score(&s, &(qn_bits_options){.world = dir}, &r), QN_EFORMAT, "has fewer documents");
    qn_tok_free(tok);
}

/* ---- a real one ---- */

static int each_uniform(void *self, const int32_t *ids, int64_t n, double *logprob) {
    (void)self, (void)ids;
    for (int64_t i = 0; i < n; i++)
        logprob[i] = -8 * qn_ln(2);
    return 0;
}

/* Words of the same length: nothing but the hashes tells. */
static void other_words(const char *dir) {
    qn_buf path = {0}, text = {0};
    CHECK_OK(qn_path_join(&path, dir, "corpus/part-0000.txt"));
    CHECK_OK(qn_read_file(&text, path.s, SIZE_MAX));
    for (size_t k = 0; k < text.n; k++)
        text.s[k] = (char)(text.s[k] == 'r' ? 'l' : text.s[k]);
    CHECK_OK(qn_write_file(path.s, text.s, text.n));
    qn_buf_drop(&path);
    qn_buf_drop(&text);
}

TEST(walks_a_world_as_it_is_made) {
    qn_tok *tok = data_tok(true);
    const qn_scorer s = {.name = "uniform", .tok = tok, .context = 1000, .each = each_uniform};
    char dir[1100];
    qn_world *w;
    qn_plan *plan;
    qn_corpus_written written;
    qn_bits_result r;
    snprintf(dir, sizeof dir, "%s", qn_test_temp("world"));
    CHECK_OK(qn_dir_make(dir));
    CHECK_OK(qn_world_new(&w, 3, QN_WORLD_SMALL));
    CHECK_OK(qn_plan_new(&plan, w));
    CHECK_OK(qn_corpus_write(w, plan, NULL, &(qn_corpus_write_options){.out = dir, .sidecar = true}, &written));
    CHECK_OK(score(&s, &(qn_bits_options){.world = dir, .max_documents = 300}, &r));
    CHECK_INT(r.documents, 300);
    CHECK(r.all.bytes > 30000);
    for (int kind = 0; qn_bits_kind_name[kind]; kind++) {
        CHECK(r.kind[kind].bytes > 0, "%s", qn_bits_kind_name[kind]);
        CHECK_NEAR(r.kind[kind].model, 8 * (double)r.kind[kind].bytes, 1e-6, "%s", qn_bits_kind_name[kind]);
    }
    CHECK(r.all.floor > 0 && r.all.floor < r.all.model / 4);
    for (int group = 0; group < 3; group++)
        CHECK(r.group[group].spans > 0, "%s", qn_bits_group_name[group]);
    other_words(dir);
    CHECK_FAIL(score(&s, &(qn_bits_options){.world = dir, .max_documents = 3}, &r), QN_EFORMAT,
               "the sidecar and the corpus are not of one world");
    CHECK_CONTAINS(qn_error_message(), "corpus/part-0000.txt, document ");
    qn_corpus_written_drop(&written);
    qn_plan_free(plan);
    qn_world_free(w);
    qn_tok_free(tok);
}
