/* world/world_files.c — the names in a world's folder; facts.jsonl: each fact with what a model may have seen of it;
 * the head of world.json. */
#include "world/world_files.h"
#include "base/json_fields.h"

#include <string.h>

/* ---- names ---- */

static const char *const in_world[] = {
    "chat_template.jinja", "corpus", "eval", "facts.jsonl", "passages.jsonl", "preferences.jsonl", "prompts.jsonl",
    "sft.jsonl", "sidecar", "world.json", NULL};
static const char *const in_eval[] = {
    "abstention.jsonl", "abstention_edge.jsonl", "agreement.jsonl", "arithmetic.jsonl", "false_premise.jsonl",
    "instructions.jsonl", "instructions_chat.jsonl", "long_range.jsonl", "reading.jsonl", "recall_seen.jsonl",
    "recall_tail.jsonl", "recall_transfer.jsonl", "recall_unseen.jsonl", "refusal.jsonl", "two_hop.jsonl",
    "two_hop_steps.jsonl", NULL};

static bool is_among(const char *name, const char *const *names) {
    for (; *names; names++)
        if (strcmp(name, *names) == 0)
            return true;
    return false;
}

/* "part-0012.txt" */
static bool is_part(const char *name, const char *end) {
    if (strncmp(name, "part-", 5) != 0)
        return false;
    const size_t digits = strspn(name + 5, "0123456789");
    return digits >= 4 && strcmp(name + 5 + digits, end) == 0;
}

bool qn_world_has_file(const char *inside, const char *name) {
    if (!inside)
        return is_among(name, in_world);
    if (strcmp(inside, "eval") == 0)
        return is_among(name, in_eval);
    return is_part(name, strcmp(inside, "corpus") == 0 ? ".txt" : ".jsonl");
}

/* ---- facts ---- */

static void open_line(qn_jw *j, qn_buf *out, int64_t id, const char *kind) {
    qn_jw_init(j, out, 0);
    qn_jw_open(j, '{');
    qn_field_i64(j, "id", id);
    qn_field_text(j, "kind", qn_str_of(kind));
}

static int close_line(qn_jw *j, qn_buf *out) {
    qn_jw_close(j);
    QN_TRY(qn_jw_end(j));
    return qn_buf_putc(out, '\n');
}

static int put_fact(const qn_world *w, int64_t id, int32_t mentions, uint16_t forms, qn_buf *out) {
    const qn_person *p = &w->person[qn_fact_person(w, id)];
    const qn_relation r = qn_fact_relation(w, id);
    qn_jw j;
    open_line(&j, out, id, "person");
    qn_field_text(&j, "entity", p->name);
    qn_field_text(&j, "relation", qn_str_of(qn_relation_name(r)));
    qn_field_text(&j, "value", qn_world_value(w, r, p->value[r]));
    qn_field_text(&j, "band", qn_str_of(qn_band_name((qn_band)w->fact[id].band)));
    qn_field_i64(&j, "mentions", mentions);
    qn_jw_key(&j, "taught");
    qn_jw_bool(&j, p->taught);
    qn_jw_key(&j, "forms");
    qn_jw_open(&j, '[');
    for (int f = 0; f < 16; f++)
        if (forms >> f & 1)
            qn_jw_i64(&j, f);
    qn_jw_close(&j);
    return close_line(&j, out);
}

static int put_property(const qn_world *w, qn_relation r, int value, int32_t mentions, qn_buf *out) {
    qn_jw j;
    open_line(&j, out, qn_property_id(w, r, value), "value");
    qn_field_text(&j, "entity", qn_world_value(w, r, value));
    qn_field_text(&j, "relation", qn_str_of(qn_relation_property(r)));
    qn_field_text(&j, "value", qn_str_of(qn_world_property_word(r, qn_world_property(w, r, value))));
    qn_field_i64(&j, "mentions", mentions);
    return close_line(&j, out);
}

static int put_kin(const qn_world *w, int64_t person, int which, int32_t mentions, qn_buf *out) {
    const qn_person *p = &w->person[person];
    qn_jw j;
    open_line(&j, out, qn_kin_id(w, person, which), "kin");
    qn_field_text(&j, "entity", p->name);
    qn_field_text(&j, "relation", which ? QN_STR("teacher") : QN_STR("sibling"));
    qn_field_text(&j, "value", w->person[which ? p->teacher : p->sibling].name);
    qn_field_i64(&j, "mentions", mentions);
    return close_line(&j, out);
}

int qn_world_put_facts(const qn_world *w, const int32_t *mentions, const uint16_t *forms, qn_buf *out) {
    for (int64_t id = 0; id < w->people * w->relations; id++)
        QN_TRY(put_fact(w, id, mentions[id], forms[id], out));
    for (int r = 0; r < w->relations; r++)
        for (int v = 0; v < w->values && qn_world_properties(w, (qn_relation)r); v++)
            QN_TRY(put_property(w, (qn_relation)r, v, mentions[qn_property_id(w, (qn_relation)r, v)], out));
    for (int64_t i = 0; i < 2 * w->people; i++)
        QN_TRY(put_kin(w, i / 2, (int)(i % 2), mentions[qn_kin_id(w, i / 2, (int)(i % 2))], out));
    return 0;
}

void qn_world_put_head(const qn_world *w, qn_jw *j) {
    qn_field_text(j, "generator", QN_STR("quern world"));
    qn_field_text(j, "version", QN_STR(QN_WORLD_VERSION));
    qn_field_i64(j, "seed", (int64_t)w->seed);
    qn_field_text(j, "size", qn_str_of(qn_world_size_name(w->size)));
    qn_field_i64(j, "people", w->people);
    qn_field_i64(j, "relations", w->relations);
    qn_field_i64(j, "values", w->values);
    qn_field_i64(j, "facts", w->people * w->relations);
}
