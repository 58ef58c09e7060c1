/* serve/gate.c — Host, Origin and keys. */
#include "serve/gate.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* The host of "host", "host:port", "[::1]:port" into out, without brackets; false: longer than any name. */
static bool host_of(const char *text, char out[256]) {
    const bool bracket = text[0] == '[';
    const char *from = text + bracket;
    const size_t n = strcspn(from, bracket ? "]" : ":");
    if (n >= 256)
        return false;
    memcpy(out, from, n);
    out[n] = '\0';
    return true;
}

bool qn_gate_host_is_whole(const char *host) {
    const bool bracket = host[0] == '[';
    const char *behind = host + strcspn(host, bracket ? "]" : ":"), *end = host + strlen(host);
    int64_t port = 0;
    if (bracket && *behind == ']')
        behind++;
    else if (bracket)
        return false;
    if (*behind == '\0' || (behind[0] == ':' && behind + 1 == end))
        return true;
    const size_t digits = strspn(behind + 1, "0123456789");
    return behind[0] == ':' && behind + 1 + digits == end && qn_parse_i64((qn_str){behind + 1, digits}, &port) &&
           port <= 65535;
}

static bool is_address(const char *host) {
    unsigned char address[sizeof(struct in6_addr)];
    return inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;
}

bool qn_gate_is_loopback(const char *host) {
    struct in_addr v4;
    struct in6_addr v6;
    if (inet_pton(AF_INET, host, &v4) == 1)
        return ntohl(v4.s_addr) >> 24 == 127;
    if (inet_pton(AF_INET6, host, &v6) == 1)
        return IN6_IS_ADDR_LOOPBACK(&v6);
    return strcasecmp(host, "localhost") == 0;
}

/* The letters of a name: of other scripts it comes as xn--…, and _ stands in names of containers. */
static bool is_name(const char *s, size_t n) {
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._";
    return n > 0 && n < 256 && strspn(s, letters) >= n;
}

bool qn_gate_is_name(const char *host) { return is_address(host) || is_name(host, strlen(host)); }

/* scheme://host, scheme://host:port, null, and * for all. */
bool qn_gate_is_origin(const char *origin) {
    char host[256];
    if (strcmp(origin, "*") == 0 || strcmp(origin, "null") == 0)
        return true;
    const char *behind = strstr(origin, "://");
    const size_t scheme = behind ? (size_t)(behind - origin) : 0;
    if (scheme == 0 || strspn(origin, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-.") < scheme)
        return false;
    return behind[strlen(behind) - 1] != ':' && qn_gate_host_is_whole(behind + 3) && host_of(behind + 3, host) &&
           qn_gate_is_name(host);
}

bool qn_gate_host(const qn_server_options *o, const char *host) {
    char name[256];
    if (!host)
        return true;
    if (!host_of(host, name))
        return false;
    if (is_address(name) || strcasecmp(name, "localhost") == 0 || strcasecmp(name, o->host) == 0)
        return true;
    for (size_t i = 0; i < o->n_hosts; i++)
        if (strcasecmp(name, o->hosts[i]) == 0)
            return true;
    return false;
}

int qn_gate_origin(const qn_server_options *o, const char *origin, const char *host) {
    if (!origin)
        return 1;
    for (size_t i = 0; i < o->n_origins; i++)
        if (strcmp(o->origins[i], "*") == 0 || strcasecmp(o->origins[i], origin) == 0)
            return 2;
    const char *behind = strstr(origin, "://");
    return behind && host && strcasecmp(behind + 3, host) == 0;
}

/* Every byte of the guess is looked at, whatever the others were; its length alone shows. */
static bool is_key(const char *key, const char *guess, size_t n) {
    const size_t length = strlen(key);
    unsigned char other = length != n;
    for (size_t i = 0; i < n; i++)
        other |= (unsigned char)(guess[i] ^ key[length ? i % length : 0]);
    return other == 0;
}

bool qn_gate_key(const qn_server_options *o, const char *authorization, const char *x_api_key) {
    const char *guess = x_api_key;
    bool found = o->n_keys == 0;
    if (authorization && strncasecmp(authorization, "Bearer ", 7) == 0)
        guess = authorization + 7 + strspn(authorization + 7, " ");
    for (size_t i = 0; guess && i < o->n_keys; i++)         /* all of them: which one it was does not show, either */
        found |= is_key(o->keys[i], guess, strlen(guess));
    return found;
}
