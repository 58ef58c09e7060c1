/* train/recipe.c — the recipe as one table: names, places, kinds. Writer, reader and check walk it. */
#include "train/recipe.h"

#include <stdio.h>
#include <string.h>

typedef enum { WHOLE, REAL, FLAG, CHOICE, WORDS } kind;

/* choices: the words of an enum in its order, '|' between them. */
typedef struct {
    const char *name;
    size_t offset;
    kind kind;
    double lo, hi;
    const char *choices;
} field;

#define AT(member) offsetof(qn_recipe, member)
static const field fields[] = {
    {"seed", AT(seed), WHOLE, 0, 9e18, NULL},
    {"context", AT(context), WHOLE, 2, 1 << 24, NULL},
    {"batch", AT(batch), WHOLE, 1, 1 << 20, NULL},
    {"micro_batch", AT(rows), WHOLE, 1, 1 << 20, NULL},
    {"shards", AT(shards), WHOLE, 1, 1024, NULL},
    {"packing", AT(packing), CHOICE, 0, 0, QN_PACKING_CHOICES},
    {"recompute", AT(recompute), CHOICE, 0, 0, QN_RECOMPUTE_CHOICES},
    {"steps", AT(steps), WHOLE, 1, 1e12, NULL},
    {"optimizer", AT(optimizer.kind), CHOICE, 0, 0, QN_OPTIMIZER_CHOICES},
    {"beta1", AT(optimizer.beta1), REAL, 0, 1, NULL},
    {"beta2", AT(optimizer.beta2), REAL, 0, 1, NULL},
    {"epsilon", AT(optimizer.eps), REAL, 0, 1, NULL},
    {"weight_decay", AT(optimizer.weight_decay), REAL, 0, 10, NULL},
    {"momentum", AT(optimizer.momentum), REAL, 0, 1, NULL},
    {"nesterov", AT(optimizer.nesterov), FLAG, 0, 0, NULL},
    {"muon_rate", AT(optimizer.muon_rate), REAL, 0, 1e6, NULL},
    {"muon_match_rms", AT(optimizer.muon_match_rms), FLAG, 0, 0, NULL},
    {"schedule", AT(schedule.kind), CHOICE, 0, 0, QN_LR_CHOICES},
    {"learning_rate", AT(schedule.peak), REAL, 0, 1e3, NULL},
    {"min_lr_ratio", AT(schedule.floor), REAL, 0, 1, NULL},
    {"warmup_steps", AT(schedule.warmup), WHOLE, 0, 1e12, NULL},
    {"decay_steps", AT(schedule.decay), WHOLE, 0, 1e12, NULL},
    {"init_std", AT(init_std), REAL, 0, 100, NULL},
    {"dropout", AT(dropout), REAL, 0, 0.99, NULL},
    {"max_grad_norm", AT(clip), REAL, 0, 1e12, NULL},
    {"guard", AT(guard), CHOICE, 0, 0, QN_GUARD_CHOICES},
    {"spike", AT(spike), REAL, 0, 1e6, NULL},
    {"eval_every", AT(eval_every), WHOLE, 0, 1e12, NULL},
    {"eval_rows", AT(eval_rows), WHOLE, 0, 1e12, NULL},
    {"checkpoint_every", AT(checkpoint_every), WHOLE, 0, 1e12, NULL},
    {"keep", AT(keep), WHOLE, 1, 1e6, NULL},
    {"sample_every", AT(sample_every), WHOLE, 0, 1e12, NULL},
    {"patience", AT(patience), WHOLE, 0, 1e6, NULL},
    {"neftune", AT(neftune), REAL, 0, 1e6, NULL},
    {"loss_type", AT(objective.kind), CHOICE, 0, 0, QN_OBJECTIVE_CHOICES},
    {"beta", AT(objective.beta), REAL, 0, 1e6, NULL},
    {"label_smoothing", AT(objective.smoothing), REAL, 0, 0.5, NULL},
    {"rpo_alpha", AT(objective.anchor), REAL, 0, 1e6, NULL},
    {"simpo_gamma", AT(objective.margin), REAL, -1e6, 1e6, NULL},
    {"desirable_weight", AT(objective.good), REAL, 0, 1e6, NULL},
    {"undesirable_weight", AT(objective.bad), REAL, 0, 1e6, NULL},
    {"lora_rank", AT(lora.rank), WHOLE, 0, 1024, NULL},
    {"lora_alpha", AT(lora.alpha), REAL, 0, 1e6, NULL},
    {"lora_dropout", AT(lora.dropout), REAL, 0, 0.99, NULL},
    {"lora_plus", AT(lora.plus), REAL, 0, 1e6, NULL},
    {"lora_rslora", AT(lora.rslora), FLAG, 0, 0, NULL},
    {"lora_dora", AT(lora.dora), FLAG, 0, 0, NULL},
    {"lora_targets", AT(lora.targets), WORDS, 0, 0, NULL},
    {"replay_rows", AT(replay_rows), WHOLE, 0, 1 << 20, NULL},
    {"replay_weight", AT(replay_weight), REAL, 0, 1e6, NULL},
};
#undef AT
enum { FIRST_FIELDS = 33 };             /* up to patience; the others came later: where they are not said, they are 0 */

void qn_recipe_init(qn_recipe *r, qn_optimizer_kind optimizer) {
    *r = (qn_recipe){
        .compute = QN_F32, .seed = 1, .shards = 1, .packing = QN_PACK_BEST_FIT, .recompute = 1,
        .optimizer = qn_optimizer_options_default(optimizer), .schedule = {.kind = QN_LR_COSINE, .floor = 0.1},
        .clip = 1, .guard = QN_GUARD_SKIP, .spike = 10, .keep = 2,
    };
}

/* ---- numbers behind names ---- */

static void *at_of(const qn_recipe *r, const field *f) { return (char *)(uintptr_t)r + f->offset; }

static int64_t whole_of(const qn_recipe *r, const field *f) {
    return f->kind == CHOICE ? *(const int *)at_of(r, f) : *(const int64_t *)at_of(r, f);
}

/* The i-th of the words; n = 0 past the last. */
static qn_str choice(const char *choices, int64_t i) {
    qn_str word = {choices, strcspn(choices, "|")};
    for (; i > 0 && word.s[word.n]; i--) {
        word.s += word.n + 1;
        word.n = strcspn(word.s, "|");
    }
    return i > 0 ? (qn_str){"", 0} : word;
}

/* ---- check ---- */

static int check_field(const qn_recipe *r, const field *f) {
    const double v = f->kind == REAL ? *(const double *)at_of(r, f) : f->kind == WHOLE ? (double)whole_of(r, f) : 0;
    const bool in = v >= f->lo && v <= f->hi;
    if (f->kind == REAL && !in)
        return qn_fail(QN_EINVAL, "%s is %g; expected %g to %g", f->name, v, f->lo, f->hi);
    if (f->kind == WHOLE && !in)
        return qn_fail(QN_EINVAL, "%s is %lld; expected %lld to %lld", f->name, (long long)whole_of(r, f),
                       (long long)f->lo, (long long)f->hi);
    if (f->kind == CHOICE && (whole_of(r, f) < 0 || choice(f->choices, whole_of(r, f)).n == 0))
        return qn_fail(QN_EINVAL, "%s is none of %s", f->name, f->choices);
    return 0;
}

int qn_recipe_check(const qn_recipe *r) {
    for (size_t i = 0; i < QN_LEN(fields); i++)
        QN_TRY(check_field(r, &fields[i]));
    if (r->compute != QN_F32 && r->compute != QN_BF16)
        return qn_fail(QN_EINVAL, "compute must be f32 or bf16");
    if (r->batch % r->shards)
        return qn_fail(QN_EINVAL, "a batch of %lld rows cannot be cut into %lld equal shards", (long long)r->batch,
                       (long long)r->shards);
    if (r->schedule.steps != r->steps)
        return qn_fail(QN_EINVAL, "the schedule has %lld steps, the run %lld", (long long)r->schedule.steps,
                       (long long)r->steps);
    QN_TRY(qn_objective_check(&r->objective));
    QN_TRY(qn_optimizer_options_check(&r->optimizer));
    return qn_schedule_check(&r->schedule);
}

/* ---- JSON ---- */

static void put_field(const qn_recipe *r, const field *f, qn_jw *w) {
    qn_jw_key(w, f->name);
    switch (f->kind) {
    case WHOLE: qn_jw_i64(w, whole_of(r, f)); break;
    case REAL: qn_jw_f64(w, *(const double *)at_of(r, f)); break;
    case FLAG: qn_jw_bool(w, *(const bool *)at_of(r, f)); break;
    case CHOICE: qn_jw_str(w, choice(f->choices, whole_of(r, f))); break;
    case WORDS: qn_jw_str(w, qn_str_of(at_of(r, f))); break;
    }
}

void qn_recipe_put(const qn_recipe *r, qn_jw *w) {
    qn_jw_key(w, "compute");
    qn_jw_str(w, qn_str_of(qn_dtype_get((qn_dtype)r->compute)->name));
    for (size_t i = 0; i < QN_LEN(fields); i++)
        put_field(r, &fields[i], w);
}

static int take_choice(qn_json *j, const field *f, int *out) {
    qn_buf word = {0};
    qn_str one;
    int rc;
    QN_TRY_OUT(qn_json_string(j, &word));
    for (*out = 0; (one = choice(f->choices, *out)).n > 0; (*out)++)
        if (one.n == word.n && memcmp(one.s, word.s, one.n) == 0)
            goto out;
    rc = qn_json_fail(j, QN_EFORMAT, "%s is \"%s\"; expected one of %s", f->name, word.s ? word.s : "", f->choices);
out:
    qn_buf_drop(&word);
    return rc;
}

static int take_words(qn_json *j, const field *f, char out[QN_TARGETS]) {
    qn_buf word = {0};
    int rc = qn_json_string(j, &word);
    if (rc >= 0 && word.n >= QN_TARGETS)
        rc = qn_json_fail(j, QN_EFORMAT, "%s has %zu bytes; at most %d are expected", f->name, word.n, QN_TARGETS - 1);
    if (rc >= 0)
        snprintf(out, QN_TARGETS, "%s", word.s ? word.s : "");
    qn_buf_drop(&word);
    return rc;
}

static int take_compute(qn_json *j, qn_recipe *r) {
    qn_buf word = {0};
    int rc = qn_json_string(j, &word);
    if (rc >= 0)
        r->compute = qn_dtype_from_name(qn_buf_view(&word));
    qn_buf_drop(&word);
    return rc;
}

static int take_field(qn_json *j, qn_recipe *r, const field *f) {
    switch (f->kind) {
    case WHOLE: return qn_json_i64(j, at_of(r, f));
    case REAL: return qn_json_f64(j, at_of(r, f));
    case FLAG: return qn_json_bool(j, at_of(r, f));
    case CHOICE: return take_choice(j, f, at_of(r, f));
    case WORDS: return take_words(j, f, at_of(r, f));
    }
    return 0;
}

int qn_recipe_take(qn_recipe *r, qn_json *j) {
    bool seen[QN_LEN(fields)] = {false}, compute = false;
    qn_str key;
    int more;
    *r = (qn_recipe){0};
    QN_TRY(qn_json_enter(j, '{'));
    while ((more = qn_json_key(j, &key)) > 0) {
        size_t i = 0;
        while (i < QN_LEN(fields) && !qn_str_is(key, fields[i].name))
            i++;
        if (i < QN_LEN(fields))
            QN_TRY(take_field(j, r, &fields[i]));
        else if (qn_str_is(key, "compute"))
            QN_TRY(take_compute(j, r));
        else
            QN_TRY(qn_json_skip(j));
        compute = compute || qn_str_is(key, "compute");
        if (i < QN_LEN(fields))
            seen[i] = true;
    }
    QN_TRY(more);
    for (size_t i = 0; i < FIRST_FIELDS; i++)
        if (!seen[i] || !compute)
            return qn_json_fail(j, QN_EFORMAT, "the recipe lacks \"%s\"", seen[i] ? "compute" : fields[i].name);
    r->schedule.steps = r->steps;
    return qn_recipe_check(r) < 0 ? qn_fail_in(QN_EFORMAT, "%s: recipe", j->name) : 0;
}
