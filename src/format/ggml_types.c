/* format/ggml_types.c — the table of block sizes (ggml.h and ggml-common.h of ggml, 2026). */
#include "format/ggml_types.h"

typedef struct { int16_t elements, bytes; } block;

static const block blocks[] = {
    [0] = {1, 4},       /* F32 */
    [1] = {1, 2},       /* F16 */
    [2] = {32, 18},     /* Q4_0 */
    [3] = {32, 20},     /* Q4_1 */
    [6] = {32, 22},     /* Q5_0 */
    [7] = {32, 24},     /* Q5_1 */
    [8] = {32, 34},     /* Q8_0 */
    [9] = {32, 36},     /* Q8_1 */
    [10] = {256, 84},   /* Q2_K */
    [11] = {256, 110},  /* Q3_K */
    [12] = {256, 144},  /* Q4_K */
    [13] = {256, 176},  /* Q5_K */
    [14] = {256, 210},  /* Q6_K */
    [15] = {256, 292},  /* Q8_K */
    [16] = {256, 66},   /* IQ2_XXS */
    [17] = {256, 74},   /* IQ2_XS */
    [18] = {256, 98},   /* IQ3_XXS */
    [19] = {256, 50},   /* IQ1_S */
    [20] = {32, 18},    /* IQ4_NL */
    [21] = {256, 110},  /* IQ3_S */
    [22] = {256, 82},   /* IQ2_S */
    [23] = {256, 136},  /* IQ4_XS */
    [24] = {1, 1},      /* I8 */
    [25] = {1, 2},      /* I16 */
    [26] = {1, 4},      /* I32 */
    [27] = {1, 8},      /* I64 */
    [28] = {1, 8},      /* F64 */
    [29] = {256, 56},   /* IQ1_M */
    [30] = {1, 2},      /* BF16 */
    [34] = {256, 54},   /* TQ1_0 */
    [35] = {256, 66},   /* TQ2_0 */
    [39] = {32, 17},    /* MXFP4 */
    [40] = {64, 36},    /* NVFP4 */
    [41] = {128, 18},   /* Q1_0 */
    [42] = {64, 18},    /* Q2_0 */
};

bool qn_ggml_type_block(uint32_t id, int *elements, int *bytes) {
    if (id >= QN_LEN(blocks) || blocks[id].bytes == 0)
        return false;
    *elements = blocks[id].elements;
    *bytes = blocks[id].bytes;
    return true;
}

const char *qn_ggml_type_hint(uint32_t id) {
    if (id == 4 || id == 5 || (id >= 31 && id <= 33) || (id >= 36 && id <= 38))
        return "a type that ggml has removed";
    if (id == 133 || (id >= 137 && id <= 158) || (id >= 200 && id <= 399))
        return "a type of ik_llama.cpp only";
    return "no type that is known (the file is damaged, or newer than this program)";
}

const char *qn_ggml_type_advice(void) {
    return "make a Q4_K_M or Q8_0 of the original with llama-quantize, or take another file of this model";
}
