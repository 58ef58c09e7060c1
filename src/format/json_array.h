/* format/json_array.h — the texts and objects of one JSON array, streamed: memory is one item, however long the file.
 *
 *     qn_json_array *r; QN_TRY(qn_json_array_open(&r, "train.json", 0));
 *     while ((more = qn_json_array_next(r, &item)) > 0) { item is "…" or {…}, for base/json.h to check and read }
 *
 * Only where an item ends is looked for here. Errors are "train.json: byte N: …", counted from 0 in the unpacked text:
 * QN_EFORMAT, QN_ETRUNC for an array without an end, QN_ELIMIT for an item that is too long. A byte order mark at the
 * start is passed over. */
#ifndef QN_FORMAT_JSON_ARRAY_H
#define QN_FORMAT_JSON_ARRAY_H

#include "base/str.h"

typedef struct qn_json_array qn_json_array;

/* item_max: bytes; 0 = 64 MB. "-" is standard input; what is packed with gzip or zstd is unpacked. */
int qn_json_array_open(qn_json_array **out, const char *path, size_t item_max);
int qn_json_array_open_memory(qn_json_array **out, const char *text, size_t n, size_t item_max);
void qn_json_array_close(qn_json_array *r);                     /* NULL is fine */

/* 1 and the bytes of the next item, good until the next call; 0 where the array is closed and nothing but white space
 * follows; <0 error. */
int qn_json_array_next(qn_json_array *r, qn_str *item);
/* From now on any value is an item, for the caller to judge. */
void qn_json_array_take_any(qn_json_array *r);
int64_t qn_json_array_at(const qn_json_array *r);               /* where the last item begins */
bool qn_json_array_begun(const qn_json_array *r);               /* "[" was read: it is an array, right or wrong */

#endif
