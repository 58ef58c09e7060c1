/* num/dtype.c — the table of storage dtypes, and the names they go by in files. */
#include "num/num.h"

static const qn_dtype_info table[QN_DTYPES] = {
    /*             name      ggml      safetensors id block bytes decode            encode */
    [QN_F64]    = {"f64",    "F64",    "F64",  28,   1,   8, qn_f64_decode,    qn_f64_encode},
    [QN_F32]    = {"f32",    "F32",    "F32",   0,   1,   4, qn_f32_decode,    qn_f32_encode},
    [QN_F16]    = {"f16",    "F16",    "F16",   1,   1,   2, qn_f16_decode,    qn_f16_encode},
    [QN_BF16]   = {"bf16",   "BF16",   "BF16", 30,   1,   2, qn_bf16_decode,   qn_bf16_encode},
    [QN_Q8_0]   = {"q8_0",   "Q8_0",   NULL,    8,  32,  34, qn_q8_0_decode,   qn_q8_0_encode},
    [QN_Q4_0]   = {"q4_0",   "Q4_0",   NULL,    2,  32,  18, qn_q4_0_decode,   qn_q4_0_encode},
    [QN_Q4_1]   = {"q4_1",   "Q4_1",   NULL,    3,  32,  20, qn_q4_1_decode,   qn_q4_1_encode},
    [QN_Q5_0]   = {"q5_0",   "Q5_0",   NULL,    6,  32,  22, qn_q5_0_decode,   NULL},
    [QN_Q5_1]   = {"q5_1",   "Q5_1",   NULL,    7,  32,  24, qn_q5_1_decode,   NULL},
    [QN_Q2_K]   = {"q2_k",   "Q2_K",   NULL,   10, 256,  84, qn_q2_k_decode,   NULL},
    [QN_Q3_K]   = {"q3_k",   "Q3_K",   NULL,   11, 256, 110, qn_q3_k_decode,   NULL},
    [QN_Q4_K]   = {"q4_k",   "Q4_K",   NULL,   12, 256, 144, qn_q4_k_decode,   NULL},
    [QN_Q5_K]   = {"q5_k",   "Q5_K",   NULL,   13, 256, 176, qn_q5_k_decode,   NULL},
    [QN_Q6_K]   = {"q6_k",   "Q6_K",   NULL,   14, 256, 210, qn_q6_k_decode,   NULL},
    [QN_IQ4_NL] = {"iq4_nl", "IQ4_NL", NULL,   20,  32,  18, qn_iq4_nl_decode, NULL},
    [QN_IQ4_XS] = {"iq4_xs", "IQ4_XS", NULL,   23, 256, 136, qn_iq4_xs_decode, NULL},
    [QN_MXFP4]  = {"mxfp4",  "MXFP4",  NULL,   39,  32,  17, qn_mxfp4_decode,  NULL},
    [QN_I32]    = {"i32",    "I32",    NULL,   -1,   1,   4, NULL,             NULL},
};

/* Every type number that ggml has used. 4 and 5 left in 2023; 31–33 and 36–38, repacked layouts, in 2024 and 2025. */
static const char *const ggml_names[] = {
    [0] = "F32", [1] = "F16", [2] = "Q4_0", [3] = "Q4_1", [4] = "Q4_2", [5] = "Q4_3", [6] = "Q5_0",
    [7] = "Q5_1", [8] = "Q8_0", [9] = "Q8_1", [10] = "Q2_K", [11] = "Q3_K", [12] = "Q4_K", [13] = "Q5_K",
    [14] = "Q6_K", [15] = "Q8_K", [16] = "IQ2_XXS", [17] = "IQ2_XS", [18] = "IQ3_XXS", [19] = "IQ1_S",
    [20] = "IQ4_NL", [21] = "IQ3_S", [22] = "IQ2_S", [23] = "IQ4_XS", [24] = "I8", [25] = "I16", [26] = "I32",
    [27] = "I64", [28] = "F64", [29] = "IQ1_M", [30] = "BF16", [31] = "Q4_0_4_4", [32] = "Q4_0_4_8",
    [33] = "Q4_0_8_8", [34] = "TQ1_0", [35] = "TQ2_0", [36] = "IQ4_NL_4_4", [37] = "IQ4_NL_4_8",
    [38] = "IQ4_NL_8_8", [39] = "MXFP4", [40] = "NVFP4", [41] = "Q1_0", [42] = "Q2_0",
};

const qn_dtype_info *qn_dtype_get(qn_dtype t) {
    qn_assert(t >= 0 && t < QN_DTYPES);
    return &table[t];
}

int qn_dtype_from_ggml(int id) {
    for (int t = 0; t < QN_DTYPES; t++)
        if (table[t].ggml_id >= 0 && table[t].ggml_id == id)
            return t;
    return -1;
}

int qn_dtype_from_safetensors(qn_str name) {
    for (int t = 0; t < QN_DTYPES; t++)
        if (table[t].safetensors && qn_str_is(name, table[t].safetensors))
            return t;
    return -1;
}

int qn_dtype_from_name(qn_str name) {
    for (int t = 0; t < QN_DTYPES; t++)
        if (qn_str_is(name, table[t].name) || qn_str_is(name, table[t].ggml_name))
            return t;
    return -1;
}

const char *qn_ggml_type_name(int id) {
    return id >= 0 && (size_t)id < QN_LEN(ggml_names) ? ggml_names[id] : NULL;
}

const char *qn_dtypes_supported(void) {
    return "F64, F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q2_K, Q3_K, Q4_K, Q5_K, Q6_K, IQ4_NL, IQ4_XS, MXFP4";
}

const char *qn_dtypes_written(void) { return "f32, f16, bf16, q8_0, q4_0, q4_1"; }

size_t qn_dtype_row_bytes(qn_dtype t, int64_t n) {
    const qn_dtype_info *d = qn_dtype_get(t);
    qn_assert(n >= 0 && n % d->block == 0);
    size_t bytes;
    qn_assert(!QN_MUL_OVERFLOW((size_t)(n / d->block), (size_t)d->bytes, &bytes));
    return bytes;
}
