/* tests/unit/test_same_bits_smollm2.c — the same promise on a real model, where its file is. */
/* label: full */
#include "same_bits.h"
#include "tok_load.h"

TEST(smollm2) {
    const char *path = tok_find_smollm2();
    if (!path)
        SKIP("no SmolLM2-135M-Instruct.Q4_1.gguf in QUERN_MODELS or build/models");
    qn_model *m = tiny_load(path, NULL);
    for (int threads = 1; threads <= 3; threads++)
        CHECK_OK(qn_pool_new(&pool[threads], threads));
    every_regime(m, qn_test_isa(), "SmolLM2 Q4_1", true);
    for (int threads = 1; threads <= 3; threads++)
        qn_pool_free(pool[threads]);
    qn_model_free(m);
}
