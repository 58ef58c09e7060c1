/* tok/train_internal.h — what the trainer's files share. Nothing outside includes it. */
#ifndef QN_TOK_TRAIN_INTERNAL_H
#define QN_TOK_TRAIN_INTERNAL_H

#include "tok/tok_internal.h"
#include "tok/train_tokenizer.h"

/* ---- train_words.c ---- */
#define QN_WORD_SHARDS 32                   /* by hash: each is merged, encoded and walked by one thread at a time */

/* Words in the order of their coming, their bytes one after the other, and an open-addressed table of their numbers. */
typedef struct { uint64_t at; int64_t count; uint32_t n, tag; } qn_word;
typedef struct {
    qn_word *word;      size_t n, cap_word;
    char *text;         size_t n_text, cap_text;
    uint32_t *slot;     size_t n_slots;     /* number of the word + 1; 0 is free; a power of two */
} qn_word_table;

struct qn_words {
    qn_words_options o;
    qn_tok *tok;                            /* its pre-tokenizers are the words' makers; its vocabulary the bytes */
    char *text;                             /* [batch] what is not counted yet */
    size_t n_text, batch;
    size_t *end;                            /* where documents end in `text`, ascending */
    size_t n_end, cap_end;
    size_t *tile;                           /* borders of the pieces that threads take */
    size_t n_tiles, cap_tile;
    qn_word_table *local;                   /* [threads × QN_WORD_SHARDS]: one batch */
    qn_word_table shard[QN_WORD_SHARDS];
    int threads;
    bool finished;
    qn_words_stats stats;
    struct qn_words_error *error;           /* [threads] */
};

/* A pipeline for a `tokenizer.ggml.pre` name; GPT-2's is written as Hugging Face does, one ByteLevel. */
int qn_train_pre(qn_tok_spec *s, qn_str name);

/* ---- train_bpe.c ---- */
typedef struct { int32_t left, right, id; } qn_train_merge;
typedef struct {
    char *text;             size_t n_text, cap_text;        /* bytes of all tokens */
    uint64_t *at;           size_t n, cap_at;               /* token i: text[at[i] … at[i+1]); n + 1 borders */
    qn_train_merge *merge;  size_t n_merges, cap_merge;
    int64_t least;                                          /* count of the last merge */
} qn_train_vocab;
/* v: begins with special tokens and the 256 bytes, whose ids byte_id gives. A special token's bytes are what its
 * spelling stands for (empty: can never come out of merges). */
int qn_train_merges(qn_train_vocab *v, const qn_words *w, const int32_t byte_id[256],
                    const qn_tok_train_options *o);
int qn_train_vocab_add(qn_train_vocab *v, const char *bytes, size_t n);
void qn_train_vocab_drop(qn_train_vocab *v);

#endif
