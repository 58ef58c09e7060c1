/* tests/unit/test_num_dtype.c — the table of dtypes and its look-ups. */
#include "test.h"

#include "num/num.h"

/* Numbers of GGUF's specification and sizes of ggml's block structures. */
static const struct { qn_dtype t; const char *name; int ggml, block, bytes; const char *safetensors; } known[] = {
    {QN_F64, "f64", 28, 1, 8, "F64"},   {QN_F32, "f32", 0, 1, 4, "F32"},    {QN_F16, "f16", 1, 1, 2, "F16"},
    {QN_BF16, "bf16", 30, 1, 2, "BF16"}, {QN_Q8_0, "q8_0", 8, 32, 34, NULL}, {QN_Q4_0, "q4_0", 2, 32, 18, NULL},
    {QN_Q4_1, "q4_1", 3, 32, 20, NULL},
    {QN_Q5_0, "q5_0", 6, 32, 22, NULL},      {QN_Q5_1, "q5_1", 7, 32, 24, NULL}, {QN_Q2_K, "q2_k", 10, 256, 84, NULL},
    {QN_Q3_K, "q3_k", 11, 256, 110, NULL},   {QN_Q4_K, "q4_k", 12, 256, 144, NULL},
    {QN_Q5_K, "q5_k", 13, 256, 176, NULL},   {QN_Q6_K, "q6_k", 14, 256, 210, NULL},
    {QN_IQ4_NL, "iq4_nl", 20, 32, 18, NULL}, {QN_IQ4_XS, "iq4_xs", 23, 256, 136, NULL},
    {QN_MXFP4, "mxfp4", 39, 32, 17, NULL},
};

TEST(each_dtype_is_found_by_all_its_names) {
    for (size_t i = 0; i < QN_LEN(known); i++) {
        const qn_dtype_info *d = qn_dtype_get(known[i].t);
        CHECK_STR(d->name, known[i].name);
        CHECK_INT(d->block, known[i].block, "%s", d->name);
        CHECK_INT(d->bytes, known[i].bytes, "%s", d->name);
        CHECK_INT(qn_dtype_from_ggml(known[i].ggml), known[i].t, "%s", d->name);
        CHECK_INT(qn_dtype_from_name(qn_str_of(d->name)), known[i].t, "%s", d->name);
        CHECK_INT(qn_dtype_from_name(qn_str_of(d->ggml_name)), known[i].t, "%s", d->name);
        CHECK_STR(qn_ggml_type_name(known[i].ggml), d->ggml_name);
        CHECK(strstr(qn_dtypes_supported(), d->ggml_name) != NULL, "%s is not named as supported", d->ggml_name);
        CHECK(d->decode_row && (d->encode_row || known[i].t >= QN_Q5_0), "%s", d->name);
        CHECK(!d->encode_row || known[i].t == QN_F64 || strstr(qn_dtypes_written(), d->name), "%s", d->name);
        if (known[i].safetensors)
            CHECK_INT(qn_dtype_from_safetensors(qn_str_of(known[i].safetensors)), known[i].t, "%s", d->name);
        CHECK_STR(d->safetensors, known[i].safetensors);
        CHECK_INT(qn_dtype_row_bytes(known[i].t, 0), 0);
        CHECK_INT(qn_dtype_row_bytes(known[i].t, 768), 768 / d->block * d->bytes, "%s", d->name);
    }
    CHECK_INT(QN_LEN(known) + 1, QN_DTYPES, "a dtype is missing here (I32 is the one more)");
}

TEST(what_is_unknown_is_refused_and_still_has_a_name) {
    CHECK(qn_dtype_from_ggml(16) < 0);
    CHECK_STR(qn_ggml_type_name(16), "IQ2_XXS");
    CHECK_STR(qn_ggml_type_name(26), "I32");
    CHECK(qn_dtype_from_ggml(26) < 0, "ids are no weights");
    CHECK_STR(qn_ggml_type_name(42), "Q2_0");
    static const int none[] = {-1, 43, 1000, INT32_MAX, INT32_MIN};
    for (size_t i = 0; i < QN_LEN(none); i++) {
        CHECK(qn_dtype_from_ggml(none[i]) < 0, "%d", none[i]);
        CHECK(qn_ggml_type_name(none[i]) == NULL, "%d", none[i]);
    }
    CHECK(qn_dtype_from_safetensors(QN_STR("I64")) < 0);
    CHECK(qn_dtype_from_safetensors(QN_STR("")) < 0);
    CHECK(qn_dtype_from_safetensors(QN_STR("F32 ")) < 0);
    CHECK(qn_dtype_from_name(QN_STR("iq2_xxs")) < 0);
    CHECK(qn_dtype_from_name((qn_str){NULL, 0}) < 0);
}
