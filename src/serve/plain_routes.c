/* serve/plain_routes.c — what needs no model: tokens, templates, what there is, how it goes. */
#include "serve/ask.h"
#include "serve/pages.h"

#include <string.h>

/* ---- models ---- */

static void put_model(const qn_exchange *x, qn_jw *w, const char *name, const char *parent) {
    const qn_server_options *o = &x->server->o;
    const qn_config *c = &o->model->cfg;
    qn_jw_open(w, '{');
    qn_field_str(w, "id", name);
    qn_field_str(w, "object", "model");
    qn_field_i64(w, "created", (int64_t)x->server->created);
    qn_field_str(w, "owned_by", "quern");
    if (parent)
        qn_field_str(w, "parent", parent);
    qn_field_open(w, "meta", '{');
    qn_field_str(w, "identity", o->model->identity);
    qn_field_i64(w, "n_vocab", c->V);
    qn_field_i64(w, "n_embd", c->D);
    qn_field_i64(w, "n_ctx_train", c->context);
    if (o->session)
        qn_field_i64(w, "n_ctx", qn_session_context(o->session));
    if (o->embedder)
        qn_field_i64(w, "embedding_tokens", qn_embedder_max_tokens(o->embedder));
    qn_field_i64(w, "size", (int64_t)o->model->arena_bytes);
    qn_field_bool(w, "writes", o->session != NULL);
    qn_field_bool(w, "embeds", o->embedder != NULL);
    qn_jw_close(w);
    qn_jw_close(w);
}

int qn_route_models(qn_exchange *x) {
    const qn_server_options *o = &x->server->o;
    const char *at = strstr(x->path, "models/");
    qn_jw w;
    qn_exchange_json(x, &w);
    const int adapter = at ? qn_server_adapter(x->server, qn_str_of(at + 7)) : -1;
    const bool base = at && strcmp(at + 7, o->name) == 0;
    if (base || adapter >= 0) {
        put_model(x, &w, base ? o->name : o->adapters[adapter], base ? NULL : o->name);
        return qn_jw_end(&w);
    }
    if (at) {
        qn_exchange_error(x, 404, "model_not_found", "there is no such model here; GET /v1/models lists what there is");
        return 0;
    }
    qn_jw_open(&w, '{');
    qn_field_str(&w, "object", "list");
    qn_field_open(&w, "data", '[');
    put_model(x, &w, o->name, NULL);
    for (int i = 0; i < o->n_adapters; i++)
        put_model(x, &w, o->adapters[i], o->name);
    qn_jw_close(&w);
    qn_jw_close(&w);
    return qn_jw_end(&w);
}

/* ---- tokens ---- */

typedef struct { qn_buf content; bool said, special, parse, pieces; qn_str tokens; } tokenizing;

static int token_member(qn_exchange *x, qn_json *j, qn_str key, void *arg) {
    tokenizing *t = arg;
    (void)x;
    if (qn_str_is(key, "content") || qn_str_is(key, "prompt")) {
        t->said = true;
        qn_buf_clear(&t->content);
        return qn_json_string(j, &t->content);
    }
    if (qn_str_is(key, "tokens"))
        return qn_json_raw(j, &t->tokens);
    bool *flag = qn_str_is(key, "add_special") ? &t->special : qn_str_is(key, "parse_special") ? &t->parse :
                 qn_str_is(key, "with_pieces") ? &t->pieces : NULL;
    return flag ? qn_json_bool(j, flag) : qn_json_skip(j);
}

/* A piece that is no text by itself (half a character) is told as its bytes. */
static void put_piece(const qn_exchange *x, qn_jw *w, int32_t id) {
    const qn_str text = qn_server_token(x->server, id);
    qn_jw_open(w, '{');
    qn_field_i64(w, "id", id);
    qn_jw_key(w, "piece");
    if (text.n == 0 || qn_utf8_check(text.s, text.n) == QN_UTF8_OK) {
        qn_jw_str(w, text);
    } else {
        qn_jw_open(w, '[');
        for (size_t i = 0; i < text.n; i++)
            qn_jw_i64(w, (unsigned char)text.s[i]);
        qn_jw_close(w);
    }
    qn_jw_close(w);
}

static int tokenize(qn_exchange *x, tokenizing *t, qn_ids *ids) {
    qn_jw w;
    QN_TRY(qn_ask_members(x, token_member, t));
    const unsigned flags = (t->special ? QN_TOK_ADD_SPECIAL : 0) | (t->parse ? QN_TOK_PARSE_SPECIAL : 0);
    x->param = "content";
    if (!t->said)
        return qn_fail(QN_EINVAL, "the request has no \"content\": a text");
    QN_TRY(qn_tok_encode(x->server->o.tok, t->content.s ? t->content.s : "", t->content.n, flags, ids));
    qn_exchange_json(x, &w);
    qn_jw_open(&w, '{');
    if (t->pieces) {
        qn_field_open(&w, "tokens", '[');
        for (size_t i = 0; i < ids->n; i++)
            put_piece(x, &w, ids->v[i]);
        qn_jw_close(&w);
    } else {
        qn_field_i32s(&w, "tokens", ids->v, ids->n);
    }
    qn_field_i64(&w, "count", (int64_t)ids->n);
    qn_jw_close(&w);
    return qn_jw_end(&w);
}

int qn_route_tokenize(qn_exchange *x) {
    tokenizing t = {.parse = true};
    qn_ids ids = {0};
    const int rc = tokenize(x, &t, &ids);
    qn_buf_drop(&t.content);
    qn_ids_drop(&ids);
    return rc;
}

static int detokenize(qn_exchange *x, tokenizing *t, qn_ids **ids, size_t *n, qn_buf *text) {
    qn_jw w;
    QN_TRY(qn_ask_members(x, token_member, t));
    x->param = "tokens";
    if (!t->tokens.s || t->tokens.s[0] != '[')
        return qn_fail(QN_EINVAL, "expected \"tokens\": an array of token ids");
    if (strspn(t->tokens.s + 1, " \t\r\n") + 1 < t->tokens.n - 1)
        QN_TRY(qn_ask_prompts(x, t->tokens, QN_TOK_PLAIN, 1, ids, n));
    if (*n > 0)
        QN_TRY(qn_tok_decode(x->server->o.tok, (*ids)[0].v, (*ids)[0].n, 0, text));
    qn_exchange_json(x, &w);
    qn_jw_open(&w, '{');
    qn_field_text(&w, "content", text->n ? qn_buf_view(text) : QN_STR(""));
    qn_jw_close(&w);
    return qn_jw_end(&w);
}

int qn_route_detokenize(qn_exchange *x) {
    tokenizing t = {0};
    qn_ids *ids = NULL;
    qn_buf text = {0};
    size_t n = 0;
    const int rc = detokenize(x, &t, &ids, &n, &text);
    for (size_t i = 0; i < n; i++)
        qn_ids_drop(&ids[i]);
    qn_free(ids);
    qn_buf_drop(&t.content);
    qn_buf_drop(&text);
    return rc;
}

/* ---- templates ---- */

int qn_route_template(qn_exchange *x) {
    qn_ask a = {0};
    qn_buf prompt = {0};
    qn_ids ids = {0};
    qn_jw w;
    int rc;
    if (!x->server->o.session) {
        rc = qn_fail(QN_EUNSUPPORTED, "this model reads texts whole and holds no conversations");
        goto out;
    }
    QN_TRY_OUT(qn_ask_read(x, &a, true));
    QN_TRY_OUT(qn_ask_prompt(x, &a, &ids, &prompt));
    qn_exchange_json(x, &w);
    qn_jw_open(&w, '{');
    qn_field_text(&w, "prompt", qn_buf_view(&prompt));
    qn_field_i64(&w, "tokens", (int64_t)ids.n);
    qn_jw_close(&w);
    rc = qn_jw_end(&w);
out:
    qn_ask_drop(&a);
    qn_buf_drop(&prompt);
    qn_ids_drop(&ids);
    return rc;
}

/* ---- how it goes ---- */

int qn_route_health(qn_exchange *x) {
    const qn_scheduler_stats s = qn_scheduler_look(x->server->scheduler);
    qn_jw w;
    qn_exchange_json(x, &w);
    qn_jw_open(&w, '{');
    qn_field_str(&w, "status", "ok");
    qn_field_i64(&w, "slots_idle", QN_MAX(s.slots - s.active, 0));
    qn_field_i64(&w, "slots_processing", s.active);
    qn_field_i64(&w, "waiting", s.waiting);
    qn_jw_close(&w);
    return qn_jw_end(&w);
}

int qn_route_metrics(qn_exchange *x) {
    const qn_scheduler_stats s = qn_scheduler_look(x->server->scheduler);
    x->type = "text/plain; version=0.0.4; charset=utf-8";
    return qn_gauges_write(&x->server->gauges, &s, &x->out);
}

/* ---- the page ---- */

int qn_route_page(qn_exchange *x) {
    for (size_t i = 0; i < qn_pages_n; i++) {
        if (strcmp(x->path, qn_pages[i].path) != 0)
            continue;
        x->type = qn_pages[i].type;
        x->asset = (const char *)qn_pages[i].bytes;
        x->asset_bytes = qn_pages[i].n;
        return 0;
    }
    qn_exchange_error(x, 404, NULL, "there is no such page");
    return 0;
}
