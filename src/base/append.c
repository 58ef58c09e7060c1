/* base/append.c — files that grow piece by piece, such as a line per training step, and the folders they lie in.
 *
 *     |piece|piece|piece|                     size: where the last whole piece ends
 *     |piece|piece|piece|pie                  a full disk in the middle of the next one …
 *     |piece|piece|piece|                     … is cut back to size, and the caller may try again */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* O_NONBLOCK: a named pipe is refused below instead of waiting for a reader. */
int qn_append_open(qn_append_file *f, const char *path) {
    struct stat st;
    int rc = 0;
    *f = (qn_append_file){.fd = -1};
    f->path = qn_str_dup(QN_MEM_BASE, qn_str_of(path));
    if (!f->path)
        return QN_ENOMEM;
    do
        f->fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0666);
    while (f->fd < 0 && errno == EINTR);
    if (f->fd < 0 || fstat(f->fd, &st) != 0)
        rc = qn_fail_errno(path, "open for appending", errno);
    else if (!S_ISREG(st.st_mode))
        rc = qn_fail(QN_EIO, "%s: is a pipe, socket or device; only a regular file is appended to", path);
    else
        f->size = st.st_size;
    if (rc < 0)
        qn_append_close(f);
    return rc;
}

/* errno, or 0. Half of the bytes and ENOSPC where a test asks for a full disk. */
static int put_bytes(int fd, const char *p, size_t n) {
    const bool fails = qn_file_fails_now();
    for (size_t left = fails ? n / 2 : n; left;) {
        ssize_t w = write(fd, p, left);
        if (w < 0 && errno == EINTR)
            continue;
        if (w < 0)
            return errno;
        p += w;
        left -= (size_t)w;
    }
    return fails ? ENOSPC : 0;
}

int qn_append_write(qn_append_file *f, const void *bytes, size_t n) {
    const int e = put_bytes(f->fd, bytes, n);
    if (e == 0) {
        f->size += (int64_t)n;
        return 0;
    }
    /* What cannot be cut off stays; readers pass over half a piece. */
    const bool cut = ftruncate(f->fd, f->size) == 0;
    const int rc = qn_fail_errno(f->path, "write", e);
    return cut ? rc : qn_fail_in(rc, "half a line may be left at the end");
}

int qn_append_sync(qn_append_file *f) {
    return fsync(f->fd) == 0 || errno == EINVAL ? 0 : qn_fail_errno(f->path, "write", errno);
}

void qn_append_close(qn_append_file *f) {
    if (f->path && f->fd >= 0)                            /* a struct of {0} holds no file, though its fd is 0 */
        close(f->fd);
    qn_free(f->path);
    *f = (qn_append_file){.fd = -1};
}

/* ---- folders ---- */

/* From the top down: each that is missing is made. `path` is written to. */
static int make_each(char *path) {
    int made = 0;
    for (char *at = path + 1;; at++) {
        const char end = *at;
        if (end && end != '/')
            continue;
        *at = '\0';
        made = mkdir(path, 0777) == 0;
        const int e = errno;
        if (!made && !qn_is_dir(path)) {
            qn_fail_errno(path, "make this folder", e == EEXIST ? ENOTDIR : e);
            return QN_EIO;
        }
        *at = end;
        if (!end)
            return made;
    }
}

int qn_dir_make(const char *path) {
    size_t n = strlen(path);
    if (n == 0)
        return qn_fail(QN_EIO, "the name of a folder is empty");
    while (n > 1 && path[n - 1] == '/')
        n--;
    char *copy = qn_str_dup(QN_MEM_BASE, (qn_str){path, n});
    if (!copy)
        return QN_ENOMEM;
    const int rc = make_each(copy);
    qn_free(copy);
    return rc;
}
