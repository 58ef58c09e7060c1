/* data/row_plan.c — the rows of training: what stands in them, in which order.
 *
 * Best fit plans an epoch at a time:
 *
 *     documents ──► how often in this epoch ──► pieces ──► rows ──► order of rows
 *                   weights of sources          cuts       pack     shuffled
 *
 * All of it draws from (seed, epoch), so a plan can be made again at any time. A stream needs no plan: where row r
 * begins is drawn from (seed, r). Examples in memory (data/examples.h) are documents that were cut already: each is one
 * piece, or where it is judged two that stay together. */
#include "data/dataset_impl.h"
#include "data/examples.h"
#include "data/row_pack.h"

#include <string.h>

#define CONTEXT_MAX ((int64_t)1 << 24)
#define PIECES_MAX ((int64_t)1 << 30)

/* What a draw is for; the purpose is QN_RNG_ORDER, an epoch's number goes into the step. */
enum { DRAW_SHUFFLE_PIECES, DRAW_SHUFFLE_ROWS, DRAW_CUT, DRAW_REPEAT, DRAW_WINDOW, DRAW_SOURCE };

struct qn_rows {
    const qn_dataset *d;                /* one of d and x */
    const qn_dataset_split *split;
    const qn_examples *x;
    const char *name;
    qn_rows_options o;
    int64_t max_pieces, rows_first;     /* per row, each of `parts`; of epoch 0 */
    int64_t parts;                      /* pieces that stand together: 2 of what is judged */
    /* best fit: the planned epoch */
    int64_t epoch, first_row, rows, pieces, max;
    int64_t *from;                      /* [max] where a piece begins in the stream; the number of its example */
    int32_t *length, *order;            /* [max] tokens that are read; scratch of shuffles */
    int32_t *rank;                      /* [max] of a row: its place in the epoch */
    int32_t *row_begin, *in_row;        /* [max + 1] [max] pieces by row */
    qn_row_packer packer;
    int32_t *ids;                       /* [context + 1] */
    uint8_t *taught;                    /* [context + 1] */
    int64_t *where;                     /* [max_pieces · parts] of the row that was got last */
    qn_rows_stats stats;
};

static uint64_t draw(const qn_rows *r, int what, int64_t epoch, int64_t index) {
    return qn_rng_u64(r->o.seed, QN_RNG_ORDER, (uint64_t)epoch << 4 | (uint64_t)what, (uint64_t)index);
}

/* 0 … n − 1, evenly enough for any n that fits into memory. */
static int64_t draw_below(const qn_rows *r, int what, int64_t epoch, int64_t index, int64_t n) {
    uint64_t u = draw(r, what, epoch, index);
    if (n >> 32)
        return (int64_t)(u % (uint64_t)n);
    return (int64_t)(((u >> 32) * (uint64_t)n + ((u & 0xffffffffu) * (uint64_t)n >> 32)) >> 32);
}

/* ---- documents of an epoch into pieces --------------------------------------------------------------------------- */

/* How often document i stands in the epoch, if on the average it is `repeat` times: it has its own phase in that
 * rhythm, so that every epoch has its share and every document its turns. */
static int64_t times_in_epoch(const qn_rows *r, int64_t i, int64_t epoch, double repeat) {
    if (repeat == 1)
        return 1;
    double phase = qn_rng_uniform(r->o.seed, QN_RNG_ORDER, DRAW_REPEAT, (uint64_t)i);
    int64_t times = (int64_t)(repeat * (double)(epoch + 1) + phase) - (int64_t)(repeat * (double)epoch + phase);
    return QN_MIN(times, (int64_t)repeat + 1);          /* rounding may not make it one more */
}

/* A document of n tokens has n − 1 to read. If they fit a row it stays whole; else it is cut first after 1 … context
 * of them, then after each `context`. */
static void add_pieces(qn_rows *r, int64_t from, int64_t n, int64_t epoch, int64_t which) {
    int64_t left = n - 1, C = r->o.context, take = C;
    if (left > C && !r->o.ordered)
        take = 1 + draw_below(r, DRAW_CUT, epoch, which, C);
    r->stats.cut += left > C;
    for (; left > 0; take = C) {
        take = QN_MIN(take, left);
        qn_assert(r->pieces < r->max);
        r->from[r->pieces] = from;
        r->length[r->pieces++] = (int32_t)take;
        from += take;
        left -= take;
    }
}

/* The k-th part of example i that stands in a row. */
static void part_of(const qn_rows *r, int64_t i, int k, qn_example_part *part) {
    qn_example e;
    qn_examples_get(r->x, r->o.split, i, &e);
    *part = e.part[0];
    if (k == 1 && e.parts == 2)
        *part = e.part[1];
    else if (k == 1)
        *part = (qn_example_part){r->ids, r->taught, qn_examples_mismatch(r->x, r->o.split, i, r->ids, r->taught),
                                  e.part[0].prompt};
}

/* Answers that are not good are not imitated. */
static bool stands(const qn_rows *r, int64_t i) {
    qn_example e;
    qn_examples_get(r->x, r->o.split, i, &e);
    return r->o.judged || qn_examples_form(r->x) != QN_FORM_LABELS || e.good;
}

static void list_examples(qn_rows *r) {
    qn_example_part part;
    for (int64_t i = 0; i < qn_examples_count(r->x, r->o.split); i++) {
        if (!stands(r, i))
            continue;
        r->from[r->pieces] = i;
        r->length[r->pieces] = 0;
        for (int k = 0; k < r->parts; k++) {
            part_of(r, i, k, &part);
            r->length[r->pieces] += (int32_t)(part.n - 1);
        }
        r->pieces++;
        r->stats.documents++;
    }
}

static void list_pieces(qn_rows *r, int64_t epoch) {
    const qn_dataset_split *p = r->split;
    r->pieces = 0;
    r->stats = (qn_rows_stats){0};
    if (r->x) {
        list_examples(r);
        return;
    }
    for (size_t s = 0; s < r->d->sources; s++) {
        double repeat = qn_dataset_repeat(r->d, r->o.split, s);
        for (int64_t i = p->source_document[s]; i < p->source_document[s + 1]; i++) {
            int64_t from = i ? p->end[i - 1] : 0, times = times_in_epoch(r, i, epoch, repeat);
            r->stats.documents += times;
            for (int64_t k = 0; k < times; k++)
                add_pieces(r, from, p->end[i] - from, epoch, i + k * p->documents);
        }
    }
}

/* More pieces than any epoch has. */
static int64_t count_max(const qn_rows *r) {
    const qn_dataset_split *p = r->split;
    int64_t max = 0, C = r->o.context;
    for (int64_t i = 0; r->x && i < qn_examples_count(r->x, r->o.split); i++)
        max += stands(r, i);
    for (size_t s = 0; r->d && s < r->d->sources; s++) {
        double repeat = qn_dataset_repeat(r->d, r->o.split, s);
        int64_t most = repeat == 1 ? 1 : (int64_t)QN_MIN(repeat, 1e9) + 1;
        for (int64_t i = p->source_document[s]; i < p->source_document[s + 1]; i++) {
            int64_t left = p->end[i] - (i ? p->end[i - 1] : 0) - 1;
            int64_t pieces = left <= C ? left > 0 : (left + C - 1) / C + !r->o.ordered;
            if (max > PIECES_MAX)
                return max;
            max += QN_MIN(most, PIECES_MAX) * pieces;
        }
    }
    return max;
}

/* ---- the plan ---------------------------------------------------------------------------------------------------- */

static void shuffle(const qn_rows *r, int32_t *v, int64_t n, int what, int64_t epoch) {
    for (int64_t i = 0; i < n; i++)
        v[i] = (int32_t)i;
    if (r->o.ordered)
        return;
    for (int64_t i = n - 1; i > 0; i--) {
        int64_t k = draw_below(r, what, epoch, i, i + 1);
        int32_t other = v[k];
        v[k] = v[i];
        v[i] = other;
    }
}

/* The rows in the order of the first document of each. */
static void rank_by_document(qn_rows *r) {
    int32_t rank = 0;
    for (int64_t i = 0; i < r->rows; i++)
        r->rank[i] = -1;
    for (int64_t i = 0; i < r->pieces; i++)
        if (r->rank[r->packer.row[i]] < 0)
            r->rank[r->packer.row[i]] = rank++;
}

static void plan(qn_rows *r, int64_t epoch) {
    list_pieces(r, epoch);
    shuffle(r, r->order, r->pieces, DRAW_SHUFFLE_PIECES, epoch);
    r->rows = qn_row_pack(&r->packer, r->pieces, r->length, r->order);
    if (r->o.ordered)
        rank_by_document(r);
    else
        shuffle(r, r->rank, r->rows, DRAW_SHUFFLE_ROWS, epoch);
    int32_t *begin = r->row_begin;
    memset(begin, 0, (size_t)(r->rows + 1) * sizeof *begin);
    for (int64_t i = 0; i < r->pieces; i++)
        begin[r->rank[r->packer.row[i]]]++;
    for (int64_t i = 0, at = 0; i <= r->rows; i++) {
        int64_t n = begin[i];
        begin[i] = (int32_t)at;
        at += n;
    }
    for (int64_t i = 0; i < r->pieces; i++)             /* leaves begin[k] where row k ends … */
        r->in_row[begin[r->rank[r->packer.row[i]]]++] = (int32_t)i;
    for (int64_t i = r->rows; i > 0; i--)               /* … which is where k + 1 begins */
        begin[i] = begin[i - 1];
    begin[0] = 0;
    r->epoch = epoch;
    for (int64_t i = 0; i < r->pieces; i++)
        r->stats.tokens += r->length[i];
    r->stats.rows = r->rows;
    r->stats.pieces = r->pieces;
    r->stats.fill = r->rows ? (double)r->stats.tokens / ((double)r->rows * (double)r->o.context) : 0;
}

static int plan_first(qn_rows *r) {
    r->max = count_max(r);
    if (r->max == 0)
        return qn_fail(QN_EINVAL, "%s: no document of the split has two tokens: there is nothing to predict",
                       r->name);
    if (r->max > PIECES_MAX)
        return qn_fail(QN_ELIMIT, "%s: an epoch of more than %lld pieces; take smaller weights or a longer context",
                       r->name, (long long)PIECES_MAX);
    size_t max = (size_t)r->max;
    r->max_pieces = QN_MIN(QN_MAX((int64_t)4, r->o.context / 8), r->max);
    r->from = qn_zalloc(QN_MEM_BASE, max, sizeof *r->from);
    r->length = qn_zalloc(QN_MEM_BASE, max, sizeof *r->length);
    r->order = qn_zalloc(QN_MEM_BASE, max, sizeof *r->order);
    r->rank = qn_zalloc(QN_MEM_BASE, max, sizeof *r->rank);
    r->row_begin = qn_zalloc(QN_MEM_BASE, max + 1, sizeof *r->row_begin);
    r->in_row = qn_zalloc(QN_MEM_BASE, max, sizeof *r->in_row);
    if (!r->from || !r->length || !r->order || !r->rank || !r->row_begin || !r->in_row)
        return QN_ENOMEM;
    QN_TRY(qn_row_packer_init(&r->packer, r->max, r->o.context, r->max_pieces));
    plan(r, 0);
    return r->rows ? 0 : qn_fail(QN_EINVAL, "%s: by their weights no documents stand in the first epoch", r->name);
}

static int begin_stream(qn_rows *r) {
    if (r->split->tokens < 2)
        return qn_fail(QN_EINVAL, "%s: the split has no two tokens: there is nothing to predict", r->name);
    r->max_pieces = 1;
    r->rows = (r->split->tokens - 1 + r->o.context - 1) / r->o.context;
    r->stats = (qn_rows_stats){.rows = r->rows, .pieces = r->rows, .documents = r->split->documents};
    r->stats.tokens = r->o.ordered ? r->split->tokens - 1 : r->rows * QN_MIN(r->o.context, r->split->tokens - 1);
    r->stats.fill = (double)r->stats.tokens / ((double)r->rows * (double)r->o.context);
    return 0;
}

static int check_context(const qn_rows_options *o) {
    if (o->context >= 2 && o->context <= CONTEXT_MAX)
        return 0;
    return qn_fail(QN_EINVAL, "a context of %lld tokens; it must be 2 … %lld", (long long)o->context,
                   (long long)CONTEXT_MAX);
}

/* The rows of what `what` names: either of its two sources. */
static int rows_new(qn_rows **out, const qn_rows *what) {
    int rc;
    qn_rows *r = qn_zalloc(QN_MEM_BASE, 1, sizeof *r);
    if (!r)
        return QN_ENOMEM;
    *r = *what;
    r->parts = r->o.judged ? 2 : 1;
    r->ids = qn_zalloc(QN_MEM_BASE, (size_t)r->o.context + 1, sizeof *r->ids);
    r->taught = qn_zalloc(QN_MEM_BASE, (size_t)r->o.context + 1, sizeof *r->taught);
    QN_TRY_OUT(r->ids && r->taught ? 0 : QN_ENOMEM);
    QN_TRY_OUT(r->o.packing == QN_PACK_STREAM ? begin_stream(r) : plan_first(r));
    r->where = qn_zalloc(QN_MEM_BASE, (size_t)qn_rows_max_pieces(r), sizeof *r->where);
    QN_TRY_OUT(r->where ? 0 : QN_ENOMEM);
    r->rows_first = r->rows;
    *out = r;
    r = NULL;
out:
    qn_rows_free(r);
    return rc;
}

int qn_rows_new(qn_rows **out, const qn_dataset *d, const qn_rows_options *o) {
    *out = NULL;
    QN_TRY(check_context(o));
    if (d->split[o->split].tokens == 0)
        return qn_fail(QN_EINVAL, "%s holds no %s tokens%s", d->path,
                       o->split == QN_SPLIT_TRAIN ? "training" : "validation",
                       o->split == QN_SPLIT_TRAIN ? "" : "; prepare the data with --validation");
    return rows_new(out, &(qn_rows){.d = d, .split = &d->split[o->split], .name = d->path, .o = *o});
}

int qn_rows_of_examples(qn_rows **out, const qn_examples *e, const qn_rows_options *o) {
    *out = NULL;
    QN_TRY(check_context(o));
    if (o->packing == QN_PACK_STREAM)
        return qn_fail(QN_EINVAL, "examples are packed whole, not as a stream: their answers would see one another");
    const qn_example_form form = qn_examples_form(e);
    const int64_t most = qn_examples_context(e) * (o->judged ? 2 : 1);
    if (o->context < most)
        return qn_fail(QN_EINVAL, "rows of %lld tokens for examples of up to %lld", (long long)o->context,
                       (long long)most);
    if (o->judged && form != QN_FORM_LABELS && !qn_example_form_is_pair(form))
        return qn_fail(QN_EINVAL, "the examples are %s: there is nothing in them to compare",
                       qn_example_form_name(form));
    return rows_new(out, &(qn_rows){.x = e, .name = "the examples", .o = *o});
}

void qn_rows_free(qn_rows *r) {
    if (!r)
        return;
    qn_row_packer_drop(&r->packer);
    qn_free(r->from);
    qn_free(r->length);
    qn_free(r->order);
    qn_free(r->rank);
    qn_free(r->row_begin);
    qn_free(r->in_row);
    qn_free(r->ids);
    qn_free(r->taught);
    qn_free(r->where);
    qn_free(r);
}

int64_t qn_rows_per_epoch(const qn_rows *r) { return r->rows_first; }
int64_t qn_rows_piece_from(const qn_rows *r, int64_t i) { return r->where[i]; }
int64_t qn_rows_max_pieces(const qn_rows *r) { return r->max_pieces * r->parts; }
void qn_rows_stats_get(const qn_rows *r, qn_rows_stats *out) { *out = r->stats; }

/* ---- one row ----------------------------------------------------------------------------------------------------- */

/* n tokens to read, with the one behind them as the last target. */
static void put_ids(qn_rows *r, int64_t from, const int32_t *ids, int64_t n, qn_row_data *out) {
    memcpy(out->ids + out->n, ids, (size_t)n * sizeof *out->ids);
    memcpy(out->targets + out->n, ids + 1, (size_t)n * sizeof *out->targets);
    r->where[out->pieces] = from;
    out->piece[out->pieces++] = (qn_piece){out->n, n};
    out->n += n;
}

static int put_piece(qn_rows *r, int64_t from, int64_t n, qn_row_data *out) {
    QN_TRY(qn_shards_read(r->split->shard, r->split->n, from, n + 1, r->ids));
    put_ids(r, from, r->ids, n, out);
    return 0;
}

static void put_example(qn_rows *r, int64_t which, qn_row_data *out) {
    for (int k = 0; k < r->parts; k++) {
        qn_example_part part;
        part_of(r, which, k, &part);
        int32_t *targets = out->targets + out->n;
        put_ids(r, which, part.ids, part.n - 1, out);
        for (int64_t i = 0; i + 1 < part.n; i++)
            targets[i] = part.taught[i + 1] ? targets[i] : -1;
    }
}

/* A source by its weight, then a place in it; without weights any place of the stream. */
static int64_t draw_window(const qn_rows *r, int64_t row, int64_t *n) {
    const qn_dataset_split *p = r->split;
    int64_t from = 0, to = p->tokens;
    double u = qn_rng_uniform(r->o.seed, QN_RNG_ORDER, DRAW_SOURCE, (uint64_t)row) * (double)p->tokens;
    for (size_t s = 0; s < r->d->sources && r->d->sources > 1; s++) {
        int64_t own = p->source_token[s + 1] - p->source_token[s];
        double share = own < 2 ? 0 : qn_dataset_repeat(r->d, r->o.split, s) * (double)own;
        if (share > 0) {
            from = p->source_token[s];                  /* the last one stands if rounding carries u beyond */
            to = p->source_token[s + 1];
        }
        if (u < share)
            break;
        u -= share;
    }
    *n = QN_MIN(r->o.context, to - from - 1);
    return from + draw_below(r, DRAW_WINDOW, 0, row, to - from - *n);
}

static int get_window(qn_rows *r, int64_t row, qn_row_data *out) {
    int64_t n, from;
    if (r->o.ordered) {
        from = row % r->rows * r->o.context;
        n = QN_MIN(r->o.context, r->split->tokens - 1 - from);
    } else {
        from = draw_window(r, row, &n);
    }
    return put_piece(r, from, n, out);
}

static void find_epoch(qn_rows *r, int64_t row) {
    if (row < r->first_row) {
        r->first_row = 0;
        plan(r, 0);
    }
    while (row >= r->first_row + r->rows) {
        if (r->o.ordered) {                             /* every epoch is the same */
            r->first_row += (row - r->first_row) / r->rows * r->rows;
            return;
        }
        r->first_row += r->rows;
        plan(r, r->epoch + 1);
    }
}

int qn_rows_get(qn_rows *r, int64_t row, qn_row_data *out) {
    qn_assert(row >= 0);
    out->n = out->pieces = 0;
    if (r->o.packing == QN_PACK_STREAM) {
        QN_TRY(get_window(r, row, out));
    } else {
        find_epoch(r, row);
        int64_t k = row - r->first_row;
        for (int32_t i = r->row_begin[k]; i < r->row_begin[k + 1]; i++) {
            const int32_t at = r->in_row[i];
            if (r->x)
                put_example(r, r->from[at], out);
            else
                QN_TRY(put_piece(r, r->from[at], r->length[at], out));
        }
    }
    for (int64_t i = out->n; i < r->o.context; i++) {
        out->ids[i] = 0;
        out->targets[i] = -1;
    }
    return 0;
}
