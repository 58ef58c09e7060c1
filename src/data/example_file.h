/* data/example_file.h — the rows of a file of examples: a JSON array, JSON lines, or one text; packed or not. */
#ifndef QN_DATA_EXAMPLE_FILE_H
#define QN_DATA_EXAMPLE_FILE_H

#include "data/example_row.h"

/* row counts from 1: elements of an array, lines of JSON lines; 0: the whole file is a text, and json is its words. */
typedef int qn_example_file_fn(void *arg, qn_str json, int64_t row, const char *place);
/* JSON is streamed: memory is one row; of a text, and of a pipe, all of it. QN_ENOTFOUND, QN_EFORMAT (neither of the
 * forms, no row in it), QN_ETRUNC (an array without an end), QN_ELIMIT. */
int qn_example_file(const char *path, qn_example_file_fn *fn, void *arg);

/* Rows that are meant: a member that has the value, or is a list with it (example_where.c). */
typedef struct { qn_str member, value; } qn_example_where;
/* Do all n of them hold for the row? 1, 0; QN_EFORMAT: it is no JSON. */
int qn_example_where_holds(const qn_example_where *w, size_t n, qn_str json, const char *place);

/* What a file is, by its first megabytes. */
typedef struct {
    qn_example_form form;               /* of its first row; QN_FORM_NONE where it is text, or nothing that is known */
    bool objects;                       /* lines of JSON objects, or an array of them, whatever these are */
} qn_example_sniffed;
int qn_example_sniff(const char *path, qn_example_sniffed *found);

#endif
