/* base/json_fields.h — one line per member of an object that is written. */
#ifndef QN_BASE_JSON_FIELDS_H
#define QN_BASE_JSON_FIELDS_H

#include "base/json.h"

static inline void qn_field_f64(qn_jw *w, const char *key, double v) {
    qn_jw_key(w, key);
    qn_jw_f64(w, v);
}

static inline void qn_field_i64(qn_jw *w, const char *key, int64_t v) {
    qn_jw_key(w, key);
    qn_jw_i64(w, v);
}

static inline void qn_field_str(qn_jw *w, const char *key, const char *v) {
    qn_jw_key(w, key);
    qn_jw_str(w, qn_str_of(v));
}

static inline void qn_field_text(qn_jw *w, const char *key, qn_str v) {
    qn_jw_key(w, key);
    qn_jw_str(w, v);
}

static inline void qn_field_bool(qn_jw *w, const char *key, bool v) {
    qn_jw_key(w, key);
    qn_jw_bool(w, v);
}

/* A member that is an object or a list, open. */
static inline void qn_field_open(qn_jw *w, const char *key, char open) {
    qn_jw_key(w, key);
    qn_jw_open(w, open);
}

static inline void qn_field_null(qn_jw *w, const char *key) {
    qn_jw_key(w, key);
    qn_jw_null(w);
}

/* A text that is not there is null. */
static inline void qn_field_text_or_null(qn_jw *w, const char *key, qn_str v) {
    qn_jw_key(w, key);
    if (v.s)
        qn_jw_str(w, v);
    else
        qn_jw_null(w);
}

static inline void qn_field_i32s(qn_jw *w, const char *key, const int32_t *v, size_t n) {
    qn_jw_key(w, key);
    qn_jw_open(w, '[');
    for (size_t i = 0; i < n; i++)
        qn_jw_i64(w, v[i]);
    qn_jw_close(w);
}

#endif
