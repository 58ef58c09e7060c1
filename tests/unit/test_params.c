/* tests/unit/test_params.c — parameters of a model in training: their list, tiles out of panels and back, fresh and
 * loaded numbers, a model without a file. */
#include "test.h"

#include "model/params.h"
#include "tiny_model.h"

/* V = 97 and F = 100: last tiles of 1 and 4 rows; D = 50: rows that are no whole cache lines. */
static tiny_spec odd_spec(void) {
    tiny_spec s = TINY;
    s.V = 97, s.D = 50, s.F = 100, s.untied = true;
    return s;
}

static qn_source *open_spec(const tiny_spec *s) {
    qn_source *src;
    CHECK_OK(qn_source_open(&src, tiny_file(s)));
    return src;
}

/* A blank model of the shape of a file. */
static qn_model *blank_of(const tiny_spec *s, qn_dtype compute) {
    qn_source *src = open_spec(s);
    const qn_arch *arch;
    qn_config c;
    qn_model *m;
    CHECK_OK(qn_source_config(src, &arch, &c));
    c.tied = !s->untied;
    CHECK_OK(qn_model_blank(&m, arch, &c, NULL, compute));
    qn_source_close(src);
    return m;
}

typedef struct { qn_model *m; qn_params p; float *room; } subject;

static subject subject_of(const tiny_spec *s, qn_dtype compute) {
    subject t = {.m = blank_of(s, compute)};
    CHECK_OK(qn_params_init(&t.p, t.m));
    t.room = qn_alloc(QN_MEM_TEST, (size_t)t.p.widest * sizeof *t.room);
    return t;
}

static void drop(subject *t) {
    qn_free(t->room);
    qn_params_drop(&t->p);
    qn_model_free(t->m);
}

static void slot_name(const qn_slot *s, bool is_gguf, char *to, size_t n) {
    qn_buf name = {0};
    CHECK_OK(qn_param_name(s->p, is_gguf, s->layer, &name));
    snprintf(to, n, "%s", name.s);
    qn_buf_drop(&name);
}

TEST(slots_stand_layer_by_layer_at_multiples_of_16) {
    const tiny_spec spec = odd_spec();
    static const struct { size_t at; const char *name; } want[] = {
        {0, "token_embd.weight"}, {1, "blk.0.attn_norm.weight"}, {2, "blk.0.attn_q.weight"},
        {9, "blk.0.ffn_down.weight"}, {10, "blk.1.attn_norm.weight"}, {19, "output_norm.weight"}, {20, "output.weight"},
    };
    subject t = subject_of(&spec, QN_F32);
    size_t at = 0;
    int64_t tiles = 0, numbers = 0;
    char name[64];
    CHECK_INT(t.p.n, 21);
    for (size_t i = 0; i < t.p.n; i++) {
        const qn_slot *s = &t.p.slot[i];
        CHECK(s->at % 16 == 0 && s->at >= at && s->at < at + 16, "%zu", i);
        CHECK_INT(s->tile, tiles);
        at = s->at + (size_t)(s->rows * s->cols);
        numbers += s->rows * s->cols;
        for (int64_t k = 0; k < qn_slot_tiles(s); k++, tiles++) {
            int64_t row;
            CHECK(qn_params_tile(&t.p, tiles, &row) == s && row == k * QN_SLOT_ROWS);
        }
    }
    for (size_t i = 0; i < QN_LEN(want); i++) {
        slot_name(&t.p.slot[want[i].at], true, name, sizeof name);
        CHECK_STR(name, want[i].name);
    }
    CHECK_INT(t.p.tiles, tiles);
    CHECK_INT(t.m->n_params, numbers);
    CHECK_INT(t.p.widest, 32 * 100);
    CHECK(t.p.numbers >= at && t.p.numbers < at + 16);
    CHECK_INT(qn_slot_tile_rows(&t.p.slot[0], 96), 1);
    drop(&t);
}

/* What is put is what is taken, and what the model reads; neighbours stay. */
static void round_trip(qn_dtype compute) {
    const tiny_spec spec = odd_spec();
    subject t = subject_of(&spec, compute);
    float row[100];
    for (int64_t tile = t.p.tiles - 1; tile >= 0; tile--) {
        int64_t r0;
        const qn_slot *s = qn_params_tile(&t.p, tile, &r0);
        for (int64_t i = 0; i < qn_slot_tile_rows(s, r0) * s->cols; i++)
            t.room[i] = qn_fill_value((uint32_t)(s - t.p.slot), (uint64_t)(r0 * s->cols + i), 1);
        qn_params_put(&t.p, s, r0, t.room);
    }
    for (size_t i = 0; i < t.p.n; i++) {
        const qn_slot *s = &t.p.slot[i];
        for (int64_t r = 0; r < s->rows; r++) {
            const float *w = qn_params_take(&t.p, s, r / 32 * 32, t.room) + r % 32 * s->cols, *model = row;
            if (s->matrix)
                qn_unpack_row(row, compute, s->packed.data, r, s->cols);
            else
                model = s->packed.data;
            for (int64_t k = 0; k < s->cols; k++) {
                const float want = qn_fill_value((uint32_t)i, (uint64_t)(r * s->cols + k), 1);
                const bool rounded = compute == QN_BF16 && s->matrix;
                CHECK(w[k] == want, "slot %zu, row %d, column %d", i, (int)r, (int)k);
                CHECK(model[k] == (rounded ? qn_bf16_to_f32(qn_f32_to_bf16(want)) : want), "slot %zu", i);
            }
        }
    }
    drop(&t);
}

TEST(tiles_come_back_as_they_were_put_f32) { round_trip(QN_F32); }
TEST(tiles_come_back_as_they_were_put_bf16) { round_trip(QN_BF16); }

TEST(where_the_masters_lie) {
    const tiny_spec spec = odd_spec();
    subject f = subject_of(&spec, QN_F32), b = subject_of(&spec, QN_BF16);
    const qn_slot *embed = &b.p.slot[0], *norm = &b.p.slot[1];
    CHECK(f.p.master == NULL && b.p.master != NULL);
    CHECK(qn_params_take(&f.p, &f.p.slot[0], 32, f.room) == f.room, "unpacked");
    CHECK(qn_params_take(&b.p, embed, 32, NULL) == b.p.master + embed->at + 32 * embed->cols, "in place");
    CHECK(qn_params_take(&b.p, norm, 0, NULL) == qn_model_param(b.m, QN_P_ATTN_NORM, 0)->data, "its own master");
    drop(&f);
    drop(&b);
}

/* ---- fresh ---- */

/* 0: of the rule. Two layers: √(2·2) = 2. */
static void check_deviation(double given, double deviation) {
    tiny_spec spec = TINY;
    spec.V = 512, spec.D = 128, spec.F = 256;
    subject t = subject_of(&spec, QN_F32);
    CHECK_OK(qn_params_fresh(&t.p, 7, given, NULL));
    for (size_t i = 0; i < t.p.n; i++) {
        const qn_slot *s = &t.p.slot[i];
        const bool out = s->p->id == QN_P_O || s->p->id == QN_P_DOWN;
        const double n = (double)(s->rows * s->cols), want = out ? deviation / 2 : deviation;
        double sum = 0, squares = 0, fourth = 0;
        for (int64_t r = 0; r < s->rows; r++) {
            const float *w = qn_params_take(&t.p, s, r / 32 * 32, t.room) + r % 32 * s->cols;
            for (int64_t k = 0; k < s->cols; k++) {
                CHECK(s->matrix || w[k] == 1, "a norm");
                sum += (double)w[k];
                squares += (double)w[k] * (double)w[k];
                fourth += pow((double)w[k], 4);
            }
        }
        if (!s->matrix)
            continue;
        CHECK_NEAR(sum / n, 0, 5 * want / sqrt(n), "slot %zu", i);
        CHECK_NEAR(sqrt(squares / n), want, 5 * want / sqrt(2 * n), "slot %zu", i);
        CHECK_NEAR(fourth * n / (squares * squares), 3, 5 * sqrt(24 / n), "slot %zu is no bell", i);
    }
    drop(&t);
}

TEST(fresh_numbers_have_the_deviation_asked_for) { check_deviation(0.02, 0.02); }

TEST(fresh_numbers_of_narrow_models_are_larger) { check_deviation(0, 0.055901699437494745); }

TEST(fresh_numbers_depend_on_seed_and_place_alone) {
    const tiny_spec spec = odd_spec();
    subject one = subject_of(&spec, QN_F32), more = subject_of(&spec, QN_F32), bf16 = subject_of(&spec, QN_BF16);
    qn_pool *pool;
    CHECK_OK(qn_pool_new(&pool, 3));
    CHECK_OK(qn_params_fresh(&one.p, 11, 0, NULL));
    CHECK_OK(qn_params_fresh(&more.p, 11, 0, pool));
    CHECK_OK(qn_params_fresh(&bf16.p, 11, 0, pool));
    CHECK(memcmp(one.m->arena, more.m->arena, one.m->arena_bytes) == 0);
    const float *w = qn_params_take(&one.p, &one.p.slot[0], 0, one.room);
    CHECK(memcmp(w, bf16.p.master, 32 * 50 * sizeof *w) == 0, "the same masters for either compute");
    CHECK(memcmp(w, w + 50, 50 * sizeof *w) != 0);
    CHECK_OK(qn_params_fresh(&more.p, 12, 0, pool));
    CHECK(memcmp(one.m->arena, more.m->arena, one.m->arena_bytes) != 0);
    qn_pool_free(pool);
    drop(&one);
    drop(&more);
    drop(&bf16);
}

/* ---- loaded ---- */

/* A loaded model's packed rows are what its parameters become here: the same bits, from any stored dtype. Reading goes
 * through GGUF's interleaved rows of Q and K. */
TEST(loading_gives_what_a_loaded_model_has) {
    static const qn_dtype stored[] = {QN_F32, QN_F16, QN_BF16, QN_Q8_0, QN_Q4_0, QN_Q4_1, QN_IQ4_NL};
    for (size_t i = 0; i < QN_LEN(stored); i++)
        for (int compute = 0; compute < 2; compute++) {
            tiny_spec spec = TINY;
            spec.dtype = stored[i];
            subject t = subject_of(&spec, compute ? QN_BF16 : QN_F32);
            const qn_model_options as_f32 = {.weights = compute ? QN_BF16 : QN_F32, .keep_pages = true};
            qn_source *src = open_spec(&spec);
            qn_pool *pool;
            qn_model *want;
            CHECK_OK(qn_pool_new(&pool, 2));
            CHECK_OK(qn_params_load(&t.p, src, pool));
            CHECK_OK(qn_model_load(&want, src, &as_f32, pool));
            CHECK_INT(want->n_params, t.m->n_params);
            CHECK_INT(want->arena_bytes, t.m->arena_bytes);
            CHECK(memcmp(want->arena, t.m->arena, want->arena_bytes) == 0, "%s", qn_dtype_get(stored[i])->name);
            qn_model_free(want);
            qn_source_close(src);
            qn_pool_free(pool);
            drop(&t);
        }
}

TEST(masters_keep_what_bf16_rounds_away) {
    tiny_spec spec = TINY;
    subject f = subject_of(&spec, QN_F32), b = subject_of(&spec, QN_BF16);
    qn_source *src = open_spec(&spec);
    CHECK_OK(qn_params_load(&f.p, src, NULL));
    CHECK_OK(qn_params_load(&b.p, src, NULL));
    for (int64_t tile = 0; tile < f.p.tiles; tile++) {
        int64_t row;
        const qn_slot *s = qn_params_tile(&f.p, tile, &row), *other = &b.p.slot[s - f.p.slot];
        const float *w = qn_params_take(&f.p, s, row, f.room);
        CHECK(memcmp(w, qn_params_take(&b.p, other, row, b.room),
                     (size_t)(qn_slot_tile_rows(s, row) * s->cols) * sizeof *w) == 0, "tile %d", (int)tile);
    }
    qn_source_close(src);
    drop(&f);
    drop(&b);
}

/* The rows of a slot, one behind the other. */
static float *rows_of(const subject *t, const qn_slot *s) {
    float *all = qn_alloc(QN_MEM_TEST, (size_t)(s->rows * s->cols) * sizeof *all);
    CHECK(all != NULL);
    for (int64_t row = 0; row < s->rows; row += QN_SLOT_ROWS)
        memcpy(all + row * s->cols, qn_params_take(&t->p, s, row, t->room),
               (size_t)(qn_slot_tile_rows(s, row) * s->cols) * sizeof *all);
    return all;
}

/* A table with more rows than the file: those that are there as they are, each new one the mean of them. */
static void check_grown(const subject *small, const subject *large, size_t i) {
    const qn_slot *a = &small->p.slot[i], *b = &large->p.slot[i];
    float *have = rows_of(small, a), *got = rows_of(large, b);
    CHECK(memcmp(have, got, (size_t)(a->rows * a->cols) * sizeof *have) == 0, "%s: rows of the file", a->p->gguf);
    for (int64_t k = 0; b->rows > a->rows && k < a->cols; k++) {
        double mean = 0;
        for (int64_t row = 0; row < a->rows; row++)
            mean += (double)have[row * a->cols + k] / (double)a->rows;
        for (int64_t row = a->rows; row < b->rows; row++)
            CHECK_NEAR(got[row * a->cols + k], mean, 1e-6, "%s: row %d, column %d", a->p->gguf, (int)row, (int)k);
    }
    qn_free(have);
    qn_free(got);
}

/* New rows within a tile, in several tiles; with a head of its own; any dtype in the file; bf16; threads. */
TEST(new_rows_begin_as_the_mean_of_the_others) {
    static const struct { int64_t V, grown; bool untied; qn_dtype stored, compute; } cases[] = {
        {97, 99, false, QN_F32, QN_F32}, {97, 200, true, QN_F32, QN_F32}, {96, 97, true, QN_BF16, QN_BF16},
        {64, 160, true, QN_Q8_0, QN_F32},
    };
    qn_pool *pool;
    CHECK_OK(qn_pool_new(&pool, 2));
    for (size_t i = 0; i < QN_LEN(cases); i++) {
        tiny_spec file = TINY, model = TINY;
        file.V = cases[i].V, model.V = cases[i].grown;
        file.untied = model.untied = cases[i].untied;
        file.dtype = model.dtype = cases[i].stored;
        subject small = subject_of(&file, cases[i].compute), large = subject_of(&model, cases[i].compute);
        qn_source *src = open_spec(&file);
        int tables = 0;
        CHECK_OK(qn_params_load(&small.p, src, NULL));
        CHECK_FAIL(qn_params_load(&large.p, src, pool), QN_ESHAPE, "what is trained is");
        large.p.grow = true;
        CHECK_OK(qn_params_load(&large.p, src, pool));
        CHECK_INT(large.p.n, small.p.n);
        for (size_t k = 0; k < small.p.n; k++) {
            check_grown(&small, &large, k);
            tables += large.p.slot[k].rows > small.p.slot[k].rows;
        }
        CHECK_INT(tables, cases[i].untied ? 2 : 1, "embedding, and a head of its own");
        qn_source_close(src);
        drop(&small);
        drop(&large);
    }
    qn_pool_free(pool);
}

/* Growing is for tables of tokens, and a file with more of them than the model is another model. */
TEST(nothing_else_grows) {
    tiny_spec file = TINY, model = TINY;
    model.V = 64;
    subject t = subject_of(&model, QN_F32);
    qn_source *src = open_spec(&file);
    t.p.grow = true;
    CHECK_FAIL(qn_params_load(&t.p, src, NULL), QN_ESHAPE, "token_embd.weight is 96 by 64");
    qn_source_close(src);
    drop(&t);
    model = TINY;
    model.F = 128;
    t = subject_of(&model, QN_F32);
    src = open_spec(&file);
    t.p.grow = true;
    CHECK_FAIL(qn_params_load(&t.p, src, NULL), QN_ESHAPE, "ffn_");
    qn_source_close(src);
    drop(&t);
}

static void refuse(const tiny_spec *model, const tiny_spec *file, int code, const char *says) {
    subject t = subject_of(model, QN_F32);
    qn_source *src = open_spec(file);
    CHECK_FAIL(qn_params_load(&t.p, src, NULL), code, says);
    for (size_t i = 0; i < t.m->arena_bytes; i++)
        CHECK(t.m->arena[i] == 0, "nothing has been changed");
    qn_source_close(src);
    drop(&t);
}

TEST(what_is_refused) {
    tiny_spec plain = TINY, other = TINY;
    other.layers = 3;
    refuse(&plain, &other, QN_ESHAPE, "3 layers, 4 heads over 2, 16 wide; what is trained has 2");
    other = plain;
    other.V = 128;
    refuse(&plain, &other, QN_ESHAPE, "token_embd.weight is 128 by 64; what is trained is 96 by 64");
    other = plain;
    other.untied = true;
    refuse(&plain, &other, QN_ESHAPE, "output.weight has no place");
    refuse(&other, &plain, QN_ENOTFOUND, "output.weight");
    other = plain;
    other.twist.without = "blk.1.ffn_up.weight";
    refuse(&plain, &other, QN_ENOTFOUND, "blk.1.ffn_up.weight");
    other = plain;
    other.twist.extra = "blk.0.attn_output.bias";
    refuse(&plain, &other, QN_ESHAPE, "blk.0.attn_output.bias has no place");
}

TEST(models_that_cannot_be_trained) {
    tiny_spec spec = TINY;
    qn_params p;
    spec.dtype = QN_Q8_0;
    qn_model *m = tiny_model(&spec, NULL);
    CHECK_FAIL(qn_params_init(&p, m), QN_EINVAL, "packed as q8_0");
    qn_model_free(m);
    spec.dtype = QN_F32;
    spec.twist.stored[0] = "ffn_up.weight", spec.twist.as[0] = QN_BF16;
    m = tiny_model(&spec, NULL);
    CHECK_FAIL(qn_params_init(&p, m), QN_EINVAL, "partly");
    qn_model_free(m);
    CHECK_FAIL(qn_model_blank(&m, &qn_arch_llama, &(qn_config){0}, NULL, QN_F16), QN_EINVAL, "f32 or bf16");
}

/* ---- blank ---- */

TEST(a_blank_model_has_what_it_is_asked_for) {
    const tiny_spec spec = TINY;
    qn_model *plain = blank_of(&spec, QN_BF16), *biased;
    bool has[QN_PARAMS] = {[QN_P_Q_BIAS] = true, [QN_P_O_BIAS] = true};
    qn_params p;
    CHECK(plain->main_dtype == QN_BF16 && qn_model_param(plain, QN_P_HEAD, 0)->rank == 0);
    CHECK_CONTAINS(plain->identity, "bf16 in training");
    CHECK_INT(qn_model_param(plain, QN_P_Q_BIAS, 1)->rank, 0);
    CHECK_OK(qn_model_blank(&biased, plain->arch, &plain->cfg, has, QN_F32));
    CHECK_INT(qn_model_param(biased, QN_P_Q_BIAS, 1)->rank, 1);
    CHECK_INT(qn_model_param(biased, QN_P_K_BIAS, 1)->rank, 0);
    CHECK_INT(biased->n_params, plain->n_params + 2 * (64 + 64));
    CHECK_OK(qn_params_init(&p, biased));
    CHECK_OK(qn_params_fresh(&p, 1, 0, NULL));
    CHECK(((const float *)qn_model_param(biased, QN_P_Q_BIAS, 1)->data)[63] == 0);
    CHECK(((const float *)qn_model_param(biased, QN_P_ATTN_NORM, 1)->data)[63] == 1);
    qn_params_drop(&p);
    qn_model_free(plain);
    qn_model_free(biased);
}

TEST(every_allocation_may_fail) {
    const tiny_spec spec = TINY;
    qn_source *src = open_spec(&spec);
    qn_model *shape = blank_of(&spec, QN_F32);
    bool done = false;
    for (int64_t i = 0; !done; i++) {
        qn_model *m = NULL;
        qn_params p = {0};
        qn_mem_fail_after(i);
        int rc = qn_model_blank(&m, shape->arch, &shape->cfg, NULL, QN_BF16);
        if (rc >= 0)
            rc = qn_params_init(&p, m);
        if (rc >= 0)
            rc = qn_params_load(&p, src, NULL);
        done = rc == 0;
        qn_mem_fail_after(-1);
        CHECK((done || rc == QN_ENOMEM) && i < 400, "allocation %d", (int)i);
        qn_params_drop(&p);
        qn_model_free(m);
    }
    qn_model_free(shape);
    qn_source_close(src);
}
