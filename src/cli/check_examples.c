/* cli/check_examples.c — examples as a model is taught them: each with its tokens, then what they are together. */
#include "cli/check_examples.h"

#include "base/file.h"
#include "base/json_fields.h"
#include "cli/data_args.h"
#include "cli/example_args.h"
#include "cli/show_tokens.h"
#include "data/example_file.h"

typedef struct {
    qn_cli *c;
    bool color;
    qn_source *source;
    qn_chat_model chat;
    qn_examples *e;
    qn_examples_stats s;
    qn_rows_stats rows;             /* of the training split, packed */
    qn_buf text;
    bool *taught; size_t cap;
} job;

int qn_check_is_examples(const char *const *path, size_t n, bool meant, bool *is) {
    qn_example_sniffed found;
    *is = false;
    for (size_t i = 0; i < n && !*is; i++) {
        if (!qn_is_file(path[i]))
            continue;
        QN_TRY(qn_example_sniff(path[i], &found));
        *is = found.form == QN_FORM_NONE ? meant && found.objects : found.form != QN_FORM_TEXT;
    }
    return 0;
}

/* ---- opening ---- */

static int pack(job *j) {
    const qn_rows_options o = {.context = qn_examples_context(j->e), .seed = (uint64_t)qn_cli_int(j->c, "seed")};
    qn_rows *rows;
    if (qn_examples_count(j->e, QN_SPLIT_TRAIN) == 0)
        return 0;
    const int rc = qn_rows_of_examples(&rows, j->e, &o);
    if (rc == QN_EINVAL)                        /* all labels are bad ones: nothing stands in rows */
        return 0;
    QN_TRY(rc);
    qn_rows_stats_get(rows, &j->rows);
    qn_rows_free(rows);
    return 0;
}

static int open_all(job *j, const char *const *path, size_t n, const char *model) {
    qn_example_args a;
    QN_TRY(qn_example_args_read(j->c, path, n, qn_cli_int(j->c, "context"), &a));
    a.o.teach.teach = (qn_teach)qn_cli_enum(j->c, "teach");
    if (!qn_cli_given(j->c, "validation"))      /* as it will be when they are trained with */
        QN_TRY(qn_data_args_share(QN_EXAMPLES_SHARE, &a.o.validation));
    QN_TRY(qn_source_open(&j->source, model));
    QN_TRY(qn_chat_model_open(&j->chat, j->source));
    QN_TRY(qn_example_args_open(j->c, &a.o, &j->chat, &j->e));
    qn_examples_stats_get(j->e, &j->s);
    return pack(j);
}

/* ---- one example ---- */

static int64_t count_taught(const qn_example_part *p) {
    int64_t n = 0;
    for (int64_t i = 1; i < p->n; i++)
        n += p->taught[i];
    return n;
}

static int show_part(job *j, const qn_example_part *p, qn_buf *out) {
    QN_TRY(QN_GROW(QN_MEM_CLI, j->taught, j->cap, (size_t)p->n));
    for (int64_t i = 0; i < p->n; i++)
        j->taught[i] = i > 0 && p->taught[i];
    return qn_show_tokens(out, j->chat.tok, p->ids, j->taught, (size_t)p->n, j->color);
}

static const char *name_of(const job *j, const qn_example *e, int k) {
    if (e->parts == 2)
        return k ? "rejected" : "chosen";
    return j->s.form != QN_FORM_LABELS ? "example" : e->good ? "good answer" : "bad answer";
}

static int put_example(job *j, const qn_example *e) {
    const char *file = qn_examples_file(j->e, e->file);
    for (int k = 0; k < e->parts; k++) {
        const qn_example_part *p = &e->part[k];
        QN_TRY(qn_out_puts(j->c, j->color ? "\033[33m" : ""));
        QN_TRY(qn_out_printf(j->c, "── %s%srow %lld: %s, %lld tokens, %lld of them taught ──", file,
                             *file ? ", " : "", (long long)e->row, name_of(j, e, k), (long long)p->n,
                             (long long)count_taught(p)));
        QN_TRY(qn_out_puts(j->c, j->color ? "\033[0m\n" : "\n"));
        qn_buf_clear(&j->text);
        QN_TRY(show_part(j, p, &j->text));
        QN_TRY(qn_out_put(j->c, j->text.s ? j->text.s : "", j->text.n));
        QN_TRY(qn_out_puts(j->c, "\n\n"));
    }
    return 0;
}

static int put_example_json(job *j, qn_jw *w, const qn_example *e) {
    qn_jw_open(w, '{');
    qn_field_i64(w, "file", e->file);
    qn_field_i64(w, "row", e->row);
    qn_jw_key(w, "parts");
    qn_jw_open(w, '[');
    for (int k = 0; k < e->parts; k++) {
        const qn_example_part *p = &e->part[k];
        qn_jw_open(w, '{');
        qn_field_str(w, "part", name_of(j, e, k));
        qn_field_i64(w, "tokens", p->n);
        qn_field_i64(w, "prompt", p->prompt);
        qn_field_i64(w, "taught", count_taught(p));
        qn_field_i32s(w, "ids", p->ids, (size_t)p->n);
        qn_jw_key(w, "mask");
        qn_jw_open(w, '[');
        for (int64_t i = 0; i < p->n; i++)
            qn_jw_i64(w, i > 0 && p->taught[i]);
        qn_jw_close(w);
        qn_jw_close(w);
    }
    qn_jw_close(w);
    qn_jw_close(w);
    return 0;
}

static int put_examples(job *j, qn_jw *w) {
    const qn_split split = (qn_split)qn_cli_enum(j->c, "split");
    const int64_t n = QN_MIN(qn_cli_int(j->c, "rows"), qn_examples_count(j->e, split));
    for (int64_t i = 0; i < n; i++) {
        qn_example e;
        qn_examples_get(j->e, split, i, &e);
        QN_TRY(w ? put_example_json(j, w, &e) : put_example(j, &e));
    }
    return 0;
}

/* ---- all of them ---- */

static int put_text(job *j) {
    const qn_examples_stats *s = &j->s;
    qn_buf lost = {0};
    QN_TRY(put_examples(j, NULL));
    QN_TRY(qn_out_printf(j->c, "form          %s; %s\n", qn_example_form_name(s->form),
                         j->chat.prompter.own ? "the model's own chat template" : "ChatML, for want of a template"));
    QN_TRY(qn_out_printf(j->c, "examples      %lld out of %lld rows; %lld to train on, %lld held out\n",
                         (long long)s->examples, (long long)s->rows,
                         (long long)qn_examples_count(j->e, QN_SPLIT_TRAIN),
                         (long long)qn_examples_count(j->e, QN_SPLIT_VALIDATION)));
    QN_TRY(qn_out_printf(j->c, "tokens        %lld, %lld of them taught (%.1f %%); the longest example had %lld\n",
                         (long long)s->tokens, (long long)s->taught,
                         100 * (double)s->taught / (double)QN_MAX(s->tokens, 1), (long long)s->longest));
    QN_TRY(qn_out_printf(j->c, "rows          %lld of %lld tokens, %.1f %% full\n", (long long)j->rows.rows,
                         (long long)qn_examples_context(j->e), 100 * j->rows.fill));
    int rc = qn_examples_losses(j->e, &lost);
    if (rc >= 0)
        rc = qn_out_printf(j->c, "left out      %s\n", lost.n ? lost.s : "nothing");
    qn_buf_drop(&lost);
    return rc;
}

/* What was said of such rows, with the first that it was said of. */
static void put_reasons(const job *j, qn_jw *w, qn_example_fault f) {
    qn_field_open(w, "reasons", '[');
    for (int64_t i = 0; i < j->s.reasons; i++) {
        const qn_fault_reason *r = &j->s.reason[i];
        if (r->fault != f)
            continue;
        qn_jw_open(w, '{');
        qn_field_str(w, "says", r->text);
        qn_field_i64(w, "rows", r->n);
        qn_field_i64(w, "first", r->row);
        qn_field_i64(w, "in", r->file);
        qn_jw_close(w);
    }
    qn_jw_close(w);
}

static void put_faults(const job *j, qn_jw *w) {
    qn_jw_key(w, "left_out");
    qn_jw_open(w, '[');
    for (int f = 1; f < QN_FAULTS; f++) {
        const qn_fault_count *c = &j->s.fault[f];
        if (c->n == 0)
            continue;
        qn_jw_open(w, '{');
        qn_field_str(w, "why", qn_example_fault_name((qn_example_fault)f));
        qn_field_i64(w, "rows", c->n);
        qn_jw_key(w, "first");
        qn_jw_open(w, '[');
        for (int64_t i = 0; i < QN_MIN(c->n, QN_FAULT_ROWS); i++)
            qn_jw_i64(w, c->row[i]);
        qn_jw_close(w);
        qn_field_open(w, "in", '[');
        for (int64_t i = 0; i < QN_MIN(c->n, QN_FAULT_ROWS); i++)
            qn_jw_i64(w, c->file[i]);
        qn_jw_close(w);
        put_reasons(j, w, (qn_example_fault)f);
        qn_jw_close(w);
    }
    qn_jw_close(w);
}

static int put_json(job *j) {
    const qn_examples_stats *s = &j->s;
    qn_jw *w = qn_out_json(j->c, 2);
    const struct { const char *key; int64_t v; } counts[] = {
        {"rows", s->rows}, {"examples", s->examples}, {"tokens", s->tokens}, {"taught", s->taught},
        {"longest", s->longest}, {"train", qn_examples_count(j->e, QN_SPLIT_TRAIN)},
        {"validation", qn_examples_count(j->e, QN_SPLIT_VALIDATION)}, {"cut", s->cut}, {"turnwise", s->turnwise},
        {"calls_written", s->calls_written}, {"tools_lost", s->tools_lost}, {"rendered", s->rendered.n},
        {"leaked", s->leaked}, {"new_tokens", j->chat.n_added}, {"context", qn_examples_context(j->e)},
        {"packed_rows", j->rows.rows},
    };
    qn_jw_open(w, '{');
    qn_field_str(w, "form", qn_example_form_name(s->form));
    for (size_t i = 0; i < QN_LEN(counts); i++)
        qn_field_i64(w, counts[i].key, counts[i].v);
    qn_field_f64(w, "fill", j->rows.fill);
    put_faults(j, w);
    qn_field_str(w, "fingerprint", qn_examples_fingerprint(j->e));
    qn_jw_key(w, "shown");
    qn_jw_open(w, '[');
    QN_TRY(put_examples(j, w));
    qn_jw_close(w);
    qn_jw_close(w);
    return qn_out_json_end(j->c);
}

int qn_check_examples(qn_cli *c, const char *const *path, size_t n, const char *model, bool color) {
    job j = {.c = c, .color = color};
    int rc;
    if (!model)
        return qn_fail(QN_EUSAGE, "--model is missing: these are examples, and how they become tokens its chat "
                       "template says");
    rc = open_all(&j, path, n, model);
    if (rc >= 0)
        rc = qn_cli_json(c) ? put_json(&j) : put_text(&j);
    qn_examples_free(j.e);
    qn_chat_model_drop(&j.chat);
    qn_source_close(j.source);
    qn_buf_drop(&j.text);
    qn_free(j.taught);
    return rc;
}
