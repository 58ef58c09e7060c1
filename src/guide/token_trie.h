/* guide/token_trie.h — a vocabulary as a tree of bytes, in the order of a walk from parents to children.
 *
 *     node     0 "a"   1 "ab"   2 "abc"   3 "ad"   4 "b"       skip: how many nodes there are from a node to the next
 *     depth    0       1        2         1        0           one that is not below it; a byte that fits nothing costs
 *     skip     4       2        1         1        1           one look, whatever begins with it
 *
 * The first token of an answer may stand for other bytes than the same token later on (SentencePiece drops a blank);
 * then there are two trees. */
#ifndef QN_GUIDE_TOKEN_TRIE_H
#define QN_GUIDE_TOKEN_TRIE_H

#include "guide/guide.h"

typedef struct {
    uint32_t skip;
    int32_t token;              /* −1: none ends here */
    uint16_t depth;
    uint8_t byte;
} qn_trie_node;

typedef struct {
    qn_trie_node *node;     size_t n, cap;
    int32_t *same;              /* [V] the next token of the same bytes; −1: none */
    uint32_t *end;              /* [V + 1] the bytes of token i are bytes[end[i] … end[i + 1]); none: not allowed */
    qn_buf bytes;
    int64_t longest;            /* bytes of a token */
    int64_t reach;              /* … of all but a few, which are: */
    int32_t *beyond;        size_t n_beyond;
} qn_trie_side;

struct qn_token_trie {
    int64_t V;
    qn_trie_side later, first;
    bool differ;                /* else `first` is empty, and `later` stands for it */
};

static inline qn_str qn_trie_bytes(const qn_trie_side *t, int32_t id) {
    return (qn_str){t->bytes.s + t->end[id], t->end[id + 1] - t->end[id]};
}

#endif
