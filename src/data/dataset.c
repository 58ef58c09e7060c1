/* data/dataset.c — a prepared folder opened: data.json read, its shards mapped and checked against it. */
#include "data/dataset_impl.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"

#define DATA_JSON_MAX ((size_t)256 << 20)
#define SOURCES_MAX 4096

static const char *const split_names[QN_SPLITS] = {"train", "validation"};

/* A row of "shards". */
typedef struct { qn_buf file; qn_split split; int64_t source, tokens, documents; qn_buf checksum; } shard_row;

/* ---- data.json --------------------------------------------------------------------------------------------------- */

static int read_split_name(qn_json *j, qn_split *out) {
    qn_buf name = {0};
    int rc;
    QN_TRY_OUT(qn_json_string(j, &name));
    for (int i = 0; i < QN_SPLITS; i++)
        if (qn_str_is(qn_buf_view(&name), split_names[i])) {
            *out = (qn_split)i;
            goto out;
        }
    rc = qn_json_fail(j, QN_EFORMAT, "a split is train or validation");
out:
    qn_buf_drop(&name);
    return rc;
}

static int read_shard_row(qn_json *j, shard_row *row) {
    qn_str key;
    int more;
    qn_buf_clear(&row->file);
    qn_buf_clear(&row->checksum);
    row->source = row->tokens = row->documents = -1;
    QN_TRY(qn_json_enter(j, '{'));
    while ((more = qn_json_key(j, &key)) > 0) {
        if (qn_str_is(key, "file"))
            QN_TRY(qn_json_string(j, &row->file));
        else if (qn_str_is(key, "split"))
            QN_TRY(read_split_name(j, &row->split));
        else if (qn_str_is(key, "source"))
            QN_TRY(qn_json_i64(j, &row->source));
        else if (qn_str_is(key, "tokens"))
            QN_TRY(qn_json_i64(j, &row->tokens));
        else if (qn_str_is(key, "documents"))
            QN_TRY(qn_json_i64(j, &row->documents));
        else if (qn_str_is(key, "checksum"))
            QN_TRY(qn_json_string(j, &row->checksum));
        else
            QN_TRY(qn_json_skip(j));
    }
    QN_TRY(more);
    if (!row->file.n || memchr(row->file.s, '/', row->file.n) || row->source < 0 || row->source >= SOURCES_MAX)
        return qn_json_fail(j, QN_EFORMAT, "a shard needs a file of this folder and its source");
    return 0;
}

static int check_shard(const qn_shard *s, const shard_row *row) {
    char sum[17];
    snprintf(sum, sizeof sum, "%016llx", (unsigned long long)s->checksum);
    if (s->tokens != row->tokens || s->ends != row->documents || !qn_str_is(qn_buf_view(&row->checksum), sum))
        return qn_fail(QN_EFORMAT, "%s: %lld tokens, %lld documents, checksum %s, but data.json says something else; "
                       "prepare the data again", s->name, (long long)s->tokens, (long long)s->ends, sum);
    return 0;
}

static int add_shard(qn_dataset *d, const shard_row *row) {
    qn_dataset_split *p = &d->split[row->split];
    qn_buf path = {0};
    QN_TRY(QN_GROW(QN_MEM_BASE, p->shard, p->cap, p->n + 1));
    QN_TRY(QN_GROW(QN_MEM_BASE, p->source, p->cap_source, p->n + 1));
    if (p->n && row->source < p->source[p->n - 1])
        return qn_fail(QN_EFORMAT, "%s: the shards of data.json do not stand in the order of their sources", d->path);
    int rc = qn_path_join(&path, d->path, row->file.s);
    if (rc >= 0)
        rc = qn_shard_open(&p->shard[p->n], path.s);
    qn_buf_drop(&path);
    QN_TRY(rc);
    p->source[p->n] = (int)row->source;
    p->shard[p->n].first = p->tokens;
    p->tokens += p->shard[p->n].tokens;
    p->documents += p->shard[p->n].ends;
    p->n++;
    return check_shard(&p->shard[p->n - 1], row);
}

static int read_shards(qn_dataset *d, qn_json *j) {
    shard_row row = {0};
    int rc, more;
    QN_TRY_OUT(qn_json_enter(j, '['));
    while ((more = qn_json_item(j)) > 0) {
        QN_TRY_OUT(read_shard_row(j, &row));
        QN_TRY_OUT(add_shard(d, &row));
    }
    rc = more;
out:
    qn_buf_drop(&row.file);
    qn_buf_drop(&row.checksum);
    return rc;
}

static int read_count(qn_json *j, int64_t *out) {
    QN_TRY(qn_json_i64(j, out));
    return *out >= 0 && *out <= INT64_MAX / SOURCES_MAX ? 0 : qn_json_fail(j, QN_EFORMAT, "a count cannot be %lld",
                                                                           (long long)*out);
}

static int read_split(qn_json *j, qn_split_info *out) {
    qn_str key;
    int more;
    QN_TRY(qn_json_enter(j, '{'));
    while ((more = qn_json_key(j, &key)) > 0) {
        int64_t *at = qn_str_is(key, "documents") ? &out->documents : qn_str_is(key, "tokens") ? &out->tokens
                      : qn_str_is(key, "bytes")   ? &out->bytes     : NULL;
        QN_TRY(at ? read_count(j, at) : qn_json_skip(j));
    }
    return more;
}

/* The first path names the source. */
static int read_paths(qn_json *j, qn_dataset_source *s) {
    qn_buf name = {0};
    int more;
    QN_TRY(qn_json_enter(j, '['));
    while ((more = qn_json_item(j)) > 0) {
        if (s->name) {
            QN_TRY(qn_json_skip(j));
            continue;
        }
        int rc = qn_json_string(j, &name);
        s->name = rc >= 0 ? qn_str_dup(QN_MEM_BASE, qn_buf_view(&name)) : NULL;
        qn_buf_drop(&name);
        if (!s->name)
            return rc < 0 ? rc : QN_ENOMEM;
    }
    return more;
}

static int read_source_member(qn_json *j, qn_str key, qn_dataset_source *s) {
    const struct { const char *key; int64_t *at; } counts[] = {
        {"documents", &s->documents}, {"duplicates", &s->duplicates}, {"empty", &s->empty},
        {"invalid_characters", &s->invalid}, {"lines_without_text", &s->textless}, {"bad_lines", &s->bad}};
    for (size_t i = 0; i < QN_LEN(counts); i++)
        if (qn_str_is(key, counts[i].key))
            return read_count(j, counts[i].at);
    for (int k = 0; k < QN_SPLITS; k++)
        if (qn_str_is(key, split_names[k]))
            return read_split(j, &s->split[k]);
    if (qn_str_is(key, "paths"))
        return read_paths(j, s);
    return qn_str_is(key, "weight") ? qn_json_f64(j, &s->weight) : qn_json_skip(j);
}

static int read_source(qn_dataset *d, qn_json *j) {
    qn_str key;
    int more;
    if (d->sources >= SOURCES_MAX)
        return qn_json_fail(j, QN_ELIMIT, "more than %d sources", SOURCES_MAX);
    QN_TRY(QN_GROW(QN_MEM_BASE, d->source, d->cap_sources, d->sources + 1));
    qn_dataset_source *s = &d->source[d->sources++];
    *s = (qn_dataset_source){0};
    QN_TRY(qn_json_enter(j, '{'));
    while ((more = qn_json_key(j, &key)) > 0)
        QN_TRY(read_source_member(j, key, s));
    QN_TRY(more);
    for (int k = 0; k < QN_SPLITS; k++)
        d->split[k].bytes += s->split[k].bytes;
    return s->weight >= 0 && s->weight <= 1e12 ? 0 : qn_json_fail(j, QN_EFORMAT, "a weight of %g", s->weight);
}

static int read_sources(qn_dataset *d, qn_json *j) {
    int more;
    QN_TRY(qn_json_enter(j, '['));
    while ((more = qn_json_item(j)) > 0)
        QN_TRY(read_source(d, j));
    return more;
}

static int read_token_bytes(qn_dataset *d, qn_json *j) {
    int more;
    QN_TRY(qn_json_enter(j, '['));
    while ((more = qn_json_item(j)) > 0) {
        int64_t n;
        QN_TRY(qn_json_i64(j, &n));
        if (n < 0 || n > UINT16_MAX)
            return qn_json_fail(j, QN_EFORMAT, "a token of %lld bytes cannot be", (long long)n);
        QN_TRY(QN_GROW(QN_MEM_BASE, d->token_bytes, d->cap_token_bytes, d->n_token_bytes + 1));
        d->token_bytes[d->n_token_bytes++] = (uint16_t)n;
    }
    return more;
}

static int read_version(qn_json *j) {
    int64_t version;
    QN_TRY(qn_json_i64(j, &version));
    return version == 1 ? 0 : qn_json_fail(j, QN_EUNSUPPORTED, "version %lld; this build reads 1; prepare the data "
                                           "again", (long long)version);
}

static int read_tokenizer_sum(qn_dataset *d, qn_json *j) {
    qn_buf sum = {0};
    int rc = qn_json_string(j, &sum);
    if (rc >= 0)
        snprintf(d->tokenizer_sum, sizeof d->tokenizer_sum, "%s", sum.s ? sum.s : "");
    qn_buf_drop(&sum);
    return rc;
}

static int read_json(qn_dataset *d, qn_json *j) {
    qn_str key;
    int more;
    QN_TRY(qn_json_enter(j, '{'));
    while ((more = qn_json_key(j, &key)) > 0) {
        if (qn_str_is(key, "version"))
            QN_TRY(read_version(j));
        else if (qn_str_is(key, "vocab"))
            QN_TRY(qn_json_i64(j, &d->vocab));
        else if (qn_str_is(key, "tokenizer_checksum"))
            QN_TRY(read_tokenizer_sum(d, j));
        else if (qn_str_is(key, "sources"))
            QN_TRY(read_sources(d, j));
        else if (qn_str_is(key, "shards"))
            QN_TRY(read_shards(d, j));
        else if (qn_str_is(key, "token_bytes"))
            QN_TRY(read_token_bytes(d, j));
        else
            QN_TRY(qn_json_skip(j));
    }
    QN_TRY(more);
    QN_TRY(qn_json_end(j));
    if (d->vocab < 1 || d->n_token_bytes != (size_t)d->vocab)
        return qn_fail(QN_EFORMAT, "%s: token_bytes of %zu tokens for a vocabulary of %lld", j->name, d->n_token_bytes,
                       (long long)d->vocab);
    return 0;
}

/* ---- what the shards say together -------------------------------------------------------------------------------- */

/* All ends in one array, and where each source begins. A source ends with a document. */
static int gather_ends(qn_dataset *d, qn_dataset_split *p) {
    p->end = qn_zalloc(QN_MEM_BASE, (size_t)p->documents + 1, sizeof *p->end);
    p->source_token = qn_zalloc(QN_MEM_BASE, d->sources + 1, sizeof *p->source_token);
    p->source_document = qn_zalloc(QN_MEM_BASE, d->sources + 1, sizeof *p->source_document);
    if (!p->end || !p->source_token || !p->source_document)
        return QN_ENOMEM;
    int64_t n = 0;
    size_t source = 0;
    for (size_t i = 0; i < p->n; i++) {
        const qn_shard *s = &p->shard[i];
        if ((size_t)p->source[i] >= d->sources)
            return qn_fail(QN_EFORMAT, "%s: data.json names no source %d", s->name, p->source[i]);
        if (s->vocab != d->vocab)
            return qn_fail(QN_EFORMAT, "%s: ids of a vocabulary of %lld, data.json says %lld", s->name,
                           (long long)s->vocab, (long long)d->vocab);
        for (; source < (size_t)p->source[i]; source++) {
            p->source_token[source + 1] = s->first;
            p->source_document[source + 1] = n;
        }
        for (int64_t k = 0; k < s->ends; k++)
            p->end[n++] = s->first + s->end[k];
        bool last = i + 1 == p->n || p->source[i + 1] != p->source[i];
        if (last && s->first + s->tokens != (n ? p->end[n - 1] : 0))
            return qn_fail(QN_EFORMAT, "%s: the last document has no end; a shard is missing", s->name);
    }
    for (; source < d->sources; source++) {
        p->source_token[source + 1] = p->tokens;
        p->source_document[source + 1] = n;
    }
    return 0;
}

static void make_fingerprint(qn_dataset *d) {
    uint64_t a = 1, b = 2;
    for (int k = 0; k < QN_SPLITS; k++)
        for (size_t i = 0; i < d->split[k].n; i++) {
            const qn_shard *s = &d->split[k].shard[i];
            double weight = d->source[d->split[k].source[i]].weight;
            uint64_t row[6] = {s->checksum, (uint64_t)s->tokens, (uint64_t)s->ends, (uint64_t)s->vocab,
                               (uint64_t)k << 32 | (uint64_t)d->split[k].source[i]};
            memcpy(&row[5], &weight, sizeof weight);
            a = qn_hash_bytes(row, sizeof row, a);
            b = qn_hash_bytes(row, sizeof row, b);
        }
    snprintf(d->fingerprint, sizeof d->fingerprint, "%016llx%016llx", (unsigned long long)a, (unsigned long long)b);
}

uint64_t qn_dataset_tokenizer_sum(qn_str text) { return qn_hash_bytes(text.s, text.n, 0); }

/* Another tokenizer beside the shards would read their ids as other text. None at all is the caller's business. */
static int check_tokenizer(const qn_dataset *d) {
    qn_map_file f;
    qn_buf path = {0};
    char sum[17];
    int rc;
    QN_TRY_OUT(qn_path_join(&path, d->path, "tokenizer.json"));
    if (!d->tokenizer_sum[0] || !qn_is_file(path.s))
        goto out;
    QN_TRY_OUT(qn_map_open(&f, path.s));
    snprintf(sum, sizeof sum, "%016llx", (unsigned long long)qn_dataset_tokenizer_sum((qn_str){f.s, f.n}));
    qn_map_close(&f);
    if (strcmp(sum, d->tokenizer_sum) != 0)
        rc = qn_fail(QN_EFORMAT, "%s is not the tokenizer that the shards beside it were made with; put that one back, "
                     "or prepare the data again", path.s);
out:
    qn_buf_drop(&path);
    return rc;
}

static int read_folder(qn_dataset *d, const char *json_path) {
    qn_buf text = {0};
    qn_json j = {0};
    int rc;
    QN_TRY_OUT(qn_read_file(&text, json_path, DATA_JSON_MAX));
    qn_json_init(&j, text.s, text.n, json_path);
    QN_TRY_OUT(read_json(d, &j));
    for (int k = 0; k < QN_SPLITS; k++)
        QN_TRY_OUT(gather_ends(d, &d->split[k]));
    make_fingerprint(d);
    rc = check_tokenizer(d);
out:
    qn_json_drop(&j);
    qn_buf_drop(&text);
    return rc;
}

int qn_dataset_open(qn_dataset **out, const char *dir) {
    int rc;
    qn_buf path = {0};
    *out = NULL;
    qn_dataset *d = qn_zalloc(QN_MEM_BASE, 1, sizeof *d);
    if (!d)
        return QN_ENOMEM;
    d->path = qn_str_dup(QN_MEM_BASE, qn_str_of(dir));
    QN_TRY_OUT(d->path ? 0 : QN_ENOMEM);
    QN_TRY_OUT(qn_path_join(&path, dir, "data.json"));
    if (!qn_is_file(path.s)) {
        rc = qn_fail(QN_ENOTFOUND, "%s: no data.json there, so it is no prepared data (`quern data prepare` makes it; "
                     "it is written last)", dir);
        goto out;
    }
    QN_TRY_OUT(read_folder(d, path.s));
    *out = d;
    d = NULL;
out:
    qn_dataset_close(d);
    qn_buf_drop(&path);
    return rc;
}

void qn_dataset_close(qn_dataset *d) {
    if (!d)
        return;
    for (int k = 0; k < QN_SPLITS; k++) {
        qn_dataset_split *p = &d->split[k];
        for (size_t i = 0; i < p->n; i++)
            qn_shard_close(&p->shard[i]);
        qn_free(p->shard);
        qn_free(p->source);
        qn_free(p->end);
        qn_free(p->source_token);
        qn_free(p->source_document);
    }
    for (size_t i = 0; i < d->sources; i++)
        qn_free(d->source[i].name);
    qn_free(d->source);
    qn_free(d->token_bytes);
    qn_free(d->path);
    qn_free(d);
}

int qn_dataset_verify(const qn_dataset *d) {
    for (int k = 0; k < QN_SPLITS; k++)
        for (size_t i = 0; i < d->split[k].n; i++)
            QN_TRY(qn_shard_verify(&d->split[k].shard[i]));
    return 0;
}

int64_t qn_dataset_size(const qn_dataset *d) {
    int64_t size = 0;
    for (int k = 0; k < QN_SPLITS; k++)
        for (size_t i = 0; i < d->split[k].n; i++)
            size += (int64_t)d->split[k].shard[i].file.n;
    return size;
}

qn_split_info qn_dataset_info(const qn_dataset *d, qn_split split) {
    const qn_dataset_split *p = &d->split[split];
    return (qn_split_info){.documents = p->documents, .tokens = p->tokens, .bytes = p->bytes};
}

size_t qn_dataset_sources(const qn_dataset *d) { return d->sources; }
const qn_dataset_source *qn_dataset_source_at(const qn_dataset *d, size_t i) { return &d->source[i]; }
int64_t qn_dataset_vocab(const qn_dataset *d) { return d->vocab; }
const char *qn_dataset_path(const qn_dataset *d) { return d->path; }
const char *qn_dataset_fingerprint(const qn_dataset *d) { return d->fingerprint; }
const uint16_t *qn_dataset_token_bytes(const qn_dataset *d) { return d->token_bytes; }

double qn_dataset_repeat(const qn_dataset *d, qn_split split, size_t source) {
    const qn_dataset_split *p = &d->split[split];
    double sum = 0;
    int64_t tokens = 0;
    for (size_t i = 0; i < d->sources; i++) {
        int64_t n = p->source_token[i + 1] - p->source_token[i];
        sum += n ? d->source[i].weight : 0;
        tokens += n;
    }
    int64_t own = p->source_token[source + 1] - p->source_token[source];
    if (split != QN_SPLIT_TRAIN || sum == 0 || own == 0)
        return 1;
    return d->source[source].weight / sum * (double)tokens / (double)own;
}

void qn_dataset_document(const qn_dataset *d, qn_split split, int64_t i, int64_t *from, int64_t *n) {
    const qn_dataset_split *p = &d->split[split];
    qn_assert(i >= 0 && i < p->documents);
    *from = i ? p->end[i - 1] : 0;
    *n = p->end[i] - *from;
}

int64_t qn_dataset_find(const qn_dataset *d, qn_split split, int64_t token) {
    const qn_dataset_split *p = &d->split[split];
    int64_t lo = 0, hi = p->documents - 1;
    qn_assert(token >= 0 && token < p->tokens);
    while (lo < hi) {
        int64_t mid = lo + (hi - lo) / 2;
        if (p->end[mid] > token)
            hi = mid;
        else
            lo = mid + 1;
    }
    return lo;
}

int qn_dataset_read(const qn_dataset *d, qn_split split, int64_t from, int64_t n, int32_t *out) {
    const qn_dataset_split *p = &d->split[split];
    qn_assert(from >= 0 && n >= 0 && from + n <= p->tokens);
    return n ? qn_shards_read(p->shard, p->n, from, n, out) : 0;
}
