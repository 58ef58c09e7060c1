/* eval/run_task.c — one task, one scorer: items become requests, a few million ids at a time, and requests results.
 *
 *     items ──► encode.c ──► ids, requests ──► scorer ──► log-probabilities, answers ──► judge.c ──► item results */
#include <string.h>

#include "eval/encode.h"
#include "eval/result.h"

enum { CHUNK_IDS = 4 << 20 };           /* ids per call of the scorer: 16 MB of them */

typedef struct {
    const qn_task *t;
    const qn_scorer *s;
    const qn_eval_options *o;
    qn_task_result *r;
    qn_encoder e;
    qn_encoded *enc;                    /* of this chunk's requests */
    int64_t *owner;                     /* the item of each */
    size_t n, enc_cap, owner_cap;
    qn_score_request *request; size_t request_cap;
    qn_score *score; size_t score_cap;
    qn_generate_request *prompt; size_t prompt_cap;
    qn_generated *written; size_t written_cap, n_written;
    qn_buf text;
} run;

static int in_item(const run *x, const qn_item_result *i, int rc) {
    return rc < 0 && rc != QN_ECANCEL && rc != QN_ENOMEM
               ? qn_fail_in(rc, "%.*s, item %.*s", QN_STR_ARG(x->t->name), QN_STR_ARG(i->item->id)) : rc;
}

static int room(run *x) {
    QN_TRY(QN_GROW(QN_MEM_BASE, x->enc, x->enc_cap, x->n + 1));
    return QN_GROW(QN_MEM_BASE, x->owner, x->owner_cap, x->n + 1);
}

/* What stands before the item, with its shots: into x->text. */
static int put_before(run *x, const qn_task_item *item, qn_str own) {
    qn_buf_clear(&x->text);
    QN_TRY(qn_task_preface(x->t, item, &x->text));
    return qn_buf_put(&x->text, own.s, own.n);
}

/* ---- choices and pairs ---- */

static int encode_choices(run *x, int64_t at) {
    qn_item_result *i = &x->r->item[at];
    const qn_task_item *item = i->item;
    if (!item->messages.s && !item->before)
        QN_TRY(put_before(x, item, item->context));
    for (int64_t c = 0; c < item->choices; c++) {
        QN_TRY(room(x));
        qn_encoded *enc = &x->enc[x->n];
        if (item->before)
            QN_TRY(put_before(x, item, item->before[c]));
        QN_TRY(item->messages.s ? qn_encode_chat_choice(&x->e, x->s, item->messages, item->choice[c], enc)
                                : qn_encode_choice(&x->e, x->s, qn_buf_view(&x->text), item->choice[c], enc));
        x->owner[x->n++] = at;
        i->cut = i->cut || enc->cut;
    }
    return 0;
}

/* The greatest of v[c] / size[c]; the first of equals. */
static int64_t greatest(const qn_task_item *item, const double *v, bool norm) {
    int64_t best = 0;
    double most = 0;
    for (int64_t c = 0; c < item->choices; c++) {
        const double score = norm ? v[c] / (double)qn_choice_bytes(item->choice[c]) : v[c];
        if (c == 0 || score > most) {
            best = c;
            most = score;
        }
    }
    return best;
}

static int take_choices(run *x, qn_item_result *i, const qn_score *score, const qn_encoded *enc) {
    const qn_task_item *item = i->item;
    double *v = qn_task_alloc(x->r->memory, (size_t)item->choices * sizeof *v);
    if (!v)
        return QN_ENOMEM;
    for (int64_t c = 0; c < item->choices; c++) {
        v[c] = score[c].logprob;
        i->tokens += enc[c].n - enc[c].from;
    }
    i->logprob = v;
    i->greedy = score[item->answer].greedy;
    i->pick = greatest(item, v, false);
    i->pick_norm = greatest(item, v, true);
    return 0;
}

/* ---- texts ---- */

/* Windows of the context's length that do not overlap; each begins with the last token of the one before, which is only
 * read. So lm-evaluation-harness does it (rolling log-likelihood). */
static int encode_text(run *x, int64_t at) {
    qn_encoded whole;
    QN_TRY(qn_encode_text(&x->e, x->s, x->r->item[at].item->context, &whole));
    for (int64_t done = 0; done < whole.n - 1; done += x->s->context) {
        QN_TRY(room(x));
        const int64_t n = QN_MIN(x->s->context, whole.n - 1 - done) + 1;
        x->enc[x->n] = (qn_encoded){.begin = whole.begin + done, .n = n, .from = 1};
        x->owner[x->n++] = at;
    }
    return 0;
}

static int take_scores(run *x) {
    for (size_t k = 0; k < x->n;) {
        qn_item_result *i = &x->r->item[x->owner[k]];
        if (x->t->kind != QN_TASK_TEXT) {
            QN_TRY(take_choices(x, i, &x->score[k], &x->enc[k]));
            k += (size_t)i->item->choices;
            continue;
        }
        i->nats -= x->score[k].logprob;
        i->tokens += x->enc[k].n - x->enc[k].from;
        k++;
    }
    return 0;
}

static int score_chunk(run *x) {
    QN_TRY(QN_GROW(QN_MEM_BASE, x->request, x->request_cap, x->n));
    QN_TRY(QN_GROW(QN_MEM_BASE, x->score, x->score_cap, x->n));
    for (size_t k = 0; k < x->n; k++)
        x->request[k] = (qn_score_request){x->e.ids.v + x->enc[k].begin, x->enc[k].n, x->enc[k].from};
    QN_TRY(x->s->score(x->s->self, x->request, (int64_t)x->n, x->score));
    return take_scores(x);
}

/* ---- answers ---- */

static int encode_prompt(run *x, int64_t at) {
    qn_item_result *i = &x->r->item[at];
    const qn_task_item *item = i->item;
    QN_TRY(room(x));
    qn_encoded *enc = &x->enc[x->n];
    if (item->messages.s) {
        QN_TRY(qn_encode_chat_prompt(&x->e, x->s, item->messages, item->max_tokens, enc));
    } else {
        QN_TRY(put_before(x, item, item->context));
        QN_TRY(qn_encode_prompt(&x->e, x->s, qn_buf_view(&x->text), item->max_tokens, enc));
    }
    x->owner[x->n++] = at;
    i->cut = enc->cut;
    return 0;
}

static int take_answers(run *x) {
    for (size_t k = 0; k < x->n; k++) {
        qn_item_result *i = &x->r->item[x->owner[k]];
        const qn_generated *g = &x->written[k];
        QN_TRY(qn_task_copy(x->r->memory, qn_buf_view(&g->text), &i->answer));
        i->tokens = g->tokens;
        i->confidence = g->tokens > 0 ? g->logprob / (double)g->tokens : 0;
        i->verdict = qn_judge_answer(x->t, i->item, i->answer);
    }
    return 0;
}

static int write_chunk(run *x) {
    QN_TRY(QN_GROW(QN_MEM_BASE, x->prompt, x->prompt_cap, x->n));
    QN_TRY(QN_GROW(QN_MEM_BASE, x->written, x->written_cap, x->n));
    for (; x->n_written < x->n; x->n_written++)
        x->written[x->n_written] = (qn_generated){0};
    for (size_t k = 0; k < x->n; k++) {
        const qn_task_item *item = x->r->item[x->owner[k]].item;
        qn_buf_clear(&x->written[k].text);
        x->prompt[k] = (qn_generate_request){
            .ids = x->e.ids.v + x->enc[k].begin, .n = x->enc[k].n, .max = item->max_tokens, .stop = item->stop,
            .stops = item->stops};
    }
    QN_TRY(x->s->generate(x->s->self, x->prompt, (int64_t)x->n, x->written));
    return take_answers(x);
}

/* ---- the task ---- */

static int encode_item(run *x, int64_t at) {
    switch (x->t->kind) {
    case QN_TASK_CHOICE:
    case QN_TASK_PAIR:
        return encode_choices(x, at);
    case QN_TASK_GENERATE:
        return encode_prompt(x, at);
    case QN_TASK_TEXT:
        return encode_text(x, at);
    }
    return 0;
}

static int run_chunk(run *x) {
    if (x->n == 0)
        return 0;
    QN_TRY(x->t->kind == QN_TASK_GENERATE ? write_chunk(x) : score_chunk(x));
    x->n = 0;
    qn_ids_clear(&x->e.ids);
    return 0;
}

static int run_items(run *x) {
    for (int64_t at = 0; at < x->r->n; at++) {
        QN_TRY(in_item(x, &x->r->item[at], encode_item(x, at)));
        x->r->cut += x->r->item[at].cut;
        if (x->e.ids.n < CHUNK_IDS && at + 1 < x->r->n)
            continue;
        QN_TRY(run_chunk(x));
        if (x->o->progress)
            QN_TRY(x->o->progress(x->o->arg, x->t, x->s, at + 1, x->r->n));
    }
    return 0;
}

int64_t qn_spread(int64_t i, int64_t n, int64_t all) {
    const int64_t at = i * all / QN_MAX(n, 1);
    return 2 * n > all ? at : at ^ ((at ^ i) & 1);
}

/* Which items: all of them, or `limit` spread evenly, because files are often in an order. */
static int choose_items(qn_task_result *r, int64_t limit) {
    const int64_t all = (int64_t)r->task->n;
    r->n = limit > 0 ? QN_MIN(limit, all) : all;
    r->item = qn_zalloc(QN_MEM_BASE, (size_t)QN_MAX(r->n, 1), sizeof *r->item);
    if (!r->item)
        return QN_ENOMEM;
    for (int64_t i = 0; i < r->n; i++)
        r->item[i].item = &r->task->item[qn_spread(i, r->n, all)];
    return 0;
}

static bool can_do(const qn_task *t, const qn_scorer *s) {
    const bool of_texts = t->kind == QN_TASK_TEXT || t->kind == QN_TASK_PAIR;       /* which have a probability */
    if ((t->kind == QN_TASK_GENERATE && !s->generate) || (of_texts && !s->each))
        return false;
    for (size_t i = 0; i < t->n && !s->render; i++)
        if (t->item[i].messages.s)
            return false;
    return true;
}

static void run_drop(run *x) {
    for (size_t k = 0; k < x->n_written; k++)
        qn_buf_drop(&x->written[k].text);
    qn_encoder_drop(&x->e);
    qn_buf_drop(&x->text);
    qn_free(x->enc);
    qn_free(x->owner);
    qn_free(x->request);
    qn_free(x->score);
    qn_free(x->prompt);
    qn_free(x->written);
}

int qn_eval_task(const qn_task *t, const qn_scorer *s, const qn_eval_options *o, qn_task_result *r) {
    run x = {.t = t, .s = s, .o = o, .r = r};
    const double start = qn_now();
    *r = (qn_task_result){.task = t, .scorer = s->name, .chance = qn_task_chance(t)};
    QN_TRY(qn_task_majority(t, &r->majority));
    if (!can_do(t, s)) {
        r->left_out = true;
        return 0;
    }
    QN_TRY(qn_task_new(&r->memory));
    QN_TRY(choose_items(r, o->limit));
    int rc = run_items(&x);
    r->seconds = qn_now() - start;
    run_drop(&x);
    return rc < 0 ? rc : qn_task_figures(r, o);
}

void qn_task_result_drop(qn_task_result *r) {
    qn_task_free(r->memory);
    qn_free(r->item);
    qn_free(r->group);
    *r = (qn_task_result){0};
}
