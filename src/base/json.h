/* base/json.h — a bounded pull parser and a small writer. No tree is built; a header of 100 MB costs no node.
 *
 *     qn_json j; qn_json_init(&j, text, n, "config.json");
 *     QN_TRY(qn_json_enter(&j, '{'));
 *     qn_str key; int more;
 *     while ((more = qn_json_key(&j, &key)) > 0) {          // 1 a key, 0 the object's end, <0 error
 *         if (qn_str_is(key, "vocab_size")) QN_TRY(qn_json_i64(&j, &v));
 *         else QN_TRY(qn_json_skip(&j));
 *     }
 *     QN_TRY(more);
 *     QN_TRY(qn_json_end(&j));                              // nothing but white space may follow
 *
 * RFC 8259, strictly: UTF-8 checked, depth ≤ 64, no trailing commas, no comments. Lone surrogates in \u escapes are an
 * error unless `lone` says otherwise. Errors name the document, line and column (in characters), what was found
 * and what was expected: QN_EFORMAT, QN_EUTF8 for bytes that are not UTF-8, QN_ELIMIT for too deep nesting. After an
 * error the parser is of no more use. Keys stay valid until the next call for a key. The text must outlive the parser;
 * no NUL need follow it. */
#ifndef QN_BASE_JSON_H
#define QN_BASE_JSON_H

#include "base/str.h"

#define QN_JSON_DEPTH 64

/* What becomes of a surrogate that stands alone in an escape: an error, U+FFFD, nothing. */
typedef enum { QN_LONE_REFUSE, QN_LONE_REPLACE, QN_LONE_DROP } qn_json_lone;

typedef struct {
    const char *text, *at, *end, *name;
    const char *last;               /* where the last key or value that was read begins */
    int depth;
    char stack[QN_JSON_DEPTH];      /* '{' or '[' per level */
    bool first[QN_JSON_DEPTH];      /* no item yet on this level */
    qn_buf key;
    qn_json_lone lone;              /* the caller's, after init */
    int64_t n_lone;                 /* such in strings that were decoded */
    int64_t line;                   /* number of the text's first line, for messages: 1 unless the caller says so */
} qn_json;

void qn_json_init(qn_json *j, const char *text, size_t n, const char *name);    /* name: for messages; borrowed */
void qn_json_drop(qn_json *j);

/* What the next value is, without consuming it: '{' '[' '"' '0' (number) 't' 'f' 'n', or <0. */
int qn_json_peek(qn_json *j);
int qn_json_enter(qn_json *j, char open);             /* '{' or '[' */
int qn_json_key(qn_json *j, qn_str *key);             /* in an object: 1 and a key; 0 and the object is closed; <0 */
int qn_json_item(qn_json *j);                         /* in an array: 1 and a value; 0 and the array is closed; <0 */
int qn_json_string(qn_json *j, qn_buf *out);          /* decoded, appended to out (may contain NUL) */
int qn_json_i64(qn_json *j, int64_t *out);            /* 1e3 and 2.0 count as integers if exact */
int qn_json_f64(qn_json *j, double *out);
int qn_json_bool(qn_json *j, bool *out);
int qn_json_null(qn_json *j);
int qn_json_skip(qn_json *j);                         /* any value, checked all the same */
int qn_json_raw(qn_json *j, qn_str *out);             /* any value, checked, as its bytes in the text */
int qn_json_end(qn_json *j);
/* Is a text one JSON value, whole and with nothing behind it? Whatever escapes of half characters it holds. */
bool qn_json_is_whole(qn_str text);
/* An error about the last key or value that was read: "config.json:3:17: <message>" with the place where it begins. */
QN_PRINTF(3, 4) int qn_json_fail(qn_json *j, int code, const char *fmt, ...);

/* Writer: commas and quoting are its business; output is appended to a buffer. Indented by `indent` blanks a level, or
 * without any white space when 0. The first error (QN_ENOMEM, QN_ELIMIT for the depth) stays and silences the rest. */
typedef struct {
    qn_buf *out;
    int depth, indent, rc;
    char stack[QN_JSON_DEPTH];      /* '{' or '[' per level */
    bool comma[QN_JSON_DEPTH];      /* the next item on this level follows another */
    bool after_key;
} qn_jw;
void qn_jw_init(qn_jw *w, qn_buf *out, int indent);
void qn_jw_open(qn_jw *w, char open);                 /* '{' or '[' */
void qn_jw_close(qn_jw *w);
void qn_jw_key(qn_jw *w, const char *key);
void qn_jw_key_str(qn_jw *w, qn_str key);             /* a key that is a view */
void qn_jw_str(qn_jw *w, qn_str s);                   /* bytes that are not UTF-8 become U+FFFD */
void qn_jw_i64(qn_jw *w, int64_t v);
void qn_jw_f64(qn_jw *w, double v);                   /* shortest text that reads back equal; NaN and Inf as null */
void qn_jw_bool(qn_jw *w, bool v);
void qn_jw_null(qn_jw *w);
void qn_jw_raw(qn_jw *w, qn_str json);                /* a value that is JSON already, as it stands */
int qn_jw_end(qn_jw *w);                              /* the first error, or 0 */
/* Ends it and makes a whole file of it, with a line break behind. The buffer stays the caller's. */
int qn_jw_write(qn_jw *w, const char *path);
int qn_json_quote(qn_buf *out, qn_str s);             /* "…" with escapes, appended */

#endif
