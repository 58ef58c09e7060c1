/* format/jsonl.h — one JSON document per line, streamed: memory is one line, however long the file.
 *
 *     qn_jsonl *r; QN_TRY(qn_jsonl_open(&r, "train.jsonl", &(qn_jsonl_options){0}));
 *     qn_json *j; int more;
 *     while ((more = qn_jsonl_next(r, &j)) > 0) { QN_TRY_OUT(qn_json_enter(j, '{')); … }
 *
 * Errors of a line are "train.jsonl:LINE:1:COLUMN: …". Blank lines, CR before LF and a byte order mark at the start are
 * passed over; the last line needs no LF. */
#ifndef QN_FORMAT_JSONL_H
#define QN_FORMAT_JSONL_H

#include "base/json.h"

typedef struct qn_jsonl qn_jsonl;

typedef struct {
    size_t line_max;        /* bytes; 0 = 64 MB. A longer line is QN_ELIMIT, or bad as below */
    int64_t bad_max;        /* lines that are not JSON and may be passed over; 0 = the first one is an error */
} qn_jsonl_options;

/* "-" is standard input; a gzip file is unpacked. */
int qn_jsonl_open(qn_jsonl **out, const char *path, const qn_jsonl_options *o);
int qn_jsonl_open_memory(qn_jsonl **out, const char *text, size_t n, const qn_jsonl_options *o);
void qn_jsonl_close(qn_jsonl *r);                                                   /* NULL is fine */

/* 1 and a parser at the start of the next line's document, valid until the next call; 0 at the end; <0 error. With
 * bad_max the line was checked whole beforehand; without, the caller finds its faults while reading. */
int qn_jsonl_next(qn_jsonl *r, qn_json **line);
int64_t qn_jsonl_line(const qn_jsonl *r);           /* number of the last line given, from 1 */
int64_t qn_jsonl_bad(const qn_jsonl *r);            /* lines passed over so far */
qn_str qn_jsonl_text(const qn_jsonl *r);            /* the last line as it stands, without its end */

#endif
