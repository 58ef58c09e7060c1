/* plot/svg.h — inside the room: the few elements that figures are made of. Classes are style.c's. */
#ifndef QN_PLOT_SVG_H
#define QN_PLOT_SVG_H

#include "plot/plot.h"

int qn_svg_attribute(qn_buf *out, const char *name, double v);                          /* ` name="12.3"` */
int qn_svg_text(qn_buf *out, double x, double y, const char *css, const char *text);
int qn_svg_line(qn_buf *out, double x0, double y0, double x1, double y1, const char *css);
/* Units that text takes, about: letters at the size of phones. */
double qn_svg_wide(const char *text);

#endif
