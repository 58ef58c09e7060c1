/* world/set_write.c — rows of JSON into files, and the memory of contexts that keeps the sides apart. */
#include "world/set_write.h"

#include "base/file.h"
#include "world/world_files.h"

#include <string.h>

/* ---- draws ---- */

qn_draw qn_draw_new(uint64_t seed, const char *which) {
    /* Apart from the streams of the corpus, which stay below. */
    const uint64_t step = qn_hash_bytes(which, strlen(which), 0x5e75) & 0xffffff;
    return (qn_draw){seed, step | (uint64_t)1 << 55, 0};
}

int64_t qn_draw_below(qn_draw *d, int64_t n) {
    return (int64_t)(qn_rng_uniform(d->seed, QN_RNG_WORLD, d->step, d->index++) * (double)n);
}

void qn_draw_shuffle(qn_draw *d, int32_t *v, int64_t n) {
    for (int64_t i = n - 1; i > 0; i--) {
        int64_t k = qn_draw_below(d, i + 1);
        int32_t t = v[i];
        v[i] = v[k];
        v[k] = t;
    }
}

/* ---- files ---- */

void qn_sets_keep(qn_sets *s, int rc) {
    if (s->rc == 0 && rc < 0)
        s->rc = rc;
}

void qn_sets_drop(qn_sets *s) {
    qn_buf_drop(&s->out);
    qn_buf_drop(&s->a);
    qn_buf_drop(&s->b);
    qn_buf_drop(&s->c);
    qn_free(s->used);
}

void qn_set_begin(qn_sets *s, const char *name, bool training) {
    s->name = name;
    s->training = training;
    s->rows = 0;
    s->file++;
    s->draw = qn_draw_new(s->w->seed, name);
    qn_buf_clear(&s->out);
}

/* A set that is not in the list of a world's files would not be replaced with its world. */
static bool is_listed(const char *file) {
    const bool eval = qn_str_starts(qn_str_of(file), "eval/");
    return qn_world_has_file(eval ? "eval" : NULL, file + (eval ? 5 : 0));
}

int qn_set_end(qn_sets *s) {
    qn_buf path = {0}, file = {0};
    qn_sets_keep(s, qn_buf_printf(&file, "%s.jsonl", s->name));
    qn_assert(s->rc < 0 || is_listed(file.s));
    if (s->rc == 0)
        qn_sets_keep(s, qn_path_join(&path, s->dir, file.s));
    if (s->rc == 0)
        qn_sets_keep(s, qn_write_file(path.s, s->out.s, s->out.n));
    qn_buf_drop(&path);
    qn_buf_drop(&file);
    if (s->rc == 0) {
        qn_assert(s->report->n_files < QN_SETS_FILES);
        s->report->file[s->report->n_files].name = s->name;
        s->report->file[s->report->n_files++].rows = s->rows;
    }
    return s->rc;
}

/* ---- contexts ---- */

static qn_used *slot_of(qn_used *table, size_t cap, uint64_t hash) {
    size_t i = hash & (cap - 1);
    while (table[i].hash && table[i].hash != hash)
        i = (i + 1) & (cap - 1);
    return &table[i];
}

static int grow_used(qn_sets *s) {
    size_t cap = s->cap_used ? 2 * s->cap_used : 4096;
    qn_used *table = qn_zalloc(QN_MEM_SCRATCH, cap, sizeof *table);
    if (!table)
        return QN_ENOMEM;
    for (size_t i = 0; i < s->cap_used; i++)
        if (s->used[i].hash)
            *slot_of(table, cap, s->used[i].hash) = s->used[i];
    qn_free(s->used);
    s->used = table;
    s->cap_used = cap;
    return 0;
}

bool qn_set_fresh(qn_sets *s, qn_str context) {
    if (2 * s->n_used >= s->cap_used)
        qn_sets_keep(s, grow_used(s));
    if (s->rc < 0)
        return false;
    uint64_t hash = qn_hash_bytes(context.s, context.n, 1) | 1;
    qn_used *u = slot_of(s->used, s->cap_used, hash);
    if (u->hash && (u->file == s->file || u->training != s->training))
        return false;
    s->n_used += u->hash == 0;
    *u = (qn_used){hash, s->file, s->training};
    return true;
}

bool qn_set_ours(const qn_sets *s, qn_str context) {
    if (s->cap_used == 0)
        return true;
    const qn_used *u = slot_of(s->used, s->cap_used, qn_hash_bytes(context.s, context.n, 1) | 1);
    return u->hash == 0 || u->training == s->training;
}

/* ---- rows ---- */

qn_jw *qn_row_open(qn_sets *s) {
    qn_jw_init(&s->j, &s->out, 0);
    qn_jw_open(&s->j, '{');
    return &s->j;
}

void qn_row_close(qn_sets *s) {
    qn_jw_close(&s->j);
    qn_sets_keep(s, qn_jw_end(&s->j));
    qn_sets_keep(s, qn_buf_putc(&s->out, '\n'));
    s->rows++;
}

void qn_row_text(qn_sets *s, const char *key, qn_str value) {
    qn_jw_key(&s->j, key);
    qn_jw_str(&s->j, value);
}

void qn_row_list(qn_sets *s, const char *key, const char *const *v) {
    qn_jw_key(&s->j, key);
    qn_jw_open(&s->j, '[');
    for (; *v; v++)
        qn_jw_str(&s->j, qn_str_of(*v));
    qn_jw_close(&s->j);
}

void qn_row_tags(qn_sets *s, const char *const *pairs) {
    qn_jw_key(&s->j, "groups");
    qn_jw_open(&s->j, '{');
    for (; *pairs; pairs += 2)
        qn_row_text(s, pairs[0], qn_str_of(pairs[1]));
    qn_jw_close(&s->j);
}

static void put_message(qn_sets *s, const char *role, qn_str content) {
    qn_jw_open(&s->j, '{');
    qn_row_text(s, "role", qn_str_of(role));
    qn_row_text(s, "content", content);
    qn_jw_close(&s->j);
}

void qn_row_messages(qn_sets *s, qn_str user, qn_str answer) {
    qn_jw_key(&s->j, "messages");
    qn_jw_open(&s->j, '[');
    put_message(s, "user", user);
    if (answer.s)
        put_message(s, "assistant", answer);
    qn_jw_close(&s->j);
}

void qn_row_id(qn_sets *s) {
    const char *slash = strrchr(s->name, '/');
    char id[64];
    qn_buf b = {0};
    qn_sets_keep(s, qn_buf_printf(&b, "%s-%lld", slash ? slash + 1 : s->name, (long long)s->rows));
    if (s->rc == 0) {
        size_t n = QN_MIN(b.n, sizeof id);
        memcpy(id, b.s, n);
        qn_row_text(s, "id", (qn_str){id, n});
    }
    qn_buf_drop(&b);
}

void qn_row_rules(qn_sets *s, const qn_answer_rule *r, int n) {
    qn_jw_key(&s->j, "rules");
    qn_jw_open(&s->j, '[');
    for (int i = 0; i < n; i++) {
        qn_jw_open(&s->j, '{');
        qn_row_text(s, "rule", qn_str_of(r[i].rule));
        if (r[i].n >= 0) {
            qn_jw_key(&s->j, "n");
            qn_jw_i64(&s->j, r[i].n);
        }
        if (r[i].text[0])
            qn_row_text(s, "text", qn_str_of(r[i].text));
        qn_jw_close(&s->j);
    }
    qn_jw_close(&s->j);
}

/* ---- the head ---- */

/* As a text says them, with the blank before and the article: what stands in a choice. */
static void put_values(qn_sets *s, qn_relation r) {
    qn_jw_key(&s->j, qn_relation_name(r));
    qn_jw_open(&s->j, '[');
    for (int v = 0; v < s->w->values; v++) {
        qn_buf_clear(&s->a);
        qn_str word = qn_world_value(s->w, r, v);
        qn_sets_keep(s, qn_buf_printf(&s->a, " %s", qn_world_article(s->w, r, v)));
        qn_sets_keep(s, qn_buf_put(&s->a, word.s, word.n));
        qn_jw_str(&s->j, qn_buf_view(&s->a));
    }
    qn_jw_close(&s->j);
}

static void put_properties(qn_sets *s, qn_relation r) {
    qn_jw_key(&s->j, qn_relation_property(r));
    qn_jw_open(&s->j, '[');
    for (int p = 0; p < qn_world_properties(s->w, r); p++) {
        qn_buf_clear(&s->a);
        qn_sets_keep(s, qn_buf_printf(&s->a, " %s", qn_world_property_word(r, p)));
        qn_jw_str(&s->j, qn_buf_view(&s->a));
    }
    qn_jw_close(&s->j);
}

static void put_numbers(qn_sets *s, int most) {
    qn_jw_key(&s->j, "number");
    qn_jw_open(&s->j, '[');
    for (int n = 1; n <= most; n++) {
        qn_buf_clear(&s->a);
        qn_sets_keep(s, qn_buf_printf(&s->a, " %d", n));
        qn_jw_str(&s->j, qn_buf_view(&s->a));
    }
    qn_jw_close(&s->j);
}

void qn_set_head(qn_sets *s, const qn_head *h) {
    qn_row_open(s);
    qn_row_text(s, "task", qn_str_of(strrchr(s->name, '/') + 1));
    qn_row_text(s, "kind", qn_str_of(h->kind));
    qn_row_text(s, "description", qn_str_of(h->about));
    qn_row_text(s, "metric", QN_STR("acc"));
    qn_row_text(s, "protocol", QN_STR(QN_WORLD_VERSION));
    if (h->abstain)
        qn_row_list(s, "abstain", h->abstain);
    if (h->refuse)
        qn_row_list(s, "refuse", h->refuse);
    if (h->values || h->properties || h->numbers) {
        qn_jw_key(&s->j, "choice_sets");
        qn_jw_open(&s->j, '{');
        for (int r = 0; h->values && r < s->w->relations; r++)
            put_values(s, (qn_relation)r);
        for (int r = 0; h->properties && r < s->w->relations; r++)
            if (qn_world_properties(s->w, (qn_relation)r))
                put_properties(s, (qn_relation)r);
        if (h->numbers)
            put_numbers(s, h->numbers);
        qn_jw_close(&s->j);
    }
    qn_row_close(s);
    s->rows = 0;
}
