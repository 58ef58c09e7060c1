/* serve/routes.c — what there is: method and path, with and without /v1. */
#include "serve/serve_impl.h"

#include <string.h>

static const qn_route routes[] = {
    {"POST", "/v1/chat/completions", false, qn_route_chat},
    {"POST", "/v1/completions", false, qn_route_completions},
    {"POST", "/v1/embeddings", false, qn_route_embeddings},
    {"GET", "/v1/models", false, qn_route_models},
    {"GET", "/v1/models/*", false, qn_route_models},
    {"POST", "/tokenize", false, qn_route_tokenize},
    {"POST", "/detokenize", false, qn_route_detokenize},
    {"POST", "/apply-template", false, qn_route_template},
    {"GET", "/health", true, qn_route_health},
    {"GET", "/metrics", false, qn_route_metrics},
    {"GET", "/", true, qn_route_page},
    {"GET", "/page/*", true, qn_route_page},
};

static bool is_path(const char *route, const char *path) {
    const size_t n = strlen(route);
    if (route[n - 1] == '*')
        return strncmp(path, route, n - 1) == 0 && path[n - 1];
    return strcmp(path, route) == 0;
}

/* Many clients leave the version away, and some put it before everything. */
static bool matches(const char *route, const char *path) {
    if (is_path(route, path))
        return true;
    if (strncmp(route, "/v1/", 4) == 0)
        return is_path(route + 3, path);
    return strncmp(path, "/v1/", 4) == 0 && is_path(route, path + 3);
}

const qn_route *qn_route_find(const char *method, const char *path, int *status, const char **allow) {
    const char *wanted = strcmp(method, "HEAD") == 0 ? "GET" : method;
    *status = 404;
    for (size_t i = 0; i < QN_LEN(routes); i++) {
        if (!matches(routes[i].path, path))
            continue;
        if (strcmp(routes[i].method, wanted) == 0)
            return &routes[i];
        *status = 405;
        *allow = routes[i].method;
    }
    return NULL;
}
