/* tests/unit/eval_rig.h — a tiny model that reads printable characters, as a scorer, for tests of evaluation.
 *
 *     rig r = rig_new(1024, 8, false);        context, sequences, whether texts begin with a BOS
 *     r.scorer.score(r.scorer.self, …);
 *     rig_drop(&r);
 *
 * The vocabulary: <bos>, <eos>, the 94 printable characters, blank and newline in GPT-2's spelling. */
#ifndef QN_TESTS_UNIT_EVAL_RIG_H
#define QN_TESTS_UNIT_EVAL_RIG_H

#include "eval/scorer.h"
#include "tiny_model.h"

enum { RIG_V = 98 };

typedef struct {
    qn_model *m;
    qn_session *s;
    qn_tok *tok;
    qn_pool *pool;
    qn_scorer scorer;
} rig;

/* … with another spelling of one id; −1: of none. */
QN_UNUSED static qn_tok *rig_tokenizer_but(bool adds_bos, int id, const char *text) {
    static char spelled[RIG_V][2];
    qn_str tokens[RIG_V] = {QN_STR("<bos>"), QN_STR("<eos>")};
    int32_t types[RIG_V] = {QN_TOKEN_CONTROL, QN_TOKEN_CONTROL};
    for (int i = 2; i < RIG_V; i++) {
        spelled[i][0] = (char)('!' + i - 2);
        tokens[i] = (qn_str){spelled[i], 1};
        types[i] = QN_TOKEN_NORMAL;
    }
    tokens[96] = QN_STR("\xc4\xa0");        /* Ġ */
    tokens[97] = QN_STR("\xc4\x8a");        /* Ċ */
    if (id >= 0)
        tokens[id] = qn_str_of(text);
    const qn_tok_gguf_tables tables = {
        .tokens = tokens, .n_tokens = RIG_V, .types = types, .n_types = RIG_V, .pre = QN_STR("gpt-2"),
        .bos = 0, .eos = 1, .unk = -1, .pad = -1, .add_bos = adds_bos, .add_eos = false,
    };
    qn_tok_spec spec;
    qn_tok *tok;
    CHECK_OK(qn_tok_spec_from_gguf_tables(&spec, &tables));
    CHECK_OK(qn_tok_new(&tok, &spec));
    qn_tok_spec_drop(&spec);
    return tok;
}

QN_UNUSED static qn_tok *rig_tokenizer(bool adds_bos) { return rig_tokenizer_but(adds_bos, -1, NULL); }

QN_UNUSED static rig rig_of(int64_t context, int64_t sequences, bool adds_bos, int threads, int64_t rows) {
    tiny_spec spec = TINY;
    spec.V = RIG_V;
    rig r = {.m = tiny_model(&spec, NULL), .tok = rig_tokenizer(adds_bos)};
    if (threads > 1)
        CHECK_OK(qn_pool_new(&r.pool, threads));
    const qn_session_options o = {.context = context, .sequences = sequences, .rows = rows, .kv = -1};
    CHECK_OK(qn_session_new(&r.s, r.m, qn_kernels_at(qn_test_isa()), r.pool, &o));
    CHECK_OK(qn_session_scorer_init(&r.scorer, "model", r.s, r.tok));
    return r;
}

QN_UNUSED static rig rig_new(int64_t context, int64_t sequences, bool adds_bos) {
    return rig_of(context, sequences, adds_bos, 1, 0);
}

QN_UNUSED static void rig_drop(rig *r) {
    qn_session_scorer_drop(&r->scorer);
    qn_session_free(r->s);
    qn_pool_free(r->pool);
    qn_tok_free(r->tok);
    qn_model_free(r->m);
}

#endif
