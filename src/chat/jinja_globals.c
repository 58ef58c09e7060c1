/* chat/jinja_globals.c — what templates call by name: range, dict, namespace, cycler, joiner, and what model templates
 * expect besides: raise_exception and strftime_now. */
#include "chat/jinja_run.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static int g_range(qn_jrun *r, qn_jv self, const qn_jargs *a, qn_jv *out) {
    int64_t v[3] = {0, 0, 1};
    (void)self;
    for (size_t i = 0; i < 3 && qn_jarg_given(a, i); i++)
        QN_TRY(qn_jarg_int(r, a, i, 0, &v[i]));
    if (!qn_jarg_given(a, 1)) {
        v[1] = v[0];
        v[0] = 0;
    }
    return qn_jrange(r, v[0], v[1], v[2], out);
}

/* dict(pairs or dict, name=value …) */
static int make_dict(qn_jrun *r, const qn_jargs *a, qn_jv *out) {
    qn_jlist *pairs = NULL, *pair;
    qn_jv from = a->n ? a->v[0] : (qn_jv){.kind = QN_JMISSING};
    if (a->n > 1)
        return qn_jrun_fail(r, "expected one dict and named values");
    QN_TRY(qn_jv_dict(&r->arena, 0, out));
    for (size_t i = 0; from.kind == QN_JDICT && i < from.u.dict->n; i++)
        QN_TRY(qn_jdict_put(&r->arena, out->u.dict, from.u.dict->e[i].key, from.u.dict->e[i].value));
    if (a->n && from.kind != QN_JDICT)
        QN_TRY(qn_jitems(r, from, &pairs));
    for (size_t i = 0; pairs && i < pairs->n; i++) {
        QN_TRY(qn_jitems(r, pairs->v[i], &pair));
        if (pair->n != 2 || !qn_jv_hashable(pair->v[0]))
            return qn_jrun_fail(r, "dict: expected pairs of a key and a value");
        QN_TRY(qn_jdict_put(&r->arena, out->u.dict, pair->v[0], pair->v[1]));
    }
    for (size_t k = 0; k < a->kws; k++) {
        qn_jv key;
        QN_TRY(qn_jv_str(&r->arena, *a->kw[k].name, &key));
        QN_TRY(qn_jdict_put(&r->arena, out->u.dict, key, a->kw[k].v));
    }
    return 0;
}

static int g_dict(qn_jrun *r, qn_jv self, const qn_jargs *a, qn_jv *out) {
    (void)self;
    return make_dict(r, a, out);
}

static int g_namespace(qn_jrun *r, qn_jv self, const qn_jargs *a, qn_jv *out) {
    (void)self;
    QN_TRY(make_dict(r, a, out));
    for (size_t i = 0; i < out->u.dict->n; i++) {
        qn_jv key = out->u.dict->e[i].key;
        if (key.kind == QN_JSTR && key.u.s->n && key.u.s->s[0] == '_')
            return qn_jrun_fail(r, "attributes of a namespace must not begin with '_'");
    }
    out->kind = QN_JNAMESPACE;
    return 0;
}

static int g_cycler(qn_jrun *r, qn_jv self, const qn_jargs *a, qn_jv *out) {
    qn_jcycle *c;
    qn_jv items;
    (void)self;
    if (a->n == 0 || a->kws)
        return qn_jrun_fail(r, "cycler needs something to cycle through");
    QN_TRY(qn_jv_list(&r->arena, QN_JLIST, a->n, &items));
    for (size_t i = 0; i < a->n; i++)
        QN_TRY(qn_jlist_add(&r->arena, items.u.list, a->v[i]));
    QN_TRY(QN_JNEW(&r->arena, c, 1));
    *c = (qn_jcycle){.items = items.u.list};
    *out = (qn_jv){.kind = QN_JCYCLER, .u.cycle = c};
    return 0;
}

static int g_joiner(qn_jrun *r, qn_jv self, const qn_jargs *a, qn_jv *out) {
    qn_jcycle *c;
    (void)self;
    QN_TRY(QN_JNEW(&r->arena, c, 1));
    *c = (qn_jcycle){0};
    if (qn_jarg_given(a, 0))
        c->sep = a->v[0];
    else
        QN_TRY(qn_jv_str(&r->arena, QN_JLIT(", "), &c->sep));
    *out = (qn_jv){.kind = QN_JJOINER, .u.cycle = c};
    return 0;
}

static int g_raise(qn_jrun *r, qn_jv self, const qn_jargs *a, qn_jv *out) {
    qn_jstr s;
    (void)self;
    (void)out;
    QN_TRY(qn_jtext(r, a->v[0], &s));
    return qn_jrun_fail(r, "the template refuses this conversation: %.*s", (int)QN_MIN(s.n, (size_t)400), s.s);
}

/* ---- strftime_now -------------------------------------------------------------------------------------------- */

static int parse_date(const char *date, struct tm *tm) {
    int y, m, d, used = 0;
    memset(tm, 0, sizeof *tm);
    const bool whole = sscanf(date, "%4d-%2d-%2d%n", &y, &m, &d, &used) == 3 && used == 10 && !date[used];
    if (!whole || y < 1 || m < 1 || m > 12 || d < 1 || d > 31)
        return qn_fail(QN_EINVAL, "the date '%s' is not of the form YYYY-MM-DD", date);
    tm->tm_year = y - 1900;
    tm->tm_mon = m - 1;
    tm->tm_mday = d;
    struct tm back = *tm;
    timegm(&back);                              /* the day of the week and of the year; 31 April moves */
    if (back.tm_mday != d)
        return qn_fail(QN_EINVAL, "the date '%s' does not exist", date);
    *tm = back;
    return 0;
}

int qn_jdate_check(const char *date) {
    struct tm tm;
    return parse_date(date, &tm);
}

static int now(qn_jrun *r, struct tm *tm) {
    if (r->date)
        return parse_date(r->date, tm);
    time_t t = (time_t)qn_wall();
    return localtime_r(&t, tm) ? 0 : qn_jrun_fail(r, "the clock cannot be read");
}

/* One directive, in English whatever the locale; the width is 0 after '%-'. Returns false for an unknown one. */
static bool put_time(char out[40], char c, bool bare, const struct tm *t) {
    static const char *const months[] = {"January", "February", "March", "April", "May", "June", "July", "August",
                                         "September", "October", "November", "December"};
    static const char *const days[] = {"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"};
    int y = t->tm_year + 1900, mon = t->tm_mon + 1, h12 = t->tm_hour % 12 ? t->tm_hour % 12 : 12;
    const char *two = bare ? "%d" : "%02d";
    switch (c) {
    case 'Y': sprintf(out, "%d", y); break;
    case 'y': sprintf(out, two, y % 100); break;
    case 'm': sprintf(out, two, mon); break;
    case 'd': sprintf(out, two, t->tm_mday); break;
    case 'e': sprintf(out, bare ? "%d" : "%2d", t->tm_mday); break;
    case 'H': sprintf(out, two, t->tm_hour); break;
    case 'I': sprintf(out, two, h12); break;
    case 'M': sprintf(out, two, t->tm_min); break;
    case 'S': sprintf(out, two, t->tm_sec); break;
    case 'j': sprintf(out, bare ? "%d" : "%03d", t->tm_yday + 1); break;
    case 'f': strcpy(out, "000000"); break;
    case 'p': strcpy(out, t->tm_hour < 12 ? "AM" : "PM"); break;
    case 'B': strcpy(out, months[t->tm_mon]); break;
    case 'b': case 'h': sprintf(out, "%.3s", months[t->tm_mon]); break;
    case 'A': strcpy(out, days[t->tm_wday]); break;
    case 'a': sprintf(out, "%.3s", days[t->tm_wday]); break;
    case 'w': sprintf(out, "%d", t->tm_wday); break;
    case 'u': sprintf(out, "%d", t->tm_wday ? t->tm_wday : 7); break;
    case 'F': sprintf(out, "%d-%02d-%02d", y, mon, t->tm_mday); break;
    case 'D': case 'x': sprintf(out, "%02d/%02d/%02d", mon, t->tm_mday, y % 100); break;
    case 'T': case 'X': sprintf(out, "%02d:%02d:%02d", t->tm_hour, t->tm_min, t->tm_sec); break;
    case 'R': sprintf(out, "%02d:%02d", t->tm_hour, t->tm_min); break;
    case 'c':
        sprintf(out, "%.3s %.3s %2d %02d:%02d:%02d %d", days[t->tm_wday], months[t->tm_mon], t->tm_mday, t->tm_hour,
                t->tm_min, t->tm_sec, y);
        break;
    case 'n': strcpy(out, "\n"); break;
    case 't': strcpy(out, "\t"); break;
    case 'z': case 'Z': *out = '\0'; break;
    case '%': strcpy(out, "%"); break;
    default: return false;
    }
    return true;
}

static int g_strftime_now(qn_jrun *r, qn_jv self, const qn_jargs *a, qn_jv *out) {
    qn_jstr f;
    struct tm tm;
    qn_jsb b;
    char text[40];
    (void)self;
    QN_TRY(qn_jarg_str(r, a, 0, &f));
    QN_TRY(now(r, &tm));
    qn_jsb_init(&b, &r->arena);
    for (size_t i = 0; i < f.n; i++) {
        bool bare = i + 2 < f.n && f.s[i] == '%' && f.s[i + 1] == '-';
        if (f.s[i] != '%' || i + 1 + bare >= f.n) {
            QN_TRY(qn_jsb_put(&b, f.s + i, 1, qn_jstr_mark(&f, i)));
            continue;
        }
        bool mark = qn_jstr_mark(&f, i);
        i += 1 + bare;
        if (!put_time(text, f.s[i], bare, &tm))
            return qn_jrun_fail(r, "strftime_now: the directive '%%%c' is not supported", f.s[i]);
        QN_TRY(qn_jsb_puts(&b, text, mark));
    }
    return qn_jtext_value(r, &b, out);
}

static const qn_jbuiltin globals[] = {
    {"range", g_range, ".start .stop .step", 1},
    {"dict", g_dict, NULL, 0},
    {"namespace", g_namespace, NULL, 0},
    {"cycler", g_cycler, NULL, 0},
    {"joiner", g_joiner, "sep", 0},
    {"raise_exception", g_raise, "message", 1},
    {"strftime_now", g_strftime_now, "format", 1},
};

const qn_jbuiltin *qn_jglobal_at(size_t i) {
    return i < QN_LEN(globals) ? &globals[i] : NULL;
}
