/* tok/tok.h — text to token ids and back, on plain tables: no file format is known here.
 *
 *   text ──► added.c ──► normalize.c ──► pretok.c ──► bpe.c ──► ids          ids ──► decode.c ──► text
 *            special      NFC, replace,   split into    merges,              pieces, first-piece     │
 *            tokens       prepend …       words         cache                rules              detok.c: streaming,
 *            cut out                                                                            whole characters only
 *   scan.c          the commonest pre-tokenizers by hand, with regex.c as their judge
 *   parallel.c      one long text on many threads
 *   normalize_bert.c  BERT's normalizer     wordpiece.c   the longest pieces first, where the model is WordPiece
 *   bert_classes.c    signs, accents and controls as BERT's components know them, Unicode 8's
 *   regex.c         PCRE2 with JIT and limits; translates the dialect of Hugging Face patterns
 *   bytelevel.c     GPT-2's alphabet: 256 bytes spelled as printable characters
 *   pretok_names.c  `tokenizer.ggml.pre` names → pre-tokenizer pipelines
 *   spec.c          the tables that a file reader fills: qn_tok_spec     spec_gguf.c  … from a GGUF file's arrays
 *   tok.c           qn_tok: checks a spec, compiles it, encodes
 *
 *     qn_tok *tok; qn_ids ids = {0};
 *     QN_TRY(qn_tok_new(&tok, &spec));                      // the spec may be dropped afterwards
 *     QN_TRY(qn_tok_encode(tok, text, n, QN_TOK_DEFAULT, &ids));
 *
 * A qn_tok is immutable and may be used by any number of threads at once. Special tokens spelled in a text stay text
 * unless the caller asks for them (QN_TOK_PARSE_SPECIAL), or trusts that range of the text (qn_tok_encode_spans). */
#ifndef QN_TOK_TOK_H
#define QN_TOK_TOK_H

#include "base/base.h"
#include "base/pool.h"

#define QN_TOK_MAX_ID (1 << 21)          /* ids lie below; far beyond any vocabulary in use */
#define QN_TOK_MAX_ADDED 1024            /* bytes of an added token: keeps matching linear */

/* ---- tables: what a reader fills -------------------------------------------------------------------------------- */

/* The numbers of tokenizer.ggml.token_type. */
typedef enum {
    QN_TOKEN_HOLE = 0, QN_TOKEN_NORMAL = 1, QN_TOKEN_UNKNOWN = 2, QN_TOKEN_CONTROL = 3, QN_TOKEN_USER = 4,
    QN_TOKEN_UNUSED = 5, QN_TOKEN_BYTE = 6
} qn_token_type;

typedef struct { qn_str text; qn_token_type type; } qn_tok_entry;       /* indexed by id; HOLE where there is none */
typedef struct { qn_str left, right; } qn_tok_merge;                    /* by ascending rank */

/* A token cut out of the text before the model sees it. */
typedef struct {
    int32_t id;
    qn_str text;
    bool special;        /* parsed only where the caller allows it; left out by QN_TOK_SKIP_SPECIAL */
    bool lstrip, rstrip; /* takes the white space on that side with it */
    bool single_word;    /* only where no word character is adjacent */
    bool normalized;     /* matched after normalization, in normalized spelling */
} qn_tok_added;

typedef enum {
    QN_NORM_NFC, QN_NORM_NFD, QN_NORM_NFKC, QN_NORM_NFKD, QN_NORM_LOWERCASE, QN_NORM_STRIP_ACCENTS, QN_NORM_NMT,
    QN_NORM_STRIP, QN_NORM_PREPEND, QN_NORM_REPLACE, QN_NORM_BYTE_LEVEL, QN_NORM_BERT
} qn_norm_kind;
/* BERT: control characters go and white space becomes a blank; blanks around CJK ideographs; accents go; lower case. */
typedef struct { bool clean, ideographs, accents, lowercase; } qn_bert_norm;
typedef struct {
    qn_norm_kind kind;
    qn_str pattern, content;    /* REPLACE; PREPEND uses content */
    bool regex;                 /* pattern is a regular expression */
    bool left, right;           /* STRIP */
    qn_bert_norm bert;          /* BERT */
} qn_tok_norm;

typedef enum {
    QN_PRETOK_SPLIT, QN_PRETOK_BYTE_LEVEL, QN_PRETOK_DIGITS, QN_PRETOK_PUNCTUATION, QN_PRETOK_WHITESPACE,
    QN_PRETOK_WHITESPACE_SPLIT, QN_PRETOK_METASPACE, QN_PRETOK_BERT
} qn_pretok_kind;
typedef enum {
    QN_SPLIT_ISOLATED, QN_SPLIT_REMOVED, QN_SPLIT_MERGED_PREVIOUS, QN_SPLIT_MERGED_NEXT, QN_SPLIT_CONTIGUOUS
} qn_split_behavior;
typedef enum { QN_PREPEND_ALWAYS, QN_PREPEND_FIRST, QN_PREPEND_NEVER } qn_prepend_scheme;
typedef struct {
    qn_pretok_kind kind;
    qn_str pattern;             /* SPLIT; METASPACE: the replacement character */
    bool regex, invert;         /* SPLIT */
    qn_split_behavior behavior; /* SPLIT, PUNCTUATION; DIGITS: ISOLATED or CONTIGUOUS */
    bool add_prefix_space;      /* BYTE_LEVEL */
    bool use_regex;             /* BYTE_LEVEL: GPT-2's pattern first */
    qn_prepend_scheme prepend;  /* METASPACE */
    bool split;                 /* METASPACE */
} qn_tok_pretok;

typedef enum {
    QN_DECODE_BYTE_LEVEL, QN_DECODE_REPLACE, QN_DECODE_BYTE_FALLBACK, QN_DECODE_FUSE, QN_DECODE_STRIP,
    QN_DECODE_METASPACE, QN_DECODE_WORDPIECE
} qn_decode_kind;
typedef struct {
    qn_decode_kind kind;
    qn_str pattern, content;    /* REPLACE (a literal); STRIP: content is the character; METASPACE: pattern is it;
                                 * WORDPIECE: pattern is what a piece begins with that no blank is put before */
    int64_t start, stop;        /* STRIP: at most so many characters on each side */
    qn_prepend_scheme prepend;  /* METASPACE */
    bool cleanup;               /* WORDPIECE: no blank before ".", "n't" and their like */
} qn_tok_decoder;

typedef enum { QN_TOK_MODEL_NONE, QN_TOK_BPE, QN_TOK_WORDPIECE } qn_tok_model;

/* All of a tokenizer as plain tables. Strings are copies owned by the spec, unless who filled it says otherwise. */
typedef struct {
    qn_tok_model model;
    bool byte_fallback, ignore_merges;
    bool use_unk, fuse_unk;                 /* what cannot be spelled becomes unk (a run of it one); else it is lost */
    bool skip_bad_merges;                   /* leave out merges of unknown tokens instead of refusing them */
    qn_str continuing_prefix, end_suffix;   /* of sub-words, as spelled in the vocabulary */
    int64_t max_word;                       /* WordPiece: a word of more characters is unk */
    qn_tok_entry *vocab;     size_t n_vocab, cap_vocab;
    qn_tok_merge *merges;    size_t n_merges, cap_merges;
    qn_tok_added *added;     size_t n_added, cap_added;
    qn_tok_norm *norms;      size_t n_norms, cap_norms;
    qn_tok_pretok *pretoks;  size_t n_pretoks, cap_pretoks;
    qn_tok_decoder *decoders; size_t n_decoders, cap_decoders;
    int32_t *prefix;         size_t n_prefix, cap_prefix;    /* ids that ADD_SPECIAL puts in front … */
    int32_t *suffix;         size_t n_suffix, cap_suffix;    /* … and behind */
    int32_t bos, eos, unk, pad;                              /* −1 where there is none (qn_tok_spec_init) */
    struct qn_tok_chunk *chunks;                             /* where the strings live */
} qn_tok_spec;

void qn_tok_spec_init(qn_tok_spec *s);
void qn_tok_spec_drop(qn_tok_spec *s);
int qn_tok_spec_copy(qn_tok_spec *s, qn_str text, qn_str *out);         /* a copy that lives as long as s */
/* Each copies its strings. An id is refused with QN_EFORMAT when negative or ≥ QN_TOK_MAX_ID. */
int qn_tok_spec_token(qn_tok_spec *s, int64_t id, qn_str text, qn_token_type type);
int qn_tok_spec_merge(qn_tok_spec *s, qn_str left, qn_str right);
int qn_tok_spec_added(qn_tok_spec *s, const qn_tok_added *a);
int qn_tok_spec_norm(qn_tok_spec *s, const qn_tok_norm *n);
int qn_tok_spec_pretok(qn_tok_spec *s, const qn_tok_pretok *p);
int qn_tok_spec_decoder(qn_tok_spec *s, const qn_tok_decoder *d);
int qn_tok_spec_prefix(qn_tok_spec *s, int64_t id);
int qn_tok_spec_suffix(qn_tok_spec *s, int64_t id);
/* The id of an added token or vocabulary entry by its text, −1: none. A walk over the table: for a few look-ups. */
int32_t qn_tok_spec_find(const qn_tok_spec *s, qn_str text);
/* A token for each byte, "<0x00>" … "<0xFF>", with the next ids, and byte_fallback set. QN_EINVAL names one that is
 * there already. */
int qn_tok_spec_bytes(qn_tok_spec *s);

/* The pipeline of a `tokenizer.ggml.pre` name; QN_EUNSUPPORTED names it and what is nearest. Byte-level BPE only. */
int qn_tok_spec_pre_name(qn_tok_spec *s, qn_str name);
/* The other way round: a name that stands for exactly this pipeline and for words taken whole as ignore_merges says, or
 * NULL. Only the pre-tokenizers are looked at; normalizers have no place in a name. */
const char *qn_tok_spec_pre_find(const qn_tok_spec *s);

/* The tokenizer tables of a GGUF file. types may be NULL (all normal); a merge is
 * "left right"; ids are −1 where the file has none, add_bos and add_eos −1 where it does not say (the default of the
 * pre-tokenizer's name then holds). The spec borrows the texts of tokens and merges (not the arrays): they must outlive
 * it, and no longer. */
typedef struct {
    const qn_str *tokens; size_t n_tokens;
    const int32_t *types; size_t n_types;
    const qn_str *merges; size_t n_merges;
    qn_str pre;
    int64_t bos, eos, unk, pad;
    int add_bos, add_eos;
    int64_t cls, sep;                       /* WordPiece only */
    int lowercase, accents;                 /* WordPiece only: 0 the text keeps its case (its accents), −1 not said */
} qn_tok_gguf_tables;
int qn_tok_spec_from_gguf_tables(qn_tok_spec *out, const qn_tok_gguf_tables *in);      /* tokenizer.ggml.model "gpt2" */
/* "bert": a piece that begins a word is written with "▁" before it, one that goes on as it is. [CLS] and [SEP] around a
 * text. No merges. */
int qn_tok_spec_from_gguf_wordpiece(qn_tok_spec *out, const qn_tok_gguf_tables *in);

/* ---- tokenizer -------------------------------------------------------------------------------------------------- */

typedef struct qn_tok qn_tok;
int qn_tok_new(qn_tok **out, const qn_tok_spec *spec);      /* QN_EFORMAT, QN_EUNSUPPORTED, QN_ENOMEM */
void qn_tok_free(qn_tok *t);

typedef struct { int32_t *v; size_t n, cap; } qn_ids;       /* {0} is empty and ready */
int qn_ids_push(qn_ids *ids, int32_t id);
void qn_ids_clear(qn_ids *ids);                             /* n = 0, keeps the memory */
void qn_ids_drop(qn_ids *ids);

enum {
    QN_TOK_PLAIN = 0,
    QN_TOK_ADD_SPECIAL = 1,         /* BOS, EOS and whatever else the post-processor adds */
    QN_TOK_PARSE_SPECIAL = 2,       /* special tokens spelled in the text are tokens (the whole text is trusted) */
    QN_TOK_DEFAULT = QN_TOK_ADD_SPECIAL | QN_TOK_PARSE_SPECIAL,
    QN_TOK_SKIP_SPECIAL = 4,        /* decoding: leave special tokens out */
    QN_TOK_RAW_BYTES = 8            /* decoding: bytes as they are, no U+FFFD, nothing held back */
};

/* Appends the ids of text (UTF-8; QN_EUTF8 names the offset of the first bad byte). On error ids is as before. */
int qn_tok_encode(const qn_tok *t, const char *text, size_t n, unsigned flags, qn_ids *ids);

/* The same for a text of which only some ranges are trusted: a special token is parsed only if it lies wholly inside
 * one trusted range (ranges ascend and do not overlap; such as touch count as one). Nothing else changes: words,
 * normalization and merges run across the borders of ranges. QN_TOK_PARSE_SPECIAL is not looked at. */
typedef struct { size_t begin, end; } qn_tok_span;
int qn_tok_encode_spans(const qn_tok *t, const char *text, size_t n, const qn_tok_span *trusted, size_t n_trusted,
                        unsigned flags, qn_ids *ids);

/* The same with cuts, offsets in ascending order: what stands on both sides of one is encoded as if it came at another
 * time, as the answer to a prompt does. No word, merge or token runs across; ids[i] becomes the length of the result at
 * cut i. What a tokenizer puts in front of a text it does not put behind a cut. */
typedef struct { const size_t *at; size_t n; size_t *ids; } qn_tok_cuts;
int qn_tok_encode_cuts(const qn_tok *t, const char *text, size_t n, const qn_tok_span *trusted, size_t n_trusted,
                       const qn_tok_cuts *cuts, unsigned flags, qn_ids *ids);

/* The same ids by all threads of a pool: a long text is encoded in parts where the tokenizer allows it, else whole. Not
 * within a region of the pool. */
int qn_tok_encode_parallel(const qn_tok *t, qn_pool *pool, const char *text, size_t n, unsigned flags, qn_ids *ids);
/* The first place in text[from … n) that parts it into two whose ids, one behind the other, are those of the whole;
 * n where there is none, or none is known for such a tokenizer. */
size_t qn_tok_cut(const qn_tok *t, const char *text, size_t from, size_t n);

int32_t qn_tok_size(const qn_tok *t);                       /* 1 + the greatest id */
int32_t qn_tok_id(const qn_tok *t, qn_str text);            /* as spelled in the vocabulary; −1: no such token */
qn_str qn_tok_text(const qn_tok *t, int32_t id);            /* as spelled in the vocabulary; empty for none */
qn_str qn_tok_piece(const qn_tok *t, int32_t id);           /* its bytes inside a text; may be half a character */
qn_token_type qn_tok_type(const qn_tok *t, int32_t id);     /* HOLE outside the vocabulary */
bool qn_tok_is_special(const qn_tok *t, int32_t id);        /* control or unknown: never part of an answer's text */
int32_t qn_tok_bos(const qn_tok *t);                        /* −1: none */
int32_t qn_tok_eos(const qn_tok *t);
int32_t qn_tok_unk(const qn_tok *t);
int32_t qn_tok_pad(const qn_tok *t);
qn_tok_model qn_tok_model_of(const qn_tok *t);
size_t qn_tok_around(const qn_tok *t);                      /* how many ids ADD_SPECIAL puts around a text … */
const int32_t *qn_tok_prefix(const qn_tok *t, size_t *n), *qn_tok_suffix(const qn_tok *t, size_t *n);   /* … which */
bool qn_tok_adds(const qn_tok *t, int32_t id);              /* does ADD_SPECIAL put this id around a text? */
/* The least id below n that is not spelled alike in both, or, where `special` counts, is special in one of them only;
 * −1: there is none. */
int32_t qn_tok_first_other(const qn_tok *a, const qn_tok *b, int32_t n, bool special);

/* Appends the text of ids; ids outside the vocabulary give nothing. Bytes that are no UTF-8 become U+FFFD. */
int qn_tok_decode(const qn_tok *t, const int32_t *ids, size_t n, unsigned flags, qn_buf *out);

/* The same, one id at a time: a character is given out when its last byte has come, never before. */
typedef struct {
    const qn_tok *tok;
    unsigned flags;
    bool started;                   /* something was pushed: the rules of the first piece are done */
    int64_t strip;                  /* leading characters that may still be stripped */
    char pending[4];
    size_t n_pending;
} qn_detok;
void qn_detok_init(qn_detok *d, const qn_tok *t, unsigned flags);       /* t is borrowed; nothing to drop */
int qn_detok_push(qn_detok *d, int32_t id, qn_buf *out);
int qn_detok_flush(qn_detok *d, qn_buf *out);                           /* an incomplete character becomes U+FFFD */

#endif
