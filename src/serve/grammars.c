/* serve/grammars.c — a short list, looked through from its beginning: reading a grammar costs more. */
#include "serve/grammars.h"

#include <pthread.h>

struct qn_grammar {
    qn_buf text;
    qn_syntax *syntax;
    qn_masks *masks;
    int refs;
    int64_t bytes;                  /* when it was given back */
    uint64_t used;
    qn_grammar *next;
};

struct qn_grammars {
    pthread_mutex_t lock;           /* of all below, but for the masks */
    qn_grammar *first;
    uint64_t clock;
};

static void drop(qn_grammar *one) {
    if (!one)
        return;
    qn_masks_free(one->masks);
    qn_syntax_free(one->syntax);
    qn_buf_drop(&one->text);
    qn_free(one);
}

int qn_grammars_new(qn_grammars **out) {
    qn_grammars *g = *out = qn_zalloc(QN_MEM_SERVE, 1, sizeof *g);
    if (!g)
        return QN_ENOMEM;
    pthread_mutex_init(&g->lock, NULL);
    return 0;
}

void qn_grammars_free(qn_grammars *g) {
    if (!g)
        return;
    while (g->first) {
        qn_grammar *one = g->first;
        g->first = one->next;
        drop(one);
    }
    pthread_mutex_destroy(&g->lock);
    qn_free(g);
}

/* The lock is held from here to the next line. */
static qn_grammar *find(qn_grammars *g, qn_str text) {
    for (qn_grammar *one = g->first; one; one = one->next)
        if (qn_str_eq(qn_buf_view(&one->text), text))
            return one;
    return NULL;
}

static void unlink_one(qn_grammars *g, const qn_grammar *one) {
    qn_grammar **at = &g->first;
    while (*at != one)
        at = &(*at)->next;
    *at = one->next;
}

/* The idle one that was used the longest ago; how many there are, and how large they are. */
static qn_grammar *oldest_idle(const qn_grammars *g, int64_t *n, int64_t *bytes) {
    qn_grammar *oldest = NULL;
    *n = *bytes = 0;
    for (qn_grammar *one = g->first; one; one = one->next) {
        if (one->refs > 0)
            continue;
        ++*n;
        *bytes += one->bytes;
        if (!oldest || one->used < oldest->used)
            oldest = one;
    }
    return oldest;
}

static void keep_few(qn_grammars *g) {
    int64_t n, bytes;
    qn_grammar *oldest = oldest_idle(g, &n, &bytes);
    while (oldest && (n > QN_GRAMMARS_IDLE || bytes > QN_GRAMMARS_BYTES)) {
        unlink_one(g, oldest);
        drop(oldest);
        oldest = oldest_idle(g, &n, &bytes);
    }
}
/* ---- */

static int make(qn_str text, qn_grammar_fn *read, const qn_token_trie *trie, const int64_t *eos, int64_t n_eos,
                qn_grammar **out) {
    int rc = QN_ENOMEM;
    qn_grammar *one = *out = qn_zalloc(QN_MEM_SERVE, 1, sizeof *one);
    if (!one)
        return rc;
    one->refs = 1;
    QN_TRY_OUT(qn_buf_put(&one->text, text.s, text.n));
    QN_TRY_OUT(read(&one->syntax, text));
    QN_TRY_OUT(qn_masks_new(&one->masks, one->syntax, trie, eos, n_eos));
    return 0;
out:
    drop(one);
    *out = NULL;
    return rc;
}

/* It is read without the lock: others need not wait for it, and may read the same meanwhile. */
int qn_grammars_take(qn_grammars *g, qn_str text, qn_grammar_fn *read, const qn_token_trie *trie, const int64_t *eos,
                     int64_t n_eos, qn_grammar **out) {
    qn_grammar *mine;
    pthread_mutex_lock(&g->lock);
    *out = find(g, text);
    if (*out)
        (*out)->refs++;
    pthread_mutex_unlock(&g->lock);
    if (*out)
        return 0;
    QN_TRY(make(text, read, trie, eos, n_eos, &mine));
    pthread_mutex_lock(&g->lock);
    *out = find(g, text);
    if (*out) {
        (*out)->refs++;
    } else {
        mine->next = g->first;
        g->first = *out = mine;
    }
    pthread_mutex_unlock(&g->lock);
    if (*out != mine)
        drop(mine);
    return *out == mine;
}

/* What failed once would fail for whoever comes next. */
void qn_grammars_give_back(qn_grammars *g, qn_grammar *one) {
    if (!one)
        return;
    pthread_mutex_lock(&g->lock);
    one->used = ++g->clock;
    if (--one->refs == 0) {
        const qn_masks_stats s = qn_masks_stats_get(one->masks);
        one->bytes = s.bytes + (int64_t)one->text.cap;
        if (s.rc < 0) {
            unlink_one(g, one);
            drop(one);
        }
        keep_few(g);
    }
    pthread_mutex_unlock(&g->lock);
}

qn_masks *qn_grammar_masks(qn_grammar *one) { return one->masks; }

int64_t qn_grammars_idle(qn_grammars *g) {
    int64_t n, bytes;
    pthread_mutex_lock(&g->lock);
    oldest_idle(g, &n, &bytes);
    pthread_mutex_unlock(&g->lock);
    return n;
}
