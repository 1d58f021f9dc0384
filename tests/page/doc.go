// Package page has no code: its tests open /stats.html in a real browser, and want it to
// say what /stats says, to keep up, and to need nothing but its server.
package page
