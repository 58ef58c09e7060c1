/* data/corpus.h — storey 4: the text of files and folders, as a stream of documents.
 *
 *   corpus.c        which files, in what order; pieces of text out of them
 *   corpus_utf8.c   what becomes of bytes that are no UTF-8
 *
 *     qn_corpus *c; QN_TRY(qn_corpus_open(&c, &(qn_corpus_options){.path = paths, .n_paths = n}));
 *     while ((more = qn_corpus_next(c, &piece)) > 0) { use piece.text; if (piece.ends) the document is over; }
 *
 * A file is one document, or several with lines between them that are exactly `separator` (the line break in front of
 * such a line belongs to it); of .jsonl and .ndjson each line is one, its text under `field`; of .json, which must be
 * an array, each item: a text, or an object with one under `field`. All of them may be packed (.gz, .zst). A folder
 * stands for its files, sub-folders included, in the order of their paths; hidden ones, links to folders, and what
 * cannot be text (other JSON than an array, too; bytes of which one in ten begins no character) are passed over, the
 * last with a warning when reading begins. A byte order mark at the
 * start of a file goes. A line or an item whose `field` is not there or holds no text is left out, and that is said
 * once, with the first of them; where all are such, reading ends in an error. So for lines that are no JSON, where such
 * are to be passed over (skip_bad). The order of documents depends on the names alone. */
#ifndef QN_DATA_CORPUS_H
#define QN_DATA_CORPUS_H

#include "base/str.h"

/* Bytes that are no UTF-8: REPLACE puts one U+FFFD for each broken character (as Unicode recommends: its longest
 * beginning that could have become one), DROP leaves them out, REFUSE is QN_EUTF8. So for an escape of JSON that is
 * half a surrogate pair ("\ud83d"); REFUSE is QN_EFORMAT there. */
typedef enum { QN_INVALID_REPLACE, QN_INVALID_DROP, QN_INVALID_REFUSE } qn_invalid;

typedef struct {
    const char *const *path; size_t n_paths;    /* files, folders, "-" for standard input */
    const char *field;                          /* of JSON; NULL: "text" */
    qn_invalid invalid;
    const char *separator;                      /* a line of text files; NULL: a file is one document */
    bool skip_bad;                              /* pass over lines of .jsonl that are no JSON, or longer than 1 GB */
} qn_corpus_options;

typedef struct {
    int64_t files, skipped;         /* read; passed over in folders */
    int64_t documents, bytes;       /* given so far */
    int64_t invalid;                /* broken characters replaced or dropped */
    int64_t textless;               /* JSON lines and items left out: no text under the field */
    int64_t bad;                    /* JSON lines passed over: no JSON */
} qn_corpus_stats;

/* Valid UTF-8, good until the next call; may be empty. Long documents come in pieces, cut between characters. */
typedef struct { qn_str text; bool ends; const char *path; } qn_corpus_piece;

typedef struct qn_corpus qn_corpus;
/* Looks for all files before anything is read: QN_ENOTFOUND; QN_EINVAL for folders without any. */
int qn_corpus_open(qn_corpus **out, const qn_corpus_options *o);
void qn_corpus_close(qn_corpus *c);                                     /* NULL is fine */
int qn_corpus_next(qn_corpus *c, qn_corpus_piece *piece);               /* 1, 0 at the end, <0 */
void qn_corpus_stats_get(const qn_corpus *c, qn_corpus_stats *out);
int64_t qn_corpus_size(const qn_corpus *c);     /* bytes of all files; 0 where that says little: packed, stdin */

/* corpus_utf8.c: s[0…n) cleaned: *clean is s itself where nothing is wrong, else what was put into `own`. *bad counts
 * broken characters; REFUSE: *bad_at is the first one's offset and the return value QN_EUTF8, without a message. */
int qn_utf8_clean(qn_str s, qn_invalid policy, qn_buf *own, qn_str *clean, int64_t *bad, size_t *bad_at);

#endif
