/* serve/openai_shapes.c — jobs of a request, and their events on the way back. */
#include "serve/openai_shapes.h"

#include "base/version.h"

#include <stdio.h>
#include <string.h>

/* ---- life ---- */

static void drop(void *ask) {
    qn_talking *t = ask;
    qn_grammars_give_back(t->server->grammars, t->grammar);
    qn_free(t->guide);
    for (int64_t i = 0; t->choice && i < t->n; i++) {
        qn_choice *c = &t->choice[i];
        if (t->wording->drop)
            t->wording->drop(c);
        qn_buf_drop(&c->text);
        qn_buf_drop(&c->logprobs);
        qn_buf_drop(&c->tops);
        qn_buf_drop(&c->offsets);
        qn_buf_drop(&c->tokens);
    }
    for (size_t i = 0; i < t->prompts; i++)
        qn_ids_drop(&t->prompt[i]);
    qn_ask_drop(&t->ask);
    qn_free(t->prompt);
    qn_free(t->choice);
    qn_free(t->job);
    qn_free(t->jobs);
    qn_free(t);
}

int qn_talking_new(qn_exchange *x, qn_talking **out, const qn_wording *wording, const char *kind, bool chat) {
    qn_talking *t = qn_zalloc(QN_MEM_SERVE, 1, sizeof *t);
    if (!t)
        return QN_ENOMEM;
    t->server = x->server;
    x->ask = t;
    x->drop_ask = drop;
    t->wording = wording;
    t->created = (int64_t)qn_wall();
    snprintf(t->id, sizeof t->id, "%s-%s", kind, x->id + 4);
    *out = t;
    return qn_ask_read(x, &t->ask, chat);
}

/* ---- jobs ---- */

/* Masks are the scheduler's thread's: guides of them begin and end there. */
static int on_begin(qn_job *j) {
    const qn_exchange *x = j->arg;
    const qn_talking *t = x->ask;
    return t->guide ? qn_guide_init(&t->guide[j->index], qn_grammar_masks(t->grammar)) : 0;
}

static int on_token(qn_job *j, const qn_token_event *e) { return qn_exchange_said(j->arg, j->index, e); }

static void on_done(qn_job *j, int rc, const qn_generate_result *r) {
    const qn_exchange *x = j->arg;
    const qn_talking *t = x->ask;
    if (t->guide)
        qn_guide_drop(&t->guide[j->index]);
    qn_exchange_ended(j->arg, j->index, rc, r);
}

static void cancel(qn_exchange *x) {
    qn_talking *t = x->ask;
    for (int64_t i = 0; i < t->n; i++)
        atomic_store_explicit(&t->job[i].cancel, true, memory_order_relaxed);
}

/* Choices of one prompt stand side by side, each with a seed of its own: the first has the one that was asked for. */
static int make_jobs(qn_exchange *x, qn_talking *t) {
    static const qn_job_listener listener = {on_begin, on_token, on_done};
    const qn_ask *a = &t->ask;
    t->n = t->left = (int64_t)t->prompts * a->n;
    t->choice = qn_zalloc(QN_MEM_SERVE, (size_t)t->n, sizeof *t->choice);
    t->job = qn_zalloc(QN_MEM_SERVE, (size_t)t->n, sizeof *t->job);
    t->jobs = qn_zalloc(QN_MEM_SERVE, (size_t)t->n, sizeof *t->jobs);
    if (!t->choice || !t->job || !t->jobs)
        return QN_ENOMEM;
    const uint64_t seed = a->seeded ? a->o.sampler.seed : qn_server_seed(x->server);
    for (int64_t i = 0; i < t->n; i++) {
        qn_job *j = t->jobs[i] = &t->job[i];
        j->prompt = &t->prompt[i / a->n];
        j->o = a->o;
        j->o.sampler.seed = seed + (uint64_t)(i % a->n);
        j->scales = a->scaled ? a->scale : NULL;
        j->scored = a->echo && a->o.logprobs && !a->chat;
        j->to = &listener;
        j->arg = x;
        j->index = i;
        t->choice[i].t = t;
        t->choice[i].index = i;
    }
    return 0;
}

static int make_guides(qn_exchange *x, qn_talking *t) {
    QN_TRY(qn_ask_grammar(x, &t->ask, &t->grammar));
    if (!t->grammar)
        return 0;
    t->guide = qn_zalloc(QN_MEM_SERVE, (size_t)t->n, sizeof *t->guide);
    if (!t->guide)
        return QN_ENOMEM;
    for (int64_t i = 0; i < t->n; i++)
        t->job[i].o.sampler.guide = &t->guide[i];
    return 0;
}

static int pump(qn_exchange *x, const qn_buf *events);

int qn_talking_start(qn_exchange *x, qn_talking *t) {
    if ((int64_t)t->prompts * t->ask.n > QN_ASK_CHOICES)
        return qn_fail(QN_ELIMIT, "%zu prompts with %lld answers each; at most %d answers in one request", t->prompts,
                       (long long)t->ask.n, QN_ASK_CHOICES);
    if (!x->server->o.session)
        return qn_fail(QN_EUNSUPPORTED, "this model reads texts whole and writes none: it makes embeddings");
    QN_TRY(make_jobs(x, t));
    QN_TRY(make_guides(x, t));
    x->cancel = cancel;
    x->pump = pump;
    x->stream = t->ask.stream;
    for (size_t i = 0; i < t->prompts; i++)
        t->prompt_tokens += (int64_t)t->prompt[i].n;
    x->prompt_tokens = t->prompt_tokens;
    const int rc = qn_server_submit(x, t->jobs, t->n);
    if (rc < 0) {
        x->pump = NULL;
        x->param = rc == QN_ECONTEXT ? t->ask.chat ? "messages" : "prompt" :
                   rc == QN_EINVAL ? t->ask.n > 1 ? "n" : "prompt" : NULL;
    }
    return rc;
}

/* ---- events ---- */

static void count_end(qn_exchange *x, qn_talking *t, qn_choice *c, const qn_event *e) {
    c->ended = true;
    c->r = e->head.r;
    t->left--;
    t->new_tokens += c->r.new_tokens;
    t->cached_tokens += c->index % t->ask.n == 0 ? c->r.cached_tokens : 0;
    t->prefill_seconds += c->r.prefill_seconds;
    t->decode_seconds += c->r.decode_seconds;
    x->new_tokens = t->new_tokens;
    qn_gauges_seconds(&x->server->gauges.whole, e->head.at - x->began);
}

/* The answer failed after it had begun: a stream can only say so and end. */
static int failed(qn_exchange *x, const qn_event *e) {
    cancel(x);
    if (!x->stream)
        return qn_fail(e->head.rc, "%.*s", (int)e->text.n, e->text.s);
    x->finished = true;
    return qn_exchange_stream_error(x, e->head.rc, e->text);
}

static int put_usage_chunk(qn_exchange *x, qn_talking *t) {
    qn_jw w;
    QN_TRY(qn_stream_open(x, &w));
    qn_put_head(x, &w, t);
    qn_field_open(&w, "choices", '[');
    qn_jw_close(&w);
    qn_put_usage(&w, t);
    qn_put_timings(&w, t);
    qn_jw_close(&w);
    return qn_stream_close(x, &w);
}

/* All of them have ended: the answer, or a stream's last. */
static int whole(qn_exchange *x, qn_talking *t) {
    qn_jw w;
    if (x->stream) {
        if (t->ask.usage)
            QN_TRY(put_usage_chunk(x, t));
        return qn_buf_puts(&x->out, "data: [DONE]\n\n");
    }
    qn_exchange_json(x, &w);
    qn_put_head(x, &w, t);
    qn_field_open(&w, "choices", '[');
    for (int64_t i = 0; i < t->n; i++)
        t->wording->choice(&w, &t->choice[i]);
    qn_jw_close(&w);
    qn_put_usage(&w, t);
    qn_put_timings(&w, t);
    qn_jw_close(&w);
    return qn_jw_end(&w);
}

static int pump(qn_exchange *x, const qn_buf *events) {
    qn_talking *t = x->ask;
    qn_event e;
    for (size_t at = 0; !x->finished && qn_event_next(events, &at, &e);) {
        qn_choice *c = &t->choice[e.head.index];
        if (e.head.kind == QN_HEARD_TOKEN) {
            if (!t->heard)
                qn_gauges_seconds(&x->server->gauges.first_token, e.head.at - x->began);
            t->heard = true;
            QN_TRY(t->wording->token(x, c, &e));
            continue;
        }
        if (e.head.rc < 0)
            return failed(x, &e);
        count_end(x, t, c, &e);
        QN_TRY(t->wording->end(x, c));
        if (t->left > 0)
            continue;
        QN_TRY(whole(x, t));
        x->finished = true;
    }
    return 0;
}

/* ---- what answers have in common ---- */

const char *qn_finish_reason(qn_stop_reason r) {
    return r == QN_STOP_EOS || r == QN_STOP_STRING ? "stop" : "length";
}

void qn_put_usage(qn_jw *w, const qn_talking *t) {
    qn_field_open(w, "usage", '{');
    qn_field_i64(w, "prompt_tokens", t->prompt_tokens);
    qn_field_i64(w, "completion_tokens", t->new_tokens);
    qn_field_i64(w, "total_tokens", t->prompt_tokens + t->new_tokens);
    qn_field_open(w, "prompt_tokens_details", '{');
    qn_field_i64(w, "cached_tokens", t->cached_tokens);
    qn_jw_close(w);
    qn_jw_close(w);
}

void qn_put_timings(qn_jw *w, const qn_talking *t) {
    const int64_t read = t->prompt_tokens - t->cached_tokens;
    qn_field_open(w, "timings", '{');
    qn_field_i64(w, "cache_n", t->cached_tokens);
    qn_field_i64(w, "prompt_n", read);
    qn_field_f64(w, "prompt_ms", t->prefill_seconds * 1e3);
    qn_field_i64(w, "predicted_n", t->new_tokens);
    qn_field_f64(w, "predicted_ms", t->decode_seconds * 1e3);
    qn_field_f64(w, "predicted_per_second",
                 t->decode_seconds > 0 ? (double)(t->new_tokens - t->n) / t->decode_seconds : 0);
    qn_jw_close(w);
}

void qn_put_head(const qn_exchange *x, qn_jw *w, const qn_talking *t) {
    qn_jw_open(w, '{');
    qn_field_str(w, "id", t->id);
    qn_field_str(w, "object", x->stream ? t->wording->chunk : t->wording->object);
    qn_field_i64(w, "created", t->created);
    qn_field_str(w, "model", x->server->o.name);
    qn_field_str(w, "system_fingerprint", "quern-" QN_VERSION);
}

static void put_token(const qn_exchange *x, qn_jw *w, int32_t id, float logprob) {
    const qn_str text = qn_server_token(x->server, id);
    qn_field_text(w, "token", text);
    qn_field_i64(w, "id", id);
    qn_field_open(w, "bytes", '[');
    for (size_t i = 0; i < text.n; i++)
        qn_jw_i64(w, (unsigned char)text.s[i]);
    qn_jw_close(w);
    qn_field_f64(w, "logprob", (double)logprob);
}

int qn_add_logprob(const qn_exchange *x, qn_choice *c, const qn_event *e) {
    qn_jw w;
    if (c->logprobs.n > 0)
        QN_TRY(qn_buf_putc(&c->logprobs, ','));
    qn_jw_init(&w, &c->logprobs, 0);
    qn_jw_open(&w, '{');
    put_token(x, &w, e->head.id, e->head.logprob);
    qn_field_open(&w, "top_logprobs", '[');
    for (size_t i = 0; i < e->head.tops; i++) {
        const qn_logprob p = qn_event_top(e, i);
        qn_jw_open(&w, '{');
        put_token(x, &w, p.id, p.logprob);
        qn_jw_close(&w);
    }
    qn_jw_close(&w);
    qn_jw_close(&w);
    return qn_jw_end(&w);
}

int qn_stream_open(qn_exchange *x, qn_jw *w) {
    qn_jw_init(w, &x->out, 0);
    return qn_buf_puts(&x->out, "data: ");
}

int qn_stream_close(qn_exchange *x, qn_jw *w) {
    QN_TRY(qn_jw_end(w));
    return qn_buf_puts(&x->out, "\n\n");
}
