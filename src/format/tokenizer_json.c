/* format/tokenizer_json.c — one pass over the document with the pull parser: no tree, no second reading.
 *
 *   added_tokens     [{id, content, special, lstrip …}]
 *   normalizer       component: {type, …} or {type: "Sequence", normalizers: [component …]}
 *   pre_tokenizer    the same with "pretokenizers", decoder with "decoders", post_processor with "processors"
 *   model            {type: "BPE", vocab: {text: id}, merges: […], unk_token, byte_fallback …}, or "WordPiece" without
 *                    merges
 *   truncation, padding: how the file's author ran it; they are no part of a tokenizer and are not looked at
 *
 * The order of keys is not given, so a component is read whole, into a struct that has every field of every type, and
 * understood when its end has come. */
#include "format/tokenizer_json.h"

#include <string.h>

#include "base/json.h"

typedef struct {
    qn_json j;
    qn_tok_spec *spec;
    size_t bytes;               /* of the document */
    qn_buf text;                /* the string being read */
    bool wordpiece;             /* the model says so */
} reader;

/* ---- values ------------------------------------------------------------------------------------------------------ */

/* A string, copied to where the spec's strings live; null is the empty string. */
static int read_text(reader *r, qn_str *out) {
    if (qn_json_peek(&r->j) == 'n') {
        *out = (qn_str){"", 0};
        return qn_json_null(&r->j);
    }
    qn_buf_clear(&r->text);
    QN_TRY(qn_json_string(&r->j, &r->text));
    return qn_tok_spec_copy(r->spec, qn_buf_view(&r->text), out);
}

static int read_flag(reader *r, bool *out) {
    return qn_json_peek(&r->j) == 'n' ? qn_json_null(&r->j) : qn_json_bool(&r->j, out);
}

/* An id. The tables grow with the greatest, so it is held against the size of the document: a few bytes must not ask
 * for gigabytes. */
static int read_id(reader *r, int64_t *out) {
    QN_TRY(qn_json_i64(&r->j, out));
    if (*out < 0 || *out >= QN_TOK_MAX_ID || (uint64_t)*out >= 65536 + (uint64_t)r->bytes)
        return qn_json_fail(&r->j, QN_EFORMAT, "token id %lld is out of range", (long long)*out);
    return 0;
}

/* ---- components -------------------------------------------------------------------------------------------------- */

/* Every field of every type of component; `type` says which of them mean something. */
typedef struct {
    qn_str type, pattern, content, prepend, replacement, behavior, prepend_scheme, delimiter;
    bool regex, invert, strip_left, strip_right, add_prefix_space, use_regex, individual_digits, split;
    bool clean_text, handle_chinese_chars, lowercase, cleanup;
    int strip_accents;          /* −1: null, which means as `lowercase` says */
    qn_str prefix;
    int64_t start, stop;
    bool has_children;
} component;

typedef enum { FIELD_TEXT, FIELD_FLAG, FIELD_FLAG_OR_NULL, FIELD_NUMBER, FIELD_PATTERN } field_kind;
static const struct { const char *key; field_kind kind; size_t offset; } fields[] = {
    {"type", FIELD_TEXT, offsetof(component, type)},
    {"pattern", FIELD_PATTERN, offsetof(component, pattern)},
    {"content", FIELD_TEXT, offsetof(component, content)},
    {"prepend", FIELD_TEXT, offsetof(component, prepend)},
    {"replacement", FIELD_TEXT, offsetof(component, replacement)},
    {"behavior", FIELD_TEXT, offsetof(component, behavior)},
    {"prepend_scheme", FIELD_TEXT, offsetof(component, prepend_scheme)},
    {"delimiter", FIELD_TEXT, offsetof(component, delimiter)},
    {"invert", FIELD_FLAG, offsetof(component, invert)},
    {"strip_left", FIELD_FLAG, offsetof(component, strip_left)},
    {"strip_right", FIELD_FLAG, offsetof(component, strip_right)},
    {"add_prefix_space", FIELD_FLAG, offsetof(component, add_prefix_space)},
    {"use_regex", FIELD_FLAG, offsetof(component, use_regex)},
    {"individual_digits", FIELD_FLAG, offsetof(component, individual_digits)},
    {"split", FIELD_FLAG, offsetof(component, split)},
    {"clean_text", FIELD_FLAG, offsetof(component, clean_text)},
    {"handle_chinese_chars", FIELD_FLAG, offsetof(component, handle_chinese_chars)},
    {"lowercase", FIELD_FLAG, offsetof(component, lowercase)},
    {"strip_accents", FIELD_FLAG_OR_NULL, offsetof(component, strip_accents)},
    {"cleanup", FIELD_FLAG, offsetof(component, cleanup)},
    {"prefix", FIELD_TEXT, offsetof(component, prefix)},
    {"start", FIELD_NUMBER, offsetof(component, start)},
    {"stop", FIELD_NUMBER, offsetof(component, stop)},
};

static int read_flag_or_null(reader *r, int *out) {
    bool on = false;
    if (qn_json_peek(&r->j) == 'n')
        return qn_json_null(&r->j);
    QN_TRY(qn_json_bool(&r->j, &on));
    *out = on;
    return 0;
}

/* {"String": "…"} or {"Regex": "…"}. */
static int read_pattern(reader *r, component *c) {
    qn_str key;
    int more;
    QN_TRY(qn_json_enter(&r->j, '{'));
    while ((more = qn_json_key(&r->j, &key)) > 0) {
        c->regex = qn_str_is(key, "Regex");
        if (!c->regex && !qn_str_is(key, "String"))
            return qn_json_fail(&r->j, QN_EUNSUPPORTED, "a pattern of kind \"%.*s\"", QN_STR_ARG(key));
        QN_TRY(read_text(r, &c->pattern));
    }
    return more;
}

static int read_field(reader *r, qn_str key, component *c) {
    for (size_t i = 0; i < QN_LEN(fields); i++) {
        if (!qn_str_is(key, fields[i].key))
            continue;
        void *at = (char *)c + fields[i].offset;
        switch (fields[i].kind) {
        case FIELD_TEXT: return read_text(r, at);
        case FIELD_FLAG: return read_flag(r, at);
        case FIELD_FLAG_OR_NULL: return read_flag_or_null(r, at);
        case FIELD_NUMBER: return qn_json_i64(&r->j, at);
        case FIELD_PATTERN: return read_pattern(r, c);
        }
    }
    return qn_json_skip(&r->j);
}

typedef int take_fn(reader *r, const component *c);

/* One component, or a Sequence of them under `children`; `take` gets each in order. */
static int read_component(reader *r, const char *children, take_fn *take) {
    component c = {.use_regex = true, .split = true, .add_prefix_space = true, .clean_text = true,
                   .handle_chinese_chars = true, .lowercase = true, .cleanup = true, .strip_accents = -1};
    qn_str key;
    int more;
    if (qn_json_peek(&r->j) == 'n')
        return qn_json_null(&r->j);
    QN_TRY(qn_json_enter(&r->j, '{'));
    while ((more = qn_json_key(&r->j, &key)) > 0) {
        if (!qn_str_is(key, children)) {
            QN_TRY(read_field(r, key, &c));
            continue;
        }
        int item;
        c.has_children = true;
        QN_TRY(qn_json_enter(&r->j, '['));
        while ((item = qn_json_item(&r->j)) > 0)
            QN_TRY(read_component(r, children, take));
        QN_TRY(item);
    }
    QN_TRY(more);
    if (qn_str_is(c.type, "Sequence"))
        return 0;
    if (c.has_children)
        return qn_json_fail(&r->j, QN_EFORMAT, "\"%s\" in a component of type \"%.*s\"", children, QN_STR_ARG(c.type));
    return take(r, &c);
}

static int unsupported(reader *r, const char *what, const component *c) {
    return qn_json_fail(&r->j, QN_EUNSUPPORTED, "the %s \"%.*s\" is not supported", what, QN_STR_ARG(c->type));
}

/* ---- normalizers ------------------------------------------------------------------------------------------------- */

static int take_normalizer(reader *r, const component *c) {
    static const struct { const char *type; qn_norm_kind kind; } types[] = {
        {"NFC", QN_NORM_NFC}, {"NFD", QN_NORM_NFD}, {"NFKC", QN_NORM_NFKC}, {"NFKD", QN_NORM_NFKD},
        {"Lowercase", QN_NORM_LOWERCASE}, {"StripAccents", QN_NORM_STRIP_ACCENTS}, {"Nmt", QN_NORM_NMT},
        {"Strip", QN_NORM_STRIP}, {"Prepend", QN_NORM_PREPEND}, {"Replace", QN_NORM_REPLACE},
        {"ByteLevel", QN_NORM_BYTE_LEVEL}, {"BertNormalizer", QN_NORM_BERT},
    };
    const bool accents = c->strip_accents < 0 ? c->lowercase : c->strip_accents > 0;
    for (size_t i = 0; i < QN_LEN(types); i++) {
        if (!qn_str_is(c->type, types[i].type))
            continue;
        qn_tok_norm n = {.kind = types[i].kind, .pattern = c->pattern, .content = c->content, .regex = c->regex,
                         .left = c->strip_left, .right = c->strip_right,
                         .bert = {c->clean_text, c->handle_chinese_chars, accents, c->lowercase}};
        if (n.kind == QN_NORM_PREPEND)
            n.content = c->prepend;
        return qn_tok_spec_norm(r->spec, &n);
    }
    return unsupported(r, "normalizer", c);
}

/* ---- pre-tokenizers ---------------------------------------------------------------------------------------------- */

static int read_behavior(reader *r, qn_str name, qn_split_behavior *out) {
    static const struct { const char *name; qn_split_behavior behavior; } all[] = {
        {"Isolated", QN_SPLIT_ISOLATED}, {"Removed", QN_SPLIT_REMOVED}, {"Contiguous", QN_SPLIT_CONTIGUOUS},
        {"MergedWithPrevious", QN_SPLIT_MERGED_PREVIOUS}, {"MergedWithNext", QN_SPLIT_MERGED_NEXT},
        {"", QN_SPLIT_ISOLATED},
    };
    for (size_t i = 0; i < QN_LEN(all); i++)
        if (qn_str_is(name, all[i].name)) {
            *out = all[i].behavior;
            return 0;
        }
    return qn_json_fail(&r->j, QN_EUNSUPPORTED, "the split behavior \"%.*s\" is not supported", QN_STR_ARG(name));
}

/* Old files say add_prefix_space, new ones prepend_scheme. */
static int read_scheme(reader *r, const component *c, qn_prepend_scheme *out) {
    qn_str s = c->prepend_scheme;
    *out = qn_str_is(s, "first") ? QN_PREPEND_FIRST : qn_str_is(s, "never") ? QN_PREPEND_NEVER : QN_PREPEND_ALWAYS;
    if (s.n == 0 && !c->add_prefix_space)
        *out = QN_PREPEND_NEVER;
    if (*out == QN_PREPEND_ALWAYS && s.n && !qn_str_is(s, "always"))
        return qn_json_fail(&r->j, QN_EUNSUPPORTED, "the prepend scheme \"%.*s\" is not supported", QN_STR_ARG(s));
    return 0;
}

static int take_pretokenizer(reader *r, const component *c) {
    static const struct { const char *type; qn_pretok_kind kind; } types[] = {
        {"Split", QN_PRETOK_SPLIT}, {"ByteLevel", QN_PRETOK_BYTE_LEVEL}, {"Digits", QN_PRETOK_DIGITS},
        {"Punctuation", QN_PRETOK_PUNCTUATION}, {"Whitespace", QN_PRETOK_WHITESPACE},
        {"WhitespaceSplit", QN_PRETOK_WHITESPACE_SPLIT}, {"Metaspace", QN_PRETOK_METASPACE},
        {"CharDelimiterSplit", QN_PRETOK_SPLIT}, {"BertPreTokenizer", QN_PRETOK_BERT},
    };
    size_t i = 0;
    while (i < QN_LEN(types) && !qn_str_is(c->type, types[i].type))
        i++;
    if (i == QN_LEN(types))
        return unsupported(r, "pre-tokenizer", c);
    qn_tok_pretok p = {.kind = types[i].kind, .pattern = c->pattern, .regex = c->regex, .invert = c->invert,
                       .add_prefix_space = c->add_prefix_space, .use_regex = c->use_regex, .split = c->split};
    QN_TRY(read_behavior(r, c->behavior, &p.behavior));
    if (p.kind == QN_PRETOK_DIGITS)
        p.behavior = c->individual_digits ? QN_SPLIT_ISOLATED : QN_SPLIT_CONTIGUOUS;
    if (p.kind == QN_PRETOK_METASPACE) {
        p.pattern = c->replacement.n ? c->replacement : QN_STR("▁");
        QN_TRY(read_scheme(r, c, &p.prepend));
    }
    if (qn_str_is(c->type, "CharDelimiterSplit")) {
        p.pattern = c->delimiter;
        p.behavior = QN_SPLIT_REMOVED;
    }
    return qn_tok_spec_pretok(r->spec, &p);
}

/* ---- decoders ---------------------------------------------------------------------------------------------------- */

static int take_decoder(reader *r, const component *c) {
    static const struct { const char *type; qn_decode_kind kind; } types[] = {
        {"ByteLevel", QN_DECODE_BYTE_LEVEL}, {"Replace", QN_DECODE_REPLACE}, {"ByteFallback", QN_DECODE_BYTE_FALLBACK},
        {"Fuse", QN_DECODE_FUSE}, {"Strip", QN_DECODE_STRIP}, {"Metaspace", QN_DECODE_METASPACE},
        {"WordPiece", QN_DECODE_WORDPIECE},
    };
    for (size_t i = 0; i < QN_LEN(types); i++) {
        if (!qn_str_is(c->type, types[i].type))
            continue;
        qn_tok_decoder d = {.kind = types[i].kind, .pattern = c->pattern, .content = c->content, .start = c->start,
                            .stop = c->stop, .cleanup = c->cleanup};
        if (d.kind == QN_DECODE_REPLACE && c->regex)
            return qn_json_fail(&r->j, QN_EUNSUPPORTED, "the decoder Replace with a regular expression");
        if (d.kind == QN_DECODE_STRIP && (d.content.n == 0 || d.content.n > 4 || d.start < 0 || d.stop < 0))
            return qn_json_fail(&r->j, QN_EFORMAT, "the decoder Strip wants one character and two counts");
        if (d.kind == QN_DECODE_WORDPIECE)
            d.pattern = c->prefix.n ? c->prefix : QN_STR("##");
        if (d.kind == QN_DECODE_METASPACE) {
            d.pattern = c->replacement.n ? c->replacement : QN_STR("▁");
            QN_TRY(read_scheme(r, c, &d.prepend));
        }
        return qn_tok_spec_decoder(r->spec, &d);
    }
    return unsupported(r, "decoder", c);
}

/* ---- post-processors --------------------------------------------------------------------------------------------- */

/* What one processor puts around a text: pieces of TemplateProcessing's "single" in order, ids known or by name. */
typedef struct { qn_str name; int64_t id; bool text; bool used; } piece;
typedef struct {
    qn_str type;
    piece *pieces;
    size_t n, cap;
    int64_t cls, sep;
    bool has_children;
} processor;

static int add_piece(processor *p, piece x) {
    QN_TRY(QN_GROW(QN_MEM_FORMAT, p->pieces, p->cap, p->n + 1));
    p->pieces[p->n++] = x;
    return 0;
}

/* {"SpecialToken": {"id": "<s>", "type_id": 0}} or {"Sequence": {"id": "A", "type_id": 0}}. */
static int read_template_piece(reader *r, processor *p) {
    qn_str key, member;
    int more, inner;
    QN_TRY(qn_json_enter(&r->j, '{'));
    while ((more = qn_json_key(&r->j, &key)) > 0) {
        piece x = {.id = -1, .text = qn_str_is(key, "Sequence")};
        QN_TRY(qn_json_enter(&r->j, '{'));
        while ((inner = qn_json_key(&r->j, &member)) > 0)
            QN_TRY(qn_str_is(member, "id") ? read_text(r, &x.name) : qn_json_skip(&r->j));
        QN_TRY(inner);
        QN_TRY(add_piece(p, x));
    }
    return more;
}

static int read_template(reader *r, processor *p) {
    int item;
    QN_TRY(qn_json_enter(&r->j, '['));
    while ((item = qn_json_item(&r->j)) > 0)
        QN_TRY(read_template_piece(r, p));
    return item;
}

/* {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}}: kept as pieces marked `used`, behind the template's. */
static int read_template_tokens(reader *r, processor *p) {
    qn_str key, member, name;
    int more, inner, item;
    QN_TRY(qn_json_enter(&r->j, '{'));
    while ((more = qn_json_key(&r->j, &key)) > 0) {
        QN_TRY(qn_tok_spec_copy(r->spec, key, &name));
        QN_TRY(qn_json_enter(&r->j, '{'));
        while ((inner = qn_json_key(&r->j, &member)) > 0) {
            if (!qn_str_is(member, "ids")) {
                QN_TRY(qn_json_skip(&r->j));
                continue;
            }
            QN_TRY(qn_json_enter(&r->j, '['));
            while ((item = qn_json_item(&r->j)) > 0) {
                piece x = {.name = name, .used = true};
                QN_TRY(read_id(r, &x.id));
                QN_TRY(add_piece(p, x));
            }
            QN_TRY(item);
        }
        QN_TRY(inner);
    }
    return more;
}

/* ["[CLS]", 101] */
static int read_pair(reader *r, int64_t *id) {
    QN_TRY(qn_json_enter(&r->j, '['));
    int item = 0;
    for (int i = 0; (item = qn_json_item(&r->j)) > 0; i++)
        QN_TRY(i == 1 ? read_id(r, id) : qn_json_skip(&r->j));
    return item;
}

/* Puts the ids of the named special token before or behind the text. */
static int put_named(reader *r, const processor *p, qn_str name, bool behind) {
    bool found = false;
    for (size_t i = 0; i < p->n; i++) {
        if (!p->pieces[i].used || !qn_str_eq(p->pieces[i].name, name))
            continue;
        QN_TRY((behind ? qn_tok_spec_suffix : qn_tok_spec_prefix)(r->spec, p->pieces[i].id));
        found = true;
    }
    return found ? 0 : qn_json_fail(&r->j, QN_EFORMAT, "the template's special token \"%.*s\" is not defined",
                                    QN_STR_ARG(name));
}

static int take_template(reader *r, const processor *p) {
    int texts = 0;
    for (size_t i = 0; i < p->n; i++) {
        if (p->pieces[i].used)
            continue;
        if (!p->pieces[i].text)
            QN_TRY(put_named(r, p, p->pieces[i].name, texts > 0));
        else if (++texts > 1 || !qn_str_is(p->pieces[i].name, "A"))
            return qn_json_fail(&r->j, QN_EUNSUPPORTED, "a template for one text that is not: tokens, A, tokens");
    }
    if (texts == 0)
        return qn_json_fail(&r->j, QN_EUNSUPPORTED, "a template for one text without the text");
    return 0;
}

static int take_processor(reader *r, const processor *p) {
    if (qn_str_is(p->type, "Sequence") || qn_str_is(p->type, "ByteLevel"))      /* ByteLevel trims offsets: no ids */
        return 0;
    if (r->spec->n_prefix || r->spec->n_suffix)
        return qn_json_fail(&r->j, QN_EUNSUPPORTED, "a second post-processor that adds tokens, \"%.*s\"",
                            QN_STR_ARG(p->type));
    if (qn_str_is(p->type, "TemplateProcessing"))
        return take_template(r, p);
    if (!qn_str_is(p->type, "BertProcessing") && !qn_str_is(p->type, "RobertaProcessing"))
        return qn_json_fail(&r->j, QN_EUNSUPPORTED, "the post-processor \"%.*s\" is not supported",
                            QN_STR_ARG(p->type));
    if (p->cls < 0 || p->sep < 0)
        return qn_json_fail(&r->j, QN_EFORMAT, "the post-processor \"%.*s\" lacks \"cls\" or \"sep\"",
                            QN_STR_ARG(p->type));
    QN_TRY(qn_tok_spec_prefix(r->spec, p->cls));
    return qn_tok_spec_suffix(r->spec, p->sep);
}

static int read_processor(reader *r);

static int read_processor_member(reader *r, qn_str key, processor *p) {
    if (qn_str_is(key, "type"))
        return read_text(r, &p->type);
    if (qn_str_is(key, "single"))
        return read_template(r, p);
    if (qn_str_is(key, "special_tokens"))
        return read_template_tokens(r, p);
    if (qn_str_is(key, "cls"))
        return read_pair(r, &p->cls);
    if (qn_str_is(key, "sep"))
        return read_pair(r, &p->sep);
    if (!qn_str_is(key, "processors"))
        return qn_json_skip(&r->j);
    int item;
    QN_TRY(qn_json_enter(&r->j, '['));
    while ((item = qn_json_item(&r->j)) > 0)
        QN_TRY(read_processor(r));
    return item;
}

static int read_processor(reader *r) {
    processor p = {.cls = -1, .sep = -1};
    qn_str key;
    int rc = 0, more;
    if (qn_json_peek(&r->j) == 'n')
        return qn_json_null(&r->j);
    QN_TRY_OUT(qn_json_enter(&r->j, '{'));
    while ((more = qn_json_key(&r->j, &key)) > 0)
        QN_TRY_OUT(read_processor_member(r, key, &p));
    QN_TRY_OUT(more);
    QN_TRY_OUT(take_processor(r, &p));
out:
    qn_free(p.pieces);
    return rc;
}

/* ---- added tokens ------------------------------------------------------------------------------------------------ */

static int read_added(reader *r) {
    qn_tok_added a = {.id = -1};
    int64_t id = -1;
    qn_str key;
    int more;
    const struct { const char *key; bool *flag; } flags[] = {
        {"special", &a.special}, {"lstrip", &a.lstrip}, {"rstrip", &a.rstrip}, {"single_word", &a.single_word},
        {"normalized", &a.normalized},
    };
    QN_TRY(qn_json_enter(&r->j, '{'));
    while ((more = qn_json_key(&r->j, &key)) > 0) {
        size_t i = 0;
        while (i < QN_LEN(flags) && !qn_str_is(key, flags[i].key))
            i++;
        QN_TRY(i < QN_LEN(flags)             ? read_flag(r, flags[i].flag)
               : qn_str_is(key, "id")        ? read_id(r, &id)
               : qn_str_is(key, "content")   ? read_text(r, &a.text)
                                             : qn_json_skip(&r->j));
    }
    QN_TRY(more);
    if (id < 0)
        return qn_json_fail(&r->j, QN_EFORMAT, "an added token without an id");
    a.id = (int32_t)id;
    return a.text.n ? qn_tok_spec_added(r->spec, &a) : 0;       /* an empty one never matches */
}

static int read_added_tokens(reader *r) {
    int item;
    QN_TRY(qn_json_enter(&r->j, '['));
    while ((item = qn_json_item(&r->j)) > 0)
        QN_TRY(read_added(r));
    return item;
}

/* ---- the model --------------------------------------------------------------------------------------------------- */

static int read_vocab(reader *r) {
    qn_str key;
    int more;
    int64_t id;
    if (qn_json_peek(&r->j) == '[')
        return qn_json_fail(&r->j, QN_EUNSUPPORTED, "a vocabulary that is a list (Unigram) is not supported");
    QN_TRY(qn_json_enter(&r->j, '{'));
    while ((more = qn_json_key(&r->j, &key)) > 0) {
        qn_buf_clear(&r->text);
        QN_TRY(qn_buf_put(&r->text, key.s, key.n));             /* the key is good until the next call only */
        QN_TRY(read_id(r, &id));
        QN_TRY(qn_tok_spec_token(r->spec, id, qn_buf_view(&r->text), QN_TOKEN_NORMAL));
    }
    return more;
}

/* ["a", "b"], or "a b" in older files. */
static int read_merge(reader *r) {
    qn_str half[2] = {{"", 0}, {"", 0}};
    qn_buf_clear(&r->text);
    if (qn_json_peek(&r->j) == '[') {
        int item, n = 0;
        size_t border = 0;
        QN_TRY(qn_json_enter(&r->j, '['));
        while ((item = qn_json_item(&r->j)) > 0) {
            border = n == 1 ? r->text.n : border;
            QN_TRY(qn_json_string(&r->j, &r->text));
            n++;
        }
        QN_TRY(item);
        if (n != 2)
            return qn_json_fail(&r->j, QN_EFORMAT, "a merge of %d tokens; two are expected", n);
        half[0] = (qn_str){r->text.s, border};
        half[1] = (qn_str){r->text.s + border, r->text.n - border};
        return qn_tok_spec_merge(r->spec, half[0], half[1]);
    }
    QN_TRY(qn_json_string(&r->j, &r->text));
    if (qn_str_starts(qn_buf_view(&r->text), "#version"))       /* the first line of merges.txt, carried over */
        return 0;
    const char *space = r->text.n ? memchr(r->text.s, ' ', r->text.n) : NULL;
    size_t border = space ? (size_t)(space - r->text.s) : 0;
    if (!space || memchr(space + 1, ' ', r->text.n - border - 1))
        return qn_json_fail(&r->j, QN_EFORMAT, "the merge \"%.*s\" is not two tokens with a space between",
                            QN_STR_ARG(qn_buf_view(&r->text)));
    half[0] = (qn_str){r->text.s, border};
    half[1] = (qn_str){space + 1, r->text.n - border - 1};
    return qn_tok_spec_merge(r->spec, half[0], half[1]);
}

static int read_merges(reader *r) {
    int item;
    QN_TRY(qn_json_enter(&r->j, '['));
    while ((item = qn_json_item(&r->j)) > 0)
        QN_TRY(read_merge(r));
    return item;
}

static int read_model_type(reader *r) {
    qn_str type;
    QN_TRY(read_text(r, &type));
    r->wordpiece = qn_str_is(type, "WordPiece");
    if (!r->wordpiece && !qn_str_is(type, "BPE"))
        return qn_json_fail(&r->j, QN_EUNSUPPORTED, "the model \"%.*s\" is not supported (BPE and WordPiece are)",
                            QN_STR_ARG(type));
    return 0;
}

/* "dropout" is not looked at: it belongs to training. */
static int read_model(reader *r) {
    qn_tok_spec *s = r->spec;
    qn_str key, unk = {"", 0};
    int more;
    bool vocab = false, merges = false;
    QN_TRY(qn_json_enter(&r->j, '{'));
    while ((more = qn_json_key(&r->j, &key)) > 0) {
        vocab = vocab || qn_str_is(key, "vocab");
        merges = merges || qn_str_is(key, "merges");
        QN_TRY(qn_str_is(key, "type")                        ? read_model_type(r)
               : qn_str_is(key, "vocab")                     ? read_vocab(r)
               : qn_str_is(key, "merges")                    ? read_merges(r)
               : qn_str_is(key, "unk_token")                 ? read_text(r, &unk)
               : qn_str_is(key, "continuing_subword_prefix") ? read_text(r, &s->continuing_prefix)
               : qn_str_is(key, "end_of_word_suffix")        ? read_text(r, &s->end_suffix)
               : qn_str_is(key, "byte_fallback")             ? read_flag(r, &s->byte_fallback)
               : qn_str_is(key, "fuse_unk")                  ? read_flag(r, &s->fuse_unk)
               : qn_str_is(key, "ignore_merges")             ? read_flag(r, &s->ignore_merges)
               : qn_str_is(key, "max_input_chars_per_word")  ? qn_json_i64(&r->j, &s->max_word)
                                                             : qn_json_skip(&r->j));
    }
    QN_TRY(more);
    r->wordpiece = r->wordpiece || (!merges && s->max_word > 0);            /* old files give no type */
    if (!vocab || (!merges && !r->wordpiece))
        return qn_json_fail(&r->j, QN_EUNSUPPORTED, "a model without \"%s\" (BPE and WordPiece are supported)",
                            vocab ? "merges" : "vocab");
    s->model = r->wordpiece ? QN_TOK_WORDPIECE : QN_TOK_BPE;
    if (r->wordpiece && s->max_word == 0)
        s->max_word = 100;
    s->unk = unk.n ? qn_tok_spec_find(s, unk) : -1;
    s->use_unk = s->unk >= 0;
    return 0;
}

/* ---- the document ------------------------------------------------------------------------------------------------ */

static int read_member(reader *r, qn_str key) {
    return qn_str_is(key, "added_tokens")     ? read_added_tokens(r)
           : qn_str_is(key, "normalizer")     ? read_component(r, "normalizers", take_normalizer)
           : qn_str_is(key, "pre_tokenizer")  ? read_component(r, "pretokenizers", take_pretokenizer)
           : qn_str_is(key, "decoder")        ? read_component(r, "decoders", take_decoder)
           : qn_str_is(key, "post_processor") ? read_processor(r)
           : qn_str_is(key, "model")          ? read_model(r)
                                              : qn_json_skip(&r->j);
}

int qn_tokenizer_json_parse(const char *text, size_t n, const char *name, qn_tok_spec *out) {
    reader r = {.spec = out, .bytes = n};
    qn_str key;
    int rc = 0, more;
    qn_tok_spec_init(out);
    qn_json_init(&r.j, text, n, name);
    QN_TRY_OUT(qn_json_enter(&r.j, '{'));
    while ((more = qn_json_key(&r.j, &key)) > 0)
        QN_TRY_OUT(read_member(&r, key));
    QN_TRY_OUT(more);
    QN_TRY_OUT(qn_json_end(&r.j));
    if (out->model == QN_TOK_MODEL_NONE)
        rc = qn_fail(QN_EFORMAT, "%s: no \"model\"", name);
out:
    if (rc < 0)
        qn_tok_spec_drop(out);
    qn_buf_drop(&r.text);
    qn_json_drop(&r.j);
    return rc;
}
