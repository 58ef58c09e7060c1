/* format/byte_stream.c — zlib's own reader does it all: what is no gzip it passes through as it stands. */
#include "format/byte_stream.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <zlib.h>

#define BUFFER (128 << 10)
#define READ_MAX ((size_t)1 << 30)      /* gzread counts in int */

struct qn_byte_stream { gzFile gz; char *name; };

static int open_descriptor(const char *path) {
    struct stat st;
    int fd = strcmp(path, "-") == 0 ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return qn_fail(errno == ENOENT ? QN_ENOTFOUND : QN_EIO, "%s: %s", path, strerror(errno));
    if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode)) {
        close(fd);
        return qn_fail(QN_EIO, "%s is a directory", path);
    }
    return fd;
}

int qn_byte_stream_open(qn_byte_stream **out, const char *path) {
    int rc = 0, fd = -1;
    *out = NULL;
    qn_byte_stream *b = qn_zalloc(QN_MEM_FORMAT, 1, sizeof *b);
    if (!b)
        return QN_ENOMEM;
    b->name = qn_str_dup(QN_MEM_FORMAT, qn_str_of(strcmp(path, "-") == 0 ? "standard input" : path));
    QN_TRY_OUT(b->name ? 0 : QN_ENOMEM);
    QN_TRY_OUT(fd = open_descriptor(path));
    b->gz = gzdopen(fd, "rb");
    if (!b->gz) {
        close(fd);
        rc = qn_fail(QN_ENOMEM, "%s: no memory to read it", b->name);
        goto out;
    }
    gzbuffer(b->gz, BUFFER);
    *out = b;
    b = NULL;
    rc = 0;
out:
    qn_byte_stream_close(b);
    return rc;
}

void qn_byte_stream_close(qn_byte_stream *b) {
    if (!b)
        return;
    if (b->gz)
        gzclose_r(b->gz);
    qn_free(b->name);
    qn_free(b);
}

static int read_error(qn_byte_stream *b) {
    int code;
    const char *text = gzerror(b->gz, &code);
    switch (code) {
    case Z_OK: case Z_STREAM_END: return 0;
    case Z_BUF_ERROR: return qn_fail(QN_ETRUNC, "%s: the gzip file ends too early", b->name);
    case Z_MEM_ERROR: return qn_fail(QN_ENOMEM, "%s: no memory to unpack it", b->name);
    case Z_ERRNO:
        if (errno == EINTR)             /* only Ctrl-C has a handler; zlib may have lost what it held */
            return qn_fail(QN_ECANCEL, "%s: reading was interrupted", b->name);
        return qn_fail(QN_EIO, "%s: %s", b->name, strerror(errno));
    default: return qn_fail(QN_EFORMAT, "%s: the gzip file is damaged: %s", b->name, text);
    }
}

int qn_byte_stream_read(qn_byte_stream *b, char *to, size_t n, size_t *got) {
    *got = 0;
    while (*got < n) {
        int k = gzread(b->gz, to + *got, (unsigned)QN_MIN(n - *got, READ_MAX));
        if (k <= 0)
            return read_error(b);
        *got += (size_t)k;
    }
    return 0;
}

const char *qn_byte_stream_name(const qn_byte_stream *b) { return b->name; }
