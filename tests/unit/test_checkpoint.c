/* tests/unit/test_checkpoint.c — checkpoints on disk: whole or not there, on full disks too; refused where they do not
 * fit; tidied without touching what is somebody else's. */
/* full: WHOLE=1 */
#include "make_training.h"

#include "base/dir.h"

enum { PARTIAL_WRITES = 400 };

static const qn_checkpoint_texts texts = {{"{\"a\": 1}", 8}, {"{}", 2}, NULL};

static int write_at(made *r, const char *run, int64_t step, bool best) {
    r->t->state.step = step;
    return qn_checkpoint_write(run, r->p, r->t->optimizer, &r->t->state, &texts, best);
}

static int read_from(made *r, const char *dir) {
    qn_train_state s;
    return qn_checkpoint_read(dir, r->p, r->t->optimizer, &s, NULL);
}

/* Where RUN/<link> leads. */
static const char *link_of(const char *run, const char *name) {
    static char target[256];
    char path[1200];
    snprintf(path, sizeof path, "%s/%s", run, name);
    const ssize_t n = readlink(path, target, sizeof target - 1);
    target[n > 0 ? n : 0] = '\0';
    return target;
}

/* The names below RUN/checkpoints, a space behind each. */
static const char *folders_of(const char *run) {
    static char all[1024];
    char path[1200];
    qn_dir_names l;
    snprintf(path, sizeof path, "%s/checkpoints", run);
    CHECK_OK(qn_dir_list(&l, path));
    all[0] = '\0';
    for (size_t i = 0; i < l.n; i++)
        snprintf(all + strlen(all), sizeof all - strlen(all), "%s ", l.name[i]);
    qn_dir_names_drop(&l);
    return all;
}

static const char *below(const char *run, const char *name) {
    static char path[1300];
    snprintf(path, sizeof path, "%s/%s", run, name);
    return path;
}

/* ---- whole or not there ---- */

TEST(comes_back_as_it_was) {
    const make_options o = MAKE;
    made a = make(&o), b = make(&o);
    const char *run = made_path("back");
    qn_train_state s;
    made_steps(&a, 2, NULL);
    a.t->state.best_loss = 1.0 / 3;
    a.t->state.best_step = 2;
    a.t->state.worse = 5;
    a.t->state.skipped = 1;
    CHECK_OK(write_at(&a, run, 2, true));
    CHECK_OK(qn_checkpoint_read(below(run, "best"), b.p, b.t->optimizer, &s, NULL));
    CHECK(memcmp(&s, &a.t->state, sizeof s) == 0, "every counter, every loss");
    made_same(&a, &b, "read back");
    CHECK(qn_is_file(below(run, "last/config.json")) && qn_is_file(below(run, "last/generation_config.json")));
    CHECK(qn_is_file(below(run, "last/tokenizer.json")) && qn_is_file(below(run, "last/tokenizer_config.json")));
    CHECK_STR(folders_of(run), "step-00000002 ");
    made_drop(&a);
    made_drop(&b);
}

/* A disk that is full at the n-th write, for every n: the last checkpoint and the best one stay what they were. */
TEST(a_full_disk_changes_nothing) {
    const make_options o = MAKE;
    made r = make(&o);
    const char *run = made_path("full");
    int64_t n = 0;
    int rc = QN_EIO;
    CHECK_OK(write_at(&r, run, 1, true));
    for (; rc < 0 && n < PARTIAL_WRITES; n++) {
        qn_error_clear();
        qn_file_fail_after(n);
        rc = write_at(&r, run, 2, true);
        qn_file_fail_after(-1);
        if (rc >= 0)
            break;
        CHECK_INT(rc, QN_EIO, "write %d", (int)n);
        CHECK_CONTAINS(qn_error_message(), "No space left on device", "write %d", (int)n);
        CHECK_CONTAINS(qn_error_message(), "step-00000002", "write %d", (int)n);
        CHECK_STR(link_of(run, "last"), "checkpoints/step-00000001", "write %d", (int)n);
        CHECK_STR(link_of(run, "best"), "checkpoints/step-00000001", "write %d", (int)n);
        CHECK_STR(folders_of(run), "step-00000001 ", "write %d", (int)n);
    }
    CHECK(rc == 0 && n > 6, "%d writes", (int)n);
    CHECK_STR(link_of(run, "last"), "checkpoints/step-00000002");
    CHECK_OK(read_from(&r, below(run, "last")));
    made_drop(&r);
}

TEST(without_memory_nothing_changes) {
    const make_options o = MAKE;
    made r = make(&o);
    const char *run = made_path("memory");
    int64_t n = 0;
    int rc = QN_ENOMEM;
    CHECK_OK(write_at(&r, run, 1, true));
    for (; rc < 0 && n < 3000; n = n < 16 ? n + 1 : n * 6 / 5) {     /* each takes its time: not every one */
        const int64_t live = qn_mem_stats_get(QN_MEM_BASE).live_bytes;
        const int64_t format = qn_mem_stats_get(QN_MEM_FORMAT).live_bytes;
        qn_mem_fail_after(n);
        rc = write_at(&r, run, 2, false);
        qn_mem_fail_after(-1);
        CHECK(rc == 0 || rc == QN_ENOMEM, "allocation %d", (int)n);
        CHECK_NO_LEAK(QN_MEM_BASE, live);
        CHECK_NO_LEAK(QN_MEM_FORMAT, format);
        CHECK(qn_is_file(below(run, "last/training_state.safetensors")));
        CHECK(strstr(folders_of(run), ".partial") == NULL, "allocation %d", (int)n);
    }
    CHECK_INT(rc, 0);
    made_drop(&r);
}

/* What a kill left half written under this name is in nobody's way. */
TEST(a_step_is_written_again) {
    const make_options o = MAKE;
    made r = make(&o);
    const char *run = made_path("again");
    CHECK_OK(qn_dir_make(below(run, "checkpoints/.partial-step-00000003")));
    CHECK_OK(qn_write_file(below(run, "checkpoints/.partial-step-00000003/model.safetensors"), "half", 4));
    CHECK_OK(qn_dir_make(below(run, "checkpoints/step-00000003/deep")));
    CHECK_OK(write_at(&r, run, 3, false));
    CHECK_STR(folders_of(run), "step-00000003 ");
    CHECK(!qn_is_dir(below(run, "last/deep")));
    CHECK_OK(read_from(&r, below(run, "last")));
    made_drop(&r);
}

TEST(says_where_it_cannot_write) {
    const make_options o = MAKE;
    made r = make(&o);
    const char *file = made_path("a-file"), *run = made_path("linkless");
    CHECK_OK(qn_write_file(file, "x", 1));
    CHECK_FAIL(write_at(&r, file, 1, false), QN_ENOTFOUND, "a-file/checkpoints/.partial-step-00000001: cannot");
    CHECK_OK(qn_dir_make(below(run, "last")));
    CHECK_FAIL(write_at(&r, run, 1, false), QN_EIO, "is no link");
    if (geteuid() != 0) {
        const char *locked = made_path("locked");
        CHECK_OK(qn_dir_make(locked));
        CHECK_INT(chmod(locked, 0500), 0);
        CHECK_FAIL(write_at(&r, locked, 1, false), QN_EIO, "Permission denied");
        CHECK_INT(chmod(locked, 0700), 0);
    }
    made_drop(&r);
}

/* ---- what does not fit ---- */

TEST(refuses_what_is_another_models) {
    make_options o = MAKE;
    made llama = make(&o);
    const char *run = made_path("other");
    CHECK_OK(write_at(&llama, run, 1, false));
    o.arch = "gpt2";
    made gpt2 = make(&o);
    CHECK_FAIL(read_from(&gpt2, below(run, "last")), QN_ESHAPE, "llama");
    made_drop(&gpt2);
    o = MAKE;
    o.kind = QN_OPTIMIZER_SGD;
    made sgd = make(&o);
    CHECK_FAIL(read_from(&sgd, below(run, "last")), QN_ENOTFOUND, "momentum_buffer");
    made_drop(&sgd);
    CHECK_FAIL(read_from(&llama, below(run, "nowhere")), QN_ENOTFOUND, "nowhere");
    CHECK_INT(unlink(below(run, "last/training_state.safetensors")), 0);
    CHECK_FAIL(read_from(&llama, below(run, "last")), QN_ENOTFOUND, "training_state.safetensors");
    CHECK_OK(write_at(&llama, run, 1, false));
    CHECK_INT(unlink(below(run, "last/model.safetensors")), 0);
    CHECK_FAIL(read_from(&llama, below(run, "last")), QN_ENOTFOUND, "other/last: no weights are there");
    made_drop(&llama);
}

/* The state file as `bytes`; what reading says. */
static int read_changed(made *r, const char *run, const qn_buf *bytes, size_t n) {
    FILE *f = fopen(below(run, "last/training_state.safetensors"), "wb");      /* no fsync a thousand times */
    CHECK(f && fwrite(bytes->s, 1, n, f) == n && fclose(f) == 0);
    return read_from(r, below(run, "last"));
}

TEST(survives_damage) {
    const make_options o = MAKE;
    made r = make(&o);
    const char *run = made_path("damaged");
    qn_buf bytes = {0};
    int refused = 0, tried = 0;
    CHECK_OK(write_at(&r, run, 1, false));
    CHECK_OK(qn_read_file(&bytes, below(run, "last/training_state.safetensors"), SIZE_MAX));
    for (size_t n = 0; n < bytes.n; n = n < 64 ? n + 1 : n * 5 / 4) {
        CHECK(read_changed(&r, run, &bytes, n) < 0, "cut to %zu bytes", n);
        CHECK_CONTAINS(qn_error_message(), "training_state.safetensors", "cut to %zu bytes", n);
    }
    for (size_t i = 0; i < 1200; i += qn_test_whole() ? 1 : 7, tried++) {
        const char was = bytes.s[i];
        bytes.s[i] = (char)(was ^ (1 << i % 7));
        const int rc = read_changed(&r, run, &bytes, bytes.n);
        CHECK(rc == 0 || strstr(qn_error_message(), "training_state.safetensors"), "byte %zu: %s", i,
              qn_error_message());
        refused += rc < 0;
        bytes.s[i] = was;
    }
    CHECK(refused > tried / 2, "%d of %d changes of the header are noticed", refused, tried);
    CHECK_OK(read_changed(&r, run, &bytes, bytes.n));
    qn_buf_drop(&bytes);
    made_drop(&r);
}

/* Turns a bit of the byte that stands so far before a file's end; turning it again mends it. */
static void turn_bit(const char *path, long before_end) {
    FILE *f = fopen(path, "r+b");
    CHECK(f && fseek(f, -before_end, SEEK_END) == 0);
    const int byte = fgetc(f);
    CHECK(fseek(f, -before_end, SEEK_END) == 0 && fputc(byte ^ 4, f) != EOF && fclose(f) == 0);
}

/* Any bit of weights and moments counts, and the way out is named. */
TEST(a_turned_bit_is_noticed) {
    static const char *const files[] = {"model.safetensors", "training_state.safetensors"};
    const make_options o = MAKE;
    made r = make(&o);
    const char *run = made_path("bits");
    char path[1300];
    made_steps(&r, 1, NULL);
    CHECK_OK(write_at(&r, run, 1, false));
    CHECK_OK(write_at(&r, run, 2, false));
    for (size_t i = 0; i < QN_LEN(files); i++)
        for (long at = 1; at < 60000; at = at * 3 + 1) {
            snprintf(path, sizeof path, "%s/checkpoints/step-00000002/%s", run, files[i]);
            turn_bit(path, at);
            CHECK_FAIL(read_from(&r, below(run, "last")), QN_EFORMAT, files[i], "byte %d from the end", (int)at);
            CHECK_CONTAINS(qn_error_message(), "bits/last/");
            CHECK_CONTAINS(qn_error_message(), "damaged");
            CHECK_CONTAINS(qn_error_message(), "bits/checkpoints/step-00000001");
            CHECK_CONTAINS(qn_error_message(), "--from");
            turn_bit(path, at);
            CHECK_OK(read_from(&r, below(run, "last")));
        }
    turn_bit(path, 1);
    CHECK_INT(unlink(below(run, "checkpoints/step-00000001/config.json")), 0);
    CHECK_FAIL(read_from(&r, below(run, "last")), QN_EFORMAT, "no other checkpoint is beside it");
    made_drop(&r);
}

/* As an older version wrote it: the metadata's members under names that nobody looks for. */
TEST(a_checkpoint_without_checksums_is_taken) {
    const make_options o = MAKE;
    made r = make(&o);
    const char *run = made_path("older");
    qn_buf bytes = {0};
    CHECK_OK(write_at(&r, run, 1, false));
    CHECK_OK(qn_read_file(&bytes, below(run, "last/training_state.safetensors"), SIZE_MAX));
    char *weights = memmem(bytes.s, bytes.n, "weights_checksum", 16);
    char *other = memmem(bytes.s, bytes.n, "state_checksum", 14);
    CHECK(weights && other);
    weights[0] = 'x';
    CHECK_FAIL(read_changed(&r, run, &bytes, bytes.n), QN_EFORMAT, "training_state.safetensors is damaged");
    other[0] = 'x';
    CHECK_OK(read_changed(&r, run, &bytes, bytes.n));
    qn_buf_drop(&bytes);
    made_drop(&r);
}

TEST(refuses_counters_that_cannot_be) {
    static const struct { size_t at; int64_t v; } cases[] = {
        {offsetof(qn_train_state, updates), 9}, {offsetof(qn_train_state, step), -1},
        {offsetof(qn_train_state, window_n), -5}, {offsetof(qn_train_state, tokens), -1},
        {offsetof(qn_train_state, worse), -1}, {offsetof(qn_train_state, best_step), -2},
        {offsetof(qn_train_state, skipped), -1}, {offsetof(qn_train_state, skipped_in_a_row), -1},
    };
    const make_options o = MAKE;
    made r = make(&o);
    const char *run = made_path("counters");
    for (size_t i = 0; i < QN_LEN(cases); i++) {
        r.t->state = (qn_train_state){.step = 3, .updates = 2};
        *(int64_t *)(void *)((char *)&r.t->state + cases[i].at) = cases[i].v;
        CHECK_OK(qn_checkpoint_write(run, r.p, r.t->optimizer, &r.t->state, &texts, false));
        CHECK_FAIL(read_from(&r, below(run, "last")), QN_EFORMAT, "cannot be", "case %zu", i);
    }
    made_drop(&r);
}

/* A run is not taken up behind its end. */
TEST(a_checkpoint_behind_the_end_is_refused) {
    const make_options o = MAKE;
    made r = make(&o);
    CHECK_OK(write_at(&r, made_path("behind"), 99, false));
    CHECK_FAIL(qn_trainer_take_up(r.t, made_path("behind/last")), QN_EFORMAT, "is at step 99, the run has only 6");
    made_drop(&r);
}

/* ---- where to go on ---- */

static void newest_is(const char *run, const char *want) {
    qn_buf dir = {0};
    CHECK_INT(qn_checkpoint_newest(run, &dir), 1, "%s", want);
    CHECK_VIEW(qn_buf_view(&dir), below(run, want));
    qn_buf_drop(&dir);
}

/* A link that is gone or leads nowhere is no reason to begin again; half a folder is no checkpoint. */
TEST(finds_the_newest) {
    const make_options o = MAKE;
    made r = make(&o);
    const char *run = made_path("newest");
    qn_buf dir = {0};
    CHECK_INT(qn_checkpoint_newest(run, &dir), 0);
    CHECK_OK(qn_dir_make(below(run, "checkpoints")));
    CHECK_INT(qn_checkpoint_newest(run, &dir), 0);
    for (int64_t step = 1; step <= 3; step++)
        CHECK_OK(write_at(&r, run, step, false));
    CHECK_OK(qn_dir_make(below(run, "checkpoints/step-00000004")));
    newest_is(run, "last");
    CHECK_INT(unlink(below(run, "last")), 0);
    newest_is(run, "checkpoints/step-00000003");
    CHECK_OK(qn_dir_link("checkpoints/step-00000009", below(run, "last")));
    newest_is(run, "checkpoints/step-00000003");
    CHECK_INT(unlink(below(run, "checkpoints/step-00000003/training_state.safetensors")), 0);
    newest_is(run, "checkpoints/step-00000002");
    qn_buf_drop(&dir);
    made_drop(&r);
}

/* ---- tidying ---- */

TEST(tidying_keeps_what_counts) {
    const make_options o = MAKE;
    made r = make(&o);
    const char *run = made_path("tidy");
    for (int64_t step = 1; step <= 6; step++)
        CHECK_OK(write_at(&r, run, step, step == 2));
    CHECK_OK(qn_dir_make(below(run, "checkpoints/.partial-step-00000009")));
    CHECK_OK(qn_write_file(below(run, "checkpoints/.partial-step-00000009/x"), "x", 1));
    CHECK_OK(qn_dir_make(below(run, "checkpoints/.removed-step-00000000")));
    CHECK_OK(qn_dir_make(below(run, "checkpoints/mine")));
    CHECK_OK(qn_write_file(below(run, "checkpoints/notes.txt"), "x", 1));
    CHECK_OK(qn_write_file(below(run, "precious"), "x", 1));
    CHECK_OK(qn_checkpoint_tidy(run, 2));
    CHECK_STR(folders_of(run), "mine notes.txt step-00000002 step-00000005 step-00000006 ");
    CHECK_OK(qn_checkpoint_mark_best(run, 5));
    CHECK_OK(qn_checkpoint_tidy(run, 1));
    CHECK_STR(folders_of(run), "mine notes.txt step-00000005 step-00000006 ");
    CHECK_STR(link_of(run, "best"), "checkpoints/step-00000005");
    CHECK(qn_is_file(below(run, "precious")));
    CHECK_OK(read_from(&r, below(run, "best")));
    CHECK_FAIL(qn_checkpoint_tidy(made_path("no-run"), 1), QN_ENOTFOUND, "no-run");
    made_drop(&r);
}

/* Killed between the two links: taken up, the best is what the state says it is. */
TEST(the_link_to_the_best_is_mended) {
    make_options o = MAKE;
    qn_run_end end;
    o.run = made_path("mended");
    made r = make(&o);
    CHECK_OK(write_at(&r, o.run, 1, true));
    r.t->state.best_step = 2;
    r.t->state.best_loss = 3;
    CHECK_OK(write_at(&r, o.run, 2, false));
    made_drop(&r);
    o.resumed = true;
    r = make(&o);
    CHECK_OK(qn_trainer_take_up(r.t, made_path("mended/last")));
    r.t->recipe.steps = 2;
    CHECK_OK(qn_trainer_run(r.t, &end));
    CHECK_STR(link_of(o.run, "best"), "checkpoints/step-00000002");
    made_drop(&r);
}
