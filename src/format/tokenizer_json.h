/* format/tokenizer_json.h — Hugging Face's tokenizer.json into the plain tables of tok/.
 *
 * Read are: the model BPE with all its options; every component that byte-level and SentencePiece-style BPE
 * vocabularies use (docs/FORMATS.md lists them); merges as "a b" and as ["a", "b"]; vocabularies with holes; added
 * tokens beyond the vocabulary. What changes ids and is not understood is QN_EUNSUPPORTED and named. Padding and
 * truncation, which some files carry over from training, are ignored.
 *
 * The ids of BOS, EOS and padding stand in other files: they are −1 here, for the caller to set. */
#ifndef QN_FORMAT_TOKENIZER_JSON_H
#define QN_FORMAT_TOKENIZER_JSON_H

#include "tok/tok.h"

/* name: for messages. *out is initialised in any case; on error it is empty. Nothing of text is borrowed. */
int qn_tokenizer_json_parse(const char *text, size_t n, const char *name, qn_tok_spec *out);

#endif
