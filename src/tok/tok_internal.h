/* tok/tok_internal.h — what the files of tok/ share. Nothing outside includes it. */
#ifndef QN_TOK_INTERNAL_H
#define QN_TOK_INTERNAL_H

#include <stdatomic.h>
#include <string.h>

#include "tok/regex.h"
#include "tok/tok.h"

/* ---- bytelevel.c ---- */
uint32_t qn_bytelevel_char(uint8_t byte);
int qn_bytelevel_byte(uint32_t c);                                      /* −1: not of the alphabet */
int qn_bytelevel_spell(qn_buf *out, qn_str bytes);                      /* bytes → spelled text, appended */
bool qn_bytelevel_unspell(qn_str text, char *out, size_t *n);           /* out: text.n bytes; false: other characters */

/* ---- idmap.c ---- */
typedef struct { uint32_t tag; int32_t id; } qn_idmap_slot;             /* id −1: free */
typedef struct { qn_idmap_slot *slot; size_t cap; const qn_tok_entry *entry; } qn_idmap;
int qn_idmap_init(qn_idmap *m, const qn_tok_entry *entry, size_t keys); /* entry: borrowed; keys: puts at most */
void qn_idmap_drop(qn_idmap *m);
void qn_idmap_put(qn_idmap *m, int32_t id);                             /* a text that is there changes its id */
#define QN_IDMAP_MANY 64
void qn_idmap_put_down(qn_idmap *m, int32_t id, size_t n);              /* id, id − 1, … : n ≤ QN_IDMAP_MANY of them */
int32_t qn_idmap_get(const qn_idmap *m, qn_str text);                   /* −1: none */
bool qn_text_same(const char *a, const char *b, size_t n);              /* memcmp() == 0, quicker on a few bytes */
void qn_idmap_get_many(const qn_idmap *m, const qn_str *text, size_t n, int32_t *id);

/* ---- unicode.c: character classes as Hugging Face's components use them ---- */
bool qn_char_is_space(uint32_t c);                                      /* White_Space */
bool qn_char_is_number(uint32_t c);                                     /* N* */
bool qn_char_is_punctuation(uint32_t c);                                /* ASCII punctuation, P* of Unicode 8 */
bool qn_char_is_word(uint32_t c);                                       /* \w: Alphabetic, M*, Nd, Pc, joiners */
bool qn_char_is_mark(uint32_t c);                                       /* M* */
bool qn_char_is_accent(uint32_t c);                                     /* Mn of Unicode 8 */
bool qn_char_is_control(uint32_t c);                                    /* Cc, Cf, Co of it, without \t, \n, \r */

/* ---- bert_classes.c: what BERT's components take a character beyond ASCII for ---- */
typedef enum { QN_BERT_NONE, QN_BERT_SIGN, QN_BERT_ACCENT, QN_BERT_CONTROL } qn_bert_class;
qn_bert_class qn_bert_class_of(uint32_t c);

/* ---- added.c ---- */
typedef struct qn_added qn_added;                                       /* a matcher over added tokens */
typedef enum { QN_ADDED_FORBIDDEN, QN_ADDED_ORDINARY, QN_ADDED_SPECIAL } qn_added_kind;
typedef qn_added_kind qn_added_kind_fn(const void *arg, size_t token, size_t begin, size_t end);
int qn_added_new(qn_added **out);
void qn_added_free(qn_added *a);
int qn_added_insert(qn_added *a, qn_str text, size_t token);            /* token: the caller's number for it */
bool qn_added_empty(const qn_added *a);
/* The leftmost token in s from `from`, of those the longest; where that is forbidden, the longest special one that is
 * not. A forbidden match is reported too: it takes part in the search, so what it covers is plain text. */
typedef struct { size_t token, begin, end; qn_added_kind kind; } qn_added_match;
bool qn_added_find(const qn_added *a, const char *s, size_t n, size_t from, qn_added_kind_fn *kind, const void *arg,
                   qn_added_match *m);

/* ---- spec.c ---- */
int qn_tok_check_id(int64_t id);                                        /* QN_EFORMAT: none that is possible */

/* ---- normalize.c ---- */
typedef struct {
    qn_norm_kind kind;
    qn_str pattern, content;
    qn_regex *regex;
    bool left, right;
    qn_bert_norm bert;
} qn_norm_step;
typedef struct {
    qn_buf text[2];                                                     /* steps write in turn into one and the other */
    qn_buf bert[2];                                                     /* between the parts of BERT's */
    int32_t *cps;                                                       /* code points being composed */
    size_t cap_cps;
    bool goes_on;                                                       /* behind a cut: PREPEND does nothing */
} qn_norm_work;
int qn_norm_form(qn_norm_kind kind, qn_norm_work *w, qn_str in, qn_buf *out);           /* NFC … NFKD, appended */
uint32_t qn_norm_lower(uint32_t c, uint32_t *extra);                    /* *extra, if not 0, follows */
int qn_norm_bert(qn_bert_norm b, qn_norm_work *w, qn_str in, qn_buf *out);              /* normalize_bert.c */
int qn_norm_run(const qn_norm_step *steps, size_t n_steps, qn_norm_work *w, qn_regex_work *rw, qn_str in, qn_str *out);
void qn_norm_work_drop(qn_norm_work *w);

/* ---- bpe.c ---- */
typedef struct qn_bpe qn_bpe;                                           /* immutable */
typedef struct qn_bpe_work qn_bpe_work;                                 /* cache and scratch: one per thread */
int qn_bpe_new(qn_bpe **out, const qn_tok *t, const qn_tok_spec *spec, bool byte_level);
void qn_bpe_free(qn_bpe *b);
int qn_bpe_work_new(qn_bpe_work **out);
void qn_bpe_work_free(qn_bpe_work *w);
#define QN_BPE_WORDS 64
/* n ≤ QN_BPE_WORDS words of a text that is readable up to `end`. */
int qn_bpe_words(const qn_bpe *b, qn_bpe_work *w, const qn_str *word, size_t n, const char *end, qn_ids *ids);
/* bpe_merge.c: applies merges to w's symbols until none is left. */
#define QN_BPE_ID_BITS 21                                               /* below QN_TOK_MAX_ID */
#define QN_BPE_RANK_BITS 22
#define QN_BPE_MERGES ((1 << QN_BPE_RANK_BITS) - 1)                     /* at most */
typedef struct {
    uint64_t *slot; size_t cap, ranks;
    int shift;                                                          /* 64 − log2(cap) */
    const int32_t *result;                                              /* [ranks] rank → id */
    uint32_t (*of_bytes)[256];                                          /* byte level: 1 + rank of two bytes, or 0 */
} qn_bpe_merges;
typedef struct { int32_t id; uint32_t prev, next, rank; } qn_bpe_link;  /* rank: of the pair that begins here */
typedef struct {
    int32_t *id; size_t n, cap;                                         /* symbols of the word being encoded */
    qn_bpe_link *link; size_t cap_link;                                 /* long words only */
    uint64_t *heap; size_t n_heap, cap_heap;
} qn_bpe_symbols;
int qn_bpe_merges_init(qn_bpe_merges *m, size_t n);
void qn_bpe_merges_drop(qn_bpe_merges *m);
void qn_bpe_merges_expect(const qn_bpe_merges *m, int32_t left, int32_t right);     /* begins to fetch its slot */
void qn_bpe_merges_put(qn_bpe_merges *m, int32_t left, int32_t right, uint32_t rank);
/* bytes: those that the symbols stand for, one each; NULL where it is otherwise or not known. */
int qn_bpe_merge_all(const qn_bpe_merges *m, qn_bpe_symbols *s, const char *bytes);

/* ---- wordpiece.c ---- */
typedef struct qn_wordpiece qn_wordpiece;                               /* immutable */
typedef struct qn_wordpiece_work qn_wordpiece_work;                     /* cache and scratch: one per thread */
int qn_wordpiece_new(qn_wordpiece **out, const qn_tok *t, const qn_tok_spec *spec);
void qn_wordpiece_free(qn_wordpiece *p);
int qn_wordpiece_work_new(qn_wordpiece_work **out);
void qn_wordpiece_work_free(qn_wordpiece_work *w);
int qn_wordpiece_word(const qn_wordpiece *p, qn_wordpiece_work *w, const char *s, size_t n, qn_ids *ids);

/* ---- pretok.c ---- */
typedef struct {
    qn_tok_pretok p;
    qn_regex *regex;
    bool spell;             /* BYTE_LEVEL that is not the last step: the text itself is respelled */
} qn_pretok_step;
typedef struct qn_tok_work qn_tok_work;
int qn_pretok_step_init(qn_pretok_step *step, const qn_tok_pretok *p, bool last, bool scanned);
void qn_pretok_step_drop(qn_pretok_step *step);
/* Splits s and hands each word to the model, or to w->take. first: s begins where the whole text begins. */
int qn_pretok_run(qn_tok_work *w, const char *s, size_t n, bool first);
bool qn_pretok_name_adds_bos(qn_str name);

/* ---- scan.c: the commonest pipelines by hand ---- */
typedef enum {
    QN_SCAN_NONE,
    QN_SCAN_GPT2,
    QN_SCAN_DIGITS_GPT2,    /* behind DIGITS, one by one: utf8proc says what a digit is */
    QN_SCAN_NUMBERS_GPT2,   /* behind `\p{N}` */
    QN_SCAN_LLAMA3, QN_SCAN_QWEN2
} qn_scan_kind;
typedef struct qn_scan_work qn_scan_work;                               /* classes of characters met; one per thread */
void qn_scan_work_free(qn_scan_work *w);
qn_scan_kind qn_pretok_scan(const qn_tok_spec *s);                      /* pretok_names.c: what does just this */
int qn_scan_run(qn_tok_work *w, qn_scan_kind kind, const char *s, size_t n);    /* s: valid UTF-8 */
/* The first place in s from `from` on where any text splits that goes through one of these; n: there is none. */
size_t qn_scan_cut(const char *s, size_t from, size_t n);

/* ---- parallel.c ---- */
bool qn_tok_parts_allowed(const qn_tok *t);

/* ---- decode.c ---- */
typedef struct {
    uint32_t *end;          /* [1 + ids] id's piece, what it stands for, is bytes[end[id] … end[id + 1]) */
    qn_buf bytes;
    bool join_spaces;       /* no decoder: a space between pieces */
    int64_t strip;          /* so many `strip_char` may go from the start of the text */
    char strip_char[4];
    size_t strip_len;
    qn_str drop_first;      /* all of these characters go from the first piece */
    bool first_as_is;       /* the first piece is the token as the vocabulary spells it */
} qn_decode_plan;
int qn_decode_plan_init(qn_decode_plan *p, const qn_tok *t, const qn_tok_spec *spec);
void qn_decode_plan_drop(qn_decode_plan *p);

/* ---- tok.c ---- */
/* The words that the pre-tokenizers make of text (valid UTF-8): nothing is normalized and no token cut out. By line:
 * each line is a text of its own and keeps its '\n'. fn sees plain bytes where byte level is the last step. */
typedef int qn_word_fn(void *arg, const char *s, size_t n);
int qn_tok_words(const qn_tok *t, const char *text, size_t n, bool by_line, qn_word_fn *fn, void *arg);

#define QN_TOK_WORKS 16     /* idle workspaces kept; more threads than this make and free their own */
#define QN_TOK_MAX_STEPS 64

struct qn_tok {
    qn_tok_entry *vocab;    /* [n] by id; texts in `text` */
    int32_t n;
    bool *special;          /* [n] */
    qn_idmap ids;           /* spelled text → id; added tokens win */
    qn_buf text;
    qn_tok_added *added;    /* [n_added] */
    size_t n_added;
    qn_added *raw, *normed; /* matchers before and after normalization */
    qn_added *mixed;        /* raw plus the special tokens of normed: where only parts are trusted */
    qn_norm_step *norms;
    size_t n_norms;
    qn_pretok_step *steps;
    size_t n_steps;
    qn_scan_kind scan;      /* what does the work of the steps, or NONE */
    bool cuttable;          /* a text may be encoded in parts that end where qn_scan_cut says */
    qn_bpe *bpe;            /* one of these two is the model, the other NULL */
    qn_wordpiece *wordpiece;
    qn_decode_plan decode;
    int32_t *prefix, *suffix;
    size_t n_prefix, n_suffix;
    int32_t bos, eos, unk, pad;
    _Atomic(qn_tok_work *) idle[QN_TOK_WORKS];
};

/* All that one encoding needs besides the tokenizer. */
struct qn_tok_work {
    const qn_tok *tok;
    qn_regex_work *regex;
    qn_bpe_work *bpe;
    qn_scan_work *scan;     /* NULL until a text goes beyond ASCII */
    qn_wordpiece_work *wordpiece;
    qn_norm_work norm;
    qn_buf *step_text;      /* [n_steps] text that a step wrote anew … */
    qn_buf *spelled;        /* [n_steps] … and respelled on its way out; both in one block */
    bool goes_on;           /* the next text goes on behind a cut: nothing is put in front of it */
    qn_ids *ids;            /* where words go … */
    qn_word_fn *take;       /* … or, where a trainer wants them, who gets them instead of the model; else NULL */
    void *take_arg;
};

#endif
