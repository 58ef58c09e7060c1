/* record/metrics.c — metrics.jsonl and samples.jsonl: a line a step, appended in one write; and back to a step.
 *
 *     {"step":99,…}⏎{"step":100,…}⏎{"step":101,…}⏎{"step":102,"lo
 *     └─────────── kept ──────────┘└── later ───┘└─ cut by a kill ┘     taken up from the checkpoint of step 100 */
#include <math.h>
#include <string.h>

#include "record/run_file.h"

#define LINE_RESERVE ((size_t)8 << 10)      /* no line of figures is longer: a step allocates nothing */

/* ---- appending --------------------------------------------------------------------------------------------------- */

int qn_run_stream_init(qn_run_stream *s, const char *name) {
    s->name = name;
    return qn_buf_reserve(&s->line, LINE_RESERVE);
}

void qn_run_stream_drop(qn_run_stream *s) {
    qn_append_close(&s->file);
    qn_buf_drop(&s->line);
}

static qn_jw *begin(qn_run_stream *s) {
    qn_buf_clear(&s->line);
    qn_jw_init(&s->w, &s->line, 0);
    qn_jw_open(&s->w, '{');
    return &s->w;
}

static int open_stream(qn_run *r, qn_run_stream *s) {
    const char *path = qn_run_file(r, s->name);
    return path ? qn_append_open(&s->file, path) : QN_ENOMEM;
}

static int end(qn_run *r, qn_run_stream *s) {
    qn_jw_close(&s->w);
    QN_TRY(qn_jw_end(&s->w));
    QN_TRY(qn_buf_putc(&s->line, '\n'));
    if (!s->file.path)
        QN_TRY(open_stream(r, s));
    return qn_append_write(&s->file, s->line.s, s->line.n);
}

qn_jw *qn_run_metrics(qn_run *r) { return begin(&r->metrics); }
int qn_run_metrics_end(qn_run *r) { return end(r, &r->metrics); }
qn_jw *qn_run_sample(qn_run *r) { return begin(&r->samples); }
int qn_run_sample_end(qn_run *r) { return end(r, &r->samples); }

/* ---- one line ---------------------------------------------------------------------------------------------------- */

static int read_number(qn_json *j, double *value) {
    const int kind = qn_json_peek(j);
    bool b;
    if (kind == '0')
        return qn_json_f64(j, value);
    if (kind != 't' && kind != 'f')
        return qn_json_skip(j);
    QN_TRY(qn_json_bool(j, &b));
    *value = b;
    return 0;
}

static int read_member(qn_json *j, qn_str key, const char *const *keys, size_t n, double *value) {
    for (size_t i = 0; i < n; i++)
        if (qn_str_is(key, keys[i]))
            return read_number(j, &value[i]);
    return qn_json_skip(j);
}

static int read_members(qn_json *j, const char *const *keys, size_t n, double *value) {
    qn_str key;
    int more;
    QN_TRY(qn_json_enter(j, '{'));
    while ((more = qn_json_key(j, &key)) > 0)
        QN_TRY(read_member(j, key, keys, n, value));
    QN_TRY(more);
    return qn_json_end(j);
}

bool qn_run_line(qn_str line, const char *const *keys, size_t n, double *value) {
    qn_json j;
    for (size_t i = 0; i < n; i++)
        value[i] = NAN;
    qn_json_init(&j, line.s, line.n, "");
    const bool whole = read_members(&j, keys, n, value) >= 0;
    qn_json_drop(&j);
    return whole;
}

bool qn_run_step(double value, int64_t *step) {
    if (!(value >= 0 && value <= 9e15) || value != (double)(int64_t)value)      /* NaN too */
        return false;
    *step = (int64_t)value;
    return true;
}

/* ---- back to a step ---------------------------------------------------------------------------------------------- */

typedef enum { KEPT, LATER, BROKEN } verdict;

/* A last line without its end was cut, even where it happens to be whole JSON. */
static verdict judge(qn_str line, bool ended, int64_t last) {
    static const char *const keys[] = {"step"};
    double value;
    int64_t step;
    if (!ended || !qn_run_line(line, keys, 1, &value) || !qn_run_step(value, &step))
        return BROKEN;
    return step <= last ? KEPT : LATER;
}

typedef struct {
    const qn_map_file *m;
    qn_out_file out;
    bool copying;               /* something was dropped, so `out` is open and holds what was kept before */
    size_t from;                /* where the run of kept lines begins that is not copied yet */
    int64_t later, broken;
} cleaning;

/* What is kept up to `end` goes out; what follows the dropped line begins at `next`. */
static int leave_out(cleaning *c, const char *path, size_t end, size_t next) {
    if (!c->copying)
        QN_TRY(qn_out_open(&c->out, path));
    c->copying = true;
    if (end > c->from)
        QN_TRY(qn_out_write(&c->out, c->m->s + c->from, end - c->from));
    c->from = next;
    return 0;
}

static int clean(cleaning *c, const char *path, int64_t last) {
    const qn_map_file *m = c->m;
    for (size_t at = 0, next; at < m->n; at = next) {
        const char *newline = memchr(m->s + at, '\n', m->n - at);
        const size_t end = newline ? (size_t)(newline - m->s) : m->n;
        next = newline ? end + 1 : end;
        const verdict v = judge((qn_str){m->s + at, end - at}, newline != NULL, last);
        if (v == KEPT)
            continue;
        c->later += v == LATER;
        c->broken += v == BROKEN;
        QN_TRY(leave_out(c, path, at, next));
    }
    if (!c->copying)
        return 0;
    QN_TRY(leave_out(c, path, m->n, m->n));
    return qn_out_commit(&c->out);
}

static int rewind_stream(qn_run *r, qn_run_stream *s, int64_t step) {
    qn_map_file m;
    const char *path = qn_run_file(r, s->name);
    if (!path)
        return QN_ENOMEM;
    qn_append_close(&s->file);                  /* the name is going to be another file's */
    if (!qn_is_file(path))
        return 0;
    QN_TRY(qn_map_open(&m, path));
    cleaning c = {.m = &m, .out = {.fd = -1}};
    const int rc = clean(&c, path, step);
    if (rc >= 0 && c.broken)
        qn_log(QN_LOG_WARN, "%s: %lld broken line(s) dropped", path, (long long)c.broken);
    if (rc >= 0 && c.later)
        qn_log(QN_LOG_INFO, "%s: %lld line(s) behind step %lld dropped", path, (long long)c.later, (long long)step);
    qn_out_drop(&c.out);
    qn_map_close(&m);
    return rc;
}

int qn_run_rewind(qn_run *r, int64_t step) {
    QN_TRY(rewind_stream(r, &r->metrics, step));
    return rewind_stream(r, &r->samples, step);
}
