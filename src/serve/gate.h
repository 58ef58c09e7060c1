/* serve/gate.h — who may ask: keys, names of this host, web pages.
 *
 *   Host      A page on the web can give its own name this machine's address and then speak to it as to itself (DNS
 *             rebinding). So a name in Host must be one of ours; addresses are no names, and pass.
 *   Origin    A browser sends it with what a page asks of another server. Only pages of this server may, and those
 *             that were allowed by --allow-origin.
 *   key       Authorization: Bearer KEY, or x-api-key: KEY. Compared in a time that says nothing of how much was
 *             right. */
#ifndef QN_SERVE_GATE_H
#define QN_SERVE_GATE_H

#include "serve/serve.h"

/* Is it a name or an address, and behind it nothing or a port that can be one? */
bool qn_gate_host_is_whole(const char *host);
bool qn_gate_host(const qn_server_options *o, const char *host);            /* NULL (HTTP/1.0): fine */
/* 2: a page of another server that was allowed, which must be told so; 1: fine; 0: not allowed. */
int qn_gate_origin(const qn_server_options *o, const char *origin, const char *host);
bool qn_gate_key(const qn_server_options *o, const char *authorization, const char *x_api_key);
/* Can it be a host in Host, which is a name or an address without a port? Can it be what a browser sends as Origin? */
bool qn_gate_is_name(const char *host);
bool qn_gate_is_origin(const char *origin);
/* Is this an address of this machine alone? */
bool qn_gate_is_loopback(const char *host);

#endif
