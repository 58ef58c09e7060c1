/* tests/unit/test_grammars.c — what answers are held to is read once, kept while it is used and for a while, and is
 * bounded. */
#include "guide_rig.h"
#include "serve/grammars.h"

static int reads;

static int read_one(qn_syntax **out, qn_str text) {
    reads++;
    return qn_syntax_gbnf(out, text, "g");
}

typedef struct { qn_tok *tok; qn_token_trie *trie; qn_grammars *all; } house;

static void build(house *h) {
    *h = (house){.tok = rig_tok()};
    CHECK_OK(qn_token_trie_new(&h->trie, h->tok, RIG_V));
    CHECK_OK(qn_grammars_new(&h->all));
    reads = 0;
}

static void leave(house *h) {
    qn_grammars_free(h->all);
    qn_token_trie_free(h->trie);
    qn_tok_free(h->tok);
}

static int take(house *h, const char *text, qn_grammar **out) {
    const int64_t eos = RIG_EOS;
    return qn_grammars_take(h->all, qn_str_of(text), read_one, h->trie, &eos, 1, out);
}

TEST(the_same_text_is_read_once) {
    house h;
    qn_grammar *a, *b, *c;
    qn_guide guide;
    build(&h);
    CHECK_INT(take(&h, "root ::= \"ab\"", &a), 1);
    CHECK_INT(take(&h, "root ::= \"ab\"", &b), 0);
    CHECK_INT(take(&h, "root ::= \"abc\"", &c), 1);
    CHECK(a == b && a != c && reads == 2);
    CHECK_OK(qn_guide_init(&guide, qn_grammar_masks(a)));
    CHECK_INT(qn_guide_take_text(&guide, QN_STR("ab")), 1);
    qn_guide_drop(&guide);
    CHECK_INT(qn_grammars_idle(h.all), 0);
    qn_grammars_give_back(h.all, a);
    qn_grammars_give_back(h.all, c);
    CHECK_INT(qn_grammars_idle(h.all), 1, "b is still held");
    qn_grammars_give_back(h.all, b);
    CHECK_INT(take(&h, "root ::= \"ab\"", &a), 0, "and is there for the next one");
    qn_grammars_give_back(h.all, a);
    qn_grammars_give_back(h.all, NULL);
    CHECK_INT(qn_grammars_idle(h.all), 2);
    leave(&h);
}

TEST(what_is_not_held_is_bounded) {
    const int64_t before = qn_mem_stats_get(QN_MEM_SERVE).live_bytes;
    qn_grammar *g, *first;
    char text[64];
    house h;
    build(&h);
    CHECK_INT(take(&h, "root ::= \"held\"", &first), 1);
    for (int i = 0; i < 3 * QN_GRAMMARS_IDLE; i++) {
        snprintf(text, sizeof text, "root ::= \"%d\"", i);
        CHECK_INT(take(&h, text, &g), 1);
        qn_grammars_give_back(h.all, g);
        CHECK(qn_grammars_idle(h.all) <= QN_GRAMMARS_IDLE);
    }
    CHECK_INT(qn_grammars_idle(h.all), QN_GRAMMARS_IDLE);
    CHECK_INT(take(&h, "root ::= \"held\"", &g), 0, "what is held stays");
    qn_grammars_give_back(h.all, g);
    qn_grammars_give_back(h.all, first);
    CHECK_INT(take(&h, "root ::= \"0\"", &g), 1, "the oldest has gone");
    qn_grammars_give_back(h.all, g);
    CHECK_INT(take(&h, text, &g), 0, "the youngest has not");
    qn_grammars_give_back(h.all, g);
    leave(&h);
    CHECK_NO_LEAK(QN_MEM_SERVE, before, "all of it");
}

TEST(what_cannot_be_read_is_not_kept) {
    house h;
    qn_grammar *g;
    build(&h);
    for (int i = 0; i < 2; i++)
        CHECK_FAIL(take(&h, "root ::= nothing", &g), QN_EFORMAT, "nothing");
    CHECK(reads == 2 && qn_grammars_idle(h.all) == 0);
    for (int64_t n = 0, rc = QN_ENOMEM; rc != 1; n++) {
        CHECK(n < 1000);
        qn_mem_fail_after(n);
        rc = take(&h, "root ::= [a-z]{3,9}", &g);
        qn_mem_fail_after(-1);
        CHECK(rc == 1 || rc == QN_ENOMEM, "allocation %lld: %lld", (long long)n, (long long)rc);
        CHECK(rc == 1 || qn_grammars_idle(h.all) == 0);
    }
    qn_grammars_give_back(h.all, g);
    leave(&h);
}
