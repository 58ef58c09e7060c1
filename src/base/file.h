/* base/file.h — files: read-only maps, whole reads, and writes that are never half done.
 *
 *   file.c   reading, and files that are replaced as a whole      append.c   files that grow piece by piece; folders */
#ifndef QN_BASE_FILE_H
#define QN_BASE_FILE_H

#include "base/str.h"

/* A read-only map of a regular file. An empty file gives n = 0 and a non-NULL s. */
typedef struct { const char *s; size_t n; char *path; int fd; } qn_map_file;
int qn_map_open(qn_map_file *m, const char *path);      /* QN_ENOTFOUND, QN_EIO; directories are refused by name */
void qn_map_close(qn_map_file *m);
void qn_map_fetch(const qn_map_file *m, size_t offset, size_t n);        /* has the pages ready, all in one call */
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
/* All of that for bytes that are there already. */
int qn_write_file(const char *path, const void *bytes, size_t n);

/* Appending: a piece is written whole, in one call where the system allows it, or not at all: what a full disk took of
 * it is cut off again. Only a kill can leave half a piece at the end. One writer per file. */
typedef struct { int fd; char *path; int64_t size; } qn_append_file;
int qn_append_open(qn_append_file *f, const char *path);                 /* made where there is none */
int qn_append_write(qn_append_file *f, const void *bytes, size_t n);
int qn_append_sync(qn_append_file *f);                                   /* on the disk before it returns */
void qn_append_close(qn_append_file *f);                                 /* a struct of {0} may be closed too */

/* Makes a folder and those above it: 1 if it was made now, 0 if it was there. QN_EIO names the one that failed. */
int qn_dir_make(const char *path);

/* fsync of the folder that holds path: makes a new name itself durable. */
int qn_sync_parent(const char *path);

/* Tests: the n-th write from now (0 = the next) fails as on a full disk, half of it written; a commit counts as a
 * write, because a full disk may show only then. -1 switches off. */
void qn_file_fail_after(int64_t n);

/* ---- for append.c ---- */
bool qn_file_fails_now(void);
/* "PATH: cannot WHAT: REASON" with the code that fits errno. */
int qn_fail_errno(const char *path, const char *what, int e);

#endif
