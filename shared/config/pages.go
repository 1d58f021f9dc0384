package config

// The names of pages: of a folder's index, and of the page of an application; and what caches are
// told of files. What must not be done: nothing is looked for here. Whether there is such a page is
// found out when the root is open.

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// maxName is the length of a file's longest name, in bytes (NAME_MAX, limits.h).
const maxName = 255

// fileName takes the name of a file without its folder.
func fileName(dst *string) func(string) error {
	return func(value string) error {
		if value == "" || value[0] == '.' || len(value) > maxName || !utf8.ValidString(value) ||
			strings.ContainsAny(value, `/\`) || strings.ContainsFunc(value, func(r rune) bool { return control(r) || r == '\t' }) {
			return fmt.Errorf("%q is no name of a file; give one without a folder, as index.html", value)
		}
		*dst = value
		return nil
	}
}

// pagePath takes the path of a page of the site.
func pagePath(dst *string) func(string) error {
	return func(value string) error {
		if value == "" || !plainPath(value) || strings.HasSuffix(value, "/") {
			return fmt.Errorf("%q is no page; give its path, as /index.html", value)
		}
		*dst = value
		return nil
	}
}

// cacheRule takes PATTERN=VALUE.
func cacheRule(dst *[]CacheRule) func(string) error {
	return func(value string) error {
		pattern, says, ok := strings.Cut(value, "=")
		if !ok || pattern == "" || pattern[0] != '/' && strings.Contains(pattern, "/") || !utf8.ValidString(pattern) || strings.ContainsFunc(pattern, control) {
			return fmt.Errorf("%q does not fit; give a path or a file's name, and what is said of it, as '/assets/*=max-age=31536000, immutable' or '*.html=no-cache'", value)
		}
		r := CacheRule{Pattern: pattern}
		if err := fieldValue(&r.Value)(says); err != nil {
			return err
		}
		*dst = append(*dst, r)
		return nil
	}
}

// checkPages says what of the settings for pages does not go together.
func checkPages(c *Config) error {
	if c.App != "" && !served(c, c.App) {
		return usage("-%s: %q is of a type that is not served; add it to -types", flagApp, c.App)
	}
	return nil
}

// doubtsOfPages is the doubts about them.
func doubtsOfPages(c *Config) (doubts []string) {
	if !served(c, c.Index) {
		doubts = append(doubts, fmt.Sprintf("-%s %q is of a type that is not served (-types): no folder has an index", flagIndex, c.Index))
	}
	if c.CleanURLs && !slices.Contains(c.Types, "html") {
		doubts = append(doubts, fmt.Sprintf("-%s finds nothing: html is not among -types", flagCleanURLs))
	}
	return doubts
}

// served reports whether a name's extension is among -types.
func served(c *Config, name string) bool {
	dot := strings.LastIndexByte(name, '.')
	return dot > strings.LastIndexByte(name, '/') && slices.Contains(c.Types, strings.ToLower(name[dot+1:]))
}
