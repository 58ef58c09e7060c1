/* data/examples.c — rows to conversations to ids; what is left out and why; which examples are held out. */
#include "data/examples_impl.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "data/example_file.h"

typedef struct {
    qn_examples *e;
    qn_prompter *p;
    const qn_tok *tok;
    const qn_examples_options *o;
    qn_example_row row;
    const char *place;
    qn_ids ids[2];
    qn_buf taught[2];
    int64_t file, number;
    qn_split split;
    qn_example_form form;               /* of this file; NONE: its first row is to come */
    bool rendered;                      /* this row: special tokens among its words */
} job;

/* ---- faults ---- */

static void count_row(const job *j, qn_fault_count *c) {
    if (c->n < QN_FAULT_ROWS) {
        c->row[c->n] = j->number;
        c->file[c->n] = j->file;
    }
    c->n++;
}

static int left_out(job *j, qn_example_fault f) {
    if (j->o->strict)
        return qn_fail(QN_EINVAL, "%s: %s", j->place, qn_example_fault_name(f));
    count_row(j, &j->e->stats.fault[f]);
    return 0;
}

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

/* The same but for numbers, which are of a row: "message 3", "message 7". */
static bool say_the_same(const char *a, const char *b) {
    while (*a && *b) {
        const char *const from[] = {a, b};
        while (is_digit(*a))
            a++;
        while (is_digit(*b))
            b++;
        if ((a > from[0]) != (b > from[1]) || *a != *b)
            return false;
        a += *a != 0;
        b += *b != 0;
    }
    return *a == *b;
}

static void count_reason(job *j, qn_example_fault f, const char *why) {
    qn_examples_stats *s = &j->e->stats;
    for (int64_t i = 0; i < s->reasons; i++)
        if (s->reason[i].fault == f && say_the_same(s->reason[i].text, why)) {
            s->reason[i].n++;
            return;
        }
    if (s->reasons == QN_REASONS) {
        s->unsaid++;
        return;
    }
    qn_fault_reason *r = &s->reason[s->reasons++];
    *r = (qn_fault_reason){.fault = f, .n = 1, .row = j->number, .file = j->file};
    snprintf(r->text, sizeof r->text, "%s", why);
}

/* Why stands in the message that is there; where the row stands is known without it. */
static int left_out_because(job *j, qn_example_fault f) {
    char why[QN_FAULT_WHY];
    const char *said = qn_error_message();
    const size_t n = strlen(j->place);
    if (strncmp(said, j->place, n) == 0)
        said += n + strspn(said + n, ": 0123456789");
    snprintf(why, sizeof why, "%s", said);
    const size_t broken = qn_utf8_check(why, strlen(why));      /* what is quoted of a row may end anywhere */
    if (broken != QN_UTF8_OK)
        why[broken] = 0;
    if (j->o->strict)
        return qn_fail(QN_EINVAL, "%s: %s: %s", j->place, qn_example_fault_name(f), why);
    count_reason(j, f, why);
    return left_out(j, f);
}

const char *qn_examples_file(const qn_examples *e, int64_t i) {
    return e->n_files > 1 && i >= 0 && (size_t)i < e->n_files ? e->file[i] : "";
}

static int put_row(qn_buf *out, const qn_examples *e, const qn_fault_count *c, int64_t i) {
    const char *file = qn_examples_file(e, c->file[i]);
    return qn_buf_printf(out, "%s%s%lld", file, *file ? ":" : "", (long long)c->row[i]);
}

static int put_count(qn_buf *out, int64_t n, const char *what) {
    return n ? qn_buf_printf(out, "%s%lld × %s", out->n ? "; " : "", (long long)n, what) : 0;
}

/* "3 × an empty answer (rows 4, 9, 12)" */
static int put_rows(qn_buf *out, const qn_examples *e, const qn_fault_count *c, const char *what) {
    QN_TRY(put_count(out, c->n, what));
    for (int64_t i = 0; i < QN_MIN(c->n, QN_FAULT_ROWS); i++) {
        QN_TRY(qn_buf_puts(out, i ? ", " : c->n > 1 ? " (rows " : " (row "));
        QN_TRY(put_row(out, e, c, i));
    }
    return c->n ? qn_buf_puts(out, c->n > QN_FAULT_ROWS ? " …)" : ")") : 0;
}

/* ": this (row 4) | that (row 9)" */
static int put_reasons(qn_buf *out, const qn_examples *e, qn_example_fault f) {
    const qn_examples_stats *s = &e->stats;
    const char *between = ": ";
    for (int64_t i = 0; i < s->reasons; i++) {
        const qn_fault_reason *r = &s->reason[i];
        if (r->fault != f)
            continue;
        const char *file = qn_examples_file(e, r->file);
        QN_TRY(qn_buf_printf(out, "%s%s (row %s%s%lld)", between, r->text, file, *file ? ":" : "", (long long)r->row));
        between = " | ";
    }
    return 0;
}

static int put_fault(qn_buf *out, const qn_examples *e, qn_example_fault f) {
    QN_TRY(put_rows(out, e, &e->stats.fault[f], qn_example_fault_name(f)));
    return put_reasons(out, e, f);
}

int qn_examples_losses(const qn_examples *e, qn_buf *out) {
    const qn_examples_stats *s = &e->stats;
    for (int f = 1; f < QN_FAULTS; f++)
        QN_TRY(put_fault(out, e, (qn_example_fault)f));
    QN_TRY(put_count(out, s->unsaid, "of these for yet another reason"));
    QN_TRY(put_rows(out, e, &s->rendered, "a chat template's special tokens among the words: if it was applied "
                    "already, it is applied twice, so give the bare messages"));
    QN_TRY(put_count(out, s->cut, "cut to the context at the end"));
    QN_TRY(put_count(out, s->turnwise, "taught turn by turn, because the template rewrites the past"));
    QN_TRY(put_count(out, s->calls_written, "calls of tools written as text, because the template knows none"));
    return put_count(out, s->tools_lost, "tools left unsaid, because the template knows none");
}

/* ---- one part ---- */

static int64_t first_taught(const qn_buf *taught, int64_t n) {
    for (int64_t i = 1; i < n; i++)             /* the first token of all is never a target */
        if (taught->s[i])
            return i;
    return n;
}

/* What becomes of a part that does not fit, or has nothing to teach. */
static qn_example_fault fit(job *j, int side, bool *cut) {
    const int64_t most = j->o->context + 1;
    qn_ids *ids = &j->ids[side];
    qn_buf *taught = &j->taught[side];
    j->e->stats.longest = QN_MAX(j->e->stats.longest, (int64_t)ids->n);
    if ((int64_t)ids->n > most) {
        if (j->o->too_long == QN_LONG_DROP)
            return QN_FAULT_LONG;
        if (first_taught(taught, (int64_t)ids->n) >= most && first_taught(taught, (int64_t)ids->n) < (int64_t)ids->n)
            return QN_FAULT_PROMPT;
        ids->n = taught->n = (size_t)most;
        *cut = true;
    }
    return first_taught(taught, (int64_t)ids->n) == (int64_t)ids->n ? QN_FAULT_UNTAUGHT : QN_FAULT_NONE;
}

static int keep_part(job *j, int side, qn_example_at *at) {
    qn_examples *e = j->e;
    const size_t n = j->ids[side].n;
    QN_TRY(QN_GROW(QN_MEM_BASE, e->ids, e->cap_ids, e->tokens + n));
    QN_TRY(QN_GROW(QN_MEM_BASE, e->taught, e->cap_taught, e->tokens + n));
    memcpy(e->ids + e->tokens, j->ids[side].v, n * sizeof *e->ids);
    memcpy(e->taught + e->tokens, j->taught[side].s, n);
    *at = (qn_example_at){(int64_t)e->tokens, (int64_t)n, first_taught(&j->taught[side], (int64_t)n)};
    e->tokens += n;
    return 0;
}

/* The parts that were made as one example. */
static int keep(job *j, int parts) {
    qn_examples *e = j->e;
    bool cut = false;
    for (int i = 0; i < parts; i++) {
        const qn_example_fault f = fit(j, i, &cut);
        if (f)
            return left_out(j, f);
    }
    if (parts == 2 && j->ids[0].n == j->ids[1].n &&
        memcmp(j->ids[0].v, j->ids[1].v, j->ids[0].n * sizeof *j->ids[0].v) == 0)
        return left_out(j, QN_FAULT_SAME);      /* cut to what they have in common, too */
    QN_TRY(QN_GROW(QN_MEM_BASE, e->item, e->cap, e->n + 1));
    qn_example_item *it = &e->item[e->n];
    *it = (qn_example_item){.parts = parts, .good = j->row.good, .split = (int64_t)j->split, .file = j->file,
                            .row = j->number};
    for (int i = 0; i < parts; i++)
        QN_TRY(keep_part(j, i, &it->part[i]));
    e->n++;
    e->stats.cut += cut;
    return 0;
}

/* ---- conversations ---- */

static qn_teach_options teach_of(const job *j, qn_teach what) {
    const bool judged = j->row.form == QN_FORM_LABELS || qn_example_form_is_pair(j->row.form);
    return (qn_teach_options){judged ? QN_TEACH_ANSWERS : what, j->row.prompt, j->row.mute.s, j->row.mute.n};
}

/* Does this stand among the words of the conversation that was rendered last? */
static bool is_said(const qn_chat_output *o, qn_str mark) {
    for (size_t i = 0; i < o->spans; i++) {
        const qn_chat_span *s = &o->span[i];
        if (!s->trusted && memmem(o->text.s + s->begin, s->end - s->begin, mark.s, mark.n))
            return true;
    }
    return false;
}

/* Special tokens that the template wrote and that are said as well: it looks as if it had been applied before. */
static bool is_rendered(const job *j, const qn_ids *ids) {
    enum { MARKS = 8 };
    int32_t seen[MARKS];
    int n = 0;
    for (size_t i = 0; i < ids->n && n < MARKS; i++) {
        bool known = !qn_tok_is_special(j->tok, ids->v[i]);
        for (int k = 0; k < n && !known; k++)
            known = seen[k] == ids->v[i];
        if (known)
            continue;
        const qn_str mark = qn_tok_text(j->tok, seen[n++] = ids->v[i]);
        if (mark.n && is_said(&j->p->out, mark))
            return true;
    }
    return false;
}

/* 0, or the code of what the template or the tokenizer had against it. */
static int teach(job *j, const qn_chat_messages *m, qn_teach what, int side, bool *turnwise) {
    const qn_teach_options o = teach_of(j, what);
    qn_ids_clear(&j->ids[side]);
    qn_buf_clear(&j->taught[side]);
    QN_TRY(qn_prompter_teach(j->p, j->tok, m, &o, &j->ids[side], &j->taught[side], turnwise));
    j->rendered = j->rendered || is_rendered(j, &j->ids[side]);
    return 0;
}

/* Every answer as the last of a conversation of its own. */
static int teach_turns(job *j, const char *json, size_t n) {
    qn_chat_messages *m;
    bool turnwise, any = false;
    int rc;
    QN_TRY(qn_chat_messages_parse(&m, json, n, j->place));
    for (size_t k = qn_chat_messages_count(m); k > j->row.prompt; k--) {
        qn_chat_messages_cut(m, k);
        if (!qn_str_is(qn_chat_messages_role(m, k - 1), "assistant") || (k <= j->row.mute.n && j->row.mute.s[k - 1]))
            continue;
        rc = teach(j, m, QN_TEACH_LAST, 0, &turnwise);
        if (rc == QN_ETEMPLATE)
            continue;
        QN_TRY_OUT(rc);
        QN_TRY_OUT(keep(j, 1));
        any = true;
    }
    j->e->stats.turnwise += any;
    rc = any ? 0 : left_out_because(j, QN_FAULT_TEMPLATE);
out:
    qn_chat_messages_free(m);
    return rc;
}

/* 1: the part was made; 0: the row is done with. */
static int teach_part(job *j, const qn_buf *json, int side) {
    qn_chat_messages *m;
    bool turnwise;
    QN_TRY(qn_chat_messages_parse(&m, json->s, json->n, j->place));
    const int rc = teach(j, m, j->o->teach.teach, side, &turnwise);
    qn_chat_messages_free(m);
    if (rc == QN_ETEMPLATE && turnwise && !qn_example_form_is_pair(j->row.form) && j->row.form != QN_FORM_LABELS)
        return teach_turns(j, json->s, json->n);
    if (rc == QN_ETEMPLATE)
        return left_out_because(j, QN_FAULT_TEMPLATE);
    if (rc == QN_EINVAL)
        return left_out(j, QN_FAULT_NO_ANSWER);
    return rc < 0 ? rc : 1;
}

static int take_chat(job *j) {
    const bool pair = qn_example_form_is_pair(j->row.form);
    j->rendered = false;
    int made = teach_part(j, &j->row.chat, 0);
    if (made > 0 && pair)
        made = teach_part(j, &j->row.rejected, 1);
    if (made >= 0 && j->rendered)
        count_row(j, &j->e->stats.rendered);
    if (made <= 0)
        return made;
    return keep(j, pair ? 2 : 1);
}

/* A text in pieces of the context; a piece begins with the last target of the one before. */
static int take_text(job *j) {
    const qn_str text = qn_buf_view(&j->row.text);
    const int32_t eos = qn_tok_eos(j->tok), bos = qn_tok_bos(j->tok);
    const int64_t most = j->o->context + 1;
    qn_ids all = {0};
    int rc = 0;
    if (bos >= 0 && qn_tok_adds(j->tok, bos))
        QN_TRY_OUT(qn_ids_push(&all, bos));
    QN_TRY_OUT(qn_tok_encode(j->tok, text.s, text.n, QN_TOK_PLAIN, &all));
    if (eos >= 0)
        QN_TRY_OUT(qn_ids_push(&all, eos));
    for (int64_t at = 0; at == 0 || at + 1 < (int64_t)all.n; at += most - 1) {
        const int64_t n = QN_MIN(most, (int64_t)all.n - at);
        qn_ids_clear(&j->ids[0]);
        qn_buf_clear(&j->taught[0]);
        QN_TRY_OUT(qn_buf_reserve(&j->taught[0], (size_t)n + 1));
        memset(j->taught[0].s, 1, (size_t)n);
        j->taught[0].n = (size_t)n;
        for (int64_t i = 0; i < n; i++)
            QN_TRY_OUT(qn_ids_push(&j->ids[0], all.v[at + i]));
        QN_TRY_OUT(keep(j, 1));
    }
out:
    qn_ids_drop(&all);
    return rc;
}

/* ---- rows ---- */

/* 1: the row has the form of its file; 0: it is left out. */
static int check_form(job *j) {
    if (j->form == QN_FORM_NONE)
        j->form = j->row.form;
    if (j->e->stats.form == QN_FORM_NONE)
        j->e->stats.form = j->row.form;
    const char *own = qn_example_form_name(j->row.form), *before = qn_example_form_name(j->form);
    if (j->row.form != j->form && j->o->skip_bad) {
        qn_fail(QN_EFORMAT, "%s in a file of %s", own, before);
        return left_out_because(j, QN_FAULT_FORM);
    }
    if (j->row.form != j->form)
        return qn_fail(QN_EFORMAT, "%s: its form is %s, that of the rows before is %s; one file holds one form; "
                       "--bad-lines skip leaves such rows out", j->place, own, before);
    const qn_example_form first = j->e->stats.form;
    if (qn_example_form_is_pair(first) != qn_example_form_is_pair(j->form) ||
        (first == QN_FORM_LABELS) != (j->form == QN_FORM_LABELS))
        return qn_fail(QN_EFORMAT, "%s: %s beside %s of the first file: these are trained on in different ways",
                       j->place, before, qn_example_form_name(first));
    return 1;
}

/* Of a row that was not read: what it would be left out for. NONE: its error is no matter of the row. */
static qn_example_fault fault_of(const job *j, int rc, qn_str json) {
    if (rc == QN_ENOMEM)
        return QN_FAULT_NONE;
    if (!qn_json_is_whole(json))
        return QN_FAULT_JSON;
    const bool formless = j->row.whole && j->row.form == QN_FORM_NONE;
    if (!formless)
        return QN_FAULT_MALFORMED;
    return j->form == QN_FORM_NONE ? QN_FAULT_FORM : QN_FAULT_MEMBER;
}

/* A row that could not be read is left out where such are, and the end else; one that has a member less than those
 * before it is always left out. Where the first row has no form, all others will have none. */
static int bad_row(job *j, int rc, qn_str json) {
    char message[1024];
    snprintf(message, sizeof message, "%s", qn_error_message());
    const qn_example_fault f = fault_of(j, rc, json);   /* it looks at the row once more, and fails again */
    if (f == QN_FAULT_NONE || (f == QN_FAULT_FORM && !j->o->skip_bad))
        return rc;
    if (f != QN_FAULT_MEMBER && !j->o->skip_bad)
        return qn_fail(rc, "%s; --bad-lines skip leaves such rows out", message);
    j->e->stats.rows++;
    return f == QN_FAULT_MEMBER || f == QN_FAULT_JSON ? left_out(j, f) : left_out_because(j, f);
}

/* 1: it is there; 0: it is done with, meant or not. */
static int read_row(job *j, qn_str json) {
    if (j->number == 0) {                       /* the file is one text */
        j->row.form = QN_FORM_TEXT;
        j->row.fault = QN_FAULT_NONE;
        qn_buf_clear(&j->row.text);
        return qn_buf_put(&j->row.text, json.s, json.n) < 0 ? QN_ENOMEM : 1;
    }
    j->row.whole = false;
    int rc = j->o->n_where ? qn_example_where_holds(j->o->where, j->o->n_where, json, j->place) : 1;
    j->e->stats.passed += rc == 0;
    if (rc == 0)
        return 0;
    if (rc > 0)
        rc = qn_example_row_read(&j->row, json, j->place, !j->p->calls);
    return rc < 0 ? bad_row(j, rc, json) : 1;
}

static int take_row(void *arg, qn_str json, int64_t number, const char *place) {
    job *j = arg;
    qn_examples_stats *s = &j->e->stats;
    j->number = number;
    j->place = place;
    int rc = read_row(j, json);
    if (rc <= 0)
        return rc;
    s->rows++;
    rc = check_form(j);
    if (rc <= 0)
        return rc;
    if (j->o->progress)
        QN_TRY(j->o->progress(j->o->arg, s->rows));
    if (j->row.fault)
        return left_out(j, j->row.fault);
    s->calls_written += j->row.calls && !j->p->calls;
    s->tools_lost += !j->p->tools && memmem(j->row.chat.s, j->row.chat.n, "],\"tools\":[", 11) != NULL;
    return j->row.form == QN_FORM_TEXT ? take_text(j) : take_chat(j);
}

/* What they are called, for whoever asks where a row stood. */
static int name_files(qn_examples *e, const qn_examples_options *o) {
    const size_t n = o->n_paths + o->n_held;
    e->file = qn_zalloc(QN_MEM_BASE, n, sizeof *e->file);
    if (!e->file)
        return QN_ENOMEM;
    for (; e->n_files < n; e->n_files++) {
        const char *path = e->n_files < o->n_paths ? o->path[e->n_files] : o->held[e->n_files - o->n_paths];
        const char *slash = strrchr(path, '/');
        e->file[e->n_files] = qn_str_dup(QN_MEM_BASE, qn_str_of(slash && slash[1] ? slash + 1 : path));
        if (!e->file[e->n_files])
            return QN_ENOMEM;
    }
    return 0;
}

static int read_files(job *j) {
    const qn_examples_options *o = j->o;
    for (size_t i = 0; i < o->n_paths + o->n_held; i++) {
        j->file = (int64_t)i;
        j->form = QN_FORM_NONE;
        j->split = i < o->n_paths ? QN_SPLIT_TRAIN : QN_SPLIT_VALIDATION;
        QN_TRY(qn_example_file(i < o->n_paths ? o->path[i] : o->held[i - o->n_paths], take_row, j));
    }
    return 0;
}

/* ---- the split ---- */

/* 0 … 1 out of the ids in front of what is taught; of a text all of it. */
static double lot(const qn_examples *e, const qn_example_item *it) {
    const int64_t n = it->part[0].prompt > 1 ? it->part[0].prompt : it->part[0].n;
    return (double)(qn_hash_bytes(e->ids + it->part[0].from, (size_t)n * sizeof *e->ids, 17) >> 11) * 0x1p-53;
}

/* By the lot of each; at least the smallest one is held out, and at least one other is not. */
static void hold_out(qn_examples *e, double share) {
    double least = 2, most = -1;
    for (size_t i = 0; i < e->n; i++) {
        least = fmin(least, lot(e, &e->item[i]));
        most = fmax(most, lot(e, &e->item[i]));
    }
    if (share <= 0 || least == most)
        return;
    for (size_t i = 0; i < e->n; i++) {
        const double l = lot(e, &e->item[i]);
        e->item[i].split = (l < share || l == least) && l != most ? QN_SPLIT_VALIDATION : QN_SPLIT_TRAIN;
    }
}

static int by_lot(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Files of the validation split may hold what is trained on: how many of its prompts do. */
static int count_leaked(qn_examples *e) {
    size_t n = 0;
    double *taught = qn_zalloc(QN_MEM_BASE, e->n + 1, sizeof *taught);
    if (!taught)
        return QN_ENOMEM;
    for (size_t i = 0; i < e->n; i++)
        if (e->item[i].split == QN_SPLIT_TRAIN)
            taught[n++] = lot(e, &e->item[i]);
    qsort(taught, n, sizeof *taught, by_lot);
    for (size_t i = 0; i < e->n; i++) {
        const double own = lot(e, &e->item[i]);
        e->stats.leaked += e->item[i].split == QN_SPLIT_VALIDATION &&
                           bsearch(&own, taught, n, sizeof *taught, by_lot) != NULL;
    }
    qn_free(taught);
    return 0;
}

/* ---- the whole ---- */

static void take_fingerprint(qn_examples *e) {
    uint64_t h[2];
    for (int k = 0; k < 2; k++) {
        h[k] = qn_hash_bytes(e->ids, e->tokens * sizeof *e->ids, (uint64_t)k + 1);
        h[k] = qn_hash_bytes(e->taught, e->tokens, h[k]);
        h[k] = qn_hash_bytes(e->item, e->n * sizeof *e->item, h[k]);
    }
    snprintf(e->fingerprint, sizeof e->fingerprint, "%016llx%016llx", (unsigned long long)h[0],
             (unsigned long long)h[1]);
}

int qn_examples_settle(qn_examples *e) {
    for (int k = 0; k < QN_SPLITS; k++) {
        e->count[k] = 0;
        e->order[k] = qn_zalloc(QN_MEM_BASE, e->n + 1, sizeof *e->order[k]);
        if (!e->order[k])
            return QN_ENOMEM;
    }
    for (size_t i = 0; i < e->n; i++)
        e->order[e->item[i].split][e->count[e->item[i].split]++] = (int32_t)i;
    e->stats.examples = (int64_t)e->n;
    e->stats.tokens = (int64_t)e->tokens;
    e->stats.taught = 0;
    for (size_t i = 0; i < e->tokens; i++)
        e->stats.taught += e->taught[i];
    take_fingerprint(e);
    return 0;
}

static int count_bytes(qn_examples *e, const qn_tok *tok) {
    e->vocab = qn_tok_size(tok);
    e->token_bytes = qn_zalloc(QN_MEM_BASE, (size_t)e->vocab, sizeof *e->token_bytes);
    if (!e->token_bytes)
        return QN_ENOMEM;
    for (int32_t id = 0; id < e->vocab; id++)
        if (!qn_tok_is_special(tok, id))
            e->token_bytes[id] = (uint16_t)QN_MIN(qn_tok_piece(tok, id).n, (size_t)UINT16_MAX);
    return 0;
}

static int check_options(const qn_examples_options *o) {
    if (o->context < 2 || o->context > 1 << 24)
        return qn_fail(QN_EINVAL, "a context of %lld tokens; it must be 2 … %d", (long long)o->context, 1 << 24);
    return o->n_paths ? 0 : qn_fail(QN_EINVAL, "no file of examples is named");
}

static int nothing_left(const qn_examples *e, const char *path) {
    qn_buf why = {0};
    if (e->stats.passed && e->stats.rows == 0)
        return qn_fail(QN_EINVAL, "%s: not one of %lld rows is meant by --where", path, (long long)e->stats.passed);
    const int rc = qn_examples_losses(e, &why);
    const int failed = qn_fail(QN_EINVAL, "%s: not one of %lld rows can be used: %s", path, (long long)e->stats.rows,
                               why.s ? why.s : "they are empty");
    qn_buf_drop(&why);
    return rc < 0 ? rc : failed;
}

int qn_examples_read(qn_examples **out, qn_prompter *p, const qn_tok *tok, const qn_examples_options *o) {
    job j = {.p = p, .tok = tok, .o = o};
    int rc;
    *out = NULL;
    QN_TRY(check_options(o));
    j.e = qn_zalloc(QN_MEM_BASE, 1, sizeof *j.e);
    if (!j.e)
        return QN_ENOMEM;
    j.e->context = o->context;
    QN_TRY_OUT(count_bytes(j.e, tok));
    QN_TRY_OUT(name_files(j.e, o));
    QN_TRY_OUT(read_files(&j));
    QN_TRY_OUT(j.e->n ? 0 : nothing_left(j.e, o->path[0]));
    if (o->n_held == 0)
        hold_out(j.e, o->validation);
    else
        QN_TRY_OUT(count_leaked(j.e));
    QN_TRY_OUT(qn_examples_settle(j.e));
    *out = j.e;
    j.e = NULL;
out:
    for (int i = 0; i < 2; i++) {
        qn_ids_drop(&j.ids[i]);
        qn_buf_drop(&j.taught[i]);
    }
    qn_example_row_drop(&j.row);
    qn_examples_free(j.e);
    return rc;
}

void qn_examples_free(qn_examples *e) {
    if (!e)
        return;
    qn_free(e->item);
    qn_free(e->ids);
    qn_free(e->taught);
    qn_free(e->token_bytes);
    for (int k = 0; k < QN_SPLITS; k++)
        qn_free(e->order[k]);
    for (size_t i = 0; i < e->n_files; i++)
        qn_free(e->file[i]);
    qn_free(e->file);
    qn_free(e);
}

/* ---- looking ---- */

void qn_examples_stats_get(const qn_examples *e, qn_examples_stats *out) { *out = e->stats; }
qn_example_form qn_examples_form(const qn_examples *e) { return e->stats.form; }
int64_t qn_examples_count(const qn_examples *e, qn_split split) { return e->count[split]; }
int64_t qn_examples_vocab(const qn_examples *e) { return e->vocab; }
int64_t qn_examples_context(const qn_examples *e) { return e->context; }
const char *qn_examples_fingerprint(const qn_examples *e) { return e->fingerprint; }
const uint16_t *qn_examples_token_bytes(const qn_examples *e) { return e->token_bytes; }

void qn_examples_get(const qn_examples *e, qn_split split, int64_t i, qn_example *out) {
    qn_assert(i >= 0 && i < e->count[split]);
    const qn_example_item *it = &e->item[e->order[split][i]];
    *out = (qn_example){.parts = (int)it->parts, .good = it->good != 0, .file = it->file, .row = it->row};
    for (int k = 0; k < out->parts; k++)
        out->part[k] = (qn_example_part){e->ids + it->part[k].from, e->taught + it->part[k].from, it->part[k].n,
                                         it->part[k].prompt};
}

/* ---- answers to other prompts ---- */

enum { LOOK_AT = 16 };                  /* examples behind one, for another prompt */

static bool begins_alike(const qn_example_part *a, const qn_example_part *b) {
    return a->prompt == b->prompt && memcmp(a->ids, b->ids, (size_t)a->prompt * sizeof *a->ids) == 0;
}

int64_t qn_examples_mismatch(const qn_examples *e, qn_split split, int64_t i, int32_t *ids, uint8_t *taught) {
    const int64_t all = e->count[split];
    qn_example own, other;
    qn_examples_get(e, split, i, &own);
    for (int64_t k = 1; k <= LOOK_AT; k++) {
        qn_examples_get(e, split, (i + k) % all, &other);
        if (!begins_alike(&own.part[0], &other.part[0]))
            break;
    }
    const qn_example_part *a = &own.part[0], *b = &other.part[0];
    const int64_t n = QN_MIN(b->n - b->prompt, e->context + 1 - a->prompt);
    memcpy(ids, a->ids, (size_t)a->prompt * sizeof *ids);
    memset(taught, 0, (size_t)a->prompt);
    memcpy(ids + a->prompt, b->ids + b->prompt, (size_t)n * sizeof *ids);
    memcpy(taught + a->prompt, b->taught + b->prompt, (size_t)n);
    return a->prompt + n;
}
