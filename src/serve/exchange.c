/* serve/exchange.c — life of an exchange, its events, its errors. */
#include "serve/serve_impl.h"

#include <stdio.h>
#include <string.h>

qn_exchange *qn_exchange_new(qn_server *s) {
    qn_exchange *x = qn_zalloc(QN_MEM_SERVE, 1, sizeof *x);
    if (!x)
        return NULL;
    x->server = s;
    x->began = x->last_sent = qn_now();
    x->refs = 1;
    x->status = 200;
    x->type = "application/json";
    x->stay = true;
    x->watched = -1;
    const uint64_t number = atomic_fetch_add_explicit(&s->numbers, 1, memory_order_relaxed);
    snprintf(x->id, sizeof x->id, "req-%016llx",
             (unsigned long long)qn_rng_u64(s->salt, QN_RNG_SAMPLE, number, 0));
    pthread_mutex_init(&x->lock, NULL);
    return x;
}

void qn_exchange_hold(qn_exchange *x, int n) {
    pthread_mutex_lock(&x->lock);
    x->refs += n;
    pthread_mutex_unlock(&x->lock);
}

void qn_exchange_let_go(qn_exchange *x) {
    pthread_mutex_lock(&x->lock);
    const bool last = --x->refs == 0;
    pthread_mutex_unlock(&x->lock);
    if (!last)
        return;
    if (x->drop_ask)
        x->drop_ask(x->ask);
    pthread_mutex_destroy(&x->lock);
    qn_buf_drop(&x->body);
    qn_buf_drop(&x->out);
    qn_buf_drop(&x->taken);
    qn_buf_drop(&x->events);
    qn_free(x);
}

void qn_exchange_gone(qn_exchange *x) {
    pthread_mutex_lock(&x->lock);
    const bool first = !x->gone;
    x->gone = true;
    if (first && x->cancel)
        x->cancel(x);
    qn_exchange_wake(x);
    pthread_mutex_unlock(&x->lock);
}

/* ---- errors ---- */

static const char *type_of(int status) {
    switch (status) {
    case 401: return "authentication_error";
    case 403: return "permission_error";
    case 404: return "not_found_error";
    case 429: return "rate_limit_error";
    case 500: return "server_error";
    case 503: return "unavailable_error";
    default: return "invalid_request_error";
    }
}

int qn_exchange_status_of(int rc) {
    switch (rc) {
    case QN_EIO: case QN_ENOMEM: case QN_ESTALE: case QN_ESHAPE: case QN_ETEST: return 500;
    case QN_ECANCEL: return 503;
    default: return 400;
    }
}

void qn_field_or_null(qn_jw *w, const char *key, const char *text) {
    if (text)
        qn_field_str(w, key, text);
    else
        qn_field_null(w, key);
}

static void write_error(qn_jw *w, int status, const char *param, const char *code, qn_str message) {
    qn_jw_open(w, '{');
    qn_field_open(w, "error", '{');
    qn_field_text(w, "message", message);
    qn_field_str(w, "type", type_of(status));
    qn_field_or_null(w, "param", param);
    qn_field_or_null(w, "code", code);
    qn_jw_close(w);
    qn_jw_close(w);
}

void qn_exchange_error(qn_exchange *x, int status, const char *code, const char *message) {
    qn_jw w;
    x->status = status;
    x->stream = false;
    x->type = "application/json";
    x->pump = NULL;
    x->asset = NULL;
    qn_buf_clear(&x->out);
    qn_jw_init(&w, &x->out, 0);
    write_error(&w, status, status == 400 ? x->param : NULL, code, qn_str_of(message));
    qn_jw_end(&w);
}

static const char *code_of(int rc) {
    switch (rc) {
    case QN_ECONTEXT: return "context_length_exceeded";
    case QN_EUNSUPPORTED: return "unsupported";
    default: return NULL;
    }
}

void qn_exchange_refuse(qn_exchange *x, int rc) {
    char message[1024];
    snprintf(message, sizeof message, "%s", qn_error_message());
    qn_exchange_error(x, qn_exchange_status_of(rc), code_of(rc), message);
}

int qn_exchange_stream_error(qn_exchange *x, int rc, qn_str message) {
    qn_jw w;
    QN_TRY(qn_buf_puts(&x->out, "data: "));
    qn_jw_init(&w, &x->out, 0);
    write_error(&w, qn_exchange_status_of(rc), NULL, code_of(rc), message);
    QN_TRY(qn_jw_end(&w));
    return qn_buf_puts(&x->out, "\n\n");
}

void qn_exchange_json(qn_exchange *x, qn_jw *w) {
    qn_buf_clear(&x->out);
    qn_jw_init(w, &x->out, 0);
}

/* ---- events ---- */

static int put_event(qn_exchange *x, const qn_heard *h, const qn_logprob *tops, const char *text) {
    QN_TRY(qn_buf_reserve(&x->events, sizeof *h + h->tops * sizeof *tops + h->bytes));
    QN_TRY(qn_buf_put(&x->events, h, sizeof *h));
    if (h->tops)
        QN_TRY(qn_buf_put(&x->events, tops, h->tops * sizeof *tops));
    return h->bytes ? qn_buf_put(&x->events, text, h->bytes) : 0;
}

int qn_exchange_said(qn_exchange *x, int64_t index, const qn_token_event *e) {
    const qn_heard h = {
        .kind = QN_HEARD_TOKEN, .id = e->id, .index = index, .logprob = e->logprob, .tops = (size_t)e->n_top,
        .bytes = e->text.n, .at = qn_now(),
    };
    pthread_mutex_lock(&x->lock);
    const int rc = put_event(x, &h, e->top, e->text.s);
    qn_exchange_wake(x);
    pthread_mutex_unlock(&x->lock);
    return rc;
}

void qn_exchange_ended(qn_exchange *x, int64_t index, int rc, const qn_generate_result *r) {
    const char *message = rc < 0 ? qn_error_message() : "";
    qn_heard h = {
        .kind = QN_HEARD_END, .index = index, .rc = rc, .bytes = strlen(message), .at = qn_now(),
    };
    if (r)
        h.r = *r;
    pthread_mutex_lock(&x->lock);
    if (put_event(x, &h, NULL, message) < 0)
        x->lost = true;
    qn_exchange_wake(x);
    pthread_mutex_unlock(&x->lock);
    qn_exchange_let_go(x);
}

bool qn_event_next(const qn_buf *events, size_t *at, qn_event *e) {
    if (events->n - *at < sizeof e->head)
        return false;
    memcpy(&e->head, events->s + *at, sizeof e->head);
    e->tops = events->s + *at + sizeof e->head;
    e->text = (qn_str){e->tops + e->head.tops * sizeof(qn_logprob), e->head.bytes};
    *at += sizeof e->head + e->head.tops * sizeof(qn_logprob) + e->head.bytes;
    return true;
}

qn_logprob qn_event_top(const qn_event *e, size_t i) {
    qn_logprob p;
    memcpy(&p, e->tops + i * sizeof p, sizeof p);
    return p;
}
