/* model/adapter_words.c — the tokenizer beside an adapter: there where it brings tokens of its own, and as a witness of
 * the model that it was trained on. */
#include "model/adapter_file.h"

int qn_adapter_words(qn_source **out, const qn_adapter *a, const char *path, int64_t V) {
    qn_buf dir = {0}, file = {0};
    int rc;
    *out = NULL;
    QN_TRY_OUT(qn_adapter_form_of(path, &dir));
    QN_TRY_OUT(qn_path_join(&file, dir.s ? dir.s : "", "tokenizer.json"));
    if (qn_is_file(file.s))
        rc = qn_source_open(out, dir.s);
    else if (a->rows > V)
        rc = qn_fail(QN_ENOTFOUND, "%s: has rows for tokens that the model does not know, and no tokenizer.json is "
                     "beside them; put the tokenizer that it was trained with there", a->name);
out:
    qn_buf_drop(&dir);
    qn_buf_drop(&file);
    return rc < 0 ? rc : 0;
}

static bool has_row(const qn_adapter *a, int32_t id) {
    for (int64_t i = 0; i < a->n_tokens; i++)
        if (a->token[i] == id)
            return true;
    return false;
}

/* The first id that both know and spell otherwise, but for those that the adapter has rows of; −1: none. */
static int32_t first_other(const qn_adapter *a, const qn_tok *own, const qn_tok *tok) {
    for (int32_t id = 0; id < QN_MIN(qn_tok_size(own), qn_tok_size(tok)); id++) {
        const qn_str x = qn_tok_text(own, id), y = qn_tok_text(tok, id);
        if (x.n && y.n && !qn_str_eq(x, y) && !has_row(a, id))
            return id;
    }
    return -1;
}

static int hold(const qn_adapter *a, const char *path, const qn_source *words, const qn_tok *tok, const char *model) {
    qn_tok *own;
    QN_TRY(qn_source_tokenizer(words, &own));
    const int32_t id = first_other(a, own, tok);
    const int rc = id < 0 ? 0 : qn_fail(QN_EINVAL, "%s: belongs to a model with another tokenizer than %s: id %d is "
                                        "\"%.*s\" in the tokenizer.json beside it and \"%.*s\" here", path, model,
                                        (int)id, QN_STR_ARG(qn_tok_text(own, id)), QN_STR_ARG(qn_tok_text(tok, id)));
    qn_tok_free(own);
    return rc;
}

int qn_adapter_check_words(const qn_adapter *a, const char *path, const qn_tok *tok, const char *model) {
    qn_source *words;
    QN_TRY(qn_adapter_words(&words, a, path, INT64_MAX));
    const int rc = words ? hold(a, path, words, tok, model) : 0;
    qn_source_close(words);
    return rc;
}

/* The model's tokenizer is built only where there is one to hold against it. */
int qn_adapter_check_source(const qn_adapter *a, const char *path, const qn_source *model) {
    qn_source *words;
    qn_tok *tok = NULL;
    QN_TRY(qn_adapter_words(&words, a, path, INT64_MAX));
    int rc = words ? qn_source_tokenizer(model, &tok) : QN_ENOTFOUND;
    if (rc >= 0)
        rc = hold(a, path, words, tok, qn_source_path(model));
    else if (rc == QN_ENOTFOUND)
        rc = 0;
    qn_tok_free(tok);
    qn_source_close(words);
    return rc;
}
