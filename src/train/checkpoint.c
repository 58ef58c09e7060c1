/* train/checkpoint.c — checkpoints on disk: written beside, synced, renamed, linked; read back; tidied. */
#include "train/checkpoint.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/dir.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "format/safetensors_write.h"
#include "model/adapter_file.h"
#include "model/save.h"

#define FOLDER "checkpoints"
#define WEIGHTS "model.safetensors"
#define STATE "training_state.safetensors"
#define PARTIAL ".partial-"
#define REMOVED ".removed-"
#define SUM_WEIGHTS "weights_checksum"
#define SUM_STATE "state_checksum"

static const char *step_name(int64_t step, char out[32]) {
    snprintf(out, 32, "step-%08lld", (long long)step);
    return out;
}

/* RUN/checkpoints/<prefix><name> */
static int folder_of(qn_buf *out, const char *run, const char *prefix, const char *name) {
    QN_TRY(qn_path_join(out, run, FOLDER));
    return qn_buf_printf(out, "/%s%s", prefix, name);
}

/* ---- checksums ---- */

/* Of what the two files hold, as it lies in memory: the same walk where it is written and where it was read back. */
typedef struct { uint64_t weights, state; } sums;

static int sum_up(const qn_params *p, qn_optimizer *o, const qn_train_state *s, sums *out) {
    qn_optimizer_state state[2];
    const int n = qn_optimizer_states(o, state);
    float *room = qn_alloc(QN_MEM_SCRATCH, (size_t)p->widest * sizeof *room);
    if (!room)
        return QN_ENOMEM;
    *out = (sums){.state = qn_hash_bytes(s, sizeof *s, 0)};
    for (int64_t tile = 0; tile < p->tiles; tile++) {
        int64_t row;
        const qn_slot *slot = qn_params_tile(p, tile, &row);
        const size_t at = slot->at + (size_t)(row * slot->cols);
        const size_t bytes = (size_t)(qn_slot_tile_rows(slot, row) * slot->cols) * sizeof *room;
        out->weights = qn_hash_bytes(qn_params_take(p, slot, row, room), bytes, out->weights);
        for (int k = 0; k < n; k++)
            out->state = qn_hash_bytes(state[k].data + at, bytes, out->state);
    }
    qn_free(room);
    return 0;
}

/* The state vouches for the sum of the weights too. */
static uint64_t seal(const sums *s, uint64_t weights) { return qn_hash_bytes(&weights, sizeof weights, s->state); }

/* ---- writing ---- */

static int write_text(const char *dir, const char *name, qn_str text) {
    qn_buf path = {0};
    int rc = text.n ? qn_path_join(&path, dir, name) : 0;
    if (rc >= 0 && text.n)
        rc = qn_write_file(path.s, text.s, text.n);
    qn_buf_drop(&path);
    return rc;
}

static int write_configs(const char *dir, const qn_params *p) {
    const qn_sampling_defaults none = {NAN, NAN, NAN, NAN, NAN};
    qn_save_model m = {.arch = p->m->arch, .cfg = &p->m->cfg, .dtype = QN_F32};
    qn_buf config = {0}, generation = {0};
    int rc;
    for (size_t i = 0; i < p->n; i++)
        m.has[p->slot[i].p->id] = true;
    QN_TRY_OUT(qn_save_check(&m, false));
    QN_TRY_OUT(qn_save_config_json(&m, &config));
    QN_TRY_OUT(qn_save_generation_json(m.cfg, &none, &generation));
    QN_TRY_OUT(write_text(dir, "config.json", qn_buf_view(&config)));
    QN_TRY_OUT(write_text(dir, "generation_config.json", qn_buf_view(&generation)));
out:
    qn_buf_drop(&config);
    qn_buf_drop(&generation);
    return rc;
}

/* What ends an answer may be one of the tokens that the adapter brings. */
static int write_ends(const char *dir, const qn_params *p) {
    const qn_sampling_defaults none = {NAN, NAN, NAN, NAN, NAN};
    qn_buf text = {0};
    int rc = qn_save_generation_json(&p->m->cfg, &none, &text);
    if (rc >= 0)
        rc = write_text(dir, "generation_config.json", qn_buf_view(&text));
    qn_buf_drop(&text);
    return rc;
}

static int write_weights(const char *dir, const qn_params *p) {
    qn_safetensors_writer w = {0};
    qn_buf path = {0};
    int rc;
    QN_TRY_OUT(qn_path_join(&path, dir, WEIGHTS));
    QN_TRY_OUT(qn_safetensors_writer_meta(&w, QN_STR("format"), QN_STR("pt")));
    QN_TRY_OUT(qn_weights_declare(p, &w.t));
    QN_TRY_OUT(qn_safetensors_writer_begin(&w, path.s));
    QN_TRY_OUT(qn_weights_stream(p, &w.t));
    rc = qn_tensor_writer_commit(&w.t);
out:
    qn_safetensors_writer_drop(&w);
    qn_buf_drop(&path);
    return rc;
}

/* The counters, one table for both directions; the first few are never more than the steps. */
enum { PARTS_OF_STEP = 5 };
typedef struct { const char *name; size_t offset; } counter;
#define COUNTER(member) {#member, offsetof(qn_train_state, member)}
static const counter counters[] = {
    COUNTER(step), COUNTER(updates), COUNTER(skipped), COUNTER(skipped_in_a_row), COUNTER(best_step), COUNTER(tokens),
    COUNTER(worse), COUNTER(window_n),
};
#undef COUNTER

static int64_t counter_at(const qn_train_state *s, size_t i) {
    return *(const int64_t *)(const void *)((const char *)s + counters[i].offset);
}

static int put_sum(qn_safetensors_writer *w, const char *key, uint64_t sum) {
    char text[17];
    snprintf(text, sizeof text, "%016llx", (unsigned long long)sum);
    return qn_safetensors_writer_meta(w, qn_str_of(key), qn_str_of(text));
}

static int put_sums(const qn_params *p, qn_optimizer *o, const qn_train_state *s, qn_safetensors_writer *w) {
    sums sum;
    QN_TRY(sum_up(p, o, s, &sum));
    QN_TRY(put_sum(w, SUM_WEIGHTS, sum.weights));
    return put_sum(w, SUM_STATE, seal(&sum, sum.weights));
}

static int put_counters(const qn_train_state *s, qn_safetensors_writer *w) {
    char text[32];
    QN_TRY(qn_safetensors_writer_meta(w, QN_STR("format"), QN_STR("pt")));
    for (size_t i = 0; i < QN_LEN(counters); i++) {
        snprintf(text, sizeof text, "%lld", (long long)counter_at(s, i));
        QN_TRY(qn_safetensors_writer_meta(w, qn_str_of(counters[i].name), qn_str_of(text)));
    }
    return 0;
}

/* "exp_avg.blk.0.attn_q.weight" */
static int state_name(const char *state, const qn_slot *s, qn_buf *out) {
    qn_buf_clear(out);
    return qn_buf_printf(out, "%s.%s", state, s->name);
}

static const int64_t window_shape[] = {QN_LOSS_WINDOW + 1};

/* One array of the state, slot after slot. */
static int declare_array(const qn_params *p, const char *state, qn_tensor_writer *t) {
    qn_buf name = {0};
    int rc = 0;
    for (size_t i = 0; i < p->n; i++) {
        const int64_t dims[] = {p->slot[i].rows, p->slot[i].cols};
        QN_TRY_OUT(state_name(state, &p->slot[i], &name));
        QN_TRY_OUT(qn_tensor_writer_add(t, name.s, QN_F32, 2, dims));
    }
out:
    qn_buf_drop(&name);
    return rc;
}

static int declare_state(const qn_params *p, const qn_optimizer_state *state, int n, qn_tensor_writer *t) {
    QN_TRY(qn_tensor_writer_add(t, "losses", QN_F64, 1, window_shape));
    for (int k = 0; k < n; k++)
        QN_TRY(declare_array(p, state[k].name, t));
    return 0;
}

static int stream_state(const qn_params *p, const qn_optimizer_state *state, int n, const qn_train_state *s,
                        qn_tensor_writer *t) {
    QN_TRY(qn_tensor_writer_put(t, s->window, sizeof s->window));
    QN_TRY(qn_tensor_writer_put(t, &s->best_loss, sizeof s->best_loss));
    for (int k = 0; k < n; k++)
        for (size_t i = 0; i < p->n; i++) {
            const qn_slot *slot = &p->slot[i];
            const size_t bytes = (size_t)(slot->rows * slot->cols) * sizeof(float);
            QN_TRY(qn_tensor_writer_put(t, state[k].data + slot->at, bytes));
        }
    return 0;
}

static int write_state(const char *dir, const qn_params *p, qn_optimizer *o, const qn_train_state *s) {
    qn_safetensors_writer w = {0};
    qn_optimizer_state state[2];
    qn_buf path = {0};
    int rc;
    const int n = qn_optimizer_states(o, state);
    QN_TRY_OUT(qn_path_join(&path, dir, STATE));
    QN_TRY_OUT(put_counters(s, &w));
    QN_TRY_OUT(put_sums(p, o, s, &w));
    QN_TRY_OUT(declare_state(p, state, n, &w.t));
    QN_TRY_OUT(qn_safetensors_writer_begin(&w, path.s));
    QN_TRY_OUT(stream_state(p, state, n, s, &w.t));
    rc = qn_tensor_writer_commit(&w.t);
out:
    qn_safetensors_writer_drop(&w);
    qn_buf_drop(&path);
    return rc;
}

static int fill(const char *dir, const qn_params *p, qn_optimizer *o, const qn_train_state *s,
                const qn_checkpoint_texts *texts) {
    QN_TRY(qn_dir_make(dir));
    if (!p->adapter)
        QN_TRY(write_weights(dir, p));
    QN_TRY(write_state(dir, p, o, s));
    QN_TRY(write_text(dir, "tokenizer.json", texts->tokenizer_json));
    QN_TRY(write_text(dir, "tokenizer_config.json", texts->tokenizer_config_json));
    if (!p->adapter)
        return write_configs(dir, p);
    if (p->adapter->n_tokens)
        QN_TRY(write_ends(dir, p));
    return qn_adapter_write_peft(p->adapter, &p->m->cfg, texts->base, dir);
}

/* RUN/<link> → checkpoints/step-N */
static int turn(const char *run, const char *link, int64_t step) {
    char name[32], target[64];
    qn_buf path = {0};
    int rc = qn_path_join(&path, run, link);
    snprintf(target, sizeof target, FOLDER "/%s", step_name(step, name));
    if (rc >= 0)
        rc = qn_dir_link(target, path.s);
    qn_buf_drop(&path);
    return rc;
}

/* A checkpoint goes as it came: under its name it is whole, to the last. Absent is fine. */
static int discard(const char *run, const char *name) {
    qn_buf path = {0}, removed = {0};
    int rc;
    QN_TRY_OUT(folder_of(&path, run, "", name));
    QN_TRY_OUT(folder_of(&removed, run, REMOVED, name));
    QN_TRY_OUT(qn_dir_remove(removed.s));
    if (!qn_is_dir(path.s))
        goto out;
    QN_TRY_OUT(qn_dir_move(path.s, removed.s));
    rc = qn_dir_remove(removed.s);
out:
    qn_buf_drop(&path);
    qn_buf_drop(&removed);
    return rc;
}

int qn_checkpoint_mark_best(const char *run, int64_t step) { return turn(run, "best", step); }

int qn_checkpoint_write(const char *run, const qn_params *p, qn_optimizer *o, const qn_train_state *state,
                        const qn_checkpoint_texts *texts, bool best) {
    char name[32];
    qn_buf partial = {0}, final = {0};
    int rc;
    QN_TRY_OUT(folder_of(&partial, run, PARTIAL, step_name(state->step, name)));
    QN_TRY_OUT(folder_of(&final, run, "", name));
    QN_TRY_OUT(qn_dir_remove(partial.s));
    rc = fill(partial.s, p, o, state, texts);
    if (rc >= 0)
        rc = discard(run, name);                /* a run taken up before this step comes by here again */
    if (rc >= 0)
        rc = qn_dir_move(partial.s, final.s);
    if (rc < 0) {
        char message[1024];
        snprintf(message, sizeof message, "%s", qn_error_message());
        qn_dir_remove(partial.s);
        qn_fail(rc, "%s", message);
        goto out;
    }
    QN_TRY_OUT(turn(run, "last", state->step));
    if (best)
        rc = turn(run, "best", state->step);
out:
    qn_buf_drop(&partial);
    qn_buf_drop(&final);
    return rc;
}

/* ---- tidying ---- */

/* The name that RUN/<link> leads to, without its folder; empty: nothing. */
static void linked(const char *run, const char *link, char out[64]) {
    char target[256];
    qn_buf path = {0};
    out[0] = '\0';
    const ssize_t n = qn_path_join(&path, run, link) < 0 ? -1 : readlink(path.s, target, sizeof target - 1);
    if (n > 0) {
        target[n] = '\0';
        const char *slash = strrchr(target, '/');
        snprintf(out, 64, "%.63s", slash ? slash + 1 : target);
    }
    qn_buf_drop(&path);
}

/* What a kill left half written or half removed. */
static bool is_left_over(const char *name) {
    return strncmp(name, PARTIAL, sizeof PARTIAL - 1) == 0 || strncmp(name, REMOVED, sizeof REMOVED - 1) == 0;
}

int qn_checkpoint_tidy(const char *run, int64_t keep) {
    char best[64], last[64];
    qn_dir_names l = {0};
    qn_buf path = {0};
    int64_t newer = 0;
    int rc;
    linked(run, "best", best);
    linked(run, "last", last);
    QN_TRY_OUT(qn_path_join(&path, run, FOLDER));
    QN_TRY_OUT(qn_dir_list(&l, path.s));
    for (size_t i = l.n; i-- > 0;) {                    /* by name: the newest step is the last */
        const char *name = l.name[i];
        const bool step = strncmp(name, "step-", 5) == 0;
        if (step && newer++ >= keep && strcmp(name, best) && strcmp(name, last))
            QN_TRY_OUT(discard(run, name));
        if (step || !is_left_over(name))                /* kept, or somebody's own */
            continue;
        QN_TRY_OUT(folder_of(&path, run, "", name));
        QN_TRY_OUT(qn_dir_remove(path.s));
    }
out:
    qn_dir_names_drop(&l);
    qn_buf_drop(&path);
    return rc;
}

/* ---- which are there ---- */

static bool has_file(const char *dir, const char *name) {
    qn_buf path = {0};
    const bool there = qn_path_join(&path, dir, name) >= 0 && qn_is_file(path.s);
    qn_buf_drop(&path);
    return there;
}

static bool is_whole(const char *dir) {
    const bool model = has_file(dir, "config.json") && has_file(dir, WEIGHTS);
    return (model || (has_file(dir, QN_PEFT_CONFIG) && has_file(dir, QN_PEFT_WEIGHTS))) && has_file(dir, STATE);
}

/* The newest whole checkpoint of a folder, but for the one of this name: 1 and its path, 0 none. */
static int newest_in(const char *folder, const char *but, qn_buf *out) {
    qn_dir_names l = {0};
    bool found = false;
    int rc = 0;
    if (!qn_is_dir(folder))
        return 0;
    QN_TRY_OUT(qn_dir_list(&l, folder));
    for (size_t i = l.n; i-- > 0 && !found;) {
        if (strncmp(l.name[i], "step-", 5) != 0 || strcmp(l.name[i], but) == 0)
            continue;
        QN_TRY_OUT(qn_path_join(out, folder, l.name[i]));
        found = is_whole(out->s);
    }
    rc = found;
out:
    qn_dir_names_drop(&l);
    return rc;
}

int qn_checkpoint_newest(const char *run, qn_buf *dir) {
    qn_buf folder = {0};
    int rc;
    QN_TRY_OUT(qn_path_join(dir, run, "last"));
    if (is_whole(dir->s)) {
        rc = 1;
        goto out;
    }
    QN_TRY_OUT(qn_path_join(&folder, run, FOLDER));
    rc = newest_in(folder.s, "", dir);
    if (rc > 0)
        qn_log(QN_LOG_WARN, "%s/last leads to no whole checkpoint; the newest one that is there is taken: %s", run,
               dir->s);
out:
    qn_buf_drop(&folder);
    return rc;
}

/* ---- reading ---- */

/* Is it the link of a run, RUN/last or RUN/best? */
static bool is_link(const char *dir) {
    const qn_str path = qn_str_of(dir);
    return qn_str_ends(path, "/last") || qn_str_ends(path, "/best");
}

int qn_checkpoint_other(const char *dir, int rc) {
    char real[PATH_MAX], why[1024];
    qn_buf other = {0};
    if (rc != QN_EFORMAT && rc != QN_ETRUNC && rc != QN_ENOTFOUND && rc != QN_ESHAPE)
        return rc;
    char *slash = realpath(dir, real) ? strrchr(real, '/') : NULL;
    int found = 0;
    snprintf(why, sizeof why, "%s", qn_error_message());
    if (slash) {
        *slash = '\0';
        found = newest_in(real, slash + 1, &other);
    }
    if (found > 0)
        qn_fail(rc, "%s; the newest other checkpoint is %s: point %s to it (ln -sfn), or begin anew with `quern train "
                "pretrain --from %s`", why, other.s, is_link(dir) ? dir : "the run's `last`", other.s);
    else
        qn_fail(rc, "%s; no other checkpoint is beside it", why);
    qn_buf_drop(&other);
    return rc;
}

static int damaged(const char *dir, const char *file) {
    return qn_fail(QN_EFORMAT, "%s/%s is damaged: its checksum does not fit", dir, file);
}

/* "%016llx"; 0 absent. */
static int take_sum(const qn_safetensors *st, const char *key, uint64_t *out) {
    qn_str text;
    const int rc = qn_meta_get_str(qn_safetensors_meta(st), key, &text);
    if (rc <= 0)
        return rc;
    *out = 0;
    for (size_t i = 0; i < text.n; i++) {
        static const char digits[] = "0123456789abcdef";
        const char *d = memchr(digits, text.s[i], sizeof digits - 1);
        *out = *out << 4 | (uint64_t)(d ? d - digits : 0);      /* what is no digit does not fit either */
    }
    return 1;
}

static int check_sums(const qn_safetensors *st, const char *dir, const qn_params *p, qn_optimizer *o,
                      const qn_train_state *s) {
    uint64_t weights = 0, state = 0;
    sums sum;
    const int has_weights = take_sum(st, SUM_WEIGHTS, &weights);
    QN_TRY(has_weights);
    const int has_state = take_sum(st, SUM_STATE, &state);
    QN_TRY(has_state);
    if (!has_weights && !has_state) {
        qn_log(QN_LOG_INFO, "%s: was written without checksums; damage to it would not be noticed", dir);
        return 0;
    }
    QN_TRY(sum_up(p, o, s, &sum));
    if (!has_weights || !has_state || seal(&sum, weights) != state)
        return damaged(dir, STATE);
    return sum.weights == weights ? 0 : damaged(dir, p->adapter ? QN_PEFT_WEIGHTS : WEIGHTS);
}

static int take_counters(const qn_safetensors *st, const char *file, qn_train_state *s) {
    for (size_t i = 0; i < QN_LEN(counters); i++) {
        qn_str text;
        const int rc = qn_meta_get_str(qn_safetensors_meta(st), counters[i].name, &text);
        if (rc < 0)
            return rc;
        if (rc == 0 || !qn_parse_i64(text, (int64_t *)(void *)((char *)s + counters[i].offset)))
            return qn_fail(QN_EFORMAT, "%s: its metadata has no number \"%s\"; this is no state of a run", file,
                           counters[i].name);
    }
    for (size_t i = 0; i < QN_LEN(counters); i++)
        if (counter_at(s, i) < 0 || (i < PARTS_OF_STEP && counter_at(s, i) > s->step))
            return qn_fail(QN_EFORMAT, "%s: %s %lld of step %lld cannot be", file, counters[i].name,
                           (long long)counter_at(s, i), (long long)s->step);
    return 0;
}

static int take_tensor(const qn_tensor_file *f, const char *file, const char *name, qn_dtype dtype, int64_t numbers,
                       void *out) {
    const qn_tensor_info *t;
    int64_t have = 1;
    QN_TRY(qn_tensor_need(f, name, &t));
    for (int i = 0; i < t->rank; i++)
        have *= t->dims[i];
    if (t->dtype != (int)dtype || have != numbers)
        return qn_fail(QN_ESHAPE, "%s: %s holds %lld numbers of %s; expected %lld of %s", file, name, (long long)have,
                       t->type, (long long)numbers, qn_dtype_get(dtype)->name);
    memcpy(out, t->data, (size_t)numbers * (size_t)qn_dtype_get(dtype)->bytes);
    return 0;
}

static int take_state(const qn_safetensors *st, const char *file, const qn_params *p, qn_optimizer *o,
                      qn_train_state *s) {
    const qn_tensor_file *f = qn_safetensors_tensors(st);
    qn_optimizer_state state[2];
    double losses[QN_LOSS_WINDOW + 1];
    qn_buf name = {0};
    int rc;
    const int n = qn_optimizer_states(o, state);
    QN_TRY_OUT(take_counters(st, file, s));
    QN_TRY_OUT(take_tensor(f, file, "losses", QN_F64, QN_LOSS_WINDOW + 1, losses));
    memcpy(s->window, losses, sizeof s->window);
    s->best_loss = losses[QN_LOSS_WINDOW];
    for (int k = 0; k < n; k++)
        for (size_t i = 0; i < p->n; i++) {
            const qn_slot *slot = &p->slot[i];
            QN_TRY_OUT(state_name(state[k].name, slot, &name));
            QN_TRY_OUT(take_tensor(f, file, name.s, QN_F32, slot->rows * slot->cols, state[k].data + slot->at));
        }
out:
    qn_buf_drop(&name);
    return rc;
}

static int take_weights(const char *dir, qn_params *p, qn_pool *pool) {
    qn_source *s = NULL;
    int rc = qn_source_open(&s, dir);
    if (rc >= 0)
        rc = qn_params_load(p, s, pool);
    qn_source_close(s);
    return rc;
}

int qn_checkpoint_read(const char *dir, qn_params *p, qn_optimizer *o, qn_train_state *state, qn_pool *pool) {
    qn_safetensors *st = NULL;
    qn_buf path = {0};
    int rc;
    QN_TRY_OUT(p->adapter ? qn_adapter_load(p->adapter, &p->m->cfg, dir) : take_weights(dir, p, pool));
    QN_TRY_OUT(qn_path_join(&path, dir, STATE));
    QN_TRY_OUT(qn_safetensors_open(&st, path.s));
    QN_TRY_OUT(take_state(st, path.s, p, o, state));
    rc = check_sums(st, dir, p, o, state);
out:
    qn_safetensors_close(st);
    qn_buf_drop(&path);
    return rc < 0 ? qn_checkpoint_other(dir, rc) : 0;
}
