/* record/run.c — a run's folder: made or taken up, locked, and its manifest replaced as a whole.
 *
 * The lock belongs to the open file, not to the process or to a number in it (F_OFD_SETLK): it goes when the process
 * goes, however it ends, and whoever looks (list.c) can ask for it without taking it. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/version.h"
#include "base/json_fields.h"
#include "record/run_file.h"

/* ---- the lock ---------------------------------------------------------------------------------------------------- */

static int lock_busy(const char *dir) {
    return qn_fail(QN_EINVAL, "%s: another process is working on this run; wait for it or stop it first", dir);
}

/* 1: ours; 0: its last holder removed the file between our open and our lock, so it is no lock any more. */
static int try_lock(qn_run *r, const char *path) {
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    struct stat st;
    int rc;
    const int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0666);
    if (fd < 0) {
        qn_fail_errno(path, "open", errno);
        return QN_EIO;
    }
    if (fcntl(fd, F_OFD_SETLK, &whole) == 0)
        rc = fstat(fd, &st) == 0 && st.st_nlink > 0;
    else
        rc = errno == EAGAIN || errno == EACCES ? lock_busy(r->dir) : qn_fail_errno(path, "lock", errno);
    if (rc == 1)
        r->lock = fd;
    else
        close(fd);
    return rc;
}

static int take_lock(qn_run *r) {
    const char *path = qn_run_file(r, QN_RUN_LOCK);
    int rc = path ? 0 : QN_ENOMEM;
    for (int tries = 0; rc == 0 && tries < 100; tries++)
        rc = try_lock(r, path);
    return rc == 0 ? lock_busy(r->dir) : rc;
}

bool qn_run_is_locked(const char *dir) {
    qn_buf path = {0};
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    bool locked = false;
    if (qn_path_join(&path, dir, QN_RUN_LOCK) >= 0) {
        const int fd = open(path.s, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        locked = fd >= 0 && fcntl(fd, F_OFD_GETLK, &whole) == 0 && whole.l_type != F_UNLCK;
        if (fd >= 0)
            close(fd);
    }
    qn_buf_drop(&path);
    return locked;
}

/* ---- the folder -------------------------------------------------------------------------------------------------- */

/* Beside a lock may stand the data of a run that was killed before it had a manifest: only we put one here. */
static bool is_ours(const char *name, bool begun) {
    return !strcmp(name, ".") || !strcmp(name, "..") || !strcmp(name, QN_RUN_LOCK) ||
           (begun && !strcmp(name, QN_RUN_DATA));
}

static int check_empty(qn_run *r, bool begun) {
    const char *manifest = qn_run_file(r, QN_RUN_MANIFEST);
    if (!manifest)
        return QN_ENOMEM;
    if (access(manifest, F_OK) == 0)
        return qn_fail(QN_EINVAL, "%s: holds a run already; `quern train resume %s` goes on with it, another name "
                       "begins a new one", r->dir, r->dir);
    DIR *d = opendir(r->dir);
    if (!d)
        return qn_fail_errno(r->dir, "look into this folder", errno);
    int rc = 0;
    for (const struct dirent *e = readdir(d); e && rc == 0; e = readdir(d))
        if (!is_ours(e->d_name, begun))
            rc = qn_fail(QN_EINVAL, "%s: is not empty (it holds %s); a run begins in a folder of its own", r->dir,
                         e->d_name);
    closedir(d);
    return rc;
}

static int run_new(qn_run **out, const char *dir) {
    qn_run *r = *out = qn_zalloc(QN_MEM_BASE, 1, sizeof *r);
    if (!r)
        return QN_ENOMEM;
    r->lock = -1;
    r->dir = qn_str_dup(QN_MEM_BASE, qn_str_of(dir));
    if (!r->dir)
        return QN_ENOMEM;
    QN_TRY(qn_run_stream_init(&r->metrics, QN_RUN_METRICS));
    return qn_run_stream_init(&r->samples, QN_RUN_SAMPLES);
}

/* Looked at twice: not to leave a lock in a folder of somebody else's, and because another process may have begun a run
 * there between the first look and our lock. */
static int create(qn_run *r) {
    const int made = qn_dir_make(r->dir);
    QN_TRY(made);
    r->made = made == 1;
    const char *lock = qn_run_file(r, QN_RUN_LOCK);
    const bool begun = lock && access(lock, F_OK) == 0;
    QN_TRY(check_empty(r, begun));
    QN_TRY(take_lock(r));
    return check_empty(r, begun);
}

int qn_run_create(qn_run **out, const char *dir) {
    int rc = run_new(out, dir);
    if (rc >= 0)
        rc = create(*out);
    if (rc < 0) {
        qn_run_close(*out);
        *out = NULL;
    }
    return rc;
}

/* Nothing of a run that never began stays behind; the lock is removed while it is still ours. */
static void leave_nothing(qn_run *r) {
    const char *lock = qn_run_file(r, QN_RUN_LOCK);
    if (lock && r->lock >= 0)
        unlink(lock);
    if (r->made)
        rmdir(r->dir);                      /* only if it is empty */
}

void qn_run_close(qn_run *r) {
    if (!r)
        return;
    qn_run_stream_drop(&r->metrics);
    qn_run_stream_drop(&r->samples);
    if (r->dir && !r->began)
        leave_nothing(r);
    if (r->lock >= 0)
        close(r->lock);
    qn_buf_drop(&r->manifest);
    qn_buf_drop(&r->path);
    qn_free(r->dir);
    qn_free(r);
}

const char *qn_run_path(const qn_run *r) { return r->dir; }

const char *qn_run_file(qn_run *r, const char *name) {
    return qn_path_join(&r->path, r->dir, name) < 0 ? NULL : r->path.s;
}

/* ---- reading the manifest ---------------------------------------------------------------------------------------- */

int qn_run_members(qn_str text, const char *path, qn_run_member_fn *each, void *arg) {
    qn_json j;
    qn_str key, value;
    int rc, more;
    qn_json_init(&j, text.s, text.n, path);
    QN_TRY_OUT(qn_json_enter(&j, '{'));
    while ((more = qn_json_key(&j, &key)) > 0) {
        QN_TRY_OUT(qn_json_raw(&j, &value));
        QN_TRY_OUT(each(arg, key, value));
    }
    QN_TRY_OUT(more);
    rc = qn_json_end(&j);
out:
    qn_json_drop(&j);
    return rc;
}

/* What "format" says, as it stands in the text. */
static int take_format(void *found, qn_str key, qn_str value) {
    if (qn_str_is(key, "format"))
        *(qn_str *)found = value;
    return 0;
}

int qn_run_manifest_ours(qn_str text, const char *path) {
    qn_str format = {0};
    QN_TRY(qn_run_members(text, path, take_format, &format));
    return qn_str_is(format, "\"" QN_RUN_FORMAT "\"");
}

int qn_run_manifest_read(qn_buf *text, const char *path) {
    qn_str format = {0};
    QN_TRY(qn_read_file(text, path, QN_RUN_MANIFEST_MAX));
    const int ours = qn_run_manifest_ours(qn_buf_view(text), path);
    if (ours != 0)
        return ours;
    QN_TRY(qn_run_members(qn_buf_view(text), path, take_format, &format));
    if (qn_str_starts(format, "\"quern run "))
        return qn_fail(QN_EFORMAT, "%s: is of another version (%.*s); this quern reads \"" QN_RUN_FORMAT "\": take the "
                       "one that wrote it, or a newer one", path, QN_STR_ARG(format));
    return qn_fail(QN_EFORMAT, "%s: is no manifest of a run (its \"format\" is not \"" QN_RUN_FORMAT "\")", path);
}

static int take_started(void *run, qn_str key, qn_str value) {
    qn_run *r = run;
    if (qn_str_is(key, "started") && value.n >= 2 && value.n - 2 < sizeof r->started)
        snprintf(r->started, sizeof r->started, "%.*s", (int)value.n - 2, value.s + 1);
    return 0;
}

int qn_run_look(const char *dir, const char *manifest) {
    return qn_is_file(manifest) ? 0
                                : qn_fail(QN_ENOTFOUND, "%s: no run there (%s is missing); `quern runs` lists those "
                                          "there are", dir, manifest);
}

static int open_run(qn_run *r) {
    const char *path = qn_run_file(r, QN_RUN_MANIFEST);
    if (!path)
        return QN_ENOMEM;
    QN_TRY(qn_run_look(r->dir, path));
    QN_TRY(take_lock(r));
    path = qn_run_file(r, QN_RUN_MANIFEST);
    QN_TRY(qn_run_manifest_read(&r->manifest, path));
    return qn_run_members(qn_buf_view(&r->manifest), path, take_started, r);
}

int qn_run_open(qn_run **out, const char *dir) {
    int rc = run_new(out, dir);
    if (*out)
        (*out)->began = true;
    if (rc >= 0)
        rc = open_run(*out);
    if (rc < 0) {
        qn_run_close(*out);
        *out = NULL;
    }
    return rc;
}

qn_str qn_run_manifest_text(const qn_run *r) { return qn_buf_view(&r->manifest); }

/* ---- writing the manifest ---------------------------------------------------------------------------------------- */

typedef char time_text[32];
static const char *now_text(time_text out) {
    const time_t now = (time_t)qn_wall();
    struct tm t;
    gmtime_r(&now, &t);
    if (strftime(out, sizeof(time_text), "%Y-%m-%dT%H:%M:%SZ", &t) == 0)
        out[0] = '\0';
    return out;
}

#define SECONDS "seconds_taken"
static const char *const own[] = {"format", "state", "started", "changed"};

static void put_own(qn_run *r, qn_jw *w, const char *state) {
    time_text now;
    now_text(now);
    if (!r->started[0])
        memcpy(r->started, now, sizeof now);
    const char *const value[] = {QN_RUN_FORMAT, state, r->started, now};
    for (size_t i = 0; i < QN_LEN(own); i++)
        qn_field_str(w, own[i], value[i]);
}

static void put_work(qn_jw *w, const qn_run_work *work) {
    qn_field_str(w, "what", work->what);
    qn_jw_key(w, "argv");
    qn_jw_open(w, '[');
    for (int i = 0; i < work->argc; i++)
        qn_jw_str(w, qn_str_of(work->argv[i]));
    qn_jw_close(w);
    qn_field_str(w, "version", QN_VERSION);
    qn_field_str(w, "isa", work->isa);
    qn_jw_key(w, "threads");
    qn_jw_i64(w, work->threads);
    qn_jw_key(w, "machine");
    qn_machine_put(w);
}

/* One who took the run up, as a row of `resumed`. */
static void put_resumer(qn_jw *w, const qn_run_work *work, int64_t step) {
    time_text now;
    qn_jw_open(w, '{');
    qn_field_str(w, "started", now_text(now));
    qn_field_i64(w, "step", step);
    put_work(w, work);
    qn_jw_close(w);
}

typedef struct { qn_jw *w; const qn_run_work *more; int64_t step; bool all; const double *seconds; } copying;

static int copy_array(const copying *c, qn_str array) {
    qn_json j;
    qn_str item;
    int rc, more;
    qn_json_init(&j, array.s, array.n, QN_RUN_MANIFEST);
    QN_TRY_OUT(qn_json_enter(&j, '['));
    while ((more = qn_json_item(&j)) > 0) {
        QN_TRY_OUT(qn_json_raw(&j, &item));
        qn_jw_raw(c->w, item);
    }
    rc = more;
out:
    qn_json_drop(&j);
    return rc;
}

/* Members as they stand; `resumed` with one row more; of those that are written anew none. */
static int copy_member(void *arg, qn_str key, qn_str value) {
    const copying *c = arg;
    for (size_t i = 0; i < QN_LEN(own); i++)
        if (qn_str_is(key, own[i]))
            return 0;
    if (c->seconds && qn_str_is(key, SECONDS))
        return 0;
    const bool resumed = qn_str_is(key, "resumed");
    if (!c->all && !resumed)
        return 0;
    qn_jw_key_str(c->w, key);
    if (!resumed) {
        qn_jw_raw(c->w, value);
        return 0;
    }
    qn_jw_open(c->w, '[');
    QN_TRY(copy_array(c, value));
    if (c->more)
        put_resumer(c->w, c->more, c->step);
    qn_jw_close(c->w);
    return 0;
}

/* The text takes the place of the old one, on disk and then here. */
static int store(qn_run *r, qn_jw *w, qn_buf *text) {
    qn_jw_close(w);
    QN_TRY(qn_jw_end(w));
    QN_TRY(qn_buf_putc(text, '\n'));
    const char *path = qn_run_file(r, QN_RUN_MANIFEST);
    if (!path)
        return QN_ENOMEM;
    QN_TRY(qn_write_file(path, text->s, text->n));
    const qn_buf old = r->manifest;
    r->manifest = *text;
    r->began = true;
    *text = old;
    return 0;
}

static int first_or_again(qn_run *r, qn_jw *w, const qn_run_work *work, qn_manifest_fn *fill, void *arg) {
    put_work(w, work);
    if (fill)
        QN_TRY(fill(arg, w));
    if (r->manifest.n)
        return qn_run_members(qn_buf_view(&r->manifest), QN_RUN_MANIFEST, copy_member, &(copying){.w = w});
    qn_jw_key(w, "resumed");
    qn_jw_open(w, '[');
    qn_jw_close(w);
    return 0;
}

int qn_run_manifest(qn_run *r, const qn_run_work *work, const char *state, qn_manifest_fn *fill, void *arg) {
    qn_buf text = {0};
    qn_jw w;
    qn_jw_init(&w, &text, 2);
    qn_jw_open(&w, '{');
    put_own(r, &w, state);
    int rc = first_or_again(r, &w, work, fill, arg);
    if (rc >= 0)
        rc = store(r, &w, &text);
    qn_buf_drop(&text);
    return rc;
}

/* seconds NULL: as it stands. */
static int edit(qn_run *r, const char *state, const qn_run_work *more, int64_t step, const double *seconds) {
    qn_buf text = {0};
    qn_jw w;
    qn_assert(r->manifest.n > 0);                               /* qn_run_manifest comes first */
    qn_jw_init(&w, &text, 2);
    qn_jw_open(&w, '{');
    put_own(r, &w, state);
    if (seconds)
        qn_field_f64(&w, SECONDS, *seconds);
    copying c = {.w = &w, .more = more, .step = step, .all = true, .seconds = seconds};
    int rc = qn_run_members(qn_buf_view(&r->manifest), QN_RUN_MANIFEST, copy_member, &c);
    if (rc >= 0)
        rc = store(r, &w, &text);
    qn_buf_drop(&text);
    return rc;
}

static int close_as(qn_run *r, const char *state, const double *seconds) {
    for (int i = 0; i < 2; i++) {
        qn_append_file *f = i == 0 ? &r->metrics.file : &r->samples.file;
        if (f->path)
            QN_TRY(qn_append_sync(f));
    }
    return edit(r, state, NULL, 0, seconds);
}

int qn_run_state(qn_run *r, const char *state) { return close_as(r, state, NULL); }
int qn_run_ended(qn_run *r, const char *state, double seconds) { return close_as(r, state, &seconds); }

int qn_run_resumed(qn_run *r, const qn_run_work *work, int64_t step) { return edit(r, "running", work, step, NULL); }
