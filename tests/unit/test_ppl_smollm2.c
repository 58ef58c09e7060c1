/* label: full */
/* tests/unit/test_ppl_smollm2.c — the perplexity gate: SmolLM2-135M-Instruct, the published Q4_1 file, on the first
 * 102,400 bytes of wiki_demo.txt by llama.cpp's protocol. Judges: llama.cpp gives 23.635 with 8-bit activations and
 * 23.559 for the same weights as F16; transformers in f32 gives 23.5605. */
#include "eval/eval.h"
#include "test.h"
#include "tok_load.h"

static double perplexity(const char *path, const char *text, size_t n, int weights) {
    qn_source *source;
    qn_model *model;
    qn_session *session;
    qn_tok *tok;
    qn_pool *pool;
    qn_ppl_result r;
    CHECK_OK(qn_pool_new(&pool, 2));
    CHECK_OK(qn_source_open(&source, path));
    CHECK_OK(qn_source_tokenizer(source, &tok));
    CHECK_OK(qn_model_load(&model, source, &(qn_model_options){.weights = weights}, pool));
    const qn_session_options o = {.context = 512, .kv = -1};
    CHECK_OK(qn_session_new(&session, model, qn_kernels_at(qn_isa_detect()), pool, &o));
    CHECK_OK(qn_eval_ppl(session, tok, text, n, &(qn_ppl_options){.ctx = 512}, &r));
    CHECK_INT(r.windows, 38);
    CHECK_INT(r.tokens, 38 * 255);
    qn_session_free(session);
    qn_model_free(model);
    qn_tok_free(tok);
    qn_source_close(source);
    qn_pool_free(pool);
    return r.ppl;
}

TEST(perplexity_is_that_of_the_reference_implementations) {
    const char *path = tok_find_smollm2(), *shared = qn_test_shared("data/wiki_demo.txt");
    qn_buf text = {0};
    if (!path)
        SKIP("no SmolLM2-135M-Instruct.Q4_1.gguf in QUERN_MODELS or build/models");
    if (!shared)
        SKIP("the shared data is not here");
    CHECK_OK(qn_read_file(&text, shared, 1u << 24));
    const double stored = perplexity(path, text.s, 102400, QN_WEIGHTS_AS_IS);
    const double f32 = perplexity(path, text.s, 102400, QN_F32);
    CHECK(stored > 23.51 && stored < 23.68, "as stored: %.4f", stored);
    CHECK_NEAR(f32, 23.5605, 0.0005 * 23.5605, "f32");
    qn_buf_drop(&text);
}
