/* cli/fields.h — one line per member of a JSON result. */
#ifndef QN_CLI_FIELDS_H
#define QN_CLI_FIELDS_H

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

#endif
