/* tok/train_tokenizer.h — a tokenizer out of text: count the words, then learn which bytes belong together.
 *
 *   text ──► train_words.c ──► words and how often ──► train_bpe.c ─────────► vocabulary, merges ──► qn_tok_spec
 *            batches, threads,                         train_tokenizer.c      bytes, characters          │
 *            sharded tables                            train_report.c ◄──────────────────────────── qn_tok
 *
 *     qn_words *w;                                    qn_tok_spec spec; qn_tok_spec_init(&spec);
 *     QN_TRY(qn_words_new(&w, &(qn_words_options){.pre = "gpt-2", .max_memory = (int64_t)2 << 30, .pool = pool}));
 *     for each document:  qn_words_add(w, text, n) …; qn_words_end(w);
 *     QN_TRY(qn_words_finish(w));
 *     QN_TRY(qn_tok_train(&spec, w, &options, &result));
 *
 * The outcome depends on the text and the options alone: not on the number of threads, nor on how the text was cut
 * into calls. Byte-level BPE is that of Sennrich, Haddow and Birch ("Neural Machine Translation of Rare Words with
 * Subword Units", ACL 2016) over the bytes of words, with the order of Hugging Face's BpeTrainer: the most frequent
 * pair first, of equals the smaller pair of ids. */
#ifndef QN_TOK_TRAIN_TOKENIZER_H
#define QN_TOK_TRAIN_TOKENIZER_H

#include "base/pool.h"
#include "tok/tok.h"

#define QN_WORDS_MIN_MEMORY ((int64_t)64 << 20)

/* ---- words and how often they occur ----------------------------------------------------------------------------- */

typedef struct {
    const char *pre;        /* pre-tokenizer by its `tokenizer.ggml.pre` name; NULL: "gpt-2" */
    bool whole;             /* a document is split whole; false: line by line, each with its '\n', as Hugging Face
                               trains on files */
    int64_t max_memory;     /* bytes for counting and learning; 0: no limit. Beyond it the rarest words are given up */
    qn_pool *pool;          /* borrowed; NULL: the caller's thread */
} qn_words_options;

typedef struct {
    int64_t bytes, documents;
    int64_t distinct, total;                /* words kept */
    int64_t pruned, pruned_total;           /* words given up for memory, and how often they had been counted */
    int64_t cut;                            /* places where a text without a safe place was cut inside a word */
} qn_words_stats;

typedef struct qn_words qn_words;
int qn_words_new(qn_words **out, const qn_words_options *o);
void qn_words_free(qn_words *w);                                    /* NULL is fine */
/* The next bytes of the current document: valid UTF-8 over all calls (QN_EUTF8). Copied. Documents may be larger than
 * memory: they are cut where no word of any pre-tokenizer goes on, at a line's end or before a blank. */
int qn_words_add(qn_words *w, const char *text, size_t n);
int qn_words_end(qn_words *w);                                      /* the document is over */
int qn_words_finish(qn_words *w);                                   /* counts what is held; nothing is added later */
void qn_words_stats_get(const qn_words *w, qn_words_stats *out);

/* ---- training --------------------------------------------------------------------------------------------------- */

typedef enum { QN_TRAIN_BPE, QN_TRAIN_BYTE, QN_TRAIN_CHAR } qn_train_kind;
/* What a character outside a CHAR vocabulary becomes: its bytes (256 tokens <0x00>…<0xFF>), or `unk`. */
typedef enum { QN_FALLBACK_BYTE, QN_FALLBACK_UNK } qn_train_fallback;

typedef struct {
    qn_train_kind kind;
    int64_t vocab;                          /* tokens in all, special ones included; BYTE has 256 besides those */
    int64_t min_count;                      /* BPE: of a pair that is merged; CHAR: of a character. 0 and 1: all */
    const qn_str *special; size_t n_special;    /* take the ids from 0 on */
    qn_train_fallback fallback;             /* CHAR */
    int (*progress)(void *arg, int64_t done, int64_t total);    /* may be NULL; <0 ends the training with this error */
    void *progress_arg;
} qn_tok_train_options;

typedef struct {
    int64_t vocab, merges;                  /* reached; fewer than asked where the corpus supports no more */
    int64_t left_out;                       /* CHAR: characters that found no place */
    int64_t least;                          /* how often the rarest pair or character taken was counted */
} qn_tok_train_result;

/* w: after qn_words_finish; unchanged. spec: initialised and empty; on error to be dropped all the same. bos, eos and
 * pad stay −1; with the fallback UNK, unk is the special token <unk>, which is added where it is not given.
 * QN_EINVAL: a vocabulary that cannot even hold the special tokens and the alphabet. */
int qn_tok_train(qn_tok_spec *spec, const qn_words *w, const qn_tok_train_options *o, qn_tok_train_result *result);

/* ---- how well it fits ------------------------------------------------------------------------------------------- */

/* A word belongs to the part that its first character behind blanks belongs to. */
typedef enum {
    QN_PART_LATIN, QN_PART_GREEK, QN_PART_CYRILLIC, QN_PART_HEBREW_ARABIC, QN_PART_INDIC, QN_PART_CJK,
    QN_PART_OTHER_LETTERS, QN_PART_DIGITS, QN_PART_PUNCTUATION, QN_PART_SYMBOLS, QN_PART_BLANKS, QN_PARTS
} qn_part;
const char *qn_part_name(qn_part part);     /* "latin", "cjk" … */

typedef struct { int64_t words, bytes, tokens; } qn_part_sum;
typedef struct { qn_part_sum part[QN_PARTS], all; } qn_tok_report;
/* Every distinct word encoded once, weighted by how often it occurs. */
int qn_tok_report_words(const qn_words *w, const qn_tok *tok, qn_tok_report *out);

#endif
