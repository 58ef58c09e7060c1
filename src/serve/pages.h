/* serve/pages.h — files of src/serve/page/ as bytes of the program: cmake writes the table (tools/embed_pages.cmake),
 * index.html as "/", every other as "/page/<name>". */
#ifndef QN_SERVE_PAGES_H
#define QN_SERVE_PAGES_H

#include <stddef.h>

typedef struct { const char *path, *type; const unsigned char *bytes; size_t n; } qn_page;
extern const qn_page qn_pages[];
extern const size_t qn_pages_n;

#endif
