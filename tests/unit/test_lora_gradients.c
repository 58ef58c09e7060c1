/* tests/unit/test_lora_gradients.c — adapters in training: gradients of plain pairs, rsLoRA and DoRA against peft in
 * double; on quantized models against finite differences where they can be taken; off is the model; the same bits on
 * any number of threads and passes; nothing is allocated in a step; only the pairs have memory. */
/* full: WHOLE=1 */
#include "fixture_model.h"
#include "tiny_model.h"

#include "train/engine.h"
#include "train/optimizer.h"

/* Relative to the norm; torch's own float32 is off by more than 1e-6. */
#define TOLERANCE 2e-5

typedef struct {
    int64_t rank;
    double alpha, loss;
    bool rslora, dora;
    parameter param[48];
    size_t n;
    char base[64];
    int32_t token[8];
    size_t n_tokens;
} pairs;

/* ---- the fixture ---- */

static void read_member_of(qn_json *j, qn_str key, pairs *p) {
    qn_buf name = {0};
    if (qn_str_is(key, "rank"))
        CHECK_OK(qn_json_i64(j, &p->rank));
    else if (qn_str_is(key, "alpha"))
        CHECK_OK(qn_json_f64(j, &p->alpha));
    else if (qn_str_is(key, "loss"))
        CHECK_OK(qn_json_f64(j, &p->loss));
    else if (qn_str_is(key, "rslora"))
        CHECK_OK(qn_json_bool(j, &p->rslora));
    else if (qn_str_is(key, "dora"))
        CHECK_OK(qn_json_bool(j, &p->dora));
    else if (qn_str_is(key, "tokens"))
        for (CHECK_OK(qn_json_enter(j, '[')); qn_json_item(j) > 0;) {
            int64_t id;
            CHECK_OK(qn_json_i64(j, &id));
            p->token[p->n_tokens++] = (int32_t)id;
        }
    else if (qn_str_is(key, "parameters"))
        for (CHECK_OK(qn_json_enter(j, '[')); qn_json_item(j) > 0;)
            read_parameter(j, &p->param[p->n++]);
    else if (qn_str_is(key, "base"))
        CHECK_OK(qn_json_string(j, &name));
    else
        CHECK_OK(qn_json_skip(j));
    if (name.s)
        snprintf(p->base, sizeof p->base, "%s", name.s);
    qn_buf_drop(&name);
}

static void read_pairs(const char *file, pairs *p) {
    qn_buf text = {0};
    qn_json j;
    qn_str key;
    memset(p, 0, sizeof *p);
    CHECK_OK(qn_read_file(&text, qn_test_fixture(file), 1 << 20));
    qn_json_init(&j, text.s, text.n, file);
    CHECK_OK(qn_json_enter(&j, '{'));
    while (qn_json_key(&j, &key) > 0)
        read_member_of(&j, key, p);
    CHECK_OK(qn_json_end(&j), "%s", file);
    CHECK(p->n > 0 && p->rank > 0, "%s", file);
    qn_json_drop(&j);
    qn_buf_drop(&text);
}

/* "model.layers.0.self_attn.q_proj.lora_A" of a slot "blk.0.attn_q.weight.lora_a"; rows of tokens as PEFT has them. */
static void peft_name(const qn_slot *s, char out[96]) {
    qn_buf name = {0};
    const char end = s->name[strlen(s->name) - 1];
    CHECK_OK(qn_param_name(s->p, false, s->layer, &name));
    snprintf(out, 96, "%.*s%s", (int)(name.n - strlen("weight")), name.s,
             s->layer < 0 ? "token_adapter.trainable_tokens_delta"
                          : end == 'a' ? "lora_A" : end == 'b' ? "lora_B" : "lora_magnitude_vector");
    qn_buf_drop(&name);
}

static const parameter *find(const pairs *p, const char *name) {
    for (size_t i = 0; i < p->n; i++)
        if (strcmp(p->param[i].name, name) == 0)
            return &p->param[i];
    CHECK(false, "%s", name);
    return NULL;
}

/* ---- a subject: a model, an adapter on it, an engine ---- */

typedef struct {
    qn_model *m;
    qn_adapter *a;
    qn_params p;
    qn_pool *pool;
    qn_engine *e;
    qn_row_data row[2];
    qn_piece piece[2][MAX_DOCUMENTS];
    int32_t targets[2][MAX_IDS];
} subject;

static qn_engine_options engine_options(int64_t rows) {
    return (qn_engine_options){.context = MAX_IDS, .rows = rows, .max_pieces = MAX_DOCUMENTS, .gradients = true,
                               .recompute = QN_RECOMPUTE_CHEAP};
}

static subject *subject_of(qn_model *m, const qn_lora_options *o, const int32_t *token, size_t n_tokens, int threads,
                           qn_engine_options e) {
    subject *s = qn_zalloc(QN_MEM_TEST, 1, sizeof *s);
    s->m = m;
    if (threads > 1)
        CHECK_OK(qn_pool_new(&s->pool, threads));
    CHECK_OK(qn_adapter_fresh(&s->a, m, o, s->pool));
    if (n_tokens)
        CHECK_OK(qn_adapter_fresh_tokens(s->a, m, token, n_tokens));
    CHECK_OK(qn_params_of_adapter(&s->p, m, s->a, 1, threads));
    CHECK_OK(qn_engine_new(&s->e, &s->p, qn_kernels_at(qn_test_isa()), s->pool, &e));
    return s;
}

static subject *subject_with(qn_model *m, const qn_lora_options *o, int threads, qn_engine_options e) {
    return subject_of(m, o, NULL, 0, threads, e);
}

static subject *subject_on(qn_model *m, const qn_lora_options *o, int threads, int64_t rows) {
    return subject_with(m, o, threads, engine_options(rows));
}

static void drop(subject *s) {
    qn_engine_free(s->e);
    qn_params_drop(&s->p);
    qn_adapter_free(s->a);
    qn_pool_free(s->pool);
    qn_free(s);
}

/* All numbers of a slot. */
static void put_slot(const subject *s, const qn_slot *slot, const float *w) {
    for (int64_t row = 0; row < slot->rows; row += QN_SLOT_ROWS)
        qn_params_put(&s->p, slot, row, w + row * slot->cols);
}

static float *take_slot(const subject *s, const qn_slot *slot) {
    float *all = qn_alloc(QN_MEM_TEST, (size_t)(slot->rows * slot->cols + s->p.widest) * sizeof *all);
    for (int64_t row = 0; row < slot->rows; row += QN_SLOT_ROWS) {
        const float *w = qn_params_take(&s->p, slot, row, all + slot->rows * slot->cols);
        memmove(all + row * slot->cols, w, (size_t)(qn_slot_tile_rows(slot, row) * slot->cols) * sizeof *w);
    }
    return all;
}

/* As the fixture says; magnitudes stay as they began. */
static void fill(const subject *s, const pairs *p) {
    char name[96];
    for (size_t i = 0; i < s->p.n; i++) {
        const qn_slot *slot = &s->p.slot[i];
        peft_name(slot, name);
        const parameter *q = find(p, name);
        CHECK_INT(slot->rows * slot->cols, test_product(q->rank, q->dim), "%s", name);
        if (q->scale == 0)
            continue;
        float *w = test_fill_values(name, slot->rows * slot->cols, (float)q->scale);
        put_slot(s, slot, w);
        qn_free(w);
    }
    qn_params_changed((qn_params *)(uintptr_t)&s->p, s->pool);
}

/* The documents of the fixture in one row. */
static int64_t one_row(subject *s, const fixture *f) {
    int64_t at = 0, supervised = 0;
    for (int64_t d = 0; d < f->n_documents; at += f->length[d++])
        s->piece[0][d] = (qn_piece){at, f->length[d]};
    for (int64_t i = 0; i < f->n_ids; i++)
        supervised += f->target[i] >= 0;
    memcpy(s->targets[0], f->target, sizeof f->target);
    s->row[0] = (qn_row_data){.ids = (int32_t *)(uintptr_t)f->ids, .targets = s->targets[0], .piece = s->piece[0],
                              .n = f->n_ids, .pieces = f->n_documents};
    return supervised;
}

static double judge_slot(const subject *s, const qn_slot *slot, const parameter *p, const char *file) {
    const float *g = qn_engine_grad(s->e) + slot->at;
    const int64_t n = slot->rows * slot->cols;
    double norm = 0, off = 0, scale = 0;
    for (int64_t i = 0; i < n; i++)
        norm += (double)g[i] * (double)g[i];
    norm = sqrt(norm);
    for (int64_t j = 0; j < p->n_grad; j++) {
        const double d = (double)g[n <= ENTRIES ? j : (int64_t)((uint64_t)j * 2654435761u % (uint64_t)n)] - p->grad[j];
        off += d * d;
        scale += p->grad[j] * p->grad[j];
    }
    const double share = sqrt(scale) + p->grad_norm * sqrt((double)p->n_grad / (double)n);
    CHECK(p->grad_norm > 0 && p->n_grad == QN_MIN(n, ENTRIES));
    CHECK_NEAR(norm, p->grad_norm, TOLERANCE * p->grad_norm, "%s: %s, its norm", file, p->name);
    CHECK_NEAR(sqrt(off) / share, 0, TOLERANCE, "%s: %s, its entries", file, p->name);
    return fmax(sqrt(off) / share, fabs(norm / p->grad_norm - 1));
}

static void judge_pairs(const char *file) {
    static fixture f;
    static pairs p;
    double worst = 0;
    char name[96];
    read_pairs(file, &p);
    read_fixture(p.base, &f);
    qn_model *m = load_model(as_directory(&f, &f.config), QN_WEIGHTS_AS_IS);
    const qn_lora_options o = {.rank = p.rank, .alpha = p.alpha, .rslora = p.rslora, .dora = p.dora};
    subject *s = subject_of(m, &o, p.token, p.n_tokens, 2, engine_options(1));
    for (int64_t i = 0; i < f.n_ids && p.n_tokens; i++) {
        f.ids[i] = i % 5 == 1 ? p.token[(size_t)i % p.n_tokens] : f.ids[i];
        f.target[i] = i % 5 == 3 && f.target[i] >= 0 ? p.token[(size_t)i % p.n_tokens] : f.target[i];
    }
    const int64_t supervised = one_row(s, &f);
    fill(s, &p);
    CHECK_INT(s->p.n, p.n);
    qn_engine_clear(s->e);
    CHECK_NEAR(qn_engine_run(s->e, s->row, 1, 1.0 / (double)supervised, true), p.loss, 3e-6 * p.loss, "%s", file);
    for (size_t i = 0; i < s->p.n; i++) {
        peft_name(&s->p.slot[i], name);
        worst = fmax(worst, judge_slot(s, &s->p.slot[i], find(&p, name), file));
    }
    print_message("%s: off by at most %.1e of the norm\n", file, worst);
    drop(s);
    qn_model_free(m);
    drop_fixture(&f);
}

TEST(plain_pairs) { judge_pairs("lora_gradients_plain.json"); }
TEST(pairs_over_the_root_of_the_rank) { judge_pairs("lora_gradients_rslora.json"); }
TEST(pairs_with_magnitudes) { judge_pairs("lora_gradients_dora.json"); }
TEST(rows_of_tokens) { judge_pairs("lora_gradients_tokens.json"); }
TEST(rows_of_tokens_that_are_the_head_too) { judge_pairs("lora_gradients_tokens_tied.json"); }

/* ---- on quantized models ---- */

static const qn_dtype stored[] = {QN_F32, QN_F16, QN_BF16, QN_Q8_0, QN_Q4_0, QN_Q4_1, QN_Q5_1, QN_IQ4_NL};

static void fill_b(const subject *s, float size) {
    for (size_t i = 0; i < s->p.n; i++) {
        const qn_slot *slot = &s->p.slot[i];
        if (strstr(slot->name, "lora_b") == NULL)
            continue;
        float *w = test_fill_values(slot->name, slot->rows * slot->cols, size);
        put_slot(s, slot, w);
        qn_free(w);
    }
    qn_params_changed((qn_params *)(uintptr_t)&s->p, s->pool);
}

static void two_rows(subject *s, int64_t V) {
    static int32_t ids[2][MAX_IDS];
    for (int r = 0; r < 2; r++) {
        tiny_ids(ids[r], MAX_IDS, V, (uint32_t)(3 + r));
        for (int i = 0; i < MAX_IDS; i++)
            s->targets[r][i] = i % 4 == 1 || i + 1 == MAX_IDS ? -1 : ids[r][i + 1];
        s->piece[r][0] = (qn_piece){0, 40 - 20 * r};
        s->piece[r][1] = (qn_piece){40 - 20 * r, 24 + 20 * r};
        s->row[r] = (qn_row_data){.ids = ids[r], .targets = s->targets[r], .piece = s->piece[r], .n = MAX_IDS,
                                  .pieces = 2};
    }
}

static tiny_spec spec_of(qn_dtype t) {
    tiny_spec s = TINY;
    s.dtype = t;
    return s;
}

static double relative(const float *a, const float *b, size_t n) {
    double off = 0, norm = 0;
    for (size_t i = 0; i < n; i++) {
        off += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
        norm += (double)b[i] * (double)b[i];
    }
    return sqrt(off / norm);
}

/* Off for F16 keys beside F32 ones; where there are dots of BF16, keys are BF16, with eight times the step. */
static double allowed(qn_dtype weight) {
    if (weight == QN_F16)
        return qn_test_isa() >= QN_ISA_AVX512BF16 ? 0.016 : 0.002;
    return weight == QN_F32 ? 0 : weight == QN_BF16 ? 0.02 : 0.05;
}

/* Straight through the rounding of activations, a quantized weight counts as what it decodes to: the gradient is near
 * that of the model of those numbers, as near as 8-bit activations are to their own. */
TEST(through_stored_weights_it_is_that_of_the_numbers) {
    const qn_lora_options o = {.rank = 4, .alpha = 8, .seed = 3};
    for (size_t t = 0; t < QN_LEN(stored); t++) {
        const tiny_spec spec = spec_of(stored[t]);
        const qn_model_options decoded = {.weights = QN_F32};
        qn_source *src;
        qn_model *m = tiny_model(&spec, NULL), *plain;
        CHECK_OK(qn_source_open(&src, tiny_file(&spec)));
        CHECK_OK(qn_model_load(&plain, src, &decoded, NULL));
        qn_source_close(src);
        subject *a = subject_on(m, &o, 1, 2), *b = subject_on(plain, &o, 1, 2);
        subject *both[] = {a, b};
        for (int i = 0; i < 2; i++) {
            two_rows(both[i], spec.V);
            fill_b(both[i], 0.2f);
            qn_engine_clear(both[i]->e);
            CHECK(qn_engine_run(both[i]->e, both[i]->row, 2, 0.01, true) > 0);
        }
        const double off = relative(qn_engine_grad(a->e), qn_engine_grad(b->e), a->p.numbers);
        CHECK(off <= allowed(stored[t]), "%s: off by %g", qn_dtype_get(stored[t])->name, off);
        print_message("%s: off by %.1e\n", qn_dtype_get(stored[t])->name, off);
        drop(a);
        drop(b);
        qn_model_free(m);
        qn_model_free(plain);
    }
}

/* Some ids of two_rows become these tokens, and some are to be said. */
static void say_tokens(subject *s, const int32_t *token, int64_t n) {
    for (int r = 0; r < 2; r++)
        for (int i = 3; i < MAX_IDS; i += 7) {
            ((int32_t *)(uintptr_t)s->row[r].ids)[i] = token[(r + i) % n];
            s->targets[r][i - 1] = s->targets[r][i - 1] < 0 ? -1 : token[(r + i) % n];
        }
}

/* Rows of tokens beside a stored table: near those beside its numbers, and the same bits for any threads, whatever is
 * made again, and, but for rows that are embedded and said (their sums go pass by pass), in any passes. */
TEST(rows_of_tokens_beside_stored_weights) {
    const qn_lora_options o = {.rank = 4, .alpha = 8, .seed = 3};
    for (size_t t = 0; t < 2 * QN_LEN(stored); t++) {
        tiny_spec spec = spec_of(stored[t / 2]);
        spec.untied = t % 2;
        const int32_t token[] = {7, (int32_t)spec.V, (int32_t)spec.V + 1};
        qn_source *src;
        qn_model *m = tiny_model(&spec, NULL), *plain;
        CHECK_OK(qn_source_open(&src, tiny_file(&spec)));
        CHECK_OK(qn_model_load(&plain, src, &(qn_model_options){.weights = QN_F32}, NULL));
        qn_source_close(src);
        const int at_once = spec.untied ? 1 : 2;
        qn_engine_options again = engine_options(at_once);
        again.recompute = QN_RECOMPUTE_LAYERS;
        subject *all[] = {subject_of(m, &o, token, 3, 1, engine_options(2)),
                          subject_of(plain, &o, token, 3, 1, engine_options(2)),
                          subject_of(m, &o, token, 3, 3, again)};
        for (int i = 0; i < 3; i++) {
            two_rows(all[i], spec.V);
            say_tokens(all[i], token, 3);
            fill_b(all[i], 0.2f);
            qn_engine_clear(all[i]->e);
            for (int r = 0, n = i < 2 ? 2 : at_once; r < 2; r += n)
                CHECK(qn_engine_run(all[i]->e, all[i]->row + r, n, 0.01, true) > 0);
        }
        CHECK_INT(all[0]->p.n, 28 + 1 + t % 2);
        const double off = relative(qn_engine_grad(all[0]->e), qn_engine_grad(all[1]->e), all[0]->p.numbers);
        CHECK(off <= allowed(stored[t / 2]), "%s: off by %g", qn_dtype_get(stored[t / 2])->name, off);
        CHECK(memcmp(qn_engine_grad(all[0]->e), qn_engine_grad(all[2]->e), all[0]->p.numbers * sizeof(float)) == 0,
              "%s", qn_dtype_get(stored[t / 2])->name);
        for (int i = 0; i < 3; i++)
            drop(all[i]);
        qn_model_free(m);
        qn_model_free(plain);
    }
}

static subject *walked(qn_model *m, const qn_lora_options *o, qn_engine_options e, int64_t V) {
    subject *s = subject_with(m, o, 1, e);
    two_rows(s, V);
    fill_b(s, 0.2f);
    qn_engine_drops(s->e, 5, 0);
    qn_engine_clear(s->e);
    CHECK(qn_engine_run(s->e, s->row, 2, 0.01, true) > 0);
    return s;
}

/* By halves a quantized weight and a pair are rounded once more, and so are x and dY: 2⁻⁹ of each, which sums mostly
 * cancel. */
TEST(the_walk_may_pass_by_halves) {
    for (size_t t = 0; t < QN_LEN(stored); t++) {
        const qn_lora_options o = {.rank = 4, .alpha = 8, .seed = 3};
        const tiny_spec spec = spec_of(stored[t]);
        qn_model *m = tiny_model(&spec, NULL);
        qn_engine_options e = engine_options(2);
        subject *whole = walked(m, &o, e, spec.V);
        e.half_walk = true;
        subject *halves = walked(m, &o, e, spec.V);
        const double off = relative(qn_engine_grad(halves->e), qn_engine_grad(whole->e), whole->p.numbers);
        CHECK(off > 1e-5 && off < 0.01, "%s: off by %g", qn_dtype_get(stored[t])->name, off);
        drop(whole);
        drop(halves);
        qn_model_free(m);
    }
}

/* Kept or made again, with dropout in front of A. */
TEST(what_is_made_again_gives_the_same_bits) {
    for (int dora = 0; dora < 2; dora++) {
        const qn_lora_options o = {.rank = 4, .alpha = 8, .seed = 3, .dora = dora};
        const tiny_spec spec = spec_of(QN_Q4_1);
        qn_model *m = tiny_model(&spec, NULL);
        qn_engine_options e = engine_options(2);
        e.lora_dropout = 0.2;
        e.recompute = QN_KEEP_ALL;
        subject *kept = walked(m, &o, e, spec.V);
        for (e.recompute = QN_RECOMPUTE_CHEAP; e.recompute <= QN_RECOMPUTE_LAYERS; e.recompute++) {
            subject *again = walked(m, &o, e, spec.V);
            CHECK(memcmp(qn_engine_grad(kept->e), qn_engine_grad(again->e), kept->p.numbers * sizeof(float)) == 0,
                  "policy %d", (int)e.recompute);
            drop(again);
        }
        e.lora_dropout = 0;
        subject *dry = walked(m, &o, e, spec.V);
        CHECK(memcmp(qn_engine_grad(kept->e), qn_engine_grad(dry->e), kept->p.numbers * sizeof(float)) != 0);
        drop(dry);
        drop(kept);
        qn_model_free(m);
    }
}

/* What depends on nothing else: threads, passes of one row or two. Where time is short, each stored dtype with DoRA or
 * without. */
TEST(threads_and_passes_change_no_bit) {
    for (size_t t = 0; t < QN_LEN(stored); t++)
        for (int dora = 0; dora < 2; dora++) {
            const qn_lora_options o = {.rank = 4, .alpha = 8, .seed = 3, .dora = dora};
            const tiny_spec spec = spec_of(stored[t]);
            if (!qn_test_whole() && dora != (int)t % 2)
                continue;
            qn_model *m = tiny_model(&spec, NULL);
            subject *s[] = {subject_on(m, &o, 1, 2), subject_on(m, &o, 2, 2), subject_on(m, &o, 3, 1)};
            for (size_t i = 0; i < QN_LEN(s); i++) {
                two_rows(s[i], spec.V);
                fill_b(s[i], 0.2f);
                qn_engine_clear(s[i]->e);
                for (int r = 0; r < 2; r += i < 2 ? 2 : 1)
                    qn_engine_run(s[i]->e, s[i]->row + r, i < 2 ? 2 : 1, 0.01, true);
            }
            const size_t bytes = s[0]->p.numbers * sizeof(float);
            CHECK(memcmp(qn_engine_grad(s[0]->e), qn_engine_grad(s[1]->e), bytes) == 0, "%s",
                  qn_dtype_get(stored[t])->name);
            if (!dora)                      /* sums for magnitudes go over tiles of a pass */
                CHECK(memcmp(qn_engine_grad(s[0]->e), qn_engine_grad(s[2]->e), bytes) == 0, "%s in two passes",
                      qn_dtype_get(stored[t])->name);
            for (size_t i = 0; i < QN_LEN(s); i++)
                drop(s[i]);
            qn_model_free(m);
        }
}

/* ---- off, and the memory of it ---- */

static double losses(subject *s, float *out, bool backward) {
    const double sum = qn_engine_run(s->e, s->row, 2, 1, backward);
    const qn_engine_losses l = qn_engine_losses_get(s->e);
    for (int64_t i = 0; out && i < l.n; i++)
        out[i] = l.loss[i];
    return sum;
}

TEST(switched_off_it_is_the_model) {
    for (size_t t = 0; t < QN_LEN(stored); t++) {
        const qn_lora_options o = {.rank = 4, .alpha = 8, .seed = 3};
        const tiny_spec spec = spec_of(stored[t]);
        qn_model *m = tiny_model(&spec, NULL);
        subject *young = subject_on(m, &o, 1, 2), *s = subject_on(m, &o, 1, 2);
        float fresh[2 * MAX_IDS] = {0}, on[2 * MAX_IDS] = {0}, off[2 * MAX_IDS] = {0}, again[2 * MAX_IDS] = {0};
        two_rows(young, spec.V);
        two_rows(s, spec.V);
        fill_b(s, 0.2f);
        losses(young, fresh, false);
        losses(s, on, false);
        qn_engine_adapter(s->e, false);
        losses(s, off, false);
        qn_engine_adapter(s->e, true);
        losses(s, again, false);
        CHECK(memcmp(fresh, off, sizeof off) == 0 && memcmp(on, again, sizeof on) == 0, "%s",
              qn_dtype_get(stored[t])->name);
        CHECK(memcmp(on, off, sizeof on) != 0);
        drop(young);
        drop(s);
        qn_model_free(m);
    }
}

/* Forty steps lower the loss, the model's own numbers stay, no step allocates, and gradients and moments are those of
 * the pairs alone. */
static void learns(bool dora, double plus) {
    const qn_lora_options o = {.rank = 4, .alpha = 8, .seed = 3, .dora = dora};
    const qn_optimizer_options adamw = qn_optimizer_options_default(QN_OPTIMIZER_ADAMW);
    const tiny_spec spec = spec_of(QN_Q4_1);
    qn_model *m = tiny_model(&spec, NULL);
    char before[17], after[17];
    qn_optimizer *opt;
    CHECK_OK(qn_model_fingerprint(m, NULL, before));
    subject *s = subject_on(m, &o, 2, 2);
    for (size_t i = 0; i < s->p.n; i++)
        s->p.slot[i].rate = strstr(s->p.slot[i].name, "lora_b") ? plus : 1;
    two_rows(s, spec.V);
    CHECK(s->p.numbers < 20000 && s->p.master == NULL);
    CHECK_OK(qn_optimizer_new(&opt, &s->p, qn_kernels_at(qn_test_isa()), &adamw, 2));
    double first = 0, last = 0;
    int64_t calls = 0;
    for (int step = 0; step < 40; step++) {
        calls = step == 1 ? qn_mem_calls() : calls;
        qn_engine_clear(s->e);
        last = qn_engine_run(s->e, s->row, 2, 0.01, true);
        first = step == 0 ? last : first;
        qn_optimizer_step(opt, qn_engine_grad(s->e), 1, 1e-2, step + 1, s->pool);
        qn_params_changed(&s->p, s->pool);
    }
    CHECK_INT(qn_mem_calls(), calls);
    CHECK(last < 0.8 * first, "%g to %g", first, last);
    CHECK_OK(qn_model_fingerprint(m, s->pool, after));
    CHECK_STR(before, after);
    qn_optimizer_free(opt);
    drop(s);
    qn_model_free(m);
}

TEST(it_learns_and_the_model_stands_still) {
    learns(false, 1);
    learns(true, 1);
}

/* LoRA+: B moves so many times as far, A as before. */
TEST(the_rate_of_b_is_its_own) {
    const qn_optimizer_options adamw = qn_optimizer_options_default(QN_OPTIMIZER_ADAMW);
    const tiny_spec spec = spec_of(QN_F32);
    const qn_lora_options o = {.rank = 4, .alpha = 8, .seed = 3};
    qn_model *m = tiny_model(&spec, NULL);
    subject *s[2];
    float *w[2][2];
    for (int i = 0; i < 2; i++) {
        qn_optimizer *opt;
        s[i] = subject_on(m, &o, 1, 2);
        qn_params_drop(&s[i]->p);
        CHECK_OK(qn_params_of_adapter(&s[i]->p, m, s[i]->a, i ? 16 : 1, 1));
        two_rows(s[i], spec.V);
        fill_b(s[i], 0.2f);
        CHECK_OK(qn_optimizer_new(&opt, &s[i]->p, qn_kernels_at(qn_test_isa()), &adamw, 1));
        float *start = take_slot(s[i], &s[i]->p.slot[1]);
        qn_engine_clear(s[i]->e);
        qn_engine_run(s[i]->e, s[i]->row, 2, 0.01, true);
        qn_optimizer_step(opt, qn_engine_grad(s[i]->e), 1, 1e-4, 1, NULL);
        for (int k = 0; k < 2; k++)
            w[i][k] = take_slot(s[i], &s[i]->p.slot[k]);
        for (int64_t j = 0; j < s[i]->p.slot[1].rows * 4; j++)
            w[i][1][j] -= start[j] * (1 - 1e-4f * 0.1f * (i ? 16 : 1));     /* decay has its share of the rate */
        qn_free(start);
        qn_optimizer_free(opt);
    }
    CHECK(memcmp(w[0][0], w[1][0], (size_t)(4 * 64) * sizeof(float)) == 0);
    for (int64_t j = 0; j < 64 * 4; j++)
        CHECK_NEAR((double)w[1][1][j], 16 * (double)w[0][1][j], 2e-6);
    for (int i = 0; i < 2; i++) {
        qn_free(w[i][0]);
        qn_free(w[i][1]);
        drop(s[i]);
    }
    qn_model_free(m);
}
