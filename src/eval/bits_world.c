/* eval/bits_world.c — a world's folder, document by document: its text, and beside it what each choice in it cost.
 *
 *     corpus/part-0000.txt        a document, a line with the separator, a document …
 *     sidecar/part-0000.jsonl     {"bits": 62.1, "spans": [{"begin": 0, "end": 31, "kind": "style", "bits": 14.2} …]}
 *                                 of the same documents, a line each (docs/WORLD.md)
 *     facts.jsonl                 {"id":7,"band":"torso", …}: how often a fact was told
 *
 * The sidecar counts a fact as news where the corpus tells it first. A model that was trained on the rest of the corpus
 * has read of it elsewhere, so beside prepared data the floor of a fact is 0.
 *
 * Documents are chosen twice: by the validation split of data that were prepared from the world, and evenly among those
 * down to max_documents. So a first walk counts, a second one takes. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/dir.h"
#include "base/file.h"
#include "data/content.h"
#include "data/corpus.h"
#include "data/dataset.h"
#include "eval/bits.h"
#include "format/jsonl.h"
#include "model/model.h"

#define SEPARATOR "<|endoftext|>"
enum { NO_BAND = -1, NO_FACT = -2 };        /* a fact that was never told; a number that no fact has */
#define CONTENTS_MAX ((int64_t)1 << 30)

const char *const qn_bits_kind_name[QN_BITS_KINDS] = {"grammar", "fact", "copy", "arithmetic", "style"};
const char *const qn_bits_group_name[QN_BITS_GROUPS] = {"head", "torso", "tail"};

typedef struct {
    const qn_bits_options *o;
    qn_dir_names names;                 /* of the sidecar's files */
    qn_buf path, text;
    char *band; size_t n_bands, cap_bands;      /* of each fact, by its id; NO_BAND, NO_FACT */
    qn_content_set held;                /* validation documents; empty: all documents count */
    bool chosen;                        /* by the split */
    int64_t found, wanted, seen;        /* documents of the split; to be taken; seen in this walk */
    qn_bits_set *set;                   /* NULL while they are only counted */
} walker;

/* ---- facts and their bands ---- */

static int index_of(const char *const *names, int most, qn_str word) {
    for (int i = 0; i < most && names[i]; i++)
        if (qn_str_is(word, names[i]))
            return i;
    return -1;
}

static int read_fact(walker *w, qn_json *j, qn_buf *word) {
    qn_str key;
    int64_t id = -1;
    int more;
    qn_buf_clear(word);
    QN_TRY(qn_json_enter(j, '{'));
    while ((more = qn_json_key(j, &key)) > 0) {
        if (qn_str_is(key, "id"))
            QN_TRY(qn_json_i64(j, &id));
        else if (qn_str_is(key, "band") && qn_json_peek(j) == '"')
            QN_TRY(qn_json_string(j, word));
        else
            QN_TRY(qn_json_skip(j));
    }
    QN_TRY(more);
    if (id < 0 || id > INT32_MAX)
        return qn_json_fail(j, QN_EFORMAT, "a fact needs an id");
    QN_TRY(QN_GROW(QN_MEM_SCRATCH, w->band, w->cap_bands, (size_t)id + 1));
    while (w->n_bands <= (size_t)id)
        w->band[w->n_bands++] = NO_FACT;
    w->band[id] = (char)index_of(qn_bits_group_name, QN_BITS_GROUPS, qn_buf_view(word));
    return 0;
}

static int read_facts(walker *w) {
    qn_jsonl *lines = NULL;
    qn_buf word = {0};
    qn_json *j;
    int rc, more;
    QN_TRY_OUT(qn_path_join(&w->path, w->o->world, "facts.jsonl"));
    QN_TRY_OUT(qn_jsonl_open(&lines, w->path.s, &(qn_jsonl_options){0}));
    while ((more = qn_jsonl_next(lines, &j)) > 0)
        QN_TRY_OUT(read_fact(w, j, &word));
    rc = more;
out:
    qn_jsonl_close(lines);
    qn_buf_drop(&word);
    return rc;
}

/* ---- documents that were kept apart ---- */

static int read_held(walker *w, const qn_dataset *d, const qn_tok *tok) {
    const qn_split_info info = qn_dataset_info(d, QN_SPLIT_VALIDATION);
    qn_ids ids = {0};
    int rc = 0;
    for (int64_t i = 0; rc >= 0 && i < info.documents; i++) {
        int64_t from, n;
        qn_dataset_document(d, QN_SPLIT_VALIDATION, i, &from, &n);
        qn_ids_clear(&ids);
        for (int64_t k = 0; rc >= 0 && k < n; k++)
            rc = qn_ids_push(&ids, 0);
        if (rc >= 0)
            rc = qn_dataset_read(d, QN_SPLIT_VALIDATION, from, n, ids.v);
        qn_buf_clear(&w->text);
        if (rc >= 0)
            rc = qn_tok_decode(tok, ids.v, ids.n, QN_TOK_SKIP_SPECIAL | QN_TOK_RAW_BYTES, &w->text);
        if (rc >= 0)
            rc = qn_content_add(&w->held, qn_content_of(qn_buf_view(&w->text)));
    }
    qn_ids_drop(&ids);
    return rc;
}

static int open_held(walker *w) {
    qn_dataset *d = NULL;
    qn_tok *tok = NULL;
    int rc;
    w->held.max_bytes = CONTENTS_MAX;
    w->chosen = w->o->data != NULL;
    if (!w->chosen)
        return 0;
    QN_TRY_OUT(qn_dataset_open(&d, w->o->data));
    QN_TRY_OUT(qn_path_join(&w->path, w->o->data, "tokenizer.json"));
    if (qn_is_file(w->path.s))
        QN_TRY_OUT(qn_model_tokenizer(&tok, w->path.s));
    rc = read_held(w, d, tok ? tok : w->o->tok);           /* without a tokenizer of its own: the model's */
out:
    qn_tok_free(tok);
    qn_dataset_close(d);
    return rc;
}

/* ---- a line of the sidecar ---- */

/* What a generator can have written: a choice costs no less than nothing, and facts are those of the world. */
static int check_span(const walker *w, qn_json *j, const qn_bits_span *s, int64_t fact) {
    if (!(s->floor >= 0) || isinf(s->floor))
        return qn_json_fail(j, QN_EFORMAT, "\"bits\" is %g: a choice costs 0 bits or more", s->floor);
    if (fact != -1 && (fact < 0 || fact >= (int64_t)w->n_bands || w->band[fact] == NO_FACT))
        return qn_json_fail(j, QN_EFORMAT, "\"fact\" is %lld: facts.jsonl has no fact of this number",
                            (long long)fact);
    return 0;
}

/* {"begin": 31, "end": 36, "kind": "fact", "bits": 0, "fact": 123 …}; its bits are added to sum. */
static int read_span(walker *w, qn_json *j, qn_buf *word, double *sum) {
    qn_bits_span s = {.group = -1};
    int64_t fact = -1;
    qn_str key;
    int more;
    qn_buf_clear(word);
    QN_TRY(qn_json_enter(j, '{'));
    while ((more = qn_json_key(j, &key)) > 0) {
        if (qn_str_is(key, "begin"))
            QN_TRY(qn_json_i64(j, &s.begin));
        else if (qn_str_is(key, "end"))
            QN_TRY(qn_json_i64(j, &s.end));
        else if (qn_str_is(key, "kind"))
            QN_TRY(qn_json_string(j, word));
        else if (qn_str_is(key, "bits"))
            QN_TRY(qn_json_f64(j, &s.floor));
        else if (qn_str_is(key, "fact"))
            QN_TRY(qn_json_i64(j, &fact));
        else
            QN_TRY(qn_json_skip(j));
    }
    QN_TRY(more);
    s.kind = index_of(qn_bits_kind_name, QN_BITS_KINDS, qn_buf_view(word));
    if (s.kind < 0)
        return qn_json_fail(j, QN_EFORMAT, "a span of the kind \"%.*s\" is not known", QN_STR_ARG(qn_buf_view(word)));
    QN_TRY(check_span(w, j, &s, fact));
    *sum += s.floor;
    if (fact >= 0)
        s.group = w->band[fact];
    if (fact >= 0 && w->chosen)
        s.floor = 0;
    QN_TRY(QN_GROW(QN_MEM_SCRATCH, w->set->span, w->set->cap_span, w->set->spans + 1));
    w->set->span[w->set->spans++] = s;
    return 0;
}

static int read_span_list(walker *w, qn_json *j, double *sum) {
    qn_buf word = {0};
    int rc = qn_json_enter(j, '[');
    while (rc >= 0 && (rc = qn_json_item(j)) > 0)
        rc = read_span(w, j, &word, sum);
    qn_buf_drop(&word);
    return rc;
}

/* The text that a line says it belongs to must be the one that lies beside it. */
static int check_file(qn_json *j, const char *file) {
    qn_buf said = {0};
    int rc = qn_json_string(j, &said);
    if (rc >= 0 && !qn_str_is(qn_buf_view(&said), file))
        rc = qn_json_fail(j, QN_EFORMAT, "\"file\" is \"%.*s\": this line stands beside %s",
                          QN_STR_ARG(qn_buf_view(&said)), file);
    qn_buf_drop(&said);
    return rc;
}

/* So must its words. Sidecars of before have no hash. */
static int check_hash(qn_json *j, qn_str text) {
    qn_buf said = {0};
    char hash[17];
    int rc = qn_json_string(j, &said);
    snprintf(hash, sizeof hash, "%016llx", (unsigned long long)qn_hash_bytes(text.s, text.n, 0));
    if (rc >= 0 && !qn_str_is(qn_buf_view(&said), hash))
        rc = qn_json_fail(j, QN_EFORMAT, "\"hash\" is that of another text (%.*s, here %s): the sidecar and the corpus "
                          "are not of one world", QN_STR_ARG(qn_buf_view(&said)), hash);
    qn_buf_drop(&said);
    return rc;
}

/* A line: the spans of a document, whose bits make its own. */
static int read_spans(walker *w, qn_json *j, const char *file, qn_str text) {
    double sum = 0, bits = NAN;
    qn_str key;
    int more;
    QN_TRY(qn_json_enter(j, '{'));
    while ((more = qn_json_key(j, &key)) > 0)
        if (qn_str_is(key, "spans"))
            QN_TRY(read_span_list(w, j, &sum));
        else if (qn_str_is(key, "bits"))
            QN_TRY(qn_json_f64(j, &bits));
        else if (qn_str_is(key, "file"))
            QN_TRY(check_file(j, file));
        else if (qn_str_is(key, "hash"))
            QN_TRY(check_hash(j, text));
        else
            QN_TRY(qn_json_skip(j));
    QN_TRY(more);
    if (!isnan(bits) && !(fabs(bits - sum) <= 1e-6 * QN_MAX(1, sum)))
        return qn_json_fail(j, QN_EFORMAT, "\"bits\" of the document is %g, its spans make %g", bits, sum);
    return 0;
}

/* ---- the walk ---- */

/* Is the i-th of `found` documents one of the `wanted` that lie evenly among them? */
static bool is_wanted(int64_t i, int64_t found, int64_t wanted) {
    return i * wanted / found != (i + 1) * wanted / found;
}

/* file: of the text, in the world's folder. */
static int take_document(walker *w, qn_str text, qn_json *j, const char *file) {
    qn_bits_set *set = w->set;
    if (w->chosen && !qn_content_has(&w->held, qn_content_of(text)))
        return 0;
    const int64_t i = w->seen++;
    if (!set || !is_wanted(i, w->found, w->wanted))
        return 0;
    QN_TRY(QN_GROW(QN_MEM_SCRATCH, set->begin, set->cap, set->n + 2));
    QN_TRY(QN_GROW(QN_MEM_SCRATCH, set->first, set->cap_first, set->n + 2));
    set->begin[set->n] = set->text.n;
    set->first[set->n] = set->spans;
    QN_TRY(read_spans(w, j, file, text));
    QN_TRY(qn_buf_put(&set->text, text.s, text.n));
    QN_TRY(qn_bits_check(text, set->span + set->first[set->n], (int64_t)(set->spans - set->first[set->n])));
    set->n++;
    set->begin[set->n] = set->text.n;
    set->first[set->n] = set->spans;
    return 0;
}

static int next_document(qn_corpus *corpus, qn_buf *text) {
    qn_corpus_piece piece = {0};
    int more = 0;
    qn_buf_clear(text);
    while (!piece.ends && (more = qn_corpus_next(corpus, &piece)) > 0)
        QN_TRY(qn_buf_put(text, piece.text.s, piece.text.n));
    return more;
}

static int walk_lines(walker *w, qn_corpus *corpus, qn_jsonl *lines, const char *path, const char *file) {
    qn_json *j;
    int more;
    while ((more = qn_jsonl_next(lines, &j)) > 0) {
        const int there = next_document(corpus, &w->text);
        QN_TRY(there);
        if (!there)
            return qn_fail(QN_EFORMAT, "%s: has fewer documents than the file of sidecar/ beside it", path);
        const int rc = take_document(w, qn_buf_view(&w->text), j, file);
        if (rc == QN_EFORMAT)
            return qn_fail_in(rc, "%s, document %lld", path, (long long)qn_jsonl_line(lines));
        QN_TRY(rc);
    }
    return more;
}

/* part-0000.jsonl, and the text of the same name. */
static int walk_file(walker *w, const char *name) {
    qn_buf text = {0};
    qn_corpus *corpus = NULL;
    qn_jsonl *lines = NULL;
    char file[256];
    const size_t n = strlen(name) - strlen(".jsonl");
    int rc;
    if (n + sizeof "corpus/.txt" > sizeof file)
        return qn_fail(QN_EFORMAT, "%s/sidecar: a name of %zu bytes", w->o->world, n);
    memcpy(file, "corpus/", 7);
    memcpy(file + 7, name, n);
    memcpy(file + 7 + n, ".txt", 5);
    QN_TRY_OUT(qn_path_join(&text, w->o->world, file));
    QN_TRY_OUT(qn_corpus_open(&corpus, &(qn_corpus_options){.path = (const char *const[]){text.s}, .n_paths = 1,
                                                            .separator = SEPARATOR}));
    QN_TRY_OUT(qn_path_join(&w->path, w->o->world, "sidecar/"));
    QN_TRY_OUT(qn_buf_puts(&w->path, name));
    QN_TRY_OUT(qn_jsonl_open(&lines, w->path.s, &(qn_jsonl_options){0}));
    rc = walk_lines(w, corpus, lines, text.s, file);
out:
    qn_jsonl_close(lines);
    qn_corpus_close(corpus);
    qn_buf_drop(&text);
    return rc;
}

static int walk(walker *w) {
    w->seen = 0;
    for (size_t i = 0; i < w->names.n; i++)
        if (qn_str_ends(qn_str_of(w->names.name[i]), ".jsonl"))
            QN_TRY(walk_file(w, w->names.name[i]));
    return 0;
}

static int count_and_take(walker *w, qn_bits_set *set) {
    QN_TRY(qn_path_join(&w->path, w->o->world, "sidecar"));
    if (!qn_is_dir(w->path.s))
        return qn_fail(QN_ENOTFOUND, "%s: there is no sidecar beside the texts; `quern data world --sidecar` writes "
                       "one", w->o->world);
    QN_TRY(qn_dir_list(&w->names, w->path.s));
    QN_TRY(read_facts(w));
    QN_TRY(open_held(w));
    QN_TRY(walk(w));
    w->found = w->seen;
    if (w->found == 0)
        return qn_fail(QN_EINVAL, "%s: %s", w->o->world, w->chosen ? "no document of it is in the validation split of "
                       "the data: were they prepared from another world, or as one document?" : "has no documents");
    w->wanted = w->o->max_documents > 0 ? QN_MIN(w->o->max_documents, w->found) : w->found;
    w->set = set;
    return walk(w);
}

int qn_bits_set_read(qn_bits_set *s, const qn_bits_options *o) {
    walker w = {.o = o};
    const int rc = count_and_take(&w, s);
    qn_dir_names_drop(&w.names);
    qn_content_drop(&w.held);
    qn_buf_drop(&w.path);
    qn_buf_drop(&w.text);
    qn_free(w.band);
    return rc;
}

void qn_bits_set_drop(qn_bits_set *s) {
    qn_buf_drop(&s->text);
    qn_free(s->begin);
    qn_free(s->first);
    qn_free(s->span);
    *s = (qn_bits_set){0};
}

int qn_bits_set_score(const qn_bits_set *s, const qn_scorer *scorer, qn_scorer_progress_fn *progress, void *arg,
                      qn_bits_result *r) {
    qn_bits_counter bits;
    int rc;
    QN_TRY(qn_bits_init(&bits, scorer));
    for (size_t i = 0; i < s->n; i++) {
        const qn_str text = {s->text.s + s->begin[i], s->begin[i + 1] - s->begin[i]};
        QN_TRY_OUT(qn_bits_add(&bits, text, s->span + s->first[i], (int64_t)(s->first[i + 1] - s->first[i])));
        if (progress)
            QN_TRY_OUT(progress(arg, (int64_t)i + 1, (int64_t)s->n));
    }
    rc = 0;
out:
    *r = bits.r;
    qn_bits_drop(&bits);
    return rc;
}
