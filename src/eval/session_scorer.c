/* eval/session_scorer.c — a model as a scorer: requests sorted, fed in waves with shared beginnings, judged row by row.
 *
 *     −ln p(t | before) = ln Σ exp(logit) − logit_t                   as in ppl.c, through the kernel table
 */
#include <math.h>

#include "eval/score_tree.h"
#include "eval/scorer.h"
#include "infer/stop.h"
#include "num/math.h"

enum { SLICE = 1024 };                  /* logits whose exponentials are added up in float */

/* An answer that is being written. */
typedef struct {
    qn_generated *out;
    qn_detok detok;
    qn_stopper stopper;
    int64_t left, seq;
    int32_t next;
    double logprob;                     /* of next */
} answer;

typedef struct {
    qn_session *s;
    const qn_tok *tok;
    qn_score_tree tree;
    qn_scorer_progress_fn *progress;
    void *arg;
    qn_tree_path *path;
    size_t path_cap;
    answer *answer;                     /* [sequences] */
    answer **live;                      /* [sequences] those that still grow */
    qn_feed *feed;                      /* [sequences] */
    qn_buf text;
    /* of the call */
    const qn_tree_path *wave;
    const qn_score_request *request;
    qn_score *score;
    double *each;
} scorer;

/* ---- checks ---- */

static int check_ids(const scorer *c, const int32_t *ids, int64_t n, int64_t most) {
    const int64_t V = qn_session_vocabulary(c->s);
    if (n > most)
        return qn_fail(QN_ECONTEXT, "a request of %lld tokens, the model takes %lld", (long long)n, (long long)most);
    for (int64_t i = 0; i < n; i++)
        if (ids[i] < 0 || ids[i] >= V)
            return qn_fail(QN_EINVAL, "token id %d is outside the model's vocabulary of %lld", ids[i], (long long)V);
    return 0;
}

static int check_request(const scorer *c, const int32_t *ids, int64_t n, int64_t from) {
    const int64_t most = qn_session_context(c->s) + 1;      /* the last one is not fed */
    if (from < 1 || n <= 0 || from >= n)
        return qn_fail(QN_EINVAL, "a request of %lld tokens, of which those from %lld on are asked for", (long long)n,
                       (long long)from);
    return check_ids(c, ids, n, most);
}

/* ---- rows ---- */

/* ln Σ exp over a row, by slices whose sums are joined in double. In one go the kernel's float lanes would lose what is
 * small beside their sum: about 1e-5 a token at 49152 of them, always to the same side, 2e-3 over a worked answer. */
static double row_lse(const scorer *c, const float *logits) {
    const int64_t V = qn_session_vocabulary(c->s);
    const qn_kernels *k = qn_session_kernels(c->s);
    const double top = (double)logits[k->argmax(logits, V)];
    double sum = 0;
    for (int64_t at = 0; at < V; at += SLICE)
        sum += qn_exp(k->logsumexp(logits + at, QN_MIN(SLICE, V - at)) - top);
    return top + qn_ln(sum);
}

/* ln p of target behind one row of logits. */
static int row_logprob(const scorer *c, const float *logits, int32_t target, double *out) {
    const double lse = row_lse(c, logits);
    *out = (double)logits[target] - lse;
    if (!isfinite(lse) || isnan(*out))
        return qn_fail(QN_EFORMAT, "the model's logits are no finite numbers");
    return 0;
}

static int32_t likeliest(const scorer *c, const float *logits) {
    return (int32_t)qn_session_kernels(c->s)->argmax(logits, qn_session_vocabulary(c->s));
}

static int on_scored_row(void *arg, int64_t path, int64_t i, const float *logits) {
    scorer *c = arg;
    const int64_t item = c->wave[path].item;
    const int32_t target = c->request[item].ids[i + 1];
    qn_score *out = &c->score[item];
    double logprob;
    QN_TRY(row_logprob(c, logits, target, &logprob));
    out->logprob += logprob;
    out->greedy = out->greedy && likeliest(c, logits) == target;
    return 0;
}

static int report(const scorer *c, int64_t done, int64_t n) { return c->progress ? c->progress(c->arg, done, n) : 0; }

/* ---- scoring ---- */

static int score(void *self, const qn_score_request *r, int64_t n, qn_score *out) {
    scorer *c = self;
    QN_TRY(QN_GROW(QN_MEM_SESSION, c->path, c->path_cap, (size_t)n));
    for (int64_t i = 0; i < n; i++) {
        QN_TRY(check_request(c, r[i].ids, r[i].n, r[i].from));
        c->path[i] = (qn_tree_path){r[i].ids, r[i].n - 1, r[i].from - 1, i};
        out[i] = (qn_score){.greedy = true};
    }
    qn_tree_sort(c->path, n);
    qn_score_tree_start(&c->tree);
    c->request = r;
    c->score = out;
    for (int64_t done = 0; done < n;) {
        c->wave = c->path + done;
        const int64_t taken = qn_score_tree_plan(&c->tree, c->wave, n - done);
        QN_TRY(qn_score_tree_feed(&c->tree, on_scored_row, c));
        done += taken;
        QN_TRY(report(c, done, n));
    }
    return 0;
}

static int on_each_row(void *arg, int64_t feed, int64_t i, const float *logits) {
    scorer *c = arg;
    (void)feed;
    return row_logprob(c, logits, c->request->ids[i + 1], &c->each[i + 1]);
}

static int each(void *self, const int32_t *ids, int64_t n, double *logprob) {
    scorer *c = self;
    const qn_score_request r = {ids, n, 1};
    if (n > 0)
        logprob[0] = 0;
    if (n < 2)
        return 0;
    QN_TRY(check_request(c, ids, n, 1));
    c->request = &r;
    c->each = logprob;
    qn_session_reset(c->s);
    return qn_session_feed(c->s, &(qn_feed){0, ids, n - 1, QN_LOGITS_ALL}, 1, on_each_row, c);
}

/* ---- writing ---- */

static int choose(scorer *c, answer *a, const float *logits) {
    a->next = likeliest(c, logits);
    return row_logprob(c, logits, a->next, &a->logprob);
}

static int on_prompt_row(void *arg, int64_t path, int64_t i, const float *logits) {
    scorer *c = arg;
    (void)i;
    return choose(c, &c->answer[path], logits);
}

static int on_next_row(void *arg, int64_t feed, int64_t i, const float *logits) {
    scorer *c = arg;
    (void)i;
    return choose(c, c->live[feed], logits);
}

static bool ends(const scorer *c, int32_t id) {
    const qn_config *cfg = &qn_session_model(c->s)->cfg;
    for (int64_t i = 0; i < cfg->n_eos; i++)
        if (cfg->eos[i] == id)
            return true;
    return id == qn_tok_eos(c->tok);
}

/* Puts what became certain behind the answer's text. 1: a stop string begins there. */
static int add_text(answer *a, qn_str text) {
    size_t ready;
    const int stopped = qn_stopper_push(&a->stopper, text, &ready);
    QN_TRY(stopped);
    QN_TRY(qn_buf_put(&a->out->text, a->stopper.held.s, ready));
    qn_stopper_give(&a->stopper, ready);
    return stopped;
}

/* What was held back when the answer ended for another reason. */
static int finish(scorer *c, answer *a) {
    qn_buf_clear(&c->text);
    QN_TRY(qn_detok_flush(&a->detok, &c->text));
    const int stopped = add_text(a, qn_buf_view(&c->text));
    QN_TRY(stopped);
    a->out->ended = a->out->ended || stopped;
    return stopped ? 0 : qn_buf_put(&a->out->text, a->stopper.held.s, a->stopper.held.n);
}

/* Takes the chosen token. 1: the answer goes on, and the token is to be fed. */
static int take(scorer *c, answer *a) {
    a->out->tokens++;
    a->out->logprob += a->logprob;
    a->left--;
    a->out->ended = ends(c, a->next);
    if (a->out->ended)
        return finish(c, a);
    qn_buf_clear(&c->text);
    QN_TRY(qn_detok_push(&a->detok, a->next, &c->text));
    const int stopped = add_text(a, qn_buf_view(&c->text));
    QN_TRY(stopped);
    a->out->ended = stopped != 0;
    if (stopped)
        return 0;
    if (a->left > 0 && qn_session_length(c->s, a->seq) < qn_session_context(c->s))
        return 1;
    return finish(c, a);
}

/* All answers of a wave, token by token, together. */
static int write_answers(scorer *c, int64_t n) {
    int64_t live = 0;
    for (int64_t i = 0; i < n; i++)
        if (c->answer[i].left > 0)
            c->live[live++] = &c->answer[i];
    while (live > 0) {
        int64_t left = 0;
        for (int64_t i = 0; i < live; i++) {
            answer *a = c->live[i];
            const int goes_on = take(c, a);
            QN_TRY(goes_on);
            if (!goes_on)
                continue;
            c->feed[left] = (qn_feed){a->seq, &a->next, 1, QN_LOGITS_LAST};
            c->live[left++] = a;
        }
        live = left;
        if (live > 0)
            QN_TRY(qn_session_feed(c->s, c->feed, live, on_next_row, c));
    }
    return 0;
}

static int write_wave(scorer *c, const qn_generate_request *r, qn_generated *out, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        const int64_t item = c->wave[i].item;
        answer *a = &c->answer[i];
        *a = (answer){.out = &out[item], .left = r[item].max, .seq = qn_score_tree_seq(&c->tree, i)};
        qn_detok_init(&a->detok, c->tok, QN_TOK_SKIP_SPECIAL);
        qn_stopper_init(&a->stopper, r[item].stop, r[item].stops);
    }
    int rc = qn_score_tree_feed(&c->tree, on_prompt_row, c);
    if (rc >= 0)
        rc = write_answers(c, n);
    for (int64_t i = 0; i < n; i++)
        qn_stopper_drop(&c->answer[i].stopper);
    return rc;
}

static int generate(void *self, const qn_generate_request *r, int64_t n, qn_generated *out) {
    scorer *c = self;
    QN_TRY(QN_GROW(QN_MEM_SESSION, c->path, c->path_cap, (size_t)n));
    for (int64_t i = 0; i < n; i++) {
        if (r[i].n < 1)
            return qn_fail(QN_EINVAL, "nothing to continue: the prompt has no tokens");
        QN_TRY(check_ids(c, r[i].ids, r[i].n, qn_session_context(c->s)));
        c->path[i] = (qn_tree_path){r[i].ids, r[i].n, r[i].n - 1, i};
        qn_buf_clear(&out[i].text);
        out[i] = (qn_generated){.text = out[i].text};
    }
    qn_tree_sort(c->path, n);
    qn_score_tree_start(&c->tree);
    for (int64_t done = 0; done < n;) {
        c->wave = c->path + done;
        const int64_t taken = qn_score_tree_plan(&c->tree, c->wave, n - done);
        QN_TRY(write_wave(c, r, out, taken));
        done += taken;
        QN_TRY(report(c, done, n));
    }
    return 0;
}

/* ---- life ---- */

void qn_session_scorer_progress(qn_scorer *s, qn_scorer_progress_fn *fn, void *arg) {
    scorer *c = s->self;
    c->progress = fn;
    c->arg = arg;
}

void qn_session_scorer_drop(qn_scorer *s) {
    scorer *c = s->self;
    if (c) {
        qn_score_tree_drop(&c->tree);
        qn_buf_drop(&c->text);
        qn_free(c->path);
        qn_free(c->answer);
        qn_free(c->live);
        qn_free(c->feed);
        qn_free(c);
    }
    *s = (qn_scorer){0};
}

static int allocate(scorer *c) {
    const size_t most = (size_t)qn_session_sequences(c->s);
    QN_TRY(qn_score_tree_init(&c->tree, c->s));
    c->answer = qn_alloc(QN_MEM_SESSION, most * sizeof *c->answer);
    c->live = qn_alloc(QN_MEM_SESSION, most * sizeof *c->live);
    c->feed = qn_alloc(QN_MEM_SESSION, most * sizeof *c->feed);
    return c->answer && c->live && c->feed ? 0 : QN_ENOMEM;
}

int qn_session_scorer_init(qn_scorer *out, const char *name, qn_session *s, const qn_tok *tok) {
    scorer *c = qn_zalloc(QN_MEM_SESSION, 1, sizeof *c);
    *out = (qn_scorer){0};
    if (!c)
        return QN_ENOMEM;
    *out = (qn_scorer){
        .name = name, .tok = tok, .context = qn_session_context(s), .self = c,
        .prefix = qn_tok_bos(tok) >= 0 ? qn_tok_bos(tok) : qn_tok_eos(tok),
        .score = score, .generate = generate, .each = each,
    };
    c->s = s;
    c->tok = tok;
    const int rc = allocate(c);
    if (rc < 0)
        qn_session_scorer_drop(out);
    return rc;
}
