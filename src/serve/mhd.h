/* serve/mhd.h — libmicrohttpd, opened when a server starts.
 *
 * It brings TLS and ten libraries with it, which quern does not use: linked, they would cost each command, a server or
 * not, 5 ms and 2.5 MB before its first line. */
#ifndef QN_SERVE_MHD_H
#define QN_SERVE_MHD_H

#include <microhttpd.h>

#define QN_MHD_FUNCTIONS(X)                                                                                          \
    X(add_response_header) X(create_response_from_buffer) X(create_response_from_callback) X(destroy_response)       \
    X(get_connection_info) X(get_connection_values) X(lookup_connection_value) X(queue_response)                     \
    X(resume_connection) X(start_daemon) X(stop_daemon) X(suspend_connection)

/* MHD_queue_response by the name queue_response, and so on. */
typedef struct {
#define QN_MHD_MEMBER(name) __typeof__(&MHD_##name) name;
    QN_MHD_FUNCTIONS(QN_MHD_MEMBER)
#undef QN_MHD_MEMBER
} qn_mhd;

/* Filled by qn_mhd_open, once, by the thread that starts the first server; read by all. */
extern qn_mhd qn_http;
/* QN_EUNSUPPORTED: it is not installed, and what to install. */
int qn_mhd_open(void);

#endif
