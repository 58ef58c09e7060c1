/* api/api_embed.c — quern.h's vectors of texts. */
#include "api/api_impl.h"
#include "infer/embedder.h"

#include <string.h>

struct quern_embedder { qn_model *model; qn_tok *tok; qn_embedder *embedder; };

quern_embed_options quern_embed_options_default(void) {
    return (quern_embed_options){.size = sizeof(quern_embed_options), .weights = "as-is", .normalize = -1};
}

static int pooling_of(const char *name, qn_pooling *p) {
    if (!name)
        return 0;
    for (int i = 0; i < QN_POOLINGS; i++)
        if (strcmp(name, qn_pooling_name((qn_pooling)i)) == 0) {
            *p = (qn_pooling)i;
            return 0;
        }
    return qn_fail(QN_EINVAL, "\"%s\" is no pooling; known are mean, cls, last, max, sqrt, weighted", name);
}

static int how(const qn_source *s, const quern_embed_options *o, const qn_model *m, qn_embedding *as) {
    QN_TRY(qn_source_embedding(s, as));
    QN_TRY(pooling_of(o->pooling, &as->pooling));
    if (o->normalize >= 0)
        as->normalize = o->normalize > 0;
    if (o->max_tokens < 0 || o->max_tokens > m->cfg.context)
        return qn_fail(QN_EINVAL, "max_tokens is %lld; the model knows %lld positions", (long long)o->max_tokens,
                       (long long)m->cfg.context);
    if (o->max_tokens > 0) {
        as->max_tokens = o->max_tokens;
        as->said = true;
    }
    return 0;
}

static int open_all(quern_embedder *e, const qn_source *s, qn_pool *pool, const quern_embed_options *o) {
    qn_model_options load = {0};
    qn_embedding as;
    QN_TRY(qn_api_dtype(o->weights, &load.weights));
    QN_TRY(qn_source_tokenizer(s, &e->tok));
    QN_TRY(qn_model_load(&e->model, s, &load, pool));
    QN_TRY(how(s, o, e->model, &as));
    if (qn_tok_size(e->tok) > e->model->cfg.V)
        return qn_fail(QN_EFORMAT, "%s: the tokenizer has %d ids, the weights only %lld rows", qn_source_path(s),
                       qn_tok_size(e->tok), (long long)e->model->cfg.V);
    const qn_embed_options in = {.truncate = o->truncate != 0, .cut_by = "options.truncate", .kv = -1};
    return qn_embedder_new(&e->embedder, e->model, e->tok, &as, qn_api_kernels(), pool, &in);
}

int quern_embedder_open(quern_embedder **out, const char *path, quern_pool *pool, const quern_embed_options *options) {
    quern_embed_options o = quern_embed_options_default();
    qn_source *source = NULL;
    int rc;
    *out = NULL;
    QN_TRY(qn_api_options(&o, sizeof o, options));
    quern_embedder *e = qn_zalloc(QN_MEM_MODEL, 1, sizeof *e);
    if (!e)
        return QN_ENOMEM;
    QN_TRY_OUT(qn_source_open(&source, path));
    QN_TRY_OUT(open_all(e, source, pool ? pool->pool : NULL, &o));
    *out = e;
out:
    qn_source_close(source);
    if (rc < 0)
        quern_embedder_free(e);
    return rc;
}

void quern_embedder_free(quern_embedder *e) {
    if (!e)
        return;
    qn_embedder_free(e->embedder);
    qn_model_free(e->model);
    qn_tok_free(e->tok);
    qn_free(e);
}

int64_t quern_embedder_width(const quern_embedder *e) { return qn_embedder_width(e->embedder); }
int64_t quern_embedder_max_tokens(const quern_embedder *e) { return qn_embedder_max_tokens(e->embedder); }

int quern_embed(quern_embedder *e, const char *const *texts, const size_t *lengths, size_t count, float *vectors,
                int64_t *tokens) {
    if (count == 0)
        return 0;
    qn_str *views = qn_alloc(QN_MEM_SESSION, count * sizeof *views);
    qn_embedded *told = qn_alloc(QN_MEM_SESSION, count * sizeof *told);
    int rc = views && told ? 0 : QN_ENOMEM;
    for (size_t i = 0; rc >= 0 && i < count; i++)
        views[i] = (qn_str){texts[i], lengths ? lengths[i] : strlen(texts[i])};
    if (rc >= 0)
        rc = qn_embed(e->embedder, views, (int64_t)count, 1, vectors, told);
    for (size_t i = 0; rc >= 0 && tokens && i < count; i++)
        tokens[i] = told[i].had;
    qn_free(views);
    qn_free(told);
    return rc;
}
