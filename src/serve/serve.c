/* serve/serve.c — a server's life, and what its routes borrow of it. */
#include "serve/serve_impl.h"

#include <string.h>

/* ---- borrowed ---- */

/* As many prompters as HTTP threads, and each thread has one at a time: there is always one. */
qn_prompter *qn_server_prompter(qn_server *s) {
    pthread_mutex_lock(&s->lock);
    qn_assert(s->n_free > 0);
    qn_prompter *p = &s->prompter[s->free_prompter[--s->n_free]];
    pthread_mutex_unlock(&s->lock);
    return p;
}

void qn_server_give_back(qn_server *s, qn_prompter *p) {
    pthread_mutex_lock(&s->lock);
    s->free_prompter[s->n_free++] = (int)(p - s->prompter);
    pthread_mutex_unlock(&s->lock);
}

/* 52 bits, within what `generate` takes, so that any answer can be had again. */
uint64_t qn_server_seed(qn_server *s) {
    const uint64_t number = atomic_fetch_add_explicit(&s->numbers, 1, memory_order_relaxed);
    return s->o.seeded ? s->o.defaults.sampler.seed : qn_rng_u64(s->salt, QN_RNG_SAMPLE, number, 1) >> 12;
}

int qn_server_adapter(const qn_server *s, qn_str name) {
    for (int i = 0; i < s->o.n_adapters; i++)
        if (qn_str_is(name, s->o.adapters[i]) || qn_str_is(name, s->o.adapter_paths[i]))
            return i;
    return -1;
}

qn_str qn_server_token(const qn_server *s, int32_t id) {
    const qn_str piece = qn_tok_piece(s->o.tok, id), name = piece.n ? piece : qn_tok_text(s->o.tok, id);
    return name.n ? name : QN_STR("");
}

int qn_server_trie(qn_server *s, const qn_token_trie **out) {
    pthread_mutex_lock(&s->lock);
    const int rc = s->trie ? 0 : qn_token_trie_new(&s->trie, s->o.tok, qn_session_vocabulary(s->o.session));
    *out = s->trie;
    pthread_mutex_unlock(&s->lock);
    return rc;
}

/* 1: no room, and the answer says so. */
static int refused(qn_exchange *x, int rc) {
    if (rc == QN_ELIMIT) {
        qn_exchange_error(x, 429, "queue_full", qn_error_message());
        x->retry_after = qn_scheduler_retry_after(x->server->scheduler);
        return 1;
    }
    if (rc == QN_ECANCEL) {
        qn_exchange_error(x, 503, NULL, qn_error_message());
        x->stay = false;
        return 1;
    }
    return rc;
}

static void let_go_of(qn_exchange *x, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        qn_exchange_let_go(x);
}

int qn_server_submit(qn_exchange *x, qn_job *const *jobs, int64_t n) {
    qn_exchange_hold(x, (int)n);
    const int rc = qn_scheduler_submit(x->server->scheduler, jobs, n);
    if (rc < 0)
        let_go_of(x, n);
    return refused(x, rc);
}

int qn_server_submit_embed(qn_exchange *x, qn_embed_job *j) {
    qn_exchange_hold(x, 1);
    const int rc = qn_scheduler_embed(x->server->scheduler, j);
    if (rc < 0)
        let_go_of(x, 1);
    return refused(x, rc);
}

/* ---- life ---- */

/* The longest token, and four times as much for what a normalizer or a template may leave out. */
static size_t messages_most(const qn_server *s) {
    size_t longest = 1;
    for (int64_t id = 0; id < s->o.model->cfg.V; id++)
        longest = QN_MAX(longest, qn_server_token(s, (int32_t)id).n);
    return 4 * longest * (size_t)qn_session_context(s->o.session);
}

static int open_prompters(qn_server *s) {
    if (s->o.session)
        s->messages_most = messages_most(s);
    for (int i = 0; i < QN_HTTP_THREADS && s->o.session; i++) {
        s->prompter[i].most = (size_t)qn_session_context(s->o.session);
        QN_TRY(qn_prompter_open(&s->prompter[i], s->o.words, s->o.name, s->o.tok));
        s->free_prompter[s->n_free++] = i;
    }
    return 0;
}

/* Such tokens are left out of texts, and then nobody could tell thoughts from words. */
static bool thinks(const qn_tok *tok) {
    static const char *const marks[] = {"<think>", "[THINK]", "<|START_THINKING|>"};
    for (size_t i = 0; i < QN_LEN(marks); i++) {
        const int32_t id = qn_tok_id(tok, qn_str_of(marks[i]));
        if (id >= 0 && qn_tok_is_special(tok, id))
            return true;
    }
    return false;
}

static int start(qn_server *s) {
    const qn_slots_options slots = {.chunk = s->o.chunk, .scales = s->o.scales};
    QN_TRY(open_prompters(s));
    QN_TRY(qn_grammars_new(&s->grammars));
    if (s->o.session)
        QN_TRY(qn_slots_new(&s->slots, s->o.session, s->o.tok, &slots));
    QN_TRY(qn_watch_new(&s->watch, s->o.connections, s->o.ping_seconds));
    QN_TRY(qn_scheduler_new(&s->scheduler, s->slots, s->o.embedder, s->o.queue));
    return qn_http_start(s);
}

int qn_server_start(qn_server **out, const qn_server_options *o) {
    *out = NULL;
    qn_server *s = qn_zalloc(QN_MEM_SERVE, 1, sizeof *s);
    if (!s)
        return QN_ENOMEM;
    s->o = *o;
    s->created = qn_wall();
    s->thinks = thinks(o->tok);
    s->salt = (uint64_t)(s->created * 1e6) ^ (uint64_t)(uintptr_t)s;
    pthread_mutex_init(&s->lock, NULL);
    const int rc = start(s);
    if (rc < 0) {
        qn_server_stop(s, 0);
        return rc;
    }
    *out = s;
    return 0;
}

void qn_server_stop(qn_server *s, double seconds) {
    if (!s)
        return;
    qn_http_stop(s, seconds);
    qn_scheduler_free(s->scheduler);
    qn_slots_free(s->slots);
    qn_watch_free(s->watch);
    qn_grammars_free(s->grammars);
    qn_token_trie_free(s->trie);
    for (int i = 0; i < QN_HTTP_THREADS; i++)
        qn_prompter_drop(&s->prompter[i]);
    pthread_mutex_destroy(&s->lock);
    qn_free(s);
}

int qn_server_port(const qn_server *s) { return s->port; }
int64_t qn_server_busy(qn_server *s) { return qn_watch_count(s->watch); }
