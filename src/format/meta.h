/* format/meta.h — a flat table of typed values, whether they come from a GGUF's metadata or from config.json.
 *
 *     GGUF   llama.rope.freq_base = 100000.0            key as it stands
 *     JSON   {"rope_parameters": {"rope_theta": 1e5}}   "rope_parameters.rope_theta"
 *
 * A JSON array of scalars of one kind is an array value. Any other array is QN_META_MIXED, holds only its count, and
 * its elements stand before it under "key.0", "key.1" …; a JSON object leaves only its members. JSON null is
 * QN_META_NULL, which every look-up treats as absent: configurations write `"rope_scaling": null` for "none".
 *
 * Array elements are read where they lie: a vocabulary of a GGUF costs one offset per string, no copy. Views live as
 * long as the table and, for GGUF, as the open file. A table is immutable once its reader has filled it, hence free to
 * share among threads. */
#ifndef QN_FORMAT_META_H
#define QN_FORMAT_META_H

#include "base/json.h"
#include "base/str.h"

typedef enum {
    QN_META_NULL, QN_META_BOOL, QN_META_INT, QN_META_UINT, QN_META_FLOAT, QN_META_STRING, QN_META_ARRAY, QN_META_MIXED
} qn_meta_kind;
const char *qn_meta_kind_name(qn_meta_kind kind);       /* "integer", "string" … for messages */

/* Elements of one scalar kind. The fields below `count` are for meta.c and the readers. */
typedef struct {
    qn_meta_kind kind;          /* of the elements: BOOL, INT, UINT, FLOAT or STRING; NULL in an empty JSON array */
    size_t count;
    int width;                  /* bytes per element; 0 for strings */
    int prefix;                 /* strings: bytes in front of each one's text (8 in GGUF: its length; 0 in JSON) */
    const char *bytes;          /* count elements little-endian, unaligned; or the bytes that `offset` counts in */
    const size_t *offset;       /* strings: [count + 1]; text i is bytes[offset[i] + prefix … offset[i + 1]) */
} qn_meta_array;

typedef struct {
    qn_str key;
    qn_meta_kind kind;
    union {
        bool b;
        int64_t i;
        uint64_t u;
        double f;
        qn_str s;
        qn_meta_array a;        /* QN_META_ARRAY; for QN_META_MIXED only a.count says something */
    } as;
} qn_meta_value;

typedef struct qn_meta qn_meta;

/* Look-ups: 1 found and *out set; 0 absent (or null), *out untouched; <0 the value has another kind, with a message
 * that names file and key. An i64 takes any integer that fits and a float without fraction; an f64 takes any number. */
int qn_meta_get_i64(const qn_meta *m, const char *key, int64_t *out);
int qn_meta_get_f64(const qn_meta *m, const char *key, double *out);
int qn_meta_get_bool(const qn_meta *m, const char *key, bool *out);
int qn_meta_get_str(const qn_meta *m, const char *key, qn_str *out);
/* `kind` of the elements: BOOL, INT (any integers that fit an int64_t), FLOAT (any numbers) or STRING. An empty array
 * is of any kind. */
int qn_meta_get_array(const qn_meta *m, const char *key, qn_meta_kind kind, qn_meta_array *out);
/* One integer or an array of them, as in `"eos_token_id": 2` and `[2, 32000]` or a head count per layer: sets *n and
 * out[0 … *n). More than cap is QN_ELIMIT. */
int qn_meta_get_i64s(const qn_meta *m, const char *key, int64_t *out, size_t cap, size_t *n);

/* Elements of an array that qn_meta_get_array gave out for that kind; i < count. */
int64_t qn_meta_array_i64(const qn_meta_array *a, size_t i);
double qn_meta_array_f64(const qn_meta_array *a, size_t i);
bool qn_meta_array_bool(const qn_meta_array *a, size_t i);
qn_str qn_meta_array_str(const qn_meta_array *a, size_t i);

/* All entries in file order. */
size_t qn_meta_count(const qn_meta *m);
const qn_meta_value *qn_meta_at(const qn_meta *m, size_t i);
const qn_meta_value *qn_meta_find(const qn_meta *m, const char *key);   /* NULL: absent; finds nulls too */
const char *qn_meta_name(const qn_meta *m);                             /* the file, for messages */
/* Appends the value as JSON to the writer; of an array at most `items` elements, then a string "… N more". */
void qn_meta_write(const qn_meta_value *v, size_t items, qn_jw *w);

/* ---- for the readers that fill a table ---- */

int qn_meta_new(qn_meta **out, const char *name);
void qn_meta_free(qn_meta *m);
/* Adds an entry. Key and text are borrowed. A key that is there already is QN_EFORMAT. */
int qn_meta_put(qn_meta *m, const qn_meta_value *v);
/* Memory and copies of bytes that live as long as the table. */
int qn_meta_intern(qn_meta *m, qn_str s, qn_str *out);
void *qn_meta_alloc(qn_meta *m, size_t bytes);

/* A JSON object as a table; everything is copied. `name` for messages. Memory beyond n + 32 MB is QN_ELIMIT: long keys
 * over many members would multiply. */
int qn_meta_from_json(qn_meta **out, const char *text, size_t n, const char *name);

#endif
