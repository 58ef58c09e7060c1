/* cli/option_values.c — one value of an option: read, checked against its table entry, set. Whoever brings it, the
 * rules and the messages are the same. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cli/options.h"

size_t qn_opt_count(const qn_opt *opts) {
    size_t n = 0;
    while (opts && opts[n].kind != QN_KIND_NONE)
        n++;
    return n;
}

/* Bounds as a user would write them: whole numbers in full, counts with their unit. */
const char *qn_opt_bound(const qn_opt *o, double v, char out[32]) {
    static const char units[] = "TGMk";
    static const double scales[] = {1e12, 1e9, 1e6, 1e3};
    size_t i = 0;
    while (i < QN_LEN(scales) && (v == 0 || fmod(v, scales[i]) != 0))
        i++;
    if (o->kind == QN_KIND_COUNT && i < QN_LEN(scales))
        snprintf(out, 32, "%.0f%c", v / scales[i], units[i]);
    else if (o->kind == QN_KIND_COUNT || o->kind == QN_KIND_INT)
        snprintf(out, 32, "%.0f", v);
    else
        snprintf(out, 32, "%.10g", v);
    return out;
}

static int out_of_range(const qn_opt *o, const char *text) {
    const char *unit = o->kind == QN_KIND_DURATION ? " seconds" : "";
    char lo[32], hi[32];
    qn_opt_bound(o, o->lo, lo);
    if (o->hi == QN_NO_LIMIT)
        return qn_fail(QN_EUSAGE, "--%s %s: must be at least %s%s", o->name, text, lo, unit);
    return qn_fail(QN_EUSAGE, "--%s %s: must be from %s to %s%s", o->name, text, lo, qn_opt_bound(o, o->hi, hi), unit);
}

/* ---- numbers with a unit ----------------------------------------------------------------------------------------- */

/* "900", "64k", "0.9M", "1.3B", "1e9": whole once it is multiplied. Thousands, as parameters and tokens are counted. */
static bool parse_count(const char *text, int64_t *out) {
    static const char units[] = "kKMGBT";
    static const double scales[] = {1e3, 1e3, 1e6, 1e9, 1e9, 1e12};
    qn_str s = qn_str_of(text);
    double number;
    const char *unit = s.n ? strchr(units, s.s[s.n - 1]) : NULL;
    if (!unit && qn_parse_i64(s, out))
        return true;
    s.n -= unit != NULL;
    if (!qn_parse_f64(s, &number))
        return false;
    const double scaled = unit ? number * scales[unit - units] : number;
    if (fabs(scaled) > 9e15)
        return false;
    *out = (int64_t)(scaled < 0 ? scaled - 0.5 : scaled + 0.5);
    return fabs(scaled - (double)*out) <= 1e-12 * fabs(scaled);     /* 0.7 is no binary fraction */
}

/* "90s", "3m", "1h30m", "1.5h", "2d": each unit once, the larger first; a number alone is seconds. */
static bool parse_duration(const char *text, double *out) {
    static const char units[] = "dhms";
    static const double seconds[] = {86400, 3600, 60, 1};
    if (qn_parse_f64(qn_str_of(text), out))
        return *out >= 0;
    const char *allowed = units;
    *out = 0;
    for (const char *at = text; *at;) {
        const size_t n = strspn(at, "0123456789.");
        const char *unit = n && at[n] ? strchr(allowed, at[n]) : NULL;
        double number;
        if (!unit || !qn_parse_f64((qn_str){at, n}, &number))
            return false;
        *out += number * seconds[unit - units];
        allowed = unit + 1;
        at += n + 1;
    }
    return text[0] != '\0';
}

/* ---- one value --------------------------------------------------------------------------------------------------- */

int qn_opt_choice(const char *choices, const char *text) {
    size_t n = strlen(text);
    int index = 0;
    for (const char *at = choices;; index++) {
        size_t length = strcspn(at, "|");
        if (length == n && memcmp(at, text, n) == 0)
            return index;
        if (!at[length])
            return -1;
        at += length + 1;
    }
}

int qn_opt_set(const qn_opt *o, qn_cli_value *v, const char *text) {
    switch (o->kind) {
    case QN_KIND_FLAG: v->i = 1; break;
    case QN_KIND_INT:
        if (!qn_parse_i64(qn_str_of(text), &v->i))
            return qn_fail(QN_EUSAGE, "--%s %s: a whole number is needed", o->name, text);
        if ((double)v->i < o->lo || (double)v->i > o->hi)
            return out_of_range(o, text);
        break;
    case QN_KIND_COUNT:
        if (!parse_count(text, &v->i))
            return qn_fail(QN_EUSAGE, "--%s %s: a count is needed, such as 900, 64k, 0.9M or 1.3B", o->name, text);
        if ((double)v->i < o->lo || (double)v->i > o->hi)
            return out_of_range(o, text);
        break;
    case QN_KIND_DURATION:
        if (!parse_duration(text, &v->f))
            return qn_fail(QN_EUSAGE, "--%s %s: a time is needed, such as 90s, 3m, 1h30m or 2d", o->name, text);
        if (v->f < o->lo || v->f > o->hi)
            return out_of_range(o, text);
        break;
    case QN_KIND_FLOAT:
        if (!qn_parse_f64(qn_str_of(text), &v->f) || v->f != v->f)
            return qn_fail(QN_EUSAGE, "--%s %s: a number is needed", o->name, text);
        if (v->f < o->lo || v->f > o->hi)
            return out_of_range(o, text);
        break;
    case QN_KIND_ENUM:
        v->i = qn_opt_choice(o->value, text);
        if (v->i < 0)
            return qn_fail(QN_EUSAGE, "--%s %s: must be one of %s", o->name, text, o->value);
        v->s = text;
        break;
    case QN_KIND_LIST:
        QN_TRY(QN_GROW(QN_MEM_CLI, v->list, v->cap, v->n + 1));
        v->list[v->n++] = text;
        break;
    default: v->s = text; break;
    }
    return 0;
}

/* ---- from a file ------------------------------------------------------------------------------------------------- */

/* Values borrow their texts; a file's live in c->kept as long as the command. NULL where memory ran out. */
static const char *keep(qn_cli *c, const char *text) {
    if (QN_GROW(QN_MEM_CLI, c->kept, c->kept_cap, c->n_kept + 1) < 0)
        return NULL;
    char *copy = qn_str_dup(QN_MEM_CLI, qn_str_of(text));
    if (copy)
        c->kept[c->n_kept++] = copy;
    return copy;
}

static int set_flag(const qn_opt *o, qn_cli_value *v, const char *text) {
    v->i = strcmp(text, "true") == 0;
    return v->i || strcmp(text, "false") == 0 ? 0 : qn_fail(QN_EUSAGE, "--%s %s: must be true or false", o->name, text);
}

static int set_all(qn_cli *c, const qn_opt *o, qn_cli_value *v, const char *const *text, size_t n) {
    for (size_t i = 0; i < n; i++) {
        const char *copy = keep(c, text[i]);
        if (!copy)
            return QN_ENOMEM;
        QN_TRY(o->kind == QN_KIND_FLAG ? set_flag(o, v, copy) : qn_opt_set(o, v, copy));
    }
    return 0;
}

int qn_opt_give(qn_cli *c, qn_opt_found f, const char *const *text, size_t n, bool given) {
    qn_cli_value fresh = {.given = given, .filed = f.value->filed};
    if (f.opt->kind != QN_KIND_LIST && n != 1)
        return qn_fail(QN_EUSAGE, "--%s: one value is needed, not a list", f.opt->name);
    const int rc = set_all(c, f.opt, &fresh, text, n);
    const bool taken = rc >= 0 && !f.value->given;
    qn_free(taken ? f.value->list : fresh.list);
    if (taken)
        *f.value = fresh;
    return rc;
}
