/* data/row_pack.c — best fit decreasing in O(pieces): rows wait in one list per room that they have left, and a tree of
 * bits finds the smallest room that is large enough.
 *
 *     room      0    1    2    3    4 …          bits[0]   one bit per list that is not empty
 *     rows      –    7    –    2,9  –            bits[1]   one bit per word of bits[0] that is not 0 …
 *
 * A row that is full, or holds as many pieces as it may, waits in no list. */
#include "data/row_pack.h"

#include <string.h>

static int64_t words(int64_t bits) { return (bits + 63) / 64; }

int qn_row_packer_init(qn_row_packer *p, int64_t max, int64_t context, int64_t pieces_per_row) {
    *p = (qn_row_packer){.max = max, .context = context, .cap = (int32_t)QN_MIN(pieces_per_row, INT32_MAX)};
    int32_t **each[] = {&p->row, &p->room, &p->count, &p->next, &p->sorted};
    bool ok = true;
    for (size_t i = 0; i < QN_LEN(each); i++)
        ok = (*each[i] = qn_zalloc(QN_MEM_BASE, (size_t)max, sizeof **each[i])) && ok;
    p->head = qn_zalloc(QN_MEM_BASE, (size_t)context + 1, sizeof *p->head);
    p->start = qn_zalloc(QN_MEM_BASE, (size_t)context + 2, sizeof *p->start);
    int64_t n = context + 1;
    for (size_t i = 0; i < QN_LEN(p->bits); i++) {
        n = words(n);
        ok = (p->bits[i] = qn_zalloc(QN_MEM_BASE, (size_t)n, sizeof *p->bits[i])) && ok;
    }
    return ok && p->head && p->start ? 0 : QN_ENOMEM;
}

void qn_row_packer_drop(qn_row_packer *p) {
    int32_t *all[] = {p->row, p->room, p->count, p->next, p->sorted, p->head, p->start};
    for (size_t i = 0; i < QN_LEN(all); i++)
        qn_free(all[i]);
    for (size_t i = 0; i < QN_LEN(p->bits); i++)
        qn_free(p->bits[i]);
    *p = (qn_row_packer){0};
}

static void mark(qn_row_packer *p, int64_t room) {
    for (size_t i = 0; i < QN_LEN(p->bits); i++, room /= 64)
        p->bits[i][room / 64] |= (uint64_t)1 << room % 64;
}

static void unmark(qn_row_packer *p, int64_t room) {
    for (size_t i = 0; i < QN_LEN(p->bits); i++, room /= 64)
        if ((p->bits[i][room / 64] &= ~((uint64_t)1 << room % 64)) != 0)
            return;
}

/* The smallest marked room ≥ at, −1: none. Upwards until a word holds one, then down to it. */
static int64_t smallest(const qn_row_packer *p, int64_t at) {
    int64_t n = p->context + 1;
    for (size_t i = 0; i < QN_LEN(p->bits) && at < n; i++, n = words(n)) {
        uint64_t word = p->bits[i][at / 64] >> at % 64;
        if (word == 0) {
            at = at / 64 + 1;
            continue;
        }
        at += QN_CTZ64(word);
        for (; i > 0; i--)
            at = at * 64 + QN_CTZ64(p->bits[i - 1][at]);
        return at;
    }
    return -1;
}

static void put_row(qn_row_packer *p, int32_t row) {
    int32_t room = p->room[row];
    if (room == 0 || p->count[row] >= p->cap)
        return;
    if (p->head[room] < 0)
        mark(p, room);
    p->next[row] = p->head[room];
    p->head[room] = row;
}

static int32_t take_row(qn_row_packer *p, int64_t room) {
    int32_t row = p->head[room];
    p->head[room] = p->next[row];
    if (p->head[room] < 0)
        unmark(p, room);
    return row;
}

/* Longest first, in the given order where equal. */
static void sort(qn_row_packer *p, int64_t n, const int32_t *length, const int32_t *order) {
    memset(p->start, 0, (size_t)(p->context + 2) * sizeof *p->start);
    for (int64_t i = 0; i < n; i++)
        p->start[p->context - length[i] + 1]++;
    for (int64_t i = 0; i < p->context; i++)
        p->start[i + 1] += p->start[i];
    for (int64_t i = 0; i < n; i++)
        p->sorted[p->start[p->context - length[order[i]]]++] = order[i];
}

int64_t qn_row_pack(qn_row_packer *p, int64_t n, const int32_t *length, const int32_t *order) {
    int32_t rows = 0;
    qn_assert(n <= p->max);
    sort(p, n, length, order);
    memset(p->head, 0xff, (size_t)(p->context + 1) * sizeof *p->head);
    int64_t k = p->context + 1;
    for (size_t i = 0; i < QN_LEN(p->bits); i++) {
        k = words(k);
        memset(p->bits[i], 0, (size_t)k * sizeof *p->bits[i]);
    }
    for (int64_t i = 0; i < n; i++) {
        int32_t piece = p->sorted[i], row;
        int64_t room = smallest(p, length[piece]);
        if (room >= 0) {
            row = take_row(p, room);
        } else {
            row = rows++;
            p->room[row] = (int32_t)p->context;
            p->count[row] = 0;
        }
        p->room[row] -= length[piece];
        p->count[row]++;
        p->row[piece] = row;
        put_row(p, row);
    }
    return rows;
}
