/* serve/http.c — connections: bodies in, answers out, sleep in between. The one file that calls libmicrohttpd.
 *
 * A request is answered when all of it has come. Where the answer takes jobs, the connection sleeps ("suspended") until
 * there are events. The lock of the exchange is held from the look at the events to the sleep, and by whoever brings
 * events and wakes: nothing falls between. */
#include "serve/serve_impl.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "serve/mhd.h"

/* IDLE_SECONDS: a connection on which nothing moves; DRAINED: a body that is too long is read up to so many times the
 * limit, so that its sender comes to read the answer. */
enum { IDLE_SECONDS = 120, BLOCK = 16384, DRAINED = 8 };

/* ---- answers ---- */

void qn_exchange_wake(qn_exchange *x) {
    if (!x->suspended)
        return;
    x->suspended = false;
    qn_http.resume_connection(x->connection);
}

/* The lock is held. */
static void sleep_now(qn_exchange *x) {
    x->suspended = true;
    qn_http.suspend_connection(x->connection);
}

static const char *header(qn_exchange *x, const char *name) {
    return qn_http.lookup_connection_value(x->connection, MHD_HEADER_KIND, name);
}

/* The page is made of its own files and talks to its own server; nothing else is loaded, run, framed or sent to. */
#define PAGE_POLICY "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " \
                    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

static void add_headers(qn_exchange *x, struct MHD_Response *r) {
    char seconds[16];
    qn_http.add_response_header(r, "x-request-id", x->id);
    qn_http.add_response_header(r, "Server", "quern");
    qn_http.add_response_header(r, "X-Content-Type-Options", "nosniff");
    if (x->type)
        qn_http.add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, x->type);
    if (x->asset) {
        qn_http.add_response_header(r, "Content-Security-Policy", PAGE_POLICY);
        qn_http.add_response_header(r, "Referrer-Policy", "no-referrer");
        qn_http.add_response_header(r, MHD_HTTP_HEADER_CACHE_CONTROL, "no-cache");  /* another quern, another page */
    }
    if (x->retry_after > 0) {
        snprintf(seconds, sizeof seconds, "%d", x->retry_after);
        qn_http.add_response_header(r, MHD_HTTP_HEADER_RETRY_AFTER, seconds);
    }
    if (x->allow)                                       /* RFC 9110, 15.5.6 */
        qn_http.add_response_header(r, MHD_HTTP_HEADER_ALLOW, x->allow);
    if (x->status == 500)                               /* what failed for good is not asked twice */
        qn_http.add_response_header(r, "x-should-retry", "false");
    if (x->status == 401)
        qn_http.add_response_header(r, MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Bearer");
    if (x->allow_origin) {
        qn_http.add_response_header(r, "Access-Control-Allow-Origin", header(x, "Origin"));
        qn_http.add_response_header(r, "Access-Control-Expose-Headers", "x-request-id, retry-after");
        qn_http.add_response_header(r, "Vary", "Origin");
    }
    if (x->stream)
        qn_http.add_response_header(r, MHD_HTTP_HEADER_CACHE_CONTROL, "no-cache");
    if (!x->stay)
        qn_http.add_response_header(r, MHD_HTTP_HEADER_CONNECTION, "close");
}

/* Takes the response. */
static enum MHD_Result queue(qn_exchange *x, struct MHD_Response *r) {
    qn_gauges_status(&x->server->gauges, x->status);
    const enum MHD_Result done = qn_http.queue_response(x->connection, (unsigned)x->status, r);
    qn_http.destroy_response(r);
    return done;
}

static enum MHD_Result send_whole(qn_exchange *x) {
    struct MHD_Response *r = x->asset ?
        qn_http.create_response_from_buffer(x->asset_bytes, (void *)(uintptr_t)x->asset, MHD_RESPMEM_PERSISTENT) :
        qn_http.create_response_from_buffer(x->out.n, x->out.s ? x->out.s : "", MHD_RESPMEM_PERSISTENT);
    if (!r)
        return MHD_NO;
    add_headers(x, r);
    return queue(x, r);
}

/* Takes the events that came since, or goes to sleep: 1, 0; −1: the client is gone. *ping: nothing came, but a sign of
 * life is due. */
static int take_events(qn_exchange *x, bool *ping) {
    int got = 1;
    pthread_mutex_lock(&x->lock);
    qn_buf_clear(&x->taken);
    const qn_buf was = x->taken;
    *ping = x->ping;
    x->ping = false;
    if (x->gone || x->lost) {
        got = -1;
    } else if (x->events.n > 0) {
        x->taken = x->events;
        x->events = was;
    } else if (!*ping) {
        got = 0;
        sleep_now(x);
    }
    pthread_mutex_unlock(&x->lock);
    return got;
}

/* More of a stream's text into out. 1: go on; 0: it sleeps; −1: nobody listens. */
static int more_of_stream(qn_exchange *x) {
    bool ping;
    qn_buf_clear(&x->out);
    x->sent = 0;
    const int got = take_events(x, &ping);
    if (got <= 0)
        return got;
    int rc = ping && x->taken.n == 0 ? qn_buf_puts(&x->out, ":\n\n") : 0;
    if (rc >= 0)
        rc = x->pump(x, &x->taken);
    return rc < 0 ? -1 : 1;
}

static ssize_t read_stream(void *arg, uint64_t at, char *to, size_t most) {
    qn_exchange *x = arg;
    (void)at;
    while (x->sent == x->out.n) {
        if (x->finished)
            return MHD_CONTENT_READER_END_OF_STREAM;
        const int more = more_of_stream(x);
        if (more <= 0)
            return more < 0 ? MHD_CONTENT_READER_END_WITH_ERROR : 0;
    }
    const size_t n = QN_MIN(most, x->out.n - x->sent);
    memcpy(to, x->out.s + x->sent, n);
    x->sent += n;
    x->last_sent = qn_now();
    return (ssize_t)n;
}

static enum MHD_Result send_stream(qn_exchange *x) {
    struct MHD_Response *r = qn_http.create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK, read_stream, x, NULL);
    if (!r)
        return MHD_NO;
    x->type = "text/event-stream";
    add_headers(x, r);
    return queue(x, r);
}

/* An answer that is sent whole: events are gathered until it is finished. */
static enum MHD_Result gather(qn_exchange *x) {
    bool ping;
    while (x->pump && !x->finished) {
        const int got = take_events(x, &ping);
        if (got == 0)
            return MHD_YES;
        if (got < 0)
            return MHD_NO;
        const int rc = x->pump(x, &x->taken);
        if (rc < 0)
            qn_exchange_refuse(x, rc);
    }
    return send_whole(x);
}

/* ---- requests ---- */

static int socket_of(qn_exchange *x) {
    const union MHD_ConnectionInfo *info =
        qn_http.get_connection_info(x->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    return info ? info->connect_fd : -1;
}

static enum MHD_Result answer(qn_exchange *x) {
    x->handled = true;
    if (x->too_long && x->status == 200) {
        char message[128];
        snprintf(message, sizeof message, "the body is longer than the %lld bytes that this server takes",
                 (long long)x->server->o.body);
        qn_exchange_error(x, 413, NULL, message);
    } else if (x->status == 200) {
        const int rc = x->route->handle(x);
        if (rc < 0)
            qn_exchange_refuse(x, rc);
    }
    qn_buf_drop(&x->taken);
    if (!x->pump)
        return send_whole(x);
    if (qn_watch_add(x->server->watch, x, socket_of(x)) < 0) {
        qn_exchange_gone(x);
        return MHD_NO;
    }
    return x->stream ? send_stream(x) : gather(x);
}

/* A page of another server asks what it may do; the key comes with the request itself. */
static void preflight(qn_exchange *x, struct MHD_Response *r) {
    const char *asked = header(x, "Access-Control-Request-Headers");
    qn_http.add_response_header(r, "Access-Control-Allow-Methods", "GET, POST, OPTIONS");
    qn_http.add_response_header(r, "Access-Control-Allow-Headers", asked ? asked : "authorization, content-type");
    qn_http.add_response_header(r, "Access-Control-Max-Age", "600");
}

static enum MHD_Result send_options(qn_exchange *x) {
    struct MHD_Response *r = qn_http.create_response_from_buffer(0, "", MHD_RESPMEM_PERSISTENT);
    if (!r)
        return MHD_NO;
    x->status = 204;
    x->type = NULL;
    x->handled = true;
    add_headers(x, r);
    qn_http.add_response_header(r, MHD_HTTP_HEADER_ALLOW, "GET, POST, OPTIONS");
    if (x->allow_origin)
        preflight(x, r);
    return queue(x, r);
}

typedef struct { int hosts, lengths, encodings; bool chunked; } framing;

static enum MHD_Result count_header(void *arg, enum MHD_ValueKind kind, const char *name, const char *value) {
    framing *f = arg;
    (void)kind;
    f->hosts += strcasecmp(name, MHD_HTTP_HEADER_HOST) == 0;
    f->lengths += strcasecmp(name, MHD_HTTP_HEADER_CONTENT_LENGTH) == 0;
    if (strcasecmp(name, MHD_HTTP_HEADER_TRANSFER_ENCODING) == 0) {
        f->encodings++;
        f->chunked = value && strcasecmp(value, "chunked") == 0;
    }
    return MHD_YES;
}

/* What a proxy in front could read otherwise than we do: whose request it is, and where it ends (RFC 9112, 3.2, 6.3).
 * NULL: nothing. libmicrohttpd takes all of it, or, told to be strict, answers some with pages of its own. */
static const char *misframed(qn_exchange *x, const char *version, const char *host) {
    framing f = {0};
    qn_http.get_connection_values(x->connection, MHD_HEADER_KIND, count_header, &f);
    if (f.hosts > 1)
        return "more than one Host header";
    if (f.hosts == 0 && strcmp(version, MHD_HTTP_VERSION_1_0) != 0)
        return "no Host header, which HTTP/1.1 wants";
    if (host && !qn_gate_host_is_whole(host))
        return "the Host header is no name or address with a port of at most 65535 behind it, or none";
    if (f.lengths > 1)
        return "more than one Content-Length header";
    if (f.encodings > 0 && f.lengths > 0)
        return "Content-Length and Transfer-Encoding at once: where the body ends is said twice";
    if (f.encodings > 1 || (f.encodings > 0 && !f.chunked))
        return "Transfer-Encoding is none that this server knows; expected chunked";
    return NULL;
}

/* Who asks, and for what, before any of the body is looked at: status stays 200, or out is the error. */
static void judge(qn_exchange *x, const char *version, const char *method, const char *path) {
    const qn_server_options *o = &x->server->o;
    const char *allow = NULL, *host = header(x, "Host");
    int status = 0;
    char message[256];
    const char *wrong = misframed(x, version, host);
    if (wrong) {
        x->stay = false;                                /* what follows on this connection may be anything */
        qn_exchange_error(x, 400, "bad_framing", wrong);
        return;
    }
    if (!qn_gate_host(o, host)) {
        qn_exchange_error(x, 403, "host", "the name in the Host header is none of this server's; start it with "
                          "--allow-host NAME if it is");
        return;
    }
    const int origin = qn_gate_origin(o, header(x, "Origin"), host);
    if (origin == 0) {
        qn_exchange_error(x, 403, "origin", "pages of this origin may not ask; start the server with --allow-origin "
                          "ORIGIN if they shall");
        return;
    }
    x->allow_origin = origin == 2;
    x->route = qn_route_find(method, path, &status, &allow);
    if (!x->route && strcmp(method, "OPTIONS") == 0)
        return;
    if (!x->route) {
        if (status == 405) {
            x->allow = strcmp(allow, "GET") == 0 ? "GET, HEAD, OPTIONS" : "POST, OPTIONS";
            snprintf(message, sizeof message, "%s takes %s", x->path, allow);
        } else {
            snprintf(message, sizeof message, "there is no %s here; docs/SERVING.md lists what there is", x->path);
        }
        qn_exchange_error(x, status, NULL, message);
    } else if (!x->route->is_public && !qn_gate_key(o, header(x, "Authorization"), header(x, "x-api-key"))) {
        qn_exchange_error(x, 401, "invalid_api_key", "this server wants a key: Authorization: Bearer KEY");
    }
}

/* The length that the body says to have; −1: it does not say. */
static int64_t length_of(qn_exchange *x) {
    const char *text = header(x, MHD_HTTP_HEADER_CONTENT_LENGTH);
    int64_t n;
    return text && qn_parse_i64(qn_str_of(text), &n) ? n : -1;
}

/* Who may not ask at all is told so before the body comes, and so is who has far too much to wait for. */
static bool is_told_at_once(qn_exchange *x, int64_t length) {
    const bool comes = length > 0 || header(x, MHD_HTTP_HEADER_TRANSFER_ENCODING);
    return length > DRAINED * x->server->o.body || (comes && x->status >= 400 && x->status <= 403);
}

static enum MHD_Result first_sight(qn_server *s, struct MHD_Connection *c, const char *path, const char *method,
                                   const char *version, void **slot) {
    qn_exchange *x = qn_exchange_new(s);
    if (!x)
        return MHD_NO;
    *slot = x;
    x->connection = c;
    snprintf(x->path, sizeof x->path, "%s", path);
    for (char *p = x->path; *p; p++)                    /* it goes into the log of somebody's terminal */
        *p = *p >= ' ' && *p < 127 ? *p : '?';
    judge(x, version, method, path);
    const int64_t n = length_of(x);
    x->too_long = n > s->o.body;
    if (!is_told_at_once(x, n))
        return MHD_YES;
    x->stay = false;
    return answer(x);
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *c, const char *path, const char *method,
                                  const char *version, const char *data, size_t *n, void **slot) {
    qn_exchange *x = *slot;
    if (!x)
        return first_sight(arg, c, path, method, version, slot);
    if (*n > 0) {
        const size_t most = (size_t)x->server->o.body, had = x->body.n;
        x->too_long = x->too_long || had + *n > most;
        if (x->too_long)
            qn_buf_drop(&x->body);
        else if (x->status == 200 && qn_buf_put(&x->body, data, *n) < 0)
            return MHD_NO;
        x->sent += *n;
        const bool flood = x->sent > DRAINED * most;
        *n = 0;
        return flood ? MHD_NO : MHD_YES;
    }
    if (x->handled)
        return gather(x);
    x->sent = 0;
    if (x->status == 200 && !x->route)
        return send_options(x);
    return answer(x);
}

static void on_completed(void *arg, struct MHD_Connection *c, void **slot, enum MHD_RequestTerminationCode how) {
    qn_exchange *x = *slot;
    qn_server *s = arg;
    (void)c;
    if (!x)
        return;
    *slot = NULL;
    qn_watch_remove(s->watch, x, socket_of(x));
    pthread_mutex_lock(&x->lock);
    const bool early = x->gone || how != MHD_REQUEST_TERMINATED_COMPLETED_OK;
    x->gone = true;
    if (x->cancel && !x->finished)
        x->cancel(x);
    pthread_mutex_unlock(&x->lock);
    if (early)
        atomic_fetch_add_explicit(&s->gauges.gone, 1, memory_order_relaxed);
    qn_log(QN_LOG_DEBUG, "%s %s: %d%s, %lld + %lld tokens, %.3f s", x->id, x->path, x->status,
           early ? ", the client went away" : "", (long long)x->prompt_tokens, (long long)x->new_tokens,
           qn_now() - x->began);
    qn_exchange_let_go(x);
}

static void on_connection(void *arg, struct MHD_Connection *c, void **slot, enum MHD_ConnectionNotificationCode what) {
    qn_server *s = arg;
    (void)c, (void)slot;
    atomic_fetch_add_explicit(&s->gauges.connections, what == MHD_CONNECTION_NOTIFY_STARTED ? 1 : -1,
                              memory_order_relaxed);
}

static void on_error(void *arg, const char *format, va_list args) {
    char text[512];
    (void)arg;
    vsnprintf(text, sizeof text, format, args);
    text[strcspn(text, "\n")] = '\0';
    qn_log(QN_LOG_DEBUG, "http: %s", text);
}

/* ---- the daemon ---- */

/* Each connection is a file, and so are watch, model and pipes. */
static void allow_files(int64_t connections) {
    struct rlimit limit;
    const rlim_t want = (rlim_t)connections + 256;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= want)
        return;
    limit.rlim_cur = limit.rlim_max == RLIM_INFINITY ? want : QN_MIN(want, limit.rlim_max);
    setrlimit(RLIMIT_NOFILE, &limit);
}

static int port_of(int socket) {
    struct sockaddr_storage a;
    socklen_t n = sizeof a;
    if (getsockname(socket, (struct sockaddr *)&a, &n) != 0)
        return 0;
    return ntohs(a.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&a)->sin6_port :
                 ((struct sockaddr_in *)&a)->sin_port);
}

static int bound_socket(const struct addrinfo *a) {
    const int one = 1, s = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, a->ai_protocol);
    if (s < 0)
        return -1;
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(s, a->ai_addr, a->ai_addrlen) == 0 && listen(s, 1024) == 0)
        return s;
    const int why = errno;
    close(s);
    errno = why;
    return -1;
}

static int listening_socket(const qn_server_options *o, int *out) {
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *list;
    char port[16];
    snprintf(port, sizeof port, "%d", o->port);
    const int why = getaddrinfo(o->host, port, &hints, &list);
    if (why != 0)
        return qn_fail(QN_EIO, "%s: %s; --host wants an address of this machine", o->host, gai_strerror(why));
    *out = -1;
    errno = 0;
    for (const struct addrinfo *a = list; a && *out < 0; a = a->ai_next)
        *out = bound_socket(a);
    const int failed = errno;
    freeaddrinfo(list);
    if (*out >= 0)
        return 0;
    return qn_fail(QN_EIO, "cannot listen on %s port %d: %s%s", o->host, o->port, strerror(failed),
                   failed == EADDRINUSE ? "; --port N takes another, 0 any that is free" : "");
}

int qn_http_start(qn_server *s) {
    int socket;
    QN_TRY(qn_mhd_open());
    allow_files(s->o.connections);
    QN_TRY(listening_socket(&s->o, &socket));
    s->port = port_of(socket);
    s->listening = socket;
    s->daemon = qn_http.start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC | MHD_USE_ERROR_LOG, 0, NULL, NULL,
        on_request, s,
        MHD_OPTION_EXTERNAL_LOGGER, on_error, NULL,         /* first: what fails below is said */
        MHD_OPTION_LISTEN_SOCKET, socket,
        MHD_OPTION_THREAD_POOL_SIZE, (unsigned)QN_HTTP_THREADS,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)s->o.connections,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_SECONDS,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)2 * BLOCK,
        MHD_OPTION_NOTIFY_COMPLETED, on_completed, s,
        MHD_OPTION_NOTIFY_CONNECTION, on_connection, s,
        MHD_OPTION_END);
    if (s->daemon)
        return 0;
    close(socket);
    return qn_fail(QN_EIO, "the HTTP server does not start");
}

static void wait_until_quiet(qn_server *s, double seconds) {
    const double until = qn_now() + seconds;
    while (qn_watch_count(s->watch) > 0 && qn_now() < until)
        usleep(10000);
}

/* From now on nobody is let in: the socket that listens is exchanged, under its number, for a file that never has
 * anything to say. (MHD_quiesce_daemon would be the way. But it and the library's threads may both take the socket out
 * of the same epoll set, and whoever comes second ends the process: 0.9.75 and later.) */
static void stop_listening(qn_server *s) {
    const int silent = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (silent < 0 || dup3(silent, s->listening, O_CLOEXEC) < 0)
        shutdown(s->listening, SHUT_RD);        /* refused all the same, but the threads are told so again and again */
    if (silent >= 0)
        close(silent);
}

/* What is under way goes on for so long, is told that it ends, and at last is cut off. */
void qn_http_stop(qn_server *s, double seconds) {
    if (!s->daemon)
        return;
    stop_listening(s);
    qn_scheduler_close(s->scheduler);
    wait_until_quiet(s, seconds);
    qn_scheduler_cancel(s->scheduler);
    wait_until_quiet(s, 2);
    qn_watch_cancel_all(s->watch);
    wait_until_quiet(s, 2);
    qn_http.stop_daemon(s->daemon);             /* closes what has the socket's number */
    s->daemon = NULL;
}
