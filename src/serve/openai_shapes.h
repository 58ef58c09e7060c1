/* serve/openai_shapes.h — what chats and completions have in common: prompts and choices out of a request, their jobs,
 * events one by one to the route's own shape, usage, log-probabilities.
 *
 *     request ──► qn_talking: prompts × n choices ──► a job each ──► events ──► token, end, and at last choice */
#ifndef QN_SERVE_OPENAI_SHAPES_H
#define QN_SERVE_OPENAI_SHAPES_H

#include "serve/ask.h"

typedef struct qn_talking qn_talking;

typedef struct {
    qn_talking *t;
    int64_t index;
    qn_buf text;                    /* of an answer that is sent whole */
    qn_buf logprobs;                /* JSON values, a comma between them; of a stream: not sent yet */
    qn_buf tops, offsets;           /* … of completions, likewise: token_logprobs and top_logprobs, offsets */
    qn_buf tokens;
    int64_t offset;                 /* characters of its tokens so far */
    bool ended;
    qn_generate_result r;
    void *own;                      /* the shape's */
} qn_choice;

typedef struct {
    const char *object, *chunk;                             /* what an answer is called, and an event of a stream */
    int (*token)(qn_exchange *x, qn_choice *c, const qn_event *e);
    int (*end)(qn_exchange *x, qn_choice *c);               /* this choice; c->r */
    void (*choice)(qn_jw *w, qn_choice *c);                 /* one of an answer that is sent whole */
    void (*drop)(qn_choice *c);                             /* NULL: nothing */
} qn_wording;

struct qn_talking {
    qn_server *server;
    qn_ask ask;
    const qn_wording *wording;
    char id[40];
    int64_t created;
    qn_ids *prompt;
    size_t prompts;
    qn_choice *choice;              /* [n] */
    qn_job *job;                    /* [n] */
    qn_job **jobs;                  /* [n] */
    qn_grammar *grammar;            /* what answers are held to; NULL: nothing */
    qn_guide *guide;                /* [n] {0} until their jobs begin */
    int64_t n, left;
    bool heard;                     /* a first token */
    int64_t prompt_tokens, cached_tokens, new_tokens;
    double prefill_seconds, decode_seconds;
};

/* With the request read; x owns it from here on. `kind` begins its id. */
int qn_talking_new(qn_exchange *x, qn_talking **out, const qn_wording *wording, const char *kind, bool chat);
/* Its prompts are there: jobs are made and submitted. 1: refused, and the answer says so. */
int qn_talking_start(qn_exchange *x, qn_talking *t);

/* "stop", "length"; a call of tools is the shape's own. */
const char *qn_finish_reason(qn_stop_reason r);
/* Members of the open object. */
void qn_put_usage(qn_jw *w, const qn_talking *t);
void qn_put_timings(qn_jw *w, const qn_talking *t);
/* id, object, created, model, system_fingerprint: an object is opened, and stays open. */
void qn_put_head(const qn_exchange *x, qn_jw *w, const qn_talking *t);
/* Chats: what is known of the event's token, as one more value of c->logprobs. */
int qn_add_logprob(const qn_exchange *x, qn_choice *c, const qn_event *e);

/* One event of a stream. */
int qn_stream_open(qn_exchange *x, qn_jw *w);
int qn_stream_close(qn_exchange *x, qn_jw *w);

#endif
