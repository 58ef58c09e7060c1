/* cli/world_folder.c — nothing of the user's is removed, and one of two worlds is always whole. */
#include "cli/world_folder.h"

#include <string.h>
#include <sys/stat.h>

#include "base/dir.h"
#include "base/file.h"
#include "report/members.h"
#include "world/world_files.h"

#define UNFINISHED "unfinished"
#define WORLD_MAX ((size_t)1 << 20)         /* of a world.json, which has two kilobytes */

/* ---- whose files are these ---- */

/* A name in the world's folder (inside: NULL) or in one of its own. Files that a kill caught half written are ours. */
static bool is_ours(const char *inside, const char *name) {
    const bool temporary = strncmp(name, ".quern-", 7) == 0 && qn_str_ends(qn_str_of(name), ".tmp");
    return temporary || (!inside && strcmp(name, UNFINISHED) == 0) || qn_world_has_file(inside, name);
}

static bool is_link(const char *path) {
    struct stat st;
    return lstat(path, &st) == 0 && S_ISLNK(st.st_mode);
}

static bool is_real_dir(const char *path) { return qn_is_dir(path) && !is_link(path); }

/* Every name in dir, and in the folders of a world in it, is one that a world has. */
static int check_names(const char *dir, const char *inside) {
    qn_dir_names names = {0};
    qn_buf path = {0};
    int rc;
    QN_TRY_OUT(qn_dir_list(&names, dir));
    for (size_t i = 0; i < names.n; i++) {
        const char *name = names.name[i];
        QN_TRY_OUT(qn_path_join(&path, dir, name));
        const bool folder = !inside && is_ours(NULL, name) && !strchr(name, '.') && strcmp(name, UNFINISHED) != 0;
        if (!is_ours(inside, name) || folder != is_real_dir(path.s)) {
            rc = qn_fail(QN_EINVAL, "%s: is no part of a world, and would be removed with it; move it elsewhere, or "
                         "choose another name for --out", path.s);
            goto out;
        }
        if (folder)
            QN_TRY_OUT(check_names(path.s, name));
    }
    rc = 0;
out:
    qn_dir_names_drop(&names);
    qn_buf_drop(&path);
    return rc;
}

static int is_empty(const char *dir) {
    qn_dir_names names = {0};
    QN_TRY(qn_dir_list(&names, dir));
    const bool empty = names.n == 0;
    qn_dir_names_drop(&names);
    return empty;
}

/* Is there a world, by what its world.json says? */
static bool holds_world(const char *dir) {
    qn_buf path = {0}, text = {0}, maker = {0};
    const bool there = qn_path_join(&path, dir, "world.json") >= 0 && qn_is_file(path.s) &&
                       qn_read_file(&text, path.s, WORLD_MAX) >= 0 &&
                       qn_value_text(&maker, qn_member(qn_buf_view(&text), "generator")) >= 0 &&
                       qn_str_is(qn_buf_view(&maker), "quern world");
    qn_buf_drop(&path);
    qn_buf_drop(&text);
    qn_buf_drop(&maker);
    return there;
}

/* ---- before any work ---- */

static int check_name(const char *out) {
    struct stat here, there;
    const char *slash = strrchr(out, '/'), *last = slash ? slash + 1 : out;
    if (out[0] == '\0')
        return qn_fail(QN_EUSAGE, "--out '': an empty name; say where the world goes");
    if (last[0] == '\0' || strcmp(last, ".") == 0 || strcmp(last, "..") == 0)
        return qn_fail(QN_EINVAL, "%s: a world is moved into place as a whole, which this folder cannot be; give a "
                       "name in it, as in --out world", out);
    if (is_link(out))
        return qn_fail(QN_EINVAL, "%s: is a link; give the name of the folder itself", out);
    if (stat(".", &here) == 0 && stat(out, &there) == 0 && here.st_dev == there.st_dev && here.st_ino == there.st_ino)
        return qn_fail(QN_EINVAL, "%s: is the folder you are in; go out of it first, or choose another name", out);
    return 0;
}

static int check_out(const char *out, bool force) {
    struct stat st;
    if (lstat(out, &st) != 0)
        return 0;
    if (!S_ISDIR(st.st_mode))
        return qn_fail(QN_EINVAL, "%s: is a file; a world is a folder", out);
    const int empty = is_empty(out);
    QN_TRY(empty);
    if (empty)
        return 0;
    if (!holds_world(out))
        return qn_fail(QN_EINVAL, "%s: is not empty and holds no world; choose another name", out);
    if (!force)
        return qn_fail(QN_EINVAL, "%s: holds a world already; choose another name, or replace it with --force", out);
    return check_names(out, NULL);
}

/* Only what a killed run of ours left may stand where we write. */
static int check_partial(const char *partial) {
    struct stat st;
    qn_buf mark = {0};
    if (lstat(partial, &st) != 0)
        return 0;
    const int empty = S_ISDIR(st.st_mode) ? is_empty(partial) : 0;
    QN_TRY(empty);
    int rc = empty ? 0 : qn_path_join(&mark, partial, UNFINISHED);
    if (!empty && rc >= 0 && (!S_ISDIR(st.st_mode) || !qn_is_file(mark.s)))
        rc = qn_fail(QN_EINVAL, "%s: stands where the world would be written until it is whole, and no run of quern "
                     "left it there; move it elsewhere, or choose another name for --out", partial);
    qn_buf_drop(&mark);
    return rc < 0 || empty ? rc : check_names(partial, NULL);
}

static int check_before(const qn_world_folder *f) {
    struct stat st;
    if (lstat(f->before.s, &st) != 0)
        return 0;
    return qn_fail(QN_EINVAL, "%s: stands in the way; a run that was killed may have left the old world there: move or "
                   "remove it", f->before.s);
}

int qn_world_folder_init(qn_world_folder *f, const char *out, bool force) {
    size_t n = strlen(out);
    *f = (qn_world_folder){0};
    while (n > 0 && out[n - 1] == '/')
        n--;
    QN_TRY(qn_buf_put(&f->out, out, n ? n : QN_MIN(strlen(out), 1)));
    QN_TRY(check_name(f->out.n ? f->out.s : ""));
    QN_TRY(qn_buf_printf(&f->partial, "%s.partial", f->out.s));
    QN_TRY(qn_buf_printf(&f->before, "%s.before", f->out.s));
    QN_TRY(qn_buf_printf(&f->known, "%s.known", f->out.s));
    QN_TRY(check_out(f->out.s, force));
    QN_TRY(check_partial(f->partial.s));
    return check_before(f);
}

/* ---- the work ---- */

static int put_mark(const char *partial) {
    static const char text[] = "quern data world writes this folder; it is moved into place when it is whole\n";
    qn_buf path = {0};
    int rc = qn_path_join(&path, partial, UNFINISHED);
    if (rc >= 0)
        rc = qn_write_file(path.s, text, sizeof text - 1);
    qn_buf_drop(&path);
    return rc;
}

int qn_world_folder_begin(qn_world_folder *f) {
    QN_TRY(check_partial(f->partial.s));
    QN_TRY(qn_dir_remove(f->partial.s));
    QN_TRY(qn_dir_make(f->partial.s));
    f->begun = true;
    return put_mark(f->partial.s);
}

/* The name is free: the new world takes it, or the old one gets it back. */
static int swap(qn_world_folder *f, bool replaces) {
    int rc = qn_dir_move(f->partial.s, f->out.s);
    if (rc >= 0) {
        f->begun = false;
        return replaces ? qn_dir_remove(f->before.s) : 0;
    }
    qn_buf why = {0};
    qn_buf_puts(&why, qn_error_message());
    if (replaces && qn_dir_move(f->before.s, f->out.s) < 0)
        rc = qn_fail(rc, "%s; the old world is %s", why.s ? why.s : "", f->before.s);
    else
        rc = qn_fail(rc, "%s", why.s ? why.s : "");
    qn_buf_drop(&why);
    return rc;
}

/* The user may have put something there in the meantime: it is looked at once more. */
int qn_world_folder_put(qn_world_folder *f) {
    qn_buf mark = {0};
    const bool replaces = qn_is_dir(f->out.s);
    int rc;
    QN_TRY_OUT(check_out(f->out.s, true));
    QN_TRY_OUT(check_before(f));
    QN_TRY_OUT(qn_path_join(&mark, f->partial.s, UNFINISHED));
    if (replaces)
        QN_TRY_OUT(qn_dir_move(f->out.s, f->before.s));
    rc = qn_dir_remove(mark.s);
    if (rc < 0 && replaces)
        qn_dir_move(f->before.s, f->out.s);
    else if (rc >= 0)
        rc = swap(f, replaces);
out:
    qn_buf_drop(&mark);
    return rc;
}

void qn_world_folder_drop(qn_world_folder *f) {
    if (f->begun)
        qn_dir_remove(f->partial.s);
    qn_buf_drop(&f->out);
    qn_buf_drop(&f->partial);
    qn_buf_drop(&f->before);
    qn_buf_drop(&f->known);
    f->begun = false;
}
