/* serve/watch.c — a second watch on the sockets of requests under way. The HTTP library does not look at a connection
 * that sleeps; a client that went away would be noticed when the answer is there and nobody wants it. Also the clock of
 * pings.
 *
 * A socket that says "no more will come" is of a client that went away, or of one that only has said all it had to say
 * (shutdown(SHUT_WR), nc -N): TCP has the same word for both. What is written to the first comes back as a reset. So a
 * stream is written to, a ping; an answer that is sent whole cannot be, and its client counts as gone. */
#include "serve/serve_impl.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct qn_watch {
    int epoll, bell;                /* bell: ends the thread */
    pthread_t thread;
    bool started;
    double ping_seconds;
    pthread_mutex_t lock;           /* of what lies below; taken before an exchange's */
    qn_exchange **at;               /* [most] */
    uint32_t *generation;           /* [most] so that an event of one that has gone hits nobody */
    int64_t *vacant;                /* [most] a stack */
    int64_t n_vacant, most;
    bool ended;
};

/* ---- the thread ---- */

/* If the stream is silent, something is written to it. */
static void ping(qn_exchange *x, double silent) {
    pthread_mutex_lock(&x->lock);
    if (x->suspended && qn_now() - x->last_sent >= silent) {
        x->ping = true;
        qn_exchange_wake(x);
    }
    pthread_mutex_unlock(&x->lock);
}

static void heard(qn_watch *w, const struct epoll_event *e) {
    const int64_t i = (int64_t)(e->data.u64 & 0xffffffffu);
    pthread_mutex_lock(&w->lock);
    qn_exchange *x = i < w->most && w->generation[i] == e->data.u64 >> 32 ? w->at[i] : NULL;
    if (x && x->stream && !(e->events & (EPOLLHUP | EPOLLERR)))
        ping(x, 0);
    else if (x)
        qn_exchange_gone(x);
    pthread_mutex_unlock(&w->lock);
}

static void ping_all(qn_watch *w) {
    pthread_mutex_lock(&w->lock);
    for (int64_t i = 0; i < w->most; i++)
        if (w->at[i] && w->at[i]->stream)
            ping(w->at[i], w->ping_seconds);
    pthread_mutex_unlock(&w->lock);
}

static void *work(void *arg) {
    qn_watch *w = arg;
    struct epoll_event event[64];
    double last = qn_now();
    for (;;) {
        const int n = epoll_wait(w->epoll, event, (int)QN_LEN(event), 250);
        pthread_mutex_lock(&w->lock);
        const bool ended = w->ended;
        pthread_mutex_unlock(&w->lock);
        if (ended || (n < 0 && errno != EINTR))
            return NULL;
        for (int i = 0; i < n; i++)
            heard(w, &event[i]);
        if (qn_now() - last < QN_MIN(w->ping_seconds / 2, 1))
            continue;
        last = qn_now();
        ping_all(w);
    }
}

/* ---- for the others ---- */

int qn_watch_new(qn_watch **out, int64_t most, double ping_seconds) {
    qn_watch *w = qn_zalloc(QN_MEM_SERVE, 1, sizeof *w);
    *out = NULL;
    if (!w)
        return QN_ENOMEM;
    w->most = most;
    w->ping_seconds = ping_seconds;
    pthread_mutex_init(&w->lock, NULL);
    w->epoll = epoll_create1(EPOLL_CLOEXEC);
    w->bell = eventfd(0, EFD_CLOEXEC);
    w->at = qn_zalloc(QN_MEM_SERVE, (size_t)most, sizeof *w->at);
    w->generation = qn_zalloc(QN_MEM_SERVE, (size_t)most, sizeof *w->generation);
    w->vacant = qn_zalloc(QN_MEM_SERVE, (size_t)most, sizeof *w->vacant);
    int rc = w->at && w->generation && w->vacant ? 0 : QN_ENOMEM;
    for (int64_t i = 0; i < most && rc == 0; i++)
        w->vacant[w->n_vacant++] = most - 1 - i;
    struct epoll_event bell = {.events = EPOLLIN, .data.u64 = UINT64_MAX};
    if (rc == 0 && (w->epoll < 0 || w->bell < 0 || epoll_ctl(w->epoll, EPOLL_CTL_ADD, w->bell, &bell) != 0))
        rc = qn_fail(QN_EIO, "cannot watch connections: no more files can be opened");
    if (rc == 0 && !(w->started = pthread_create(&w->thread, NULL, work, w) == 0))
        rc = qn_fail(QN_EIO, "cannot start the thread that watches connections");
    if (rc < 0)
        qn_watch_free(w);
    else
        *out = w;
    return rc;
}

void qn_watch_free(qn_watch *w) {
    if (!w)
        return;
    pthread_mutex_lock(&w->lock);
    w->ended = true;
    pthread_mutex_unlock(&w->lock);
    const uint64_t one = 1;
    if (w->started && write(w->bell, &one, sizeof one) == (ssize_t)sizeof one)
        pthread_join(w->thread, NULL);
    if (w->epoll >= 0)
        close(w->epoll);
    if (w->bell >= 0)
        close(w->bell);
    pthread_mutex_destroy(&w->lock);
    qn_free(w->at);
    qn_free(w->generation);
    qn_free(w->vacant);
    qn_free(w);
}

int qn_watch_add(qn_watch *w, qn_exchange *x, int socket) {
    pthread_mutex_lock(&w->lock);
    if (w->n_vacant == 0) {
        pthread_mutex_unlock(&w->lock);
        return qn_fail(QN_ELIMIT, "%lld requests are under way, more than the server watches", (long long)w->most);
    }
    const int64_t i = w->vacant[--w->n_vacant];
    w->at[i] = x;
    x->watched = i;
    struct epoll_event e = {
        .events = EPOLLRDHUP | EPOLLET, .data.u64 = (uint64_t)++w->generation[i] << 32 | (uint64_t)i,
    };
    epoll_ctl(w->epoll, EPOLL_CTL_ADD, socket, &e);     /* refused: then it is noticed when it is written to */
    pthread_mutex_unlock(&w->lock);
    return 0;
}

void qn_watch_remove(qn_watch *w, qn_exchange *x, int socket) {
    pthread_mutex_lock(&w->lock);
    if (x->watched >= 0) {
        epoll_ctl(w->epoll, EPOLL_CTL_DEL, socket, NULL);
        w->at[x->watched] = NULL;
        w->vacant[w->n_vacant++] = x->watched;
        x->watched = -1;
    }
    pthread_mutex_unlock(&w->lock);
}

int64_t qn_watch_count(qn_watch *w) {
    pthread_mutex_lock(&w->lock);
    const int64_t n = w->most - w->n_vacant;
    pthread_mutex_unlock(&w->lock);
    return n;
}

void qn_watch_cancel_all(qn_watch *w) {
    pthread_mutex_lock(&w->lock);
    for (int64_t i = 0; i < w->most; i++)
        if (w->at[i])
            qn_exchange_gone(w->at[i]);
    pthread_mutex_unlock(&w->lock);
}
