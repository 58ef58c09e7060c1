/* eval/score_tree.c — planning a wave over sorted paths, feeding it level by level. */
#include "eval/score_tree.h"

#include <stdlib.h>

enum {
    SHARE_MIN = 16,         /* tokens: a shorter beginning is fed again rather than shared, which costs a call */
    WAVE_TOKENS = 2048      /* fed per wave: bounds the cache that is touched, fills runs of 512 rows */
};

int qn_score_tree_init(qn_score_tree *t, qn_session *s) {
    *t = (qn_score_tree){.s = s, .most = qn_session_sequences(s) - 1};      /* one is kept from wave to wave */
    if (t->most < 1)
        return qn_fail(QN_EINVAL, "scoring needs a session of at least 2 sequences");
    const size_t most = (size_t)t->most;
    t->node = qn_alloc(QN_MEM_SESSION, most * sizeof *t->node);
    t->leaf = qn_alloc(QN_MEM_SESSION, most * sizeof *t->leaf);
    t->stack = qn_alloc(QN_MEM_SESSION, most * sizeof *t->stack);
    t->feed = qn_alloc(QN_MEM_SESSION, 2 * most * sizeof *t->feed);
    t->want = qn_alloc(QN_MEM_SESSION, 2 * most * sizeof *t->want);
    return t->node && t->leaf && t->stack && t->feed && t->want ? 0 : QN_ENOMEM;
}

void qn_score_tree_drop(qn_score_tree *t) {
    qn_free(t->node);
    qn_free(t->leaf);
    qn_free(t->stack);
    qn_free(t->feed);
    qn_free(t->want);
    *t = (qn_score_tree){0};
}

void qn_score_tree_start(qn_score_tree *t) {
    qn_session_reset(t->s);
    t->kept = NULL;
    t->kept_n = t->kept_seq = t->n_nodes = t->n_paths = 0;
}

static int by_ids(const void *a, const void *b) {
    const qn_tree_path *x = a, *y = b;
    const int64_t n = QN_MIN(x->n, y->n);
    for (int64_t i = 0; i < n; i++)
        if (x->ids[i] != y->ids[i])
            return x->ids[i] < y->ids[i] ? -1 : 1;
    if (x->n != y->n)
        return x->n < y->n ? -1 : 1;
    return x->item < y->item ? -1 : x->item > y->item;
}

void qn_tree_sort(qn_tree_path *path, int64_t n) {
    if (n > 1)
        qsort(path, (size_t)n, sizeof *path, by_ids);
}

/* How many positions two paths may share; 0 where it is not worth it. */
static int64_t common(const qn_tree_path *a, const qn_tree_path *b) {
    const int64_t most = QN_MIN(a->first, b->first);
    int64_t i = 0;
    while (i < most && a->ids[i] == b->ids[i])
        i++;
    return i < SHARE_MIN ? 0 : i;
}

/* ---- planning ---- */

static int64_t add_node(qn_score_tree *t, int64_t path, int64_t parent, int64_t begin, int64_t end) {
    t->node[t->n_nodes] = (qn_tree_node){.path = path, .parent = parent, .begin = begin, .end = end};
    return t->n_nodes++;
}

/* Cuts node x at `at`: what lies before becomes a new node in its place, x hangs on it. */
static void split(qn_score_tree *t, int64_t x, int64_t at) {
    const int64_t front = add_node(t, t->node[x].path, t->node[x].parent, t->node[x].begin, at);
    t->node[x].parent = front;
    t->node[x].begin = at;
    t->stack[t->stacked - 1] = front;
}

/* The leaf of path i, which shares its first `shared` positions with the path before. */
static void add_path(qn_score_tree *t, int64_t i, int64_t shared) {
    while (t->stacked > 0 && t->node[t->stack[t->stacked - 1]].begin >= shared)
        t->stacked--;
    if (t->stacked > 0) {
        const int64_t top = t->stack[t->stacked - 1];
        if (t->node[top].end > shared && shared - t->node[top].begin < SHARE_MIN) {
            shared = t->node[top].begin;
            t->stacked--;
        } else if (t->node[top].end > shared) {
            split(t, top, shared);
        }
    }
    const int64_t parent = t->stacked > 0 ? t->stack[t->stacked - 1] : -1;
    t->leaf[i] = t->stack[t->stacked++] = add_node(t, i, parent, parent < 0 ? 0 : shared, t->path[i].n);
}

static void number_levels(qn_score_tree *t) {
    t->depth = 0;
    for (int64_t i = 0; i < t->n_nodes; i++) {
        qn_tree_node *x = &t->node[i];
        x->level = 0;
        for (int64_t p = x->parent; p >= 0; p = t->node[p].parent)
            x->level++;
        x->seq = i + (t->kept && i >= t->kept_seq);
        t->depth = QN_MAX(t->depth, x->level + 1);
    }
}

int64_t qn_score_tree_plan(qn_score_tree *t, const qn_tree_path *path, int64_t n) {
    if (t->n_paths > 0) {
        t->kept = &t->path[t->n_paths - 1];
        t->kept_seq = qn_score_tree_seq(t, t->n_paths - 1);
    }
    t->kept_n = t->kept ? common(t->kept, &path[0]) : 0;
    t->path = path;
    t->n_nodes = t->stacked = 0;
    int64_t taken = 0, tokens = 0;
    for (; taken < n; taken++) {
        const int64_t shared = taken > 0 ? common(&path[taken - 1], &path[taken]) : 0;
        tokens += path[taken].n - (taken > 0 ? shared : t->kept_n);
        if (taken > 0 && (tokens > WAVE_TOKENS || t->n_nodes + 2 > t->most))
            break;
        add_path(t, taken, shared);
    }
    t->n_paths = taken;
    number_levels(t);
    return taken;
}

/* ---- feeding ---- */

/* Makes the node's sequence what it continues, and adds the feeds of its own tokens. */
static int begin_node(qn_score_tree *t, int64_t i, int64_t *feeds) {
    qn_tree_node *x = &t->node[i];
    const qn_tree_path *p = &t->path[x->path];
    int64_t at = x->begin;
    qn_session_truncate(t->s, x->seq, 0);
    if (x->parent >= 0) {
        QN_TRY(qn_session_share(t->s, t->node[x->parent].seq, x->seq, at));
    } else if (x->path == 0 && t->kept_n > 0) {
        at = QN_MIN(t->kept_n, x->end);
        QN_TRY(qn_session_share(t->s, t->kept_seq, x->seq, at));
    }
    const bool leaf = t->leaf[x->path] == i;
    const int64_t until = leaf ? p->first : x->end;
    if (until > at) {
        t->want[*feeds].path = x->path;
        t->feed[(*feeds)++] = (qn_feed){x->seq, p->ids + at, until - at, QN_LOGITS_NONE};
    }
    if (leaf) {
        t->want[*feeds] = (struct qn_tree_want){x->path, p->first};
        t->feed[(*feeds)++] = (qn_feed){x->seq, p->ids + p->first, p->n - p->first, QN_LOGITS_ALL};
    }
    return 0;
}

static int on_logits(void *arg, int64_t feed, int64_t i, const float *logits) {
    qn_score_tree *t = arg;
    return t->fn(t->arg, t->want[feed].path, t->want[feed].from + i, logits);
}

int qn_score_tree_feed(qn_score_tree *t, qn_logits_fn *fn, void *arg) {
    t->fn = fn;
    t->arg = arg;
    for (int level = 0; level < t->depth; level++) {
        int64_t feeds = 0;
        for (int64_t i = 0; i < t->n_nodes; i++)
            if (t->node[i].level == level)
                QN_TRY(begin_node(t, i, &feeds));
        QN_TRY(qn_session_feed(t->s, t->feed, feeds, on_logits, t));
    }
    return 0;
}

int64_t qn_score_tree_seq(const qn_score_tree *t, int64_t i) { return t->node[t->leaf[i]].seq; }
