/* world/names.c — names of people out of one inventory of syllables, for those who are known and those who are not.
 *
 *     given names   Marin  Belda  Taria …  |  Wigan  Ronna …          surnames   Harkin  Pemble … | Vixley …
 *                   parts: people with facts | new_parts: strangers
 *
 * Each part belongs to several people, and a person is a pair: (given, surname) = (g, g + offset), for a few offsets of
 * all that there are (the parts are numbered round a ring). Whoever has one of the other offsets is unknown. A wrong
 * guess from half a name is then as likely for known names as for unknown ones, both made of the same pieces. */
#include "world/lexicon.h"
#include "world/world_impl.h"

#define PARTS_OF(w) ((w)->parts + (w)->new_parts)

/* The inventory: two syllables first, then three. Given names of women are even, those of men odd. */
static int put_given(int32_t index, qn_buf *out) {
    const bool he = index & 1;
    const int32_t i = index / 2, middle = i / 240;
    QN_TRY(qn_buf_puts(out, qn_name_head[i % 24]));
    if (middle)
        QN_TRY(qn_buf_puts(out, qn_name_middle[middle - 1]));
    return qn_buf_puts(out, (he ? qn_name_he : qn_name_she)[i / 24 % 10]);
}

static int put_surname(int32_t index, qn_buf *out) {
    const int32_t middle = index / 384;
    QN_TRY(qn_buf_puts(out, qn_name_head[index % 24]));
    if (middle)
        QN_TRY(qn_buf_puts(out, qn_name_middle[middle - 1]));
    return qn_buf_puts(out, qn_name_surname[index / 24 % 16]);
}

int qn_name_put_given(const qn_world *w, qn_name n, qn_buf *out) { return put_given(w->given[n.given], out); }

int qn_name_put(const qn_world *w, qn_name n, qn_buf *out) {
    QN_TRY(put_given(w->given[n.given], out));
    QN_TRY(qn_buf_putc(out, ' '));
    return put_surname(w->surname[n.surname], out);
}

/* Women and men take turns, each out of an order of their own. */
static int draw_parts(qn_world *w) {
    const int64_t n = PARTS_OF(w);
    const int32_t kinds = w->size == QN_WORLD_LARGE ? 9 : 1;       /* without a middle syllable, with each of 8 */
    const int32_t couples = kinds * 240, names = kinds * 384;
    int32_t *she = qn_world_order(w, QN_DRAW_SHE, couples), *he = qn_world_order(w, QN_DRAW_HE, couples);
    int32_t *surname = qn_world_order(w, QN_DRAW_SURNAME, names);
    const int rc = she && he && surname ? 0 : QN_ENOMEM;
    for (int64_t i = 0; i < n && rc == 0; i++) {
        w->given[i] = i & 1 ? 2 * he[i / 2] + 1 : 2 * she[i / 2];
        w->surname[i] = surname[i];
    }
    qn_free(she);
    qn_free(he);
    qn_free(surname);
    return rc;
}

int qn_world_draw_names(qn_world *w) {
    const int64_t n = PARTS_OF(w);
    w->given = qn_zalloc(QN_MEM_BASE, (size_t)n, sizeof *w->given);
    w->surname = qn_zalloc(QN_MEM_BASE, (size_t)n, sizeof *w->surname);
    if (!w->given || !w->surname)
        return QN_ENOMEM;
    QN_TRY(draw_parts(w));
    int32_t *order = qn_world_order(w, QN_DRAW_PERSON, w->people);
    if (!order)
        return QN_ENOMEM;
    for (int64_t i = 0; i < w->people; i++) {
        qn_person *p = &w->person[i];
        const int64_t k = order[i], g = k % w->parts, offset = k / w->parts;
        p->given = (int32_t)g;
        p->surname = (int32_t)((g + offset) % w->parts);
        p->she = (g & 1) == 0;
    }
    qn_free(order);
    return 0;
}

/* ---- people nobody knows ----------------------------------------------------------------------------------------- */

/* All pairs of a kind, evaluation's and training's; offsets below `first` belong to people with facts. */
static int64_t pairs(const qn_world *w, qn_unknown kind, int64_t *parts, int64_t *first) {
    *parts = kind == QN_UNKNOWN_NEW ? w->new_parts : w->parts;
    *first = kind == QN_UNKNOWN_NEW ? 0 : (w->people + w->parts - 1) / w->parts;
    return *parts * (*parts - *first);
}

int64_t qn_world_unknowns(const qn_world *w, qn_unknown kind) {
    int64_t parts, first;
    return pairs(w, kind, &parts, &first) / 2;
}

static int64_t common_divisor(int64_t a, int64_t b) {
    while (b) {
        const int64_t r = a % b;
        a = b;
        b = r;
    }
    return a;
}

/* The first half of a walk through all pairs is training's; its stride has no divisor in common with their number. */
qn_name qn_world_unknown(const qn_world *w, qn_unknown kind, bool evaluation, int64_t index) {
    int64_t parts, first;
    const int64_t all = pairs(w, kind, &parts, &first);
    int64_t stride = all * 5 / 13 + 1;
    qn_assert(index >= 0 && index < all / 2);
    while (common_divisor(stride, all) != 1)
        stride++;
    const int64_t at = (index + (evaluation ? all / 2 : 0)) * stride % all, g = at % parts, offset = first + at / parts;
    const int64_t base = kind == QN_UNKNOWN_NEW ? w->parts : 0;
    return (qn_name){(int32_t)(base + g), (int32_t)(base + (g + offset) % parts), (g & 1) == 0};
}
