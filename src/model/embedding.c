/* model/embedding.c — modules.json and what it names, or the keys of a GGUF, to qn_embedding. */
#include "model/embedding.h"

#include "base/file.h"
#include "model/save.h"
#include "model/source_impl.h"

#include <stdio.h>
#include <string.h>

#define SMALL_FILE_MAX ((size_t)1 << 20)

const char *qn_pooling_name(qn_pooling p) {
    static const char *const names[QN_POOLINGS] = {"mean", "cls", "last", "max", "sqrt", "weighted"};
    return p >= 0 && p < QN_POOLINGS ? names[p] : "none said";
}

/* ---- small JSON files of a directory ---- */

/* The file as a table, or NULL where it is absent. A list becomes {"list": […]}. */
static int read_table(const qn_source *s, const char *name, bool is_list, qn_meta **out) {
    qn_buf path = {0}, text = {0};
    int rc;
    *out = NULL;
    QN_TRY_OUT(qn_path_join(&path, s->path, name));
    if (!qn_is_file(path.s))
        goto out;
    if (is_list)
        QN_TRY_OUT(qn_buf_puts(&text, "{\"list\": "));
    QN_TRY_OUT(qn_read_file(&text, path.s, SMALL_FILE_MAX));
    if (is_list)
        QN_TRY_OUT(qn_buf_puts(&text, "}"));
    QN_TRY_OUT(qn_meta_from_json(out, text.s, text.n, path.s));
out:
    qn_buf_drop(&path);
    qn_buf_drop(&text);
    return rc;
}

/* ---- 1_Pooling/config.json ---- */

static int one_pooling(const qn_meta *m, const char *key, qn_pooling p, qn_embedding *e) {
    bool on = false;
    QN_TRY(qn_meta_get_bool(m, key, &on));
    if (!on)
        return 0;
    if (e->pooling != QN_POOL_UNSAID)
        return qn_fail(QN_EUNSUPPORTED, "%s: %s beside another mode: vectors of several poolings, one behind the "
                       "other, are not supported", qn_meta_name(m), key);
    e->pooling = p;
    return 0;
}

/* Today's files have one word where older ones have a flag for each mode. */
static int pooling_by_word(const qn_meta *m, qn_embedding *e) {
    static const struct { const char *word; qn_pooling p; } words[] = {
        {"mean", QN_POOL_MEAN}, {"cls", QN_POOL_CLS}, {"lasttoken", QN_POOL_LAST}, {"max", QN_POOL_MAX},
        {"mean_sqrt_len_tokens", QN_POOL_SQRT}, {"weightedmean", QN_POOL_WEIGHTED},
    };
    qn_str word;
    const int rc = qn_meta_get_str(m, "pooling_mode", &word);
    if (rc <= 0)
        return rc;
    for (size_t i = 0; i < QN_LEN(words); i++)
        if (qn_str_is(word, words[i].word)) {
            e->pooling = words[i].p;
            return 1;
        }
    return qn_fail(QN_EUNSUPPORTED, "%s: pooling_mode \"%.*s\" is not supported (mean, cls, lasttoken, max, "
                   "mean_sqrt_len_tokens, weightedmean are)", qn_meta_name(m), QN_STR_ARG(word));
}

static int take_pooling(const qn_meta *m, const qn_config *c, qn_embedding *e) {
    static const struct { const char *key; qn_pooling p; } modes[] = {
        {"pooling_mode_mean_tokens", QN_POOL_MEAN}, {"pooling_mode_cls_token", QN_POOL_CLS},
        {"pooling_mode_lasttoken", QN_POOL_LAST}, {"pooling_mode_max_tokens", QN_POOL_MAX},
        {"pooling_mode_mean_sqrt_len_tokens", QN_POOL_SQRT}, {"pooling_mode_weightedmean_tokens", QN_POOL_WEIGHTED},
    };
    int64_t width = c->D;
    e->pooling = QN_POOL_UNSAID;
    QN_TRY(qn_meta_get_i64(m, "word_embedding_dimension", &width));
    if (width != c->D)
        return qn_fail(QN_EFORMAT, "%s: word_embedding_dimension is %lld, the model is %lld wide", qn_meta_name(m),
                       (long long)width, (long long)c->D);
    const int said = pooling_by_word(m, e);
    QN_TRY(said);
    for (size_t i = 0; i < QN_LEN(modes) && !said; i++)
        QN_TRY(one_pooling(m, modes[i].key, modes[i].p, e));
    if (e->pooling == QN_POOL_UNSAID)
        return qn_fail(QN_EFORMAT, "%s: no pooling mode is switched on", qn_meta_name(m));
    return 0;
}

static int read_pooling(const qn_source *s, qn_str folder, const qn_config *c, qn_embedding *e) {
    qn_meta *m = NULL;
    char name[256];
    snprintf(name, sizeof name, "%.*s/config.json", (int)QN_MIN(folder.n, (size_t)200), folder.s);
    QN_TRY(read_table(s, name, false, &m));
    if (!m)
        return qn_fail(QN_ENOTFOUND, "%s/%s is missing; modules.json names it: it says how tokens become one vector",
                       s->path, name);
    const int rc = take_pooling(m, c, e);
    qn_meta_free(m);
    return rc;
}

/* ---- modules.json ---- */

/* "sentence_transformers.models.Pooling" by its last word: packages move. */
static qn_str last_word(qn_str type) {
    size_t i = type.n;
    while (i > 0 && type.s[i - 1] != '.')
        i--;
    return (qn_str){type.s + i, type.n - i};
}

static bool is_inside(qn_str path) {
    const bool climbs = path.n && (path.s[0] == '/' || memmem(path.s, path.n, "..", 2));
    return !climbs && qn_utf8_check(path.s, path.n) == QN_UTF8_OK && !memchr(path.s, 0, path.n);
}

static int take_module(const qn_source *s, const qn_meta *m, int i, const qn_config *c, qn_embedding *e) {
    qn_str type, path = QN_STR("");
    char key[64];
    snprintf(key, sizeof key, "list.%d.type", i);
    const int found = qn_meta_get_str(m, key, &type);
    if (found <= 0)
        return found;
    snprintf(key, sizeof key, "list.%d.path", i);
    QN_TRY(qn_meta_get_str(m, key, &path));
    type = last_word(type);
    if (qn_str_is(type, "Transformer") && i == 0 && path.n == 0)
        return 1;
    if (qn_str_is(type, "Pooling") && i == 1 && is_inside(path)) {
        QN_TRY(read_pooling(s, path, c, e));
        return 1;
    }
    e->normalize = qn_str_is(type, "Normalize") && i == 2;
    if (e->normalize)
        return 1;
    return qn_fail(QN_EUNSUPPORTED, "%s: module %d is \"%.*s\" in \"%.*s\"; a Transformer at the top, then a Pooling, "
                   "then perhaps Normalize are supported", qn_meta_name(m), i, QN_STR_ARG(type), QN_STR_ARG(path));
}

static int take_modules(const qn_source *s, const qn_meta *m, const qn_config *c, qn_embedding *e) {
    int n = 0, rc;
    e->normalize = false;
    e->pooling = QN_POOL_UNSAID;
    while ((rc = take_module(s, m, n, c, e)) > 0)
        n++;
    QN_TRY(rc);
    if (e->pooling == QN_POOL_UNSAID)
        return qn_fail(QN_EFORMAT, "%s: names no Pooling: nothing says how tokens become one vector", qn_meta_name(m));
    e->said = true;
    return 0;
}

static int read_modules(const qn_source *s, const qn_config *c, qn_embedding *e) {
    qn_meta *m = NULL;
    QN_TRY(read_table(s, "modules.json", true, &m));
    if (!m)
        return 0;
    const int rc = take_modules(s, m, c, e);
    qn_meta_free(m);
    return rc;
}

/* ---- how long a text may be ---- */

static int take_limit(const qn_meta *m, const char *key, qn_embedding *e) {
    int64_t limit = e->max_tokens;
    QN_TRY(qn_meta_get_i64(m, key, &limit));
    if (limit < 1)
        return qn_fail(QN_EFORMAT, "%s: %s is %lld; a length of text is expected", qn_meta_name(m), key,
                       (long long)limit);
    e->max_tokens = QN_MIN(e->max_tokens, limit);
    return 0;
}

static bool lowers(const qn_tok_spec *t) {
    for (size_t i = 0; i < t->n_norms; i++)
        if (t->norms[i].kind == QN_NORM_LOWERCASE || (t->norms[i].kind == QN_NORM_BERT && t->norms[i].bert.lowercase))
            return true;
    return false;
}

/* A text brought to lower case before the tokenizer sees it is no matter where the tokenizer does the same. */
static int check_case(const qn_source *s, const qn_meta *m) {
    bool lower = false;
    qn_tok_spec spec;
    QN_TRY(qn_meta_get_bool(m, "do_lower_case", &lower));
    if (!lower)
        return 0;
    qn_tok_spec_init(&spec);
    const int rc = qn_source_tokenizer_spec(s, &spec);
    const bool fine = rc >= 0 && lowers(&spec);
    qn_tok_spec_drop(&spec);
    if (rc < 0 || fine)
        return rc < 0 ? rc : 0;
    return qn_fail(QN_EUNSUPPORTED, "%s: do_lower_case is true, and the tokenizer keeps upper case; lower the texts "
                   "and say false here", qn_meta_name(m));
}

static int read_limit(const qn_source *s, qn_embedding *e) {
    qn_meta *m = NULL;
    QN_TRY(read_table(s, "sentence_bert_config.json", false, &m));
    int rc = 0;
    if (m) {
        e->said = true;
        rc = take_limit(m, "max_seq_length", e);
        if (rc >= 0)
            rc = check_case(s, m);
    }
    qn_meta_free(m);
    return rc;
}

/* ---- GGUF ---- */

static int take_gguf_pooling(const qn_meta *m, const qn_arch *a, qn_embedding *e) {
    static const qn_pooling types[] = {[1] = QN_POOL_MEAN, [2] = QN_POOL_CLS, [3] = QN_POOL_LAST};
    int64_t type = 0;
    char key[96];
    snprintf(key, sizeof key, "%s.pooling_type", a->name);
    QN_TRY(qn_meta_get_i64(m, key, &type));
    if (type >= 1 && type < (int64_t)QN_LEN(types)) {
        e->pooling = types[type];
        e->said = true;
    }
    if (type >= 0 && type < (int64_t)QN_LEN(types))
        return 0;
    return qn_fail(QN_EUNSUPPORTED, "%s: %s is %lld; 1 (mean), 2 (cls) and 3 (last) are supported", qn_meta_name(m),
                   key, (long long)type);
}

static int take_own_pooling(const qn_meta *m, qn_embedding *e) {
    qn_str name;
    const int rc = qn_meta_get_str(m, "quern.embedding.pooling", &name);
    for (int p = 0; rc > 0 && p < QN_POOLINGS; p++)
        if (qn_str_is(name, qn_pooling_name((qn_pooling)p))) {
            e->pooling = (qn_pooling)p;
            e->said = true;
            return 0;
        }
    return rc > 0 ? qn_fail(QN_EUNSUPPORTED, "%s: quern.embedding.pooling \"%.*s\" is not known", qn_meta_name(m),
                            QN_STR_ARG(name)) : rc;
}

static int read_gguf(const qn_source *s, const qn_arch *a, qn_embedding *e) {
    e->normalize = true;
    QN_TRY(take_gguf_pooling(s->meta, a, e));
    QN_TRY(take_own_pooling(s->meta, e));
    QN_TRY(qn_meta_get_bool(s->meta, "quern.embedding.normalize", &e->normalize));
    return take_limit(s->meta, "quern.embedding.max_tokens", e);
}

int qn_source_embedding(const qn_source *s, qn_embedding *e) {
    const qn_arch *a;
    qn_config c;
    QN_TRY(qn_source_config(s, &a, &c));
    *e = (qn_embedding){.pooling = qn_arch_is_encoder(a, &c) ? QN_POOL_MEAN : QN_POOL_UNSAID, .max_tokens = c.context};
    if (qn_source_is_gguf(s))
        return read_gguf(s, a, e);
    QN_TRY(read_modules(s, &c, e));
    return read_limit(s, e);
}
