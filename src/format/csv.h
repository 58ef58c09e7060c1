/* format/csv.h — tables as text: fields between commas, in quotes where they hold a comma, a quote or a line's end.
 *
 *     qn_csv c; qn_csv_init(&c, text, n, "test.csv");
 *     while ((more = qn_csv_next(&c)) > 0) use c.field[0 … c.fields)
 *     qn_csv_drop(&c);
 *
 * RFC 4180, with LF or CR LF; "" inside quotes is one quote. A quote inside a field that did not begin with one is
 * text. Lines without a character are passed over. */
#ifndef QN_FORMAT_CSV_H
#define QN_FORMAT_CSV_H

#include "base/str.h"

typedef struct {
    const char *at, *end, *name;
    int64_t line;               /* of the row's beginning, from 1 */
    qn_str *field;              /* [fields] of this row, valid until the next */
    size_t fields, cap;
    int64_t next_line;
    qn_buf text;                /* of this row's fields */
    size_t *begin;              /* where each field lies in text */
    size_t begin_cap;
} qn_csv;

void qn_csv_init(qn_csv *c, const char *text, size_t n, const char *name);      /* borrowed */
void qn_csv_drop(qn_csv *c);
/* 1 and a row, 0 at the end. QN_EFORMAT: a quote that does not end, or text behind one that did, with file and line. */
int qn_csv_next(qn_csv *c);

#endif
