/* cli/world_folder.h — where a world is written: beside its name, then moved into place as a whole.
 *
 *     OUT.partial      written here; "unfinished" in it says that it is ours, and goes last
 *     OUT.before       the world that --force replaces, while the new one takes its name
 *     OUT.known        answers of a model, until the world is whole (known_facts.h)
 *
 *     begin ──► OUT.partial ──► … all files … ──► put: OUT → OUT.before, OUT.partial → OUT, OUT.before removed
 *
 * Nothing is removed that no world has made: each name in a folder is looked at first, and one that is not ours is an
 * error that names it. At every moment the old world or the new one is whole. */
#ifndef QN_CLI_WORLD_FOLDER_H
#define QN_CLI_WORLD_FOLDER_H

#include "base/str.h"

/* {0} may be dropped. */
typedef struct {
    qn_buf out, partial, before, known; /* paths without slashes at their end */
    bool begun;                         /* partial is there, and is removed by drop */
} qn_world_folder;

/* Before any work: is this a place where a world may be put? QN_EUSAGE, QN_EINVAL: says what is in the way. */
int qn_world_folder_init(qn_world_folder *f, const char *out, bool force);
/* Makes the folder to write into: f->partial.s. What a killed run left there goes. */
int qn_world_folder_begin(qn_world_folder *f);
int qn_world_folder_put(qn_world_folder *f);
void qn_world_folder_drop(qn_world_folder *f);

#endif
