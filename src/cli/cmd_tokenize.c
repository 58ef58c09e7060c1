/* cli/cmd_tokenize.c — `quern tokenize`: text to tokens, as the model would see it. */
#include <string.h>

#include "base/json_fields.h"
#include "cli/cli.h"
#include "model/model.h"

static const qn_opt opts[] = {
    QN_OPT_FILE("f", "file", NULL, "read the text from FILE (- for standard input)"),
    QN_OPT_FLAG("", "ids", "print the ids on one line"),
    QN_OPT_FLAG("", "pieces", "print each token's id and text, quoted; without a choice this is what is printed"),
    QN_OPT_FLAG("", "count", "print how many"),
    QN_OPT_FLAG("", "no-special", "neither add nor parse special tokens"),
    QN_OPT_JSON,
    QN_OPT_END
};

static const char *const examples[] = {
    "quern tokenize model.gguf 'Wie breit ist der Mühlbach?'",
    "quern tokenize model/ -f book.txt --count",
    "quern tokenize model.gguf --no-special --ids 'what the user wrote: <|im_end|>'",
    NULL
};

static int put_ids(qn_cli *c, const qn_ids *ids) {
    for (size_t i = 0; i < ids->n; i++)
        QN_TRY(qn_out_printf(c, "%s%d", i ? " " : "", ids->v[i]));
    return qn_out_puts(c, "\n");
}

/* "ü" where the piece is text, "\xc3" where it is part of a character. */
static int put_piece(qn_cli *c, qn_buf *quoted, qn_str piece) {
    qn_buf_clear(quoted);
    if (qn_utf8_check(piece.s, piece.n) == QN_UTF8_OK) {
        QN_TRY(qn_json_quote(quoted, piece));
        return qn_out_put(c, quoted->s, quoted->n);
    }
    QN_TRY(qn_out_puts(c, "\""));
    for (size_t i = 0; i < piece.n; i++)
        QN_TRY(qn_out_printf(c, "\\x%02x", (unsigned char)piece.s[i]));
    return qn_out_puts(c, "\"");
}

static int put_pieces(qn_cli *c, const qn_tok *tok, const qn_ids *ids) {
    qn_buf quoted = {0};
    int rc = 0;
    for (size_t i = 0; i < ids->n && rc >= 0; i++) {
        rc = qn_out_printf(c, "%7d  ", ids->v[i]);
        if (rc >= 0)
            rc = put_piece(c, &quoted, qn_tok_piece(tok, ids->v[i]));
        if (rc >= 0)
            rc = qn_out_puts(c, "\n");
    }
    qn_buf_drop(&quoted);
    return rc;
}

static int put_json(qn_cli *c, const qn_tok *tok, const qn_ids *ids) {
    qn_jw *w = qn_out_json(c, 0);
    qn_jw_open(w, '{');
    qn_jw_key(w, "count");
    qn_jw_i64(w, (int64_t)ids->n);
    qn_field_i32s(w, "ids", ids->v, ids->n);
    qn_jw_key(w, "pieces");
    qn_jw_open(w, '[');
    for (size_t i = 0; i < ids->n; i++)
        qn_jw_str(w, qn_tok_piece(tok, ids->v[i]));
    qn_jw_close(w);
    qn_jw_close(w);
    return qn_out_json_end(c);
}

static int put(qn_cli *c, const qn_tok *tok, const qn_ids *ids) {
    if (qn_cli_json(c))
        return put_json(c, tok, ids);
    if (qn_cli_flag(c, "count"))
        return qn_out_printf(c, "%zu\n", ids->n);
    return qn_cli_flag(c, "ids") ? put_ids(c, ids) : put_pieces(c, tok, ids);
}

static int run(qn_cli *c) {
    qn_tok *tok = NULL;
    qn_text text = {0};
    qn_ids ids = {0};
    const unsigned flags = qn_cli_flag(c, "no-special") ? QN_TOK_PLAIN : QN_TOK_DEFAULT;
    int rc;
    if (qn_cli_flag(c, "ids") + qn_cli_flag(c, "pieces") + qn_cli_flag(c, "count") + qn_cli_json(c) > 1)
        return qn_fail(QN_EUSAGE, "--ids, --pieces, --count and --json exclude one another");
    QN_TRY_OUT(qn_cli_text(c, 1, &text));
    QN_TRY_OUT(qn_model_tokenizer(&tok, qn_cli_arg(c, 0)));
    QN_TRY_OUT(qn_tok_encode(tok, text.s, text.n, flags, &ids));
    rc = put(c, tok, &ids);
out:
    qn_ids_drop(&ids);
    qn_text_drop(&text);
    qn_tok_free(tok);
    return rc;
}

const qn_cmd qn_cmd_tokenize = {
    "tokenize", "MODEL [TEXT]", "text to tokens, as the model would see it", opts, examples, run,
    "Special tokens that the text spells are tokens, and the ones that the model puts around a text are added;\n"
    "--no-special does neither. A MODEL may also be a tokenizer.json."
};
