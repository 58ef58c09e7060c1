/* base/dir.c — folders. What a rename promises after a power cut needs the parent's fsync: it is done here. */
#include "base/dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/file.h"

/* ---- listing ---- */

static int by_name(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

int qn_dir_list(qn_dir_names *l, const char *path) {
    DIR *d = opendir(path);
    int rc = 0;
    *l = (qn_dir_names){0};
    if (!d && errno == ENOENT)
        return qn_fail(QN_ENOTFOUND, "%s: no such folder", path);
    if (!d)
        return qn_fail_errno(path, "open the folder", errno);
    for (struct dirent *e; rc >= 0 && (e = readdir(d)) != NULL;) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        rc = QN_GROW(QN_MEM_BASE, l->name, l->cap, l->n + 1);
        if (rc >= 0 && !(l->name[l->n++] = qn_str_dup(QN_MEM_BASE, qn_str_of(e->d_name))))
            rc = QN_ENOMEM;
    }
    closedir(d);
    if (rc < 0)
        qn_dir_names_drop(l);
    else if (l->n)
        qsort(l->name, l->n, sizeof *l->name, by_name);
    return rc;
}

void qn_dir_names_drop(qn_dir_names *l) {
    for (size_t i = 0; i < l->n; i++)
        qn_free(l->name[i]);
    qn_free(l->name);
    *l = (qn_dir_names){0};
}

/* ---- removing ---- */

enum { DEPTH_MAX = 16 };

static int remove_tree(const char *path, int depth) {
    struct stat st;
    qn_dir_names names = {0};
    qn_buf child = {0};
    int rc = 0;
    if (lstat(path, &st) != 0)
        return errno == ENOENT ? 0 : qn_fail_errno(path, "look at it", errno);
    if (!S_ISDIR(st.st_mode))
        return unlink(path) == 0 ? 0 : qn_fail_errno(path, "remove", errno);
    if (depth == DEPTH_MAX)
        return qn_fail(QN_ELIMIT, "%s: folders are nested too deep to be removed", path);
    QN_TRY_OUT(qn_dir_list(&names, path));
    for (size_t i = 0; i < names.n; i++) {
        QN_TRY_OUT(qn_path_join(&child, path, names.name[i]));
        QN_TRY_OUT(remove_tree(child.s, depth + 1));
    }
    if (rmdir(path) != 0)
        rc = qn_fail_errno(path, "remove the folder", errno);
out:
    qn_dir_names_drop(&names);
    qn_buf_drop(&child);
    return rc;
}

int qn_dir_remove(const char *path) { return remove_tree(path, 0); }

/* ---- moving ---- */

int qn_dir_move(const char *from, const char *to) {
    if (rename(from, to) != 0)
        return qn_fail_errno(to, "put it into place", errno);
    return qn_sync_parent(to);
}

int qn_dir_link(const char *target, const char *path) {
    qn_buf temp = {0};
    struct stat st;
    int rc;
    if (lstat(path, &st) == 0 && !S_ISLNK(st.st_mode))
        return qn_fail(QN_EIO, "%s: is no link; remove it or choose another folder", path);
    QN_TRY_OUT(qn_buf_printf(&temp, "%s.quern-%ld.tmp", path, (long)getpid()));
    unlink(temp.s);
    if (symlink(target, temp.s) != 0)
        rc = qn_fail_errno(path, "make a link", errno);
    else if ((rc = qn_dir_move(temp.s, path)) < 0)
        unlink(temp.s);
out:
    qn_buf_drop(&temp);
    return rc;
}

/* ---- room ---- */

/* The folder that a path stands in: "a/b" → "a", "a" → ".", "/a" → "/". */
static int up(qn_buf *path) {
    char *slash = strrchr(path->s, '/');
    if (slash && slash != path->s) {
        *slash = '\0';
        path->n = (size_t)(slash - path->s);
        return 0;
    }
    qn_buf_clear(path);
    return qn_buf_putc(path, slash ? '/' : '.');
}

static int look_at_disk(const char *path, struct statvfs *disk) {
    qn_buf at = {0};
    int rc = qn_buf_puts(&at, path);
    while (rc >= 0 && statvfs(at.s, disk) != 0) {
        if (errno != ENOENT || at.n == 0 || strcmp(at.s, ".") == 0)
            rc = qn_fail(QN_EIO, "%s: cannot see how much room there is: %s", path, strerror(errno));
        else
            rc = up(&at);
    }
    qn_buf_drop(&at);
    return rc;
}

static _Atomic int64_t said_room = -1;

void qn_dir_room_is(int64_t bytes) { atomic_store(&said_room, bytes); }

int qn_dir_room(const char *path, int64_t *bytes) {
    const int64_t said = atomic_load(&said_room);
    struct statvfs disk;
    QN_TRY(look_at_disk(path, &disk));
    *bytes = said >= 0 ? said : (int64_t)disk.f_bavail * (int64_t)disk.f_frsize;
    return 0;
}
