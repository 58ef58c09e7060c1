/* model/convert.c — a model from one form to the other: what may be done, which files there are, in what order they
 * appear. The weights are convert_tensors.c's.
 *
 * A directory gets its weights first and config.json last: without it a directory is no model, so that whoever looks in
 * between sees either the old one or none. */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "format/tokenizer_json_write.h"
#include "model/convert_impl.h"
#include "model/source_impl.h"

#define SMALL_FILE_MAX ((size_t)256 << 20)

/* ---- what may be done ---- */

static bool same_file(const char *a, const char *b) {
    struct stat x, y;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

static bool is_empty_dir(const char *path) {
    DIR *d = opendir(path);
    bool empty = d != NULL;
    for (struct dirent *e; d && (e = readdir(d)) != NULL;)
        empty = empty && (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0);
    if (d)
        closedir(d);
    return empty;
}

/* Names that somebody took for a third form. */
static bool is_other_file(qn_str out) {
    static const char *const ends[] = {".safetensors", ".json", ".bin", ".pt", ".pth"};
    for (size_t i = 0; i < QN_LEN(ends); i++)
        if (qn_str_ends(out, ends[i]))
            return true;
    return false;
}

int qn_convert_check_out(const char *in, const char *out, bool force, bool *to_gguf) {
    struct stat st;
    const bool exists = stat(out, &st) == 0, is_dir = exists && S_ISDIR(st.st_mode);
    *to_gguf = qn_str_ends(qn_str_of(out), ".gguf");
    if (!*out || (!is_dir && is_other_file(qn_str_of(out))))
        return qn_fail(QN_EINVAL, "%s: name a file that ends in .gguf, or a directory", out);
    if (same_file(in, out))
        return qn_fail(QN_EINVAL, "%s: input and output are the same", out);
    if (*to_gguf ? is_dir : exists && !is_dir)
        return qn_fail(QN_EINVAL, *to_gguf ? "%s: is a directory; a GGUF is one file"
                       : "%s: is a file; Hugging Face's form is a directory (a GGUF ends in .gguf)", out);
    if (!exists || force || (is_dir && is_empty_dir(out)))
        return 0;
    return qn_fail(QN_EINVAL, is_dir ? "%s: is not empty; choose another name, or --force to replace what is in it"
                   : "%s: is there already; choose another name, or --force to replace it", out);
}

static int check_dtype(const qn_convert_options *o, bool to_gguf) {
    if (o->dtype == QN_DTYPE_KEEP)
        return 0;
    if (o->dtype < 0 || o->dtype >= QN_DTYPES || o->dtype == QN_F64 || !qn_dtype_get((qn_dtype)o->dtype)->encode_row)
        return qn_fail(QN_EINVAL, "weights can become %s", qn_dtypes_written());
    if (!to_gguf && qn_dtype_get((qn_dtype)o->dtype)->block > 1)
        return qn_fail(QN_EINVAL, "a directory holds f32, f16 or bf16; %s needs a file that ends in .gguf",
                       qn_dtype_get((qn_dtype)o->dtype)->name);
    return 0;
}

/* With tokens that its files say nothing of. */
static bool is_another(const qn_conversion *c) { return c->o->words || c->out.V != c->cfg.V; }

/* ---- tokenizer and template of the source ---- */

typedef struct {
    qn_tok_spec spec;
    bool there;
    qn_buf json;                        /* tokenizer.json: the source's own, or made from the tables */
    qn_str chat_template;
} words;

static void words_drop(words *t) {
    qn_tok_spec_drop(&t->spec);
    qn_buf_drop(&t->json);
}

/* "tool_use", "rag" and their like: GGUF and tokenizer_config.json name them in ways of their own. */
static void say_templates_left_out(const qn_conversion *c) {
    const bool is_gguf = qn_source_is_gguf(c->s);
    const qn_meta *m = is_gguf ? qn_source_meta(c->s) : c->s->hf.tokenizer;
    const qn_meta_value *v = m ? qn_meta_find(m, is_gguf ? "tokenizer.chat_templates" : "chat_template") : NULL;
    if (v && (v->kind == QN_META_MIXED || v->kind == QN_META_ARRAY))
        qn_log(QN_LOG_WARN, "%s: has several chat templates; only the ordinary one goes along", qn_source_path(c->s));
}

static int read_words(const qn_conversion *c, words *t) {
    const qn_source *s = c->o->words ? c->o->words : c->s;
    qn_str model = QN_STR("none");
    qn_tok_spec_init(&t->spec);
    const int found = qn_source_tokenizer_json(s, &t->json);
    QN_TRY(found);
    QN_TRY(qn_source_chat_template(s, &t->chat_template));
    if (!c->o->words)
        say_templates_left_out(c);
    if (qn_source_is_gguf(s))
        QN_TRY(qn_meta_get_str(qn_source_meta(s), "tokenizer.ggml.model", &model));
    t->there = found || !(qn_str_is(model, "none") || qn_str_is(model, "no_vocab"));
    if (!t->there) {
        qn_log(QN_LOG_WARN, "%s: there is no tokenizer; the weights are converted without one", qn_source_path(c->s));
        return 0;
    }
    QN_TRY(qn_source_tokenizer_spec(s, &t->spec));
    if (found)
        return 0;
    qn_save_drop_padding(&t->spec);
    return qn_tokenizer_json_write(&t->spec, &t->json);
}

/* ---- to GGUF ---- */

static uint32_t file_type(qn_dtype dtype) {
    static const uint32_t ids[QN_DTYPES] = {            /* llama_ftype: "mostly" this */
        [QN_F32] = 0, [QN_F16] = 1, [QN_Q4_0] = 2, [QN_Q4_1] = 3, [QN_Q8_0] = 7, [QN_BF16] = 32, [QN_Q5_0] = 8,
        [QN_Q5_1] = 9, [QN_Q2_K] = 10, [QN_Q3_K] = 12, [QN_Q4_K] = 15, [QN_Q5_K] = 17, [QN_Q6_K] = 18,
        [QN_IQ4_NL] = 25, [QN_IQ4_XS] = 30, [QN_MXFP4] = 38};
    return ids[dtype];
}

/* Everything that the other GGUF says and we do not: names, licence, tokenizer. */
static int carry_keys(const qn_conversion *c, qn_gguf_writer *w) {
    const qn_meta *m = qn_source_meta(c->s);
    for (size_t i = 0; i < qn_meta_count(m); i++) {
        const qn_meta_value *v = qn_meta_at(m, i);
        const bool ours = qn_str_starts(v->key, "split.") ||
                          (c->o->words && qn_str_starts(v->key, "tokenizer.")) ||
                          qn_str_is(v->key, "general.alignment") ||
                          qn_str_is(v->key, "general.quantization_version");
        if (!ours && !qn_gguf_has_key(w, v->key))
            QN_TRY(qn_gguf_put_meta(w, v));
    }
    return 0;
}

/* The last part of the path, for a model that has no name of its own. */
static int put_name(const qn_conversion *c, qn_gguf_writer *w) {
    char real[PATH_MAX];
    if (qn_gguf_has_key(w, QN_STR("general.name")) || !realpath(qn_source_path(c->s), real))
        return 0;
    const char *slash = strrchr(real, '/');
    const qn_str name = qn_str_of(slash ? slash + 1 : real);
    const bool fit = name.n && qn_utf8_check(name.s, name.n) == QN_UTF8_OK;
    return fit ? qn_gguf_put_str(w, "general.name", name) : 0;
}

/* What a GGUF said before it became a directory stands in safetensors' metadata. */
static int put_remembered(const qn_conversion *c, qn_gguf_writer *w) {
    const qn_meta *m = c->s->safetensors ? qn_safetensors_meta(c->s->safetensors) : NULL;
    for (size_t i = 0; m && i < qn_meta_count(m); i++) {
        const qn_meta_value *v = qn_meta_at(m, i);
        if (v->kind == QN_META_STRING && qn_str_starts(v->key, "general.") && !qn_gguf_has_key(w, v->key))
            QN_TRY(qn_gguf_put_meta(w, v));
    }
    return put_name(c, w);
}

static int put_words(const qn_conversion *c, qn_gguf_writer *w) {
    words t = {0};
    int rc = read_words(c, &t);
    if (rc >= 0)
        rc = qn_save_tokenizer_gguf(&t.spec, &c->out, qn_buf_view(&t.json), t.chat_template, w);
    words_drop(&t);
    return rc;
}

static int put_keys(const qn_conversion *c, qn_gguf_writer *w) {
    qn_sampling_defaults d;
    QN_TRY(qn_save_config_gguf(&c->model, w));
    QN_TRY(qn_gguf_put_u32(w, "general.file_type", file_type(c->r->dtype)));
    if (qn_dtype_get(c->r->dtype)->block > 1)
        QN_TRY(qn_gguf_put_u32(w, "general.quantization_version", 2));
    if (qn_source_is_gguf(c->s)) {
        QN_TRY(carry_keys(c, w));
        return c->o->words ? put_words(c, w) : 0;
    }
    QN_TRY(qn_save_embedding_gguf(&c->embedding, &c->model, w));
    QN_TRY(qn_gguf_put_str(w, "general.type", QN_STR("model")));
    QN_TRY(put_remembered(c, w));
    QN_TRY(qn_source_sampling(c->s, &d));
    QN_TRY(qn_save_sampling_gguf(&d, w));
    return put_words(c, w);
}

static int write_gguf(qn_conversion *c, const char *out) {
    qn_gguf_writer w = {0};
    int rc;
    if (c->cfg.window > 0 && c->cfg.window < c->cfg.context)
        qn_log(QN_LOG_WARN, "the model looks back over %lld tokens only; llama.cpp has no such window in this family, "
               "and differs on longer texts", (long long)c->cfg.window);
    QN_TRY_OUT(put_keys(c, &w));
    QN_TRY_OUT(qn_convert_declare(c, &w.t));
    QN_TRY_OUT(qn_gguf_writer_begin(&w, out));
    QN_TRY_OUT(qn_convert_stream(c, &w.t));
    QN_TRY_OUT(qn_tensor_writer_commit(&w.t));
out:
    qn_gguf_writer_drop(&w);
    return rc;
}

/* ---- to a directory ---- */

/* The small files, config.json last. Those that are not written are removed: they would speak of another model. */
enum { FILE_GENERATION, FILE_TOKENIZER, FILE_TOKENIZER_CONFIG, FILE_TEMPLATE, FILE_SPECIAL, FILE_ADDED, FILE_VOCAB,
       FILE_MERGES, FILE_SENTENCEPIECE, FILE_VOCAB_TXT, FILE_PROMPTS, FILE_MODULES, FILE_POOLING, FILE_LIMIT,
       FILE_INDEX, FILE_CONFIG, FILES };
#define POOLING_FOLDER "1_Pooling"
static const char *const file_names[FILES] = {
    "generation_config.json", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja",
    "special_tokens_map.json", "added_tokens.json", "vocab.json", "merges.txt", "tokenizer.model", "vocab.txt",
    "config_sentence_transformers.json", "modules.json", POOLING_FOLDER "/config.json", "sentence_bert_config.json",
    "model.safetensors.index.json", "config.json"};

typedef struct {
    const char *dir;
    qn_safetensors_writer weights;
    qn_buf text[FILES];
    bool there[FILES];
    qn_out_file file[FILES];
    qn_buf path;
} directory;

static void directory_drop(directory *d) {
    qn_safetensors_writer_drop(&d->weights);
    for (int i = 0; i < FILES; i++) {
        qn_buf_drop(&d->text[i]);
        if (d->file[i].path)
            qn_out_drop(&d->file[i]);
    }
    qn_buf_drop(&d->path);
}

static bool is_of_vectors(int file) { return file == FILE_MODULES || file == FILE_POOLING || file == FILE_LIMIT; }

/* sentence-transformers' files, made anew: the folder of the pooling may have had another name. */
static int make_vector_texts(const qn_conversion *c, directory *d) {
    if (!c->embedding.said)
        return 0;
    QN_TRY(qn_save_modules_json(&c->embedding, &d->text[FILE_MODULES]));
    QN_TRY(qn_save_pooling_json(&c->embedding, c->cfg.D, &d->text[FILE_POOLING]));
    QN_TRY(qn_save_limit_json(&c->embedding, &d->text[FILE_LIMIT]));
    d->there[FILE_MODULES] = d->there[FILE_POOLING] = d->there[FILE_LIMIT] = true;
    return 0;
}

/* From a directory: its files as they are, but for the dtype. */
static int copy_texts(const qn_conversion *c, directory *d) {
    qn_buf config = {0};
    int rc = 0;
    for (int i = 0; i < FILES; i++) {
        QN_TRY_OUT(qn_path_join(&d->path, qn_source_path(c->s), file_names[i]));
        d->there[i] = i != FILE_INDEX && !is_of_vectors(i) && qn_is_file(d->path.s);
        if (d->there[i])
            QN_TRY_OUT(qn_read_file(i == FILE_CONFIG ? &config : &d->text[i], d->path.s, SMALL_FILE_MAX));
    }
    QN_TRY_OUT(qn_save_config_dtype(qn_buf_view(&config), c->r->dtype, &d->text[FILE_CONFIG]));
    QN_TRY_OUT(make_vector_texts(c, d));
out:
    qn_buf_drop(&config);
    return rc;
}

static int make_texts(const qn_conversion *c, directory *d) {
    qn_sampling_defaults defaults;
    words t = {0};
    int rc;
    QN_TRY_OUT(read_words(c, &t));
    QN_TRY_OUT(qn_source_sampling(c->s, &defaults));
    QN_TRY_OUT(qn_save_config_json(&c->model, &d->text[FILE_CONFIG]));
    QN_TRY_OUT(qn_save_generation_json(&c->out, &defaults, &d->text[FILE_GENERATION]));
    QN_TRY_OUT(make_vector_texts(c, d));
    d->there[FILE_CONFIG] = true;
    d->there[FILE_GENERATION] = !qn_arch_is_encoder(c->model.arch, &c->cfg);
    if (!t.there)
        goto out;
    QN_TRY_OUT(qn_save_tokenizer_config_json(&t.spec, &c->out, t.chat_template, &d->text[FILE_TOKENIZER_CONFIG]));
    QN_TRY_OUT(qn_buf_put(&d->text[FILE_TOKENIZER], t.json.s, t.json.n));
    d->there[FILE_TOKENIZER] = d->there[FILE_TOKENIZER_CONFIG] = true;
out:
    words_drop(&t);
    return rc;
}

/* {"format": "pt"}, and a GGUF's words about itself. */
static int put_metadata(const qn_conversion *c, qn_safetensors_writer *w) {
    const qn_meta *m = qn_source_is_gguf(c->s) ? qn_source_meta(c->s)
                       : c->s->safetensors     ? qn_safetensors_meta(c->s->safetensors) : NULL;
    QN_TRY(qn_safetensors_writer_meta(w, QN_STR("format"), QN_STR("pt")));
    for (size_t i = 0; m && i < qn_meta_count(m); i++) {
        const qn_meta_value *v = qn_meta_at(m, i);
        if (v->kind == QN_META_STRING && qn_str_starts(v->key, "general.") && !qn_str_is(v->key, "general.type") &&
            !qn_str_is(v->key, "general.architecture"))
            QN_TRY(qn_safetensors_writer_meta(w, v->key, v->as.s));
    }
    return 0;
}

static int write_texts(directory *d) {
    for (int i = 0; i < FILES; i++) {
        if (!d->there[i])
            continue;
        QN_TRY(qn_path_join(&d->path, d->dir, POOLING_FOLDER));
        QN_TRY(i == FILE_POOLING ? qn_dir_make(d->path.s) : 0);
        QN_TRY(qn_path_join(&d->path, d->dir, file_names[i]));
        QN_TRY(qn_out_open(&d->file[i], d->path.s));
        QN_TRY(qn_out_write(&d->file[i], d->text[i].s, d->text[i].n));
    }
    return 0;
}

/* Everything is on disk under other names; now the names. */
static int commit_all(directory *d) {
    QN_TRY(qn_tensor_writer_commit(&d->weights.t));
    for (int i = 0; i < FILES; i++) {
        QN_TRY(qn_path_join(&d->path, d->dir, file_names[i]));
        if (d->there[i])
            QN_TRY(qn_out_commit(&d->file[i]));
        else if (unlink(d->path.s) != 0 && errno != ENOENT && errno != ENOTDIR)
            return qn_fail(QN_EIO, "%s: cannot remove: %s", d->path.s, strerror(errno));
    }
    return 0;
}

static int fill_directory(qn_conversion *c, directory *d) {
    QN_TRY(qn_source_is_gguf(c->s) || is_another(c) ? make_texts(c, d) : copy_texts(c, d));
    QN_TRY(put_metadata(c, &d->weights));
    QN_TRY(qn_convert_declare(c, &d->weights.t));
    QN_TRY(qn_path_join(&d->path, d->dir, "model.safetensors"));
    QN_TRY(qn_safetensors_writer_begin(&d->weights, d->path.s));
    QN_TRY(write_texts(d));
    QN_TRY(qn_convert_stream(c, &d->weights.t));
    return commit_all(d);
}

static int write_directory(qn_conversion *c, const char *out) {
    directory d = {.dir = out};
    qn_buf inner = {0};
    const bool made = mkdir(out, 0777) == 0;
    const int why = errno;                      /* looking again has its own */
    if (!made && !qn_is_dir(out))
        return qn_fail(QN_EIO, "%s: cannot make the directory: %s", out, strerror(why));
    const int rc = fill_directory(c, &d);
    if (rc < 0 && made && qn_path_join(&inner, out, POOLING_FOLDER) >= 0) {
        directory_drop(&d);
        rmdir(inner.s);
        rmdir(out);
    } else {
        directory_drop(&d);
    }
    qn_buf_drop(&inner);
    return rc;
}

/* ---- the front ---- */

/* What is written: the model that was read, with the tokens that come along. */
static int describe(qn_conversion *c) {
    int64_t end[QN_MAX_EOS], n = 0;
    c->out = c->cfg;
    c->out.V = QN_MAX(c->out.V, c->o->rows);
    if (c->o->words)
        QN_TRY(qn_source_ends(c->o->words, end, &n));
    for (int64_t i = 0; i < n; i++)
        if (end[i] < 0 || end[i] >= c->out.V)
            return qn_fail(QN_EFORMAT, "%s: end-of-sequence id %lld lies outside the vocabulary of %lld",
                           qn_source_path(c->o->words), (long long)end[i], (long long)c->out.V);
    if (n > 0) {
        memcpy(c->out.eos, end, sizeof end);
        c->out.n_eos = n;
    }
    return 0;
}

static int convert(qn_conversion *c, const char *out) {
    QN_TRY(qn_source_config(c->s, &c->model.arch, &c->cfg));
    c->model.cfg = &c->out;
    c->r->arch = c->model.arch->name;
    QN_TRY(qn_source_embedding(c->s, &c->embedding));
    QN_TRY(qn_convert_plan(c));
    QN_TRY(describe(c));
    if (c->to_gguf || qn_source_is_gguf(c->s) || is_another(c))
        QN_TRY(qn_save_check(&c->model, c->to_gguf));
    if (c->r->kept)
        qn_log(QN_LOG_WARN, "%lld matrices keep their dtype: their rows are no whole blocks of %s",
               (long long)c->r->kept, qn_dtype_get((qn_dtype)c->o->dtype)->name);
    return c->to_gguf ? write_gguf(c, out) : write_directory(c, out);
}

int qn_convert(const char *in, const char *out, const qn_convert_options *o, qn_convert_result *result) {
    qn_source *s = NULL;
    bool to_gguf;
    *result = (qn_convert_result){0};
    QN_TRY(qn_convert_check_out(in, out, o->force, &to_gguf));
    QN_TRY(check_dtype(o, to_gguf));
    QN_TRY(qn_source_open(&s, in));
    result->is_gguf = to_gguf;
    qn_conversion c = {.s = s, .o = o, .r = result, .to_gguf = to_gguf};
    const int rc = convert(&c, out);
    qn_convert_plan_drop(&c);
    qn_source_close(s);
    return rc;
}
