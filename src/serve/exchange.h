/* serve/exchange.h — one request from its first byte to the last of its answer.
 *
 *     HTTP thread                                            scheduler's thread
 *     body comes; a route's handle() parses it
 *      ├─► the answer is there: `out`
 *      └─► jobs are submitted, `pump` is set  ─────────────► says tokens and ends: events
 *          connection sleeps  ◄── woken ─────────────────────┘
 *          pump() makes `out` of the events; `finished` with the last
 *
 * The exchange belongs to the connection and to its jobs; the last one frees it. What jobs borrow lies in `ask`, and
 * lives as long. */
#ifndef QN_SERVE_EXCHANGE_H
#define QN_SERVE_EXCHANGE_H

#include <pthread.h>

#include "base/json.h"
#include "serve/scheduler.h"
#include "serve/serve.h"

typedef struct qn_exchange qn_exchange;

/* What the scheduler's thread said, in order, in a buffer: a head, then `tops` alternatives, then `bytes` of text (with
 * an error its message). */
typedef enum { QN_HEARD_TOKEN, QN_HEARD_END } qn_heard_kind;
typedef struct {
    qn_heard_kind kind;
    int32_t id;
    int64_t index;                  /* of the job */
    float logprob;
    int rc;                         /* END */
    size_t tops, bytes;
    double at;                      /* qn_now */
    qn_generate_result r;           /* END */
} qn_heard;
/* The next event at *at, which moves on; false: there is none. Views into the buffer, which need not be aligned. */
typedef struct { qn_heard head; const char *tops; qn_str text; } qn_event;
bool qn_event_next(const qn_buf *events, size_t *at, qn_event *e);
qn_logprob qn_event_top(const qn_event *e, size_t i);

typedef struct {
    const char *method, *path;      /* "/v1/models"; a row whose path ends in '*' takes what begins so */
    bool is_public;                 /* without a key */
    /* 0: out is the answer, or pump is set; <0: an error, told by qn_exchange_refuse. */
    int (*handle)(qn_exchange *x);
} qn_route;

struct qn_exchange {
    qn_server *server;
    struct MHD_Connection *connection;
    const qn_route *route;
    char id[24], path[128];         /* "req-…" */
    double began;                   /* qn_now */
    qn_buf body;
    bool too_long;                  /* the body: it is not kept */
    bool handled, allow_origin, stay; /* stay: the connection may serve another request */
    /* the answer */
    int status;
    const char *type;               /* of out */
    qn_buf out;
    size_t sent;                    /* bytes of out, of a stream */
    int retry_after;                /* seconds; 0: not said */
    const char *allow;              /* of 405: what the path takes */
    const char *asset;              /* instead of out: bytes in the program, asset_bytes of them */
    size_t asset_bytes;
    bool stream;                    /* out goes as it comes, events with "data: " */
    const char *param;              /* the member of the request that is being read, for errors */
    char param_text[64];
    /* of a route with jobs */
    void *ask;
    void (*drop_ask)(void *ask);
    int (*pump)(qn_exchange *x, const qn_buf *events);
    bool finished;
    qn_buf taken;                   /* events that pump looks at */
    double last_sent;
    int64_t prompt_tokens, new_tokens;      /* for the log */
    /* shared with the scheduler's thread and the watch */
    pthread_mutex_t lock;
    qn_buf events;
    int refs;                       /* the connection, and jobs that have not ended */
    bool lost;                      /* an event found no memory */
    bool suspended, gone, ping;
    void (*cancel)(qn_exchange *x); /* sets the flags of its jobs */
    int64_t watched;                /* its place in the watch, −1: none */
};

qn_exchange *qn_exchange_new(qn_server *s);         /* NULL: QN_ENOMEM */
void qn_exchange_hold(qn_exchange *x, int n);       /* n more owners: before jobs are submitted */
void qn_exchange_let_go(qn_exchange *x);
/* Wakes the connection. The caller holds the lock. (http.c) */
void qn_exchange_wake(qn_exchange *x);
/* The client is gone: its jobs end. */
void qn_exchange_gone(qn_exchange *x);

/* ---- errors: {"error": {"message", "type", "param", "code"}} ---- */

/* The answer becomes this error. */
void qn_exchange_error(qn_exchange *x, int status, const char *code, const char *message);
/* … that of the failure rc, whose message is qn_error_message: 400 for the client's fault, 500 for ours. */
void qn_exchange_refuse(qn_exchange *x, int rc);
/* The same object as an event of a stream. */
int qn_exchange_stream_error(qn_exchange *x, int rc, qn_str message);
int qn_exchange_status_of(int rc);

/* ---- events for jobs ---- */
int qn_exchange_said(qn_exchange *x, int64_t index, const qn_token_event *e);
void qn_exchange_ended(qn_exchange *x, int64_t index, int rc, const qn_generate_result *r);     /* lets go, too */

/* A member that is a text or null. */
void qn_field_or_null(qn_jw *w, const char *key, const char *text);
/* A JSON answer: take the writer, fill it, end it. */
void qn_exchange_json(qn_exchange *x, qn_jw *w);

#endif
