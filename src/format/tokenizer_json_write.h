/* format/tokenizer_json_write.h — the plain tables of tok/ as Hugging Face's tokenizer.json. */
#ifndef QN_FORMAT_TOKENIZER_JSON_WRITE_H
#define QN_FORMAT_TOKENIZER_JSON_WRITE_H

#include "tok/tok.h"

/* Appends the document. What transformers reads from it gives the ids that qn_tok_new(spec) gives: merges that the
 * vocabulary lacks are left out where the spec allows that, and refused (QN_EFORMAT) where not; of two equal texts the
 * lower id stays. Texts must be UTF-8 (QN_EUTF8). BOS, EOS, UNK and PAD as such stand in other files. */
int qn_tokenizer_json_write(const qn_tok_spec *spec, qn_buf *out);

#endif
