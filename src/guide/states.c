/* guide/states.c — sets of stacks: what a byte leads to, and all that can be reached from there without another one. */
#include "guide/states.h"

#include <stdlib.h>
#include <string.h>

#define REACH_MAX 65536             /* places that one byte may lead to, calls and returns included */
#define FEW 16
#define UNKNOWN UINT32_MAX

/* A place reached within one closure. `fresh`: that many frames on top were put there within it. */
struct qn_reach { int32_t pos; uint32_t stack; int32_t fresh; };

/* ---- tables that know their contents ---- */

static uint32_t mix(uint64_t h) {
    h = (h ^ h >> 31) * 0x9e3779b97f4a7c15u;
    h = (h ^ h >> 29) * 0xbf58476d1ce4e5b9u;
    return (uint32_t)(h >> 32);
}

static int fail_once(qn_states *s, int rc) {
    if (s->rc == 0)
        s->rc = rc;
    return rc;
}

static int too_ambiguous(const qn_states *s) {
    return qn_fail(QN_ELIMIT, "%s: the grammar is too ambiguous: the text so far can be read in more than %d ways at "
                   "once; let alternatives differ earlier, or write what they share once, in front of them",
                   s->g->name, QN_ITEMS_MAX);
}

static uint32_t frame_hash(uint32_t below, int32_t at, int32_t count) {
    return mix(((uint64_t)below << 32 | (uint32_t)at) + (uint64_t)(uint32_t)count * 0xd6e8feb86659fd93u);
}

static uint32_t state_hash(const qn_item *item, int32_t n, bool accept) {
    uint64_t h = (uint64_t)accept + 1;
    for (int32_t i = 0; i < n; i++)
        h = (h ^ ((uint64_t)(uint32_t)item[i].pos << 32 | item[i].stack)) * 0xff51afd7ed558ccdu ^ h >> 32;
    return mix(h);
}

static int grow_slots(uint32_t **slot, size_t *slots, size_t n) {
    if (n * 2 < *slots)
        return 0;
    const size_t size = *slots ? 2 * *slots : 1024;
    uint32_t *bigger = qn_zalloc(QN_MEM_SESSION, size, sizeof *bigger);
    if (!bigger)
        return QN_ENOMEM;
    qn_free(*slot);
    *slot = bigger;
    *slots = size;
    return 1;                       /* all have to be put in again */
}

/* A frame on top of `below`; after a failure `below` itself. */
static uint32_t push(qn_states *s, uint32_t below, int32_t at, int32_t count) {
    const int grown = grow_slots(&s->frame_slot, &s->frame_slots, s->n_frames + 1);
    if (grown < 0 || QN_GROW(QN_MEM_SESSION, s->frame, s->cap_frames, s->n_frames + 1) < 0) {
        fail_once(s, QN_ENOMEM);
        return below;
    }
    const size_t mask = s->frame_slots - 1;
    for (size_t i = 1; grown && i < s->n_frames; i++) {
        size_t k = frame_hash(s->frame[i].below, s->frame[i].at, s->frame[i].count) & mask;
        while (s->frame_slot[k])
            k = (k + 1) & mask;
        s->frame_slot[k] = (uint32_t)i;
    }
    size_t k = frame_hash(below, at, count) & mask;
    for (; s->frame_slot[k]; k = (k + 1) & mask) {
        const qn_frame *f = &s->frame[s->frame_slot[k]];
        if (f->below == below && f->at == at && f->count == count)
            return s->frame_slot[k];
    }
    s->frame[s->n_frames] = (qn_frame){below, at, count, UNKNOWN};
    s->frame_slot[k] = (uint32_t)s->n_frames;
    return (uint32_t)s->n_frames++;
}

static void find_bytes(const qn_states *s, qn_state *t) {
    for (int32_t i = 0; i < t->n; i++) {
        const qn_pos *p = &s->g->pos[s->item[t->first + (size_t)i].pos];
        for (int32_t e = p->a; e < p->a + p->n; e++)
            for (int b = s->g->edge[e].lo; b <= s->g->edge[e].hi; b++)
                t->bytes[b >> 6] |= (uint64_t)1 << (b & 63);
    }
}

static uint32_t add_state(qn_states *s, const qn_item *item, int32_t n, bool accept, uint32_t hash, size_t slot) {
    if (QN_GROW(QN_MEM_SESSION, s->item, s->cap_items, s->n_items + (size_t)n) < 0 ||
        QN_GROW(QN_MEM_SESSION, s->state, s->cap_states, s->n_states + 1) < 0) {
        fail_once(s, QN_ENOMEM);
        return QN_STATE_DEAD;
    }
    qn_state t = {.first = s->n_items, .n = n, .accept = accept, .hash = hash, .row = -1, .mask = -1};
    if (n > 0)
        memcpy(s->item + t.first, item, (size_t)n * sizeof *item);
    s->n_items += (size_t)n;
    find_bytes(s, &t);
    s->state[s->n_states] = t;
    s->state_slot[slot] = (uint32_t)s->n_states;
    return (uint32_t)s->n_states++;
}

static int by_item(const void *a, const void *b) {
    const qn_item *x = a, *y = b;
    if (x->pos != y->pos)
        return x->pos < y->pos ? -1 : 1;
    return x->stack != y->stack ? (x->stack < y->stack ? -1 : 1) : 0;
}

/* The number of the state of these items, in any order, each perhaps several times. */
static uint32_t intern(qn_states *s, qn_item *item, size_t n, bool accept) {
    int32_t kept = 0;
    if (n == 0 && !accept)
        return QN_STATE_DEAD;
    if (n > 1)
        qsort(item, n, sizeof *item, by_item);
    for (size_t i = 0; i < n; i++)
        if (kept == 0 || by_item(&item[kept - 1], &item[i]) != 0)
            item[kept++] = item[i];
    const int grown = grow_slots(&s->state_slot, &s->state_slots, s->n_states + 1);
    if (grown < 0) {
        fail_once(s, QN_ENOMEM);
        return QN_STATE_DEAD;
    }
    const size_t mask = s->state_slots - 1;
    for (size_t i = 1; grown && i < s->n_states; i++) {
        size_t k = s->state[i].hash & mask;
        while (s->state_slot[k])
            k = (k + 1) & mask;
        s->state_slot[k] = (uint32_t)i;
    }
    const uint32_t hash = state_hash(item, kept, accept);
    size_t k = hash & mask;
    for (; s->state_slot[k]; k = (k + 1) & mask) {
        const qn_state *t = &s->state[s->state_slot[k]];
        if (t->hash == hash && t->n == kept && t->accept == accept &&
            (kept == 0 || memcmp(s->item + t->first, item, (size_t)kept * sizeof *item) == 0))
            return s->state_slot[k];
    }
    return add_state(s, item, kept, accept, hash, k);
}

/* ---- closure ---- */

static void closure_begin(qn_states *s) {
    s->n_reach = s->n_found = 0;
    s->whole = false;
}

/* Room for twice as many, all of them put in again. */
static int rebuild_seen(qn_states *s) {
    s->seen_slots = s->n_reach == FEW ? 16 * FEW : 2 * s->seen_slots;
    QN_TRY(QN_GROW(QN_MEM_SESSION, s->seen, s->cap_seen, s->seen_slots));
    memset(s->seen, 0, s->seen_slots * sizeof *s->seen);
    for (size_t i = 0; i < s->n_reach; i++) {
        size_t k = frame_hash(s->reach[i].stack, s->reach[i].pos, s->reach[i].fresh) & (s->seen_slots - 1);
        while (s->seen[k])
            k = (k + 1) & (s->seen_slots - 1);
        s->seen[k] = (uint32_t)i + 1;
    }
    return 0;
}

static bool same_reach(const struct qn_reach *a, const struct qn_reach *b) {
    return a->pos == b->pos && a->stack == b->stack && a->fresh == b->fresh;
}

/* Seen before in this closure? A few are looked through; more have a table, in which a new one is noted. */
static bool is_new(qn_states *s, struct qn_reach r) {
    if (s->n_reach < FEW) {
        for (size_t i = 0; i < s->n_reach; i++)
            if (same_reach(&s->reach[i], &r))
                return false;
        return true;
    }
    if ((s->n_reach == FEW || s->n_reach * 2 >= s->seen_slots) && rebuild_seen(s) < 0) {
        fail_once(s, QN_ENOMEM);
        return false;
    }
    size_t k = frame_hash(r.stack, r.pos, r.fresh) & (s->seen_slots - 1);
    for (; s->seen[k]; k = (k + 1) & (s->seen_slots - 1))
        if (same_reach(&s->reach[s->seen[k] - 1], &r))
            return false;
    s->seen[k] = (uint32_t)s->n_reach + 1;
    return true;
}

static void reach(qn_states *s, int32_t pos, uint32_t stack, int32_t fresh) {
    const struct qn_reach r = {pos, stack, fresh};
    if (s->rc < 0 || !is_new(s, r))
        return;
    if (s->n_reach >= REACH_MAX)
        fail_once(s, too_ambiguous(s));
    else if (QN_GROW(QN_MEM_SESSION, s->reach, s->cap_reach, s->n_reach + 1) < 0)
        fail_once(s, QN_ENOMEM);
    else
        s->reach[s->n_reach++] = r;
}

static void find_item(qn_states *s, const struct qn_reach *r) {
    if (s->n_found >= QN_ITEMS_MAX)
        fail_once(s, too_ambiguous(s));
    else if (QN_GROW(QN_MEM_SESSION, s->found, s->cap_found, s->n_found + 1) < 0)
        fail_once(s, QN_ENOMEM);
    else
        s->found[s->n_found++] = (qn_item){r->pos, r->stack};
}

/* A turn of a loop is over. One that began within this closure was empty: it is none. */
static void again(qn_states *s, const struct qn_reach *r) {
    const qn_frame f = s->frame[r->stack];
    const qn_loop *l = &s->g->loop[~f.at];
    if (r->fresh > 0)
        return;
    const int32_t turns = l->most < 0 ? QN_MIN(f.count + 1, l->least) : f.count + 1;
    if (turns >= l->least)
        reach(s, l->next, f.below, 0);
    if (l->most < 0 || turns < l->most)
        reach(s, l->body, push(s, f.below, f.at, turns), 1);
}

static void step(qn_states *s, struct qn_reach r) {
    const qn_syntax *g = s->g;
    const qn_pos p = g->pos[r.pos];
    switch (p.kind) {
    case QN_POS_BYTES: find_item(s, &r); return;
    case QN_POS_SPLIT:
        for (int32_t i = 0; i < p.n; i++)
            reach(s, g->split[p.a + i], r.stack, r.fresh);
        return;
    case QN_POS_CALL:
        if (g->pos[p.n].kind == QN_POS_END)
            reach(s, g->entry[p.a], r.stack, r.fresh);
        else
            reach(s, g->entry[p.a], push(s, r.stack, p.n, 0), r.fresh + 1);
        return;
    case QN_POS_LOOP: reach(s, g->loop[p.a].body, push(s, r.stack, ~p.a, 0), r.fresh + 1); return;
    case QN_POS_AGAIN: again(s, &r); return;
    case QN_POS_END: break;
    }
    if (r.stack == 0)
        s->whole = true;
    else
        reach(s, s->frame[r.stack].at, s->frame[r.stack].below, QN_MAX(r.fresh - 1, 0));
}

static uint32_t closure_end(qn_states *s) {
    for (size_t i = 0; i < s->n_reach && s->rc == 0; i++)
        step(s, s->reach[i]);
    return s->rc < 0 ? QN_STATE_DEAD : intern(s, s->found, s->n_found, s->whole);
}

/* ---- what a byte leads to ---- */

static uint32_t find_next(qn_states *s, uint32_t state, uint8_t byte) {
    const qn_syntax *g = s->g;
    closure_begin(s);
    for (int32_t i = 0; i < s->state[state].n; i++) {
        const qn_item item = s->item[s->state[state].first + (size_t)i];
        const qn_pos *p = &g->pos[item.pos];
        for (int32_t e = p->a; e < p->a + p->n; e++)
            if (byte >= g->edge[e].lo && byte <= g->edge[e].hi)
                reach(s, g->edge[e].to, item.stack, 0);
    }
    return closure_end(s);
}

uint32_t qn_states_next(qn_states *s, uint32_t state, uint8_t byte) {
    const size_t C = (size_t)s->g->n_classes;
    if (s->rc < 0 || !qn_state_leads(&s->state[state], byte))
        return QN_STATE_DEAD;
    if (s->state[state].row < 0) {
        if (s->n_rows >= INT32_MAX || QN_GROW(QN_MEM_SESSION, s->next, s->cap_next, (s->n_rows + 1) * C) < 0) {
            fail_once(s, QN_ENOMEM);
            return QN_STATE_DEAD;
        }
        memset(s->next + s->n_rows * C, 0xff, C * sizeof *s->next);
        s->state[state].row = (int32_t)s->n_rows++;
    }
    const size_t at = (size_t)s->state[state].row * C + s->g->class_of[byte];
    if (s->next[at] == UNKNOWN) {
        const uint32_t to = find_next(s, state, byte);
        if (s->rc < 0)
            return QN_STATE_DEAD;
        s->next[at] = to;
    }
    return s->next[at];
}

/* ---- parts of stacks ---- */

uint32_t qn_states_call(const qn_states *s, uint32_t stack) {
    while (stack != 0 && s->frame[stack].at < 0)
        stack = s->frame[stack].below;
    return stack;
}

bool qn_states_counts(const qn_states *s, uint32_t stack) { return stack != 0 && s->frame[stack].at < 0; }

uint32_t qn_states_return(qn_states *s, uint32_t frame) {
    if (s->frame[frame].after != UNKNOWN || s->rc < 0)
        return s->rc < 0 ? QN_STATE_DEAD : s->frame[frame].after;
    closure_begin(s);
    reach(s, s->frame[frame].at, s->frame[frame].below, 0);
    const uint32_t to = closure_end(s);
    if (s->rc == 0)
        s->frame[frame].after = to;
    return to;
}

/* A count that stands for this one for the next `reach` bytes, and so for as many turns at most. */
static int32_t near_count(const qn_loop *l, int32_t count, int64_t far) {
    if (count + far < l->least)
        return (int32_t)(l->least - far - 1);
    return count >= l->least && (l->most < 0 || count + far < l->most) ? l->least : count;
}

/* The stack above `frame`, on an empty one. Loops within one another are few: they are recursion of expressions. */
static uint32_t cut_stack(qn_states *s, uint32_t stack, uint32_t frame, int64_t far) {
    if (stack == frame || s->rc < 0)
        return 0;
    const qn_frame f = s->frame[stack];
    const uint32_t below = cut_stack(s, f.below, frame, far);
    return push(s, below, f.at, near_count(&s->g->loop[~f.at], f.count, far));
}

uint32_t qn_states_local(qn_states *s, uint32_t state, uint32_t frame, int64_t far) {
    closure_begin(s);
    for (int32_t i = 0; i < s->state[state].n && s->rc == 0; i++) {
        const qn_item item = s->item[s->state[state].first + (size_t)i];
        if (qn_states_call(s, item.stack) != frame)
            continue;
        const struct qn_reach r = {item.pos, cut_stack(s, item.stack, frame, far), 0};
        find_item(s, &r);
    }
    return s->rc < 0 ? QN_STATE_DEAD : intern(s, s->found, s->n_found, false);
}

/* ---- beginning and end ---- */

static int begin(qn_states *s) {
    QN_TRY(QN_GROW(QN_MEM_SESSION, s->frame, s->cap_frames, 1));
    QN_TRY(QN_GROW(QN_MEM_SESSION, s->state, s->cap_states, 1));
    s->frame[s->n_frames++] = (qn_frame){0};            /* the empty stack */
    s->state[s->n_states++] = (qn_state){.row = -1, .mask = -1};        /* the dead state */
    closure_begin(s);
    reach(s, s->g->start, 0, 0);
    s->start = closure_end(s);
    return s->rc;
}

int qn_states_init(qn_states *s, const qn_syntax *g) {
    *s = (qn_states){.g = g};
    const int rc = begin(s);
    if (rc < 0)
        qn_states_drop(s);
    return rc;
}

void qn_states_drop(qn_states *s) {
    qn_free(s->item);
    qn_free(s->frame);
    qn_free(s->state);
    qn_free(s->next);
    qn_free(s->frame_slot);
    qn_free(s->state_slot);
    qn_free(s->reach);
    qn_free(s->seen);
    qn_free(s->found);
    *s = (qn_states){0};
}

size_t qn_states_bytes(const qn_states *s) {
    return s->cap_items * sizeof *s->item + s->cap_frames * sizeof *s->frame + s->cap_states * sizeof *s->state +
           (s->cap_next + s->frame_slots + s->state_slots) * sizeof(uint32_t);
}

/* ---- forgetting ---- */

static int move_stack(qn_states *to, const qn_states *from, uint32_t stack, qn_ids *chain, uint32_t *out) {
    qn_ids_clear(chain);
    for (; stack != 0; stack = from->frame[stack].below)
        QN_TRY(qn_ids_push(chain, (int32_t)stack));
    *out = 0;
    while (chain->n > 0) {
        const qn_frame *f = &from->frame[chain->v[--chain->n]];
        *out = push(to, *out, f->at, f->count);
    }
    return to->rc;
}

static int move_state(qn_states *to, const qn_states *from, uint32_t *state, qn_ids *chain) {
    const qn_state *t = &from->state[*state];
    closure_begin(to);
    for (int32_t i = 0; i < t->n; i++) {
        const qn_item item = from->item[t->first + (size_t)i];
        struct qn_reach r = {item.pos, 0, 0};
        QN_TRY(move_stack(to, from, item.stack, chain, &r.stack));
        find_item(to, &r);
    }
    QN_TRY(to->rc);
    *state = intern(to, to->found, to->n_found, t->accept);
    return to->rc;
}

int qn_states_compact(qn_states *s, uint32_t **live, size_t n) {
    qn_states fresh;
    qn_ids chain = {0};
    int rc;
    QN_TRY(qn_states_init(&fresh, s->g));
    for (size_t i = 0; i < n; i++) {
        uint32_t moved = *live[i];
        rc = move_state(&fresh, s, &moved, &chain);
        if (rc < 0)
            goto out;
        *live[i] = moved;           /* after a failure all is dead, whichever number it has */
    }
    rc = 0;
out:
    qn_ids_drop(&chain);
    if (rc < 0) {
        qn_states_drop(&fresh);
        return fail_once(s, rc);
    }
    qn_states_drop(s);
    *s = fresh;
    return 0;
}
