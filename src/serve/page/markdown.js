/* markdown.js — what models write, as a tree; and a tree as elements of the page.
 *
 *   text ──blocks()──► [{raw, node}] ──element()──► DOM        node: a string, or {tag, attrs, kids}
 *
 * No HTML is ever read: elements are made one by one and text is put into them as text, so nothing a model writes can
 * become markup of its own. Links go to http and https only; pictures are shown as links, never fetched. Nesting is
 * bounded, and looking for the end of an emphasis that has none is done once, so hostile text costs what it is long.
 * Taken: headings, also underlined ones, lists (also nested, numbered, to-do), quotes, tables, fences, rules; code,
 * bold, italic, struck, links, bare addresses. Formulas between \( \) and \[ \] stay as they are written. No browser is
 * needed for blocks() and html(): tests/cli/page.sh runs them under node. */
"use strict";

const Markdown = (() => {
  const DEPTH = 8;
  const node = (tag, kids, attrs) => ({ tag, kids: kids || [], attrs: attrs || {} });

  /* ---- inline ---- */

  function safeLink(to) {
    try {
      const url = new URL(to);
      return url.protocol === "http:" || url.protocol === "https:" ? url.href : null;
    } catch (e) {
      return null;
    }
  }

  const link = (to, kids) => node("a", kids, { href: to, rel: "noopener noreferrer nofollow", target: "_blank" });

  /* What begins at text[i], as [node, behind it], or null. */
  function code(text, i) {
    const ticks = /^`+/.exec(text.slice(i, i + 32))[0];
    for (let end = text.indexOf(ticks, i + ticks.length); end >= 0; end = text.indexOf(ticks, end + 1)) {
      if (text[end - 1] === "`" || text[end + ticks.length] === "`") continue;
      let inside = text.slice(i + ticks.length, end).replace(/\n/g, " ");
      if (/^ .*[^ ].* $/.test(inside)) inside = inside.slice(1, -1);
      return [node("code", [inside]), end + ticks.length];
    }
    return null;
  }

  const LINK = new RegExp(
    "^!?\\[((?:[^\\[\\]\\\\\n]|\\\\.|\\[[^\\[\\]\n]*\\]){0,1000})\\]" +              /* [words] */
    "\\(\\s*<?([^\\s()<>]*(?:\\([^\\s()<>]*\\)[^\\s()<>]*)*)>?(?:\\s+\"[^\"\n]*\")?\\s*\\)");   /* (address "title") */

  function bracketed(text, i, depth) {
    const picture = text[i] === "!";
    const m = LINK.exec(text.slice(i, i + 4096));
    const to = m && safeLink(m[2]);
    if (!to) return null;
    const kids = picture ? ["🖼 " + (m[1] || m[2])] : inline(m[1] || m[2], depth + 1, true);
    return [link(to, kids), i + m[0].length];
  }

  function address(text, i) {
    if (i > 0 && /[\w/]/.test(text[i - 1])) return null;
    const m = /^https?:\/\/[^\s<>"`]+/i.exec(text.slice(i, i + 2048));
    if (!m) return null;
    let found = m[0].replace(/[.,;:!?'*_~]+$/, "");
    if (found.endsWith(")") && !found.includes("(")) found = found.slice(0, -1);
    const to = safeLink(found);
    return to ? [link(to, [found]), i + found.length] : null;
  }

  const MARKS = {
    "***": ["strong", "em"], "**": ["strong"], "__": ["strong"], "~~": ["del"], "*": ["em"], "_": ["em"],
  };

  function emphasis(text, i, depth, hopeless) {
    for (const mark of ["***", "**", "__", "~~", "*", "_"]) {
      if (!text.startsWith(mark, i) || hopeless.has(mark)) continue;
      const from = i + mark.length, word = mark[0] === "_";
      if (from >= text.length || /\s/.test(text[from]) || (word && /\w/.test(text[i - 1] || ""))) continue;
      for (let end = text.indexOf(mark[0], from), run; end >= 0; end = text.indexOf(mark[0], end + run)) {
        for (run = 1; text[end + run] === mark[0];) run++;
        const at = end + run - mark.length, next = text[end + run] || "";
        if (at <= from - 1 || run < mark.length || (mark.length === 1 && run === 2)) continue;
        if (/[\s\\]/.test(text[end - 1]) || (word && /\w/.test(next)) || at === from) continue;
        let kids = inline(text.slice(from, at), depth + 1);
        for (const tag of MARKS[mark].slice().reverse()) kids = [node(tag, kids)];
        return [kids[0], at + mark.length];
      }
      hopeless.add(mark);
    }
    return null;
  }

  /* \( … \) or \[ … \]: where it ends; 0: it is no formula but a bracket that is no link's. */
  function formula(text, i, hopeless) {
    const close = text[i + 1] === "(" ? "\\)" : "\\]";
    const end = hopeless.has(close) ? -1 : text.indexOf(close, i + 2);
    if (end < 0) hopeless.add(close);
    return end < 0 || text[end + 2] === "(" ? 0 : end + 2;
  }

  function inline(text, depth, noLinks) {
    const out = [], hopeless = new Set();
    let plain = "", until = 0;          /* until: the end of a formula, in which nothing means anything */
    const put = (n) => { if (plain) out.push(plain); plain = ""; out.push(n); };
    for (let i = 0; i < text.length;) {
      const c = text[i];
      let found = null;
      if (c === "\\" && (text[i + 1] === "(" || text[i + 1] === "[") && i >= until) until = formula(text, i, hopeless);
      if (i < until && c !== "\n") { plain += c; i++; continue; }
      if (c === "\\" && /[\\`*_{}\[\]()#+\-.!~|<>]/.test(text[i + 1] || "")) { plain += text[i + 1]; i += 2; continue; }
      if (c === "\n") { plain = plain.replace(/ +$/, ""); put(node("br")); i++; continue; }
      if (depth < DEPTH) {
        if (c === "`") {
          if (!hopeless.has("`")) { found = code(text, i); if (!found) hopeless.add("`"); }
        } else if (c === "*" || c === "_" || c === "~") found = emphasis(text, i, depth, hopeless);
        else if (!noLinks && (c === "[" || (c === "!" && text[i + 1] === "["))) found = bracketed(text, i, depth);
        else if (!noLinks && (c === "h" || c === "H")) found = address(text, i);
      }
      if (found) { put(found[0]); i = found[1]; } else { plain += c; i++; }
    }
    if (plain) out.push(plain);
    return out;
  }

  /* ---- blocks ---- */

  const FENCE = /^ {0,3}(`{3,}|~{3,})\s*([^\s`]*)[^`]*$/;
  const HEADING = /^ {0,3}(#{1,6})\s+(.*?)\s*#*\s*$/;
  const UNDER = /^ {0,3}(?:={2,}|-{2,})\s*$/;             /* two: a lone - begins a list, a lone = goes on with a sum */
  const RULE = /^ {0,3}(?:(?:\*\s*){3,}|(?:-\s*){3,}|(?:_\s*){3,})$/;
  const ITEM = /^( {0,3})([*+-]|\d{1,9}[.)])(\s+|$)(.*)$/;
  const DASHES = /^ {0,3}\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?\s*$/;
  const blank = (line) => /^\s*$/.test(line);
  /* A line that goes on with what stands in a quote or an item without being in it underlines nothing there. */
  const lazy = (line) => (UNDER.test(line) ? "    " + line : line);

  function cells(line) {
    const out = [];
    let cell = "", tick = false;
    const inner = line.trim().replace(/^\|/, "").replace(/\|$/, "");
    for (let i = 0; i < inner.length; i++) {
      if (inner[i] === "\\" && inner[i + 1] === "|") { cell += "|"; i++; continue; }
      if (inner[i] === "`") tick = !tick;
      if (inner[i] === "|" && !tick) { out.push(cell.trim()); cell = ""; continue; }
      cell += inner[i];
    }
    out.push(cell.trim());
    return out;
  }

  function fence(lines, i) {
    const m = FENCE.exec(lines[i]), close = new RegExp("^ {0,3}" + m[1][0] + "{" + m[1].length + ",}\\s*$");
    const body = [];
    let k = i + 1;
    while (k < lines.length && !close.test(lines[k])) body.push(lines[k++]);
    return [node("pre", [node("code", [body.join("\n") + (body.length ? "\n" : "")])], { lang: m[2].slice(0, 40) }),
            Math.min(k + 1, lines.length)];
  }

  function table(lines, i) {
    const head = cells(lines[i]);
    const sides = cells(lines[i + 1]).map((c) => (/^:-+:$/.test(c) ? "center" : /^-+:$/.test(c) ? "right" : "left"));
    if (sides.length !== head.length) return null;
    const row = (tag, line) => {
      const c = cells(line);
      return node("tr", head.map((_, k) => node(tag, inline(c[k] || "", 0), { align: sides[k] })));
    };
    const body = [];
    let k = i + 2;
    for (; k < lines.length && !blank(lines[k]) && lines[k].includes("|"); k++) body.push(row("td", lines[k]));
    return [node("table", [node("thead", [row("th", lines[i])]), node("tbody", body)]), k];
  }

  function quote(lines, i, depth) {
    const inner = [];
    let k = i;
    for (; k < lines.length && !blank(lines[k]); k++) {
      if (!/^ {0,3}>/.test(lines[k]) && begins(lines, k)) break;
      inner.push(/^ {0,3}>/.test(lines[k]) ? lines[k].replace(/^ {0,3}> ?/, "") : lazy(lines[k]));
    }
    return [node("blockquote", tree(inner, depth + 1)), k];
  }

  function item(lines, i, m) {
    const inset = m[1].length + m[2].length + (m[3].length > 4 || !m[4] ? 1 : m[3].length);
    const inner = [m[4]];
    let k = i + 1, loose = false;
    for (; k < lines.length; k++) {
      const line = lines[k], deep = /^ */.exec(line)[0].length;
      if (blank(line)) {
        const next = lines[k + 1];
        if (next === undefined || blank(next) || /^ */.exec(next)[0].length < inset) break;
        loose = true;
        inner.push("");
      } else if (deep >= inset) inner.push(line.slice(inset));
      else if (deep >= 2 && ITEM.test(line.trimStart()) && deep > m[1].length) inner.push(line.trimStart());
      else if (begins(lines, k)) break;
      else inner.push(lazy(line.trimStart()));
    }
    return [inner, k, loose];
  }

  function list(lines, i, depth) {
    const first = ITEM.exec(lines[i]), numbered = /\d/.test(first[2]), kind = first[2].slice(-1), items = [];
    let k = i;
    while (k < lines.length) {
      const m = ITEM.exec(lines[k]);
      if (!m || /\d/.test(m[2]) !== numbered || m[2].slice(-1) !== kind || RULE.test(lines[k])) break;
      let [inner, next, loose] = item(lines, k, m);
      const task = /^\[([ xX])\]\s+/.exec(inner[0]);
      if (task) inner[0] = inner[0].slice(task[0].length);
      let kids = tree(inner, depth + 1);
      if (!loose && kids.length && kids[0].tag === "p") kids = kids[0].kids.concat(kids.slice(1));
      if (task) kids.unshift(task[1] === " " ? "☐ " : "☑ ");
      items.push(node("li", kids, task ? { task: "1" } : {}));
      k = next;
      while (k + 1 < lines.length && blank(lines[k]) && ITEM.test(lines[k + 1])) k++;
    }
    const start = numbered ? parseInt(first[2], 10) : 1;
    return [node(numbered ? "ol" : "ul", items, numbered && start !== 1 ? { start: String(start) } : {}), k];
  }

  /* Does something other than a paragraph begin here? */
  function begins(lines, i) {
    const line = lines[i], m = ITEM.exec(line);
    return FENCE.test(line) || HEADING.test(line) || RULE.test(line) || /^ {0,3}>/.test(line) ||
           (m && m[4] !== "" && (!/\d/.test(m[2]) || parseInt(m[2], 10) < 1000)) ||
           (line.includes("|") && i + 1 < lines.length && lines[i + 1].includes("-") && DASHES.test(lines[i + 1]) &&
            cells(lines[i + 1]).length === cells(line).length);
  }

  function paragraph(lines, i) {
    let k = i + 1;
    while (k < lines.length && !blank(lines[k]) && !UNDER.test(lines[k]) && !begins(lines, k)) k++;
    const under = k < lines.length && UNDER.test(lines[k]);
    const tag = !under ? "p" : lines[k].includes("=") ? "h1" : "h2";
    return [node(tag, inline(lines.slice(i, k).map((l) => l.trimStart()).join("\n"), 0)), k + under];
  }

  /* One block at line i: [node, the line behind it]. */
  function block(lines, i, depth) {
    const line = lines[i], heading = HEADING.exec(line);
    if (FENCE.test(line)) return fence(lines, i);
    if (heading) return [node("h" + heading[1].length, inline(heading[2], 0)), i + 1];
    if (RULE.test(line)) return [node("hr"), i + 1];
    if (depth < DEPTH && /^ {0,3}>/.test(line)) return quote(lines, i, depth);
    if (depth < DEPTH && ITEM.test(line)) return list(lines, i, depth);
    if (line.includes("|") && i + 1 < lines.length && DASHES.test(lines[i + 1]) && lines[i + 1].includes("-")) {
      const found = table(lines, i);
      if (found) return found;
    }
    return paragraph(lines, i);
  }

  function tree(lines, depth) {
    const out = [];
    for (let i = 0; i < lines.length;) {
      if (blank(lines[i])) { i++; continue; }
      const [n, next] = block(lines, i, depth);
      out.push(n);
      i = next;
    }
    return out;
  }

  /* The blocks of a text, each with the lines it came from: a page that shows a growing text makes the last anew. */
  function blocks(text) {
    const lines = text.replace(/\r\n?/g, "\n").replace(/\t/g, "    ").split("\n"), out = [];
    for (let i = 0; i < lines.length;) {
      if (blank(lines[i])) { i++; continue; }
      const [n, next] = block(lines, i, 0);
      out.push({ raw: lines.slice(i, next).join("\n"), node: n });
      i = next;
    }
    return out;
  }

  /* ---- out ---- */

  /* As HTML, escaped: for tests. */
  function html(n) {
    const escape = (s) => s.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;").replace(/"/g, "&quot;");
    if (typeof n === "string") return escape(n);
    const attrs = Object.entries(n.attrs).map(([k, v]) => ` ${k}="${escape(v)}"`).join("");
    return `<${n.tag}${attrs}>` + (n.tag === "br" || n.tag === "hr" ? "" : n.kids.map(html).join("") + `</${n.tag}>`);
  }

  /* As elements. `code(pre, lang, text)` may dress a block of code. */
  function element(n, dress) {
    if (typeof n === "string") return document.createTextNode(n);
    const e = document.createElement(n.tag);
    for (const name of ["href", "rel", "target", "start"]) if (n.attrs[name]) e.setAttribute(name, n.attrs[name]);
    if (n.attrs.align) e.className = "to-" + n.attrs.align;
    if (n.attrs.task) e.className = "task";
    for (const kid of n.kids) e.append(element(kid, dress));
    if (n.tag === "pre" && dress) return dress(e, n.attrs.lang || "", n.kids[0].kids[0]);
    if (n.tag === "table") {
      const wide = document.createElement("div");
      wide.className = "wide";
      wide.tabIndex = 0;
      wide.append(e);
      return wide;
    }
    return e;
  }

  return { blocks, html, element };
})();

if (typeof module !== "undefined") module.exports = Markdown;
