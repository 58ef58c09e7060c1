/* serve/ask_prompts.c — the prompts of completions, the inputs of embeddings: a text, texts, ids, lists of ids. */
#include "serve/ask.h"

static int one_more(qn_json *j, size_t most, qn_ids **prompts, size_t *n) {
    size_t cap = *n;
    if (*n == most)
        return qn_json_fail(j, QN_ELIMIT, "more than %zu texts in one request", most);
    QN_TRY(qn_grow(QN_MEM_SERVE, (void **)prompts, &cap, *n + 1, sizeof **prompts));
    (*prompts)[(*n)++] = (qn_ids){0};
    return 0;
}

static int encode(const qn_tok *tok, qn_str text, unsigned flags, qn_ids *ids) {
    const int32_t eos = qn_tok_eos(tok);
    QN_TRY(qn_tok_encode(tok, text.s ? text.s : "", text.n, flags, ids));
    if (!(flags & QN_TOK_PARSE_SPECIAL) && ids->n > 1 && ids->v[ids->n - 1] == eos && qn_tok_adds(tok, eos) &&
        qn_tok_model_of(tok) != QN_TOK_WORDPIECE)
        ids->n--;                   /* a prompt is to be continued */
    return 0;
}

static int read_text(qn_exchange *x, qn_json *j, unsigned flags, qn_ids *ids) {
    qn_buf text = {0};
    int rc;
    QN_TRY_OUT(qn_json_string(j, &text));
    rc = encode(x->server->o.tok, qn_buf_view(&text), flags, ids);
out:
    qn_buf_drop(&text);
    return rc;
}

static int read_id(qn_exchange *x, qn_json *j, qn_ids *ids) {
    int64_t id;
    const int64_t V = x->server->o.model->cfg.V;
    QN_TRY(qn_json_i64(j, &id));
    if (id < 0 || id >= V)
        return qn_json_fail(j, QN_EINVAL, "token id %lld is outside the model's vocabulary of %lld", (long long)id,
                            (long long)V);
    return qn_ids_push(ids, (int32_t)id);
}

static int read_ids(qn_exchange *x, qn_json *j, qn_ids *ids) {
    int more;
    QN_TRY(qn_json_enter(j, '['));
    while ((more = qn_json_item(j)) > 0)
        QN_TRY(read_id(x, j, ids));
    return more;
}

/* A list of ids is one prompt, of texts or lists as many as it has. */
static int read_list(qn_exchange *x, qn_json *j, unsigned flags, size_t most, qn_ids **prompts, size_t *n) {
    bool ids = false;
    int more;
    QN_TRY(qn_json_enter(j, '['));
    while ((more = qn_json_item(j)) > 0) {
        const int what = qn_json_peek(j);
        if (!ids || what != '0')
            QN_TRY(one_more(j, most, prompts, n));
        qn_ids *to = &(*prompts)[*n - 1];
        ids = what == '0';
        if (ids)
            QN_TRY(read_id(x, j, to));
        else
            QN_TRY(what == '[' ? read_ids(x, j, to) : read_text(x, j, flags, to));
    }
    return more;
}

int qn_ask_prompts(qn_exchange *x, qn_str json, unsigned flags, size_t most, qn_ids **prompts, size_t *n) {
    qn_json j;
    qn_json_init(&j, json.s, json.n, x->param ? x->param : "prompt");
    j.lone = QN_LONE_REPLACE;
    int rc;
    if (qn_json_peek(&j) == '[') {
        QN_TRY_OUT(read_list(x, &j, flags, most, prompts, n));
    } else {
        QN_TRY_OUT(one_more(&j, most, prompts, n));
        QN_TRY_OUT(read_text(x, &j, flags, &(*prompts)[0]));
    }
    rc = *n > 0 ? 0 : qn_fail(QN_EINVAL, "an empty list: expected a text, texts, token ids, or lists of them");
out:
    qn_json_drop(&j);
    return rc;
}
