/* serve/pages.c — the table of pages, which cmake writes (QN_PAGES); a build in one line has none. */
#include "serve/pages.h"

#ifdef QN_PAGES
#include QN_PAGES
#else
const qn_page qn_pages[] = {{"", "", (const unsigned char *)"", 0}};
const size_t qn_pages_n = 0;
#endif
