/* format/byte_stream.c — zlib's own reader unpacks gzip and passes through what is none; what begins like zstd goes
 * through libzstd behind it. */
#include "format/byte_stream.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#define BUFFER (128 << 10)
#define READ_MAX ((size_t)1 << 30)      /* gzread counts in int */
#define WINDOW_LOG 27                   /* 128 MB: what `zstd -d` takes without being asked for more */

struct qn_byte_stream {
    gzFile gz;
    char *name;
    char head[4]; size_t head_n;        /* the first bytes, looked at and not given yet */
    bool looked;
    ZSTD_DStream *zstd;                 /* NULL: what gz gives is the text */
    ZSTD_inBuffer in;                   /* packed bytes, in `packed` */
    char *packed;
    bool inside;                        /* a frame has begun and not ended */
};

static int open_descriptor(const char *path) {
    struct stat st;
    int fd = strcmp(path, "-") == 0 ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == EINTR)                   /* a pipe that nobody writes to yet, and Ctrl-C */
        return qn_fail(QN_ECANCEL, "%s: opening was interrupted", path);
    if (fd < 0)
        return qn_fail(errno == ENOENT ? QN_ENOTFOUND : errno == EINTR ? QN_ECANCEL : QN_EIO, "%s: %s", path,
                       strerror(errno));        /* interrupted: a pipe waits for its writer */
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
    ZSTD_freeDStream(b->zstd);
    qn_free(b->packed);
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

/* What gz gives, from the first byte on. */
static int read_gz(qn_byte_stream *b, char *to, size_t n, size_t *got) {
    *got = QN_MIN(n, b->head_n);
    memcpy(to, b->head, *got);
    b->head_n -= *got;
    memmove(b->head, b->head + *got, b->head_n);
    while (*got < n) {
        int k = gzread(b->gz, to + *got, (unsigned)QN_MIN(n - *got, READ_MAX));
        if (k <= 0)
            return read_error(b);
        *got += (size_t)k;
    }
    return 0;
}

/* ---- zstd -------------------------------------------------------------------------------------------------------- */

/* A frame, or one of those that readers skip (RFC 8878). */
static bool is_zstd(const char *head, size_t n) {
    const unsigned char *h = (const unsigned char *)head;
    return n == 4 && ((h[0] == 0x28 && h[1] == 0xb5 && h[2] == 0x2f && h[3] == 0xfd) ||
                      ((h[0] & 0xf0) == 0x50 && h[1] == 0x2a && h[2] == 0x4d && h[3] == 0x18));
}

static int look(qn_byte_stream *b) {
    size_t n;
    b->looked = true;
    QN_TRY(read_gz(b, b->head, sizeof b->head, &n));
    b->head_n = n;
    if (!is_zstd(b->head, n))
        return 0;
    b->packed = qn_alloc(QN_MEM_FORMAT, BUFFER);
    if (!b->packed)
        return QN_ENOMEM;
    b->in.src = b->packed;
    b->zstd = ZSTD_createDStream();
    if (!b->zstd || ZSTD_isError(ZSTD_DCtx_setParameter(b->zstd, ZSTD_d_windowLogMax, WINDOW_LOG)))
        return qn_fail(QN_ENOMEM, "%s: no memory to unpack it", b->name);
    return 0;
}

static int zstd_error(const qn_byte_stream *b, size_t code) {
    switch (ZSTD_getErrorCode(code)) {
    case ZSTD_error_memory_allocation: return qn_fail(QN_ENOMEM, "%s: no memory to unpack it", b->name);
    case ZSTD_error_frameParameter_windowTooLarge:
        return qn_fail(QN_ELIMIT, "%s: unpacking it needs a window of more than %d MB (zstd --long); pack it again "
                       "without --long", b->name, 1 << (WINDOW_LOG - 20));
    default: return qn_fail(QN_EFORMAT, "%s: the zstd file is damaged: %s", b->name, ZSTD_getErrorName(code));
    }
}

static int read_zstd(qn_byte_stream *b, char *to, size_t n, size_t *got) {
    ZSTD_outBuffer out = {to, n, 0};
    *got = 0;
    while (out.pos < n) {
        if (b->in.pos == b->in.size) {
            b->in.pos = 0;
            QN_TRY(read_gz(b, b->packed, BUFFER, &b->in.size));
        }
        bool over = b->in.size == 0;
        if (over && !b->inside)
            return 0;
        size_t before = out.pos, left = ZSTD_decompressStream(b->zstd, &out, &b->in);
        if (ZSTD_isError(left))
            return zstd_error(b, left);
        b->inside = left != 0;
        *got = out.pos;
        if (over && b->inside && out.pos == before)
            return qn_fail(QN_ETRUNC, "%s: the zstd file ends too early", b->name);
    }
    return 0;
}

int qn_byte_stream_read(qn_byte_stream *b, char *to, size_t n, size_t *got) {
    *got = 0;
    if (!b->looked)
        QN_TRY(look(b));
    return b->zstd ? read_zstd(b, to, n, got) : read_gz(b, to, n, got);
}

const char *qn_byte_stream_name(const qn_byte_stream *b) { return b->name; }
