/* tok/train_words.c — how often each word occurs, over texts larger than memory.
 *
 * Text gathers in a batch. A full batch is cut into tiles, threads split tiles into words and count them in tables of
 * their own, and then the tables are added up, shard by shard:
 *
 *     batch  │ tile │ tile │ tile │ tile │ rest ──► stays for the next batch
 *     thread    0      1      1      0              local[thread][shard]  ──►  shard[s] += Σ local[·][s]
 *
 * Batches and tiles are cut where no word goes on, and their borders depend on the text alone; so does the moment when
 * words are given up for memory (between two batches). Hence the same counts with any number of threads. */
#include "tok/train_internal.h"

#define BATCH_MAX ((size_t)16 << 20)
#define TILE ((size_t)128 << 10)
/* What learning merges will need for a word of n bytes besides the tables here: slots, positions, pairs. */
#define LEARN_BYTES(n) (32 * ((n) + 1))

struct qn_words_error { int rc; char message[512]; };

/* ---- one table -------------------------------------------------------------------------------------------------- */

static void table_drop(qn_word_table *t) {
    qn_free(t->word);
    qn_free(t->text);
    qn_free(t->slot);
    *t = (qn_word_table){0};
}

/* Empty, with its memory kept. */
static void table_clear(qn_word_table *t) {
    if (t->n)
        memset(t->slot, 0, t->n_slots * sizeof *t->slot);
    t->n = t->n_text = 0;
}

static void table_index(qn_word_table *t) {
    size_t mask = t->n_slots - 1;
    memset(t->slot, 0, t->n_slots * sizeof *t->slot);
    for (size_t i = 0; i < t->n; i++) {
        size_t at = t->word[i].tag & mask;
        while (t->slot[at])
            at = (at + 1) & mask;
        t->slot[at] = (uint32_t)i + 1;
    }
}

static int table_grow(qn_word_table *t) {
    size_t slots = t->n_slots ? 2 * t->n_slots : 256;
    if (slots > (size_t)1 << 32)
        return qn_fail(QN_ELIMIT, "more than %zu different words; lower --max-memory to give the rarest up", t->n);
    qn_free(t->slot);
    t->n_slots = 0;
    t->slot = qn_alloc(QN_MEM_TOK, slots * sizeof *t->slot);
    if (!t->slot)
        return QN_ENOMEM;
    t->n_slots = slots;
    table_index(t);
    return 0;
}

/* The low half of a hash finds the slot, its high bits choose the shard. */
static int table_add(qn_word_table *t, uint32_t tag, const char *s, size_t n, int64_t count) {
    if (t->n + 1 > t->n_slots / 4 * 3)
        QN_TRY(table_grow(t));
    size_t mask = t->n_slots - 1, at = tag & mask;
    for (; t->slot[at]; at = (at + 1) & mask) {
        qn_word *w = &t->word[t->slot[at] - 1];
        if (w->tag == tag && w->n == n && memcmp(t->text + w->at, s, n) == 0) {
            w->count += count;
            return 0;
        }
    }
    QN_TRY(QN_GROW(QN_MEM_TOK, t->word, t->cap_word, t->n + 1));
    QN_TRY(QN_GROW(QN_MEM_TOK, t->text, t->cap_text, t->n_text + n));
    memcpy(t->text + t->n_text, s, n);
    t->word[t->n++] = (qn_word){t->n_text, count, (uint32_t)n, tag};
    t->n_text += n;
    t->slot[at] = (uint32_t)t->n;
    return 0;
}

static int64_t table_bytes(const qn_word_table *t) {
    return (int64_t)(t->cap_word * sizeof *t->word + t->cap_text + t->n_slots * sizeof *t->slot);
}

/* ---- making ----------------------------------------------------------------------------------------------------- */

/* GPT-2's pattern is ByteLevel's own: written so, the file is what Hugging Face would have made. */
int qn_train_pre(qn_tok_spec *s, qn_str name) {
    if (qn_str_is(name, "gpt-2") || qn_str_is(name, "gpt2"))
        return qn_tok_spec_pretok(s, &(qn_tok_pretok){.kind = QN_PRETOK_BYTE_LEVEL, .use_regex = true});
    return qn_tok_spec_pre_name(s, name);
}

/* A tokenizer that knows the 256 bytes and the way of splitting. */
static int make_splitter(qn_words *w) {
    int rc = 0;
    qn_buf text = {0};
    qn_tok_spec spec;
    qn_tok_spec_init(&spec);
    spec.model = QN_TOK_BPE;
    for (int b = 0; b < 256; b++) {
        qn_buf_clear(&text);
        QN_TRY_OUT(qn_buf_utf8(&text, qn_bytelevel_char((uint8_t)b)));
        QN_TRY_OUT(qn_tok_spec_token(&spec, b, qn_buf_view(&text), QN_TOKEN_NORMAL));
    }
    QN_TRY_OUT(qn_train_pre(&spec, qn_str_of(w->o.pre)));
    QN_TRY_OUT(qn_tok_new(&w->tok, &spec));
out:
    qn_buf_drop(&text);
    qn_tok_spec_drop(&spec);
    return rc;
}

int qn_words_new(qn_words **out, const qn_words_options *o) {
    int rc = 0;
    if (o->max_memory != 0 && o->max_memory < QN_WORDS_MIN_MEMORY)
        return qn_fail(QN_EINVAL, "training a tokenizer needs at least %lld MB",
                       (long long)(QN_WORDS_MIN_MEMORY >> 20));
    qn_words *w = qn_zalloc(QN_MEM_TOK, 1, sizeof *w);
    if (!w)
        return QN_ENOMEM;
    w->o = *o;
    w->o.pre = o->pre ? o->pre : "gpt-2";
    w->threads = qn_pool_threads(o->pool);
    w->batch = o->max_memory ? QN_MIN((size_t)o->max_memory / 16, BATCH_MAX) : BATCH_MAX;
    w->local = qn_zalloc(QN_MEM_TOK, (size_t)w->threads * QN_WORD_SHARDS, sizeof *w->local);
    w->error = qn_zalloc(QN_MEM_TOK, (size_t)w->threads, sizeof *w->error);
    w->text = qn_alloc(QN_MEM_TOK, w->batch);
    QN_TRY_OUT(w->local && w->error && w->text ? 0 : QN_ENOMEM);
    QN_TRY_OUT(make_splitter(w));
    *out = w;
    w = NULL;
out:
    qn_words_free(w);
    return rc;
}

/* What only counting needs. */
static void drop_batch(qn_words *w) {
    for (int i = 0; w->local && i < w->threads * QN_WORD_SHARDS; i++)
        table_drop(&w->local[i]);
    qn_free(w->local);
    qn_free(w->text);
    qn_free(w->end);
    qn_free(w->tile);
    w->local = NULL;
    w->text = NULL;
    w->end = w->tile = NULL;
}

void qn_words_free(qn_words *w) {
    if (!w)
        return;
    drop_batch(w);
    for (int s = 0; s < QN_WORD_SHARDS; s++)
        table_drop(&w->shard[s]);
    qn_tok_free(w->tok);
    qn_free(w->error);
    qn_free(w);
}

/* ---- where a text may be cut ------------------------------------------------------------------------------------ */

/* Does every pre-tokenizer begin a word at s[at]? Where a blank follows what is none: no pattern goes on from a
 * character to a blank behind it, and none looks back. Line by line, also behind every '\n'. */
static bool safe_cut(const qn_words *w, const char *s, size_t at) {
    if (!w->o.whole && s[at - 1] == '\n')
        return true;
    if (s[at] != ' ')
        return false;
    uint32_t c = (unsigned char)s[at - 1];
    if (c < 0x80)
        return c > ' ' && c != 0x7f;
    size_t from = at - 1;
    while (from > 0 && at - from < 4 && ((unsigned char)s[from] & 0xc0) == 0x80)
        from--;
    return qn_utf8_decode(s + from, at - from, &c) > 0 && !qn_char_is_space(c);
}

/* The last place in s[0…n) up to which words can be counted now: behind the last document that has ended, or at a safe
 * place further on. A text without any is cut between two characters. */
static size_t last_cut(qn_words *w) {
    size_t ended = w->n_end ? w->end[w->n_end - 1] : 0;
    for (size_t at = w->n_text - 1; at > ended; at--)
        if (safe_cut(w, w->text, at))
            return at;
    if (ended)
        return ended;
    w->stats.cut++;
    return w->n_text - qn_utf8_pending(w->text, w->n_text);
}

/* The first border at or behind `from`: a document's end or a safe place; n if there is none. */
static size_t next_cut(const qn_words *w, size_t from, size_t n, size_t *next_end) {
    while (*next_end < w->n_end && w->end[*next_end] < from)
        ++*next_end;
    size_t limit = *next_end < w->n_end ? QN_MIN(w->end[*next_end], n) : n;
    for (size_t at = from; at < limit; at++)
        if (safe_cut(w, w->text, at))
            return at;
    return limit;
}

static int cut_tiles(qn_words *w, size_t n) {
    size_t next_end = 0;
    w->n_tiles = 0;
    for (size_t at = 0; at < n;) {
        QN_TRY(QN_GROW(QN_MEM_TOK, w->tile, w->cap_tile, w->n_tiles + 2));
        w->tile[w->n_tiles++] = at;
        at = n - at <= TILE ? n : next_cut(w, at + TILE, n, &next_end);
        w->tile[w->n_tiles] = at;
    }
    return 0;
}

/* ---- counting a batch ------------------------------------------------------------------------------------------- */

typedef struct { qn_word_table *local; } counter;

static int count_word(void *arg, const char *s, size_t n) {
    uint64_t hash = qn_hash_bytes(s, n, 0);
    return table_add(&((counter *)arg)->local[hash >> 59], (uint32_t)hash, s, n, 1);
}

static void keep_error(qn_words *w, int worker, int rc) {
    struct qn_words_error *e = &w->error[worker];
    if (e->rc < 0)
        return;
    e->rc = rc;
    size_t n = QN_MIN(strlen(qn_error_message()), sizeof e->message - 1);
    memcpy(e->message, qn_error_message(), n);
    e->message[n] = '\0';
}

static int first_error(const qn_words *w) {
    for (int i = 0; i < w->threads; i++)
        if (w->error[i].rc < 0)
            return qn_fail(w->error[i].rc, "%s", w->error[i].message);
    return 0;
}

/* The documents' ends lie ascending: the first one behind `at`. */
static size_t first_end(const qn_words *w, size_t at) {
    size_t low = 0, high = w->n_end;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (w->end[mid] <= at)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static void count_tile(void *arg, int64_t tile, int worker) {
    qn_words *w = arg;
    counter c = {&w->local[worker * QN_WORD_SHARDS]};
    size_t end = w->tile[tile + 1];
    size_t next = first_end(w, w->tile[tile]);
    for (size_t at = w->tile[tile]; at < end && w->error[worker].rc >= 0; next++) {
        size_t stop = next < w->n_end ? QN_MIN(w->end[next], end) : end;
        int rc = qn_tok_words(w->tok, w->text + at, stop - at, !w->o.whole, count_word, &c);
        if (rc < 0)
            keep_error(w, worker, rc);
        at = stop;
    }
}

static void add_shard(void *arg, int64_t shard, int worker) {
    qn_words *w = arg;
    for (int t = 0; t < w->threads; t++) {
        qn_word_table *from = &w->local[t * QN_WORD_SHARDS + shard];
        for (size_t i = 0; i < from->n && w->error[worker].rc >= 0; i++) {
            const qn_word *word = &from->word[i];
            int rc = table_add(&w->shard[shard], word->tag, from->text + word->at, word->n, word->count);
            if (rc < 0)
                keep_error(w, worker, rc);
        }
        table_clear(from);
    }
}

/* ---- memory ----------------------------------------------------------------------------------------------------- */

static int64_t memory_needed(const qn_words *w) {
    int64_t bytes = 0;
    for (int s = 0; s < QN_WORD_SHARDS; s++)
        bytes += table_bytes(&w->shard[s]) + LEARN_BYTES((int64_t)w->shard[s].n_text) +
                 LEARN_BYTES((int64_t)w->shard[s].n);
    return bytes;
}

static int64_t bytes_above(const qn_words *w, int64_t count) {
    int64_t bytes = 0;
    for (int s = 0; s < QN_WORD_SHARDS; s++)
        for (size_t i = 0; i < w->shard[s].n; i++) {
            const qn_word *word = &w->shard[s].word[i];
            if (word->count > count)
                bytes += (int64_t)(sizeof *word + 2 * sizeof(uint32_t)) + word->n + LEARN_BYTES((int64_t)word->n + 1);
        }
    return bytes;
}

static int table_prune(qn_words *w, qn_word_table *t, int64_t count) {
    qn_word_table kept = {0};
    for (size_t i = 0; i < t->n; i++) {
        const qn_word *word = &t->word[i];
        if (word->count > count) {
            int rc = table_add(&kept, word->tag, t->text + word->at, word->n, word->count);
            if (rc < 0) {
                table_drop(&kept);
                return rc;
            }
            continue;
        }
        w->stats.pruned++;
        w->stats.pruned_total += word->count;
    }
    table_drop(t);
    *t = kept;
    return 0;
}

/* Over the budget: the rarest words go, until half of it is free again. */
static int prune(qn_words *w) {
    int64_t budget = w->o.max_memory - (int64_t)(2 * w->batch), count = 1;
    if (w->o.max_memory == 0 || memory_needed(w) <= budget)
        return 0;
    while (bytes_above(w, count) > budget / 2)
        count *= 2;
    for (int s = 0; s < QN_WORD_SHARDS; s++)
        QN_TRY(table_prune(w, &w->shard[s], count));
    return 0;
}

/* ---- text in ---------------------------------------------------------------------------------------------------- */

/* Counts text[0…n) and moves the rest to the front. */
static int count_batch(qn_words *w, size_t n) {
    size_t bad = qn_utf8_check(w->text, n), ends = 0;
    if (bad != QN_UTF8_OK)
        return qn_fail(QN_EUTF8, "the text to train on is not valid UTF-8 at byte %lld",
                       (long long)(w->stats.bytes - (int64_t)w->n_text + (int64_t)bad));
    QN_TRY(cut_tiles(w, n));
    qn_parallel(w->o.pool, (int64_t)w->n_tiles, count_tile, w);
    QN_TRY(first_error(w));
    qn_parallel(w->o.pool, QN_WORD_SHARDS, add_shard, w);
    QN_TRY(first_error(w));
    memmove(w->text, w->text + n, w->n_text - n);
    w->n_text -= n;
    for (size_t i = 0; i < w->n_end; i++)
        if (w->end[i] > n)
            w->end[ends++] = w->end[i] - n;
    w->n_end = ends;
    return prune(w);
}

int qn_words_add(qn_words *w, const char *text, size_t n) {
    qn_assert(!w->finished);
    while (n) {
        if (w->n_text == w->batch)
            QN_TRY(count_batch(w, last_cut(w)));
        size_t take = QN_MIN(n, w->batch - w->n_text);
        memcpy(w->text + w->n_text, text, take);
        w->n_text += take;
        w->stats.bytes += (int64_t)take;
        text += take;
        n -= take;
    }
    return 0;
}

int qn_words_end(qn_words *w) {
    qn_assert(!w->finished);
    w->stats.documents++;
    if (w->n_text == 0 || (w->n_end && w->end[w->n_end - 1] == w->n_text))
        return 0;
    QN_TRY(QN_GROW(QN_MEM_TOK, w->end, w->cap_end, w->n_end + 1));
    w->end[w->n_end++] = w->n_text;
    return 0;
}

int qn_words_finish(qn_words *w) {
    if (w->finished)
        return 0;
    if (w->n_text)
        QN_TRY(count_batch(w, w->n_text));
    drop_batch(w);
    w->finished = true;
    for (int s = 0; s < QN_WORD_SHARDS; s++) {
        w->stats.distinct += (int64_t)w->shard[s].n;
        for (size_t i = 0; i < w->shard[s].n; i++)
            w->stats.total += w->shard[s].word[i].count;
    }
    return 0;
}

void qn_words_stats_get(const qn_words *w, qn_words_stats *out) { *out = w->stats; }
