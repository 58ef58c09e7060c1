/* cli/peaks.h — the machine's measured limits as all benchmarks print them. */
#ifndef QN_CLI_PEAKS_H
#define QN_CLI_PEAKS_H

#include "base/json_fields.h"
#include "kernels/peak.h"

/* Rates of memory and caches only where they were measured. */
static inline void qn_json_peak(qn_jw *w, const qn_peak *p) {
    qn_jw_open(w, '{');
    qn_field_str(w, "isa", qn_isa_name(p->isa));
    qn_field_i64(w, "threads", p->threads);
    qn_field_f64(w, "f32_gops", p->f32);
    qn_field_f64(w, "bf16_gops", p->bf16);
    qn_field_f64(w, "int8_gops", p->int8);
    if (p->memory > 0) {
        qn_field_f64(w, "memory_gbytes", p->memory);
        qn_field_f64(w, "l3_gbytes", p->l3);
        qn_field_f64(w, "l2_gbytes", p->l2);
    }
    qn_jw_close(w);
}

#endif
