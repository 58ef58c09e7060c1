/* serve/scheduler.h — the one thread that touches the model, and the queue in front of it.
 *
 *     HTTP threads ──► submit ──► queue (bounded) ──► slots: one each ──► listeners, on the scheduler's thread
 *                                                 └─► embedder: some texts between two passes
 *
 * Jobs begin in the order in which they came. A queue that is full refuses at once, so that a client can come back;
 * a job that was cancelled leaves it. */
#ifndef QN_SERVE_SCHEDULER_H
#define QN_SERVE_SCHEDULER_H

#include "infer/embedder.h"
#include "serve/slots.h"

typedef struct qn_scheduler qn_scheduler;

/* Texts, or ids where `ids` is set, to vectors. Borrowed until `done`, which is called once by the scheduler's thread;
 * rc < 0: qn_error_message says why. */
typedef struct qn_embed_job qn_embed_job;
struct qn_embed_job {
    const qn_str *texts;
    const qn_token_text *ids;       /* each as long as is read */
    int64_t n, cut;                 /* cut: the tokens to which texts are cut; 0: one that is too long is an error */
    float *vectors;                 /* [n, width] */
    qn_embedded *told;              /* [n] of texts; of ids it stays as it is */
    void (*done)(qn_embed_job *j, int rc);
    void *arg;
    atomic_bool cancel;
    /* the scheduler's */
    qn_embed_job *next;
    int64_t at;
};

typedef struct {
    int64_t waiting, active, slots, embedding;
    qn_slots_stats total;
    int64_t refused;                /* jobs that found the queue full */
    size_t kv_used, kv_most;        /* bytes of keys and values: touched at the most so far; that can be */
} qn_scheduler_stats;

/* Starts the thread. Takes neither slots nor embedder (each may be NULL), which are its own until it is freed: nobody
 * else calls them but qn_slots_check. queue: jobs that may wait. QN_ENOMEM, QN_EIO: no thread. */
int qn_scheduler_new(qn_scheduler **out, qn_slots *slots, qn_embedder *m, int64_t queue);
/* Cancels what there is, and waits for the thread. NULL is fine. */
void qn_scheduler_free(qn_scheduler *s);

/* All of these jobs or none. QN_ELIMIT: the queue has no room for them now; QN_EINVAL: it never has: more than
 * slots and queue hold together; QN_ECANCEL: it takes no more; what qn_slots_check says; QN_EUNSUPPORTED: there are no
 * slots, no embedder. */
int qn_scheduler_submit(qn_scheduler *s, qn_job *const *jobs, int64_t n);
int qn_scheduler_embed(qn_scheduler *s, qn_embed_job *j);
/* From now on nothing is taken; what is there goes on. */
void qn_scheduler_close(qn_scheduler *s);
/* … and all that is there ends soon, cancelled. */
void qn_scheduler_cancel(qn_scheduler *s);
bool qn_scheduler_is_idle(qn_scheduler *s);
/* Seconds after which a client that was refused may find room: at least 1. */
int qn_scheduler_retry_after(qn_scheduler *s);
qn_scheduler_stats qn_scheduler_look(qn_scheduler *s);

#endif
