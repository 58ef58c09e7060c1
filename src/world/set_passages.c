/* world/set_passages.c — passages.jsonl: a few sentences about one person, to be found again by questions.
 *
 *     {"id": "p12", "text": "Marin Belling works as a baker. She …", "facts": [60, 61, …],
 *      "questions": [{"question": "Where does Marin Belling live?", "answer": "Aldford", "fact": 60}, …]}
 *
 * All facts of a person, in any order, in forms that training uses for everybody. Every passage answers its own
 * questions and no other: names are unique. */
#include "world/asks.h"
#include "world/forms.h"
#include "world/set_list.h"

enum { PASSAGES_MOST = 4000, QUESTIONS = 2 };

/* A form that may stand in running text; `pronoun`: one in which the name may be left out. */
static int draw_form(qn_draw *d, qn_relation r, bool pronoun) {
    for (;;) {
        const int f = (int)qn_draw_below(d, qn_world_forms(r)), place = qn_form_get(r, f)->place;
        if (qn_world_form_kind(r, f) == QN_FORM_SEEN && !qn_world_form_whole(r, f) &&
            (place == QN_REGISTER_ANY || (place == QN_REGISTER_NAME && !pronoun)))
            return f;
    }
}

static int put_text(qn_sets *s, const qn_person *p, const int32_t *relation) {
    for (int i = 0; i < s->w->relations; i++) {
        const qn_relation r = (qn_relation)relation[i];
        const bool pronoun = i > 0 && i != 3;               /* the name again in the middle */
        const qn_say say = {.relation = r, .form = draw_form(&s->draw, r, pronoun), .value = p->value[r],
                            .name = p->name, .she = p->she, .pronoun = pronoun};
        QN_TRY(qn_world_say(s->w, &say, &s->a, NULL));
        QN_TRY(qn_buf_puts(&s->a, i + 1 < s->w->relations ? ". " : "."));
    }
    return 0;
}

static void put_question(qn_sets *s, const qn_person *p, int64_t fact) {
    const qn_relation r = qn_fact_relation(s->w, fact);
    const qn_ask a = {p->name, p->she, r, p->value[r], 0};
    qn_buf_clear(&s->b);
    qn_sets_keep(s, qn_ask_put(&a, (int)qn_draw_below(&s->draw, QN_ASK_FORMS), &s->b));
    qn_jw_open(&s->j, '{');
    qn_row_text(s, "question", qn_buf_view(&s->b));
    qn_row_text(s, "answer", qn_world_value(s->w, r, a.value));
    qn_jw_key(&s->j, "fact");
    qn_jw_i64(&s->j, fact);
    qn_jw_close(&s->j);
}

static void passage_row(qn_sets *s, int64_t person, int32_t *relation) {
    const qn_person *p = &s->w->person[person];
    qn_buf_clear(&s->a);
    qn_buf_clear(&s->c);
    qn_draw_shuffle(&s->draw, relation, s->w->relations);
    qn_sets_keep(s, put_text(s, p, relation));
    qn_sets_keep(s, qn_buf_printf(&s->c, "p%lld", (long long)person));
    if (s->rc < 0)
        return;
    qn_row_open(s);
    qn_row_text(s, "id", qn_buf_view(&s->c));
    qn_row_text(s, "text", qn_buf_view(&s->a));
    qn_jw_key(&s->j, "facts");
    qn_jw_open(&s->j, '[');
    for (int i = 0; i < s->w->relations; i++)
        qn_jw_i64(&s->j, qn_fact_id(s->w, person, (qn_relation)relation[i]));
    qn_jw_close(&s->j);
    qn_jw_key(&s->j, "questions");
    qn_jw_open(&s->j, '[');
    for (int q = 0; q < QUESTIONS; q++)
        put_question(s, p, qn_fact_id(s->w, person, (qn_relation)relation[q]));
    qn_jw_close(&s->j);
    qn_row_close(s);
}

int qn_set_passages(qn_sets *s) {
    int32_t relation[QN_RELATIONS];
    for (int r = 0; r < QN_RELATIONS; r++)
        relation[r] = r;
    qn_set_begin(s, "passages", true);
    for (int64_t i = 0; i < QN_MIN(s->w->people, PASSAGES_MOST) && s->rc == 0; i++)
        passage_row(s, i, relation);
    return qn_set_end(s);
}
