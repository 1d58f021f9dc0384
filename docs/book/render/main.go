// Render writes the book as HTML pages.
//
//	go run ./docs/book/render -o DIR            the whole book, to be read from the folder
//	go run ./docs/book/render -fragments DIR    the pages without their frames, as the stages carry them
//
// It is run in the project, or in a folder of it. Files of the book that were in the folder and are
// no longer made are removed; others are left alone.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"log"
	"os"
	"path/filepath"
	"testing/fstest"

	"fourways/docs/book"
	"fourways/docs/book/web"
	"fourways/shared/course"
)

func main() {
	log.SetFlags(0)
	whole := flag.String("o", "", "the `folder` for the book")
	fragments := flag.String("fragments", "", "the `folder` for the pages without their frames")
	flag.Parse()
	if flag.NArg() > 0 || (*whole == "") == (*fragments == "") {
		flag.Usage()
		os.Exit(2)
	}
	if err := render(*whole, *fragments); err != nil {
		log.Fatal(err)
	}
}

func render(whole, fragments string) error {
	root, err := projectRoot()
	if err != nil {
		return err
	}
	made, err := web.Make(book.NewProject(root))
	if err != nil {
		return err
	}
	if fragments != "" {
		return web.Write(fragments, made)
	}
	files := fstest.MapFS{}
	for name, text := range made {
		files[name] = &fstest.MapFile{Data: []byte(text)}
	}
	all, err := course.Whole(files, course.Where{})
	if err != nil {
		return err
	}
	out := web.Fragments{}
	for _, p := range all {
		out[p.Name] = p.HTML
	}
	if err := web.Write(whole, out); err != nil {
		return err
	}
	fmt.Printf("%d pages; begin with %s\n", len(out), filepath.Join(whole, "index.html"))
	return nil
}

// projectRoot is the folder above the current one that has the workspace.
func projectRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		switch _, err := os.Stat(filepath.Join(dir, "go.work")); {
		case err == nil:
			return dir, nil
		case !errors.Is(err, fs.ErrNotExist):
			return "", err
		case dir == filepath.Dir(dir):
			return "", errors.New("no go.work here or above: run it in the project")
		}
		dir = filepath.Dir(dir)
	}
}
