/* cli/options.c — argv against a command's option table, and the values by name.
 *
 * Understood: --name VALUE, --name=VALUE, -f VALUE, -fVALUE, flags bundled as -qv, `--` before what is no option
 * although it begins with a dash. Options and arguments come in any order; an option given twice takes the last value
 * (a list takes all). */
#include <string.h>

#include "cli/options.h"

#define QN_ISA_CHOICES "scalar|avx2|avxvnni|avx512|avx512vnni|avx512bf16|amx"        /* in the order of qn_isa */

const qn_opt qn_global_opts[] = {
    QN_OPT_FLAG("h", "help", "show this help"),
    QN_OPT_INT("", "threads", NULL, 1, 1024, "work with N threads; without it, one per CPU"),
    QN_OPT_FLAG("", "pin", "keep each thread but the first on a CPU of its own"),
    QN_OPT_ENUM("", "isa", NULL, QN_ISA_CHOICES, "use no instructions beyond this level"),
    QN_OPT_FLAG("q", "quiet", "say nothing but warnings and errors"),
    QN_OPT_FLAG("v", "verbose", "say more; at the end time and peak memory"),
    QN_OPT_FLAG("", "version", "show the version"),
    QN_OPT_END
};

/* ---- looking up ------------------------------------------------------------------------------------------------ */

static qn_opt_found in_table(const qn_opt *opts, qn_cli_value *values, const char *name, size_t n, bool brief) {
    for (size_t i = 0, all = qn_opt_count(opts); i < all; i++) {
        const char *own = brief ? opts[i].brief : opts[i].name;
        if (strlen(own) == n && n > 0 && memcmp(own, name, n) == 0)
            return (qn_opt_found){&opts[i], &values[i]};
    }
    return (qn_opt_found){0};
}

static qn_opt_found look_up(const qn_cli *c, const char *name, size_t n, bool brief) {
    qn_opt_found f = {0};
    if (c->cmd)
        f = in_table(c->cmd->opts, c->value, name, n, brief);
    return f.opt ? f : in_table(qn_global_opts, c->global, name, n, brief);
}

qn_opt_found qn_opt_find(const qn_cli *c, const char *name, size_t n) { return look_up(c, name, n, false); }

/* Do the notes of the command speak of --NAME? */
static bool is_noted(const qn_cli *c, const char *name) {
    const char *at = c->cmd ? c->cmd->notes : NULL;
    const size_t n = strlen(name);
    while (at && (at = strstr(at, "--"))) {
        at += 2;
        if (strncmp(at, name, n) == 0 && !strchr("-abcdefghijklmnopqrstuvwxyz0123456789", at[n]))
            return true;
    }
    return false;
}

int qn_opt_unknown(const qn_cli *c, const char *word) {
    const char *names[128];
    size_t n = 0;
    const qn_opt *const tables[] = {c->cmd ? c->cmd->opts : NULL, qn_global_opts};
    for (size_t t = 0; t < QN_LEN(tables); t++)
        for (size_t i = 0, all = qn_opt_count(tables[t]); i < all && n < QN_LEN(names); i++)
            names[n++] = tables[t][i].name;
    char bare[64];
    size_t dashes = strspn(word, "-"), length = strcspn(word + dashes, "=");
    length = QN_MIN(length, sizeof bare - 1);
    memcpy(bare, word + dashes, length);
    bare[length] = '\0';
    const char *near = length > 1 ? qn_nearest(bare, names, n) : NULL;
    if (length > 0 && is_noted(c, bare))            /* one that others have, and this command has a word about */
        return qn_fail(QN_EUSAGE, "no option %s; the end of `quern help %s` says why", word, c->cmd->name);
    return near ? qn_fail(QN_EUSAGE, "no option %s; did you mean --%s?", word, near)
                : qn_fail(QN_EUSAGE, "no option %s", word);
}

/* ---- parsing --------------------------------------------------------------------------------------------------- */

static int set_defaults(const qn_opt *opts, qn_cli_value *values) {
    for (size_t i = 0, all = qn_opt_count(opts); i < all; i++) {
        if (opts[i].kind == QN_KIND_ENUM)
            values[i].i = -1;
        if (opts[i].def)
            QN_TRY(qn_opt_set(&opts[i], &values[i], opts[i].def));
    }
    return 0;
}

typedef struct { int argc, at; const char *const *argv; } words;

static int take_value(qn_opt_found f, words *w, const char *glued) {
    const char *text = glued;
    if (!text) {
        if (w->at + 1 >= w->argc)
            return qn_fail(QN_EUSAGE, "--%s needs a value: %s", f.opt->name, f.opt->value);
        text = w->argv[++w->at];
    }
    QN_TRY(qn_opt_set(f.opt, f.value, text));
    f.value->given = true;
    return 0;
}

static int parse_long(const qn_cli *c, words *w) {
    const char *word = w->argv[w->at], *name = word + 2;
    size_t n = strcspn(name, "=");
    const char *glued = name[n] ? name + n + 1 : NULL;
    qn_opt_found f = look_up(c, name, n, false);
    if (!f.opt)
        return qn_opt_unknown(c, word);
    if (f.opt->kind != QN_KIND_FLAG)
        return take_value(f, w, glued);
    if (glued)
        return qn_fail(QN_EUSAGE, "--%s takes no value", f.opt->name);
    f.value->i = f.value->given = true;
    return 0;
}

static int parse_brief(const qn_cli *c, words *w) {
    const char *word = w->argv[w->at];
    for (const char *letter = word + 1; *letter; letter++) {
        qn_opt_found f = look_up(c, letter, 1, true);
        if (!f.opt)
            return qn_opt_unknown(c, word);
        if (f.opt->kind != QN_KIND_FLAG)
            return take_value(f, w, letter[1] ? letter + 1 : NULL);
        f.value->i = f.value->given = true;
    }
    return 0;
}

static int set_command(qn_cli *c, const qn_cmd *cmd) {
    c->cmd = cmd;
    c->value = qn_zalloc(QN_MEM_CLI, qn_opt_count(cmd->opts) + 1, sizeof *c->value);
    if (!c->value)
        return QN_ENOMEM;
    return set_defaults(cmd->opts, c->value);
}

static int add_arg(qn_cli *c, const char *word) {
    QN_TRY(QN_GROW(QN_MEM_CLI, c->arg, c->arg_cap, c->n_args + 1));
    c->arg[c->n_args++] = word;
    return 0;
}

/* `quern train --help`, `quern help train`: the first word of several verbs, and no second one. */
static bool wants_group(const qn_cli *c, const words *w) {
    bool help = c->help || qn_cli_flag(c, "help");
    if (!qn_cmd_is_group(w->argv[w->at]) || (w->at + 1 < w->argc && w->argv[w->at + 1][0] != '-'))
        return false;
    for (int i = w->at + 1; i < w->argc; i++)
        help = help || strcmp(w->argv[i], "--help") == 0 || strcmp(w->argv[i], "-h") == 0;
    return help;
}

/* The first word that is no option is the verb; `help VERB` is `VERB --help`. */
static int take_verb(qn_cli *c, words *w) {
    const char *first = w->argv[w->at], *second = w->at + 1 < w->argc ? w->argv[w->at + 1] : NULL;
    int length;
    if (strcmp(first, "help") == 0 && !c->help) {
        c->help = true;
        return 0;
    }
    const qn_cmd *cmd = qn_cmd_find(first, second, &length);
    if (!cmd && wants_group(c, w)) {
        c->help = true;
        c->group = first;
        w->at = w->argc;
        return 0;
    }
    if (!cmd)
        return qn_cmd_unknown(first, second);
    w->at += length - 1;
    return set_command(c, cmd);
}

static int check_arity(const qn_cli *c) {
    size_t least, most;
    qn_cmd_arity(c->cmd, &least, &most);
    if (c->n_args < least)
        return qn_fail(QN_EUSAGE, "%s is missing; needed: quern %s %s", c->n_args ? "an argument" : "the argument",
                       c->cmd->name, c->cmd->args);
    if (c->n_args > most)
        return qn_fail(QN_EUSAGE, "\"%s\" is one argument too many; quote a text with spaces", c->arg[most]);
    return 0;
}

static int parse_words(qn_cli *c, words *w) {
    bool only_args = false;
    for (; w->at < w->argc; w->at++) {
        const char *word = w->argv[w->at];
        bool dash = word[0] == '-' && word[1];
        if (dash && !only_args && word[1] == '-' && !word[2])
            only_args = true;
        else if (dash && !only_args)
            QN_TRY(word[1] == '-' ? parse_long(c, w) : parse_brief(c, w));
        else if (!c->cmd)
            QN_TRY(take_verb(c, w));
        else
            QN_TRY(add_arg(c, word));
    }
    return 0;
}

int qn_cli_parse(qn_cli *c, int argc, const char *const *argv) { return qn_cli_parse_as(c, NULL, argc, argv); }

int qn_cli_parse_as(qn_cli *c, const qn_cmd *cmd, int argc, const char *const *argv) {
    words w = {argc, 0, argv};
    c->argc = argc;
    c->argv = argv;
    c->global = qn_zalloc(QN_MEM_CLI, qn_opt_count(qn_global_opts), sizeof *c->global);
    if (!c->global)
        return QN_ENOMEM;
    QN_TRY(set_defaults(qn_global_opts, c->global));
    if (cmd)
        QN_TRY(set_command(c, cmd));
    QN_TRY(parse_words(c, &w));
    c->help = c->help || qn_cli_flag(c, "help");
    c->version = qn_cli_flag(c, "version");
    if (c->help || c->version)
        return 0;
    if (c->env.cpu && qn_opt_choice(QN_ISA_CHOICES, c->env.cpu) < 0)
        return qn_fail(QN_EUSAGE, "QUERN_CPU=%s: must be one of " QN_ISA_CHOICES, c->env.cpu);
    if (!c->cmd)
        return qn_fail(QN_EUSAGE, "which command?");
    return check_arity(c);
}

void qn_cli_init(qn_cli *c, qn_cli_env env) {
    *c = (qn_cli){.env = env, .out_fd = 1};
}

static void drop_values(const qn_opt *opts, qn_cli_value *values) {
    for (size_t i = 0, all = qn_opt_count(opts); values && i < all; i++)
        qn_free(values[i].list);
    qn_free(values);
}

void qn_cli_drop(qn_cli *c) {
    drop_values(c->cmd ? c->cmd->opts : NULL, c->value);
    drop_values(qn_global_opts, c->global);
    qn_free(c->arg);
    for (size_t i = 0; i < c->n_kept; i++)
        qn_free(c->kept[i]);
    qn_free(c->kept);
    qn_buf_drop(&c->out);
    qn_buf_drop(&c->json);
    qn_pool_free(c->pool);
}

/* ---- the values ------------------------------------------------------------------------------------------------ */

static const qn_cli_value *value_of(const qn_cli *c, const char *name, unsigned kinds) {
    qn_opt_found f = look_up(c, name, strlen(name), false);
    qn_assert(f.opt != NULL);
    qn_assert(kinds >> f.opt->kind & 1);
    return f.value;
}

bool qn_cli_given(const qn_cli *c, const char *name) { return value_of(c, name, ~0u)->given; }
bool qn_cli_flag(const qn_cli *c, const char *name) { return value_of(c, name, 1u << QN_KIND_FLAG)->i != 0; }
int64_t qn_cli_int(const qn_cli *c, const char *name) {
    return value_of(c, name, 1u << QN_KIND_INT | 1u << QN_KIND_COUNT)->i;
}

double qn_cli_float(const qn_cli *c, const char *name) {
    return value_of(c, name, 1u << QN_KIND_FLOAT | 1u << QN_KIND_DURATION)->f;
}

int qn_cli_enum(const qn_cli *c, const char *name) { return (int)value_of(c, name, 1u << QN_KIND_ENUM)->i; }

const char *qn_cli_str(const qn_cli *c, const char *name) {
    return value_of(c, name, 1u << QN_KIND_STRING | 1u << QN_KIND_FILE | 1u << QN_KIND_ENUM)->s;
}

const char *const *qn_cli_list(const qn_cli *c, const char *name, size_t *n) {
    const qn_cli_value *v = value_of(c, name, 1u << QN_KIND_LIST);
    *n = v->n;
    return v->list;
}

/* The least in the largest unit that says it whole. */
static int too_small(const char *name, const char *text, int64_t least) {
    static const char *const units[] = {" bytes", "K", "M", "G"};
    size_t unit = 0;
    for (; unit + 1 < QN_LEN(units) && least >= 1024 && least % 1024 == 0; unit++)
        least /= 1024;
    return qn_fail(QN_EUSAGE, "--%s %s: at least %lld%s (a number without K, M, G or T is bytes)", name, text,
                   (long long)least, units[unit]);
}

int qn_cli_size(const qn_cli *c, const char *name, int64_t least, int64_t *out) {
    static const char units[] = "KMGT";
    const char *text = qn_cli_str(c, name);
    qn_str s = qn_str_of(text);
    const char *unit = s.n ? strchr(units, s.s[s.n - 1] & ~0x20) : NULL;
    int shift = unit && *unit ? 10 * (int)(unit - units + 1) : 0;
    s.n -= shift > 0;
    if (!qn_parse_i64(s, out) || *out < 0 || *out > INT64_MAX >> (shift + 1))
        return qn_fail(QN_EUSAGE, "--%s %s: a size is a number and K, M, G or T", name, text);
    *out <<= shift;
    if (*out < least)
        return too_small(name, text, least);
    return 0;
}

bool qn_cli_json(const qn_cli *c) {
    qn_opt_found f = look_up(c, "json", 4, false);
    return f.opt && f.value->i != 0;
}

const char *qn_cli_arg(const qn_cli *c, size_t i) { return i < c->n_args ? c->arg[i] : NULL; }
size_t qn_cli_args(const qn_cli *c) { return c->n_args; }

int qn_cli_place(const qn_cli *c, const char *text) {
    for (int i = 0; i < c->argc; i++) {
        const uintptr_t word = (uintptr_t)c->argv[i], at = (uintptr_t)text;
        if (at >= word && at <= word + strlen(c->argv[i]))
            return i;
    }
    return -1;
}

int qn_cli_word(const qn_cli *c, size_t i, const char *const *names, size_t n, int *index) {
    const char *word = qn_cli_arg(c, i);
    *index = -1;
    if (!word)
        return 0;
    for (size_t k = 0; k < n; k++)
        if (strcmp(names[k], word) == 0) {
            *index = (int)k;
            return 0;
        }
    const char *near = qn_nearest(word, names, n);
    return qn_fail(QN_EUSAGE, "\"%s\": %s%s%s", word, near ? "did you mean " : "must be ", near ? near : c->cmd->args,
                   near ? "?" : "");
}

int qn_cli_pool(qn_cli *c, qn_pool **pool) {
    if (!c->pool) {
        QN_TRY(qn_pool_new(&c->pool, (int)qn_cli_int(c, "threads")));
        QN_TRY(qn_cli_flag(c, "pin") ? qn_pool_pin(c->pool) : 0);
    }
    *pool = c->pool;
    return 0;
}

qn_isa qn_cli_isa(const qn_cli *c) {
    int level = qn_cli_enum(c, "isa");
    if (level < 0 && c->env.cpu)
        level = qn_opt_choice(QN_ISA_CHOICES, c->env.cpu);
    return level < 0 ? (qn_isa)(QN_ISA_LEVELS - 1) : (qn_isa)level;
}
