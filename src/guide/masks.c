/* guide/masks.c — the tokens that may come next, and the guides that ask for them.
 *
 * What is allowed in a state is what is allowed in any of its items, and most of that does not depend on the whole
 * stack: as long as a token stays within the rule that it begins in, whoever called that rule does not matter (XGrammar
 * calls such tokens context-independent). So the items that are within one call are cut off at its frame, and what such
 * a piece allows is found out once, by a walk through all of the vocabulary:
 *
 *     tokens     that it takes to their end                                  kept, as a list or as bits
 *     exits      nodes of the tree where the rule is over, with more below    … from there on the walk is done with the
 *                                                                             caller's state, each time: they are few
 *
 * Inside a string of fifty fields one walk serves all of them, and what stands behind `",` is looked at per field.
 *
 * A count matters to a token that is long enough to come to its end. So counts that are farther from where they matter
 * than nearly all tokens reach are one and the same, and the few tokens that reach farther are looked at one by one. */
#include "guide/states.h"
#include "guide/token_trie.h"

#include <string.h>

#define BYTES_SOFT (64u << 20)          /* beyond it states are forgotten … */
#define BYTES_HARD (512u << 20)         /* … and a grammar that needs as much for one token is refused */
enum { RECENT = 16 };

typedef struct { bool bits; size_t at, n, exits, n_exits; } local_mask;     /* at: in `ids`, or words in `words` */

struct qn_masks {
    const qn_token_trie *trie;
    qn_states states;
    int32_t *eos;
    int64_t n_eos;
    size_t words;                   /* of a mask */
    qn_guide *guides;
    /* what pieces allow */
    local_mask *local;      size_t n_local, cap_local;
    qn_ids ids;
    uint64_t *bits;         size_t n_bits, cap_bits;
    uint32_t *exit;         size_t n_exits, cap_exits;
    /* of one walk */
    uint32_t *path;                 /* [longest + 1] the states at each depth */
    qn_ids found;
    /* masks that were asked for lately, by the number of the state; 0: none */
    uint32_t recent[RECENT];
    uint64_t *recent_bits;          /* [RECENT][words] */
    uint64_t *first;                /* [words] of an answer's first token, where that has a tree of its own … */
    uint32_t first_of;              /* … at this state; 0: not made yet */
    int64_t walked;
};

/* ---- walks ---- */

static int put_ids(qn_masks *m, const qn_trie_side *t, int32_t id) {
    for (; id >= 0; id = t->same[id])
        QN_TRY(qn_ids_push(&m->found, id));
    return 0;
}

static int check_size(qn_states *s) {
    if (qn_states_bytes(s) <= BYTES_HARD)
        return 0;
    return s->rc = qn_fail(QN_ELIMIT, "%s: the grammar is too ambiguous: its states take more than %u MB",
                           s->g->name, BYTES_HARD >> 20);
}

/* Adds the tokens of nodes [from, end) to `found`, with `state` before the bytes of depth `depth`. With `exits`, notes
 * the nodes where the rule is over and that have others below. */
static int walk(qn_masks *m, const qn_trie_side *t, size_t from, size_t end, uint32_t state, bool exits) {
    qn_states *s = &m->states;
    const size_t base = from < end ? t->node[from].depth : 0;
    m->path[base] = state;
    for (size_t i = from; i < end;) {
        const qn_trie_node *n = &t->node[i];
        const uint32_t at = m->path[n->depth];
        m->walked++;
        if (!qn_state_leads(&s->state[at], n->byte)) {
            i += n->skip;
            continue;
        }
        if (n->token >= 0)
            QN_TRY(put_ids(m, t, n->token));
        if (n->skip > 1) {
            const uint32_t next = qn_states_next(s, at, n->byte);
            QN_TRY(s->rc);
            QN_TRY(check_size(s));
            m->path[n->depth + 1] = next;
            if (exits && s->state[next].accept) {
                QN_TRY(QN_GROW(QN_MEM_SESSION, m->exit, m->cap_exits, m->n_exits + 1));
                m->exit[m->n_exits++] = (uint32_t)i;
            }
        }
        i++;
    }
    return 0;
}

/* What was found becomes a mask that is kept. */
static int keep_found(qn_masks *m, local_mask *l) {
    l->bits = m->found.n > m->words;                    /* ids take half a word each */
    l->n = m->found.n;
    if (!l->bits) {
        l->at = m->ids.n;
        for (size_t i = 0; i < m->found.n; i++)
            QN_TRY(qn_ids_push(&m->ids, m->found.v[i]));
        return 0;
    }
    l->at = m->n_bits;
    QN_TRY(QN_GROW(QN_MEM_SESSION, m->bits, m->cap_bits, m->n_bits + m->words));
    memset(m->bits + l->at, 0, m->words * sizeof *m->bits);
    m->n_bits += m->words;
    for (size_t i = 0; i < m->found.n; i++)
        m->bits[l->at + (size_t)m->found.v[i] / 64] |= (uint64_t)1 << (m->found.v[i] % 64);
    return 0;
}

static int local_of(qn_masks *m, uint32_t piece, local_mask *out) {
    const qn_trie_side *t = &m->trie->later;
    if (m->states.state[piece].mask < 0) {
        local_mask l = {.exits = m->n_exits};
        qn_ids_clear(&m->found);
        QN_TRY(walk(m, t, 0, t->n, piece, true));
        l.n_exits = m->n_exits - l.exits;
        QN_TRY(keep_found(m, &l));
        QN_TRY(QN_GROW(QN_MEM_SESSION, m->local, m->cap_local, m->n_local + 1));
        m->local[m->n_local] = l;
        m->states.state[piece].mask = (int32_t)m->n_local++;
    }
    *out = m->local[m->states.state[piece].mask];
    return 0;
}

static void set(uint64_t *bits, const qn_ids *ids, size_t from, size_t n) {
    for (size_t i = from; i < from + n; i++)
        bits[(size_t)ids->v[i] / 64] |= (uint64_t)1 << (ids->v[i] % 64);
}

/* What the items within one call allow, and what behind its end. */
static int add_call(qn_masks *m, uint32_t state, uint32_t frame, uint64_t *bits) {
    const qn_trie_side *t = &m->trie->later;
    const uint32_t piece = qn_states_local(&m->states, state, frame, t->reach);
    local_mask l;
    QN_TRY(m->states.rc);
    QN_TRY(local_of(m, piece, &l));
    for (size_t i = 0; l.bits && i < m->words; i++)
        bits[i] |= m->bits[l.at + i];
    if (!l.bits)
        set(bits, &m->ids, l.at, l.n);
    if (frame == 0 || l.n_exits == 0)
        return 0;
    const uint32_t after = qn_states_return(&m->states, frame);
    QN_TRY(m->states.rc);
    qn_ids_clear(&m->found);
    for (size_t i = l.exits; i < l.exits + l.n_exits; i++) {
        const size_t at = m->exit[i];
        QN_TRY(walk(m, t, at + 1, at + t->node[at].skip, after, false));
    }
    set(bits, &m->found, 0, m->found.n);
    return 0;
}

/* The state behind these bytes; dead where they do not fit. */
static uint32_t follow(qn_states *s, uint32_t state, qn_str bytes) {
    for (size_t i = 0; i < bytes.n && state != QN_STATE_DEAD; i++)
        state = qn_states_next(s, state, (uint8_t)bytes.s[i]);
    return state;
}

/* Within a counted loop: the tokens beyond the reach by which counts were made equal. */
static int look_at_long(qn_masks *m, uint32_t state, uint64_t *bits) {
    const qn_trie_side *t = &m->trie->later;
    qn_states *s = &m->states;
    bool counted = false;
    for (int32_t i = 0; i < s->state[state].n && !counted; i++)
        counted = qn_states_counts(s, s->item[s->state[state].first + (size_t)i].stack);
    for (size_t i = 0; counted && i < t->n_beyond; i++) {
        const int32_t id = t->beyond[i];
        const uint64_t bit = (uint64_t)1 << (id % 64);
        bits[id / 64] &= ~bit;
        if (follow(s, state, qn_trie_bytes(t, id)) != QN_STATE_DEAD)
            bits[id / 64] |= bit;
        QN_TRY(s->rc);
    }
    return 0;
}

static int none_fits(const qn_masks *m) {
    return qn_fail(QN_EINVAL, "%s: the grammar wants something that no token of this model can spell",
                   m->states.g->name);
}

static int fill(qn_masks *m, uint32_t state, uint64_t *bits) {
    const qn_states *s = &m->states;
    memset(bits, 0, m->words * sizeof *bits);
    for (int32_t i = 0; i < s->state[state].n; i++) {
        const size_t first = s->state[state].first;
        const uint32_t frame = qn_states_call(s, s->item[first + (size_t)i].stack);
        bool done = false;
        for (int32_t k = 0; k < i && !done; k++)
            done = qn_states_call(s, s->item[first + (size_t)k].stack) == frame;
        if (!done)
            QN_TRY(add_call(m, state, frame, bits));
    }
    QN_TRY(look_at_long(m, state, bits));
    for (int64_t i = 0; s->state[state].accept && i < m->n_eos; i++)
        bits[m->eos[i] / 64] |= (uint64_t)1 << (m->eos[i] % 64);
    for (size_t i = 0; i < m->words; i++)
        if (bits[i])
            return 0;
    return none_fits(m);
}

static int fill_first(qn_masks *m, uint32_t state, uint64_t *bits) {
    const qn_trie_side *t = &m->trie->first;
    const qn_state *s = &m->states.state[state];
    memset(bits, 0, m->words * sizeof *bits);
    for (int64_t i = 0; s->accept && i < m->n_eos; i++)
        bits[m->eos[i] / 64] |= (uint64_t)1 << (m->eos[i] % 64);
    qn_ids_clear(&m->found);
    QN_TRY(walk(m, t, 0, t->n, state, false));
    set(bits, &m->found, 0, m->found.n);
    return m->found.n > 0 || s->accept ? 0 : none_fits(m);
}

/* ---- what is kept ---- */

static size_t kept_bytes(const qn_masks *m) {
    return qn_states_bytes(&m->states) + m->cap_local * sizeof *m->local + m->ids.cap * sizeof *m->ids.v +
           m->cap_bits * sizeof *m->bits + m->cap_exits * sizeof *m->exit;
}

/* Forgets what no guide stands in, and all masks. */
static int forget(qn_masks *m) {
    size_t n = 0, at = 0;
    for (const qn_guide *g = m->guides; g; g = g->next)
        n++;
    uint32_t **live = qn_alloc(QN_MEM_SESSION, n * sizeof *live);
    if (!live)
        return QN_ENOMEM;
    for (qn_guide *g = m->guides; g; g = g->next)
        live[at++] = &g->state;
    const int rc = qn_states_compact(&m->states, live, n);
    qn_free(live);
    m->n_local = m->n_bits = m->n_exits = 0;
    m->first_of = 0;
    qn_ids_clear(&m->ids);
    memset(m->recent, 0, sizeof m->recent);
    return rc;
}

static int keep_small(qn_masks *m) { return kept_bytes(m) > BYTES_SOFT ? forget(m) : 0; }

int qn_masks_new(qn_masks **out, const qn_syntax *g, const qn_token_trie *trie, const int64_t *eos, int64_t n_eos) {
    int rc = QN_ENOMEM;
    *out = NULL;
    qn_masks *m = qn_zalloc(QN_MEM_SESSION, 1, sizeof *m);
    if (!m)
        return rc;
    m->trie = trie;
    m->words = ((size_t)trie->V + 63) / 64;
    m->eos = qn_alloc(QN_MEM_SESSION, (size_t)n_eos * sizeof *m->eos);
    m->path = qn_alloc(QN_MEM_SESSION, ((size_t)QN_MAX(trie->later.longest, trie->first.longest) + 1) *
                       sizeof *m->path);
    m->recent_bits = qn_alloc(QN_MEM_SESSION, (RECENT + 1) * m->words * sizeof *m->recent_bits);
    if (!m->eos || !m->path || !m->recent_bits)
        goto out;
    m->first = m->recent_bits + RECENT * m->words;
    for (int64_t i = 0; i < n_eos; i++)
        if (eos[i] >= 0 && eos[i] < trie->V)
            m->eos[m->n_eos++] = (int32_t)eos[i];
    QN_TRY_OUT(qn_states_init(&m->states, g));
    *out = m;
out:
    if (rc < 0)
        qn_masks_free(m);
    return rc;
}

void qn_masks_free(qn_masks *m) {
    if (!m)
        return;
    qn_assert(!m->guides);
    qn_states_drop(&m->states);
    qn_free(m->eos);
    qn_free(m->local);
    qn_ids_drop(&m->ids);
    qn_free(m->bits);
    qn_free(m->exit);
    qn_free(m->path);
    qn_ids_drop(&m->found);
    qn_free(m->recent_bits);
    qn_free(m);
}

qn_masks_stats qn_masks_stats_get(const qn_masks *m) {
    return (qn_masks_stats){(int64_t)m->states.n_states, (int64_t)m->n_local, m->walked, (int64_t)kept_bytes(m),
                            m->states.rc};
}

/* ---- guides ---- */

int qn_guide_init(qn_guide *g, qn_masks *m) {
    *g = (qn_guide){.masks = m, .state = m->states.start, .next = m->guides};
    if (m->guides)
        m->guides->prev = g;
    m->guides = g;
    return m->states.rc;
}

void qn_guide_drop(qn_guide *g) {
    if (!g->masks)
        return;
    if (g->next)
        g->next->prev = g->prev;
    if (g->prev)
        g->prev->next = g->next;
    else
        g->masks->guides = g->next;
    *g = (qn_guide){0};
}

void qn_guide_reset(qn_guide *g) {
    g->state = g->masks->states.start;
    g->begun = g->ended = false;
}

int qn_guide_copy(qn_guide *to, const qn_guide *from) {
    QN_TRY(qn_guide_init(to, from->masks));
    to->state = from->state;
    to->begun = from->begun;
    to->ended = from->ended;
    return 0;
}

static const qn_trie_side *side(const qn_guide *g) {
    const qn_token_trie *t = g->masks->trie;
    return !g->begun && t->differ ? &t->first : &t->later;
}

int qn_guide_mask(qn_guide *g, const uint64_t **bits) {
    qn_masks *m = g->masks;
    QN_TRY(m->states.rc);
    if (g->ended)
        return qn_fail(QN_EINVAL, "the answer has ended: nothing can follow");
    QN_TRY(keep_small(m));
    if (side(g) == &m->trie->first) {
        *bits = m->first;
        if (m->first_of == g->state)
            return 0;
        m->first_of = 0;
        QN_TRY(fill_first(m, g->state, m->first));
        m->first_of = g->state;
        return 0;
    }
    const size_t slot = g->state % RECENT;
    uint64_t *mask = m->recent_bits + slot * m->words;
    *bits = mask;
    if (m->recent[slot] == g->state)
        return 0;
    m->recent[slot] = 0;
    QN_TRY(fill(m, g->state, mask));
    m->recent[slot] = g->state;
    return 0;
}

static bool is_eos(const qn_masks *m, int32_t id) {
    for (int64_t i = 0; i < m->n_eos; i++)
        if (m->eos[i] == id)
            return true;
    return false;
}

int qn_guide_allows(qn_guide *g, int32_t id) {
    qn_masks *m = g->masks;
    QN_TRY(m->states.rc);
    if (id < 0 || id >= m->trie->V || g->ended)
        return 0;
    if (is_eos(m, id))
        return m->states.state[g->state].accept;
    const qn_str bytes = qn_trie_bytes(side(g), id);
    const bool fits = bytes.n > 0 && follow(&m->states, g->state, bytes) != QN_STATE_DEAD;
    return m->states.rc < 0 ? m->states.rc : fits;
}

int qn_guide_take(qn_guide *g, int32_t id) {
    qn_masks *m = g->masks;
    QN_TRY(keep_small(m));
    const int fits = qn_guide_allows(g, id);
    if (fits < 0)
        return fits;
    if (!fits)
        return qn_fail(QN_EINVAL, "token %d does not fit the grammar here", id);
    if (is_eos(m, id)) {
        g->ended = true;
        return 0;
    }
    g->state = follow(&m->states, g->state, qn_trie_bytes(side(g), id));
    g->begun = true;
    return m->states.rc;
}

int qn_guide_take_text(qn_guide *g, qn_str text) {
    qn_masks *m = g->masks;
    const uint32_t to = g->ended ? QN_STATE_DEAD : follow(&m->states, g->state, text);
    QN_TRY(m->states.rc);
    if (to == QN_STATE_DEAD)
        return 0;
    g->state = to;
    g->begun = g->begun || text.n > 0;
    return 1;
}

bool qn_guide_may_end(const qn_guide *g) { return g->ended || g->masks->states.state[g->state].accept; }

bool qn_guide_must_end(const qn_guide *g) {
    const qn_state *s = &g->masks->states.state[g->state];
    return g->ended || (s->accept && s->n == 0);
}
