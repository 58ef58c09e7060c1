/* serve/slots.h — many answers at once out of one session: continuous batching, prompts in pieces, what begins alike
 * computed once. No threads here: the scheduler has one, and calls.
 *
 * A slot is a sequence of the session and the job that it works for. Each pass is one run of the model:
 *
 *     │ slot 0: its next token │ slot 3: its next token │ slot 1: 200 tokens of a prompt │ slot 2: the 54 left of one │
 *
 * so those who write go on while others read. A slot keeps what it holds when its job is done; the next job takes over
 * the longest beginning that any slot holds, and where another slot is about to read the same, it waits for that.
 *
 * A job's answer is the one that qn_generate gives, token for token, whatever else runs: rows of a batch have the bits
 * that they have alone (docs/NUMERICS.md), and the rest is the same code (infer/reply.h). */
#ifndef QN_SERVE_SLOTS_H
#define QN_SERVE_SLOTS_H

#include "infer/reply.h"

typedef struct qn_slots qn_slots;
typedef struct qn_job qn_job;

/* Called by the thread that passes; quick ones. */
typedef struct {
    int (*begin)(qn_job *j);                                /* once, before anything is read of o; NULL: nothing */
    int (*token)(qn_job *j, const qn_token_event *e);       /* as qn_token_fn */
    /* The end, once, and then the job is the caller's again. rc < 0: qn_error_message says why; QN_ECANCEL: because
     * `cancel` was set. */
    void (*done)(qn_job *j, int rc, const qn_generate_result *r);
} qn_job_listener;

/* One prompt to be answered once. All of it is the caller's, borrowed until `done`. */
struct qn_job {
    const qn_ids *prompt;
    qn_generate_options o;          /* no drafter */
    const float *scales;            /* of the session's adapters; NULL: those of the slots' options */
    bool scored;                    /* its prompt's tokens but the first are told, too, before the answer's: without
                                     * text, with log-probability and alternatives. All of it is read anew then */
    const qn_job_listener *to;
    void *arg;
    int64_t index;                  /* the caller's */
    atomic_bool cancel;             /* set by any thread at any time: it ends after the pass */
    /* the scheduler's */
    qn_job *next;
    double submitted;
};

typedef struct {
    int64_t chunk;                  /* tokens of prompts in a pass while others write; 0: 256 */
    const float *scales;            /* [adapters of the session], copied; NULL where it has none */
} qn_slots_options;

typedef struct {
    int64_t passes, prompt_tokens, cached_tokens, new_tokens;   /* prompt: fed; cached: taken over */
    int64_t answers, failed, cancelled;
    double busy_seconds;            /* in passes */
} qn_slots_stats;

/* Borrows session and tokenizer. QN_ENOMEM. */
int qn_slots_new(qn_slots **out, qn_session *s, const qn_tok *tok, const qn_slots_options *o);
/* Whatever it still works for is cancelled. NULL is fine. */
void qn_slots_free(qn_slots *e);
/* What can be said of a job before it begins: qn_reply_check, sampling, adapters. Any thread. */
int qn_slots_check(const qn_slots *e, const qn_job *j);
int64_t qn_slots_count(const qn_slots *e);
int64_t qn_slots_active(const qn_slots *e);           /* slots that work */
/* Gives a job to a free slot: there must be one. A job that cannot begin is done at once. */
void qn_slots_admit(qn_slots *e, qn_job *j);
/* One run of the model for all slots that work; listeners are called. */
void qn_slots_pass(qn_slots *e);
void qn_slots_cancel(qn_slots *e);                    /* all that it works for, with the next pass */
qn_slots_stats qn_slots_stats_get(const qn_slots *e);
qn_session *qn_slots_session(const qn_slots *e);

#endif
