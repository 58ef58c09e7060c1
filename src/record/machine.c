/* record/machine.c — what machine this is, as a record needs it: what explains figures, never who or where. */
#include <string.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>

#include "base/pool.h"
#include "record/run_file.h"

#define PROC_MAX ((size_t)16 << 20)

/* The value of "key   : value" in the kernel's table of CPUs, cut to fit: the first such line. */
static bool cpu_line(const char *text, const char *key, char *out, size_t size) {
    const size_t n = strlen(key);
    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, key, n) != 0)
            continue;
        const char *value = line + n + strspn(line + n, " \t");
        if (*value != ':')
            continue;
        value += 1 + strspn(value + 1, " \t");
        const size_t length = QN_MIN(strcspn(value, "\n"), size - 1);
        memcpy(out, value, length);
        out[length] = '\0';
        return length > 0;
    }
    return false;
}

static void find_cpu(qn_machine *m) {
    static const char *const keys[] = {"model name", "Model", "Processor", "cpu model"};
    qn_buf text = {0};
    if (qn_read_file(&text, "/proc/cpuinfo", PROC_MAX) >= 0)
        for (size_t i = 0; i < QN_LEN(keys) && !cpu_line(text.s, keys[i], m->cpu, sizeof m->cpu); i++)
            m->cpu[0] = '\0';
    qn_buf_drop(&text);
}

/* A container's limit, where there is one: "max" or a number. */
static int64_t limit_in(const char *path) {
    qn_buf text = {0};
    int64_t limit = INT64_MAX;
    if (qn_is_file(path) && qn_read_file(&text, path, 64) >= 0) {
        const size_t n = text.n && text.s[text.n - 1] == '\n' ? text.n - 1 : text.n;
        if (!qn_parse_i64((qn_str){text.s, n}, &limit) || limit <= 0)
            limit = INT64_MAX;
    }
    qn_buf_drop(&text);
    return limit;
}

static int64_t find_memory(void) {
    static const char *const limits[] = {"/sys/fs/cgroup/memory.max",
                                         "/sys/fs/cgroup/memory/memory.limit_in_bytes"};
    struct sysinfo info;
    if (sysinfo(&info) != 0)
        return 0;
    int64_t memory = (int64_t)info.totalram * info.mem_unit;
    for (size_t i = 0; i < QN_LEN(limits); i++)
        memory = QN_MIN(memory, limit_in(limits[i]));
    return memory;
}

/* Joined by blanks; what does not fit is left out. */
static void join(char *out, size_t size, const char *const *word, size_t n) {
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        const size_t length = strlen(word[i]), gap = at > 0;
        if (at + gap + length >= size)
            break;
        if (gap)
            out[at] = ' ';
        memcpy(out + at + gap, word[i], length);
        at += gap + length;
    }
    out[at] = '\0';
}

void qn_machine_get(qn_machine *m) {
    struct utsname u;
    *m = (qn_machine){.cores = qn_cpus_allowed(), .memory = find_memory()};
    find_cpu(m);
    if (uname(&u) == 0)
        join(m->os, sizeof m->os, (const char *const[]){u.sysname, u.release, u.machine}, 3);   /* never nodename */
}

void qn_machine_put(qn_jw *w) {
    qn_machine m;
    qn_machine_get(&m);
    qn_jw_open(w, '{');
    qn_jw_key(w, "cpu");
    qn_jw_str(w, qn_str_of(m.cpu));
    qn_jw_key(w, "cores");
    qn_jw_i64(w, m.cores);
    qn_jw_key(w, "memory");
    qn_jw_i64(w, m.memory);
    qn_jw_key(w, "os");
    qn_jw_str(w, qn_str_of(m.os));
    qn_jw_close(w);
}
