/* model/tokenizer.c — the tokenizer that belongs to a MODEL, out of whichever file holds it.
 *
 *   GGUF        tokenizer.huggingface.json (a whole tokenizer.json) wins; else tokenizer.ggml.*: "gpt2" or "bert"
 *   directory   tokenizer.json; tokenizer_config.json says whether BOS and EOS are added
 *   file        a tokenizer.json; names of special tokens from tokenizer_config.json beside it */
#include "base/file.h"
#include "format/tokenizer_json.h"
#include "model/save.h"
#include "model/source_impl.h"

#define TOKENIZER_JSON_MAX ((size_t)256 << 20)

/* ---- tokenizer.ggml.* ---- */

/* Views of an array of strings, or of token types; absent arrays give count 0. */
static int strings(const qn_meta *m, const char *key, qn_str **out, size_t *n) {
    qn_meta_array a;
    const int rc = qn_meta_get_array(m, key, QN_META_STRING, &a);
    if (rc <= 0)
        return rc;
    *out = qn_alloc(QN_MEM_TOK, a.count * sizeof **out);
    if (!*out)
        return QN_ENOMEM;
    for (size_t i = 0; i < a.count; i++)
        (*out)[i] = qn_meta_array_str(&a, i);
    *n = a.count;
    return 0;
}

static int types(const qn_meta *m, int32_t **out, size_t *n) {
    qn_meta_array a;
    const int rc = qn_meta_get_array(m, "tokenizer.ggml.token_type", QN_META_INT, &a);
    if (rc <= 0)
        return rc;
    *out = qn_alloc(QN_MEM_TOK, a.count * sizeof **out);
    if (!*out)
        return QN_ENOMEM;
    for (size_t i = 0; i < a.count; i++)
        (*out)[i] = (int32_t)qn_meta_array_i64(&a, i);
    *n = a.count;
    return 0;
}

static int scalars(const qn_meta *m, qn_tok_gguf_tables *t) {
    const struct { const char *key; int64_t *at; } ids[] = {
        {"tokenizer.ggml.bos_token_id", &t->bos}, {"tokenizer.ggml.eos_token_id", &t->eos},
        {"tokenizer.ggml.unknown_token_id", &t->unk}, {"tokenizer.ggml.padding_token_id", &t->pad},
        {"tokenizer.ggml.cls_token_id", &t->cls}, {"tokenizer.ggml.seperator_token_id", &t->sep},
    };
    const struct { const char *key; int *at; } flags[] = {
        {"tokenizer.ggml.add_bos_token", &t->add_bos}, {"tokenizer.ggml.add_eos_token", &t->add_eos},
        {"tokenizer.ggml.normalizer.lowercase", &t->lowercase},
        {"tokenizer.ggml.normalizer.strip_accents", &t->accents},
    };
    for (size_t i = 0; i < QN_LEN(ids); i++) {
        *ids[i].at = -1;
        QN_TRY(qn_meta_get_i64(m, ids[i].key, ids[i].at));
    }
    for (size_t i = 0; i < QN_LEN(flags); i++) {
        bool on;
        const int rc = qn_meta_get_bool(m, flags[i].key, &on);
        if (rc < 0)
            return rc;
        *flags[i].at = rc > 0 ? on : -1;
    }
    const int rc = qn_meta_get_str(m, "tokenizer.ggml.pre", &t->pre);
    return rc < 0 ? rc : 0;
}

static int from_ggml(const qn_source *s, qn_tok_spec *spec) {
    qn_tok_gguf_tables t = {0};
    qn_str *tokens = NULL, *merges = NULL, model = {0};
    int32_t *type = NULL;
    int rc = qn_meta_get_str(s->meta, "tokenizer.ggml.model", &model);
    if (rc == 0)
        return qn_fail(QN_ENOTFOUND, "%s: the file holds no tokenizer (tokenizer.ggml.model is missing)", s->path);
    if (rc < 0)
        return rc;
    const bool wordpiece = qn_str_is(model, "bert");
    if (!wordpiece && !qn_str_is(model, "gpt2"))
        return qn_fail(QN_EUNSUPPORTED,
                       "%s: tokenizer model \"%.*s\" is not supported yet; byte-level BPE (\"gpt2\") and WordPiece "
                       "(\"bert\") are", s->path, QN_STR_ARG(model));
    QN_TRY_OUT(strings(s->meta, "tokenizer.ggml.tokens", &tokens, &t.n_tokens));
    QN_TRY_OUT(strings(s->meta, "tokenizer.ggml.merges", &merges, &t.n_merges));
    QN_TRY_OUT(types(s->meta, &type, &t.n_types));
    QN_TRY_OUT(scalars(s->meta, &t));
    t.tokens = tokens;
    t.merges = merges;
    t.types = type;
    rc = wordpiece ? qn_tok_spec_from_gguf_wordpiece(spec, &t) : qn_tok_spec_from_gguf_tables(spec, &t);
    if (rc < 0)
        rc = qn_fail_in(rc, "%s", s->path);
out:
    qn_free(tokens);
    qn_free(merges);
    qn_free(type);
    return rc;
}

/* ---- tokenizer.json ---- */

static int from_json_file(const char *path, qn_tok_spec *spec) {
    qn_map_file f;
    QN_TRY(qn_map_open(&f, path));
    int rc = f.n > TOKENIZER_JSON_MAX ? qn_fail(QN_ELIMIT, "%s: larger than %zu MB", path, TOKENIZER_JSON_MAX >> 20)
                                      : qn_tokenizer_json_parse(f.s, f.n, path, spec);
    qn_map_close(&f);
    return rc;
}

static int from_directory(const qn_source *s, qn_tok_spec *spec) {
    qn_buf path = {0};
    int rc = qn_path_join(&path, s->path, "tokenizer.json");
    if (rc >= 0)
        rc = from_json_file(path.s, spec);
    qn_buf_drop(&path);
    return rc;
}

/* BOS, EOS, UNK and PAD by name: tokenizer_config.json has them, tokenizer.json does not. */
static int name_special(const qn_source *s, qn_tok_spec *spec) {
    const struct { const char *key; int32_t *at; } names[] = {
        {"bos_token", &spec->bos}, {"eos_token", &spec->eos}, {"unk_token", &spec->unk}, {"pad_token", &spec->pad}};
    for (size_t i = 0; i < QN_LEN(names); i++) {
        qn_str text;
        const int rc = qn_hf_token_text(&s->hf, names[i].key, &text);
        if (rc < 0)
            return rc;
        if (rc > 0)
            *names[i].at = qn_tok_spec_find(spec, text);
    }
    return 0;
}

/* The same by id: a GGUF's keys beside its tokenizer.json. (UNK is the model's own, and in the document.) */
static int number_special(const qn_source *s, qn_tok_spec *spec) {
    qn_tok_gguf_tables t = {0};
    QN_TRY(scalars(s->meta, &t));
    const struct { int64_t id; int32_t *at; } ids[] = {{t.bos, &spec->bos}, {t.eos, &spec->eos}, {t.pad, &spec->pad}};
    for (size_t i = 0; i < QN_LEN(ids); i++)
        if (ids[i].id >= 0 && ids[i].id < QN_TOK_MAX_ID)
            *ids[i].at = (int32_t)ids[i].id;
    return 0;
}

/* ---- the front ---- */

int qn_source_tokenizer_spec(const qn_source *s, qn_tok_spec *spec) {
    qn_str json;
    if (s->kind != QN_SOURCE_GGUF) {
        QN_TRY(qn_is_dir(s->path) ? from_directory(s, spec) : from_json_file(s->path, spec));
        return s->has_hf && s->hf.tokenizer ? name_special(s, spec) : 0;
    }
    const int rc = qn_meta_get_str(s->meta, "tokenizer.huggingface.json", &json);
    if (rc < 0)
        return rc;
    if (rc == 0)
        return from_ggml(s, spec);
    QN_TRY(qn_tokenizer_json_parse(json.s, json.n, s->path, spec));
    return number_special(s, spec);
}

int qn_source_tokenizer_json(const qn_source *s, qn_buf *out) {
    qn_buf path = {0};
    qn_str json;
    if (s->kind == QN_SOURCE_GGUF) {
        const int found = qn_meta_get_str(s->meta, "tokenizer.huggingface.json", &json);
        QN_TRY(found > 0 ? qn_buf_put(out, json.s, json.n) : found);
        return found;
    }
    if (qn_is_dir(s->path))
        QN_TRY(qn_path_join(&path, s->path, "tokenizer.json"));
    else
        QN_TRY(qn_buf_puts(&path, s->path));
    const bool there = qn_is_file(path.s);
    const int rc = there ? qn_read_file(out, path.s, TOKENIZER_JSON_MAX) : 0;
    qn_buf_drop(&path);
    return rc < 0 ? rc : there;
}

int qn_source_tokenizer(const qn_source *s, qn_tok **out) {
    qn_tok_spec spec;
    *out = NULL;
    qn_tok_spec_init(&spec);
    int rc = qn_source_tokenizer_spec(s, &spec);
    if (rc >= 0)
        rc = qn_tok_new(out, &spec);
    qn_tok_spec_drop(&spec);
    return rc;
}

int qn_model_tokenizer(qn_tok **out, const char *path) {
    qn_source *s;
    *out = NULL;
    QN_TRY(qn_source_open(&s, path));
    const int rc = qn_source_tokenizer(s, out);
    qn_source_close(s);
    return rc;
}
