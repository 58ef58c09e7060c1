/* record/list.c — the runs below a folder. Only looks: it takes no lock and changes nothing, so it may be done beside a
 * process that works on a run.
 *
 * The last figures of a run are read from the end of its metrics backwards, because a run may have a million lines and
 * an evaluation stands in few of them. Nothing is mapped: a full disk may shorten the file while we look. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "record/run_file.h"

#define DEPTH 3
#define TAIL ((int64_t)4 << 20)         /* what stands further back than this is not looked for */

/* ---- one run ----------------------------------------------------------------------------------------------------- */

/* A JSON string's text, decoded; NULL where memory ran out. */
static char *decoded(qn_str value) {
    qn_json j;
    qn_buf b = {0};
    char *copy = NULL;
    qn_json_init(&j, value.s, value.n, "");
    if (qn_json_string(&j, &b) >= 0)
        copy = qn_str_dup(QN_MEM_BASE, qn_buf_view(&b));
    qn_json_drop(&j);
    qn_buf_drop(&b);
    return copy;
}

static int take_member(void *arg, qn_str key, qn_str value) {
    qn_run_row *row = arg;
    static const char *const names[] = {"state", "started", "what"};
    char **const text[] = {&row->state, &row->started, &row->what};
    double steps;
    for (size_t i = 0; i < QN_LEN(names); i++)
        if (qn_str_is(key, names[i]) && !*text[i] && value.n && value.s[0] == '"') {
            *text[i] = decoded(value);
            return *text[i] ? 0 : QN_ENOMEM;
        }
    if (qn_str_is(key, "steps") && qn_parse_f64(value, &steps) && !qn_run_step(steps, &row->steps))
        row->steps = 0;
    return 0;
}

/* What the manifest does not say is empty, not NULL. */
static int fill_gaps(qn_run_row *row) {
    char **const text[] = {&row->state, &row->started, &row->what};
    for (size_t i = 0; i < QN_LEN(text); i++)
        if (!*text[i] && !(*text[i] = qn_str_dup(QN_MEM_BASE, QN_STR(""))))
            return QN_ENOMEM;
    return 0;
}

/* The last `most` bytes of a file, from the first whole line on. */
static int read_tail(qn_buf *b, const char *path, int64_t most) {
    struct stat st;
    int rc = 0;
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        rc = qn_fail_errno(path, "read", fd < 0 ? errno : EINVAL);
    } else {
        const int64_t from = QN_MAX(st.st_size - most, 0);
        rc = qn_buf_reserve(b, (size_t)(st.st_size - from));
        const ssize_t got = rc < 0 ? 0 : pread(fd, b->s, (size_t)(st.st_size - from), from);
        if (got < 0)
            rc = qn_fail_errno(path, "read", errno);
        else
            b->n = (size_t)got;
    }
    if (fd >= 0)
        close(fd);
    return rc;
}

typedef struct { double *v; size_t n, cap; } speeds;

static int add_speed(speeds *s, double v) {
    if (!isfinite(v))
        return 0;
    QN_TRY(QN_GROW(QN_MEM_BASE, s->v, s->cap, s->n + 1));
    s->v[s->n++] = v;
    return 0;
}

/* From the last line to the first. A line that begins before the tail is broken here. */
static int take_figures(qn_run_row *row, qn_str text, speeds *speed) {
    static const char *const keys[] = {"loss", "eval_loss", "tokens_per_second", "step"};
    enum { LOSS, EVAL_LOSS, SPEED, STEP, KEYS };
    bool stepped = false;
    const char *end = text.n ? memrchr(text.s, '\n', text.n) : NULL;
    while (end) {
        const char *before = memrchr(text.s, '\n', (size_t)(end - text.s));
        const char *start = before ? before + 1 : text.s;
        double value[KEYS];
        const bool whole = qn_run_line((qn_str){start, (size_t)(end - start)}, keys, KEYS, value);
        end = before;
        if (!whole)
            continue;
        stepped = stepped || qn_run_step(value[STEP], &row->step);
        row->loss = isnan(row->loss) ? value[LOSS] : row->loss;
        row->eval_loss = isnan(row->eval_loss) ? value[EVAL_LOSS] : row->eval_loss;
        QN_TRY(add_speed(speed, value[SPEED]));
    }
    row->tokens_per_second = qn_run_median(speed->v, speed->n);
    return 0;
}

static int read_figures(qn_run_row *row) {
    qn_buf path = {0}, text = {0};
    speeds speed = {0};
    int rc = qn_path_join(&path, row->path, QN_RUN_METRICS);
    if (rc >= 0 && qn_is_file(path.s)) {
        rc = read_tail(&text, path.s, TAIL);
        if (rc >= 0)
            rc = take_figures(row, qn_buf_view(&text), &speed);
    }
    qn_free(speed.v);
    qn_buf_drop(&path);
    qn_buf_drop(&text);
    return rc;
}

static void row_drop(qn_run_row *row) {
    qn_free(row->path);
    qn_free(row->state);
    qn_free(row->started);
    qn_free(row->what);
}

static int read_row(qn_run_row *row, const char *dir, qn_str manifest) {
    *row = (qn_run_row){.loss = NAN, .eval_loss = NAN, .tokens_per_second = NAN};
    row->path = qn_str_dup(QN_MEM_BASE, qn_str_of(dir));
    if (!row->path)
        return QN_ENOMEM;
    QN_TRY(qn_run_members(manifest, QN_RUN_MANIFEST, take_member, row));
    QN_TRY(fill_gaps(row));
    if (strcmp(row->state, "running") == 0 && !qn_run_is_locked(dir)) {
        qn_free(row->state);
        row->state = qn_str_dup(QN_MEM_BASE, QN_STR("interrupted"));
        if (!row->state)
            return QN_ENOMEM;
    }
    return read_figures(row);
}

static int add_row(qn_run_list *l, const char *dir, qn_str manifest) {
    QN_TRY(QN_GROW(QN_MEM_BASE, l->row, l->cap, l->n + 1));
    const int rc = read_row(&l->row[l->n], dir, manifest);
    if (rc < 0)
        row_drop(&l->row[l->n]);
    else
        l->n++;
    return rc;
}

int qn_run_list_one(qn_run_list *l, const char *dir, qn_buf *manifest) {
    qn_buf path = {0}, text = {0};
    int rc;
    *l = (qn_run_list){0};
    QN_TRY_OUT(qn_path_join(&path, dir, QN_RUN_MANIFEST));
    QN_TRY_OUT(qn_run_look(dir, path.s));
    QN_TRY_OUT(qn_run_manifest_read(&text, path.s));
    QN_TRY_OUT(add_row(l, dir, qn_buf_view(&text)));
    if (manifest)
        rc = qn_buf_put(manifest, text.s, text.n);
out:
    if (rc < 0)
        qn_run_list_drop(l);
    qn_buf_drop(&path);
    qn_buf_drop(&text);
    return rc;
}

/* ---- all below a folder ------------------------------------------------------------------------------------------ */

/* Memory ends the search; whatever else is wrong with one folder is said, and the others are looked at. */
static int pass_over(int rc) {
    if (rc < 0 && rc != QN_ENOMEM) {
        qn_log(QN_LOG_WARN, "passed over: %s", qn_error_message());
        rc = 0;
    }
    return rc;
}

/* 1: this folder is a run (or something broken that says so), whose insides are its own affair. */
static int try_run(qn_run_list *l, const char *dir) {
    qn_buf path = {0}, text = {0};
    int rc, ours = 0;
    QN_TRY_OUT(qn_path_join(&path, dir, QN_RUN_MANIFEST));
    if (!qn_is_file(path.s))
        goto out;
    QN_TRY_OUT(qn_read_file(&text, path.s, QN_RUN_MANIFEST_MAX));
    QN_TRY_OUT((ours = qn_run_manifest_ours(qn_buf_view(&text), path.s)));
    if (ours)
        rc = add_row(l, dir, qn_buf_view(&text));
out:
    qn_buf_drop(&path);
    qn_buf_drop(&text);
    rc = pass_over(rc);
    return rc < 0 ? rc : ours != 0;
}

static bool is_folder(const char *path) {
    struct stat st;
    return lstat(path, &st) == 0 && S_ISDIR(st.st_mode);        /* a link may lead in a circle */
}

/* Names are gathered before any is entered, so that one folder is open at a time. */
static int gather(qn_buf *names, const char *dir) {
    int rc = 0;
    DIR *d = opendir(dir);
    if (!d)
        return qn_fail_errno(dir, "look into this folder", errno);
    for (const struct dirent *e = readdir(d); e && rc >= 0; e = readdir(d))
        if (e->d_name[0] != '.' && (e->d_type == DT_DIR || e->d_type == DT_UNKNOWN))
            rc = qn_buf_put(names, e->d_name, strlen(e->d_name) + 1);
    closedir(d);
    return rc;
}

static int walk(qn_run_list *l, const char *dir, int depth);
static int walk_below(qn_run_list *l, const char *dir, int depth) {
    qn_buf names = {0}, path = {0};
    int rc;
    QN_TRY_OUT(gather(&names, dir));
    for (size_t at = 0; at < names.n; at += strlen(names.s + at) + 1) {
        const char *name = names.s + at;
        QN_TRY_OUT(strcmp(dir, ".") == 0 ? (qn_buf_clear(&path), qn_buf_puts(&path, name))
                                         : qn_path_join(&path, dir, name));
        if (is_folder(path.s))
            QN_TRY_OUT(walk(l, path.s, depth + 1));
    }
out:
    qn_buf_drop(&names);
    qn_buf_drop(&path);
    return rc;
}

static int walk(qn_run_list *l, const char *dir, int depth) {
    const int run = try_run(l, dir);
    if (run != 0 || depth == DEPTH)
        return run < 0 ? run : 0;
    const int rc = walk_below(l, dir, depth);
    return depth == 0 ? rc : pass_over(rc);
}

static int newest_first(const void *a, const void *b) {
    const qn_run_row *x = a, *y = b;
    const int by_time = strcmp(y->started, x->started);
    return by_time ? by_time : strcmp(x->path, y->path);
}

int qn_run_list_read(qn_run_list *l, const char *dir) {
    *l = (qn_run_list){0};
    const int rc = walk(l, dir, 0);
    if (rc < 0)
        qn_run_list_drop(l);
    else if (l->n)
        qsort(l->row, l->n, sizeof *l->row, newest_first);
    return rc;
}

void qn_run_list_drop(qn_run_list *l) {
    for (size_t i = 0; i < l->n; i++)
        row_drop(&l->row[i]);
    qn_free(l->row);
    *l = (qn_run_list){0};
}
