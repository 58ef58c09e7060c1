/* serve/openai_embeddings.c — POST /v1/embeddings: texts or ids to vectors, as numbers or as base64 of their bytes. */
#include "serve/ask.h"

#include <math.h>
#include <string.h>

#include "base/numtext.h"

typedef struct {
    qn_str input;
    bool base64, truncate;
    int64_t dimensions, cut;        /* 0: all; truncate_prompt_tokens, 0: not said */
    qn_str *text;                   /* [n] within `texts` */
    qn_buf texts;
    qn_ids *ids;                    /* [n], or NULL */
    qn_token_text *view;            /* [n] of them */
    size_t n, n_ids;
    float *vectors;
    qn_embedded *told;
    qn_embed_job job;
} embedding;

static void drop(void *ask) {
    embedding *e = ask;
    for (size_t i = 0; i < e->n_ids; i++)
        qn_ids_drop(&e->ids[i]);
    qn_buf_drop(&e->texts);
    qn_free(e->ids);
    qn_free(e->view);
    qn_free(e->text);
    qn_free(e->vectors);
    qn_free(e->told);
    qn_free(e);
}

/* ---- the request ---- */

/* vLLM's way to have texts cut: to so many tokens, or, −1, to what is read at once. */
static int read_cut(qn_exchange *x, qn_json *j, embedding *e) {
    const int64_t most = x->server->o.embedder ? qn_embedder_max_tokens(x->server->o.embedder) : INT64_MAX;
    const int64_t around = (int64_t)qn_tok_around(x->server->o.tok);
    QN_TRY(qn_json_i64(j, &e->cut));
    if (e->cut == -1)
        e->cut = most;
    if (e->cut > around && e->cut <= most)
        return 0;
    return qn_json_fail(j, QN_EINVAL, "truncate_prompt_tokens is %lld; expected %lld to %lld (%lld of them stand "
                        "around a text), or -1: as much as this model reads at once", (long long)e->cut,
                        (long long)around + 1, (long long)most, (long long)around);
}

/* Texts are cut at their end; another part of them would be another vector. */
static int read_side(qn_json *j) {
    qn_buf side = {0};
    int rc = qn_json_string(j, &side);
    if (rc >= 0 && !qn_str_is(qn_buf_view(&side), "right") && !qn_str_is(qn_buf_view(&side), "Right"))
        rc = qn_json_fail(j, QN_EUNSUPPORTED, "texts are cut at their end only: \"right\" is expected");
    qn_buf_drop(&side);
    return rc;
}

static int member(qn_exchange *x, qn_json *j, qn_str key, void *arg) {
    embedding *e = arg;
    qn_buf form = {0};
    int rc;
    if (qn_str_is(key, "input"))
        return qn_json_raw(j, &e->input);
    if (qn_str_is(key, "dimensions"))
        return qn_json_i64(j, &e->dimensions);
    if (qn_str_is(key, "truncate"))
        return qn_json_bool(j, &e->truncate);
    if (qn_str_is(key, "truncate_prompt_tokens"))
        return read_cut(x, j, e);
    if (qn_str_is(key, "truncation_direction") || qn_str_is(key, "truncation_side"))
        return read_side(j);
    if (!qn_str_is(key, "encoding_format"))
        return qn_json_skip(j);
    rc = qn_json_string(j, &form);
    e->base64 = qn_str_is(qn_buf_view(&form), "base64");
    if (rc >= 0 && !e->base64 && !qn_str_is(qn_buf_view(&form), "float"))
        rc = qn_json_fail(j, QN_EINVAL, "encoding_format \"%.*s\"; expected float or base64",
                          QN_STR_ARG(qn_buf_view(&form)));
    qn_buf_drop(&form);
    return rc;
}

static bool is_ids(qn_str json) {
    size_t i = 0;
    while (i < json.n && (json.s[i] == '[' || qn_is_json_space(json.s[i])))
        i++;
    return i < json.n && json.s[i] != '"' && json.s[i] != ']';
}

/* Texts one behind the other in a buffer, which moves while it grows: their places come afterwards. */
static int read_texts(embedding *e) {
    qn_json j;
    size_t end[QN_ASK_TEXTS];
    int more = 1, rc;
    qn_json_init(&j, e->input.s, e->input.n, "input");
    j.lone = QN_LONE_REPLACE;
    const bool list = qn_json_peek(&j) == '[';
    if (list)
        QN_TRY_OUT(qn_json_enter(&j, '['));
    while (more > 0 && (!list || (more = qn_json_item(&j)) > 0)) {
        if (e->n == QN_ASK_TEXTS)
            QN_TRY_OUT(qn_json_fail(&j, QN_ELIMIT, "more than %d texts in one request", QN_ASK_TEXTS));
        QN_TRY_OUT(qn_json_string(&j, &e->texts));
        end[e->n++] = e->texts.n;
        more = list;
    }
    QN_TRY_OUT(more);
    e->text = qn_alloc(QN_MEM_SERVE, e->n * sizeof *e->text);
    rc = e->text ? 0 : QN_ENOMEM;
    for (size_t i = 0; i < e->n && rc == 0; i++) {
        const size_t from = i ? end[i - 1] : 0;
        e->text[i] = (qn_str){(e->texts.s ? e->texts.s : "") + from, end[i] - from};
    }
out:
    qn_json_drop(&j);
    return rc;
}

static int read_ids(qn_exchange *x, embedding *e) {
    QN_TRY(qn_ask_prompts(x, e->input, QN_TOK_ADD_SPECIAL, QN_ASK_TEXTS, &e->ids, &e->n_ids));
    e->n = e->n_ids;
    e->view = qn_zalloc(QN_MEM_SERVE, e->n, sizeof *e->view);
    return e->view ? 0 : QN_ENOMEM;
}

/* Ids are cut and checked here, texts when they are read. */
static int settle_ids(qn_exchange *x, embedding *e) {
    const qn_embedder *m = x->server->o.embedder;
    for (size_t i = 0; i < e->n_ids; i++) {
        qn_ids *ids = &e->ids[i];
        const int64_t had = (int64_t)ids->n, n = e->job.cut > 0 ? qn_embedder_cut(m, e->job.cut, ids, 0) : had;
        QN_TRY(qn_embedder_check(m, n, (int64_t)i + 1));
        e->view[i] = (qn_token_text){ids->v, n};
        e->told[i] = (qn_embedded){n, had};
    }
    return 0;
}

/* ---- the answer ---- */

static int put_base64(qn_jw *w, const void *bytes, size_t n) {
    static const char digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *b = bytes;
    qn_buf text = {0};
    int rc = qn_buf_reserve(&text, n / 3 * 4 + 8);
    for (size_t i = 0; i < n && rc >= 0; i += 3) {
        const unsigned second = i + 1 < n ? b[i + 1] : 0, third = i + 2 < n ? b[i + 2] : 0;
        const unsigned v = (unsigned)b[i] << 16 | second << 8 | third;
        const char four[4] = {digit[v >> 18], digit[v >> 12 & 63], i + 1 < n ? digit[v >> 6 & 63] : '=',
                              i + 2 < n ? digit[v & 63] : '='};
        rc = qn_buf_put(&text, four, 4);
    }
    qn_jw_str(w, qn_buf_view(&text));
    qn_buf_drop(&text);
    return rc;
}

static int put_vector(qn_jw *w, const embedding *e, const float *v) {
    char text[QN_F64_TEXT];
    if (e->base64)                              /* little-endian, as all machines are that this runs on */
        return put_base64(w, v, (size_t)e->dimensions * sizeof *v);
    qn_jw_open(w, '[');
    for (int64_t d = 0; d < e->dimensions; d++)
        if (isfinite(v[d]))
            qn_jw_raw(w, (qn_str){text, qn_f32_text(v[d], text)});      /* the shortest text of this float */
        else
            qn_jw_null(w);
    qn_jw_close(w);
    return 0;
}

static int write_answer(qn_exchange *x, const embedding *e) {
    const int64_t width = qn_embedder_width(x->server->o.embedder);
    int64_t cut = 0;
    qn_jw w;
    qn_exchange_json(x, &w);
    qn_jw_open(&w, '{');
    qn_field_str(&w, "object", "list");
    qn_field_open(&w, "data", '[');
    for (size_t i = 0; i < e->n; i++) {
        qn_jw_open(&w, '{');
        qn_field_str(&w, "object", "embedding");
        qn_field_i64(&w, "index", (int64_t)i);
        qn_jw_key(&w, "embedding");
        QN_TRY(put_vector(&w, e, e->vectors + (int64_t)i * width));
        if (e->told[i].had > e->told[i].tokens)
            qn_field_i64(&w, "truncated_from", e->told[i].had);
        cut += e->told[i].had - e->told[i].tokens;
        qn_jw_close(&w);
    }
    qn_jw_close(&w);
    qn_field_str(&w, "model", x->server->o.name);
    qn_field_open(&w, "usage", '{');
    qn_field_i64(&w, "prompt_tokens", x->prompt_tokens);
    qn_field_i64(&w, "total_tokens", x->prompt_tokens);
    if (e->job.cut > 0)
        qn_field_i64(&w, "truncated_tokens", cut);
    qn_jw_close(&w);
    qn_jw_close(&w);
    return qn_jw_end(&w);
}

static int pump(qn_exchange *x, const qn_buf *events) {
    embedding *e = x->ask;
    qn_event v;
    size_t at = 0;
    if (!qn_event_next(events, &at, &v))
        return 0;
    if (v.head.rc < 0) {
        x->param = "input";
        return qn_fail(v.head.rc, "%.*s", (int)v.text.n, v.text.s);
    }
    for (size_t i = 0; i < e->n; i++)
        x->prompt_tokens += e->told[i].tokens;
    atomic_fetch_add_explicit(&x->server->gauges.embedded, (int64_t)e->n, memory_order_relaxed);
    x->finished = true;
    return write_answer(x, e);
}

static void on_done(qn_embed_job *j, int rc) { qn_exchange_ended(j->arg, 0, rc, NULL); }

static void cancel(qn_exchange *x) {
    embedding *e = x->ask;
    atomic_store(&e->job.cancel, true);
}

static int make_room(qn_exchange *x, embedding *e) {
    const int64_t width = qn_embedder_width(x->server->o.embedder);
    if (e->dimensions && e->dimensions != width) {
        x->param = "dimensions";
        return qn_fail(QN_EINVAL, "dimensions is %lld; this model's vectors have %lld and are not cut",
                       (long long)e->dimensions, (long long)width);
    }
    e->dimensions = width;
    e->vectors = qn_alloc(QN_MEM_SERVE, e->n * (size_t)width * sizeof *e->vectors);
    e->told = qn_zalloc(QN_MEM_SERVE, e->n, sizeof *e->told);
    return e->vectors && e->told ? 0 : QN_ENOMEM;
}

/* With a model that makes vectors. */
static int settle(qn_exchange *x, embedding *e) {
    QN_TRY(make_room(x, e));
    x->param = "input";
    e->job.cut = e->truncate && e->cut == 0 ? qn_embedder_max_tokens(x->server->o.embedder) : e->cut;
    return settle_ids(x, e);
}

int qn_route_embeddings(qn_exchange *x) {
    embedding *e = qn_zalloc(QN_MEM_SERVE, 1, sizeof *e);
    if (!e)
        return QN_ENOMEM;
    x->ask = e;
    x->drop_ask = drop;
    QN_TRY(qn_ask_members(x, member, e));
    x->param = "input";
    if (!e->input.s)
        return qn_fail(QN_EINVAL, "the request has no \"input\": a text, texts, or token ids");
    QN_TRY(is_ids(e->input) ? read_ids(x, e) : read_texts(e));
    if (e->n == 0)
        return qn_fail(QN_EINVAL, "input is an empty list; expected at least one text");
    e->job = (qn_embed_job){.texts = e->view ? NULL : e->text, .ids = e->view, .n = (int64_t)e->n, .done = on_done,
                            .arg = x};
    if (x->server->o.embedder)
        QN_TRY(settle(x, e));
    e->job.vectors = e->vectors;
    e->job.told = e->told;
    x->param = NULL;
    x->cancel = cancel;
    x->pump = pump;
    const int rc = qn_server_submit_embed(x, &e->job);
    if (rc < 0)
        x->pump = NULL;
    return rc;
}
