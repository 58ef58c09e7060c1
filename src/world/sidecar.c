/* world/sidecar.c — spans as JSON; the bits of facts, which depend on all texts before. */
#include "world/sidecar.h"

#include "base/json.h"
#include "base/json_fields.h"

static const char *const kind_name[QN_SPANS] = {"style", "grammar", "fact", "copy", "arithmetic"};

double qn_fact_bits(const qn_world *w, int64_t fact) {
    const int64_t properties = qn_property_id(w, QN_REL_HOME, 0), kin = qn_kin_id(w, 0, 0);
    if (fact >= kin)
        return qn_bits((uint32_t)w->people, 1);
    if (fact < properties)
        return qn_bits((uint32_t)w->values, 1);
    return qn_bits((uint32_t)qn_world_properties(w, (qn_relation)((fact - properties) / QN_WORLD_VALUES_MAX)), 1);
}

/* Bytes back to where the document stated the same fact, -1: nowhere before. */
static int64_t fact_distance(const qn_text_span *span, size_t first, size_t i) {
    for (size_t j = i; j-- > first;)
        if (span[j].kind == QN_SPAN_FACT && span[j].fact == span[i].fact)
            return (int64_t)(span[i].begin - span[j].begin);
    return -1;
}

static double put_span(const qn_gen *g, const qn_sidecar_document *d, size_t i, int32_t *said, qn_jw *j) {
    const qn_text_span *s = &g->span[i];
    const bool fact = s->kind == QN_SPAN_FACT;
    const double bits = s->bits + (fact && said[s->fact] == 0 ? qn_fact_bits(g->w, s->fact) : 0);
    qn_jw_open(j, '{');
    qn_field_i64(j, "begin", (int64_t)(s->begin - d->text));
    qn_field_i64(j, "end", (int64_t)(s->end - d->text));
    qn_jw_key(j, "kind");
    qn_jw_str(j, qn_str_of(kind_name[s->kind]));
    qn_jw_key(j, "bits");
    qn_jw_f64(j, bits);
    if (fact)
        qn_field_i64(j, "fact", s->fact);
    if (s->kind != QN_SPAN_STYLE)
        qn_field_i64(j, "distance", fact ? fact_distance(g->span, d->first, i) : s->distance);
    if (fact)
        qn_field_i64(j, "earlier", said[s->fact]++);
    qn_jw_close(j);
    return bits;
}

int qn_sidecar_put(const qn_gen *g, const qn_sidecar_document *d, int32_t *said, qn_buf *out, double *bits) {
    qn_buf spans = {0};
    qn_jw j;
    *bits = 0;
    qn_jw_init(&j, &spans, 0);
    qn_jw_open(&j, '[');
    for (size_t i = d->first; i < d->first + d->n; i++)
        *bits += put_span(g, d, i, said, &j);
    qn_jw_close(&j);
    int rc = qn_jw_end(&j);
    const uint64_t hash = qn_hash_bytes(g->out.s + d->text, d->end - d->text, 0);
    if (rc >= 0)
        rc = qn_buf_printf(out, "{\"document\":%lld,\"genre\":\"%s\",\"file\":\"%s\",\"begin\":%lld,\"end\":%lld,"
                           "\"hash\":\"%016llx\",\"bits\":", (long long)d->document, d->genre, d->file,
                           (long long)d->begin, (long long)(d->begin + (int64_t)(d->end - d->text)),
                           (unsigned long long)hash);
    char text[QN_F64_TEXT];
    const size_t n = qn_f64_text(*bits, text);
    if (rc >= 0)
        rc = qn_buf_put(out, text, n);
    if (rc >= 0)
        rc = qn_buf_puts(out, ",\"bound\":\"upper\",\"spans\":");
    if (rc >= 0)
        rc = qn_buf_put(out, spans.s, spans.n);
    qn_buf_drop(&spans);
    return rc < 0 ? rc : qn_buf_puts(out, "}\n");
}
