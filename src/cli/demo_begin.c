/* cli/demo_begin.c — how texts of the user's begin: what the model is asked to go on with, in the script it knows. */
#include <string.h>

#include "cli/demo.h"
#include "data/dataset.h"
#include "model/model.h"

enum { TOKENS = 96, WORDS = 3, CHARACTERS = 24, WITHOUT_BLANKS = 4 };

/* The first words of s; of a script that has no blanks, the first characters. */
static qn_str first_words(qn_str s) {
    size_t n = 0, end = 0, some = 0;
    int words = 0, characters = 0;
    while (s.n > 0 && qn_is_space(s.s[0]))
        s.s++, s.n--;
    for (; n < s.n && words < WORDS && characters <= CHARACTERS; n++) {
        const unsigned char c = (unsigned char)s.s[n];
        characters += (c & 0xc0) != 0x80;
        some = characters <= WITHOUT_BLANKS ? n + 1 : some;
        if (c == ' ' && n > 0 && s.s[n - 1] != ' ') {
            end = n;
            words++;
        } else if (c < ' ' || c == 0x7f) {
            end = n;
            break;
        }
    }
    if (n == s.n && words < WORDS && characters <= CHARACTERS)
        end = n;
    return (qn_str){s.s, end ? end : QN_MIN(some, s.n)};
}

/* Behind the first blank: where text was cut anywhere, half a word may stand first. */
static qn_str whole_words(qn_str s) {
    for (size_t i = 0; i < s.n; i++)
        if (qn_is_space(s.s[i]))
            return (qn_str){s.s + i, s.n - i};
    return s;
}

static int begin_at(const qn_dataset *d, const qn_tok *tok, int64_t from, int64_t n, bool within, qn_buf *out) {
    int32_t ids[TOKENS];
    qn_buf text = {0};
    n = QN_MIN(n, TOKENS);
    int rc = qn_dataset_read(d, QN_SPLIT_VALIDATION, from, n, ids);
    if (rc >= 0)
        rc = qn_tok_decode(tok, ids, (size_t)n, QN_TOK_SKIP_SPECIAL, &text);
    if (rc >= 0) {
        const qn_str all = text.n ? qn_buf_view(&text) : QN_STR("");
        const qn_str words = first_words(within ? whole_words(all) : all);
        rc = words.n ? qn_buf_put(out, words.s, words.n) : qn_buf_puts(out, "The");
    }
    qn_buf_drop(&text);
    return rc;
}

/* The first document of the validation text, and one in its middle (of a single one, its own middle). */
static int both(const qn_dataset *d, const qn_tok *tok, qn_buf out[2]) {
    const int64_t documents = qn_dataset_info(d, QN_SPLIT_VALIDATION).documents;
    for (int i = 0; i < 2; i++) {
        int64_t from, n;
        if (documents == 0) {
            QN_TRY(qn_buf_puts(&out[i], i ? "And" : "The"));
            continue;
        }
        qn_dataset_document(d, QN_SPLIT_VALIDATION, i ? documents / 2 : 0, &from, &n);
        const int64_t in = documents == 1 && i ? n / 2 : 0;
        QN_TRY(begin_at(d, tok, from + in, n - in, in > 0, &out[i]));
    }
    return 0;
}

int qn_demo_beginnings(qn_demo *d, qn_buf out[2]) {
    qn_dataset *data = NULL;
    qn_tok *tok = NULL;
    const char *path = qn_demo_path(d, "data");
    int rc = path ? qn_dataset_open(&data, path) : QN_ENOMEM;
    if (rc >= 0)
        rc = (path = qn_demo_path(d, "tokenizer/tokenizer.json")) ? qn_model_tokenizer(&tok, path) : QN_ENOMEM;
    if (rc >= 0)
        rc = both(data, tok, out);
    qn_tok_free(tok);
    qn_dataset_close(data);
    return rc;
}
