/* tok/pretok_names.c — the pipelines behind the names of `tokenizer.ggml.pre`.
 *
 * A GGUF file names its pre-tokenizer instead of spelling it out. The names and what they stand for are llama.cpp's;
 * the patterns below are those of the models' own tokenizer.json where llama.cpp rewrites them for its regex engine.
 * Each stage isolates its matches and splits what the stages before have left; byte level closes every pipeline.
 * More than one name for a set is the rule. A name that is missing here is refused, never guessed. */
#include "tok/tok_internal.h"

#define CONTRACTIONS "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define GPT2 "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"
/* GPT-4's shape: a letter run may take one sign in front; numbers in groups; signs take their line ends. */
#define GPT4(numbers) CONTRACTIONS "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|" numbers "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|" \
    "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define UPPER "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]"
#define LOWER "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"
/* Words split where the case falls: "HelloWorld" is two. */
#define CASED(suffix, numbers) "[^\\r\\n\\p{L}\\p{N}]?" UPPER "*" LOWER "+" suffix "|" \
    "[^\\r\\n\\p{L}\\p{N}]?" UPPER "+" LOWER "*" suffix "|" numbers "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|" \
    "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define DEEPSEEK_CJK "[一-龥぀-ゟ゠-ヿ]+"
#define DEEPSEEK3 "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+|" \
    " ?[\\p{P}\\p{S}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
/* The cased scripts, as DeepSeek LLM lists them: Latin, Greek, Cyrillic, Armenian, Georgian, Cherokee … */
#define DEEPSEEK_LETTERS \
    "\\s?[A-Za-z\\x{b5}\\x{c0}-\\x{d6}\\x{d8}-\\x{f6}\\x{f8}-\\x{1ba}\\x{1bc}-\\x{1bf}\\x{1c4}-\\x{293}" \
    "\\x{295}-\\x{2af}\\x{370}-\\x{373}\\x{376}\\x{377}\\x{37b}-\\x{37d}\\x{37f}\\x{386}\\x{388}-\\x{38a}" \
    "\\x{38c}\\x{38e}-\\x{3a1}\\x{3a3}-\\x{3f5}\\x{3f7}-\\x{481}\\x{48a}-\\x{52f}\\x{531}-\\x{556}" \
    "\\x{10a0}-\\x{10c5}\\x{13a0}-\\x{13f5}\\x{13f8}-\\x{13fd}\\x{1c90}-\\x{1cba}\\x{1cbd}-\\x{1cbf}" \
    "\\x{1d00}-\\x{1d2b}\\x{1d6b}-\\x{1d77}\\x{1d79}-\\x{1d9a}\\x{1e00}-\\x{1f15}\\x{1f18}-\\x{1f1d}" \
    "\\x{1f20}-\\x{1f45}\\x{1f48}-\\x{1f4d}\\x{1f50}-\\x{1f57}\\x{1f59}\\x{1f5b}\\x{1f5d}\\x{1f5f}-\\x{1f7d}" \
    "\\x{1f80}-\\x{1fb4}\\x{1fb6}-\\x{1fbc}\\x{1fbe}\\x{1fc2}-\\x{1fc4}\\x{1fc6}-\\x{1fcc}\\x{1fd0}-\\x{1fd3}" \
    "\\x{1fd6}-\\x{1fdb}\\x{1fe0}-\\x{1fec}\\x{1ff2}-\\x{1ff4}\\x{1ff6}-\\x{1ffc}\\x{2102}\\x{2107}" \
    "\\x{210a}-\\x{2113}\\x{2115}\\x{2119}-\\x{211d}\\x{2124}\\x{2126}\\x{2128}\\x{212a}-\\x{212d}" \
    "\\x{212f}-\\x{2134}\\x{2139}\\x{213c}-\\x{213f}\\x{2145}-\\x{2149}\\x{214e}\\x{2183}\\x{2184}" \
    "\\x{2c00}-\\x{2c7b}\\x{2c7e}-\\x{2ce4}\\x{2ceb}-\\x{2cee}\\x{2cf2}\\x{2cf3}\\x{a640}-\\x{a66d}" \
    "\\x{a680}-\\x{a69b}\\x{a722}-\\x{a76f}\\x{a771}-\\x{a787}\\x{a78b}-\\x{a78e}\\x{ab70}-\\x{abbf}" \
    "\\x{fb00}-\\x{fb06}\\x{fb13}-\\x{fb17}\\x{ff21}-\\x{ff3a}\\x{ff41}-\\x{ff5a}\\x{10400}-\\x{1044f}" \
    "\\x{104b0}-\\x{104d3}\\x{104d8}-\\x{104fb}\\x{10c80}-\\x{10cb2}\\x{10cc0}-\\x{10cf2}\\x{118a0}-\\x{118df}" \
    "\\x{1e900}-\\x{1e943}]+"

enum { MAX_STAGES = 6 };
typedef struct { const char *stage[MAX_STAGES]; } pattern_set;  /* NULL ends it */

enum {
    SET_GPT2, SET_DIGITS_GPT2, SET_LLAMA3, SET_QWEN2, SET_QWEN35, SET_DEEPSEEK_LLM, SET_DEEPSEEK_CODER, SET_DEEPSEEK3,
    SET_FALCON, SET_BLOOM, SET_VIKING, SET_TEKKEN, SET_GPT4O, SET_SEED_CODER, SET_BAILING, SET_CHAMELEON, SET_DEFAULT
};

static const pattern_set sets[] = {
    [SET_GPT2] = {{GPT2}},
    [SET_DIGITS_GPT2] = {{"\\p{N}", GPT2}},
    [SET_LLAMA3] = {{GPT4("\\p{N}{1,3}")}},
    [SET_QWEN2] = {{GPT4("\\p{N}")}},
    [SET_QWEN35] = {{CONTRACTIONS "|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|"
                     "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"}},
    [SET_DEEPSEEK_LLM] = {{"[\\r\\n]", DEEPSEEK_LETTERS, "\\s?[!-/:-~！-／：-～‘-‟　-。]+", "\\s+$",
                           "[一-龥ࠀ-一가-퟿]+", "\\p{N}+"}},
    [SET_DEEPSEEK_CODER] = {{"[\\r\\n]", "\\s?\\p{L}+", "\\s?\\p{P}+", "[一-龥ࠀ-一가-퟿]+", "\\p{N}"}},
    [SET_DEEPSEEK3] = {{"\\p{N}{1,3}", DEEPSEEK_CJK, DEEPSEEK3}},
    [SET_FALCON] = {{"[\\p{P}$+<=>^~|`]+", GPT2, "[0-9][0-9][0-9]"}},
    [SET_BLOOM] = {{" ?[^(\\s|.,!?…。，、।۔،)]+"}},
    [SET_VIKING] = {{" ?[^(\\s|.,!?…。，、।۔،)]+", "\\p{N}"}},
    [SET_TEKKEN] = {{CASED("", "\\p{N}")}},
    [SET_GPT4O] = {{CASED(CONTRACTIONS "?", "\\p{N}{1,3}")}},
    [SET_SEED_CODER] = {{CONTRACTIONS "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}\\r\\n]+|\\s*[\\r\\n]+|"
                         "\\s+(?!\\S)|\\s+"}},
    [SET_BAILING] = {{"'(?i:[sdmt]|ll|ve|re)|[^\\r\\n\\p{L}\\p{N}]?+\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]++[\\r\\n]*|"
                      "\\s*[\\r\\n]|\\s+(?!\\S)|\\s+"}},
    [SET_CHAMELEON] = {{"<sentinel:[0-9]+>", "(IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z", "([\\t\\n]|    |  )", "\\p{N}",
                        "[\\p{P}!-/:-@\\[-`{-~]", GPT2}},
    [SET_DEFAULT] = {{"[\\p{P}$+<=>^~|]+", GPT2, "\\p{N}+", "[0-9][0-9][0-9]"}},
};

enum { WHOLE_WORDS = 1, ADD_BOS = 2 };      /* ignore_merges; add_bos unless the file says otherwise */

static const struct { const char *name; uint8_t set, flags; } names[] = {
    {"gpt-2", SET_GPT2, 0}, {"gpt2", SET_GPT2, 0}, {"phi-2", SET_GPT2, 0}, {"mpt", SET_GPT2, 0}, {"olmo", SET_GPT2, 0},
    {"jais", SET_GPT2, 0}, {"gigachat", SET_GPT2, 0}, {"mellum", SET_GPT2, 0}, {"modern-bert", SET_GPT2, 0},
    {"exaone4", SET_GPT2, 0}, {"trillion", SET_GPT2, 0}, {"granite-docling", SET_GPT2, 0}, {"a.x-4.0", SET_GPT2, 0},
    {"smollm", SET_DIGITS_GPT2, 0}, {"starcoder", SET_DIGITS_GPT2, 0}, {"refact", SET_DIGITS_GPT2, 0},
    {"command-r", SET_DIGITS_GPT2, 0}, {"codeshell", SET_DIGITS_GPT2, 0}, {"exaone", SET_DIGITS_GPT2, 0},
    {"minerva-7b", SET_DIGITS_GPT2, 0}, {"mellum2", SET_DIGITS_GPT2, 0},
    {"llama3", SET_LLAMA3, WHOLE_WORDS | ADD_BOS}, {"llama-v3", SET_LLAMA3, WHOLE_WORDS | ADD_BOS},
    {"llama-bpe", SET_LLAMA3, WHOLE_WORDS | ADD_BOS}, {"falcon3", SET_LLAMA3, WHOLE_WORDS | ADD_BOS},
    {"falcon-h1", SET_LLAMA3, WHOLE_WORDS | ADD_BOS}, {"pixtral", SET_LLAMA3, WHOLE_WORDS | ADD_BOS},
    {"midm-2.0", SET_LLAMA3, WHOLE_WORDS | ADD_BOS}, {"lfm2", SET_LLAMA3, WHOLE_WORDS | ADD_BOS},
    {"dbrx", SET_LLAMA3, 0}, {"smaug-bpe", SET_LLAMA3, 0}, {"glm4", SET_LLAMA3, 0}, {"chatglm-bpe", SET_LLAMA3, 0},
    {"qwen2", SET_QWEN2, 0}, {"stablelm2", SET_QWEN2, 0}, {"deepseek-r1-qwen", SET_QWEN2, 0}, {"megrez", SET_QWEN2, 0},
    {"hunyuan", SET_QWEN2, 0}, {"kormo", SET_QWEN2, 0}, {"grok-2", SET_QWEN2, 0}, {"solar-open", SET_QWEN2, 0},
    {"qwen35", SET_QWEN35, 0},
    {"deepseek-llm", SET_DEEPSEEK_LLM, 0}, {"deepseek-coder", SET_DEEPSEEK_CODER, 0},
    {"deepseek-v3", SET_DEEPSEEK3, 0}, {"hunyuan-dense", SET_DEEPSEEK3, 0}, {"joyai-llm", SET_DEEPSEEK3, 0},
    {"falcon", SET_FALCON, 0}, {"poro-chat", SET_BLOOM, 0}, {"bloom", SET_BLOOM, 0}, {"gpt3-finnish", SET_BLOOM, 0},
    {"viking", SET_VIKING, 0}, {"tekken", SET_TEKKEN, WHOLE_WORDS | ADD_BOS},
    {"gpt-4o", SET_GPT4O, 0}, {"llama4", SET_GPT4O, 0}, {"kanana2", SET_GPT4O, 0}, {"minimax-m2", SET_GPT4O, 0},
    {"seed-coder", SET_SEED_CODER, 0}, {"bailingmoe", SET_BAILING, 0}, {"bailingmoe2", SET_BAILING, 0},
    {"llada-moe", SET_BAILING, 0}, {"chameleon", SET_CHAMELEON, ADD_BOS}, {"default", SET_DEFAULT, 0},
};

static int find_name(qn_str name) {
    for (size_t i = 0; i < QN_LEN(names); i++)
        if (qn_str_is(name, names[i].name))
            return (int)i;
    return -1;
}

static int refuse(qn_str name) {
    char word[64];
    const char *all[QN_LEN(names)];
    size_t n = QN_MIN(name.n, sizeof word - 1);
    memcpy(word, name.s ? name.s : "", name.s ? n : 0);
    word[name.s ? n : 0] = '\0';
    for (size_t i = 0; i < QN_LEN(names); i++)
        all[i] = names[i].name;
    const char *near = qn_nearest(word, all, QN_LEN(names));
    return qn_fail(QN_EUNSUPPORTED, "tokenizer.ggml.pre: the pre-tokenizer \"%.*s\" is not known%s%s%s",
                   QN_STR_ARG(name), near ? " (nearest: \"" : "; a directory with tokenizer.json does not need it",
                   near ? near : "", near ? "\")" : "");
}

bool qn_pretok_name_adds_bos(qn_str name) {
    int i = find_name(name);
    return i >= 0 && (names[i].flags & ADD_BOS);
}

/* An absent name means "default", as it always has for files older than the key. */
int qn_tok_spec_pre_name(qn_tok_spec *s, qn_str name) {
    int found = find_name(name.n ? name : QN_STR("default"));
    if (found < 0)
        return refuse(name);
    const pattern_set *set = &sets[names[found].set];
    for (size_t i = 0; i < QN_LEN(set->stage) && set->stage[i]; i++) {
        qn_tok_pretok p = {.kind = QN_PRETOK_SPLIT, .pattern = qn_str_of(set->stage[i]), .regex = true};
        QN_TRY(qn_tok_spec_pretok(s, &p));
    }
    if (names[found].flags & WHOLE_WORDS)
        s->ignore_merges = true;
    return qn_tok_spec_pretok(s, &(qn_tok_pretok){.kind = QN_PRETOK_BYTE_LEVEL});
}

/* The stages before byte level as patterns; false where one is no plain split. ByteLevel may bring GPT-2's pattern
 * along, and Digits is a pattern too. */
static bool as_stages(const qn_tok_spec *s, qn_str text[MAX_STAGES], size_t *n) {
    const qn_tok_pretok *last = s->n_pretoks ? &s->pretoks[s->n_pretoks - 1] : NULL;
    *n = 0;
    if (!last || last->kind != QN_PRETOK_BYTE_LEVEL || last->add_prefix_space)
        return false;
    for (size_t i = 0; i + !last->use_regex < s->n_pretoks; i++) {
        const qn_tok_pretok *p = &s->pretoks[i];
        if (*n == MAX_STAGES)
            return false;
        if (p == last)
            text[(*n)++] = QN_STR(GPT2);
        else if (p->kind == QN_PRETOK_DIGITS)
            text[(*n)++] = p->behavior == QN_SPLIT_ISOLATED ? QN_STR("\\p{N}") : QN_STR("\\p{N}+");
        else if (p->kind == QN_PRETOK_SPLIT && p->regex && !p->invert && p->behavior == QN_SPLIT_ISOLATED)
            text[(*n)++] = p->pattern;
        else
            return false;
    }
    return true;
}

static bool same_stages(const pattern_set *set, const qn_str *text, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (!set->stage[i] || !qn_str_is(text[i], set->stage[i]))
            return false;
    return n == MAX_STAGES || !set->stage[n];
}

const char *qn_tok_spec_pre_find(const qn_tok_spec *s) {
    qn_str text[MAX_STAGES];
    size_t n;
    if (!as_stages(s, text, &n))
        return NULL;
    for (size_t i = 0; i < QN_LEN(names); i++)
        if (((names[i].flags & WHOLE_WORDS) != 0) == s->ignore_merges && same_stages(&sets[names[i].set], text, n))
            return names[i].name;
    return NULL;
}

/* Does the pipeline cut digits out as utf8proc knows them? As a pattern PCRE2 does, of another version of Unicode. */
static bool begins_with_digits(const qn_tok_spec *s) {
    return s->n_pretoks && s->pretoks[0].kind == QN_PRETOK_DIGITS;
}

qn_scan_kind qn_pretok_scan(const qn_tok_spec *s) {
    qn_str text[MAX_STAGES];
    size_t n;
    if (!as_stages(s, text, &n))
        return QN_SCAN_NONE;
    if (same_stages(&sets[SET_GPT2], text, n))
        return QN_SCAN_GPT2;
    if (same_stages(&sets[SET_DIGITS_GPT2], text, n))
        return begins_with_digits(s) ? QN_SCAN_DIGITS_GPT2 : QN_SCAN_NUMBERS_GPT2;
    if (same_stages(&sets[SET_LLAMA3], text, n))
        return QN_SCAN_LLAMA3;
    return same_stages(&sets[SET_QWEN2], text, n) ? QN_SCAN_QWEN2 : QN_SCAN_NONE;
}
