/* base/version.h — the one place that says which quern this is; the build reads it from here. */
#ifndef QN_BASE_VERSION_H
#define QN_BASE_VERSION_H

#define QN_VERSION "0.1.0"

#endif
