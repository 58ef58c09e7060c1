/* world/grammar.c — rules compiled into a flat list of steps, and walked.
 *
 *     "The {n1:thing} [{1.is} old|shone]."   →   "The " NOUN(1, thing) " " CALL(#17) "."   #17: what is in brackets */
#include "world/grammar.h"

#include <string.h>

#include "base/err.h"

typedef enum {
    OP_TEXT, OP_CALL, OP_BIG, OP_ARTICLE, OP_NAME, OP_GIVEN, OP_PRONOUN, OP_NOUN, OP_AGREE, OP_AGREE_WORD, OP_SAVE,
    OP_AGAIN, OP_NATIVE
} op_code;

typedef struct { uint8_t code, reg, arg; int32_t x, n; } op;
typedef struct { int32_t first, n; } alternative;
typedef struct { int32_t first, n; uint32_t total; bool even; int8_t bag; } rule;

struct qn_grammar {
    op *op;             size_t n_ops, cap_ops;
    alternative *alt;   size_t n_alts, cap_alts;
    uint16_t *weight;   size_t cap_weights;             /* beside alt */
    rule *rule;         size_t n_rules, cap_rules;
    qn_buf text;
    qn_strmap name;
};

/* singular / plural, by OP_AGREE_WORD's argument */
static const char *const agreeing[][3] = {
    {"is", "is", "are"}, {"was", "was", "were"}, {"has", "has", "have"}, {"it", "it", "they"}, {"them", "it", "them"},
    {"its", "its", "their"}, {"this", "this", "these"}, {"does", "does", "do"}, {"one", "it", "them"},
};
static const char *const pronoun[][3] = {
    {"he", "he", "she"}, {"him", "him", "her"}, {"his", "his", "her"}, {"himself", "himself", "herself"},
    {"brother", "brother", "sister"}, {"boy", "boy", "girl"}, {"man", "man", "woman"}, {"son", "son", "daughter"},
};

/* ---- compiling --------------------------------------------------------------------------------------------------- */

typedef struct {
    struct qn_grammar *gr;
    const char *rule, *at;
    unsigned bound;             /* nouns so far: what agrees with another one would take its number from elsewhere */
} compiler;

static int wrong(const compiler *c, const char *what, qn_str slot) {
    return qn_fail(QN_EINVAL, "rule %s: %s \"%.*s\"", c->rule, what, QN_STR_ARG(slot));
}

static int emit(compiler *c, op **ops, size_t *n, size_t *cap, op o) {
    (void)c;
    QN_TRY(QN_GROW(QN_MEM_BASE, *ops, *cap, *n + 1));
    (*ops)[(*n)++] = o;
    return 0;
}

static int word_of(const char *const (*table)[3], size_t n, qn_str s) {
    for (size_t i = 0; i < n; i++)
        if (qn_str_is(s, table[i][0]))
            return (int)i;
    return -1;
}

static int rule_named(const compiler *c, qn_str name, int32_t *out) {
    int64_t i;
    if (!qn_strmap_get(&c->gr->name, name, &i))
        return wrong(c, "no such rule:", name);
    *out = (int32_t)i;
    return 0;
}

static int native_named(const compiler *c, qn_str name, int32_t *out) {
    for (*out = 0; qn_natives[*out].name; ++*out)
        if (qn_str_is(name, qn_natives[*out].name))
            return 0;
    return wrong(c, "no such function:", name);
}

static int person_slot(const compiler *c, qn_str s, op *o) {
    o->reg = (uint8_t)(s.s[0] - 'A');
    const qn_str rest = s.n > 1 ? (qn_str){s.s + 2, s.n - 2} : (qn_str){0};
    const int p = word_of(pronoun, QN_LEN(pronoun), rest);
    o->code = s.n == 1 ? OP_NAME : qn_str_is(rest, "first") ? OP_GIVEN : OP_PRONOUN;
    o->arg = (uint8_t)QN_MAX(p, 0);
    return o->code == OP_PRONOUN && p < 0 ? wrong(c, "no such pronoun:", s) : 0;
}

/* "1.is" and "1:rule"; of a phrase that was kept, the registers stand behind those of nouns. */
static int agreement_slot(const compiler *c, qn_str s, int base, op *o) {
    const qn_str rest = s.n > 2 ? (qn_str){s.s + 2, s.n - 2} : (qn_str){0};
    const int word = word_of(agreeing, QN_LEN(agreeing), rest);
    const bool list = s.n > 1 && s.s[1] == ':';
    *o = (op){.code = list ? OP_AGREE : OP_AGREE_WORD, .reg = (uint8_t)(base + s.s[0] - '0'),
              .arg = (uint8_t)QN_MAX(word, 0)};
    return list ? rule_named(c, rest, &o->x) : word < 0 ? wrong(c, "no such word:", s) : 0;
}

static int slot(compiler *c, qn_str s, op *o) {
    const char a = s.s[0], b = s.n > 1 ? s.s[1] : '\0';
    const qn_str more = {s.s + 3, s.n > 3 ? s.n - 3 : 0};
    *o = (op){0};
    if (s.n == 1 && a == 'a')
        return o->code = OP_ARTICLE, 0;
    if (a >= 'A' && a < 'A' + QN_ACTORS && (s.n == 1 || b == '.'))
        return person_slot(c, s, o);
    if (a >= '0' && a <= '9')
        return c->bound >> (a - '0') & 1 ? agreement_slot(c, s, 0, o) : wrong(c, "no noun before", s);
    if (strchr("nsp", a) && b >= '0' && b <= '9' && s.n > 3 && s.s[2] == ':') {
        *o = (op){.code = OP_NOUN, .reg = (uint8_t)(b - '0'), .arg = (uint8_t)a};
        c->bound |= 1u << o->reg;
        return rule_named(c, more, &o->x);
    }
    if (a == '$' && s.n > 3 && s.s[2] != '=')
        return agreement_slot(c, (qn_str){s.s + 1, s.n - 1}, QN_REGISTERS, o);
    if (a == '$') {
        *o = (op){.code = s.n > 2 ? OP_SAVE : OP_AGAIN, .reg = (uint8_t)(b - '0')};
        return s.n > 2 ? rule_named(c, more, &o->x) : 0;
    }
    o->code = a == '!' ? OP_NATIVE : OP_CALL;
    return a == '!' ? native_named(c, (qn_str){s.s + 1, s.n - 1}, &o->x) : rule_named(c, s, &o->x);
}

static int literal(compiler *c, const char *s, size_t n, op *o) {
    *o = (op){.code = OP_TEXT, .x = (int32_t)c->gr->text.n, .n = (int32_t)n};
    return qn_buf_put(&c->gr->text, s, n);
}

static int alternatives(compiler *c, int32_t into);

/* One alternative up to its end, | or ]: its steps are gathered first, since those in brackets come in between. */
static int alternative_steps(compiler *c, alternative *out, bool nested) {
    op *ops = NULL, o;
    size_t n = 0, cap = 0;
    int rc = 0;
    while (*c->at && !(nested && strchr("|]", *c->at))) {
        const char *at = c->at;
        if (*at == '^') {
            o = (op){.code = OP_BIG};
            c->at++;
        } else if (*at == '{') {
            const char *end = strchr(at, '}');
            QN_TRY_OUT(end ? slot(c, (qn_str){at + 1, (size_t)(end - at - 1)}, &o) : wrong(c, "no }", qn_str_of(at)));
            c->at = end + 1;
        } else if (*at == '[') {
            QN_TRY_OUT(QN_GROW(QN_MEM_BASE, c->gr->rule, c->gr->cap_rules, c->gr->n_rules + 1));
            o = (op){.code = OP_CALL, .x = (int32_t)c->gr->n_rules++};
            c->at++;
            QN_TRY_OUT(alternatives(c, o.x));
        } else {
            const size_t escape = *at == '\\';
            const size_t len = escape ? 1 : strcspn(at, nested ? "{[^\\|]" : "{[^\\");
            QN_TRY_OUT(literal(c, at + escape, len, &o));
            c->at += len + escape;
        }
        QN_TRY_OUT(emit(c, &ops, &n, &cap, o));
    }
    *out = (alternative){(int32_t)c->gr->n_ops, (int32_t)n};
    QN_TRY_OUT(QN_GROW(QN_MEM_BASE, c->gr->op, c->gr->cap_ops, c->gr->n_ops + n + 1));
    if (n)
        memcpy(c->gr->op + c->gr->n_ops, ops, n * sizeof *ops);
    c->gr->n_ops += n;
out:
    qn_free(ops);
    return rc;
}

static int add_rule(struct qn_grammar *gr, int32_t into, const alternative *alts, const uint16_t *weights, size_t n) {
    QN_TRY(QN_GROW(QN_MEM_BASE, gr->alt, gr->cap_alts, gr->n_alts + n));
    QN_TRY(QN_GROW(QN_MEM_BASE, gr->weight, gr->cap_weights, gr->n_alts + n));
    rule r = {(int32_t)gr->n_alts, (int32_t)n, 0, true, -1};
    for (size_t i = 0; i < n; i++) {
        gr->alt[gr->n_alts] = alts[i];
        gr->weight[gr->n_alts++] = weights[i];
        r.total += weights[i];
        r.even = r.even && weights[i] == 1;
    }
    gr->rule[into] = r;
    return 0;
}

#define ALTERNATIVES_MAX 128

static uint16_t weight_of(const char **at) {
    const size_t digits = strspn(*at, "0123456789");
    unsigned w = 0;
    if (digits == 0 || (*at)[digits] != '*')
        return 1;
    for (size_t i = 0; i < digits; i++)
        w = w * 10 + (unsigned)((*at)[i] - '0');
    *at += digits + 1;
    return (uint16_t)w;
}

/* What stands in brackets, behind the opening one. */
static int alternatives(compiler *c, int32_t into) {
    alternative alts[ALTERNATIVES_MAX];
    uint16_t weights[ALTERNATIVES_MAX];
    size_t n = 0;
    for (bool more = true; more; c->at++) {
        if (n == ALTERNATIVES_MAX)
            return wrong(c, "too many alternatives", qn_str_of(c->at));
        weights[n] = weight_of(&c->at);
        QN_TRY(alternative_steps(c, &alts[n++], true));
        if (!*c->at)
            return wrong(c, "no ]", qn_str_of(""));
        more = *c->at == '|';
    }
    return add_rule(c->gr, into, alts, weights, n);
}

/* "key/keys" of a list of words that agree: two literals. */
static int pair(compiler *c, const char *slash, alternative *out) {
    op o;
    QN_TRY(QN_GROW(QN_MEM_BASE, c->gr->op, c->gr->cap_ops, c->gr->n_ops + 2));
    *out = (alternative){(int32_t)c->gr->n_ops, 2};
    QN_TRY(literal(c, c->at, (size_t)(slash - c->at), &o));
    c->gr->op[c->gr->n_ops++] = o;
    QN_TRY(literal(c, slash + 1, strlen(slash + 1), &o));
    c->gr->op[c->gr->n_ops++] = o;
    return 0;
}

static int compile_rule(struct qn_grammar *gr, const qn_rule *r) {
    compiler c = {gr, r->name, NULL, 0};
    alternative alts[ALTERNATIVES_MAX];
    uint16_t weights[ALTERNATIVES_MAX];
    size_t n = 0;
    int32_t into = 0;
    QN_TRY(rule_named(&c, qn_str_of(r->name), &into));
    const char *const *const alt = r->alt + (r->alt[0][0] == '~');
    for (; alt[n]; n++) {
        if (n == ALTERNATIVES_MAX)
            return wrong(&c, "too many alternatives", qn_str_of(alt[n]));
        c.at = alt[n];
        c.bound = 0;
        weights[n] = weight_of(&c.at);
        const char *slash = strchr(c.at, '/');
        QN_TRY(slash && !strpbrk(c.at, "{[") ? pair(&c, slash, &alts[n]) : alternative_steps(&c, &alts[n], false));
    }
    QN_TRY(add_rule(gr, into, alts, weights, n));
    if (alt == r->alt)
        return 0;
    gr->rule[into].bag = (int8_t)(r->alt[0][1] - 'a');
    return gr->rule[into].even && n > 1 && r->alt[0][1] >= 'a' && r->alt[0][1] < 'a' + QN_BAGS
               ? 0 : wrong(&c, "a bag wants a letter, and alternatives of one weight:", qn_str_of(r->alt[0]));
}

static const qn_rule *const tables[] = {
#define QN_RULE_TABLE(name) name,
    QN_RULE_TABLES(QN_RULE_TABLE)
#undef QN_RULE_TABLE
};

static int compile_all(struct qn_grammar *gr) {
    for (size_t t = 0; t < QN_LEN(tables); t++)
        for (const qn_rule *r = tables[t]; r->name; r++) {
            QN_TRY(QN_GROW(QN_MEM_BASE, gr->rule, gr->cap_rules, gr->n_rules + 1));
            const int fresh = qn_strmap_put(&gr->name, qn_str_of(r->name), (int64_t)gr->n_rules++);
            QN_TRY(fresh);
            if (!fresh)
                return qn_fail(QN_EINVAL, "rule %s stands there twice", r->name);
        }
    for (size_t t = 0; t < QN_LEN(tables); t++)
        for (const qn_rule *r = tables[t]; r->name; r++)
            QN_TRY(compile_rule(gr, r));
    return 0;
}

int qn_grammar_new(struct qn_grammar **out) {
    struct qn_grammar *gr = qn_zalloc(QN_MEM_BASE, 1, sizeof *gr);
    *out = NULL;
    if (!gr)
        return QN_ENOMEM;
    const int rc = compile_all(gr);
    if (rc < 0) {
        qn_grammar_free(gr);
        return rc;
    }
    *out = gr;
    return 0;
}

void qn_grammar_free(struct qn_grammar *gr) {
    if (!gr)
        return;
    qn_free(gr->op);
    qn_free(gr->alt);
    qn_free(gr->weight);
    qn_free(gr->rule);
    qn_buf_drop(&gr->text);
    qn_strmap_drop(&gr->name);
    qn_free(gr);
}

int qn_grammar_find(const struct qn_grammar *gr, const char *name) {
    int64_t i;
    return qn_strmap_get(&gr->name, qn_str_of(name), &i) ? (int)i : -1;
}

/* ---- walking ----------------------------------------------------------------------------------------------------- */

/* One that this text has not had; once it has had all of them, they come anew. */
static uint32_t choose_fresh(qn_gen *g, const rule *r) {
    uint64_t *had = g->had[(int)r->bag];
    uint32_t left = (uint32_t)r->n;
    for (int k = 0; k < 2; k++)
        left -= (uint32_t)__builtin_popcountll(had[k]);
    if (left == 0 || left > (uint32_t)r->n) {
        had[0] = had[1] = 0;
        left = (uint32_t)r->n;
    }
    uint32_t i = qn_choose(g, left);
    for (uint32_t k = 0; k < 2; k++)
        for (uint64_t bits = had[k]; bits; bits &= bits - 1)
            i += 64 * k + (uint32_t)__builtin_ctzll(bits) <= i;
    had[i / 64] |= (uint64_t)1 << i % 64;
    return i;
}

static const alternative *choose_one(qn_gen *g, const struct qn_grammar *gr, const rule *r) {
    if (r->n == 1)
        return &gr->alt[r->first];
    if (r->bag >= 0)
        return &gr->alt[r->first + (int32_t)choose_fresh(g, r)];
    const uint32_t i = r->even ? qn_choose(g, (uint32_t)r->n)
                               : qn_choose_weighted(g, gr->weight + r->first, (uint32_t)r->n, r->total);
    return &gr->alt[r->first + (int32_t)i];
}

/* What follows from the word at `from`. */
static void put_grammar(qn_gen *g, const char *s, size_t n, int64_t from) {
    qn_gen_mark_from(g, QN_SPAN_GRAMMAR, from);
    qn_gen_put(g, s, n);
    qn_gen_mark(g, QN_SPAN_STYLE);
}

/* A word of a list "singular/plural". */
static const op *choose_number(qn_gen *g, const struct qn_grammar *gr, const rule *r, bool plural) {
    return &gr->op[choose_one(g, gr, r)->first + plural];
}

/* The number that a word agrees with; of the one that is to be flipped, the other. */
static bool number_of(qn_gen *g, int reg) {
    const bool plural = reg < QN_REGISTERS ? g->plural[reg] : g->saved[reg - QN_REGISTERS].plural;
    return plural != (++g->agreed == g->flip);
}

static int64_t noun_of(const qn_gen *g, int reg) {
    return reg < QN_REGISTERS ? g->noun_at[reg] : (int64_t)g->saved[reg - QN_REGISTERS].at;
}

/* More often plural: verbs are so often singular elsewhere that without it the plural is hardly learned. */
static bool choose_plural(qn_gen *g) {
    static const uint16_t weight[2] = {2, 3};
    return qn_choose_weighted(g, weight, 2, 5) == 1;
}

static void put_noun(qn_gen *g, const struct qn_grammar *gr, const op *o) {
    g->plural[o->reg] = o->arg == 'p' || (o->arg == 'n' && choose_plural(g));
    g->counted = g->plural[o->reg];
    const op *word = choose_number(g, gr, &gr->rule[o->x], g->plural[o->reg]);
    g->noun_at[o->reg] = (int64_t)g->out.n;
    qn_gen_put(g, gr->text.s + word->x, (size_t)word->n);
}

static void cast_if_needed(qn_gen *g, int actor) {
    if (!g->actor[actor].set)
        qn_gen_cast(g, actor, g->klass != QN_CLASS_COPY);
}

static void run(qn_gen *g, const struct qn_grammar *gr, const op *o) {
    switch ((op_code)o->code) {
    case OP_TEXT: qn_gen_put(g, gr->text.s + o->x, (size_t)o->n); break;
    case OP_CALL: qn_gen_rule(g, o->x); break;
    case OP_BIG: g->big = true; break;
    case OP_ARTICLE:
        qn_gen_put(g, "a ", 2);
        g->article = g->out.n;
        break;
    case OP_NAME:
    case OP_GIVEN:
        cast_if_needed(g, o->reg);
        qn_gen_name(g, o->reg, o->code == OP_GIVEN);
        break;
    case OP_PRONOUN: {
        cast_if_needed(g, o->reg);
        const char *word = pronoun[o->arg][1 + g->actor[o->reg].she];
        put_grammar(g, word, strlen(word), g->actor[o->reg].last);
        break;
    }
    case OP_NOUN: put_noun(g, gr, o); break;
    case OP_AGREE: {
        const op *word = choose_number(g, gr, &gr->rule[o->x], number_of(g, o->reg));
        put_grammar(g, gr->text.s + word->x, (size_t)word->n, noun_of(g, o->reg));
        break;
    }
    case OP_AGREE_WORD: {
        const char *word = agreeing[o->arg][1 + number_of(g, o->reg)];
        put_grammar(g, word, strlen(word), noun_of(g, o->reg));
        break;
    }
    case OP_SAVE: {
        size_t at = g->out.n;
        g->saved[o->reg].big = g->big;
        g->counted = false;
        qn_gen_rule(g, o->x);
        g->saved[o->reg].plural = g->counted;
        at += g->out.n > at && g->out.s[at] == ' ';         /* "a " before it has become "an " */
        g->saved[o->reg].at = at;
        g->saved[o->reg].n = g->out.n - at;
        break;
    }
    case OP_AGAIN: {
        char again[256];
        const size_t n = QN_MIN(g->saved[o->reg].n, sizeof again), at = g->saved[o->reg].at;
        memcpy(again, g->out.s + at, n);            /* the buffer may move */
        again[0] = (char)(g->saved[o->reg].big && n ? again[0] | 32 : again[0]);
        qn_gen_mark_from(g, QN_SPAN_COPY, (int64_t)at);
        qn_gen_put(g, again, n);
        qn_gen_mark(g, QN_SPAN_STYLE);
        break;
    }
    case OP_NATIVE: qn_natives[o->x].fn(g); break;
    }
}

void qn_gen_rule(qn_gen *g, int index) {
    const struct qn_grammar *gr = g->w->grammar;
    const alternative *a = choose_one(g, gr, &gr->rule[index]);
    for (int32_t i = 0; i < a->n && g->rc == 0; i++)
        run(g, gr, &gr->op[a->first + i]);
}

void qn_gen_say(qn_gen *g, const char *name) {
    const int rule_index = qn_grammar_find(g->w->grammar, name);
    qn_assert(rule_index >= 0);
    qn_gen_rule(g, rule_index);
}
