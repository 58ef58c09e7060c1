/* plot/style.c — the colours of all figures: light, dark, paper; and the script that shows values under a finger.
 *
 * A figure says what a thing is (class "l s2": a line of the third colour), this sheet how it looks. The palette is
 * Okabe and Ito's ("Color Universal Design", 2008), darkened for white paper until each has a contrast of 3 to 1, and
 * lightened for dark screens. */
#include "plot/plot.h"

#define LIGHT                                                                                                          \
    "--paper:#fff;--card:#f6f7f9;--ink:#1b1f24;--soft:#59636e;--rule:#d9dee4;--grid:#e8ebef;"                         \
    "--s0:#0072b2;--s1:#c94f00;--s2:#008a65;--s3:#a8508c;--s4:#946200;--s5:#2a86bf;--s6:#5c6670;--s7:#8a3b3b;"
#define DARK                                                                                                           \
    "--paper:#14171b;--card:#1c2126;--ink:#e6e9ed;--soft:#9aa4af;--rule:#343b43;--grid:#272d34;"                      \
    "--s0:#5ab4ec;--s1:#ff8f4f;--s2:#2fc79a;--s3:#e292c3;--s4:#e9b23c;--s5:#a3c9f5;--s6:#aab3bd;--s7:#e88a8a;"

static const char css[] =
    ":root{color-scheme:light dark;" LIGHT "}\n"
    "@media (prefers-color-scheme:dark){:root{" DARK "}}\n"
    ":root[data-theme=light]{color-scheme:light;" LIGHT "}\n"
    ":root[data-theme=dark]{color-scheme:dark;" DARK "}\n"
    "@media print{:root,:root[data-theme=dark]{color-scheme:light;" LIGHT "}}\n"
    ".s0{--c:var(--s0)}.s1{--c:var(--s1)}.s2{--c:var(--s2)}.s3{--c:var(--s3)}"
    ".s4{--c:var(--s4)}.s5{--c:var(--s5)}.s6{--c:var(--s6)}.s7{--c:var(--s7)}\n"
    ".plot{display:block;width:100%;height:auto;font:13px system-ui,sans-serif;font-variant-numeric:tabular-nums}\n"
    ".plot text{fill:var(--soft);font-size:13px}.plot text.n,.plot text.v{fill:var(--ink)}\n"
    ".plot .e,.plot .v{text-anchor:end}.plot .m{text-anchor:middle}\n"
    ".plot text.q{fill:var(--ink);font-size:12px;stroke:var(--paper);stroke-width:4px;paint-order:stroke;"
    "stroke-linejoin:round}\n"
    ".plot .g{stroke:var(--grid);fill:none}.plot .a{stroke:var(--rule);fill:none}\n"
    ".plot .r{stroke:var(--ink);fill:none;stroke-dasharray:5 4}.plot .u{stroke:var(--soft);fill:none;"
    "stroke-dasharray:1 3}\n"
    ".plot .l{stroke:var(--c);fill:none;stroke-width:2;stroke-linejoin:round;stroke-linecap:round}\n"
    ".plot .f{stroke-width:1;opacity:.4}.plot .b{fill:var(--c);opacity:.18}\n"
    ".plot .d{fill:var(--c);stroke:var(--paper);stroke-width:1}\n"
    ".plot .t{fill:var(--grid)}.plot .w{stroke:var(--ink);stroke-width:1.5;fill:none}.plot .k{fill:var(--c)}\n"
    ".plot .i{stroke:var(--c);stroke-width:1.2;fill:none}.plot .o{stroke:var(--paper);fill:var(--c)}\n"
    ".plot .x{fill:transparent}.plot .z .h{stroke:var(--soft);stroke-dasharray:2 2;opacity:0;fill:none}\n"
    ".plot .z:hover .h{opacity:1}\n"
    "@media (max-width:560px){.plot text,.plot text.q{font-size:15.5px}}\n"
    "#tip{position:absolute;pointer-events:none;background:var(--ink);color:var(--paper);font:13px system-ui,"
    "sans-serif;padding:5px 8px;border-radius:5px;white-space:pre;z-index:9;display:none}\n"
    "@media print{.plot .x,.plot .h,#tip{display:none}}\n";

/* A title is a slow tooltip, and none at all under a finger: taken out of the way, its text follows the pointer. */
static const char script[] =
    "(function(){var t=document.createElement('div');t.id='tip';document.body.appendChild(t);\n"
    "document.querySelectorAll('.plot .z').forEach(function(z){var e=z.querySelector('title');\n"
    "if(e){z.setAttribute('data-v',e.textContent);z.removeChild(e)}});\n"
    "document.addEventListener('pointermove',show);document.addEventListener('pointerdown',show);\n"
    "function show(v){var z=v.target.closest&&v.target.closest('.z');\n"
    "if(!z){t.style.display='none';return}\n"
    "t.textContent=z.getAttribute('data-v');t.style.display='block';\n"
    "var w=document.documentElement.clientWidth,x=v.clientX+14;\n"
    "if(x+t.offsetWidth>w-4)x=Math.max(4,v.clientX-14-t.offsetWidth);\n"
    "t.style.left=x+scrollX+'px';t.style.top=v.clientY+14+scrollY+'px'}})();\n";

int qn_plot_css(qn_buf *out) { return qn_buf_puts(out, css); }
int qn_plot_script(qn_buf *out) { return qn_buf_puts(out, script); }
