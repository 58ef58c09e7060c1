/* tests/unit/test_arch.c — the registry of families and their parameter tables, and what loading makes of them: which
 * tensor goes where, in which order of rows, as which dtype. */
#include "tiny_model.h"

TEST(families_by_every_name) {
    CHECK(qn_arch_by_gguf(QN_STR("llama")) == &qn_arch_llama);
    CHECK(qn_arch_by_gguf(QN_STR("Llama")) == NULL);
    CHECK(qn_arch_by_gguf(QN_STR("")) == NULL);
    CHECK(qn_arch_by_hf(QN_STR("LlamaForCausalLM"), QN_STR("")) == &qn_arch_llama);
    CHECK(qn_arch_by_hf(QN_STR(""), QN_STR("mistral")) == &qn_arch_llama);
    CHECK(qn_arch_by_hf(QN_STR("LlamaModel"), QN_STR("llama")) == NULL, "the class says more than the type");
    CHECK(qn_arch_by_gguf(QN_STR("gpt2")) == &qn_arch_gpt2);
    CHECK(qn_arch_by_hf(QN_STR("GPT2LMHeadModel"), QN_STR("")) == &qn_arch_gpt2);
    CHECK_CONTAINS(qn_arch_names(), "llama gpt2");
}

static const qn_config numbers = {.V = 7, .D = 6, .F = 5, .heads = 4, .kv_heads = 2, .Dh = 10, .layers = 3,
                                  .context = 9};

static void check_table(const qn_arch *a) {
    const qn_config c = numbers;
    for (size_t i = 0; i < a->n_params; i++) {
        const qn_param *p = &a->params[i];
        int64_t dim[2] = {0, 0};
        const int rank = qn_param_shape(p, &c, dim);
        CHECK(qn_arch_param(a, p->id) == p, "%s: each role once", p->gguf);
        CHECK(rank == 1 || rank == 2, "%s", p->gguf);
        CHECK((strstr(p->gguf, "%d") != NULL) == (strstr(p->hf, "%d") != NULL), "%s", p->gguf);
        CHECK(rank == 1 || !(p->flags & QN_NO_DECAY), "%s: matrices decay", p->gguf);
        CHECK(rank == 2 || (p->flags & QN_NO_DECAY), "%s: vectors do not", p->gguf);
        for (size_t j = 0; j < i; j++)
            CHECK(strcmp(p->gguf, a->params[j].gguf) != 0 && strcmp(p->hf, a->params[j].hf) != 0, "%s", p->gguf);
        /* Some files have the prefix and some not; the table has it everywhere or nowhere. */
        const size_t prefix = a->hf_prefix ? strlen(a->hf_prefix) : 0;
        if (!(p->flags & QN_TIED))
            CHECK(!strncmp(p->hf, a->hf_prefix ? a->hf_prefix : "", prefix) ==
                  !strncmp(a->params[0].hf, a->hf_prefix ? a->hf_prefix : "", prefix), "%s", p->hf);
    }
}

/* Parts of a joint tensor are as wide, and say the same of themselves. */
static void check_joints(const qn_arch *a) {
    for (size_t i = 0; i < a->n_joints; i++) {
        const qn_joint *j = &a->joints[i];
        const qn_param *first = qn_arch_param(a, j->part[0]);
        int64_t dim[2] = {0, 1}, other[2] = {0, 1};
        const int rank = qn_param_shape(first, &numbers, dim);
        CHECK(j->parts > 1 && (strstr(j->gguf, "%d") != NULL) == qn_param_per_layer(first), "%s", j->gguf);
        for (int k = 0; k < j->parts; k++) {
            const qn_param *p = qn_arch_param(a, j->part[k]);
            CHECK(p && qn_arch_joint(a, p->id) == j && p->flags == first->flags, "%s", j->gguf);
            CHECK(qn_param_shape(p, &numbers, other) == rank && other[1] == dim[1], "%s", j->gguf);
            CHECK(!(p->flags & (QN_ROPE_PERMUTED | QN_TIED)), "%s: parts lie as they are", j->gguf);
        }
    }
}

TEST(parameter_tables_are_consistent) {
    static const qn_arch *const all[] = {
#define QN_ARCH(name) &qn_arch_##name,
#include "model/arch_list.inc"
#undef QN_ARCH
    };
    for (size_t i = 0; i < QN_LEN(all); i++) {
        check_table(all[i]);
        check_joints(all[i]);
    }
}

TEST(parameters_by_name_and_shape) {
    const qn_arch *a = &qn_arch_llama;
    const qn_config c = numbers;
    qn_buf gguf = {0}, hf = {0};
    int64_t dim[2];
    CHECK_INT(qn_param_shape(qn_arch_param(a, QN_P_Q), &c, dim), 2);
    CHECK(dim[0] == 40 && dim[1] == 6);
    CHECK_INT(qn_param_shape(qn_arch_param(a, QN_P_K_BIAS), &c, dim), 1);
    CHECK_INT(dim[0], 20);
    CHECK_OK(qn_param_name(qn_arch_param(a, QN_P_DOWN), true, 12, &gguf));
    CHECK_OK(qn_param_name(qn_arch_param(a, QN_P_DOWN), false, 12, &hf));
    CHECK_STR(gguf.s, "blk.12.ffn_down.weight");
    CHECK_STR(hf.s, "model.layers.12.mlp.down_proj.weight");
    CHECK_OK(qn_param_name(qn_arch_param(a, QN_P_HEAD), true, -1, &gguf));
    CHECK_STR(gguf.s, "output.weight");
    CHECK(qn_param_per_layer(qn_arch_param(a, QN_P_DOWN)) && !qn_param_per_layer(qn_arch_param(a, QN_P_HEAD)));
    const qn_param *key = qn_arch_param(&qn_arch_gpt2, QN_P_K);
    CHECK_OK(qn_param_name(key, true, 2, &gguf));
    CHECK_STR(gguf.s, "blk.2.attn_k.weight", "its own name, for graphs");
    CHECK_OK(qn_param_stored_name(&qn_arch_gpt2, key, true, 2, &gguf));
    CHECK_OK(qn_param_stored_name(&qn_arch_gpt2, key, false, 2, &hf));
    CHECK_STR(gguf.s, "blk.2.attn_qkv.weight");
    CHECK_STR(hf.s, "transformer.h.2.attn.c_attn.weight");
    CHECK_OK(qn_param_stored_name(a, qn_arch_param(a, QN_P_K), false, 2, &hf));
    CHECK_STR(hf.s, "model.layers.2.self_attn.k_proj.weight", "the same where it lies alone");
    CHECK_INT(qn_param_shape(qn_arch_param(&qn_arch_gpt2, QN_P_POSITIONS), &c, dim), 2);
    CHECK(dim[0] == 9 && dim[1] == 6);
    qn_buf_drop(&gguf);
    qn_buf_drop(&hf);
}

/* ---- loading ---- */

static qn_model *load_as(const tiny_spec *s, int weights) {
    const qn_model_options o = {.weights = weights};
    qn_source *source;
    qn_model *m;
    CHECK_OK(qn_source_open(&source, tiny_file(s)));
    CHECK_OK(qn_model_load(&m, source, &o, NULL));
    qn_source_close(source);
    return m;
}

/* Row r of a parameter is stored row `stored` of the tensor. */
static void check_row(const qn_model *m, qn_param_id id, int64_t layer, const char *name, int64_t r, int64_t stored) {
    const qn_tensor *t = qn_model_param(m, id, layer);
    float row[64], want;
    CHECK(t->layout == QN_LAYOUT_PANELS && t->dtype == QN_F32 && t->dim[1] == 64);
    qn_unpack_row(row, t->dtype, t->data, r, t->dim[1]);
    for (int64_t k = 0; k < 64; k++) {
        want = qn_fill_value(qn_fill_salt(name), (uint64_t)(stored * 64 + k), 1.8f / sqrtf(64));
        CHECK(row[k] == want, "%s, row %lld", name, (long long)r);
    }
}

/* GGUF interleaves the halves of the rotated part of each head; what lies behind it, and all other matrices, stay. */
TEST(rows_of_q_and_k_are_put_in_order) {
    tiny_spec s = TINY;
    for (s.rot = 8; s.rot <= 16; s.rot += 8) {
        qn_model *m = load_as(&s, QN_WEIGHTS_AS_IS);
        for (int64_t r = 0; r < 32; r++) {
            const int64_t in = r % 16, half = s.rot / 2;
            const int64_t stored = in < s.rot ? r - in + 2 * (in % half) + in / half : r;
            check_row(m, QN_P_Q, 0, "blk.0.attn_q.weight", r, stored);
            check_row(m, QN_P_K, 1, "blk.1.attn_k.weight", r, stored);
            check_row(m, QN_P_V, 1, "blk.1.attn_v.weight", r, r);
            check_row(m, QN_P_GATE, 0, "blk.0.ffn_gate.weight", r, r);
        }
        qn_model_free(m);
    }
}

TEST(tied_or_a_head_of_its_own) {
    tiny_spec s = TINY;
    qn_model *tied = load_as(&s, QN_WEIGHTS_AS_IS);
    s.untied = true;
    qn_model *untied = load_as(&s, QN_WEIGHTS_AS_IS);
    CHECK(tied->cfg.tied && !untied->cfg.tied);
    CHECK_INT(qn_model_param(tied, QN_P_HEAD, -1)->rank, 0);
    CHECK_INT(qn_model_param(untied, QN_P_HEAD, -1)->dim[0], 96);
    CHECK_INT(untied->n_params - tied->n_params, 96 * 64, "a tied head is counted once");
    /* embedding, final norm; per layer two norms, q and o, k and v, three of the feed-forward */
    CHECK_INT(tied->n_params, 96 * 64 + 64 + 2 * (2 * 64 + 2 * 64 * 64 + 2 * 32 * 64 + 3 * 96 * 64));
    CHECK_INT(qn_model_param(tied, QN_P_Q_BIAS, 0)->rank, 0, "no bias in the file");
    CHECK_INT(qn_model_param(tied, QN_P_OUT_NORM, 1)->rank, 1, "the layer does not matter to what stands once");
    qn_model_free(tied);
    qn_model_free(untied);
}

TEST(weights_are_converted_at_load) {
    static const qn_dtype to[] = {QN_F32, QN_F16, QN_BF16, QN_Q8_0, QN_Q4_0, QN_Q4_1};
    tiny_spec s = TINY;
    s.dtype = QN_BF16;
    qn_model *m = load_as(&s, QN_WEIGHTS_AS_IS);
    CHECK_INT(m->main_dtype, QN_BF16);
    CHECK_CONTAINS(m->identity, "llama, ");
    CHECK_CONTAINS(m->identity, "bf16 as stored");
    CHECK_INT(qn_model_param(m, QN_P_ATTN_NORM, 0)->dtype, QN_F32, "vectors are always F32");
    qn_model_free(m);
    for (size_t i = 0; i < QN_LEN(to); i++) {
        float row[64], plain[64], want[64];
        char stored[64 * 4];
        m = load_as(&s, (int)to[i]);
        CHECK_INT(m->main_dtype, to[i]);
        CHECK_CONTAINS(m->identity, qn_dtype_get(to[i])->name);
        CHECK_CONTAINS(m->identity, "converted at load");
        for (int k = 0; k < 64; k++)                    /* row 3 of the embedding: to bf16 in the file, then on */
            plain[k] = qn_bf16_to_f32(qn_f32_to_bf16(qn_fill_value(qn_fill_salt("token_embd.weight"), 3 * 64 + k, 1)));
        qn_dtype_get(to[i])->encode_row(stored, plain, 64);
        qn_dtype_get(to[i])->decode_row(want, stored, 64);
        const qn_tensor *t = qn_model_param(m, QN_P_EMBED, -1);
        qn_unpack_row(row, t->dtype, t->data, 3, 64);
        CHECK(memcmp(row, want, sizeof row) == 0, "%s", qn_dtype_get(to[i])->name);
        qn_model_free(m);
    }
}

TEST(conversions_that_are_refused) {
    static const int bad[] = {QN_F64, QN_I32, QN_DTYPES, QN_Q4_K, QN_Q5_0, QN_MXFP4, -2, 99};
    tiny_spec s = TINY;
    qn_source *source;
    qn_model *m;
    CHECK_OK(qn_source_open(&source, tiny_file(&s)));
    for (size_t i = 0; i < QN_LEN(bad); i++) {
        const qn_model_options o = {.weights = bad[i]};
        CHECK_FAIL(qn_model_load(&m, source, &o, NULL), QN_EINVAL, "q4_1", "%d", bad[i]);
    }
    qn_source_close(source);
    s.D = 72;                                           /* no whole blocks of 32 */
    CHECK_OK(qn_source_open(&source, tiny_file(&s)));
    CHECK_FAIL(qn_model_load(&m, source, &(qn_model_options){.weights = QN_Q8_0}, NULL), QN_ESHAPE,
               "whole blocks of 32");
    CHECK(m == NULL);
    qn_source_close(source);
}
