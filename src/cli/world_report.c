/* cli/world_report.c — a world in figures. */
#include "cli/world_report.h"

#include <stdio.h>

#include "base/file.h"
#include "base/json_fields.h"
#include "world/world_files.h"

#define TEXT_MAX ((size_t)8 << 20)          /* of the corpus, and of the text beside it, are measured */

static const char *const class_name[QN_CLASSES] = {"facts", "tales", "sums", "copies"};

static int measure_file(const char *path, const char *separator, qn_text_measure *m) {
    qn_map_file map;
    QN_TRY(qn_map_open(&map, path));
    const int rc = qn_measure_text((qn_str){map.s, QN_MIN(map.n, TEXT_MAX)}, separator, m);
    qn_map_close(&map);
    return rc;
}

static int add_part(qn_buf *text, const char *folder, int64_t part) {
    qn_buf path = {0};
    char name[40];
    qn_map_file map;
    snprintf(name, sizeof name, "corpus/part-%04d.txt", (int)part);
    int rc = qn_path_join(&path, folder, name);
    if (rc >= 0)
        rc = qn_map_open(&map, path.s);
    if (rc >= 0) {
        rc = qn_buf_put(text, map.s, map.n);
        qn_map_close(&map);
    }
    qn_buf_drop(&path);
    return rc;
}

int qn_world_report_measure(qn_world_report *r, const char *folder) {
    qn_buf text = {0};
    int rc = 0;
    for (int64_t part = 0; part < r->corpus.files && text.n < TEXT_MAX && rc >= 0; part++)
        rc = add_part(&text, folder, part);
    if (rc >= 0)
        rc = qn_measure_text((qn_str){text.s, QN_MIN(text.n, TEXT_MAX)}, QN_WORLD_SEPARATOR, &r->text);
    qn_buf_drop(&text);
    QN_TRY(rc);
    return r->compare ? measure_file(r->compare, NULL, &r->other) : 0;
}

/* ---- JSON -------------------------------------------------------------------------------------------------------- */

/* Bytes of all classes: all but the lines between documents. */
static int64_t text_bytes(const qn_world_report *r) {
    int64_t all = 0;
    for (int c = 0; c < QN_CLASSES; c++)
        all += r->corpus.class_bytes[c];
    return QN_MAX(all, 1);
}

static void put_corpus(const qn_world_report *r, qn_jw *w) {
    qn_jw_key(w, "corpus");
    qn_jw_open(w, '{');
    qn_field_i64(w, "documents", r->corpus.documents);
    qn_field_i64(w, "files", r->corpus.files);
    qn_field_i64(w, "bytes", r->corpus.bytes);
    qn_field_str(w, "separator", QN_WORLD_SEPARATOR);
    qn_field_i64(w, "mentions", r->corpus.mentions);
    qn_jw_key(w, "share");
    qn_jw_open(w, '{');
    for (int c = 0; c < QN_CLASSES; c++)
        qn_field_f64(w, class_name[c], (double)r->corpus.class_bytes[c] / (double)text_bytes(r));
    qn_jw_close(w);
    qn_jw_key(w, "sidecar");
    qn_jw_bool(w, r->sidecar);
    if (r->sidecar)
        qn_field_f64(w, "bits", r->corpus.bits);
    qn_jw_close(w);
}

static void put_measure(const char *key, const qn_text_measure *m, qn_jw *w) {
    qn_jw_key(w, key);
    qn_jw_open(w, '{');
    qn_field_i64(w, "bytes", m->bytes);
    qn_field_i64(w, "words", m->words);
    qn_field_i64(w, "different_words", m->types);
    qn_field_i64(w, "sentences", m->sentences);
    qn_field_f64(w, "repeated_per_thousand", m->repeated);
    qn_field_f64(w, "repeated_within_thousand", m->repeated_near);
    qn_field_i64(w, "sample", m->sample);
    qn_field_f64(w, "new_3_grams", m->new_3);
    qn_field_f64(w, "new_5_grams", m->new_5);
    qn_field_f64(w, "packed", m->packed);
    qn_jw_close(w);
}

static void put_sets(const qn_world_report *r, qn_jw *w) {
    qn_jw_key(w, "sets");
    qn_jw_open(w, '{');
    for (int i = 0; i < r->sets.n_files; i++)
        qn_field_i64(w, r->sets.file[i].name, r->sets.file[i].rows);
    qn_jw_close(w);
    qn_jw_key(w, "checks");
    qn_jw_open(w, '{');
    qn_field_i64(w, "forbidden_pairs", r->sets.pairs);
    qn_field_f64(w, "forbidden_by_words_alone", r->sets.bayes);
    qn_field_f64(w, "forbidden_by_words_alone_logistic", r->sets.logistic);
    qn_field_i64(w, "facts_known", r->sets.facts_known);
    qn_field_f64(w, "name_tokens_known", r->names.known);
    qn_field_f64(w, "name_tokens_unknown", r->names.unknown);
    qn_field_f64(w, "name_tokens_p", r->names.alike.p);
    qn_jw_close(w);
}

void qn_world_report_json(const qn_world_report *r, qn_jw *w) {
    qn_jw_open(w, '{');
    qn_world_put_head(r->w, w);
    put_corpus(r, w);
    put_measure("text", &r->text, w);
    if (r->compare) {
        qn_field_str(w, "compared_with", r->compare);
        put_measure("compared", &r->other, w);
    }
    put_sets(r, w);
    qn_jw_close(w);
}

int qn_world_report_file(const qn_world_report *r, const char *folder) {
    qn_buf text = {0}, path = {0};
    qn_jw w;
    qn_jw_init(&w, &text, 2);
    qn_world_report_json(r, &w);
    int rc = qn_path_join(&path, folder, "world.json");
    if (rc >= 0)
        rc = qn_jw_write(&w, path.s);
    qn_buf_drop(&text);
    qn_buf_drop(&path);
    return rc;
}

/* ---- text -------------------------------------------------------------------------------------------------------- */

static int put_line(qn_cli *c, const qn_world_report *r, const char *what, const char *form, double a, double b) {
    char left[32], right[32] = "";
    snprintf(left, sizeof left, form, a);
    if (r->compare)
        snprintf(right, sizeof right, form, b);
    return qn_out_printf(c, r->compare ? "%-44s %12s %12s\n" : "%-44s %12s%s\n", what, left, right);
}

static int put_measures(qn_cli *c, const qn_world_report *r) {
    const qn_text_measure *t = &r->text, *o = &r->other;
    QN_TRY(qn_out_printf(c, "%-44s %12s%s\n", "the text", "world", r->compare ? "     compared" : ""));
    QN_TRY(put_line(c, r, "different words", "%.0f", (double)t->types, (double)o->types));
    QN_TRY(put_line(c, r, "sentences that stood there before, in 1,000", "%.2f", t->repeated, o->repeated));
    QN_TRY(put_line(c, r, "of these, among the last thousand", "%.2f", t->repeated_near, o->repeated_near));
    QN_TRY(put_line(c, r, "three words in a row that are new, of 1 MB", "%.3f", t->new_3, o->new_3));
    QN_TRY(put_line(c, r, "five words in a row that are new, of 1 MB", "%.3f", t->new_5, o->new_5));
    return put_line(c, r, "bytes over bytes packed, of 1 MB", "%.2f", t->packed, o->packed);
}

int qn_world_report_text(qn_cli *c, const qn_world_report *r) {
    const double all = (double)text_bytes(r) / 100;
    const int64_t *n = r->corpus.class_bytes;
    int64_t rows = 0;
    for (int i = 0; i < r->sets.n_files; i++)
        rows += r->sets.file[i].rows;
    QN_TRY(qn_out_printf(c, "%s: %lld people, %lld facts, told %lld times in %lld documents (%.1f MB)\n", r->out,
                         (long long)r->w->people, (long long)(r->w->people * r->w->relations),
                         (long long)r->corpus.mentions, (long long)r->corpus.documents, (double)r->corpus.bytes / 1e6));
    QN_TRY(qn_out_printf(c, "shares: facts %.0f %%, tales %.0f %%, sums %.0f %%, copies %.0f %%; "
                         "%lld rows in %d sets\n",
                         (double)n[0] / all, (double)n[1] / all, (double)n[2] / all, (double)n[3] / all,
                         (long long)rows, r->sets.n_files));
    if (r->sidecar)
        QN_TRY(qn_out_printf(c, "what the text cannot do without: %.3f bits a byte\n",
                             r->corpus.bits / (double)text_bytes(r)));
    QN_TRY(qn_out_puts(c, "\n"));
    return put_measures(c, r);
}

void qn_world_report_drop(qn_world_report *r) { qn_corpus_written_drop(&r->corpus); }
