/* guide/states.h — where a text stands in an automaton: a set of stacks, each made once and known by a number.
 *
 *     item   (position, stack): the next byte may be one of this position's
 *     stack  the number of its top frame, 0 the empty one; a frame knows the frame below it
 *     state  a set of items, ascending, and whether the text is whole here
 *
 * Equal states have equal numbers, so what a byte leads to is found out once and then looked up. A state of two items
 * fits into 300 bytes; those that no guide stands in are forgotten when there are too many (qn_states_compact). */
#ifndef QN_GUIDE_STATES_H
#define QN_GUIDE_STATES_H

#include "guide/automaton.h"

enum {
    QN_STATE_DEAD = 0,              /* nothing fits */
    QN_ITEMS_MAX = 4096             /* of a state: a grammar that needs more is refused while it is followed */
};

typedef struct { int32_t pos; uint32_t stack; } qn_item;
typedef struct {
    uint32_t below;
    int32_t at;                     /* where a call returns to; ~loop of a loop */
    int32_t count;                  /* of a loop: finished turns, no more than matter */
    uint32_t after;                 /* the state that a return leads to; UINT32_MAX: not known yet */
} qn_frame;
typedef struct {
    size_t first;                   /* of its items */
    int32_t n;
    bool accept;                    /* the text may end */
    uint32_t hash;
    int32_t row;                    /* of `next`; −1: none yet */
    int32_t mask;                   /* masks.c: what is allowed here, where the state is local; −1: not known yet */
    uint64_t bytes[4];              /* the bytes that lead on */
} qn_state;

typedef struct qn_states {
    const qn_syntax *g;
    qn_item *item;          size_t n_items, cap_items;
    qn_frame *frame;        size_t n_frames, cap_frames;
    qn_state *state;        size_t n_states, cap_states;
    uint32_t *next;         size_t n_rows, cap_next;        /* [rows][classes]; UINT32_MAX: not known yet */
    uint32_t *frame_slot, *state_slot;      /* open addressing; 0: empty */
    size_t frame_slots, state_slots;
    uint32_t start;
    int rc;                         /* the first failure: everything is dead from then on */
    /* of one closure */
    struct qn_reach *reach; size_t n_reach, cap_reach;
    uint32_t *seen;         size_t seen_slots, cap_seen;
    qn_item *found;         size_t n_found, cap_found;
    bool whole;
} qn_states;

int qn_states_init(qn_states *s, const qn_syntax *g);
void qn_states_drop(qn_states *s);

/* What a byte leads to. After a failure (s->rc: QN_ENOMEM, QN_ELIMIT) the dead state. */
uint32_t qn_states_next(qn_states *s, uint32_t state, uint8_t byte);
static inline bool qn_state_leads(const qn_state *s, uint8_t byte) { return s->bytes[byte >> 6] >> (byte & 63) & 1; }
/* The frame of the call that a stack is within; 0: none. Frames of loops lie above it. */
uint32_t qn_states_call(const qn_states *s, uint32_t stack);
/* Is a counted loop above that frame? */
bool qn_states_counts(const qn_states *s, uint32_t stack);
/* The state behind the return from that call. */
uint32_t qn_states_return(qn_states *s, uint32_t frame);
/* The items of `state` that are within the call `frame`, as a state whose stacks end there; counts of loops that are
 * farther than `reach` bytes from where they matter are made equal. */
uint32_t qn_states_local(qn_states *s, uint32_t state, uint32_t frame, int64_t reach);

size_t qn_states_bytes(const qn_states *s);
/* Forgets all states but those: live[i] are changed to their new numbers. */
int qn_states_compact(qn_states *s, uint32_t **live, size_t n);

#endif
