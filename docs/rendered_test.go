package docs

// The book as HTML: the pages that the stages carry are those that the chapters make. With -update
// they are written again; no other test writes there.

import (
	"io/fs"
	"os"
	"path"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"fourways/docs/book"
	"fourways/docs/book/update"
	"fourways/docs/book/web"
	"fourways/shared/course"
)

const carried = "shared/course/pages"

// stale lists the pages under dir that are not as made.
func stale(t *testing.T, p book.Project, dir string, made web.Fragments) (list []string) {
	t.Helper()
	for name, text := range made {
		if now, err := fs.ReadFile(p.FS, path.Join(dir, name)); err != nil || string(now) != text {
			list = append(list, name)
		}
	}
	there, err := fs.ReadDir(p.FS, dir)
	require.NoError(t, err)
	for _, e := range there {
		if _, is := made[e.Name()]; !is {
			list = append(list, e.Name())
		}
	}
	return list
}

// It stands after the test that writes listings again, of which the pages are made.
func TestListingsAndTextStandInTheBookThatTheStagesCarry(t *testing.T) {
	p := project(t)
	made, err := web.Make(p)
	require.NoError(t, err)
	if *update.Wanted {
		require.NoError(t, web.Write(p.Path(carried), made))
	}
	require.Empty(t, stale(t, p, carried, made), "these pages are not what the chapters and sources make:\n"+
		"go test ./docs -run 'TestListings' -update    writes them again")
}

func TestAPageThatIsStaleIsFound(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, web.Write(dir, web.Fragments{"01-a.html": "a", "02-b.html": "b", "source-x.html": "x"}))
	p := book.NewProject(dir)
	require.Empty(t, stale(t, p, ".", web.Fragments{"01-a.html": "a", "02-b.html": "b", "source-x.html": "x"}))
	now := web.Fragments{"01-a.html": "a", "02-b.html": "another b"}
	require.ElementsMatch(t, []string{"02-b.html", "source-x.html"}, stale(t, p, ".", now))
	require.NoError(t, os.WriteFile(dir+"/notes.txt", nil, 0o644))
	require.NoError(t, web.Write(dir, now))
	require.Equal(t, []string{"notes.txt"}, stale(t, p, ".", now), "only what is the book's own is removed")
}

// readmesPicture moves, and is an image: it stands in no page of the book.
const readmesPicture = "demo.svg"

func TestEachPictureAndTraceIsInAChapter(t *testing.T) {
	p := project(t)
	require.Contains(t, open(t, p, readme)[0].Text, "](docs/pictures/"+readmesPicture+")")
	said := ""
	for _, d := range chapters(t, p) {
		said += d.Text
	}
	for _, kind := range []struct{ word, folder, end string }{{"picture", "docs/pictures", ".svg"}, {"stepper", "docs/steppers", ".json"}, {"lab", path.Clean(book.LabsDir), ".json"}} {
		there, err := fs.ReadDir(p.FS, kind.folder)
		require.NoError(t, err)
		for _, e := range there {
			name, is := strings.CutSuffix(e.Name(), kind.end)
			if !is && kind.word == "lab" {
				continue // the drawing beside it, which the book would miss
			}
			require.True(t, is, e.Name())
			if e.Name() != readmesPicture {
				require.Contains(t, said, "<!-- "+kind.word+": "+name+" -->")
			}
		}
	}
}

var (
	reference  = regexp.MustCompile(`\b(?:href|action|src)="([^"]*)"`)
	identifier = regexp.MustCompile(`\bid="([^"]*)"`)
	script     = regexp.MustCompile(`(?s)<script>.*?</script>`)
)

func TestLinksOfTheRenderedBookLeadSomewhere(t *testing.T) {
	made, err := web.Make(project(t))
	require.NoError(t, err)
	files := fstest.MapFS{}
	for name, text := range made {
		files[name] = &fstest.MapFile{Data: []byte(text)}
	}
	all, err := course.Whole(files, course.Where{})
	require.NoError(t, err)
	places := map[string]bool{}
	for i, p := range all {
		all[i].HTML = script.ReplaceAllString(p.HTML, "")
		places[p.Name] = true
		for _, m := range identifier.FindAllStringSubmatch(all[i].HTML, -1) {
			place := p.Name + "#" + m[1]
			require.False(t, places[place], "%s is there twice", place)
			places[place] = true
		}
	}
	for _, p := range all {
		for _, m := range reference.FindAllStringSubmatch(p.HTML, -1) {
			to := m[1]
			if strings.HasPrefix(to, "#") {
				to = p.Name + to
			}
			if !strings.HasPrefix(to, "data:") && !strings.HasPrefix(to, "http://127.0.0.1:8080") {
				require.True(t, places[to], "%s links to %s", p.Name, to)
			}
		}
	}
}
