/* cli/show_tokens.h — tokens as a reader may look at them: text in which special tokens stand out, and so do those that
 * a model is not taught. What could confuse a terminal or a reader's eye is spelled out.
 *
 *     on a terminal   special tokens in colour, what is not taught dim
 *     elsewhere       ⟦<|im_end|>⟧ is one special token, ‹not taught› */
#ifndef QN_CLI_SHOW_TOKENS_H
#define QN_CLI_SHOW_TOKENS_H

#include "cli/cli.h"
#include "tok/tok.h"

/* Appends n tokens; taught[i] says whether token i is a target (NULL: all of them are). */
int qn_show_tokens(qn_buf *out, const qn_tok *tok, const int32_t *ids, const bool *taught, size_t n, bool color);

#endif
