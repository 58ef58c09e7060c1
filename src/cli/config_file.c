/* cli/config_file.c — `--config FILE.yaml`: a command's options from a file.
 *
 *     # a flat map of option names; dashes or underscores, as you like
 *     data: books/
 *     learning-rate: 3e-4         as on the command line: --learning-rate 3e-4
 *     steps: 2k
 *     stop: [one, two]            an option that may be repeated
 *     json: true                  a flag: true or false
 *
 * The file may come from anybody. libyaml gives its events one by one and no tree is built; anchors, aliases and tags,
 * with which a few bytes become gigabytes or something else than they look like, are refused, as is whatever is nested
 * deeper than a list of values. Every message begins with FILE:LINE:COLUMN. */
#include <string.h>
#include <yaml.h>

#include "base/file.h"
#include "cli/options.h"

#define CONFIG_MAX ((size_t)256 << 10)

typedef struct {
    qn_cli *c;
    const char *path;
    yaml_parser_t parser;
    yaml_event_t event;             /* the current one */
    bool held;                      /* event is to be freed */
    qn_buf text;                    /* the values of the current option, a NUL behind each … */
    size_t *start;                  /* … where each begins … */
    const char **value;             /* … and as pointers */
    size_t n, cap, value_cap;
} reader;

/* ---- events ------------------------------------------------------------------------------------------------------ */

/* An error at the start of the current event. */
#define AT "%s:%zu:%zu: "
#define PLACE(r) (r)->path, (r)->event.start_mark.line + 1, (r)->event.start_mark.column + 1

static int syntax(const reader *r) {
    const yaml_parser_t *p = &r->parser;
    if (p->error == YAML_MEMORY_ERROR)
        return qn_fail(QN_ENOMEM, "%s: out of memory", r->path);
    if (p->error == YAML_READER_ERROR)
        return qn_fail(QN_EUTF8, "%s: byte %zu: %s", r->path, p->problem_offset, p->problem);
    return qn_fail(QN_EFORMAT, "%s:%zu:%zu: no YAML: %s", r->path, p->problem_mark.line + 1, p->problem_mark.column + 1,
                   p->problem ? p->problem : "");
}

/* What no option needs and what a stranger could do harm with. */
static int refuse_magic(const reader *r) {
    const yaml_event_t *e = &r->event;
    const yaml_char_t *anchor = NULL, *tag = NULL;
    switch (e->type) {
    case YAML_ALIAS_EVENT: anchor = e->data.alias.anchor; break;
    case YAML_SCALAR_EVENT: anchor = e->data.scalar.anchor; tag = e->data.scalar.tag; break;
    case YAML_SEQUENCE_START_EVENT:
        anchor = e->data.sequence_start.anchor;
        tag = e->data.sequence_start.tag;
        break;
    case YAML_MAPPING_START_EVENT:
        anchor = e->data.mapping_start.anchor;
        tag = e->data.mapping_start.tag;
        break;
    default: break;
    }
    if (anchor)
        return qn_fail(QN_EUSAGE, AT "anchors and aliases (&%s, *%s) are not taken; write the value out", PLACE(r),
                       (const char *)anchor, (const char *)anchor);
    return tag ? qn_fail(QN_EUSAGE, AT "tags (%s) are not taken; write the value alone", PLACE(r), (const char *)tag)
               : 0;
}

static int next(reader *r) {
    if (r->held)
        yaml_event_delete(&r->event);
    r->held = yaml_parser_parse(&r->parser, &r->event) != 0;
    return r->held ? refuse_magic(r) : syntax(r);
}

/* ---- values ------------------------------------------------------------------------------------------------------ */

static bool is_null(const yaml_event_t *e) {
    static const char *const words[] = {"", "~", "null", "Null", "NULL"};
    const char *text = (const char *)e->data.scalar.value;
    for (size_t i = 0; i < QN_LEN(words) && e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE; i++)
        if (strcmp(text, words[i]) == 0)
            return true;
    return false;
}

static int add_value(reader *r, const qn_opt *o) {
    const yaml_event_t *e = &r->event;
    const char *text = (const char *)e->data.scalar.value;
    if (e->type == YAML_MAPPING_START_EVENT || e->type == YAML_SEQUENCE_START_EVENT)
        return qn_fail(QN_EUSAGE, AT "--%s: nested values; options are flat, one `name: value` a line", PLACE(r),
                       o->name);
    if (is_null(e))
        return qn_fail(QN_EUSAGE, AT "--%s has no value; leave the line out to have the default", PLACE(r), o->name);
    if (memchr(text, '\0', e->data.scalar.length))
        return qn_fail(QN_EUSAGE, AT "--%s: a value with a zero byte", PLACE(r), o->name);
    QN_TRY(QN_GROW(QN_MEM_CLI, r->start, r->cap, r->n + 1));
    r->start[r->n++] = r->text.n;
    return qn_buf_put(&r->text, text, e->data.scalar.length + 1);       /* libyaml puts a NUL behind */
}

/* The values of one option into r->value. */
static int read_values(reader *r, const qn_opt *o) {
    qn_buf_clear(&r->text);
    r->n = 0;
    QN_TRY(next(r));
    if (r->event.type != YAML_SEQUENCE_START_EVENT) {
        QN_TRY(add_value(r, o));
    } else {
        if (o->kind != QN_KIND_LIST)
            return qn_fail(QN_EUSAGE, AT "--%s: one value is needed, not a list", PLACE(r), o->name);
        QN_TRY(next(r));
        while (r->event.type != YAML_SEQUENCE_END_EVENT) {
            QN_TRY(add_value(r, o));
            QN_TRY(next(r));
        }
    }
    QN_TRY(QN_GROW(QN_MEM_CLI, r->value, r->value_cap, r->n + 1));
    for (size_t i = 0; i < r->n; i++)
        r->value[i] = r->text.s + r->start[i];
    return 0;
}

/* ---- options ----------------------------------------------------------------------------------------------------- */

/* Those that are about the call, not about the work. */
static bool belongs_in_file(const qn_opt *o) {
    static const char *const not[] = {"config", "help", "version"};
    for (size_t i = 0; i < QN_LEN(not); i++)
        if (strcmp(o->name, not[i]) == 0)
            return false;
    return true;
}

/* The current event is a key. */
static int find_option(const reader *r, qn_opt_found *f) {
    const yaml_event_t *e = &r->event;
    char word[72] = "--", *name = word + 2;
    if (e->type != YAML_SCALAR_EVENT)
        return qn_fail(QN_EUSAGE, AT "the name of an option is needed here", PLACE(r));
    const size_t length = e->data.scalar.length, n = QN_MIN(length, sizeof word - 3);
    for (size_t i = 0; i < n; i++)
        name[i] = e->data.scalar.value[i] == '_' ? '-' : (char)e->data.scalar.value[i];
    *f = qn_opt_find(r->c, name, length);           /* one that is longer than `word` has no equal in a table */
    if (length != n || !f->opt)
        return qn_fail_in(qn_opt_unknown(r->c, word), "%s:%zu:%zu", PLACE(r));
    if (!belongs_in_file(f->opt))
        return qn_fail(QN_EUSAGE, AT "--%s belongs on the command line", PLACE(r), f->opt->name);
    if (f->value->filed)
        return qn_fail(QN_EUSAGE, AT "--%s stands here for the second time", PLACE(r), f->opt->name);
    f->value->filed = true;
    return 0;
}

static int read_option(reader *r) {
    qn_opt_found f;
    QN_TRY(find_option(r, &f));
    const size_t line = r->event.start_mark.line + 1, column = r->event.start_mark.column + 1;
    QN_TRY(read_values(r, f.opt));
    const int rc = qn_opt_give(r->c, f, r->value, r->n, true);
    return rc < 0 ? qn_fail_in(rc, "%s:%zu:%zu", r->path, line, column) : 0;
}

static int read_map(reader *r) {
    if (r->event.type == YAML_SCALAR_EVENT && is_null(&r->event))
        return 0;                                   /* a document without a word */
    if (r->event.type != YAML_MAPPING_START_EVENT)
        return qn_fail(QN_EUSAGE, AT "options are needed, one `name: value` a line", PLACE(r));
    QN_TRY(next(r));
    while (r->event.type != YAML_MAPPING_END_EVENT) {
        QN_TRY(read_option(r));
        QN_TRY(next(r));
    }
    return 0;
}

/* stream start, one document or none, stream end */
static int read_stream(reader *r) {
    QN_TRY(next(r));
    QN_TRY(next(r));
    if (r->event.type == YAML_STREAM_END_EVENT)
        return 0;
    QN_TRY(next(r));
    QN_TRY(read_map(r));
    QN_TRY(next(r));                                /* the document's end */
    QN_TRY(next(r));
    return r->event.type == YAML_STREAM_END_EVENT ? 0 : qn_fail(QN_EUSAGE, AT "a second document", PLACE(r));
}

static int read_text(qn_cli *c, const char *path, qn_str text) {
    reader r = {.c = c, .path = path};
    if (!yaml_parser_initialize(&r.parser))
        return qn_fail(QN_ENOMEM, "%s: out of memory", path);
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)text.s, text.n);
    const int rc = read_stream(&r);
    if (r.held)
        yaml_event_delete(&r.event);
    yaml_parser_delete(&r.parser);
    qn_buf_drop(&r.text);
    qn_free(r.start);
    qn_free(r.value);
    return rc;
}

int qn_cli_config(qn_cli *c) {
    const qn_opt_found f = c->cmd ? qn_opt_find(c, "config", 6) : (qn_opt_found){0};
    qn_buf text = {0};
    if (!f.opt || !f.value->s)
        return 0;
    int rc = qn_read_file(&text, f.value->s, CONFIG_MAX);
    if (rc >= 0)
        rc = read_text(c, strcmp(f.value->s, "-") ? f.value->s : "standard input",
                       text.n ? qn_buf_view(&text) : QN_STR(""));
    qn_buf_drop(&text);
    return rc;
}
