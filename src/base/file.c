/* base/file.c — files. Reading maps or copies; writing goes to a temporary neighbour that takes the target's name at
 * the very end, so that at every instant the target is either the old file or the whole new one. */
#include "base/file.h"
#include "base/inject.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* "PATH: cannot open: No such file or directory", with the code that fits errno. */
int qn_fail_errno(const char *path, const char *what, int e) {
    char text[128];
    const char *reason = strerror_r(e, text, sizeof text);        /* the GNU form: may or may not use `text` */
    int code = e == ENOENT || e == ENOTDIR ? QN_ENOTFOUND : e == ENOMEM ? QN_ENOMEM : QN_EIO;
    return qn_fail(code, "%s: cannot %s: %s", path, what, reason);
}

/* ---- reading ---- */

/* O_NONBLOCK: opening a named pipe must not wait for a writer; on a regular file it changes nothing. */
static int open_for_reading(const char *path, int flags, int *fd, struct stat *st) {
    do
        *fd = open(path, O_RDONLY | O_CLOEXEC | flags);
    while (*fd < 0 && errno == EINTR);
    if (*fd < 0)
        return qn_fail_errno(path, "open", errno);
    if (fstat(*fd, st) == 0 && !S_ISDIR(st->st_mode))
        return 0;
    int rc = S_ISDIR(st->st_mode) ? qn_fail(QN_EIO, "%s: is a directory; give the name of a file in it", path)
                                  : qn_fail_errno(path, "look at", errno);
    close(*fd);
    *fd = -1;
    return rc;
}

int qn_map_open(qn_map_file *m, const char *path) {
    struct stat st = {0};
    int rc;
    *m = (qn_map_file){.s = "", .fd = -1};
    m->path = qn_str_dup(QN_MEM_BASE, qn_str_of(path));
    if (!m->path)
        return QN_ENOMEM;
    QN_TRY_OUT(open_for_reading(path, O_NONBLOCK, &m->fd, &st));
    if (!S_ISREG(st.st_mode)) {
        rc = qn_fail(QN_EIO, "%s: is a pipe, socket or device, and cannot be mapped; store it in a file first", path);
    } else if (st.st_size > 0) {
        void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, m->fd, 0);
        if (p == MAP_FAILED) {
            rc = qn_fail_errno(path, "map", errno);
        } else {
            m->s = p;
            m->n = (size_t)st.st_size;
        }
    }
out:
    if (rc < 0)
        qn_map_close(m);
    return rc;
}

void qn_map_close(qn_map_file *m) {
    if (m->n)
        munmap((void *)(uintptr_t)m->s, m->n);
    if (m->path && m->fd >= 0)                            /* a struct of {0} holds no file, though its fd is 0 */
        close(m->fd);
    qn_free(m->path);
    *m = (qn_map_file){.s = "", .fd = -1};
}

/* Instead of a fault for every few pages. A kernel that does not know how (before 5.14) leaves them to fault. */
void qn_map_fetch(const qn_map_file *m, size_t offset, size_t n) {
#ifdef MADV_POPULATE_READ
    const size_t front = offset % (size_t)sysconf(_SC_PAGESIZE);
    if (offset < m->n)
        madvise((void *)(uintptr_t)(m->s + offset - front), QN_MIN(n, m->n - offset) + front, MADV_POPULATE_READ);
#else
    (void)m, (void)offset, (void)n;
#endif
}

/* Only pages that lie wholly inside the range: the neighbours' bytes share the outer ones. */
void qn_map_drop_pages(const qn_map_file *m, size_t offset, size_t n) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    if (offset > m->n || page == 0)
        return;
    size_t end = offset + QN_MIN(n, m->n - offset), from = (offset + page - 1) / page * page;
    if (end < m->n)
        end = end / page * page;                          /* the file's last page belongs to nobody else */
    if (end > from)
        madvise((void *)(uintptr_t)(m->s + from), end - from, MADV_DONTNEED);
}

static int read_all(qn_buf *b, int fd, const char *path, size_t size_hint, size_t limit) {
    size_t start = b->n, chunk = (size_t)64 << 10;
    QN_TRY(qn_buf_reserve(b, QN_MIN(size_hint, limit) + 1));
    for (;;) {
        size_t got = b->n - start, room = b->cap - b->n - 1;
        if (room == 0) {
            QN_TRY(qn_buf_reserve(b, chunk));
            continue;
        }
        /* One byte beyond the limit is asked for, to tell "just fits" from "too long". */
        if (limit - got < room)
            room = limit - got + 1;
        ssize_t r = read(fd, b->s + b->n, room);
        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0)
            return qn_fail_errno(path, "read", errno);
        if (r == 0)
            break;
        if ((size_t)r > limit - got)
            return qn_fail(QN_ELIMIT, "%s: longer than the limit of %zu bytes", path, limit);
        b->n += (size_t)r;
    }
    b->s[b->n] = 0;
    return 0;
}

int qn_read_file(qn_buf *b, const char *path, size_t limit) {
    bool from_stdin = strcmp(path, "-") == 0;
    size_t start = b->n;
    int fd = STDIN_FILENO;
    struct stat st = {0};
    if (!from_stdin)
        QN_TRY(open_for_reading(path, 0, &fd, &st));
    size_t hint = S_ISREG(st.st_mode) && st.st_size > 0 ? (size_t)st.st_size : 0;
    int rc = hint > limit ? qn_fail(QN_ELIMIT, "%s: %zu bytes, longer than the limit of %zu", path, hint, limit)
                          : read_all(b, fd, from_stdin ? "standard input" : path, hint, limit);
    if (!from_stdin)
        close(fd);
    if (rc < 0 && b->s) {
        b->n = start;
        b->s[start] = 0;
    }
    return rc;
}

bool qn_is_dir(const char *path) {
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

bool qn_is_file(const char *path) {
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

int qn_path_join(qn_buf *out, const char *dir, const char *name) {
    qn_buf_clear(out);
    QN_TRY(qn_buf_puts(out, dir));
    if (out->n && out->s[out->n - 1] != '/')
        QN_TRY(qn_buf_putc(out, '/'));
    return qn_buf_puts(out, name);
}

/* ---- writing ---- */

static _Atomic int64_t fail_after = -1;

void qn_file_fail_after(int64_t n) {
    atomic_store(&fail_after, n);
}

bool qn_file_fails_now(void) { return qn_inject_now(&fail_after); }

static size_t dir_length(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? (size_t)(slash - path) + 1 : 0;
}

/* The real target, through symbolic links. One that exists must be a regular file; its mode is kept. */
static int find_target(qn_out_file *f, const char *path, mode_t *mode) {
    struct stat st;
    bool exists = stat(path, &st) == 0;
    if (exists && S_ISDIR(st.st_mode))
        return qn_fail(QN_EIO, "%s: is a directory; give the name of a file", path);
    if (exists && !S_ISREG(st.st_mode))
        return qn_fail(QN_EIO, "%s: is a pipe, socket or device; only regular files are replaced", path);
    *mode = exists ? st.st_mode & 0777 : 0;
    char real[PATH_MAX];
    f->path = qn_str_dup(QN_MEM_BASE, qn_str_of(exists && realpath(path, real) ? real : path));
    return f->path ? 0 : QN_ENOMEM;
}

/* A fresh name beside the target. Not mkstemp, whose files are private: the umask decides, as for any new file. */
static int open_temp(qn_out_file *f) {
    static _Atomic uint32_t serial;
    size_t dir = dir_length(f->path), size = dir + 64;
    f->temp = qn_alloc(QN_MEM_BASE, size);
    if (!f->temp)
        return QN_ENOMEM;
    for (int tries = 0; tries < 1000; tries++) {
        snprintf(f->temp, size, "%.*s.quern-%ld-%u.tmp", (int)dir, f->path, (long)getpid(),
                 (unsigned)atomic_fetch_add(&serial, 1));
        f->fd = open(f->temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (f->fd >= 0)
            return 0;
        if (errno != EEXIST && errno != EINTR)
            break;
    }
    int e = errno;
    qn_free(f->temp);
    f->temp = NULL;                                       /* not ours: must not be unlinked */
    return qn_fail_errno(f->path, "create a file in its directory", e);
}

int qn_out_open(qn_out_file *f, const char *path) {
    mode_t mode;
    int rc;
    *f = (qn_out_file){.fd = -1};
    QN_TRY_OUT(find_target(f, path, &mode));
    QN_TRY_OUT(open_temp(f));
    if (mode && fchmod(f->fd, mode) != 0)
        rc = qn_fail_errno(f->path, "keep the mode", errno);
out:
    if (rc < 0)
        qn_out_drop(f);
    return rc;
}

static int write_all(qn_out_file *f, const char *p, size_t n) {
    while (n) {
        ssize_t w = write(f->fd, p, n);
        if (w < 0 && errno == EINTR)
            continue;
        if (w < 0)
            return qn_fail_errno(f->path, "write", errno);
        p += w;
        n -= (size_t)w;
        f->written += (uint64_t)w;
    }
    return 0;
}

int qn_out_write(qn_out_file *f, const void *bytes, size_t n) {
    if (!qn_file_fails_now())
        return write_all(f, bytes, n);
    QN_TRY(write_all(f, bytes, n / 2));
    return qn_fail_errno(f->path, "write", ENOSPC);
}

int qn_out_patch(qn_out_file *f, uint64_t offset, const void *bytes, size_t n) {
    qn_assert(n <= f->written && offset <= f->written - n);
    if (qn_file_fails_now())
        return qn_fail_errno(f->path, "write", ENOSPC);
    for (const char *p = bytes; n;) {
        ssize_t w = pwrite(f->fd, p, n, (off_t)offset);
        if (w < 0 && errno == EINTR)
            continue;
        if (w < 0)
            return qn_fail_errno(f->path, "write", errno);
        p += w;
        n -= (size_t)w;
        offset += (uint64_t)w;
    }
    return 0;
}

/* Makes the new name itself durable. File systems that cannot sync a directory say EINVAL, and that is that. */
int qn_sync_parent(const char *path) {
    size_t dir = dir_length(path);
    char *name = dir ? qn_str_dup(QN_MEM_BASE, (qn_str){path, dir}) : qn_str_dup(QN_MEM_BASE, QN_STR("."));
    if (!name)
        return QN_ENOMEM;
    int rc = 0, fd = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 && errno != EACCES)
        rc = qn_fail_errno(name, "open", errno);
    else if (fd >= 0 && fsync(fd) != 0 && errno != EINVAL)
        rc = qn_fail_errno(name, "sync", errno);
    if (fd >= 0)
        close(fd);
    qn_free(name);
    return rc;
}

int qn_out_commit(qn_out_file *f) {
    int rc = 0;
    if (qn_file_fails_now())
        rc = qn_fail_errno(f->path, "write", ENOSPC);
    else if (fsync(f->fd) != 0)
        rc = qn_fail_errno(f->path, "write", errno);
    int closed = close(f->fd);
    f->fd = -1;
    if (rc == 0 && closed != 0)
        rc = qn_fail_errno(f->path, "write", errno);
    if (rc == 0 && rename(f->temp, f->path) != 0)
        rc = qn_fail_errno(f->path, "replace", errno);
    if (rc == 0) {
        qn_free(f->temp);
        f->temp = NULL;                                   /* it is the target now */
        rc = qn_sync_parent(f->path);
    }
    qn_out_drop(f);
    return rc;
}

void qn_out_drop(qn_out_file *f) {
    if (f->temp) {
        if (f->fd >= 0)
            close(f->fd);
        unlink(f->temp);
    }
    qn_free(f->path);
    qn_free(f->temp);
    *f = (qn_out_file){.fd = -1};
}

int qn_write_file(const char *path, const void *bytes, size_t n) {
    qn_out_file f;
    QN_TRY(qn_out_open(&f, path));
    int rc = qn_out_write(&f, bytes, n);
    if (rc >= 0)
        rc = qn_out_commit(&f);
    qn_out_drop(&f);
    return rc;
}
