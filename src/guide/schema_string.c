/* guide/schema_string.c — strings by their length, a pattern, or a format. Formats are patterns, and take less than
 * their standards allow: what comes out is valid, and not all that is valid comes out. */
#include "guide/pattern.h"
#include "guide/schema.h"

#define TIME "([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])"
#define YEAR "([0-9]{3}[1-9]|[0-9]{2}[1-9]0|[0-9][1-9]00|[1-9]000)"
#define LEAP_YEAR "([0-9]{2}(0[48]|[2468][048]|[13579][26])|(0[48]|[2468][048]|[13579][26])00)"
#define DATE "(" YEAR "-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)" \
    "|02-(0[1-9]|1[0-9]|2[0-8]))|" LEAP_YEAR "-02-29)"
#define HEX "[0-9a-fA-F]"
#define OCTET "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
#define LABEL "[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?"
#define HOST LABEL "(\\." LABEL "){0,4}"
#define SPAN "[0-9]{1,4}"

static const struct { const char *name, *pattern; } formats[] = {
    {"date", DATE},
    {"time", TIME},
    {"date-time", DATE "T" TIME},
    {"duration", "P(" SPAN "W|" SPAN "D(T" SPAN "H)?|T(" SPAN "H(" SPAN "M(" SPAN "S)?)?"
     "|" SPAN "M(" SPAN "S)?"
     "|" SPAN "S))"},
    {"uuid", HEX "{8}-(" HEX "{4}-){3}" HEX "{12}"},
    {"ipv4", OCTET "(\\." OCTET "){3}"},
    {"ipv6", "(" HEX "{1,4}:){7}" HEX "{1,4}"},
    {"hostname", HOST},
    {"email", "[A-Za-z0-9_+-]{1,24}(\\.[A-Za-z0-9_+-]{1,16}){0,2}@" LABEL "(\\." LABEL "){1,4}"},
    {"uri", "(https?|ftp)://" HOST "(:[1-9][0-9]{0,3})?(/[A-Za-z0-9._~-]*)*(\\?[A-Za-z0-9._~=&-]*)?"
     "(#[A-Za-z0-9._~-]*)?"},
};

static int read_format(qn_schema *s, const qn_schema_facts *f, qn_pattern *p) {
    const qn_str name = qn_json_tree_str(&s->j, f->format);
    for (size_t i = 0; i < QN_LEN(formats); i++)
        if (qn_str_is(name, formats[i].name))
            return qn_pattern_read(&s->t, qn_str_of(formats[i].pattern), QN_PATTERN_QUOTED, p);
    return qn_schema_fail(s, QN_EUNSUPPORTED, f->format, "the format \"%.*s\" is not understood; date, time, "
                          "date-time, duration, uuid, ipv4, ipv6, hostname, email and uri are", QN_STR_ARG(name));
}

static int read_pattern(qn_schema *s, const qn_schema_facts *f, qn_pattern *p) {
    const int rc = qn_pattern_read(&s->t, qn_json_tree_str(&s->j, f->pattern),
                                   QN_PATTERN_SEARCH | QN_PATTERN_QUOTED, p);
    if (rc == QN_ENOMEM || rc >= 0)
        return rc;
    char message[400];
    const qn_str why = qn_str_of(qn_error_message());
    const size_t n = QN_MIN(why.n, sizeof message - 1);
    for (size_t i = 0; i < n; i++)
        message[i] = why.s[i];
    message[n] = '\0';
    return qn_schema_fail(s, rc, f->pattern, "%s", message);
}

/* A pattern says what a text is; that it has the right length too must follow from it, or be impossible. */
static int check_length(qn_schema *s, const qn_schema_facts *f, qn_pattern *p) {
    const int64_t least = f->min_length, most = f->max_length;
    if ((most >= 0 && p->least > most) || (p->most >= 0 && p->most < least))
        p->expr = qn_tree_alt(&s->t, NULL, 0);
    else if (p->least < least || (most >= 0 && (p->most < 0 || p->most > most)))
        return qn_schema_fail(s, QN_EUNSUPPORTED, f->length_at, "a length beside a pattern or format that does not "
                              "imply it; say it in the pattern, as in ^[a-z]{2,8}$");
    return 0;
}

int qn_schema_string(qn_schema *s, const qn_schema_facts *f, int32_t *expr) {
    qn_rule_tree *t = &s->t;
    qn_pattern p = {0};
    if (f->max_length >= 0 && f->max_length < f->min_length) {
        *expr = qn_tree_alt(t, NULL, 0);
        return t->rc;
    }
    if (f->pattern >= 0 && f->format >= 0)
        return qn_schema_fail(s, QN_EUNSUPPORTED, f->format, "a format beside a pattern");
    if (f->pattern < 0 && f->format < 0 && f->min_length == 0 && f->max_length < 0) {
        *expr = qn_schema_plain_string(s);
        return t->rc;
    }
    if (f->pattern >= 0 || f->format >= 0) {
        QN_TRY(f->pattern >= 0 ? read_pattern(s, f, &p) : read_format(s, f, &p));
        QN_TRY(check_length(s, f, &p));
    } else {
        p.expr = qn_tree_repeat(t, qn_schema_char(s), f->min_length, f->max_length);
    }
    const int32_t quote = qn_schema_literal(s, QN_STR("\""));
    const int32_t part[] = {quote, p.expr, quote};
    *expr = qn_tree_seq(t, part, 3);
    return t->rc;
}
