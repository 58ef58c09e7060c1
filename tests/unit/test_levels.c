/* tests/unit/test_levels.c — levels of instructions: which rows each uses, and what a cap comes to on this machine. */
#include "test.h"

#include "kernels/kernels.h"

TEST(levels_use_those_below_but_for_the_one_that_stands_aside) {
    for (int level = 0; level < QN_ISA_LEVELS; level++) {
        CHECK(qn_isa_uses((qn_isa)level, QN_ISA_SCALAR) && qn_isa_uses((qn_isa)level, (qn_isa)level));
        for (int row = 0; row < QN_ISA_LEVELS; row++) {
            const bool aside = row == QN_ISA_AVXVNNI && level != row;
            CHECK_INT(qn_isa_uses((qn_isa)level, (qn_isa)row), row <= level && !aside, "%d, %d", level, row);
        }
    }
    CHECK(!qn_isa_uses(QN_ISA_AVX512, QN_ISA_AVXVNNI), "Skylake-X has no AVX-VNNI");
    CHECK(qn_isa_uses(QN_ISA_AMX, QN_ISA_AVX512BF16));
}

TEST(a_cap_is_the_highest_level_up_to_it_that_is_there) {
    for (int cap = 0; cap < QN_ISA_LEVELS; cap++) {
        const qn_isa fit = qn_isa_fit((qn_isa)cap);
        CHECK(fit <= (qn_isa)cap && qn_isa_has(fit), "%s", qn_isa_name((qn_isa)cap));
        for (int between = (int)fit + 1; between <= cap; between++)
            CHECK(!qn_isa_has((qn_isa)between), "%s", qn_isa_name((qn_isa)between));
        CHECK_INT(qn_kernels_at((qn_isa)cap)->isa, fit);
    }
    CHECK(qn_isa_has(QN_ISA_SCALAR));
    CHECK_INT(qn_isa_detect(), qn_isa_fit(QN_ISA_LEVELS - 1));
}

/* AVX-512's levels nest, whatever the machine. */
TEST(what_lies_below_a_level_is_there_too) {
    static const qn_isa chain[] = {QN_ISA_AMX, QN_ISA_AVX512BF16, QN_ISA_AVX512VNNI, QN_ISA_AVX512, QN_ISA_AVX2};
    for (size_t i = 0; i + 1 < QN_LEN(chain); i++)
        CHECK(!qn_isa_has(chain[i]) || qn_isa_has(chain[i + 1]), "%s", qn_isa_name(chain[i]));
    CHECK(!qn_isa_has(QN_ISA_AVXVNNI) || qn_isa_has(QN_ISA_AVX2));
}

/* Only tiles add up more than a pair at once, and they only BF16. */
TEST(where_a_product_may_be_cut) {
    CHECK_INT(qn_cut_unit(QN_F32, QN_ISA_AMX), 1);
    CHECK_INT(qn_cut_unit(QN_BF16, QN_ISA_AVX512BF16), 2);
    CHECK_INT(qn_cut_unit(QN_BF16, QN_ISA_AMX), 32);
}
