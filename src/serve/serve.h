/* serve/serve.h — storey 8: a model as a service over HTTP, in the shapes that OpenAI's clients know. Front door.
 *
 *   client ══ HTTP threads (libmicrohttpd) ═══════════════════════════ one scheduler thread ══ the model
 *             http.c        connections, bodies, answers whole or        scheduler.h .c   a bounded queue
 *                           streamed, suspended while nothing comes      slots.h .c       batched passes, prefixes
 *             watch.c       who went away meanwhile; pings                  ▲
 *             gate.h .c     Host, Origin, keys                              │ jobs
 *             routes.c      path and method to a function ──────────────────┤
 *             ask.h .c      a request's members, checked (ask_*.c)         │ what they say: events,
 *             ask_chat.c    a conversation as a prompt                      │ taken up by an HTTP thread
 *             openai_chat.c openai_completions.c openai_embeddings.c ◄──────┘
 *             openai_shapes.h .c   what their answers have in common        plain_routes.c   tokenize, health …
 *             exchange.h .c one request from its first byte to its last     gauges.h .c      figures for Prometheus
 *             grammars.h .c schemas and grammars that were read             serve_impl.h     shared inside
 *             pages.h page/ the web page, inside the program
 *
 * HTTP threads never touch the model: they read, tokenize, render templates, and write. The scheduler's thread computes
 * and samples, and leaves what was said as events with the exchange, whose connection wakes up. A client that goes away
 * cancels its jobs, streaming or not.
 *
 * All memory that a stranger can ask for is bounded: bodies, queue, connections, choices, stop strings, templates. */
#ifndef QN_SERVE_SERVE_H
#define QN_SERVE_SERVE_H

#include "infer/embedder.h"
#include "infer/generate.h"
#include "model/model.h"

typedef struct qn_server qn_server;

/* All borrowed until the server has stopped. */
typedef struct {
    const char *host;               /* an address or a name to listen on */
    int port;                       /* 0: any that is free */
    const char *const *keys;        size_t n_keys;      /* none: everybody may ask */
    const char *const *hosts;       size_t n_hosts;     /* names in Host beside addresses, localhost and `host` */
    const char *const *origins;     size_t n_origins;   /* web pages of others that may ask; "*": all */
    const char *name;               /* of the model, in answers */
    const qn_source *words;         /* of template and tokenizer */
    const qn_tok *tok;
    const qn_model *model;
    qn_session *session;            /* NULL: the model does not write. The server's until it stops, as the embedder */
    qn_embedder *embedder;          /* NULL: none */
    const char *const *adapters;    /* public names, in the session's order */
    const char *const *adapter_paths;       /* … and what they were read from, by which a request may name them, too */
    const float *scales;            /* … and what holds where a request says nothing */
    int n_adapters;
    qn_generate_options defaults;   /* what a request does not say */
    bool seeded;                    /* defaults.sampler.seed holds, too; else each answer has a seed of its own */
    int64_t queue;                  /* answers that may wait; beyond that: 429 */
    int64_t chunk;                  /* tokens of prompts in a pass while others write */
    int64_t body;                   /* bytes of a request's body */
    int64_t connections;
    double ping_seconds;            /* a comment on a silent stream, so that nobody takes it for dead */
} qn_server_options;

/* Listens, and returns. QN_EIO: the address is not to be had; QN_EINVAL; QN_ENOMEM. */
int qn_server_start(qn_server **out, const qn_server_options *o);
int qn_server_port(const qn_server *s);
/* No new requests; those under way may go on for so many seconds, then they are cancelled. Frees it; NULL is fine. */
void qn_server_stop(qn_server *s, double seconds);
/* Requests under way. */
int64_t qn_server_busy(qn_server *s);

#endif
