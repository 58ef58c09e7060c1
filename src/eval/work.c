/* eval/work.c — the bytes and operations that a run cannot avoid, and the least time they take. */
#include "eval/speed.h"

/* Dtypes whose products run as int8 dots, as bf16 dots, as f32 (docs/NUMERICS.md). */
static qn_unit unit_of(qn_dtype t) {
    switch (qn_act_form_of(t)) {
    case QN_ACT_Q8B32:
        return QN_UNIT_INT8;
    case QN_ACT_BF16:
        return QN_UNIT_BF16;
    default:
        return QN_UNIT_F32;
    }
}

/* A packed matrix through which `rows` rows go in `runs` runs. */
static void add_matrix(qn_work *w, const qn_tensor *t, double rows, double runs) {
    if (t->rank != 2)
        return;
    const double bytes = (double)qn_panels(t->dim[0]) * (double)qn_panel_bytes(t->dtype, t->dim[1]);
    w->weight_bytes += bytes * runs;
    w->run_bytes += bytes;
    w->ops[unit_of(t->dtype)] += 2 * rows * (double)t->dim[0] * (double)t->dim[1];
}

/* Keys that n queries behind `depth` positions see: Σ min(window, depth + i + 1). */
static double visible_keys(int64_t depth, int64_t n, int64_t window) {
    double keys = 0;
    for (int64_t i = 0; i < n; i++)
        keys += (double)(window > 0 ? QN_MIN(window, depth + i + 1) : depth + i + 1);
    return keys;
}

qn_work qn_speed_work(const qn_session *s, int64_t sequences, int64_t depth, int64_t n, int64_t rows) {
    const qn_model *m = qn_session_model(s);
    const qn_config *c = &m->cfg;
    const int64_t tokens = sequences * n, runs = (tokens + rows - 1) / rows, piece = (n + runs - 1) / runs;
    qn_work w = {0};
    for (int64_t layer = 0; layer < c->layers; layer++)
        for (int id = 0; id < QN_PARAMS; id++)
            if (id != QN_P_EMBED && id != QN_P_POSITIONS && id != QN_P_HEAD)
                add_matrix(&w, qn_model_param(m, (qn_param_id)id, layer), (double)tokens, (double)runs);
    const qn_tensor *head = qn_model_param(m, QN_P_HEAD, 0);
    add_matrix(&w, head->rank ? head : qn_model_param(m, QN_P_EMBED, 0), (double)sequences, 1);

    /* Keys and values: multiplied once per query, read once per run by all its queries together. */
    const qn_dtype kv = qn_session_kv_dtype(s);
    const double each = (double)qn_kv_block_bytes(kv, c->Dh) / QN_KEY_BLOCK;
    const double position = 2.0 * (double)(c->layers * c->kv_heads) * each;
    const double keys = visible_keys(depth, n, m->spec.window);
    w.ops[kv == QN_Q8_0 ? QN_UNIT_F32 : unit_of(kv)] += 4 * (double)(sequences * c->layers * c->heads * c->Dh) * keys;
    for (int64_t run = 0; run < runs; run++) {
        const int64_t end = depth + QN_MIN(n, (run + 1) * piece);
        const int64_t seen = m->spec.window > 0 ? QN_MIN(end, m->spec.window + piece - 1) : end;
        w.kv_bytes += (double)(sequences * seen) * position;
    }
    w.run_bytes += w.kv_bytes / (double)runs;
    return w;
}

qn_bound qn_speed_bound(const qn_work *w, const qn_peak *p) {
    const double peak[QN_UNITS] = {
        [QN_UNIT_F32] = p->f32, [QN_UNIT_BF16] = p->bf16 > 0 ? p->bf16 : p->f32,
        [QN_UNIT_INT8] = p->int8 > 0 ? p->int8 : p->f32,
    };
    const double threads = p->threads, l2 = threads * (double)p->l2_bytes, l3 = threads * (double)p->l3_bytes;
    qn_bound b = {.bandwidth = w->run_bytes <= l2 ? p->l2 : w->run_bytes <= l3 ? p->l3 : p->memory};
    double ops = 0;
    for (int u = 0; u < QN_UNITS; u++) {
        ops += w->ops[u];
        b.compute_seconds += w->ops[u] / (peak[u] * 1e9);
    }
    b.memory_seconds = (w->weight_bytes + w->kv_bytes) / (b.bandwidth * 1e9);
    b.ops_rate = ops / b.compute_seconds * 1e-9;
    b.by_memory = b.memory_seconds >= b.compute_seconds;
    b.seconds = QN_MAX(b.memory_seconds, b.compute_seconds);
    return b;
}
