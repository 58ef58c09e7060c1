/* world/world_files.h — what a world's folder holds; facts.jsonl and world.json. */
#ifndef QN_WORLD_WORLD_FILES_H
#define QN_WORLD_WORLD_FILES_H

#include "base/json.h"
#include "world/corpus_write.h"

/* Is this the name of a file or folder that a world has? inside: NULL for its own folder, or "corpus", "eval",
 * "sidecar". */
bool qn_world_has_file(const char *inside, const char *name);

/* A line a fact: those of people (band, mentions as they were counted, forms they were seen in), of values, of kinship.
 * mentions, forms: [qn_fact_ids]. */
int qn_world_put_facts(const qn_world *w, const int32_t *mentions, const uint16_t *forms, qn_buf *out);
/* The members of world.json that say what the world is; the caller closes the object. */
void qn_world_put_head(const qn_world *w, qn_jw *j);

#endif
