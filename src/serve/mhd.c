/* serve/mhd.c — the functions of libmicrohttpd by their names. */
#include "serve/mhd.h"

#include <dlfcn.h>
#include <string.h>

#include "base/base.h"

qn_mhd qn_http;

static int look_up(void *library, const char *name, void *to) {
    void *found = dlsym(library, name);
    if (!found)
        return qn_fail(QN_EUNSUPPORTED, "libmicrohttpd has no %s: it is another one than quern was built for", name);
    memcpy(to, &found, sizeof found);           /* an object's address becomes a function's as POSIX says it may */
    return 0;
}

int qn_mhd_open(void) {
    static void *library;                       /* stays open: threads of it may still end when a server has */
    if (library)
        return 0;
    void *opened = dlopen("libmicrohttpd.so.12", RTLD_NOW | RTLD_LOCAL);
    if (!opened)
        return qn_fail(QN_EUNSUPPORTED, "a server needs libmicrohttpd (Debian: libmicrohttpd12): %s", dlerror());
#define QN_MHD_LOOK_UP(name) QN_TRY(look_up(opened, "MHD_" #name, &qn_http.name));
    QN_MHD_FUNCTIONS(QN_MHD_LOOK_UP)
#undef QN_MHD_LOOK_UP
    library = opened;
    return 0;
}
