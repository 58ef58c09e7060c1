/* tests/unit/test_row_plan.c — rows of training out of a prepared folder: nothing lost, nothing twice, no document sees
 * another, and any row again at any time. */
#include "data_make.h"

typedef struct { qn_row_data d; int64_t context; } row;

static row row_of(const qn_rows *r, int64_t context) {
    row x = {.context = context};
    x.d.ids = qn_zalloc(QN_MEM_TEST, (size_t)context, sizeof *x.d.ids);
    x.d.targets = qn_zalloc(QN_MEM_TEST, (size_t)context, sizeof *x.d.targets);
    x.d.piece = qn_zalloc(QN_MEM_TEST, (size_t)qn_rows_max_pieces(r), sizeof *x.d.piece);
    CHECK(x.d.ids && x.d.targets && x.d.piece);
    return x;
}

static void free_row(row *x) {
    qn_free(x->d.ids);
    qn_free(x->d.targets);
    qn_free(x->d.piece);
}

static void check_same(const row *a, const row *b, int64_t which) {
    CHECK_INT(a->d.n, b->d.n, "row %lld", (long long)which);
    CHECK_INT(a->d.pieces, b->d.pieces, "row %lld", (long long)which);
    CHECK(memcmp(a->d.ids, b->d.ids, (size_t)a->context * sizeof *a->d.ids) == 0, "row %lld", (long long)which);
    CHECK(memcmp(a->d.targets, b->d.targets, (size_t)a->context * 4) == 0, "row %lld", (long long)which);
    CHECK(memcmp(a->d.piece, b->d.piece, (size_t)a->d.pieces * sizeof *a->d.piece) == 0, "row %lld", (long long)which);
}

/* Mostly short, some longer than a row of 64, one far beyond. */
static int64_t mixed_lengths(int64_t i) { return i == 7 ? 3000 : i % 5 == 0 ? 100 + i : i % 23; }

static qn_dataset *mixed(const char *name, bool ends) {
    return data_open(name, data_lines("mixed.jsonl", 150, mixed_lengths), (qn_data_options){.validation = 0.2}, ends);
}

/* How often each pair (token, the one behind it) stands inside the documents of a split, minus how often rows had it as
 * (token, target). All of them 0: every token but the first of each document was a target exactly once. */
typedef struct { int32_t *stream; int64_t tokens, vocab; int32_t *pairs; const qn_dataset *d; qn_split split; } tally;

static tally tally_of(const qn_dataset *d, qn_split split) {
    tally t = {.d = d, .split = split, .tokens = qn_dataset_info(d, split).tokens, .vocab = qn_dataset_vocab(d)};
    t.stream = qn_zalloc(QN_MEM_TEST, (size_t)t.tokens, sizeof *t.stream);
    t.pairs = qn_zalloc(QN_MEM_TEST, (size_t)(t.vocab * t.vocab), sizeof *t.pairs);
    CHECK(t.stream && t.pairs);
    CHECK_OK(qn_dataset_read(d, split, 0, t.tokens, t.stream));
    for (int64_t i = 0; i < qn_dataset_info(d, split).documents; i++) {
        int64_t from, n;
        qn_dataset_document(d, split, i, &from, &n);
        for (int64_t k = from; k + 1 < from + n; k++)
            t.pairs[t.stream[k] * t.vocab + t.stream[k + 1]]++;
    }
    return t;
}

static void free_tally(tally *t) {
    qn_free(t->stream);
    qn_free(t->pairs);
}

/* The piece and its last target are a run of tokens of some document; its pairs are taken off. */
static bool count_piece(tally *t, const int32_t *ids, const int32_t *targets, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        t->pairs[ids[i] * t->vocab + targets[i]]--;
    for (int64_t i = 0; i < qn_dataset_info(t->d, t->split).documents; i++) {
        int64_t from, m;
        qn_dataset_document(t->d, t->split, i, &from, &m);
        for (int64_t at = from; at + n < from + m; at++)
            if (memcmp(t->stream + at, ids, (size_t)n * 4) == 0 && t->stream[at + n] == targets[n - 1])
                return true;
    }
    return false;
}

static void check_row(tally *t, const row *x, int64_t max_pieces) {
    int64_t at = 0;
    CHECK(x->d.pieces >= 1 && x->d.pieces <= max_pieces);
    for (int64_t p = 0; p < x->d.pieces; p++) {
        qn_piece piece = x->d.piece[p];
        CHECK_INT(piece.start, at);
        CHECK(piece.n >= 1);
        for (int64_t i = 0; i + 1 < piece.n; i++)           /* what follows is what is predicted, in the same piece */
            CHECK_INT(x->d.targets[at + i], x->d.ids[at + i + 1]);
        CHECK(count_piece(t, x->d.ids + at, x->d.targets + at, piece.n), "piece of %lld", (long long)piece.n);
        at += piece.n;
    }
    CHECK_INT(x->d.n, at);
    for (; at < x->context; at++)
        CHECK_INT(x->d.targets[at], -1);
}

static void check_complete(const tally *t) {
    for (int64_t i = 0; i < t->vocab * t->vocab; i++)
        CHECK_INT(t->pairs[i], 0, "token %lld before %lld", (long long)(i / t->vocab), (long long)(i % t->vocab));
}

static void check_epoch(const qn_dataset *d, qn_rows_options o) {
    qn_rows *r;
    qn_rows_stats stats;
    CHECK_OK(qn_rows_new(&r, d, &o));
    row x = row_of(r, o.context);
    int64_t first = 0;
    for (int epoch = 0; epoch < 3; epoch++) {
        tally t = tally_of(d, o.split);
        CHECK_OK(qn_rows_get(r, first, &x.d));
        qn_rows_stats_get(r, &stats);
        for (int64_t i = 0; i < stats.rows; i++) {
            CHECK_OK(qn_rows_get(r, first + i, &x.d));
            check_row(&t, &x, qn_rows_max_pieces(r));
        }
        check_complete(&t);
        free_tally(&t);
        CHECK(stats.fill > 0.5, "%g", stats.fill);
        first += stats.rows;
    }
    free_row(&x);
    qn_rows_free(r);
}

TEST(makes_every_token_a_target_once) {
    for (int ends = 0; ends < 2; ends++) {
        qn_dataset *d = mixed(ends ? "once-eos" : "once", ends);
        check_epoch(d, (qn_rows_options){.split = QN_SPLIT_TRAIN, .context = 64, .seed = 5});
        check_epoch(d, (qn_rows_options){.split = QN_SPLIT_TRAIN, .context = 4096, .seed = 5});
        check_epoch(d, (qn_rows_options){.split = QN_SPLIT_VALIDATION, .context = 48, .ordered = true});
        check_epoch(d, (qn_rows_options){.split = QN_SPLIT_TRAIN, .context = 2, .seed = 1});
        qn_dataset_close(d);
    }
}

TEST(gives_any_row_again) {
    qn_dataset *d = mixed("again", true);
    for (int packing = 0; packing < 2; packing++) {
        qn_rows_options o = {.packing = (qn_packing)packing, .context = 64, .seed = 9};
        qn_rows *a, *b;
        CHECK_OK(qn_rows_new(&a, d, &o));
        CHECK_OK(qn_rows_new(&b, d, &o));
        row x = row_of(a, 64), y = row_of(b, 64);
        int64_t n = 3 * qn_rows_per_epoch(a) + 5;
        for (int64_t i = 0; i < n; i++) {
            int64_t k = i * 37 % n;                         /* b jumps about, a goes on */
            CHECK_OK(qn_rows_get(b, k, &y.d));
            qn_rows *fresh;
            CHECK_OK(qn_rows_get(a, i, &x.d));
            if (i % 50 == 0) {
                CHECK_OK(qn_rows_new(&fresh, d, &o));
                CHECK_OK(qn_rows_get(fresh, i, &y.d));
                check_same(&x, &y, i);
                qn_rows_free(fresh);
            }
            CHECK_OK(qn_rows_get(b, i, &y.d));
            check_same(&x, &y, i);
        }
        free_row(&x);
        free_row(&y);
        qn_rows_free(a);
        qn_rows_free(b);
    }
    qn_dataset_close(d);
}

/* How many of n rows hold the same ids at the same place. */
static int64_t count_equal(const qn_dataset *d, qn_rows_options a, int64_t first_a, qn_rows_options b, int64_t first_b,
                           int64_t n) {
    qn_rows *ra, *rb;
    int64_t equal = 0;
    CHECK_OK(qn_rows_new(&ra, d, &a));
    CHECK_OK(qn_rows_new(&rb, d, &b));
    row x = row_of(ra, a.context), y = row_of(rb, b.context);
    for (int64_t i = 0; i < n; i++) {
        CHECK_OK(qn_rows_get(ra, first_a + i, &x.d));
        CHECK_OK(qn_rows_get(rb, first_b + i, &y.d));
        equal += memcmp(x.d.ids, y.d.ids, (size_t)a.context * 4) == 0;
    }
    free_row(&x);
    free_row(&y);
    qn_rows_free(ra);
    qn_rows_free(rb);
    return equal;
}

TEST(shuffles_by_seed_and_epoch) {
    qn_dataset *d = mixed("shuffled", true);
    for (int packing = 0; packing < 2; packing++) {
        qn_rows_options o = {.packing = (qn_packing)packing, .context = 64, .seed = 1}, other = o;
        qn_rows *r;
        CHECK_OK(qn_rows_new(&r, d, &o));
        int64_t n = qn_rows_per_epoch(r);
        qn_rows_free(r);
        other.seed = 2;
        CHECK_INT(count_equal(d, o, 0, o, 0, n), n);
        CHECK(count_equal(d, o, 0, other, 0, n) < n / 4);
        CHECK(count_equal(d, o, 0, o, n, n) < n / 4);
        o.ordered = true;
        CHECK_OK(qn_rows_new(&r, d, &o));
        n = qn_rows_per_epoch(r);
        qn_rows_free(r);
        other.ordered = true;
        CHECK_INT(count_equal(d, o, 0, other, 0, n), n, "order needs no seed");
        CHECK_INT(count_equal(d, o, 0, o, n, n), n, "and no epoch");
    }
    qn_dataset_close(d);
}

TEST(reads_a_stream_in_windows) {
    qn_dataset *d = mixed("stream", true);
    tally t = tally_of(d, QN_SPLIT_TRAIN);
    qn_rows *r;
    CHECK_OK(qn_rows_new(&r, d, &(qn_rows_options){.packing = QN_PACK_STREAM, .context = 100, .ordered = true}));
    row x = row_of(r, 100);
    CHECK_INT(qn_rows_per_epoch(r), (t.tokens - 1 + 99) / 100);
    for (int64_t i = 0; i < qn_rows_per_epoch(r); i++) {
        CHECK_OK(qn_rows_get(r, i, &x.d));
        CHECK_INT(x.d.pieces, 1);
        CHECK_INT(x.d.n, QN_MIN((int64_t)100, t.tokens - 1 - i * 100));
        CHECK(memcmp(x.d.ids, t.stream + i * 100, (size_t)x.d.n * 4) == 0);
        CHECK(memcmp(x.d.targets, t.stream + i * 100 + 1, (size_t)x.d.n * 4) == 0);
    }
    free_row(&x);
    qn_rows_free(r);
    CHECK_OK(qn_rows_new(&r, d, &(qn_rows_options){.packing = QN_PACK_STREAM, .context = 1 << 20, .seed = 1}));
    x = row_of(r, 1 << 20);
    CHECK_OK(qn_rows_get(r, 3, &x.d));
    CHECK_INT(x.d.n, t.tokens - 1, "all there is");
    CHECK_INT(x.d.targets[x.d.n], -1);
    free_row(&x);
    qn_rows_free(r);
    free_tally(&t);
    qn_dataset_close(d);
}

TEST(allocates_nothing_after_the_first) {
    qn_dataset *d = mixed("quiet", true);
    qn_rows *r;
    CHECK_OK(qn_rows_new(&r, d, &(qn_rows_options){.context = 64, .seed = 3}));
    row x = row_of(r, 64);
    int64_t calls = qn_mem_calls();
    for (int64_t i = 0; i < 4 * qn_rows_per_epoch(r); i++)
        CHECK_OK(qn_rows_get(r, i, &x.d));
    CHECK_INT(qn_mem_calls(), calls);
    free_row(&x);
    qn_rows_free(r);
    qn_dataset_close(d);
}

static int64_t a_lengths(int64_t i) { return 30 + i % 3; }

/* Documents of source s in an epoch, and the tokens that are read of it. */
static void count_source(const qn_rows *r, row *x, int64_t first, int64_t rows, const qn_dataset *d, int64_t border,
                         int64_t tokens[2], int32_t *times) {
    tokens[0] = tokens[1] = 0;
    for (int64_t i = 0; i < rows; i++) {
        CHECK_OK(qn_rows_get((qn_rows *)(uintptr_t)r, first + i, &x->d));
        for (int64_t p = 0; p < x->d.pieces; p++) {
            int64_t document = qn_dataset_find(d, QN_SPLIT_TRAIN, qn_rows_piece_from(r, p));
            tokens[document >= border] += x->d.piece[p].n;
            times[document]++;
        }
    }
}

/* Two sources of one size, weights 3 and 1: three quarters of an epoch's tokens are of the first; of the second one
 * half is seen in one epoch, the other half in the next. */
TEST(follows_the_weights_of_sources) {
    char a[1024], b[1024], folder[1100];
    qn_data_result res;
    qn_tok *tok = data_tok(true);
    snprintf(a, sizeof a, "%s", data_lines("a.jsonl", 400, a_lengths));
    qn_buf text = {0};
    for (int i = 0; i < 400; i++)
        CHECK_OK(qn_buf_printf(&text, "{\"text\": \"%d is another text that is as long\"}\n", i));
    snprintf(b, sizeof b, "%s", qn_test_write("b.jsonl", text.s, text.n));
    const char *pa[] = {a}, *pb[] = {b};
    qn_data_source sources[] = {{pa, 1, 3}, {pb, 1, 1}};
    CHECK_OK(data_prepare("mix", a, (qn_data_options){.source = sources, .n_sources = 2}, tok, NULL, &res));
    CHECK_INT(res.n_sources, 2);
    CHECK_INT(res.source[1].split[QN_SPLIT_TRAIN].documents, 400);
    qn_data_result_drop(&res);
    snprintf(folder, sizeof folder, "%s/mix", qn_test_temp_dir());
    qn_dataset *d;
    qn_rows *r;
    CHECK_OK(qn_dataset_open(&d, folder));
    CHECK_OK(qn_rows_new(&r, d, &(qn_rows_options){.context = 128, .seed = 4}));
    row x = row_of(r, 128);
    int32_t *times = qn_zalloc(QN_MEM_TEST, 800, sizeof *times);
    int64_t first = 0;
    for (int epoch = 0; epoch < 4; epoch++) {
        int64_t tokens[2];
        qn_rows_stats stats;
        CHECK_OK(qn_rows_get(r, first, &x.d));
        qn_rows_stats_get(r, &stats);
        count_source(r, &x, first, stats.rows, d, 400, tokens, times);
        CHECK_NEAR((double)tokens[0] / (double)(tokens[0] + tokens[1]), 0.75, 0.02, "epoch %d", epoch);
        CHECK_NEAR((double)(tokens[0] + tokens[1]) / (double)qn_dataset_info(d, QN_SPLIT_TRAIN).tokens, 1, 0.06);
        first += stats.rows;
    }
    for (int i = 0; i < 800; i++)
        CHECK(abs(times[i] - (i < 400 ? 6 : 2)) <= 1, "document %d: %d", i, times[i]);
    qn_free(times);
    free_row(&x);
    qn_rows_free(r);
    CHECK_OK(qn_rows_new(&r, d, &(qn_rows_options){.context = 32, .seed = 4, .packing = QN_PACK_STREAM}));
    x = row_of(r, 32);
    int64_t of_first = 0;
    for (int64_t i = 0; i < 2000; i++) {
        CHECK_OK(qn_rows_get(r, i, &x.d));
        of_first += qn_dataset_find(d, QN_SPLIT_TRAIN, qn_rows_piece_from(r, 0)) < 400;
    }
    CHECK_NEAR((double)of_first / 2000, 0.75, 0.04);
    free_row(&x);
    qn_rows_free(r);
    qn_dataset_close(d);
    qn_tok_free(tok);
    qn_buf_drop(&text);
}

TEST(refuses_what_gives_no_rows) {
    qn_rows *r;
    qn_dataset *d = data_open("none", data_lines("few.jsonl", 30, mixed_lengths), (qn_data_options){0}, true);
    CHECK_FAIL(qn_rows_new(&r, d, &(qn_rows_options){.context = 1}), QN_EINVAL, "2 …");
    CHECK_FAIL(qn_rows_new(&r, d, &(qn_rows_options){.context = 64, .split = QN_SPLIT_VALIDATION}), QN_EINVAL,
               "--validation");
    qn_dataset_close(d);
    d = data_open("single", qn_test_write("single.txt", "a", 1), (qn_data_options){0}, false);
    CHECK_FAIL(qn_rows_new(&r, d, &(qn_rows_options){.context = 8}), QN_EINVAL, "nothing to predict");
    CHECK_FAIL(qn_rows_new(&r, d, &(qn_rows_options){.context = 8, .packing = QN_PACK_STREAM}), QN_EINVAL,
               "nothing to predict");
    qn_dataset_close(d);
}

static int64_t tiny_lengths(QN_UNUSED int64_t i) { return 3; }

/* Documents of eight tokens: many of them go side by side. */
TEST(short_documents_fill_their_rows) {
    qn_dataset *d = data_open("short", data_lines("short.jsonl", 900, tiny_lengths), (qn_data_options){0}, true);
    for (int64_t context = 64; context <= 512; context *= 2) {
        qn_rows *r;
        qn_rows_stats s;
        CHECK_OK(qn_rows_new(&r, d, &(qn_rows_options){.context = context}));
        qn_rows_stats_get(r, &s);
        CHECK(s.fill > 0.8, "context %d: %.2f", (int)context, s.fill);
        qn_rows_free(r);
    }
    qn_dataset_close(d);
}
