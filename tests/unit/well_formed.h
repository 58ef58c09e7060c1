/* tests/unit/well_formed.h — is a text well-formed XML, as far as the figures and pages made here need it? Tags closed
 * in their order, attributes quoted and once each, `<` and `&` only where they mean something. Void elements of HTML
 * (<meta>, <br>) may stay open where `html` says so; the insides of <style> and <script> are not looked at. */
#ifndef QN_TESTS_WELL_FORMED_H
#define QN_TESTS_WELL_FORMED_H

#include <ctype.h>
#include <stdio.h>
#include <string.h>

typedef struct { const char *at; const char *name[64]; size_t n[64]; int depth; bool html; char why[160]; } well_state;

static bool well_bad(well_state *w, const char *why) {
    snprintf(w->why, sizeof w->why, "%s at \"%.80s\"", why, w->at);
    return false;
}

static size_t well_name(const char *s) {
    size_t n = 0;
    while (isalnum((unsigned char)s[n]) || s[n] == '-' || s[n] == ':' || s[n] == '_')
        n++;
    return n;
}

static bool well_entity(well_state *w) {
    const char *s = w->at + 1;
    const size_t n = *s == '#' ? 1 + strspn(s + 1, "0123456789") : well_name(s);
    if (n < 2 || s[n] != ';')
        return well_bad(w, "a bare &");
    w->at = s + n + 1;
    return true;
}

static bool well_attribute(well_state *w, const char *seen[32], size_t seen_n[32], int *count) {
    const size_t n = well_name(w->at);
    if (n == 0)
        return well_bad(w, "no attribute");
    for (int i = 0; i < *count; i++)
        if (seen_n[i] == n && memcmp(seen[i], w->at, n) == 0)
            return well_bad(w, "an attribute twice");
    if (*count == 32)
        return well_bad(w, "too many attributes");
    seen[*count] = w->at;
    seen_n[(*count)++] = n;
    w->at += n;
    if (*w->at != '=')
        return w->html ? true : well_bad(w, "an attribute without a value");
    if (*++w->at != '"')
        return well_bad(w, "a value without quotes");
    for (w->at++; *w->at != '"';) {
        if (!*w->at || *w->at == '<')
            return well_bad(w, "a value without an end");
        if (*w->at != '&')
            w->at++;
        else if (!well_entity(w))
            return false;
    }
    w->at++;
    return true;
}

static bool well_void(const well_state *w, const char *name, size_t n) {
    static const char *const names[] = {"meta", "br", "hr", "img", "link", "input"};
    for (size_t i = 0; w->html && i < sizeof names / sizeof *names; i++)
        if (strlen(names[i]) == n && memcmp(names[i], name, n) == 0)
            return true;
    return false;
}

static bool well_close(well_state *w) {
    const char *name = w->at + 2;
    const size_t n = well_name(name);
    if (w->depth == 0 || w->n[w->depth - 1] != n || memcmp(w->name[w->depth - 1], name, n) != 0 || name[n] != '>')
        return well_bad(w, "closes what is not open");
    w->depth--;
    w->at = name + n + 1;
    return true;
}

static bool well_open(well_state *w) {
    const char *name = w->at + 1, *seen[32];
    size_t seen_n[32], n = well_name(name);
    int count = 0;
    if (n == 0)
        return well_bad(w, "a bare <");
    for (w->at = name + n; *w->at == ' ' || *w->at == '\n';) {
        w->at += strspn(w->at, " \n");
        if (*w->at != '>' && *w->at != '/' && !well_attribute(w, seen, seen_n, &count))
            return false;
    }
    const bool closed = *w->at == '/';
    w->at += closed;
    if (*w->at++ != '>')
        return well_bad(w, "a tag without an end");
    if (closed || well_void(w, name, n))
        return true;
    const bool raw = (n == 5 && memcmp(name, "style", 5) == 0) || (n == 6 && memcmp(name, "script", 6) == 0);
    const char *end = raw ? strstr(w->at, n == 5 ? "</style>" : "</script>") : w->at;
    if (!end || w->depth == 64)
        return well_bad(w, "no end, or too deep");
    w->at = end;
    w->name[w->depth] = name;
    w->n[w->depth++] = n;
    return true;
}

/* NULL, or what is wrong: static, until the next call. */
static const char *well_formed(const char *text, bool html) {
    static well_state w;
    w = (well_state){.at = text, .html = html};
    if (html && strncmp(text, "<!DOCTYPE html>", 15) == 0)
        w.at += 15;
    while (*w.at) {
        const bool ok = *w.at == '<' ? (w.at[1] == '/' ? well_close(&w) : well_open(&w))
                        : *w.at == '&' ? well_entity(&w) : (w.at++, true);
        if (!ok)
            return w.why;
    }
    return w.depth ? (well_bad(&w, "something stays open"), w.why) : NULL;
}

#endif
