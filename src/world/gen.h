/* world/gen.h — `choose`, the one place where chance enters a text, and the spans that say what each choice cost.
 *
 *     text    Marin Belling |keeps |a goose|, and |she| feeds it.
 *     span    style 14.2     style  fact 0  style  grammar 0  style …          bits; every byte belongs to one span
 *
 * A choice among n adds log2 n (weights: −log2 of its share) to the span that is open. The bits of a document's spans
 * sum to −log2 of the probability of its derivation. Draws are keyed by (seed, document, index): documents can be made
 * in any order, on any thread. */
#ifndef QN_WORLD_GEN_H
#define QN_WORLD_GEN_H

#include "world/world.h"

typedef enum { QN_SPAN_STYLE, QN_SPAN_GRAMMAR, QN_SPAN_FACT, QN_SPAN_COPY, QN_SPAN_ARITHMETIC, QN_SPANS } qn_span_kind;
/* What a text does, sentence by sentence: whose bytes are to be 45, 35, 8 and 12 % of a corpus. */
typedef enum { QN_CLASS_FACTS, QN_CLASS_TALE, QN_CLASS_SUMS, QN_CLASS_COPY, QN_CLASSES } qn_class;

typedef struct {
    size_t begin, end;          /* in out */
    uint8_t kind;
    int64_t fact;               /* FACT: its id (facts.jsonl), else -1 */
    int64_t distance;           /* bytes back to what it follows from in the document: words that are said again, who or
                                 * what a word agrees with, the first operand; -1: none */
    double bits;                /* FACT: 0; what it costs depends on the texts before: sidecar.c */
} qn_text_span;

/* Somebody in a text. */
typedef struct {
    bool set, she;
    int32_t person;             /* -1: a stranger */
    char name[62];
    uint8_t name_n, given_n;
    int64_t last;               /* where the name began last, offset in out; -1: not named yet */
    uint32_t facts;             /* relations that this document is still to tell of */
    double bits;                /* of the choice of this person, until the name is said */
} qn_actor;

/* A fact that was stated, in which form (-1: of a property or kinship). */
typedef struct { int64_t fact; int32_t form; } qn_mention;

#define QN_ACTORS 8
#define QN_REGISTERS 10
#define QN_BAGS 16
#define QN_TAPE_MAX ((size_t)1 << 16)

/* Every choice of a document in order: weight of all, weight of what was chosen, its index. */
typedef struct { uint32_t total, weight, index; } qn_choice;

typedef struct qn_gen {
    const qn_world *w;
    qn_buf out, scratch;
    int rc;                     /* the first error stays */
    size_t begin;               /* of the document, in out */
    uint64_t doc, index;        /* the next draw's */
    qn_rng_block block;
    int left;                   /* words of the block not used yet */
    bool traced;                /* spans are wanted */
    qn_text_span *span; size_t n_spans, cap_spans, first_span;    /* first of the document; until they are cleared */
    qn_choice *tape; size_t n_tape, cap_tape;   /* kept while traced … */
    bool replay; size_t at_tape;                /* … or followed instead of drawing */
    qn_actor actor[QN_ACTORS];
    int topic;                  /* whose facts are told */
    bool named;                 /* the sentence before was about the topic: a pronoun will do */
    int place;                  /* which register's forms belong here besides those of any */
    bool plural[QN_REGISTERS];
    int64_t noun_at[QN_REGISTERS];  /* … of the noun that stands there in out; -1: not said yet */
    struct { size_t at, n; bool big, plural; } saved[QN_REGISTERS];    /* big: its capital came with its place */
    bool counted;               /* the noun that was said last was a plural */
    uint64_t had[QN_BAGS][2];   /* by bag of words: which of them this text has had */
    bool big;                   /* the next letter is a capital */
    size_t article;             /* just behind an "a " that may have to be "an "; 0: none */
    qn_class klass; size_t class_at;
    int64_t class_bytes[QN_CLASSES];
    qn_mention *mention; size_t n_mentions, cap_mentions;   /* in order, until somebody clears them */
    int agreed, flip;           /* words that agreed so far; the flip-th comes in the wrong number (0: none) */
    int64_t number[QN_REGISTERS];   /* of sums … */
    int64_t operand_at;             /* … the first one of the sum at hand: where, in out; -1: none yet */
} qn_gen;

int qn_gen_init(qn_gen *g, const qn_world *w);
void qn_gen_drop(qn_gen *g);
void qn_gen_begin(qn_gen *g, uint64_t doc);         /* a document; keeps what is in out */
void qn_gen_end(qn_gen *g);

uint32_t qn_choose(qn_gen *g, uint32_t n);                                              /* 0 … n − 1, all alike */
uint32_t qn_choose_weighted(qn_gen *g, const uint16_t *weight, uint32_t n, uint32_t total);
double qn_bits(uint32_t total, uint32_t weight);    /* log2(total / weight) */

void qn_gen_put(qn_gen *g, const char *s, size_t n);
void qn_gen_puts(qn_gen *g, const char *z);
void qn_gen_mark(qn_gen *g, qn_span_kind kind);     /* from here on */
void qn_gen_mark_fact(qn_gen *g, int64_t fact, int form);   /* … and it is mentioned */
void qn_gen_mark_from(qn_gen *g, qn_span_kind kind, int64_t at);    /* … which follows from what stands there in out */
void qn_gen_add_bits(qn_gen *g, double bits);
qn_class qn_gen_class(qn_gen *g, qn_class klass);   /* from here on; returns the one before */

/* Somebody for an actor that is not set. Where `known`, one in four is somebody with facts, else a stranger of new
 * parts; otherwise a stranger of either kind. */
void qn_gen_cast(qn_gen *g, int actor, bool known);
void qn_gen_set_person(qn_gen *g, int actor, int32_t person, double bits);
void qn_gen_set_stranger(qn_gen *g, int actor, qn_name n);
void qn_gen_name(qn_gen *g, int actor, bool given_only);

#endif
