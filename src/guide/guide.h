/* guide/guide.h — storey 2: what an answer may say. Grammars, and the tokens that they allow next. Front door.
 *
 *   gbnf.c ───────┐                                                token_trie.h .c   the vocabulary as a tree of bytes
 *   schema*.c ────┤► rule_tree.h .c ──► automaton.h .c ──► states.h .c ──┐                      │
 *   pattern.c ────┘  expressions        positions, byte      sets of      └──► masks.c ◄────────┘
 *   regular.c        several patterns   ranges, calls,       stacks, each      one bit for each token that may
 *   json_tree.h .c   a schema read      counted loops,       made once         follow, kept by state
 *                                       factor.h .c
 *
 *     qn_syntax *g; qn_token_trie *trie; qn_masks *masks; qn_guide guide;
 *     QN_TRY(qn_syntax_schema(&g, text, "person.json", NULL));
 *     QN_TRY(qn_token_trie_new(&trie, tok, V));
 *     QN_TRY(qn_masks_new(&masks, g, trie, eos, n_eos));
 *     QN_TRY(qn_guide_init(&guide, masks));
 *     options.guide = &guide;                                // qn_sampler_options: that is all a sampler needs
 *
 * A grammar is a pushdown automaton over bytes. X{m,n} is a counter on its stack and never m copies of X. What a token
 * may be follows from its bytes alone: a token may end within a character, cross from one rule into the next, or hold
 * several of them. Special tokens are never part of an answer; an end-of-sequence token is allowed where the text so
 * far is whole. Fails closed: what cannot be judged is refused with a message, and never let through.
 *
 * Sources: Willard & Louf 2023 (arXiv:2307.09702; tokens judged by an automaton), Dong et al. 2024 (XGrammar,
 * arXiv:2411.15100; masks that do not depend on the stack are kept, the rest is looked at), llguidance (the vocabulary
 * as a tree walked under the automaton), llama.cpp (the language of grammars). What is understood: docs/SAMPLING.md. */
#ifndef QN_GUIDE_GUIDE_H
#define QN_GUIDE_GUIDE_H

#include "tok/tok.h"

enum {
    QN_SYNTAX_TEXT_MAX = 1 << 20,      /* bytes of a grammar or schema */
    QN_SYNTAX_COUNT_MAX = 1000000000   /* greatest number in X{m,n}, minItems, maxLength … */
};

/* ---- grammars: immutable, used by any number of threads ---------------------------------------------------------- */

typedef struct qn_syntax qn_syntax;

/* GBNF as llama.cpp reads it; the answer is what its rule `root` spells. `name` is for messages, which say line and
 * column: QN_EFORMAT (syntax, an unknown rule, left recursion, a rule that never ends), QN_EUTF8, QN_ELIMIT. */
int qn_syntax_gbnf(qn_syntax **out, qn_str text, const char *name);

typedef struct {
    qn_str before, after;       /* literally around the value: "<tool_call>\n", "\n</tool_call>" */
    qn_str between;             /* `most` > 1: between two values with what stands around them */
    int64_t least, most;        /* so many values with before and after; 0 0: exactly one; most < 0: any number */
    bool compact;               /* no white space between the parts of a value; else what llama.cpp allows: a blank,
                                 * or one or two line breaks with up to 20 blanks and tabs */
} qn_schema_options;
/* A JSON value that a JSON Schema describes. o may be NULL. A keyword that is not understood is refused by name, with
 * its place in the schema as a JSON pointer: QN_EUNSUPPORTED; a schema that no value fits: QN_EINVAL; malformed:
 * QN_EFORMAT; too large, or it would explode: QN_ELIMIT. */
int qn_syntax_schema(qn_syntax **out, qn_str json, const char *name, const qn_schema_options *o);
/* A text that the whole of a regular expression matches, of the kind that a schema's "pattern" takes. */
int qn_syntax_pattern(qn_syntax **out, qn_str pattern, const char *name);
void qn_syntax_free(qn_syntax *g);                            /* NULL is fine */

/* ---- a vocabulary as a tree of bytes: immutable ------------------------------------------------------------------ */

typedef struct qn_token_trie qn_token_trie;
/* V: the model's vocabulary, the length of masks; ids that the tokenizer does not know, or that have no text, are never
 * allowed. The tokenizer may go afterwards. */
int qn_token_trie_new(qn_token_trie **out, const qn_tok *t, int64_t V);
void qn_token_trie_free(qn_token_trie *t);                      /* NULL is fine */

/* ---- a grammar over a vocabulary, and all that was found out about it: one thread at a time --------------------- */

typedef struct qn_masks qn_masks;
/* Borrows both; copies eos, any one of which may end an answer. One serves any number of guides, at the same time. */
int qn_masks_new(qn_masks **out, const qn_syntax *g, const qn_token_trie *trie, const int64_t *eos, int64_t n_eos);
void qn_masks_free(qn_masks *m);                                /* NULL is fine; its guides must be dropped before */

/* What was done so far: for tests and --verbose. rc < 0: something failed, and all that is asked of it will, too. */
typedef struct { int64_t states, masks, walked, bytes; int rc; } qn_masks_stats;    /* walked: nodes of the tree */
qn_masks_stats qn_masks_stats_get(const qn_masks *m);

/* ---- one answer -------------------------------------------------------------------------------------------------- */

/* Where an answer stands in the grammar. The caller's struct, at one address from init to drop. */
typedef struct qn_guide qn_guide;
struct qn_guide {
    qn_masks *masks;
    uint32_t state;             /* of masks */
    bool begun, ended;          /* a token was taken; an end of sequence was */
    qn_guide *prev, *next;      /* the guides of masks, which keep its states alive */
};
int qn_guide_init(qn_guide *g, qn_masks *m);
void qn_guide_drop(qn_guide *g);                                /* {0} is fine */
void qn_guide_reset(qn_guide *g);                               /* back to the beginning of an answer */
/* A copy stands where the other one stands. */
int qn_guide_copy(qn_guide *to, const qn_guide *from);

/* Bit id of bits[id / 64] is set where the token may come next; valid until the next call for any guide of the masks.
 * Never empty: QN_EINVAL where no token of the vocabulary can go on and the answer may not end (a grammar of characters
 * that no token spells), QN_ELIMIT where the grammar is too ambiguous. New states are made as they are met. */
int qn_guide_mask(qn_guide *g, const uint64_t **bits);
/* 1: this token may come next; 0: it may not. No mask is made: for the likeliest token that is mostly enough. */
int qn_guide_allows(qn_guide *g, int32_t id);
/* The token comes next. QN_EINVAL where it may not; then the guide stands where it stood. */
int qn_guide_take(qn_guide *g, int32_t id);
/* The answer may end here; it must end here: nothing can follow, or its end was taken. */
bool qn_guide_may_end(const qn_guide *g);
bool qn_guide_must_end(const qn_guide *g);
/* Takes a text instead of a token: 1 it is taken; 0 it does not fit, and nothing was. For tests, and prefixes. */
int qn_guide_take_text(qn_guide *g, qn_str text);

#endif
