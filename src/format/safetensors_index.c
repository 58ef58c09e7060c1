/* format/safetensors_index.c — a sharded model: model.safetensors.index.json tells which file holds each tensor.
 *
 *     {"metadata": {…}, "weight_map": {"model.norm.weight": "model-00002-of-00002.safetensors", …}}
 *
 * Each file is read whole, as if alone; then the index is held against what was found. */
#include "format/safetensors.h"

#include "format/safetensors_file.h"

#include <string.h>

#define INDEX_NAME "model.safetensors.index.json"
#define INDEX_MAX ((size_t)64 << 20)

typedef struct {
    qn_json j;
    qn_safetensors *st;
    const char *dir;
    qn_strmap shards;           /* file name → number of its map; keys interned */
    qn_buf name, file, path;
} loader;

/* A shard is a plain file of the same directory: the index comes from strangers and must not reach elsewhere. */
static bool name_is_plain(qn_str s) {
    if (s.n == 0 || s.n > 255 || s.s[0] == '.')
        return false;
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.s[i] < ' ' || s.s[i] == '/' || s.s[i] == '\\')
            return false;
    return qn_str_ends(s, ".safetensors");
}

/* Number of the shard's map; opens it when it is named for the first time. */
static int shard(loader *l, int64_t *number) {
    const qn_str name = qn_buf_view(&l->file);
    qn_str key;
    if (qn_strmap_get(&l->shards, name, number))
        return 0;
    if (!name_is_plain(name))
        return qn_json_fail(&l->j, QN_EFORMAT, "\"%.*s\" is no name of a safetensors file in the same directory",
                            QN_STR_ARG(name));
    if (l->shards.n >= QN_SAFETENSORS_SHARDS_MAX)
        return qn_json_fail(&l->j, QN_ELIMIT, "more than %d files", QN_SAFETENSORS_SHARDS_MAX);
    QN_TRY(qn_meta_intern(l->st->meta, name, &key));
    QN_TRY(qn_path_join(&l->path, l->dir, l->file.s));
    *number = (int64_t)l->st->tensors.maps;
    QN_TRY(qn_safetensors_add(l->st, l->path.s));
    const int rc = qn_strmap_put(&l->shards, key, *number);
    return rc < 0 ? rc : 0;
}

/* Reads the name of the file that holds tensor `name` and holds it against the table. */
static int check_tensor(loader *l, qn_str name) {
    int64_t number, i;
    qn_buf_clear(&l->name);
    QN_TRY(qn_buf_put(&l->name, name.s, name.n));               /* the parser's key lives until its next call only */
    name = qn_buf_view(&l->name);
    qn_buf_clear(&l->file);
    QN_TRY(qn_json_string(&l->j, &l->file));
    QN_TRY(shard(l, &number));
    const qn_tensor_file *f = &l->st->tensors;
    if (!qn_strmap_get(&f->by_name, name, &i) || f->info[i].map != number)
        return qn_json_fail(&l->j, QN_EFORMAT, "tensor \"%.*s\" is not in %.*s", QN_STR_ARG(name),
                            QN_STR_ARG(qn_buf_view(&l->file)));
    return 0;
}

static int read_index(loader *l) {
    bool found = false;
    qn_str key;
    int more;
    QN_TRY(qn_json_enter(&l->j, '{'));
    while ((more = qn_json_key(&l->j, &key)) > 0) {
        if (!qn_str_is(key, "weight_map")) {
            QN_TRY(qn_json_skip(&l->j));
            continue;
        }
        found = true;
        QN_TRY(qn_json_enter(&l->j, '{'));
        while ((more = qn_json_key(&l->j, &key)) > 0)
            QN_TRY(check_tensor(l, key));
        QN_TRY(more);
    }
    QN_TRY(more);
    if (!found)
        return qn_json_fail(&l->j, QN_EFORMAT, "no \"weight_map\"");
    return qn_json_end(&l->j);
}

int qn_safetensors_open_index(qn_safetensors **out, const char *dir) {
    loader l = {.dir = dir};
    qn_buf index_path = {0}, text = {0};
    int rc;
    *out = NULL;
    qn_json_init(&l.j, "", 0, "");
    QN_TRY_OUT(qn_path_join(&index_path, dir, INDEX_NAME));
    QN_TRY_OUT(qn_read_file(&text, index_path.s, INDEX_MAX));
    QN_TRY_OUT(qn_safetensors_new(&l.st, index_path.s));
    qn_json_drop(&l.j);
    qn_json_init(&l.j, text.s ? text.s : "", text.n, index_path.s);
    QN_TRY_OUT(read_index(&l));
    *out = l.st;
    l.st = NULL;
out:
    qn_safetensors_close(l.st);
    qn_strmap_drop(&l.shards);
    qn_json_drop(&l.j);
    qn_buf_drop(&l.name);
    qn_buf_drop(&l.file);
    qn_buf_drop(&l.path);
    qn_buf_drop(&text);
    qn_buf_drop(&index_path);
    return rc;
}

int qn_safetensors_open_dir(qn_safetensors **out, const char *dir) {
    qn_buf path = {0};
    int rc;
    *out = NULL;
    QN_TRY_OUT(qn_path_join(&path, dir, "model.safetensors"));
    if (qn_is_file(path.s)) {
        rc = qn_safetensors_open(out, path.s);
        goto out;
    }
    QN_TRY_OUT(qn_path_join(&path, dir, INDEX_NAME));
    if (qn_is_file(path.s))
        rc = qn_safetensors_open_index(out, dir);
    else
        rc = qn_fail(QN_ENOTFOUND, "%s: neither model.safetensors nor %s is there", dir, INDEX_NAME);
out:
    qn_buf_drop(&path);
    return rc;
}
