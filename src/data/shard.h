/* data/shard.h — one file of tokens: ids, then where documents end. Private to src/data.
 *
 *      0  "QNTOKENS"                       8   u32 version 1          12  u32 bytes of an id: 2 or 4
 *     16  u64 tokens                      24   u64 document ends      32  u64 vocabulary: ids are below it
 *     40  u64 checksum of what follows the header                     48  u64 0     56  u64 checksum of bytes 0 … 55
 *     64  ids [tokens], zeros up to a multiple of 8
 *      …  u32 ends [document ends]: the number of tokens up to each end, ascending
 *
 * The shards of a split make one stream of tokens. A document may run on into the next shard of its source: its end
 * then stands there. Everything is little-endian. */
#ifndef QN_DATA_SHARD_H
#define QN_DATA_SHARD_H

#include "base/file.h"

#define QN_SHARD_HEADER 64
#define QN_SHARD_VERSION 1
#define QN_SHARD_BYTES ((int64_t)256 << 20)         /* how large shards become */
#define QN_SHARD_MIN_BYTES 256                      /* for tests */

/* The checksum of a file in pieces: qn_hash_bytes over blocks of 64 KiB, each seeded with the one before. */
typedef struct { uint64_t h; size_t n; unsigned char block[64 << 10]; } qn_shard_sum;
void qn_shard_sum_put(qn_shard_sum *s, const void *bytes, size_t n);
uint64_t qn_shard_sum_end(qn_shard_sum *s);

/* ---- reading ---- */

typedef struct {
    qn_map_file file;           /* {0} where the bytes are the caller's */
    const char *name;
    int width;
    int64_t tokens, ends, vocab;
    uint64_t checksum;
    const unsigned char *ids;
    const uint32_t *end;
    int64_t first;              /* of its tokens in the stream: the caller's */
} qn_shard;

/* Checks header, lengths and ends, not the ids. QN_EFORMAT, QN_ETRUNC name the file and what is wrong. */
int qn_shard_parse(qn_shard *s, const char *bytes, size_t n, const char *name);     /* bytes aligned to 8, borrowed */
int qn_shard_open(qn_shard *s, const char *path);
void qn_shard_close(qn_shard *s);
int qn_shard_verify(const qn_shard *s);             /* checksum, and every id below the vocabulary */
/* Tokens [from, from + n) of the stream that these shards make, which must lie in it. QN_EFORMAT for an id that is not
 * below the vocabulary. */
int qn_shards_read(const qn_shard *shard, size_t n_shards, int64_t from, int64_t n, int32_t *out);

/* ---- writing ---- */

typedef struct {
    int width;
    int64_t tokens, ends, vocab, bytes_max;
    qn_out_file file;
    qn_buf gather, end;
    qn_shard_sum *sum;
} qn_shard_writer;

int qn_shard_writer_open(qn_shard_writer *w, const char *path, int64_t vocab, int64_t bytes_max);
int64_t qn_shard_writer_room(const qn_shard_writer *w);                 /* tokens that still go in, one end kept free */
int qn_shard_writer_put(qn_shard_writer *w, const int32_t *ids, int64_t n);
int qn_shard_writer_end(qn_shard_writer *w);                            /* a document ends here */
int qn_shard_writer_commit(qn_shard_writer *w, uint64_t *checksum);
void qn_shard_writer_drop(qn_shard_writer *w);                          /* without commit nothing is left behind */

#endif
