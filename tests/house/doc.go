// Package house holds the code's structure to what is said of it: what stages 2 and 3 do with a
// socket is the same text in both, so that a reader who lays them side by side sees the waiting
// differ and nothing else; imports run downwards only; comments cite in one way and keep their
// width; long files open with their contract; a function fits one screen; and a stage is short.
package house
