/* tests/unit/test_cooc.c — places found against a plain walk; the baselines as scorers on a small corpus. */
#include "data_make.h"

#include "eval/baselines.h"
#include "ngram/cooc.h"
#include "num/math.h"

enum { VOCAB = 7, DOCUMENTS = 40, LENGTH = 25 };

static int32_t token(int document, int at) {
    return (int32_t)(qn_rng_u64(3, QN_RNG_TEST, (uint64_t)document, (uint64_t)at) % VOCAB);
}

/* Does ids [n] stand at this place? */
static bool stands(int document, int at, const int32_t *ids, int n) {
    for (int k = 0; k < n; k++)
        if (at + k >= LENGTH || token(document, at + k) != ids[k])
            return false;
    return true;
}

static qn_cooc *indexed(void) {
    qn_cooc *c;
    CHECK_OK(qn_cooc_new(&c, VOCAB));
    for (int d = 0; d < DOCUMENTS; d++) {
        for (int i = 0; i < LENGTH; i++)
            CHECK_OK(qn_cooc_add(c, &(int32_t){token(d, i)}, 1));
        qn_cooc_end(c);
    }
    CHECK_OK(qn_cooc_index(c));
    CHECK_INT(qn_cooc_tokens(c), DOCUMENTS * LENGTH);
    return c;
}

TEST(finds_what_a_walk_finds) {
    qn_cooc *c = indexed();
    qn_places places = {0};
    for (int trial = 0; trial < 200; trial++) {
        int32_t ids[LENGTH];
        const int n = trial < 7 ? 1 : 1 + trial % 18, d = trial % DOCUMENTS, at = trial % 6;
        int64_t found = 0;
        for (int k = 0; k < n; k++)             /* what stands somewhere; every third with another last token */
            ids[k] = token(d, at + k);
        if (trial % 3 == 0)
            ids[n - 1] = (ids[n - 1] + 1) % VOCAB;
        for (int i = 0; i < DOCUMENTS; i++)
            for (int k = 0; k < LENGTH; k++)
                found += stands(i, k, ids, n);
        CHECK_INT(qn_cooc_count(c, ids, n), found, "trial %d of length %d", trial, n);
        places.n = 0;
        CHECK_OK(qn_cooc_find(c, ids, n, &places));
        CHECK_INT(places.n, found, "trial %d", trial);
        for (size_t i = 1; i < places.n; i++)
            CHECK(places.at[i] > places.at[i - 1]);
    }
    qn_places_drop(&places);
    qn_cooc_free(c);
}

TEST(counts_what_is_near_within_a_document) {
    qn_cooc *c = indexed();
    qn_places a = {0}, b = {0};
    const int32_t one[] = {2, 5}, other[] = {4, 4};
    CHECK_OK(qn_cooc_find(c, one, 2, &a));
    CHECK_OK(qn_cooc_find(c, other, 2, &b));
    for (int window = 0; window < 12; window++) {
        int64_t near = 0;
        for (int d = 0; d < DOCUMENTS; d++)
            for (int i = 0; i < LENGTH; i++) {
                bool found = false;
                for (int k = QN_MAX(0, i - window); k <= i + window && k < LENGTH; k++)
                    found = found || stands(d, k, other, 2);
                near += stands(d, i, one, 2) && found;
            }
        CHECK_INT(qn_places_near(&a, &b, window), near, "window %d", window);
    }
    qn_places_drop(&a);
    qn_places_drop(&b);
    qn_cooc_free(c);
}

TEST(says_what_cannot_be_indexed) {
    qn_cooc *c;
    CHECK_OK(qn_cooc_new(&c, VOCAB));
    CHECK_FAIL(qn_cooc_index(c), QN_EINVAL, "no tokens");
    CHECK_FAIL(qn_cooc_add(c, &(int32_t){VOCAB}, 1), QN_EINVAL, "outside the vocabulary");
    qn_cooc_free(c);
}

/* ---- as scorers ---- */

static const char *const people[] = {"Marin Bell", "Marin Oak", "Tavo Bell", "Tavo Oak"};
static const char *const trades[] = {"baker", "cooper", "dyer", "smith"};

/* Person i has trade i; now and then the text names another trade too. */
static qn_dataset *town(void) {
    qn_buf text = {0};
    for (int i = 0; i < 160; i++) {
        const int who = i % 4, other = i / 4 % 4;
        CHECK_OK(qn_buf_printf(&text, "{\"text\": \"%d in the year of the fair. %s is a %s by trade.%s%s\"}\n", i,
                               people[who], trades[who], i % 5 ? "" : " In town there was also a ",
                               i % 5 ? "" : trades[other]));
    }
    char path[1100];
    snprintf(path, sizeof path, "%s", qn_test_write("town.jsonl", text.s, text.n));
    qn_buf_drop(&text);
    return data_open("town", path, (qn_data_options){.validation = 0.1, .force = true}, true);
}

/* Which of the trades a scorer takes for the right one. */
static int choose(const qn_scorer *s, const char *context) {
    double best = -INFINITY;
    int chosen = -1;
    for (int i = 0; i < 4; i++) {
        qn_ids ids = {0};
        qn_score out;
        CHECK_OK(qn_tok_encode(s->tok, context, strlen(context), QN_TOK_DEFAULT, &ids));
        const int64_t from = (int64_t)ids.n;
        CHECK_OK(qn_tok_encode(s->tok, " ", 1, QN_TOK_PLAIN, &ids));
        CHECK_OK(qn_tok_encode(s->tok, trades[i], strlen(trades[i]), QN_TOK_PLAIN, &ids));
        CHECK_OK(s->score(s->self, &(qn_score_request){ids.v, (int64_t)ids.n, from}, 1, &out));
        CHECK(out.logprob <= 0 && isfinite(out.logprob));
        if (out.logprob > best) {
            best = out.logprob;
            chosen = i;
        }
        qn_ids_drop(&ids);
    }
    return chosen;
}

TEST(knows_what_stands_beside_a_name) {
    qn_dataset *d = town();
    qn_tok *tok = data_tok(true);
    qn_scorer s;
    CHECK_OK(qn_cooc_scorer_init(&s, "cooc", d, tok));
    for (int i = 0; i < 4; i++) {
        char context[100];
        snprintf(context, sizeof context, "All his life %s was a", people[i]);      /* words that never stood there */
        CHECK_INT(choose(&s, context), i, "%s", people[i]);
        snprintf(context, sizeof context, "%s?", people[i]);
        CHECK_INT(choose(&s, context), i, "%s", people[i]);
    }
    CHECK(s.generate == NULL && s.each == NULL);
    qn_cooc_scorer_drop(&s);
    qn_tok_free(tok);
    qn_dataset_close(d);
}

static qn_ngram *counted(const qn_dataset *d, int order) {
    const qn_split_info train = qn_dataset_info(d, QN_SPLIT_TRAIN);
    qn_ngram_counter *c;
    qn_ngram *g;
    int32_t ids[1024];
    CHECK_OK(qn_ngram_counter_new(&c, order, qn_dataset_vocab(d)));
    for (int64_t i = 0; i < train.documents; i++) {
        int64_t from, n;
        qn_dataset_document(d, QN_SPLIT_TRAIN, i, &from, &n);
        CHECK_OK(qn_dataset_read(d, QN_SPLIT_TRAIN, from, n, ids));
        CHECK_OK(qn_ngram_counter_add(c, ids, n));
        qn_ngram_counter_end(c);
    }
    CHECK_OK(qn_ngram_build(c, NULL, NULL, &g));
    qn_ngram_counter_free(c);
    return g;
}

TEST(an_ngram_scorer_adds_up_what_each_says) {
    qn_dataset *d = town();
    qn_tok *tok = data_tok(true);
    qn_ngram *g = counted(d, 8);
    qn_scorer s;
    qn_ids ids = {0};
    const char text[] = "12 in the year of the fair. Tavo Oak is a smith by trade.";
    double each[128], sum = 0;
    qn_score out;
    CHECK_OK(qn_ngram_scorer_init(&s, "8-gram", g, tok));
    CHECK_OK(qn_tok_encode(tok, text, strlen(text), QN_TOK_DEFAULT, &ids));
    CHECK_OK(s.each(s.self, ids.v, (int64_t)ids.n, each));
    CHECK_OK(s.score(s.self, &(qn_score_request){ids.v, (int64_t)ids.n, 20}, 1, &out));
    for (size_t i = 20; i < ids.n; i++)
        sum += each[i];
    CHECK(sum == out.logprob);
    CHECK_NEAR(each[7], qn_ln(qn_ngram_prob(g, ids.v, 7, ids.v[7])), 0);
    CHECK_FAIL(s.score(s.self, &(qn_score_request){ids.v, (int64_t)ids.n, 0}, 1, &out), QN_EINVAL, "from 0 on");
    /* Behind a form that it has seen it goes on as the text does, to the end. */
    qn_generated answer = {0};
    qn_ids_clear(&ids);
    CHECK_OK(qn_tok_encode(tok, "12 in the year of", 17, QN_TOK_DEFAULT, &ids));
    const qn_str stop = QN_STR(". ");
    CHECK_OK(s.generate(s.self, &(qn_generate_request){ids.v, (int64_t)ids.n, 100, &stop, 1}, 1, &answer));
    CHECK_STR(answer.text.s, " the fair");
    CHECK(answer.ended);
    CHECK_OK(s.generate(s.self, &(qn_generate_request){ids.v, (int64_t)ids.n, 4, NULL, 0}, 1, &answer));
    CHECK_STR(answer.text.s, " the");
    CHECK(!answer.ended && answer.tokens == 4);
    qn_buf_drop(&answer.text);
    qn_ids_drop(&ids);
    qn_ngram_scorer_drop(&s);
    qn_ngram_free(g);
    qn_tok_free(tok);
    qn_dataset_close(d);
}

TEST(held_out_loss_is_the_sum_over_documents) {
    qn_dataset *d = town();
    qn_tok *tok = data_tok(true);
    qn_ngram *g = counted(d, 3);
    const qn_split_info check = qn_dataset_info(d, QN_SPLIT_VALIDATION);
    const uint16_t *bytes = qn_dataset_token_bytes(d);
    qn_scorer s;
    qn_held_out held, parts;
    int32_t ids[1024];
    double sum = 0, of_text = 0;
    CHECK_OK(qn_ngram_scorer_init(&s, "3-gram", g, tok));
    CHECK_OK(qn_eval_held_out(&s, d, QN_SPLIT_VALIDATION, 0, NULL, NULL, &held));
    for (int64_t i = 0; i < check.documents; i++) {
        int64_t from, n;
        qn_dataset_document(d, QN_SPLIT_VALIDATION, i, &from, &n);
        CHECK_OK(qn_dataset_read(d, QN_SPLIT_VALIDATION, from, n, ids));
        for (int64_t k = 0; k < n; k++) {
            const double loss = -qn_ln(qn_ngram_prob(g, ids, k, ids[k]));
            sum += loss;
            of_text += bytes[ids[k]] ? loss : 0;
        }
    }
    CHECK_INT(held.tokens, check.tokens);
    CHECK_INT(held.bytes, check.bytes);
    CHECK_NEAR(held.loss, sum / (double)check.tokens, 1e-9);
    CHECK_NEAR(held.bits_per_byte, of_text / ((double)check.bytes * qn_ln(2)), 1e-9);
    /* Windows that are shorter than documents: every token once all the same, with less before some of them. */
    s.context = 30;
    CHECK_OK(qn_eval_held_out(&s, d, QN_SPLIT_VALIDATION, 0, NULL, NULL, &parts));
    CHECK_INT(parts.tokens, check.tokens);
    CHECK_INT(parts.bytes, check.bytes);
    CHECK_NEAR(parts.loss, held.loss, 1e-9);
    qn_ngram_scorer_drop(&s);
    qn_ngram_free(g);
    qn_tok_free(tok);
    qn_dataset_close(d);
}
