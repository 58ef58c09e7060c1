/* serve/ask.c — members of requests, by table. */
#include "serve/ask_read.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

typedef enum { F64, I64, FLAG, BY } kind;
typedef struct { const char *name; kind kind; size_t at; double lo, hi; qn_ask_read_fn *read; } member;

#define SAMPLER(field) offsetof(qn_ask, o.sampler.field)

/* ---- members with a shape of their own ---- */

static int add_stop(qn_json *j, qn_ask *a) {
    if (a->stops == QN_ASK_STOPS)
        return qn_json_fail(j, QN_ELIMIT, "more than %d stop strings", QN_ASK_STOPS);
    qn_buf *to = &a->stop_text[a->stops];
    qn_buf_clear(to);
    QN_TRY(qn_json_string(j, to));
    if (to->n == 0)
        return qn_json_fail(j, QN_EINVAL, "an empty stop string would never, or always, appear");
    a->stops++;
    return 0;
}

static int add_breaker(qn_json *j, qn_ask *a) {
    if (a->breakers == QN_ASK_BREAKERS)
        return qn_json_fail(j, QN_ELIMIT, "more than %d sequence breakers", QN_ASK_BREAKERS);
    qn_buf *to = &a->breaker_text[a->breakers];
    QN_TRY(qn_json_string(j, to));
    if (to->n == 0)
        return qn_json_fail(j, QN_EINVAL, "an empty sequence breaker would stand in no token");
    a->breakers++;
    return 0;
}

/* As --dry-breaker; an empty list is refused, as llama.cpp does, for it may mean none or those that are usual. */
static int read_breakers(qn_exchange *x, qn_json *j, qn_ask *a) {
    int more;
    (void)x;
    QN_TRY(qn_json_enter(j, '['));
    while ((more = qn_json_item(j)) > 0)
        QN_TRY(add_breaker(j, a));
    QN_TRY(more);
    return a->breakers > 0 ? 0 : qn_json_fail(j, QN_EINVAL, "expected at least one text; without this member it is "
                                              "what the server was started with");
}

static int read_stop(qn_exchange *x, qn_json *j, qn_ask *a) {
    int more;
    (void)x;
    a->stops = 0;
    if (qn_json_peek(j) != '[')
        return add_stop(j, a);
    QN_TRY(qn_json_enter(j, '['));
    while ((more = qn_json_item(j)) > 0)
        QN_TRY(add_stop(j, a));
    return more;
}

static int read_count(qn_json *j, const char *name, int64_t lo, int64_t hi, int64_t *out) {
    int64_t v;
    QN_TRY(qn_json_i64(j, &v));
    if (v < lo || v > hi)
        return qn_json_fail(j, QN_EINVAL, "%s is %lld; expected %lld to %lld", name, (long long)v, (long long)lo,
                            (long long)hi);
    *out = v;
    return 0;
}

/* true or false in a chat, how many in a completion. */
static int read_logprobs(qn_exchange *x, qn_json *j, qn_ask *a) {
    (void)x;
    if (a->chat)
        return qn_json_bool(j, &a->o.logprobs);
    a->o.logprobs = true;
    return read_count(j, "logprobs", 0, QN_ASK_TOP, &a->top);
}

static int read_top_logprobs(qn_exchange *x, qn_json *j, qn_ask *a) {
    (void)x;
    return read_count(j, "top_logprobs", 0, QN_ASK_TOP, &a->top);
}

static int read_mirostat(qn_exchange *x, qn_json *j, qn_ask *a) {
    int64_t version;
    (void)x;
    QN_TRY(read_count(j, "mirostat", 0, 2, &version));
    a->o.sampler.mirostat = (int)version;
    return 0;
}

static int read_seed(qn_exchange *x, qn_json *j, qn_ask *a) {
    double seed;
    (void)x;
    QN_TRY(qn_json_f64(j, &seed));
    if (seed < 0)                       /* "any", to clients of llama.cpp */
        return 0;
    if (seed > QN_SEED_MAX || seed != floor(seed))
        return qn_json_fail(j, QN_EINVAL, "seed is %.17g; expected an integer from 0 to %lld, as generate takes it, or "
                            "a negative one: any", seed, (long long)QN_SEED_MAX);
    a->o.sampler.seed = (uint64_t)seed;
    a->seeded = true;
    return 0;
}

static int read_stream_options(qn_exchange *x, qn_json *j, qn_ask *a) {
    qn_str key;
    int more;
    (void)x;
    a->stream_options = true;
    QN_TRY(qn_json_enter(j, '{'));
    while ((more = qn_json_key(j, &key)) > 0)
        QN_TRY(qn_str_is(key, "include_usage") ? qn_json_bool(j, &a->usage) : qn_json_skip(j));
    return more;
}

static int read_raw(qn_json *j, int what, const char *expected, qn_str *out) {
    if (qn_json_peek(j) != what)
        return qn_json_fail(j, QN_EFORMAT, "expected %s", expected);
    return qn_json_raw(j, out);
}

static int read_messages(qn_exchange *x, qn_json *j, qn_ask *a) {
    (void)x;
    return read_raw(j, '[', "an array of messages", &a->messages);
}

static int read_tools(qn_exchange *x, qn_json *j, qn_ask *a) {
    (void)x;
    return read_raw(j, '[', "an array of tools", &a->tools);
}

static int read_kwargs(qn_exchange *x, qn_json *j, qn_ask *a) {
    (void)x;
    return read_raw(j, '{', "an object: variables of the chat template", &a->kwargs);
}

static int read_prompt(qn_exchange *x, qn_json *j, qn_ask *a) {
    (void)x;
    return qn_json_raw(j, &a->prompt);
}

static int read_function_name(qn_json *j, qn_ask *a) {
    qn_str key;
    int more;
    QN_TRY(qn_json_enter(j, '{'));
    while ((more = qn_json_key(j, &key)) > 0) {
        const bool name = qn_str_is(key, "name");
        if (name)
            qn_buf_clear(&a->tool);
        QN_TRY(name ? qn_json_string(j, &a->tool) : qn_json_skip(j));
    }
    return more;
}

/* "auto", "none", "required", or {"type": "function", "function": {"name": …}}. */
static int read_tool_choice(qn_exchange *x, qn_json *j, qn_ask *a) {
    static const char *const words[] = {"auto", "none", "required"};
    qn_str key;
    int more, which;
    (void)x;
    if (qn_json_peek(j) == '"') {
        QN_TRY(qn_ask_read_word(j, words, QN_LEN(words), &which));
        a->choice = (qn_tool_choice)which;
        return 0;
    }
    QN_TRY(qn_json_enter(j, '{'));
    while ((more = qn_json_key(j, &key)) > 0)
        QN_TRY(qn_str_is(key, "function") ? read_function_name(j, a) : qn_json_skip(j));
    QN_TRY(more);
    if (a->tool.n == 0)
        return qn_json_fail(j, QN_EINVAL, "expected {\"type\": \"function\", \"function\": {\"name\": …}}");
    a->choice = QN_TOOLS_NAMED;
    return 0;
}

/* What stands behind the gap: a model that was not made for it would write as if it were not there. */
static int read_suffix(qn_exchange *x, qn_json *j, qn_ask *a) {
    qn_buf text = {0};
    (void)x, (void)a;
    int rc = qn_json_string(j, &text);
    if (rc >= 0 && text.n > 0)
        rc = qn_json_fail(j, QN_EUNSUPPORTED, "suffix is not supported: write the model's own marks for a gap into the "
                          "prompt, with \"parse_special\": true");
    qn_buf_drop(&text);
    return rc;
}

/* {"token id": bias}, −100 to 100; at −100 it never comes. */
static int read_logit_bias(qn_exchange *x, qn_json *j, qn_ask *a) {
    qn_str key;
    int more;
    int64_t id;
    double add;
    a->n_bias = 0;
    QN_TRY(qn_json_enter(j, '{'));
    while ((more = qn_json_key(j, &key)) > 0) {
        if (!qn_parse_i64(key, &id) || id < 0 || id >= x->server->o.model->cfg.V)
            return qn_json_fail(j, QN_EINVAL, "logit_bias: \"%.*s\" is no token id of this model", QN_STR_ARG(key));
        QN_TRY(qn_json_f64(j, &add));
        if (!(add >= -100 && add <= 100))
            return qn_json_fail(j, QN_EINVAL, "logit_bias of token %lld is %g; expected -100 to 100", (long long)id,
                                add);
        if (a->n_bias == QN_ASK_BIASES)
            return qn_json_fail(j, QN_ELIMIT, "logit_bias: more than %d tokens", QN_ASK_BIASES);
        QN_TRY(QN_GROW(QN_MEM_SERVE, a->bias, a->cap_bias, a->n_bias + 1));
        a->bias[a->n_bias++] = (qn_logit_bias){(int32_t)id, add <= -100 ? -INFINITY : (float)add};
    }
    return more;
}

static int read_model(qn_exchange *x, qn_json *j, qn_ask *a) {
    (void)x;
    qn_buf_clear(&a->model);
    return qn_json_string(j, &a->model);
}

/* Which adapter an entry means, by id or name or both, which must agree; an error names what does not. */
static int which_adapter(const qn_exchange *x, qn_json *j, const int64_t *id, qn_str name, bool *taken) {
    const int n = x->server->o.n_adapters;
    const int64_t named = name.n > 0 ? qn_server_adapter(x->server, name) : -1, which = id ? *id : named;
    if (which < 0 || which >= n || (name.n > 0 && named < 0))
        return qn_json_fail(j, QN_EINVAL, "no such adapter; the server has %d of them, /v1/models lists their names",
                            n);
    if (name.n > 0 && named != which)
        return qn_json_fail(j, QN_EINVAL, "id %lld is not \"%.*s\", whose id is %lld", (long long)which,
                            QN_STR_ARG(name), (long long)named);
    if (taken[which])
        return qn_json_fail(j, QN_EINVAL, "adapter %lld is there twice", (long long)which);
    taken[which] = true;
    return (int)which;
}

/* One of [{"id": 0, "scale": 0.5}]; "name" instead of "id", and scale 1 where it is not said. */
static int read_one_adapter(qn_exchange *x, qn_json *j, qn_ask *a, bool *taken) {
    qn_str key;
    qn_buf name = {0};
    int more, rc = 0;
    bool by_id = false;
    int64_t id = -1;
    double scale = 1;
    QN_TRY(qn_json_enter(j, '{'));
    while ((more = qn_json_key(j, &key)) > 0) {
        const bool is_id = qn_str_is(key, "id");
        if (qn_json_peek(j) == 'n') {
            QN_TRY_OUT(qn_json_null(j));
            continue;
        }
        by_id = by_id || is_id;
        if (is_id)
            QN_TRY_OUT(qn_json_i64(j, &id));
        else if (qn_str_is(key, "name"))
            QN_TRY_OUT(qn_json_string(j, &name));
        else
            QN_TRY_OUT(qn_str_is(key, "scale") ? qn_json_f64(j, &scale) : qn_json_skip(j));
    }
    QN_TRY_OUT(more);
    QN_TRY_OUT(which_adapter(x, j, by_id ? &id : NULL, qn_buf_view(&name), taken));
    a->scale[rc] = (float)scale;
out:
    qn_buf_drop(&name);
    return QN_MIN(rc, 0);
}

static int read_lora(qn_exchange *x, qn_json *j, qn_ask *a) {
    bool taken[QN_ADAPTERS] = {0};
    int more;
    if (a->scaled)
        return qn_json_fail(j, QN_EINVAL, "lora and adapters mean the same; leave one of them out");
    a->scaled = true;
    QN_TRY(qn_json_enter(j, '['));
    while ((more = qn_json_item(j)) > 0)
        QN_TRY(read_one_adapter(x, j, a, taken));
    return more;
}

/* ---- the table ---- */

static const member members[] = {
    {"messages", BY, 0, 0, 0, read_messages},
    {"prompt", BY, 0, 0, 0, read_prompt},
    {"model", BY, 0, 0, 0, read_model},
    {"stream", FLAG, offsetof(qn_ask, stream), 0, 0, NULL},
    {"stream_options", BY, 0, 0, 0, read_stream_options},
    {"max_tokens", I64, offsetof(qn_ask, o.max_new), -1, 1 << 24, NULL},
    {"max_completion_tokens", I64, offsetof(qn_ask, o.max_new), -1, 1 << 24, NULL},
    {"n_predict", I64, offsetof(qn_ask, o.max_new), -1, 1 << 24, NULL},
    {"n", I64, offsetof(qn_ask, n), 1, QN_ASK_CHOICES, NULL},
    {"best_of", I64, offsetof(qn_ask, best_of), 1, QN_ASK_CHOICES, NULL},
    {"temperature", F64, SAMPLER(temperature), 0, 100, NULL},
    {"top_p", F64, SAMPLER(top_p), 0, 1, NULL},
    {"top_k", I64, SAMPLER(top_k), -1, 1 << 24, NULL},
    {"min_p", F64, SAMPLER(min_p), 0, 1, NULL},
    {"typical_p", F64, SAMPLER(typical), 1e-6, 1, NULL},
    {"xtc_probability", F64, SAMPLER(xtc_probability), 0, 1, NULL},
    {"xtc_threshold", F64, SAMPLER(xtc_threshold), 0, 1, NULL},
    {"dry_multiplier", F64, SAMPLER(dry_multiplier), 0, 100, NULL},
    {"dry_base", F64, SAMPLER(dry_base), 1, 100, NULL},
    {"dry_allowed_length", I64, SAMPLER(dry_allowed), 1, 1 << 24, NULL},
    {"dry_sequence_breakers", BY, 0, 0, 0, read_breakers},
    {"dry_penalty_last_n", I64, SAMPLER(dry_last), -1, 1 << 24, NULL},
    {"mirostat_tau", F64, SAMPLER(mirostat_tau), 0, 100, NULL},
    {"mirostat_eta", F64, SAMPLER(mirostat_eta), 0, 10, NULL},
    {"mirostat", BY, 0, 0, 0, read_mirostat},
    {"frequency_penalty", F64, SAMPLER(frequency_penalty), -100, 100, NULL},
    {"presence_penalty", F64, SAMPLER(presence_penalty), -100, 100, NULL},
    {"repetition_penalty", F64, SAMPLER(repetition_penalty), 0.01, 100, NULL},
    {"repeat_penalty", F64, SAMPLER(repetition_penalty), 0.01, 100, NULL},
    {"repeat_last_n", I64, SAMPLER(penalty_last), -1, 1 << 24, NULL},
    {"seed", BY, 0, 0, 0, read_seed},
    {"stop", BY, 0, 0, 0, read_stop},
    {"ignore_eos", FLAG, offsetof(qn_ask, o.ignore_eos), 0, 0, NULL},
    {"logprobs", BY, 0, 0, 0, read_logprobs},
    {"top_logprobs", BY, 0, 0, 0, read_top_logprobs},
    {"logit_bias", BY, 0, 0, 0, read_logit_bias},
    {"tools", BY, 0, 0, 0, read_tools},
    {"tool_choice", BY, 0, 0, 0, read_tool_choice},
    {"response_format", BY, 0, 0, 0, qn_ask_read_response_format},
    {"json_schema", BY, 0, 0, 0, qn_ask_read_schema},
    {"grammar", BY, 0, 0, 0, qn_ask_read_grammar},
    {"guided_json", BY, 0, 0, 0, qn_ask_read_schema},
    {"guided_grammar", BY, 0, 0, 0, qn_ask_read_grammar},
    {"guided_regex", BY, 0, 0, 0, qn_ask_read_regex},
    {"guided_choice", BY, 0, 0, 0, qn_ask_read_choice},
    {"structured_outputs", BY, 0, 0, 0, qn_ask_read_structured},
    {"suffix", BY, 0, 0, 0, read_suffix},
    {"parallel_tool_calls", FLAG, offsetof(qn_ask, parallel), 0, 0, NULL},
    {"chat_template_kwargs", BY, 0, 0, 0, read_kwargs},
    {"lora", BY, 0, 0, 0, read_lora},
    {"adapters", BY, 0, 0, 0, read_lora},
    {"echo", FLAG, offsetof(qn_ask, echo), 0, 0, NULL},
    {"add_generation_prompt", FLAG, offsetof(qn_ask, generation_prompt), 0, 0, NULL},
    {"parse_special", FLAG, offsetof(qn_ask, parse_special), 0, 0, NULL},
};

_Static_assert(QN_LEN(members) <= QN_ASK_KNOWN, "qn_ask.said has room for all of them");

/* A member whose number goes to the same place, and which was said before; NULL: none. */
static const member *said_before(const qn_ask *a, const member *m) {
    for (size_t i = 0; i < QN_LEN(members); i++)
        if (a->said[i] && &members[i] != m && members[i].kind == m->kind && members[i].at == m->at)
            return &members[i];
    return NULL;
}

/* max_tokens and max_completion_tokens, say: a client that means both has them equal. */
static int differ(qn_json *j, const member *m, const member *other) {
    return qn_json_fail(j, QN_EINVAL, "%s and %s mean the same and are not equal; leave one of them out", m->name,
                        other->name);
}

static int read_i64(qn_json *j, const member *m, const member *other, int64_t *to) {
    const int64_t was = *to;
    QN_TRY(read_count(j, m->name, (int64_t)m->lo, (int64_t)m->hi, to));
    return other && *to != was ? differ(j, m, other) : 0;
}

static int read_f64(qn_json *j, const member *m, const member *other, double *to) {
    double v;
    QN_TRY(qn_json_f64(j, &v));
    if (!(v >= m->lo && v <= m->hi))
        return qn_json_fail(j, QN_EINVAL, "%s is %g; expected %g to %g", m->name, v, m->lo, m->hi);
    if (other && *to != v)
        return differ(j, m, other);
    *to = v;
    return 0;
}

static int read_member(qn_exchange *x, qn_json *j, const member *m, qn_ask *a) {
    char *to = (char *)a + m->at;
    const member *other = m->kind == BY ? NULL : said_before(a, m);
    a->said[m - members] = true;
    switch (m->kind) {
    case FLAG: return qn_json_bool(j, (bool *)to);
    case I64: return read_i64(j, m, other, (int64_t *)to);
    case F64: return read_f64(j, m, other, (double *)to);
    default: return m->read(x, j, a);
    }
}

static int one_member(qn_exchange *x, qn_json *j, qn_str key, void *arg) {
    for (size_t i = 0; i < QN_LEN(members); i++)
        if (qn_str_is(key, members[i].name))
            return read_member(x, j, &members[i], arg);
    const int refused = qn_ask_refuse(j, key);
    return refused != 0 ? QN_MIN(refused, 0) : qn_json_skip(j);
}

static bool is_said(const qn_ask *a, const char *name) {
    for (size_t i = 0; i < QN_LEN(members); i++)
        if (strcmp(members[i].name, name) == 0)
            return a->said[i];
    return false;
}

enum { MEMBERS = 256 };             /* of one body */

/* Of two members with one name a client means one, and readers differ in which. */
static int is_new(qn_exchange *x, qn_json *j, qn_str key, uint64_t *seen, size_t *n) {
    const uint64_t hash = qn_hash_bytes(key.s, key.n, 0);
    for (size_t i = 0; i < *n; i++)
        if (seen[i] == hash)
            return qn_json_fail(j, QN_EFORMAT, "\"%s\" is there twice", x->param_text);
    if (*n == MEMBERS)
        return qn_json_fail(j, QN_ELIMIT, "more than %d members", MEMBERS);
    seen[(*n)++] = hash;
    return 0;
}

int qn_ask_members(qn_exchange *x, int (*one)(qn_exchange *x, qn_json *j, qn_str key, void *arg), void *arg) {
    qn_json j;
    qn_str key;
    uint64_t seen[MEMBERS];
    size_t n = 0;
    int more, rc = 0;
    qn_json_init(&j, x->body.s ? x->body.s : "", x->body.n, "request");
    j.lone = QN_LONE_REPLACE;                           /* half an emoji in a client's string is no reason to refuse */
    QN_TRY_OUT(qn_json_enter(&j, '{'));
    while ((more = qn_json_key(&j, &key)) > 0) {
        snprintf(x->param_text, sizeof x->param_text, "%.*s", (int)QN_MIN(key.n, sizeof x->param_text - 1), key.s);
        x->param = x->param_text;
        QN_TRY_OUT(is_new(x, &j, key, seen, &n));
        QN_TRY_OUT(qn_json_peek(&j) == 'n' ? qn_json_null(&j) : one(x, &j, key, arg));
        x->param = NULL;
    }
    QN_TRY_OUT(more);
    rc = qn_json_end(&j);
out:
    qn_json_drop(&j);
    return rc;
}

/* ---- what follows from several ---- */

static int missing(qn_exchange *x, const char *name, const char *what) {
    x->param = name;
    return qn_fail(QN_EINVAL, "the request has no \"%s\": %s", name, what);
}

/* The server's own stop strings stand behind those of the request. */
static int gather_stops(qn_exchange *x, qn_ask *a) {
    const qn_generate_options *d = &x->server->o.defaults;
    a->stop = qn_zalloc(QN_MEM_SERVE, (size_t)(a->stops + d->n_stop), sizeof *a->stop);
    if (!a->stop)
        return QN_ENOMEM;
    for (int64_t i = 0; i < a->stops; i++)
        a->stop[i] = qn_buf_view(&a->stop_text[i]);
    for (int64_t i = 0; i < d->n_stop; i++)
        a->stop[a->stops + i] = d->stop[i];
    a->o.stop = a->stop;
    a->o.n_stop = a->stops + d->n_stop;
    return 0;
}

/* The request's own sequence breakers; without any the server's stay. */
static int find_breaks(qn_exchange *x, qn_ask *a) {
    qn_str texts[QN_ASK_BREAKERS];
    if (a->breakers == 0 || a->o.sampler.dry_multiplier <= 0 || !x->server->o.session)
        return 0;
    for (int64_t i = 0; i < a->breakers; i++)
        texts[i] = qn_buf_view(&a->breaker_text[i]);
    const int64_t V = qn_session_vocabulary(x->server->o.session);
    QN_TRY(qn_dry_breaks_new(&a->breaks, x->server->o.tok, V, texts, a->breakers));
    a->o.sampler.dry_breaks = a->breaks;
    return 0;
}

/* An adapter's name in the place of the model's: that one, and no other. */
static void adapter_by_name(qn_exchange *x, qn_ask *a) {
    const int i = a->scaled ? -1 : qn_server_adapter(x->server, qn_buf_view(&a->model));
    if (i >= 0) {
        a->scale[i] = 1;
        a->scaled = true;
    }
}

/* Mirostat stands in place of the cuts: one that is asked for beside it would be passed over. */
static int check_mirostat(qn_exchange *x, const qn_ask *a) {
    const qn_sampler_options *o = &a->o.sampler;
    const struct { const char *name; bool off; } cuts[] = {
        {"top_k", o->top_k <= 0}, {"typical_p", o->typical >= 1}, {"top_p", o->top_p >= 1}, {"min_p", o->min_p <= 0},
        {"xtc_probability", o->xtc_probability <= 0},
    };
    for (size_t i = 0; i < QN_LEN(cuts) && o->mirostat; i++) {
        x->param = cuts[i].name;
        if (is_said(a, cuts[i].name) && !cuts[i].off)
            return qn_fail(QN_EINVAL, "mirostat stands in place of %s: give one of them", cuts[i].name);
    }
    return 0;
}

/* The i-th of n answers has the seed + i, which must be one that can be asked for. */
static int check_seed(qn_exchange *x, const qn_ask *a) {
    x->param = "seed";
    if ((a->seeded || x->server->o.seeded) && a->o.sampler.seed > (uint64_t)(QN_SEED_MAX - (a->n - 1)))
        return qn_fail(QN_EINVAL, "the seeds of %lld answers go beyond %lld, the greatest", (long long)a->n,
                       (long long)QN_SEED_MAX);
    return 0;
}

/* Members that mean something only beside, or only without, another one. */
static int check_together(qn_exchange *x, const qn_ask *a) {
    QN_TRY(check_mirostat(x, a));
    QN_TRY(check_seed(x, a));
    x->param = "best_of";
    if (a->best_of > a->n)
        return qn_fail(QN_EUNSUPPORTED, "best_of above n is not supported: ask for n answers and choose among them");
    x->param = "top_logprobs";
    if (a->top > 0 && !a->o.logprobs)
        return qn_fail(QN_EINVAL, "top_logprobs says how many, and no \"logprobs\" asks for any");
    x->param = "stream_options";
    if (a->stream_options && !a->stream)
        return qn_fail(QN_EINVAL, "stream_options are those of a stream, and no \"stream\": true asks for one");
    x->param = "tool_choice";
    if (a->choice >= QN_TOOLS_REQUIRED && !a->tools.s)
        return qn_fail(QN_EINVAL, "tool_choice wants a call, and there are no tools");
    if (a->choice >= QN_TOOLS_REQUIRED && a->format != QN_FORMAT_TEXT)
        return qn_fail(QN_EINVAL, "tool_choice holds the answer to a call, and %s to another form; leave one of them "
                       "out", a->format_by);
    x->param = NULL;
    return 0;
}

int qn_ask_read(qn_exchange *x, qn_ask *a, bool chat) {
    a->o = x->server->o.defaults;
    a->n = 1;
    a->chat = chat;
    a->generation_prompt = true;
    QN_TRY(qn_ask_members(x, one_member, a));
    a->o.sampler.top_k = QN_MAX(a->o.sampler.top_k, 0);     /* −1 is "all" to vLLM */
    if (chat && !a->messages.s)
        return missing(x, "messages", "an array of {\"role\", \"content\"}");
    if (!chat && !a->prompt.s)
        return missing(x, "prompt", "a text, or token ids");
    QN_TRY(check_together(x, a));
    a->o.n_top = a->o.logprobs ? a->top : 0;
    if (a->n_bias > 0) {
        a->o.sampler.bias = a->bias;
        a->o.sampler.n_bias = (int64_t)a->n_bias;
    }
    QN_TRY(find_breaks(x, a));
    adapter_by_name(x, a);
    QN_TRY(qn_ask_read_tools(x, a));
    return gather_stops(x, a);
}

void qn_ask_drop(qn_ask *a) {
    for (size_t i = 0; i < QN_ASK_STOPS; i++)
        qn_buf_drop(&a->stop_text[i]);
    for (size_t i = 0; i < QN_ASK_BREAKERS; i++)
        qn_buf_drop(&a->breaker_text[i]);
    qn_free(a->breaks);
    qn_free(a->stop);
    qn_free(a->bias);
    qn_buf_drop(&a->model);
    qn_buf_drop(&a->tool);
    qn_buf_drop(&a->grammar);
    qn_buf_drop(&a->schema_text);
    qn_ask_drop_tools(a);
}
