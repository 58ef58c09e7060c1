/* cli/cmd_serve.c — `quern serve`: a model over HTTP until it is told to end. */
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/sampling.h"
#include "model/prompter.h"
#include "serve/gate.h"
#include "serve/serve.h"

#define POOLINGS "mean|cls|last|max|sqrt|weighted"      /* in the order of qn_pooling */

static const qn_opt opts[] = {
    QN_OPT_STRING("", "host", "127.0.0.1", "ADDRESS", "listen on this address; 0.0.0.0 on all of this machine"),
    QN_OPT_INT("", "port", "8080", 0, 65535, "… and port; 0: any that is free"),
    QN_OPT_INT("", "parallel", "8", 1, 256, "answer so many at once, each with a context of its own"),
    QN_OPT_INT("", "queue", "64", 0, 65536, "let so many wait; beyond that 429 and Retry-After"),
    QN_OPT_LIST("", "api-key", "KEY", "ask for KEY (repeatable); better in a file, where ps does not show it"),
    QN_OPT_FILE("", "api-key-file", NULL, "ask for one of the keys in FILE, one a line; # begins a comment"),
    QN_OPT_STRING("", "alias", NULL, "NAME", "what the model is called in answers; without it the file's name"),
    QN_OPT_LIST("", "allow-host", "NAME", "names of this machine, beside addresses and localhost"),
    QN_OPT_LIST("", "allow-origin", "ORIGIN", "web pages of others that may ask: https://example.org, or * for all"),
    QN_OPT_INT("n", "tokens", "-1", -1, 16777216, "longest answer where a request says nothing; -1: the context"),
    QN_OPT_INT("", "chunk", "256", 1, 65536, "tokens of prompts read in a pass while others write"),
    QN_OPT_STRING("", "max-body", "16M", "SIZE", "longest body of a request"),
    QN_OPT_INT("", "connections", "2048", 1, 65536, "open connections at once"),
    QN_OPT_DURATION("", "ping", "10s", 0.05, 3600, "send a comment on a stream that was silent for so long"),
    QN_OPT_DURATION("", "drain", "30s", 0, 86400, "at the end, let requests under way go on for so long"),
    QN_OPT_ENUM("", "pooling", NULL, POOLINGS, "make embeddings, with a model whose files do not say how"),
    QN_OPTS_SAMPLING,
    QN_OPTS_MODEL,
    QN_OPTS_SESSION,
    QN_OPT_CONFIG,
    QN_OPT_END
};

static const char *const examples[] = {
    "quern serve model.gguf",
    "quern serve model/ --port 9000 --parallel 32 --api-key-file keys.txt",
    "quern serve model.gguf --adapter tuned/best --temp 0",
    "quern serve minilm/ --host 0.0.0.0 --api-key-file keys.txt",
    NULL
};

typedef struct {
    qn_cli *c;
    qn_opened m;
    qn_sampling sampling;
    qn_embedder *embedder;
    qn_buf name, key_text;
    char **adapter;                     /* public names, [m.n_adapters] … */
    const char **adapter_path;          /* … and paths */
    const char **key;
    size_t keys;
    int64_t body;
    qn_server *server;
} service;

/* ---- opening ---- */

/* "models/SmolLM2.Q4_1.gguf" is SmolLM2.Q4_1. */
static int name_of(const char *path, qn_buf *out) {
    qn_str p = qn_str_of(path);
    while (p.n > 1 && p.s[p.n - 1] == '/')
        p.n--;
    for (size_t i = p.n; i > 0; i--)
        if (p.s[i - 1] == '/') {
            p = (qn_str){p.s + i, p.n - i};
            break;
        }
    return qn_buf_put(out, p.s, qn_str_ends(p, ".gguf") ? p.n - 5 : p.n);
}

static bool is_unique(const service *v, int i) {
    bool unique = strcmp(v->adapter[i], v->name.s) != 0;
    for (int k = 0; k < v->m.n_adapters; k++)
        unique = unique && (k == i || strcmp(v->adapter[k], v->adapter[i]) != 0);
    return unique;
}

/* An adapter is called as its file is; by its whole path where that says too little. */
static int name_adapters(service *v) {
    const size_t n = (size_t)v->m.n_adapters;
    bool unique[QN_ADAPTERS];
    v->adapter = qn_zalloc(QN_MEM_CLI, n, sizeof *v->adapter);
    v->adapter_path = qn_zalloc(QN_MEM_CLI, n, sizeof *v->adapter_path);
    if (!v->adapter || !v->adapter_path)
        return QN_ENOMEM;
    for (size_t i = 0; i < n; i++) {
        qn_buf base = {0};
        v->adapter_path[i] = v->m.adapter[i]->name;
        const int rc = name_of(v->adapter_path[i], &base);
        v->adapter[i] = rc < 0 ? NULL : qn_str_dup(QN_MEM_CLI, qn_buf_view(&base));
        qn_buf_drop(&base);
        if (!v->adapter[i])
            return QN_ENOMEM;
    }
    for (size_t i = 0; i < n; i++)
        unique[i] = is_unique(v, (int)i);
    for (size_t i = 0; i < n; i++) {
        if (unique[i])
            continue;
        qn_free(v->adapter[i]);
        v->adapter[i] = qn_str_dup(QN_MEM_CLI, qn_str_of(v->adapter_path[i]));
        if (!v->adapter[i])
            return QN_ENOMEM;
    }
    return 0;
}

/* A line of the file without what an editor leaves around a key; NULL: it is empty or a comment. */
static const char *key_of(char *line) {
    static const char blank[] = " \t\v\f";
    line += strspn(line, blank);
    size_t n = strlen(line);
    while (n > 0 && strchr(blank, line[n - 1]))
        n--;
    line[n] = '\0';
    return n > 0 && line[0] != '#' ? line : NULL;
}

/* Keys of the command line, then those of the file, whose lines are cut in place. */
static int gather_keys(service *v) {
    size_t given, cap = 0;
    const char *const *named = qn_cli_list(v->c, "api-key", &given);
    const char *path = qn_cli_str(v->c, "api-key-file");
    if (path)
        QN_TRY(qn_read_file(&v->key_text, path, 1 << 20));
    QN_TRY(QN_GROW(QN_MEM_CLI, v->key, cap, given + 1));
    for (size_t i = 0; i < given; i++)
        v->key[v->keys++] = named[i];
    char *rest = v->key_text.s;
    for (char *line; rest && (line = strsep(&rest, "\r\n"));) {
        const char *key = key_of(line);
        if (!key)
            continue;
        QN_TRY(QN_GROW(QN_MEM_CLI, v->key, cap, v->keys + 1));
        v->key[v->keys++] = key;
    }
    for (size_t i = 0; i < v->keys; i++)
        if (!*v->key[i])
            return qn_fail(QN_EUSAGE, "--api-key: an empty key would let everybody in");
    if (path && v->keys == given)
        return qn_fail(QN_EUSAGE, "%s: holds no key; expected one a line", path);
    return 0;
}

/* A model that writes has a session; one whose files say how vectors are made, or which is told, embeds. */
static int open_model(service *v) {
    qn_cli *c = v->c;
    qn_embedding as;
    QN_TRY(qn_open_model(c, qn_cli_arg(c, 0), &v->m));
    const qn_config *cfg = &v->m.model->cfg;
    const bool writes = qn_arch_continues(v->m.model->arch, cfg, NULL) >= 0;
    if (writes)
        QN_TRY(qn_open_session_unbroken(c, &v->m, qn_cli_int(c, "parallel")));
    QN_TRY(qn_source_embedding(v->m.source, &as));
    if (qn_cli_given(c, "pooling"))
        as.pooling = (qn_pooling)qn_cli_enum(c, "pooling");
    if (as.pooling == QN_POOL_UNSAID)
        return 0;
    const qn_embed_options o = {.cut_by = "\"truncate\": true", .kv = -1};
    return qn_embedder_new(&v->embedder, v->m.model, v->m.tok, &as, v->m.kernels, v->m.pool, &o);
}

static int open_sampling(service *v) {
    const qn_sampler_options base = qn_sampling_lively();
    qn_str text;
    const int own = qn_source_chat_template(qn_opened_words(&v->m), &text);
    QN_TRY(own);
    if (!own && v->m.session)
        qn_log(QN_LOG_INFO, "the model has no chat template; ChatML is used");
    QN_TRY(qn_sampling_get(v->c, &base, v->m.source, own ? NULL : "<|im_end|>", &v->sampling));
    v->sampling.o.max_new = qn_cli_int(v->c, "tokens");
    v->sampling.by_request = true;
    return v->m.session ? qn_sampling_bind(v->c, &v->m, &v->sampling) : 0;
}

static int start(service *v) {
    qn_cli *c = v->c;
    qn_server_options o = {
        .host = qn_cli_str(c, "host"), .port = (int)qn_cli_int(c, "port"), .keys = v->key, .n_keys = v->keys,
        .name = v->name.s, .words = qn_opened_words(&v->m), .tok = v->m.tok, .model = v->m.model,
        .session = v->m.session, .embedder = v->embedder, .adapters = (const char *const *)v->adapter,
        .adapter_paths = v->adapter_path,
        .scales = v->m.scale, .n_adapters = v->m.n_adapters, .defaults = v->sampling.o,
        .seeded = qn_cli_given(c, "seed"), .queue = qn_cli_int(c, "queue"), .chunk = qn_cli_int(c, "chunk"),
        .connections = qn_cli_int(c, "connections"), .ping_seconds = qn_cli_float(c, "ping"),
        .body = v->body,
    };
    o.hosts = qn_cli_list(c, "allow-host", &o.n_hosts);
    o.origins = qn_cli_list(c, "allow-origin", &o.n_origins);
    return qn_server_start(&v->server, &o);
}

/* ---- at work ---- */

static int announce(service *v) {
    qn_cli *c = v->c;
    const char *host = qn_cli_str(c, "host");
    const bool v6 = strchr(host, ':') != NULL;
    QN_TRY(qn_opened_log(&v->m, QN_LOG_INFO, v->name.s));
    if (v->m.session)
        qn_log(QN_LOG_INFO, "%lld answers at once; keys and values take up to %.0f MB",
               (long long)qn_session_sequences(v->m.session),
               (double)qn_session_memory_get(v->m.session).kv_reserved / 1e6);
    if (v->keys == 0 && !qn_gate_is_loopback(host))
        qn_log(QN_LOG_WARN, "whoever reaches this machine may ask: there is no --api-key");
    QN_TRY(qn_out_printf(c, "http://%s%s%s:%d\n", v6 ? "[" : "", host, v6 ? "]" : "", qn_server_port(v->server)));
    return qn_out_flush(c);
}

/* What could never fit is refused: whoever wrote it believes that it works. */
static int check_names(const qn_cli *c) {
    size_t n;
    const char *const *hosts = qn_cli_list(c, "allow-host", &n);
    for (size_t i = 0; i < n; i++)
        if (!qn_gate_is_name(hosts[i]))
            return qn_fail(QN_EUSAGE, "--allow-host \"%s\": expected the name of a host without a port, as in "
                           "box.example.org", hosts[i]);
    const char *const *origins = qn_cli_list(c, "allow-origin", &n);
    for (size_t i = 0; i < n; i++)
        if (!qn_gate_is_origin(origins[i]))
            return qn_fail(QN_EUSAGE, "--allow-origin \"%s\": expected what browsers call an origin, as in "
                           "https://example.org or http://localhost:3000, without a path; null; or * for all",
                           origins[i]);
    const char *alias = qn_cli_str(c, "alias");
    if (alias && !alias[strspn(alias, " \t\r\n")])
        return qn_fail(QN_EUSAGE, "--alias \"%s\": expected a name that requests can call the model by", alias);
    return 0;
}

static int serve(service *v) {
    QN_TRY(check_names(v->c));
    QN_TRY(qn_cli_size(v->c, "max-body", 1024, &v->body));
    QN_TRY(qn_cli_given(v->c, "alias") ? qn_buf_puts(&v->name, qn_cli_str(v->c, "alias")) :
           name_of(qn_cli_arg(v->c, 0), &v->name));
    QN_TRY(gather_keys(v));
    QN_TRY(open_model(v));
    QN_TRY(name_adapters(v));
    QN_TRY(open_sampling(v));
    QN_TRY(start(v));
    QN_TRY(announce(v));
    while (!qn_cancelled())
        usleep(100000);
    qn_log(QN_LOG_INFO, "no more requests are taken; %lld are under way (Ctrl-C once more ends at once)",
           (long long)qn_server_busy(v->server));
    return 0;
}

static int run(qn_cli *c) {
    service v = {.c = c};
    const int rc = serve(&v);
    qn_server_stop(v.server, qn_cli_float(c, "drain"));
    qn_embedder_free(v.embedder);
    for (int i = 0; v.adapter && i < v.m.n_adapters; i++)
        qn_free(v.adapter[i]);
    qn_free(v.adapter);
    qn_free(v.adapter_path);
    qn_opened_drop(&v.m);
    qn_sampling_drop(&v.sampling);
    qn_free(v.key);
    qn_buf_drop(&v.key_text);
    qn_buf_drop(&v.name);
    return rc;
}

const qn_cmd qn_cmd_serve = {
    "serve", "MODEL", "answer over HTTP, as OpenAI's clients ask", opts, examples, run,
    "POST /v1/chat/completions, /v1/completions, /v1/embeddings, /tokenize, /detokenize, /apply-template; GET\n"
    "/v1/models, /health, /metrics, and a page to chat with at /. The address goes to standard output once it\n"
    "listens. Ctrl-C or SIGTERM: no new requests, those under way are answered (--drain). Sampling where a request\n"
    "says nothing: the options here, what the model's authors recommend, else temperature 0.7 and top-p 0.95. The\n"
    "same seed gives the same answer whatever else runs. What other commands have as --grammar and --json-schema is\n"
    "a request's to ask for: its members response_format, structured_outputs, grammar, json_schema. docs/SERVING.md\n"
    "is the guide."
};
