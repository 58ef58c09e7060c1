/* guide/schema_string.c — strings by their length, a pattern, a format, or several of these at once (regular.h).
 * Formats are patterns, and take less than their standards allow: what comes out is valid, and not all that is valid
 * comes out. A format that has no row here is a remark, as the standard has it: any string will do. */
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
#define NAMED_HOST LABEL "(\\." LABEL "){0,3}\\.[a-z]{2,24}"
#define SPAN "[0-9]{1,4}"
#define URI "(https?|ftp)://" NAMED_HOST "(:[1-9][0-9]{0,3})?(/[A-Za-z0-9._~-]{0,64}){0,16}" \
    "(\\?[A-Za-z0-9._~=&-]{0,256})?(#[A-Za-z0-9._~-]{0,64})?"
#define EMAIL "[A-Za-z0-9_+-]{1,24}(\\.[A-Za-z0-9_+-]{1,16}){0,2}@" NAMED_HOST
#define IPV4 OCTET "(\\." OCTET "){3}"
#define IPV6 "(" HEX "{1,4}:){7}" HEX "{1,4}"
#define UUID(version) HEX "{8}-" HEX "{4}-" version HEX "{3}-[89abAB]" HEX "{3}-" HEX "{12}"
#define BASE64(two) "([A-Za-z0-9" two "]{4})*([A-Za-z0-9" two "]{2}==|[A-Za-z0-9" two "]{3}=)?"
#define POINTER "(/[A-Za-z0-9_.-]{0,24}){0,8}"

/* Without counts, for a length that is walked beside them: else each of their places would stand there for each
 * length. */
#define LOOSE_HOST "[a-z0-9]+(\\.[a-z0-9]+)*\\.[a-z]{2,8}"
#define LOOSE_URI "https?://" LOOSE_HOST "(/[A-Za-z0-9._~-]*)*"
#define LOOSE_EMAIL "[A-Za-z0-9_+-]+(\\.[A-Za-z0-9_+-]+)*@" LOOSE_HOST

static const struct { const char *name, *pattern, *loose; } formats[] = {
    {"date", DATE, NULL},
    {"time", TIME, NULL},
    {"date-time", DATE "T" TIME, NULL},
    {"duration", "P(" SPAN "W|" SPAN "D(T" SPAN "H)?|T(" SPAN "H(" SPAN "M(" SPAN "S)?)?"
     "|" SPAN "M(" SPAN "S)?"
     "|" SPAN "S))", NULL},
    {"uuid", UUID("[1-8]"), NULL}, {"guid", UUID("[1-8]"), NULL},
    {"ipv4", IPV4, NULL}, {"ipv6", IPV6, NULL},
    {"hostname", HOST, LOOSE_HOST}, {"idn-hostname", HOST, LOOSE_HOST},
    {"email", EMAIL, LOOSE_EMAIL}, {"idn-email", EMAIL, LOOSE_EMAIL},
    {"uri", URI, LOOSE_URI}, {"url", URI, LOOSE_URI}, {"iri", URI, LOOSE_URI}, {"uri-reference", URI, LOOSE_URI},
    {"iri-reference", URI, LOOSE_URI}, {"uri-template", URI, LOOSE_URI},
    {"json-pointer", POINTER, NULL}, {"relative-json-pointer", "[0-9]" POINTER, NULL},
    {"regex", "[A-Za-z0-9 _-]*", NULL},
    {"byte", BASE64("+/"), NULL}, {"base64", BASE64("+/"), NULL}, {"base64url", BASE64("_-"), NULL},
    /* what pydantic calls these; of networks those of one host, whose address needs no zeros */
    {"uuid1", UUID("1"), NULL}, {"uuid3", UUID("3"), NULL}, {"uuid4", UUID("4"), NULL}, {"uuid5", UUID("5"), NULL},
    {"uuid7", UUID("7"), NULL}, {"ipvanyaddress", IPV4, NULL}, {"ipv4network", IPV4 "/32", NULL},
    {"ipvanynetwork", IPV4 "/32", NULL}, {"ipv4interface", IPV4 "/32", NULL}, {"ipvanyinterface", IPV4 "/32", NULL},
    {"ipv6network", IPV6 "/128", NULL}, {"ipv6interface", IPV6 "/128", NULL},
};

/* NULL: of no format that says which strings are valid. */
static const char *format_of(const qn_schema *s, const qn_schema_facts *f, bool loose) {
    for (size_t i = 0; f->format >= 0 && i < QN_LEN(formats); i++)
        if (qn_str_is(qn_json_tree_str(&s->j, f->format), formats[i].name))
            return loose && formats[i].loose ? formats[i].loose : formats[i].pattern;
    return NULL;
}

/* A failure of the pattern as one of its place in the schema. */
static int place_failure(qn_schema *s, int32_t node, int rc) {
    if (rc == QN_ENOMEM || rc >= 0)
        return rc;
    char message[400];
    const qn_str why = qn_str_of(qn_error_message());
    const size_t n = QN_MIN(why.n, sizeof message - 1);
    for (size_t i = 0; i < n; i++)
        message[i] = why.s[i];
    message[n] = '\0';
    return qn_schema_fail(s, rc, node, "%s", message);
}

static int read_pattern(qn_schema *s, qn_rule_tree *t, const qn_schema_facts *f, unsigned how, qn_pattern *p) {
    return place_failure(s, f->pattern,
                         qn_pattern_read(t, qn_json_tree_str(&s->j, f->pattern), QN_PATTERN_SEARCH | how, p));
}

/* What a string is by its pattern, or its format where it has none. */
static int read_one(qn_schema *s, qn_rule_tree *t, const qn_schema_facts *f, unsigned how, qn_pattern *p) {
    return f->pattern >= 0 ? read_pattern(s, t, f, how, p)
                           : qn_pattern_read(t, qn_str_of(format_of(s, f, false)), how, p);
}

/* Pattern, format and length together, and what the pattern looks ahead to. */
static int all_of_it(qn_schema *s, const qn_schema_facts *f, qn_rule_tree *plain, bool length, int32_t *expr) {
    const char *format = format_of(s, f, length);
    qn_regular all[QN_PATTERN_LOOKS + 3];
    size_t n = 0;
    qn_pattern p;
    if (f->pattern >= 0) {
        QN_TRY(read_pattern(s, plain, f, 0, &p));
        all[n++] = (qn_regular){p.expr, false};
        for (size_t i = 0; i < p.looks; i++)
            all[n++] = p.look[i];
    }
    if (format) {
        QN_TRY(qn_pattern_read(plain, qn_str_of(format), 0, &p));
        all[n++] = (qn_regular){p.expr, false};
    }
    if (length) {
        const int32_t any = qn_tree_class(plain, NULL, 0, true);
        all[n++] = (qn_regular){qn_tree_repeat(plain, any, f->min_length, f->max_length), false};
    }
    QN_TRY(plain->rc);
    return place_failure(s, f->pattern >= 0 ? f->pattern : f->format, qn_regular_all(&s->t, plain, all, n, expr));
}

/* A pattern or format by itself becomes an expression as it stands; what else holds has to be walked beside it, unless
 * it follows from the pattern anyway, as a length often does. */
static int patterned(qn_schema *s, const qn_schema_facts *f, int32_t *expr) {
    const int64_t least = f->min_length, most = f->max_length;
    qn_rule_tree plain;
    qn_pattern p;
    int rc;
    QN_TRY_OUT(qn_tree_init(&plain));
    QN_TRY_OUT(read_one(s, &plain, f, 0, &p));
    const bool length = p.least < least || (most >= 0 && (p.most < 0 || p.most > most));
    if (length || p.looks > 0 || (f->pattern >= 0 && format_of(s, f, false))) {
        rc = all_of_it(s, f, &plain, length, expr);
    } else {
        rc = read_one(s, &s->t, f, QN_PATTERN_QUOTED, &p);
        *expr = p.expr;
    }
out:
    qn_tree_drop(&plain);
    return rc;
}

int qn_schema_string(qn_schema *s, const qn_schema_facts *f, int32_t *expr) {
    qn_rule_tree *t = &s->t;
    const bool any = f->pattern < 0 && !format_of(s, f, false);
    int32_t inside = 0;
    if (f->max_length >= 0 && f->max_length < f->min_length) {
        *expr = qn_tree_alt(t, NULL, 0);
        return t->rc;
    }
    if (any && f->min_length == 0 && f->max_length < 0) {
        *expr = qn_schema_plain_string(s);
        return t->rc;
    }
    if (any)
        inside = qn_tree_repeat(t, qn_schema_char(s), f->min_length, f->max_length);
    else
        QN_TRY(patterned(s, f, &inside));
    const int32_t quote = qn_schema_literal(s, QN_STR("\""));
    const int32_t part[] = {quote, inside, quote};
    *expr = qn_tree_seq(t, part, 3);
    return t->rc;
}
