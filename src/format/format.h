/* format/format.h — storey 2: bytes on disk. Front door.
 *
 *   cursor.h          bounded little-endian reads out of bytes that nobody vouches for
 *   meta.h            typed key-value table: GGUF metadata and JSON configurations look alike
 *   meta.c            the table, look-ups, arrays
 *   meta_json.c       a JSON document into the table, nested keys dotted
 *   tensors.h .c      the table of tensors that both weight containers fill: name → dtype, shape, bytes
 *   ggml_types.h .c   block sizes of every tensor type a GGUF may hold
 *   gguf.h .c         GGUF v2 and v3
 *   safetensors.h .c  safetensors, one file or shards with an index (safetensors_index.c)
 *   hf_config.h .c    config.json, generation_config.json, tokenizer_config.json, chat_template.jinja
 *   tokenizer_json.h  tokenizer.json into the plain tables of tok/
 *   jsonl.h .c        one JSON document per line, streamed
 *   json_array.h .c   the items of one JSON array, streamed
 *   -- the way out --
 *   tensors_write.h .c   tensors declared, then streamed: gguf_write.h .c, safetensors_write.h .c
 *   tokenizer_json_write.h .c
 *
 * Readers are total: any bytes give a result or an error that names the file and the place, never a crash. Every
 * length is held against the bytes that remain and every product against overflow before anything is allocated. Views
 * point into the mapped file and live as long as the reader. What is read, what is checked and the limits:
 * docs/FORMATS.md. */
#ifndef QN_FORMAT_FORMAT_H
#define QN_FORMAT_FORMAT_H

#include "format/gguf.h"
#include "format/hf_config.h"
#include "format/json_array.h"
#include "format/jsonl.h"
#include "format/meta.h"
#include "format/safetensors.h"
#include "format/tensors.h"

#endif
