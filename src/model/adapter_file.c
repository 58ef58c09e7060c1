/* model/adapter_file.c — what stands at a path: a PEFT directory, a GGUF adapter, or what holds the former; opened. */
#include <string.h>

#include "model/adapter_impl.h"
#include "model/convert.h"

enum { CONFIG_MAX = 16 << 20, WORDS_MAX = 256 << 20 };

/* ---- where it lies ---- */

/* Where a run keeps its adapter, from the folder that was named. */
static const char *const places[] = {"", "adapter", "last", "last/adapter"};

/* 1: path/place holds adapter_config.json; *where is that folder. */
static int in_folder(const char *path, const char *place, qn_buf *where) {
    qn_buf config = {0};
    int rc;
    qn_buf_clear(where);
    QN_TRY_OUT(*place ? qn_path_join(where, path, place) : qn_buf_puts(where, path));
    QN_TRY_OUT(qn_path_join(&config, where->s, QN_PEFT_CONFIG));
    rc = qn_is_file(config.s);
out:
    qn_buf_drop(&config);
    return rc;
}

/* 1: a GGUF whose general.type is "adapter"; 0: no GGUF, or another one, or one that does not open. */
static int is_gguf_adapter(const char *path) {
    qn_map_file f;
    qn_gguf *g;
    qn_str type = {0};
    if (qn_map_open(&f, path) < 0)
        return 0;
    const bool magic = f.n >= 4 && memcmp(f.s, "GGUF", 4) == 0;
    qn_map_close(&f);
    if (!magic || qn_gguf_open(&g, path) < 0)
        return 0;
    const int rc = qn_meta_get_str(qn_gguf_meta(g), "general.type", &type);
    const bool yes = rc > 0 && qn_str_is(type, "adapter");
    qn_gguf_close(g);
    return yes;
}

int qn_adapter_form_of(const char *path, qn_buf *where) {
    qn_buf at = {0};
    int rc = 0;
    for (size_t i = 0; i < QN_LEN(places) && rc == 0 && qn_is_dir(path); i++)
        rc = in_folder(path, places[i], &at);
    if (rc > 0)
        rc = QN_ADAPTER_PEFT;
    else if (rc == 0 && qn_is_file(path) && is_gguf_adapter(path)) {
        qn_buf_clear(&at);
        rc = qn_buf_puts(&at, path);
        rc = rc < 0 ? rc : QN_ADAPTER_GGUF;
    }
    if (rc > 0 && where) {
        qn_buf_drop(where);
        *where = at;
        at = (qn_buf){0};
    }
    qn_buf_drop(&at);
    return rc;
}

/* ---- opened ---- */

static int read_config(const char *dir, qn_meta **m) {
    qn_buf path = {0}, text = {0};
    int rc;
    QN_TRY_OUT(qn_path_join(&path, dir, QN_PEFT_CONFIG));
    QN_TRY_OUT(qn_read_file(&text, path.s, CONFIG_MAX));
    rc = qn_meta_from_json(m, text.s ? text.s : "", text.n, path.s);
out:
    qn_buf_drop(&path);
    qn_buf_drop(&text);
    return rc;
}

/* The tensors beside adapter_config.json; a pickle of old is named. */
static int open_tensors(const char *dir, qn_safetensors **st) {
    qn_buf path = {0};
    int rc;
    QN_TRY_OUT(qn_path_join(&path, dir, QN_PEFT_WEIGHTS));
    if (!qn_is_file(path.s)) {
        QN_TRY_OUT(qn_path_join(&path, dir, "adapter_model.bin"));
        rc = qn_is_file(path.s)
                 ? qn_fail(QN_EUNSUPPORTED, "%s: a pickle, which is not read; save the adapter as "
                           "adapter_model.safetensors", path.s)
                 : qn_fail(QN_ENOTFOUND, "%s: adapter_model.safetensors is missing beside adapter_config.json", dir);
        goto out;
    }
    rc = qn_safetensors_open(st, path.s);
out:
    qn_buf_drop(&path);
    return rc;
}

/* Which model it was made on, where its maker was quern. */
static void take_pedigree(qn_adapter *a, const qn_meta *m) {
    qn_str s = {0};
    if (m && qn_meta_get_str(m, QN_ADAPTER_PEDIGREE, &s) > 0 && s.n + 1 == sizeof a->pedigree)
        memcpy(a->pedigree, s.s, s.n);
}

static int open_peft(qn_adapter **out, const char *dir, const char *name, const qn_arch *arch, const qn_config *c) {
    qn_adapter_said said = {0};
    qn_meta *config = NULL;
    qn_safetensors *st = NULL;
    int rc;
    QN_TRY_OUT(read_config(dir, &config));
    QN_TRY_OUT(qn_adapter_peft_said(&said, config));
    QN_TRY_OUT(open_tensors(dir, &st));
    said.tensors = qn_safetensors_tensors(st);
    said.path = said.tensors->name;
    QN_TRY_OUT(qn_adapter_pairs(out, &said, name, arch, c));
    take_pedigree(*out, qn_safetensors_meta(st));
out:
    qn_meta_free(config);
    qn_safetensors_close(st);
    return rc;
}

static int open_gguf(qn_adapter **out, const char *path, const qn_arch *arch, const qn_config *c) {
    qn_adapter_said said = {.path = path, .is_gguf = true};
    qn_gguf *g;
    QN_TRY(qn_gguf_open(&g, path));
    said.tensors = qn_gguf_tensors(g);
    int rc = qn_adapter_gguf_said(&said, qn_gguf_meta(g), arch);
    if (rc >= 0)
        rc = qn_adapter_pairs(out, &said, path, arch, c);
    if (rc >= 0)
        take_pedigree(*out, qn_gguf_meta(g));
    qn_gguf_close(g);
    return rc;
}

/* What a file is that is not known as an adapter; the reader of GGUF files finds the words for a damaged one. */
static int open_file(qn_adapter **out, const char *path, const qn_arch *arch, const qn_config *c) {
    if (!qn_is_file(path))
        return qn_fail(QN_ENOTFOUND, "%s: no such file or directory", path);
    if (qn_str_ends(qn_str_of(path), ".safetensors"))
        return qn_fail(QN_EINVAL, "%s: pairs alone are not an adapter; name the directory that also holds "
                       "adapter_config.json", path);
    return open_gguf(out, path, arch, c);
}

int qn_adapter_open(qn_adapter **out, const char *path, const qn_arch *arch, const qn_config *c) {
    qn_buf where = {0};
    *out = NULL;
    int rc = qn_adapter_form_of(path, &where);
    if (rc == QN_ADAPTER_PEFT)
        rc = open_peft(out, where.s, path, arch, c);
    else if (rc == QN_ADAPTER_NONE && qn_is_dir(path))
        rc = qn_fail(QN_ENOTFOUND, "%s: neither adapter_config.json nor a run with one is there", path);
    else if (rc >= 0)
        rc = open_file(out, path, arch, c);
    qn_buf_drop(&where);
    return rc < 0 ? rc : 0;
}

/* Shapes do not tell a model from another training of the same plan. That may be meant: it is said and not refused. */
static void warn_of_another(const qn_adapter *a, const qn_model *m) {
    char own[17];
    qn_model_pedigree(m, own);
    if (*a->pedigree && strcmp(a->pedigree, own) != 0)
        qn_log(QN_LOG_WARN, "%s: was trained on another model than this one: shapes fit, norms and biases are other "
               "numbers (%s there, %s here)", a->name, a->pedigree, own);
}

int qn_adapter_read(qn_adapter **out, const char *path, const qn_model *m) {
    QN_TRY(qn_adapter_open(out, path, m->arch, &m->cfg));
    int rc = qn_adapter_check(*out, m);
    if (rc >= 0)
        warn_of_another(*out, m);
    if (rc >= 0)
        rc = qn_adapter_lengths(*out, m, NULL);
    if (rc >= 0)
        return 0;
    qn_adapter_free(*out);
    *out = NULL;
    return rc;
}

/* ---- the base that it names ---- */

static int base_in(const qn_meta *m, const char *key, qn_buf *base) {
    qn_str s = {0};
    const int rc = qn_meta_get_str(m, key, &s);
    if (rc <= 0 || s.n == 0)
        return rc < 0 ? rc : 0;
    qn_buf_clear(base);
    QN_TRY(qn_buf_put(base, s.s, s.n));
    return 1;
}

int qn_adapter_base(const char *path, qn_buf *base) {
    qn_buf where = {0};
    int rc = qn_adapter_form_of(path, &where);
    if (rc == QN_ADAPTER_PEFT) {
        qn_meta *m;
        rc = read_config(where.s, &m);
        if (rc >= 0) {
            rc = base_in(m, "base_model_name_or_path", base);
            qn_meta_free(m);
        }
    } else if (rc == QN_ADAPTER_GGUF) {
        qn_gguf *g;
        rc = qn_gguf_open(&g, where.s);
        if (rc >= 0) {
            rc = base_in(qn_gguf_meta(g), "general.base_model.0.name", base);
            qn_gguf_close(g);
        }
    }
    qn_buf_drop(&where);
    return rc;
}

/* ---- from one form to the other ---- */

static void describe(const qn_adapter *a, qn_adapter_facts *f) {
    f->arch = a->arch->name;
    f->dora = a->dora;
    f->pairs = a->n;
    f->numbers = (a->embed.rank ? a->n_tokens * a->embed.dim[1] : 0) * (a->head.rank ? 2 : 1);
    for (size_t i = 0; i < a->n; i++) {
        const qn_lora *l = &a->lora[i];
        f->numbers += l->rank * (l->rows + l->cols) + (a->dora ? l->rows : 0);
        f->least_rank = i ? QN_MIN(f->least_rank, l->rank) : l->rank;
        f->most_rank = QN_MAX(f->most_rank, l->rank);
    }
}

/* Whose numbers say how the adapter lies: the model that was named, or the base if it lies where the adapter says. */
static int open_base(const char *in, const char *model, const qn_buf *base, qn_source **s) {
    if (model)
        return qn_source_open(s, model);
    if (base->n && (qn_is_dir(base->s) || qn_is_file(base->s)))
        return qn_source_open(s, base->s);
    return qn_fail(QN_EINVAL, "%s: is an adapter%s%.200s%s; --model MODEL says which model it belongs to", in,
                   base->n ? " for \"" : "", base->n ? base->s : "", base->n ? "\", which is not here" : "");
}

/* What tells the tokens that an adapter brings: the files beside it. */
static int copy_words(const char *in, const char *out) {
    static const char *const files[] = {"tokenizer.json", "tokenizer_config.json", "generation_config.json",
                                        "chat_template.jinja"};
    qn_buf where = {0}, path = {0}, text = {0};
    int rc;
    QN_TRY_OUT(qn_adapter_form_of(in, &where));
    QN_TRY_OUT(qn_dir_make(out));
    for (size_t i = 0; i < QN_LEN(files); i++) {
        qn_buf_clear(&text);
        QN_TRY_OUT(qn_path_join(&path, where.s, files[i]));
        if (!qn_is_file(path.s))
            continue;
        QN_TRY_OUT(qn_read_file(&text, path.s, WORDS_MAX));
        QN_TRY_OUT(qn_path_join(&path, out, files[i]));
        QN_TRY_OUT(qn_write_file(path.s, text.s ? text.s : "", text.n));
    }
    rc = 0;
out:
    qn_buf_drop(&where);
    qn_buf_drop(&path);
    qn_buf_drop(&text);
    return rc;
}

static int convert(const char *in, const char *out, const char *model, bool to_gguf, qn_adapter_facts *facts) {
    const qn_arch *arch;
    qn_source *s = NULL;
    qn_adapter *a = NULL;
    qn_config c;
    qn_buf base = {0};
    int rc;
    QN_TRY_OUT(qn_adapter_base(in, &base));
    QN_TRY_OUT(open_base(in, model, &base, &s));
    QN_TRY_OUT(qn_source_config(s, &arch, &c));
    QN_TRY_OUT(qn_adapter_open(&a, in, arch, &c));
    QN_TRY_OUT(qn_adapter_check_source(a, in, s));
    const char *named = base.n ? base.s : model;
    if (a->n_tokens && !to_gguf)
        QN_TRY_OUT(copy_words(in, out));
    rc = to_gguf ? qn_adapter_write_gguf(a, &c, named, out) : qn_adapter_write_peft(a, &c, named, out);
    describe(a, facts);
out:
    qn_adapter_free(a);
    qn_source_close(s);
    qn_buf_drop(&base);
    return rc;
}

int qn_adapter_convert(const char *in, const char *out, const char *model, bool force, qn_adapter_facts *facts) {
    bool to_gguf;
    *facts = (qn_adapter_facts){0};
    QN_TRY(qn_convert_check_out(in, out, force, &to_gguf));
    facts->is_gguf = to_gguf;
    return convert(in, out, model, to_gguf, facts);
}
