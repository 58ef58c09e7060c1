/* fuzz/fuzz_shards.c — a file of tokens of any bytes; what opens is read from end to end. */
#include "data/shard.h"

#include <stdint.h>
#include <string.h>

static uint64_t aligned[1 << 14];

/* What is read is below the vocabulary, wherever it is read from. */
static void read_all(const qn_shard *s) {
    int32_t ids[64];
    for (int64_t from = 0; from < s->tokens; from += 61) {
        int64_t n = QN_MIN((int64_t)QN_LEN(ids), s->tokens - from);
        if (qn_shards_read(s, 1, from, n, ids) < 0)
            return;
        for (int64_t i = 0; i < n; i++)
            qn_assert(ids[i] >= 0 && ids[i] < s->vocab);
    }
}

static void parse(size_t size) {
    qn_shard s = {0};
    if (qn_shard_parse(&s, (const char *)aligned, size, "fuzz") < 0) {
        qn_assert(*qn_error_message());
        return;
    }
    for (int64_t i = 0; i < s.ends; i++)
        qn_assert(s.end[i] > 0 && s.end[i] <= s.tokens);
    read_all(&s);
    if (qn_shard_verify(&s) >= 0)
        read_all(&s);
}

/* As it is, and with a header whose checksum fits: behind it nothing may be trusted either. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size > sizeof aligned)
        return 0;
    memcpy(aligned, data, size);
    parse(size);
    if (size >= QN_SHARD_HEADER) {
        aligned[7] = qn_hash_bytes(aligned, 56, 0);
        parse(size);
    }
    return 0;
}
