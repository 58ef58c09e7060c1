/* base/file.h — files: read-only maps, whole reads, and writes that are never half done. */
#ifndef QN_BASE_FILE_H
#define QN_BASE_FILE_H

#include "base/str.h"

/* A read-only map of a regular file. An empty file gives n = 0 and a non-NULL s. */
typedef struct { const char *s; size_t n; char *path; int fd; } qn_map_file;
int qn_map_open(qn_map_file *m, const char *path);      /* QN_ENOTFOUND, QN_EIO; directories are refused by name */
void qn_map_close(qn_map_file *m);
void qn_map_drop_pages(const qn_map_file *m, size_t offset, size_t n);   /* give the pages back; they reread on touch */

/* Appends the whole file to b. "-" is standard input. More than `limit` bytes is QN_ELIMIT. */
int qn_read_file(qn_buf *b, const char *path, size_t limit);
bool qn_is_dir(const char *path);
bool qn_is_file(const char *path);
int qn_path_join(qn_buf *out, const char *dir, const char *name);        /* clears out first */

/* Writing: to a temporary name in the same directory, fsync, rename, fsync of the directory. Until commit the target is
 * untouched; drop without commit removes the temporary file. Commit, failed or not, leaves nothing to drop (dropping
 * again is fine); a struct of {0} may be dropped too. A file that exists keeps its mode, a symbolic link stays one.
 * Each qn_out_write is a system call or more: gather small pieces in a qn_buf first. */
typedef struct { int fd; char *path, *temp; uint64_t written; } qn_out_file;
int qn_out_open(qn_out_file *f, const char *path);
int qn_out_write(qn_out_file *f, const void *bytes, size_t n);
/* Writes over n bytes that were written before: a header whose numbers are known only at the end. */
int qn_out_patch(qn_out_file *f, uint64_t offset, const void *bytes, size_t n);
int qn_out_commit(qn_out_file *f);
void qn_out_drop(qn_out_file *f);

/* Tests: the n-th write from now (0 = the next) fails as on a full disk, half of it written; a commit counts as a
 * write, because a full disk may show only then. -1 switches off. */
void qn_file_fail_after(int64_t n);

#endif
