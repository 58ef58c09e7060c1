/* cli/demo_stage.c — stages that are done once. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/dir.h"
#include "base/file.h"
#include "base/version.h"
#include "cli/demo.h"
#include "base/json_fields.h"
#include "report/members.h"

enum { COLUMNS = 100 };
#define FORMAT "quern demo 1"
#define MARK_MAX ((size_t)16 << 20)

const char *qn_demo_path(qn_demo *d, const char *name) {
    return qn_path_join(&d->path, d->dir, name) >= 0 ? d->path.s : NULL;
}

/* ---- saying ---- */

/* Words in lines of at most COLUMNS. */
static int put_wrapped(qn_cli *c, qn_str text) {
    size_t column = 0;
    for (size_t at = 0; at < text.n;) {
        const size_t blanks = strspn(text.s + at, " "), word = strcspn(text.s + at + blanks, " \n");
        const char *from = text.s + at + blanks;
        if (column > 0 && blanks > 0 && column + 1 + word > COLUMNS) {
            QN_TRY(qn_out_puts(c, "\n"));
            column = 0;
        } else if (column > 0 && blanks > 0) {
            QN_TRY(qn_out_puts(c, " "));
            column++;
        }
        QN_TRY(qn_out_put(c, from, word));
        column += word;
        at += blanks + word;
        if (at < text.n && text.s[at] == '\n') {
            QN_TRY(qn_out_puts(c, "\n"));
            column = 0;
            at++;
        }
    }
    return qn_out_puts(c, "\n");
}

int qn_demo_say(qn_demo *d, const char *fmt, ...) {
    char text[4096];
    va_list args;
    if (qn_cli_flag(d->c, "quiet"))
        return 0;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    QN_TRY(put_wrapped(d->c, qn_str_of(text)));
    return qn_out_flush(d->c);
}

/* ---- marks ---- */

/* The member of a file's object: a string's text, or the bytes of any other value. 0: no such file, or no member. */
static int read_member(const char *path, const char *name, qn_buf *out) {
    qn_buf text = {0};
    int rc = 0;
    if (!qn_is_file(path))
        return 0;
    rc = qn_read_file(&text, path, MARK_MAX);
    const qn_str value = rc >= 0 ? qn_member(qn_buf_view(&text), name) : (qn_str){"", 0};
    if (rc >= 0)
        rc = value.n ? qn_value_text(out, value) : 0;
    qn_buf_drop(&text);
    return rc < 0 ? rc : value.n > 0;
}

static void key_text(uint64_t key, char out[17]) { snprintf(out, 17, "%016llx", (unsigned long long)key); }

/* ---- keys ---- */

static uint64_t hash_word(const char *word, uint64_t seed) { return qn_hash_bytes(word, strlen(word) + 1, seed); }

/* A command line without the demo's own folder in its paths: a folder that moves stays what it is. */
static uint64_t hash_command(const qn_demo *d, const qn_command *w, uint64_t seed) {
    const size_t n = strlen(d->dir);
    for (size_t i = 0; i < w->n; i++)
        seed = hash_word(strncmp(w->word[i], d->dir, n) == 0 ? w->word[i] + n : w->word[i], seed);
    return seed;
}

/* ---- the folder ---- */

static uint64_t asked_for(const qn_demo *d) {
    uint64_t key = hash_word(QN_VERSION, 0);
    key = hash_word(d->plan->time, key);
    key = hash_word(qn_isa_name(d->isa), key);
    key = qn_hash_bytes(&d->seed, sizeof d->seed, key);
    key = hash_word(d->corpus ? "corpus" : d->plan->world, key);
    return d->corpus ? qn_hash_bytes(&d->text.content, sizeof d->text.content, key) : key;
}

static int write_demo(qn_demo *d) {
    qn_buf text = {0};
    qn_jw w;
    char key[17];
    key_text(d->key, key);
    qn_jw_init(&w, &text, 2);
    qn_jw_open(&w, '{');
    qn_field_str(&w, "format", FORMAT);
    qn_field_str(&w, "key", key);
    qn_field_str(&w, "version", QN_VERSION);
    qn_field_str(&w, "time", d->plan->time);
    qn_field_str(&w, "level", qn_isa_name(d->isa));
    qn_field_i64(&w, "seed", d->seed);
    qn_field_str(&w, d->corpus ? "corpus" : "world", d->corpus ? d->corpus : d->plan->world);
    qn_field_i64(&w, "vocab", d->plan->vocab);
    qn_field_str(&w, "shape", d->plan->shape);
    qn_field_i64(&w, "batch", d->plan->batch);
    qn_field_i64(&w, "steps", d->plan->steps);
    qn_field_str(&w, "optimizer", d->plan->optimizer);
    qn_jw_close(&w);
    const int rc = qn_jw_write(&w, qn_demo_path(d, "demo.json"));
    qn_buf_drop(&text);
    return rc;
}

/* A demo.json that is there must be JSON: what it lacks is looked at by others. */
static int check_whole(const char *path) {
    qn_buf text = {0};
    qn_str raw;
    qn_json j;
    if (!qn_is_file(path))
        return 0;
    int rc = qn_read_file(&text, path, MARK_MAX);
    if (rc >= 0) {
        qn_json_init(&j, text.n ? text.s : "", text.n, path);
        rc = qn_json_raw(&j, &raw);
        if (rc >= 0)
            rc = qn_json_end(&j);
        if (rc < 0)
            qn_fail_in(rc, "the file that says what this demo was asked for is damaged; put it right, or name a new "
                       "folder with --out");
        qn_json_drop(&j);
    }
    qn_buf_drop(&text);
    return rc;
}

/* What stands there already: nothing (0), a demo asked for the same (1), or something else, which is refused. */
static int look_at_folder(qn_demo *d, bool force) {
    qn_dir_names names = {0};
    qn_buf format = {0}, key = {0}, time = {0}, level = {0};
    char own[17];
    int rc = 0;
    if (!qn_is_dir(d->dir))
        return 0;
    QN_TRY_OUT(qn_dir_list(&names, d->dir));
    if (names.n == 0)
        goto out;
    const char *path = qn_demo_path(d, "demo.json");
    if (!path) {
        rc = QN_ENOMEM;
        goto out;
    }
    QN_TRY_OUT(check_whole(path));
    QN_TRY_OUT(read_member(path, "format", &format));
    if (!qn_str_is(qn_buf_view(&format), FORMAT)) {
        rc = qn_fail(QN_EINVAL, "%s holds other things than a demo; name a new folder with --out", d->dir);
        goto out;
    }
    QN_TRY_OUT(read_member(path, "key", &key));
    QN_TRY_OUT(read_member(path, "time", &time));
    QN_TRY_OUT(read_member(path, "level", &level));
    key_text(d->key, own);
    rc = qn_str_is(qn_buf_view(&key), own);
    if (!rc && !force)
        rc = qn_fail(QN_EINVAL, "%s holds a demo that was asked for something else (--time %s, level %s; another seed, "
                     "text or program may be it too): the same options go on with it, --out makes another one beside "
                     "it, --force replaces it", d->dir, time.s ? time.s : "?", level.s ? level.s : "?");
out:
    qn_dir_names_drop(&names);
    qn_buf_drop(&format);
    qn_buf_drop(&key);
    qn_buf_drop(&time);
    qn_buf_drop(&level);
    return rc;
}

int qn_demo_open(qn_demo *d, bool force) {
    d->key = asked_for(d);
    const int same = look_at_folder(d, force);
    QN_TRY(same);
    if (same)
        return 0;
    QN_TRY(qn_dir_make(d->dir));
    const char *stages = qn_demo_path(d, "stages");
    QN_TRY(stages ? qn_dir_remove(stages) : QN_ENOMEM);
    return write_demo(d);
}

/* ---- one stage ---- */

static const char *mark_path(qn_demo *d, const char *name, const char *end) {
    char file[64];
    snprintf(file, sizeof file, "stages/%s.%s", name, end);
    return qn_demo_path(d, file);
}

static bool has_key(qn_demo *d, const char *name, const char *end) {
    qn_buf key = {0};
    char own[17];
    const char *path = mark_path(d, name, end);
    key_text(d->key, own);
    const bool same = path && read_member(path, "key", &key) > 0 && qn_str_is(qn_buf_view(&key), own);
    qn_buf_drop(&key);
    return same;
}

int qn_demo_result(qn_demo *d, const char *stage, qn_buf *out) {
    const char *path = mark_path(d, stage, "json");
    return path ? read_member(path, "result", out) : QN_ENOMEM;
}

static int write_begun(qn_demo *d, const char *name) {
    char text[64], key[17];
    const char *folder = qn_demo_path(d, "stages");
    QN_TRY(folder ? qn_dir_make(folder) : QN_ENOMEM);
    key_text(d->key, key);
    snprintf(text, sizeof text, "{\"key\": \"%s\"}\n", key);
    const char *path = mark_path(d, name, "begun");
    return path ? qn_write_file(path, text, strlen(text)) : QN_ENOMEM;
}

static int write_mark(qn_demo *d, const char *name, const qn_command *w, double seconds, qn_str result) {
    qn_buf text = {0}, line = {0};
    qn_jw jw;
    char key[17];
    int rc;
    key_text(d->key, key);
    QN_TRY_OUT(qn_command_text(w, &line));
    qn_jw_init(&jw, &text, 2);
    qn_jw_open(&jw, '{');
    qn_field_str(&jw, "stage", name);
    qn_field_str(&jw, "key", key);
    qn_field_str(&jw, "command", line.s);
    qn_field_f64(&jw, "seconds", seconds);
    qn_jw_key(&jw, "result");
    qn_jw_raw(&jw, result);
    qn_jw_close(&jw);
    QN_TRY_OUT(qn_jw_end(&jw));
    const char *path = mark_path(d, name, "json");
    rc = path ? qn_write_file(path, text.s, text.n) : QN_ENOMEM;
out:
    qn_buf_drop(&text);
    qn_buf_drop(&line);
    return rc;
}

/* A file or a folder of the demo, if it is there. */
static int remove_made(qn_demo *d, const char *name) {
    const char *path = qn_demo_path(d, name);
    if (!path)
        return QN_ENOMEM;
    if (qn_is_dir(path))
        return qn_dir_remove(path);
    if (qn_is_file(path) && unlink(path) != 0)
        return qn_fail(QN_EIO, "%s cannot be removed", path);
    return 0;
}

/* What the command printed, if it is a whole JSON value; else null. */
static qn_str value_of(const qn_buf *printed) {
    qn_json j;
    qn_str raw = QN_STR("null");
    if (printed->n == 0)
        return raw;
    qn_json_init(&j, printed->s, printed->n, "result");
    if (qn_json_raw(&j, &raw) < 0)
        raw = QN_STR("null");
    qn_json_drop(&j);
    return raw;
}

/* A run that was begun goes on where it stopped, instead of its own command. */
static int go_on(qn_demo *d, const qn_demo_stage *s, bool begun, qn_command *w, bool *resumed) {
    qn_buf manifest = {0};
    const char *run = qn_demo_path(d, s->makes);
    int rc = run ? qn_path_join(&manifest, run, "manifest.json") : QN_ENOMEM;
    *resumed = rc >= 0 && begun && s->resumes && qn_is_file(manifest.s);
    qn_buf_drop(&manifest);
    QN_TRY(rc);
    if (!*resumed)
        return remove_made(d, s->makes);
    QN_TRY(qn_command_add_words(w, "train resume"));
    QN_TRY(qn_command_add(w, qn_demo_path(d, s->makes)));
    return qn_command_add(w, "--json");
}

static bool is_made(qn_demo *d, const char *name) {
    const char *path = qn_demo_path(d, name);
    return path && (qn_is_dir(path) || qn_is_file(path));
}

static int run_command(qn_demo *d, const qn_demo_stage *s, const qn_command *w, qn_buf *printed) {
    const bool begun = has_key(d, s->name, "begun");
    qn_command other = {0};
    bool resumed;
    int rc;
    QN_TRY_OUT(go_on(d, s, begun, &other, &resumed));
    QN_TRY_OUT(write_begun(d, s->name));
    if (resumed)
        QN_TRY_OUT(qn_demo_say(d, "It was begun before; it goes on from its last checkpoint, to the same bits."));
    rc = qn_within_run(d->c, resumed ? &other : w, printed);
out:
    qn_command_drop(&other);
    return rc;
}

static int head(qn_demo *d, const qn_demo_stage *s, const qn_command *w) {
    qn_buf line = {0};
    int rc = qn_command_text(w, &line);
    if (rc >= 0)
        rc = qn_demo_say(d, "\n── %d/%d  %s ──\n%s", d->done, d->stages, s->name, s->before);
    if (rc >= 0 && !qn_cli_flag(d->c, "quiet"))         /* on one line, to be copied */
        rc = qn_out_puts(d->c, "$ ");
    if (rc >= 0 && !qn_cli_flag(d->c, "quiet"))
        rc = qn_out_puts(d->c, line.s);
    if (rc >= 0 && !qn_cli_flag(d->c, "quiet"))
        rc = qn_out_puts(d->c, "\n");
    qn_buf_drop(&line);
    return rc;
}

/* Not done yet, or with other inputs. */
static int do_stage(qn_demo *d, const qn_demo_stage *s, const qn_command *w) {
    const double start = qn_now();
    qn_buf printed = {0};
    int rc;
    QN_TRY_OUT(head(d, s, w));
    QN_TRY_OUT(run_command(d, s, w, &printed));
    QN_TRY_OUT(write_mark(d, s->name, w, qn_now() - start, value_of(&printed)));
    if (s->shows && !qn_cli_flag(d->c, "quiet"))
        QN_TRY_OUT(qn_out_put(d->c, printed.s, printed.n));
    rc = s->after ? s->after(d, value_of(&printed)) : 0;
out:
    qn_buf_drop(&printed);
    return rc;
}

static int tell_of_done(qn_demo *d, const qn_demo_stage *s) {
    qn_buf result = {0};
    int rc = qn_demo_say(d, "\n── %d/%d  %s ──  done before", d->done, d->stages, s->name);
    if (rc >= 0)
        rc = qn_demo_result(d, s->name, &result);
    if (rc >= 0 && s->after)
        rc = s->after(d, qn_buf_view(&result));
    qn_buf_drop(&result);
    return rc;
}

int qn_demo_run(qn_demo *d, const qn_demo_stage *s) {
    qn_command w = {0};
    int rc;
    if (s->wanted && !s->wanted(d))
        return 0;
    d->done++;
    QN_TRY_OUT(qn_cancel_check());
    QN_TRY_OUT(s->command(d, &w));
    d->key = hash_word(s->name, hash_command(d, &w, d->key));
    rc = has_key(d, s->name, "json") && is_made(d, s->makes) ? tell_of_done(d, s) : do_stage(d, s, &w);
out:
    if (rc == QN_ECANCEL && !d->c->out_closed)          /* in its command, or on the way to it */
        rc = qn_fail(rc, "stopped in stage %d of %d (%s); the same command goes on from there", d->done, d->stages,
                     s->name);
    qn_command_drop(&w);
    return rc;
}
