/* base/dir.h — folders: listed, removed with what is in them, moved into place for good (made: file.h). */
#ifndef QN_BASE_DIR_H
#define QN_BASE_DIR_H

#include "base/str.h"

/* Removes a folder and everything below it; links are removed, never followed. Absent is fine. QN_EIO. */
int qn_dir_remove(const char *path);
/* Renames and makes the new name durable. The target must not exist, or be an empty folder or a file. QN_EIO. */
int qn_dir_move(const char *from, const char *to);
/* A symbolic link to `target` at `path`, in place of a link that stood there: one or the other is always there.
 * QN_EIO. */
int qn_dir_link(const char *target, const char *path);

/* Bytes that may still be written on the disk of `path`; where that is still to be made, of the folder that it will
 * stand in. QN_EIO. */
int qn_dir_room(const char *path, int64_t *bytes);
/* For tests: so many are said to be there from now on; <0: as many as there are. */
void qn_dir_room_is(int64_t bytes);

/* Names in a folder but "." and "..", sorted by bytes; to be dropped. QN_ENOTFOUND, QN_EIO. */
typedef struct { char **name; size_t n, cap; } qn_dir_names;
int qn_dir_list(qn_dir_names *l, const char *path);
void qn_dir_names_drop(qn_dir_names *l);

#endif
