/* model/source.c — what a user names as MODEL: a GGUF file, a Hugging Face directory, or a tokenizer alone. */
#include "base/file.h"
#include "model/source_impl.h"

#include <math.h>
#include <string.h>

/* ---- opening ---- */

static int open_directory(qn_source *s) {
    QN_TRY(qn_hf_config_open(&s->hf, s->path));
    s->has_hf = true;
    s->meta = s->hf.config;
    /* Weights may be absent: a directory can be opened for its tokenizer alone. */
    const int rc = qn_safetensors_open_dir(&s->safetensors, s->path);
    if (rc == QN_ENOTFOUND)
        return 0;
    if (rc >= 0)
        s->tensors = qn_safetensors_tensors(s->safetensors);
    return rc;
}

static bool has_magic(const char *path) {
    qn_map_file f;
    if (qn_map_open(&f, path) < 0)
        return false;
    const bool yes = f.n >= 4 && memcmp(f.s, "GGUF", 4) == 0;
    qn_map_close(&f);
    return yes;
}

/* 1 there, 0 not, <0 QN_ENOMEM. */
static int has_file(const char *dir, const char *name) {
    qn_buf path = {0};
    int rc = qn_path_join(&path, dir, name);
    if (rc >= 0)
        rc = qn_is_file(path.s);
    qn_buf_drop(&path);
    return rc;
}

/* A tokenizer without a model: a folder with tokenizer.json, or that file. Which tokens begin and end a text stands in
 * tokenizer_config.json beside it. */
static int open_tokenizer(qn_source *s) {
    s->kind = QN_SOURCE_TOKENIZER;
    if (qn_is_dir(s->path)) {
        QN_TRY(qn_hf_config_open_words(&s->hf, s->path));
        s->has_hf = true;
        return 0;
    }
    if (!qn_is_file(s->path))
        return qn_fail(QN_ENOTFOUND, "%s: no such file", s->path);
    const char *slash = strrchr(s->path, '/');
    if (strcmp(slash ? slash + 1 : s->path, "tokenizer.json") != 0)
        return 0;
    char *dir = slash ? qn_str_dup(QN_MEM_MODEL, (qn_str){s->path, (size_t)(slash - s->path) + 1})
                      : qn_str_dup(QN_MEM_MODEL, QN_STR("."));
    const int rc = dir ? qn_hf_config_open_words(&s->hf, dir) : QN_ENOMEM;
    s->has_hf = rc >= 0;
    qn_free(dir);
    return rc;
}

/* What a run with --lora leaves is often named in the model's place. */
static int is_an_adapter(const char *path) {
    return qn_fail(QN_EINVAL, "%s: is an adapter, which sits on a model; name the model, and this with --adapter",
                   path);
}

/* RUN/best of a run whose models no evaluation has compared: RUN/last is what there is. */
static int look_for_last(const char *path) {
    const qn_str whole = qn_str_of(path);
    qn_buf last = {0};
    if (!qn_str_ends(whole, "/best") || qn_is_file(path))
        return 0;
    QN_TRY(qn_buf_printf(&last, "%.*slast", (int)(whole.n - strlen("best")), path));
    int rc = 0;
    if (qn_is_dir(last.s))
        rc = qn_fail(QN_ENOTFOUND, "%s: there is none, since the run was never evaluated; name %s", path, last.s);
    qn_buf_drop(&last);
    return rc;
}

static int open_path(qn_source *s) {
    const qn_str path = qn_str_of(s->path);
    if (qn_is_dir(s->path)) {
        const int config = has_file(s->path, "config.json"), words = has_file(s->path, "tokenizer.json");
        QN_TRY(config);
        QN_TRY(words);
        if (!config && !words && has_file(s->path, "adapter_config.json") > 0)
            return is_an_adapter(s->path);
        return words && !config ? open_tokenizer(s) : open_directory(s);
    }
    if (qn_str_ends(path, ".json") && !has_magic(s->path))
        return open_tokenizer(s);
    if (qn_str_ends(path, ".safetensors"))
        return qn_fail(
            QN_EINVAL,
            "%s: weights alone are not a model; name the directory that also holds config.json and tokenizer.json",
            s->path);
    QN_TRY(look_for_last(s->path));
    s->kind = QN_SOURCE_GGUF;
    QN_TRY(qn_gguf_open(&s->gguf, s->path));
    s->meta = qn_gguf_meta(s->gguf);
    s->tensors = qn_gguf_tensors(s->gguf);
    return 0;
}

int qn_source_open(qn_source **out, const char *path) {
    *out = NULL;
    qn_source *s = qn_zalloc(QN_MEM_MODEL, 1, sizeof *s);
    if (!s)
        return QN_ENOMEM;
    s->path = qn_str_dup(QN_MEM_MODEL, qn_str_of(path));
    const int rc = s->path ? open_path(s) : QN_ENOMEM;
    if (rc < 0) {
        qn_source_close(s);
        return rc;
    }
    *out = s;
    return 0;
}

void qn_source_close(qn_source *s) {
    if (!s)
        return;
    qn_gguf_close(s->gguf);
    qn_safetensors_close(s->safetensors);
    if (s->has_hf)
        qn_hf_config_close(&s->hf);
    qn_free(s->path);
    qn_free(s);
}

const char *qn_source_path(const qn_source *s) { return s->path; }
bool qn_source_is_gguf(const qn_source *s) { return s->kind == QN_SOURCE_GGUF; }
const qn_meta *qn_source_meta(const qn_source *s) { return s->meta; }
const qn_tensor_file *qn_source_tensors(const qn_source *s) { return s->tensors; }

/* ---- configuration ---- */

static int find_arch(const qn_source *s, const qn_arch **arch) {
    qn_str name = {0}, type = {0};
    if (s->kind == QN_SOURCE_GGUF) {
        const int rc = qn_meta_get_str(s->meta, "general.architecture", &name);
        if (rc <= 0)
            return rc < 0 ? rc : qn_fail(QN_EFORMAT, "%s: general.architecture is missing", s->path);
        *arch = qn_arch_by_gguf(name);
    } else {
        qn_meta_array classes;
        int rc = qn_meta_get_array(s->meta, "architectures", QN_META_STRING, &classes);
        if (rc > 0 && classes.count > 0)
            name = qn_meta_array_str(&classes, 0);
        if (rc >= 0)
            rc = qn_meta_get_str(s->meta, "model_type", &type);
        if (rc < 0)
            return rc;
        if (name.n == 0 && type.n == 0)
            return qn_fail(QN_EFORMAT, "%s/config.json: neither architectures nor model_type is there", s->path);
        *arch = qn_arch_by_hf(name, type);
    }
    if (*arch)
        return 0;
    return qn_fail(QN_EUNSUPPORTED, "%s: architecture \"%.*s\" is not known here; known are: %s", s->path,
                   QN_STR_ARG(name.n ? name : type), qn_arch_names());
}

static int gguf_special_ids(const qn_source *s, qn_config *c) {
    static const char *const ends[] = {"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id",
                                       "tokenizer.ggml.eom_token_id"};
    QN_TRY(qn_meta_get_i64(s->meta, "tokenizer.ggml.bos_token_id", &c->bos));
    QN_TRY(qn_meta_get_i64(s->meta, "tokenizer.ggml.padding_token_id", &c->pad));
    for (size_t i = 0; i < QN_LEN(ends); i++) {
        int64_t id;
        const int rc = qn_meta_get_i64(s->meta, ends[i], &id);
        if (rc < 0)
            return rc;
        if (rc > 0 && !(c->n_eos > 0 && c->eos[0] == id))
            c->eos[c->n_eos++] = id;
    }
    return 0;
}

static int hf_special_ids(const qn_source *s, qn_config *c) {
    size_t n = 0;
    QN_TRY(qn_meta_get_i64(s->meta, "bos_token_id", &c->bos));
    QN_TRY(qn_meta_get_i64(s->meta, "pad_token_id", &c->pad));
    const int rc = qn_hf_eos_ids(&s->hf, c->eos, QN_MAX_EOS, &n);
    c->n_eos = rc > 0 ? (int64_t)n : 0;
    return rc < 0 ? rc : 0;
}

int qn_source_config(const qn_source *s, const qn_arch **arch, qn_config *c) {
    qn_str type = {0};
    if (s->kind == QN_SOURCE_TOKENIZER && qn_is_dir(s->path) && has_file(s->path, "adapter_config.json") > 0)
        return is_an_adapter(s->path);
    if (s->kind == QN_SOURCE_TOKENIZER)
        return qn_fail(QN_EINVAL, "%s: a tokenizer is not a model; name a GGUF file or a model directory", s->path);
    const bool is_gguf = s->kind == QN_SOURCE_GGUF;
    if (is_gguf && qn_meta_get_str(s->meta, "general.type", &type) > 0 && qn_str_is(type, "adapter"))
        return is_an_adapter(s->path);
    QN_TRY(find_arch(s, arch));
    QN_TRY(qn_config_read(c, *arch, s->meta, is_gguf));
    QN_TRY(is_gguf ? gguf_special_ids(s, c) : hf_special_ids(s, c));
    for (int64_t i = 0; i < c->n_eos; i++)
        if (c->eos[i] < 0 || c->eos[i] >= c->V)
            return qn_fail(QN_EFORMAT, "%s: end-of-sequence id %lld lies outside the vocabulary of %lld", s->path,
                           (long long)c->eos[i], (long long)c->V);
    if (c->bos >= c->V || c->pad >= c->V)
        return qn_fail(QN_EFORMAT, "%s: BOS id %lld or padding id %lld lies outside the vocabulary of %lld", s->path,
                       (long long)c->bos, (long long)c->pad, (long long)c->V);
    return 0;
}

int qn_source_ends(const qn_source *s, int64_t ends[QN_MAX_EOS], int64_t *n) {
    const qn_arch *arch;
    qn_config c;
    size_t count = 0;
    *n = 0;
    if (s->kind == QN_SOURCE_TOKENIZER) {
        const int rc = s->has_hf ? qn_hf_eos_ids(&s->hf, ends, QN_MAX_EOS, &count) : 0;
        *n = rc > 0 ? (int64_t)count : 0;
        return rc < 0 ? rc : 0;
    }
    QN_TRY(qn_source_config(s, &arch, &c));
    memcpy(ends, c.eos, sizeof c.eos);
    *n = c.n_eos;
    return 0;
}

/* ---- what the authors recommend ---- */

int qn_source_chat_template(const qn_source *s, qn_str *out) {
    if (s->kind == QN_SOURCE_GGUF)
        return qn_meta_get_str(s->meta, "tokenizer.chat_template", out);
    return s->has_hf ? qn_hf_chat_template(&s->hf, NULL, out) : 0;
}

int qn_source_sampling(const qn_source *s, qn_sampling_defaults *d) {
    *d = (qn_sampling_defaults){NAN, NAN, NAN, NAN, NAN};
    const struct { const char *hf, *gguf; double *at; } keys[] = {
        {"temperature", "general.sampling.temp", &d->temperature},
        {"top_p", "general.sampling.top_p", &d->top_p},
        {"top_k", "general.sampling.top_k", &d->top_k},
        {"min_p", "general.sampling.min_p", &d->min_p},
        {"repetition_penalty", "general.sampling.penalty_repeat", &d->repetition_penalty},
    };
    const qn_meta *m = s->kind == QN_SOURCE_GGUF ? s->meta : s->has_hf ? s->hf.generation : NULL;
    for (size_t i = 0; m && i < QN_LEN(keys); i++)
        QN_TRY(qn_meta_get_f64(m, s->kind == QN_SOURCE_GGUF ? keys[i].gguf : keys[i].hf, keys[i].at));
    return 0;
}
