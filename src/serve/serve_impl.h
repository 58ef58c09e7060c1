/* serve/serve_impl.h — what the files of a server share. */
#ifndef QN_SERVE_SERVE_IMPL_H
#define QN_SERVE_SERVE_IMPL_H

#include "base/json_fields.h"
#include "model/prompter.h"
#include "serve/exchange.h"
#include "serve/gate.h"
#include "serve/gauges.h"
#include "serve/grammars.h"

enum { QN_HTTP_THREADS = 4 };

typedef struct qn_watch qn_watch;

struct qn_server {
    qn_server_options o;
    qn_slots *slots;
    qn_scheduler *scheduler;
    qn_watch *watch;
    struct MHD_Daemon *daemon;
    int listening;                  /* its socket */
    qn_prompter prompter[QN_HTTP_THREADS];  /* one for each HTTP thread; templates render in a buffer of their own */
    int free_prompter[QN_HTTP_THREADS], n_free;
    size_t messages_most;                   /* bytes: more of them would never fit the context */
    pthread_mutex_t lock;                   /* of those, and of what lies below */
    qn_gauges gauges;
    qn_token_trie *trie;                    /* of the vocabulary, made when a request first needs it */
    qn_grammars *grammars;
    bool thinks;                            /* thoughts are marked by special tokens */
    uint64_t salt;                          /* of ids and of seeds that nobody gave */
    _Atomic uint64_t numbers;
    double created;                         /* Unix seconds */
    int port;
};

/* ---- http.c ---- */
int qn_http_start(qn_server *s);
void qn_http_stop(qn_server *s, double seconds);

/* ---- watch.c: who goes away while nothing is sent, and pings ---- */
int qn_watch_new(qn_watch **out, int64_t most, double ping_seconds);
void qn_watch_free(qn_watch *w);
int qn_watch_add(qn_watch *w, qn_exchange *x, int socket);      /* QN_ELIMIT beyond `most` */
void qn_watch_remove(qn_watch *w, qn_exchange *x, int socket);
int64_t qn_watch_count(qn_watch *w);
void qn_watch_cancel_all(qn_watch *w);

/* ---- routes.c ---- */
/* The row; or NULL, with 404 or 405 and *allow, what would be allowed. */
const qn_route *qn_route_find(const char *method, const char *path, int *status, const char **allow);
int qn_route_chat(qn_exchange *x), qn_route_completions(qn_exchange *x), qn_route_embeddings(qn_exchange *x);
int qn_route_models(qn_exchange *x), qn_route_tokenize(qn_exchange *x), qn_route_detokenize(qn_exchange *x);
int qn_route_template(qn_exchange *x), qn_route_health(qn_exchange *x), qn_route_metrics(qn_exchange *x);
int qn_route_page(qn_exchange *x);

/* ---- serve.c ---- */
qn_prompter *qn_server_prompter(qn_server *s);                  /* to be given back by the same thread */
void qn_server_give_back(qn_server *s, qn_prompter *p);
int qn_server_adapter(const qn_server *s, qn_str name);         /* its index, by name or path; -1: none */
uint64_t qn_server_seed(qn_server *s);
/* How a token is shown: its bytes in a text, or its name where it has none there. */
qn_str qn_server_token(const qn_server *s, int32_t id);
int qn_server_trie(qn_server *s, const qn_token_trie **out);
/* Submits jobs of an exchange, which they keep alive. Where there is no room the answer becomes 429 or 503, and 1 is
 * returned. */
int qn_server_submit(qn_exchange *x, qn_job *const *jobs, int64_t n);
int qn_server_submit_embed(qn_exchange *x, qn_embed_job *j);

#endif
