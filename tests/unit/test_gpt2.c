/* tests/unit/test_gpt2.c — the GPT-2 family against transformers: tiny models of tests/fixtures (gpt2.py says how they
 * were made), each as a directory of today, as one of 2019 and as a GGUF file; every level of the machine. */
#include "fixture_model.h"

/* ---- as a directory of 2019: no prefix before the names, the causal mask among the tensors ---- */

static const char *as_old_directory(const fixture *f) {
    static const float mask[64 * 64], much[1] = {-10000};
    test_st st = {0};
    put_tensors(f, &st, "transformer.");
    for (int layer = 0; layer < 2; layer++) {
        char name[64];
        snprintf(name, sizeof name, "h.%d.attn.bias", layer);
        test_st_tensor(&st, name, QN_F32, 4, (int64_t[]){1, 1, 64, 64}, mask);
        snprintf(name, sizeof name, "h.%d.attn.masked_bias", layer);
        test_st_tensor(&st, name, QN_F32, 0, NULL, much);
    }
    return write_directory(&st, &f->config_v4);
}

static void judge_case(const char *name) {
    static fixture f;
    char file[64], what[2][64];
    double worst = 0;
    snprintf(file, sizeof file, "gpt2_%s.json", name);
    read_fixture(file, &f);
    snprintf(what[0], sizeof what[0], "%s as a directory", name);
    snprintf(what[1], sizeof what[1], "%s as a directory of 2019", name);
    judge_model(&f, as_directory(&f, &f.config), what[0], &worst);
    judge_model(&f, as_old_directory(&f), what[1], &worst);
    print_message("%s: off by at most %.2f times what transformers' float32 is\n", name, worst);
    drop_fixture(&f);
}

TEST(head_tied_to_the_embedding) { judge_case("tied"); }
TEST(odd_widths_and_a_head_of_its_own) { judge_case("odd"); }
