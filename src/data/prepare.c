/* data/prepare.c — from documents to shards.
 *
 *     corpus ──► batch of documents ──► hash: seen before? which split? ──► ids, a tile of documents each ──► shards
 *                16 MB or one long one   in order, one thread                in parallel                       in order
 *
 * data.json is written last: where it stands, all of the folder does. */
#include "data/prepare.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/dir.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/json_fields.h"
#include "data/content.h"
#include "data/dataset_impl.h"
#include "data/prepare_split.h"

#define BATCH ((size_t)16 << 20)
#define TILE ((size_t)64 << 10)
#define LONG ((size_t)1 << 20)          /* documents that all threads encode together */
#define MEMORY ((int64_t)2 << 30)

/* A document of the batch, or a part of a long one: only the first part begins and only the last one ends. */
typedef struct { size_t at, n; bool begins, ends, dropped; qn_split split; size_t ids; } document;

/* Some documents, encoded at once. */
typedef struct { size_t first, end; qn_ids ids; int rc; char message[256]; } tile;

typedef struct {
    const qn_data_options *o;
    const qn_tok *tok;
    qn_pool *pool;
    qn_data_result *r;
    qn_data_count *count;               /* of the current source */
    qn_content_set seen;
    qn_shard_set shards;
    qn_buf text;
    document *doc;      size_t n_docs, cap_docs;
    tile *tile;         size_t n_tiles, cap_tiles;      /* beyond n_tiles: memory to be used again */
    size_t open;                        /* where the document that is being read begins in text */
    bool continues;                     /* … which had parts before */
    size_t part_max;
    int64_t done;                       /* bytes, for progress */
    uint16_t *token_bytes;
    bool made_folder;
} job;

/* ---- a batch ----------------------------------------------------------------------------------------------------- */

static bool is_blank(const char *s, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (!strchr(" \t\r\n\f\v", s[i]) || s[i] == 0)
            return false;
    return true;
}

/* What becomes of it: in the order of the corpus, so that of equal documents the first one stays. */
static int judge(job *j, document *d) {
    qn_str text = {j->text.s + d->at, d->n};
    if (d->begins && d->ends && is_blank(text.s, text.n)) {
        j->count->empty++;
        d->dropped = true;
        return 0;
    }
    qn_content c = qn_content_of(text);
    d->split = (double)(c.b >> 11) * 0x1p-53 < j->o->validation ? QN_SPLIT_VALIDATION : QN_SPLIT_TRAIN;
    if (j->o->keep_duplicates)
        return 0;
    int rc = qn_content_add(&j->seen, c);
    if (rc == QN_ELIMIT)
        j->r->unhashed++;
    else if (rc < 0)
        return rc;
    d->dropped = rc == 0;
    j->count->duplicates += d->dropped;
    return 0;
}

static int add_tile(job *j, size_t first, size_t end) {
    size_t had = j->cap_tiles;
    QN_TRY(QN_GROW(QN_MEM_BASE, j->tile, j->cap_tiles, j->n_tiles + 1));
    if (j->cap_tiles > had)
        memset(j->tile + had, 0, (j->cap_tiles - had) * sizeof *j->tile);
    tile *t = &j->tile[j->n_tiles++];
    t->first = first;
    t->end = end;
    t->rc = 0;
    qn_ids_clear(&t->ids);
    return 0;
}

static int cut_tiles(job *j) {
    size_t bytes = 0, first = 0;
    j->n_tiles = 0;
    for (size_t i = 0; i < j->n_docs; i++) {
        QN_TRY(judge(j, &j->doc[i]));
        bytes += j->doc[i].n;
        if (bytes >= TILE || i + 1 == j->n_docs) {
            QN_TRY(add_tile(j, first, i + 1));
            first = i + 1;
            bytes = 0;
        }
    }
    return 0;
}

static int encode_document(const job *j, document *d, qn_pool *pool, qn_ids *ids) {
    size_t before = ids->n;
    int32_t bos = qn_tok_bos(j->tok), eos = qn_tok_eos(j->tok);
    if (d->begins && bos >= 0 && qn_tok_adds(j->tok, bos))
        QN_TRY(qn_ids_push(ids, bos));
    QN_TRY(qn_tok_encode_parallel(j->tok, pool, j->text.s + d->at, d->n, QN_TOK_PLAIN, ids));
    if (d->ends && eos >= 0)
        QN_TRY(qn_ids_push(ids, eos));
    d->ids = ids->n - before;
    return 0;
}

static void encode_documents(const job *j, tile *t, qn_pool *pool) {
    for (size_t i = t->first; i < t->end && t->rc >= 0; i++)
        if (!j->doc[i].dropped)
            t->rc = encode_document(j, &j->doc[i], pool, &t->ids);
    if (t->rc < 0)                      /* messages stay with their thread */
        snprintf(t->message, sizeof t->message, "%s", qn_error_message());
}

static bool is_long(const job *j, const tile *t) {
    return j->doc[t->end - 1].n >= LONG;            /* a tile ends with the document that filled it */
}

static void encode_tile(void *arg, int64_t index, QN_UNUSED int worker) {
    const job *j = arg;
    if (!is_long(j, &j->tile[index]))
        encode_documents(j, &j->tile[index], NULL);
}

static int write_tile(job *j, const tile *t) {
    if (t->rc < 0)
        return qn_fail(t->rc, "%s", t->message);
    const int32_t *ids = t->ids.v;
    for (size_t i = t->first; i < t->end; i++) {
        const document *d = &j->doc[i];
        if (d->dropped)
            continue;
        QN_TRY(qn_shard_set_put(&j->shards, d->split, ids, (int64_t)d->ids));
        QN_TRY(qn_shard_set_end(&j->shards, d->split, (int64_t)d->n));
        ids += d->ids;
    }
    return 0;
}

/* Writes all documents of the batch; the one that is being read stays, at the front. */
static int flush(job *j) {
    QN_TRY(cut_tiles(j));
    qn_parallel(j->pool, (int64_t)j->n_tiles, encode_tile, j);
    for (size_t i = 0; i < j->n_tiles; i++) {
        if (is_long(j, &j->tile[i]))
            encode_documents(j, &j->tile[i], j->pool);
        QN_TRY(write_tile(j, &j->tile[i]));
    }
    size_t rest = j->text.n - j->open;
    if (rest)
        memmove(j->text.s, j->text.s + j->open, rest);
    j->text.n = rest;
    j->open = 0;
    j->n_docs = 0;
    return j->o->progress ? j->o->progress(j->o->arg, j->done) : 0;
}

/* ---- documents out of a source ----------------------------------------------------------------------------------- */

static int add_document(job *j, size_t n, bool ends) {
    QN_TRY(QN_GROW(QN_MEM_BASE, j->doc, j->cap_docs, j->n_docs + 1));
    j->doc[j->n_docs++] = (document){.at = j->open, .n = n, .begins = !j->continues, .ends = ends};
    j->open += n;
    j->continues = !ends;
    return 0;
}

/* Where the first `max` bytes of a long text end best: where the tokenizer says that the ids are those of the whole; or
 * behind a line, in front of a blank, where patterns of pre-tokenizers begin a word, as a rule; else between two
 * characters. */
static size_t find_cut(const qn_tok *tok, const char *s, size_t max) {
    const size_t known = qn_tok_cut(tok, s, max - max / 16, max);
    if (known < max)
        return known;
    for (size_t n = max; n > max / 2; n--)
        if (s[n - 1] == '\n' && (unsigned char)s[n] > ' ')
            return n;
    for (size_t n = max; n > max / 2; n--)
        if (s[n] == ' ' && (unsigned char)s[n - 1] > ' ')
            return n;
    return max - qn_utf8_pending(s, max);
}

static int take_piece(job *j, const qn_corpus_piece *piece) {
    QN_TRY(qn_buf_put(&j->text, piece->text.s, piece->text.n));
    j->done += (int64_t)piece->text.n;
    while (j->text.n - j->open > j->part_max) {
        j->count->parted += !j->continues;
        QN_TRY(add_document(j, find_cut(j->tok, j->text.s + j->open, j->part_max), false));
        QN_TRY(flush(j));
    }
    if (piece->ends)
        QN_TRY(add_document(j, j->text.n - j->open, true));
    return j->open >= BATCH ? flush(j) : 0;
}

static void add_count(qn_data_count *all, const qn_data_count *c) {
    all->files += c->files;
    all->skipped += c->skipped;
    all->bytes += c->bytes;
    all->documents += c->documents;
    all->duplicates += c->duplicates;
    all->empty += c->empty;
    all->parted += c->parted;
    all->invalid += c->invalid;
    all->textless += c->textless;
    all->bad += c->bad;
    all->cut = all->cut || c->cut;
    for (int k = 0; k < QN_SPLITS; k++) {
        all->split[k].documents += c->split[k].documents;
        all->split[k].tokens += c->split[k].tokens;
        all->split[k].bytes += c->split[k].bytes;
    }
}

static int open_corpus(const job *j, const qn_data_source *s, qn_corpus **corpus) {
    return qn_corpus_open(corpus, &(qn_corpus_options){.path = s->path, .n_paths = s->n_paths, .field = j->o->field,
                                                       .invalid = j->o->invalid,
                                                       .separator = j->o->separator,
                                                       .skip_bad = j->o->skip_bad});
}

static int read_source(job *j, size_t index) {
    const qn_data_source *source = &j->o->source[index];
    qn_corpus *corpus = NULL;
    qn_corpus_piece piece;
    qn_corpus_stats read = {0};
    int rc, more;
    j->count = &j->r->source[index];
    qn_shard_set_source(&j->shards, (int)index);
    QN_TRY(open_corpus(j, source, &corpus));
    while ((more = qn_corpus_next(corpus, &piece)) > 0)
        QN_TRY_OUT(take_piece(j, &piece));
    QN_TRY_OUT(more);
    QN_TRY_OUT(flush(j));
    QN_TRY_OUT(qn_shard_set_finish(&j->shards));
    QN_TRY_OUT(qn_shard_set_balance(&j->shards, j->o->validation, j->tok, j->token_bytes));
    qn_corpus_stats_get(corpus, &read);
    qn_data_count *c = j->count;
    c->cut = rc > 0;
    c->files = read.files;
    c->skipped = read.skipped;
    c->documents = read.documents;
    c->bytes = read.bytes;
    c->invalid = read.invalid;
    c->textless = read.textless;
    c->bad = read.bad;
    memcpy(c->split, j->shards.info, sizeof c->split);
    add_count(&j->r->all, c);
    rc = 0;
out:
    qn_corpus_close(corpus);
    return rc;
}

/* ---- the folder -------------------------------------------------------------------------------------------------- */

static int write_text(const job *j, const char *name, qn_str text) {
    qn_buf path = {0};
    int rc = qn_path_join(&path, j->o->out, name);
    if (rc >= 0)
        rc = qn_write_file(path.s, text.s, text.n);
    qn_buf_drop(&path);
    return rc;
}

static bool is_shard(const char *name) {
    qn_str s = qn_str_of(name);
    return qn_str_ends(s, ".tokens") && (qn_str_starts(s, "train-") || qn_str_starts(s, "validation-"));
}

/* What a preparation writes. The tokenizer's name is everybody's: it is ours only beside something that nobody else
 * writes; `begun`: there is such a thing. */
static bool is_ours(const char *name, bool begun) {
    const qn_str s = qn_str_of(name);
    const bool temporary = qn_str_starts(s, ".quern-") && qn_str_ends(s, ".tmp");       /* left by a kill */
    return is_shard(name) || temporary || qn_str_is(s, "data.json") ||
           (begun && (qn_str_is(s, "tokenizer.json") || qn_str_is(s, "tokenizer_config.json")));
}

/* What an earlier run left: data.json first, so that the folder never promises what is gone. */
static int clear_folder(const job *j, qn_buf *path) {
    QN_TRY(qn_path_join(path, j->o->out, "data.json"));
    if (unlink(path->s) < 0 && errno != ENOENT)
        return qn_fail(QN_EIO, "%s cannot be replaced: %s", path->s, strerror(errno));
    DIR *dir = opendir(j->o->out);
    if (!dir)
        return qn_fail(QN_EIO, "%s: %s", j->o->out, strerror(errno));
    int rc = 0;
    for (const struct dirent *e; rc >= 0 && (e = readdir(dir)) != NULL;) {
        if (!is_ours(e->d_name, true))
            continue;
        rc = qn_path_join(path, j->o->out, e->d_name);
        if (rc >= 0 && unlink(path->s) < 0)
            rc = qn_fail(QN_EIO, "%s cannot be replaced: %s", path->s, strerror(errno));
    }
    closedir(dir);
    return rc;
}

/* A data.json that stands there: only our own is replaced, and only when asked to. */
static int check_old(const job *j, const char *path) {
    qn_map_file f;
    QN_TRY(qn_map_open(&f, path));
    bool own = memmem(f.s, QN_MIN(f.n, (size_t)4096), "\"quern tokens\"", 14) != NULL;
    qn_map_close(&f);
    if (!own)
        return qn_fail(QN_EINVAL, "%s is not of quern; choose another folder", path);
    return j->o->force ? 0 : qn_fail(QN_EINVAL, "%s holds prepared data already; remove it, or replace it with --force",
                                     j->o->out);
}

/* A model, a run or another tokenizer is written over by nobody. */
static int check_foreign(const char *out) {
    qn_dir_names names = {0};
    bool begun = false;
    int rc;
    if (!qn_is_dir(out))
        return qn_is_file(out) ? qn_fail(QN_EINVAL, "%s: is a file; prepared data are a folder", out) : 0;
    QN_TRY_OUT(qn_dir_list(&names, out));
    for (size_t i = 0; i < names.n; i++)
        begun = begun || is_shard(names.name[i]) || strcmp(names.name[i], "data.json") == 0;
    for (size_t i = 0; i < names.n && rc >= 0; i++)
        if (!is_ours(names.name[i], begun))
            rc = qn_fail(QN_EINVAL, "%s: is not empty (it holds %s); prepared data go into a folder of their own", out,
                         names.name[i]);
out:
    qn_dir_names_drop(&names);
    return rc;
}

static int make_folder(job *j) {
    qn_buf path = {0};
    int rc;
    QN_TRY_OUT(qn_path_join(&path, j->o->out, "data.json"));
    QN_TRY_OUT(qn_is_file(path.s) ? check_old(j, path.s) : 0);
    QN_TRY_OUT(check_foreign(j->o->out));
    QN_TRY_OUT(qn_dir_make(j->o->out));
    j->made_folder = rc > 0;
    rc = clear_folder(j, &path);
out:
    qn_buf_drop(&path);
    return rc;
}

/* ---- data.json --------------------------------------------------------------------------------------------------- */

static void put_split(qn_jw *w, const char *key, const qn_split_info *s) {
    qn_jw_key(w, key);
    qn_jw_open(w, '{');
    qn_field_i64(w, "documents", s->documents);
    qn_field_i64(w, "tokens", s->tokens);
    qn_field_i64(w, "bytes", s->bytes);
    qn_jw_close(w);
}

static void put_source(qn_jw *w, const qn_data_source *s, double weight, const qn_data_count *c) {
    qn_jw_open(w, '{');
    qn_jw_key(w, "paths");
    qn_jw_open(w, '[');
    for (size_t i = 0; i < s->n_paths; i++)
        qn_jw_str(w, qn_str_of(s->path[i]));
    qn_jw_close(w);
    qn_jw_key(w, "weight");
    qn_jw_f64(w, weight);
    qn_field_i64(w, "files", c->files);
    qn_field_i64(w, "documents", c->documents);
    qn_field_i64(w, "duplicates", c->duplicates);
    qn_field_i64(w, "empty", c->empty);
    qn_field_i64(w, "invalid_characters", c->invalid);
    qn_field_i64(w, "lines_without_text", c->textless);
    qn_field_i64(w, "bad_lines", c->bad);
    qn_field_i64(w, "bytes", c->bytes);
    put_split(w, "train", &c->split[QN_SPLIT_TRAIN]);
    put_split(w, "validation", &c->split[QN_SPLIT_VALIDATION]);
    qn_jw_close(w);
}

static void put_checksum(qn_jw *w, const char *key, uint64_t sum) {
    char text[17];
    snprintf(text, sizeof text, "%016llx", (unsigned long long)sum);
    qn_jw_key(w, key);
    qn_jw_str(w, qn_str_of(text));
}

static void put_shard(qn_jw *w, const qn_shard_entry *e) {
    qn_jw_open(w, '{');
    qn_jw_key(w, "file");
    qn_jw_str(w, qn_str_of(e->file));
    qn_jw_key(w, "split");
    qn_jw_str(w, e->split == QN_SPLIT_TRAIN ? QN_STR("train") : QN_STR("validation"));
    qn_field_i64(w, "source", e->source);
    qn_field_i64(w, "tokens", e->tokens);
    qn_field_i64(w, "documents", e->documents);
    put_checksum(w, "checksum", e->checksum);
    qn_jw_close(w);
}

static bool is_weighted(const qn_data_options *o) {
    for (size_t i = 0; i < o->n_sources; i++)
        if (o->source[i].weight > 0)
            return true;
    return false;
}

static void put_options(const job *j, qn_jw *w) {
    static const char *const invalid[] = {"replace", "drop", "refuse"};
    qn_jw_key(w, "options");
    qn_jw_open(w, '{');
    qn_jw_key(w, "validation");
    qn_jw_f64(w, j->o->validation);
    qn_jw_key(w, "dedup");
    qn_jw_str(w, j->o->keep_duplicates ? QN_STR("none") : QN_STR("exact"));
    qn_jw_key(w, "invalid");
    qn_jw_str(w, qn_str_of(invalid[j->o->invalid]));
    qn_jw_close(w);
}

static int write_json(const job *j) {
    qn_buf text = {0}, bytes = {0};
    qn_jw w;
    int rc;
    bool weighted = is_weighted(j->o);
    for (int64_t i = 0; i < j->shards.vocab; i++)        /* on one line: nobody reads them */
        QN_TRY_OUT(qn_buf_printf(&bytes, "%s%d", i ? "," : "[", j->token_bytes[i]));
    QN_TRY_OUT(qn_buf_putc(&bytes, ']'));
    qn_jw_init(&w, &text, 2);
    qn_jw_open(&w, '{');
    qn_jw_key(&w, "format");
    qn_jw_str(&w, QN_STR("quern tokens"));
    qn_field_i64(&w, "version", 1);
    qn_field_i64(&w, "vocab", j->shards.vocab);
    qn_field_i64(&w, "bos", qn_tok_bos(j->tok));
    qn_field_i64(&w, "eos", qn_tok_eos(j->tok));
    if (j->o->tokenizer_json.n)
        put_checksum(&w, "tokenizer_checksum", qn_dataset_tokenizer_sum(j->o->tokenizer_json));
    put_options(j, &w);
    qn_jw_key(&w, "sources");
    qn_jw_open(&w, '[');
    for (size_t i = 0; i < j->o->n_sources; i++) {
        const qn_data_source *s = &j->o->source[i];
        put_source(&w, s, weighted && s->weight <= 0 ? 1 : s->weight, &j->r->source[i]);
    }
    qn_jw_close(&w);
    qn_jw_key(&w, "shards");
    qn_jw_open(&w, '[');
    for (size_t i = 0; i < j->shards.n; i++)
        put_shard(&w, &j->shards.entry[i]);
    qn_jw_close(&w);
    qn_jw_key(&w, "token_bytes");
    qn_jw_raw(&w, qn_buf_view(&bytes));
    qn_jw_close(&w);
    QN_TRY_OUT(qn_jw_end(&w));
    QN_TRY_OUT(qn_buf_putc(&text, '\n'));
    rc = write_text(j, "data.json", qn_buf_view(&text));
out:
    qn_buf_drop(&text);
    qn_buf_drop(&bytes);
    return rc;
}

/* ---- all of it --------------------------------------------------------------------------------------------------- */

static int count_token_bytes(job *j) {
    j->token_bytes = qn_zalloc(QN_MEM_BASE, (size_t)j->shards.vocab, sizeof *j->token_bytes);
    if (!j->token_bytes)
        return QN_ENOMEM;
    for (int32_t id = 0; id < (int32_t)j->shards.vocab; id++)
        if (!qn_tok_is_special(j->tok, id))
            j->token_bytes[id] = (uint16_t)QN_MIN(qn_tok_piece(j->tok, id).n, (size_t)UINT16_MAX);
    return 0;
}

/* What the user should know although nothing failed. */
static void remark(const job *j) {
    const qn_data_count *all = &j->r->all;
    const char *policy = j->o->invalid == QN_INVALID_DROP ? "dropped" : "replaced by U+FFFD";
    if (qn_tok_eos(j->tok) < 0)
        qn_log(QN_LOG_WARN, "the tokenizer has no token that ends a text: a model will not learn where documents end");
    if (all->invalid)
        qn_log(QN_LOG_WARN, "%lld broken characters were %s", (long long)all->invalid, policy);
    if (all->parted)
        qn_log(QN_LOG_WARN, "%lld documents of more than %lld MB were taken in parts; more memory takes longer ones "
               "whole", (long long)all->parted, (long long)(j->part_max >> 20));
    if (j->r->unhashed)
        qn_log(QN_LOG_WARN, "duplicates were not looked for among the last %lld documents: the memory for hashes was "
               "full", (long long)j->r->unhashed);
    for (size_t i = 0; i < j->r->n_sources; i++)
        if (j->r->source[i].cut)
            qn_log(QN_LOG_WARN, "%s: whole documents do not give a validation of %.3g %%, so a part of the largest one "
                   "became it: %lld tokens", j->o->source[i].path[0], 100 * j->o->validation,
                   (long long)j->r->source[i].split[QN_SPLIT_VALIDATION].tokens);
    if (j->o->validation > 0 && all->split[QN_SPLIT_VALIDATION].tokens == 0)
        qn_log(QN_LOG_WARN, "the corpus is too small to keep a part of it for validation");
}

static int check_options(const job *j) {
    const qn_data_options *o = j->o;
    if (!(o->validation >= 0 && o->validation <= 0.5))
        return qn_fail(QN_EINVAL, "a validation of %g of the tokens; it must be 0 … 0.5", o->validation);
    if (o->n_sources == 0)
        return qn_fail(QN_EINVAL, "no source to prepare");
    for (size_t i = 0; i < o->n_sources; i++) {
        qn_corpus *corpus;
        if (!(o->source[i].weight >= 0 && o->source[i].weight <= 1e9))
            return qn_fail(QN_EINVAL, "%s: a weight of %g; it must be 0 … 1e9", o->source[i].path[0],
                           o->source[i].weight);
        QN_TRY(open_corpus(j, &o->source[i], &corpus));  /* all of them are there, before anything is replaced */
        qn_corpus_close(corpus);
    }
    return 0;
}

static int work(job *j) {
    QN_TRY(check_options(j));
    QN_TRY(count_token_bytes(j));
    QN_TRY(make_folder(j));
    for (size_t i = 0; i < j->o->n_sources; i++)
        QN_TRY(read_source(j, i));
    const qn_data_count *all = &j->r->all;
    if (all->split[QN_SPLIT_TRAIN].tokens == 0)
        return qn_fail(QN_EINVAL, "the corpus is empty: %lld file%s, %lld document%s, %lld of them without a visible "
                       "character", (long long)all->files, qn_plural(all->files), (long long)all->documents,
                       qn_plural(all->documents), (long long)all->empty);
    if (j->o->tokenizer_json.n)
        QN_TRY(write_text(j, "tokenizer.json", j->o->tokenizer_json));
    if (j->o->tokenizer_config_json.n)
        QN_TRY(write_text(j, "tokenizer_config.json", j->o->tokenizer_config_json));
    QN_TRY(write_json(j));
    j->r->shards = (int64_t)j->shards.n;
    remark(j);
    return 0;
}

static void drop(job *j, bool keep) {
    static const char *const texts[] = {"tokenizer.json", "tokenizer_config.json"};
    qn_shard_set_drop(&j->shards, keep);
    for (size_t i = 0; i < j->cap_tiles; i++)
        qn_ids_drop(&j->tile[i].ids);
    qn_free(j->tile);
    qn_free(j->doc);
    qn_free(j->token_bytes);
    qn_buf_drop(&j->text);
    qn_content_drop(&j->seen);
    if (keep || !j->made_folder)
        return;
    qn_buf path = {0};
    for (size_t i = 0; i < QN_LEN(texts); i++)
        if (qn_path_join(&path, j->o->out, texts[i]) == 0)
            unlink(path.s);
    qn_buf_drop(&path);
    rmdir(j->o->out);                   /* only if it is empty */
}

int qn_data_prepare(const qn_data_options *o, const qn_tok *tok, qn_pool *pool, qn_data_result *r) {
    int64_t memory = o->max_memory ? QN_MAX(o->max_memory, QN_DATA_MIN_MEMORY) : MEMORY;
    *r = (qn_data_result){.source = qn_zalloc(QN_MEM_BASE, QN_MAX(o->n_sources, (size_t)1), sizeof *r->source),
                          .n_sources = o->n_sources};
    if (!r->source)
        return QN_ENOMEM;
    job j = {.o = o, .tok = tok, .pool = pool, .r = r, .part_max = (size_t)(memory / 16)};
    j.seen.max_bytes = memory / 2;
    j.shards.folder = o->out;
    j.shards.vocab = qn_tok_size(tok);
    j.shards.bytes_max = o->shard_bytes ? QN_MAX(o->shard_bytes, QN_SHARD_MIN_BYTES) : QN_SHARD_BYTES;
    int rc = work(&j);
    drop(&j, rc >= 0);
    if (rc < 0)
        qn_data_result_drop(r);
    return rc;
}

void qn_data_result_drop(qn_data_result *r) {
    qn_free(r->source);
    *r = (qn_data_result){0};
}
