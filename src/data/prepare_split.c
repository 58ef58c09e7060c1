/* data/prepare_split.c — shards of both splits side by side, and what to do where whole documents give no split. */
#include "data/prepare_split.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char *const split_names[QN_SPLITS] = {"train", "validation"};

void qn_shard_set_source(qn_shard_set *s, int source) {
    s->source = source;
    for (int k = 0; k < QN_SPLITS; k++) {
        s->info[k] = (qn_split_info){0};
        s->document[k] = s->longest[k] = s->longest_at[k] = 0;
    }
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

static int commit(qn_shard_set *s, qn_split split) {
    qn_shard_writer *w = &s->writer[split];
    qn_shard_entry e = {.split = split, .source = s->source, .tokens = w->tokens, .documents = w->ends};
    QN_TRY(QN_GROW(QN_MEM_BASE, s->entry, s->cap, s->n + 1));
    e.file = qn_str_dup(QN_MEM_BASE, qn_str_of(strrchr(s->path[split].s, '/') + 1));
    if (!e.file)
        return QN_ENOMEM;
    int rc = qn_shard_writer_commit(w, &e.checksum);
    qn_shard_writer_drop(w);
    if (rc < 0) {
        qn_free(e.file);
        return rc;
    }
    s->entry[s->n++] = e;
    return 0;
}

static int open_shard(qn_shard_set *s, qn_split split) {
    char name[64];
    snprintf(name, sizeof name, "%s-%05lld.tokens", split_names[split], (long long)s->made[split]++);
    QN_TRY(qn_path_join(&s->path[split], s->folder, name));
    return qn_shard_writer_open(&s->writer[split], s->path[split].s, s->vocab, s->bytes_max);
}

int qn_shard_set_put(qn_shard_set *s, qn_split split, const int32_t *ids, int64_t n) {
    qn_shard_writer *w = &s->writer[split];
    s->info[split].tokens += n;
    s->document[split] += n;
    while (n > 0) {
        if (w->width && qn_shard_writer_room(w) == 0)
            QN_TRY(commit(s, split));
        if (!w->width)
            QN_TRY(open_shard(s, split));
        int64_t k = QN_MIN(n, qn_shard_writer_room(w));
        QN_TRY(qn_shard_writer_put(w, ids, k));
        ids += k;
        n -= k;
    }
    return 0;
}

int qn_shard_set_end(qn_shard_set *s, qn_split split, int64_t bytes) {
    int64_t n = s->document[split];
    if (n == 0)
        return 0;
    s->info[split].documents++;
    s->info[split].bytes += bytes;
    if (n > s->longest[split]) {
        s->longest[split] = n;
        s->longest_at[split] = s->info[split].tokens - n;
    }
    s->document[split] = 0;
    return qn_shard_writer_end(&s->writer[split]);
}

int qn_shard_set_finish(qn_shard_set *s) {
    for (int k = 0; k < QN_SPLITS; k++)
        if (s->writer[k].width)
            QN_TRY(commit(s, (qn_split)k));
    return 0;
}

void qn_shard_set_drop(qn_shard_set *s, bool keep) {
    for (size_t i = 0; i < s->n; i++) {
        if (!keep && qn_path_join(&s->path[0], s->folder, s->entry[i].file) == 0)
            unlink(s->path[0].s);
        qn_free(s->entry[i].file);
    }
    for (int k = 0; k < QN_SPLITS; k++) {
        qn_shard_writer_drop(&s->writer[k]);
        qn_buf_drop(&s->path[k]);
    }
    qn_free(s->entry);
    *s = (qn_shard_set){0};
}

/* ---- a part of the largest document ------------------------------------------------------------------------------ */

/* The shards of one split of the current source, mapped. */
typedef struct { qn_shard *shard; size_t n; int64_t tokens; } view;

static void close_view(view *v) {
    for (size_t i = 0; i < v->n; i++)
        qn_shard_close(&v->shard[i]);
    qn_free(v->shard);
    *v = (view){0};
}

static int open_view(qn_shard_set *s, qn_split split, view *v) {
    *v = (view){.shard = qn_zalloc(QN_MEM_BASE, s->n, sizeof *v->shard)};
    if (!v->shard)
        return QN_ENOMEM;
    for (size_t i = 0; i < s->n; i++) {
        if (s->entry[i].source != s->source || s->entry[i].split != split)
            continue;
        QN_TRY(qn_path_join(&s->path[split], s->folder, s->entry[i].file));
        QN_TRY(qn_shard_open(&v->shard[v->n], s->path[split].s));
        v->shard[v->n++].first = v->tokens;
        v->tokens += s->entry[i].tokens;
    }
    return 0;
}

static int copy(qn_shard_set *s, const view *v, qn_split to, int64_t from, int64_t end) {
    int32_t ids[4096];
    while (from < end) {
        int64_t n = QN_MIN((int64_t)QN_LEN(ids), end - from);
        QN_TRY(qn_shards_read(v->shard, v->n, from, n, ids));
        QN_TRY(qn_shard_set_put(s, to, ids, n));
        from += n;
    }
    return 0;
}

/* All documents of the view again, without the tokens [skip, skip_end) that lie in one of them. */
static int rewrite(qn_shard_set *s, const view *v, qn_split split, int64_t skip, int64_t skip_end) {
    int64_t at = 0;
    for (size_t i = 0; i < v->n; i++)
        for (int64_t k = 0; k < v->shard[i].ends; k++) {
            int64_t end = v->shard[i].first + v->shard[i].end[k];
            if (skip < end && skip >= at) {
                QN_TRY(copy(s, v, split, at, skip));
                at = skip_end;
            }
            QN_TRY(copy(s, v, split, at, end));
            QN_TRY(qn_shard_set_end(s, split, 0));
            at = end;
        }
    return 0;
}

/* How well a text may be cut in front of this token: 3 a line ended, 2 a word begins, 1 anywhere. */
static int rate_cut(const qn_tok *tok, int32_t before, int32_t behind) {
    qn_str a = qn_tok_piece(tok, before), b = qn_tok_piece(tok, behind);
    if (a.n && a.s[a.n - 1] == '\n' && !(b.n && b.s[0] == '\n'))
        return 3;
    return b.n && (b.s[0] == ' ' || b.s[0] == '\n') ? 2 : 1;
}

/* The best place near `cut` in the document [from, end): the nearest line end within a tenth of the smaller part. */
static int choose_cut(const view *v, const qn_tok *tok, int64_t from, int64_t end, int64_t *cut) {
    int64_t reach = QN_MIN(QN_MIN(*cut - from, end - *cut) / 10, 1000), best = *cut;
    int32_t ids[2002];
    int rating = 0;
    int64_t first = *cut - reach - 1;
    QN_TRY(qn_shards_read(v->shard, v->n, first, 2 * reach + 2, ids));
    for (int64_t i = 0; i <= 2 * reach; i++) {
        int64_t at = *cut + (i % 2 ? (i + 1) / 2 : -(i / 2));             /* 0, +1, −1, +2 … */
        int rate = rate_cut(tok, ids[at - 1 - first], ids[at - first]);
        if (rate > rating) {
            rating = rate;
            best = at;
        }
    }
    *cut = best;
    return 0;
}

static int bytes_of(const view *v, int64_t from, int64_t end, const uint16_t *token_bytes, int64_t *bytes) {
    int32_t ids[4096];
    *bytes = 0;
    while (from < end) {
        int64_t n = QN_MIN((int64_t)QN_LEN(ids), end - from);
        QN_TRY(qn_shards_read(v->shard, v->n, from, n, ids));
        for (int64_t i = 0; i < n; i++)
            *bytes += token_bytes[ids[i]];
        from += n;
    }
    return 0;
}

/* Takes the view's entries out of the list and their files out of the folder: the names are used again, the view lives
 * on as a map. */
static void forget(qn_shard_set *s, qn_split split, const view *v) {
    size_t kept = 0;
    for (size_t i = 0; i < s->n; i++) {
        if (s->entry[i].source != s->source || s->entry[i].split != split) {
            s->entry[kept++] = s->entry[i];
            continue;
        }
        if (qn_path_join(&s->path[split], s->folder, s->entry[i].file) == 0)
            unlink(s->path[split].s);
        qn_free(s->entry[i].file);
    }
    s->n = kept;
    s->made[split] -= (int64_t)v->n;
}

/* Tokens [from, end) of `big`'s stream become a document of the other split. */
static int move(qn_shard_set *s, const view *v, qn_split big, int64_t from, int64_t end, const uint16_t *token_bytes) {
    qn_split other = big == QN_SPLIT_TRAIN ? QN_SPLIT_VALIDATION : QN_SPLIT_TRAIN;
    qn_split_info was = s->info[big];
    int64_t bytes;
    QN_TRY(bytes_of(v, from, end, token_bytes, &bytes));
    QN_TRY(copy(s, v, other, from, end));
    QN_TRY(qn_shard_set_end(s, other, bytes));
    forget(s, big, v);
    s->info[big] = (qn_split_info){0};
    s->longest[big] = 0;
    QN_TRY(rewrite(s, v, big, from, end));
    s->info[big].bytes = QN_MAX(was.bytes - bytes, (int64_t)0);
    return qn_shard_set_finish(s);
}

/* Which tokens change sides: [*from, *end) of the largest document of *big; 0 where nothing has to. */
static int choose_part(const qn_shard_set *s, double share, qn_split *big, int64_t *from, int64_t *end, int64_t *cut) {
    int64_t have = s->info[QN_SPLIT_VALIDATION].tokens, train = s->info[QN_SPLIT_TRAIN].tokens;
    int64_t want = QN_MAX((int64_t)(share * (double)(train + have)), (int64_t)2);
    *big = have < want ? QN_SPLIT_TRAIN : QN_SPLIT_VALIDATION;
    int64_t n = s->longest[*big];
    *from = s->longest_at[*big];
    *end = *from + n;
    if (share <= 0 || train + have == 0 || (4 * have >= want && have <= 4 * want && have <= train))
        return 0;
    int64_t tail = *big == QN_SPLIT_TRAIN ? QN_MIN(want - have, n / 2) : QN_MAX(n - (have - want), n / 100);
    tail = QN_MAX(tail, (int64_t)2);
    *cut = *end - tail;
    if (n - tail >= 2)
        return 1;
    *cut = *end;                                    /* too short to cut: at least there is something to train on */
    return train == 0;
}

int qn_shard_set_balance(qn_shard_set *s, double share, const qn_tok *tok, const uint16_t *token_bytes) {
    qn_split big;
    int64_t from, end, cut;
    view v = {0};
    int rc = choose_part(s, share, &big, &from, &end, &cut);
    if (rc <= 0)
        return rc;
    QN_TRY_OUT(open_view(s, big, &v));
    if (cut < end)
        QN_TRY_OUT(choose_cut(&v, tok, from, end, &cut));
    if (big == QN_SPLIT_TRAIN)
        from = cut;
    else
        end = cut;
    rc = move(s, &v, big, from, end, token_bytes);
out:
    close_view(&v);
    return rc < 0 ? rc : 1;
}
